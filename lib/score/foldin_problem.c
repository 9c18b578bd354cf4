/* SPDX-License-Identifier: MIT
 *
 * The least-squares problem of one user in one part of a model, as the trainer of that part states it.
 */
#include "foldin_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void rec_foldin_problem_clear(struct rec_foldin_problem *p)
{
    free(p->memory);
    free(p->index);
    free(p->scratch);
}

static int allocate(struct rec_foldin_problem *p, const struct rec_foldin_part *part, size_t n, struct rec_err *err)
{
    bool copies = part->kind == REC_FOLDIN_RATINGS;
    size_t cells, copied = 0;

    p->f = part->factors + copies;
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

const float *rec_foldin_problem_factors(const struct rec_foldin_part *part, const struct rec_model *m, int32_t item)
{
    return m->item_factors + (size_t)item * m->factors + part->first;
}

/* One row more than the history has, for rec_foldin_explain: `target`, or -1. */
static void fill_rows(struct rec_foldin_problem *p, const struct rec_foldin_part *part, const struct rec_model *m, const int32_t *item, size_t n, int32_t target)
{
    bool copies = part->kind == REC_FOLDIN_RATINGS;
    size_t rows = n + (target >= 0);

    for (size_t j = 0; j < rows; j++) {
        int32_t i = j < n ? item[j] : target;

        p->index[j] = copies ? (int32_t)j : i;
        if (!copies)
            continue;
        memcpy(p->v + j * p->f, rec_foldin_problem_factors(part, m, i), part->factors * sizeof *p->v);
        p->v[j * p->f + part->factors] = 1;
    }
    p->rows = (struct rec_ridge_rows){.v = copies ? p->v : m->item_factors + part->first, .ld = copies ? p->f : m->factors, .f = p->f,
                                      .idx = p->index, .n = rows, .w = p->w, .c = p->c};
}

static void fill_implicit(struct rec_foldin_problem *p, const struct rec_foldin_part *part, const struct rec_model *m, const float *value, size_t n)
{
    double sum = 0, penalty;

    for (size_t j = 0; j < n; j++) {
        p->w[j] = p->c[j] = part->by_value && value ? value[j] : 1;
        sum += p->w[j];
    }
    penalty = fmax(1e-30, part->regularization * pow(sum + part->unobserved * (double)m->n_items, part->exponent));
    for (size_t k = 0; k < p->f; k++)
        p->d[k] = part->diagonal[k] + (float)penalty;
}

/* @param x  factors that come from the history, or NULL */
static void fill_ratings(struct rec_foldin_problem *p, const struct rec_foldin_part *part, const struct rec_model *m, const struct rec_visitor *v, const float *x)
{
    double weight = pow((double)v->n, part->exponent);

    for (size_t j = 0; j < v->n; j++) {
        p->w[j] = 1;
        p->c[j] = (float)((v->value ? v->value[j] : 1) - part->mean - part->item_bias[v->item[j]]);
        if (x)
            p->c[j] -= (float)(rec_kernels_dot(x + part->first, rec_foldin_problem_factors(part, m, v->item[j]), part->factors) / part->scale);
    }
    for (size_t k = 0; k < part->factors; k++)
        p->d[k] = (float)(part->regularization * weight) + (part->diagonal ? part->diagonal[k] : 0);
    p->d[part->factors] = (float)(part->regularization_bias * weight);
}

int rec_foldin_problem_init(struct rec_foldin_problem *p, const struct rec_foldin_part *part, const struct rec_model *m, const struct rec_visitor *v, const float *x,
                  int32_t target, struct rec_err *err)
{
    if (allocate(p, part, v->n, err) < 0)
        return -1;
    fill_rows(p, part, m, v->item, v->n, target);
    if (part->kind == REC_FOLDIN_IMPLICIT)
        fill_implicit(p, part, m, v->value, v->n);
    else
        fill_ratings(p, part, m, v, x);
    return 0;
}

double rec_foldin_problem_bias(const struct rec_foldin_part *part, const struct rec_visitor *v, size_t j)
{
    return ((v->value ? v->value[j] : 1) - part->mean - part->item_bias[v->item[j]]) / ((double)v->n + part->regularization);
}

void rec_foldin_problem_implied(float *q, const struct rec_foldin_problem *p, const struct rec_foldin_part *part, const struct rec_model *m, int32_t item)
{
    const float *c = m->implicit_factors + (size_t)item * m->factors + part->first;

    for (size_t k = 0; k < part->factors; k++)
        q[k] += (float)(part->implied * part->spread) * c[k] / p->d[k];
}

void rec_foldin_problem_ask(float *q, struct rec_foldin_problem *p, const struct rec_foldin_part *part, const struct rec_model *m,
                            const struct rec_visitor *v)
{
    memset(q, 0, part->factors * sizeof *q);
    for (size_t j = 0; j < v->n; j++)
        rec_foldin_problem_implied(q, p, part, m, v->item[j]);
    for (size_t j = 0; j < v->n; j++)
        p->c[j] -= rec_kernels_dot(q, rec_foldin_problem_factors(part, m, v->item[j]), part->factors);
}
