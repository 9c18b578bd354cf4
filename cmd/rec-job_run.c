/* SPDX-License-Identifier: MIT
 *
 * One attempt: the command as a process group of its own, so that a timeout or a signal reaches whatever it has started.
 */
#include "rec-job.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the command left running may hold its output open: it is waited for so long. */
static const double linger = 2;

struct run {
    struct job *job;
    struct job_result *result;
    struct job_guard guard;
    pid_t pid;
    int from[2];               /* what the command writes, or -1 */
    double began, kill_at, until; /* of tool_now(); 0: not yet */
    bool reaped, killed;
};

/* ---- signals ---- */

static const int passed_on[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP};

int job_signals(struct job *job, struct rec_err *err)
{
    sigset_t set, before;

    _Static_assert(sizeof before <= sizeof job->mask, "room for the mask");
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < REC_LENGTH(passed_on); i++)
        sigaddset(&set, passed_on[i]);
    // One that is ignored, as SIGHUP under nohup(1), stays so. That of children must not be, or what became of them is not known.
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR || signal(SIGPIPE, SIG_IGN) == SIG_ERR || sigprocmask(SIG_BLOCK, &set, &before) < 0)
        return rec_err_errno(err, "signals");
    memcpy(job->mask, &before, sizeof before);
    job->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return job->signals < 0 ? rec_err_errno(err, "signalfd") : 0;
}

void job_signals_restore(const struct job *job)
{
    sigset_t before;

    memcpy(&before, job->mask, sizeof before);
    (void)signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* The next one that came, or 0. One to end by is remembered: there is no attempt after it. */
static int next_signal(struct job *job)
{
    struct signalfd_siginfo info;

    if (read(job->signals, &info, sizeof info) != sizeof info)
        return 0;
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT || info.ssi_signo == SIGHUP || info.ssi_signo == SIGQUIT)
        job->stopped = (int)info.ssi_signo;
    return (int)info.ssi_signo;
}

static int milliseconds(double seconds)
{
    return seconds <= 0 ? 0 : seconds > 1e6 ? 1000000000 : (int)ceil(seconds * 1000);
}

bool job_pause(struct job *job, double seconds)
{
    double until = tool_now() + seconds;

    while (!job->stopped && tool_now() < until) {
        struct pollfd p = {.fd = job->signals, .events = POLLIN};

        (void)poll(&p, 1, milliseconds(until - tool_now()));
        while (next_signal(job))
            ;
    }
    return !job->stopped;
}

/* ---- beginning ---- */

/* A group that is not the terminal's is stopped when it reads from it, and nobody would know: there is nothing to read instead. */
static bool leave_terminal(void)
{
    int null;

    if (!isatty(STDIN_FILENO))
        return true;
    null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return null >= 0 && dup2(null, STDIN_FILENO) >= 0;
}

/* In the new process. What is written to `status` is why it did not become the command. */
static void become(const struct run *run, int status, const int *out)
{
    const struct job *job = run->job;
    pid_t self = getpid();
    int why;

    setpgid(0, 0);
    // The guard knows us before we can do anything, whatever happens to rec-job.
    if (write(run->guard.fd, &self, sizeof self) != sizeof self)
        _exit(JOB_ERROR);
    if (!leave_terminal() || (out[0] >= 0 && (dup2(out[0], STDOUT_FILENO) < 0 || dup2(out[1], STDERR_FILENO) < 0)))
        _exit(JOB_ERROR);
    job_signals_restore(job);
    execvp(job->command[0], job->command);
    why = errno;
    if (write(status, &why, sizeof why) != sizeof why)
        _exit(JOB_ERROR);
    _exit(why == ENOENT ? JOB_NOT_FOUND : JOB_NOT_RUN);
}

static void close_all(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fds[i] >= 0) {
            close(fds[i]);
            fds[i] = -1;
        }
}

/* Forks; waits until the process is the command, or has said why not. */
static int start(struct run *run, struct rec_err *err)
{
    int status[2] = {-1, -1}, out[2] = {-1, -1}, why = 0;
    struct rec_err reason;

    for (int i = 0; i < 2 && job_output_captured(run->job); i++) {
        int fds[2];
        if (pipe2(fds, O_CLOEXEC) < 0) {
            rec_err_errno(err, "pipe");
            goto failed;
        }
        run->from[i] = fds[0];
        out[i] = fds[1];
        (void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
    }
    if (pipe2(status, O_CLOEXEC) < 0 || (run->pid = fork()) < 0) {
        rec_err_errno(err, "fork");
        goto failed;
    }
    if (run->pid == 0)
        become(run, status[1], out);
    setpgid(run->pid, run->pid);
    close_all(out, 2);
    close(status[1]);
    if (read(status[0], &why, sizeof why) == sizeof why) {
        errno = why;
        rec_err_errno(&reason, "%s", run->job->command[0]);
        tool_fail(run->job->tool, &reason);
    }
    close(status[0]);
    return 0;
failed:
    close_all(out, 2);
    close_all(status, 2);
    close_all(run->from, 2);
    return -1;
}

/* ---- while it runs ---- */

static void pass_signals(struct run *run)
{
    for (int signo; (signo = next_signal(run->job)) != 0;) {
        if (signo == SIGCHLD)
            continue;
        kill(-run->pid, signo);
        if (signo == SIGTSTP) {
            // Job control: both stop; when rec-job goes on, so does the command.
            raise(SIGSTOP);
            kill(-run->pid, SIGCONT);
        }
    }
}

static void reap(struct run *run)
{
    struct job_result *r = run->result;
    struct rusage used;
    int status;

    if (run->reaped || wait4(run->pid, &status, WNOHANG, &used) != run->pid)
        return;
    run->reaped = true;
    run->until = tool_now() + linger;
    r->ended = job_now();
    r->seconds = round((tool_now() - run->began) * 1e6) / 1e6;
    r->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    r->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    r->user = (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec * 1e-6;
    r->system = (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec * 1e-6;
    r->max_rss = (uint64_t)used.ru_maxrss * 1024;
}

static void look_at_clock(struct run *run)
{
    const struct job_settings *set = run->job->set;
    double now = tool_now();

    if (!run->reaped && !run->result->timed_out && set->timeout > 0 && now >= run->began + set->timeout) {
        run->result->timed_out = true;
        run->kill_at = now + set->kill_after;
        job_output_note(run->job, "no end after %.3f s: SIGTERM", now - run->began);
        kill(-run->pid, SIGTERM);
        kill(-run->pid, SIGCONT);
    }
    if (run->kill_at > 0 && !run->killed && now >= run->kill_at) {
        run->killed = true;
        job_output_note(run->job, "SIGKILL");
        kill(-run->pid, SIGKILL);
    }
}

static void take_output(struct run *run, int stream)
{
    char block[65536];
    ssize_t n = read(run->from[stream], block, sizeof block);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    // When nobody reads it the command hears of that as it would without us, by SIGPIPE.
    if (n <= 0 || !job_output_take(run->job, stream, block, (size_t)n)) {
        close(run->from[stream]);
        run->from[stream] = -1;
    }
}

/* What it started may live on, and is let live, unless it was to end by a timeout. */
static bool is_over(struct run *run)
{
    bool group = run->result->timed_out && !run->killed && kill(-run->pid, 0) == 0;

    return run->reaped && !group && ((run->from[0] < 0 && run->from[1] < 0) || run->killed || tool_now() >= run->until);
}

static int time_left(const struct run *run)
{
    double at = INFINITY, now = tool_now();

    if (run->reaped && run->result->timed_out)
        return 20;
    if (run->reaped)
        at = run->until;
    else if (run->kill_at > 0 && !run->killed)
        at = run->kill_at;
    else if (run->job->set->timeout > 0 && !run->killed)
        at = run->began + run->job->set->timeout;
    return isinf(at) ? -1 : milliseconds(at - now);
}

static void wait_for_it(struct run *run)
{
    for (;;) {
        struct pollfd p[] = {
            {.fd = run->job->signals, .events = POLLIN}, {.fd = run->from[0], .events = POLLIN}, {.fd = run->from[1], .events = POLLIN},
        };

        (void)poll(p, 3, time_left(run));
        for (int i = 0; i < 2; i++)
            if (run->from[i] >= 0 && p[1 + i].revents)
                take_output(run, i);
        pass_signals(run);
        reap(run);
        look_at_clock(run);
        if (is_over(run))
            break;
    }
    // What came between its end and here.
    for (int i = 0; i < 2; i++)
        if (run->from[i] >= 0)
            take_output(run, i);
    close_all(run->from, 2);
}

int job_attempt(struct job_result *out, struct job *job, int64_t attempt, struct rec_err *err)
{
    struct run run = {.job = job, .result = out, .from = {-1, -1}, .began = tool_now()};
    struct rec_buf text = {0};
    int rc;

    *out = (struct job_result){.attempt = attempt, .began = job_now(), .status = -1};
    job_command_text(&text, job);
    job_output_note(job, "attempt %lld, run %s: %s", (long long)attempt, job->run, text.failed ? "" : text.data);
    rec_buf_clear(&text);
    // The guard first: it must not hold the ends of pipes by which we hear of the command's end.
    if (job_guard_start(&run.guard, job, err) < 0)
        return -1;
    rc = start(&run, err);
    if (rc == 0)
        wait_for_it(&run);
    job_guard_end(&run.guard);
    return rc;
}
