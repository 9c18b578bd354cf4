/* SPDX-License-Identifier: MIT
 *
 * Limits that hosts share, with a real Redis: the same answers as those of the table in a file, one step for each question, and what comes of servers
 * that are full, read-only, started anew, slow or lying.
 */
#include <rec/auth.h>

#include "../liar.h"
#include "../redis.h"

static struct server server;
static struct rec_err err;
static const struct rec_limit_rate rate = {.per_second = 0.01, .burst = 5};

/* What a test that is not about time may take: the machine may be busy. */
#define PATIENCE 5.0
#define SLACK 0.03

static struct rec_cache *open_server(const char *url, const char *secret)
{
    unsigned char key[REC_KEY_BYTES] = {0};
    struct rec_cache *out;

    if (secret)
        memcpy(key, secret, strlen(secret));
    if (rec_cache_open(&out, url, &rec_redis, secret ? key : NULL, NULL, &err) < 0)
        fail_msg("%s", err.text);
    return out;
}

static enum rec_cache_outcome ask_for(struct rec_limit_answer *a, struct rec_cache *s, const char *key, double cost)
{
    double budget = PATIENCE;

    *a = (struct rec_limit_answer){0};
    return rec_limit_remote_ask(a, s, key, strlen(key), &rate, cost, &budget, &err);
}

static bool passes(struct rec_cache *s, const char *key)
{
    struct rec_limit_answer a;

    if (ask_for(&a, s, key, 1) != REC_CACHE_HIT)
        fail_msg("%s", err.text);
    return a.allowed;
}

/* The name under which the only key of the server stands. */
static void only_name(char out[64])
{
    redis_say(&server, out, 64, "DBSIZE", NULL);
    assert_string_equal(out, "1");
    redis_say(&server, out, 64, "--raw", "KEYS", "*", NULL);
}

/* ---- arithmetic ---- */

static void replace(char *text, size_t size, const char *what, const char *by)
{
    char *at = strstr(text, what), *rest;

    assert_non_null(at);
    rest = strdup(at + strlen(what));
    snprintf(at, size - (size_t)(at - text), "%s%s", by, rest);
    free(rest);
}

/* The same questions at the same moments, to the script and to the table in memory; moments go back now and then, as a clock does that is set. The
 * script's clock is replaced by what it is told, and its keys live on, as that clock is not the server's. */
static void same_as_the_table(void **state)
{
    static const struct rec_limit_rate rates[] = {{2, 5}, {1 / 3.0, 1}, {0.1, 5}, {1000, 100}, {20, 100}, {7, 3.5}, {1e-5, 1}, {1e6, 1e6}};
    char text[2048];
    struct rec_cache_script script = {.text = text, .sha1 = "none"};
    struct rec_cache *s = open_server(server.url, "secret");
    struct rec_rng rng;
    int differ = 0, refused = 0;

    (void)state;
    snprintf(text, sizeof text, "%s", rec_limit_remote_script.text);
    replace(text, sizeof text, "redis.call('TIME')", "{0, ARGV[4]}");
    replace(text, sizeof text, "math.floor(left / 1000) + 1", "1e9");
    rec_rng_seed(&rng, 7, 0);
    for (size_t r = 0; r < REC_LENGTH(rates); r++) {
        double interval = 1e6 / rates[r].per_second, window = rates[r].burst * interval, at = 1e12;
        struct rec_limit *table;

        assert_int_equal(rec_limit_open(&table, NULL, 8, &err), 0);
        for (int i = 0; i < 400; i++) {
            double cost = i % 7 == 3 ? 0 : i % 11 == 5 ? 2 : 1, budget = PATIENCE, ahead, after;
            char key[16], told[4][REC_NUM_MAX + 1];
            struct rec_limit_answer want;
            struct rec_buf said = {0};

            at = floor(at + rec_rng_uniform(&rng) * 1.5 * interval - (i % 97 == 50 ? window * 0.7 : i % 101 == 70 ? window * 3 : 0));
            at = at < 0 ? 0 : at;
            snprintf(key, sizeof key, "%zu", r);
            rec_limit_ask(&want, table, key, strlen(key), &rates[r], cost, at * 1e-6);
            told[0][rec_num_print_double(told[0], interval)] = told[1][rec_num_print_double(told[1], window)] = 0;
            told[2][rec_num_print_double(told[2], cost)] = told[3][rec_num_print_double(told[3], at)] = 0;
            if (rec_cache_run(&said, s, &script, key, strlen(key), (const char *[]){told[0], told[1], told[2], told[3]}, 4, &budget, &err) !=
                REC_CACHE_HIT)
                fail_msg("%s", err.text);
            ahead = strtod(said.data, NULL);
            after = ahead + cost * interval;
            /* Microseconds are whole in both; where the table's clock, which is told in seconds, rounds the other way, it is one of them. */
            differ += want.allowed != (after <= window + 0.5);
            refused += !want.allowed;
            if (fabs((want.allowed ? want.reset : want.retry) * 1e6 - (want.allowed ? after : after - window)) > 2)
                fail_msg("rate %zu, question %d: %.3f ahead, not %.3f", r, i, after, (want.allowed ? want.reset : want.retry) * 1e6);
            rec_buf_clear(&said);
        }
        rec_limit_close(table);
    }
    assert_int_equal(differ, 0);
    assert_in_range(refused, 100, 3000);
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    rec_cache_close(s);
}

static void bursts(void **state)
{
    struct rec_cache *one = open_server(server.url, "secret"), *other = open_server(server.url, "secret"), *stranger = open_server(server.url, "another");
    struct rec_limit_answer a;
    char out[64], name[64];

    (void)state;
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ask_for(&a, i % 2 ? one : other, "address:192.0.2.7", 1), REC_CACHE_HIT);
        assert_true(a.allowed);
        assert_float_equal(a.remaining, 4 - i, 0);
        assert_float_equal(a.reset, (i + 1) * 100, PATIENCE);
    }
    assert_int_equal(ask_for(&a, one, "address:192.0.2.7", 1), REC_CACHE_HIT);
    assert_false(a.allowed);
    assert_float_equal(a.retry, 100, PATIENCE);
    assert_float_equal(a.remaining, 0, 0);
    assert_int_equal(ask_for(&a, one, "address:192.0.2.7", 0), REC_CACHE_HIT);
    assert_true(a.allowed);
    /* What the server holds tells nothing of whom, and goes when the bucket is empty. */
    only_name(name);
    assert_int_equal(strlen(name), 47);
    assert_null(strstr(name, "192"));
    redis_say(&server, out, sizeof out, "PTTL", name, NULL);
    assert_in_range(strtol(out, NULL, 10), 490000, 500001);
    assert_true(passes(stranger, "address:192.0.2.7"));
    assert_true(passes(one, "address:192.0.2.8"));
    /* Asking alone keeps nothing. */
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    assert_int_equal(ask_for(&a, one, "x", 0), REC_CACHE_HIT);
    assert_float_equal(a.remaining, 5, 0);
    redis_say(&server, out, sizeof out, "DBSIZE", NULL);
    assert_string_equal(out, "0");
    rec_cache_close(one);
    rec_cache_close(other);
    rec_cache_close(stranger);
}

/* ---- at once ---- */

enum { THREADS = 8, ROUNDS = 60 };

static void *use(void *argument)
{
    struct rec_limit_rate slow = {.per_second = 1e-3, .burst = 100};
    size_t passed = 0;

    for (int i = 0; i < ROUNDS; i++) {
        struct rec_limit_answer a;
        double budget = PATIENCE;

        if (rec_limit_remote_ask(&a, argument, "all", 3, &slow, 1, &budget, NULL) != REC_CACHE_HIT)
            abort();
        passed += a.allowed;
    }
    return (void *)passed;
}

/* Eight threads of two hosts get what one would, exactly. */
static void counts_each_once(void **state)
{
    struct rec_cache *host[2] = {open_server(server.url, "secret"), open_server(server.url, "secret")};
    pthread_t thread[THREADS];
    size_t passed = 0;

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, use, host[i % 2]), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *own;

        pthread_join(thread[i], &own);
        passed += (size_t)own;
    }
    assert_int_equal(passed, 100);
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    rec_cache_close(host[0]);
    rec_cache_close(host[1]);
}

/* ---- the server ---- */

/* The digest is that of the text: else each question would cost two. A server that forgot the script is told it again. */
static void knows_the_script(void **state)
{
    struct rec_cache *s = open_server(server.url, "secret");
    char out[64];

    (void)state;
    redis_say(&server, out, sizeof out, "SCRIPT", "LOAD", rec_limit_remote_script.text, NULL);
    assert_string_equal(out, rec_limit_remote_script.sha1);
    redis_say(&server, NULL, 0, "SCRIPT", "FLUSH", NULL);
    assert_true(passes(s, "a"));
    redis_say(&server, out, sizeof out, "SCRIPT", "EXISTS", rec_limit_remote_script.sha1, NULL);
    assert_string_equal(out, "1");
    redis_kill(&server);
    redis_again(&server);
    for (int i = 0; i < 5; i++)
        assert_true(passes(s, "a"));
    assert_false(passes(s, "a"));
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    rec_cache_close(s);
}

/* Whatever stands under the name, nobody is locked out for longer than a full bucket takes, or let through without end. */
static void takes_what_it_finds(void **state)
{
    static const char *const empty[] = {"", "x", "-1", "-1e300", "0x10", "1 2", "-inf"}, *const full[] = {"nan", "inf", "1e300", "9007199254740993"};
    struct rec_cache *s = open_server(server.url, "secret");
    struct rec_limit_answer a;
    char name[64];

    (void)state;
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    assert_true(passes(s, "a"));
    only_name(name);
    for (size_t i = 0; i < REC_LENGTH(empty); i++) {
        redis_say(&server, NULL, 0, "SET", name, empty[i], NULL);
        assert_int_equal(ask_for(&a, s, "a", 5), REC_CACHE_HIT);
        assert_true(a.allowed);
        assert_false(passes(s, "a"));
    }
    for (size_t i = 0; i < REC_LENGTH(full); i++) {
        redis_say(&server, NULL, 0, "SET", name, full[i], NULL);
        assert_int_equal(ask_for(&a, s, "a", 1), REC_CACHE_HIT);
        assert_false(a.allowed);
        assert_float_equal(a.retry, 100, 1e-3);
        /* and was set right by that */
        assert_int_equal(ask_for(&a, s, "a", 1), REC_CACHE_HIT);
        assert_true(a.retry < 100);
    }
    redis_say(&server, NULL, 0, "DEL", name, NULL);
    redis_say(&server, NULL, 0, "LPUSH", name, "x", NULL);
    assert_int_equal(ask_for(&a, s, "a", 1), REC_CACHE_REFUSED);
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    rec_cache_close(s);
}

static void is_told_of_a_full_one(void **state)
{
    struct rec_cache *s = open_server(server.url, "secret");
    struct rec_limit_answer a;

    (void)state;
    redis_say(&server, NULL, 0, "CONFIG", "SET", "maxmemory", "1", NULL);
    assert_int_equal(ask_for(&a, s, "a", 1), REC_CACHE_REFUSED);
    assert_non_null(strstr(err.text, "OOM"));
    redis_say(&server, NULL, 0, "CONFIG", "SET", "maxmemory", "0", NULL);
    assert_true(passes(s, "a"));
    redis_say(&server, NULL, 0, "REPLICAOF", "127.0.0.1", "1", NULL);
    assert_int_equal(ask_for(&a, s, "a", 1), REC_CACHE_REFUSED);
    assert_true(err.text[0]);
    redis_say(&server, NULL, 0, "REPLICAOF", "NO", "ONE", NULL);
    assert_true(passes(s, "a"));
    redis_say(&server, NULL, 0, "FLUSHALL", NULL);
    rec_cache_close(s);
}

/* ---- servers that are no good ---- */

static void believes_no_nonsense(void **state)
{
    static const struct {
        const char *text;
        enum rec_cache_outcome outcome;
    } lies[] = {
        {"$1\r\n0\r\n", REC_CACHE_HIT}, {"$9\r\n500000000\r\n", REC_CACHE_HIT}, {"$9\r\n500000001\r\n", REC_CACHE_WRONG}, {"$2\r\n-1\r\n", REC_CACHE_WRONG},
        {"$3\r\nnan\r\n", REC_CACHE_WRONG}, {"$3\r\ninf\r\n", REC_CACHE_WRONG}, {"$5\r\n1e300\r\n", REC_CACHE_WRONG}, {"$0\r\n\r\n", REC_CACHE_WRONG},
        {"$2\r\n0x\r\n", REC_CACHE_WRONG}, {"$2\r\n0\0\r\n", REC_CACHE_WRONG}, {"$-1\r\n", REC_CACHE_WRONG}, {":0\r\n", REC_CACHE_WRONG},
        {"+0\r\n", REC_CACHE_WRONG}, {"*1\r\n$1\r\n0\r\n", REC_CACHE_WRONG}, {"$1\r\n0\r\n$1\r\n0\r\n", REC_CACHE_WRONG},
        {"-NOSCRIPT\r\n", REC_CACHE_REFUSED}, {"-BUSY\r\n", REC_CACHE_REFUSED}, {"-ERR\r\n", REC_CACHE_REFUSED}, {"", REC_CACHE_AWAY},
        {"$9\r\n5000", REC_CACHE_AWAY},
    };

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(lies); i++) {
        struct liar l = {.text = lies[i].text, .len = i == 9 ? 9 : strlen(lies[i].text)};
        struct rec_limit_answer a = {0};
        double budget = REC_CACHE_BUDGET, begun;
        enum rec_cache_outcome outcome;
        struct rec_cache *s;

        liar_start(&l);
        s = open_server(l.url, NULL);
        begun = steady();
        outcome = rec_limit_remote_ask(&a, s, "key", 3, &rate, 1, &budget, &err);
        if (outcome != lies[i].outcome)
            fail_msg("%zu: %s, not %s", i, rec_cache_outcomes[outcome], rec_cache_outcomes[lies[i].outcome]);
        if (outcome == REC_CACHE_AWAY)
            assert_true(steady() - begun < REC_CACHE_BUDGET + SLACK);
        assert_true(outcome == REC_CACHE_HIT || (err.text[0] && !a.allowed && !a.retry));
        rec_cache_close(s);
        liar_stop(&l);
    }
}

static int begin(void **state)
{
    (void)state;
    redis_start(&server, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_the_table),    cmocka_unit_test(bursts),                cmocka_unit_test(counts_each_once),
        cmocka_unit_test(knows_the_script),     cmocka_unit_test(takes_what_it_finds),   cmocka_unit_test(is_told_of_a_full_one),
        cmocka_unit_test(believes_no_nonsense),
    };

    return cmocka_run_group_tests_name("limit_remote", tests, begin, end);
}
