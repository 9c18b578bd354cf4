/* SPDX-License-Identifier: MIT
 *
 * Which kernels run, and the products of vectors and matrices.
 *
 * The CPU is asked at the first use of a kernel (rec_cpu_features), not by the compiler's built-in detection.
 */
#include <rec/kernels.h>

#include <stdatomic.h>
#include <string.h>

#include <rec/util.h>

#include "set_priv.h"

static _Atomic(const struct rec_set *) current;

#ifdef __x86_64__
static size_t best_of_cpu(void)
{
    unsigned features = rec_cpu_features();

    return features & REC_CPU_AVX512 ? 2 : features & REC_CPU_AVX2 ? 1 : 0;
}

static const struct rec_set *const sets[] = {&rec_set_plain, &rec_set_avx2, &rec_set_avx512};
#else
static const struct rec_set *const sets[] = {&rec_set_plain};

static size_t best_of_cpu(void)
{
    return 0;
}
#endif

const struct rec_set *rec_kernels_set(void)
{
    const struct rec_set *set = atomic_load_explicit(&current, memory_order_relaxed);

    if (!set) { /* threads that come here together find the same answer */
        set = sets[best_of_cpu()];
        atomic_store_explicit(&current, set, memory_order_relaxed);
    }
    return set;
}

const struct rec_set *rec_kernels_set_for(size_t n)
{
    const struct rec_set *set = rec_kernels_set();
    size_t used = (n - 1) % set->width + 1;

    return set->narrow && n < 2 * set->width && used <= set->width / 2 ? set->narrow : set;
}

const char *rec_kernels_name(void)
{
    return rec_kernels_set()->name;
}

const char *rec_kernels_list(size_t i)
{
    return i <= best_of_cpu() ? sets[i]->name : NULL;
}

int rec_kernels_use(const char *name)
{
    size_t best = best_of_cpu();

    for (size_t i = 0; i <= best; i++)
        if (name ? !strcmp(name, sets[i]->name) : i == best) {
            atomic_store_explicit(&current, sets[i], memory_order_relaxed);
            return 0;
        }
    return -1;
}

float rec_kernels_dot(const float *a, const float *b, size_t f)
{
    return rec_kernels_set()->dot(a, b, f);
}

void rec_kernels_axpy(float *y, float a, const float *x, size_t f)
{
    rec_kernels_set()->axpy(y, a, x, f);
}

void rec_kernels_gemv(float *y, const float *a, size_t rows, size_t f, size_t ld, const float *x, const float *bias)
{
    rec_kernels_set()->gemv(y, a, f, ld, NULL, rows, x, bias);
}

void rec_kernels_gemv_rows(float *y, const float *a, size_t f, size_t ld, const int32_t *idx, size_t n,
                           const float *x, const float *bias)
{
    rec_kernels_set()->gemv(y, a, f, ld, idx, n, x, bias);
}

void rec_kernels_sgd_refresh(struct rec_sgd_row *row, size_t n, float rate, float horizon)
{
    rec_kernels_set()->sgd_refresh(row, n, rate, horizon);
}

double rec_kernels_sgd(const struct rec_sgd_block *b)
{
    return rec_kernels_set()->sgd(b);
}

double rec_kernels_sgd_pairs(const struct rec_sgd_block *b)
{
    return rec_kernels_set()->sgd_pairs(b);
}
