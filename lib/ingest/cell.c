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

/* A date with four digits of a year and a '-'. Seconds of four digits are seconds here, and not a year. */
static int parse_date(int64_t *out, const char *text, size_t len)
{
    char copy[64];

    if (len < 10 || len >= sizeof copy || text[4] != '-')
        return -1;
    memcpy(copy, text, len);
    copy[len] = 0;
    return rec_date_parse(out, copy, "", NULL);
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
