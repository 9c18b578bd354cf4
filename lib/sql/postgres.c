/* SPDX-License-Identifier: MIT
 *
 * The driver for PostgreSQL, by libpq.
 *
 * A connection that lives for one request (one_shot) keeps nothing on the server between transactions, so that pgbouncer may give each
 * transaction another one: its statements are unnamed, and its settings travel with them.
 */
#include "postgres_priv.h"

#include <math.h>
#include <poll.h>

/* ---- opening and closing ------------------------------------------------------------------------- */

static void no_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What the URL says goes before what stands before it here; a connection that died silently is noticed in about a minute. */
static PGconn *start(const char *url)
{
    static const char *const names[] = {"fallback_application_name", "keepalives_idle", "keepalives_interval", "keepalives_count",
                                        "tcp_user_timeout", "dbname", "client_encoding", NULL};
    const char *const values[] = {"rec", "30", "10", "3", "60000", url, "UTF8", NULL};

    return PQconnectStartParams(names, values, 1);
}

/* Goes on until there is a connection, or none. Returns -2 when the time is over. */
static int finish(PGconn *conn, double until)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;

    if (PQstatus(conn) == CONNECTION_BAD)
        return -1;
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        struct pollfd fd = {.fd = PQsocket(conn), .events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT};
        double left = until - now();
        if (left <= 0)
            return -2;
        if (poll(&fd, 1, left > 1e6 ? 1000000000 : (int)(left * 1000) + 1) > 0)
            status = PQconnectPoll(conn);
    }
    return status == PGRES_POLLING_OK ? 0 : -1;
}

/* connect_timeout of the URL, which libpq leaves to who goes on with a connection step by step; 0 there is for ever. */
static double timeout_of(const PQconninfoOption *parsed, double otherwise)
{
    for (; parsed->keyword; parsed++) {
        int64_t seconds;
        if (!strcmp(parsed->keyword, "connect_timeout") && parsed->val && rec_num_int64(&seconds, parsed->val, strlen(parsed->val)) == 0)
            return seconds > 0 ? (double)seconds : 1e9;
    }
    return otherwise;
}

static int connect_to(struct rec_sql *db, const char *url, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);
    char *said = NULL;
    PQconninfoOption *parsed = PQconninfoParse(url, &said);
    double timeout;
    int status;

    if (!parsed) {
        rec_postgres_fault_url(db, said, err);
        PQfreemem(said);
        return -1;
    }
    timeout = timeout_of(parsed, db->connect_timeout);
    PQconninfoFree(parsed);
    pg->conn = start(url);
    if (!pg->conn)
        return rec_postgres_fault_memory(db, err);
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(pg->conn, no_notice, NULL);
    status = finish(pg->conn, now() + timeout);
    if (status < 0)
        return rec_postgres_fault_open(db, pg->conn, status == -2 ? timeout : -1, err);
    PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
    return 0;
}

int rec_postgres_wait(double seconds)
{
    /* 0 would be to wait for ever. */
    return seconds <= 0.001 ? 1 : seconds >= 2e6 ? 2000000000 : (int)ceil(seconds * 1000);
}

/* For a program that was killed the server must not go on working, with its locks. It can tell since version 14, and not on all systems. */
static const char notice_our_end[] =
    "SELECT CASE WHEN version() ~* 'linux|bsd|darwin' THEN set_config('client_connection_check_interval', '1000', false) END; ";

static int set_session(struct rec_sql *db, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);
    char sql[320];

    if (db->one_shot)
        return 0;
    pg->session_wait = rec_postgres_wait(db->busy_timeout);
    snprintf(sql, sizeof sql, "%sSET lock_timeout = %d; SET standard_conforming_strings = on%s",
             PQserverVersion(pg->conn) >= 140000 ? notice_our_end : "", pg->session_wait,
             db->read_only ? "; SET default_transaction_read_only = on" : "");
    return rec_postgres_command(db, sql, err);
}

static void close_it(struct rec_sql *db)
{
    struct rec_postgres *pg = rec_postgres_of(db);

    PQfinish(pg->conn);
    free(pg->slot);
    rec_buf_clear(&pg->text);
    free(pg->value);
    free(pg->length);
    free(pg->format);
    free(pg);
    db->handle = NULL;
}

static int open_it(struct rec_sql *db, const char *url, struct rec_err *err)
{
    struct rec_postgres *pg = rec_calloc(1, sizeof *pg, db->name, err);

    if (!pg)
        return rec_postgres_fault_memory(db, NULL);
    db->handle = pg;
    if (connect_to(db, url, err) < 0 || set_session(db, err) < 0) {
        close_it(db);
        return -1;
    }
    return 0;
}

static bool alive(struct rec_sql *db)
{
    struct rec_postgres *pg = rec_postgres_of(db);
    struct pollfd fd = {.fd = PQsocket(pg->conn), .events = POLLIN};

    /* A server that ends a connection says so, and then closes it: what it said must be read to see the end. */
    for (int i = 0; i < 8; i++) {
        if (pg->broken || PQstatus(pg->conn) != CONNECTION_OK || PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
            return false;
        if (poll(&fd, 1, 0) <= 0)
            return true;
        if (!PQconsumeInput(pg->conn))
            return false;
    }
    return true;
}

/* ---- plain statements ---------------------------------------------------------------------------- */

static int still_there(struct rec_sql *db, struct rec_err *err)
{
    const struct rec_postgres *pg = rec_postgres_of(db);

    if (!pg->broken && PQstatus(pg->conn) == CONNECTION_OK)
        return 0;
    return rec_postgres_fault_set(db, REC_SQL_LOST, err, "the connection was lost before this; connect again");
}

PGresult *rec_postgres_checked(struct rec_sql *db, PGresult *result, ExecStatusType want, struct rec_err *err)
{
    ExecStatusType status = PQresultStatus(result);

    if (result && (status == want || (want == PGRES_COMMAND_OK && (status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY))))
        return result;
    if (result && status != PGRES_FATAL_ERROR) {
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT)
            rec_postgres_copy_abandon(rec_postgres_of(db), "no COPY here");
        rec_postgres_fault_set(db, REC_SQL_OTHER, err, "a statement gave no rows where there should be some, or is a COPY");
    } else {
        rec_postgres_fault(db, result, err);
    }
    PQclear(result);
    return NULL;
}

PGresult *rec_postgres_run(struct rec_sql *db, const char *sql, ExecStatusType want, struct rec_err *err)
{
    if (still_there(db, err) < 0)
        return NULL;
    return rec_postgres_checked(db, PQexec(rec_postgres_of(db)->conn, sql), want, err);
}

int rec_postgres_command(struct rec_sql *db, const char *sql, struct rec_err *err)
{
    PGresult *result = rec_postgres_run(db, sql, PGRES_COMMAND_OK, err);

    PQclear(result);
    return result ? 0 : -1;
}

int rec_postgres_ready(struct rec_sql *db, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);
    int wait = rec_postgres_wait(db->busy_timeout), *is = db->in_transaction ? &pg->local_wait : &pg->session_wait;
    char sql[64];

    if (still_there(db, err) < 0)
        return -1;
    if (*is == wait || (db->one_shot && !db->in_transaction))
        return 0;
    snprintf(sql, sizeof sql, "SET %s lock_timeout = %d", db->in_transaction ? "LOCAL" : "SESSION", wait);
    if (rec_postgres_command(db, sql, err) < 0)
        return -1;
    *is = wait;
    return 0;
}

void rec_postgres_quote(struct rec_buf *out, const char *name)
{
    rec_buf_addc(out, '"');
    for (; *name; name++) {
        if (*name == '"')
            rec_buf_addc(out, '"');
        rec_buf_addc(out, *name);
    }
    rec_buf_addc(out, '"');
}

/* The line of the script that the server's error is at; its position counts letters, not bytes. */
static size_t line_of(const char *sql, const PGresult *result)
{
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    int64_t left;
    size_t line = 1;

    if (!position || rec_num_int64(&left, position, strlen(position)) < 0)
        return 0;
    for (; *sql && left > 1; sql++) {
        left -= ((unsigned char)sql[1] & 0xc0) != 0x80;
        line += *sql == '\n';
    }
    return line;
}

static int run_script(struct rec_sql *db, const char *sql, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);
    PGTransactionStatusType status;
    PGresult *result;
    char where[32];
    size_t line;

    if (rec_postgres_ready(db, err) < 0)
        return -1;
    result = PQexec(pg->conn, sql);
    line = line_of(sql, result);
    result = rec_postgres_checked(db, result, PGRES_COMMAND_OK, err);
    PQclear(result);
    if (!result) {
        snprintf(where, sizeof where, "line %zu", line);
        return line ? rec_err_prefix(err, where) : -1;
    }
    status = PQtransactionStatus(pg->conn);
    if (db->in_transaction ? status == PQTRANS_INTRANS : status == PQTRANS_IDLE)
        return 0;
    if (!db->in_transaction)
        PQclear(PQexec(pg->conn, "ROLLBACK"));
    return rec_postgres_fault_set(db, REC_SQL_OTHER, err, "a script may neither begin nor end a transaction");
}

/* ---- transactions -------------------------------------------------------------------------------- */

static int begin(struct rec_sql *db, enum rec_sql_mode mode, struct rec_err *err)
{
    int wait = rec_postgres_wait(db->busy_timeout);
    char sql[128];

    snprintf(sql, sizeof sql, "BEGIN ISOLATION LEVEL %s; SET LOCAL lock_timeout = %d",
             mode == REC_SQL_READ ? "REPEATABLE READ READ ONLY" : "READ COMMITTED", wait);
    if (rec_postgres_command(db, sql, err) < 0)
        return -1;
    rec_postgres_of(db)->local_wait = wait;
    return 0;
}

/* The server answers a COMMIT of a transaction that failed with ROLLBACK, and calls that no error. */
static int commit(struct rec_sql *db, struct rec_err *err)
{
    PGresult *result = rec_postgres_run(db, "COMMIT", PGRES_COMMAND_OK, err);
    bool committed = result && !strcmp(PQcmdStatus(result), "COMMIT");

    PQclear(result);
    if (committed)
        return 0;
    if (result)
        return rec_postgres_fault_set(db, REC_SQL_OTHER, err, "the transaction was undone, as a statement of it had failed");
    if (db->fault == REC_SQL_LOST)
        rec_postgres_fault_set(db, REC_SQL_LOST, err,
                               "lost the connection during a commit; look whether it was done before trying again");
    return -1;
}

static void rollback(struct rec_sql *db)
{
    struct rec_postgres *pg = rec_postgres_of(db);

    if (!pg->broken && PQstatus(pg->conn) == CONNECTION_OK)
        PQclear(PQexec(pg->conn, "ROLLBACK"));
    if (PQtransactionStatus(pg->conn) != PQTRANS_IDLE)
        pg->broken = true;
}

/* FNV-1a, 64 bits: every version of the program must come to the same number. */
static int64_t number_of(const char *word)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *word; word++)
        hash = (hash ^ (unsigned char)*word) * UINT64_C(0x100000001b3);
    return (int64_t)hash;
}

static int lock(struct rec_sql *db, const char *word, double wait, struct rec_err *err)
{
    struct rec_postgres *pg = rec_postgres_of(db);
    PGresult *result;
    char sql[128];

    pg->local_wait = rec_postgres_wait(wait);
    snprintf(sql, sizeof sql, "SET LOCAL lock_timeout = %d; SELECT pg_advisory_xact_lock(%lld)", pg->local_wait,
             (long long)number_of(word));
    result = rec_postgres_run(db, sql, PGRES_TUPLES_OK, err);
    PQclear(result);
    return result ? 0 : -1;
}

/* -------------------------------------------------------------------------------------------------- */

static const char *const schemes[] = {"postgresql:", "postgres:", NULL};

const struct rec_sql_driver rec_postgres_driver = {
    .dialect = "postgresql",
    .schemes = schemes,
    .open = open_it,
    .close = close_it,
    .alive = alive,
    .exec = rec_postgres_exec,
    .script = run_script,
    .query = rec_postgres_query,
    .next = rec_postgres_next,
    .done = rec_postgres_done,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .lock = lock,
    .copy_in = rec_postgres_copy_in,
    .copy_out = rec_postgres_copy_out,
    .bulk_begin = rec_postgres_bulk_begin,
    .bulk_end = rec_postgres_bulk_end,
    .schema = rec_postgres_schema,
};
