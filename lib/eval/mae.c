/* SPDX-License-Identifier: MIT
 *
 * Mean absolute error of predicted ratings. */
#include <math.h>

#include "eval_priv.h"

static double term(double prediction, double value)
{
    return fabs(prediction - value);
}

static double whole(double sum, double n)
{
    return sum / n;
}

const struct rec_measure rec_mae_measure = {
    .name = "mae",
    .formula = "sum |prediction - rating| / n",
    .source = "Herlocker et al., Evaluating Collaborative Filtering Recommender Systems (TOIS 2004)",
    .term = term,
    .whole = whole,
};
