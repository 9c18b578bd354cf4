/* SPDX-License-Identifier: MIT
 *
 * sgd and bpr: a training that goes on from what it has told of itself ends as one that was never interrupted.
 */
#include <rec/models.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { USERS = 80, ITEMS = 40, PARTS = 8, STOP = 3 };

static int64_t ptr[USERS + 1];
static int32_t item[USERS * ITEMS];
static float value[USERS * ITEMS];

static struct rec_ratings ratings(void)
{
    struct rec_ratings r = {.n_users = USERS, .n_items = ITEMS, .user_ptr = ptr, .item = item, .value = value};
    struct rec_rng rng;

    rec_rng_seed(&rng, 5, 0);
    for (size_t u = 0; u < USERS; u++) {
        for (size_t i = 0; i < ITEMS; i++)
            if (rec_rng_uniform(&rng) < 0.3) {
                item[r.nnz] = (int32_t)i;
                value[r.nnz++] = (float)(1 + (u * i) % 5);
            }
        ptr[u + 1] = (int64_t)r.nnz;
    }
    return r;
}

struct kept {
    struct rec_train_saved saved;
    struct rec_train_part part[PARTS];
};

static int keep(void *context, const struct rec_progress *progress, struct rec_err *err)
{
    struct kept *kept = context;

    (void)err;
    if (progress->step != STOP)
        return 0;
    assert_true(progress->n_state <= PARTS);
    for (size_t i = 0; i < progress->n_state; i++) {
        kept->part[i] = progress->state[i];
        kept->part[i].data = malloc(progress->state[i].size);
        memcpy(kept->part[i].data, progress->state[i].data, progress->state[i].size);
    }
    kept->saved = (struct rec_train_saved){.step = progress->step, .part = kept->part, .n = progress->n_state};
    return 1;
}

static void check(const char *name, const char *set, double to)
{
    const struct rec_model_type *type = rec_models_find(name);
    struct rec_ratings r = ratings();
    double param[REC_PARAM_MAX];
    struct rec_model whole = {0}, part = {0}, rest = {0};
    struct rec_err err = {0};
    struct kept kept = {0};
    struct rec_train_job job = {.ratings = &r, .param = param, .seed = 9, .threads = 2};

    rec_models_defaults(type, param);
    for (size_t i = 0; type->params[i].name; i++)
        if (!strcmp(type->params[i].name, set))
            param[i] = to;
        else if (!strcmp(type->params[i].name, "passes"))
            param[i] = 7;
    assert_int_equal(type->train(&whole, &job, &err), 0);
    job.progress = keep;
    job.context = &kept;
    assert_int_equal(type->train(&part, &job, &err), 0);
    assert_int_equal(kept.saved.step, STOP);
    job.progress = NULL;
    job.saved = &kept.saved;
    assert_int_equal(type->train(&rest, &job, &err), 0);
    assert_memory_equal(whole.user_factors, rest.user_factors, USERS * whole.factors * sizeof(float));
    assert_memory_equal(whole.item_factors, rest.item_factors, ITEMS * whole.factors * sizeof(float));
    assert_memory_equal(whole.item_bias, rest.item_bias, ITEMS * sizeof(float));
    assert_true(memcmp(whole.user_factors, part.user_factors, USERS * whole.factors * sizeof(float)) != 0);
    if (whole.history_factors)
        assert_memory_equal(whole.history_factors, rest.history_factors, ITEMS * whole.factors * sizeof(float));
    /* What another training has kept is refused. */
    rec_model_clear(&part);
    kept.part[1].size--;
    assert_int_equal(type->train(&part, &job, &err), -1);
    for (size_t i = 0; i < kept.saved.n; i++)
        free(kept.part[i].data);
    rec_model_clear(&whole);
    rec_model_clear(&rest);
}

static void training_goes_on_where_it_stopped(void **state)
{
    (void)state;
    check("sgd", "implicit", 0);
    check("sgd", "implicit", 1);
    check("bpr", "negatives", 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(training_goes_on_where_it_stopped)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
