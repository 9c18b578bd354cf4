/* SPDX-License-Identifier: MIT
 *
 * What is written is JSON, by jansson's reading of it; UTF-8 is told from what is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>

#include <rec/format.h>

static void indents_and_parts(void **state)
{
    struct rec_buf buf = {0};
    struct rec_json j = {.out = &buf};
    (void)state;
    rec_json_object(&j, NULL);
    rec_json_real(&j, "ndcg@10", 0.25);
    rec_json_array(&j, "list");
    rec_json_int(&j, NULL, -3);
    rec_json_object(&j, NULL);
    rec_json_end(&j);
    rec_json_array(&j, NULL);
    rec_json_end(&j);
    rec_json_end(&j);
    rec_json_bool(&j, "yes", true);
    rec_json_real(&j, "nan", NAN);
    rec_json_real(&j, "inf", -INFINITY);
    rec_json_text(&j, "text", "a\"b", 3);
    rec_json_end(&j);
    assert_string_equal(buf.data, "{\n  \"ndcg@10\": 0.25,\n  \"list\": [\n    -3,\n    {},\n    []\n  ],\n  \"yes\": true,\n"
                                  "  \"nan\": null,\n  \"inf\": null,\n  \"text\": \"a\\\"b\"\n}\n");
    rec_buf_clear(&buf);
}

static void flat_has_no_white_space(void **state)
{
    struct rec_buf buf = {0};
    struct rec_json j = {.out = &buf, .flat = true};
    (void)state;
    rec_json_array(&j, NULL);
    rec_json_object(&j, NULL);
    rec_json_int(&j, "a", 1);
    rec_json_null(&j, "b");
    rec_json_end(&j);
    rec_json_bool(&j, NULL, false);
    rec_json_end(&j);
    assert_string_equal(buf.data, "[{\"a\":1,\"b\":null},false]");
    rec_buf_clear(&buf);
}

static void what_was_written_before_is_members(void **state)
{
    struct rec_buf buf = {0}, part = {0};
    struct rec_json j = {.out = &buf, .flat = true}, p = {.out = &part, .flat = true};
    (void)state;
    rec_json_int(&p, "a", 1);
    rec_json_array(&p, "b");
    rec_json_end(&p);
    rec_json_object(&j, NULL);
    rec_json_written(&j, part.data, part.len);
    rec_json_int(&j, "c", 2);
    rec_json_object(&j, "d");
    rec_json_written(&j, part.data, part.len);
    rec_json_end(&j);
    rec_json_written(&j, "\"e\":3", 5);
    rec_json_end(&j);
    assert_string_equal(buf.data, "{\"a\":1,\"b\":[],\"c\":2,\"d\":{\"a\":1,\"b\":[]},\"e\":3}");
    rec_buf_clear(&buf);
    rec_buf_clear(&part);
}

/* Every byte, alone and amid others, comes back, or as U+FFFD where it is no UTF-8. */
static void texts_come_back(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'};
        struct rec_buf buf = {0};
        struct rec_json j = {.out = &buf};
        json_t *read;
        rec_json_array(&j, NULL);
        rec_json_text(&j, NULL, text, 3);
        rec_json_end(&j);
        read = json_loadb(buf.data, buf.len, JSON_ALLOW_NUL, NULL);
        assert_non_null(read);
        const json_t *string = json_array_get(read, 0);
        if (c < 128)
            assert_memory_equal(json_string_value(string), text, json_string_length(string));
        else
            assert_string_equal(json_string_value(string), "a\xef\xbf\xbd""b");
        json_decref(read);
        rec_buf_clear(&buf);
    }
}

static void numbers_come_back(void **state)
{
    static const double values[] = {0.1, 1e300, 5e-324, -1.7976931348623157e308, 1.0 / 3, 123456789012345680.0};
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(values); i++) {
        struct rec_buf buf = {0};
        struct rec_json j = {.out = &buf};
        rec_json_array(&j, NULL);
        rec_json_real(&j, NULL, values[i]);
        rec_json_int(&j, NULL, INT64_MIN);
        rec_json_end(&j);
        json_t *read = json_loadb(buf.data, buf.len, 0, NULL);
        assert_non_null(read);
        assert_true(json_number_value(json_array_get(read, 0)) == values[i]);
        assert_true(json_integer_value(json_array_get(read, 1)) == INT64_MIN);
        json_decref(read);
        rec_buf_clear(&buf);
    }
}

static void too_deep_fails_and_does_not_overflow(void **state)
{
    struct rec_buf buf = {0};
    struct rec_json j = {.out = &buf};
    (void)state;
    for (int i = 0; i < 100; i++)
        rec_json_array(&j, NULL);
    assert_true(buf.failed);
    for (int i = 0; i < 100; i++)
        rec_json_end(&j);
    rec_buf_clear(&buf);
}

static void knows_utf8(void **state)
{
    static const char *const good[] = {"", "plain text, longer than a word of eight", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                                       "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "Am\xc3\xa9lie \xe4\xb8\x83"};
    static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2 ", "\xe0\x9f\xbf", "\xe0\xa0", "\xed\xa0\x80",
                                      "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
                                      "seven..\xe4", "1234567\xc3", "12345678\xc3", "Am\xe9lie"};
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(good); i++)
        assert_true(rec_json_utf8(good[i], strlen(good[i])));
    for (size_t i = 0; i < REC_LENGTH(bad); i++)
        assert_false(rec_json_utf8(bad[i], strlen(bad[i])));
    assert_true(rec_json_utf8("a\0b", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indents_and_parts),     cmocka_unit_test(flat_has_no_white_space),
        cmocka_unit_test(what_was_written_before_is_members),
        cmocka_unit_test(texts_come_back),       cmocka_unit_test(numbers_come_back),
        cmocka_unit_test(knows_utf8),            cmocka_unit_test(too_deep_fails_and_does_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
