/* SPDX-License-Identifier: MIT
 *
 * SHA-256 (FIPS 180-4) by libsodium: where a digest leaves the toolchain and somebody else's sha256sum is to agree.
 */
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include <rec/crypto.h>

_Static_assert(sizeof(struct rec_sha256) >= sizeof(crypto_hash_sha256_state), "room for libsodium's state");
_Static_assert(REC_SHA256_BYTES == crypto_hash_sha256_BYTES, "a digest's size");

void rec_sha256_begin(struct rec_sha256 *hash)
{
    crypto_hash_sha256_init((crypto_hash_sha256_state *)hash->state);
}

void rec_sha256_add(struct rec_sha256 *hash, const void *bytes, size_t n)
{
    crypto_hash_sha256_update((crypto_hash_sha256_state *)hash->state, bytes, n);
}

void rec_sha256_end(struct rec_sha256 *hash, unsigned char out[REC_SHA256_BYTES])
{
    crypto_hash_sha256_final((crypto_hash_sha256_state *)hash->state, out);
}

int rec_sha256_file(char out[2 * REC_SHA256_BYTES + 1], const char *path, struct rec_err *err)
{
    unsigned char block[65536], digest[REC_SHA256_BYTES];
    struct rec_sha256 hash;
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return rec_err_errno(err, "%s", path);
    rec_sha256_begin(&hash);
    while ((got = read(fd, block, sizeof(block))) > 0)
        rec_sha256_add(&hash, block, (size_t)got);
    if (got < 0)
        rec_err_errno(err, "%s", path);
    close(fd);
    if (got < 0)
        return -1;
    rec_sha256_end(&hash, digest);
    rec_secret_hex(out, digest, sizeof(digest));
    return 0;
}
