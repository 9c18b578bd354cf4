/* SPDX-License-Identifier: MIT
 *
 * Feedback by way of requests: one event and many, the same twice, what is refused, for others, in bulk, and taking it back.
 */
#include "service.h"

#include <math.h>

static unsigned post(struct service *s, const char *key, const char *body)
{
    char fields[256];

    snprintf(fields, sizeof fields, "Idempotency-Key: %s\r\n", key);
    return service_send(s, "POST", "/feedback", s->token[SERVICE_USER], fields, "application/json", body, strlen(body));
}

static size_t count(struct service *s)
{
    service_expect(s, 200, "GET", "/feedback?limit=500", s->token[SERVICE_USER], NULL);
    return rec_json_length(service_get(s, "feedback"));
}

/* A member of event i of the list that was answered last. */
static const struct rec_json_value *of(const struct service *s, size_t i, const char *name)
{
    return rec_json_get(rec_json_at(service_get(s, "feedback"), i), name);
}

static void storing(void **state)
{
    struct service s;
    double value;

    service_begin(&s, *state, NULL);
    service_expect(&s, 201, "POST", "/feedback", s.token[SERVICE_USER], "{\"movie_id\":\"5\",\"rating\":4.5,\"time\":\"2024-05-06T07:08:09Z\"}");
    assert_int_equal(service_int(&s, "stored"), 1);
    service_expect(&s, 201, "POST", "/feedback", s.token[SERVICE_USER],
                   "[{\"movie_id\":\"6\",\"kind\":\"like\",\"time\":86400},{\"movie_id\":\"7\",\"kind\":\"watch\",\"experiment\":\"e/a\"},"
                   "{\"movie_id\":\"8\",\"kind\":\"skip\"}]");
    assert_int_equal(service_int(&s, "stored"), 3);
    assert_int_equal(count(&s), 4);
    assert_string_equal(service_text(&s, "user_id"), "1");
    assert_string_equal(rec_json_string(of(&s, 0, "movie_id")), "8");
    assert_string_equal(rec_json_string(of(&s, 1, "experiment")), "e/a");
    assert_string_equal(rec_json_string(of(&s, 2, "time")), "1970-01-02T00:00:00Z");
    assert_string_equal(rec_json_string(of(&s, 3, "time")), "2024-05-06T07:08:09Z");
    assert_int_equal(rec_json_number(&value, of(&s, 3, "rating")), 0);
    assert_true(value == 4.5);
    /* pages, the newest first */
    service_expect(&s, 200, "GET", "/feedback?limit=3", s.token[SERVICE_USER], NULL);
    assert_int_equal(rec_json_length(service_get(&s, "feedback")), 3);
    {
        char target[64];

        snprintf(target, sizeof target, "/feedback?limit=3&cursor=%s", service_text(&s, "next_cursor"));
        service_expect(&s, 200, "GET", target, s.token[SERVICE_USER], NULL);
    }
    assert_int_equal(rec_json_length(service_get(&s, "feedback")), 1);
    assert_string_equal(rec_json_string(of(&s, 0, "movie_id")), "5");
    assert_int_equal(rec_json_kind(service_get(&s, "next_cursor")), REC_JSON_NULL);
    service_end(&s);
}

static void once(void **state)
{
    static const char *const bad[] = {"", "a b", "a\tb", "a\x80"};
    struct service s;
    char key[200];

    service_begin(&s, *state, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(post(&s, "7c5e", "[{\"movie_id\":\"5\",\"rating\":4},{\"movie_id\":\"6\",\"rating\":3}]"), 201);
        assert_int_equal(service_int(&s, "stored"), i ? 0 : 2);
        assert_int_equal(service_int(&s, "duplicates"), i ? 2 : 0);
    }
    assert_int_equal(post(&s, "7c5f", "{\"movie_id\":\"5\",\"rating\":4}"), 201);
    assert_int_equal(service_int(&s, "stored"), 1);
    assert_int_equal(count(&s), 3);
    /* the same key of another account is another request */
    assert_int_equal(service_send(&s, "POST", "/feedback", s.token[SERVICE_OTHER], "Idempotency-Key: 7c5e\r\n", "application/json",
                                  "{\"movie_id\":\"5\",\"rating\":4}", 27), 201);
    assert_int_equal(service_int(&s, "stored"), 1);
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        assert_int_equal(post(&s, bad[i], "{\"movie_id\":\"5\",\"rating\":4}"), 400);
    }
    memset(key, 'k', 128);
    key[128] = 0;
    assert_int_equal(post(&s, key, "{\"movie_id\":\"5\",\"rating\":4}"), 201);
    memcpy(key + 128, "k", 2);
    assert_int_equal(post(&s, key, "{\"movie_id\":\"5\",\"rating\":4}"), 400);
    assert_int_equal(post(&s, "a\r\nIdempotency-Key: b", "{\"movie_id\":\"5\",\"rating\":4}"), 400);
    service_end(&s);
}

static void refusing(void **state)
{
    static const struct { const char *body, *place; } wrong[] = {
        {"{}", "/movie_id"}, {"{\"movie_id\":\"5\"}", "/rating"}, {"{\"movie_id\":5,\"rating\":4}", "/movie_id"},
        {"{\"movie_id\":\"\",\"rating\":4}", "/movie_id"}, {"{\"movie_id\":\"5\",\"rating\":\"4\"}", "/rating"},
        {"{\"movie_id\":\"5\",\"rating\":1e7}", "/rating"}, {"{\"movie_id\":\"5\",\"kind\":\"like\",\"rating\":4}", "/rating"},
        {"{\"movie_id\":\"5\",\"kind\":\"love\"}", "/kind"}, {"{\"movie_id\":\"5\",\"rating\":4,\"time\":\"yesterday\"}", "/time"},
        {"{\"movie_id\":\"5\",\"rating\":4,\"time\":9223372036854775807}", "/time"},
        {"{\"movie_id\":\"5\",\"rating\":4,\"time\":-9223372036854775808}", "/time"},
        {"{\"movie_id\":\"5\",\"rating\":4,\"time\":\"9223372036854775807\"}", "/time"},
        {"{\"movie_id\":\"5\",\"rating\":4,\"id\":1}", "/id"}, {"[]", ""}, {"[{\"movie_id\":\"5\",\"rating\":4},7]", "/1"},
        {"[{\"movie_id\":\"5\",\"rating\":4},{\"movie_id\":\"5\"}]", "/1/rating"},
        {"{\"movie_id\":\"no such film\",\"rating\":4}", "/movie_id"}, {"{\"movie_id\":\"5\",\"rating\":4,\"a/b~c\":1}", "/a~1b~0c"},
        {"{\"movie_id\":\"5\\u001b\",\"rating\":4}", "/movie_id"},
    };
    struct service s;
    struct rec_buf many = {0};

    service_begin(&s, *state, NULL);
    for (size_t i = 0; i < REC_LENGTH(wrong); i++) {
        service_expect(&s, 422, "POST", "/feedback", s.token[SERVICE_USER], wrong[i].body);
        if (!service_names_place(&s, wrong[i].place))
            fail_msg("%s: does not name '%s': %s", wrong[i].body, wrong[i].place, s.text);
    }
    /* one film that is not there: nothing of the request is stored */
    service_expect(&s, 422, "POST", "/feedback", s.token[SERVICE_USER], "[{\"movie_id\":\"5\",\"rating\":4},{\"movie_id\":\"x\",\"rating\":4}]");
    rec_buf_addc(&many, '[');
    for (int i = 0; i < 1001; i++)
        rec_buf_adds(&many, i ? ",{\"movie_id\":\"5\",\"rating\":4}" : "{\"movie_id\":\"5\",\"rating\":4}");
    rec_buf_adds(&many, "]");
    service_expect(&s, 422, "POST", "/feedback", s.token[SERVICE_USER], many.data);
    assert_int_equal(count(&s), 0);
    rec_buf_clear(&many);
    service_end(&s);
}

/* ---- in bulk ---- */

static unsigned import(struct service *s, const char *key, const char *text)
{
    char fields[64];

    snprintf(fields, sizeof fields, "Idempotency-Key: %s\r\n", key);
    return service_send(s, "POST", "/feedback/import", s->token[SERVICE_SERVICE], key ? fields : NULL, "application/x-ndjson", text, strlen(text));
}

static void in_bulk(void **state)
{
    static const char lines[] = "{\"movie_id\":\"5\",\"rating\":4,\"user_id\":\"2\"}\n{\"movie_id\":\"6\",\"kind\":\"like\",\"user_id\":\"newcomer\"}\r\n"
                                "{\"movie_id\":\"7\",\"kind\":\"watch\",\"user_id\":\"2\"}";
    struct rec_buf text = {0};
    struct service s;
    static const char five[] = "\"user_id\":\"2\",\"movie_id\":\"5\",\"kind\":\"rating\",\"rating\":4",
                      six[] = "\"user_id\":\"newcomer\",\"movie_id\":\"6\",\"kind\":\"like\"",
                      seven[] = "\"user_id\":\"2\",\"movie_id\":\"7\",\"kind\":\"watch\"";
    char target[64];
    const char *at;
    int all;

    service_begin(&s, *state, NULL);
    assert_int_equal(import(&s, "a", lines), 201);
    assert_int_equal(service_int(&s, "stored"), 3);
    assert_int_equal(import(&s, "a", lines), 201);
    assert_int_equal(service_int(&s, "stored"), 0);
    assert_int_equal(import(&s, "b", "{\"movie_id\":\"5\",\"rating\":4}\nno JSON\n\n{\"movie_id\":\"5\",\"rating\":\"4\"}\n"), 422);
    assert_true(service_names_place(&s, "/1"));
    assert_true(service_names_place(&s, "/2"));
    assert_true(service_names_place(&s, "/3/rating"));
    assert_int_equal(import(&s, "b", ""), 422);
    for (int i = 0; i < 1001; i++)
        rec_buf_adds(&text, "\n");
    assert_int_equal(import(&s, "b", text.data), 413);
    rec_buf_clear(&text);
    /* everybody's, by the id of the last that one has */
    service_expect(&s, 200, "GET", "/feedback/export?limit=2", s.token[SERVICE_SERVICE], NULL);
    assert_string_equal(service_field(&s, "Content-Type"), "application/x-ndjson");
    at = strchr(s.text, '\n');
    assert_non_null(at);
    all = (strstr(s.text, five) != NULL) + (strstr(s.text, six) != NULL) + (strstr(s.text, seven) != NULL);
    assert_int_equal(all, 2);
    at = strstr(at, "\"id\":");
    assert_non_null(at);
    snprintf(target, sizeof target, "/feedback/export?after=%.*s", (int)strspn(at + 5, "0123456789"), at + 5);
    service_expect(&s, 200, "GET", target, s.token[SERVICE_SERVICE], NULL);
    all += (strstr(s.text, five) != NULL) + (strstr(s.text, six) != NULL) + (strstr(s.text, seven) != NULL);
    assert_int_equal(all, 3);
    assert_ptr_equal(strchr(s.text, '\n'), s.text + s.text_len - 1);
    service_expect(&s, 403, "GET", "/feedback/export", s.token[SERVICE_ANALYST], NULL);
    service_end(&s);
}

/* ---- taking back ---- */

struct wanted {
    const char *movie;
    double value;
};

static int look(void *context, const char *movie, double value, int64_t time)
{
    struct wanted *want = context;

    (void)time;
    if (strcmp(movie, want->movie) == 0)
        want->value = value;
    return 0;
}

static double rating_of(struct service *s, const char *movie)
{
    struct wanted want = {movie, NAN};

    service_ok(rec_feedback_ratings(&s->store, "1", look, &want, &service_err));
    return want.value;
}

static void taking_back(void **state)
{
    struct service s;

    service_begin(&s, *state, NULL);
    service_expect(&s, 201, "POST", "/feedback", s.token[SERVICE_USER], "{\"movie_id\":\"5\",\"rating\":4}");
    assert_true(rating_of(&s, "5") == 4);
    service_expect(&s, 204, "DELETE", "/feedback/5", s.token[SERVICE_USER], NULL);
    assert_true(isnan(rating_of(&s, "5")));
    service_expect(&s, 204, "DELETE", "/feedback/5", s.token[SERVICE_USER], NULL);
    service_expect(&s, 404, "DELETE", "/feedback/nothing", s.token[SERVICE_USER], NULL);
    service_expect(&s, 201, "POST", "/feedback", s.token[SERVICE_USER], "{\"movie_id\":\"5\",\"rating\":3}");
    assert_true(rating_of(&s, "5") == 3);
    service_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(storing), cmocka_unit_test(once), cmocka_unit_test(refusing), cmocka_unit_test(in_bulk), cmocka_unit_test(taking_back),
    };

    return both_run(tests, REC_LENGTH(tests));
}
