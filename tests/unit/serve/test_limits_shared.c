/* SPDX-License-Identifier: MIT
 *
 * Limits that hosts share: two services, each with a state directory of its own, over one Redis; and what comes of it when that is gone, full, silent
 * or lying: each host goes on with its own limit, nobody waits long, and nobody is locked out.
 */
#include "service.h"

#include "../liar.h"
#include "../redis.h"

static struct server redis;
static const struct rec_limit_rate plenty = {1e6, 1e6}, few = {0.01, 5};

#define SLACK 0.03

/* Two hosts; s.serve is the one that is asked. */
struct hosts {
    struct service s;
    struct rec_serve *host[2];
    char dir[2][64];               /* their state */
};

static void hosts_begin(struct hosts *h, void **state, struct rec_limit_rate per_address)
{
    struct rec_serve_config config = {.per_address = per_address, .per_account = plenty, .per_login = plenty, .log_fd = -1, .open_metrics = true,
                                      .limits = redis.url, .cache_driver = &rec_redis};
    struct both *b = *state;

    redis_say(&redis, NULL, 0, "FLUSHALL", NULL);
    for (int i = 0; i < 2; i++) {
        snprintf(h->dir[i], sizeof h->dir[i], "%s/state%d", b->dir, i);
        assert_int_equal(mkdir(h->dir[i], 0700), 0);
    }
    config.state = h->dir[0];
    service_begin(&h->s, b, &config);
    h->host[0] = h->s.serve;
    config = h->s.config;
    config.state = h->dir[1];
    service_ok(rec_serve_open(&h->host[1], &config, &service_err));
    rec_serve_tell(h->host[1], service_told, &h->s);
    h->s.config.state = NULL;
}

static void hosts_end(struct hosts *h)
{
    h->s.serve = h->host[0];
    rec_serve_close(h->host[1]);
    service_end(&h->s);
}

/* How many of n requests pass at a host, or (-1) at each in turn. */
static int passing(struct hosts *h, int host, const char *peer, int n)
{
    int passed = 0;

    h->s.peer = peer;
    for (int i = 0; i < n; i++) {
        h->s.serve = h->host[host < 0 ? i % 2 : host];
        passed += service_ask(&h->s, "GET", "/healthz", NULL, NULL) == 200;
    }
    return passed;
}

/* What /metrics of a host tells of its questions. */
static int64_t outcomes(struct hosts *h, int host, const char *outcome)
{
    static int peer;
    char line[80], from[16];
    const char *at;

    snprintf(from, sizeof from, "198.51.100.%d", peer++ % 250);
    h->s.peer = from;
    h->s.serve = h->host[host];
    service_expect(&h->s, 200, "GET", "/metrics", NULL, NULL);
    snprintf(line, sizeof line, "rec_limits_requests_total{outcome=\"%s\"} ", outcome);
    at = strstr(h->s.text, line);
    return at ? strtoll(at + strlen(line), NULL, 10) : 0;
}

static int64_t retry(const struct service *s)
{
    const char *text = service_field(s, "Retry-After");
    int64_t value = -1;

    return text && rec_num_int64(&value, text, strlen(text)) == 0 ? value : -1;
}

/* ---- together ---- */

static void count_together(void **state)
{
    struct hosts h;

    hosts_begin(&h, state, few);
    assert_int_equal(passing(&h, 0, "192.0.2.7", 1), 1);
    assert_string_equal(service_field(&h.s, "RateLimit"), "\"address\";r=4;t=100");
    assert_int_equal(passing(&h, 1, "192.0.2.7", 1), 1);
    assert_memory_equal(service_field(&h.s, "RateLimit"), "\"address\";r=3;t=", 16);
    assert_string_equal(service_field(&h.s, "RateLimit-Policy"), "\"address\";q=5;w=500");
    assert_int_equal(passing(&h, -1, "192.0.2.7", 10), 3);
    assert_int_equal(h.s.status, 429);
    assert_in_range(retry(&h.s), 90, 100);
    assert_string_equal(service_field(&h.s, "Content-Type"), "application/problem+json");
    assert_memory_equal(service_field(&h.s, "RateLimit"), "\"address\";r=0;t=", 16);
    assert_int_equal(passing(&h, -1, "192.0.2.8", 10), 5);
    /* of a Redis that forgot, the host tells what it knows itself */
    assert_int_equal(passing(&h, 0, "192.0.2.12", 3), 3);
    redis_say(&redis, NULL, 0, "FLUSHALL", NULL);
    assert_int_equal(passing(&h, 0, "192.0.2.12", 1), 1);
    assert_memory_equal(service_field(&h.s, "RateLimit"), "\"address\";r=1;t=", 16);
    /* networks of IPv6 and addresses of IPv4 as on one host */
    assert_int_equal(passing(&h, 0, "2001:db8::1", 3) + passing(&h, 1, "2001:db8:0:0:1:2:3:4", 3), 5);
    assert_int_equal(passing(&h, 0, "::ffff:192.0.2.9", 3) + passing(&h, 1, "192.0.2.9", 3), 5);
    assert_true(outcomes(&h, 0, "answered") >= 10);
    assert_int_equal(outcomes(&h, 0, "away") + outcomes(&h, 0, "refused") + outcomes(&h, 0, "wrong"), 0);
    hosts_end(&h);
}

/* Wrong passwords at one host make the next try of that name, from that address, wait at all of them. */
static void count_wrong_passwords(void **state)
{
    static const char wrong[] = "{\"username\":\"user\",\"password\":\"wrong horse\"}", right[] = "{\"username\":\"User\",\"password\":\"correct horse\"}";
    struct hosts h;

    hosts_begin(&h, state, plenty);
    for (int i = 0; i < 5; i++) {
        h.s.serve = h.host[i % 2];
        service_expect(&h.s, 401, "POST", "/users/login", NULL, wrong);
    }
    for (int i = 0; i < 2; i++) {
        h.s.serve = h.host[i];
        service_expect(&h.s, 429, "POST", "/users/login", NULL, right);
        assert_in_range(retry(&h.s), 10, 20);
    }
    h.s.peer = "192.0.2.8";
    service_expect(&h.s, 200, "POST", "/users/login", NULL, right);
    hosts_end(&h);
}

/* ---- alone ---- */

static void go_on_alone(void **state)
{
    struct hosts h;

    hosts_begin(&h, state, few);
    assert_int_equal(passing(&h, 0, "192.0.2.7", 6), 5);
    /* What the others have used up is not charged here: */
    assert_int_equal(passing(&h, 1, "192.0.2.7", 20), 0);
    redis_kill(&redis);
    assert_int_equal(passing(&h, 1, "192.0.2.7", 20), 5);
    assert_non_null(strstr(h.s.fault, "limits: redis "));
    /* and what passed here was counted here, too. */
    assert_int_equal(passing(&h, 0, "192.0.2.7", 20), 0);
    assert_int_equal(passing(&h, -1, "192.0.2.8", 20), 10);
    assert_true(outcomes(&h, 1, "away") >= 10);
    redis_again(&redis);
    nap(1.1);
    assert_int_equal(passing(&h, -1, "192.0.2.9", 20), 5);
    redis_say(&redis, NULL, 0, "CONFIG", "SET", "maxmemory", "1", NULL);
    assert_int_equal(passing(&h, -1, "192.0.2.10", 20), 10);
    assert_non_null(strstr(h.s.fault, "OOM"));
    assert_true(outcomes(&h, 1, "refused") >= 5);
    redis_say(&redis, NULL, 0, "CONFIG", "SET", "maxmemory", "0", NULL);
    assert_int_equal(passing(&h, -1, "192.0.2.11", 20), 5);
    hosts_end(&h);
}

/* One that says yes to everything, and ones that say nonsense: a host's own limit holds, and lets through what it allows. */
static void believe_no_lies(void **state)
{
    static const char *const lies[] = {"$1\r\n0\r\n", "$2\r\n-5\r\n", "$9\r\n999999999\r\n", "+OK\r\n", "-ERR no\r\n", "$-1\r\n", "HTTP/1.1 400 Bad Request\r\n"};
    struct hosts h;

    hosts_begin(&h, state, few);
    for (size_t i = 0; i < REC_LENGTH(lies); i++) {
        struct liar l = {.text = lies[i], .len = strlen(lies[i])};
        struct rec_serve_config config = h.s.config;
        struct rec_serve *other = h.host[1];
        int passed;

        liar_start(&l);
        config.limits = l.url;
        service_ok(rec_serve_open(&h.host[1], &config, &service_err));
        rec_serve_tell(h.host[1], service_told, &h.s);
        h.s.fault[0] = 0;
        passed = passing(&h, 1, "192.0.2.7", 20);
        if (passed != 5)
            fail_msg("%s: %d passed", lies[i], passed);
        assert_int_equal(i > 0, h.s.fault[0] != 0);
        rec_serve_close(h.host[1]);
        h.host[1] = other;
        liar_stop(&l);
    }
    hosts_end(&h);
}

/* A silent one costs one request in a second its patience, once for all that it asks: two limits and the cache. */
static void wait_for_nobody(void **state)
{
    struct liar l = {.text = "", .len = 0};
    struct rec_serve_config config;
    struct rec_serve *other;
    struct hosts h;
    double took[5];

    hosts_begin(&h, state, plenty);
    liar_start(&l);
    config = h.s.config;
    config.limits = config.cache = l.url;
    other = h.host[1];
    for (size_t i = 0; i < REC_LENGTH(took); i++) {
        double begun;

        service_ok(rec_serve_open(&h.host[1], &config, &service_err));
        h.s.serve = h.host[1];
        begun = steady();
        service_expect(&h.s, 200, "GET", "/recommendations/me", h.s.token[SERVICE_USER], NULL);
        took[i] = steady() - begun;
        begun = steady();
        service_expect(&h.s, 200, "GET", "/healthz", NULL, NULL);
        assert_true(steady() - begun < REC_CACHE_BUDGET);
        rec_serve_close(h.host[1]);
    }
    h.host[1] = other;
    for (size_t i = 0; i < REC_LENGTH(took); i++)
        for (size_t k = i; k > 0 && took[k] < took[k - 1]; k--) {
            double swap = took[k];

            took[k] = took[k - 1];
            took[k - 1] = swap;
        }
    assert_true(took[2] > 0.03 && took[2] < REC_CACHE_BUDGET + SLACK);
    liar_stop(&l);
    hosts_end(&h);
}

/* A program that has no client of Redis says so, and does not go on without what it was told to use. */
static void says_when_it_cannot(void **state)
{
    struct rec_serve_config config = {.model = service_path("ials.rec"), .limits = redis.url, .log_fd = -1};
    struct rec_serve *serve;

    (void)state;
    assert_int_equal(rec_serve_open(&serve, &config, &service_err), -1);
    assert_string_equal(service_err.text, "limits: this program was made without Redis");
    config.cache_driver = &rec_redis;
    config.limits = "redis://host:nonsense";
    assert_int_equal(rec_serve_open(&serve, &config, &service_err), -1);
    assert_string_equal(service_err.text, "limits: Redis URL: port: not a number of 0 to 65535");
    assert_null(serve);
}

static void stop_redis(void)
{
    server_stop(&redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(count_together),  cmocka_unit_test(count_wrong_passwords), cmocka_unit_test(go_on_alone),
        cmocka_unit_test(believe_no_lies), cmocka_unit_test(wait_for_nobody),       cmocka_unit_test(says_when_it_cannot),
    };

    redis_start(&redis, NULL);
    atexit(stop_redis);
    return both_run(tests, REC_LENGTH(tests));
}
