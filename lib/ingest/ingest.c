/* SPDX-License-Identifier: MIT
 *
 * Text files to ratings: detection, the pieces, and what is said about bad rows.
 *
 * A mapped file is cut at line ends into one piece for each thread. Such a line end may lie inside a quoted field, so each piece must
 * end where the next one begins; where one does not, the file is read again as one piece. A stream is one piece.
 */
#include "ingest_priv.h"

enum { PIECE_MIN = 256 << 10, ROW_GUESS = 1 << 20 };

struct ingest {
    const struct rec_ingest_options *options;
    struct rec_ingest_report *report;
    struct rec_detect detect;
    struct rec_csv csv;          /* the whole text; behind the header */
    const char *text;            /* all of it when it is mapped, else NULL */
    size_t len;
    struct piece *piece;
    size_t n_pieces;
};

/* ---- pieces ---- */

/* Where piece k of n begins: behind the first line end from its share of the text on. */
static const char *cut(const struct ingest *in, size_t k, size_t n)
{
    const char *begin = in->csv.at, *end = in->csv.end, *p = begin + (size_t)(end - begin) / n * k;

    if (k == 0 || k == n)
        return k ? end : begin;
    p = memchr(p, '\n', (size_t)(end - p));
    return p ? p + 1 : end;
}

/* About how many rows so much text holds, by the first of it; a little more, as memory that is not touched costs nothing. */
static size_t guess_rows(const struct ingest *in, size_t bytes)
{
    const char *p = in->csv.at, *end = (size_t)(in->csv.end - p) > 65536 ? p + 65536 : in->csv.end;
    size_t breaks = 1, len = (size_t)(end - p);
    char separator = in->detect.layout == REC_DETECT_LISTS ? ' ' : '\n';

    for (; p < end; p++)
        breaks += *p == separator;
    return len ? bytes / (len / breaks + 1) + bytes / (len / breaks + 1) / 6 + 1024 : 1024;
}

static int start_piece(struct ingest *in, size_t k, struct rec_err *err)
{
    struct piece *p = &in->piece[k];
    size_t rows = ROW_GUESS;

    *p = (struct piece){.detect = &in->detect, .options = in->options, .reports = k == 0, .of = (unsigned)in->n_pieces};
    if (in->text) {
        const char *begin = cut(in, k, in->n_pieces), *stop = cut(in, k + 1, in->n_pieces);
        if (rec_csv_text(&p->csv, in->csv.name, begin, (size_t)(stop - begin), (size_t)(in->csv.end - begin), &in->detect.dialect, err) < 0)
            return -1;
        p->begin = p->summed = begin;
        rows = guess_rows(in, (size_t)(stop - begin));
    } else {
        /* The stream's own reader, which goes on behind the header. */
        p->csv = in->csv;
        in->csv = (struct rec_csv){.name = p->csv.name, .source = {.fd = -1}};
    }
    return rec_rowstore_start(p, rows, err);
}

static int read_piece(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct ingest *in = context;

    (void)thread;
    for (size_t k = begin; k < end; k++)
        if (rec_rows_read(&in->piece[k], err) < 0)
            return -1;
    return 0;
}

static void clear_pieces(struct ingest *in)
{
    for (size_t k = 0; in->piece && k < in->n_pieces; k++)
        rec_rowstore_clear(&in->piece[k]);
    free(in->piece);
    in->piece = NULL;
}

static int read_pieces(struct ingest *in, size_t n, struct rec_err *err)
{
    in->n_pieces = n;
    in->piece = rec_calloc(n, sizeof *in->piece, in->csv.name, err);
    if (!in->piece)
        return -1;
    for (size_t k = 0; k < n; k++)
        if (start_piece(in, k, err) < 0)
            return -1;
    return rec_pool_run((unsigned)n, n, 1, read_piece, in, err);
}

/* Each piece, up to one that gave up, has to end where the next begins. */
static bool cut_between_records(const struct ingest *in)
{
    for (size_t k = 0; k + 1 < in->n_pieces && !in->piece[k].failed; k++)
        if (in->piece[k].csv.at != in->piece[k].csv.stop)
            return false;
    return true;
}

/* ---- bad rows ---- */

/* In the order of the file; the first beyond those tolerated is the error. */
static int report_bad(struct ingest *in, uint64_t line, const char *name, struct rec_err *err)
{
    const struct rec_ingest_options *o = in->options;

    for (size_t k = 0; k < in->n_pieces; k++) {
        struct piece *p = &in->piece[k];
        for (size_t i = 0; i < p->n_bad; i++) {
            const struct bad_row *bad = &p->bad[i];
            uint64_t at = bad->line + (in->text ? line : 0);
            if (in->report->bad == o->max_errors)
                return rec_err_set(err, "%s:%llu:%zu: %s", name, (unsigned long long)at, bad->column, bad->cause);
            in->report->bad++;
            if (o->reject && o->reject(o->context, at, bad->column, bad->cause, bad->record, bad->len, err) < 0)
                return -1;
        }
        line += p->csv.next_line - 1;
    }
    return 0;
}

/* ---- all of it ---- */

/* Detection, and the header out of the way. */
static int begin(struct ingest *in, struct rec_gzip *source, struct rec_err *err)
{
    struct rec_csv_dialect any = {.delimiter = ",", .delimiter_len = 1};
    int status;

    in->text = (const char *)source->data;
    in->len = source->len;
    if (rec_csv_take(&in->csv, source, &any, err) < 0)
        return -1;
    size_t ahead = (size_t)(in->csv.end - in->csv.at), look = ahead < 256 << 10 ? ahead : 256 << 10;
    if (rec_detect_ratings(&in->detect, &in->options->wish, in->csv.name, in->csv.at, look, look == ahead && in->csv.last, err) < 0)
        return -1;
    in->csv.dialect = in->detect.dialect;
    if (in->options->detected)
        in->options->detected(in->options->context, &in->detect);
    if (!in->detect.header)
        return 0;
    status = rec_csv_next(&in->csv, err);
    return status == REC_CSV_BAD ? rec_csv_complain(err, &in->csv) : status < 0 ? -1 : 0;
}

static int read_all(struct ingest *in, struct rec_err *err)
{
    size_t left = (size_t)(in->csv.end - in->csv.at), n = in->text ? left / PIECE_MIN + 1 : 1;

    n = n < in->options->threads ? n : in->options->threads ? in->options->threads : 1;
    if (read_pieces(in, n, err) < 0)
        return -1;
    if (cut_between_records(in))
        return 0;
    clear_pieces(in);
    return read_pieces(in, 1, err);
}

/* The checksum of the whole text, from the parts. */
static uint32_t digest(const struct ingest *in, const char *begin_text)
{
    uint32_t crc;

    if (!in->text)
        return in->piece[0].csv.source.crc32c;
    crc = rec_crc32c(0, in->text, (size_t)(begin_text - in->text));
    for (size_t k = 0; k < in->n_pieces; k++)
        crc = rec_crc32c_combine(crc, in->piece[k].crc32c, (uint64_t)(in->piece[k].csv.stop - in->piece[k].begin));
    return crc;
}

/* What rows.c left, made alike. */
static int settle_widths(struct ingest *in, struct rec_err *err)
{
    bool wide = false;

    for (size_t k = 0; k < in->n_pieces; k++)
        wide |= in->piece[k].layout.wide;
    for (size_t k = 0; wide && k < in->n_pieces; k++)
        if (!in->piece[k].layout.wide && rec_rowstore_widen(&in->piece[k]) < 0)
            return rec_err_memory(err, in->csv.name);
    return 0;
}

static int ingest(struct rec_ratings *out, struct ingest *in, struct rec_gzip *source, struct rec_err *err)
{
    const char *name = source->name, *begin_text;
    uint64_t line;

    if (begin(in, source, err) < 0)
        return -1;
    line = in->csv.next_line - 1;
    begin_text = in->csv.at;
    if (read_all(in, err) < 0 || report_bad(in, line, name, err) < 0)
        return -1;
    in->report->crc32c = digest(in, begin_text);
    for (size_t k = 0; k < in->n_pieces; k++)
        in->report->rows += in->piece[k].n;
    if (in->report->rows == 0)
        return rec_err_set(err, "%s: holds no ratings", name);
    if (settle_widths(in, err) < 0)
        return -1;
    return rec_assemble(out, in->piece, in->n_pieces, in->options, name, &in->report->duplicates, err);
}

int rec_ingest(struct rec_ratings *out, struct rec_gzip *source, const struct rec_ingest_options *options,
               struct rec_ingest_report *report, struct rec_err *err)
{
    struct ingest in = {.options = options, .report = report, .csv = {.source = {.fd = -1}}};
    int status;

    *out = (struct rec_ratings){0};
    *report = (struct rec_ingest_report){0};
    status = ingest(out, &in, source, err);
    clear_pieces(&in);
    rec_csv_close(&in.csv);
    return status;
}
