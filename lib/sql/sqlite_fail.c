/* SPDX-License-Identifier: MIT
 *
 * What SQLite's result codes mean to a person (https://www.sqlite.org/rescode.html), in one line that says what to do.
 */
#include "sqlite_priv.h"

#include <errno.h>

/* What follows "...failed: " in SQLite's own words: the columns, or the rule. */
static const char *after_failed(const char *message)
{
    const char *found = strstr(message, "failed: ");

    return found ? found + strlen("failed: ") : message;
}

/* The table that a statement changes: the word after INTO, UPDATE or FROM. Our statements do not quote names. */
static void changed_table(char *out, size_t cap, const char *sql)
{
    static const char *const before[] = {"INTO ", "UPDATE ", "FROM "};
    const char *found = NULL;

    for (size_t i = 0; sql && !found && i < REC_LENGTH(before); i++)
        if ((found = strcasestr(sql, before[i])) != NULL)
            found += strlen(before[i]);
    found = found ? found + strspn(found, " \t\n\"") : "";
    snprintf(out, cap, "%.*s", (int)strspn(found, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), found);
}

/* The names that a query gives for a table, with `between` between them. Failures leave the list short: it only adds to a message. */
static void list_names(char *out, size_t cap, sqlite3 *db, const char *query, const char *table)
{
    sqlite3_stmt *stmt = NULL;
    size_t len = 0;

    *out = '\0';
    if (sqlite3_prepare_v2(db, query, -1, &stmt, NULL) == SQLITE_OK && sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC) == SQLITE_OK) {
        while (sqlite3_step(stmt) == SQLITE_ROW && len < cap) {
            const unsigned char *name = sqlite3_column_text(stmt, 0);
            int n = snprintf(out + len, cap - len, "%s%s", len ? " or " : "", name ? (const char *)name : "");
            len += n > 0 ? (size_t)n : 0;
        }
    }
    sqlite3_finalize(stmt);
}

/* SQLite does not name the foreign key that was violated; the tables on its other side can be told. */
static int foreign_key(struct rec_sql *db, const char *sql, struct rec_err *err)
{
    static const char parents[] = "SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1) ORDER BY 1";
    static const char children[] = "SELECT DISTINCT s.name FROM sqlite_schema AS s, pragma_foreign_key_list(s.name) AS f "
                                   "WHERE s.type = 'table' AND f.\"table\" = $1 ORDER BY 1";
    struct rec_sqlite *s = db->handle;
    char table[64], up[160], down[160];

    changed_table(table, sizeof table, sql);
    list_names(up, sizeof up, s->db, parents, table);
    list_names(down, sizeof down, s->db, children, table);
    bool deletes = sql && strcasestr(sql, "DELETE ") != NULL;
    if (!deletes && *up)
        return rec_err_set(err, "%s: %s: foreign key: refers to a row of %s that is not there", db->name, table, up);
    if (*down)
        return rec_err_set(err, "%s: %s: foreign key: a row is still referred to by %s", db->name, table, down);
    return rec_err_set(err, "%s: foreign key: a row refers to one that is not there", db->name);
}

static int constraint(struct rec_sql *db, int rc, const char *message, const char *sql, struct rec_err *err)
{
    db->fault = REC_SQL_CONSTRAINT;
    switch (rc) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
        db->fault = REC_SQL_UNIQUE;
        return rec_err_set(err, "%s: %s: unique: there already", db->name, after_failed(message));
    case SQLITE_CONSTRAINT_NOTNULL:
        return rec_err_set(err, "%s: %s: not null: has no value", db->name, after_failed(message));
    case SQLITE_CONSTRAINT_CHECK:
        return rec_err_set(err, "%s: check: not so: %s", db->name, after_failed(message));
    case SQLITE_CONSTRAINT_FOREIGNKEY:
        return foreign_key(db, sql, err);
    default: /* a trigger's own words, a type that a column does not take */
        return rec_err_set(err, "%s: %s", db->name, message);
    }
}

/* SQLite says "disk I/O error" of all that the system refused. */
static int input_output(struct rec_sql *db, int rc, int number, struct rec_err *err)
{
    bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;

    if (rc == SQLITE_IOERR_SHORT_READ || rc == SQLITE_IOERR_DATA || rc == SQLITE_IOERR_CORRUPTFS) {
        db->fault = REC_SQL_CORRUPT;
        return rec_err_set(err, "%s: is damaged; look at it with rec-db verify, and restore a backup", db->name);
    }
    db->fault = full ? REC_SQL_FULL : number == EROFS ? REC_SQL_READONLY : REC_SQL_OTHER;
    if (full)
        return rec_err_set(err, "%s: no space left on the disk; make room and run it again, nothing was changed", db->name);
    errno = number ? number : EIO;
    return rec_err_errno(err, "%s: cannot be read or written", db->name);
}

static int cannot_open(struct rec_sql *db, int number, struct rec_err *err)
{
    db->fault = number == EACCES || number == EPERM ? REC_SQL_DENIED : number == EROFS ? REC_SQL_READONLY :
                number == ENOENT ? REC_SQL_ABSENT : REC_SQL_OTHER;
    if (number == 0)
        return rec_err_set(err, "%s: cannot be opened, or its log beside it cannot", db->name);
    errno = number;
    return rec_err_errno(err, "%s: it, or its log beside it, cannot be opened", db->name);
}

static int read_only(struct rec_sql *db, int rc, struct rec_err *err)
{
    db->fault = REC_SQL_READONLY;
    if (db->read_only)
        return rec_err_set(err, "%s: %s", db->name, rc == SQLITE_READONLY ? "was opened for reading only" :
                           "cannot be read without making its log beside it, which this user may not; read it as its owner");
    if (rc == SQLITE_READONLY_DBMOVED)
        return rec_err_set(err, "%s: the file was moved or replaced while it was open; run it again", db->name);
    return rec_err_set(err, "%s: may not be written; check the modes of the file and its directory, and whose they are", db->name);
}

int rec_sqlite_fail(struct rec_sql *db, int rc, const char *sql, struct rec_err *err)
{
    struct rec_sqlite *s = db->handle;
    int last = errno, number = s->db ? sqlite3_system_errno(s->db) : 0;
    char message[256];

    /* SQLite does not keep it when it was COMMIT that could not write. */
    if (number == 0 && (last == EDQUOT || last == EFBIG || last == EROFS))
        number = last;
    /* Other calls to SQLite, below, would change it. */
    snprintf(message, sizeof message, "%s", s->db && sqlite3_extended_errcode(s->db) == rc ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc));
    db->fault = REC_SQL_OTHER;
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        db->fault = REC_SQL_BUSY;
        return rec_err_set(err, "%s: is locked by another process; try again when it is done", db->name);
    case SQLITE_CONSTRAINT:
        return constraint(db, rc, message, sql, err);
    case SQLITE_FULL:
        return input_output(db, rc, ENOSPC, err);
    case SQLITE_IOERR:
        return rc == SQLITE_IOERR_NOMEM ? rec_err_memory(err, db->name) : input_output(db, rc, number, err);
    case SQLITE_CANTOPEN:
        return cannot_open(db, number, err);
    case SQLITE_READONLY:
        return read_only(db, rc, err);
    case SQLITE_AUTH:
    case SQLITE_PERM:
        db->fault = REC_SQL_DENIED;
        return rec_err_set(err, "%s: permission denied: %s", db->name, message);
    case SQLITE_NOTADB:
        db->fault = REC_SQL_CORRUPT;
        return rec_err_set(err, "%s: is no SQLite database", db->name);
    case SQLITE_CORRUPT:
        db->fault = REC_SQL_CORRUPT;
        return rec_err_set(err, "%s: is damaged; look at it with rec-db verify, and restore a backup", db->name);
    case SQLITE_NOMEM:
        return rec_err_memory(err, db->name);
    default:
        return rec_err_set(err, "%s: %s", db->name, message);
    }
}
