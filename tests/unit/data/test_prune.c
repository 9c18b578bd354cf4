/* SPDX-License-Identifier: MIT
 *
 * The core against a naive implementation, which goes round until nothing changes; ids that nobody needs.
 */
#include <rec/data.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "random.h"

static struct rec_err err;

static bool too_few(const struct matrix *m, int who, bool item, size_t least)
{
    size_t n = 0;

    for (int other = 0; other < LETTERS; other++)
        n += item ? m->cell[other][who].there : m->cell[who][other].there;
    return n > 0 && n < least;
}

static void naive(struct matrix *m, size_t users, size_t items)
{
    bool changed = true;

    while (changed) {
        changed = false;
        for (int who = 0; who < LETTERS; who++)
            for (int item = 0; item < 2; item++) {
                if (!too_few(m, who, item, item ? items : users))
                    continue;
                changed = true;
                for (int other = 0; other < LETTERS; other++)
                    (item ? &m->cell[other][who] : &m->cell[who][other])->there = false;
            }
    }
}

static void test_core(void **state)
{
    size_t left = 0, lost = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rec_ratings r = random_ratings(seed, 0.1 + 0.002 * (double)seed, seed % 2);
        size_t users = 1 + seed % 6, items = 1 + seed / 6 % 6, before = r.nnz;
        struct matrix want, got;

        matrix_of(&want, &r);
        naive(&want, users, items);
        assert_int_equal(rec_prune_core(&r, users, items, &err), 0);
        matrix_of(&got, &r);
        same_matrix(&want, &got);
        assert_int_equal(r.nnz, r.user_ptr[r.n_users]);
        left += r.nnz;
        lost += before - r.nnz;
        rec_ratings_clear(&r);
    }
    assert_true(left > 1000 && lost > 1000);
}

static void test_ids(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rec_ratings r = random_ratings(seed, 0.02 + 0.002 * (double)(seed % 40), true);
        uint8_t used[LETTERS] = {0};
        struct matrix want, got;
        size_t items = 0;

        matrix_of(&want, &r);
        assert_int_equal(rec_prune_ids(&r, &err), 0);
        matrix_of(&got, &r);
        same_matrix(&want, &got);
        assert_int_equal(r.n_users, r.users.n);
        for (size_t u = 0; u < r.n_users; u++)
            assert_true(r.user_ptr[u] < r.user_ptr[u + 1]);
        for (size_t p = 0; p < r.nnz; p++)
            items += !used[r.item[p]]++;
        assert_int_equal(r.n_items, items);
        rec_ratings_clear(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_core), cmocka_unit_test(test_ids)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
