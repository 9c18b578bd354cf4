/* SPDX-License-Identifier: MIT
 *
 * A suite of tests of the store that runs on a fresh SQLite file and on a fresh schema of a PostgreSQL server, each test in its own.
 *
 *     static void adds(void **state)
 *     {
 *         struct both *b = *state;
 *         assert_int_equal(rec_tokens_revoke(&b->store, "a", "b", 10, 5, &b->err), 0);
 *     }
 *     int main(void)
 *     {
 *         return both_run((const struct CMUnitTest[]){cmocka_unit_test(adds)}, 1);
 *     }
 *
 * The server is that of $REC_TEST_POSTGRES (a URL), or one that tests/postgres starts and stops for the program.
 */
#ifndef REC_TEST_BOTH_H
#define REC_TEST_BOTH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/store.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct rec_sql_driver *const both_drivers[] = {&rec_sqlite_driver, &rec_postgres_driver, NULL};
static const struct rec_sql_options both_options = {.drivers = both_drivers, .create = true, .busy_timeout = 20};
/* As cheap as libsodium makes it: tests of accounts hash many passwords. */
static const struct rec_password_cost both_cost = {1, 8192};

struct both {
    const char *dialect;          /* "sqlite", "postgresql" */
    char dir[32];                 /* for files of the test; goes with it */
    char url[320];                /* of its own store */
    struct rec_store store;       /* open, at the newest schema, with `keys` */
    struct rec_keyring keys;      /* versions 1 and 2, of fixed bytes */
    struct rec_err err;
};

static char both_dir[] = "/tmp/rec-both-XXXXXX", both_server[200];
static unsigned both_count;

/* A program to its end; what it prints, without the last newline, into `out`. */
static inline int both_program(char *const *argv, char *out, size_t size)
{
    int pipes[2], status;
    size_t n = 0;
    ssize_t got;
    if (pipe(pipes) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 1);
        close(pipes[0]);
        close(pipes[1]);
        execv(argv[0], argv);
        _exit(127);
    }
    close(pipes[1]);
    while (n + 1 < size && (got = read(pipes[0], out + n, size - 1 - n)) > 0)
        n += (size_t)got;
    out[n - (n > 0 && out[n - 1] == '\n')] = 0;
    close(pipes[0]);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Removes a directory and what is in it. */
static inline void both_remove(const char *dir)
{
    char out[16], *argv[] = {(char[]){"/bin/rm"}, (char[]){"-rf"}, (char *)(uintptr_t)dir, NULL};
    both_program(argv, out, sizeof out);
}

static inline int both_start(void)
{
    char *argv[] = {(char[]){"tests/postgres"}, (char[]){"start"}, both_dir, NULL};
    const char *given = getenv("REC_TEST_POSTGRES");
    if (mkdtemp(both_dir) == NULL)
        return -1;
    if (given == NULL || given[0] == 0)
        return both_program(argv, both_server, sizeof both_server);
    snprintf(both_server, sizeof both_server, "%s", given);
    return 0;
}

static inline void both_stop(void)
{
    char out[64], *argv[] = {(char[]){"tests/postgres"}, (char[]){"stop"}, both_dir, NULL};
    const char *given = getenv("REC_TEST_POSTGRES");
    if (given == NULL || given[0] == 0)
        both_program(argv, out, sizeof out);
    both_remove(both_dir);
}

/* The server's URL with a schema of its own. */
static inline void both_url(char out[320], const char *schema)
{
    snprintf(out, 320, "%s%coptions=-csearch_path%%3D%s", both_server, strchr(both_server, '?') != NULL ? '&' : '?', schema);
}

/* A place without a schema of ours: b->dir, b->url. */
static inline void both_place(struct both *b)
{
    static char statement[96];    /* at one address: it is no literal, and run as a script */
    struct rec_sql *db;
    char schema[48];
    snprintf(b->dir, sizeof b->dir, "/tmp/rec-both-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    if (strcmp(b->dialect, "sqlite") == 0) {
        snprintf(b->url, sizeof b->url, "sqlite://%s/store.db", b->dir);
        return;
    }
    snprintf(schema, sizeof schema, "both_%ld_%u", (long)getpid(), both_count++);
    snprintf(statement, sizeof statement, "CREATE SCHEMA %s", schema);
    if (rec_sql_open(&db, both_server, &both_options, &b->err) < 0 || rec_sql_script(db, statement, &b->err) < 0)
        fail_msg("%s", b->err.text);
    rec_sql_close(db);
    both_url(b->url, schema);
}

/* Another connection to the same store, without the keyring's file. */
static inline void both_open(struct rec_store *store, struct both *b)
{
    if (rec_store_open(store, b->url, NULL, &both_options, &b->err) < 0)
        fail_msg("%s", b->err.text);
    store->keys = &b->keys;
    store->cost = &both_cost;
}

static inline int both_setup(void **state)
{
    struct both *b = calloc(1, sizeof *b);
    struct rec_migrate_set set;
    struct rec_sql *db;
    b->dialect = *state;
    both_place(b);
    for (uint32_t v = 1; v <= 2; v++) {
        b->keys.version[v - 1] = b->keys.newest = v;
        b->keys.created[v - 1] = v;
        memset(b->keys.key[v - 1], (int)v, REC_KEY_BYTES);
        b->keys.n = v;
    }
    if (rec_sql_open(&db, b->url, &both_options, &b->err) < 0 || rec_migrate_builtin(&set, b->dialect, &b->err) < 0 ||
        rec_migrate_up(db, &set, 0, NULL, NULL, NULL, &b->err) < 0)
        fail_msg("%s", b->err.text);
    rec_migrate_clear(&set);
    rec_sql_close(db);
    both_open(&b->store, b);
    *state = b;
    return 0;
}

static inline int both_teardown(void **state)
{
    struct both *b = *state;
    rec_store_close(&b->store);
    both_remove(b->dir);
    free(b);
    return 0;
}

/* As both_setup and both_teardown, with a place and no store. */
static inline int both_setup_place(void **state)
{
    struct both *b = calloc(1, sizeof *b);
    b->dialect = *state;
    both_place(b);
    *state = b;
    return 0;
}

static inline int both_run_with(const struct CMUnitTest *tests, size_t n, CMFixtureFunction setup)
{
    static const char *const dialects[] = {"sqlite", "postgresql"};
    struct CMUnitTest suite[2 * 64];
    char name[2 * 64][96];
    size_t m = 0;
    for (size_t d = 0; d < 2; d++)
        for (size_t i = 0; i < n && i < 64; i++, m++) {
            suite[m] = tests[i];
            snprintf(name[m], sizeof name[m], "%s, %s", tests[i].name, dialects[d]);
            suite[m].name = name[m];
            suite[m].setup_func = setup;
            suite[m].teardown_func = both_teardown;
            suite[m].initial_state = (void *)(uintptr_t)dialects[d];
        }
    if (n > 64 || both_start() != 0) {
        fputs("both.h: no PostgreSQL server, or too many tests\n", stderr);
        return 1;
    }
    int failed = _cmocka_run_group_tests("both", suite, m, NULL, NULL);
    both_stop();
    return failed;
}

/* Runs n tests, at most 64, on both databases. To be called in the root of the source tree, as `make unit` does. */
static inline int both_run(const struct CMUnitTest *tests, size_t n)
{
    return both_run_with(tests, n, both_setup);
}

/* Rows of a query with one whole number. */
static inline int64_t both_int(struct both *b, const char *sql)
{
    int64_t out = INT64_MIN;
    if (rec_sql_get_int(&out, b->store.db, sql, REC_SQL_NONE, &b->err) < 0)
        fail_msg("%s", b->err.text);
    return out;
}

/* So that a failing call says why. */
#define both_ok(b, call) do { if ((call) < 0) fail_msg("%s", (b)->err.text); } while (0)
/* A call that must fail, with that fault and words in its message. */
#define both_fails(b, call, kind, words) do { \
        (b)->err.text[0] = 0; \
        assert_int_equal((call), -1); \
        assert_non_null(strstr((b)->err.text, words)); \
        assert_int_equal(rec_sql_fault((b)->store.db), kind); \
    } while (0)

#endif
