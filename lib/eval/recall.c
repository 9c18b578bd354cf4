/* SPDX-License-Identifier: MIT
 *
 * The share of what is relevant that the first K hold: over all relevant items, also where they are more than K. */
#include "eval_priv.h"

static double at(const struct rec_hits *hits, size_t k)
{
    return (double)rec_judge_within(hits, k) / (double)hits->relevant;
}

const struct rec_measure rec_recall_measure = {
    .name = "recall",
    .formula = "relevant among the first K / all relevant",
    .source = "trec_eval recall; He et al., LightGCN (SIGIR 2020)",
    .greater_is_better = true,
    .list = at,
};
