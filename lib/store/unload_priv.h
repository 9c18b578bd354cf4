/* SPDX-License-Identifier: MIT
 *
 * What the ways out of the store share: ids by the rows of the database, and what `since` and the mark mean.
 */
#ifndef REC_UNLOAD_PRIV_H
#define REC_UNLOAD_PRIV_H

#include <rec/store.h>

/** All users, or all movies. */
struct unload_names {
    struct rec_ids ids;
    int32_t *place;      /**< [n]: by row of the database, place in ids + 1; 0: no such row */
    size_t n;
};
int rec_unload_names_read(struct unload_names *names, struct rec_store *store, enum rec_names_of of, struct rec_err *err);
void rec_unload_names_clear(struct unload_names *names);
/** The place in names->ids, or -1. */
int32_t rec_unload_names_place(const struct unload_names *names, int64_t row);

/** The second to begin with, from 0 on: a microsecond of it fits an int64_t. */
int64_t rec_unload_since(const struct rec_unload_options *o);
/** Before the snapshot is taken. `mark` may be NULL. */
int rec_unload_mark(int64_t *mark, struct rec_store *store, struct rec_err *err);
char rec_unload_delimiter(const struct rec_unload_options *o);

#endif
