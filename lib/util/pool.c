/* SPDX-License-Identifier: MIT
 *
 * Threads over a range of work. Pieces are fixed by n and grain alone and taken in order from one counter, so what a piece computes
 * cannot depend on how many threads there are. Threads live for one run: a run is milliseconds to minutes, starting a thread is
 * some tens of microseconds.
 */
#include <rec/util.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct run {
    rec_pool_fn *fn;
    void *context;
    size_t n, grain;
    atomic_size_t next;
    atomic_bool stop;
    pthread_mutex_t lock; /* over what follows */
    size_t failed_at;
    bool failed;
    struct rec_err err;
};

struct worker {
    struct run *run;
    unsigned thread;
    pthread_t id;
};

static void fail(struct run *run, size_t begin, const struct rec_err *err)
{
    pthread_mutex_lock(&run->lock);
    if (!run->failed || begin < run->failed_at) {
        run->failed = true;
        run->failed_at = begin;
        run->err = *err;
    }
    pthread_mutex_unlock(&run->lock);
    atomic_store(&run->stop, true);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct run *run = worker->run;

    while (!atomic_load(&run->stop)) {
        struct rec_err err = {0};
        size_t begin = atomic_fetch_add(&run->next, run->grain);
        if (begin >= run->n)
            break;
        size_t end = run->n - begin < run->grain ? run->n : begin + run->grain;
        if (run->fn(run->context, begin, end, worker->thread, &err) != 0)
            fail(run, begin, &err);
    }
    return NULL;
}

/* Fewer threads than asked for is no failure: the caller's own does the rest. */
static unsigned start(struct worker *workers, unsigned threads, struct run *run)
{
    unsigned started = 1;

    for (unsigned i = 0; i < threads; i++)
        workers[i] = (struct worker){.run = run, .thread = i};
    while (started < threads && pthread_create(&workers[started].id, NULL, work, &workers[started]) == 0)
        started++;
    return started;
}

int rec_pool_run(unsigned threads, size_t n, size_t grain, rec_pool_fn *fn, void *context, struct rec_err *err)
{
    struct run run = {.fn = fn, .context = context, .n = n, .grain = grain ? grain : 1, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct worker *workers;
    size_t pieces = n / run.grain + (n % run.grain != 0);

    if (threads > pieces)
        threads = (unsigned)pieces;
    if (threads < 1)
        threads = 1;
    workers = rec_calloc(threads, sizeof *workers, "threads", err);
    if (!workers)
        return -1;
    unsigned started = start(workers, threads, &run);
    work(&workers[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(workers[i].id, NULL);
    free(workers);
    if (run.failed && err)
        *err = run.err;
    return run.failed ? -1 : 0;
}

unsigned rec_pool_processors(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}
