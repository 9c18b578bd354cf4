/* SPDX-License-Identifier: MIT
 *
 * Numbered SQL files, each applied once, in a transaction.
 *
 * A migration and its row in schema_migrations are one transaction, which begins by taking its turn (rec_sql_lock) and looks again at what
 * was applied: of two programs that migrate at once, the second finds the work done. Statements are run one by one, so that the message of
 * one that fails can name its line.
 */
#include "migrate_priv.h"
#include "sql_priv.h"

#include <rec/crypto.h>

#include <inttypes.h>

enum { WAIT = 60 };               /* seconds for another one that migrates */
enum { CHECKSUM = 2 * REC_HASH_BYTES };

struct row {
    uint32_t version;
    char name[64];
    char checksum[CHECKSUM + 1];
    int64_t applied;
};

static bool is_postgres(const struct rec_sql *db)
{
    return strcmp(rec_sql_dialect(db), "postgresql") == 0;
}

/* ---- schema_migrations --------------------------------------------------------------------------- */

static const char create_table[] =
    "CREATE TABLE schema_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, "
    "applied BIGINT NOT NULL, effects TEXT NOT NULL)";

/* 1, 0: there is none, -1. Of the schema that CREATE TABLE would put it into: others on the search path are somebody else's. */
static int has_table(struct rec_sql *db, struct rec_err *err)
{
    int64_t columns = 0;
    int status = is_postgres(db)
        ? rec_sql_get_int(&columns, db, "SELECT count(*) + count(*) FILTER (WHERE a.attname IN ('checksum', 'effects')) * 1000 "
                          "FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid "
                          "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() "
                          "AND c.relname = 'schema_migrations' AND a.attnum > 0 AND NOT a.attisdropped", REC_SQL_NONE, err)
        : rec_sql_get_int(&columns, db, "SELECT count(*) + coalesce(sum(name IN ('checksum', 'effects')), 0) * 1000 "
                          "FROM pragma_table_info('schema_migrations')", REC_SQL_NONE, err);
    if (status < 0 || columns == 0)
        return status < 0 ? -1 : 0;
    if (columns >= 2000)
        return 1;
    return rec_sql_refuse(db, REC_SQL_OTHER, err, "%s: schema_migrations is another program's; give the store a %s of its own",
                          rec_sql_name(db), is_postgres(db) ? "database, or a schema (postgresql://...?options=-csearch_path%3DNAME)," : "file");
}

static void copy_text(char *out, size_t size, const struct rec_sql_value *value)
{
    size_t len = value->type != REC_SQL_TEXT ? 0 : value->len < size ? value->len : size - 1;
    if (len > 0)
        memcpy(out, value->text, len);
    out[len] = 0;
}

static int read_rows(struct row **out, size_t *n, struct rec_sql *db, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status = has_table(db, err);
    *out = NULL;
    *n = 0;
    if (status <= 0)
        return status;
    if (rec_sql_query(&rows, db, "SELECT version, name, checksum, applied FROM schema_migrations ORDER BY version", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0) {
        if (rec_realloc(out, *n + 1, sizeof **out, "schema_migrations", err) < 0) {
            status = -1;
            break;
        }
        struct row *row = &(*out)[(*n)++];
        *row = (struct row){.version = (uint32_t)rows.value[0].integer, .applied = rows.value[3].integer};
        copy_text(row->name, sizeof row->name, &rows.value[1]);
        copy_text(row->checksum, sizeof row->checksum, &rows.value[2]);
    }
    rec_sql_done(&rows);
    return status;
}

static void checksum_of(char out[CHECKSUM + 1], const struct rec_migrate_file *file)
{
    unsigned char hash[REC_HASH_BYTES];
    rec_hash(hash, file->up, strlen(file->up), NULL);
    rec_secret_hex(out, hash, sizeof hash);
}

/* ---- what was applied ---------------------------------------------------------------------------- */

static struct rec_migrate_status of_row(const struct row *row, const struct rec_migrate_set *set)
{
    struct rec_migrate_status status = {.version = row->version, .state = REC_MIGRATE_UNKNOWN, .applied = row->applied};
    char checksum[CHECKSUM + 1];
    memcpy(status.name, row->name, sizeof status.name);
    if (row->version >= 1 && row->version <= set->n) {
        checksum_of(checksum, &set->file[row->version - 1]);
        status.state = strcmp(checksum, row->checksum) == 0 ? REC_MIGRATE_APPLIED : REC_MIGRATE_CHANGED;
    }
    return status;
}

static struct rec_migrate_status of_file(const struct rec_migrate_file *file)
{
    struct rec_migrate_status status = {.version = file->version, .state = REC_MIGRATE_PENDING};
    memcpy(status.name, file->name, sizeof status.name);
    return status;
}

int rec_migrate_status(struct rec_migrate_status **out, size_t *n, struct rec_sql *db, const struct rec_migrate_set *set,
                       struct rec_err *err)
{
    struct row *row = NULL;
    size_t rows = 0, r = 0, f = 0;
    int status = -1;
    *out = NULL;
    *n = 0;
    if (read_rows(&row, &rows, db, err) < 0)
        goto out;
    *out = rec_calloc(rows + set->n, sizeof **out, "migrations", err);
    if (*out == NULL)
        goto out;
    while (r < rows || f < set->n)
        if (r < rows && (f == set->n || row[r].version <= set->file[f].version)) {
            f += f < set->n && row[r].version == set->file[f].version;
            (*out)[(*n)++] = of_row(&row[r++], set);
        } else {
            (*out)[(*n)++] = of_file(&set->file[f++]);
        }
    status = 0;
out:
    free(row);
    return status;
}

static int trouble(struct rec_sql *db, const struct rec_migrate_set *set, const struct rec_migrate_status *s, struct rec_err *err)
{
    const char *name = rec_sql_name(db);
    if (s->state == REC_MIGRATE_UNKNOWN)
        return rec_sql_refuse(db, REC_SQL_OTHER, err, "%s: schema is version %" PRIu32 " (%s), newer than this program's %zu: use the newer "
                              "program, or go back with its rec-db rollback", name, s->version, s->name, set->n);
    if (s->state == REC_MIGRATE_CHANGED)
        return rec_sql_refuse(db, REC_SQL_OTHER, err, "%s: migration %04" PRIu32 "-%s was changed after it was applied: put back %s as it was, "
                              "and make the change a new migration", name, s->version, s->name, set->file[s->version - 1].up_file);
    return rec_sql_refuse(db, REC_SQL_OTHER, err, "%s: migration %04" PRIu32 "-%s was not applied, but a later one was", name, s->version,
                          s->name);
}

/* How many were applied, of a schema that the set knows, without gaps; or -1. */
static int applied(size_t *out, struct rec_sql *db, const struct rec_migrate_set *set, struct rec_err *err)
{
    struct rec_migrate_status *s = NULL;
    size_t n;
    int status = rec_migrate_status(&s, &n, db, set, err);
    *out = 0;
    for (size_t i = 0; i < n && status == 0; i++)
        if (s[i].state == REC_MIGRATE_UNKNOWN || s[i].state == REC_MIGRATE_CHANGED)
            status = trouble(db, set, &s[i], err);
        else if (s[i].state == REC_MIGRATE_APPLIED && *out != i)
            status = trouble(db, set, &s[*out], err);
        else
            *out += s[i].state == REC_MIGRATE_APPLIED;
    free(s);
    return status;
}

int rec_migrate_check(struct rec_sql *db, const struct rec_migrate_set *set, struct rec_err *err)
{
    size_t version;
    if (applied(&version, db, set, err) < 0)
        return -1;
    if (version == set->n)
        return 0;
    if (version == 0)
        return rec_sql_refuse(db, REC_SQL_ABSENT, err, "%s: no store here yet: run rec-db init", rec_sql_name(db));
    return rec_sql_refuse(db, REC_SQL_OTHER, err, "%s: schema is version %zu, this program needs %zu: run rec-db migrate", rec_sql_name(db),
                          version, set->n);
}

/* ---- running a file ------------------------------------------------------------------------------ */

/* The database's words after where it happened: they begin with its name already. Line 0: as the file's work was to become durable. */
static void place(struct rec_sql *db, const char *file, size_t line, struct rec_err *err)
{
    if (err == NULL)
        return;
    struct rec_err words = *err;
    size_t name = strlen(rec_sql_name(db));
    const char *text = words.text;
    if (strncmp(text, rec_sql_name(db), name) == 0 && text[name] == ':' && text[name + 1] == ' ')
        text += name + 2;
    if (line > 0)
        rec_err_set(err, "%s: %s, line %zu: %s", rec_sql_name(db), file, line, text);
    else
        rec_err_set(err, "%s: %s: %s", rec_sql_name(db), file, text);
}

static int run(struct rec_sql *db, const char *text, const char *file, struct rec_err *err)
{
    struct rec_migrate_text rest = {.at = text, .line = 1, .postgres = is_postgres(db)};
    struct rec_migrate_statement s;
    struct rec_buf one = {0};
    int status = 0;
    while (status == 0 && rec_migrate_text_next(&s, &rest) > 0) {
        rec_buf_reset(&one);
        rec_buf_add(&one, s.text, s.len);
        status = one.failed ? rec_err_memory(err, file) : rec_sql_script(db, one.data, err);
        if (status < 0)
            place(db, file, s.line, err);
    }
    rec_buf_clear(&one);
    return status;
}

/* Migration file->version, and its row, within the transaction. */
static int apply(struct rec_sql *db, const struct rec_migrate_file *file, struct rec_err *err)
{
    struct rec_buf effects = {0};
    char checksum[CHECKSUM + 1];
    int status = -1;
    rec_buf_adds(&effects, "");
    checksum_of(checksum, file);
    if (rec_migrate_text_check(&effects, file->up, file->up_file, is_postgres(db), err) < 0)
        goto out;
    if (file->version == 1 && rec_sql_script(db, create_table, err) < 0)
        goto out;
    if (run(db, file->up, file->up_file, err) < 0)
        goto out;
    status = rec_sql_exec(db, NULL, "INSERT INTO schema_migrations (version, name, checksum, applied, effects) VALUES ($1, $2, $3, $4, $5)",
                          REC_SQL(rec_sql_int(file->version), rec_sql_text(file->name), rec_sql_text(checksum),
                                  rec_sql_int((int64_t)time(NULL)), rec_sql_text(effects.data)), err);
out:
    rec_buf_clear(&effects);
    return status;
}

/* And back. With the first one goes schema_migrations. */
static int take_back(struct rec_sql *db, const struct rec_migrate_file *file, struct rec_err *err)
{
    if (run(db, file->down, file->down_file, err) < 0)
        return -1;
    if (file->version == 1)
        return rec_sql_script(db, "DROP TABLE schema_migrations", err);
    return rec_sql_exec(db, NULL, "DELETE FROM schema_migrations WHERE version = $1", REC_SQL(rec_sql_int(file->version)), err);
}

/* ---- in turns ------------------------------------------------------------------------------------ */

/* A transaction in which nobody else migrates. SQLite waits for the lock as it begins, PostgreSQL as it locks. */
static int begin_turn(struct rec_sql *db, struct rec_err *err)
{
    double patience = rec_sql_patience(db, WAIT);
    int status = rec_sql_begin(db, REC_SQL_WRITE, err);
    rec_sql_patience(db, patience);
    if (status == 0)
        status = rec_sql_lock(db, "migrate", WAIT, err);
    if (status < 0 && rec_sql_fault(db) == REC_SQL_BUSY)
        rec_err_set(err, "%s: another program migrates or writes, since more than %d seconds: try again later", rec_sql_name(db), WAIT);
    return status;
}

struct job {
    const struct rec_migrate_set *set;
    uint32_t to;
    rec_migrate_tell *tell;
    void *context;
};

/* One migration: 1, 0: there was nothing to do, -1. */
static int step(struct rec_sql *db, const struct job *job, bool up, struct rec_err *err)
{
    const struct rec_migrate_file *file = NULL;
    size_t version;
    int status = -1;
    if (begin_turn(db, err) < 0 || applied(&version, db, job->set, err) < 0)
        goto out;
    if (up ? version >= job->to : version <= job->to) {
        status = 0;
        goto out;
    }
    file = &job->set->file[up ? version : version - 1];
    if (job->tell != NULL)
        job->tell(job->context, file, up, false);
    if ((up ? apply(db, file, err) : take_back(db, file, err)) < 0)
        goto out;
    if (rec_sql_commit(db, err) < 0) {
        place(db, up ? file->up_file : file->down_file, 0, err);
        goto out;
    }
    if (job->tell != NULL)
        job->tell(job->context, file, up, true);
    status = 1;
out:
    if (status <= 0)
        rec_sql_rollback(db);
    return status;
}

static int steps(struct rec_sql *db, const struct job *job, bool up, size_t *done, struct rec_err *err)
{
    size_t n = 0;
    int status;
    while ((status = step(db, job, up, err)) > 0)
        n++;
    if (done != NULL)
        *done = n;
    return status;
}

/* What is wrong with a file that will run is said before the first one runs. */
static int check_files(struct rec_sql *db, const struct rec_migrate_set *set, size_t from, size_t to, bool up, struct rec_err *err)
{
    struct rec_buf effects = {0};
    int status = 0;
    for (size_t i = from; i < to && status == 0; i++) {
        const struct rec_migrate_file *file = &set->file[i];
        if (up || file->down != NULL)
            status = rec_migrate_text_check(&effects, up ? file->up : file->down, up ? file->up_file : file->down_file, is_postgres(db), err);
        else
            status = rec_err_set(err, "%s: migration %04" PRIu32 "-%s has no way back (no .down.sql)", rec_sql_name(db), file->version,
                                 file->name);
    }
    rec_buf_clear(&effects);
    if (status < 0)
        db->fault = REC_SQL_OTHER;
    return status;
}

static int no_such(struct rec_sql *db, const struct rec_migrate_set *set, uint32_t to, struct rec_err *err)
{
    return rec_sql_refuse(db, REC_SQL_OTHER, err, "%s: there is no migration %" PRIu32 ", the newest is %zu", rec_sql_name(db), to, set->n);
}

int rec_migrate_up(struct rec_sql *db, const struct rec_migrate_set *set, uint32_t to, size_t *done, rec_migrate_tell *tell,
                   void *context, struct rec_err *err)
{
    const struct job job = {set, to != 0 ? to : (uint32_t)set->n, tell, context};
    size_t version;
    if (done != NULL)
        *done = 0;
    if (job.to > set->n)
        return no_such(db, set, to, err);
    if (applied(&version, db, set, err) < 0 || check_files(db, set, version, job.to, true, err) < 0)
        return -1;
    return version >= job.to ? 0 : steps(db, &job, true, done, err);
}

int rec_migrate_down(struct rec_sql *db, const struct rec_migrate_set *set, uint32_t to, size_t *undone, rec_migrate_tell *tell,
                     void *context, struct rec_err *err)
{
    const struct job job = {set, to, tell, context};
    size_t version;
    if (undone != NULL)
        *undone = 0;
    if (applied(&version, db, set, err) < 0 || check_files(db, set, to, version, false, err) < 0)
        return -1;
    return version <= to ? 0 : steps(db, &job, false, undone, err);
}

int rec_migrate_into(struct rec_sql *db, const struct rec_migrate_set *set, uint32_t to, struct rec_err *err)
{
    size_t n = to != 0 ? to : set->n;
    int status = has_table(db, err);
    if (status < 0)
        return -1;
    if (status > 0)
        return rec_sql_refuse(db, REC_SQL_OTHER, err, "%s: has a schema already", rec_sql_name(db));
    if (n > set->n)
        return no_such(db, set, to, err);
    if (rec_sql_lock(db, "migrate", WAIT, err) < 0 || check_files(db, set, 0, n, true, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (apply(db, &set->file[i], err) < 0)
            return -1;
    return 0;
}

int rec_migrate_drop(struct rec_sql *db, struct rec_err *err)
{
    int status = has_table(db, err);
    if (status <= 0)
        return status;
    return rec_sql_lock(db, "migrate", WAIT, err) < 0 ? -1 : rec_migrate_drop_all(db, err);
}
