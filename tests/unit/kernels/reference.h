/* SPDX-License-Identifier: MIT
 *
 * What the tests of the kernels share: lengths with every kind of tail, inputs that end where readable memory ends,
 * random numbers, and comparison with sums made in double precision.
 */
#ifndef REC_TEST_REFERENCE_H
#define REC_TEST_REFERENCE_H

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include <rec/kernels.h>

#define MAYBE __attribute__((unused)) static

static const size_t lengths[] = {1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 50, 63, 64, 65, 100, 128, 200};
enum { LENGTHS = sizeof lengths / sizeof *lengths, LONGEST = 200 };

#define EACH_SET(name) for (size_t set_i = 0; ((name) = rec_kernels_list(set_i)) && !rec_kernels_use(name); set_i++)

/* n bytes, the byte after which cannot be touched. Their address is a multiple of 4 where n is. */
MAYBE void *fenced(size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (n + page - 1) / page * page;
    char *p = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p + size, page, PROT_NONE), 0);
    return p + size - n;
}

MAYBE void unfence(void *at, size_t n)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (n + page - 1) / page * page;
    assert_int_equal(munmap((char *)at + n - size, size + page), 0);
}

/* A generator good enough for test data, the same everywhere (Marsaglia's xorshift64*). */
MAYBE uint64_t random_state = 88172645463325252u;
MAYBE uint32_t random_bits(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * 2685821657736338717u) >> 32);
}

MAYBE float random_float(float low, float high)
{
    return low + (high - low) * (float)(random_bits() >> 8) / 16777216.0f;
}

MAYBE float *random_floats(size_t n, float low, float high)
{
    float *p = fenced(n * sizeof *p);
    for (size_t i = 0; i < n; i++)
        p[i] = random_float(low, high);
    return p;
}

MAYBE void free_floats(float *p, size_t n)
{
    unfence(p, n * sizeof *p);
}

/* got, a sum of n products whose absolute values add up to size, against its value in double. */
MAYBE void assert_sum(float got, double want, double size, size_t n)
{
    if (!(fabs(got - want) <= (double)(n + 2) * FLT_EPSILON * size))
        fail_msg("%s: %.9g is not %.9g (n = %zu)", rec_kernels_name(), (double)got, want, n);
}

#endif
