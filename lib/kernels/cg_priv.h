/* SPDX-License-Identifier: MIT
 *
 * Conjugate gradients for the ridge problem. A step needs A p = D p + sum_j w_j (v_j . p) v_j. Rows are taken VW at a
 * time, first their products with p, then their sum with those as coefficients, while they are in the first-level cache.
 * The first pass leaves a copy of the gathered rows in a panel that fits in the second-level cache; later passes
 * stream through it.
 */
#ifndef REC_CG_PRIV_H
#define REC_CG_PRIV_H

#include <float.h>

#include "dot_priv.h"
#include "ridge_priv.h"

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

/* A row of V into the panel, where its length is a multiple of VW. */
INLINE void copy_row(float *dst, const float *src, size_t f)
{
    for (size_t k = 0; k < f; k += VW)
        store(dst + k, load_some(src + k, f - k));
}

/* Weights (or right-hand sides) j.. of r; 0 past the last, so that rows named there count for nothing. */
INLINE vf some(const float *w, size_t j, size_t n, float otherwise)
{
    static const float ones[VW] = {[0 ... VW - 1] = 1};
    return w ? load_some(w + j, n - j) : mul(load_some(ones, n - j), set1(otherwise));
}

/* Where the rows of a pass are: in V, or copies in the panel. */
struct walk {
    const struct rec_ridge_rows *r;
    float *panel;
    size_t f, copies; /* the panel's row length, and how many rows it holds */
};

INLINE void pick_copies(const float *row[VW], const struct walk *g, size_t j)
{
    for (size_t i = 0; i < VW; i++)
        row[i] = g->panel + (j + i < g->copies ? j + i : g->copies - 1) * g->f;
}

/* out += sum of w_j (v_j . p) v_j over VW rows; less c_j v_j if residual. */
INLINE void pass_group(float *out, const struct walk *g, size_t j, const float *const row[VW], const float *p,
                       size_t f, int residual)
{
    float coef[VW];
    vf c = mul(some(g->r->w, j, g->r->n, 1), dot_rows(row, p, f));

    store(coef, residual ? sub(c, some(g->r->c, j, g->r->n, 0)) : c);
    UNROLL
    for (int i = 0; i < VW; i += GROUP)
        add_group(out, coef + i, row + i, f);
}

/* Rows from..n where they are in V. */
static void pass_gathered(float *out, const struct walk *g, size_t from, const float *p)
{
    const struct rec_ridge_rows *r = g->r;

    for (size_t j = from; j < r->n; j += VW) {
        const float *row[VW];
        pick_rows(row, r->v, r->ld, r->idx, j, r->n);
        prefetch_rows(r->v, r->f, r->ld, r->idx, j + VW, r->n);
        pass_group(out, g, j, row, p, r->f, 0);
    }
}

/* The first pass: out += sum of (w_j (v_j . x) - c_j) v_j, the copies, and the diagonal where wanted. */
static void pass_first(float *out, struct walk *g, const float *x, float *diag)
{
    const struct rec_ridge_rows *r = g->r;

    for (size_t j = 0; j < r->n; j += VW) {
        const float *row[VW];
        float w[VW];
        pick_rows(row, r->v, r->ld, r->idx, j, r->n);
        prefetch_rows(r->v, r->f, r->ld, r->idx, j + VW, r->n);
        for (size_t i = 0; i < VW && j + i < g->copies; i++)
            copy_row(g->panel + (j + i) * g->f, row[i], r->f);
        pass_group(out, g, j, row, x, r->f, 1);
        if (diag) {
            store(w, some(r->w, j, r->n, 1));
            add_squares(diag, w, row, r->f);
        }
    }
}

/* out = d * p + sum of w_j (v_j . p) v_j; vectors of f rounded up to VW. */
static void pass(float *out, const struct walk *g, const float *d, const float *p)
{
    for (size_t k = 0; k < g->f; k += VW)
        store(out + k, mul(load(d + k), load(p + k)));
    for (size_t j = 0; j < g->copies; j += VW) {
        const float *row[VW];
        pick_copies(row, g, j);
        pass_group(out, g, j, row, p, g->f, 0);
    }
    pass_gathered(out, g, g->copies, p);
}

static void apply(float *out, const struct rec_ridge_rows *r, const float *d, const float *p)
{
    struct walk g = {.r = r};

    for (size_t k = 0; k < r->f; k += VW)
        store_some(out + k, mul(load_some(d + k, r->f - k), load_some(p + k, r->f - k)), r->f - k);
    pass_gathered(out, &g, 0, p);
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
static float start(struct cg *s, struct walk *g, int jacobi)
{
    vf rz = zero();

    for (size_t k = 0; k < s->f; k += VW) {
        store(s->ap + k, mul(load(s->d + k), load(s->x + k)));
        store(s->inv + k, jacobi ? load(s->d + k) : set1(1));
    }
    pass_first(s->ap, g, s->x, jacobi ? s->inv : NULL);
    for (size_t k = 0; k < s->f; k += VW) {
        vf res = sub(zero(), load(s->ap + k));
        store(s->inv + k, quot(set1(1), load(s->inv + k)));
        store(s->res + k, res);
        rz = add(rz, precondition(s, k, res, zero()));
    }
    return sum(rz);
}

/* One step along p. Returns the new res . z. */
static float step(struct cg *s, const struct walk *g, float rz)
{
    pass(s->ap, g, s->d, s->p);
    vf next = zero(), alpha = set1(rz / dot(s->p, s->ap, s->f));
    for (size_t k = 0; k < s->f; k += VW) {
        vf res = nmadd(alpha, load(s->ap + k), load(s->res + k));
        store(s->x + k, madd(alpha, load(s->p + k), load(s->x + k)));
        store(s->res + k, res);
        next = madd(mul(res, load(s->inv + k)), res, next);
    }
    float now = sum(next);
    vf beta = set1(now / rz);
    for (size_t k = 0; k < s->f; k += VW)
        precondition(s, k, load(s->res + k), mul(beta, load(s->p + k)));
    return now;
}

/* The residual has lost all its figures: beyond this, quotients of rounding errors would be followed. */
#define SOLVED (FLT_EPSILON * FLT_EPSILON)

static void cg(float *x, const struct rec_ridge_rows *r, const float *d, int steps, int jacobi, float *scratch)
{
    size_t f = r->f, n = round_up(f, VW), room = CG_PANEL / n;
    struct cg s = {scratch, scratch + n, scratch + 2 * n, scratch + 3 * n, scratch + 4 * n, scratch + 5 * n, n};
    struct walk g = {r, scratch + 6 * n, n, r->n <= room ? r->n : room / VW * VW};

    copy_row(s.x, x, f);
    for (size_t k = 0; k < n; k += VW)
        store(s.d + k, f - k >= VW ? load(d + k) : join(loadn(d + k, f - k), set1(1), (int)(f - k)));
    float rz = start(&s, &g, jacobi), least = fmaxf(rz * SOLVED, FLT_MIN / FLT_EPSILON);
    for (int i = 0; i < steps && rz > least; i++)
        rz = step(&s, &g, rz);
    memcpy(x, s.x, f * sizeof *x);
}

#endif
