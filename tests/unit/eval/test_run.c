/* SPDX-License-Identifier: MIT
 *
 * Runs and qrels: order and ties as in trec_eval, queries in pieces, odd lines, our own CSV.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include <rec/eval.h>

static char run_path[] = "/tmp/rec-test-run-XXXXXX", qrels_path[] = "/tmp/rec-test-qrels-XXXXXX";

static void write_file(const char *path, const char *text, size_t len)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static int measure(double *values, struct rec_run_counts *counts, const char *run, size_t run_len, const char *qrels,
                   unsigned threads, struct rec_err *err)
{
    struct rec_qrels q;
    struct rec_eval eval = {0};
    int status;

    write_file(run_path, run, run_len);
    write_file(qrels_path, qrels, strlen(qrels));
    status = rec_qrels_read(&q, qrels_path, NULL, false, err);
    if (status < 0)
        return status;
    assert_int_equal(rec_eval_init(&eval, "mrr", "10", err), 0);
    status = rec_run_measure(values, counts, run_path, &q, &eval, threads, err);
    rec_eval_clear(&eval);
    rec_qrels_clear(&q);
    return status;
}

/* The value of query a, whose one relevant document is y. */
static double rank_of_y(const char *run)
{
    struct rec_run_counts counts;
    struct rec_err err = {0};
    double values[1];

    if (measure(values, &counts, run, strlen(run), "a 0 y 1\n", 1, &err) < 0)
        return -1;
    return values[0];
}

static void order_is_trecs(void **state)
{
    (void)state;
    assert_float_equal(rank_of_y("a Q0 x 1 0.5 t\na Q0 y 2 0.4 t\n"), 0.5, 0);
    // By score, whatever the rank says.
    assert_float_equal(rank_of_y("a Q0 x 1 0.4 t\na Q0 y 2 0.5 t\n"), 1, 0);
    // Equal scores: the greater document first.
    assert_float_equal(rank_of_y("a Q0 x 1 0.5 t\na Q0 y 2 0.5 t\n"), 1, 0);
    assert_float_equal(rank_of_y("a Q0 z 1 0.5 t\na Q0 y 2 0.5 t\n"), 0.5, 0);
    assert_float_equal(rank_of_y("a Q0 yy 1 0.5 t\na Q0 y 2 0.5 t\n"), 0.5, 0);
    // Scores that are equal as floats are equal.
    assert_float_equal(rank_of_y("a Q0 x 1 1.00000001 t\na Q0 y 2 1 t\n"), 1, 0);
    // Negative ones, exponents, blanks of all kinds, no line end at the end.
    assert_float_equal(rank_of_y("a\tQ0  x 1 -2e-1 t\r\n\n  a Q0 y 2 -1E-1\tt"), 1, 0);
}

static void csv_keeps_its_order(void **state)
{
    (void)state;
    assert_float_equal(rank_of_y("user,item,score,rank\na,x,0.1,1\na,y,0.9,2\n"), 0.5, 0);
    assert_float_equal(rank_of_y("user,item,score,rank,title\r\na,x,0.1,1,\"T, the\nfirst\"\r\n\"a\",\"y\",0.9,2,\r\n"), 0.5, 0);
    assert_float_equal(rank_of_y("user,item\na,\"x\"\"x\"\na,y\n"), 0.5, 0);
    assert_float_equal(rank_of_y("user,item\na\n"), -1, 0);
    assert_float_equal(rank_of_y("user,item\na,\n"), -1, 0);
}

static void bad_lines_are_refused(void **state)
{
    static const struct {
        const char *run, *says;
    } cases[] = {
        {"a Q0 x 1 0.5\n", "line 1: not the six fields"},
        {"a Q0 x 1 0.5 t\na Q0 y 1 0.5 t more\n", "line 2: not the six fields"},
        {"a Q0 x 1 0.5 t\n\na Q0 y 1 nan t\n", "line 3: score 'nan' is no number"},
        {"a Q0 x 1 0x5 t\n", "score '0x5' is no number"},
        {"a Q0 x 1 1 t\na Q0 y 1 2 t\na Q0 x 1 3 t\n", "query 'a': document 'x' twice"},
        {"a Q0 y 1 1 t\na Q0 y 1 3 t\n", "query 'a': document 'y' twice"},
    };
    struct rec_run_counts counts;
    struct rec_err err = {0};
    double values[1];

    (void)state;
    for (size_t i = 0; i < REC_LENGTH(cases); i++) {
        assert_int_equal(measure(values, &counts, cases[i].run, strlen(cases[i].run), "a 0 y 1\n", 1, &err), -1);
        assert_non_null(strstr(err.text, cases[i].says));
    }
    assert_int_equal(measure(values, &counts, "", 0, "a 0 y\n", 1, &err), -1);
    assert_int_equal(measure(values, &counts, "", 0, "a 0 y 1 2\n", 1, &err), -1);
    assert_int_equal(measure(values, &counts, "", 0, "a 0 y yes\n", 1, &err), -1);
    assert_int_equal(measure(values, &counts, "a Q0 y 1 1 t", 12, "a 0 y 1\na 0 y 1\n", 1, &err), -1);
    assert_non_null(strstr(err.text, "document 'y' twice"));
}

static void queries_are_counted(void **state)
{
    const char *run = "c Q0 x 1 1 t\na Q0 y 1 1 t\nd Q0 x 1 1 t\nc Q0 z 1 1 t\nn Q0 x 1 1 t\n";
    const char *qrels = "a 0 y 1\nb 0 y 2\nn 0 y 0\n";
    struct rec_run_counts counts;
    struct rec_err err = {0};
    double values[3];

    (void)state;
    assert_int_equal(measure(values, &counts, run, strlen(run), qrels, 1, &err), 0);
    assert_int_equal(counts.lines, 5);
    assert_int_equal(counts.unjudged, 2);
    assert_int_equal(counts.missing, 1);
    assert_int_equal(counts.without, 1);
    assert_float_equal(values[0], 1, 0);
    assert_float_equal(values[1], 0, 0);
    assert_true(isnan(values[2]));
    assert_int_equal(measure(values, &counts, "", 0, qrels, 2, &err), 0);
    assert_int_equal(counts.missing, 2);
}

/* More than one piece of 4 MiB, two queries whose lines take turns, and one that comes back at the end. */
static void pieces_are_joined(void **state)
{
    struct rec_buf run = {0};
    struct rec_run_counts counts;
    struct rec_err err = {0};
    double values[3];

    (void)state;
    rec_buf_adds(&run, "c Q0 x 1 5 t\n");
    for (int i = 0; i < 200000; i++) {
        rec_buf_addf(&run, "a Q0 a%d 1 %d t%s\n", i, i == 150000 ? 1000 : 0, "ag-of-some-length-to-make-the-file-larger");
        if (i % 50000 == 0)
            rec_buf_addf(&run, "b Q0 b%d 1 %d t\n", i, i == 50000);
    }
    rec_buf_adds(&run, "c Q0 y 1 4 t\n");
    assert_true(run.len > 8u << 20);
    for (unsigned threads = 1; threads <= 3; threads++) {
        assert_int_equal(measure(values, &counts, run.data, run.len, "a 0 a150000 1\nb 0 b50000 1\nc 0 y 1\n", threads, &err), 0);
        assert_int_equal(counts.lines, 200006);
        assert_float_equal(values[0], 1, 0);
        assert_float_equal(values[1], 1, 0);
        assert_float_equal(values[2], 0.5, 0);
    }
    rec_buf_clear(&run);
}

static int make_files(void **state)
{
    (void)state;
    int run = mkstemp(run_path), qrels = mkstemp(qrels_path);
    return run < 0 || qrels < 0 || close(run) < 0 || close(qrels) < 0;
}

static int remove_files(void **state)
{
    (void)state;
    return unlink(run_path) + unlink(qrels_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_trecs),
        cmocka_unit_test(csv_keeps_its_order),
        cmocka_unit_test(bad_lines_are_refused),
        cmocka_unit_test(queries_are_counted),
        cmocka_unit_test(pieces_are_joined),
    };
    return cmocka_run_group_tests_name("eval: runs", tests, make_files, remove_files);
}
