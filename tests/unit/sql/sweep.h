/* SPDX-License-Identifier: MIT
 *
 * The same work again and again, the first call of something failing, then the second, and so on, until none is left to fail: nothing may
 * crash, what says it was done must be done, and what says it was not must leave all or nothing. A test program makes its calls ask fails().
 */
#ifndef REC_TEST_SWEEP_H
#define REC_TEST_SWEEP_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <rec/sql.h>

#include <sqlite3.h>
#include <unistd.h>

static const struct rec_sql_driver *const drivers[] = {&rec_sqlite_driver, NULL};
static char folder[40];
static char path[64];
static struct rec_err err;

static long left = -1;           /* so many calls succeed; below 0: all */
static long failures;
static bool for_good;            /* from then on all fail, not only one */

static bool fails(void)
{
    if (left < 0)
        return false;
    if (left-- > 0)
        return false;
    failures++;
    left = for_good ? 0 : -1;
    return true;
}

/* ---- the work ------------------------------------------------------------------------------------ */

enum { ROWS = 300 };

static int give(void *context, struct rec_sql_value *row, struct rec_err *why)
{
    int *at = context;

    (void)why;
    if (*at == ROWS)
        return 0;
    row[0] = rec_sql_int(1000 + ++*at);
    row[1] = rec_sql_text("a word");
    return 1;
}

static int take(void *context, const struct rec_sql_value *row, struct rec_err *why)
{
    int64_t *sum = context;

    (void)why;
    assert_string_equal(row[1].text, "a word");
    *sum += row[0].integer;
    return 0;
}

static const struct rec_copy_column columns[] = {{"id", REC_COPY_INT64}, {"word", REC_COPY_TEXT}};

static int read_all(struct rec_sql *db)
{
    struct rec_sql_rows rows;
    struct rec_copy_schema schema;
    int64_t sum = 0;
    int status;

    if (rec_sql_query(&rows, db, "SELECT id, upper(word) FROM t WHERE word = $1 ORDER BY word, id DESC", REC_SQL(rec_sql_text("a word")), &err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, &err)) > 0) {
        assert_string_equal(rows.value[1].text, "A WORD");
        sum += rows.value[0].integer;
    }
    rec_sql_done(&rows);
    if (status == 0)
        assert_int_equal(sum, ROWS * 1000 + ROWS * (ROWS + 1) / 2 + 1);
    sum = 0;
    if (status == 0 && (status = rec_copy_out(db, "SELECT id, word FROM t", columns, 2, take, &sum, NULL, &err)) == 0)
        assert_int_equal(sum, ROWS * 1000 + ROWS * (ROWS + 1) / 2 + 1);
    if (status == 0 && (status = rec_copy_schema(&schema, db, &err)) == 0) {
        assert_int_equal(schema.n, 1);
        assert_int_equal(schema.tables[0].n, 2);
        rec_copy_schema_clear(&schema);
    }
    return status;
}

static int write_all(struct rec_sql *db)
{
    struct rec_copy_bulk bulk;
    int at = 0;

    if (rec_sql_begin(db, REC_SQL_WRITE, &err) < 0 ||
        rec_sql_script(db, "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, word TEXT NOT NULL); DELETE FROM t", &err) < 0 ||
        rec_sql_exec(db, NULL, "INSERT INTO t (id, word) VALUES ($1, $2)", REC_SQL(rec_sql_int(1), rec_sql_text("a word")), &err) < 0 ||
        rec_copy_bulk_begin(&bulk, db, "t", &err) < 0 || rec_copy_in(db, "t", columns, 2, give, &at, NULL, &err) < 0 ||
        rec_copy_bulk_end(&bulk, &err) < 0) {
        rec_sql_rollback(db);
        return -1;
    }
    return rec_sql_commit(db, &err);
}

static int work(void)
{
    struct rec_sql *db;
    int status;

    if (rec_sql_open(&db, path, &(struct rec_sql_options){.drivers = drivers, .create = true}, &err) < 0)
        return -1;
    status = write_all(db);
    if (status == 0)
        status = read_all(db);
    else
        assert_true(rec_sql_fault(db) != REC_SQL_FINE);
    rec_sql_close(db);
    return status;
}

/* All the rows; or none of them, if that may be. */
static void is_whole(bool must)
{
    struct rec_sql *db;
    int64_t n, tables;

    left = -1;
    if (rec_sql_open(&db, path, &(struct rec_sql_options){.drivers = drivers, .create = true}, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(rec_sql_get_int(&tables, db, "SELECT count(*) FROM sqlite_schema WHERE name = 't'", REC_SQL_NONE, &err), 1);
    assert_true(tables > 0 || !must);
    if (tables > 0) {
        assert_int_equal(rec_sql_get_int(&n, db, "SELECT count(*) FROM t", REC_SQL_NONE, &err), 1);
        assert_int_equal(n, ROWS + 1);
    }
    rec_sql_close(db);
}

static void remove_file(void)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char name[80];

    for (size_t i = 0; i < REC_LENGTH(ends); i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

static void sweep(bool all_after)
{
    long n;

    for (n = 0; n < 100000; n++) {
        remove_file();
        for_good = all_after;
        failures = 0;
        left = n;
        err = (struct rec_err){0};
        int status = work();
        left = -1;
        if (status < 0) {
            assert_true(failures > 0);
            assert_true(err.text[0] != '\0');
        }
        is_whole(status == 0);
        if (failures == 0) {
            assert_int_equal(status, 0);
            break;
        }
    }
    assert_true(n > 2 && n < 100000);
}

static int set_up(void **state)
{
    (void)state;
    /* Thousands of files are made and synced: in memory, where there is such a place. */
    snprintf(folder, sizeof folder, "%s/rec-test-memory.XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/test.db", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    left = -1;
    remove_file();
    return rmdir(folder);
}

#endif
