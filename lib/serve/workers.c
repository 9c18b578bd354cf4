/* SPDX-License-Identifier: MIT
 *
 * Threads for what takes long: a queue of bounded length in front of a few of them.
 */
#include "serve_priv.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { QUEUE = 1024 };

struct rec_workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct rec_exchange *queue[QUEUE];
    size_t head, waiting, running, n;
    bool stopping;
    void (*work)(void *context, struct rec_exchange *x);
    void *context;
    pthread_t thread[];
};

static void *run(void *argument)
{
    struct rec_workers *w = argument;
    struct rec_exchange *x;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->waiting && !w->stopping)
            pthread_cond_wait(&w->more, &w->lock);
        if (!w->waiting)
            break;
        x = w->queue[w->head];
        w->head = (w->head + 1) % QUEUE;
        w->waiting--;
        w->running++;
        pthread_mutex_unlock(&w->lock);
        w->work(w->context, x);
        pthread_mutex_lock(&w->lock);
        w->running--;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int rec_workers_start(struct rec_workers **out, size_t n, void (*work)(void *context, struct rec_exchange *x), void *context,
                      struct rec_err *err)
{
    struct rec_workers *w = rec_calloc(1, sizeof *w + n * sizeof w->thread[0], "workers", err);
    sigset_t all, before;
    int failed = 0;

    *out = w;
    if (!w)
        return -1;
    w->work = work;
    w->context = context;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    /* Signals are for the thread that listens. */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    for (w->n = 0; w->n < n && !failed; w->n += !failed)
        failed = pthread_create(&w->thread[w->n], NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        return 0;
    rec_workers_stop(w);
    *out = NULL;
    return rec_err_set(err, "workers: no more threads can be had");
}

bool rec_workers_add(struct rec_workers *w, struct rec_exchange *x)
{
    bool room;

    pthread_mutex_lock(&w->lock);
    room = w->waiting < QUEUE && !w->stopping;
    if (room) {
        w->queue[(w->head + w->waiting++) % QUEUE] = x;
        pthread_cond_signal(&w->more);
    }
    pthread_mutex_unlock(&w->lock);
    return room;
}

size_t rec_workers_pending(struct rec_workers *w)
{
    size_t n;

    if (!w)
        return 0;
    pthread_mutex_lock(&w->lock);
    n = w->waiting + w->running;
    pthread_mutex_unlock(&w->lock);
    return n;
}

void rec_workers_stop(struct rec_workers *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < w->n; i++)
        pthread_join(w->thread[i], NULL);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
