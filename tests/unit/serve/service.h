/* SPDX-License-Identifier: MIT
 *
 * The whole service for tests, without a socket: a small model and its catalogue, made once for the program; a store with an account of each
 * role, on both databases; and requests as text, each on a connection of its own.
 *
 *     static void healthy(void **state)
 *     {
 *         struct service s;
 *         service_begin(&s, *state, NULL);
 *         assert_int_equal(service_ask(&s, "GET", "/healthz", NULL, NULL), 200);
 *         assert_string_equal(service_text(&s, "status"), "ok");
 *         service_end(&s);
 *     }
 *     int main(void)
 *     {
 *         return both_run((const struct CMUnitTest[]){cmocka_unit_test(healthy)}, 1);
 *     }
 *
 * Accounts are named as their roles ("user", "analyst", "service", "admin"), and "other" and "disabled", both of the role user. All have the
 * password "correct horse"; user is tied to user 1 of the data set, other to user 2; user 3 is nobody's.
 */
#ifndef REC_TEST_SERVICE_H
#define REC_TEST_SERVICE_H

#include "../store/both.h"

#include <rec/ingest.h>
#include <rec/models.h>
#include <rec/serve.h>
#include <rec/synth.h>

#include <string.h>
#include <time.h>

enum { SERVICE_USERS = 120, SERVICE_ITEMS = 80, SERVICE_RATINGS = 3000 };
enum service_who { SERVICE_USER, SERVICE_ANALYST, SERVICE_SERVICE, SERVICE_ADMIN, SERVICE_OTHER, SERVICE_DISABLED, SERVICE_ACCOUNTS };
static const char *const service_names[] = {"user", "analyst", "service", "admin", "other", "disabled"};
#define SERVICE_PASSWORD "correct horse"

struct service {
    struct both *b;
    char keys[64], model[64], catalogue[64];
    struct rec_store store;
    struct rec_serve_config config;
    struct rec_serve *serve;
    struct rec_token_keys tokens;
    struct rec_account account[SERVICE_ACCOUNTS];
    char token[SERVICE_ACCOUNTS][1024];     /* an access token of each, without "Bearer " */
    const char *peer;                       /* of the next requests */
    char fault[256];                        /* what the service told last */
    unsigned status;                        /* of the last answer, as all below */
    char *head, *text;
    size_t text_len;
    struct rec_json_value *json;            /* NULL: the body is none */
};

/* ---- the model and the catalogue, made once ---- */

static char service_dir[32];
static struct rec_err service_err;
#define service_ok(call) do { if ((call) < 0) fail_msg("%s: %s", #call, service_err.text); } while (0)

static inline void service_remove(void)
{
    both_remove(service_dir);
}

static inline const char *service_path(const char *name)
{
    static char path[4][64];
    static unsigned turn;
    char *out = path[turn++ % 4];

    snprintf(out, 64, "%s/%s", service_dir, name);
    return out;
}

static inline void service_train(const char *path, const char *type, const struct rec_ratings *ratings, uint64_t seed)
{
    const struct rec_model_type *t = rec_models_find(type);
    double param[REC_PARAM_MAX];
    struct rec_train_job job = {.ratings = ratings, .param = param, .seed = seed, .threads = 1};
    struct rec_model model = {0};
    struct rec_out out;

    rec_models_defaults(t, param);
    for (size_t i = 0; t->params[i].name; i++)
        if (strcmp(t->params[i].name, "factors") == 0)
            param[i] = 8;
    service_ok(t->train(&model, &job, &service_err));
    service_ok(rec_out_open(&out, path, false, &service_err));
    service_ok(rec_model_write(&model, NULL, &out, &service_err));
    service_ok(rec_out_commit(&out, &service_err));
    rec_model_clear(&model);
}

static inline void service_movies(const struct rec_synth_options *o)
{
    struct rec_ingest_options options = {.threads = 1};
    struct rec_ingest_report report;
    struct rec_catalogue catalogue;
    struct rec_gzip text;
    struct rec_out out;

    service_ok(rec_out_open(&out, service_path("movies.csv"), false, &service_err));
    service_ok(rec_synth_movies(o, &out, &service_err));
    service_ok(rec_out_commit(&out, &service_err));
    service_ok(rec_gzip_open(&text, service_path("movies.csv"), &service_err));
    service_ok(rec_catalogue_csv(&catalogue, &text, &options, "utf-8", "|", &report, &service_err));
    service_ok(rec_out_open(&out, service_path("movies.rec"), false, &service_err));
    service_ok(rec_catalogue_write(&catalogue, NULL, &out, &service_err));
    service_ok(rec_out_commit(&out, &service_err));
    rec_catalogue_clear(&catalogue);
}

/* ials.rec and ials2.rec (another seed), als.rec, popular.rec, itemknn.rec, userknn.rec, movies.rec */
static inline void service_files(void)
{
    struct rec_synth_options o;
    struct rec_ratings ratings;

    if (service_dir[0])
        return;
    snprintf(service_dir, sizeof service_dir, "/tmp/rec-service-XXXXXX");
    assert_non_null(mkdtemp(service_dir));
    atexit(service_remove);
    rec_synth_defaults(&o);
    o.n_users = SERVICE_USERS, o.n_items = SERVICE_ITEMS, o.n_ratings = SERVICE_RATINGS, o.threads = 1;
    service_ok(rec_synth_ratings(&ratings, &o, &service_err));
    service_train(service_path("ials.rec"), "ials", &ratings, 1);
    service_train(service_path("ials2.rec"), "ials", &ratings, 2);
    service_train(service_path("als.rec"), "als", &ratings, 1);
    service_train(service_path("popular.rec"), "popular", &ratings, 1);
    service_train(service_path("itemknn.rec"), "itemknn", &ratings, 1);
    service_train(service_path("userknn.rec"), "userknn", &ratings, 1);
    service_movies(&o);
    rec_ratings_clear(&ratings);
}

/* Copied beside and renamed, as rec-train -o does. */
static inline void service_copy(const char *to, const char *from)
{
    struct rec_in in;
    struct rec_out out;

    service_ok(rec_in_open(&in, from, &service_err));
    service_ok(rec_out_open(&out, to, false, &service_err));
    service_ok(rec_out_write(&out, in.data, in.len, &service_err));
    service_ok(rec_out_commit(&out, &service_err));
    rec_in_close(&in);
}

/* ---- the store ---- */

static inline int service_names_in(struct rec_store *store, void *context, struct rec_err *err)
{
    int64_t row;

    (void)context;
    return rec_names_intern(&row, store, REC_NAMES_USERS, "1", err) < 0 || rec_names_intern(&row, store, REC_NAMES_USERS, "2", err) < 0 ||
           rec_names_intern(&row, store, REC_NAMES_USERS, "3", err) < 0 ? -1 : 0;
}

/* A token of that account: `life` seconds from `issued`. */
static inline void service_token(char out[1024], const struct service *s, const char *account, enum rec_token_kind kind, int64_t issued, int64_t life)
{
    struct rec_token_claims claims = {.kind = kind, .issued = issued, .expires = issued + life};
    struct rec_buf text = {0};

    snprintf(claims.subject, sizeof claims.subject, "%s", account);
    service_ok(rec_token_issue(&text, &s->tokens, &claims, &service_err));
    snprintf(out, 1024, "%s", text.data);
    rec_buf_clear(&text);
}

static inline void service_accounts(struct service *s)
{
    int64_t now = (int64_t)time(NULL);

    for (int i = 0; i < SERVICE_ACCOUNTS; i++) {
        struct rec_account *a = &s->account[i];
        char email[64];

        snprintf(email, sizeof email, "%s@example.org", service_names[i]);
        service_ok(rec_accounts_add(a, &s->store, &(struct rec_accounts_new){.name = service_names[i], .email = email, .password = SERVICE_PASSWORD,
                   .password_len = strlen(SERVICE_PASSWORD), .role = i <= SERVICE_ADMIN ? (enum rec_role)i : REC_ROLE_USER}, now - 100, &service_err));
        service_token(s->token[i], s, a->id, REC_TOKEN_ACCESS, now, 900);
    }
    service_ok(rec_accounts_tie(&s->store, s->account[SERVICE_USER].id, "1", now, &service_err));
    service_ok(rec_accounts_tie(&s->store, s->account[SERVICE_OTHER].id, "2", now, &service_err));
    service_ok(rec_accounts_set_disabled(&s->store, s->account[SERVICE_DISABLED].id, true, now, &service_err));
    for (int i = 0; i < SERVICE_ACCOUNTS; i++)
        service_ok(rec_accounts_by_id(&s->account[i], &s->store, s->account[i].id, &service_err));
}

static inline void service_store(struct service *s)
{
    struct rec_load_options options = {.source = "movies", .now = (int64_t)time(NULL)};
    struct rec_load_report report;
    struct rec_catalogue catalogue;

    service_ok(rec_keyring_create(s->keys, 1, &service_err));
    service_ok(rec_store_open(&s->store, s->b->url, s->keys, &both_options, &service_err));
    s->store.cost = &both_cost;
    service_ok(rec_token_keys_from(&s->tokens, s->store.keys, s->config.alg, "rec", "rec", &service_err));
    service_ok(rec_catalogue_read(&catalogue, s->catalogue, &service_err));
    service_ok(rec_load_movies(&s->store, &catalogue, &options, &report, &service_err));
    rec_catalogue_clear(&catalogue);
    service_ok(rec_store_write(&s->store, service_names_in, NULL, &service_err));
    service_accounts(s);
}

/* ---- beginning and end ---- */

static inline void service_told(void *context, const char *line)
{
    struct service *s = context;

    snprintf(s->fault, sizeof s->fault, "%s", line);
}

static inline void service_open(struct service *s)
{
    service_ok(rec_serve_open(&s->serve, &s->config, &service_err));
    rec_serve_tell(s->serve, service_told, s);
}

/* @param config  NULL: an ials model, no limits that a test could meet; else what it says (model, catalogue, store and keys are filled in where
 *  they are NULL). */
static inline void service_begin(struct service *s, struct both *b, const struct rec_serve_config *config)
{
    const struct rec_limit_rate plenty = {1e6, 1e6};

    service_files();
    *s = (struct service){.b = b, .peer = "192.0.2.7"};
    snprintf(s->keys, sizeof s->keys, "%s/rec.keys", b->dir);
    snprintf(s->model, sizeof s->model, "%s/model.rec", b->dir);
    snprintf(s->catalogue, sizeof s->catalogue, "%s", service_path("movies.rec"));
    service_copy(s->model, service_path("ials.rec"));
    if (config)
        s->config = *config;
    else
        s->config = (struct rec_serve_config){.per_address = plenty, .per_account = plenty, .per_login = plenty, .log_fd = -1};
    s->config.model = s->config.model ? s->config.model : s->model;
    s->config.catalogue = s->config.catalogue ? s->config.catalogue : s->catalogue;
    s->config.store = b->url;
    s->config.keys = s->keys;
    s->config.drivers = both_drivers;
    s->config.version = "test";
    service_store(s);
    service_open(s);
}

static inline void service_forget_answer(struct service *s)
{
    free(s->head);
    rec_json_free(s->json);
    s->head = s->text = NULL;
    s->json = NULL;
    s->status = 0;
}

static inline void service_end(struct service *s)
{
    service_forget_answer(s);
    rec_serve_close(s->serve);
    rec_store_close(&s->store);
    rec_token_keys_clear(&s->tokens);
}

/* ---- asking ---- */

/* The bytes of a request as they are; the first answer is kept. @return its status; 0: there is none. */
static inline unsigned service_raw(struct service *s, const char *bytes, size_t len)
{
    struct rec_connection c;
    char *end;

    service_forget_answer(s);
    rec_connection_begin(&c, rec_serve_handler(s->serve), &rec_message_limits, s->peer, false, 0);
    rec_connection_input(&c, bytes, len);
    if (c.out.len > 12) {
        s->head = malloc(c.out.len + 1);
        assert_non_null(s->head);
        memcpy(s->head, c.out.data, c.out.len);
        s->head[c.out.len] = 0;
        end = memmem(s->head, c.out.len, "\r\n\r\n", 4);
        assert_non_null(end);
        end[2] = 0;
        s->text = end + 4;
        s->text_len = c.out.len - (size_t)(s->text - s->head);
        for (const char *digit = s->head + 9; digit < s->head + 12; digit++)
            s->status = 10 * s->status + (unsigned)(*digit - '0');
        s->json = rec_json_read("answer", s->text, s->text_len, NULL);
    }
    rec_connection_clear(&c);
    return s->status;
}

/* @param token  an access token or API key, or NULL: nobody. @param fields  more whole lines, or NULL. @param body  JSON, or NULL. */
static inline unsigned service_send(struct service *s, const char *method, const char *target, const char *token, const char *fields,
                                    const char *type, const char *body, size_t len)
{
    struct rec_buf text = {0};
    unsigned status;

    rec_buf_addf(&text, "%s %s HTTP/1.1\r\nHost: rec\r\n", method, target);
    if (token)
        rec_buf_addf(&text, "Authorization: Bearer %s\r\n", token);
    if (fields)
        rec_buf_adds(&text, fields);
    if (body)
        rec_buf_addf(&text, "Content-Type: %s\r\nContent-Length: %zu\r\n", type, len);
    rec_buf_adds(&text, "\r\n");
    if (body)
        rec_buf_add(&text, body, len);
    assert_false(text.failed);
    status = service_raw(s, text.data, text.len);
    rec_buf_clear(&text);
    return status;
}

static inline unsigned service_ask(struct service *s, const char *method, const char *target, const char *token, const char *body)
{
    return service_send(s, method, target, token, NULL, "application/json", body, body ? strlen(body) : 0);
}

/* ---- looking at the answer ---- */

static inline const struct rec_json_value *service_get(const struct service *s, const char *name)
{
    return rec_json_get(s->json, name);
}

/* A text member; "" when there is none. */
static inline const char *service_text(const struct service *s, const char *name)
{
    const char *text = rec_json_string(service_get(s, name));

    return text ? text : "";
}

static inline int64_t service_int(const struct service *s, const char *name)
{
    int64_t value;

    return rec_json_integer(&value, service_get(s, name)) == 0 ? value : INT64_MIN;
}

/* The value of a field of the answer, in a buffer of its own turn; NULL when there is none. */
static inline const char *service_field(const struct service *s, const char *name)
{
    static char value[4][256];
    static unsigned turn;
    char line[80], *out = value[turn++ % 4];
    const char *at;

    snprintf(line, sizeof line, "\r\n%s: ", name);
    at = s->head ? strcasestr(s->head, line) : NULL;
    if (!at)
        return NULL;
    at += strlen(line);
    snprintf(out, 256, "%.*s", (int)strcspn(at, "\r"), at);
    return out;
}

/* Whether errors of a 422 name that place. */
static inline bool service_names_place(const struct service *s, const char *pointer)
{
    const struct rec_json_value *errors = service_get(s, "errors");

    for (size_t i = 0; i < rec_json_length(errors); i++) {
        const char *at = rec_json_string(rec_json_get(rec_json_at(errors, i), "pointer"));

        if (at && strcmp(at, pointer) == 0)
            return true;
    }
    return false;
}

/* Asks, and fails the test with what was answered when it is another status. */
#define service_expect(s, want, method, target, token, body) do { \
        if (service_ask((s), (method), (target), (token), (body)) != (want)) \
            fail_msg("%s %s: %u, not %u: %s (%s)", (method), (target), (s)->status, (unsigned)(want), (s)->text ? (s)->text : "", (s)->fault); \
    } while (0)

#endif
