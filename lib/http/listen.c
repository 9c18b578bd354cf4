/* SPDX-License-Identifier: MIT
 *
 * Many connections in one loop: accepting, waking up for answers that other threads made, stopping.
 *
 * Whoever wants something of the loop raises a counter, or adds to the queue of answered exchanges, and writes to an eventfd: that is all that
 * a signal handler or another thread does.
 */
#include "listen_priv.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 10000, MOST = 1000, DRAIN = 30, BATCH = 64, MEMORY = 256 << 20, PATIENCE = 500 /* microseconds */ };

double rec_listen_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- accepting ---- */

static bool is_full(const struct rec_listener *l)
{
    return atomic_load(&l->connections) >= l->options.connections;
}

/* Connections beyond what we or the system can hold wait in the queue of the socket. */
static void set_accepting(struct rec_listener *l, bool on)
{
    if (on == l->accepting || (on && (l->stopping || !l->running || is_full(l))))
        return;
    if (on)
        event_add(&l->acceptable, NULL);
    else
        event_del(&l->acceptable);
    l->accepting = on;
}

/* Whether the failure was that one client's: what is wrong with the system, or the socket, is tried again a second later. */
static bool is_clients_fault(int error)
{
    static const int faults[] = {ECONNABORTED, EINTR, EPROTO, EPERM, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENONET, ENOPROTOOPT, ETIMEDOUT};

    for (size_t i = 0; i < REC_LENGTH(faults); i++)
        if (error == faults[i])
            return true;
    return false;
}

static void tell_others(struct rec_listener *l)
{
    if (l->share && l->running)
        rec_listen_share_say(l->share, l->process, l->stopping ? SIZE_MAX : atomic_load(&l->connections));
}

/* Of processes that share a socket, the one that is quickest to look would take all connections, and the others would have nothing to do. One that has
 * more than another leaves the next to that one, and looks again a little later: then it takes what is still there. */
static bool leaves_it(struct rec_listener *l)
{
    if (!l->share || !rec_listen_share_is_ahead(l->share, l->process, atomic_load(&l->connections)))
        return false;
    if (l->patient)
        return false;
    set_accepting(l, false);
    event_add(&l->patience, &(struct timeval){.tv_usec = PATIENCE});
    return true;
}

static void accept_some(struct rec_listener *l, size_t most)
{
    for (size_t i = 0; i < most && !is_full(l) && (l->stopping || !leaves_it(l)); i++) {
        struct sockaddr_storage name = {0};
        socklen_t len = sizeof name;
        int client = accept4(l->socket.fd, (struct sockaddr *)&name, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (client >= 0) {
            rec_listen_connection_start(l, client, &name);
            tell_others(l);
        } else if (errno == EAGAIN) {
            return;
        } else if (!is_clients_fault(errno)) {
            set_accepting(l, false);
            return;
        }
    }
    if (is_full(l))
        set_accepting(l, false);
}

static void on_patience(evutil_socket_t fd, short what, void *context)
{
    struct rec_listener *l = context;

    (void)fd, (void)what;
    if (l->stopping)
        return;
    l->patient = true;
    accept_some(l, 1);
    l->patient = false;
    set_accepting(l, true);
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    accept_some(context, BATCH);
}

void rec_listen_left(struct rec_listener *l)
{
    size_t before = atomic_fetch_sub(&l->connections, 1);

    tell_others(l);
    if (!l->running)
        return;
    set_accepting(l, true);
    if (l->stopping && before == 1)
        event_base_loopbreak(l->base);
}

/* ---- waking up ---- */

static void wake(struct rec_listener *l)
{
    int error = errno;
    uint64_t one = 1;

    /* It fails only when it would overflow, and is readable then. */
    if (write(l->wake_fd, &one, sizeof one) < 0)
        errno = error;
    errno = error;
}

static void reload(struct rec_listener *l)
{
    SSL_CTX *tls = NULL;
    struct rec_err err = {0};

    if (l->tls && rec_listen_tls_context(&tls, l->options.tls_cert, l->options.tls_key, &err) < 0 && l->options.tell)
        l->options.tell(l->options.context, err.text);
    /* Connections keep the one that they began with. */
    if (tls) {
        SSL_CTX_free(l->tls);
        l->tls = tls;
    }
    if (l->options.reload)
        l->options.reload(l->options.context);
}

static struct rec_listen_connection *take_answered(struct rec_listener *l)
{
    struct rec_listen_connection *list;

    pthread_mutex_lock(&l->lock);
    list = l->answered;
    l->answered = NULL;
    l->answered_end = &l->answered;
    pthread_mutex_unlock(&l->lock);
    return list;
}

static void begin_stop(struct rec_listener *l)
{
    struct rec_listen_connection *k, *next;
    double drain = l->options.drain;

    /* Who waits in the queue has connected to a server that was there. An inherited socket stays open, and somebody else may accept. */
    set_accepting(l, false);
    l->stopping = true;
    tell_others(l);
    rec_listen_socket_hide(&l->socket);
    if (!l->socket.inherited)
        accept_some(l, SOMAXCONN);
    rec_listen_socket_close(&l->socket);
    for (k = l->all; k; k = next) {
        next = k->next;
        rec_listen_connection_end(k);
    }
    event_add(&l->drain, &(struct timeval){.tv_sec = (time_t)drain, .tv_usec = (suseconds_t)((drain - (double)(time_t)drain) * 1e6)});
    if (!l->all)
        event_base_loopbreak(l->base);
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct rec_listener *l = context;
    struct rec_listen_connection *k, *next;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN && errno != EINTR)
        event_base_loopbreak(l->base);
    if (atomic_exchange(&l->reloads, 0))
        reload(l);
    for (k = take_answered(l); k; k = next) {
        next = k->next_answered;
        rec_listen_connection_answered(k);
    }
    if (atomic_load(&l->stops) && !l->stopping)
        begin_stop(l);
    if (atomic_load(&l->stops) > 1)
        event_base_loopbreak(l->base);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct rec_listener *l = context;
    double now = rec_listen_now();

    (void)fd, (void)what;
    for (struct rec_listen_connection *k = l->all; k; k = k->next)
        rec_listen_connection_trim(k, now);
    set_accepting(l, true);
    if (l->options.tick)
        l->options.tick(l->options.context);
}

static void on_flush(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    rec_listen_flush(context);
}

static void on_drained(evutil_socket_t fd, short what, void *context)
{
    struct rec_listener *l = context;

    (void)fd, (void)what;
    event_base_loopbreak(l->base);
}

/* ---- from outside the loop ---- */

void rec_listen_stop(struct rec_listener *listener)
{
    atomic_fetch_add(&listener->stops, 1);
    wake(listener);
}

void rec_listen_reload(struct rec_listener *listener)
{
    atomic_store(&listener->reloads, 1);
    wake(listener);
}

static void free_listener(struct rec_listener *l)
{
    pthread_mutex_destroy(&l->lock);
    if (l->base)
        event_base_free(l->base);
    SSL_CTX_free(l->tls);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    rec_listen_share_free(l->own_share);
    free(l);
}

void rec_listen_answered(struct rec_exchange *x)
{
    struct rec_listen_connection *k = x->connection;
    struct rec_listener *l = k->listener;
    bool last = false;

    pthread_mutex_lock(&l->lock);
    if (l->closed) {
        rec_listen_connection_finish(k);
        last = --l->orphans == 0;
    } else {
        k->next_answered = NULL;
        *l->answered_end = k;
        if (l->answered_end == &l->answered)
            wake(l); /* under the lock: after it, the listener may be gone */
        l->answered_end = &k->next_answered;
    }
    pthread_mutex_unlock(&l->lock);
    if (last)
        free_listener(l);
}

size_t rec_listen_connections(const struct rec_listener *listener)
{
    return atomic_load(&listener->connections);
}

const char *rec_listen_address(const struct rec_listener *listener)
{
    return listener->socket.address;
}

/* ---- the life of a listener ---- */

static void no_log(int severity, const char *message)
{
    (void)severity, (void)message;
}

static int make_base(struct rec_listener *l, struct rec_err *err)
{
    struct event_config *config = event_config_new();

    event_set_log_callback(no_log); /* it would print */
    if (config) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
        l->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!l->base || l->wake_fd < 0)
        return rec_err_set(err, "%s: no event loop can be had", l->socket.address);
    event_assign(&l->acceptable, l->base, l->socket.fd, EV_READ | EV_PERSIST, on_acceptable, l);
    evtimer_assign(&l->patience, l->base, on_patience, l);
    event_assign(&l->wake, l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
    event_assign(&l->tick, l->base, -1, EV_PERSIST, on_tick, l);
    event_assign(&l->flush, l->base, -1, 0, on_flush, l);
    evtimer_assign(&l->drain, l->base, on_drained, l);
    return 0;
}

static void fill_defaults(struct rec_listener *l, const struct rec_listen_options *options)
{
    l->options = *options;
    l->options.connections = options->connections ? options->connections : CONNECTIONS;
    l->options.most = options->most ? options->most : MOST;
    l->options.memory = options->memory ? options->memory : MEMORY;
    l->options.drain = options->drain > 0 ? options->drain : DRAIN;
    l->limits = options->limits ? *options->limits : rec_message_limits;
    l->timeouts = options->timeouts ? *options->timeouts : rec_inetd_timeouts;
}

int rec_listen_open(struct rec_listener **out, const struct rec_listen_options *options, const struct rec_connection_handler *handler,
                    struct rec_err *err)
{
    struct rec_listener *l = rec_calloc(1, sizeof *l, "listener", err);

    *out = NULL;
    if (!l)
        return -1;
    fill_defaults(l, options);
    l->handler = handler;
    l->share = options->share;
    l->wake_fd = l->socket.fd = -1;
    l->answered_end = &l->answered;
    l->waiting_end = &l->waiting;
    pthread_mutex_init(&l->lock, NULL);
    if (!options->tls_cert != !options->tls_key) {
        rec_err_set(err, "tls: a certificate needs its key, and a key its certificate");
        goto failed;
    }
    if (options->tls_cert && rec_listen_tls_context(&l->tls, options->tls_cert, options->tls_key, err) < 0)
        goto failed;
    if (options->per_address && !l->share && rec_listen_share_new(&l->own_share, 1, l->options.connections, err) < 0)
        goto failed;
    l->share = l->share ? l->share : l->own_share;
    if (rec_listen_socket_open(&l->socket, options, err) < 0 || make_base(l, err) < 0)
        goto failed;
    *out = l;
    return 0;
failed:
    rec_listen_close(l);
    return -1;
}

int rec_listen_forked(struct rec_listener *listener, size_t process, struct rec_err *err)
{
    listener->process = process;
    listener->socket.path[0] = 0; /* the parent's to unlink */
    event_base_free(listener->base);
    close(listener->wake_fd);
    listener->base = NULL;
    return make_base(listener, err);
}

static void drop_all(struct rec_listener *l)
{
    struct rec_listen_connection *k, *next;

    for (k = l->all; k; k = next) {
        next = k->next;
        rec_listen_connection_drop(k);
    }
}

int rec_listen_run(struct rec_listener *listener, struct rec_err *err)
{
    int status = 0;

    listener->running = true;
    if (event_add(&listener->wake, NULL) < 0 || event_add(&listener->tick, &(struct timeval){.tv_sec = 1}) < 0)
        status = rec_err_set(err, "%s: out of memory", listener->socket.address);
    tell_others(listener);
    set_accepting(listener, true);
    if (status == 0 && event_base_dispatch(listener->base) < 0)
        status = rec_err_errno(err, "%s: the loop ended", listener->socket.address);
    set_accepting(listener, false);
    listener->stopping = true;
    tell_others(listener);
    listener->running = false;
    event_del(&listener->patience);
    event_del(&listener->wake);
    event_del(&listener->tick);
    event_del(&listener->drain);
    event_del(&listener->flush);
    rec_listen_socket_close(&listener->socket);
    drop_all(listener);
    return status;
}

void rec_listen_close(struct rec_listener *listener)
{
    struct rec_listen_connection *k, *next;
    bool last;

    if (!listener)
        return;
    rec_listen_socket_close(&listener->socket);
    drop_all(listener);
    pthread_mutex_lock(&listener->lock);
    for (k = listener->answered; k; k = next) {
        next = k->next_answered;
        rec_listen_connection_finish(k);
    }
    listener->closed = true;
    listener->orphans = atomic_load(&listener->connections);
    last = listener->orphans == 0;
    pthread_mutex_unlock(&listener->lock);
    if (last)
        free_listener(listener);
}
