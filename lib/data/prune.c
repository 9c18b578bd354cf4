/* SPDX-License-Identifier: MIT
 *
 * Cutting ratings back: to a core in which everybody has enough of them, and to the ids that have any.
 *
 * The core is found by peeling (Batagelj and Zaversnik, An O(m) Algorithm for Cores Decomposition of Networks, 2003, for a graph of two
 * sides): whoever has too few leaves, which costs the others a rating each, until nobody leaves. The outcome does not depend on the order.
 */
#include <rec/data.h>

/* Users are numbers below n_users, items those above. */
struct peel {
    const struct rec_ratings *r;
    struct rec_csr by_item;
    int64_t *degree;
    int64_t least[2];
    int32_t *queue;        /* those who leave, each once: a user u as u, an item i as ~i */
    uint8_t *gone;
    size_t n;
};

static void consider(struct peel *p, size_t node)
{
    size_t users = p->r->n_users;
    bool item = node >= users;

    if (p->gone[node] || p->degree[node] >= p->least[item])
        return;
    p->gone[node] = 1;
    p->queue[p->n++] = item ? ~(int32_t)(node - users) : (int32_t)node;
}

static void leave(struct peel *p, int32_t who)
{
    size_t users = p->r->n_users, row = (size_t)(who < 0 ? ~who : who);
    const int64_t *ptr = who < 0 ? p->by_item.ptr : p->r->user_ptr;
    const int32_t *other = who < 0 ? p->by_item.index : p->r->item;

    for (int64_t q = ptr[row]; q < ptr[row + 1]; q++) {
        size_t node = (size_t)other[q] + (who < 0 ? 0 : users);
        p->degree[node]--;
        consider(p, node);
    }
}

static int set_up(struct peel *p, size_t users, size_t items, struct rec_err *err)
{
    const struct rec_ratings *r = p->r;
    size_t nodes;

    if (rec_size_add(&nodes, r->n_users, r->n_items) < 0)
        return rec_err_memory(err, "core");
    p->least[0] = (int64_t)users;
    p->least[1] = (int64_t)items;
    p->degree = rec_calloc(nodes, sizeof *p->degree, "core", err);
    p->queue = rec_malloc(nodes, sizeof *p->queue, "core", err);
    p->gone = rec_calloc(nodes, 1, "core", err);
    if (!p->degree || !p->queue || !p->gone ||
        rec_csr_transpose(&p->by_item, r->n_users, r->n_items, r->user_ptr, r->item, NULL, err) < 0)
        return -1;
    for (size_t u = 0; u < r->n_users; u++)
        p->degree[u] = r->user_ptr[u + 1] - r->user_ptr[u];
    for (size_t i = 0; i < r->n_items; i++)
        p->degree[r->n_users + i] = p->by_item.ptr[i + 1] - p->by_item.ptr[i];
    return 0;
}

/* Closes up the rows in place. */
static void drop(struct rec_ratings *r, const uint8_t *gone)
{
    int64_t *ptr = r->owned[0], *time = r->owned[3], begin = 0, to = 0;
    int32_t *item = r->owned[1];
    float *value = r->owned[2];

    for (size_t u = 0; u < r->n_users; u++) {
        int64_t end = ptr[u + 1];
        for (int64_t p = begin; p < end; p++) {
            if (gone[u] || gone[r->n_users + (size_t)item[p]])
                continue;
            item[to] = item[p];
            value[to] = value[p];
            if (time)
                time[to] = time[p];
            to++;
        }
        begin = end;
        ptr[u + 1] = to;
    }
    r->nnz = (size_t)to;
}

int rec_prune_core(struct rec_ratings *r, size_t users, size_t items, struct rec_err *err)
{
    struct peel p = {.r = r};
    int rc = -1;

    if (set_up(&p, users, items, err) < 0)
        goto out;
    for (size_t node = 0; node < r->n_users + r->n_items; node++)
        consider(&p, node);
    for (size_t k = 0; k < p.n; k++)
        leave(&p, p.queue[k]);
    drop(r, p.gone);
    rc = 0;
out:
    rec_csr_clear(&p.by_item);
    free(p.degree);
    free(p.queue);
    free(p.gone);
    return rc;
}

/* ---- ids ----------------------------------------------------------------------------------------- */

/* to[i]: the number of id i among those that stay (used[i]), or -1. `ids` is replaced by them. */
static int shorten(struct rec_ids *ids, int32_t *to, const uint8_t *used, struct rec_err *err)
{
    size_t n = 0, bytes = 0, len;
    struct rec_ids out;
    int64_t *offset;
    char *text;

    for (size_t i = 0; i < ids->n; i++) {
        rec_ids_get(ids, i, &len);
        to[i] = used[i] ? (int32_t)n : -1;
        n += used[i];
        bytes += used[i] ? len : 0;
    }
    if (n == ids->n)
        return 0;
    offset = rec_malloc(n + 1, sizeof *offset, "ids", err);
    text = rec_malloc(bytes, 1, "ids", err);
    out = (struct rec_ids){text, offset, n, {text, offset}};
    if (!offset || !text) {
        rec_ids_clear(&out);
        return -1;
    }
    offset[0] = 0;
    for (size_t i = 0; i < ids->n; i++) {
        const char *id = rec_ids_get(ids, i, &len);
        if (to[i] < 0)
            continue;
        memcpy(text + offset[to[i]], id, len);
        offset[to[i] + 1] = offset[to[i]] + (int64_t)len;
    }
    rec_ids_clear(ids);
    *ids = out;
    return 0;
}

int rec_prune_ids(struct rec_ratings *r, struct rec_err *err)
{
    size_t most = r->n_users > r->n_items ? r->n_users : r->n_items;
    uint8_t *used = rec_calloc(most, 1, "ids", err);
    int32_t *to = rec_malloc(most, sizeof *to, "ids", err), *item = r->owned[1];
    int64_t *ptr = r->owned[0];
    int rc = -1;

    if (!used || !to)
        goto out;
    for (size_t u = 0; u < r->n_users; u++)
        used[u] = ptr[u] < ptr[u + 1];
    if (shorten(&r->users, to, used, err) < 0)
        goto out;
    for (size_t u = 0; u < r->n_users; u++)
        if (to[u] >= 0)
            ptr[to[u] + 1] = ptr[u + 1];
    r->n_users = r->users.n;
    memset(used, 0, most);
    for (size_t p = 0; p < r->nnz; p++)
        used[item[p]] = 1;
    if (shorten(&r->items, to, used, err) < 0)
        goto out;
    for (size_t p = 0; p < r->nnz; p++)
        item[p] = to[item[p]];
    r->n_items = r->items.n;
    rc = 0;
out:
    free(used);
    free(to);
    return rc;
}
