/* SPDX-License-Identifier: MIT
 *
 * Feedback: an append-only table of events, of which `ratings` is the latest state of each pair.
 *
 * An event costs two statements: one finds the rows of its user and movie and inserts it, unless it is there already; one brings the rating
 * up to date. What the first one cannot do (a new user, an unknown movie, an event sent twice) is looked into only when it has inserted
 * nothing. On PostgreSQL it also locks the row of the user, so that a rating and a removal of the same pair take turns: the
 * second one then sees what the first one did. Users are taken in the order of their ids, so that two requests do not wait for each other.
 *
 * Of two events the later `time` decides; of two at the same second the one that came later. A rating that arrives after a later removal
 * is kept as an event, and does not bring the pair back (the index feedback_removed makes this one look-up).
 */
#include "feedback_priv.h"

#include <math.h>

#include <rec/format.h>

#define REQUEST_LONGEST 128
#define ARM_LONGEST 255

static const char *const kinds[] = {"rating", "like", "watch", "skip", "remove"};

/* ---- events, checked ------------------------------------------------------------------------------ */

static bool is(const char *kind, const char *word)
{
    return strcmp(kind, word) == 0;
}

static bool is_text(const char *text, size_t longest)
{
    size_t len = strnlen(text, longest + 1);
    if (len == 0 || len > longest || !rec_json_utf8(text, len))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return true;
}

static int check_kind(struct rec_sql *db, const struct rec_event *e, struct rec_err *err)
{
    for (size_t i = 0; i < REC_LENGTH(kinds); i++)
        if (e->kind && is(e->kind, kinds[i]))
            return 0;
    return rec_sql_refuse(db, REC_SQL_CONSTRAINT, err, "kind %.20s: not one of rating, like, watch, skip, remove", e->kind ? e->kind : "");
}

static int check_event(struct rec_sql *db, const struct rec_event *e, struct rec_err *err)
{
    if (!e->user || !is_text(e->user, REC_NAMES_LONGEST))
        return rec_sql_refuse(db, REC_SQL_CONSTRAINT, err, "event: user: not 1 to %d bytes of UTF-8", REC_NAMES_LONGEST);
    if (!e->movie || !is_text(e->movie, REC_NAMES_LONGEST))
        return rec_sql_refuse(db, REC_SQL_CONSTRAINT, err, "event: movie: not 1 to %d bytes of UTF-8", REC_NAMES_LONGEST);
    if (e->request && !is_text(e->request, REQUEST_LONGEST))
        return rec_sql_refuse(db, REC_SQL_CONSTRAINT, err, "event: request: not 1 to %d bytes of UTF-8", REQUEST_LONGEST);
    if (e->arm && !is_text(e->arm, ARM_LONGEST))
        return rec_sql_refuse(db, REC_SQL_CONSTRAINT, err, "event: arm: not 1 to %d bytes of UTF-8", ARM_LONGEST);
    if (check_kind(db, e, err) < 0)
        return -1;
    if (is(e->kind, "rating") && !isfinite((float)e->value))
        return rec_sql_refuse(db, REC_SQL_CONSTRAINT, err, "movie %s: a rating needs a finite value", e->movie);
    return 0;
}

static int by_user(const void *a, const void *b, void *context)
{
    const struct rec_feedback_place *p = a, *q = b;
    const struct rec_event *events = context;
    int order = strcmp(events[p->event].user, events[q->event].user);
    return order != 0 ? order : (p->event > q->event) - (p->event < q->event);
}

static int find_places(struct rec_feedback_request *q, struct rec_err *err)
{
    struct rec_hashmap requests = {0};
    int32_t *count = NULL;
    int status = -1;
    if (!(q->place = rec_calloc(q->n, sizeof *q->place, "events", err)) || !(count = rec_calloc(q->n, sizeof *count, "events", err)))
        goto out;
    for (size_t i = 0; i < q->n; i++) {
        const char *name = q->events[i].request ? q->events[i].request : q->drawn;
        uint32_t k = rec_hashmap_intern(&requests, name, strlen(name));
        if (k == REC_HASHMAP_NONE) {
            rec_err_memory(err, "events");
            goto out;
        }
        q->place[i] = (struct rec_feedback_place){.event = (int32_t)i, .part = count[k]++};
    }
    qsort_r(q->place, q->n, sizeof *q->place, by_user, (void *)(uintptr_t)q->events);
    status = 0;
out:
    free(count);
    rec_hashmap_clear(&requests);
    return status;
}

int rec_feedback_begin(struct rec_feedback_request *q, struct rec_sql *db, const struct rec_event *events, size_t n, int64_t now,
                       struct rec_err *err)
{
    *q = (struct rec_feedback_request){.events = events, .n = n, .now = now};
    if (n > INT32_MAX)
        return rec_sql_refuse(db, REC_SQL_CONSTRAINT, err, "events: more than %d at once", INT32_MAX);
    for (size_t i = 0; i < n; i++)
        if (check_event(db, &events[i], err) < 0)
            return -1;
    rec_secret_name(q->drawn, REC_FEEDBACK_DRAWN);
    if (n > 1 && find_places(q, err) < 0) {
        rec_feedback_end(q);
        return rec_sql_refuse(db, REC_SQL_OTHER, err, "events: out of memory");
    }
    return 0;
}

void rec_feedback_end(struct rec_feedback_request *q)
{
    free(q->place);
    q->place = NULL;
}

/* ---- storing one ---------------------------------------------------------------------------------- */

#define INSERT_EVENT                                                                                                                 \
    "INSERT INTO feedback (received, time, user_id, movie_id, part, value, kind, request, arm) "                                     \
    "SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), u.id, m.id, CAST($3 AS INTEGER), CAST($4 AS REAL), CAST($5 AS TEXT), "            \
    "CAST($6 AS TEXT), CAST($7 AS TEXT) FROM users u, movies m WHERE u.name = $8 AND m.name = $9 "
#define UNLESS_THERE "ON CONFLICT (user_id, request, part) DO NOTHING RETURNING user_id, movie_id"

static const char insert_plain[] = INSERT_EVENT UNLESS_THERE;
static const char insert_locking[] = INSERT_EVENT "FOR NO KEY UPDATE OF u " UNLESS_THERE;

static const char rate[] =
    "INSERT INTO ratings (user_id, movie_id, value, load_id, time) "
    "SELECT CAST($1 AS INTEGER), CAST($2 AS INTEGER), CAST($3 AS REAL), 0, CAST($4 AS BIGINT) "
    "WHERE NOT EXISTS (SELECT 1 FROM feedback WHERE user_id = CAST($1 AS INTEGER) AND movie_id = CAST($2 AS INTEGER) "
    "AND kind = 'remove' AND time > CAST($4 AS BIGINT)) "
    "ON CONFLICT (user_id, movie_id) DO UPDATE SET value = excluded.value, load_id = 0, time = excluded.time "
    "WHERE ratings.time IS NULL OR ratings.time <= excluded.time";

static const char unrate[] = "DELETE FROM ratings WHERE user_id = $1 AND movie_id = $2 AND (time IS NULL OR time <= $3)";

struct pair {
    int64_t user, movie;
};

/* When an event arrived, in microseconds: the clock, as long as `now` is the present; else `now`. */
static int64_t arrival(int64_t now)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    if (t.tv_sec - now > 60 || now - t.tv_sec > 60)
        return now * 1000000;
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* 1: inserted; 0: not. */
static int insert_event(struct pair *pair, const struct rec_feedback_request *q, const struct rec_feedback_place *place,
                        struct rec_store *store, struct rec_err *err)
{
    const struct rec_event *e = &q->events[place->event];
    bool locking = strcmp(rec_sql_dialect(store->db), "postgresql") == 0;
    struct rec_sql_rows rows;
    int status;
    if (rec_sql_query(&rows, store->db, locking ? insert_locking : insert_plain,
                      REC_SQL(rec_sql_int(arrival(q->now)), rec_sql_int(e->time), rec_sql_int(place->part),
                              is(e->kind, "rating") ? rec_sql_real(rec_num_decimal((float)e->value)) : rec_sql_null(), rec_sql_text(e->kind),
                              rec_sql_text(e->request ? e->request : q->drawn), rec_sql_text(e->arm), rec_sql_text(e->user),
                              rec_sql_text(e->movie)),
                      err) < 0)
        return -1;
    if ((status = rec_sql_next(&rows, err)) > 0)
        *pair = (struct pair){rows.value[0].integer, rows.value[1].integer};
    rec_sql_done(&rows);
    return status;
}

/* After nothing was inserted: 0: the user and the movie are there now, perhaps by somebody else's doing a moment ago; -1: they cannot be. */
static int prepare(struct rec_feedback_request *q, const struct rec_event *e, struct rec_store *store, struct rec_err *err)
{
    int64_t row;
    int found = rec_names_find(&row, store, REC_NAMES_MOVIES, e->movie, err);
    if (found < 0)
        return -1;
    if (!found)
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "movie %s: there is no such movie", e->movie);
    if ((found = rec_names_find(&row, store, REC_NAMES_USERS, e->user, err)) != 0)
        return found < 0 ? -1 : 0;
    if ((found = rec_forget_was(store, e->user, err)) < 0)
        return -1;
    if (found)
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "user %s: was forgotten; a person who comes back needs another id", e->user);
    q->touched = true;
    return rec_names_intern(&row, store, REC_NAMES_USERS, e->user, err);
}

static int update_rating(const struct pair *pair, const struct rec_event *e, struct rec_store *store, struct rec_err *err)
{
    if (is(e->kind, "rating"))
        return rec_sql_exec(store->db, NULL, rate,
                            REC_SQL(rec_sql_int(pair->user), rec_sql_int(pair->movie), rec_sql_real(rec_num_decimal((float)e->value)), rec_sql_int(e->time)), err);
    if (is(e->kind, "remove"))
        return rec_sql_exec(store->db, NULL, unrate, REC_SQL(rec_sql_int(pair->user), rec_sql_int(pair->movie), rec_sql_int(e->time)), err);
    return 0;
}

int rec_feedback_append(struct rec_feedback_request *q, struct rec_store *store, struct rec_err *err)
{
    q->added = 0;
    q->touched = false;
    for (size_t i = 0; i < q->n; i++) {
        const struct rec_feedback_place place = q->place ? q->place[i] : (struct rec_feedback_place){0, 0};
        const struct rec_event *event = &q->events[place.event];
        struct pair pair;
        int new = insert_event(&pair, q, &place, store, err);
        /* Nothing again means that it was stored before. */
        if (new == 0 && (new = prepare(q, event, store, err)) == 0)
            new = insert_event(&pair, q, &place, store, err);
        if (new < 0)
            return -1;
        if (new == 0)
            continue;
        q->touched = true;
        q->added++;
        if (update_rating(&pair, event, store, err) < 0)
            return -1;
    }
    return 0;
}

static int append(struct rec_store *store, void *context, struct rec_err *err)
{
    return rec_feedback_append(context, store, err);
}

int rec_feedback_add(struct rec_store *store, const struct rec_event *events, size_t n, int64_t now, size_t *added, struct rec_err *err)
{
    struct rec_feedback_request request;
    int status;
    if (added)
        *added = 0;
    if (rec_feedback_begin(&request, store->db, events, n, now, err) < 0)
        return -1;
    status = n > 0 ? rec_store_write(store, append, &request, err) : 0;
    if (status == 0 && added)
        *added = request.added;
    rec_feedback_end(&request);
    return status;
}

/* ---- reading -------------------------------------------------------------------------------------- */

int rec_feedback_ratings(struct rec_store *store, const char *user, int (*each)(void *context, const char *movie, double value,
                         int64_t time), void *context, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;
    if (rec_sql_query(&rows, store->db,
                      "SELECT m.name, r.value, r.time FROM users u JOIN ratings r ON r.user_id = u.id JOIN movies m ON m.id = r.movie_id "
                      "WHERE u.name = $1 ORDER BY r.time DESC NULLS LAST, m.name",
                      REC_SQL(rec_sql_text(user)), err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0) {
        const struct rec_sql_value *v = rows.value;
        if (each(context, v[0].text, (double)(float)v[1].real, v[2].type == REC_SQL_NULL ? 0 : v[2].integer) != 0)
            break;
    }
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}

static void read_event(struct rec_event_stored *out, const char *user, const struct rec_sql_value *v)
{
    *out = (struct rec_event_stored){
        .id = v[0].integer,
        .received = v[1].integer,
        .event = {.user = user,
                  .time = v[2].integer,
                  .movie = v[3].text,
                  .kind = v[4].text,
                  .value = v[5].type == REC_SQL_NULL ? NAN : (double)(float)v[5].real,
                  .request = v[6].text,
                  .arm = v[7].type == REC_SQL_NULL ? NULL : v[7].text},
    };
}

int rec_feedback_events(struct rec_store *store, const char *user, int64_t before, size_t limit,
                        int (*each)(void *context, const struct rec_event_stored *event), void *context, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;
    if (rec_sql_query(&rows, store->db,
                      "SELECT f.id, f.received, f.time, m.name, f.kind, f.value, f.request, f.arm FROM users u "
                      "JOIN feedback f ON f.user_id = u.id JOIN movies m ON m.id = f.movie_id "
                      "WHERE u.name = $1 AND f.id < $2 ORDER BY f.id DESC LIMIT $3",
                      REC_SQL(rec_sql_text(user), rec_sql_int(before > 0 ? before : INT64_MAX),
                              rec_sql_int(limit > INT32_MAX ? INT32_MAX : (int64_t)limit)),
                      err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0) {
        struct rec_event_stored event;
        read_event(&event, user, rows.value);
        if (each(context, &event) != 0)
            break;
    }
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}

int rec_feedback_after(struct rec_store *store, int64_t after, size_t limit, int (*each)(void *context, const struct rec_event_stored *event),
                       void *context, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;
    if (rec_sql_query(&rows, store->db,
                      "SELECT f.id, f.received, f.time, m.name, f.kind, f.value, f.request, f.arm, u.name FROM feedback f "
                      "JOIN users u ON f.user_id = u.id JOIN movies m ON m.id = f.movie_id "
                      "WHERE f.id > $1 ORDER BY f.id LIMIT $2",
                      REC_SQL(rec_sql_int(after), rec_sql_int(limit > INT32_MAX ? INT32_MAX : (int64_t)limit)), err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0) {
        struct rec_event_stored event;
        read_event(&event, rows.value[8].text, rows.value);
        if (each(context, &event) != 0)
            break;
    }
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}

int rec_feedback_newest(int64_t *id, struct rec_store *store, const char *user, struct rec_err *err)
{
    return rec_sql_get_int(id, store->db, "SELECT max(f.id) FROM feedback f WHERE f.user_id = (SELECT id FROM users WHERE name = $1)",
                           REC_SQL(rec_sql_text(user)), err);
}
