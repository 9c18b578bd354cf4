/* SPDX-License-Identifier: MIT
 *
 * A Redis server of its own for a test program, by tests/redis: as postgres.h.
 *
 *     redis_start(&server, "maxmemory=4mb", NULL);
 *     rec_cache_open(&cache, server.url, &rec_redis, NULL, NULL, &err)
 *     redis_say(&server, out, sizeof out, "KEYS", "*", NULL);
 *     server_stop(&server);
 */
#ifndef REC_TEST_REDIS_H
#define REC_TEST_REDIS_H

#include "postgres.h"

#include <string.h>

static inline void redis_start(struct server *s, ...)
{
    const char *words[16] = {"tests/redis", "start", s->dir};
    va_list settings;

    *s = (struct server){.dir = "/tmp/rec-test-redis.XXXXXX"};
    assert_non_null(mkdtemp(s->dir));
    server_keep(s);
    va_start(settings, s);
    for (size_t i = 3; i < 15 && (words[i] = va_arg(settings, const char *)) != NULL; i++)
        ;
    va_end(settings);
    assert_int_equal(server_command(words, s->url, sizeof s->url), 0);
}

static inline void redis_kill(const struct server *s)
{
    assert_int_equal(server_command((const char *[]){"tests/redis", "kill", s->dir, NULL}, NULL, 0), 0);
}
static inline void redis_again(const struct server *s)
{
    char url[256];
    assert_int_equal(server_command((const char *[]){"tests/redis", "start", s->dir, NULL}, url, sizeof url), 0);
}

/* A command by redis-cli; the first line of the answer into `out`, unless that is NULL. */
static inline void redis_say(const struct server *s, char *out, size_t size, ...)
{
    char ignored[256]; /* it is read all the same: a closed pipe would kill the program */
    const char *words[16] = {"redis-cli", "-s", s->url + strlen("unix:")};
    va_list rest;

    va_start(rest, size);
    for (size_t i = 3; i < 15 && (words[i] = va_arg(rest, const char *)) != NULL; i++)
        ;
    va_end(rest);
    assert_int_equal(server_command(words, out ? out : ignored, out ? size : sizeof ignored), 0);
}

#endif
