/* SPDX-License-Identifier: MIT
 *
 * One score for a (user, item) pair: mean + biases + inner product of the factors + links and neighbours, as far as user and item are known. */
#include <rec/score.h>

#include <math.h>
#include <stdlib.h>

static double pair(const struct rec_model *model, int32_t user, int32_t item)
{
    size_t u = (size_t)user, i = (size_t)item, f = model->factors;
    double score = model->mean;

    if (user >= 0 && model->user_bias)
        score += model->user_bias[u];
    if (item >= 0 && model->item_bias)
        score += model->item_bias[i];
    if (user >= 0 && item >= 0 && model->user_factors && model->item_factors)
        score += rec_kernels_dot(model->user_factors + u * f, model->item_factors + i * f, f);
    if (user >= 0 && item >= 0 && rec_links_any(model))
        score += rec_links_pair(model, user, item);
    return score;
}

static double clamp(const struct rec_model *m, double score)
{
    return !m->ratings_scale ? score : score < m->low ? m->low : score > m->high ? m->high : score;
}

double rec_predict_pair(const struct rec_model *model, int32_t user, int32_t item)
{
    return clamp(model, pair(model, user, item));
}

int rec_predict_at(double *score, const struct rec_model *model, int32_t user, int32_t item, const int64_t *time, struct rec_err *err)
{
    float few[512], *sum = few;

    *score = pair(model, user, item);
    if (time && model->context.factors && user >= 0 && item >= 0) {
        if (2 * model->factors > REC_LENGTH(few))
            sum = rec_malloc(2 * model->factors, sizeof *sum, "predicting", err);
        if (!sum)
            return -1;
        *score += rec_context_shift(model, (size_t)user, (size_t)item, *time, sum);
        if (sum != few)
            free(sum);
    }
    *score = clamp(model, *score);
    return 0;
}

double rec_predict_deviation(const struct rec_model *m, int32_t user, int32_t item)
{
    size_t n = m->samples, f = n ? m->factors / n : 0;
    double mean = 0, squares = 0;

    if (n < 2 || user < 0 || item < 0)
        return NAN;
    for (size_t s = 0; s < n; s++) {
        double x = m->user_samples[(size_t)user * n + s] + m->item_samples[(size_t)item * n + s] +
                   (double)n * rec_kernels_dot(m->user_factors + (size_t)user * m->factors + s * f, m->item_factors + (size_t)item * m->factors + s * f, f);
        double step = x - mean;
        mean += step / (double)(s + 1);
        squares += step * (x - mean);
    }
    return sqrt(squares / (double)(n - 1));
}
