/* SPDX-License-Identifier: MIT
 *
 * The migrations there are: those of data/migrations, which the Makefile puts into migrations.h as they are, byte for byte, or those of a
 * directory.
 */
#include "migrate_priv.h"

#include <dirent.h>
#include <errno.h>

struct source {
    const char *file;             /* "0001-initial.sqlite.up.sql" */
    const char *text;
};

#include "migrations.h"           /* static const struct source builtin[], the last one {NULL, NULL} */

/* ---- names of files ------------------------------------------------------------------------------ */

struct parts {
    uint32_t version;
    char name[64];
    bool other;                   /* for another database than the one asked for */
    bool own;                     /* for this one alone */
    bool up;
};

static bool ends(const char *text, size_t *len, const char *with)
{
    size_t n = strlen(with);
    if (*len < n || memcmp(text + *len - n, with, n) != 0)
        return false;
    *len -= n;
    return true;
}

static bool parse_name(struct parts *out, const char *file, const char *dialect)
{
    size_t len = strlen(file), begin = 5;
    int64_t version;
    *out = (struct parts){0};
    out->up = ends(file, &len, ".up.sql");
    if (!out->up && !ends(file, &len, ".down.sql"))
        return false;
    bool sqlite = ends(file, &len, ".sqlite"), postgres = !sqlite && ends(file, &len, ".postgresql");
    out->own = (sqlite && strcmp(dialect, "sqlite") == 0) || (postgres && strcmp(dialect, "postgresql") == 0);
    out->other = (sqlite || postgres) && !out->own;
    if (len <= begin || len - begin >= sizeof out->name || file[4] != '-' || strspn(file, "0123456789") != 4)
        return false;
    if (rec_num_int64(&version, file, 4) < 0 || version == 0)
        return false;
    out->version = (uint32_t)version;
    memcpy(out->name, file + begin, len - begin);
    return strspn(out->name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == len - begin;
}

/* ---- a set --------------------------------------------------------------------------------------- */

static int put(struct rec_migrate_file *file, const struct source *source, const struct parts *parts, const char *where,
               struct rec_err *err)
{
    const char **text = parts->up ? &file->up : &file->down, **name = parts->up ? &file->up_file : &file->down_file;
    if (*text != NULL)
        return rec_err_set(err, "%s: both %s and %s: which one is meant?", where, *name, source->file);
    if (file->version != 0 && strcmp(file->name, parts->name) != 0)
        return rec_err_set(err, "%s: migration %u is called both %s and %s", where, parts->version, file->name, parts->name);
    file->version = parts->version;
    memcpy(file->name, parts->name, sizeof file->name);
    *text = source->text;
    *name = source->file;
    return 0;
}

/* From 1 without gaps, each with a way up. */
static int check_complete(const struct rec_migrate_set *set, const char *where, const char *dialect, struct rec_err *err)
{
    if (set->n == 0)
        return rec_err_set(err, "%s: there are no migrations for %s", where, dialect);
    for (size_t i = 0; i < set->n; i++)
        if (set->file[i].up == NULL)
            return rec_err_set(err, "%s: migration %zu has no file for %s: %04zu-%s.%s.up.sql", where, i + 1, dialect, i + 1,
                               set->file[i].version != 0 ? set->file[i].name : "what", dialect);
    return 0;
}

static int gather(struct rec_migrate_set *set, const struct source *source, size_t n, const char *where, const char *dialect,
                  struct rec_err *err)
{
    struct parts parts;
    set->file = rec_calloc(n, sizeof *set->file, where, err);
    if (set->file == NULL)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (!parse_name(&parts, source[i].file, dialect))
            return rec_err_set(err, "%s: %s: is not called NNNN-what.up.sql or NNNN-what.down.sql, with .sqlite or .postgresql before .up or "
                               ".down if it is for one database", where, source[i].file);
        if (parts.other)
            continue;
        if (parts.version > n)
            return rec_err_set(err, "%s: %s: there are gaps before it", where, source[i].file);
        if (put(&set->file[parts.version - 1], &source[i], &parts, where, err) < 0)
            return -1;
        if (parts.version > set->n)
            set->n = parts.version;
    }
    return check_complete(set, where, dialect, err);
}

int rec_migrate_builtin(struct rec_migrate_set *out, const char *dialect, struct rec_err *err)
{
    *out = (struct rec_migrate_set){0};
    int status = gather(out, builtin, REC_LENGTH(builtin) - 1, "migrations", dialect, err);
    if (status < 0)
        rec_migrate_clear(out);
    return status;
}

/* ---- a directory --------------------------------------------------------------------------------- */

struct owned {
    struct source *source;
    size_t n;
};

static int read_one(struct source *out, const char *directory, const char *name, struct rec_err *err)
{
    struct rec_buf path = {0}, text = {0};
    struct rec_in in = {0};
    int status = -1;
    rec_buf_addf(&path, "%s/%s", directory, name);
    if (path.failed) {
        rec_err_memory(err, directory);
        goto out;
    }
    if (rec_in_open(&in, path.data, err) < 0)
        goto out;
    rec_buf_add(&text, in.data, in.len);
    *out = (struct source){strdup(name), text.data};
    if (text.failed || out->file == NULL) {
        rec_err_memory(err, path.data);
        goto out;
    }
    status = strlen(text.data) == text.len ? 0 : rec_err_set(err, "%s: holds a byte 0: no SQL", path.data);
out:
    rec_in_close(&in);
    rec_buf_clear(&path);
    return status;
}

static int read_entries(struct owned *owned, DIR *dir, const char *directory, struct rec_err *err)
{
    const struct dirent *entry;
    for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
        size_t len = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || !ends(entry->d_name, &len, ".sql"))
            continue;
        if (rec_realloc(&owned->source, owned->n + 1, sizeof *owned->source, directory, err) < 0)
            return -1;
        owned->source[owned->n++] = (struct source){0};
        if (read_one(&owned->source[owned->n - 1], directory, entry->d_name, err) < 0)
            return -1;
    }
    return errno != 0 ? rec_err_errno(err, "%s", directory) : 0;
}

int rec_migrate_read(struct rec_migrate_set *out, const char *directory, const char *dialect, struct rec_err *err)
{
    DIR *dir = NULL;
    int status = -1;
    *out = (struct rec_migrate_set){0};
    struct owned *owned = rec_calloc(1, sizeof *owned, directory, err);
    if (owned == NULL)
        return -1;
    out->owned = owned;
    dir = opendir(directory);
    if (dir == NULL) {
        rec_err_errno(err, "%s", directory);
        goto out;
    }
    if (read_entries(owned, dir, directory, err) == 0)
        status = gather(out, owned->source, owned->n, directory, dialect, err);
out:
    if (dir != NULL)
        closedir(dir);
    if (status < 0)
        rec_migrate_clear(out);
    return status;
}

void rec_migrate_clear(struct rec_migrate_set *set)
{
    struct owned *owned = set->owned;
    for (size_t i = 0; owned != NULL && i < owned->n; i++) {
        free((char *)(uintptr_t)owned->source[i].file);
        free((char *)(uintptr_t)owned->source[i].text);
    }
    if (owned != NULL)
        free(owned->source);
    free(owned);
    free(set->file);
    *set = (struct rec_migrate_set){0};
}
