/* SPDX-License-Identifier: MIT
 *
 * Items that nobody has rated: users who like a genre are recommended a new film of it, and no other score changes.
 */
#include <rec/models.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Films are of genre i % GENRES; the last of the ratings' items has none, and some more are in the features alone. */
enum { USERS = 90, RATED = 40, UNRATED = 1, NEW = 6, FILMS = RATED + UNRATED + NEW, GENRES = 3, COLUMNS = GENRES + 2 };

static struct world {
    struct rec_ratings train;
    struct rec_features features;
    char bytes[2][3 * 128];
    int64_t offset[2][129], user_ptr[USERS + 1], title_ptr[FILMS + 1], column_offset[COLUMNS + 1], film_offset[FILMS + 1];
    int32_t item[USERS * RATED];
    float value[USERS * RATED], dense[FILMS * COLUMNS];
} w;

static const char column_names[] = "countgenre=0genre=1genre=2year";

/* Ids ascend; new films stand between the others: film i of the features has the id i, those of the ratings are all but every eighth. */
static bool is_new(size_t film)
{
    return film % 8 == 4;
}

static int make_world(void **state)
{
    static const int64_t column_offset[] = {0, 5, 12, 19, 26, 30};
    struct rec_rng rng;
    size_t n = 0, items = 0;

    (void)state;
    rec_rng_seed(&rng, 4, 0);
    memcpy(w.column_offset, column_offset, sizeof column_offset);
    for (size_t i = 0; i < FILMS; i++) {
        char id[8];
        snprintf(id, sizeof id, "%03zu", i);
        memcpy(w.bytes[1] + 3 * i, id, 3);
        w.film_offset[i + 1] = 3 * (int64_t)(i + 1);
        w.dense[i * COLUMNS] = (float)i;                              /* a column made of ratings */
        w.dense[i * COLUMNS + 1 + i % GENRES] = 1;
        w.dense[i * COLUMNS + GENRES + 1] = (float)(1950 + i);
        if (!is_new(i)) {
            memcpy(w.bytes[0] + 3 * items, id, 3);
            items++;
        }
    }
    for (size_t k = 0; k <= items; k++)
        w.offset[0][k] = 3 * (int64_t)k;
    for (size_t u = 0; u < USERS; u++) {
        for (size_t i = 0, film = 0; i < items - 1; i++, film++) {
            film += is_new(film);
            double like = film % GENRES == u % GENRES;
            if (rec_rng_uniform(&rng) < (like ? 0.6 : 0.1)) {
                w.item[n] = (int32_t)i;
                w.value[n++] = (float)(like ? 4.5 : 2) + 0.2F * (float)rec_rng_normal(&rng);
            }
        }
        w.user_ptr[u + 1] = (int64_t)n;
    }
    static char user_bytes[3 * USERS];
    static int64_t user_offset[USERS + 1];
    for (size_t u = 0; u < USERS; u++) {
        char id[8];
        snprintf(id, sizeof id, "%03zu", u);
        memcpy(user_bytes + 3 * u, id, 3);
        user_offset[u + 1] = 3 * (int64_t)(u + 1);
    }
    w.train = (struct rec_ratings){.n_users = USERS, .n_items = items, .nnz = n, .user_ptr = w.user_ptr, .item = w.item, .value = w.value,
                                   .users = {.bytes = user_bytes, .offset = user_offset, .n = USERS},
                                   .items = {.bytes = w.bytes[0], .offset = w.offset[0], .n = items}};
    w.features = (struct rec_features){.items = {.bytes = w.bytes[1], .offset = w.film_offset, .n = FILMS},
                                       .item_columns = {.bytes = column_names, .offset = w.column_offset, .n = COLUMNS}, .item_dense = w.dense};
    return 0;
}

static void train(struct rec_model *m, const char *name)
{
    const struct rec_model_type *type = rec_models_find(name);
    double param[REC_PARAM_MAX];
    struct rec_err err = {0};
    struct rec_train_job job = {.ratings = &w.train, .param = param, .seed = 1, .threads = 1};

    rec_models_defaults(type, param);
    for (size_t i = 0; type->params[i].name; i++)
        if (!strcmp(type->params[i].name, "factors"))
            param[i] = 4;
    if (type->train(m, &job, &err) < 0)
        fail_msg("%s: %s", name, err.text);
}

/* Of new films, whether those of the user's genre score above those of others: the share of pairs in which they do. */
static double fans_get_it(const struct rec_model *m)
{
    double right = 0, all = 0;

    for (size_t u = 0; u < USERS; u++)
        for (size_t a = 0; a < FILMS; a++)
            for (size_t b = 0; b < FILMS; b++)
                if (is_new(a) && is_new(b) && a % GENRES == u % GENRES && b % GENRES != u % GENRES) {
                    right += rec_predict_pair(m, (int32_t)u, (int32_t)a) > rec_predict_pair(m, (int32_t)u, (int32_t)b);
                    all++;
                }
    assert_true(all > 0);
    return right / all;
}

static void check_model(const char *name)
{
    struct rec_model model = {0}, cold;
    struct rec_err err = {0};
    size_t n, own = 0;

    train(&model, name);
    if (rec_cold_items(&cold, &model, &w.train, &w.features, &n, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    assert_int_equal(cold.n_items, FILMS);
    assert_int_equal(n, FILMS - w.train.n_items + 1);
    for (size_t film = 0; film < FILMS; film++) {
        if (is_new(film))
            continue;
        for (int32_t u = 0; u < USERS && own < w.train.n_items - 1; u++)
            assert_float_equal(rec_predict_pair(&cold, u, (int32_t)film), rec_predict_pair(&model, u, (int32_t)own), 1e-5);
        assert_true(cold.popularity[film] == model.popularity[own]);
        own++;
    }
    for (size_t u = 0; u < USERS; u++)
        for (int64_t p = w.user_ptr[u]; p < w.user_ptr[u + 1]; p++) {
            size_t a, b;
            const char *x = rec_ids_get(&cold.items, (size_t)cold.seen_item[p], &a), *y = rec_ids_get(&model.items, (size_t)w.item[p], &b);
            assert_true(a == b && memcmp(x, y, a) == 0);
        }
    if (fans_get_it(&cold) < 0.85)
        fail_msg("%s: fans of a genre get its new films in %g of all cases", name, fans_get_it(&cold));
    rec_model_clear(&cold);
    rec_model_clear(&model);
}

static void test_fans(void **state)
{
    (void)state;
    check_model("ials");
    check_model("als");
    check_model("itemknn");
    check_model("rp3beta");
}

/* Links without gaps, made of those with gaps. */
static void test_dense_links(void **state)
{
    struct rec_model model = {0}, cold, dense;
    struct rec_err err = {0};
    size_t n;
    float *links;

    (void)state;
    train(&model, "itemknn");
    links = calloc(model.n_items * model.n_items, sizeof *links);
    for (size_t j = 0; j < model.n_items; j++)
        for (int64_t k = model.link_ptr[j]; k < model.link_ptr[j + 1]; k++)
            links[j * model.n_items + (size_t)model.link_item[k]] = model.link_weight[k];
    dense = model;
    dense.links = links;
    dense.link_ptr = NULL;
    assert_int_equal(rec_cold_items(&cold, &dense, &w.train, &w.features, &n, &err), 0);
    assert_true(fans_get_it(&cold) > 0.85);
    rec_model_clear(&cold);
    free(links);
    rec_model_clear(&model);
}

static void test_nothing_to_learn(void **state)
{
    struct rec_model model = {0}, cold;
    struct rec_features bare = w.features;
    struct rec_err err = {0};
    size_t n;

    (void)state;
    train(&model, "ials");
    /* Features that tell of ratings alone: no item gets anything. */
    bare.item_columns.n = 1;
    float counts[FILMS] = {0};
    bare.item_dense = counts;
    assert_int_equal(rec_cold_items(&cold, &model, &w.train, &bare, &n, &err), 0);
    assert_int_equal(n, 0);
    rec_model_clear(&cold);
    rec_model_clear(&model);
    /* A model that knows users alone. */
    train(&model, "userknn");
    model.item_bias = NULL;
    assert_int_equal(rec_cold_items(&cold, &model, &w.train, &w.features, &n, &err), -1);
    assert_non_null(strstr(err.text, "nothing of items"));
    rec_model_clear(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fans),
        cmocka_unit_test(test_dense_links),
        cmocka_unit_test(test_nothing_to_learn),
    };

    return cmocka_run_group_tests(tests, make_world, NULL);
}
