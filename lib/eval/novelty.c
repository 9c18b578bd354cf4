/* SPDX-License-Identifier: MIT
 *
 * Novelty: how surprised one would be that a listed item is chosen, if users chose by popularity: its self-information in bits. An item that nobody had
 * counts as if one user had. */
#include "eval_priv.h"

#include <math.h>

static double at(const struct rec_hits *hits, size_t k)
{
    size_t n = hits->length < k ? hits->length : k, known = 0;
    double sum = 0;

    for (size_t r = 0; r < n; r++) {
        if (hits->list[r] < 0)
            continue;
        uint32_t users = hits->shelf->popularity[hits->list[r]];
        sum += log2(hits->shelf->active / (users ? users : 1));
        known++;
    }
    return known ? sum / (double)known : NAN;
}

const struct rec_measure rec_novelty_measure = {
    .name = "novelty",
    .formula = "mean of log2(users / users of the item in training) over the first K",
    .source = "Zhou et al. (PNAS 2010); Vargas and Castells (RecSys 2011), mean self-information",
    .greater_is_better = true,
    .needs = REC_NEEDS_SHELF,
    .list = at,
};
