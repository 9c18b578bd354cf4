/* SPDX-License-Identifier: MIT
 *
 * F1: the harmonic mean of precision and recall, 2 hits / (K + relevant). */
#include "eval_priv.h"

static double at(const struct rec_hits *hits, size_t k)
{
    return 2 * (double)rec_judge_within(hits, k) / ((double)k + (double)hits->relevant);
}

const struct rec_measure rec_f1_measure = {
    .name = "f1",
    .formula = "2 * relevant among the first K / (K + all relevant)",
    .source = "van Rijsbergen, Information Retrieval (1979), of precision@K and recall@K",
    .greater_is_better = true,
    .list = at,
};
