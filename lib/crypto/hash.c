/* SPDX-License-Identifier: MIT
 *
 * BLAKE2b with 256 bits of digest (RFC 7693), plain or keyed.
 */
#include "crypto_priv.h"

#include <sodium.h>

_Static_assert(sizeof(crypto_generichash_state) <= sizeof((struct rec_hash){0}.state), "room for libsodium's state");
_Static_assert(_Alignof(crypto_generichash_state) <= _Alignof(struct rec_hash), "its alignment");

static crypto_generichash_state *state_of(struct rec_hash *hash)
{
    return (crypto_generichash_state *)(void *)hash->state;
}

void rec_hash_begin(struct rec_hash *hash, const unsigned char *key)
{
    rec_secret_ready();
    crypto_generichash_init(state_of(hash), key, key ? REC_KEY_BYTES : 0, REC_HASH_BYTES);
}

void rec_hash_add(struct rec_hash *hash, const void *bytes, size_t n)
{
    if (n > 0)
        crypto_generichash_update(state_of(hash), bytes, n);
}

void rec_hash_end(struct rec_hash *hash, unsigned char out[REC_HASH_BYTES])
{
    crypto_generichash_final(state_of(hash), out, REC_HASH_BYTES);
    sodium_memzero(hash, sizeof *hash);
}

void rec_hash(unsigned char out[REC_HASH_BYTES], const void *bytes, size_t n, const unsigned char *key)
{
    rec_secret_ready();
    crypto_generichash(out, REC_HASH_BYTES, bytes, n, key, key ? REC_KEY_BYTES : 0);
}
