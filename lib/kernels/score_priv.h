/* SPDX-License-Identifier: MIT
 *
 * Scoring a tile of users against panels of items. A panel is NV vectors of items, stored as f + 1 rows: their biases,
 * then one row per factor. Accumulators start from the bias, so each score is one chain of additions in the order
 * of the factors, the same wherever it stands; places past the last item have bias -infinity and can never be listed.
 */
#ifndef REC_SCORE_PRIV_H
#define REC_SCORE_PRIV_H

#include "topk_priv.h"
#include "vector_priv.h"

#include "tile_priv.h"

enum { PANEL = NV * VW };

static void pack(float *data, const float *v, size_t n, size_t f, size_t ld, const float *bias)
{
    for (size_t j = 0; j < n; j += PANEL, data += PANEL * (f + 1)) {
        size_t m = n - j < PANEL ? n - j : PANEL;
        for (size_t i = 0; i < PANEL; i++)
            data[i] = i >= m ? -INFINITY : bias ? bias[j + i] : 0;
        for (size_t i = 0; i < PANEL; i++)
            for (size_t k = 0; k < f; k++)
                data[(k + 1) * PANEL + i] = i < m ? v[(j + i) * ld + k] : 0;
    }
}

/* Users likewise: groups of MR, one row of MR per factor; zeros past the last. */
static void pack_users(float *data, const float *u, size_t ldu, size_t m, size_t f)
{
    for (size_t i = 0; i < m; i += MR, data += MR * f)
        for (size_t r = 0; r < MR; r++)
            for (size_t k = 0; k < f; k++)
                data[k * MR + r] = i + r < m ? u[(i + r) * ldu + k] : 0;
}

INLINE void tile_scores(vf acc[MR][NV], const float *users, const float *panel, size_t f)
{
    UNROLL
    for (int i = 0; i < MR; i++)
        UNROLL
        for (int v = 0; v < NV; v++)
            acc[i][v] = load(panel + v * VW);
    tile_multiply(acc, users, MR, panel + PANEL, PANEL, f, NV);
}

/* Which scores of one user beat the threshold: one bit per item of the panel. */
INLINE uint64_t beat(const vf acc[NV], vf threshold)
{
    uint64_t mask = 0;

    UNROLL
    for (int v = 0; v < NV; v++)
        mask |= (uint64_t)gt(acc[v], threshold) << (v * VW);
    return mask;
}

/* One user's row of the register tile, offered to the user's list. Out of line: it is rarely needed. */
static __attribute__((noinline)) void offer(struct topk_list *l, float *threshold, size_t item, uint64_t mask,
                                            const float *score)
{
    *threshold = rec_topk_list_offer(l, *threshold, (int32_t)item, mask, score);
}

static void tile_list(struct topk_list *l, float *threshold, size_t item, const float *users, const float *panel,
                      size_t f)
{
    vf acc[MR][NV];

    tile_scores(acc, users, panel, f);
    UNROLL
    for (int i = 0; i < MR; i++) {
        uint64_t mask = beat(acc[i], set1(threshold[i]));
        if (__builtin_expect(mask != 0, 0)) {
            float score[PANEL];
            UNROLL
            for (int v = 0; v < NV; v++)
                store(score + v * VW, acc[i][v]);
            offer(l + i, threshold + i, item, mask, score);
        }
    }
}

static void tile(struct rec_topk_hit *out, size_t *count, size_t k, const struct rec_topk_panels *p, const float *u,
                 size_t ldu, size_t m, const struct rec_topk_seen *seen, const uint8_t *allowed, float *scratch)
{
    size_t rows = round_up(m, MR), more = rec_topk_list_more(k);
    uintptr_t at = (uintptr_t)scratch + _Alignof(struct topk_list) - 1;
    struct topk_list *list = (struct topk_list *)(at / _Alignof(struct topk_list) * _Alignof(struct topk_list));
    struct rec_topk_hit *beyond = (struct rec_topk_hit *)(list + rows);
    float *threshold = (float *)(beyond + rows * more), *users = threshold + rows;

    pack_users(users, u, ldu, m, p->f);
    for (size_t i = 0; i < rows; i++)
        threshold[i] = i >= m ? INFINITY
                              : rec_topk_list_init(list + i, out + i * k, beyond + i * more, k, seen ? seen + i : NULL,
                                                   allowed);
    for (size_t j = 0; j < p->n; j += PANEL)
        for (size_t i = 0; i < m; i += MR)
            tile_list(list + i, threshold + i, j, users + i * p->f, p->data + j * (p->f + 1), p->f);
    for (size_t i = 0; i < m; i++)
        count[i] = rec_topk_list_finish(list + i);
}

/* One row of the register tile into C: all of the panel, or the part of it in columns from..to. */
INLINE void put_scores(float *c, const vf acc[NV], size_t item, size_t from, size_t to)
{
    float score[PANEL];
    size_t first = from > item ? from - item : 0, end = to - item < PANEL ? to - item : PANEL;
    int whole = first == 0 && end == PANEL;
    float *at = whole ? c + item - from : score;

    UNROLL
    for (int v = 0; v < NV; v++)
        store(at + v * VW, acc[v]);
    if (!whole)
        memcpy(c + item + first - from, score + first, (end - first) * sizeof *c);
}

static void tile_block(float *c, size_t ldc, size_t rows, size_t item, size_t from, size_t to, const float *users,
                       const float *panel, size_t f)
{
    vf acc[MR][NV];

    tile_scores(acc, users, panel, f);
    UNROLL
    for (int i = 0; i < MR; i++)
        if ((size_t)i < rows)
            put_scores(c + (size_t)i * ldc, acc[i], item, from, to);
}

static void score(float *c, size_t ldc, const struct rec_topk_panels *p, size_t from, size_t to, const float *u,
                  size_t ldu, size_t m, float *users)
{
    size_t f = p->f;

    pack_users(users, u, ldu, m, f);
    for (size_t j = from / PANEL * PANEL; j < to; j += PANEL)
        for (size_t i = 0; i < m; i += MR)
            tile_block(c + i * ldc, ldc, m - i < MR ? m - i : MR, j, from, to, users + i * f,
                       p->data + j * (f + 1), f);
}

/* Four vectors of scores at a time against the threshold. */
static size_t scan(struct rec_topk_hit *out, size_t k, const float *s, size_t n, const struct rec_topk_seen *seen,
                   const uint8_t *allowed)
{
    struct rec_topk_hit more[MORE];
    struct topk_list list;
    float threshold = rec_topk_list_init(&list, out, more, k < n ? k : n, seen, allowed);
    size_t j = 0;

    for (; j + 4 * VW <= n; j += 4 * VW) {
        vf t = set1(threshold);
        uint64_t mask = 0;
        UNROLL
        for (int v = 0; v < 4; v++)
            mask |= (uint64_t)gt(load(s + j + v * VW), t) << (v * VW);
        if (mask)
            offer(&list, &threshold, j, mask, s + j);
    }
    if (j < n)
        offer(&list, &threshold, j, ((uint64_t)1 << (n - j)) - 1, s + j);
    return rec_topk_list_finish(&list);
}

#endif
