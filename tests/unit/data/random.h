/* SPDX-License-Identifier: MIT
 *
 * Random ratings with id tables of their own: users and items are some of the numbers below 26, known as letters, so that files overlap and their
 * tables differ.
 */
#ifndef REC_TEST_RANDOM_H
#define REC_TEST_RANDOM_H

#include <rec/data.h>

#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

enum { LETTERS = 26 };

/* The letters that are drawn, in order, and which number each has. */
static inline void random_ids(struct rec_ids *ids, int32_t *number, struct rec_rng *rng)
{
    char *bytes = malloc(LETTERS);
    int64_t *offset = malloc((LETTERS + 1) * sizeof *offset);

    assert_true(bytes && offset);
    *ids = (struct rec_ids){bytes, offset, 0, {bytes, offset}};
    offset[0] = 0;
    for (int i = 0; i < LETTERS; i++) {
        number[i] = -1;
        if (rec_rng_below(rng, 3) == 0)
            continue;
        number[i] = (int32_t)ids->n;
        bytes[ids->n++] = (char)('a' + i);
        offset[ids->n] = (int64_t)ids->n;
    }
}

/* About `density` of all pairs; few values and times, so that equal ones meet. */
static inline struct rec_ratings random_ratings(uint64_t seed, double density, bool timed)
{
    int32_t users[LETTERS], items[LETTERS];
    struct rec_ratings r = {0};
    struct rec_rng rng;
    int64_t *ptr, *time;
    int32_t *item;
    float *value;

    rec_rng_seed(&rng, seed, 0);
    random_ids(&r.users, users, &rng);
    random_ids(&r.items, items, &rng);
    r.n_users = r.users.n;
    r.n_items = r.items.n;
    r.user_ptr = r.owned[0] = ptr = calloc(r.n_users + 1, sizeof *ptr);
    r.item = r.owned[1] = item = malloc(LETTERS * LETTERS * sizeof *item);
    r.value = r.owned[2] = value = malloc(LETTERS * LETTERS * sizeof *value);
    r.owned[3] = time = malloc(LETTERS * LETTERS * sizeof *time);
    assert_true(ptr && item && value && time);
    r.time = timed ? time : NULL;
    for (size_t u = 0; u < r.n_users; u++) {
        for (size_t i = 0; i < r.n_items; i++) {
            if (rec_rng_uniform(&rng) >= density)
                continue;
            item[r.nnz] = (int32_t)i;
            value[r.nnz] = (float)(1 + rec_rng_below(&rng, 5));
            time[r.nnz++] = (int64_t)rec_rng_below(&rng, 6) - 1;
        }
        ptr[u + 1] = (int64_t)r.nnz;
    }
    r.file.name = "random.rec";
    return r;
}

/* A set of ratings as a matrix: what a naive implementation works on. */
struct matrix {
    struct {
        bool there;
        float value;
        int64_t time;
    } cell[LETTERS][LETTERS];
};

static inline int letter(const struct rec_ids *ids, size_t i)
{
    size_t len;
    return *rec_ids_get(ids, i, &len) - 'a';
}

static inline void matrix_of(struct matrix *m, const struct rec_ratings *r)
{
    memset(m, 0, sizeof *m);
    for (size_t u = 0; u < r->n_users; u++)
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
            int a = letter(&r->users, u), b = letter(&r->items, (size_t)r->item[p]);
            m->cell[a][b].there = true;
            m->cell[a][b].value = r->value[p];
            m->cell[a][b].time = r->time ? r->time[p] : 0;
        }
}

static inline void same_matrix(const struct matrix *a, const struct matrix *b)
{
    for (int u = 0; u < LETTERS; u++)
        for (int i = 0; i < LETTERS; i++) {
            assert_int_equal(a->cell[u][i].there, b->cell[u][i].there);
            if (a->cell[u][i].there)
                assert_true(a->cell[u][i].value == b->cell[u][i].value && a->cell[u][i].time == b->cell[u][i].time);
        }
}

#endif
