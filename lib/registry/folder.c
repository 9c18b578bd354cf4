/* SPDX-License-Identifier: MIT
 *
 * A directory, held open: its files by openat(2) without links. What is written is fsynced, and so is the directory that its name is in.
 */
#include "registry_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening ---- */

static int enter(struct rec_folder *folder, int at, const char *above, const char *name, struct rec_err *err)
{
    struct rec_buf path = {0};

    *folder = (struct rec_folder){.fd = -1};
    rec_buf_addf(&path, "%s%s%s", above, name ? "/" : "", name ? name : "");
    if (path.failed)
        return rec_err_memory(err, above);
    folder->fd = openat(at, name ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder->fd >= 0) {
        folder->path = path.data;
        return 0;
    }
    /* With O_DIRECTORY a link is "not a directory". */
    if (errno == ENOTDIR || errno == ELOOP)
        rec_err_set(err, "%s: is no directory (links are not followed in a registry)", path.data);
    else
        rec_err_errno(err, "%s", path.data);
    rec_buf_clear(&path);
    return -1;
}

int rec_folder_open(struct rec_folder *folder, const struct rec_registry *registry, const char *name, struct rec_err *err)
{
    return enter(folder, registry->dir, registry->path, name, err);
}

int rec_folder_enter(struct rec_folder *folder, const struct rec_folder *in, const char *name, struct rec_err *err)
{
    return enter(folder, in->fd, in->path, name, err);
}

int rec_folder_make(struct rec_folder *folder, const struct rec_folder *in, const char *name, struct rec_err *err)
{
    *folder = (struct rec_folder){.fd = -1};
    if (mkdirat(in->fd, name, 0777) < 0)
        return rec_err_errno(err, "%s/%s", in->path, name);
    return rec_folder_enter(folder, in, name, err);
}

void rec_folder_close(struct rec_folder *folder)
{
    if (folder->path)
        close(folder->fd);
    free(folder->path);
    *folder = (struct rec_folder){.fd = -1};
}

/* ---- reading ---- */

int rec_folder_file(const struct rec_folder *folder, const char *name, struct rec_err *err)
{
    struct stat st;
    int fd = openat(folder->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 && errno == ELOOP)
        return rec_err_set(err, "%s/%s: is a symbolic link, which is not followed in a registry", folder->path, name);
    if (fd < 0)
        return rec_err_errno(err, "%s/%s", folder->path, name);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    close(fd);
    return rec_err_set(err, "%s/%s: is no regular file", folder->path, name);
}

int rec_folder_get(struct rec_buf *out, const struct rec_folder *folder, const char *name, struct rec_err *err)
{
    size_t before = out->len;
    ssize_t got = 1;
    int fd = rec_folder_file(folder, name, err), status = 0;

    if (fd < 0)
        return -1;
    while (status == 0 && got > 0) {
        if (rec_buf_reserve(out, 65536) < 0) {
            status = rec_err_memory(err, name);
            break;
        }
        got = read(fd, out->data + out->len, 65536);
        if (got < 0 && errno != EINTR)
            status = rec_err_errno(err, "%s/%s", folder->path, name);
        out->len += got > 0 ? (size_t)got : 0;
        if (out->len - before > REC_FOLDER_LONGEST)
            status = rec_err_set(err, "%s/%s: is longer than %zu bytes", folder->path, name, REC_FOLDER_LONGEST);
    }
    if (out->data)
        out->data[out->len] = '\0';
    close(fd);
    return status;
}

bool rec_folder_has(const struct rec_folder *folder, const char *name)
{
    struct stat st;

    return fstatat(folder->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Texts one behind another, put in order. */
static int sort(struct rec_buf *out, size_t n, struct rec_err *err)
{
    struct rec_buf sorted = {0};
    char **name = rec_malloc(n, sizeof *name, "directory", err);
    size_t i = 0;

    if (!name)
        return -1;
    for (char *p = out->data; i < n; p += strlen(p) + 1)
        name[i++] = p;
    qsort(name, n, sizeof *name, by_name);
    for (i = 0; i < n; i++)
        rec_buf_add(&sorted, name[i], strlen(name[i]) + 1);
    rec_buf_addc(&sorted, '\0');
    free(name);
    rec_buf_clear(out);
    *out = sorted;
    return sorted.failed ? rec_err_memory(err, "directory") : 0;
}

int rec_folder_names(struct rec_buf *out, const struct rec_folder *folder, struct rec_err *err)
{
    int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    size_t n = 0;

    *out = (struct rec_buf){0};
    if (!dir) {
        rec_err_errno(err, "%s", folder->path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    errno = 0;
    while ((entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) {
            rec_buf_add(out, entry->d_name, strlen(entry->d_name) + 1);
            n++;
        }
    if (errno == 0 && !out->failed) {
        closedir(dir);
        return sort(out, n, err);
    }
    rec_err_errno(err, "%s", folder->path);
    closedir(dir);
    rec_buf_clear(out);
    return -1;
}

int rec_folder_digest(struct rec_registry_file *out, int fd, const struct rec_folder *folder, const char *name, struct rec_err *err)
{
    unsigned char block[65536], digest[REC_SHA256_BYTES];
    struct rec_sha256 hash;
    ssize_t got;

    rec_sha256_begin(&hash);
    out->bytes = 0;
    while ((got = pread(fd, block, sizeof block, (off_t)out->bytes)) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return rec_err_errno(err, "%s/%s", folder->path, name);
        rec_sha256_add(&hash, block, (size_t)got);
        out->bytes += (uint64_t)got;
    }
    rec_sha256_end(&hash, digest);
    rec_secret_hex(out->sha256, digest, sizeof digest);
    return 0;
}

/* ---- writing ---- */

int rec_folder_sync(const struct rec_folder *folder, struct rec_err *err)
{
    /* A file system that cannot sync a directory says EINVAL. */
    return fsync(folder->fd) == 0 || errno == EINVAL ? 0 : rec_err_errno(err, "%s", folder->path);
}

static int write_whole(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno != EINTR)
            return -1;
        bytes += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return fsync(fd);
}

/* Writers hold the registry's lock: a temporary file of that name is a killed run's. */
int rec_folder_put(const struct rec_folder *folder, const char *name, const void *bytes, size_t n, mode_t mode, struct rec_err *err)
{
    struct rec_buf temporary = {0};
    int fd, status;

    rec_buf_addf(&temporary, ".%s.rec-tmp", name);
    if (temporary.failed)
        return rec_err_memory(err, name);
    (void)unlinkat(folder->fd, temporary.data, 0);
    fd = openat(folder->fd, temporary.data, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    status = fd < 0 ? -1 : write_whole(fd, bytes, n);
    if (fd >= 0 && close(fd) < 0)
        status = -1;
    if (status == 0)
        status = renameat(folder->fd, temporary.data, folder->fd, name);
    if (status < 0) {
        rec_err_errno(err, "%s/%s", folder->path, name);
        (void)unlinkat(folder->fd, temporary.data, 0);
    }
    rec_buf_clear(&temporary);
    return status < 0 ? -1 : rec_folder_sync(folder, err);
}

int rec_folder_remove(const struct rec_folder *folder, const char *name, struct rec_err *err)
{
    struct rec_folder gone;
    struct rec_buf names;
    int status = 0;

    if (!rec_folder_has(folder, name))
        return 0;
    if (rec_folder_enter(&gone, folder, name, NULL) < 0) /* a link, or a file: that name goes, and nothing behind it */
        return unlinkat(folder->fd, name, 0) == 0 ? 0 : rec_err_errno(err, "%s/%s", folder->path, name);
    status = rec_folder_names(&names, &gone, err);
    for (const char *p = names.data; status == 0 && *p; p += strlen(p) + 1)
        if (unlinkat(gone.fd, p, 0) < 0 && errno != ENOENT)
            status = rec_err_errno(err, "%s/%s", gone.path, p);
    if (status == 0 && unlinkat(folder->fd, name, AT_REMOVEDIR) < 0)
        status = rec_err_errno(err, "%s", gone.path);
    rec_buf_clear(&names);
    rec_folder_close(&gone);
    return status;
}
