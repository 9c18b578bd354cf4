/* SPDX-License-Identifier: MIT
 *
 * Many rows into SQLite and out of it.
 */
#include "sqlite_priv.h"

/* "INSERT INTO table (a, b) VALUES (?, ?)". Names are our own: they come from this program or from a schema. */
static int insert_text(struct rec_buf *out, const char *table, const struct rec_copy_column *columns, size_t n, struct rec_err *err)
{
    rec_buf_addf(out, "INSERT INTO \"%s\" (", table);
    for (size_t i = 0; i < n; i++)
        rec_buf_addf(out, "%s\"%s\"", i ? ", " : "", columns[i].name);
    rec_buf_adds(out, ") VALUES (");
    for (size_t i = 0; i < n; i++)
        rec_buf_adds(out, i ? ", ?" : "?");
    rec_buf_adds(out, ")");
    return out->failed ? rec_err_memory(err, table) : 0;
}

static int insert_row(struct rec_sql *db, sqlite3_stmt *stmt, const struct rec_sql_value *row, size_t n, struct rec_err *err)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; rc == SQLITE_OK && i < n; i++)
        rc = rec_sqlite_bind(stmt, (int)i + 1, &row[i], SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? 0 : rec_sqlite_fail(db, rc, sqlite3_sql(stmt), err);
}

int rec_sqlite_copy_in(struct rec_sql *db, const char *table, const struct rec_copy_column *columns, size_t n, rec_copy_source *source,
                       void *context, uint64_t *rows, struct rec_err *err)
{
    struct rec_sqlite *s = db->handle;
    struct rec_buf text = {0};
    struct rec_sql_value *row = rec_calloc(n, sizeof *row, table, err);
    sqlite3_stmt *stmt = NULL;
    int rc, more, status = -1;

    db->fault = REC_SQL_OTHER;
    if (!row || insert_text(&text, table, columns, n, err) < 0)
        goto out;
    rc = sqlite3_prepare_v3(s->db, text.data, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
    if (rc != SQLITE_OK) {
        rec_sqlite_fail(db, rc, text.data, err);
        goto out;
    }
    while ((more = source(context, row, err)) > 0) {
        if (insert_row(db, stmt, row, n, err) < 0)
            goto out;
        ++*rows;
    }
    if (more < 0)
        goto out;
    db->fault = REC_SQL_FINE;
    status = 0;
out:
    sqlite3_finalize(stmt);
    rec_buf_clear(&text);
    free(row);
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
        *out = rec_sql_real(sqlite3_column_double(stmt, i));
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
