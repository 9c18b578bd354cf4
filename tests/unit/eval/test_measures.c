/* SPDX-License-Identifier: MIT
 *
 * Measures on lists small enough to be worked out by hand, and the choice of columns.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/eval.h>

static double value(const struct rec_eval *eval, const double *row, const char *key)
{
    for (size_t c = 0; c < eval->n; c++)
        if (strcmp(eval->column[c].key, key) == 0)
            return row[c];
    fail_msg("no column %s", key);
    return NAN;
}

/* The list 5 2 9 7; relevant: 2 3 7, and one item that no list can hold. */
static void by_hand(void **state)
{
    static const int32_t list[] = {5, 2, 9, 7, -1}, relevant[] = {2, 3, 7};
    struct rec_eval eval;
    struct rec_judge judge = {0};
    struct rec_hits hits;
    struct rec_err err = {0};
    double row[REC_EVAL_MAX] = {0};

    (void)state;
    assert_int_equal(rec_eval_init(&eval, NULL, "2,5", &err), 0);
    assert_int_equal(rec_judge_list(&hits, &judge, list, 5, relevant, NULL, 3, 1, &err), 0);
    assert_int_equal(hits.n, 2);
    assert_int_equal(hits.relevant, 4);
    rec_eval_list(row, &eval, &hits);
    double d2 = 1 / log2(3), d4 = 1 / log2(5), ideal4 = 1 + 1 / log2(3) + 1 / log2(4) + 1 / log2(5);
    assert_float_equal(value(&eval, row, "precision@2"), 1 / 2., 1e-12);
    assert_float_equal(value(&eval, row, "precision@5"), 2 / 5., 1e-12);
    assert_float_equal(value(&eval, row, "recall@2"), 1 / 4., 1e-12);
    assert_float_equal(value(&eval, row, "recall@5"), 2 / 4., 1e-12);
    assert_float_equal(value(&eval, row, "ndcg@2"), d2 / (1 + d2), 1e-12);
    assert_float_equal(value(&eval, row, "ndcg@5"), (d2 + d4) / ideal4, 1e-12);
    assert_float_equal(value(&eval, row, "map@2"), (1 / 2.) / 4, 1e-12);
    assert_float_equal(value(&eval, row, "map@5"), (1 / 2. + 2 / 4.) / 4, 1e-12);
    assert_float_equal(value(&eval, row, "mrr@5"), 1 / 2., 1e-12);
    assert_float_equal(value(&eval, row, "hitrate@2"), 1, 1e-12);
    assert_float_equal(value(&eval, row, "f1@2"), 2 * (1 / 2.) * (1 / 4.) / (1 / 2. + 1 / 4.), 1e-12);
    assert_float_equal(value(&eval, row, "recall_cap@2"), 1 / 2., 1e-12);
    assert_float_equal(value(&eval, row, "recall_cap@5"), 2 / 4., 1e-12);
    assert_float_equal(value(&eval, row, "map_cap@2"), (1 / 2.) / 2, 1e-12);
    assert_float_equal(value(&eval, row, "rbp@5"), 0.2 * (0.8 + 0.8 * 0.8 * 0.8), 1e-12);
    assert_true(isnan(value(&eval, row, "auc@5")));
    rec_judge_clear(&judge);
    rec_eval_clear(&eval);
}

/* AUC against pairs that are counted: of a whole list exactly, of a shorter one as the mean over all orders of the rest. */
static void auc_counts_pairs(void **state)
{
    enum { N = 7 };
    struct rec_eval eval;
    struct rec_judge judge = {0};
    struct rec_err err = {0};

    (void)state;
    assert_int_equal(rec_eval_init(&eval, "auc", "3,7", &err), 0);
    for (unsigned set = 1; set + 1 < 1U << N; set++) {
        struct rec_hits hits;
        int32_t list[N], relevant[N];
        double row[2], pairs = 0, expected = 0, all;
        size_t n = 0;
        for (int i = 0; i < N; i++) {
            list[i] = i;
            if (set >> i & 1)
                relevant[n++] = i;
        }
        all = (double)n * (double)(N - n);
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                if (set >> i & 1 && !(set >> j & 1)) {
                    pairs += i < j;
                    expected += i < 3 || j < 3 ? i < j : 0.5;
                }
        assert_int_equal(rec_judge_list(&hits, &judge, list, N, relevant, NULL, n, 0, &err), 0);
        hits.candidates = N;
        rec_eval_list(row, &eval, &hits);
        assert_float_equal(value(&eval, row, "auc@7"), pairs / all, 1e-12);
        assert_float_equal(value(&eval, row, "auc@3"), expected / all, 1e-12);
    }
    rec_judge_clear(&judge);
    rec_eval_clear(&eval);
}

static void graded_gains(void **state)
{
    static const int32_t list[] = {2, 3}, relevant[] = {2, 3};
    static const float gain[] = {3, 5};
    struct rec_eval eval;
    struct rec_judge judge = {0};
    struct rec_hits hits;
    struct rec_err err = {0};
    double row[1];

    (void)state;
    assert_int_equal(rec_eval_init(&eval, "ndcg@2", "10", &err), 0);
    assert_int_equal(rec_judge_list(&hits, &judge, list, 2, relevant, gain, 2, 0, &err), 0);
    rec_eval_list(row, &eval, &hits);
    assert_float_equal(row[0], (3 + 5 / log2(3)) / (5 + 3 / log2(3)), 1e-12);
    rec_judge_clear(&judge);
    rec_eval_clear(&eval);
}

static void nothing_relevant_is_left_out(void **state)
{
    static const int32_t list[] = {1, 2};
    struct rec_eval eval;
    struct rec_judge judge = {0};
    struct rec_hits hits;
    struct rec_err err = {0};
    double rows[3] = {0.5, 0, 0.25}, mean;

    (void)state;
    assert_int_equal(rec_eval_init(&eval, "recall", "2", &err), 0);
    assert_int_equal(rec_judge_list(&hits, &judge, list, 2, list, NULL, 0, 0, &err), 0);
    rec_eval_list(&rows[1], &eval, &hits);
    assert_true(isnan(rows[1]));
    assert_int_equal(rec_eval_mean(&mean, rows, 3, 1), 2);
    assert_float_equal(mean, 0.375, 1e-12);
    assert_int_equal(rec_eval_mean(&mean, rows + 1, 1, 1), 0);
    assert_true(isnan(mean));
    rec_judge_clear(&judge);
    rec_eval_clear(&eval);
}

static void errors_of_predictions(void **state)
{
    struct rec_eval eval;
    struct rec_err err = {0};
    double sums[2] = {0};

    (void)state;
    assert_int_equal(rec_eval_init(&eval, "rmse,mae", "10", &err), 0);
    assert_int_equal(eval.depth, 0);
    assert_true(eval.predictions);
    rec_eval_pair(sums, &eval, 3, 4);
    rec_eval_pair(sums, &eval, 5, 2);
    assert_float_equal(eval.column[0].measure->whole(sums[0], 2), sqrt(5), 1e-12);
    assert_float_equal(eval.column[1].measure->whole(sums[1], 2), 2, 1e-12);
    rec_eval_clear(&eval);
}

static void columns_are_chosen(void **state)
{
    static const char *const bad[][2] = {{"ndgc", "10"}, {"ndcg", "0"}, {"ndcg", "10,"}, {"ndcg", "ten"}, {"rmse@5", "10"},
                                         {"ndcg@", "10"}, {"", "10"}, {"ndcg,,mae", "10"}, {"ndcg", "1e9"}, {"ndcg", "99999999"}};
    struct rec_eval eval;
    struct rec_err err = {0};

    (void)state;
    assert_int_equal(rec_eval_init(&eval, "mae,ndcg,ndcg@10,map@3", "10,20", &err), 0);
    assert_int_equal(eval.n, 4);
    assert_string_equal(eval.column[0].key, "mae");
    assert_string_equal(eval.column[1].key, "ndcg@10");
    assert_string_equal(eval.column[2].key, "ndcg@20");
    assert_string_equal(eval.column[3].key, "map@3");
    assert_int_equal(eval.depth, 20);
    rec_eval_clear(&eval);
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        assert_int_equal(rec_eval_init(&eval, bad[i][0], bad[i][1], &err), -1);
        assert_true(err.text[0]);
        rec_eval_clear(&eval);
    }
}

static void every_measure_says_what_it_is(void **state)
{
    (void)state;
    for (size_t m = 0; rec_measures[m]; m++) {
        const struct rec_measure *measure = rec_measures[m];
        assert_non_null(measure->formula);
        assert_non_null(measure->source);
        assert_true((measure->list != NULL) + (measure->spread != NULL) + (measure->term && measure->whole) == 1);
        assert_ptr_equal(rec_measures_find(measure->name, strlen(measure->name)), measure);
    }
}

static void conditions(void **state)
{
    static const char *const bad[] = {"", "ndcg@10", "ndcg@10=>1", ">=1", "ndcg@10>=", "ndcg@10>=x", "ndcg@10=1", "a>= 1"};
    struct rec_condition condition;
    struct rec_err err = {0};

    (void)state;
    assert_int_equal(rec_condition_parse(&condition, "ndcg@10>=0.33", &err), 0);
    assert_true(rec_condition_is(&condition, "ndcg@10"));
    assert_false(rec_condition_is(&condition, "ndcg@1"));
    assert_true(rec_condition_holds(&condition, 0.33));
    assert_false(rec_condition_holds(&condition, 0.32));
    assert_false(rec_condition_holds(&condition, NAN));
    assert_int_equal(rec_condition_parse(&condition, "rmse<1", &err), 0);
    assert_true(rec_condition_holds(&condition, 0.9));
    assert_false(rec_condition_holds(&condition, 1));
    for (size_t i = 0; i < REC_LENGTH(bad); i++)
        assert_int_equal(rec_condition_parse(&condition, bad[i], &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand), cmocka_unit_test(auc_counts_pairs),
        cmocka_unit_test(graded_gains),
        cmocka_unit_test(nothing_relevant_is_left_out),
        cmocka_unit_test(errors_of_predictions),
        cmocka_unit_test(columns_are_chosen),
        cmocka_unit_test(every_measure_says_what_it_is),
        cmocka_unit_test(conditions),
    };
    return cmocka_run_group_tests_name("eval: measures", tests, NULL, NULL);
}
