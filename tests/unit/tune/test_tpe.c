/* SPDX-License-Identifier: MIT
 *
 * What is tried next: TPE finds the bottom of a bowl sooner than chance does; rungs.
 */
#include <rec/tune.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { TRIALS = 60, STARTUP = 10, SEEDS = 12 };

static void make(struct rec_space *s)
{
    struct rec_err err;

    rec_space_defaults(s, rec_models_find("ials"));
    if (rec_space_parse(s, "factors=8..512 log,regularization=1e-3..10 log,exponent=0..1,unobserved=1e-3..1 log,solver=cg|cholesky|subspace", &err) < 0)
        fail_msg("%s", err.text);
}

/* Lowest in one corner of the space, narrow in some directions, and one of the solvers is worse by far. */
static double bowl(const struct rec_space *s, const double *param)
{
    static const double centre[] = {0.7, 0.3, 0.8, 0.2};
    double sum = 0;
    size_t k = 0;

    for (size_t d = 0; d < s->n; d++) {
        if (!rec_space_free(&s->dim[d]))
            continue;
        double at = rec_space_at(&s->dim[d], param[d]);
        if (s->dim[d].n > 0)
            sum += at == 1 ? 0 : 0.3;
        else
            sum += (k + 1.0) * pow(at - centre[k], 2), k++;
    }
    return sum;
}

static double search(const struct rec_space *s, uint64_t seed, bool tpe)
{
    double param[TRIALS][REC_PARAM_MAX] = {{0}}, value[TRIALS];
    const double *order[TRIALS];
    struct rec_err err;

    for (size_t t = 0; t < TRIALS; t++) {
        if (tpe && t >= STARTUP)
            assert_int_equal(rec_tpe_propose(param[t], s, order, t, t, seed, t + 1, &err), 0);
        else
            rec_tpe_random(param[t], s, seed, t + 1);
        value[t] = bowl(s, param[t]);
        for (size_t d = 0; d < s->n; d++)
            assert_true(param[t][d] >= s->dim[d].param->min && param[t][d] <= s->dim[d].param->max);
        size_t i = t;
        for (; i > 0 && bowl(s, order[i - 1]) > value[t]; i--)
            order[i] = order[i - 1];
        order[i] = param[t];
    }
    return bowl(s, order[0]);
}

static void test_bowl(void **state)
{
    struct rec_space s;
    double tpe = 0, random = 0;

    (void)state;
    make(&s);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        tpe += search(&s, seed, true) / SEEDS;
        random += search(&s, seed, false) / SEEDS;
    }
    if (!(tpe < 0.5 * random))
        fail_msg("TPE comes to %g, chance to %g", tpe, random);
}

static void test_same(void **state)
{
    struct rec_space s;
    double a[REC_PARAM_MAX] = {0}, b[REC_PARAM_MAX] = {0}, c[REC_PARAM_MAX] = {0};
    struct rec_err err;

    (void)state;
    make(&s);
    rec_tpe_random(a, &s, 5, 1);
    rec_tpe_random(b, &s, 5, 1);
    rec_tpe_random(c, &s, 5, 2);
    assert_memory_equal(a, b, s.n * sizeof *a);
    assert_memory_not_equal(a, c, s.n * sizeof *a);
    const double *seen[] = {a, c};
    double x[REC_PARAM_MAX] = {0}, y[REC_PARAM_MAX] = {0};
    assert_int_equal(rec_tpe_propose(x, &s, seen, 2, 2, 5, 3, &err), 0);
    assert_int_equal(rec_tpe_propose(y, &s, seen, 2, 2, 5, 3, &err), 0);
    assert_memory_equal(x, y, s.n * sizeof *x);
    /* Nothing seen: a draw from the whole space. */
    assert_int_equal(rec_tpe_propose(x, &s, seen, 0, 0, 5, 3, &err), 0);
}

static void test_rungs(void **state)
{
    size_t r[REC_RUNGS_MAX];
    double score[] = {1, 2, 3, 4, 5, 6};

    (void)state;
    assert_int_equal(rec_rungs_make(r, 32, 3, 2), 3);
    assert_true(r[0] == 2 && r[1] == 4 && r[2] == 11);
    assert_int_equal(rec_rungs_make(r, 20, 3, 1), 3);
    assert_true(r[0] == 1 && r[1] == 3 && r[2] == 7);
    assert_int_equal(rec_rungs_make(r, 20, 1, 1), 0);
    assert_int_equal(rec_rungs_make(r, 1, 3, 1), 0);
    assert_int_equal(rec_rungs_make(r, 2, 2, 1), 1);
    assert_true(r[0] == 1);
    size_t n = rec_rungs_make(r, 1000000, 2, 1);
    assert_int_equal(n, REC_RUNGS_MAX);
    for (size_t i = 1; i < n; i++)
        assert_true(r[i] > r[i - 1] && r[i] < 1000000);
    /* Of six the best two go on at eta 3; alone, everybody does; of two the better one. */
    assert_true(rec_rungs_keep(6, score, 6, 3) && rec_rungs_keep(5, score, 6, 3) && !rec_rungs_keep(4, score, 6, 3));
    assert_true(rec_rungs_keep(1, score, 1, 3));
    assert_true(rec_rungs_keep(2, score, 2, 3) && !rec_rungs_keep(1, score, 2, 3));
    assert_false(rec_rungs_keep(-INFINITY, score, 6, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bowl),
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_rungs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
