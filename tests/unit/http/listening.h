/* SPDX-License-Identifier: MIT
 *
 * A listener in a thread of its own, a handler for it, and a worker that answers later: for the tests of the listener.
 *
 *     /a       "a:" and the body, at once         /big     256 KiB, at once
 *     /later   the same as /a, by the worker      /hold    when release_held is called
 */
#ifndef LISTENING_H
#define LISTENING_H

#include <rec/http.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST "Host: a\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"
enum { BIG = 256 * 1024, HELD = 64 };

struct server {
    struct rec_listener *listener;
    struct rec_connection_handler handler;
    pthread_t thread, worker;
    atomic_int handled, finished, ticks, reloads, told;
    atomic_bool ending;
    struct rec_exchange *held[HELD], *later[HELD];
    atomic_size_t n_held, n_later, n_done;  /* later: a ring; how many came, and how many were answered */
    char line[512];   /* of `tell` */
};

static bool server_handle(void *context, struct rec_exchange *x)
{
    struct server *s = context;
    const char *path = x->target.n_segments ? x->target.segment[0].text : "";

    s->handled++;
    x->response.status = 200;
    x->response.type = "text/plain";
    x->response.no_gzip = x->response.no_etag = true;
    rec_buf_addf(&x->response.body, "%s:%.*s", path, (int)x->message->body.len, x->message->body.data ? x->message->body.data : "");
    for (int i = 0; strcmp(path, "big") == 0 && i < BIG / 16; i++)
        rec_buf_adds(&x->response.body, "0123456789abcdef");
    if (strcmp(path, "later") == 0) {
        while (s->n_later - s->n_done == HELD)
            usleep(100);
        s->later[s->n_later % HELD] = x;
        s->n_later++;
        return true;
    }
    if (strcmp(path, "hold") == 0) {
        s->held[s->n_held] = x;
        s->n_held++;
        return true;
    }
    return false;
}

static void server_finished(void *context, struct rec_exchange *x, size_t bytes)
{
    struct server *s = context;

    (void)x, (void)bytes;
    s->finished++;
}

static void server_tick(void *context)
{
    ((struct server *)context)->ticks++;
}

static void server_reload(void *context)
{
    ((struct server *)context)->reloads++;
}

static void server_tell(void *context, const char *line)
{
    struct server *s = context;

    snprintf(s->line, sizeof s->line, "%s", line);
    s->told++;
}

static void *server_run(void *argument)
{
    struct server *s = argument;
    struct rec_err err = {0};

    return (void *)(intptr_t)rec_listen_run(s->listener, &err);
}

static void *server_work(void *argument)
{
    struct server *s = argument;

    while (!s->ending || s->n_done < s->n_later) {
        if (s->n_done == s->n_later) {
            usleep(200);
            continue;
        }
        rec_listen_answered(s->later[s->n_done % HELD]);
        s->n_done++;
    }
    return NULL;
}

/* Opens and runs. @return false, with what is wrong in err, when it does not open. */
static bool server_start(struct server *s, struct rec_listen_options options, struct rec_err *err)
{
    memset(s, 0, sizeof *s);
    s->handler = (struct rec_connection_handler){.handle = server_handle, .finished = server_finished, .context = s};
    options.context = s;
    options.tick = server_tick;
    options.reload = server_reload;
    options.tell = server_tell;
    if (!options.address && !options.fd)
        options.address = "127.0.0.1:0";
    if (rec_listen_open(&s->listener, &options, &s->handler, err) < 0)
        return false;
    assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
    assert_int_equal(pthread_create(&s->worker, NULL, server_work, s), 0);
    return true;
}

static void start(struct server *s, struct rec_listen_options options)
{
    struct rec_err err = {0};

    if (!server_start(s, options, &err))
        fail_msg("%s", err.text);
}

/* Waits until the loop has ended. */
static void join(struct server *s)
{
    void *status;

    assert_int_equal(pthread_join(s->thread, &status), 0);
    assert_null(status);
    s->ending = true;
    assert_int_equal(pthread_join(s->worker, NULL), 0);
}

static void stop(struct server *s)
{
    rec_listen_stop(s->listener);
    join(s);
    rec_listen_close(s->listener);
}

static inline void release_held(struct server *s)
{
    for (size_t i = 0; i < s->n_held; i++)
        rec_listen_answered(s->held[i]);
    s->n_held = 0;
}

/* Waits, ten seconds at most, for what another thread does. */
#define WAIT_FOR(condition) do { \
        for (int tries = 0; !(condition) && tries < 10000; tries++) \
            usleep(1000); \
        assert_true(condition); \
    } while (0)

static inline double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* A socket for a connection to that server. */
static int make_socket(const struct server *s)
{
    bool is_local = strncmp(rec_listen_address(s->listener), "unix:", 5) == 0;
    int fd = socket(is_local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 20};

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

/* Connects to the address as rec_listen_address writes it. */
static void connect_to(const struct server *s, int fd)
{
    const char *address = rec_listen_address(s->listener);
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    if (strncmp(address, "unix:", 5) == 0) {
        snprintf(local.sun_path, sizeof local.sun_path, "%s", address + 5);
        assert_int_equal(connect(fd, (struct sockaddr *)&local, sizeof local), 0);
    } else {
        four.sin_port = htons((uint16_t)strtol(strrchr(address, ':') + 1, NULL, 10));
        assert_int_equal(connect(fd, (struct sockaddr *)&four, sizeof four), 0);
    }
}

static int dial(const struct server *s)
{
    int fd = make_socket(s);

    connect_to(s, fd);
    return fd;
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Reads to the end and closes. @return bytes, or -1 when the connection was reset or nothing came for long. */
static inline ssize_t hear(int fd, char *out, size_t room)
{
    size_t len = 0;
    ssize_t n;

    while (len < room - 1 && (n = read(fd, out + len, room - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = 0;
    close(fd);
    return n < 0 ? -1 : (ssize_t)len;
}

/* Reads until the text has come. */
static inline void hear_until(int fd, const char *text)
{
    char out[8192];
    size_t len = 0;
    ssize_t n;

    out[0] = 0;
    while (!strstr(out, text)) {
        n = read(fd, out + len, sizeof out - 1 - len);
        if (n <= 0)
            fail_msg("no \"%s\" in \"%s\"", text, out);
        len += (size_t)n;
        out[len] = 0;
    }
}

static inline size_t occurrences(const char *text, const char *word)
{
    size_t n = 0;

    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

/* A directory of the test's own. */
static inline char *make_directory(char *template)
{
    assert_non_null(mkdtemp(template));
    return template;
}

#endif
