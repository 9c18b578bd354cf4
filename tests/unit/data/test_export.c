/* SPDX-License-Identifier: MIT
 *
 * Ratings as text, byte for byte.
 */
#include "../container.h"
#include "small.h"

static int csv(const void *what, struct rec_out *out, struct rec_err *err)
{
    return rec_export_csv(what, ',', true, out, err);
}

static int tsv(const void *what, struct rec_out *out, struct rec_err *err)
{
    return rec_export_csv(what, '\t', false, out, err);
}

static int mtx(const void *what, struct rec_out *out, struct rec_err *err)
{
    return rec_export_mtx(what, out, err);
}

static int qrels(const void *what, struct rec_out *out, struct rec_err *err)
{
    return rec_export_qrels(what, out, err);
}

static int ids(const void *what, struct rec_out *out, struct rec_err *err)
{
    return rec_export_ids(&((const struct rec_ratings *)what)->items, out, err);
}

static void gives(int (*write)(const void *, struct rec_out *, struct rec_err *), const struct rec_ratings *r, const char *want)
{
    struct bytes b = written(write, r);
    assert_int_equal(b.len, strlen(want));
    assert_memory_equal(b.data, want, b.len);
    free(b.data);
}

static void writes_each_form(void **state)
{
    struct rec_ratings r = small_ratings();
    (void)state;
    gives(csv, &r, "userId,itemId,rating,timestamp\nann,a,4,978300760\nann,\"w,\"\"\",3.5,-1\nann,z,5,0\n"
                   "cat,\"w,\"\"\",0.5,4102444800\ncat,z,2,978300761\n");
    gives(mtx, &r, "%%MatrixMarket matrix coordinate real general\n3 4 5\n1 1 4\n1 2 3.5\n1 4 5\n3 2 0.5\n3 4 2\n");
    gives(ids, &r, "a\nw,\"\ny\nz\n");
    r.time = NULL;
    gives(tsv, &r, "ann\ta\t4\nann\t\"w,\"\"\"\t3.5\nann\tz\t5\ncat\t\"w,\"\"\"\t0.5\ncat\tz\t2\n");
    r.value = (const float[]){4, 3, 5, -1, 0};
    gives(qrels, &r, "ann 0 a 4\nann 0 w,\" 3\nann 0 z 5\ncat 0 w,\" -1\ncat 0 z 0\n");
}

static void many_rows_and_values(void **state)
{
    enum { N = 100000 };
    static int32_t item[N];
    static float value[N];
    static int64_t offset[N + 1];
    static char bytes[N * 5 + 1];
    const int64_t ptr[2] = {0, N}, user[2] = {0, 1};
    struct rec_ratings r = {.n_users = 1, .n_items = N, .nnz = N, .user_ptr = ptr, .item = item, .value = value};
    struct rec_buf want = {0};
    (void)state;
    for (int i = 0; i < N; i++) {
        char text[REC_NUM_MAX];
        snprintf(bytes + 5 * i, 6, "%05d", i);
        offset[i + 1] = 5 * (i + 1);
        item[i] = i;
        value[i] = (float)i / 7;
        rec_buf_addf(&want, "u\t%05d\t", i);
        rec_buf_add(&want, text, rec_num_print_float(text, value[i]));
        rec_buf_addc(&want, '\n');
    }
    r.users = (struct rec_ids){"u", user, 1, {NULL}};
    r.items = (struct rec_ids){bytes, offset, N, {NULL}};
    gives(tsv, &r, want.data);
    rec_buf_clear(&want);
}

/* Rows one at a time, in any order. */
static int rows(const void *what, struct rec_out *out, struct rec_err *err)
{
    const struct rec_ratings *r = what;
    struct rec_export *e;
    assert_int_equal(rec_export_begin(&e, &r->users, &r->items, "movieId", ';', true, out, err), 0);
    assert_int_equal(rec_export_row(e, 2, 0, 4.5f, -1, err), 0);
    assert_int_equal(rec_export_row(e, 0, 1, 3.7f, 1000000000, err), 0);
    return rec_export_end(e, 0);
}

static void one_row_at_a_time(void **state)
{
    struct rec_ratings r = small_ratings();
    (void)state;
    gives(rows, &r, "userId;movieId;rating;timestamp\ncat;a;4.5;-1\nann;\"w,\"\"\";3.7;1000000000\n");
}

static void qrels_refuse_what_they_cannot_carry(void **state)
{
    struct rec_ratings r = small_ratings();
    struct rec_out out;
    struct rec_err err;
    (void)state;
    assert_int_equal(rec_out_open(&out, "/dev/null", false, &err), 0);
    assert_int_equal(rec_export_qrels(&r, &out, &err), -1);
    assert_string_equal(err.text, "rating 2 is 3.5, and a relevance of TREC is a whole number");
    r.users.bytes = "annb bcat";
    assert_int_equal(rec_export_qrels(&r, &out, &err), -1);
    assert_string_equal(err.text, "id b b: holds a blank, which TREC's formats cannot carry");
    rec_out_abort(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_each_form),
        cmocka_unit_test(many_rows_and_values),
        cmocka_unit_test(one_row_at_a_time),
        cmocka_unit_test(qrels_refuse_what_they_cannot_carry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
