/* SPDX-License-Identifier: MIT
 *
 * Limits by way of requests: by address, account and login, what an answer says of them, and whose address counts behind proxies.
 */
#include "service.h"

static const struct rec_limit_rate plenty = {1e6, 1e6};

/* How many of n requests pass, from that address, with these fields. */
static int passing(struct service *s, const char *peer, const char *fields, int n)
{
    int passed = 0;

    s->peer = peer;
    for (int i = 0; i < n; i++)
        passed += service_send(s, "GET", "/healthz", NULL, fields, NULL, NULL, 0) == 200;
    return passed;
}

static int64_t seconds(const struct service *s)
{
    const char *text = service_field(s, "Retry-After");
    int64_t value = -1;

    return text && rec_num_int64(&value, text, strlen(text)) == 0 ? value : -1;
}

static void by_address(void **state)
{
    struct rec_serve_config config = {.per_address = {0.01, 5}, .per_account = plenty, .per_login = plenty, .log_fd = -1};
    struct service s;

    service_begin(&s, *state, &config);
    assert_int_equal(service_ask(&s, "GET", "/healthz", NULL, NULL), 200);
    assert_string_equal(service_field(&s, "RateLimit"), "\"address\";r=4;t=100");
    assert_string_equal(service_field(&s, "RateLimit-Policy"), "\"address\";q=5;w=500");
    assert_null(service_field(&s, "Retry-After"));
    assert_int_equal(passing(&s, "192.0.2.7", NULL, 10), 4);
    assert_int_equal(s.status, 429);
    assert_in_range(seconds(&s), 90, 100);
    assert_string_equal(service_field(&s, "Content-Type"), "application/problem+json");
    assert_non_null(strstr(service_field(&s, "RateLimit"), "r=0"));
    /* a path that is none, and a method that is none, count; so do tokens that are none */
    assert_int_equal(service_ask(&s, "GET", "/nothing", NULL, NULL), 429);
    assert_int_equal(service_ask(&s, "GET", "/users/me", s.token[SERVICE_USER], NULL), 429);
    assert_int_equal(passing(&s, "192.0.2.8", NULL, 10), 5);
    /* a network of IPv6 is one; an address of IPv4 is the same however it is written */
    assert_int_equal(passing(&s, "2001:db8::1", NULL, 3) + passing(&s, "2001:db8:0:0:1:2:3:4", NULL, 3), 5);
    assert_int_equal(passing(&s, "2001:db8:0:1::1", NULL, 6), 5);
    assert_int_equal(passing(&s, "::ffff:192.0.2.9", NULL, 3) + passing(&s, "192.0.2.9", NULL, 3), 5);
    assert_int_equal(passing(&s, "::ffff:192.0.2.10", NULL, 3), 3);
    service_end(&s);
}

static void by_account(void **state)
{
    struct rec_serve_config config = {.per_address = plenty, .per_account = {0.01, 3}, .per_login = plenty, .log_fd = -1};
    char text[REC_API_KEYS_TEXT], address[16];
    struct rec_api_key key;
    struct service s;
    int passed = 0;

    service_begin(&s, *state, &config);
    /* from wherever it asks */
    for (int i = 0; i < 6; i++) {
        snprintf(address, sizeof address, "192.0.2.%d", i + 1);
        s.peer = address;
        passed += service_ask(&s, "GET", "/users/me", s.token[SERVICE_USER], NULL) == 200;
    }
    assert_int_equal(passed, 3);
    assert_int_equal(s.status, 429);
    assert_in_range(seconds(&s), 90, 100);
    service_expect(&s, 200, "GET", "/users/me", s.token[SERVICE_OTHER], NULL);
    service_expect(&s, 200, "GET", "/healthz", NULL, NULL);
    /* a key has its own */
    service_ok(rec_api_keys_add(text, &key, &s.store, s.account[SERVICE_USER].id, "k", "users", 1, 0, &service_err));
    for (passed = 0; service_ask(&s, "GET", "/users/me", text, NULL) == 200; passed++)
        ;
    assert_int_equal(passed, 3);
    service_end(&s);
}

static void by_login(void **state)
{
    static const char body[] = "{\"username\":\"nobody\",\"password\":\"wrong horse\"}";
    struct rec_serve_config config = {.per_address = plenty, .per_account = plenty, .per_login = {0.01, 3}, .log_fd = -1};
    struct service s;

    service_begin(&s, *state, &config);
    for (int i = 0; i < 3; i++)
        service_expect(&s, 401, "POST", i % 2 ? "/v1/users/login" : "/users/login", NULL, body);
    service_expect(&s, 429, "POST", "/users/login", NULL, body);
    assert_in_range(seconds(&s), 90, 100);
    service_expect(&s, 429, "POST", "/users/register", NULL, "{}");
    service_expect(&s, 200, "GET", "/users/me", s.token[SERVICE_USER], NULL);
    s.peer = "192.0.2.8";
    service_expect(&s, 401, "POST", "/users/login", NULL, body);
    service_end(&s);
}

/* ---- behind proxies ---- */

#define FORWARDED "X-Forwarded-For: "

static void behind_proxies(void **state)
{
    const char *const proxies[] = {"10.0.0.1", "10.0.0.2", "unix", NULL};
    struct rec_serve_config config = {.per_address = {0.01, 2}, .per_account = plenty, .per_login = plenty, .proxies = proxies, .log_fd = -1};
    struct service s;

    service_begin(&s, *state, &config);
    /* who is no proxy says what they like */
    assert_int_equal(passing(&s, "192.0.2.7", FORWARDED "198.51.100.1\r\n", 2) + passing(&s, "192.0.2.7", FORWARDED "198.51.100.2\r\n", 2), 2);
    /* a proxy is believed, in what it added itself: at the end */
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "198.51.100.3\r\n", 3), 2);
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "1.2.3.4, 198.51.100.3\r\n", 3), 0);
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "198.51.100.3, 198.51.100.4\r\n", 3), 2);
    /* through two of them */
    assert_int_equal(passing(&s, "10.0.0.2", FORWARDED "1.2.3.4,198.51.100.4,10.0.0.1\r\n", 3), 0);
    assert_int_equal(passing(&s, "10.0.0.2", FORWARDED "198.51.100.5 , 10.0.0.1\r\n", 3), 2);
    /* what is no address stands for nobody but the proxy itself */
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "unknown\r\n", 3), 2);
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "<script>\r\n", 3), 0);
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "\r\n", 3), 0);
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED ",,\r\n", 3), 0);
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "999999\r\n", 3), 0);
    /* several lines are one list */
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "1.2.3.4\r\n" FORWARDED "198.51.100.6\r\n", 3), 2);
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "198.51.100.6\r\n", 3), 0);
    /* a socket of the file system has no address: it is a proxy when that is said */
    assert_int_equal(passing(&s, "", FORWARDED "198.51.100.7\r\n", 3), 2);
    assert_int_equal(passing(&s, "192.0.2.11", FORWARDED "198.51.100.7\r\n", 3), 2);
    service_end(&s);
}

/* Networks of proxies, and addresses however they are written. */
static void behind_networks(void **state)
{
    const char *const proxies[] = {"10.0.0.0/8", "192.0.2.128/25", "2001:DB8:0:0::/47", "::ffff:203.0.113.1", "fe80:0:0:0:0:0:0:1", NULL};
    static const char *const bad[] = {"", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x", "10.0.0", "host.example", "2001:db8::/129", "/8", "unix/8",
                                      "999.0.0.1", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0/8"};
    struct rec_serve_config config = {.per_address = {0.01, 2}, .per_account = plenty, .per_login = plenty, .proxies = proxies, .log_fd = -1};
    struct rec_serve *serve;
    struct service s;

    service_begin(&s, *state, &config);
    assert_int_equal(passing(&s, "10.255.3.4", FORWARDED "198.51.100.1\r\n", 3), 2);
    assert_int_equal(passing(&s, "11.0.0.1", FORWARDED "198.51.100.2\r\n", 3), 2);
    assert_int_equal(passing(&s, "11.0.0.1", FORWARDED "198.51.100.3\r\n", 3), 0);
    assert_int_equal(passing(&s, "192.0.2.128", FORWARDED "198.51.100.4\r\n", 3) + passing(&s, "192.0.2.255", FORWARDED "198.51.100.4\r\n", 3), 2);
    assert_int_equal(passing(&s, "192.0.2.127", FORWARDED "198.51.100.4\r\n", 3), 2);
    assert_int_equal(passing(&s, "2001:db8:1:ffff::7", FORWARDED "198.51.100.5\r\n", 3), 2);
    assert_int_equal(passing(&s, "2001:db8:2::7", FORWARDED "198.51.100.6\r\n", 3), 2);
    assert_int_equal(passing(&s, "2001:db8:2::7", FORWARDED "198.51.100.7\r\n", 3), 0);
    assert_int_equal(passing(&s, "203.0.113.1", FORWARDED "198.51.100.8\r\n", 3) + passing(&s, "::ffff:203.0.113.1", FORWARDED "198.51.100.8\r\n", 3), 2);
    assert_int_equal(passing(&s, "fe80::1", FORWARDED "198.51.100.9, ::ffff:10.1.2.3, FE80::1\r\n", 3), 2);
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "::ffff:198.51.100.9\r\n", 3), 0);
    /* networks of IPv6, and ports, which some proxies add */
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "2001:db8:7::1\r\n", 3) + passing(&s, "10.0.0.1", FORWARDED "2001:DB8:7:0:1:2:3:4\r\n", 3), 2);
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "[2001:db8:7::1]\r\n", 3) + passing(&s, "10.0.0.1", FORWARDED "[2001:db8:7::5]:443\r\n", 3), 0);
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "1.2.3.4, 198.51.100.9:4711\r\n", 3), 0);
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "1.2.3.4, 198.51.100.10:4711\r\n", 3), 2);
    /* what is no address stands for nobody but the proxy itself */
    assert_int_equal(passing(&s, "10.0.0.9", FORWARDED "[2001:db8::1\r\n", 1) + passing(&s, "10.0.0.9", FORWARDED "[]:1\r\n", 1), 2);
    assert_int_equal(passing(&s, "10.0.0.9", FORWARDED "1:2\r\n", 3) + passing(&s, "10.0.0.9", FORWARDED ":\r\n", 3), 0);
    /* all of them proxies: the first one */
    assert_int_equal(passing(&s, "10.0.0.1", FORWARDED "10.9.9.9, 10.0.0.1\r\n", 3), 2);
    assert_int_equal(passing(&s, "10.0.0.2", FORWARDED "10.9.9.9\r\n", 3), 0);
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        const char *const one[] = {"unix", bad[i], NULL};

        config = s.config;
        config.proxies = one;
        assert_int_equal(rec_serve_open(&serve, &config, &service_err), -1);
        assert_non_null(strstr(service_err.text, "neither an address, nor a network"));
    }
    service_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_address), cmocka_unit_test(by_account), cmocka_unit_test(by_login), cmocka_unit_test(behind_proxies),
        cmocka_unit_test(behind_networks),
    };

    return both_run(tests, REC_LENGTH(tests));
}
