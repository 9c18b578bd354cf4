/* SPDX-License-Identifier: MIT
 *
 * Requests that nobody means well with: each gets a clear answer of 4xx, in JSON, and never a fault. And what browsers ask: HEAD, OPTIONS, CORS.
 */
#include "service.h"

/* A problem of that status, whole and telling what is wrong; nothing was told to whoever runs the service. */
static void is_problem(struct service *s, unsigned status, const char *what)
{
    if (s->status != status || !s->json || service_int(s, "status") != status || !service_text(s, "detail")[0] || s->fault[0])
        fail_msg("%s: %u, not %u: %s (%s)", what, s->status, status, s->text ? s->text : "", s->fault);
    assert_string_equal(service_field(s, "Content-Type"), "application/problem+json");
    assert_string_equal(service_field(s, "X-Content-Type-Options"), "nosniff");
    assert_string_equal(service_field(s, "Cache-Control"), "no-store");
    assert_int_equal(strlen(service_field(s, "X-Request-Id")), 26);
}

static void bodies(void **state)
{
    static const struct { unsigned status; const char *text; size_t len; } cases[] = {
#define TEXT(status, text) {status, text, sizeof text - 1}
        TEXT(400, ""), TEXT(400, "{"), TEXT(400, "{\"movie_id\":}"), TEXT(400, "{\"movie_id\":\"5\",\"rating\":4}x"), TEXT(400, "{'movie_id':'5'}"),
        TEXT(400, "{\"movie_id\":\"5\",\"movie_id\":\"6\",\"rating\":4}"), TEXT(400, "{\"movie_id\":\"5\xff\",\"rating\":4}"),
        TEXT(400, "{\"movie_id\":\"5\xc0\x80\",\"rating\":4}"), TEXT(400, "{\"movie_id\":\"\xed\xa0\x80\",\"rating\":4}"),
        TEXT(400, "{\"movie_id\":\"\\ud800\",\"rating\":4}"), TEXT(400, "{\"movie_id\":\"5\\u0000\",\"rating\":4}"),
        TEXT(400, "{\"movie_id\":\"5\0\",\"rating\":4}"), TEXT(400, "\xef\xbb\xbf{\"movie_id\":\"5\",\"rating\":4}"),
        TEXT(400, "{\"movie_id\":\"5\",\"rating\":1e999}"), TEXT(400, "{\"movie_id\":\"5\",\"rating\":NaN}"),
        TEXT(400, "{\"movie_id\":\"5\",\"rating\":Infinity}"), TEXT(400, "{\"movie_id\":\"5\",\"rating\":01}"),
        TEXT(400, "{\"movie_id\":\"5\",\"rating\":0x4}"), TEXT(400, "{\"movie_id\":\"5\",\"rating\":99999999999999999999999}"),
        TEXT(400, "{\"movie_id\":\"5\",\"rating\":+4}"), TEXT(400, "{\"movie_id\":\"5\",\"rating\":4,}"), TEXT(400, "{\"movie_id\":\"5\"/**/}"),
        TEXT(422, "{\"movie_id\":\"5\",\"rating\":1e300}"), TEXT(422, "{\"movie_id\":\"5\",\"rating\":true}"),
        TEXT(422, "{\"movie_id\":{\"$ne\":\"\"},\"rating\":4}"), TEXT(422, "{\"movie_id\":[\"5\"],\"rating\":4}"),
        TEXT(422, "{\"movie_id\":null,\"rating\":null}"), TEXT(422, "{\"movie_id\":\"\\u0007\",\"rating\":4}"),
        TEXT(422, "{\"__proto__\":{\"role\":\"admin\"},\"movie_id\":\"5\",\"rating\":4}"),
    };
    struct service s;
    struct rec_buf text = {0};

    service_begin(&s, *state, NULL);
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        service_send(&s, "POST", "/feedback", s.token[SERVICE_USER], NULL, "application/json", cases[i].text, cases[i].len);
        is_problem(&s, cases[i].status, cases[i].text);
    }
    for (size_t depth = 32; depth <= 33; depth++) {
        rec_buf_reset(&text);
        rec_buf_adds(&text, "{\"movie_id\":");
        for (size_t i = 1; i < depth; i++)
            rec_buf_addc(&text, '[');
        for (size_t i = 1; i < depth; i++)
            rec_buf_addc(&text, ']');
        rec_buf_addc(&text, '}');
        service_send(&s, "POST", "/feedback", s.token[SERVICE_USER], NULL, "application/json", text.data, text.len);
        is_problem(&s, depth <= 32 ? 422 : 400, "depth");
    }
    for (size_t more = 0; more < 2; more++) {
        rec_buf_reset(&text);
        for (size_t i = 0; i < (1U << 20) + more; i++)
            rec_buf_addc(&text, '[');
        service_send(&s, "POST", "/feedback", s.token[SERVICE_USER], NULL, "application/json", text.data, text.len);
        is_problem(&s, more ? 413 : 400, "a megabyte");
    }
    /* many wrong places: some of them are told */
    rec_buf_reset(&text);
    rec_buf_adds(&text, "{\"a\":0");
    for (int i = 0; i < 60000; i++)
        rec_buf_addf(&text, ",\"x%d\":0", i);
    rec_buf_adds(&text, "}");
    service_send(&s, "POST", "/feedback", s.token[SERVICE_USER], NULL, "application/json", text.data, text.len);
    is_problem(&s, 422, "many members");
    assert_true(s.text_len < 8192);
    /* a long name of letters of several bytes is cut, and the answer still UTF-8 */
    rec_buf_reset(&text);
    rec_buf_adds(&text, "{\"a");
    for (int i = 0; i < 500; i++)
        rec_buf_adds(&text, "\xe2\x82\xac");
    rec_buf_adds(&text, "\":0}");
    service_send(&s, "POST", "/feedback", s.token[SERVICE_USER], NULL, "application/json", text.data, text.len);
    is_problem(&s, 422, "a long name");
    rec_buf_clear(&text);
    service_end(&s);
}

static void types(void **state)
{
    static const char *const wrong[] = {"text/plain", "application/xml", "application/jsonx", "application/json; charset=utf-16", "json",
                                        "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""};
    static const char *const right[] = {"application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=\"UTF-8\""};
    static const char body[] = "{\"movie_id\":\"5\",\"rating\":4}";
    struct service s;

    service_begin(&s, *state, NULL);
    for (size_t i = 0; i < REC_LENGTH(wrong); i++) {
        service_send(&s, "POST", "/feedback", s.token[SERVICE_USER], NULL, wrong[i], body, sizeof body - 1);
        is_problem(&s, 415, wrong[i]);
    }
    for (size_t i = 0; i < REC_LENGTH(right); i++)
        assert_int_equal(service_send(&s, "POST", "/feedback", s.token[SERVICE_USER], NULL, right[i], body, sizeof body - 1), 201);
    service_send(&s, "GET", "/movies", NULL, NULL, "application/json", "{}", 2);
    is_problem(&s, 400, "a body for GET");
    service_end(&s);
}

static void paths(void **state)
{
    static const struct { unsigned status; const char *target; } cases[] = {
        {404, "/nothing"}, {404, "/v1"}, {404, "/v1/v1/movies"}, {404, "/v2/movies"}, {404, "/movies/"}, {404, "//movies"}, {404, "/movies//1"},
        {404, "/MOVIES"}, {404, "/movies/1/x"}, {400, "/../movies"}, {400, "/movies/.."}, {400, "/movies/%2e%2e"}, {400, "/movies/%2E"},
        {400, "/movies/..%2f..%2fetc%2fpasswd"}, {400, "/movies/%00"}, {400, "/movies/1%00"}, {400, "/movies/%0d%0aX:1"}, {400, "/movies/%ff"},
        {400, "/movies/%c0%ae"}, {400, "/movies/%"}, {400, "/movies/%4"}, {400, "/movies/%zz"}, {400, "/a/b/c/d/e/f/g/h/i/j"},
        {404, "/movies/..;/x"}, {404, "/movies/%252e%252e"}, {422, "/movies?x"}, {422, "/movies?=1"}, {400, "/movies?limit=1&limit=1"},
        {422, "/movies?limit=0"}, {422, "/movies?limit=101"}, {422, "/movies?limit=1e1"}, {422, "/movies?limit=%201"}, {422, "/movies?limit=-1"},
        {422, "/movies?limit=99999999999999999999"}, {422, "/movies?cursor=-1"}, {422, "/movies?sort=title;drop"}, {422, "/movies?q="},
        {422, "/movies?genre="}, {422, "/movies?genre=,"}, {400, "/movies?q=%00"}, {400, "/movies?q=%fe"}, {422, "/movies?limit%5B%5D=1"},
        {422, "/movies/popular?k=NaN"}, {400, "/movies?a=1&b=1&c=1&d=1&e=1&f=1&g=1&h=1&i=1&j=1&k=1&l=1&m=1&n=1&o=1&p=1&q=1&r=1&s=1&t=1&u=1&v=1&w=1"
              "&x=1&y=1&z=1&a1=1&a2=1&a3=1&a4=1&a5=1&a6=1&a7=1"},
    };
    struct service s;
    struct rec_buf text = {0};

    service_begin(&s, *state, NULL);
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        service_ask(&s, "GET", cases[i].target, NULL, NULL);
        is_problem(&s, cases[i].status, cases[i].target);
    }
    rec_buf_adds(&text, "/movies/");
    for (int i = 0; i < 9000; i++)
        rec_buf_addc(&text, 'a');
    service_ask(&s, "GET", text.data, NULL, NULL);
    is_problem(&s, 414, "a long target");
    rec_buf_clear(&text);
    service_end(&s);
}

/* ---- texts that mean something elsewhere ---- */

static const char *const tricks[] = {
    "x'; DROP TABLE users; --", "\" OR \"\"=\"", "1 OR 1=1", "%s%n%x", "${jndi:ldap://x}", "<script>alert(1)</script>", "{{7*7}}", "../../etc/passwd",
    "x UNION SELECT password FROM accounts", "\\", "$1", ":id", "?", "x`id`", "=1+1", "\xf0\x9f\x98\x80", "a\xcc\x81", "\xe2\x80\xae" "abc", "NULL", " ",
};

static void add_escaped(struct rec_buf *out, const char *text)
{
    for (; *text; text++)
        rec_buf_addf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void verbatim(void **state)
{
    struct service s;
    struct rec_buf body = {0}, target = {0};

    service_begin(&s, *state, NULL);
    for (size_t i = 0; i < REC_LENGTH(tricks); i++) {
        rec_buf_reset(&body);
        rec_buf_adds(&body, "{\"movie_id\":\"5\",\"rating\":4,\"user_id\":\"");
        add_escaped(&body, tricks[i]);
        rec_buf_adds(&body, "\",\"experiment\":\"");
        add_escaped(&body, tricks[i]);
        rec_buf_adds(&body, "\"}");
        service_expect(&s, 201, "POST", "/feedback", s.token[SERVICE_SERVICE], body.data);
        rec_buf_reset(&target);
        rec_buf_adds(&target, "/feedback?user_id=");
        for (const char *c = tricks[i]; *c; c++)
            rec_buf_addf(&target, "%%%02X", (unsigned)(unsigned char)*c);
        service_expect(&s, 200, "GET", target.data, s.token[SERVICE_SERVICE], NULL);
        assert_string_equal(service_text(&s, "user_id"), tricks[i]);
        assert_int_equal(rec_json_length(service_get(&s, "feedback")), 1);
        assert_string_equal(rec_json_string(rec_json_get(rec_json_at(service_get(&s, "feedback"), 0), "experiment")), tricks[i]);
        /* in a path, a search and a name */
        rec_buf_reset(&target);
        rec_buf_adds(&target, "/movies?q=");
        for (const char *c = tricks[i]; *c; c++)
            rec_buf_addf(&target, "%%%02X", (unsigned)(unsigned char)*c);
        service_expect(&s, 200, "GET", target.data, NULL, NULL);
        rec_buf_reset(&body);
        rec_buf_adds(&body, "{\"username\":\"");
        add_escaped(&body, tricks[i]);
        rec_buf_adds(&body, "\",\"password\":\"x\"}");
        service_expect(&s, 401, "POST", "/users/login", NULL, body.data);
    }
    service_expect(&s, 200, "GET", "/users/me", s.token[SERVICE_USER], NULL);
    rec_buf_clear(&body);
    rec_buf_clear(&target);
    service_end(&s);
}

/* What is echoed ends no line, and adds no field. */
static void echoed(void **state)
{
    const char *const origins[] = {"*", NULL};
    struct rec_serve_config config = {.per_address = {1e6, 1e6}, .origins = origins, .log_fd = -1};
    struct service s;

    service_begin(&s, *state, &config);
    service_ask(&s, "GET", "/movies/%E2%80%A8", NULL, NULL);
    is_problem(&s, 404, "a line separator");
    service_ask(&s, "GET", "/movies?genre=x%22%5C%3Cb%3E", NULL, NULL);
    is_problem(&s, 422, "a genre");
    service_send(&s, "GET", "/healthz", NULL, "Origin: http://a\rX-Evil: 1\r\n", NULL, NULL, 0);
    is_problem(&s, 400, "a bare CR");
    service_send(&s, "GET", "/healthz", NULL, "Origin: http://a\nX-Evil: 1\r\n", NULL, NULL, 0);
    is_problem(&s, 400, "a bare LF");
    assert_int_equal(service_send(&s, "GET", "/healthz", NULL, "Origin: http://evil.example\r\nX-Request-Id: mine\r\n", NULL, NULL, 0), 200);
    assert_string_equal(service_field(&s, "Access-Control-Allow-Origin"), "*");
    assert_null(strstr(s.head, "mine"));
    assert_null(service_field(&s, "Access-Control-Allow-Credentials"));
    service_end(&s);
}

/* ---- methods ---- */

static void methods(void **state)
{
    static const char *const targets[] = {"/healthz", "/movies", "/movies/1", "/recommendations/me", "/users/me", "/nothing", "/openapi.json"};
    struct service s;
    char length[64], tag[64];

    service_begin(&s, *state, NULL);
    service_ask(&s, "PUT", "/movies/1", NULL, NULL);
    is_problem(&s, 405, "PUT");
    assert_string_equal(service_field(&s, "Allow"), "GET, HEAD, OPTIONS");
    service_ask(&s, "POST", "/users/me", s.token[SERVICE_USER], "{}");
    is_problem(&s, 405, "POST");
    service_ask(&s, "BREW", "/healthz", NULL, NULL);
    is_problem(&s, 501, "BREW");
    service_ask(&s, "TRACE", "/healthz", NULL, NULL);
    is_problem(&s, 405, "TRACE");
    service_ask(&s, "get", "/healthz", NULL, NULL);
    is_problem(&s, 501, "get");
    for (size_t i = 0; i < REC_LENGTH(targets); i++) {
        unsigned status = service_ask(&s, "GET", targets[i], s.token[SERVICE_USER], NULL);

        snprintf(length, sizeof length, "%s", service_field(&s, "Content-Length"));
        snprintf(tag, sizeof tag, "%s", service_field(&s, "ETag") ? service_field(&s, "ETag") : "");
        assert_int_equal(service_ask(&s, "HEAD", targets[i], s.token[SERVICE_USER], NULL), status);
        assert_int_equal(s.text_len, 0);
        if (strcmp(length, service_field(&s, "Content-Length")) != 0)
            fail_msg("HEAD %s: %s bytes, GET: %s", targets[i], service_field(&s, "Content-Length"), length);
        assert_string_equal(tag, service_field(&s, "ETag") ? service_field(&s, "ETag") : "");
    }
    assert_int_equal(service_ask(&s, "OPTIONS", "/users/me", NULL, NULL), 204);
    assert_non_null(strstr(service_field(&s, "Allow"), "PATCH"));
    assert_null(service_field(&s, "Access-Control-Allow-Origin"));
    service_ask(&s, "OPTIONS", "/nothing", NULL, NULL);
    is_problem(&s, 404, "OPTIONS of nothing");
    service_end(&s);
}

static void cors(void **state)
{
    const char *const origins[] = {"https://app.example.org", NULL};
    const char good[] = "Origin: https://app.example.org\r\n", ask[] = "Access-Control-Request-Method: POST\r\n";
    static const char *const bad[] = {"https://app.example.org.evil.com", "http://app.example.org", "https://APP.example.org", "null",
                                      "https://app.example.org:8443", "https://evil.com,https://app.example.org", ""};
    struct rec_serve_config config = {.per_address = {1e6, 1e6}, .origins = origins, .log_fd = -1};
    struct service s;
    char fields[256];

    service_begin(&s, *state, &config);
    snprintf(fields, sizeof fields, "%s%s", good, ask);
    assert_int_equal(service_send(&s, "OPTIONS", "/feedback", NULL, fields, NULL, NULL, 0), 204);
    assert_string_equal(service_field(&s, "Access-Control-Allow-Origin"), origins[0]);
    assert_non_null(strstr(service_field(&s, "Access-Control-Allow-Methods"), "POST"));
    assert_non_null(strstr(service_field(&s, "Access-Control-Allow-Headers"), "Authorization"));
    assert_int_equal(service_send(&s, "GET", "/movies", NULL, good, NULL, NULL, 0), 200);
    assert_string_equal(service_field(&s, "Access-Control-Allow-Origin"), origins[0]);
    assert_non_null(strcasestr(s.head, "Vary: Origin"));
    /* an answer of 401 may be read by the page too */
    assert_int_equal(service_send(&s, "GET", "/users/me", NULL, good, NULL, NULL, 0), 401);
    assert_string_equal(service_field(&s, "Access-Control-Allow-Origin"), origins[0]);
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        snprintf(fields, sizeof fields, "Origin: %s\r\n%s", bad[i], ask);
        service_send(&s, "OPTIONS", "/feedback", NULL, fields, NULL, NULL, 0);
        if (service_field(&s, "Access-Control-Allow-Origin") || service_field(&s, "Access-Control-Allow-Methods"))
            fail_msg("%s may ask", bad[i]);
        assert_non_null(strcasestr(s.head, "Vary: Origin"));
    }
    service_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies), cmocka_unit_test(types), cmocka_unit_test(paths), cmocka_unit_test(verbatim), cmocka_unit_test(echoed),
        cmocka_unit_test(methods), cmocka_unit_test(cors),
    };

    return both_run(tests, REC_LENGTH(tests));
}
