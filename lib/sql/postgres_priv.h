/* SPDX-License-Identifier: MIT
 *
 * What the files of the PostgreSQL driver share: postgres.c has the connection and transactions, postgres_statement.c parameters and rows,
 * postgres_fault.c says what went wrong, postgres_copy.c and postgres_copy_in.c move many rows, postgres_schema.c asks the catalogs.
 */
#ifndef REC_POSTGRES_PRIV_H
#define REC_POSTGRES_PRIV_H

#include "sql_priv.h"

#include <libpq-fe.h>

/** A prepared statement, "rec" and its number; known by the address of its text. */
struct rec_postgres_statement {
    const char *sql;
    unsigned number;
};

/** db->handle */
struct rec_postgres {
    PGconn *conn;
    bool broken;                  /**< not to be used again, whatever libpq thinks of it */
    struct rec_postgres_statement *slot;   /**< [slots], a power of two; open addressing; sql NULL: empty */
    size_t slots, statements;
    unsigned last_number;
    int session_wait, local_wait; /**< lock_timeout in ms: of the session, and of the transaction that is open */
    struct rec_buf text;          /**< the parameters of a statement as text, and where they are */
    const char **value;
    int *length, *format;
    size_t params;                /**< room in these three */
};

static inline struct rec_postgres *rec_postgres_of(const struct rec_sql *db)
{
    return db->handle;
}

/* ---- postgres.c ---- */

/** Whether the connection may be used, with the lock timeout that db->busy_timeout asks for. */
int rec_postgres_ready(struct rec_sql *db, struct rec_err *err);
/** Runs text of one or more statements, whose last one ends in `want`. NULL with err set; else PQclear it. */
PGresult *rec_postgres_run(struct rec_sql *db, const char *sql, ExecStatusType want, struct rec_err *err);
/** As rec_postgres_run, for one statement without rows. */
int rec_postgres_command(struct rec_sql *db, const char *sql, struct rec_err *err);
/** Adds "name", quoted as an identifier. */
void rec_postgres_quote(struct rec_buf *out, const char *name);

/** Takes a result, and gives it back when it is what was wanted (PGRES_COMMAND_OK: or rows); else NULL with err set. */
PGresult *rec_postgres_checked(struct rec_sql *db, PGresult *result, ExecStatusType want, struct rec_err *err);
/** Seconds as lock_timeout takes them. */
int rec_postgres_wait(double seconds);

/* ---- postgres_statement.c ---- */

int rec_postgres_exec(struct rec_sql *db, int64_t *changed, const char *sql, const struct rec_sql_value *params, size_t n,
                      struct rec_err *err);
int rec_postgres_query(struct rec_sql_rows *rows, struct rec_sql *db, const char *sql, const struct rec_sql_value *params, size_t n,
                       struct rec_err *err);
int rec_postgres_next(struct rec_sql_rows *rows, struct rec_err *err);
void rec_postgres_done(struct rec_sql_rows *rows);

/* ---- postgres_fault.c ---- */

/** Sets db->fault and err from a result that is an error, or from the connection when `result` is NULL. Returns -1. */
int rec_postgres_fault(struct rec_sql *db, const PGresult *result, struct rec_err *err);
/** The same for a connection that could not be made; `seconds` >= 0 when there was no answer for so long. */
int rec_postgres_fault_open(struct rec_sql *db, const PGconn *conn, double seconds, struct rec_err *err);
/** The same for a URL that libpq does not understand, and what it said of it. */
int rec_postgres_fault_url(struct rec_sql *db, const char *said, struct rec_err *err);
/** No memory; err may say so already (`err` NULL), or says it then. Returns -1. */
int rec_postgres_fault_memory(struct rec_sql *db, struct rec_err *err);
/** Our own reason. Returns -1. */
int rec_postgres_fault_set(struct rec_sql *db, enum rec_sql_fault fault, struct rec_err *err, const char *fmt, ...) REC_PRINTF(4, 5);

/* ---- postgres_copy.c, postgres_copy_in.c ---- */

int rec_postgres_copy_in(struct rec_sql *db, const char *table, const struct rec_copy_column *columns, size_t n, rec_copy_source *source,
                         void *context, uint64_t *rows, struct rec_err *err);
int rec_postgres_copy_out(struct rec_sql *db, const char *query, const struct rec_copy_column *columns, size_t n, rec_copy_sink *sink,
                          void *context, uint64_t *rows, struct rec_err *err);
/** How a stream of COPY begins, and what is before its first row. */
enum { REC_POSTGRES_SIGNATURE = 11, REC_POSTGRES_HEADER = REC_POSTGRES_SIGNATURE + 8 };
extern const char rec_postgres_copy_signature[REC_POSTGRES_SIGNATURE];
/** The bytes of a number of that type, 0 for others; and what PostgreSQL calls the type. */
size_t rec_postgres_copy_width(enum rec_copy_type type);
const char *rec_postgres_copy_word(enum rec_copy_type type);
/** The result of a COPY that has ended. */
int rec_postgres_copy_ended(struct rec_sql *db, uint64_t *rows, struct rec_err *err);
/** Ends a COPY that should not have begun, and reads what is left of its results. */
void rec_postgres_copy_abandon(struct rec_postgres *pg, const char *why);

/* ---- postgres_schema.c ---- */

int rec_postgres_schema(struct rec_copy_schema *out, struct rec_sql *db, struct rec_err *err);
int rec_postgres_bulk_begin(struct rec_copy_bulk *bulk, const char *table, struct rec_err *err);
int rec_postgres_bulk_end(struct rec_copy_bulk *bulk, struct rec_err *err);

#endif
