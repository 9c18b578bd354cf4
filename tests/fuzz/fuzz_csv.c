/* SPDX-License-Identifier: MIT
 *
 * Whatever the text, libcsv alone, our splitting of single lines, and the scanner of blocks give the same records and the same faults.
 * The first byte of the input chooses delimiter and number of fields.
 */
#include <rec/format.h>

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct log {
    struct rec_buf text;
};

static void put_field(struct log *log, const char *text, size_t len)
{
    rec_buf_addf(&log->text, "<%zu:", len);
    rec_buf_add(&log->text, text, len);
    rec_buf_adds(&log->text, ">");
}

static void put_record(struct log *log, const struct rec_csv *csv)
{
    rec_buf_addf(&log->text, "%llu", (unsigned long long)csv->line);
    for (size_t i = 0; i < csv->n; i++)
        put_field(log, csv->field[i].text, csv->field[i].len);
    rec_buf_adds(&log->text, "\n");
}

static void put_plain(struct log *log, const struct rec_csv *csv, uint64_t line, const char *text, const uint32_t *end,
                      size_t rows, size_t n_fields)
{
    for (size_t i = 0; i < rows; i++) {
        rec_buf_addf(&log->text, "%llu", (unsigned long long)(line + i));
        for (size_t j = 0; j < n_fields; j++) {
            const uint32_t *e = end + 1 + i * n_fields + j;
            uint32_t from = e[-1] + (j ? (uint32_t)csv->dialect.delimiter_len : 1), len = *e - from;
            if (j + 1 == n_fields && len && text[from + len - 1] == '\r')
                len--;
            put_field(log, text + from, len);
        }
        rec_buf_adds(&log->text, "\n");
    }
}

static void read_all(struct log *log, struct rec_csv *csv, size_t n_fields)
{
    static uint32_t end[REC_CSV_SCAN_MAX];
    struct rec_err err;
    int status;

    for (;;) {
        const char *text;
        uint64_t line = csv->next_line;
        size_t rows = n_fields ? rec_csv_scan(csv, &text, end, n_fields) : 0;
        put_plain(log, csv, line, text, end, rows, n_fields);
        if (rows)
            continue;
        status = rec_csv_next(csv, &err);
        assert(status >= 0);
        if (status == REC_CSV_END)
            break;
        if (status == REC_CSV_RECORD)
            put_record(log, csv);
        else
            rec_buf_addf(&log->text, "%llu:%zu: %s\n", (unsigned long long)csv->line, csv->column, csv->cause);
    }
}

static struct log run(const char *text, size_t len, struct rec_csv_dialect dialect, size_t n_fields)
{
    struct log log = {0};
    struct rec_csv csv;

    assert(rec_csv_text(&csv, "fuzz", text, len, len, &dialect, NULL) == 0);
    read_all(&log, &csv, n_fields);
    rec_csv_close(&csv);
    assert(!log.text.failed);
    return log;
}

static void same(const struct log *a, const struct log *b)
{
    assert(a->text.len == b->text.len && (!a->text.len || !memcmp(a->text.data, b->text.data, a->text.len)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char delimiters[] = ",\t;|:,x,";
    struct rec_csv_dialect dialect = {.delimiter_len = 1, .quotes = true};

    if (size < 1)
        return 0;
    dialect.delimiter[0] = delimiters[data[0] & 7];
    size_t n_fields = 2 + (data[0] >> 3 & 3);
    const char *text = (const char *)data + 1;
    struct log plain = run(text, size - 1, dialect, 0), blocks = run(text, size - 1, dialect, n_fields);
    dialect.libcsv = true;
    struct log slow = run(text, size - 1, dialect, 0);
    same(&plain, &slow);
    same(&blocks, &slow);
    rec_buf_clear(&plain.text);
    rec_buf_clear(&blocks.text);
    rec_buf_clear(&slow.text);

    /* Longer delimiters have no libcsv to compare with, but blocks and lines must still agree. */
    dialect = (struct rec_csv_dialect){.delimiter = "::", .delimiter_len = 2};
    plain = run(text, size - 1, dialect, 0);
    blocks = run(text, size - 1, dialect, n_fields);
    same(&plain, &blocks);
    rec_buf_clear(&plain.text);
    rec_buf_clear(&blocks.text);
    return 0;
}
