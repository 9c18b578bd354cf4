/* SPDX-License-Identifier: MIT
 *
 * userknn: an item is recommended for the users near to this one who have it, by the items that they have in common.
 */
#include "models_priv.h"
#include "nearest_priv.h"

static const struct rec_param params[] = {
    {.name = "neighbours", .def = 200, .min = 1, .max = 1e6, .integer = true, .help = "users who speak for each user", .lo = 20, .hi = 1000, .log = true},
    {.name = "weights", .def = REC_KNN_DAMPED, .min = 0, .max = 2, .choices = "damped|idf|bm25",
     .help = "what an item counts that two users have in common: by --damping, as a term of TF-IDF, or of BM25"},
    {.name = "damping", .def = 0.7, .min = 0, .max = 4, .help = "an item of n users counts n^-damping; 0: all alike", .lo = 0, .hi = 1.5},
    {.name = "exponent-from", .def = 0.5, .min = 0, .max = 2, .help = "divide by the number of the user's items to this power: the scale of scores alone"},
    {.name = "exponent-to", .def = 0.5, .min = 0, .max = 2, .help = "and by that of the neighbour's; both 0.5: the cosine", .lo = 0, .hi = 1},
    {.name = "shrinkage", .def = 3, .min = 0, .max = 1e6, .help = "of c items in common c / (c + shrinkage) counts", .lo = 0, .hi = 10},
    {.name = NULL},
};

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_model_type *type = &rec_userknn_type;
    struct rec_knn_how how;

    if (rec_models_begin(model, type, job, err) < 0)
        goto failed;
    how = (struct rec_knn_how){
        .neighbours = (size_t)rec_models_param(type, job, "neighbours"), .weights = (enum rec_knn_weights)rec_models_param(type, job, "weights"),
        .damping = rec_models_param(type, job, "damping"), .from = rec_models_param(type, job, "exponent-from"),
        .to = rec_models_param(type, job, "exponent-to"), .shrinkage = rec_models_param(type, job, "shrinkage"),
    };
    if (rec_nearest_users(model, &how, job, err) == 0)
        return 0;
failed:
    rec_model_clear(model);
    return -1;
}

const struct rec_model_type rec_userknn_type = {
    .name = "userknn",
    .summary = "items of users near to this one, by the items they have in common",
    .paper = "Herlocker et al. 1999 (SIGIR); Bell, Koren 2007 (ICDM); Aiolli 2013 (RecSys)",
    .implicit = true,
    .params = params,
    .train = train,
};
