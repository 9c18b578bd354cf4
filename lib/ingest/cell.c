/* SPDX-License-Identifier: MIT
 *
 * Ratings and times as text: a number is a number, and a time whole seconds or a date (RFC 3339).
 */
#include "ingest_priv.h"

#include <math.h>

int rec_cell_rating(float *out, const char *text, size_t len)
{
    double value;

    if (rec_num_double(&value, text, len) < 0 || !isfinite((float)value))
        return -1;
    *out = (float)value + 0.0f; /* no negative zero */
    return 0;
}

/* RFC 3339 to the second: 2024-12-31, or with T or a blank 23:59:59, a fraction that is dropped, and Z, an offset, or nothing: UTC. */
static int parse_date(int64_t *out, const char *text, size_t len)
{
    char core[20];
    size_t at = len < 19 ? len : 19;
    int64_t offset = 0;
    struct rec_err ignored;

    if ((len != 10 && len < 19) || text[4] != '-')
        return -1;
    memcpy(core, text, at);
    core[at] = 0;
    if (at < len && text[at] == '.')
        for (at++; at < len && text[at] >= '0' && text[at] <= '9';)
            at++;
    if (at < len && (text[at] == 'Z' || text[at] == 'z')) {
        at++;
    } else if (len - at == 6 && (text[at] == '+' || text[at] == '-') && text[at + 3] == ':') {
        int64_t hours, minutes;
        if (text[at + 1] < '0' || text[at + 4] < '0' || rec_num_int64(&hours, text + at + 1, 2) < 0 ||
            rec_num_int64(&minutes, text + at + 4, 2) < 0 || hours > 23 || minutes > 59)
            return -1;
        offset = (text[at] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
        at = len;
    }
    if (at != len || rec_date_parse(out, core, "", &ignored) < 0)
        return -1;
    *out -= offset;
    return 0;
}

const char *rec_cell_time(int64_t *out, const char *text, size_t len)
{
    const int64_t end_of_9999 = INT64_C(253402300799);

    if (rec_num_int64(out, text, len) < 0 && parse_date(out, text, len) < 0)
        return "is no time: seconds since 1970, or a date such as 2024-12-31T23:59:59Z";
    if (*out > end_of_9999 || *out < -end_of_9999)
        return "is beyond the year 9999: milliseconds?";
    return NULL;
}
