/* SPDX-License-Identifier: MIT
 *
 * Other orders against the formulas written out naively; expressions of genres and years.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/score.h>

enum { ITEMS = 40, GENRES = 5, F = 3, K = 8, USERS = 30 };

static struct world {
    float v[ITEMS * F], popularity[ITEMS];
    int64_t seen_ptr[USERS + 1], genre_ptr[ITEMS + 1], offset[ITEMS + 1], genre_offset[GENRES + 1];
    int32_t seen_item[USERS * ITEMS], genre[ITEMS * GENRES], year[ITEMS], entry[ITEMS];
    char bytes[ITEMS * 2];
    struct rec_model model;
    struct rec_labels labels;
    struct rec_topk_hit hit[ITEMS];
} w;

static const char genre_names[] = "ActionComedyDramaHorrorWar";

static int make_world(void **state)
{
    static const int64_t genre_offset[] = {0, 6, 12, 17, 23, 26};
    struct rec_rng rng;

    (void)state;
    rec_rng_seed(&rng, 9, 0);
    memcpy(w.genre_offset, genre_offset, sizeof genre_offset);
    for (size_t i = 0; i < ITEMS * F; i++)
        w.v[i] = (float)rec_rng_normal(&rng);
    for (size_t i = 0; i < ITEMS; i++) {
        w.popularity[i] = (float)(1 + i * 7 % 31);
        w.genre_ptr[i + 1] = w.genre_ptr[i];
        for (int32_t g = 0; g < GENRES && i != 3; g++)
            if (rec_rng_below(&rng, 3) == 0)
                w.genre[w.genre_ptr[i + 1]++] = g;
        w.year[i] = i == 5 ? 0 : 1980 + (int32_t)i;
        w.entry[i] = i == 7 ? -1 : (int32_t)i;
        w.bytes[2 * i] = (char)('a' + i / 10);
        w.bytes[2 * i + 1] = (char)('a' + i % 10);
        w.offset[i + 1] = 2 * (int64_t)(i + 1);
        w.hit[i] = (struct rec_topk_hit){(int32_t)(ITEMS - 1 - i), 2 - 0.04F * (float)(i + i * i % 7)};
    }
    for (size_t i = 1; i < ITEMS; i++)
        if (w.hit[i].score > w.hit[i - 1].score)
            w.hit[i].score = w.hit[i - 1].score;
    for (size_t u = 0; u < USERS; u++) {
        w.seen_ptr[u + 1] = w.seen_ptr[u];
        for (int32_t i = 0; i < ITEMS; i++)
            if (rec_rng_below(&rng, 4) == 0)
                w.seen_item[w.seen_ptr[u + 1]++] = i;
    }
    w.model = (struct rec_model){.type = "test", .n_users = USERS, .n_items = ITEMS, .factors = F, .item_factors = w.v, .popularity = w.popularity,
                                 .seen_ptr = w.seen_ptr, .seen_item = w.seen_item, .items = {.bytes = w.bytes, .offset = w.offset, .n = ITEMS}};
    w.labels = (struct rec_labels){.catalogue = {.n = ITEMS, .items = {.bytes = w.bytes, .offset = w.offset, .n = ITEMS}, .year = w.year,
                                                 .genres = {.bytes = genre_names, .offset = w.genre_offset, .n = GENRES},
                                                 .genre_ptr = w.genre_ptr, .genre = w.genre},
                                   .entry = w.entry, .n_items = ITEMS};
    return 0;
}

static bool has_genre(int32_t item, int32_t g)
{
    for (int64_t p = w.genre_ptr[item]; w.entry[item] >= 0 && p < w.genre_ptr[item + 1]; p++)
        if (w.genre[p] == g)
            return true;
    return false;
}

static double count_genres(int32_t item)
{
    double n = 0;

    for (int32_t g = 0; g < GENRES; g++)
        n += has_genre(item, g);
    return n;
}

static bool has_item(size_t u, int32_t i)
{
    for (int64_t p = w.seen_ptr[u]; p < w.seen_ptr[u + 1]; p++)
        if (w.seen_item[p] == i)
            return true;
    return false;
}

static double alike(enum rec_rerank_likeness how, int32_t a, int32_t b)
{
    double both = 0, x = 0, y = 0;

    if (how == REC_RERANK_FACTORS)
        for (size_t k = 0; k < F; k++) {
            both += (double)w.v[a * F + (int32_t)k] * w.v[b * F + (int32_t)k];
            x += (double)w.v[a * F + (int32_t)k] * w.v[a * F + (int32_t)k];
            y += (double)w.v[b * F + (int32_t)k] * w.v[b * F + (int32_t)k];
        }
    else if (how == REC_RERANK_AUDIENCES)
        for (size_t u = 0; u < USERS; u++) {
            both += has_item(u, a) && has_item(u, b);
            x += has_item(u, a);
            y += has_item(u, b);
        }
    else
        for (int32_t g = 0; g < GENRES; g++) {
            both += has_genre(a, g) && has_genre(b, g);
            x += has_genre(a, g);
            y += has_genre(b, g);
        }
    return x * y > 0 ? both / sqrt(x * y) : 0;
}

/* What a list with `item` behind the n chosen ones is worth. */
static double value(const struct rec_rerank_options *o, const int32_t *chosen, size_t n, size_t place, const int32_t *history, size_t n_history)
{
    double most_popular = 0, least_popular = 1e9, most_alike = 0, kl = 0, total = 0, wanted_total = 0, worth;
    int32_t item = w.hit[place].item;
    double p[GENRES] = {0}, q[GENRES] = {0};

    for (size_t i = 0; i < ITEMS; i++) {
        most_popular = fmax(most_popular, log(1 + (double)w.popularity[i]));
        least_popular = fmin(least_popular, log(1 + (double)w.popularity[i]));
    }
    worth = (1 - o->novelty) * (w.hit[place].score - w.hit[ITEMS - 1].score) / (double)(w.hit[0].score - w.hit[ITEMS - 1].score) +
            o->novelty * (most_popular - log(1 + (double)w.popularity[item])) / (most_popular - least_popular);
    for (size_t c = 0; c < n; c++)
        most_alike = fmax(most_alike, alike(o->likeness, chosen[c], item));
    if (o->diversity > 0)
        worth = (1 - o->diversity) * worth - o->diversity * most_alike;
    if (o->calibration == 0)
        return worth;
    for (int32_t g = 0; g < GENRES; g++) {
        for (size_t h = 0; h < n_history; h++)
            p[g] += has_genre(history[h], g) ? 1 / count_genres(history[h]) : 0;
        for (size_t c = 0; c <= n; c++) {
            int32_t i = c < n ? chosen[c] : item;
            q[g] += has_genre(i, g) ? 1 / count_genres(i) : 0;
        }
        total += q[g];
        wanted_total += p[g];
    }
    for (int32_t g = 0; g < GENRES; g++)
        if (p[g] > 0)
            kl += p[g] / wanted_total * log(p[g] / wanted_total / (0.99 * (total > 0 ? q[g] / total : 0) + 0.01 * p[g] / wanted_total));
    return (1 - o->calibration) * worth - o->calibration * kl;
}

static void check(const struct rec_rerank_options *o, const int32_t *history, size_t n_history)
{
    struct rec_rerank rerank;
    struct rec_topk_hit hit[ITEMS];
    struct rec_err err = {0};
    int32_t chosen[K];
    bool taken[ITEMS] = {false};

    memcpy(hit, w.hit, sizeof hit);
    if (rec_rerank_init(&rerank, &w.model, &w.labels, o, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(rec_rerank_list(hit, ITEMS, K, &rerank, history, n_history, &err), 0);
    for (size_t place = 0; place < K; place++) {
        double most = -1e30;
        size_t got = 0;
        for (size_t i = 0; i < ITEMS; i++)
            if (!taken[i] && value(o, chosen, place, i, history, n_history) > most)
                most = value(o, chosen, place, i, history, n_history);
        while (w.hit[got].item != hit[place].item)
            got++;
        assert_false(taken[got]);
        assert_true(fabs(value(o, chosen, place, got, history, n_history) - most) < 1e-6);
        assert_true(hit[place].score == w.hit[got].score);
        taken[got] = true;
        chosen[place] = hit[place].item;
    }
    rec_rerank_clear(&rerank);
}

static void test_orders(void **state)
{
    static const int32_t history[] = {1, 2, 3, 7, 20};

    (void)state;
    check(&(struct rec_rerank_options){.diversity = 0}, NULL, 0);
    for (enum rec_rerank_likeness how = REC_RERANK_FACTORS; how <= REC_RERANK_GENRES; how++) {
        check(&(struct rec_rerank_options){.diversity = 0.3, .likeness = how}, history, 5);
        check(&(struct rec_rerank_options){.diversity = 1, .likeness = how}, history, 5);
    }
    check(&(struct rec_rerank_options){.novelty = 0.4}, history, 5);
    check(&(struct rec_rerank_options){.calibration = 0.5}, history, 5);
    check(&(struct rec_rerank_options){.calibration = 1}, history, 5);
    check(&(struct rec_rerank_options){.novelty = 0.1, .diversity = 0.2, .calibration = 0.3, .likeness = REC_RERANK_GENRES}, history, 5);
    check(&(struct rec_rerank_options){.calibration = 0.5}, NULL, 0);
}

static void test_nothing_to_go_by(void **state)
{
    struct rec_model bare = w.model;
    struct rec_rerank rerank;
    struct rec_err err = {0};

    (void)state;
    bare.item_factors = NULL;
    bare.seen_ptr = NULL;
    assert_int_equal(rec_rerank_init(&rerank, &bare, NULL, &(struct rec_rerank_options){.diversity = 0.1}, &err), -1);
    assert_int_equal(rec_rerank_init(&rerank, &bare, NULL, &(struct rec_rerank_options){.diversity = 0.1, .likeness = REC_RERANK_AUDIENCES}, &err), -1);
    assert_int_equal(rec_rerank_init(&rerank, &bare, NULL, &(struct rec_rerank_options){.calibration = 0.1}, &err), -1);
    assert_int_equal(rec_rerank_init(&rerank, &bare, NULL, &(struct rec_rerank_options){.novelty = 0.1}, &err), 0);
    assert_int_equal(rec_rerank_list(NULL, 0, 10, &rerank, NULL, 0, &err), 0);
    rec_rerank_clear(&rerank);
}

static void where(const char *text, bool (*expected)(int32_t item))
{
    uint8_t allowed[ITEMS];
    struct rec_err err = {0};

    memset(allowed, 1, sizeof allowed);
    allowed[9] = 0;
    assert_int_equal(rec_where_check(text, &err), 0);
    if (rec_where_allow(allowed, &w.labels, text, &err) < 0)
        fail_msg("%s", err.text);
    for (int32_t i = 0; i < ITEMS; i++)
        assert_int_equal(allowed[i], i != 9 && i != 7 && expected(i));
}

static bool comedy_or_drama_from_1990(int32_t i)
{
    return (has_genre(i, 1) || has_genre(i, 2)) && w.year[i] >= 1990 && !has_genre(i, 3);
}
static bool no_horror(int32_t i) { return !has_genre(i, 3); }
static bool in_2000(int32_t i) { return w.year[i] == 2000; }
static bool not_in_the_nineties(int32_t i) { return w.year[i] > 0 && (w.year[i] < 1990 || w.year[i] > 1999); }
static bool before_1990(int32_t i) { return w.year[i] > 0 && w.year[i] < 1990; }
static bool both(int32_t i) { return has_genre(i, 0) && has_genre(i, 4); }

static void test_where(void **state)
{
    static const char *const bad[] = {"", "genre", "genre=", "=Comedy", "genre>=Comedy", "year=", "title=x", "genre=Comedy,", ",", "genre=Comedy,,year=1990"};
    static const char *const wrong[] = {"year>=abc", "genre=Nonesuch", "year=1999..1990", "genre=Comedy|", "year=11111111111111111111111111111111111111"};
    uint8_t allowed[ITEMS] = {0};
    struct rec_err err;

    (void)state;
    where("genre=Comedy|Drama, year>=1990, genre!=Horror", comedy_or_drama_from_1990);
    where("genre = comedy | DRAMA,year>=1990 , genre != horror", comedy_or_drama_from_1990);
    where("genre!=Horror", no_horror);
    where("year=2000", in_2000);
    where("year==2000..2000", in_2000);
    where("year!=1990..1999", not_in_the_nineties);
    where("year<1990", before_1990);
    where("year<=1989", before_1990);
    where("genre=Action,genre=War", both);
    for (size_t i = 0; i < REC_LENGTH(bad); i++)
        assert_int_equal(rec_where_check(bad[i], &err), -1);
    for (size_t i = 0; i < REC_LENGTH(wrong); i++)
        assert_int_equal(rec_where_allow(allowed, &w.labels, wrong[i], &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_nothing_to_go_by),
        cmocka_unit_test(test_where),
    };

    return cmocka_run_group_tests(tests, make_world, NULL);
}
