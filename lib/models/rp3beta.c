/* SPDX-License-Identifier: MIT
 *
 * rp3beta: three steps of a random walk from an item of the history to its users and on to theirs, each probability raised to the power alpha,
 * divided by the popularity of where it ends to the power beta. From item j to item i that is
 *
 *     sum over the users of both of (1 / |j|)^alpha (1 / |user|)^alpha / |i|^beta
 *
 * The first step, from the user to j, is the same for all their items. With beta = 0 it is P3alpha (Cooper et al. 2014).
 */
#include "models_priv.h"
#include "nearest_priv.h"

static const struct rec_param params[] = {
    {.name = "neighbours", .def = 200, .min = 1, .max = 1e6, .integer = true, .help = "links kept, the strongest", .lo = 20, .hi = 1000,
     .log = true},
    {.name = "keep", .def = 1, .min = 0, .max = 1, .choices = "to|from", .help = "so many to each item that is recommended, or from each of the history",
     .lo = 0, .hi = 1},
    {.name = "alpha", .def = 0.6, .min = 0, .max = 4, .help = "power of the walk's probabilities", .lo = 0.2, .hi = 1.6},
    {.name = "beta", .def = 0.3, .min = 0, .max = 4, .help = "power of the popularity that is divided by; 0: P3alpha", .lo = 0, .hi = 1},
    {.name = "normalization", .def = 0.7, .min = 0, .max = 2, .help = "divide the links from an item by their sum to this power", .lo = 0, .hi = 1},
    {.name = NULL},
};

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_model_type *type = &rec_rp3beta_type;
    struct rec_nearest_links links = {
        .keep_from = rec_models_param(type, job, "keep") == 1, .normalization = rec_models_param(type, job, "normalization"),
    };

    if (rec_models_begin(model, type, job, err) < 0)
        goto failed;
    links.how = (struct rec_knn_how){
        .neighbours = (size_t)rec_models_param(type, job, "neighbours"), .weights = REC_KNN_DAMPED,
        .damping = rec_models_param(type, job, "alpha"), .from = rec_models_param(type, job, "alpha"), .to = rec_models_param(type, job, "beta"),
    };
    if (rec_nearest_items(model, &links, job, err) == 0)
        return 0;
failed:
    rec_model_clear(model);
    return -1;
}

const struct rec_model_type rec_rp3beta_type = {
    .name = "rp3beta",
    .summary = "random walks from the items of the history, popular ends held back; P3alpha",
    .paper = "Paudel et al. 2017 (TiiS); Christoffel et al. 2015 (RecSys); Cooper et al. 2014 (WWW)",
    .implicit = true,
    .params = params,
    .train = train,
};
