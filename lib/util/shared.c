/* SPDX-License-Identifier: MIT
 *
 * Memory that processes share: a file of fixed size, mapped by all of them. The first one makes it, under a lock on the file.
 */
#include <rec/util.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whether the file is whole: its head is what is written last. */
static bool is_made(int fd, const struct stat *st, const struct rec_shared *s)
{
    unsigned char begin[64];

    return S_ISREG(st->st_mode) && (size_t)st->st_size == s->bytes && pread(fd, begin, s->same, 0) == (ssize_t)s->same &&
           memcmp(begin, s->head, s->same) == 0;
}

/* With the file locked: whether it is the one that is asked for; an empty one becomes it. */
static int prepare(int fd, const struct rec_shared *s, const char *path, struct rec_err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return rec_err_set(err, "%s: not a regular file", path);
    if (is_made(fd, &st, s))
        return 0;
    /* One of another make may be in use: it is never changed. */
    if (st.st_size > 0)
        return rec_err_set(err, "%s: not %s of this size; delete it when no server is running", path, s->what);
    if (posix_fallocate(fd, 0, (off_t)s->bytes) == 0 && pwrite(fd, s->head, s->head_len, 0) == (ssize_t)s->head_len)
        return 0;
    if (ftruncate(fd, 0) < 0)
        return rec_err_errno(err, "%s: no room for %zu bytes, and left half made", path, s->bytes);
    return rec_err_set(err, "%s: no room for %zu bytes", path, s->bytes);
}

static void *map_file(const struct rec_shared *s, const char *path, struct rec_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    void *map = NULL;
    bool made = fd >= 0 && fstat(fd, &st) == 0 && is_made(fd, &st, s), locked = false;

    /* One that is made is never changed: processes that come by the hundred do not wait for each other here. */
    if (fd < 0 || (!made && !(locked = flock(fd, LOCK_EX) == 0))) {
        rec_err_errno(err, "%s", path);
    } else if (made || prepare(fd, s, path, err) == 0) {
        map = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
            rec_err_errno(err, "%s", path);
            map = NULL;
        }
    }
    /* The mapping holds on to the open file, and with it to the lock: closing alone would keep every other process waiting. */
    if (fd >= 0) {
        if (locked)
            flock(fd, LOCK_UN);
        close(fd);
    }
    return map;
}

void *rec_shared_map(const struct rec_shared *s, const char *path, struct rec_err *err)
{
    void *map;

    if (path)
        return map_file(s, path, err);
    map = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        rec_err_memory(err, s->what);
        return NULL;
    }
    memcpy(map, s->head, s->head_len);
    return map;
}

void rec_shared_unmap(void *map, size_t bytes)
{
    if (map)
        munmap(map, bytes);
}
