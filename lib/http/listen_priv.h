/* SPDX-License-Identifier: MIT
 *
 * What the files of the listener share. One thread runs the loop and owns every connection; the queue of answered exchanges, guarded by
 * `lock`, is the only thing that other threads touch, besides the counters that signal handlers raise.
 */
#ifndef REC_LISTEN_PRIV_H
#define REC_LISTEN_PRIV_H

#include <rec/http.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <sys/un.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/ssl.h>

/* A TLS record holds no more: one read empties OpenSSL's own buffer, so that waiting for the socket is enough. */
enum { REC_LISTEN_BLOCK = 16384 };

/* ---- listen_socket: addresses ---- */

struct rec_listen_socket {
    int fd;
    bool inherited;               /* somebody else's: neither closed nor unlinked */
    dev_t device;                 /* of the socket file that is ours */
    ino_t inode;
    char path[sizeof ((struct sockaddr_un *)0)->sun_path]; /* "" when there is none to unlink */
    char address[320];
};
int rec_listen_socket_open(struct rec_listen_socket *s, const struct rec_listen_options *options, struct rec_err *err);
/* Unlinks a socket file that is still ours: nobody connects any more. */
void rec_listen_socket_hide(struct rec_listen_socket *s);
/* Closes, and unlinks a socket file that is still ours. Safe when done already. */
void rec_listen_socket_close(struct rec_listen_socket *s);

/* ---- listen_share: what processes that share a socket know of each other; also of one alone ---- */

/* How many connections that process has now; SIZE_MAX: it takes none. */
void rec_listen_share_say(struct rec_listen_share *share, size_t process, size_t connections);
/* Whether one of the others has clearly fewer, and should take the next. */
bool rec_listen_share_is_ahead(const struct rec_listen_share *share, size_t process, size_t connections);

struct rec_listen_peer; /* an address */
/* Counts one more of that process; NULL when the address has `most` already, with all of them together. The 2^64 addresses of an IPv6 network are one
 * client's. */
struct rec_listen_peer *rec_listen_share_enter(struct rec_listen_share *share, size_t process, const struct sockaddr_storage *name, size_t most);
/* NULL is safe. */
void rec_listen_share_leave(struct rec_listen_share *share, size_t process, struct rec_listen_peer *peer);

/* ---- listen_tls: OpenSSL ---- */

/* What the calls that read and write return besides a number of bytes (0 of a read: the client has sent all). */
enum { REC_LISTEN_BROKEN = -1, REC_LISTEN_WANTS_READ = -2, REC_LISTEN_WANTS_WRITE = -3 };

int rec_listen_tls_context(SSL_CTX **out, const char *cert, const char *key, struct rec_err *err);
/* The server's side of TLS on that socket; NULL when out of memory. */
SSL *rec_listen_tls_new(SSL_CTX *context, int fd);
int rec_listen_tls_accept(SSL *ssl); /* 1 when the handshake is done */
ssize_t rec_listen_tls_read(SSL *ssl, char *out, size_t len);
ssize_t rec_listen_tls_write(SSL *ssl, const char *bytes, size_t len);
void rec_listen_tls_end(SSL *ssl);   /* close_notify, if the socket takes it */

/* ---- listen_connection: one connection ---- */

enum rec_listen_state {
    REC_LISTEN_HANDSHAKE,
    REC_LISTEN_OPEN,
    REC_LISTEN_LINGER,            /* all is sent; what still comes is thrown away */
    REC_LISTEN_GONE               /* the client is; a handler still has the exchange */
};

struct rec_listen_connection {
    struct rec_listener *listener;
    struct rec_listen_connection *next, **place;  /* in listener->all */
    struct rec_listen_connection *next_answered;
    struct rec_listen_connection *next_waiting, **waits;  /* in listener->waiting; NULL: not there */
    struct rec_connection *c;     /* NULL while it has nothing to hold: before the first byte, and some time after an answer */
    struct event readable, writable, timer;
    struct rec_listen_peer *from;
    SSL *ssl;
    int fd;
    enum rec_listen_state state;
    bool eof;                     /* the client sends no more */
    bool last;                    /* one request more at most */
    bool quiet;                   /* nothing was sent lately: nothing is lost by closing at once */
    bool read_wants_write;        /* TLS has something of its own to send before it can read */
    bool write_wants_read;
    bool reads, writes;           /* which events are on */
    struct rec_buf rest;          /* came while an answer was made, or before the client took the answers that there are */
    size_t held;                  /* bytes of requests, its part of listener->held */
    size_t requests;              /* of connections `c` that were before */
    double begun, body_begun;     /* the present request, or wait */
    double progress, out_begun;   /* the last byte that the client took; the first since nothing was waiting */
    size_t out_sent;              /* since out_begun */
    double armed;                 /* when the timer comes */
    char peer[64];
};

/* Takes the descriptor, which it closes when it fails. */
void rec_listen_connection_start(struct rec_listener *l, int fd, const struct sockaddr_storage *name);
/* Sends what there is, takes what has waited, and waits for more: of one that is open. */
void rec_listen_connection_advance(struct rec_listen_connection *k);
/* The handler is done with the exchange. */
void rec_listen_connection_answered(struct rec_listen_connection *k);
/* No requests after the present one. */
void rec_listen_connection_end(struct rec_listen_connection *k);
/* Gives back the memory of a connection that is idle for a while. */
void rec_listen_connection_trim(struct rec_listen_connection *k, double now);
/* Ends it at once; the memory stays while a handler has the exchange. */
void rec_listen_connection_drop(struct rec_listen_connection *k);
/* As rec_listen_connection_answered, when there is no loop any more. */
void rec_listen_connection_finish(struct rec_listen_connection *k);

/* ---- listen_deadline: how long it is waited for ---- */

/* Seconds: a client that has just connected to a server that stops may send its request, which is on its way. */
#define REC_LISTEN_FIRST 1.0
/* When what is waited for has to have come. */
double rec_listen_deadline(const struct rec_listen_connection *k);

/* ---- listen_flush: answers that are sent together ---- */

/* Resumes it when the other events that are there have been seen to, or soon. */
void rec_listen_flush_join(struct rec_listen_connection *k);
/* Safe when it does not wait. */
void rec_listen_flush_leave(struct rec_listen_connection *k);
/* Resumes all that wait. */
void rec_listen_flush(struct rec_listener *l);

/* ---- listen: the loop ---- */

struct rec_listener {
    struct rec_listen_options options;
    struct rec_message_limits limits;
    struct rec_inetd_timeouts timeouts;
    const struct rec_connection_handler *handler;
    struct rec_listen_socket socket;
    struct rec_listen_share *share, *own_share;  /* the options', or our own; NULL: nothing is to be known */
    size_t process;               /* which of those that share */
    SSL_CTX *tls;
    struct event_base *base;
    struct event acceptable, patience, wake, tick, drain, flush;
    struct rec_listen_connection *waiting, **waiting_end;  /* for the others, before they send */
    double waiting_since;
    int wake_fd;
    bool accepting, stopping, running;
    bool patient;                 /* the others had their time to take the next connection */
    struct rec_listen_connection *all;
    size_t held;
    atomic_size_t connections;
    atomic_uint stops, reloads;
    pthread_mutex_t lock;
    struct rec_listen_connection *answered, **answered_end;
    bool closed;                  /* by rec_listen_close, before handlers were done with `orphans` exchanges */
    size_t orphans;
    char block[REC_LISTEN_BLOCK];
};

double rec_listen_now(void);      /* seconds of a clock that only goes forward */
/* A connection is no more. */
void rec_listen_left(struct rec_listener *l);

#endif
