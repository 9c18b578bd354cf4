/* SPDX-License-Identifier: MIT
 *
 * Scores of a few users for all items: what factors say by the kernels, then links row by row, then neighbours. Dense links are added block of
 * columns by block of columns, and within a block item by item for all users who have it, so that a stretch of a row is read once and what it
 * is added to stays in the cache. Whatever users are scored together, each one's sum is made in the order of their history.
 */
#include "rank_priv.h"

enum { HELD = 128, BYTES = 32 << 20, COLUMNS = 1024 };

size_t rec_rank_links_held(const struct rec_model *model)
{
    size_t held = BYTES / sizeof(float) / (model->n_items + 1);

    if (!rec_links_any(model))
        return 0;
    return held < 1 ? 1 : held > HELD ? HELD : held;
}

int rec_rank_links_init(struct rec_rank_bench *bench, const struct rec_rank *rank, struct rec_err *err)
{
    const struct rec_model *m = rank->model;
    size_t cells;

    *bench = (struct rec_rank_bench){0};
    if (rec_size_mul(&cells, rank->held, m->n_items) < 0)
        return rec_err_memory(err, "scoring");
    bench->score = rec_malloc(cells, sizeof *bench->score, "scoring", err);
    if (!bench->score)
        return -1;
    if (rank->panels_memory) {
        bench->vector = rec_malloc(rank->held * m->factors, sizeof *bench->vector, "scoring", err);
        bench->kernels = rec_malloc(rec_topk_tile_scratch(rank->held, m->factors), 1, "scoring", err);
        if (!bench->vector || !bench->kernels)
            return -1;
    }
    if (m->links)
        bench->begin = rec_malloc(m->n_items + 2, sizeof *bench->begin, "scoring", err);
    return m->links && !bench->begin ? -1 : 0;
}

void rec_rank_links_clear(struct rec_rank_bench *bench)
{
    free(bench->score);
    free(bench->vector);
    free(bench->kernels);
    free(bench->begin);
    free(bench->who);
}

/* The rows of the users turned around: who[begin[j] .. begin[j + 1]) have item j. */
static int turn(struct rec_rank_bench *b, const struct rec_model *m, const int32_t *user, size_t n, struct rec_err *err)
{
    const int32_t *item;
    size_t total = 0, *at = b->begin + 1;

    memset(b->begin, 0, (m->n_items + 2) * sizeof *b->begin);
    for (size_t u = 0; u < n; u++) {
        size_t length = rec_links_history(&item, m, user[u]);
        for (size_t j = 0; j < length; j++)
            at[item[j] + 1]++;
        total += length;
    }
    if (total > b->room) {
        if (rec_realloc(&b->who, total, sizeof *b->who, "scoring", err) < 0)
            return -1;
        b->room = total;
    }
    for (size_t i = 0; i < m->n_items; i++)
        at[i + 1] += at[i];
    for (size_t u = 0; u < n; u++) {
        size_t length = rec_links_history(&item, m, user[u]);
        for (size_t j = 0; j < length; j++)
            b->who[at[item[j]]++] = (int32_t)u;
    }
    return 0;
}

static int add_dense(struct rec_rank_bench *b, const struct rec_model *m, const int32_t *user, size_t n, struct rec_err *err)
{
    float scale[HELD];
    const int32_t *item;

    if (turn(b, m, user, n, err) < 0)
        return -1;
    for (size_t u = 0; u < n; u++)
        scale[u] = (float)rec_links_scale(m, rec_links_history(&item, m, user[u]));
    for (size_t from = 0; from < m->n_items; from += COLUMNS) {
        size_t width = m->n_items - from < COLUMNS ? m->n_items - from : COLUMNS;
        for (size_t i = 0; i < m->n_items; i++)
            for (size_t p = b->begin[i]; p < b->begin[i + 1]; p++)
                rec_kernels_axpy(b->score + (size_t)b->who[p] * m->n_items + from, scale[b->who[p]], m->links + i * m->n_items + from, width);
    }
    return 0;
}

/* What is there before links and neighbours. */
static void begin_scores(struct rec_rank_bench *b, const struct rec_rank *rank, const int32_t *user, size_t n)
{
    const struct rec_model *m = rank->model;
    size_t f = m->factors;

    if (rank->panels_memory) {
        for (size_t u = 0; u < n; u++)
            memcpy(b->vector + u * f, m->user_factors + (size_t)user[u] * f, f * sizeof *b->vector);
        rec_topk_score(b->score, m->n_items, &rank->panels, 0, m->n_items, b->vector, f, n, b->kernels);
        return;
    }
    for (size_t u = 0; u < n; u++) {
        if (m->item_bias)
            memcpy(b->score + u * m->n_items, m->item_bias, m->n_items * sizeof *b->score);
        else
            memset(b->score + u * m->n_items, 0, m->n_items * sizeof *b->score);
    }
}

int rec_rank_links_score(struct rec_rank_bench *bench, const struct rec_rank *rank, const int32_t *user, size_t n, struct rec_err *err)
{
    struct rec_model sparse = *rank->model;
    const struct rec_model *m = rank->model;
    const int32_t *item;

    begin_scores(bench, rank, user, n);
    if (m->links && add_dense(bench, m, user, n, err) < 0)
        return -1;
    sparse.links = NULL;
    for (size_t u = 0; u < n; u++) {
        float *score = bench->score + u * m->n_items;
        size_t length = rec_links_history(&item, m, user[u]);
        if (m->link_ptr)
            rec_links_add(score, &sparse, item, length);
        if (m->near_ptr)
            rec_links_add_near(score, m, m->near_user + m->near_ptr[user[u]], m->near_weight + m->near_ptr[user[u]],
                               (size_t)(m->near_ptr[user[u] + 1] - m->near_ptr[user[u]]));
    }
    return 0;
}
