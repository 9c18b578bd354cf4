/* SPDX-License-Identifier: MIT
 *
 * The tables of an SQLite file, those that others refer to before these, with their columns as types of copy.
 */
#include "sqlite_priv.h"

/* The depth of a table is the longest way up by its foreign keys; one to the table itself does not count. Ways longer than the number
 * of tables would be circles, and end there. */
static const char tables_query[] =
    "WITH RECURSIVE own(name) AS (SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' "
    "AND name <> 'schema_migrations'), "
    "link(child, parent) AS (SELECT DISTINCT o.name, p.name FROM own AS o, pragma_foreign_key_list(o.name) AS f, own AS p "
    "WHERE p.name = f.\"table\" COLLATE NOCASE AND p.name <> o.name), "
    "way(name, depth) AS (SELECT name, 0 FROM own UNION SELECT link.child, way.depth + 1 FROM way JOIN link ON link.parent = way.name "
    "WHERE way.depth < (SELECT count(*) FROM own)) "
    "SELECT name FROM way GROUP BY name ORDER BY max(depth), name";

static const char columns_query[] = "SELECT name, upper(type) FROM pragma_table_info($1) ORDER BY cid";

static const char order_query[] = "SELECT group_concat(name, ', ') FROM (SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk)";

/* INTEGER is 64 bits wide in SQLite. A name that is not known goes by SQLite's rules of affinity as far as we use them. */
static enum rec_copy_type type_of(const char *declared)
{
    if (!strcmp(declared, "SMALLINT"))
        return REC_COPY_INT16;
    if (strstr(declared, "INT"))
        return REC_COPY_INT64;
    if (strstr(declared, "CHAR") || strstr(declared, "TEXT") || strstr(declared, "CLOB"))
        return REC_COPY_TEXT;
    if (strstr(declared, "BLOB") || !*declared)
        return REC_COPY_BLOB;
    return REC_COPY_REAL64;
}

static int add_column(struct rec_copy_table *table, const char *name, const char *declared, struct rec_err *err)
{
    char *copy;

    if (rec_realloc(&table->columns, table->n + 1, sizeof *table->columns, table->name, err) < 0)
        return -1;
    copy = strdup(name);
    if (!copy)
        return rec_err_memory(err, table->name);
    table->columns[table->n++] = (struct rec_copy_column){copy, type_of(declared)};
    return 0;
}

static int read_columns(struct rec_copy_table *table, struct rec_sql *db, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, db, columns_query, REC_SQL(rec_sql_text(table->name)), err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0)
        if ((status = add_column(table, rows.value[0].text, rows.value[1].text, err)) < 0)
            break;
    rec_sql_done(&rows);
    return status;
}

static int read_order(struct rec_copy_table *table, struct rec_sql *db, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, db, order_query, REC_SQL(rec_sql_text(table->name)), err) < 0)
        return -1;
    status = rec_sql_next(&rows, err);
    if (status > 0 && rows.value[0].type == REC_SQL_TEXT) {
        if (rows.value[0].len >= sizeof table->order)
            status = rec_err_set(err, "%s: the primary key of table %s is too long", rec_sql_name(db), table->name);
        else
            memcpy(table->order, rows.value[0].text, rows.value[0].len + 1);
    }
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}

int rec_sqlite_schema(struct rec_copy_schema *out, struct rec_sql *db, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, db, tables_query, REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0) {
        status = -1;
        if (rows.value[0].len >= sizeof out->tables->name) {
            rec_err_set(err, "%s: the name of table %s is too long", rec_sql_name(db), rows.value[0].text);
            break;
        }
        if (rec_realloc(&out->tables, out->n + 1, sizeof *out->tables, "schema", err) < 0)
            break;
        out->tables[out->n] = (struct rec_copy_table){0};
        memcpy(out->tables[out->n].name, rows.value[0].text, rows.value[0].len + 1);
        out->n++;
    }
    rec_sql_done(&rows);
    for (size_t i = 0; status == 0 && i < out->n; i++)
        if (read_columns(&out->tables[i], db, err) < 0 || read_order(&out->tables[i], db, err) < 0)
            status = -1;
    return status;
}
