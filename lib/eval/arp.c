/* SPDX-License-Identifier: MIT
 *
 * Average recommendation popularity: popularity bias as the share of all users who had the listed items. */
#include "eval_priv.h"

#include <math.h>

static double at(const struct rec_hits *hits, size_t k)
{
    size_t n = hits->length < k ? hits->length : k, known = 0;
    double sum = 0;

    for (size_t r = 0; r < n; r++)
        if (hits->list[r] >= 0) {
            sum += hits->shelf->popularity[hits->list[r]];
            known++;
        }
    return known ? sum / (double)known / hits->shelf->active : NAN;
}

const struct rec_measure rec_arp_measure = {
    .name = "arp",
    .formula = "mean of users of the item in training / users over the first K",
    .source = "Yin et al. (VLDB 2012); Abdollahpouri et al. (FLAIRS 2019), average recommendation popularity",
    .greater_is_better = false,
    .needs = REC_NEEDS_SHELF,
    .list = at,
};
