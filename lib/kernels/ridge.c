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
    return rec_kernels_set()->spd(a, rec_ridge_ld(f), b, f);
}

/* Primal: A, then what normal() wants. Dual: S and K of at most f rows, a panel, two vectors. */
size_t rec_ridge_solve_scratch(size_t f)
{
    size_t ld = rec_ridge_ld(f);

    return (2 * ld + DEPTH + 2) * ld * sizeof(float) + 2 * ALIGN;
}

int rec_ridge_solve(float *x, const struct rec_ridge_rows *r, const float *d, enum rec_ridge_form form,
                    void *scratch)
{
    const struct rec_set *set = rec_kernels_set();
    float *a = aligned(scratch);
    size_t ld = rec_ridge_ld(r->f);

    if (r->n == 0) {
        memset(x, 0, r->f * sizeof *x);
        return 0;
    }
    if (r->n <= r->f && form != REC_RIDGE_PRIMAL)
        return set->dual(x, r, d, a);
    set->normal(a, x, r, NULL, 0, d, a + ld * ld);
    return set->spd(a, ld, x, r->f);
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
        rec_kernels_set()->cg(x, r, d, steps, jacobi, aligned(scratch));
}
