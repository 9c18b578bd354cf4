/* SPDX-License-Identifier: MIT
 *
 * Connections for the threads of a server: at most so many, opened when they are first needed, and again when they broke.
 *
 * What was used last is used next, so that few stay busy and the rest idle. A place is counted as open while its connection is being made,
 * outside of the lock: a server that answers slowly holds up nobody who could have an idle one.
 */
#include "sql_priv.h"

#include <math.h>
#include <pthread.h>

struct rec_sqlpool {
    char *url;
    struct rec_sql_options options;
    pthread_mutex_t mutex;
    pthread_cond_t freed;         /* a connection is idle, or a place is empty */
    size_t size, open, idle;
    struct rec_sql *stack[];      /* [idle] */
};

int rec_sqlpool_new(struct rec_sqlpool **out, const char *url, const struct rec_sql_options *options, size_t size, struct rec_err *err)
{
    struct rec_sqlpool *pool;
    pthread_condattr_t attr;
    size_t bytes;

    *out = NULL;
    if (size == 0 || rec_size_mul(&bytes, size, sizeof(struct rec_sql *)) < 0 || rec_size_add(&bytes, bytes, sizeof *pool) < 0)
        return rec_err_set(err, "database: a pool of %zu connections makes no sense", size);
    pool = rec_calloc(1, bytes, "database", err);
    if (!pool)
        return -1;
    pool->url = strdup(url);
    if (!pool->url) {
        free(pool);
        return rec_err_memory(err, "database");
    }
    pool->options = *options;
    pool->size = size;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&pool->freed, &attr);
    pthread_condattr_destroy(&attr);
    *out = pool;
    return 0;
}

static struct timespec from_now(double seconds)
{
    struct timespec t;
    double whole = floor(seconds < 0 ? 0 : seconds > 1e9 ? 1e9 : seconds);

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)whole;
    t.tv_nsec += seconds > 0 && seconds < 1e9 ? (long)((seconds - whole) * 1e9) : 0;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* An idle connection, or NULL with a place to open one in; -1 when the time is over. */
static int find(struct rec_sql **db, struct rec_sqlpool *pool, double wait)
{
    struct timespec until = {0};
    int status = 0;

    *db = NULL;
    pthread_mutex_lock(&pool->mutex);
    if (pool->idle == 0 && pool->open == pool->size)
        until = from_now(wait);
    while (status == 0 && pool->idle == 0 && pool->open == pool->size)
        status = pthread_cond_timedwait(&pool->freed, &pool->mutex, &until);
    if (pool->idle > 0)
        *db = pool->stack[--pool->idle];
    else if (pool->open < pool->size)
        pool->open++;
    else
        status = -1;
    pthread_mutex_unlock(&pool->mutex);
    return *db || status == 0 ? 0 : -1;
}

static void leave_place(struct rec_sqlpool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->open--;
    pthread_cond_signal(&pool->freed);
    pthread_mutex_unlock(&pool->mutex);
}

int rec_sqlpool_take(struct rec_sql **db, struct rec_sqlpool *pool, double wait, struct rec_err *err)
{
    if (find(db, pool, wait) < 0)
        return rec_sql_refuse(NULL, REC_SQL_BUSY, err, "database: all %zu connections are in use; try again later", pool->size);
    if (*db && (*db)->driver->alive && !(*db)->driver->alive(*db)) {
        rec_sql_close(*db);
        *db = NULL;
    }
    if (*db) {
        (*db)->fault = REC_SQL_FINE;
        return 0;
    }
    if (rec_sql_open(db, pool->url, &pool->options, err) == 0)
        return 0;
    leave_place(pool);
    return -1;
}

void rec_sqlpool_give(struct rec_sqlpool *pool, struct rec_sql *db)
{
    if (!db)
        return;
    rec_sql_rollback(db);
    if (db->fault == REC_SQL_LOST || (db->driver->alive && !db->driver->alive(db))) {
        rec_sql_close(db);
        leave_place(pool);
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->stack[pool->idle++] = db;
    pthread_cond_signal(&pool->freed);
    pthread_mutex_unlock(&pool->mutex);
}

void rec_sqlpool_count(struct rec_sqlpool *pool, size_t *open, size_t *idle)
{
    pthread_mutex_lock(&pool->mutex);
    *open = pool->open;
    *idle = pool->idle;
    pthread_mutex_unlock(&pool->mutex);
}

void rec_sqlpool_free(struct rec_sqlpool *pool)
{
    if (!pool)
        return;
    while (pool->idle > 0)
        rec_sql_close(pool->stack[--pool->idle]);
    pthread_cond_destroy(&pool->freed);
    pthread_mutex_destroy(&pool->mutex);
    free(pool->url);
    free(pool);
}
