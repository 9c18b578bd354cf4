/* SPDX-License-Identifier: MIT
 *
 * The ratings file: what is written reads back; damaged and hostile ones are refused.
 */
#include "../container.h"
#include "small.h"

#include <math.h>

static struct rec_err err;

static int write_ratings(const void *what, struct rec_out *out, struct rec_err *e)
{
    return rec_ratings_write(what, "rec-test 1\n", out, e);
}

static int load(struct rec_ratings *r, const struct bytes *b, size_t len, unsigned flags)
{
    struct rec_safetensors file;
    if (parse(&file, b->data, len, flags, &err) < 0)
        return -1;
    return rec_ratings_load(r, &file, &err);
}

static void reads_what_was_written(void **state)
{
    struct rec_ratings small = small_ratings(), r;
    struct bytes b = written(write_ratings, &small);
    (void)state;
    assert_int_equal(load(&r, &b, b.len, 0), 0);
    assert_true(r.n_users == 3 && r.n_items == 4 && r.nnz == 5);
    assert_memory_equal(r.user_ptr, small_user_ptr, sizeof small_user_ptr);
    assert_memory_equal(r.item, small_item, sizeof small_item);
    assert_memory_equal(r.value, small_value, sizeof small_value);
    assert_memory_equal(r.time, small_time, sizeof small_time);
    assert_int_equal(rec_ids_find(&r.users, "cat", 3), 2);
    assert_int_equal(rec_ids_find(&r.items, "z", 1), 3);
    assert_string_equal(r.history, "rec-test 1\n");
    assert_int_equal(r.digest, r.file.crc32c);
    rec_ratings_clear(&r);
    free(b.data);
}

static void times_and_rows_may_be_missing(void **state)
{
    static const int64_t zero[1] = {0};
    struct rec_ratings none = {.user_ptr = zero}, r, small = small_ratings();
    struct bytes b = written(write_ratings, &none);
    (void)state;
    assert_int_equal(load(&r, &b, b.len, 0), 0);
    assert_true(r.n_users == 0 && r.n_items == 0 && r.nnz == 0 && r.time == NULL);
    rec_ratings_clear(&r);
    free(b.data);
    small.time = NULL;
    b = written(write_ratings, &small);
    assert_int_equal(load(&r, &b, b.len, 0), 0);
    assert_null(r.time);
    rec_ratings_clear(&r);
    free(b.data);
}

static void refuses_truncation_and_flipped_bits(void **state)
{
    struct rec_ratings small = small_ratings(), r;
    struct bytes b = written(write_ratings, &small);
    (void)state;
    for (size_t len = 0; len < b.len; len++) {
        assert_int_equal(load(&r, &b, len, 0), -1);
        is_message(&err);
    }
    for (size_t i = 0; i < b.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.data[i] ^= (unsigned char)(1 << bit);
            assert_int_equal(load(&r, &b, b.len, 0), -1);
            is_message(&err);
            b.data[i] ^= (unsigned char)(1 << bit);
        }
    free(b.data);
}

/* What passes without checksums must be safe to use: every index is followed. */
static void what_passes_is_safe(void **state)
{
    struct rec_ratings small = small_ratings(), r;
    struct bytes b = written(write_ratings, &small);
    size_t passed = 0;
    (void)state;
    forget_checksums(&b);
    for (size_t i = 0; i < b.len; i++)
        for (int v = 0; v < 256; v += 5) {
            unsigned char was = b.data[i];
            struct rec_csr t;
            b.data[i] = (unsigned char)v;
            if (load(&r, &b, b.len, 0) == 0) {
                assert_int_equal(rec_csr_transpose(&t, r.n_users, r.n_items, r.user_ptr, r.item, r.value, &err), 0);
                for (size_t p = 0; p < t.nnz; p++)
                    assert_true((size_t)t.index[p] < r.n_users && isfinite(t.value[p]));
                rec_csr_clear(&t);
                rec_ratings_clear(&r);
                passed++;
            } else {
                is_message(&err);
            }
            b.data[i] = was;
        }
    assert_true(passed > 0);
    free(b.data);
}

/* One array of the small ratings replaced, checksums right: only the contents can tell. */
static void refused(struct rec_ratings bad, const char *why)
{
    struct rec_ratings r;
    struct bytes b = written(write_ratings, &bad);
    assert_int_equal(load(&r, &b, b.len, 0), -1);
    if (strstr(err.text, why) == NULL)
        fail_msg("%s, not: %s", err.text, why);
    free(b.data);
}

static void refuses_hostile_contents(void **state)
{
    const struct rec_ratings small = small_ratings();
    struct rec_ratings bad;
    (void)state;
#define BAD(member, type, why, ...) \
    bad = small; \
    bad.member = (const type[]){__VA_ARGS__}; \
    refused(bad, why)
    BAD(item, int32_t, "tensor item: element 2 is 4, and there are 4", 0, 1, 4, 1, 3);
    BAD(item, int32_t, "tensor item: element 0 is -1, and there are 4", -1, 1, 3, 1, 3);
    BAD(item, int32_t, "tensor item: element 4 is 2147483647", 0, 1, 3, 1, INT32_MAX);
    BAD(item, int32_t, "tensor item: element 1 of row 0 is not greater", 1, 0, 3, 1, 3);
    BAD(item, int32_t, "tensor item: element 4 of row 2 is not greater", 0, 1, 3, 3, 3);
    BAD(user_ptr, int64_t, "tensor user_ptr falls at element 2", 0, 3, 2, 5);
    BAD(user_ptr, int64_t, "tensor user_ptr does not go from 0 to 5", 1, 3, 3, 5);
    BAD(user_ptr, int64_t, "tensor user_ptr does not go from 0 to 5", 0, 3, 3, 4);
    BAD(user_ptr, int64_t, "tensor user_ptr falls", 0, INT64_MAX, 3, 5);
    BAD(user_ptr, int64_t, "tensor user_ptr falls", 0, -1, 3, 5);
    BAD(user_ptr, int64_t, "tensor item: element 3 of row 0 is not greater", 0, 5, 5, 5);
    BAD(value, float, "tensor value: element 3 is not a finite number", 1, 2, 3, NAN, 5);
    BAD(value, float, "tensor value: element 0 is not a finite number", -INFINITY, 2, 3, 4, 5);
    bad = small;
    bad.users.n = 2;
    refused(bad, "tensor user_ptr has 4 elements for 2 rows");
    bad = small;
    bad.users = (struct rec_ids){"annbobbob", small_user_offset, 3, {NULL}};
    refused(bad, "tensor users: id 2 is not greater");
    bad = small;
    bad.items = (struct rec_ids){"zyxwvu", small_item_offset, 4, {NULL}};
    refused(bad, "tensor items: id 1 is not greater");
}

/* Long rows, so that blocks and their edges are gone through: any single wrong entry is found, and where. */
static void finds_one_wrong_entry_among_many(void **state)
{
    enum { USERS = 7, ITEMS = 3000 };
    static int64_t ptr[USERS + 1], offset[ITEMS + 1];
    static int32_t item[USERS * 400];
    static float value[USERS * 400];
    static char bytes[ITEMS * 4 + 1];
    struct rec_rng rng;
    struct rec_ratings good = {.n_users = USERS, .n_items = ITEMS, .nnz = USERS * 400, .user_ptr = ptr, .item = item, .value = value}, r;
    (void)state;
    for (int i = 0; i < ITEMS; i++) {
        snprintf(bytes + 4 * i, 5, "%04d", i);
        offset[i + 1] = 4 * (i + 1);
    }
    good.items = (struct rec_ids){bytes, offset, ITEMS, {NULL}};
    good.users = (struct rec_ids){bytes, offset, USERS, {NULL}};
    for (int u = 0; u < USERS; u++) {
        ptr[u + 1] = ptr[u] + 400;
        for (int k = 0; k < 400; k++)
            item[u * 400 + k] = u + 7 * k;
    }
    struct bytes b = written(write_ratings, &good);
    assert_int_equal(load(&r, &b, b.len, 0), 0);
    rec_ratings_clear(&r);
    free(b.data);
    rec_rng_seed(&rng, 5, 0);
    for (int k = 0; k < 40; k++) {
        size_t at = rec_rng_below(&rng, USERS * 400);
        int32_t was = item[at];
        item[at] = k % 2 || at % 400 == 0 ? ITEMS : item[at - 1];
        b = written(write_ratings, &good);
        assert_int_equal(load(&r, &b, b.len, 0), -1);
        char want[64];
        snprintf(want, sizeof want, "tensor item: element %zu ", at);
        assert_non_null(strstr(err.text, want));
        free(b.data);
        item[at] = was;
    }
}

static void other_kinds_are_named(void **state)
{
    struct bytes b = crafted("{\"__metadata__\":{\"format\":\"rec.model/1\"}}", "", 0);
    struct rec_ratings r;
    (void)state;
    assert_int_equal(load(&r, &b, b.len, 0), -1);
    assert_string_equal(err.text, "test.rec: is rec.model/1, not rec.ratings");
    free(b.data);
    b = crafted("{\"__metadata__\":{\"format\":\"rec.ratings/2\"}}", "", 0);
    assert_int_equal(load(&r, &b, b.len, 0), -1);
    assert_string_equal(err.text, "test.rec: is rec.ratings/2, and this tool reads up to rec.ratings/1");
    free(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(times_and_rows_may_be_missing),
        cmocka_unit_test(refuses_truncation_and_flipped_bits),
        cmocka_unit_test(what_passes_is_safe),
        cmocka_unit_test(refuses_hostile_contents),
        cmocka_unit_test(finds_one_wrong_entry_among_many),
        cmocka_unit_test(other_kinds_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
