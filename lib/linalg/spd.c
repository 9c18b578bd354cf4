/* SPDX-License-Identifier: MIT
 *
 * The inverse of a large symmetric positive definite matrix, in place and in single precision: LAPACK's potrf, trtri and lauum by tiles.
 *
 * Buttari, Langou, Kurzak and Dongarra, "A class of parallel tiled linear algebra algorithms for multicore architectures", Parallel Computing 2009.
 * A matrix of tiles is treated as one of numbers: for each k, what may be done at once to tiles that do not touch each other is handed to the pool,
 * BLAS working on each with one thread. What a tile goes through, and in which order, depends on the size alone.
 */
#include <rec/linalg.h>

#include <cblas.h>
#include <lapacke.h>

enum { TILE = 512 };

struct spd {
    float *a;
    size_t n, tiles, k;
    unsigned threads;
    int (*progress)(void *context, size_t done, size_t total, struct rec_err *err);
    void *context;
};

static float *tile(const struct spd *s, size_t m, size_t n)
{
    return s->a + m * TILE * s->n + n * TILE;
}

static int size(const struct spd *s, size_t m)
{
    return (int)(s->n - m * TILE < TILE ? s->n - m * TILE : TILE);
}

/* c += alpha a b, or a'b where `turned`. */
static void gemm(const struct spd *s, float *c, size_t rows, size_t cols, bool turned, float alpha, const float *a, const float *b, bool b_turned)
{
    int ld = (int)s->n;

    cblas_sgemm(CblasRowMajor, turned ? CblasTrans : CblasNoTrans, b_turned ? CblasTrans : CblasNoTrans, size(s, rows), size(s, cols),
                size(s, s->k), alpha, a, ld, b, ld, 1, c, ld);
}

/* Item i of the pairs (m, n) with 0 <= n <= m: m counts up, n within it. */
static void pair(size_t *m, size_t *n, size_t i)
{
    for (*m = 0; i > *m; ++*m)
        i -= *m + 1;
    *n = i;
}

static int each(struct spd *s, size_t count, rec_pool_fn *fn, struct rec_err *err)
{
    return rec_pool_run(s->threads, count, 1, fn, s, err);
}

/* ---- L L' = A -------------------------------------------------------------------------------------- */

/* Tiles below the diagonal one: A[m][k] = A[m][k] L[k][k]^-T. */
static int factor_panel(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct spd *s = context;

    (void)thread;
    (void)err;
    for (size_t m = s->k + 1 + begin; m < s->k + 1 + end; m++)
        cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, size(s, m), size(s, s->k), 1, tile(s, s->k, s->k), (int)s->n,
                    tile(s, m, s->k), (int)s->n);
    return 0;
}

/* A[m][n] -= A[m][k] A[n][k]' for those to the right. */
static int factor_rest(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct spd *s = context;

    (void)thread;
    (void)err;
    for (size_t i = begin; i < end; i++) {
        size_t m, n;
        pair(&m, &n, i);
        m += s->k + 1;
        n += s->k + 1;
        if (m == n)
            cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, size(s, m), size(s, s->k), -1, tile(s, m, s->k), (int)s->n, 1, tile(s, m, m),
                        (int)s->n);
        else
            gemm(s, tile(s, m, n), m, n, false, -1, tile(s, m, s->k), tile(s, n, s->k), true);
    }
    return 0;
}

/* By columns the lower triangle is the upper one: no copies. */
static int factor(struct spd *s, struct rec_err *err)
{
    size_t left = s->tiles - s->k - 1;
    int info = LAPACKE_spotrf_work(LAPACK_COL_MAJOR, 'U', size(s, s->k), tile(s, s->k, s->k), (int)s->n);

    if (info != 0)
        return rec_err_set(err, "inverse: not positive definite in single precision at row %zu", s->k * TILE + (size_t)info);
    return each(s, left, factor_panel, err) < 0 ? -1 : each(s, left * (left + 1) / 2, factor_rest, err);
}

/* ---- L^-1 ------------------------------------------------------------------------------------------ */

static int invert_panel(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct spd *s = context;

    (void)thread;
    (void)err;
    for (size_t m = s->k + 1 + begin; m < s->k + 1 + end; m++)
        cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, size(s, m), size(s, s->k), -1, tile(s, s->k, s->k), (int)s->n,
                    tile(s, m, s->k), (int)s->n);
    return 0;
}

/* A[m][n] += A[m][k] A[k][n], for m > k > n. */
static int invert_rest(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct spd *s = context;

    (void)thread;
    (void)err;
    for (size_t i = begin; i < end; i++) {
        size_t m = s->k + 1 + i / s->k, n = i % s->k;
        gemm(s, tile(s, m, n), m, n, false, 1, tile(s, m, s->k), tile(s, s->k, n), false);
    }
    return 0;
}

static int invert_row(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct spd *s = context;

    (void)thread;
    (void)err;
    for (size_t n = begin; n < end; n++)
        cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, size(s, s->k), size(s, n), 1, tile(s, s->k, s->k), (int)s->n,
                    tile(s, s->k, n), (int)s->n);
    return 0;
}

static int invert(struct spd *s, struct rec_err *err)
{
    size_t below = s->tiles - s->k - 1;

    if (each(s, below, invert_panel, err) < 0 || each(s, below * s->k, invert_rest, err) < 0 || each(s, s->k, invert_row, err) < 0)
        return -1;
    if (LAPACKE_strtri_work(LAPACK_COL_MAJOR, 'U', 'N', size(s, s->k), tile(s, s->k, s->k), (int)s->n) != 0)
        return rec_err_set(err, "inverse: not positive definite in single precision");
    return 0;
}

/* ---- L'L ------------------------------------------------------------------------------------------- */

/* A[m][n] += A[k][m]' A[k][n], for k > m >= n. */
static int multiply_rest(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct spd *s = context;

    (void)thread;
    (void)err;
    for (size_t i = begin; i < end; i++) {
        size_t m, n;
        pair(&m, &n, i);
        if (m == n)
            cblas_ssyrk(CblasRowMajor, CblasLower, CblasTrans, size(s, m), size(s, s->k), 1, tile(s, s->k, m), (int)s->n, 1, tile(s, m, m), (int)s->n);
        else
            gemm(s, tile(s, m, n), m, n, true, 1, tile(s, s->k, m), tile(s, s->k, n), false);
    }
    return 0;
}

static int multiply_row(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct spd *s = context;

    (void)thread;
    (void)err;
    for (size_t n = begin; n < end; n++)
        cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, size(s, s->k), size(s, n), 1, tile(s, s->k, s->k), (int)s->n,
                    tile(s, s->k, n), (int)s->n);
    return 0;
}

static int multiply(struct spd *s, struct rec_err *err)
{
    if (each(s, s->k * (s->k + 1) / 2, multiply_rest, err) < 0 || each(s, s->k, multiply_row, err) < 0)
        return -1;
    if (LAPACKE_slauum_work(LAPACK_COL_MAJOR, 'U', size(s, s->k), tile(s, s->k, s->k), (int)s->n) != 0)
        return rec_err_set(err, "inverse: failed");
    return 0;
}

static int run(struct spd *s, int (*const *stage)(struct spd *, struct rec_err *), size_t stages, struct rec_err *err)
{
    if (s->n > INT32_MAX)
        return rec_err_set(err, "inverse: a matrix of %zu rows is too large", s->n);
    s->tiles = s->n / TILE + (s->n % TILE != 0);
    s->threads = s->threads ? s->threads : 1;
    openblas_set_num_threads(1);
    for (size_t i = 0; i < stages; i++)
        for (s->k = 0; s->k < s->tiles; s->k++)
            if (stage[i](s, err) < 0 || (s->progress && s->progress(s->context, i * s->tiles + s->k + 1, stages * s->tiles, err) < 0))
                return -1;
    return 0;
}

int rec_spd_factor(float *a, size_t n, unsigned threads, struct rec_err *err)
{
    static int (*const stages[])(struct spd *, struct rec_err *) = {factor};
    struct spd s = {.a = a, .n = n, .threads = threads};

    return run(&s, stages, REC_LENGTH(stages), err);
}

int rec_spd_invert(float *a, size_t n, unsigned threads, int (*progress)(void *, size_t, size_t, struct rec_err *), void *context, struct rec_err *err)
{
    static int (*const stages[])(struct spd *, struct rec_err *) = {factor, invert, multiply};
    struct spd s = {.a = a, .n = n, .threads = threads, .progress = progress, .context = context};

    return run(&s, stages, REC_LENGTH(stages), err);
}
