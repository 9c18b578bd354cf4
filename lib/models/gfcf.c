/* SPDX-License-Identifier: MIT
 *
 * gfcf: a linear filter of histories on the graph of who has what.
 *
 * Shen, Wu, Zhang, Shan, Zhang, Letaief and Li, "How Powerful is Graph Convolution for Recommendation?", CIKM 2021: histories times
 * R'R + alpha D^-1/2 V V' D^1/2, R the matrix of pairs divided by the roots of both their counts, V its first singular vectors. Their exponents, all
 * 1/2, are parameters here.
 */
#include "graph_priv.h"

static const struct rec_param params[] = {
    {.name = "factors", .def = 0, .min = 0, .max = 4096, .integer = true,
     .help = "singular vectors of the low pass; 0: one for 16 users or items, whichever are fewer, and 512 at most"},
    {.name = "low-pass", .def = 0.3, .min = 0, .max = 1e6, .help = "weight of the low pass beside the neighbourhood; 0: that alone"},
    {.name = "user-exponent", .def = 0.3, .min = 0, .max = 1, .help = "a pair counts less by this power of how many items its user has"},
    {.name = "item-exponent", .def = 0.5, .min = 0, .max = 1, .help = "and by this power of how many users its item has; less favours popular items"},
    {.name = "low-pass-tilt", .def = 0.4, .min = 0, .max = 2,
     .help = "in the low pass items of a history count less, and items for them more, by this power of their popularity"},
    {.name = "tilt", .def = 0.1, .min = -2, .max = 2, .help = "all scores grow with this power of the item's popularity"},
    {.name = "neighbours", .def = 300, .min = 0, .max = 1e6, .integer = true, .help = "links kept of each item, the strongest; 0: all"},
    {.name = NULL},
};

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_model_type *type = &rec_gfcf_type;
    struct rec_graph filter = {.blur = {0, 1}, .sharpen = {1}};

    if (rec_models_begin(model, type, job, err) < 0)
        goto fail;
    filter.factors = (size_t)rec_models_param(type, job, "factors");
    filter.low_pass = rec_models_param(type, job, "low-pass");
    filter.user_exponent = rec_models_param(type, job, "user-exponent");
    filter.item_exponent = rec_models_param(type, job, "item-exponent");
    filter.low_pass_tilt = rec_models_param(type, job, "low-pass-tilt");
    filter.tilt = rec_models_param(type, job, "tilt");
    filter.keep = (size_t)rec_models_param(type, job, "neighbours");
    if (rec_graph_train(model, &filter, job, err) == 0)
        return 0;
fail:
    rec_model_clear(model);
    return -1;
}

const struct rec_model_type rec_gfcf_type = {
    .name = "gfcf",
    .summary = "a linear graph filter: neighbourhoods and a low pass of singular vectors",
    .paper = "Shen et al. 2021, How Powerful is Graph Convolution for Recommendation? (CIKM)",
    .implicit = true,
    .params = params,
    .train = train,
};
