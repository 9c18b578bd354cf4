/* SPDX-License-Identifier: MIT
 *
 * Taking a score apart.
 *
 * With x = A⁻¹ b as in foldin.c a score is y_i'x = sum over j of c_j (A⁻¹ y_i)'y_j: one more solution, for the item in question, tells how much each
 * item of the history adds to it (Hu, Koren and Volinsky 2008, section 5). Where factors come from the history as well, item j adds s h_j'y_i of
 * itself (and so where there are implicit features), less what it takes from the rest: with t = y_i - sum w_l (z'y_l) y_l and z = A⁻¹ y_i, s h_j't in all. The parts of a sum add up.
 */
#include "foldin_priv.h"

#include <stdlib.h>
#include <string.h>

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

/* By A z = y_target: the history weighs as before and asks for nothing; the target asks, and weighs nothing. `toward`, y_target before, becomes t.
 * own: room for n. */
static int explain_solved(float *part, float *own, float *toward, const struct rec_foldin_part *f, const struct rec_model *m, const struct rec_visitor *v,
                          int32_t target, struct rec_err *err)
{
    struct rec_foldin_problem p = {0};
    size_t n = v->n;
    float *c = rec_malloc(n + 1, sizeof *c, "explaining", err), *z = rec_malloc(f->factors + 1, sizeof *z, "explaining", err);
    int status = -1;

    if (!c || !z || rec_foldin_problem_init(&p, f, m, v, NULL, target, err) < 0)
        goto out;
    memcpy(c, p.c, n * sizeof *c);
    memset(p.c, 0, n * sizeof *p.c);
    p.w[n] = 0;
    p.c[n] = 1;
    if (rec_ridge_solve(z, &p.rows, p.d, REC_RIDGE_PRIMAL, p.scratch) < 0) {
        rec_err_set(err, "explaining: the history cannot be solved for in single precision");
        goto out;
    }
    rec_kernels_gemv_rows(own, p.rows.v, p.f, p.rows.ld, p.index, n, z, NULL);
    for (size_t j = 0; (f->histories || f->implied > 0) && j < n; j++)
        rec_kernels_axpy(toward + f->first, -p.w[j] * own[j], rec_foldin_problem_factors(f, m, v->item[j]), f->factors);
    for (size_t j = 0; j < n; j++)
        part[j] += (float)f->scale * own[j] * c[j];
    for (size_t j = 0; f->implied > 0 && j < n; j++) {
        memset(z, 0, f->factors * sizeof *z);
        rec_foldin_problem_implied(z, &p, f, m, v->item[j]);
        part[j] += (float)f->scale * rec_kernels_dot(z, toward + f->first, f->factors);
    }
    status = 0;
out:
    free(c);
    free(z);
    rec_foldin_problem_clear(&p);
    return status;
}

/* What each part of the model makes of the history by itself. */
static int explain_parts(float *part, float *toward, const struct rec_foldin *foldin, const struct rec_visitor *v, int32_t target, struct rec_err *err)
{
    float *own = rec_malloc(v->n, sizeof *own, "explaining", err);
    int status = own ? 0 : -1;

    for (size_t n = 0; status == 0 && n < foldin->n_parts; n++) {
        const struct rec_foldin_part *f = &foldin->part[n];
        if (rec_foldin_problem_is(f))
            status = explain_solved(part, own, toward, f, foldin->model, v, target, err);
        for (size_t j = 0; f->kind == REC_FOLDIN_BIAS && j < v->n; j++)
            part[j] += (float)(f->scale * rec_foldin_problem_bias(f, v, j));
    }
    free(own);
    return status;
}

bool rec_foldin_explains(const struct rec_foldin *foldin)
{
    return foldin->kind != REC_FOLDIN_NONE && foldin->kind != REC_FOLDIN_BIAS && (!foldin->model->near_ptr || foldin->knn);
}

int rec_foldin_explain(float *part, float *rest, const struct rec_foldin *foldin, const struct rec_visitor *visitor, int32_t target,
                       struct rec_err *err)
{
    const struct rec_model *m = foldin->model;
    float *toward = NULL;
    int status = -1;

    *rest = (float)m->mean + (m->item_bias ? m->item_bias[target] : 0);
    if (!rec_foldin_explains(foldin))
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
    if (explain_parts(part, toward, foldin, visitor, target, err) == 0) {
        explain_history(part, m, visitor, target, toward);
        for (size_t u = 0; u < visitor->n_near; u++) /* each neighbour by what made them one */
            if (rec_links_has(m, visitor->near_user[u], target))
                rec_knn_share(part, foldin->knn, visitor->item, visitor->n, visitor->near_user[u], visitor->near_weight[u]);
        status = 0;
    }
    free(toward);
    return status;
}

static bool before(const struct rec_topk_hit *a, const struct rec_topk_hit *b)
{
    return a->score != b->score ? a->score > b->score : a->item < b->item;
}

int rec_foldin_explain_list(float *part, float *rest, struct rec_topk_hit *hit, size_t n, bool ranked, const struct rec_foldin *foldin,
                            const struct rec_visitor *visitor, struct rec_err *err)
{
    for (size_t r = 0; r < n; r++)
        hit[r].score = (float)rec_foldin_score(foldin->model, visitor, hit[r].item);
    for (size_t r = 1; ranked && r < n; r++) /* by insertion: hardly anything moves */
        for (size_t at = r; at > 0 && before(&hit[at], &hit[at - 1]); at--) {
            struct rec_topk_hit hold = hit[at];
            hit[at] = hit[at - 1];
            hit[at - 1] = hold;
        }
    for (size_t r = 0; r < n; r++) {
        int status = rec_foldin_explain(part + r * visitor->n, &rest[r], foldin, visitor, hit[r].item, err);
        if (status != 0)
            return status < 0 ? -1 : rec_err_set(err, "%s: scores of a model of this type do not come from a history", foldin->model->type);
    }
    return 0;
}
