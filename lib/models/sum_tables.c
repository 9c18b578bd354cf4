/* SPDX-License-Identifier: MIT
 *
 * The users, items and histories that the parts of a sum have in common. Tables are sorted, so places in the sum ascend with places in a
 * part, and rows that ascend in a part do so in the sum.
 */
#include "sum_priv.h"

static bool same_ids(const struct rec_ids *a, const struct rec_ids *b)
{
    return a->n == b->n && memcmp(a->offset, b->offset, (a->n + 1) * sizeof *a->offset) == 0 &&
           memcmp(a->bytes, b->bytes, (size_t)a->offset[a->n]) == 0;
}

static struct rec_ids borrow(const struct rec_ids *ids)
{
    return (struct rec_ids){.bytes = ids->bytes, .offset = ids->offset, .n = ids->n};
}

static const char *name_of(const struct rec_model *m)
{
    return m->file.name ? m->file.name : m->type;
}

/* The items of all parts. */
static int unite(struct rec_ids *out, const struct rec_sum_part *part, size_t n, struct rec_err *err)
{
    struct rec_hashmap map = {0};
    uint32_t *rank = NULL;
    int rc = -1;

    for (size_t m = 0; m < n; m++)
        for (size_t i = 0; i < part[m].model->n_items; i++) {
            size_t len;
            const char *id = rec_ids_get(&part[m].model->items, i, &len);
            if (rec_hashmap_intern(&map, id, len) == REC_HASHMAP_NONE) {
                rec_err_memory(err, "items");
                goto out;
            }
        }
    rank = rec_malloc(map.n, sizeof *rank, "items", err);
    if (rank)
        rc = rec_ids_from_map(out, &map, rank, err);
out:
    free(rank);
    rec_hashmap_clear(&map);
    return rc;
}

static int join_items(struct rec_model *out, struct rec_sum_places *places, const struct rec_sum_part *part, size_t n, struct rec_err *err)
{
    size_t same = 1;

    while (same < n && same_ids(&part[0].model->items, &part[same].model->items))
        same++;
    if (same == n) {
        out->items = borrow(&part[0].model->items);
        out->n_items = out->items.n;
        return 0;
    }
    if (unite(&out->items, part, n, err) < 0)
        return -1;
    out->n_items = out->items.n;
    for (size_t m = 0; m < n; m++) {
        const struct rec_ids *items = &part[m].model->items;
        places->to[m] = rec_malloc(items->n, sizeof *places->to[m], "items", err);
        places->from[m] = rec_malloc(out->n_items, sizeof *places->from[m], "items", err);
        if (!places->to[m] || !places->from[m])
            return -1;
        rec_ids_join(places->to[m], items, &out->items);
        rec_ids_join(places->from[m], &out->items, items);
    }
    return 0;
}

static int32_t place(const int32_t *to, int32_t item)
{
    return to ? to[item] : item;
}

/* What users have in a model: all they have seen, or what of it is their history. */
struct rows {
    const int64_t *ptr;
    const int32_t *item, *to;
};

static struct rows seen_of(const struct rec_model *m, const int32_t *to)
{
    return (struct rows){m->seen_ptr, m->seen_item, to};
}

static struct rows history_of(const struct rec_model *m, const int32_t *to)
{
    return m->liked_ptr ? (struct rows){m->liked_ptr, m->liked_item, to} : seen_of(m, to);
}

static bool same_row(const struct rows *a, const struct rows *b, size_t u)
{
    int64_t p = a->ptr[u], q = b->ptr[u];

    if (a->ptr[u + 1] - p != b->ptr[u + 1] - q)
        return false;
    for (; p < a->ptr[u + 1]; p++, q++)
        if (place(a->to, a->item[p]) != place(b->to, b->item[q]))
            return false;
    return true;
}

static int check_same(const struct rec_model *one, struct rows a, const struct rec_model *other, struct rows b, struct rec_err *err)
{
    for (size_t u = 0; u < one->n_users; u++)
        if (!same_row(&a, &b, u)) {
            size_t len;
            const char *id = rec_ids_get(&one->users, u, &len);
            return rec_err_set(err, "%s: user '%.*s' has another history there than in %s; train all parts on the same ratings", name_of(other),
                               len < 60 ? (int)len : 60, id, name_of(one));
        }
    return 0;
}

/* Whose scores are made of histories. */
static bool has_terms(const struct rec_model *m)
{
    return rec_links_any(m) || m->history_factors;
}

/* The first part with such scores, or none: all others with them must have the same histories. */
static int check_histories(const struct rec_model **teller, size_t *which, const struct rec_sum_places *places, const struct rec_sum_part *part, size_t n,
                           struct rec_err *err)
{
    const struct rec_model *first = part[0].model;

    *teller = NULL;
    for (size_t m = 0; m < n; m++) {
        const struct rec_model *model = part[m].model;
        if (check_same(first, seen_of(first, places->to[0]), model, seen_of(model, places->to[m]), err) < 0)
            return -1;
        if (!has_terms(model))
            continue;
        if (!*teller) {
            *teller = model;
            *which = m;
        } else if (check_same(*teller, history_of(*teller, places->to[*which]), model, history_of(model, places->to[m]), err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Rows of a part in the places of the sum. */
static const int32_t *take_rows(struct rec_model *out, struct rows rows, struct rec_err *err)
{
    size_t n = (size_t)rows.ptr[out->n_users];
    int32_t *item;

    if (!rows.to)
        return rows.item;
    item = rec_models_own(out, n, sizeof *item, err);
    for (size_t p = 0; item && p < n; p++)
        item[p] = rows.to[rows.item[p]];
    return item;
}

static int take_histories(struct rec_model *out, const struct rec_sum_places *places, const struct rec_sum_part *part, size_t n, struct rec_err *err)
{
    const struct rec_model *first = part[0].model, *teller;
    size_t which = 0;

    if (check_histories(&teller, &which, places, part, n, err) < 0)
        return -1;
    out->seen_ptr = first->seen_ptr;
    out->seen_item = take_rows(out, seen_of(first, places->to[0]), err);
    if (!out->seen_item)
        return -1;
    if (teller && teller->liked_ptr) {
        out->liked_ptr = teller->liked_ptr;
        out->liked_item = take_rows(out, history_of(teller, places->to[which]), err);
        return out->liked_item ? 0 : -1;
    }
    return 0;
}

int rec_sum_tables(struct rec_model *out, struct rec_sum_places *places, const struct rec_sum_part *part, size_t n, struct rec_err *err)
{
    const struct rec_model *first = part[0].model;

    for (size_t m = 0; m < n; m++) {
        if (part[m].model->parts.len > 0)
            return rec_err_set(err, "%s: is a sum of models itself; name its parts", name_of(part[m].model));
        if (!same_ids(&first->users, &part[m].model->users))
            return rec_err_set(err, "%s: its users are not those of %s; train all parts on the same ratings", name_of(part[m].model), name_of(first));
    }
    out->users = borrow(&first->users);
    out->n_users = out->users.n;
    return join_items(out, places, part, n, err) < 0 ? -1 : take_histories(out, places, part, n, err);
}

void rec_sum_places_clear(struct rec_sum_places *places, size_t n)
{
    for (size_t m = 0; m < n; m++) {
        free(places->to[m]);
        free(places->from[m]);
    }
    *places = (struct rec_sum_places){.to = {NULL}};
}
