/* SPDX-License-Identifier: MIT
 *
 * What PostgreSQL's catalogs say: the tables of the schema, and what must be taken away from a table, and brought back, when many rows
 * are copied in.
 *
 * An index that is built at once, from sorted rows, costs a fraction of one that grows row by row; a foreign key is checked by a query for
 * each row. So they go before, and come back after, within one transaction: whoever looks meanwhile waits, and a failure leaves all as it was.
 */
#include "postgres_priv.h"

static PGresult *ask(struct rec_sql *db, const char *sql, const char *const *params, int n, struct rec_err *err)
{
    PGresult *result;

    if (rec_postgres_ready(db, err) < 0)
        return NULL;
    result = PQexecParams(rec_postgres_of(db)->conn, sql, n, NULL, params, NULL, NULL, 0);
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return result;
    rec_postgres_fault(db, result, err);
    PQclear(result);
    return NULL;
}

/* ---- many rows ----------------------------------------------------------------------------------- */

/* Two columns: what takes it away, what brings it back. Foreign keys go first, those of other tables too, as they need the unique index that
 * they refer to; they come back last. One that was valid comes back NOT VALID: it holds for all that is written from then on, and reading
 * all rows to check what the caller vouches for takes half a second for each million of ratings, as much as copying them in. A second bulk
 * copy finds NOT VALID in its definition. */
static const char parts_sql[] =
    "SELECT drop_it, make_it FROM ("
    "  SELECT CASE contype WHEN 'f' THEN 1 ELSE 2 END AS place, conname AS name,"
    "         format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS drop_it,"
    "         format('ALTER TABLE %s ADD CONSTRAINT %I %s%s', conrelid::regclass, conname, pg_get_constraintdef(oid),"
    "                CASE WHEN contype = 'f' AND convalidated THEN ' NOT VALID' ELSE '' END) AS make_it"
    "  FROM pg_constraint"
    "  WHERE (conrelid = to_regclass(quote_ident($1)) AND contype IN ('f', 'p', 'u', 'x'))"
    "     OR (confrelid = to_regclass(quote_ident($1)) AND contype = 'f')"
    "  UNION ALL"
    "  SELECT 3, c.relname, format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid)"
    "  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid"
    "  WHERE i.indrelid = to_regclass(quote_ident($1))"
    "    AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))"
    ") AS parts ORDER BY place, name";

int rec_postgres_bulk_begin(struct rec_copy_bulk *bulk, const char *table, struct rec_err *err)
{
    struct rec_sql *db = bulk->db;
    struct rec_buf sql = {0};
    PGresult *parts = NULL;
    int status = -1;

    rec_buf_adds(&sql, "LOCK TABLE ");
    rec_postgres_quote(&sql, table);
    rec_buf_adds(&sql, " IN ACCESS EXCLUSIVE MODE");
    if (sql.failed || rec_postgres_ready(db, err) < 0 || rec_postgres_command(db, sql.data, err) < 0)
        goto out;
    parts = ask(db, parts_sql, &table, 1, err);
    if (!parts)
        goto out;
    rec_buf_reset(&sql);
    for (int i = 0, n = PQntuples(parts); i < n; i++) {
        rec_buf_addf(&sql, "%s;", PQgetvalue(parts, i, 0));
        rec_buf_addf(&bulk->again, "%s;", PQgetvalue(parts, n - 1 - i, 1));
    }
    if (sql.failed || bulk->again.failed)
        goto out;
    status = PQntuples(parts) > 0 ? rec_postgres_command(db, sql.data, err) : 0;
out:
    if (sql.failed || bulk->again.failed)
        status = rec_postgres_fault_memory(db, err);
    PQclear(parts);
    rec_buf_clear(&sql);
    return status;
}

int rec_postgres_bulk_end(struct rec_copy_bulk *bulk, struct rec_err *err)
{
    if (rec_postgres_ready(bulk->db, err) < 0)
        return -1;
    return bulk->again.len > 0 ? rec_postgres_command(bulk->db, bulk->again.data, err) : 0;
}

/* ---- the schema ---------------------------------------------------------------------------------- */

/* A row for each column, tables in the order of the longest chain of references below them. */
static const char schema_sql[] =
    "WITH RECURSIVE tables AS ("
    "  SELECT oid, relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition AND relpersistence <> 't'"
    "     AND relnamespace = current_schema()::regnamespace AND relname <> 'schema_migrations'"
    "), chain (oid, depth) AS ("
    "  SELECT oid, 0 FROM tables"
    "  UNION"
    "  SELECT c.conrelid, chain.depth + 1 FROM chain JOIN pg_constraint c ON c.confrelid = chain.oid"
    "  WHERE c.contype = 'f' AND c.conrelid <> c.confrelid AND chain.depth < 64"
    ") "
    "SELECT t.relname, a.attname, b.typname,"
    "  coalesce((SELECT string_agg(quote_ident(k.attname), ', ' ORDER BY u.place) FROM pg_index i"
    "    CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS u (number, place)"
    "    JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = u.number"
    "    WHERE i.indrelid = t.oid AND i.indisprimary), '') "
    "FROM tables t JOIN (SELECT oid, max(depth) AS depth FROM chain GROUP BY oid) d ON d.oid = t.oid "
    "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "JOIN pg_type b ON b.oid = a.atttypid "
    "ORDER BY d.depth, t.relname COLLATE \"C\", a.attnum";

static const struct { const char *name; enum rec_copy_type type; } types[] = {
    {"int2", REC_COPY_INT16}, {"int4", REC_COPY_INT32}, {"int8", REC_COPY_INT64}, {"float4", REC_COPY_REAL32},
    {"float8", REC_COPY_REAL64}, {"text", REC_COPY_TEXT}, {"varchar", REC_COPY_TEXT}, {"bytea", REC_COPY_BLOB},
};

static int add_table(struct rec_copy_schema *out, const char *name, const char *order, struct rec_sql *db, struct rec_err *err)
{
    struct rec_copy_table *t;

    if (rec_realloc(&out->tables, out->n + 1, sizeof *out->tables, db->name, err) < 0)
        return rec_postgres_fault_memory(db, NULL);
    t = &out->tables[out->n];
    *t = (struct rec_copy_table){0};
    if ((size_t)snprintf(t->name, sizeof t->name, "%s", name) >= sizeof t->name ||
        (size_t)snprintf(t->order, sizeof t->order, "%s", order) >= sizeof t->order)
        return rec_postgres_fault_set(db, REC_SQL_OTHER, err, "table %s: its name or the names of its key are too long", name);
    out->n++;
    return 0;
}

static int add_column(struct rec_copy_table *t, const char *name, const char *type, struct rec_sql *db, struct rec_err *err)
{
    size_t i = 0;
    char *copy;

    while (i < REC_LENGTH(types) && strcmp(types[i].name, type) != 0)
        i++;
    if (i == REC_LENGTH(types))
        return rec_postgres_fault_set(db, REC_SQL_OTHER, err, "column %s.%s: its type, %s, is none of ours", t->name, name, type);
    if (rec_realloc(&t->columns, t->n + 1, sizeof *t->columns, db->name, err) < 0)
        return rec_postgres_fault_memory(db, NULL);
    copy = strdup(name);
    if (!copy)
        return rec_postgres_fault_memory(db, err);
    t->columns[t->n++] = (struct rec_copy_column){.name = copy, .type = types[i].type};
    return 0;
}

int rec_postgres_schema(struct rec_copy_schema *out, struct rec_sql *db, struct rec_err *err)
{
    PGresult *rows = ask(db, schema_sql, NULL, 0, err);
    int status = rows ? 0 : -1;

    *out = (struct rec_copy_schema){0};
    for (int i = 0; rows && status == 0 && i < PQntuples(rows); i++) {
        const char *table = PQgetvalue(rows, i, 0);
        if (out->n == 0 || strcmp(out->tables[out->n - 1].name, table) != 0)
            status = add_table(out, table, PQgetvalue(rows, i, 3), db, err);
        if (status == 0)
            status = add_column(&out->tables[out->n - 1], PQgetvalue(rows, i, 1), PQgetvalue(rows, i, 2), db, err);
    }
    PQclear(rows);
    return status;
}
