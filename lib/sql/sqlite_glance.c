/* SPDX-License-Identifier: MIT
 *
 * What an SQLite file holds, told apart from what it held before without opening it: a process that lives for one request spends more on opening it
 * (its schema is parsed, the index of its log is made anew) than on all the rest.
 *
 * A commit is frames appended to the write-ahead log, then the header of the log's index (https://sqlite.org/walformat.html), and with that it is done. A
 * checkpoint copies frames into the file. So these are looked at: the header (of which there are two copies); of the file and of its log device, inode, size and
 * the time of the last write, of the file also that of its inode (not of the log: for root, SQLite sets its owner anew whenever it opens it); and the boot, since what a loss of power leaves of index, content and times need not fit together. Two glances
 * that are equal have no commit between them:
 *
 *   - A commit that began after the first wrote to the log after it, and with that changed the log's times: the kernel sets them before it copies a byte. They are as
 *     coarse as the kernel's tick; so a glance is refused while a time is not older than two ticks by that same clock (three seconds where times look as if
 *     they had no fractions): a later write cannot get the same one. A clock that is put back to the very nanosecond would still leave the header.
 *   - A commit whose frames were written before the first, and that was done after it, wrote the header after it: a counter, the log's length and running checksum.
 *   - A process that was killed between frames and header has told nobody of a commit; who opens the file next, alone, makes the header anew from the frames,
 *     and only with that it was one.
 *   - A log that was emptied, removed and begun again is another inode or has other times; its new frames carry another salt.
 *
 * Where there is no log or no index, where the file has a second name (a link: then its log has another), and in a process that has an SQLite file open, there is
 * none: closing a descriptor of the index lets go of all locks that the process has on it. With a connection of one's own the header is had from that.
 */
#include "sqlite_priv.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = sizeof(struct rec_sql_version), FORMAT = 3007000, COARSE_NS = 20000000, COARSEST_S = 3 };

struct view {
    struct rec_sql_version version;
    uint64_t boot[5];
    uint64_t file[5], log[5], changed[2];
};
_Static_assert(sizeof(struct view) == sizeof(struct rec_sql_glance), "a glance is what was seen");

static bool see_boot(struct view *v)
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, v->boot, 36);

    if (fd >= 0)
        close(fd);
    return n == 36;
}

/* Whether a write from now on would get another time. */
static bool is_past(const struct timespec *t, const struct timespec *now)
{
    bool fine = t->tv_nsec % 1000000 != 0;
    int64_t ns = (int64_t)(now->tv_sec - t->tv_sec) * 1000000000 + (now->tv_nsec - t->tv_nsec);

    return now->tv_sec - t->tv_sec > COARSEST_S || (fine && now->tv_sec - t->tv_sec >= 0 && ns > COARSE_NS);
}

static bool see_file(uint64_t out[5], struct timespec *changed, const char *path, const struct timespec *now)
{
    struct stat st;

    if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1 || !is_past(&st.st_mtim, now))
        return false;
    out[0] = st.st_dev;
    out[1] = st.st_ino;
    out[2] = (uint64_t)st.st_size;
    out[3] = (uint64_t)st.st_mtim.tv_sec;
    out[4] = (uint64_t)st.st_mtim.tv_nsec;
    *changed = st.st_ctim;
    return true;
}

/* The header from the file that all processes map. */
static bool see_header(struct view *v, const char *path)
{
    struct rec_sql_version both[2];
    uint32_t format;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : pread(fd, both, sizeof both, 0);

    if (fd >= 0)
        close(fd);
    v->version = both[0];
    memcpy(&format, &both[0], sizeof format);
    return n == (ssize_t)sizeof both && memcmp(&both[0], &both[1], HEADER) == 0 && format == FORMAT;
}

/* The path, and behind it room for the ending of a name. */
static char *add_name(struct rec_buf *path, size_t len, const char *ending)
{
    path->len = len;
    rec_buf_adds(path, ending);
    return path->failed ? NULL : path->data;
}

bool rec_sqlite_glance(struct rec_sql_glance *out, const char *url, struct rec_sql *db)
{
    struct rec_buf path = {0};
    struct view v = {0};
    struct timespec now, changed = {0};
    struct rec_err ignored;
    size_t len;
    const char *name;
    bool seen = false;

    /* The clock first: what is written after it has at least its time. */
    if ((!db && rec_sqlite_open_count() > 0) || clock_gettime(CLOCK_REALTIME_COARSE, &now) < 0 || rec_sqlite_open_path(&path, url, url, &ignored) < 0)
        goto out;
    len = path.len;
    if (db ? !rec_sqlite_version(&v.version, db) : !(name = add_name(&path, len, "-shm")) || !see_header(&v, name))
        goto out;
    seen = see_boot(&v) && (name = add_name(&path, len, "-wal")) && see_file(v.log, &changed, name, &now) && (name = add_name(&path, len, "")) &&
           see_file(v.file, &changed, name, &now) && is_past(&changed, &now);
    v.changed[0] = (uint64_t)changed.tv_sec;
    v.changed[1] = (uint64_t)changed.tv_nsec;
    memcpy(out, &v, sizeof v);
out:
    rec_buf_clear(&path);
    return seen;
}
