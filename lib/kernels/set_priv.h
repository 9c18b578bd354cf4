/* SPDX-License-Identifier: MIT
 *
 * A kernel set: every function that is compiled once per CPU. Their meaning is that of the public ones.
 */
#ifndef REC_SET_PRIV_H
#define REC_SET_PRIV_H

#include <rec/kernels.h>

/* Rows of a panel of normal equations. */
enum { DEPTH = 64 };

struct topk_list;

/* A user in bytes (screen.c). */
struct screen_query {
    const int32_t *word;          /* four bytes each */
    int32_t shift;                /* what the 128 in each byte of the items adds to a sum */
    float step, length, rest, more; /* t, |t p|, |d| and rounding, what is the same for all items */
};

struct rec_set {
    const char *name;
    const struct rec_set *narrow; /* the set with vectors of half the width, or NULL */
    size_t width;                 /* floats in a vector */
    float (*dot)(const float *a, const float *b, size_t f);
    void (*axpy)(float *y, float a, const float *x, size_t f);
    void (*gemv)(float *y, const float *a, size_t f, size_t ld, const int32_t *idx, size_t n, const float *x,
                 const float *bias);
    size_t (*scan)(struct rec_topk_hit *out, size_t k, const float *score, size_t n,
                   const struct rec_topk_seen *seen, const uint8_t *allowed);
    void (*pack)(float *data, const float *v, size_t n, size_t f, size_t ld, const float *bias);
    void (*score)(float *c, size_t ldc, const struct rec_topk_panels *p, size_t from, size_t to, const float *u,
                  size_t ldu, size_t m, float *scratch);
    void (*tile)(struct rec_topk_hit *out, size_t *count, size_t k, const struct rec_topk_panels *p, const float *u,
                 size_t ldu, size_t m, const struct rec_topk_seen *seen, const uint8_t *allowed, float *scratch);
    void (*screen)(float *high, struct topk_list *list, float threshold, const struct rec_screen *s, const struct screen_query *q); /* or NULL */
    size_t (*reach)(int32_t *item, size_t room, const float *high, size_t n, float least); /* or NULL */
    void (*normal)(float *a, float *b, const struct rec_ridge_rows *r, const float *base, size_t base_ld,
                   const float *diag, float *scratch);
    int (*spd)(float *a, size_t ld, float *b, size_t f);
    int (*dual)(float *x, const struct rec_ridge_rows *r, const float *d, float *scratch);
    void (*apply)(float *out, const struct rec_ridge_rows *r, const float *d, const float *p);
    void (*cg)(float *x, const struct rec_ridge_rows *r, const float *d, int steps, int jacobi, float *scratch);
    void (*sgd_refresh)(struct rec_sgd_row *row, size_t n, float rate, float horizon);
    double (*sgd)(const struct rec_sgd_block *b);
    double (*sgd_pairs)(const struct rec_sgd_block *b);
};

/* The table of the kernels as this file's flags compile them. */
#define REC_SET(name, narrow)                                                                                                 \
    {                                                                                                              \
        name, narrow, VW, dot, axpy, gemv, scan, pack, score, tile, SCREEN, REACH, normal, spd, dual, apply, cg,                   \
            sgd_refresh, sgd, sgd_pairs                                                                                              \
    }

extern const struct rec_set rec_set_plain;
#ifdef __x86_64__
extern const struct rec_set rec_set_avx2, rec_set_avx512;
#endif

/* The set in use (kernels.c). */
const struct rec_set *rec_kernels_set(void);

/* The same for an n x n matrix: one that would leave half of a wide vector idle, and is small, is quicker narrow. */
const struct rec_set *rec_kernels_set_for(size_t n);

#endif
