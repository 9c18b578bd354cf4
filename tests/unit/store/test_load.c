/* SPDX-License-Identifier: MIT
 *
 * Loading: a first time, again, and over what is there; what stays out; what a failure leaves.
 */
#include "texts.h"

#include <pthread.h>
#include <time.h>

static void expect_report(struct rec_load_report r, uint64_t added, uint64_t changed, uint64_t same, uint64_t older)
{
    assert_int_equal(r.added, added);
    assert_int_equal(r.changed, changed);
    assert_int_equal(r.same, same);
    assert_int_equal(r.older, older);
}

static void expect_state(struct both *b, const char *want)
{
    char *text = texts_sorted(texts_unload(b, TEXTS_RATINGS, &(struct rec_unload_options){0}));
    assert_string_equal(text, want);
    free(text);
}

static const char first[] = "userId,movieId,rating,timestamp\nann,10,3.7,100\nann,9,5,200\nbob,10,0.5,300\nzoë,\"a,b\",4,400\n";

static void a_first_time(void **state)
{
    struct both *b = *state;
    struct rec_load_report r = texts_load(b, first, 5000);
    expect_report(r, 4, 0, 0, 0);
    assert_int_equal(r.users, 3);
    assert_int_equal(r.movies, 3);
    expect_state(b, "userId,movieId,rating,timestamp\nann,10,3.7,100\nann,9,5,200\nbob,10,0.5,300\nzoë,\"a,b\",4,400\n");
    assert_int_equal(both_int(b, "SELECT count(*) FROM loads WHERE what = 'ratings' AND source = 'test' AND digest = 4275878552 AND started = 5000 "
                                 "AND finished BETWEEN 5000 AND 5030 AND rows = 4 AND added = 4 AND changed = 0 AND timed = 1"), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings WHERE load_id = (SELECT max(id) FROM loads)"), 4);
    /* As people write it, not as a float cast to a double. */
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings WHERE CAST(value AS TEXT) = '3.7'"), 1);
}

static void the_same_again_changes_nothing(void **state)
{
    struct both *b = *state;
    int64_t load;
    texts_load(b, first, 5000);
    load = both_int(b, "SELECT max(id) FROM loads");
    struct rec_load_report r = texts_load(b, first, 6000);
    expect_report(r, 0, 0, 4, 0);
    assert_int_equal(r.users, 0);
    assert_int_equal(r.movies, 0);
    assert_int_equal(both_int(b, "SELECT count(*) FROM loads"), 2);
    assert_int_equal(both_int(b, "SELECT min(load_id) FROM ratings"), load);
    assert_int_equal(both_int(b, "SELECT max(load_id) FROM ratings"), load);
}

static void what_differs_is_merged(void **state)
{
    struct both *b = *state;
    texts_load(b, first, 5000);
    struct rec_load_report r = texts_load(b, "userId,movieId,rating,timestamp\n"
                                             "ann,10,1,99\n"       /* earlier: the store's stays */
                                             "ann,9,4.5,200\n"     /* at the same time: the new one */
                                             "bob,10,0.5,301\n"    /* the same value, later */
                                             "bob,9,2,1\n"         /* new */
                                             "eve,77,3,5\n"        /* new, with its user and film */
                                             "zoë,\"a,b\",4,400\n", 6000);
    expect_report(r, 2, 2, 1, 1);
    assert_int_equal(r.users, 1);
    assert_int_equal(r.movies, 1);
    expect_state(b, "userId,movieId,rating,timestamp\nann,10,3.7,100\nann,9,4.5,200\nbob,10,0.5,301\nbob,9,2,1\neve,77,3,5\n"
                    "zoë,\"a,b\",4,400\n");
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings WHERE load_id = (SELECT max(id) FROM loads)"), 4);
    assert_int_equal(both_int(b, "SELECT rows * 100 + added * 10 + changed FROM loads ORDER BY id DESC LIMIT 1"), 622);
}

/* A file that brings more than there is, and one that brings less: PostgreSQL goes two ways. */
static void more_than_there_is(void **state)
{
    struct both *b = *state;
    struct rec_buf csv = {0};
    struct rec_load_report r;
    texts_load(b, first, 5000);
    rec_buf_adds(&csv, "userId,movieId,rating,timestamp\nann,10,1,99\nann,9,4.5,200\nbob,10,0.5,300\n");
    for (int i = 0; i < 100; i++)
        rec_buf_addf(&csv, "bob,new%d,%d,%d\n", i, i % 5, i);
    r = texts_load(b, csv.data, 6000);
    expect_report(r, 100, 1, 1, 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings"), 104);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings WHERE load_id = (SELECT max(id) FROM loads)"), 101);
    expect_report(texts_load(b, csv.data, 7000), 0, 0, 102, 1);
    /* The key is there again. */
    assert_int_equal(rec_sql_exec(b->store.db, NULL, "INSERT INTO ratings SELECT * FROM ratings", REC_SQL_NONE, &b->err), -1);
    assert_int_equal(rec_sql_fault(b->store.db), REC_SQL_UNIQUE);
    rec_buf_clear(&csv);
}

/* Without a time a rating counts as the earliest there is. */
static void ratings_without_times(void **state)
{
    struct both *b = *state;
    expect_report(texts_load(b, "user,item,rating\na,x,1\na,y,2\n", 5000), 2, 0, 0, 0);
    expect_state(b, "userId,movieId,rating\na,x,1\na,y,2\n");
    expect_report(texts_load(b, "user,item,rating\na,x,1\na,y,3\n", 5001), 0, 1, 1, 0);
    expect_report(texts_load(b, "user,item,rating,time\na,x,4,70\n", 5002), 0, 1, 0, 0);
    expect_report(texts_load(b, "user,item,rating\na,x,1\na,y,3\n", 5003), 0, 0, 1, 1);
    expect_state(b, "userId,movieId,rating,timestamp\na,x,4,70\na,y,3,0\n");
    /* What came out is the same when it is loaded again. */
    expect_report(texts_load(b, "userId,movieId,rating,timestamp\na,x,4,70\na,y,3,0\n", 5004), 0, 0, 2, 0);
}

/* Rows of users and films made in another order than that of their ids; a file large enough for every path of sorting. */
static void any_order_of_rows(void **state)
{
    struct both *b = *state;
    struct rec_buf csv = {0}, sorted = {0};
    struct rec_rng rng;
    char *out, *want;
    texts_load(b, "user,item,rating,time\nu9,i9,1,1\n", 10);
    texts_load(b, "user,item,rating,time\nu3,i30,1,1\n", 11);
    texts_load(b, "user,item,rating,time\nu1,i2,1,1\n", 12);
    both_ok(b, rec_sql_exec(b->store.db, NULL, "DELETE FROM ratings", REC_SQL_NONE, &b->err));
    rec_rng_seed(&rng, 1, 0);
    rec_buf_adds(&csv, "userId,movieId,rating,timestamp\n");
    for (int u = 0; u < 40; u++)
        for (int i = 0; i < 40; i++)
            if (rec_rng_below(&rng, 2))
                rec_buf_addf(&csv, "u%d,i%d,%d.5,%d\n", u, i, (int)rec_rng_below(&rng, 5), (int)rec_rng_below(&rng, 1000) - 500);
    struct rec_load_report r = texts_load(b, csv.data, 20);
    assert_int_equal(r.added, r.rows);
    out = texts_sorted(texts_unload(b, TEXTS_RATINGS, &(struct rec_unload_options){0}));
    want = texts_sorted(strdup(csv.data));
    assert_string_equal(out, want);
    assert_int_equal(texts_load(b, csv.data, 30).same, r.rows);
    free(out);
    free(want);
    rec_buf_clear(&csv);
    rec_buf_clear(&sorted);
}

static void everything_in_empty_files(void **state)
{
    struct both *b = *state;
    struct rec_ratings none = {.user_ptr = (const int64_t[]){0}};
    struct rec_load_report report;
    none.users.offset = none.items.offset = (const int64_t[]){0};
    both_ok(b, rec_load_ratings(&b->store, &none, &(struct rec_load_options){.now = 5}, &report, &b->err));
    expect_report(report, 0, 0, 0, 0);
    expect_state(b, "userId,movieId,rating\n");
}

/* A part that rec-split made names all users and films: those without a rating in it are not made. */
static void only_those_with_ratings_are_made(void **state)
{
    struct both *b = *state;
    struct rec_ratings r = texts_ratings("user,item,rating\na,x,1\nb,y,2\nc,z,3\n"), part;
    struct rec_load_report report;
    both_ok(b, rec_split_take(&part, &r, (const uint8_t[]){0, 1, 0}, 1, &b->err));
    both_ok(b, rec_load_ratings(&b->store, &part, &(struct rec_load_options){.now = 5}, &report, &b->err));
    assert_int_equal(report.users, 1);
    assert_int_equal(report.movies, 1);
    expect_state(b, "userId,movieId,rating\nb,y,2\n");
    rec_ratings_clear(&part);
    rec_ratings_clear(&r);
}

static void forget(struct both *b, uint32_t version, const char *user)
{
    unsigned char hash[REC_HASH_BYTES];
    both_ok(b, rec_store_lookup(hash, &b->store, version, "user", user, strlen(user), &b->err));
    both_ok(b, rec_sql_exec(b->store.db, NULL, "INSERT INTO forgotten (hash, key_version, time) VALUES ($1, $2, 1)",
                            REC_SQL(rec_sql_blob(hash, sizeof hash), rec_sql_int(version)), &b->err));
}

static void people_who_were_forgotten_stay_so(void **state)
{
    struct both *b = *state;
    struct rec_ratings r = texts_ratings(first);
    struct rec_load_report report;
    forget(b, 1, "ann");
    forget(b, 2, "nobody in the file");
    forget(b, 2, "zoë");
    report = texts_load(b, first, 5000);
    expect_report(report, 1, 0, 0, 0);
    assert_int_equal(report.forgotten, 3);
    assert_int_equal(report.users, 1);
    expect_state(b, "userId,movieId,rating,timestamp\nbob,10,0.5,300\n");
    assert_int_equal(both_int(b, "SELECT count(*) FROM users WHERE name <> 'bob'"), 0);
    assert_int_equal(texts_load(b, first, 5001).forgotten, 3);
    /* Without keys nobody can tell who is who, and nothing is loaded. */
    b->store.keys = NULL;
    assert_int_equal(rec_load_ratings(&b->store, &r, &(struct rec_load_options){.now = 5}, &report, &b->err), -1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM loads"), 2);
    rec_ratings_clear(&r);
}

static void feedback(struct both *b, const char *user, const char *movie, const char *kind, const double *value, int64_t time)
{
    both_ok(b, rec_sql_exec(b->store.db, NULL,
                            "INSERT INTO feedback (received, time, user_id, movie_id, part, value, kind, request) "
                            "SELECT CAST($1 AS BIGINT), CAST($2 AS BIGINT), u.id, m.id, 0, CAST($3 AS REAL), CAST($4 AS TEXT), CAST($5 AS TEXT) "
                            "FROM users u, movies m WHERE u.name = $6 AND m.name = $7",
                            REC_SQL(rec_sql_int(time * 1000000), rec_sql_int(time), value ? rec_sql_real(*value) : rec_sql_null(),
                                    rec_sql_text(kind), rec_sql_text(kind), rec_sql_text(user), rec_sql_text(movie)), &b->err));
}

static void what_was_taken_back_stays_away(void **state)
{
    struct both *b = *state;
    texts_load(b, first, 5000);
    feedback(b, "ann", "9", "remove", NULL, 250);
    feedback(b, "bob", "10", "remove", NULL, 250);   /* before the rating: no matter */
    both_ok(b, rec_sql_exec(b->store.db, NULL, "DELETE FROM ratings WHERE time IN (200, 400)", REC_SQL_NONE, &b->err));
    expect_report(texts_load(b, first, 6000), 1, 0, 2, 1);
    expect_state(b, "userId,movieId,rating,timestamp\nann,10,3.7,100\nbob,10,0.5,300\nzoë,\"a,b\",4,400\n");
    both_ok(b, rec_sql_exec(b->store.db, NULL, "DELETE FROM ratings", REC_SQL_NONE, &b->err));
    expect_report(texts_load(b, first, 7000), 3, 0, 0, 1);
    expect_report(texts_load(b, "userId,movieId,rating,timestamp\nann,9,1,251\n", 8000), 1, 0, 0, 0);
}

/* Ids that the store refuses: nothing of the file is there afterwards, and the next load works. */
static void a_failure_leaves_nothing(void **state)
{
    struct both *b = *state;
    static char id[300];
    const int64_t users[] = {0, 1, 301}, items[] = {0, 1}, ptr[] = {0, 1, 2};
    const int32_t item[] = {0, 0};
    const float value[] = {1, 2};
    struct rec_ratings r = {.n_users = 2, .n_items = 1, .nnz = 2, .user_ptr = ptr, .item = item, .value = value};
    struct rec_load_report report;
    memset(id, 'u', sizeof id);
    id[0] = 'a';
    char bytes[302];
    memcpy(bytes, "a", 1);
    memset(bytes + 1, 'u', 300);
    r.users = (struct rec_ids){.bytes = bytes, .offset = users, .n = 2};
    r.items = (struct rec_ids){.bytes = "x", .offset = items, .n = 1};
    assert_int_equal(rec_load_ratings(&b->store, &r, &(struct rec_load_options){.now = 5}, &report, &b->err), -1);
    assert_false(rec_sql_in_transaction(b->store.db));
    assert_int_equal(both_int(b, "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM ratings) + (SELECT count(*) FROM loads)"), 0);
    texts_load(b, first, 6);
}

struct other {
    struct both *b;
    const char *csv;
    struct rec_load_report report;
    struct rec_err err;
    int status;
};

static void *load_beside(void *context)
{
    struct other *o = context;
    struct rec_store store;
    struct rec_ratings r = texts_ratings(o->csv);
    o->status = rec_store_open(&store, o->b->url, NULL, &both_options, &o->err);
    if (o->status == 0)
        o->status = rec_load_ratings(&store, &r, &(struct rec_load_options){.now = 7}, &o->report, &o->err);
    rec_store_close(&store);
    rec_ratings_clear(&r);
    return NULL;
}

/* Two loaders of one file at once: one adds, the other finds it there. */
static void two_loaders_take_turns(void **state)
{
    struct both *b = *state;
    struct rec_buf csv = {0};
    pthread_t thread[3];
    struct other other[3];
    uint64_t added = 0;
    rec_buf_adds(&csv, "user,item,rating,time\n");
    for (int u = 0; u < 60; u++)
        for (int i = 0; i < 60; i++)
            rec_buf_addf(&csv, "%d,%d,%d,%d\n", u, i, i % 5, u);
    for (int i = 0; i < 3; i++) {
        other[i] = (struct other){.b = b, .csv = csv.data};
        assert_int_equal(pthread_create(&thread[i], NULL, load_beside, &other[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(thread[i], NULL);
        if (other[i].status < 0)
            fail_msg("%s", other[i].err.text);
        assert_int_equal(other[i].report.added + other[i].report.same, 3600);
        added += other[i].report.added;
    }
    assert_int_equal(added, 3600);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings"), 3600);
    assert_int_equal(both_int(b, "SELECT count(*) FROM loads"), 3);
    rec_buf_clear(&csv);
}

/* Later than what any load brings, while loads go on: every one of them is the state in the end. */
static void feedback_beside_loads(void **state)
{
    enum { N = 60 };
    struct both *b = *state;
    struct rec_buf csv[2] = {{0}, {0}};
    pthread_t thread[2];
    struct other other[2];
    for (int k = 0; k < 2; k++) {
        rec_buf_adds(&csv[k], "user,item,rating,time\n");
        for (int u = 0; u < N; u++)
            for (int i = k; i < N; i++)
                rec_buf_addf(&csv[k], "%d,%d,%d,%d\n", u, i, (u + i) % 5, u + k);
    }
    texts_load(b, csv[0].data, 5);
    for (int k = 0; k < 2; k++) {
        other[k] = (struct other){.b = b, .csv = csv[1 - k].data};
        assert_int_equal(pthread_create(&thread[k], NULL, load_beside, &other[k]), 0);
    }
    for (int u = N - 1; u >= 0; u--) {
        char user[16], movie[2][16];
        struct rec_event e[2];
        size_t added;
        snprintf(user, sizeof user, "%d", u);
        for (int k = 0; k < 2; k++) {
            snprintf(movie[k], sizeof movie[k], "%d", (u + k * 7) % N);
            e[k] = (struct rec_event){.user = user, .movie = movie[k], .kind = "rating", .value = 9.7, .time = 5000};
        }
        both_ok(b, rec_feedback_add(&b->store, e, 2, 5000, &added, &b->err));
    }
    for (int k = 0; k < 2; k++) {
        pthread_join(thread[k], NULL);
        if (other[k].status < 0)
            fail_msg("%s", other[k].err.text);
        rec_buf_clear(&csv[k]);
    }
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings WHERE time = 5000 AND load_id = 0 AND CAST(value AS TEXT) = '9.7'"), 2 * N);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings"), N * N);
}

struct taking_back {
    struct rec_store store;
    struct rec_err err;
    int times;
};

/* Before the merge, when the file has been compared already. */
static void take_back(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct taking_back *t = context;
    const struct rec_event e = {.user = "ann", .movie = "11", .kind = "remove", .value = 0, .time = 6000};
    size_t added;
    (void)done;
    (void)total;
    if (strcmp(what, "merge") != 0)
        return;
    if (rec_feedback_add(&t->store, &e, 1, time(NULL), &added, &t->err) < 0)
        fail_msg("%s", t->err.text);
    t->times++;
}

/* PostgreSQL: who takes a rating back while a load brings it finds nothing to remove, and yet it is gone in the end. */
static void taken_back_meanwhile(void **state)
{
    struct both *b = *state;
    struct rec_ratings r = texts_ratings("userId,movieId,rating,timestamp\nann,11,1,50\nann,12,1,50\n");
    struct rec_load_report report;
    struct taking_back t = {.times = 0};
    texts_load(b, first, 5000);
    texts_load(b, "userId,movieId,rating,timestamp\neve,11,1,1\n", 5001);
    both_open(&t.store, b);
    both_ok(b, rec_load_ratings(&b->store, &r, &(struct rec_load_options){.now = time(NULL), .progress = take_back, .context = &t}, &report, &b->err));
    assert_int_equal(t.times, strcmp(b->dialect, "postgresql") == 0);
    expect_report(report, 2 - (uint64_t)t.times, 0, 0, (uint64_t)t.times);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings"), 7 - t.times);
    rec_store_close(&t.store);
    rec_ratings_clear(&r);
}

static void movies(void **state)
{
    struct both *b = *state;
    struct rec_catalogue c;
    struct rec_load_report r;
    texts_load(b, first, 5);
    r = texts_load_movies(b, "movieId,title,genres\n10,GoldenEye (1995),Action|Adventure\n11,\"American President, The (1995)\",Comedy\n"
                             "12,Ghost,(no genres listed)\n");
    expect_report(r, 2, 1, 0, 0);
    assert_int_equal(r.movies, 2);
    assert_int_equal(both_int(b, "SELECT count(*) FROM movies WHERE name = '10' AND title = 'GoldenEye (1995)' AND year = 1995 "
                                 "AND genres = 'Action|Adventure'"), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM movies WHERE name = '12' AND title = 'Ghost' AND year = 0 AND genres = ''"), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM movies WHERE name = '9' AND title = ''"), 1);
    r = texts_load_movies(b, "movieId,title,genres\n10,GoldenEye (1995),Action\n11,\"American President, The (1995)\",Comedy\n");
    expect_report(r, 0, 1, 1, 0);
    assert_int_equal(both_int(b, "SELECT count(*) FROM movies"), 5);
    assert_int_equal(both_int(b, "SELECT count(*) FROM loads WHERE what = 'movies' AND timed = 0"), 2);
    c = texts_movies("movieId,title,genres\n1,A,x\n");
    c.genres.bytes = "|";
    assert_int_equal(rec_load_movies(&b->store, &c, &(struct rec_load_options){.now = 5}, &r, &b->err), -1);
    assert_non_null(strstr(b->err.text, "genre \"|\": holds a '|'"));
    assert_int_equal(both_int(b, "SELECT count(*) FROM movies"), 5);
    rec_catalogue_clear(&c);
}

struct told {
    uint64_t calls, greatest, total;
};

static void on_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct told *told = context;
    told->calls++;
    if (strcmp(what, "ratings") == 0) {
        told->greatest = done > told->greatest ? done : told->greatest;
        told->total = total;
    }
}

static void progress_is_told(void **state)
{
    struct both *b = *state;
    struct rec_ratings r = texts_ratings(first);
    struct rec_load_report report;
    struct told told = {0};
    both_ok(b, rec_load_ratings(&b->store, &r, &(struct rec_load_options){.now = 5, .progress = on_progress, .context = &told}, &report, &b->err));
    assert_true(told.calls >= 2);
    assert_int_equal(told.greatest, 4);
    assert_int_equal(told.total, 4);
    rec_ratings_clear(&r);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_time),
        cmocka_unit_test(the_same_again_changes_nothing),
        cmocka_unit_test(what_differs_is_merged),
        cmocka_unit_test(more_than_there_is),
        cmocka_unit_test(ratings_without_times),
        cmocka_unit_test(any_order_of_rows),
        cmocka_unit_test(everything_in_empty_files),
        cmocka_unit_test(only_those_with_ratings_are_made),
        cmocka_unit_test(people_who_were_forgotten_stay_so),
        cmocka_unit_test(what_was_taken_back_stays_away),
        cmocka_unit_test(a_failure_leaves_nothing),
        cmocka_unit_test(two_loaders_take_turns),
        cmocka_unit_test(feedback_beside_loads),
        cmocka_unit_test(taken_back_meanwhile),
        cmocka_unit_test(movies),
        cmocka_unit_test(progress_is_told),
    };

    return both_run(tests, REC_LENGTH(tests));
}
