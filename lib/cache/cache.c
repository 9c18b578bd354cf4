/* SPDX-License-Identifier: MIT
 *
 * A cache: sealed values under hashed keys, connections that are kept, and a circuit breaker (Nygard, "Release It!", 2007) in front of them: after
 * a failure calls return at once for a second; then one caller tries, and the others go on returning at once until that has ended well.
 */
#include <rec/cache.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cache_priv.h"

/* Connections kept for later; nanoseconds that a server is left alone. */
enum { KEPT = 64, PAUSE = 1000000000 };

/* A key of Redis: "rec:" and 43 letters. Words of a command: a script's digest, the number of its keys, its key, and what it is told. */
enum { NAME = 4 + 43, WORDS = 4 + REC_CACHE_ARGUMENTS };

const char *const rec_cache_outcomes[REC_CACHE_OUTCOMES] = {"hit", "miss", "away", "refused", "wrong"};

struct rec_cache {
    const struct rec_cache_driver *driver;
    void *resolved;
    unsigned char name_key[REC_KEY_BYTES], seal_key[REC_KEY_BYTES];
    pthread_mutex_t lock;          /* of `kept` */
    void *kept[KEPT];
    size_t n_kept;
    _Atomic int64_t *closed_until; /* nanoseconds of the clock; 0: the server answers. Shared by processes, or `own` */
    _Atomic int64_t own;
    _Atomic uint64_t gets[REC_CACHE_OUTCOMES], connections;
};

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- the breaker ---- */

/* Whether this caller may try. When the pause is over, whoever moves its end on is the one. */
static bool may_try(struct rec_cache *cache)
{
    int64_t until = atomic_load(cache->closed_until), at;

    if (!until)
        return true;
    at = now();
    /* An end that is further away than any pause is of a clock that has begun anew since. */
    return (at >= until || until > at + PAUSE) && atomic_compare_exchange_strong(cache->closed_until, &until, at + PAUSE);
}

static void note(struct rec_cache *cache, bool answered)
{
    if (!answered)
        atomic_store(cache->closed_until, now() + PAUSE);
    else if (atomic_load(cache->closed_until))
        atomic_store(cache->closed_until, 0);
}

/* ---- connections ---- */

static void *take_kept(struct rec_cache *cache)
{
    void *connection = NULL;

    pthread_mutex_lock(&cache->lock);
    if (cache->n_kept)
        connection = cache->kept[--cache->n_kept];
    pthread_mutex_unlock(&cache->lock);
    return connection;
}

static void give(struct rec_cache *cache, void *connection)
{
    bool keep;

    pthread_mutex_lock(&cache->lock);
    keep = cache->n_kept < KEPT;
    if (keep)
        cache->kept[cache->n_kept++] = connection;
    pthread_mutex_unlock(&cache->lock);
    if (!keep)
        cache->driver->close(connection);
}

static void drop_kept(struct rec_cache *cache)
{
    for (void *connection; (connection = take_kept(cache)) != NULL;)
        cache->driver->close(connection);
}

/* ---- one question ---- */

struct question {
    const char *word[WORDS];
    size_t len[WORDS];
    int n;
    char type;                     /* of the answer */
    struct rec_buf *answer;        /* NULL: not wanted */
    bool no_script;                /* the server said that it does not know the script */
};

static void add_word(struct question *q, const void *word, size_t len)
{
    q->word[q->n] = word;
    q->len[q->n++] = len;
}

/* On one connection, which is given back or closed. */
static enum rec_cache_outcome ask_on(struct rec_cache *cache, void *connection, struct question *q, double deadline, struct rec_err *err)
{
    const char *text = NULL;
    size_t len = 0;
    enum rec_cache_outcome outcome = cache->driver->ask(&text, &len, connection, q->type, q->word, q->len, q->n, deadline, err);

    if (outcome == REC_CACHE_HIT && q->answer)
        rec_buf_add(q->answer, text, len);
    q->no_script = outcome == REC_CACHE_REFUSED && len == strlen("NOSCRIPT") && memcmp(text, "NOSCRIPT", len) == 0;
    if (outcome == REC_CACHE_AWAY || outcome == REC_CACHE_WRONG)
        cache->driver->close(connection);
    else
        give(cache, connection);
    return outcome;
}

/* A server that was started anew has forgotten the connections that are kept: one that fails has the others closed, and a new one is tried in what
 * is left of the time. */
static enum rec_cache_outcome ask_server(struct rec_cache *cache, struct question *q, double deadline, struct rec_err *err)
{
    void *connection = take_kept(cache);

    if (connection) {
        enum rec_cache_outcome outcome = ask_on(cache, connection, q, deadline, err);

        if (outcome != REC_CACHE_AWAY || (double)now() * 1e-9 >= deadline)
            return outcome;
        drop_kept(cache);
    }
    connection = cache->driver->connect(cache->resolved, deadline, err);
    if (!connection)
        return REC_CACHE_AWAY;
    atomic_fetch_add(&cache->connections, 1);
    return ask_on(cache, connection, q, deadline, err);
}

static enum rec_cache_outcome ask(struct rec_cache *cache, struct question *q, double *budget, struct rec_err *err)
{
    struct rec_err ignored;
    enum rec_cache_outcome outcome;
    int64_t begun;
    bool answered;

    err = err ? err : &ignored;
    err->text[0] = 0;
    if (*budget <= 0 || !may_try(cache))
        return REC_CACHE_AWAY;
    begun = now();
    outcome = ask_server(cache, q, (double)begun * 1e-9 + *budget, err);
    *budget -= (double)(now() - begun) * 1e-9;
    answered = outcome != REC_CACHE_AWAY && outcome != REC_CACHE_WRONG;
    note(cache, answered);
    if (!answered)
        drop_kept(cache);
    return outcome;
}

/* ---- keys and values ---- */

static void make_name(char out[NAME + 1], const struct rec_cache *cache, const void *key, size_t len)
{
    unsigned char digest[REC_HASH_BYTES];
    struct rec_buf text = {0};

    rec_hash(digest, key, len, cache->name_key);
    rec_secret_base64(&text, digest, sizeof digest);
    /* Out of memory gives a name that is nobody's: it is sealed for another key, and not taken. */
    snprintf(out, NAME + 1, "rec:%s", text.data ? text.data : "");
    rec_buf_clear(&text);
}

enum rec_cache_outcome rec_cache_get(struct rec_buf *out, struct rec_cache *cache, const void *key, size_t key_len, double *budget,
                                     struct rec_err *err)
{
    struct rec_buf sealed = {0};
    struct question q = {.type = '$', .answer = &sealed};
    enum rec_cache_outcome outcome;
    char name[NAME + 1];

    make_name(name, cache, key, key_len);
    add_word(&q, "GET", 3);
    add_word(&q, name, strlen(name));
    outcome = ask(cache, &q, budget, err);
    if (outcome == REC_CACHE_HIT &&
        (sealed.failed || rec_seal_open(out, sealed.data ? sealed.data : "", sealed.len, name, strlen(name), cache->seal_key, NULL) < 0)) {
        outcome = REC_CACHE_WRONG;
        rec_err_set(err, "the value kept under this key is not one of ours: it was not taken");
    }
    rec_buf_clear(&sealed);
    atomic_fetch_add(&cache->gets[outcome], 1);
    return outcome;
}

enum rec_cache_outcome rec_cache_set(struct rec_cache *cache, const void *key, size_t key_len, const void *value, size_t len, double life,
                                     double *budget, struct rec_err *err)
{
    struct rec_buf sealed = {0};
    struct question q = {.type = '+'};
    enum rec_cache_outcome outcome = REC_CACHE_REFUSED;
    char name[NAME + 1], milliseconds[REC_NUM_MAX];
    double ms = fmin(fmax(ceil(life * 1000), 1), 1e12);

    make_name(name, cache, key, key_len);
    if (len > REC_CACHE_LONGEST || rec_seal(&sealed, value, len, name, strlen(name), cache->seal_key, err) < 0)
        goto out;
    add_word(&q, "SET", 3);
    add_word(&q, name, strlen(name));
    add_word(&q, sealed.data, sealed.len);
    add_word(&q, "PX", 2);
    add_word(&q, milliseconds, rec_num_print_int64(milliseconds, (int64_t)ms));
    outcome = ask(cache, &q, budget, err);
out:
    rec_buf_clear(&sealed);
    return outcome;
}

enum rec_cache_outcome rec_cache_delete(struct rec_cache *cache, const void *key, size_t key_len, double *budget, struct rec_err *err)
{
    struct rec_buf count = {0};
    struct question q = {.type = ':', .answer = &count};
    enum rec_cache_outcome outcome;
    char name[NAME + 1];

    make_name(name, cache, key, key_len);
    add_word(&q, "DEL", 3);
    add_word(&q, name, strlen(name));
    outcome = ask(cache, &q, budget, err);
    if (outcome == REC_CACHE_HIT && count.len == 1 && count.data[0] == '0')
        outcome = REC_CACHE_MISS;
    rec_buf_clear(&count);
    return outcome;
}

/* ---- scripts ---- */

static enum rec_cache_outcome run(struct rec_buf *out, bool *no_script, struct rec_cache *cache, const char *command, const char *script,
                                  const char *name, const char *const *argument, size_t n, double *budget, struct rec_err *err)
{
    struct question q = {.type = '$', .answer = out};
    enum rec_cache_outcome outcome;

    add_word(&q, command, strlen(command));
    add_word(&q, script, strlen(script));
    add_word(&q, "1", 1);
    add_word(&q, name, strlen(name));
    for (size_t i = 0; i < n && i < REC_CACHE_ARGUMENTS; i++)
        add_word(&q, argument[i], strlen(argument[i]));
    outcome = ask(cache, &q, budget, err);
    *no_script = q.no_script;
    return outcome;
}

/* By its digest, and by its text to a server that has not heard of it yet, or was started anew since. */
enum rec_cache_outcome rec_cache_run(struct rec_buf *out, struct rec_cache *cache, const struct rec_cache_script *script, const void *key,
                                     size_t key_len, const char *const *argument, size_t n, double *budget, struct rec_err *err)
{
    enum rec_cache_outcome outcome;
    char name[NAME + 1];
    bool unknown;

    make_name(name, cache, key, key_len);
    outcome = run(out, &unknown, cache, "EVALSHA", script->sha1, name, argument, n, budget, err);
    return unknown ? run(out, &unknown, cache, "EVAL", script->text, name, argument, n, budget, err) : outcome;
}

/* ---- opening and closing ---- */

/* Two keys of the one secret. Without a secret they are known to all: what is left is a checksum that accidents do not pass. */
static void make_keys(struct rec_cache *cache, const unsigned char *secret)
{
    static const unsigned char none[REC_KEY_BYTES] = {0};

    rec_hash(cache->name_key, "rec.cache name", 14, secret ? secret : none);
    rec_hash(cache->seal_key, "rec.cache seal", 14, secret ? secret : none);
}

static int share_breaker(struct rec_cache *cache, const char *state, struct rec_err *err)
{
    int fd = open(state, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    void *mapped = MAP_FAILED;

    if (fd < 0 || fstat(fd, &st) < 0)
        goto out;
    if (!S_ISREG(st.st_mode) || (st.st_size != 0 && st.st_size != sizeof cache->own)) {
        close(fd);
        return rec_err_set(err, "%s: not the state of a cache: remove it", state);
    }
    if (st.st_size == sizeof cache->own || ftruncate(fd, sizeof cache->own) == 0)
        mapped = mmap(NULL, sizeof cache->own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
out:
    if (mapped == MAP_FAILED)
        rec_err_errno(err, "%s", state);
    if (fd >= 0)
        close(fd);
    if (mapped == MAP_FAILED)
        return -1;
    cache->closed_until = mapped;
    return 0;
}

int rec_cache_open(struct rec_cache **out, const char *url, const struct rec_cache_driver *driver, const unsigned char *secret,
                   const char *state, struct rec_err *err)
{
    struct rec_cache_address address;
    struct rec_cache *cache = NULL;
    int status = -1;

    *out = NULL;
    if (rec_cache_url_read(&address, url, err) < 0)
        goto out;
    cache = rec_calloc(1, sizeof *cache, "cache", err);
    if (!cache)
        goto out;
    cache->driver = driver;
    cache->closed_until = &cache->own;
    pthread_mutex_init(&cache->lock, NULL);
    make_keys(cache, secret);
    if (!state || share_breaker(cache, state, err) == 0)
        status = driver->resolve(&cache->resolved, &address, err);
out:
    rec_secret_wipe(&address, sizeof address);
    if (status < 0)
        rec_cache_close(cache);
    else
        *out = cache;
    return status;
}

void rec_cache_close(struct rec_cache *cache)
{
    if (!cache)
        return;
    drop_kept(cache);
    if (cache->resolved)
        cache->driver->forget(cache->resolved);
    if (cache->closed_until != &cache->own)
        munmap((void *)(uintptr_t)cache->closed_until, sizeof cache->own);
    pthread_mutex_destroy(&cache->lock);
    rec_secret_wipe(cache, sizeof *cache);
    free(cache);
}

void rec_cache_count(struct rec_cache_counts *out, const struct rec_cache *cache)
{
    for (size_t i = 0; i < REC_CACHE_OUTCOMES; i++)
        out->gets[i] = atomic_load(&cache->gets[i]);
    out->connections = atomic_load(&cache->connections);
}
