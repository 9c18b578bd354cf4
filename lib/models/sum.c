/* SPDX-License-Identifier: MIT
 *
 * A weighted sum of models. Factors of a part with scale s are multiplied by a (users) and b (items) with a b = s, chosen so that both sides
 * are as long: nearness of items then weighs the parts as scores do.
 */
#include "sum_priv.h"

#include <math.h>

/* What is told of a part besides its own file. */
struct place {
    size_t first;
    double user_scale, item_scale;
};

static double mean_square(const float *x, size_t rows, size_t f)
{
    double sum = 0;

    for (size_t k = 0; k < rows * f; k++)
        sum += (double)x[k] * x[k];
    return rows ? sum / (double)rows : 0;
}

static void set_scales(struct place *place, const struct rec_sum_part *part)
{
    const struct rec_model *m = part->model;
    double users = mean_square(m->user_factors, m->n_users, m->factors), items = mean_square(m->item_factors, m->n_items, m->factors);
    double ratio = users > 0 && items > 0 ? sqrt(users / items) : 1;

    place->item_scale = sqrt(part->scale * ratio);
    place->user_scale = part->scale / place->item_scale;
    if (!isfinite(place->user_scale) || !isfinite(place->item_scale) || place->item_scale == 0)
        place->item_scale = place->user_scale = sqrt(part->scale);
}

static bool has_factors(const struct rec_sum_part *part)
{
    return part->scale > 0 && part->model->factors > 0 && part->model->user_factors && part->model->item_factors;
}

/* Columns first .. first + f of the rows of the sum. */
static void copy_factors(float *out, size_t ld, size_t first, const float *x, size_t rows, size_t f, double scale, const int32_t *to)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < f; k++)
            out[(size_t)(to ? to[r] : (int32_t)r) * ld + first + k] = rec_models_float(scale * (double)x[r * f + k]);
}

static int add_factors(struct rec_model *out, struct place *place, const struct rec_sum_places *places, const struct rec_sum_part *part, size_t n,
                       struct rec_err *err)
{
    size_t f = 0, n_user, n_item;
    bool history = false, implied = false;
    float *users, *items, *histories = NULL, *implicit = NULL;

    for (size_t m = 0; m < n; m++) {
        place[m] = (struct place){.first = f};
        if (!has_factors(&part[m]))
            continue;
        set_scales(&place[m], &part[m]);
        f += part[m].model->factors;
        history |= part[m].model->history_factors != NULL;
        implied |= part[m].model->implicit_factors != NULL;
    }
    if (f == 0)
        return 0;
    if (f > INT32_MAX || rec_size_mul(&n_user, out->n_users, f) < 0 || rec_size_mul(&n_item, out->n_items, f) < 0)
        return rec_err_memory(err, "factors");
    users = rec_models_own(out, n_user, sizeof *users, err);
    items = rec_models_own(out, n_item, sizeof *items, err);
    if (!users || !items || (history && !(histories = rec_models_own(out, n_item, sizeof *histories, err))) ||
        (implied && !(implicit = rec_models_own(out, n_item, sizeof *implicit, err))))
        return -1;
    for (size_t m = 0; m < n; m++) {
        const struct rec_model *model = part[m].model;
        if (!has_factors(&part[m]))
            continue;
        copy_factors(users, f, place[m].first, model->user_factors, model->n_users, model->factors, place[m].user_scale, NULL);
        copy_factors(items, f, place[m].first, model->item_factors, model->n_items, model->factors, place[m].item_scale, places->to[m]);
        if (model->implicit_factors)
            copy_factors(implicit, f, place[m].first, model->implicit_factors, model->n_items, model->factors, place[m].item_scale, places->to[m]);
        if (model->history_factors)
            copy_factors(histories, f, place[m].first, model->history_factors, model->n_items, model->factors, place[m].user_scale, places->to[m]);
    }
    out->implicit_factors = implicit;
    out->factors = f;
    out->user_factors = users;
    out->item_factors = items;
    out->history_factors = histories;
    return 0;
}

/* A sum of vectors, kept in double until it is whole. */
static int add_vectors(struct rec_model *out, const float **to, size_t len, const struct rec_sum_part *part, const struct rec_sum_places *places,
                       size_t n, bool items, struct rec_err *err)
{
    double *sum = NULL;
    float *vector;
    bool found = false;

    for (size_t m = 0; m < n; m++) {
        const struct rec_model *model = part[m].model;
        const float *bias = items ? model->item_bias : model->user_bias;
        if (!bias || part[m].scale == 0)
            continue;
        if (!sum && !(sum = rec_calloc(len, sizeof *sum, "biases", err)))
            return -1;
        for (size_t r = 0; r < (items ? model->n_items : model->n_users); r++)
            sum[items && places->to[m] ? (size_t)places->to[m][r] : r] += part[m].scale * (double)bias[r];
        found = true;
    }
    if (!found)
        return 0;
    vector = rec_models_own(out, len, sizeof *vector, err);
    for (size_t r = 0; vector && r < len; r++)
        vector[r] = rec_models_float(sum[r]);
    *to = vector;
    free(sum);
    return vector ? 0 : -1;
}

/* The vector of a part in the places of the sum. */
static void spread_out(float *to, const float *from, size_t len, const int32_t *place)
{
    for (size_t i = 0; from && i < len; i++)
        to[place ? (size_t)place[i] : i] = from[i];
}

static int add_popularity(struct rec_model *out, const struct rec_sum_places *places, const struct rec_model *first, struct rec_err *err)
{
    float *popularity = rec_models_own(out, out->n_items, sizeof *popularity, err);

    if (!popularity)
        return -1;
    spread_out(popularity, first->popularity, first->n_items, places->to[0]);
    out->popularity = popularity;
    return 0;
}

static int add_part_biases(struct rec_model *out, const struct rec_sum_places *places, const struct rec_sum_part *part, size_t n, struct rec_err *err)
{
    size_t cells;
    float *bias = NULL;

    for (size_t m = 0; m < n; m++) {
        if (!part[m].model->item_bias)
            continue;
        if (!bias && (rec_size_mul(&cells, out->n_items, n) < 0 || !(bias = rec_models_own(out, cells, sizeof *bias, err))))
            return -1;
        spread_out(bias + m * out->n_items, part[m].model->item_bias, part[m].model->n_items, places->to[m]);
    }
    out->part_bias = bias;
    return 0;
}

static int write_parts(struct rec_buf *out, const struct place *place, const struct rec_sum_part *part, size_t n, struct rec_err *err)
{
    struct rec_json json = {.out = out, .flat = true};

    rec_json_array(&json, NULL);
    for (size_t m = 0; m < n; m++) {
        const struct rec_model *model = part[m].model;
        struct rec_json_value *params = rec_json_read("parameters", model->params.len ? model->params.data : "{}",
                                                      model->params.len ? model->params.len : 2, err);
        if (!params)
            return -1;
        rec_json_object(&json, NULL);
        rec_json_text(&json, "type", model->type, strlen(model->type));
        rec_json_real(&json, "weight", part[m].weight);
        rec_json_real(&json, "scale", part[m].scale);
        rec_json_int(&json, "first", (int64_t)place[m].first);
        rec_json_int(&json, "factors", has_factors(&part[m]) ? (int64_t)model->factors : 0);
        rec_json_real(&json, "user_scale", place[m].user_scale);
        rec_json_real(&json, "item_scale", place[m].item_scale);
        rec_json_bool(&json, "histories", has_factors(&part[m]) && model->history_factors);
        rec_json_bool(&json, "ratings", model->ratings_scale);
        rec_json_real(&json, "mean", model->mean);
        rec_json_real(&json, "spread", model->spread);
        rec_json_copy(&json, "params", params);
        rec_json_end(&json);
        rec_json_free(params);
    }
    rec_json_end(&json);
    return out->failed ? rec_err_memory(err, "parts") : 0;
}

/* Histories can weigh in one way only. */
static int set_exponent(struct rec_model *out, const struct rec_sum_part *part, size_t n, struct rec_err *err)
{
    const struct rec_model *first = NULL;

    for (size_t m = 0; m < n; m++) {
        const struct rec_model *model = part[m].model;
        if (part[m].scale == 0 || (!model->history_factors && !model->links && !model->link_ptr))
            continue;
        if (first && first->history_exponent != model->history_exponent)
            return rec_err_set(err, "%s and %s: a history of n items counts by n to the power of -%g in one, of -%g in the other: they cannot be added",
                               first->type, model->type, first->history_exponent, model->history_exponent);
        first = model;
    }
    out->history_exponent = first ? first->history_exponent : 0;
    return 0;
}

int rec_sum_begin(struct rec_model *out, struct rec_sum_part *part, struct rec_sum_places *places, const struct rec_model_type *type,
                  const struct rec_train_job *job, struct rec_err *err)
{
    double sum = 0;

    if (job->n_of < 1 || job->n_of > REC_SUM_MAX)
        return rec_err_set(err, "%s: made of 1 to %d other models, not of %zu", type->name, REC_SUM_MAX, job->n_of);
    if (!job->weight && (!job->ratings || job->ratings->nnz == 0))
        return rec_err_set(err, "%s: there are no ratings to fit weights on", type->name);
    for (size_t m = 0; job->weight && m < job->n_of; m++) {
        if (!(job->weight[m] >= 0 && job->weight[m] <= 1e9))
            return rec_err_set(err, "%s: weight %g is not from 0 to 1e9", type->name, job->weight[m]);
        sum += job->weight[m];
    }
    if (job->weight && sum == 0)
        return rec_err_set(err, "%s: all weights are 0", type->name);
    for (size_t m = 0; m < job->n_of; m++)
        part[m] = (struct rec_sum_part){.model = job->of[m]};
    return rec_models_describe(out, type, job->param, err) < 0 ? -1 : rec_sum_tables(out, places, part, job->n_of, err);
}

int rec_sum_models(struct rec_model *out, const struct rec_sum_places *places, const struct rec_sum_part *part, size_t n, double add,
                   struct rec_err *err)
{
    struct place place[REC_SUM_MAX];

    out->mean = add;
    out->low = part[0].model->low;
    out->high = part[0].model->high;
    for (size_t m = 0; m < n; m++) {
        out->mean += part[m].scale * part[m].model->mean;
        out->low = fmin(out->low, part[m].model->low);
        out->high = fmax(out->high, part[m].model->high);
    }
    if (set_exponent(out, part, n, err) < 0 || add_factors(out, place, places, part, n, err) < 0 ||
        add_vectors(out, &out->user_bias, out->n_users, part, places, n, false, err) < 0 ||
        add_vectors(out, &out->item_bias, out->n_items, part, places, n, true, err) < 0 ||
        add_popularity(out, places, part[0].model, err) < 0 || add_part_biases(out, places, part, n, err) < 0 ||
        rec_sum_links_merge(out, places, part, n, err) < 0)
        return -1;
    return write_parts(&out->parts, place, part, n, err);
}
