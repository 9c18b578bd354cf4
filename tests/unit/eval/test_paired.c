/* SPDX-License-Identifier: MIT
 *
 * Student's distribution at values of scipy.stats, the paired test by hand, conditions on a candidate, figures of users side by side.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

#include <rec/eval.h>

static void near(double a, double b)
{
    if (fabs(a - b) > 1e-9 * (fabs(b) > 1 ? fabs(b) : 1))
        fail_msg("%.17g is not %.17g", a, b);
}

/* Values that can be worked out: Cauchy's distribution for df = 1, and df = 2 in closed form. */
static void distribution(void **state)
{
    (void)state;
    for (double t = -30; t <= 30; t += 0.37) {
        near(rec_paired_tail(t, 1), 0.5 - atan(t) / 3.14159265358979323846);
        near(rec_paired_tail(t, 2), 0.5 - t / (2 * sqrt(2 + t * t)));
        assert_true(fabs(rec_paired_tail(t, 1e7) - 0.5 * erfc(t / sqrt(2))) < 1e-7);
    }
    near(rec_paired_tail(0, 599), 0.5);
    near(rec_paired_quantile(0.05, 1), 6.313751514675043);
    near(rec_paired_quantile(0.025, 2), 4.302652729696142);
    near(rec_paired_quantile(0.975, 2), -4.302652729696142);
    assert_true(isnan(rec_paired_tail(NAN, 5)) && isnan(rec_paired_quantile(0, 5)));
    assert_true(rec_paired_tail((double)INFINITY, 5) == 0 && rec_paired_tail(-(double)INFINITY, 5) == 1);
}

static void by_hand(void **state)
{
    static const double d[] = {1, 2, 3}, same[] = {0.5, 0.5}, none[] = {0, 0, 0};
    struct rec_paired p;
    (void)state;
    rec_paired_test(&p, d, 3);
    near(p.mean, 2);
    near(p.error, 1 / sqrt(3));
    near(p.t, 2 * sqrt(3));
    near(p.greater, 0.5 - p.t / (2 * sqrt(2 + p.t * p.t)));
    near(p.either, 2 * p.greater);
    near(p.greater + p.less, 1);
    near(rec_paired_high(&p, 0.025) - rec_paired_low(&p, 0.025), 2 * 4.302652729696142 / sqrt(3));
    rec_paired_test(&p, same, 2);
    assert_true(isinf(p.t) && p.greater == 0 && p.less == 1);
    rec_paired_test(&p, none, 3);
    near(p.greater, 0.5);
    rec_paired_test(&p, d, 1);
    assert_true(isnan(p.greater) && isnan(rec_paired_low(&p, 0.05)));
    rec_paired_test(&p, d, 0);
    assert_true(isnan(p.mean));
}

/* Of 2^3 flips of 1 2 3 one reaches 6; the same seed gives the same p. */
static void permutation(void **state)
{
    static const double d[] = {1, 2, 3}, none[] = {0, 0, 0};
    double p = rec_paired_permutation(d, 3, 100000, 7);
    (void)state;
    assert_true(fabs(p - 0.125) < 0.005);
    assert_true(p == rec_paired_permutation(d, 3, 100000, 7));
    assert_true(rec_paired_permutation(none, 3, 10, 7) == 1);
}

static void bounds(void **state)
{
    static const char *const wrong[] = {"", "ndcg@10", ">=1", "a>=", "a==1", "a=>1", "a>=b c", "a>=production*", "a>=production*0", "a>=production*-1",
                                        "a>=production/2", "a b>=1", "a>=production--1", "a>=Production", "a>=1x", "a>>1", "a<>1"};
    struct rec_bound b;
    struct rec_err err;
    (void)state;
    assert_int_equal(rec_bound_parse(&b, " ndcg@10 >= production*0.99 ", &err), 0);
    assert_string_equal(b.key, "ndcg@10");
    assert_string_equal(b.baseline, "production");
    near(rec_bound_limit(&b, 2), 1.98);
    assert_true(rec_bound_holds(&b, 1.98, rec_bound_limit(&b, 2)) && !rec_bound_holds(&b, 1.97, 1.98) && !rec_bound_holds(&b, NAN, 1));
    assert_int_equal(rec_bound_parse(&b, "rmse<production-0.01", &err), 0);
    assert_string_equal(b.baseline, "production");
    near(rec_bound_limit(&b, 1), 0.99);
    assert_true(rec_bound_holds(&b, 0.98, 0.99) && !rec_bound_holds(&b, 0.99, 0.99));
    assert_int_equal(rec_bound_parse(&b, "mae <= blue-green + 0.5", &err), 0);
    assert_string_equal(b.baseline, "blue-green");
    near(rec_bound_limit(&b, 1), 1.5);
    assert_int_equal(rec_bound_parse(&b, "recall@20 > 0.25", &err), 0);
    assert_string_equal(b.baseline, "");
    near(rec_bound_limit(&b, NAN), 0.25);
    for (size_t i = 0; i < REC_LENGTH(wrong); i++)
        if (rec_bound_parse(&b, wrong[i], &err) != -1)
            fail_msg("taken: %s", wrong[i]);
}

static void put(char path[40], const char *text)
{
    int fd;
    snprintf(path, 40, "/tmp/rec-test-paired-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static int read_text(struct rec_users *users, const char *text, struct rec_err *err)
{
    char path[40];
    int status;
    put(path, text);
    status = rec_users_read(users, path, err);
    unlink(path);
    return status;
}

static void users(void **state)
{
    static const char *const wrong[] = {"", "user\n", "id,a\n1,2\n", "user,a\n1\n", "user,a\n1,x\n", "user,a\n1,2\n1,2\n", "user,a\n\"1,2\n"};
    struct rec_users a, b, c;
    struct rec_err err = {0};
    double *d;
    size_t n;
    (void)state;
    assert_int_equal(read_text(&a, "user,ndcg@10,rmse\n1,0.5,\n2,0.25,1\n\"x,y\",,2\n", &err), 0);
    assert_int_equal(read_text(&b, "user,ndcg@10\n\"x,y\",\n2,0.5\n1,0.5\n", &err), 0);
    assert_int_equal(read_text(&c, "user,ndcg@10\n1,1\n2,1\n3,1\n", &err), 0);
    assert_int_equal(rec_users_column(&a, "rmse"), 1);
    assert_int_equal(rec_users_column(&b, "rmse"), -1);
    assert_int_equal(rec_users_pair(&d, &n, &a, &b, "ndcg@10", 0.5, 0.125, &err), 0);
    assert_int_equal(n, 2);
    near(d[0], 0.125);
    near(d[1], -0.125);
    free(d);
    assert_int_equal(rec_users_pair(&d, &n, &a, &b, "rmse", 1, 0, &err), 1);
    assert_int_equal(rec_users_pair(&d, &n, &a, &c, "ndcg@10", 1, 0, &err), 1);
    assert_non_null(strstr(err.text, "same users"));
    assert_null(d);
    rec_users_clear(&a);
    rec_users_clear(&b);
    rec_users_clear(&c);
    for (size_t i = 0; i < REC_LENGTH(wrong); i++)
        if (read_text(&a, wrong[i], &err) != -1)
            fail_msg("taken: %s", wrong[i]);
}

/* Three differences: 1 + 2 + 3 = 6 is one of 8 sums, and so is -6. */
static void ranks(void **state)
{
    struct rec_err err = {0};
    double p;

    (void)state;
    assert_int_equal(rec_wilcoxon_test(&p, (const double[]){0.1, 0.3, 0.2}, 3, &err), 0);
    near(p, 2 / 8.0);
    assert_int_equal(rec_wilcoxon_test(&p, (const double[]){0.1, -0.3, 0.2}, 3, &err), 0);
    near(p, 1);
    assert_int_equal(rec_wilcoxon_test(&p, (const double[]){0, 0}, 2, &err), 0);
    near(p, 1);
    assert_int_equal(rec_wilcoxon_test(&p, NULL, 0, &err), 0);
    near(p, 1);
    /* All flips of signs: the observed sum is the greatest, on either side. */
    near(rec_paired_permutation_either((const double[]){0, 0, 0}, 3, 1000, 1), 1);
    p = rec_paired_permutation_either((const double[]){1, 1, 1, 1}, 4, 100000, 1);
    assert_true(fabs(p - 2 / 16.0) < 0.005);
}

static void drawn_again(void **state)
{
    struct rec_err err = {0};
    struct rec_rng rng;
    double x[400], low, high, again[2];
    struct rec_paired t;

    (void)state;
    rec_rng_seed(&rng, 4, 0);
    for (size_t i = 0; i < REC_LENGTH(x); i++)
        x[i] = 3 + rec_rng_normal(&rng);
    assert_int_equal(rec_bootstrap_limits(&low, &high, x, REC_LENGTH(x), 0.025, 4000, 9, &err), 0);
    rec_paired_test(&t, x, REC_LENGTH(x));
    assert_true(fabs(low - rec_paired_low(&t, 0.025)) < 0.2 * t.error && fabs(high - rec_paired_high(&t, 0.025)) < 0.2 * t.error);
    assert_int_equal(rec_bootstrap_limits(&again[0], &again[1], x, REC_LENGTH(x), 0.025, 4000, 9, &err), 0);
    assert_true(again[0] == low && again[1] == high);
    assert_int_equal(rec_bootstrap_limits(&low, &high, x, 0, 0.025, 100, 9, &err), 0);
    assert_true(isnan(low) && isnan(high));
}

static void many_tests(void **state)
{
    struct rec_err err = {0};
    double p[] = {0.01, 0.04, NAN, 0.03, 0.5};

    (void)state;
    assert_int_equal(rec_holm_adjust(p, REC_LENGTH(p), &err), 0);
    near(p[0], 0.04);
    near(p[3], 0.09);
    near(p[1], 0.09);
    near(p[4], 0.5);
    assert_true(isnan(p[2]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distribution), cmocka_unit_test(ranks), cmocka_unit_test(drawn_again), cmocka_unit_test(many_tests), cmocka_unit_test(by_hand), cmocka_unit_test(permutation), cmocka_unit_test(bounds), cmocka_unit_test(users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
