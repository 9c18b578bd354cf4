/* SPDX-License-Identifier: MIT
 *
 * Predicting, ranking and finding neighbours, against sums and sorts written out here; a model small enough to hold in the hand.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/score.h>

enum { USERS = 300, ITEMS = 70, F = 5, K = 9 };

static struct world {
    float u[USERS * F], v[ITEMS * F], user_bias[USERS], item_bias[ITEMS], popularity[ITEMS];
    int64_t ptr[USERS + 1];
    int32_t item[USERS * ITEMS];
    struct rec_model model;
} w;

/* Every 50th user has no factors and nothing seen, every 51st nothing but things seen; item 13 has no factors. */
static int make_world(void **state)
{
    struct rec_rng rng;

    (void)state;
    rec_rng_seed(&rng, 5, 0);
    for (size_t i = 0; i < USERS * F; i++)
        w.u[i] = (i / F) % 50 == 0 || (i / F) % 51 == 0 ? 0 : (float)rec_rng_normal(&rng);
    for (size_t i = 0; i < ITEMS * F; i++)
        w.v[i] = i / F == 13 ? 0 : (float)rec_rng_normal(&rng);
    for (size_t i = 0; i < ITEMS; i++)
        w.item_bias[i] = (float)rec_rng_normal(&rng), w.popularity[i] = (float)((i * 37) % 23);
    for (size_t i = 0; i < USERS; i++)
        w.user_bias[i] = (float)rec_rng_normal(&rng);
    for (size_t u = 0; u < USERS; u++) {
        w.ptr[u + 1] = w.ptr[u];
        for (int32_t i = 0; i < ITEMS && (u % 50 || u == 0); i++)
            if (rec_rng_below(&rng, 5) == 0 && u > 0)
                w.item[w.ptr[u + 1]++] = i;
    }
    w.model = (struct rec_model){.type = "test", .n_users = USERS, .n_items = ITEMS, .factors = F, .mean = 3.5, .low = 1, .high = 5,
                                 .user_factors = w.u, .item_factors = w.v, .user_bias = w.user_bias, .item_bias = w.item_bias,
                                 .popularity = w.popularity, .seen_ptr = w.ptr, .seen_item = w.item};
    return 0;
}

static double score(size_t u, size_t i)
{
    double s = w.model.mean + w.user_bias[u] + w.item_bias[i];

    for (size_t d = 0; d < F; d++)
        s += (double)w.u[u * F + d] * w.v[i * F + d];
    return s;
}

static bool has_seen(size_t u, int32_t i)
{
    for (int64_t p = w.ptr[u]; p < w.ptr[u + 1]; p++)
        if (w.item[p] == i)
            return true;
    return false;
}

static void predictions(void **state)
{
    struct rec_model m = w.model;

    (void)state;
    assert_float_equal(rec_predict_pair(&m, 7, 3), score(7, 3), 1e-5);
    assert_float_equal(rec_predict_pair(&m, -1, 3), 3.5 + w.item_bias[3], 1e-6);
    assert_float_equal(rec_predict_pair(&m, 7, -1), 3.5 + w.user_bias[7], 1e-6);
    assert_float_equal(rec_predict_pair(&m, -1, -1), 3.5, 0);
    m.ratings_scale = true;
    for (int32_t u = 0; u < 20; u++)
        for (int32_t i = 0; i < ITEMS; i++)
            assert_float_equal(rec_predict_pair(&m, u, i), fmin(fmax(score((size_t)u, (size_t)i), 1), 5), 1e-5);
}

/* The list of a user, by sorting. */
static size_t sorted(int32_t *out, size_t k, int32_t user, const uint8_t *allowed, unsigned flags)
{
    bool known = rec_rank_known(&w.model, user);
    bool taken[ITEMS] = {false};
    size_t n = 0;

    for (; n < k; n++) {
        int32_t best = -1;
        double best_score = -INFINITY;
        for (int32_t i = 0; i < ITEMS; i++) {
            double s = known ? score((size_t)user, (size_t)i) : w.popularity[i];
            bool seen = user >= 0 && !(flags & REC_RANK_INCLUDE_SEEN) && has_seen((size_t)user, i);
            if (!taken[i] && !seen && (!allowed || allowed[i]) && s > best_score) {
                best = i;
                best_score = s;
            }
        }
        if (best < 0)
            break;
        taken[best] = true;
        out[n] = best;
    }
    return n;
}

static void check_lists(const uint8_t *allowed, unsigned flags, size_t k, unsigned threads)
{
    static struct rec_topk_hit hit[USERS * ITEMS];
    static int32_t user[USERS];
    static size_t count[USERS];
    struct rec_rank rank;
    struct rec_err err = {0};

    for (int32_t j = 0; j < USERS; j++)
        user[j] = j % 17 == 3 ? -1 : (j * 7) % USERS;
    assert_int_equal(rec_rank_init(&rank, &w.model, k, allowed, flags, &err), 0);
    assert_int_equal(rank.k, k < ITEMS ? k : ITEMS);
    assert_int_equal(rec_rank_users(hit, count, &rank, user, USERS, threads, &err), 0);
    for (size_t j = 0; j < USERS; j++) {
        int32_t want[ITEMS];
        assert_int_equal(count[j], sorted(want, rank.k, user[j], allowed, flags));
        for (size_t r = 0; r < count[j]; r++)
            assert_int_equal(hit[j * rank.k + r].item, want[r]);
    }
    rec_rank_clear(&rank);
}

static void lists(void **state)
{
    uint8_t allowed[ITEMS];

    (void)state;
    for (size_t i = 0; i < ITEMS; i++)
        allowed[i] = i % 3 == 1;
    check_lists(NULL, 0, K, 1);
    check_lists(NULL, 0, K, 3);
    check_lists(NULL, REC_RANK_INCLUDE_SEEN, K, 2);
    check_lists(allowed, 0, K, 2);
    check_lists(allowed, 0, 1000, 2);
    check_lists(NULL, 0, 1000, 1);
    check_lists(NULL, 0, 1, 1);
}

static void lists_of_biases_alone(void **state)
{
    struct rec_model whole = w.model;

    (void)state;
    memset(w.u, 0, sizeof w.u);
    w.model.factors = 0;
    w.model.user_factors = w.model.item_factors = NULL;
    check_lists(NULL, 0, K, 2);
    check_lists(NULL, REC_RANK_INCLUDE_SEEN, 1000, 1);
    w.model = whole;
    make_world(NULL);
}

static double cosine(const struct rec_model *m, size_t a, size_t b, bool dot)
{
    double ab = 0, aa = 0, bb = 0;

    if (m->factors) {
        for (size_t d = 0; d < F; d++) {
            double x = w.v[a * F + d], y = w.v[b * F + d];
            ab += x * y, aa += x * x, bb += y * y;
        }
    } else {
        for (size_t u = 0; u < USERS; u++) {
            bool x = has_seen(u, (int32_t)a), y = has_seen(u, (int32_t)b);
            ab += x && y, aa += x, bb += y;
        }
    }
    return dot ? ab : ab / sqrt(aa * bb);
}

static void check_similar(const struct rec_model *m, unsigned flags, const uint8_t *allowed)
{
    static struct rec_topk_hit hit[200 * ITEMS];
    struct rec_similar similar;
    struct rec_err err = {0};
    int32_t item[200];
    size_t count[200];

    for (int32_t j = 0; j < 200; j++)
        item[j] = j % 19 == 2 ? -1 : (j * 3) % ITEMS;
    assert_int_equal(rec_similar_init(&similar, m, K, allowed, flags, &err), 0);
    assert_int_equal(rec_similar_items(hit, count, &similar, item, 200, 2, &err), 0);
    for (size_t j = 0; j < 200; j++) {
        if (item[j] < 0 || (m->factors && item[j] == 13)) {
            assert_int_equal(count[j], 0);
            continue;
        }
        assert_int_equal(count[j], K);
        for (size_t r = 0; r < K; r++) {
            const struct rec_topk_hit *h = &hit[j * K + r];
            assert_true(h->item != item[j] && (!allowed || allowed[h->item]) && (!m->factors || h->item != 13));
            assert_float_equal(h->score, cosine(m, (size_t)item[j], (size_t)h->item, flags & REC_SIMILAR_DOT), 1e-4);
            assert_true(r == 0 || h->score <= h[-1].score);
        }
        // None that is left out is nearer than the last.
        size_t nearer = 0;
        for (int32_t i = 0; i < ITEMS; i++)
            nearer += i != item[j] && (!allowed || allowed[i]) && !(m->factors && i == 13) &&
                      cosine(m, (size_t)item[j], (size_t)i, flags & REC_SIMILAR_DOT) > hit[j * K + K - 1].score + 1e-4;
        assert_true(nearer < K);
    }
    rec_similar_clear(&similar);
}

static void neighbours(void **state)
{
    struct rec_model plain = w.model;
    struct rec_similar similar;
    struct rec_err err = {0};
    uint8_t allowed[ITEMS];

    (void)state;
    for (size_t i = 0; i < ITEMS; i++)
        allowed[i] = i % 3 != 1;
    check_similar(&w.model, 0, NULL);
    check_similar(&w.model, 0, allowed);
    check_similar(&w.model, REC_SIMILAR_DOT, NULL);
    plain.factors = 0;
    plain.user_factors = plain.item_factors = NULL;
    check_similar(&plain, 0, NULL);
    check_similar(&plain, 0, allowed);
    assert_int_equal(rec_similar_init(&similar, &plain, K, NULL, REC_SIMILAR_DOT, &err), -1);
    plain.seen_ptr = NULL;
    assert_int_equal(rec_similar_init(&similar, &plain, K, NULL, 0, &err), -1);
}

static void years(void **state)
{
    static const char *const bad[] = {"", "..", "1990-1999", "90s", "1999..1990", "1990...1999", "0", "-5", "99999", " 1990", "1990.. "};
    struct rec_err err = {0};
    int32_t from, to;

    (void)state;
    assert_int_equal(rec_labels_years(&from, &to, "1994", &err), 0);
    assert_true(from == 1994 && to == 1994);
    assert_int_equal(rec_labels_years(&from, &to, "1990..1999", &err), 0);
    assert_true(from == 1990 && to == 1999);
    assert_int_equal(rec_labels_years(&from, &to, "..1999", &err), 0);
    assert_true(from == 1 && to == 1999);
    assert_int_equal(rec_labels_years(&from, &to, "1990..", &err), 0);
    assert_true(from == 1990 && to == 9999);
    for (size_t i = 0; i < REC_LENGTH(bad); i++)
        assert_int_equal(rec_labels_years(&from, &to, bad[i], &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictions),
        cmocka_unit_test(lists),
        cmocka_unit_test(lists_of_biases_alone),
        cmocka_unit_test(neighbours),
        cmocka_unit_test(years),
    };
    return cmocka_run_group_tests_name("score", tests, make_world, NULL);
}
