/* SPDX-License-Identifier: MIT
 *
 * The line a tool adds to the history of what it makes: rec-format(5), History.
 */
#include <rec/format.h>

static bool plain(const struct rec_buf *value)
{
    for (size_t i = 0; i < value->len; i++) {
        unsigned char c = (unsigned char)value->data[i];
        if (c <= ' ' || c == '"' || c == '\\' || c == 0x7f)
            return false;
    }
    return value->len > 0;
}

static void add_value(struct rec_buf *history, const char *name, const struct rec_buf *value)
{
    struct rec_json json = {.out = history, .flat = true};
    rec_buf_addc(history, ' ');
    rec_buf_adds(history, name);
    rec_buf_addc(history, '=');
    if (plain(value))
        rec_buf_add(history, value->data, value->len);
    else
        rec_json_text(&json, NULL, value->len ? value->data : "", value->len);
}

static void add_option(struct rec_buf *history, const struct rec_opt *opt)
{
    struct rec_buf value = {0};
    rec_opt_print(&value, opt);
    if (value.len > 0 || opt->origin != REC_ORIGIN_DEFAULT)
        add_value(history, opt->name, &value);
    history->failed |= value.failed;
    rec_buf_clear(&value);
}

void rec_history_add(struct rec_buf *history, const char *tool, const char *version, const struct rec_opt *opts,
                     const uint32_t *digests, size_t n_digests)
{
    rec_buf_adds(history, tool);
    rec_buf_addc(history, ' ');
    rec_buf_adds(history, version);
    for (const struct rec_opt *opt = opts; opt != NULL && opt->name != NULL; opt++)
        if (opt->flags & REC_OPT_RESULT)
            add_option(history, opt);
    for (size_t i = 0; i < n_digests; i++)
        rec_buf_addf(history, " input=crc32c:%08x", digests[i]);
    rec_buf_addc(history, '\n');
}
