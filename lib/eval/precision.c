/* SPDX-License-Identifier: MIT
 *
 * The share of the first K that is relevant. A list shorter than K is no excuse: the divisor is K, as in trec_eval's P. */
#include "eval_priv.h"

static double at(const struct rec_hits *hits, size_t k)
{
    return (double)rec_judge_within(hits, k) / (double)k;
}

const struct rec_measure rec_precision_measure = {
    .name = "precision",
    .formula = "relevant among the first K / K",
    .source = "trec_eval P",
    .greater_is_better = true,
    .list = at,
};
