/* SPDX-License-Identifier: MIT
 *
 * Linear filters of histories: a polynomial of P = R'R, and a low pass of the first singular vectors (graph_priv.h).
 *
 * Everything is linear in the history, so it is a matrix of links. The low pass, filtered by what follows it, is of low rank and is stored as it is:
 * history_factors D^-x V, item_factors alpha D^t s(P) D^x V. Row j of the polynomial is the polynomial applied to e_j, a tile of rows at a time, by
 * products with R and R' alone: P^2 and more would be dense. Of each row the greatest links are kept, whatever their sign.
 */
#include "graph_priv.h"
#include "linkrows_priv.h"

#include <rec/linalg.h>

#include <math.h>

enum { TILE = 32, FEWEST = 8, MOST = 512 };

struct parts {
    const struct rec_graph *filter;
    struct rec_csr by_item;       /* transposed, without values */
    struct rec_sparse r, t;       /* R and R' */
    float *value, *value_t;
    double *user_weight, *item_weight;
    double *popularity;           /* [items]: D */
    float *tilt;                  /* [items]: D^t */
    float *space;                 /* [threads, (3 items + users) TILE] */
    size_t space_size, degree;
    double coefficient[REC_GRAPH_DEGREE + 1];
};

void rec_graph_product(double *out, const double *a, const double *b)
{
    double sum[REC_GRAPH_DEGREE + 1] = {0};

    for (size_t i = 0; i <= REC_GRAPH_DEGREE; i++)
        for (size_t j = 0; i + j <= REC_GRAPH_DEGREE; j++)
            sum[i + j] += a[i] * b[j];
    memcpy(out, sum, sizeof sum);
}

static size_t degree_of(const double *a)
{
    size_t d = REC_GRAPH_DEGREE;

    while (d > 0 && a[d] == 0)
        d--;
    return d;
}

static double *weights(const int64_t *ptr, size_t n, double exponent, struct rec_err *err)
{
    double *w = rec_malloc(n, sizeof *w, "filter", err);

    for (size_t i = 0; w && i < n; i++)
        w[i] = ptr[i + 1] > ptr[i] ? pow((double)(ptr[i + 1] - ptr[i]), -exponent) : 0;
    return w;
}

/* Users of each item over their mean; items that nobody has count as none. */
static double *popularity_of(const int64_t *ptr, size_t n, struct rec_err *err)
{
    double known = 0, *d = rec_malloc(n, sizeof *d, "filter", err);

    for (size_t i = 0; i < n; i++)
        known += ptr[i + 1] > ptr[i];
    for (size_t i = 0; d && i < n; i++)
        d[i] = (double)(ptr[i + 1] - ptr[i]) / ((double)ptr[n] / known);
    return d;
}

static double to_the(double d, double power)
{
    return d > 0 ? pow(d, power) : 0;
}

static void fill(float *value, const int64_t *ptr, const int32_t *index, size_t rows, const double *row, const double *column, double scale)
{
    for (size_t r = 0; r < rows; r++)
        for (int64_t p = ptr[r]; p < ptr[r + 1]; p++)
            value[p] = (float)(row[r] * column[index[p]] * scale);
}

/* R in both orders, times `scale`. */
static void scale_by(struct parts *s, double scale)
{
    fill(s->value, s->r.ptr, s->r.index, s->r.rows, s->user_weight, s->item_weight, scale);
    fill(s->value_t, s->t.ptr, s->t.index, s->t.rows, s->item_weight, s->user_weight, scale);
}

static int set_up(struct parts *s, const struct rec_graph *filter, const struct rec_ratings *r, struct rec_err *err)
{
    s->filter = filter;
    if (rec_csr_transpose(&s->by_item, r->n_users, r->n_items, r->user_ptr, r->item, NULL, err) < 0)
        return -1;
    s->value = rec_malloc(r->nnz, sizeof *s->value, "filter", err);
    s->value_t = rec_malloc(r->nnz, sizeof *s->value_t, "filter", err);
    s->user_weight = weights(r->user_ptr, r->n_users, filter->user_exponent, err);
    s->item_weight = weights(s->by_item.ptr, r->n_items, filter->item_exponent, err);
    s->popularity = popularity_of(s->by_item.ptr, r->n_items, err);
    s->tilt = rec_malloc(r->n_items, sizeof *s->tilt, "filter", err);
    if (!s->value || !s->value_t || !s->user_weight || !s->item_weight || !s->popularity || !s->tilt)
        return -1;
    for (size_t i = 0; i < r->n_items; i++)
        s->tilt[i] = (float)to_the(s->popularity[i], filter->tilt);
    s->r = (struct rec_sparse){r->n_users, r->n_items, r->user_ptr, r->item, s->value};
    s->t = (struct rec_sparse){r->n_items, r->n_users, s->by_item.ptr, s->by_item.index, s->value_t};
    rec_graph_product(s->coefficient, filter->blur, filter->sharpen);
    s->degree = degree_of(s->coefficient);
    scale_by(s, 1);
    return 0;
}

static void tear_down(struct parts *s)
{
    rec_csr_clear(&s->by_item);
    free(s->value);
    free(s->value_t);
    free(s->user_weight);
    free(s->item_weight);
    free(s->popularity);
    free(s->tilt);
    free(s->space);
}

/* ---- the low pass -------------------------------------------------------------------------------- */

/* y [items, k] = s(P) y, by Horner's rule. */
static int sharpen(struct parts *s, float *y, size_t k, unsigned threads, struct rec_err *err)
{
    const double *c = s->filter->sharpen;
    size_t degree = degree_of(c), cells = s->r.cols * k;
    float *sum = NULL, *half = NULL;
    int rc = -1;

    if (degree == 0 && c[0] == 1)
        return 0;
    sum = rec_malloc(cells, sizeof *sum, "filter", err);
    half = rec_malloc(s->r.rows, k * sizeof *half, "filter", err);
    if (!sum || !half)
        goto out;
    for (size_t i = 0; i < cells; i++)
        sum[i] = (float)c[degree] * y[i];
    for (size_t d = degree; d-- > 0;) {
        if (rec_sparse_times(half, &s->r, sum, k, threads, err) < 0 || rec_sparse_times(sum, &s->t, half, k, threads, err) < 0)
            goto out;
        for (size_t i = 0; i < cells; i++)
            sum[i] += (float)c[d] * y[i];
    }
    memcpy(y, sum, cells * sizeof *y);
    rc = 0;
out:
    free(sum);
    free(half);
    return rc;
}

static int low_pass(struct rec_model *model, struct parts *s, const struct rec_svd *svd, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_graph *filter = s->filter;
    size_t items = s->r.cols, k = svd->found, cells;
    double share = sqrt(filter->low_pass);

    if (k == 0 || filter->low_pass == 0)
        return 0;
    if (rec_size_mul(&cells, items, k) < 0 || rec_size_mul(&cells, s->r.rows, k) < 0)
        return rec_err_memory(err, "filter");
    float *history = rec_models_own(model, items * k, sizeof *history, err), *item = rec_models_own(model, items * k, sizeof *item, err);
    float *user = rec_models_own(model, s->r.rows * k, sizeof *user, err);
    if (!history || !item || !user)
        return -1;
    for (size_t i = 0; i < items; i++) {
        double x = to_the(s->popularity[i], -filter->low_pass_tilt), y = to_the(s->popularity[i], filter->low_pass_tilt);
        for (size_t j = 0; j < k; j++) {
            history[i * k + j] = (float)(x * share * svd->v[i * svd->k + j]);
            item[i * k + j] = (float)(y * share * svd->v[i * svd->k + j]);
        }
    }
    if (sharpen(s, item, k, job->threads, err) < 0)
        return -1;
    for (size_t i = 0; i < items; i++)
        for (size_t j = 0; j < k; j++)
            item[i * k + j] *= s->tilt[i];
    struct rec_sparse plain = s->r;
    plain.value = NULL;
    if (rec_sparse_times(user, &plain, history, k, job->threads, err) < 0)
        return -1;
    model->factors = k;
    model->history_factors = history;
    model->item_factors = item;
    model->user_factors = user;
    return 0;
}

/* ---- links --------------------------------------------------------------------------------------- */

/* Row j of P, in the order of its users. */
static void add_row(const struct parts *s, float *out, size_t stride, size_t j, double factor)
{
    for (int64_t p = s->t.ptr[j]; p < s->t.ptr[j + 1]; p++) {
        size_t u = (size_t)s->t.index[p];
        float w = (float)(factor * s->value_t[p]);
        for (int64_t q = s->r.ptr[u]; q < s->r.ptr[u + 1]; q++)
            out[(size_t)s->r.index[q] * stride] += w * s->value[q];
    }
}

/* Rows of sum c_d P^d, by Horner's rule with columns: P is symmetric. */
static int polynomial_rows(void *context, float *out, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct parts *s = context;
    size_t items = s->r.cols, width = end - begin;
    float *sum = s->space + thread * s->space_size, *next = sum + items * TILE, *half = next + items * TILE;

    if (s->degree <= 1) {
        for (size_t j = 0; j < width; j++) {
            add_row(s, out + j * items, 1, begin + j, s->coefficient[1]);
            out[j * items + begin + j] += (float)s->coefficient[0];
            for (size_t i = 0; s->filter->tilt != 0 && i < items; i++)
                out[j * items + i] *= s->tilt[i];
        }
        return 0;
    }
    memset(sum, 0, items * width * sizeof *sum);
    for (size_t j = 0; j < width; j++) {
        add_row(s, sum + j, width, begin + j, s->coefficient[s->degree]);
        sum[(begin + j) * width + j] += (float)s->coefficient[s->degree - 1];
    }
    for (size_t d = s->degree - 1; d-- > 0;) {
        if (rec_sparse_times(half, &s->r, sum, width, 1, err) < 0 || rec_sparse_times(next, &s->t, half, width, 1, err) < 0)
            return -1;
        for (size_t j = 0; j < width; j++)
            next[(begin + j) * width + j] += (float)s->coefficient[d];
        float *swap = sum;
        sum = next;
        next = swap;
    }
    for (size_t i = 0; i < items; i++)
        for (size_t j = 0; j < width; j++)
            out[j * items + i] = sum[i * width + j] * s->tilt[i];
    return 0;
}

static int links(struct rec_model *model, struct parts *s, const struct rec_train_job *job, struct rec_err *err)
{
    size_t rows, threads = job->threads ? job->threads : 1;

    if (s->degree > 1) {
        if (rec_size_mul(&rows, s->r.cols, 2) < 0 || rec_size_add(&rows, rows, s->r.rows) < 0 || rec_size_mul(&s->space_size, rows, TILE) < 0)
            return rec_err_memory(err, "filter");
        s->space = rec_malloc(s->space_size, threads * sizeof *s->space, "filter", err);
        if (!s->space)
            return -1;
    }
    return rec_linkrows_make(model, job, s->filter->keep, TILE, polynomial_rows, s, err);
}

/* How many singular vectors: no more than there are. */
static size_t vectors(const struct rec_graph *filter, const struct rec_sparse *r)
{
    size_t least = r->rows < r->cols ? r->rows : r->cols, k = filter->factors ? filter->factors : least / 16;

    if (!filter->factors)
        k = k < FEWEST ? FEWEST : k > MOST ? MOST : k;
    return k < least ? k : least;
}

int rec_graph_train(struct rec_model *model, const struct rec_graph *filter, const struct rec_train_job *given, struct rec_err *err)
{
    struct rec_train_job own = *given, *job = &own;
    struct parts s = {0};
    struct rec_svd svd = {0};
    int rc = -1;

    own.threads = given->threads ? given->threads : 1;
    svd.threads = own.threads;
    svd.seed = given->seed;
    if (set_up(&s, filter, job->ratings, err) < 0)
        goto out;
    /* The first singular value sets the scale of P, also where nothing else of them is wanted. */
    svd.k = filter->low_pass > 0 ? vectors(filter, &s.r) : 1;
    if (rec_svd_sparse(&svd, &s.r, &s.t, err) < 0)
        goto out;
    scale_by(&s, 1 / svd.sigma[0]);
    if (low_pass(model, &s, &svd, job, err) < 0)
        goto out;
    rc = links(model, &s, job, err);
out:
    rec_svd_clear(&svd);
    tear_down(&s);
    return rc;
}
