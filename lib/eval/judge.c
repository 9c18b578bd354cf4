/* SPDX-License-Identifier: MIT
 *
 * A ranked list against the relevant items. Only the places of the hits are kept: lists are long and hits are few, so each
 * measure at each cut-off costs a handful of steps. */
#include "eval_priv.h"

#include <math.h>

size_t rec_judge_within(const struct rec_hits *hits, size_t k)
{
    size_t n = 0;

    while (n < hits->n && hits->rank[n] <= k)
        n++;
    return n;
}

int rec_judge_descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x < y) - (x > y);
}

int rec_judge_reserve(struct rec_judge *judge, size_t n, size_t m, struct rec_err *err)
{
    if (n > judge->cap) {
        if (rec_realloc(&judge->rank, n, sizeof *judge->rank, "ranked list", err) < 0 ||
            rec_realloc(&judge->gain, n, sizeof *judge->gain, "ranked list", err) < 0)
            return -1;
        judge->cap = n;
    }
    if (m > judge->ideal_cap) {
        if (rec_realloc(&judge->ideal, m, sizeof *judge->ideal, "relevant items", err) < 0)
            return -1;
        judge->ideal_cap = m;
    }
    return 0;
}

/* Where `item` stands among the relevant, or -1. */
static ptrdiff_t find(const int32_t *relevant, size_t n, int32_t item)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (relevant[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && relevant[low] == item ? (ptrdiff_t)low : -1;
}

int rec_judge_list(struct rec_hits *hits, struct rec_judge *judge, const int32_t *list, size_t n, const int32_t *relevant,
                   const float *gain, size_t n_relevant, size_t beyond, struct rec_err *err)
{
    size_t found = 0, all;

    if (rec_size_add(&all, n_relevant, beyond) < 0)
        return rec_err_memory(err, "relevant items");
    if (rec_judge_reserve(judge, n < n_relevant ? n : n_relevant, gain ? all : 0, err) < 0)
        return -1;
    for (size_t r = 0; r < n && list[r] >= 0 && found < n_relevant; r++) {
        ptrdiff_t at = find(relevant, n_relevant, list[r]);
        if (at < 0)
            continue;
        judge->rank[found] = (uint32_t)(r + 1);
        judge->gain[found++] = gain ? gain[at] : 1;
    }
    if (gain) {
        for (size_t i = 0; i < all; i++)
            judge->ideal[i] = i < n_relevant ? gain[i] : 1;
        qsort(judge->ideal, all, sizeof *judge->ideal, rec_judge_descending);
    }
    *hits = (struct rec_hits){.rank = judge->rank, .gain = judge->gain, .n = found, .ideal = gain ? judge->ideal : NULL,
                              .relevant = all};
    return 0;
}

void rec_judge_clear(struct rec_judge *judge)
{
    free(judge->rank);
    free(judge->gain);
    free(judge->ideal);
    *judge = (struct rec_judge){0};
}
