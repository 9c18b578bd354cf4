/* SPDX-License-Identifier: MIT
 *
 * Ed25519 (RFC 8032). libsodium keeps the public key behind the seed in what it calls the secret key, and refuses to verify with public
 * keys of small order and signatures that are not in canonical form.
 */
#include "crypto_priv.h"

#include <sodium.h>

_Static_assert(crypto_sign_PUBLICKEYBYTES == REC_SIGN_PUBLIC && crypto_sign_SECRETKEYBYTES == REC_SIGN_SECRET, "sizes of keys");
_Static_assert(crypto_sign_BYTES == REC_SIGN_BYTES && crypto_sign_SEEDBYTES == REC_KEY_BYTES, "sizes of signature and seed");

void rec_sign_keys(unsigned char public_key[REC_SIGN_PUBLIC], unsigned char secret_key[REC_SIGN_SECRET])
{
    rec_secret_ready();
    crypto_sign_keypair(public_key, secret_key);
}

void rec_sign_keys_from(unsigned char public_key[REC_SIGN_PUBLIC], unsigned char secret_key[REC_SIGN_SECRET],
                        const unsigned char seed[REC_KEY_BYTES])
{
    rec_secret_ready();
    crypto_sign_seed_keypair(public_key, secret_key, seed);
}

void rec_sign(unsigned char out[REC_SIGN_BYTES], const void *bytes, size_t n, const unsigned char secret_key[REC_SIGN_SECRET])
{
    rec_secret_ready();
    crypto_sign_detached(out, NULL, bytes, n, secret_key);
}

bool rec_sign_verify(const unsigned char signature[REC_SIGN_BYTES], const void *bytes, size_t n,
                     const unsigned char public_key[REC_SIGN_PUBLIC])
{
    rec_secret_ready();
    return crypto_sign_verify_detached(signature, bytes, n, public_key) == 0;
}
