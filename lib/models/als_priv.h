/* SPDX-License-Identifier: MIT
 *
 * als: what a side's factors have to tell of which pairs there are.
 */
#ifndef REC_ALS_PRIV_H
#define REC_ALS_PRIV_H

#include "models_priv.h"

/** Rows of one side, whose entries are rows of the other. Factors have a column more, the bias or 1. */
struct rec_als_implied {
    size_t rows, others, f;
    const int64_t *ptr;
    const int32_t *index;
    const float *other;      /**< [others, f + 1] */
    float *x;                /**< [rows, f + 1] the rows' own factors: are turned along */
    float *c;                /**< [rows, f] to be learnt */
    float *diagonal;         /**< [f] receives the diagonal of weight * C'C, which is diagonal then */
    double weight, regularization, exponent;
    unsigned threads;
};

/** C = argmin  weight * sum over all pairs of (1 if there is such a pair, else 0, less other_u c_i)^2  +  sum_i L n_i^v |c_i|^2, in coordinates in which C'C
 *  is diagonal; x is turned to the same. `other` stays as it was, in the old ones. */
int rec_als_implied_learn(const struct rec_als_implied *a, struct rec_err *err);

/** q = D^-1 weight * sum of the c_i of a row's entries: what they ask for by themselves, where D is the row's diagonal, `diagonal` in it. */
void rec_als_implied_start(float *q, const float *c, size_t f, const int32_t *index, size_t n, const float *d, double weight);

#endif
