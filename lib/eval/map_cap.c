/* SPDX-License-Identifier: MIT
 *
 * Average precision by the other convention: divided by what a list of K could hold at most. */
#include "eval_priv.h"

static double at(const struct rec_hits *hits, size_t k)
{
    double sum = 0;

    for (size_t h = 0; h < hits->n && hits->rank[h] <= k; h++)
        sum += (double)(h + 1) / hits->rank[h];
    return sum / (double)(hits->relevant < k ? hits->relevant : k);
}

const struct rec_measure rec_map_cap_measure = {
    .name = "map_cap",
    .formula = "sum of precision at each relevant among the first K / min(K, all relevant)",
    .source = "the Million Song Dataset Challenge (2012), implicit's mean_average_precision_at_k",
    .greater_is_better = true,
    .list = at,
};
