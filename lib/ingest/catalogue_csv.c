/* SPDX-License-Identifier: MIT
 *
 * Text files to catalogues: movies.csv and movies.dat of MovieLens and MovieTweetings, u.item, and whatever --columns says.
 */
#include "ingest_priv.h"

#define GENRES_MAX 256

struct build {
    const struct rec_ingest_options *options;
    struct rec_ingest_report *report;
    const char *between;
    struct rec_detect detect;
    struct rec_csv csv;
    bool latin1;
    struct rec_hashmap ids, genres;
    struct rec_buf title;              /* in the order of the file, as all that follows */
    struct item {
        size_t title_end, genres_end;
        int32_t year;
    } *item;
    size_t cap;
    uint32_t *genre;
    size_t n_genres, genre_cap;
    /* The row at hand. */
    struct rec_buf text[REC_DETECT_COLUMNS];
    struct rec_csv_field part[GENRES_MAX];
    size_t n_parts;
    char cause[200];
    size_t column;
};

/* The names of u.genre, in the order of the flags. The first is said of films that have no genre. */
static const char *const flags[] = {"unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
                                    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"};

static int bad(struct build *b, size_t column, const char *fmt, ...) REC_PRINTF(3, 4);

/* Notes why the row is bad. Returns 1. */
static int bad(struct build *b, size_t column, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    vsnprintf(b->cause, sizeof b->cause, fmt, args);
    va_end(args);
    b->column = column;
    return 1;
}

/* ---- fields ---- */

/* The first byte that is not UTF-8. */
static size_t first_foreign(const char *text, size_t len)
{
    size_t good = 0;

    for (size_t n = 1; good < len; n = 1) {
        while (n <= 4 && good + n <= len && !rec_json_utf8(text + good, n))
            n++;
        if (n > 4 || good + n > len)
            break;
        good += n;
    }
    return good;
}

static void from_latin1(struct rec_buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80)
            rec_buf_addc(out, (char)(0xc0 | c >> 6));
        rec_buf_addc(out, (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c));
    }
}

static bool has_control(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f || (c == 0xc2 && i + 1 < len && (unsigned char)text[i + 1] < 0xa0))
            return true;
    }
    return false;
}

/* The field in UTF-8 into b->text[role]; "" when there is none. */
static int take_text(struct build *b, int role)
{
    struct rec_buf *out = &b->text[role];
    int column = b->detect.column[role];
    const char *name = b->detect.name[role];

    rec_buf_reset(out);
    rec_buf_adds(out, "");
    if (column < 0)
        return 0;
    const struct rec_csv_field *f = &b->csv.field[column];
    if (b->latin1) {
        from_latin1(out, f->text, f->len);
    } else if (!rec_json_utf8(f->text, f->len)) {
        size_t at = first_foreign(f->text, f->len);
        return bad(b, (size_t)column + 1, "%s: byte %zu (0x%02x) is not UTF-8; if the file is latin-1, say --encoding latin-1", name,
                   at + 1, (unsigned char)f->text[at]);
    } else {
        rec_buf_add(out, f->text, f->len);
    }
    if (has_control(out->data, out->len))
        return bad(b, (size_t)column + 1, "%s: holds a control character", name);
    return out->failed ? -1 : 0;
}

static int four_digits(const char *p)
{
    int year = 0;

    for (int i = 0; i < 4; i++) {
        if (p[i] < '0' || p[i] > '9')
            return -1;
        year = year * 10 + (p[i] - '0');
    }
    return year;
}

/* 1995, 1995-10-30 or 3-Oct-1995; nothing is 0. -1: something else. */
static int year_of(const char *text, size_t len)
{
    if (len == 0)
        return 0;
    if (len == 1 && *text == '0')
        return 0;
    if (len == 4 || (len == 10 && text[4] == '-' && text[7] == '-'))
        return four_digits(text);
    if ((len == 10 || len == 11) && text[len - 9] == '-' && text[len - 5] == '-')
        return four_digits(text + len - 4);
    return -1;
}

/* "Title (1995)", and for series "(1995-1999)", "(1995-)" with any dash: the first year. 0: none. */
static int year_of_title(const char *text, size_t len)
{
    const char *open;
    int year;

    while (len && text[len - 1] == ' ')
        len--;
    if (len < 6 || text[len - 1] != ')' || !(open = memrchr(text, '(', len)))
        return 0;
    size_t inside = (size_t)(text + len - 1 - (open + 1));
    if (inside < 4 || (year = four_digits(open + 1)) < 1000 || year > 2999)
        return 0;
    if (inside == 4)
        return year;
    return open[5] == '-' || (inside >= 7 && (!memcmp(open + 5, "\xe2\x80\x93", 3) || !memcmp(open + 5, "\xe2\x80\x94", 3))) ? year : 0;
}

static int add_part(struct build *b, const char *text, size_t len)
{
    while (len && (*text == ' ' || *text == '\t'))
        text++, len--;
    while (len && (text[len - 1] == ' ' || text[len - 1] == '\t'))
        len--;
    if (len == 0 || (len == 18 && !memcmp(text, "(no genres listed)", 18)))
        return 0;
    if (len > REC_INGEST_ID_MAX || b->n_parts == GENRES_MAX)
        return bad(b, (size_t)b->detect.column[REC_DETECT_GENRES] + 1, "%s: %s", b->detect.name[REC_DETECT_GENRES],
                   len > REC_INGEST_ID_MAX ? "one is longer than 255 bytes" : "more than 256");
    b->part[b->n_parts++] = (struct rec_csv_field){text, len};
    return 0;
}

static int split_genres(struct build *b)
{
    const char *p = b->text[REC_DETECT_GENRES].data, *end = p + b->text[REC_DETECT_GENRES].len;
    size_t n = strlen(b->between);

    while (p && p < end) {
        const char *stop = memmem(p, (size_t)(end - p), b->between, n);
        stop = stop ? stop : end;
        if (add_part(b, p, (size_t)(stop - p)))
            return 1;
        p = stop < end ? stop + n : end;
    }
    return 0;
}

static int take_flags(struct build *b)
{
    for (size_t i = 0; i < REC_LENGTH(flags); i++) {
        const struct rec_csv_field *f = &b->csv.field[5 + i];
        if (f->len != 1 || (*f->text != '0' && *f->text != '1'))
            return bad(b, i + 6, "%s: is neither 0 nor 1", flags[i]);
        if (i && *f->text == '1')
            b->part[b->n_parts++] = (struct rec_csv_field){flags[i], strlen(flags[i])};
    }
    return 0;
}

/* ---- rows ---- */

static int make_room(struct build *b)
{
    if (b->ids.n == b->cap) {
        size_t cap = b->cap * 2 + 1024;
        if (rec_realloc(&b->item, cap, sizeof *b->item, "items", NULL) < 0)
            return -1;
        b->cap = cap;
    }
    if (b->genre_cap - b->n_genres < GENRES_MAX) {
        size_t cap = b->genre_cap * 2 + GENRES_MAX;
        if (rec_realloc(&b->genre, cap, sizeof *b->genre, "items", NULL) < 0)
            return -1;
        b->genre_cap = cap;
    }
    return 0;
}

/* The row is good: adds it. */
static int add_item(struct build *b, int year)
{
    const struct rec_buf *id = &b->text[REC_DETECT_MOVIE], *title = &b->text[REC_DETECT_TITLE];
    size_t first = b->n_genres;
    uint32_t number;

    if (make_room(b) < 0 || (number = rec_hashmap_intern(&b->ids, id->data, id->len)) == REC_HASHMAP_NONE)
        return -1;
    rec_buf_add(&b->title, title->data, title->len);
    for (size_t i = 0; i < b->n_parts; i++) {
        uint32_t genre = rec_hashmap_intern(&b->genres, b->part[i].text, b->part[i].len);
        bool again = false;
        if (genre == REC_HASHMAP_NONE)
            return -1;
        for (size_t j = first; j < b->n_genres; j++)
            again |= b->genre[j] == genre;
        if (!again)
            b->genre[b->n_genres++] = genre;
    }
    b->item[number] = (struct item){b->title.len, b->n_genres, year};
    return b->title.failed ? -1 : 0;
}

/* 0, 1: bad, -1: out of memory. */
static int take_row(struct build *b)
{
    size_t want = b->detect.n_fields;
    const char *cause;
    int status, year;

    if (b->csv.n != want)
        return bad(b, b->csv.n < want ? b->csv.n : want + 1, "row has %zu field%s, not %zu", b->csv.n, b->csv.n == 1 ? "" : "s", want);
    for (int role = 0; role < REC_DETECT_COLUMNS; role++)
        if ((status = take_text(b, role)))
            return status;
    const struct rec_buf *id = &b->text[REC_DETECT_MOVIE], *title = &b->text[REC_DETECT_TITLE], *when = &b->text[REC_DETECT_YEAR];
    if ((cause = rec_idtable_fault(id->data, id->len)))
        return bad(b, (size_t)b->detect.column[REC_DETECT_MOVIE] + 1, "%s: %s", b->detect.name[REC_DETECT_MOVIE], cause);
    if (rec_hashmap_find(&b->ids, id->data, id->len) != REC_HASHMAP_NONE)
        return bad(b, (size_t)b->detect.column[REC_DETECT_MOVIE] + 1, "%s: \"%.40s\" is there already", b->detect.name[REC_DETECT_MOVIE], id->data);
    year = year_of(when->data, when->len);
    if (year < 0)
        return bad(b, (size_t)b->detect.column[REC_DETECT_YEAR] + 1, "%s: \"%.40s\" is no year", b->detect.name[REC_DETECT_YEAR], when->data);
    /* The title's year comes first: a release date may be that of another country. */
    int named = year_of_title(title->data, title->len);
    year = named && (b->detect.layout == REC_DETECT_UITEM || !year) ? named : year;
    b->n_parts = 0;
    status = b->detect.layout == REC_DETECT_UITEM ? take_flags(b) : split_genres(b);
    return status ? status : add_item(b, year);
}

static int reject(struct build *b, uint64_t line, size_t column, const char *cause, struct rec_err *err)
{
    const struct rec_ingest_options *o = b->options;

    if (b->report->bad == o->max_errors)
        return rec_err_set(err, "%s:%llu:%zu: %s", b->csv.name, (unsigned long long)line, column, cause);
    b->report->bad++;
    return o->reject ? o->reject(o->context, line, column, cause, b->csv.record, b->csv.record_len, err) : 0;
}

static int read_rows(struct build *b, struct rec_err *err)
{
    int status;

    while ((status = rec_csv_next(&b->csv, err)) > 0) {
        if (status == REC_CSV_BAD) {
            status = reject(b, b->csv.line, b->csv.column, b->csv.cause, err);
        } else if ((status = take_row(b)) == 1) {
            struct rec_err clean;
            rec_err_set(&clean, "%s", b->cause);
            status = reject(b, b->csv.line, b->column, clean.text, err);
        } else if (status < 0) {
            rec_err_memory(err, b->csv.name);
        }
        if (status < 0)
            return -1;
    }
    return status;
}

/* ---- from rows to a catalogue ---- */

static int compare_numbers(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

/* Items in the order of their ids, and the genres of each in the order of theirs. */
static int arrange(struct rec_catalogue *c, const struct build *b, const uint32_t *rank, const uint32_t *genre_rank, struct rec_err *err)
{
    size_t n = b->ids.n, titles = 0, genres = 0;
    uint32_t *from = rec_malloc(n, sizeof *from, b->csv.name, err);
    char *title = rec_malloc(b->title.len, 1, b->csv.name, err);
    int64_t *offset = rec_calloc(n + 1, sizeof *offset, b->csv.name, err), *ptr = rec_calloc(n + 1, sizeof *ptr, b->csv.name, err);
    int32_t *year = rec_malloc(n, sizeof *year, b->csv.name, err), *genre = rec_malloc(b->n_genres, sizeof *genre, b->csv.name, err);

    c->title = c->owned[0] = title;
    c->title_offset = c->owned[1] = offset;
    c->year = c->owned[2] = year;
    c->genre_ptr = c->owned[3] = ptr;
    c->genre = c->owned[4] = genre;
    if (!from || !title || !offset || !ptr || !year || !genre) {
        free(from);
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        from[rank[i]] = (uint32_t)i;
    for (size_t i = 0; i < n; i++) {
        const struct item *item = &b->item[from[i]], *before = from[i] ? item - 1 : NULL;
        size_t at = before ? before->title_end : 0, first = before ? before->genres_end : 0;
        if (item->title_end > at)
            memcpy(title + titles, b->title.data + at, item->title_end - at);
        titles += item->title_end - at;
        offset[i + 1] = (int64_t)titles;
        year[i] = item->year;
        for (size_t j = first; j < item->genres_end; j++)
            genre[genres++] = (int32_t)genre_rank[b->genre[j]];
        qsort(genre + ptr[i], genres - (size_t)ptr[i], sizeof *genre, compare_numbers);
        ptr[i + 1] = (int64_t)genres;
    }
    free(from);
    return 0;
}

static int finish(struct rec_catalogue *c, const struct build *b, struct rec_err *err)
{
    uint32_t *rank = rec_malloc(b->ids.n, sizeof *rank, b->csv.name, err);
    uint32_t *genre_rank = rec_malloc(b->genres.n, sizeof *genre_rank, b->csv.name, err);
    int status = -1;

    c->n = b->ids.n;
    c->history = strdup("");
    if (rank && genre_rank && c->history && rec_ids_from_map(&c->items, &b->ids, rank, err) == 0 &&
        rec_ids_from_map(&c->genres, &b->genres, genre_rank, err) == 0)
        status = arrange(c, b, rank, genre_rank, err);
    free(rank);
    free(genre_rank);
    if (!c->history)
        rec_err_memory(err, b->csv.name);
    return status;
}

static int begin(struct build *b, struct rec_gzip *source, const char *encoding, struct rec_err *err)
{
    struct rec_csv_dialect any = {.delimiter = ",", .delimiter_len = 1};
    uint32_t mapped = source->data ? rec_crc32c(0, source->data, source->len) : 0;
    int status;

    b->report->crc32c = mapped;
    if (rec_csv_take(&b->csv, source, &any, err) < 0)
        return -1;
    size_t ahead = (size_t)(b->csv.end - b->csv.at), look = ahead < 256 << 10 ? ahead : 256 << 10;
    if (rec_detect_movies(&b->detect, &b->options->wish, b->csv.name, b->csv.at, look, look == ahead && b->csv.last, err) < 0)
        return -1;
    b->csv.dialect = b->detect.dialect;
    b->latin1 = !strcmp(encoding, "latin-1") || (!strcmp(encoding, "auto") && b->detect.layout == REC_DETECT_UITEM);
    if (b->options->detected)
        b->options->detected(b->options->context, &b->detect);
    if (!b->detect.header)
        return 0;
    status = rec_csv_next(&b->csv, err);
    return status == REC_CSV_BAD ? rec_csv_complain(err, &b->csv) : status < 0 ? -1 : 0;
}

int rec_catalogue_csv(struct rec_catalogue *out, struct rec_gzip *in, const struct rec_ingest_options *options, const char *encoding,
                      const char *between, struct rec_ingest_report *report, struct rec_err *err)
{
    struct build b = {.options = options, .report = report, .between = between, .csv = {.source = {.fd = -1}}};
    const char *name = in->name;
    bool mapped = in->data != NULL;
    int status;

    *out = (struct rec_catalogue){0};
    *report = (struct rec_ingest_report){0};
    status = begin(&b, in, encoding, err) < 0 || read_rows(&b, err) < 0 ? -1 : 0;
    if (status == 0 && b.ids.n == 0)
        status = rec_err_set(err, "%s: holds no items", name);
    report->rows = b.ids.n;
    if (!mapped)
        report->crc32c = b.csv.source.crc32c;
    if (status == 0 && finish(out, &b, err) < 0) {
        rec_catalogue_clear(out);
        status = -1;
    }
    rec_hashmap_clear(&b.ids);
    rec_hashmap_clear(&b.genres);
    rec_buf_clear(&b.title);
    for (int i = 0; i < REC_DETECT_COLUMNS; i++)
        rec_buf_clear(&b.text[i]);
    free(b.item);
    free(b.genre);
    rec_csv_close(&b.csv);
    return status;
}
