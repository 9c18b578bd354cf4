/* SPDX-License-Identifier: MIT
 *
 * http: HTTP/1.1 messages (RFC 9110, RFC 9112), and the ways they come in.
 *
 *     message     one request, read strictly: what two programs could take for different requests is refused
 *     target      the path and the parameters of a request
 *     response    an answer: its fields, its validator and, where it pays, gzip
 *     connection  requests and answers of one connection, whatever carries its bytes
 *     inetd       a connection on two file descriptors, from its first byte to its end
 *     listen      many connections, with TLS when asked for
 *
 *     struct rec_message m;
 *     rec_message_begin(&m, &rec_message_limits);
 *     while ((status = rec_message_feed(&m, bytes, len, &used)) == REC_MESSAGE_MORE)
 *         ... read more; `used` of the bytes are done with
 *     if (status == REC_MESSAGE_REFUSED)
 *         ... answer m.status, with m.cause as the detail, and close the connection
 *
 * Strict means: lines end in CR LF and nothing else; one blank between the parts of the request line; no blank before a colon, no folded
 * lines; one Host, one Content-Length, digits alone; Transfer-Encoding is `chunked` alone, never together with Content-Length, never in
 * HTTP/1.0; chunk sizes and extensions by the grammar; no framing fields among trailers. After a refusal nothing more of that connection is
 * read, since where the next request would begin is what was in doubt.
 */
#ifndef REC_HTTP_H
#define REC_HTTP_H

#include <rec/util.h>

/* ---- message: one request ------------------------------------------------------------------------ */

enum rec_message_method { REC_GET = 1, REC_HEAD, REC_POST, REC_PUT, REC_PATCH, REC_DELETE, REC_OPTIONS,
                          REC_QUERY, REC_TRACE /* known, so that their answer is 405, as no path has them */ };
/** "GET" ..., by rec_message_method. */
extern const char *const rec_message_methods[];

#define REC_MESSAGE_FIELDS 100

struct rec_message_limits {
    size_t line;          /**< bytes of the request line; beyond: 414 */
    size_t head;          /**< bytes of all fields, trailers included; beyond, or with more than REC_MESSAGE_FIELDS of them: 431 */
    size_t body;          /**< beyond: 413, at the latest when the bytes come */
};
/** 8 KiB, 16 KiB, 1 MiB. */
extern const struct rec_message_limits rec_message_limits;

enum rec_message_result {
    REC_MESSAGE_REFUSED = -1, /**< answer `status`, then close */
    REC_MESSAGE_MORE,         /**< all bytes were used, and more are needed */
    REC_MESSAGE_CONTINUE,     /**< the head is whole and the client waits for "100 Continue" before it sends the body: say so, or answer */
    REC_MESSAGE_WHOLE         /**< the request is complete; bytes that were not used begin the next */
};

struct rec_message_field {
    uint32_t name, name_len, value, value_len;  /**< places in head.data; names in small letters */
};

struct rec_message {
    enum rec_message_method method;
    unsigned minor;               /**< of HTTP/1.x: 0 or 1 */
    const char *target;           /**< origin form: "/v1/movies?k=5", or "*"; NUL-terminated, in `head` */
    size_t target_len;
    const char *host;             /**< the Host field, or the authority of an absolute target; "" in HTTP/1.0 without one */
    size_t host_len;
    bool keep_alive;              /**< the client would go on with this connection */
    struct rec_message_field field[REC_MESSAGE_FIELDS];
    size_t n_fields;
    struct rec_buf head, body;    /**< kept from one request to the next */
    unsigned status;              /**< of a refusal: 400, 413, 414, 417, 431, 501, 503 (no memory) or 505 */
    char cause[128];              /**< what is wrong, in words for the client: holds none of its bytes */
    struct rec_message_limits limits;
    int state;                    /**< private, as all below */
    uint64_t left;                /**< bytes of the body, or of the chunk */
    size_t line, place, total, target_at, host_at;
    bool blank, has_length, chunked, expects, told, has_host, in_trailer;
};

/** Makes ready for the first request; zeroes, so that clear comes before a second begin. */
void rec_message_begin(struct rec_message *m, const struct rec_message_limits *limits);
/** Makes ready for the next request of the connection: storage is kept. */
void rec_message_next(struct rec_message *m);
/** Takes bytes as they come, in pieces of any size: the result does not depend on how they are cut. @param used  how many were taken. */
enum rec_message_result rec_message_feed(struct rec_message *m, const char *bytes, size_t len, size_t *used);
/** Whether nothing of a request has come yet: a connection that ends now ends cleanly. */
bool rec_message_idle(const struct rec_message *m);
/** Whether the head has come whole, and the body has not. */
bool rec_message_in_body(const struct rec_message *m);
/** The value of the only field of that name (small letters); NULL when there is none. Of several, the first: see rec_message_count. */
const char *rec_message_field(const struct rec_message *m, const char *name, size_t *len);
size_t rec_message_count(const struct rec_message *m, const char *name);
/** Whether a list field (Connection, Accept-Encoding ...), in all its lines, holds that word, without regard to case and parameters;
 *  a parameter q=0 takes it out. */
bool rec_message_lists(const struct rec_message *m, const char *name, const char *word);
void rec_message_clear(struct rec_message *m);

/* ---- target: path and parameters -----------------------------------------------------------------
 *
 * Percent-encoding is undone once, after the target was cut at '/', '?', '&' and '='. Refused: wrong encoding, what is no UTF-8 (RFC 3629),
 * control characters, "." and ".." as segments however written, an encoded '/', and a parameter that is given twice.
 */
#define REC_TARGET_SEGMENTS 8
#define REC_TARGET_PARAMETERS 32

struct rec_target_text {
    const char *text;             /**< NUL-terminated */
    size_t len;
};
struct rec_target {
    struct rec_target_text segment[REC_TARGET_SEGMENTS];   /**< "/v1/movies/50" has three; "/" has none */
    size_t n_segments;
    struct rec_target_text name[REC_TARGET_PARAMETERS], value[REC_TARGET_PARAMETERS];
    size_t n_parameters;
    char *owned;
};
/** @return 0, or -1 with what is wrong in err. One trailing '/' is an empty last segment: no route has one. */
int rec_target_parse(struct rec_target *t, const char *target, size_t len, struct rec_err *err);
/** The value of a parameter, or NULL. */
const char *rec_target_parameter(const struct rec_target *t, const char *name, size_t *len);
void rec_target_clear(struct rec_target *t);

/* ---- response: an answer --------------------------------------------------------------------------
 *
 *     response.status = 200;
 *     response.type = "application/json";
 *     rec_buf_adds(&response.body, "{}");
 *     rec_response_field(&response, "Cache-Control", "no-store");
 *     rec_response_write(&out, &response, &message, now, keep_alive);
 *
 * Written in full: Date, Content-Length, Content-Type, Connection. A body that is a success of GET or HEAD gets a strong ETag, and If-None-Match
 * is answered by 304 without it; bodies of 1 KiB and more are compressed when the client takes gzip (Vary says so). HEAD: the fields alone.
 */
struct rec_response {
    unsigned status;
    const char *type;             /**< Content-Type; NULL: there is no body */
    struct rec_buf fields, body;  /**< fields: whole lines, added by rec_response_field */
    struct rec_buf packed;        /**< the body by rec_gzip_pack, where that is known already; else empty */
    bool close;                   /**< the connection ends with it */
    bool no_etag, no_gzip;        /**< for what differs every time, or holds secrets */
};

/** The phrase of a status: "Not Found"; "" when it has none. */
const char *rec_response_phrase(unsigned status);
/** Adds a field. Letters that could end the line become '?': what is echoed cannot add fields of its own. */
void rec_response_field(struct rec_response *r, const char *name, const char *value);
/** Adds the answer to `m` (NULL: to what was no request) to `out`. Sent with Connection: close when r->close or !keep_alive.
 *  @return 0, or -1 when out of memory: nothing was added. */
int rec_response_write(struct rec_buf *out, struct rec_response *r, const struct rec_message *m, int64_t now, bool keep_alive);
/** Whether that answer to `m` would be compressed, if it gets shorter. */
bool rec_response_packs(const struct rec_response *r, const struct rec_message *m);
/** Empty again, storage kept. */
void rec_response_reset(struct rec_response *r);
void rec_response_clear(struct rec_response *r);

/* ---- connection: requests and answers -------------------------------------------------------------
 *
 * The state of one connection without its socket: bytes in by rec_connection_input, bytes out in `out`. Requests are answered in their order; one
 * that follows on the same connection waits in `in` until the answer before it is written. A handler may answer at once, or return true
 * from `handle` and have rec_connection_answer called when it has (on the thread that owns the connection).
 */
struct rec_exchange {
    const struct rec_message *message;
    struct rec_target target;     /**< parsed; of a request whose target is wrong the answer is 400 and no handler is asked */
    struct rec_response response;
    const char *peer;             /**< the address at the other end, "192.0.2.7"; "" when it is no socket of the internet */
    bool tls;
    char id[27];                  /**< of this request: 26 letters that nobody has had before; also sent as X-Request-Id */
    int64_t received;             /**< microseconds since 1970 */
    void *user;                   /**< the handler's own, until `finished` */
    char who[24];                 /**< the account, by id, when the handler found one: for the log */
    void *connection;             /**< private to who carries the connection */
};
struct rec_connection_handler {
    bool (*handle)(void *context, struct rec_exchange *x);    /**< true: answered later */
    void (*finished)(void *context, struct rec_exchange *x, size_t bytes);  /**< the answer, of so many bytes, is on its way: for the log; or NULL */
    /** An answer made by the connection itself (400, 413, 431 ...): fills the body for x->response.status; or NULL. */
    void (*refused)(void *context, struct rec_exchange *x, const char *cause);
    void *context;
};

struct rec_connection {
    const struct rec_connection_handler *handler;
    struct rec_message message;
    struct rec_exchange exchange;
    struct rec_buf in, out;       /**< in: bytes that came while an answer is being made */
    size_t sent;                  /**< of `out`, kept by who sends it */
    size_t requests;              /**< answered so far */
    size_t most;                  /**< so many, then the connection is closed */
    bool busy;                    /**< a handler will answer later */
    bool closing;                 /**< nothing more is read; close when `out` is sent */
    bool asked;                   /**< the client said that it is the end, and sent nothing behind it */
};
/** @param most  requests a connection may make; 0: 1000 */
void rec_connection_begin(struct rec_connection *c, const struct rec_connection_handler *handler, const struct rec_message_limits *limits,
                          const char *peer, bool tls, size_t most);
/** Takes bytes that were read. Answers are added to c->out. */
void rec_connection_input(struct rec_connection *c, const char *bytes, size_t len);
/** The exchange that was to be answered later is. */
void rec_connection_answer(struct rec_connection *c);
/** A request that was begun, and has not come whole, is answered by that status, and the connection ends. */
void rec_connection_refuse(struct rec_connection *c, unsigned status, const char *cause);
/** The same with 408: the client took too long. */
void rec_connection_timeout(struct rec_connection *c);
/** No more requests: the answer under way is the last one. */
void rec_connection_end(struct rec_connection *c);
/** Whether no request is under way. */
bool rec_connection_idle(const struct rec_connection *c);
void rec_connection_clear(struct rec_connection *c);

/* ---- inetd: a connection on two file descriptors --------------------------------------------------- */

struct rec_inetd_timeouts {
    double head, body, idle, write;   /**< seconds: for a whole head, a whole body, the next request, and any progress in sending */
    double slowest;                   /**< bytes a second below which a body takes too long, after the first ten seconds */
};
/** 10, 60, 15, 30 seconds; 256 bytes a second. */
extern const struct rec_inetd_timeouts rec_inetd_timeouts;

/** The address of the other end of a socket in text; "" when it is none of the internet. @param out room for 64. */
void rec_inetd_peer(char *out, int fd);
/** Serves until the connection ends. @param stop  looked at between requests: non-zero ends after the present one.
 *  @return 0, or -1 when it broke. */
int rec_inetd_serve(int in, int out, const struct rec_connection_handler *handler, const struct rec_message_limits *limits,
                    const struct rec_inetd_timeouts *timeouts, const volatile int *stop, struct rec_err *err);

/* ---- listen: many connections ----------------------------------------------------------------------
 *
 *     struct rec_listener *listener;
 *     if (rec_listen_open(&listener, &(struct rec_listen_options){.address = "127.0.0.1:8080", .fd = -1}, handler, &err) < 0 ||
 *         rec_listen_run(listener, &err) < 0) ...                  // until rec_listen_stop, from a signal handler
 *
 * libevent carries sockets and waits, OpenSSL TLS; what a request meets is rec_connection, the same as under inetd. One thread, the one that
 * calls rec_listen_run, owns all connections and calls the handler.
 *
 * A client that sends and does not read is not read from; what has no end in time is ended (`timeouts`); an idle connection holds no buffers.
 */
struct rec_listen_options {
    /** "127.0.0.1:8080", "[::1]:8080", "localhost:8080" (the first address that it has), ":8080" (all, IPv4 and IPv6), or "unix:/run/rec.sock":
     *  mode 0660; takes the place of a socket file that nobody listens on; unlinked when it is stopped. NULL: `fd`. Texts are borrowed for the
     *  life of the listener. */
    const char *address;
    int fd;                       /**< a socket that listens already, and is somebody else's; -1: none */
    const char *tls_cert, *tls_key; /**< PEM files; both or none. TLS 1.2 and above; read anew by rec_listen_reload */
    size_t connections;           /**< at most so many at once; more wait in the queue of the socket; 0: 10000 */
    size_t per_address;           /**< at most so many of one IPv4 address or IPv6 /64; more are closed; 0: no such limit */
    size_t most;                  /**< requests a connection may make; 0: 1000 */
    /** Bytes that the requests of all connections may hold together; beyond, one of more than 64 KiB that still comes is answered by 503;
     *  0: 256 MiB */
    size_t memory;
    double drain;                 /**< seconds that rec_listen_stop waits for requests under way; 0: 30 */
    const struct rec_message_limits *limits;        /**< NULL: rec_message_limits; copied */
    const struct rec_inetd_timeouts *timeouts;      /**< NULL: rec_inetd_timeouts; copied. A TLS handshake has the time of a head. */
    struct rec_listen_share *share; /**< of processes that accept from the same socket (rec_listen_forked); NULL: it is alone */
    /* Called in the loop's thread; each may be NULL. */
    void (*reload)(void *context);                  /**< after rec_listen_reload */
    void (*tick)(void *context);                    /**< once a second */
    void (*tell)(void *context, const char *line);  /**< what went wrong while it runs: a new certificate that cannot be used; the old one stays */
    void *context;
};
struct rec_listener;
struct rec_listen_share;
int rec_listen_open(struct rec_listener **out, const struct rec_listen_options *options, const struct rec_connection_handler *handler,
                    struct rec_err *err);
/** Several processes, one socket: the listener is opened with a share, and then the process forks. Each child goes on with the number that is its own, from
 *  0 on, and runs it; the parent does not run it, and unlinks a socket file when it closes its own. What one has accepted it answers; connections wait in one queue,
 *  out of which those with fewer connections take first, and nothing in it is lost when one of them dies. `connections` and `memory` are of one process,
 *  `per_address` of all together. */
int rec_listen_forked(struct rec_listener *listener, size_t process, struct rec_err *err);
enum { REC_LISTEN_PROCESSES = 256 };
/** Before rec_listen_open. @param addresses  how many connections there may be in all, where there is a limit by address; 0: there is none. */
int rec_listen_share_new(struct rec_listen_share **out, size_t processes, size_t addresses, struct rec_err *err);
/** That process is no more: what it had does not count any longer. */
void rec_listen_share_left(struct rec_listen_share *share, size_t process);
/** In the parent, or in each child. NULL is safe. */
void rec_listen_share_free(struct rec_listen_share *share);
/** The address it listens on, with the port that ":0" was given. */
const char *rec_listen_address(const struct rec_listener *listener);
/** Serves until it is stopped: then no new connections, idle ones closed (one that has just been made has a second for its first request), requests under
 *  way answered, at most `drain` seconds. */
int rec_listen_run(struct rec_listener *listener, struct rec_err *err);
/** Safe in signal handlers and from other threads, until rec_listen_close. A second stop does not wait. */
void rec_listen_stop(struct rec_listener *listener);
/** The same for reading the certificate and the key anew, and for what options.reload does. */
void rec_listen_reload(struct rec_listener *listener);
/** The exchange that a handler kept (it returned true) has its answer. From any thread, once; the exchange is not the caller's any more. */
void rec_listen_answered(struct rec_exchange *x);
/** How many connections there are; from any thread. */
size_t rec_listen_connections(const struct rec_listener *listener);
/** NULL is safe. Exchanges that a handler still has (it was stopped at once, or draining took too long) stay until rec_listen_answered, which
 *  then calls `finished` on the thread that calls it: so close the listener first and end the handler, waiting for its threads, after it. */
void rec_listen_close(struct rec_listener *listener);

#endif
