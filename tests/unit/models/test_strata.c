/* SPDX-License-Identifier: MIT
 *
 * The grid of blocks: every rating in one of them, no two of a stratum in each other's way; and SVD++'s factors of histories.
 */
#include "../../../lib/models/svdpp_priv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { USERS = 700, ITEMS = 90 };

struct sample {
    struct rec_ratings r;
    int64_t ptr[USERS + 1];
    int32_t item[USERS * ITEMS];
    float value[USERS * ITEMS];
};

/* User 3 and item 5 have no ratings; the value tells whose it is. */
static struct sample *sample(size_t users, double chance)
{
    struct sample *s = calloc(1, sizeof *s);
    struct rec_rng rng;

    rec_rng_seed(&rng, 11, 0);
    s->r = (struct rec_ratings){.n_users = users, .n_items = ITEMS, .user_ptr = s->ptr, .item = s->item, .value = s->value};
    for (size_t u = 0; u < users; u++) {
        for (size_t i = 0; u != 3 && i < ITEMS; i++)
            if (i != 5 && rec_rng_uniform(&rng) < chance) {
                s->item[s->r.nnz] = (int32_t)i;
                s->value[s->r.nnz++] = (float)(u * ITEMS + i);
            }
        s->ptr[u + 1] = (int64_t)s->r.nnz;
    }
    return s;
}

static void blocks_hold_every_rating_once(void **state)
{
    struct sample *in = sample(USERS, 0.9);
    struct rec_strata s;
    struct rec_err err = {0};
    size_t found = 0;

    (void)state;
    assert_int_equal(rec_strata_init(&s, &in->r, true, 7, 2, 64, 1, 2, &err), 0);
    assert_true(s.user.groups > 1 && s.item.groups >= s.user.groups);
    for (size_t u = 0; u < s.user.groups; u++)
        for (size_t i = 0; i < s.item.groups; i++) {
            size_t b = rec_strata_block(&s, u, i), at = s.begin[b];
            for (size_t r = s.run_begin[b]; r < s.run_begin[b + 1]; r++) {
                size_t row = (size_t)s.run[r].user;
                assert_true(row >= s.user.begin[u] && row < s.user.begin[u + 1]);
                for (int32_t j = 0; j < s.run[r].n; j++, at++, found++) {
                    size_t col = (size_t)s.item_row[at];
                    assert_true(col >= s.item.begin[i] && col < s.item.begin[i + 1]);
                    assert_true(s.value[at] == (float)((s.user.number[row] * ITEMS + s.item.number[col] - 7) * 0.5));
                }
            }
            assert_int_equal(at, s.begin[b + 1]);
        }
    assert_int_equal(found, in->r.nnz);
    for (size_t u = 0; u < USERS; u++)
        assert_int_equal(s.user.number[s.user.row[u]], u);
    /* Groups have about as many ratings. */
    for (size_t b = 0; b < s.user.groups * s.item.groups; b++)
        assert_true((double)(s.begin[b + 1] - s.begin[b]) < 2.0 * (double)in->r.nnz / (double)(s.user.groups * s.item.groups));
    rec_strata_clear(&s);
    free(in);
}

static int note_block(void *context, const struct rec_strata *s, size_t u, size_t i, unsigned thread, double *loss, struct rec_err *err)
{
    int *times = context;

    times[rec_strata_block(s, u, i)]++;
    *loss += (double)(u + i);
    (void)thread, (void)err;
    return 0;
}

static void a_pass_visits_each_block_once(void **state)
{
    struct sample *in = sample(USERS, 0.9);
    struct rec_strata s;
    struct rec_err err = {0};
    int times[64 * 64] = {0};
    double loss, want = 0;

    (void)state;
    assert_int_equal(rec_strata_init(&s, &in->r, false, 0, 1, 64, 1, 2, &err), 0);
    assert_null(s.value);
    assert_int_equal(rec_strata_run(&s, 3, 1, 4, note_block, times, &loss, &err), 0);
    for (size_t u = 0; u < s.user.groups; u++)
        for (size_t i = 0; i < s.item.groups; i++) {
            assert_int_equal(times[rec_strata_block(&s, u, i)], 1);
            want += (double)(u + i);
        }
    assert_true(loss == want);
    rec_strata_clear(&s);
    free(in);
}

/* After many steps h is where the gradient of sum w |x - A h|^2 + sum v |h|^2 is 0: A' W own = v h, with own = x - A h. */
static void histories_explain_what_they_can(void **state)
{
    struct sample *in = sample(60, 0.2);
    struct rec_strata s;
    struct rec_svdpp h;
    struct rec_err err = {0};
    struct rec_sgd_row user[60] = {0}, item[ITEMS] = {0};
    float *own, before[60 * 16];
    void *memory;

    (void)state;
    assert_int_equal(rec_strata_init(&s, &in->r, false, 0, 1, 16, 1, 2, &err), 0);
    own = rec_strata_floats(&memory, 60, 16, "test", &err);
    for (size_t k = 0; k < 60 * 16; k++)
        before[k] = own[k] = (float)sin((double)k);
    for (size_t k = 0; k < 60; k++)
        user[k].penalty = 0.1F;
    for (size_t k = 0; k < ITEMS; k++)
        item[k].penalty = 0.05F;
    assert_int_equal(rec_svdpp_init(&h, &in->r, &s, user, item, 16, 2, &err), 0);
    assert_int_equal(rec_svdpp_fit(&h, own, 200, &err), 0);
    for (size_t k = 0; k < 60 * 16; k++)
        assert_true(fabs((double)(own[k] + h.m[k] - before[k])) < 1e-4);
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t k = 0; k < 16; k++) {
            double sum = 0, n = 0;
            for (size_t u = 0; u < 60; u++)
                for (int64_t p = in->ptr[u]; p < in->ptr[u + 1]; p++)
                    if (in->item[p] == (int32_t)i) {
                        double length = (double)(in->ptr[u + 1] - in->ptr[u]);
                        sum += 0.1 * length / sqrt(length) * (double)own[(size_t)s.user.row[u] * 16 + k];
                        n++;
                    }
            assert_true(fabs(sum - 0.05 * n * (double)h.y[(size_t)s.item.row[i] * 16 + k]) < 1e-3);
        }
    rec_svdpp_clear(&h);
    rec_strata_clear(&s);
    free(memory);
    free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_hold_every_rating_once),
        cmocka_unit_test(a_pass_visits_each_block_once),
        cmocka_unit_test(histories_explain_what_they_can),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
