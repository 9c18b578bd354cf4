/* SPDX-License-Identifier: MIT
 *
 * Linear filters of histories on the graph of who has what: what gfcf and bspm are made of.
 */
#ifndef REC_GRAPH_PRIV_H
#define REC_GRAPH_PRIV_H

#include "models_priv.h"

enum { REC_GRAPH_DEGREE = 12 };

/** score = h (b(P) + alpha D^-x V Vᵀ D^x) s(P) D^t for a history h, as a row of zeros and ones; P = RᵀR / sigma_1^2 where R has 1 / (n_u^c n_i^d) for a
 *  pair of a user of n_u items and an item of n_i users; V are the first singular vectors of R, D is n_i over its mean. */
struct rec_graph {
    double user_exponent, item_exponent;  /**< c, d */
    size_t factors;                       /**< columns of V; 0: one for 16 users or items, whichever are fewer, from 8 to 512 */
    double low_pass;                      /**< alpha */
    double low_pass_tilt, tilt;           /**< x, t */
    double blur[REC_GRAPH_DEGREE + 1];   /**< coefficients of b and s, from that of P^0 */
    double sharpen[REC_GRAPH_DEGREE + 1];
    size_t keep;                          /**< links of a row; 0: all */
};

/** After rec_models_begin: the low pass as factors, the rest as links. */
int rec_graph_train(struct rec_model *model, const struct rec_graph *filter, const struct rec_train_job *job, struct rec_err *err);

/** out = a times b, of degree REC_GRAPH_DEGREE at most: what is above is left out. */
void rec_graph_product(double *out, const double *a, const double *b);

#endif
