/* SPDX-License-Identifier: MIT
 *
 * Tables for people, as CSV, and as JSON; and text to standard output.
 */
#include "tool.h"

#include <math.h>

void tool_table_text(struct tool_table *t, const char *text)
{
    rec_buf_add(&t->text, text, strlen(text) + 1);
}

void tool_table_number(struct tool_table *t, int64_t value)
{
    char number[REC_NUM_MAX];

    number[rec_num_print_int64(number, value)] = 0;
    tool_table_text(t, number);
}

void tool_table_real(struct tool_table *t, double value)
{
    char number[REC_NUM_MAX] = "";

    if (isfinite(value))
        number[rec_num_print_double(number, value)] = 0;
    tool_table_text(t, number);
}

/* What a person or CSV sees of a cell. */
static const char *shown(char time[REC_NUM_MAX], enum tool_kind kind, const char *cell)
{
    int64_t value;

    if (kind == TOOL_BOOL)
        return strcmp(cell, "0") ? "yes" : "no";
    if (kind != TOOL_TIME || rec_num_int64(&value, cell, strlen(cell)) < 0)
        return cell;
    return value ? rec_date_print_time(time, value) : "";
}

/* Characters, not bytes: of UTF-8, those that do not go on. */
static size_t width(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static void print_cell(struct rec_buf *out, const char *text, size_t pad)
{
    for (const char *p = text; *p; p++)
        rec_buf_addc(out, (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p);
    for (size_t n = width(text); n < pad; n++)
        rec_buf_addc(out, ' ');
}

enum { COLUMNS_MAX = 32 };

static void print_table(struct rec_buf *out, const struct tool_table *t)
{
    size_t wide[COLUMNS_MAX], i = 0;
    char time[REC_NUM_MAX];

    for (size_t j = 0; j < t->n; j++)
        wide[j] = strlen(t->column[j].name);
    for (const char *p = t->text.data, *end = p + t->text.len; p < end; p += strlen(p) + 1, i++) {
        size_t n = width(shown(time, t->column[i % t->n].kind, p));
        wide[i % t->n] = n > wide[i % t->n] ? n : wide[i % t->n];
    }
    for (size_t j = 0; j < t->n; j++)
        print_cell(out, t->column[j].name, j + 1 < t->n ? wide[j] + 2 : 0);
    i = 0;
    for (const char *p = t->text.data, *end = p + t->text.len; p < end; p += strlen(p) + 1, i++) {
        size_t j = i % t->n;
        if (j == 0)
            rec_buf_addc(out, '\n');
        print_cell(out, shown(time, t->column[j].kind, p), j + 1 < t->n ? wide[j] + 2 : 0);
    }
    rec_buf_addc(out, '\n');
}

static void print_csv(struct rec_buf *out, const struct tool_table *t)
{
    struct rec_buf line = {0};
    char time[REC_NUM_MAX];
    size_t i = 0;

    for (size_t j = 0; j < t->n; j++)
        rec_buf_addf(out, "%s%s", j ? "," : "", t->column[j].name);
    rec_buf_addc(out, '\n');
    for (const char *p = t->text.data, *end = p + t->text.len; p < end; p += strlen(p) + 1, i++) {
        const char *text = shown(time, t->column[i % t->n].kind, p);
        if (i % t->n)
            rec_buf_addc(out, ',');
        rec_buf_reset(&line);
        if (*text)
            rec_csv_add(&line, ',', text, strlen(text));
        rec_buf_add(out, line.data, line.len);
        if (i % t->n == t->n - 1)
            rec_buf_addc(out, '\n');
    }
    out->failed |= line.failed;
    rec_buf_clear(&line);
}

static void json_cell(struct rec_json *json, const struct tool_column *column, const char *cell)
{
    int64_t value = 0;
    double real = NAN;

    if (column->kind == TOOL_REAL) {
        if (rec_num_double(&real, cell, strlen(cell)) < 0)
            real = NAN;
        rec_json_real(json, column->name, real);
        return;
    }
    if (column->kind == TOOL_TEXT) {
        rec_json_text(json, column->name, cell, strlen(cell));
        return;
    }
    (void)!rec_num_int64(&value, cell, strlen(cell));
    if (column->kind == TOOL_BOOL)
        rec_json_bool(json, column->name, value != 0);
    else if (column->kind == TOOL_TIME && value == 0)
        rec_json_null(json, column->name);
    else
        rec_json_int(json, column->name, value);
}

static void print_json(struct rec_buf *out, const struct tool_table *t)
{
    struct rec_json json = {.out = out};
    size_t i = 0;

    rec_json_array(&json, NULL);
    for (const char *p = t->text.data, *end = p + t->text.len; p < end; p += strlen(p) + 1, i++) {
        if (i % t->n == 0)
            rec_json_object(&json, NULL);
        json_cell(&json, &t->column[i % t->n], p);
        if (i % t->n == t->n - 1)
            rec_json_end(&json);
    }
    rec_json_end(&json);
}

int tool_write(struct rec_buf *text, const char *path, struct rec_err *err)
{
    struct rec_out out = {0};
    int rc = -1;

    if (text->failed)
        rec_err_memory(err, "output");
    else if (rec_out_open(&out, path, false, err) == 0 && rec_out_write(&out, text->data, text->len, err) == 0)
        rc = rec_out_commit(&out, err);
    rec_out_abort(&out);
    rec_buf_clear(text);
    return rc;
}

int tool_print(struct rec_buf *text, struct rec_err *err)
{
    return tool_write(text, "-", err);
}

void tool_table_lay(struct rec_buf *out, struct tool_table *t)
{
    out->failed |= t->text.failed;
    if (!strcmp(t->format, "json"))
        print_json(out, t);
    else
        (!strcmp(t->format, "csv") ? print_csv : print_table)(out, t);
    rec_buf_clear(&t->text);
}

int tool_table_print(struct tool_table *t, struct rec_err *err)
{
    struct rec_buf out = {0};

    tool_table_lay(&out, t);
    return tool_print(&out, err);
}
