/* SPDX-License-Identifier: MIT
 *
 * Gini's coefficient of how often items are listed: 0 when all are alike, near 1 when a few have all the places. */
#include "eval_priv.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static double of(const uint32_t *count, size_t n)
{
    uint32_t *sorted = rec_malloc(n ? n : 1, sizeof *sorted, "items", NULL);
    double sum = 0, weighted = 0;

    if (!sorted || n == 0) {
        free(sorted);
        return NAN;
    }
    memcpy(sorted, count, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, ascending);
    for (size_t i = 0; i < n; i++) {
        sum += sorted[i];
        weighted += (double)(i + 1) * sorted[i];
    }
    free(sorted);
    return sum > 0 ? 2 * weighted / ((double)n * sum) - ((double)n + 1) / (double)n : NAN;
}

const struct rec_measure rec_gini_measure = {
    .name = "gini",
    .formula = "2 sum i c_i / (n sum c_i) - (n + 1) / n, c ascending: how often each of n items is among the first K",
    .source = "Fleder and Hosanagar (Management Science 2009); Castells, Hurley and Vargas (2015)",
    .greater_is_better = false,
    .needs = REC_NEEDS_SHELF,
    .spread = of,
};
