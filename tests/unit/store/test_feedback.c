/* SPDX-License-Identifier: MIT
 *
 * Feedback: what is stored, once; what the rating of a pair is after any order of events; what is refused.
 */
#include "both.h"

#include <math.h>
#include <pthread.h>

#define NOW 1700000000

static void add_movie(struct both *b, const char *id)
{
    both_ok(b, rec_sql_exec(b->store.db, NULL, "INSERT INTO movies (name) VALUES ($1)", REC_SQL(rec_sql_text(id)), &b->err));
}

static size_t add(struct both *b, const struct rec_event *events, size_t n)
{
    size_t added;
    both_ok(b, rec_feedback_add(&b->store, events, n, NOW, &added, &b->err));
    return added;
}

struct seen {
    size_t n;
    char movie[32][32];
    double value[32];
    int64_t time[32];
};

static int see(void *context, const char *movie, double value, int64_t time)
{
    struct seen *s = context;
    assert_true(s->n < REC_LENGTH(s->time));
    snprintf(s->movie[s->n], sizeof s->movie[0], "%s", movie);
    s->value[s->n] = value;
    s->time[s->n++] = time;
    return 0;
}

static struct seen ratings_of(struct both *b, const char *user)
{
    struct seen s = {0};
    both_ok(b, rec_feedback_ratings(&b->store, user, see, &s, &b->err));
    return s;
}

static void stores_and_rates(void **state)
{
    struct both *b = *state;
    struct seen s;
    const struct rec_event events[] = {
        {.user = "u", .movie = "50", .kind = "rating", .value = 4.1, .time = 10, .arm = "e/a"},
        {.user = "u", .movie = "51", .kind = "rating", .value = 3, .time = 20},
        {.user = "u", .movie = "52", .kind = "like", .value = NAN, .time = 20},
        {.user = "u", .movie = "52", .kind = "watch", .time = 20},
        {.user = "u", .movie = "52", .kind = "skip", .time = 20},
    };
    for (int i = 50; i < 53; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        add_movie(b, id);
    }
    assert_int_equal(add(b, events, 5), 5);
    s = ratings_of(b, "u");
    assert_int_equal(s.n, 2);
    assert_string_equal(s.movie[0], "51");
    assert_string_equal(s.movie[1], "50");
    assert_true(s.value[1] == (double)4.1f);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 5);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback WHERE value IS NULL"), 3);
    assert_int_equal(both_int(b, "SELECT count(DISTINCT request) FROM feedback"), 1);
    assert_int_equal(both_int(b, "SELECT max(part) FROM feedback"), 4);
    assert_int_equal(both_int(b, "SELECT max(received) FROM feedback"), (int64_t)NOW * 1000000);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings WHERE load_id = 0"), 2);
    assert_int_equal(ratings_of(b, "nobody").n, 0);
}

static void present_has_microseconds(void **state)
{
    struct both *b = *state;
    struct timespec before, after;
    int64_t received;
    add_movie(b, "m");
    clock_gettime(CLOCK_REALTIME, &before);
    both_ok(b, rec_feedback_add(&b->store, &(struct rec_event){.user = "u", .movie = "m", .kind = "like", .time = 1}, 1, before.tv_sec, NULL,
                                &b->err));
    clock_gettime(CLOCK_REALTIME, &after);
    received = both_int(b, "SELECT received FROM feedback");
    assert_true(received >= before.tv_sec * 1000000 + before.tv_nsec / 1000);
    assert_true(received <= after.tv_sec * 1000000 + after.tv_nsec / 1000);
}

/* ---- any order of events -------------------------------------------------------------------------- */

enum { USERS = 4, MOVIES = 5 };

/* What a pair's events amount to, told from the whole list of them. */
static bool judge(double *value, int64_t *time, const struct rec_event *events, size_t n, const char *user, const char *movie)
{
    const struct rec_event *best = NULL;
    for (size_t i = 0; i < n; i++) {
        const struct rec_event *e = &events[i];
        bool counts = strcmp(e->kind, "rating") == 0 || strcmp(e->kind, "remove") == 0;
        if (counts && strcmp(e->user, user) == 0 && strcmp(e->movie, movie) == 0 && (!best || e->time >= best->time))
            best = e;
    }
    if (!best || strcmp(best->kind, "remove") == 0)
        return false;
    *value = best->value;
    *time = best->time;
    return true;
}

static void any_order(void **state)
{
    static const char *const users[USERS] = {"a", "b", "c", "d"}, *const movies[MOVIES] = {"1", "2", "3", "4", "5"};
    static const char *const kinds[] = {"rating", "rating", "rating", "remove", "like"};
    struct both *b = *state;
    struct rec_event events[600];
    struct rec_rng rng;
    rec_rng_seed(&rng, 4, 0);
    for (size_t i = 0; i < MOVIES; i++)
        add_movie(b, movies[i]);
    for (size_t i = 0; i < REC_LENGTH(events); i++)
        events[i] = (struct rec_event){.user = users[rec_rng_below(&rng, USERS)], .movie = movies[rec_rng_below(&rng, MOVIES)],
                                       .kind = kinds[rec_rng_below(&rng, REC_LENGTH(kinds))], .value = (double)rec_rng_below(&rng, 10) / 2,
                                       .time = (int64_t)rec_rng_below(&rng, 40)};
    for (size_t i = 0, n; i < REC_LENGTH(events); i += n) {
        n = 1 + rec_rng_below(&rng, 7);
        n = n < REC_LENGTH(events) - i ? n : REC_LENGTH(events) - i;
        assert_int_equal(add(b, events + i, n), n);
        for (size_t u = 0; i % 5 == 0 && u < USERS; u++) {
            struct seen s = ratings_of(b, users[u]);
            size_t there = 0;
            for (size_t m = 0; m < MOVIES; m++) {
                double value;
                int64_t time;
                if (!judge(&value, &time, events, i + n, users[u], movies[m]))
                    continue;
                size_t k = 0;
                while (k < s.n && strcmp(s.movie[k], movies[m]) != 0)
                    k++;
                assert_true(k < s.n);
                assert_true(s.value[k] == value && s.time[k] == time);
                there++;
            }
            assert_int_equal(s.n, there);
            for (size_t k = 1; k < s.n; k++)
                assert_true(s.time[k - 1] >= s.time[k]);
        }
    }
}

static void over_a_load(void **state)
{
    struct both *b = *state;
    add_movie(b, "m");
    add_movie(b, "n");
    both_ok(b, rec_sql_exec(b->store.db, NULL, "INSERT INTO users (name) VALUES ('u')", REC_SQL_NONE, &b->err));
    both_ok(b, rec_sql_exec(b->store.db, NULL, "INSERT INTO ratings (user_id, movie_id, value, load_id, time) "
                            "SELECT u.id, m.id, 1, 7, NULL FROM users u, movies m", REC_SQL_NONE, &b->err));
    assert_int_equal(ratings_of(b, "u").n, 2);
    add(b, &(struct rec_event){.user = "u", .movie = "m", .kind = "rating", .value = 2, .time = -5}, 1);
    add(b, &(struct rec_event){.user = "u", .movie = "n", .kind = "remove", .time = -5}, 1);
    assert_int_equal(ratings_of(b, "u").n, 1);
    assert_true(ratings_of(b, "u").value[0] == 2);
    assert_int_equal(both_int(b, "SELECT load_id FROM ratings"), 0);
}

/* ---- once ----------------------------------------------------------------------------------------- */

static void same_request_once(void **state)
{
    struct both *b = *state;
    struct rec_event events[] = {
        {.user = "u", .movie = "m", .kind = "rating", .value = 1, .time = 10, .request = "r1"},
        {.user = "u", .movie = "m", .kind = "rating", .value = 2, .time = 11, .request = "r2"},
        {.user = "u", .movie = "n", .kind = "rating", .value = 3, .time = 12, .request = "r1"},
    };
    add_movie(b, "m");
    add_movie(b, "n");
    assert_int_equal(add(b, events, 3), 3);
    assert_int_equal(add(b, events, 3), 0);
    /* Sent again it does not change what came after it either. */
    add(b, &(struct rec_event){.user = "u", .movie = "m", .kind = "rating", .value = 5, .time = 11, .request = "r3"}, 1);
    assert_int_equal(add(b, &events[1], 1), 0);
    assert_true(ratings_of(b, "u").value[1] == 5);
    /* Longer than the first time: only what is new. Of another user: another request. */
    events[2].user = "v";
    assert_int_equal(add(b, events, 3), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 5);
    /* Without a name each call is a request of its own. */
    events[0].request = NULL;
    assert_int_equal(add(b, events, 1), 1);
    assert_int_equal(add(b, events, 1), 1);
}

/* ---- refused -------------------------------------------------------------------------------------- */

static void unknown_movie_stores_nothing(void **state)
{
    struct both *b = *state;
    const struct rec_event events[] = {
        {.user = "u", .movie = "m", .kind = "rating", .value = 1, .time = 10},
        {.user = "u", .movie = "77", .kind = "rating", .value = 1, .time = 10},
    };
    size_t added = 9;
    add_movie(b, "m");
    both_fails(b, rec_feedback_add(&b->store, events, 2, NOW, &added, &b->err), REC_SQL_CONSTRAINT, "movie 77: there is no such movie");
    assert_int_equal(added, 0);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 0);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings"), 0);
    assert_int_equal(both_int(b, "SELECT count(*) FROM users"), 0);
    assert_int_equal(add(b, events, 1), 1);
    assert_int_equal(add(b, events, 0), 0);
}

static void bad_events(void **state)
{
    static char longest[REC_NAMES_LONGEST + 2], request[130];
    struct both *b = *state;
    const struct rec_event good = {.user = "u", .movie = "m", .kind = "rating", .value = 1, .time = 10, .request = "r", .arm = "a"};
    struct rec_event bad[16];
    size_t n = 0;
    memset(longest, 'x', sizeof longest - 1);
    memset(request, 'x', sizeof request - 1);
    for (size_t i = 0; i < REC_LENGTH(bad); i++)
        bad[i] = good;
    add_movie(b, "m");
    bad[n++].value = NAN;
    bad[n++].value = (double)INFINITY;
    bad[n++].value = 1e300;
    bad[n++].kind = "hate";
    bad[n++].kind = NULL;
    bad[n++].user = "";
    bad[n++].user = NULL;
    bad[n++].user = longest;
    bad[n++].user = "\xff";
    bad[n++].movie = "";
    bad[n++].movie = "a\nb";
    bad[n++].request = "";
    bad[n++].request = request;
    bad[n++].arm = "";
    bad[n++].arm = "\xc3";
    for (size_t i = 0; i < n; i++) {
        b->err.text[0] = '\0';
        assert_int_equal(rec_feedback_add(&b->store, &bad[i], 1, NOW, NULL, &b->err), -1);
        assert_int_equal(rec_sql_fault(b->store.db), REC_SQL_CONSTRAINT);
        assert_true(b->err.text[0] != '\0');
    }
    assert_int_equal(add(b, &good, 1), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 1);
}

static void events_stay_as_they_are(void **state)
{
    struct both *b = *state;
    add_movie(b, "m");
    add(b, &(struct rec_event){.user = "u", .movie = "m", .kind = "like", .time = 1}, 1);
    assert_int_equal(rec_sql_exec(b->store.db, NULL, "UPDATE feedback SET kind = 'skip'", REC_SQL_NONE, &b->err), -1);
    assert_non_null(strstr(b->err.text, "append-only"));
}

/* ---- the list of events --------------------------------------------------------------------------- */

struct list {
    size_t n;
    int64_t id[64], time[64];
};

static int list(void *context, const struct rec_event_stored *e)
{
    struct list *l = context;
    assert_string_equal(e->event.user, "u");
    assert_string_equal(e->event.kind, e->event.time % 2 ? "rating" : "like");
    assert_string_equal(e->event.movie, "m");
    assert_true(e->event.time % 2 ? e->event.value == (double)e->event.time : isnan(e->event.value));
    assert_true(e->event.time % 3 ? e->event.arm == NULL : strcmp(e->event.arm, "x/y") == 0);
    l->id[l->n] = e->id;
    l->time[l->n++] = e->event.time;
    return 0;
}

static void lists_events(void **state)
{
    struct both *b = *state;
    struct list l = {0};
    add_movie(b, "m");
    for (int i = 0; i < 20; i++)
        add(b, &(struct rec_event){.user = i == 7 ? "v" : "u", .movie = "m", .kind = i % 2 ? "rating" : "like", .value = i, .time = i,
                                   .arm = i % 3 ? NULL : "x/y"}, 1);
    do {
        size_t before = l.n;
        both_ok(b, rec_feedback_events(&b->store, "u", l.n ? l.id[l.n - 1] : 0, 6, list, &l, &b->err));
        assert_true(l.n - before <= 6);
        if (l.n == before)
            break;
    } while (l.n < 60);
    assert_int_equal(l.n, 19);
    for (size_t i = 0; i < l.n; i++)
        assert_int_equal(l.time[i], 19 - (int)i - (i >= 12));
}

/* ---- several writers ------------------------------------------------------------------------------ */

enum { WRITERS = 4, ROUNDS = 60 };

struct writer {
    struct both *b;
    int number, failed;
    struct rec_err err;
};

/* Times are different for every event, so that the outcome does not depend on who came first. */
static void event_of(struct rec_event *e, int writer, int round)
{
    static const char *const users[] = {"a", "b"}, *const movies[] = {"m", "n"};
    uint32_t mixed = (uint32_t)(round * WRITERS + writer) * 2654435761u;
    *e = (struct rec_event){.user = users[mixed >> 31], .movie = movies[mixed >> 30 & 1], .kind = mixed >> 27 & 1 ? "rating" : "remove",
                            .value = writer + 1, .time = mixed >> 8 & 0x7fffff};
}

static void *write_on(void *context)
{
    struct writer *w = context;
    struct rec_store store;
    if (rec_store_open(&store, w->b->url, NULL, &both_options, &w->err) < 0) {
        w->failed = 1;
        return NULL;
    }
    for (int i = 0; i < ROUNDS && !w->failed; i++) {
        struct rec_event events[2];
        event_of(&events[0], w->number, i);
        event_of(&events[1], w->number, i + ROUNDS);
        w->failed = rec_feedback_add(&store, events, 2, NOW, NULL, &w->err) < 0;
    }
    rec_store_close(&store);
    return NULL;
}

static void several_writers(void **state)
{
    struct both *b = *state;
    struct writer w[WRITERS];
    pthread_t thread[WRITERS];
    struct rec_event all[2 * WRITERS * ROUNDS];
    size_t n = 0;
    add_movie(b, "m");
    add_movie(b, "n");
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){.b = b, .number = i};
        assert_int_equal(pthread_create(&thread[i], NULL, write_on, &w[i]), 0);
        for (int j = 0; j < 2 * ROUNDS; j++)
            event_of(&all[n++], i, j);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(thread[i], NULL);
        if (w[i].failed)
            fail_msg("%s", w[i].err.text);
    }
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), n);
    for (int i = 0; i < 4; i++) {
        const char *user = i & 1 ? "a" : "b", *movie = i & 2 ? "m" : "n";
        struct seen s = ratings_of(b, user);
        double value = 0;
        int64_t time;
        size_t k = 0;
        bool there = judge(&value, &time, all, n, user, movie);
        while (k < s.n && strcmp(s.movie[k], movie) != 0)
            k++;
        assert_int_equal(k < s.n, there);
        assert_true(!there || s.value[k] == value);
    }
}

/* All bring in the same new user at the same moment: each event is stored. */
static pthread_barrier_t start;

static void *bring_in(void *context)
{
    struct writer *w = context;
    struct rec_store store;
    if (rec_store_open(&store, w->b->url, NULL, &both_options, &w->err) < 0)
        fail_msg("%s", w->err.text);
    for (int i = 0; i < 40; i++) {
        char user[16];
        struct rec_event event = {.user = user, .movie = "m", .kind = "like", .time = w->number};
        snprintf(user, sizeof user, "new-%d", i);
        pthread_barrier_wait(&start);
        w->failed += rec_feedback_add(&store, &event, 1, NOW, NULL, &w->err) < 0;
    }
    rec_store_close(&store);
    return NULL;
}

static void new_users_at_once(void **state)
{
    struct both *b = *state;
    struct writer w[WRITERS];
    pthread_t thread[WRITERS];
    add_movie(b, "m");
    pthread_barrier_init(&start, NULL, WRITERS);
    for (int i = 0; i < WRITERS; i++) {
        w[i] = (struct writer){.b = b, .number = i};
        assert_int_equal(pthread_create(&thread[i], NULL, bring_in, &w[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        pthread_join(thread[i], NULL);
        if (w[i].failed)
            fail_msg("%s", w[i].err.text);
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(both_int(b, "SELECT count(*) FROM users"), 40);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 40 * WRITERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stores_and_rates), cmocka_unit_test(present_has_microseconds), cmocka_unit_test(any_order),
        cmocka_unit_test(over_a_load), cmocka_unit_test(same_request_once), cmocka_unit_test(unknown_movie_stores_nothing),
        cmocka_unit_test(bad_events), cmocka_unit_test(events_stay_as_they_are), cmocka_unit_test(lists_events),
        cmocka_unit_test(several_writers), cmocka_unit_test(new_users_at_once),
    };
    return both_run(tests, REC_LENGTH(tests));
}
