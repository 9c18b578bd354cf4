/* SPDX-License-Identifier: MIT
 *
 * Group commit: one thread writes what many threads want stored; on PostgreSQL, which writes for several at once, WRITERS threads do.
 *
 * A caller puts its request, which stays on its own stack, at the end of a list and sleeps. A writer takes from the head its share of those that
 * wait, up to BATCH events, stores them in one transaction, and wakes each caller with its own result; those that came meanwhile are the next
 * batch. So the batches grow with the load by themselves, nobody is overtaken, and a caller that is alone waits for nobody.
 *
 * Within a batch, requests are taken in the order of their users' ids, which is the order in which everybody locks users on PostgreSQL; those
 * of the same user in the order in which they came. A request that is refused before anything of it was written (no such movie) leaves the transaction whole. Any other failure undoes the
 * transaction, and the requests of the batch are tried one by one. When the connection is lost, the writer connects again and tries once
 * more: events are named before the first attempt, so that a commit whose answer was lost is not stored twice.
 */
#include "feedback_priv.h"

#include <errno.h>
#include <pthread.h>

#define BATCH 1000               /* events in a transaction, unless one request has more */
#define QUEUE ((size_t)100000)   /* events that may wait */
#define WRITERS 4                /* at most */

struct waiter {
    struct rec_feedback_request request;
    struct waiter *next;
    size_t number;               /* its place in the batch */
    pthread_cond_t woken;
    int status;
    enum rec_sql_fault fault;
    struct rec_err err;
    bool done;
};

struct writer {
    struct rec_appender *a;
    struct rec_store store;
    bool open;
    pthread_t thread;
    struct waiter *order[BATCH]; /* room to sort in */
};

struct rec_appender {
    char *url;
    struct rec_sql_options options;
    const struct rec_keyring *keys;
    struct writer writer[WRITERS];
    pthread_mutex_t lock;        /* of all below */
    pthread_cond_t work;
    struct waiter *head, **tail;
    size_t events, requests;     /* in the list */
    size_t writers;              /* 1 until the first one has opened the database */
    size_t callers;              /* within rec_appender_add */
    pthread_cond_t gone;         /* there are none */
    bool started, stopping;
    int start_status;
    struct rec_err start_err;
};

/* ---- the writer: its connection ------------------------------------------------------------------- */

static int connect_store(struct writer *r, struct rec_err *err)
{
    if (r->open)
        return 0;
    if (rec_store_open(&r->store, r->a->url, NULL, &r->a->options, err) < 0)
        return -1;
    r->store.keys = r->a->keys;
    r->open = true;
    return 0;
}

static void disconnect(struct writer *r)
{
    if (r->open)
        rec_store_close(&r->store);
    r->open = false;
}

/* ---- the writer: a batch -------------------------------------------------------------------------- */

/* Up to `last` of the list, which is not in it; NULL: to its end. */
struct batch {
    struct waiter *first;
    const struct waiter *last;
};

static void settle(struct waiter *w, int status, enum rec_sql_fault fault, const struct rec_err *err)
{
    w->status = status;
    w->fault = status < 0 ? fault : REC_SQL_FINE;
    if (status < 0)
        w->err = *err;
}

/* Every request of the batch within the transaction that is open. */
static int store_batch(struct rec_store *store, void *context, struct rec_err *err)
{
    const struct batch *batch = context;
    for (struct waiter *w = batch->first; w != batch->last; w = w->next) {
        struct rec_err why = {0};
        int status = rec_feedback_append(&w->request, store, &why);
        settle(w, status, status < 0 ? rec_sql_fault(store->db) : REC_SQL_FINE, &why);
        if (status < 0 && (w->request.touched || w->fault != REC_SQL_CONSTRAINT || !rec_sql_in_transaction(store->db))) {
            *err = why;
            return -1;
        }
    }
    return 0;
}

static int write_batch(struct writer *r, struct batch *batch, enum rec_sql_fault *fault, struct rec_err *err)
{
    int status;
    if (connect_store(r, err) < 0) {
        *fault = rec_sql_open_fault();
        return -1;
    }
    status = rec_store_write(&r->store, store_batch, batch, err);
    *fault = status < 0 ? rec_sql_fault(r->store.db) : REC_SQL_FINE;
    if (status < 0 && *fault == REC_SQL_LOST)
        disconnect(r);
    return status;
}

/* As write_batch, once more on a new connection when the first one was lost. */
static int write_surely(struct writer *r, struct batch *batch, enum rec_sql_fault *fault, struct rec_err *err)
{
    int status = write_batch(r, batch, fault, err);
    return status < 0 && *fault == REC_SQL_LOST ? write_batch(r, batch, fault, err) : status;
}

static void settle_all(struct batch *batch, enum rec_sql_fault fault, const struct rec_err *err)
{
    for (struct waiter *w = batch->first; w != batch->last; w = w->next)
        settle(w, -1, fault, err);
}

/* What would meet every request alike, so that trying them one by one is in vain. */
static bool is_common(enum rec_sql_fault fault)
{
    return fault == REC_SQL_ABSENT || fault == REC_SQL_DENIED || fault == REC_SQL_LOST || fault == REC_SQL_FULL || fault == REC_SQL_READONLY ||
           fault == REC_SQL_CORRUPT || fault == REC_SQL_BUSY;
}

static void write_waiting(struct writer *r, struct batch *batch)
{
    enum rec_sql_fault fault;
    struct rec_err err = {0};
    if (write_surely(r, batch, &fault, &err) == 0)
        return;
    if (is_common(fault) || batch->first->next == batch->last) {
        settle_all(batch, fault, &err);
        return;
    }
    for (struct waiter *w = batch->first; w != batch->last; w = w->next) {
        struct batch alone = {w, w->next};
        if (write_surely(r, &alone, &fault, &err) < 0)
            settle(w, -1, fault, &err);
    }
}

/* ---- the writer: its thread ----------------------------------------------------------------------- */

static int by_user(const void *a, const void *b)
{
    const struct waiter *v = *(struct waiter *const *)a, *w = *(struct waiter *const *)b;
    int order = strcmp(v->request.events[0].user, w->request.events[0].user);
    return order != 0 ? order : (v->number > w->number) - (v->number < w->number);
}

/* The head of the list, this writer's share of it, at most BATCH events; sorted. */
static struct waiter *take(struct writer *r)
{
    struct rec_appender *a = r->a;
    struct waiter *w = a->head;
    size_t share = (a->requests + a->writers - 1) / a->writers, events = 0, n = 0;
    do {
        events += w->request.n;
        w->number = n;
        r->order[n++] = w;
        w = w->next;
    } while (w && n < share && events + w->request.n <= BATCH);
    a->head = w;
    if (!w)
        a->tail = &a->head;
    else
        pthread_cond_signal(&a->work);
    a->events -= events;
    a->requests -= n;
    qsort(r->order, n, sizeof(struct waiter *), by_user); // NOLINT(bugprone-sizeof-expression): pointers are sorted
    for (size_t i = 0; i < n; i++)
        r->order[i]->next = i + 1 < n ? r->order[i + 1] : NULL;
    return r->order[0];
}

/* Until the end; called, and returns, with the lock held. */
static void serve(struct writer *r)
{
    struct rec_appender *a = r->a;
    for (;;) {
        while (!a->head && !a->stopping)
            pthread_cond_wait(&a->work, &a->lock);
        if (!a->head)
            return;
        struct batch batch = {take(r), NULL};
        pthread_mutex_unlock(&a->lock);
        write_waiting(r, &batch);
        pthread_mutex_lock(&a->lock);
        /* A waiter is gone as soon as it is told. */
        for (struct waiter *w = batch.first, *next; w; w = next) {
            next = w->next;
            w->done = true;
            pthread_cond_signal(&w->woken);
        }
    }
}

/* The first one says whether the database can be opened; the others open it when they have something to do. */
static void *write_on(void *context)
{
    struct writer *r = context;
    struct rec_appender *a = r->a;
    bool first = r == &a->writer[0];
    int status = first ? connect_store(r, &a->start_err) : 0;

    pthread_mutex_lock(&a->lock);
    if (first) {
        a->start_status = status;
        a->started = true;
        pthread_cond_broadcast(&a->work);
    }
    if (status == 0)
        serve(r);
    pthread_mutex_unlock(&a->lock);
    disconnect(r);
    return NULL;
}

/* ---- the callers ---------------------------------------------------------------------------------- */

static int begin_first(struct rec_appender *a, struct rec_err *err)
{
    int why = pthread_create(&a->writer[0].thread, NULL, write_on, &a->writer[0]), status;
    if (why != 0) {
        errno = why;
        return rec_err_errno(err, "appender: no thread to write with");
    }
    pthread_mutex_lock(&a->lock);
    while (!a->started)
        pthread_cond_wait(&a->work, &a->lock);
    status = a->start_status;
    pthread_mutex_unlock(&a->lock);
    if (status < 0) {
        pthread_join(a->writer[0].thread, NULL);
        if (err)
            *err = a->start_err;
    }
    return status;
}

/* Where they are of use, and as many as can be had. */
static void begin_others(struct rec_appender *a)
{
    size_t n = 1;
    if (strcmp(rec_sql_dialect(a->writer[0].store.db), "postgresql") == 0)
        while (n < WRITERS && pthread_create(&a->writer[n].thread, NULL, write_on, &a->writer[n]) == 0)
            n++;
    pthread_mutex_lock(&a->lock);
    a->writers = n;
    pthread_mutex_unlock(&a->lock);
}

static void free_appender(struct rec_appender *a)
{
    pthread_cond_destroy(&a->work);
    pthread_cond_destroy(&a->gone);
    pthread_mutex_destroy(&a->lock);
    free(a->url);
    free(a);
}

int rec_appender_new(struct rec_appender **out, const char *url, const struct rec_sql_options *options, const struct rec_keyring *keys,
                     struct rec_err *err)
{
    struct rec_appender *a = rec_calloc(1, sizeof *a, "appender", err);
    *out = NULL;
    if (!a)
        return -1;
    a->options = *options;
    a->keys = keys;
    a->tail = &a->head;
    a->writers = 1;
    for (size_t i = 0; i < WRITERS; i++)
        a->writer[i].a = a;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->work, NULL);
    pthread_cond_init(&a->gone, NULL);
    if (!(a->url = strdup(url))) {
        rec_err_memory(err, "appender");
        free_appender(a);
        return -1;
    }
    if (begin_first(a, err) < 0) {
        free_appender(a);
        return -1;
    }
    begin_others(a);
    *out = a;
    return 0;
}

/* What keeps a request out. */
static int refuse(const struct rec_appender *a, struct waiter *w)
{
    w->fault = REC_SQL_BUSY;
    if (a->stopping)
        return rec_err_set(&w->err, "appender: is closing; nothing more is taken");
    if (a->events > 0 && a->events + w->request.n > QUEUE)
        return rec_err_set(&w->err, "appender: too many events are waiting; try again");
    w->fault = REC_SQL_FINE;
    return 0;
}

/* Into the list, and asleep until it is done. */
static int wait_for(struct rec_appender *a, struct waiter *w)
{
    int status;
    pthread_mutex_lock(&a->lock);
    a->callers++;
    if ((status = refuse(a, w)) == 0) {
        *a->tail = w;
        a->tail = &w->next;
        a->events += w->request.n;
        a->requests++;
        pthread_cond_signal(&a->work);
        while (!w->done)
            pthread_cond_wait(&w->woken, &a->lock);
        status = w->status;
    }
    if (--a->callers == 0)
        pthread_cond_signal(&a->gone);
    pthread_mutex_unlock(&a->lock);
    return status;
}

int rec_appender_add(struct rec_appender *a, const struct rec_event *events, size_t n, int64_t now, size_t *added,
                     enum rec_sql_fault *fault, struct rec_err *err)
{
    struct waiter w = {.next = NULL};
    int status;
    if (added)
        *added = 0;
    if (fault)
        *fault = REC_SQL_FINE;
    if (n == 0)
        return 0;
    if (rec_feedback_begin(&w.request, NULL, events, n, now, err) < 0) {
        if (fault)
            *fault = REC_SQL_CONSTRAINT;
        return -1;
    }
    pthread_cond_init(&w.woken, NULL);
    status = wait_for(a, &w);
    pthread_cond_destroy(&w.woken);
    rec_feedback_end(&w.request);
    if (status == 0 && added)
        *added = w.request.added;
    if (fault)
        *fault = w.fault;
    if (status < 0 && err)
        *err = w.err;
    return status;
}

void rec_appender_free(struct rec_appender *a)
{
    if (!a)
        return;
    pthread_mutex_lock(&a->lock);
    a->stopping = true;
    pthread_cond_broadcast(&a->work);
    while (a->callers > 0)
        pthread_cond_wait(&a->gone, &a->lock);
    pthread_mutex_unlock(&a->lock);
    for (size_t i = 0; i < a->writers; i++)
        pthread_join(a->writer[i].thread, NULL);
    free_appender(a);
}
