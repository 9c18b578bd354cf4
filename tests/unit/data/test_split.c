/* SPDX-License-Identifier: MIT
 *
 * Splits by chance have the chances they promise, splits by time the right moment; every rating is in one part.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/synth.h>

#define USERS 50
#define ITEMS 40

static struct rec_ratings r;
static uint8_t part[USERS * ITEMS];
static struct rec_err err;


static int make(void **state)
{
    struct rec_synth_options o;

    (void)state;
    rec_synth_defaults(&o);
    o.n_users = USERS;
    o.n_items = ITEMS;
    o.n_ratings = 600;
    return rec_synth_ratings(&r, &o, &err);
}

static int drop(void **state)
{
    (void)state;
    rec_ratings_clear(&r);
    return 0;
}

static size_t in_part(uint8_t which)
{
    size_t n = 0;

    for (size_t p = 0; p < r.nnz; p++) {
        assert_true(part[p] <= REC_SPLIT_VALID);
        n += part[p] == which;
    }
    return n;
}

static void every_subset_has_its_chance(void **state)
{
    struct rec_split_options o = {.method = REC_SPLIT_GLOBAL_RANDOM, .test = 0.3, .valid = 0.1};
    unsigned chosen[USERS * ITEMS] = {0};

    (void)state;
    for (o.seed = 0; o.seed < 2000; o.seed++) {
        assert_int_equal(rec_split_assign(part, NULL, &r, &o, &err), 0);
        assert_int_equal(in_part(REC_SPLIT_TEST), 180);
        assert_int_equal(in_part(REC_SPLIT_VALID), 60);
        for (size_t p = 0; p < r.nnz; p++)
            chosen[p] += part[p] == REC_SPLIT_TEST;
    }
    /* binomial: 600 expected, standard deviation 20.5 */
    for (size_t p = 0; p < r.nnz; p++)
        assert_in_range(chosen[p], 600 - 103, 600 + 103);
}

static void a_users_share_holds_on_average(void **state)
{
    struct rec_split_options o = {.method = REC_SPLIT_RANDOM, .test = 0.25, .min_train = 1};
    unsigned chosen[USERS] = {0};

    (void)state;
    for (o.seed = 0; o.seed < 2000; o.seed++) {
        assert_int_equal(rec_split_assign(part, NULL, &r, &o, &err), 0);
        for (size_t u = 0; u < r.n_users; u++)
            for (int64_t p = r.user_ptr[u]; p < r.user_ptr[u + 1]; p++)
                chosen[u] += part[p] == REC_SPLIT_TEST;
    }
    for (size_t u = 0; u < r.n_users; u++) {
        double want = 0.25 * (double)(r.user_ptr[u + 1] - r.user_ptr[u]) * 2000;

        if (r.user_ptr[u + 1] - r.user_ptr[u] > 1) /* rounding by chance: standard deviation at most 22 */
            assert_in_range(chosen[u], want - 112, want + 112);
    }
}

static void folds_are_disjoint_and_even(void **state)
{
    struct rec_split_options o = {.method = REC_SPLIT_KFOLD, .folds = 7, .seed = 3, .want_valid = true};
    unsigned tested[USERS * ITEMS] = {0}, validated[USERS * ITEMS] = {0};

    (void)state;
    for (o.fold = 1; o.fold <= 7; o.fold++) {
        assert_int_equal(rec_split_assign(part, NULL, &r, &o, &err), 0);
        assert_in_range(in_part(REC_SPLIT_TEST), 85, 86);
        for (size_t p = 0; p < r.nnz; p++) {
            tested[p] += part[p] == REC_SPLIT_TEST;
            validated[p] += part[p] == REC_SPLIT_VALID;
        }
    }
    for (size_t p = 0; p < r.nnz; p++)
        assert_true(tested[p] == 1 && validated[p] == 1);
    o.fold = 8;
    assert_int_equal(rec_split_assign(part, NULL, &r, &o, &err), -1);
}

/* Ratings of one user at the given times. */
static struct rec_ratings at_times(const int64_t *time, size_t n)
{
    static const int64_t offset[] = {0, 1};
    static int64_t ptr[2];
    static int32_t item[16];
    static float value[16];

    ptr[1] = (int64_t)n;
    for (size_t i = 0; i < n; i++)
        item[i] = (int32_t)i;
    return (struct rec_ratings){.n_users = 1, .n_items = 16, .nnz = n, .user_ptr = ptr, .item = item, .value = value,
                                .time = time, .users = {"u", offset, 1, {NULL}}};
}

static void the_moment_is_right(void **state)
{
    static const struct {
        int64_t time[8];
        size_t n;
        double test;
        int64_t cut;
    } cases[] = {
        {{1, 2, 3, 4, 5, 6, 7, 8}, 8, 0.25, 7},
        {{8, 7, 6, 5, 4, 3, 2, 1}, 8, 0.25, 7},
        {{5, 5, 5, 5, 5, 5, 5, 9}, 8, 0.5, 6},             /* one second stays together, and training keeps something */
        {{5, 5, 5, 5, 6, 6, 6, 6}, 8, 0.25, 6},
        {{INT64_MIN, -1, 0, 1, INT64_MAX}, 5, 0.4, 1},
        {{INT64_MIN, INT64_MIN, INT64_MAX, INT64_MAX}, 4, 0.5, INT64_MAX},
        {{-1000000000000, 3, 4000000000000}, 3, 0.34, 4000000000000},
        {{1, 2, 3}, 3, 0.1, INT64_MAX},
    };
    struct rec_split_options o = {.method = REC_SPLIT_TIME};
    struct rec_split_found found;

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        struct rec_ratings t = at_times(cases[i].time, cases[i].n);

        o.test = cases[i].test;
        assert_int_equal(rec_split_assign(part, &found, &t, &o, &err), 0);
        assert_int_equal(found.cut, cases[i].cut);
        for (size_t p = 0; p < t.nnz; p++)
            assert_int_equal(part[p], t.time[p] >= found.cut ? REC_SPLIT_TEST : REC_SPLIT_TRAIN);
    }
}

static void the_latest_are_held_out(void **state)
{
    static const int64_t time[] = {5, 9, 9, 1, 7};
    static const uint8_t want[3][5] = {{0, 0, 1, 0, 0}, {0, 1, 1, 0, 0}, {0, 1, 1, 0, 1}};
    struct rec_ratings t = at_times(time, 5);
    struct rec_split_options o = {.method = REC_SPLIT_LAST};

    (void)state;
    for (o.last = 1; o.last <= 3; o.last++) {
        assert_int_equal(rec_split_assign(part, NULL, &t, &o, &err), 0);
        assert_memory_equal(part, want[o.last - 1], 5);
    }
    o.last = SIZE_MAX / 2;
    o.want_valid = true;
    assert_int_equal(rec_split_assign(part, NULL, &t, &o, &err), 0);
    assert_memory_equal(part, ((uint8_t[]){1, 1, 1, 1, 1}), 5);
    o.min_train = 4;
    assert_int_equal(rec_split_assign(part, NULL, &t, &o, &err), 0);
    assert_memory_equal(part, want[0], 5);
}

static void some_stay_in_training(void **state)
{
    static const int64_t time[] = {5, 9, 9, 1, 7};
    struct rec_ratings t = at_times(time, 5);
    struct rec_split_options o = {.method = REC_SPLIT_TIME, .has_before = true, .before = 2, .min_train = 3};

    (void)state;
    assert_int_equal(rec_split_assign(part, NULL, &t, &o, &err), 0);
    assert_memory_equal(part, ((uint8_t[]){0, 1, 1, 0, 0}), 5);
    o.min_train = 100;
    assert_int_equal(rec_split_assign(part, NULL, &t, &o, &err), 0);
    assert_memory_equal(part, ((uint8_t[]){0, 0, 0, 0, 0}), 5);
}

static void parts_make_up_the_whole(void **state)
{
    struct rec_split_options o = {.method = REC_SPLIT_RANDOM, .test = 0.4, .seed = 1};
    struct rec_ratings piece[2];
    size_t at[2] = {0, 0};

    (void)state;
    assert_int_equal(rec_split_assign(part, NULL, &r, &o, &err), 0);
    for (uint8_t k = 0; k < 2; k++) {
        assert_int_equal(rec_split_take(&piece[k], &r, part, k, &err), 0);
        assert_true(piece[k].n_users == r.n_users && piece[k].n_items == r.n_items && piece[k].users.n == r.n_users);
    }
    assert_int_equal(piece[0].nnz + piece[1].nnz, r.nnz);
    for (size_t p = 0; p < r.nnz; p++) {
        struct rec_ratings *k = &piece[part[p]];
        size_t q = at[part[p]]++;

        assert_true(k->item[q] == r.item[p] && k->value[q] == r.value[p] && k->time[q] == r.time[p]);
    }
    rec_ratings_clear(&piece[0]);
    rec_ratings_clear(&piece[1]);
}

static void impossible_shares_are_refused(void **state)
{
    struct rec_split_options o = {.method = REC_SPLIT_RANDOM, .test = 0.6, .valid = 0.4};
    struct rec_ratings timeless = at_times(NULL, 3);

    (void)state;
    assert_int_equal(rec_split_assign(part, NULL, &r, &o, &err), -1);
    o = (struct rec_split_options){.method = REC_SPLIT_TIME, .test = 0.1};
    assert_int_equal(rec_split_assign(part, NULL, &timeless, &o, &err), -1);
    assert_non_null(strstr(err.text, "no times"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_subset_has_its_chance), cmocka_unit_test(a_users_share_holds_on_average),
        cmocka_unit_test(folds_are_disjoint_and_even), cmocka_unit_test(the_moment_is_right),
        cmocka_unit_test(the_latest_are_held_out), cmocka_unit_test(some_stay_in_training),
        cmocka_unit_test(parts_make_up_the_whole), cmocka_unit_test(impossible_shares_are_refused),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
