/* SPDX-License-Identifier: MIT
 *
 * The listener over real sockets: pipelined requests however they are cut, answers of another thread and clients that do not wait for them,
 * clients that do not read, do not write, or are too many; stopping.
 */
#include "listening.h"

#include <malloc.h>
#include <sys/resource.h>

/* Three requests, of which the middle one is answered by another thread, cut into two at every place and into single bytes. */
static void cut_anywhere(void **state)
{
    static const char requests[] = GET("/a") "POST /later HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n"
                                   "POST /a HTTP/1.1\r\n" HOST "Content-Length: 2\r\nConnection: close\r\n\r\nhi";
    const char *a, *b, *c;
    struct server s;
    char out[8192];

    (void)state;
    start(&s, (struct rec_listen_options){0});
    for (size_t i = 0; i < sizeof requests - 1; i += i ? 5 : 1) {
        int fd = dial(&s);

        for (size_t at = 0; at < (i ? i : sizeof requests - 1); at += i ? i : 1)
            assert_true(write(fd, requests + at, i ? i : 1) > 0);
        if (i)
            say(fd, requests + i);
        assert_true(hear(fd, out, sizeof out) > 0);
        a = strstr(out, "\r\n\r\na:");
        b = strstr(out, "\r\n\r\nlater:xyz");
        c = strstr(out, "\r\n\r\na:hi");
        assert_true(a && b && c && a < b && b < c);
        assert_int_equal(occurrences(out, "HTTP/1.1 200 OK\r\n"), 3);
        assert_int_equal(occurrences(out, "Connection: close\r\n"), 1);
    }
    stop(&s);
    assert_int_equal(s.handled, s.finished);
}

static void reset_on_close(int fd)
{
    struct linger now_please = {.l_onoff = 1};

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now_please, sizeof now_please);
    close(fd);
}

static void clients_that_leave(void **state)
{
    struct server s;
    char out[4096];
    int fd[8], patient;

    (void)state;
    start(&s, (struct rec_listen_options){0});
    for (size_t i = 0; i < REC_LENGTH(fd); i++) {
        fd[i] = dial(&s);
        say(fd[i], GET("/hold") GET("/a") GET("/a"));
    }
    WAIT_FOR(s.n_held == REC_LENGTH(fd));
    for (size_t i = 0; i < REC_LENGTH(fd); i++)
        reset_on_close(fd[i]);
    /* One that has sent all it will send is still there. */
    patient = dial(&s);
    say(patient, GET("/hold"));
    shutdown(patient, SHUT_WR);
    WAIT_FOR(s.n_held == REC_LENGTH(fd) + 1);
    usleep(20000);
    assert_int_equal(rec_listen_connections(s.listener), REC_LENGTH(fd) + 1);
    release_held(&s);
    assert_true(hear(patient, out, sizeof out) > 0);
    assert_non_null(strstr(out, "\r\n\r\nhold:"));
    WAIT_FOR(rec_listen_connections(s.listener) == 0);
    assert_int_equal(s.handled, REC_LENGTH(fd) + 1); /* nobody was asked for what came after */
    assert_int_equal(s.finished, REC_LENGTH(fd) + 1);
    stop(&s);
}

/* 400 requests for 100 MiB of answers: they are made as they are read, and all of them come. */
static void a_client_that_does_not_read(void **state)
{
    struct server s;
    struct rec_buf requests = {0};
    size_t total = 0;
    char *block = malloc(BIG);
    ssize_t n;
    int fd;

    (void)state;
    start(&s, (struct rec_listen_options){0});
    fd = dial(&s);
    for (int i = 0; i < 399; i++)
        rec_buf_adds(&requests, GET("/big"));
    rec_buf_adds(&requests, "GET /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    say(fd, requests.data);
    WAIT_FOR(s.handled >= 100); /* the piece that was taken */
    usleep(100000);
    assert_true(s.handled < 250);
    while ((n = read(fd, block, BIG)) > 0)
        total += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(s.handled, 400);
    assert_true(total > 400u * BIG && total < 400u * (BIG + 400));
    close(fd);
    rec_buf_clear(&requests);
    free(block);
    stop(&s);
}

static void waits_have_an_end(void **state)
{
    static const struct rec_inetd_timeouts quick = {.head = 0.2, .body = 0.3, .idle = 0.15, .write = 0.3, .slowest = 256};
    static const struct { const char *sent, *answer; } cases[] = {
        {"", ""}, {"GET / HT", "HTTP/1.1 408 "}, {"POST /a HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc", "HTTP/1.1 408 "},
        {GET("/a"), "HTTP/1.1 200 "}, {GET("/a") "GET", "HTTP/1.1 200 "},
    };
    struct server s;
    char out[4096];
    double begun;
    int fd;

    (void)state;
    start(&s, (struct rec_listen_options){.timeouts = &quick});
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        begun = now();
        fd = dial(&s);
        say(fd, cases[i].sent);
        assert_true(hear(fd, out, sizeof out) >= 0);
        assert_ptr_equal(strstr(out, cases[i].answer), out);
        assert_true(now() - begun > 0.1 && now() - begun < 5);
    }
    /* A byte now and then is no progress. */
    begun = now();
    fd = dial(&s);
    for (const char *at = GET("/a"); *at && send(fd, at, 1, MSG_NOSIGNAL) == 1; at++)
        usleep(50000);
    hear(fd, out, sizeof out);
    assert_true(!out[0] || strstr(out, "HTTP/1.1 408 ") == out);
    /* One that reads nothing. */
    fd = dial(&s);
    for (int i = 0; i < 100; i++)
        say(fd, GET("/big"));
    WAIT_FOR(s.handled > 2);
    WAIT_FOR(rec_listen_connections(s.listener) == 0);
    close(fd);
    /* A handler may take as long as it likes. */
    fd = dial(&s);
    say(fd, GET("/hold"));
    WAIT_FOR(s.n_held == 1);
    usleep(700000);
    release_held(&s);
    hear_until(fd, "\r\n\r\nhold:");
    close(fd);
    stop(&s);
}

/* The answer to what is too long comes whole, though the client goes on sending. */
static void refusals_arrive(void **state)
{
    static const struct rec_message_limits limits = {1024, 4096, 1000};
    struct server s;
    char out[4096], block[65536];
    int fd;

    (void)state;
    memset(block, 'x', sizeof block);
    start(&s, (struct rec_listen_options){.limits = &limits});
    fd = dial(&s);
    say(fd, "POST /a HTTP/1.1\r\n" HOST "Content-Length: 8000000\r\n\r\n");
    for (int i = 0; i < 60; i++)
        assert_int_equal(send(fd, block, sizeof block, MSG_NOSIGNAL), sizeof block);
    usleep(50000);
    shutdown(fd, SHUT_WR);
    assert_true(hear(fd, out, sizeof out) > 0);
    assert_ptr_equal(strstr(out, "HTTP/1.1 413 "), out);
    WAIT_FOR(rec_listen_connections(s.listener) == 0);
    stop(&s);
}

static void limits_of_number(void **state)
{
    struct server s;
    char out[4096];
    int a, b, c;

    (void)state;
    start(&s, (struct rec_listen_options){.connections = 2, .most = 2});
    a = dial(&s);
    b = dial(&s);
    say(a, GET("/a"));
    say(b, GET("/a"));
    hear_until(a, "\r\n\r\na:");
    hear_until(b, "\r\n\r\na:");
    c = dial(&s);
    say(c, GET("/a"));
    usleep(100000);
    assert_int_equal(s.handled, 2);
    assert_int_equal(rec_listen_connections(s.listener), 2);
    say(a, GET("/a") GET("/a")); /* the second is its last */
    assert_true(hear(a, out, sizeof out) >= 0);
    assert_int_equal(occurrences(out, "HTTP/1.1 "), 1);
    assert_int_equal(occurrences(out, "Connection: close\r\n"), 1);
    hear_until(c, "\r\n\r\na:");
    close(b);
    close(c);
    stop(&s);

    start(&s, (struct rec_listen_options){.per_address = 2});
    a = dial(&s);
    b = dial(&s);
    say(b, GET("/a"));
    hear_until(b, "\r\n\r\na:");
    c = dial(&s);
    assert_true(hear(c, out, sizeof out) <= 0);
    close(a);
    WAIT_FOR(rec_listen_connections(s.listener) == 1);
    c = dial(&s);
    say(c, GET("/a"));
    hear_until(c, "\r\n\r\na:");
    close(b);
    close(c);
    stop(&s);
}

/* Each body is within its limit, all of them together are not. */
static void limit_of_memory(void **state)
{
    struct server s;
    char out[4096], block[100000];
    int fd[10];
    size_t refused = 0;

    (void)state;
    memset(block, 'x', sizeof block);
    start(&s, (struct rec_listen_options){.memory = 600000});
    for (size_t i = 0; i < REC_LENGTH(fd); i++) {
        fd[i] = dial(&s);
        say(fd[i], "POST /a HTTP/1.1\r\n" HOST "Content-Length: 100001\r\nConnection: close\r\n\r\n");
        assert_int_equal(send(fd[i], block, sizeof block, MSG_NOSIGNAL), sizeof block);
        usleep(20000);
    }
    for (size_t i = 0; i < REC_LENGTH(fd); i++) {
        send(fd[i], "x", 1, MSG_NOSIGNAL);
        shutdown(fd[i], SHUT_WR);
        assert_true(hear(fd[i], out, sizeof out) > 0);
        refused += strstr(out, "HTTP/1.1 503 ") == out;
    }
    assert_true(refused >= 2 && refused <= 8);
    fd[0] = dial(&s);
    say(fd[0], "POST /a HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
    assert_int_equal(send(fd[0], block, sizeof block, MSG_NOSIGNAL), sizeof block);
    hear_until(fd[0], "HTTP/1.1 200 ");
    close(fd[0]);
    stop(&s);
}

static double cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Without a descriptor to be had, clients wait in the queue, and the loop does not spin. */
static void no_more_descriptors(void **state)
{
    struct rlimit files, few;
    struct server s;
    double used;
    int fd, next;

    (void)state;
    start(&s, (struct rec_listen_options){0});
    fd = make_socket(&s);
    next = dup(fd);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    few = files;
    few.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    connect_to(&s, fd);
    say(fd, GET("/a"));
    used = cpu_seconds();
    usleep(400000);
    used = cpu_seconds() - used;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(s.handled, 0);
    assert_true(used < 0.3);
    hear_until(fd, "\r\n\r\na:");
    close(fd);
    stop(&s);
}

static void stopping(void **state)
{
    struct server s;
    char out[4096];
    int idle, held, begun, fresh, silent;

    (void)state;
    start(&s, (struct rec_listen_options){0});
    idle = dial(&s);
    held = dial(&s);
    begun = dial(&s);
    say(idle, GET("/a"));
    hear_until(idle, "\r\n\r\na:");
    say(held, GET("/hold"));
    say(begun, "GET /a HT");
    WAIT_FOR(s.n_held == 1);
    fresh = dial(&s);
    silent = dial(&s);
    WAIT_FOR(rec_listen_connections(s.listener) == 5);
    usleep(50000);
    rec_listen_stop(s.listener);
    assert_int_equal(hear(idle, out, sizeof out), 0);
    /* Who has just connected did so to a server that was there. */
    say(fresh, GET("/a"));
    assert_true(hear(fresh, out, sizeof out) > 0);
    assert_non_null(strstr(out, "Connection: close\r\n"));
    assert_int_equal(hear(silent, out, sizeof out), 0);
    say(begun, "TP/1.1\r\n" HOST "\r\n");
    assert_true(hear(begun, out, sizeof out) > 0);
    assert_non_null(strstr(out, "Connection: close\r\n"));
    assert_non_null(strstr(out, "\r\n\r\na:"));
    WAIT_FOR(rec_listen_connections(s.listener) == 1);
    release_held(&s);
    assert_true(hear(held, out, sizeof out) > 0);
    assert_non_null(strstr(out, "Connection: close\r\n"));
    join(&s);
    rec_listen_close(s.listener);
    assert_int_equal(s.finished, 4);
}

static void stopping_at_once(void **state)
{
    struct server s;
    char out[4096];
    double begun = now();
    int held;

    (void)state;
    /* Draining has an end, and a second stop does not wait for it; the exchange outlives the listener. */
    for (int twice = 0; twice < 2; twice++) {
        start(&s, (struct rec_listen_options){.drain = twice ? 1000 : 0.1});
        held = dial(&s);
        say(held, GET("/hold"));
        WAIT_FOR(s.n_held == 1);
        rec_listen_stop(s.listener);
        if (twice)
            rec_listen_stop(s.listener);
        join(&s);
        assert_true(hear(held, out, sizeof out) <= 0);
        if (twice)
            rec_listen_close(s.listener);
        release_held(&s);
        if (!twice)
            rec_listen_close(s.listener);
        assert_int_equal(s.finished, 1);
    }
    assert_true(now() - begun < 30);
}

static void called_in_the_loop(void **state)
{
    struct server s;

    (void)state;
    start(&s, (struct rec_listen_options){0});
    rec_listen_reload(s.listener);
    WAIT_FOR(s.reloads == 1);
    WAIT_FOR(s.ticks >= 1);
    stop(&s);
}

/* ---- many ---- */

enum { CLIENTS = 4, VISITS = 150 };

struct visitor {
    const struct server *s;
    uint64_t number;
};

/* Sends requests cut anywhere, and then does what clients do: reads, a little or all, stops sending, leaves. */
static void *visit(void *argument)
{
    static const char *const requests[] = {
        GET("/a"), GET("/later"), GET("/big"), "POST /later HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabcd", "GET /%zz HTTP/1.1\r\n" HOST "\r\n",
        "GET /a HTTP/1.0\r\n\r\n", "nonsense\r\n", "HEAD /later HTTP/1.1\r\n" HOST "\r\n",
    };
    const struct visitor *v = argument;
    struct rec_rng rng;
    char block[4096];

    rec_rng_seed(&rng, 7, v->number);
    for (int i = 0; i < VISITS; i++) {
        int fd = dial(v->s);
        size_t n = 1 + rec_rng_below(&rng, 8);

        while (n--) {
            const char *text = requests[rec_rng_below(&rng, REC_LENGTH(requests))];
            size_t cut = rec_rng_below(&rng, strlen(text));

            send(fd, text, cut, MSG_NOSIGNAL);
            send(fd, text + cut, strlen(text) - cut, MSG_NOSIGNAL);
        }
        if (rec_rng_below(&rng, 2))
            shutdown(fd, SHUT_WR);
        for (n = rec_rng_below(&rng, 6); n; n--)
            recv(fd, block, sizeof block, rec_rng_below(&rng, 2) ? MSG_DONTWAIT : 0);
        if (rec_rng_below(&rng, 2))
            reset_on_close(fd);
        else
            close(fd);
    }
    return NULL;
}

static void anything_goes(void **state)
{
    static const struct rec_inetd_timeouts quick = {.head = 0.3, .body = 0.3, .idle = 0.3, .write = 0.3, .slowest = 256};
    struct visitor visitors[CLIENTS];
    pthread_t threads[CLIENTS];
    struct server s;

    (void)state;
    start(&s, (struct rec_listen_options){.timeouts = &quick, .per_address = 1000, .connections = 50});
    for (size_t i = 0; i < CLIENTS; i++) {
        visitors[i] = (struct visitor){&s, i};
        assert_int_equal(pthread_create(&threads[i], NULL, visit, &visitors[i]), 0);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    WAIT_FOR(rec_listen_connections(s.listener) == 0);
    stop(&s);
    assert_true(s.handled > CLIENTS * VISITS / 4);
    assert_true(s.finished >= s.handled);
}

enum { MANY = 2000, PER_CONNECTION = 2048 };

/* Reads one answer of /big to its last byte. */
static void hear_big(int fd)
{
    char *block = malloc(2 * BIG);
    const char *body = NULL;
    size_t len = 0;

    while (!body || len < (size_t)(body - block) + strlen("\r\n\r\nbig:") + BIG) {
        ssize_t n = read(fd, block + len, 2 * BIG - len);

        assert_true(n > 0);
        len += (size_t)n;
        body = memmem(block, len, "\r\n\r\n", 4);
    }
    free(block);
}

static void many_idle_ones(void **state)
{
    static const struct rec_inetd_timeouts patient = {.head = 600, .body = 600, .idle = 600, .write = 600};
    struct rlimit files;
    struct server s;
    size_t before, after;
    int *fd = calloc(MANY, sizeof *fd);

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_true(files.rlim_max > 2 * MANY + 64);
    start(&s, (struct rec_listen_options){.timeouts = &patient});
    for (int i = 0; i < 20; i++) { /* what is allocated once */
        fd[i] = dial(&s);
        say(fd[i], GET("/a"));
        hear_until(fd[i], "\r\n\r\na:");
    }
    before = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (int i = 20; i < MANY; i++)
        fd[i] = dial(&s);
    for (int i = 20; i < MANY; i += 2) { /* half of them have asked for something */
        say(fd[i], GET("/big"));
        hear_big(fd[i]);
    }
    WAIT_FOR(rec_listen_connections(s.listener) == MANY);
    usleep(2500000);
    after = mallinfo2().uordblks + mallinfo2().hblkhd;
    print_message("%zu bytes a connection\n", after > before ? (after - before) / (MANY - 20) : 0);
    assert_true(after < before + (size_t)MANY * PER_CONNECTION);
    for (int i = 0; i < MANY; i++)
        close(fd[i]);
    WAIT_FOR(rec_listen_connections(s.listener) == 0);
    free(fd);
    stop(&s);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_anywhere), cmocka_unit_test(clients_that_leave), cmocka_unit_test(a_client_that_does_not_read),
        cmocka_unit_test(waits_have_an_end), cmocka_unit_test(refusals_arrive), cmocka_unit_test(limits_of_number), cmocka_unit_test(limit_of_memory),
        cmocka_unit_test(no_more_descriptors), cmocka_unit_test(stopping), cmocka_unit_test(stopping_at_once), cmocka_unit_test(called_in_the_loop), cmocka_unit_test(anything_goes), cmocka_unit_test(many_idle_ones),
    };
    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
