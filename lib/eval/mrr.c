/* SPDX-License-Identifier: MIT
 *
 * The reciprocal rank of the first relevant item, 0 when the first K hold none. */
#include "eval_priv.h"

static double at(const struct rec_hits *hits, size_t k)
{
    return hits->n > 0 && hits->rank[0] <= k ? 1.0 / hits->rank[0] : 0;
}

const struct rec_measure rec_mrr_measure = {
    .name = "mrr",
    .formula = "1 / rank of the first relevant among the first K",
    .source = "Voorhees, TREC-8 Question Answering (1999), ir-measures RR@K",
    .greater_is_better = true,
    .list = at,
};
