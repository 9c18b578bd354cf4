/* SPDX-License-Identifier: MIT
 *
 * The list of the best k so far, one per user: what the kernels hand the scores that beat its threshold to.
 * Items must be offered in ascending order, because the list walks along what the user has seen.
 *
 * A list takes hits unsorted until it is full at k and some more, then throws all but the best k away and raises the
 * threshold. That is quicker than a heap, which mispredicts a branch at nearly every level.
 */
#ifndef REC_TOPK_PRIV_H
#define REC_TOPK_PRIV_H

#include <rec/kernels.h>

struct topk_list {
    struct rec_topk_hit *best, *more; /* keys of hits (topk.c): the first k, then those beyond */
    size_t count, k, full;
    const int32_t *seen, *seen_end;
    const uint8_t *allowed;
};

/* How many hits beyond k a list has room for, at most MORE. */
enum { MORE = 256 };
size_t rec_topk_list_more(size_t k);

/* An empty list in out and more; returns the threshold that scores must exceed. */
float rec_topk_list_init(struct topk_list *l, struct rec_topk_hit *out, struct rec_topk_hit *more, size_t k,
                         const struct rec_topk_seen *seen, const uint8_t *allowed);

/* Offers items first + i for the bits i of mask, whose scores are score[i]; returns the new threshold. */
float rec_topk_list_offer(struct topk_list *l, float threshold, int32_t first, uint64_t mask, const float *score);

/* Leaves the hits in out, best first; returns how many. */
size_t rec_topk_list_finish(struct topk_list *l);

#endif
