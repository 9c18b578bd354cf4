/* SPDX-License-Identifier: MIT
 *
 * Many rows into SQLite and out of it.
 *
 * In: the source of rows is made a table-valued function, rec_rows, that "INSERT INTO table SELECT ... FROM rec_rows" reads from: one statement
 * for all rows (https://www.sqlite.org/vtab.html#eponymous_virtual_tables). Against a statement for each row that is twice as fast, and
 * against one of many rows in VALUES (...), (...) a little faster, without a copy of each text.
 */
#include "sqlite_priv.h"

#include <math.h>

/* ---- in: the source as a table -------------------------------------------------------------------- */

struct source {
    struct rec_sql *db;
    const char *table;
    const struct rec_copy_column *columns;
    size_t n;
    rec_copy_source *next;
    void *context;
    struct rec_sql_value *row;
    uint64_t rows;
    int more;                   /* what next said last: 1, 0 or -1 */
    struct rec_err *err;
};

struct table {
    sqlite3_vtab base;
    struct source *source;
};

static int connect_table(sqlite3 *db, void *source, int argc, const char *const *argv, sqlite3_vtab **out, char **message)
{
    struct table *table = rec_calloc(1, sizeof *table, "rows", NULL);
    struct rec_buf text = {0};
    int rc = SQLITE_NOMEM;

    (void)argc, (void)argv, (void)message;
    rec_buf_adds(&text, "CREATE TABLE rec_rows (");
    for (size_t i = 0; i < ((struct source *)source)->n; i++)
        rec_buf_addf(&text, "%sc%zu", i ? ", " : "", i);
    rec_buf_adds(&text, ")");
    if (table && !text.failed)
        rc = sqlite3_declare_vtab(db, text.data);
    rec_buf_clear(&text);
    if (rc != SQLITE_OK) {
        free(table);
        return rc;
    }
    table->source = source;
    *out = &table->base;
    return SQLITE_OK;
}

static int disconnect_table(sqlite3_vtab *table)
{
    free(table);
    return SQLITE_OK;
}

static int plan(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedCost = 1e6;
    return SQLITE_OK;
}

static int open_cursor(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    *out = rec_calloc(1, sizeof **out, "rows", NULL);
    return *out ? SQLITE_OK : SQLITE_NOMEM;
}

static int close_cursor(sqlite3_vtab_cursor *cursor)
{
    free(cursor);
    return SQLITE_OK;
}

static struct source *source_of(sqlite3_vtab_cursor *cursor)
{
    return ((struct table *)cursor->pVtab)->source;
}

/* SQLite has doubles alone: a float is kept as the one that its shortest decimal reads as, 3.7 and not 3.7000000476837158. What is no float to the
 * bit is that already. */
static double keep_float(double real)
{
    float single = (float)real;

    return real == (double)single || !isfinite(single) ? rec_num_decimal(single) : real;
}

/* SQLite would take any value; what PostgreSQL refuses, or makes a float, is no other here. */
static bool fits(struct rec_sql_value *value, enum rec_copy_type type)
{
    double real;

    switch (type) {
    case REC_COPY_INT16:
        return value->type == REC_SQL_INT && value->integer == (int16_t)value->integer;
    case REC_COPY_INT32:
        return value->type == REC_SQL_INT && value->integer == (int32_t)value->integer;
    case REC_COPY_INT64:
        return value->type == REC_SQL_INT;
    case REC_COPY_REAL32:
    case REC_COPY_REAL64:
        if (value->type != REC_SQL_INT && value->type != REC_SQL_REAL)
            return false;
        real = value->type == REC_SQL_INT ? (double)value->integer : value->real;
        *value = rec_sql_real(type == REC_COPY_REAL32 ? keep_float(real) : real);
        return isfinite(value->real);
    case REC_COPY_TEXT:
        return value->type == REC_SQL_TEXT;
    default:
        return value->type == REC_SQL_BLOB;
    }
}

static int next_row(sqlite3_vtab_cursor *cursor)
{
    struct source *s = source_of(cursor);

    s->more = s->next(s->context, s->row, s->err);
    for (size_t i = 0; s->more > 0 && i < s->n; i++)
        if (s->row[i].type != REC_SQL_NULL && !fits(&s->row[i], s->columns[i].type))
            s->more = rec_err_set(s->err, "%s: %s.%s: a value does not fit its type", s->db->name, s->table, s->columns[i].name);
    if (s->more < 0)
        return SQLITE_ERROR;
    s->rows += s->more > 0;
    return SQLITE_OK;
}

static int first_row(sqlite3_vtab_cursor *cursor, int number, const char *name, int argc, sqlite3_value **argv)
{
    (void)number, (void)name, (void)argc, (void)argv;
    return next_row(cursor);
}

static int at_end(sqlite3_vtab_cursor *cursor)
{
    return source_of(cursor)->more <= 0;
}

/* Static: the row has been written before the next is asked for. */
static int column(sqlite3_vtab_cursor *cursor, sqlite3_context *out, int i)
{
    const struct rec_sql_value *value = &source_of(cursor)->row[i];

    switch (value->type) {
    case REC_SQL_INT:
        sqlite3_result_int64(out, value->integer);
        break;
    case REC_SQL_REAL:
        sqlite3_result_double(out, value->real);
        break;
    case REC_SQL_TEXT:
        sqlite3_result_text64(out, value->text ? value->text : "", value->len, SQLITE_STATIC, SQLITE_UTF8);
        break;
    case REC_SQL_BLOB:
        sqlite3_result_blob64(out, value->blob ? value->blob : "", value->len, SQLITE_STATIC);
        break;
    default:
        sqlite3_result_null(out);
    }
    return SQLITE_OK;
}

static int row_number(sqlite3_vtab_cursor *cursor, sqlite3_int64 *out)
{
    *out = (sqlite3_int64)source_of(cursor)->rows;
    return SQLITE_OK;
}

static const sqlite3_module module = {
    .xConnect = connect_table, .xDisconnect = disconnect_table, .xBestIndex = plan, .xOpen = open_cursor, .xClose = close_cursor,
    .xFilter = first_row, .xNext = next_row, .xEof = at_end, .xColumn = column, .xRowid = row_number,
};

/* Names are our own: they come from this program or from a schema. */
static int insert_text(struct rec_buf *out, const char *table, const struct rec_copy_column *columns, size_t n, struct rec_err *err)
{
    rec_buf_addf(out, "INSERT INTO \"%s\" (", table);
    for (size_t i = 0; i < n; i++)
        rec_buf_addf(out, "%s\"%s\"", i ? ", " : "", columns[i].name);
    rec_buf_adds(out, ") SELECT ");
    for (size_t i = 0; i < n; i++)
        rec_buf_addf(out, "%sc%zu", i ? ", " : "", i);
    rec_buf_adds(out, " FROM rec_rows");
    return out->failed ? rec_err_memory(err, table) : 0;
}

static int insert(struct rec_sql *db, struct source *source, const char *sql, struct rec_err *err)
{
    struct rec_sqlite *s = db->handle;
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_create_module_v2(s->db, "rec_rows", &module, source, NULL), status = 0;

    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (source->more < 0) /* the source has said why */
        status = -1;
    else if (rc != SQLITE_DONE)
        status = rec_sqlite_fail(db, rc, sql, err);
    sqlite3_finalize(stmt);
    /* The table goes with its module, before what it points to does. */
    sqlite3_create_module_v2(s->db, "rec_rows", NULL, NULL, NULL);
    return status;
}

int rec_sqlite_copy_in(struct rec_sql *db, const char *table, const struct rec_copy_column *columns, size_t n, rec_copy_source *source,
                       void *context, uint64_t *rows, struct rec_err *err)
{
    struct source s = {.db = db, .table = table, .columns = columns, .n = n, .next = source, .context = context, .err = err};
    struct rec_buf text = {0};
    int status = -1;

    db->fault = REC_SQL_OTHER;
    s.row = rec_calloc(n, sizeof *s.row, table, err);
    if (s.row && insert_text(&text, table, columns, n, err) == 0)
        status = insert(db, &s, text.data, err);
    *rows = s.rows;
    if (status == 0)
        db->fault = REC_SQL_FINE;
    rec_buf_clear(&text);
    free(s.row);
    return status;
}

/* ---- out ------------------------------------------------------------------------------------------ */

static int mismatch(struct rec_sql *db, const struct rec_copy_column *column, const char *what, struct rec_err *err)
{
    db->fault = REC_SQL_CORRUPT;
    return rec_err_set(err, "%s: column %s holds %s", db->name, column->name, what);
}

/* SQLite keeps any value in any column; what leaves has the type that was asked for. */
static int take_int(struct rec_sql_value *out, struct rec_sql *db, sqlite3_stmt *stmt, int i, const struct rec_copy_column *column,
                    struct rec_err *err)
{
    int64_t x = sqlite3_column_int64(stmt, i);

    if (sqlite3_column_type(stmt, i) != SQLITE_INTEGER)
        return mismatch(db, column, "something that is no whole number", err);
    if ((column->type == REC_COPY_INT32 && x != (int32_t)x) || (column->type == REC_COPY_INT16 && x != (int16_t)x))
        return mismatch(db, column, "a number that is too large", err);
    *out = rec_sql_int(x);
    return 0;
}

static int take(struct rec_sql_value *out, struct rec_sql *db, sqlite3_stmt *stmt, int i, const struct rec_copy_column *column,
                struct rec_err *err)
{
    int type = sqlite3_column_type(stmt, i);

    if (type == SQLITE_NULL) {
        *out = rec_sql_null();
        return 0;
    }
    switch (column->type) {
    case REC_COPY_INT16:
    case REC_COPY_INT32:
    case REC_COPY_INT64:
        return take_int(out, db, stmt, i, column, err);
    case REC_COPY_REAL32:
    case REC_COPY_REAL64:
        if (type != SQLITE_FLOAT && type != SQLITE_INTEGER)
            return mismatch(db, column, "something that is no number", err);
        *out = rec_sql_real(column->type == REC_COPY_REAL32 ? (double)(float)sqlite3_column_double(stmt, i) : sqlite3_column_double(stmt, i));
        return 0;
    case REC_COPY_TEXT:
        if (type == SQLITE_BLOB)
            return mismatch(db, column, "bytes where text was expected", err);
        *out = rec_sql_bytes((const char *)sqlite3_column_text(stmt, i), 0);
        break;
    case REC_COPY_BLOB:
        if (type != SQLITE_BLOB)
            return mismatch(db, column, "something that is no bytes", err);
        *out = rec_sql_blob(sqlite3_column_blob(stmt, i), 0);
        break;
    }
    out->len = (size_t)sqlite3_column_bytes(stmt, i);
    if (!out->text && out->len > 0)
        return rec_err_memory(err, db->name);
    if (!out->text)
        out->text = "";
    return 0;
}

int rec_sqlite_copy_out(struct rec_sql *db, const char *query, const struct rec_copy_column *columns, size_t n, rec_copy_sink *sink,
                        void *context, uint64_t *rows, struct rec_err *err)
{
    struct rec_sqlite *s = db->handle;
    struct rec_sql_value *row = rec_calloc(n, sizeof *row, "row", err);
    sqlite3_stmt *stmt = NULL;
    int rc, status = -1;

    db->fault = REC_SQL_OTHER;
    if (!row)
        return -1;
    rc = sqlite3_prepare_v2(s->db, query, -1, &stmt, NULL);
    if (rc == SQLITE_OK && (size_t)sqlite3_column_count(stmt) != n) {
        rec_err_set(err, "%s: a query has %d columns, not %zu", db->name, sqlite3_column_count(stmt), n);
        goto out;
    }
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (size_t i = 0; i < n; i++)
            if (take(&row[i], db, stmt, (int)i, &columns[i], err) < 0)
                goto out;
        if (sink(context, row, err) < 0)
            goto out;
        ++*rows;
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE) {
        rec_sqlite_fail(db, rc, query, err);
        goto out;
    }
    db->fault = REC_SQL_FINE;
    status = 0;
out:
    sqlite3_finalize(stmt);
    free(row);
    return status;
}

/* ---- bulk ----------------------------------------------------------------------------------------- */

/* Looking up the foreign keys of every row costs more than inserting it. The caller vouches for them, as on PostgreSQL. */
int rec_sqlite_copy_bulk_begin(struct rec_copy_bulk *bulk, const char *table, struct rec_err *err)
{
    struct rec_sqlite *s = bulk->db->handle;
    int rc = sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);

    (void)table;
    if (rc != SQLITE_OK)
        return rec_sqlite_fail(bulk->db, rc, NULL, err);
    s->bulk = true;
    return 0;
}

int rec_sqlite_copy_bulk_end(struct rec_copy_bulk *bulk, struct rec_err *err)
{
    (void)err;
    rec_sqlite_end_bulk(bulk->db);
    return 0;
}
