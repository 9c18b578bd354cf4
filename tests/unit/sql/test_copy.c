/* SPDX-License-Identifier: MIT
 *
 * Many rows in and out, on both databases: every type, no row, one, many; sources and sinks that fail half-way; the schema.
 */
#include "databases.h"

#include <math.h>

static const char wide[] = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, a SMALLINT, b INTEGER, c REAL, d DOUBLE PRECISION, e TEXT, f BYTES)";
static const struct rec_copy_column columns[] = {
    {"id", REC_COPY_INT64}, {"a", REC_COPY_INT16}, {"b", REC_COPY_INT32}, {"c", REC_COPY_REAL32},
    {"d", REC_COPY_REAL64}, {"e", REC_COPY_TEXT}, {"f", REC_COPY_BLOB},
};
static const char all[] = "SELECT id, a, b, c, d, e, f FROM t ORDER BY id";
enum { N = REC_LENGTH(columns) };

struct flow {
    uint64_t at, n, stop;      /* stop: fails there; 0: does not */
    char text[64];
    char large[300000];
};

/* Row i: every value follows from i, NULL in every 11th place. */
static void make_row(struct flow *f, struct rec_sql_value *row, uint64_t i)
{
    size_t len = (size_t)snprintf(f->text, sizeof f->text, "row %llu \303\251\t\n\\N\"", (unsigned long long)i);
    int64_t sign = i % 2 ? -1 : 1;

    row[0] = rec_sql_int((int64_t)i * 3 - 100);
    row[1] = rec_sql_int(i % 7 == 0 ? INT16_MIN : sign * (int64_t)(i % 32768));
    row[2] = rec_sql_int(i % 5 == 0 ? INT32_MIN : sign * (int64_t)(i * 7919 % 2147483647));
    row[3] = rec_sql_real((double)((float)i * 0.1f));
    row[4] = rec_sql_real((double)sign * 1e300 / (double)(i + 3));
    row[5] = rec_sql_bytes(f->text, i % 13 == 0 ? 0 : len);
    row[6] = rec_sql_blob(f->text, i % 17 == 0 ? 0 : len);
    if (i % 10007 == 1)
        row[6] = rec_sql_blob(f->large, sizeof f->large);
    for (size_t j = 1; j < N; j++)
        if ((i + j) % 11 == 0)
            row[j] = rec_sql_null();
}

static int give(void *context, struct rec_sql_value *row, struct rec_err *why)
{
    struct flow *f = context;

    if (f->stop && f->at == f->stop)
        return rec_err_set(why, "the source: gave up at row %llu", (unsigned long long)f->at);
    if (f->at == f->n)
        return 0;
    make_row(f, row, f->at++);
    return 1;
}

static int check(void *context, const struct rec_sql_value *row, struct rec_err *why)
{
    struct flow *f = context;
    struct rec_sql_value want[N];

    if (f->stop && f->at == f->stop)
        return rec_err_set(why, "the sink: gave up at row %llu", (unsigned long long)f->at);
    make_row(f, want, f->at++);
    for (size_t j = 0; j < N; j++) {
        if (row[j].type != want[j].type)
            return rec_err_set(why, "row %llu: value %zu is of another type", (unsigned long long)f->at - 1, j);
        if (row[j].type == REC_SQL_INT && row[j].integer != want[j].integer)
            return rec_err_set(why, "row %llu: value %zu is %lld", (unsigned long long)f->at - 1, j, (long long)row[j].integer);
        if (row[j].type == REC_SQL_REAL && row[j].real != want[j].real)
            return rec_err_set(why, "row %llu: value %zu is %.17g", (unsigned long long)f->at - 1, j, row[j].real);
        if (row[j].type >= REC_SQL_TEXT && (row[j].len != want[j].len || memcmp(row[j].blob, want[j].blob, want[j].len) != 0))
            return rec_err_set(why, "row %llu: value %zu is another", (unsigned long long)f->at - 1, j);
        if (row[j].type == REC_SQL_TEXT && row[j].text[row[j].len] != '\0')
            return rec_err_set(why, "row %llu: text %zu has no end", (unsigned long long)f->at - 1, j);
    }
    return 0;
}

static struct flow *flow(uint64_t n, uint64_t stop)
{
    struct flow *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->n = n;
    f->stop = stop;
    for (size_t i = 0; i < sizeof f->large; i++)
        f->large[i] = (char)(i * 31);
    return f;
}

static void rows_come_back(void **state)
{
    static const uint64_t sizes[] = {0, 1, 2, 1000, 100000};
    for (size_t i = 0; i < REC_LENGTH(sizes); i++) {
        struct rec_sql *db = fresh(*state, wide);
        struct flow *in = flow(sizes[i], 0), *out = flow(0, 0);
        uint64_t rows = 99;
        ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
        ok(rec_copy_in(db, "t", columns, N, give, in, &rows, &err));
        assert_int_equal(rows, sizes[i]);
        ok(rec_sql_commit(db, &err));
        ok(rec_copy_out(db, all, columns, N, check, out, &rows, &err));
        assert_int_equal(rows, sizes[i]);
        assert_int_equal(out->at, sizes[i]);
        /* And after it, as before. */
        assert_int_equal(get(db, "SELECT count(*) FROM t"), (int64_t)sizes[i]);
        free(in);
        free(out);
        rec_sql_close(db);
    }
}

static void what_fails_half_way_leaves_nothing(void **state)
{
    static const uint64_t stops[] = {1, 2, 777, 50000};
    struct rec_sql *db = fresh(*state, wide);
    for (size_t i = 0; i < REC_LENGTH(stops); i++) {
        struct flow *in = flow(60000, stops[i]);
        ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
        assert_int_equal(rec_copy_in(db, "t", columns, N, give, in, NULL, &err), -1);
        assert_non_null(strstr(err.text, "the source: gave up"));
        assert_int_equal(rec_sql_fault(db), REC_SQL_OTHER);
        assert_int_equal(rec_sql_commit(db, &err), -1);
        assert_int_equal(get(db, "SELECT count(*) FROM t"), 0);
        free(in);
    }
    struct flow *in = flow(5000, 0);
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(rec_copy_in(db, "t", columns, N, give, in, NULL, &err));
    /* A second time there is each row already. */
    in->at = 0;
    failed(rec_copy_in(db, "t", columns, N, give, in, NULL, &err), db, REC_SQL_UNIQUE);
    rec_sql_rollback(db);
    in->at = 0;
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    ok(rec_copy_in(db, "t", columns, N, give, in, NULL, &err));
    ok(rec_sql_commit(db, &err));
    free(in);
    for (size_t i = 0; i < 3; i++) {
        struct flow *out = flow(0, stops[i]);
        uint64_t rows;
        assert_int_equal(rec_copy_out(db, all, columns, N, check, out, &rows, &err), -1);
        assert_non_null(strstr(err.text, "the sink: gave up"));
        assert_int_equal(rows, stops[i]);
        assert_int_equal(get(db, "SELECT count(*) FROM t"), 5000);
        free(out);
    }
    rec_sql_close(db);
}

static void a_copy_in_needs_a_transaction(void **state)
{
    struct rec_sql *db = fresh(*state, wide);
    struct flow *in = flow(10, 0);
    struct rec_copy_bulk bulk;
    failed(rec_copy_in(db, "t", columns, N, give, in, NULL, &err), db, REC_SQL_OTHER);
    failed(rec_copy_bulk_begin(&bulk, db, "t", &err), db, REC_SQL_OTHER);
    ok(rec_sql_begin(db, REC_SQL_READ, &err));
    failed(rec_copy_in(db, "t", columns, N, give, in, NULL, &err), db, REC_SQL_OTHER);
    rec_sql_rollback(db);
    ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
    failed(rec_copy_in(db, "no_such_table", columns, N, give, in, NULL, &err), db, REC_SQL_OTHER);
    rec_sql_rollback(db);
    failed(rec_copy_out(db, "SELECT a FROM no_such_table", columns, 1, check, in, NULL, &err), db, REC_SQL_OTHER);
    free(in);
    rec_sql_close(db);
}

/* Values that a column cannot hold: in the right number, of the wrong kind. */
static int give_one(void *context, struct rec_sql_value *row, struct rec_err *why)
{
    const struct rec_sql_value **next = context;

    (void)why;
    if (!*next)
        return 0;
    row[0] = rec_sql_int(1);
    row[1] = **next;
    *next = NULL;
    return 1;
}

static void values_must_fit(void **state)
{
    const struct {
        size_t column;
        struct rec_sql_value value;
    } cases[] = {
        {1, rec_sql_int(32768)}, {1, rec_sql_int(-32769)}, {1, rec_sql_real(1)}, {1, rec_sql_text("1")}, {2, rec_sql_int(2147483648)},
        {3, rec_sql_real(1e39)}, {3, rec_sql_real(NAN)}, {4, rec_sql_real(INFINITY)}, {4, rec_sql_text("1")}, {5, rec_sql_blob("a", 1)},
        {5, rec_sql_int(1)}, {6, rec_sql_text("a")}, {0, rec_sql_null()},
    };
    struct rec_sql *db = fresh(*state, wide);
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        const struct rec_copy_column two[] = {columns[cases[i].column == 0 ? 1 : 0], columns[cases[i].column]};
        const struct rec_sql_value *next = &cases[i].value;
        ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
        assert_int_equal(rec_copy_in(db, "t", two, 2, give_one, &next, NULL, &err), -1);
        assert_non_null(strstr(err.text, columns[cases[i].column].name));
        rec_sql_rollback(db);
    }
    assert_int_equal(get(db, "SELECT count(*) FROM t"), 0);
    rec_sql_close(db);
}

/* ---- bulk ---------------------------------------------------------------------------------------- */

static const char family[] = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, word TEXT);"
                             "CREATE TABLE child (id BIGINT NOT NULL, t_id BIGINT NOT NULL REFERENCES t (id), n SMALLINT, PRIMARY KEY (t_id, id));"
                             "CREATE INDEX child_n ON child (n)";
static const struct rec_copy_column of_child[] = {{"id", REC_COPY_INT64}, {"t_id", REC_COPY_INT64}, {"n", REC_COPY_INT16}};

static int give_child(void *context, struct rec_sql_value *row, struct rec_err *why)
{
    int64_t *at = context;

    (void)why;
    if (*at == 10000)
        return 0;
    row[0] = rec_sql_int(*at % 100);
    row[1] = rec_sql_int(*at / 100);
    row[2] = rec_sql_int(*at % 7);
    ++*at;
    return 1;
}

static void bulk_brings_everything_back(void **state)
{
    static const char orphan[] = "INSERT INTO child (id, t_id, n) VALUES (1, 1000, 1)";
    static const char twin[] = "INSERT INTO child (id, t_id, n) VALUES (1, 1, 1)";
    struct rec_sql *db = fresh(*state, family);
    struct rec_copy_bulk bulk;
    for (int64_t i = 0; i < 100; i++)
        ok(rec_sql_exec(db, NULL, "INSERT INTO t (id) VALUES ($1)", REC_SQL(rec_sql_int(i)), &err));
    for (int round = 0; round < 3; round++) {
        int64_t at = 0;
        ok(rec_sql_begin(db, REC_SQL_WRITE, &err));
        ok(rec_copy_bulk_begin(&bulk, db, "child", &err));
        ok(rec_copy_in(db, "child", of_child, 3, give_child, &at, NULL, &err));
        if (round > 0) /* the first is given up in the middle */
            ok(rec_copy_bulk_end(&bulk, &err));
        if (round < 2) {
            rec_sql_rollback(db);
            if (round == 0)
                assert_int_equal(rec_copy_bulk_end(&bulk, &err), -1);
            assert_int_equal(get(db, "SELECT count(*) FROM child"), 0);
        } else {
            ok(rec_sql_commit(db, &err));
            assert_int_equal(get(db, "SELECT count(*) FROM child"), 10000);
        }
        failed(rec_sql_exec(db, NULL, orphan, REC_SQL_NONE, &err), db, REC_SQL_CONSTRAINT);
    }
    failed(rec_sql_exec(db, NULL, twin, REC_SQL_NONE, &err), db, REC_SQL_UNIQUE);
    assert_int_equal(get(db, "SELECT count(*) FROM child WHERE n = 3"), 1428 + 1);
    rec_sql_close(db);
}

/* ---- the schema ---------------------------------------------------------------------------------- */

static const struct rec_copy_table *find(const struct rec_copy_schema *schema, const char *name, size_t *where)
{
    for (*where = 0; *where < schema->n; ++*where)
        if (!strcmp(schema->tables[*where].name, name))
            return &schema->tables[*where];
    fail_msg("no table %s", name);
    return NULL;
}

static void the_schema_tells_tables_and_types(void **state)
{
    static const enum rec_copy_type types[] = {REC_COPY_INT64, REC_COPY_INT16, REC_COPY_INT32, REC_COPY_REAL32, REC_COPY_REAL64,
                                               REC_COPY_TEXT, REC_COPY_BLOB};
    bool sqlite = !strcmp(((struct database *)*state)->word, "sqlite");
    struct rec_sql *db = fresh(*state, family);
    struct rec_copy_schema schema;
    const struct rec_copy_table *table;
    size_t parent, child;
    ok(rec_copy_schema(&schema, db, &err));
    table = find(&schema, "child", &child);
    assert_int_equal(table->n, 3);
    assert_string_equal(table->columns[1].name, "t_id");
    assert_string_equal(table->order, "t_id, id");
    table = find(&schema, "t", &parent);
    assert_true(parent < child);
    assert_string_equal(table->order, "id");
    rec_copy_schema_clear(&schema);
    rec_sql_close(db);
    db = fresh(*state, wide);
    ok(rec_copy_schema(&schema, db, &err));
    table = find(&schema, "t", &parent);
    assert_int_equal(table->n, N);
    for (size_t i = 0; i < N; i++) {
        enum rec_copy_type want = types[i];
        /* All whole numbers of SQLite have 64 bits, all real ones are doubles; SMALLINT is only ours. */
        if (sqlite && want == REC_COPY_INT32)
            want = REC_COPY_INT64;
        if (sqlite && want == REC_COPY_REAL32)
            want = REC_COPY_REAL64;
        assert_string_equal(table->columns[i].name, columns[i].name);
        assert_int_equal(table->columns[i].type, want);
    }
    rec_copy_schema_clear(&schema);
    rec_copy_schema_clear(&schema);
    rec_sql_close(db);
}

int main(void)
{
    static const struct database_case cases[] = {
        CASE(rows_come_back),
        CASE(what_fails_half_way_leaves_nothing),
        CASE(a_copy_in_needs_a_transaction),
        CASE(values_must_fit),
        CASE(bulk_brings_everything_back),
        CASE(the_schema_tells_tables_and_types),
    };
    struct CMUnitTest tests[2 * REC_LENGTH(cases)];
    on_both(tests, cases, REC_LENGTH(cases));
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
