/* SPDX-License-Identifier: MIT
 *
 * What PostgreSQL said went wrong, as a fault and one line that says what to do.
 *
 * The kind is told by the SQLSTATE (PostgreSQL's manual, appendix A), never by words, which a server may say in any language. For a
 * connection that was not made libpq gives no SQLSTATE, but puts it into its text when it is asked to be verbose. Details of a message are
 * left out, as they hold values of rows; passwords are masked in what libpq says of a connection.
 */
#include "postgres_priv.h"

#include <ctype.h>
#include <math.h>
#include <poll.h>

struct kind {
    const char *state;            /* of five letters, or how those of a class begin */
    enum rec_sql_fault fault;
    const char *advice;
};

/* The first that fits. */
static const struct kind kinds[] = {
    {"08", REC_SQL_LOST, "try again"},
    {"22021", REC_SQL_OTHER, "text must be UTF-8 without NUL bytes"},
    {"23505", REC_SQL_UNIQUE, NULL},
    {"23", REC_SQL_CONSTRAINT, NULL},
    {"25006", REC_SQL_READONLY, "write to the primary server, as a role that may write"},
    {"25P02", REC_SQL_OTHER, "roll the transaction back"},
    {"25P03", REC_SQL_LOST, "try again"},
    {"26000", REC_SQL_OTHER, "a pooler in between must pool by session here, not by transaction"},
    {"28", REC_SQL_DENIED, "check the user and the password, and the server's pg_hba.conf"},
    {"3D000", REC_SQL_ABSENT, "create it with createdb, or name another one"},
    {"40001", REC_SQL_BUSY, "another changed the same rows; try again"},
    {"40003", REC_SQL_LOST, "look whether it was done before trying again"},
    {"40P01", REC_SQL_BUSY, "try again"},
    {"42501", REC_SQL_DENIED, "the database's owner must grant it"},
    {"42P05", REC_SQL_OTHER, "a pooler in between must pool by session here, not by transaction"},
    {"53100", REC_SQL_FULL, "the server's disk is full; make room there"},
    {"53200", REC_SQL_OTHER, "the server is out of memory"},
    {"53300", REC_SQL_BUSY, "try again later, raise max_connections, or put pgbouncer in between"},
    {"55006", REC_SQL_BUSY, "another uses it; try again"},
    {"55P03", REC_SQL_BUSY, "another holds a lock on it; try again later"},
    {"57014", REC_SQL_OTHER, "it was cancelled, or took longer than the role's statement_timeout"},
    {"57P03", REC_SQL_ABSENT, "the server is starting, stopping or recovering; try again"},
    {"57P04", REC_SQL_ABSENT, "the database was dropped"},
    {"57P", REC_SQL_LOST, "try again"},
    {"58", REC_SQL_CORRUPT, "the server cannot read or write its files; look at its log and its disk"},
    {"XX001", REC_SQL_CORRUPT, "a page of the database is damaged; restore a backup"},
    {"XX002", REC_SQL_CORRUPT, "an index is damaged; REINDEX it, or restore a backup"},
    {"", REC_SQL_OTHER, NULL},
};

static const struct kind *kind_of(const char *state)
{
    const struct kind *k = kinds;

    while (strncmp(k->state, state, strlen(k->state)) != 0)
        k++;
    return k;
}

/* The length of the first line. */
static int line_length(const char *text)
{
    return (int)strcspn(text, "\r\n");
}

int rec_postgres_fault_set(struct rec_sql *db, enum rec_sql_fault fault, struct rec_err *err, const char *fmt, ...)
{
    char text[384];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    db->fault = fault;
    return rec_err_set(err, "%s: %s", db->name, text);
}

int rec_postgres_fault_memory(struct rec_sql *db, struct rec_err *err)
{
    db->fault = REC_SQL_OTHER;
    return err ? rec_err_memory(err, db->name) : -1;
}

static int say(struct rec_sql *db, const struct kind *kind, const char *what, struct rec_err *err)
{
    if (kind->advice)
        return rec_postgres_fault_set(db, kind->fault, err, "%.*s; %s", line_length(what), what, kind->advice);
    return rec_postgres_fault_set(db, kind->fault, err, "%.*s", line_length(what), what);
}

/* What happened to the work in hand when the connection went away. */
static int say_lost(struct rec_sql *db, const char *what, struct rec_err *err)
{
    rec_postgres_of(db)->broken = true;
    return rec_postgres_fault_set(db, REC_SQL_LOST, err, "lost the connection: %.*s; %s", line_length(what), what,
                                  db->in_transaction ? "the transaction is undone, try again"
                                                     : "look whether the last change was made before trying again");
}

/* `FATAL:  terminating connection` without the first word, in any language. */
static const char *without_severity(const char *text)
{
    const char *colon = text ? strstr(text, ":  ") : NULL;

    return colon && colon - text < 24 ? colon + 3 : text;
}

/* libpq may have failed to send, and read what the server said before it went, without having come to the end yet. */
static bool is_lost(PGconn *conn, const char *state)
{
    struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};

    for (int i = 0; i < 8 && !state && PQstatus(conn) == CONNECTION_OK && poll(&fd, 1, 0) > 0; i++)
        (void)PQconsumeInput(conn);
    return PQstatus(conn) != CONNECTION_OK;
}

int rec_postgres_fault(struct rec_sql *db, const PGresult *result, struct rec_err *err)
{
    PGconn *conn = rec_postgres_of(db)->conn;
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    bool lost = is_lost(conn, state); /* which may change the connection's message */
    const char *what = state ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : without_severity(PQerrorMessage(conn));

    if (lost)
        return say_lost(db, what && *what ? what : "the server closed it", err);
    if (state)
        return say(db, kind_of(state), what ? what : state, err);
    return rec_postgres_fault_set(db, REC_SQL_OTHER, err, "%.*s", line_length(what), what && *what ? what : "out of memory");
}

/* ---- connections that were not made -------------------------------------------------------------- */

/* libpq, verbose: `FATAL:  28P01: password authentication failed for user "ann"`; the word before is the server's. Where several hosts
 * were tried, the last one counts. Returns where the state is, or NULL. */
static const char *find_state(const char *text)
{
    const char *found = NULL;

    for (const char *at = text; (at = strstr(at, ":  ")) != NULL; at++) {
        size_t n = 3;
        while (isupper((unsigned char)at[n]) || isdigit((unsigned char)at[n]))
            n++;
        if (n == 8 && at[8] == ':' && at[9] == ' ')
            found = at + 3;
    }
    return found;
}

static void mask(struct rec_buf *text, const char *secret)
{
    size_t n = secret ? strlen(secret) : 0;
    struct rec_buf out = {0};
    const char *at = text->data, *hit;

    /* A shorter one stands in ordinary words too: masking it everywhere would tell it. */
    if (n < 4 || !at)
        return;
    while ((hit = strstr(at, secret)) != NULL) {
        rec_buf_add(&out, at, (size_t)(hit - at));
        rec_buf_adds(&out, "***");
        at = hit + n;
    }
    rec_buf_adds(&out, at);
    rec_buf_clear(text);
    *text = out;
}

/* The last line in which libpq tells of a server that it tried, or NULL. */
static const char *told_last(const char *text)
{
    static const char begin[] = "connection to server";
    const char *found = NULL;

    for (const char *at = text; (at = strstr(at, begin)) != NULL; at++)
        if (at == text || at[-1] == '\n')
            found = at;
    return found;
}

int rec_postgres_fault_open(struct rec_sql *db, const PGconn *conn, double seconds, struct rec_err *err)
{
    static const struct kind nobody = {"", REC_SQL_ABSENT, "is the server running, and does it listen there?"};
    static const struct kind nowhere = {"", REC_SQL_ABSENT, "look at the URL, and whether the name of the host is known here"};
    static const struct kind no_password = {"", REC_SQL_DENIED, "give a password by ~/.pgpass or PGPASSWORD"};
    struct rec_buf text = {0};
    const char *state;

    if (seconds >= 0)
        return rec_postgres_fault_set(db, REC_SQL_ABSENT, err, "no answer for %g s; is the server running, and does it listen there?",
                                      floor(seconds * 10) / 10);
    rec_buf_adds(&text, PQerrorMessage(conn));
    mask(&text, PQpass(conn));
    if (text.failed || !text.data) {
        rec_buf_clear(&text);
        return rec_postgres_fault_memory(db, err);
    }
    state = find_state(text.data);
    if (PQconnectionNeedsPassword(conn))
        say(db, &no_password, state ? state + 7 : "the server asks for a password", err);
    else if (state && strncmp(state, "08", 2) != 0)
        say(db, kind_of(state), state + 7, err);
    else if (state || told_last(text.data))
        say(db, &nobody, state ? state + 7 : told_last(text.data), err);
    else
        say(db, &nowhere, text.data, err);
    rec_buf_clear(&text);
    return -1;
}

/* libpq quotes what it did not understand, which may be a piece of the password: what it quotes is left out. */
int rec_postgres_fault_url(struct rec_sql *db, const char *said, struct rec_err *err)
{
    size_t n = said ? strcspn(said, "\"\r\n") : 0;

    while (n > 0 && (isspace((unsigned char)said[n - 1]) || said[n - 1] == ':'))
        n--;
    return rec_postgres_fault_set(db, REC_SQL_OTHER, err, "%.*s; give postgresql://user@host/database, and %%XX for letters that are special",
                                  (int)n, said ? said : "");
}
