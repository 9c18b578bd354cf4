/* SPDX-License-Identifier: MIT
 *
 * Every route, by every kind of caller: who may, on own and on others' data, with a token, an API key, and with tokens that are none. What is
 * expected stands in a table written by hand from the documents, not taken from the program's; a route that is missing here fails.
 */
#include "service.h"

#include "../../../lib/serve/serve_priv.h"

enum { NOBODY, ROLES = 5, FRESH = 1, FORM = 2, LINES = 4, LOGIN = 8 };

struct row {
    const char *method, *path;        /* as in the table of routes */
    const char *own, *others;         /* targets; others NULL: the route knows none */
    const char *may, *may_others;     /* nobody, user, analyst, service, admin: y(es), 4(01), 3 (403) */
    unsigned status;                  /* of those who may */
    const char *scope;                /* that an API key needs; NULL: none */
    const char *body;                 /* %u becomes a number of its own */
    unsigned flags;                   /* FRESH: each is done by an account made for it, which it may end; LOGIN: by nobody's API key */
};

#define ALL "yyyyy"
#define SELF "4yyyy"
#define READ "43yyy"
#define WRITE "433yy"
#define MANAGE "4333y"

static const struct row rows[] = {
    {"GET", "/healthz", "/healthz", NULL, ALL, NULL, 200, NULL, NULL, 0},
    {"GET", "/readyz", "/readyz", NULL, ALL, NULL, 200, NULL, NULL, 0},
    {"GET", "/version", "/version", NULL, ALL, NULL, 200, NULL, NULL, 0},
    {"GET", "/metrics", "/metrics", NULL, READ, NULL, 200, "metrics", NULL, 0},
    {"GET", "/recommendations/{user_id}", "/recommendations/me", "/recommendations/3", SELF, READ, 200, "recommend", NULL, 0},
    {"POST", "/recommendations", "/recommendations", NULL, ALL, NULL, 200, NULL, "{\"items\":[{\"movie_id\":\"1\"}]}", 0},
    {"GET", "/users/{user_id}/neighbors", NULL, "/users/3/neighbors", NULL, READ, 200, "recommend", NULL, 0},
    {"GET", "/movies", "/movies", NULL, ALL, NULL, 200, NULL, NULL, 0},
    {"GET", "/movies/popular", "/movies/popular", NULL, ALL, NULL, 200, NULL, NULL, 0},
    {"GET", "/movies/latest", "/movies/latest", NULL, ALL, NULL, 200, NULL, NULL, 0},
    {"GET", "/movies/{movie_id}", "/movies/1", NULL, ALL, NULL, 200, NULL, NULL, 0},
    {"GET", "/similar-movies/{movie_id}", "/similar-movies/1", NULL, ALL, NULL, 200, NULL, NULL, 0},
    {"POST", "/feedback", "/feedback", NULL, SELF, NULL, 201, "feedback", "{\"movie_id\":\"1\",\"rating\":4}", 0},
    {"GET", "/feedback", "/feedback", "/feedback?user_id=3", SELF, READ, 200, "feedback", NULL, 0},
    {"DELETE", "/feedback/{movie_id}", "/feedback/1", NULL, SELF, NULL, 204, "feedback", NULL, 0},
    {"GET", "/feedback/export", "/feedback/export", NULL, WRITE, NULL, 200, "feedback", NULL, 0},
    {"POST", "/feedback/import", "/feedback/import", NULL, WRITE, NULL, 201, "feedback", "{\"movie_id\":\"2\",\"kind\":\"watch\"}\n", LINES},
    {"POST", "/users/register", "/users/register", NULL, ALL, NULL, 201, NULL,
     "{\"username\":\"new%u\",\"email\":\"new%u@example.org\",\"password\":\"correct horse\"}", 0},
    {"GET", "/users/me", "/users/me", NULL, SELF, NULL, 200, "users", NULL, 0},
    {"PATCH", "/users/me", "/users/me", NULL, SELF, NULL, 200, "users", "{}", 0},
    {"DELETE", "/users/me", "/users/me", NULL, SELF, NULL, 204, "users", NULL, FRESH | LOGIN},
    {"POST", "/users/me/password", "/users/me/password", NULL, SELF, NULL, 204, "users",
     "{\"old_password\":\"correct horse\",\"new_password\":\"battery staple\"}", FRESH},
    {"GET", "/users", "/users", NULL, MANAGE, NULL, 200, "users", NULL, 0},
    {"PATCH", "/users/{id}", "/users/nobody", NULL, MANAGE, NULL, 404, "users", "{\"role\":\"admin\"}", 0},
    {"GET", "/api-keys", "/api-keys", NULL, MANAGE, NULL, 200, "keys", NULL, 0},
    {"POST", "/api-keys", "/api-keys", NULL, MANAGE, NULL, 404, "keys", "{\"user_id\":\"nobody\",\"name\":\"a\",\"scopes\":\"keys\"}", 0},
    {"DELETE", "/api-keys/{id}", "/api-keys/nothing", NULL, MANAGE, NULL, 404, "keys", NULL, 0},
    {"POST", "/token", "/token", NULL, ALL, NULL, 200, NULL, "grant_type=password&username=user&password=correct+horse", FORM},
    {"POST", "/token/refresh", "/token/refresh", NULL, ALL, NULL, 401, NULL, "{\"refresh_token\":\"x\"}", 0},
    {"POST", "/token/revoke", "/token/revoke", NULL, ALL, NULL, 204, NULL, "{\"token\":\"x\"}", 0},
    {"POST", "/users/login", "/users/login", NULL, ALL, NULL, 200, NULL, "{\"username\":\"user\",\"password\":\"correct horse\"}", 0},
    {"GET", "/openapi.json", "/openapi.json", NULL, ALL, NULL, 200, NULL, NULL, 0},
    {"GET", "/docs", "/docs", NULL, ALL, NULL, 200, NULL, NULL, 0},
};

static unsigned number;

static unsigned ask(struct service *s, const struct row *r, const char *target, const char *token, bool versioned)
{
    const char *type = r->flags & FORM ? "application/x-www-form-urlencoded" : r->flags & LINES ? "application/x-ndjson" : "application/json";
    char body[256], path[128];
    size_t n = 0;

    number++;
    for (const char *at = r->body; at && *at; at++)
        if (strncmp(at, "%u", 2) == 0)
            n += (size_t)snprintf(body + n, sizeof body - n, "%u", number), at++;
        else
            body[n++] = *at;
    snprintf(path, sizeof path, "%s%s", versioned ? "/v1" : "", target);
    return service_send(s, r->method, path, token, NULL, type, r->body ? body : NULL, n);
}

static void wants(struct service *s, const struct row *r, const char *target, const char *who, unsigned want)
{
    if (s->status != want)
        fail_msg("%s %s as %s: %u, not %u: %s (%s)", r->method, target, who, s->status, want, s->text ? s->text : "", s->fault);
    if (s->status == 401 && !service_field(s, "WWW-Authenticate"))
        fail_msg("%s %s as %s: 401 without a challenge", r->method, target, who);
}

static unsigned wanted(const struct row *r, char may)
{
    return may == 'y' ? r->status : may == '4' ? 401 : 403;
}

/* An account of that role for one request alone. */
static void make_fresh(struct service *s, char id[REC_ACCOUNTS_ID + 1], char token[1024], enum rec_role role)
{
    int64_t now = (int64_t)time(NULL);
    struct rec_account account;
    char name[32];

    snprintf(name, sizeof name, "fresh%u", ++number);
    service_ok(rec_accounts_add(&account, &s->store, &(struct rec_accounts_new){.name = name, .password = SERVICE_PASSWORD,
               .password_len = strlen(SERVICE_PASSWORD), .role = role}, now - 100, &service_err));
    snprintf(id, REC_ACCOUNTS_ID + 1, "%s", account.id);
    service_token(token, s, account.id, REC_TOKEN_ACCESS, now, 900);
}

/* ---- roles ---- */

static void by_role(struct service *s, const struct row *r)
{
    for (int role = NOBODY; role < ROLES; role++) {
        const char *who = role ? service_names[role - 1] : "nobody", *token = role ? s->token[role - 1] : NULL;
        char id[REC_ACCOUNTS_ID + 1], fresh[1024];

        if (role && (r->flags & FRESH)) {
            make_fresh(s, id, fresh, (enum rec_role)(role - 1));
            token = fresh;
        }
        if (r->own) {
            ask(s, r, r->own, token, role % 2);
            wants(s, r, r->own, who, wanted(r, r->may[role]));
        }
        if (r->others) {
            ask(s, r, r->others, token, role % 2 == 0);
            wants(s, r, r->others, who, wanted(r, r->may_others[role]));
        }
    }
}

static void roles(void **state)
{
    struct service s;

    service_begin(&s, *state, NULL);
    for (size_t i = 0; i < REC_LENGTH(rows); i++)
        if (rec_handle_docs_routes[0].path || i < REC_LENGTH(rows) - 2)
            by_role(&s, &rows[i]);
    service_end(&s);
}

/* ---- the caller's own, by each of its names ---- */

static void own(void **state)
{
    struct service s;
    char target[128];

    service_begin(&s, *state, NULL);
    for (int i = 0; i < 3; i++) {
        const char *name = i == 0 ? "me" : i == 1 ? "1" : s.account[SERVICE_USER].id;

        snprintf(target, sizeof target, "/recommendations/%s", name);
        service_expect(&s, 200, "GET", target, s.token[SERVICE_USER], NULL);
        assert_string_equal(service_text(&s, "user_id"), "1");
        snprintf(target, sizeof target, "/users/%s/neighbors", name);
        service_expect(&s, 200, "GET", target, s.token[SERVICE_USER], NULL);
        assert_string_equal(service_text(&s, "user_id"), "1");
        snprintf(target, sizeof target, "/feedback?user_id=%s", name);
        service_expect(&s, 200, "GET", target, s.token[SERVICE_USER], NULL);
        assert_string_equal(service_text(&s, "user_id"), "1");
    }
    /* another account's user, by either name, and spellings that are not the own one */
    service_expect(&s, 403, "GET", "/recommendations/2", s.token[SERVICE_USER], NULL);
    snprintf(target, sizeof target, "/recommendations/%s", s.account[SERVICE_OTHER].id);
    service_expect(&s, 403, "GET", target, s.token[SERVICE_USER], NULL);
    service_expect(&s, 403, "GET", "/recommendations/1%20", s.token[SERVICE_USER], NULL);
    service_expect(&s, 403, "GET", "/recommendations/Me", s.token[SERVICE_USER], NULL);
    service_expect(&s, 403, "GET", "/feedback?user_id=2", s.token[SERVICE_USER], NULL);
    service_expect(&s, 403, "POST", "/feedback", s.token[SERVICE_USER], "{\"movie_id\":\"1\",\"rating\":4,\"user_id\":\"2\"}");
    service_expect(&s, 403, "POST", "/feedback", s.token[SERVICE_ANALYST], "{\"movie_id\":\"1\",\"rating\":4,\"user_id\":\"2\"}");
    service_expect(&s, 403, "POST", "/feedback", s.token[SERVICE_USER],
                   "[{\"movie_id\":\"1\",\"rating\":4},{\"movie_id\":\"1\",\"rating\":4,\"user_id\":\"2\"}]");
    service_expect(&s, 200, "GET", "/feedback", s.token[SERVICE_USER], NULL);
    assert_int_equal(rec_json_length(service_get(&s, "feedback")), 0);
    service_expect(&s, 201, "POST", "/feedback", s.token[SERVICE_SERVICE], "{\"movie_id\":\"1\",\"rating\":4,\"user_id\":\"2\"}");
    service_end(&s);
}

/* ---- tokens that are none ---- */

enum { EXPIRED, EARLY, FORGED, REFRESH, REVOKED, DISABLED, GONE, ELSEWHERE, OTHER_KEY, EMPTY, NOISE, BAD };
static const char *const bad_names[] = {"expired", "not yet", "forged", "a refresh token", "revoked", "of a disabled account", "of no account",
                                        "of another issuer", "of another key", "empty", "noise"};

static void make_bad(char bad[BAD][1024], struct service *s)
{
    int64_t now = (int64_t)time(NULL);
    const char *admin = s->account[SERVICE_ADMIN].id;
    struct rec_token_keys keys = s->tokens;
    struct rec_token_claims claims;
    size_t len;

    service_token(bad[EXPIRED], s, admin, REC_TOKEN_ACCESS, now - 60, 59);
    service_token(bad[EARLY], s, admin, REC_TOKEN_ACCESS, now + 3600, 900);
    service_token(bad[FORGED], s, admin, REC_TOKEN_ACCESS, now, 900);
    len = strlen(bad[FORGED]);
    bad[FORGED][len - 10] = bad[FORGED][len - 10] == 'A' ? 'B' : 'A';
    service_token(bad[REFRESH], s, admin, REC_TOKEN_REFRESH, now, 900);
    service_token(bad[REVOKED], s, admin, REC_TOKEN_ACCESS, now, 900);
    assert_int_equal(rec_token_check(&claims, &s->tokens, bad[REVOKED], strlen(bad[REVOKED]), REC_TOKEN_ACCESS, now), REC_TOKEN_VALID);
    service_ok(rec_tokens_revoke(&s->store, claims.id, admin, now + 900, now, &service_err));
    service_token(bad[DISABLED], s, s->account[SERVICE_DISABLED].id, REC_TOKEN_ACCESS, now, 900);
    service_token(bad[GONE], s, "aaaaaaaaaaaaaaaaaaaa", REC_TOKEN_ACCESS, now, 900);
    snprintf(s->tokens.issuer, sizeof s->tokens.issuer, "elsewhere");
    service_token(bad[ELSEWHERE], s, admin, REC_TOKEN_ACCESS, now, 900);
    s->tokens = keys;
    s->tokens.key[s->tokens.signing].secret[0] ^= 1;
    service_token(bad[OTHER_KEY], s, admin, REC_TOKEN_ACCESS, now, 900);
    s->tokens = keys;
    bad[EMPTY][0] = 0;
    snprintf(bad[NOISE], 1024, "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiaDEifQ.eyJzdWIiOiIlcyJ9.");
}

static void bad_tokens(void **state)
{
    static char bad[BAD][1024];
    struct service s;

    service_begin(&s, *state, NULL);
    make_bad(bad, &s);
    for (size_t i = 0; i < REC_LENGTH(rows); i++)
        for (int b = 0; b < BAD && (rec_handle_docs_routes[0].path || i < REC_LENGTH(rows) - 2); b++) {
            const char *target = rows[i].own ? rows[i].own : rows[i].others;

            ask(&s, &rows[i], target, bad[b], false);
            wants(&s, &rows[i], target, bad_names[b], 401);
        }
    /* two at once, and other ways of saying who one is */
    assert_int_equal(service_send(&s, "GET", "/users/me", s.token[SERVICE_USER], "X-API-Key: rec_a_b\r\n", NULL, NULL, 0), 401);
    assert_int_equal(service_send(&s, "GET", "/users/me", s.token[SERVICE_USER], "Authorization: Bearer x\r\n", NULL, NULL, 0), 401);
    assert_int_equal(service_send(&s, "GET", "/users/me", NULL, "Authorization: Basic dXNlcjpwYXNz\r\n", NULL, NULL, 0), 401);
    assert_int_equal(service_send(&s, "GET", "/users/me", NULL, "Authorization:\r\n", NULL, NULL, 0), 401);
    service_end(&s);
}

/* ---- API keys ---- */

static void make_key(char text[REC_API_KEYS_TEXT], struct service *s, const char *account, const char *scopes, int64_t expires)
{
    struct rec_api_key key;

    service_ok(rec_api_keys_add(text, &key, &s->store, account, "a test", scopes, (int64_t)time(NULL) - 1000, expires, &service_err));
}

/* With the scope a key may what its account may; without it nothing that needs one. */
static void by_key(struct service *s, const struct row *r)
{
    const char *target = r->own ? r->own : r->others, *may = r->own ? r->may : r->may_others;
    char with[REC_API_KEYS_TEXT], without[REC_API_KEYS_TEXT], id[REC_ACCOUNTS_ID + 1], token[1024];

    for (int role = 1; role < ROLES; role++) {
        snprintf(id, sizeof id, "%s", s->account[role - 1].id);
        if (r->flags & FRESH)
            make_fresh(s, id, token, (enum rec_role)(role - 1));
        make_key(with, s, id, r->scope ? r->scope : "nothing", 0);
        make_key(without, s, id, "other nothing usersx xusers", 0);
        ask(s, r, target, without, false);
        wants(s, r, target, "a key without the scope", r->scope ? 403 : wanted(r, may[role]));
        ask(s, r, target, with, false);
        wants(s, r, target, "a key with the scope", r->flags & LOGIN ? 403 : wanted(r, may[role]));
    }
}

/* Of scopes that it has, a key makes keys: for any account, as its own may. */
static void makes_no_wider_key(struct service *s)
{
    static const struct {
        const char *scopes;
        unsigned status;
    } wanted_scopes[] = {{"keys", 201}, {"recommend", 201}, {"recommend keys", 201}, {"users", 403}, {"keys users", 403}, {"key", 403}, {"keysx", 403}};
    char text[REC_API_KEYS_TEXT], body[256];

    make_key(text, s, s->account[SERVICE_ADMIN].id, "keys recommend", 0);
    for (size_t i = 0; i < REC_LENGTH(wanted_scopes); i++) {
        snprintf(body, sizeof body, "{\"user_id\":\"%s\",\"name\":\"a\",\"scopes\":\"%s\"}", s->account[SERVICE_ADMIN].id, wanted_scopes[i].scopes);
        service_expect(s, wanted_scopes[i].status, "POST", "/api-keys", text, body);
        service_expect(s, 201, "POST", "/api-keys", s->token[SERVICE_ADMIN], body);
    }
}

static void keys(void **state)
{
    struct service s;
    char text[REC_API_KEYS_TEXT], fields[128];

    service_begin(&s, *state, NULL);
    for (size_t i = 0; i < REC_LENGTH(rows) - 2; i++)
        by_key(&s, &rows[i]);
    make_key(text, &s, s.account[SERVICE_ADMIN].id, "users", (int64_t)time(NULL) - 1);
    service_expect(&s, 401, "GET", "/users", text, NULL);
    make_key(text, &s, s.account[SERVICE_DISABLED].id, "users", 0);
    service_expect(&s, 401, "GET", "/users/me", text, NULL);
    make_key(text, &s, s.account[SERVICE_ADMIN].id, "users", 0);
    snprintf(fields, sizeof fields, "X-API-Key: %s\r\n", text);
    assert_int_equal(service_send(&s, "GET", "/users", NULL, fields, NULL, NULL, 0), 200);
    text[strlen(text) - 1] = text[strlen(text) - 1] == 'a' ? 'b' : 'a';
    service_expect(&s, 401, "GET", "/users", text, NULL);
    makes_no_wider_key(&s);
    service_end(&s);
}

/* ---- the table itself ---- */

static void is_whole(void **state)
{
    (void)state;
    for (size_t t = 0; rec_routes[t]; t++)
        for (const struct rec_route *r = rec_routes[t]; r->path; r++) {
            bool found = false;

            for (size_t i = 0; i < REC_LENGTH(rows) && !found; i++)
                found = strcmp(rows[i].path, r->path) == 0 && strcmp(rows[i].method, rec_message_methods[r->method]) == 0;
            if (!found)
                fail_msg("%s %s: who may is not said in this test", rec_message_methods[r->method], r->path);
            if ((r->own || r->others) && !r->scope)
                fail_msg("%s %s: needs an account, and names no scope for API keys", rec_message_methods[r->method], r->path);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_whole), cmocka_unit_test(roles), cmocka_unit_test(own), cmocka_unit_test(bad_tokens), cmocka_unit_test(keys),
    };

    return both_run(tests, REC_LENGTH(tests));
}
