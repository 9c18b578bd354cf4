/* SPDX-License-Identifier: MIT
 *
 * Models with links, neighbours and factors of histories, in every combination: predictions, lists, visitors and what scores are made of, against
 * the sum of the header written out here.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/score.h>

enum { USERS = 150, ITEMS = 1300, F = 3, K = 12, PER = 30 };

static struct world {
    float u[USERS * F], v[ITEMS * F], h[ITEMS * F], user_bias[USERS], item_bias[ITEMS], popularity[ITEMS];
    float *links;
    int64_t ptr[USERS + 1], liked_ptr[USERS + 1], link_ptr[ITEMS + 1], near_ptr[USERS + 1];
    int32_t item[USERS * 2 * PER], liked_item[USERS * 2 * PER], link_item[ITEMS * PER], near_user[USERS * PER];
    float link_weight[ITEMS * PER], near_weight[USERS * PER];
} w;
static struct rec_err err;

enum { SPARSE = 1, DENSE = 2, NEAR = 4, FACTORS = 8, HISTORIES = 16, LIKED = 32, BIASES = 64 };

/* Rows of a few random columns, ascending; every seventh is empty. */
static void random_rows(int64_t *ptr, int32_t *index, float *weight, size_t rows, size_t cols, struct rec_rng *rng)
{
    for (size_t r = 0; r < rows; r++) {
        ptr[r + 1] = ptr[r];
        for (size_t c = 0; c < cols && r % 7; c++)
            if (rec_rng_below(rng, cols) < PER / 2 && ptr[r + 1] < ptr[r] + PER && c != r) {
                index[ptr[r + 1]] = (int32_t)c;
                if (weight)
                    weight[ptr[r + 1]] = (float)rec_rng_normal(rng);
                ptr[r + 1]++;
            }
    }
}

static int make_world(void **state)
{
    struct rec_rng rng;

    (void)state;
    rec_rng_seed(&rng, 5, 0);
    random_rows(w.ptr, w.item, NULL, USERS, ITEMS, &rng);
    random_rows(w.link_ptr, w.link_item, w.link_weight, ITEMS, ITEMS, &rng);
    random_rows(w.near_ptr, w.near_user, w.near_weight, USERS, USERS, &rng);
    w.links = calloc((size_t)ITEMS * ITEMS, sizeof *w.links);
    for (size_t i = 0; i < (size_t)ITEMS * ITEMS; i++)
        w.links[i] = rec_rng_below(&rng, 3) ? (float)rec_rng_normal(&rng) : 0;
    for (size_t u = 0; u < USERS; u++) {
        w.user_bias[u] = (float)rec_rng_normal(&rng);
        w.liked_ptr[u + 1] = w.liked_ptr[u];
        for (int64_t p = w.ptr[u]; p < w.ptr[u + 1]; p++)
            if (rec_rng_below(&rng, 3))
                w.liked_item[w.liked_ptr[u + 1]++] = w.item[p];
    }
    for (size_t i = 0; i < ITEMS; i++)
        w.item_bias[i] = (float)rec_rng_normal(&rng), w.popularity[i] = (float)((i * 37) % 23);
    for (size_t i = 0; i < ITEMS * F; i++)
        w.v[i] = (float)rec_rng_normal(&rng), w.h[i] = (float)rec_rng_normal(&rng);
    return 0;
}

static int free_world(void **state)
{
    (void)state;
    free(w.links);
    return 0;
}

static struct rec_model model(unsigned what, double exponent)
{
    struct rec_model m = {.type = "test", .n_users = USERS, .n_items = ITEMS, .mean = 0.5, .popularity = w.popularity, .seen_ptr = w.ptr,
                          .seen_item = w.item, .history_exponent = exponent};

    if (what & SPARSE)
        m.link_ptr = w.link_ptr, m.link_item = w.link_item, m.link_weight = w.link_weight;
    if (what & DENSE)
        m.links = w.links;
    if (what & NEAR)
        m.near_ptr = w.near_ptr, m.near_user = w.near_user, m.near_weight = w.near_weight;
    if (what & LIKED)
        m.liked_ptr = w.liked_ptr, m.liked_item = w.liked_item;
    if (what & (FACTORS | HISTORIES))
        m.factors = F, m.user_factors = w.u, m.item_factors = w.v;
    if (what & HISTORIES)
        m.history_factors = w.h;
    if (what & BIASES)
        m.user_bias = w.user_bias, m.item_bias = w.item_bias;
    /* Factors that come from histories, or from nowhere. */
    for (size_t u = 0; u < USERS; u++) {
        const int32_t *item;
        size_t n = rec_links_history(&item, &m, (int32_t)u);
        for (size_t k = 0; k < F; k++) {
            double x = what & HISTORIES ? 0 : u % 7 ? sin((double)(u * F + k)) : 0;
            for (size_t j = 0; what & HISTORIES && j < n; j++)
                x += w.h[(size_t)item[j] * F + k] * pow((double)n, -exponent);
            w.u[u * F + k] = (float)x;
        }
    }
    return m;
}

static bool has(const int64_t *ptr, const int32_t *index, size_t row, size_t column)
{
    for (int64_t p = ptr[row]; p < ptr[row + 1]; p++)
        if (index[p] == (int32_t)column)
            return true;
    return false;
}

/* As the header says. */
static void all_scores(double *score, const struct rec_model *m, size_t u)
{
    const int64_t *ptr = m->liked_ptr ? m->liked_ptr : m->seen_ptr;
    const int32_t *item = m->liked_ptr ? m->liked_item : m->seen_item;
    double n = (double)(ptr[u + 1] - ptr[u]), scale = n > 0 ? pow(n, -m->history_exponent) : 0;

    for (size_t i = 0; i < ITEMS; i++) {
        score[i] = m->mean + (m->user_bias ? m->user_bias[u] : 0) + (m->item_bias ? m->item_bias[i] : 0);
        for (size_t k = 0; k < m->factors; k++)
            score[i] += (double)w.u[u * F + k] * w.v[i * F + k];
        for (int64_t p = ptr[u]; m->links && p < ptr[u + 1]; p++)
            score[i] += scale * w.links[(size_t)item[p] * ITEMS + i];
    }
    for (int64_t p = ptr[u]; m->link_ptr && p < ptr[u + 1]; p++)
        for (int64_t q = w.link_ptr[item[p]]; q < w.link_ptr[item[p] + 1]; q++)
            score[w.link_item[q]] += scale * w.link_weight[q];
    for (int64_t v = w.near_ptr[u]; m->near_ptr && v < w.near_ptr[u + 1]; v++)
        for (int64_t p = ptr[w.near_user[v]]; p < ptr[w.near_user[v] + 1]; p++)
            score[item[p]] += w.near_weight[v];
}

/* A list is right when its scores are, it leaves out what it must, and nothing better is missing. */
static void check_list(const struct rec_topk_hit *hit, size_t n, size_t k, const struct rec_model *m, size_t u, const uint8_t *allowed, bool seen_too)
{
    double score[ITEMS];
    bool listed[ITEMS] = {false};
    size_t candidates = 0;

    all_scores(score, m, u);
    for (size_t r = 0; r < n; r++) {
        size_t i = (size_t)hit[r].item;
        assert_float_equal(hit[r].score, score[i], 1e-4);
        assert_true(!listed[i] && (!allowed || allowed[i]) && (seen_too || !has(w.ptr, w.item, u, i)));
        assert_true(r == 0 || hit[r].score < hit[r - 1].score || (hit[r].score == hit[r - 1].score && hit[r].item > hit[r - 1].item));
        listed[i] = true;
    }
    for (size_t i = 0; i < ITEMS; i++) {
        bool candidate = (!allowed || allowed[i]) && (seen_too || !has(w.ptr, w.item, u, i));
        candidates += candidate;
        assert_true(listed[i] || !candidate || n == 0 || score[i] <= hit[n - 1].score + 1e-4);
    }
    assert_int_equal(n, candidates < k ? candidates : k);
}

static void check_lists(const struct rec_model *m, const uint8_t *allowed, unsigned flags)
{
    static struct rec_topk_hit hit[USERS * K], again[USERS * K], one[K];
    int32_t user[USERS];
    size_t count[USERS], n;
    struct rec_rank rank;

    for (int32_t j = 0; j < USERS; j++)
        user[j] = (j * 7) % USERS;
    assert_int_equal(rec_rank_init(&rank, m, K, allowed, flags, &err), 0);
    assert_int_equal(rec_rank_users(hit, count, &rank, user, USERS, 1, &err), 0);
    assert_int_equal(rec_rank_users(again, count, &rank, user, USERS, 3, &err), 0);
    for (size_t j = 0; j < USERS; j++) {
        assert_memory_equal(hit + j * K, again + j * K, count[j] * sizeof *hit);
        if (rec_rank_known(m, user[j]))
            check_list(hit + j * K, count[j], K, m, (size_t)user[j], allowed, flags & REC_RANK_INCLUDE_SEEN);
        else
            assert_true(hit[j * K].score == 22);
        if (j % 10 == 0) { /* alone as in company */
            assert_int_equal(rec_rank_users(one, &n, &rank, &user[j], 1, 1, &err), 0);
            assert_int_equal(n, count[j]);
            assert_memory_equal(one, hit + j * K, n * sizeof *one);
        }
    }
    rec_rank_clear(&rank);
}

static const unsigned combinations[] = {
    SPARSE, DENSE, NEAR, SPARSE | DENSE, SPARSE | NEAR, SPARSE | FACTORS, DENSE | FACTORS | BIASES, SPARSE | LIKED, DENSE | LIKED, NEAR | LIKED,
    SPARSE | DENSE | NEAR | FACTORS | LIKED | BIASES, HISTORIES, HISTORIES | LIKED | BIASES, HISTORIES | SPARSE,
};

static void predictions(void **state)
{
    double score[ITEMS];

    (void)state;
    for (size_t c = 0; c < REC_LENGTH(combinations); c++) {
        struct rec_model m = model(combinations[c], c % 3 * 0.5);
        for (size_t u = 0; u < USERS; u += 5) {
            all_scores(score, &m, u);
            for (int32_t i = 0; i < ITEMS; i += 9)
                assert_float_equal(rec_predict_pair(&m, (int32_t)u, i), score[i], 1e-4);
        }
        assert_float_equal(rec_predict_pair(&m, -1, 3), 0.5 + (m.item_bias ? m.item_bias[3] : 0), 1e-6);
        assert_float_equal(rec_predict_pair(&m, 3, -1), 0.5 + (m.user_bias ? m.user_bias[3] : 0), 1e-6);
    }
}

static void lists(void **state)
{
    uint8_t allowed[ITEMS];

    (void)state;
    for (size_t i = 0; i < ITEMS; i++)
        allowed[i] = i % 3 != 1;
    for (size_t c = 0; c < REC_LENGTH(combinations); c++) {
        struct rec_model m = model(combinations[c], 0.5);
        check_lists(&m, NULL, 0);
        check_lists(&m, c % 2 ? allowed : NULL, c % 4 ? 0 : REC_RANK_INCLUDE_SEEN);
    }
}

/* Somebody from whose history no link begins is as unknown as one without any. */
static void who_is_known(void **state)
{
    struct rec_model m = model(SPARSE, 0);
    int64_t none[ITEMS + 1] = {0};

    (void)state;
    assert_false(rec_rank_known(&m, -1));
    assert_false(rec_rank_known(&m, 0)); /* has nothing */
    assert_true(rec_rank_known(&m, 1));
    m.link_ptr = none;
    assert_false(rec_rank_known(&m, 1)); /* and no link begins at it */
    m = model(NEAR, 0);
    assert_false(rec_rank_known(&m, 7));
    assert_true(rec_rank_known(&m, 8));
}

static void visitors(void **state)
{
    static struct rec_topk_hit hit[K];
    static float part[K * 2 * PER], rest[K];

    (void)state;
    for (size_t c = 0; c < REC_LENGTH(combinations); c++) {
        struct rec_model m = model(combinations[c] & ~(unsigned)BIASES, 0.5);
        struct rec_foldin foldin;
        assert_int_equal(rec_foldin_init(&foldin, &m, &err), 0);
        for (size_t u = 1; u < USERS; u += 11) {
            struct rec_visitor v = {0}, trained;
            if (!rec_rank_known(&m, (int32_t)u))
                continue;
            /* A model of which nothing but what comes from histories is known: a visitor with a user's history is that user. */
            v.n = rec_links_history(&v.item, &m, (int32_t)u);
            assert_int_equal(rec_foldin_user(&v, &foldin, &err), 0);
            rec_foldin_trained(&trained, &m, (int32_t)u);
            if (!m.near_ptr && (!m.factors || m.history_factors))
                for (int32_t i = 0; i < ITEMS; i += 50)
                    assert_float_equal(rec_foldin_score(&m, &v, i), rec_foldin_score(&m, &trained, i), 1e-4);
            ptrdiff_t n = rec_foldin_rank(hit, K, &m, NULL, &trained, w.item + w.ptr[u], (size_t)(w.ptr[u + 1] - w.ptr[u]), NULL, &err);
            check_list(hit, (size_t)n, K, &m, u, NULL, false);
            assert_int_equal(rec_foldin_explains(&foldin), !m.near_ptr);
            if (rec_foldin_explains(&foldin)) {
                n = rec_foldin_rank(hit, K, &m, NULL, &v, NULL, 0, NULL, &err);
                assert_int_equal(rec_foldin_explain_list(part, rest, hit, (size_t)n, true, &foldin, &v, &err), 0);
                for (ptrdiff_t r = 0; r < n; r++) {
                    double sum = rest[r];
                    for (size_t j = 0; j < v.n; j++)
                        sum += part[(size_t)r * v.n + j];
                    assert_float_equal(sum, hit[r].score, 1e-5);
                }
            }
            rec_foldin_forget(&v);
        }
        rec_foldin_clear(&foldin);
    }
}

/* What an item's links are, it is near to. */
static void neighbours(void **state)
{
    (void)state;
    for (unsigned what = SPARSE; what <= DENSE; what++) {
        struct rec_model m = model(what, 0);
        struct rec_similar similar;
        struct rec_topk_hit hit[K];
        size_t n;
        assert_int_equal(rec_similar_init(&similar, &m, K, NULL, 0, &err), 0);
        for (int32_t i = -1; i < ITEMS; i += 13) {
            assert_int_equal(rec_similar_items(hit, &n, &similar, &i, 1, 1, &err), 0);
            size_t there = i < 0 ? 0 : what == DENSE ? ITEMS - 1 : (size_t)(w.link_ptr[i + 1] - w.link_ptr[i]);
            assert_int_equal(n, there < K ? there : K);
            for (size_t r = 0; r < n; r++) {
                assert_true(hit[r].item != i && (r == 0 || hit[r].score <= hit[r - 1].score));
                assert_float_equal(hit[r].score, rec_links_weight(&m, i, hit[r].item), 0);
            }
        }
        rec_similar_clear(&similar);
        assert_int_equal(rec_similar_init(&similar, &m, K, NULL, REC_SIMILAR_DOT, &err), -1);
    }
}

/* Against the formula, for a row that is there and for a visitor with the same. */
static void near_rows(void **state)
{
    struct rec_knn_how how = {.neighbours = 9, .damping = 0.5, .from = 0.3, .to = 0.7, .shrinkage = 2};

    (void)state;
    for (unsigned weights = REC_KNN_DAMPED; weights <= REC_KNN_BM25; weights++) {
        struct rec_knn knn;
        int32_t *near;
        float *weight, share[2 * PER] = {0};
        double sum = 0;
        how.weights = (enum rec_knn_weights)weights;
        assert_int_equal(rec_knn_init(&knn, &how, USERS, ITEMS, w.ptr, w.item, &err), 0);
        size_t n = (size_t)(w.ptr[9] - w.ptr[8]);
        ptrdiff_t found = rec_knn_find(&near, &weight, &knn, w.item + w.ptr[8], n, &err);
        assert_true(found > 0 && found <= 9);
        for (ptrdiff_t j = 0; j < found; j++) {
            double common = 0, dot = 0;
            int32_t v = near[j];
            for (int64_t p = w.ptr[8]; p < w.ptr[9]; p++)
                if (has(w.ptr, w.item, (size_t)v, (size_t)w.item[p]))
                    dot += knn.weight[w.item[p]], common++;
            assert_float_equal(weight[j], dot * common / (common + 2) * knn.from[8] * knn.to[v], 1e-5 * (1 + weight[j]));
            assert_true(j == 0 || near[j] > near[j - 1]);
        }
        rec_knn_share(share, &knn, w.item + w.ptr[8], n, 8, 1.5F);
        for (size_t j = 0; j < n; j++)
            sum += share[j];
        assert_float_equal(sum, 1.5, 1e-5);
        free(near);
        free(weight);
        rec_knn_clear(&knn);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(predictions), cmocka_unit_test(lists),      cmocka_unit_test(who_is_known),
        cmocka_unit_test(visitors),    cmocka_unit_test(neighbours), cmocka_unit_test(near_rows),
    };
    return cmocka_run_group_tests_name("links", tests, make_world, free_world);
}
