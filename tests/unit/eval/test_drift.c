/* SPDX-License-Identifier: MIT
 *
 * Distributions and distances of samples: by hand, and against slow definitions on random samples. Values of scipy: tests/integration/drift-oracle.bats.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include <rec/eval.h>

static struct rec_err err;

static void near(double a, double b, double within)
{
    if (!(fabs(a - b) <= within * (fabs(b) > 1 ? fabs(b) : 1)))
        fail_msg("%.17g is not %.17g", a, b);
}

static void make(struct rec_distribution *d, const float *x, size_t n)
{
    if (rec_distribution_make(d, x, n, 1, &err) < 0)
        fail_msg("%s", err.text);
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

/* Few distinct values, just as many as the table has room for, one more, and many: the same as sorting. */
static void distributions(void **state)
{
    static const size_t distinct[] = {1, 5, 2048, 2049, 100000};
    struct rec_rng rng;
    size_t n = 60000;
    float *x = malloc(2 * n * sizeof *x), *sorted = malloc(n * sizeof *sorted);

    (void)state;
    rec_rng_seed(&rng, 1, 0);
    for (size_t k = 0; k < REC_LENGTH(distinct); k++) {
        struct rec_distribution d;
        size_t at = 0;
        for (size_t i = 0; i < n; i++) {
            sorted[i] = x[2 * i] = ((float)rec_rng_below(&rng, distinct[k]) - (float)distinct[k] / 2) * 0.37F;
            x[2 * i + 1] = NAN;
        }
        qsort(sorted, n, sizeof *sorted, by_value);
        assert_int_equal(rec_distribution_make(&d, x, n, 2, &err), 0);
        assert_int_equal(d.total, n);
        for (size_t v = 0; v < d.n; v++) {
            assert_true(v == 0 || d.value[v] > d.value[v - 1]);
            for (uint64_t c = 0; c < d.count[v]; c++)
                assert_true((double)sorted[at++] == d.value[v]);
        }
        assert_int_equal(at, n);
        assert_true(rec_distribution_quantile(&d, 0.25) == (double)sorted[n / 4 - 1]);
        rec_distribution_clear(&d);
    }
    free(x);
    free(sorted);
}

static void moments(void **state)
{
    struct rec_distribution d;

    (void)state;
    make(&d, (const float[]){-0.0F, 0.0F, 4, 4}, 4);
    assert_int_equal(d.n, 2);
    assert_true(rec_distribution_mean(&d) == 2 && rec_distribution_deviation(&d) == 2);
    assert_true(rec_distribution_quantile(&d, 0.5) == 0 && rec_distribution_quantile(&d, 0.51) == 4 && rec_distribution_quantile(&d, 1) == 4);
    near(rec_distribution_gini(&d), 0.5, 1e-15);
    rec_distribution_clear(&d);
    make(&d, (const float[]){7, 7, 7}, 3);
    near(rec_distribution_gini(&d), 0, 1e-15);
    rec_distribution_clear(&d);
    make(&d, NULL, 0);
    assert_true(d.n == 0 && isnan(rec_distribution_mean(&d)) && isnan(rec_distribution_quantile(&d, 0.5)));
    rec_distribution_clear(&d);
}

static void same_sample(void **state)
{
    struct rec_distribution d;
    struct rec_drift drift;
    float x[500];

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(x); i++)
        x[i] = (float)(i * i % 311);
    make(&d, x, REC_LENGTH(x));
    assert_int_equal(rec_drift_numbers(&drift, &d, &d, 10, &err), 0);
    assert_int_equal(drift.n, 10);
    assert_true(drift.psi == 0 && drift.js == 0 && drift.chi2 == 0 && drift.ks == 0 && drift.wasserstein == 0);
    assert_true(drift.chi2_p == 1 && drift.ks_p == 1);
    for (size_t b = 0; b < drift.n; b++)
        assert_in_range(drift.reference[b], 45, 55);
    rec_drift_clear(&drift);
    rec_distribution_clear(&d);
}

/* Two values of the reference, one moved by the current sample: all of it can be worked out. */
static void by_hand(void **state)
{
    struct rec_distribution a, b;
    struct rec_drift d;
    double p = 0.75, q = 0.25;

    (void)state;
    make(&a, (const float[]){1, 1, 1, 3}, 4);
    make(&b, (const float[]){1, 3, 3, 3}, 4);
    assert_int_equal(rec_drift_numbers(&d, &a, &b, 10, &err), 0);
    assert_int_equal(d.n, 2);
    near(d.psi, 2 * (p - q) * log(p / q), 1e-15);
    near(d.js, sqrt(p * log(p / 0.5) + q * log(q / 0.5)), 1e-15);
    near(d.chi2, 2, 1e-15);
    near(d.chi2_p, erfc(1), 1e-14);
    near(d.ks, 0.5, 1e-15);
    near(d.wasserstein, 1 / sqrt(0.75), 1e-15);
    rec_drift_clear(&d);
    rec_distribution_clear(&b);
    /* What lies beyond the reference on either side is in its outermost bins. */
    make(&b, (const float[]){-50, 2, 100, 100}, 4);
    assert_int_equal(rec_drift_numbers(&d, &a, &b, 2, &err), 0);
    assert_int_equal(d.n, 2);
    assert_true(d.reference[0] == 3 && d.reference[1] == 1 && d.current[0] == 1 && d.current[1] == 3);
    assert_true(d.low[0] == -50 && d.high[0] == 1 && d.high[1] == 100);
    rec_drift_clear(&d);
    rec_distribution_clear(&a);
    rec_distribution_clear(&b);
}

static void classes(void **state)
{
    struct rec_drift d;

    (void)state;
    assert_int_equal(rec_drift_classes(&d, (const uint64_t[]){10, 0, 10, 0}, (const uint64_t[]){10, 10, 0, 0}, 4, &err), 0);
    assert_true(isnan(d.ks) && isnan(d.wasserstein) && d.chi2_df == 2);
    near(d.js, sqrt(M_LN2 / 2), 1e-15);
    near(d.psi, 2 * (0.5 - 1e-4) * log(0.5 / 1e-4), 1e-14);
    near(d.chi2, 20, 1e-14);
    rec_drift_clear(&d);
    assert_int_equal(rec_drift_classes(&d, (const uint64_t[]){0}, (const uint64_t[]){1}, 1, &err), -1);
    assert_non_null(strstr(err.text, "empty"));
}

/* One observation: P(D >= d) = 2 (1 - d) for d >= 1/2. Two: 1 - 8 (d - 1/4)^2 up to 1/2, then 2 (1 - d)^2 ... by integration. */
static void kolmogorov(void **state)
{
    (void)state;
    for (double d = 0.5; d < 1; d += 0.03)
        near(rec_tail_kolmogorov(d, 1), 2 * (1 - d), 1e-13);
    for (double d = 0.25; d <= 0.5; d += 0.01)
        near(rec_tail_kolmogorov(d, 2), 1 - 2 * (2 * d - 0.5) * (2 * d - 0.5), 1e-13);
    for (double d = 0.5; d < 1; d += 0.03)
        near(rec_tail_kolmogorov(d, 2), 2 * (1 - d) * (1 - d), 1e-13);
    assert_true(rec_tail_kolmogorov(0, 10) == 1 && rec_tail_kolmogorov(1, 10) == 0 && isnan(rec_tail_kolmogorov(NAN, 10)));
    /* Where one method ends and another begins there is no step. */
    for (double n = 20; n < 1e6; n *= 2.3) {
        double last = 1;
        for (double x = 0.3; x < 3; x += 0.05) {
            double now = rec_tail_kolmogorov(x / sqrt(n), floor(n));
            assert_true(now <= last + 1e-9 && last - now < 0.15);
            last = now;
        }
    }
}

static void chi2(void **state)
{
    (void)state;
    for (double x = 0; x < 60; x += 0.7) {
        near(rec_tail_chi2(x, 2), exp(-x / 2), 1e-13);
        near(rec_tail_chi2(x, 1), erfc(sqrt(x / 2)), 1e-13);
        near(rec_tail_chi2(x, 4), exp(-x / 2) * (1 + x / 2), 1e-13);
    }
    assert_true(isnan(rec_tail_chi2(1, 0)) && rec_tail_chi2(-1, 3) == 1);
}

static void popularity(void **state)
{
    uint64_t then[4], now[4];

    (void)state;
    /* Six ratings in three groups of two: items 1, 0 and 3, and 4; item 2 was not rated. */
    assert_int_equal(rec_popularity_groups(then, now, 3, (const uint64_t[]){1, 2, 0, 1, 2}, 5, (const uint64_t[]){9, 1, 1, 1}, 4,
                                           (const int32_t[]){1, 2, -1, 3}, &err), 0);
    assert_true(then[0] == 2 && then[1] == 2 && then[2] == 2 && then[3] == 0);
    assert_true(now[0] == 9 && now[1] == 0 && now[2] == 1 && now[3] == 2);
    near(rec_popularity_js((const uint64_t[]){5, 5}, 2, (const uint64_t[]){3, 3}, 2, (const int32_t[]){0, 1}), 0, 1e-15);
    near(rec_popularity_js((const uint64_t[]){5, 5}, 2, (const uint64_t[]){3, 3}, 2, (const int32_t[]){-1, -1}), sqrt(M_LN2), 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distributions), cmocka_unit_test(moments), cmocka_unit_test(same_sample), cmocka_unit_test(by_hand),
        cmocka_unit_test(classes), cmocka_unit_test(kolmogorov), cmocka_unit_test(chi2), cmocka_unit_test(popularity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
