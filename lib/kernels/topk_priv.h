/* SPDX-License-Identifier: MIT
 *
 * The list of the best k so far, one per user: what the kernels hand the scores that beat its threshold to.
 * Items must be offered in ascending order, because the list walks along what the user has seen.
 */
#ifndef REC_TOPK_PRIV_H
#define REC_TOPK_PRIV_H

#include <rec/kernels.h>

struct topk_list {
    struct rec_topk_hit *heap; /* keys of hits, the worst at the root (topk.c) */
    size_t count, k;
    const int32_t *seen, *seen_end;
    const uint8_t *allowed;
};

/* An empty list, and the threshold that scores must exceed. */
float rec_topk_list_init(struct topk_list *l, struct rec_topk_hit *out, size_t k, const struct rec_topk_seen *seen,
                         const uint8_t *allowed);

/* Offers items first + i for the bits i of mask, whose scores are score[i]; returns the new threshold. */
float rec_topk_list_offer(struct topk_list *l, float threshold, int32_t first, uint64_t mask, const float *score);

/* Turns the heap into hits, best first; returns how many. */
size_t rec_topk_list_finish(struct topk_list *l);

#endif
