/* SPDX-License-Identifier: MIT
 *
 * Passwords are checked by few at once: each check takes 64 MiB (argon2id), and a crowd at the door must not take all there is. In one process a
 * semaphore, over all processes locks on as many files of the state directory, or, where there is none, over those of one server on mutexes that they
 * share. Either kind of lock is gone with a process that dies.
 *
 * Wrong passwords make the next try of the same name from the same address wait. Neither other people at that address nor the owner of the
 * name at another one are held up.
 */
#include "service_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 3 };

/* Five wrong passwords, then one more in twenty seconds. */
static const struct rec_limit_rate wrong = {.per_second = 0.05, .burst = 5};

/* A lock that no other process has, by trying one after another; -1 with *busy when all are taken. */
static int lock_one(const struct rec_serve *serve)
{
    char path[4096];

    for (size_t i = 0; i < serve->config.logins; i++) {
        int fd;

        snprintf(path, sizeof path, "%s/login.%zu", serve->config.state, i);
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    return -1;
}

/* The same of processes that fork(2) made; the number of the mutex. */
static int lock_shared(struct rec_serve_shared *shared)
{
    for (size_t i = 0; i < shared->logins; i++) {
        int status = pthread_mutex_trylock(&shared->login[i]);

        if (status == EOWNERDEAD)
            pthread_mutex_consistent(&shared->login[i]);
        if (status == 0 || status == EOWNERDEAD)
            return (int)i;
    }
    return -1;
}

static bool enter(struct rec_serve *serve, int *lock)
{
    struct rec_serve_shared *shared = serve->config.state ? NULL : serve->config.shared;
    const struct timespec nap = {0, 20000000};
    struct timespec until;

    *lock = -1;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE;
    while (sem_timedwait(&serve->logins, &until) < 0)
        if (errno != EINTR)
            return false;
    for (int tries = 0; (serve->config.state || shared) && tries < PATIENCE * 50; tries++) {
        *lock = shared ? lock_shared(shared) : lock_one(serve);
        if (*lock >= 0)
            return true;
        nanosleep(&nap, NULL);
    }
    if (!serve->config.state && !shared)
        return true;
    sem_post(&serve->logins);
    return false;
}

void rec_logins_leave(struct rec_serve *serve, int lock)
{
    if (lock >= 0 && serve->config.state)
        close(lock);
    else if (lock >= 0)
        pthread_mutex_unlock(&serve->config.shared->login[lock]);
    sem_post(&serve->logins);
}

static void ask(struct rec_limit_answer *a, struct rec_call *c, const char *name, double cost)
{
    char key[200];
    size_t n = (size_t)snprintf(key, sizeof key, "wrong:%.64s:", c->network);

    /* Names are told apart without regard to case, so that spelling is no way around. */
    for (; *name && n < sizeof key - 1; name++)
        key[n++] = *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name;
    rec_limits_ask(a, c, key, n, &wrong, cost);
}

static double wait_of(struct rec_call *c, const char *name)
{
    struct rec_limit_answer a;

    ask(&a, c, name, 0);
    return a.remaining >= 1 ? 0 : a.reset - (wrong.burst - 1) / wrong.per_second;
}

void rec_logins_wrong(struct rec_call *c, const char *name)
{
    struct rec_limit_answer a;

    ask(&a, c, name, 1);
}

bool rec_logins_admit(struct rec_call *c, const char *name, int *lock)
{
    double wait = name ? wait_of(c, name) : 0;
    char text[32] = "3";

    if (wait <= 0 && enter(c->serve, lock))
        return true;
    if (wait > 0) {
        snprintf(text, sizeof text, "%.0f", ceil(wait));
        rec_answer_problem(c, 429, "too many wrong passwords: try again in %s s", text);
    } else {
        rec_answer_problem(c, 503, "too many passwords are checked at this moment");
    }
    rec_response_field(&c->x->response, "Retry-After", text);
    return false;
}
