/* SPDX-License-Identifier: MIT
 *
 * Sums of models: every score is the weighted sum of the parts' scores; weights that are fitted do at least as well as any part alone.
 */
#include <rec/models.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { USERS = 120, ITEMS = 60 };

struct world {
    struct rec_ratings train, held;
    char bytes[2][4 * 400];
    int64_t offset[2][401];
};

static void begin(struct rec_ratings *r)
{
    *r = (struct rec_ratings){.n_users = USERS, .n_items = ITEMS};
    r->user_ptr = r->owned[0] = calloc(USERS + 1, sizeof(int64_t));
    r->item = r->owned[1] = calloc(USERS * ITEMS, sizeof(int32_t));
    r->value = r->owned[2] = calloc(USERS * ITEMS, sizeof(float));
}

static void add(struct rec_ratings *r, size_t user, size_t item, double value)
{
    ((int32_t *)r->owned[1])[r->nnz] = (int32_t)item;
    ((float *)r->owned[2])[r->nnz++] = (float)value;
    for (size_t u = user + 1; u <= USERS; u++)
        ((int64_t *)r->owned[0])[u] = (int64_t)r->nnz;
}

/* Ids of three digits, so that they ascend. */
static struct rec_ids ids(struct world *w, int which, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char text[8];
        snprintf(text, sizeof text, "%03zu", i);
        memcpy(w->bytes[which] + 3 * i, text, 3);
        w->offset[which][i + 1] = (int64_t)(3 * (i + 1));
    }
    return (struct rec_ids){.bytes = w->bytes[which], .offset = w->offset[which], .n = n};
}

static void plant(struct world *w)
{
    struct rec_rng rng;
    double place[ITEMS][2];

    rec_rng_seed(&rng, 11, 0);
    begin(&w->train);
    begin(&w->held);
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t k = 0; k < 2; k++)
            place[i][k] = rec_rng_normal(&rng);
    for (size_t u = 0; u < USERS; u++) {
        double a = rec_rng_normal(&rng), b = rec_rng_normal(&rng);
        for (size_t i = 0; i < ITEMS; i++) {
            double match = a * place[i][0] + b * place[i][1] + 0.03 * (double)(ITEMS - i);
            if (rec_rng_uniform(&rng) < 1 / (1 + exp(2.5 - 1.5 * match)))
                add(rec_rng_uniform(&rng) < 0.25 ? &w->held : &w->train, u, i, 3 + 0.5 * match + 0.3 * rec_rng_normal(&rng));
        }
    }
    w->train.users = w->held.users = ids(w, 0, USERS);
    w->train.items = w->held.items = ids(w, 1, ITEMS);
}

static void end(struct world *w)
{
    for (size_t i = 0; i < 3; i++) {
        free(w->train.owned[i]);
        free(w->held.owned[i]);
    }
    free(w);
}

static void train(struct rec_model *m, const char *name, struct world *w)
{
    const struct rec_model_type *type = rec_models_find(name);
    double param[REC_PARAM_MAX];
    struct rec_err err = {0};
    struct rec_train_job job = {.ratings = &w->train, .param = param, .seed = 1, .threads = 1};

    rec_models_defaults(type, param);
    for (size_t i = 0; type->params[i].name; i++) {
        if (!strcmp(type->params[i].name, "factors"))
            param[i] = 4;
        if (!strcmp(type->params[i].name, "implicit-features"))
            param[i] = 0.5;
    }
    if (type->train(m, &job, &err) < 0)
        fail_msg("%s: %s", name, err.text);
}

static int combine(struct rec_model *m, const char *name, struct world *w, const struct rec_model *const *of, size_t n, const double *weight,
                   unsigned threads, struct rec_err *err)
{
    const struct rec_model_type *type = rec_models_find(name);
    double param[REC_PARAM_MAX];
    struct rec_train_job job = {.ratings = w ? &w->held : NULL, .param = param, .threads = threads, .of = of, .n_of = n, .weight = weight};

    rec_models_defaults(type, param);
    return type->train(m, &job, err);
}

static double score(const struct rec_model *m, size_t u, size_t i)
{
    struct rec_model open = *m;

    open.ratings_scale = false;
    return rec_predict_pair(&open, (int32_t)u, (int32_t)i);
}

static double scale(const struct rec_model *m, size_t part)
{
    struct rec_err err = {0};
    struct rec_json_value *parts = rec_json_read("parts", m->parts.data, m->parts.len, &err);
    double value = NAN;

    assert_int_equal(rec_json_number(&value, rec_json_get(rec_json_at(parts, part), "scale")), 0);
    rec_json_free(parts);
    return value;
}

static void assert_sum(const struct rec_model *sum, const struct rec_model *const *of, size_t n, double add_up)
{
    for (size_t u = 0; u < USERS; u++)
        for (size_t i = 0; i < ITEMS; i++) {
            double expected = add_up;
            for (size_t m = 0; m < n; m++)
                expected += scale(sum, m) * score(of[m], u, i);
            assert_true(fabs(score(sum, u, i) - expected) < 1e-4 * (1 + fabs(expected)));
        }
}

static double ndcg(const struct rec_model *m, const struct world *w)
{
    double sum = 0, users = 0;

    for (size_t u = 0; u < USERS; u++) {
        double gain = 0, ideal = 0;
        int64_t from = w->held.user_ptr[u], to = w->held.user_ptr[u + 1];
        for (int64_t p = from; p < to; p++) {
            size_t rank = 0;
            for (size_t i = 0; i < ITEMS; i++) {
                bool known = false;
                for (int64_t q = w->train.user_ptr[u]; q < w->train.user_ptr[u + 1]; q++)
                    known |= w->train.item[q] == (int32_t)i;
                rank += !known && score(m, u, i) > score(m, u, (size_t)w->held.item[p]);
            }
            gain += rank < 20 ? 1 / log2((double)rank + 2) : 0;
            ideal += p - from < 20 ? 1 / log2((double)(p - from) + 2) : 0;
        }
        users += to > from;
        sum += to > from ? gain / ideal : 0;
    }
    return sum / users;
}

static double rmse(const struct rec_model *m, const struct world *w)
{
    double sum = 0;

    for (size_t u = 0; u < USERS; u++)
        for (int64_t p = w->held.user_ptr[u]; p < w->held.user_ptr[u + 1]; p++)
            sum += pow(score(m, u, (size_t)w->held.item[p]) - w->held.value[p], 2);
    return sqrt(sum / (double)w->held.nnz);
}

static void test_hybrid(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct rec_model part[3] = {{.n_users = 0}}, sum = {0}, again = {0};
    const struct rec_model *const of[] = {&part[0], &part[1], &part[2]};
    double weight[3], total;
    size_t n;
    struct rec_err err = {0};

    (void)state;
    plant(w);
    train(&part[0], "ials", w);
    train(&part[1], "popular", w);
    train(&part[2], "als", w);
    assert_int_equal(combine(&sum, "hybrid", w, of, 3, NULL, 1, &err), 0);
    assert_int_equal(rec_models_weights(weight, &n, 3, &sum, &err), 0);
    assert_int_equal(n, 3);
    total = weight[0] + weight[1] + weight[2];
    assert_true(fabs(total - 1) < 1e-9);
    assert_sum(&sum, of, 3, 0);
    for (size_t m = 0; m < 3; m++)
        assert_true(ndcg(&sum, w) >= ndcg(&part[m], w) - 1e-6);
    /* Threads change nothing; given weights give the same model. */
    assert_int_equal(combine(&again, "hybrid", w, of, 3, NULL, 3, &err), 0);
    assert_string_equal(again.parts.data, sum.parts.data);
    rec_model_clear(&again);
    assert_int_equal(combine(&again, "hybrid", NULL, of, 3, weight, 2, &err), 0);
    assert_string_equal(again.parts.data, sum.parts.data);
    assert_memory_equal(again.user_factors, sum.user_factors, USERS * sum.factors * sizeof(float));
    rec_model_clear(&again);
    rec_model_clear(&sum);
    for (size_t m = 0; m < 3; m++)
        rec_model_clear(&part[m]);
    end(w);
}

static void test_blend(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct rec_model part[2] = {{.n_users = 0}}, sum = {0};
    const struct rec_model *const of[] = {&part[0], &part[1]};
    struct rec_err err = {0};

    (void)state;
    plant(w);
    train(&part[0], "als", w);
    train(&part[1], "bias", w);
    assert_int_equal(combine(&sum, "blend", w, of, 2, NULL, 1, &err), 0);
    assert_true(sum.ratings_scale && sum.low < sum.high);
    assert_sum(&sum, of, 2, sum.mean - scale(&sum, 0) * part[0].mean - scale(&sum, 1) * part[1].mean);
    for (size_t m = 0; m < 2; m++)
        assert_true(rmse(&sum, w) <= rmse(&part[m], w) + 1e-3);
    rec_model_clear(&sum);
    rec_model_clear(&part[0]);
    rec_model_clear(&part[1]);
    end(w);
}

/* Models made by hand: links, neighbours, histories' factors, and items that one of them does not know. */
static void make(struct rec_model *m, struct world *w, const char *type, size_t first_item)
{
    struct rec_rng rng;
    size_t n = ITEMS - first_item, links = 0, near = 0;
    float *history, *weight, *near_weight;
    int64_t *ptr, *near_ptr;
    int32_t *item, *near_user, *seen;

    rec_rng_seed(&rng, first_item, 5);
    *m = (struct rec_model){.n_users = USERS, .n_items = n, .factors = 2, .history_exponent = 0.5};
    snprintf(m->type, sizeof m->type, "%s", type);
    m->users = w->train.users;
    m->items = (struct rec_ids){.bytes = w->train.items.bytes, .offset = w->train.items.offset + first_item, .n = n};
    float *user = m->owned[0] = calloc(USERS * 2, sizeof *user), *factors = m->owned[1] = calloc(n * 2, sizeof *factors);
    history = m->owned[2] = calloc(n * 2, sizeof *history);
    m->popularity = m->owned[3] = calloc(n, sizeof(float));
    ptr = m->owned[4] = calloc(n + 1, sizeof *ptr);
    item = m->owned[5] = calloc(n * n, sizeof *item);
    weight = m->owned[6] = calloc(n * n, sizeof *weight);
    near_ptr = m->owned[7] = calloc(USERS + 1, sizeof *near_ptr);
    near_user = m->owned[8] = calloc(USERS * USERS, sizeof *near_user);
    near_weight = m->owned[9] = calloc(USERS * USERS, sizeof *near_weight);
    int64_t *seen_ptr = m->owned[10] = calloc(USERS + 1, sizeof *seen_ptr);
    seen = m->owned[11] = calloc(w->train.nnz, sizeof *seen);
    for (size_t k = 0; k < USERS * 2; k++)
        user[k] = (float)rec_rng_normal(&rng);
    for (size_t k = 0; k < n * 2; k++) {
        factors[k] = (float)rec_rng_normal(&rng);
        history[k] = (float)rec_rng_normal(&rng);
    }
    for (size_t j = 0; j < n; j++, ptr[j] = (int64_t)links)
        for (size_t i = 0; i < n; i++)
            if (rec_rng_uniform(&rng) < 0.2) {
                item[links] = (int32_t)i;
                weight[links++] = (float)rec_rng_normal(&rng);
            }
    for (size_t u = 0; u < USERS; u++, near_ptr[u] = (int64_t)near)
        for (size_t v = 0; v < USERS; v++)
            if (rec_rng_uniform(&rng) < 0.05) {
                near_user[near] = (int32_t)v;
                near_weight[near++] = (float)rec_rng_normal(&rng);
            }
    /* Of the histories only items that both know. */
    size_t pairs = 0;
    for (size_t u = 0; u < USERS; u++, seen_ptr[u] = (int64_t)pairs)
        for (int64_t p = w->train.user_ptr[u]; p < w->train.user_ptr[u + 1]; p++)
            if (w->train.item[p] >= 5)
                seen[pairs++] = w->train.item[p] - (int32_t)first_item;
    m->user_factors = user;
    m->item_factors = factors;
    m->history_factors = history;
    m->link_ptr = ptr;
    m->link_item = item;
    m->link_weight = weight;
    m->near_ptr = near_ptr;
    m->near_user = near_user;
    m->near_weight = near_weight;
    m->seen_ptr = seen_ptr;
    m->seen_item = seen;
}

static void test_links_and_tables(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct rec_model part[2], sum = {0};
    const struct rec_model *const of[] = {&part[0], &part[1]};
    struct rec_err err = {0};

    (void)state;
    plant(w);
    make(&part[0], w, "one", 0);
    make(&part[1], w, "two", 5);
    assert_int_equal(combine(&sum, "hybrid", NULL, of, 2, (double[]){0.3, 0.7}, 1, &err), 0);
    assert_int_equal(sum.n_items, ITEMS);
    assert_int_equal(sum.factors, 4);
    assert_true(sum.history_exponent == 0.5);
    for (size_t u = 0; u < USERS; u++)
        for (size_t i = 0; i < ITEMS; i++) {
            double expected = scale(&sum, 0) * score(&part[0], u, i) + (i < 5 ? 0 : scale(&sum, 1) * score(&part[1], u, i - 5));
            assert_true(fabs(score(&sum, u, i) - expected) < 1e-4 * (1 + fabs(expected)));
        }
    rec_model_clear(&sum);
    /* Histories that weigh in two ways cannot be added; nor can models of other ratings. */
    part[1].history_exponent = 0;
    assert_int_equal(combine(&sum, "hybrid", NULL, of, 2, (double[]){0.3, 0.7}, 1, &err), -1);
    assert_non_null(strstr(err.text, "cannot be added"));
    part[1].history_exponent = 0.5;
    ((int32_t *)part[1].owned[11])[0] += 1;
    assert_int_equal(combine(&sum, "hybrid", NULL, of, 2, (double[]){0.3, 0.7}, 1, &err), -1);
    assert_non_null(strstr(err.text, "another history"));
    part[1].users.n--;
    assert_int_equal(combine(&sum, "hybrid", NULL, of, 2, (double[]){0.3, 0.7}, 1, &err), -1);
    assert_non_null(strstr(err.text, "its users are not those"));
    for (size_t m = 0; m < 2; m++)
        rec_model_clear(&part[m]);
    end(w);
}

/* A visitor's score, of a model without limits to its ratings. */
static double folded(const struct rec_model *m, const struct rec_visitor *history, int32_t target, float *part, float *rest)
{
    struct rec_visitor own = *history, *v = &own;
    struct rec_foldin foldin;
    struct rec_err err = {0};
    double value;

    assert_int_equal(rec_foldin_init(&foldin, m, &err), 0);
    assert_int_equal(rec_foldin_user(v, &foldin, &err), 0);
    value = rec_foldin_score(m, v, target);
    if (part)
        assert_int_equal(rec_foldin_explain(part, rest, &foldin, v, target, &err), 0);
    rec_foldin_forget(v);
    rec_foldin_clear(&foldin);
    return value;
}

/* An exact solver's users are found again by folding in. */
static void test_implicit_features(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct rec_model m = {0};
    struct rec_foldin foldin;
    struct rec_err err = {0};

    (void)state;
    plant(w);
    train(&m, "als", w);
    assert_non_null(m.implicit_factors);
    assert_int_equal(rec_foldin_init(&foldin, &m, &err), 0);
    for (size_t u = 0; u < USERS; u++) {
        int64_t p = w->train.user_ptr[u];
        struct rec_visitor v = {.item = w->train.item + p, .value = w->train.value + p, .n = (size_t)(w->train.user_ptr[u + 1] - p)};
        if (v.n == 0)
            continue;
        assert_int_equal(rec_foldin_user(&v, &foldin, &err), 0);
        for (size_t k = 0; k < m.factors; k++)
            assert_float_equal(v.x[k], m.user_factors[u * m.factors + k], 2e-3);
        assert_float_equal(v.bias, m.user_bias[u], 2e-3);
        rec_foldin_forget(&v);
    }
    rec_foldin_clear(&foldin);
    rec_model_clear(&m);
    end(w);
}

/* Folding into a sum is folding into its parts; what each item of the history adds sums to the score. */
static void test_folding_in(void **state)
{
    static const char *const names[] = {"ials", "als", "bias", "popular"};
    struct world *w = calloc(1, sizeof *w);
    struct rec_model part[4] = {{.n_users = 0}}, sum = {0};
    const struct rec_model *const of[] = {&part[0], &part[1], &part[2], &part[3]};
    struct rec_err err = {0};

    (void)state;
    plant(w);
    for (size_t m = 0; m < 4; m++)
        train(&part[m], names[m], w);
    assert_int_equal(combine(&sum, "hybrid", NULL, of, 4, (double[]){0.5, 0.25, 0.15, 0.1}, 1, &err), 0);
    for (size_t u = 0; u < 10; u++) {
        int64_t p = w->train.user_ptr[u];
        struct rec_visitor v = {.item = w->train.item + p, .value = w->train.value + p, .n = (size_t)(w->train.user_ptr[u + 1] - p)};
        for (int32_t target = 0; target < ITEMS; target += 7) {
            float each[ITEMS], rest;
            double expected = 0, explained, got = folded(&sum, &v, target, each, &rest);
            explained = rest;
            for (size_t j = 0; j < v.n; j++)
                explained += each[j];
            for (size_t m = 0; m < 4; m++)
                expected += scale(&sum, m) * folded(&part[m], &v, target, NULL, NULL);
            assert_true(fabs(got - expected) < 1e-4 * (1 + fabs(expected)));
            assert_true(fabs(got - explained) < 1e-4 * (1 + fabs(got)));
        }
    }
    rec_model_clear(&sum);
    for (size_t m = 0; m < 4; m++)
        rec_model_clear(&part[m]);
    end(w);
}

static void test_errors(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct rec_model part = {0}, sum = {0}, none = {0};
    const struct rec_model *const of[] = {&part};
    struct rec_err err = {0};
    double weight;
    size_t n;

    (void)state;
    plant(w);
    train(&part, "ials", w);
    assert_int_equal(combine(&none, "hybrid", w, NULL, 0, NULL, 1, &err), -1);
    assert_int_equal(combine(&none, "hybrid", NULL, of, 1, NULL, 1, &err), -1);
    assert_non_null(strstr(err.text, "no ratings"));
    assert_int_equal(combine(&none, "hybrid", NULL, of, 1, (double[]){0}, 1, &err), -1);
    assert_int_equal(combine(&none, "hybrid", NULL, of, 1, (double[]){-1}, 1, &err), -1);
    assert_int_equal(combine(&none, "blend", NULL, of, 1, (double[]){1}, 1, &err), -1);
    assert_non_null(strstr(err.text, "no ratings"));
    assert_int_equal(rec_models_weights(&weight, &n, 1, &part, &err), -1);
    /* A sum is no part of a sum. */
    assert_int_equal(combine(&sum, "hybrid", NULL, of, 1, (double[]){2}, 1, &err), 0);
    assert_int_equal(combine(&none, "hybrid", NULL, (const struct rec_model *const[]){&sum}, 1, (double[]){1}, 1, &err), -1);
    assert_non_null(strstr(err.text, "sum of models itself"));
    rec_model_clear(&sum);
    rec_model_clear(&part);
    end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hybrid),
        cmocka_unit_test(test_blend),
        cmocka_unit_test(test_links_and_tables),
        cmocka_unit_test(test_implicit_features),
        cmocka_unit_test(test_folding_in),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
