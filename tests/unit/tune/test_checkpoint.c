/* SPDX-License-Identifier: MIT
 *
 * Checkpoints: what is written comes back; what is damaged, cut short or of another training does not. The best model goes through one as well.
 */
#include <rec/tune.h>

#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char path[64];
static float rows[6] = {1, 2, 3, 4, 5, 6};
static double bias[2] = {0.5, -0.5};

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/rec-checkpoint-%ld", (long)getpid());
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static struct rec_checkpoint make(const struct rec_meta *same, size_t n)
{
    static const struct rec_meta note[] = {{"best_pass", "3"}};
    struct rec_checkpoint c = {.step = 7, .same = same, .n_same = n, .note = note, .n_note = 1};

    c.part[c.n_parts++] = (struct rec_train_part){"user_rows", rows, sizeof rows};
    c.part[c.n_parts++] = (struct rec_train_part){"item_bias", bias, sizeof bias};
    c.part[c.n_parts++] = (struct rec_train_part){"empty", rows, 0};
    return c;
}

static void test_back(void **state)
{
    static const struct rec_meta same[] = {{"model", "als"}, {"seed", "42"}}, other[] = {{"model", "als"}, {"seed", "43"}};
    struct rec_err err = {0};
    struct rec_checkpoint out = make(same, 2), in = {.same = same, .n_same = 2};

    (void)state;
    unlink(path);
    assert_int_equal(rec_checkpoint_read(&in, path, &err), 0);
    assert_int_equal(rec_checkpoint_write(&out, path, &err), 0);
    assert_int_equal(rec_checkpoint_write(&out, path, &err), 0);
    assert_int_equal(rec_checkpoint_read(&in, path, &err), 1);
    assert_int_equal(in.step, 7);
    assert_int_equal(in.n_parts, 3);
    assert_string_equal(in.part[0].name, "user_rows");
    assert_int_equal(in.part[0].size, sizeof rows);
    assert_memory_equal(in.part[0].data, rows, sizeof rows);
    assert_memory_equal(in.part[1].data, bias, sizeof bias);
    assert_string_equal(rec_checkpoint_note(&in, "best_pass"), "3");
    assert_null(rec_checkpoint_note(&in, "nonesuch"));
    rec_checkpoint_clear(&in);
    in = (struct rec_checkpoint){.same = other, .n_same = 2};
    assert_int_equal(rec_checkpoint_read(&in, path, &err), -1);
    assert_non_null(strstr(err.text, "seed: 42 there, 43 here"));
}

/* Every length it could be cut to, and every byte changed. */
static void test_damage(void **state)
{
    static const struct rec_meta same[] = {{"model", "als"}};
    struct rec_checkpoint out = make(same, 1);
    struct rec_err err = {0};
    struct stat st;
    char *bytes;

    (void)state;
    assert_int_equal(rec_checkpoint_write(&out, path, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    bytes = malloc((size_t)st.st_size);
    FILE *f = fopen(path, "rb");
    assert_int_equal(fread(bytes, 1, (size_t)st.st_size, f), st.st_size);
    fclose(f);
    for (long i = 0; i < 2 * st.st_size; i += 3) {
        struct rec_checkpoint in = {.same = same, .n_same = 1};
        size_t at = (size_t)(i / 2);
        f = fopen(path, "wb");
        if (i % 2)
            bytes[at] = (char)(bytes[at] ^ 32);
        fwrite(bytes, 1, i % 2 ? (size_t)st.st_size : at, f);
        if (i % 2)
            bytes[at] = (char)(bytes[at] ^ 32);
        fclose(f);
        assert_int_equal(rec_checkpoint_read(&in, path, &err), -1);
    }
    free(bytes);
}

static void test_best(void **state)
{
    float user[6] = {1, 2, 3, 4, 5, 6}, item[4] = {7, 8, 9, 10}, item_bias[2] = {11, 12};
    struct rec_model m = {.n_users = 3, .n_items = 2, .factors = 2, .mean = 3.5, .user_factors = user, .item_factors = item, .item_bias = item_bias};
    struct rec_best best = {0}, back = {0};
    struct rec_train_part part[REC_BEST_ARRAYS + 1];
    struct rec_err err = {0};

    (void)state;
    assert_int_equal(rec_best_keep(&best, &m, &err), 0);
    user[0] = 100;
    item_bias[1] = 100;
    m.mean = 4;
    size_t n = rec_best_parts(part, &best);
    assert_int_equal(n, 4);
    assert_int_equal(rec_best_restore(&back, part, n, &err), 0);
    assert_true(rec_best_fits(&back, &m));
    struct rec_model other = m;
    other.n_users = 4;
    assert_false(rec_best_fits(&back, &other));
    other = m;
    other.item_bias = NULL;
    assert_false(rec_best_fits(&back, &other));
    rec_best_use(&m, &back);
    assert_true(m.mean == 3.5 && m.user_factors[0] == 1 && m.item_bias[1] == 12 && m.user_bias == NULL && m.factors == 2);
    /* Kept again, smaller. */
    m.item_bias = NULL;
    assert_int_equal(rec_best_keep(&best, &m, &err), 0);
    assert_int_equal(rec_best_parts(part, &best), 3);
    rec_best_clear(&best);
    rec_best_clear(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_best),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
