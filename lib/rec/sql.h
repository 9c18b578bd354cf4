/* SPDX-License-Identifier: MIT
 *
 * sql: one connection to SQLite or PostgreSQL, with the same calls for both.
 *
 *     sql         a connection: its URL, prepared statements, rows, transactions, what went wrong
 *     sqlite      the driver for sqlite:///path
 *     postgres    the driver for postgresql://user@host/database
 *     copy        many rows in, many rows out, as fast as the database can
 *     sqlpool     connections for the threads of a server
 *     migrate     numbered SQL files, each applied once, in a transaction
 *
 *     static const struct rec_sql_driver *const drivers[] = {&rec_sqlite_driver, &rec_postgres_driver, NULL};
 *     struct rec_sql *db;
 *     struct rec_sql_rows rows;
 *     if (rec_sql_open(&db, "sqlite:///var/lib/rec/rec.db", &(struct rec_sql_options){.drivers = drivers}, &err) < 0) ...
 *     if (rec_sql_query(&rows, db, "SELECT id, title FROM movies WHERE year = $1", REC_SQL(rec_sql_int(1995)), &err) < 0) ...
 *     while ((status = rec_sql_next(&rows, &err)) > 0)
 *         use(rows.value[0].integer, rows.value[1].text, rows.value[1].len);
 *     rec_sql_done(&rows);
 *
 * SQL is written once where both databases understand it: parameters are $1, $2, ... in the order of their first appearance; ON CONFLICT and
 * RETURNING are there in both; truth values are 0 and 1; a parameter whose type does not follow from where it stands is written CAST($1 AS
 * bigint), and so is sum(), which PostgreSQL makes numeric; times are whole seconds since 1970 UTC (BIGINT) unless a column says otherwise.
 * Values never become part of the text of a statement.
 *
 * A connection belongs to one thread at a time. Functions return 0, or -1 with one line in `err` that says what to do, and the kind in
 * rec_sql_fault. Passwords of URLs are masked in every message.
 */
#ifndef REC_SQL_H
#define REC_SQL_H

#include <rec/util.h>

struct rec_sql;

/** Kinds of failure that a caller may act on. */
enum rec_sql_fault {
    REC_SQL_FINE,
    REC_SQL_ABSENT,       /**< no such file, host or database; not to be reached */
    REC_SQL_DENIED,       /**< password, permission */
    REC_SQL_BUSY,         /**< locked by another for longer than busy_timeout; deadlock, serialization: try again */
    REC_SQL_LOST,         /**< the connection broke; a transaction that was open is undone */
    REC_SQL_FULL,         /**< no space on the disk */
    REC_SQL_READONLY,
    REC_SQL_CORRUPT,      /**< not a database, or a damaged one */
    REC_SQL_UNIQUE,       /**< there already */
    REC_SQL_CONSTRAINT,   /**< another rule of the schema */
    REC_SQL_OTHER
};

/* ---- sql: a connection --------------------------------------------------------------------------- */

enum rec_sql_type { REC_SQL_NULL, REC_SQL_INT, REC_SQL_REAL, REC_SQL_TEXT, REC_SQL_BLOB };

/** A parameter, or a column of a row. Texts and blobs of rows are borrowed until the next call for that row set; texts end in a NUL that
 *  `len` does not count. */
struct rec_sql_value {
    enum rec_sql_type type;
    size_t len;
    union {
        int64_t integer;
        double real;
        const char *text;
        const void *blob;
    };
};

static inline struct rec_sql_value rec_sql_null(void)
{
    return (struct rec_sql_value){.type = REC_SQL_NULL};
}
static inline struct rec_sql_value rec_sql_int(int64_t x)
{
    return (struct rec_sql_value){.type = REC_SQL_INT, .integer = x};
}
static inline struct rec_sql_value rec_sql_real(double x)
{
    return (struct rec_sql_value){.type = REC_SQL_REAL, .real = x};
}
static inline struct rec_sql_value rec_sql_bytes(const char *text, size_t len)
{
    return (struct rec_sql_value){.type = REC_SQL_TEXT, .text = text, .len = len};
}
static inline struct rec_sql_value rec_sql_text(const char *text) /**< NULL is NULL */
{
    return text ? rec_sql_bytes(text, __builtin_strlen(text)) : rec_sql_null();
}
static inline struct rec_sql_value rec_sql_blob(const void *bytes, size_t len)
{
    return (struct rec_sql_value){.type = REC_SQL_BLOB, .blob = bytes, .len = len};
}
/** Two arguments: the parameters and how many. REC_SQL_NONE when there are none. */
#define REC_SQL(...) (const struct rec_sql_value[]){__VA_ARGS__}, \
                     sizeof((const struct rec_sql_value[]){__VA_ARGS__}) / sizeof(struct rec_sql_value)
#define REC_SQL_NONE NULL, 0

struct rec_sql_driver;
extern const struct rec_sql_driver rec_sqlite_driver, rec_postgres_driver;

struct rec_sql_options {
    const struct rec_sql_driver *const *drivers; /**< ends in NULL; a program that names only rec_sqlite_driver links no libpq */
    double busy_timeout;      /**< seconds to wait for another's lock; 0: 5 */
    double longest_wait;      /**< seconds; what would wait longer by rec_sql_patience and rec_sql_lock does not; 0: no bound */
    double connect_timeout;   /**< seconds; 0: 5. One in a PostgreSQL URL goes before it */
    bool create;              /**< SQLite: make the file (mode 0600) when it is not there; else that is REC_SQL_ABSENT */
    bool read_only;
    bool one_shot;            /**< a process that lives for one request: PostgreSQL statements stay unnamed, so that pgbouncer may pool by
                                   transaction; SQLite's log is left for the next process (no checkpoint at the end) */
};

/** URLs: sqlite:///absolute/path, sqlite://relative/path is refused, sqlite:relative/path and a bare path are taken as files;
 *  postgresql:// or postgres:// as libpq defines it. SQLite: write-ahead log, foreign keys on, synchronous FULL. */
int rec_sql_open(struct rec_sql **out, const char *url, const struct rec_sql_options *options, struct rec_err *err);
/** Undoes a transaction that is open. NULL is safe. */
void rec_sql_close(struct rec_sql *db);

/** The URL, with a password masked: for messages. */
const char *rec_sql_name(const struct rec_sql *db);
/** The path of an SQLite file, or NULL. */
const char *rec_sql_path(const struct rec_sql *db);
/** "sqlite" or "postgresql": the word in names of migrations. */
const char *rec_sql_dialect(const struct rec_sql *db);
/** What the last call that failed ran into. */
enum rec_sql_fault rec_sql_fault(const struct rec_sql *db);
/** For rooms above, which hold to rules that the schema does not know: the line into err, and `fault` as if the database had refused.
 *  What the transaction did so far stays as it is: what refuses before it has written may go on. Both db and err may be NULL (no db: it tells
 *  rec_sql_open_fault). Returns -1. */
int rec_sql_refuse(struct rec_sql *db, enum rec_sql_fault fault, struct rec_err *err, const char *fmt, ...) REC_PRINTF(4, 5);
/** What a database holds, as a number that nobody can read: another one after every commit, whoever made it. */
struct rec_sql_version {
    uint64_t word[6];
};
/** Looks without asking the database, in some nanoseconds: as long as it is the same, nothing was committed, and what was read after it is what would be
 *  read now. False: it cannot be had (PostgreSQL; within a transaction; somebody is committing): then ask the database. */
bool rec_sql_version(struct rec_sql_version *out, struct rec_sql *db);
/** The same for another process, as long as the machine is not started anew: also what says which database it is. */
struct rec_sql_glance {
    uint64_t word[23];
};
/** Looks at the files, with some system calls and without opening the database (SQLite alone; sqlite_glance.c says why it can be trusted): as long as two
 *  glances are equal, nothing was committed between them. False: there is none to be had; also within 20 ms of a commit or checkpoint, as the times of files are
 *  coarse. @param db  a connection to it; NULL only in a process that has no database open at all, in any thread */
bool rec_sql_glance(struct rec_sql_glance *out, const char *url, const struct rec_sql_driver *const *drivers, struct rec_sql *db);
/** Changes busy_timeout from here on; returns what it was. 0: not to wait at all. */
double rec_sql_patience(struct rec_sql *db, double seconds);
/** As rec_sql_fault of the connection that rec_sql_open could not make, in this thread. */
enum rec_sql_fault rec_sql_open_fault(void);

/** Runs one statement without rows. Statements are prepared once a connection and kept by the address of their text, which must be a
 *  literal. @param changed  rows inserted, updated or deleted; may be NULL. */
int rec_sql_exec(struct rec_sql *db, int64_t *changed, const char *sql, const struct rec_sql_value *params, size_t n, struct rec_err *err);

/** Text of several statements, from a migration: not prepared, no parameters. */
int rec_sql_script(struct rec_sql *db, const char *sql, struct rec_err *err);

struct rec_sql_rows {
    const struct rec_sql_value *value; /**< [n], of the row that rec_sql_next came to */
    size_t n;
    struct rec_sql *db;                /**< private, as all below */
    void *state;
    size_t at;
};
/** Runs one statement that has rows. Close it with rec_sql_done before the same statement is run again. One that writes (RETURNING), outside a
 *  transaction, is durable when rec_sql_next has come to its end. */
int rec_sql_query(struct rec_sql_rows *rows, struct rec_sql *db, const char *sql, const struct rec_sql_value *params, size_t n,
                  struct rec_err *err);
/** 1: rows->value holds the next row; 0: there is none; -1. */
int rec_sql_next(struct rec_sql_rows *rows, struct rec_err *err);
void rec_sql_done(struct rec_sql_rows *rows);
/** The first column of the first row, a whole number, of a query that has one or a few. 1, 0: no row (or NULL), -1. */
int rec_sql_get_int(int64_t *out, struct rec_sql *db, const char *sql, const struct rec_sql_value *params, size_t n, struct rec_err *err);

enum rec_sql_mode {
    REC_SQL_READ,         /**< one snapshot for all queries until the end; writes are refused on PostgreSQL */
    REC_SQL_WRITE         /**< SQLite: the one writer from the beginning (BEGIN IMMEDIATE); PostgreSQL: read committed */
};
int rec_sql_begin(struct rec_sql *db, enum rec_sql_mode mode, struct rec_err *err);
/** Durable when it returns 0. */
int rec_sql_commit(struct rec_sql *db, struct rec_err *err);
/** Safe when none is open. */
void rec_sql_rollback(struct rec_sql *db);
bool rec_sql_in_transaction(const struct rec_sql *db);
/** Within a WRITE transaction: takes turns with others that lock the same word, to the end of the transaction. `wait`: seconds, after
 *  which it fails as REC_SQL_BUSY. (SQLite: nothing to do, there is one writer.) */
int rec_sql_lock(struct rec_sql *db, const char *word, double wait, struct rec_err *err);

/* ---- copy: many rows in, many rows out -----------------------------------------------------------
 *
 * PostgreSQL: COPY in its binary format, both ways. SQLite: one statement that reads all rows from the source; values must fit their columns
 * all the same.
 */
enum rec_copy_type { REC_COPY_INT16, REC_COPY_INT32, REC_COPY_INT64, REC_COPY_REAL32, REC_COPY_REAL64, REC_COPY_TEXT, REC_COPY_BLOB };

struct rec_copy_column {
    const char *name;
    enum rec_copy_type type;  /**< that of the PostgreSQL column, exactly; on SQLite what fits it */
};

/** Fills the n values of the next row, which stay valid until the next call. 1, 0: no more, -1. */
typedef int rec_copy_source(void *context, struct rec_sql_value *row, struct rec_err *err);
/** Takes a row. */
typedef int rec_copy_sink(void *context, const struct rec_sql_value *row, struct rec_err *err);

/** Inserts rows within the transaction that is open. Where `columns` names one that the database numbers by itself (id), numbers it makes
 *  later are greater than those that came; on PostgreSQL nobody else inserts into that table meanwhile. @param rows  how many; may be NULL. */
int rec_copy_in(struct rec_sql *db, const char *table, const struct rec_copy_column *columns, size_t n, rec_copy_source *source,
                void *context, uint64_t *rows, struct rec_err *err);
/** The rows of `query`, a SELECT without parameters whose columns have these types, to `sink` in their order. */
int rec_copy_out(struct rec_sql *db, const char *query, const struct rec_copy_column *columns, size_t n, rec_copy_sink *sink,
                 void *context, uint64_t *rows, struct rec_err *err);

/** Before and after many rows are copied into `table` within one transaction: takes its foreign keys and indexes away and makes them
 *  again (PostgreSQL: primary key and indexes built at once; foreign keys added NOT VALID, as the caller vouches for the rows; SQLite:
 *  foreign keys of all tables are not looked at meanwhile; rows are best in the order of the key). The table is locked meanwhile. */
struct rec_copy_bulk {
    struct rec_sql *db;
    struct rec_buf again;     /**< private: the statements that bring them back */
};
int rec_copy_bulk_begin(struct rec_copy_bulk *bulk, struct rec_sql *db, const char *table, struct rec_err *err);
int rec_copy_bulk_end(struct rec_copy_bulk *bulk, struct rec_err *err);

/** The tables of the schema (none of the database's own, nor schema_migrations, which is migrate's), parents before those that refer to them, and their columns. */
struct rec_copy_table {
    char name[64];
    size_t n;
    struct rec_copy_column *columns;   /**< names owned by the table */
    char order[128];                   /**< the columns of the primary key, "user_id, movie_id" */
};
struct rec_copy_schema {
    size_t n;
    struct rec_copy_table *tables;
};
int rec_copy_schema(struct rec_copy_schema *out, struct rec_sql *db, struct rec_err *err);
void rec_copy_schema_clear(struct rec_copy_schema *schema);

/* ---- sqlpool: connections for the threads of a server --------------------------------------------- */

struct rec_sqlpool;
/** Opens none yet; at most `size` are open at once. Threads may share it. */
int rec_sqlpool_new(struct rec_sqlpool **out, const char *url, const struct rec_sql_options *options, size_t size, struct rec_err *err);
/** A connection, an idle one if there is; waits up to `wait` seconds for one (then rec_sql_open_fault is REC_SQL_BUSY). One that broke is made anew. */
int rec_sqlpool_take(struct rec_sql **db, struct rec_sqlpool *pool, double wait, struct rec_err *err);
/** Gives it back: what is open is rolled back, one that is lost is closed. */
void rec_sqlpool_give(struct rec_sqlpool *pool, struct rec_sql *db);
/** How many are open, and how many of those are idle. */
void rec_sqlpool_count(struct rec_sqlpool *pool, size_t *open, size_t *idle);
/** All must have been given back. */
void rec_sqlpool_free(struct rec_sqlpool *pool);

/* ---- migrate: numbered SQL files ------------------------------------------------------------------
 *
 * data/migrations/NNNN-what.up.sql, and NNNN-what.down.sql to go back; NNNN-what.sqlite.up.sql and NNNN-what.postgresql.up.sql where the
 * databases differ. They are built into the program; a directory of them may take their place. schema_migrations (version, name, checksum,
 * applied, effects) says which were applied. Each runs in one transaction with its row: half a migration leaves the old schema. Two programs
 * that migrate take turns. A file that was changed after it was applied is an error, as is a schema newer than the program.
 *
 * A file holds statements; those that begin or end a transaction are refused before anything runs, and so is a table, view, function,
 * sequence or type whose name is quoted or has a schema. What a migration creates, drops and renames is in `effects`: so an older program
 * knows what a newer one made, and what in a shared database is ours.
 */
struct rec_migrate_file {
    uint32_t version;
    char name[64];            /**< "initial" */
    const char *up, *down;    /**< their text; down may be NULL */
    const char *up_file, *down_file; /**< "0001-initial.sqlite.up.sql", for messages */
};

struct rec_migrate_set {
    size_t n;
    struct rec_migrate_file *file;   /**< ascending, 1, 2, ... without gaps */
    void *owned;
};
/** Those built in, for that dialect. */
int rec_migrate_builtin(struct rec_migrate_set *out, const char *dialect, struct rec_err *err);
/** Those of a directory. */
int rec_migrate_read(struct rec_migrate_set *out, const char *directory, const char *dialect, struct rec_err *err);
void rec_migrate_clear(struct rec_migrate_set *set);

enum rec_migrate_state { REC_MIGRATE_APPLIED, REC_MIGRATE_PENDING, REC_MIGRATE_CHANGED, REC_MIGRATE_UNKNOWN /**< applied, and no file for it */ };
struct rec_migrate_status {
    uint32_t version;
    char name[64];
    enum rec_migrate_state state;
    int64_t applied;          /**< when, or 0 */
};
/** One for each version that has a file or was applied; *out is to be freed. A database without schema_migrations has none applied. */
int rec_migrate_status(struct rec_migrate_status **out, size_t *n, struct rec_sql *db, const struct rec_migrate_set *set,
                       struct rec_err *err);

/** Called for each one as it begins and ends; may be NULL. */
typedef void rec_migrate_tell(void *context, const struct rec_migrate_file *file, bool up, bool done);

/** Applies those up to `to` (0: all) that are pending. @param applied  how many. */
int rec_migrate_up(struct rec_sql *db, const struct rec_migrate_set *set, uint32_t to, size_t *applied, rec_migrate_tell *tell,
                   void *context, struct rec_err *err);
/** Takes back those above `to`, the newest first; fails before it begins when one has no way down. */
int rec_migrate_down(struct rec_sql *db, const struct rec_migrate_set *set, uint32_t to, size_t *undone, rec_migrate_tell *tell,
                     void *context, struct rec_err *err);
/** Within a transaction that is open: the schema of version `to` (0: the newest) in a database that has none, with its rows in
 *  schema_migrations. */
int rec_migrate_into(struct rec_sql *db, const struct rec_migrate_set *set, uint32_t to, struct rec_err *err);
/** Within a transaction that is open: drops what the migrations that were applied have made, whichever program applied them, and
 *  schema_migrations. Nothing else: where there is no schema_migrations of ours, nothing is ours; and where something of somebody else's
 *  depends on a table of ours, it fails. */
int rec_migrate_drop(struct rec_sql *db, struct rec_err *err);
/** Whether the schema is the newest of `set`: 0, or -1 with "... : schema is version 1, this program needs 2: run rec-db migrate"; where there is
 *  none at all "... : no store here yet: run rec-db init" (REC_SQL_ABSENT). */
int rec_migrate_check(struct rec_sql *db, const struct rec_migrate_set *set, struct rec_err *err);

#endif
