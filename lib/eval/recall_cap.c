/* SPDX-License-Identifier: MIT
 *
 * Recall by the other convention: divided by what a list of K could hold at most, so that 1 can be reached. */
#include "eval_priv.h"

static double at(const struct rec_hits *hits, size_t k)
{
    return (double)rec_judge_within(hits, k) / (double)(hits->relevant < k ? hits->relevant : k);
}

const struct rec_measure rec_recall_cap_measure = {
    .name = "recall_cap",
    .formula = "relevant among the first K / min(K, all relevant)",
    .source = "Liang et al., Mult-VAE (WWW 2018); BEIR R_cap@K",
    .greater_is_better = true,
    .list = at,
};
