/* SPDX-License-Identifier: MIT
 *
 * bias: rating = mean + bias of the user + bias of the item.
 *
 * Koren, "Factor in the Neighbors: Scalable and Accurate Collaborative Filtering", TKDD 4(1), 2010, section 2.1: the biases minimize
 * sum (r - mean - b_u - b_i)^2 + L_u sum b_u^2 + L_i sum b_i^2. For fixed items each user's bias has a closed form, and the other way
 * round, so that every half pass is an exact minimization and the loss falls.
 *
 * One sweep over the rows does both halves: a user's bias is known once the row is read, and the row's remainders then go to the sums
 * of its items. Users are cut into parts with sums of their own, added in the order of the parts, whatever the threads.
 */
#include "models_priv.h"
#include "rows_priv.h"

#include <math.h>

static const struct rec_param params[] = {
    {.name = "regularization-users", .def = 5, .min = 0, .max = 1e9,
     .help = "as many ratings at the mean are added to each user's; more draws users to the mean", .lo = 0.3, .hi = 100, .log = true},
    {.name = "regularization-items", .def = 3, .min = 0, .max = 1e9,
     .help = "as many ratings at the mean are added to each item's; more draws items to the mean", .lo = 0.3, .hi = 100, .log = true},
    {.name = "passes", .def = 10, .min = 1, .max = 10000, .integer = true, .help = "alternations of users and items"},
    {.name = NULL},
};

enum { PARTS = 16 };

struct job {
    const struct rec_ratings *r;
    double mean, reg_user, reg_item;
    double *user, *item;      /* the biases */
    double *sum;              /* [parts, n_items]: remainders of each item's ratings */
    double loss[PARTS];
    size_t parts;
};

/* Solves one user, and adds its remainders to `sum`. Returns its part of the loss. */
static double sweep_user(const struct job *job, size_t u, double *sum)
{
    const struct rec_ratings *r = job->r;
    int64_t begin = r->user_ptr[u], end = r->user_ptr[u + 1];
    double total = 0, loss, weight = (double)(end - begin) + job->reg_user, bias;

    for (int64_t p = begin; p < end; p++)
        total += r->value[p] - job->mean - job->item[r->item[p]];
    bias = job->user[u] = weight > 0 ? total / weight : 0;
    loss = job->reg_user * bias * bias;
    for (int64_t p = begin; p < end; p++) {
        double rest = r->value[p] - job->mean - bias, e = rest - job->item[r->item[p]];
        sum[r->item[p]] += rest;
        loss += e * e;
    }
    return loss;
}

static int sweep(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct job *job = context;

    (void)thread;
    (void)err;
    for (size_t part = begin; part < end; part++) {
        double *sum = job->sum + part * job->r->n_items;
        memset(sum, 0, job->r->n_items * sizeof *sum);
        job->loss[part] = 0;
        size_t first = rec_rows_begin(job->r->user_ptr, job->r->n_users, part, job->parts, 1);
        size_t last = rec_rows_begin(job->r->user_ptr, job->r->n_users, part + 1, job->parts, 1);
        for (size_t u = first; u < last; u++)
            job->loss[part] += sweep_user(job, u, sum);
    }
    return 0;
}

/* Solves the items from their sums. Returns the loss now: at an exact minimum it has fallen by weight * step^2 an item. */
static double solve_items(struct job *job, const float *count)
{
    double loss = 0;

    for (size_t part = 0; part < job->parts; part++)
        loss += job->loss[part];
    for (size_t i = 0; i < job->r->n_items; i++) {
        double total = 0, old = job->item[i], weight = (double)count[i] + job->reg_item;
        for (size_t part = 0; part < job->parts; part++)
            total += job->sum[part * job->r->n_items + i];
        job->item[i] = weight > 0 ? total / weight : 0;
        loss += job->reg_item * old * old - weight * (job->item[i] - old) * (job->item[i] - old);
    }
    return loss;
}

static double mean(const struct rec_ratings *r)
{
    double sum = 0;

    for (size_t p = 0; p < r->nnz; p++)
        sum += r->value[p];
    return sum / (double)r->nnz;
}

static void round_all(float *out, const double *bias, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = rec_models_float(bias[i]);
}

/* The model's own arrays take what there is, now and after every pass that somebody looks at. */
static void fill(struct rec_model *model, float *user, float *item, const struct job *work)
{
    round_all(user, work->user, model->n_users);
    round_all(item, work->item, model->n_items);
    model->mean = work->mean;
    model->user_bias = user;
    model->item_bias = item;
}

static int set_up(struct job *work, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_ratings *r = job->ratings;
    size_t n_sums;

    work->reg_user = rec_models_param(&rec_bias_type, job, "regularization-users");
    work->reg_item = rec_models_param(&rec_bias_type, job, "regularization-items");
    work->mean = mean(r);
    work->parts = 1 + r->nnz / (r->n_items + 1) < PARTS ? 1 + r->nnz / (r->n_items + 1) : PARTS;
    if (rec_size_mul(&n_sums, work->parts, r->n_items) < 0)
        return rec_err_memory(err, "sums of items");
    work->user = rec_calloc(r->n_users, sizeof *work->user, "user biases", err);
    work->item = rec_calloc(r->n_items, sizeof *work->item, "item biases", err);
    work->sum = rec_malloc(n_sums, sizeof *work->sum, "sums of items", err);
    return work->user && work->item && work->sum ? 0 : -1;
}

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_ratings *r = job->ratings;
    struct job work = {.r = r};
    size_t passes = (size_t)rec_models_param(&rec_bias_type, job, "passes");
    float *user, *item;
    ptrdiff_t done;
    int rc = -1, stop = 0;

    if (rec_models_begin(model, &rec_bias_type, job, err) < 0 || set_up(&work, job, err) < 0)
        goto out;
    user = rec_models_own(model, r->n_users, sizeof *user, err);
    item = rec_models_own(model, r->n_items, sizeof *item, err);
    struct rec_train_part part[] = {{"user_bias", work.user, r->n_users * sizeof *work.user}, {"item_bias", work.item, r->n_items * sizeof *work.item}};
    if (!user || !item || (done = rec_models_resume(job, part, REC_LENGTH(part), err)) < 0)
        goto out;
    for (size_t pass = (size_t)done + 1; !stop && pass <= passes; pass++) {
        struct rec_progress progress = {.step = pass, .steps = passes, .what = "pass", .state = part, .n_state = REC_LENGTH(part)};
        if (rec_pool_run(job->threads, work.parts, 1, sweep, &work, err) < 0)
            goto out;
        progress.loss = solve_items(&work, model->popularity);
        if (rec_models_wanted(job, pass, passes)) {
            fill(model, user, item, &work);
            progress.model = model;
        }
        stop = rec_models_tell(job, &progress, err);
        if (stop < 0)
            goto out;
    }
    fill(model, user, item, &work);
    rc = 0;
out:
    free(work.user);
    free(work.item);
    free(work.sum);
    if (rc < 0)
        rec_model_clear(model);
    return rc;
}

const struct rec_model_type rec_bias_type = {
    .name = "bias",
    .summary = "mean, plus what is peculiar to the user and to the item",
    .paper = "Koren 2010, Factor in the Neighbors (TKDD 4:1), section 2.1",
    .implicit = false,
    .params = params,
    .train = train,
};
