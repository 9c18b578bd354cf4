/* SPDX-License-Identifier: MIT
 *
 * Rows of a table as CSV (RFC 4180, with LF) and back, exactly: see backup.h for the rule that tells NULL from the empty text.
 *
 * lib/format/csv.c does not fit: libcsv, which it follows, drops blanks around a field and does not say whether it was quoted.
 */
#include <rec/backup.h>

#include <math.h>

/* ---- writing ---- */

void rec_table_header(struct rec_buf *out, const struct rec_copy_table *table)
{
    for (size_t i = 0; i < table->n; i++) {
        if (i)
            rec_buf_addc(out, ',');
        rec_buf_adds(out, table->columns[i].name);
    }
    rec_buf_addc(out, '\n');
}

/* Whether a text must be quoted: the empty one is, so that it is not NULL. */
static bool needs_quotes(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
            return true;
    return len == 0;
}

static void add_text(struct rec_buf *out, const char *text, size_t len)
{
    if (!needs_quotes(text, len)) {
        rec_buf_add(out, text, len);
        return;
    }
    rec_buf_addc(out, '"');
    while (len) {
        const char *quote = memchr(text, '"', len);
        size_t n = quote ? (size_t)(quote - text) + 1 : len;
        rec_buf_add(out, text, n);
        if (quote)
            rec_buf_addc(out, '"');
        text += n;
        len -= n;
    }
    rec_buf_addc(out, '"');
}

static void add_blob(struct rec_buf *out, const void *bytes, size_t len)
{
    size_t digits;

    if (len == 0) {
        rec_buf_adds(out, "\"\"");
    } else if (rec_size_mul(&digits, len, 2) < 0 || rec_buf_reserve(out, digits + 1) < 0) {
        out->failed = true;
    } else {
        rec_secret_hex(out->data + out->len, bytes, len);
        out->len += digits;
    }
}

/* There is room for it. */
static int add_number(struct rec_buf *out, enum rec_copy_type type, const struct rec_sql_value *v)
{
    double x = v->type == REC_SQL_REAL ? v->real : (double)v->integer;
    bool whole = type == REC_COPY_INT16 || type == REC_COPY_INT32 || type == REC_COPY_INT64;

    if (whole && v->type == REC_SQL_INT) {
        out->len += rec_num_print_int64(out->data + out->len, v->integer);
        return 0;
    }
    if (whole || type == REC_COPY_TEXT || type == REC_COPY_BLOB || !isfinite(x))
        return -1;
    if (type == REC_COPY_REAL32 && isfinite((float)x))
        out->len += rec_num_print_float(out->data + out->len, (float)x);
    else
        out->len += rec_num_print_double(out->data + out->len, x);
    return 0;
}

static int add_value(struct rec_buf *out, const struct rec_copy_table *table, size_t i, const struct rec_sql_value *v, struct rec_err *err)
{
    const struct rec_copy_column *column = &table->columns[i];

    switch (v->type) {
    case REC_SQL_NULL:
        return 0;
    case REC_SQL_TEXT:
        if (column->type != REC_COPY_TEXT)
            break;
        add_text(out, v->text, v->len);
        return 0;
    case REC_SQL_BLOB:
        if (column->type != REC_COPY_BLOB)
            break;
        add_blob(out, v->blob, v->len);
        return 0;
    default:
        if (add_number(out, column->type, v) == 0)
            return 0;
    }
    return rec_err_set(err, "%s.%s: a value is not of the column's type, or no finite number", table->name, column->name);
}

int rec_table_add(struct rec_buf *out, const struct rec_copy_table *table, const struct rec_sql_value *row, struct rec_err *err)
{
    for (size_t i = 0; i < table->n; i++) {
        if (rec_buf_reserve(out, REC_NUM_MAX + 2) < 0)
            return rec_err_memory(err, table->name);
        if (i)
            out->data[out->len++] = ',';
        if (add_value(out, table, i, &row[i], err) < 0)
            return -1;
    }
    rec_buf_addc(out, '\n');
    return out->failed ? rec_err_memory(err, table->name) : 0;
}

/* ---- reading ---- */

/* A field as it stands: NUL-terminated once the delimiter behind it has been read. */
struct field {
    char *text;
    size_t len;
    bool quoted;
};

static int wrong(const struct rec_table_reader *r, const char *what, struct rec_err *err)
{
    return rec_err_set(err, "%s:%zu: %s", r->name, r->line, what);
}

/* Takes the quotes away in place: what is left is never longer. */
static int read_quoted(struct rec_table_reader *r, struct field *f, struct rec_err *err)
{
    char *to = ++r->at;

    f->text = to;
    f->quoted = true;
    for (;;) {
        char *quote = memchr(r->at, '"', (size_t)(r->end - r->at));
        if (!quote)
            return wrong(r, "a quote that does not end", err);
        size_t n = (size_t)(quote - r->at) + (quote + 1 < r->end && quote[1] == '"');
        memmove(to, r->at, n);
        to += n;
        r->at += n + 1;
        if (quote + 1 == r->at)
            break;
    }
    f->len = (size_t)(to - f->text);
    return 0;
}

/* The next field, and the delimiter behind it: ',' or '\n'. */
static int read_field(struct rec_table_reader *r, struct field *f, char *delimiter, struct rec_err *err)
{
    *f = (struct field){.text = r->at};
    if (r->at < r->end && *r->at == '"') {
        if (read_quoted(r, f, err) < 0)
            return -1;
    } else {
        while (r->at < r->end && *r->at != ',' && *r->at != '\n' && *r->at != '"' && *r->at != '\r')
            r->at++;
        f->len = (size_t)(r->at - f->text);
    }
    if (r->at == r->end)
        return wrong(r, "the line does not end", err);
    *delimiter = *r->at;
    if (*delimiter != ',' && *delimiter != '\n')
        return wrong(r, "something odd in or behind a field", err);
    *r->at++ = '\0';
    f->text[f->len] = '\0';
    return 0;
}

static int take_int(struct rec_sql_value *v, const struct field *f, int64_t least, int64_t most)
{
    int64_t n;

    if (rec_num_int64(&n, f->text, f->len) < 0 || n < least || n > most)
        return -1;
    *v = rec_sql_int(n);
    return 0;
}

static int take_real(struct rec_sql_value *v, const struct field *f, bool single)
{
    double x;

    if (rec_num_double(&x, f->text, f->len) < 0 || (single && !isfinite((float)x)))
        return -1;
    *v = rec_sql_real(x);
    return 0;
}

/* In place: two digits give one byte. */
static int take_blob(struct rec_sql_value *v, const struct field *f)
{
    if (f->len % 2 || rec_secret_unhex(f->text, f->len / 2, f->text, f->len) < 0)
        return -1;
    *v = rec_sql_blob(f->text, f->len / 2);
    return 0;
}

static int take(struct rec_sql_value *v, const struct field *f, enum rec_copy_type type)
{
    if (f->len == 0 && !f->quoted) {
        *v = rec_sql_null();
        return 0;
    }
    switch (type) {
    case REC_COPY_INT16: return take_int(v, f, INT16_MIN, INT16_MAX);
    case REC_COPY_INT32: return take_int(v, f, INT32_MIN, INT32_MAX);
    case REC_COPY_INT64: return take_int(v, f, INT64_MIN, INT64_MAX);
    case REC_COPY_REAL32: return take_real(v, f, true);
    case REC_COPY_REAL64: return take_real(v, f, false);
    case REC_COPY_BLOB: return take_blob(v, f);
    default: *v = rec_sql_bytes(f->text, f->len); return 0;
    }
}

int rec_table_next(struct rec_table_reader *r, struct rec_err *err)
{
    char delimiter = ',';

    if (r->at == r->end)
        return 0;
    r->line++;
    for (size_t i = 0; i < r->table->n; i++) {
        size_t column = r->column[i];
        struct field f;
        if (delimiter != ',')
            return wrong(r, "too few fields", err);
        if (read_field(r, &f, &delimiter, err) < 0)
            return -1;
        if (take(&r->row[column], &f, r->table->columns[column].type) < 0)
            return rec_err_set(err, "%s:%zu: no value of the type of column %s", r->name, r->line, r->table->columns[column].name);
    }
    return delimiter == '\n' ? 1 : wrong(r, "too many fields", err);
}

static int find_column(size_t *out, const struct rec_table_reader *r, size_t so_far, const struct field *f)
{
    for (size_t i = 0; i < r->table->n; i++) {
        if (strlen(r->table->columns[i].name) != f->len || memcmp(r->table->columns[i].name, f->text, f->len) != 0)
            continue;
        for (size_t j = 0; j < so_far; j++)
            if (r->column[j] == i)
                return -1;
        *out = i;
        return 0;
    }
    return -1;
}

static int read_header(struct rec_table_reader *r, struct rec_err *err)
{
    char delimiter = ',';
    struct field f;

    r->line = 1;
    for (size_t i = 0; i < r->table->n; i++) {
        if (delimiter != ',')
            return wrong(r, "a column of the schema is missing", err);
        if (read_field(r, &f, &delimiter, err) < 0)
            return -1;
        if (find_column(&r->column[i], r, i, &f) < 0)
            return wrong(r, "a column that is not in the schema, or twice", err);
    }
    return delimiter == '\n' ? 0 : wrong(r, "a column that is not in the schema", err);
}

int rec_table_open(struct rec_table_reader *r, const char *name, const struct rec_copy_table *table, char *text, size_t len,
                   struct rec_err *err)
{
    *r = (struct rec_table_reader){.name = name, .table = table, .at = text, .end = text + len};
    r->column = rec_calloc(table->n, sizeof *r->column, name, err);
    r->row = rec_calloc(table->n, sizeof *r->row, name, err);
    if (r->column && r->row && read_header(r, err) == 0)
        return 0;
    rec_table_close(r);
    return -1;
}

void rec_table_close(struct rec_table_reader *r)
{
    free(r->column);
    free(r->row);
    *r = (struct rec_table_reader){0};
}
