/* SPDX-License-Identifier: MIT
 *
 * The register tile that all matrix products here are made of: MR x (NV vectors) += A' B for A (K x MR) and
 * B (K x NV vectors), both with one row per k. Rows of factors lie that way already, so Gram matrices need no
 * transposition; scoring packs its operands so. The scheme is that of Goto and van de Geijn (2008).
 */
#ifndef REC_TILE_PRIV_H
#define REC_TILE_PRIV_H

#include "vector_priv.h"

INLINE void tile_zero(vf acc[MR][NV])
{
    UNROLL
    for (int i = 0; i < MR; i++)
        UNROLL
        for (int v = 0; v < NV; v++)
            acc[i][v] = zero();
}

/* nv, a constant at each call, is how many of the NV vectors are in use. */
INLINE void tile_multiply(vf acc[MR][NV], const float *a, size_t lda, const float *b, size_t ldb, size_t k, int nv)
{
    for (; k > 0; k--, a += lda, b += ldb) {
        vf bv[NV];
        UNROLL
        for (int v = 0; v < NV; v++)
            if (v < nv)
                bv[v] = load(b + v * VW);
        UNROLL
        for (int i = 0; i < MR; i++) {
            vf ai = set1(a[i]);
            UNROLL
            for (int v = 0; v < NV; v++)
                if (v < nv)
                    acc[i][v] = madd(ai, bv[v], acc[i][v]);
        }
    }
}

INLINE void tile_add(float *c, size_t ldc, const float *a, const float *b, size_t ld, size_t k, int nv, int subtract)
{
    vf acc[MR][NV];

    tile_zero(acc);
    tile_multiply(acc, a, ld, b, ld, k, nv);
    UNROLL
    for (int i = 0; i < MR; i++)
        UNROLL
        for (int v = 0; v < NV; v++)
            if (v < nv) {
                float *p = c + (size_t)i * ldc + v * VW;
                store(p, subtract ? sub(load(p), acc[i][v]) : add(load(p), acc[i][v]));
            }
}

/* MR rows of half a vector. The accumulators start from C: there is not much of it. */
INLINE void tile_add_half(float *c, size_t ldc, const float *a, const float *b, size_t ld, size_t k, int subtract)
{
    hf acc[MR];

    UNROLL
    for (int i = 0; i < MR; i++)
        acc[i] = loadh(c + (size_t)i * ldc);
    for (; k > 0; k--, a += ld, b += ld) {
        hf bv = loadh(b);
        UNROLL
        for (int i = 0; i < MR; i++)
            acc[i] = subtract ? nmaddh(set1h(a[i]), bv, acc[i]) : maddh(set1h(a[i]), bv, acc[i]);
    }
    UNROLL
    for (int i = 0; i < MR; i++)
        storeh(c + (size_t)i * ldc, acc[i]);
}

/* MR rows of C from column j to column n, both multiples of HW: C += or -= A' P. */
INLINE void tile_row(float *c, size_t ldc, const float *a, const float *p, size_t ldp, size_t k, size_t j, size_t n,
                     int subtract)
{
    if (HW < VW && j % VW) {
        tile_add_half(c + j, ldc, a, p + j, ldp, k, subtract);
        j += HW;
    }
    for (; j + NV * VW <= n; j += NV * VW)
        tile_add(c + j, ldc, a, p + j, ldp, k, NV, subtract);
    if (NV > 2 && j + 2 * VW <= n) {
        tile_add(c + j, ldc, a, p + j, ldp, k, 2, subtract);
        j += 2 * VW;
    } else if (j + VW <= n) {
        tile_add(c + j, ldc, a, p + j, ldp, k, 1, subtract);
        j += VW;
    }
    if (HW < VW && j < n)
        tile_add_half(c + j, ldc, a, p + j, ldp, k, subtract);
}

#endif
