/* SPDX-License-Identifier: MIT
 *
 * How a text file of ratings is laid out, from its first lines and from what the caller knows.
 *
 * The delimiter is the first candidate that cuts every line looked at into the same number of fields, two or more. Lines of words that
 * only blanks separate, of differing number, are lists. A first line that names columns is a header; without one the columns go by
 * their place: user, item, rating, time, as u.data and the .dat files of MovieLens and MovieTweetings have them.
 */
#include <rec/ingest.h>

#include <ctype.h>

enum { LOOK_LINES = 100, LIST_RECORD_MAX = 64 << 20 };

#define ITEMS "movieid", "itemid", "item", "movie", "filmid", "film", "iid", "productid", "product", "asin", "parentasin", "bookid", "book", "isbn", \
              "songid", "trackid", "artistid", "businessid", "gameid", "game"

/* What is looked for: names of columns, the first two of which there must be, and what headers call them: letters and digits only, in
 * lower case; the first that a header has wins. */
struct kind {
    const char *what, *roles[REC_DETECT_COLUMNS], *synonyms[REC_DETECT_COLUMNS][24];
};

static const struct kind ratings = {"ratings", {"user", "item", "rating", "time"}, {
    {"userid", "user", "uid", "userno", "customerid", "customer", "reviewerid", "memberid", "member", "accountid", "account",
     "visitorid", "sessionid", "u"},
    {ITEMS, "i"},
    {"rating", "ratings", "score", "stars", "star", "value", "overall", "preference", "bookrating", "starrating", "userrating"},
    {"timestamp", "time", "unixtime", "unixreviewtime", "ts", "datetime", "date", "ratedat", "createdat", "created"},
}};

static const struct kind movies = {"items", {"item", "title", "genres", "year"}, {
    {ITEMS, "id"},
    {"title", "movietitle", "name", "booktitle", "filmtitle", "itemtitle", "itemname"},
    {"genres", "genre", "categories", "category"},
    {"year", "releaseyear", "yearofrelease", "yearofpublication", "publicationyear", "releasedate", "date"},
}};

struct look {
    struct rec_csv_field *field;   /* of all lines, one after another */
    size_t n[LOOK_LINES], rows, cap, total;
};

/* ---- cutting the first lines ---- */

static int add_row(struct look *look, const struct rec_csv *csv, struct rec_err *err)
{
    if (look->total + csv->n > look->cap) {
        size_t cap = (look->total + csv->n) * 2;
        if (rec_realloc(&look->field, cap, sizeof *look->field, csv->name, err) < 0)
            return -1;
        look->cap = cap;
    }
    memcpy(look->field + look->total, csv->field, csv->n * sizeof *csv->field);
    look->total += csv->n;
    look->n[look->rows++] = csv->n;
    return 0;
}

/* The first records under this dialect; a last one that the sample may have cut is left out. Fields that libcsv had to unquote
 * lie in its memory, so such records count, but their text does not: `quoted` rows have it dropped. */
static int look_at(struct look *look, const struct rec_csv_dialect *dialect, const char *name, const char *text, size_t len, bool whole,
                   struct rec_buf *copy, struct rec_err *err)
{
    struct rec_csv csv;
    int status = 0;

    look->rows = look->total = 0;
    rec_buf_reset(copy);
    if (rec_csv_text(&csv, name, text, len, len, dialect, err) < 0)
        return -1;
    /* Room for every text at once, so that none of them moves. */
    if (rec_buf_reserve(copy, len + 1) < 0)
        status = rec_err_memory(err, name);
    while (status == 0 && look->rows < LOOK_LINES && rec_csv_next(&csv, err) == REC_CSV_RECORD) {
        if (!whole && look->rows && csv.at == csv.end)
            break;
        for (size_t i = 0; i < csv.n; i++) {
            size_t at = copy->len;
            rec_buf_add(copy, csv.field[i].text, csv.field[i].len);
            csv.field[i].text = copy->data + at;
        }
        status = add_row(look, &csv, err);
    }
    rec_csv_close(&csv);
    return status;
}

static bool even(const struct look *look)
{
    for (size_t i = 1; i < look->rows; i++)
        if (look->n[i] != look->n[0])
            return false;
    return look->rows && look->n[0] >= 2;
}

/* ---- the delimiter ---- */

static const struct {
    const char *name, *bytes;
} delimiters[] = {
    {"tab", "\t"}, {"\\t", "\t"}, {"comma", ","}, {"semicolon", ";"}, {"pipe", "|"}, {"colons", "::"}, {"blank", " "}, {"space", " "},
};

static void set_delimiter(struct rec_csv_dialect *d, const char *bytes)
{
    size_t n = strlen(bytes);

    n = n < sizeof d->delimiter ? n : sizeof d->delimiter - 1;
    memset(d->delimiter, 0, sizeof d->delimiter);
    memcpy(d->delimiter, bytes, n);
    d->delimiter_len = strcmp(bytes, " ") ? n : 0;
    d->quotes = d->delimiter_len == 1 && *bytes != '"';
    d->record_max = d->delimiter_len ? 0 : LIST_RECORD_MAX;
}

static const char *delimiter_name(const struct rec_csv_dialect *d)
{
    if (d->delimiter_len == 0)
        return "blanks";
    for (size_t i = 0; i < REC_LENGTH(delimiters); i++)
        if (!strcmp(delimiters[i].bytes, d->delimiter) && i != 1)
            return delimiters[i].name;
    return d->delimiter;
}

static int wish_delimiter(struct rec_csv_dialect *d, const char *wish, struct rec_err *err)
{
    const char *bytes = wish;

    for (size_t i = 0; i < REC_LENGTH(delimiters); i++)
        if (!strcmp(delimiters[i].name, wish))
            bytes = delimiters[i].bytes;
    if (!*bytes || strlen(bytes) >= sizeof d->delimiter || strpbrk(bytes, "\r\n\""))
        return rec_err_set(err, "--delimiter: \"%s\" is not one to seven bytes without quotes and line breaks", wish);
    set_delimiter(d, bytes);
    return 0;
}

/* ---- headers ---- */

static void normalize(char out[32], const struct rec_csv_field *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->len && n < 31; i++)
        if (isalnum((unsigned char)f->text[i]) && (unsigned char)f->text[i] < 0x80)
            out[n++] = (char)tolower((unsigned char)f->text[i]);
    out[n] = 0;
}

/* The column that the header calls by a synonym of the role; -1: none, -2: the same name twice. */
static int find_synonym(const struct kind *kind, const struct look *look, int role)
{
    for (const char *const *s = kind->synonyms[role]; *s; s++) {
        int found = -1;
        for (size_t i = 0; i < look->n[0]; i++) {
            char name[32];
            normalize(name, &look->field[i]);
            if (strcmp(name, *s))
                continue;
            if (found >= 0)
                return -2;
            found = (int)i;
        }
        if (found >= 0)
            return found;
    }
    return -1;
}

static bool is_number(const struct rec_csv_field *f)
{
    double value;

    return rec_num_double(&value, f->text, f->len) == 0;
}

/* A line that names both columns there must be. */
static bool is_header(const struct kind *kind, const struct look *look)
{
    for (size_t i = 0; i < look->n[0]; i++)
        if (is_number(&look->field[i]))
            return false;
    return find_synonym(kind, look, 0) != -1 && find_synonym(kind, look, 1) != -1;
}

/* ---- columns ---- */

/* A name of the header as it stands, or a number from 1. */
static int find_column(const struct rec_detect *d, const struct look *look, const char *text, size_t len)
{
    int64_t number;

    for (size_t i = 0; d->header && i < look->n[0]; i++)
        if (look->field[i].len == len && !memcmp(look->field[i].text, text, len))
            return (int)i;
    if (rec_num_int64(&number, text, len) == 0 && number >= 1 && (uint64_t)number <= look->n[0])
        return (int)number - 1;
    return -1;
}

static int role_of(const struct kind *kind, const char *text, size_t len)
{
    for (int i = 0; i < REC_DETECT_COLUMNS; i++)
        if (strlen(kind->roles[i]) == len && !memcmp(kind->roles[i], text, len))
            return i;
    return -1;
}

/* "user=uid,item=3": all others are none. */
static int wish_columns(struct rec_detect *d, const struct kind *kind, const char *wish, const struct look *look, const char *name,
                        struct rec_err *err)
{
    for (const char *p = wish; *p;) {
        size_t part = strcspn(p, ","), key = strcspn(p, "=,");
        int role = role_of(kind, p, key), column;
        if (role < 0 || key >= part)
            return rec_err_set(err, "--columns: \"%.*s\" is not %s=, %s=, %s= or %s= and a column", (int)part, p, kind->roles[0],
                               kind->roles[1], kind->roles[2], kind->roles[3]);
        if (d->column[role] >= 0)
            return rec_err_set(err, "--columns: %s= is there twice", kind->roles[role]);
        column = find_column(d, look, p + key + 1, part - key - 1);
        if (column < 0)
            return rec_err_set(err, "%s: has no column \"%.*s\" for %s=", name, (int)(part - key - 1), p + key + 1, kind->roles[role]);
        d->column[role] = column;
        p += part + (p[part] == ',');
    }
    return 0;
}

static int header_columns(struct rec_detect *d, const struct kind *kind, const struct look *look, const char *name, struct rec_err *err)
{
    for (int role = 0; role < REC_DETECT_COLUMNS; role++) {
        d->column[role] = find_synonym(kind, look, role);
        if (d->column[role] == -2)
            return rec_err_set(err, "%s: two columns could be the %s; say which with --columns", name, kind->roles[role]);
    }
    return 0;
}

/* Without names: by place, and a third column of large whole numbers is times, not ratings; one of numbers years, not genres. */
static void placed_columns(struct rec_detect *d, const struct kind *kind, const struct look *look)
{
    int64_t least = kind == &ratings ? 100000000 : 1000;
    size_t at = 0;
    bool times = look->n[0] == 3;

    for (int i = 0; i < 4 && (size_t)i < look->n[0]; i++)
        d->column[i] = i;
    for (size_t row = 0; row < look->rows && times; at += look->n[row++]) {
        int64_t number = 0;
        if (row == 0 && d->header)
            continue;
        times = rec_num_int64(&number, look->field[at + 2].text, look->field[at + 2].len) == 0 && number >= least;
    }
    if (times) {
        d->column[3] = 2;
        d->column[2] = -1;
    }
}

static int find_columns(struct rec_detect *d, const struct kind *kind, const struct rec_detect_wish *wish, const struct look *look,
                        const char *name, struct rec_err *err)
{
    d->header = wish->header == 1 || (wish->header < 0 && is_header(kind, look));
    /* Names asked for are in the header, if there is one. */
    if (wish->header < 0 && wish->columns && !d->header) {
        d->header = true;
        for (size_t i = 0; i < look->n[0]; i++)
            d->header &= !is_number(&look->field[i]) && look->field[i].len > 0;
    }
    if (wish->columns)
        return wish_columns(d, kind, wish->columns, look, name, err);
    if (d->header && (find_synonym(kind, look, 0) >= 0 || find_synonym(kind, look, 1) >= 0))
        return header_columns(d, kind, look, name, err);
    if (look->n[0] > 4)
        return rec_err_set(err, "%s: %zu columns and no header that names %s and %s; use --columns %s=...,%s=...,%s=...,%s=...", name,
                           look->n[0], kind->roles[0], kind->roles[1], kind->roles[0], kind->roles[1], kind->roles[2],
                           kind->roles[3]);
    /* Names over numbers, but none that says who rated what. */
    if (wish->header < 0 && look->rows > 1 && look->n[0] > 2 && look->n[1] > 2 && !is_number(&look->field[2]) &&
        is_number(&look->field[look->n[0] + 2]))
        return rec_err_set(err, "%s: the first line seems to be a header, but names no %s and %s; use --columns", name,
                           kind->roles[0], kind->roles[1]);
    placed_columns(d, kind, look);
    return 0;
}

/* ---- the layout ---- */

static int find_delimiter(struct rec_detect *d, const struct kind *kind, struct look *look, const char *name, const char *text, size_t len,
                          bool whole, struct rec_buf *copy, struct rec_err *err)
{
    static const char *const candidates[] = {"::", "\t", ",", ";", "|", " "};
    size_t longest = 0;

    /* Names that are known settle it; then evenness alone does. */
    for (size_t i = 0; i < 2 * REC_LENGTH(candidates); i++) {
        set_delimiter(&d->dialect, candidates[i % REC_LENGTH(candidates)]);
        if (look_at(look, &d->dialect, name, text, len, whole, copy, err) < 0)
            return -1;
        if (even(look) && (i >= REC_LENGTH(candidates) || is_header(kind, look)))
            return 0;
    }
    /* Blanks, the last one tried, do not cut evenly: lists, unless nearly every line has the other delimiter in it. */
    for (size_t i = 0; i < look->rows; i++)
        longest = look->n[i] > longest ? look->n[i] : longest;
    if (kind == &ratings && longest >= 2 && !memchr(text, ',', len) && !memchr(text, ';', len) && !memchr(text, '\t', len)) {
        d->layout = REC_DETECT_LISTS;
        return 0;
    }
    /* The first line decides, and the rows that do not follow it are bad rows. */
    for (size_t i = 0; i < REC_LENGTH(candidates) - 1; i++) {
        set_delimiter(&d->dialect, candidates[i]);
        if (look_at(look, &d->dialect, name, text, len, whole, copy, err) < 0)
            return -1;
        if (look->rows && look->n[0] >= 2)
            return 0;
    }
    if (look->rows == 0)
        return rec_err_set(err, "%s: holds no %s", name, kind->what);
    return rec_err_set(err, "%s: found no delimiter that cuts lines into %s, %s and so on; use --delimiter", name, kind->roles[0],
                       kind->roles[1]);
}

static int detect_table(struct rec_detect *d, const struct kind *kind, const struct rec_detect_wish *wish, struct look *look,
                        const char *name, struct rec_err *err)
{
    d->n_fields = look->n[0];
    if (d->n_fields < 2 && look->rows)
        return rec_err_set(err, "%s: the first line has one field only; is the delimiter right?", name);
    if (find_columns(d, kind, wish, look, name, err) < 0)
        return -1;
    for (int i = 0; i < 2; i++)
        if (d->column[i] < 0)
            return rec_err_set(err, "%s: found no column for the %s; use --columns %s=...,%s=...", name, kind->roles[i], kind->roles[0],
                               kind->roles[1]);
    for (int i = 0; i < REC_DETECT_COLUMNS; i++) {
        const struct rec_csv_field *f = d->column[i] >= 0 ? &look->field[d->column[i]] : NULL;
        snprintf(d->name[i], sizeof d->name[i], "%.*s", f && d->header ? (int)(f->len < 31 ? f->len : 31) : 6,
                 f && d->header ? f->text : kind->roles[i]);
    }
    return 0;
}

static void describe(struct rec_detect *d, const struct kind *kind)
{
    struct rec_buf out = {0};

    if (d->layout == REC_DETECT_LISTS) {
        rec_buf_adds(&out, "lines `user item item ...`");
    } else if (d->layout == REC_DETECT_UITEM) {
        rec_buf_adds(&out, "u.item of MovieLens 100K");
    } else {
        rec_buf_addf(&out, "%s, %s,", delimiter_name(&d->dialect), d->header ? "header" : "no header");
        for (int i = 0; i < REC_DETECT_COLUMNS; i++)
            if (d->column[i] >= 0 && d->header)
                rec_buf_addf(&out, " %s=%s", kind->roles[i], d->name[i]);
            else if (d->column[i] >= 0)
                rec_buf_addf(&out, " %s=%d", kind->roles[i], d->column[i] + 1);
    }
    if (kind == &ratings && d->column[REC_DETECT_RATING] < 0)
        rec_buf_adds(&out, " (no rating: implicit)");
    snprintf(d->text, sizeof d->text, "%s", out.data ? out.data : "");
    rec_buf_clear(&out);
}

static void finish(struct rec_detect *d, const struct kind *kind, const struct rec_detect_wish *wish)
{
    d->dialect.libcsv = wish->libcsv;
    for (int i = 0; i < REC_DETECT_COLUMNS; i++)
        if (!d->name[i][0])
            snprintf(d->name[i], sizeof d->name[i], "%s", kind->roles[i]);
    describe(d, kind);
}

/* 24 fields, 19 of them flags. Quotes mean nothing there, and the columns are known. 1: it is u.item. */
static int try_uitem(struct rec_detect *d, struct look *look, const char *name, const char *text, size_t len, bool whole,
                     struct rec_buf *copy, struct rec_err *err)
{
    set_delimiter(&d->dialect, "|");
    d->dialect.quotes = false;
    if (look_at(look, &d->dialect, name, text, len, whole, copy, err) < 0)
        return -1;
    if (look->rows == 0 || look->n[0] != 24)
        return 0;
    for (size_t i = 5; i < 24; i++)
        if (look->field[i].len != 1 || (look->field[i].text[0] != '0' && look->field[i].text[0] != '1'))
            return 0;
    d->layout = REC_DETECT_UITEM;
    d->n_fields = 24;
    d->column[REC_DETECT_MOVIE] = 0;
    d->column[REC_DETECT_TITLE] = 1;
    d->column[REC_DETECT_YEAR] = 2;
    return 1;
}

static int detect(struct rec_detect *d, const struct kind *kind, const struct rec_detect_wish *wish, const char *name, const char *text,
                  size_t len, bool whole, struct rec_err *err)
{
    struct look look = {0};
    struct rec_buf copy = {0};
    int status = -1;

    *d = (struct rec_detect){.layout = wish->layout, .column = {-1, -1, -1, -1}};
    if (kind == &movies && !wish->columns && (!wish->delimiter || !strcmp(wish->delimiter, "|"))) {
        status = try_uitem(d, &look, name, text, len, whole, &copy, err);
        if (status)
            goto out;
        status = -1;
    }
    if (wish->layout == REC_DETECT_LISTS && !wish->delimiter)
        set_delimiter(&d->dialect, " ");
    if (wish->delimiter && wish_delimiter(&d->dialect, wish->delimiter, err) < 0)
        goto out;
    if (wish->delimiter || wish->layout == REC_DETECT_LISTS
            ? look_at(&look, &d->dialect, name, text, len, whole, &copy, err) < 0
            : find_delimiter(d, kind, &look, name, text, len, whole, &copy, err) < 0)
        goto out;
    if (look.rows == 0) {
        rec_err_set(err, "%s: holds no %s", name, kind->what);
        goto out;
    }
    /* Blanks between two words a line are lists as well as a table; between five or more, no table of ours. */
    if (d->layout == REC_DETECT_ANY)
        d->layout = kind == &ratings && d->dialect.delimiter_len == 0 && !wish->columns && look.n[0] > 4 ? REC_DETECT_LISTS : REC_DETECT_TABLE;
    if (d->layout == REC_DETECT_LISTS)
        d->header = wish->header == 1;
    else if (detect_table(d, kind, wish, &look, name, err) < 0)
        goto out;
    status = 0;
out:
    if (status >= 0)
        finish(d, kind, wish);
    rec_buf_clear(&copy);
    free(look.field);
    return status < 0 ? -1 : 0;
}

int rec_detect_ratings(struct rec_detect *d, const struct rec_detect_wish *wish, const char *name, const char *text, size_t len,
                       bool whole, struct rec_err *err)
{
    return detect(d, &ratings, wish, name, text, len, whole, err);
}

int rec_detect_movies(struct rec_detect *d, const struct rec_detect_wish *wish, const char *name, const char *text, size_t len,
                      bool whole, struct rec_err *err)
{
    return detect(d, &movies, wish, name, text, len, whole, err);
}
