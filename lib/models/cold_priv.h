/* SPDX-License-Identifier: MIT
 *
 * Items that nobody has rated, from what is known of them.
 */
#ifndef REC_COLD_PRIV_H
#define REC_COLD_PRIV_H

#include "models_priv.h"

/** What items are, in numbers that do not come from ratings: genres, years, words of titles. Rows of length 1, or empty. */
struct rec_cold_content {
    struct rec_csr rows;       /**< [items of the model that is made, columns] */
    float *inverse;            /**< [rows.cols] how rare a column is: ln(items / those that have it) */
};

/** @param place  [features->items.n] the item's place in the model that is made, or -1 */
int rec_cold_content_build(struct rec_cold_content *out, const struct rec_features *features, const int32_t *place, size_t n_items, struct rec_err *err);
void rec_cold_content_clear(struct rec_cold_content *content);

/** What factors and biases of a rated item are by its content: ridge regression, its penalty chosen by leaving one out.
 *  @param y       [n_items, width] for all: of rated items what is to be learnt; of cold ones, who have content, it is filled in
 *  @param weight  [n_items] how much a rated item says; 0: it is cold */
int rec_cold_fit(float *y, size_t width, const double *weight, const struct rec_cold_content *content, struct rec_err *err);

/** Links from rated items to cold ones that are like them, added to those of `out`, which are in their places.
 *  @param count  [n_items] ratings of each; 0: it is cold */
int rec_cold_links_add(struct rec_model *out, const int64_t *count, const struct rec_cold_content *content, struct rec_err *err);

#endif
