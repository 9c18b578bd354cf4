/* SPDX-License-Identifier: MIT
 *
 * A backup back into a database and a directory. The order is what makes it safe to interrupt: read all of it and believe it; one transaction
 * for all of the database, during which files are written beside their places; commit; rename. What comes after the commit is remembered in the
 * database until it is done.
 */
#include "backup_priv.h"

struct restore {
    struct rec_sql *db;
    const char *path;
    const struct rec_keyring *keys;
    const struct rec_restore_options *options;
    struct rec_backup_report *report;
    struct rec_migrate_set set;
    struct rec_archive_head head;
    struct rec_manifest manifest;   /* of the first reading */
    struct rec_restore_keep keep;
    bool same;                      /* the store that was there is the archive's */
    struct rec_restore_files files;
};

static void tell(const struct restore *r, const char *what)
{
    if (r->options->progress)
        r->options->progress(r->options->context, what, 0, 0);
}

/* ---- the first reading ---- */

static int verify(struct restore *r, struct rec_err *err)
{
    struct rec_archive_reader archive;
    struct rec_tar_member member;
    int status;

    if (!strcmp(r->path, "-"))
        return rec_err_set(err, "standard input: a backup is read twice to be restored; name a file");
    if (rec_archive_open(&archive, r->path, r->keys, err) < 0)
        return -1;
    tell(r, "verify");
    while ((status = rec_archive_next(&archive, &member, err)) > 0)
        ;
    if (status == 0) {
        rec_backup_report(r->report, &archive);
        r->head = archive.head;
        r->manifest = archive.manifest;
        archive.manifest = (struct rec_manifest){0};
    }
    rec_archive_close(&archive);
    return status;
}

static int check_version(const struct restore *r, struct rec_err *err)
{
    if (r->manifest.schema <= r->set.n)
        return 0;
    return rec_err_set(err, "%s: made by a newer rec (its schema is version %lu, this program knows %zu); restore it with that one", r->path,
                       (unsigned long)r->manifest.schema, r->set.n);
}

/* ---- what is there ---- */

static int has_schema(bool *out, struct restore *r, struct rec_err *err)
{
    struct rec_migrate_status *status;
    size_t n;

    if (rec_migrate_status(&status, &n, r->db, &r->set, err) < 0)
        return -1;
    *out = false;
    for (size_t i = 0; i < n; i++)
        *out |= status[i].state != REC_MIGRATE_PENDING;
    free(status);
    return 0;
}

/* The first line of the archive whose restoring was not finished. */
static int is_unfinished(bool *out, struct restore *r, struct rec_err *err)
{
    int64_t n;
    int status = rec_sql_get_int(&n, r->db, "SELECT count(*) FROM meta WHERE name = 'restore' AND value = $1",
                                 REC_SQL(rec_sql_text(r->head.line)), err);
    *out = status > 0 && n > 0;
    return status < 0 ? -1 : 0;
}

static int refuse_or_drop(struct restore *r, struct rec_err *err)
{
    struct rec_store store;
    char id[REC_STORE_ID + 1];
    bool unfinished;

    rec_store_wrap(&store, r->db, r->keys);
    if (is_unfinished(&unfinished, r, err) < 0 || rec_store_id(id, &store, err) < 0)
        return -1;
    if (!unfinished && !r->options->foreign && strcmp(id, r->head.store) != 0)
        return rec_err_set(err, "%s: is of another store (%.8s..., here is %.8s...); restore it only if that is meant (--foreign)", r->path,
                           r->head.store, id);
    if (!unfinished && !r->options->overwrite)
        return rec_err_set(err, "%s: holds a store, which a restore replaces; say so (--overwrite)", rec_sql_name(r->db));
    r->same = !strcmp(id, r->head.store);
    if (rec_restore_keep_read(&r->keep, r->db, err) < 0)
        return -1;
    return rec_migrate_drop(r->db, err);
}

/* ---- the second reading ---- */

/* Files after the tables, to the end of the archive. */
static int stage_files(struct restore *r, struct rec_restore_rows *rows, struct rec_err *err)
{
    struct rec_archive_reader *archive = rows->archive;

    while (rows->more == 1) {
        if (strncmp(rows->member.name, BACKUP_FILES, strlen(BACKUP_FILES)) != 0)
            return rec_err_set(err, "%s: %s has no place in a backup", r->path, rows->member.name);
        if (r->options->files) {
            tell(r, rows->member.name);
            r->report->files += rows->member.type != REC_TAR_DIRECTORY;
            if (rec_restore_files_add(&r->files, archive, &rows->member, err) < 0)
                return -1;
        }
        rows->more = rec_archive_next(archive, &rows->member, err);
    }
    if (rows->more < 0)
        return -1;
    if (strcmp(archive->head.line, r->head.line) != 0 || archive->manifest.schema != r->manifest.schema)
        return rec_err_set(err, "%s: changed while it was read", r->path);
    return rec_manifest_compare(&r->manifest, &archive->manifest, r->path, err);
}

static int load(struct restore *r, const struct rec_copy_schema *others, struct rec_err *err)
{
    struct rec_archive_reader archive;
    struct rec_restore_rows rows = {.db = r->db, .keys = r->keys, .archive = &archive, .manifest = &r->manifest, .keep = &r->keep,
                                    .options = r->options};
    int status = -1;

    if (rec_archive_open(&archive, r->path, r->keys, err) < 0)
        return -1;
    if (rec_restore_rows(&rows, others, err) < 0 || stage_files(r, &rows, err) < 0)
        goto out;
    r->report->forgotten = rows.left_out;
    status = 0;
out:
    rec_restore_rows_clear(&rows);
    rec_archive_close(&archive);
    return status;
}

static int remember(struct restore *r, struct rec_err *err)
{
    if (rec_sql_exec(r->db, NULL, "DELETE FROM meta WHERE name = 'restore'", REC_SQL_NONE, err) < 0)
        return -1;
    return rec_sql_exec(r->db, NULL, "INSERT INTO meta (name, value) VALUES ('restore', $1)", REC_SQL(rec_sql_text(r->head.line)), err);
}

/* Within the transaction. */
static int replace(struct restore *r, struct rec_err *err)
{
    struct rec_copy_schema others = {0};
    bool there;
    int status = -1;

    /* The word that migrations lock: nobody changes the schema meanwhile. */
    if (rec_sql_lock(r->db, "migrate", 60, err) < 0 || has_schema(&there, r, err) < 0 || (there && refuse_or_drop(r, err) < 0))
        return -1;
    if (rec_copy_schema(&others, r->db, err) < 0)
        return -1;
    if (rec_migrate_into(r->db, &r->set, r->manifest.schema, err) == 0 && load(r, &others, err) == 0 &&
        (!there || rec_restore_keep_write(&r->keep, r->db, r->same, err) == 0) &&
        rec_restore_keep_archive(r->db, r->path, r->head.created, err) == 0 && remember(r, err) == 0)
        status = 0;
    rec_copy_schema_clear(&others);
    return status;
}

/* After the commit. */
static int finish(struct restore *r, struct rec_err *err)
{
    if ((r->options->files && rec_restore_files_place(&r->files, err) < 0) ||
        rec_migrate_up(r->db, &r->set, 0, NULL, NULL, NULL, err) < 0 ||
        rec_sql_exec(r->db, NULL, "DELETE FROM meta WHERE name = 'restore'", REC_SQL_NONE, err) < 0) {
        struct rec_err why = err ? *err : (struct rec_err){0};
        return rec_err_set(err, "%s: the database is restored, but not all else; run the same command again (%s)", r->path, why.text);
    }
    return 0;
}

int rec_restore(struct rec_sql *db, const char *path, const struct rec_keyring *keys, const struct rec_restore_options *options,
                struct rec_backup_report *report, struct rec_err *err)
{
    struct rec_backup_report ignored;
    struct restore r = {.db = db, .path = path, .keys = keys, .options = options, .report = report ? report : &ignored, .files.root = -1};
    int status = -1;

    *r.report = (struct rec_backup_report){0};
    if (rec_migrate_builtin(&r.set, rec_sql_dialect(db), err) < 0)
        return -1;
    if (verify(&r, err) < 0 || check_version(&r, err) < 0)
        goto out;
    if (options->files && rec_restore_files_open(&r.files, options->files, err) < 0)
        goto out;
    if (rec_sql_begin(db, REC_SQL_WRITE, err) < 0)
        goto out;
    if (replace(&r, err) < 0 || rec_sql_commit(db, err) < 0) {
        rec_sql_rollback(db);
        goto out;
    }
    status = finish(&r, err);
out:
    rec_restore_files_close(&r.files);
    rec_restore_keep_clear(&r.keep);
    rec_manifest_clear(&r.manifest);
    rec_migrate_clear(&r.set);
    return status;
}
