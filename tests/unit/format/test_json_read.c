/* SPDX-License-Identifier: MIT
 *
 * JSON as a tree: what is there is found, what is missing or of another kind is missing, and what is no JSON is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/format.h>

static struct rec_err err;

static void finds(void **state)
{
    static const char text[] = "{\"name\": \"a\\u00e9\", \"list\": [1, -9223372036854775808, 2.5], \"deep\": {\"x\": {}}}";
    struct rec_json_value *root = rec_json_read("t.json", text, strlen(text), &err);
    const struct rec_json_value *list = rec_json_get(root, "list");
    int64_t n = 7;

    (void)state;
    assert_non_null(root);
    assert_string_equal(rec_json_string(rec_json_get(root, "name")), "a\xc3\xa9");
    assert_int_equal(rec_json_length(list), 3);
    assert_int_equal(rec_json_integer(&n, rec_json_at(list, 1)), 0);
    assert_true(n == INT64_MIN);
    assert_int_equal(rec_json_integer(&n, rec_json_at(list, 2)), -1);
    assert_int_equal(rec_json_integer(&n, rec_json_at(list, 3)), -1);
    assert_int_equal(rec_json_integer(&n, NULL), -1);
    assert_null(rec_json_string(list));
    assert_null(rec_json_get(list, "name"));
    assert_null(rec_json_get(rec_json_get(rec_json_get(root, "nothing"), "x"), "y"));
    assert_int_equal(rec_json_length(root), 0);
    rec_json_free(root);
    rec_json_free(NULL);
}

static int count(void *context, const char *key, const struct rec_json_value *value)
{
    size_t *n = context;

    assert_non_null(value);
    *n += strlen(key);
    return *n >= 3;
}

static void kinds(void **state)
{
    static const char text[] = "{\"t\": true, \"f\": false, \"n\": null, \"x\": 1.5, \"i\": 3, \"s\": \"\", \"a\": [], \"o\": {}}";
    static const enum rec_json_kind want[] = {REC_JSON_BOOL, REC_JSON_BOOL, REC_JSON_NULL, REC_JSON_NUMBER, REC_JSON_NUMBER, REC_JSON_TEXT,
                                              REC_JSON_ARRAY, REC_JSON_OBJECT, REC_JSON_MISSING};
    static const char *const keys[] = {"t", "f", "n", "x", "i", "s", "a", "o", "none"};
    struct rec_json_value *root = rec_json_read("t.json", text, strlen(text), &err);
    double x;
    bool yes = false;
    size_t n = 0;

    (void)state;
    assert_non_null(root);
    for (size_t i = 0; i < REC_LENGTH(keys); i++)
        assert_int_equal(rec_json_kind(rec_json_get(root, keys[i])), want[i]);
    assert_int_equal(rec_json_size(root), 8);
    assert_int_equal(rec_json_size(rec_json_get(root, "a")), 0);
    assert_int_equal(rec_json_number(&x, rec_json_get(root, "x")), 0);
    assert_float_equal(x, 1.5, 0);
    assert_int_equal(rec_json_number(&x, rec_json_get(root, "i")), 0);
    assert_float_equal(x, 3, 0);
    assert_int_equal(rec_json_number(&x, rec_json_get(root, "t")), -1);
    assert_int_equal(rec_json_boolean(&yes, rec_json_get(root, "t")), 0);
    assert_true(yes);
    assert_int_equal(rec_json_boolean(&yes, rec_json_get(root, "i")), -1);
    rec_json_members(root, count, &n);
    assert_int_equal(n, 3);
    rec_json_free(root);
}

static void depth(void **state)
{
    static const struct { const char *text; size_t depth; } cases[] = {
        {"", 0}, {"1", 0}, {"[]", 1}, {"[[], {\"a\": [1]}]", 3}, {"\"[[[\"", 0}, {"\"\\\"[[\", [[", 2}, {"]]]]", 0}, {"\"[", 0}, {"\"\\", 0},
    };

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(cases); i++)
        assert_int_equal(rec_json_depth(cases[i].text, strlen(cases[i].text)), cases[i].depth);
}

static void refuses(void **state)
{
    static const char *const texts[] = {"", "{", "{\"a\": 1, \"a\": 2}", "{\"a\": 1} x", "\"a\\u0000\"", "[1e999]", "[9223372036854775808]", "'a'", "{\"a\": \"\xff\"}"};

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(texts); i++) {
        assert_null(rec_json_read("t.json", texts[i], strlen(texts[i]), &err));
        assert_true(strncmp(err.text, "t.json: line ", 13) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds), cmocka_unit_test(kinds), cmocka_unit_test(depth), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
