/* SPDX-License-Identifier: MIT
 *
 * A second process, asleep, that ends the command's process group when rec-job is killed (kill -9, out of memory) and cannot. It hears of that
 * by the end of a pipe that rec-job alone holds open.
 */
#include "rec-job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void end_group(pid_t group, double grace)
{
    const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
    double until = tool_now() + grace;

    kill(-group, SIGTERM);
    kill(-group, SIGCONT);
    while (kill(-group, 0) == 0 && tool_now() < until)
        nanosleep(&pause, NULL);
    kill(-group, SIGKILL);
}

/* What comes is the number of the command's process; then nothing while rec-job lives; then a zero, or the end. */
static void watch(int fd, double grace)
{
    pid_t group = 0, got;
    ssize_t n;

    while ((n = read(fd, &got, sizeof got)) > 0 || (n < 0 && errno == EINTR))
        if (n == sizeof got && got == 0)
            return;
        else if (n == sizeof got)
            group = got;
    if (group > 0)
        end_group(group, grace);
}

int job_guard_start(struct job_guard *guard, const struct job *job, struct rec_err *err)
{
    int fds[2];
    sigset_t all;

    *guard = (struct job_guard){.fd = -1};
    if (pipe2(fds, O_CLOEXEC) < 0)
        return rec_err_errno(err, "pipe");
    if ((guard->pid = fork()) < 0) {
        rec_err_errno(err, "fork");
        close(fds[0]);
        close(fds[1]);
        return -1;
    }
    if (guard->pid == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        // Neither the terminal's signals nor who waits for the end of our output is any matter of this process.
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        setpgid(0, 0);
        prctl(PR_SET_NAME, "rec-job-guard");
        close(fds[1]);
        for (int i = 0; i < 3; i++)
            (void)dup2(null, i);
        watch(fds[0], job->set->kill_after);
        _exit(0);
    }
    close(fds[0]);
    guard->fd = fds[1];
    return 0;
}

void job_guard_end(struct job_guard *guard)
{
    pid_t none = 0;

    if (guard->fd < 0)
        return;
    if (write(guard->fd, &none, sizeof none) < 0 && errno != EPIPE)
        kill(guard->pid, SIGKILL);
    close(guard->fd);
    while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    guard->fd = -1;
}
