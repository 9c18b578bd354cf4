/* SPDX-License-Identifier: MIT
 *
 * The greatest singular values of a sparse matrix A, as eigenvalues of G = A'A: Rayleigh and Ritz in a block Krylov space.
 *
 * Halko, Martinsson, Tropp, "Finding Structure with Randomness", SIAM Review 2011; Musco, Musco, "Randomized Block Krylov Methods for Stronger and
 * Faster Approximate Singular Value Decomposition", NIPS 2015; thick restarts: Wu, Simon, SIAM J. Matrix Anal. 2000.
 *
 * The space is an orthonormal basis Q [n, m] that grows by blocks: G times the last block, less what lies in the space (twice, since this is single
 * precision), is the next one, R of it being what the space lacks of being invariant:
 *
 *     G Q = Q B + [next block] [0 ... 0 R]
 *
 * So a Ritz vector Q s, B s = theta s, has the residual |R s_last|, known without a product. A full space is begun anew with its best Ritz
 * vectors and the next block. Many narrow blocks find more than few wide ones, for the same number of products.
 */
#include <rec/linalg.h>

#include <math.h>

enum { BLOCK = 32, SPARE = 8 * BLOCK, RESTARTS = 30 };

/* What is less than this part of the greatest eigenvalue is rounding. */
static const double noise = 1e-6, unfound = 1e-6;

struct krylov {
    const struct rec_sparse *a, *at;
    size_t n, room, ld;    /* rows of q; columns the space may have; stride of q: room + BLOCK */
    size_t m, next, last;  /* columns of the space, of the block that comes next, of the block that was last */
    float *q;              /* [n, ld] */
    float *w, *x, *half;   /* [n, BLOCK], [n, BLOCK], [rows, BLOCK] */
    double *b;             /* [room, room] */
    double *h;             /* [ld, BLOCK] */
    double *s, *theta;     /* [room, room], [room]: Ritz vectors and values */
    double r[BLOCK * BLOCK]; /* [next, last] */
    double greatest;
    unsigned threads;
};

static int set_up(struct krylov *z, const struct rec_sparse *a, const struct rec_sparse *at, const struct rec_svd *svd, struct rec_err *err)
{
    size_t cells, square, most = 2 * svd->k > svd->k + SPARE ? 2 * svd->k : svd->k + SPARE;

    *z = (struct krylov){.a = a, .at = at, .n = a->cols, .threads = svd->threads ? svd->threads : 1};
    z->room = most < z->n ? most : z->n;
    z->ld = z->room + BLOCK;
    if (rec_size_mul(&cells, z->n, z->ld) < 0 || rec_size_mul(&square, z->ld, z->ld) < 0)
        return rec_err_memory(err, "singular vectors");
    z->q = rec_calloc(cells, sizeof *z->q, "singular vectors", err);
    z->w = rec_malloc(z->n, BLOCK * sizeof *z->w, "singular vectors", err);
    z->x = rec_malloc(z->n, BLOCK * sizeof *z->x, "singular vectors", err);
    z->half = rec_malloc(a->rows, BLOCK * sizeof *z->half, "singular vectors", err);
    z->b = rec_calloc(square, sizeof *z->b, "singular vectors", err);
    z->s = rec_malloc(square, sizeof *z->s, "singular vectors", err);
    z->theta = rec_malloc(z->ld, sizeof *z->theta, "singular vectors", err);
    z->h = rec_malloc(z->ld, BLOCK * sizeof *z->h, "singular vectors", err);
    return z->q && z->w && z->x && z->half && z->b && z->s && z->theta && z->h ? 0 : -1;
}

static void tear_down(struct krylov *z)
{
    free(z->q);
    free(z->w);
    free(z->x);
    free(z->half);
    free(z->b);
    free(z->s);
    free(z->theta);
    free(z->h);
}

/* Columns of w [n, width] become orthonormal; those that are less than `least` long drop out. w before = w after r. Returns how many are left. */
static ptrdiff_t orthonormalize(struct krylov *z, double *r, size_t width, double least, struct rec_err *err)
{
    double gram[BLOCK * BLOCK], value[BLOCK], turn[BLOCK * BLOCK];
    size_t left = 0;

    if (rec_dense_gramian(gram, z->w, z->n, width, z->threads, err) < 0 || rec_solve_eigen(value, gram, width, err) < 0)
        return -1;
    while (left < width && value[left] > least * least)
        left++;
    for (size_t j = 0; j < left; j++)
        for (size_t i = 0; i < width; i++) {
            r[j * width + i] = sqrt(value[j]) * gram[i * width + j];
            turn[i * left + j] = gram[i * width + j] / sqrt(value[j]);
        }
    if (rec_tall_rotate(z->w, width, width, turn, left, z->n, z->threads, err) < 0)
        return -1;
    for (size_t row = 0; row < z->n && left < width; row++)
        memmove(z->w + row * left, z->w + row * width, left * sizeof *z->w);
    return (ptrdiff_t)left;
}

/* Takes from w [n, width] what lies in the first `among` columns of the basis; h says what that was. */
static int project(struct krylov *z, size_t among, size_t width, struct rec_err *err)
{
    if (rec_tall_cross(z->h, z->q, z->ld, among, z->w, width, width, z->n, z->threads, err) < 0)
        return -1;
    return rec_tall_add(z->w, width, -1, z->q, z->ld, among, z->h, width, z->n, z->threads, err);
}

/* w [n, width], less what lies in the first `among` columns and h told of, becomes the block behind them. */
static int append(struct krylov *z, size_t among, size_t width, double least, struct rec_err *err)
{
    double again[BLOCK * BLOCK];
    ptrdiff_t left = orthonormalize(z, z->r, width, least, err);

    if (left > 0 && (project(z, among, (size_t)left, err) < 0 || (left = orthonormalize(z, again, (size_t)left, 0.1, err)) < 0))
        return -1;
    if (left < 0)
        return -1;
    /* A space of n dimensions is all there is. */
    z->next = (size_t)left < z->n - among ? (size_t)left : z->n - among;
    for (size_t row = 0; row < z->n; row++)
        memcpy(z->q + row * z->ld + among, z->w + row * (size_t)left, z->next * sizeof *z->q);
    return 0;
}

/* A block of random directions: the first one, or where the space is invariant and still too small. */
static int append_random(struct krylov *z, uint64_t seed, struct rec_err *err)
{
    for (size_t row = 0; row < z->n; row++) {
        struct rec_rng rng;
        rec_rng_seed(&rng, seed, row + 1);
        for (size_t j = 0; j < BLOCK; j++)
            z->w[row * BLOCK + j] = (float)rec_rng_normal(&rng);
    }
    if (project(z, z->m, BLOCK, err) < 0 || append(z, z->m, BLOCK, 1e-3, err) < 0)
        return -1;
    memset(z->r, 0, sizeof z->r);
    return 0;
}

/* The next block joins the space, and G times it gives the one after. */
static int grow(struct krylov *z, struct rec_err *err)
{
    size_t width = z->next, from = z->m, to = z->m + z->next;

    for (size_t row = 0; row < z->n; row++)
        memcpy(z->x + row * width, z->q + row * z->ld + from, width * sizeof *z->x);
    if (rec_sparse_times(z->half, z->a, z->x, width, z->threads, err) < 0 || rec_sparse_times(z->w, z->at, z->half, width, z->threads, err) < 0 ||
        project(z, to, width, err) < 0)
        return -1;
    for (size_t i = 0; i < to; i++)
        for (size_t j = 0; j < width; j++) {
            if (!isfinite(z->h[i * width + j]))
                return rec_err_set(err, "singular vectors: the matrix holds what is not a number, or too large");
            z->b[i * z->room + from + j] = z->b[(from + j) * z->room + i] = z->h[i * width + j];
        }
    for (size_t j = 0; j < width; j++)
        z->greatest = fmax(z->greatest, z->h[(from + j) * width + j]);
    z->m = to;
    z->last = width;
    return append(z, to, width, noise * z->greatest, err);
}

/* Ritz values and vectors, and the greatest residual of the first k. */
static int ritz(struct krylov *z, size_t k, double *residual, struct rec_err *err)
{
    for (size_t i = 0; i < z->m; i++)
        memcpy(z->s + i * z->m, z->b + i * z->room, z->m * sizeof *z->s);
    if (rec_solve_eigen(z->theta, z->s, z->m, err) < 0)
        return -1;
    *residual = 0;
    for (size_t i = 0; i < k && i < z->m && z->theta[i] > unfound * z->theta[0]; i++) {
        double sum = 0;
        for (size_t c = 0; c < z->next; c++) {
            double dot = 0;
            for (size_t j = 0; j < z->last; j++)
                dot += z->r[c * z->last + j] * z->s[(z->m - z->last + j) * z->m + i];
            sum += dot * dot;
        }
        if (sqrt(sum) > 2 * noise * z->theta[0])
            *residual = fmax(*residual, sqrt(sum) / z->theta[i]);
    }
    return 0;
}

/* The space shrinks to its best `keep` Ritz vectors; the next block stays the next. */
static int shrink(struct krylov *z, size_t keep, struct rec_err *err)
{
    size_t m = z->m;

    for (size_t i = 0; i < m; i++)
        memmove(z->s + i * keep, z->s + i * m, keep * sizeof *z->s);
    if (rec_tall_rotate(z->q, z->ld, m, z->s, keep, z->n, z->threads, err) < 0)
        return -1;
    for (size_t row = 0; row < z->n; row++)
        memmove(z->q + row * z->ld + keep, z->q + row * z->ld + m, z->next * sizeof *z->q);
    for (size_t i = 0; i < keep; i++)
        for (size_t j = 0; j < keep; j++)
            z->b[i * z->room + j] = i == j ? z->theta[i] : 0;
    z->m = keep;
    return 0;
}

/* Fills the space, as far as whole blocks go. */
static int fill(struct krylov *z, struct rec_svd *svd, struct rec_err *err)
{
    while (z->m < z->n && z->m + z->next <= z->room) {
        if (z->next == 0) {
            /* Invariant. What else there is does not touch what was found: other copies of a value that is there more often than a block is wide. */
            if (z->m + BLOCK > z->room || append_random(z, svd->seed + z->m, err) < 0)
                return z->m + BLOCK > z->room ? 0 : -1;
            if (z->next == 0)
                return 0;
            continue;
        }
        svd->products += z->next;
        if (grow(z, err) < 0 ||
            (svd->progress && svd->progress(svd->context, svd->turns + 1, z->m, z->room, svd->residual, err) < 0))
            return -1;
    }
    return 0;
}

static int take(struct rec_svd *svd, const struct krylov *z, struct rec_err *err)
{
    size_t cells;

    if (rec_size_mul(&cells, z->n, svd->k) < 0)
        return rec_err_memory(err, "singular vectors");
    svd->sigma = rec_calloc(svd->k, sizeof *svd->sigma, "singular vectors", err);
    svd->v = rec_calloc(cells, sizeof *svd->v, "singular vectors", err);
    if (!svd->sigma || !svd->v)
        return -1;
    while (svd->found < svd->k && svd->found < z->m && z->theta[svd->found] > unfound * z->theta[0])
        svd->found++;
    for (size_t j = 0; j < svd->found; j++) {
        size_t top = 0;
        for (size_t row = 1; row < z->n; row++)
            if (fabsf(z->q[row * z->ld + j]) > fabsf(z->q[top * z->ld + j]))
                top = row;
        float sign = z->q[top * z->ld + j] < 0 ? -1 : 1;
        svd->sigma[j] = sqrt(z->theta[j]);
        for (size_t row = 0; row < z->n; row++)
            svd->v[row * svd->k + j] = sign * z->q[row * z->ld + j];
    }
    return 0;
}

int rec_svd_sparse(struct rec_svd *svd, const struct rec_sparse *a, const struct rec_sparse *transposed, struct rec_err *err)
{
    struct krylov z;
    double tolerance = svd->tolerance > 0 ? svd->tolerance : 1e-3;
    size_t most = svd->most ? svd->most : RESTARTS, keep;
    int rc = -1;

    svd->sigma = NULL;
    svd->v = NULL;
    svd->found = svd->turns = svd->products = 0;
    svd->converged = false;
    svd->residual = NAN;
    if (set_up(&z, a, transposed, svd, err) < 0 || append_random(&z, svd->seed, err) < 0)
        goto out;
    do {
        if (fill(&z, svd, err) < 0 || ritz(&z, svd->k, &svd->residual, err) < 0)
            goto out;
        keep = svd->k + BLOCK < z.m ? svd->k + BLOCK : z.m;
        if (shrink(&z, keep, err) < 0)
            goto out;
        svd->turns++;
        svd->converged = svd->residual <= tolerance || z.m == z.n || z.next == 0;
    } while (!svd->converged && svd->turns <= most);
    rc = take(svd, &z, err);
out:
    tear_down(&z);
    if (rc < 0)
        rec_svd_clear(svd);
    return rc;
}

void rec_svd_clear(struct rec_svd *svd)
{
    free(svd->sigma);
    free(svd->v);
    svd->sigma = NULL;
    svd->v = NULL;
}
