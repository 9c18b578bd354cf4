/* SPDX-License-Identifier: MIT
 *
 * Search spaces: what may be written, places and values.
 */
#include <rec/tune.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct rec_space_dim *dim(struct rec_space *s, const char *name)
{
    for (size_t d = 0; d < s->n; d++)
        if (!strcmp(s->dim[d].param->name, name))
            return &s->dim[d];
    fail_msg("no %s", name);
    return NULL;
}

static void test_words(void **state)
{
    struct rec_space s;
    struct rec_err err;
    struct rec_buf text = {0};

    (void)state;
    rec_space_defaults(&s, rec_models_find("ials"));
    size_t was = s.n_free;
    assert_true(was >= 3);
    assert_int_equal(rec_space_parse(&s, "factors = 16..256 log , alpha=1|2.5|4,solver=cg|subspace,regularization=0.5", &err), 0);
    assert_true(dim(&s, "factors")->log && dim(&s, "factors")->lo == 16 && dim(&s, "factors")->hi == 256);
    assert_int_equal(dim(&s, "alpha")->n, 3);
    assert_true(dim(&s, "alpha")->value[1] == 2.5);
    assert_true(dim(&s, "solver")->value[1] == 2);
    assert_false(rec_space_free(dim(&s, "regularization")));
    assert_int_equal(s.n_free, was + 1);
    rec_space_describe(&text, &s);
    assert_non_null(strstr(text.data, "factors=16..256 log,"));
    assert_non_null(strstr(text.data, "alpha=1|2.5|4"));
    assert_non_null(strstr(text.data, "solver=cg|subspace"));
    rec_buf_clear(&text);
}

static void test_refused(void **state)
{
    static const char *const words[][2] = {
        {"factor=3", "(factors?)"}, {"factors", "not of the form"}, {"factors=", "no number"}, {"factors=3..", "no number"},
        {"factors=9..3", "goes up"}, {"factors=3..3", "goes up"}, {"factors=0..3", "out of range"}, {"factors=2.5", "whole number"},
        {"exponent=0..1 log", "above 0"}, {"solver=cg..lu", "no range"}, {"solver=lu", "not one of"}, {"alpha=nan", "no number"},
        {"alpha=1||2", "no number"}, {"alpha=1..2 lin", "no number"},
    };
    struct rec_space s;
    struct rec_err err;

    (void)state;
    rec_space_defaults(&s, rec_models_find("ials"));
    for (size_t i = 0; i < REC_LENGTH(words); i++) {
        size_t was = s.n_free;
        assert_int_equal(rec_space_parse(&s, words[i][0], &err), -1);
        if (!strstr(err.text, words[i][1]))
            fail_msg("%s: %s", words[i][0], err.text);
        assert_int_equal(s.n_free, was);
    }
}

/* Values lie within the range, both ends come up, and a value's place leads back to it. */
static void test_places(void **state)
{
    struct rec_space s;
    struct rec_err err;

    (void)state;
    rec_space_defaults(&s, rec_models_find("ials"));
    assert_int_equal(rec_space_parse(&s, "factors=3..5,alpha=0.01..100 log,exponent=0..1,weights=equal|values", &err), 0);
    size_t seen[6] = {0};
    for (int i = 0; i <= 1000; i++) {
        double at = i / 1000.0, f = rec_space_value(dim(&s, "factors"), at), a = rec_space_value(dim(&s, "alpha"), at);
        assert_true(f == 3 || f == 4 || f == 5);
        seen[(int)f]++;
        assert_true(a >= 0.01 && a <= 100);
        assert_true(fabs(rec_space_at(dim(&s, "alpha"), a) - at) < 1e-3);
        assert_true(fabs(rec_space_at(dim(&s, "exponent"), rec_space_value(dim(&s, "exponent"), at)) - at) < 1e-3);
    }
    assert_true(seen[3] > 320 && seen[4] > 320 && seen[5] > 320);
    assert_true(rec_space_value(dim(&s, "alpha"), 0) == 0.01 && rec_space_value(dim(&s, "alpha"), 1) == 100);
    assert_true(fabs(rec_space_value(dim(&s, "alpha"), 0.5) - 1) < 1e-3);
    assert_true(rec_space_value(dim(&s, "weights"), 1) == 1 && rec_space_at(dim(&s, "weights"), 1) == 1);
    assert_true(rec_space_value(dim(&s, "weights"), 7) == 1);
}

static void test_every_model(void **state)
{
    struct rec_space s;

    (void)state;
    for (size_t m = 0; rec_models[m]; m++) {
        rec_space_defaults(&s, rec_models[m]);
        for (size_t d = 0; d < s.n; d++)
            for (double at = 0; at <= 1; at += 0.25) {
                double v = rec_space_value(&s.dim[d], at);
                assert_true(v >= s.dim[d].param->min && v <= s.dim[d].param->max);
                struct rec_buf text = {0};
                double back;
                rec_space_print(&text, s.dim[d].param, v);
                assert_int_equal(rec_space_read(&back, s.dim[d].param, text.data, text.len), 0);
                assert_true(back == v);
                rec_buf_clear(&text);
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_every_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
