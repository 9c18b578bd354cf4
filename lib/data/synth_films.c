/* SPDX-License-Identifier: MIT
 *
 * Real films for made-up ratings: the columns movieId, title and genres of a CSV file as MovieLens has it. The year is the last
 * thing in the title, in parentheses; genres are separated by `|`.
 */
#include <rec/data.h>

enum { COLUMN_ID, COLUMN_TITLE, COLUMN_GENRES, COLUMNS };
static const char *const column_name[COLUMNS] = {"movieId", "title", "genres"};

struct reader {
    struct rec_synth_films *films;
    struct rec_hashmap ids, genres;
    size_t cap;
    int column[COLUMNS];
};

static bool is(const struct rec_csv_field *field, const char *text)
{
    return field->len == strlen(text) && memcmp(field->text, text, field->len) == 0;
}

static int read_header(struct reader *r, const struct rec_csv *csv, struct rec_err *err)
{
    for (int c = 0; c < COLUMNS; c++) {
        r->column[c] = -1;
        for (size_t i = 0; i < csv->n; i++)
            if (is(&csv->field[i], column_name[c]))
                r->column[c] = (int)i;
        if (r->column[c] < 0)
            return rec_err_set(err, "%s:%llu: no column %s; a file of films begins movieId,title,genres", csv->name,
                               (unsigned long long)csv->line, column_name[c]);
    }
    return 0;
}

/* "Metropolis (1927)" gives 1927; 0 when there is no year. */
static int year_of(const char *title, size_t len)
{
    int64_t year;

    while (len > 0 && title[len - 1] == ' ')
        len--;
    if (len < 6 || title[len - 1] != ')' || title[len - 6] != '(' || rec_num_int64(&year, title + len - 5, 4) < 0)
        return 0;
    return year > 0 ? (int)year : 0;
}

static int genres_of(uint64_t *bits, struct reader *r, const char *text, size_t len)
{
    *bits = 0;
    if (len == 0 || text[0] == '(') /* MovieLens: "(no genres listed)" */
        return 0;
    for (size_t from = 0, to; from <= len; from = to + 1) {
        uint32_t g;

        for (to = from; to < len && text[to] != '|'; to++)
            ;
        if (to == from)
            continue;
        g = rec_hashmap_intern(&r->genres, text + from, to - from);
        if (g >= 63)
            return -1;
        *bits |= (uint64_t)1 << g;
    }
    return 0;
}

static int read_film(struct reader *r, const struct rec_csv *csv, struct rec_err *err)
{
    struct rec_synth_films *films = r->films;
    struct rec_synth_film film = {0};
    const struct rec_csv_field *id = &csv->field[r->column[COLUMN_ID]], *title, *genres;
    unsigned long long line = csv->line;

    for (int c = 0; c < COLUMNS; c++)
        if ((size_t)r->column[c] >= csv->n)
            return rec_err_set(err, "%s:%llu: no field for %s", csv->name, line, column_name[c]);
    title = &csv->field[r->column[COLUMN_TITLE]];
    genres = &csv->field[r->column[COLUMN_GENRES]];
    if (id->len == 0 || rec_hashmap_find(&r->ids, id->text, id->len) != REC_HASHMAP_NONE)
        return rec_err_set(err, "%s:%llu: the id \"%.*s\" %s", csv->name, line, (int)(id->len < 80 ? id->len : 80), id->text,
                           id->len ? "was there before" : "is empty");
    if (rec_hashmap_intern(&r->ids, id->text, id->len) == REC_HASHMAP_NONE)
        return rec_err_memory(err, csv->name);
    film.year = year_of(title->text, title->len);
    if (genres_of(&film.genres, r, genres->text, genres->len) < 0)
        return rec_err_set(err, "%s:%llu: more than 63 genres", csv->name, line);
    if (films->n == r->cap) {
        if (rec_realloc(&films->film, r->cap ? r->cap * 2 : 1024, sizeof *films->film, csv->name, err) < 0)
            return -1;
        r->cap = r->cap ? r->cap * 2 : 1024;
    }
    films->film[films->n++] = film;
    return 0;
}

int rec_synth_films_read(struct rec_synth_films *films, const char *path, struct rec_err *err)
{
    const struct rec_csv_dialect dialect = {.delimiter = ",", .delimiter_len = 1, .quotes = true};
    struct reader r = {.films = films};
    struct rec_csv csv;
    bool header = false;
    int status;

    *films = (struct rec_synth_films){0};
    if (rec_csv_open(&csv, path, &dialect, err) < 0)
        return -1;
    while ((status = rec_csv_next(&csv, err)) == REC_CSV_RECORD) {
        if ((header ? read_film(&r, &csv, err) : read_header(&r, &csv, err)) < 0) {
            status = -1;
            break;
        }
        header = true;
    }
    if (status == REC_CSV_BAD)
        status = rec_csv_complain(err, &csv);
    if (status == 0 && films->n == 0)
        status = rec_err_set(err, "%s: no films", csv.name);
    rec_csv_close(&csv);
    /* ids point into the map's strings, which have stopped moving */
    films->ids = r.ids;
    for (size_t i = 0; i < films->n; i++) {
        films->film[i].id = films->ids.bytes + films->ids.offset[i];
        films->film[i].id_len = (size_t)(films->ids.offset[i + 1] - films->ids.offset[i]);
    }
    rec_hashmap_clear(&r.genres);
    if (status < 0)
        rec_synth_films_clear(films);
    return status;
}

void rec_synth_films_clear(struct rec_synth_films *films)
{
    free(films->film);
    rec_hashmap_clear(&films->ids);
    *films = (struct rec_synth_films){0};
}
