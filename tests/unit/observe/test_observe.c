/* SPDX-License-Identifier: MIT
 *
 * Counters over processes, histograms, a full table; the text that Prometheus reads; lines that nobody can break.
 */
#include <rec/observe.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct rec_err err;
static const double bounds[] = {0.001, 0.01, 0.1, 1};
static const struct rec_prom_metric requests = {.name = "rec_http_requests_total", .type = REC_PROM_COUNTER, .help = "Requests answered."};
static const struct rec_prom_metric up = {.name = "rec_up", .type = REC_PROM_GAUGE, .help = "One."};
static const struct rec_prom_metric duration = {.name = "rec_http_request_duration_seconds", .type = REC_PROM_HISTOGRAM,
                                                .help = "Time taken.", .bounds = bounds, .n_bounds = 4};

static void text_for_prometheus(void **state)
{
    static const struct rec_prom_metric *const metrics[] = {&requests, &up, &duration};
    struct rec_stats *stats;
    struct rec_stats_cell *cells[7];
    struct rec_buf out = {0}, labels = {0};

    (void)state;
    assert_int_equal(rec_stats_open(&stats, NULL, 1024, &err), 0);
    rec_stats_add(rec_stats_series(stats, &requests, "route=\"/b\",status=\"200\""), 2);
    rec_stats_add(rec_stats_series(stats, &requests, "route=\"/a\",status=\"404\""), 1);
    rec_stats_add(rec_stats_series(stats, &requests, "route=\"/b\",status=\"200\""), 3);
    rec_stats_set(rec_stats_series(stats, &up, ""), 1);
    rec_stats_histogram(cells, stats, &duration, "route=\"/a\"");
    rec_stats_observe(cells, &duration, 0.0005);
    rec_stats_observe(cells, &duration, 0.01);
    rec_stats_observe(cells, &duration, 5);
    rec_prom_label(&labels, "path", "a\"b\\c\nd", 7);
    rec_stats_add(rec_stats_series(stats, &requests, labels.data), 1);
    assert_int_equal(rec_prom_write(&out, stats, metrics, 3, &err), 0);
    assert_string_equal(out.data,
        "# HELP rec_http_requests_total Requests answered.\n# TYPE rec_http_requests_total counter\n"
        "rec_http_requests_total{path=\"a\\\"b\\\\c\\nd\"} 1\n"
        "rec_http_requests_total{route=\"/a\",status=\"404\"} 1\nrec_http_requests_total{route=\"/b\",status=\"200\"} 5\n"
        "# HELP rec_up One.\n# TYPE rec_up gauge\nrec_up 1\n"
        "# HELP rec_http_request_duration_seconds Time taken.\n# TYPE rec_http_request_duration_seconds histogram\n"
        "rec_http_request_duration_seconds_bucket{route=\"/a\",le=\"0.001\"} 1\n"
        "rec_http_request_duration_seconds_bucket{route=\"/a\",le=\"0.01\"} 2\n"
        "rec_http_request_duration_seconds_bucket{route=\"/a\",le=\"0.1\"} 2\n"
        "rec_http_request_duration_seconds_bucket{route=\"/a\",le=\"1\"} 2\n"
        "rec_http_request_duration_seconds_bucket{route=\"/a\",le=\"+Inf\"} 3\n"
        "rec_http_request_duration_seconds_count{route=\"/a\"} 3\nrec_http_request_duration_seconds_sum{route=\"/a\"} 5.010500\n");
    rec_buf_clear(&out);
    rec_buf_clear(&labels);
    rec_stats_close(stats);
}

static void processes(void **state)
{
    char path[] = "/tmp/rec-test-stats-XXXXXX", file[64], labels[32];
    struct rec_stats *stats;
    struct stat st;
    int status;

    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(file, sizeof file, "%s/stats", path);
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            if (rec_stats_open(&stats, file, 256, &err) < 0)
                _exit(1);
            for (int k = 0; k < 5000; k++) {
                snprintf(labels, sizeof labels, "n=\"%d\"", k % 50);
                rec_stats_add(rec_stats_series(stats, &requests, labels), 1);
            }
            _exit(0);
        }
    for (int i = 0; i < 8; i++)
        assert_true(wait(&status) > 0 && status == 0);
    assert_int_equal(rec_stats_open(&stats, file, 256, &err), 0);
    for (int k = 0; k < 50; k++) {
        snprintf(labels, sizeof labels, "n=\"%d\"", k);
        assert_int_equal(rec_stats_get(rec_stats_series(stats, &requests, labels)), 800);
    }
    assert_int_equal(rec_stats_lost(stats), 0);
    for (int k = 0; k < 1000; k++) {
        snprintf(labels, sizeof labels, "more=\"%d\"", k);
        rec_stats_add(rec_stats_series(stats, &requests, labels), 1);
    }
    assert_in_range(rec_stats_lost(stats), 1000 - 206, 1000);
    rec_stats_close(stats);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(rec_stats_open(&stats, file, 512, &err), -1);
    unlink(file);
    rmdir(path);
}

/* What another process counts is seen by who only reads; nothing is made or written for that, and no other file is taken. */
static void read_alone(void **state)
{
    static const struct rec_prom_metric *const metrics[] = {&requests};
    char dir[] = "/tmp/rec-observe-XXXXXX", file[64];
    struct rec_stats *counting, *reading;
    struct rec_buf out = {0};
    FILE *f;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/stats", dir);
    assert_int_equal(rec_stats_read(&reading, file, &err), -1);
    assert_int_equal(access(file, F_OK), -1);
    assert_int_equal(rec_stats_open(&counting, file, 64, &err), 0);
    assert_int_equal(chmod(file, 0400), 0);
    assert_int_equal(rec_stats_read(&reading, file, &err), 0);
    rec_stats_add(rec_stats_series(counting, &requests, "route=\"/a\""), 7);
    assert_int_equal(rec_prom_write(&out, reading, metrics, 1, &err), 0);
    assert_non_null(strstr(out.data, "rec_http_requests_total{route=\"/a\"} 7\n"));
    assert_int_equal(rec_stats_lost(reading), 0);
    rec_stats_close(reading);
    rec_stats_close(counting);
    assert_int_equal(truncate(file, 64 * 192), 0);
    assert_int_equal(rec_stats_read(&reading, file, &err), -1);
    assert_int_equal(unlink(file), 0);
    assert_non_null(f = fopen(file, "w"));
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rec_stats_read(&reading, file, &err), -1);
    assert_non_null(strstr(err.text, "not counters of rec-serve"));
    rec_buf_clear(&out);
    unlink(file);
    rmdir(dir);
}

static void lines(void **state)
{
    struct rec_log_entry e = {.time = 1800000000123456, .request = "abc", .peer = "192.0.2.7", .account = "a b", .method = "GET",
                              .target = "/x\"\r\n\x1b[31m", .protocol = "HTTP/1.1", .route = "/x", .status = 200, .bytes = 17,
                              .seconds = 0.00025, .agent = "curl\\8 \xc3\xa9"};
    struct rec_buf out = {0};

    (void)state;
    rec_log_line(&out, &e, false);
    assert_string_equal(out.data, "192.0.2.7 - a\\x20b [15/Jan/2027:08:00:00 +0000] \"GET /x\\\"\\x0d\\x0a\\x1b[31m HTTP/1.1\" 200 17 \"-\" "
                                  "\"curl\\\\8 \\xc3\\xa9\" abc 0.000250\n");
    rec_buf_reset(&out);
    rec_log_line(&out, &e, true);
    assert_string_equal(out.data, "{\"time\":\"2027-01-15T08:00:00.123456Z\",\"request_id\":\"abc\",\"peer\":\"192.0.2.7\",\"account\":\"a b\","
                                  "\"method\":\"GET\",\"target\":\"/x\\\"\\u000d\\u000a\\u001b[31m\",\"protocol\":\"HTTP/1.1\",\"route\":\"/x\","
                                  "\"status\":200,\"bytes\":17,\"seconds\":0.000250,\"user_agent\":\"curl\\\\8 \\u00c3\\u00a9\"}\n");
    rec_buf_clear(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(text_for_prometheus), cmocka_unit_test(processes),
                                              cmocka_unit_test(read_alone), cmocka_unit_test(lines)};
    return cmocka_run_group_tests_name("observe", tests, NULL, NULL);
}
