/* SPDX-License-Identifier: MIT
 *
 * Calibration: whether the genres of a list stand in the same proportions as those of what the user had: the Kullback-Leibler divergence of the list's
 * shares q from the history's p, 0 when they are equal. Each item is divided evenly among its genres; q is mixed with a hundredth of p, so that a genre
 * that is missing costs much, but not without end. */
#include "eval_priv.h"

#include <math.h>

enum { GENRES_MAX = 1024 };
static const double mixed = 0.01;

/* Shares of genres in these items. Returns whether there are any. */
static bool shares(double *share, size_t genres, const struct rec_shelf *shelf, const int32_t *item, size_t n)
{
    double all = 0;

    for (size_t g = 0; g < genres; g++)
        share[g] = 0;
    for (size_t i = 0; i < n; i++) {
        size_t n_genres;
        const int32_t *genre = rec_shelf_genres(shelf, item[i], &n_genres);
        for (size_t g = 0; g < n_genres; g++)
            share[genre[g]] += 1 / (double)n_genres;
        all += genre != NULL;
    }
    for (size_t g = 0; g < genres && all > 0; g++)
        share[g] /= all;
    return all > 0;
}

static double at(const struct rec_hits *hits, size_t k)
{
    const struct rec_shelf *shelf = hits->shelf;
    size_t n = hits->length < k ? hits->length : k, genres = shelf->catalogue->genres.n;
    double wanted[GENRES_MAX], got[GENRES_MAX], sum = 0;

    if (hits->user < 0 || genres > GENRES_MAX)
        return NAN;
    int64_t begin = shelf->history_ptr[hits->user], end = shelf->history_ptr[hits->user + 1];
    if (!shares(wanted, genres, shelf, shelf->history + begin, (size_t)(end - begin)) || !shares(got, genres, shelf, hits->list, n))
        return NAN;
    for (size_t g = 0; g < genres; g++)
        if (wanted[g] > 0)
            sum += wanted[g] * log(wanted[g] / ((1 - mixed) * got[g] + mixed * wanted[g]));
    return sum;
}

const struct rec_measure rec_calibration_measure = {
    .name = "calibration",
    .formula = "sum p ln(p / (0.99 q + 0.01 p)), p and q the shares of genres in the history and in the first K",
    .source = "Steck, Calibrated Recommendations (RecSys 2018), C_KL",
    .greater_is_better = false,
    .needs = REC_NEEDS_SHELF | REC_NEEDS_GENRES,
    .list = at,
};
