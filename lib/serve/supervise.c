/* SPDX-License-Identifier: MIT
 *
 * A process that has others do the work: it makes them, starts one anew that has died, tells them of the end and of SIGHUP, and is the last to go.
 *
 * It waits in one poll(2) for signals, which are blocked and come by a signalfd(2), and for the workers' word that they are ready. A signal may be
 * sent to a whole group of processes (by a terminal, by a service manager): workers do not heed those, but SIGUSR1 and SIGUSR2 of their supervisor,
 * which otherwise would reach them twice, and a second stop does not wait. They get SIGUSR2 also when the supervisor is no more.
 */
#include <rec/serve.h>

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Seconds: one that lived so long is started anew at once; else after the first delay, then twice that, up to the longest. */
#define LIVED 5.0
#define DELAY 0.1
#define LONGEST 5.0

struct worker {
    pid_t pid;                    /* 0: there is none */
    bool ready, again;
    double begun, due, delay;     /* due: when it is to be started; INFINITY: not now */
};

struct supervisor {
    const struct rec_supervise_options *options;
    struct worker *worker;
    int signals, ready[2];
    bool begun, stopping, failed;
    double end;                   /* when those that still live are killed */
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void tell(const struct supervisor *s, const char *fmt, ...) REC_PRINTF(2, 3);
static void tell(const struct supervisor *s, const char *fmt, ...)
{
    char line[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    s->options->tell(s->options->context, line);
}

/* ---- workers ---- */

/* In the new process: nothing of the supervisor but the pipe on which it says that it is ready. Signals stay blocked until then. */
static void become_worker(struct rec_worker *out, struct supervisor *s, size_t which, pid_t parent)
{
    *out = (struct rec_worker){.which = which, .again = s->worker[which].again, .ready = s->ready[1]};
    close(s->signals);
    close(s->ready[0]);
    free(s->worker);
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
    if (getppid() != parent)
        raise(SIGUSR2);
}

/* @return REC_WORKER in the new process, 0 in the supervisor */
static int start(struct rec_worker *out, struct supervisor *s, size_t which)
{
    struct worker *w = &s->worker[which];
    pid_t parent = getpid(), pid;

    fflush(NULL); /* what waits to be written would be written by both */
    pid = fork();
    if (pid == 0) {
        become_worker(out, s, which, parent);
        return REC_WORKER;
    }
    *w = (struct worker){.pid = pid > 0 ? pid : 0, .begun = now(), .due = pid > 0 ? INFINITY : now() + LONGEST, .delay = w->delay, .again = true};
    if (pid < 0)
        tell(s, "worker %zu: no process can be had: tried again in %g s", which + 1, LONGEST);
    return 0;
}

static int start_due(struct rec_worker *out, struct supervisor *s)
{
    for (size_t i = 0; i < s->options->workers; i++)
        if (!s->worker[i].pid && s->worker[i].due <= now() && start(out, s, i) == REC_WORKER)
            return REC_WORKER;
    return 0;
}

static void pass_on(const struct supervisor *s, int signal)
{
    for (size_t i = 0; i < s->options->workers; i++)
        if (s->worker[i].pid)
            kill(s->worker[i].pid, signal);
}

static void stop(struct supervisor *s)
{
    if (!s->stopping && s->options->stop)
        s->options->stop(s->options->context);
    s->stopping = true;
    s->end = now() + s->options->patience;
    for (size_t i = 0; i < s->options->workers; i++)
        s->worker[i].due = INFINITY;
    pass_on(s, SIGUSR2);
}

static void describe_end(char out[80], int status)
{
    if (WIFSIGNALED(status))
        snprintf(out, 80, "was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(out, 80, "ended with status %d", WEXITSTATUS(status));
}

static void ended(struct supervisor *s, size_t which, int status)
{
    struct worker *w = &s->worker[which];
    pid_t pid = w->pid;
    char how[80];

    w->pid = 0;
    if (s->options->gone)
        s->options->gone(s->options->context, which);
    describe_end(how, status);
    if (s->stopping) {
        s->failed = s->failed || (status && !s->begun);
        if (status && s->begun)
            tell(s, "worker %zu (process %d) %s", which + 1, (int)pid, how);
        return;
    }
    /* One that cannot even begin has said why. */
    if (!s->begun) {
        s->failed = true;
        if (WIFSIGNALED(status))
            tell(s, "worker %zu (process %d) %s", which + 1, (int)pid, how);
        stop(s);
        return;
    }
    w->delay = w->ready && now() - w->begun >= LIVED ? 0 : w->delay > 0 ? fmin(2 * w->delay, LONGEST) : DELAY;
    w->due = now() + w->delay;
    if (w->delay > 0)
        tell(s, "worker %zu (process %d) %s: started anew in %g s", which + 1, (int)pid, how, w->delay);
    else
        tell(s, "worker %zu (process %d) %s: started anew", which + 1, (int)pid, how);
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < s->options->workers; i++)
            if (s->worker[i].pid == pid)
                ended(s, i, status);
}

/* ---- what comes ---- */

static void take_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;

    while (read(s->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            stop(s);
        if (info.ssi_signo != SIGHUP)
            continue;
        pass_on(s, SIGUSR1);
        /* Somebody has mended what kept them from starting. */
        for (size_t i = 0; i < s->options->workers && s->begun && !s->stopping; i++)
            if (!s->worker[i].pid)
                s->worker[i].due = 0;
    }
    reap(s);
}

/* The first one alone looks at everything; the others follow when it is ready. */
static void take_ready(struct supervisor *s)
{
    unsigned char which;
    size_t n = 0;

    while (read(s->ready[0], &which, 1) == 1) {
        if (which >= s->options->workers)
            continue;
        s->worker[which].ready = true;
        for (size_t i = 1; i < s->options->workers && !s->begun && !s->stopping && which == 0; i++)
            s->worker[i].due = 0;
    }
    for (size_t i = 0; i < s->options->workers; i++)
        n += s->worker[i].ready;
    if (s->begun || s->stopping || n < s->options->workers)
        return;
    s->begun = true;
    if (s->options->begin)
        s->options->begin(s->options->context);
}

static bool any_lives(const struct supervisor *s)
{
    for (size_t i = 0; i < s->options->workers; i++)
        if (s->worker[i].pid)
            return true;
    return false;
}

static void wait_for_something(struct supervisor *s)
{
    struct pollfd fds[] = {{.fd = s->signals, .events = POLLIN}, {.fd = s->ready[0], .events = POLLIN}};
    double until = s->stopping ? s->end : INFINITY, left;

    for (size_t i = 0; i < s->options->workers; i++)
        until = s->worker[i].pid ? until : fmin(until, s->worker[i].due);
    left = fmax(until - now(), 0) * 1000;
    poll(fds, REC_LENGTH(fds), isinf(until) ? -1 : (int)fmin(left + 1, 1e6));
    take_signals(s);
    take_ready(s);
    if (s->stopping && now() >= s->end) {
        pass_on(s, SIGKILL);
        s->end = INFINITY;
    }
}

/* ---- the life of a supervisor ---- */

enum { OURS = 4, ALL = 6 };

static void add_signals(sigset_t *set, size_t n)
{
    static const int signals[ALL] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2}; /* the last two are the workers' */

    sigemptyset(set);
    for (size_t i = 0; i < n; i++)
        sigaddset(set, signals[i]);
}

static void set_blocked(int how)
{
    sigset_t all;

    add_signals(&all, ALL);
    sigprocmask(how, &all, NULL);
}

static int open_supervisor(struct supervisor *s, const struct rec_supervise_options *options, struct rec_err *err)
{
    sigset_t ours;

    *s = (struct supervisor){.options = options, .signals = -1, .ready = {-1, -1}};
    if (!options->workers || options->workers > UCHAR_MAX + 1)
        return rec_err_set(err, "workers: 1 to 256");
    s->worker = rec_calloc(options->workers, sizeof *s->worker, "workers", err);
    if (!s->worker)
        return -1;
    for (size_t i = 1; i < options->workers; i++)
        s->worker[i].due = INFINITY;
    add_signals(&ours, OURS);
    set_blocked(SIG_BLOCK);
    s->signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->signals < 0 || pipe2(s->ready, O_CLOEXEC | O_NONBLOCK) < 0)
        return rec_err_errno(err, "workers");
    return 0;
}

static void close_supervisor(struct supervisor *s)
{
    for (size_t i = 0; i < 2; i++)
        if (s->ready[i] >= 0)
            close(s->ready[i]);
    if (s->signals >= 0)
        close(s->signals);
    free(s->worker);
}

int rec_supervise(struct rec_worker *out, const struct rec_supervise_options *options, struct rec_err *err)
{
    struct supervisor s;
    int status = open_supervisor(&s, options, err);

    while (status == 0) {
        if (!s.stopping && start_due(out, &s) == REC_WORKER)
            return REC_WORKER;
        if (!any_lives(&s) && s.stopping)
            break;
        wait_for_something(&s);
    }
    if (status == 0 && s.failed) {
        *err = (struct rec_err){0}; /* the worker has said why */
        status = -1;
    }
    close_supervisor(&s);
    return status;
}

void rec_supervise_ready(struct rec_worker *worker)
{
    unsigned char which = (unsigned char)worker->which;

    (void)!write(worker->ready, &which, 1);
    close(worker->ready);
    worker->ready = -1;
    set_blocked(SIG_UNBLOCK);
}
