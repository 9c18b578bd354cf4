/* SPDX-License-Identifier: MIT
 *
 * The service with a cache, Redis or its own memory: answers are those that it gives without one, whatever changes and whatever becomes of the server.
 */
#include "service.h"

#include "../redis.h"

#include <math.h>

static struct server redis;
static bool own;                         /* the answers that a process keeps, and not those of Redis */

static void nobody_waits(struct rec_exchange *x)
{
    (void)x; /* exchanges without a connection are answered by the thread that asks */
}

/* Two services over one store: one with the cache, one without; what the first says, the second has to say too. */
struct pair {
    struct service s;
    struct rec_serve *plain;
};

static void pair_begin(struct pair *p, void **state)
{
    const struct rec_limit_rate plenty = {1e6, 1e6};
    struct rec_serve_config config = {.per_address = plenty, .per_account = plenty, .per_login = plenty, .log_fd = -1, .open_metrics = true};

    if (own) {
        config.answers = 1 << 20;
        config.workers = 1;
        config.answered = nobody_waits;
    } else {
        redis_say(&redis, NULL, 0, "FLUSHALL", NULL);
        config.cache = redis.url;
        config.cache_driver = &rec_redis;
    }
    service_begin(&p->s, *state, &config);
    config = p->s.config;
    config.cache = NULL;
    config.answers = config.workers = 0;
    service_ok(rec_serve_open(&p->plain, &config, &service_err));
}

static void pair_end(struct pair *p)
{
    rec_serve_close(p->plain);
    service_end(&p->s);
}

/* Gets of that outcome, as /metrics tells. */
static int64_t outcomes(struct pair *p, const char *outcome)
{
    char line[80];
    const char *at;

    service_expect(&p->s, 200, "GET", "/metrics", NULL, NULL);
    snprintf(line, sizeof line, "rec_%s_requests_total{outcome=\"%s\"} ", own ? "answers" : "cache", outcome);
    at = strstr(p->s.text, line);
    return at ? strtoll(at + strlen(line), NULL, 10) : 0;
}

/* Asks both: the answers are the same. @return whether the cache said that */
static bool asked(struct pair *p, const char *target, const char *outcome, enum service_who who)
{
    struct rec_serve *cached = p->s.serve;
    int64_t before = outcomes(p, outcome);
    char *text, type[256];

    service_expect(&p->s, 200, "GET", target, p->s.token[who], NULL);
    text = strdup(p->s.text);
    snprintf(type, sizeof type, "%s %s", service_field(&p->s, "Content-Type"), service_field(&p->s, "ETag"));
    p->s.serve = p->plain;
    service_expect(&p->s, 200, "GET", target, p->s.token[who], NULL);
    p->s.serve = cached;
    assert_string_equal(text, p->s.text);
    assert_non_null(strstr(type, service_field(&p->s, "ETag")));
    assert_non_null(strstr(type, service_field(&p->s, "Content-Type")));
    free(text);
    return outcomes(p, outcome) == before + 1;
}

/* On a busy machine Redis may take longer than a request waits for it (which is right, and told); then it is left alone for a second, and the question
 * is put again. Nothing else is. */
static void asks(struct pair *p, const char *target, const char *outcome, enum service_who who)
{
    for (int tries = 0; !asked(p, target, outcome, who); tries++) {
        if (!strstr(p->s.fault, "no answer in time") || tries == 20)
            fail_msg("%s: no %s (%s)", target, outcome, p->s.fault);
        p->s.fault[0] = 0;
        nanosleep(&(struct timespec){1, 100000000}, NULL);
    }
}

static void answers_twice(void **state)
{
    static const char *const targets[] = {"/recommendations/me", "/recommendations/me?k=3", "/recommendations/me?k=3&offset=3",
                                          "/recommendations/me?explain=true", "/recommendations/me?diversity=0.5", "/recommendations/me?exclude_seen=false",
                                          "/recommendations/me?year=1980..1999", "/similar-movies/5", "/similar-movies/5?k=3", "/similar-movies/6"};
    struct pair p;

    pair_begin(&p, state);
    for (size_t i = 0; i < REC_LENGTH(targets); i++) {
        asks(&p, targets[i], "miss", SERVICE_USER);
        asks(&p, targets[i], "hit", SERVICE_USER);
    }
    /* The order of parameters, the version of the path, and how a user is called, are no difference; another user is. */
    asks(&p, "/v1/recommendations/1?offset=3&k=3", "hit", SERVICE_USER);
    asks(&p, "/recommendations/1", "hit", SERVICE_ADMIN);
    asks(&p, "/recommendations/me", "miss", SERVICE_OTHER);
    asks(&p, "/recommendations/me", "hit", SERVICE_OTHER);
    /* What may not be seen is not, cached or not; problems are not kept. */
    service_expect(&p.s, 403, "GET", "/recommendations/1", p.s.token[SERVICE_OTHER], NULL);
    service_expect(&p.s, 401, "GET", "/recommendations/1", NULL, NULL);
    for (int i = 0; i < 2; i++) {
        service_expect(&p.s, 422, "GET", "/recommendations/me?genre=Nonsense", p.s.token[SERVICE_USER], NULL);
        service_expect(&p.s, 404, "GET", "/similar-movies/nothing", NULL, NULL);
    }
    service_expect(&p.s, 200, "GET", "/similar-movies/5", NULL, NULL);
    assert_string_equal(service_field(&p.s, "Cache-Control"), "public, max-age=60");
    pair_end(&p);
}

static void feedback(struct pair *p, const char *movie, double rating)
{
    char body[100];

    snprintf(body, sizeof body, "{\"movie_id\":\"%s\",\"rating\":%.1f}", movie, rating);
    service_expect(&p->s, 201, "POST", "/feedback", p->s.token[SERVICE_USER], body);
}

static int load_one(struct pair *p)
{
    static const char text[] = "1,7,5,1700000000\n1,8,5,1700000000\n";
    struct rec_ingest_options options = {.threads = 1};
    struct rec_load_options load = {.source = "late", .now = (int64_t)time(NULL)};
    struct rec_ingest_report report;
    struct rec_load_report loaded;
    struct rec_ratings ratings;
    struct rec_gzip in;
    struct rec_out out;
    char path[64];

    snprintf(path, sizeof path, "%s/late.csv", p->s.b->dir);
    service_ok(rec_out_open(&out, path, false, &service_err));
    service_ok(rec_out_write(&out, text, sizeof text - 1, &service_err));
    service_ok(rec_out_commit(&out, &service_err));
    service_ok(rec_gzip_open(&in, path, &service_err));
    service_ok(rec_ingest(&ratings, &in, &options, &report, &service_err));
    service_ok(rec_load_ratings(&p->s.store, &ratings, &load, &loaded, &service_err));
    rec_ratings_clear(&ratings);
    return (int)loaded.added;
}

static void follows_every_change(void **state)
{
    struct pair p;
    struct rec_event event = {.user = "1", .movie = "12", .kind = "like", .value = NAN, .time = 5};
    struct rec_forget_report forgotten;
    bool changed;

    pair_begin(&p, state);
    asks(&p, "/recommendations/1", "miss", SERVICE_ADMIN);
    asks(&p, "/recommendations/1", "hit", SERVICE_ADMIN);
    /* Through the service, and past it: by another process. */
    for (int i = 0; i < 3; i++) {
        feedback(&p, i == 1 ? "11" : "10", 1 + i);
        asks(&p, "/recommendations/1", "miss", SERVICE_ADMIN);
        asks(&p, "/recommendations/1", "hit", SERVICE_ADMIN);
    }
    service_expect(&p.s, 204, "DELETE", "/feedback/10", p.s.token[SERVICE_USER], NULL);
    asks(&p, "/recommendations/1", "miss", SERVICE_ADMIN);
    service_ok(rec_feedback_add(&p.s.store, &event, 1, (int64_t)time(NULL), NULL, &service_err));
    asks(&p, "/recommendations/1", "miss", SERVICE_ADMIN);
    assert_true(load_one(&p) > 0);
    asks(&p, "/recommendations/1", "miss", SERVICE_ADMIN);
    asks(&p, "/recommendations/1", "hit", SERVICE_ADMIN);
    asks(&p, "/similar-movies/5", "miss", SERVICE_ADMIN);
    asks(&p, "/similar-movies/5", "hit", SERVICE_ADMIN);
    /* Another model. */
    service_copy(p.s.model, service_path("ials2.rec"));
    service_ok(rec_serve_reload(p.s.serve, &changed, &service_err));
    assert_true(changed);
    service_ok(rec_serve_reload(p.plain, NULL, &service_err));
    asks(&p, "/recommendations/1", "miss", SERVICE_ADMIN);
    asks(&p, "/similar-movies/5", "miss", SERVICE_ADMIN);
    asks(&p, "/similar-movies/5", "hit", SERVICE_ADMIN);
    /* A person who is forgotten. */
    service_ok(rec_forget(&forgotten, &p.s.store, "1", false, "", (int64_t)time(NULL), &service_err));
    asks(&p, "/recommendations/1", "miss", SERVICE_ADMIN);
    pair_end(&p);
}

/* Nothing of it fails a request. */
static void does_without(void **state)
{
    struct pair p;
    char name[64], out[64];

    pair_begin(&p, state);
    asks(&p, "/recommendations/me", "miss", SERVICE_USER);
    redis_say(&redis, name, sizeof name, "--raw", "KEYS", "*", NULL);
    redis_say(&redis, out, sizeof out, "SETRANGE", name, "40", "{\"user_id\":\"1\"}", NULL);
    asks(&p, "/recommendations/me", "wrong", SERVICE_USER);
    assert_non_null(strstr(p.s.fault, "not one of ours"));
    asks(&p, "/recommendations/me", "hit", SERVICE_USER);
    redis_say(&redis, out, sizeof out, "CONFIG", "SET", "maxmemory", "1", NULL);
    asks(&p, "/recommendations/me?k=2", "miss", SERVICE_USER);
    assert_non_null(strstr(p.s.fault, "OOM"));
    asks(&p, "/recommendations/me?k=2", "miss", SERVICE_USER);
    redis_kill(&redis);
    asks(&p, "/recommendations/me", "away", SERVICE_USER);
    assert_non_null(strstr(p.s.fault, "cache: redis "));
    asks(&p, "/recommendations/me", "away", SERVICE_USER);
    redis_again(&redis);
    nanosleep(&(struct timespec){1, 100000000}, NULL);
    asks(&p, "/recommendations/me", "miss", SERVICE_USER);
    asks(&p, "/recommendations/me", "hit", SERVICE_USER);
    pair_end(&p);
}

/* A program that has no client of Redis says so, and does not go on without what it was told to use. */
static void says_when_it_cannot(void **state)
{
    struct rec_serve_config config = {.model = service_path("ials.rec"), .cache = redis.url, .log_fd = -1};
    struct rec_serve *serve;

    (void)state;
    assert_int_equal(rec_serve_open(&serve, &config, &service_err), -1);
    assert_string_equal(service_err.text, "cache: this program was made without Redis");
    config.cache_driver = &rec_redis;
    config.cache = "redis://host:nonsense";
    assert_int_equal(rec_serve_open(&serve, &config, &service_err), -1);
    assert_null(serve);
}

static void answers_twice_by_itself(void **state)
{
    own = true;
    answers_twice(state);
    own = false;
}

static void follows_every_change_by_itself(void **state)
{
    own = true;
    follows_every_change(state);
    own = false;
}

/* The bytes and the tag of an answer to a client that takes gzip, or to one that does not. */
static void answer_of(struct rec_buf *out, struct pair *p, struct rec_serve *serve, bool gzip)
{
    struct rec_serve *before = p->s.serve;

    p->s.serve = serve;
    assert_int_equal(service_send(&p->s, "GET", "/recommendations/me?k=40", p->s.token[SERVICE_USER], gzip ? "Accept-Encoding: gzip\r\n" : NULL, NULL, NULL, 0),
                     200);
    assert_true(!gzip == !service_field(&p->s, "Content-Encoding"));
    rec_buf_adds(out, service_field(&p->s, "ETag"));
    rec_buf_add(out, p->s.text, p->s.text_len);
    p->s.serve = before;
}

/* Compressed as they are asked for, in any order, and the same as without a memory. */
static void answers_compressed(void **state)
{
    struct pair p;

    own = true;
    for (unsigned order = 0; order < 32; order++) {
        struct rec_serve *fresh;
        struct rec_serve_config config;

        if (!order)
            pair_begin(&p, state);
        config = p.s.config;
        service_ok(rec_serve_open(&fresh, &config, &service_err));
        for (int i = 0; i < 5; i++) {
            struct rec_buf with = {0}, without = {0};
            bool gzip = order >> i & 1;

            answer_of(&with, &p, fresh, gzip);
            answer_of(&without, &p, p.plain, gzip);
            assert_int_equal(with.len, without.len);
            assert_memory_equal(with.data, without.data, with.len);
            rec_buf_clear(&with);
            rec_buf_clear(&without);
        }
        rec_serve_close(fresh);
    }
    pair_end(&p);
    own = false;
}

/* Whether the service had that answer. */
static bool had(struct pair *p, int k, int offset)
{
    int64_t before = outcomes(p, "hit");
    char target[64];

    snprintf(target, sizeof target, "/recommendations/me?k=%d&offset=%d", k, offset);
    service_expect(&p->s, 200, "GET", target, p->s.token[SERVICE_USER], NULL);
    return outcomes(p, "hit") > before;
}

/* In little memory: what was asked for the longest time ago gives way, and what is too long is not kept. */
static void gives_way(void **state)
{
    const struct rec_limit_rate plenty = {1e6, 1e6};
    struct rec_serve_config config = {.per_address = plenty, .per_account = plenty, .per_login = plenty, .log_fd = -1, .open_metrics = true,
                                      .answers = 8192, .workers = 1, .answered = nobody_waits};
    struct pair p;

    own = true;
    service_begin(&p.s, *state, &config);
    assert_false(had(&p, 1, 0));
    for (int offset = 1; offset < 60; offset++) {
        assert_false(had(&p, 1, offset));
        assert_true(had(&p, 1, offset));
        assert_true(had(&p, 1, 0));
    }
    assert_true(had(&p, 1, 57));
    assert_false(had(&p, 1, 1));
    assert_false(had(&p, 60, 0));
    assert_false(had(&p, 60, 0));
    assert_true(had(&p, 1, 0));
    service_end(&p.s);
    own = false;
}

/* Beside Redis: what one of them knows need not be made, and what Redis knew is kept. */
static void asks_itself_first(void **state)
{
    const struct rec_limit_rate plenty = {1e6, 1e6};
    struct rec_serve_config config = {.per_address = plenty, .per_account = plenty, .per_login = plenty, .log_fd = -1, .open_metrics = true,
                                      .answers = 1 << 20, .workers = 1, .answered = nobody_waits, .cache = redis.url, .cache_driver = &rec_redis};
    struct rec_serve *first, *second;
    struct pair p;

    redis_say(&redis, NULL, 0, "FLUSHALL", NULL);
    service_begin(&p.s, *state, &config);
    first = p.s.serve;
    config = p.s.config;
    service_ok(rec_serve_open(&second, &config, &service_err));
    service_expect(&p.s, 200, "GET", "/recommendations/me", p.s.token[SERVICE_USER], NULL);
    service_expect(&p.s, 200, "GET", "/recommendations/me", p.s.token[SERVICE_USER], NULL);
    assert_int_equal(outcomes(&p, "miss"), 1);
    assert_int_equal(outcomes(&p, "hit"), 0);
    p.s.serve = second;
    service_expect(&p.s, 200, "GET", "/recommendations/me", p.s.token[SERVICE_USER], NULL);
    assert_int_equal(outcomes(&p, "hit"), 1);
    service_expect(&p.s, 200, "GET", "/recommendations/me", p.s.token[SERVICE_USER], NULL);
    assert_int_equal(outcomes(&p, "hit"), 1);
    own = true;
    assert_int_equal(outcomes(&p, "hit"), 1);
    assert_int_equal(outcomes(&p, "miss"), 1);
    own = false;
    p.s.serve = first;
    rec_serve_close(second);
    service_end(&p.s);
}

static void stop_redis(void)
{
    server_stop(&redis);
}

int main(void)
{
    redis_start(&redis, NULL);
    atexit(stop_redis);
    return both_run((const struct CMUnitTest[]){cmocka_unit_test(answers_twice), cmocka_unit_test(follows_every_change), cmocka_unit_test(does_without),
                                                cmocka_unit_test(says_when_it_cannot), cmocka_unit_test(answers_twice_by_itself),
                                                cmocka_unit_test(follows_every_change_by_itself), cmocka_unit_test(gives_way), cmocka_unit_test(answers_compressed),
                                                cmocka_unit_test(asks_itself_first)}, 9);
}
