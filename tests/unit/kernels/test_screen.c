/* SPDX-License-Identifier: MIT
 *
 * The k best by way of candidates against the k best of all scores: the same items with the same bits, for every set of kernels.
 */
#include "reference.h"

enum { ITEMS = 700, FACTORS = 130 };

struct problem {
    size_t n, f, k, n_seen;
    float v[ITEMS * FACTORS], bias[ITEMS], x[FACTORS];
    int32_t seen[ITEMS];
    uint8_t allowed[ITEMS];
    bool has_bias, has_allowed;
};
static struct problem p;

static float noise(void)
{
    return (float)((double)random_bits() / 4294967296.0 - 0.5);
}

/* Factors of which the first are the largest, as those of a trained model; some items alike, so that scores are equal. */
static void draw(unsigned round)
{
    p.n = 1 + random_bits() % ITEMS;
    p.f = 1 + random_bits() % FACTORS;
    p.k = 1 + random_bits() % 20;
    p.has_bias = round & 1;
    p.has_allowed = round & 2;
    for (size_t j = 0; j < p.n; j++) {
        size_t from = random_bits() % 8 == 0 && j ? random_bits() % j : j;

        for (size_t d = 0; d < p.f; d++)
            p.v[j * p.f + d] = from < j ? p.v[from * p.f + d] : noise() / (float)(1 + d) * (round & 4 ? 1e-3F : 30);
        p.bias[j] = from < j ? p.bias[from] : noise();
        p.allowed[j] = random_bits() % 4 != 0;
    }
    for (size_t d = 0; d < p.f; d++)
        p.x[d] = noise() * (round & 8 ? 1e-3F : 5);
    p.n_seen = 0;
    for (size_t j = 0; j < p.n; j++)
        if (random_bits() % 5 == 0)
            p.seen[p.n_seen++] = (int32_t)j;
}

/* @return how many candidates there were; -1: all were to be scored. */
static ptrdiff_t compare(void)
{
    static float score[ITEMS], bias[ITEMS];
    static struct rec_topk_hit want[ITEMS], got[ITEMS];
    static int32_t item[ITEMS];
    const float *b = p.has_bias ? p.bias : NULL;
    const uint8_t *allowed = p.has_allowed ? p.allowed : NULL;
    struct rec_topk_seen seen = {p.seen, p.n_seen};
    size_t size = rec_screen_size(p.n, p.f), scratch_size = rec_screen_scratch(p.n, p.f), n_want, n_got;
    char *memory = fenced(size), *scratch = fenced(scratch_size);
    struct rec_screen s;
    ptrdiff_t found;

    assert_true(rec_screen_pack(&s, memory, p.v, p.n, p.f, p.f, b));
    rec_kernels_gemv(score, p.v, p.n, p.f, p.f, p.x, b);
    n_want = rec_topk_scan(want, p.k, score, p.n, &seen, allowed);
    found = rec_screen_find(item, ITEMS, got, p.k, &s, p.x, &seen, allowed, scratch);
    if (found < 0) {
        assert_true(n_want < p.k);
    } else {
        for (ptrdiff_t i = 0; i < found; i++)
            bias[i] = b ? b[item[i]] : 0;
        rec_kernels_gemv_rows(score, p.v, p.f, p.f, item, (size_t)found, p.x, b ? bias : NULL);
        n_got = rec_topk_scan(got, p.k, score, (size_t)found, NULL, NULL);
        assert_int_equal(n_got, n_want);
        for (size_t i = 0; i < n_got; i++) {
            assert_int_equal(item[got[i].item], want[i].item);
            assert_memory_equal(&got[i].score, &want[i].score, sizeof(float));
        }
        assert_int_equal(rec_screen_find(item, (size_t)found - 1, got, p.k, &s, p.x, &seen, allowed, scratch), -1);
    }
    unfence(memory, size);
    unfence(scratch, scratch_size);
    return found;
}

static bool has_screen(void)
{
    return rec_screen_size(10, 10) > 0;
}

static void finds_the_same(void **state)
{
    size_t candidates = 0, of = 0;

    (void)state;
    for (size_t set = 0; rec_kernels_list(set); set++) {
        assert_int_equal(rec_kernels_use(rec_kernels_list(set)), 0);
        assert_true(has_screen() || strcmp(rec_kernels_name(), "plain") == 0);
        for (unsigned round = 0; has_screen() && round < 400; round++) {
            ptrdiff_t found;

            draw(round);
            found = compare();
            candidates += found > 0 ? (size_t)found : 0;
            of += found > 0 ? p.n : 0;
        }
    }
    rec_kernels_use(NULL);
    /* It is worth its while: with as few items and as long lists as here, a third of them at most. */
    assert_true(candidates * 3 <= of);
}

/* Users and items at the ends of what a byte can say, and one that only the last digit tells from another. */
static void finds_close_ones(void **state)
{
    (void)state;
    for (size_t set = 0; rec_kernels_list(set); set++) {
        assert_int_equal(rec_kernels_use(rec_kernels_list(set)), 0);
        if (!has_screen())
            continue;
        p = (struct problem){.n = 300, .f = 64, .k = 10};
        for (size_t d = 0; d < p.f; d++)
            p.x[d] = d % 3 ? 1 : -1;
        for (size_t j = 0; j < p.n; j++)
            for (size_t d = 0; d < p.f; d++)
                p.v[j * p.f + d] = (d % 3 ? 1.0F : -1.0F) * (1 + (float)((j * 37) % 300) * 0x1p-22F);
        assert_true(compare() >= 10);
        for (size_t j = 0; j < p.n; j++)
            for (size_t d = 0; d < p.f; d++)
                p.v[j * p.f + d] = -p.v[j * p.f + d];
        assert_true(compare() >= 10);
        p.has_bias = true;
        for (size_t j = 0; j < p.n; j++)
            p.bias[j] = 1e6F + (float)(j % 7);
        assert_true(compare() >= 10);
        /* Nothing but zeros: all are as good as each other. */
        memset(p.v, 0, sizeof p.v);
        p.has_bias = false;
        assert_int_equal(compare(), p.n);
    }
    rec_kernels_use(NULL);
}

static void refuses_what_is_out_of_range(void **state)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e30F, -1e30F};
    static float v[10 * 4], bias[10], x[4];
    struct rec_topk_hit hit[10];
    int32_t item[10];
    struct rec_screen s;
    void *memory, *scratch;

    (void)state;
    assert_int_equal(rec_screen_size(10, 1025), 0);
    assert_int_equal(rec_screen_size(0, 4), 0);
    if (!has_screen())
        return;
    memory = malloc(rec_screen_size(10, 4));
    scratch = malloc(rec_screen_scratch(10, 4));
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        v[17] = odd[i];
        assert_false(rec_screen_pack(&s, memory, v, 10, 4, 4, NULL));
        v[17] = 0;
        bias[9] = odd[i];
        assert_false(rec_screen_pack(&s, memory, v, 10, 4, 4, bias));
        bias[9] = 0;
        assert_true(rec_screen_pack(&s, memory, v, 10, 4, 4, bias));
        x[0] = 1;
        x[2] = odd[i];
        assert_int_equal(rec_screen_find(item, 10, hit, 3, &s, x, NULL, NULL, scratch), -1);
        x[2] = 0;
        assert_int_equal(rec_screen_find(item, 10, hit, 3, &s, x, NULL, NULL, scratch), 10);
        assert_int_equal(rec_screen_find(item, 10, hit, 11, &s, x, NULL, NULL, scratch), -1);
        assert_int_equal(rec_screen_find(item, 10, hit, 0, &s, x, NULL, NULL, scratch), -1);
        x[0] = 0;
        assert_int_equal(rec_screen_find(item, 10, hit, 3, &s, x, NULL, NULL, scratch), -1);
    }
    free(memory);
    free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_the_same), cmocka_unit_test(finds_close_ones), cmocka_unit_test(refuses_what_is_out_of_range)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
