/* SPDX-License-Identifier: MIT
 *
 * The same cases on both databases: an SQLite file and a PostgreSQL server of their own. A case gets its database as its state, opens
 * connections with `join`, makes tables with `fresh`, and leaves none open.
 */
#ifndef REC_TEST_DATABASES_H
#define REC_TEST_DATABASES_H

#include "../postgres.h"

#include <rec/sql.h>

struct database {
    const char *word;
    char url[320];
};

static struct database databases[2] = {{.word = "sqlite"}, {.word = "postgresql"}};
static struct server server;
static char folder[] = "/tmp/rec-test-sql.XXXXXX";
static struct rec_err err;

static inline void ok(int status)
{
    if (status < 0)
        fail_msg("%s", err.text);
}

/* The call failed in that way, and said so in one line that names the database. */
static inline void failed(int status, const struct rec_sql *db, enum rec_sql_fault fault)
{
    assert_int_equal(status, -1);
    if (rec_sql_fault(db) != fault)
        fail_msg("fault %d, not %d: %s", rec_sql_fault(db), fault, err.text);
    assert_non_null(strstr(err.text, rec_sql_name(db)));
    assert_null(strchr(err.text, '\n'));
}

static inline struct rec_sql *join_as(const struct database *database, struct rec_sql_options options)
{
    static const struct rec_sql_driver *const drivers[] = {&rec_sqlite_driver, &rec_postgres_driver, NULL};
    struct rec_sql *db = NULL;

    options.drivers = drivers;
    options.create = true;
    ok(rec_sql_open(&db, database->url, &options, &err));
    assert_string_equal(rec_sql_dialect(db), database->word);
    return db;
}

static inline struct rec_sql *join(const struct database *database)
{
    return join_as(database, (struct rec_sql_options){0});
}

/* A connection to a database in which the script has run; BYTES in it is the type for them. */
static inline struct rec_sql *fresh(const struct database *database, const char *script)
{
    struct rec_sql *db = join(database);
    struct rec_buf text = {0};
    const char *at;

    rec_buf_adds(&text, "DROP TABLE IF EXISTS child; DROP TABLE IF EXISTS t;");
    while ((at = strstr(script, "BYTES")) != NULL) {
        rec_buf_add(&text, script, (size_t)(at - script));
        rec_buf_adds(&text, !strcmp(database->word, "sqlite") ? "BLOB" : "bytea");
        script = at + strlen("BYTES");
    }
    rec_buf_adds(&text, script);
    assert_false(text.failed);
    ok(rec_sql_script(db, text.data, &err));
    rec_buf_clear(&text);
    return db;
}

static inline int64_t get(struct rec_sql *db, const char *sql)
{
    int64_t x;
    int status = rec_sql_get_int(&x, db, sql, REC_SQL_NONE, &err);

    ok(status);
    assert_int_equal(status, 1);
    return x;
}

static inline int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(databases[0].url, sizeof databases[0].url, "sqlite://%s/test.db", folder);
    server_start(&server, "deadlock_timeout=100ms", NULL);
    snprintf(databases[1].url, sizeof databases[1].url, "%s", server.url);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    server_stop(&server);
    return server_command((const char *[]){"rm", "-rf", folder, NULL}, NULL, 0);
}

struct database_case {
    const char *name;
    CMUnitTestFunction run;
};
#define CASE(f) {#f, f}

/* tests[2 * n]: each case on each database. */
static inline void on_both(struct CMUnitTest *tests, const struct database_case *cases, size_t n)
{
    static char names[200][96];

    assert_true(2 * n <= REC_LENGTH(names));
    for (size_t i = 0; i < 2 * n; i++) {
        snprintf(names[i], sizeof names[i], "%s: %s", databases[i % 2].word, cases[i / 2].name);
        tests[i] = (struct CMUnitTest){.name = names[i], .test_func = cases[i / 2].run, .initial_state = &databases[i % 2]};
    }
}

#endif
