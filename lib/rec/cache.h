/* SPDX-License-Identifier: MIT
 *
 * cache: answers that were made before, kept by a Redis server; and what several hosts keep there together.
 *
 *     cache      asking and keeping: sealed values, a bound on what it may cost, leaving a server alone that does not answer
 *     redis      the driver: Redis over TCP or a Unix socket, by hiredis
 *
 *     struct rec_cache *cache;
 *     double budget = REC_CACHE_BUDGET;
 *     if (rec_cache_open(&cache, "redis://127.0.0.1:6379/0", &rec_redis, secret, NULL, &err) < 0) ...
 *     if (rec_cache_get(&value, cache, key, key_len, &budget, &err) != REC_CACHE_HIT) {
 *         ... make the value
 *         rec_cache_set(cache, key, key_len, value.data, value.len, 300, &budget, &err);
 *     }
 *
 * A cache is of use only while it is quick, and does harm as soon as it is believed. So: every call has an end, whatever the server does; after a
 * failure nobody asks for a second, then one caller tries; and a value is taken only if it was sealed (XChaCha20-Poly1305) by somebody with the same
 * secret, for this very key. What the server holds are keyed hashes and sealed bytes: it learns nothing of anybody, and cannot pass one answer off as
 * another. What it can do is forget, and answer with an older value of the same key: a key has to name everything that its value depends on.
 *
 * All functions may be called from any thread; connections are kept and shared.
 */
#ifndef REC_CACHE_H
#define REC_CACHE_H

#include <rec/crypto.h>

/** Seconds that one request may lose to the cache in all, reading and keeping together; something is left of 50 ms for being waked up late. */
#define REC_CACHE_BUDGET 0.045
/** Bytes of a value; what is longer is not kept. */
#define REC_CACHE_LONGEST ((size_t)1 << 20)

enum rec_cache_outcome {
    REC_CACHE_HIT,                /**< the value is there; of set and delete: done */
    REC_CACHE_MISS,               /**< there is none */
    REC_CACHE_AWAY,               /**< the server did not answer, or is being left alone */
    REC_CACHE_REFUSED,            /**< the server said an error: full, read-only ... */
    REC_CACHE_WRONG               /**< there is something that is not ours: not taken */
};
#define REC_CACHE_OUTCOMES 5
/** "hit", "miss", "away", "refused", "wrong". */
extern const char *const rec_cache_outcomes[REC_CACHE_OUTCOMES];

/* ---- drivers ---- */

/** Where the server is, as the URL says. `host` "" : a Unix socket at `path`. */
struct rec_cache_address {
    char host[256], port[6], path[108];
    char user[128], password[256];
    int64_t database;
};
/** One connection; functions return before `deadline` (seconds of CLOCK_MONOTONIC). A connection that failed (REC_CACHE_AWAY, REC_CACHE_WRONG) is not
 *  used again. No message holds the password. */
struct rec_cache_driver {
    /** Looks the host up: may take long, and is called once. A host that is not found is no failure: it is looked for again when it is needed. */
    int (*resolve)(void **resolved, const struct rec_cache_address *address, struct rec_err *err);
    void (*forget)(void *resolved);
    /** NULL when it cannot be had. */
    void *(*connect)(void *resolved, double deadline, struct rec_err *err);
    void (*close)(void *connection);
    /** Sends a command of `n` words and waits for its answer, which has to be of that type of RESP ('$' bytes, '+' a status, ':' a number), or nil
     *  (MISS), or an error (REFUSED). *text of a HIT is its bytes, of REFUSED the error's first word; borrowed until the next command. */
    enum rec_cache_outcome (*ask)(const char **text, size_t *len, void *connection, char type, const char *const *word, const size_t *word_len,
                                  int n, double deadline, struct rec_err *err);
};
/** Redis 4 and later, or what speaks its protocol (RESP2). */
extern const struct rec_cache_driver rec_redis;

/* ---- the cache ---- */

struct rec_cache;

/** Reads the URL and looks the host up; connects when it is first asked. "redis://[[user]:password@]host[:port][/database]", or
 *  "unix:[//[[user]:password@]]/path[?db=database]"; what is between may be percent-encoded.
 *  @param state  a file of 8 bytes, made when it is not there, by which all processes know that the server is being left alone: of those that live for
 *  one request each would else wait for it; NULL: this process alone knows.
 *  @param secret  REC_KEY_BYTES that all who share the cache have; NULL: accidents are noticed, malice is not, and the server can read the values. */
int rec_cache_open(struct rec_cache **out, const char *url, const struct rec_cache_driver *driver, const unsigned char *secret,
                   const char *state, struct rec_err *err);
/** Waits for nobody: no other thread may be using it. NULL is safe. */
void rec_cache_close(struct rec_cache *cache);

/** Adds the value to `out`. @param key  any bytes: only a hash of it leaves the process  @param budget  seconds that may be spent; what is left of
 *  them when it returns  @param err  of AWAY, REFUSED and WRONG, "" when the server is being left alone: then it was told before. */
enum rec_cache_outcome rec_cache_get(struct rec_buf *out, struct rec_cache *cache, const void *key, size_t key_len, double *budget,
                                     struct rec_err *err);
/** Keeps it for `life` seconds. */
enum rec_cache_outcome rec_cache_set(struct rec_cache *cache, const void *key, size_t key_len, const void *value, size_t len, double life,
                                     double *budget, struct rec_err *err);
/** HIT: it was there, MISS: it was not. */
enum rec_cache_outcome rec_cache_delete(struct rec_cache *cache, const void *key, size_t key_len, double *budget, struct rec_err *err);

/** A program in Lua that the server runs as one step: nobody else's command comes between its own. */
struct rec_cache_script {
    const char *text;
    char sha1[41];                /**< of the text, by which the server knows it once it has run */
};
/** Texts that a script may be told. */
#define REC_CACHE_ARGUMENTS 4
/** Runs it for a key, KEYS[1]: what is kept under it is the script's own affair, and is not sealed. Adds its answer, which has to be bytes, to `out`;
 *  MISS when it answers nothing.  @param argument  [n] NUL-terminated texts, ARGV */
enum rec_cache_outcome rec_cache_run(struct rec_buf *out, struct rec_cache *cache, const struct rec_cache_script *script, const void *key,
                                     size_t key_len, const char *const *argument, size_t n, double *budget, struct rec_err *err);

/** How gets came out since it was opened, by rec_cache_outcome; and how many connections were made. */
struct rec_cache_counts {
    uint64_t gets[REC_CACHE_OUTCOMES], connections;
};
void rec_cache_count(struct rec_cache_counts *out, const struct rec_cache *cache);

#endif
