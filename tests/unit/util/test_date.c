/* SPDX-License-Identifier: MIT
 *
 * Dates against the C library's own calendar.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/util.h>

/* Every day of 800 years against the system's timegm, and back. */
static void civil(void **state)
{
    (void)state;
    for (int64_t s = -6311433600; s < 18934214400; s += 86400) {
        int64_t year;
        unsigned month, day;
        struct tm tm = {0};

        rec_date_to_civil(s + 12345, &year, &month, &day);
        tm.tm_year = (int)year - 1900;
        tm.tm_mon = (int)month - 1;
        tm.tm_mday = (int)day;
        assert_int_equal(timegm(&tm), s);
        assert_int_equal(tm.tm_mday, (int)day);
        assert_int_equal(rec_date_from_civil(year, month, day), s);
    }
}

static void parse(void **state)
{
    static const struct { const char *text; int64_t seconds; } good[] = {
        {"1970-01-01", 0}, {"1971", 31536000}, {"2024-12-31", 1735603200}, {"2000-02-29", 951782400},
        {"1969-12-31T23:59:59Z", -1},
        {"2024-12-31 23:59:59", 1735689599}, {"1735689599", 1735689599}, {"-5", -5},
        {"2024-12-31T23:59:59.123Z", 1735689599}, {"2024-12-31T23:59:59.9z", 1735689599}, {"2024-12-31T23:59:59", 1735689599},
        {"2025-01-01T01:29:59.5+01:30", 1735689599}, {"2024-12-31T18:59:59-05:00", 1735689599},
    };
    static const char *const bad[] = {"", "x", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-01-00",
        "2024-1-1", "2024-01-01T24:00:00", "2024-01-01T00:60:00Z", "2024-01-01X00:00:00", "2024-01-011", "12.5", "2024-01-01Z",
        "2024-01-01T00:00:00.", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+1:00", "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00 Z",
        "2024-01-01T00:00:00ZZ", "2024-01-01T00:00:00+01:00Z"};
    int64_t s;
    struct rec_err err;
    char text[REC_NUM_MAX];

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(good); i++) {
        assert_int_equal(rec_date_parse(&s, good[i].text, "--before", &err), 0);
        assert_int_equal(s, good[i].seconds);
    }
    for (size_t i = 0; i < REC_LENGTH(bad); i++)
        assert_int_equal(rec_date_parse(&s, bad[i], "--before", &err), -1);
    assert_int_equal(rec_date_print(text, -1), 10);
    assert_string_equal(text, "1969-12-31");
    assert_string_equal(rec_date_print_time(text, -1), "1969-12-31T23:59:59Z");
    assert_string_equal(rec_date_print_time(text, 951782400 + 3661), "2000-02-29T01:01:01Z");
    rec_date_print_time(text, INT64_MAX);
    rec_date_print_time(text, INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(civil), cmocka_unit_test(parse)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
