/* SPDX-License-Identifier: MIT
 *
 * Targets: segments, parameters, and the tricks that are played with them.
 */
#include <rec/http.h>

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct rec_err err;

static int parse(struct rec_target *t, const char *text)
{
    return rec_target_parse(t, text, strlen(text), &err);
}

static void cuts(void **state)
{
    struct rec_target t;
    size_t len;

    (void)state;
    assert_int_equal(parse(&t, "/v1/movies/a%20b%25?q=star+wars%2b&genre=A%2fB&&empty=&flag"), 0);
    assert_int_equal(t.n_segments, 3);
    assert_string_equal(t.segment[0].text, "v1");
    assert_string_equal(t.segment[2].text, "a b%");
    assert_int_equal(t.n_parameters, 4);
    assert_string_equal(rec_target_parameter(&t, "q", &len), "star wars+");
    assert_int_equal(len, 10);
    assert_string_equal(rec_target_parameter(&t, "genre", &len), "A/B");
    assert_string_equal(rec_target_parameter(&t, "empty", &len), "");
    assert_string_equal(rec_target_parameter(&t, "flag", &len), "");
    assert_null(rec_target_parameter(&t, "k", &len));
    rec_target_clear(&t);

    assert_int_equal(parse(&t, "/"), 0);
    assert_int_equal(t.n_segments, 0);
    rec_target_clear(&t);
    assert_int_equal(parse(&t, "*"), 0);
    rec_target_clear(&t);
    assert_int_equal(parse(&t, "/a//b/?"), 0);
    assert_int_equal(t.n_segments, 4);
    assert_string_equal(t.segment[1].text, "");
    assert_string_equal(t.segment[3].text, "");
    rec_target_clear(&t);
    assert_int_equal(parse(&t, "/%C3%A9%f0%9f%8e%ac?%e2%82%ac=+"), 0);
    assert_string_equal(t.segment[0].text, "\xc3\xa9\xf0\x9f\x8e\xac");
    assert_string_equal(rec_target_parameter(&t, "\xe2\x82\xac", &len), " ");
    rec_target_clear(&t);
}

static void refuses(void **state)
{
    static const char *const bad[] = {
        "", "x", "**", "/%", "/%2", "/%zz", "/%0g", "/a%00b", "/a%0ab", "/a%7fb", "/..", "/.", "/a/../b", "/%2e%2e/b", "/.%2E", "/a%2fb", "/a%2Fb",
        "/%c3", "/%c0%af", "/%e0%80%af", "/%ed%a0%80", "/%f4%90%80%80", "/%ff", "/a?k=%00", "/a?k=%", "/a?%80=1", "/a?k=1&k=1", "/a?k=1&%6b=2",
        "/1/2/3/4/5/6/7/8/9",
    };
    struct rec_target t;
    char many[400] = "/?";

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        if (parse(&t, bad[i]) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_null(t.owned);
    }
    for (int i = 0; i < 33; i++)
        snprintf(many + strlen(many), 8, "a%d=1&", i);
    assert_int_equal(parse(&t, many), -1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(cuts), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
