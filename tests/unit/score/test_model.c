/* SPDX-License-Identifier: MIT
 *
 * The model file: what is written reads back; damaged and hostile ones are refused.
 */
#include "../container.h"

#include <math.h>
#include <rec/score.h>

static struct rec_err err;

static const float factors[6] = {0.1f, -2, 3, 4, 5, 6}, item_factors[4] = {1, 2, 3, 4}, user_bias[3] = {0, 1, 2}, item_bias[2] = {-1, 1},
                   popularity[2] = {2, 1};
static const int64_t seen_ptr[4] = {0, 1, 1, 3}, user_offset[4] = {0, 1, 2, 3}, item_offset[3] = {0, 1, 2};
static const int32_t seen_item[3] = {1, 0, 1};

static struct rec_model sample(void)
{
    return (struct rec_model){
        .type = "ials", .n_users = 3, .n_items = 2, .factors = 2, .mean = 3.53, .ratings_scale = true, .low = 0.5, .high = 5,
        .user_factors = factors, .item_factors = item_factors, .user_bias = user_bias, .item_bias = item_bias,
        .popularity = popularity, .seen_ptr = seen_ptr, .seen_item = seen_item,
        .users = {"abc", user_offset, 3, {NULL}}, .items = {"xy", item_offset, 2, {NULL}},
        .params = {.data = (char *)"{\"factors\":2}", .len = 13},
    };
}

static const float history_factors[4] = {5, 6, 7, 8}, links[4] = {0, 0.5f, -1, 0}, link_weight[2] = {0.25f, 2}, near_weight[3] = {1, 2, 3};
static const int64_t link_ptr[3] = {0, 1, 2}, near_ptr[4] = {0, 2, 2, 3}, liked_ptr[4] = {0, 1, 1, 2};
static const int32_t link_item[2] = {1, 0}, near_user[3] = {1, 2, 0}, liked_item[2] = {1, 0};

/* One of version 2, with all there is. */
static struct rec_model second(void)
{
    struct rec_model m = sample();

    m.history_exponent = 0.5;
    m.history_factors = history_factors;
    m.links = links;
    m.link_ptr = link_ptr, m.link_item = link_item, m.link_weight = link_weight;
    m.near_ptr = near_ptr, m.near_user = near_user, m.near_weight = near_weight;
    m.liked_ptr = liked_ptr, m.liked_item = liked_item;
    return m;
}

static int write_model(const void *what, struct rec_out *out, struct rec_err *e)
{
    return rec_model_write(what, "rec-test 1\n", out, e);
}

static int load(struct rec_model *m, const struct bytes *b, size_t len)
{
    struct rec_safetensors file;
    if (parse(&file, b->data, len, 0, &err) < 0)
        return -1;
    return rec_model_load(m, &file, &err);
}

static void reads_what_was_written(void **state)
{
    struct rec_model made = sample(), m;
    struct bytes b = written(write_model, &made);
    (void)state;
    assert_int_equal(load(&m, &b, b.len), 0);
    assert_string_equal(m.type, "ials");
    assert_true(m.n_users == 3 && m.n_items == 2 && m.factors == 2);
    assert_true(m.mean == 3.53 && m.low == 0.5 && m.high == 5 && m.ratings_scale);
    assert_memory_equal(m.user_factors, factors, sizeof factors);
    assert_memory_equal(m.item_factors, item_factors, sizeof item_factors);
    assert_memory_equal(m.user_bias, user_bias, sizeof user_bias);
    assert_memory_equal(m.item_bias, item_bias, sizeof item_bias);
    assert_memory_equal(m.popularity, popularity, sizeof popularity);
    assert_memory_equal(m.seen_ptr, seen_ptr, sizeof seen_ptr);
    assert_memory_equal(m.seen_item, seen_item, sizeof seen_item);
    assert_string_equal(m.params.data, "{\"factors\":2}");
    assert_string_equal(m.history, "rec-test 1\n");
    rec_model_clear(&m);
    free(b.data);
}

static void parts_may_be_absent(void **state)
{
    struct rec_model made = sample(), m;
    struct bytes b;
    (void)state;
    made.user_factors = made.item_factors = made.user_bias = NULL;
    made.factors = 0;
    made.ratings_scale = false;
    b = written(write_model, &made);
    assert_int_equal(load(&m, &b, b.len), 0);
    assert_true(m.user_factors == NULL && m.item_factors == NULL && m.user_bias == NULL && m.item_bias != NULL);
    assert_true(m.factors == 0 && !m.ratings_scale);
    rec_model_clear(&m);
    free(b.data);
}

static void version_2_reads_back(void **state)
{
    struct rec_model made = second(), m;
    struct bytes b = written(write_model, &made);
    (void)state;
    assert_non_null(memmem(b.data, b.len, "rec.model/2", 11));
    assert_int_equal(load(&m, &b, b.len), 0);
    assert_true(m.history_exponent == 0.5);
    assert_memory_equal(m.history_factors, history_factors, sizeof history_factors);
    assert_memory_equal(m.links, links, sizeof links);
    assert_memory_equal(m.link_ptr, link_ptr, sizeof link_ptr);
    assert_memory_equal(m.link_item, link_item, sizeof link_item);
    assert_memory_equal(m.link_weight, link_weight, sizeof link_weight);
    assert_memory_equal(m.near_ptr, near_ptr, sizeof near_ptr);
    assert_memory_equal(m.near_user, near_user, sizeof near_user);
    assert_memory_equal(m.near_weight, near_weight, sizeof near_weight);
    assert_memory_equal(m.liked_ptr, liked_ptr, sizeof liked_ptr);
    assert_memory_equal(m.liked_item, liked_item, sizeof liked_item);
    rec_model_clear(&m);
    free(b.data);
}

/* A model without any of it is for readers of version 1 as well, whatever else was set. */
static void version_1_where_it_will_do(void **state)
{
    struct rec_model made = sample(), m;
    struct bytes b;
    (void)state;
    made.history_exponent = 1;
    made.liked_ptr = liked_ptr, made.liked_item = liked_item;
    b = written(write_model, &made);
    assert_non_null(memmem(b.data, b.len, "rec.model/1", 11));
    assert_int_equal(load(&m, &b, b.len), 0);
    assert_true(m.history_exponent == 0 && !m.liked_ptr && !m.links && !m.link_ptr && !m.near_ptr && !m.history_factors);
    rec_model_clear(&m);
    free(b.data);
}

static void refuses_truncation_and_flipped_bits(void **state)
{
    struct rec_model made = second(), m;
    struct bytes b = written(write_model, &made);
    (void)state;
    for (size_t len = 0; len < b.len; len++) {
        assert_int_equal(load(&m, &b, len), -1);
        is_message(&err);
    }
    for (size_t i = 0; i < b.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.data[i] ^= (unsigned char)(1 << bit);
            assert_int_equal(load(&m, &b, b.len), -1);
            is_message(&err);
            b.data[i] ^= (unsigned char)(1 << bit);
        }
    free(b.data);
}

static void what_passes_is_safe(void **state)
{
    struct rec_model made = second(), m;
    struct bytes b = written(write_model, &made);
    (void)state;
    forget_checksums(&b);
    for (size_t i = 0; i < b.len; i++)
        for (int v = 0; v < 256; v += 5) {
            unsigned char was = b.data[i];
            b.data[i] = (unsigned char)v;
            if (load(&m, &b, b.len) < 0) {
                is_message(&err);
            } else {
                for (size_t k = 0; m.user_factors != NULL && k < m.n_users * m.factors; k++)
                    assert_true(isfinite(m.user_factors[k]));
                for (int64_t p = 0; p < m.seen_ptr[m.n_users]; p++)
                    assert_true((size_t)m.seen_item[p] < m.n_items);
                assert_true(m.history_exponent >= 0 && m.history_exponent <= 2);
                for (int64_t p = 0; m.link_ptr && p < m.link_ptr[m.n_items]; p++)
                    assert_true((size_t)m.link_item[p] < m.n_items && isfinite(m.link_weight[p]));
                for (int64_t p = 0; m.near_ptr && p < m.near_ptr[m.n_users]; p++)
                    assert_true((size_t)m.near_user[p] < m.n_users && isfinite(m.near_weight[p]));
                for (int32_t u = -1; u < (int32_t)m.n_users; u++)
                    for (int32_t k = -1; k < (int32_t)m.n_items; k++)
                        (void)rec_predict_pair(&m, u, k);
                rec_model_clear(&m);
            }
            b.data[i] = was;
        }
    free(b.data);
}

static void refused(struct rec_model bad, const char *why)
{
    struct rec_model m;
    struct bytes b = written(write_model, &bad);
    assert_int_equal(load(&m, &b, b.len), -1);
    if (strstr(err.text, why) == NULL)
        fail_msg("%s, not: %s", err.text, why);
    free(b.data);
}

static void refuses_hostile_contents(void **state)
{
    struct rec_model bad;
    (void)state;
#define BAD(member, type, why, ...) \
    bad = sample(); \
    bad.member = (const type[]){__VA_ARGS__}; \
    refused(bad, why)
    BAD(user_factors, float, "tensor user_factors: element 5 is not a finite number", 1, 2, 3, 4, 5, NAN);
    BAD(item_factors, float, "tensor item_factors: element 0 is not a finite number", INFINITY, 2, 3, 4);
    BAD(user_bias, float, "tensor user_bias: element 2 is not", 0, 0, NAN);
    BAD(item_bias, float, "tensor item_bias: element 1 is not", 0, NAN);
    BAD(popularity, float, "tensor popularity: element 1 is not", 0, NAN);
    BAD(seen_item, int32_t, "tensor seen_item: element 1 is 2, and there are 2", 1, 2, 1);
    BAD(seen_item, int32_t, "tensor seen_item: element 2 of row 2", 1, 1, 0);
    BAD(seen_ptr, int64_t, "tensor seen_ptr falls at element 2", 0, 2, 1, 3);
    bad = sample();
    bad.item_factors = NULL;
    refused(bad, "no tensor item_factors");
    bad = sample();
    bad.popularity = NULL;
    refused(bad, "no tensor popularity");
    bad = sample();
    bad.type[0] = '\0';
    bad.low = 6;
    refused(bad, "low is greater than high");
    bad = sample();
    bad.users.n = 2;
    refused(bad, "for 2 ids");
}

/* A file whose tensor has another name. */
static void refused_without(const char *name)
{
    struct rec_model made = second(), m;
    struct bytes b = written(write_model, &made);
    char *at = memmem(b.data, b.len, name, strlen(name));
    assert_non_null(at);
    at[0] = 'X';
    forget_checksums(&b);
    assert_int_equal(load(&m, &b, b.len), -1);
    if (strstr(err.text, name) == NULL)
        fail_msg("without %s: %s", name, err.text);
    free(b.data);
}

static void refuses_hostile_links(void **state)
{
    struct rec_model bad;
    (void)state;
#define BAD2(member, type, why, ...) \
    bad = second(); \
    bad.member = (const type[]){__VA_ARGS__}; \
    refused(bad, why)
    BAD2(history_factors, float, "tensor history_factors: element 3 is not a finite number", 1, 2, 3, NAN);
    BAD2(links, float, "tensor links: element 1 is not a finite number", 0, INFINITY, 0, 0);
    BAD2(link_weight, float, "tensor link_weight: element 1 is not a finite number", 1, NAN);
    BAD2(link_item, int32_t, "tensor link_item: element 0 is 2, and there are 2", 2, 0);
    BAD2(link_item, int32_t, "tensor link_item: element 1 is -1", 1, -1);
    BAD2(link_ptr, int64_t, "tensor link_ptr", 0, 3, 2);
    BAD2(near_user, int32_t, "tensor near_user: element 1 is 3, and there are 3", 1, 3, 0);
    BAD2(near_user, int32_t, "tensor near_user: element 1 of row 0", 2, 1, 0);
    BAD2(near_weight, float, "tensor near_weight: element 2 is not a finite number", 1, 2, -INFINITY);
    BAD2(near_ptr, int64_t, "tensor near_ptr falls at element 2", 0, 2, 1, 3);
    BAD2(liked_item, int32_t, "tensor liked_item: element 0 is 2, and there are 2", 2, 0);
    BAD2(liked_ptr, int64_t, "tensor liked_ptr", 1, 1, 1, 2);
    refused_without("link_weight");
    refused_without("link_item");
    refused_without("near_weight");
    refused_without("near_user");
    refused_without("liked_item");
    bad = second();
    bad.history_exponent = 2.5;
    refused(bad, "history_exponent: 2.5 is not within 0 and 2");
    bad.history_exponent = -0.5;
    refused(bad, "history_exponent: -0.5 is not within 0 and 2");
    bad = second(); /* they are factors of what the items do not have */
    bad.user_factors = bad.item_factors = NULL;
    refused(bad, "items have 0 factors, histories 2");
}

static void refuses_odd_metadata(void **state)
{
    static const char *const metas[][2] = {
        {"\"format\":\"rec.model/1\"", "metadata type is missing"},
        {"\"format\":\"rec.model/1\",\"type\":\"0123456789012345678901234567890123456789\"", "too long"},
        {"\"format\":\"rec.model/1\",\"type\":\"a\",\"scale\":\"stars\"", "neither ratings nor ranks"},
        {"\"format\":\"rec.model/1\",\"type\":\"a\",\"mean\":\"nan\"", "mean: nan is not a number"},
        {"\"format\":\"rec.model/1\",\"type\":\"a\",\"low\":\"0x1\"", "low: 0x1 is not a number"},
        {"\"format\":\"rec.model/1\",\"type\":\"a\"", "no tensor users.bytes"},
        {"\"format\":\"rec.model/0\",\"type\":\"a\"", "has no version"},
        {"\"format\":\"rec.model/\",\"type\":\"a\"", "has no version"},
        {"\"format\":\"rec.model/3\",\"type\":\"a\"", "reads up to rec.model/2"},
        {"\"format\":\"rec.model\",\"type\":\"a\"", "is rec.model, not rec.model"},
        {"\"type\":\"a\"", "no `format`"},
    };
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(metas); i++) {
        char json[300];
        struct rec_model m;
        snprintf(json, sizeof json, "{\"__metadata__\":{%s}}", metas[i][0]);
        struct bytes b = crafted(json, "", 0);
        assert_int_equal(load(&m, &b, b.len), -1);
        is_message(&err);
        if (strstr(err.text, metas[i][1]) == NULL)
            fail_msg("%s: %s", metas[i][0], err.text);
        free(b.data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),
        cmocka_unit_test(parts_may_be_absent),
        cmocka_unit_test(version_2_reads_back),
        cmocka_unit_test(version_1_where_it_will_do),
        cmocka_unit_test(refuses_truncation_and_flipped_bits),
        cmocka_unit_test(what_passes_is_safe),
        cmocka_unit_test(refuses_hostile_contents),
        cmocka_unit_test(refuses_hostile_links),
        cmocka_unit_test(refuses_odd_metadata),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
