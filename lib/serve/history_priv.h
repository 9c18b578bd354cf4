/* SPDX-License-Identifier: MIT
 *
 * What is known of a user.
 */
#ifndef REC_HISTORY_PRIV_H
#define REC_HISTORY_PRIV_H

#include "serve_priv.h"

struct rec_history_entry {
    int32_t item;
    float value;
    bool liked;                    /**< counts in favour; else it is only left out */
    bool removed;                  /**< what comes after it of this item was taken back */
    size_t place;                  /**< in the order of adding: the newest first */
};

struct rec_history {
    int32_t user;                  /**< in the model; -1: unknown there */
    bool from_store;               /**< the store, or the visitor, knows something */
    size_t n_trained;              /**< pairs in training */
    struct rec_history_entry *entry;
    size_t n, cap;
    const int32_t *seen;           /**< [n_seen] ascending: left out of lists */
    size_t n_seen;
    const int32_t *item;           /**< [n_items] ascending: what speaks for the user */
    const float *value;            /**< [n_items] of each; NULL: 1 */
    size_t n_items;
    void *owned[3];                /**< what these three are, where they are not the model's */

    enum { REC_HISTORY_POPULAR, REC_HISTORY_TRAINED, REC_HISTORY_FOLDED } how;
    struct rec_visitor visitor;    /**< what they are to the model */
};

/** Ratings, likes and the like from the store (if there is one), and what the model was trained on. */
int rec_history_of_user(struct rec_history *h, struct rec_call *c, const char *user, struct rec_err *err);
/** From an array of {"movie_id", "rating"?}. @param unknown  how many of them the model does not know. */
int rec_history_of_visitor(struct rec_history *h, struct rec_call *c, const struct rec_json_value *items, size_t *unknown, struct rec_err *err);
/** Fills how and visitor. */
int rec_history_fold(struct rec_history *h, struct rec_current *current, struct rec_err *err);
void rec_history_clear(struct rec_history *h);

#endif
