/* SPDX-License-Identifier: MIT
 *
 * What of a file of ratings is taken, and under which rows of the database: users who have ratings and were not forgotten, items that these
 * rated. Rows that are made in one go ascend with the ids, so that a first load finds its file in the order of the primary key already.
 */
#include "load_priv.h"

/* ---- people who were forgotten ---- */

struct hashes {
    unsigned char (*hash)[REC_HASH_BYTES];   /* of one version after another, ascending in each */
    uint32_t *version;
    size_t n, cap;
};

static int add_hash(struct hashes *h, const struct rec_sql_value *value, struct rec_err *err)
{
    if (h->n == h->cap) {
        size_t cap = h->cap * 2 + 64;
        if (rec_realloc(&h->hash, cap, sizeof *h->hash, "people who were forgotten", err) < 0 ||
            rec_realloc(&h->version, cap, sizeof *h->version, "people who were forgotten", err) < 0)
            return -1;
        h->cap = cap;
    }
    if (value[0].type != REC_SQL_BLOB || value[0].len != REC_HASH_BYTES)
        return rec_err_set(err, "table forgotten: a hash has %zu bytes, not %d: the store is damaged", value[0].len, REC_HASH_BYTES);
    memcpy(h->hash[h->n], value[0].blob, REC_HASH_BYTES);
    h->version[h->n++] = (uint32_t)value[1].integer;
    return 0;
}

static int read_hashes(struct hashes *h, struct rec_store *store, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, store->db, "SELECT hash, key_version FROM forgotten ORDER BY key_version, hash", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0)
        if ((status = add_hash(h, rows.value, err)) < 0)
            break;
    rec_sql_done(&rows);
    return status;
}

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, REC_HASH_BYTES);
}

/* 1, 0, -1: whether this id is among them, under any version of the keys. */
static int is_forgotten(const struct hashes *h, struct rec_store *store, const char *id, size_t len, struct rec_err *err)
{
    unsigned char hash[REC_HASH_BYTES];

    for (size_t i = 0, j; i < h->n; i = j) {
        for (j = i + 1; j < h->n && h->version[j] == h->version[i]; j++)
            ;
        if (rec_store_lookup(hash, store, h->version[i], "user", id, len, err) < 0)
            return -1;
        if (bsearch(hash, h->hash[i], j - i, REC_HASH_BYTES, compare_hashes))
            return 1;
    }
    return 0;
}

/* ---- who and what is taken ---- */

/* user_row and item_row are 0 of what is taken, -1 of the rest. */
static int choose(struct load_plan *plan, struct rec_store *store, const struct hashes *h, struct rec_err *err)
{
    const struct rec_ratings *r = plan->r;

    memset(plan->item_row, 0xff, r->n_items * sizeof *plan->item_row);
    for (size_t u = 0; u < r->n_users; u++) {
        size_t n = (size_t)(r->user_ptr[u + 1] - r->user_ptr[u]), len;
        const char *id = rec_ids_get(&r->users, u, &len);
        int gone = n && h->n ? is_forgotten(h, store, id, len, err) : 0;
        if (gone < 0)
            return -1;
        plan->user_row[u] = n && !gone ? 0 : -1;
        if (gone)
            plan->forgotten += n;
        if (plan->user_row[u] < 0)
            continue;
        plan->taken += n;
        plan->longest = n > plan->longest ? n : plan->longest;
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++)
            plan->item_row[r->item[p]] = 0;
    }
    return 0;
}

/* Those ids whose row is 0, as a table of their own. */
static int subset(struct rec_ids *out, const struct rec_ids *ids, const int32_t *row, struct rec_err *err)
{
    char *bytes = rec_malloc((size_t)(ids->n ? ids->offset[ids->n] : 0), 1, "ids", err);
    int64_t *offset = rec_malloc(ids->n + 1, sizeof *offset, "ids", err), end = 0;
    size_t n = 0;

    *out = (struct rec_ids){bytes, offset, 0, {bytes, offset}};
    if (!bytes || !offset)
        return -1;
    offset[0] = 0;
    for (size_t i = 0; i < ids->n; i++) {
        size_t len;
        const char *id = rec_ids_get(ids, i, &len);
        if (row[i] < 0)
            continue;
        memcpy(bytes + end, id, len);
        end += (int64_t)len;
        offset[++n] = end;
    }
    out->n = n;
    return 0;
}

/* row[i] of all that are taken; *n: how many those are. */
static int intern(int32_t *row, size_t *n, uint64_t *made, struct rec_store *store, enum rec_names_of of, const struct rec_ids *ids,
                  struct rec_err *err)
{
    struct rec_ids taken = {0};
    int32_t *found = NULL;
    int status = -1;

    if (subset(&taken, ids, row, err) < 0)
        goto out;
    found = rec_malloc(taken.n, sizeof *found, "ids", err);
    if (!found || rec_names_intern_all(found, store, of, &taken, made, err) < 0)
        goto out;
    for (size_t i = 0, j = 0; i < ids->n; i++)
        if (row[i] == 0)
            row[i] = found[j++];
    *n = taken.n;
    status = 0;
out:
    free(found);
    rec_ids_clear(&taken);
    return status;
}

/* ---- order ---- */

static bool ascends(const int32_t *row, size_t n)
{
    int32_t last = 0;

    for (size_t i = 0; i < n; i++) {
        if (row[i] < 0)
            continue;
        if (row[i] < last)
            return false;
        last = row[i];
    }
    return true;
}

static int compare_rows(const void *a, const void *b, void *context)
{
    const int32_t *row = context;
    int32_t i = row[*(const uint32_t *)a], j = row[*(const uint32_t *)b];

    return (i > j) - (i < j);
}

static void put_in_order(struct load_plan *plan)
{
    size_t n = 0;

    for (size_t u = 0; u < plan->r->n_users; u++)
        if (plan->user_row[u] >= 0)
            plan->order[n++] = (uint32_t)u;
    plan->n_order = n;
    if (!ascends(plan->user_row, plan->r->n_users))
        qsort_r(plan->order, n, sizeof *plan->order, compare_rows, plan->user_row);
    plan->items_ascend = ascends(plan->item_row, plan->r->n_items);
}

int rec_load_plan_make(struct load_plan *plan, struct rec_store *store, const struct rec_ratings *r, struct rec_err *err)
{
    struct hashes h = {0};
    size_t n_items;
    int status = -1;

    *plan = (struct load_plan){.r = r};
    plan->user_row = rec_malloc(r->n_users, sizeof *plan->user_row, "users", err);
    plan->item_row = rec_malloc(r->n_items, sizeof *plan->item_row, "movies", err);
    plan->order = rec_malloc(r->n_users, sizeof *plan->order, "users", err);
    if (!plan->user_row || !plan->item_row || !plan->order)
        goto out;
    if (read_hashes(&h, store, err) < 0 || choose(plan, store, &h, err) < 0)
        goto out;
    if (intern(plan->user_row, &plan->n_order, &plan->users_made, store, REC_NAMES_USERS, &r->users, err) < 0 ||
        intern(plan->item_row, &n_items, &plan->items_made, store, REC_NAMES_MOVIES, &r->items, err) < 0)
        goto out;
    put_in_order(plan);
    status = 0;
out:
    free(h.hash);
    free(h.version);
    return status;
}

void rec_load_plan_clear(struct load_plan *plan)
{
    free(plan->user_row);
    free(plan->item_row);
    free(plan->order);
    *plan = (struct load_plan){0};
}
