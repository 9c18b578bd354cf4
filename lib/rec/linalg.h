/* SPDX-License-Identifier: MIT
 *
 * linalg: the dense algebra of training, a thin layer over BLAS and LAPACK.
 *
 *     dense    products with tall matrices: the Gramian YᵀY, the rotation YQ
 *     solve    eigenvectors and Cholesky factors of small symmetric matrices
 *
 *     double *gram = rec_calloc(f * f, sizeof *gram, "gramian", &err);
 *     if (rec_dense_gramian(gram, y, rows, f, threads, &err) < 0 ||       // gram = YᵀY
 *         rec_solve_eigen(lambda, gram, f, &err) < 0 ||                   // gram = Q diag(lambda) Qᵀ, Q in its columns
 *         rec_dense_rotate(y, rows, f, gram, threads, &err) < 0)          // y = YQ: its Gramian is diag(lambda)
 *         return -1;
 *
 * Matrices are row-major and contiguous. BLAS itself is held to one thread; threads come from rec_pool over fixed tiles of rows,
 * and partial sums are added in the order of the rows. So a result has the same bits for any number of threads, on one BLAS and CPU.
 * Every function may be called from several threads at once, on data of their own.
 */
#ifndef REC_LINALG_H
#define REC_LINALG_H

#include <rec/util.h>

/* ---- dense -------------------------------------------------------------------------------------- */

/** g [f, f] = YᵀY, both triangles, for y [rows, f]. Products are float in tiles of 512 rows, tiles are summed in double.
 *  Memory: at most 16 matrices of f x f doubles, and a float one for each thread. Fails only when out of memory. */
int rec_dense_gramian(double *g, const float *y, size_t rows, size_t f, unsigned threads, struct rec_err *err);

/** y [rows, f] = Y Q for q [f, f], in place, a tile of rows at a time. Fails only when out of memory. */
int rec_dense_rotate(float *y, size_t rows, size_t f, const double *q, unsigned threads, struct rec_err *err);

/** What BLAS this is: "OpenBLAS 0.3.21 ... SkylakeX". */
const char *rec_dense_blas(void);

/* ---- solve -------------------------------------------------------------------------------------- */

/** Eigenvalues, descending, and eigenvectors of the symmetric a [n, n]: a = Q diag(values) Qᵀ. On return a[i*n + j] is component i
 *  of vector j, whose component of greatest magnitude is positive (so the answer does not depend on LAPACK's taste in signs).
 *  -1 when LAPACK does not converge, as with NaN, or memory is short. */
int rec_solve_eigen(double *values, double *a, size_t n, struct rec_err *err);

/** Solves a x = b for symmetric positive definite a [n, n] (its lower triangle is read; overwritten), b [n] becoming x.
 *  -1 when a is not positive definite. */
int rec_solve_positive(double *a, double *b, size_t n, struct rec_err *err);

#endif
