/* SPDX-License-Identifier: MIT
 *
 * Folding in: users of the training data get back the factors that training gave them; what a score is made of sums to it.
 */
#include <rec/models.h>
#include <rec/score.h>

#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { USERS = 60, ITEMS = 40 };

static struct rec_err err;
static struct rec_ratings ratings;

static void make_ratings(void)
{
    static int64_t ptr[USERS + 1];
    static int32_t item[USERS * ITEMS];
    static float value[USERS * ITEMS];
    static char bytes[2][USERS * 3 + 1];
    static int64_t offset[2][USERS + 1];
    struct rec_rng rng;
    size_t n = 0;

    rec_rng_seed(&rng, 7, 0);
    for (size_t u = 0; u < USERS; u++) {
        for (int32_t i = 0; i < ITEMS; i++)
            if (rec_rng_uniform(&rng) < (u == 0 ? 0.9 : 0.2)) {
                item[n] = i;
                value[n++] = (float)(1 + (i * (int32_t)u + (int32_t)rec_rng_below(&rng, 3)) % 5);
            }
        ptr[u + 1] = (int64_t)n;
    }
    for (int t = 0; t < 2; t++)
        for (size_t k = 0; k < USERS; k++) {
            snprintf(bytes[t] + k * 3, 4, "%03zu", k);
            offset[t][k + 1] = (int64_t)(k + 1) * 3;
        }
    ratings = (struct rec_ratings){.n_users = USERS, .n_items = ITEMS, .nnz = n, .user_ptr = ptr, .item = item, .value = value,
                                   .users = {bytes[0], offset[0], USERS, {0}}, .items = {bytes[1], offset[1], ITEMS, {0}}};
}

struct setting {
    const char *name;
    double value;
};

static void train(struct rec_model *model, const char *name, const struct setting *set)
{
    const struct rec_model_type *type = rec_models_find(name);
    double param[REC_PARAM_MAX];
    struct rec_train_job job = {.ratings = &ratings, .param = param, .seed = 1, .threads = 1};

    make_ratings();
    assert_non_null(type);
    rec_models_defaults(type, param);
    for (; set->name; set++)
        for (size_t i = 0; type->params[i].name; i++)
            if (strcmp(type->params[i].name, set->name) == 0)
                param[i] = set->value;
    assert_int_equal(type->train(model, &job, &err), 0);
}

static void check(const char *name, const struct setting *set, float tolerance)
{
    struct rec_model model;
    struct rec_foldin foldin;
    float part[ITEMS], rest;

    train(&model, name, set);
    assert_int_equal(rec_foldin_init(&foldin, &model, &err), 0);
    for (size_t u = 0; u < USERS; u++) {
        const int32_t *item = ratings.item + ratings.user_ptr[u];
        const float *value = ratings.value + ratings.user_ptr[u];
        size_t n = (size_t)(ratings.user_ptr[u + 1] - ratings.user_ptr[u]);
        struct rec_visitor v = {.item = item, .value = value, .n = n}, nobody = {0};

        assert_int_equal(rec_foldin_user(&v, &foldin, &err), 0);
        for (size_t k = 0; k < model.factors; k++)
            assert_float_equal(v.x[k], model.user_factors[u * model.factors + k], tolerance);
        if (model.user_bias)
            assert_float_equal(v.bias, model.user_bias[u], tolerance);
        for (int32_t target = 0; model.factors && target < ITEMS; target += 7) {
            double sum, score = rec_foldin_score(&model, &v, target);

            assert_int_equal(rec_foldin_explain(part, &rest, &foldin, &v, target, &err), 0);
            sum = rest;
            for (size_t j = 0; j < n; j++)
                sum += part[j];
            assert_float_equal(sum, score, 2e-5);
            /* of nobody's history there is nothing to tell */
            assert_int_equal(rec_foldin_explain(NULL, &rest, &foldin, &nobody, target, &err), 0);
        }
        rec_foldin_forget(&v);
    }
    rec_foldin_clear(&foldin);
    rec_model_clear(&model);
}

static void users_come_back(void **state)
{
    (void)state;
    check("ials", (struct setting[]){{"factors", 8}, {"solver", 1}, {NULL, 0}}, 1e-4F);
    check("ials", (struct setting[]){{"factors", 16}, {"solver", 1}, {"alpha", 3}, {"weights", 1}, {"exponent", 1}, {NULL, 0}}, 1e-4F);
    check("als", (struct setting[]){{"factors", 6}, {NULL, 0}}, 1e-4F);
    check("bias", (struct setting[]){{"passes", 200}, {NULL, 0}}, 1e-4F);
}

static void ranks(void **state)
{
    struct rec_model model;
    struct rec_foldin foldin;
    struct rec_topk_hit hit[5], whole[5];
    struct rec_rank rank;
    size_t count;
    struct rec_visitor v = {0};
    int32_t user = 3;
    size_t n;

    (void)state;
    train(&model, "ials", (struct setting[]){{"factors", 8}, {"solver", 1}, {NULL, 0}});
    n = (size_t)(ratings.user_ptr[4] - ratings.user_ptr[3]);
    assert_int_equal(rec_foldin_init(&foldin, &model, &err), 0);
    v.item = ratings.item + ratings.user_ptr[3];
    v.n = n;
    assert_int_equal(rec_foldin_user(&v, &foldin, &err), 0);
    assert_true(rec_foldin_known(&model, &v));
    assert_int_equal(rec_foldin_rank(hit, 5, &model, NULL, &v, ratings.item + ratings.user_ptr[3], n, NULL, &err), 5);
    assert_int_equal(rec_rank_init(&rank, &model, 5, NULL, 0, &err), 0);
    assert_int_equal(rec_rank_users(whole, &count, &rank, &user, 1, 1, &err), 0);
    assert_int_equal(count, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(hit[i].item, whole[i].item);
        assert_float_equal(hit[i].score, whole[i].score, 1e-4);
    }
    rec_foldin_forget(&v);
    assert_int_equal(rec_foldin_user(&v, &foldin, &err), 0);
    for (int k = 0; k < 8; k++)
        assert_float_equal(v.x[k], 0, 0);
    assert_false(rec_foldin_known(&model, &v));
    rec_foldin_forget(&v);
    rec_rank_clear(&rank);
    rec_foldin_clear(&foldin);
    rec_model_clear(&model);
}

/* The same list to the last bit, with and without looking at bytes first: of a model with biases and of one without. */
static void ranks_the_same_screened(void **state)
{
    static const char *const types[] = {"ials", "als"};
    struct rec_topk_hit hit[8], plain[8];

    (void)state;
    for (size_t t = 0; t < 2; t++) {
        struct rec_screen screen;
        struct rec_model m;
        void *memory;

        train(&m, types[t], (struct setting[]){{"factors", 8}, {NULL, 0}});
        memory = malloc(rec_screen_size(m.n_items, m.factors) + 1);
        if (rec_screen_size(m.n_items, m.factors))
            assert_true(rec_screen_pack(&screen, memory, m.item_factors, m.n_items, m.factors, m.factors, m.item_bias));
        for (size_t u = 0; u < m.n_users && rec_screen_size(m.n_items, m.factors); u++) {
            struct rec_visitor v = {.x = m.user_factors + u * m.factors, .bias = 0.25F};
            const int32_t *seen = m.seen_item + m.seen_ptr[u];
            size_t n_seen = (size_t)(m.seen_ptr[u + 1] - m.seen_ptr[u]);
            ptrdiff_t n = rec_foldin_rank(plain, 8, &m, NULL, &v, seen, n_seen, NULL, &err);

            assert_int_equal(rec_foldin_rank(hit, 8, &m, &screen, &v, seen, n_seen, NULL, &err), n);
            assert_memory_equal(hit, plain, (size_t)n * sizeof *hit);
        }
        free(memory);
        rec_model_clear(&m);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(users_come_back), cmocka_unit_test(ranks), cmocka_unit_test(ranks_the_same_screened)};
    return cmocka_run_group_tests_name("foldin", tests, NULL, NULL);
}
