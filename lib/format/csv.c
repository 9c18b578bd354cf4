/* SPDX-License-Identifier: MIT
 *
 * Records and fields of delimited text. What a record is, libcsv's strict mode says; a line without quotes needs no parser, so such
 * lines are cut here, and only lines with a quote are fed to libcsv, up to the end of their record. Blocks of plain lines go
 * through csv_scan.c.
 *
 * The text is a window [at, end) of memory: a mapped file, or a buffer that is filled from a stream. A record that the window
 * cuts is begun again once there is more.
 */
#include <rec/format.h>

#include <csv.h>

enum { BLOCK = 256 * 1024, MORE = 3 };

struct slow {
    struct csv_parser parser;
    struct rec_buf text; /* the fields of the record, one after another */
    size_t *end;
    size_t n, cap;
    bool complete, failed, too_long;
};

/* ---- the window ---- */

/* More text behind the window, or `last`. The buffer grows only while one record fills it, so by no more than a record. */
static int refill(struct rec_csv *csv, struct rec_err *err)
{
    size_t keep = (size_t)(csv->end - csv->at), got;

    if (keep && csv->at != csv->buffer)
        memmove(csv->buffer, csv->at, keep);
    if (csv->buffer_cap - keep < BLOCK / 2) {
        size_t cap = csv->buffer_cap ? csv->buffer_cap * 2 : BLOCK;
        if (rec_realloc(&csv->buffer, cap, 1, csv->name, err) < 0)
            return -1;
        csv->buffer_cap = cap;
    }
    csv->at = csv->end = csv->stop = csv->buffer + keep;
    csv->at = csv->buffer;
    if (rec_gzip_read(&csv->source, csv->buffer + keep, csv->buffer_cap - keep, &got, err) < 0)
        return -1;
    csv->last = got < csv->buffer_cap - keep;
    csv->end = csv->stop = csv->buffer + keep + got;
    return 0;
}

/* The first LF or CR of [p, end), or NULL. By short steps: a file with CRs alone must not be searched for LFs to its end. */
static const char *find_line_end(const char *p, const char *end)
{
    while (p < end) {
        size_t n = (size_t)(end - p) < 256 ? (size_t)(end - p) : 256;
        const char *lf = memchr(p, '\n', n), *cr = memchr(p, '\r', lf ? (size_t)(lf - p) : n);
        if (cr || lf)
            return cr ? cr : lf;
        p += n;
    }
    return NULL;
}

/* Behind the line end at p: CR LF is one. */
static const char *behind_line_end(const char *p, const char *end)
{
    if (p < end && *p++ == '\r' && p < end && *p == '\n')
        p++;
    return p;
}

static uint64_t count_lines(const char *p, const char *end)
{
    uint64_t n = 0;

    for (; (p = find_line_end(p, end)); n++)
        p = behind_line_end(p, end);
    return n;
}

static bool is_blank(const struct rec_csv *csv, char c)
{
    return (c == ' ' || c == '\t') && !(csv->dialect.delimiter_len == 1 && c == csv->dialect.delimiter[0]);
}

static size_t record_max(const struct rec_csv *csv)
{
    return csv->dialect.record_max ? csv->dialect.record_max : REC_CSV_RECORD_MAX;
}

/* ---- what rec_csv_next says ---- */

static int bad(struct rec_csv *csv, uint64_t line, size_t column, const char *cause)
{
    csv->line = line;
    csv->column = column;
    csv->cause = cause;
    return REC_CSV_BAD;
}

static int add_field(struct rec_csv *csv, const char *text, size_t len)
{
    if (csv->n == csv->cap) {
        size_t cap = csv->cap ? csv->cap * 2 : 32;
        if (rec_realloc(&csv->field, cap, sizeof *csv->field, csv->name, NULL) < 0)
            return -1;
        csv->cap = cap;
    }
    csv->field[csv->n++] = (struct rec_csv_field){text, len};
    return 0;
}

/* Takes the text up to `end`, whose first line ends at `eol`, out of the window. */
static void consume(struct rec_csv *csv, const char *eol, const char *next)
{
    csv->record = csv->at;
    csv->record_len = (size_t)(eol - csv->at);
    csv->line = csv->next_line;
    csv->next_line += count_lines(csv->at, next);
    csv->at = next;
}

/* ---- plain lines ---- */

/* The end of the field at p. */
static const char *find_delimiter(const struct rec_csv *csv, const char *p, const char *end)
{
    const struct rec_csv_dialect *d = &csv->dialect;

    if (d->delimiter_len == 0) {
        while (p < end && *p != ' ' && *p != '\t')
            p++;
        return p;
    }
    while ((p = memchr(p, d->delimiter[0], (size_t)(end - p)))) {
        if (d->delimiter_len == 1 ||
            ((size_t)(end - p) >= d->delimiter_len && !memcmp(p, d->delimiter, d->delimiter_len)))
            return p;
        p++;
    }
    return end;
}

static int split(struct rec_csv *csv, const char *p, const char *end)
{
    bool blanks = csv->dialect.delimiter_len == 0;

    while (end > p && is_blank(csv, end[-1]))
        end--;
    for (csv->n = 0;;) {
        while (p < end && is_blank(csv, *p))
            p++;
        const char *stop = find_delimiter(csv, p, end), *q = stop;
        while (q > p && is_blank(csv, q[-1]))
            q--;
        if (add_field(csv, p, (size_t)(q - p)) < 0)
            return -1;
        if (q - p > REC_CSV_FIELD_MAX)
            return bad(csv, csv->line, csv->n, "field is longer than 65536 bytes");
        if (stop == end)
            return REC_CSV_RECORD;
        p = stop + (blanks ? 1 : csv->dialect.delimiter_len);
    }
}

/* ---- libcsv ---- */

static void on_field(void *text, size_t len, void *context)
{
    struct slow *slow = context;

    slow->too_long |= len > REC_CSV_FIELD_MAX;
    if (slow->n == slow->cap) {
        size_t cap = slow->cap ? slow->cap * 2 : 32;
        if (rec_realloc(&slow->end, cap, sizeof *slow->end, "csv", NULL) < 0) {
            slow->failed = true;
            return;
        }
        slow->cap = cap;
    }
    rec_buf_add(&slow->text, text, len);
    slow->end[slow->n++] = slow->text.len;
}

static void on_record(int c, void *context)
{
    struct slow *slow = context;

    (void)c;
    slow->complete = true;
}

static struct slow *start_slow(struct rec_csv *csv)
{
    struct slow *slow = csv->parser;

    if (!slow) {
        slow = calloc(1, sizeof *slow);
        if (!slow || csv_init(&slow->parser, CSV_STRICT | CSV_STRICT_FINI) != 0) {
            free(slow);
            return NULL;
        }
        csv_set_delim(&slow->parser, (unsigned char)csv->dialect.delimiter[0]);
        csv->parser = slow;
    }
    /* Between records, whatever the last one came to. */
    slow->parser.pstate = slow->parser.quoted = 0;
    slow->parser.spaces = slow->parser.entry_pos = 0;
    slow->complete = slow->failed = slow->too_long = false;
    slow->n = 0;
    rec_buf_reset(&slow->text);
    return slow;
}

static size_t feed(struct slow *slow, const char *p, size_t n)
{
    return csv_parse(&slow->parser, p, n, on_field, on_record, slow);
}

/* A record that libcsv refuses, at `p`. It goes on with the line behind: the one at fault, or for a quote that never closes, the
 * one where it stood. */
static int refuse(struct rec_csv *csv, const char *p, const char *cause)
{
    struct slow *slow = csv->parser;
    uint64_t line = csv->next_line + count_lines(csv->at, p);
    const char *from = p > csv->at ? p : csv->at, *eol = find_line_end(from, csv->end);

    eol = eol ? eol : csv->end;
    consume(csv, eol, behind_line_end(eol, csv->end));
    return bad(csv, line, slow->n + 1, cause);
}

static int deliver(struct rec_csv *csv, const char *end)
{
    struct slow *slow = csv->parser;
    const char *eol = end;
    size_t from = 0;

    if (eol > csv->at && (eol[-1] == '\n' || eol[-1] == '\r'))
        eol--;
    if (end < csv->end && end > csv->at && end[-1] == '\r' && *end == '\n')
        end++;
    consume(csv, eol, end);
    csv->n = 0;
    for (size_t i = 0; i < slow->n; i++) {
        if (add_field(csv, slow->text.data + from, slow->end[i] - from) < 0)
            return -1;
        if (slow->end[i] - from > REC_CSV_FIELD_MAX)
            return bad(csv, csv->line, i + 1, "field is longer than 65536 bytes");
        from = slow->end[i];
    }
    return REC_CSV_RECORD;
}

/* One record by libcsv, fed line by line so that it never sees the next one. */
static int next_slow(struct rec_csv *csv, const char *eol)
{
    struct slow *slow = start_slow(csv);
    const char *p = csv->at;

    if (!slow)
        return -1;
    while (!slow->complete) {
        size_t n = (size_t)((eol ? eol + 1 : csv->end) - p), used;
        used = feed(slow, p, n);
        if (slow->failed || slow->text.failed || (used < n && csv_error(&slow->parser) != CSV_EPARSE))
            return -1;
        if (used < n)
            return refuse(csv, p + used, slow->parser.quoted ? "text after a closing quote" : "quote inside an unquoted field");
        p += n;
        if (slow->complete)
            break;
        if ((size_t)(p - csv->at) > record_max(csv) || slow->parser.entry_pos > REC_CSV_FIELD_MAX)
            return refuse(csv, csv->at, slow->parser.quoted ? "quoted field does not end within 65536 bytes" : "record is too long");
        if (p == csv->end && !csv->last)
            return MORE;
        if (p == csv->end && (feed(slow, "\n", 1) != 1 || !slow->complete))
            return refuse(csv, csv->at, "quoted field never ends");
        eol = find_line_end(p, csv->end);
    }
    if (p == csv->end && p[-1] == '\r' && !csv->last)
        return MORE;
    return deliver(csv, p);
}

/* ---- records ---- */

/* Passes over lines of blanks alone. False: the window ends first. */
static bool skip_blank_lines(struct rec_csv *csv)
{
    const char *p = csv->at;

    while (csv->at < csv->stop) {
        while (p < csv->end && is_blank(csv, *p))
            p++;
        if (p == csv->end || (*p == '\r' && p + 1 == csv->end && !csv->last))
            return false;
        if (*p != '\n' && *p != '\r')
            return true;
        csv->at = p = behind_line_end(p, csv->end);
        csv->next_line++;
    }
    return false;
}

/* The rest of a line that was too long. */
static void skip_line(struct rec_csv *csv)
{
    const char *eol = find_line_end(csv->at, csv->end);

    csv->at = eol ? behind_line_end(eol, csv->end) : csv->end;
    csv->next_line += eol != NULL;
    csv->skipping = !eol;
}

static int too_long(struct rec_csv *csv, const char *eol)
{
    csv->record = csv->at;
    csv->record_len = 256;
    csv->at = eol ? eol : csv->end;
    csv->skipping = true;
    return bad(csv, csv->next_line, 1, "record is too long");
}

static int attempt(struct rec_csv *csv)
{
    if (csv->skipping)
        skip_line(csv);
    if (!skip_blank_lines(csv)) {
        if (!csv->last)
            return MORE;
        csv->at = csv->at < csv->stop ? csv->end : csv->at;
        return REC_CSV_END;
    }
    const char *eol = find_line_end(csv->at, csv->end), *end = eol ? eol : csv->end;
    if ((size_t)(end - csv->at) > record_max(csv))
        return too_long(csv, eol);
    if (!csv->last && (!eol || eol + 1 == csv->end))
        return MORE;
    if (csv->dialect.quotes && (csv->dialect.libcsv || memchr(csv->at, '"', (size_t)(end - csv->at))))
        return next_slow(csv, eol);
    consume(csv, end, behind_line_end(end, csv->end));
    return split(csv, csv->record, end);
}

int rec_csv_next(struct rec_csv *csv, struct rec_err *err)
{
    for (;;) {
        int status = attempt(csv);
        if (status < 0)
            return rec_err_memory(err, csv->name);
        if (status != MORE)
            return status;
        if (refill(csv, err) < 0)
            return -1;
    }
}

int rec_csv_complain(struct rec_err *err, const struct rec_csv *csv)
{
    return rec_err_set(err, "%s:%llu:%zu: %s", csv->name, (unsigned long long)csv->line, csv->column, csv->cause);
}

/* ---- opening and closing ---- */

static int check_dialect(const struct rec_csv *csv, struct rec_err *err)
{
    const struct rec_csv_dialect *d = &csv->dialect;

    for (size_t i = 0; i < d->delimiter_len; i++)
        if (d->delimiter[i] == '\n' || d->delimiter[i] == '\r' || d->delimiter[i] == 0)
            return rec_err_set(err, "%s: a line break or NUL cannot be the delimiter", csv->name);
    if (d->quotes && (d->delimiter_len != 1 || d->delimiter[0] == '"' || d->delimiter[0] == ' '))
        return rec_err_set(err, "%s: quoting needs a delimiter of one byte that is no quote or blank", csv->name);
    return 0;
}

static int skip_mark(struct rec_csv *csv, struct rec_err *err)
{
    size_t n = (size_t)(csv->end - csv->at);

    if (n >= 2 && (!memcmp(csv->at, "\xff\xfe", 2) || !memcmp(csv->at, "\xfe\xff", 2)))
        return rec_err_set(err, "%s: is UTF-16; make it UTF-8 with iconv(1)", csv->name);
    if (n >= 3 && !memcmp(csv->at, "\xef\xbb\xbf", 3))
        csv->at += 3;
    return 0;
}

int rec_csv_text(struct rec_csv *csv, const char *name, const char *text, size_t stop, size_t len,
                 const struct rec_csv_dialect *dialect, struct rec_err *err)
{
    *csv = (struct rec_csv){.name = name, .dialect = *dialect, .at = text, .end = text + len, .stop = text + stop,
                            .next_line = 1, .last = true, .source = {.fd = -1}};
    return check_dialect(csv, err);
}

int rec_csv_take(struct rec_csv *csv, struct rec_gzip *source, const struct rec_csv_dialect *dialect, struct rec_err *err)
{
    const char *text = source->data ? (const char *)source->data : "";
    int status = rec_csv_text(csv, source->name, text, source->len, source->len, dialect, err);

    csv->last = source->data != NULL;
    csv->source = *source;
    *source = (struct rec_gzip){.fd = -1};
    if (status < 0 || (!csv->last && refill(csv, err) < 0) || skip_mark(csv, err) < 0) {
        rec_csv_close(csv);
        return -1;
    }
    return 0;
}

int rec_csv_open(struct rec_csv *csv, const char *path, const struct rec_csv_dialect *dialect, struct rec_err *err)
{
    struct rec_gzip source;

    *csv = (struct rec_csv){.source = {.fd = -1}};
    if (rec_gzip_open(&source, path, err) < 0)
        return -1;
    return rec_csv_take(csv, &source, dialect, err);
}

void rec_csv_close(struct rec_csv *csv)
{
    struct slow *slow = csv->parser;

    if (slow) {
        csv_free(&slow->parser);
        rec_buf_clear(&slow->text);
        free(slow->end);
        free(slow);
    }
    free(csv->field);
    free(csv->buffer);
    rec_gzip_close(&csv->source);
    *csv = (struct rec_csv){.source = {.fd = -1}};
}

/* ---- writing ---- */

void rec_csv_add(struct rec_buf *out, char delimiter, const char *text, size_t len)
{
    bool plain = true;

    if (out->len && out->data[out->len - 1] != '\n')
        rec_buf_addc(out, delimiter);
    for (size_t i = 0; i < len; i++)
        plain &= text[i] != delimiter && text[i] != '"' && text[i] != '\n' && text[i] != '\r';
    /* Readers drop outer blanks, and an empty line of one empty field would be no record. */
    if (len == 0 || text[0] == ' ' || text[0] == '\t' || text[len - 1] == ' ' || text[len - 1] == '\t')
        plain = len == 0 && out->len && out->data[out->len - 1] == delimiter;
    if (plain) {
        rec_buf_add(out, text, len);
        return;
    }
    rec_buf_addc(out, '"');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            rec_buf_addc(out, '"');
        rec_buf_addc(out, text[i]);
    }
    rec_buf_addc(out, '"');
}
