/* SPDX-License-Identifier: MIT
 *
 * Ratings of several files in one, joined by their ids, and some of them left out on the way.
 *
 * All id tables are in byte order, so that a row keeps its order when it is expressed in the union of the tables, and the rows that a user
 * has in several files merge as sorted lists do. Every user is gone through twice: once to count what stays, once to write it, so that the
 * memory taken is that of the result. Users are independent of each other, and the result is the same for any number of threads.
 */
#include <rec/data.h>

enum { GRAIN = 256 };

/* One file, and where its ids stand in the union. */
struct part {
    const struct rec_ratings *r;
    int32_t *row;          /* [users of the union] its row, or -1 */
    int32_t *item_to;      /* [its items] */
};

struct merge {
    const struct rec_merge_options *o;
    struct part part[REC_MERGE_MAX];
    size_t n;
    bool timed;            /* all of them have times: the later rating holds */
    struct rec_ids users, items;
    uint64_t *user_hash, *item_hash;  /* of the ids, with the seed: who is in a sample; NULL without one */
    int64_t *ptr;
    int32_t *item;                    /* NULL while counting */
    float *value;
    int64_t *time;
};

/* ---- the union of the id tables ------------------------------------------------------------------ */

static int unite(struct rec_ids *out, const struct merge *m, bool items, struct rec_err *err)
{
    struct rec_hashmap map = {0};
    uint32_t *rank = NULL;
    int rc = -1;

    for (size_t k = 0; k < m->n; k++) {
        const struct rec_ids *ids = items ? &m->part[k].r->items : &m->part[k].r->users;
        for (size_t i = 0; i < ids->n; i++) {
            size_t len;
            const char *id = rec_ids_get(ids, i, &len);
            if (rec_hashmap_intern(&map, id, len) == REC_HASHMAP_NONE) {
                rec_err_memory(err, "ids");
                goto out;
            }
        }
    }
    rank = rec_malloc(map.n, sizeof *rank, "ids", err);
    if (rank && rec_ids_from_map(out, &map, rank, err) == 0)
        rc = 0;
out:
    free(rank);
    rec_hashmap_clear(&map);
    return rc;
}

/* One file's tables are the union as they are. */
static int join_ids(struct merge *m, struct rec_err *err)
{
    if (m->n == 1) {
        const struct rec_ratings *r = m->part[0].r;
        m->users = (struct rec_ids){.bytes = r->users.bytes, .offset = r->users.offset, .n = r->users.n};
        m->items = (struct rec_ids){.bytes = r->items.bytes, .offset = r->items.offset, .n = r->items.n};
    } else if (unite(&m->users, m, false, err) < 0 || unite(&m->items, m, true, err) < 0) {
        return -1;
    }
    for (size_t k = 0; k < m->n; k++) {
        struct part *part = &m->part[k];
        part->row = rec_malloc(m->users.n, sizeof *part->row, "merging", err);
        part->item_to = rec_malloc(part->r->n_items, sizeof *part->item_to, "merging", err);
        if (!part->row || !part->item_to)
            return -1;
        rec_ids_join(part->row, &m->users, &part->r->users);
        rec_ids_join(part->item_to, &part->r->items, &m->items);
    }
    return 0;
}

/* ---- chance -------------------------------------------------------------------------------------- */

static uint64_t *hashes(const struct rec_ids *ids, struct rec_err *err)
{
    uint64_t *hash = rec_malloc(ids->n, sizeof *hash, "sampling", err);

    for (size_t i = 0; hash && i < ids->n; i++) {
        size_t len;
        const char *id = rec_ids_get(ids, i, &len);
        hash[i] = rec_hashmap_hash(id, len);
    }
    return hash;
}

/* Whether a rating is in the sample: by its ids and the seed alone, so that what else is in the files has no say. */
static bool chosen(const struct merge *m, size_t user, int32_t item)
{
    uint64_t stream = 0;
    struct rec_rng rng;

    if (!m->user_hash)
        return true;
    if (m->o->sample_by != REC_MERGE_ITEMS)
        stream = m->user_hash[user];
    if (m->o->sample_by != REC_MERGE_USERS)
        stream = stream * 0x9e3779b97f4a7c15u + m->item_hash[item];
    rec_rng_seed(&rng, m->o->seed, stream);
    return rec_rng_uniform(&rng) < m->o->sample;
}

/* ---- one user ------------------------------------------------------------------------------------ */

/* A user's row in one file: what is left of it. */
struct cursor {
    const struct part *part;
    int64_t at, end;
};

static bool dated(const struct rec_merge_options *o, const struct rec_ratings *r, int64_t p)
{
    return (!o->has_since || r->time[p] >= o->since) && (!o->has_until || r->time[p] < o->until);
}

/* On to the next rating in the range of dates; false: there is none. */
static bool settle(struct cursor *c, const struct rec_merge_options *o)
{
    while (c->at < c->end && !dated(o, c->part->r, c->at))
        c->at++;
    return c->at < c->end;
}

static size_t begin_row(struct cursor *cursor, const struct merge *m, size_t user)
{
    size_t n = 0;

    for (size_t k = 0; k < m->n; k++) {
        int32_t row = m->part[k].row[user];
        if (row < 0)
            continue;
        cursor[n] = (struct cursor){&m->part[k], m->part[k].r->user_ptr[row], m->part[k].r->user_ptr[row + 1]};
        n += settle(&cursor[n], m->o);
    }
    return n;
}

struct rating {
    int32_t item;
    float value;
    int64_t time;
};

/* The later one, or of equal times the greater value. */
static bool better(const struct rating *a, const struct rating *b)
{
    return a->time != b->time ? a->time > b->time : a->value > b->value;
}

/* Takes the rating of the least item, which may stand in several files; cursors that are at their end leave. */
static struct rating take(struct cursor *cursor, size_t *n, const struct merge *m)
{
    struct rating best = {.item = INT32_MAX};

    for (size_t j = 0; j < *n; j++) {
        const struct part *part = cursor[j].part;
        struct rating one = {part->item_to[part->r->item[cursor[j].at]], part->r->value[cursor[j].at],
                             m->timed ? part->r->time[cursor[j].at] : 0};
        if (one.item < best.item || (one.item == best.item && better(&one, &best)))
            best = one;
    }
    for (size_t j = 0; j < *n;) {
        struct cursor *c = &cursor[j];
        if (c->part->item_to[c->part->r->item[c->at]] == best.item && (c->at++, !settle(c, m->o)))
            *c = cursor[--*n];
        else
            j++;
    }
    return best;
}

static int merge_users(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct merge *m = context;
    struct cursor cursor[REC_MERGE_MAX];

    (void)thread, (void)err;
    for (size_t u = begin; u < end; u++) {
        size_t n = begin_row(cursor, m, u);
        int64_t to = m->item ? m->ptr[u] : 0;
        while (n > 0) {
            struct rating rating = take(cursor, &n, m);
            if ((m->o->keep && !rec_filter_keeps(m->o->keep, rating.value)) || !chosen(m, u, rating.item))
                continue;
            if (m->item) {
                m->item[to] = rating.item;
                m->value[to] = m->o->binarize ? 1 : rating.value;
                if (m->time)
                    m->time[to] = rating.time;
            }
            to++;
        }
        if (!m->item)
            m->ptr[u + 1] = to;
    }
    return 0;
}

/* ---- all of them --------------------------------------------------------------------------------- */

static int check_times(struct merge *m, struct rec_err *err)
{
    const struct rec_ratings *timed = NULL, *timeless = NULL;

    for (size_t k = 0; k < m->n; k++) {
        timed = m->part[k].r->time ? m->part[k].r : timed;
        timeless = m->part[k].r->time ? timeless : m->part[k].r;
    }
    if (timeless && (m->o->has_since || m->o->has_until))
        return rec_err_set(err, "%s: no times, and a range of dates needs them", timeless->file.name);
    if (timeless && timed && !m->o->drop_times)
        return rec_err_set(err, "%s: no times, while %s has them: which of two ratings is the later cannot be known; --drop-times leaves them out",
                           timeless->file.name, timed->file.name);
    m->timed = !timeless;
    return 0;
}

static int allocate(struct merge *m, struct rec_err *err)
{
    size_t nnz = (size_t)m->ptr[m->users.n];

    m->item = rec_malloc(nnz, sizeof *m->item, "ratings", err);
    m->value = rec_malloc(nnz, sizeof *m->value, "ratings", err);
    if (m->timed && !m->o->drop_times && !(m->time = rec_malloc(nnz, sizeof *m->time, "ratings", err)))
        return -1;
    return m->item && m->value ? 0 : -1;
}

static void hand_over(struct rec_ratings *out, struct merge *m)
{
    *out = (struct rec_ratings){.n_users = m->users.n, .n_items = m->items.n, .nnz = (size_t)m->ptr[m->users.n], .user_ptr = m->ptr,
                                .item = m->item, .value = m->value, .time = m->time, .users = m->users, .items = m->items,
                                .owned = {m->ptr, m->item, m->value, m->time}};
    m->users = m->items = (struct rec_ids){0};
    m->ptr = m->time = NULL;
    m->item = NULL;
    m->value = NULL;
}

static void clear(struct merge *m)
{
    for (size_t k = 0; k < m->n; k++) {
        free(m->part[k].row);
        free(m->part[k].item_to);
    }
    rec_ids_clear(&m->users);
    rec_ids_clear(&m->items);
    free(m->user_hash);
    free(m->item_hash);
    free(m->ptr);
    free(m->item);
    free(m->value);
    free(m->time);
}

int rec_merge_ratings(struct rec_ratings *out, const struct rec_ratings *const *in, size_t n, const struct rec_merge_options *o,
                      struct rec_err *err)
{
    struct merge m = {.o = o, .n = n};
    int rc = -1;

    if (n == 0 || n > REC_MERGE_MAX)
        return rec_err_set(err, "merging: from 1 to %d files", REC_MERGE_MAX);
    for (size_t k = 0; k < n; k++)
        m.part[k].r = in[k];
    if (check_times(&m, err) < 0 || join_ids(&m, err) < 0)
        goto out;
    if (o->sample < 1 && (!(m.user_hash = hashes(&m.users, err)) || !(m.item_hash = hashes(&m.items, err))))
        goto out;
    if (!(m.ptr = rec_calloc(m.users.n + 1, sizeof *m.ptr, "ratings", err)) ||
        rec_pool_run(o->threads, m.users.n, GRAIN, merge_users, &m, err) < 0)
        goto out;
    for (size_t u = 0; u < m.users.n; u++)
        m.ptr[u + 1] += m.ptr[u];
    if (allocate(&m, err) < 0 || rec_pool_run(o->threads, m.users.n, GRAIN, merge_users, &m, err) < 0)
        goto out;
    hand_over(out, &m);
    rc = 0;
out:
    clear(&m);
    return rc;
}
