/* SPDX-License-Identifier: MIT
 *
 * ease: weights between items in closed form, each item being predicted from all others.
 *
 * Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019: of all B with an empty diagonal the one that makes
 * |X - X B|^2 + lambda |B|^2 least is B_ij = -P_ij / P_jj, P = (X'X + lambda I)^-1. Steck, "Autoencoders that don't overfit towards the Identity",
 * NeurIPS 2020 (EDLAE): leaving a share p of each history out at random while B is fitted is adding p / (1 - p) diag(X'X) to the diagonal.
 * Rows of X may weigh less the longer they are.
 *
 * One matrix of floats, inverted in place, becomes B.
 */
#include "linkrows_priv.h"

#include <rec/linalg.h>

#include <math.h>

enum { GRAIN = 16, BLOCK = 64 };

static const struct rec_param params[] = {
    {.name = "regularization", .def = 100, .min = 1e-3, .max = 1e9, .help = "draws weights to zero; more for few or noisy pairs", .lo = 1, .hi = 1e4,
     .log = true},
    {.name = "dropout", .def = 0.3, .min = 0, .max = 0.99, .help = "share of a history that is left out in training: keeps frequent items from leaning on few",
     .lo = 0, .hi = 0.8},
    {.name = "user-exponent", .def = 0, .min = 0, .max = 1, .help = "a user counts less by this power of how many items they have", .lo = 0, .hi = 1},
    {.name = "tilt", .def = 0, .min = -2, .max = 2, .help = "all scores grow with this power of the item's popularity", .lo = -0.5, .hi = 0.5},
    {.name = "neighbours", .def = 1000, .min = 0, .max = 1e6, .integer = true,
     .help = "weights kept of each item, those of greatest magnitude; 0, or half of all items and more: all, as a dense matrix"},
    {.name = NULL},
};

struct ease {
    float *a;                  /* [items, items] */
    size_t items;
    struct rec_csr by_item;
    const struct rec_ratings *r;
    float *weight;             /* [users] */
    float *column;             /* [items]: what columns are multiplied by at the end */
    double regularization, dropout;
    const struct rec_train_job *job;
};

/* Rows of the lower triangle of the Gramian. */
static int count(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct ease *s = context;

    (void)thread;
    (void)err;
    for (size_t i = begin; i < end; i++) {
        float *row = s->a + i * s->items;
        for (int64_t p = s->by_item.ptr[i]; p < s->by_item.ptr[i + 1]; p++) {
            int32_t u = s->by_item.index[p];
            for (int64_t q = s->r->user_ptr[u]; q < s->r->user_ptr[u + 1] && s->r->item[q] <= (int32_t)i; q++)
                row[s->r->item[q]] += s->weight[u];
        }
        row[i] = (float)(row[i] / (1 - s->dropout) + s->regularization);
    }
    return 0;
}

/* The lower triangle, a block of columns of a block of rows at a time, to both sides: -P_ij / P_jj. Blocks of row `begin` and right of it. */
static int divide(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct ease *s = context;
    size_t n = s->items;

    (void)thread;
    (void)err;
    for (size_t to = begin; to < n; to += BLOCK)
        for (size_t i = to; i < n && i < to + BLOCK; i++)
            for (size_t j = begin; j < end && j < i; j++) {
                float p = s->a[i * n + j];
                s->a[i * n + j] = -p * s->column[j];
                s->a[j * n + i] = -p * s->column[i];
            }
    return 0;
}

static int copy_rows(void *context, float *out, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct ease *s = context;

    (void)thread;
    (void)err;
    memcpy(out, s->a + begin * s->items, (end - begin) * s->items * sizeof *out);
    return 0;
}

/* Sixteen steps are told of, whatever the number of tiles. */
static int told(void *context, size_t done, size_t total, struct rec_err *err)
{
    const struct ease *s = context;
    struct rec_progress progress = {.step = done * 16 / total, .steps = 16, .loss = NAN, .what = "part of the inverse"};

    return done * 16 / total > (done - 1) * 16 / total ? rec_models_tell(s->job, &progress, err) : 0;
}

static int set_up(struct ease *s, struct rec_model *model, bool dense, struct rec_err *err)
{
    const struct rec_model_type *type = &rec_ease_type;
    const struct rec_train_job *job = s->job;
    double exponent = rec_models_param(type, job, "user-exponent");
    size_t cells;

    s->items = s->r->n_items;
    s->regularization = rec_models_param(type, job, "regularization");
    s->dropout = rec_models_param(type, job, "dropout");
    if (rec_size_mul(&cells, s->items, s->items) < 0)
        return rec_err_memory(err, "ease");
    s->a = dense ? rec_models_own(model, cells, sizeof *s->a, err) : rec_calloc(cells, sizeof *s->a, "ease", err);
    s->weight = rec_malloc(s->r->n_users, sizeof *s->weight, "ease", err);
    s->column = rec_malloc(s->items, sizeof *s->column, "ease", err);
    if (!s->a || !s->weight || !s->column ||
        rec_csr_transpose(&s->by_item, s->r->n_users, s->items, s->r->user_ptr, s->r->item, NULL, err) < 0)
        return -1;
    for (size_t u = 0; u < s->r->n_users; u++) {
        double n = (double)(s->r->user_ptr[u + 1] - s->r->user_ptr[u]);
        s->weight[u] = n > 0 ? (float)pow(n, -exponent) : 0;
    }
    return 0;
}

/* What column j is multiplied by: 1 / P_jj, tilted. Nothing speaks for items that nobody has. */
static void set_columns(struct ease *s, const struct rec_model *model)
{
    double tilt = rec_models_param(&rec_ease_type, s->job, "tilt"), known = 0;

    for (size_t j = 0; j < s->items; j++)
        known += model->popularity[j] > 0;
    for (size_t j = 0; j < s->items; j++) {
        double n = model->popularity[j] * known / (double)s->r->nnz;
        s->column[j] = n > 0 ? (float)(pow(n, tilt) / (double)s->a[j * s->items + j]) : 0;
        s->a[j * s->items + j] = 0;
    }
}

static int train(struct rec_model *model, const struct rec_train_job *given, struct rec_err *err)
{
    struct rec_train_job own = *given;
    struct ease s = {.job = &own, .r = given->ratings};
    size_t keep;
    bool dense = false;
    int rc = -1;

    own.threads = own.threads ? own.threads : 1;
    if (rec_models_begin(model, &rec_ease_type, &own, err) < 0)
        goto out;
    keep = (size_t)rec_models_param(&rec_ease_type, &own, "neighbours");
    dense = keep == 0 || keep >= (s.r->n_items + 1) / 2;
    if (set_up(&s, model, dense, err) < 0 || rec_pool_run(own.threads, s.items, GRAIN, count, &s, err) < 0)
        goto out;
    if (rec_spd_invert(s.a, s.items, own.threads, told, &s, err) < 0)
        goto out;
    set_columns(&s, model);
    if (rec_pool_run(own.threads, s.items, BLOCK, divide, &s, err) < 0)
        goto out;
    if (dense)
        model->links = s.a;
    else {
        own.progress = NULL;
        if (rec_linkrows_make(model, &own, keep, GRAIN, copy_rows, &s, err) < 0)
            goto out;
    }
    rc = 0;
out:
    if (!dense)
        free(s.a);
    free(s.weight);
    free(s.column);
    rec_csr_clear(&s.by_item);
    if (rc < 0)
        rec_model_clear(model);
    return rc;
}

const struct rec_model_type rec_ease_type = {
    .name = "ease",
    .summary = "weights between items in closed form, each predicted from all others",
    .paper = "Steck 2019, Embarrassingly Shallow Autoencoders (WWW); Steck 2020 (NeurIPS)",
    .implicit = true,
    .params = params,
    .train = train,
};
