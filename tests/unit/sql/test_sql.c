/* SPDX-License-Identifier: MIT
 *
 * What both databases do alike: values, statements, faults, transactions. Copying is in test_copy.c.
 */
#include "databases.h"

#include <math.h>
#include <pthread.h>

static const char things[] = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, word TEXT UNIQUE, n BIGINT NOT NULL DEFAULT 0 CHECK (n >= 0));"
                             "CREATE TABLE child (id BIGINT NOT NULL PRIMARY KEY, t_id BIGINT NOT NULL REFERENCES t (id))";

static int add(struct rec_sql *db, int64_t id, const char *word)
{
    return rec_sql_exec(db, NULL, "INSERT INTO t (id, word) VALUES ($1, $2)", REC_SQL(rec_sql_int(id), rec_sql_text(word)), &err);
}

static int64_t count(struct rec_sql *db)
{
    return get(db, "SELECT count(*) FROM t");
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- values -------------------------------------------------------------------------------------- */

static const char columns[] = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, i BIGINT, r DOUBLE PRECISION, x TEXT, b BYTES)";
static const char put[] = "INSERT INTO t (id, i, r, x, b) VALUES ($1, $2, $3, $4, $5)";

static void same(const struct rec_sql_value *got, const struct rec_sql_value *want)
{
    assert_int_equal(got->type, want->type);
    switch (want->type) {
    case REC_SQL_INT:
        assert_true(got->integer == want->integer);
        break;
    case REC_SQL_REAL: /* SQLite keeps no sign of zero */
        assert_true(got->real == want->real);
        break;
    case REC_SQL_TEXT:
        assert_int_equal(got->text[got->len], '\0');
        /* fall through */
    case REC_SQL_BLOB:
        assert_int_equal(got->len, want->len);
        assert_non_null(got->blob);
        if (want->len > 0)
            assert_memory_equal(got->blob, want->blob, want->len);
        break;
    default:
        break;
    }
}

static void values_come_back(void **state)
{
    enum { LONG = 10 * 1000 * 1000 };
    struct rec_sql *db = fresh(*state, columns);
    char *long_text = malloc(LONG), *long_blob = malloc(LONG);
    assert_true(long_text != NULL && long_blob != NULL);
    memset(long_text, 'x', LONG);
    for (size_t i = 0; i < LONG; i++)
        long_blob[i] = (char)(i * 7);
    const struct rec_sql_value rows[][4] = {
        {rec_sql_null(), rec_sql_null(), rec_sql_null(), rec_sql_null()},
        {rec_sql_int(INT64_MIN), rec_sql_real(0.1), rec_sql_text(""), rec_sql_blob("", 0)},
        {rec_sql_int(INT64_MAX), rec_sql_real(-0.0), rec_sql_text("film 7: \303\211t\303\251 \360\237\216\254 'quoted' \"twice\" $1 ?"),
         rec_sql_blob("\0\1\0\377", 4)},
        {rec_sql_int(0), rec_sql_real(1.7976931348623157e308), rec_sql_bytes("abcdef", 3), rec_sql_blob(NULL, 0)},
        {rec_sql_int(-1), rec_sql_real(4.9406564584124654e-324), rec_sql_text("4"), rec_sql_blob("4", 1)},
        {rec_sql_int(1), rec_sql_real(1.0 / 3), rec_sql_bytes(long_text, LONG), rec_sql_blob(long_blob, LONG)},
        {rec_sql_int(1) , rec_sql_real(4), rec_sql_text("4.0"), rec_sql_blob("\\x41", 4)},
    };
    for (size_t i = 0; i < REC_LENGTH(rows); i++)
        ok(rec_sql_exec(db, NULL, put, REC_SQL(rec_sql_int((int64_t)i), rows[i][0], rows[i][1], rows[i][2], rows[i][3]), &err));
    struct rec_sql_rows got;
    ok(rec_sql_query(&got, db, "SELECT i, r, x, b FROM t WHERE id >= $1 ORDER BY id", REC_SQL(rec_sql_int(0)), &err));
    for (size_t i = 0; i < REC_LENGTH(rows); i++) {
        assert_int_equal(rec_sql_next(&got, &err), 1);
        assert_int_equal(got.n, 4);
        for (size_t j = 0; j < 4; j++)
            same(&got.value[j], &rows[i][j]);
    }
    assert_int_equal(rec_sql_next(&got, &err), 0);
    assert_int_equal(rec_sql_next(&got, &err), 0);
    rec_sql_done(&got);
    rec_sql_close(db);
    free(long_text);
    free(long_blob);
}

static void parameters_go_by_their_number(void **state)
{
    struct rec_sql *db = fresh(*state, things);
    int64_t x;
    assert_int_equal(rec_sql_get_int(&x, db, "SELECT CAST($2 AS bigint) * 10 - CAST($1 AS bigint) + CAST($2 AS bigint)",
                                     REC_SQL(rec_sql_int(1), rec_sql_int(2)), &err), 1);
    assert_int_equal(x, 21);
    /* Too few or too many are a mistake of the program; nothing is run. */
    ok(add(db, 1, "a"));
    assert_int_equal(rec_sql_exec(db, NULL, "DELETE FROM t WHERE id = $1", REC_SQL_NONE, &err), -1);
    assert_int_equal(rec_sql_exec(db, NULL, "DELETE FROM t WHERE id = $1 ", REC_SQL(rec_sql_int(1), rec_sql_int(1)), &err), -1);
    assert_int_equal(count(db), 1);
    rec_sql_close(db);
}

static void changes_are_counted(void **state)
{
    static const char insert[] = "INSERT INTO t (id, word) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    static const char upsert[] = "INSERT INTO t (id, word) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET word = excluded.word";
    struct rec_sql *db = fresh(*state, things);
    int64_t n = -1;
    ok(rec_sql_exec(db, &n, insert, REC_SQL(rec_sql_int(1), rec_sql_text("a")), &err));
    assert_int_equal(n, 1);
    ok(rec_sql_exec(db, &n, insert, REC_SQL(rec_sql_int(1), rec_sql_text("b")), &err));
    assert_int_equal(n, 0);
    ok(rec_sql_exec(db, &n, upsert, REC_SQL(rec_sql_int(1), rec_sql_text("b")), &err));
    assert_int_equal(n, 1);
    ok(rec_sql_exec(db, &n, upsert, REC_SQL(rec_sql_int(2), rec_sql_text("c")), &err));
    assert_int_equal(n, 1);
    ok(rec_sql_exec(db, &n, "UPDATE t SET n = n + 1", REC_SQL_NONE, &err));
    assert_int_equal(n, 2);
    ok(rec_sql_exec(db, &n, "CREATE INDEX t_n ON t (n)", REC_SQL_NONE, &err));
    assert_int_equal(n, 0);
    ok(rec_sql_exec(db, &n, "DELETE FROM t WHERE id < $1", REC_SQL(rec_sql_int(100)), &err));
    assert_int_equal(n, 2);
    rec_sql_close(db);
}

static void returning_gives_rows(void **state)
{
    static const char sql[] = "INSERT INTO t (id, word) VALUES ($1, $2), ($3, $4) RETURNING id, word, n";
    struct rec_sql *db = fresh(*state, things);
    struct rec_sql_rows rows;
    int64_t id;
    ok(rec_sql_query(&rows, db, sql, REC_SQL(rec_sql_int(1), rec_sql_text("a"), rec_sql_int(2), rec_sql_text("b")), &err));
    assert_int_equal(rec_sql_next(&rows, &err), 1);
    assert_int_equal(rows.value[0].integer, 1);
    assert_string_equal(rows.value[1].text, "a");
    assert_int_equal(rows.value[2].integer, 0);
    assert_int_equal(rec_sql_next(&rows, &err), 1);
    assert_int_equal(rec_sql_next(&rows, &err), 0);
    rec_sql_done(&rows);
    /* One row is asked for; the statement is carried out all the same. */
    assert_int_equal(rec_sql_get_int(&id, db, "UPDATE t SET n = 5 WHERE id = $1 RETURNING id", REC_SQL(rec_sql_int(2)), &err), 1);
    assert_int_equal(get(db, "SELECT count(*) FROM t WHERE n = 5"), 1);
    /* Several rows, of which one is looked at: all are there, and for others too. */
    assert_int_equal(rec_sql_get_int(&id, db, "INSERT INTO t (id) VALUES (3), (4), (5) RETURNING id", REC_SQL_NONE, &err), 1);
    struct rec_sql *other = join(*state);
    assert_int_equal(count(other), 5);
    rec_sql_close(other);
    rec_sql_close(db);
}

static void one_number_is_got(void **state)
{
    struct rec_sql *db = fresh(*state, things);
    int64_t x = 7;
    assert_int_equal(rec_sql_get_int(&x, db, "SELECT id FROM t WHERE id = 99", REC_SQL_NONE, &err), 0);
    assert_int_equal(rec_sql_get_int(&x, db, "SELECT max(id) FROM t", REC_SQL_NONE, &err), 0);
    assert_int_equal(rec_sql_get_int(&x, db, "SELECT count(*) FROM t", REC_SQL_NONE, &err), 1);
    assert_int_equal(x, 0);
    failed(rec_sql_get_int(&x, db, "SELECT 'abc'", REC_SQL_NONE, &err), db, REC_SQL_OTHER);
    rec_sql_close(db);
}

static void statements_may_be_open_together(void **state)
{
    struct rec_sql *db = fresh(*state, things);
    struct rec_sql_rows outer, inner;
    int64_t pairs = 0;
    for (int64_t i = 1; i <= 20; i++)
        ok(add(db, i, NULL));
    ok(rec_sql_query(&outer, db, "SELECT id FROM t ORDER BY id", REC_SQL_NONE, &err));
    while (rec_sql_next(&outer, &err) > 0) {
        int64_t id = outer.value[0].integer;
        ok(rec_sql_query(&inner, db, "SELECT id FROM t WHERE id <= $1", REC_SQL(rec_sql_int(id)), &err));
        while (rec_sql_next(&inner, &err) > 0)
            pairs++;
        rec_sql_done(&inner);
        ok(rec_sql_exec(db, NULL, "UPDATE t SET n = n + 1 WHERE id = $1", REC_SQL(rec_sql_int(id)), &err));
    }
    rec_sql_done(&outer);
    assert_int_equal(pairs, 210);
    assert_int_equal(get(db, "SELECT count(*) FROM t WHERE n = 1"), 20);
    /* Left in the middle, and run again. */
    for (int i = 0; i < 3; i++) {
        ok(rec_sql_query(&outer, db, "SELECT id FROM t ORDER BY id", REC_SQL_NONE, &err));
        assert_int_equal(rec_sql_next(&outer, &err), 1);
        assert_int_equal(outer.value[0].integer, 1);
        rec_sql_done(&outer);
        rec_sql_done(&outer);
    }
    rec_sql_close(db);
}

static void statements_live_through_a_change_of_schema(void **state)
{
    static const char all[] = "SELECT * FROM t", insert[] = "INSERT INTO t (id) VALUES ($1)";
    static const char *const alter[] = {"ALTER TABLE t ADD COLUMN two BIGINT DEFAULT 2", "ALTER TABLE t ADD COLUMN three BIGINT DEFAULT 3", ""};
    struct rec_sql *db = fresh(*state, things), *other = join(*state);
    struct rec_sql_rows rows;
    for (int64_t i = 1; i <= 3; i++) {
        ok(rec_sql_exec(db, NULL, insert, REC_SQL(rec_sql_int(i)), &err));
        ok(rec_sql_query(&rows, db, all, REC_SQL_NONE, &err));
        assert_int_equal(rec_sql_next(&rows, &err), 1);
        assert_int_equal(rows.n, 2 + i);
        if (i > 1)
            assert_int_equal(rows.value[i + 1].integer, i);
        rec_sql_done(&rows);
        ok(rec_sql_script(other, alter[i - 1], &err));
    }
    rec_sql_close(other);
    rec_sql_close(db);
}

/* ---- faults -------------------------------------------------------------------------------------- */

static void faults_are_told_apart(void **state)
{
    static const char child[] = "INSERT INTO child (id, t_id) VALUES ($1, $2)";
    struct rec_sql *db = fresh(*state, things);
    ok(add(db, 1, "a"));
    ok(rec_sql_exec(db, NULL, child, REC_SQL(rec_sql_int(1), rec_sql_int(1)), &err));
    failed(add(db, 1, "b"), db, REC_SQL_UNIQUE);
    failed(add(db, 2, "a"), db, REC_SQL_UNIQUE);
    assert_non_null(strstr(err.text, "word"));
    failed(rec_sql_exec(db, NULL, "UPDATE t SET n = $1", REC_SQL(rec_sql_int(-1)), &err), db, REC_SQL_CONSTRAINT);
    assert_non_null(strstr(err.text, "check"));
    failed(rec_sql_exec(db, NULL, "UPDATE t SET n = $1", REC_SQL(rec_sql_null()), &err), db, REC_SQL_CONSTRAINT);
    assert_non_null(strstr(err.text, "n"));
    failed(rec_sql_exec(db, NULL, child, REC_SQL(rec_sql_int(2), rec_sql_int(99)), &err), db, REC_SQL_CONSTRAINT);
    assert_non_null(strstr(err.text, "child"));
    failed(rec_sql_exec(db, NULL, "DELETE FROM t WHERE id = $1", REC_SQL(rec_sql_int(1)), &err), db, REC_SQL_CONSTRAINT);
    assert_non_null(strstr(err.text, "child"));
    failed(rec_sql_exec(db, NULL, "SELEC 1", REC_SQL_NONE, &err), db, REC_SQL_OTHER);
    failed(rec_sql_exec(db, NULL, "SELECT a FROM no_such_table", REC_SQL_NONE, &err), db, REC_SQL_OTHER);
    assert_non_null(strstr(err.text, "no_such_table"));
    failed(rec_sql_exec(db, NULL, "SELECT 1; SELECT 2", REC_SQL_NONE, &err), db, REC_SQL_OTHER);
    assert_int_equal(count(db), 1);
    rec_sql_close(db);
}

static void scripts_stop_at_the_first_error(void **state)
{
    struct rec_sql *db = fresh(*state, things);
    ok(rec_sql_script(db, "INSERT INTO t (id) VALUES (1);\n-- a comment; with a semicolon\nINSERT INTO t (id, word) VALUES (2, 'a;b');\n", &err));
    assert_int_equal(count(db), 2);
    ok(rec_sql_script(db, "", &err));
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    failed(rec_sql_script(db, "INSERT INTO t (id) VALUES (3);\nINSERT INTO no_such_table VALUES (1);\nINSERT INTO t (id) VALUES (4)", &err), db,
           REC_SQL_OTHER);
    assert_non_null(strstr(err.text, "line 2"));
    rec_sql_rollback(db);
    assert_int_equal(count(db), 2);
    failed(rec_sql_script(db, "BEGIN; INSERT INTO t (id) VALUES (3)", &err), db, REC_SQL_OTHER);
    assert_int_equal(count(db), 2);
    rec_sql_close(db);
}

/* ---- transactions -------------------------------------------------------------------------------- */

static void transactions_are_all_or_nothing(void **state)
{
    struct rec_sql *db = fresh(*state, things), *other = join(*state);
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    assert_true(rec_sql_in_transaction(db));
    ok(rec_sql_lock(db, "word", 1, &err));
    ok(add(db, 1, "a"));
    assert_int_equal(count(db), 1);
    assert_int_equal(count(other), 0);
    ok(rec_sql_commit(db, &err));
    assert_false(rec_sql_in_transaction(db));
    assert_int_equal(count(other), 1);
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(add(db, 2, "b"));
    rec_sql_rollback(db);
    rec_sql_rollback(db);
    assert_int_equal(count(other), 1);
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(add(db, 3, "c"));
    rec_sql_close(db);
    assert_int_equal(count(other), 1);
    ok(add(other, 3, "c"));
    rec_sql_close(other);
}

static void a_transaction_that_failed_is_only_rolled_back(void **state)
{
    struct rec_sql *db = fresh(*state, things);
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(add(db, 1, "a"));
    failed(add(db, 1, "b"), db, REC_SQL_UNIQUE);
    failed(add(db, 2, "b"), db, REC_SQL_UNIQUE);
    assert_true(rec_sql_in_transaction(db));
    failed(rec_sql_commit(db, &err), db, REC_SQL_UNIQUE);
    assert_false(rec_sql_in_transaction(db));
    assert_int_equal(count(db), 0);
    /* Nothing was open, so that nothing is in the way. */
    failed(add(db, 1, "a") < 0 ? 0 : add(db, 1, "a"), db, REC_SQL_UNIQUE);
    ok(add(db, 2, "b"));
    rec_sql_close(db);
}

static void transactions_are_not_nested(void **state)
{
    struct rec_sql *db = fresh(*state, things);
    failed(rec_sql_commit(db, &err), db, REC_SQL_OTHER);
    failed(rec_sql_lock(db, "word", 1, &err), db, REC_SQL_OTHER);
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(add(db, 1, "a"));
    failed(rec_sql_begin(db, REC_SQL_WRITE, &err), db, REC_SQL_OTHER);
    failed(rec_sql_begin(db, REC_SQL_READ, &err), db, REC_SQL_OTHER);
    ok(add(db, 2, "b"));
    ok(rec_sql_commit(db, &err));
    assert_int_equal(count(db), 2);
    rec_sql_close(db);
}

static void a_reader_has_one_snapshot(void **state)
{
    struct rec_sql *db = fresh(*state, things), *reader = join(*state), *strict = join_as(*state, (struct rec_sql_options){.read_only = true});
    ok(add(db, 1, "a"));
    ok(rec_sql_begin(reader, REC_SQL_READ, &err));
    assert_int_equal(count(reader), 1);
    ok(add(db, 2, "b"));
    assert_int_equal(count(reader), 1);
    ok(add(db, 3, "c"));
    assert_int_equal(count(reader), 1);
    failed(add(reader, 4, "d"), reader, REC_SQL_READONLY);
    rec_sql_rollback(reader);
    assert_int_equal(count(reader), 3);
    ok(rec_sql_begin(reader, REC_SQL_READ, &err));
    ok(rec_sql_commit(reader, &err));
    ok(add(reader, 4, "d"));
    failed(add(strict, 5, "e"), strict, REC_SQL_READONLY);
    failed(rec_sql_begin(strict, REC_SQL_WRITE, &err), strict, REC_SQL_READONLY);
    assert_int_equal(count(strict), 4);
    rec_sql_close(strict);
    rec_sql_close(reader);
    rec_sql_close(db);
}

/* ---- two at once --------------------------------------------------------------------------------- */

static const char touch[] = "UPDATE t SET n = n + 1 WHERE id = $1";

/* Begins to write, if the other one lets it. */
static int try_to_write(struct rec_sql *db)
{
    if (rec_sql_begin(db, REC_SQL_WRITE, &err) < 0)
        return -1;
    int status = rec_sql_exec(db, NULL, touch, REC_SQL(rec_sql_int(1)), &err);
    if (status == 0)
        return rec_sql_commit(db, &err);
    rec_sql_rollback(db);
    return status;
}

static void a_lock_is_waited_for_so_long_and_no_longer(void **state)
{
    struct rec_sql *db = fresh(*state, things), *other = join_as(*state, (struct rec_sql_options){.busy_timeout = 0.3});
    double begun;
    ok(add(db, 1, "a"));
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(rec_sql_exec(db, NULL, touch, REC_SQL(rec_sql_int(1)), &err));
    begun = now();
    failed(try_to_write(other), other, REC_SQL_BUSY);
    assert_true(now() - begun >= 0.25 && now() - begun < 5);
    assert_true(rec_sql_patience(other, 0) == 0.3);
    begun = now();
    failed(try_to_write(other), other, REC_SQL_BUSY);
    assert_true(now() - begun < 0.25);
    assert_int_equal(get(other, "SELECT n FROM t"), 0);
    ok(rec_sql_commit(db, &err));
    ok(try_to_write(other));
    assert_int_equal(get(db, "SELECT n FROM t"), 2);
    rec_sql_close(other);
    rec_sql_close(db);
}

struct writer {
    const struct database *database;
    int times, done;
    char said[sizeof err.text];
};

static void *write_often(void *context)
{
    static const struct rec_sql_driver *const drivers[] = {&rec_sqlite_driver, &rec_postgres_driver, NULL};
    struct writer *w = context;
    struct rec_err why = {0};
    struct rec_sql *db;
    if (rec_sql_open(&db, w->database->url, &(struct rec_sql_options){.drivers = drivers, .busy_timeout = 60}, &why) == 0) {
        for (; w->done < w->times; w->done++)
            if (rec_sql_begin(db, REC_SQL_WRITE, &why) < 0 || rec_sql_exec(db, NULL, touch, REC_SQL(rec_sql_int(1)), &why) < 0 ||
                rec_sql_commit(db, &why) < 0)
                break;
        rec_sql_close(db);
    }
    memcpy(w->said, why.text, sizeof why.text);
    return NULL;
}

static void writers_take_turns(void **state)
{
    enum { WRITERS = 6, TIMES = 40 };
    struct rec_sql *db = fresh(*state, things);
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    ok(add(db, 1, "a"));
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.database = *state, .times = TIMES};
        assert_int_equal(pthread_create(&threads[i], NULL, write_often, &writers[i]), 0);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
        if (writers[i].done < TIMES)
            fail_msg("%s", writers[i].said);
    }
    assert_int_equal(get(db, "SELECT n FROM t"), WRITERS * TIMES);
    rec_sql_close(db);
}

int main(void)
{
    static const struct database_case cases[] = {
        CASE(values_come_back),
        CASE(parameters_go_by_their_number),
        CASE(changes_are_counted),
        CASE(returning_gives_rows),
        CASE(one_number_is_got),
        CASE(statements_may_be_open_together),
        CASE(statements_live_through_a_change_of_schema),
        CASE(faults_are_told_apart),
        CASE(scripts_stop_at_the_first_error),
        CASE(transactions_are_all_or_nothing),
        CASE(a_transaction_that_failed_is_only_rolled_back),
        CASE(transactions_are_not_nested),
        CASE(a_reader_has_one_snapshot),
        CASE(a_lock_is_waited_for_so_long_and_no_longer),
        CASE(writers_take_turns),
    };
    struct CMUnitTest tests[2 * REC_LENGTH(cases)];
    on_both(tests, cases, REC_LENGTH(cases));
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
