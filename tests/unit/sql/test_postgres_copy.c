/* SPDX-License-Identifier: MIT
 *
 * COPY on PostgreSQL: every type there and back, rows greater than a block, numbers drawn after rows with numbers of their own, whatever stops
 * it half-way; indexes and foreign keys that go and come back; the catalogs as a schema. What both databases do alike is in test_sql.c.
 */
#include "../postgres.h"

#include <rec/sql.h>

static struct rec_err err;
static struct server server;
static const struct rec_sql_driver *const drivers[] = {&rec_postgres_driver, NULL};

static struct rec_sql *open_it(void)
{
    struct rec_sql *db = NULL;
    if (rec_sql_open(&db, server.url, &(struct rec_sql_options){.drivers = drivers}, &err) < 0)
        fail_msg("%s", err.text);
    return db;
}

static void ok(int status)
{
    if (status < 0)
        fail_msg("%s", err.text);
}

static int64_t number(struct rec_sql *db, const char *sql)
{
    int64_t x = -1;
    ok(rec_sql_get_int(&x, db, sql, REC_SQL_NONE, &err));
    return x;
}

/* Rows 0 .. n-1 of the table `all_types`, and the same expected back. */
struct stream {
    struct rec_sql *db;
    uint64_t at, n, stop_at, kill_at;
    char text[400000];
};

static const struct rec_copy_column columns[] = {
    {"a", REC_COPY_INT16}, {"b", REC_COPY_INT32}, {"c", REC_COPY_INT64}, {"d", REC_COPY_REAL32}, {"e", REC_COPY_REAL64},
    {"f", REC_COPY_TEXT}, {"g", REC_COPY_BLOB}, {"place", REC_COPY_INT32},
};
static const char make[] = "DROP TABLE IF EXISTS all_types; "
                           "CREATE TABLE all_types (a smallint, b integer, c bigint, d real, e double precision, f text, g bytea, place integer)";

static size_t text_of(struct stream *s, uint64_t i)
{
    size_t len = i % 5000 == 4999 ? 390000 : i * 7 % 40;
    memset(s->text, (int)('a' + i % 26), len);
    return len;
}

static void make_row(struct stream *s, struct rec_sql_value *row, uint64_t i)
{
    int64_t x = (int64_t)i;
    size_t len = text_of(s, i);
    row[0] = rec_sql_int((int16_t)(x * 31));
    row[1] = i % 11 == 3 ? rec_sql_null() : rec_sql_int((int32_t)(x * 1000003));
    row[2] = rec_sql_int(i % 2 ? INT64_MIN + x : INT64_MAX - x);
    row[3] = rec_sql_real((double)(float)(0.1 * (double)x));
    row[4] = i % 7 == 0 ? rec_sql_null() : rec_sql_real(-0.1 * (double)x);
    row[5] = i % 13 == 5 ? rec_sql_null() : rec_sql_bytes(s->text, len);
    row[6] = i % 13 == 6 ? rec_sql_null() : rec_sql_blob("\0\377\0x", i % 5);
    row[7] = rec_sql_int(x);
}

static void end_backend(struct rec_sql *db, int64_t pid)
{
    ok(rec_sql_exec(db, NULL, "SELECT pg_terminate_backend($1, 5000)", REC_SQL(rec_sql_int(pid)), &err));
}

static int64_t victim;

static int source(void *context, struct rec_sql_value *row, struct rec_err *e)
{
    struct stream *s = context;
    if (s->at == s->n)
        return 0;
    if (s->stop_at && s->at == s->stop_at)
        return rec_err_set(e, "ratings.csv: line %d: is damaged", 17);
    if (s->kill_at && s->at == s->kill_at)
        end_backend(s->db, victim);
    make_row(s, row, s->at++);
    return 1;
}

static int sink(void *context, const struct rec_sql_value *row, struct rec_err *e)
{
    struct stream *s = context;
    struct rec_sql_value want[8];
    if (s->stop_at && s->at == s->stop_at)
        return rec_err_set(e, "standard output: no space left on device");
    if (s->kill_at && s->at == s->kill_at)
        end_backend(s->db, victim);
    make_row(s, want, s->at++);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(row[i].type, want[i].type);
        if (want[i].type == REC_SQL_INT)
            assert_true(row[i].integer == want[i].integer);
        else if (want[i].type == REC_SQL_REAL)
            assert_true(row[i].real == want[i].real);
        else if (want[i].type != REC_SQL_NULL) {
            assert_int_equal(row[i].len, want[i].len);
            assert_memory_equal(row[i].text, want[i].text, want[i].len);
            assert_true(want[i].type != REC_SQL_TEXT || row[i].text[row[i].len] == '\0');
        }
    }
    return 0;
}

static struct stream *stream(uint64_t n)
{
    struct stream *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->n = n;
    return s;
}

static void fill(struct rec_sql *db, uint64_t n)
{
    struct stream *s = stream(n);
    uint64_t rows;
    ok(rec_sql_script(db, make, &err));
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(rec_copy_in(db, "all_types", columns, REC_LENGTH(columns), source, s, &rows, &err));
    ok(rec_sql_commit(db, &err));
    assert_true(rows == n);
    free(s);
}

static void there_and_back(void **state)
{
    static const uint64_t sizes[] = {0, 1, 20000};
    struct rec_sql *db = open_it();
    uint64_t rows;
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(sizes); i++) {
        struct stream *s = stream(sizes[i]);
        fill(db, sizes[i]);
        ok(rec_copy_out(db, "SELECT a, b, c, d, e, f, g, place FROM all_types ORDER BY place", columns, REC_LENGTH(columns), sink, s, &rows, &err));
        assert_true(rows == sizes[i] && s->at == sizes[i]);
        free(s);
    }
    rec_sql_close(db);
}

static void a_source_or_a_sink_that_fails(void **state)
{
    struct rec_sql *db = open_it();
    struct stream *s = stream(20000);
    (void)state;
    fill(db, 20000);
    s->stop_at = 15000;
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    assert_int_equal(rec_copy_in(db, "all_types", columns, REC_LENGTH(columns), source, s, NULL, &err), -1);
    assert_string_equal(err.text, "ratings.csv: line 17: is damaged");
    rec_sql_rollback(db);
    s->at = 0;
    assert_int_equal(rec_copy_out(db, "TABLE all_types ORDER BY place", columns, REC_LENGTH(columns), sink, s, NULL, &err), -1);
    assert_string_equal(err.text, "standard output: no space left on device");
    assert_int_equal(number(db, "SELECT count(*) FROM all_types"), 20000);
    free(s);
    rec_sql_close(db);
}

static void a_connection_lost_half_way(void **state)
{
    struct rec_sql *db = open_it(), *other = open_it();
    struct stream *s = stream(20000);
    (void)state;
    fill(db, 20000);
    s->db = other;
    s->kill_at = 9000;
    victim = number(db, "SELECT pg_backend_pid()");
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    assert_int_equal(rec_copy_in(db, "all_types", columns, REC_LENGTH(columns), source, s, NULL, &err), -1);
    assert_int_equal(rec_sql_fault(db), REC_SQL_LOST);
    assert_non_null(strstr(err.text, "the transaction is undone"));
    rec_sql_close(db);
    db = open_it();
    victim = number(db, "SELECT pg_backend_pid()");
    s->at = 0;
    s->kill_at = 10;
    assert_int_equal(rec_copy_out(db, "TABLE all_types ORDER BY place", columns, REC_LENGTH(columns), sink, s, NULL, &err), -1);
    assert_int_equal(rec_sql_fault(db), REC_SQL_LOST);
    rec_sql_close(db);
    assert_int_equal(number(other, "SELECT count(*) FROM all_types"), 20000);
    rec_sql_close(other);
    free(s);
}

static const struct rec_sql_value *one_row;
static int one(void *context, struct rec_sql_value *row, struct rec_err *e)
{
    size_t n = *(size_t *)context;
    (void)e;
    if (!one_row)
        return 0;
    memcpy(row, one_row, n * sizeof *row);
    one_row = NULL;
    return 1;
}

static void put(struct rec_sql *db, const char *table, const struct rec_copy_column *column, struct rec_sql_value value,
                enum rec_sql_fault fault, const char *words)
{
    size_t n = 1;
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    one_row = &value;
    int status = rec_copy_in(db, table, column, 1, one, &n, NULL, &err);
    if (fault == REC_SQL_FINE) {
        ok(status);
        ok(rec_sql_commit(db, &err));
        return;
    }
    if (status == 0 || rec_sql_fault(db) != fault || !strstr(err.text, words))
        fail_msg("%d, fault %d: %s", status, (int)rec_sql_fault(db), err.text);
    rec_sql_rollback(db);
}

static int drop(void *context, const struct rec_sql_value *row, struct rec_err *e)
{
    (void)context;
    (void)row;
    (void)e;
    return 0;
}

static void values_that_do_not_fit(void **state)
{
    struct rec_sql *db = open_it();
    const struct rec_copy_column id = {"id", REC_COPY_INT32}, small = {"id", REC_COPY_INT16}, single = {"x", REC_COPY_REAL32},
                                 text = {"t", REC_COPY_TEXT}, wide = {"id", REC_COPY_INT64};
    (void)state;
    ok(rec_sql_script(db, "CREATE TABLE fits (id integer PRIMARY KEY, x real, t text)", &err));
    put(db, "fits", &id, rec_sql_int(INT64_C(1) << 31), REC_SQL_OTHER, "fits.id: a value does not fit its type, integer");
    put(db, "fits", &small, rec_sql_int(-32769), REC_SQL_OTHER, "smallint");
    put(db, "fits", &single, rec_sql_real(1e39), REC_SQL_OTHER, "real");
    put(db, "fits", &single, rec_sql_text("x"), REC_SQL_OTHER, "real");
    put(db, "fits", &id, rec_sql_real(1), REC_SQL_OTHER, "integer");
    put(db, "fits", &text, rec_sql_int(1), REC_SQL_OTHER, "text");
    put(db, "fits", &text, rec_sql_bytes("a\0b", 3), REC_SQL_OTHER, "UTF-8");
    put(db, "fits", &wide, rec_sql_int(1), REC_SQL_OTHER, "incorrect binary data format");
    put(db, "nothing", &id, rec_sql_int(1), REC_SQL_OTHER, "nothing");
    put(db, "fits", &id, rec_sql_int(1), REC_SQL_FINE, NULL);
    put(db, "fits", &id, rec_sql_int(1), REC_SQL_UNIQUE, "fits_pkey");
    assert_int_equal(rec_copy_out(db, "SELECT id FROM fits", &wide, 1, drop, NULL, NULL, &err), -1);
    assert_non_null(strstr(err.text, "column id: is not of type bigint"));
    assert_int_equal(rec_copy_out(db, "SELECT id, x FROM fits", &id, 1, drop, NULL, NULL, &err), -1);
    assert_int_equal(rec_copy_out(db, "SELECT id FROM nothing", &id, 1, drop, NULL, NULL, &err), -1);
    assert_int_equal(number(db, "SELECT count(*) FROM fits"), 1);
    rec_sql_close(db);
}

static void numbers_go_on_after_those_that_came(void **state)
{
    struct rec_sql *db = open_it();
    const struct rec_copy_column id = {"id", REC_COPY_INT32};
    (void)state;
    ok(rec_sql_script(db, "CREATE TABLE \"Odd \"\"name\" (id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, x integer)", &err));
    put(db, "Odd \"name", &id, rec_sql_int(41), REC_SQL_FINE, NULL);
    assert_int_equal(number(db, "INSERT INTO \"Odd \"\"name\" (x) VALUES (1) RETURNING id"), 42);
    put(db, "Odd \"name", &id, rec_sql_int(7), REC_SQL_FINE, NULL);
    assert_int_equal(number(db, "INSERT INTO \"Odd \"\"name\" (x) VALUES (2) RETURNING id"), 43);
    rec_sql_close(db);
}

/* All that the catalogs say of the indexes and constraints of a schema, as one text. */
static char *described(struct rec_sql *db)
{
    struct rec_sql_rows rows;
    char *text;
    ok(rec_sql_query(&rows, db, "SELECT string_agg(line, ' ' ORDER BY line) FROM ("
                     "SELECT replace(conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid), ' NOT VALID', '') AS line "
                     "FROM pg_constraint WHERE connamespace = 'public'::regnamespace "
                     "UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indrelid "
                     "WHERE relnamespace = 'public'::regnamespace) AS lines", REC_SQL_NONE, &err));
    assert_int_equal(rec_sql_next(&rows, &err), 1);
    text = strdup(rows.value[0].text);
    rec_sql_done(&rows);
    return text;
}

static void indexes_go_and_come_back(void **state)
{
    static const char parts[] = "SELECT (SELECT count(*) FROM pg_index WHERE indrelid = 'child'::regclass) + "
                                "(SELECT count(*) FROM pg_constraint WHERE conrelid = 'child'::regclass AND contype <> 'c')";
    struct rec_sql *db = open_it();
    struct rec_copy_bulk bulk;
    char *before, *after;
    (void)state;
    ok(rec_sql_script(db, "CREATE TABLE parent (id integer PRIMARY KEY); CREATE TABLE child (id integer PRIMARY KEY, p integer NOT NULL "
                      "REFERENCES parent (id), n text UNIQUE, m integer CHECK (m > 0), me integer REFERENCES child (id));"
                      "CREATE INDEX child_m ON child (m) WHERE m > 3; CREATE UNIQUE INDEX child_lower ON child (lower(n));"
                      "CREATE TABLE grandchild (c integer REFERENCES child (id) ON DELETE CASCADE);"
                      "INSERT INTO parent VALUES (1)", &err));
    before = described(db);
    for (int round = 0; round < 2; round++) {
        ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
        ok(rec_copy_bulk_begin(&bulk, db, "child", &err));
        assert_int_equal(number(db, parts), 0);
        ok(rec_sql_exec(db, NULL, "INSERT INTO child SELECT coalesce(max(id), 0) + 1, 1, coalesce(max(id), 0) + 1, 1 FROM child",
                        REC_SQL_NONE, &err));
        ok(rec_copy_bulk_end(&bulk, &err));
        ok(rec_sql_commit(db, &err));
        after = described(db);
        assert_string_equal(before, after);
        free(after);
    }
    assert_int_equal(rec_sql_exec(db, NULL, "INSERT INTO child VALUES (9, 2, 'x', 1)", REC_SQL_NONE, &err), -1);
    assert_int_equal(rec_sql_fault(db), REC_SQL_CONSTRAINT);
    assert_int_equal(rec_sql_exec(db, NULL, "INSERT INTO grandchild VALUES (9)", REC_SQL_NONE, &err), -1);
    assert_int_equal(rec_sql_fault(db), REC_SQL_CONSTRAINT);

    /* Two rows with one key: nothing of it stays, and the indexes are as they were. */
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(rec_copy_bulk_begin(&bulk, db, "child", &err));
    ok(rec_sql_exec(db, NULL, "INSERT INTO child SELECT 1, 1, 'again', 1", REC_SQL_NONE, &err));
    assert_int_equal(rec_copy_bulk_end(&bulk, &err), -1);
    assert_int_equal(rec_sql_fault(db), REC_SQL_UNIQUE);
    rec_sql_rollback(db);
    after = described(db);
    assert_string_equal(before, after);
    assert_int_equal(number(db, "SELECT count(*) FROM child"), 2);
    free(after);
    free(before);
    rec_sql_close(db);
}

static const struct rec_copy_table *table_of(const struct rec_copy_schema *schema, const char *name, size_t *place)
{
    for (*place = 0; *place < schema->n; ++*place)
        if (!strcmp(schema->tables[*place].name, name))
            return &schema->tables[*place];
    fail_msg("there is no table %s", name);
    return NULL;
}

static void the_schema_of_the_store(void **state)
{
    struct rec_sql *db;
    struct rec_migrate_set set;
    struct rec_copy_schema schema;
    const struct rec_copy_table *t;
    size_t users, ratings, at;
    (void)state;
    db = open_it();
    ok(rec_sql_script(db, "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE SCHEMA other; CREATE TABLE other.users (x int)", &err));
    ok(rec_migrate_builtin(&set, "postgresql", &err));
    ok(rec_migrate_up(db, &set, 0, &at, NULL, NULL, &err));
    rec_migrate_clear(&set);
    ok(rec_copy_schema(&schema, db, &err));
    t = table_of(&schema, "users", &users);
    assert_int_equal(t->n, 2);
    assert_string_equal(t->columns[1].name, "name");
    assert_int_equal(t->columns[1].type, REC_COPY_TEXT);
    t = table_of(&schema, "ratings", &ratings);
    assert_true(ratings > users);
    assert_string_equal(t->order, "user_id, movie_id");
    assert_int_equal(t->columns[0].type, REC_COPY_INT32);
    assert_int_equal(t->columns[2].type, REC_COPY_REAL32);
    assert_int_equal(t->columns[4].type, REC_COPY_INT64);
    assert_int_equal(table_of(&schema, "accounts", &at)->columns[3].type, REC_COPY_BLOB);
    table_of(&schema, "api_keys", &ratings);
    assert_true(ratings > at);
    assert_int_equal(table_of(&schema, "experiment_arms", &at)->columns[4].type, REC_COPY_REAL64);
    rec_copy_schema_clear(&schema);

    ok(rec_sql_script(db, "CREATE TABLE foreign_to_us (d date)", &err));
    assert_int_equal(rec_copy_schema(&schema, db, &err), -1);
    assert_non_null(strstr(err.text, "column foreign_to_us.d: its type, date, is none of ours"));
    rec_sql_close(db);
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
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(a_source_or_a_sink_that_fails),
        cmocka_unit_test(a_connection_lost_half_way),
        cmocka_unit_test(values_that_do_not_fit),
        cmocka_unit_test(numbers_go_on_after_those_that_came),
        cmocka_unit_test(indexes_go_and_come_back),
        cmocka_unit_test(the_schema_of_the_store),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
