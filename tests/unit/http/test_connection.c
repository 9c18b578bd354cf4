/* SPDX-License-Identifier: MIT
 *
 * Connections: answers in order, pipelined and late ones, what is answered without a handler, validators and gzip; and over a socket pair the
 * waits and the end.
 */
#include <rec/format.h>
#include <rec/http.h>

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST "Host: a\r\n"

static int finished_requests;

/* Echoes the path; /later is answered later, /big is long, /close closes. */
static bool handle(void *context, struct rec_exchange *x)
{
    const char *path = x->target.n_segments ? x->target.segment[0].text : "";

    (void)context;
    x->response.status = 200;
    x->response.type = "text/plain";
    rec_buf_addf(&x->response.body, "%s:%.*s", path, (int)x->message->body.len, x->message->body.data ? x->message->body.data : "");
    for (int i = 0; strcmp(path, "big") == 0 && i < 1000; i++)
        rec_buf_addf(&x->response.body, "%d ", i);
    x->response.close = strcmp(path, "close") == 0;
    if (strcmp(path, "field") == 0)
        rec_response_field(&x->response, "X-Echo", "a\r\nX-Evil: 1");
    return strcmp(path, "later") == 0;
}

static void finished(void *context, struct rec_exchange *x, size_t bytes)
{
    (void)context;
    assert_true(bytes > 0);
    assert_int_equal(strlen(x->id), 26);
    finished_requests++;
}

static void refused(void *context, struct rec_exchange *x, const char *cause)
{
    (void)context;
    x->response.type = "text/plain";
    rec_buf_adds(&x->response.body, cause);
}

static const struct rec_connection_handler handler = {handle, finished, refused, NULL};

static void begin(struct rec_connection *c)
{
    rec_connection_begin(c, &handler, &rec_message_limits, "192.0.2.7", false, 0);
}

static void input(struct rec_connection *c, const char *text)
{
    rec_connection_input(c, text, strlen(text));
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;

    for (; text && (text = strstr(text, word)); text++)
        n++;
    return n;
}

static void in_order(void **state)
{
    struct rec_connection c;
    const char *a, *b;

    (void)state;
    begin(&c);
    finished_requests = 0;
    input(&c, "GET /a HTTP/1.1\r\n" HOST "\r\nPOST /b HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhiGET /la");
    assert_int_equal(count(c.out.data, "HTTP/1.1 200 OK\r\n"), 2);
    a = strstr(c.out.data, "\r\n\r\na:");
    b = strstr(c.out.data, "\r\n\r\nb:hi");
    assert_true(a && b && a < b);
    assert_false(rec_connection_idle(&c));
    input(&c, "ter HTTP/1.1\r\n" HOST "\r\nGET /d HTTP/1.1\r\n" HOST "\r\n");
    assert_true(c.busy);
    assert_int_equal(count(c.out.data, "HTTP/1.1 "), 2);
    rec_connection_answer(&c);
    assert_int_equal(count(c.out.data, "HTTP/1.1 200 OK\r\n"), 4);
    assert_true(strstr(c.out.data, "\r\n\r\nlater:") < strstr(c.out.data, "\r\n\r\nd:"));
    assert_true(rec_connection_idle(&c));
    assert_false(c.closing);
    input(&c, "GET /close HTTP/1.1\r\n" HOST "\r\nGET /never HTTP/1.1\r\n" HOST "\r\n");
    assert_true(c.closing);
    assert_int_equal(count(c.out.data, "HTTP/1.1 "), 5);
    assert_int_equal(count(c.out.data, "Connection: close\r\n"), 1);
    assert_int_equal(finished_requests, 5);
    rec_connection_clear(&c);
}

static void refusals(void **state)
{
    static const struct { const char *request, *status; } cases[] = {
        {"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"BREW / HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 501 Not Implemented\r\n"},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\n\r\n", "HTTP/1.1 413 Content Too Large\r\n"},
    };
    struct rec_connection c;

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        begin(&c);
        input(&c, cases[i].request);
        assert_true(c.closing);
        assert_int_equal(count(c.out.data, "HTTP/1.1 "), 1);
        assert_ptr_equal(strstr(c.out.data, cases[i].status), c.out.data);
        assert_non_null(strstr(c.out.data, "Connection: close\r\n"));
        rec_connection_clear(&c);
    }
    /* A bad target is the request's fault, not the connection's. */
    begin(&c);
    input(&c, "GET /%zz HTTP/1.1\r\n" HOST "\r\nGET /a HTTP/1.1\r\n" HOST "\r\n");
    assert_ptr_equal(strstr(c.out.data, "HTTP/1.1 400 "), c.out.data);
    assert_int_equal(count(c.out.data, "HTTP/1.1 200 OK\r\n"), 1);
    rec_connection_timeout(&c);
    assert_true(c.closing);
    assert_int_equal(count(c.out.data, "HTTP/1.1 "), 2);
    rec_connection_clear(&c);
    begin(&c);
    input(&c, "GET /slow");
    rec_connection_timeout(&c);
    assert_ptr_equal(strstr(c.out.data, "HTTP/1.1 408 "), c.out.data);
    rec_connection_clear(&c);
    begin(&c);
    input(&c, "GET /field HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(c.out.data, "X-Echo: a??X-Evil: 1\r\n"));
    rec_connection_clear(&c);
}

static void conditions(void **state)
{
    struct rec_connection c;
    char etag[64], request[200];
    const char *at;
    struct rec_buf text = {0};

    (void)state;
    begin(&c);
    input(&c, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    at = strstr(c.out.data, "ETag: \"");
    assert_non_null(at);
    snprintf(etag, sizeof etag, "%.18s", at + 6);
    assert_non_null(strstr(c.out.data, "Vary: Accept-Encoding\r\n"));
    rec_buf_reset(&c.out);
    snprintf(request, sizeof request, "GET /big HTTP/1.1\r\n" HOST "If-None-Match: \"x\", W/%s\r\n\r\n", etag);
    input(&c, request);
    assert_ptr_equal(strstr(c.out.data, "HTTP/1.1 304 Not Modified\r\n"), c.out.data);
    assert_null(strstr(c.out.data, "Content-Length"));
    assert_true(c.out.len > 4 && memcmp(c.out.data + c.out.len - 4, "\r\n\r\n", 4) == 0);
    rec_buf_reset(&c.out);
    input(&c, "HEAD /big HTTP/1.1\r\n" HOST "\r\n");
    assert_non_null(strstr(c.out.data, "Content-Length: 3894\r\n"));
    assert_non_null(strstr(c.out.data, etag));
    assert_memory_equal(c.out.data + c.out.len - 4, "\r\n\r\n", 4);
    rec_buf_reset(&c.out);
    input(&c, "GET /big HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    assert_non_null(strstr(c.out.data, "Content-Encoding: gzip\r\n"));
    assert_null(strstr(c.out.data, etag));
    assert_true(c.out.len < 3000);
    at = (const char *)memmem(c.out.data, c.out.len, "\r\n\r\n", 4) + 4;
    assert_memory_equal(at, "\x1f\x8b", 2);
    rec_buf_reset(&c.out);
    input(&c, "GET /big HTTP/1.1\r\n" HOST "Accept-Encoding: gzip;q=0\r\n\r\n");
    assert_null(strstr(c.out.data, "Content-Encoding"));
    rec_buf_reset(&c.out);
    input(&c, "GET /a HTTP/1.1\r\n" HOST "Accept-Encoding: gzip\r\n\r\n");
    assert_null(strstr(c.out.data, "Content-Encoding"));
    rec_buf_reset(&c.out);
    input(&c, "POST /a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n");
    assert_string_equal(c.out.data, "HTTP/1.1 100 Continue\r\n\r\n");
    input(&c, "x");
    assert_non_null(strstr(c.out.data, "\r\n\r\na:x"));
    assert_null(strstr(c.out.data, "ETag"));
    rec_connection_clear(&c);
    rec_buf_clear(&text);
}

/* ---- on a socket ---- */

static volatile int stop_flag;

static void on_signal(int number)
{
    (void)number;
    stop_flag = 1;
}

/* A process that serves one end of a socket pair. */
static pid_t serve(int *end, const struct rec_inetd_timeouts *timeouts)
{
    int pair[2];
    pid_t pid;

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct rec_err err = {0};
        struct sigaction action = {.sa_handler = on_signal};

        close(pair[1]);
        sigaction(SIGTERM, &action, NULL);
        _exit(rec_inetd_serve(pair[0], pair[0], &handler, &rec_message_limits, timeouts, &stop_flag, &err) < 0);
    }
    close(pair[0]);
    *end = pair[1];
    return pid;
}

static size_t receive(int fd, char *out, size_t room)
{
    size_t len = 0;
    ssize_t n;

    while (len < room - 1 && (n = read(fd, out + len, room - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = 0;
    close(fd);
    return len;
}

static int outcome(pid_t pid)
{
    int status = -1;

    assert_true(waitpid(pid, &status, 0) == pid);
    return status;
}

static void one_request(void **state)
{
    static const char request[] = "GET /a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    char out[4096];
    int fd;
    pid_t pid = serve(&fd, &rec_inetd_timeouts);

    (void)state;
    assert_true(write(fd, request, sizeof request - 1) > 0);
    receive(fd, out, sizeof out);
    assert_non_null(strstr(out, "\r\n\r\na:"));
    assert_int_equal(outcome(pid), 0);
}

static void slow_clients(void **state)
{
    static const struct rec_inetd_timeouts quick = {.head = 0.2, .body = 0.3, .idle = 0.2, .write = 1, .slowest = 256};
    static const struct { const char *sent, *answer; } cases[] = {
        {"", ""}, {"GET / HT", "HTTP/1.1 408 "}, {"POST / HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nabc", "HTTP/1.1 408 "},
        {"GET /a HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 200 "},
    };
    char out[4096];
    int fd;

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        pid_t pid = serve(&fd, &quick);

        assert_true(write(fd, cases[i].sent, strlen(cases[i].sent)) >= 0);
        receive(fd, out, sizeof out);
        assert_ptr_equal(strstr(out, cases[i].answer), out);
        assert_int_equal(outcome(pid), 0);
    }
}

/* SIGTERM: an idle connection ends at once; a request under way is still answered. */
static void stopping(void **state)
{
    char out[4096];
    int fd;
    pid_t pid = serve(&fd, &rec_inetd_timeouts);

    (void)state;
    usleep(50000);
    kill(pid, SIGTERM);
    assert_int_equal(receive(fd, out, sizeof out), 0);
    assert_int_equal(outcome(pid), 0);
    pid = serve(&fd, &rec_inetd_timeouts);
    assert_true(write(fd, "GET /a HTTP/1.1\r\n", 17) > 0);
    usleep(50000);
    kill(pid, SIGTERM);
    usleep(50000);
    assert_true(write(fd, HOST "\r\n", strlen(HOST "\r\n")) > 0);
    receive(fd, out, sizeof out);
    assert_ptr_equal(strstr(out, "HTTP/1.1 200 "), out);
    assert_non_null(strstr(out, "Connection: close"));
    assert_int_equal(outcome(pid), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order), cmocka_unit_test(refusals), cmocka_unit_test(conditions), cmocka_unit_test(one_request),
        cmocka_unit_test(slow_clients), cmocka_unit_test(stopping),
    };
    return cmocka_run_group_tests_name("connection", tests, NULL, NULL);
}
