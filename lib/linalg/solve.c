/* SPDX-License-Identifier: MIT
 *
 * Small symmetric matrices, by LAPACK in double.
 */
#include <rec/linalg.h>

#include <cblas.h>
#include <lapacke.h>
#include <math.h>

/* Column j takes the sign that makes its greatest component positive. */
static void fix_sign(double *a, size_t n, size_t j)
{
    size_t top = 0;

    for (size_t i = 1; i < n; i++)
        if (fabs(a[i * n + j]) > fabs(a[top * n + j]))
            top = i;
    if (a[top * n + j] < 0)
        for (size_t i = 0; i < n; i++)
            a[i * n + j] = -a[i * n + j];
}

/* Swaps columns i and j. */
static void swap_columns(double *a, size_t n, size_t i, size_t j)
{
    for (size_t k = 0; k < n; k++) {
        double t = a[k * n + i];
        a[k * n + i] = a[k * n + j];
        a[k * n + j] = t;
    }
}

int rec_solve_eigen(double *values, double *a, size_t n, struct rec_err *err)
{
    int info;

    if (n == 0)
        return 0;
    openblas_set_num_threads(1);
    info = LAPACKE_dsyevd(LAPACK_ROW_MAJOR, 'V', 'U', (int)n, a, (int)n, values);
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return rec_err_memory(err, "eigenvectors");
    if (info != 0)
        return rec_err_set(err, "eigenvectors: no convergence for a matrix of %zu x %zu", n, n);
    /* LAPACK's order is ascending. */
    for (size_t i = 0, j = n - 1; i < j; i++, j--) {
        double t = values[i];
        values[i] = values[j];
        values[j] = t;
        swap_columns(a, n, i, j);
    }
    for (size_t j = 0; j < n; j++)
        fix_sign(a, n, j);
    return 0;
}

int rec_solve_positive(double *a, double *b, size_t n, struct rec_err *err)
{
    int info;

    if (n == 0)
        return 0;
    openblas_set_num_threads(1);
    info = LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', (int)n, 1, a, (int)n, b, 1);
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return rec_err_memory(err, "linear system");
    if (info != 0)
        return rec_err_set(err, "linear system: not positive definite at row %d", info);
    return 0;
}
