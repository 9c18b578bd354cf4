/* SPDX-License-Identifier: MIT
 *
 * Average precision: the precision at each relevant item of the first K, summed and divided by the number of all relevant
 * items, also where they are more than K. This is trec_eval's map_cut and ir-measures' AP@K; some libraries divide by
 * min(K, relevant) and get more. */
#include "eval_priv.h"

static double at(const struct rec_hits *hits, size_t k)
{
    double sum = 0;

    for (size_t h = 0; h < hits->n && hits->rank[h] <= k; h++)
        sum += (double)(h + 1) / hits->rank[h];
    return sum / (double)hits->relevant;
}

const struct rec_measure rec_map_measure = {
    .name = "map",
    .formula = "sum of precision at each relevant among the first K / all relevant",
    .source = "trec_eval map_cut, ir-measures AP@K",
    .greater_is_better = true,
    .list = at,
};
