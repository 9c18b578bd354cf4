/* SPDX-License-Identifier: MIT
 *
 * Text to rows of numbers: each user and item by its number in the piece's own tables.
 *
 * Most rows are plain, and of ids, ratings and users seen before. take_plain does those and nothing else: an id of up to 8 bytes is
 * one masked load, the user is mostly that of the row before, a rating is looked up among those seen lately, ten digits of
 * time are two multiplications. A row with anything new or odd goes to convert, which finds out what is wrong with it, if anything.
 */
#include "ingest_priv.h"

#include <sys/mman.h>

enum { SUM_STEP = 64 << 10, PAGES_STEP = 4 << 20 };

/* ---- one row, whatever it holds ---- */

static int fault(struct piece *p, size_t column, const char *fmt, ...) REC_PRINTF(3, 4);

/* Notes why the row is bad. Returns 1. */
static int fault(struct piece *p, size_t column, const char *fmt, ...)
{
    char text[sizeof p->fault.text];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    rec_err_set(&p->fault, "%s", text);
    p->fault_column = column;
    return 1;
}

static int field_fault(struct piece *p, enum rec_detect_column c, const struct rec_csv_field *f, const char *cause)
{
    const char *name = p->detect->name[c];
    size_t column = (size_t)p->detect->column[c] + 1;
    int shown = f->len < 40 ? (int)f->len : 40;

    if (f->len == 0)
        return fault(p, column, "%s: is empty", name);
    if (!rec_json_utf8(f->text, (size_t)shown))
        return fault(p, column, "%s: %s", name, cause);
    return fault(p, column, "%s: \"%.*s\"%s %s", name, shown, f->text, f->len > 40 ? "..." : "", cause);
}

static uint64_t masked_word(const char *text, size_t len)
{
    uint64_t word = 0;

    memcpy(&word, text, len);
    return word;
}

static struct memo *memo_of(struct piece *p, uint64_t word)
{
    return &p->memo[word * UINT64_C(0x9e3779b97f4a7c15) >> 56];
}

static int parse_rating(struct piece *p, float *out, const char *text, size_t len)
{
    if (rec_cell_rating(out, text, len) < 0)
        return -1;
    if (len - 1 < 8)
        *memo_of(p, masked_word(text, len)) = (struct memo){masked_word(text, len), *out};
    return 0;
}

static int start_run(struct piece *p, uint32_t user)
{
    if (user == ID_NONE)
        return -1;
    if (user != p->user)
        p->run[p->n_runs++] = (struct run){user, (uint32_t)p->n};
    p->user = user;
    return 0;
}

static int emit(struct piece *p, uint32_t item, float value, int64_t time)
{
    const struct row_layout *l = &p->layout;
    char *row;

    if (item == ID_NONE)
        return -1;
    if (l->time && !l->wide && (uint64_t)time > UINT32_MAX && rec_rowstore_widen(p) < 0)
        return -1;
    row = p->rows + p->n++ * l->size;
    memcpy(row, &item, sizeof item);
    if (l->value)
        memcpy(row + l->value, &value, sizeof value);
    if (l->time)
        memcpy(row + l->time, &time, l->wide ? 8 : 4); /* little-endian, as the files are */
    return 0;
}

/* 0, 1: the row is bad, -1: out of memory. Nothing is added before all of it is known to be good. */
static int convert(struct piece *p, const struct rec_csv_field f[REC_DETECT_COLUMNS])
{
    const int *column = p->detect->column;
    float value = 1;
    int64_t time = 0;
    const char *cause;

    for (enum rec_detect_column c = REC_DETECT_USER; c <= REC_DETECT_ITEM; c++)
        if ((cause = rec_idtable_fault(f[c].text, f[c].len)))
            return field_fault(p, c, &f[c], cause);
    if (column[REC_DETECT_RATING] >= 0 && parse_rating(p, &value, f[REC_DETECT_RATING].text, f[REC_DETECT_RATING].len) < 0)
        return field_fault(p, REC_DETECT_RATING, &f[REC_DETECT_RATING], "is not a number");
    if (column[REC_DETECT_TIME] >= 0 && (cause = rec_cell_time(&time, f[REC_DETECT_TIME].text, f[REC_DETECT_TIME].len)))
        return field_fault(p, REC_DETECT_TIME, &f[REC_DETECT_TIME], cause);
    if (start_run(p, rec_idtable_intern(&p->users, f[REC_DETECT_USER].text, f[REC_DETECT_USER].len)) < 0 ||
        emit(p, rec_idtable_intern(&p->items, f[REC_DETECT_ITEM].text, f[REC_DETECT_ITEM].len), value, time) < 0)
        return -1;
    return 0;
}

static int convert_record(struct piece *p)
{
    struct rec_csv_field f[REC_DETECT_COLUMNS] = {0};
    size_t want = p->detect->n_fields;

    if (p->csv.n != want)
        return fault(p, p->csv.n < want ? p->csv.n : want + 1, "row has %zu field%s, not %zu", p->csv.n, p->csv.n == 1 ? "" : "s", want);
    for (int c = 0; c < REC_DETECT_COLUMNS; c++)
        if (p->detect->column[c] >= 0)
            f[c] = p->csv.field[p->detect->column[c]];
    return convert(p, f);
}

/* A line `user item item ...`. */
static int convert_list(struct piece *p)
{
    const struct rec_csv_field *f = p->csv.field;

    if (rec_rowstore_room(p, p->csv.n) < 0)
        return -1;
    for (size_t i = 0; i < p->csv.n; i++) {
        const char *cause = rec_idtable_fault(f[i].text, f[i].len);
        if (cause)
            return fault(p, i + 1, "%s: %s", i ? "item" : "user", cause);
    }
    if (start_run(p, rec_idtable_intern(&p->users, f[0].text, f[0].len)) < 0)
        return -1;
    for (size_t i = 1; i < p->csv.n; i++)
        if (emit(p, rec_idtable_intern(&p->items, f[i].text, f[i].len), 1, 0) < 0)
            return -1;
    return 0;
}

/* Keeps what the report will say. */
static int add_bad(struct piece *p, uint64_t line, size_t column, const char *cause, const char *record, size_t len)
{
    struct bad_row *bad;

    if (p->n_bad == p->cap_bad) {
        size_t cap = p->cap_bad * 2 + 1;
        if (rec_realloc(&p->bad, cap, sizeof *p->bad, "rows", NULL) < 0)
            return -1;
        p->cap_bad = cap;
    }
    bad = &p->bad[p->n_bad];
    *bad = (struct bad_row){.line = line, .column = column, .len = len < 4096 ? len : 4096};
    snprintf(bad->cause, sizeof bad->cause, "%s", cause);
    if (p->options->reject) {
        bad->record = rec_malloc(bad->len, 1, "rows", NULL);
        if (!bad->record)
            return -1;
        memcpy(bad->record, record, bad->len);
    }
    p->n_bad++;
    p->failed = p->n_bad > p->options->max_errors;
    return 0;
}

/* ---- plain rows ---- */

/* Text of 1 to 8 bytes as a word; reads 8. */
static inline uint64_t load_word(const char *text, uint32_t len)
{
    uint64_t word;

    memcpy(&word, text, sizeof word);
    return word & UINT64_MAX >> (64 - 8 * len);
}

/* Ten digits. Eight at once: Lemire, "Quickly parsing eight digits" (2018). */
static inline bool ten_digits(int64_t *out, const char *text)
{
    uint64_t word;
    unsigned tens = (unsigned)(text[8] - '0'), ones = (unsigned)(text[9] - '0');

    memcpy(&word, text, sizeof word);
    uint64_t odd = (word + UINT64_C(0x4646464646464646)) | (word - UINT64_C(0x3030303030303030));
    if ((odd & UINT64_C(0x8080808080808080)) || tens > 9 || ones > 9)
        return false;
    word -= UINT64_C(0x3030303030303030);
    word = word * 10 + (word >> 8);
    word = ((word & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x000f424000000064) +
            (word >> 16 & UINT64_C(0x000000ff000000ff)) * UINT64_C(0x0000271000000001)) >> 32;
    *out = (int64_t)((word & UINT32_MAX) * 100 + tens * 10 + ones);
    return true;
}


static inline uint32_t field_start(const int column, const uint32_t *e, uint32_t row, uint32_t skip)
{
    return column > 0 ? e[column - 1] + skip : row;
}

/* The row that ends at e, by the long way. */
static int take_odd(struct piece *p, const char *text, const uint32_t *e, uint32_t row)
{
    struct rec_csv_field f[REC_DETECT_COLUMNS] = {0};
    uint32_t skip = (uint32_t)p->csv.dialect.delimiter_len;
    int status;

    for (int c = 0; c < REC_DETECT_COLUMNS; c++) {
        int column = p->detect->column[c];
        if (column < 0)
            continue;
        uint32_t start = field_start(column, e, row, skip);
        f[c] = (struct rec_csv_field){text + start, e[column] - start};
    }
    status = convert(p, f);
    if (status == 1)
        return add_bad(p, p->csv.line, p->fault_column, p->fault.text, text + row, e[p->detect->n_fields - 1] - row);
    p->user_word = f[REC_DETECT_USER].len <= 8 ? masked_word(f[REC_DETECT_USER].text, f[REC_DETECT_USER].len) : 0;
    return status;
}

/* Rows as long as there is nothing new in them; returns how many. `has_rating` and `has_time` are known where this is inlined. What
 * changes is in variables of its own, as the stores to rows might else be stores to *p, for all the compiler knows. */
static inline __attribute__((always_inline)) size_t usual_rows(struct piece *p, const char *text, const uint32_t *e, uint32_t *row_start,
                                                               const uint64_t *item_word, size_t rows, bool has_rating, bool has_time)
{
    const int user_at = p->detect->column[REC_DETECT_USER], rating_at = p->detect->column[REC_DETECT_RATING],
              time_at = p->detect->column[REC_DETECT_TIME];
    const size_t n_fields = p->detect->n_fields, size = p->layout.size;
    const uint32_t skip = (uint32_t)p->csv.dialect.delimiter_len;
    const struct id_table items = p->items;
    uint64_t user_word = p->user_word;
    uint32_t row = *row_start, user = p->user, n = (uint32_t)p->n;
    char *out = p->rows + p->n * size;
    size_t done = 0;

    for (; done < rows; done++, e += n_fields) {
        uint32_t u = field_start(user_at, e, row, skip), u_len = e[user_at] - u, item;
        float value = 1;
        int64_t time = 0;
        if (u_len - 1 >= 8 || !item_word[done] || (item = id_find_word(&items, item_word[done])) == ID_NONE)
            break;
        if (has_rating) {
            uint32_t r = field_start(rating_at, e, row, skip), r_len = e[rating_at] - r;
            if (r_len - 1 >= 8)
                break;
            uint64_t word = load_word(text + r, r_len);
            const struct memo *memo = memo_of(p, word);
            value = memo->value;
            if (memo->word != word && parse_rating(p, &value, text + r, r_len) < 0)
                break;
        }
        if (has_time) {
            uint32_t t = field_start(time_at, e, row, skip), t_len = e[time_at] - t;
            if (!(t_len == 10 && ten_digits(&time, text + t)) && rec_cell_time(&time, text + t, t_len))
                break;
            if ((uint64_t)time > UINT32_MAX && !p->layout.wide)
                break;
        }
        uint64_t word = load_word(text + u, u_len);
        if (word != user_word) {
            uint32_t other = id_find_word(&p->users, word);
            if (other == ID_NONE)
                break;
            if (other != user)
                p->run[p->n_runs++] = (struct run){other, n};
            user = other;
            user_word = word;
        }
        memcpy(out, &item, 4);
        if (has_rating)
            memcpy(out + 4, &value, 4);
        if (has_time)
            memcpy(out + (has_rating ? 8 : 4), &time, p->layout.wide ? 8 : 4);
        out += size;
        n++;
        row = e[n_fields - 1] + 1;
        row += text[row - 1] == '\r';
    }
    p->user = user;
    p->user_word = user_word;
    p->n = n;
    *row_start = row;
    return done;
}

static size_t take_usual(struct piece *p, const char *text, const uint32_t *e, uint32_t *row, const uint64_t *item_word, size_t rows)
{
    bool rating = p->layout.value, time = p->layout.time;

    if (rating && time)
        return usual_rows(p, text, e, row, item_word, rows, true, true);
    return usual_rows(p, text, e, row, item_word, rows, rating, time);
}

/* The words of the items, for all rows ahead of their use: their slots are on the way from memory meanwhile, which matters most here,
 * as a slot that is not what was guessed would else be waited for with nothing else to do. Takes CRs off the row ends too. */
static void look_ahead(const struct piece *p, const char *text, uint32_t *end, size_t rows, uint64_t *word)
{
    const int item = p->detect->column[REC_DETECT_ITEM];
    const size_t n_fields = p->detect->n_fields;
    uint32_t skip = (uint32_t)p->csv.dialect.delimiter_len, row = 0, *e = end + 1;

    for (size_t i = 0; i < rows; i++, e += n_fields) {
        uint32_t newline = e[n_fields - 1];
        if (text[newline - 1] == '\r')
            e[n_fields - 1]--;
        uint32_t start = field_start(item, e, row, skip), len = e[item] - start;
        word[i] = len - 1 < 8 ? load_word(text + start, len) : 0;
        __builtin_prefetch(&p->items.slot[id_slot_of(&p->items, word[i])]);
        row = newline + 1;
    }
}

static int take_plain(struct piece *p, const char *text, uint32_t *end, size_t rows)
{
    uint64_t word[REC_CSV_SCAN_MAX / 4];
    const size_t n_fields = p->detect->n_fields;
    const uint32_t *e = end + 1;
    uint32_t row = 0;

    if (rec_rowstore_room(p, rows) < 0)
        return -1;
    p->csv.line = p->csv.next_line - rows;
    look_ahead(p, text, end, rows, word);
    for (size_t i = 0; i < rows && !p->failed; i++, e += n_fields, p->csv.line++) {
        size_t n = take_usual(p, text, e, &row, word + i, rows - i);
        p->csv.line += n;
        e += n * n_fields;
        i += n;
        if (i == rows)
            break;
        if (take_odd(p, text, e, row) < 0)
            return -1;
        row = e[n_fields - 1] + 1;
        row += text[row - 1] == '\r';
    }
    return 0;
}

/* ---- the piece ---- */

/* Brings in the pages of mapped text ahead, many in one call, and lets those behind go: they stay in the system's cache. */
static void turn_pages(struct piece *p)
{
    uintptr_t page = 4096, behind = (uintptr_t)p->summed / page * page, from = (uintptr_t)p->let_go;
    size_t left = (size_t)(p->csv.end - p->summed);

    if (!from)
        from = ((uintptr_t)p->begin + page - 1) / page * page;
    if (behind > from + 2 * PAGES_STEP) {
        (void)madvise((void *)from, PAGES_STEP, MADV_DONTNEED);
        p->let_go = (const char *)from + PAGES_STEP;
    }
#ifdef MADV_POPULATE_READ
    (void)madvise((void *)behind, left < PAGES_STEP ? left : PAGES_STEP, MADV_POPULATE_READ);
#endif
}

/* Adds up the text ahead of the scanner, in steps that stay in the cache until it comes. */
static void add_up(struct piece *p)
{
    size_t left = (size_t)(p->csv.stop - p->summed), n = left < SUM_STEP ? left : SUM_STEP;

    if ((size_t)(p->summed - p->begin) % PAGES_STEP == 0)
        turn_pages(p);
    p->crc32c = rec_crc32c(p->crc32c, p->summed, n);
    p->summed += n;
    if (p->reports && p->options->progress && (p->summed - p->begin) % (1 << 20) < SUM_STEP)
        p->options->progress(p->options->context, (uint64_t)(p->summed - p->begin) * p->of, (uint64_t)(p->csv.stop - p->begin) * p->of);
}

static int take_next(struct piece *p, struct rec_err *err)
{
    uint64_t before = p->csv.source.delivered;
    int status = rec_csv_next(&p->csv, err);

    if (p->csv.source.delivered != before && p->options->progress)
        p->options->progress(p->options->context, p->csv.source.delivered, 0);
    if (status <= 0)
        return status;
    p->user_word = 0; /* the user's number may change without it */
    if (status == REC_CSV_RECORD) {
        status = rec_rowstore_room(p, 1) < 0 ? -1 : p->detect->layout == REC_DETECT_LISTS ? convert_list(p) : convert_record(p);
        if (status == 1)
            status = add_bad(p, p->csv.line, p->fault_column, p->fault.text, p->csv.record, p->csv.record_len);
    } else {
        status = add_bad(p, p->csv.line, p->csv.column, p->csv.cause, p->csv.record, p->csv.record_len);
    }
    return status < 0 ? rec_err_memory(err, p->csv.name) : 1;
}

int rec_rows_read(struct piece *p, struct rec_err *err)
{
    uint32_t *end = rec_malloc(REC_CSV_SCAN_MAX, sizeof *end, p->csv.name, err);
    int status = end ? 1 : -1;

    while (status > 0 && !p->failed) {
        const char *text;
        if (p->summed && p->csv.at >= p->summed && p->summed < p->csv.stop)
            add_up(p);
        size_t rows = rec_csv_scan(&p->csv, &text, end, p->detect->n_fields);
        if (rows == 0)
            status = take_next(p, err);
        else if (take_plain(p, text, end, rows) < 0)
            status = rec_err_memory(err, p->csv.name);
    }
    while (p->summed && p->summed < p->csv.stop)
        add_up(p);
    free(end);
    return status < 0 ? -1 : 0;
}
