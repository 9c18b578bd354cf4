/* SPDX-License-Identifier: MIT
 *
 * A connection on two file descriptors: what inetd, xinetd, tcpserver, systemd and socat start a process with.
 *
 * Every wait has an end. A head has to come within one time, a body within another and not slower than a floor, so that a client that sends
 * a byte now and then holds a process for no longer than an honest one might.
 */
#include <rec/http.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

const struct rec_inetd_timeouts rec_inetd_timeouts = {10, 60, 15, 30, 256};

enum { BLOCK = 16384, LINGER = 2 };

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void rec_inetd_peer(char *out, int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof name;
    const struct sockaddr_in6 *six = (const void *)&name;
    const struct sockaddr_in *four = (const void *)&name;

    out[0] = 0;
    if (getpeername(fd, (struct sockaddr *)&name, &len) < 0)
        return;
    /* An IPv4 client of an IPv6 socket is the same client: limits go by its address. */
    if (name.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
        inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], out, 64);
    else if (name.ss_family == AF_INET6)
        inet_ntop(AF_INET6, &six->sin6_addr, out, 64);
    else if (name.ss_family == AF_INET)
        inet_ntop(AF_INET, &four->sin_addr, out, 64);
}

enum { READY = 1, TOO_LATE = 0, BROKEN = -1, SIGNAL = 2 };

/* Waits until `fd` is ready, to the moment `until`. */
static int wait_for(int fd, short events, double until)
{
    double left = until - seconds();
    struct pollfd p = {.fd = fd, .events = events};
    int n = left <= 0 ? 0 : poll(&p, 1, (int)(left * 1000) + 1);

    if (n < 0)
        return errno == EINTR ? SIGNAL : BROKEN;
    return n > 0 ? READY : TOO_LATE;
}

static int send_all(int fd, struct rec_buf *out, double timeout, struct rec_err *err)
{
    size_t sent = 0;

    while (sent < out->len) {
        double until = seconds() + timeout;
        int ready;
        ssize_t n;

        while ((ready = wait_for(fd, POLLOUT, until)) == SIGNAL)
            ;
        if (ready != READY)
            return ready == BROKEN ? rec_err_errno(err, "connection") : rec_err_set(err, "connection: the client takes no more");
        /* MSG_NOSIGNAL where it is a socket: a client that went away is no reason to die. */
        n = send(fd, out->data + sent, out->len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == ENOTSOCK)
            n = write(fd, out->data + sent, out->len - sent);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return rec_err_errno(err, "connection");
        sent += n > 0 ? (size_t)n : 0;
    }
    rec_buf_reset(out);
    return 0;
}

/* When the bytes awaited now have to be there. `begun`: when the present request began; `got`: bytes of its body by now. */
static double deadline(const struct rec_connection *c, const struct rec_inetd_timeouts *t, double begun, double body_begun)
{
    double until;

    if (rec_message_idle(&c->message))
        return begun + t->idle;
    if (!rec_message_in_body(&c->message))
        return begun + t->head;
    until = body_begun + 10 + (double)c->message.body.len / t->slowest;
    return until < body_begun + t->body ? until : body_begun + t->body;
}

/* A connection that was refused may still be sending: closed at once, it would lose the answer (RFC 9112, section 9.6). */
static void linger(int fd)
{
    char block[BLOCK];
    double until = seconds() + LINGER;

    if (shutdown(fd, SHUT_WR) < 0)
        return;
    while (wait_for(fd, POLLIN, until) == READY && read(fd, block, sizeof block) > 0)
        ;
}

/* Whether nothing has come that was not read: closing then resets nothing. */
static bool is_empty(int fd)
{
    int waiting = 1;

    return ioctl(fd, FIONREAD, &waiting) == 0 && waiting == 0;
}

static int serve(struct rec_connection *c, int in, int out, const struct rec_inetd_timeouts *timeouts, const volatile int *stop,
                 struct rec_err *err)
{
    double begun = seconds(), body_begun = 0;
    char block[BLOCK];

    for (bool ending = false; !c->closing;) {
        bool was_idle = rec_message_idle(&c->message), was_body = rec_message_in_body(&c->message);
        int ready;
        ssize_t n;

        if (stop && *stop && !ending) {
            ending = true;
            rec_connection_end(c);
            continue;
        }
        ready = wait_for(in, POLLIN, deadline(c, timeouts, begun, body_begun));
        n = ready == READY ? read(in, block, sizeof block) : 0;
        if (ready == BROKEN || (n < 0 && errno != EINTR && errno != EAGAIN))
            return rec_err_errno(err, "connection");
        if (ready == READY && n == 0)
            return 0; /* what was begun and not ended is no request */
        if (ready == TOO_LATE)
            rec_connection_timeout(c);
        else if (n > 0)
            rec_connection_input(c, block, (size_t)n);
        if (was_idle != rec_message_idle(&c->message) || c->out.len)
            begun = seconds();
        if (!was_body && rec_message_in_body(&c->message))
            body_begun = seconds();
        if (send_all(out, &c->out, timeouts->write, err) < 0)
            return -1;
    }
    return send_all(out, &c->out, timeouts->write, err);
}

int rec_inetd_serve(int in, int out, const struct rec_connection_handler *handler, const struct rec_message_limits *limits,
                    const struct rec_inetd_timeouts *timeouts, const volatile int *stop, struct rec_err *err)
{
    struct rec_connection c;
    char peer[64];
    int status;

    rec_inetd_peer(peer, in);
    rec_connection_begin(&c, handler, limits, peer, false, 0);
    status = serve(&c, in, out, timeouts, stop, err);
    if (status == 0 && c.closing && !(c.asked && is_empty(in)))
        linger(out);
    rec_connection_clear(&c);
    return status;
}
