/* SPDX-License-Identifier: MIT
 *
 * Writing JSON (RFC 8259) as it comes, without a tree; and well-formed UTF-8 (RFC 3629).
 */
#include <rec/format.h>

#include <math.h>

/* The length of the well-formed character at p, or 0. The table of the Unicode standard, 3.9, D92. */
static size_t character(const unsigned char *p, size_t len)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t n;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (len < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool rec_json_utf8(const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0, n; i < len; i += n) {
        uint64_t word;
        for (; len - i >= sizeof word; i += sizeof word) {
            memcpy(&word, p + i, sizeof word);
            if (word & 0x8080808080808080u)
                break;
        }
        if (i == len)
            break;
        n = character(p + i, len - i);
        if (n == 0)
            return false;
    }
    return true;
}

static void add_escaped(struct rec_buf *out, unsigned char c)
{
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (size_t i = 0; i < sizeof letters - 1; i += 2)
        if ((unsigned char)letters[i] == c) {
            rec_buf_addc(out, '\\');
            rec_buf_addc(out, letters[i + 1]);
            return;
        }
    rec_buf_addf(out, "\\u%04x", c);
}

/* How many bytes at the beginning are letters that stand for themselves, and one byte each. */
static size_t plain_length(const unsigned char *p, size_t len)
{
    size_t i = 0;
    while (i < len && p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
        i++;
    return i;
}

static void add_string(struct rec_buf *out, const char *text, size_t len)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t begin = 0, i = plain_length(p, len);
    rec_buf_addc(out, '"');
    while (i < len) {
        size_t n = character(p + i, len - i);
        bool plain = n > 0 && p[i] >= 0x20 && p[i] != '"' && p[i] != '\\' && p[i] != 0x7f;
        if (plain) {
            i += n;
            continue;
        }
        rec_buf_add(out, text + begin, i - begin);
        if (n == 0)
            rec_buf_adds(out, "\xef\xbf\xbd");
        else
            add_escaped(out, p[i]);
        begin = ++i;
    }
    rec_buf_add(out, text + begin, len - begin);
    rec_buf_addc(out, '"');
}

static void add_line(struct rec_json *json)
{
    rec_buf_addc(json->out, '\n');
    for (unsigned i = 0; i < json->depth; i++)
        rec_buf_adds(json->out, "  ");
}

/* What stands before a value: comma, line, key. */
static void begin(struct rec_json *json, const char *key)
{
    if (json->more)
        rec_buf_addc(json->out, ',');
    if (json->depth > 0 && !json->flat)
        add_line(json);
    if (key != NULL) {
        add_string(json->out, key, strlen(key));
        rec_buf_adds(json->out, json->flat ? ":" : ": ");
    }
    json->more = true;
}

static void open_with(struct rec_json *json, const char *key, char opener, char closer)
{
    begin(json, key);
    rec_buf_addc(json->out, opener);
    if (json->depth >= sizeof json->closer) {
        json->out->failed = true;
        return;
    }
    json->closer[json->depth++] = closer;
    json->more = false;
}

void rec_json_object(struct rec_json *json, const char *key)
{
    open_with(json, key, '{', '}');
}

void rec_json_array(struct rec_json *json, const char *key)
{
    open_with(json, key, '[', ']');
}

void rec_json_end(struct rec_json *json)
{
    if (json->depth == 0)
        return;
    json->depth--;
    if (json->more && !json->flat)
        add_line(json);
    rec_buf_addc(json->out, json->closer[json->depth]);
    if (json->depth == 0 && !json->flat)
        rec_buf_addc(json->out, '\n');
    json->more = json->depth > 0;
}

void rec_json_text(struct rec_json *json, const char *key, const char *text, size_t len)
{
    begin(json, key);
    add_string(json->out, text, len);
}

void rec_json_real(struct rec_json *json, const char *key, double value)
{
    char text[REC_NUM_MAX];
    if (!isfinite(value)) {
        rec_json_null(json, key);
        return;
    }
    begin(json, key);
    rec_buf_add(json->out, text, rec_num_print_double(text, value));
}

void rec_json_float(struct rec_json *json, const char *key, float value)
{
    char text[REC_NUM_MAX];
    if (!isfinite(value)) {
        rec_json_null(json, key);
        return;
    }
    begin(json, key);
    rec_buf_add(json->out, text, rec_num_print_float(text, value));
}

void rec_json_int(struct rec_json *json, const char *key, int64_t value)
{
    char text[REC_NUM_MAX];
    begin(json, key);
    rec_buf_add(json->out, text, rec_num_print_int64(text, value));
}

void rec_json_bool(struct rec_json *json, const char *key, bool value)
{
    begin(json, key);
    rec_buf_adds(json->out, value ? "true" : "false");
}

void rec_json_null(struct rec_json *json, const char *key)
{
    begin(json, key);
    rec_buf_adds(json->out, "null");
}

void rec_json_written(struct rec_json *json, const char *text, size_t len)
{
    begin(json, NULL);
    rec_buf_add(json->out, text, len);
}
