/* SPDX-License-Identifier: MIT
 *
 * Bayesian matrix factorization: drawing one block given all others.
 *
 * Rows are drawn whole (Salakhutdinov and Mnih 2008): precision A = L + sum of w p p' over the row's ratings, p being what the score multiplies
 * the row with. To draw from N(A^-1 b, A^-1) no factor of A is needed: the solution for b + L^1/2 e + sum of w^1/2 e_n p, all e being standard
 * normal, has that distribution. Sets are drawn coordinate by coordinate (Rendle 2013, Scaling Factorization Machines to Relational Data): with the rows' sums
 * over ratings at hand, each item of a set costs its number of users, not of their ratings.
 */
#include "bmf_priv.h"
#include "rows_priv.h"

#include <rec/kernels.h>

#include <math.h>

enum { CHUNK = 256 };

void rec_bmf_rng(struct rec_rng *rng, const struct bmf *b, size_t row)
{
    rec_rng_seed(rng, b->seed, (b->stream << 36) + row);
}

/* Marsaglia and Tsang 2000. */
double rec_bmf_gamma(struct rec_rng *rng, double shape, double rate)
{
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);

    if (shape < 1)
        return rec_bmf_gamma(rng, shape + 1, rate) * pow(1 - rec_rng_uniform(rng), 1 / shape);
    for (;;) {
        double x = rec_rng_normal(rng), v = 1 + c * x, u = 1 - rec_rng_uniform(rng);
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v / rate;
    }
}

/* Normal-gamma, conjugate: shape 1, rate b->prior, mean 0 with the weight of one row. */
static void draw_prior(struct bmf *b, struct bmf_prior *prior, const float *x, size_t rows, double rate)
{
    struct rec_rng rng;

    b->stream++;
    rec_bmf_rng(&rng, b, 0);
    for (size_t c = 0; c < b->k; c++) {
        double sum = 0, squares = prior->mean[c] * prior->mean[c];
        for (size_t r = 0; r < rows; r++) {
            double v = x[r * b->ld + c], e = v - prior->mean[c];
            sum += v;
            squares += e * e;
        }
        prior->precision[c] = rec_bmf_gamma(&rng, 1 + 0.5 * (double)(rows + 1), rate + 0.5 * squares);
        prior->mean[c] = sum / (double)(rows + 1) + rec_rng_normal(&rng) / sqrt(prior->precision[c] * (double)(rows + 1));
    }
}

/* The product of two vectors without their biases. Whole strides are what the kernels like; behind the bias they hold zeros. */
static float inner(const struct bmf *b, const float *x, const float *y)
{
    return rec_kernels_dot(x, y, b->ld) - x[b->f] * y[b->f];
}

/* ---- what the ratings of a row say ---- */

/* Room of one thread. */
struct room {
    float *partner, *w, *c, *gram, *sum, *rhs;
    int32_t *index;
    void *normal;
};

static struct room room(const struct bmf *b, unsigned thread)
{
    float *at = b->scratch + thread * b->scratch_size;
    struct room room = {.partner = at};

    room.w = room.partner + CHUNK * b->ld;
    room.c = room.w + CHUNK;
    room.index = (int32_t *)(room.c + CHUNK);
    room.gram = (float *)(room.index + CHUNK);
    room.sum = room.gram + b->ld * b->ld;
    room.rhs = room.sum + b->ld;
    room.normal = room.rhs + b->ld;
    return room;
}

/* Fills the chunk's partners; returns how many. c receives the error, w the weight. */
typedef void fill_fn(const struct bmf *b, struct room *room, size_t row, int64_t from, size_t n, const void *of);

/* gram, gradient = sum of w p p', sum of w e p; noise = sum of w^1/2 e p. */
static void add_up(const struct bmf *b, struct room *room, float *gram, float *gradient, float *noise, size_t row, int64_t begin, int64_t end, fill_fn *fill,
                   const void *of)
{
    struct rec_ridge_rows rows = {.v = room->partner, .ld = b->ld, .f = b->k, .idx = room->index, .w = room->w, .c = room->c};
    struct rec_rng rng;

    rec_bmf_rng(&rng, b, row);
    memset(gram, 0, b->ld * b->ld * sizeof *gram);
    memset(gradient, 0, b->ld * sizeof *gradient);
    memset(noise, 0, b->ld * sizeof *noise);
    for (int64_t p = begin; p < end; p += CHUNK) {
        rows.n = end - p < CHUNK ? (size_t)(end - p) : CHUNK;
        fill(b, room, row, p, rows.n, of);
        for (size_t j = 0; j < rows.n; j++) {
            room->index[j] = (int32_t)j;
            room->c[j] *= room->w[j];
            rec_kernels_axpy(noise, sqrtf(room->w[j]) * (float)rec_rng_normal(&rng), room->partner + j * b->ld, b->ld);
        }
        if (p == begin) {
            rec_ridge_normal(gram, gradient, &rows, NULL, 0, NULL, room->normal);
            continue;
        }
        memcpy(room->gram, gram, b->ld * b->ld * sizeof *gram);
        rec_ridge_normal(gram, room->sum, &rows, room->gram, b->ld, NULL, room->normal);
        for (size_t c = 0; c < b->k; c++)
            gradient[c] += room->sum[c];
    }
    for (size_t c = 1; c < b->k; c++)
        for (size_t d = 0; d < c; d++)
            gram[c * b->ld + d] = gram[d * b->ld + c];
}

/* Draws x given its sums. */
static void draw_row(const struct bmf *b, struct room *room, float *x, const float *gram, const float *gradient, const float *noise,
                     const struct bmf_prior *prior, size_t row)
{
    struct rec_rng rng;

    rec_rng_seed(&rng, ~b->seed, (b->stream << 36) + row);
    memcpy(room->gram, gram, b->k * b->ld * sizeof *gram);
    for (size_t c = 0; c < b->k; c++) {
        double l = prior->precision[c], before = rec_kernels_dot(gram + c * b->ld, x, b->k);
        room->gram[c * b->ld + c] += (float)l;
        room->rhs[c] = (float)(gradient[c] + before + noise[c] + l * prior->mean[c] + sqrt(l) * rec_rng_normal(&rng));
    }
    /* Where single precision does not suffice, the row stays as it is for this pass. */
    if (rec_ridge_spd(room->gram, room->rhs, b->k) == 0)
        memcpy(x, room->rhs, b->k * sizeof *x);
}

/* ---- a side ---- */

struct work {
    struct bmf *b;
    struct bmf_side *side;
    const struct bmf_side *other;
};

static void fill_side(const struct bmf *b, struct room *room, size_t row, int64_t from, size_t n, const void *of)
{
    const struct work *work = of;
    const struct bmf_side *side = work->side, *other = work->other;
    const float *x = side->x + row * b->ld;

    for (size_t j = 0; j < n; j++) {
        size_t at = (size_t)from + j, rating = side->place ? (size_t)side->place[at] : at, o = (size_t)side->index[at];
        const float *y = other->x + o * b->ld, *around = b->around ? b->around + rating * b->ld : NULL;
        float *partner = room->partner + j * b->ld, rest = b->y[rating] - (float)b->mean - y[b->f];
        memcpy(partner, y, b->ld * sizeof *y);
        if (around) {
            rest -= around[b->f] + inner(b, y, around);
            for (size_t c = 0; c < b->f; c++)
                partner[c] += around[c];
        }
        partner[b->f] = 1;
        room->c[j] = rest - rec_kernels_dot(x, partner, b->ld);
        room->w[j] = (float)b->precision * side->weight[row] * other->weight[o];
    }
}

static int add_up_rows(void *context, size_t begin, size_t end, unsigned thread, double *loss, struct rec_err *err)
{
    const struct work *work = context;
    const struct bmf *b = work->b;
    struct bmf_side *s = work->side;
    struct room at = room(b, thread);

    (void)loss;
    (void)err;
    for (size_t r = begin; r < end; r++)
        add_up(b, &at, s->gram + r * b->ld * b->ld, s->gradient + r * b->ld, s->noise + r * b->ld, r, s->ptr[r], s->ptr[r + 1], fill_side, work);
    return 0;
}

static int draw_rows(void *context, size_t begin, size_t end, unsigned thread, double *loss, struct rec_err *err)
{
    const struct work *work = context;
    const struct bmf *b = work->b;
    struct bmf_side *s = work->side;
    struct room at = room(b, thread);

    (void)loss;
    (void)err;
    for (size_t r = begin; r < end; r++)
        draw_row(b, &at, s->own + r * b->ld, s->gram + r * b->ld * b->ld, s->gradient + r * b->ld, s->noise + r * b->ld, &s->of_own, r);
    return 0;
}

/* Precision that a row's ratings give one coordinate of its set's sum, and what is left to explain by it, both in the scale of a member. */
struct moment {
    float precision, rest;
};

/* One coordinate of all members of the sets, one after the other. */
static void draw_coordinate(struct bmf *b, struct bmf_side *s, const struct bmf_side *other, size_t c, struct moment *m, struct rec_rng *rng)
{
    double precision = s->of_set.precision[c], mean = s->of_set.mean[c];

    for (size_t r = 0; r < s->rows; r++)
        m[r] = (struct moment){s->scale[r] * s->scale[r] * s->gram[(r * b->ld + c) * b->ld + c], s->scale[r] * s->gradient[r * b->ld + c]};
    for (size_t j = 0; j < other->rows; j++) {
        float *y = s->set + j * b->ld + c, sum = 0, rest = 0, step;
        for (int64_t p = other->ptr[j]; p < other->ptr[j + 1]; p++) {
            sum += m[other->index[p]].precision;
            rest += m[other->index[p]].rest;
        }
        double total = precision + sum;
        double drawn = (rest + (double)sum * *y + precision * mean) / total + rec_rng_normal(rng) / sqrt(total);
        step = (float)drawn - *y;
        *y = (float)drawn;
        for (int64_t p = other->ptr[j]; p < other->ptr[j + 1]; p++)
            m[other->index[p]].rest -= step * m[other->index[p]].precision;
    }
    /* What the rows' sums have moved by changes what is left to the other coordinates. */
    for (size_t r = 0; r < s->rows; r++) {
        float had = s->scale[r] * s->gradient[r * b->ld + c], moved = m[r].precision > 0 ? (had - m[r].rest) * s->scale[r] / m[r].precision : 0;
        rec_kernels_axpy(s->gradient + r * b->ld, -moved, s->gram + (r * b->ld + c) * b->ld, b->k);
    }
}

static int draw_set(struct bmf *b, struct bmf_side *side, const struct bmf_side *other, struct rec_err *err)
{
    struct moment *moment = rec_malloc(side->rows, sizeof *moment, "bmf", err);
    struct rec_rng rng;

    if (!moment)
        return -1;
    b->stream++;
    rec_bmf_rng(&rng, b, 0);
    for (size_t c = 0; c < b->k; c++)
        draw_coordinate(b, side, other, c, moment, &rng);
    free(moment);
    return 0;
}

static int sum_rows(void *context, size_t begin, size_t end, unsigned thread, double *loss, struct rec_err *err)
{
    const struct work *work = context;
    const struct bmf *b = work->b;
    const struct bmf_side *s = work->side;

    (void)thread;
    (void)loss;
    (void)err;
    for (size_t r = begin; r < end; r++) {
        float *x = s->x + r * b->ld;
        memset(x, 0, b->ld * sizeof *x);
        for (int64_t p = s->ptr[r]; s->set && p < s->ptr[r + 1]; p++)
            rec_kernels_axpy(x, s->scale[r], s->set + (size_t)s->index[p] * b->ld, b->ld);
        rec_kernels_axpy(x, 1, s->own + r * b->ld, b->ld);
    }
    return 0;
}

int rec_bmf_sum(struct bmf *b, struct bmf_side *side, struct rec_err *err)
{
    struct work work = {.b = b, .side = side};

    return rec_rows_run(b->threads, side->ptr, side->rows, sum_rows, &work, NULL, err);
}

int rec_bmf_draw_side(struct bmf *b, struct bmf_side *side, const struct bmf_side *other, struct rec_err *err)
{
    struct work work = {.b = b, .side = side, .other = other};

    b->stream++;
    if (rec_rows_run(b->threads, side->ptr, side->rows, add_up_rows, &work, NULL, err) < 0 || (side->set && draw_set(b, side, other, err) < 0))
        return -1;
    b->stream++;
    if (rec_rows_run(b->threads, side->ptr, side->rows, draw_rows, &work, NULL, err) < 0 || rec_bmf_sum(b, side, err) < 0)
        return -1;
    draw_prior(b, &side->of_own, side->own, side->rows, b->prior);
    if (side->set)
        draw_prior(b, &side->of_set, side->set, other->rows, b->prior);
    return 0;
}

/* ---- a context ---- */

struct context_work {
    struct bmf *b;
    struct bmf_context *context;
    struct rec_csr by_bin;          /* columns are ratings */
    const int32_t *user_of;
};

/* All other vectors of the rating. `around` holds this context's own vector too, which is taken out. */
static void fill_context(const struct bmf *b, struct room *room, size_t row, int64_t from, size_t n, const void *of)
{
    const struct context_work *work = of;
    const float *x = work->context->x + row * b->ld;

    for (size_t j = 0; j < n; j++) {
        size_t rating = (size_t)work->by_bin.index[(size_t)from + j], u = (size_t)work->user_of[rating], i = (size_t)b->r->item[rating];
        const float *user = b->user.x + u * b->ld, *item = b->item.x + i * b->ld, *around = b->around + rating * b->ld;
        float *partner = room->partner + j * b->ld;
        for (size_t c = 0; c < b->ld; c++)
            partner[c] = user[c] + item[c];
        room->c[j] = b->y[rating] - (float)b->mean - partner[b->f] - inner(b, user, item) - around[b->f] -
                     inner(b, partner, around);
        for (size_t c = 0; c < b->f; c++)
            partner[c] += around[c] - x[c];
        partner[b->f] = 1;
        room->w[j] = (float)b->precision * b->user.weight[u] * b->item.weight[i];
    }
}

static int draw_bins(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct context_work *work = context;
    const struct bmf *b = work->b;
    struct room at = room(b, thread);
    struct bmf_context *c = work->context;

    (void)err;
    for (size_t bin = begin; bin < end; bin++) {
        /* Behind the room: sums of one row. */
        float *gram = (float *)at.normal + (rec_ridge_normal_scratch(b->k) + sizeof *gram - 1) / sizeof *gram, *gradient = gram + b->ld * b->ld,
              *noise = gradient + b->ld;
        add_up(b, &at, gram, gradient, noise, bin, work->by_bin.ptr[bin], work->by_bin.ptr[bin + 1], fill_context, work);
        draw_row(b, &at, c->x + bin * b->ld, gram, gradient, noise, &c->prior, bin);
    }
    return 0;
}

int rec_bmf_draw_context(struct bmf *b, struct bmf_context *context, struct rec_err *err)
{
    struct context_work work = {.b = b, .context = context, .by_bin = {.ptr = context->ptr, .index = context->rating}, .user_of = b->user_of};

    b->stream++;
    if (rec_pool_run(b->threads, context->bins, 1, draw_bins, &work, err) < 0)
        return -1;
    draw_prior(b, &context->prior, context->x, context->bins, b->prior_contexts);
    return rec_bmf_surround(b, err);
}

static int surround(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct bmf *b = context;

    (void)thread;
    (void)err;
    for (size_t n = begin; n < end; n++) {
        float *around = b->around + n * b->ld, bias = 0;
        memset(around, 0, b->ld * sizeof *around);
        for (size_t c = 0; c < REC_CONTEXTS; c++) {
            if (!b->context[c].bins)
                continue;
            const float *x = b->context[c].x + b->context[c].bin[n] * b->ld;
            bias += x[b->f] + inner(b, around, x);
            for (size_t k = 0; k < b->f; k++)
                around[k] += x[k];
        }
        around[b->f] = bias;
    }
    return 0;
}

int rec_bmf_surround(struct bmf *b, struct rec_err *err)
{
    return b->around ? rec_pool_run(b->threads, b->r->nnz, 4096, surround, b, err) : 0;
}

/* ---- noise ---- */

/* The errors of users begin..end, and the sum of their squares by weight. */
static int errors(void *context, size_t begin, size_t end, unsigned thread, double *loss, struct rec_err *err)
{
    struct bmf *b = context;

    (void)thread;
    (void)err;
    for (size_t u = begin; u < end; u++) {
        const float *x = b->user.x + u * b->ld;
        for (int64_t p = b->user.ptr[u]; p < b->user.ptr[u + 1]; p++) {
            size_t i = (size_t)b->user.index[p];
            const float *y = b->item.x + i * b->ld, *around = b->around ? b->around + (size_t)p * b->ld : NULL;
            float e = b->y[p] - (float)b->mean - x[b->f] - y[b->f] - inner(b, x, y);
            if (around)
                e -= around[b->f] + inner(b, x, around) + inner(b, y, around);
            b->error[p] = e;
            *loss += (double)e * e;
        }
    }
    return 0;
}

/* The precision of a row's ratings, against that of all: gamma with mean 1 before the ratings are seen (Geweke 1993). */
static void draw_weights(struct bmf *b, struct bmf_side *s, const struct bmf_side *other)
{
    b->stream++;
    for (size_t r = 0; s->freedom > 0 && r < s->rows; r++) {
        struct rec_rng rng;
        double squares = 0;
        rec_bmf_rng(&rng, b, r);
        for (int64_t p = s->ptr[r]; p < s->ptr[r + 1]; p++) {
            double e = b->error[s->place ? s->place[p] : p];
            squares += e * e * other->weight[s->index[p]];
        }
        s->weight[r] = (float)rec_bmf_gamma(&rng, 0.5 * (s->freedom + (double)(s->ptr[r + 1] - s->ptr[r])),
                                            0.5 * (s->freedom + b->precision * squares));
        s->weight[r] = s->weight[r] < 1e-3F ? 1e-3F : s->weight[r] > 1e3F ? 1e3F : s->weight[r];
    }
}

double rec_bmf_draw_noise(struct bmf *b, struct rec_err *err)
{
    double squares, weighted = 0, weights = 0, sum = 0;
    struct rec_rng rng;

    if (rec_rows_run(b->threads, b->user.ptr, b->user.rows, errors, b, &squares, err) < 0)
        return -1;
    for (size_t u = 0; u < b->user.rows; u++)
        for (int64_t p = b->user.ptr[u]; p < b->user.ptr[u + 1]; p++) {
            double w = (double)b->user.weight[u] * b->item.weight[b->user.index[p]], e = b->error[p];
            weighted += w * e * e;
            weights += w;
            sum += w * e;
        }
    b->stream++;
    rec_bmf_rng(&rng, b, 0);
    b->precision = rec_bmf_gamma(&rng, 1 + 0.5 * (double)b->r->nnz, b->prior + 0.5 * weighted);
    b->precision = fmin(b->precision, 1e4);
    draw_weights(b, &b->user, &b->item);
    draw_weights(b, &b->item, &b->user);
    b->mean += sum / weights + rec_rng_normal(&rng) / sqrt(b->precision * weights);
    return sqrt(squares / (double)b->r->nnz);
}
