/* SPDX-License-Identifier: MIT
 *
 * Factors of histories, by conjugate gradients with the diagonal for a preconditioner; all columns take the same steps.
 */
#include "svdpp_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRAIN = 128 };

static double row_length(const struct rec_svdpp *h, int32_t user)
{
    return (double)(h->r->user_ptr[user + 1] - h->r->user_ptr[user]);
}

int rec_svdpp_init(struct rec_svdpp *h, const struct rec_ratings *r, const struct rec_strata *s, const struct rec_sgd_row *user,
                     const struct rec_sgd_row *item, size_t ld, unsigned threads, struct rec_err *err)
{
    memset(h, 0, sizeof *h);
    h->r = r;
    h->strata = s;
    h->ld = ld;
    h->threads = threads;
    h->y = rec_strata_floats(&h->memory[0], r->n_items, ld, "history", err);
    h->m = rec_strata_floats(&h->memory[1], r->n_users, ld, "history", err);
    h->residual = rec_strata_floats(&h->memory[2], r->n_items, ld, "history", err);
    h->step = rec_strata_floats(&h->memory[3], r->n_items, ld, "history", err);
    h->product = rec_strata_floats(&h->memory[4], r->n_items, ld, "history", err);
    h->forward = rec_strata_floats(&h->memory[5], r->n_users, ld, "history", err);
    h->weight = rec_calloc(r->n_users, sizeof *h->weight, "history", err);
    h->penalty = rec_calloc(r->n_items, sizeof *h->penalty, "history", err);
    h->diagonal = rec_calloc(r->n_items, sizeof *h->diagonal, "history", err);
    if (!h->y || !h->m || !h->residual || !h->step || !h->product || !h->forward || !h->weight || !h->penalty || !h->diagonal ||
        rec_csr_transpose(&h->by_item, r->n_users, r->n_items, r->user_ptr, r->item, NULL, err) < 0)
        return -1;
    for (size_t k = 0; k < r->n_users; k++)
        h->weight[k] = user[k].penalty * (float)row_length(h, s->user.number[k]);
    for (size_t k = 0; k < r->n_items; k++) {
        int32_t i = s->item.number[k];
        double sum = 0;
        for (int64_t p = h->by_item.ptr[i]; p < h->by_item.ptr[i + 1]; p++)
            sum += (double)h->weight[s->user.row[h->by_item.index[p]]] / row_length(h, h->by_item.index[p]);
        h->penalty[k] = item[k].penalty * (float)(h->by_item.ptr[i + 1] - h->by_item.ptr[i]);
        h->diagonal[k] = (float)fmax(sum + (double)h->penalty[k], 1e-30);
    }
    return 0;
}

void rec_svdpp_clear(struct rec_svdpp *h)
{
    for (size_t i = 0; i < REC_LENGTH(h->memory); i++)
        free(h->memory[i]);
    free(h->weight);
    free(h->penalty);
    free(h->diagonal);
    rec_csr_clear(&h->by_item);
    memset(h, 0, sizeof *h);
}

/* forward = A step. */
static int users_of_items(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct rec_svdpp *h = context;

    for (size_t k = begin; k < end; k++) {
        int32_t u = h->strata->user.number[k];
        float *to = h->forward + k * h->ld, scale = (float)(1 / sqrt(fmax(row_length(h, u), 1)));
        memset(to, 0, h->ld * sizeof *to);
        for (int64_t p = h->r->user_ptr[u]; p < h->r->user_ptr[u + 1]; p++)
            rec_kernels_axpy(to, scale, h->step + (size_t)h->strata->item.row[h->r->item[p]] * h->ld, h->ld);
    }
    (void)thread, (void)err;
    return 0;
}

struct transposed {
    struct rec_svdpp *h;
    const float *from;
};

/* product = A' W from. */
static int items_of_users(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct transposed *t = context;
    const struct rec_svdpp *h = t->h;

    for (size_t k = begin; k < end; k++) {
        int32_t i = h->strata->item.number[k];
        float *to = h->product + k * h->ld;
        memset(to, 0, h->ld * sizeof *to);
        for (int64_t p = h->by_item.ptr[i]; p < h->by_item.ptr[i + 1]; p++) {
            size_t row = (size_t)h->strata->user.row[h->by_item.index[p]];
            rec_kernels_axpy(to, h->weight[row] / (float)sqrt(row_length(h, h->by_item.index[p])), t->from + row * h->ld, h->ld);
        }
    }
    (void)thread, (void)err;
    return 0;
}

/* residual = A' W own - penalty y: what own and penalty ask of y. Returns residual . residual / diagonal. */
static double begin(struct rec_svdpp *h)
{
    double sum = 0;

    for (size_t k = 0; k < h->strata->item.n; k++)
        for (size_t at = k * h->ld; at < (k + 1) * h->ld; at++) {
            h->residual[at] = h->product[at] - h->penalty[k] * h->y[at];
            h->step[at] = h->residual[at] / h->diagonal[k];
            sum += (double)h->residual[at] * h->step[at];
        }
    return sum;
}

/* One step along h->step, of which product = A' W A step and forward = A step; and the direction of the next. Returns residual . residual / diagonal. */
static double advance(struct rec_svdpp *h, float *own, double size)
{
    size_t users = h->strata->user.n * h->ld;
    double curve = 0, sum = 0;
    float length;

    for (size_t k = 0; k < h->strata->item.n; k++)
        for (size_t at = k * h->ld; at < (k + 1) * h->ld; at++) {
            h->product[at] += h->penalty[k] * h->step[at];
            curve += (double)h->product[at] * h->step[at];
        }
    length = curve > 0 ? (float)(size / curve) : 0;
    for (size_t k = 0; k < h->strata->item.n; k++)
        for (size_t at = k * h->ld; at < (k + 1) * h->ld; at++) {
            h->y[at] += length * h->step[at];
            h->residual[at] -= length * h->product[at];
            sum += (double)h->residual[at] * h->residual[at] / h->diagonal[k];
        }
    for (size_t k = 0; k < h->strata->item.n; k++)
        for (size_t at = k * h->ld; at < (k + 1) * h->ld; at++)
            h->step[at] = h->residual[at] / h->diagonal[k] + (float)(sum / size) * h->step[at];
    for (size_t at = 0; at < users; at++) {
        h->m[at] += length * h->forward[at];
        own[at] -= length * h->forward[at];
    }
    return sum;
}

int rec_svdpp_fit(struct rec_svdpp *h, float *own, int steps, struct rec_err *err)
{
    struct transposed from_own = {h, own}, from_forward = {h, h->forward};
    double size;

    if (rec_pool_run(h->threads, h->strata->item.n, GRAIN, items_of_users, &from_own, err) < 0)
        return -1;
    size = begin(h);
    for (int i = 0; i < steps && size > 1e-30 && isfinite(size); i++) {
        if (rec_pool_run(h->threads, h->strata->user.n, GRAIN, users_of_items, h, err) < 0 ||
            rec_pool_run(h->threads, h->strata->item.n, GRAIN, items_of_users, &from_forward, err) < 0)
            return -1;
        size = advance(h, own, size);
    }
    return 0;
}
