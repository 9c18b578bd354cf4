/* SPDX-License-Identifier: MIT
 *
 * popular: items in the order of how often they were rated; the least that any model must beat.
 *
 * With a half-life h in days a rating of age a counts 2^(-a/h), age being reckoned from the latest rating there is.
 */
#include "models_priv.h"

#include <math.h>

static const struct rec_param params[] = {
    {.name = "half-life", .def = 0, .min = 0, .max = 1e6,
     .help = "days after which a rating counts half; 0: all count alike"},
    {.name = NULL},
};

static int64_t latest(const struct rec_ratings *r)
{
    int64_t last = r->time[0];

    for (size_t p = 1; p < r->nnz; p++)
        last = r->time[p] > last ? r->time[p] : last;
    return last;
}

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_ratings *r = job->ratings;
    double half_life = rec_models_param(&rec_popular_type, job, "half-life");
    double *sum = NULL;
    float *score;
    int rc = -1;

    if (rec_models_begin(model, &rec_popular_type, job, err) < 0)
        goto out;
    model->item_bias = model->popularity;
    rc = 0;
    if (half_life == 0)
        goto out;
    rc = -1;
    if (!r->time) {
        rec_err_set(err, "popular: half-life needs the times of the ratings, and these have none");
        goto out;
    }
    score = rec_models_own(model, r->n_items, sizeof *score, err);
    sum = rec_calloc(r->n_items, sizeof *sum, "model", err);
    if (!score || !sum)
        goto out;
    double last = (double)latest(r);
    for (size_t p = 0; p < r->nnz; p++)
        sum[r->item[p]] += exp2(((double)r->time[p] - last) / (half_life * 86400));
    for (size_t i = 0; i < r->n_items; i++)
        score[i] = (float)sum[i];
    model->item_bias = model->popularity = score;
    rc = 0;
out:
    free(sum);
    if (rc == 0 && rec_models_step(job, 1, 1, NAN, err) < 0)
        rc = -1;
    if (rc < 0)
        rec_model_clear(model);
    return rc;
}

const struct rec_model_type rec_popular_type = {
    .name = "popular",
    .summary = "how often each item was rated, lately or ever",
    .paper = "a count, with exponential decay",
    .implicit = true,
    .params = params,
    .train = train,
};
