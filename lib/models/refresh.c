/* SPDX-License-Identifier: MIT
 *
 * New users for old items: the users' half of a last pass, solved exactly, one user at a time.
 */
#include <rec/models.h>

enum { GRAIN = 64 };

struct refresh {
    struct rec_foldin foldin;
    const struct rec_ratings *r;
    float *factors, *bias; /* of users; NULL where the model has none */
};

static int solve(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct refresh *s = context;
    size_t f = s->foldin.model->factors;

    (void)thread;
    for (size_t u = begin; u < end; u++) {
        int64_t p = s->r->user_ptr[u];
        struct rec_visitor v = {.item = s->r->item + p, .value = s->r->value + p, .n = (size_t)(s->r->user_ptr[u + 1] - p)};
        if (rec_foldin_user(&v, &s->foldin, err) < 0)
            return -1;
        if (s->factors)
            memcpy(s->factors + u * f, v.x, f * sizeof *v.x);
        if (s->bias)
            s->bias[u] = v.bias;
        rec_foldin_forget(&v);
    }
    return 0;
}

/* What stays, and what the ratings say by themselves. */
static int begin(struct rec_model *out, struct refresh *s, const struct rec_model *model, const struct rec_ratings *r, struct rec_err *err)
{
    size_t n, f = model->factors;
    float *popularity = out->owned[0] = rec_calloc(r->n_items, sizeof *popularity, "model", err);

    if (rec_size_mul(&n, r->n_users, f) < 0)
        return rec_err_memory(err, "model");
    if (model->user_factors && !(out->owned[1] = s->factors = rec_malloc(n, sizeof *s->factors, "model", err)))
        return -1;
    if (model->user_bias && !(out->owned[2] = s->bias = rec_malloc(r->n_users, sizeof *s->bias, "model", err)))
        return -1;
    if (!popularity)
        return -1;
    for (size_t p = 0; p < r->nnz; p++)
        popularity[r->item[p]]++;
    memcpy(out->type, model->type, sizeof out->type);
    out->n_users = r->n_users;
    out->n_items = model->n_items;
    out->factors = f;
    out->mean = model->mean;
    out->ratings_scale = model->ratings_scale;
    out->low = model->low;
    out->high = model->high;
    out->spread = model->spread;
    out->user_factors = s->factors;
    out->user_bias = s->bias;
    out->item_factors = model->item_factors;
    out->item_bias = model->item_bias;
    out->history_factors = model->history_factors;
    out->implicit_factors = model->implicit_factors;
    out->history_exponent = model->history_exponent;
    out->links = model->links;
    out->link_ptr = model->link_ptr;
    out->link_item = model->link_item;
    out->link_weight = model->link_weight;
    out->popularity = popularity;
    out->seen_ptr = r->user_ptr;
    out->seen_item = r->item;
    out->users = (struct rec_ids){.bytes = r->users.bytes, .offset = r->users.offset, .n = r->users.n};
    out->items = (struct rec_ids){.bytes = model->items.bytes, .offset = model->items.offset, .n = model->items.n};
    rec_buf_add(&out->params, model->params.data, model->params.len);
    if (model->parts.len > 0)
        rec_buf_add(&out->parts, model->parts.data, model->parts.len);
    out->part_bias = model->part_bias;
    return out->params.failed || out->parts.failed ? rec_err_memory(err, "model") : 0;
}

int rec_refresh_users(struct rec_model *out, const struct rec_model *model, const struct rec_ratings *r, unsigned threads, struct rec_err *err)
{
    struct refresh s = {.r = r};
    int rc = -1;

    threads = threads ? threads : 1;
    *out = (struct rec_model){0};
    if (rec_foldin_init(&s.foldin, model, err) < 0)
        return -1;
    if (model->near_ptr)
        rec_err_set(err, "%s: of type %s, whose neighbours are users: train it anew", model->file.name ? model->file.name : "model", model->type);
    else if (s.foldin.kind == REC_FOLDIN_NONE)
        rec_err_set(err, "%s: of type %s, which learns nothing of users: train it anew", model->file.name ? model->file.name : "model", model->type);
    else if (begin(out, &s, model, r, err) == 0 && rec_pool_run(threads, r->n_users, GRAIN, solve, &s, err) == 0)
        rc = 0;
    rec_foldin_clear(&s.foldin);
    if (rc < 0)
        rec_model_clear(out);
    return rc;
}
