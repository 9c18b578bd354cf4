/* SPDX-License-Identifier: MIT
 *
 * Days and seconds of the proleptic Gregorian calendar in UTC; the arithmetic of Hinnant, "chrono-compatible low-level date
 * algorithms" (2013): years begin in March, so that the leap day is the last one, and 400 years are an era of 146,097 days.
 */
#include <rec/util.h>

#define DAY 86400

int64_t rec_date_from_civil(int64_t year, unsigned month, unsigned day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return (era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468) * DAY;
}

void rec_date_to_civil(int64_t seconds, int64_t *year, unsigned *month, unsigned *day)
{
    int64_t z = seconds / DAY - (seconds % DAY < 0) + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;

    *day = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
    *month = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
    *year = yoe + era * 400 + (*month <= 2);
}

/* n digits as a number; -1 when there is anything else. */
static int digits(const char *text, size_t n)
{
    int v = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        v = v * 10 + (text[i] - '0');
    }
    return v;
}

/* YYYY-MM-DD, then nothing, or THH:MM:SS (a blank will do for T). */
static int parse_civil(int64_t *out, const char *s, size_t len)
{
    static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int y, m, d, hour = 0, minute = 0, second = 0;
    bool leap;

    if ((len != 10 && len != 19) || s[4] != '-' || s[7] != '-' || (y = digits(s, 4)) < 0 || (m = digits(s + 5, 2)) < 1 ||
        (d = digits(s + 8, 2)) < 1 || m > 12)
        return -1;
    leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    if (d > days[m - 1] || (m == 2 && d == 29 && !leap))
        return -1;
    if (len == 19 && ((s[10] != 'T' && s[10] != ' ') || s[13] != ':' || s[16] != ':' || (hour = digits(s + 11, 2)) < 0 ||
                      (minute = digits(s + 14, 2)) < 0 || (second = digits(s + 17, 2)) < 0))
        return -1;
    if (hour > 23 || minute > 59 || second > 59)
        return -1;
    *out = rec_date_from_civil(y, (unsigned)m, (unsigned)d) + hour * 3600 + minute * 60 + second;
    return 0;
}

/* What may stand behind the seconds: a fraction, which is dropped; Z, an offset from UTC, or nothing, which is UTC. */
static int parse_zone(int64_t *offset, const char *s, size_t len)
{
    int hours, minutes;
    size_t at = 0;

    *offset = 0;
    if (at < len && s[at] == '.') {
        for (at++; at < len && s[at] >= '0' && s[at] <= '9';)
            at++;
        if (at == 1)
            return -1;
    }
    if (at == len || (at + 1 == len && (s[at] == 'Z' || s[at] == 'z')))
        return 0;
    if (len - at != 6 || (s[at] != '+' && s[at] != '-') || s[at + 3] != ':' || (hours = digits(s + at + 1, 2)) < 0 ||
        (minutes = digits(s + at + 4, 2)) < 0 || hours > 23 || minutes > 59)
        return -1;
    *offset = (s[at] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return 0;
}

/* RFC 3339, to the second. */
static int parse_moment(int64_t *out, const char *s, size_t len)
{
    int64_t offset = 0;

    if (parse_civil(out, s, len < 19 ? len : 19) < 0 || (len > 19 && parse_zone(&offset, s + 19, len - 19) < 0))
        return -1;
    *out -= offset;
    return 0;
}

int rec_date_parse(int64_t *seconds, const char *text, const char *where, struct rec_err *err)
{
    size_t len = strlen(text);

    if (len == 4 && digits(text, 4) >= 0) {
        *seconds = rec_date_from_civil(digits(text, 4), 1, 1);
        return 0;
    }
    if (parse_moment(seconds, text, len) == 0 || rec_num_int64(seconds, text, len) == 0)
        return 0;
    return rec_err_set(err, "%s: \"%s\" is no date such as 2024, 2024-12-31, 2024-12-31T23:59:59Z or 1735689599", where, text);
}

size_t rec_date_print(char *out, int64_t seconds)
{
    int64_t year;
    unsigned month, day;
    int n;

    rec_date_to_civil(seconds, &year, &month, &day);
    n = snprintf(out, REC_NUM_MAX, "%04lld-%02u-%02u", (long long)year, month, day);
    return n > 0 && n < REC_NUM_MAX ? (size_t)n : 0;
}

const char *rec_date_print_time(char out[REC_NUM_MAX], int64_t seconds)
{
    int64_t of_day = (seconds % 86400 + 86400) % 86400;
    size_t n = rec_date_print(out, seconds);

    snprintf(out + n, REC_NUM_MAX - n, "T%02d:%02d:%02dZ", (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
    return out;
}
