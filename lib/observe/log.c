/* SPDX-License-Identifier: MIT
 *
 * Lines of an access log: Apache's "combined" format, or JSON.
 */
#include <rec/observe.h>

#include <string.h>

/* For a field in quotes: what would end it, or the line, or drive a terminal, is written as \xHH, as Apache does; JSON: as \u00HH, which
 * reads bytes above 127 as Latin-1, as RFC 9110 did of old. */
static void add_escaped(struct rec_buf *out, const char *text, bool json)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '"' || c == '\\')
            rec_buf_addf(out, "\\%c", c);
        else if (c < 32 || c >= 127)
            rec_buf_addf(out, json ? "\\u%04x" : "\\x%02x", c);
        else
            rec_buf_addc(out, (char)c);
    }
}

/* For a field without quotes, blanks too would end it. */
static void add_word(struct rec_buf *out, const char *text)
{
    if (!text || !*text)
        text = "-";
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;

        if (c <= 32 || c >= 127 || c == '"' || c == '\\')
            rec_buf_addf(out, "\\x%02x", c);
        else
            rec_buf_addc(out, (char)c);
    }
}

static void add_time(struct rec_buf *out, int64_t microseconds, bool json)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t seconds = microseconds / 1000000, year, of_day = seconds % 86400;
    unsigned month, day;

    rec_date_to_civil(seconds, &year, &month, &day);
    if (json)
        rec_buf_addf(out, "%04lld-%02u-%02uT", (long long)year, month, day);
    else
        rec_buf_addf(out, "[%02u/%.3s/%04lld:", day, months + (month - 1) * 3, (long long)year);
    rec_buf_addf(out, "%02d:%02d:%02d", (int)(of_day / 3600), (int)(of_day / 60 % 60), (int)(of_day % 60));
    if (json)
        rec_buf_addf(out, ".%06dZ", (int)(microseconds % 1000000));
    else
        rec_buf_adds(out, " +0000]");
}

static void add_member(struct rec_buf *out, const char *key, const char *value)
{
    if (!value || !*value)
        return;
    rec_buf_addf(out, ",\"%s\":\"", key);
    add_escaped(out, value, true);
    rec_buf_addc(out, '"');
}

static void json_line(struct rec_buf *out, const struct rec_log_entry *e)
{
    rec_buf_adds(out, "{\"time\":\"");
    add_time(out, e->time, true);
    rec_buf_addc(out, '"');
    add_member(out, "request_id", e->request);
    add_member(out, "peer", e->peer);
    add_member(out, "account", e->account);
    add_member(out, "method", e->method);
    add_member(out, "target", e->target);
    add_member(out, "protocol", e->protocol);
    add_member(out, "route", e->route);
    rec_buf_addf(out, ",\"status\":%u,\"bytes\":%zu,\"seconds\":%.6f", e->status, e->bytes, e->seconds);
    add_member(out, "user_agent", e->agent);
    rec_buf_adds(out, "}\n");
}

void rec_log_line(struct rec_buf *out, const struct rec_log_entry *e, bool json)
{
    if (json) {
        json_line(out, e);
        return;
    }
    add_word(out, e->peer);
    rec_buf_adds(out, " - ");
    add_word(out, e->account);
    rec_buf_addc(out, ' ');
    add_time(out, e->time, false);
    rec_buf_adds(out, " \"");
    add_escaped(out, e->method ? e->method : "-", false);
    rec_buf_addc(out, ' ');
    add_escaped(out, e->target ? e->target : "-", false);
    rec_buf_addc(out, ' ');
    add_escaped(out, e->protocol ? e->protocol : "-", false);
    rec_buf_addf(out, "\" %u %zu \"-\" \"", e->status, e->bytes);
    add_escaped(out, e->agent ? e->agent : "-", false);
    rec_buf_adds(out, "\" ");
    add_word(out, e->request);
    rec_buf_addf(out, " %.6f\n", e->seconds);
}
