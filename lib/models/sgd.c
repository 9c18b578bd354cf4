/* SPDX-License-Identifier: MIT
 *
 * sgd: matrix factorization of ratings with biases, by stochastic gradient descent.
 *
 * Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender Systems", IEEE Computer 42(8), 2009; blocks of the matrix for threads as in
 * Gemulla, Haas, Nijkamp and Sismanis (KDD 2011) and Zhuang, Chin, Juan and Lin (RecSys 2013), but in a fixed order; one rate for each row, which
 * falls as errors add up (Chin, Zhuang, Juan and Lin, PAKDD 2015). The loss is that of als, for ratings z in units of their standard deviation, less their mean:
 *
 *     sum (z - b_u - b_i - x_u y_i)^2  +  sum_u n_u^v (L |x_u|^2 + B b_u^2)  +  sum_i n_i^v (L |y_i|^2 + B b_i^2)
 *
 * Biases begin with what the means say. The steps themselves are in rec_kernels_sgd. With implicit=items, x_u is in part what svdpp.c makes of the
 * items that u has rated (SVD++: Koren, KDD 2008).
 */
#include "svdpp_priv.h"
#include "models_priv.h"
#include "strata_priv.h"

#include <math.h>

static const struct rec_param params[] = {
    {.name = "factors", .def = 64, .min = 1, .max = 2047, .integer = true, .lo = 16, .hi = 128, .log = true,
     .help = "numbers that describe a user and an item; more find finer taste, cost time and memory"},
    {.name = "passes", .def = 20, .min = 1, .max = 10000, .integer = true, .help = "passes over the ratings"},
    {.name = "regularization", .def = 2.8, .min = 0, .max = 1e6, .lo = 0.3, .hi = 10, .log = true,
     .help = "draws factors to zero; more for sparse data and many factors"},
    {.name = "regularization-biases", .def = 1.2, .min = 0, .max = 1e6, .lo = 0.1, .hi = 10, .log = true, .help = "draws biases to zero"},
    {.name = "exponent", .def = 0.3, .min = 0, .max = 2, .lo = 0, .hi = 1,
     .help = "regularization grows with this power of the number of ratings in a row; 0: the same for all"},
    {.name = "rate", .def = 0.1, .min = 1e-6, .max = 10, .lo = 0.02, .hi = 0.3, .log = true, .help = "length of the first steps"},
    {.name = "horizon", .def = 32, .min = 1e-3, .max = 1e9, .lo = 4, .hi = 256, .log = true,
     .help = "squared error, in units of the variance, after which a row's steps are 0.7 as long, and at four times that 0.45"},
    {.name = "implicit", .def = 0, .min = 0, .max = 1, .choices = "none|items",
     .help = "items: factors of a user come in part from which items they have rated, as in SVD++"},
    {.name = "deviation", .def = 0.1, .min = 1e-6, .max = 100, .help = "standard deviation of a random first score, before training"},
    {.name = NULL},
};

/* Errors in units of the standard deviation are seldom beyond 4: one that is counts as if it were this. */
#define MOST 8

/* Of conjugate gradients after each pass. */
enum { HISTORY_STEPS = 2 };

struct sgd {
    const struct rec_ratings *r;
    struct rec_strata strata;
    struct rec_svdpp history; /* empty without implicit=items */
    double mean, unit;
    size_t f, ld;
    float rate, horizon;
    float *p, *q;          /* [users, ld], [items + threads, ld], in the order of rows */
    struct rec_sgd_row *user, *item; /* [users], [items + threads] */
    void *p_memory, *q_memory;
    float *user_factors, *item_factors, *user_bias, *item_bias, *history_factors; /* the model's */
    unsigned threads;
};

/* Mean and standard deviation of the values, in two sweeps. */
static void set_unit(struct sgd *s)
{
    const struct rec_ratings *r = s->r;
    double sum = 0, squares = 0;

    for (size_t p = 0; p < r->nnz; p++)
        sum += r->value[p];
    s->mean = sum / (double)r->nnz;
    for (size_t p = 0; p < r->nnz; p++)
        squares += (r->value[p] - s->mean) * (r->value[p] - s->mean);
    s->unit = sqrt(squares / (double)r->nnz);
    if (!(s->unit > 1e-9 * fabs(s->mean)) || s->unit == 0)
        s->unit = 1;
}

/* ---- where training begins ---- */

/* Sums of what is left over, in a field that the kernels set anew. */
static int add_items(void *context, const struct rec_strata *t, size_t u, size_t i, unsigned thread, double *loss, struct rec_err *err)
{
    const struct sgd *s = context;
    size_t b = rec_strata_block(t, u, i);

    for (size_t k = t->begin[b]; k < t->begin[b + 1]; k++)
        s->item[t->item_row[k]].rate += t->value[k];
    (void)thread, (void)loss, (void)err;
    return 0;
}

static int add_users(void *context, const struct rec_strata *t, size_t u, size_t i, unsigned thread, double *loss, struct rec_err *err)
{
    const struct sgd *s = context;
    size_t b = rec_strata_block(t, u, i), k = t->begin[b];

    for (size_t r = t->run_begin[b]; r < t->run_begin[b + 1]; r++) {
        float sum = 0;
        for (size_t end = k + (size_t)t->run[r].n; k < end; k++)
            sum += t->value[k] - s->item[t->item_row[k]].bias;
        s->user[t->run[r].user].rate += sum;
    }
    (void)thread, (void)loss, (void)err;
    return 0;
}

static void set_biases(struct rec_sgd_row *row, const struct rec_strata_side *side, const float *count)
{
    for (size_t k = 0; k < side->n; k++) {
        double n = count[side->number[k]];
        row[k].bias = n > 0 ? (float)(row[k].rate / (n + n * row[k].penalty_bias)) : 0;
    }
}

/* Penalties for a rating of rows with so many, L n^(v-1). */
static void set_penalties(struct rec_sgd_row *row, const struct rec_strata_side *side, const float *count, const struct rec_train_job *job)
{
    double factors = rec_models_param(&rec_sgd_type, job, "regularization"), biases = rec_models_param(&rec_sgd_type, job, "regularization-biases");
    double exponent = rec_models_param(&rec_sgd_type, job, "exponent");

    for (size_t k = 0; k < side->n; k++) {
        double weight = pow(fmax(count[side->number[k]], 1), exponent - 1);
        row[k].penalty = (float)(factors * weight);
        row[k].penalty_bias = (float)(biases * weight);
    }
}

static int begin_rows(struct sgd *s, const struct rec_train_job *job, const float *popularity, struct rec_err *err)
{
    double deviation = sqrt(rec_models_param(&rec_sgd_type, job, "deviation") / sqrt((double)s->f)), unused;
    float *count = rec_malloc(s->r->n_users, sizeof *count, "sgd", err);
    int rc = -1;

    if (!count)
        return -1;
    for (size_t u = 0; u < s->r->n_users; u++)
        count[u] = (float)(s->r->user_ptr[u + 1] - s->r->user_ptr[u]);
    set_penalties(s->user, &s->strata.user, count, job);
    set_penalties(s->item, &s->strata.item, popularity, job);
    rec_strata_random(s->p, s->f, s->ld, &s->strata.user, count, deviation, job->seed ^ 0x70);
    rec_strata_random(s->q, s->f, s->ld, &s->strata.item, popularity, deviation, job->seed ^ 0x71);
    if (rec_strata_run(&s->strata, 0, job->seed, s->threads, add_items, s, &unused, err) < 0)
        goto out;
    set_biases(s->item, &s->strata.item, popularity);
    if (rec_strata_run(&s->strata, 0, job->seed, s->threads, add_users, s, &unused, err) < 0)
        goto out;
    set_biases(s->user, &s->strata.user, count);
    rc = 0;
out:
    free(count);
    return rc;
}

static int allocate(struct sgd *s, struct rec_model *model, struct rec_err *err)
{
    size_t n_user, n_item;

    if (rec_size_mul(&n_user, s->r->n_users, s->f) < 0 || rec_size_mul(&n_item, s->r->n_items, s->f) < 0)
        return rec_err_memory(err, "sgd");
    s->user_factors = rec_models_own(model, n_user, sizeof(float), err);
    s->item_factors = rec_models_own(model, n_item, sizeof(float), err);
    s->user_bias = rec_models_own(model, s->r->n_users, sizeof(float), err);
    s->item_bias = rec_models_own(model, s->r->n_items, sizeof(float), err);
    if (!s->user_factors || !s->item_factors || !s->user_bias || !s->item_bias)
        return -1;
    s->p = rec_strata_floats(&s->p_memory, s->r->n_users, s->ld, "sgd", err);
    s->q = rec_strata_floats(&s->q_memory, s->r->n_items + s->threads, s->ld, "sgd", err);
    s->user = rec_calloc(s->r->n_users, sizeof *s->user, "sgd", err);
    s->item = rec_calloc(s->r->n_items + s->threads, sizeof *s->item, "sgd", err);
    return s->p && s->q && s->user && s->item ? 0 : -1;
}

static int begin_history(struct sgd *s, struct rec_model *model, struct rec_err *err)
{
    s->history_factors = rec_models_own(model, s->r->n_items * s->f, sizeof(float), err);
    if (!s->history_factors)
        return -1;
    return rec_svdpp_init(&s->history, s->r, &s->strata, s->user, s->item, s->ld, s->threads, err);
}

static int set_up(struct sgd *s, struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_model_type *type = &rec_sgd_type;

    s->r = job->ratings;
    s->f = (size_t)rec_models_param(type, job, "factors");
    s->ld = rec_strata_ld(s->f);
    s->threads = job->threads ? job->threads : 1;
    s->rate = (float)rec_models_param(type, job, "rate");
    s->horizon = (float)(1 / rec_models_param(type, job, "horizon"));
    set_unit(s);
    if (allocate(s, model, err) < 0 ||
        rec_strata_init(&s->strata, s->r, true, s->mean, s->unit, s->ld, job->seed, s->threads, err) < 0)
        return -1;
    if (begin_rows(s, job, model->popularity, err) < 0)
        return -1;
    return rec_models_param(type, job, "implicit") == 1 ? begin_history(s, model, err) : 0;
}

/* ---- passes ---- */

static int run_block(void *context, const struct rec_strata *t, size_t u, size_t i, unsigned thread, double *loss, struct rec_err *err)
{
    const struct sgd *s = context;
    size_t b = rec_strata_block(t, u, i), first = t->item.begin[i];
    struct rec_sgd_block block = {.run = t->run + t->run_begin[b], .n_runs = t->run_begin[b + 1] - t->run_begin[b],
                                  .item = t->item_row + t->begin[b], .value = t->value + t->begin[b], .p = s->p, .q = s->q,
                                  .m = s->history.m, .ld = s->ld,
                                  .spare = t->item.n + thread, .user_row = s->user, .item_row = s->item, .rate = s->rate, .horizon = s->horizon,
                                  .most = MOST};

    rec_kernels_sgd_refresh(s->item + first, t->item.begin[i + 1] - first, s->rate, s->horizon);
    *loss += rec_kernels_sgd(&block);
    (void)err;
    return 0;
}

/* ---- the model ---- */

static void copy_biases(float *to, const struct sgd *s, const struct rec_strata_side *side, const struct rec_sgd_row *row)
{
    for (size_t k = 0; k < side->n; k++)
        to[side->number[k]] = rec_models_float(row[k].bias * s->unit);
}

/* Back to the order and the unit of the ratings. */
static int publish(const struct sgd *s, struct rec_model *model, struct rec_err *err)
{
    float root = (float)sqrt(s->unit);

    if (rec_strata_copy(s->user_factors, s->f, s->p, s->history.m, s->ld, &s->strata.user, root, s->threads, err) < 0 ||
        rec_strata_copy(s->item_factors, s->f, s->q, NULL, s->ld, &s->strata.item, root, s->threads, err) < 0 ||
        (s->history.y && rec_strata_copy(s->history_factors, s->f, s->history.y, NULL, s->ld, &s->strata.item, root, s->threads, err) < 0))
        return -1;
    model->history_factors = s->history_factors;
    model->history_exponent = s->history_factors ? 0.5 : 0;
    copy_biases(s->user_bias, s, &s->strata.user, s->user);
    copy_biases(s->item_bias, s, &s->strata.item, s->item);
    model->factors = s->f;
    model->mean = s->mean;
    model->spread = s->unit;
    model->user_factors = s->user_factors;
    model->item_factors = s->item_factors;
    model->user_bias = s->user_bias;
    model->item_bias = s->item_bias;
    return 0;
}

static int run_pass(struct sgd *s, size_t pass, uint64_t seed, double *loss, struct rec_err *err)
{
    if (rec_strata_run(&s->strata, pass, seed, s->threads, run_block, s, loss, err) < 0)
        return -1;
    if (!isfinite(*loss))
        return rec_err_set(err, "sgd: the factors have left all bounds in pass %zu; lower the rate", pass);
    return s->history.y ? rec_svdpp_fit(&s->history, s->p, HISTORY_STEPS, err) : 0;
}

static int run_passes(struct sgd *s, struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    size_t user = s->r->n_users * s->ld * sizeof(float), item = s->r->n_items * s->ld * sizeof(float);
    struct rec_train_part part[] = {
        {"user_factors", s->p, user}, {"item_factors", s->q, item}, {"users", s->user, s->r->n_users * sizeof *s->user},
        {"items", s->item, s->r->n_items * sizeof *s->item}, {"history_factors", s->history.y, item}, {"history_sums", s->history.m, user}};
    size_t passes = (size_t)rec_models_param(&rec_sgd_type, job, "passes"), parts = s->history.y ? REC_LENGTH(part) : 4;
    ptrdiff_t done = rec_models_resume(job, part, parts, err);
    int stop = 0;

    if (done < 0)
        return -1;
    for (size_t pass = (size_t)done + 1; !stop && pass <= passes; pass++) {
        struct rec_progress progress = {.step = pass, .steps = passes, .what = "pass", .state = part, .n_state = parts};
        if (run_pass(s, pass, job->seed, &progress.loss, err) < 0)
            return -1;
        if (rec_models_wanted(job, pass, passes)) {
            if (publish(s, model, err) < 0)
                return -1;
            progress.model = model;
        }
        stop = rec_models_tell(job, &progress, err);
        if (stop < 0)
            return -1;
    }
    return publish(s, model, err);
}

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    struct sgd s = {0};
    int rc = -1;

    if (rec_models_begin(model, &rec_sgd_type, job, err) == 0 && set_up(&s, model, job, err) == 0)
        rc = run_passes(&s, model, job, err);
    rec_svdpp_clear(&s.history);
    rec_strata_clear(&s.strata);
    free(s.p_memory);
    free(s.q_memory);
    free(s.user);
    free(s.item);
    if (rc < 0)
        rec_model_clear(model);
    return rc;
}

const struct rec_model_type rec_sgd_type = {
    .name = "sgd",
    .summary = "factors and biases of users and items from ratings, by stochastic gradient descent",
    .paper = "Koren, Bell, Volinsky 2009; Zhuang, Chin, Juan, Lin 2013 (RecSys)",
    .implicit = false,
    .params = params,
    .train = train,
};
