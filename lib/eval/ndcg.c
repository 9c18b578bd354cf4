/* SPDX-License-Identifier: MIT
 *
 * Normalized discounted cumulative gain: sum of gain / log2(rank + 1) over the first K, divided by what the best possible list
 * of K would have. Binary unless gains are given; gains are taken as they are (not 2^gain - 1), as trec_eval's ndcg_cut does. */
#include "eval_priv.h"

static double at(const struct rec_hits *hits, size_t k)
{
    double dcg = 0, ideal = 0;

    for (size_t h = 0; h < hits->n && hits->rank[h] <= k; h++)
        dcg += hits->gain[h] * hits->discount[hits->rank[h] - 1];
    size_t best = hits->relevant < k ? hits->relevant : k;
    for (size_t r = 0; r < best; r++)
        ideal += (hits->ideal ? hits->ideal[r] : 1.0) * hits->discount[r];
    return dcg / ideal;
}

const struct rec_measure rec_ndcg_measure = {
    .name = "ndcg",
    .formula = "DCG@K / ideal DCG@K, DCG = sum gain / log2(rank + 1)",
    .source = "Jarvelin and Kekalainen (TOIS 2002), as trec_eval ndcg_cut",
    .greater_is_better = true,
    .list = at,
};
