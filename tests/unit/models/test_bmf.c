/* SPDX-License-Identifier: MIT
 *
 * bmf on planted ratings whose true means are known: its mean is nearer to them than that of als, and its deviation says how near.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include <rec/models.h>

enum { USERS = 120, ITEMS = 80, RANK = 2 };

static double truth[USERS][ITEMS];

static void plant(struct rec_ratings *r)
{
    static int64_t ptr[USERS + 1], time[USERS * ITEMS];
    static int32_t item[USERS * ITEMS];
    static float value[USERS * ITEMS];
    double x[USERS][RANK], y[ITEMS][RANK];
    struct rec_rng rng;

    rec_rng_seed(&rng, 11, 0);
    for (size_t k = 0; k < RANK; k++) {
        for (size_t u = 0; u < USERS; u++)
            x[u][k] = rec_rng_normal(&rng);
        for (size_t i = 0; i < ITEMS; i++)
            y[i][k] = 0.6 * rec_rng_normal(&rng);
    }
    *r = (struct rec_ratings){.n_users = USERS, .n_items = ITEMS, .user_ptr = ptr, .item = item, .value = value, .time = time};
    for (size_t u = 0; u < USERS; u++) {
        double bias = 0.4 * rec_rng_normal(&rng);
        ptr[u] = (int64_t)r->nnz;
        for (size_t i = 0; i < ITEMS; i++) {
            truth[u][i] = 3 + bias + 0.2 * y[i][0];
            for (size_t k = 0; k < RANK; k++)
                truth[u][i] += x[u][k] * y[i][k];
            if (rec_rng_uniform(&rng) < 0.3) {
                item[r->nnz] = (int32_t)i;
                time[r->nnz] = 1000000000 + (int64_t)rec_rng_below(&rng, 100000000);
                value[r->nnz++] = (float)(truth[u][i] + 0.7 * rec_rng_normal(&rng));
            }
        }
    }
    ptr[USERS] = (int64_t)r->nnz;
}

static void set(const struct rec_model_type *type, double *param, const char *name, double value)
{
    for (size_t i = 0; type->params[i].name; i++)
        if (!strcmp(type->params[i].name, name))
            param[i] = value;
}

static void train(struct rec_model *model, const char *name, const struct rec_ratings *r)
{
    const struct rec_model_type *type = rec_models_find(name);
    double param[REC_PARAM_MAX];
    struct rec_err err = {0};
    struct rec_train_job job = {.ratings = r, .param = param, .seed = 5, .threads = 2};

    rec_models_defaults(type, param);
    set(type, param, "factors", 4);
    if (strcmp(name, "bmf") == 0) {
        set(type, param, "passes", 240);
        set(type, param, "burn-in", 60);
        set(type, param, "kept", 30);
        /* Nothing depends on times here. */
        set(type, param, "date-bins", 0);
        set(type, param, "position-bins", 0);
        set(type, param, "pace-bins", 0);
    }
    if (type->train(model, &job, &err) < 0)
        fail_msg("%s", err.text);
}

/* The root mean squared distance from the true means, over all pairs. */
static double distance(const struct rec_model *m)
{
    double sum = 0;

    for (int32_t u = 0; u < USERS; u++)
        for (int32_t i = 0; i < ITEMS; i++)
            sum += pow(rec_predict_pair(m, u, i) - truth[u][i], 2);
    return sqrt(sum / (USERS * ITEMS));
}

static void nearer_than_one_best_guess(void **state)
{
    struct rec_ratings r;
    struct rec_model bmf = {0}, als = {0};

    (void)state;
    plant(&r);
    train(&bmf, "bmf", &r);
    train(&als, "als", &r);
    assert_true(distance(&bmf) < 0.9 * distance(&als));
    rec_model_clear(&bmf);
    rec_model_clear(&als);
}

/* Of an interval that should hold 90 % of the true means, the share that it does hold. */
static void as_sure_as_it_says(void **state)
{
    struct rec_ratings r;
    struct rec_model m = {0};
    size_t inside = 0, all = 0;

    (void)state;
    plant(&r);
    train(&m, "bmf", &r);
    assert_true(m.samples == 30);
    for (int32_t u = 0; u < USERS; u++)
        for (int32_t i = 0; i < ITEMS; i++) {
            double deviation = rec_predict_deviation(&m, u, i), prediction = rec_predict_pair(&m, u, i);
            assert_true(deviation > 0);
            /* At the ends of the scale a prediction is cut off. */
            if (prediction <= m.low || prediction >= m.high)
                continue;
            all++;
            inside += fabs(prediction - truth[u][i]) < 1.645 * deviation;
        }
    double share = (double)inside / (double)all;
    if (share < 0.82 || share > 0.96)
        fail_msg("%g of the true means are within 90 %% intervals", share);
    assert_true(isnan(rec_predict_deviation(&m, -1, 0)) && isnan(rec_predict_deviation(&m, 0, -1)));
    rec_model_clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nearer_than_one_best_guess), cmocka_unit_test(as_sure_as_it_says)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
