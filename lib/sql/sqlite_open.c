/* SPDX-License-Identifier: MIT
 *
 * Opening an SQLite file: where it is, whether it may be made, and how it is to behave.
 *
 * The settings: a write-ahead log, so that readers go on while one writes; synchronous FULL, so that a commit that came back survives a
 * loss of power; foreign keys; what is deleted is overwritten; and what SQLite advises for files that others may have written
 * (https://www.sqlite.org/security.html): defensive, no trust in the schema, sizes of cells checked.
 */
#include "sqlite_priv.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the path ------------------------------------------------------------------------------------ */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The path of a URL, %XX being a byte. */
static int decode(struct rec_buf *out, const char *text, const char *name, struct rec_err *err)
{
    for (; *text; text++) {
        int high = -1, low = -1;
        if (*text == '?' || *text == '#')
            return rec_err_set(err, "%s: takes no options; write %%3F and %%23 for '?' and '#' in a file name", name);
        if (*text != '%') {
            rec_buf_addc(out, *text);
            continue;
        }
        if ((high = hex_digit(text[1])) < 0 || (low = hex_digit(text[2])) < 0 || high + low == 0)
            return rec_err_set(err, "%s: has a '%%' that is not followed by two hexadecimal digits; write %%25 for '%%'", name);
        rec_buf_addc(out, (char)(high << 4 | low));
        text += 2;
    }
    return 0;
}

int rec_sqlite_open_path(struct rec_buf *path, const char *url, const char *name, struct rec_err *err)
{
    if (strncmp(url, "sqlite:", 7) != 0)
        rec_buf_adds(path, url);
    else if (!strncmp(url + 7, "//", 2) && url[9] != '/')
        return rec_err_set(err, "%s: an absolute path takes three slashes, sqlite:///path; a relative one none, sqlite:path", name);
    else if (decode(path, url + (strncmp(url + 7, "//", 2) ? 7 : 9), name, err) < 0)
        return -1;
    if (path->failed)
        return rec_err_memory(err, name);
    return path->len == 0 ? rec_err_set(err, "%s: names no file", name) : 0;
}

static int find_path(struct rec_sql *db, const char *url, struct rec_err *err)
{
    struct rec_buf path = {0};

    if (rec_sqlite_open_path(&path, url, db->name, err) < 0) {
        rec_buf_clear(&path);
        return -1;
    }
    db->path = path.data;
    return 0;
}

/* ---- the file ------------------------------------------------------------------------------------ */

/* The name of a new file is made durable with its directory, or the commits in it could be lost with it. */
static void sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(dir);
}

/* SQLite would make it readable to all; the log and its index take the mode of the file. */
static int create_file(struct rec_sql *db, struct rec_err *err)
{
    int fd = open(db->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0) {
        db->fault = errno == EACCES || errno == EPERM ? REC_SQL_DENIED : errno == EROFS ? REC_SQL_READONLY : errno == ENOSPC ? REC_SQL_FULL :
                    errno == ENOENT || errno == ENOTDIR ? REC_SQL_ABSENT : REC_SQL_OTHER;
        return rec_err_errno(err, "%s: cannot be made", db->name);
    }
    close(fd);
    sync_directory(db->path);
    return 0;
}

/* SQLite would open it for reading, and leave a log beside it that nobody may write. */
static int not_writable(struct rec_sql *db, struct rec_err *err)
{
    db->fault = REC_SQL_READONLY;
    return rec_err_set(err, "%s: may not be written; check the mode of the file and whose it is", db->name);
}

static int check_file(struct rec_sql *db, struct rec_err *err)
{
    struct stat st;

    if (stat(db->path, &st) < 0) {
        if (errno == ENOENT && db->create && !db->read_only)
            return create_file(db, err);
        db->fault = errno == EACCES ? REC_SQL_DENIED : errno == ENOENT || errno == ENOTDIR ? REC_SQL_ABSENT : REC_SQL_OTHER;
        if (db->fault == REC_SQL_ABSENT)
            return rec_err_set(err, "%s: there is no such file; make the store with rec-db init", db->name);
        return rec_err_errno(err, "%s", db->name);
    }
    if (S_ISREG(st.st_mode) && !db->read_only && access(db->path, R_OK) == 0 && access(db->path, W_OK) < 0)
        return not_writable(db, err);
    if (S_ISREG(st.st_mode))
        return 0;
    db->fault = REC_SQL_OTHER;
    return rec_err_set(err, "%s: is %s", db->name, S_ISDIR(st.st_mode) ? "a directory; name the file in it" : "no regular file");
}

/* ---- waiting for others -------------------------------------------------------------------------- */

double rec_sqlite_open_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void sleep_micros(long micros)
{
    struct timespec pause = {.tv_nsec = micros * 1000};

    nanosleep(&pause, NULL);
}

/* Called while another holds a lock. A commit takes about as long as the disk needs to sync, so the first sleeps are shorter than that. */
static int wait_for_lock(void *context, int count)
{
    static const int micros[] = {50, 100, 200, 400, 800, 1500, 3000, 5000};
    struct rec_sql *db = context;
    struct rec_sqlite *s = db->handle;
    double now = rec_sqlite_open_now();

    if (count == 0)
        s->waiting_since = now;
    if (now - s->waiting_since >= db->busy_timeout)
        return 0;
    sleep_micros(micros[(size_t)count < REC_LENGTH(micros) ? (size_t)count : REC_LENGTH(micros) - 1]);
    return 1;
}

/* ---- settings ------------------------------------------------------------------------------------ */

static int configure(struct rec_sqlite *s, bool one_shot)
{
    const struct {
        int option, on;
    } switches[] = {
        {SQLITE_DBCONFIG_ENABLE_FKEY, 1}, {SQLITE_DBCONFIG_DEFENSIVE, 1}, {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0}, {SQLITE_DBCONFIG_DQS_DDL, 0}, {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
        {SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, one_shot},
    };
    int rc = SQLITE_OK;

    for (size_t i = 0; rc == SQLITE_OK && i < REC_LENGTH(switches); i++)
        rc = sqlite3_db_config(s->db, switches[i].option, switches[i].on, NULL);
    return rc;
}

/* One row of one text. */
static int get_text(struct rec_sqlite *s, const char *sql, char *out, size_t cap)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);

    *out = '\0';
    if (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const unsigned char *text = sqlite3_column_text(stmt, 0);
        snprintf(out, cap, "%s", text ? (const char *)text : "");
    }
    int end = sqlite3_finalize(stmt);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc != SQLITE_OK ? rc : end;
}

/* The change to a log needs the file for itself for a moment, and does not always ask the busy handler. */
static int use_log(struct rec_sql *db, struct rec_err *err)
{
    struct rec_sqlite *s = db->handle;
    double begun = rec_sqlite_open_now();
    char mode[16];
    int rc;

    while ((rc = get_text(s, "PRAGMA journal_mode = WAL", mode, sizeof mode)) != SQLITE_OK && (rc & 0xff) == SQLITE_BUSY &&
           rec_sqlite_open_now() - begun < db->busy_timeout)
        sleep_micros(2000);
    if (rc != SQLITE_OK)
        return rec_sqlite_fail(db, rc, NULL, err);
    if (!strcmp(mode, "wal"))
        return 0;
    db->fault = REC_SQL_OTHER;
    return rec_err_set(err, "%s: the file system has no shared memory for a write-ahead log; keep the file on a local disk", db->name);
}

static int settle(struct rec_sql *db, struct rec_err *err)
{
    static const char settings[] = "PRAGMA cell_size_check = ON; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
                                   "PRAGMA journal_size_limit = 67108864;";
    struct rec_sqlite *s = db->handle;
    char ignored[8];
    int rc = configure(s, db->one_shot);

    if (rc == SQLITE_OK)
        rc = sqlite3_busy_handler(s->db, wait_for_lock, db);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(s->db, settings, NULL, NULL, NULL);
    /* A log that no process has open is read through by the next one: 1.2 ms for a thousand pages, 0.15 ms for a hundred. */
    if (rc == SQLITE_OK && db->one_shot)
        rc = sqlite3_wal_autocheckpoint(s->db, 100);
    /* The first read says whether it is a database at all. */
    if (rc == SQLITE_OK)
        rc = get_text(s, "SELECT 1 FROM sqlite_schema LIMIT 1", ignored, sizeof ignored);
    if (rc != SQLITE_OK)
        return rec_sqlite_fail(db, rc, NULL, err);
    if (db->read_only)
        return 0;
    if (sqlite3_db_readonly(s->db, "main") == 1)
        return not_writable(db, err);
    return use_log(db, err);
}

/* SQLite counts all memory it is given, under a lock, for figures that nobody here asks for. Where another part of the program was first to use it, it
 * goes on counting. */
static void count_no_memory(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static _Atomic size_t count;

size_t rec_sqlite_open_count(void)
{
    return atomic_load(&count);
}

void rec_sqlite_open_uncount(void)
{
    atomic_fetch_sub(&count, 1);
}

int rec_sqlite_open(struct rec_sql *db, const char *url, struct rec_err *err)
{
    struct rec_sqlite *s = rec_calloc(1, sizeof *s, "database", err);
    struct rec_buf path = {0};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int rc, status = -1;

    pthread_once(&once, count_no_memory);
    db->handle = s;
    db->fault = REC_SQL_OTHER;
    if (!s || find_path(db, url, err) < 0 || check_file(db, err) < 0)
        return -1;
    /* No path is taken for one of SQLite's own names, ":memory:" or "file:...". */
    rec_buf_adds(&path, db->path[0] == '/' ? "" : "./");
    rec_buf_adds(&path, db->path);
    if (path.failed) {
        rec_err_memory(err, db->name);
        goto out;
    }
    atomic_fetch_add(&count, 1);
    s->counted = true;
    rc = sqlite3_open_v2(path.data, &s->db, (db->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOMUTEX |
                         SQLITE_OPEN_EXRESCODE, NULL);
    status = rc == SQLITE_OK ? settle(db, err) : rec_sqlite_fail(db, rc, NULL, err);
out:
    rec_buf_clear(&path);
    return status;
}
