/* SPDX-License-Identifier: MIT
 *
 * Data checks, as rec-validate(1) reports them; what rec-serve(1) counts, by the table that it counts by.
 */
#include "rec-metrics.h"

#include <rec/observe.h>
#include <rec/serve.h>

#include <math.h>

/* ---- checks ---- */

struct check {
    const char *name, *verdict, *bound;
    double value, threshold;
};

static int read_check(struct check *c, const struct rec_json_value *root, const char *path, struct rec_err *err)
{
    *c = (struct check){.name = rec_json_string(rec_json_get(root, "check")), .verdict = rec_json_string(rec_json_get(root, "verdict")),
                        .bound = rec_json_get(root, "min") ? "min" : "max", .value = NAN, .threshold = NAN};
    if (!c->name || !c->verdict)
        return rec_err_set(err, "%s: not a report of rec-validate --json", path);
    // What was not to be found out is null.
    (void)!rec_json_number(&c->value, rec_json_get(root, "value"));
    (void)!rec_json_number(&c->threshold, rec_json_get(root, c->bound));
    return 0;
}

static void check_sample(struct rec_buf *out, const char *name, const struct check *c, bool bound, double value)
{
    struct rec_buf label = {0};

    metrics_label(&label, "check", c->name);
    if (bound)
        metrics_label(&label, "bound", c->bound);
    metrics_sample(out, name, &label, value);
    rec_buf_clear(&label);
}

/* Passes over the checks, one for each family; what was skipped is in none. */
static int add_checks(struct rec_buf *out, const struct rec_json_value *checks, const char *path, struct rec_err *err)
{
    static const char *const names[] = {"rec_data_check", "rec_data_check_value", "rec_data_check_threshold"};
    static const char *const helps[] = {"Whether the check passed: 1, or 0 when it warned or failed.", "What the check found.",
                                        "What the check allows."};
    struct check c;

    for (size_t f = 0; f < REC_LENGTH(names); f++) {
        metrics_family(out, names[f], "gauge", helps[f]);
        for (size_t i = 0; i < rec_json_length(checks); i++) {
            if (read_check(&c, rec_json_at(checks, i), path, err) < 0)
                return -1;
            if (strcmp(c.verdict, "skipped") == 0)
                continue;
            if (f == 0)
                check_sample(out, names[f], &c, false, strcmp(c.verdict, "ok") == 0);
            else if (f == 1 && !isnan(c.value))
                check_sample(out, names[f], &c, false, c.value);
            else if (f == 2 && !isnan(c.threshold))
                check_sample(out, names[f], &c, true, c.threshold);
        }
    }
    return 0;
}

static int add_report(struct rec_buf *out, const struct rec_json_value *root, const char *path, struct rec_err *err)
{
    static const char *const counts[][3] = {
        {"failed", "rec_data_checks_failed", "Checks that failed."},   {"warnings", "rec_data_checks_warned", "Checks that warned."},
        {"users", "rec_data_users", "Users that were checked."},       {"items", "rec_data_items", "Items that were checked."},
        {"ratings", "rec_data_ratings", "Ratings that were checked."},
    };
    const struct rec_json_value *checks = rec_json_get(root, "checks");

    if (rec_json_kind(checks) != REC_JSON_ARRAY)
        return rec_err_set(err, "%s: not a report of rec-validate --json", path);
    for (size_t i = 0; i < REC_LENGTH(counts); i++) {
        double n;

        if (rec_json_number(&n, rec_json_get(root, counts[i][0])) < 0)
            return rec_err_set(err, "%s: not a report of rec-validate --json", path);
        metrics_family(out, counts[i][1], "gauge", counts[i][2]);
        metrics_sample(out, counts[i][1], NULL, n);
    }
    return add_checks(out, checks, path, err);
}

int metrics_checks(struct rec_buf *out, const char *path, struct rec_err *err)
{
    struct rec_json_value *root;
    struct rec_in in;
    int rc;

    if (rec_in_open(&in, path, err) < 0)
        return -1;
    root = rec_json_read(path, (const char *)in.data, in.len, err);
    rc = root ? add_report(out, root, path, err) : -1;
    rec_json_free(root);
    rec_in_close(&in);
    return rc;
}

/* ---- counters ---- */

int metrics_counters(struct rec_buf *out, const char *path, struct rec_err *err)
{
    struct rec_stats *stats;
    size_t n = 0;
    int rc;

    if (rec_stats_read(&stats, path, err) < 0)
        return -1;
    while (rec_service_metrics[n])
        n++;
    rc = rec_prom_write(out, stats, rec_service_metrics, n, err);
    metrics_family(out, "rec_http_series_lost_total", "counter", "Counts that found no room in the file of counters.");
    metrics_sample(out, "rec_http_series_lost_total", NULL, (double)rec_stats_lost(stats));
    rec_stats_close(stats);
    return rc;
}
