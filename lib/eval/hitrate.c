/* SPDX-License-Identifier: MIT
 *
 * Whether the first K hold anything relevant. */
#include "eval_priv.h"

static double at(const struct rec_hits *hits, size_t k)
{
    return hits->n > 0 && hits->rank[0] <= k ? 1 : 0;
}

const struct rec_measure rec_hitrate_measure = {
    .name = "hitrate",
    .formula = "1 when a relevant item is among the first K, else 0",
    .source = "Deshpande and Karypis (TOIS 2004), ir-measures Success@K",
    .greater_is_better = true,
    .list = at,
};
