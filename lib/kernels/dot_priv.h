/* SPDX-License-Identifier: MIT
 *
 * Products of vectors, and of a matrix with a vector.
 */
#ifndef REC_DOT_PRIV_H
#define REC_DOT_PRIV_H

#include "vector_priv.h"

static float dot(const float *a, const float *b, size_t f)
{
    vf s0 = zero(), s1 = s0, s2 = s0, s3 = s0;
    size_t k = 0;

    for (; k + 4 * VW <= f; k += 4 * VW) {
        s0 = madd(load(a + k), load(b + k), s0);
        s1 = madd(load(a + k + VW), load(b + k + VW), s1);
        s2 = madd(load(a + k + 2 * VW), load(b + k + 2 * VW), s2);
        s3 = madd(load(a + k + 3 * VW), load(b + k + 3 * VW), s3);
    }
    for (; k + VW <= f; k += VW)
        s0 = madd(load(a + k), load(b + k), s0);
    if (k < f)
        s1 = madd(loadn(a + k, f - k), loadn(b + k, f - k), s1);
    return sum(add(add(s0, s1), add(s2, s3)));
}

static void axpy(float *y, float a, const float *x, size_t f)
{
    vf av = set1(a);
    size_t k = 0;

    for (; k + VW <= f; k += VW)
        store(y + k, madd(av, load(x + k), load(y + k)));
    if (k < f)
        storen(y + k, madd(av, loadn(x + k, f - k), loadn(y + k, f - k)), f - k);
}

/* acc[i]: row i times x, summed over vectors but not yet over lanes. */
INLINE void dot_group(vf acc[GROUP], const float *const row[GROUP], const float *x, size_t f)
{
    size_t k = 0;

    UNROLL
    for (int i = 0; i < GROUP; i++)
        acc[i] = zero();
    for (; k + VW <= f; k += VW) {
        vf xv = load(x + k);
        UNROLL
        for (int i = 0; i < GROUP; i++)
            acc[i] = madd(load(row[i] + k), xv, acc[i]);
    }
    if (k < f) {
        vf xv = loadn(x + k, f - k);
        UNROLL
        for (int i = 0; i < GROUP; i++)
            acc[i] = madd(loadn(row[i] + k, f - k), xv, acc[i]);
    }
}

/* The products of VW rows with x, one per lane. */
INLINE vf dot_rows(const float *const row[VW], const float *x, size_t f)
{
    vf acc[VW];

    UNROLL
    for (int g = 0; g < VW; g += GROUP)
        dot_group(acc + g, row + g, x, f);
    return sums(acc);
}

/* Rows j to j + VW of a matrix or of a choice of its rows; past the last, the last again. */
INLINE void pick_rows(const float *row[VW], const float *a, size_t ld, const int32_t *idx, size_t j, size_t n)
{
    for (size_t i = 0; i < VW; i++) {
        size_t at = j + i < n ? j + i : n - 1;
        row[i] = a + (idx ? (size_t)idx[at] : at) * ld;
    }
}

INLINE void prefetch_rows(const float *a, size_t f, size_t ld, const int32_t *idx, size_t j, size_t n)
{
    for (size_t end = j + VW < n ? j + VW : n; j < end; j++)
        prefetch(a + (size_t)idx[j] * ld, f);
}

static void gemv(float *y, const float *a, size_t f, size_t ld, const int32_t *idx, size_t n, const float *x,
                 const float *bias)
{
    for (size_t j = 0; j < n; j += VW) {
        const float *row[VW];
        pick_rows(row, a, ld, idx, j, n);
        if (idx)
            prefetch_rows(a, f, ld, idx, j + VW, n);
        vf s = dot_rows(row, x, f);
        store_some(y + j, bias ? add(s, load_some(bias + j, n - j)) : s, n - j);
    }
}

#endif
