/* SPDX-License-Identifier: MIT
 *
 * The parts of a score that come from a history, and from neighbours: sums over a few rows of the model, sparse or dense. They are added in the
 * order of the history, so that a score does not depend on who else is scored.
 */
#include <rec/score.h>

#include <math.h>

bool rec_links_any(const struct rec_model *model)
{
    return model->links || model->link_ptr || model->near_ptr;
}

static size_t row(const int32_t **item, const int64_t *ptr, const int32_t *index, int32_t user)
{
    *item = index + ptr[user];
    return (size_t)(ptr[user + 1] - ptr[user]);
}

size_t rec_links_history(const int32_t **item, const struct rec_model *model, int32_t user)
{
    *item = NULL;
    if (user < 0)
        return 0;
    if (model->liked_ptr)
        return row(item, model->liked_ptr, model->liked_item, user);
    return model->seen_ptr ? row(item, model->seen_ptr, model->seen_item, user) : 0;
}

bool rec_links_from(const struct rec_model *model, const int32_t *item, size_t n)
{
    if (model->links)
        return n > 0;
    for (size_t j = 0; model->link_ptr && j < n; j++)
        if (model->link_ptr[item[j] + 1] > model->link_ptr[item[j]])
            return true;
    return false;
}

double rec_links_scale(const struct rec_model *model, size_t n)
{
    return n == 0 ? 0 : model->history_exponent == 0 ? 1 : pow((double)n, -model->history_exponent);
}

/* Where `value` stands in an ascending list, or -1. */
static ptrdiff_t find(const int32_t *list, size_t n, int32_t value)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (list[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && list[low] == value ? (ptrdiff_t)low : -1;
}

double rec_links_weight(const struct rec_model *model, int32_t from, int32_t to)
{
    double weight = 0;
    ptrdiff_t at;

    if (model->links)
        weight += model->links[(size_t)from * model->n_items + (size_t)to];
    if (model->link_ptr) {
        int64_t begin = model->link_ptr[from];
        at = find(model->link_item + begin, (size_t)(model->link_ptr[from + 1] - begin), to);
        weight += at < 0 ? 0 : model->link_weight[begin + at];
    }
    return weight;
}

void rec_links_add(float *score, const struct rec_model *model, const int32_t *item, size_t n)
{
    float scale = (float)rec_links_scale(model, n);

    for (size_t j = 0; model->links && j < n; j++)
        rec_kernels_axpy(score, scale, model->links + (size_t)item[j] * model->n_items, model->n_items);
    for (size_t j = 0; model->link_ptr && j < n; j++)
        for (int64_t p = model->link_ptr[item[j]]; p < model->link_ptr[item[j] + 1]; p++)
            score[model->link_item[p]] += scale * model->link_weight[p];
}

void rec_links_add_near(float *score, const struct rec_model *model, const int32_t *user, const float *weight, size_t n)
{
    for (size_t v = 0; v < n; v++) {
        const int32_t *item;
        size_t m = rec_links_history(&item, model, user[v]);
        for (size_t j = 0; j < m; j++)
            score[item[j]] += weight[v];
    }
}

bool rec_links_has(const struct rec_model *model, int32_t user, int32_t item)
{
    const int32_t *history;
    size_t n = rec_links_history(&history, model, user);

    return find(history, n, item) >= 0;
}

double rec_links_pair(const struct rec_model *model, int32_t user, int32_t item)
{
    const int32_t *history;
    size_t n = rec_links_history(&history, model, user);
    double sum = 0;

    for (size_t j = 0; (model->links || model->link_ptr) && j < n; j++)
        sum += rec_links_weight(model, history[j], item);
    sum *= rec_links_scale(model, n);
    for (int64_t p = model->near_ptr ? model->near_ptr[user] : 0; model->near_ptr && p < model->near_ptr[user + 1]; p++)
        sum += rec_links_has(model, model->near_user[p], item) ? model->near_weight[p] : 0;
    return sum;
}
