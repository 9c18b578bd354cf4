/* SPDX-License-Identifier: MIT
 *
 * The nearest rows of each row of a matrix of pairs: what itemknn, userknn and rp3beta are made of.
 */
#ifndef REC_NEAREST_PRIV_H
#define REC_NEAREST_PRIV_H

#include <rec/models.h>

/** Row r: the knn->how.neighbours rows b with the greatest near(r, b), ascending; r itself is not among them.
 *  @param knn     rows and what they have
 *  @param turned  the same the other way round: the rows of each column
 *  @param ptr, index, weight  receive arrays that the caller frees; NULL when it fails */
int rec_nearest_rows(int64_t **ptr, int32_t **index, float **weight, const struct rec_knn *knn, const struct rec_csr *turned, unsigned threads,
                     struct rec_err *err);

/** Links from items of the history to items recommended, near(from, to): how->from is the exponent of the one, how->to that of the other. */
struct rec_nearest_links {
    struct rec_knn_how how;
    bool keep_from;        /**< the strongest are kept of those from each item; else of those to each item */
    double normalization;  /**< links from an item are divided by their sum to this power */
};

/** Makes these the links of the model, or the rows of the users its neighbours; and tells that training is done. */
int rec_nearest_items(struct rec_model *model, const struct rec_nearest_links *links, const struct rec_train_job *job, struct rec_err *err);
int rec_nearest_users(struct rec_model *model, const struct rec_knn_how *how, const struct rec_train_job *job, struct rec_err *err);

#endif
