/* SPDX-License-Identifier: MIT
 *
 * Servers that are no good: silent, slow, lying, gone. None of them gives an answer that was not kept, and none costs more than its budget.
 */
#include <rec/cache.h>

#include "../liar.h"

static struct rec_err err;

/* A call costs its budget and what a busy machine adds; of several, the median. */
enum { CALLS = 5 };
#define SLACK 0.03

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* ---- questions ---- */

static struct rec_cache *open_cache(const char *url)
{
    struct rec_cache *cache;

    if (rec_cache_open(&cache, url, &rec_redis, NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return cache;
}

static enum rec_cache_outcome get_with(struct rec_cache *cache, struct rec_err *why)
{
    struct rec_buf value = {0};
    double budget = REC_CACHE_BUDGET;
    enum rec_cache_outcome outcome = rec_cache_get(&value, cache, "key", 3, &budget, why);

    assert_int_equal(value.len, 0);
    rec_buf_clear(&value);
    return outcome;
}

static enum rec_cache_outcome get(struct rec_cache *cache)
{
    return get_with(cache, &err);
}

/* A request as a service makes it: a get, and a set in what is left of the budget. The median of some, each with a cache that has no bad memories. */
static double request(const char *url, enum rec_cache_outcome expected)
{
    double took[CALLS];

    for (size_t i = 0; i < CALLS; i++) {
        struct rec_cache *cache = open_cache(url);
        struct rec_buf value = {0};
        double budget = REC_CACHE_BUDGET, begun = steady();
        enum rec_cache_outcome outcome = rec_cache_get(&value, cache, "key", 3, &budget, &err);

        rec_cache_set(cache, "key", 3, "value", 5, 60, &budget, NULL);
        took[i] = steady() - begun;
        if (outcome != expected && expected != REC_CACHE_OUTCOMES)
            fail_msg("%s, not %s: %s", rec_cache_outcomes[outcome], rec_cache_outcomes[expected], err.text);
        assert_int_not_equal(outcome, REC_CACHE_HIT);
        assert_int_equal(value.len, 0);
        rec_buf_clear(&value);
        rec_cache_close(cache);
    }
    qsort(took, CALLS, sizeof *took, by_size);
    return took[CALLS / 2];
}

/* ---- tests ---- */

static void believes_no_nonsense(void **state)
{
    static const struct {
        const char *text;
        enum rec_cache_outcome outcome;
    } lies[] = {
        {"$5\r\nvalue\r\n", REC_CACHE_WRONG}, {"$0\r\n\r\n", REC_CACHE_WRONG}, {"$-1\r\n", REC_CACHE_MISS}, {"+OK\r\n", REC_CACHE_WRONG},
        {":1\r\n", REC_CACHE_WRONG}, {"*-1\r\n", REC_CACHE_WRONG}, {"*0\r\n", REC_CACHE_WRONG}, {"*1\r\n$5\r\nvalue\r\n", REC_CACHE_WRONG},
        {"*4294967297\r\n", REC_CACHE_WRONG}, {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", REC_CACHE_WRONG},
        {"$-1\r\n$-1\r\n", REC_CACHE_WRONG}, {"$5\r\nvalue\r\n+OK\r\n", REC_CACHE_WRONG}, {"$-2\r\n", REC_CACHE_WRONG}, {"$x\r\n", REC_CACHE_WRONG},
        {"$99999999999999999999\r\nx", REC_CACHE_WRONG}, {"HTTP/1.1 400 Bad Request\r\n\r\n", REC_CACHE_WRONG}, {"\r\n", REC_CACHE_WRONG},
        {"%1\r\n+a\r\n+b\r\n", REC_CACHE_WRONG}, {"_\r\n", REC_CACHE_WRONG}, {"-OOM full\r\n", REC_CACHE_REFUSED}, {"-\r\n", REC_CACHE_REFUSED},
        {"-ERR \x1b[31mred\r\n", REC_CACHE_REFUSED}, {"-MOVED 1 192.0.2.1:6379\r\n", REC_CACHE_REFUSED}, {"-LOADING\r\n", REC_CACHE_REFUSED},
    };

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(lies); i++) {
        struct liar l = {.text = lies[i].text, .len = strlen(lies[i].text)};
        double took;

        liar_start(&l);
        took = request(l.url, lies[i].outcome);
        if (took > REC_CACHE_BUDGET + SLACK)
            fail_msg("%s took %.3f s", lies[i].text, took);
        assert_null(strchr(err.text, 0x1b));
        liar_stop(&l);
    }
}

static void waits_for_nobody(void **state)
{
    static const struct {
        const char *what, *text;
        double pause;
        bool closes, forever;
        enum rec_cache_outcome outcome;
    } bad[] = {
        {"silent", "", 0, false, false, REC_CACHE_AWAY},
        {"closing", "", 0, true, false, REC_CACHE_AWAY},
        {"half a head", "$1", 0, false, false, REC_CACHE_AWAY},
        {"half a value", "$100\r\nhalf of it", 0, false, false, REC_CACHE_AWAY},
        {"half a value, closing", "$100\r\nhalf of it", 0, true, false, REC_CACHE_AWAY},
        {"a byte now and then", "$1000000\r\nx", 0.002, false, true, REC_CACHE_AWAY},
        {"a line without end, slow", "+x", 0.002, false, true, REC_CACHE_WRONG},
        {"a line without end", "-x", 0, false, true, REC_CACHE_OUTCOMES},
        {"a value without end", "$536870912\r\nx", 0, false, true, REC_CACHE_OUTCOMES},
    };

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        struct liar l = {.text = bad[i].text, .len = strlen(bad[i].text), .pause = bad[i].pause, .closes = bad[i].closes, .forever = bad[i].forever};
        double took;

        liar_start(&l);
        took = request(l.url, bad[i].outcome);
        if (took > REC_CACHE_BUDGET + SLACK)
            fail_msg("%s: %.3f s", bad[i].what, took);
        liar_stop(&l);
    }
}

/* Nobody listens; or somebody does and takes no more connections, so that connecting hangs. */
static void connects_in_time(void **state)
{
    char url[64], named[64];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = listen_somewhere(url, 0), waiting[8];
    long port = strtol(strrchr(url, ':') + 1, NULL, 10);

    (void)state;
    at.sin_port = htons((uint16_t)port);
    for (size_t i = 0; i < REC_LENGTH(waiting); i++) {
        waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(waiting[i], (struct sockaddr *)&at, sizeof at);
    }
    assert_true(request(url, REC_CACHE_AWAY) < REC_CACHE_BUDGET + SLACK);
    assert_non_null(strstr(err.text, "127.0.0.1"));
    for (size_t i = 0; i < REC_LENGTH(waiting); i++)
        close(waiting[i]);
    close(fd);
    assert_true(request(url, REC_CACHE_AWAY) < REC_CACHE_BUDGET + SLACK);
    /* A name is looked up again by a thread, which a cache that is closed meanwhile outlives. */
    snprintf(named, sizeof named, "redis://localhost:%ld", port);
    assert_true(request(named, REC_CACHE_AWAY) < REC_CACHE_BUDGET + SLACK);
    assert_true(request("unix:/nonexistent/redis.sock", REC_CACHE_AWAY) < REC_CACHE_BUDGET + SLACK);
}

static void *ask_once(void *argument)
{
    return get_with(argument, NULL) == REC_CACHE_AWAY ? NULL : argument;
}

/* After a failure nobody asks for a second, and nobody waits; then one caller does, and the others do not. */
static void leaves_it_alone(void **state)
{
    struct liar l = {.text = "", .len = 0};
    struct rec_cache *cache;
    pthread_t thread[16];
    double begun;

    (void)state;
    liar_start(&l);
    cache = open_cache(l.url);
    assert_int_equal(get(cache), REC_CACHE_AWAY);
    assert_true(err.text[0]);
    assert_int_equal(atomic_load(&l.connections), 1);
    begun = steady();
    for (int i = 0; i < 1000 && steady() - begun < 0.5; i++) {
        assert_int_equal(get(cache), REC_CACHE_AWAY);
        assert_string_equal(err.text, "");
    }
    assert_true(steady() - begun < 0.5);
    assert_int_equal(atomic_load(&l.connections), 1);
    nap(1.1);
    for (size_t i = 0; i < REC_LENGTH(thread); i++)
        assert_int_equal(pthread_create(&thread[i], NULL, ask_once, cache), 0);
    for (size_t i = 0; i < REC_LENGTH(thread); i++) {
        void *other;

        pthread_join(thread[i], &other);
        assert_null(other);
    }
    nap(0.05);
    assert_int_equal(atomic_load(&l.connections), 2);
    rec_cache_close(cache);
    liar_stop(&l);
}

/* What is left of a budget is told, and without any nobody is asked. */
static void keeps_to_its_budget(void **state)
{
    struct liar l = {.text = "", .len = 0};
    struct rec_cache *cache;
    struct rec_buf value = {0};
    double budget = 0;

    (void)state;
    liar_start(&l);
    cache = open_cache(l.url);
    assert_int_equal(rec_cache_get(&value, cache, "key", 3, &budget, &err), REC_CACHE_AWAY);
    assert_int_equal(atomic_load(&l.connections), 0);
    budget = 0.01;
    assert_int_equal(rec_cache_get(&value, cache, "key", 3, &budget, &err), REC_CACHE_AWAY);
    assert_non_null(strstr(err.text, "no answer in time"));
    assert_true(budget <= 0);
    rec_cache_close(cache);
    liar_stop(&l);
}

/* Processes that live for one request: the first one waits, the next ones know. One of another boot does not bind anybody. */
static void tells_other_processes(void **state)
{
    struct liar l = {.text = "", .len = 0};
    char dir[] = "/tmp/rec-test-cache-XXXXXX", path[64];
    const int64_t far = INT64_MAX - 1;
    struct rec_cache *cache;
    FILE *file;

    (void)state;
    liar_start(&l);
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/cache", dir);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rec_cache_open(&cache, l.url, &rec_redis, NULL, path, &err), 0);
        assert_int_equal(get(cache), REC_CACHE_AWAY);
        assert_int_equal(err.text[0] != 0, i == 0);
        rec_cache_close(cache);
    }
    assert_int_equal(atomic_load(&l.connections), 1);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(&far, sizeof far, 1, file), 1);
    fclose(file);
    assert_int_equal(rec_cache_open(&cache, l.url, &rec_redis, NULL, path, &err), 0);
    assert_int_equal(get(cache), REC_CACHE_AWAY);
    assert_true(err.text[0]);
    rec_cache_close(cache);
    assert_int_equal(truncate(path, 3), 0);
    assert_int_equal(rec_cache_open(&cache, l.url, &rec_redis, NULL, path, &err), -1);
    assert_non_null(strstr(err.text, "not the state of a cache"));
    assert_int_equal(rec_cache_open(&cache, l.url, &rec_redis, NULL, dir, &err), -1);
    assert_int_equal(rec_cache_open(&cache, l.url, &rec_redis, NULL, "/nonexistent/cache", &err), -1);
    unlink(path);
    rmdir(dir);
    liar_stop(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(believes_no_nonsense), cmocka_unit_test(waits_for_nobody),    cmocka_unit_test(connects_in_time),
        cmocka_unit_test(leaves_it_alone),      cmocka_unit_test(keeps_to_its_budget),
        cmocka_unit_test(tells_other_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
