/* SPDX-License-Identifier: MIT
 *
 * Student's paired t test and a permutation of signs, of the differences between two systems' figures, user by user: what Smucker, Allan and
 * Carterette (CIKM 2007) find fit for measures of ranking.
 *
 * The distribution of t is the regularized incomplete beta function I_x(df / 2, 1 / 2) at x = df / (df + t^2) (DLMF 8.17; Abramowitz and
 * Stegun 26.7.1), by its continued fraction (DLMF 8.17.22) in the order of Lentz.
 */
#include <rec/eval.h>

#include <float.h>
#include <math.h>

/* ---- Student's t ---- */

enum { TERMS_MAX = 200000 };

/* The continued fraction of I_x(a, b), which converges fast for x below (a + 1) / (a + b + 2). */
static double fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1), f;

    d = 1 / (fabs(d) < tiny ? tiny : d);
    f = d;
    for (int m = 1; m < TERMS_MAX; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), step;

        d = 1 + even * d;
        c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        f *= d * c;
        d = 1 + odd * d;
        c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        step = d * c;
        f *= step;
        if (fabs(step - 1) < DBL_EPSILON)
            break;
    }
    return f;
}

/* I_x(a, b), where y = 1 - x is told as well: near 1 the one says nothing of the other. */
static double incomplete_beta(double a, double b, double x, double y)
{
    int sign;
    double front;

    if (x <= 0)
        return 0;
    if (y <= 0)
        return 1;
    front = exp(lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) + a * log(x) + b * log(y));
    if (x < (a + 1) / (a + b + 2))
        return front * fraction(a, b, x) / a;
    return 1 - front * fraction(b, a, y) / b;
}

double rec_paired_tail(double t, double df)
{
    double both;

    if (isnan(t) || isinf(t))
        return isnan(t) ? NAN : t > 0 ? 0 : 1;
    both = incomplete_beta(df / 2, 0.5, df / (df + t * t), t * t / (df + t * t));
    return t > 0 ? both / 2 : 1 - both / 2;
}

double rec_paired_quantile(double tail, double df)
{
    double low = -1, high = 1;

    if (!(tail > 0 && tail < 1))
        return NAN;
    while (rec_paired_tail(low, df) < tail && low > -1e300)
        low *= 2;
    while (rec_paired_tail(high, df) > tail && high < 1e300)
        high *= 2;
    for (int i = 0; i < 200; i++) {
        double middle = low + (high - low) / 2;
        if (middle <= low || middle >= high)
            break;
        if (rec_paired_tail(middle, df) > tail)
            low = middle;
        else
            high = middle;
    }
    return high;
}

/* ---- the test ---- */

void rec_paired_test(struct rec_paired *out, const double *difference, size_t n)
{
    double sum = 0, squares = 0;

    *out = (struct rec_paired){.n = n, .mean = NAN, .error = NAN, .t = NAN, .greater = NAN, .less = NAN, .either = NAN};
    for (size_t i = 0; i < n; i++)
        sum += difference[i];
    if (n > 0)
        out->mean = sum / (double)n;
    if (n < 2)
        return;
    for (size_t i = 0; i < n; i++)
        squares += (difference[i] - out->mean) * (difference[i] - out->mean);
    out->error = sqrt(squares / (double)(n - 1) / (double)n);
    out->t = out->error > 0 ? out->mean / out->error : out->mean > 0 ? (double)INFINITY : out->mean < 0 ? -(double)INFINITY : 0;
    out->greater = rec_paired_tail(out->t, (double)(n - 1));
    out->less = rec_paired_tail(-out->t, (double)(n - 1));
    out->either = 2 * (out->greater < out->less ? out->greater : out->less);
}

double rec_paired_low(const struct rec_paired *paired, double tail)
{
    return paired->n < 2 ? (double)NAN : paired->mean - rec_paired_quantile(tail, (double)(paired->n - 1)) * paired->error;
}

double rec_paired_high(const struct rec_paired *paired, double tail)
{
    return paired->n < 2 ? (double)NAN : paired->mean + rec_paired_quantile(tail, (double)(paired->n - 1)) * paired->error;
}

/* The sum of the differences with signs that are drawn. */
static double flipped(const double *difference, size_t n, struct rec_rng *rng)
{
    double drawn = 0;
    uint64_t bits = 0;

    for (size_t i = 0; i < n; i++, bits >>= 1) {
        if (i % 64 == 0)
            bits = rec_rng_next(rng);
        drawn += bits & 1 ? difference[i] : -difference[i];
    }
    return drawn;
}

/* How often the drawn sums reach the observed one. The tolerance is for sums that are equal but for rounding. */
static double permutation(const double *difference, size_t n, size_t rounds, uint64_t seed, bool either)
{
    double sum = 0, sizes = 0;
    size_t reached = 0;
    struct rec_rng rng;

    rec_rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < n; i++) {
        sum += difference[i];
        sizes += fabs(difference[i]);
    }
    for (size_t r = 0; r < rounds; r++) {
        double drawn = flipped(difference, n, &rng);
        reached += (either ? fabs(drawn) : drawn) >= (either ? fabs(sum) : sum) - sizes * 1e-12;
    }
    return (double)(reached + 1) / (double)(rounds + 1);
}

double rec_paired_permutation(const double *difference, size_t n, size_t rounds, uint64_t seed)
{
    return permutation(difference, n, rounds, seed, false);
}

double rec_paired_permutation_either(const double *difference, size_t n, size_t rounds, uint64_t seed)
{
    return permutation(difference, n, rounds, seed, true);
}
