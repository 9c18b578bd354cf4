/* SPDX-License-Identifier: MIT
 *
 * Ratings in a fixed grid of blocks, for stochastic gradient descent by several threads without locks.
 *
 * Users and items are dealt into groups, so that each group has about as many ratings; a block is what users of one group gave to items of
 * another. Of a stratum's blocks no two have a user or an item in common (Gemulla et al., KDD 2011): they are worked on at once, one stratum after the other.
 * Grid, order of strata, and order within a block hang on ratings and seed alone, so that the result is the same for any number of threads.
 *
 * Factors are kept in the order of rows: group after group. Rows are what kernels see; numbers are those of the ratings.
 */
#ifndef REC_STRATA_PRIV_H
#define REC_STRATA_PRIV_H

#include <rec/data.h>
#include <rec/kernels.h>

struct rec_strata_side {
    size_t n, groups;
    int32_t *row;          /**< [n]: of a number */
    int32_t *number;       /**< [n]: of a row */
    size_t *begin;         /**< [groups + 1]: a group's rows */
};

struct rec_strata {
    struct rec_strata_side user, item;
    size_t *run_begin, *begin; /**< [user.groups * item.groups + 1]: a block's runs, and its entries */
    struct rec_sgd_run *run;
    int32_t *item_row;     /**< [nnz] */
    float *value;          /**< [nnz]: (value - mean) / unit; NULL: not wanted */
    double *loss;          /**< private: of each block */
};

/** @param values  whether values are wanted  @param factors  so many numbers an item has, for what a cache holds */
int rec_strata_init(struct rec_strata *s, const struct rec_ratings *r, bool values, double mean, double unit, size_t factors, uint64_t seed,
                    unsigned threads, struct rec_err *err);
void rec_strata_clear(struct rec_strata *s);

/** A block of one pass: users of group `u`, items of group `i`. Adds to *loss. */
typedef int rec_strata_fn(void *context, const struct rec_strata *s, size_t u, size_t i, unsigned thread, double *loss, struct rec_err *err);

/** One pass over all blocks, in an order of pass and seed. *loss receives the sum. */
int rec_strata_run(struct rec_strata *s, size_t pass, uint64_t seed, unsigned threads, rec_strata_fn *fn, void *context, double *loss,
                   struct rec_err *err);

/** Entries of block (u, i). */
static inline size_t rec_strata_block(const struct rec_strata *s, size_t u, size_t i)
{
    return u * s->item.groups + i;
}

/** Floats from row to row of f factors. */
static inline size_t rec_strata_ld(size_t f)
{
    return (f + 15) / 16 * 16;
}

/** Zeroed floats [rows, ld], each row at a multiple of 64 bytes; `memory` is what to free. */
float *rec_strata_floats(void **memory, size_t rows, size_t ld, const char *object, struct rec_err *err);

/** Fills rows x [side->n, ld] with f normal numbers each, from the stream of the row's number; those whose `count`, by number, is 0 stay as they are. */
void rec_strata_random(float *x, size_t f, size_t ld, const struct rec_strata_side *side, const float *count, double deviation, uint64_t seed);

/** to [side->n, f], in the order of numbers, from `from` [side->n, ld], in the order of rows, and as many of `more` (or NULL), times `scale`. */
int rec_strata_copy(float *to, size_t f, const float *from, const float *more, size_t ld, const struct rec_strata_side *side, float scale, unsigned threads,
                    struct rec_err *err);

#endif
