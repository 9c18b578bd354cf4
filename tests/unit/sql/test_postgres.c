/* SPDX-License-Identifier: MIT
 *
 * What is PostgreSQL's alone: types, faults of a server, pgbouncer. What both databases do alike is in test_sql.c.
 */
#include "../postgres.h"

#include <rec/sql.h>

static struct rec_err err;
static struct server server;
static const struct rec_sql_driver *const drivers[] = {&rec_postgres_driver, NULL};

static struct rec_sql *open_as(const char *url, struct rec_sql_options options)
{
    struct rec_sql *db = NULL;

    options.drivers = drivers;
    if (rec_sql_open(&db, url, &options, &err) < 0)
        fail_msg("%s", err.text);
    return db;
}

static struct rec_sql *open_it(void)
{
    return open_as(server.url, (struct rec_sql_options){0});
}

static void ok(int status)
{
    if (status < 0)
        fail_msg("%s", err.text);
}

static void integers_fit_columns_of_any_size(void **state)
{
    struct rec_sql *db = open_it();
    struct rec_sql_rows rows;
    int64_t n;
    (void)state;
    ok(rec_sql_script(db, "CREATE TEMPORARY TABLE t (a int2, b int4, c int8, d float4, e float8, f text, g bytea, h boolean)", &err));
    ok(rec_sql_exec(db, &n, "INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                    REC_SQL(rec_sql_int(-7), rec_sql_int(-70000), rec_sql_int(INT64_MIN), rec_sql_real(0.1), rec_sql_real(0.1),
                            rec_sql_bytes("h\303\251llo!", 6), rec_sql_blob("\0\1\377", 3), rec_sql_int(1)), &err));
    assert_int_equal(n, 1);
    ok(rec_sql_query(&rows, db, "SELECT *, a = $1, b, NULL FROM t WHERE c = $2 AND d < $3", REC_SQL(rec_sql_int(-7),
                     rec_sql_int(INT64_MIN), rec_sql_int(1)), &err));
    assert_int_equal(rec_sql_next(&rows, &err), 1);
    assert_int_equal(rows.n, 11);
    assert_int_equal(rows.value[0].integer, -7);
    assert_int_equal(rows.value[1].integer, -70000);
    assert_true(rows.value[2].integer == INT64_MIN);
    assert_true(rows.value[3].real == (double)0.1f);
    assert_true(rows.value[4].real == 0.1);
    assert_string_equal(rows.value[5].text, "h\303\251llo");
    assert_int_equal(rows.value[6].len, 3);
    assert_memory_equal(rows.value[6].blob, "\0\1\377", 3);
    assert_int_equal(rows.value[7].integer, 1);
    assert_int_equal(rows.value[8].integer, 1);
    assert_int_equal(rows.value[10].type, REC_SQL_NULL);
    assert_int_equal(rec_sql_next(&rows, &err), 0);
    rec_sql_done(&rows);
    rec_sql_close(db);
}

static int set_up(void **state)
{
    (void)state;
    server_start(&server, "deadlock_timeout=100ms", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_fit_columns_of_any_size),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
