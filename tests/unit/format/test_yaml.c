/* SPDX-License-Identifier: MIT
 *
 * Settings become paths; what is refused names its line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/format.h>

static struct rec_yaml yaml;
static struct rec_err err;

static int parse(const char *text)
{
    err = (struct rec_err){0};
    return rec_yaml_parse(&yaml, "rec.yaml", text, strlen(text), &err);
}

static void is(const char *path, const char *value, int line)
{
    const struct rec_setting *s = rec_yaml_find(&yaml, path);
    assert_non_null(s);
    assert_string_equal(s->value, value);
    assert_int_equal(s->line, line);
}

static void flattens(void **state)
{
    (void)state;
    assert_int_equal(parse("# settings\nseed: 42\ntrain:\n  factors: 64   # many\n  model: \"ials\"\nsplit: {test: 0.2, way: 'random'}\n"
                           "list:\n  - a\n  - {b: c}\n  - [d, e]\nnothing:\ntext: |\n  two\n  lines\n"), 0);
    is("seed", "42", 2);
    is("train.factors", "64", 4);
    is("train.model", "ials", 5);
    is("split.test", "0.2", 6);
    is("split.way", "random", 6);
    is("list.0", "a", 8);
    is("list.1.b", "c", 9);
    is("list.2.0", "d", 10);
    is("list.2.1", "e", 10);
    is("nothing", "", 11);
    is("text", "two\nlines\n", 12);
    assert_int_equal(yaml.n, 11);
    assert_null(rec_yaml_find(&yaml, "train"));
    rec_yaml_clear(&yaml);
}

static void empty_files_set_nothing(void **state)
{
    static const char *const texts[] = {"", "\n", "# a comment\n", "---\n", "---\n...\n", "{}\n"};
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(texts); i++) {
        assert_int_equal(parse(texts[i]), 0);
        assert_int_equal(yaml.n, 0);
        rec_yaml_clear(&yaml);
    }
}

static void refuses_with_file_and_line(void **state)
{
    static const char *const texts[][2] = {
        {"a: 1\nb: 2\na: 3\n", "rec.yaml:3: a is set twice"},
        {"x:\n  a: 1\n  a: 3\n", "rec.yaml:3: x.a is set twice"},
        {"a.b: 1\na:\n  b: 3\n", "rec.yaml:3: a.b is set twice"},
        {"a.0: 1\na: [2]\n", "rec.yaml:2: a.0 is set twice"},
        {"a: &x 1\n", "rec.yaml:1: anchors and tags are not allowed"},
        {"a: &x {b: 1}\n", "rec.yaml:1: anchors and tags are not allowed"},
        {"a: 1\nb: *x\n", "rec.yaml:2: aliases are not allowed"},
        {"a: !!int 1\n", "rec.yaml:1: anchors and tags are not allowed"},
        {"a: 1\n---\nb: 2\n", "rec.yaml:2: a second document"},
        {"- a\n", "rec.yaml:1: not a mapping of settings"},
        {"word\n", "rec.yaml:1: not a mapping of settings"},
        {"a: 1\n[b]: 2\n", "rec.yaml:2: a key that is no plain word"},
        {"\"\": 2\n", "rec.yaml:1: a key that is empty or holds a NUL"},
        {"a: \"\\0\"\n", "rec.yaml:1: a value that holds a NUL"},
        {"a: b: c\n", "rec.yaml:1: mapping values are not allowed in this context"},
        {"a:\n\tb: 2\n", "rec.yaml:2: found character that cannot start any token"},
        {"a: [1\n", "rec.yaml:2: did not find expected ',' or ']'"},
        {"a: \xff\n", "rec.yaml:1: invalid leading UTF-8 octet"},
        {"a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {}}}}}}}}}}}}}}}}}\n", "rec.yaml:1: nested deeper than 16"},
    };
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(texts); i++) {
        assert_int_equal(parse(texts[i][0]), -1);
        assert_string_equal(err.text, texts[i][1]);
        assert_int_equal(yaml.n, 0);
    }
}

static void stays_small(void **state)
{
    size_t len = 1 << 20;
    char *text = malloc(len + 2);
    (void)state;
    assert_non_null(text);
    memset(text, 'k', len + 1);
    memcpy(text, "? ", 2);
    memcpy(text + len - 5, "\n: 1\n", 5);
    assert_int_equal(rec_yaml_parse(&yaml, "rec.yaml", text, len, &err), -1);
    assert_string_equal(err.text, "rec.yaml:1: keys longer than 1024 bytes together");
    assert_int_equal(rec_yaml_parse(&yaml, "rec.yaml", text, len + 1, &err), -1);
    assert_string_equal(err.text, "rec.yaml: larger than 1 MiB");
    for (size_t i = 0; i < len; i++)
        text[i] = "a: [,"[i < 4 ? i : 3 + i % 2];
    assert_int_equal(rec_yaml_parse(&yaml, "rec.yaml", text, len, &err), -1);
    for (size_t i = 0; i < len; i++)
        text[i] = i < 4 ? "a: ["[i] : "1,"[i % 2];
    assert_int_equal(rec_yaml_parse(&yaml, "rec.yaml", text, len, &err), -1);
    assert_string_equal(err.text, "rec.yaml:1: more than 10000 settings");
    free(text);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    assert_int_equal(rec_yaml_read(&yaml, "no-such.yaml", &err), -1);
    assert_true(strncmp(err.text, "no-such.yaml: ", 14) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flattens),
        cmocka_unit_test(empty_files_set_nothing),
        cmocka_unit_test(refuses_with_file_and_line),
        cmocka_unit_test(stays_small),
        cmocka_unit_test(a_missing_file_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
