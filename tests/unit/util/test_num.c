/* SPDX-License-Identifier: MIT
 *
 * Numbers against the C library's own reading, and the spellings that are no numbers.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/util.h>

static void reads_as_strtod(void **state)
{
    static const char *const texts[] = {
        "0", "-0", "4", "4.5", "+3.5", ".5", "5.", "1e3", "1E-3", "1e+22", "1e23", "123456789012345678", "0.1", "1234567890123456789012",
        "9007199254740993", "2.2250738585072011e-308", "1.7976931348623157e308", "0.000000000000000000000000001", "00004.50", "1e-400",
        "3.1415926535897932384626433832795028841971"};

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(texts); i++) {
        double value;
        assert_int_equal(rec_num_double(&value, texts[i], strlen(texts[i])), 0);
        assert_true(value == strtod(texts[i], NULL));
        assert_int_equal(signbit(value), signbit(strtod(texts[i], NULL)));
    }
}

static void refuses_what_is_no_number(void **state)
{
    static const char *const texts[] = {"", " 1", "1 ", "nan", "NaN", "inf", "-inf", "0x10", "4abc", "1,5", "--1", "+", "-", ".", "e5",
                                        "1e", "1e+", "1e5.0", "1e999", "-1e999", "1_000", "\xd9\xa1", "1e99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(texts); i++) {
        double value;
        assert_int_equal(rec_num_double(&value, texts[i], strlen(texts[i])), -1);
    }
}

static void random_doubles_survive_printing(void **state)
{
    struct rec_rng rng;
    char text[REC_NUM_MAX];

    (void)state;
    rec_rng_seed(&rng, 1, 0);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rec_rng_next(&rng);
        uint32_t half = (uint32_t)rec_rng_next(&rng);
        double d, back;
        float f;
        memcpy(&d, &bits, 8);
        memcpy(&f, &half, 4);
        if (isfinite(d)) {
            assert_int_equal(rec_num_double(&back, text, rec_num_print_double(text, d)), 0);
            assert_true(back == d);
        }
        if (isfinite(f)) {
            assert_int_equal(rec_num_double(&back, text, rec_num_print_float(text, f)), 0);
            assert_true((float)back == f);
        }
    }
}

static void prints_ratings_short(void **state)
{
    static const struct { float value; const char *text; } cases[] = {
        {4, "4"}, {3.5f, "3.5"}, {0.5f, "0.5"}, {-0.5f, "-0.5"}, {3.9f, "3.9"}, {0, "0"}, {0.1f, "0.1"}, {1e20f, "1e+20"}, {0.25f, "0.25"}};
    char text[REC_NUM_MAX];

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        text[rec_num_print_float(text, cases[i].value)] = 0;
        assert_string_equal(text, cases[i].text);
    }
}

/* The fast way gives what the C library gives: the fewest digits, from 6 on, that read back. */
static void prints_floats_as_printf(void **state)
{
    struct rec_rng rng;
    char text[REC_NUM_MAX], want[REC_NUM_MAX];

    (void)state;
    rec_rng_seed(&rng, 7, 0);
    for (int i = 0; i < 300000; i++) {
        uint32_t bits = (uint32_t)rec_rng_next(&rng);
        float f;
        int precision = 6;
        memcpy(&f, &bits, sizeof f);
        if (i % 3 == 0)
            f = (float)(rec_rng_normal(&rng) * (i % 2 ? 1 : 1e4));
        else if (i % 3 == 1)
            f = (float)(int32_t)bits / (float)(1 << bits % 24);
        if (!isfinite(f))
            continue;
        do
            snprintf(want, sizeof want, "%.*g", precision, (double)f);
        while (strtof(want, NULL) != f && precision++ < 9);
        text[rec_num_print_float(text, f)] = 0;
        assert_string_equal(text, want);
    }
}

/* What a database that knows no floats is given: reads as the float, looks as its shortest decimal. */
static void decimals_of_floats(void **state)
{
    struct rec_rng rng;

    (void)state;
    assert_true(rec_num_decimal(3.7f) == 3.7);
    assert_true(rec_num_decimal(-0.1f) == -0.1);
    assert_true(rec_num_decimal(1e20f) == 1e20);
    assert_true(rec_num_decimal(0.0123f) == 0.0123);
    rec_rng_seed(&rng, 3, 0);
    for (int i = 0; i < 200000; i++) {
        uint32_t bits = (uint32_t)rec_rng_next(&rng);
        float f;
        double d;
        char text[REC_NUM_MAX];
        memcpy(&f, &bits, sizeof f);
        if (!isfinite(f))
            continue;
        d = rec_num_decimal(f);
        assert_true((float)d == f);
        text[rec_num_print_float(text, f)] = 0;
        assert_true(strtod(text, NULL) == d || d == (double)f);
    }
}

static void whole_numbers(void **state)
{
    static const char *const bad[] = {"", "-", "1.0", "9223372036854775808", "-9223372036854775809", "0x1", "1 "};
    int64_t value;
    char text[REC_NUM_MAX];

    (void)state;
    assert_int_equal(rec_num_int64(&value, "-9223372036854775808", 20), 0);
    assert_true(value == INT64_MIN);
    text[rec_num_print_int64(text, value)] = 0;
    assert_string_equal(text, "-9223372036854775808");
    assert_int_equal(rec_num_int64(&value, "+9223372036854775807", 20), 0);
    assert_true(value == INT64_MAX);
    for (size_t i = 0; i < REC_LENGTH(bad); i++)
        assert_int_equal(rec_num_int64(&value, bad[i], strlen(bad[i])), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_as_strtod),
        cmocka_unit_test(refuses_what_is_no_number),
        cmocka_unit_test(random_doubles_survive_printing),
        cmocka_unit_test(prints_ratings_short),
        cmocka_unit_test(prints_floats_as_printf),
        cmocka_unit_test(decimals_of_floats),
        cmocka_unit_test(whole_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
