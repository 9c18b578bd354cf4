/* SPDX-License-Identifier: MIT
 *
 * Catalogue coverage: the share of all items that are in anybody's first K. */
#include "eval_priv.h"

#include <math.h>

static double of(const uint32_t *count, size_t n)
{
    size_t shown = 0;

    for (size_t i = 0; i < n; i++)
        shown += count[i] > 0;
    return n ? (double)shown / (double)n : NAN;
}

const struct rec_measure rec_coverage_measure = {
    .name = "coverage",
    .formula = "items that are among anybody's first K / all items",
    .source = "Ge, Delgado-Battenfeld and Jannach (RecSys 2010), catalogue coverage",
    .greater_is_better = true,
    .needs = REC_NEEDS_SHELF,
    .spread = of,
};
