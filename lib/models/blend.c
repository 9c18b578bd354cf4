/* SPDX-License-Identifier: MIT
 *
 * blend: a weighted sum of models that predict ratings, its weights fitted on ratings that none of them was trained on.
 *
 * Stacked regressions (Wolpert 1992; Breiman, "Stacked Regressions", Machine Learning 24, 1996): least squares with weights that are not
 * negative, and an intercept. As the parts are near to each other, weights are drawn to equal shares, as by so many more ratings:
 *
 *     sum over held out (u,i) of (r - c - sum_m w_m p_m(u,i))^2  +  L v sum_m (w_m - 1/M)^2,    v the variance of the ratings
 */
#include "sum_priv.h"

#include <math.h>

enum { ROUNDS = 10000 };

static const struct rec_param params[] = {
    {.name = "shrinkage", .def = 10, .min = 0, .max = 1e9, .help = "draws weights to equal shares, as so many ratings would"},
    {.name = NULL},
};

/* Sums over the ratings held out: of values and predictions, and of their products; value is number n. */
struct moments {
    double sum[REC_SUM_MAX + 1], product[REC_SUM_MAX + 1][REC_SUM_MAX + 1], count;
};

static void add(struct moments *t, const double *x, size_t n)
{
    t->count++;
    for (size_t a = 0; a < n; a++) {
        /* Welford's way of centring: x becomes its distance to the mean so far. */
        double before = x[a] - (t->count > 1 ? t->sum[a] / (t->count - 1) : 0), share = (t->count - 1) / t->count;
        for (size_t b = 0; b < n; b++)
            t->product[a][b] += share * before * (x[b] - (t->count > 1 ? t->sum[b] / (t->count - 1) : 0));
    }
    for (size_t a = 0; a < n; a++)
        t->sum[a] += x[a];
}

static int measure(struct moments *t, const struct rec_model *sum, const struct rec_sum_places *places, const struct rec_train_job *job,
                   struct rec_err *err)
{
    struct rec_ratings held = {0};
    struct rec_model part[REC_SUM_MAX];
    size_t n = job->n_of, dropped;
    double x[REC_SUM_MAX + 1];

    if (rec_csr_join(&held, job->ratings, &sum->users, &sum->items, &dropped, err) < 0)
        return -1;
    for (size_t m = 0; m < n; m++) {
        part[m] = *job->of[m];
        part[m].ratings_scale = false; /* the sum is clamped, not its parts */
    }
    for (size_t u = 0; u < held.n_users; u++)
        for (int64_t p = held.user_ptr[u]; p < held.user_ptr[u + 1]; p++) {
            for (size_t m = 0; m < n; m++)
                x[m] = rec_predict_pair(&part[m], (int32_t)u, places->from[m] ? places->from[m][held.item[p]] : held.item[p]);
            x[n] = held.value[p];
            add(t, x, n + 1);
        }
    rec_ratings_clear(&held);
    return t->count > 0 ? 0 : rec_err_set(err, "validation: it has no rating of a user and an item that the models know");
}

/* Coordinate descent on the quadratic form, which is convex, over weights that are not negative. */
static void solve(double *weight, const struct moments *t, size_t n, double shrinkage)
{
    double penalty = shrinkage * t->product[n][n] / t->count;

    for (size_t m = 0; m < n; m++)
        weight[m] = 1 / (double)n;
    for (int round = 0; round < ROUNDS; round++) {
        double moved = 0;
        for (size_t m = 0; m < n; m++) {
            double own = t->product[m][m] + penalty, rest = t->product[m][n] + penalty / (double)n, value;
            for (size_t other = 0; other < n; other++)
                rest -= other == m ? 0 : t->product[m][other] * weight[other];
            value = own > 0 && rest > 0 ? rest / own : 0;
            moved = fmax(moved, fabs(value - weight[m]));
            weight[m] = value;
        }
        if (moved < 1e-12)
            break;
    }
}

static int fit(double *weight, double *intercept, const struct rec_model *sum, const struct rec_sum_places *places, const struct rec_train_job *job,
               struct rec_err *err)
{
    size_t n = job->n_of;
    struct moments *t = rec_calloc(1, sizeof *t, "blend", err);
    double squares;
    int rc = -1;

    if (!t || measure(t, sum, places, job, err) < 0)
        goto out;
    solve(weight, t, n, rec_models_param(&rec_blend_type, job, "shrinkage"));
    *intercept = t->sum[n] / t->count;
    squares = t->product[n][n];
    for (size_t a = 0; a < n; a++) {
        *intercept -= weight[a] * t->sum[a] / t->count;
        squares -= 2 * weight[a] * t->product[a][n];
        for (size_t b = 0; b < n; b++)
            squares += weight[a] * weight[b] * t->product[a][b];
    }
    if (!isfinite(squares) || !isfinite(*intercept)) {
        rec_err_set(err, "blend: predictions are too large to be added up");
        goto out;
    }
    rc = rec_models_step(job, 1, 1, sqrt(fmax(0, squares) / t->count), err) < 0 ? -1 : 0;
out:
    free(t);
    return rc;
}

/* Weights that are given need not add up to 1: what is missing is taken from the means, so that the mean prediction stays what it is. */
static double even_out(const struct rec_sum_part *part, size_t n)
{
    double sum = 0, mean = 0;

    for (size_t m = 0; m < n; m++) {
        sum += part[m].scale;
        mean += part[m].scale * part[m].model->mean;
    }
    return (1 - sum) * mean / sum;
}

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    struct rec_sum_part part[REC_SUM_MAX];
    struct rec_sum_places places = {.to = {NULL}};
    double weight[REC_SUM_MAX], intercept = 0;
    int rc = -1;

    memset(model, 0, sizeof *model);
    if (rec_sum_begin(model, part, &places, &rec_blend_type, job, err) < 0)
        goto out;
    for (size_t m = 0; m < job->n_of; m++)
        if (!job->of[m]->ratings_scale) {
            rec_err_set(err, "%s: its scores are no ratings; they can be blended by hybrid", job->of[m]->type);
            goto out;
        }
    if (!job->weight && fit(weight, &intercept, model, &places, job, err) < 0)
        goto out;
    for (size_t m = 0; m < job->n_of; m++)
        part[m].weight = part[m].scale = job->weight ? job->weight[m] : weight[m];
    if (job->weight)
        intercept = even_out(part, job->n_of);
    rc = rec_sum_models(model, &places, part, job->n_of, intercept, err);
out:
    rec_sum_places_clear(&places, REC_SUM_MAX);
    if (rc < 0)
        rec_model_clear(model);
    return rc;
}

const struct rec_model_type rec_blend_type = {
    .name = "blend",
    .summary = "a weighted sum of other models, for predicting ratings; weights are fitted on validation ratings",
    .paper = "Breiman 1996, Stacked Regressions (Machine Learning 24)",
    .implicit = false,
    .combines = true,
    .params = params,
    .train = train,
};
