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

/* Whether the history of user u is the same in both. */
static bool same_history(const struct rec_model *a, const int32_t *a_to, const struct rec_model *b, const int32_t *b_to, size_t u)
{
    int64_t p = a->seen_ptr[u], q = b->seen_ptr[u];

    if (a->seen_ptr[u + 1] - p != b->seen_ptr[u + 1] - q)
        return false;
    for (; p < a->seen_ptr[u + 1]; p++, q++)
        if (place(a_to, a->seen_item[p]) != place(b_to, b->seen_item[q]))
            return false;
    return true;
}

static int check_histories(const struct rec_sum_places *places, const struct rec_sum_part *part, size_t n, struct rec_err *err)
{
    const struct rec_model *first = part[0].model;

    for (size_t m = 1; m < n; m++)
        for (size_t u = 0; u < first->n_users; u++)
            if (!same_history(first, places->to[0], part[m].model, places->to[m], u)) {
                size_t len;
                const char *id = rec_ids_get(&first->users, u, &len);
                return rec_err_set(err, "%s: user '%.*s' has another history there than in %s; train all parts on the same ratings",
                                   name_of(part[m].model), len < 60 ? (int)len : 60, id, name_of(first));
            }
    return 0;
}

/* The histories of the first part, in the places of the sum. */
static int take_histories(struct rec_model *out, const struct rec_sum_places *places, const struct rec_model *first, struct rec_err *err)
{
    size_t n = (size_t)first->seen_ptr[first->n_users];
    int32_t *item;

    out->seen_ptr = first->seen_ptr;
    out->seen_item = first->seen_item;
    if (!places->to[0])
        return 0;
    item = rec_models_own(out, n, sizeof *item, err);
    if (!item)
        return -1;
    for (size_t p = 0; p < n; p++)
        item[p] = places->to[0][first->seen_item[p]];
    out->seen_item = item;
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
    if (join_items(out, places, part, n, err) < 0 || check_histories(places, part, n, err) < 0)
        return -1;
    return take_histories(out, places, first, err);
}

void rec_sum_places_clear(struct rec_sum_places *places, size_t n)
{
    for (size_t m = 0; m < n; m++) {
        free(places->to[m]);
        free(places->from[m]);
    }
    *places = (struct rec_sum_places){.to = {NULL}};
}
