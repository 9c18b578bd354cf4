/* SPDX-License-Identifier: MIT
 *
 * linalg: the dense algebra of training, a thin layer over BLAS and LAPACK.
 *
 *     dense    products with tall matrices: the Gramian YᵀY, the rotation YQ
 *     tall     products of tall matrices with each other, and with small ones
 *     sparse   products of sparse rows with tall matrices
 *     svd      the greatest singular values of a sparse matrix, and their vectors
 *     spd      inverting a large symmetric positive definite matrix in place
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

/* ---- tall --------------------------------------------------------------------------------------- */

/** h [m, b] = QᵀW, for q [rows, m] and w [rows, b] with ldq and ldw numbers from row to row. Products are float in tiles of 512 rows, tiles are
 *  summed in double. Memory: at most 16 matrices of m x b doubles, and a float one for each thread. Fails only when out of memory. */
int rec_tall_cross(double *h, const float *q, size_t ldq, size_t m, const float *w, size_t ldw, size_t b, size_t rows, unsigned threads,
                   struct rec_err *err);
/** y [rows, b] += alpha Q h, for q [rows, m] and h [m, b]; y is no part of q that is read. Fails only when out of memory. */
int rec_tall_add(float *y, size_t ldy, double alpha, const float *q, size_t ldq, size_t m, const double *h, size_t b, size_t rows,
                 unsigned threads, struct rec_err *err);
/** The first b columns of q become Q h, for h [m, b], in place. */
int rec_tall_rotate(float *q, size_t ldq, size_t m, const double *h, size_t b, size_t rows, unsigned threads, struct rec_err *err);

/* ---- sparse ------------------------------------------------------------------------------------- */

/** Compressed sparse rows, borrowed. */
struct rec_sparse {
    size_t rows, cols;
    const int64_t *ptr;    /**< [rows + 1] */
    const int32_t *index;
    const float *value;    /**< NULL: all 1 */
};

/** out [rows, k] = A X, for x [cols, k]. Fails only when out of memory. */
int rec_sparse_times(float *out, const struct rec_sparse *a, const float *x, size_t k, unsigned threads, struct rec_err *err);

/* ---- svd -----------------------------------------------------------------------------------------
 *
 *     struct rec_svd svd = {.k = 256, .tolerance = 1e-3, .seed = 42, .threads = 2};
 *     if (rec_svd_sparse(&svd, &a, &transposed, &err) < 0) ...
 *     // A is near the sum over j < svd.found of u_j sigma[j] v_jᵀ; column j of svd.v is v_j, and u_j = A v_j / sigma[j]
 *     rec_svd_clear(&svd);
 *
 * The k greatest singular values and their right vectors, by block Krylov iteration from random vectors (Halko, Martinsson and Tropp 2011; Musco
 * and Musco 2015) on AᵀA, begun anew from its best vectors when the space is full (thick restart: Wu and Simon 2000), in single precision:
 * singular values below a thousandth of the greatest are lost in rounding, and not found. For the left vectors, change the two matrices.
 */
struct rec_svd {
    size_t k;              /**< in: how many; */
    double tolerance;      /**< |AᵀA v - sigma² v| is at most so much of sigma² (or 2e-6 of the greatest one, if that is more); 0: 1e-3 */
    size_t most;           /**< restarts after which what there is will do; 0: 30 */
    uint64_t seed;
    unsigned threads;
    /** Called as the space fills: `done` columns of `room`, of turn 1, 2, ... @return 0, or -1 to fail. NULL: nobody watches */
    int (*progress)(void *context, size_t turn, size_t done, size_t room, double residual, struct rec_err *err);
    void *context;
    size_t found;          /**< out: so many: fewer than k where the matrix has no more */
    double *sigma;         /**< [k] descending; 0 from found on */
    float *v;              /**< [cols, k]; zeros from column found on. The greatest component of a column is positive */
    double residual;       /**< the greatest, as a part of its own sigma² */
    bool converged;
    size_t turns, products; /**< of the space; of AᵀA with a vector */
};
/** -1 when out of memory, or where the matrix holds what is no number. Nothing is to be cleared then. */
int rec_svd_sparse(struct rec_svd *svd, const struct rec_sparse *a, const struct rec_sparse *transposed, struct rec_err *err);
void rec_svd_clear(struct rec_svd *svd);

/* ---- spd ---------------------------------------------------------------------------------------- */

/** The lower triangle of a [n, n], symmetric positive definite, becomes the lower triangle of L, L Lᵀ = a, or of the inverse; what is above the
 *  diagonal is neither read nor kept. Single precision, in place: no more memory than a. n^3 / 3 operations, or n^3.
 *  @param progress  called after each of `total` steps; -1 ends it. NULL: nobody watches
 *  @return -1 when a is not positive definite in single precision: raise its diagonal. a is lost then */
int rec_spd_factor(float *a, size_t n, unsigned threads, struct rec_err *err);
int rec_spd_invert(float *a, size_t n, unsigned threads, int (*progress)(void *context, size_t done, size_t total, struct rec_err *err),
                   void *context, struct rec_err *err);

/* ---- solve -------------------------------------------------------------------------------------- */

/** Eigenvalues, descending, and eigenvectors of the symmetric a [n, n]: a = Q diag(values) Qᵀ. On return a[i*n + j] is component i
 *  of vector j, whose component of greatest magnitude is positive (so the answer does not depend on LAPACK's taste in signs).
 *  -1 when LAPACK does not converge, as with NaN, or memory is short. */
int rec_solve_eigen(double *values, double *a, size_t n, struct rec_err *err);

/** Solves a x = b for symmetric positive definite a [n, n] (its lower triangle is read; overwritten), b [n] becoming x.
 *  -1 when a is not positive definite. */
int rec_solve_positive(double *a, double *b, size_t n, struct rec_err *err);

#endif
