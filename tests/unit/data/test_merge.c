/* SPDX-License-Identifier: MIT
 *
 * Merging random files against a naive implementation, which keeps all pairs in a matrix; and what must not matter: order, threads.
 */
#include <rec/data.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "random.h"

enum { FILES = 4, ROUNDS = 60 };

static struct rec_err err;

/* What DESIGN says of duplicates, cell by cell. */
static void naive(struct matrix *out, const struct rec_ratings *in, size_t n, const struct rec_merge_options *o)
{
    memset(out, 0, sizeof *out);
    for (size_t k = 0; k < n; k++) {
        struct matrix m;
        matrix_of(&m, &in[k]);
        for (int u = 0; u < LETTERS; u++)
            for (int i = 0; i < LETTERS; i++) {
                int64_t t = m.cell[u][i].time;
                if (!m.cell[u][i].there || (o->has_since && t < o->since) || (o->has_until && t >= o->until))
                    continue;
                if (!out->cell[u][i].there || t > out->cell[u][i].time ||
                    (t == out->cell[u][i].time && m.cell[u][i].value > out->cell[u][i].value))
                    out->cell[u][i] = m.cell[u][i];
            }
    }
    for (int u = 0; u < LETTERS; u++)
        for (int i = 0; i < LETTERS; i++) {
            if (o->keep && !rec_filter_keeps(o->keep, out->cell[u][i].value))
                out->cell[u][i].there = false;
            if (o->binarize)
                out->cell[u][i].value = 1;
            if (o->drop_times)
                out->cell[u][i].time = 0;
        }
}

static void ascending(const struct rec_ratings *r)
{
    assert_int_equal(r->user_ptr[0], 0);
    assert_int_equal(r->user_ptr[r->n_users], r->nnz);
    for (size_t u = 0; u < r->n_users; u++)
        for (int64_t p = r->user_ptr[u] + 1; p < r->user_ptr[u + 1]; p++)
            assert_true(r->item[p - 1] < r->item[p]);
}

static void equal(const struct rec_ratings *a, const struct rec_ratings *b)
{
    assert_int_equal(a->nnz, b->nnz);
    assert_int_equal(a->n_users, b->n_users);
    assert_memory_equal(a->user_ptr, b->user_ptr, (a->n_users + 1) * sizeof *a->user_ptr);
    assert_memory_equal(a->item, b->item, a->nnz * sizeof *a->item);
    assert_memory_equal(a->value, b->value, a->nnz * sizeof *a->value);
    assert_true(!a->time == !b->time);
    if (a->time)
        assert_memory_equal(a->time, b->time, a->nnz * sizeof *a->time);
}

static void one_round(uint64_t seed, bool timed, struct rec_merge_options o)
{
    struct rec_ratings in[FILES], out, other;
    const struct rec_ratings *order[FILES], *reverse[FILES];
    size_t n = 1 + seed % FILES;
    struct matrix want, got;

    for (size_t k = 0; k < n; k++) {
        in[k] = random_ratings(seed * FILES + k, 0.3, timed);
        order[k] = reverse[n - 1 - k] = &in[k];
    }
    o.threads = 1;
    assert_int_equal(rec_merge_ratings(&out, order, n, &o, &err), 0);
    ascending(&out);
    naive(&want, in, n, &o);
    matrix_of(&got, &out);
    same_matrix(&want, &got);
    o.threads = 4;
    assert_int_equal(rec_merge_ratings(&other, reverse, n, &o, &err), 0);
    equal(&out, &other);
    rec_ratings_clear(&out);
    rec_ratings_clear(&other);
    for (size_t k = 0; k < n; k++)
        rec_ratings_clear(&in[k]);
}

static void test_naive(void **state)
{
    struct rec_filter keep = {.op = REC_FILTER_GE, .bound = 3};

    (void)state;
    for (uint64_t seed = 0; seed < ROUNDS; seed++) {
        one_round(seed, true, (struct rec_merge_options){.sample = 1});
        one_round(seed, false, (struct rec_merge_options){.sample = 1});
        one_round(seed, true, (struct rec_merge_options){.sample = 1, .keep = &keep, .binarize = true, .drop_times = true});
        one_round(seed, true, (struct rec_merge_options){.sample = 1, .has_since = true, .since = 1, .has_until = true, .until = 4});
    }
}

/* A sample does not hang on the other ratings: sampling each file and merging is merging and sampling. */
static void test_sample(void **state)
{
    struct rec_merge_options all = {.sample = 1, .threads = 1}, some = {.sample = 0.5, .seed = 7, .threads = 2};

    (void)state;
    for (int unit = REC_MERGE_RATINGS; unit <= REC_MERGE_ITEMS; unit++) {
        size_t kept = 0, there = 0;
        some.sample_by = (enum rec_merge_unit)unit;
        for (uint64_t seed = 0; seed < ROUNDS; seed++) {
            struct rec_ratings a = random_ratings(seed, 0.3, true), b = random_ratings(seed + 1000, 0.3, true), sa, sb, first, last, both;
            const struct rec_ratings *in[] = {&a, &b}, *sampled[] = {&sa, &sb}, *merged[] = {&both};
            struct matrix one, other;

            assert_int_equal(rec_merge_ratings(&both, in, 2, &all, &err), 0);
            assert_int_equal(rec_merge_ratings(&first, merged, 1, &some, &err), 0);
            assert_int_equal(rec_merge_ratings(&sa, in, 1, &some, &err), 0);
            assert_int_equal(rec_merge_ratings(&sb, in + 1, 1, &some, &err), 0);
            assert_int_equal(rec_merge_ratings(&last, sampled, 2, &all, &err), 0);
            matrix_of(&one, &first);
            matrix_of(&other, &last);
            same_matrix(&one, &other);
            kept += first.nnz;
            there += both.nnz;
            rec_ratings_clear(&first);
            rec_ratings_clear(&last);
            rec_ratings_clear(&sa);
            rec_ratings_clear(&sb);
            rec_ratings_clear(&both);
            rec_ratings_clear(&a);
            rec_ratings_clear(&b);
        }
        /* Of 26 letters half or so are chosen, the same ones in every round. */
        assert_true(kept > there / 4 && kept < there * 3 / 4);
    }
}

static void test_times(void **state)
{
    struct rec_ratings a = random_ratings(1, 0.3, true), b = random_ratings(2, 0.3, false), out;
    const struct rec_ratings *in[] = {&a, &b};
    struct rec_merge_options o = {.sample = 1};

    (void)state;
    assert_int_equal(rec_merge_ratings(&out, in, 2, &o, &err), -1);
    assert_non_null(strstr(err.text, "no times"));
    o.drop_times = true;
    assert_int_equal(rec_merge_ratings(&out, in, 2, &o, &err), 0);
    assert_null(out.time);
    rec_ratings_clear(&out);
    o.has_until = true;
    assert_int_equal(rec_merge_ratings(&out, in + 1, 1, &o, &err), -1);
    assert_non_null(strstr(err.text, "range of dates"));
    rec_ratings_clear(&a);
    rec_ratings_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_naive), cmocka_unit_test(test_sample), cmocka_unit_test(test_times)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
