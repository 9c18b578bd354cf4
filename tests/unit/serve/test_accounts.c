/* SPDX-License-Identifier: MIT
 *
 * Accounts and tokens by way of requests: registering, logging in, wrong passwords, renewing and taking back, what administrators change, and
 * what nobody may set.
 */
#include "service.h"

static const char form[] = "application/x-www-form-urlencoded";

static unsigned log_in(struct service *s, const char *name, const char *password)
{
    char body[256];

    snprintf(body, sizeof body, "{\"username\":\"%s\",\"password\":\"%s\"}", name, password);
    return service_ask(s, "POST", "/users/login", NULL, body);
}

static void keep(char out[1024], const struct service *s, const char *name)
{
    snprintf(out, 1024, "%s", service_text(s, name));
    assert_true(out[0] != 0);
}

static unsigned renew(struct service *s, const char *refresh)
{
    char body[1200];

    snprintf(body, sizeof body, "{\"refresh_token\":\"%s\"}", refresh);
    return service_ask(s, "POST", "/token/refresh", NULL, body);
}

/* ---- registering and logging in ---- */

static void registering(void **state)
{
    static const struct { const char *body, *place; } wrong[] = {
        {"{\"username\":\"ann\",\"email\":\"ann@example.org\",\"password\":\"correct horse\",\"role\":\"admin\"}", "/role"},
        {"{\"username\":\"ann\",\"email\":\"ann@example.org\",\"password\":\"correct horse\",\"disabled\":false}", "/disabled"},
        {"{\"username\":\"ann\",\"email\":\"ann@example.org\",\"password\":\"correct horse\",\"data_user_id\":\"3\"}", "/data_user_id"},
        {"{\"username\":\"ann\",\"email\":\"ann@example.org\",\"password\":\"correct horse\",\"user_id\":\"x\"}", "/user_id"},
        {"{\"username\":\"ann\",\"email\":\"ann@example.org\"}", "/password"},
        {"{\"username\":\"ann\",\"email\":\"ann@example.org\",\"password\":\"short\"}", "/password"},
        {"{\"username\":\"ann\",\"email\":\"ann@example.org\",\"password\":\"1234567890\"}", "/password"},
        {"{\"username\":\"ann\",\"email\":\"ann@example.org\",\"password\":\"Ann@Example.org\"}", "/password"},
        {"{\"username\":\"../ann\",\"email\":\"ann@example.org\",\"password\":\"correct horse\"}", "/username"},
        {"{\"username\":\"ann\",\"email\":\"nobody\",\"password\":\"correct horse\"}", "/email"},
        {"{\"username\":7,\"email\":\"ann@example.org\",\"password\":\"correct horse\"}", "/username"},
        {"{\"username\":\"ann\",\"email\":null,\"password\":\"correct horse\"}", "/email"},
    };
    static const char ann[] = "{\"username\":\"ann\",\"email\":\"ann@example.org\",\"password\":\"correct horse\"}";
    struct service s;

    service_begin(&s, *state, NULL);
    for (size_t i = 0; i < REC_LENGTH(wrong); i++) {
        service_expect(&s, 422, "POST", "/users/register", NULL, wrong[i].body);
        if (!service_names_place(&s, wrong[i].place))
            fail_msg("%s: does not name %s: %s", wrong[i].body, wrong[i].place, s.text);
        assert_null(strstr(s.text, "correct horse"));
    }
    service_expect(&s, 201, "POST", "/users/register", NULL, ann);
    assert_string_equal(service_text(&s, "username"), "ann");
    assert_string_equal(service_text(&s, "role"), "user");
    assert_int_equal(strlen(service_text(&s, "user_id")), REC_ACCOUNTS_ID);
    assert_null(strstr(s.text, "password"));
    service_expect(&s, 409, "POST", "/users/register", NULL, ann);
    service_expect(&s, 409, "POST", "/users/register", NULL, "{\"username\":\"ANN\",\"email\":\"b@example.org\",\"password\":\"correct horse\"}");
    service_expect(&s, 409, "POST", "/users/register", NULL, "{\"username\":\"bob\",\"email\":\"ANN@example.org\",\"password\":\"correct horse\"}");
    assert_int_equal(log_in(&s, "ann", "correct horse"), 200);
    service_end(&s);
}

static void closed(void **state)
{
    static const char body[] = "{\"username\":\"ann\",\"email\":\"ann@example.org\",\"password\":\"correct horse\"}";
    struct rec_serve_config config = {.registration_closed = true, .log_fd = -1};
    char text[REC_API_KEYS_TEXT];
    struct rec_api_key key;
    struct service s;

    service_begin(&s, *state, &config);
    service_expect(&s, 403, "POST", "/users/register", NULL, body);
    service_expect(&s, 403, "POST", "/users/register", s.token[SERVICE_SERVICE], body);
    /* An administrator's key for something else does not make accounts. */
    service_ok(rec_api_keys_add(text, &key, &s.store, s.account[SERVICE_ADMIN].id, "k", "recommend", 1, 0, &service_err));
    service_expect(&s, 403, "POST", "/users/register", text, body);
    service_expect(&s, 201, "POST", "/users/register", s.token[SERVICE_ADMIN], body);
    service_end(&s);
}

static void logging_in(void **state)
{
    static const char good[] = "grant_type=password&username=user&password=correct+horse";
    struct service s;
    char access[1024], refresh[1024], unknown[512];

    service_begin(&s, *state, NULL);
    assert_int_equal(service_send(&s, "POST", "/token", NULL, NULL, form, good, strlen(good)), 200);
    assert_string_equal(service_text(&s, "token_type"), "bearer");
    assert_int_equal(service_int(&s, "expires_in"), 900);
    assert_string_equal(service_field(&s, "Cache-Control"), "no-store");
    keep(access, &s, "access_token");
    keep(refresh, &s, "refresh_token");
    service_expect(&s, 200, "GET", "/users/me", access, NULL);
    assert_string_equal(service_text(&s, "user_id"), s.account[SERVICE_USER].id);
    service_expect(&s, 401, "GET", "/users/me", refresh, NULL);
    /* The same answer for a name that nobody has, a wrong password and a disabled account. */
    assert_int_equal(log_in(&s, "nobody", "correct horse"), 401);
    snprintf(unknown, sizeof unknown, "%s", service_text(&s, "detail"));
    assert_int_equal(log_in(&s, "user", "wrong horse"), 401);
    assert_string_equal(service_text(&s, "detail"), unknown);
    assert_int_equal(log_in(&s, "disabled", SERVICE_PASSWORD), 401);
    assert_string_equal(service_text(&s, "detail"), unknown);
    assert_int_equal(service_send(&s, "POST", "/token", NULL, NULL, "application/json", "{}", 2), 415);
    assert_int_equal(service_send(&s, "POST", "/token", NULL, NULL, form, "grant_type=client_credentials&username=a&password=b", 51), 422);
    assert_true(service_names_place(&s, "/grant_type"));
    assert_int_equal(service_send(&s, "POST", "/token?username=user", NULL, NULL, form, good, strlen(good)), 422);
    service_end(&s);
}

/* Five wrong ones, then that name waits at that address; others there, and the owner elsewhere, do not. */
static void backing_off(void **state)
{
    struct service s;
    int64_t wait;

    service_begin(&s, *state, NULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(log_in(&s, i % 2 ? "USER" : "user", "wrong horse"), 401);
    assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 429);
    assert_non_null(service_field(&s, "Retry-After"));
    assert_int_equal(rec_num_int64(&wait, service_field(&s, "Retry-After"), strlen(service_field(&s, "Retry-After"))), 0);
    assert_in_range(wait, 1, 20);
    assert_int_equal(log_in(&s, "User", SERVICE_PASSWORD), 429);
    assert_int_equal(log_in(&s, "other", SERVICE_PASSWORD), 200);
    s.peer = "192.0.2.8";
    assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 200);
    /* of an IPv6 network every address is the same one */
    s.peer = "2001:db8::1";
    for (int i = 0; i < 5; i++)
        assert_int_equal(log_in(&s, "user", "wrong horse"), 401);
    s.peer = "2001:db8::ffff:2";
    assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 429);
    s.peer = "2001:db8:0:1::1";
    assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 200);
    service_end(&s);
}

/* ---- renewing and taking back ---- */

static void take_back(struct service *s, const char *token)
{
    char body[1200];

    snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
    service_expect(s, 204, "POST", "/token/revoke", NULL, body);
}

static void renewing(void **state)
{
    struct service s;
    char first[1024], second[1024], access[1024];

    service_begin(&s, *state, NULL);
    assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 200);
    keep(first, &s, "refresh_token");
    keep(access, &s, "access_token");
    assert_int_equal(renew(&s, access), 401);
    assert_int_equal(renew(&s, first), 200);
    keep(second, &s, "refresh_token");
    assert_string_not_equal(first, second);
    assert_int_equal(renew(&s, second), 200);
    keep(second, &s, "refresh_token");
    keep(access, &s, "access_token");
    take_back(&s, second);
    take_back(&s, second);
    assert_int_equal(renew(&s, second), 401);
    service_expect(&s, 401, "GET", "/users/me", access, NULL);
    assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 200);
    keep(first, &s, "refresh_token");
    keep(access, &s, "access_token");
    take_back(&s, access);
    service_expect(&s, 401, "GET", "/users/me", access, NULL);
    assert_int_equal(renew(&s, first), 200);
    /* of a disabled account nothing is renewed */
    assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 200);
    keep(first, &s, "refresh_token");
    service_ok(rec_accounts_set_disabled(&s.store, s.account[SERVICE_USER].id, true, (int64_t)time(NULL), &service_err));
    assert_int_equal(renew(&s, first), 401);
    service_end(&s);
}

/* Who logs in with somebody's token in hand begins anew: what becomes of the one has no effect on the other. */
static void of_a_log_in_alone(void **state)
{
    struct service s;
    char token[1024], body[200];

    service_begin(&s, *state, NULL);
    snprintf(body, sizeof body, "{\"username\":\"user\",\"password\":\"%s\"}", SERVICE_PASSWORD);
    service_expect(&s, 200, "POST", "/users/login", s.token[SERVICE_ADMIN], body);
    keep(token, &s, "refresh_token");
    assert_int_equal(renew(&s, token), 200);
    assert_int_equal(renew(&s, token), 401);
    service_expect(&s, 200, "GET", "/users/me", s.token[SERVICE_ADMIN], NULL);
    service_end(&s);
}

/* A refresh token that comes a second time ends all that came of its log in, whoever has it; other log ins go on. */
static void used_twice(void **state)
{
    struct service s;
    char other[1024], token[4][1024], access[4][1024];

    service_begin(&s, *state, NULL);
    assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 200);
    keep(other, &s, "refresh_token");
    for (int twice = 0; twice < 3; twice++) {
        assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 200);
        keep(token[0], &s, "refresh_token");
        keep(access[0], &s, "access_token");
        for (int i = 1; i < 4; i++) {
            assert_int_equal(renew(&s, token[i - 1]), 200);
            keep(token[i], &s, "refresh_token");
            keep(access[i], &s, "access_token");
        }
        for (int i = 0; i < 4; i++)
            service_expect(&s, 200, "GET", "/users/me", access[i], NULL);
        assert_int_equal(renew(&s, token[twice]), 401);
        assert_non_null(strstr(service_text(&s, "detail"), "used before"));
        for (int i = 0; i < 4; i++)
            service_expect(&s, 401, "GET", "/users/me", access[i], NULL);
        service_expect(&s, 200, "GET", "/users/me", s.token[SERVICE_USER], NULL);
        assert_int_equal(renew(&s, token[3]), 401);
        assert_non_null(strstr(service_text(&s, "detail"), "taken back"));
        assert_int_equal(renew(&s, token[3]), 401);
        assert_int_equal(renew(&s, other), 200);
        keep(other, &s, "refresh_token");
    }
    assert_int_equal(both_int(s.b, "SELECT count(*) FROM audit_log WHERE action = 'token.reuse'"), 3);
    /* Logging out with one that was used already: what came of it is taken back. */
    assert_int_equal(renew(&s, other), 200);
    keep(token[0], &s, "refresh_token");
    take_back(&s, other);
    assert_int_equal(renew(&s, token[0]), 401);
    service_end(&s);
}

/* All tokens from before are void, also those of the same second; a log-in at once after is good at once. */
static void another_password(void **state)
{
    struct service s;
    char access[1024], refresh[1024];

    service_begin(&s, *state, NULL);
    assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 200);
    keep(access, &s, "access_token");
    keep(refresh, &s, "refresh_token");
    service_expect(&s, 403, "POST", "/users/me/password", access, "{\"old_password\":\"wrong horse\",\"new_password\":\"battery staple\"}");
    service_expect(&s, 422, "POST", "/users/me/password", access, "{\"old_password\":\"correct horse\",\"new_password\":\"USER@example.org\"}");
    assert_true(service_names_place(&s, "/new_password"));
    service_expect(&s, 200, "GET", "/users/me", access, NULL);
    service_expect(&s, 204, "POST", "/users/me/password", access, "{\"old_password\":\"correct horse\",\"new_password\":\"battery staple\"}");
    service_expect(&s, 401, "GET", "/users/me", access, NULL);
    service_expect(&s, 401, "GET", "/users/me", s.token[SERVICE_USER], NULL);
    assert_int_equal(renew(&s, refresh), 401);
    assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 401);
    assert_int_equal(log_in(&s, "user", "battery staple"), 200);
    keep(access, &s, "access_token");
    keep(refresh, &s, "refresh_token");
    service_expect(&s, 200, "GET", "/users/me", access, NULL);
    assert_int_equal(renew(&s, refresh), 200);
    service_expect(&s, 200, "GET", "/users/me", s.token[SERVICE_OTHER], NULL);
    service_end(&s);
}

/* ---- the own account, and others' ---- */

static void changing_oneself(void **state)
{
    static const char *const bodies[] = {"{\"role\":\"admin\"}", "{\"disabled\":false}", "{\"data_user_id\":\"3\"}", "{\"username\":\"x123\"}",
                                         "{\"user_id\":\"x\"}", "{\"password\":\"battery staple\"}", "{\"__proto__\":{}}"};
    struct service s;

    service_begin(&s, *state, NULL);
    for (size_t i = 0; i < REC_LENGTH(bodies); i++)
        service_expect(&s, 422, "PATCH", "/users/me", s.token[SERVICE_USER], bodies[i]);
    service_expect(&s, 200, "GET", "/users/me", s.token[SERVICE_USER], NULL);
    assert_string_equal(service_text(&s, "role"), "user");
    assert_string_equal(service_text(&s, "data_user_id"), "1");
    service_expect(&s, 200, "PATCH", "/users/me", s.token[SERVICE_USER], "{\"email\":\"new@example.org\"}");
    assert_string_equal(service_text(&s, "email"), "new@example.org");
    service_expect(&s, 409, "PATCH", "/users/me", s.token[SERVICE_USER], "{\"email\":\"other@example.org\"}");
    service_expect(&s, 204, "DELETE", "/users/me", s.token[SERVICE_USER], NULL);
    service_expect(&s, 401, "GET", "/users/me", s.token[SERVICE_USER], NULL);
    assert_int_equal(log_in(&s, "user", SERVICE_PASSWORD), 401);
    service_expect(&s, 409, "DELETE", "/users/me", s.token[SERVICE_ADMIN], NULL);
    service_end(&s);
}

static void administering(void **state)
{
    struct service s;
    char target[128], key[128], id[64], last[16];
    const char *admin;

    service_begin(&s, *state, NULL);
    admin = s.token[SERVICE_ADMIN];
    snprintf(target, sizeof target, "/users/%s", s.account[SERVICE_OTHER].id);
    /* all or nothing: user 1 is another's */
    service_expect(&s, 409, "PATCH", target, admin, "{\"role\":\"admin\",\"disabled\":true,\"data_user_id\":\"1\"}");
    service_expect(&s, 200, "GET", "/users/me", s.token[SERVICE_OTHER], NULL);
    assert_string_equal(service_text(&s, "role"), "user");
    service_expect(&s, 409, "PATCH", target, admin, "{\"data_user_id\":\"no such user\"}");
    service_expect(&s, 200, "PATCH", target, admin, "{\"role\":\"analyst\",\"data_user_id\":null}");
    assert_string_equal(service_text(&s, "role"), "analyst");
    assert_int_equal(rec_json_kind(service_get(&s, "data_user_id")), REC_JSON_NULL);
    /* what a token may follows the account, not the token */
    service_expect(&s, 200, "GET", "/recommendations/3", s.token[SERVICE_OTHER], NULL);
    service_expect(&s, 200, "PATCH", target, admin, "{\"disabled\":true}");
    service_expect(&s, 401, "GET", "/recommendations/3", s.token[SERVICE_OTHER], NULL);
    snprintf(target, sizeof target, "/users/%s", s.account[SERVICE_ADMIN].id);
    service_expect(&s, 409, "PATCH", target, admin, "{\"role\":\"user\"}");
    service_expect(&s, 409, "PATCH", target, admin, "{\"disabled\":true}");
    service_expect(&s, 422, "PATCH", target, admin, "{\"role\":\"root\"}");
    /* pages */
    service_expect(&s, 200, "GET", "/users?limit=4", admin, NULL);
    assert_int_equal(rec_json_length(service_get(&s, "users")), 4);
    snprintf(last, sizeof last, "%s", service_text(&s, "next_cursor"));
    snprintf(target, sizeof target, "/users?cursor=%s", last);
    service_expect(&s, 200, "GET", target, admin, NULL);
    assert_int_equal(rec_json_length(service_get(&s, "users")), 2);
    assert_int_equal(rec_json_kind(service_get(&s, "next_cursor")), REC_JSON_NULL);
    /* keys */
    snprintf(target, sizeof target, "{\"user_id\":\"%s\",\"name\":\"n\",\"scopes\":\"BAD!\"}", s.account[SERVICE_SERVICE].id);
    service_expect(&s, 422, "POST", "/api-keys", admin, target);
    snprintf(s.fault, sizeof s.fault, "{\"user_id\":\"%s\",\"name\":\"n\",\"scopes\":\"recommend\",\"expires\":\"2001-01-01\"}",
             s.account[SERVICE_SERVICE].id);
    service_expect(&s, 422, "POST", "/api-keys", admin, s.fault);
    snprintf(s.fault, sizeof s.fault, "{\"user_id\":\"%s\",\"name\":\"n\",\"scopes\":\"recommend\"}", s.account[SERVICE_SERVICE].id);
    service_expect(&s, 201, "POST", "/api-keys", admin, s.fault);
    snprintf(key, sizeof key, "%s", service_text(&s, "key"));
    snprintf(id, sizeof id, "%s", service_text(&s, "id"));
    service_expect(&s, 200, "GET", "/recommendations/3", key, NULL);
    service_expect(&s, 200, "GET", "/api-keys", admin, NULL);
    assert_int_equal(rec_json_length(service_get(&s, "api_keys")), 1);
    assert_null(strstr(s.text, key));
    snprintf(target, sizeof target, "/api-keys/%s", id);
    service_expect(&s, 204, "DELETE", target, admin, NULL);
    service_expect(&s, 401, "GET", "/recommendations/3", key, NULL);
    service_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registering), cmocka_unit_test(closed), cmocka_unit_test(logging_in), cmocka_unit_test(backing_off),
        cmocka_unit_test(renewing), cmocka_unit_test(used_twice), cmocka_unit_test(of_a_log_in_alone),
        cmocka_unit_test(another_password), cmocka_unit_test(changing_oneself), cmocka_unit_test(administering),
    };

    return both_run(tests, REC_LENGTH(tests));
}
