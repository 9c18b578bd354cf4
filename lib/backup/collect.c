/* SPDX-License-Identifier: MIT
 *
 * Files and directories into an archive. Everything is opened relative to the directory it was found in and without following links, so
 * that what is read is what was looked at; sizes are checked against what was read.
 */
#include "backup_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

/* One call of rec_collect. */
struct walk {
    struct rec_collect *c;
    const char *path;               /* as it was given */
    struct rec_buf name;            /* of the member: "files/..." */
    unsigned char *block;
    struct stat own[4];             /* the database, and the files beside it */
    size_t n_own;
};

/* ---- what is left out ---- */

static size_t run_of(const char *p, const char *end, const char *letters)
{
    size_t n = 0;
    while (p + n < end && p[n] != '\0' && strchr(letters, p[n]))
        n++;
    return n;
}

/* `1 2026-11-23T21:00:00Z <43 letters of base64url>`, as crypto.h has it. */
static bool is_key_line(const char *p, const char *end)
{
    static const char digits[] = "0123456789", blanks[] = " \t";
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n;

    p += run_of(p, end, blanks);
    n = run_of(p, end, digits);
    p += n;
    if (n == 0 || n > 10 || (n = run_of(p, end, blanks)) == 0)
        return false;
    p += n;
    if (end - p < 20 || p[4] != '-' || p[10] != 'T' || p[19] != 'Z' || run_of(p, end, "0123456789-T:Z") != 20)
        return false;
    p += 20;
    n = run_of(p, end, blanks);
    p += n;
    return n > 0 && run_of(p, end, base64) == 43;
}

static bool is_keyring(const unsigned char *block, size_t len)
{
    const char *p = (const char *)block, *end = p + len;

    while (p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
        if (is_key_line(p, stop))
            return true;
        p = stop + 1;
    }
    return false;
}

/* The files of an SQLite database are in the archive as tables, and change all the time. */
static void find_own(struct walk *w)
{
    static const char *const beside[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; w->c->database && i < REC_LENGTH(beside); i++) {
        struct rec_buf path = {0};
        rec_buf_addf(&path, "%s%s", w->c->database, beside[i]);
        if (!path.failed && stat(path.data, &w->own[w->n_own]) == 0)
            w->n_own++;
        rec_buf_clear(&path);
    }
}

static const char *why_not(const struct walk *w, const struct stat *st, const unsigned char *block, size_t len)
{
    const char *slash = strrchr(w->name.data, '/'), *base = slash ? slash + 1 : w->name.data;
    size_t n = strlen(base);

    for (size_t i = 0; i < w->n_own; i++)
        if (w->own[i].st_dev == st->st_dev && w->own[i].st_ino == st->st_ino)
            return "the database itself";
    if (base[0] == '.' && n > 8 && !strcmp(base + n - 8, ".rec-tmp"))
        return "a temporary file";
    if (len >= 11 && !memcmp(block, "rec.backup/", 11))
        return "a backup";
    return is_keyring(block, len) ? "a keyring" : NULL;
}

static void skip(struct walk *w, const char *why)
{
    rec_archive_skip(w->c->archive, w->name.data, why);
}

/* ---- members ---- */

static int add_member(struct walk *w, enum rec_tar_type type, const struct stat *st, const char *link, struct rec_err *err)
{
    struct rec_tar_member member = {.type = type, .name = w->name.data, .link = link, .mode = st->st_mode & 0777, .mtime = st->st_mtime};

    if (!rec_json_utf8(w->name.data, w->name.len) || !rec_json_utf8(link, strlen(link)))
        return rec_err_set(err, "%s: the name is not UTF-8; rename it", w->name.data + strlen(BACKUP_FILES));
    if (type == REC_TAR_FILE)
        member.size = (uint64_t)st->st_size;
    if (type != REC_TAR_DIRECTORY)
        w->c->files++;
    return rec_archive_add(w->c->archive, &member, 0, err);
}

static int fill(struct walk *w, int fd, size_t *got, struct rec_err *err)
{
    *got = 0;
    while (*got < BLOCK) {
        ssize_t n = read(fd, w->block + *got, BLOCK - *got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rec_err_errno(err, "%s", w->name.data + strlen(BACKUP_FILES));
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* An open regular file. */
static int add_file(struct walk *w, int fd, const struct stat *st, struct rec_err *err)
{
    uint64_t left = (uint64_t)st->st_size;
    struct stat after;
    const char *why;
    size_t got;

    if (fill(w, fd, &got, err) < 0)
        return -1;
    why = why_not(w, st, w->block, got);
    if (why) {
        w->c->keyrings += !strcmp(why, "a keyring");
        skip(w, why);
        return 0;
    }
    if (add_member(w, REC_TAR_FILE, st, "", err) < 0)
        return -1;
    while (got > 0 && got <= left) {
        if (rec_archive_write(w->c->archive, w->block, got, err) < 0)
            return -1;
        left -= got;
        if (fill(w, fd, &got, err) < 0)
            return -1;
    }
    if (left > 0 || got > 0 || fstat(fd, &after) < 0 || !same(st, &after))
        return rec_err_set(err, "%s: changed while it was read; back up again when it is at rest", w->name.data + strlen(BACKUP_FILES));
    return 0;
}

bool rec_collect_link_stays(const char *target, size_t depth)
{
    while (!strncmp(target, "../", 3) && depth > 0) {
        target += 3;
        depth--;
    }
    if (*target == '/' || *target == '\0')
        return false;
    for (const char *p = target; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.')
            return false;
        p += n + (p[n] == '/');
    }
    return true;
}

static int add_link(struct walk *w, int dir, const char *entry, const struct stat *st, size_t depth, struct rec_err *err)
{
    char target[REC_TAR_NAME_LONGEST + 1];
    ssize_t n = readlinkat(dir, entry, target, sizeof target - 1);

    if (n < 0)
        return rec_err_errno(err, "%s", w->name.data + strlen(BACKUP_FILES));
    target[n] = '\0';
    if (!rec_collect_link_stays(target, depth)) {
        skip(w, "a link that is absolute or leads out of the directory");
        return 0;
    }
    return add_member(w, REC_TAR_LINK, st, target, err);
}

/* ---- directories ---- */

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_names(char ***names, size_t *n, int dir, const char *what, struct rec_err *err)
{
    int copy = fcntl(dir, F_DUPFD_CLOEXEC, 0);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;
    int status = -1;

    if (!stream) {
        rec_err_errno(err, "%s", what);
        if (copy >= 0)
            close(copy);
        return -1;
    }
    while (errno = 0, (entry = readdir(stream)) != NULL) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        /* In steps of 64, so that the array grows when its number is a multiple. */
        if (*n % 64 == 0 && rec_realloc(names, *n + 64, sizeof **names, what, err) < 0)
            goto out;
        (*names)[*n] = strdup(entry->d_name);
        if (!(*names)[(*n)++]) {
            rec_err_memory(err, what);
            goto out;
        }
    }
    status = errno ? rec_err_errno(err, "%s", what) : 0;
    if (*n)
        qsort(*names, *n, sizeof **names, by_bytes);
out:
    closedir(stream);
    return status;
}

static int add_open(struct walk *w, int fd, size_t depth, struct rec_err *err);

static int add_entry(struct walk *w, int dir, const char *entry, size_t depth, struct rec_err *err)
{
    struct stat st;
    int fd, status;

    if (fstatat(dir, entry, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISLNK(st.st_mode))
            return add_link(w, dir, entry, &st, depth, err);
        if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
            skip(w, "a socket, fifo or device");
            return 0;
        }
    }
    fd = openat(dir, entry, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT) {
        skip(w, "gone before it was read");
        return 0;
    }
    if (fd < 0)
        return rec_err_errno(err, "%s", w->name.data + strlen(BACKUP_FILES));
    status = add_open(w, fd, depth + 1, err);
    close(fd);
    return status;
}

static int add_directory(struct walk *w, int fd, size_t depth, struct rec_err *err)
{
    size_t n = 0, len = w->name.len;
    char **names = NULL;
    int status = read_names(&names, &n, fd, w->name.data + strlen(BACKUP_FILES), err);

    for (size_t i = 0; status == 0 && i < n; i++) {
        if (w->name.data[len - 1] != '/')
            rec_buf_addc(&w->name, '/');
        rec_buf_adds(&w->name, names[i]);
        status = w->name.failed ? rec_err_memory(err, names[i]) : add_entry(w, fd, names[i], depth, err);
        w->name.data[w->name.len = len] = '\0';
    }
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    return status;
}

/* What is open: a file, or a directory `depth` below the one that was named. */
static int add_open(struct walk *w, int fd, size_t depth, struct rec_err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return rec_err_errno(err, "%s", w->name.data + strlen(BACKUP_FILES));
    if (S_ISREG(st.st_mode))
        return add_file(w, fd, &st, err);
    if (!S_ISDIR(st.st_mode))
        return rec_err_set(err, "%s: is neither a file nor a directory", w->name.data + strlen(BACKUP_FILES));
    if (w->name.data[w->name.len - 1] != '/' && add_member(w, REC_TAR_DIRECTORY, &st, "", err) < 0)
        return -1;
    return add_directory(w, fd, depth, err);
}

/* "/srv/./rec//models/" -> "files/srv/rec/models"; "." -> "files/". */
static int set_name(struct walk *w, struct rec_err *err)
{
    rec_buf_adds(&w->name, BACKUP_FILES);
    for (const char *p = w->path; *p;) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.')
            return rec_err_set(err, "%s: has \"..\" in it; name it otherwise", w->path);
        if (n > 0 && !(n == 1 && p[0] == '.')) {
            if (w->name.data && w->name.len > strlen(BACKUP_FILES))
                rec_buf_addc(&w->name, '/');
            rec_buf_add(&w->name, p, n);
        }
        p += n + (p[n] == '/');
    }
    return w->name.failed ? rec_err_memory(err, w->path) : 0;
}

int rec_collect(struct rec_collect *c, const char *path, struct rec_err *err)
{
    struct walk w = {.c = c, .path = path};
    int fd = -1, status = -1;

    if (set_name(&w, err) < 0)
        goto out;
    w.block = rec_malloc(BLOCK, 1, path, err);
    if (!w.block)
        goto out;
    find_own(&w);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    status = fd < 0 ? rec_err_errno(err, "%s", path) : add_open(&w, fd, 0, err);
out:
    if (fd >= 0)
        close(fd);
    free(w.block);
    rec_buf_clear(&w.name);
    return status;
}
