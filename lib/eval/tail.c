/* SPDX-License-Identifier: MIT
 *
 * Tails of two distributions.
 *
 * Chi-square: the regularized incomplete gamma function Q(df / 2, x / 2), by its series (DLMF 8.11.4) where x is small and by its continued fraction
 * (DLMF 8.9.2) in the order of Lentz where it is not.
 *
 * Kolmogorov and Smirnov: the choice of method is that of Simard and L'Ecuyer, "Computing the Two-Sided Kolmogorov-Smirnov Distribution", Journal of
 * Statistical Software 39(11), 2011: twice the one-sided tail far out, Durbin's matrix (Marsaglia, Tsang and Wang 2003) for few observations or a
 * small statistic, the expansion of Pelz and Good (1976) for the rest.
 */
#include <rec/eval.h>

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TERMS_MAX = 100000 };

/* ---- chi-square ---- */

static double gamma_front(double a, double x)
{
    int sign;

    return exp(a * log(x) - x - lgamma_r(a, &sign));
}

/* P(a, x): converges fast for x < a + 1. */
static double gamma_series(double a, double x)
{
    double term = 1 / a, sum = term;

    for (int k = 1; k < TERMS_MAX && term > sum * DBL_EPSILON / 8; k++) {
        term *= x / (a + k);
        sum += term;
    }
    return sum * gamma_front(a, x);
}

/* Q(a, x) for x >= a + 1. */
static double gamma_fraction(double a, double x)
{
    const double tiny = 1e-300;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, f = d;

    for (int k = 1; k < TERMS_MAX; k++) {
        double an = -k * (k - a), step;
        b += 2;
        d = an * d + b;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = b + an / c;
        c = fabs(c) < tiny ? tiny : c;
        step = c * d;
        f *= step;
        if (fabs(step - 1) < DBL_EPSILON)
            break;
    }
    return f * gamma_front(a, x);
}

double rec_tail_chi2(double x, double df)
{
    double a = df / 2;

    if (isnan(x) || !(df > 0))
        return NAN;
    if (x <= 0)
        return 1;
    return x / 2 < a + 1 ? 1 - gamma_series(a, x / 2) : gamma_fraction(a, x / 2);
}

/* ---- Kolmogorov and Smirnov ---- */

/* P(D+ >= d) of the one-sided statistic (Smirnov 1944; Birnbaum and Tingey 1951). */
static double one_sided(double d, double n)
{
    double sum = 0, last = floor(n * (1 - d));
    int sign;

    for (double j = 0; j <= last; j++) {
        double rest = 1 - d - j / n, choose = lgamma_r(n + 1, &sign) - lgamma_r(j + 1, &sign) - lgamma_r(n - j + 1, &sign);
        if (rest <= 0)
            break;
        sum += exp(choose + (j - 1) * log(d + j / n) + (n - j) * log(rest));
    }
    return d * sum;
}

static void multiply(double *out, const double *a, const double *b, size_t m)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            double sum = 0;
            for (size_t k = 0; k < m; k++)
                sum += a[i * m + k] * b[k * m + j];
            out[i * m + j] = sum;
        }
}

/* Keeps the middle element, which the result is read from, within range: `exponent` counts the powers of two taken out. */
static void scale(double *a, size_t m, int64_t *exponent)
{
    int e;

    (void)frexp(a[(m / 2) * m + m / 2], &e);
    for (size_t i = 0; i < m * m; i++)
        a[i] = ldexp(a[i], -e);
    *exponent += e;
}

static void durbin_matrix(double *h, size_t m, double d)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++)
            h[i * m + j] = i + 1 >= j;
    for (size_t i = 0; i < m; i++) {
        h[i * m] -= pow(d, (double)i + 1);
        h[(m - 1) * m + i] -= pow(d, (double)(m - i));
    }
    h[(m - 1) * m] += 2 * d - 1 > 0 ? pow(2 * d - 1, (double)m) : 0;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j <= i; j++)
            h[i * m + j] /= tgamma((double)(i - j) + 2);
}

/* P(D < d) = n! / n^n times the middle element of H^n; NAN when out of memory. */
static double durbin(double d, double n)
{
    size_t k = (size_t)ceil(n * d), m = 2 * k - 1;
    double *memory = rec_calloc(3 * m * m, sizeof *memory, "kolmogorov", NULL), *power = memory, *result, *room, value;
    int64_t e_power = 0, e_result = 0;
    int sign;

    if (!memory)
        return NAN;
    result = power + m * m;
    room = result + m * m;
    durbin_matrix(power, m, (double)k - n * d);
    for (size_t i = 0; i < m; i++)
        result[i * m + i] = 1;
    for (uint64_t left = (uint64_t)n; left > 0; left >>= 1) {
        if (left & 1) {
            multiply(room, result, power, m);
            memcpy(result, room, m * m * sizeof *room);
            e_result += e_power;
            scale(result, m, &e_result);
        }
        multiply(room, power, power, m);
        memcpy(power, room, m * m * sizeof *room);
        e_power *= 2;
        scale(power, m, &e_power);
    }
    value = result[(k - 1) * m + k - 1];
    free(memory);
    return exp(log(value) + (double)e_result * M_LN2 + lgamma_r(n + 1, &sign) - n * log(n));
}

/* P(D < d) by four terms in powers of 1 / sqrt(n). */
static double pelz_good(double d, double n)
{
    const double pi2 = M_PI * M_PI, pi4 = pi2 * pi2, pi6 = pi4 * pi2, root = sqrt(2 * M_PI);
    double z = sqrt(n) * d, z2 = z * z, z4 = z2 * z2, z6 = z4 * z2, sum[4] = {0}, second = 0, third = 0, total = 0;

    for (int k = (int)ceil(16 * z / M_PI) + 1; k > 0; k--) {
        double odd2 = (2.0 * k - 1) * (2.0 * k - 1), weight = exp(-odd2 * pi2 / (8 * z2)), even2 = (double)k * k,
               even = even2 * exp(-even2 * pi2 / (2 * z2));
        sum[0] += weight;
        sum[1] += weight * (pi2 / 4 * odd2 - z2);
        sum[2] += weight * (6 * z6 + 2 * z4 + pi2 / 4 * (2 * z4 - 5 * z2) * odd2 + pi4 / 16 * (1 - 2 * z2) * odd2 * odd2);
        sum[3] += weight * (-30 * z6 - 90 * z6 * z2 + pi2 / 4 * (135 * z4 - 96 * z6) * odd2 +
                            pi4 / 16 * (212 * z4 - 60 * z2) * odd2 * odd2 + pi6 / 64 * (5 - 30 * z2) * odd2 * odd2 * odd2);
        second += even;
        third += even * (3 * z2 - pi2 * even2);
    }
    sum[0] *= root / z;
    sum[1] *= root / (6 * z4);
    sum[2] = sum[2] * root / (72 * z6 * z) - second * pi2 * root / (36 * z2 * z);
    sum[3] = sum[3] * root / (6480 * z6 * z4) + third * pi2 * root / (216 * z6);
    for (int i = 3; i >= 0; i--)
        total = total / sqrt(n) + sum[i];
    return total;
}

double rec_tail_kolmogorov(double d, double n)
{
    double x = n * d * d, below;

    if (isnan(d) || !(n >= 1))
        return NAN;
    if (d >= 1 || x >= 370)
        return 0;
    if (n * d <= 0.5)
        return 1;
    if (n * d <= 1) {
        int sign;
        return 1 - exp(lgamma_r(n + 1, &sign) + n * log(2 * d - 1 / n));
    }
    if (d >= 0.5 || (x >= 2.2 && n <= 1e5))
        return fmin(1, 2 * one_sided(d, n));
    below = n <= 140 || (n <= 1e5 && n * pow(d, 1.5) <= 1.4) ? durbin(d, n) : pelz_good(d, n);
    return fmin(1, fmax(0, 1 - below));
}
