/* SPDX-License-Identifier: MIT
 *
 * Id tables: sorted as memcmp sorts, found again, joined; damaged ones refused.
 */
#include "../container.h"

#include <rec/data.h>

static struct rec_err err;

static int compare(const char *a, size_t n, const char *b, size_t m)
{
    int order = memcmp(a, b, n < m ? n : m);
    return order ? order : (n > m) - (n < m);
}

/* Ids of several kinds: numbers, common beginnings of 8 bytes and more, bytes above 127, NUL bytes. */
static size_t make_id(char *out, struct rec_rng *rng)
{
    size_t len = 0, more;
    switch (rec_rng_below(rng, 4)) {
    case 0:
        return rec_num_print_int64(out, (int64_t)rec_rng_below(rng, 5000) + 1);
    case 1:
        memcpy(out, "12345678tt0", 11);
        return 8 + rec_rng_below(rng, 4);
    case 2:
        memcpy(out, "user-0000-0000-0000", 19);
        return 19 + rec_num_print_int64(out + 19, (int64_t)rec_rng_below(rng, 500));
    default:
        for (more = 1 + rec_rng_below(rng, 3); len < more; len++)
            out[len] = (char)rec_rng_below(rng, 256);
        return len;
    }
}

static void fill(struct rec_hashmap *map, uint64_t seed, size_t n)
{
    struct rec_rng rng;
    char id[64];
    rec_rng_seed(&rng, seed, 0);
    for (size_t i = 0; i < n; i++)
        assert_true(rec_hashmap_intern(map, id, make_id(id, &rng)) != REC_HASHMAP_NONE);
}

static void sorts_and_ranks(void **state)
{
    struct rec_hashmap map = {0};
    struct rec_ids ids;
    uint32_t *rank;
    (void)state;
    fill(&map, 1, 20000);
    rank = malloc(map.n * sizeof *rank);
    assert_non_null(rank);
    assert_int_equal(rec_ids_from_map(&ids, &map, rank, &err), 0);
    assert_int_equal(ids.n, map.n);
    for (size_t i = 0; i < ids.n; i++) {
        size_t n, m;
        const char *id = rec_ids_get(&ids, i, &n), *next;
        assert_int_equal(rec_ids_find(&ids, id, n), i);
        assert_int_equal(rank[rec_hashmap_find(&map, id, n)], i);
        if (i + 1 == ids.n)
            break;
        next = rec_ids_get(&ids, i + 1, &m);
        assert_true(compare(id, n, next, m) < 0);
    }
    assert_int_equal(rec_ids_find(&ids, "no such id", 10), -1);
    assert_int_equal(rec_ids_find(&ids, "", 0), -1);
    assert_int_equal(rec_ids_find(&ids, "\xff\xff\xff\xff", 4), -1);
    free(rank);
    rec_ids_clear(&ids);
    rec_hashmap_clear(&map);
}

static void nothing_is_a_table_too(void **state)
{
    struct rec_hashmap map = {0};
    struct rec_ids ids;
    (void)state;
    assert_int_equal(rec_ids_from_map(&ids, &map, NULL, &err), 0);
    assert_int_equal(ids.n, 0);
    assert_int_equal(ids.offset[0], 0);
    assert_int_equal(rec_ids_find(&ids, "a", 1), -1);
    assert_int_equal(rec_ids_join(NULL, &ids, &ids), 0);
    rec_ids_clear(&ids);
}

static void joins(void **state)
{
    struct rec_hashmap a = {0}, b = {0};
    struct rec_ids from, into;
    uint32_t *rank = malloc(20000 * sizeof *rank);
    int32_t *to = malloc(20000 * sizeof *to);
    size_t found = 0;
    (void)state;
    assert_true(rank != NULL && to != NULL);
    fill(&a, 1, 5000);
    fill(&b, 2, 3000);
    assert_int_equal(rec_ids_from_map(&from, &a, rank, &err), 0);
    assert_int_equal(rec_ids_from_map(&into, &b, rank, &err), 0);
    size_t said = rec_ids_join(to, &from, &into);
    for (size_t i = 0; i < from.n; i++) {
        size_t len;
        const char *id = rec_ids_get(&from, i, &len);
        assert_int_equal(to[i], rec_ids_find(&into, id, len));
        found += to[i] >= 0;
    }
    assert_int_equal(said, found);
    assert_true(found > 100 && found < from.n);
    free(rank);
    free(to);
    rec_ids_clear(&from);
    rec_ids_clear(&into);
    rec_hashmap_clear(&a);
    rec_hashmap_clear(&b);
}

/* A file of one table t with these bytes and offsets. */
static int load(const char *bytes, const int64_t *offset, size_t n_offsets)
{
    char json[300], data[200];
    size_t n = 8 * n_offsets, m = strlen(bytes);
    struct rec_safetensors file;
    struct rec_ids ids;
    int result;
    if (n > 0)
        memcpy(data, offset, n);
    memcpy(data + n, bytes, m);
    snprintf(json, sizeof json, "{\"t.offsets\":{\"dtype\":\"I64\",\"shape\":[%zu],\"data_offsets\":[0,%zu]},\"t.bytes\":{\"dtype\":\"U8\","
             "\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}}", n_offsets, n, m, n, n + m);
    struct bytes b = crafted(json, data, n + m);
    assert_int_equal(parse(&file, b.data, b.len, 0, &err), 0);
    result = rec_ids_load(&ids, &file, "t", &err);
    if (result < 0)
        is_message(&err);
    rec_ids_clear(&ids);
    rec_safetensors_close(&file);
    free(b.data);
    return result;
}

static void refuses_damaged_tables(void **state)
{
    (void)state;
    assert_int_equal(load("abc", (int64_t[]){0, 1, 3}, 3), 0);
    assert_int_equal(load("", (int64_t[]){0}, 1), 0);
    assert_int_equal(load("aab", (int64_t[]){0, 1, 3}, 3), 0);
    assert_int_equal(load("", NULL, 0), -1);
    assert_int_equal(load("abc", (int64_t[]){1, 2, 3}, 3), -1);
    assert_int_equal(load("abc", (int64_t[]){0, 1, 2}, 3), -1);
    assert_int_equal(load("abc", (int64_t[]){0, 1, 4}, 3), -1);
    assert_int_equal(load("abc", (int64_t[]){0, 0, 3}, 3), -1);
    assert_string_equal(err.text, "test.rec: tensor t: id 0 is empty, or ends before it begins");
    assert_int_equal(load("abc", (int64_t[]){0, 2, 1, 3}, 4), -1);
    assert_int_equal(load("abc", (int64_t[]){0, INT64_MAX, 1, 3}, 4), -1);
    assert_int_equal(load("abc", (int64_t[]){0, 100, 101, 3}, 4), -1);
    assert_int_equal(load("abc", (int64_t[]){0, INT64_MIN, 1, 3}, 4), -1);
    assert_int_equal(load("ba", (int64_t[]){0, 1, 2}, 3), -1);
    assert_string_equal(err.text, "test.rec: tensor t: id 1 is not greater than the one before");
    assert_int_equal(load("aa", (int64_t[]){0, 1, 2}, 3), -1);
    assert_int_equal(load("aba", (int64_t[]){0, 2, 3}, 3), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_and_ranks),
        cmocka_unit_test(nothing_is_a_table_too),
        cmocka_unit_test(joins),
        cmocka_unit_test(refuses_damaged_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
