/* SPDX-License-Identifier: MIT
 *
 * What comes out of the store as CSV: what rec-ingest reads again, what quoting it needs, and what is new since.
 */
#include "texts.h"

#include <math.h>
#include <time.h>

static void expect_text(struct both *b, enum texts_what what, const struct rec_unload_options *o, const char *want)
{
    char *text = texts_unload(b, what, o);
    if (what == TEXTS_RATINGS)
        text = texts_sorted(text);
    assert_string_equal(text, want);
    free(text);
}

static const struct rec_unload_options plain = {.since_given = false};

static void out_and_in_again(void **state)
{
    struct both *b = *state;
    struct rec_buf csv = {0};
    struct rec_rng rng;
    struct rec_ratings before, after;
    char *text;
    rec_rng_seed(&rng, 7, 0);
    rec_buf_adds(&csv, "userId,movieId,rating,timestamp\n");
    for (int u = 0; u < 300; u++)
        for (int i = 0; i < 20; i++) {
            char value[REC_NUM_MAX];
            float x = rec_rng_below(&rng, 3) ? (float)rec_rng_below(&rng, 100) / 10 : (float)rec_rng_normal(&rng) * 1e-3f;
            rec_buf_addf(&csv, "\"u, %d\",m\xc3\xbc%d,%.*s,%d\n", u * 7919 % 300, (int)rec_rng_below(&rng, 500),
                         (int)rec_num_print_float(value, x), value, 1000000000 + (int)rec_rng_below(&rng, 1000));
        }
    texts_load(b, csv.data, 5);
    text = texts_unload(b, TEXTS_RATINGS, &plain);
    before = texts_ratings(csv.data);
    after = texts_ratings(text);
    assert_int_equal(before.nnz, after.nnz);
    assert_int_equal(before.n_users, after.n_users);
    assert_memory_equal(before.user_ptr, after.user_ptr, (before.n_users + 1) * sizeof *before.user_ptr);
    assert_memory_equal(before.item, after.item, before.nnz * sizeof *before.item);
    assert_memory_equal(before.value, after.value, before.nnz * sizeof *before.value);
    assert_memory_equal(before.time, after.time, before.nnz * sizeof *before.time);
    assert_memory_equal(before.users.bytes, after.users.bytes, (size_t)before.users.offset[before.n_users]);
    free(text);
    rec_ratings_clear(&before);
    rec_ratings_clear(&after);
    rec_buf_clear(&csv);
}

static void headers_and_delimiters(void **state)
{
    struct both *b = *state;
    expect_text(b, TEXTS_RATINGS, &plain, "userId,movieId,rating\n");
    texts_load(b, "user,item,rating\na,\"x;\",1\n", 5);
    expect_text(b, TEXTS_RATINGS, &plain, "userId,movieId,rating\na,x;,1\n");
    expect_text(b, TEXTS_RATINGS, &(struct rec_unload_options){.delimiter = ';'}, "userId;movieId;rating\na;\"x;\";1\n");
    expect_text(b, TEXTS_RATINGS, &(struct rec_unload_options){.no_header = true}, "a,x;,1\n");
}

static void event(struct both *b, const char *user, const char *movie, const char *kind, double value, int64_t time)
{
    const struct rec_event e = {.user = user, .movie = movie, .kind = kind, .value = value, .time = time, .request = kind, .arm = "e/b"};
    size_t added;
    both_ok(b, rec_feedback_add(&b->store, &e, 1, time, &added, &b->err));
    assert_int_equal(added, 1);
}

/* What arrived since: by a load, or by feedback; not by the time of the rating. */
static void since(void **state)
{
    struct both *b = *state;
    struct rec_unload_options o = {.since_given = true};
    texts_load(b, "user,item,rating,time\na,x,1,10\na,y,2,20\nb,x,3,30\nc,x,3,30\n", 1000);
    texts_load(b, "user,item,rating,time\na,x,1,10\na,y,2.5,21\nd,x,5,5\n", 2000);
    event(b, "b", "x", "rating", 4, 3000);
    event(b, "c", "y", "rating", 0.5, 3000);
    event(b, "c", "x", "remove", NAN, 3001);
    event(b, "a", "x", "like", NAN, 3002);
    o.since = 900;
    expect_text(b, TEXTS_RATINGS, &o, "userId,movieId,rating,timestamp\na,x,1,10\na,y,2.5,21\nb,x,4,3000\nc,y,0.5,3000\nd,x,5,5\n");
    o.since = 1900;
    expect_text(b, TEXTS_RATINGS, &o, "userId,movieId,rating,timestamp\na,x,1,10\na,y,2.5,21\nb,x,4,3000\nc,y,0.5,3000\nd,x,5,5\n");
    o.since = 2100;
    expect_text(b, TEXTS_RATINGS, &o, "userId,movieId,rating,timestamp\na,x,1,10\nb,x,4,3000\nc,y,0.5,3000\n");
    o.since = 3001;
    expect_text(b, TEXTS_RATINGS, &o, "userId,movieId,rating,timestamp\na,x,1,10\n");
    o.since = 4000;
    expect_text(b, TEXTS_RATINGS, &o, "userId,movieId,rating,timestamp\n");
    o.since = INT64_MAX;
    expect_text(b, TEXTS_RATINGS, &o, "userId,movieId,rating,timestamp\n");
    o.since = INT64_MIN;
    expect_text(b, TEXTS_FEEDBACK, &(struct rec_unload_options){.since_given = true, .since = 3001},
                "userId,movieId,kind,value,timestamp,requestId,arm,received\nc,x,remove,,3001,remove,e/b,3001.000000\n"
                "a,x,like,,3002,like,e/b,3002.000000\n");
}

/* Rows that are in flight when the mark is taken are found with it: a transaction that has been open for long moves it back. */
static void the_mark_is_before_what_is_in_flight(void **state)
{
    struct both *b = *state;
    struct rec_store other;
    struct rec_out out;
    uint64_t rows;
    int64_t mark, now = time(NULL);
    both_open(&other, b);
    both_ok(b, rec_out_open(&out, "/dev/null", false, &b->err));
    both_ok(b, rec_unload_ratings(&b->store, &plain, &out, &rows, &mark, &b->err));
    assert_in_range(mark, now - 65 - 3600, now - 60 + 5);
    both_ok(b, rec_sql_begin(other.db, REC_SQL_WRITE, &b->err));
    both_ok(b, rec_sql_exec(other.db, NULL, "UPDATE movies SET year = year", REC_SQL_NONE, &b->err));
    sleep(2);
    both_ok(b, rec_unload_ratings(&b->store, &plain, &out, &rows, &mark, &b->err));
    if (strcmp(b->dialect, "postgresql") == 0)
        assert_true(mark <= now + 1 - 60);
    both_ok(b, rec_unload_feedback(&b->store, &plain, &out, &rows, &mark, &b->err));
    rec_store_close(&other);
    rec_out_abort(&out);
}

static void movies(void **state)
{
    struct both *b = *state;
    struct rec_catalogue c;
    char *text;
    texts_load(b, "user,item,rating\na,77,1\n", 5);
    texts_load_movies(b, "movieId,title,genres,year\n1,Heat,Action|Crime,1995\n2,\"Heat (1995)\",Crime,1995\n3,Friends (1994-2004),Comedy,1994\n"
                         "4,\"A, \"\"B\"\"\",(no genres listed),\n");
    expect_text(b, TEXTS_MOVIES, &plain, "movieId,title,genres\n1,Heat (1995),Action|Crime\n2,Heat (1995),Crime\n"
                                         "3,Friends (1994-2004),Comedy\n4,\"A, \"\"B\"\"\",(no genres listed)\n77,,(no genres listed)\n");
    text = texts_unload(b, TEXTS_MOVIES, &plain);
    c = texts_movies(text);
    assert_int_equal(c.n, 5);
    assert_int_equal(c.year[0], 1995);
    assert_int_equal(c.year[2], 1994);
    rec_catalogue_clear(&c);
    free(text);
}

static void feedback(void **state)
{
    struct both *b = *state;
    texts_load(b, "user,item,rating,time\n\"a,1\",x,1,10\n", 1000);
    event(b, "a,1", "x", "rating", 3.7, 1100);
    event(b, "b", "x", "watch", NAN, 1200);
    expect_text(b, TEXTS_FEEDBACK, &plain,
                "userId,movieId,kind,value,timestamp,requestId,arm,received\n\"a,1\",x,rating,3.7,1100,rating,e/b,1100.000000\n"
                "b,x,watch,,1200,watch,e/b,1200.000000\n");
}

/* A closed pipe, a full disk: the error of the output, and the connection can be used again. */
static void an_output_that_fails(void **state)
{
    struct both *b = *state;
    struct rec_buf csv = {0};
    struct rec_out out;
    uint64_t rows;
    rec_buf_adds(&csv, "user,item,rating\n");
    for (int u = 0; u < 400; u++)
        for (int i = 0; i < 100; i++)
            rec_buf_addf(&csv, "%d,item-number-%d,1\n", u, i);
    texts_load(b, csv.data, 5);
    both_ok(b, rec_out_open(&out, "/dev/full", false, &b->err));
    int status = rec_unload_ratings(&b->store, &plain, &out, &rows, NULL, &b->err);
    assert_int_equal(status == 0 ? rec_out_commit(&out, &b->err) : status, -1);
    assert_string_equal(b->err.text, "/dev/full: no space left on device");
    rec_out_abort(&out);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings"), 40000);
    rec_buf_clear(&csv);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_and_in_again),
        cmocka_unit_test(headers_and_delimiters),
        cmocka_unit_test(since),
        cmocka_unit_test(the_mark_is_before_what_is_in_flight),
        cmocka_unit_test(movies),
        cmocka_unit_test(feedback),
        cmocka_unit_test(an_output_that_fails),
    };

    return both_run(tests, REC_LENGTH(tests));
}
