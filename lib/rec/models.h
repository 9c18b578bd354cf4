/* SPDX-License-Identifier: MIT
 *
 * models: training. One trained model per file behind one struct; rec-train --list prints the table.
 *
 *     const struct rec_model_type *type = rec_models_find("ials");
 *     double param[REC_PARAM_MAX];
 *     rec_models_defaults(type, param);
 *     struct rec_train_job job = {.ratings = &ratings, .param = param, .seed = 42, .threads = 2};
 *     struct rec_model model = {0};
 *     if (type->train(&model, &job, &err) < 0) ...
 *
 * The same ratings, parameters and seed give the same model, byte for byte, for any number of threads on the same kernels and BLAS.
 * Nothing here prints: progress leaves through a callback.
 */
#ifndef REC_MODELS_H
#define REC_MODELS_H

#include <rec/score.h>

#define REC_PARAM_MAX 32

/** A hyper-parameter: what rec-train offers as --NAME and rec-tune searches. */
struct rec_param {
    const char *name;      /**< "regularization"; the table ends at NULL */
    double def, min, max;
    const char *choices;   /**< "cg|cholesky": the value is an index into it; NULL for a number */
    bool integer;
    const char *help;
};

/** One step of training done: pass `step` of `steps`, with its loss (NAN when the model has none) and the seconds since the start. */
struct rec_progress {
    size_t step, steps;
    double loss;
    const char *what;      /**< "pass", "users" */
};

struct rec_train_job {
    const struct rec_ratings *ratings;
    const double *param;   /**< in the order of the type's table */
    uint64_t seed;
    unsigned threads;
    const struct rec_model *warm; /**< an earlier model to begin with, of the same type and number of factors; NULL: random factors */
    void (*progress)(void *context, const struct rec_progress *progress);
    void *context;
};

struct rec_model_type {
    const char *name;
    const char *summary;   /**< one line for --list */
    const char *paper;     /**< what it follows */
    bool implicit;         /**< learns from which pairs there are (true) or from their values (false) */
    bool warms;            /**< can begin with an earlier model */
    const struct rec_param *params;
    /** Fills `model`, which borrows id tables and rows (as what is seen) of job->ratings and owns its other arrays. */
    int (*train)(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err);
};

/** All of them; ends at NULL. */
extern const struct rec_model_type *const rec_models[];
const struct rec_model_type *rec_models_find(const char *name);
void rec_models_defaults(const struct rec_model_type *type, double *param);

/* ---- refresh: between trainings ------------------------------------------------------------------- */

/** The same items, and users as these ratings have them: factors and biases by folding in, which is an exact last half pass. New users and new
 *  ratings count at once; what is to be learnt of items waits for the next training. Popularity is counted anew.
 *  @param out  borrows the items of `model`, and rows and users of `r`; owns the rest
 *  @param r    in the item table of the model (rec_csr_join) */
int rec_refresh_users(struct rec_model *out, const struct rec_model *model, const struct rec_ratings *r, unsigned threads, struct rec_err *err);

#endif
