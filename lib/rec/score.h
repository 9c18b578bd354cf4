/* SPDX-License-Identifier: MIT
 *
 * score: what a trained model says. Predicting, ranking, finding neighbours; no training, no BLAS, so that a process that
 * lives for one request can afford it.
 *
 *     model     the rec.model/1 file: reading, checking, writing
 *     predict   one score for a (user, item) pair
 *     rank      the best items for many users, seen ones left out
 *     similar   the items nearest to an item
 *
 * A model is scored by the tensors it has: score(u, i) = mean + user_bias[u] + item_bias[i] + <user_factors[u], item_factors[i]>,
 * where what is absent counts as nothing. `popular` is an item_bias alone.
 */
#ifndef REC_SCORE_H
#define REC_SCORE_H

#include <rec/data.h>

struct rec_model {
    char type[32];               /**< "ials" */
    size_t n_users, n_items, factors;
    double mean;
    bool ratings_scale;          /**< scores are predicted ratings: they may be compared with values and clamped to [low, high] */
    double low, high;            /**< the range of values seen in training */
    const float *user_factors;   /**< [n_users, factors], or NULL */
    const float *item_factors;   /**< [n_items, factors], or NULL */
    const float *user_bias;      /**< [n_users], or NULL */
    const float *item_bias;      /**< [n_items], or NULL */
    const float *popularity;     /**< [n_items]: what an unknown user is offered; number of ratings, unless the model says better */
    const int64_t *seen_ptr;     /**< [n_users + 1] and */
    const int32_t *seen_item;    /**< [..]: the training pairs, left out of recommendations */
    struct rec_ids users, items;
    struct rec_buf params;       /**< hyper-parameters as flat JSON text */
    char *history;
    uint32_t digest;             /**< of the file it was read from */
    struct rec_safetensors file; /**< what the arrays are borrowed from after _read */
    void *owned[8];              /**< what _clear frees besides, when they were made by training */
};

/** Reads and checks a rec.model/1 file: shapes agree, indices are in range, factors and biases are finite. */
int rec_model_read(struct rec_model *model, const char *path, struct rec_err *err);
int rec_model_load(struct rec_model *model, struct rec_safetensors *file, struct rec_err *err); /**< takes `file` */
int rec_model_write(const struct rec_model *model, const char *history, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
void rec_model_clear(struct rec_model *model);

#endif
