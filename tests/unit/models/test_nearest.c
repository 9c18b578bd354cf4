/* SPDX-License-Identifier: MIT
 *
 * Neighbours of items and of users against the formulas in their pages, worked out pair by pair here; which of them are kept; and that a user who
 * is folded in finds the neighbours that training found.
 */
#include <rec/models.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { USERS = 90, ITEMS = 70 };

static struct rec_err err;
static struct rec_ratings ratings;
static bool has[USERS][ITEMS];
static double n_user[USERS], n_item[ITEMS];

static int make_ratings(void **state)
{
    static int64_t ptr[USERS + 1];
    static int32_t item[USERS * ITEMS];
    static float value[USERS * ITEMS];
    struct rec_rng rng;
    size_t n = 0;

    (void)state;
    rec_rng_seed(&rng, 3, 0);
    for (size_t u = 0; u < USERS; u++) {
        for (size_t i = 0; i < ITEMS; i++)
            if (u % 10 && i % 9 && rec_rng_uniform(&rng) < 0.05 + 0.3 * (double)i / ITEMS * (double)u / USERS) {
                has[u][i] = true;
                n_user[u]++, n_item[i]++;
                item[n] = (int32_t)i;
                value[n++] = 1;
            }
        ptr[u + 1] = (int64_t)n;
    }
    ratings = (struct rec_ratings){.n_users = USERS, .n_items = ITEMS, .nnz = n, .user_ptr = ptr, .item = item, .value = value};
    return 0;
}

struct setting {
    const char *name;
    double value;
};

static void train(struct rec_model *model, const char *name, const struct setting *set)
{
    const struct rec_model_type *type = rec_models_find(name);
    double param[REC_PARAM_MAX];
    struct rec_train_job job = {.ratings = &ratings, .param = param, .threads = 2};

    rec_models_defaults(type, param);
    for (; set->name; set++) {
        size_t i = 0;
        while (type->params[i].name && strcmp(type->params[i].name, set->name) != 0)
            i++;
        assert_non_null(type->params[i].name);
        param[i] = set->value;
    }
    assert_int_equal(type->train(model, &job, &err), 0);
}

struct how {
    double damping, from, to, shrinkage;
    int weights;
};

static double bm25(const struct how *h, double n, double mean)
{
    return h->weights == 2 ? 2.2 / (1.2 * (0.25 + 0.75 * n / mean) + 1) : 1;
}

/* What item i has to say for item k, or one user for another. */
static double near_items(const struct how *h, size_t i, size_t k)
{
    double sum = 0, common = 0, mean = (double)ratings.nnz / ITEMS;

    for (size_t u = 0; u < USERS; u++)
        if (has[u][i] && has[u][k]) {
            sum += h->weights ? pow(log((ITEMS + 1) / n_user[u]), 2) : pow(n_user[u], -h->damping);
            common++;
        }
    if (common == 0 || i == k)
        return 0;
    return sum * common / (common + h->shrinkage) * pow(n_item[i], -h->from) * pow(n_item[k], -h->to) * bm25(h, n_item[i], mean) *
           bm25(h, n_item[k], mean);
}

static double near_users(const struct how *h, size_t u, size_t v)
{
    double sum = 0, common = 0, mean = (double)ratings.nnz / USERS;

    for (size_t i = 0; i < ITEMS; i++)
        if (has[u][i] && has[v][i]) {
            sum += h->weights ? pow(log((USERS + 1) / n_item[i]), 2) : pow(n_item[i], -h->damping);
            common++;
        }
    if (common == 0 || u == v)
        return 0;
    return sum * common / (common + h->shrinkage) * pow(n_user[u], -h->from) * pow(n_user[v], -h->to) * bm25(h, n_user[u], mean) *
           bm25(h, n_user[v], mean);
}

static double link(const struct rec_model *m, size_t from, size_t to)
{
    return rec_links_weight(m, (int32_t)from, (int32_t)to);
}

static const struct how hows[] = {{0, 0.5, 0.5, 0, 0}, {0.7, 0.6, 0.4, 2, 0}, {1, 1, 0.3, 0, 0}, {0, 0.5, 0.5, 0, 1}, {0, 0, 0, 0, 2}, {0, 0.2, 0.4, 3, 2}};

static void items(void **state)
{
    (void)state;
    for (size_t c = 0; c < REC_LENGTH(hows); c++)
        for (int keep = 0; keep < 2; keep++) {
            const struct how *h = &hows[c];
            struct rec_model m;
            train(&m, "itemknn", (struct setting[]){{"neighbours", 12}, {"keep", keep}, {"normalization", 0}, {"damping", h->damping},
                  {"exponent-from", h->from}, {"exponent-to", h->to}, {"shrinkage", h->shrinkage}, {"weights", h->weights}, {NULL, 0}});
            for (size_t a = 0; a < ITEMS; a++) {
                /* Along the side that keeps so many: what is kept is right, and no weaker than what is not. */
                size_t kept = 0, candidates = 0;
                double least = INFINITY, most = 0;
                for (size_t b = 0; b < ITEMS; b++) {
                    double want = keep ? near_items(h, a, b) : near_items(h, b, a), got = keep ? link(&m, a, b) : link(&m, b, a);
                    assert_true(got == 0 || fabs(got - want) < 1e-5 * want);
                    kept += got > 0;
                    candidates += want > 0;
                    least = got > 0 && want < least ? want : least;
                    most = got == 0 && want > most ? want : most;
                }
                assert_int_equal(kept, candidates < 12 ? candidates : 12);
                assert_true(kept == 0 || most <= least * (1 + 1e-5));
            }
            rec_model_clear(&m);
        }
}

static void normalized(void **state)
{
    struct rec_model plain, m;

    (void)state;
    train(&plain, "itemknn", (struct setting[]){{"normalization", 0}, {NULL, 0}});
    train(&m, "itemknn", (struct setting[]){{"normalization", 0.5}, {NULL, 0}});
    for (size_t i = 0; i < ITEMS; i++) {
        double sum = 0;
        for (size_t k = 0; k < ITEMS; k++)
            sum += link(&plain, i, k);
        for (size_t k = 0; k < ITEMS && sum > 0; k++)
            assert_float_equal(link(&m, i, k), link(&plain, i, k) / sqrt(sum), 1e-6);
    }
    rec_model_clear(&m);
    rec_model_clear(&plain);
}

/* The probability of three steps, by the matrices of one step each. */
static void walks(void **state)
{
    struct rec_model m;
    const double alpha = 0.8, beta = 0.3;

    (void)state;
    train(&m, "rp3beta", (struct setting[]){{"neighbours", ITEMS}, {"normalization", 0}, {"alpha", alpha}, {"beta", beta}, {NULL, 0}});
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t k = 0; k < ITEMS; k++) {
            double walk = 0;
            for (size_t u = 0; u < USERS; u++)
                if (has[u][i] && has[u][k])
                    walk += pow(1 / n_item[i], alpha) * pow(1 / n_user[u], alpha);
            walk = i == k || walk == 0 ? 0 : walk / pow(n_item[k], beta);
            assert_float_equal(link(&m, i, k), walk, 1e-6);
        }
    rec_model_clear(&m);
}

static void users(void **state)
{
    (void)state;
    for (size_t c = 0; c < REC_LENGTH(hows); c++) {
        const struct how *h = &hows[c];
        struct rec_foldin foldin;
        struct rec_model m;
        train(&m, "userknn", (struct setting[]){{"neighbours", 15}, {"damping", h->damping}, {"exponent-from", h->from}, {"exponent-to", h->to},
              {"shrinkage", h->shrinkage}, {"weights", h->weights}, {NULL, 0}});
        assert_int_equal(rec_foldin_init(&foldin, &m, &err), 0);
        for (size_t u = 0; u < USERS; u++) {
            double least = INFINITY;
            bool near[USERS] = {false};
            struct rec_visitor v = {0};
            for (int64_t p = m.near_ptr[u]; p < m.near_ptr[u + 1]; p++) {
                double want = near_users(h, u, (size_t)m.near_user[p]);
                assert_true(fabs(m.near_weight[p] - want) < 1e-5 * want);
                near[m.near_user[p]] = true;
                least = want < least ? want : least;
            }
            for (size_t w = 0; w < USERS; w++)
                assert_true(near[w] || near_users(h, u, w) == 0 || (m.near_ptr[u + 1] - m.near_ptr[u] == 15 && near_users(h, u, w) <= least * (1 + 1e-5)));
            /* A visitor with the same history has the same neighbours, and this user besides, who is as near as can be. */
            v.n = rec_links_history(&v.item, &m, (int32_t)u);
            assert_int_equal(rec_foldin_user(&v, &foldin, &err), 0);
            for (size_t j = 0; j < v.n_near; j++)
                if ((size_t)v.near_user[j] != u) {
                    double want = near_users(h, u, (size_t)v.near_user[j]);
                    assert_true(fabs(v.near_weight[j] - want) < 1e-5 * want);
                }
            rec_foldin_forget(&v);
        }
        rec_foldin_clear(&foldin);
        rec_model_clear(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(items), cmocka_unit_test(normalized), cmocka_unit_test(walks), cmocka_unit_test(users)};

    return cmocka_run_group_tests_name("nearest", tests, make_ratings, NULL);
}
