/* SPDX-License-Identifier: MIT
 *
 * Root mean squared error of predicted ratings, the measure of the Netflix Prize. */
#include <math.h>

#include "eval_priv.h"

static double term(double prediction, double value)
{
    return (prediction - value) * (prediction - value);
}

static double whole(double sum, double n)
{
    return sqrt(sum / n);
}

const struct rec_measure rec_rmse_measure = {
    .name = "rmse",
    .formula = "sqrt(sum (prediction - rating)^2 / n)",
    .source = "Bennett and Lanning, The Netflix Prize (2007)",
    .term = term,
    .whole = whole,
};
