/* SPDX-License-Identifier: MIT
 *
 * What trainers tell between passes: the model as it would be if training ended there, and a state from which it goes on to the same bytes.
 */
#include <rec/models.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { USERS = 60, ITEMS = 40, PASSES = 5, AT = 2 };

static int64_t user_ptr[USERS + 1], stamp[USERS * ITEMS];
static int32_t item[USERS * ITEMS];
static float value[USERS * ITEMS];
static struct rec_ratings ratings = {.n_users = USERS, .n_items = ITEMS, .user_ptr = user_ptr, .item = item, .value = value, .time = stamp};

/* Tastes of five kinds, some noise, and a user and an item without ratings. */
static int plant(void **state)
{
    struct rec_rng rng;

    (void)state;
    rec_rng_seed(&rng, 3, 0);
    for (size_t u = 0; u < USERS; u++) {
        for (size_t i = 1; i < ITEMS && u != 7; i++)
            if (rec_rng_uniform(&rng) < ((u + i) % 5 < 2 ? 0.5 : 0.1)) {
                item[ratings.nnz] = (int32_t)i;
                stamp[ratings.nnz] = 1000000000 + (int64_t)ratings.nnz * 977;
                value[ratings.nnz++] = (float)(1 + (u + i) % 5 * rec_rng_uniform(&rng));
            }
        user_ptr[u + 1] = (int64_t)ratings.nnz;
    }
    return 0;
}

static uint32_t add(uint32_t crc, const void *data, size_t n, size_t size)
{
    return data ? rec_crc32c(crc, data, n * size) : crc;
}

static uint32_t digest(const struct rec_model *m)
{
    uint32_t crc = rec_crc32c(0, &m->mean, sizeof m->mean);

    crc = add(crc, m->user_factors, m->n_users * m->factors, sizeof(float));
    crc = add(crc, m->item_factors, m->n_items * m->factors, sizeof(float));
    crc = add(crc, m->history_factors, m->n_items * m->factors, sizeof(float));
    crc = add(crc, m->user_bias, m->n_users, sizeof(float));
    crc = add(crc, m->item_bias, m->n_items, sizeof(float));
    crc = add(crc, m->link_weight, m->link_ptr ? (size_t)m->link_ptr[m->n_items] : 0, sizeof(float));
    return add(crc, m->links, m->n_items * m->n_items, sizeof(float));
}

struct watch {
    bool want;
    size_t stop_at;              /* 0: never */
    size_t steps, models, states;
    uint32_t shown;              /* the model after step AT */
    struct rec_train_part part[16];
    struct rec_train_saved saved;
};

static bool wants(void *context, size_t step, size_t steps)
{
    (void)step, (void)steps;
    return ((struct watch *)context)->want;
}

static int watch(void *context, const struct rec_progress *p, struct rec_err *err)
{
    struct watch *w = context;

    (void)err;
    w->steps++;
    w->models += p->model != NULL;
    w->states += p->state != NULL;
    if (p->step == AT && p->model)
        w->shown = digest(p->model);
    if (p->step == AT && p->state && !w->saved.part) {
        assert_true(p->n_state <= REC_LENGTH(w->part));
        for (size_t i = 0; i < p->n_state; i++) {
            w->part[i] = p->state[i];
            w->part[i].data = malloc(p->state[i].size + 1);
            memcpy(w->part[i].data, p->state[i].data, p->state[i].size);
        }
        w->saved = (struct rec_train_saved){AT, w->part, p->n_state};
    }
    return w->stop_at && p->step >= w->stop_at;
}

static void forget(struct watch *w)
{
    for (size_t i = 0; i < w->saved.n; i++)
        free(w->part[i].data);
}

/* Trains, and returns the model's digest. */
static uint32_t train(const struct rec_model_type *type, const double *param, struct watch *w, const struct rec_train_saved *saved)
{
    struct rec_model model = {0};
    struct rec_err err = {0};
    struct rec_train_job job = {.ratings = &ratings, .param = param, .seed = 5, .threads = 2, .saved = saved,
                                .progress = w ? watch : NULL, .wants_model = wants, .context = w};

    if (type->train(&model, &job, &err) < 0)
        fail_msg("%s: %s", type->name, err.text);
    uint32_t crc = digest(&model);
    rec_model_clear(&model);
    return crc;
}

/* Sets the number of passes; false of a model that makes none. */
static bool set_passes(const struct rec_model_type *type, double *param, double n)
{
    for (size_t i = 0; type->params[i].name; i++)
        if (!strcmp(type->params[i].name, "passes")) {
            param[i] = n;
            return true;
        }
    return false;
}

static void check(const struct rec_model_type *type, double *param)
{
    struct watch none = {0}, all = {.want = true}, stop = {.stop_at = AT};

    bool passes = set_passes(type, param, PASSES);
    uint32_t plain = train(type, param, NULL, NULL);
    /* Whoever looks changes nothing. */
    assert_int_equal(train(type, param, &none, NULL), plain);
    assert_int_equal(train(type, param, &all, NULL), plain);
    if (all.saved.part) {
        struct watch later = {.want = true};
        assert_int_equal(train(type, param, &later, &all.saved), plain);
        assert_int_equal(later.steps, all.steps - AT);
        all.part[0].size++;
        struct rec_model model = {0};
        struct rec_err err = {0};
        struct rec_train_job job = {.ratings = &ratings, .param = param, .seed = 5, .threads = 1, .saved = &all.saved};
        assert_int_equal(type->train(&model, &job, &err), -1);
        assert_non_null(strstr(err.text, "not of this training"));
    }
    uint32_t ended = train(type, param, &stop, NULL);
    if (passes && all.models) {
        assert_int_equal(stop.steps, AT);
        assert_int_equal(ended, all.shown);
        set_passes(type, param, AT);
        assert_int_equal(train(type, param, NULL, NULL), all.shown);
    }
    forget(&all);
    forget(&none);
    forget(&stop);
}

/* Every model, with every one of its choices. */
static void test_all(void **state)
{
    double param[REC_PARAM_MAX];

    (void)state;
    for (size_t m = 0; rec_models[m]; m++) {
        const struct rec_model_type *type = rec_models[m];
        if (type->combines)
            continue;
        rec_models_defaults(type, param);
        check(type, param);
        for (size_t i = 0; type->params[i].name; i++)
            for (double k = 0; type->params[i].choices && k <= type->params[i].max; k++) {
                rec_models_defaults(type, param);
                param[i] = k;
                check(type, param);
            }
    }
}

/* Those that are known to tell both. */
static void test_tellers(void **state)
{
    static const char *const tellers[] = {"bias", "als", "ials"};
    double param[REC_PARAM_MAX];

    (void)state;
    for (size_t t = 0; t < REC_LENGTH(tellers); t++) {
        struct watch all = {.want = true};
        const struct rec_model_type *type = rec_models_find(tellers[t]);
        rec_models_defaults(type, param);
        set_passes(type, param, 3);
        train(type, param, &all, NULL);
        assert_int_equal(all.models, 3);
        assert_int_equal(all.states, 3);
        forget(&all);
    }
}

static void test_search_ranges(void **state)
{
    (void)state;
    for (size_t m = 0; rec_models[m]; m++)
        for (const struct rec_param *p = rec_models[m]->params; p->name; p++) {
            assert_true(p->lo <= p->hi);
            assert_true((p->lo == 0 && p->hi == 0) || (p->lo >= p->min && p->hi <= p->max));
            assert_true(!p->log || p->lo > 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_tellers),
        cmocka_unit_test(test_search_ranges),
    };

    return cmocka_run_group_tests(tests, plant, NULL);
}
