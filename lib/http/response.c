/* SPDX-License-Identifier: MIT
 *
 * Answers: RFC 9110 for what the fields mean, RFC 9112 for how they are written.
 */
#include <rec/format.h>
#include <rec/http.h>

#include <string.h>

enum { WORTH_COMPRESSING = 1024 };

const char *rec_response_phrase(unsigned status)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } phrases[] = {
        {100, "Continue"}, {200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"}, {304, "Not Modified"},
        {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
        {406, "Not Acceptable"}, {408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {412, "Precondition Failed"},
        {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"}, {417, "Expectation Failed"},
        {422, "Unprocessable Content"}, {429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"}, {501, "Not Implemented"}, {503, "Service Unavailable"}, {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < REC_LENGTH(phrases); i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "";
}

static void add_line(struct rec_buf *out, const char *name, const char *value)
{
    size_t begin, len = strlen(value);

    rec_buf_adds(out, name);
    rec_buf_add(out, ": ", 2);
    begin = out->len;
    rec_buf_add(out, value, len);
    for (size_t i = begin; i < begin + len && !out->failed; i++)
        if ((unsigned char)out->data[i] < 32 || out->data[i] == 127)
            out->data[i] = '?';
    rec_buf_add(out, "\r\n", 2);
}

static void add_number(struct rec_buf *out, int64_t n)
{
    char text[REC_NUM_MAX];

    rec_buf_add(out, text, rec_num_print_int64(text, n));
}

void rec_response_field(struct rec_response *r, const char *name, const char *value)
{
    add_line(&r->fields, name, value);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT": RFC 9110, section 5.6.7. A thread writes it once a second. */
static void add_date(struct rec_buf *out, int64_t now)
{
    static const char days[] = "ThuFriSatSunMonTueWed", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    static _Thread_local int64_t written = INT64_MIN;
    static _Thread_local char line[64];
    int64_t year, day = now / 86400, second = now % 86400;
    unsigned month, of_month;

    if (now != written) {
        rec_date_to_civil(now, &year, &month, &of_month);
        snprintf(line, sizeof line, "Date: %.3s, %02u %.3s %04lld %02d:%02d:%02d GMT\r\n", days + day % 7 * 3, of_month, months + (month - 1) * 3,
                 (long long)year, (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60));
        written = now;
    }
    rec_buf_adds(out, line);
}

/* If-None-Match: "*", or a list that holds the tag, weak or strong (RFC 9110, section 13.1.2). */
static bool is_known(const struct rec_message *m, const char *etag)
{
    size_t len;
    const char *text = rec_message_field(m, "if-none-match", &len);

    return text && ((len == 1 && *text == '*') || memmem(text, len, etag, strlen(etag)));
}

static bool has_validator(const struct rec_response *r, const struct rec_message *m)
{
    return m && r->status == 200 && !r->no_etag && r->type && (m->method == REC_GET || m->method == REC_HEAD);
}

bool rec_response_packs(const struct rec_response *r, const struct rec_message *m)
{
    return m && !r->no_gzip && r->body.len >= WORTH_COMPRESSING && rec_message_lists(m, "accept-encoding", "gzip");
}

/* The body as it goes out: compressed, into `packed` if it is not yet, when that is wanted and helps. */
static const struct rec_buf *pack(struct rec_buf *packed, const struct rec_response *r, const struct rec_message *m)
{
    const struct rec_buf *found = r->packed.len ? &r->packed : packed;

    if (!rec_response_packs(r, m) || (found == packed && rec_gzip_pack(packed, r->body.data, r->body.len) < 0))
        return &r->body;
    return found->len < r->body.len ? found : &r->body;
}

static void write_head(struct rec_buf *out, const struct rec_response *r, size_t length, bool packed, const char *etag, int64_t now, bool close,
                       unsigned minor)
{
    rec_buf_adds(out, "HTTP/1.1 ");
    add_number(out, (int64_t)r->status);
    rec_buf_addc(out, ' ');
    rec_buf_adds(out, rec_response_phrase(r->status));
    rec_buf_add(out, "\r\n", 2);
    add_date(out, now);
    if (r->type && r->status != 304 && r->status != 204)
        add_line(out, "Content-Type", r->type);
    if (r->status != 204 && r->status != 304) {
        rec_buf_adds(out, "Content-Length: ");
        add_number(out, (int64_t)length);
        rec_buf_add(out, "\r\n", 2);
    }
    if (packed && r->status != 304)
        rec_buf_adds(out, "Content-Encoding: gzip\r\n");
    if (!r->no_gzip && r->type)
        rec_buf_adds(out, "Vary: Accept-Encoding\r\n");
    if (etag[0])
        add_line(out, "ETag", etag);
    rec_buf_add(out, r->fields.data, r->fields.len);
    if (close || minor == 0)
        add_line(out, "Connection", close ? "close" : "keep-alive");
    rec_buf_adds(out, "\r\n");
}

static void write_etag(char etag[40], uint64_t hash, const char *end)
{
    etag[0] = '"';
    for (int i = 0; i < 16; i++)
        etag[1 + i] = "0123456789abcdef"[hash >> (60 - 4 * i) & 15];
    memcpy(etag + 17, end, strlen(end) + 1);
}

int rec_response_write(struct rec_buf *out, struct rec_response *r, const struct rec_message *m, int64_t now, bool keep_alive)
{
    struct rec_buf packed = {0};
    const struct rec_buf *body = pack(&packed, r, m);
    size_t before = out->len;
    char etag[40] = "";

    if (has_validator(r, m)) {
        /* A compressed body is another representation, with a tag of its own. */
        write_etag(etag, rec_hashmap_hash(r->body.data, r->body.len), body != &r->body ? "-gz\"" : "\"");
        if (is_known(m, etag))
            r->status = 304;
    }
    write_head(out, r, body->len, body != &r->body, etag, now, r->close || !keep_alive, m ? m->minor : 1);
    if (r->status != 304 && r->status != 204 && !(m && m->method == REC_HEAD))
        rec_buf_add(out, body->data, body->len);
    rec_buf_clear(&packed);
    if (!out->failed && !r->fields.failed && !r->body.failed)
        return 0;
    out->len = before;
    out->failed = false;
    return -1;
}

void rec_response_reset(struct rec_response *r)
{
    struct rec_buf fields = r->fields, body = r->body, packed = r->packed;

    *r = (struct rec_response){.fields = fields, .body = body, .packed = packed};
    rec_buf_reset(&r->fields);
    rec_buf_reset(&r->body);
    rec_buf_reset(&r->packed);
}

void rec_response_clear(struct rec_response *r)
{
    rec_buf_clear(&r->fields);
    rec_buf_clear(&r->body);
    rec_buf_clear(&r->packed);
    *r = (struct rec_response){0};
}
