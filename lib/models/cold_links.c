/* SPDX-License-Identifier: MIT
 *
 * Links to items that nobody has rated: by the cosine of their content to rated items, rare words and genres weighing more (inverse document
 * frequency), in such measure that a cold item's scores are, over all histories, half of a rated item's.
 */
#include "cold_priv.h"

#include <math.h>

enum { NEIGHBOURS = 50 };

/* Links of one cold item: from so many rated ones. */
struct near {
    struct rec_topk_hit hit[NEIGHBOURS];
    size_t n;
};

/* Content with rare columns first, length 1. */
static void weigh(struct rec_csr *rows, const float *inverse)
{
    for (size_t i = 0; i < rows->rows; i++) {
        double sum = 0;
        for (int64_t k = rows->ptr[i]; k < rows->ptr[i + 1]; k++) {
            rows->value[k] *= inverse[rows->index[k]];
            sum += (double)rows->value[k] * rows->value[k];
        }
        for (int64_t k = rows->ptr[i]; sum > 0 && k < rows->ptr[i + 1]; k++)
            rows->value[k] = (float)(rows->value[k] / sqrt(sum));
    }
}

static int find_near(struct near *near, const int64_t *count, const struct rec_csr *rows, const struct rec_csr *columns, struct rec_err *err)
{
    float *like = rec_malloc(rows->rows, sizeof *like, "cold items", err);
    uint8_t *rated = rec_malloc(rows->rows, 1, "cold items", err);
    size_t cold = 0;

    if (!like || !rated) {
        free(like);
        free(rated);
        return -1;
    }
    for (size_t i = 0; i < rows->rows; i++)
        rated[i] = count[i] > 0;
    for (size_t i = 0; i < rows->rows; i++) {
        if (count[i] > 0)
            continue;
        memset(like, 0, rows->rows * sizeof *like);
        for (int64_t k = rows->ptr[i]; k < rows->ptr[i + 1]; k++)
            for (int64_t j = columns->ptr[rows->index[k]]; j < columns->ptr[rows->index[k] + 1]; j++)
                like[columns->index[j]] += rows->value[k] * columns->value[j];
        struct near *own = &near[cold++];
        own->n = rec_topk_scan(own->hit, NEIGHBOURS < rows->rows ? NEIGHBOURS : rows->rows, like, rows->rows, NULL, rated);
        while (own->n > 0 && !(own->hit[own->n - 1].score > 0))
            own->n--;
    }
    free(like);
    free(rated);
    return 0;
}

/* What a link is worth over all histories: how often its item is in them, times its weight. */
static double rated_worth(const struct rec_model *m, const int64_t *count)
{
    double sum = 0, rated = 0;

    for (size_t j = 0; j < m->n_items; j++) {
        rated += count[j] > 0;
        if (m->links)
            for (size_t i = 0; i < m->n_items; i++)
                sum += (double)count[j] * fmax(0, m->links[j * m->n_items + i]);
        else
            for (int64_t k = m->link_ptr[j]; k < m->link_ptr[j + 1]; k++)
                sum += (double)count[j] * fmax(0, m->link_weight[k]);
    }
    return rated > 0 ? sum / rated : 0;
}

static double scale_of(const struct rec_model *m, const int64_t *count, const struct near *near, size_t n_cold)
{
    double sum = 0, linked = 0, worth = rated_worth(m, count);

    for (size_t c = 0; c < n_cold; c++) {
        linked += near[c].n > 0;
        for (size_t k = 0; k < near[c].n; k++)
            sum += (double)count[near[c].hit[k].item] * near[c].hit[k].score;
    }
    return sum > 0 ? 0.5 * worth * linked / sum : 0;
}

static void add_dense(float *links, size_t n_items, const int64_t *count, const struct near *near, double scale)
{
    for (size_t i = 0, c = 0; i < n_items; i++) {
        if (count[i] > 0)
            continue;
        for (size_t k = 0; k < near[c].n; k++)
            links[(size_t)near[c].hit[k].item * n_items + i] = rec_models_float(scale * near[c].hit[k].score);
        c++;
    }
}

/* Rows that ascend, from entries that come with their rows in any order and their columns ascending. */
static int add_sparse(struct rec_model *out, const int64_t *count, const struct near *near, double scale, struct rec_err *err)
{
    size_t n = out->n_items, old = (size_t)out->link_ptr[n], more = 0;
    int64_t *ptr = rec_models_own(out, n + 1, sizeof *ptr, err), *extra = rec_calloc(n + 1, sizeof *extra, "cold items", err);
    int32_t *item = NULL, *cold = NULL;
    float *weight = NULL, *value = NULL;
    int rc = -1;

    if (!ptr || !extra)
        goto out;
    for (size_t i = 0, c = 0; i < n; i++)
        if (count[i] == 0) {
            for (size_t k = 0; k < near[c].n; k++, more++)
                extra[near[c].hit[k].item + 1]++;
            c++;
        }
    for (size_t j = 0; j < n; j++)
        extra[j + 1] += extra[j];
    item = rec_models_own(out, old + more, sizeof *item, err);
    weight = rec_models_own(out, old + more, sizeof *weight, err);
    cold = rec_malloc(more, sizeof *cold, "cold items", err);
    value = rec_malloc(more, sizeof *value, "cold items", err);
    if (!item || !weight || !cold || !value)
        goto out;
    /* Entries by row; after that extra[j] is where row j ends. */
    for (size_t i = 0, c = 0; i < n; i++)
        if (count[i] == 0) {
            for (size_t k = 0; k < near[c].n; k++) {
                int64_t at = extra[near[c].hit[k].item]++;
                cold[at] = (int32_t)i;
                value[at] = rec_models_float(scale * near[c].hit[k].score);
            }
            c++;
        }
    for (size_t j = 0, at = 0; j < n; j++) {
        int64_t a = out->link_ptr[j], a_end = out->link_ptr[j + 1], b = j ? extra[j - 1] : 0, b_end = extra[j];
        while (a < a_end || b < b_end) {
            bool first = b == b_end || (a < a_end && out->link_item[a] <= cold[b]);
            bool both = first && b < b_end && a < a_end && out->link_item[a] == cold[b];
            item[at] = first ? out->link_item[a] : cold[b];
            weight[at++] = first ? out->link_weight[a] : value[b];
            a += first;
            b += !first || both;
        }
        ptr[j + 1] = (int64_t)at;
    }
    out->link_ptr = ptr;
    out->link_item = item;
    out->link_weight = weight;
    rc = 0;
out:
    free(extra);
    free(cold);
    free(value);
    return rc;
}

int rec_cold_links_add(struct rec_model *out, const int64_t *count, const struct rec_cold_content *content, struct rec_err *err)
{
    struct rec_csr rows = content->rows, columns = {0};
    struct near *near = NULL;
    size_t n_cold = 0;
    double scale;
    int rc = -1;

    if (!out->links && !out->link_ptr)
        return 0;
    for (size_t i = 0; i < out->n_items; i++)
        n_cold += count[i] == 0;
    near = rec_calloc(n_cold, sizeof *near, "cold items", err);
    rows.value = rec_malloc(rows.nnz, sizeof *rows.value, "cold items", err);
    if (!near || !rows.value)
        goto out;
    memcpy(rows.value, content->rows.value, rows.nnz * sizeof *rows.value);
    weigh(&rows, content->inverse);
    if (rec_csr_transpose(&columns, rows.rows, rows.cols, rows.ptr, rows.index, rows.value, err) < 0 ||
        find_near(near, count, &rows, &columns, err) < 0)
        goto out;
    scale = scale_of(out, count, near, n_cold);
    if (out->links) {
        add_dense((float *)out->links, out->n_items, count, near, scale);
        rc = 0;
    } else {
        rc = add_sparse(out, count, near, scale, err);
    }
out:
    free(near);
    free(rows.value);
    rec_csr_clear(&columns);
    return rc;
}
