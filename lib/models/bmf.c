/* SPDX-License-Identifier: MIT
 *
 * bmf: Bayesian matrix factorization of ratings by Gibbs sampling.
 *
 * Salakhutdinov and Mnih, "Bayesian Probabilistic Matrix Factorization using Markov Chain Monte Carlo", ICML 2008, with the additions that Rendle, Zhang
 * and Koren, "On the Difficulty of Evaluating Baselines", 2019, found to be the most accurate: the implicit sets of users and of items (SVD++ and its mirror
 * image) and time, as in a Bayesian factorization machine (Freudenthaler, Schmidt-Thieme and Rendle 2011). The noise of a rating has a precision of
 * its user's and its item's own.
 *
 * Each pass draws items, users and noise, every other one the contexts. The model keeps some of the draws after the first `burn-in`, side by
 * side in its factors: the inner product over all of them is the posterior mean. How blocks are drawn: bmf_draw.c; what contexts are: bmf_context.c.
 */
#include "bmf_priv.h"
#include "rows_priv.h"

#include <rec/kernels.h>

#include <math.h>
#include <stdlib.h>

enum { CONTEXT_EVERY = 2, PARTS_MAX = 48 };

static const struct rec_param params[] = {
    {.name = "factors", .def = 16, .min = 1, .max = 256, .integer = true, .lo = 4, .hi = 48, .log = true, .help = "length of the vectors of one draw"},
    {.name = "passes", .def = 200, .min = 1, .max = 100000, .integer = true, .help = "draws of everything, those of burn-in included"},
    {.name = "burn-in", .def = 40, .min = 0, .max = 100000, .integer = true, .help = "passes that are forgotten; the last one is always kept"},
    {.name = "kept", .def = 32, .min = 1, .max = 1000, .integer = true, .help = "draws that the model keeps, evenly spaced; its size grows with them"},
    {.name = "sets", .def = 3, .max = 3, .choices = "none|items|users|both", .help = "vectors for what users have rated, for who has rated items, or both"},
    {.name = "noise-users", .def = 10, .min = 0, .max = 1e6, .lo = 4, .hi = 40, .log = true, .help = "how alike the noise of users is; 0: one noise for all"},
    {.name = "noise-items", .def = 20, .min = 0, .max = 1e6, .lo = 4, .hi = 80, .log = true, .help = "how alike the noise of items is; 0: one noise for all"},
    {.name = "date-bins", .def = 40, .min = 0, .max = 1000, .integer = true, .help = "parts of the time that ratings span, of equal numbers of them; 0: none"},
    {.name = "position-bins", .def = 20, .min = 0, .max = 1000, .integer = true, .help = "bins of how many ratings the user had given before; 0: none"},
    {.name = "pace-bins", .def = 10, .min = 0, .max = 1000, .integer = true, .help = "bins of how many they gave within half a minute; 0: none"},
    {.name = "prior", .def = 0.01, .min = 1e-9, .max = 1e3, .lo = 1e-3, .hi = 1, .log = true, .help = "rate of the gamma priors of precisions; more allows larger vectors"},
    {.name = "prior-contexts", .def = 0.1, .min = 1e-9, .max = 1e3, .lo = 1e-2, .hi = 10, .log = true, .help = "the same of the vectors of dates, positions and paces"},
    {.name = "deviation", .def = 0.1, .min = 0, .max = 10, .help = "standard deviation of the first random factors"},
    {.name = NULL},
};

void *rec_bmf_own(struct bmf *b, size_t n, size_t size, struct rec_err *err)
{
    void *memory = b->n_owned < REC_LENGTH(b->owned) ? rec_calloc(n, size, "bmf", err) : NULL;

    if (memory)
        b->owned[b->n_owned++] = memory;
    return memory;
}

void rec_bmf_clear(struct bmf *b)
{
    for (size_t i = 0; i < b->n_owned; i++)
        free(b->owned[i]);
    rec_csr_clear(&b->by_item);
    *b = (struct bmf){0};
}

/* ---- setting up ---- */

static float *matrix(struct bmf *b, size_t rows, size_t width, struct rec_err *err)
{
    size_t n;

    if (rec_size_mul(&n, rows, width) < 0) {
        rec_err_memory(err, "bmf");
        return NULL;
    }
    return rec_bmf_own(b, n, sizeof(float), err);
}

static int set_prior(struct bmf *b, struct bmf_prior *prior, struct rec_err *err)
{
    prior->mean = rec_bmf_own(b, 2 * b->k, sizeof *prior->mean, err);
    if (!prior->mean)
        return -1;
    prior->precision = prior->mean + b->k;
    for (size_t k = 0; k < b->k; k++)
        prior->precision[k] = 1;
    return 0;
}

static int set_side(struct bmf *b, struct bmf_side *s, size_t others, bool set, struct rec_err *err)
{
    s->own = matrix(b, s->rows, b->ld, err);
    s->x = matrix(b, s->rows, b->ld, err);
    s->gram = matrix(b, s->rows, b->ld * b->ld, err);
    s->gradient = matrix(b, s->rows, b->ld, err);
    s->noise = matrix(b, s->rows, b->ld, err);
    s->scale = matrix(b, s->rows, 1, err);
    s->weight = matrix(b, s->rows, 1, err);
    if (set)
        s->set = matrix(b, others, b->ld, err);
    if (!s->own || !s->x || !s->gram || !s->gradient || !s->noise || !s->scale || !s->weight || (set && !s->set) || set_prior(b, &s->of_own, err) < 0 ||
        set_prior(b, &s->of_set, err) < 0)
        return -1;
    for (size_t r = 0; r < s->rows; r++) {
        s->weight[r] = 1;
        s->scale[r] = s->ptr[r + 1] > s->ptr[r] ? 1 / sqrtf((float)(s->ptr[r + 1] - s->ptr[r])) : 0;
    }
    return 0;
}

static void set_values(struct bmf *b)
{
    const struct rec_ratings *r = b->r;
    double sum = 0, squares = 0;

    for (size_t p = 0; p < r->nnz; p++)
        sum += r->value[p];
    b->centre = sum / (double)r->nnz;
    for (size_t p = 0; p < r->nnz; p++)
        squares += (r->value[p] - b->centre) * (r->value[p] - b->centre);
    b->unit = sqrt(squares / (double)r->nnz);
    if (!(b->unit > 1e-9 * fabs(b->centre)) || b->unit == 0)
        b->unit = 1;
    for (size_t p = 0; p < r->nnz; p++)
        b->y[p] = (float)((r->value[p] - b->centre) / b->unit);
}

static int set_places(struct bmf *b, struct rec_err *err)
{
    const struct rec_ratings *r = b->r;
    int64_t *next = rec_malloc(r->n_items + 1, sizeof *next, "bmf", err);
    int32_t *place = rec_bmf_own(b, r->nnz, sizeof *place, err);

    if (next && place) {
        memcpy(next, b->by_item.ptr, (r->n_items + 1) * sizeof *next);
        for (size_t p = 0; p < r->nnz; p++)
            place[next[r->item[p]]++] = (int32_t)p;
        b->item.place = place;
    }
    free(next);
    return b->item.place ? 0 : -1;
}

static void random_rows(const struct bmf *b, float *x, size_t rows, double deviation, uint64_t salt)
{
    for (size_t r = 0; x && r < rows; r++) {
        struct rec_rng rng;
        rec_rng_seed(&rng, b->seed, (salt << 60) + r);
        for (size_t k = 0; k < b->f; k++)
            x[r * b->ld + k] = (float)(deviation * rec_rng_normal(&rng));
    }
}

static int set_scratch(struct bmf *b, struct rec_err *err)
{
    size_t floats = 256 * (b->ld + 3) + 2 * b->ld * b->ld + 4 * b->ld + (rec_ridge_normal_scratch(b->k) + 3) / sizeof(float);

    b->scratch_size = (floats + 31) / 16 * 16;
    b->scratch = matrix(b, b->threads, b->scratch_size, err);
    return b->scratch ? 0 : -1;
}

static double param(const struct rec_train_job *job, const char *name)
{
    return rec_models_param(&rec_bmf_type, job, name);
}

static int set_up(struct bmf *b, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_ratings *r = job->ratings;
    size_t bins[REC_CONTEXTS] = {(size_t)param(job, "date-bins"), (size_t)param(job, "position-bins"), (size_t)param(job, "pace-bins")};
    int sets = (int)param(job, "sets");
    double deviation = param(job, "deviation");

    *b = (struct bmf){.r = r, .f = (size_t)param(job, "factors"), .threads = job->threads ? job->threads : 1, .seed = job->seed, .precision = 1,
                      .prior = param(job, "prior"), .prior_contexts = param(job, "prior-contexts")};
    b->k = b->f + 1;
    b->ld = rec_ridge_ld(b->k);
    if (r->nnz > INT32_MAX)
        return rec_err_set(err, "bmf: more than %d ratings", INT32_MAX);
    b->y = matrix(b, r->nnz, 1, err);
    b->error = matrix(b, r->nnz, 1, err);
    if (!b->y || !b->error || set_scratch(b, err) < 0 || rec_csr_transpose(&b->by_item, r->n_users, r->n_items, r->user_ptr, r->item, NULL, err) < 0)
        return -1;
    set_values(b);
    b->user = (struct bmf_side){.rows = r->n_users, .ptr = r->user_ptr, .index = r->item, .freedom = param(job, "noise-users")};
    b->item = (struct bmf_side){.rows = r->n_items, .ptr = b->by_item.ptr, .index = b->by_item.index, .freedom = param(job, "noise-items")};
    if (set_places(b, err) < 0 || set_side(b, &b->user, r->n_items, sets & 1, err) < 0 || set_side(b, &b->item, r->n_users, sets & 2, err) < 0 ||
        rec_bmf_contexts(b, bins, err) < 0)
        return -1;
    random_rows(b, b->user.own, r->n_users, deviation, 1);
    random_rows(b, b->item.own, r->n_items, deviation, 2);
    random_rows(b, b->user.set, r->n_items, deviation, 3);
    random_rows(b, b->item.set, r->n_users, deviation, 4);
    for (size_t c = 0; c < REC_CONTEXTS; c++)
        random_rows(b, b->context[c].x, b->context[c].bins, deviation, 5 + c);
    return 0;
}

/* ---- what is kept ---- */

struct keeper {
    struct rec_model *model;
    size_t samples, done;
    float *user, *item, *context;             /* [rows, samples * f] */
    float *user_samples, *item_samples;       /* [rows, samples] */
    double *context_bias, *mean;              /* sums */
    size_t n_context;
    float *bias[3];                           /* of users, items, contexts, once they are known */
};

static int keep_edges(struct keeper *k, const struct bmf *b, struct rec_err *err)
{
    struct rec_context *c = &k->model->context;
    size_t n = 0;
    int64_t *time = rec_models_own(k->model, b->r->nnz, sizeof *time, err);

    for (size_t i = 0; i < REC_CONTEXTS; i++)
        n += b->context[i].bins;
    int64_t *edge = rec_models_own(k->model, n, sizeof *edge, err);
    if (!time || !edge)
        return -1;
    memcpy(time, b->seen_time, b->r->nnz * sizeof *time);
    c->seen_time = time;
    for (size_t i = 0; i < REC_CONTEXTS; i++) {
        c->bins[i] = b->context[i].bins;
        c->edge[i] = edge;
        if (c->bins[i]) {
            memcpy(edge, b->context[i].edge, (c->bins[i] - 1) * sizeof *edge);
            edge += c->bins[i] - 1;
        }
    }
    k->n_context = n;
    return 0;
}

static float *own_matrix(struct rec_model *model, size_t rows, size_t width, struct rec_err *err)
{
    size_t n;

    if (rec_size_mul(&n, rows, width) < 0) {
        rec_err_memory(err, "bmf");
        return NULL;
    }
    return rec_models_own(model, n, sizeof(float), err);
}

static int keeper_init(struct keeper *k, struct rec_model *model, struct bmf *b, size_t samples, struct rec_err *err)
{
    size_t width = samples * b->f;

    *k = (struct keeper){.model = model, .samples = samples};
    if (b->around && keep_edges(k, b, err) < 0)
        return -1;
    k->user = own_matrix(model, b->user.rows, width, err);
    k->item = own_matrix(model, b->item.rows, width, err);
    k->user_samples = own_matrix(model, b->user.rows, samples, err);
    k->item_samples = own_matrix(model, b->item.rows, samples, err);
    k->bias[0] = own_matrix(model, b->user.rows, 1, err);
    k->bias[1] = own_matrix(model, b->item.rows, 1, err);
    k->context_bias = rec_bmf_own(b, k->n_context + 1, sizeof *k->context_bias, err);
    k->mean = rec_bmf_own(b, 1, sizeof *k->mean, err);
    if (!k->user || !k->item || !k->user_samples || !k->item_samples || !k->bias[0] || !k->bias[1] || !k->context_bias || !k->mean)
        return -1;
    if (k->n_context) {
        k->context = own_matrix(model, k->n_context, width, err);
        k->bias[2] = own_matrix(model, k->n_context, 1, err);
        if (!k->context || !k->bias[2])
            return -1;
    }
    return 0;
}

static void keep_factors(float *out, const float *x, size_t n, double scale)
{
    for (size_t k = 0; k < n; k++)
        out[k] = rec_models_float(x[k] * scale);
}

/* A row of which nothing is known is at the mean of all: the mean of its draws is, too, in the long run. */
static void vector(float *x, const struct bmf *b, const struct bmf_side *s, size_t row)
{
    bool known = s->ptr[row + 1] > s->ptr[row];

    for (size_t k = 0; k < b->k; k++)
        x[k] = known ? s->x[row * b->ld + k] : (float)s->of_own.mean[k];
}

/* The sum of the contexts' vectors of right after a user's last rating; returns their biases and products. */
static double last_context(float *sum, const struct keeper *k, const struct bmf *b, size_t u)
{
    size_t row[REC_CONTEXTS], first = 0;
    int64_t from = b->r->user_ptr[u];
    double terms = 0;

    memset(sum, 0, b->k * sizeof *sum);
    if (!k->n_context)
        return 0;
    rec_context_rows(row, &k->model->context, b->seen_time + from, (size_t)(b->r->user_ptr[u + 1] - from), NULL);
    for (size_t c = 0; c < REC_CONTEXTS; first += b->context[c++].bins) {
        if (row[c] == SIZE_MAX)
            continue;
        const float *x = b->context[c].x + (row[c] - first) * b->ld;
        terms += x[b->f] + rec_kernels_dot(sum, x, b->f);
        rec_kernels_axpy(sum, 1, x, b->f);
    }
    return terms;
}

static int keep_users(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const void *const *both = context;
    const struct keeper *k = both[0];
    const struct bmf *b = both[1];
    double scale = sqrt(b->unit / (double)k->samples);
    float x[257], c[257];

    (void)thread;
    (void)err;
    for (size_t u = begin; u < end; u++) {
        double terms = last_context(c, k, b, u);
        vector(x, b, &b->user, u);
        k->user_samples[u * k->samples + k->done] = rec_models_float(b->unit * (x[b->f] + terms + rec_kernels_dot(x, c, b->f)));
        rec_kernels_axpy(x, 1, c, b->f);
        keep_factors(k->user + (u * k->samples + k->done) * b->f, x, b->f, scale);
    }
    return 0;
}

static int keep(struct keeper *k, struct bmf *b, struct rec_err *err)
{
    const void *both[] = {k, b};
    double scale = sqrt(b->unit / (double)k->samples);
    float x[257];
    size_t row = 0;

    if (rec_pool_run(b->threads, b->user.rows, 256, keep_users, both, err) < 0)
        return -1;
    for (size_t i = 0; i < b->item.rows; i++) {
        vector(x, b, &b->item, i);
        k->item_samples[i * k->samples + k->done] = rec_models_float(b->unit * (x[b->f] + b->mean) + b->centre);
        keep_factors(k->item + (i * k->samples + k->done) * b->f, x, b->f, scale);
    }
    for (size_t c = 0; c < REC_CONTEXTS; c++)
        for (size_t j = 0; j < b->context[c].bins; j++, row++) {
            keep_factors(k->context + (row * k->samples + k->done) * b->f, b->context[c].x + j * b->ld, b->f, scale);
            k->context_bias[row] += b->context[c].x[j * b->ld + b->f];
        }
    *k->mean += b->mean;
    k->done++;
    return 0;
}

/* Rows of `had` numbers become rows of the first `n` of them. */
static void close_up(float *x, size_t rows, size_t had, size_t n, float scale)
{
    for (size_t r = 0; x && r < rows; r++)
        for (size_t j = 0; j < n; j++)
            x[r * n + j] = x[r * had + j] * scale;
}

static void average(float *out, const float *x, size_t rows, size_t n, double less)
{
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t s = 0; s < n; s++)
            sum += (double)x[r * n + s] / (double)n;
        out[r] = rec_models_float(sum - less);
    }
}

static void finish(struct keeper *k, const struct bmf *b)
{
    struct rec_model *m = k->model;
    size_t n = k->done;
    float scale = sqrtf((float)k->samples / (float)n);

    if (n < k->samples) {
        close_up(k->user, b->user.rows, k->samples * b->f, n * b->f, scale);
        close_up(k->item, b->item.rows, k->samples * b->f, n * b->f, scale);
        close_up(k->context, k->n_context, k->samples * b->f, n * b->f, scale);
        close_up(k->user_samples, b->user.rows, k->samples, n, 1);
        close_up(k->item_samples, b->item.rows, k->samples, n, 1);
    }
    m->samples = n;
    m->factors = n * b->f;
    m->mean = b->centre + b->unit * *k->mean / (double)n;
    average(k->bias[0], k->user_samples, b->user.rows, n, 0);
    average(k->bias[1], k->item_samples, b->item.rows, n, m->mean);
    for (size_t r = 0; r < k->n_context; r++)
        k->bias[2][r] = rec_models_float(b->unit * k->context_bias[r] / (double)n);
    m->user_factors = k->user;
    m->item_factors = k->item;
    m->user_bias = k->bias[0];
    m->item_bias = k->bias[1];
    m->user_samples = k->user_samples;
    m->item_samples = k->item_samples;
    m->context.factors = k->context;
    m->context.bias = k->bias[2];
}

/* ---- training ---- */

static int pass(double *loss, struct bmf *b, size_t number, struct rec_err *err)
{
    for (size_t c = 0; c < REC_CONTEXTS; c++)
        if (b->context[c].bins && number % CONTEXT_EVERY == 1 && rec_bmf_draw_context(b, &b->context[c], err) < 0)
            return -1;
    if (rec_bmf_draw_side(b, &b->item, &b->user, err) < 0 || rec_bmf_draw_side(b, &b->user, &b->item, err) < 0)
        return -1;
    *loss = rec_bmf_draw_noise(b, err);
    return *loss < 0 ? -1 : 0;
}

/* Whether a draw is kept after this pass: the last one is, and the others of `samples` evenly before it. */
static bool wanted(size_t number, size_t passes, size_t burn_in, size_t samples)
{
    size_t at = number - burn_in, of = passes - burn_in;

    return number > burn_in && at * samples / of > (at - 1) * samples / of;
}

static int sample(struct bmf *b, struct keeper *k, const struct rec_train_job *job, struct rec_err *err)
{
    size_t passes = (size_t)param(job, "passes"), burn_in = (size_t)param(job, "burn-in");
    double loss;
    int stop = 0;

    burn_in = burn_in < passes ? burn_in : passes - 1;
    for (size_t p = 1; !stop && p <= passes; p++) {
        if (pass(&loss, b, p, err) < 0 || (wanted(p, passes, burn_in, k->samples) && keep(k, b, err) < 0))
            return -1;
        stop = rec_models_step(job, p, passes, loss * b->unit, err);
        if (stop < 0)
            return -1;
    }
    return k->done ? 0 : keep(k, b, err);
}

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    struct bmf b = {0};
    struct keeper keeper;
    size_t passes = (size_t)param(job, "passes"), burn_in = (size_t)param(job, "burn-in"), samples = (size_t)param(job, "kept");
    int rc = -1;

    if (rec_models_begin(model, &rec_bmf_type, job, err) < 0 || set_up(&b, job, err) < 0)
        goto out;
    passes = burn_in < passes ? passes - burn_in : 1;
    if (keeper_init(&keeper, model, &b, samples < passes ? samples : passes, err) < 0 || rec_bmf_sum(&b, &b.user, err) < 0 ||
        rec_bmf_sum(&b, &b.item, err) < 0 || rec_bmf_surround(&b, err) < 0 || sample(&b, &keeper, job, err) < 0)
        goto out;
    finish(&keeper, &b);
    rc = 0;
out:
    rec_bmf_clear(&b);
    if (rc < 0)
        rec_model_clear(model);
    return rc;
}

const struct rec_model_type rec_bmf_type = {
    .name = "bmf",
    .summary = "factors of users, items and times from ratings, averaged over draws from their posterior",
    .paper = "Salakhutdinov, Mnih 2008 (ICML); Rendle, Zhang, Koren 2019",
    .implicit = false,
    .params = params,
    .train = train,
};
