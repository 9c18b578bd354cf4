/* SPDX-License-Identifier: MIT
 *
 * The cache with a real Redis: values found again, and never others; full, killed, started anew, with a password. Servers that lie, are slow or silent are
 * in test_redis.c.
 */
#include <rec/cache.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../redis.h"

static struct server server;
static struct rec_err err;

/* What a test that is not about time may take: the machine may be busy. */
#define PATIENCE 5.0

static void nap(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};

    nanosleep(&t, NULL);
}

static struct rec_cache *open_cache(const char *url, const char *secret)
{
    unsigned char key[REC_KEY_BYTES] = {0};
    struct rec_cache *cache;

    if (secret)
        memcpy(key, secret, strlen(secret));
    if (rec_cache_open(&cache, url, &rec_redis, secret ? key : NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return cache;
}

static enum rec_cache_outcome get(struct rec_cache *cache, const char *key, const char *expected)
{
    struct rec_buf value = {0};
    double budget = PATIENCE;
    enum rec_cache_outcome outcome = rec_cache_get(&value, cache, key, strlen(key), &budget, &err);

    if (outcome == REC_CACHE_HIT) {
        assert_non_null(expected);
        assert_string_equal(value.data, expected);
    } else {
        assert_int_equal(value.len, 0);
    }
    rec_buf_clear(&value);
    return outcome;
}

static enum rec_cache_outcome set(struct rec_cache *cache, const char *key, const char *value, double life)
{
    double budget = PATIENCE;

    return rec_cache_set(cache, key, strlen(key), value, strlen(value), life, &budget, &err);
}

/* The name under which the only key of the server stands. */
static void only_name(char out[64])
{
    redis_say(&server, out, 64, "DBSIZE", NULL);
    assert_string_equal(out, "1");
    redis_say(&server, out, 64, "--raw", "KEYS", "*", NULL);
}

static void finds_again(void **state)
{
    struct rec_cache *cache = open_cache(server.url, "secret"), *other = open_cache(server.url, "another"), *none = open_cache(server.url, NULL);
    struct rec_cache_counts counts;
    double budget = PATIENCE;
    char name[64];

    (void)state;
    assert_int_equal(get(cache, "a", NULL), REC_CACHE_MISS);
    assert_int_equal(set(cache, "a", "{\"x\":1}\n", 60), REC_CACHE_HIT);
    assert_int_equal(get(cache, "a", "{\"x\":1}\n"), REC_CACHE_HIT);
    assert_int_equal(get(cache, "b", NULL), REC_CACHE_MISS);
    assert_int_equal(get(other, "a", NULL), REC_CACHE_MISS);
    assert_int_equal(get(none, "a", NULL), REC_CACHE_MISS);
    assert_int_equal(set(cache, "a", "", 60), REC_CACHE_HIT);
    assert_int_equal(get(cache, "a", ""), REC_CACHE_HIT);

    only_name(name);
    assert_int_equal(strlen(name), 47);
    assert_int_equal(rec_cache_delete(cache, "a", 1, &budget, &err), REC_CACHE_HIT);
    assert_int_equal(rec_cache_delete(cache, "a", 1, &budget, &err), REC_CACHE_MISS);
    assert_int_equal(get(cache, "a", NULL), REC_CACHE_MISS);

    assert_int_equal(set(cache, "a", "short", 0.02), REC_CACHE_HIT);
    nap(0.1);
    assert_int_equal(get(cache, "a", NULL), REC_CACHE_MISS);
    rec_cache_count(&counts, cache);
    assert_int_equal(counts.connections, 1);
    assert_int_equal(counts.gets[REC_CACHE_HIT], 2);
    assert_int_equal(counts.gets[REC_CACHE_MISS], 4);
    rec_cache_close(cache);
    rec_cache_close(other);
    rec_cache_close(none);
}

static void keeps_any_bytes(void **state)
{
    struct rec_cache *cache = open_cache(server.url, "secret");
    size_t len = 300000;
    char *bytes = malloc(REC_CACHE_LONGEST + 1), sealed[64], name[64];
    struct rec_buf value = {0};
    double budget = PATIENCE;

    (void)state;
    for (size_t i = 0; i <= REC_CACHE_LONGEST; i++)
        bytes[i] = (char)(i * 2654435761U >> 13);
    assert_int_equal(rec_cache_set(cache, bytes, 1000, bytes, len, 60, &budget, &err), REC_CACHE_HIT);
    assert_int_equal(rec_cache_get(&value, cache, bytes, 1000, &budget, &err), REC_CACHE_HIT);
    assert_int_equal(value.len, len);
    assert_memory_equal(value.data, bytes, len);
    rec_buf_clear(&value);
    assert_int_equal(rec_cache_set(cache, bytes, 1000, bytes, REC_CACHE_LONGEST + 1, 60, &budget, &err), REC_CACHE_REFUSED);
    assert_int_equal(rec_cache_delete(cache, bytes, 1000, &budget, &err), REC_CACHE_HIT);
    assert_int_equal(rec_cache_set(cache, bytes, 1000, bytes, REC_CACHE_LONGEST, 60, &budget, &err), REC_CACHE_HIT);
    assert_int_equal(rec_cache_get(&value, cache, bytes, 1000, &budget, &err), REC_CACHE_HIT);
    assert_int_equal(value.len, REC_CACHE_LONGEST);
    rec_buf_clear(&value);
    rec_cache_delete(cache, bytes, 1000, &budget, &err);

    /* What the server holds is sealed. */
    assert_int_equal(set(cache, "k", "plain words that nobody should read", 60), REC_CACHE_HIT);
    only_name(name);
    redis_say(&server, sealed, sizeof sealed, "STRLEN", name, NULL);
    assert_string_equal(sealed, "75"); /* 35 and REC_SEAL_OVERHEAD */
    redis_say(&server, sealed, sizeof sealed, "GETRANGE", name, "24", "58", NULL);
    assert_null(strstr(sealed, "words"));
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    free(bytes);
    rec_cache_close(cache);
}

/* A bit of what the server holds is another one. What is sealed is random: a byte that is written over it may be the one that was there. */
static void turn_bit(const char *name, int bit)
{
    char at[8], was[8];

    snprintf(at, sizeof at, "%d", bit);
    redis_say(&server, was, sizeof was, "SETBIT", name, at, "1", NULL);
    if (strcmp(was, "1") == 0)
        redis_say(&server, was, sizeof was, "SETBIT", name, at, "0", NULL);
}

/* Whatever stands under the name and was not sealed for this key is not taken; the next set puts it right. */
static void takes_nothing_else(void **state)
{
    static const char *const values[] = {"", "x", "rec", "0123456789012345678901234567890123456789", "01234567890123456789012345678901234567890"};
    struct rec_cache *cache = open_cache(server.url, "secret");
    char a[64], b[64], out[64];

    (void)state;
    assert_int_equal(set(cache, "b", "of b", 60), REC_CACHE_HIT);
    only_name(b);
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    assert_int_equal(set(cache, "a", "of a", 60), REC_CACHE_HIT);
    only_name(a);
    redis_say(&server, out, sizeof out, "RENAME", a, b, NULL);
    assert_int_equal(get(cache, "b", NULL), REC_CACHE_WRONG);
    assert_non_null(strstr(err.text, "not one of ours"));
    assert_int_equal(set(cache, "b", "of b", 60), REC_CACHE_HIT);
    assert_int_equal(get(cache, "b", "of b"), REC_CACHE_HIT);
    for (int i = 0; i < 44; i += 3) {
        turn_bit(b, 8 * i + i % 8);
        assert_int_equal(get(cache, "b", NULL), REC_CACHE_WRONG);
        assert_int_equal(set(cache, "b", "of b", 60), REC_CACHE_HIT);
    }
    redis_say(&server, out, sizeof out, "APPEND", b, "!", NULL);
    assert_int_equal(get(cache, "b", NULL), REC_CACHE_WRONG);
    for (size_t i = 0; i < REC_LENGTH(values); i++) {
        redis_say(&server, out, sizeof out, "SET", b, values[i], NULL);
        assert_int_equal(get(cache, "b", NULL), REC_CACHE_WRONG);
    }
    /* Of another type: the server itself says no, and a set replaces it. */
    redis_say(&server, out, sizeof out, "DEL", b, NULL);
    redis_say(&server, out, sizeof out, "LPUSH", b, "x", NULL);
    assert_int_equal(get(cache, "b", NULL), REC_CACHE_REFUSED);
    assert_non_null(strstr(err.text, "WRONGTYPE"));
    assert_int_equal(set(cache, "b", "of b", 60), REC_CACHE_HIT);
    assert_int_equal(get(cache, "b", "of b"), REC_CACHE_HIT);
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    rec_cache_close(cache);
}

/* ---- threads ---- */

enum { THREADS = 8, ROUNDS = 300, KEYS = 20 };

static void *use(void *argument)
{
    struct rec_cache *cache = argument;
    size_t *hits = calloc(1, sizeof *hits);

    for (int i = 0; i < ROUNDS; i++) {
        char key[16], value[64];
        struct rec_buf found = {0};
        double budget = PATIENCE;

        snprintf(key, sizeof key, "key %d", i % KEYS);
        snprintf(value, sizeof value, "value of %s", key);
        if (rec_cache_get(&found, cache, key, strlen(key), &budget, NULL) == REC_CACHE_HIT) {
            if (strcmp(found.data, value) != 0)
                abort();
            ++*hits;
        } else {
            rec_cache_set(cache, key, strlen(key), value, strlen(value), 60, &budget, NULL);
        }
        rec_buf_clear(&found);
    }
    return hits;
}

static void serves_threads(void **state)
{
    struct rec_cache *cache = open_cache(server.url, "secret");
    struct rec_cache_counts counts;
    pthread_t thread[THREADS];
    size_t hits = 0;

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, use, cache), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *own;

        pthread_join(thread[i], &own);
        hits += *(size_t *)own;
        free(own);
    }
    rec_cache_count(&counts, cache);
    assert_int_equal(counts.gets[REC_CACHE_HIT], hits);
    assert_true(hits >= THREADS * (ROUNDS - KEYS));
    assert_in_range(counts.connections, 1, THREADS);
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    rec_cache_close(cache);
}

/* ---- a server that ends, begins, is full, wants a password ---- */

static void survives_the_server(void **state)
{
    struct rec_cache *cache = open_cache(server.url, "secret");

    (void)state;
    assert_int_equal(set(cache, "a", "before", 60), REC_CACHE_HIT);
    /* Started anew between two calls: the connection that was kept is dead, and nobody notices. */
    redis_kill(&server);
    redis_again(&server);
    assert_int_equal(get(cache, "a", NULL), REC_CACHE_MISS);
    assert_int_equal(set(cache, "a", "after", 60), REC_CACHE_HIT);

    redis_kill(&server);
    assert_int_equal(get(cache, "a", NULL), REC_CACHE_AWAY);
    assert_true(err.text[0]);
    assert_int_equal(set(cache, "a", "nowhere", 60), REC_CACHE_AWAY);
    assert_string_equal(err.text, "");
    redis_again(&server);
    nap(1.1);
    assert_int_equal(get(cache, "a", NULL), REC_CACHE_MISS);
    assert_int_equal(set(cache, "a", "again", 60), REC_CACHE_HIT);
    assert_int_equal(get(cache, "a", "again"), REC_CACHE_HIT);
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    rec_cache_close(cache);
}

static void is_told_of_a_full_one(void **state)
{
    struct rec_cache *cache = open_cache(server.url, "secret");

    (void)state;
    assert_int_equal(set(cache, "a", "there was room", 60), REC_CACHE_HIT);
    redis_say(&server, NULL, 0, "CONFIG", "SET", "maxmemory", "1", NULL);
    assert_int_equal(set(cache, "b", "there is none", 60), REC_CACHE_REFUSED);
    assert_non_null(strstr(err.text, "OOM"));
    assert_int_equal(get(cache, "b", NULL), REC_CACHE_MISS);
    assert_int_equal(get(cache, "a", "there was room"), REC_CACHE_HIT);
    redis_say(&server, NULL, 0, "CONFIG", "SET", "maxmemory", "0", NULL);
    assert_int_equal(set(cache, "b", "there is again", 60), REC_CACHE_HIT);
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    rec_cache_close(cache);
}

static void logs_in(void **state)
{
    char url[400];
    struct rec_cache *cache;

    (void)state;
    redis_say(&server, NULL, 0, "CONFIG", "SET", "requirepass", "p@ss/word", NULL);
    snprintf(url, sizeof url, "unix://:p%%40ss%%2Fword@%s?db=3", server.url + 5);
    cache = open_cache(url, "secret");
    assert_int_equal(set(cache, "a", "with a password", 60), REC_CACHE_HIT);
    assert_int_equal(get(cache, "a", "with a password"), REC_CACHE_HIT);
    rec_cache_close(cache);
    snprintf(url, sizeof url, "unix://default:p%%40ss%%2Fword@%s?db=3", server.url + 5);
    cache = open_cache(url, "secret");
    assert_int_equal(get(cache, "a", "with a password"), REC_CACHE_HIT);
    rec_cache_close(cache);

    cache = open_cache(server.url, "secret");
    assert_int_equal(get(cache, "a", NULL), REC_CACHE_REFUSED);
    assert_non_null(strstr(err.text, "NOAUTH"));
    rec_cache_close(cache);
    snprintf(url, sizeof url, "unix://:hunter2@%s", server.url + 5);
    cache = open_cache(url, "secret");
    assert_int_equal(get(cache, "a", NULL), REC_CACHE_AWAY);
    assert_non_null(strstr(err.text, "WRONGPASS"));
    assert_null(strstr(err.text, "hunter2"));
    rec_cache_close(cache);
    redis_say(&server, NULL, 0, "--no-auth-warning", "-a", "p@ss/word", "CONFIG", "SET", "requirepass", "", NULL);
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
}

static void reads_urls(void **state)
{
    static const char *const good[] = {"redis://127.0.0.1", "redis://127.0.0.1/", "redis://127.0.0.1:1/0", "redis://:pw@127.0.0.1:6379/15", "redis://u:p:w@127.0.0.1",
                                       "redis://[::1]", "redis://[::1]:6379/2", "unix:/tmp/x", "unix:///tmp/x", "unix:///tmp/x?db=2", "unix://:pw@/tmp/x"};
    static const char *const bad[] = {"", "redis", "redis:", "redis://", "redis://:6379", "redis://h:0", "redis://h:65536", "redis://h:x", "redis://h:",
                                      "redis://h/x", "redis://h/-1", "redis://h/1/2", "redis://h?db=1", "redis://h#x", "redis://pw@h", "redis://:%@h", "redis://:%zz@h",
                                      "redis://:%00@h", "redis://[::1", "redis://[::1]x", "unix:", "unix:x", "unix://", "unix://host/tmp/x", "unix:/x?db=", "unix:/x?d=1",
                                      "rediss://h", "http://h", "memcached://h"};
    struct rec_cache *cache;
    char longest[600] = "unix:/";

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(good); i++)
        rec_cache_close(open_cache(good[i], NULL));
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        if (rec_cache_open(&cache, bad[i], &rec_redis, NULL, NULL, &err) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_null(cache);
        assert_memory_equal(err.text, "Redis URL: ", 11);
    }
    memset(longest + 6, 'x', sizeof longest - 7);
    assert_int_equal(rec_cache_open(&cache, longest, &rec_redis, NULL, NULL, &err), -1);
    assert_int_equal(rec_cache_open(&cache, "redis://:geheim@h:x", &rec_redis, NULL, NULL, &err), -1);
    assert_null(strstr(err.text, "geheim"));
    rec_cache_close(NULL);
}

static int set_up(void **state)
{
    (void)state;
    redis_start(&server, "save=\"\"", NULL);
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_urls),          cmocka_unit_test(finds_again),           cmocka_unit_test(keeps_any_bytes),
        cmocka_unit_test(takes_nothing_else),  cmocka_unit_test(serves_threads),        cmocka_unit_test(survives_the_server),
        cmocka_unit_test(is_told_of_a_full_one), cmocka_unit_test(logs_in),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
