/* SPDX-License-Identifier: MIT
 *
 * Passwords by argon2id (RFC 9106), as text in the form of the reference implementation, which names its own cost.
 */
#include "crypto_priv.h"

#include <sodium.h>

_Static_assert(crypto_pwhash_argon2id_STRBYTES == REC_PASSWORD_TEXT, "room for the text");

const struct rec_password_cost rec_password_interactive = {.passes = 3, .memory = (size_t)64 << 20};

/* Nobody's password, at the interactive cost: what a name that does not exist is compared with. */
static const char nobody[REC_PASSWORD_TEXT] = "$argon2id$v=19$m=65536,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$"
                                              "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

int rec_password_hash(char out[REC_PASSWORD_TEXT], const char *password, size_t len, const struct rec_password_cost *cost,
                      struct rec_err *err)
{
    rec_secret_ready();
    if (len > REC_PASSWORD_LONGEST)
        return rec_err_set(err, "password: is longer than %d bytes", REC_PASSWORD_LONGEST);
    if (cost->passes < crypto_pwhash_argon2id_OPSLIMIT_MIN || cost->passes > crypto_pwhash_argon2id_OPSLIMIT_MAX ||
        cost->memory < crypto_pwhash_argon2id_MEMLIMIT_MIN || cost->memory > crypto_pwhash_argon2id_MEMLIMIT_MAX)
        return rec_err_set(err, "password: no such cost of hashing, %llu passes over %zu bytes", (unsigned long long)cost->passes,
                           cost->memory);
    if (crypto_pwhash_argon2id_str(out, password, len, cost->passes, cost->memory) < 0)
        return rec_err_set(err, "password: %zu MiB of memory for its hash are not to be had", cost->memory >> 20);
    return 0;
}

bool rec_password_verify(const char *text, const char *password, size_t len)
{
    bool same;

    rec_secret_ready();
    if (len > REC_PASSWORD_LONGEST)
        return false;
    same = crypto_pwhash_argon2id_str_verify(text ? text : nobody, password, len) == 0;
    return same && text != NULL;
}

bool rec_password_stale(const char *text, const struct rec_password_cost *cost)
{
    rec_secret_ready();
    return crypto_pwhash_argon2id_str_needs_rehash(text, cost->passes, cost->memory) != 0;
}
