/* SPDX-License-Identifier: MIT
 *
 * What our reader of HTTP makes of requests, for comparing it with another's (tests/integration/http-differential.js). Standard input: for each
 * request its length (32 bits, little-endian) and its bytes. Standard output: one JSON object a request.
 */
#include <rec/format.h>
#include <rec/http.h>

#include <stdlib.h>
#include <string.h>

static void add_hex(struct rec_json *json, const char *key, const char *bytes, size_t len)
{
    struct rec_buf text = {0};

    for (size_t i = 0; i < len; i++)
        rec_buf_addf(&text, "%02x", (unsigned)(unsigned char)bytes[i]);
    rec_json_text(json, key, text.data ? text.data : "", text.len);
    rec_buf_clear(&text);
}

static void add_message(struct rec_json *json, const struct rec_message *m, size_t used)
{
    rec_json_int(json, "used", (int64_t)used);
    rec_json_text(json, "method", rec_message_methods[m->method], strlen(rec_message_methods[m->method]));
    rec_json_int(json, "minor", m->minor);
    rec_json_bool(json, "keep_alive", m->keep_alive);
    add_hex(json, "target", m->target, m->target_len);
    rec_json_array(json, "fields");
    for (size_t i = 0; i < m->n_fields; i++) {
        add_hex(json, NULL, m->head.data + m->field[i].name, m->field[i].name_len);
        add_hex(json, NULL, m->head.data + m->field[i].value, m->field[i].value_len);
    }
    rec_json_end(json);
    add_hex(json, "body", m->body.data, m->body.len);
}

/* In pieces of `piece` bytes, which must make no difference. */
static void read_one(struct rec_buf *out, const char *bytes, size_t len, size_t piece)
{
    struct rec_json json = {.out = out, .flat = true};
    enum rec_message_result result = REC_MESSAGE_MORE;
    struct rec_message m;
    size_t used = 0, n;

    rec_message_begin(&m, &rec_message_limits);
    while (used < len && (result == REC_MESSAGE_MORE || result == REC_MESSAGE_CONTINUE)) {
        result = rec_message_feed(&m, bytes + used, len - used < piece ? len - used : piece, &n);
        used += n;
    }
    rec_json_object(&json, NULL);
    if (result == REC_MESSAGE_WHOLE)
        add_message(&json, &m, used);
    else
        rec_json_int(&json, "refused", result == REC_MESSAGE_REFUSED ? (int)m.status : 0);
    rec_json_end(&json);
    rec_message_clear(&m);
}

int main(void)
{
    unsigned char head[4];
    static char bytes[1 << 16];

    while (fread(head, 1, 4, stdin) == 4) {
        size_t len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
        struct rec_buf whole = {0}, cut = {0};

        if (len > sizeof bytes || fread(bytes, 1, len, stdin) != len)
            return 2;
        read_one(&whole, bytes, len, sizeof bytes);
        read_one(&cut, bytes, len, 1);
        if (whole.failed || cut.failed || whole.len != cut.len || memcmp(whole.data, cut.data, cut.len) != 0) {
            fprintf(stderr, "in one piece: %s\nin bytes:     %s\n", whole.data, cut.data);
            return 3;
        }
        puts(whole.data);
        rec_buf_clear(&whole);
        rec_buf_clear(&cut);
    }
    return 0;
}
