/* SPDX-License-Identifier: MIT
 *
 * Checks ratings before anything is trained on them. Exit status 3 says that a check failed.
 */
#include "tool.h"

#include <math.h>
#include <rec/data.h>
#include <unistd.h>

static double thresholds[REC_CHECKS_MAX], low = NAN, high = NAN, step = NAN;
static int64_t cold = 5, per_day = 1000;
static const char *earliest = "1990-01-01", *now, *catalogue, *output;
static struct rec_opt_list grave, skip;
static bool json, strict;

static const struct rec_opt own[] = {
    {0, "catalogue", "FILE", REC_OPT_FILE, &catalogue, .help = "the items there are, from rec-ingest --movies"},
    {0, "low", "VALUE", REC_OPT_REAL, &low, .help = "least rating there may be"},
    {0, "high", "VALUE", REC_OPT_REAL, &high, .help = "greatest rating there may be"},
    {0, "step", "VALUE", REC_OPT_REAL, &step, .min = 1e-6, .max = 1e9, .help = "ratings are multiples of it"},
    {0, "earliest", "DATE", REC_OPT_TEXT, &earliest, .help = "no rating is older"},
    {0, "now", "DATE", REC_OPT_TEXT, &now, .help = "no rating is newer; the present by default"},
    {0, "cold", "N", REC_OPT_INT, &cold, .min = 1, .max = 1e9, .help = "users and items with fewer ratings are cold"},
    {0, "per-day", "N", REC_OPT_INT, &per_day, .min = 1, .max = 1e9,
     .help = "more ratings of a user in 24 hours are a program's"},
    {0, "fail", "CHECK", REC_OPT_LIST, &grave, .help = "beyond its threshold this check fails, instead of warning"},
    {0, "skip", "CHECK", REC_OPT_LIST, &skip, .help = "leave this check out"},
    {0, "strict", NULL, REC_OPT_FLAG, &strict, .help = "warnings are failures"},
    {0, "json", NULL, REC_OPT_FLAG, &json, .help = "write JSON instead of a table"},
    TOOL_OUTPUT(&output),
};

/* Besides these, each check has an option for its threshold: --max-cold-users, --min-ratings. */
static struct rec_opt opts[REC_LENGTH(own) + REC_CHECKS_MAX + 1];
static char names[REC_CHECKS_MAX][32], helps[REC_CHECKS_MAX][96];

static const struct tool_about about = {
    .name = "rec-validate",
    .synopsis = "[options] [RATINGS]",
    .summary = "check ratings before training",
    .opts = opts,
    .max_operands = 1,
};

static void make_options(void)
{
    size_t n = REC_LENGTH(own);

    memcpy(opts, own, sizeof own);
    for (size_t i = 0; rec_checks[i].name; i++) {
        const struct rec_check *c = &rec_checks[i];

        snprintf(names[i], sizeof names[i], "%s-%s", c->at_least ? "min" : "max", c->name);
        snprintf(helps[i], sizeof helps[i], "%s%s: %s", c->share ? "share of " : "", c->help,
                 c->grave ? "fails" : "warns");
        thresholds[i] = c->threshold;
        opts[n++] = (struct rec_opt){0, names[i], c->share ? "SHARE" : "N", REC_OPT_REAL, &thresholds[i],
                                     .max = c->share || strcmp(c->name, "skew") == 0 ? 1 : 1e15, .help = helps[i]};
    }
}

static bool listed(const struct rec_opt_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->text[i], name) == 0)
            return true;
    return false;
}

/* NULL, or a name given to --fail or --skip that is none of a check. */
static const char *unknown(const struct rec_opt_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        bool known = false;

        for (size_t k = 0; rec_checks[k].name && !known; k++)
            known = strcmp(rec_checks[k].name, list->text[i]) == 0;
        if (!known)
            return list->text[i];
    }
    return NULL;
}

static void apply(struct rec_check_result *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (listed(&skip, r[i].check->name))
            r[i].verdict = REC_CHECK_SKIPPED;
        else if (r[i].verdict == REC_CHECK_WARN && (strict || listed(&grave, r[i].check->name)))
            r[i].verdict = REC_CHECK_FAIL;
    }
}

/* ---- reports ---- */

static const char *const verdict_name[] = {"ok", "warn", "FAIL", "-"};
static const char *const verdict_json[] = {"ok", "warn", "fail", "skipped"};
static const char *const colour[] = {"\033[32m", "\033[33m", "\033[1;31m", "\033[2m"};

static void number(char *out, size_t room, double v, bool share)
{
    if (isnan(v))
        snprintf(out, room, "-");
    else if (share)
        snprintf(out, room, "%.*f %%", v > 0 && v < 0.001 ? 4 : 1, 100 * v);
    else
        snprintf(out, room, "%.*f", floor(v) == v ? 0 : 3, v);
}

static void print_table(struct rec_buf *out, const struct rec_check_result *r, size_t n, const size_t *count)
{
    const char *no_color = getenv("NO_COLOR");
    bool colours = !output && isatty(STDOUT_FILENO) && !(no_color && no_color[0]);

    rec_buf_addf(out, "%-14s %10s  %-18s %-8s %s\n", "check", "value", "wanted", "verdict", "found");
    for (size_t i = 0; i < n; i++) {
        char value[40], threshold[40], wanted[64];

        number(value, sizeof value, r[i].value, r[i].check->share);
        number(threshold, sizeof threshold, r[i].threshold, r[i].check->share);
        snprintf(wanted, sizeof wanted, "%s %s", r[i].check->at_least ? "at least" : "at most", threshold);
        rec_buf_addf(out, "%-14s %10s  %-18s %s%-8s%s %s\n", r[i].check->name, value, wanted,
                     colours ? colour[r[i].verdict] : "",
                     verdict_name[r[i].verdict], colours ? "\033[0m" : "", r[i].text);
        while (out->len > 1 && out->data[out->len - 2] == ' ') {
            out->data[out->len - 2] = '\n';
            out->data[--out->len] = '\0';
        }
    }
    rec_buf_addf(out, "%zu failed, %zu warning%s, %zu passed, %zu skipped\n", count[REC_CHECK_FAIL],
                 count[REC_CHECK_WARN], count[REC_CHECK_WARN] == 1 ? "" : "s", count[REC_CHECK_OK],
                 count[REC_CHECK_SKIPPED]);
}

static void print_json(struct rec_buf *out, const struct rec_check_result *r, size_t n, const size_t *count,
                       const struct rec_ratings *ratings)
{
    struct rec_json j = {.out = out};
    const char *all = count[REC_CHECK_FAIL] ? "fail" : count[REC_CHECK_WARN] ? "warn" : "ok";

    rec_json_object(&j, NULL);
    rec_json_text(&j, "verdict", all, strlen(all));
    rec_json_int(&j, "failed", (int64_t)count[REC_CHECK_FAIL]);
    rec_json_int(&j, "warnings", (int64_t)count[REC_CHECK_WARN]);
    rec_json_int(&j, "users", (int64_t)ratings->n_users);
    rec_json_int(&j, "items", (int64_t)ratings->n_items);
    rec_json_int(&j, "ratings", (int64_t)ratings->nnz);
    rec_json_array(&j, "checks");
    for (size_t i = 0; i < n; i++) {
        rec_json_object(&j, NULL);
        rec_json_text(&j, "check", r[i].check->name, strlen(r[i].check->name));
        rec_json_real(&j, "value", r[i].value);
        rec_json_real(&j, r[i].check->at_least ? "min" : "max", r[i].threshold);
        rec_json_text(&j, "verdict", verdict_json[r[i].verdict], strlen(verdict_json[r[i].verdict]));
        rec_json_text(&j, "found", r[i].text, strlen(r[i].text));
        rec_json_end(&j);
    }
    rec_json_end(&j);
    rec_json_end(&j);
    rec_buf_addc(out, '\n');
}

static int report(const struct rec_check_result *r, size_t n, const size_t *count, const struct rec_ratings *ratings,
                  struct rec_err *err)
{
    struct rec_buf text = {0};

    if (json)
        print_json(&text, r, n, count, ratings);
    else
        print_table(&text, r, n, count);
    return tool_write(&text, output, err);
}

/* ---- */

/* Only the ids of the catalogue matter here. */
static int read_catalogue(struct rec_safetensors *file, struct rec_ids *ids, struct rec_err *err)
{
    if (rec_safetensors_open(file, catalogue, err) < 0 || rec_safetensors_expect(file, "rec.catalogue", 1, err) < 0)
        return -1;
    return rec_ids_load(ids, file, "items", err);
}

static int options(struct rec_checks_options *o, struct rec_err *err)
{
    struct timespec present;

    rec_checks_defaults(o);
    memcpy(o->threshold, thresholds, sizeof o->threshold);
    o->low = low;
    o->high = high;
    o->step = step;
    o->cold = (size_t)cold;
    o->per_day = (size_t)per_day;
    clock_gettime(CLOCK_REALTIME, &present);
    o->now = (int64_t)present.tv_sec + 86400; /* clocks differ a little */
    if (rec_date_parse(&o->earliest, earliest, "--earliest", err) < 0)
        return -1;
    return now ? rec_date_parse(&o->now, now, "--now", err) : 0;
}

/* 1 when a check failed. */
static int validate(struct tool *tool, struct rec_err *err)
{
    struct rec_check_result result[REC_CHECKS_MAX];
    struct rec_checks_options o;
    struct rec_ratings r = {0};
    struct rec_safetensors file = {0};
    struct rec_ids ids = {0};
    size_t n, count[4] = {0};
    int rc = -1;

    if (options(&o, err) < 0 || (catalogue && read_catalogue(&file, &ids, err) < 0) ||
        rec_ratings_read(&r, tool_operand(tool, 0), err) < 0)
        goto out;
    o.catalogue = catalogue ? &ids : NULL;
    if ((n = rec_checks_run(result, &r, &o, err)) == 0)
        goto out;
    apply(result, n);
    for (size_t i = 0; i < n; i++)
        count[result[i].verdict]++;
    tool->rows = r.nnz;
    tool->rows_name = "ratings";
    rc = report(result, n, count, &r, err);
    rc = rc == 0 ? count[REC_CHECK_FAIL] > 0 : rc;
out:
    rec_ratings_clear(&r);
    rec_ids_clear(&ids);
    rec_safetensors_close(&file);
    return rc;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};
    const char *name;
    int rc;

    make_options();
    tool_start(&tool, &about, argc, argv);
    if ((name = unknown(&grave)) || (name = unknown(&skip)))
        return tool_usage(&tool, "%s is no check", name);
    if ((rc = validate(&tool, &err)) < 0)
        return tool_fail(&tool, &err);
    return tool_finish(&tool, rc ? TOOL_NO : TOOL_DONE);
}
