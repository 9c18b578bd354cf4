/* SPDX-License-Identifier: MIT */
#include <rec/serve.h>

#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* What workers and supervisor tell the test: in memory that all of them share. */
struct notes {
    atomic_int started[4], stopped[4], reloaded[4], again[4], begun, stops, gone, told;
    atomic_int pid[4];
    char line[10][256];
};
static struct notes *notes;
static volatile sig_atomic_t stop_asked, reload_asked;

static void on_signal(int signal)
{
    *(signal == SIGUSR1 ? &reload_asked : &stop_asked) = 1;
}

static void begin(void *context)
{
    (void)context;
    notes->begun++;
}

static void stop(void *context)
{
    (void)context;
    notes->stops++;
}

static void gone(void *context, size_t which)
{
    (void)context, (void)which;
    notes->gone++;
}

static void tell(void *context, const char *line)
{
    (void)context;
    snprintf(notes->line[notes->told % 10], sizeof notes->line[0], "%s", line);
    notes->told++;
}

enum mood { WELL, FIRST_FAILS, SECOND_FAILS, DEAF };

/* What a worker does: waits. */
static void work(struct rec_worker *w, enum mood mood)
{
    struct sigaction heed = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};

    notes->started[w->which]++;
    notes->again[w->which] += w->again;
    if ((mood == FIRST_FAILS && w->which == 0) || (mood == SECOND_FAILS && w->which == 1))
        _exit(3);
    sigaction(SIGUSR1, &heed, NULL);
    sigaction(SIGUSR2, mood == DEAF ? &ignore : &heed, NULL);
    sigaction(SIGTERM, &ignore, NULL);
    notes->pid[w->which] = getpid();
    rec_supervise_ready(w);
    while (!stop_asked) {
        usleep(1000);
        if (reload_asked) {
            reload_asked = 0;
            notes->reloaded[w->which]++;
        }
    }
    notes->stopped[w->which]++;
    _exit(0);
}

/* A supervisor in a process group of its own. */
static pid_t supervise(enum mood mood)
{
    struct rec_supervise_options options = {.workers = 3, .patience = mood == DEAF ? 0.3 : 60, .begin = begin, .stop = stop, .gone = gone, .tell = tell};
    struct rec_worker worker;
    struct rec_err err = {0};
    pid_t pid;
    int role;

    memset(notes, 0, sizeof *notes);
    pid = fork();
    if (pid)
        return pid;
    setpgid(0, 0);
    role = rec_supervise(&worker, &options, &err);
    if (role == REC_WORKER)
        work(&worker, mood);
    _exit(role == 0 ? 0 : err.text[0] ? 2 : 1);
}

static int end_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#define WAIT_FOR(condition) do { for (int wait_ = 0; !(condition); wait_++) { assert_true(wait_ < 20000); usleep(1000); } } while (0)

static void begins_and_ends(void **state)
{
    pid_t pid = supervise(WELL);

    (void)state;
    WAIT_FOR(notes->begun);
    kill(pid, SIGHUP);
    WAIT_FOR(notes->reloaded[0] == 1 && notes->reloaded[1] == 1 && notes->reloaded[2] == 1);
    kill(-pid, SIGTERM); /* the group: workers are told once, by the supervisor */
    assert_int_equal(end_of(pid), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(notes->started[i], 1);
        assert_int_equal(notes->stopped[i], 1);
    }
    assert_int_equal(notes->begun, 1);
    assert_int_equal(notes->stops, 1);
    assert_int_equal(notes->gone, 3);
    assert_int_equal(notes->told, 0);
}

static void started_anew(void **state)
{
    pid_t pid = supervise(WELL);

    (void)state;
    WAIT_FOR(notes->begun);
    for (int i = 1; i <= 3; i++) {
        kill(notes->pid[1], SIGKILL);
        WAIT_FOR(notes->started[1] == i + 1 && notes->pid[1] && kill(notes->pid[1], 0) == 0);
        usleep(20000);
    }
    assert_int_equal(notes->again[1], 3);
    assert_int_equal(notes->started[0], 1);
    assert_true(notes->told >= 3);
    assert_non_null(strstr(notes->line[0], "worker 2 (process "));
    assert_non_null(strstr(notes->line[0], "was ended by signal 9 (Killed): started anew in 0.1 s"));
    assert_non_null(strstr(notes->line[1], "in 0.2 s"));
    kill(pid, SIGTERM);
    assert_int_equal(end_of(pid), 0);
    assert_int_equal(notes->begun, 1);
}

static void cannot_begin(void **state)
{
    (void)state;
    assert_int_equal(end_of(supervise(FIRST_FAILS)), 1);
    assert_int_equal(notes->started[1] + notes->started[2] + notes->begun, 0); /* nor is it told twice */
    assert_int_equal(end_of(supervise(SECOND_FAILS)), 1);
    assert_int_equal(notes->stopped[0], 1);
    assert_int_equal(notes->begun, 0);
}

static void deaf_ones_are_killed(void **state)
{
    pid_t pid = supervise(DEAF);

    (void)state;
    WAIT_FOR(notes->begun);
    kill(pid, SIGTERM);
    assert_int_equal(end_of(pid), 0);
    assert_int_equal(notes->gone, 3);
    assert_int_equal(notes->told, 3);
}

static void end_with_their_supervisor(void **state)
{
    pid_t pid = supervise(WELL);
    int status;

    (void)state;
    WAIT_FOR(notes->begun);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    WAIT_FOR(notes->stopped[0] && notes->stopped[1] && notes->stopped[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(begins_and_ends), cmocka_unit_test(started_anew), cmocka_unit_test(cannot_begin),
                                       cmocka_unit_test(deaf_ones_are_killed), cmocka_unit_test(end_with_their_supervisor)};

    notes = mmap(NULL, sizeof *notes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return notes == MAP_FAILED ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
