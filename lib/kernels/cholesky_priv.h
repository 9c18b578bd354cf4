/* SPDX-License-Identifier: MIT
 *
 * Small symmetric positive definite systems: A = U'U and the two triangular solves, in single precision.
 *
 * A is cut into block rows of VW rows. Each is updated from all rows above it by the register tile (a left-looking
 * factorization), its VW x VW diagonal block is eliminated in registers as R'DR (R unit upper triangular), and the
 * rest of the block row is divided by R' and scaled to U. The right-hand side is eliminated along with the rows, so
 * that only the backward solve is a pass of its own.
 *
 * The elimination is a chain of dependent divisions; it is arranged so that one step of the chain is a broadcast, a
 * division and one multiply-add, with every other product ready before the quotient is.
 */
#ifndef REC_CHOLESKY_PRIV_H
#define REC_CHOLESKY_PRIV_H

#include "dot_priv.h"
#include "tile_priv.h"

/* What one diagonal block leaves for the rest of its block row. */
struct pivot {
    float r[VW][VW]; /* strictly upper part of R, else 0 */
    float y[VW];     /* this block of the solution of U'y = b */
    float scale[VW]; /* 1 / sqrt(D) */
};

/* The diagonal block and its part of b; rows and columns past the last are those of the identity. */
INLINE vf load_block(vf row[VW], const float *a, size_t ld, const float *b, size_t n)
{
    if (n >= VW) {
        UNROLL
        for (int i = 0; i < VW; i++)
            row[i] = load(a + (size_t)i * ld);
        return load(b);
    }
    for (int i = 0; i < VW; i++) {
        float unit[VW] = {0};
        unit[i] = 1;
        row[i] = (size_t)i < n ? loadn(a + (size_t)i * ld, n) : load(unit);
    }
    return loadn(b, n);
}

/* Eliminates the block in registers: rows become D R, t becomes R'^-1 b. Returns D. */
INLINE vf eliminate(vf row[VW], vf *t, struct pivot *p)
{
    vf d = zero();

    UNROLL
    for (int i = 0; i < VW; i++) {
        vf pivot = lane(row[i], i), inv = quot(set1(1), pivot), rest = above(row[i], i);
        d = join(d, row[i], i);
        *t = nmadd(mul(lane(*t, i), rest), inv, *t);
        UNROLL
        for (int s = 0; s < VW; s++)
            if (s > i)
                row[s] = nmadd(mul(lane(row[i], s), rest), inv, row[s]);
        store(p->r[i], mul(rest, inv));
    }
    return d;
}

/*
 * Factorizes the diagonal block at a. In its place goes what the backward solve needs: R transposed (strictly lower),
 * and in the first row, which that leaves free, 1 / sqrt(D). b becomes R'^-1 b / D. Returns -1 if a pivot is not positive.
 */
static int factor_block(float *a, size_t ld, float *b, size_t n, struct pivot *p)
{
    vf row[VW], t = load_block(row, a, ld, b, n);
    vf d = eliminate(row, &t, p);

    if (gt(d, zero()) != (1u << VW) - 1)
        return -1;
    vf scale = quot(set1(1), root(d)), y = mul(t, scale), z = mul(y, scale);
    store(p->scale, scale);
    store(p->y, y);
    transpose(a, ld, p->r[0], VW);
    store(a, scale);
    store_some(b, z, n);
    return 0;
}

/* One vector of columns to the right of the block: divide by R', scale to U, and take its share from b. */
INLINE vf divide_columns(float *a, size_t ld, vf b, size_t n, const struct pivot *p)
{
    vf row[VW];

    UNROLL
    for (int i = 0; i < VW; i++)
        row[i] = load_some(a + (size_t)i * ld, n);
    UNROLL
    for (int i = 0; i < VW; i++) {
        UNROLL
        for (int s = 0; s < VW; s++)
            if (s > i)
                row[s] = nmadd(set1(p->r[i][s]), row[i], row[s]);
        row[i] = mul(row[i], set1(p->scale[i]));
        b = nmadd(set1(p->y[i]), row[i], b);
        store(a + (size_t)i * ld, row[i]);
    }
    return b;
}

static void divide_block_row(float *a, size_t ld, float *b, size_t n, const struct pivot *p)
{
    size_t k = VW;

    for (; k + VW <= n; k += VW)
        store(b + k, divide_columns(a + k, ld, load(b + k), VW, p));
    if (k < n)
        storen(b + k, divide_columns(a + k, ld, loadn(b + k, n - k), n - k, p), n - k);
}

/* U x = y from the last block up; a block has z = y / sqrt(D) in b, and solves R x = z - (U right of it) x / sqrt(D). */
static void solve_upper(const float *a, size_t ld, float *b, size_t n)
{
    for (size_t k = (n - 1) / VW * VW;; k -= VW) {
        const float *block = a + k * ld + k, *row[VW];
        size_t m = n - k < VW ? n - k : VW;
        vf x = load_some(b + k, m);
        if (m == VW && k + VW < n) {
            for (size_t i = 0; i < VW; i++)
                row[i] = block + i * ld + VW;
            x = nmadd(dot_rows(row, b + k + VW, n - k - VW), load(block), x);
        }
        UNROLL
        for (int i = VW - 1; i > 0; i--)
            x = nmadd(lane(x, i), load(block + (size_t)i * ld), x);
        store_some(b + k, x, m);
        if (k == 0)
            return;
    }
}

/* b = A^-1 b. A: the upper triangle, stride ld, with room for n rounded up to VW rows and columns. */
static int spd(float *a, size_t ld, float *b, size_t n)
{
    struct pivot p;

    for (size_t k = 0; k < n; k += VW) {
        float *row = a + k * ld;
        for (size_t i = 0; k > 0 && i < VW; i += MR)
            tile_row(row + i * ld, ld, a + k + i, a, ld, k, k, round_up(n, VW), 1);
        if (factor_block(row + k, ld, b + k, n - k, &p) < 0)
            return -1;
        divide_block_row(row + k, ld, b + k, n - k, &p);
    }
    if (n)
        solve_upper(a, ld, b, n);
    return 0;
}

#endif
