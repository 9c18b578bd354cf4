/* SPDX-License-Identifier: MIT
 *
 * Which kernels run, and the products of vectors and matrices.
 *
 * The CPU is asked by three CPUID instructions at the first use of a kernel, not by the compiler's built-in detection:
 * that asks a dozen times before main() in every program it is linked into, and on a virtual machine each is a trap
 * of some ten microseconds, which a process that lives for one request would feel.
 */
#include <rec/kernels.h>

#include <stdatomic.h>
#include <string.h>

#include "set_priv.h"

static _Atomic(const struct rec_set *) current;

#ifdef __x86_64__
#include <cpuid.h>

/* What the operating system saves of the vector registers when it switches tasks (XCR0). */
static unsigned saved_state(void)
{
    unsigned eax, edx;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return eax;
}

/* Bits of CPUID leaves 1 and 7, and of XCR0: AVX state is bits 1-2, AVX-512 state also 5-7. */
static size_t best_of_cpu(void)
{
    const unsigned osxsave = 1u << 27, fma = 1u << 12, avx2 = 1u << 5;
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
    unsigned a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (osxsave | fma)) != (osxsave | fma))
        return 0;
    unsigned state = saved_state();
    if ((state & 0x06) != 0x06 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & avx2))
        return 0;
    return (state & 0xe6) == 0xe6 && (b & avx512) == avx512 ? 2 : 1;
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
