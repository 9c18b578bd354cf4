/* SPDX-License-Identifier: MIT */
#ifndef REC_KERNELS_H
#define REC_KERNELS_H

/*
 * kernels: the arithmetic that training and scoring spend their time in, written for each CPU.
 *
 *   rec_kernels_*   which kernels run; inner products and matrix-vector products
 *   rec_topk_*      the k best items: of one vector of scores, or of a tile of users against all items
 *   rec_screen_*    which items can be among the k best of one user, by a pass over a quarter of the memory
 *   rec_ridge_*     the small regularized least-squares problem that alternating least squares solves for
 *                   every user and item: normal equations, Cholesky, the dual form, conjugate gradients
 *   rec_kernels_sgd* steps of stochastic gradient descent over a block of ratings, or of pairs of items
 *
 * Example: the ten best items of each of 64 users, leaving out what they have seen.
 *
 *      struct rec_topk_panels p;
 *      void *mem = malloc(rec_topk_panels_size(items, f));
 *      rec_topk_pack(&p, mem, item_factors, items, f, f, NULL);                     // once
 *
 *      void *scratch = malloc(rec_topk_tile_scratch(64, f));                        // one per thread
 *      struct rec_topk_hit hit[64 * 10];
 *      size_t count[64];
 *      struct rec_topk_seen seen[64];
 *      for (size_t i = 0; i < 64; i++)
 *              seen[i] = (struct rec_topk_seen){item + ptr[u + i], (size_t)(ptr[u + i + 1] - ptr[u + i])};
 *      rec_topk_tile(hit, count, 10, &p, user_factors + u * f, f, 64, seen, NULL, scratch);
 *      // user u+i: hit[i * 10 + 0] is the best, hit[i * 10 + count[i] - 1] the last
 *
 * Example: one user's factors in implicit ALS (Hu, Koren and Volinsky 2008), the item factors rotated so that
 * their Gramian is diag(e): minimise sum_j (1 + a r_j)(1 - x.v_j)^2 over the seen + x'diag(e)x + lambda |x|^2.
 *
 *      for (k = 0; k < f; k++) d[k] = e[k] + lambda;
 *      for (j = 0; j < n; j++) w[j] = a * r[j], c[j] = 1 + a * r[j];
 *      struct rec_ridge_rows rows = {.v = item_factors, .ld = f, .f = f, .idx = item, .n = n, .w = w, .c = c,
 *                                     .ahead = number of items of the next user, if they follow in memory};
 *      rec_ridge_solve(x, &rows, d, REC_RIDGE_BEST, scratch);
 *
 * Rules for all of them
 *   Shapes.       Matrices are row-major. f is any length from 1 up (meant for 1..2048); ld, the number of floats
 *                 from one row to the next, is at least the row's length, so columns of a wider matrix will do.
 *   Alignment.    4 bytes, whatever the pointer: factors come from mapped files. Nothing is read past the end.
 *                 Scratch too may be aligned anyhow; its contents do not matter before or after.
 *   Aliasing.     Outputs overlap no input, but where said.
 *   Threads.      Every function may run in many threads at once, each with its own outputs and scratch;
 *                 only rec_kernels_use() must run alone.
 *   Determinism.  For one kernel set the same numbers give the same bytes, however aligned, in whatever thread.
 *                 Different sets add in different orders and agree to rounding.
 *   Errors.       Functions that can fail return 0 or -1. Sizes are trusted: check what came from a file before.
 *   Not a number. Nothing is looked for; NaN and infinity travel as IEEE 754 says. In rankings NaN never wins.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* -- which kernels run --------------------------------------------------------------------------- */

/**
 * The set in use: "plain" (C that any CPU runs), "avx2" (AVX2 and FMA) or "avx512" (F, BW, DQ, VL). The first use of any
 * kernel picks the last of these that the CPU and the operating system allow.
 */
const char *rec_kernels_name(void);

/**
 * Use the set called `name`, or the best one again where `name` is NULL: for tests and comparisons.
 * Returns 0, or -1 where there is no such set or this CPU cannot run it; then nothing changes.
 * Not while another thread is inside a kernel.
 */
int rec_kernels_use(const char *name);

/** The name of the i-th set this CPU can run, slowest first; NULL past the last. */
const char *rec_kernels_list(size_t i);

/* -- vectors and matrix-vector products ---------------------------------------------------------- */

/** a . b, both of length f. */
float rec_kernels_dot(const float *a, const float *b, size_t f);

/** y += a * x, both of length f. */
void rec_kernels_axpy(float *y, float a, const float *x, size_t f);

/**
 * y[i] = A[i] . x + bias[i] for i < rows: one user scored against all items.
 * A: rows x f, stride ld. x: f. bias: rows, or NULL for none; it may be y itself, to add to what is there.
 * A row's result depends on the row alone, not on where it stands.
 */
void rec_kernels_gemv(float *y, const float *a, size_t rows, size_t f, size_t ld, const float *x, const float *bias);

/**
 * y[j] = A[idx[j]] . x + bias[j] for j < n: the same over chosen rows (y and bias go by j, not by idx[j]).
 * Equal, row for row, to rec_kernels_gemv().
 */
void rec_kernels_gemv_rows(float *y, const float *a, size_t f, size_t ld, const int32_t *idx, size_t n,
                           const float *x, const float *bias);

/* -- the k best items ---------------------------------------------------------------------------- */

/*
 * One order for all rankings: the higher score first; equal scores (0 and -0 are equal), the lower item. An item whose
 * score is NaN or -infinity is never listed: a bias of -infinity bars an item for everyone.
 */
struct rec_topk_hit {
    int32_t item;
    float score;
};

/* Items not to be listed for one user: n of them, ascending. Duplicates are harmless. */
struct rec_topk_seen {
    const int32_t *item;
    size_t n;
};

/**
 * The k best of n scores (n < 2^31), best first, into out[k].
 * seen: or NULL. allowed: n bytes, an item with 0 is not listed; or NULL.
 * Returns how many there are: k, or fewer where fewer qualify. k may be 0, or more than n. out may be larger
 * than needed, never smaller than min(k, n).
 */
size_t rec_topk_scan(struct rec_topk_hit *out, size_t k, const float *score, size_t n,
                     const struct rec_topk_seen *seen, const uint8_t *allowed);

/*
 * Item factors laid out for scoring by blocks. The fields are private. The memory is the caller's, and nothing else
 * points to it: free it when done. A packed matrix stays with the kernel set it was packed for.
 */
struct rec_topk_panels {
    const void *set;
    float *data;
    size_t n, f;
};

/** Bytes that rec_topk_pack() needs for n items of f factors: about 4 n (f + 1). 0 where that overflows. */
size_t rec_topk_panels_size(size_t n, size_t f);

/**
 * Lay out V (n x f, stride ld) in mem (rec_topk_panels_size() bytes), with one bias per item added to every score of it
 * (bias: n, or NULL).
 */
void rec_topk_pack(struct rec_topk_panels *p, void *mem, const float *v, size_t n, size_t f, size_t ld,
                   const float *bias);

/** Bytes of scratch for rec_topk_score() and rec_topk_tile() on tiles of up to m users, f factors. */
size_t rec_topk_tile_scratch(size_t m, size_t f);

/**
 * C[i][j - from] = U[i] . V[j] + bias[j] for i < m and from <= j < to: a block of scores.
 * C: m x (to - from), stride ldc. U: m x f, stride ldu. The blocks of one row join without a seam: a score does not
 * depend on from, to, m or i.
 */
void rec_topk_score(float *c, size_t ldc, const struct rec_topk_panels *p, size_t from, size_t to,
                    const float *u, size_t ldu, size_t m, void *scratch);

/**
 * The k best items of each of m users: scores a tile of users against all items, a block of registers at a time, and
 * looks only at scores that beat the user's k-th so far; the matrix of scores is never written.
 * out: m x k hits, user i's list at out + i * k; count: m, how long each list is. u: m x f, stride ldu.
 * seen: one list per user, or NULL. allowed: one byte per item, 0 leaves it out for all users; or NULL.
 * Threads share the panels and take tiles of users; 64 to 256 users make a good tile.
 */
void rec_topk_tile(struct rec_topk_hit *out, size_t *count, size_t k, const struct rec_topk_panels *p,
                   const float *u, size_t ldu, size_t m, const struct rec_topk_seen *seen, const uint8_t *allowed,
                   void *scratch);

/* -- screening ----------------------------------------------------------------------------------- */

/*
 * Item factors in bytes, to find in one pass the few items that have to be scored: all of the k best of rec_kernels_gemv() and rec_topk_scan() are among
 * them, and all that are as good as the last of those. The fields are private; the memory is the caller's.
 *
 *      struct rec_screen s;
 *      void *mem = malloc(rec_screen_size(items, f));                               // once
 *      if (rec_screen_pack(&s, mem, item_factors, items, f, f, NULL)) {
 *              n = rec_screen_find(item, room, hit, 10, &s, x, &seen, NULL, scratch);
 *              if (n >= 0)
 *                      rec_kernels_gemv_rows(score, item_factors, f, f, item, n, x, NULL), m = rec_topk_scan(hit, 10, score, n, NULL, NULL);
 */
struct rec_screen {
    const void *set;
    const uint8_t *data;
    const float *scale, *error, *norm, *bias;
    float most_bias;
    size_t n, f;
};

/** Bytes of memory for n items of f factors, about n (f + 16); 0: the kernels in use have no such pass, or f is more than 1024. */
size_t rec_screen_size(size_t n, size_t f);

/** Lay out V (n x f, stride ld) and the biases (n, or NULL) in mem. False: some of them are not finite, or out of any range; then do without. */
bool rec_screen_pack(struct rec_screen *s, void *mem, const float *v, size_t n, size_t f, size_t ld, const float *bias);

/** Bytes of scratch for rec_screen_find(). */
size_t rec_screen_scratch(size_t n, size_t f);

/**
 * Items that can be among the k best of user x (f factors), ascending, into candidate[room]; without those of `seen` and those not `allowed`, as
 * rec_topk_scan() takes them. hit: room for k, which holds nothing of meaning afterwards.
 * Returns how many, at least k; or -1, when all have to be scored: more than `room` can be (those of `seen` counted), there are fewer than k, x is out of range.
 */
ptrdiff_t rec_screen_find(int32_t *candidate, size_t room, struct rec_topk_hit *hit, size_t k, const struct rec_screen *s, const float *x,
                          const struct rec_topk_seen *seen, const uint8_t *allowed, void *scratch);

/* -- least squares for one row ------------------------------------------------------------------- */

/*
 * The rows that one problem is made of: v_j = row idx[j] of V, its weight w_j >= 0 and its share c_j of the right-hand
 * side. With a base matrix B and a diagonal D,
 *
 *      A = B + D + sum_j w_j v_j v_j'        b = sum_j c_j v_j        solve A x = b.
 *
 * Implicit ALS (Hu et al. 2008): w = alpha r, c = 1 + alpha r, B = V'V, D = lambda. Explicit ALS: w = 1, c = r, B = 0,
 * D = lambda n. Coordinate blocks of iALS++ (Rendle et al. 2021): v and f narrowed to the block's columns.
 */
struct rec_ridge_rows {
    const float *v;     /* V's first row (and first column, of a block of columns) */
    size_t ld;          /* floats from row to row of V */
    size_t f;           /* columns in use */
    const int32_t *idx; /* n row numbers, any order, duplicates allowed */
    size_t n;           /* 0 is fine */
    const float *w;     /* n weights, or NULL: all 1 */
    const float *c;     /* n right-hand sides, or NULL: all 0 */
    size_t ahead;       /* so many entries follow in idx, the rows of the next problem: their fetching is begun early.
                           It changes no result. In training it hides most of the time that memory takes. */
};

/** The stride of the f x f matrices below: f rounded up as the kernels like it. At most f + 31. */
size_t rec_ridge_ld(size_t f);

/** Bytes of scratch for rec_ridge_normal(). */
size_t rec_ridge_normal_scratch(size_t f);

/**
 * Normal equations. Writes A and b.
 * a: room for rec_ridge_ld(f) x rec_ridge_ld(f) floats. The upper triangle, a[i * ld + k] with i <= k < f, is A (to
 * LAPACK, which counts by columns, that is 'L'); the rest is undefined.
 * b: f floats; or NULL, when it is not wanted.
 * base: f x f, stride base_ld, of which the upper triangle is read; or NULL for 0. It may be shared by threads.
 * diag: f, added to the diagonal; or NULL for 0.
 */
void rec_ridge_normal(float *a, float *b, const struct rec_ridge_rows *r, const float *base, size_t base_ld,
                      const float *diag, void *scratch);

/**
 * Solve A x = b by Cholesky's method, A symmetric positive definite as rec_ridge_normal() lays it out
 * (stride rec_ridge_ld(f), upper triangle). b: f in, x out. A is overwritten.
 * Returns 0, or -1 where a pivot is not positive (or NaN); then b is undefined.
 */
int rec_ridge_spd(float *a, float *b, size_t f);

/* How rec_ridge_solve() works: the cheaper way, or, for tests, this one. */
enum rec_ridge_form {
    REC_RIDGE_BEST,
    REC_RIDGE_PRIMAL, /* f x f: about n f^2 + f^3 / 3 operations */
    REC_RIDGE_DUAL,   /* n x n: about n^2 f + n^3 / 3; only for n <= f, primal otherwise */
};

/** Bytes of scratch for rec_ridge_solve(), any n and form. */
size_t rec_ridge_solve_scratch(size_t f);

/**
 * x = (diag(d) + sum_j w_j v_j v_j')^-1 sum_j c_j v_j, exactly (to rounding).
 * x: f. d: f, all positive.
 * Rotate V to the eigenbasis of its Gramian and implicit ALS has this form; then a row with n < f, and most rows are
 * short, is solved in its n x n dual (the kernel trick of Takacs, Pilaszy and Tikk 2011). With
 * S = W^1/2 V D^-1/2, x = D^-1/2 S' (I + S S')^-1 W^-1/2 c: no differences are taken and no eigenvalue of
 * the matrix is below 1, so it is safe in float. A weight below 1e-20 counts as 1e-20 there.
 * Returns 0, or -1 where the system is not positive definite to working precision (then x is undefined).
 */
int rec_ridge_solve(float *x, const struct rec_ridge_rows *r, const float *d, enum rec_ridge_form form,
                    void *scratch);

/** out = d * p (by elements) + sum_j w_j (v_j . p) v_j: A times p, with c not used. out, d, p: f. */
void rec_ridge_apply(float *out, const struct rec_ridge_rows *r, const float *d, const float *p);

/** Bytes of scratch for rec_ridge_cg(), any n. */
size_t rec_ridge_cg_scratch(size_t f);

/**
 * Improve x by `steps` conjugate-gradient steps on the system of rec_ridge_solve() (Takacs et al. 2011; 3 steps
 * are usual), starting from x as it is: last pass's factors, or zeros. Stops early at the solution.
 * d: f, all positive. Each step reads each row once and costs 4 n f operations.
 * jacobi: not 0 divides by the diagonal of A (Jacobi's preconditioner), which costs half a step more.
 */
void rec_ridge_cg(float *x, const struct rec_ridge_rows *r, const float *d, int steps, int jacobi, void *scratch);

/* -- stochastic gradient descent ------------------------------------------------------------------ */

/* What is known of a user or an item beside its factors. Each has a rate of its own, which falls as its squared errors add up (AdaGrad; of the
 * kind that LIBMF uses, Chin et al. 2015, with one number for a row's factors). */
struct rec_sgd_row {
    float bias;
    float squares;        /* of its errors so far */
    float penalty;        /* of factors and of the bias, a rating: */
    float penalty_bias;
    float rate, keep, keep_bias, unused; /* set by the kernels */
};

/* n ratings of one user, which follow each other in the block's arrays. */
struct rec_sgd_run {
    int32_t user;
    int32_t n;
};

/*
 * A block: all ratings of some users and some items. Blocks without a user or an item in common may be worked on at once.
 * p, q, m: rows of ld floats; ld a multiple of 16, what is behind the last factor 0. The `spare` row of q and item_row are zeros, and stay so; each
 * thread must have one for itself. An item is not twice in a run.
 */
struct rec_sgd_block {
    const struct rec_sgd_run *run;
    size_t n_runs;
    const int32_t *item;
    const float *value;   /* of rec_kernels_sgd: less their mean, and about 1 in size */
    const int32_t *other; /* of rec_kernels_sgd_pairs: items that the user of the run did not choose */
    float *p, *q;
    const float *m;       /* added to a user's factors in every product, and not changed; or NULL */
    size_t ld, spare;
    struct rec_sgd_row *user_row, *item_row;
    float rate, horizon;  /* a row's rate: rate / sqrt(1 + squares * horizon) */
    float most;           /* errors beyond it count as if they were it */
};

/** Sets the rates of n rows from what they have seen: of items, before a block; users are seen to in their runs. */
void rec_kernels_sgd_refresh(struct rec_sgd_row *row, size_t n, float rate, float horizon);

/**
 * One step for every rating, in their order, four of a user at once: with e = value - bias of both - (p + m) q,
 *      q += rate_i (e (p + m) - penalty_i q),  p += rate_u (sum of e q - n penalty_u p),  biases likewise.
 * Penalties are taken implicitly, x / (1 + rate penalty), which no rate makes unstable. Returns the sum of e^2, before the steps.
 */
double rec_kernels_sgd(const struct rec_sgd_block *b);

/**
 * The same for the loss ln(1 + e^-x), x = p (q_item - q_other) + their biases' difference, one pair for each entry of the runs
 * (Rendle et al. 2009). Users have no bias; an item beside itself teaches nothing. Returns the sum of the losses, before the steps.
 */
double rec_kernels_sgd_pairs(const struct rec_sgd_block *b);

#endif
