/* SPDX-License-Identifier: MIT
 *
 * Cells: what is a user, an item, a rating, a time, and what is refused, by both parsers, plain and quoted. Rows by the thousand:
 * against a model of a few lines, for every rule about duplicates, in any order and with any number of threads.
 */
#include "../text_file.h"

#include <math.h>

static struct rec_err err;

static int ingest(struct rec_ratings *r, const char *text, size_t len, const struct rec_ingest_options *o,
                  struct rec_ingest_report *report)
{
    struct text_file file = text_file(text, len);
    struct rec_gzip in;
    int status;

    err.text[0] = 0;
    assert_int_equal(rec_gzip_open(&in, file.path, &err), 0);
    close(file.fd);
    status = rec_ingest(r, &in, o, report, &err);
    rec_gzip_close(&in);
    return status;
}

/* ---- cells ---- */

enum { USER, ITEM, RATING, TIME };

#define LONG "0123456789012345678901234567890123456789012345678901234567890123"
#define LONG255 LONG LONG LONG "012345678901234567890123456789012345678901234567890123456789012"

static const struct cell {
    int role;
    const char *text;
    const char *cause;   /* NULL: good */
    double value;        /* of a rating or time */
    const char *id;      /* of a user or item, when it is not the text */
} cells[] = {
    {RATING, "4", NULL, 4, NULL}, {RATING, "4.0", NULL, 4, NULL}, {RATING, "+4", NULL, 4, NULL}, {RATING, "-4.25", NULL, -4.25, NULL},
    {RATING, "0", NULL, 0, NULL}, {RATING, "-0", NULL, 0, NULL}, {RATING, ".5", NULL, .5, NULL}, {RATING, "5.", NULL, 5, NULL},
    {RATING, "1e3", NULL, 1000, NULL}, {RATING, "1E+2", NULL, 100, NULL}, {RATING, "25e-1", NULL, 2.5, NULL},
    {RATING, "0004", NULL, 4, NULL}, {RATING, "3.14159265358979", NULL, 3.1415927410125732, NULL},
    {RATING, "0.1", NULL, 0.10000000149011612, NULL}, {RATING, " 4 ", NULL, 4, NULL}, {RATING, "12345678", NULL, 12345678, NULL},
    {RATING, "123456789", NULL, 123456792, NULL}, {RATING, "1e-60", NULL, 0, NULL},
    {RATING, "", "is empty", 0, NULL}, {RATING, " ", "is empty", 0, NULL}, {RATING, "4abc", "is not a number", 0, NULL},
    {RATING, "abc", "is not a number", 0, NULL}, {RATING, "nan", "is not a number", 0, NULL}, {RATING, "NaN", "is not a number", 0, NULL},
    {RATING, "inf", "is not a number", 0, NULL}, {RATING, "-Infinity", "is not a number", 0, NULL},
    {RATING, "0x10", "is not a number", 0, NULL}, {RATING, "0x1p3", "is not a number", 0, NULL}, {RATING, "1e", "is not a number", 0, NULL},
    {RATING, "1e+", "is not a number", 0, NULL}, {RATING, "e5", "is not a number", 0, NULL}, {RATING, ".", "is not a number", 0, NULL},
    {RATING, "-", "is not a number", 0, NULL}, {RATING, "--4", "is not a number", 0, NULL}, {RATING, "4-", "is not a number", 0, NULL},
    {RATING, "4 5", "is not a number", 0, NULL}, {RATING, "1.2.3", "is not a number", 0, NULL}, {RATING, "1_000", "is not a number", 0, NULL},
    {RATING, "1'000", "is not a number", 0, NULL}, {RATING, "4/5", "is not a number", 0, NULL}, {RATING, "4*", "is not a number", 0, NULL},
    {RATING, "$4", "is not a number", 0, NULL}, {RATING, "4%", "is not a number", 0, NULL}, {RATING, "true", "is not a number", 0, NULL},
    {RATING, "NULL", "is not a number", 0, NULL}, {RATING, "N/A", "is not a number", 0, NULL}, {RATING, "1e999", "is not a number", 0, NULL},
    {RATING, "1e39", "is not a number", 0, NULL}, {RATING, "\xd9\xa4", "is not a number", 0, NULL},
    {RATING, "\xef\xbc\x94", "is not a number", 0, NULL}, {RATING, "4\xc2\xa0", "is not a number", 0, NULL},
    {RATING, "4f", "is not a number", 0, NULL}, {RATING, "1.0L", "is not a number", 0, NULL},
    {TIME, "1000000000", NULL, 1e9, NULL}, {TIME, "0", NULL, 0, NULL}, {TIME, "-1", NULL, -1, NULL}, {TIME, "+7", NULL, 7, NULL},
    {TIME, "4294967295", NULL, 4294967295., NULL}, {TIME, "4294967296", NULL, 4294967296., NULL}, {TIME, "0000000007", NULL, 7, NULL},
    {TIME, "253402300799", NULL, 253402300799., NULL}, {TIME, "2001-09-09", NULL, 999993600, NULL},
    {TIME, "2001-09-09 01:46:40", NULL, 1e9, NULL}, {TIME, "2001-09-09T01:46:40", NULL, 1e9, NULL},
    {TIME, "2001-09-09T01:46:40Z", NULL, 1e9, NULL}, {TIME, "2001-09-09T01:46:40.999Z", NULL, 1e9, NULL},
    {TIME, "2001-09-09T03:46:40+02:00", NULL, 1e9, NULL}, {TIME, "1969-12-31", NULL, -86400, NULL},
    {TIME, "", "is empty", 0, NULL}, {TIME, "1000000000000", "is beyond the year 9999", 0, NULL}, {TIME, "1e9", "is no time", 0, NULL},
    {TIME, "1000000000.5", "is no time", 0, NULL}, {TIME, "99999999999999999999", "is no time", 0, NULL}, {TIME, "12:30", "is no time", 0, NULL},
    {TIME, "2001-13-01", "is no time", 0, NULL}, {TIME, "2001-02-29", "is no time", 0, NULL}, {TIME, "2001-9-9", "is no time", 0, NULL},
    {TIME, "09/09/2001", "is no time", 0, NULL}, {TIME, "2001-09-09T25:00:00", "is no time", 0, NULL},
    {TIME, "2001-09-09T01:46:40+2", "is no time", 0, NULL}, {TIME, "2001-09-09T01:46:40-+1:00", "is no time", 0, NULL},
    {TIME, "today", "is no time", 0, NULL}, {TIME, "0x3b9aca00", "is no time", 0, NULL}, {TIME, "100000000a", "is no time", 0, NULL},
    {USER, "1", NULL, 0, NULL}, {USER, "007", NULL, 0, NULL}, {USER, "a b", NULL, 0, NULL}, {USER, " a ", NULL, 0, "a"},
    {USER, "12345678", NULL, 0, NULL}, {USER, "123456789", NULL, 0, NULL}, {USER, "\xc3\x84\xe2\x82\xac\xf0\x9f\x8e\xac", NULL, 0, NULL},
    {USER, LONG255, NULL, 0, NULL}, {USER, "-", NULL, 0, NULL}, {USER, "nan", NULL, 0, NULL}, {ITEM, "tt0111161", NULL, 0, NULL},
    {USER, "", "is empty", 0, NULL}, {ITEM, "", "is empty", 0, NULL}, {USER, "\t", "is empty", 0, NULL},
    {USER, LONG255 "x", "is longer than 255 bytes", 0, NULL}, {USER, "\xff", "is not UTF-8", 0, NULL}, {ITEM, "caf\xe9", "is not UTF-8", 0, NULL},
    {USER, "\xc0\xaf", "is not UTF-8", 0, NULL}, {USER, "\xed\xa0\x80", "is not UTF-8", 0, NULL}, {USER, "a\x01", "holds a control character", 0, NULL},
    {ITEM, "a\tb", "holds a control character", 0, NULL}, {USER, "\x7f", "holds a control character", 0, NULL},
    {USER, "\x1b[31m", "holds a control character", 0, NULL},
};

static void check_cell(const struct cell *c, bool libcsv, bool quoted)
{
    static const char *const names[] = {"user", "item", "rating", "time"};
    const char *row[] = {"u", "i", "3", "5"}, *q = quoted ? "\"" : "", *id = c->id && !quoted ? c->id : c->text;
    struct rec_ingest_options o = {.wish = {.header = 1, .libcsv = libcsv}, .threads = 1};
    struct rec_ingest_report report;
    struct rec_ratings r;
    struct rec_buf text = {0};
    char want[128];
    size_t len;

    row[c->role] = c->text;
    /* Good rows before and behind, so that the row meets the scanner of blocks and its memory of what it saw. */
    rec_buf_adds(&text, "user,item,rating,time\n");
    for (int i = 0; i < 20; i++)
        rec_buf_addf(&text, "v%d,w,3,5\n", i);
    for (int i = 0; i < 4; i++)
        rec_buf_addf(&text, "%s%s%s%s", c->role == i ? q : "", row[i], c->role == i ? q : "", i < 3 ? "," : "\n");
    for (int i = 0; i < 20; i++)
        rec_buf_addf(&text, "x%d,w,3,5\n", i);
    int status = ingest(&r, text.data, text.len, &o, &report);
    if (c->cause) {
        assert_int_equal(status, -1);
        snprintf(want, sizeof want, ":22:%d: %s: ", c->role + 1, names[c->role]);
        if (!strstr(err.text, want) || !strstr(err.text, c->cause))
            fail_msg("cell '%s': %s", c->text, err.text);
    } else {
        if (status < 0)
            fail_msg("cell '%s': %s", c->text, err.text);
        assert_int_equal(report.rows, 41);
        int32_t u = rec_ids_find(&r.users, c->role == USER ? id : "u", c->role == USER ? strlen(id) : 1);
        int32_t i = rec_ids_find(&r.items, c->role == ITEM ? id : "i", c->role == ITEM ? strlen(id) : 1);
        assert_true(u >= 0 && i >= 0);
        len = (size_t)r.user_ptr[u];
        assert_int_equal(r.item[len], i);
        assert_true((double)r.value[len] == (c->role == RATING ? c->value : 3));
        assert_true(!signbit(r.value[len]) || c->value < 0);
        assert_int_equal(r.time[len], c->role == TIME ? (int64_t)c->value : 5);
        rec_ratings_clear(&r);
    }
    rec_buf_clear(&text);
}

static void odd_cells(void **state)
{
    (void)state;
    assert_true(REC_LENGTH(cells) >= 80);
    for (size_t i = 0; i < REC_LENGTH(cells); i++) {
        bool blanks = cells[i].text[0] == ' ' || cells[i].text[0] == '\t';
        check_cell(&cells[i], false, false);
        check_cell(&cells[i], true, false);
        /* Inside quotes blanks count. */
        if (!blanks) {
            check_cell(&cells[i], false, true);
            check_cell(&cells[i], true, true);
        }
    }
}

/* ---- rows by the thousand ---- */

enum { USERS = 40, ITEMS = 60, ROWS = 5000 };

struct row {
    int user, item;
    float value;
    int64_t time;
};

/* Short, of eight bytes or less, and longer. */
static void name_of(char *out, size_t size, const char *prefix, int i)
{
    if (i % 3 == 0)
        snprintf(out, size, "%d", i);
    else if (i % 3 == 1)
        snprintf(out, size, "%s%06d", prefix, i);
    else
        snprintf(out, size, "%s-0000-%06d", prefix, i);
}

static void make_rows(struct row *row, uint64_t seed, bool late)
{
    struct rec_rng rng;

    rec_rng_seed(&rng, seed, 0);
    for (int i = 0; i < ROWS; i++)
        row[i] = (struct row){(int)rec_rng_below(&rng, USERS), (int)rec_rng_below(&rng, ITEMS), (float)rec_rng_below(&rng, 10) / 2,
                              (int64_t)rec_rng_below(&rng, 20) + (late && i == ROWS / 2 ? INT64_C(5000000000) : 1000000000)};
}

static void print_rows(struct rec_buf *text, const struct row *row)
{
    rec_buf_reset(text);
    rec_buf_adds(text, "user,item,rating,time\n");
    for (int i = 0; i < ROWS; i++) {
        char user[32], item[32];
        name_of(user, sizeof user, "u", row[i].user);
        name_of(item, sizeof item, "i", row[i].item);
        rec_buf_addf(text, "%s,%s,%.1f,%lld\n", user, item, (double)row[i].value, (long long)row[i].time);
    }
}

/* What one pair should come to. False: it is not there. */
static bool expect(const struct row *row, int user, int item, enum rec_ingest_duplicates rule, float *value, int64_t *time)
{
    double sum = 0;
    int n = 0;

    for (int i = 0; i < ROWS; i++) {
        if (row[i].user != user || row[i].item != item)
            continue;
        sum += (double)row[i].value;
        if (n++ == 0 || (rule != REC_INGEST_FIRST && (row[i].time > *time || (row[i].time == *time && row[i].value > *value)))) {
            *value = row[i].value;
            *time = row[i].time;
        }
    }
    if (rule == REC_INGEST_MEAN && n)
        *value = (float)(sum / n);
    return n > 0;
}

static void compare_to_model(const struct rec_ratings *r, const struct row *row, enum rec_ingest_duplicates rule)
{
    size_t found = 0;

    for (int u = 0; u < USERS; u++)
        for (int i = 0; i < ITEMS; i++) {
            char user[32], item[32];
            float value = 0;
            int64_t time = 0, p;
            if (!expect(row, u, i, rule, &value, &time))
                continue;
            name_of(user, sizeof user, "u", u);
            name_of(item, sizeof item, "i", i);
            int32_t ru = rec_ids_find(&r->users, user, strlen(user)), ri = rec_ids_find(&r->items, item, strlen(item));
            assert_true(ru >= 0 && ri >= 0);
            for (p = r->user_ptr[ru]; p < r->user_ptr[ru + 1] && r->item[p] != ri; p++)
                assert_true(r->item[p] < ri);
            assert_true(p < r->user_ptr[ru + 1]);
            assert_true(fabsf(r->value[p] - value) <= (rule == REC_INGEST_MEAN ? 1e-6f : 0));
            assert_int_equal(r->time[p], time);
            found++;
        }
    assert_int_equal(found, r->nnz);
}

static void same(const struct rec_ratings *a, const struct rec_ratings *b)
{
    assert_int_equal(a->nnz, b->nnz);
    assert_memory_equal(a->user_ptr, b->user_ptr, (a->n_users + 1) * sizeof *a->user_ptr);
    assert_memory_equal(a->item, b->item, a->nnz * sizeof *a->item);
    assert_memory_equal(a->value, b->value, a->nnz * sizeof *a->value);
    assert_memory_equal(a->time, b->time, a->nnz * sizeof *a->time);
}

static void shuffle(struct row *row, uint64_t seed)
{
    struct rec_rng rng;

    rec_rng_seed(&rng, seed, 1);
    for (int i = ROWS - 1; i > 0; i--) {
        int j = (int)rec_rng_below(&rng, (uint64_t)i + 1);
        struct row other = row[i];
        row[i] = row[j];
        row[j] = other;
    }
}

static void rows_by_the_thousand(void **state)
{
    static struct row row[ROWS];
    struct rec_buf text = {0};
    (void)state;

    for (int rule = REC_INGEST_LAST; rule <= REC_INGEST_MEAN; rule++)
        for (int late = 0; late < 2; late++) {
            struct rec_ingest_options o = {.wish = {.header = -1}, .duplicates = (enum rec_ingest_duplicates)rule, .threads = 1};
            struct rec_ingest_report report;
            struct rec_ratings first, again;
            make_rows(row, 7, late);
            print_rows(&text, row);
            assert_int_equal(ingest(&first, text.data, text.len, &o, &report), 0);
            assert_int_equal(report.rows, ROWS);
            assert_int_equal(report.duplicates, ROWS - first.nnz);
            compare_to_model(&first, row, o.duplicates);
            if (rule != REC_INGEST_FIRST) {
                shuffle(row, 3);
                print_rows(&text, row);
                assert_int_equal(ingest(&again, text.data, text.len, &o, &report), 0);
                same(&first, &again);
                rec_ratings_clear(&again);
            }
            rec_ratings_clear(&first);
        }
    rec_buf_clear(&text);
}

/* Enough text for several pieces. */
static void threads_do_not_matter(void **state)
{
    struct rec_buf text = {0};
    struct rec_ratings one, many;
    struct rec_ingest_report a, b;
    struct rec_ingest_options o = {.wish = {.header = -1}, .duplicates = REC_INGEST_FIRST, .threads = 1};
    struct rec_rng rng;
    (void)state;

    rec_rng_seed(&rng, 11, 0);
    rec_buf_adds(&text, "user,item,rating,time\n");
    for (int i = 0; i < 60000; i++) {
        char user[32], item[32];
        name_of(user, sizeof user, "u", (int)rec_rng_below(&rng, 3000));
        name_of(item, sizeof item, "i", (int)rec_rng_below(&rng, 900));
        rec_buf_addf(&text, rec_rng_below(&rng, 50) ? "%s,%s,%d,%d\n" : "\"%s\", %s ,%d,%d\r\n", user, item,
                     (int)rec_rng_below(&rng, 5), 1000000000 + (int)rec_rng_below(&rng, 100));
    }
    assert_int_equal(ingest(&one, text.data, text.len, &o, &a), 0);
    for (o.threads = 2; o.threads < 7; o.threads += 2) {
        assert_int_equal(ingest(&many, text.data, text.len, &o, &b), 0);
        same(&one, &many);
        assert_int_equal(a.crc32c, b.crc32c);
        assert_int_equal(a.duplicates, b.duplicates);
        rec_ratings_clear(&many);
    }
    assert_int_equal(a.crc32c, rec_crc32c(0, text.data, text.len));
    rec_ratings_clear(&one);
    rec_buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_cells),
        cmocka_unit_test(rows_by_the_thousand),
        cmocka_unit_test(threads_do_not_matter),
    };
    return cmocka_run_group_tests_name("ingest", tests, NULL, NULL);
}
