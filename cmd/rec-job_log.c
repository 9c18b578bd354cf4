/* SPDX-License-Identifier: MIT
 *
 * A log that is rotated by size: FILE becomes FILE.1, that FILE.2, and so on; the oldest goes. Several processes may write one log.
 */
#include "rec-job.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_it(struct job_log *log, struct rec_err *err)
{
    log->fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    return log->fd < 0 ? rec_err_errno(err, "%s", log->path) : 0;
}

int job_log_open(struct job_log *log, const char *path, int64_t size, int64_t keep, struct rec_err *err)
{
    *log = (struct job_log){.path = path, .size = size, .keep = keep, .fd = -1};
    return open_it(log, err);
}

static bool is_named(const struct job_log *log)
{
    struct stat ours, named;

    return fstat(log->fd, &ours) == 0 && stat(log->path, &named) == 0 && ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

static int move(const char *path, int64_t from, int64_t to, struct rec_err *err)
{
    char old[JOB_TEXT], new[JOB_TEXT];

    snprintf(old, sizeof old, from ? "%s.%lld" : "%s", path, (long long)from);
    snprintf(new, sizeof new, "%s.%lld", path, (long long)to);
    if (rename(old, new) < 0 && errno != ENOENT)
        return rec_err_errno(err, "%s", new);
    return 0;
}

/* The lock is on the file that is to be put aside: another process that waits for it finds that it is named otherwise now. */
static int rotate(struct job_log *log, struct rec_err *err)
{
    if (flock(log->fd, LOCK_EX) < 0)
        return rec_err_errno(err, "%s", log->path);
    if (is_named(log)) {
        for (int64_t i = log->keep; i > 0; i--)
            if (move(log->path, i - 1, i, err) < 0)
                return -1;
        if (log->keep == 0 && ftruncate(log->fd, 0) < 0)
            return rec_err_errno(err, "%s", log->path);
    }
    close(log->fd);
    return open_it(log, err);
}

int job_log_write(struct job_log *log, const char *text, size_t len, struct rec_err *err)
{
    struct stat st;

    if (log->fd < 0 && open_it(log, err) < 0)
        return -1;
    if (fstat(log->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size + (int64_t)len > log->size && rotate(log, err) < 0)
        return -1;
    while (len) {
        ssize_t n = write(log->fd, text, len);

        if (n < 0 && errno != EINTR)
            return rec_err_errno(err, "%s", log->path);
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}
