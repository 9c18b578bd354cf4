/* SPDX-License-Identifier: MIT
 *
 * An earlier model: users made anew for the ratings it was trained on are those that training left, as users come last in it; training that begins
 * with it goes on where it ended; ids are what counts, not numbers.
 */
#include <rec/models.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

enum { USERS = 80, ITEMS = 50, F = 6 };

static struct rec_err err;

/* Random ratings; row and column k are called by the number k + shift. */
static struct rec_ratings make(unsigned shift)
{
    struct rec_ratings r = {.n_users = USERS, .n_items = ITEMS};
    int64_t *ptr = r.owned[0] = calloc(USERS + 1, sizeof *ptr);
    int32_t *item = r.owned[1] = malloc(USERS * ITEMS * sizeof *item);
    float *value = r.owned[2] = malloc(USERS * ITEMS * sizeof *value);
    struct rec_rng rng;

    for (int side = 0; side < 2; side++) {
        size_t n = side ? ITEMS : USERS;
        char *bytes = malloc(n * 3 + 1);
        int64_t *offset = malloc((n + 1) * sizeof *offset);
        for (size_t k = 0; k <= n; k++)
            offset[k] = (int64_t)k * 3;
        for (size_t k = 0; k < n; k++)
            snprintf(bytes + k * 3, 4, "%03u", (unsigned)k + shift);
        *(side ? &r.items : &r.users) = (struct rec_ids){bytes, offset, n, {bytes, offset}};
    }
    for (size_t u = 0; u < USERS; u++) {
        for (size_t i = 0; i < ITEMS; i++) {
            rec_rng_seed(&rng, 5, (u + shift) * 1000 + i + shift);
            if (rec_rng_uniform(&rng) < 0.3) {
                item[r.nnz] = (int32_t)i;
                value[r.nnz++] = (float)(1 + (u + i + 2 * shift + rec_rng_below(&rng, 3)) % 5);
            }
        }
        ptr[u + 1] = (int64_t)r.nnz;
    }
    r.user_ptr = ptr;
    r.item = item;
    r.value = value;
    return r;
}

struct losses {
    double first, last;
};

static int note_loss(void *context, const struct rec_progress *p, struct rec_err *failure)
{
    struct losses *l = context;
    l->first = p->step == 1 ? p->loss : l->first;
    l->last = p->loss;
    (void)failure;
    return 0;
}

static struct losses train(struct rec_model *model, const char *name, const struct rec_ratings *r, double passes, const struct rec_model *warm)
{
    const struct rec_model_type *type = rec_models_find(name);
    double param[REC_PARAM_MAX];
    struct losses losses = {0};
    struct rec_train_job job = {.ratings = r, .param = param, .seed = 1, .threads = 2, .warm = warm, .progress = note_loss, .context = &losses};

    rec_models_defaults(type, param);
    for (size_t i = 0; type->params[i].name; i++) {
        if (!strcmp(type->params[i].name, "factors"))
            param[i] = F;
        else if (!strcmp(type->params[i].name, "passes"))
            param[i] = passes;
        else if (!strcmp(type->params[i].name, "solver"))
            param[i] = 1; /* exact */
    }
    assert_int_equal(type->train(model, &job, &err), 0);
    return losses;
}

static void test_same_ratings(void **state)
{
    static const char *const names[] = {"als", "ials"};
    struct rec_ratings r = make(0);

    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct rec_model model, fresh, again;
        train(&model, names[m], &r, 4, NULL);
        assert_int_equal(rec_refresh_users(&fresh, &model, &r, 1, &err), 0);
        assert_int_equal(rec_refresh_users(&again, &model, &r, 4, &err), 0);
        assert_memory_equal(fresh.user_factors, again.user_factors, USERS * F * sizeof(float));
        for (int32_t u = 0; u < USERS; u++)
            for (int32_t i = 0; i < ITEMS; i++)
                assert_true(fabs(rec_predict_pair(&model, u, i) - rec_predict_pair(&fresh, u, i)) < 2e-3);
        assert_memory_equal(fresh.popularity, model.popularity, ITEMS * sizeof(float));
        rec_model_clear(&again);
        rec_model_clear(&fresh);
        rec_model_clear(&model);
    }
    rec_ratings_clear(&r);
}

/* Links stay, and the users' part of them is what users have: nothing changes with the same ratings. Neighbours are users, who are others now. */
static void test_links(void **state)
{
    struct rec_ratings r = make(0);
    struct rec_model model, fresh;

    (void)state;
    train(&model, "itemknn", &r, 1, NULL);
    assert_int_equal(rec_refresh_users(&fresh, &model, &r, 2, &err), 0);
    for (int32_t u = 0; u < USERS; u++)
        for (int32_t i = 0; i < ITEMS; i++)
            assert_true(rec_predict_pair(&model, u, i) == rec_predict_pair(&fresh, u, i));
    rec_model_clear(&fresh);
    rec_model_clear(&model);
    train(&model, "userknn", &r, 1, NULL);
    assert_int_equal(rec_refresh_users(&fresh, &model, &r, 2, &err), -1);
    assert_non_null(strstr(err.text, "whose neighbours are users"));
    rec_model_clear(&model);
    rec_ratings_clear(&r);
}

/* The same data under two numberings that overlap: where both know somebody, the factors are theirs. */
static void test_warm(void **state)
{
    static const char *const names[] = {"als", "ials"};
    struct rec_ratings r = make(0), shifted = make(7);

    (void)state;
    for (size_t m = 0; m < 2; m++) {
        struct rec_model model, next, cold, warm;
        struct losses before = train(&model, names[m], &r, 12, NULL), after = train(&next, names[m], &r, 3, &model);
        assert_true(after.first <= before.last * 1.0001 && after.last <= after.first * 1.0001);
        struct losses nothing = train(&cold, names[m], &shifted, 1, NULL), known = train(&warm, names[m], &shifted, 1, &model);
        assert_true(known.last < nothing.last);
        rec_model_clear(&model);
        rec_model_clear(&next);
        rec_model_clear(&cold);
        rec_model_clear(&warm);
    }
    rec_ratings_clear(&r);
    rec_ratings_clear(&shifted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_ratings), cmocka_unit_test(test_links), cmocka_unit_test(test_warm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
