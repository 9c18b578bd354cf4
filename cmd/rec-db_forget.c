/* SPDX-License-Identifier: MIT
 *
 * rec-db forget: a person is erased from the store at once; then it is said which files still hold them, and until when.
 *
 * Which those are is read from the files: a model, ratings or features have a table of users. A backup is encrypted, so all that were made
 * until now are named.
 */
#include "rec-db.h"

#include <errno.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *account;
static struct rec_opt_list artifacts, backups;
static bool yes, no_scrub;

struct rec_opt db_forget_opts[] = {
    {0, "account", "NAME", REC_OPT_TEXT, &account, .flags = REC_OPT_NO_CONFIG, .help = "the account of that name or e-mail, and its user, instead of USER"},
    {0, "artifacts", "DIR", REC_OPT_LIST, &artifacts, .help = "look there for models, ratings and features that hold them; may be repeated"},
    {0, "backups", "DIR", REC_OPT_LIST, &backups, .help = "look there for backups; may be repeated"},
    {0, "no-scrub", NULL, REC_OPT_FLAG, &no_scrub, .help = "do not write the database anew: deleted bytes may stay in its files"},
    DB_YES(&yes, "do not ask"),
    {0},
};

struct forget {
    struct tool *tool;
    struct rec_store store;
    struct rec_forget_report report;
    struct rec_buf out;          /* what is printed */
    struct rec_buf archives;     /* paths of archives that were told of, each ended by NUL */
    const char *directory;       /* of on_archive */
    struct rec_backup_kept {
        char *name;
        int64_t created, expires;
    } *kept;                     /* what the store knows of archives */
    size_t n_kept;
    struct rec_err *err;
};

/* ---- files of ours ---- */

/* Whether the file has this user in its table: 1, 0, or -1 when it cannot be read. */
static int holds(char kind[64], const char *path, const char *user, struct rec_err *err)
{
    struct rec_safetensors file;
    struct rec_ids ids = {0};
    struct rec_in in;
    const char *format;
    int found = 0;

    if (rec_in_open(&in, path, err) < 0 || rec_safetensors_parse(&file, &in, REC_SAFETENSORS_NO_CRC, err) < 0)
        return -1;
    format = rec_safetensors_meta(&file, "format");
    snprintf(kind, 64, "%s", format ? format : "safetensors");
    if (rec_safetensors_find(&file, "users.bytes")) {
        found = rec_ids_load(&ids, &file, "users", err);
        if (found == 0)
            found = rec_ids_find(&ids, user, strlen(user)) >= 0;
    }
    rec_ids_clear(&ids);
    rec_safetensors_close(&file);
    return found;
}

static void look_into(struct forget *f, const char *path)
{
    struct rec_err err = {0};
    char kind[64] = "";
    int found = holds(kind, path, f->report.user, &err);

    if (found < 0)
        rec_buf_addf(&f->out, "%s: may still hold them; it cannot be looked into: %s\n", path, err.text);
    else if (found)
        rec_buf_addf(&f->out, "%s: still holds them (%s), until it is made anew from an export of now\n", path, kind);
}

static bool is_ours(const char *name, size_t len)
{
    return len > 4 && !strcmp(name + len - 4, ".rec");
}

static int look_for_artifacts(struct forget *f, struct rec_err *err)
{
    char *roots[REC_OPT_LIST_MAX + 1] = {NULL};
    FTSENT *entry;
    FTS *tree;
    int rc = 0;

    if (!artifacts.n)
        return 0;
    for (size_t i = 0; i < artifacts.n; i++)
        roots[i] = (char *)(uintptr_t)artifacts.text[i];
    tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
    if (!tree)
        return rec_err_errno(err, "%s", roots[0]);
    while (errno = 0, (entry = fts_read(tree)) != NULL)
        if (entry->fts_info == FTS_F && (entry->fts_level == 0 || is_ours(entry->fts_name, entry->fts_namelen)))
            look_into(f, entry->fts_path);
        else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            rec_buf_addf(&f->out, "%s: cannot be looked into: %s\n", entry->fts_path, strerror(entry->fts_errno));
    if (errno)
        rc = rec_err_errno(err, "%s", roots[0]);
    fts_close(tree);
    return rc;
}

/* ---- backups ---- */

static void tell_archive(struct forget *f, const char *path, int64_t created, int64_t expires, bool there)
{
    char made[REC_NUM_MAX], until[REC_NUM_MAX];

    rec_date_print_time(made, created);
    until[rec_date_print(until, expires)] = 0;
    if (!strcmp(path, DB_STANDARD_OUTPUT)) {
        rec_buf_addf(&f->out, "a backup of %s, which was written to standard output, may still hold them, until it is deleted\n", made);
        return;
    }
    rec_buf_addf(&f->out, "%s: a backup of %s may still hold them, until %s%s\n", path, made, expires ? until : "it is deleted",
                 there ? "" : "; it is not there now, and may have been moved");
}

static int on_kept(void *context, const char *name, int64_t created, int64_t expires)
{
    struct forget *f = context;

    if (rec_realloc(&f->kept, f->n_kept + 1, sizeof *f->kept, "backups", f->err) < 0 ||
        !(f->kept[f->n_kept].name = strdup(name)))
        return -1;
    f->kept[f->n_kept].created = created;
    f->kept[f->n_kept++].expires = expires;
    return 0;
}

static bool told(const struct forget *f, const char *path)
{
    for (const char *p = f->archives.data, *end = p + f->archives.len; p < end; p += strlen(p) + 1)
        if (!strcmp(p, path))
            return true;
    return false;
}

/* One that is in a directory: the store may know when it goes. */
static void on_archive(void *context, const char *name, int64_t created, bool kept)
{
    struct forget *f = context;
    int64_t expires = 0;
    char path[8192];

    (void)kept;
    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    for (size_t i = 0; i < f->n_kept; i++)
        if (!strcmp(f->kept[i].name, path))
            expires = f->kept[i].expires;
    tell_archive(f, path, created, expires, true);
    rec_buf_add(&f->archives, path, strlen(path) + 1);
}

static int look_for_backups(struct forget *f, struct rec_err *err)
{
    const struct rec_retention all = {.last = UINT32_MAX};
    char id[REC_STORE_ID + 1];

    if (rec_store_id(id, &f->store, err) < 0 || rec_backup_list(&f->store, on_kept, f, err) < 0)
        return -1;
    for (size_t i = 0; i < backups.n; i++) {
        char *directory = realpath(backups.text[i], NULL);
        int rc;
        if (!directory)
            return rec_err_errno(err, "%s", backups.text[i]);
        f->directory = directory;
        rc = rec_retention_apply(directory, id, &all, true, on_archive, f, err);
        free(directory);
        if (rc < 0)
            return -1;
    }
    for (size_t i = 0; i < f->n_kept; i++) {
        const char *name = f->kept[i].name;
        bool there = access(name, F_OK) == 0, gone = !there && f->kept[i].expires && f->kept[i].expires < db_now();
        if (!told(f, name) && !gone)
            tell_archive(f, name, f->kept[i].created, f->kept[i].expires, there);
    }
    return 0;
}

/* ---- forget ---- */

/* What cannot be looked into is known before anything is erased. */
static int check_directories(const struct rec_opt_list *list, struct rec_err *err)
{
    for (size_t i = 0; i < list->n; i++)
        if (access(list->text[i], R_OK) != 0)
            return rec_err_errno(err, "%s", list->text[i]);
    return 0;
}

/* Nobody of this id: 0 when they were forgotten before, so that a second run of a script is no failure. */
static int nobody(struct forget *f, const char *who, struct rec_err *err)
{
    int was = account ? 0 : rec_forget_was(&f->store, who, err);

    if (was < 0)
        return -1;
    tool_note(f->tool, "%s: %s", who, was ? "was forgotten before" : account ? "there is no such account" : "there is no such user");
    if (account)
        return TOOL_NO;
    snprintf(f->report.user, sizeof f->report.user, "%s", who);
    return was ? TOOL_DONE : TOOL_NO;
}

static int erase(struct forget *f, const char *who, struct rec_err *err)
{
    const struct rec_forget_report *r = &f->report;
    const char *left = NULL;

    if (rec_forget(&f->report, &f->store, who, account != NULL, db_actor(), db_now(), err) < 0)
        return -1;
    if (!r->known)
        return nobody(f, who, err);
    if (!no_scrub && rec_forget_scrub(&left, &f->store, err) < 0)
        return -1;
    rec_buf_addf(&f->out, "erased: %llu ratings, %llu events, %llu accounts, %llu API keys\n", (unsigned long long)r->ratings,
                 (unsigned long long)r->events, (unsigned long long)r->accounts, (unsigned long long)r->api_keys);
    if (no_scrub)
        left = "free space in the files of the database, as --no-scrub asks";
    if (left)
        rec_buf_addf(&f->out, "%s: may still hold traces in %s\n", db_name(), left);
    return TOOL_DONE;
}

static int forget(struct forget *f, const char *who, struct rec_err *err)
{
    int status;

    if (check_directories(&artifacts, err) < 0 || check_directories(&backups, err) < 0 || db_open(&f->store, DB_KEYS, err) < 0)
        return -1;
    status = erase(f, who, err);
    if (status < 0 || !*f->report.user)
        return status;
    if (look_for_artifacts(f, err) < 0 || look_for_backups(f, err) < 0)
        return -1;
    return status;
}

int db_forget(struct tool *tool, struct rec_err *err)
{
    const char *user = tool_operand(tool, 0), *who = account ? account : user;
    struct forget f = {.tool = tool, .err = err};
    int status;

    if (!user == !account)
        return tool_usage(tool, "USER, --account: one of them");
    if ((status = db_confirm(tool, yes, "this erases for good all that is known of", who)) != TOOL_DONE)
        return status;
    status = forget(&f, who, err);
    rec_store_close(&f.store);
    rec_buf_clear(&f.archives);
    for (size_t i = 0; i < f.n_kept; i++)
        free(f.kept[i].name);
    free(f.kept);
    /* What was erased is told also when the looking about failed. */
    if (f.out.len && status < 0)
        (void)!fwrite(f.out.data, 1, f.out.len, stdout);
    else if (f.out.len && tool_print(&f.out, err) < 0)
        status = -1;
    rec_buf_clear(&f.out);
    rec_secret_wipe(&f.report, sizeof f.report);
    return status;
}
