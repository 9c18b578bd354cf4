/* SPDX-License-Identifier: MIT
 *
 * Rank-biased precision: a reader goes on to the next item with probability p = 0.8, and what they find useful is summed. Gains count as gain / greatest
 * gain of this user; binary ones as 1. */
#include "eval_priv.h"

#include <math.h>

static const double persistence = 0.8;

static double at(const struct rec_hits *hits, size_t k)
{
    double sum = 0, most = hits->ideal ? (double)hits->ideal[0] : 1;

    for (size_t h = 0; h < hits->n && hits->rank[h] <= k; h++)
        sum += (double)hits->gain[h] / most * pow(persistence, (double)hits->rank[h] - 1);
    return (1 - persistence) * sum;
}

const struct rec_measure rec_rbp_measure = {
    .name = "rbp",
    .formula = "(1 - p) * sum of p^(rank - 1) over the relevant among the first K, p = 0.8",
    .source = "Moffat and Zobel (TOIS 2008), ir-measures RBP(p=0.8)@K",
    .greater_is_better = true,
    .list = at,
};
