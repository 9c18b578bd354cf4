/* SPDX-License-Identifier: MIT
 *
 * Transposing and joining, against doing it the slow way.
 */
#include "../container.h"
#include "small.h"

static struct rec_err err;

static void transposes(void **state)
{
    enum { ROWS = 50, COLS = 31 };
    static float dense[ROWS][COLS];
    static int64_t ptr[ROWS + 1];
    static int32_t index[ROWS * COLS];
    static float value[ROWS * COLS];
    struct rec_rng rng;
    struct rec_csr t, back;
    (void)state;
    rec_rng_seed(&rng, 3, 0);
    for (int u = 0; u < ROWS; u++) {
        ptr[u + 1] = ptr[u];
        for (int i = 0; i < COLS - 1; i++)               /* the last column stays empty, and rows of tens */
            if (u % 10 != 9 && rec_rng_uniform(&rng) < 0.3) {
                index[ptr[u + 1]] = i;
                value[ptr[u + 1]++] = dense[u][i] = (float)(1 + rec_rng_below(&rng, 5));
            }
    }
    assert_int_equal(rec_csr_transpose(&t, ROWS, COLS, ptr, index, value, &err), 0);
    assert_true(t.rows == COLS && t.cols == ROWS && (int64_t)t.nnz == ptr[ROWS] && t.ptr[0] == 0 && t.ptr[COLS] == ptr[ROWS]);
    for (int i = 0; i < COLS; i++) {
        int64_t p = t.ptr[i];
        for (int u = 0; u < ROWS; u++)
            if (dense[u][i] > 0) {
                assert_int_equal(t.index[p], u);
                assert_true(t.value[p++] == dense[u][i]);
            }
        assert_int_equal(p, t.ptr[i + 1]);
    }
    assert_int_equal(rec_csr_transpose(&back, COLS, ROWS, t.ptr, t.index, NULL, &err), 0);
    assert_null(back.value);
    assert_memory_equal(back.ptr, ptr, sizeof ptr);
    assert_memory_equal(back.index, index, (size_t)ptr[ROWS] * sizeof *index);
    rec_csr_clear(&t);
    rec_csr_clear(&back);
}

static void transposes_nothing(void **state)
{
    static const int64_t zero[1] = {0};
    struct rec_csr t;
    (void)state;
    assert_int_equal(rec_csr_transpose(&t, 0, 0, zero, NULL, NULL, &err), 0);
    assert_int_equal(t.ptr[0], 0);
    rec_csr_clear(&t);
    assert_int_equal(rec_csr_transpose(&t, 0, 3, zero, NULL, NULL, &err), 0);
    assert_int_equal(t.ptr[3], 0);
    rec_csr_clear(&t);
}

/* Tables that know some, and others besides: abe is new, bob and cat stay, ann is unknown; of the items only w, and z is there. */
static void joins(void **state)
{
    static const int64_t users_at[4] = {0, 3, 6, 9}, items_at[4] = {0, 3, 4, 5};
    const struct rec_ids users = {"abebobcat", users_at, 3, {NULL}}, items = {"w,\"xz", items_at, 3, {NULL}};
    struct rec_ratings small = small_ratings(), out;
    size_t dropped;
    (void)state;
    assert_int_equal(rec_csr_join(&out, &small, &users, &items, &dropped, &err), 0);
    assert_int_equal(dropped, 3);
    assert_int_equal(out.nnz, 2);
    assert_memory_equal(out.user_ptr, ((int64_t[]){0, 0, 0, 2}), 4 * sizeof(int64_t));
    assert_memory_equal(out.item, ((int32_t[]){0, 2}), 2 * sizeof(int32_t));
    assert_memory_equal(out.value, ((float[]){0.5f, 2}), 2 * sizeof(float));
    assert_memory_equal(out.time, ((int64_t[]){4102444800, 978300761}), 2 * sizeof(int64_t));
    assert_string_equal(out.history, "");
    rec_ratings_clear(&out);
    assert_int_equal(rec_csr_join(&out, &small, &small.users, &small.items, &dropped, &err), 0);
    assert_int_equal(dropped, 0);
    assert_memory_equal(out.item, small_item, sizeof small_item);
    rec_ratings_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transposes),
        cmocka_unit_test(transposes_nothing),
        cmocka_unit_test(joins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
