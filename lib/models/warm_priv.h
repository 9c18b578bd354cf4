/* SPDX-License-Identifier: MIT
 *
 * Beginning where an earlier training ended.
 */
#ifndef REC_WARM_PRIV_H
#define REC_WARM_PRIV_H

#include <rec/models.h>

#include <math.h>

/** Whether job->warm is of that type and has so many factors. */
int rec_warm_check(const struct rec_model_type *type, const struct rec_train_job *job, size_t factors, struct rec_err *err);
/** What messages call it. */
const char *rec_warm_name(const struct rec_model *warm);

/** One side of an earlier model. */
struct rec_warm_side {
    const struct rec_ids *ids;
    const float *factors;  /**< [ids->n, f] */
    const float *bias;     /**< [ids->n], or NULL */
    size_t f;
};
/** Rows of x [ids->n, ld], and biases (NULL: there are none), of those whom the earlier model knows; zeros for the others. Factors are divided by the
 *  root of `unit`, biases by `unit`: the unit that ratings are measured in while training. */
int rec_warm_rows(float *x, size_t ld, float *bias, const struct rec_ids *ids, const struct rec_warm_side *from, double unit, struct rec_err *err);

#endif
