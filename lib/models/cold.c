/* SPDX-License-Identifier: MIT
 *
 * A trained model with the items that nobody has rated: those of the features' table, and those of its own that had no ratings to learn from.
 */
#include "cold_priv.h"

enum { FEW = 10 }; /* ratings that make what was learnt of an item half as sure as can be */

struct cold {
    const struct rec_model *model;
    struct rec_model *out;
    const struct rec_features *features;
    int32_t *to;               /* [model->n_items] the place in the new table */
    int32_t *place;            /* [features->items.n] likewise */
    int64_t *count;            /* [out->n_items] ratings learnt from */
};

/* ---- tables ---- */

static int unite(struct cold *c, struct rec_err *err)
{
    const struct rec_ids *both[] = {&c->model->items, &c->features->items};
    struct rec_hashmap map = {0};
    uint32_t *rank = NULL;
    int rc = -1;

    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < both[t]->n; i++) {
            size_t len;
            const char *id = rec_ids_get(both[t], i, &len);
            if (rec_hashmap_intern(&map, id, len) == REC_HASHMAP_NONE) {
                rec_err_memory(err, "cold items");
                goto out;
            }
        }
    rank = rec_malloc(map.n, sizeof *rank, "cold items", err);
    c->to = rec_malloc(both[0]->n, sizeof *c->to, "cold items", err);
    c->place = rec_malloc(both[1]->n, sizeof *c->place, "cold items", err);
    if (!rank || !c->to || !c->place || rec_ids_from_map(&c->out->items, &map, rank, err) < 0)
        goto out;
    c->out->n_items = c->out->items.n;
    rec_ids_join(c->to, both[0], &c->out->items);
    rec_ids_join(c->place, both[1], &c->out->items);
    rc = 0;
out:
    free(rank);
    rec_hashmap_clear(&map);
    return rc;
}

static int set_counts(struct cold *c, const struct rec_ratings *learnt, struct rec_err *err)
{
    c->count = rec_calloc(c->out->n_items, sizeof *c->count, "cold items", err);
    if (!c->count)
        return -1;
    for (size_t p = 0; p < learnt->nnz; p++)
        c->count[c->to[learnt->item[p]]]++;
    return 0;
}

/* ---- moving what there is to its new places ---- */

static const int32_t *move_items(struct cold *c, const int32_t *item, size_t n, struct rec_err *err)
{
    int32_t *moved = rec_models_own(c->out, n, sizeof *moved, err);

    for (size_t p = 0; moved && p < n; p++)
        moved[p] = c->to[item[p]];
    return moved;
}

/* Rows of items. */
static const float *move_rows(struct cold *c, const float *x, size_t width, struct rec_err *err)
{
    size_t cells;
    float *moved;

    if (rec_size_mul(&cells, c->out->n_items, width) < 0) {
        rec_err_memory(err, "cold items");
        return NULL;
    }
    moved = rec_models_own(c->out, cells, sizeof *moved, err);
    for (size_t i = 0; moved && i < c->model->n_items; i++)
        memcpy(moved + (size_t)c->to[i] * width, x + i * width, width * sizeof *moved);
    return moved;
}

static int move_links(struct cold *c, struct rec_err *err)
{
    const struct rec_model *m = c->model;
    size_t n = c->out->n_items, cells;

    if (m->links) {
        float *links;
        if (rec_size_mul(&cells, n, n) < 0)
            return rec_err_memory(err, "cold items");
        links = rec_models_own(c->out, cells, sizeof *links, err);
        for (size_t j = 0; links && j < m->n_items; j++)
            for (size_t i = 0; i < m->n_items; i++)
                links[(size_t)c->to[j] * n + (size_t)c->to[i]] = m->links[j * m->n_items + i];
        c->out->links = links;
        return links ? 0 : -1;
    }
    if (m->link_ptr) {
        int64_t *ptr = rec_models_own(c->out, n + 1, sizeof *ptr, err);
        if (!ptr)
            return -1;
        for (size_t j = 0; j < m->n_items; j++)
            ptr[c->to[j] + 1] = m->link_ptr[j + 1] - m->link_ptr[j];
        for (size_t j = 0; j < n; j++)
            ptr[j + 1] += ptr[j];
        c->out->link_ptr = ptr;
        c->out->link_weight = m->link_weight; /* places ascend: rows stay in their order */
        c->out->link_item = move_items(c, m->link_item, (size_t)m->link_ptr[m->n_items], err);
        return c->out->link_item ? 0 : -1;
    }
    return 0;
}

static int move(struct cold *c, struct rec_err *err)
{
    const struct rec_model *m = c->model;
    struct rec_model *out = c->out;

    if (!(out->popularity = move_rows(c, m->popularity, 1, err)) ||
        !(out->seen_item = move_items(c, m->seen_item, (size_t)m->seen_ptr[m->n_users], err)) ||
        (m->liked_ptr && !(out->liked_item = move_items(c, m->liked_item, (size_t)m->liked_ptr[m->n_users], err))) ||
        (m->item_factors && !(out->item_factors = move_rows(c, m->item_factors, m->factors, err))) ||
        (m->item_bias && !(out->item_bias = move_rows(c, m->item_bias, 1, err))) ||
        (m->implicit_factors && !(out->implicit_factors = move_rows(c, m->implicit_factors, m->factors, err))) ||
        (m->history_factors && !(out->history_factors = move_rows(c, m->history_factors, m->factors, err))))
        return -1;
    return move_links(c, err);
}

/* What belongs to users, and what is said of the whole. */
static int borrow(struct rec_model *out, const struct rec_model *m, struct rec_err *err)
{
    memcpy(out->type, m->type, sizeof out->type);
    out->n_users = m->n_users;
    out->factors = m->factors;
    out->mean = m->mean;
    out->ratings_scale = m->ratings_scale;
    out->low = m->low;
    out->high = m->high;
    out->spread = m->spread;
    out->history_exponent = m->history_exponent;
    out->user_factors = m->user_factors;
    out->user_bias = m->user_bias;
    out->near_ptr = m->near_ptr;
    out->near_user = m->near_user;
    out->near_weight = m->near_weight;
    out->seen_ptr = m->seen_ptr;
    out->liked_ptr = m->liked_ptr;
    out->users = (struct rec_ids){.bytes = m->users.bytes, .offset = m->users.offset, .n = m->users.n};
    rec_buf_add(&out->params, m->params.data, m->params.len);
    return out->params.failed ? rec_err_memory(err, "cold items") : 0;
}

/* ---- learning ---- */

/* Factors and bias of each item side by side: to be learnt together, and taken apart again. */
static int fit(struct cold *c, const struct rec_cold_content *content, struct rec_err *err)
{
    struct rec_model *out = c->out;
    size_t f = out->item_factors ? out->factors : 0, width = f + (out->item_bias != NULL), cells;
    float *y = NULL, *factors = (float *)out->item_factors, *bias = (float *)out->item_bias;
    double *weight = rec_calloc(out->n_items, sizeof *weight, "cold items", err);
    int rc = -1;

    if (rec_size_mul(&cells, out->n_items, width) < 0)
        rec_err_memory(err, "cold items");
    else
        y = rec_calloc(cells, sizeof *y, "cold items", err);
    if (!y || !weight)
        goto out;
    for (size_t i = 0; i < out->n_items; i++) {
        weight[i] = (double)c->count[i] / ((double)c->count[i] + FEW);
        memcpy(y + i * width, f ? factors + i * f : y, f * sizeof *y);
        if (bias)
            y[i * width + f] = bias[i];
    }
    rc = rec_cold_fit(y, width, weight, content, err);
    for (size_t i = 0; rc == 0 && i < out->n_items; i++) {
        if (c->count[i] > 0)
            continue;
        if (f)
            memcpy(factors + i * f, y + i * width, f * sizeof *y);
        if (bias)
            bias[i] = y[i * width + f];
    }
out:
    free(y);
    free(weight);
    return rc;
}

static size_t count_cold(const struct cold *c, const struct rec_cold_content *content)
{
    size_t n = 0;

    for (size_t i = 0; i < c->out->n_items; i++)
        n += c->count[i] == 0 && content->rows.ptr[i + 1] > content->rows.ptr[i];
    return n;
}

int rec_cold_items(struct rec_model *out, const struct rec_model *model, const struct rec_ratings *learnt, const struct rec_features *features, size_t *n,
                   struct rec_err *err)
{
    struct cold c = {.model = model, .out = out, .features = features};
    struct rec_cold_content content = {0};
    int rc = -1;

    *out = (struct rec_model){.n_users = 0};
    if (!model->item_factors && !model->item_bias && !model->links && !model->link_ptr)
        return rec_err_set(err, "%s: it learns nothing of items that features could tell", model->type);
    if (model->parts.len > 0)
        return rec_err_set(err, "%s: give its parts their cold items, and sum them then", model->type);
    if (borrow(out, model, err) == 0 && unite(&c, err) == 0 && set_counts(&c, learnt, err) == 0 && move(&c, err) == 0 &&
        rec_cold_content_build(&content, features, c.place, out->n_items, err) == 0 && fit(&c, &content, err) == 0 &&
        rec_cold_links_add(out, c.count, &content, err) == 0) {
        *n = count_cold(&c, &content);
        rc = 0;
    }
    rec_cold_content_clear(&content);
    free(c.to);
    free(c.place);
    free(c.count);
    if (rc < 0)
        rec_model_clear(out);
    return rc;
}
