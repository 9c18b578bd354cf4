/* SPDX-License-Identifier: MIT
 *
 * bpr: factors of users and items, and biases of items, that put what a user chose before what they did not.
 *
 * Rendle, Freudenthaler, Gantner and Schmidt-Thieme, "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009:
 *
 *     sum over pairs (i chosen by u, j not) of ln(1 + e^-(score(u,i) - score(u,j)))  +  L (|x_u|^2 + |y_i|^2 + |y_j|^2) / 2 a pair
 *
 * In a pass each observed pair meets one other item, drawn from the items of its block (strata.c), which are a fair sample of all of them and which no
 * other thread has at that time. What is drawn hangs on seed, pass and block.
 */
#include "models_priv.h"
#include "strata_priv.h"

#include <math.h>

enum negatives { UNIFORM, POPULARITY };

static const struct rec_param params[] = {
    {.name = "factors", .def = 64, .min = 1, .max = 2048, .integer = true, .lo = 16, .hi = 256, .log = true,
     .help = "numbers that describe a user and an item; more find finer taste, cost time and memory"},
    {.name = "passes", .def = 100, .min = 1, .max = 10000, .integer = true, .help = "passes over the pairs"},
    {.name = "regularization", .def = 0.01, .min = 0, .max = 1e6, .lo = 0.001, .hi = 0.1, .log = true,
     .help = "draws factors to zero; more for sparse data and many factors"},
    {.name = "regularization-biases", .def = 0.01, .min = 0, .max = 1e6, .lo = 0.001, .hi = 1, .log = true, .help = "draws biases to zero"},
    {.name = "rate", .def = 0.1, .min = 1e-6, .max = 10, .lo = 0.02, .hi = 0.5, .log = true, .help = "length of the first steps"},
    {.name = "horizon", .def = 100, .min = 1e-3, .max = 1e9, .lo = 10, .hi = 1e4, .log = true,
     .help = "squared error, in units of the variance, after which a row's steps are 0.7 as long, and at four times that 0.45"},
    {.name = "negatives", .def = UNIFORM, .min = 0, .max = 1, .choices = "uniform|popularity",
     .help = "the other item of a pair: any, or as often as it was chosen"},
    {.name = "deviation", .def = 0.1, .min = 1e-6, .max = 100, .help = "standard deviation of a random first score, before training"},
    {.name = NULL},
};

struct bpr {
    const struct rec_ratings *r;
    struct rec_strata strata;
    size_t f, ld, pass;
    uint64_t seed;
    enum negatives negatives;
    float rate, horizon;
    float *p, *q;          /* [users, ld], [items + threads, ld], in the order of rows */
    struct rec_sgd_row *user, *item; /* [users], [items + threads] */
    void *p_memory, *q_memory;
    int32_t *other;        /* [threads, largest block] */
    uint32_t *mark;        /* [threads, items]: the last run of the thread that had the item */
    uint32_t *runs;        /* [threads]: so many it has had */
    size_t largest;
    float *user_factors, *item_factors, *item_bias; /* the model's */
    unsigned threads;
};

/* ---- where training begins ---- */

static int allocate(struct bpr *s, struct rec_model *model, struct rec_err *err)
{
    size_t n_user, n_item, blocks = s->strata.user.groups * s->strata.item.groups, others, marks;

    for (size_t b = 0; b < blocks; b++)
        s->largest = s->strata.begin[b + 1] - s->strata.begin[b] > s->largest ? s->strata.begin[b + 1] - s->strata.begin[b] : s->largest;
    if (rec_size_mul(&n_user, s->r->n_users, s->f) < 0 || rec_size_mul(&n_item, s->r->n_items, s->f) < 0 ||
        rec_size_mul(&others, s->largest, s->threads) < 0 || rec_size_mul(&marks, s->r->n_items, s->threads) < 0)
        return rec_err_memory(err, "bpr");
    s->user_factors = rec_models_own(model, n_user, sizeof(float), err);
    s->item_factors = rec_models_own(model, n_item, sizeof(float), err);
    s->item_bias = rec_models_own(model, s->r->n_items, sizeof(float), err);
    s->other = rec_malloc(others, sizeof *s->other, "bpr", err);
    s->mark = rec_calloc(marks, sizeof *s->mark, "bpr", err);
    s->runs = rec_calloc(s->threads, sizeof *s->runs, "bpr", err);
    if (!s->user_factors || !s->item_factors || !s->item_bias || !s->other || !s->mark || !s->runs)
        return -1;
    s->p = rec_strata_floats(&s->p_memory, s->r->n_users, s->ld, "bpr", err);
    s->q = rec_strata_floats(&s->q_memory, s->r->n_items + s->threads, s->ld, "bpr", err);
    s->user = rec_calloc(s->r->n_users, sizeof *s->user, "bpr", err);
    s->item = rec_calloc(s->r->n_items + s->threads, sizeof *s->item, "bpr", err);
    return s->p && s->q && s->user && s->item ? 0 : -1;
}

static int begin_rows(struct bpr *s, const struct rec_train_job *job, const float *popularity, struct rec_err *err)
{
    double deviation = sqrt(rec_models_param(&rec_bpr_type, job, "deviation") / sqrt((double)s->f));
    float factors = (float)rec_models_param(&rec_bpr_type, job, "regularization");
    float biases = (float)rec_models_param(&rec_bpr_type, job, "regularization-biases");
    float *count = rec_malloc(s->r->n_users, sizeof *count, "bpr", err);

    if (!count)
        return -1;
    for (size_t u = 0; u < s->r->n_users; u++) {
        count[u] = (float)(s->r->user_ptr[u + 1] - s->r->user_ptr[u]);
        s->user[u].penalty = factors;
    }
    for (size_t i = 0; i < s->r->n_items; i++) {
        s->item[i].penalty = factors;
        s->item[i].penalty_bias = biases;
    }
    rec_strata_random(s->p, s->f, s->ld, &s->strata.user, count, deviation, s->seed ^ 0x70);
    rec_strata_random(s->q, s->f, s->ld, &s->strata.item, popularity, deviation, s->seed ^ 0x71);
    free(count);
    return 0;
}

static int set_up(struct bpr *s, struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_model_type *type = &rec_bpr_type;

    s->r = job->ratings;
    s->seed = job->seed;
    s->f = (size_t)rec_models_param(type, job, "factors");
    s->ld = rec_strata_ld(s->f);
    s->threads = job->threads ? job->threads : 1;
    s->negatives = (enum negatives)rec_models_param(type, job, "negatives");
    s->rate = (float)rec_models_param(type, job, "rate");
    s->horizon = (float)(1 / rec_models_param(type, job, "horizon"));
    if (rec_strata_init(&s->strata, s->r, false, 0, 1, s->ld, s->seed, s->threads, err) < 0 || allocate(s, model, err) < 0)
        return -1;
    return begin_rows(s, job, model->popularity, err);
}

/* ---- passes ---- */

/* An item of the block that the user of the present run did not choose; `item` itself when none is found soon. */
static int32_t draw(const struct bpr *s, struct rec_rng *rng, size_t block, size_t group, const uint32_t *mark, uint32_t run, int32_t item)
{
    const struct rec_strata *t = &s->strata;
    size_t first = t->item.begin[group], n = t->item.begin[group + 1] - first;

    for (int tries = 0; tries < 16; tries++) {
        int32_t other = s->negatives == POPULARITY ? t->item_row[t->begin[block] + rec_rng_below(rng, t->begin[block + 1] - t->begin[block])]
                                                   : (int32_t)(first + rec_rng_below(rng, n));
        if (mark[other] != run)
            return other;
    }
    return item;
}

static void draw_block(const struct bpr *s, size_t block, size_t group, unsigned thread)
{
    const struct rec_strata *t = &s->strata;
    int32_t *other = s->other + thread * s->largest;
    uint32_t *mark = s->mark + thread * t->item.n;
    const int32_t *item = t->item_row + t->begin[block];
    struct rec_rng rng;

    rec_rng_seed(&rng, s->seed ^ 0x6e, s->pass * t->user.groups * t->item.groups + block);
    for (size_t r = t->run_begin[block]; r < t->run_begin[block + 1]; r++) {
        size_t n = (size_t)t->run[r].n;
        if (++s->runs[thread] == 0) {
            memset(mark, 0, t->item.n * sizeof *mark);
            s->runs[thread] = 1;
        }
        for (size_t j = 0; j < n; j++)
            mark[item[j]] = s->runs[thread];
        for (size_t j = 0; j < n; j++)
            other[j] = draw(s, &rng, block, group, mark, s->runs[thread], item[j]);
        item += n;
        other += n;
    }
}

static int run_block(void *context, const struct rec_strata *t, size_t u, size_t i, unsigned thread, double *loss, struct rec_err *err)
{
    const struct bpr *s = context;
    size_t b = rec_strata_block(t, u, i), first = t->item.begin[i];
    struct rec_sgd_block block = {.run = t->run + t->run_begin[b], .n_runs = t->run_begin[b + 1] - t->run_begin[b],
                                  .item = t->item_row + t->begin[b], .other = s->other + thread * s->largest, .p = s->p, .q = s->q, .ld = s->ld,
                                  .spare = t->item.n + thread, .user_row = s->user, .item_row = s->item, .rate = s->rate, .horizon = s->horizon};

    draw_block(s, b, i, thread);
    rec_kernels_sgd_refresh(s->item + first, t->item.begin[i + 1] - first, s->rate, s->horizon);
    *loss += rec_kernels_sgd_pairs(&block);
    (void)err;
    return 0;
}

static int publish(const struct bpr *s, struct rec_model *model, struct rec_err *err)
{
    if (rec_strata_copy(s->user_factors, s->f, s->p, NULL, s->ld, &s->strata.user, 1, s->threads, err) < 0 ||
        rec_strata_copy(s->item_factors, s->f, s->q, NULL, s->ld, &s->strata.item, 1, s->threads, err) < 0)
        return -1;
    for (size_t k = 0; k < s->strata.item.n; k++)
        s->item_bias[s->strata.item.number[k]] = s->item[k].bias;
    model->factors = s->f;
    model->user_factors = s->user_factors;
    model->item_factors = s->item_factors;
    model->item_bias = s->item_bias;
    return 0;
}

static int run_passes(struct bpr *s, struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    struct rec_train_part part[] = {
        {"user_factors", s->p, s->r->n_users * s->ld * sizeof(float)}, {"item_factors", s->q, s->r->n_items * s->ld * sizeof(float)},
        {"users", s->user, s->r->n_users * sizeof *s->user}, {"items", s->item, s->r->n_items * sizeof *s->item}};
    size_t passes = (size_t)rec_models_param(&rec_bpr_type, job, "passes");
    ptrdiff_t done = rec_models_resume(job, part, REC_LENGTH(part), err);
    int stop = 0;

    if (done < 0)
        return -1;
    for (s->pass = (size_t)done + 1; !stop && s->pass <= passes; s->pass++) {
        struct rec_progress progress = {.step = s->pass, .steps = passes, .what = "pass", .state = part, .n_state = REC_LENGTH(part)};
        if (rec_strata_run(&s->strata, s->pass, s->seed, s->threads, run_block, s, &progress.loss, err) < 0)
            return -1;
        if (!isfinite(progress.loss))
            return rec_err_set(err, "bpr: the factors have left all bounds in pass %zu; lower the rate", s->pass);
        if (rec_models_wanted(job, s->pass, passes)) {
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
    struct bpr s = {0};
    int rc = -1;

    if (rec_models_begin(model, &rec_bpr_type, job, err) == 0 && set_up(&s, model, job, err) == 0)
        rc = run_passes(&s, model, job, err);
    rec_strata_clear(&s.strata);
    free(s.p_memory);
    free(s.q_memory);
    free(s.user);
    free(s.item);
    free(s.other);
    free(s.mark);
    free(s.runs);
    if (rc < 0)
        rec_model_clear(model);
    return rc;
}

const struct rec_model_type rec_bpr_type = {
    .name = "bpr",
    .summary = "factors that rank what a user chose before what they did not",
    .paper = "Rendle, Freudenthaler, Gantner, Schmidt-Thieme 2009 (UAI)",
    .implicit = true,
    .params = params,
    .train = train,
};
