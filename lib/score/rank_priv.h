/* SPDX-License-Identifier: MIT
 *
 * Ranking in a model with links or neighbours: all scores of a few users at once.
 */
#ifndef REC_RANK_PRIV_H
#define REC_RANK_PRIV_H

#include <rec/score.h>

/** What one thread needs for it. */
struct rec_rank_bench {
    float *score;          /**< [held, n_items] */
    float *vector;         /**< [held, factors] */
    void *kernels;
    size_t *begin;         /**< dense links: [n_items + 1] where the users of an item begin in */
    int32_t *who;          /**< [room]: who of those held has it */
    size_t room;
};

/** Of how many users scores are to be held; 0: the model needs none. */
size_t rec_rank_links_held(const struct rec_model *model);
int rec_rank_links_init(struct rec_rank_bench *bench, const struct rec_rank *rank, struct rec_err *err);
void rec_rank_links_clear(struct rec_rank_bench *bench);
/** Scores of the users, m of them and no more than are held, without mean and user_bias; row j of bench->score is user[j]'s. */
int rec_rank_links_score(struct rec_rank_bench *bench, const struct rec_rank *rank, const int32_t *user, size_t m, struct rec_err *err);

#endif
