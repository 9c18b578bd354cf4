/* SPDX-License-Identifier: MIT
 *
 * Never two jobs of one name at once. The lock is flock(2) on an open file: when its holders end, however that is, it is gone. The guard holds
 * it too, so that a next run does not begin while processes of a killed one are about.
 */
#include "rec-job.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* As mkdir -p. */
static int make_directories(char *path, struct rec_err *err)
{
    for (char *p = path + 1;; p++) {
        char was = *p;

        if (was && was != '/')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return rec_err_errno(err, "%s", path);
        *p = was;
        if (!was)
            return 0;
    }
}

int job_state_path(struct rec_buf *out, const struct job *job, const char *suffix, struct rec_err *err)
{
    const char *service = getenv("STATE_DIRECTORY"), *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (job->set->state && *job->set->state)
        rec_buf_adds(out, job->set->state);
    else if (service && *service == '/')
        rec_buf_addf(out, "%.*s/jobs", (int)strcspn(service, ":"), service);
    else if (state && *state == '/')
        rec_buf_addf(out, "%s/rec/jobs", state);
    else if (home && *home == '/')
        rec_buf_addf(out, "%s/.local/state/rec/jobs", home);
    else
        return rec_err_set(err, "--state: neither it nor HOME is set; say where locks and totals are kept");
    if (out->failed)
        return rec_err_memory(err, "state");
    if (make_directories(out->data, err) < 0)
        return -1;
    rec_buf_addc(out, '/');
    job_file_name(out, job->name);
    rec_buf_adds(out, suffix);
    return out->failed ? rec_err_memory(err, "state") : 0;
}

static int lock_file(struct job *job, const char *path, struct rec_err *err)
{
    const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    double until = tool_now() + job->set->wait;

    job->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (job->lock < 0)
        return rec_err_errno(err, "%s", path);
    while (flock(job->lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return rec_err_errno(err, "%s", path);
        if (tool_now() >= until)
            return 0;
        nanosleep(&pause, NULL);
    }
    return 1;
}

int job_lock(struct job *job, struct rec_err *err)
{
    struct rec_buf path = {0};
    int rc = -1;

    if (job->set->no_lock || (!job->set->lock && !job->set->name))
        return 1;
    if (job->set->lock)
        rc = lock_file(job, job->set->lock, err);
    else if (job_state_path(&path, job, ".lock", err) == 0)
        rc = lock_file(job, path.data, err);
    rec_buf_clear(&path);
    return rc;
}
