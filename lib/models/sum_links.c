/* SPDX-License-Identifier: MIT
 *
 * Links between items and neighbours of users, summed: row by row, entries of the same place added.
 */
#include "sum_priv.h"

/* One part's rows. */
struct rows {
    const int64_t *ptr;
    const int32_t *index;
    const float *weight;
    const int32_t *from, *to;    /* NULL: the same places */
    double scale;
    int64_t at, end;             /* where in the present row */
};

static bool any_dense(const struct rec_sum_part *part, size_t n)
{
    for (size_t m = 0; m < n; m++)
        if (part[m].scale > 0 && part[m].model->links)
            return true;
    return false;
}

static void open_row(struct rows *r, size_t row)
{
    int64_t own = r->from ? r->from[row] : (int64_t)row;

    r->at = own < 0 ? 0 : r->ptr[own];
    r->end = own < 0 ? 0 : r->ptr[own + 1];
}

static int32_t head(const struct rows *r)
{
    if (r->at == r->end)
        return INT32_MAX;
    return r->to ? r->to[r->index[r->at]] : r->index[r->at];
}

/* One merged row; index and weight may be NULL, for counting. Returns its length. */
static size_t merge_row(int32_t *index, float *weight, struct rows *rows, size_t n, size_t row)
{
    size_t len = 0;

    for (size_t m = 0; m < n; m++)
        open_row(&rows[m], row);
    for (;; len++) {
        int32_t least = INT32_MAX;
        double sum = 0;
        for (size_t m = 0; m < n; m++)
            least = head(&rows[m]) < least ? head(&rows[m]) : least;
        if (least == INT32_MAX)
            return len;
        for (size_t m = 0; m < n; m++)
            if (head(&rows[m]) == least)
                sum += rows[m].scale * (double)rows[m].weight[rows[m].at++];
        if (index) {
            index[len] = least;
            weight[len] = rec_models_float(sum);
        }
    }
}

/* What several sparse matrices of the parts add up to, in arrays of the model. */
static int merge(struct rec_model *out, const int64_t **ptr, const int32_t **index, const float **weight, struct rows *rows, size_t n, size_t n_rows,
                 struct rec_err *err)
{
    int64_t *start = rec_models_own(out, n_rows + 1, sizeof *start, err);
    int32_t *column;
    float *value;

    if (!start)
        return -1;
    for (size_t r = 0; r < n_rows; r++)
        start[r + 1] = start[r] + (int64_t)merge_row(NULL, NULL, rows, n, r);
    column = rec_models_own(out, (size_t)start[n_rows], sizeof *column, err);
    value = rec_models_own(out, (size_t)start[n_rows], sizeof *value, err);
    if (!column || !value)
        return -1;
    for (size_t r = 0; r < n_rows; r++)
        merge_row(column + start[r], value + start[r], rows, n, r);
    *ptr = start;
    *index = column;
    *weight = value;
    return 0;
}

static void add_sparse(float *links, size_t n_items, struct rows *r)
{
    for (size_t j = 0; j < n_items; j++) {
        open_row(r, j);
        for (; r->at < r->end; r->at++)
            links[j * n_items + (size_t)head(r)] += rec_models_float(r->scale * (double)r->weight[r->at]);
    }
}

static void add_dense(float *links, size_t n_items, const struct rec_model *m, double scale, const int32_t *to)
{
    for (size_t j = 0; j < m->n_items; j++) {
        float *row = links + (size_t)(to ? to[j] : (int32_t)j) * n_items;
        for (size_t i = 0; i < m->n_items; i++)
            row[to ? to[i] : (int32_t)i] += rec_models_float(scale * (double)m->links[j * m->n_items + i]);
    }
}

static struct rows links_of(const struct rec_sum_part *part, const struct rec_sum_places *places, size_t m)
{
    const struct rec_model *model = part[m].model;

    return (struct rows){model->link_ptr, model->link_item, model->link_weight, places->from[m], places->to[m], part[m].scale, 0, 0};
}

static int merge_dense(struct rec_model *out, const struct rec_sum_places *places, const struct rec_sum_part *part, size_t n, struct rec_err *err)
{
    size_t cells;
    float *links;

    if (rec_size_mul(&cells, out->n_items, out->n_items) < 0)
        return rec_err_memory(err, "links");
    links = rec_models_own(out, cells, sizeof *links, err);
    if (!links)
        return -1;
    for (size_t m = 0; m < n; m++) {
        struct rows rows = links_of(part, places, m);
        if (part[m].scale > 0 && part[m].model->links)
            add_dense(links, out->n_items, part[m].model, part[m].scale, places->to[m]);
        else if (part[m].scale > 0 && rows.ptr)
            add_sparse(links, out->n_items, &rows);
    }
    out->links = links;
    return 0;
}

int rec_sum_links_merge(struct rec_model *out, const struct rec_sum_places *places, const struct rec_sum_part *part, size_t n, struct rec_err *err)
{
    struct rows links[REC_SUM_MAX], near[REC_SUM_MAX];
    size_t n_links = 0, n_near = 0;

    for (size_t m = 0; m < n; m++) {
        const struct rec_model *model = part[m].model;
        if (part[m].scale > 0 && model->link_ptr)
            links[n_links++] = links_of(part, places, m);
        if (part[m].scale > 0 && model->near_ptr)
            near[n_near++] = (struct rows){model->near_ptr, model->near_user, model->near_weight, NULL, NULL, part[m].scale, 0, 0};
    }
    if (any_dense(part, n)) {
        if (merge_dense(out, places, part, n, err) < 0)
            return -1;
    } else if (n_links > 0 &&
               merge(out, &out->link_ptr, &out->link_item, &out->link_weight, links, n_links, out->n_items, err) < 0) {
        return -1;
    }
    return n_near == 0 ? 0 : merge(out, &out->near_ptr, &out->near_user, &out->near_weight, near, n_near, out->n_users, err);
}
