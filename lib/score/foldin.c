/* SPDX-License-Identifier: MIT
 *
 * Folding a user in.
 *
 * For fixed items a user's factors are x = A⁻¹ b with A = diag(d) + sum w_j y_j y_j' and b = sum c_j y_j over their history. ials leaves its items
 * along the eigenvectors of their Gramian, which is why d is a diagonal. Where factors come from the history (history_factors h_j, s = |H|^-e),
 * x = s sum h_j + own, and own is solved for what that leaves of the ratings.
 *
 * Of a weighted sum of models each part is folded in by itself. Its items stand in the sum multiplied by b, its users by a, where a b is the scale
 * of its scores: with items as they stand the same x comes of a penalty b^2 times as great, divided by b; so what is solved for is multiplied by a b.
 */
#include "foldin_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the trainer's parameters ---- */

static double number(const struct rec_json_value *params, const char *name, double otherwise)
{
    double value;

    return rec_json_number(&value, rec_json_get(params, name)) < 0 ? otherwise : value;
}

/* sum over items of y_k^2, times a weight: of a pair that was not observed, or of implicit features. */
static int set_diagonal(struct rec_foldin_part *p, const struct rec_model *m, const float *factors, double weight, struct rec_err *err)
{
    double *sum = rec_calloc(p->factors, sizeof *sum, "folding in", err), most = 0;

    p->diagonal = rec_malloc(p->factors, sizeof *p->diagonal, "folding in", err);
    if (!sum || !p->diagonal) {
        free(sum);
        return -1;
    }
    for (size_t i = 0; i < m->n_items; i++) {
        const float *y = factors + i * m->factors + p->first;
        if (m->popularity && m->popularity[i] == 0) /* nobody's: its factors came from its features, after training */
            continue;
        for (size_t k = 0; k < p->factors; k++)
            sum[k] += (double)y[k] * y[k];
    }
    for (size_t k = 0; k < p->factors; k++)
        most = sum[k] > most ? sum[k] : most;
    for (size_t k = 0; k < p->factors; k++)
        p->diagonal[k] = (float)(weight * (sum[k] > 1e-7 * most ? sum[k] : 1e-7 * most));
    free(sum);
    return 0;
}

static int init_implicit(struct rec_foldin_part *p, const struct rec_model *m, const struct rec_json_value *params, struct rec_err *err)
{
    const char *weights = rec_json_string(rec_json_get(params, "weights"));
    double alpha = number(params, "alpha", 1);

    p->kind = REC_FOLDIN_IMPLICIT;
    p->exponent = number(params, "exponent", 0.5);
    p->unobserved = number(params, "unobserved", 0) / alpha;
    p->regularization = number(params, "regularization", 0.25) * pow(alpha, p->exponent - 1);
    p->by_value = weights && strcmp(weights, "values") == 0;
    return set_diagonal(p, m, m->item_factors, p->unobserved, err);
}

/* In the unit of the ratings: als solves for ratings divided by their spread, and gives half of that to either side's factors. */
static int init_ratings(struct rec_foldin_part *p, const struct rec_model *m, const struct rec_json_value *params, struct rec_err *err)
{
    p->kind = REC_FOLDIN_RATINGS;
    p->exponent = number(params, "exponent", 0.3);
    p->regularization = (number(params, "regularization", 2.8) + 1e-6) * p->spread;
    p->regularization_bias = number(params, "regularization-biases", 1.2) + 1e-6;
    p->implied = m->implicit_factors ? number(params, "implicit-features", 0) : 0;
    return p->implied > 0 ? set_diagonal(p, m, m->implicit_factors, p->implied, err) : 0;
}

/* Neighbours of users are looked for as they were in training; of the first part that has any. */
static int init_knn(struct rec_foldin *f, const struct rec_json_value *params, double scale, struct rec_err *err)
{
    const struct rec_model *m = f->model;
    const char *weights = rec_json_string(rec_json_get(params, "weights"));
    const int64_t *ptr = m->liked_ptr ? m->liked_ptr : m->seen_ptr;
    struct rec_knn_how how = {
        .neighbours = (size_t)number(params, "neighbours", 200), .damping = number(params, "damping", 0.5),
        .from = number(params, "exponent-from", 0.5), .to = number(params, "exponent-to", 0.5), .shrinkage = number(params, "shrinkage", 0),
        .weights = weights && strcmp(weights, "bm25") == 0 ? REC_KNN_BM25 : weights && strcmp(weights, "idf") == 0 ? REC_KNN_IDF : REC_KNN_DAMPED,
    };

    if (f->knn || !m->near_ptr)
        return 0;
    f->knn_scale = scale;
    f->knn = rec_calloc(1, sizeof *f->knn, "folding in", err);
    return f->knn ? rec_knn_init(f->knn, &how, m->n_users, m->n_items, ptr, m->liked_ptr ? m->liked_item : m->seen_item, err) : -1;
}

/* @param item_scale  what its items are multiplied by, where they stand */
static int init_part(struct rec_foldin_part *p, const struct rec_model *m, const char *type, const struct rec_json_value *params, double item_scale,
                     struct rec_err *err)
{
    if (strcmp(type, "ials") == 0 && p->factors) {
        if (init_implicit(p, m, params, err) < 0)
            return -1;
    } else if ((strcmp(type, "als") == 0 || strcmp(type, "sgd") == 0) && p->factors && p->item_bias && p->spread > 0) {
        if (init_ratings(p, m, params, err) < 0)
            return -1;
    } else if (strcmp(type, "bias") == 0 && p->item_bias) {
        p->kind = REC_FOLDIN_BIAS;
        p->regularization = number(params, "regularization-users", 5);
        return 0;
    }
    p->regularization *= item_scale * item_scale;
    return 0;
}

/* What the file says of part n of a sum, checked. */
static int init_sum_part(struct rec_foldin *f, size_t n, const struct rec_json_value *told, struct rec_err *err)
{
    const struct rec_model *m = f->model;
    struct rec_foldin_part *p = &f->part[n];
    const char *type = rec_json_string(rec_json_get(told, "type"));
    int64_t first = -1, factors = -1;

    if (!type || rec_json_integer(&first, rec_json_get(told, "first")) < 0 || rec_json_integer(&factors, rec_json_get(told, "factors")) < 0 ||
        first < 0 || factors < 0 || first > (int64_t)m->factors || factors > (int64_t)m->factors - first)
        return rec_err_set(err, "%s: header: metadata parts: part %zu has no type, or no factors of the model", m->file.name ? m->file.name : m->type,
                           n + 1);
    p->first = (size_t)first;
    p->factors = (size_t)factors;
    p->scale = number(told, "scale", 0);
    p->mean = number(told, "mean", 0);
    p->spread = number(told, "spread", 0);
    p->item_bias = m->part_bias ? m->part_bias + n * m->n_items : NULL;
    if (rec_json_boolean(&p->histories, rec_json_get(told, "histories")) < 0 || !m->history_factors)
        p->histories = false;
    if (p->scale > 0 && strcmp(type, "userknn") == 0 && init_knn(f, rec_json_get(told, "params"), p->scale, err) < 0)
        return -1;
    return p->scale > 0 ? init_part(p, m, type, rec_json_get(told, "params"), number(told, "item_scale", 1), err) : 0;
}

static int init_sum(struct rec_foldin *f, struct rec_err *err)
{
    const struct rec_model *m = f->model;
    struct rec_json_value *parts = rec_json_read("parts", m->parts.data, m->parts.len, err);
    int status = -1;

    f->kind = REC_FOLDIN_SUM;
    if (parts && (f->part = rec_calloc(rec_json_length(parts), sizeof *f->part, "folding in", err))) {
        f->n_parts = rec_json_length(parts);
        status = 0;
    }
    for (size_t n = 0; status == 0 && n < f->n_parts; n++)
        status = init_sum_part(f, n, rec_json_at(parts, n), err);
    rec_json_free(parts);
    return status;
}

static int init_model(struct rec_foldin *f, struct rec_err *err)
{
    const struct rec_model *m = f->model;
    struct rec_json_value *params = rec_json_read("parameters", m->params.data ? m->params.data : "{}", m->params.len ? m->params.len : 2, err);
    int status = -1;

    f->part = rec_calloc(1, sizeof *f->part, "folding in", err);
    if (params && f->part) {
        f->n_parts = 1;
        *f->part = (struct rec_foldin_part){.factors = m->item_factors ? m->factors : 0, .scale = 1, .mean = m->mean, .spread = m->spread,
                                            .item_bias = m->item_bias, .histories = m->history_factors != NULL};
        status = init_part(f->part, m, m->type, params, 1, err);
        if (status == 0 && strcmp(m->type, "userknn") == 0)
            status = init_knn(f, params, 1, err);
        f->kind = f->part->kind;
        if (f->kind == REC_FOLDIN_NONE && (rec_links_any(m) || m->history_factors))
            f->kind = REC_FOLDIN_HISTORY;
    }
    rec_json_free(params);
    return status;
}

int rec_foldin_init(struct rec_foldin *foldin, const struct rec_model *model, struct rec_err *err)
{
    *foldin = (struct rec_foldin){.model = model};
    if ((model->parts.len > 0 ? init_sum(foldin, err) : init_model(foldin, err)) == 0)
        return 0;
    rec_foldin_clear(foldin);
    return -1;
}

void rec_foldin_clear(struct rec_foldin *foldin)
{
    for (size_t n = 0; n < foldin->n_parts; n++)
        free(foldin->part[n].diagonal);
    free(foldin->part);
    if (foldin->knn)
        rec_knn_clear(foldin->knn);
    free(foldin->knn);
    *foldin = (struct rec_foldin){0};
}

bool rec_foldin_by_value(const struct rec_foldin *foldin)
{
    for (size_t n = 0; n < foldin->n_parts; n++)
        if (foldin->part[n].by_value || foldin->part[n].kind == REC_FOLDIN_RATINGS || foldin->part[n].kind == REC_FOLDIN_BIAS)
            return true;
    return false;
}

/* ---- folding in ---- */

static float fold_bias(const struct rec_foldin_part *part, const struct rec_visitor *v)
{
    double sum = 0;

    for (size_t j = 0; j < v->n; j++)
        sum += rec_foldin_problem_bias(part, v, j);
    return (float)sum;
}

/* x = |H|^-e sum of the history's factors. */
static void history_factors(float *x, const struct rec_model *m, const int32_t *item, size_t n)
{
    float scale = (float)rec_links_scale(m, n);

    for (size_t j = 0; j < n; j++)
        rec_kernels_axpy(x, scale, m->history_factors + (size_t)item[j] * m->factors, m->factors);
}

/* Adds the factors that were learnt by themselves, and the bias. */
static int solve(float *x, float *bias, const struct rec_foldin_part *part, const struct rec_model *m, const struct rec_visitor *v, struct rec_err *err)
{
    float *solution = rec_malloc(part->factors + 1, sizeof *solution, "folding in", err), *q = NULL;
    struct rec_foldin_problem p = {0};
    int status = -1;

    if (!solution || rec_foldin_problem_init(&p, part, m, v, part->histories ? x : NULL, -1, err) < 0)
        goto out;
    if (part->implied > 0) {
        q = rec_malloc(part->factors, sizeof *q, "folding in", err);
        if (!q)
            goto out;
        rec_foldin_problem_ask(q, &p, part, m, v);
    }
    if (rec_ridge_solve(solution, &p.rows, p.d, REC_RIDGE_BEST, p.scratch) < 0) {
        rec_err_set(err, "folding in: the history cannot be solved for in single precision");
        goto out;
    }
    for (size_t k = 0; k < part->factors; k++)
        x[part->first + k] += (float)part->scale * (solution[k] + (q ? q[k] : 0));
    if (part->kind == REC_FOLDIN_RATINGS)
        *bias += (float)part->scale * solution[part->factors];
    status = 0;
out:
    free(q);
    free(solution);
    rec_foldin_problem_clear(&p);
    return status;
}

static int find_near(struct rec_visitor *v, const struct rec_foldin *f, struct rec_err *err)
{
    int32_t *near;
    float *weight;
    ptrdiff_t n = rec_knn_find(&near, &weight, f->knn, v->item, v->n, err);

    if (n < 0)
        return -1;
    for (ptrdiff_t j = 0; j < n; j++)
        weight[j] *= (float)f->knn_scale;
    v->near_user = v->owned[1] = near;
    v->near_weight = v->owned[2] = weight;
    v->n_near = (size_t)n;
    return 0;
}

int rec_foldin_user(struct rec_visitor *visitor, const struct rec_foldin *foldin, struct rec_err *err)
{
    struct rec_visitor *v = visitor;
    const struct rec_model *m = foldin->model;
    float *x = NULL;

    *v = (struct rec_visitor){.item = v->item, .value = v->value, .n = v->n};
    if (m->factors) {
        v->x = v->owned[0] = x = rec_calloc(m->factors, sizeof *x, "folding in", err);
        if (!x)
            return -1;
    }
    if (!v->n || foldin->kind == REC_FOLDIN_NONE)
        return 0;
    if (m->history_factors)
        history_factors(x, m, v->item, v->n);
    if (foldin->knn && find_near(v, foldin, err) < 0) {
        rec_foldin_forget(v);
        return -1;
    }
    for (size_t n = 0; n < foldin->n_parts; n++) {
        const struct rec_foldin_part *part = &foldin->part[n];
        if (part->kind == REC_FOLDIN_BIAS)
            v->bias += (float)part->scale * fold_bias(part, v);
        if (rec_foldin_problem_is(part) && solve(x, &v->bias, part, m, v, err) < 0) {
            rec_foldin_forget(v);
            return -1;
        }
    }
    return 0;
}

bool rec_foldin_known(const struct rec_model *model, const struct rec_visitor *visitor)
{
    const struct rec_visitor *v = visitor;

    if (v->bias != 0 || v->n_near > 0 || rec_links_from(model, v->item, v->n))
        return true;
    for (size_t k = 0; v->x && model->item_factors && k < model->factors; k++)
        if (v->x[k] != 0)
            return true;
    return false;
}

void rec_foldin_trained(struct rec_visitor *visitor, const struct rec_model *model, int32_t user)
{
    struct rec_visitor *v = visitor;

    *v = (struct rec_visitor){0};
    if (user < 0)
        return;
    v->n = rec_links_history(&v->item, model, user);
    if (model->user_factors)
        v->x = model->user_factors + (size_t)user * model->factors;
    if (model->user_bias)
        v->bias = model->user_bias[user];
    if (model->near_ptr) {
        v->near_user = model->near_user + model->near_ptr[user];
        v->near_weight = model->near_weight + model->near_ptr[user];
        v->n_near = (size_t)(model->near_ptr[user + 1] - model->near_ptr[user]);
    }
}

void rec_foldin_forget(struct rec_visitor *visitor)
{
    for (size_t i = 0; i < REC_LENGTH(visitor->owned); i++)
        free(visitor->owned[i]);
    *visitor = (struct rec_visitor){0};
}
