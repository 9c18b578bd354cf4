/* SPDX-License-Identifier: MIT
 *
 * The area under the ROC curve as far as a list of K tells: pairs of a relevant and an irrelevant item in the right order. What is not listed is taken to
 * be in no order: an irrelevant item there stands below all hits and, on the average, below half of the relevant items that were not found. */
#include "eval_priv.h"

#include <math.h>

static double at(const struct rec_hits *hits, size_t k)
{
    double n = (double)rec_judge_within(hits, k), length = (double)(hits->candidates < k ? hits->candidates : k), relevant = (double)hits->relevant,
           others = (double)hits->candidates - relevant, pairs = 0;

    if (others <= 0)
        return NAN;
    for (size_t h = 0; h < (size_t)n; h++)
        pairs += length - hits->rank[h] - (n - 1 - (double)h);
    return (pairs + (n + relevant) / 2 * (others - (length - n))) / (relevant * others);
}

const struct rec_measure rec_auc_measure = {
    .name = "auc",
    .formula = "pairs of relevant and other item in the right order / pairs, what is beyond K in random order",
    .source = "Schroder et al., Setting Goals and Choosing Metrics (RecSys workshop 2011), implicit AUC_at_k",
    .greater_is_better = true,
    .list = at,
};
