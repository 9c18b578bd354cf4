/* SPDX-License-Identifier: MIT
 *
 * The best items for many users. A tile of users is scored against all items by the kernels, which keep each user's best as they
 * go, so that no matrix of scores is ever held; threads take tiles. A model without factors has one order of items for everyone,
 * made once: a user's list is that order without what they have seen. With links or neighbours all scores of a few users are held
 * at once (rank_links.c). */
#include "rank_priv.h"

#define TILE 128

/* What one thread needs for a tile. */
struct scratch {
    float *vector;                   /* [TILE, factors] */
    void *kernels;
    struct rec_topk_seen seen[TILE];
    size_t place[TILE];              /* where in the tile the j-th known user stands */
    size_t count[TILE];
    struct rec_rank_bench links;
};

struct job {
    struct rec_topk_hit *hit;
    size_t *count;
    const struct rec_rank *rank;
    const int32_t *users;
    struct scratch *scratch;
};

static bool has_factors(const struct rec_model *model)
{
    return model->factors > 0 && model->user_factors && model->item_factors;
}

bool rec_rank_known(const struct rec_model *model, int32_t user)
{
    struct rec_visitor v;

    if (user < 0)
        return false;
    if (!has_factors(model) && !rec_links_any(model))
        return !model->seen_ptr || model->seen_ptr[user + 1] > model->seen_ptr[user];
    rec_foldin_trained(&v, model, user);
    v.bias = 0;
    return rec_foldin_known(model, &v);
}

/* The k best of all items by one score for everyone. */
static int best_of(struct rec_topk_hit **out, size_t *n, size_t k, const float *score, const struct rec_rank *rank,
                   struct rec_err *err)
{
    *out = rec_malloc(k, sizeof **out, "ranking", err);
    if (!*out)
        return -1;
    *n = rec_topk_scan(*out, k, score, rank->model->n_items, NULL, rank->allowed);
    return 0;
}

static int pack(struct rec_rank *rank, struct rec_err *err)
{
    const struct rec_model *model = rank->model;
    size_t size = rec_topk_panels_size(model->n_items, model->factors);

    if (size == 0)
        return rec_err_memory(err, "item factors");
    rank->panels_memory = rec_malloc(size, 1, "item factors", err);
    if (!rank->panels_memory)
        return -1;
    rec_topk_pack(&rank->panels, rank->panels_memory, model->item_factors, model->n_items, model->factors, model->factors,
                  model->item_bias);
    return 0;
}

int rec_rank_init(struct rec_rank *rank, const struct rec_model *model, size_t k, const uint8_t *allowed, unsigned flags,
                  struct rec_err *err)
{
    int status;

    *rank = (struct rec_rank){.model = model, .k = k < model->n_items ? k : model->n_items, .allowed = allowed, .flags = flags};
    rank->held = rec_rank_links_held(model);
    status = best_of(&rank->popular, &rank->n_popular, rank->k, model->popularity, rank, err);
    if (status == 0 && has_factors(model) && model->n_items > 0)
        status = pack(rank, err);
    else if (status == 0 && !rank->held)
        status = best_of(&rank->order, &rank->n_order, model->n_items, model->item_bias ? model->item_bias : model->popularity,
                         rank, err);
    if (status < 0)
        rec_rank_clear(rank);
    return status;
}

static struct rec_topk_seen seen_by(const struct rec_rank *rank, int32_t user)
{
    const struct rec_model *model = rank->model;

    if (user < 0 || !model->seen_ptr || rank->flags & REC_RANK_INCLUDE_SEEN)
        return (struct rec_topk_seen){0};
    return (struct rec_topk_seen){model->seen_item + model->seen_ptr[user],
                                  (size_t)(model->seen_ptr[user + 1] - model->seen_ptr[user])};
}

/* What is the same for all items of a user: it changes no order, but belongs to the score. */
static float offset(const struct rec_model *model, int32_t user)
{
    return (float)(model->mean + (model->user_bias ? model->user_bias[user] : 0));
}

static bool contains(const struct rec_topk_seen *seen, int32_t item)
{
    size_t low = 0, high = seen->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (seen->item[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return low < seen->n && seen->item[low] == item;
}

/* The list of one user in a model without factors. */
static size_t from_order(struct rec_topk_hit *hit, const struct rec_rank *rank, int32_t user)
{
    struct rec_topk_seen seen = seen_by(rank, user);
    float more = offset(rank->model, user);
    size_t n = 0;

    for (size_t i = 0; i < rank->n_order && n < rank->k; i++)
        if (!contains(&seen, rank->order[i].item)) {
            hit[n] = rank->order[i];
            hit[n++].score += more;
        }
    return n;
}

/* The list of a user of whom nothing was learnt; they may have seen something even so. */
static size_t from_popular(struct rec_topk_hit *hit, const struct rec_rank *rank, int32_t user)
{
    struct rec_topk_seen seen = seen_by(rank, user);

    if (seen.n > 0)
        return rec_topk_scan(hit, rank->k, rank->model->popularity, rank->model->n_items, &seen, rank->allowed);
    memcpy(hit, rank->popular, rank->n_popular * sizeof *hit);
    return rank->n_popular;
}

/* The lists of the m known users of a tile, which stand at the front of `hit`. */
static void score_tile(struct rec_topk_hit *hit, const struct rec_rank *rank, struct scratch *s, const int32_t *users, size_t m)
{
    const struct rec_model *model = rank->model;
    size_t f = model->factors, k = rank->k;

    for (size_t j = 0; j < m; j++) {
        int32_t user = users[s->place[j]];
        memcpy(s->vector + j * f, model->user_factors + (size_t)user * f, f * sizeof *s->vector);
        s->seen[j] = seen_by(rank, user);
    }
    rec_topk_tile(hit, s->count, k, &rank->panels, s->vector, f, m, s->seen, rank->allowed, s->kernels);
    for (size_t j = 0; j < m; j++) {
        float more = offset(model, users[s->place[j]]);
        for (size_t r = 0; r < s->count[j]; r++)
            hit[j * k + r].score += more;
    }
}

/* The lists of the m known users of a tile in a model with links or neighbours, each at its place. */
static int score_held(struct rec_topk_hit *hit, size_t *count, const struct rec_rank *rank, struct scratch *s, const int32_t *users, size_t m,
                      struct rec_err *err)
{
    size_t k = rank->k, items = rank->model->n_items;
    int32_t user[TILE];

    for (size_t at = 0; at < m; at += rank->held) {
        size_t n = m - at < rank->held ? m - at : rank->held;
        for (size_t j = 0; j < n; j++)
            user[j] = users[s->place[at + j]];
        if (rec_rank_links_score(&s->links, rank, user, n, err) < 0)
            return -1;
        for (size_t j = 0; j < n; j++) {
            size_t place = s->place[at + j];
            struct rec_topk_seen seen = seen_by(rank, user[j]);
            float more = offset(rank->model, user[j]);
            count[place] = rec_topk_scan(hit + place * k, k, s->links.score + j * items, items, &seen, rank->allowed);
            for (size_t r = 0; r < count[place]; r++)
                hit[place * k + r].score += more;
        }
    }
    return 0;
}

static int tile_held(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct job *job = context;
    const struct rec_rank *rank = job->rank;
    struct scratch *s = &job->scratch[thread];
    struct rec_topk_hit *hit = job->hit + begin * rank->k;
    const int32_t *users = job->users + begin;
    size_t m = 0;

    for (size_t j = 0; j < end - begin; j++) {
        if (rec_rank_known(rank->model, users[j]))
            s->place[m++] = j;
        else
            job->count[begin + j] = from_popular(hit + j * rank->k, rank, users[j]);
    }
    return score_held(hit, job->count + begin, rank, s, users, m, err);
}

static int tile(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct job *job = context;
    const struct rec_rank *rank = job->rank;
    struct scratch *s = &job->scratch[thread];
    struct rec_topk_hit *hit = job->hit + begin * rank->k;
    const int32_t *users = job->users + begin;
    size_t *count = job->count + begin, k = rank->k, m = 0;
    bool factors = rank->panels_memory;

    (void)err;
    for (size_t j = 0; j < end - begin; j++)
        if (factors && rec_rank_known(rank->model, users[j]))
            s->place[m++] = j;
    if (m > 0)
        score_tile(hit, rank, s, users, m);
    // From the last to the first, so that no list is overwritten before it has moved to its place.
    for (size_t j = end - begin; j-- > 0;) {
        if (m > 0 && s->place[m - 1] == j) {
            m--;
            memmove(hit + j * k, hit + m * k, s->count[m] * sizeof *hit);
            count[j] = s->count[m];
        } else if (!factors && rec_rank_known(rank->model, users[j])) {
            count[j] = from_order(hit + j * k, rank, users[j]);
        } else {
            count[j] = from_popular(hit + j * k, rank, users[j]);
        }
    }
    return 0;
}

static int scratch_init(struct scratch *s, const struct rec_rank *rank, struct rec_err *err)
{
    if (rank->held)
        return rec_rank_links_init(&s->links, rank, err);
    if (!rank->panels_memory)
        return 0;
    s->vector = rec_malloc(TILE * rank->model->factors, sizeof *s->vector, "scoring", err);
    s->kernels = rec_malloc(rec_topk_tile_scratch(TILE, rank->model->factors), 1, "scoring", err);
    return s->vector && s->kernels ? 0 : -1;
}

int rec_rank_users(struct rec_topk_hit *hit, size_t *count, const struct rec_rank *rank, const int32_t *users, size_t n,
                   unsigned threads, struct rec_err *err)
{
    struct job job = {.hit = hit, .count = count, .rank = rank, .users = users};
    int status = -1;

    // No more threads than tiles: each costs scratch.
    if (threads > (n + TILE - 1) / TILE)
        threads = n > 0 ? (unsigned)((n + TILE - 1) / TILE) : 1;
    job.scratch = rec_calloc(threads, sizeof *job.scratch, "scoring", err);
    if (!job.scratch)
        return -1;
    for (unsigned t = 0; t < threads; t++)
        if (scratch_init(&job.scratch[t], rank, err) < 0)
            goto out;
    status = rec_pool_run(threads, n, TILE, rank->held ? tile_held : tile, &job, err);
out:
    for (unsigned t = 0; t < threads; t++) {
        free(job.scratch[t].vector);
        free(job.scratch[t].kernels);
        rec_rank_links_clear(&job.scratch[t].links);
    }
    free(job.scratch);
    return status;
}

void rec_rank_clear(struct rec_rank *rank)
{
    free(rank->panels_memory);
    free(rank->order);
    free(rank->popular);
    *rank = (struct rec_rank){0};
}
