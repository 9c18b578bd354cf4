/* SPDX-License-Identifier: MIT
 *
 * Implicit features: which pairs there are is factorized along with the ratings, by the same factors (Cortes, "Cold-start recommendations in Collective
 * Matrix Factorization", 2018, section on implicit features; the idea of SVD++, in a form for alternating least squares).
 *
 * For fixed users X the items' other factors C solve (w X'X + L_i) c_i = w sum of x_u over the users of i: in the eigenvectors of X'X that is a
 * division. All is turned to the eigenvectors of C'C then, which makes w C'C a diagonal that a user's system takes with its penalty.
 */
#include "als_priv.h"
#include "rows_priv.h"

#include <rec/kernels.h>
#include <rec/linalg.h>

#include <math.h>

struct solving {
    const struct rec_als_implied *a;
    const float *turned;     /* [others, f + 1] along the eigenvectors of their Gramian */
    const double *lambda;
};

static int solve_rows(void *context, size_t begin, size_t end, unsigned thread, double *loss, struct rec_err *err)
{
    const struct solving *s = context;
    const struct rec_als_implied *a = s->a;

    (void)thread;
    (void)loss;
    (void)err;
    for (size_t r = begin; r < end; r++) {
        float *c = a->c + r * a->f;
        double penalty = a->regularization * pow((double)(a->ptr[r + 1] - a->ptr[r]), a->exponent);
        memset(c, 0, a->f * sizeof *c);
        for (int64_t p = a->ptr[r]; p < a->ptr[r + 1]; p++)
            rec_kernels_axpy(c, 1, s->turned + (size_t)a->index[p] * (a->f + 1), a->f);
        for (size_t k = 0; a->ptr[r + 1] > a->ptr[r] && k < a->f; k++)
            c[k] = (float)(a->weight * c[k] / (a->weight * fmax(0, s->lambda[k]) + penalty));
    }
    return 0;
}

/* The eigenvectors of the f x f part of a Gramian of f + 1, with a last coordinate that stays. */
static int turn_of(double *q, double *lambda, const double *gram, size_t f, struct rec_err *err)
{
    double *own = rec_malloc(f * f, sizeof *own, "als", err);
    int status;

    if (!own)
        return -1;
    for (size_t i = 0; i < f; i++)
        memcpy(own + i * f, gram + i * (f + 1), f * sizeof *own);
    status = rec_solve_eigen(lambda, own, f, err);
    memset(q, 0, (f + 1) * (f + 1) * sizeof *q);
    for (size_t i = 0; i < f; i++)
        memcpy(q + i * (f + 1), own + i * f, f * sizeof *own);
    q[(f + 1) * (f + 1) - 1] = 1;
    free(own);
    return status;
}

/* C and x to the eigenvectors of C'C. */
static int turn_rows(const struct rec_als_implied *a, double *gram, double *q, double *lambda, struct rec_err *err)
{
    size_t f = a->f;

    if (rec_dense_gramian(gram, a->c, a->rows, f, a->threads, err) < 0 || rec_solve_eigen(lambda, gram, f, err) < 0 ||
        rec_dense_rotate(a->c, a->rows, f, gram, a->threads, err) < 0)
        return -1;
    memset(q, 0, (f + 1) * (f + 1) * sizeof *q);
    for (size_t i = 0; i < f; i++)
        memcpy(q + i * (f + 1), gram + i * f, f * sizeof *q);
    q[(f + 1) * (f + 1) - 1] = 1;
    for (size_t k = 0; k < f; k++)
        a->diagonal[k] = (float)(a->weight * fmax(0, lambda[k]));
    return rec_dense_rotate(a->x, a->rows, f + 1, q, a->threads, err);
}

int rec_als_implied_learn(const struct rec_als_implied *a, struct rec_err *err)
{
    size_t f1 = a->f + 1, cells, n;
    double *gram = NULL, *q = NULL, *lambda = NULL;
    float *turned = NULL;
    int rc = -1;

    if (rec_size_mul(&cells, a->others, f1) < 0 || rec_size_mul(&n, f1, f1) < 0)
        return rec_err_memory(err, "als");
    gram = rec_malloc(n, sizeof *gram, "als", err);
    q = rec_malloc(n, sizeof *q, "als", err);
    lambda = rec_malloc(f1, sizeof *lambda, "als", err);
    turned = rec_malloc(cells, sizeof *turned, "als", err);
    if (!gram || !q || !lambda || !turned)
        goto out;
    memcpy(turned, a->other, cells * sizeof *turned);
    struct solving s = {a, turned, lambda};
    if (rec_dense_gramian(gram, turned, a->others, f1, a->threads, err) == 0 && turn_of(q, lambda, gram, a->f, err) == 0 &&
        rec_dense_rotate(turned, a->others, f1, q, a->threads, err) == 0 && rec_dense_rotate(a->x, a->rows, f1, q, a->threads, err) == 0 &&
        rec_rows_run(a->threads, a->ptr, a->rows, solve_rows, &s, NULL, err) == 0)
        rc = turn_rows(a, gram, q, lambda, err);
out:
    free(gram);
    free(q);
    free(lambda);
    free(turned);
    return rc;
}

void rec_als_implied_start(float *q, const float *c, size_t f, const int32_t *index, size_t n, const float *d, double weight)
{
    memset(q, 0, f * sizeof *q);
    for (size_t j = 0; j < n; j++)
        rec_kernels_axpy(q, (float)weight, c + (size_t)index[j] * f, f);
    for (size_t k = 0; k < f; k++)
        q[k] /= d[k];
}
