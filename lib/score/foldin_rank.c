/* SPDX-License-Identifier: MIT
 *
 * The best items for one user who was folded in.
 */
#include <rec/score.h>

#include <stdlib.h>
#include <string.h>

/* By the items that can be among the best: as many, with the same scores, as of all of them. -1: all have to be scored. */
static ptrdiff_t rank_screened(struct rec_topk_hit *hit, size_t k, const struct rec_model *m, const struct rec_screen *screen, const float *x,
                               const struct rec_topk_seen *seen, const uint8_t *allowed)
{
    size_t room = m->n_items / 2 + 1, bytes = rec_screen_scratch(m->n_items, m->factors), n;
    char *memory = k <= m->n_items / 8 ? malloc(bytes + room * (sizeof(int32_t) + 2 * sizeof(float))) : NULL;
    int32_t *item;
    float *score, *bias;
    ptrdiff_t found;

    if (!memory)
        return -1;
    item = (int32_t *)(memory + bytes);
    score = (float *)(item + room);
    bias = score + room;
    found = rec_screen_find(item, room, hit, k, screen, x, seen, allowed, memory);
    if (found >= 0) {
        for (ptrdiff_t j = 0; m->item_bias && j < found; j++)
            bias[j] = m->item_bias[item[j]];
        rec_kernels_gemv_rows(score, m->item_factors, m->factors, m->factors, item, (size_t)found, x, m->item_bias ? bias : NULL);
        n = rec_topk_scan(hit, k, score, (size_t)found, NULL, NULL);
        for (size_t i = 0; i < n; i++)
            hit[i].item = item[hit[i].item];
        found = (ptrdiff_t)n;
    }
    free(memory);
    return found;
}

/* Scores of all items, without mean and bias of the user. */
static void score_all(float *score, const struct rec_model *m, const struct rec_visitor *v)
{
    if (m->item_factors && v->x)
        rec_kernels_gemv(score, m->item_factors, m->n_items, m->factors, m->factors, v->x, m->item_bias);
    else if (m->item_bias)
        memcpy(score, m->item_bias, m->n_items * sizeof *score);
    rec_links_add(score, m, v->item, v->n);
    rec_links_add_near(score, m, v->near_user, v->near_weight, v->n_near);
}

ptrdiff_t rec_foldin_rank(struct rec_topk_hit *hit, size_t k, const struct rec_model *model, const struct rec_screen *screen,
                          const struct rec_visitor *visitor, const int32_t *seen, size_t n_seen, const uint8_t *allowed, struct rec_err *err)
{
    struct rec_topk_seen left_out = {seen, n_seen};
    float *score, add = (float)model->mean + visitor->bias;
    bool screened = screen && visitor->x && !rec_links_any(model);
    ptrdiff_t n = screened ? rank_screened(hit, k, model, screen, visitor->x, &left_out, allowed) : -1;

    if (n < 0) {
        score = rec_calloc(model->n_items, sizeof *score, "ranking", err);
        if (!score)
            return -1;
        score_all(score, model, visitor);
        n = (ptrdiff_t)rec_topk_scan(hit, k < model->n_items ? k : model->n_items, score, model->n_items, &left_out, allowed);
        free(score);
    }
    for (ptrdiff_t i = 0; i < n; i++)
        hit[i].score += add;
    return n;
}

double rec_foldin_score(const struct rec_model *model, const struct rec_visitor *visitor, int32_t target)
{
    const struct rec_model *m = model;
    double score = m->mean + visitor->bias + (m->item_bias ? m->item_bias[target] : 0), sum = 0;

    if (m->item_factors && visitor->x)
        score += rec_kernels_dot(visitor->x, m->item_factors + (size_t)target * m->factors, m->factors);
    for (size_t j = 0; (m->links || m->link_ptr) && j < visitor->n; j++)
        sum += rec_links_weight(m, visitor->item[j], target);
    score += rec_links_scale(m, visitor->n) * sum;
    for (size_t v = 0; v < visitor->n_near; v++)
        score += rec_links_has(m, visitor->near_user[v], target) ? visitor->near_weight[v] : 0;
    return score;
}
