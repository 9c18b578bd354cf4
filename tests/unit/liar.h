/* SPDX-License-Identifier: MIT
 *
 * A server that is no good, for tests of what has to get on with one: it answers whatever it is told to.
 *
 *     struct liar l = {.text = "+OK\r\n", .len = 5};
 *     liar_start(&l);
 *     ... ask l.url
 *     liar_stop(&l);
 */
#ifndef REC_TEST_LIAR_H
#define REC_TEST_LIAR_H

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static inline double steady(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline void nap(double seconds)
{
    struct timespec t = {(time_t)seconds, (long)((seconds - floor(seconds)) * 1e9)};

    nanosleep(&t, NULL);
}

struct liar {
    int fd;
    char url[64];
    pthread_t thread;
    const char *text;              /* what it answers to everything */
    size_t len;
    double pause;                  /* between its bytes */
    bool closes;                   /* after that */
    bool forever;                  /* its last byte again and again */
    _Atomic bool stop;
    _Atomic unsigned connections;
};

static inline void liar_answer(struct liar *l, int fd)
{
    char block[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (!atomic_load(&l->stop)) {
        if (poll(&p, 1, 10) <= 0)
            continue;
        if (recv(fd, block, sizeof block, 0) <= 0)
            return;
        for (size_t i = 0; !l->pause && i < l->len && i == 0;)
            i += (size_t)send(fd, l->text, l->len, MSG_NOSIGNAL);
        for (size_t i = 0; l->pause > 0 && (i < l->len || l->forever) && !atomic_load(&l->stop); i++) {
            if (send(fd, l->text + (i < l->len ? i : l->len - 1), 1, MSG_NOSIGNAL) < 0)
                return;
            nap(l->pause);
        }
        for (char same[4096]; !l->pause && l->forever;) {
            memset(same, l->text[l->len - 1], sizeof same);
            if (send(fd, same, sizeof same, MSG_NOSIGNAL) < 0)
                return;
        }
        if (l->closes)
            return;
    }
}

static inline void *liar_thread(void *argument)
{
    struct liar *l = argument;
    struct pollfd p = {.fd = l->fd, .events = POLLIN};

    while (!atomic_load(&l->stop)) {
        int fd;

        if (poll(&p, 1, 10) <= 0 || (fd = accept(l->fd, NULL, NULL)) < 0)
            continue;
        atomic_fetch_add(&l->connections, 1);
        liar_answer(l, fd);
        close(fd);
    }
    return NULL;
}

static inline int listen_somewhere(char url[64], int backlog)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(url, 64, "redis://127.0.0.1:%d/0", ntohs(at.sin_port));
    return fd;
}

static inline void liar_start(struct liar *l)
{
    l->fd = listen_somewhere(l->url, 64);
    assert_int_equal(pthread_create(&l->thread, NULL, liar_thread, l), 0);
}

static inline void liar_stop(struct liar *l)
{
    atomic_store(&l->stop, true);
    pthread_join(l->thread, NULL);
    close(l->fd);
}

#endif
