/* SPDX-License-Identifier: MIT
 *
 * rec-db backup, restore, verify.
 */
#include "rec-db.h"

#include <errno.h>
#include <unistd.h>

static struct rec_opt_list with;
static const char *output, *to, *keep, *print, *files;
static bool overwrite, foreign, restore_yes;

struct rec_opt db_backup_opts[] = {
    {0, "to", "DIR", REC_OPT_FILE, &to, .help = "write a file there, named after the store and the moment"},
    {0, "keep", "RULE", REC_OPT_TEXT, &keep, .help = "then delete what is not kept there: daily=7,weekly=4,monthly=12,yearly=2,last=3"},
    {0, "with", "PATH", REC_OPT_LIST, &with, .help = "put a file or directory in too: models, configuration; may be repeated"},
    {0, "print", "FILE", REC_OPT_FILE, &print, .flags = REC_OPT_NO_CONFIG, .help = "instead: the tar that is in a backup"},
    {'o', "output", "FILE", REC_OPT_FILE, &output, .flags = REC_OPT_NO_CONFIG,
     .help = "write FILE, complete or not at all, instead of standard output"},
    {0},
};
struct rec_opt db_restore_opts[] = {
    {0, "files", "DIR", REC_OPT_FILE, &files, .flags = REC_OPT_NO_CONFIG, .help = "put the files that were backed up --with it under DIR"},
    {0, "overwrite", NULL, REC_OPT_FLAG, &overwrite, .flags = REC_OPT_NO_CONFIG, .help = "replace what is in the store"},
    {0, "foreign", NULL, REC_OPT_FLAG, &foreign, .flags = REC_OPT_NO_CONFIG, .help = "take the backup of another store"},
    DB_YES(&restore_yes, "do not ask, with --overwrite"),
    {0},
};

static void describe(struct rec_buf *out, const struct rec_backup_report *r)
{
    char time[REC_NUM_MAX];

    rec_buf_addf(out, "store %s of %s, schema version %u, key %u: %llu tables, %llu rows, %llu files, %llu bytes in %llu", r->store,
                 rec_date_print_time(time, r->created), r->schema, r->key, (unsigned long long)r->tables, (unsigned long long)r->rows,
                 (unsigned long long)r->files, (unsigned long long)r->bytes, (unsigned long long)r->sealed);
}

static void tell(struct tool *tool, const char *name, const char *what, const struct rec_backup_report *r)
{
    struct rec_buf text = {0};

    describe(&text, r);
    tool_step(tool, "%s: %s: %s", name, what, text.data ? text.data : "");
    rec_buf_clear(&text);
    tool->rows = r->rows;
    tool->rows_name = "rows";
}

/* ---- backup ---- */

struct backup {
    struct tool *tool;
    struct rec_store store;
    struct rec_out out;
    struct rec_retention retention;
    char id[REC_STORE_ID + 1];
    char path[4096];             /* "" is standard output */
    char *directory;             /* of --to, from the root */
    int failed;
    struct rec_err *err;
};

/* DIR/rec-1a2b3c4d-20261123T210000Z.recbackup */
static int name_it(struct backup *b, int64_t now, struct rec_err *err)
{
    char time[REC_NUM_MAX];
    size_t n;

    if (!to) {
        snprintf(b->path, sizeof b->path, "%s", output ? output : "-");
        return 0;
    }
    if (!(b->directory = realpath(to, NULL)))
        return rec_err_errno(err, "%s", to);
    rec_date_print_time(time, now);
    n = (size_t)snprintf(b->path, sizeof b->path, "%s/rec-%.8s-%.4s%.2s%.2sT%.2s%.2s%.2sZ%s", b->directory, b->id, time, time + 5, time + 8,
                         time + 11, time + 14, time + 17, REC_BACKUP_SUFFIX);
    return n < sizeof b->path ? 0 : rec_err_set(err, "%s: too long a name", to);
}

/* The path from the root of a file that need not be there yet. */
static char *from_root(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *whole = realpath(path, NULL), *directory = NULL;
    struct rec_buf buf = {0};

    if (whole)
        return whole;
    directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    whole = directory ? realpath(directory, NULL) : NULL;
    if (whole)
        rec_buf_addf(&buf, "%s/%s", strcmp(whole, "/") ? whole : "", slash ? slash + 1 : path);
    free(directory);
    free(whole);
    return buf.data;
}

/* Which archives there are is known to the store, so that `forget` can name those that still hold a person: there must be none that it does
 * not know. So it is told before the archive has its name; one that is listed and is not there does no harm. Somebody who loads may
 * take a while. */
static int record(struct backup *b, int64_t created, struct rec_err *err)
{
    char *whole = !strcmp(b->path, "-") ? NULL : from_root(b->path);
    int64_t until = keep ? rec_retention_until(created, &b->retention) : 0;
    double patience = rec_sql_patience(b->store.db, 600);
    int rc = rec_backup_list_add(&b->store, whole ? whole : DB_STANDARD_OUTPUT, created, until, err);

    rec_sql_patience(b->store.db, patience);
    free(whole);
    return rc;
}

static void on_archive(void *context, const char *name, int64_t created, bool kept)
{
    struct backup *b = context;
    char path[8192];

    (void)created;
    if (kept || b->failed)
        return;
    snprintf(path, sizeof path, "%s/%s", b->directory, name);
    tool_note(b->tool, "%s: deleted, by --keep %s", name, keep);
    b->failed = rec_backup_list_drop(&b->store, path, b->err);
}

static int backup(struct backup *b, struct rec_err *err)
{
    const char *paths[REC_OPT_LIST_MAX + 1] = {NULL};
    struct rec_backup_options options = {.paths = paths, .now = db_now(), .version = tool_version(), .progress = db_progress,
                                         .context = b->tool};
    struct rec_backup_report report = {.rows = 0};
    size_t skipped = 0;

    memcpy(paths, with.text, with.n * sizeof *paths);
    if (keep && rec_retention_parse(&b->retention, keep, err) < 0)
        return rec_err_prefix(err, "--keep");
    if (db_open(&b->store, DB_KEYS, err) < 0 || rec_store_id(b->id, &b->store, err) < 0 || name_it(b, options.now, err) < 0 ||
        rec_out_open(&b->out, b->path, true, err) < 0 || rec_backup_write(&b->store, &options, &b->out, &skipped, &report, err) < 0 ||
        record(b, report.created, err) < 0 || rec_out_commit(&b->out, err) < 0)
        return -1;
    if (skipped)
        tool_note(b->tool, "%zu keyring%s left out: keep a copy of the keys apart from the backups", skipped, skipped == 1 ? "" : "s");
    tell(b->tool, to ? b->path : output ? output : DB_STANDARD_OUTPUT, "written", &report);
    if (!keep)
        return TOOL_DONE;
    if (rec_retention_apply(b->directory, b->id, &b->retention, false, on_archive, b, err) < 0 || b->failed)
        return -1;
    return TOOL_DONE;
}

static int print_tar(struct rec_err *err)
{
    struct rec_keyring ring;
    struct rec_out out = {0};
    int rc = -1;

    if (rec_keyring_read(&ring, db_keys(), err) < 0)
        return -1;
    if (rec_out_open(&out, output, true, err) == 0 && rec_backup_print(print, &ring, &out, err) == 0)
        rc = rec_out_commit(&out, err);
    rec_out_abort(&out);
    rec_keyring_clear(&ring);
    return rc;
}

int db_backup(struct tool *tool, struct rec_err *err)
{
    struct backup b = {.tool = tool, .err = err};
    int status;

    if (print)
        return print_tar(err);
    if (output && db_is_flag(tool, "to"))
        return tool_usage(tool, "--to, --output: one of them");
    to = output ? NULL : to;
    if (!to && db_is_flag(tool, "keep"))
        return tool_usage(tool, "--keep: of which directory? --to is missing");
    keep = to ? keep : NULL;
    status = backup(&b, err);
    rec_out_abort(&b.out);
    rec_store_close(&b.store);
    free(b.directory);
    return status;
}

/* ---- restore ---- */

static int restore(struct tool *tool, const struct rec_keyring *ring, struct rec_err *err)
{
    const char *path = tool_operand(tool, 0), *slash = strrchr(path, '/'), *file = db_file();
    struct rec_restore_options options = {.files = files, .overwrite = overwrite, .foreign = foreign, .now = db_now(),
                                          .progress = db_progress, .context = tool};
    struct rec_backup_report report = {.rows = 0};
    struct rec_sql *db = NULL;
    struct rec_store store;
    int status = -1;

    // A damaged archive leaves no empty file where there was none.
    if (file && access(file, F_OK) != 0 && rec_backup_verify(path, ring, &report, err) < 0)
        return -1;
    if (db_connect(&db, true, err) < 0 || rec_restore(db, path, ring, &options, &report, err) < 0)
        goto out;
    rec_store_wrap(&store, db, ring);
    if (db_audit(&store, "store.restore", slash ? slash + 1 : path, overwrite ? "overwrite" : "", err) < 0)
        goto out;
    tell(tool, db_name(), "restored", &report);
    status = TOOL_DONE;
out:
    rec_sql_close(db);
    return status;
}

int db_restore(struct tool *tool, struct rec_err *err)
{
    struct rec_keyring ring;
    int status = overwrite ? db_confirm(tool, restore_yes, "this replaces everything in", db_name()) : TOOL_DONE;

    if (status != TOOL_DONE)
        return status;
    if (rec_keyring_read(&ring, db_keys(), err) < 0)
        return -1;
    status = restore(tool, &ring, err);
    rec_keyring_clear(&ring);
    return status;
}

/* ---- verify ---- */

int db_verify(struct tool *tool, struct rec_err *err)
{
    struct rec_backup_report report;
    struct rec_keyring ring;
    struct rec_buf text = {0};
    int rc;

    if (rec_keyring_read(&ring, db_keys(), err) < 0)
        return -1;
    rc = rec_backup_verify(tool_operand(tool, 0), &ring, &report, err);
    rec_keyring_clear(&ring);
    if (rc < 0)
        return -1;
    rec_buf_addf(&text, "%s: whole: ", strcmp(tool_operand(tool, 0), "-") ? tool_operand(tool, 0) : "standard input");
    describe(&text, &report);
    rec_buf_addc(&text, '\n');
    return tool_print(&text, err);
}
