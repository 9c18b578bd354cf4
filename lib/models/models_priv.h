/* SPDX-License-Identifier: MIT
 *
 * What every trainer of this room begins and ends with.
 */
#ifndef REC_MODELS_PRIV_H
#define REC_MODELS_PRIV_H

#include <rec/models.h>

/** Fills what does not depend on the model: type, sizes, parameters as JSON, range of values, popularity by count; borrows ids and rows
 *  of the ratings. -1 when there is nothing to learn from, or a parameter is outside its range. */
int rec_models_begin(struct rec_model *model, const struct rec_model_type *type, const struct rec_train_job *job, struct rec_err *err);

/** The part of it that needs no ratings: type, parameters, which must be within their ranges, what its scores are. */
int rec_models_describe(struct rec_model *model, const struct rec_model_type *type, const double *param, struct rec_err *err);

/** Zeroed memory that rec_model_clear will free. */
void *rec_models_own(struct rec_model *model, size_t n, size_t size, struct rec_err *err);

/** Tells the caller that pass `step` of `steps` is done, of a model that cannot be scored in between.
 *  @return 0, 1: training is to end here, -1 */
int rec_models_step(const struct rec_train_job *job, size_t step, size_t steps, double loss, struct rec_err *err);

/** The same with all that is to be told. */
int rec_models_tell(const struct rec_train_job *job, const struct rec_progress *progress, struct rec_err *err);

/** Whether that will look at the model after this step: where telling it costs something, and it is not told otherwise. */
bool rec_models_wanted(const struct rec_train_job *job, size_t step, size_t steps);

/** Copies what a checkpoint has kept into the parts. Returns the number of steps that are done: 0 without a checkpoint; -1 when it is of other
 *  parts than these. */
ptrdiff_t rec_models_resume(const struct rec_train_job *job, const struct rec_train_part *part, size_t n, struct rec_err *err);

/** The value of a parameter of the type by its name, which must exist. */
double rec_models_param(const struct rec_model_type *type, const struct rec_train_job *job, const char *name);

/** The nearest finite float. */
float rec_models_float(double x);

extern const struct rec_model_type rec_sgd_type, rec_bpr_type;
extern const struct rec_model_type rec_itemknn_type, rec_userknn_type, rec_rp3beta_type;
extern const struct rec_model_type rec_gfcf_type, rec_bspm_type, rec_ease_type;
extern const struct rec_model_type rec_popular_type, rec_bias_type, rec_als_type, rec_bmf_type, rec_ials_type, rec_hybrid_type, rec_blend_type;

#endif
