/* SPDX-License-Identifier: MIT
 *
 * What is PostgreSQL's alone: types, faults of a server, pgbouncer. What both databases do alike is in test_sql.c.
 */
#include "../postgres.h"

#include <rec/sql.h>

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct rec_err err;
static struct server server;
static char bouncer[256];
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

static void run(struct rec_sql *db, const char *sql)
{
    ok(rec_sql_script(db, sql, &err));
}

static int64_t number(struct rec_sql *db, const char *sql)
{
    int64_t x = -1;
    ok(rec_sql_get_int(&x, db, sql, REC_SQL_NONE, &err));
    return x;
}

/* A call failed, with that fault, and a message of one line that holds these words. */
static void failed_as(const struct rec_sql *db, int status, enum rec_sql_fault fault, const char *words)
{
    assert_int_equal(status, -1);
    assert_null(strchr(err.text, '\n'));
    if ((db ? rec_sql_fault(db) : rec_sql_open_fault()) != fault || !strstr(err.text, words))
        fail_msg("fault %d: %s", (int)(db ? rec_sql_fault(db) : rec_sql_open_fault()), err.text);
}

static void does_not_open(const char *url, enum rec_sql_fault fault, const char *words)
{
    struct rec_sql *db = NULL;
    int status = rec_sql_open(&db, url, &(struct rec_sql_options){.drivers = drivers, .connect_timeout = 0.4}, &err);

    failed_as(NULL, status, fault, words);
    assert_null(db);
    assert_null(strstr(err.text, "geheim"));
}

/* postgresql://USER@/DATABASE?host=..., of the test's server. */
static const char *url_of(const char *user, const char *database)
{
    static char url[512];
    snprintf(url, sizeof url, "postgresql://%s@/%s%s", user, database, strchr(server.url, '?'));
    return url;
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

static void what_it_cannot_read_or_store_is_refused(void **state)
{
    struct rec_sql *db = open_it();
    struct rec_sql_rows rows;
    (void)state;
    failed_as(db, rec_sql_query(&rows, db, "SELECT sum(x) AS total FROM (VALUES (1::bigint)) AS t (x)", REC_SQL_NONE, &err), REC_SQL_OTHER,
              "column total: its type (numeric, 1700) is not read here; CAST it");
    failed_as(db, rec_sql_exec(db, NULL, "SELECT CAST($1 AS text)", REC_SQL(rec_sql_bytes("a\0b", 3)), &err), REC_SQL_OTHER, "NUL byte");
    failed_as(db, rec_sql_exec(db, NULL, "SELECT CAST($1 AS text)", REC_SQL(rec_sql_text("\377")), &err), REC_SQL_OTHER, "UTF-8");
    failed_as(db, rec_sql_exec(db, NULL, "SELECT CAST($1 AS smallint)", REC_SQL(rec_sql_int(70000)), &err), REC_SQL_OTHER, "out of range");
    failed_as(db, rec_sql_exec(db, NULL, "SELECT CAST($1 AS real)", REC_SQL(rec_sql_real(0.0 / 0.0 * -1)), &err), REC_SQL_OTHER, "finite");
    failed_as(db, rec_sql_exec(db, NULL, "COPY pg_class TO STDOUT", REC_SQL_NONE, &err), REC_SQL_OTHER, "COPY");
    failed_as(db, rec_sql_script(db, "CREATE TEMPORARY TABLE c (a int); COPY c FROM STDIN", &err), REC_SQL_OTHER, "COPY");
    assert_int_equal(number(db, "SELECT 1"), 1);
    rec_sql_close(db);
}

static void scripts_name_the_line(void **state)
{
    struct rec_sql *db = open_it();
    (void)state;
    failed_as(db, rec_sql_script(db, "SELECT '\303\244\303\244';\n-- \303\266\nSELEKT 1;\nSELECT 2", &err), REC_SQL_OTHER, "line 3: ");
    failed_as(db, rec_sql_script(db, "BEGIN", &err), REC_SQL_OTHER, "neither begin nor end");
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    failed_as(db, rec_sql_script(db, "SELECT 1; COMMIT", &err), REC_SQL_OTHER, "neither begin nor end");
    rec_sql_rollback(db);
    assert_int_equal(number(db, "SELECT 1"), 1);
    rec_sql_close(db);
}

/* Another connection alters the table of a statement that is prepared. */
static void a_migration_meanwhile(void **state)
{
    static const char sql[] = "SELECT * FROM meanwhile";
    struct rec_sql *db = open_it(), *other = open_it();
    (void)state;
    run(other, "CREATE TABLE meanwhile (a int); INSERT INTO meanwhile VALUES (1)");
    assert_int_equal(number(db, sql), 1);
    run(other, "ALTER TABLE meanwhile ADD b int");
    assert_int_equal(number(db, sql), 1);
    run(other, "ALTER TABLE meanwhile ADD c int");
    ok(rec_sql_begin(db, REC_SQL_READ, &err));
    assert_int_equal(rec_sql_exec(db, NULL, sql, REC_SQL_NONE, &err), -1);
    rec_sql_rollback(db);
    ok(rec_sql_begin(db, REC_SQL_READ, &err));
    assert_int_equal(number(db, sql), 1);
    rec_sql_rollback(db);
    run(other, "DROP TABLE meanwhile");
    rec_sql_close(db);
    rec_sql_close(other);
}

/* More statements than the table begins with room for: a literal each, 3 * 26 of them. */
static void many_statements(void **state)
{
    static char text[200][24];
    struct rec_sql *db = open_it();
    (void)state;
    for (int i = 0; i < 200; i++)
        snprintf(text[i], sizeof text[i], "SELECT %d", i);
    for (int i = 0; i < 400; i++)
        assert_int_equal(number(db, text[i * 7 % 200]), i * 7 % 200);
    assert_int_equal(number(db, "SELECT count(*) FROM pg_prepared_statements"), 201);
    rec_sql_close(db);
}

/* ---- connections --------------------------------------------------------------------------------- */

static void no_server_no_database_no_role(void **state)
{
    (void)state;
    does_not_open("postgresql:///rec?host=/nowhere", REC_SQL_ABSENT, "is the server running");
    does_not_open("postgresql://ann:geheim@127.0.0.1:1/rec", REC_SQL_ABSENT, "is the server running");
    does_not_open("postgresql://ann:geheim@no-such-host.invalid/rec", REC_SQL_ABSENT, "no-such-host.invalid");
    does_not_open(url_of("postgres", "nothing"), REC_SQL_ABSENT, "database \"nothing\" does not exist; create it");
    does_not_open(url_of("nobody", "rec"), REC_SQL_DENIED, "role \"nobody\" does not exist; check the user");
}

static void urls_that_are_none(void **state)
{
    (void)state;
    does_not_open("postgresql://ann:geheim%zz@host/rec", REC_SQL_OTHER, "give postgresql://");
    does_not_open("postgresql://ann:geheim@host:port:port/rec", REC_SQL_ABSENT, "look at the URL");
    does_not_open("postgresql://ann:geheim@[host/rec", REC_SQL_OTHER, "");
    does_not_open("postgresql://ann@host/rec?password=geheim=geheim", REC_SQL_OTHER, "");
}

/* A socket that takes connections and says nothing. */
static void a_server_that_does_not_answer(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char url[256];
    (void)state;
    snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", server.dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 5), 0);
    snprintf(url, sizeof url, "postgresql:///rec?host=%s", server.dir);
    does_not_open(url, REC_SQL_ABSENT, "no answer for 0.4 s");
    snprintf(url, sizeof url, "postgresql:///rec?host=%s&connect_timeout=1", server.dir);
    does_not_open(url, REC_SQL_ABSENT, "no answer for 1 s");
    close(fd);
    unlink(address.sun_path);
}

/* The server's own settings, by itself: a test that runs as root cannot write its files as it would. */
static void set_access(struct rec_sql *db, const char *rule)
{
    char sql[600];
    snprintf(sql, sizeof sql, "DO $$ BEGIN EXECUTE format('COPY (SELECT unnest(ARRAY[''%s'', ''local all all trust''])) TO %%L', "
             "current_setting('hba_file')); END $$; SELECT pg_reload_conf()", rule);
    run(db, sql);
    usleep(300000);
}

static void passwords(void **state)
{
    struct rec_sql *db = open_it(), *other;
    (void)state;
    run(db, "CREATE ROLE ann LOGIN PASSWORD 'right-geheim'");
    set_access(db, "local all ann scram-sha-256");
    does_not_open(url_of("ann", "rec"), REC_SQL_DENIED, "give a password by");
    does_not_open(url_of("ann:wrong-geheim", "rec"), REC_SQL_DENIED, "password authentication failed for user \"ann\"; check");
    setenv("PGPASSWORD", "other-geheim", 1);
    does_not_open(url_of("ann", "rec"), REC_SQL_DENIED, "password authentication failed");
    unsetenv("PGPASSWORD");
    other = open_as(url_of("ann:right-geheim", "rec"), (struct rec_sql_options){0});
    failed_as(other, rec_sql_script(other, "CREATE TABLE no (a int)", &err), REC_SQL_DENIED, "permission denied for schema public");
    assert_null(strstr(err.text, "geheim"));
    rec_sql_close(other);
    set_access(db, "local all ann reject");
    does_not_open(url_of("ann:right-geheim", "rec"), REC_SQL_DENIED, "pg_hba.conf");
    run(db, "DROP ROLE ann");
    rec_sql_close(db);
}

static void too_many_connections(void **state)
{
    struct rec_sql *db[64], *more;
    size_t n = 0;
    (void)state;
    while (n < 64 && rec_sql_open(&db[n], server.url, &(struct rec_sql_options){.drivers = drivers}, &err) == 0)
        n++;
    assert_in_range(n, 50, 60);
    failed_as(NULL, rec_sql_open(&more, server.url, &(struct rec_sql_options){.drivers = drivers}, &err), REC_SQL_BUSY, "max_connections");
    while (n > 0)
        rec_sql_close(db[--n]);
}

/* ---- connections that are lost ------------------------------------------------------------------- */

static void end_it(struct rec_sql *db)
{
    struct rec_sql *other = open_it();
    int64_t pid = number(db, "SELECT pg_backend_pid()");
    ok(rec_sql_exec(other, NULL, "SELECT pg_terminate_backend($1, 5000)", REC_SQL(rec_sql_int(pid)), &err));
    rec_sql_close(other);
}

static void lost_between_statements(void **state)
{
    struct rec_sql *db = open_it();
    (void)state;
    end_it(db);
    failed_as(db, rec_sql_exec(db, NULL, "SELECT 1", REC_SQL_NONE, &err), REC_SQL_LOST, "lost the connection: terminating connection");
    failed_as(db, rec_sql_exec(db, NULL, "SELECT 1", REC_SQL_NONE, &err), REC_SQL_LOST, "connect again");
    failed_as(db, rec_sql_begin(db, REC_SQL_WRITE, &err), REC_SQL_LOST, "connect again");
    assert_false(rec_sql_in_transaction(db));
    rec_sql_close(db);
}

static void lost_in_a_transaction(void **state)
{
    struct rec_sql *db = open_it();
    (void)state;
    run(db, "CREATE TABLE half (a int)");
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(rec_sql_exec(db, NULL, "INSERT INTO half VALUES (1)", REC_SQL_NONE, &err));
    end_it(db);
    failed_as(db, rec_sql_exec(db, NULL, "INSERT INTO half VALUES (2)", REC_SQL_NONE, &err), REC_SQL_LOST, "the transaction is undone, try again");
    assert_int_equal(rec_sql_commit(db, &err), -1);
    assert_false(rec_sql_in_transaction(db));
    assert_int_equal(rec_sql_fault(db), REC_SQL_LOST);
    rec_sql_close(db);
    db = open_it();
    assert_int_equal(number(db, "SELECT count(*) FROM half"), 0);
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    end_it(db);
    failed_as(db, rec_sql_commit(db, &err), REC_SQL_LOST, "look whether it was done");
    rec_sql_close(db);
    db = open_it();
    run(db, "DROP TABLE half");
    rec_sql_close(db);
}

static void the_server_is_killed(void **state)
{
    struct rec_sql *db = open_it();
    (void)state;
    run(db, "CREATE TABLE kept (a int)");
    ok(rec_sql_exec(db, NULL, "INSERT INTO kept VALUES (1)", REC_SQL_NONE, &err));
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(rec_sql_exec(db, NULL, "INSERT INTO kept VALUES (2)", REC_SQL_NONE, &err));
    server_kill(&server);
    failed_as(db, rec_sql_exec(db, NULL, "INSERT INTO kept VALUES (3)", REC_SQL_NONE, &err), REC_SQL_LOST, "lost the connection");
    rec_sql_close(db);
    does_not_open(server.url, REC_SQL_ABSENT, "is the server running");
    server_again(&server);
    db = open_it();
    assert_int_equal(number(db, "SELECT count(*) FROM kept"), 1);
    run(db, "DROP TABLE kept");
    rec_sql_close(db);
}

/* ---- locks and conflicts ------------------------------------------------------------------------- */

static void locks_take_turns(void **state)
{
    struct rec_sql *a = open_it(), *b = open_as(server.url, (struct rec_sql_options){.busy_timeout = 0.2});
    (void)state;
    run(a, "CREATE TABLE turns (a int PRIMARY KEY, b int); INSERT INTO turns VALUES (1, 0), (2, 0)");
    ok(rec_sql_begin(a, REC_SQL_WRITE, &err));
    ok(rec_sql_lock(a, "load", 1, &err));
    ok(rec_sql_lock(a, "load", 0, &err));
    ok(rec_sql_exec(a, NULL, "UPDATE turns SET b = 1 WHERE a = 1", REC_SQL_NONE, &err));
    ok(rec_sql_begin(b, REC_SQL_WRITE, &err));
    ok(rec_sql_lock(b, "migrate", 0, &err));
    failed_as(b, rec_sql_lock(b, "load", 0.1, &err), REC_SQL_BUSY, "another holds a lock");
    rec_sql_rollback(b);
    ok(rec_sql_begin(b, REC_SQL_WRITE, &err));
    failed_as(b, rec_sql_exec(b, NULL, "UPDATE turns SET b = 2 WHERE a = 1", REC_SQL_NONE, &err), REC_SQL_BUSY, "try again");
    rec_sql_rollback(b);
    failed_as(b, rec_sql_exec(b, NULL, "UPDATE turns SET b = 2 WHERE a = 1", REC_SQL_NONE, &err), REC_SQL_BUSY, "try again");
    rec_sql_patience(b, 0);
    failed_as(b, rec_sql_exec(b, NULL, "UPDATE turns SET b = 2 WHERE a = 1", REC_SQL_NONE, &err), REC_SQL_BUSY, "try again");
    ok(rec_sql_commit(a, &err));
    ok(rec_sql_exec(b, NULL, "UPDATE turns SET b = 2 WHERE a = 1", REC_SQL_NONE, &err));
    ok(rec_sql_begin(b, REC_SQL_WRITE, &err));
    ok(rec_sql_lock(b, "load", 0, &err));
    rec_sql_close(b);
    rec_sql_close(a);
}

static void *update_one_and_two(void *context)
{
    struct rec_sql *db = context;
    struct rec_err unread;
    int status = rec_sql_exec(db, NULL, "UPDATE turns SET b = 3 WHERE a = 1", REC_SQL_NONE, &unread);
    return (void *)(intptr_t)status;
}

static void a_deadlock(void **state)
{
    struct rec_sql *a = open_it(), *b = open_it();
    pthread_t thread;
    void *other;
    int ours;
    (void)state;
    ok(rec_sql_begin(a, REC_SQL_WRITE, &err));
    ok(rec_sql_begin(b, REC_SQL_WRITE, &err));
    ok(rec_sql_exec(a, NULL, "UPDATE turns SET b = 4 WHERE a = 1", REC_SQL_NONE, &err));
    ok(rec_sql_exec(b, NULL, "UPDATE turns SET b = 4 WHERE a = 2", REC_SQL_NONE, &err));
    assert_int_equal(pthread_create(&thread, NULL, update_one_and_two, b), 0);
    ours = rec_sql_exec(a, NULL, "UPDATE turns SET b = 4 WHERE a = 2", REC_SQL_NONE, &err);
    if (ours < 0)
        rec_sql_rollback(a);
    pthread_join(thread, &other);
    assert_true((ours < 0) != ((intptr_t)other < 0));
    assert_int_equal(rec_sql_fault(ours < 0 ? a : b), REC_SQL_BUSY);
    rec_sql_close(a);
    rec_sql_close(b);
}

static void a_serialization_failure(void **state)
{
    struct rec_sql *a = open_it(), *b = open_it();
    (void)state;
    ok(rec_sql_begin(a, REC_SQL_WRITE, &err));
    run(a, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    number(a, "SELECT count(*) FROM turns");
    ok(rec_sql_exec(b, NULL, "UPDATE turns SET b = 5 WHERE a = 1", REC_SQL_NONE, &err));
    failed_as(a, rec_sql_exec(a, NULL, "UPDATE turns SET b = 6 WHERE a = 1", REC_SQL_NONE, &err), REC_SQL_BUSY, "try again");
    rec_sql_close(a);
    rec_sql_close(b);
}

static void reading_only(void **state)
{
    static const char insert[] = "INSERT INTO turns VALUES (9, 9)";
    struct rec_sql *db = open_it();
    (void)state;
    ok(rec_sql_begin(db, REC_SQL_READ, &err));
    failed_as(db, rec_sql_exec(db, NULL, insert, REC_SQL_NONE, &err), REC_SQL_READONLY, "read-only transaction");
    rec_sql_close(db);
    for (int one_shot = 0; one_shot < 2; one_shot++) {
        db = open_as(server.url, (struct rec_sql_options){.read_only = true, .one_shot = one_shot});
        failed_as(db, rec_sql_exec(db, NULL, insert, REC_SQL_NONE, &err), REC_SQL_READONLY, "read-only transaction");
        failed_as(db, rec_sql_begin(db, REC_SQL_WRITE, &err), REC_SQL_READONLY, "");
        assert_int_equal(number(db, "SELECT count(*) FROM turns"), 2);
        rec_sql_close(db);
    }
    db = open_it();
    run(db, "ALTER DATABASE rec SET default_transaction_read_only = on");
    rec_sql_close(db);
    db = open_it();
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    failed_as(db, rec_sql_exec(db, NULL, insert, REC_SQL_NONE, &err), REC_SQL_READONLY, "primary");
    rec_sql_rollback(db);
    run(db, "BEGIN READ WRITE; ALTER DATABASE rec RESET default_transaction_read_only; COMMIT");
    rec_sql_close(db);
}

/* A transaction can fail at its very end. */
static void a_commit_that_fails(void **state)
{
    struct rec_sql *db = open_it();
    (void)state;
    run(db, "CREATE TABLE late (a int REFERENCES turns (a) DEFERRABLE INITIALLY DEFERRED)");
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(rec_sql_exec(db, NULL, "INSERT INTO late VALUES (77)", REC_SQL_NONE, &err));
    failed_as(db, rec_sql_commit(db, &err), REC_SQL_CONSTRAINT, "foreign key");
    assert_false(rec_sql_in_transaction(db));
    assert_int_equal(number(db, "SELECT count(*) FROM late"), 0);
    run(db, "DROP TABLE late, turns");
    rec_sql_close(db);
}

static void what_servers_say(void **state)
{
    static const struct { const char *state; enum rec_sql_fault fault; } said[] = {
        {"53100", REC_SQL_FULL}, {"XX001", REC_SQL_CORRUPT}, {"XX002", REC_SQL_CORRUPT}, {"58030", REC_SQL_CORRUPT},
        {"23505", REC_SQL_UNIQUE}, {"23503", REC_SQL_CONSTRAINT}, {"23001", REC_SQL_CONSTRAINT}, {"40001", REC_SQL_BUSY},
        {"40P01", REC_SQL_BUSY}, {"55P03", REC_SQL_BUSY}, {"25006", REC_SQL_READONLY}, {"42501", REC_SQL_DENIED}, {"53200", REC_SQL_OTHER},
        {"57014", REC_SQL_OTHER}, {"P0001", REC_SQL_OTHER}, {"XX000", REC_SQL_OTHER}, {"57P01", REC_SQL_LOST},
    };
    struct rec_sql *db = open_it();
    char sql[128];
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(said); i++) {
        snprintf(sql, sizeof sql, "DO $$ BEGIN RAISE EXCEPTION E'what\\nhappened' USING ERRCODE = '%s'; END $$", said[i].state);
        failed_as(db, rec_sql_script(db, sql, &err), said[i].fault, ": what");
    }
    run(db, "CREATE TEMPORARY TABLE secret (a text PRIMARY KEY); INSERT INTO secret VALUES ('ann@example.org')");
    failed_as(db, rec_sql_exec(db, NULL, "INSERT INTO secret VALUES ($1)", REC_SQL(rec_sql_text("ann@example.org")), &err), REC_SQL_UNIQUE,
              "secret_pkey");
    assert_null(strstr(err.text, "ann@"));
    rec_sql_close(db);
}

/* ---- pgbouncer ----------------------------------------------------------------------------------- */

/* Four connections of the server, shared by transaction between twelve of ours that take turns. */
static void through_pgbouncer(void **state)
{
    struct rec_sql *db[12], *direct = open_it();
    int64_t n;
    (void)state;
    server_bouncer(&server, bouncer, sizeof bouncer);
    run(direct, "CREATE TABLE pooled (a int PRIMARY KEY, b int)");
    for (int i = 0; i < 12; i++)
        db[i] = open_as(bouncer, (struct rec_sql_options){.one_shot = true, .read_only = i % 3 == 2, .busy_timeout = 0.2});
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < 12; i++) {
            int64_t key = round * 12 + i;
            if (i % 3 == 0) {
                ok(rec_sql_exec(db[i], &n, "INSERT INTO pooled VALUES ($1, $2)", REC_SQL(rec_sql_int(key), rec_sql_int(i)), &err));
                assert_int_equal(n, 1);
            } else if (i % 3 == 1) {
                ok(rec_sql_begin(db[i], REC_SQL_WRITE, &err));
                ok(rec_sql_lock(db[i], "pooled", 1, &err));
                ok(rec_sql_exec(db[i], NULL, "INSERT INTO pooled VALUES ($1, $2)", REC_SQL(rec_sql_int(key), rec_sql_int(i)), &err));
                ok(rec_sql_commit(db[i], &err));
            } else {
                assert_int_equal(rec_sql_exec(db[i], NULL, "INSERT INTO pooled VALUES ($1, 0)", REC_SQL(rec_sql_int(key)), &err), -1);
                ok(rec_sql_get_int(&n, db[i], "SELECT count(*) FROM pooled WHERE b < $1", REC_SQL(rec_sql_int(12)), &err));
                assert_int_equal(n, round * 8 + (i + 1) / 3 * 2);
            }
        }
    failed_as(db[0], rec_sql_exec(db[0], NULL, "INSERT INTO pooled VALUES (0, 0)", REC_SQL_NONE, &err), REC_SQL_UNIQUE, "pooled_pkey");
    ok(rec_sql_begin(direct, REC_SQL_WRITE, &err));
    ok(rec_sql_exec(direct, NULL, "UPDATE pooled SET b = 0 WHERE a = 0", REC_SQL_NONE, &err));
    failed_as(db[0], rec_sql_exec(db[0], NULL, "UPDATE pooled SET b = 1 WHERE a = 0", REC_SQL_NONE, &err), REC_SQL_BUSY, "try again");
    rec_sql_rollback(direct);
    ok(rec_sql_exec(db[0], NULL, "UPDATE pooled SET b = 1 WHERE a = 0", REC_SQL_NONE, &err));
    /* Nothing that one of them set is left for the next. */
    assert_int_equal(number(db[0], "SELECT count(*) FROM pg_settings WHERE name IN ('lock_timeout', 'default_transaction_read_only') "
                                   "AND setting NOT IN ('0', 'off')"), 1);
    ok(rec_sql_begin(db[1], REC_SQL_WRITE, &err));
    run(db[1], "DROP TABLE pooled");
    ok(rec_sql_commit(db[1], &err));
    for (int i = 0; i < 12; i++)
        rec_sql_close(db[i]);
    rec_sql_close(direct);
}

/* A long-lived connection needs a pooler that leaves it its session; where it has none, that is what it says. */
static void prepared_through_pgbouncer(void **state)
{
    struct rec_sql *a = open_as(bouncer, (struct rec_sql_options){0}), *b = open_as(bouncer, (struct rec_sql_options){0});
    (void)state;
    assert_int_equal(number(a, "SELECT 41"), 41);
    failed_as(b, rec_sql_exec(b, NULL, "SELECT 42", REC_SQL_NONE, &err), REC_SQL_OTHER, "must pool by session here, not by transaction");
    rec_sql_close(a);
    rec_sql_close(b);
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
        cmocka_unit_test(what_it_cannot_read_or_store_is_refused),
        cmocka_unit_test(scripts_name_the_line),
        cmocka_unit_test(a_migration_meanwhile),
        cmocka_unit_test(many_statements),
        cmocka_unit_test(no_server_no_database_no_role),
        cmocka_unit_test(urls_that_are_none),
        cmocka_unit_test(a_server_that_does_not_answer),
        cmocka_unit_test(passwords),
        cmocka_unit_test(too_many_connections),
        cmocka_unit_test(lost_between_statements),
        cmocka_unit_test(lost_in_a_transaction),
        cmocka_unit_test(the_server_is_killed),
        cmocka_unit_test(locks_take_turns),
        cmocka_unit_test(a_deadlock),
        cmocka_unit_test(a_serialization_failure),
        cmocka_unit_test(reading_only),
        cmocka_unit_test(a_commit_that_fails),
        cmocka_unit_test(what_servers_say),
        cmocka_unit_test(through_pgbouncer),
        cmocka_unit_test(prepared_through_pgbouncer),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
