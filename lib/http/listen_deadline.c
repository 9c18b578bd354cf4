/* SPDX-License-Identifier: MIT
 *
 * How long a connection is waited for: for the next request, the rest of one, a client that takes its answers.
 */
#include "listen_priv.h"

#include <math.h>

enum { LINGER = 2 };

static double floor_rate(const struct rec_listen_connection *k, size_t bytes)
{
    double slowest = k->listener->timeouts.slowest;

    return slowest > 0 ? (double)bytes / slowest : INFINITY;
}

double rec_listen_deadline(const struct rec_listen_connection *k)
{
    const struct rec_inetd_timeouts *t = &k->listener->timeouts;
    bool unsent = k->c && k->c->out.len > k->c->sent;

    if (k->state == REC_LISTEN_HANDSHAKE)
        return k->begun + (k->last ? fmin(REC_LISTEN_FIRST, t->head) : t->head);
    if (k->state == REC_LISTEN_LINGER)
        return k->begun + LINGER;
    /* A client that takes a byte now and then makes progress, but not for ever. */
    if (unsent)
        return fmin(k->progress + t->write, k->out_begun + t->write + floor_rate(k, k->out_sent));
    if (k->c && k->c->busy)
        return INFINITY;
    if (!k->c || rec_message_idle(&k->c->message))
        return k->begun + (k->last ? fmin(REC_LISTEN_FIRST, t->idle) : t->idle);
    if (!rec_message_in_body(&k->c->message))
        return k->begun + t->head;
    return fmin(k->body_begun + t->body, k->body_begun + 10 + floor_rate(k, k->c->message.body.len));
}
