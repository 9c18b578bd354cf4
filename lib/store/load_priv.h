/* SPDX-License-Identifier: MIT
 *
 * The parts of a load of ratings: who and what of the file is taken, under which rows of the database (load_plan.c), what of it the store has
 * already (load_compare.c), and the ratings in the order of the primary key (load_rows.c).
 */
#ifndef REC_LOAD_PRIV_H
#define REC_LOAD_PRIV_H

#include <rec/store.h>

/* Loaders take turns by it, and so does who forgets a person: a load looks at its beginning for who was forgotten. */
#define REC_LOAD_LOCK "load"
#define REC_LOAD_WAIT 600.0     /* seconds */

/* ---- load_plan.c ---- */

struct load_plan {
    const struct rec_ratings *r;
    int32_t *user_row, *item_row;   /* by number in the file; -1: nothing of it is taken */
    uint32_t *order;                /* users, ascending by user_row; those left out last */
    size_t n_order;                 /* users that are taken */
    bool items_ascend;              /* the order of item_row is that of the items */
    size_t longest;                 /* ratings of one user */
    uint64_t taken, forgotten;      /* ratings; forgotten: left out with the people they are of */
    uint64_t users_made, items_made;
};

/** Within a WRITE transaction. Makes the rows of users and movies that are new. Clear it even when this fails. */
int rec_load_plan_make(struct load_plan *plan, struct rec_store *store, const struct rec_ratings *r, struct rec_err *err);
void rec_load_plan_clear(struct load_plan *plan);

/* ---- load_compare.c ---- */

/* What a rating of the file is to the store. */
enum load_kind { LOAD_NEW, LOAD_CHANGED, LOAD_SAME, LOAD_OLDER };

struct load_compare {
    const struct load_plan *plan;
    const struct rec_load_options *options;
    uint8_t *kind;                  /* [nnz] */
    uint64_t count[4];              /* by kind; that of LOAD_NEW stays 0 */
    int32_t *user, *item;           /* by row of the database: number in the file + 1 */
    size_t user_rows, item_rows;
    size_t at_user;
    int64_t next;
    uint64_t done;
};

/** Clear it even when this fails. */
int rec_load_compare_make(struct load_compare *compare, struct rec_store *store, const struct load_plan *plan,
                          const struct rec_load_options *options, struct rec_err *err);
void rec_load_compare_clear(struct load_compare *compare);

/* ---- load_rows.c ---- */

/* A pair whose rating was taken back, and when last. */
struct load_removed {
    int32_t user, item;
    int64_t time;
};

/* The ratings of a plan, one row a call. */
struct load_rows {
    struct rec_store *store;
    const struct load_plan *plan;
    const struct rec_load_options *options;
    int32_t load_id;
    const uint8_t *kind;            /* [nnz]; NULL: all are new */
    unsigned kinds;                 /* those that come: 1 << LOAD_NEW, ... */
    struct load_removed *removed;   /* by pair */
    size_t n_removed, at_removed;
    uint64_t kept_out;              /* new ratings that had been taken back since */
    uint64_t done;
    uint64_t *key;                  /* of the user at hand: row of the item, and place in their ratings, ascending */
    size_t n_key, at_key, at_user;
    struct {
        uint32_t bits;
        bool known;
        double decimal;
    } memo[256];
};

/** Clear it even when this fails. */
int rec_load_rows_begin(struct load_rows *rows, struct rec_store *store, const struct load_plan *plan,
                        const struct rec_load_options *options, struct rec_err *err);
/** To the first one, with that number in the column load_id, and of these kinds. Reads what was taken back. */
int rec_load_rows_rewind(struct load_rows *rows, int32_t load_id, const uint8_t *kind, unsigned kinds, struct rec_err *err);
/** A rec_copy_source: user_id, movie_id, value, load_id, time. */
int rec_load_rows_next(void *context, struct rec_sql_value *row, struct rec_err *err);
void rec_load_rows_clear(struct load_rows *rows);

/* ---- load.c ---- */

/** The row of `loads` at the beginning of a load, and what it came to at the end. */
int rec_load_row_begin(int64_t *id, struct rec_store *store, const char *what, const struct rec_load_options *o, bool timed,
                       struct rec_err *err);
int rec_load_row_end(int64_t id, struct rec_store *store, const struct rec_load_report *report, int64_t finished, struct rec_err *err);

#endif
