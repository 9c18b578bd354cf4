/* SPDX-License-Identifier: MIT
 *
 * Singular values and vectors of sparse matrices against LAPACK's of the same matrices written out, and bit for bit for any number of threads.
 */
#include <rec/linalg.h>

#include <lapacke.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct matrix {
    struct rec_sparse a, t;
    int64_t *ptr[2];
    int32_t *index[2];
    float *value[2];
    double *dense;      /* [rows, cols] */
};

static void compress(struct matrix *m, struct rec_sparse *out, int side, size_t rows, size_t cols, bool turned)
{
    size_t n = 0;

    m->ptr[side] = calloc(rows + 1, sizeof(int64_t));
    m->index[side] = malloc((rows * cols + 1) * sizeof(int32_t));
    m->value[side] = malloc((rows * cols + 1) * sizeof(float));
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++) {
            double v = turned ? m->dense[j * rows + i] : m->dense[i * cols + j];
            if (v == 0)
                continue;
            m->index[side][n] = (int32_t)j;
            m->value[side][n++] = (float)v;
        }
        m->ptr[side][i + 1] = (int64_t)n;
    }
    *out = (struct rec_sparse){rows, cols, m->ptr[side], m->index[side], m->value[side]};
}

/* A share of the cells is filled; rows of one kind are alike, so that some values stand out. */
static void make(struct matrix *m, size_t rows, size_t cols, double share, uint64_t seed)
{
    struct rec_rng rng;

    m->dense = calloc(rows * cols + 1, sizeof *m->dense);
    rec_rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            if (rec_rng_uniform(&rng) < share * ((i + j) % 5 == 0 ? 4 : 1))
                m->dense[i * cols + j] = (float)(0.2 + rec_rng_uniform(&rng));
    compress(m, &m->a, 0, rows, cols, false);
    compress(m, &m->t, 1, cols, rows, true);
}

static void drop(struct matrix *m)
{
    for (size_t side = 0; side < 2; side++) {
        free(m->ptr[side]);
        free(m->index[side]);
        free(m->value[side]);
    }
    free(m->dense);
}

static double *values_of(const struct matrix *m)
{
    size_t rows = m->a.rows, cols = m->a.cols, n = rows < cols ? rows : cols;
    double *copy = malloc((rows * cols + 1) * sizeof *copy), *sigma = malloc((n + 1) * sizeof *sigma), nothing;

    memcpy(copy, m->dense, rows * cols * sizeof *copy);
    assert_int_equal(LAPACKE_dgesdd(LAPACK_ROW_MAJOR, 'N', (int)rows, (int)cols, copy, (int)cols, sigma, &nothing, (int)rows, &nothing, (int)cols), 0);
    free(copy);
    return sigma;
}

/* |A'A v - s^2 v| of column j, and how far the columns are from orthonormal. */
static void check_vectors(const struct matrix *m, const struct rec_svd *svd, double tolerance)
{
    size_t rows = m->a.rows, cols = m->a.cols;
    double *half = malloc((rows + 1) * sizeof *half);

    for (size_t j = 0; j < svd->found; j++) {
        double rest = 0, top = 0;
        for (size_t i = 0; i < rows; i++) {
            half[i] = 0;
            for (size_t c = 0; c < cols; c++)
                half[i] += m->dense[i * cols + c] * svd->v[c * svd->k + j];
        }
        for (size_t c = 0; c < cols; c++) {
            double back = 0, v = svd->v[c * svd->k + j];
            for (size_t i = 0; i < rows; i++)
                back += m->dense[i * cols + c] * half[i];
            rest += pow(back - svd->sigma[j] * svd->sigma[j] * v, 2);
            top = fabs(v) > fabs(top) ? v : top;
        }
        assert_true(top > 0);
        assert_true(sqrt(rest) <= fmax(2 * tolerance * svd->sigma[j] * svd->sigma[j], 1e-5 * svd->sigma[0] * svd->sigma[0]));
        for (size_t i = 0; i <= j; i++) {
            double dot = 0;
            for (size_t c = 0; c < cols; c++)
                dot += (double)svd->v[c * svd->k + j] * svd->v[c * svd->k + i];
            assert_true(fabs(dot - (i == j)) < 2e-5);
        }
    }
    free(half);
}

static void check(size_t rows, size_t cols, double share, size_t k, double tolerance)
{
    struct matrix m;
    struct rec_err err = {0};
    struct rec_svd svd = {.k = k, .tolerance = tolerance, .seed = 5, .threads = 1}, again;
    size_t n = rows < cols ? rows : cols;

    make(&m, rows, cols, share, rows * 31 + cols);
    double *sigma = values_of(&m);
    assert_int_equal(rec_svd_sparse(&svd, &m.a, &m.t, &err), 0);
    assert_true(svd.converged);
    for (size_t j = 0; j < k; j++) {
        double truth = j < n ? sigma[j] : 0;
        assert_true(j < svd.found ? fabs(svd.sigma[j] - truth) <= 1e-4 * truth + 1e-5 * sigma[0] : truth <= 2e-3 * sigma[0]);
        assert_true(j < svd.found || svd.sigma[j] == 0);
    }
    check_vectors(&m, &svd, tolerance);
    for (unsigned threads = 2; threads <= 5; threads += 3) {
        again = (struct rec_svd){.k = k, .tolerance = tolerance, .seed = 5, .threads = threads};
        assert_int_equal(rec_svd_sparse(&again, &m.a, &m.t, &err), 0);
        assert_memory_equal(again.sigma, svd.sigma, k * sizeof *svd.sigma);
        assert_memory_equal(again.v, svd.v, cols * k * sizeof *svd.v);
        rec_svd_clear(&again);
    }
    rec_svd_clear(&svd);
    free(sigma);
    drop(&m);
}

/* The whole space, and more than there is. */
static void test_small(void **state)
{
    (void)state;
    check(1, 1, 1, 1, 1e-4);
    check(1, 7, 1, 3, 1e-4);
    check(7, 1, 1, 3, 1e-4);
    check(5, 9, 1, 20, 1e-4);
    check(40, 30, 0.2, 30, 1e-4);
    check(30, 60, 0.2, 64, 1e-4);
}

/* Spaces that fill up and are begun anew. */
static void test_restarts(void **state)
{
    (void)state;
    check(900, 700, 0.02, 5, 1e-4);
    check(500, 800, 0.02, 20, 1e-3);
}

/* The same block over and over: each value as often as there are blocks. */
static void test_multiple(void **state)
{
    enum { COPIES = 50, N = 12 };
    struct matrix m;
    struct rec_err err = {0};
    struct rec_svd svd = {.k = COPIES, .threads = 2};

    (void)state;
    m.dense = calloc((size_t)COPIES * N * COPIES * N, sizeof *m.dense);
    for (size_t c = 0; c < COPIES; c++)
        for (size_t i = 0; i < N; i++)
            for (size_t j = 0; j < N; j++)
                m.dense[(c * N + i) * COPIES * N + c * N + j] = 1 + (i == j);
    compress(&m, &m.a, 0, (size_t)COPIES * N, (size_t)COPIES * N, false);
    compress(&m, &m.t, 1, (size_t)COPIES * N, (size_t)COPIES * N, true);
    assert_int_equal(rec_svd_sparse(&svd, &m.a, &m.t, &err), 0);
    assert_int_equal(svd.found, COPIES);
    for (size_t j = 0; j < COPIES; j++)
        assert_true(fabs(svd.sigma[j] - (N + 1)) < 1e-3);
    check_vectors(&m, &svd, 1e-3);
    rec_svd_clear(&svd);
    drop(&m);
}

static void test_nothing_and_nonsense(void **state)
{
    struct matrix m;
    struct rec_err err = {0};
    struct rec_svd svd = {.k = 3, .threads = 1};

    (void)state;
    make(&m, 20, 10, 0, 1);
    assert_int_equal(rec_svd_sparse(&svd, &m.a, &m.t, &err), 0);
    assert_int_equal(svd.found, 0);
    for (size_t i = 0; i < 30; i++)
        assert_true(svd.v[i] == 0);
    rec_svd_clear(&svd);
    drop(&m);
    make(&m, 20, 10, 0.5, 1);
    m.value[0][3] = m.value[1][3] = NAN;
    assert_int_equal(rec_svd_sparse(&svd, &m.a, &m.t, &err), -1);
    assert_non_null(strstr(err.text, "not a number"));
    assert_null(svd.v);
    drop(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_multiple),
        cmocka_unit_test(test_nothing_and_nonsense),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
