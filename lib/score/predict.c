/* SPDX-License-Identifier: MIT
 *
 * One score for a (user, item) pair: mean + biases + inner product of the factors + links and neighbours, as far as user and item are known. */
#include <rec/score.h>

double rec_predict_pair(const struct rec_model *model, int32_t user, int32_t item)
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
    if (model->ratings_scale && score < model->low)
        return model->low;
    if (model->ratings_scale && score > model->high)
        return model->high;
    return score;
}
