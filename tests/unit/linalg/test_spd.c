/* SPDX-License-Identifier: MIT
 *
 * The tiled factor and inverse against LAPACK's in double, and bit for bit for any number of threads. `test_spd N` prints how fast it is for N rows,
 * against LAPACK's own factor.
 */
#include <rec/linalg.h>

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <cmocka.h>

/* Something like a Gramian with a ridge. */
static float *make(size_t n)
{
    float *a = malloc((n * n + 1) * sizeof *a);
    struct rec_rng rng;

    rec_rng_seed(&rng, 3, n);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < i; j++)
            a[i * n + j] = (float)(rec_rng_normal(&rng) / sqrt((double)n));
        for (size_t j = i; j < n; j++)
            a[i * n + j] = i == j ? (float)(2.5 + rec_rng_uniform(&rng)) : NAN;
    }
    return a;
}

static void check(size_t n)
{
    float *a = make(n), *l = make(n), *again = make(n);
    double *truth = malloc((n * n + 1) * sizeof *truth);
    struct rec_err err = {0};

    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            truth[i * n + j] = j <= i ? (double)a[i * n + j] : 0;
    assert_int_equal(rec_spd_invert(a, n, 1, NULL, NULL, &err), 0);
    assert_int_equal(rec_spd_factor(l, n, 2, &err), 0);
    assert_int_equal(LAPACKE_dpotrf(LAPACK_COL_MAJOR, 'U', (int)n, truth, (int)n), 0);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            assert_true(fabs(truth[i * n + j] - l[i * n + j]) < 1e-5);
    assert_int_equal(LAPACKE_dpotri(LAPACK_COL_MAJOR, 'U', (int)n, truth, (int)n), 0);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++)
            assert_true(fabs(truth[i * n + j] - a[i * n + j]) < 1e-5);
    assert_int_equal(rec_spd_invert(again, n, 3, NULL, NULL, &err), 0);
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(a + i * n, again + i * n, (i + 1) * sizeof *a);
    free(a);
    free(l);
    free(again);
    free(truth);
}

static void test_inverse(void **state)
{
    (void)state;
    check(1);
    check(7);
    check(512);
    check(513);
    check(1100);
}

static void test_not_positive(void **state)
{
    float a[] = {1, 0, 2, 1};
    struct rec_err err = {0};

    (void)state;
    assert_int_equal(rec_spd_invert(a, 2, 2, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, "not positive definite"));
    assert_int_equal(rec_spd_invert(a, 0, 2, NULL, NULL, &err), 0);
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int measure(size_t n)
{
    float *a = make(n);
    struct rec_err err = {0};
    double work = (double)n * (double)n * (double)n / 3e9, start;

    start = seconds();
    if (LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'U', (int)n, a, (int)n) != 0)
        return 1;
    printf("%zu rows, one thread, GFLOP/s of CPU time: spotrf %.1f", n, work / (seconds() - start));
    free(a);
    a = make(n);
    start = seconds();
    if (rec_spd_factor(a, n, 1, &err) < 0)
        return 1;
    printf(", by tiles %.1f", work / (seconds() - start));
    free(a);
    a = make(n);
    start = seconds();
    if (rec_spd_invert(a, n, 1, NULL, NULL, &err) < 0)
        return 1;
    printf(", inverse %.1f\n", 3 * work / (seconds() - start));
    free(a);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inverse),
        cmocka_unit_test(test_not_positive),
    };

    if (argc == 2) {
        openblas_set_num_threads(1);
        return measure((size_t)strtoul(argv[1], NULL, 10));
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
