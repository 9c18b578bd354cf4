/* SPDX-License-Identifier: MIT
 *
 * Feedback: what people rate, like, watch and skip. An event that is acknowledged is on the disk; a request that is sent again under the same
 * Idempotency-Key is stored once.
 */
#include "service_priv.h"

#include <math.h>
#include <string.h>

enum { LINES = 1000, EXPORT = 10000 };

static const char kinds[] = "rating|like|watch|skip|remove";

/* ---- events from JSON ---- */

/* What a table cannot say: a rating has a value, other kinds have none. */
static void check_event(struct rec_call *c, const struct rec_json_value *one, const char *at)
{
    const char *kind = rec_json_string(rec_json_get(one, "kind"));
    bool rated = rec_json_get(one, "rating") != NULL, rating = !kind || strcmp(kind, "rating") == 0;
    char pointer[64];

    snprintf(pointer, sizeof pointer, "%s/rating", at);
    if (rating && !rated)
        rec_answer_wrong(c, pointer, "is missing");
    else if (!rating && rated)
        rec_answer_wrong(c, pointer, "is for the kind rating alone");
}

/* Whose feedback it is: the caller's, or, for services, that of the user it names. NULL: it was answered that this may not be. */
static const char *user_of(struct rec_call *c, const struct rec_json_value *one)
{
    const char *user = rec_json_string(rec_json_get(one, "user_id"));

    if (!user || strcmp(user, c->account.user) == 0 || strcmp(user, c->account.id) == 0 || strcmp(user, "me") == 0)
        return rec_call_user(c);
    if (c->may & REC_MAY_WRITE_OTHERS)
        return user;
    rec_answer_problem(c, 403, "feedback for others is for services");
    return NULL;
}

static int64_t time_of(const struct rec_json_value *one, int64_t otherwise)
{
    const struct rec_json_value *time = rec_json_get(one, "time");
    const char *text = rec_json_string(time);
    int64_t seconds;

    if (rec_json_integer(&seconds, time) == 0 || (text && rec_date_parse(&seconds, text, "", NULL) == 0))
        return seconds;
    return otherwise;
}

static bool read_event(struct rec_event *e, struct rec_call *c, const struct rec_json_value *one, const char *request)
{
    const char *kind = rec_json_string(rec_json_get(one, "kind"));

    *e = (struct rec_event){.user = user_of(c, one), .movie = rec_json_string(rec_json_get(one, "movie_id")), .kind = kind ? kind : "rating",
                            .value = NAN, .time = time_of(one, c->now), .request = request,
                            .arm = rec_json_string(rec_json_get(one, "experiment"))};
    if (rec_json_number(&e->value, rec_json_get(one, "rating")) < 0)
        e->value = NAN;
    return e->user != NULL;
}

/* ---- storing ---- */

/* Which of the events it was: the first whose film is not there; else, all of them. */
static void tell_place(struct rec_call *c, const struct rec_event *events, size_t n, const struct rec_err *err)
{
    char pointer[48] = "/movie_id";
    struct rec_err ignored;
    int64_t row;

    for (size_t i = 0; rec_json_kind(c->body) != REC_JSON_OBJECT && i < n; i++)
        if (rec_names_find(&row, &c->store, REC_NAMES_MOVIES, events[i].movie, &ignored) == 0) {
            snprintf(pointer, sizeof pointer, "/%zu/movie_id", i);
            break;
        }
    rec_answer_wrong(c, pointer, "%s", err->text);
}

/* Kept only if it is on the disk: then 201 says how many were new. */
static int store(struct rec_call *c, const struct rec_event *events, size_t n, struct rec_err *err)
{
    enum rec_sql_fault fault = REC_SQL_FINE;
    struct rec_json json;
    size_t added = 0;
    int status;

    if (c->serve->appender) {
        status = rec_appender_add(c->serve->appender, events, n, c->now, &added, &fault, err);
    } else {
        status = rec_feedback_add(&c->store, events, n, c->now, &added, err);
        fault = rec_sql_fault(c->store.db);
    }
    if (status < 0 && fault == REC_SQL_CONSTRAINT) {
        tell_place(c, events, n, err);
        return rec_answer_wrongs(c);
    }
    if (status < 0)
        return rec_answer_fault(c, fault, err);
    for (size_t i = 0; i < n && added == n; i++)
        rec_service_add(c->serve, &rec_service_events, "kind", events[i].kind);
    json = rec_answer_begin(c, 201);
    rec_json_int(&json, "stored", (int64_t)added);
    rec_json_int(&json, "duplicates", (int64_t)(n - added));
    rec_answer_end(&json);
    return 0;
}

/* Idempotency-Key: 1 to 128 visible letters. True: it is fine, or there is none. */
static bool read_key(struct rec_call *c, const char **key)
{
    size_t len;

    *key = rec_message_field(c->x->message, "idempotency-key", &len);
    if (!*key)
        return true;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)(*key)[i] <= 32 || (unsigned char)(*key)[i] >= 127)
            len = 0;
    if (len >= 1 && len <= 128 && rec_message_count(c->x->message, "idempotency-key") == 1)
        return true;
    rec_answer_problem(c, 400, "Idempotency-Key has to be one, of 1 to 128 visible letters");
    return false;
}

static int post_feedback(struct rec_call *c, struct rec_err *err)
{
    bool many = rec_json_kind(c->body) == REC_JSON_ARRAY;
    size_t n = many ? rec_json_length(c->body) : 1;
    struct rec_event *events;
    const char *key;
    char at[32] = "";
    int status = 0;

    if (!read_key(c, &key))
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (many)
            snprintf(at, sizeof at, "/%zu", i);
        check_event(c, many ? rec_json_at(c->body, i) : c->body, at);
    }
    if (rec_answer_has_wrong(c))
        return rec_answer_wrongs(c);
    events = rec_malloc(n, sizeof *events, "feedback", err);
    if (!events)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (!read_event(&events[i], c, many ? rec_json_at(c->body, i) : c->body, key ? key : c->x->id))
            goto out;
    status = store(c, events, n, err);
out:
    free(events);
    return status;
}

/* What was said of a film is taken back: an event like the others. */
static int delete_feedback(struct rec_call *c, struct rec_err *err)
{
    struct rec_event event = {.user = rec_call_user(c), .movie = c->param[0], .kind = "remove", .value = NAN, .time = c->now, .request = c->x->id};
    int64_t row;
    int found = rec_names_find(&row, &c->store, REC_NAMES_MOVIES, c->param[0], err);

    if (found < 0)
        return -1;
    if (!found)
        return rec_answer_problem(c, 404, "there is no such movie");
    if (store(c, &event, 1, err) < 0)
        return -1;
    if (c->x->response.status == 201)
        rec_answer_empty(c);
    return 0;
}

/* ---- reading ---- */

struct listing {
    struct rec_json *json;
    struct rec_buf *out;
    int64_t limit, n, last;
};

static void write_event(struct rec_json *json, const struct rec_event_stored *s, bool with_user)
{
    if (with_user)
        rec_answer_text(json, "user_id", s->event.user);
    rec_answer_text(json, "movie_id", s->event.movie);
    rec_answer_text(json, "kind", s->event.kind);
    if (!isnan(s->event.value))
        rec_json_real(json, "rating", rec_num_decimal((float)s->event.value));
    rec_answer_time(json, "time", s->event.time);
    rec_answer_time(json, "received", s->received / 1000000);
    if (s->event.arm)
        rec_answer_text(json, "experiment", s->event.arm);
}

static int list_one(void *context, const struct rec_event_stored *stored)
{
    struct listing *l = context;

    if (l->n++ == l->limit)
        return 1;
    l->last = stored->id;
    rec_json_object(l->json, NULL);
    write_event(l->json, stored, false);
    rec_json_end(l->json);
    return 0;
}

static int get_feedback(struct rec_call *c, struct rec_err *err)
{
    const char *user = rec_call_text(c, "user_id");
    struct listing l = {.limit = rec_call_int(c, "limit", 50)};
    struct rec_json json;
    char cursor[32];

    if (user && strcmp(user, "me") != 0 && strcmp(user, c->account.user) != 0 && strcmp(user, c->account.id) != 0 &&
        !(c->may & REC_MAY_READ_OTHERS))
        return rec_answer_problem(c, 403, "the feedback of others is for analysts and services");
    if (!user || strcmp(user, "me") == 0 || strcmp(user, c->account.id) == 0)
        user = rec_call_user(c);
    json = rec_answer_begin(c, 200);
    l.json = &json;
    rec_answer_text(&json, "user_id", user);
    rec_json_array(&json, "feedback");
    if (rec_feedback_events(&c->store, user, rec_call_int(c, "cursor", 0), (size_t)l.limit + 1, list_one, &l, err) < 0)
        return -1;
    rec_json_end(&json);
    snprintf(cursor, sizeof cursor, "%lld", (long long)l.last);
    rec_answer_text(&json, "next_cursor", l.n > l.limit ? cursor : NULL);
    rec_answer_end(&json);
    return 0;
}

/* ---- in bulk, as JSON lines ---- */

static int export_one(void *context, const struct rec_event_stored *stored)
{
    struct listing *l = context;
    struct rec_json json = {.out = l->out, .flat = true};

    rec_json_object(&json, NULL);
    rec_json_int(&json, "id", stored->id);
    write_event(&json, stored, true);
    rec_json_end(&json);
    rec_buf_addc(l->out, '\n');
    return l->out->failed;
}

static int get_export(struct rec_call *c, struct rec_err *err)
{
    struct listing l = {.out = &c->x->response.body};

    if (rec_feedback_after(&c->store, rec_call_int(c, "after", 0), (size_t)rec_call_int(c, "limit", 1000), export_one, &l, err) < 0)
        return -1;
    c->x->response.status = 200;
    c->x->response.type = "application/x-ndjson";
    return 0;
}

struct import {
    struct rec_event event[LINES];
    struct rec_json_value *line[LINES];
    size_t n;
};

static const struct rec_field event_body[];

/* Lines are read and checked, all of them, before any is stored. */
static int read_lines(struct import *in, struct rec_call *c, const char *key)
{
    const struct rec_buf *body = &c->x->message->body;
    const char *at = body->data ? body->data : "", *end = at + body->len;
    char pointer[32];
    struct rec_err why;

    for (size_t number = 0; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);

        snprintf(pointer, sizeof pointer, "/%zu", number);
        if (number == LINES)
            return rec_answer_problem(c, 413, "at most %d lines at a time", LINES);
        if (rec_json_depth(at, len) > 32 || !(in->line[in->n] = rec_json_read("line", at, len, &why))) {
            rec_answer_wrong(c, pointer, "is no JSON");
        } else {
            struct rec_json_value *line = in->line[in->n++];

            rec_check_object(c, line, event_body, pointer);
            if (rec_json_kind(line) == REC_JSON_OBJECT)
                check_event(c, line, pointer);
        }
        at = stop ? stop + 1 : end;
    }
    if (!in->n && !rec_answer_has_wrong(c))
        rec_answer_wrong(c, "", "holds no line");
    if (rec_answer_has_wrong(c))
        return rec_answer_wrongs(c);
    for (size_t i = 0; i < in->n; i++)
        if (!read_event(&in->event[i], c, in->line[i], key ? key : c->x->id))
            return 0;
    return 1;
}

static int post_import(struct rec_call *c, struct rec_err *err)
{
    struct import *in;
    const char *key;
    int status;

    if (!read_key(c, &key))
        return 0;
    in = rec_calloc(1, sizeof *in, "feedback", err);
    if (!in)
        return -1;
    status = read_lines(in, c, key);
    if (status > 0)
        status = store(c, in->event, in->n, err);
    for (size_t i = 0; i < in->n; i++)
        rec_json_free(in->line[i]);
    free(in);
    return status;
}

/* ---- tables ---- */

static const struct rec_field event_body[] = {
    {.name = "movie_id", .type = REC_FIELD_ID, .required = true},
    {.name = "kind", .type = REC_FIELD_CHOICE, .choices = kinds, .help = "rating, when there is one"},
    {.name = "rating", .type = REC_FIELD_REAL, .min = -1e6, .max = 1e6},
    {.name = "time", .type = REC_FIELD_TIME, .help = "when it happened; now"},
    {.name = "user_id", .type = REC_FIELD_ID, .help = "whose it is, for services"},
    {.name = "experiment", .type = REC_FIELD_TEXT, .min = 1, .max = 128, .help = "experiment/arm"},
    {.name = NULL},
};
static const struct rec_field list_query[] = {
    {.name = "user_id", .type = REC_FIELD_ID},
    {.name = "limit", .type = REC_FIELD_INT, .min = 1, .max = 500},
    {.name = "cursor", .type = REC_FIELD_INT, .min = 1, .max = 9e15, .help = "next_cursor of the page before"},
    {.name = NULL},
};
static const struct rec_field export_query[] = {
    {.name = "after", .type = REC_FIELD_INT, .min = 0, .max = 9e15, .help = "the id of the last event one has"},
    {.name = "limit", .type = REC_FIELD_INT, .min = 1, .max = EXPORT},
    {.name = NULL},
};

#define SLOW (REC_ROUTE_STORE | REC_ROUTE_SLOW)
#define SELF .own = REC_MAY_SELF, .others = REC_MAY_SELF, .scope = "feedback"
#define SERVICE .own = REC_MAY_WRITE_OTHERS, .others = REC_MAY_WRITE_OTHERS, .scope = "feedback"

const struct rec_route rec_handle_feedback_routes[] = {
    {.method = REC_POST, .path = "/feedback", SELF, .handle = post_feedback, .body = event_body, .flags = SLOW | REC_ROUTE_ARRAY},
    {.method = REC_GET, .path = "/feedback", SELF, .handle = get_feedback, .query = list_query, .flags = SLOW},
    {.method = REC_DELETE, .path = "/feedback/{movie_id}", SELF, .handle = delete_feedback, .flags = SLOW},
    {.method = REC_GET, .path = "/feedback/export", SERVICE, .handle = get_export, .query = export_query, .flags = SLOW},
    {.method = REC_POST, .path = "/feedback/import", SERVICE, .handle = post_import, .flags = SLOW | REC_ROUTE_LINES},
    {.path = NULL},
};
