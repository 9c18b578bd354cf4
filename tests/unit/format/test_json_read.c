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
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds), cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
