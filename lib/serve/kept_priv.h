/* SPDX-License-Identifier: MIT
 *
 * What processes that live for one request leave each other: whose token it was, as the store said it, for as long as nothing was committed.
 *
 *     if (rec_kept_find(c)) ...           // c->claims, c->account are what the store would say; c->store.db is NULL, until rec_call_store
 *     ... else the store is opened: rec_kept_begin(c), token and account are read
 *     rec_kept_leave(c);                  // at the end
 */
#ifndef REC_KEPT_PRIV_H
#define REC_KEPT_PRIV_H

#include "serve_priv.h"

/** Before the store is opened for a request with a token: whether it need not be. Then c->kept is set. */
bool rec_kept_find(struct rec_call *c);
/** The store was opened, and nothing read of it yet. */
void rec_kept_begin(struct rec_call *c);
/** The store was opened after all (rec_call_store), for what is not kept. */
void rec_kept_again(struct rec_call *c);
/** What this call knows of its token, for the next process; nothing, when it does not know enough or something was committed meanwhile. */
void rec_kept_leave(struct rec_call *c);

#endif
