/* SPDX-License-Identifier: MIT
 *
 * Connections that have read what came, and wait for the others before they send.
 *
 * An answer that is sent alone wakes its client alone, which costs about as much as making a small one. So what one look at the sockets has found is
 * read and answered first, and then all of it is sent; unless that takes longer than a wake-up is worth.
 */
#include "listen_priv.h"

#define PATIENCE 0.0003           /* seconds */

void rec_listen_flush_leave(struct rec_listen_connection *k)
{
    if (!k->waits)
        return;
    *k->waits = k->next_waiting;
    *(k->next_waiting ? &k->next_waiting->waits : &k->listener->waiting_end) = k->waits;
    k->waits = NULL;
}

void rec_listen_flush(struct rec_listener *l)
{
    struct rec_listen_connection *k;

    while ((k = l->waiting)) {
        rec_listen_flush_leave(k);
        if (k->state == REC_LISTEN_OPEN)
            rec_listen_connection_advance(k);
    }
}

/* The event comes after those that are active already. */
void rec_listen_flush_join(struct rec_listen_connection *k)
{
    struct rec_listener *l = k->listener;
    double now = rec_listen_now();

    if (!l->waiting) {
        l->waiting_since = now;
        event_active(&l->flush, EV_TIMEOUT, 0);
    }
    if (!k->waits) {
        k->next_waiting = NULL;
        k->waits = l->waiting_end;
        *l->waiting_end = k;
        l->waiting_end = &k->next_waiting;
    }
    if (now - l->waiting_since > PATIENCE)
        rec_listen_flush(l);
}
