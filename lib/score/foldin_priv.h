/* SPDX-License-Identifier: MIT
 *
 * The least-squares problem of one user in one part of a model.
 */
#ifndef REC_FOLDIN_PRIV_H
#define REC_FOLDIN_PRIV_H

#include <rec/score.h>

/** Rows, diagonal and right-hand sides. For ratings a last coordinate, 1 for every item, is the user's bias: rows are copied with it. */
struct rec_foldin_problem {
    struct rec_ridge_rows rows;
    size_t f;                    /* coordinates */
    float *memory, *d, *w, *c, *v;
    int32_t *index;
    void *scratch;
};

/** Whether there is such a problem. */
static inline bool rec_foldin_problem_is(const struct rec_foldin_part *part)
{
    return part->kind == REC_FOLDIN_IMPLICIT || part->kind == REC_FOLDIN_RATINGS;
}

/** The problem of a history. To be cleared, also when it fails.
 *  @param x       [factors of the model] what the history gives to the factors by itself, or NULL
 *  @param target  one row more than the history has, for explaining; -1: none */
int rec_foldin_problem_init(struct rec_foldin_problem *p, const struct rec_foldin_part *part, const struct rec_model *m, const struct rec_visitor *v,
                            const float *x, int32_t target, struct rec_err *err);
void rec_foldin_problem_clear(struct rec_foldin_problem *p);

/** The factors of an item that are the part's. */
const float *rec_foldin_problem_factors(const struct rec_foldin_part *part, const struct rec_model *m, int32_t item);

/** What item j of the history asks of the user's factors by itself, where there are implicit features: q_j = D^-1 w c_j in the unit of the ratings. */
void rec_foldin_problem_implied(float *q, const struct rec_foldin_problem *p, const struct rec_foldin_part *part, const struct rec_model *m, int32_t item);
/** The sum of that; the problem becomes that of the ratings less q y. What solves it, and q, are the factors. */
void rec_foldin_problem_ask(float *q, struct rec_foldin_problem *p, const struct rec_foldin_part *part, const struct rec_model *m,
                            const struct rec_visitor *v);

/** What the rating of item j of the history says of the user's bias, in a part of kind REC_FOLDIN_BIAS. */
double rec_foldin_problem_bias(const struct rec_foldin_part *part, const struct rec_visitor *v, size_t j);

#endif
