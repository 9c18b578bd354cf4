/* SPDX-License-Identifier: MIT
 *
 * The table of models, and what every trainer begins and ends with.
 *
 * To add a model: one file with its `const struct rec_model_type`, a line in models_priv.h and one in the table below.
 */
#include "models_priv.h"

#include <float.h>
#include <math.h>

const struct rec_model_type *const rec_models[] = {
    &rec_popular_type,
    &rec_itemknn_type,
    &rec_userknn_type,
    &rec_rp3beta_type,
    &rec_bias_type,
    &rec_als_type,
    &rec_bmf_type,
    &rec_ials_type,
    &rec_sgd_type,
    &rec_bpr_type,
    &rec_gfcf_type,
    &rec_bspm_type,
    &rec_ease_type,
    &rec_hybrid_type,
    &rec_blend_type,
    NULL,
};

const struct rec_model_type *rec_models_find(const char *name)
{
    for (size_t i = 0; rec_models[i]; i++)
        if (strcmp(rec_models[i]->name, name) == 0)
            return rec_models[i];
    return NULL;
}

void rec_models_defaults(const struct rec_model_type *type, double *param)
{
    for (size_t i = 0; type->params[i].name; i++)
        param[i] = type->params[i].def;
}

/* The name of choice k of "a|b|c", and its length; NULL when there is none. */
static const char *choice(const char *choices, size_t k, size_t *len)
{
    for (;; k--, choices += *len + 1) {
        *len = strcspn(choices, "|");
        if (k == 0)
            return choices;
        if (!choices[*len])
            return NULL;
    }
}

static int check_params(const struct rec_model_type *type, const double *param, struct rec_err *err)
{
    for (size_t i = 0; type->params[i].name; i++) {
        const struct rec_param *p = &type->params[i];
        if (!(param[i] >= p->min && param[i] <= p->max) || ((p->integer || p->choices) && param[i] != floor(param[i])))
            return rec_err_set(err, "%s: %s: %g is not %s within [%g, %g]", type->name, p->name, param[i],
                               p->integer || p->choices ? "a whole number" : "a number", p->min, p->max);
    }
    return 0;
}

static void write_params(struct rec_buf *out, const struct rec_model_type *type, const double *param)
{
    struct rec_json json = {.out = out, .flat = true};

    rec_json_object(&json, NULL);
    for (size_t i = 0; type->params[i].name; i++) {
        const struct rec_param *p = &type->params[i];
        size_t len;
        const char *text = p->choices ? choice(p->choices, (size_t)param[i], &len) : NULL;
        if (text)
            rec_json_text(&json, p->name, text, len);
        else if (p->integer)
            rec_json_int(&json, p->name, (int64_t)param[i]);
        else
            rec_json_real(&json, p->name, param[i]);
    }
    rec_json_end(&json);
}

void *rec_models_own(struct rec_model *model, size_t n, size_t size, struct rec_err *err)
{
    for (size_t i = 0; i < REC_LENGTH(model->owned); i++)
        if (!model->owned[i])
            return model->owned[i] = rec_calloc(n, size, "model", err);
    rec_err_set(err, "model: more arrays than a model may own");
    return NULL;
}

/* The range of values, and how often each item was rated. */
static void count(struct rec_model *model, float *popularity, const struct rec_ratings *r)
{
    model->low = model->high = r->value ? r->value[0] : 1;
    for (size_t p = 0; p < r->nnz; p++) {
        double v = r->value ? r->value[p] : 1;
        popularity[r->item[p]]++;
        model->low = v < model->low ? v : model->low;
        model->high = v > model->high ? v : model->high;
    }
    model->popularity = popularity;
}

int rec_models_describe(struct rec_model *model, const struct rec_model_type *type, const double *param, struct rec_err *err)
{
    if (check_params(type, param, err) < 0)
        return -1;
    snprintf(model->type, sizeof model->type, "%s", type->name);
    model->ratings_scale = !type->implicit;
    write_params(&model->params, type, param);
    return model->params.failed ? rec_err_memory(err, "model") : 0;
}

int rec_models_begin(struct rec_model *model, const struct rec_model_type *type, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_ratings *r = job->ratings;
    float *popularity;

    memset(model, 0, sizeof *model);
    if (rec_models_describe(model, type, job->param, err) < 0)
        return -1;
    if (r->nnz == 0)
        return rec_err_set(err, "%s: there are no ratings to learn from", type->name);
    popularity = rec_models_own(model, r->n_items, sizeof *popularity, err);
    if (!popularity)
        return -1;
    model->n_users = r->n_users;
    model->n_items = r->n_items;
    model->seen_ptr = r->user_ptr;
    model->seen_item = r->item;
    model->users = (struct rec_ids){.bytes = r->users.bytes, .offset = r->users.offset, .n = r->users.n};
    model->items = (struct rec_ids){.bytes = r->items.bytes, .offset = r->items.offset, .n = r->items.n};
    count(model, popularity, r);
    return 0;
}

int rec_models_tell(const struct rec_train_job *job, const struct rec_progress *progress, struct rec_err *err)
{
    return job->progress ? job->progress(job->context, progress, err) : 0;
}

int rec_models_step(const struct rec_train_job *job, size_t step, size_t steps, double loss, struct rec_err *err)
{
    struct rec_progress progress = {.step = step, .steps = steps, .loss = loss, .what = "pass"};

    return rec_models_tell(job, &progress, err);
}

bool rec_models_wanted(const struct rec_train_job *job, size_t step, size_t steps)
{
    return job->progress && job->wants_model && job->wants_model(job->context, step, steps);
}

ptrdiff_t rec_models_resume(const struct rec_train_job *job, const struct rec_train_part *part, size_t n, struct rec_err *err)
{
    const struct rec_train_saved *saved = job->saved;

    if (!saved)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (n != saved->n || strcmp(part[i].name, saved->part[i].name) != 0 || part[i].size != saved->part[i].size)
            return rec_err_set(err, "checkpoint: not of this training: its %s differ", part[i].name);
    for (size_t i = 0; i < n; i++)
        memcpy(part[i].data, saved->part[i].data, part[i].size);
    return (ptrdiff_t)saved->step;
}

int rec_models_weights(double *weight, size_t *n, size_t room, const struct rec_model *model, struct rec_err *err)
{
    const char *name = model->file.name ? model->file.name : model->type;
    struct rec_json_value *parts;
    int rc = 0;

    if (model->parts.len == 0)
        return rec_err_set(err, "%s: of type %s, which is no sum of models", name, model->type);
    parts = rec_json_read(name, model->parts.data, model->parts.len, err);
    if (!parts)
        return -1;
    *n = rec_json_length(parts);
    for (size_t m = 0; rc == 0 && m < *n; m++)
        if (m >= room || rec_json_number(&weight[m], rec_json_get(rec_json_at(parts, m), "weight")) < 0)
            rc = rec_err_set(err, "%s: header: metadata parts: part %zu has no weight, or is one too many", name, m + 1);
    rec_json_free(parts);
    return rc;
}

double rec_models_param(const struct rec_model_type *type, const struct rec_train_job *job, const char *name)
{
    for (size_t i = 0; type->params[i].name; i++)
        if (strcmp(type->params[i].name, name) == 0)
            return job->param[i];
    return NAN;
}

float rec_models_float(double x)
{
    return x > FLT_MAX ? FLT_MAX : x < -FLT_MAX ? -FLT_MAX : (float)x;
}
