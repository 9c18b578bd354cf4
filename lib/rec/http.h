/* SPDX-License-Identifier: MIT
 *
 * http: HTTP/1.1 messages (RFC 9110, RFC 9112), and the ways they come in.
 *
 *     message     one request, read strictly: what two programs could take for different requests is refused
 *     target      the path and the parameters of a request
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

enum rec_message_method { REC_GET = 1, REC_HEAD, REC_POST, REC_PUT, REC_PATCH, REC_DELETE, REC_OPTIONS };
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

#endif
