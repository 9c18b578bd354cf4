/* SPDX-License-Identifier: MIT
 *
 * Bytes as they stand in the RFCs.
 */
#ifndef REC_TEST_BYTES_H
#define REC_TEST_BYTES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/crypto.h>

struct bytes {
    unsigned char data[1024];
    size_t len;
};

static inline struct bytes hex(const char *text)
{
    struct bytes b = {.len = strlen(text) / 2};
    assert_true(b.len <= sizeof b.data);
    assert_int_equal(rec_secret_unhex(b.data, b.len, text, strlen(text)), 0);
    return b;
}

static inline void is_hex(const void *bytes, size_t n, const char *text)
{
    char out[2049];
    assert_true(2 * n < sizeof out);
    rec_secret_hex(out, bytes, n);
    assert_string_equal(out, text);
}

/* One line, with something in it. */
static inline void is_message(const struct rec_err *err)
{
    assert_true(strlen(err->text) > 12);
    assert_null(strchr(err->text, '\n'));
    assert_non_null(strstr(err->text, ": "));
}

#endif
