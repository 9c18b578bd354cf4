/* SPDX-License-Identifier: MIT
 *
 * crypto: what keeps secrets and proves origins, on libsodium and nothing of our own.
 *
 *     secret     random bytes, comparison in constant time, wiping; hex and base64url
 *     hash       BLAKE2b-256, with or without a key (RFC 7693)
 *     sha256     SHA-256 (FIPS 180-4), for digests that other programs check too
 *     mac        HMAC-SHA256 (RFC 2104)
 *     sign       Ed25519 signatures (RFC 8032)
 *     seal       one small text encrypted and authenticated: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03)
 *     stream     a stream of any length the same way, in blocks that cannot be cut, dropped or put in another order
 *     password   argon2id (RFC 9106)
 *     keyring    versioned keys in a file that only its owner can read
 *
 *     struct rec_keyring keys;
 *     unsigned char key[REC_KEY_BYTES];
 *     struct rec_buf sealed = {0};
 *     if (rec_keyring_read(&keys, "rec.keys", &err) < 0 ||
 *         rec_keyring_derive(key, &keys, keys.newest, REC_KEY_FIELD, &err) < 0 ||
 *         rec_seal(&sealed, "ann@example.org", 15, "accounts.email:17", 17, key, &err) < 0) ...
 *
 * Functions that may fail return 0, or -1 with the reason in `err`; no message holds a secret. All are safe in threads.
 * What is read from outside is compared and decoded without branches that depend on secrets.
 */
#ifndef REC_CRYPTO_H
#define REC_CRYPTO_H

#include <rec/util.h>

#define REC_KEY_BYTES 32

/* ---- secret: random bytes, comparison, wiping, text ---------------------------------------------- */

/** n bytes from the kernel's generator. */
void rec_secret_random(void *out, size_t n);
/** Whether two strings of n bytes are equal, in a time that depends on n alone. */
bool rec_secret_equal(const void *a, const void *b, size_t n) REC_RESULT_USED;
/** Overwrites; the compiler does not leave it out. */
void rec_secret_wipe(void *bytes, size_t n);
/** Wipes and frees the storage of a buffer. */
void rec_secret_clear(struct rec_buf *buf);

/** Lower-case hexadecimal. @param out room for 2n + 1 bytes; ends in NUL. */
void rec_secret_hex(char *out, const void *bytes, size_t n);
/** Exactly 2n hexadecimal digits into n bytes; -1 when they are not. */
int rec_secret_unhex(void *out, size_t n, const char *text, size_t len) REC_RESULT_USED;
/** base64url without padding (RFC 4648, section 5), added to `out`. */
void rec_secret_base64(struct rec_buf *out, const void *bytes, size_t n);
/** Strict: no padding, no other letters, no bits left over. @param cap room in `out`.  @return bytes written, or -1. */
ptrdiff_t rec_secret_unbase64(void *out, size_t cap, const char *text, size_t len) REC_RESULT_USED;
/** A name nobody can guess and nobody has had before: `n` letters and digits of [a-z2-7], 5 bits each. @param out n + 1 bytes. */
void rec_secret_name(char *out, size_t n);

/* ---- hash: BLAKE2b-256 --------------------------------------------------------------------------- */

#define REC_HASH_BYTES 32

/** 384 bytes of libsodium's state. */
struct rec_hash {
    _Alignas(64) unsigned char state[384];
};
/** @param key  of REC_KEY_BYTES, or NULL: a plain digest. */
void rec_hash_begin(struct rec_hash *hash, const unsigned char *key);
void rec_hash_add(struct rec_hash *hash, const void *bytes, size_t n);
void rec_hash_end(struct rec_hash *hash, unsigned char out[REC_HASH_BYTES]);
/** All three in one. */
void rec_hash(unsigned char out[REC_HASH_BYTES], const void *bytes, size_t n, const unsigned char *key);

/* ---- sha256: what sha256sum prints ---------------------------------------------------------------- */

#define REC_SHA256_BYTES 32

struct rec_sha256 {
    uint64_t state[13];
};
void rec_sha256_begin(struct rec_sha256 *hash);
void rec_sha256_add(struct rec_sha256 *hash, const void *bytes, size_t n);
void rec_sha256_end(struct rec_sha256 *hash, unsigned char out[REC_SHA256_BYTES]);
/** Of a file, read as it is, in hexadecimal and NUL. */
int rec_sha256_file(char out[2 * REC_SHA256_BYTES + 1], const char *path, struct rec_err *err);

/* ---- mac: HMAC-SHA256 ---------------------------------------------------------------------------- */

#define REC_MAC_BYTES 32

void rec_mac(unsigned char out[REC_MAC_BYTES], const void *bytes, size_t n, const unsigned char key[REC_KEY_BYTES]);
/** In a time that depends on n alone. */
bool rec_mac_verify(const unsigned char mac[REC_MAC_BYTES], const void *bytes, size_t n, const unsigned char key[REC_KEY_BYTES])
    REC_RESULT_USED;

/* ---- sign: Ed25519 ------------------------------------------------------------------------------- */

#define REC_SIGN_PUBLIC 32
#define REC_SIGN_SECRET 64
#define REC_SIGN_BYTES 64

void rec_sign_keys(unsigned char public_key[REC_SIGN_PUBLIC], unsigned char secret_key[REC_SIGN_SECRET]);
/** The same pair from the same 32 bytes (RFC 8032's secret key). */
void rec_sign_keys_from(unsigned char public_key[REC_SIGN_PUBLIC], unsigned char secret_key[REC_SIGN_SECRET],
                        const unsigned char seed[REC_KEY_BYTES]);
void rec_sign(unsigned char out[REC_SIGN_BYTES], const void *bytes, size_t n, const unsigned char secret_key[REC_SIGN_SECRET]);
bool rec_sign_verify(const unsigned char signature[REC_SIGN_BYTES], const void *bytes, size_t n,
                     const unsigned char public_key[REC_SIGN_PUBLIC]) REC_RESULT_USED;

/* ---- seal: one small text ------------------------------------------------------------------------
 *
 * Sealed: 24 bytes of random nonce, the encrypted bytes, 16 bytes of authenticator. `about` is not stored but must be the same when it is
 * opened: the column and the row, so that nobody can move a sealed value to another place.
 */
#define REC_SEAL_OVERHEAD 40

/** Adds the sealed bytes to `out`. */
int rec_seal(struct rec_buf *out, const void *plain, size_t n, const void *about, size_t about_len,
             const unsigned char key[REC_KEY_BYTES], struct rec_err *err);
/** Adds the plain bytes to `out`. Fails when anything was changed, or the key or `about` is another one. */
int rec_seal_open(struct rec_buf *out, const void *sealed, size_t n, const void *about, size_t about_len,
                  const unsigned char key[REC_KEY_BYTES], struct rec_err *err);

/* ---- stream: a stream of any length --------------------------------------------------------------
 *
 * libsodium's secretstream (XChaCha20-Poly1305 with a ratchet): a header of 24 bytes, then blocks, each of at most 64 KiB of plain text and
 * 17 bytes, of which the last is marked as the last. A file cut anywhere, even between blocks, is noticed.
 * `about` (may be NULL) is authenticated with every block, and is not stored; it is borrowed until the end. A failure is for good: no call
 * after it goes on behind it, and the writer has freed what it held.
 *
 *     struct rec_stream_writer w;                       struct rec_stream_reader r;
 *     rec_stream_begin(&w, sink, context, about, n, key, &err)     rec_stream_open(&r, source, context, name, about, n, key, &err)
 *     rec_stream_write(&w, bytes, len, &err)            rec_stream_read(&r, bytes, len, &got, &err)      // got < len: the end
 *     rec_stream_end(&w, &err)                          rec_stream_close(&r)
 */
typedef int rec_stream_sink(void *context, const void *bytes, size_t len, struct rec_err *err);
/** Reads up to len bytes; *got < len only at the end. */
typedef int rec_stream_source(void *context, void *bytes, size_t len, size_t *got, struct rec_err *err);

struct rec_stream_writer {
    _Alignas(16) unsigned char state[64];
    rec_stream_sink *sink;
    void *context;
    const void *about;
    size_t about_len;
    unsigned char *plain, *sealed;
    size_t fill;
};
int rec_stream_begin(struct rec_stream_writer *w, rec_stream_sink *sink, void *context, const void *about, size_t about_len,
                     const unsigned char key[REC_KEY_BYTES], struct rec_err *err);
int rec_stream_write(struct rec_stream_writer *w, const void *bytes, size_t len, struct rec_err *err) REC_RESULT_USED;
/** Writes the last block and frees; without it the stream counts as cut. */
int rec_stream_end(struct rec_stream_writer *w, struct rec_err *err) REC_RESULT_USED;
/** Frees without an end. */
void rec_stream_abort(struct rec_stream_writer *w);

struct rec_stream_reader {
    _Alignas(16) unsigned char state[64];
    rec_stream_source *source;
    void *context;
    const char *name;            /**< for messages; borrowed */
    const void *about;
    size_t about_len;
    unsigned char *sealed, *plain;
    size_t at, fill;
    uint64_t offset;             /**< of the sealed bytes, for messages */
    bool last;
};
int rec_stream_open(struct rec_stream_reader *r, rec_stream_source *source, void *context, const char *name, const void *about,
                    size_t about_len, const unsigned char key[REC_KEY_BYTES], struct rec_err *err);
/** Plain bytes that were authenticated; *got < len only at the end, which is the marked one, with nothing behind it. */
int rec_stream_read(struct rec_stream_reader *r, void *bytes, size_t len, size_t *got, struct rec_err *err) REC_RESULT_USED;
void rec_stream_close(struct rec_stream_reader *r);

/* ---- password: argon2id -------------------------------------------------------------------------- */

#define REC_PASSWORD_TEXT 128
#define REC_PASSWORD_LONGEST 1024

/** How hard a guess is. RFC 9106's second choice, as OWASP has it: 64 MiB, three passes (about 150 ms). */
struct rec_password_cost {
    uint64_t passes;
    size_t memory;               /**< bytes */
};
extern const struct rec_password_cost rec_password_interactive;

/** "$argon2id$v=19$m=65536,t=3,p=1$salt$hash", NUL-terminated and padded with NULs. */
int rec_password_hash(char out[REC_PASSWORD_TEXT], const char *password, size_t len, const struct rec_password_cost *cost,
                      struct rec_err *err);
/** Whether it is the one. `text` NULL takes as long and says no: for a name that does not exist. */
bool rec_password_verify(const char *text, const char *password, size_t len) REC_RESULT_USED;
/** Whether `text` was made at another cost, and should be made anew at the next login. */
bool rec_password_stale(const char *text, const struct rec_password_cost *cost);

/* ---- keyring: versioned keys in a file -----------------------------------------------------------
 *
 * A line for each version: `1 2026-11-23T21:00:00Z <43 letters of base64url>`; '#' begins a comment. The file is refused unless it is a
 * regular file of ours (or root's) that nobody else can read. The greatest version is the newest: it encrypts, older ones only decrypt.
 * The keys of each purpose are derived (crypto_kdf, BLAKE2b: number = purpose, context "rec.keys"), so that one line is all that has to be
 * kept safe. Those who change the file take turns, and find either the old file or the new one, whenever a process is killed.
 */
#define REC_KEYRING_MAX 64

enum rec_key_purpose {
    REC_KEY_FIELD = 1,           /**< fields of the store: e-mail */
    REC_KEY_LOOKUP,              /**< keyed hashes: to look such a field up by, and of people who were forgotten */
    REC_KEY_BACKUP,              /**< archives */
    REC_KEY_TOKEN,               /**< signatures of access tokens */
    REC_KEY_CACHE,               /**< answers kept by a cache */
    REC_KEY_KNOWN                /**< what processes that live for one request leave each other */
};

struct rec_keyring {
    size_t n;
    uint32_t newest;
    uint32_t version[REC_KEYRING_MAX];
    int64_t created[REC_KEYRING_MAX];
    unsigned char key[REC_KEYRING_MAX][REC_KEY_BYTES];
};

int rec_keyring_read(struct rec_keyring *keys, const char *path, struct rec_err *err);
/** Makes the file with version 1, mode 0600; fails when it is there. */
int rec_keyring_create(const char *path, int64_t now, struct rec_err *err);
/** Adds a version to the file, by a new file renamed into place, and to `keys`. */
int rec_keyring_add(struct rec_keyring *keys, const char *path, int64_t now, struct rec_err *err);
/** Drops all but the newest, and the n versions that are still needed (rec_store_key_uses tells them; those that are not there are passed over),
 *  from the file and from `keys`. Fails when the file has a newer one, which `keys` does not know. */
int rec_keyring_prune(struct rec_keyring *keys, const char *path, const uint32_t *needed, size_t n, struct rec_err *err);
/** The key of that version and purpose. Fails when the version is not there: "key 3 is not in the keyring". */
int rec_keyring_derive(unsigned char out[REC_KEY_BYTES], const struct rec_keyring *keys, uint32_t version,
                       enum rec_key_purpose purpose, struct rec_err *err);
/** Wipes it. */
void rec_keyring_clear(struct rec_keyring *keys);

#endif
