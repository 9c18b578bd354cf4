/* SPDX-License-Identifier: MIT
 *
 * Conjugate gradients for the ridge problem. A step needs A p = D p + sum_j w_j (v_j . p) v_j. Rows are taken VW at a
 * time, first their products with p, then their sum with those as coefficients, while they are in the first-level cache.
 * They are read where they lie: gathering copies was tried, and gains nothing, because after the first pass the
 * rows themselves are in a cache.
 */
#ifndef REC_CG_PRIV_H
#define REC_CG_PRIV_H

#include <float.h>

#include "dot_priv.h"
#include "ridge_priv.h"

/* Floats of V that a part of any second-level cache holds: 256 KiB. */
enum { NEAR = 65536 };

/* out += the sum of coef[i] row[i]. */
INLINE void add_group(float *out, const float *coef, const float *const row[GROUP], size_t f)
{
    for (size_t k = 0; k < f; k += VW) {
        vf even = load_some(out + k, f - k), odd = zero();
        UNROLL
        for (int i = 0; i < GROUP; i += 2) {
            even = madd(set1(coef[i]), load_some(row[i] + k, f - k), even);
            odd = madd(set1(coef[i + 1]), load_some(row[i + 1] + k, f - k), odd);
        }
        store_some(out + k, add(even, odd), f - k);
    }
}

/* out += the sum of w[i] row[i]^2, for the diagonal of A. */
INLINE void add_squares(float *out, const float *w, const float *const row[VW], size_t f)
{
    for (size_t k = 0; k < f; k += VW) {
        vf s = load_some(out + k, f - k);
        for (int i = 0; i < VW; i++) {
            vf v = load_some(row[i] + k, f - k);
            s = madd(mul(set1(w[i]), v), v, s);
        }
        store_some(out + k, s, f - k);
    }
}

/* Weights (or right-hand sides) j.. of r; 0 past the last, so that rows named there count for nothing. */
INLINE vf some(const float *w, size_t j, size_t n, float otherwise)
{
    static const float ones[VW] = {[0 ... VW - 1] = 1};
    return w ? load_some(w + j, n - j) : mul(load_some(ones, n - j), set1(otherwise));
}

/* out += sum of w_j (v_j . p) v_j over VW rows from j; less c_j v_j if residual. */
INLINE void pass_group(float *out, const struct rec_ridge_rows *r, size_t j, const float *const row[VW], const float *p,
                       int residual)
{
    float coef[VW];
    vf c = mul(some(r->w, j, r->n, 1), dot_rows(row, p, r->f));

    store(coef, residual ? sub(c, some(r->c, j, r->n, 0)) : c);
    UNROLL
    for (int i = 0; i < VW; i += GROUP)
        add_group(out, coef + i, row + i, r->f);
}

/* The first pass: out += sum of (w_j (v_j . x) - c_j) v_j, and the diagonal of A where wanted. */
static void pass_first(float *out, const struct rec_ridge_rows *r, const float *x, float *diag)
{
    for (size_t j = 0; j < r->n; j += VW) {
        const float *row[VW];
        float w[VW];
        pick_rows(row, r->v, r->ld, r->idx, j, r->n);
        prefetch_rows(r->v, r->f, r->ld, r->idx, j + VW, r->n);
        pass_group(out, r, j, row, x, 1);
        if (diag) {
            store(w, some(r->w, j, r->n, 1));
            add_squares(diag, w, row, r->f);
        }
    }
}

/* out = d * p + sum of w_j (v_j . p) v_j. Rows that the first pass has left in the second-level cache need no prefetch. */
static void pass(float *out, const struct rec_ridge_rows *r, const float *d, const float *p, struct feed *next)
{
    int far = r->n * r->f > NEAR;

    for (size_t k = 0; k < r->f; k += VW)
        store_some(out + k, mul(load_some(d + k, r->f - k), load_some(p + k, r->f - k)), r->f - k);
    for (size_t j = 0; j < r->n; j += VW) {
        const float *row[VW];
        pick_rows(row, r->v, r->ld, r->idx, j, r->n);
        if (far)
            prefetch_rows(r->v, r->f, r->ld, r->idx, j + VW, r->n);
        feed(next);
        pass_group(out, r, j, row, p, 0);
    }
}

static void apply(float *out, const struct rec_ridge_rows *r, const float *d, const float *p)
{
    struct feed none = {.r = r};
    pass(out, r, d, p, &none);
}

/* The vectors of the iteration, each of f rounded up to VW; padding is 0, and stays so. */
struct cg {
    float *x, *d, *res, *p, *ap, *inv;
    size_t f;
};

/* One vector of z = res / M into p; returns its share of res . z. */
INLINE vf precondition(const struct cg *s, size_t k, vf res, vf beta_p)
{
    vf z = mul(res, load(s->inv + k));
    store(s->p + k, add(z, beta_p));
    return mul(res, z);
}

/* The residual b - A x at the start, and the first direction. Returns res . z. */
static float start(struct cg *s, const struct rec_ridge_rows *r, int jacobi)
{
    vf rz = zero();

    for (size_t k = 0; k < s->f; k += VW) {
        store(s->ap + k, mul(load(s->d + k), load(s->x + k)));
        store(s->inv + k, load(s->d + k));
    }
    pass_first(s->ap, r, s->x, jacobi ? s->inv : NULL);
    for (size_t k = 0; k < s->f; k += VW) {
        vf res = sub(zero(), load(s->ap + k));
        store(s->inv + k, jacobi ? quot(set1(1), load(s->inv + k)) : set1(1));
        store(s->res + k, res);
        rz = add(rz, precondition(s, k, res, zero()));
    }
    return sum(rz);
}

/* One step along p. Returns the new res . z. */
static float step(struct cg *s, const struct rec_ridge_rows *r, float rz, struct feed *next)
{
    pass(s->ap, r, s->d, s->p, next);
    vf later = zero(), alpha = set1(rz / dot(s->p, s->ap, s->f));
    for (size_t k = 0; k < s->f; k += VW) {
        vf res = nmadd(alpha, load(s->ap + k), load(s->res + k));
        store(s->x + k, madd(alpha, load(s->p + k), load(s->x + k)));
        store(s->res + k, res);
        later = madd(mul(res, load(s->inv + k)), res, later);
    }
    float now = sum(later);
    vf beta = set1(now / rz);
    for (size_t k = 0; k < s->f; k += VW)
        precondition(s, k, load(s->res + k), mul(beta, load(s->p + k)));
    return now;
}

/* The residual has lost all its figures: beyond this, quotients of rounding errors would be followed. */
#define SOLVED (FLT_EPSILON * FLT_EPSILON)

static void cg(float *x, const struct rec_ridge_rows *r, const float *d, int steps, int jacobi, float *scratch)
{
    size_t f = r->f, n = round_up(f, VW);
    struct cg s = {scratch, scratch + n, scratch + 2 * n, scratch + 3 * n, scratch + 4 * n, scratch + 5 * n, n};

    memset(scratch, 0, 6 * n * sizeof *scratch);
    memcpy(s.x, x, f * sizeof *x);
    memcpy(s.d, d, f * sizeof *d);
    for (size_t k = f; k < n; k++)
        s.d[k] = 1;
    float rz = start(&s, r, jacobi), least = fmaxf(rz * SOLVED, FLT_MIN / FLT_EPSILON);
    struct feed next = feed_of(r, r->n, NEAR / n, (size_t)(steps > 0 ? steps : 1) * (r->n / VW + 1));
    for (int i = 0; i < steps && rz > least; i++)
        rz = step(&s, r, rz, &next);
    memcpy(x, s.x, f * sizeof *x);
}

#endif
