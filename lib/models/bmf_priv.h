/* SPDX-License-Identifier: MIT
 *
 * Bayesian matrix factorization: what its files share.
 *
 * A rating is scored by three vectors: of its user, of its item, of its context (when it was given),
 *
 *     score = mean + biases + <x_u, x_i> + <x_u + x_i, x_c>
 *
 * and the vector of a user is own + |N|^-1/2 times the sum of set[j] over the items j that they have rated (SVD++), that of an item likewise over
 * its users ("flipped"). All biases are coordinate f of their vector. Every block is drawn given all others; given those, the score is linear in it.
 */
#ifndef REC_BMF_PRIV_H
#define REC_BMF_PRIV_H

#include "models_priv.h"

/** Of a block of vectors: each coordinate is normal with this mean and precision, drawn anew in each pass. */
struct bmf_prior {
    double *mean, *precision;  /* [k] */
};

struct bmf_side {
    size_t rows;
    const int64_t *ptr;
    const int32_t *index;      /* [nnz] the other side's row */
    const int32_t *place;      /* [nnz] which rating it is, counted by users; NULL: the same order */
    float *own, *x;            /* [rows, ld] */
    float *set;                /* [rows of the other side, ld]; or NULL */
    float *scale;              /* [rows] |N|^-1/2 */
    struct bmf_prior of_own, of_set;
    float *gram;               /* [rows, ld, ld] weighted sum of partners' products */
    float *gradient, *noise;   /* [rows, ld] */
    float *weight;             /* [rows] precision of this row's ratings, about 1 */
    double freedom;            /* of the prior of weight; 0: all are 1 */
};

struct bmf_context {
    size_t bins;               /* 0: not used */
    int64_t *edge;             /* [bins - 1]: bin b holds edge[b - 1] <= value < edge[b] */
    uint16_t *bin;             /* [nnz] */
    int64_t *ptr;              /* [bins + 1] and */
    int32_t *rating;           /* [nnz] the ratings of each bin */
    float *x;                  /* [bins, ld] */
    struct bmf_prior prior;
};

struct bmf {
    const struct rec_ratings *r;
    struct rec_csr by_item;
    size_t f, k, ld;           /* factors; with the bias; stride */
    unsigned threads;
    uint64_t seed, stream;
    double unit, centre;       /* ratings are (value - centre) / unit inside */
    double mean, precision;    /* of the noise */
    double prior, prior_contexts; /* rates of the gamma priors of precisions */
    float *y;                  /* [nnz] */
    float *error;              /* [nnz] */
    float *around;             /* [nnz, ld] the sum of a rating's context vectors; [f] their biases and products; NULL: none */
    struct bmf_side user, item;
    struct bmf_context context[REC_CONTEXTS];
    int32_t *user_of;          /* [nnz]; with contexts */
    int64_t *seen_time;        /* [nnz] times of each user's ratings, ascending */
    float *scratch;            /* [threads, scratch_size] */
    size_t scratch_size;
    void *owned[64];
    size_t n_owned;
};

/** Zeroed memory that rec_bmf_clear frees. */
void *rec_bmf_own(struct bmf *b, size_t n, size_t size, struct rec_err *err);
void rec_bmf_clear(struct bmf *b);

/** Bins of the contexts and each rating's; `bins` [REC_CONTEXTS] at most so many. Nothing when ratings have no times. */
int rec_bmf_contexts(struct bmf *b, const size_t *bins, struct rec_err *err);

/** The coming draw's stream of random numbers for a row. */
void rec_bmf_rng(struct rec_rng *rng, const struct bmf *b, size_t row);
/** Gamma with this shape and rate. */
double rec_bmf_gamma(struct rec_rng *rng, double shape, double rate);

/** Draws sets and own parts of a side, then the priors of both. */
int rec_bmf_draw_side(struct bmf *b, struct bmf_side *side, const struct bmf_side *other, struct rec_err *err);
/** Draws the vectors of a context's bins, and their prior. */
int rec_bmf_draw_context(struct bmf *b, struct bmf_context *context, struct rec_err *err);
/** Computes x of a side from its parts. */
int rec_bmf_sum(struct bmf *b, struct bmf_side *side, struct rec_err *err);
/** Computes `around` from the contexts. */
int rec_bmf_surround(struct bmf *b, struct rec_err *err);
/** Computes the errors, and draws mean, precision and the rows' weights. Returns the root mean square error, -1 on failure. */
double rec_bmf_draw_noise(struct bmf *b, struct rec_err *err);

#endif
