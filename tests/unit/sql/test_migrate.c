/* SPDX-License-Identifier: MIT
 *
 * Migrations, on both databases: up and down; broken, changed, missing and foreign ones; several programs at once; killed in the middle. And
 * data/migrations: the two dialects make the same tables.
 */
#include "../store/both.h"

#include <signal.h>

/* ---- a directory of migrations ---- */

static void put(struct both *b, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/migrations", b->dir);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/migrations/%s", b->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void take(struct both *b, const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/migrations/%s", b->dir, name);
    assert_int_equal(remove(path), 0);
}

static int read_set(struct rec_migrate_set *set, struct both *b)
{
    char path[64];
    snprintf(path, sizeof path, "%s/migrations", b->dir);
    b->err.text[0] = 0;
    return rec_migrate_read(set, path, b->dialect, &b->err);
}

static int up(struct both *b, uint32_t to, size_t *n)
{
    struct rec_migrate_set set;
    both_ok(b, read_set(&set, b));
    int status = rec_migrate_up(b->store.db, &set, to, n, NULL, NULL, &b->err);
    rec_migrate_clear(&set);
    return status;
}

static int down(struct both *b, uint32_t to, size_t *n)
{
    struct rec_migrate_set set;
    both_ok(b, read_set(&set, b));
    int status = rec_migrate_down(b->store.db, &set, to, n, NULL, NULL, &b->err);
    rec_migrate_clear(&set);
    return status;
}

static int check(struct both *b)
{
    struct rec_migrate_set set;
    both_ok(b, read_set(&set, b));
    int status = rec_migrate_check(b->store.db, &set, &b->err);
    rec_migrate_clear(&set);
    return status;
}

/* A line for each version: "1 one A" (applied), P (pending), C (changed), U (unknown). */
static void is_status(struct both *b, const char *wanted)
{
    struct rec_migrate_set set;
    struct rec_migrate_status *s;
    struct rec_buf out = {0};
    size_t n;
    both_ok(b, read_set(&set, b));
    both_ok(b, rec_migrate_status(&s, &n, b->store.db, &set, &b->err));
    for (size_t i = 0; i < n; i++) {
        rec_buf_addf(&out, "%s%u %s %c", i > 0 ? ", " : "", s[i].version, s[i].name, "APCU"[s[i].state]);
        assert_true((s[i].applied > 1500000000) == (s[i].state != REC_MIGRATE_PENDING));
    }
    assert_string_equal(out.data, wanted);
    rec_buf_clear(&out);
    free(s);
    rec_migrate_clear(&set);
}

static bool has(struct both *b, const char *table)
{
    int64_t n;
    int status = strcmp(b->dialect, "sqlite") == 0
        ? rec_sql_get_int(&n, b->store.db, "SELECT count(*) FROM sqlite_master WHERE name = $1", REC_SQL(rec_sql_text(table)), &b->err)
        : rec_sql_get_int(&n, b->store.db, "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                          "WHERE n.nspname = current_schema() AND relname = $1", REC_SQL(rec_sql_text(table)), &b->err);
    both_ok(b, status);
    return n > 0;
}

static void put_three(struct both *b)
{
    put(b, "0001-one.up.sql", "CREATE TABLE a (x integer NOT NULL PRIMARY KEY);\n");
    put(b, "0001-one.down.sql", "DROP TABLE a;\n");
    put(b, "0002-two.up.sql", "CREATE TABLE b (x integer REFERENCES a (x));\nINSERT INTO a (x) VALUES (1);\nINSERT INTO b (x) VALUES (1);\n");
    put(b, "0002-two.down.sql", "DROP TABLE b;\nDELETE FROM a;\n");
    put(b, "0003-three.up.sql", "ALTER TABLE b RENAME TO c;\n");
    put(b, "0003-three.down.sql", "ALTER TABLE c RENAME TO b;\n");
}

static int setup(void **state)
{
    both_setup_place(state);
    struct both *b = *state;
    both_ok(b, rec_sql_open(&b->store.db, b->url, &both_options, &b->err));
    b->store.owns = true;
    return 0;
}

/* ---- up and down ---- */

static void count_calls(void *context, const struct rec_migrate_file *file, bool is_up, bool done)
{
    rec_buf_addf(context, "%s%s%u%s", ((struct rec_buf *)context)->len > 0 ? " " : "", is_up ? "+" : "-", file->version, done ? "!" : "");
}

static void goes_up_and_down(void **state)
{
    struct both *b = *state;
    struct rec_migrate_set set;
    struct rec_buf calls = {0};
    size_t n = 9;
    put_three(b);
    both_ok(b, read_set(&set, b));
    is_status(b, "1 one P, 2 two P, 3 three P");
    both_fails(b, rec_migrate_check(b->store.db, &set, &b->err), REC_SQL_ABSENT, ": no store here yet: run rec-db init");
    both_ok(b, rec_migrate_up(b->store.db, &set, 2, &n, count_calls, &calls, &b->err));
    assert_int_equal(n, 2);
    is_status(b, "1 one A, 2 two A, 3 three P");
    both_fails(b, rec_migrate_check(b->store.db, &set, &b->err), REC_SQL_OTHER,
               ": schema is version 2, this program needs 3: run rec-db migrate");
    both_ok(b, rec_migrate_up(b->store.db, &set, 0, &n, count_calls, &calls, &b->err));
    assert_int_equal(n, 1);
    both_ok(b, rec_migrate_check(b->store.db, &set, &b->err));
    both_ok(b, rec_migrate_up(b->store.db, &set, 1, &n, count_calls, &calls, &b->err));
    assert_int_equal(n, 0);
    assert_int_equal(both_int(b, "SELECT x FROM c"), 1);
    both_ok(b, rec_migrate_down(b->store.db, &set, 1, &n, count_calls, &calls, &b->err));
    assert_int_equal(n, 2);
    assert_false(has(b, "b") || has(b, "c"));
    both_ok(b, rec_migrate_down(b->store.db, &set, 0, &n, count_calls, &calls, &b->err));
    assert_int_equal(n, 1);
    assert_false(has(b, "a") || has(b, "schema_migrations"));
    is_status(b, "1 one P, 2 two P, 3 three P");
    both_ok(b, rec_migrate_down(b->store.db, &set, 0, &n, NULL, NULL, &b->err));
    both_ok(b, rec_migrate_up(b->store.db, &set, 0, &n, NULL, NULL, &b->err));
    assert_int_equal(n, 3);
    both_fails(b, rec_migrate_up(b->store.db, &set, 4, &n, NULL, NULL, &b->err), REC_SQL_OTHER, "there is no migration 4, the newest is 3");
    assert_string_equal(calls.data, "+1 +1! +2 +2! +3 +3! -3 -3! -2 -2! -1 -1!");
    rec_buf_clear(&calls);
    rec_migrate_clear(&set);
}

static void a_broken_one_leaves_the_old_schema(void **state)
{
    struct both *b = *state;
    char wanted[512];
    size_t n = 9;
    put_three(b);
    put(b, "0002-two.up.sql", "-- first\nCREATE TABLE b (x integer);\n\n/* x;\n */ INSERT INTO b (x)\n VALUES (1); INSERT INTO nowhere (x) VALUES (1);\n");
    assert_int_equal(up(b, 0, &n), -1);
    assert_int_equal(n, 1);
    snprintf(wanted, sizeof wanted, "%s: 0002-two.up.sql, line 6: ", rec_sql_name(b->store.db));
    assert_int_equal(strncmp(b->err.text, wanted, strlen(wanted)), 0);
    assert_non_null(strstr(b->err.text, "nowhere"));
    assert_false(rec_sql_in_transaction(b->store.db));
    assert_false(has(b, "b"));
    is_status(b, "1 one A, 2 two P, 3 three P");
    put_three(b);
    both_ok(b, up(b, 0, &n));
    is_status(b, "1 one A, 2 two A, 3 three A");
    put(b, "0003-three.down.sql", "ALTER TABLE c RENAME TO b;\nDROP TABLE nowhere;\n");
    assert_int_equal(down(b, 0, &n), -1);
    assert_non_null(strstr(b->err.text, "0003-three.down.sql, line 2: "));
    is_status(b, "1 one A, 2 two A, 3 three A");
    assert_true(has(b, "c"));
}

/* What is only checked when the transaction ends. */
static void one_that_breaks_at_its_end_leaves_the_old_schema(void **state)
{
    struct both *b = *state;
    put_three(b);
    put(b, "0003-three.up.sql", strcmp(b->dialect, "sqlite") == 0
        ? "PRAGMA defer_foreign_keys = ON;\nINSERT INTO b (x) VALUES (7);\n"
        : "ALTER TABLE b ALTER CONSTRAINT b_x_fkey DEFERRABLE INITIALLY DEFERRED;\nINSERT INTO b (x) VALUES (7);\n");
    both_fails(b, up(b, 0, NULL), REC_SQL_CONSTRAINT, ": 0003-three.up.sql: ");
    is_status(b, "1 one A, 2 two A, 3 three P");
    assert_int_equal(both_int(b, "SELECT count(*) FROM b"), 1);
}

static void the_first_one_leaves_nothing_when_it_breaks(void **state)
{
    struct both *b = *state;
    put(b, "0001-one.up.sql", "CREATE TABLE a (x integer);\nCREATE TABLE a (x integer);\n");
    assert_int_equal(up(b, 0, NULL), -1);
    assert_non_null(strstr(b->err.text, "0001-one.up.sql, line 2: "));
    assert_false(has(b, "a") || has(b, "schema_migrations"));
    is_status(b, "1 one P");
}

static void a_changed_one_is_an_error(void **state)
{
    struct both *b = *state;
    put_three(b);
    both_ok(b, up(b, 2, NULL));
    put(b, "0001-one.up.sql", "CREATE TABLE a (x integer NOT NULL PRIMARY KEY); \n");
    is_status(b, "1 one C, 2 two A, 3 three P");
    both_fails(b, up(b, 0, NULL), REC_SQL_OTHER, ": migration 0001-one was changed after it was applied: put back 0001-one.up.sql as it was");
    both_fails(b, down(b, 0, NULL), REC_SQL_OTHER, "was changed");
    both_fails(b, check(b), REC_SQL_OTHER, "was changed");
    put_three(b);
    both_ok(b, up(b, 0, NULL));
}

static void a_newer_schema_is_an_error(void **state)
{
    struct both *b = *state;
    put_three(b);
    both_ok(b, up(b, 0, NULL));
    take(b, "0003-three.up.sql");
    take(b, "0003-three.down.sql");
    is_status(b, "1 one A, 2 two A, 3 three U");
    both_fails(b, up(b, 0, NULL), REC_SQL_OTHER, ": schema is version 3 (three), newer than this program's 2: ");
    both_fails(b, down(b, 0, NULL), REC_SQL_OTHER, "newer than this program's");
    both_fails(b, check(b), REC_SQL_OTHER, "newer than this program's");
    /* A row that is missing. */
    put_three(b);
    both_ok(b, rec_sql_exec(b->store.db, NULL, "DELETE FROM schema_migrations WHERE version = 2", REC_SQL_NONE, &b->err));
    is_status(b, "1 one A, 2 two P, 3 three A");
    both_fails(b, up(b, 0, NULL), REC_SQL_OTHER, ": migration 0002-two was not applied, but a later one was");
}

static void no_way_back_is_said_before_anything_is_done(void **state)
{
    struct both *b = *state;
    put_three(b);
    take(b, "0002-two.down.sql");
    both_ok(b, up(b, 0, NULL));
    both_fails(b, down(b, 1, NULL), REC_SQL_OTHER, ": migration 0002-two has no way back (no .down.sql)");
    is_status(b, "1 one A, 2 two A, 3 three A");
    both_ok(b, down(b, 2, NULL));
    is_status(b, "1 one A, 2 two A, 3 three P");
}

static void anothers_schema_migrations_is_left_alone(void **state)
{
    struct both *b = *state;
    put_three(b);
    both_ok(b, rec_sql_script(b->store.db, "CREATE TABLE schema_migrations (version TEXT); INSERT INTO schema_migrations VALUES ('20240101')",
                              &b->err));
    both_fails(b, up(b, 0, NULL), REC_SQL_OTHER, ": schema_migrations is another program's");
    both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
    both_fails(b, rec_migrate_drop(b->store.db, &b->err), REC_SQL_OTHER, "another program's");
    rec_sql_rollback(b->store.db);
    assert_int_equal(both_int(b, "SELECT count(*) FROM schema_migrations"), 1);
}

/* ---- files ---- */

static void refuses_files_that_make_no_series(void **state)
{
    static const struct {
        const char *name[3], *words;
    } bad[] = {
        {{"0001-one.up.sql", "0003-three.up.sql", "0002-two.down.sql"}, "migration 2 has no file for"},
        {{"0001-one.up.sql", "0009-nine.up.sql"}, "there are gaps before it"},
        {{"0002-two.up.sql", "0002-two.down.sql"}, "migration 1 has no file for"},
        {{"0001-one.up.sql", "0001-one.sqlite.up.sql", "0001-one.postgresql.up.sql"}, "which one is meant?"},
        {{"0001-one.up.sql", "0001-ein.down.sql"}, "is called both"},
        {{"0001-one.up.sql", "1-one.up.sql"}, "1-one.up.sql: is not called NNNN-what.up.sql"},
        {{"0001-one.up.sql", "0002-two.sql"}, "is not called"},
        {{"0001-one.up.sql", "0002-Two.up.sql"}, "is not called"},
        {{"0001-one.up.sql", "0002-two.mysql.up.sql"}, "is not called"},
        {{"0001-one.up.sql", "0000-two.up.sql"}, "is not called"},
        {{"0001-one.up.sql", "0001-.up.sql"}, "is not called"},
        {{"README"}, "there are no migrations for"},
    };
    struct both *b = *state;
    struct rec_migrate_set set;
    assert_int_equal(read_set(&set, b), -1);
    assert_non_null(strstr(b->err.text, "no such file"));
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        for (size_t j = 0; j < 3 && bad[i].name[j] != NULL; j++)
            put(b, bad[i].name[j], "SELECT 1;\n");
        assert_int_equal(read_set(&set, b), -1);
        if (strstr(b->err.text, bad[i].words) == NULL)
            fail_msg("case %zu: %s", i, b->err.text);
        for (size_t j = 0; j < 3 && bad[i].name[j] != NULL; j++)
            take(b, bad[i].name[j]);
    }
}

static void takes_the_file_of_the_database(void **state)
{
    struct both *b = *state;
    bool sqlite = strcmp(b->dialect, "sqlite") == 0;
    put(b, "0001-one.sqlite.up.sql", "CREATE TABLE s (x integer);");
    put(b, "0001-one.postgresql.up.sql", "CREATE TABLE p (x integer);");
    put(b, "0001-one.down.sql", "DROP TABLE s;");
    put(b, "0001-one.down.sql~", "left by an editor");
    put(b, ".0002-two.up.sql", "hidden");
    both_ok(b, up(b, 0, NULL));
    assert_int_equal(has(b, "s"), sqlite);
    assert_int_equal(has(b, "p"), !sqlite);
}

static void refuses_what_must_not_stand_in_one(void **state)
{
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"SELECT 1;\nCOMMIT;", "0002-two.up.sql, line 2: a migration is one transaction"},
        {"BEGIN;\nSELECT 1;", "line 1: a migration is one transaction"},
        {"select 1; /* ; */ -- ;\n ;; \nrollback", "line 3: a migration is one"},
        {"SELECT ';';\n\n\nEnd;", "line 4: a migration is one"},
        {"START TRANSACTION;", "line 1"}, {"SAVEPOINT a;", "line 1"}, {"RELEASE a;", "line 1"}, {"ABORT;", "line 1"},
        {"PREPARE TRANSACTION 'x';", "line 1"},
        {"CREATE TABLE \"z\" (x integer);", "write names plain"},
        {"CREATE TABLE main.z (x integer);", "write names plain"},
        {"CREATE TABLE IF NOT EXISTS Z (x integer);", "write names plain"},
        {"CREATE VIEW /* ; */ public . z AS SELECT 1;", "write names plain"},
        {"DROP TABLE a, \"b\";", "write names plain"},
        {"ALTER TABLE a RENAME TO \"b\";", "write names plain"},
        {"ALTER TABLE a SET SCHEMA b;", "stays in its schema"},
        {"CREATE MATERIALIZED VIEW z AS SELECT 1;", "materialized view"},
    };
    struct both *b = *state;
    put(b, "0001-one.up.sql", "CREATE TABLE a (x integer);");
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        put(b, "0002-two.up.sql", bad[i].text);
        assert_int_equal(up(b, 0, NULL), -1);
        if (strstr(b->err.text, bad[i].words) == NULL)
            fail_msg("case %zu: %s", i, b->err.text);
        assert_false(has(b, "a"));
    }
    put(b, "0001-one.down.sql", "DROP TABLE a;");
    put(b, "0002-two.up.sql", "SELECT 1;");
    put(b, "0002-two.down.sql", "COMMIT;");
    both_ok(b, up(b, 0, NULL));
    assert_int_equal(down(b, 0, NULL), -1);
    assert_non_null(strstr(b->err.text, "0002-two.down.sql, line 1: a migration is one"));
}

/* Semicolons, and words of transactions, in places where they mean nothing. */
static void finds_the_ends_of_statements(void **state)
{
    struct both *b = *state;
    put(b, "0001-one.up.sql",
        "-- COMMIT; it's\nCREATE TABLE a (x integer, \"begin;\" text DEFAULT 'a;''b;', z text); /* COMMIT; ' */\n"
        "INSERT INTO a (x, z) VALUES (1, 'it''s;\nCOMMIT;\n'), (2, CASE WHEN 1 = 1 THEN ';' ELSE ';' END);");
    put(b, "0002-two.sqlite.up.sql",
        "INSERT INTO a (x, [begin;]) SELECT 3, `begin;` FROM a WHERE x = 1 AND z <> '\\';\n"
        "CREATE TRIGGER t AFTER INSERT ON a WHEN new.x = 7\nBEGIN\n  UPDATE a SET z = CASE WHEN x = 1 THEN 'end;' ELSE z END;\n"
        "  DELETE FROM a WHERE x = 2;\nEND;\nINSERT INTO a (x) VALUES (7);\n");
    put(b, "0002-two.postgresql.up.sql",
        "INSERT INTO a (x, \"begin;\") SELECT 3, E'\\';COMMIT;' || $$COMMIT; '$$ || $a_1$ $$; COMMIT; $a$; $a_1$ FROM a WHERE x = 1;\n"
        "/* one /* COMMIT; */ COMMIT; */\n"
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $f$\nBEGIN\n  DELETE FROM a WHERE x = 2;\n  RETURN new;\nEND;\n$f$;\n"
        "CREATE FUNCTION g(y integer) RETURNS integer LANGUAGE sql\nBEGIN ATOMIC\n  SELECT CASE WHEN y = 1 THEN 2 ELSE 3 END;\n  SELECT 4;\nEND;\n"
        "CREATE TRIGGER t AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION f();\nINSERT INTO a (x) VALUES (g(1) + 3);\n");
    both_ok(b, up(b, 0, NULL));
    assert_int_equal(both_int(b, "SELECT count(*) FROM a WHERE x = 2"), 0);
    assert_int_equal(both_int(b, "SELECT sum(x) FROM a"), 11);
    assert_int_equal(both_int(b, "SELECT count(*) FROM schema_migrations"), 2);
    both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
    both_ok(b, rec_migrate_drop(b->store.db, &b->err));
    both_ok(b, rec_sql_commit(b->store.db, &b->err));
    assert_false(has(b, "a"));
    if (strcmp(b->dialect, "postgresql") == 0)
        assert_int_equal(both_int(b, "SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
                                  "WHERE n.nspname = current_schema()"), 0);
}

/* ---- dropping ---- */

static int drop(struct both *b)
{
    both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
    int status = rec_migrate_drop(b->store.db, &b->err);
    if (status == 0)
        both_ok(b, rec_sql_commit(b->store.db, &b->err));
    rec_sql_rollback(b->store.db);
    return status;
}

static void drops_what_is_ours_alone(void **state)
{
    struct both *b = *state;
    both_ok(b, rec_sql_script(b->store.db, "CREATE TABLE b (x integer); CREATE TABLE others (x integer)", &b->err));
    both_ok(b, drop(b));
    assert_true(has(b, "b") && has(b, "others"));
    both_ok(b, rec_sql_script(b->store.db, "DROP TABLE b", &b->err));
    put_three(b);
    put(b, "0004-four.up.sql", "CREATE TABLE aa (x integer NOT NULL PRIMARY KEY);\nINSERT INTO aa SELECT x FROM a;\nCREATE VIEW v AS SELECT * FROM c;\n"
        "CREATE TABLE gone (x integer);\nCREATE TEMPORARY TABLE passing (x integer);\nDROP TABLE passing;\nDROP TABLE IF EXISTS gone;\n"
        "CREATE INDEX on_aa ON aa (x);\n");
    both_ok(b, up(b, 0, NULL));
    /* b was renamed, gone was dropped: tables that have these names now are others'. By a program that knows the first migration only. */
    both_ok(b, rec_sql_script(b->store.db, "CREATE TABLE b (x integer); CREATE TABLE gone (x integer)", &b->err));
    for (int i = 2; i <= 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "%04d-%s.up.sql", i, i == 2 ? "two" : i == 3 ? "three" : "four");
        take(b, name);
    }
    both_ok(b, drop(b));
    assert_false(has(b, "a") || has(b, "aa") || has(b, "c") || has(b, "v") || has(b, "schema_migrations"));
    assert_true(has(b, "b") && has(b, "gone") && has(b, "others"));
    both_ok(b, drop(b));
}

/* A parent made anew after its children, as one changes a table on SQLite; one table that somebody dropped by hand. */
static void drops_in_any_order(void **state)
{
    struct both *b = *state;
    put_three(b);
    put(b, "0004-four.up.sql", strcmp(b->dialect, "sqlite") == 0
        ? "PRAGMA defer_foreign_keys = ON;\nCREATE TABLE new_a (x integer NOT NULL PRIMARY KEY);\nINSERT INTO new_a SELECT x FROM a;\nDROP TABLE a;\n"
          "CREATE TABLE a (x integer NOT NULL PRIMARY KEY, y text);\nINSERT INTO a (x) SELECT x FROM new_a;\nDROP TABLE new_a;\n"
          "CREATE TABLE spare (x integer);\n"
        : "CREATE TABLE new_a (x integer NOT NULL PRIMARY KEY);\nINSERT INTO new_a SELECT x FROM a;\n"
          "ALTER TABLE c DROP CONSTRAINT b_x_fkey;\nDROP TABLE a;\nALTER TABLE new_a RENAME TO a;\n"
          "ALTER TABLE c ADD FOREIGN KEY (x) REFERENCES a (x);\nCREATE TABLE spare (x integer);\n");
    both_ok(b, up(b, 0, NULL));
    assert_int_equal(both_int(b, "SELECT c.x FROM c JOIN a ON a.x = c.x"), 1);
    both_ok(b, rec_sql_script(b->store.db, "DROP TABLE spare", &b->err));
    both_ok(b, drop(b));
    assert_false(has(b, "a") || has(b, "c") || has(b, "schema_migrations"));
}

static void drops_nothing_of_other_schemas(void **state)
{
    struct both *b = *state;
    char url[640];
    if (strcmp(b->dialect, "sqlite") == 0)
        return;
    put_three(b);
    both_ok(b, rec_sql_script(b->store.db, "CREATE SCHEMA IF NOT EXISTS elsewhere; CREATE TABLE elsewhere.c (x integer); "
                              "CREATE TABLE elsewhere.schema_migrations (version text)", &b->err));
    rec_sql_close(b->store.db);
    snprintf(url, sizeof url, "%s,elsewhere", b->url);
    both_ok(b, rec_sql_open(&b->store.db, url, &both_options, &b->err));
    both_ok(b, up(b, 0, NULL));
    both_ok(b, rec_sql_script(b->store.db, "DROP TABLE c", &b->err));
    both_ok(b, drop(b));
    assert_int_equal(both_int(b, "SELECT count(*) FROM elsewhere.c"), 0);
    /* What of somebody else's depends on ours is not taken along. */
    both_ok(b, up(b, 0, NULL));
    both_ok(b, rec_sql_script(b->store.db, "CREATE VIEW elsewhere.v AS SELECT * FROM c", &b->err));
    assert_int_equal(drop(b), -1);
    assert_true(has(b, "a") && has(b, "schema_migrations"));
    both_ok(b, rec_sql_script(b->store.db, "DROP SCHEMA elsewhere CASCADE", &b->err));
}

static void does_not_believe_what_it_reads(void **state)
{
    struct both *b = *state;
    put_three(b);
    both_ok(b, up(b, 0, NULL));
    both_ok(b, rec_sql_exec(b->store.db, NULL, "UPDATE schema_migrations SET effects = $1 WHERE version = 1",
                            REC_SQL(rec_sql_text("+table a\"; DROP TABLE c; --\n")), &b->err));
    assert_int_equal(drop(b), -1);
    assert_non_null(strstr(b->err.text, "not an effect"));
    assert_true(has(b, "c"));
}

/* ---- within another's transaction ---- */

static void makes_a_schema_within_a_transaction(void **state)
{
    struct both *b = *state;
    struct rec_migrate_set set;
    put_three(b);
    both_ok(b, read_set(&set, b));
    both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
    both_ok(b, rec_migrate_into(b->store.db, &set, 2, &b->err));
    assert_true(has(b, "b"));
    rec_sql_rollback(b->store.db);
    assert_false(has(b, "b") || has(b, "schema_migrations"));
    both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
    both_ok(b, rec_migrate_into(b->store.db, &set, 2, &b->err));
    both_fails(b, rec_migrate_into(b->store.db, &set, 2, &b->err), REC_SQL_OTHER, "has a schema already");
    both_ok(b, rec_migrate_drop(b->store.db, &b->err));
    both_ok(b, rec_migrate_into(b->store.db, &set, 2, &b->err));
    both_ok(b, rec_sql_commit(b->store.db, &b->err));
    is_status(b, "1 one A, 2 two A, 3 three P");
    both_ok(b, rec_migrate_up(b->store.db, &set, 0, NULL, NULL, NULL, &b->err));
    both_ok(b, rec_migrate_check(b->store.db, &set, &b->err));
    rec_migrate_clear(&set);
}

/* ---- several programs ---- */

/* In a child: its own connection, migrating all; how many it applied, or 100, is its exit status. */
static pid_t migrate_in_child(struct both *b, int tell_fd)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct rec_migrate_set set;
    struct rec_sql *db;
    size_t n = 0;
    if (rec_sql_open(&db, b->url, &both_options, &b->err) < 0 || read_set(&set, b) < 0)
        _exit(101);
    if (tell_fd >= 0) {
        if (rec_migrate_up(db, &set, 1, &n, NULL, NULL, &b->err) < 0 || write(tell_fd, "x", 1) != 1)
            _exit(102);
    }
    if (rec_migrate_up(db, &set, 0, &n, NULL, NULL, &b->err) < 0) {
        fprintf(stderr, "%s\n", b->err.text);
        _exit(100);
    }
    rec_sql_close(db);
    _exit((int)n);
}

static void several_take_turns(void **state)
{
    enum { PROGRAMS = 4, FILES = 12 };
    struct both *b = *state;
    char name[32], text[96];
    pid_t pid[PROGRAMS];
    int sum = 0, status;
    for (int i = 1; i <= FILES; i++) {
        snprintf(name, sizeof name, "%04d-x%d.up.sql", i, i);
        snprintf(text, sizeof text, "CREATE TABLE t%d (x integer);\nINSERT INTO t%d (x) VALUES (%d);\n", i, i, i);
        put(b, name, text);
    }
    rec_sql_close(b->store.db);
    for (int i = 0; i < PROGRAMS; i++)
        pid[i] = migrate_in_child(b, -1);
    for (int i = 0; i < PROGRAMS; i++) {
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= FILES);
        sum += WEXITSTATUS(status);
    }
    assert_int_equal(sum, FILES);
    both_ok(b, rec_sql_open(&b->store.db, b->url, &both_options, &b->err));
    assert_int_equal(both_int(b, "SELECT count(*) FROM schema_migrations"), FILES);
    both_ok(b, check(b));
}

enum { SERIES = 8, ROWS = 20000 };

/* The first n of the series are there, whole, and nothing of the others. */
static size_t is_whole(struct both *b)
{
    int64_t n = has(b, "schema_migrations") ? both_int(b, "SELECT max(version) FROM schema_migrations") : 0, rows;
    for (int i = 1; i <= SERIES; i++) {
        char name[16], sql[64];
        snprintf(name, sizeof name, "t%d", i);
        assert_int_equal(has(b, name), i <= n);
        snprintf(name, sizeof name, "on_t%d", i);
        assert_int_equal(has(b, name), i <= n);
        if (i > n)
            continue;
        /* Statements are kept by their address: a script is not. */
        snprintf(sql, sizeof sql, "INSERT INTO counted SELECT count(*) FROM t%d", i);
        both_ok(b, rec_sql_script(b->store.db, sql, &b->err));
        rows = both_int(b, "SELECT max(n) + min(n) FROM counted");
        assert_int_equal(rows, 2 * ROWS);
    }
    return (size_t)n;
}

static void put_series(struct both *b)
{
    char name[32], text[512];
    for (int i = 1; i <= SERIES; i++) {
        snprintf(name, sizeof name, "%04d-x.up.sql", i);
        snprintf(text, sizeof text, "CREATE TABLE t%d (x integer);\nINSERT INTO t%d WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                 "WHERE i < %d) SELECT i FROM n;\nCREATE INDEX on_t%d ON t%d (x);\n", i, i, ROWS, i, i);
        put(b, name, text);
        snprintf(name, sizeof name, "%04d-x.down.sql", i);
        snprintf(text, sizeof text, "DROP TABLE t%d;\n", i);
        put(b, name, text);
    }
}

/* At random moments; REC_TEST_ROUNDS times, 20 if it is not set. */
static void a_killed_one_leaves_the_old_schema(void **state)
{
    struct both *b = *state;
    const char *given = getenv("REC_TEST_ROUNDS");
    int64_t rounds = 20;
    struct rec_rng rng;
    if (given != NULL)
        assert_int_equal(rec_num_int64(&rounds, given, strlen(given)), 0);
    rec_rng_seed(&rng, (uint64_t)getpid(), 0);
    put_series(b);
    both_ok(b, rec_sql_script(b->store.db, "CREATE TABLE counted (n integer)", &b->err));
    for (int64_t round = 0; round < rounds; round++) {
        int status;
        rec_sql_close(b->store.db);
        pid_t pid = migrate_in_child(b, -1);
        usleep((useconds_t)(1000 + rec_rng_below(&rng, 150000)));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) <= SERIES);
        both_ok(b, rec_sql_open(&b->store.db, b->url, &both_options, &b->err));
        /* PostgreSQL may still be at work on what was sent: going up waits for it, and looking does not. */
        if (strcmp(b->dialect, "postgresql") == 0) {
            both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
            both_ok(b, rec_sql_lock(b->store.db, "migrate", 60, &b->err));
            rec_sql_rollback(b->store.db);
        }
        if (is_whole(b) == SERIES)
            both_ok(b, down(b, 0, NULL));
    }
    both_ok(b, up(b, 0, NULL));
    assert_int_equal(is_whole(b), SERIES);
}

/* The server notices, and does not keep the next one waiting until the statement's end. */
static void a_killed_one_keeps_nobody_waiting(void **state)
{
    struct both *b = *state;
    int pipes[2], status;
    char byte;
    if (strcmp(b->dialect, "sqlite") == 0)
        return;
    put_three(b);
    put(b, "0002-two.up.sql", "SELECT pg_sleep(300);\n");
    rec_sql_close(b->store.db);
    assert_int_equal(pipe(pipes), 0);
    pid_t pid = migrate_in_child(b, pipes[1]);
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    usleep(100000);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(pipes[0]);
    close(pipes[1]);
    put_three(b);
    both_ok(b, rec_sql_open(&b->store.db, b->url, &both_options, &b->err));
    both_ok(b, up(b, 0, NULL));
}

/* ---- data/migrations ---- */

/* What there is, a line each, in one order: columns, keys, references, indexes. */
static const char sqlite_columns[] =
    "SELECT m.name || '.' || printf('%02d', c.cid) || ' ' || c.name || CASE WHEN c.\"notnull\" OR c.pk > 0 THEN ' not null' ELSE '' END "
    "FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1";
static const char postgres_columns[] =
    "SELECT table_name || '.' || to_char(ordinal_position - 1, 'FM00') || ' ' || column_name || CASE is_nullable WHEN 'NO' THEN ' not null' ELSE '' END "
    "FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1";
static const char sqlite_unique[] =
    "SELECT * FROM (SELECT m.name || ' (' || (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_table_info(m.name) WHERE pk > 0 ORDER BY pk)) "
    "|| ')' FROM sqlite_master m WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' UNION "
    "SELECT m.name || ' (' || (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) || ')' "
    "FROM sqlite_master m, pragma_index_list(m.name) i WHERE m.type = 'table' AND i.\"unique\" = 1) ORDER BY 1";
static const char postgres_unique[] =
    "SELECT c.relname || ' (' || (SELECT string_agg(a.attname, ',' ORDER BY k.place) FROM unnest(o.conkey) WITH ORDINALITY k (number, place) "
    "JOIN pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.number) || ')' FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND o.contype IN ('p', 'u') ORDER BY 1";
static const char sqlite_references[] =
    "SELECT m.name || '.' || f.\"from\" || ' ' || f.\"table\" || '.' || f.\"to\" FROM sqlite_master m, pragma_foreign_key_list(m.name) f "
    "WHERE m.type = 'table' ORDER BY 1";
static const char postgres_references[] =
    "SELECT c.relname || '.' || a.attname || ' ' || p.relname || '.' || b.attname FROM pg_constraint o JOIN pg_class c ON c.oid = o.conrelid "
    "JOIN pg_class p ON p.oid = o.confrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = o.conkey[1] "
    "JOIN pg_attribute b ON b.attrelid = p.oid AND b.attnum = o.confkey[1] JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = current_schema() AND o.contype = 'f' ORDER BY 1";
static const char sqlite_indexes[] = "SELECT name || ' ' || tbl_name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1";
static const char postgres_indexes[] =
    "SELECT i.indexname || ' ' || i.tablename FROM pg_indexes i WHERE i.schemaname = current_schema() AND NOT EXISTS (SELECT 1 FROM pg_constraint o "
    "WHERE o.conname = i.indexname AND o.contype IN ('p', 'u')) ORDER BY 1";

static const char *const views[][2] = {
    {sqlite_columns, postgres_columns}, {sqlite_unique, postgres_unique}, {sqlite_references, postgres_references}, {sqlite_indexes, postgres_indexes},
};

static void describe(struct rec_buf *out, struct both *b, struct rec_sql *db)
{
    struct rec_sql_rows rows;
    rec_buf_reset(out);
    for (size_t i = 0; i < REC_LENGTH(views); i++) {
        both_ok(b, rec_sql_query(&rows, db, views[i][strcmp(rec_sql_dialect(db), "sqlite") != 0], REC_SQL_NONE, &b->err));
        while (rec_sql_next(&rows, &b->err) > 0)
            rec_buf_addf(out, "%s\n", rows.value[0].text);
        rec_sql_done(&rows);
    }
}

static void built_in_ones_go_up_down_and_up(void **state)
{
    struct both *b = *state;
    struct rec_migrate_set set, files;
    struct rec_buf before = {0}, empty = {0}, after = {0};
    both_ok(b, rec_migrate_builtin(&set, b->dialect, &b->err));
    both_ok(b, rec_migrate_read(&files, "data/migrations", b->dialect, &b->err));
    assert_int_equal(set.n, files.n);
    for (size_t i = 0; i < set.n; i++) {
        assert_string_equal(set.file[i].name, files.file[i].name);
        assert_string_equal(set.file[i].up, files.file[i].up);
        assert_string_equal(set.file[i].up_file, files.file[i].up_file);
        assert_string_equal(set.file[i].down != NULL ? set.file[i].down : "", files.file[i].down != NULL ? files.file[i].down : "");
    }
    both_ok(b, rec_migrate_up(b->store.db, &set, 0, NULL, NULL, NULL, &b->err));
    both_ok(b, rec_migrate_check(b->store.db, &files, &b->err));
    describe(&before, b, b->store.db);
    assert_true(before.len > 2000);
    both_ok(b, rec_migrate_down(b->store.db, &set, 0, NULL, NULL, NULL, &b->err));
    rec_buf_adds(&empty, "");
    describe(&empty, b, b->store.db);
    assert_string_equal(empty.data, "");
    both_ok(b, rec_migrate_up(b->store.db, &set, 0, NULL, NULL, NULL, &b->err));
    describe(&after, b, b->store.db);
    assert_string_equal(before.data, after.data);
    both_ok(b, drop(b));
    describe(&empty, b, b->store.db);
    assert_string_equal(empty.data, "");
    both_ok(b, rec_migrate_up(b->store.db, &set, 0, NULL, NULL, NULL, &b->err));
    rec_buf_clear(&before);
    rec_buf_clear(&empty);
    rec_buf_clear(&after);
    rec_migrate_clear(&set);
    rec_migrate_clear(&files);
}

static struct rec_sql *new_store(struct both *b, const char *url, const char *dialect)
{
    struct rec_migrate_set set;
    struct rec_sql *db;
    both_ok(b, rec_sql_open(&db, url, &both_options, &b->err));
    both_ok(b, rec_migrate_builtin(&set, dialect, &b->err));
    both_ok(b, rec_migrate_up(db, &set, 0, NULL, NULL, NULL, &b->err));
    rec_migrate_clear(&set);
    return db;
}

static const struct rec_copy_table *find(const struct rec_copy_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->n; i++)
        if (strcmp(schema->tables[i].name, name) == 0)
            return &schema->tables[i];
    fail_msg("no table %s", name);
    return NULL;
}

static void both_dialects_make_the_same(void **state)
{
    struct both *b = *state;
    struct rec_buf sqlite = {0}, postgres = {0};
    struct rec_copy_schema a, c;
    char url[64];
    if (strcmp(b->dialect, "sqlite") == 0)
        return;
    snprintf(url, sizeof url, "sqlite://%s/other.db", b->dir);
    struct rec_sql *p = new_store(b, b->url, "postgresql"), *s = new_store(b, url, "sqlite");
    describe(&sqlite, b, s);
    describe(&postgres, b, p);
    assert_string_equal(sqlite.data, postgres.data);
    both_ok(b, rec_copy_schema(&a, s, &b->err));
    both_ok(b, rec_copy_schema(&c, p, &b->err));
    assert_int_equal(a.n, c.n);
    for (size_t i = 0; i < a.n; i++) {
        const struct rec_copy_table *t = &a.tables[i], *u = find(&c, t->name);
        assert_int_equal(t->n, u->n);
        assert_string_equal(t->order, u->order);
        for (size_t j = 0; j < t->n; j++)
            assert_string_equal(t->columns[j].name, u->columns[j].name);
    }
    rec_copy_schema_clear(&a);
    rec_copy_schema_clear(&c);
    rec_buf_clear(&sqlite);
    rec_buf_clear(&postgres);
    rec_sql_close(p);
    rec_sql_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_up_and_down),
        cmocka_unit_test(a_broken_one_leaves_the_old_schema),
        cmocka_unit_test(one_that_breaks_at_its_end_leaves_the_old_schema),
        cmocka_unit_test(the_first_one_leaves_nothing_when_it_breaks),
        cmocka_unit_test(a_changed_one_is_an_error),
        cmocka_unit_test(a_newer_schema_is_an_error),
        cmocka_unit_test(no_way_back_is_said_before_anything_is_done),
        cmocka_unit_test(anothers_schema_migrations_is_left_alone),
        cmocka_unit_test(refuses_files_that_make_no_series),
        cmocka_unit_test(takes_the_file_of_the_database),
        cmocka_unit_test(refuses_what_must_not_stand_in_one),
        cmocka_unit_test(finds_the_ends_of_statements),
        cmocka_unit_test(drops_what_is_ours_alone),
        cmocka_unit_test(drops_in_any_order),
        cmocka_unit_test(drops_nothing_of_other_schemas),
        cmocka_unit_test(does_not_believe_what_it_reads),
        cmocka_unit_test(makes_a_schema_within_a_transaction),
        cmocka_unit_test(several_take_turns),
        cmocka_unit_test(a_killed_one_leaves_the_old_schema),
        cmocka_unit_test(a_killed_one_keeps_nobody_waiting),
        cmocka_unit_test(built_in_ones_go_up_down_and_up),
        cmocka_unit_test(both_dialects_make_the_same),
    };
    return both_run_with(tests, REC_LENGTH(tests), setup);
}
