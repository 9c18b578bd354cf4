/* SPDX-License-Identifier: MIT
 *
 * itemknn: an item is recommended for the items of the history that it is near to, by the users that they have in common.
 */
#include "models_priv.h"
#include "nearest_priv.h"

static const struct rec_param params[] = {
    {.name = "neighbours", .def = 200, .min = 1, .max = 1e6, .integer = true, .help = "links kept, the strongest", .lo = 20, .hi = 1000,
     .log = true},
    {.name = "keep", .def = 1, .min = 0, .max = 1, .choices = "to|from", .help = "so many to each item that is recommended, or from each of the history",
     .lo = 0, .hi = 1},
    {.name = "weights", .def = REC_KNN_DAMPED, .min = 0, .max = 2, .choices = "damped|idf|bm25",
     .help = "what a user counts whom two items have in common: by --damping, as a term of TF-IDF, or of BM25"},
    {.name = "damping", .def = 0.7, .min = 0, .max = 4, .help = "a user of n items counts n^-damping; 0: all alike", .lo = 0, .hi = 1.5},
    {.name = "exponent-from", .def = 0.6, .min = 0, .max = 2, .help = "divide by the popularity of the history's item to this power", .lo = 0, .hi = 1},
    {.name = "exponent-to", .def = 0.4, .min = 0, .max = 2, .help = "and by that of the item recommended; both 0.5: the cosine", .lo = 0, .hi = 1},
    {.name = "shrinkage", .def = 2, .min = 0, .max = 1e6, .help = "of c users in common c / (c + shrinkage) counts", .lo = 0, .hi = 10},
    {.name = "normalization", .def = 0.7, .min = 0, .max = 2, .help = "divide the links from an item by their sum to this power", .lo = 0, .hi = 1},
    {.name = NULL},
};

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_model_type *type = &rec_itemknn_type;
    struct rec_nearest_links links = {
        .keep_from = rec_models_param(type, job, "keep") == 1, .normalization = rec_models_param(type, job, "normalization"),
    };

    if (rec_models_begin(model, type, job, err) < 0)
        goto failed;
    links.how = (struct rec_knn_how){
        .neighbours = (size_t)rec_models_param(type, job, "neighbours"), .weights = (enum rec_knn_weights)rec_models_param(type, job, "weights"),
        .damping = rec_models_param(type, job, "damping"), .from = rec_models_param(type, job, "exponent-from"),
        .to = rec_models_param(type, job, "exponent-to"), .shrinkage = rec_models_param(type, job, "shrinkage"),
    };
    if (rec_nearest_items(model, &links, job, err) == 0)
        return 0;
failed:
    rec_model_clear(model);
    return -1;
}

const struct rec_model_type rec_itemknn_type = {
    .name = "itemknn",
    .summary = "items near to those of the history, by the users they have in common",
    .paper = "Deshpande, Karypis 2004 (TOIS); Bell, Koren 2007 (ICDM); Aiolli 2013 (RecSys)",
    .implicit = true,
    .params = params,
    .train = train,
};
