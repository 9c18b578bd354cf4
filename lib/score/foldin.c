/* SPDX-License-Identifier: MIT
 *
 * Folding a user in, and taking a score apart.
 *
 * For fixed items a user's factors are x = A⁻¹ b with A = diag(d) + sum w_j y_j y_j' and b = sum c_j y_j over their history. So a score is
 * y_i'x = sum over j of c_j (A⁻¹ y_i)'y_j: one more solution, for the item in question, tells how much each item of the history adds to it
 * (Hu, Koren and Volinsky 2008, section 5). ials leaves its items along the eigenvectors of their Gramian, which is why d is a diagonal.
 *
 * Where factors come from the history (history_factors h_j, s = |H|^-e), x = s sum h_j + own, own is solved for what that leaves of the ratings,
 * and item j adds s h_j'y_i of itself, less what it takes from the rest: with t = y_i - sum w_l (z'y_l) y_l and z = A⁻¹ y_i, s h_j't in all.
 */
#include <rec/score.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the trainer's parameters ---- */

static double number(const struct rec_json_value *params, const char *name, double otherwise)
{
    double value;

    return rec_json_number(&value, rec_json_get(params, name)) < 0 ? otherwise : value;
}

/* sum over items of y_k^2, times the weight of a pair that was not observed. */
static int set_diagonal(struct rec_foldin *f, struct rec_err *err)
{
    const struct rec_model *m = f->model;
    double *sum = rec_calloc(m->factors, sizeof *sum, "folding in", err), most = 0;

    f->diagonal = rec_malloc(m->factors, sizeof *f->diagonal, "folding in", err);
    if (!sum || !f->diagonal) {
        free(sum);
        return -1;
    }
    for (size_t i = 0; i < m->n_items; i++)
        for (size_t k = 0; k < m->factors; k++)
            sum[k] += (double)m->item_factors[i * m->factors + k] * m->item_factors[i * m->factors + k];
    for (size_t k = 0; k < m->factors; k++)
        most = sum[k] > most ? sum[k] : most;
    for (size_t k = 0; k < m->factors; k++)
        f->diagonal[k] = (float)(f->unobserved * (sum[k] > 1e-7 * most ? sum[k] : 1e-7 * most));
    free(sum);
    return 0;
}

static int init_implicit(struct rec_foldin *f, const struct rec_json_value *p, struct rec_err *err)
{
    const char *weights = rec_json_string(rec_json_get(p, "weights"));
    double alpha = number(p, "alpha", 1);

    f->kind = REC_FOLDIN_IMPLICIT;
    f->exponent = number(p, "exponent", 0.5);
    f->unobserved = number(p, "unobserved", 0) / alpha;
    f->regularization = number(p, "regularization", 0.25) * pow(alpha, f->exponent - 1);
    f->by_value = weights && strcmp(weights, "values") == 0;
    return set_diagonal(f, err);
}

/* In the unit of the ratings: als solves for ratings divided by their spread, and gives half of that to either side's factors. */
static void init_ratings(struct rec_foldin *f, const struct rec_json_value *p)
{
    f->kind = REC_FOLDIN_RATINGS;
    f->exponent = number(p, "exponent", 0.3);
    f->regularization = (number(p, "regularization", 2.8) + 1e-6) * f->model->spread;
    f->regularization_bias = number(p, "regularization-biases", 1.2) + 1e-6;
}

int rec_foldin_init(struct rec_foldin *foldin, const struct rec_model *model, struct rec_err *err)
{
    struct rec_json_value *params = rec_json_read("parameters", model->params.data ? model->params.data : "{}", model->params.len ? model->params.len : 2, err);
    int status = 0;

    *foldin = (struct rec_foldin){.model = model};
    if (!params)
        return -1;
    if (rec_links_any(model) || model->history_factors)
        foldin->kind = REC_FOLDIN_HISTORY;
    if (strcmp(model->type, "ials") == 0 && model->item_factors) {
        status = init_implicit(foldin, params, err);
    } else if (strcmp(model->type, "als") == 0 && model->item_factors && model->item_bias && model->spread > 0) {
        init_ratings(foldin, params);
    } else if (strcmp(model->type, "bias") == 0 && model->item_bias) {
        foldin->kind = REC_FOLDIN_BIAS;
        foldin->regularization = number(params, "regularization-users", 5);
    }
    rec_json_free(params);
    if (status < 0)
        rec_foldin_clear(foldin);
    return status;
}

void rec_foldin_clear(struct rec_foldin *foldin)
{
    free(foldin->diagonal);
    *foldin = (struct rec_foldin){0};
}

bool rec_foldin_by_value(const struct rec_foldin *foldin)
{
    return foldin->by_value || foldin->kind == REC_FOLDIN_RATINGS || foldin->kind == REC_FOLDIN_BIAS;
}

/* ---- the problem of one user ---- */

/* Rows, diagonal and right-hand sides. For ratings a last coordinate, 1 for every item, is the user's bias: rows are copied with it. */
struct problem {
    struct rec_ridge_rows rows;
    size_t f;                    /* coordinates */
    float *memory, *d, *w, *c, *v;
    int32_t *index;
    void *scratch;
};

static void clear(struct problem *p)
{
    free(p->memory);
    free(p->index);
    free(p->scratch);
}

static int allocate(struct problem *p, const struct rec_foldin *f, size_t n, struct rec_err *err)
{
    bool copies = f->kind == REC_FOLDIN_RATINGS;
    size_t cells, copied = 0;

    p->f = f->model->factors + copies;
    if ((copies && rec_size_mul(&copied, n + 1, p->f) < 0) || rec_size_add(&cells, copied, p->f + 2 * (n + 1)) < 0)
        return rec_err_memory(err, "folding in");
    p->memory = rec_malloc(cells, sizeof *p->memory, "folding in", err);
    p->index = rec_malloc(n + 1, sizeof *p->index, "folding in", err);
    p->scratch = rec_malloc(1, rec_ridge_solve_scratch(p->f), "folding in", err);
    if (!p->memory || !p->index || !p->scratch)
        return -1;
    p->d = p->memory;
    p->w = p->d + p->f;
    p->c = p->w + n + 1;
    p->v = p->c + n + 1;
    return 0;
}

/* One row more than the history has, for rec_foldin_explain: `target`, or -1. */
static void fill_rows(struct problem *p, const struct rec_foldin *f, const int32_t *item, size_t n, int32_t target)
{
    const struct rec_model *m = f->model;
    size_t rows = n + (target >= 0);

    for (size_t j = 0; j < rows; j++) {
        int32_t i = j < n ? item[j] : target;

        p->index[j] = f->kind == REC_FOLDIN_RATINGS ? (int32_t)j : i;
        if (f->kind != REC_FOLDIN_RATINGS)
            continue;
        memcpy(p->v + j * p->f, m->item_factors + (size_t)i * m->factors, m->factors * sizeof *p->v);
        p->v[j * p->f + m->factors] = 1;
    }
    p->rows = (struct rec_ridge_rows){.v = f->kind == REC_FOLDIN_RATINGS ? p->v : m->item_factors, .ld = p->f, .f = p->f, .idx = p->index,
                                      .n = rows, .w = p->w, .c = p->c};
}

static void fill_implicit(struct problem *p, const struct rec_foldin *f, const float *value, size_t n)
{
    double sum = 0, penalty;

    for (size_t j = 0; j < n; j++) {
        p->w[j] = p->c[j] = f->by_value && value ? value[j] : 1;
        sum += p->w[j];
    }
    penalty = fmax(1e-30, f->regularization * pow(sum + f->unobserved * (double)f->model->n_items, f->exponent));
    for (size_t k = 0; k < p->f; k++)
        p->d[k] = f->diagonal[k] + (float)penalty;
}

/* @param x  factors that come from the history, or NULL */
static void fill_ratings(struct problem *p, const struct rec_foldin *f, const int32_t *item, const float *value, size_t n, const float *x)
{
    const struct rec_model *m = f->model;
    double weight = pow((double)n, f->exponent);

    for (size_t j = 0; j < n; j++) {
        p->w[j] = 1;
        p->c[j] = (float)((value ? value[j] : 1) - m->mean - m->item_bias[item[j]]);
        if (x)
            p->c[j] -= rec_kernels_dot(x, m->item_factors + (size_t)item[j] * m->factors, m->factors);
    }
    for (size_t k = 0; k < m->factors; k++)
        p->d[k] = (float)(f->regularization * weight);
    p->d[m->factors] = (float)(f->regularization_bias * weight);
}

static int set_up(struct problem *p, const struct rec_foldin *f, const struct rec_visitor *v, const float *x, int32_t target, struct rec_err *err)
{
    if (allocate(p, f, v->n, err) < 0)
        return -1;
    fill_rows(p, f, v->item, v->n, target);
    if (f->kind == REC_FOLDIN_IMPLICIT)
        fill_implicit(p, f, v->value, v->n);
    else
        fill_ratings(p, f, v->item, v->value, v->n, x);
    return 0;
}

/* ---- folding in ---- */

static float fold_bias(const struct rec_foldin *f, const int32_t *item, const float *value, size_t n)
{
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        sum += (value ? value[j] : 1) - f->model->mean - f->model->item_bias[item[j]];
    return n ? (float)(sum / ((double)n + f->regularization)) : 0;
}

/* x = |H|^-e sum of the history's factors. */
static void history_factors(float *x, const struct rec_model *m, const int32_t *item, size_t n)
{
    float scale = (float)rec_links_scale(m, n);

    for (size_t j = 0; j < n; j++)
        rec_kernels_axpy(x, scale, m->history_factors + (size_t)item[j] * m->factors, m->factors);
}

/* Adds the factors that were learnt by themselves, and the bias. */
static int solve(float *x, float *bias, const struct rec_foldin *f, const struct rec_visitor *v, struct rec_err *err)
{
    const struct rec_model *m = f->model;
    float *solution = rec_malloc(m->factors + 1, sizeof *solution, "folding in", err);
    struct problem p = {0};
    int status = -1;

    if (!solution || set_up(&p, f, v, m->history_factors ? x : NULL, -1, err) < 0)
        goto out;
    if (rec_ridge_solve(solution, &p.rows, p.d, REC_RIDGE_BEST, p.scratch) < 0) {
        rec_err_set(err, "folding in: the history cannot be solved for in single precision");
        goto out;
    }
    for (size_t k = 0; k < m->factors; k++)
        x[k] += solution[k];
    if (f->kind == REC_FOLDIN_RATINGS)
        *bias = solution[m->factors];
    status = 0;
out:
    free(solution);
    clear(&p);
    return status;
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
    if (foldin->kind == REC_FOLDIN_BIAS)
        v->bias = fold_bias(foldin, v->item, v->value, v->n);
    if ((foldin->kind == REC_FOLDIN_IMPLICIT || foldin->kind == REC_FOLDIN_RATINGS) && solve(x, &v->bias, foldin, v, err) < 0) {
        rec_foldin_forget(v);
        return -1;
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

/* ---- taking a score apart ---- */

/* What each item adds by itself: its links to the target, and what it gives to the factors. */
static void explain_history(float *part, const struct rec_model *m, const struct rec_visitor *v, int32_t target, const float *toward)
{
    double scale = rec_links_scale(m, v->n);

    for (size_t j = 0; j < v->n; j++) {
        double sum = rec_links_weight(m, v->item[j], target);
        if (m->history_factors)
            sum += rec_kernels_dot(m->history_factors + (size_t)v->item[j] * m->factors, toward, m->factors);
        part[j] += (float)(scale * sum);
    }
}

/* By A z = y_target: the history weighs as before and asks for nothing; the target asks, and weighs nothing. `toward`, y_target before, becomes t. */
static int explain_solved(float *part, float *toward, const struct rec_foldin *f, const struct rec_visitor *v, int32_t target, struct rec_err *err)
{
    const struct rec_model *m = f->model;
    struct problem p = {0};
    size_t n = v->n;
    float *c = rec_malloc(n + 1, sizeof *c, "explaining", err), *z = rec_malloc(m->factors + 1, sizeof *z, "explaining", err);
    int status = -1;

    if (!c || !z || set_up(&p, f, v, NULL, target, err) < 0)
        goto out;
    memcpy(c, p.c, n * sizeof *c);
    memset(p.c, 0, n * sizeof *p.c);
    p.w[n] = 0;
    p.c[n] = 1;
    if (rec_ridge_solve(z, &p.rows, p.d, REC_RIDGE_PRIMAL, p.scratch) < 0) {
        rec_err_set(err, "explaining: the history cannot be solved for in single precision");
        goto out;
    }
    rec_kernels_gemv_rows(part, p.rows.v, p.f, p.f, p.index, n, z, NULL);
    for (size_t j = 0; m->history_factors && j < n; j++)
        rec_kernels_axpy(toward, -p.w[j] * part[j], m->item_factors + (size_t)v->item[j] * m->factors, m->factors);
    for (size_t j = 0; j < n; j++)
        part[j] *= c[j];
    status = 0;
out:
    free(c);
    free(z);
    clear(&p);
    return status;
}

int rec_foldin_explain(float *part, float *rest, const struct rec_foldin *foldin, const struct rec_visitor *visitor, int32_t target,
                       struct rec_err *err)
{
    const struct rec_model *m = foldin->model;
    bool solved = foldin->kind == REC_FOLDIN_IMPLICIT || foldin->kind == REC_FOLDIN_RATINGS;
    float *toward = NULL;
    int status = -1;

    *rest = (float)m->mean + (m->item_bias ? m->item_bias[target] : 0);
    if ((!solved && foldin->kind != REC_FOLDIN_HISTORY) || m->near_ptr)
        return 1;
    if (!visitor->n) /* and ALS, which weighs its regularization by the length of a history, would have none */
        return 0;
    memset(part, 0, visitor->n * sizeof *part);
    if (m->factors) {
        toward = rec_malloc(m->factors, sizeof *toward, "explaining", err);
        if (!toward)
            return -1;
        memcpy(toward, m->item_factors + (size_t)target * m->factors, m->factors * sizeof *toward);
    }
    if (!solved || explain_solved(part, toward, foldin, visitor, target, err) == 0) {
        explain_history(part, m, visitor, target, toward);
        status = 0;
    }
    free(toward);
    return status;
}
