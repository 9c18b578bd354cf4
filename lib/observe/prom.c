/* SPDX-License-Identifier: MIT
 *
 * Counters as Prometheus reads them: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, 0.0.4).
 */
#include <rec/observe.h>

#include <stdlib.h>
#include <string.h>

void rec_prom_label(struct rec_buf *out, const char *name, const char *value, size_t len)
{
    if (out->len)
        rec_buf_addc(out, ',');
    rec_buf_addf(out, "%s=\"", name);
    for (size_t i = 0; i < len; i++) {
        if (value[i] == '\n')
            rec_buf_adds(out, "\\n");
        else if (value[i] == '"' || value[i] == '\\')
            rec_buf_addf(out, "\\%c", value[i]);
        else
            rec_buf_addc(out, value[i]);
    }
    rec_buf_addc(out, '"');
}

struct line {
    char *name;
    int64_t value;
};

struct lines {
    struct line *line;
    size_t n, cap;
    bool failed;
};

static void gather(void *context, const char *name, int64_t value)
{
    struct lines *lines = context;

    if (lines->n == lines->cap) {
        size_t cap = lines->cap ? 2 * lines->cap : 256;

        if (rec_realloc(&lines->line, cap, sizeof *lines->line, "counters", NULL) < 0) {
            lines->failed = true;
            return;
        }
        lines->cap = cap;
    }
    lines->line[lines->n].name = strdup(name);
    lines->line[lines->n].value = value;
    if (lines->line[lines->n].name)
        lines->n++;
    else
        lines->failed = true;
}

/* The bound of a bucket; buckets of a histogram stand in the order of their bounds, and before its sum and count. */
static double bound(const char *name)
{
    const char *le = strstr(name, "le=\"");
    double value = 0;

    if (!le || strncmp(le + 4, "+Inf", 4) == 0)
        return 1e300;
    return rec_num_double(&value, le + 4, strcspn(le + 4, "\"")) < 0 ? 0 : value;
}

/* Without the bound, so that the buckets of one histogram are beside each other. */
static int compare(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    const char *p = strstr(x->name, "le=\""), *q = strstr(y->name, "le=\"");
    int order;

    if (!p || !q)
        return strcmp(x->name, y->name);
    if (p - x->name != q - y->name || (order = strncmp(x->name, y->name, (size_t)(p - x->name))) != 0)
        return strcmp(x->name, y->name);
    return (bound(x->name) > bound(y->name)) - (bound(x->name) < bound(y->name));
}

/* Whether the series is of that metric: its name, one of a histogram's three suffixes, then labels or the end. */
static bool is_of(const struct rec_prom_metric *metric, const char *name, bool *sum)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    size_t len = strlen(metric->name);

    *sum = false;
    if (strncmp(name, metric->name, len) != 0)
        return false;
    if (metric->type != REC_PROM_HISTOGRAM)
        return name[len] == '{' || !name[len];
    for (size_t i = 0; i < REC_LENGTH(suffixes); i++) {
        size_t more = strlen(suffixes[i]);

        *sum = i == 1;
        if (strncmp(name + len, suffixes[i], more) == 0 && (name[len + more] == '{' || !name[len + more]))
            return true;
    }
    return false;
}

static void write_family(struct rec_buf *out, const struct rec_prom_metric *metric, const struct lines *lines)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};
    bool begun = false, sum;

    for (size_t i = 0; i < lines->n; i++) {
        if (!is_of(metric, lines->line[i].name, &sum))
            continue;
        if (!begun)
            rec_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help, metric->name, types[metric->type]);
        begun = true;
        if (sum)
            rec_buf_addf(out, "%s %.6f\n", lines->line[i].name, (double)lines->line[i].value * 1e-6);
        else
            rec_buf_addf(out, "%s %lld\n", lines->line[i].name, (long long)lines->line[i].value);
    }
}

int rec_prom_write(struct rec_buf *out, const struct rec_stats *stats, const struct rec_prom_metric *const *metrics, size_t n,
                   struct rec_err *err)
{
    struct lines lines = {0};

    rec_stats_each(stats, gather, &lines);
    if (lines.n)
        qsort(lines.line, lines.n, sizeof *lines.line, compare);
    for (size_t i = 0; i < n; i++)
        write_family(out, metrics[i], &lines);
    for (size_t i = 0; i < lines.n; i++)
        free(lines.line[i].name);
    free(lines.line);
    return lines.failed || out->failed ? rec_err_memory(err, "metrics") : 0;
}
