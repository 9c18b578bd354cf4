/* SPDX-License-Identifier: MIT
 *
 * Intra-list diversity: how unlike each other the listed items are, on the mean over pairs: 1 less the Jaccard similarity of their genres. Items without
 * genres are left out. */
#include "eval_priv.h"

#include <math.h>

/* Both ascend. */
static double unlike(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b)
{
    size_t both = 0;

    for (size_t i = 0, j = 0; i < n_a && j < n_b;) {
        int32_t x = a[i], y = b[j];
        both += x == y;
        i += x <= y;
        j += y <= x;
    }
    return 1 - (double)both / (double)(n_a + n_b - both);
}

static double at(const struct rec_hits *hits, size_t k)
{
    size_t n = hits->length < k ? hits->length : k, pairs = 0, n_a, n_b;
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const int32_t *a = rec_shelf_genres(hits->shelf, hits->list[i], &n_a);
        for (size_t j = i + 1; a && j < n; j++) {
            const int32_t *b = rec_shelf_genres(hits->shelf, hits->list[j], &n_b);
            if (!b)
                continue;
            sum += unlike(a, n_a, b, n_b);
            pairs++;
        }
    }
    return pairs ? sum / (double)pairs : NAN;
}

const struct rec_measure rec_ild_measure = {
    .name = "ild",
    .formula = "mean over pairs of the first K of 1 - Jaccard similarity of genres",
    .source = "Smyth and McClave (ICCBR 2001); Ziegler et al. (WWW 2005)",
    .greater_is_better = true,
    .needs = REC_NEEDS_SHELF | REC_NEEDS_GENRES,
    .list = at,
};
