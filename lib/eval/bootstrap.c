/* SPDX-License-Identifier: MIT
 *
 * Limits of a mean by drawing the sample again, with replacement, many times (Efron, Annals of Statistics 7(1), 1979): the quantiles of the means that are
 * drawn.
 */
#include <rec/eval.h>

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Linear between order statistics, as numpy.percentile. */
static double quantile(const double *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;

    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

int rec_bootstrap_limits(double *low, double *high, const double *x, size_t n, double tail, size_t rounds, uint64_t seed, struct rec_err *err)
{
    double *mean = rec_malloc(rounds ? rounds : 1, sizeof *mean, "bootstrap", err);
    struct rec_rng rng;

    if (!mean)
        return -1;
    *low = *high = NAN;
    rec_rng_seed(&rng, seed, 0);
    for (size_t r = 0; r < rounds && n > 0; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += x[rec_rng_below(&rng, n)];
        mean[r] = sum / (double)n;
    }
    if (rounds > 0 && n > 0) {
        qsort(mean, rounds, sizeof *mean, ascending);
        *low = quantile(mean, rounds, tail);
        *high = quantile(mean, rounds, 1 - tail);
    }
    free(mean);
    return 0;
}
