/* SPDX-License-Identifier: MIT
 *
 * Answers that were made before: found in this process or in the cache, or made and kept there.
 *
 *     struct rec_cached cached;
 *     if (rec_cached_find(&cached, c, "recommendations", user, true, 300, err) > 0) ...   // the body is there
 *     ... make the answer
 *     rec_cached_keep(&cached, c);
 *     rec_cached_clear(&cached);
 */
#ifndef REC_CACHED_PRIV_H
#define REC_CACHED_PRIV_H

#include "serve_priv.h"

struct rec_cached {
    struct rec_buf key;            /**< empty: no cache is asked */
    double life;                   /**< seconds that the answer may be kept */
    double budget;                 /**< seconds that this request may still lose to it */
};

/** Looks for the answer to this call: by the models' and the catalogue's version, the parameters, `about` (a user, a film), and, with `of_user`, all
 *  that the store knows of that user. @return 1: it is there, and the answer is made; 0: it has to be made; -1: the store failed */
int rec_cached_find(struct rec_cached *cached, struct rec_call *c, const char *what, const char *about, bool of_user, double life, struct rec_err *err);
/** Keeps the answer that was made, if it is one (200). */
void rec_cached_keep(struct rec_cached *cached, struct rec_call *c);
void rec_cached_clear(struct rec_cached *cached);

#endif
