/* SPDX-License-Identifier: MIT
 *
 * The appender: what is acknowledged is stored, from many threads, whatever the neighbours do and however the program ends.
 */
#include "both.h"

#include <pthread.h>
#include <signal.h>

#define NOW 1700000000

static void add_movies(struct both *b)
{
    both_ok(b, rec_sql_exec(b->store.db, NULL, "INSERT INTO movies (name) VALUES ('m'), ('n')", REC_SQL_NONE, &b->err));
}

static struct rec_appender *start(struct both *b)
{
    struct rec_appender *a;
    both_ok(b, rec_appender_new(&a, b->url, &both_options, &b->keys, &b->err));
    return a;
}

struct caller {
    struct rec_appender *a;
    int number, rounds, wrong;
    size_t added;
    struct rec_err err;
};

/* Each third event of odd callers names a movie that is not there; each fourth request has two events. */
static void *call(void *context)
{
    struct caller *c = context;
    for (int i = 0; i < c->rounds; i++) {
        char user[16];
        bool bad = c->number % 2 && i % 3 == 0;
        struct rec_event events[2];
        enum rec_sql_fault fault = REC_SQL_OTHER;
        size_t added = 99;
        snprintf(user, sizeof user, "user-%d", c->number % 3);
        for (int j = 0; j < 2; j++)
            events[j] = (struct rec_event){.user = user, .movie = j ? "n" : "m", .kind = "rating", .value = c->number, .time = i};
        if (bad)
            events[i % 4 == 0].movie = "none";
        int status = rec_appender_add(c->a, events, i % 4 == 0 ? 2 : 1, NOW, &added, &fault, &c->err);
        if (fault == REC_SQL_BUSY && strstr(c->err.text, "is closing"))
            continue;
        if (bad)
            c->wrong += status != -1 || fault != REC_SQL_CONSTRAINT || added != 0 || !strstr(c->err.text, "movie none: there is no such movie");
        else
            c->wrong += status != 0 || fault != REC_SQL_FINE || added != (i % 4 == 0 ? 2 : 1);
        c->added += status == 0 ? added : 0;
    }
    return NULL;
}

static void many_callers(void **state)
{
    enum { CALLERS = 16 };
    struct both *b = *state;
    struct caller c[CALLERS];
    pthread_t thread[CALLERS];
    size_t added = 0;
    add_movies(b);
    struct rec_appender *a = start(b);
    for (int i = 0; i < CALLERS; i++) {
        c[i] = (struct caller){.a = a, .number = i, .rounds = 40};
        assert_int_equal(pthread_create(&thread[i], NULL, call, &c[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(thread[i], NULL);
        if (c[i].wrong)
            fail_msg("caller %d: %d wrong: %s", i, c[i].wrong, c[i].err.text);
        added += c[i].added;
    }
    rec_appender_free(a);
    assert_int_equal(added, 8 * (40 + 10) + 8 * (26 + 6));
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), added);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings"), 6);
}

static void one_caller(void **state)
{
    struct both *b = *state;
    struct rec_event events[] = {{.user = "u", .movie = "m", .kind = "like", .time = 1, .request = "r"},
                                 {.user = "u", .movie = "n", .kind = "like", .time = 1, .request = "r"}};
    enum rec_sql_fault fault;
    size_t added;
    add_movies(b);
    struct rec_appender *a = start(b);
    both_ok(b, rec_appender_add(a, events, 2, NOW, &added, &fault, &b->err));
    assert_int_equal(added, 2);
    /* It is stored when it comes back, and stored once. */
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 2);
    both_ok(b, rec_appender_add(a, events, 2, NOW, &added, NULL, &b->err));
    assert_int_equal(added, 0);
    both_ok(b, rec_appender_add(a, events, 0, NOW, NULL, NULL, &b->err));
    events[0].kind = "hate";
    assert_int_equal(rec_appender_add(a, events, 2, NOW, &added, &fault, &b->err), -1);
    assert_int_equal(fault, REC_SQL_CONSTRAINT);
    assert_non_null(strstr(b->err.text, "kind hate"));
    rec_appender_free(a);
    rec_appender_free(NULL);
}

static void no_database(void **state)
{
    struct both *b = *state;
    struct rec_appender *a;
    struct rec_sql_options options = both_options;
    char url[400];
    options.create = false;
    snprintf(url, sizeof url, "sqlite://%s/none.db", b->dir);
    assert_int_equal(rec_appender_new(&a, url, &options, &b->keys, &b->err), -1);
    assert_null(a);
    assert_non_null(strstr(b->err.text, "none.db"));
}

static void *end(void *appender)
{
    rec_appender_free(appender);
    return NULL;
}

/* The end waits for what was taken, and for those who wait for it. */
static void ends_in_order(void **state)
{
    enum { CALLERS = 8 };
    struct both *b = *state;
    struct caller c[CALLERS];
    pthread_t thread[CALLERS + 1];
    struct timespec pause = {.tv_nsec = 20000000};
    struct rec_store other;
    size_t added = 0;
    add_movies(b);
    struct rec_appender *a = start(b);
    /* Another writer holds them up, so that all are waiting when the end is asked for. */
    both_open(&other, b);
    both_ok(b, rec_sql_begin(other.db, REC_SQL_WRITE, &b->err));
    both_ok(b, rec_sql_exec(other.db, NULL, "INSERT INTO users (name) VALUES ('user-0'), ('user-1'), ('user-2')", REC_SQL_NONE, &b->err));
    for (int i = 0; i < CALLERS; i++) {
        c[i] = (struct caller){.a = a, .number = 2 * i, .rounds = 1};
        assert_int_equal(pthread_create(&thread[i], NULL, call, &c[i]), 0);
    }
    for (int i = 0; i < 10; i++)
        nanosleep(&pause, NULL);
    assert_int_equal(pthread_create(&thread[CALLERS], NULL, end, a), 0);
    nanosleep(&pause, NULL);
    both_ok(b, rec_sql_commit(other.db, &b->err));
    rec_store_close(&other);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(thread[i], NULL);
        if (c[i].wrong)
            fail_msg("%s", c[i].err.text);
        added += c[i].added;
    }
    pthread_join(thread[CALLERS], NULL);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), added);
}

/* PostgreSQL: the connection is cut under it. */
static void connection_cut(void **state)
{
    struct both *b = *state;
    struct rec_event event = {.user = "u", .movie = "m", .kind = "like", .time = 1};
    enum rec_sql_fault fault;
    size_t added;
    add_movies(b);
    struct rec_appender *a = start(b);
    for (int i = 0; i < 5; i++) {
        both_ok(b, rec_appender_add(a, &event, 1, NOW, &added, &fault, &b->err));
        assert_int_equal(added, 1);
        if (strcmp(b->dialect, "postgresql") == 0)
            both_int(b, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
                        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'");
    }
    rec_appender_free(a);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 5);
}

/* ---- killed ---------------------------------------------------------------------------------------- */

enum { NAME = 15 }; /* bytes of the name of a request, with its NUL */

struct killed {
    struct rec_appender *a;
    int fd, number;
};

/* Writes each request's name to the pipe once it is acknowledged. */
static void *acknowledge(void *context)
{
    struct killed *k = context;
    for (int i = 0;; i++) {
        char request[NAME + 8] = "";
        struct rec_event event = {.user = "u", .movie = "m", .kind = "like", .time = i, .request = request};
        snprintf(request, sizeof request, "%d-%012d", k->number, i);
        if (rec_appender_add(k->a, &event, 1, NOW, NULL, NULL, NULL) < 0 || write(k->fd, request, NAME) != NAME)
            return NULL;
    }
}

static _Noreturn void run_until_killed(const char *url, int fd)
{
    struct rec_appender *a;
    struct killed k[4];
    pthread_t thread;
    if (rec_appender_new(&a, url, &both_options, NULL, NULL) < 0)
        _exit(1);
    for (int i = 0; i < 4; i++) {
        k[i] = (struct killed){a, fd, i};
        if (pthread_create(&thread, NULL, acknowledge, &k[i]) != 0)
            _exit(1);
    }
    for (;;)
        pause();
}

static void killed_at_any_moment(void **state)
{
    struct both *b = *state;
    char url[sizeof b->url];
    add_movies(b);
    memcpy(url, b->url, sizeof url);
    for (int round = 0; round < 3; round++) {
        struct timespec soon = {.tv_nsec = 60000000 + 45000000 * round};
        int pipes[2], acknowledged = 0;
        char request[NAME];
        both_ok(b, rec_sql_exec(b->store.db, NULL, "DELETE FROM feedback", REC_SQL_NONE, &b->err));
        assert_int_equal(pipe(pipes), 0);
        rec_store_close(&b->store); /* no connection is carried into the child */
        pid_t pid = fork();
        if (pid == 0)
            run_until_killed(url, pipes[1]);
        close(pipes[1]);
        assert_int_equal(read(pipes[0], request, NAME), NAME);
        nanosleep(&soon, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        both_open(&b->store, b);
        do {
            int64_t one;
            if (rec_sql_get_int(&one, b->store.db, "SELECT 1 FROM feedback WHERE request = $1", REC_SQL(rec_sql_text(request)), &b->err) != 1)
                fail_msg("%s was acknowledged and is not there", request);
            acknowledged++;
        } while (read(pipes[0], request, NAME) == NAME);
        close(pipes[0]);
        /* At most one request of each thread was stored without its answer having come through. */
        assert_in_range(both_int(b, "SELECT count(*) FROM feedback"), acknowledged, acknowledged + 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_callers), cmocka_unit_test(one_caller), cmocka_unit_test(no_database), cmocka_unit_test(ends_in_order),
        cmocka_unit_test(connection_cut), cmocka_unit_test(killed_at_any_moment),
    };
    return both_run(tests, REC_LENGTH(tests));
}
