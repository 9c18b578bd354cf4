/* SPDX-License-Identifier: MIT
 *
 * Bayesian matrix factorization: when a rating was given, as three numbers in bins: its date; its position among its user's ratings, counted in halves
 * (2 for each before it, 1 for each of the same second); the pace, which is how many of their others were given within half a minute. Edges are
 * quantiles. Of a rating of the training its own does not count, as it does not for a pair that is to be predicted.
 */
#include "bmf_priv.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

/* Distinct quantiles, none of which is the least value. */
static size_t set_edges(int64_t *edge, int64_t *sorted, size_t n, size_t bins)
{
    size_t edges = 0;

    qsort(sorted, n, sizeof *sorted, compare);
    for (size_t b = 1; b < bins; b++) {
        int64_t at = sorted[(size_t)((double)n / (double)bins * (double)b)];
        if (at > (edges ? edge[edges - 1] : sorted[0]))
            edge[edges++] = at;
    }
    return edges;
}

static int set_bins(struct bmf *b, struct bmf_context *c, const int64_t *value, int64_t *sorted, size_t bins, struct rec_err *err)
{
    size_t nnz = b->r->nnz;

    memcpy(sorted, value, nnz * sizeof *value);
    c->edge = rec_bmf_own(b, bins, sizeof *c->edge, err);
    c->bin = rec_bmf_own(b, nnz, sizeof *c->bin, err);
    c->rating = rec_bmf_own(b, nnz, sizeof *c->rating, err);
    if (!c->edge || !c->bin || !c->rating)
        return -1;
    c->bins = 1 + set_edges(c->edge, sorted, nnz, bins);
    c->ptr = rec_bmf_own(b, c->bins + 1, sizeof *c->ptr, err);
    c->x = rec_bmf_own(b, c->bins * b->ld, sizeof *c->x, err);
    c->prior.mean = rec_bmf_own(b, 2 * b->k, sizeof *c->prior.mean, err);
    if (!c->ptr || !c->x || !c->prior.mean)
        return -1;
    c->prior.precision = c->prior.mean + b->k;
    for (size_t k = 0; k < b->k; k++)
        c->prior.precision[k] = 1;
    for (size_t n = 0; n < nnz; n++) {
        c->bin[n] = (uint16_t)rec_context_bin(c->edge, c->bins - 1, value[n]);
        c->ptr[c->bin[n] + 1]++;
    }
    for (size_t k = 0; k < c->bins; k++)
        c->ptr[k + 1] += c->ptr[k];
    for (size_t n = 0; n < nnz; n++)
        c->rating[c->ptr[c->bin[n]]++] = (int32_t)n;
    for (size_t k = c->bins; k > 0; k--)
        c->ptr[k] = c->ptr[k - 1];
    c->ptr[0] = 0;
    return 0;
}

/* value[kind][n] of every rating. */
static void measure(struct bmf *b, int64_t *const value[REC_CONTEXTS])
{
    const struct rec_ratings *r = b->r;

    memcpy(b->seen_time, r->time, r->nnz * sizeof *b->seen_time);
    for (size_t u = 0; u < r->n_users; u++) {
        int64_t begin = r->user_ptr[u], n = r->user_ptr[u + 1] - begin;
        qsort(b->seen_time + begin, (size_t)n, sizeof *b->seen_time, compare);
        for (int64_t p = begin; p < begin + n; p++) {
            int64_t at[REC_CONTEXTS];
            rec_context_values(at, b->seen_time + begin, (size_t)n, r->time[p]);
            b->user_of[p] = (int32_t)u;
            value[REC_CONTEXT_DATE][p] = at[REC_CONTEXT_DATE];
            value[REC_CONTEXT_POSITION][p] = at[REC_CONTEXT_POSITION] - 1;
            value[REC_CONTEXT_PACE][p] = at[REC_CONTEXT_PACE] - 1;
        }
    }
}

int rec_bmf_contexts(struct bmf *b, const size_t *bins, struct rec_err *err)
{
    size_t nnz = b->r->nnz;
    int64_t *value[REC_CONTEXTS + 1] = {NULL};
    bool any = false;
    int rc = -1;

    for (size_t c = 0; c < REC_CONTEXTS; c++)
        any |= bins[c] > 1;
    if (!any || !b->r->time)
        return 0;
    b->around = rec_bmf_own(b, nnz * b->ld, sizeof *b->around, err);
    b->seen_time = rec_bmf_own(b, nnz, sizeof *b->seen_time, err);
    b->user_of = rec_bmf_own(b, nnz, sizeof *b->user_of, err);
    for (size_t c = 0; c <= REC_CONTEXTS; c++) {
        value[c] = rec_malloc(nnz, sizeof *value[c], "bmf", err);
        if (!value[c])
            goto out;
    }
    if (!b->around || !b->seen_time || !b->user_of)
        goto out;
    measure(b, value);
    for (size_t c = 0; c < REC_CONTEXTS; c++)
        if (bins[c] > 1 && set_bins(b, &b->context[c], value[c], value[REC_CONTEXTS], bins[c], err) < 0)
            goto out;
    rc = 0;
out:
    for (size_t c = 0; c <= REC_CONTEXTS; c++)
        free(value[c]);
    return rc;
}
