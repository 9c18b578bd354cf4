/* SPDX-License-Identifier: MIT
 *
 * A weighted sum of models, which is a model again: means and biases are added, factors stand side by side, links and neighbours are merged.
 */
#ifndef REC_SUM_PRIV_H
#define REC_SUM_PRIV_H

#include "models_priv.h"

enum { REC_SUM_MAX = 64 };

struct rec_sum_part {
    const struct rec_model *model;
    double weight;           /**< what is told of it */
    double scale;            /**< by which its scores count: not below 0; 0: not at all */
};

/** Where the ids of the parts stand among those of the sum; NULL: in the same places. */
struct rec_sum_places {
    int32_t *to[REC_SUM_MAX];    /**< [items of the part] the number in the sum */
    int32_t *from[REC_SUM_MAX];  /**< [items of the sum] the number in the part, or -1 */
};

/** What a trainer of sums begins with: checks job->of and job->weight, describes the model, makes its tables; parts with weight and scale 0. */
int rec_sum_begin(struct rec_model *out, struct rec_sum_part *part, struct rec_sum_places *places, const struct rec_model_type *type,
                  const struct rec_train_job *job, struct rec_err *err);

/** Id tables and histories of the sum: users and histories have to be the same in all parts, items may be more in some.
 *  `out` borrows from the parts what is the same, and owns the rest. */
int rec_sum_tables(struct rec_model *out, struct rec_sum_places *places, const struct rec_sum_part *part, size_t n, struct rec_err *err);
void rec_sum_places_clear(struct rec_sum_places *places, size_t n);

/** All else, into a model that has its tables. @param add  what is added to every score */
int rec_sum_models(struct rec_model *out, const struct rec_sum_places *places, const struct rec_sum_part *part, size_t n, double add,
                   struct rec_err *err);

/** Links and neighbours, of rec_sum_models. */
int rec_sum_links_merge(struct rec_model *out, const struct rec_sum_places *places, const struct rec_sum_part *part, size_t n,
                        struct rec_err *err);

#endif
