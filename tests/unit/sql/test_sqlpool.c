/* SPDX-License-Identifier: MIT
 *
 * A pool of connections: never more than its size, shared by more threads than it has connections, whole again after what broke.
 */
#include "../postgres.h"

#include <rec/sql.h>

#include <pthread.h>
#include <stdatomic.h>

static struct rec_err err;
static struct server server;
static const struct rec_sql_driver *const drivers[] = {&rec_postgres_driver, &rec_sqlite_driver, NULL};

static void ok(int status)
{
    if (status < 0)
        fail_msg("%s", err.text);
}

static struct rec_sqlpool *pool_of(size_t size)
{
    struct rec_sqlpool *pool = NULL;
    ok(rec_sqlpool_new(&pool, server.url, &(struct rec_sql_options){.drivers = drivers, .connect_timeout = 1}, size, &err));
    return pool;
}

static void counts(struct rec_sqlpool *pool, size_t open, size_t idle)
{
    size_t is_open, is_idle;
    rec_sqlpool_count(pool, &is_open, &is_idle);
    assert_int_equal(is_open, open);
    assert_int_equal(is_idle, idle);
}

static int64_t number(struct rec_sql *db, const char *sql)
{
    int64_t x = -1;
    ok(rec_sql_get_int(&x, db, sql, REC_SQL_NONE, &err));
    return x;
}

static void opens_what_it_needs(void **state)
{
    struct rec_sqlpool *pool = pool_of(2);
    struct rec_sql *a, *b, *c;
    int64_t pid;
    (void)state;
    counts(pool, 0, 0);
    ok(rec_sqlpool_take(&a, pool, 1, &err));
    pid = number(a, "SELECT pg_backend_pid()");
    rec_sqlpool_give(pool, a);
    counts(pool, 1, 1);
    ok(rec_sqlpool_take(&a, pool, 1, &err));
    assert_int_equal(number(a, "SELECT pg_backend_pid()"), pid);
    ok(rec_sqlpool_take(&b, pool, 1, &err));
    counts(pool, 2, 0);
    assert_int_equal(rec_sqlpool_take(&c, pool, 0.1, &err), -1);
    assert_int_equal(rec_sql_open_fault(), REC_SQL_BUSY);
    assert_string_equal(err.text, "database: all 2 connections are in use; try again later");
    rec_sqlpool_give(pool, b);
    ok(rec_sqlpool_take(&c, pool, 0, &err));
    rec_sqlpool_give(pool, c);
    rec_sqlpool_give(pool, a);
    rec_sqlpool_give(pool, NULL);
    counts(pool, 2, 2);
    rec_sqlpool_free(pool);
    assert_int_equal(rec_sqlpool_new(&pool, server.url, &(struct rec_sql_options){.drivers = drivers}, 0, &err), -1);
    rec_sqlpool_free(NULL);
}

/* What one caller left open is undone, and the next one finds a connection as new. */
static void what_is_open_is_undone(void **state)
{
    struct rec_sqlpool *pool = pool_of(1);
    struct rec_sql *db;
    (void)state;
    ok(rec_sqlpool_take(&db, pool, 1, &err));
    ok(rec_sql_script(db, "CREATE TABLE undone (a int)", &err));
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(rec_sql_exec(db, NULL, "INSERT INTO undone VALUES (1)", REC_SQL_NONE, &err));
    assert_int_equal(rec_sql_exec(db, NULL, "SELECT nothing", REC_SQL_NONE, &err), -1);
    rec_sqlpool_give(pool, db);
    ok(rec_sqlpool_take(&db, pool, 1, &err));
    assert_int_equal(rec_sql_fault(db), REC_SQL_FINE);
    assert_false(rec_sql_in_transaction(db));
    assert_int_equal(number(db, "SELECT count(*) FROM undone"), 0);
    rec_sqlpool_give(pool, db);
    rec_sqlpool_free(pool);
}

static void what_broke_is_made_anew(void **state)
{
    struct rec_sqlpool *pool = pool_of(2);
    struct rec_sql *a, *b;
    int64_t pid;
    (void)state;
    ok(rec_sqlpool_take(&a, pool, 1, &err));
    ok(rec_sqlpool_take(&b, pool, 1, &err));

    /* Lost while it lies idle: nobody sees it. */
    pid = number(a, "SELECT pg_backend_pid()");
    rec_sqlpool_give(pool, a);
    ok(rec_sql_exec(b, NULL, "SELECT pg_terminate_backend($1, 5000)", REC_SQL(rec_sql_int(pid)), &err));
    ok(rec_sqlpool_take(&a, pool, 1, &err));
    assert_true(number(a, "SELECT pg_backend_pid()") != pid);

    /* Lost in use: whoever has it is told, and the next one gets another. */
    pid = number(a, "SELECT pg_backend_pid()");
    ok(rec_sql_exec(b, NULL, "SELECT pg_terminate_backend($1, 5000)", REC_SQL(rec_sql_int(pid)), &err));
    assert_int_equal(rec_sql_exec(a, NULL, "SELECT 1", REC_SQL_NONE, &err), -1);
    assert_int_equal(rec_sql_fault(a), REC_SQL_LOST);
    counts(pool, 2, 0);
    rec_sqlpool_give(pool, a);
    counts(pool, 1, 0);
    ok(rec_sqlpool_take(&a, pool, 1, &err));
    assert_true(number(a, "SELECT pg_backend_pid()") != pid);
    rec_sqlpool_give(pool, a);

    /* No server for a while. */
    server_kill(&server);
    assert_int_equal(rec_sqlpool_take(&a, pool, 1, &err), -1);
    assert_int_equal(rec_sql_open_fault(), REC_SQL_ABSENT);
    counts(pool, 1, 0);
    rec_sqlpool_give(pool, b);
    counts(pool, 0, 0);
    server_again(&server);
    ok(rec_sqlpool_take(&a, pool, 1, &err));
    assert_int_equal(number(a, "SELECT 1"), 1);
    rec_sqlpool_give(pool, a);
    rec_sqlpool_free(pool);
}

/* ---- threads ------------------------------------------------------------------------------------- */

enum { THREADS = 16, ROUNDS = 40 };

struct shared {
    struct rec_sqlpool *pool;
    atomic_int in_use, most, lost, failed;
    size_t size;
    bool disturbed;
};

static void *work(void *context)
{
    struct shared *s = context;
    struct rec_err said;
    for (int i = 0; i < ROUNDS; i++) {
        struct rec_sql *db;
        int64_t x;
        if (rec_sqlpool_take(&db, s->pool, 30, &said) < 0) {
            /* A connection may be cut while it is being made. */
            if (s->disturbed && rec_sql_open_fault() == REC_SQL_LOST)
                s->lost++;
            else
                s->failed++;
            continue;
        }
        int in_use = ++s->in_use;
        if (in_use > s->most)
            s->most = in_use;
        if (rec_sql_begin(db, REC_SQL_WRITE, &said) < 0 ||
            rec_sql_exec(db, NULL, "UPDATE counter SET n = n + 1", REC_SQL_NONE, &said) < 0 ||
            rec_sql_get_int(&x, db, "SELECT n FROM counter", REC_SQL_NONE, &said) <= 0 || rec_sql_commit(db, &said) < 0) {
            if (s->disturbed && rec_sql_fault(db) == REC_SQL_LOST)
                s->lost++;
            else
                s->failed++;
        }
        s->in_use--;
        rec_sqlpool_give(s->pool, db);
    }
    return NULL;
}

static void *disturb(void *context)
{
    struct rec_err said;
    struct rec_sql *db = context;
    for (int i = 0; i < 10; i++) {
        usleep(10000);
        (void)rec_sql_exec(db, NULL, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'rec' "
                           "AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2", REC_SQL_NONE, &said);
    }
    return NULL;
}

static void many_threads(struct shared *s)
{
    struct rec_sqlpool *one = pool_of(1);
    struct rec_sql *db;
    pthread_t thread[THREADS], other;
    ok(rec_sqlpool_take(&db, one, 1, &err));
    ok(rec_sql_script(db, "DROP TABLE IF EXISTS counter; CREATE TABLE counter (n int); INSERT INTO counter VALUES (0)", &err));
    s->pool = pool_of(s->size);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, work, s), 0);
    if (s->disturbed)
        assert_int_equal(pthread_create(&other, NULL, disturb, db), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    if (s->disturbed)
        pthread_join(other, NULL);
    assert_int_equal(s->failed, 0);
    assert_in_range(s->most, 2, s->size);
    /* A commit may have been done although its answer was lost. */
    assert_in_range(number(db, "SELECT n FROM counter"), THREADS * ROUNDS - s->lost, THREADS * ROUNDS);
    rec_sqlpool_give(one, db);
    rec_sqlpool_free(one);
    rec_sqlpool_free(s->pool);
}

static void more_threads_than_connections(void **state)
{
    struct shared s = {.size = 4};
    (void)state;
    many_threads(&s);
}

static void threads_whose_connections_are_cut(void **state)
{
    struct shared s = {.size = 6, .disturbed = true};
    (void)state;
    many_threads(&s);
    assert_true(s.lost > 0);
}

static int set_up(void **state)
{
    (void)state;
    server_start(&server, NULL);
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
        cmocka_unit_test(opens_what_it_needs),
        cmocka_unit_test(what_is_open_is_undone),
        cmocka_unit_test(what_broke_is_made_anew),
        cmocka_unit_test(more_threads_than_connections),
        cmocka_unit_test(threads_whose_connections_are_cut),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
