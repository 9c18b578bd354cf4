/* SPDX-License-Identifier: MIT
 *
 * Each allocation of the driver in turn fails: nothing crashes, what says it was done was done, and what says it was not left nothing. (Those
 * of libpq succeed: it waits for ever for the beginning of a COPY that it had no memory to take note of.) Sanitizers have an allocator of their own: there the work is done once, without failures, and leaks are looked for.
 */
#include "../postgres.h"

#include <rec/sql.h>

#include <errno.h>

static const struct rec_sql_driver *const drivers[] = {&rec_postgres_driver, NULL};
static struct server server;
static struct rec_err err;

/* ---- an allocator that fails ---------------------------------------------------------------------- */

static long left = -1;           /* so many succeed; below 0: all */
static long failures;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { CAN_FAIL = 0 };
#else
enum { CAN_FAIL = 1 };

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

/* What this program consists of, without the libraries that it loads. */
extern const char __executable_start[], etext[];

static bool fails(const void *caller)
{
    if (left < 0 || (const char *)caller < __executable_start || (const char *)caller >= etext || left-- > 0)
        return false;
    failures++;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n);
}
#endif

/* ---- the work ------------------------------------------------------------------------------------ */

enum { ROWS = 300 };

static const struct rec_copy_column columns[] = {{"id", REC_COPY_INT64}, {"word", REC_COPY_TEXT}};

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
    if (strcmp(row[1].text, "a word") != 0)
        return -1;
    *sum += row[0].integer;
    return 0;
}

static int write_all(struct rec_sql *db)
{
    struct rec_copy_bulk bulk;
    int at = 0;

    if (rec_sql_begin(db, REC_SQL_WRITE, &err) < 0 || rec_sql_script(db, "DELETE FROM t", &err) < 0 ||
        rec_sql_exec(db, NULL, "INSERT INTO t (id, word) VALUES ($1, $2)", REC_SQL(rec_sql_int(1), rec_sql_text("a word")), &err) < 0 ||
        rec_copy_bulk_begin(&bulk, db, "t", &err) < 0) {
        rec_sql_rollback(db);
        return -1;
    }
    int status = rec_copy_in(db, "t", columns, 2, give, &at, NULL, &err);
    if (rec_copy_bulk_end(&bulk, status < 0 ? NULL : &err) < 0 || status < 0) {
        rec_sql_rollback(db);
        return -1;
    }
    return rec_sql_commit(db, &err);
}

static int read_all(struct rec_sql *db)
{
    struct rec_sql_rows rows;
    struct rec_copy_schema schema;
    int64_t sum = 0, copied = 0;
    int status;

    if (rec_sql_query(&rows, db, "SELECT id, upper(word) FROM t WHERE word = $1", REC_SQL(rec_sql_text("a word")), &err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, &err)) > 0)
        sum += rows.value[0].integer;
    rec_sql_done(&rows);
    if (status < 0 || rec_copy_out(db, "SELECT id, word FROM t", columns, 2, take, &copied, NULL, &err) < 0)
        return -1;
    if (rec_copy_schema(&schema, db, &err) < 0)
        return -1;
    status = schema.n == 1 && schema.tables[0].n == 2 ? 0 : -2;
    rec_copy_schema_clear(&schema);
    return sum == ROWS * 1000 + ROWS * (ROWS + 1) / 2 + 1 && copied == sum ? status : -2;
}

static int work(bool one_shot, enum rec_sql_fault *fault)
{
    struct rec_sql *db;
    int status;

    if (rec_sql_open(&db, server.url, &(struct rec_sql_options){.drivers = drivers, .one_shot = one_shot}, &err) < 0) {
        *fault = rec_sql_open_fault();
        return -1;
    }
    status = write_all(db);
    if (status == 0)
        status = read_all(db);
    *fault = rec_sql_fault(db);
    rec_sql_close(db);
    return status;
}

/* All the rows, or none of them; and the key is there. */
static void is_whole(struct rec_sql *db)
{
    int64_t n, keys;

    if (rec_sql_get_int(&n, db, "SELECT count(*) FROM t", REC_SQL_NONE, &err) <= 0 ||
        rec_sql_get_int(&keys, db, "SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass", REC_SQL_NONE, &err) <= 0)
        fail_msg("%s", err.text);
    assert_true(n == 0 || n == ROWS + 1);
    assert_int_equal(keys, 1);
}

static void sweep(bool one_shot)
{
    struct rec_sql *db;
    long n = CAN_FAIL ? 0 : -1, failed = 0;

    if (rec_sql_open(&db, server.url, &(struct rec_sql_options){.drivers = drivers}, &err) < 0 ||
        rec_sql_script(db, "DROP TABLE IF EXISTS t; CREATE TABLE t (id bigint PRIMARY KEY, word text NOT NULL)", &err) < 0)
        fail_msg("%s", err.text);
    for (;; n++) {
        enum rec_sql_fault fault = REC_SQL_FINE;
        failures = 0;
        err = (struct rec_err){0};
        left = n;
        int status = work(one_shot, &fault);
        left = -1;
        if (status < -1 || (status < 0 && (failures == 0 || fault == REC_SQL_FINE || !*err.text || strchr(err.text, '\n'))))
            fail_msg("allocation %ld: %d, fault %d, %s", n, status, (int)fault, err.text);
        failed += status < 0;
        is_whole(db);
        if (failures == 0)
            break;
    }
    assert_true(!CAN_FAIL || failed > 15);
    rec_sql_close(db);
}

static void in_a_long_lived_connection(void **state)
{
    (void)state;
    sweep(false);
}

static void in_one_for_one_request(void **state)
{
    (void)state;
    sweep(true);
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
    left = -1;
    server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_long_lived_connection),
        cmocka_unit_test(in_one_for_one_request),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
