/* SPDX-License-Identifier: MIT
 *
 * Whether ratings or features of today are still like those that a model was trained on. Exit status 3 says that they are not.
 * Its parts are listed in rec-drift.h.
 */
#include "rec-drift.h"

#include <math.h>
#include <rec/kernels.h>
#include <unistd.h>

static const char *model, *method = "auto", *format = "table", *output;
static double psi = 0.25, js = 0.1, wasserstein = 0.1, p = 0.05, share = 0.5, new_users = NAN, new_items = NAN;
static int64_t bins = 10;
static struct rec_opt_list only, ignore;

static struct rec_opt opts[] = {
    {0, "model", "FILE", REC_OPT_FILE, &model, .help = "of ratings: compare what this model predicts as well"},
    {0, "method", "NAME", REC_OPT_CHOICE, &method, .choices = "auto|psi|js|wasserstein|ks|chi2",
     .help = "what decides of a column; auto: distances for more than 1000 values, tests for fewer"},
    {0, "psi", "X", REC_OPT_REAL, &psi, .min = 0, .max = 1e6, .help = "with method psi: a column drifts from here on"},
    {0, "js", "X", REC_OPT_REAL, &js, .min = 0, .max = 1, .help = "with method js: a column drifts from here on"},
    {0, "wasserstein", "X", REC_OPT_REAL, &wasserstein, .min = 0, .max = 1e6,
     .help = "with method wasserstein: a column drifts from here on, in deviations of the reference"},
    {0, "p", "P", REC_OPT_REAL, &p, .min = 0, .max = 1, .help = "with methods ks and chi2: a column drifts when p is less"},
    {0, "share", "SHARE", REC_OPT_REAL, &share, .min = 0, .max = 1, .help = "there is drift when so much of the columns drifts; 0: when any does"},
    {0, "new-users", "SHARE", REC_OPT_REAL, &new_users, .min = 0, .max = 1, .help = "or when more of the current users are new than this"},
    {0, "new-items", "SHARE", REC_OPT_REAL, &new_items, .min = 0, .max = 1, .help = "or when more of the current items are new than this"},
    {0, "bins", "N", REC_OPT_INT, &bins, .min = 2, .max = 1000, .help = "bins of a column, for psi, js and chi2"},
    {0, "column", "NAME", REC_OPT_LIST, &only, .help = "compare this one; may be repeated"},
    {0, "ignore", "NAME", REC_OPT_LIST, &ignore, .help = "leave this one out; may be repeated"},
    {0, "format", "FORMAT", REC_OPT_CHOICE, &format, .choices = "table|json|csv|prometheus", .help = "how it is told; csv: the bins"},
    TOOL_OUTPUT(&output),
    {0},
};

static const struct tool_about about = {
    .name = "rec-drift",
    .synopsis = "[options] REFERENCE CURRENT",
    .summary = "compare ratings or features of two times",
    .opts = opts,
    .min_operands = 2,
    .max_operands = 2,
};

/* ---- verdict ---- */

enum { FEW = 1000 };

static bool is(const char *name)
{
    return strcmp(method, name) == 0;
}

static void by_statistic(struct drift_column *c, const char *name, double statistic, double threshold)
{
    c->method = name;
    c->statistic = statistic;
    c->p = NAN;
    c->threshold = threshold;
    c->drifted = statistic >= threshold;
}

static void by_test(struct drift_column *c, const char *name, double statistic, double p_value)
{
    c->method = name;
    c->statistic = statistic;
    c->p = p_value;
    c->threshold = p;
    c->drifted = p_value < p;
}

/* Classes have no order: what needs one gives way to its nearest relative. */
static void judge(struct drift_column *c)
{
    const struct rec_drift *d = &c->drift;
    bool numbers = !c->labels, few = d->n_reference <= FEW, automatic = is("auto");

    if (is("psi"))
        by_statistic(c, "psi", d->psi, psi);
    else if (numbers && (is("ks") || (automatic && few)))
        by_test(c, "ks", d->ks, d->ks_p);
    else if (numbers && (is("wasserstein") || automatic))
        by_statistic(c, "wasserstein", d->wasserstein, wasserstein);
    else if (is("chi2") || is("ks") || (automatic && few))
        by_test(c, "chi2", d->chi2, d->chi2_p);
    else
        by_statistic(c, "js", d->js, js);
}

static bool too_new(struct drift_work *w, const struct drift_ids *ids, const char *what, double limit)
{
    double part = ids->current ? (double)ids->fresh / (double)ids->current : 0;

    if (!(part > limit))
        return false;
    snprintf(w->why, sizeof w->why, "%.1f %% of the %s are new, at most %.1f %% may be", 100 * part, what, 100 * limit);
    return true;
}

static void decide(struct drift_work *w)
{
    for (size_t i = 0; i < w->n; i++) {
        judge(&w->column[i]);
        w->n_drifted += w->column[i].drifted;
    }
    w->share = w->n ? (double)w->n_drifted / (double)w->n : 0;
    w->share_limit = share;
    w->drift = w->n_drifted > 0 && w->share >= share;
    snprintf(w->why, sizeof w->why, "%zu of %zu columns %s: %s", w->n_drifted, w->n, w->n_drifted == 1 ? "drifts" : "drift",
             w->drift ? "drift" : "no drift");
    if (!w->drift)
        w->drift = too_new(w, &w->users, "users", new_users) || too_new(w, &w->items, "items", new_items);
}

/* ---- */

static int report(const struct drift_work *w, struct rec_err *err)
{
    const char *no_color = getenv("NO_COLOR");
    struct rec_buf text = {0};

    if (strcmp(format, "json") == 0)
        drift_json(&text, w);
    else if (strcmp(format, "csv") == 0)
        drift_csv(&text, w);
    else if (strcmp(format, "prometheus") == 0)
        drift_prometheus(&text, w);
    else
        drift_table(&text, w, !output && isatty(STDOUT_FILENO) && !(no_color && no_color[0]));
    return tool_write(&text, output, err);
}

/* A name that was asked for and is not there is a mistake, not a column without drift. */
static int check_names(const struct drift_work *w, struct rec_err *err)
{
    for (size_t i = 0; i < only.n; i++) {
        bool found = false;
        for (size_t k = 0; k < w->n && !found; k++)
            found = strcmp(w->column[k].name, only.text[i]) == 0;
        if (!found)
            return rec_err_set(err, "--column: %s is no column of both files", only.text[i]);
    }
    return w->n > 0 ? 0 : rec_err_set(err, "no column is left to compare");
}

void tool_version_details(struct rec_buf *out)
{
    rec_buf_addf(out, "kernels: %s\n", rec_kernels_name());
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};
    struct drift_work work = {.tool = &tool, .only = &only, .ignore = &ignore, .items_js = NAN};
    int rc;

    tool_start(&tool, &about, argc, argv);
    work.model = model;
    work.bins = (size_t)bins;
    rc = drift_read(&work, &err);
    if (rc == 0)
        rc = check_names(&work, &err);
    if (rc == 0) {
        decide(&work);
        rc = report(&work, &err);
    }
    tool.rows = work.sample[0].rows + work.sample[1].rows;
    tool.rows_name = "ratings";
    bool drift = work.drift;
    drift_clear(&work);
    if (rc < 0)
        return tool_fail(&tool, &err);
    return tool_finish(&tool, drift ? TOOL_NO : TOOL_DONE);
}
