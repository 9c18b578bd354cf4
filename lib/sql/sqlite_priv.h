/* SPDX-License-Identifier: MIT
 *
 * What the files of the SQLite driver share.
 */
#ifndef REC_SQLITE_PRIV_H
#define REC_SQLITE_PRIV_H

#include "sql_priv.h"

#include <sqlite3.h>

/** A prepared statement, kept under the address of its text. */
struct rec_sqlite_statement {
    const char *sql;
    sqlite3_stmt *stmt;
    int *number;                  /**< [bound]: parameter i + 1 of SQLite's is $number[i] */
    int bound;
    size_t params;                /**< the greatest number */
    struct rec_sql_value *value;  /**< [columns]: the row that it stands on */
    size_t columns;
    bool busy;                    /**< a row set reads from it */
};

struct rec_sqlite {
    sqlite3 *db;
    struct rec_sqlite_statement **slot; /**< open addressing */
    size_t slots, used;
    double waiting_since;         /**< when the present wait for a lock began */
    bool bulk;                    /**< foreign keys are not checked at the moment */
    const _Atomic uint64_t *index;  /**< of the write-ahead log, once it was asked for */
    bool counted;                 /**< by rec_sqlite_open_count */
};

/* sqlite.c */
/** Binds one value as parameter i, from 1. */
int rec_sqlite_bind(sqlite3_stmt *stmt, int i, const struct rec_sql_value *value, sqlite3_destructor_type how);
/** Foreign keys are checked again, if they were not. */
void rec_sqlite_end_bulk(struct rec_sql *db);

/* sqlite_open.c */
int rec_sqlite_open(struct rec_sql *db, const char *url, struct rec_err *err);
double rec_sqlite_open_now(void);
/** Adds the path of the file to `path`, which is the caller's also when it fails. @param name  for messages */
int rec_sqlite_open_path(struct rec_buf *path, const char *url, const char *name, struct rec_err *err);
/** Connections that this process has open, or is closing. */
size_t rec_sqlite_open_count(void);
void rec_sqlite_open_uncount(void);

/* sqlite_fail.c */
/** Says what went wrong last in the database's handle; `sql`, which may be NULL, is what was run. Returns -1. */
int rec_sqlite_fail(struct rec_sql *db, int rc, const char *sql, struct rec_err *err);

/* sqlite_version.c */
bool rec_sqlite_version(struct rec_sql_version *out, struct rec_sql *db);

/* sqlite_glance.c */
bool rec_sqlite_glance(struct rec_sql_glance *out, const char *url, struct rec_sql *db);

/* sqlite_copy.c */
int rec_sqlite_copy_in(struct rec_sql *db, const char *table, const struct rec_copy_column *columns, size_t n, rec_copy_source *source,
                       void *context, uint64_t *rows, struct rec_err *err);
int rec_sqlite_copy_out(struct rec_sql *db, const char *query, const struct rec_copy_column *columns, size_t n, rec_copy_sink *sink,
                        void *context, uint64_t *rows, struct rec_err *err);
int rec_sqlite_copy_bulk_begin(struct rec_copy_bulk *bulk, const char *table, struct rec_err *err);
int rec_sqlite_copy_bulk_end(struct rec_copy_bulk *bulk, struct rec_err *err);

/* sqlite_schema.c */
int rec_sqlite_schema(struct rec_copy_schema *out, struct rec_sql *db, struct rec_err *err);

#endif
