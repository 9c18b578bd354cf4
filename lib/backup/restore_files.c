/* SPDX-License-Identifier: MIT
 *
 * Files of an archive under a directory: written under temporary names beside their places, and renamed when all else is done. Every step
 * down is taken with openat and O_NOFOLLOW, so that no link, old or restored, leads outside.
 */
#include "backup_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct rec_restore_staged {
    char *path;                     /* "srv/rec/a.model" */
    enum rec_tar_type type;
    unsigned mode;
    int64_t mtime;
    bool made;                      /* a directory: by us */
    bool placed;
};

/* ---- names ---- */

static int complain(const struct rec_restore_files *f, const char *path, struct rec_err *err)
{
    if (errno == ELOOP || errno == ENOTDIR)
        return rec_err_set(err, "%s/%s: a directory on the way is a symbolic link, or none; move it away", f->directory, path);
    return rec_err_errno(err, "%s/%s", f->directory, path);
}

static struct rec_restore_staged *add_item(struct rec_restore_files *f, const char *path, size_t len, enum rec_tar_type type, struct rec_err *err)
{
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 64;
        if (rec_realloc(&f->item, cap, sizeof *f->item, f->directory, err) < 0)
            return NULL;
        f->cap = cap;
    }
    f->item[f->n] = (struct rec_restore_staged){.path = strndup(path, len), .type = type};
    if (!f->item[f->n].path) {
        rec_err_memory(err, f->directory);
        return NULL;
    }
    return &f->item[f->n++];
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* `.NAME.rec-tmp`, as rec_out has it; of names that are too long for that, their hash. */
static void temporary_name(char out[256], const char *path)
{
    const char *base = base_of(path);

    if (strlen(base) <= 240)
        snprintf(out, 256, ".%s.rec-tmp", base);
    else
        snprintf(out, 256, ".%016llx.rec-tmp", (unsigned long long)rec_hashmap_hash(base, strlen(base)));
}

/* The directory `name` in `dir`, made if `make`; recorded when it was. */
static int step_down(struct rec_restore_files *f, int dir, const char *name, const char *path, size_t len, bool make, struct rec_err *err)
{
    int fd;

    if (make && mkdirat(dir, name, 0755) == 0) {
        struct rec_restore_staged *item = add_item(f, path, len, REC_TAR_DIRECTORY, err);
        if (!item) {
            (void)unlinkat(dir, name, AT_REMOVEDIR);
            return -1;
        }
        item->mode = 0755;
        item->made = true;
    } else if (make && errno != EEXIST) {
        return complain(f, path, err);
    }
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? complain(f, path, err) : fd;
}

/* The directory that `path` is in (all: the one it is), opened; -1. */
static int walk(struct rec_restore_files *f, const char *path, bool all, bool make, struct rec_err *err)
{
    int dir = fcntl(f->root, F_DUPFD_CLOEXEC, 0);
    const char *p = path;

    if (dir < 0)
        return rec_err_errno(err, "%s", f->directory);
    for (;;) {
        size_t n = strcspn(p, "/");
        char name[256];
        int next;
        if (p[n] == '\0' && !all)
            return dir;
        if (n >= sizeof name) {
            close(dir);
            return rec_err_set(err, "%s/%s: a name is too long", f->directory, path);
        }
        memcpy(name, p, n);
        name[n] = '\0';
        next = step_down(f, dir, name, path, (size_t)(p - path) + n, make, err);
        close(dir);
        if (next < 0 || p[n] == '\0')
            return next;
        dir = next;
        p += n + 1;
    }
}

/* ---- staging ---- */

static bool all_zero(const unsigned char *block, size_t len)
{
    return len == 0 || (block[0] == 0 && !memcmp(block, block + 1, len - 1));
}

/* Blocks of zeros become holes again. */
static int write_block(int fd, const unsigned char *block, size_t len)
{
    if (all_zero(block, len))
        return lseek(fd, (off_t)len, SEEK_CUR) < 0 ? -1 : 0;
    while (len) {
        ssize_t n = write(fd, block, len);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            block += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

static int write_content(struct rec_restore_files *f, int fd, struct rec_archive_reader *archive, const struct rec_tar_member *member,
                         const char *path, struct rec_err *err)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)member->mtime}};
    size_t got;

    do {
        if (rec_archive_read(archive, f->block, BACKUP_BLOCK, &got, err) < 0)
            return -1;
        if (write_block(fd, f->block, got) < 0)
            return complain(f, path, err);
    } while (got == BACKUP_BLOCK);
    if (ftruncate(fd, (off_t)member->size) < 0 || fchmod(fd, member->mode & 0777) < 0 || futimens(fd, times) < 0 || fsync(fd) < 0)
        return complain(f, path, err);
    return 0;
}

static int stage_file(struct rec_restore_files *f, int dir, struct rec_archive_reader *archive, const struct rec_tar_member *member,
                      const char *path, const char *temporary, struct rec_err *err)
{
    int fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600), status;

    if (fd < 0)
        return complain(f, path, err);
    status = write_content(f, fd, archive, member, path, err);
    if (close(fd) < 0 && status == 0)
        status = complain(f, path, err);
    if (status < 0)
        (void)unlinkat(dir, temporary, 0);
    return status;
}

static size_t depth_of(const char *path)
{
    size_t n = 0;
    for (; *path; path++)
        n += *path == '/';
    return n;
}

static int stage_link(struct rec_restore_files *f, int dir, const struct rec_tar_member *member, const char *path, const char *temporary,
                      struct rec_err *err)
{
    if (!rec_collect_link_stays(member->link, depth_of(path)))
        return rec_err_set(err, "%s/%s: a link that leads outside; it is not restored", f->directory, path);
    return symlinkat(member->link, dir, temporary) < 0 ? complain(f, path, err) : 0;
}

/* A file or link. */
static int stage(struct rec_restore_files *f, int dir, struct rec_archive_reader *archive, const struct rec_tar_member *member, const char *path,
                 struct rec_err *err)
{
    struct rec_restore_staged *item;
    char temporary[256];
    struct stat st;
    int status;

    if (fstatat(dir, base_of(path), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return rec_err_set(err, "%s/%s: is a directory, where the archive has a file; move it away", f->directory, path);
    temporary_name(temporary, path);
    if (unlinkat(dir, temporary, 0) < 0 && errno != ENOENT)
        return complain(f, path, err);
    status = member->type == REC_TAR_LINK ? stage_link(f, dir, member, path, temporary, err)
                                          : stage_file(f, dir, archive, member, path, temporary, err);
    if (status < 0)
        return -1;
    item = add_item(f, path, strlen(path), member->type, err);
    if (!item)
        (void)unlinkat(dir, temporary, 0);
    return item ? 0 : -1;
}

int rec_restore_files_add(struct rec_restore_files *f, struct rec_archive_reader *archive, const struct rec_tar_member *member,
                          struct rec_err *err)
{
    const char *path = member->name + strlen(BACKUP_FILES);
    bool directory = member->type == REC_TAR_DIRECTORY;
    struct rec_restore_staged *item;
    int dir = walk(f, path, directory, true, err), status = 0;

    if (dir < 0)
        return -1;
    if (!directory) {
        status = stage(f, dir, archive, member, path, err);
    } else {
        /* Its mode and time are set when what is in it is in place. */
        item = add_item(f, path, strlen(path), REC_TAR_DIRECTORY, err);
        status = item ? 0 : -1;
        if (item) {
            item->mode = member->mode & 0777;
            item->mtime = member->mtime;
        }
    }
    close(dir);
    return status;
}

/* ---- placing ---- */

static int place(struct rec_restore_files *f, struct rec_restore_staged *item, struct rec_err *err)
{
    int dir = walk(f, item->path, false, false, err), status;
    char temporary[256];

    if (dir < 0)
        return -1;
    temporary_name(temporary, item->path);
    status = renameat(dir, temporary, dir, base_of(item->path)) < 0 ? complain(f, item->path, err) : 0;
    item->placed = status == 0;
    if (status == 0)
        (void)fsync(dir);
    close(dir);
    return status;
}

static int settle_directory(struct rec_restore_files *f, const struct rec_restore_staged *item, struct rec_err *err)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)item->mtime}};
    int fd = walk(f, item->path, true, false, err), status = 0;

    if (fd < 0)
        return -1;
    if (fchmod(fd, item->mode) < 0 || futimens(fd, times) < 0 || fsync(fd) < 0)
        status = complain(f, item->path, err);
    close(fd);
    return status;
}

int rec_restore_files_place(struct rec_restore_files *f, struct rec_err *err)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->item[i].type != REC_TAR_DIRECTORY && place(f, &f->item[i], err) < 0)
            return -1;
    /* From below to above, as a directory may be one that its owner cannot enter or write. */
    for (size_t i = f->n; i-- > 0;) {
        struct rec_restore_staged *item = &f->item[i];
        if (item->type == REC_TAR_DIRECTORY && !item->made && settle_directory(f, item, err) < 0)
            return -1;
        item->placed = true;
    }
    return 0;
}

/* ---- opening and closing ---- */

int rec_restore_files_open(struct rec_restore_files *f, const char *directory, struct rec_err *err)
{
    *f = (struct rec_restore_files){.directory = directory, .root = -1};
    if (mkdir(directory, 0755) < 0 && errno != EEXIST)
        return rec_err_errno(err, "%s", directory);
    f->root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->root < 0)
        return rec_err_errno(err, "%s", directory);
    f->block = rec_malloc(BACKUP_BLOCK, 1, directory, err);
    return f->block ? 0 : -1;
}

static void drop(struct rec_restore_files *f, const struct rec_restore_staged *item)
{
    int dir = walk(f, item->path, false, false, NULL);
    char temporary[256];

    if (dir < 0)
        return;
    temporary_name(temporary, item->path);
    if (item->type == REC_TAR_DIRECTORY && item->made)
        (void)unlinkat(dir, base_of(item->path), AT_REMOVEDIR);
    else if (item->type != REC_TAR_DIRECTORY)
        (void)unlinkat(dir, temporary, 0);
    close(dir);
}

void rec_restore_files_close(struct rec_restore_files *f)
{
    for (size_t i = f->n; i-- > 0;) {
        if (!f->item[i].placed)
            drop(f, &f->item[i]);
        free(f->item[i].path);
    }
    free(f->item);
    free(f->block);
    if (f->directory && f->root >= 0)
        close(f->root);
    *f = (struct rec_restore_files){.root = -1};
}
