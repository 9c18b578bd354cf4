/* SPDX-License-Identifier: MIT
 *
 * Steps of stochastic gradient descent over a block of ratings.
 *
 * A user's ratings are taken BATCH at a time. First the items' products with the user's factors, which one reduction brings into one
 * vector together; then errors and what follows from them, BATCH at once; then one sweep over the factors that moves user and items. So a rating costs,
 * for each vector of its item's factors, a load for the product, a load and a store for the change, and four multiplications or multiply-adds, and
 * its share of the user's vector. Nothing waits for the step before but the user's own factors, and those a quarter as often.
 */
#ifndef REC_SGD_PRIV_H
#define REC_SGD_PRIV_H

#include "set_priv.h"
#include "vector_priv.h"

enum { BATCH = 4 };

/* The rate after what the row has seen, and what it keeps in one step of `count` ratings. */
INLINE void refresh_row(struct rec_sgd_row *row, float rate, float horizon, float count)
{
    row->rate = rate / sqrtf(1 + row->squares * horizon);
    row->keep = 1 / (1 + count * row->rate * row->penalty);
    row->keep_bias = 1 / (1 + count * row->rate * row->penalty_bias);
}

static void sgd_refresh(struct rec_sgd_row *row, size_t n, float rate, float horizon)
{
    for (size_t i = 0; i < n; i++)
        refresh_row(row + i, rate, horizon, 1);
}

/* out[i]: the sum of the lanes of v[i]. */
INLINE void sums_of_batch(float out[BATCH], const vf v[BATCH])
{
#if defined(__AVX512F__)
    vf s = sums4(v);
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)));
#elif defined(__AVX2__)
    vf s = sums4(v);
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
#else
    store(out, sums(v));
#endif
}

INLINE float clip(float x, float most) { return x > most ? most : x < -most ? -most : x; }

/* dot[t] = (p + m) q[t]. */
INLINE void batch_dots(float dot[BATCH], const float *p, const float *m, float *const q[BATCH], size_t ld)
{
    vf acc[BATCH];

    UNROLL
    for (int t = 0; t < BATCH; t++)
        acc[t] = zero();
    for (size_t k = 0; k < ld; k += VW) {
        vf x = m ? add(load(p + k), load(m + k)) : load(p + k);
        UNROLL
        for (int t = 0; t < BATCH; t++)
            acc[t] = madd(load(q[t] + k), x, acc[t]);
    }
    sums_of_batch(dot, acc);
}

/* q[t] = keep[t] q[t] + gain[t] (p + m), and p = stay p + sum of move[t] q[t]. */
INLINE void batch_move(float *p, const float *m, float *const q[BATCH], size_t ld, const float *move, const float *gain, const float *keep, float stay)
{
    vf mv[BATCH], gv[BATCH], kv[BATCH], s = set1(stay);

    UNROLL
    for (int t = 0; t < BATCH; t++)
        mv[t] = set1(move[t]), gv[t] = set1(gain[t]), kv[t] = set1(keep[t]);
    for (size_t k = 0; k < ld; k += VW) {
        vf own = load(p + k), x = m ? add(own, load(m + k)) : own, next = mul(s, own);
        UNROLL
        for (int t = 0; t < BATCH; t++) {
            vf y = load(q[t] + k);
            next = madd(mv[t], y, next);
            store(q[t] + k, madd(gv[t], x, mul(kv[t], y)));
        }
        store(p + k, next);
    }
}

/* The rows of ratings j.. of a run; past its end the spare row. */
INLINE void batch_rows(float *q[BATCH], struct rec_sgd_row *row[BATCH], const struct rec_sgd_block *b, const int32_t *item, size_t n)
{
    UNROLL
    for (size_t t = 0; t < BATCH; t++) {
        size_t i = t < n ? (size_t)item[t] : b->spare;
        q[t] = b->q + i * b->ld;
        row[t] = b->item_row + i;
    }
}

INLINE void prefetch_items(const struct rec_sgd_block *b, const int32_t *item, size_t n)
{
    for (size_t t = 0; t < n && t < BATCH; t++)
        prefetch(b->q + (size_t)item[t] * b->ld, b->ld);
}

/* One batch: n ratings of a user. Returns the sum of their squared errors. */
INLINE float batch_step(const struct rec_sgd_block *b, float *p, const float *m, struct rec_sgd_row *user, const int32_t *item, const float *value, size_t n)
{
    float *q[BATCH], dot[BATCH], move[BATCH], gain[BATCH], keep[BATCH], squares = 0, sum = 0, rate = user->rate, count = (float)n;
    struct rec_sgd_row *row[BATCH];

    batch_rows(q, row, b, item, n);
    batch_dots(dot, p, m, q, b->ld);
    UNROLL
    for (size_t t = 0; t < BATCH; t++) {
        float e = t < n ? clip(value[t] - user->bias - row[t]->bias - dot[t], b->most) : 0;
        move[t] = rate * e;
        gain[t] = row[t]->rate * e;
        keep[t] = row[t]->keep;
        row[t]->squares += e * e;
        row[t]->bias = row[t]->keep_bias * row[t]->bias + gain[t];
        squares += e * e;
        sum += e;
    }
    batch_move(p, m, q, b->ld, move, gain, keep, n == BATCH ? user->keep : 1 / (1 + count * rate * user->penalty));
    user->bias = (user->bias + rate * sum) / (1 + count * rate * user->penalty_bias);
    user->squares += squares;
    return squares;
}

INLINE double sgd_run(const struct rec_sgd_block *b, const struct rec_sgd_run *run, const int32_t *item, const float *value)
{
    struct rec_sgd_row *user = b->user_row + run->user;
    size_t n = (size_t)run->n, at = (size_t)run->user * b->ld, j = 0;
    float *p = b->p + at, sum = 0;
    const float *m = b->m ? b->m + at : NULL;

    refresh_row(user, b->rate, b->horizon, BATCH);
    for (; j + BATCH <= n; j += BATCH) {
        prefetch_items(b, item + j + BATCH, BATCH);
        sum += batch_step(b, p, m, user, item + j, value + j, BATCH);
    }
    if (j < n)
        sum += batch_step(b, p, m, user, item + j, value + j, n - j);
    return (double)sum;
}

static double sgd(const struct rec_sgd_block *b)
{
    const int32_t *item = b->item;
    const float *value = b->value;
    double sum = 0;

    for (size_t r = 0; r < b->n_runs; r++) {
        const struct rec_sgd_run *run = b->run + r;
        if (r + 1 < b->n_runs)
            prefetch(b->p + (size_t)run[1].user * b->ld, b->ld);
        sum += sgd_run(b, run, item, value);
        item += run->n;
        value += run->n;
    }
    return sum;
}

/* ---- pairs: an item that the user chose, and one that they did not ---- */

struct pairs {
    float *yes[BATCH], *no[BATCH], dot[BATCH], move[BATCH], gain[BATCH], loss[BATCH];
    struct rec_sgd_row *yes_row[BATCH], *no_row[BATCH];
};

INLINE void pair_dots(struct pairs *s, const float *p, size_t ld)
{
    vf acc[BATCH];

    UNROLL
    for (int t = 0; t < BATCH; t++)
        acc[t] = zero();
    for (size_t k = 0; k < ld; k += VW) {
        vf x = load(p + k);
        UNROLL
        for (int t = 0; t < BATCH; t++)
            acc[t] = madd(sub(load(s->yes[t] + k), load(s->no[t] + k)), x, acc[t]);
    }
    sums_of_batch(s->dot, acc);
}

/* An item may be the other of two pairs of a batch: each is loaded after the last was stored. */
INLINE void pair_move(struct pairs *s, float *p, size_t ld, float stay)
{
    for (size_t k = 0; k < ld; k += VW) {
        vf x = load(p + k), next = mul(set1(stay), x);
        UNROLL
        for (int t = 0; t < BATCH; t++) {
            vf yes = load(s->yes[t] + k), no = load(s->no[t] + k);
            next = madd(set1(s->move[t]), sub(yes, no), next);
            store(s->yes[t] + k, madd(set1(s->gain[t] * s->yes_row[t]->rate), x, mul(set1(s->yes_row[t]->keep), yes)));
            store(s->no[t] + k, nmadd(set1(s->gain[t] * s->no_row[t]->rate), x, mul(set1(s->no_row[t]->keep), no)));
        }
        store(p + k, next);
    }
}

INLINE void pair_row(struct rec_sgd_row *row, float s)
{
    row->bias = row->keep_bias * row->bias + row->rate * s;
    row->squares += s * s;
}

/* -ln sigma(x) falls by sigma(-x) = 1 / (1 + e^x) a step. */
INLINE float pair_step(const struct rec_sgd_block *b, float *p, struct rec_sgd_row *user, const int32_t *item, const int32_t *other, size_t n)
{
    struct pairs s;
    float squares = 0, loss = 0;

    batch_rows(s.yes, s.yes_row, b, item, n);
    batch_rows(s.no, s.no_row, b, other, n);
    pair_dots(&s, p, b->ld);
    for (size_t t = 0; t < n; t++) {
        float x = clip(s.dot[t] + s.yes_row[t]->bias - s.no_row[t]->bias, 30), odds = expf(-x);
        s.gain[t] = item[t] == other[t] ? 0 : odds / (1 + odds);
        loss += log1pf(odds);
        squares += s.gain[t] * s.gain[t];
    }
    for (size_t t = n; t < BATCH; t++)
        s.gain[t] = 0;
    for (size_t t = 0; t < BATCH; t++)
        s.move[t] = user->rate * s.gain[t];
    pair_move(&s, p, b->ld, n == BATCH ? user->keep : 1 / (1 + (float)n * user->rate * user->penalty));
    for (size_t t = 0; t < n; t++) {
        if (item[t] == other[t])
            continue;
        pair_row(s.yes_row[t], s.gain[t]);
        pair_row(s.no_row[t], -s.gain[t]);
    }
    user->squares += squares;
    return loss;
}

static double sgd_pairs(const struct rec_sgd_block *b)
{
    const int32_t *item = b->item, *other = b->other;
    double sum = 0;

    for (size_t r = 0; r < b->n_runs; r++) {
        struct rec_sgd_row *user = b->user_row + b->run[r].user;
        float *p = b->p + (size_t)b->run[r].user * b->ld;
        size_t n = (size_t)b->run[r].n;
        refresh_row(user, b->rate, b->horizon, BATCH);
        if (r + 1 < b->n_runs)
            prefetch(b->p + (size_t)b->run[r + 1].user * b->ld, b->ld);
        for (size_t j = 0; j < n; j += BATCH) {
            size_t left = n - j < BATCH ? n - j : BATCH;
            if (j + BATCH < n) {
                prefetch_items(b, item + j + BATCH, n - j - BATCH);
                prefetch_items(b, other + j + BATCH, n - j - BATCH);
            }
            sum += (double)pair_step(b, p, user, item + j, other + j, left);
        }
        item += n;
        other += n;
    }
    return sum;
}

#endif
