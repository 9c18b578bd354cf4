/* SPDX-License-Identifier: MIT
 *
 * Random bytes, comparison in constant time, wiping, and text for binary: libsodium's, whose codecs have no tables that are indexed and no
 * branches that depend on what they encode. base64url is RFC 4648, section 5.
 */
#include "crypto_priv.h"

#include <sodium.h>
#include <stdatomic.h>

void rec_secret_ready(void)
{
    static atomic_bool done;

    if (atomic_load_explicit(&done, memory_order_acquire))
        return;
    if (sodium_init() < 0)
        sodium_misuse();
    atomic_store_explicit(&done, true, memory_order_release);
}

void rec_secret_random(void *out, size_t n)
{
    rec_secret_ready();
    if (n > 0)
        randombytes_buf(out, n);
}

bool rec_secret_equal(const void *a, const void *b, size_t n)
{
    return n == 0 || sodium_memcmp(a, b, n) == 0;
}

void rec_secret_wipe(void *bytes, size_t n)
{
    if (n > 0)
        sodium_memzero(bytes, n);
}

void rec_secret_clear(struct rec_buf *buf)
{
    if (buf->data)
        rec_secret_wipe(buf->data, buf->cap);
    rec_buf_clear(buf);
}

void rec_secret_hex(char *out, const void *bytes, size_t n)
{
    sodium_bin2hex(out, 2 * n + 1, bytes, n);
}

int rec_secret_unhex(void *out, size_t n, const char *text, size_t len)
{
    size_t got = 0;

    if (len % 2 != 0 || len / 2 != n)
        return -1;
    return sodium_hex2bin(out, n, text, len, NULL, &got, NULL) == 0 && got == n ? 0 : -1;
}

void rec_secret_base64(struct rec_buf *out, const void *bytes, size_t n)
{
    const int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
    size_t len;

    /* The longest that libsodium takes is a little under three quarters of all memory; it would end the process beyond. */
    if (n > SIZE_MAX / 4) {
        out->failed = true;
        return;
    }
    len = sodium_base64_encoded_len(n, variant);
    if (out->failed || rec_buf_reserve(out, len) < 0)
        return;
    sodium_bin2base64(out->data + out->len, len, bytes, n, variant);
    out->len += len - 1;
}

ptrdiff_t rec_secret_unbase64(void *out, size_t cap, const char *text, size_t len)
{
    size_t got = 0;
    unsigned char high = 0;

    /* libsodium 1.0.18 takes some bytes above 127, negative as a char, for '_' and '-'. */
    for (size_t i = 0; i < len; i++)
        high |= (unsigned char)text[i];
    if ((high & 0x80) || len / 4 * 3 > PTRDIFF_MAX - 3)
        return -1;
    if (sodium_base642bin(out, cap, text, len, NULL, &got, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) < 0)
        return -1;
    return (ptrdiff_t)got;
}

void rec_secret_name(char *out, size_t n)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

    rec_secret_random(out, n);
    for (size_t i = 0; i < n; i++)
        out[i] = letters[(unsigned char)out[i] & 31];
    out[n] = '\0';
}
