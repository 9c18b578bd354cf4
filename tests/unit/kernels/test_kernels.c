/* SPDX-License-Identifier: MIT
 *
 * The choice of kernels, and products of vectors and matrices against sums in double precision.
 */
#include "reference.h"

static void sets_are_chosen_by_name(void **state)
{
    const char *best = rec_kernels_name(), *name, *last = NULL;

    (void)state;
    EACH_SET(name) {
        assert_string_equal(rec_kernels_name(), name);
        last = name;
    }
    assert_string_equal(rec_kernels_list(0), "plain");
    assert_string_equal(best, last);
    assert_int_equal(rec_kernels_use("plain"), 0);
    assert_int_equal(rec_kernels_use("altivec"), -1);
    assert_int_equal(rec_kernels_use(""), -1);
    assert_string_equal(rec_kernels_name(), "plain");
    assert_int_equal(rec_kernels_use(NULL), 0);
    assert_string_equal(rec_kernels_name(), best);
}

static double exact(const float *a, const float *b, size_t f, double *size)
{
    double s = 0;

    *size = 0;
    for (size_t k = 0; k < f; k++) {
        s += (double)a[k] * b[k];
        *size += fabs((double)a[k] * b[k]);
    }
    return s;
}

static void dot_and_axpy(void **state)
{
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t f = 0; f <= LONGEST; f++) {
            float *a = random_floats(f, -1, 1), *b = random_floats(f, -1, 1), x = random_float(-2, 2);
            float *y = fenced(f * sizeof *y);
            double size, want = exact(a, b, f, &size);
            assert_sum(rec_kernels_dot(a, b, f), want, size, f);
            memcpy(y, b, f * sizeof *y);
            rec_kernels_axpy(y, x, a, f);
            for (size_t k = 0; k < f; k++)
                assert_sum(y[k], b[k] + (double)x * a[k], fabs((double)b[k]) + fabs((double)x * a[k]), 1);
            free_floats(a, f);
            free_floats(b, f);
            free_floats(y, f);
        }
}

static void gemv_shape(size_t rows, size_t f, size_t ld, int biased)
{
    size_t cells = rows ? (rows - 1) * ld + f : 0;
    float *a = random_floats(cells, -1, 1), *x = random_floats(f, -1, 1), *bias = random_floats(rows, -1, 1);
    float *y = fenced(rows * sizeof *y), *chosen = fenced(rows * sizeof *y);
    int32_t *idx = fenced(rows * sizeof *idx);

    rec_kernels_gemv(y, a, rows, f, ld, x, biased ? bias : NULL);
    for (size_t i = 0; i < rows; i++) {
        double size, want = exact(a + i * ld, x, f, &size), b = biased ? bias[i] : 0;
        assert_sum(y[i], want + b, size + fabs(b), f + 1);
        idx[i] = (int32_t)(random_bits() % rows);
    }
    if (biased)
        for (size_t i = 0; i < rows; i++)
            chosen[i] = bias[idx[i]];
    rec_kernels_gemv_rows(chosen, a, f, ld, idx, rows, x, biased ? chosen : NULL);
    for (size_t i = 0; i < rows; i++)
        assert_memory_equal(chosen + i, y + idx[i], sizeof *y);
    free_floats(a, cells);
    free_floats(x, f);
    free_floats(bias, rows);
    free_floats(y, rows);
    free_floats(chosen, rows);
    unfence(idx, rows * sizeof *idx);
}

static void gemv_of_all_shapes(void **state)
{
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t i = 0; i < LENGTHS; i++)
            for (size_t rows = 0; rows < 36; rows = rows < 18 ? rows + 1 : rows + 7) {
                gemv_shape(rows, lengths[i], lengths[i], 0);
                gemv_shape(rows, lengths[i], lengths[i] + 3, 1);
            }
}

/* The same numbers at any address give the same bytes. */
static void alignment_changes_nothing(void **state)
{
    enum { F = 77, ROWS = 21 };
    static float room[2][ROWS * F + 16], x[2][F + 16], y[2][ROWS];
    const char *name;

    (void)state;
    EACH_SET(name) {
        for (size_t i = 0; i < ROWS * F; i++)
            room[0][i] = random_float(-1, 1);
        for (size_t i = 0; i < F; i++)
            x[0][i] = random_float(-1, 1);
        rec_kernels_gemv(y[0], room[0], ROWS, F, F, x[0], NULL);
        for (size_t shift = 1; shift < 16; shift++) {
            memcpy(room[1] + shift, room[0], ROWS * F * sizeof(float));
            memcpy(x[1] + 16 - shift, x[0], F * sizeof(float));
            rec_kernels_gemv(y[1], room[1] + shift, ROWS, F, F, x[1] + 16 - shift, NULL);
            assert_memory_equal(y[0], y[1], sizeof y[0]);
            float a = rec_kernels_dot(room[0], x[0], F), b = rec_kernels_dot(room[1] + shift, x[1] + 16 - shift, F);
            assert_memory_equal(&a, &b, sizeof a);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_chosen_by_name),
        cmocka_unit_test(dot_and_axpy),
        cmocka_unit_test(gemv_of_all_shapes),
        cmocka_unit_test(alignment_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
