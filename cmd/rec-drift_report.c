/* SPDX-License-Identifier: MIT
 *
 * What rec-drift has found: a table for people, JSON (rec.drift/1), the bins as CSV, or Prometheus' text.
 */
#include "rec-drift.h"

#include <rec/observe.h>

#include <math.h>

/* ---- for people ---- */

static void number(char *out, size_t room, double x)
{
    if (isnan(x))
        snprintf(out, room, "-");
    else
        snprintf(out, room, fabs(x) < 1e5 && (x == 0 || fabs(x) >= 1e-4) ? "%.4f" : "%.3g", x);
}

static void line_of(struct rec_buf *out, const struct drift_column *c, int width, bool colours)
{
    char psi[32], js[32], w[32], ks[32], decides[80], statistic[32], threshold[32];

    number(psi, sizeof psi, c->drift.psi);
    number(js, sizeof js, c->drift.js);
    number(w, sizeof w, c->drift.wasserstein);
    number(ks, sizeof ks, c->drift.ks);
    number(statistic, sizeof statistic, isnan(c->p) ? c->statistic : c->p);
    snprintf(threshold, sizeof threshold, "%g", c->threshold);
    if (isnan(c->p))
        snprintf(decides, sizeof decides, "%s %s, limit %s", c->method, statistic, threshold);
    else
        snprintf(decides, sizeof decides, "%s p %s, limit %s", c->method, statistic, threshold);
    rec_buf_addf(out, "%-*s %8s %8s %8s %11s  %s%-6s%s %s\n", width, c->name, psi, js, ks, w, colours ? c->drifted ? "\033[1;31m" : "\033[32m" : "",
                 c->drifted ? "DRIFT" : "ok", colours ? "\033[0m" : "", decides);
}

static void ids_line(struct rec_buf *out, const char *what, const struct drift_ids *ids)
{
    rec_buf_addf(out, "%-6s %zu then, %zu now: %zu new (%.1f %%), %zu gone (%.1f %%)\n", what, ids->reference, ids->current, ids->fresh,
                 ids->current ? 100.0 * (double)ids->fresh / (double)ids->current : 0, ids->vanished,
                 ids->reference ? 100.0 * (double)ids->vanished / (double)ids->reference : 0);
}

static void sample_line(struct rec_buf *out, const char *what, const struct drift_sample *s, bool features)
{
    char from[REC_NUM_MAX], to[REC_NUM_MAX];

    rec_buf_addf(out, "%-10s %s", what, s->name);
    if (!features)
        rec_buf_addf(out, ": %zu ratings", s->rows);
    if (s->last > 0)
        rec_buf_addf(out, ", %.10s to %.10s", rec_date_print_time(from, s->first), rec_date_print_time(to, s->last));
    rec_buf_addc(out, '\n');
}

void drift_table(struct rec_buf *out, const struct drift_work *w, bool colours)
{
    int width = 12;

    for (size_t i = 0; i < w->n; i++)
        width = (int)strlen(w->column[i].name) > width ? (int)strlen(w->column[i].name) : width;
    sample_line(out, "reference", &w->sample[0], w->features);
    sample_line(out, "current", &w->sample[1], w->features);
    ids_line(out, "users", &w->users);
    ids_line(out, "items", &w->items);
    if (!w->features)
        rec_buf_addf(out, "shares of single items: distance %.3f; Gini %.3f then, %.3f now\n", w->items_js, w->sample[0].gini, w->sample[1].gini);
    rec_buf_addf(out, "\n%-*s %8s %8s %8s %11s  %-6s %s\n", width, "column", "psi", "js", "ks", "wasserstein", "", "decides");
    for (size_t i = 0; i < w->n; i++)
        line_of(out, &w->column[i], width, colours);
    for (size_t at = 0; at < w->missing.len; at += strlen(w->missing.data + at) + 1)
        rec_buf_addf(out, "%-*s only one of the files has it\n", width, w->missing.data + at);
    rec_buf_addf(out, "\n%s\n", w->why);
}

/* ---- JSON ---- */

static void json_text(struct rec_json *j, const char *key, const char *text)
{
    rec_json_text(j, key, text, strlen(text));
}

static void json_sample(struct rec_json *j, const char *key, const struct drift_sample *s, bool features)
{
    char digest[24], time[REC_NUM_MAX];

    rec_json_object(j, key);
    snprintf(digest, sizeof digest, "crc32c:%08x", s->digest);
    json_text(j, "digest", digest);
    if (!features) {
        rec_json_int(j, "ratings", (int64_t)s->rows);
        rec_json_real(j, "gini", s->gini);
    }
    if (s->last > 0) {
        json_text(j, "first", rec_date_print_time(time, s->first));
        json_text(j, "last", rec_date_print_time(time, s->last));
    }
    rec_json_end(j);
}

static void json_ids(struct rec_json *j, const char *key, const struct drift_ids *ids)
{
    rec_json_object(j, key);
    rec_json_int(j, "reference", (int64_t)ids->reference);
    rec_json_int(j, "current", (int64_t)ids->current);
    rec_json_int(j, "new", (int64_t)ids->fresh);
    rec_json_int(j, "vanished", (int64_t)ids->vanished);
    rec_json_end(j);
}

static void json_bins(struct rec_json *j, const struct drift_column *c)
{
    rec_json_array(j, "bins");
    for (size_t b = 0; b < c->drift.n; b++) {
        rec_json_object(j, NULL);
        if (c->labels) {
            json_text(j, "label", c->labels[b]);
        } else {
            rec_json_real(j, "low", c->drift.low[b]);
            rec_json_real(j, "high", c->drift.high[b]);
        }
        rec_json_int(j, "reference", (int64_t)c->drift.reference[b]);
        rec_json_int(j, "current", (int64_t)c->drift.current[b]);
        rec_json_end(j);
    }
    rec_json_end(j);
}

static void json_moments(struct rec_json *j, const char *key, double mean, double deviation)
{
    rec_json_object(j, key);
    rec_json_real(j, "mean", mean);
    rec_json_real(j, "deviation", deviation);
    rec_json_end(j);
}

static void json_column(struct rec_json *j, const struct drift_column *c)
{
    const struct rec_drift *d = &c->drift;

    rec_json_object(j, NULL);
    json_text(j, "column", c->name);
    json_text(j, "type", c->labels ? "classes" : "numbers");
    json_text(j, "method", c->method);
    rec_json_real(j, "statistic", c->statistic);
    rec_json_real(j, "p_value", c->p);
    rec_json_real(j, "threshold", c->threshold);
    rec_json_bool(j, "drifted", c->drifted);
    rec_json_real(j, "psi", d->psi);
    rec_json_real(j, "js", d->js);
    rec_json_real(j, "chi2", d->chi2);
    rec_json_int(j, "chi2_df", (int64_t)d->chi2_df);
    rec_json_real(j, "chi2_p", d->chi2_p);
    rec_json_real(j, "ks", d->ks);
    rec_json_real(j, "ks_p", d->ks_p);
    rec_json_real(j, "wasserstein", d->wasserstein);
    rec_json_int(j, "n_reference", (int64_t)d->n_reference);
    rec_json_int(j, "n_current", (int64_t)d->n_current);
    if (!c->labels) {
        json_moments(j, "reference", c->mean[0], c->deviation[0]);
        json_moments(j, "current", c->mean[1], c->deviation[1]);
    }
    json_bins(j, c);
    rec_json_end(j);
}

void drift_json(struct rec_buf *out, const struct drift_work *w)
{
    struct rec_json j = {.out = out};

    rec_json_object(&j, NULL);
    json_text(&j, "format", "rec.drift/1");
    rec_json_bool(&j, "drift", w->drift);
    json_text(&j, "reason", w->why);
    json_text(&j, "of", w->features ? "features" : "ratings");
    rec_json_int(&j, "columns_drifted", (int64_t)w->n_drifted);
    rec_json_real(&j, "share", w->share);
    rec_json_real(&j, "share_threshold", w->share_limit);
    json_sample(&j, "reference", &w->sample[0], w->features);
    json_sample(&j, "current", &w->sample[1], w->features);
    json_ids(&j, "users", &w->users);
    json_ids(&j, "items", &w->items);
    rec_json_real(&j, "items_js", w->items_js);
    rec_json_array(&j, "missing_columns");
    for (size_t at = 0; at < w->missing.len; at += strlen(w->missing.data + at) + 1)
        json_text(&j, NULL, w->missing.data + at);
    rec_json_end(&j);
    rec_json_array(&j, "columns");
    for (size_t i = 0; i < w->n; i++)
        json_column(&j, &w->column[i]);
    rec_json_end(&j);
    rec_json_end(&j);
    rec_buf_addc(out, '\n');
}

/* ---- CSV: the bins ---- */

static void add_real(struct rec_buf *out, double x)
{
    char text[REC_NUM_MAX];

    rec_buf_add(out, text, rec_num_print_double(text, x));
}

void drift_csv(struct rec_buf *out, const struct drift_work *w)
{
    rec_buf_adds(out, "column,label,low,high,reference,current\n");
    for (size_t i = 0; i < w->n; i++) {
        const struct drift_column *c = &w->column[i];
        for (size_t b = 0; b < c->drift.n; b++) {
            rec_csv_add(out, ',', c->name, strlen(c->name));
            if (c->labels) {
                rec_csv_add(out, ',', c->labels[b], strlen(c->labels[b]));
                rec_buf_adds(out, ",,");
            } else {
                rec_buf_adds(out, ",,");
                add_real(out, c->drift.low[b]);
                rec_buf_addc(out, ',');
                add_real(out, c->drift.high[b]);
            }
            rec_buf_addf(out, ",%llu,%llu\n", (unsigned long long)c->drift.reference[b], (unsigned long long)c->drift.current[b]);
        }
    }
}

/* ---- Prometheus ---- */

static void family(struct rec_buf *out, const char *name, const char *help)
{
    rec_buf_addf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void sample(struct rec_buf *out, const char *name, const char *const label[][2], size_t n, double value)
{
    struct rec_buf list = {0};

    for (size_t i = 0; i < n; i++)
        rec_prom_label(&list, label[i][0], label[i][1], strlen(label[i][1]));
    rec_buf_adds(out, name);
    if (list.len)
        rec_buf_addf(out, "{%s}", list.data);
    rec_buf_addc(out, ' ');
    if (isnan(value))
        rec_buf_adds(out, "NaN");
    else
        add_real(out, value);
    rec_buf_addc(out, '\n');
    out->failed |= list.failed;
    rec_buf_clear(&list);
}

static void statistics(struct rec_buf *out, const struct drift_column *c)
{
    const struct {
        const char *name;
        double value;
    } all[] = {{"psi", c->drift.psi}, {"js", c->drift.js}, {"ks", c->drift.ks}, {"wasserstein", c->drift.wasserstein}, {"chi2", c->drift.chi2}};

    for (size_t i = 0; i < REC_LENGTH(all); i++)
        if (!isnan(all[i].value))
            sample(out, "rec_drift_statistic", (const char *const[][2]){{"column", c->name}, {"method", all[i].name}}, 2, all[i].value);
}

static void shares(struct rec_buf *out, const char *name, const struct drift_work *w, bool fresh)
{
    const struct drift_ids *ids[] = {&w->users, &w->items};
    static const char *const what[] = {"users", "items"};

    for (int i = 0; i < 2; i++) {
        double part = (double)(fresh ? ids[i]->fresh : ids[i]->vanished), of = (double)(fresh ? ids[i]->current : ids[i]->reference);
        sample(out, name, (const char *const[][2]){{"of", what[i]}}, 1, of > 0 ? part / of : 0);
    }
}

void drift_prometheus(struct rec_buf *out, const struct drift_work *w)
{
    family(out, "rec_drift_detected", "Whether rec-drift found drift.");
    sample(out, "rec_drift_detected", NULL, 0, w->drift);
    family(out, "rec_drift_columns_ratio", "The share of columns that drift.");
    sample(out, "rec_drift_columns_ratio", NULL, 0, w->share);
    family(out, "rec_drift_column_drifted", "Whether a column drifts.");
    for (size_t i = 0; i < w->n; i++)
        sample(out, "rec_drift_column_drifted", (const char *const[][2]){{"column", w->column[i].name}}, 1, w->column[i].drifted);
    family(out, "rec_drift_statistic", "How far reference and current are apart, by method.");
    for (size_t i = 0; i < w->n; i++)
        statistics(out, &w->column[i]);
    family(out, "rec_drift_new_ids_ratio", "The share of current ids that the reference does not have.");
    shares(out, "rec_drift_new_ids_ratio", w, true);
    family(out, "rec_drift_vanished_ids_ratio", "The share of the reference's ids that are gone.");
    shares(out, "rec_drift_vanished_ids_ratio", w, false);
}
