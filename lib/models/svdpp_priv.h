/* SPDX-License-Identifier: MIT
 *
 * Users' factors that come in part from what they have rated at all, as in SVD++ (Koren, KDD 2008): x_u = own_u + |N|^-1/2 sum over j in N of h_j.
 *
 * Koren takes a step for every h_j of a user with each rating, which no two threads could do at once. But the loss asks of h no more than
 *
 *     sum_u w_u |x_u - A_u h|^2  +  sum_j v_j |h_j|^2,        A_u h = |N_u|^-1/2 sum h_j,
 *
 * with x as it is: the penalties of own and of h. Between passes some steps of conjugate gradients go towards its least value; the pass then draws each x_u to
 * A_u h, and not to 0. Where both come to rest, so does the loss of SVD++.
 */
#ifndef REC_SVDPP_PRIV_H
#define REC_SVDPP_PRIV_H

#include "strata_priv.h"

/** Arrays in the order of the strata's rows. */
struct rec_svdpp {
    const struct rec_ratings *r;
    const struct rec_strata *strata;
    struct rec_csr by_item;
    size_t ld;
    unsigned threads;
    float *y, *m;          /**< [items, ld] h; [users, ld] A h */
    float *residual, *step, *product, *forward; /**< private, as all below */
    float *weight, *penalty, *diagonal;
    void *memory[6];
};

/** @param user, item  rows whose penalties, for a rating, are w_u / n_u and v_j / n_j; `job->threads` */
int rec_svdpp_init(struct rec_svdpp *h, const struct rec_ratings *r, const struct rec_strata *s, const struct rec_sgd_row *user,
                     const struct rec_sgd_row *item, size_t ld, unsigned threads, struct rec_err *err);
/** Some steps; moves from own [users, ld] to m what h explains, so that their sum stays. */
int rec_svdpp_fit(struct rec_svdpp *h, float *own, int steps, struct rec_err *err);
void rec_svdpp_clear(struct rec_svdpp *h);

#endif
