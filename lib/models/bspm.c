/* SPDX-License-Identifier: MIT
 *
 * bspm: histories blurred and sharpened again on the graph of who has what.
 *
 * Choi, Hong, Park and Cho, "Blurring-Sharpening Process Models for Collaborative Filtering", SIGIR 2023: blurring by the heat equation
 * dh/dt = h P - h and by the ideal low pass, then sharpening by dh/dt = -h P, with Euler's or Runge and Kutta's steps. All steps are linear in h, so
 * a step is a polynomial in P, and many are their product: a step of length t of Runge and Kutta's fourth order is the exponential series of t
 * times the right side, up to its fourth power, of Euler's up to its first.
 */
#include "graph_priv.h"

enum integrator { EULER, RK4 };

static const struct rec_param params[] = {
    {.name = "factors", .def = 0, .min = 0, .max = 4096, .integer = true,
     .help = "singular vectors of the low pass; 0: one for 16 users or items, whichever are fewer, and 512 at most"},
    {.name = "low-pass", .def = 0.3, .min = 0, .max = 1e6, .help = "weight of the low pass beside the heat steps; 0: none"},
    {.name = "user-exponent", .def = 0.3, .min = 0, .max = 1, .help = "a pair counts less by this power of how many items its user has"},
    {.name = "item-exponent", .def = 0.5, .min = 0, .max = 1, .help = "and by this power of how many users its item has; less favours popular items"},
    {.name = "low-pass-tilt", .def = 0.4, .min = 0, .max = 2,
     .help = "in the low pass items of a history count less, and items for them more, by this power of their popularity"},
    {.name = "tilt", .def = 0.1, .min = -2, .max = 2, .help = "all scores grow with this power of the item's popularity"},
    {.name = "blur-time", .def = 1, .min = 0, .max = 10, .help = "how long heat flows"},
    {.name = "blur-steps", .def = 1, .min = 1, .max = 4, .integer = true, .help = "in so many steps of Euler's"},
    {.name = "sharpen-time", .def = 0.6, .min = 0, .max = 10, .help = "how long it is undone"},
    {.name = "sharpen-steps", .def = 1, .min = 1, .max = 4, .integer = true, .help = "in so many steps; two at most of rk4"},
    {.name = "integrator", .def = EULER, .min = 0, .max = 1, .choices = "euler|rk4", .help = "the kind of these steps"},
    {.name = "neighbours", .def = 300, .min = 0, .max = 1e6, .integer = true, .help = "links kept of each item, the strongest; 0: all"},
    {.name = NULL},
};

/* exp(t x) up to the power `order`, for x = slope P + level: by the Taylor series, multiplied out. */
static void step(double *out, double time, double slope, double level, int order)
{
    double power[REC_GRAPH_DEGREE + 1] = {1}, factor[REC_GRAPH_DEGREE + 1] = {time * level, time * slope};

    memset(out, 0, (REC_GRAPH_DEGREE + 1) * sizeof *out);
    out[0] = 1;
    for (int n = 1; n <= order; n++) {
        rec_graph_product(power, power, factor);
        for (size_t i = 0; i <= REC_GRAPH_DEGREE; i++)
            out[i] += power[i] /= n;
    }
}

static void repeat(double *out, const double *one, size_t times)
{
    memset(out, 0, (REC_GRAPH_DEGREE + 1) * sizeof *out);
    out[0] = 1;
    while (times-- > 0)
        rec_graph_product(out, out, one);
}

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_model_type *type = &rec_bspm_type;
    struct rec_graph filter = {0};
    double one[REC_GRAPH_DEGREE + 1], n_blur = rec_models_param(type, job, "blur-steps"), n_sharpen = rec_models_param(type, job, "sharpen-steps");

    if (rec_models_begin(model, type, job, err) < 0)
        goto fail;
    bool rk4 = rec_models_param(type, job, "integrator") == RK4;
    if (rk4 && n_sharpen > 2) {
        rec_err_set(err, "bspm: sharpen-steps: two at most with rk4: more is the same, more dearly");
        goto fail;
    }
    filter.factors = (size_t)rec_models_param(type, job, "factors");
    filter.low_pass = rec_models_param(type, job, "low-pass");
    filter.user_exponent = rec_models_param(type, job, "user-exponent");
    filter.item_exponent = rec_models_param(type, job, "item-exponent");
    filter.low_pass_tilt = rec_models_param(type, job, "low-pass-tilt");
    filter.tilt = rec_models_param(type, job, "tilt");
    filter.keep = (size_t)rec_models_param(type, job, "neighbours");
    step(one, rec_models_param(type, job, "blur-time") / n_blur, 1, -1, 1);
    repeat(filter.blur, one, (size_t)n_blur);
    step(one, rec_models_param(type, job, "sharpen-time") / n_sharpen, -1, 0, rk4 ? 4 : 1);
    repeat(filter.sharpen, one, (size_t)n_sharpen);
    if (rec_graph_train(model, &filter, job, err) == 0)
        return 0;
fail:
    rec_model_clear(model);
    return -1;
}

const struct rec_model_type rec_bspm_type = {
    .name = "bspm",
    .summary = "histories blurred by heat and a low pass, and sharpened again",
    .paper = "Choi et al. 2023, Blurring-Sharpening Process Models for Collaborative Filtering (SIGIR)",
    .implicit = true,
    .params = params,
    .train = train,
};
