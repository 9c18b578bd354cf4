/* SPDX-License-Identifier: MIT
 *
 * Made-up ratings: exactly as many as asked for, also where a user has to rate all there is; the same for any number of threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/synth.h>

static struct rec_err err;

static void check_rows(const struct rec_ratings *r, const struct rec_synth_options *o)
{
    assert_int_equal(r->nnz, o->n_ratings);
    assert_int_equal(r->n_users, o->n_users);
    for (size_t u = 0; u < r->n_users; u++) {
        assert_true(r->user_ptr[u + 1] > r->user_ptr[u]);
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
            assert_in_range(r->item[p], 0, r->n_items - 1);
            assert_true(p == r->user_ptr[u] || r->item[p] > r->item[p - 1]);
            assert_true(r->value[p] >= 0.5f && r->value[p] <= 5 && r->value[p] * 2 == (float)(int)(r->value[p] * 2));
            assert_true(r->time[p] >= o->since && r->time[p] <= o->until);
        }
    }
}

static void sizes(void **state)
{
    static const size_t cases[][4] = {{1, 1, 1, 1}, {1, 1, 1, 256}, {7, 1, 7, 3}, {100, 64, 2500, 8}, {100, 65, 100, 1},
                                      {3, 5000, 600, 2}};
    struct rec_synth_options o;
    struct rec_ratings r;

    (void)state;
    rec_synth_defaults(&o);
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        struct rec_synth_film films[5000];

        /* old films, so that all can be rated */
        for (size_t k = 0; k < cases[i][1]; k++) {
            static const char digits[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
            static char id[5000][3];

            id[k][0] = digits[k / 4096 % 64];
            id[k][1] = digits[k / 64 % 64];
            id[k][2] = digits[k % 64];
            films[k] = (struct rec_synth_film){.id = id[k], .id_len = 3, .year = 1950, .genres = k % 3};
        }
        o.n_users = cases[i][0];
        o.n_items = cases[i][1];
        o.n_ratings = cases[i][2];
        o.factors = cases[i][3];
        o.films = films;
        assert_int_equal(rec_synth_ratings(&r, &o, &err), 0);
        check_rows(&r, &o);
        rec_ratings_clear(&r);
        o.n_ratings = o.n_users * o.n_items; /* everybody, everything */
        if (o.n_ratings < 10000) {
            assert_int_equal(rec_synth_ratings(&r, &o, &err), 0);
            check_rows(&r, &o);
            rec_ratings_clear(&r);
        }
        o.n_ratings = o.n_users * o.n_items + 1;
        assert_int_equal(rec_synth_ratings(&r, &o, &err), -1);
    }
}

static void threads(void **state)
{
    struct rec_synth_options o;
    struct rec_ratings a, b;

    (void)state;
    rec_synth_defaults(&o);
    assert_int_equal(rec_synth_ratings(&a, &o, &err), 0);
    check_rows(&a, &o);
    o.threads = 7;
    assert_int_equal(rec_synth_ratings(&b, &o, &err), 0);
    assert_memory_equal(a.item, b.item, a.nnz * sizeof *a.item);
    assert_memory_equal(a.value, b.value, a.nnz * sizeof *a.value);
    assert_memory_equal(a.time, b.time, a.nnz * sizeof *a.time);
    rec_ratings_clear(&a);
    rec_ratings_clear(&b);
}

static void refused(void **state)
{
    struct rec_synth_options good, o;
    struct rec_ratings r;

    (void)state;
    rec_synth_defaults(&good);
    o = good, o.n_users = 0;
    assert_int_equal(rec_synth_ratings(&r, &o, &err), -1);
    o = good, o.n_items = (size_t)1 << 31;
    assert_int_equal(rec_synth_ratings(&r, &o, &err), -1);
    o = good, o.factors = 257;
    assert_int_equal(rec_synth_ratings(&r, &o, &err), -1);
    o = good, o.since = o.until;
    assert_int_equal(rec_synth_ratings(&r, &o, &err), -1);
    o = good, o.since = INT64_MIN;
    assert_int_equal(rec_synth_ratings(&r, &o, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sizes), cmocka_unit_test(threads), cmocka_unit_test(refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
