/* SPDX-License-Identifier: MIT
 *
 * Rows as CSV: all values come back as they were, NULL and the empty text apart; what is no such CSV is refused.
 */
#include "streams.h"

#include <math.h>

static struct rec_err err;

static struct rec_copy_column columns[] = {
    {"small", REC_COPY_INT16}, {"id", REC_COPY_INT32},   {"big", REC_COPY_INT64}, {"single", REC_COPY_REAL32},
    {"real", REC_COPY_REAL64}, {"title", REC_COPY_TEXT}, {"hash", REC_COPY_BLOB},
};
static const struct rec_copy_table table = {.name = "t", .n = REC_LENGTH(columns), .columns = columns};

static const char header[] = "small,id,big,single,real,title,hash\n";

static void writes_what_the_rule_says(void **state)
{
    const struct rec_sql_value rows[][7] = {
        {rec_sql_int(-1), rec_sql_int(7), rec_sql_int(INT64_MIN), rec_sql_real(3.7f), rec_sql_real(0.1), rec_sql_text("plain text"), rec_sql_blob("\x00\xff", 2)},
        {rec_sql_null(), rec_sql_null(), rec_sql_null(), rec_sql_null(), rec_sql_null(), rec_sql_null(), rec_sql_null()},
        {rec_sql_int(0), rec_sql_int(0), rec_sql_int(0), rec_sql_int(4), rec_sql_real(1e300), rec_sql_text(""), rec_sql_blob("", 0)},
        {rec_sql_int(1), rec_sql_int(1), rec_sql_int(1), rec_sql_real(0), rec_sql_real(-0.5), rec_sql_text("a \"b\", c\nd\r"), rec_sql_blob("a", 1)},
    };
    struct rec_buf out = {0};

    (void)state;
    rec_table_header(&out, &table);
    for (size_t i = 0; i < REC_LENGTH(rows); i++)
        assert_int_equal(rec_table_add(&out, &table, rows[i], &err), 0);
    assert_string_equal(out.data, "small,id,big,single,real,title,hash\n"
                                  "-1,7,-9223372036854775808,3.7,0.1,plain text,00ff\n"
                                  ",,,,,,\n"
                                  "0,0,0,4,1e+300,\"\",\"\"\n"
                                  "1,1,1,0,-0.5,\"a \"\"b\"\", c\nd\r\",61\n");
    rec_buf_clear(&out);
}

static struct rec_sql_value draw(struct rec_rng *rng, enum rec_copy_type type, char *text)
{
    static const char letters[] = "ab,\"\n\r \t'\\.0;\xc3\xa9";
    uint64_t bits = rec_rng_next(rng);
    size_t len = rec_rng_below(rng, 9);
    float single;
    double real;

    if (rec_rng_below(rng, 5) == 0)
        return rec_sql_null();
    for (size_t i = 0; i < len; i++)
        text[i] = type == REC_COPY_BLOB ? (char)rec_rng_below(rng, 256) : letters[rec_rng_below(rng, sizeof letters - 1)];
    switch (type) {
    case REC_COPY_INT16: return rec_sql_int((int16_t)bits);
    case REC_COPY_INT32: return rec_sql_int((int32_t)bits);
    case REC_COPY_INT64: return rec_sql_int((int64_t)bits);
    case REC_COPY_REAL32:
        memcpy(&single, &bits, sizeof single);
        return rec_sql_real(isfinite(single) ? single : 3.7f);
    case REC_COPY_REAL64:
        memcpy(&real, &bits, sizeof real);
        return rec_sql_real(isfinite(real) ? real : 0.1);
    case REC_COPY_TEXT: return rec_sql_bytes(text, len);
    default: return rec_sql_blob(text, len);
    }
}

static void same_value(const struct rec_sql_value *a, const struct rec_sql_value *b, enum rec_copy_type type)
{
    assert_int_equal(a->type, b->type);
    if (a->type == REC_SQL_INT)
        assert_true(a->integer == b->integer);
    if (a->type == REC_SQL_REAL && type == REC_COPY_REAL32)
        assert_true((float)a->real == (float)b->real);
    else if (a->type == REC_SQL_REAL)
        assert_true(a->real == b->real);
    if (a->type == REC_SQL_TEXT || a->type == REC_SQL_BLOB) {
        assert_int_equal(a->len, b->len);
        assert_memory_equal(a->text, b->text, a->len);
    }
}

static void gives_back_what_it_took(void **state)
{
    enum { ROWS = 3000 };
    static struct rec_sql_value rows[ROWS][7];
    static char texts[ROWS][7][9];
    struct rec_table_reader r;
    struct rec_buf out = {0};
    struct rec_rng rng;

    (void)state;
    rec_rng_seed(&rng, 3, 0);
    rec_table_header(&out, &table);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < 7; j++)
            rows[i][j] = draw(&rng, columns[j].type, texts[i][j]);
        assert_int_equal(rec_table_add(&out, &table, rows[i], &err), 0);
    }
    assert_int_equal(rec_table_open(&r, "t.csv", &table, out.data, out.len, &err), 0);
    for (size_t i = 0; i < ROWS; i++) {
        if (rec_table_next(&r, &err) != 1)
            fail_msg("%s", err.text);
        for (size_t j = 0; j < 7; j++) {
            same_value(&rows[i][j], &r.row[j], columns[j].type);
            if (r.row[j].type == REC_SQL_TEXT)
                assert_int_equal(r.row[j].text[r.row[j].len], 0);
        }
    }
    assert_int_equal(rec_table_next(&r, &err), 0);
    rec_table_close(&r);
    rec_buf_clear(&out);
}

static void a_lone_column_may_be_null(void **state)
{
    struct rec_copy_column column = {"x", REC_COPY_TEXT};
    const struct rec_copy_table lone = {.name = "t", .n = 1, .columns = &column};
    char text[] = "x\n\n\"\"\n";
    struct rec_table_reader r;

    (void)state;
    assert_int_equal(rec_table_open(&r, "t.csv", &lone, text, strlen(text), &err), 0);
    assert_int_equal(rec_table_next(&r, &err), 1);
    assert_int_equal(r.row[0].type, REC_SQL_NULL);
    assert_int_equal(rec_table_next(&r, &err), 1);
    assert_int_equal(r.row[0].type, REC_SQL_TEXT);
    assert_int_equal(rec_table_next(&r, &err), 0);
    rec_table_close(&r);
}

static void columns_may_be_in_another_order(void **state)
{
    char text[] = "title,hash,small,id,big,single,real\nx,,1,2,3,4,5\n";
    struct rec_table_reader r;

    (void)state;
    assert_int_equal(rec_table_open(&r, "t.csv", &table, text, strlen(text), &err), 0);
    assert_int_equal(rec_table_next(&r, &err), 1);
    assert_int_equal(r.row[0].integer, 1);
    assert_string_equal(r.row[5].text, "x");
    rec_table_close(&r);
}

/* The text as a table; how many rows, or -1. */
static int read_all(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len ? len : 1);
    struct rec_table_reader r;
    int status, n = 0;

    assert_non_null(copy);
    memcpy(copy, text, len);
    err = (struct rec_err){0};
    status = rec_table_open(&r, "t.csv", &table, copy, len, &err);
    while (status >= 0 && (status = rec_table_next(&r, &err)) > 0)
        n++;
    rec_table_close(&r);
    free(copy);
    if (status < 0)
        assert_true(strncmp(err.text, "t.csv:", 6) == 0);
    return status < 0 ? -1 : n;
}

static void refuses_what_is_odd(void **state)
{
    static const char *const bodies[] = {"1,2,3,4,5,x\n", "1,2,3,4,5,x,,\n", "1,2,3,4,5,x,", "1,2,3,4,5,x,a\n", "1,2,3,4,5,x,zz\n", "1,2,3,4,5,\"x,\n", "1,2,3,4,5,\"x\"y,\n",
                                         "1,2,3,4,5,x\"y,\n", "1,2,3,4,5,x\r,\n", "40000,2,3,4,5,x,\n", "1,3000000000,3,4,5,x,\n", "1,2,9223372036854775808,4,5,x,\n", "1,2,3,1e39,5,x,\n",
                                         "1,2,3,nan,5,x,\n", "1,2,3,4,1e400,x,\n", "1, 2,3,4,5,x,\n", "\"\",2,3,4,5,x,\n", "\n"};
    static const char *const headers[] = {"", "\n", "small,id\n", "small,id,big,single,real,title\n", "small,id,big,single,real,title,hash,more\n", "small,id,big,single,real,title,title\n",
                                          "small,id,big,single,real,title,nothing\n", "small,id,big,single,real,title,hash"};

    (void)state;
    assert_int_equal(read_all("small,id,big,single,real,title,hash\n1,2,3,4,5,x,\n"), 1);
    for (size_t i = 0; i < REC_LENGTH(bodies); i++) {
        struct rec_buf text = {0};
        rec_buf_addf(&text, "%s%s", header, bodies[i]);
        assert_int_equal(read_all(text.data), -1);
        rec_buf_clear(&text);
    }
    for (size_t i = 0; i < REC_LENGTH(headers); i++)
        assert_int_equal(read_all(headers[i]), -1);
}

static void refuses_values_of_another_type(void **state)
{
    struct rec_sql_value row[7] = {rec_sql_int(1), rec_sql_int(1), rec_sql_int(1), rec_sql_int(1), rec_sql_int(1), rec_sql_text("a"), rec_sql_blob("a", 1)};
    const struct rec_sql_value wrong[7] = {rec_sql_real(1), rec_sql_text("1"), rec_sql_blob("1", 1), rec_sql_real(NAN), rec_sql_real(INFINITY), rec_sql_int(1), rec_sql_text("a")};
    struct rec_buf out = {0};

    (void)state;
    for (size_t i = 0; i < 7; i++) {
        struct rec_sql_value right = row[i];
        row[i] = wrong[i];
        assert_int_equal(rec_table_add(&out, &table, row, &err), -1);
        assert_true(strncmp(err.text, "t.", 2) == 0);
        row[i] = right;
    }
    rec_buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_the_rule_says),
        cmocka_unit_test(gives_back_what_it_took),
        cmocka_unit_test(a_lone_column_may_be_null),
        cmocka_unit_test(columns_may_be_in_another_order),
        cmocka_unit_test(refuses_what_is_odd),
        cmocka_unit_test(refuses_values_of_another_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
