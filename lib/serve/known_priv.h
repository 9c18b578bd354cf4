/* SPDX-License-Identifier: MIT
 *
 * What was read from the store before, as long as nothing was committed since.
 *
 *     if (rec_known_token(c, mark, text, len) == REC_KNOWN_ALL) ...      // c->claims and c->account are what the store would say
 *     ... check the token, read the account
 *     rec_known_keep_token(c, mark);
 */
#ifndef REC_KNOWN_PRIV_H
#define REC_KNOWN_PRIV_H

#include "serve_priv.h"

enum rec_known_of_token {
    REC_KNOWN_NOTHING,
    REC_KNOWN_CLAIMS,              /**< its signature verified before, and it is in force by its times: c->claims */
    REC_KNOWN_ALL                  /**< it was not taken back either, and c->account is in force */
};
/** @param mark  of that token, for rec_known_keep_token */
enum rec_known_of_token rec_known_token(struct rec_call *c, unsigned char mark[REC_HASH_BYTES], const char *text, size_t len);
/** c->claims and c->account, which was read in this call, are those of the token. */
void rec_known_keep_token(const struct rec_call *c, const unsigned char mark[REC_HASH_BYTES]);

/** After anything was read from the store, in a call that goes on to use what is known. */
void rec_known_was_read(struct rec_call *c);

/** Of a user of the data set: whether anything was heard of them (rec_feedback_newest), 1 or 0; -1: the store failed. */
int rec_known_heard(struct rec_call *c, const char *user, struct rec_err *err);
/** Adds the name of all that the store knows of them (rec_feedback_state). */
int rec_known_state(struct rec_buf *out, struct rec_call *c, const char *user, struct rec_err *err);

#endif
