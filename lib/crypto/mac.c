/* SPDX-License-Identifier: MIT
 *
 * HMAC-SHA256 (RFC 2104, FIPS 180-4): what HS256 of RFC 7518 signs with.
 */
#include "crypto_priv.h"

#include <sodium.h>

_Static_assert(crypto_auth_hmacsha256_BYTES == REC_MAC_BYTES && crypto_auth_hmacsha256_KEYBYTES == REC_KEY_BYTES, "sizes");

void rec_mac(unsigned char out[REC_MAC_BYTES], const void *bytes, size_t n, const unsigned char key[REC_KEY_BYTES])
{
    rec_secret_ready();
    crypto_auth_hmacsha256(out, bytes, n, key);
}

bool rec_mac_verify(const unsigned char mac[REC_MAC_BYTES], const void *bytes, size_t n, const unsigned char key[REC_KEY_BYTES])
{
    rec_secret_ready();
    return crypto_auth_hmacsha256_verify(mac, bytes, n, key) == 0;
}
