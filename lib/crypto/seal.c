/* SPDX-License-Identifier: MIT
 *
 * One small text by XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): a nonce of 24 bytes is long enough to be drawn at random for every
 * text without keeping count.
 */
#include "crypto_priv.h"

#include <sodium.h>

enum { NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES };
_Static_assert(NONCE + TAG == REC_SEAL_OVERHEAD, "what sealing adds");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == REC_KEY_BYTES, "size of keys");

int rec_seal(struct rec_buf *out, const void *plain, size_t n, const void *about, size_t about_len,
             const unsigned char key[REC_KEY_BYTES], struct rec_err *err)
{
    unsigned char *sealed;
    size_t more;

    if (rec_size_add(&more, n, REC_SEAL_OVERHEAD) < 0 || out->failed || rec_buf_reserve(out, more) < 0)
        return rec_err_memory(err, "sealed text");
    sealed = (unsigned char *)out->data + out->len;
    rec_secret_random(sealed, NONCE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(sealed + NONCE, NULL, plain, n, about, about_len, NULL, sealed, key);
    out->len += more;
    out->data[out->len] = '\0';
    return 0;
}

int rec_seal_open(struct rec_buf *out, const void *sealed, size_t n, const void *about, size_t about_len,
                  const unsigned char key[REC_KEY_BYTES], struct rec_err *err)
{
    const unsigned char *from = sealed;
    size_t plain;

    rec_secret_ready();
    if (n < REC_SEAL_OVERHEAD)
        return rec_err_set(err, "sealed text: is too short, %zu bytes", n);
    plain = n - REC_SEAL_OVERHEAD;
    if (out->failed || rec_buf_reserve(out, plain) < 0)
        return rec_err_memory(err, "sealed text");
    if (crypto_aead_xchacha20poly1305_ietf_decrypt((unsigned char *)out->data + out->len, NULL, NULL, from + NONCE, n - NONCE, about,
                                                   about_len, from, key) < 0) {
        out->data[out->len] = '\0';
        return rec_err_set(err, "sealed text: was changed, or moved here from another place, or sealed with another key");
    }
    out->len += plain;
    out->data[out->len] = '\0';
    return 0;
}
