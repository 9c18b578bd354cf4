/* SPDX-License-Identifier: MIT
 *
 * Whole inputs in memory, and outputs that appear complete or not at all.
 *
 * An output file is written to `.NAME.rec-tmp` beside it and renamed after fsync. The name is fixed, so a killed run leaves at most
 * one leftover and the next run takes it over; a lock on it keeps two runs from writing it at once.
 */
#include <rec/util.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024 };

/* ---- inputs ---- */

static bool is_stdio(const char *path)
{
    return !path || !strcmp(path, "-");
}

static int read_all(struct rec_in *in, int fd, struct rec_err *err)
{
    unsigned char *data = NULL;

    for (;;) {
        if (in->len == in->cap) {
            size_t cap = in->cap ? in->cap * 2 : BLOCK;
            if (cap < in->cap || rec_realloc(&data, cap, 1, in->name, err) < 0)
                goto failed;
            in->cap = cap;
        }
        ssize_t n = read(fd, data + in->len, in->cap - in->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rec_err_errno(err, "%s", in->name);
            goto failed;
        }
        if (n == 0)
            break;
        in->len += (size_t)n;
    }
    in->data = data;
    return 0;
failed:
    free(data);
    return -1;
}

/* A regular file is mapped from where its descriptor stands, which for `<` is the beginning. */
static int map_all(struct rec_in *in, int fd, const struct stat *st, struct rec_err *err)
{
    void *p = mmap(NULL, (size_t)st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);

    if (p == MAP_FAILED)
        return rec_err_errno(err, "%s", in->name);
    in->data = p;
    in->len = (size_t)st->st_size;
    in->mapped = true;
    return 0;
}

static int load(struct rec_in *in, int fd, struct rec_err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return rec_err_errno(err, "%s", in->name);
    if (S_ISDIR(st.st_mode))
        return rec_err_set(err, "%s: is a directory", in->name);
    if (S_ISREG(st.st_mode) && st.st_size > 0 && lseek(fd, 0, SEEK_CUR) == 0)
        return map_all(in, fd, &st, err);
    return read_all(in, fd, err);
}

int rec_in_open(struct rec_in *in, const char *path, struct rec_err *err)
{
    int fd = STDIN_FILENO, status;

    *in = (struct rec_in){.name = is_stdio(path) ? "standard input" : path};
    if (is_stdio(path) && isatty(fd))
        return rec_err_set(err, "standard input: is a terminal; name a file, or use < or a pipe");
    if (!is_stdio(path)) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return rec_err_errno(err, "%s", path);
    }
    status = load(in, fd, err);
    if (fd != STDIN_FILENO)
        close(fd);
    return status;
}

int rec_in_descriptor(struct rec_in *in, int fd, const char *name, struct rec_err *err)
{
    *in = (struct rec_in){.name = name};
    return load(in, fd, err);
}

void rec_in_close(struct rec_in *in)
{
    if (in->mapped)
        munmap((void *)(uintptr_t)in->data, in->len);
    else
        free((void *)(uintptr_t)in->data);
    *in = (struct rec_in){0};
}

/* ---- outputs ---- */

/* dir/NAME -> dir/.NAME.rec-tmp */
static char *temporary_name(const char *target)
{
    const char *slash = strrchr(target, '/');
    size_t dir = slash ? (size_t)(slash - target) + 1 : 0;
    struct rec_buf buf = {0};

    rec_buf_add(&buf, target, dir);
    rec_buf_addf(&buf, ".%s.rec-tmp", target + dir);
    if (!buf.failed)
        return buf.data;
    rec_buf_clear(&buf);
    return NULL;
}

/* True when fd still is what the name stands for: a run that just finished may have renamed it away between open and lock. */
static bool still_named(int fd, const char *path)
{
    struct stat ours, named;

    return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

static int open_temporary(struct rec_out *out, mode_t mode, struct rec_err *err)
{
    for (;;) {
        out->fd = open(out->temporary, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
        if (out->fd < 0)
            return rec_err_errno(err, "%s", out->name);
        if (flock(out->fd, LOCK_EX | LOCK_NB) < 0) {
            rec_err_set(err, "%s: is being written by another process", out->name);
            close(out->fd);
            out->fd = -1;
            return -1;
        }
        if (still_named(out->fd, out->temporary))
            break;
        close(out->fd);
    }
    if (ftruncate(out->fd, 0) < 0)
        return rec_err_errno(err, "%s", out->name);
    return 0;
}

/* A link is followed, so that what it points to is replaced, and not the link. */
static int open_file(struct rec_out *out, const char *path, struct rec_err *err)
{
    struct stat st;
    mode_t mode = 0666;

    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return rec_err_set(err, "%s: is a directory", path);
        if (!S_ISREG(st.st_mode)) {
            out->fd = open(path, O_WRONLY | O_CLOEXEC);
            return out->fd < 0 ? rec_err_errno(err, "%s", path) : 0;
        }
        if (access(path, W_OK) < 0)
            return rec_err_errno(err, "%s", path);
        mode = st.st_mode & 0777;
        out->target = realpath(path, NULL);
    } else {
        out->target = strdup(path);
    }
    out->temporary = out->target ? temporary_name(out->target) : NULL;
    if (!out->temporary)
        return rec_err_memory(err, path);
    return open_temporary(out, mode, err);
}

int rec_out_open(struct rec_out *out, const char *path, bool binary, struct rec_err *err)
{
    *out = (struct rec_out){.name = is_stdio(path) ? "standard output" : path, .fd = STDOUT_FILENO};
    if (is_stdio(path)) {
        if (binary && isatty(STDOUT_FILENO))
            return rec_err_set(err, "standard output: is a terminal; use -o FILE, > or a pipe");
    } else if (open_file(out, path, err) < 0) {
        rec_out_abort(out);
        return -1;
    }
    out->block = rec_malloc(BLOCK, 1, out->name, err);
    if (!out->block) {
        rec_out_abort(out);
        return -1;
    }
    return 0;
}

static int write_all(struct rec_out *out, const unsigned char *data, size_t len, struct rec_err *err)
{
    while (len) {
        ssize_t n = write(out->fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rec_err_errno(err, "%s", out->name);
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int rec_out_flush(struct rec_out *out, struct rec_err *err)
{
    size_t fill = out->fill;

    out->fill = 0;
    return write_all(out, out->block, fill, err);
}

int rec_out_write(struct rec_out *out, const void *data, size_t len, struct rec_err *err)
{
    out->written += len;
    if (len > BLOCK - out->fill && rec_out_flush(out, err) < 0)
        return -1;
    if (len >= BLOCK)
        return write_all(out, data, len, err);
    if (len)
        memcpy(out->block + out->fill, data, len);
    out->fill += len;
    return 0;
}

/* The directory is synced too, or the new name could be lost with the power. */
static void sync_directory(const char *target)
{
    const char *slash = strrchr(target, '/');
    char *dir = slash ? strndup(target, (size_t)(slash - target) + 1) : strdup(".");
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    free(dir);
}

static int put_in_place(struct rec_out *out, struct rec_err *err)
{
    if (fsync(out->fd) < 0 || rename(out->temporary, out->target) < 0)
        return rec_err_errno(err, "%s", out->name);
    sync_directory(out->target);
    free(out->temporary);
    out->temporary = NULL;
    return 0;
}

int rec_out_commit(struct rec_out *out, struct rec_err *err)
{
    int status = rec_out_flush(out, err);

    if (status == 0 && out->temporary)
        status = put_in_place(out, err);
    if (status == 0) {
        int fd = out->fd;
        out->fd = -1;
        if (close(fd) < 0)
            status = rec_err_errno(err, "%s", out->name);
    }
    rec_out_abort(out);
    return status;
}

void rec_out_abort(struct rec_out *out)
{
    if (out->temporary && out->fd >= 0)
        unlink(out->temporary);
    if (out->target && out->fd >= 0)
        close(out->fd);
    free(out->temporary);
    free(out->target);
    free(out->block);
    *out = (struct rec_out){.fd = -1};
}
