/* SPDX-License-Identifier: MIT
 *
 * What every model of the table must do, on ratings with a planted structure: a user's taste and an item's place in two dimensions
 * decide what is rated and how.
 */
#include <rec/kernels.h>
#include <rec/models.h>

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Asking for too much memory is part of the test: AddressSanitizer shall answer NULL as any other allocator. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

enum { USERS = 300, ITEMS = 120, LOSSES = 64 };

/* ---- ratings to learn from ---- */

struct planted {
    struct rec_ratings train, test;
};

static void begin(struct rec_ratings *r, size_t users, size_t items, size_t cap)
{
    *r = (struct rec_ratings){.n_users = users, .n_items = items};
    r->user_ptr = r->owned[0] = calloc(users + 1, sizeof(int64_t));
    r->item = r->owned[1] = calloc(cap + 1, sizeof(int32_t));
    r->value = r->owned[2] = calloc(cap + 1, sizeof(float));
    r->time = r->owned[3] = calloc(cap + 1, sizeof(int64_t));
}

/* Rows are added in order. */
static void add(struct rec_ratings *r, size_t user, size_t item, double value)
{
    int64_t *ptr = r->owned[0];

    ((int32_t *)r->owned[1])[r->nnz] = (int32_t)item;
    ((float *)r->owned[2])[r->nnz] = (float)value;
    ((int64_t *)r->owned[3])[r->nnz] = 1000000000 + (int64_t)r->nnz * 1000;
    r->nnz++;
    for (size_t u = user + 1; u <= r->n_users; u++)
        ptr[u] = (int64_t)r->nnz;
}

static void end(struct rec_ratings *r)
{
    for (size_t i = 0; i < 4; i++)
        free(r->owned[i]);
}

static void plant(struct planted *p, size_t users, size_t items)
{
    struct rec_rng rng;
    double *place = calloc(items * 3, sizeof *place);

    rec_rng_seed(&rng, 7, 0);
    begin(&p->train, users, items, users * items);
    begin(&p->test, users, items, users * items);
    for (size_t i = 0; i < items * 3; i++)
        place[i] = rec_rng_normal(&rng);
    for (size_t u = 0; u < users; u++) {
        double taste[2] = {rec_rng_normal(&rng), rec_rng_normal(&rng)}, bias = 0.3 * rec_rng_normal(&rng);
        for (size_t i = 0; i < items; i++) {
            double match = taste[0] * place[3 * i] + taste[1] * place[3 * i + 1];
            double chance = 1 / (1 + exp(2.5 - 2 * match - 0.3 * place[3 * i + 2]));
            double value = 3 + bias + 0.3 * place[3 * i + 2] + 0.7 * match + 0.2 * rec_rng_normal(&rng);
            if (rec_rng_uniform(&rng) < chance)
                add(rec_rng_uniform(&rng) < 0.2 ? &p->test : &p->train, u, i, value);
        }
    }
    free(place);
}

/* ---- training and looking at what came out ---- */

struct losses {
    double loss[LOSSES];
    size_t n;
};

static int note_loss(void *context, const struct rec_progress *progress, struct rec_err *err)
{
    struct losses *losses = context;

    assert_true(progress->step >= 1 && progress->step <= progress->steps);
    if (losses->n < LOSSES)
        losses->loss[losses->n++] = progress->loss;
    (void)err;
    return 0;
}

static void set(const struct rec_model_type *type, double *param, const char *name, double value)
{
    for (size_t i = 0; type->params[i].name; i++)
        if (!strcmp(type->params[i].name, name))
            param[i] = value;
}

static void train_or_fail(struct rec_model *model, const struct rec_model_type *type, const struct rec_ratings *r, const double *param,
                          uint64_t seed, unsigned threads, struct losses *losses)
{
    struct rec_err err = {0};
    struct rec_train_job job = {.ratings = r, .param = param, .seed = seed, .threads = threads,
                                .progress = losses ? note_loss : NULL, .context = losses};

    if (type->train(model, &job, &err) < 0)
        fail_msg("%s: %s", type->name, err.text);
}

static void train(struct rec_model *model, const char *name, const struct rec_ratings *r, const char *set_name, double set_value,
                  struct losses *losses)
{
    const struct rec_model_type *type = rec_models_find(name);
    double param[REC_PARAM_MAX];

    rec_models_defaults(type, param);
    if (set_name)
        set(type, param, set_name, set_value);
    train_or_fail(model, type, r, param, 1, 2, losses);
}

static uint32_t add_rows(uint32_t crc, size_t rows, const int64_t *ptr, const int32_t *index, const float *weight)
{
    if (!ptr)
        return crc;
    crc = rec_crc32c(crc, ptr, (rows + 1) * sizeof *ptr);
    crc = rec_crc32c(crc, index, (size_t)ptr[rows] * sizeof *index);
    return rec_crc32c(crc, weight, (size_t)ptr[rows] * sizeof *weight);
}

static uint32_t digest(const struct rec_model *m)
{
    uint32_t crc = rec_crc32c(0, &m->mean, sizeof m->mean);

    if (m->user_factors)
        crc = rec_crc32c(crc, m->user_factors, m->n_users * m->factors * sizeof(float));
    if (m->item_factors)
        crc = rec_crc32c(crc, m->item_factors, m->n_items * m->factors * sizeof(float));
    if (m->history_factors)
        crc = rec_crc32c(crc, m->history_factors, m->n_items * m->factors * sizeof(float));
    if (m->user_bias)
        crc = rec_crc32c(crc, m->user_bias, m->n_users * sizeof(float));
    if (m->item_bias)
        crc = rec_crc32c(crc, m->item_bias, m->n_items * sizeof(float));
    if (m->links)
        crc = rec_crc32c(crc, m->links, m->n_items * m->n_items * sizeof(float));
    crc = add_rows(crc, m->n_items, m->link_ptr, m->link_item, m->link_weight);
    crc = add_rows(crc, m->n_users, m->near_ptr, m->near_user, m->near_weight);
    return rec_crc32c(crc, m->popularity, m->n_items * sizeof(float));
}

static double link(const struct rec_model *m, int32_t from, size_t to)
{
    double sum = m->links ? m->links[(size_t)from * m->n_items + to] : 0;

    for (int64_t p = m->link_ptr ? m->link_ptr[from] : 0; m->link_ptr && p < m->link_ptr[from + 1]; p++)
        sum += m->link_item[p] == (int32_t)to ? m->link_weight[p] : 0;
    return sum;
}

static double score(const struct rec_model *m, size_t u, size_t i)
{
    double sum = m->mean + (m->user_bias ? m->user_bias[u] : 0) + (m->item_bias ? m->item_bias[i] : 0), linked = 0;
    int64_t begin = m->seen_ptr ? m->seen_ptr[u] : 0, end = m->seen_ptr ? m->seen_ptr[u + 1] : 0;

    for (size_t k = 0; k < m->factors; k++)
        sum += (double)m->user_factors[u * m->factors + k] * m->item_factors[i * m->factors + k];
    for (int64_t p = begin; (m->links || m->link_ptr) && p < end; p++)
        linked += link(m, m->seen_item[p], i);
    if (end > begin)
        sum += linked * pow((double)(end - begin), -m->history_exponent);
    for (int64_t v = m->near_ptr ? m->near_ptr[u] : 0; m->near_ptr && v < m->near_ptr[u + 1]; v++)
        for (int64_t p = m->seen_ptr[m->near_user[v]]; p < m->seen_ptr[m->near_user[v] + 1]; p++)
            sum += m->seen_item[p] == (int32_t)i ? m->near_weight[v] : 0;
    return sum;
}

/* What a file of it would have to be to be read again. */
static void assert_rows(size_t rows, size_t cols, const int64_t *ptr, const int32_t *index, const float *weight)
{
    for (size_t r = 0; ptr && r < rows; r++)
        for (int64_t p = ptr[r]; p < ptr[r + 1]; p++) {
            assert_true(isfinite(weight[p]) && index[p] >= 0 && (size_t)index[p] < cols);
            assert_true(p == ptr[r] || index[p] > index[p - 1]);
        }
}

static void assert_finite(const struct rec_model *m)
{
    assert_true(isfinite(m->mean));
    assert_true(m->history_exponent >= 0 && m->history_exponent <= 2);
    assert_rows(m->n_items, m->n_items, m->link_ptr, m->link_item, m->link_weight);
    assert_rows(m->n_users, m->n_users, m->near_ptr, m->near_user, m->near_weight);
    for (size_t i = 0; m->history_factors && i < m->n_items * m->factors; i++)
        assert_true(isfinite(m->history_factors[i]));
    for (size_t u = 0; u < m->n_users; u++)
        for (size_t i = 0; i < m->n_items; i++)
            assert_true(isfinite(score(m, u, i)));
    for (size_t i = 0; i < m->n_items; i++)
        assert_true(isfinite(m->popularity[i]));
}

static bool has(const struct rec_ratings *r, size_t u, size_t i)
{
    for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++)
        if (r->item[p] == (int32_t)i)
            return true;
    return false;
}

/* Of the held-out items, how many are among a user's ten best that were not trained on. */
static double recall(const struct rec_model *m, const struct planted *p)
{
    double *own = calloc(m->n_items, sizeof *own);
    size_t hits = 0;

    for (size_t u = 0; u < m->n_users; u++) {
        if (p->test.user_ptr[u + 1] == p->test.user_ptr[u])
            continue;
        for (size_t i = 0; i < m->n_items; i++)
            own[i] = has(&p->train, u, i) ? -INFINITY : score(m, u, i);
        for (int64_t t = p->test.user_ptr[u]; t < p->test.user_ptr[u + 1]; t++) {
            size_t better = 0, item = (size_t)p->test.item[t];
            for (size_t i = 0; i < m->n_items; i++)
                better += i != item && own[i] >= own[item];
            hits += better < 10;
        }
    }
    free(own);
    return (double)hits / (double)p->test.nnz;
}

static double rmse(const struct rec_model *m, const struct rec_ratings *test)
{
    double sum = 0;

    for (size_t u = 0; u < m->n_users; u++)
        for (int64_t t = test->user_ptr[u]; t < test->user_ptr[u + 1]; t++)
            sum += pow(score(m, u, (size_t)test->item[t]) - test->value[t], 2);
    return sqrt(sum / (double)test->nnz);
}

/* ---- what all must do ---- */

static void each(void (*check)(const struct rec_model_type *type, double *param))
{
    double param[REC_PARAM_MAX];

    for (size_t m = 0; rec_models[m]; m++) {
        rec_models_defaults(rec_models[m], param);
        /* What holds after a few passes holds after many. */
        if (strcmp(rec_models[m]->name, "bmf") == 0) {
            set(rec_models[m], param, "passes", 12);
            set(rec_models[m], param, "burn-in", 4);
            set(rec_models[m], param, "kept", 4);
        }
        if (!rec_models[m]->combines) /* those are made of others: test_sum.c, test_hybrid.c, test_blend.c */
            check(rec_models[m], param);
    }
}

/* Every solver and every other choice a model offers, one at a time. */
static void each_choice(const struct rec_model_type *type, double *param, void (*check)(const struct rec_model_type *, double *))
{
    for (size_t i = 0; type->params[i].name; i++)
        for (double k = 0; type->params[i].choices && k <= type->params[i].max; k++) {
            double before = param[i];
            param[i] = k;
            check(type, param);
            param[i] = before;
        }
}

static void check_table(const struct rec_model_type *type, double *param)
{
    size_t n = 0;

    rec_models_defaults(type, param);
    assert_ptr_equal(rec_models_find(type->name), type);
    assert_true(strlen(type->summary) > 0 && strlen(type->paper) > 0);
    for (; type->params[n].name; n++) {
        assert_true(type->params[n].def >= type->params[n].min && type->params[n].def <= type->params[n].max);
        assert_true(strlen(type->params[n].help) > 0);
        assert_true(param[n] == type->params[n].def);
    }
    assert_true(n < REC_PARAM_MAX);
}

static void test_table(void **state)
{
    (void)state;
    each(check_table);
    assert_null(rec_models_find("nonesuch"));
}

static void same_for_threads(const struct rec_model_type *type, double *param)
{
    struct planted p;
    uint32_t first = 0;

    plant(&p, USERS, ITEMS);
    for (unsigned threads = 1; threads <= 5; threads += threads == 1 ? 1 : 3) {
        struct rec_model m = {0};
        train_or_fail(&m, type, &p.train, param, 3, threads, NULL);
        if (threads == 1)
            first = digest(&m);
        assert_int_equal(digest(&m), first);
        rec_model_clear(&m);
    }
    end(&p.train);
    end(&p.test);
}

static void check_threads(const struct rec_model_type *type, double *param)
{
    same_for_threads(type, param);
    each_choice(type, param, same_for_threads);
}

static void test_threads(void **state)
{
    (void)state;
    each(check_threads);
}

static void check_seed(const struct rec_model_type *type, double *param)
{
    struct planted p;
    struct rec_model a = {0}, b = {0}, c = {0};

    plant(&p, USERS, ITEMS);
    train_or_fail(&a, type, &p.train, param, 5, 2, NULL);
    train_or_fail(&b, type, &p.train, param, 5, 2, NULL);
    train_or_fail(&c, type, &p.train, param, 6, 2, NULL);
    assert_int_equal(digest(&a), digest(&b));
    if (a.factors)
        assert_true(digest(&a) != digest(&c));
    rec_model_clear(&a);
    rec_model_clear(&b);
    rec_model_clear(&c);
    end(&p.train);
    end(&p.test);
}

static void test_seed(void **state)
{
    (void)state;
    each(check_seed);
}

/* Users 0 and 9 and items 1 and 7 have no ratings. */
static void check_gaps(const struct rec_model_type *type, double *param)
{
    struct rec_ratings r;
    struct rec_model m = {0};

    begin(&r, 10, 8, 80);
    for (size_t u = 1; u < 9; u++)
        for (size_t i = 0; i < 7; i++)
            if (i != 1 && (u + i) % 3)
                add(&r, u, i, (double)((u * i) % 5) + 1);
    train_or_fail(&m, type, &r, param, 1, 2, NULL);
    assert_int_equal(m.n_users, 10);
    assert_int_equal(m.n_items, 8);
    assert_string_equal(m.type, type->name);
    assert_finite(&m);
    assert_true(m.popularity[1] == 0 && m.popularity[7] == 0 && m.popularity[0] > 0);
    rec_model_clear(&m);
    end(&r);
}

static void test_gaps(void **state)
{
    (void)state;
    each(check_gaps);
}

static void check_shape(const struct rec_model_type *type, double *param, size_t users, size_t items)
{
    struct rec_ratings r;
    struct rec_model m = {0};

    begin(&r, users, items, users * items);
    for (size_t u = 0; u < users; u++)
        for (size_t i = 0; i < items; i++)
            add(&r, u, i, (double)((u + i) % 5));
    train_or_fail(&m, type, &r, param, 1, 3, NULL);
    assert_finite(&m);
    rec_model_clear(&m);
    end(&r);
}

static void small_shapes(const struct rec_model_type *type, double *param)
{
    check_shape(type, param, 1, 1);
    check_shape(type, param, 1, 20);
    check_shape(type, param, 20, 1);
    check_shape(type, param, 3, 3);
}

/* One user, one item, and more factors than either. */
static void check_small(const struct rec_model_type *type, double *param)
{
    small_shapes(type, param);
    each_choice(type, param, small_shapes);
    set(type, param, "factors", 1);
    small_shapes(type, param);
    set(type, param, "factors", 100);
    small_shapes(type, param);
}

static void test_small(void **state)
{
    (void)state;
    each(check_small);
}

static void check_values(const struct rec_model_type *type, double *param)
{
    static const float values[][3] = {
        {FLT_MAX, -FLT_MAX, 0}, {FLT_MAX, FLT_MAX, FLT_MAX}, {FLT_MIN, -FLT_MIN, 1e-45F}, {0, 0, 0}, {3, 3, 3}, {1e30F, 1, 2},
    };

    for (size_t v = 0; v < REC_LENGTH(values); v++) {
        struct rec_ratings r;
        struct rec_model m = {0};
        begin(&r, 12, 9, 108);
        for (size_t u = 0; u < 12; u++)
            for (size_t i = 0; i < 9; i++)
                if ((u * 7 + i * 3) % 4)
                    add(&r, u, i, values[v][(u + i) % 3]);
        train_or_fail(&m, type, &r, param, 1, 2, NULL);
        assert_finite(&m);
        assert_true(m.low <= m.high);
        rec_model_clear(&m);
        end(&r);
    }
}

static void test_extreme_values(void **state)
{
    (void)state;
    each(check_values);
}

static void check_errors(const struct rec_model_type *type, double *param)
{
    struct rec_ratings r;
    struct rec_model m = {0};
    struct rec_err err = {0};
    struct rec_train_job job = {.ratings = &r, .param = param, .threads = 2};

    begin(&r, 3, 3, 9);
    assert_int_equal(type->train(&m, &job, &err), -1);
    assert_non_null(strstr(err.text, "no ratings"));
    add(&r, 0, 0, 1);
    for (size_t i = 0; type->params[i].name; i++) {
        static const double off[] = {NAN, INFINITY, -INFINITY};
        double keep = param[i];
        for (size_t k = 0; k < REC_LENGTH(off); k++) {
            param[i] = off[k];
            assert_int_equal(type->train(&m, &job, &err), -1);
            assert_non_null(strstr(err.text, type->params[i].name));
        }
        param[i] = keep;
    }
    /* More items than memory could ever hold. */
    r.n_items = SIZE_MAX / 2;
    assert_int_equal(type->train(&m, &job, &err), -1);
    assert_non_null(strstr(err.text, "memory"));
    assert_null(m.user_factors);
    end(&r);
}

static void test_errors(void **state)
{
    (void)state;
    each(check_errors);
}

/* What the model file needs besides the arrays: parameters as JSON, what is seen, the range of values. */
static void check_record(const struct rec_model_type *type, double *param)
{
    struct planted p;
    struct rec_model m = {0};

    plant(&p, 40, 30);
    train_or_fail(&m, type, &p.train, param, 1, 1, NULL);
    assert_int_equal(m.params.data[0], '{');
    for (size_t i = 0; type->params[i].name; i++)
        assert_non_null(strstr(m.params.data, type->params[i].name));
    assert_int_equal(m.seen_ptr[40], p.train.nnz);
    assert_int_equal(m.ratings_scale, !type->implicit);
    assert_true(m.low < 3 && m.high > 3);
    rec_model_clear(&m);
    end(&p.train);
    end(&p.test);
}

static void test_record(void **state)
{
    (void)state;
    each(check_record);
}

/* ---- what each must learn ---- */

static void test_popular_counts(void **state)
{
    struct rec_ratings r;
    struct rec_model m = {0};
    struct rec_err err = {0};

    (void)state;
    begin(&r, 3, 3, 9);
    add(&r, 0, 0, 1);
    add(&r, 1, 0, 1);
    add(&r, 2, 2, 1);
    train(&m, "popular", &r, NULL, 0, NULL);
    assert_true(score(&m, 0, 0) == 2 && score(&m, 1, 1) == 0 && score(&m, 2, 2) == 1);
    rec_model_clear(&m);
    /* The times are 1000 s apart: 2^-2 + 2^-1, and 1. */
    train(&m, "popular", &r, "half-life", 1000 / 86400.0, NULL);
    assert_true(fabs(score(&m, 0, 0) - 0.75) < 1e-6 && fabs(score(&m, 0, 2) - 1) < 1e-6);
    rec_model_clear(&m);
    r.time = NULL;
    double half_life = 3;
    struct rec_train_job job = {.ratings = &r, .param = &half_life, .threads = 1};
    assert_int_equal(rec_models_find("popular")->train(&m, &job, &err), -1);
    assert_non_null(strstr(err.text, "times"));
    end(&r);
}

static void test_ranking_beats_popularity(void **state)
{
    struct planted p;
    struct rec_model popular = {0}, ials = {0};

    (void)state;
    plant(&p, USERS, ITEMS);
    train(&popular, "popular", &p.train, NULL, 0, NULL);
    for (double solver = 0; solver < 3; solver++) {
        train(&ials, "ials", &p.train, "solver", solver, NULL);
        assert_true(recall(&ials, &p) > 1.5 * recall(&popular, &p));
        rec_model_clear(&ials);
    }
    static const char *const near[] = {"itemknn", "userknn", "rp3beta"};
    for (size_t m = 0; m < REC_LENGTH(near); m++) {
        struct rec_model model = {0};
        train(&model, near[m], &p.train, NULL, 0, NULL);
        assert_true(recall(&model, &p) > 1.2 * recall(&popular, &p));
        rec_model_clear(&model);
    }
    rec_model_clear(&popular);
    end(&p.train);
    end(&p.test);
}

static void test_ratings_beat_the_mean(void **state)
{
    struct planted p;
    struct rec_model bias = {0}, als = {0}, mean = {0};

    (void)state;
    plant(&p, USERS, ITEMS);
    train(&bias, "bias", &p.train, NULL, 0, NULL);
    train(&als, "als", &p.train, "regularization", 0.5, NULL);
    mean = (struct rec_model){.n_users = USERS, .n_items = ITEMS, .mean = bias.mean};
    assert_true(rmse(&bias, &p.test) < 0.97 * rmse(&mean, &p.test));
    assert_true(rmse(&als, &p.test) < 0.8 * rmse(&bias, &p.test));
    rec_model_clear(&bias);
    rec_model_clear(&als);
    end(&p.train);
    end(&p.test);
}

static void assert_falling(const char *name, const char *set_name, double set_value)
{
    struct planted p;
    struct rec_model m = {0};
    struct losses losses = {0};

    plant(&p, USERS, ITEMS);
    train(&m, name, &p.train, set_name, set_value, &losses);
    assert_true(losses.n > 2);
    for (size_t i = 1; i < losses.n; i++)
        assert_true(losses.loss[i] <= losses.loss[i - 1] * (1 + 1e-5));
    rec_model_clear(&m);
    end(&p.train);
    end(&p.test);
}

/* Each half pass is an exact minimization, or a step of descent. */
static void test_loss_falls(void **state)
{
    (void)state;
    assert_falling("bias", NULL, 0);
    assert_falling("als", NULL, 0);
    assert_falling("ials", "solver", 0);
    assert_falling("ials", "solver", 1);
    assert_falling("ials", "solver", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_extreme_values),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_popular_counts),
        cmocka_unit_test(test_ranking_beats_popularity),
        cmocka_unit_test(test_ratings_beat_the_mean),
        cmocka_unit_test(test_loss_falls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
