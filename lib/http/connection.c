/* SPDX-License-Identifier: MIT
 *
 * One connection: requests in, answers out, in order. Knows nothing of sockets, so that one behaviour serves inetd, TLS and tests.
 */
#include <rec/crypto.h>
#include <rec/http.h>

#include <string.h>
#include <time.h>

enum { MOST = 1000, ID = sizeof ((struct rec_exchange *)0)->id - 1, DRAWN = 64 };

static int64_t microseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void rec_connection_begin(struct rec_connection *c, const struct rec_connection_handler *handler, const struct rec_message_limits *limits,
                          const char *peer, bool tls, size_t most)
{
    *c = (struct rec_connection){.handler = handler, .most = most ? most : MOST, .exchange = {.peer = peer, .tls = tls}};
    rec_message_begin(&c->message, limits);
    c->exchange.message = &c->message;
}

void rec_connection_clear(struct rec_connection *c)
{
    rec_target_clear(&c->exchange.target);
    rec_response_clear(&c->exchange.response);
    rec_message_clear(&c->message);
    rec_buf_clear(&c->in);
    rec_buf_clear(&c->out);
}

bool rec_connection_idle(const struct rec_connection *c)
{
    return !c->busy && rec_message_idle(&c->message);
}

/* The answer to the present request, or to what was none (`m` NULL), goes out; the next request may come. */
static void finish(struct rec_connection *c, const struct rec_message *m)
{
    struct rec_exchange *x = &c->exchange;
    size_t before = c->out.len;

    c->requests++;
    if (x->response.close || !m || !m->keep_alive || c->requests >= c->most)
        c->closing = true;
    rec_response_field(&x->response, "X-Request-Id", x->id);
    /* Without memory for an answer the connection ends without one: nothing half can be taken for an answer. */
    if (rec_response_write(&c->out, &x->response, m, x->received / 1000000, !c->closing) < 0)
        c->closing = true;
    if (c->handler->finished)
        c->handler->finished(c->handler->context, x, c->out.len - before);
    rec_target_clear(&x->target);
    rec_response_reset(&x->response);
    rec_message_next(&c->message);
}

/* A thread draws the letters of many ids at once, but for its first: it may be the only one of a process that answers once. */
static void draw_id(char id[ID + 1])
{
    static _Thread_local char letters[DRAWN * ID + 1];
    static _Thread_local size_t left;
    static _Thread_local bool again;

    if (!left) {
        left = again ? DRAWN : 1;
        again = true;
        rec_secret_name(letters, left * ID);
    }
    memcpy(id, letters + --left * ID, ID);
    id[ID] = 0;
}

static void begin_exchange(struct rec_connection *c)
{
    c->exchange.received = microseconds();
    draw_id(c->exchange.id);
    c->exchange.user = NULL;
    c->exchange.who[0] = 0;
}

/* An answer of the connection's own. */
static void refuse(struct rec_connection *c, unsigned status, const char *cause, const struct rec_message *m)
{
    struct rec_exchange *x = &c->exchange;

    rec_response_reset(&x->response);
    x->response.status = status;
    x->response.no_etag = true;
    if (c->handler->refused)
        c->handler->refused(c->handler->context, x, cause);
    finish(c, m);
}

static void handle(struct rec_connection *c)
{
    struct rec_exchange *x = &c->exchange;
    struct rec_err err = {0};

    begin_exchange(c);
    if (rec_target_parse(&x->target, c->message.target, c->message.target_len, &err) < 0)
        refuse(c, 400, err.text, &c->message);
    else if (c->handler->handle(c->handler->context, x))
        c->busy = true;
    else
        finish(c, &c->message);
}

/* Reads requests until an answer is awaited, or the bytes are used up. @return bytes used. */
static size_t take(struct rec_connection *c, const char *bytes, size_t len)
{
    size_t used = 0, n;

    while (used < len && !c->busy && !c->closing) {
        enum rec_message_result result = rec_message_feed(&c->message, bytes + used, len - used, &n);

        used += n;
        if (result == REC_MESSAGE_WHOLE) {
            c->asked = !c->message.keep_alive && used == len;
            handle(c);
        } else if (result == REC_MESSAGE_CONTINUE) {
            rec_buf_adds(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
        } else if (result == REC_MESSAGE_REFUSED) {
            begin_exchange(c);
            refuse(c, c->message.status, c->message.cause, NULL);
        }
    }
    return c->closing ? len : used;
}

void rec_connection_input(struct rec_connection *c, const char *bytes, size_t len)
{
    size_t used = c->in.len ? 0 : take(c, bytes, len);

    if (c->closing)
        return;
    rec_buf_add(&c->in, bytes + used, len - used);
    if (c->in.failed)
        c->closing = true;
}

void rec_connection_answer(struct rec_connection *c)
{
    size_t used;

    c->busy = false;
    finish(c, &c->message);
    used = take(c, c->in.data, c->in.len);
    if (used && c->in.data)
        memmove(c->in.data, c->in.data + used, c->in.len - used);
    c->in.len -= used;
}

void rec_connection_refuse(struct rec_connection *c, unsigned status, const char *cause)
{
    if (!c->busy && !c->closing && !rec_message_idle(&c->message)) {
        begin_exchange(c);
        refuse(c, status, cause, NULL);
    }
    c->closing = true;
}

void rec_connection_timeout(struct rec_connection *c)
{
    rec_connection_refuse(c, 408, "the request did not come in time");
}

void rec_connection_end(struct rec_connection *c)
{
    if (rec_connection_idle(c))
        c->closing = true;
    c->most = c->requests + 1;
}
