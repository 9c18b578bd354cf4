/* SPDX-License-Identifier: MIT
 *
 * linalg against the definitions, in double, and bit for bit against itself with other numbers of threads.
 */
#include <rec/linalg.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static float *random_matrix(size_t rows, size_t f)
{
    float *y = malloc((rows * f + 1) * sizeof *y);
    struct rec_rng rng;

    rec_rng_seed(&rng, 1, rows + f);
    for (size_t i = 0; i < rows * f; i++)
        y[i] = (float)rec_rng_normal(&rng);
    return y;
}

static void check_gramian(size_t rows, size_t f)
{
    float *y = random_matrix(rows, f);
    double *g = malloc(f * f * sizeof *g), *h = malloc(f * f * sizeof *h);
    struct rec_err err = {0};

    assert_int_equal(rec_dense_gramian(g, y, rows, f, 1, &err), 0);
    for (unsigned threads = 2; threads <= 5; threads++) {
        assert_int_equal(rec_dense_gramian(h, y, rows, f, threads, &err), 0);
        assert_memory_equal(g, h, f * f * sizeof *g);
    }
    for (size_t i = 0; i < f; i++)
        for (size_t j = 0; j < f; j++) {
            double sum = 0;
            for (size_t r = 0; r < rows; r++)
                sum += (double)y[r * f + i] * y[r * f + j];
            assert_true(fabs(g[i * f + j] - sum) <= 2e-6 * (double)(rows + 1));
        }
    free(y);
    free(g);
    free(h);
}

static void test_gramian(void **state)
{
    (void)state;
    check_gramian(0, 3);
    check_gramian(1, 1);
    check_gramian(1, 7);
    check_gramian(512, 8);
    check_gramian(513, 5);
    check_gramian(20000, 16);
}

static void test_eigen(void **state)
{
    enum { N = 12 };
    float *y = random_matrix(40, N);
    double g[N * N], q[N * N], values[N];
    struct rec_err err = {0};

    (void)state;
    assert_int_equal(rec_dense_gramian(g, y, 40, N, 1, &err), 0);
    memcpy(q, g, sizeof q);
    assert_int_equal(rec_solve_eigen(values, q, N, &err), 0);
    for (size_t i = 0; i < N; i++) {
        assert_true(i == 0 || values[i - 1] >= values[i]);
        for (size_t j = 0; j < N; j++) {
            double back = 0, unit = 0;
            for (size_t k = 0; k < N; k++) {
                back += q[i * N + k] * values[k] * q[j * N + k];
                unit += q[k * N + i] * q[k * N + j];
            }
            assert_true(fabs(back - g[i * N + j]) < 1e-10);
            assert_true(fabs(unit - (i == j)) < 1e-12);
        }
    }
    for (size_t i = 0; i < N * N; i++)
        g[i] = NAN;
    assert_int_equal(rec_solve_eigen(values, g, N, &err), -1);
    assert_int_equal(rec_solve_eigen(values, g, 0, &err), 0);
    free(y);
}

/* After rotation by the eigenvectors the Gramian is diagonal, and products between two rotated matrices are what they were. */
static void test_rotate(void **state)
{
    enum { ROWS = 1300, F = 10 };
    float *y = random_matrix(ROWS, F), *x = malloc(ROWS * F * sizeof *x);
    double g[F * F], values[F], q[F * F];
    struct rec_err err = {0};

    (void)state;
    memcpy(x, y, ROWS * F * sizeof *x);
    assert_int_equal(rec_dense_gramian(q, y, ROWS, F, 2, &err), 0);
    assert_int_equal(rec_solve_eigen(values, q, F, &err), 0);
    assert_int_equal(rec_dense_rotate(y, ROWS, F, q, 3, &err), 0);
    assert_int_equal(rec_dense_gramian(g, y, ROWS, F, 2, &err), 0);
    for (size_t i = 0; i < F; i++)
        for (size_t j = 0; j < F; j++)
            assert_true(fabs(g[i * F + j] - (i == j ? values[i] : 0)) < 1e-6 * values[0]);
    for (size_t r = 1; r < ROWS; r++) {
        double before = 0, after = 0;
        for (size_t k = 0; k < F; k++) {
            before += (double)x[r * F + k] * x[(r - 1) * F + k];
            after += (double)y[r * F + k] * y[(r - 1) * F + k];
        }
        assert_true(fabs(before - after) < 1e-4);
    }
    assert_int_equal(rec_dense_rotate(x, ROWS, F, q, 1, &err), 0);
    assert_memory_equal(x, y, ROWS * F * sizeof *x);
    free(x);
    free(y);
}

static void test_positive(void **state)
{
    double a[] = {4, 9, 9, 2, 5, 9, 0, 1, 3}, b[] = {8, 15, 11};   /* lower triangle of [4 2 0; 2 5 1; 0 1 3], times (1, 2, 3) */
    double bad[] = {1, 0, 2, 1}, c[] = {1, 1};
    struct rec_err err = {0};

    (void)state;
    assert_int_equal(rec_solve_positive(a, b, 3, &err), 0);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(b[i] - (i + 1)) < 1e-12);
    assert_int_equal(rec_solve_positive(bad, c, 2, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gramian),
        cmocka_unit_test(test_eigen),
        cmocka_unit_test(test_rotate),
        cmocka_unit_test(test_positive),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
