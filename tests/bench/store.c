/* SPDX-License-Identifier: MIT
 *
 * What tests/bench/store measures of ours.
 *
 *     store init URL                    the schema
 *     store load URL RATINGS.csv        reads the text and loads it; prints what came of it
 *     store export URL                  ratings as CSV to standard output
 *     store append URL WRITERS SECONDS  each writer, a process of its own, adds one event after another; prints how many a second
 *     store batch URL WRITERS SECONDS   the same from as many threads, through the appender
 *     store floor FILE SECONDS          the disk: a hundred bytes written and fdatasync, again and again
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rec/ingest.h>
#include <rec/store.h>

static const struct rec_sql_driver *const drivers[] = {&rec_sqlite_driver, &rec_postgres_driver, NULL};
static const struct rec_sql_options options = {.drivers = drivers, .create = true, .busy_timeout = 60};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int fail(const struct rec_err *err)
{
    fprintf(stderr, "store: %s\n", err->text);
    return 1;
}

static int init(const char *url)
{
    struct rec_migrate_set set = {0};
    struct rec_sql *db = NULL;
    struct rec_err err = {0};
    size_t applied;
    int status = rec_sql_open(&db, url, &options, &err);

    if (status == 0)
        status = rec_migrate_builtin(&set, rec_sql_dialect(db), &err);
    if (status == 0)
        status = rec_migrate_up(db, &set, 0, &applied, NULL, NULL, &err);
    rec_migrate_clear(&set);
    rec_sql_close(db);
    return status < 0 ? fail(&err) : 0;
}

static int load(const char *url, const char *path)
{
    const struct rec_ingest_options how = {.threads = rec_pool_processors(), .wish.header = -1};
    const struct rec_load_options o = {.source = "bench", .now = time(NULL)};
    struct rec_ingest_report text = {0};
    struct rec_load_report report = {0};
    struct rec_ratings ratings = {0};
    struct rec_store store = {0};
    struct rec_gzip in;
    struct rec_err err = {0};
    double began = now(), read;
    int status = -1;

    if (rec_gzip_open(&in, path, &err) < 0 || rec_ingest(&ratings, &in, &how, &text, &err) < 0)
        return fail(&err);
    read = now();
    if (rec_store_open(&store, url, NULL, &options, &err) == 0)
        status = rec_load_ratings(&store, &ratings, &o, &report, &err);
    rec_store_close(&store);
    if (status == 0)
        printf("rows %llu added %llu changed %llu same %llu older %llu; read %.2f s, load %.2f s\n", (unsigned long long)report.rows,
               (unsigned long long)report.added, (unsigned long long)report.changed, (unsigned long long)report.same,
               (unsigned long long)report.older, read - began, now() - read);
    rec_ratings_clear(&ratings);
    return status < 0 ? fail(&err) : 0;
}

static int export(const char *url)
{
    const struct rec_unload_options o = {.since_given = false};
    struct rec_store store = {0};
    struct rec_out out = {.fd = -1};
    struct rec_err err = {0};
    uint64_t rows;
    int status = rec_out_open(&out, NULL, false, &err);

    if (status == 0)
        status = rec_store_open(&store, url, NULL, &options, &err);
    if (status == 0)
        status = rec_unload_ratings(&store, &o, &out, &rows, NULL, &err);
    if (status == 0)
        status = rec_out_commit(&out, &err);
    rec_out_abort(&out);
    rec_store_close(&store);
    return status < 0 ? fail(&err) : 0;
}

/* ---- appends ------------------------------------------------------------------------------------- */

static struct rec_event event_of(char user[32], int writer, int64_t i)
{
    snprintf(user, 32, "%d", writer + 1);
    return (struct rec_event){.user = user, .movie = "1", .kind = "rating", .value = (double)(i % 10) / 2, .time = time(NULL)};
}

/* Waits for the others, so that all begin together. */
static void together(volatile int *ready, int writers)
{
    __atomic_add_fetch(ready, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(ready, __ATOMIC_SEQ_CST) < writers)
        usleep(1000);
}

static int append_one(const char *url, int writer, int writers, double seconds, volatile int *ready, int64_t *count)
{
    struct rec_store store = {0};
    struct rec_err err = {0};
    char user[32];
    double began;
    int status = rec_store_open(&store, url, NULL, &options, &err);

    together(ready, writers);
    began = now();
    for (*count = 0; status == 0 && now() - began < seconds; ++*count) {
        struct rec_event event = event_of(user, writer, *count);
        size_t added;
        status = rec_feedback_add(&store, &event, 1, time(NULL), &added, &err);
    }
    rec_store_close(&store);
    return status < 0 ? fail(&err) : 0;
}

static int append(const char *url, int writers, double seconds)
{
    struct shared {
        int ready;
        int64_t count[64];
    } *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status, failed = 0;
    int64_t total = 0;

    if (shared == MAP_FAILED)
        return 1;
    for (int i = 0; i < writers; i++)
        if (fork() == 0)
            _exit(append_one(url, i, writers, seconds, &shared->ready, &shared->count[i]));
    while (wait(&status) > 0)
        failed |= status;
    for (int i = 0; i < writers; i++)
        total += shared->count[i];
    printf("%.0f\n", (double)total / seconds);
    return failed != 0;
}

struct thread {
    pthread_t id;
    struct rec_appender *appender;
    int writer;
    double until;
    int64_t count;
    int failed;
};

static void *append_batched(void *argument)
{
    struct thread *t = argument;
    struct rec_err err = {0};
    enum rec_sql_fault fault;
    char user[32];
    size_t added;

    for (; now() < t->until && !t->failed; t->count++) {
        struct rec_event event = event_of(user, t->writer, t->count);
        if (rec_appender_add(t->appender, &event, 1, time(NULL), &added, &fault, &err) < 0)
            t->failed = fail(&err);
    }
    return NULL;
}

static int batch(const char *url, int writers, double seconds)
{
    struct thread thread[64] = {0};
    struct rec_appender *appender = NULL;
    struct rec_err err = {0};
    int64_t total = 0;
    int failed = 0;

    if (rec_appender_new(&appender, url, &options, NULL, &err) < 0)
        return fail(&err);
    for (int i = 0; i < writers; i++) {
        thread[i] = (struct thread){.appender = appender, .writer = i, .until = now() + seconds};
        if (pthread_create(&thread[i].id, NULL, append_batched, &thread[i]) != 0)
            return 1;
    }
    for (int i = 0; i < writers; i++) {
        pthread_join(thread[i].id, NULL);
        total += thread[i].count;
        failed |= thread[i].failed;
    }
    rec_appender_free(appender);
    printf("%.0f\n", (double)total / seconds);
    return failed;
}

static int disk_floor(const char *path, double seconds)
{
    static const char bytes[100];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int64_t n = 0;
    double began = now();

    if (fd < 0)
        return 1;
    for (; now() - began < seconds; n++)
        if (write(fd, bytes, sizeof bytes) < 0 || fdatasync(fd) < 0)
            return 1;
    close(fd);
    unlink(path);
    printf("%.0f\n", (double)n / seconds);
    return 0;
}

int main(int argc, char **argv)
{
    int64_t writers = 0, seconds = 0;
    const char *what = argc > 2 ? argv[1] : "";

    if (argc > 3 && (rec_num_int64(&seconds, argv[argc - 1], strlen(argv[argc - 1])) < 0 || seconds < 1))
        seconds = 0;
    if (argc > 4 && (rec_num_int64(&writers, argv[3], strlen(argv[3])) < 0 || writers < 1 || writers > 64))
        seconds = 0;
    if (!strcmp(what, "init") && argc == 3)
        return init(argv[2]);
    if (!strcmp(what, "load") && argc == 4)
        return load(argv[2], argv[3]);
    if (!strcmp(what, "export") && argc == 3)
        return export(argv[2]);
    if (!strcmp(what, "append") && argc == 5 && seconds)
        return append(argv[2], (int)writers, (double)seconds);
    if (!strcmp(what, "batch") && argc == 5 && seconds)
        return batch(argv[2], (int)writers, (double)seconds);
    if (!strcmp(what, "floor") && argc == 4 && seconds)
        return disk_floor(argv[2], (double)seconds);
    fputs("usage: store init|export URL, load URL FILE, append|batch URL WRITERS SECONDS, floor FILE SECONDS\n", stderr);
    return 2;
}
