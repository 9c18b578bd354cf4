/* SPDX-License-Identifier: MIT
 *
 * Records, one by one and by blocks, from memory and through a pipe; the scanner for AVX2 against the one for any CPU. That libcsv
 * gives the same records is for tests/fuzz/fuzz_csv.c, which runs with these.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <rec/format.h>

#include "../../../lib/format/csv_scan_priv.h"

#include <pthread.h>
#include <unistd.h>

static struct rec_err err;

/* Records as "line:a|b|c;", bad ones as "line:column!cause;". */
static void dump(struct rec_buf *out, struct rec_csv *csv)
{
    int status;

    rec_buf_reset(out);
    rec_buf_adds(out, "");
    while ((status = rec_csv_next(csv, &err)) > 0) {
        if (status == REC_CSV_BAD) {
            rec_buf_addf(out, "%llu:%zu!%s;", (unsigned long long)csv->line, csv->column, csv->cause);
            continue;
        }
        rec_buf_addf(out, "%llu:", (unsigned long long)csv->line);
        for (size_t i = 0; i < csv->n; i++) {
            rec_buf_adds(out, i ? "|" : "");
            rec_buf_add(out, csv->field[i].text, csv->field[i].len);
        }
        rec_buf_adds(out, ";");
    }
    assert_int_equal(status, REC_CSV_END);
    assert_int_equal(rec_csv_next(csv, &err), REC_CSV_END);
}

static void check(const char *delimiter, bool quotes, const char *text, const char *want)
{
    struct rec_csv_dialect dialect = {.delimiter_len = strlen(delimiter), .quotes = quotes};
    struct rec_buf got = {0};

    memcpy(dialect.delimiter, delimiter, dialect.delimiter_len);
    for (int libcsv = 0; libcsv <= (quotes ? 1 : 0); libcsv++) {
        struct rec_csv csv;
        dialect.libcsv = libcsv;
        assert_int_equal(rec_csv_text(&csv, "t", text, strlen(text), strlen(text), &dialect, &err), 0);
        dump(&got, &csv);
        assert_string_equal(got.data, want);
        rec_csv_close(&csv);
    }
    rec_buf_clear(&got);
}

static void records(void **state)
{
    (void)state;
    check(",", true, "", "");
    check(",", true, "a", "1:a;");
    check(",", true, "a,b\nc,d\n", "1:a|b;2:c|d;");
    check(",", true, "a,b\r\nc,d\r\n", "1:a|b;2:c|d;");
    check(",", true, "a,b\rc,d\r", "1:a|b;2:c|d;");
    check(",", true, "\n \n\t\r\n a ,\t b\t,\n,", "4:a|b|;5:|;");
    check(",", true, "\"a,\"\"b\"\"\nc\" , d\ne", "1:a,\"b\"\nc|d;3:e;");
    check(",", true, "\"\",\"\"\n", "1:|;");
    check(",", true, "a,b\"c\nd,e\n", "1:2!quote inside an unquoted field;2:d|e;");
    check(",", true, "\"a\"b,c\nd,e\n", "1:1!text after a closing quote;2:d|e;");
    check(",", true, "x\n\"a\nb", "1:x;2:1!quoted field never ends;3:b;");
    check("\t", true, "a\tb c\t\n \td\n", "1:a|b c|;2:|d;");
    check("|", false, "1|\"x|y\"|\n", "1:1|\"x|y\"|;");
    check("::", false, "1::a:b::c\n::\n", "1:1|a:b|c;2:|;");
    check("::", false, "1:::2\n1::::2", "1:1|:2;2:1||2;");
    check("<->", false, "a<->b<-c<->d", "1:a|b<-c|d;");
    check("", false, "u  i\tj \n\n v", "1:u|i|j;3:v;");
}

static void ceilings(void **state)
{
    struct rec_csv_dialect dialect = {.delimiter = ",", .delimiter_len = 1, .quotes = true};
    struct rec_buf text = {0}, got = {0};
    struct rec_csv csv;
    (void)state;

    for (int i = 0; i < 70000; i++)
        rec_buf_adds(&text, "x");
    rec_buf_adds(&text, ",1\n2,3\n");
    for (int i = 0; i < 1 << 18; i++)
        rec_buf_adds(&text, "4567,");
    rec_buf_adds(&text, "\n8\n");
    assert_int_equal(rec_csv_text(&csv, "t", text.data, text.len, text.len, &dialect, &err), 0);
    dump(&got, &csv);
    assert_string_equal(got.data, "1:1!field is longer than 65536 bytes;2:2|3;3:1!record is too long;4:8;");
    rec_csv_close(&csv);
    rec_buf_clear(&text);
    rec_buf_clear(&got);
}

static void refused_dialects(void **state)
{
    static const struct rec_csv_dialect bad[] = {
        {.delimiter = "\n", .delimiter_len = 1}, {.delimiter = "", .delimiter_len = 1}, {.delimiter = "::", .delimiter_len = 2, .quotes = true},
        {.delimiter = "\"", .delimiter_len = 1, .quotes = true}, {.delimiter_len = 0, .quotes = true},
    };
    struct rec_csv csv;
    (void)state;

    for (size_t i = 0; i < REC_LENGTH(bad); i++)
        assert_int_equal(rec_csv_text(&csv, "t", "a", 1, 1, &bad[i], &err), -1);
}

/* ---- text made up ---- */

static void make_text(struct rec_buf *out, uint64_t seed, size_t len, bool odd)
{
    static const char *const words[] = {",", ",", ",", "\n", "\n", "\r\n", "12", "3.5", "1234567890", " ", "abc", ":", "::", "\t", "\"", "\"a,\nb\"", "\r"};
    struct rec_rng rng;

    rec_buf_reset(out);
    rec_rng_seed(&rng, seed, 0);
    while (out->len < len) {
        if (rec_rng_below(&rng, odd ? 8 : 400))
            rec_buf_addf(out, "%d,%d,3.5,1234567890%s", (int)rec_rng_below(&rng, 300), (int)rec_rng_below(&rng, 90000), seed % 3 ? "\n" : "\r\n");
        else
            rec_buf_adds(out, words[rec_rng_below(&rng, REC_LENGTH(words))]);
    }
}

struct writer {
    int fd;
    const struct rec_buf *text;
};

/* In uneven parts, so that records are cut anywhere. */
static void *write_parts(void *arg)
{
    struct writer *w = arg;

    for (size_t at = 0, part = 1; at < w->text->len; at += part) {
        part = (part * 7919 + 13) % 65521 + 1;
        part = part < w->text->len - at ? part : w->text->len - at;
        for (size_t done = 0; done < part;) {
            ssize_t n = write(w->fd, w->text->data + at + done, part - done);
            assert_true(n > 0);
            done += (size_t)n;
        }
    }
    close(w->fd);
    return NULL;
}

static void through_a_pipe(void **state)
{
    struct rec_csv_dialect dialect = {.delimiter = ",", .delimiter_len = 1, .quotes = true};
    struct rec_buf text = {0}, want = {0}, got = {0};
    (void)state;

    for (uint64_t seed = 1; seed < 9; seed++) {
        struct rec_csv csv;
        int ends[2];
        char path[64];
        pthread_t thread;
        make_text(&text, seed, 900000, seed % 2);
        assert_int_equal(rec_csv_text(&csv, "t", text.data, text.len, text.len, &dialect, &err), 0);
        dump(&want, &csv);
        rec_csv_close(&csv);
        assert_int_equal(pipe(ends), 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
        struct writer writer = {ends[1], &text};
        assert_int_equal(pthread_create(&thread, NULL, write_parts, &writer), 0);
        assert_int_equal(rec_csv_open(&csv, path, &dialect, &err), 0);
        close(ends[0]);
        dump(&got, &csv);
        rec_csv_close(&csv);
        pthread_join(thread, NULL);
        assert_int_equal(want.len, got.len);
        assert_memory_equal(want.data, got.data, want.len);
    }
    rec_buf_clear(&text);
    rec_buf_clear(&want);
    rec_buf_clear(&got);
}

static void sets_agree(void **state)
{
#ifdef __x86_64__
    static uint32_t a[REC_CSV_SCAN_MAX], b[REC_CSV_SCAN_MAX];
    struct rec_buf text = {0};
    (void)state;

    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2"))
        skip();
    for (uint64_t seed = 0; seed < 3000; seed++) {
        struct csv_scan s = {.n_fields = 2 + seed % 4, .delimiter_len = 1 + seed % 2, .delimiter = seed % 2 ? ':' : ',', .quote = '"'};
        make_text(&text, seed, 64 * (1 + seed % 20) + 32, seed % 5 == 0);
        for (size_t i = 0; i < text.len && seed % 2; i++)
            text.data[i] = text.data[i] == ',' && i + 1 < text.len ? (text.data[i + 1] = ':') : text.data[i];
        s.text = text.data;
        s.len = (text.len - 32) / 64 * 64;
        size_t n = rec_csv_scan_base(&s, a);
        assert_int_equal(n, rec_csv_scan_avx2(&s, b));
        assert_memory_equal(a + 1, b + 1, n * s.n_fields * sizeof *a);
    }
    rec_buf_clear(&text);
#else
    (void)state;
    skip();
#endif
}

static void written_fields_read_back(void **state)
{
    static const char *const fields[] = {"", "a", " b", "c ", "d,e", "\"", "f\"g", "h\ni", "\r", "\t"};
    struct rec_csv_dialect dialect = {.delimiter = ",", .delimiter_len = 1, .quotes = true};
    struct rec_buf text = {0};
    struct rec_csv csv;
    (void)state;

    for (size_t first = 0; first < REC_LENGTH(fields); first++) {
        for (size_t i = 0; i < REC_LENGTH(fields); i++)
            rec_csv_add(&text, ',', fields[(first + i) % REC_LENGTH(fields)], strlen(fields[(first + i) % REC_LENGTH(fields)]));
        rec_buf_addc(&text, '\n');
    }
    assert_int_equal(rec_csv_text(&csv, "t", text.data, text.len, text.len, &dialect, &err), 0);
    for (size_t first = 0; first < REC_LENGTH(fields); first++) {
        assert_int_equal(rec_csv_next(&csv, &err), REC_CSV_RECORD);
        assert_int_equal(csv.n, REC_LENGTH(fields));
        for (size_t i = 0; i < csv.n; i++) {
            const char *want = fields[(first + i) % REC_LENGTH(fields)];
            assert_int_equal(csv.field[i].len, strlen(want));
            assert_memory_equal(csv.field[i].text, want, strlen(want));
        }
    }
    assert_int_equal(rec_csv_next(&csv, &err), REC_CSV_END);
    rec_csv_close(&csv);
    rec_buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records),
        cmocka_unit_test(ceilings),
        cmocka_unit_test(refused_dialects),
        cmocka_unit_test(through_a_pipe),
        cmocka_unit_test(sets_agree),
        cmocka_unit_test(written_fields_read_back),
    };
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
