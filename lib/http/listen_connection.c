/* SPDX-License-Identifier: MIT
 *
 * One of many connections: its socket, its timer, and the rec_connection that knows what the bytes mean.
 *
 * Every event ends in rec_listen_connection_advance, at once or when the other events have been seen to (listen_flush): send what there is, take
 * what has waited, as long as either gets on; then wait for what is missing. Bytes are taken in small pieces while the client takes its answers,
 * so that a client that sends requests and reads nothing costs one block and the answers to one piece, however much it sends. The timer is
 * moved only when it would come too late: a request that is answered at once costs none of its heap.
 *
 * An idle connection holds no rec_connection and no buffer.
 */
#include "listen_priv.h"

#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 4096, HIGH = 65536 };

/* ---- bytes ---- */

static ssize_t error_code(ssize_t n)
{
    return n >= 0 ? n : errno == EAGAIN || errno == EINTR ? REC_LISTEN_WANTS_READ : REC_LISTEN_BROKEN;
}

static ssize_t read_some(struct rec_listen_connection *k, char *out, size_t len)
{
    return k->ssl ? rec_listen_tls_read(k->ssl, out, len) : error_code(recv(k->fd, out, len, 0));
}

/* Waiting to write is waiting to write, unless TLS says otherwise. */
static ssize_t write_some(struct rec_listen_connection *k, const char *bytes, size_t len)
{
    ssize_t n = k->ssl ? rec_listen_tls_write(k->ssl, bytes, len) : error_code(send(k->fd, bytes, len, MSG_NOSIGNAL));

    k->write_wants_read = k->ssl && n == REC_LISTEN_WANTS_READ;
    return n == REC_LISTEN_WANTS_READ || n == REC_LISTEN_WANTS_WRITE ? 0 : n;
}

static size_t unsent(const struct rec_listen_connection *k)
{
    return k->c ? k->c->out.len - k->c->sent : 0;
}

/* @return -1 when the connection broke. */
static int send_out(struct rec_listen_connection *k)
{
    struct rec_connection *c = k->c;
    ssize_t n = 1;

    if (!c)
        return 0;
    while (c->sent < c->out.len && n) {
        n = write_some(k, c->out.data + c->sent, c->out.len - c->sent);
        if (n < 0)
            return -1;
        c->sent += (size_t)n;
        k->out_sent += (size_t)n;
        if (n)
            k->progress = rec_listen_now();
    }
    if (c->sent == c->out.len) {
        rec_buf_reset(&c->out);
        c->sent = 0;
    } else if (c->sent > HIGH) {
        memmove(c->out.data, c->out.data + c->sent, c->out.len - c->sent);
        c->out.len -= c->sent;
        c->sent = 0;
    }
    return 0;
}

/* ---- requests ---- */

static struct rec_connection *begin(struct rec_listen_connection *k)
{
    struct rec_listener *l = k->listener;
    size_t most = l->options.most > k->requests ? l->options.most - k->requests : 1;

    if (k->c)
        return k->c;
    k->c = malloc(sizeof *k->c);
    if (!k->c)
        return NULL;
    rec_connection_begin(k->c, l->handler, &l->limits, k->peer, k->ssl != NULL, k->last ? 1 : most);
    k->c->exchange.connection = k;
    return k->c;
}

static void account(struct rec_listen_connection *k)
{
    size_t holds = k->rest.cap + (k->c ? k->c->message.body.cap + k->c->in.cap : 0);

    k->listener->held += holds - k->held;
    k->held = holds;
}

static void release(struct rec_listen_connection *k)
{
    if (!k->c)
        return;
    k->requests += k->c->requests;
    rec_connection_clear(k->c);
    free(k->c);
    k->c = NULL;
    rec_buf_clear(&k->rest);
    account(k);
}

static void start_clock_of_sending(struct rec_listen_connection *k)
{
    k->progress = k->out_begun = rec_listen_now();
    k->out_sent = 0;
}

/* Large requests that come slowly, on many connections, could take all memory: each is within its limit. */
static void spare_memory(struct rec_listen_connection *k)
{
    account(k);
    if (k->held <= HIGH || !k->c)
        return;
    rec_listen_connection_trim(k, INFINITY);
    if (!k->c || k->c->busy || k->listener->held <= k->listener->options.memory || !rec_message_in_body(&k->c->message))
        return;
    rec_connection_refuse(k->c, 503, "too many large requests are under way: try again later");
    start_clock_of_sending(k);
}

/* Keeps the times by which the next bytes are due. */
static void note_progress(struct rec_listen_connection *k, bool was_idle, bool was_body, size_t requests, size_t waiting)
{
    double now = rec_listen_now();

    if (was_idle != rec_message_idle(&k->c->message) || requests != k->c->requests)
        k->begun = now;
    if (rec_message_in_body(&k->c->message) && (!was_body || requests != k->c->requests))
        k->body_begun = now;
    if (!waiting && unsent(k)) {
        k->progress = k->out_begun = now;
        k->out_sent = 0;
    }
}

/* Gives bytes to the connection, as many as may be answered now. @return how many; all when the connection takes no more requests. */
static size_t feed(struct rec_listen_connection *k, const char *bytes, size_t len)
{
    struct rec_connection *c = k->c;
    size_t used = 0;

    while (used < len && !c->busy && !c->closing && unsent(k) < HIGH) {
        bool was_idle = rec_message_idle(&c->message), was_body = rec_message_in_body(&c->message);
        size_t requests = c->requests, waiting = unsent(k), piece = len - used < PIECE ? len - used : PIECE;

        rec_connection_input(c, bytes + used, piece);
        used += piece;
        note_progress(k, was_idle, was_body, requests, waiting);
    }
    return c->closing ? len : used;
}

/* What waited, if it may be taken now. @return whether there was something. */
static bool feed_rest(struct rec_listen_connection *k)
{
    size_t used = k->c && k->rest.len ? feed(k, k->rest.data, k->rest.len) : 0;

    if (!used)
        return false;
    memmove(k->rest.data, k->rest.data + used, k->rest.len - used);
    k->rest.len -= used;
    return true;
}

/* @return -1 when the connection broke. */
static int receive(struct rec_listen_connection *k)
{
    char *block = k->listener->block;
    ssize_t n = read_some(k, block, REC_LISTEN_BLOCK);
    size_t used;

    k->read_wants_write = n == REC_LISTEN_WANTS_WRITE;
    if (n == REC_LISTEN_BROKEN)
        return -1;
    if (n < 0)
        return 0;
    if (n == 0) {
        k->eof = true;
        return 0;
    }
    if (!begin(k))
        return -1;
    used = k->rest.len ? 0 : feed(k, block, (size_t)n);
    if (used < (size_t)n)
        rec_buf_add(&k->rest, block + used, (size_t)n - used);
    return k->rest.failed ? -1 : 0;
}

/* ---- waiting ---- */

static void arm(struct rec_listen_connection *k)
{
    double until = rec_listen_deadline(k), left;

    if (until >= k->armed)
        return;
    left = fmin(fmax(until - rec_listen_now(), 0), 1e6);
    event_add(&k->timer, &(struct timeval){.tv_sec = (time_t)left, .tv_usec = (suseconds_t)((left - floor(left)) * 1e6) + 1});
    k->armed = until;
}

static void set_event(struct event *event, bool *is, bool on)
{
    if (on == *is)
        return;
    if (on)
        event_add(event, NULL);
    else
        event_del(event);
    *is = on;
}

static void watch(struct rec_listen_connection *k, bool reads, bool writes)
{
    set_event(&k->readable, &k->reads, reads);
    set_event(&k->writable, &k->writes, writes);
    arm(k);
}

/* ---- the end ---- */

static void leave(struct rec_listen_connection *k)
{
    struct rec_listener *l = k->listener;

    rec_listen_flush_leave(k);
    *k->place = k->next;
    if (k->next)
        k->next->place = k->place;
    release(k);
    free(k);
    rec_listen_left(l);
}

void rec_listen_connection_drop(struct rec_listen_connection *k)
{
    rec_listen_flush_leave(k);
    if (k->state != REC_LISTEN_GONE) {
        event_del(&k->readable);
        event_del(&k->writable);
        event_del(&k->timer);
        SSL_free(k->ssl);
        k->ssl = NULL;
        close(k->fd);
        k->fd = -1;
        rec_listen_share_leave(k->listener->share, k->listener->process, k->from);
        k->from = NULL;
        k->state = REC_LISTEN_GONE;
    }
    if (!k->c || !k->c->busy)
        leave(k);
}

/* All is sent. What the client still sends has to be read for a while: closed at once, the answer could be lost (RFC 9112, section 9.6). */
static void end(struct rec_listen_connection *k)
{
    bool linger = !k->eof && !k->quiet;

    rec_listen_flush_leave(k);
    release(k);
    if (k->ssl)
        rec_listen_tls_end(k->ssl);
    if (!linger || shutdown(k->fd, SHUT_WR) < 0) {
        rec_listen_connection_drop(k);
        return;
    }
    k->state = REC_LISTEN_LINGER;
    k->begun = rec_listen_now();
    watch(k, true, false);
}

/* Whether nothing more will be answered and all is sent. */
static bool is_over(const struct rec_listen_connection *k)
{
    if (!k->c)
        return k->eof || k->quiet;
    return !k->c->busy && !unsent(k) && (k->c->closing || (k->eof && !k->rest.len));
}

void rec_listen_connection_advance(struct rec_listen_connection *k)
{
    spare_memory(k);
    do {
        if (send_out(k) < 0) {
            rec_listen_connection_drop(k);
            return;
        }
    } while (feed_rest(k));
    if (is_over(k)) {
        end(k);
        return;
    }
    watch(k, (!k->eof && (!k->c || !k->c->closing) && k->rest.len < REC_LISTEN_BLOCK && unsent(k) < HIGH) || k->write_wants_read,
          (unsent(k) && !k->write_wants_read) || k->read_wants_write);
}

/* ---- events ---- */

static void shake_hands(struct rec_listen_connection *k)
{
    int status = rec_listen_tls_accept(k->ssl), yes = 1;

    if (status == REC_LISTEN_BROKEN) {
        rec_listen_connection_drop(k);
        return;
    }
    if (status == 1) {
        k->state = REC_LISTEN_OPEN;
        k->begun = rec_listen_now();
        /* We have nothing to say now, and a client that waits for all it sent to be acknowledged (Nagle) would wait 40 ms to send a request. */
        setsockopt(k->fd, IPPROTO_TCP, TCP_QUICKACK, &yes, sizeof yes);
    }
    watch(k, status != REC_LISTEN_WANTS_WRITE, status == REC_LISTEN_WANTS_WRITE);
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    struct rec_listen_connection *k = context;

    (void)what;
    if (k->state == REC_LISTEN_HANDSHAKE) {
        shake_hands(k);
    } else if (k->state == REC_LISTEN_LINGER) {
        ssize_t n = recv(fd, k->listener->block, REC_LISTEN_BLOCK, 0);

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            rec_listen_connection_drop(k);
    } else if (!k->eof && receive(k) < 0) {
        rec_listen_connection_drop(k);
    } else {
        rec_listen_flush_join(k);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct rec_listen_connection *k = context;

    (void)fd, (void)what;
    if (k->state == REC_LISTEN_HANDSHAKE)
        shake_hands(k);
    else if (k->read_wants_write && receive(k) < 0)
        rec_listen_connection_drop(k);
    else
        rec_listen_connection_advance(k);
}

static void on_time(evutil_socket_t fd, short what, void *context)
{
    struct rec_listen_connection *k = context;

    (void)fd, (void)what;
    k->armed = INFINITY;
    if (rec_listen_deadline(k) > rec_listen_now() + 0.0005) {
        arm(k);
        return;
    }
    if (k->state != REC_LISTEN_OPEN || unsent(k)) {
        rec_listen_connection_drop(k);
        return;
    }
    k->quiet = !k->c || rec_connection_idle(k->c);
    if (k->c)
        rec_connection_timeout(k->c);
    start_clock_of_sending(k);
    rec_listen_connection_advance(k);
}

/* ---- what the listener asks for ---- */

void rec_listen_connection_start(struct rec_listener *l, int fd, const struct sockaddr_storage *name)
{
    struct rec_listen_connection *k = calloc(1, sizeof *k);
    bool internet = name->ss_family == AF_INET || name->ss_family == AF_INET6;
    int yes = 1;

    if (!k)
        goto failed;
    if (internet && l->options.per_address && !(k->from = rec_listen_share_enter(l->share, l->process, name, l->options.per_address)))
        goto failed;
    if (l->tls && !(k->ssl = rec_listen_tls_new(l->tls, fd)))
        goto failed;
    if (internet) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        rec_inetd_peer(k->peer, fd);
    }
    k->listener = l;
    k->fd = fd;
    k->state = k->ssl ? REC_LISTEN_HANDSHAKE : REC_LISTEN_OPEN;
    k->begun = rec_listen_now();
    k->armed = INFINITY;
    k->next = l->all;
    k->place = &l->all;
    if (k->next)
        k->next->place = &k->next;
    l->all = k;
    atomic_fetch_add(&l->connections, 1);
    event_assign(&k->readable, l->base, fd, EV_READ | EV_PERSIST, on_readable, k);
    event_assign(&k->writable, l->base, fd, EV_WRITE | EV_PERSIST, on_writable, k);
    evtimer_assign(&k->timer, l->base, on_time, k);
    watch(k, true, false);
    return;
failed:
    if (k)
        rec_listen_share_leave(l->share, l->process, k->from);
    free(k);
    close(fd);
}

void rec_listen_connection_finish(struct rec_listen_connection *k)
{
    k->c->closing = true; /* no handler is asked for what came after it */
    rec_connection_answer(k->c);
    leave(k);
}

void rec_listen_connection_answered(struct rec_listen_connection *k)
{
    size_t waiting = unsent(k);

    if (k->state == REC_LISTEN_GONE) {
        rec_listen_connection_finish(k);
        return;
    }
    rec_connection_answer(k->c);
    note_progress(k, true, false, SIZE_MAX, waiting);
    rec_listen_connection_advance(k);
}

void rec_listen_connection_end(struct rec_listen_connection *k)
{
    char byte;
    bool is_new = rec_listen_now() - k->begun < REC_LISTEN_FIRST;

    k->last = true;
    if (k->state == REC_LISTEN_HANDSHAKE) {
        if (is_new)
            arm(k);
        else
            rec_listen_connection_drop(k);
        return;
    }
    if (k->state != REC_LISTEN_OPEN)
        return;
    if (k->c)
        k->c->most = k->c->requests + 1;
    /* A request that is there already was sent to a server that had not said it would end. */
    if ((!k->c || rec_connection_idle(k->c)) && recv(k->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0 && receive(k) < 0) {
        rec_listen_connection_drop(k);
        return;
    }
    is_new = is_new && !k->eof && !k->requests && (!k->c || (!k->c->requests && rec_connection_idle(k->c) && !k->c->closing));
    k->quiet = !is_new && (!k->c || (rec_connection_idle(k->c) && !unsent(k) && !k->c->closing));
    if (k->c && !is_new)
        rec_connection_end(k->c);
    rec_listen_connection_advance(k);
}

void rec_listen_connection_trim(struct rec_listen_connection *k, double now)
{
    if (k->c && k->state == REC_LISTEN_OPEN && rec_connection_idle(k->c) && !unsent(k) && !k->rest.len && !k->c->closing && now - k->begun > 1)
        release(k);
}
