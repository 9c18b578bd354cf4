/* SPDX-License-Identifier: MIT
 *
 * The ridge problem of one row: sizes, alignment of scratch, and the choice between primal and dual.
 */
#include <rec/kernels.h>

#include <string.h>

#include "set_priv.h"

/* Scratch is cut at 64 bytes, so that vectors do not straddle cache lines. */
enum { ALIGN = 64 };

static float *aligned(void *p)
{
    return (float *)(((uintptr_t)p + ALIGN - 1) / ALIGN * ALIGN);
}

size_t rec_ridge_ld(size_t f)
{
    return (f + 15) / 16 * 16;
}

size_t rec_ridge_normal_scratch(size_t f)
{
    return (DEPTH + 1) * rec_ridge_ld(f) * sizeof(float) + ALIGN;
}

void rec_ridge_normal(float *a, float *b, const struct rec_ridge_rows *r, const float *base, size_t base_ld,
                      const float *diag, void *scratch)
{
    rec_kernels_set()->normal(a, b, r, base, base_ld, diag, aligned(scratch));
}

int rec_ridge_spd(float *a, float *b, size_t f)
{
    const struct rec_set *set = rec_kernels_set();

    /* A small one waits for its divisions, not for its products: wide vectors only make more of those. */
    if (set->narrow && f <= 4 * set->width)
        set = set->narrow;
    return set->spd(a, rec_ridge_ld(f), b, f);
}

/* Measured: near n = f the transposition costs the dual its advantage. */
#define DUAL_BELOW(f) ((f) / 8 * 7)

/* Primal: A, then what normal() wants. Dual: S and K of at most f rows, a panel, three vectors. */
size_t rec_ridge_solve_scratch(size_t f)
{
    size_t ld = rec_ridge_ld(f);

    return (2 * ld + DEPTH + 3) * ld * sizeof(float) + 2 * ALIGN;
}

int rec_ridge_solve(float *x, const struct rec_ridge_rows *r, const float *d, enum rec_ridge_form form,
                    void *scratch)
{
    float *a = aligned(scratch);
    size_t ld = rec_ridge_ld(r->f);

    if (r->n == 0) {
        memset(x, 0, r->f * sizeof *x);
        return 0;
    }
    if (r->n <= (form == REC_RIDGE_BEST ? DUAL_BELOW(r->f) : r->f) && form != REC_RIDGE_PRIMAL)
        return rec_kernels_set_for(r->n)->dual(x, r, d, a);
    rec_kernels_set()->normal(a, x, r, NULL, 0, d, a + ld * ld);
    return rec_ridge_spd(a, x, r->f);
}

void rec_ridge_apply(float *out, const struct rec_ridge_rows *r, const float *d, const float *p)
{
    rec_kernels_set()->apply(out, r, d, p);
}

size_t rec_ridge_cg_scratch(size_t f)
{
    return 6 * rec_ridge_ld(f) * sizeof(float) + ALIGN;
}

void rec_ridge_cg(float *x, const struct rec_ridge_rows *r, const float *d, int steps, int jacobi, void *scratch)
{
    if (r->n == 0)
        memset(x, 0, r->f * sizeof *x);
    else
        rec_kernels_set_for(r->n)->cg(x, r, d, steps, jacobi, aligned(scratch));
}
