/* SPDX-License-Identifier: MIT
 *
 * The driver for SQLite: statements, rows and transactions.
 *
 * Statements are prepared once and found again by the address of their text. SQLite prepares one anew by itself when the schema has
 * changed, so that what is kept never grows old.
 */
#include "sqlite_priv.h"

/* ---- statements that are kept --------------------------------------------------------------------- */

static void free_statement(struct rec_sqlite_statement *st)
{
    if (!st)
        return;
    sqlite3_finalize(st->stmt);
    free(st->number);
    free(st->value);
    free(st);
}

static size_t place(const struct rec_sqlite *s, const char *sql)
{
    size_t i = (size_t)(((uintptr_t)sql * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (s->slots - 1);

    while (s->slot[i] && s->slot[i]->sql != sql)
        i = (i + 1) & (s->slots - 1);
    return i;
}

static int grow(struct rec_sqlite *s, struct rec_err *err)
{
    struct rec_sqlite larger = {.slots = s->slots ? 2 * s->slots : 64};

    if (s->used * 2 < s->slots)
        return 0;
    larger.slot = rec_calloc(larger.slots, sizeof(struct rec_sqlite_statement *), "statements", err);
    if (!larger.slot)
        return -1;
    for (size_t i = 0; i < s->slots; i++)
        if (s->slot[i])
            larger.slot[place(&larger, s->slot[i]->sql)] = s->slot[i];
    free(s->slot);
    s->slot = larger.slot;
    s->slots = larger.slots;
    return 0;
}

/* SQLite numbers $2 ... $1 by their first appearance; what a caller passes is in the order of the numbers. */
static int number_params(struct rec_sql *db, struct rec_sqlite_statement *st, struct rec_err *err)
{
    st->bound = sqlite3_bind_parameter_count(st->stmt);
    st->number = rec_calloc((size_t)st->bound, sizeof *st->number, "statement", err);
    if (!st->number)
        return -1;
    for (int i = 0; i < st->bound; i++) {
        const char *name = sqlite3_bind_parameter_name(st->stmt, i + 1);
        int64_t number = 0;
        if (!name || name[0] != '$' || rec_num_int64(&number, name + 1, strlen(name + 1)) < 0 || number < 1 || number > 32766)
            return rec_err_set(err, "%s: parameter %s of a statement is not $1, $2, ...", db->name, name ? name : "?");
        st->number[i] = (int)number;
        if ((size_t)number > st->params)
            st->params = (size_t)number;
    }
    return 0;
}

static bool blank(const char *text)
{
    return text[strspn(text, " \t\r\n;")] == '\0';
}

static struct rec_sqlite_statement *prepare(struct rec_sql *db, const char *sql, struct rec_err *err)
{
    struct rec_sqlite *s = db->handle;
    struct rec_sqlite_statement *st = rec_calloc(1, sizeof *st, "statement", err);
    const char *rest = "";
    int rc;

    if (!st)
        return NULL;
    st->sql = sql;
    rc = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st->stmt, &rest);
    if (rc != SQLITE_OK) {
        rec_sqlite_fail(db, rc, sql, err);
        goto failed;
    }
    if (!st->stmt || !blank(rest)) {
        rec_err_set(err, "%s: one statement was expected, not %s", db->name, st->stmt ? "several" : "none");
        goto failed;
    }
    if (number_params(db, st, err) < 0)
        goto failed;
    return st;
failed:
    free_statement(st);
    return NULL;
}

static struct rec_sqlite_statement *find_statement(struct rec_sql *db, const char *sql, struct rec_err *err)
{
    struct rec_sqlite *s = db->handle;
    struct rec_sqlite_statement *st;
    size_t i;

    if (grow(s, err) < 0)
        return NULL;
    i = place(s, sql);
    st = s->slot[i];
    /* Another text at the same address: it was no literal. The old one gives way, unless somebody reads from it. */
    if (st && !st->busy && strcmp(sqlite3_sql(st->stmt), sql) != 0) {
        st = prepare(db, sql, err);
        if (st) {
            free_statement(s->slot[i]);
            s->slot[i] = st;
        }
    } else if (!st) {
        st = prepare(db, sql, err);
        s->slot[i] = st;
        s->used += st != NULL;
    }
    return st;
}

int rec_sqlite_bind(sqlite3_stmt *stmt, int i, const struct rec_sql_value *value, sqlite3_destructor_type how)
{
    switch (value->type) {
    case REC_SQL_INT:
        return sqlite3_bind_int64(stmt, i, value->integer);
    case REC_SQL_REAL:
        return sqlite3_bind_double(stmt, i, value->real);
    case REC_SQL_TEXT:
        return sqlite3_bind_text64(stmt, i, value->text ? value->text : "", value->len, how, SQLITE_UTF8);
    case REC_SQL_BLOB: /* a NULL pointer would be NULL */
        return sqlite3_bind_blob64(stmt, i, value->blob ? value->blob : "", value->len, how);
    default:
        return sqlite3_bind_null(stmt, i);
    }
}

static void reset(struct rec_sqlite_statement *st)
{
    sqlite3_reset(st->stmt);
    if (st->bound > 0)
        sqlite3_clear_bindings(st->stmt);
    st->busy = false;
}

/* A statement ready to be stepped through. */
static struct rec_sqlite_statement *start(struct rec_sql *db, const char *sql, const struct rec_sql_value *params, size_t n,
                                          sqlite3_destructor_type how, struct rec_err *err)
{
    struct rec_sqlite_statement *st;
    int rc = SQLITE_OK;

    db->fault = REC_SQL_OTHER;
    st = find_statement(db, sql, err);
    if (!st)
        return NULL;
    if (st->busy) {
        rec_err_set(err, "%s: a statement was run again while its rows are being read", db->name);
        return NULL;
    }
    if (n != st->params) {
        rec_err_set(err, "%s: a statement takes %zu parameters, not %zu", db->name, st->params, n);
        return NULL;
    }
    if (db->in_transaction && db->mode == REC_SQL_READ && !sqlite3_stmt_readonly(st->stmt)) {
        db->fault = REC_SQL_READONLY;
        rec_err_set(err, "%s: a transaction that reads cannot write", db->name);
        return NULL;
    }
    for (int i = 0; rc == SQLITE_OK && i < st->bound; i++)
        rc = rec_sqlite_bind(st->stmt, i + 1, &params[st->number[i] - 1], how);
    if (rc != SQLITE_OK) {
        rec_sqlite_fail(db, rc, sql, err);
        reset(st);
        return NULL;
    }
    db->fault = REC_SQL_FINE;
    return st;
}

/* ---- running -------------------------------------------------------------------------------------- */

static int run(struct rec_sql *db, int64_t *changed, const char *sql, const struct rec_sql_value *params, size_t n, struct rec_err *err)
{
    struct rec_sqlite *s = db->handle;
    struct rec_sqlite_statement *st = start(db, sql, params, n, SQLITE_STATIC, err);
    int64_t before;
    int rc, status = 0;

    if (!st)
        return -1;
    before = sqlite3_total_changes64(s->db);
    do
        rc = sqlite3_step(st->stmt);
    while (rc == SQLITE_ROW);
    if (rc != SQLITE_DONE)
        status = rec_sqlite_fail(db, rc, sql, err);
    else if (changed) /* sqlite3_changes is of the last statement that changed something, which need not be this one */
        *changed = sqlite3_total_changes64(s->db) == before ? 0 : sqlite3_changes64(s->db);
    reset(st);
    return status;
}

static void rollback(struct rec_sql *db)
{
    struct rec_sqlite *s = db->handle;

    /* SQLite has undone it by itself after some errors. It cannot fail otherwise: nothing is left to be written. */
    if (!sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    rec_sqlite_end_bulk(db);
}

static size_t line_at(const char *text, const char *at)
{
    size_t line = 1;

    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

/* A failure is told with its line: where SQLite saw it, or where the statement begins. */
static int script_failed(struct rec_sql *db, int rc, const char *script, const char *statement, struct rec_err *err)
{
    struct rec_sqlite *s = db->handle;
    int offset = sqlite3_error_offset(s->db);
    const char *begin = statement + strspn(statement, " \t\r\n");
    char line[32];

    snprintf(line, sizeof line, "line %zu", line_at(script, offset > 0 ? statement + offset : begin));
    rec_sqlite_fail(db, rc, begin, err);
    return rec_err_prefix(err, line);
}

static int script(struct rec_sql *db, const char *sql, struct rec_err *err)
{
    struct rec_sqlite *s = db->handle;
    const char *at = sql, *rest = NULL;
    int rc = SQLITE_OK, status = 0;

    for (; status == 0 && *at; at = rest) {
        sqlite3_stmt *stmt = NULL;
        rc = sqlite3_prepare_v2(s->db, at, -1, &stmt, &rest);
        while (rc == SQLITE_OK && stmt && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
            rc = SQLITE_OK;
        if (rc != SQLITE_OK && rc != SQLITE_DONE)
            status = script_failed(db, rc, sql, at, err);
        sqlite3_finalize(stmt);
    }
    if (status == 0 && !sqlite3_get_autocommit(s->db) != db->in_transaction) {
        db->fault = REC_SQL_OTHER;
        status = rec_err_set(err, "%s: a script may neither begin nor end a transaction", db->name);
    }
    if (!db->in_transaction && !sqlite3_get_autocommit(s->db))
        rollback(db);
    return status;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static int query(struct rec_sql_rows *rows, struct rec_sql *db, const char *sql, const struct rec_sql_value *params, size_t n,
                 struct rec_err *err)
{
    /* The rows may outlive what the parameters point to. */
    struct rec_sqlite_statement *st = start(db, sql, params, n, SQLITE_TRANSIENT, err);

    if (!st)
        return -1;
    st->busy = true;
    rows->state = st;
    return 0;
}

/* False when out of memory. */
static bool get_value(struct rec_sql_value *out, sqlite3_stmt *stmt, int i)
{
    switch (sqlite3_column_type(stmt, i)) {
    case SQLITE_INTEGER:
        *out = rec_sql_int(sqlite3_column_int64(stmt, i));
        return true;
    case SQLITE_FLOAT:
        *out = rec_sql_real(sqlite3_column_double(stmt, i));
        return true;
    case SQLITE_TEXT:
        *out = rec_sql_bytes((const char *)sqlite3_column_text(stmt, i), 0);
        out->len = (size_t)sqlite3_column_bytes(stmt, i);
        return out->text != NULL;
    case SQLITE_BLOB:
        *out = rec_sql_blob(sqlite3_column_blob(stmt, i), (size_t)sqlite3_column_bytes(stmt, i));
        if (out->len == 0)
            out->blob = "";
        return out->blob != NULL;
    default:
        *out = rec_sql_null();
        return true;
    }
}

/* The columns of "SELECT *" may be more after the schema has changed, which shows with the first row. */
static int get_row(struct rec_sql_rows *rows, struct rec_sqlite_statement *st, struct rec_err *err)
{
    size_t columns = (size_t)sqlite3_data_count(st->stmt);

    if (columns > st->columns) {
        if (rec_realloc(&st->value, columns, sizeof *st->value, rows->db->name, err) < 0)
            return -1;
        st->columns = columns;
    }
    for (size_t i = 0; i < columns; i++)
        if (!get_value(&st->value[i], st->stmt, (int)i))
            return rec_err_memory(err, rows->db->name);
    rows->value = st->value;
    rows->n = columns;
    return 1;
}

static void done(struct rec_sql_rows *rows)
{
    if (rows->state)
        reset(rows->state);
    rows->state = NULL;
    rows->value = NULL;
    rows->n = 0;
}

static int next(struct rec_sql_rows *rows, struct rec_err *err)
{
    struct rec_sqlite_statement *st = rows->state;
    int rc, status = 0;

    if (!st)
        return 0;
    rc = sqlite3_step(st->stmt);
    if (rc == SQLITE_ROW && (status = get_row(rows, st, err)) > 0)
        return status;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        status = rec_sqlite_fail(rows->db, rc, st->sql, err);
    else if (status < 0)
        rows->db->fault = REC_SQL_OTHER;
    done(rows);
    return status;
}

/* ---- transactions --------------------------------------------------------------------------------- */

static int begin(struct rec_sql *db, enum rec_sql_mode mode, struct rec_err *err)
{
    if (mode == REC_SQL_WRITE)
        return run(db, NULL, "BEGIN IMMEDIATE", REC_SQL_NONE, err);
    if (run(db, NULL, "BEGIN", REC_SQL_NONE, err) < 0)
        return -1;
    /* The snapshot is that of the first read. */
    if (run(db, NULL, "SELECT 1 FROM sqlite_schema LIMIT 1", REC_SQL_NONE, err) == 0)
        return 0;
    rollback(db);
    return -1;
}

static int commit(struct rec_sql *db, struct rec_err *err)
{
    int status = run(db, NULL, "COMMIT", REC_SQL_NONE, err);

    if (status == 0)
        rec_sqlite_end_bulk(db);
    return status;
}

static int lock(struct rec_sql *db, const char *word, double wait, struct rec_err *err)
{
    (void)db, (void)word, (void)wait, (void)err;
    return 0;
}

/* ---- opening and closing -------------------------------------------------------------------------- */

static void close_handle(struct rec_sql *db)
{
    struct rec_sqlite *s = db->handle;

    if (!s)
        return;
    for (size_t i = 0; i < s->slots; i++)
        free_statement(s->slot[i]);
    free(s->slot);
    sqlite3_close(s->db);
    if (s->counted)
        rec_sqlite_open_uncount();
    free(s);
    db->handle = NULL;
}

static int open_handle(struct rec_sql *db, const char *url, struct rec_err *err)
{
    if (rec_sqlite_open(db, url, err) == 0) {
        db->fault = REC_SQL_FINE;
        return 0;
    }
    close_handle(db);
    return -1;
}

void rec_sqlite_end_bulk(struct rec_sql *db)
{
    struct rec_sqlite *s = db->handle;

    if (s->bulk)
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    s->bulk = false;
}

static const char *const schemes[] = {"sqlite:", NULL};

const struct rec_sql_driver rec_sqlite_driver = {
    .dialect = "sqlite",
    .schemes = schemes,
    .open = open_handle,
    .close = close_handle,
    .exec = run,
    .script = script,
    .query = query,
    .next = next,
    .done = done,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .lock = lock,
    .copy_in = rec_sqlite_copy_in,
    .copy_out = rec_sqlite_copy_out,
    .bulk_begin = rec_sqlite_copy_bulk_begin,
    .bulk_end = rec_sqlite_copy_bulk_end,
    .schema = rec_sqlite_schema,
    .version = rec_sqlite_version,
    .glance = rec_sqlite_glance,
};
