/* SPDX-License-Identifier: MIT
 *
 * Every piece is done once whatever the number of threads; the error reported is the lowest piece's. Random streams and the hash
 * map besides.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/util.h>

enum { N = 10007 };
static unsigned char done[N];

static int mark(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    unsigned threads = *(unsigned *)context;

    (void)err;
    if (thread >= threads)
        return -1;
    for (size_t i = begin; i < end; i++)
        done[i]++;
    return 0;
}

static void each_piece_once(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 5; threads++) {
        memset(done, 0, sizeof done);
        assert_int_equal(rec_pool_run(threads, N, 13, mark, &threads, NULL), 0);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(done[i], 1);
    }
    unsigned one = 1;
    assert_int_equal(rec_pool_run(4, 0, 13, mark, &one, NULL), 0);
}

static int fail_from(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    (void)end;
    (void)thread;
    return begin >= *(size_t *)context ? rec_err_set(err, "piece %zu", begin) : 0;
}

static void the_lowest_failure_is_told(void **state)
{
    size_t from = 40;
    struct rec_err err = {0};

    (void)state;
    assert_int_equal(rec_pool_run(1, 100, 10, fail_from, &from, &err), -1);
    assert_string_equal(err.text, "piece 40");
}

static void random_numbers(void **state)
{
    struct rec_rng a, b;
    double sum = 0, squares = 0;
    size_t histogram[7] = {0};

    (void)state;
    rec_rng_seed(&a, 42, 0);
    rec_rng_seed(&b, 42, 1);
    assert_true(rec_rng_next(&a) != rec_rng_next(&b));
    for (int i = 0; i < 70000; i++) {
        double x = rec_rng_normal(&a);
        sum += x;
        squares += x * x;
        histogram[rec_rng_below(&b, 7)]++;
    }
    assert_true(fabs(sum / 70000) < 0.02);
    assert_true(fabs(squares / 70000 - 1) < 0.03);
    for (int i = 0; i < 7; i++)
        assert_in_range(histogram[i], 9600, 10400);
}

static void hashmap_numbers_in_order(void **state)
{
    struct rec_hashmap map = {0};
    char text[32];

    (void)state;
    assert_int_equal(rec_hashmap_find(&map, "x", 1), REC_HASHMAP_NONE);
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 50000; i++) {
            int len = snprintf(text, sizeof text, "id-%u", i * 7);
            assert_int_equal(rec_hashmap_intern(&map, text, (size_t)len), i);
        }
    assert_int_equal(rec_hashmap_intern(&map, "", 0), 50000);
    assert_int_equal(rec_hashmap_find(&map, "", 0), 50000);
    assert_int_equal(rec_hashmap_find(&map, "id-1", 4), REC_HASHMAP_NONE);
    rec_hashmap_clear(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_piece_once),
        cmocka_unit_test(the_lowest_failure_is_told),
        cmocka_unit_test(random_numbers),
        cmocka_unit_test(hashmap_numbers_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
