/* SPDX-License-Identifier: MIT
 *
 * Many rows in, many rows out: what is checked before the driver has its own way of doing it.
 */
#include "sql_priv.h"

/* A write needs a transaction that is open, so that what fails half-way leaves nothing. */
static int check_write(struct rec_sql *db, const char *what, struct rec_err *err)
{
    if (db->in_transaction && db->mode == REC_SQL_WRITE)
        return rec_sql_ready(db, err);
    db->fault = REC_SQL_OTHER;
    return rec_err_set(err, "%s: %s needs a transaction that writes", db->name, what);
}

int rec_copy_in(struct rec_sql *db, const char *table, const struct rec_copy_column *columns, size_t n, rec_copy_source *source,
                void *context, uint64_t *rows, struct rec_err *err)
{
    uint64_t ignored;

    rows = rows ? rows : &ignored;
    *rows = 0;
    if (check_write(db, "copying rows in", err) < 0)
        return -1;
    return rec_sql_ended(db, db->driver->copy_in(db, table, columns, n, source, context, rows, err));
}

int rec_copy_out(struct rec_sql *db, const char *query, const struct rec_copy_column *columns, size_t n, rec_copy_sink *sink,
                 void *context, uint64_t *rows, struct rec_err *err)
{
    uint64_t ignored;

    rows = rows ? rows : &ignored;
    *rows = 0;
    if (rec_sql_ready(db, err) < 0)
        return -1;
    return rec_sql_ended(db, db->driver->copy_out(db, query, columns, n, sink, context, rows, err));
}

int rec_copy_bulk_begin(struct rec_copy_bulk *bulk, struct rec_sql *db, const char *table, struct rec_err *err)
{
    *bulk = (struct rec_copy_bulk){.db = db};
    if (check_write(db, "copying many rows in", err) < 0)
        return -1;
    if (rec_sql_ended(db, db->driver->bulk_begin(bulk, table, err)) < 0) {
        rec_buf_clear(&bulk->again);
        return -1;
    }
    return 0;
}

int rec_copy_bulk_end(struct rec_copy_bulk *bulk, struct rec_err *err)
{
    int status = -1;

    /* After a failure there is nothing to bring back: the rollback does. */
    if (bulk->db && check_write(bulk->db, "copying many rows in", err) == 0)
        status = rec_sql_ended(bulk->db, bulk->db->driver->bulk_end(bulk, err));
    rec_buf_clear(&bulk->again);
    bulk->db = NULL;
    return status;
}

int rec_copy_schema(struct rec_copy_schema *out, struct rec_sql *db, struct rec_err *err)
{
    *out = (struct rec_copy_schema){0};
    if (rec_sql_ready(db, err) < 0)
        return -1;
    if (rec_sql_ended(db, db->driver->schema(out, db, err)) < 0) {
        rec_copy_schema_clear(out);
        return -1;
    }
    return 0;
}

void rec_copy_schema_clear(struct rec_copy_schema *schema)
{
    for (size_t i = 0; i < schema->n; i++) {
        for (size_t j = 0; j < schema->tables[i].n; j++)
            free((void *)(uintptr_t)schema->tables[i].columns[j].name);
        free(schema->tables[i].columns);
    }
    free(schema->tables);
    *schema = (struct rec_copy_schema){0};
}
