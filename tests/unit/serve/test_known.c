/* SPDX-License-Identifier: MIT
 *
 * A service that lives long remembers what the store said of accounts and users: nothing of that may be older than the last commit, whoever made
 * it: this process by another connection, or another process.
 */
#include "service.h"

#include <math.h>
#include <sys/wait.h>

static void nobody_waits(struct rec_exchange *x)
{
    (void)x; /* exchanges without a connection are answered by the thread that asks */
}

static void begin(struct service *s, void **state)
{
    const struct rec_limit_rate plenty = {1e6, 1e6};
    struct rec_serve_config config = {.per_address = plenty, .per_account = plenty, .per_login = plenty, .log_fd = -1, .workers = 1,
                                      .answered = nobody_waits};

    service_begin(s, *state, &config);
}

/* Asked twice: the second time what was read the first time will do. */
static void is(struct service *s, unsigned status, const char *target, enum service_who who)
{
    for (int i = 0; i < 3; i++)
        service_expect(s, status, "GET", target, s->token[who], NULL);
}

static int disable(struct rec_store *store, struct service *s)
{
    return rec_accounts_set_disabled(store, s->account[SERVICE_USER].id, true, (int64_t)time(NULL), &service_err) == 1 ? 0 : -1;
}

static int enable(struct rec_store *store, struct service *s)
{
    return rec_accounts_set_disabled(store, s->account[SERVICE_USER].id, false, (int64_t)time(NULL), &service_err) == 1 ? 0 : -1;
}

static int demote(struct rec_store *store, struct service *s)
{
    return rec_accounts_set_role(store, s->account[SERVICE_ANALYST].id, REC_ROLE_USER, (int64_t)time(NULL), &service_err) == 1 ? 0 : -1;
}

static int tie(struct rec_store *store, struct service *s)
{
    return rec_accounts_tie(store, s->account[SERVICE_ANALYST].id, "3", (int64_t)time(NULL), &service_err);
}

static int another_password(struct rec_store *store, struct service *s)
{
    store->cost = &both_cost;
    return rec_accounts_set_password(store, s->account[SERVICE_OTHER].id, "a better one", 12, (int64_t)time(NULL) + 2, &service_err) == 1 ? 0 : -1;
}

static struct rec_token_claims claims_of(struct service *s, enum service_who who)
{
    struct rec_token_claims claims;

    assert_int_equal(rec_token_check(&claims, &s->tokens, s->token[who], strlen(s->token[who]), REC_TOKEN_ACCESS, (int64_t)time(NULL)), REC_TOKEN_VALID);
    return claims;
}

static int take_back(struct rec_store *store, struct service *s)
{
    struct rec_token_claims claims = claims_of(s, SERVICE_SERVICE);

    return rec_tokens_revoke(store, claims.id, claims.subject, claims.expires, (int64_t)time(NULL), &service_err);
}

static int hear(struct rec_store *store, struct service *s)
{
    const struct rec_event event = {.user = "1", .movie = "5", .kind = "like", .value = NAN, .time = (int64_t)time(NULL)};

    (void)s;
    return rec_feedback_add(store, &event, 1, (int64_t)time(NULL), NULL, &service_err);
}

enum work { DISABLE, ENABLE, HEAR, DEMOTE, TIE, TAKE_BACK, ANOTHER_PASSWORD };
static int (*const works[])(struct rec_store *store, struct service *s) = {disable, enable, hear, demote, tie, take_back, another_password};

static bool elsewhere;

/* What another process is started with: this program, the work, the store, its keys, the accounts' ids, and the token to be taken back. */
enum { SELF, WORK, URL, KEYS, IDS, TOKEN = IDS + SERVICE_ACCOUNTS, ARGUMENTS };

static int be_another(char **arg)
{
    struct service s = {0};
    struct rec_store store;

    for (int i = 0; i < SERVICE_ACCOUNTS; i++)
        snprintf(s.account[i].id, sizeof s.account[i].id, "%s", arg[IDS + i]);
    snprintf(s.token[SERVICE_SERVICE], sizeof s.token[SERVICE_SERVICE], "%s", arg[TOKEN]);
    if (rec_store_open(&store, arg[URL], arg[KEYS], &both_options, &service_err) < 0 ||
        rec_token_keys_from(&s.tokens, store.keys, REC_TOKEN_HS256, "rec", "rec", &service_err) < 0 || works[arg[WORK][0] - '0'](&store, &s) < 0)
        return 1;
    rec_store_close(&store);
    return 0;
}

/* A change, by this process or by another one. */
static void change(struct service *s, enum work work)
{
    char number[2] = {(char)('0' + work), 0}, self[] = "/proc/self/exe", *arg[ARGUMENTS + 1] = {self, number, s->b->url, s->keys};
    int status = 0;
    pid_t child;

    if (!elsewhere) {
        assert_true(works[work](&s->store, s) >= 0);
        return;
    }
    for (int i = 0; i < SERVICE_ACCOUNTS; i++)
        arg[IDS + i] = s->account[i].id;
    arg[TOKEN] = s->token[SERVICE_SERVICE];
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execv(self, arg);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void follows(void **state)
{
    struct service s;

    begin(&s, state);
    is(&s, 200, "/recommendations/me", SERVICE_USER);
    assert_string_equal(service_text(&s, "basis"), "trained");
    change(&s, DISABLE);
    is(&s, 401, "/recommendations/me", SERVICE_USER);
    change(&s, ENABLE);
    is(&s, 200, "/recommendations/me", SERVICE_USER);
    change(&s, HEAR);
    service_expect(&s, 200, "GET", "/recommendations/me", s.token[SERVICE_USER], NULL);
    assert_string_equal(service_text(&s, "basis"), "folded-in");
    is(&s, 200, "/recommendations/1", SERVICE_ANALYST);
    change(&s, DEMOTE);
    is(&s, 403, "/recommendations/1", SERVICE_ANALYST);
    is(&s, 403, "/recommendations/3", SERVICE_ANALYST);
    change(&s, TIE);
    is(&s, 200, "/recommendations/3", SERVICE_ANALYST);
    is(&s, 200, "/recommendations/1", SERVICE_SERVICE);
    change(&s, TAKE_BACK);
    is(&s, 401, "/recommendations/1", SERVICE_SERVICE);
    is(&s, 200, "/recommendations/me", SERVICE_OTHER);
    change(&s, ANOTHER_PASSWORD);
    is(&s, 401, "/recommendations/me", SERVICE_OTHER);
    is(&s, 401, "/recommendations/me", SERVICE_DISABLED);
    /* The e-mail is read when it is asked for. */
    is(&s, 200, "/users/me", SERVICE_ADMIN);
    assert_string_equal(service_text(&s, "email"), "admin@example.org");
    service_end(&s);
}

static void follows_itself(void **state)
{
    elsewhere = false;
    follows(state);
}

static void follows_others(void **state)
{
    elsewhere = true;
    follows(state);
}

/* A token that is known goes all the same when its time is over. */
static void ends(void **state)
{
    struct service s;
    int64_t now = (int64_t)time(NULL);
    char token[1024];

    begin(&s, state);
    service_token(token, &s, s.account[SERVICE_USER].id, REC_TOKEN_ACCESS, now, 2);
    for (int i = 0; i < 3; i++)
        service_expect(&s, 200, "GET", "/recommendations/me", token, NULL);
    while (time(NULL) < now + 2)
        usleep(20000);
    service_expect(&s, 401, "GET", "/recommendations/me", token, NULL);
    service_end(&s);
}

/* More tokens and users than there is room for, all answered as by a service that remembers nothing. */
static void has_little_room(void **state)
{
    struct service s;
    char token[1024], target[64];

    begin(&s, state);
    for (int i = 0; i < 1500; i++) {
        service_token(token, &s, s.account[i % 2 ? SERVICE_USER : SERVICE_OTHER].id, REC_TOKEN_ACCESS, (int64_t)time(NULL), 60 + i);
        service_expect(&s, 200, "GET", "/recommendations/me?k=1", token, NULL);
        assert_string_equal(service_text(&s, "user_id"), i % 2 ? "1" : "2");
        snprintf(target, sizeof target, "/recommendations/u%d?k=1", i);
        service_expect(&s, 200, "GET", target, s.token[SERVICE_ADMIN], NULL);
        assert_string_equal(service_text(&s, "basis"), "popular");
    }
    service_end(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(follows_itself), cmocka_unit_test(follows_others), cmocka_unit_test(ends),
                                       cmocka_unit_test(has_little_room)};

    if (argc == ARGUMENTS)
        return be_another(argv);
    return both_run(tests, REC_LENGTH(tests));
}
