/* SPDX-License-Identifier: MIT
 *
 * Factors of items nobody has rated, from those of rated ones: ridge regression on their content (Gantner, Drumond, Freudenthaler, Rendle and
 * Schmidt-Thieme, "Learning Attribute-to-Feature Mappings for Cold-Start Recommendations", ICDM 2010).
 *
 *     B = argmin sum_i w_i |y_i - m - B' c_i|^2 + L |B|^2,     m the weighted mean
 *
 * The eigenvectors of C'WC give the answer for every L, and what each item would have been without itself: residual / (1 - w_i c_i'(C'WC + L)^-1 c_i).
 * L is the one whose sum of those squares is the least; when content says nothing, that is so great a one that all cold items get the mean.
 */
#include "cold_priv.h"

#include <rec/linalg.h>

#include <math.h>

enum { PENALTIES = 13, SAMPLE = 200000 }; /* of numbers: items by width */

struct fit {
    float *y;
    size_t width, p, n;
    const double *weight;
    const struct rec_csr *rows;
    double *mean;            /* [width] */
    double *q, *lambda;      /* [p, p] eigenvectors in columns, [p] */
    double *target;          /* [p, width] Q' C'W (y - m) */
    double *turned;          /* [p] Q' c of one item */
    double *guess;           /* [width] */
};

static int allocate(struct fit *f, struct rec_err *err)
{
    size_t pp, pw;

    if (rec_size_mul(&pp, f->p, f->p) < 0 || rec_size_mul(&pw, f->p, f->width) < 0)
        return rec_err_memory(err, "cold items");
    f->mean = rec_calloc(f->width, sizeof *f->mean, "cold items", err);
    f->q = rec_calloc(pp, sizeof *f->q, "cold items", err);
    f->lambda = rec_calloc(f->p, sizeof *f->lambda, "cold items", err);
    f->target = rec_calloc(pw, sizeof *f->target, "cold items", err);
    f->turned = rec_calloc(f->p, sizeof *f->turned, "cold items", err);
    f->guess = rec_calloc(f->width, sizeof *f->guess, "cold items", err);
    return f->mean && f->q && f->lambda && f->target && f->turned && f->guess ? 0 : -1;
}

static void clear(struct fit *f)
{
    free(f->mean);
    free(f->q);
    free(f->lambda);
    free(f->target);
    free(f->turned);
    free(f->guess);
}

static bool tells(const struct fit *f, size_t i)
{
    return f->weight[i] > 0 && f->rows->ptr[i + 1] > f->rows->ptr[i];
}

static void set_mean(struct fit *f)
{
    double sum = 0;

    for (size_t i = 0; i < f->n; i++) {
        if (!(f->weight[i] > 0))
            continue;
        sum += f->weight[i];
        for (size_t k = 0; k < f->width; k++)
            f->mean[k] += f->weight[i] * f->y[i * f->width + k];
    }
    for (size_t k = 0; sum > 0 && k < f->width; k++)
        f->mean[k] /= sum;
}

/* C'WC, and C'W (y - m) into `moment`. */
static void set_moments(struct fit *f, double *moment)
{
    const struct rec_csr *c = f->rows;

    for (size_t i = 0; i < f->n; i++) {
        if (!tells(f, i))
            continue;
        for (int64_t a = c->ptr[i]; a < c->ptr[i + 1]; a++) {
            size_t row = (size_t)c->index[a];
            double w = f->weight[i] * c->value[a];
            for (int64_t b = c->ptr[i]; b < c->ptr[i + 1]; b++)
                f->q[row * f->p + (size_t)c->index[b]] += w * c->value[b];
            for (size_t k = 0; k < f->width; k++)
                moment[row * f->width + k] += w * (f->y[i * f->width + k] - f->mean[k]);
        }
    }
}

/* target = Q' moment. */
static void turn_moments(struct fit *f, const double *moment)
{
    for (size_t a = 0; a < f->p; a++)
        for (size_t e = 0; e < f->p; e++) {
            double q = f->q[a * f->p + e];
            for (size_t k = 0; q != 0 && k < f->width; k++)
                f->target[e * f->width + k] += q * moment[a * f->width + k];
        }
}

static void turn(struct fit *f, size_t i)
{
    const struct rec_csr *c = f->rows;

    memset(f->turned, 0, f->p * sizeof *f->turned);
    for (int64_t a = c->ptr[i]; a < c->ptr[i + 1]; a++)
        for (size_t e = 0; e < f->p; e++)
            f->turned[e] += c->value[a] * f->q[(size_t)c->index[a] * f->p + e];
}

/* What is guessed of the item that was turned, at this penalty. Returns c'(C'WC + L)^-1 c. */
static double guess(struct fit *f, double penalty)
{
    double lever = 0;

    memset(f->guess, 0, f->width * sizeof *f->guess);
    for (size_t e = 0; e < f->p; e++) {
        double share = f->turned[e] / (fmax(f->lambda[e], 0) + penalty);
        lever += share * f->turned[e];
        for (size_t k = 0; k < f->width; k++)
            f->guess[k] += share * f->target[e * f->width + k];
    }
    return lever;
}

/* From a hundredth of what the mean item weighs, in steps of three. */
static double penalty_of(size_t step, double unit)
{
    return unit * pow(3, (double)step - 4);
}

/* The penalty with the least error of leaving one out, over a sample. */
static double choose_penalty(struct fit *f, double unit)
{
    double error[PENALTIES] = {0};
    size_t n = 0, step, best = 0, at = 0;

    for (size_t i = 0; i < f->n; i++)
        n += tells(f, i);
    step = n * f->width / SAMPLE + 1;
    for (size_t i = 0; i < f->n; i++) {
        if (!tells(f, i) || at++ % step)
            continue;
        turn(f, i);
        for (size_t s = 0; s < PENALTIES; s++) {
            double left = 1 - f->weight[i] * guess(f, penalty_of(s, unit));
            for (size_t k = 0; k < f->width; k++) {
                double residual = (f->y[i * f->width + k] - f->mean[k] - f->guess[k]) / fmax(left, 1e-6);
                error[s] += f->weight[i] * residual * residual;
            }
        }
    }
    for (size_t s = 1; s < PENALTIES; s++)
        if (error[s] < error[best])
            best = s;
    return penalty_of(best, unit);
}

static void fill_cold(struct fit *f, double penalty)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->weight[i] > 0 || f->rows->ptr[i + 1] == f->rows->ptr[i])
            continue;
        turn(f, i);
        guess(f, penalty);
        for (size_t k = 0; k < f->width; k++)
            f->y[i * f->width + k] = rec_models_float(f->mean[k] + f->guess[k]);
    }
}

int rec_cold_fit(float *y, size_t width, const double *weight, const struct rec_cold_content *content, struct rec_err *err)
{
    struct fit f = {.y = y, .width = width, .p = content->rows.cols, .n = content->rows.rows, .weight = weight, .rows = &content->rows};
    double *moment = NULL, trace = 0;
    int rc = -1;

    if (f.p == 0 || width == 0)
        return 0;
    if (allocate(&f, err) < 0 || !(moment = rec_calloc(f.p * width, sizeof *moment, "cold items", err)))
        goto out;
    set_mean(&f);
    set_moments(&f, moment);
    for (size_t a = 0; a < f.p; a++)
        trace += f.q[a * f.p + a];
    if (rec_solve_eigen(f.lambda, f.q, f.p, err) < 0)
        goto out;
    turn_moments(&f, moment);
    fill_cold(&f, trace > 0 ? choose_penalty(&f, trace / (double)f.p) : 1);
    rc = 0;
out:
    free(moment);
    clear(&f);
    return rc;
}
