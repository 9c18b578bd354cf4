/* SPDX-License-Identifier: MIT
 *
 * The ridge problem of one row, exactly. Rows of V are gathered into a panel, scaled by the square roots of their
 * weights so that the weighted Gram matrix is S'S of one operand, a panel of DEPTH rows at a time so that it stays
 * in the first-level cache while the tiles pass over it.
 */
#ifndef REC_RIDGE_PRIV_H
#define REC_RIDGE_PRIV_H

#include "cholesky_priv.h"
#include "set_priv.h"

/*
 * Rows that will be gathered next, here or by the next problem, are fetched a few at a time in the course of the
 * arithmetic: from next up to end, `share` of them each time the arithmetic can spare a moment.
 */
struct feed {
    const struct rec_ridge_rows *r;
    size_t next, end, share;
};

/* Rows from..from+n of r, to be spread over `moments`. */
static struct feed feed_of(const struct rec_ridge_rows *r, size_t from, size_t n, size_t moments)
{
    size_t all = r->n + r->ahead, end = n < all - from ? from + n : all;

    return (struct feed){r, from, end, (end - from + moments - 1) / moments};
}

INLINE void feed(struct feed *s)
{
    for (size_t left = s->share; left > 0 && s->next < s->end; left--, s->next++)
        prefetch(s->r->v + (size_t)s->r->idx[s->next] * s->r->ld, s->r->f);
}

/*
 * C += P'P, of which only tiles that touch the upper triangle are made. P: k x n. C has as many rows and columns as n
 * rounded up to VW.
 */
static void gram(float *c, size_t ldc, const float *p, size_t ldp, size_t k, size_t n, struct feed *next)
{
    for (size_t i = 0; i < n; i += MR) {
        feed(next);
        tile_row(c + i * ldc, ldc, p + i, p, ldp, k, i / HW * HW, round_up(n, HW), 0);
    }
}

/* root[j] = sqrt(w[j]) of n weights, each at least `least`. root has room for whole vectors. */
static void roots(float *root_w, const float *w, size_t n, float least)
{
    for (size_t j = 0; j < n; j += VW) {
        vf v = w ? load_some(w + j, n - j) : set1(1);
        store(root_w + j, root(max(v, set1(least))));
    }
}

/* count rows (a constant: 1 or 4) into the panel, times scale, and times `column` where given; b += c v where given. */
INLINE void gather_rows(float *panel, size_t ld, const struct rec_ridge_rows *r, size_t j, int count,
                        const float *scale, const float *column, float *b)
{
    const float *row[4], *c = b ? r->c + j : NULL;

    UNROLL
    for (int i = 0; i < count; i++)
        row[i] = r->v + (size_t)r->idx[j + (size_t)i] * r->ld;
    for (size_t k = 0; k < r->f; k += VW) {
        vf sum = b ? load(b + k) : zero();
        UNROLL
        for (int i = 0; i < count; i++) {
            vf v = load_some(row[i] + k, r->f - k);
            if (b)
                sum = madd(set1(c[i]), v, sum);
            v = mul(v, set1(scale[i]));
            store(panel + (size_t)i * ld + k, column ? mul(v, load(column + k)) : v);
        }
        if (b)
            store(b + k, sum);
    }
}

/* Rows from..from+n of r. scale: n. column and b have f rounded up to VW floats. */
INLINE void gather(float *panel, size_t ld, const struct rec_ridge_rows *r, size_t from, size_t n, const float *scale,
                   const float *column, float *b)
{
    size_t j = 0;

    for (; j + 4 <= n; j += 4)
        gather_rows(panel + j * ld, ld, r, from + j, 4, scale + j, column, b);
    for (; j < n; j++)
        gather_rows(panel + j * ld, ld, r, from + j, 1, scale + j, column, b);
}

static void set_base(float *a, size_t ld, size_t f, const float *base, size_t base_ld, const float *diag)
{
    size_t n = round_up(f, VW);

    memset(a, 0, n * ld * sizeof *a);
    for (size_t i = 0; i < f; i++) {
        if (base)
            memcpy(a + i * ld + i, base + i * base_ld + i, (f - i) * sizeof *a);
        if (diag)
            a[i * ld + i] += diag[i];
    }
}

/* scratch: b of rec_ridge_ld(f) floats, then the panel. */
static void normal(float *a, float *b, const struct rec_ridge_rows *r, const float *base, size_t base_ld,
                   const float *diag, float *scratch)
{
    size_t ld = rec_ridge_ld(r->f);
    float *sum = scratch, *panel = scratch + ld, scale[DEPTH];

    memset(sum, 0, ld * sizeof *sum);
    set_base(a, ld, r->f, base, base_ld, diag);
    for (size_t j = 0; j < r->n; j += DEPTH) {
        size_t depth = r->n - j < DEPTH ? r->n - j : DEPTH;
        roots(scale, r->w ? r->w + j : NULL, depth, 0);
        if (b && r->c)
            gather(panel, ld, r, j, depth, scale, NULL, sum);
        else
            gather(panel, ld, r, j, depth, scale, NULL, NULL);
        struct feed next = feed_of(r, j + depth, DEPTH, (r->f + MR - 1) / MR);
        gram(a, ld, panel, ld, depth, r->f, &next);
    }
    if (b)
        memcpy(b, sum, r->f * sizeof *b);
}

/* K += S S', S: n x f. S is transposed a piece at a time, because the register tile wants one row per term. */
static void dual_gram(float *k, size_t ldk, const float *s, size_t lds, size_t n, size_t f, float *panel,
                      struct feed *next)
{
    for (size_t c = 0; c < f; c += DEPTH) {
        size_t depth = f - c < DEPTH ? f - c : DEPTH;
        for (size_t j = 0; j < n; j += VW)
            for (size_t i = 0; i < depth; i += VW)
                transpose(panel + i * ldk + j, ldk, s + j * lds + c + i, lds);
        gram(k, ldk, panel, ldk, depth, n, next);
    }
}

/* x = column * (S' z): NV vectors of x at a time, over all rows of S. */
static void dual_to_primal(float *x, const float *column, const float *s, size_t lds, const float *z, size_t n, size_t f)
{
    for (size_t k = 0; k < f; k += VW) {
        vf even = zero(), odd = zero();
        size_t j = 0;
        for (; j + 2 <= n; j += 2) {
            even = madd(set1(z[j]), load(s + j * lds + k), even);
            odd = madd(set1(z[j + 1]), load(s + (j + 1) * lds + k), odd);
        }
        if (j < n)
            even = madd(set1(z[j]), load(s + j * lds + k), even);
        store_some(x + k, mul(add(even, odd), load(column + k)), f - k);
    }
}

/* A weight of 0 has no inverse root; one this small is lost beside the 1 of I + S S'. */
#define LEAST_WEIGHT 1e-20f

/* scratch, for n <= f: D^-1/2, W^1/2, z, S, K, and a panel for S'. */
static int dual(float *x, const struct rec_ridge_rows *r, const float *d, float *scratch)
{
    size_t f = r->f, n = r->n, lds = rec_ridge_ld(f), ldk = rec_ridge_ld(n), rows = round_up(n, VW);
    float *column = scratch, *scale = column + lds, *z = scale + ldk, *s = z + ldk, *k = s + rows * lds;
    struct feed next = feed_of(r, n, DEPTH, (n + MR - 1) / MR * ((f + DEPTH - 1) / DEPTH));

    for (size_t i = 0; i < f; i += VW)
        store(column + i, quot(set1(1), root(load_some(d + i, f - i))));
    roots(scale, r->w, n, LEAST_WEIGHT);
    for (size_t j = 0; j < n; j += VW)
        store(z + j, r->c ? quot(load_some(r->c + j, n - j), load(scale + j)) : zero());
    gather(s, lds, r, 0, n, scale, column, NULL);
    memset(s + n * lds, 0, (rows - n) * lds * sizeof *s);
    memset(k, 0, rows * ldk * sizeof *k);
    for (size_t j = 0; j < n; j++)
        k[j * ldk + j] = 1;
    dual_gram(k, ldk, s, lds, n, f, k + rows * ldk, &next);
    if (spd(k, ldk, z, n) < 0)
        return -1;
    dual_to_primal(x, column, s, lds, z, n, f);
    return 0;
}

#endif
