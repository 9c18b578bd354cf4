/* SPDX-License-Identifier: MIT
 *
 * Wilcoxon's signed rank test (Biometrics Bulletin 1(6), 1945), two-sided. Differences of 0 are left out; equal sizes share the mean of their ranks. The
 * distribution of the rank sum is counted exactly for up to 50 differences without zeros and ties, and is taken as normal, its variance corrected for
 * ties, for others: as scipy.stats.wilcoxon does.
 */
#include <rec/eval.h>

#include <math.h>
#include <stdlib.h>

enum { EXACT = 50 };

static int by_size(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);

    return x < y ? -1 : x > y;
}

/* P(W <= w) of n untied differences: counts the subsets of 1..n by their sums. */
static double exact_below(size_t n, size_t w)
{
    double count[EXACT * (EXACT + 1) / 2 + 1] = {1}, sum = 0;
    size_t most = n * (n + 1) / 2;

    for (size_t r = 1; r <= n; r++)
        for (size_t s = most; s >= r; s--)
            count[s] += count[s - r];
    for (size_t s = 0; s <= w; s++)
        sum += count[s];
    return ldexp(sum, -(int)n);
}

/* Ranks of the sorted differences; returns the sum of t^3 - t over ties of t. */
static double rank_sums(double *plus, double *minus, const double *d, size_t n)
{
    double ties = 0;

    *plus = *minus = 0;
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && fabs(d[end]) == fabs(d[i]);)
            end++;
        double t = (double)(end - i), rank = (double)i + (t + 1) / 2;
        ties += t * t * t - t;
        for (size_t k = i; k < end; k++)
            *(d[k] > 0 ? plus : minus) += rank;
    }
    return ties;
}

int rec_wilcoxon_test(double *p, const double *difference, size_t n, struct rec_err *err)
{
    double *d = rec_malloc(n ? n : 1, sizeof *d, "differences", err), plus, minus, ties, m;
    size_t kept = 0;

    if (!d)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (difference[i] != 0)
            d[kept++] = difference[i];
    qsort(d, kept, sizeof *d, by_size);
    ties = rank_sums(&plus, &minus, d, kept);
    free(d);
    m = (double)kept;
    double least = plus < minus ? plus : minus, variance = (m * (m + 1) * (2 * m + 1) - ties / 2) / 24;
    if (kept == 0)
        *p = 1;
    else if (kept == n && n <= EXACT && ties == 0)
        *p = fmin(1, 2 * exact_below(n, (size_t)least));
    else
        *p = erfc((m * (m + 1) / 4 - least) / sqrt(variance) / M_SQRT2);
    return 0;
}
