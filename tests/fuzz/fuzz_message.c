/* SPDX-License-Identifier: MIT
 *
 * Requests, cut in two by their first byte: the result may not depend on the cut; what is whole has a target that can be asked.
 */
#include <rec/http.h>

#include <stdlib.h>
#include <string.h>

static enum rec_message_result feed(struct rec_message *m, const char *bytes, size_t len, size_t *used)
{
    enum rec_message_result result;
    size_t took;

    *used = 0;
    do {
        result = rec_message_feed(m, bytes + *used, len - *used, &took);
        *used += took;
    } while (result == REC_MESSAGE_CONTINUE && *used < len);
    return result;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct rec_message whole, cut;
    struct rec_target target;
    struct rec_err err;
    enum rec_message_result a, b;
    size_t used, at, more;

    if (!size)
        return 0;
    at = size > 1 ? data[0] % size : 0;
    data++, size--;
    rec_message_begin(&whole, &rec_message_limits);
    rec_message_begin(&cut, &rec_message_limits);
    a = feed(&whole, (const char *)data, size, &used);
    b = feed(&cut, (const char *)data, at, &more);
    if (b == REC_MESSAGE_MORE || b == REC_MESSAGE_CONTINUE)
        b = feed(&cut, (const char *)data + at, size - at, &more);
    if ((a == REC_MESSAGE_CONTINUE ? REC_MESSAGE_MORE : a) != (b == REC_MESSAGE_CONTINUE ? REC_MESSAGE_MORE : b) || whole.status != cut.status)
        abort();
    if (a == REC_MESSAGE_WHOLE) {
        if (whole.body.len != cut.body.len || whole.n_fields != cut.n_fields || strcmp(whole.target, cut.target) != 0 ||
            strlen(whole.target) < whole.target_len)
            abort();
        if (rec_target_parse(&target, whole.target, whole.target_len, &err) == 0)
            rec_target_clear(&target);
        rec_message_lists(&whole, "connection", "close");
    }
    rec_message_clear(&whole);
    rec_message_clear(&cut);
    return 0;
}
