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
    double lo, hi;         /**< where rec-tune looks unless told otherwise, as [lo, hi], of choices their indices; both 0: it leaves the default */
    bool log;              /**< looked for evenly in its logarithm; lo > 0 */
};

/** A piece of what a training that goes on needs, beside ratings, parameters and seed. */
struct rec_train_part {
    const char *name;      /**< "user_factors"; the same in every step */
    void *data;
    size_t size;           /**< bytes; the same in every step */
};

/** One step of training done: pass `step` of `steps`, with its loss (NAN when the model has none). */
struct rec_progress {
    size_t step, steps;
    double loss;
    const char *what;      /**< "pass", "users" */
    const struct rec_model *model; /**< as it would score if training ended here, while this call lasts; NULL: it cannot be told in between */
    const struct rec_train_part *state; /**< [n_state] all that the next step begins with: what a checkpoint keeps; NULL: cannot go on from here */
    size_t n_state;
};

/** What a checkpoint has kept. */
struct rec_train_saved {
    size_t step;
    const struct rec_train_part *part;
    size_t n;
};

struct rec_train_job {
    const struct rec_ratings *ratings;
    const double *param;   /**< in the order of the type's table */
    uint64_t seed;
    unsigned threads;
    const struct rec_model *warm; /**< an earlier model to begin with, of the same type and number of factors; NULL: random factors */
    const struct rec_features *features; /**< of users and items, in id tables of their own; NULL: none */
    const struct rec_train_saved *saved; /**< go on from there; NULL: from the start */
    const struct rec_model *const *of; /**< [n_of] of a type that combines: the models; `ratings` are for fitting their weights then */
    size_t n_of;
    const double *weight;  /**< [n_of] the weights, and `ratings` may be NULL; NULL: they are to be fitted */
    /** Called after each step. @return 0, 1: training is to end here with what it has, -1: it fails. NULL: nobody watches */
    int (*progress)(void *context, const struct rec_progress *progress, struct rec_err *err);
    /** Whether progress after step `step` will look at its model: a trainer for whom that costs something asks first. NULL: never */
    bool (*wants_model)(void *context, size_t step, size_t steps);
    void *context;             /**< of both */
};

struct rec_model_type {
    const char *name;
    const char *summary;   /**< one line for --list */
    const char *paper;     /**< what it follows */
    bool implicit;         /**< learns from which pairs there are (true) or from their values (false) */
    bool warms;            /**< can begin with an earlier model */
    bool features;         /**< learns from job->features by itself: rec_cold_items is not asked for its cold items */
    bool combines;         /**< is made of other models (job->of), not of ratings alone */
    const struct rec_param *params;
    /** Fills `model`, which borrows id tables and rows (as what is seen) of job->ratings, or of the models of job->of, and owns its other arrays. */
    int (*train)(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err);
};

/** All of them; ends at NULL. */
extern const struct rec_model_type *const rec_models[];
const struct rec_model_type *rec_models_find(const char *name);
void rec_models_defaults(const struct rec_model_type *type, double *param);

/** The weights of a sum of models, at most `room`; -1 when it is none. */
int rec_models_weights(double *weight, size_t *n, size_t room, const struct rec_model *model, struct rec_err *err);

/* ---- cold: items that nobody has rated ------------------------------------------------------------ */

/** The same model with all items of the features besides its own. Those without a rating to learn from, but with genres, a year or a title, get
 *  factors and biases by ridge regression on their content, learnt on the rated ones (Gantner et al. 2010); where scores come from links, links from
 *  the rated items that are like them. All other scores stay what they are.
 *  @param out     borrows from `model` what belongs to users; owns the rest
 *  @param learnt  what it was trained on, in its own item table
 *  @param n       how many such items there are */
int rec_cold_items(struct rec_model *out, const struct rec_model *model, const struct rec_ratings *learnt, const struct rec_features *features, size_t *n,
                   struct rec_err *err);

/* ---- refresh: between trainings ------------------------------------------------------------------- */

/** The same items, and users as these ratings have them: factors and biases by folding in, which is an exact last half pass. New users and new
 *  ratings count at once; what is to be learnt of items waits for the next training. Popularity is counted anew.
 *  @param out  borrows the items of `model`, and rows and users of `r`; owns the rest
 *  @param r    in the item table of the model (rec_csr_join) */
int rec_refresh_users(struct rec_model *out, const struct rec_model *model, const struct rec_ratings *r, unsigned threads, struct rec_err *err);

#endif
