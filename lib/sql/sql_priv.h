/* SPDX-License-Identifier: MIT
 *
 * What a driver is to sql.c: sql.c checks, names things and keeps the state that both databases share; a driver talks to one of them.
 * A driver sets db->fault with every failure, and puts a whole line in err: "NAME: what happened; what to do".
 */
#ifndef REC_SQL_PRIV_H
#define REC_SQL_PRIV_H

#include <rec/sql.h>

struct rec_sql {
    const struct rec_sql_driver *driver;
    char *name;                   /**< the URL, its password masked */
    char *path;                   /**< SQLite: the file; else NULL */
    double busy_timeout, longest_wait, connect_timeout;
    bool create, read_only, one_shot;
    enum rec_sql_fault fault;
    bool in_transaction;          /**< this, mode and failed are kept by sql.c */
    enum rec_sql_mode mode;       /**< of that transaction */
    bool failed;                  /**< a statement of it failed: sql.c refuses all but a rollback, on both databases */
    void *handle;                 /**< the driver's own */
};

struct rec_sql_driver {
    const char *dialect;
    const char *const *schemes;   /**< "postgresql:", "postgres:", NULL */
    int (*open)(struct rec_sql *db, const char *url, struct rec_err *err);
    void (*close)(struct rec_sql *db);
    bool (*alive)(struct rec_sql *db); /**< whether an idle connection still is one, without asking the server; NULL: always */
    int (*exec)(struct rec_sql *db, int64_t *changed, const char *sql, const struct rec_sql_value *params, size_t n, struct rec_err *err);
    int (*script)(struct rec_sql *db, const char *sql, struct rec_err *err);
    int (*query)(struct rec_sql_rows *rows, struct rec_sql *db, const char *sql, const struct rec_sql_value *params, size_t n,
                 struct rec_err *err);
    int (*next)(struct rec_sql_rows *rows, struct rec_err *err);
    void (*done)(struct rec_sql_rows *rows);
    int (*begin)(struct rec_sql *db, enum rec_sql_mode mode, struct rec_err *err);
    int (*commit)(struct rec_sql *db, struct rec_err *err);
    void (*rollback)(struct rec_sql *db);
    void (*patience)(struct rec_sql *db); /**< busy_timeout was changed (0: not to wait); NULL: nothing to do */
    int (*lock)(struct rec_sql *db, const char *word, double wait, struct rec_err *err);
    int (*copy_in)(struct rec_sql *db, const char *table, const struct rec_copy_column *columns, size_t n, rec_copy_source *source,
                   void *context, uint64_t *rows, struct rec_err *err);
    int (*copy_out)(struct rec_sql *db, const char *query, const struct rec_copy_column *columns, size_t n, rec_copy_sink *sink,
                    void *context, uint64_t *rows, struct rec_err *err);
    int (*bulk_begin)(struct rec_copy_bulk *bulk, const char *table, struct rec_err *err);
    int (*bulk_end)(struct rec_copy_bulk *bulk, struct rec_err *err);
    int (*schema)(struct rec_copy_schema *out, struct rec_sql *db, struct rec_err *err);
    bool (*version)(struct rec_sql_version *out, struct rec_sql *db); /**< NULL: there is none to be had */
    bool (*glance)(struct rec_sql_glance *out, const char *url, struct rec_sql *db); /**< NULL, too */
};

/* For copy.c: whether a statement may run now, and what a call that came back with `status` does to the transaction. */
int rec_sql_ready(struct rec_sql *db, struct rec_err *err);
int rec_sql_ended(struct rec_sql *db, int status);

#endif
