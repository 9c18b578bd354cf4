/* SPDX-License-Identifier: MIT
 *
 * What the pipeline, the model, the data and the service have to say, as Prometheus reads it. Its parts are listed in rec-metrics.h.
 */
#include "rec-metrics.h"

#include <rec/observe.h>

#include <math.h>
#include <sys/stat.h>

static const char *runs, *model, *registry, *checks, *counters, *output;
static struct rec_opt_list labels;
static bool skip_missing;

static struct rec_opt opts[] = {
    {0, "runs", "FILE", REC_OPT_FILE, &runs, .help = "the run log, of rec-job --run-log"},
    {0, "metrics", "FILE", REC_OPT_FILE, &model, .help = "what a model is worth, of rec-eval"},
    {0, "registry", "DIR", REC_OPT_FILE, &registry, .help = "the registry: what its production model is worth"},
    {0, "checks", "FILE", REC_OPT_FILE, &checks, .help = "data checks, of rec-validate --json"},
    {0, "counters", "FILE", REC_OPT_FILE, &counters, .help = "what rec-serve counts: the file stats in its --state"},
    {'l', "label", "NAME=VALUE", REC_OPT_LIST, &labels, .help = "a label for all of it, as dataset=ml-1m"},
    {0, "skip-missing", NULL, REC_OPT_FLAG, &skip_missing, .help = "leave out what is missing or damaged, and say so as a metric"},
    TOOL_OUTPUT(&output),
    {0},
};

static const struct tool_about about = {
    .name = "rec-metrics",
    .synopsis = "[options]",
    .summary = "metrics for Prometheus of runs, model, data and service",
    .opts = opts,
};

static const struct source {
    const char *name;
    const char **path;
    int (*add)(struct rec_buf *out, const char *path, struct rec_err *err);
} sources[] = {
    {"runs", &runs, metrics_runs},       {"metrics", &model, metrics_model},          {"registry", &registry, metrics_registry},
    {"checks", &checks, metrics_checks}, {"counters", &counters, metrics_counters},
};

/* ---- text ---- */

void metrics_family(struct rec_buf *out, const char *name, const char *type, const char *help)
{
    rec_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_label(struct rec_buf *list, const char *name, const char *value)
{
    rec_prom_label(list, name, value, strlen(value));
}

void metrics_sample(struct rec_buf *out, const char *name, const struct rec_buf *list, double value)
{
    char number[REC_NUM_MAX];

    rec_buf_adds(out, name);
    if (list && list->len)
        rec_buf_addf(out, "{%s}", list->data);
    rec_buf_addc(out, ' ');
    if (isfinite(value))
        rec_buf_add(out, number, rec_num_print_double(number, value));
    else
        rec_buf_adds(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    rec_buf_addc(out, '\n');
    out->failed |= list && list->failed;
}

/* ---- labels for all ---- */

static bool is_label(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    return n > 0 && text[n] == '=' && !strchr("0123456789", text[0]) && strncmp(text, "__", 2) != 0 && rec_json_utf8(text, strlen(text));
}

static void all_labels(struct rec_buf *out)
{
    for (size_t i = 0; i < labels.n; i++) {
        char name[128];

        snprintf(name, sizeof name, "%.*s", (int)strcspn(labels.text[i], "="), labels.text[i]);
        metrics_label(out, name, strchr(labels.text[i], '=') + 1);
    }
}

/* One that a sample has already would be there twice. (In values quotes are escaped: NAME=" begins a label and nothing else.) */
static int check_label(const char *sample, size_t len, struct rec_err *err)
{
    for (size_t i = 0; i < labels.n; i++) {
        char first[136], next[136];
        int n = (int)strcspn(labels.text[i], "=");

        snprintf(first, sizeof first, "{%.*s=\"", n, labels.text[i]);
        snprintf(next, sizeof next, ",%.*s=\"", n, labels.text[i]);
        if (memmem(sample, len, first, strlen(first)) || memmem(sample, len, next, strlen(next)))
            return rec_err_set(err, "--label: %.*s: %.*s has a label of this name", n, labels.text[i], (int)strcspn(sample, "{"), sample);
    }
    return 0;
}

/* name{a="b"} 1 and name 1 become name{ALL,a="b"} 1 and name{ALL} 1. */
static int add_labels(struct rec_buf *out, const struct rec_buf *text, const struct rec_buf *list, struct rec_err *err)
{
    const char *line = text->data, *end;

    for (; line && *line; line = end + 1) {
        size_t len, name = strcspn(line, "{ ");

        end = line + strcspn(line, "\n");
        len = (size_t)(end - line);
        if (*line == '#' || !list->len) {
            rec_buf_add(out, line, len + 1);
            continue;
        }
        if (check_label(line, len, err) < 0)
            return -1;
        rec_buf_add(out, line, name);
        rec_buf_addf(out, "{%s%s", list->data, line[name] == '{' ? "," : "}");
        name += line[name] == '{';
        rec_buf_add(out, line + name, len + 1 - name);
    }
    return 0;
}

/* ---- sources ---- */

/* All of a source, or nothing of it. */
static int add_source(struct rec_buf *out, struct rec_buf *up, const struct tool *tool, const struct source *s, struct rec_err *err)
{
    struct rec_buf text = {0}, label = {0};
    int status = s->add(&text, *s->path, err);

    if (status == 0 && text.failed)
        status = rec_err_memory(err, *s->path);
    if (status == 0)
        rec_buf_add(out, text.data, text.len);
    else if (skip_missing)
        tool_note(tool, "left out: %s", err->text);
    metrics_label(&label, "source", s->name);
    metrics_sample(up, "rec_metrics_source_up", &label, status == 0);
    rec_buf_clear(&text);
    rec_buf_clear(&label);
    return skip_missing ? 0 : status;
}

/* Readable by node_exporter's user, whatever the umask of cron. */
static int write_out(const struct rec_buf *text, struct rec_err *err)
{
    struct rec_out out = {.fd = -1};
    int rc = -1;

    if (rec_out_open(&out, output, false, err) < 0)
        return -1;
    if (out.temporary && fchmod(out.fd, 0644) < 0)
        rec_err_errno(err, "%s", output);
    else if (rec_out_write(&out, text->data, text->len, err) == 0)
        rc = rec_out_commit(&out, err);
    rec_out_abort(&out);
    return rc;
}

static int run(const struct tool *tool, struct rec_err *err)
{
    struct rec_buf text = {0}, up = {0}, list = {0}, out = {0};
    int rc = -1;

    metrics_family(&up, "rec_metrics_source_up", "gauge", "Whether this source of metrics was there and whole.");
    for (size_t i = 0; i < REC_LENGTH(sources); i++)
        if (*sources[i].path && add_source(&text, &up, tool, &sources[i], err) < 0)
            goto out;
    rec_buf_add(&text, up.data, up.len);
    all_labels(&list);
    if (text.failed || up.failed || list.failed)
        rec_err_memory(err, "metrics");
    else if (add_labels(&out, &text, &list, err) == 0)
        rc = out.failed ? rec_err_memory(err, "metrics") : write_out(&out, err);
out:
    rec_buf_clear(&text);
    rec_buf_clear(&up);
    rec_buf_clear(&list);
    rec_buf_clear(&out);
    return rc;
}

static int check_usage(const struct tool *tool)
{
    if (!runs && !model && !registry && !checks && !counters)
        return tool_usage(tool, "nothing to read: --runs, --metrics, --registry, --checks or --counters is missing");
    if (model && registry)
        return tool_usage(tool, "--metrics and --registry are two sources of the same metrics");
    for (size_t i = 0; i < labels.n; i++)
        if (!is_label(labels.text[i]) || strcspn(labels.text[i], "=") > 100)
            return tool_usage(tool, "--label: %.80s: not NAME=VALUE, with a name of letters, digits and _", labels.text[i]);
    return TOOL_DONE;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};
    int status;

    tool_start(&tool, &about, argc, argv);
    if ((status = check_usage(&tool)) != TOOL_DONE)
        return status;
    return run(&tool, &err) < 0 ? tool_fail(&tool, &err) : tool_finish(&tool, TOOL_DONE);
}
