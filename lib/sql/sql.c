/* SPDX-License-Identifier: MIT
 *
 * One connection, whatever the database: which driver a URL means, what may be asked when, and what went wrong last.
 *
 * The two databases differ in what an error does to a transaction: PostgreSQL refuses all that follows, SQLite goes on. Here both
 * refuse, so that what was only tried on SQLite does not fail on PostgreSQL, and half a transaction is never committed.
 */
#include "sql_priv.h"

#include <ctype.h>

static _Thread_local enum rec_sql_fault open_fault;

/* ---- URLs ---------------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

/* The length of "scheme://", or 0. */
static size_t scheme_length(const char *url)
{
    size_t n = 0;

    if (!isalpha((unsigned char)url[0]))
        return 0;
    while (isalnum((unsigned char)url[n]) || (url[n] && strchr("+.-", url[n])))
        n++;
    return begins(url + n, "://") ? n + 3 : 0;
}

/* Two places of a URL hold a password: user:HERE@host, and ?password=HERE or &sslpassword=HERE. */
static void add_masked(struct rec_buf *out, const char *url)
{
    const char *at = url + scheme_length(url), *end = at + strcspn(at, "/?#"), *host = memrchr(at, '@', (size_t)(end - at));

    /* A password with an unescaped '/' or '?' in it is no valid URL, but must not be shown either. */
    if (!host && strchr(at, '@'))
        host = strrchr(at, '@');
    const char *colon = host ? memchr(at, ':', (size_t)(host - at)) : NULL;
    if (colon) {
        rec_buf_add(out, url, (size_t)(colon - url) + 1);
        rec_buf_adds(out, "***");
        url = host;
    }
    while (*url) {
        const char *key = strstr(url, "password=");
        if (!key) {
            rec_buf_adds(out, url);
            break;
        }
        key += strlen("password=");
        rec_buf_add(out, url, (size_t)(key - url));
        rec_buf_adds(out, "***");
        url = key + strcspn(key, "&#");
    }
}

static char *masked(const char *url, const struct rec_sql_driver *driver, struct rec_err *err)
{
    struct rec_buf out = {0};

    if (driver && !strcmp(driver->dialect, "sqlite"))
        rec_buf_adds(&out, url);
    else
        add_masked(&out, url);
    if (!out.data || out.failed) {
        rec_buf_clear(&out);
        rec_err_memory(err, "database");
        return NULL;
    }
    return out.data;
}

/* A text without a scheme is the path of a file, which is SQLite's. */
static const struct rec_sql_driver *find_driver(const char *url, const struct rec_sql_driver *const *drivers)
{
    const struct rec_sql_driver *files = NULL;

    for (; drivers && *drivers; drivers++) {
        for (const char *const *s = (*drivers)->schemes; *s; s++)
            if (begins(url, *s))
                return *drivers;
        if (!strcmp((*drivers)->dialect, "sqlite"))
            files = *drivers;
    }
    return scheme_length(url) || begins(url, "postgres") ? NULL : files;
}

static int refuse_url(const char *url, struct rec_err *err)
{
    char *name = *url ? masked(url, NULL, err) : NULL;

    if (!*url)
        return rec_err_set(err, "database: has no name; give sqlite:///path or postgresql://host/name");
    if (!name)
        return -1;
    if (begins(url, "postgresql://") || begins(url, "postgres://") || begins(url, "sqlite:"))
        rec_err_set(err, "%s: this program was built without that kind of database", name);
    else
        rec_err_set(err, "%s: is no database; give sqlite:///path or postgresql://host/name", name);
    free(name);
    return -1;
}

/* ---- opening and closing ------------------------------------------------------------------------- */

static void release(struct rec_sql *db)
{
    free(db->name);
    free(db->path);
    free(db);
}

int rec_sql_open(struct rec_sql **out, const char *url, const struct rec_sql_options *options, struct rec_err *err)
{
    const struct rec_sql_driver *driver = *url ? find_driver(url, options->drivers) : NULL;
    struct rec_sql *db;

    *out = NULL;
    open_fault = REC_SQL_OTHER;
    if (!driver)
        return refuse_url(url, err);
    db = rec_calloc(1, sizeof *db, "database", err);
    if (!db)
        return -1;
    db->driver = driver;
    db->busy_timeout = options->busy_timeout > 0 ? options->busy_timeout : 5;
    db->longest_wait = options->longest_wait;
    db->connect_timeout = options->connect_timeout > 0 ? options->connect_timeout : 5;
    db->create = options->create;
    db->read_only = options->read_only;
    db->one_shot = options->one_shot;
    db->name = masked(url, driver, err);
    if (!db->name || driver->open(db, url, err) < 0) {
        if (db->fault != REC_SQL_FINE)
            open_fault = db->fault;
        release(db);
        return -1;
    }
    open_fault = REC_SQL_FINE;
    *out = db;
    return 0;
}

void rec_sql_close(struct rec_sql *db)
{
    if (!db)
        return;
    rec_sql_rollback(db);
    db->driver->close(db);
    release(db);
}

const char *rec_sql_name(const struct rec_sql *db)
{
    return db->name;
}

const char *rec_sql_path(const struct rec_sql *db)
{
    return db->path;
}

const char *rec_sql_dialect(const struct rec_sql *db)
{
    return db->driver->dialect;
}

enum rec_sql_fault rec_sql_fault(const struct rec_sql *db)
{
    return db->fault;
}

enum rec_sql_fault rec_sql_open_fault(void)
{
    return open_fault;
}

bool rec_sql_version(struct rec_sql_version *out, struct rec_sql *db)
{
    return db->driver->version && db->driver->version(out, db);
}

bool rec_sql_glance(struct rec_sql_glance *out, const char *url, const struct rec_sql_driver *const *drivers, struct rec_sql *db)
{
    const struct rec_sql_driver *driver = *url ? find_driver(url, drivers) : NULL;

    return driver && driver->glance && driver->glance(out, url, db);
}

static double bounded(const struct rec_sql *db, double seconds)
{
    return db->longest_wait > 0 && seconds > db->longest_wait ? db->longest_wait : seconds;
}

double rec_sql_patience(struct rec_sql *db, double seconds)
{
    double before = db->busy_timeout;

    db->busy_timeout = seconds > 0 ? bounded(db, seconds) : 0;
    if (db->driver->patience)
        db->driver->patience(db);
    return before;
}

/* ---- statements ---------------------------------------------------------------------------------- */

int rec_sql_refuse(struct rec_sql *db, enum rec_sql_fault fault, struct rec_err *err, const char *fmt, ...)
{
    char text[sizeof err->text];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (db)
        db->fault = fault;
    else
        open_fault = fault;
    return rec_err_set(err, "%s", text);
}

/* A call that makes no sense at this moment: nothing was run, and a transaction may go on. */
static int refuse(struct rec_sql *db, struct rec_err *err, const char *why)
{
    db->fault = REC_SQL_OTHER;
    return rec_err_set(err, "%s: %s", db->name, why);
}

int rec_sql_ready(struct rec_sql *db, struct rec_err *err)
{
    if (db->in_transaction && db->failed) /* the fault stays that of the statement that failed */
        return rec_err_set(err, "%s: an earlier statement of the transaction failed; it can only be rolled back", db->name);
    return 0;
}

int rec_sql_ended(struct rec_sql *db, int status)
{
    if (status < 0) {
        db->failed = true;
        if (db->fault == REC_SQL_FINE)
            db->fault = REC_SQL_OTHER;
    }
    return status;
}

int rec_sql_exec(struct rec_sql *db, int64_t *changed, const char *sql, const struct rec_sql_value *params, size_t n, struct rec_err *err)
{
    if (rec_sql_ready(db, err) < 0)
        return -1;
    return rec_sql_ended(db, db->driver->exec(db, changed, sql, params, n, err));
}

int rec_sql_script(struct rec_sql *db, const char *sql, struct rec_err *err)
{
    if (rec_sql_ready(db, err) < 0)
        return -1;
    return rec_sql_ended(db, db->driver->script(db, sql, err));
}

int rec_sql_query(struct rec_sql_rows *rows, struct rec_sql *db, const char *sql, const struct rec_sql_value *params, size_t n,
                  struct rec_err *err)
{
    *rows = (struct rec_sql_rows){0};
    if (rec_sql_ready(db, err) < 0)
        return -1;
    if (rec_sql_ended(db, db->driver->query(rows, db, sql, params, n, err)) < 0) {
        *rows = (struct rec_sql_rows){0};
        return -1;
    }
    rows->db = db;
    return 0;
}

int rec_sql_next(struct rec_sql_rows *rows, struct rec_err *err)
{
    int status = rows->db ? rows->db->driver->next(rows, err) : 0;

    return status >= 0 ? status : rec_sql_ended(rows->db, status);
}

void rec_sql_done(struct rec_sql_rows *rows)
{
    if (rows->db)
        rows->db->driver->done(rows);
    *rows = (struct rec_sql_rows){0};
}

/* 1, 0, -1: what the first column of a row says. */
static int whole_number(int64_t *out, const struct rec_sql_rows *rows, struct rec_err *err)
{
    const struct rec_sql_value *value = rows->value;

    if (rows->n == 0 || (value->type != REC_SQL_INT && value->type != REC_SQL_NULL))
        return rec_sql_ended(rows->db, refuse(rows->db, err, "a whole number was expected of a query"));
    *out = value->type == REC_SQL_INT ? value->integer : 0;
    return value->type == REC_SQL_INT;
}

int rec_sql_get_int(int64_t *out, struct rec_sql *db, const char *sql, const struct rec_sql_value *params, size_t n, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status, found = 0;

    *out = 0;
    if (rec_sql_query(&rows, db, sql, params, n, err) < 0)
        return -1;
    status = rec_sql_next(&rows, err);
    if (status > 0)
        found = whole_number(out, &rows, err);
    /* To the end: outside a transaction, SQLite commits there what a statement with RETURNING wrote, and says whether it could. */
    while (status > 0 && found >= 0)
        status = rec_sql_next(&rows, err);
    rec_sql_done(&rows);
    return status < 0 ? -1 : found;
}

/* ---- transactions -------------------------------------------------------------------------------- */

int rec_sql_begin(struct rec_sql *db, enum rec_sql_mode mode, struct rec_err *err)
{
    if (db->in_transaction)
        return refuse(db, err, "a transaction is open already");
    if (mode == REC_SQL_WRITE && db->read_only) {
        db->fault = REC_SQL_READONLY;
        return rec_err_set(err, "%s: was opened for reading only", db->name);
    }
    if (rec_sql_ended(db, db->driver->begin(db, mode, err)) < 0)
        return -1;
    db->in_transaction = true;
    db->failed = false;
    db->mode = mode;
    return 0;
}

int rec_sql_commit(struct rec_sql *db, struct rec_err *err)
{
    if (!db->in_transaction)
        return refuse(db, err, "no transaction is open");
    if (rec_sql_ready(db, err) < 0 || rec_sql_ended(db, db->driver->commit(db, err)) < 0) {
        rec_sql_rollback(db);
        return -1;
    }
    db->in_transaction = false;
    return 0;
}

void rec_sql_rollback(struct rec_sql *db)
{
    enum rec_sql_fault fault = db->fault;

    if (!db->in_transaction)
        return;
    db->driver->rollback(db);
    db->in_transaction = false;
    db->fault = fault;
}

bool rec_sql_in_transaction(const struct rec_sql *db)
{
    return db->in_transaction;
}

int rec_sql_lock(struct rec_sql *db, const char *word, double wait, struct rec_err *err)
{
    if (!db->in_transaction || db->mode != REC_SQL_WRITE)
        return refuse(db, err, "a lock needs a transaction that writes");
    if (rec_sql_ready(db, err) < 0)
        return -1;
    return rec_sql_ended(db, db->driver->lock(db, word, bounded(db, wait), err));
}
