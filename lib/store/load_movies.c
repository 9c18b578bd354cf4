/* SPDX-License-Identifier: MIT
 *
 * A catalogue into the store: films by their ids, those that are there brought up to date.
 */
#include "load_priv.h"

struct movies {
    const struct rec_load_options *options;
    struct rec_load_report *report;
    const struct rec_catalogue *c;
    int32_t *row;
    size_t at;
    struct rec_buf title, genres;
};

static const struct rec_copy_column columns[] = {
    {"id", REC_COPY_INT32}, {"title", REC_COPY_TEXT}, {"year", REC_COPY_INT32}, {"genres", REC_COPY_TEXT},
};

static const char stage_sqlite[] =
    "CREATE TEMPORARY TABLE load_staging (id INTEGER PRIMARY KEY, title TEXT NOT NULL, year INTEGER NOT NULL, genres TEXT NOT NULL)";
static const char stage_postgresql[] =
    "CREATE TEMPORARY TABLE load_staging (id integer PRIMARY KEY, title text NOT NULL, year integer NOT NULL, genres text NOT NULL) "
    "ON COMMIT DROP";

#define DIFFERS "(m.title <> s.title OR m.year <> s.year OR m.genres <> s.genres)"

static const char count_changed[] = "SELECT count(*) FROM load_staging s JOIN movies m ON m.id = s.id WHERE m.id <= $1 AND " DIFFERS;
static const char update[] =
    "UPDATE movies AS m SET title = s.title, year = s.year, genres = s.genres FROM load_staging s WHERE m.id = s.id AND " DIFFERS;

/* The names of the genres with '|' between them, which no name may hold. */
static int add_genres(struct movies *m, size_t i, struct rec_err *err)
{
    const struct rec_catalogue *c = m->c;

    rec_buf_reset(&m->genres);
    rec_buf_adds(&m->genres, "");
    for (int64_t p = c->genre_ptr[i]; p < c->genre_ptr[i + 1]; p++) {
        size_t len;
        const char *name = rec_ids_get(&c->genres, (size_t)c->genre[p], &len);
        if (memchr(name, '|', len))
            return rec_err_set(err, "genre \"%.*s\": holds a '|', which stands between genres in the store: rename it",
                               (int)(len < 80 ? len : 80), name);
        if (p > c->genre_ptr[i])
            rec_buf_addc(&m->genres, '|');
        rec_buf_add(&m->genres, name, len);
    }
    return m->genres.failed ? rec_err_memory(err, "movies") : 0;
}

/* A rec_copy_source. */
static int next_movie(void *context, struct rec_sql_value *row, struct rec_err *err)
{
    struct movies *m = context;
    size_t len, i = m->at;
    const char *title;

    if (i == m->c->n)
        return 0;
    m->at++;
    title = rec_catalogue_title(m->c, i, &len);
    rec_buf_reset(&m->title);
    rec_buf_adds(&m->title, "");
    rec_buf_add(&m->title, title, len);
    if (m->title.failed)
        return rec_err_memory(err, "movies");
    if (add_genres(m, i, err) < 0)
        return -1;
    row[0] = rec_sql_int(m->row[i]);
    row[1] = rec_sql_bytes(m->title.data, m->title.len);
    row[2] = rec_sql_int(m->c->year[i]);
    row[3] = rec_sql_bytes(m->genres.data, m->genres.len);
    if (m->options->progress && m->at % 4096 == 0)
        m->options->progress(m->options->context, "movies", m->at, m->c->n);
    return 1;
}

/* Titles, years and genres of those whose rows are known. `last`: the greatest row that was there before. */
static int bring_up_to_date(struct movies *m, struct rec_store *store, int64_t last, struct rec_err *err)
{
    bool sqlite = strcmp(rec_sql_dialect(store->db), "sqlite") == 0;
    int64_t changed = 0;

    m->at = 0;
    if (rec_sql_script(store->db, sqlite ? stage_sqlite : stage_postgresql, err) < 0 ||
        rec_copy_in(store->db, "load_staging", columns, REC_LENGTH(columns), next_movie, m, NULL, err) < 0 ||
        rec_sql_get_int(&changed, store->db, count_changed, REC_SQL(rec_sql_int(last)), err) < 0 ||
        rec_sql_exec(store->db, NULL, update, REC_SQL_NONE, err) < 0 || rec_sql_script(store->db, "DROP TABLE load_staging", err) < 0)
        return -1;
    m->report->changed = (uint64_t)changed;
    m->report->same = m->report->rows - m->report->added - m->report->changed;
    return 0;
}

static int load_movies(struct rec_store *store, void *context, struct rec_err *err)
{
    struct movies *m = context;
    int64_t id, last = 0;

    *m->report = (struct rec_load_report){.rows = m->c->n};
    if (rec_sql_lock(store->db, REC_LOAD_LOCK, REC_LOAD_WAIT, err) < 0 ||
        rec_load_row_begin(&id, store, "movies", m->options, false, err) < 0 ||
        rec_sql_get_int(&last, store->db, "SELECT max(id) FROM movies", REC_SQL_NONE, err) < 0 ||
        rec_names_intern_all(m->row, store, REC_NAMES_MOVIES, &m->c->items, &m->report->movies, err) < 0)
        return -1;
    m->report->added = m->report->movies;
    if (bring_up_to_date(m, store, last, err) < 0)
        return -1;
    return rec_load_row_end(id, store, m->report, m->options->now, err);
}

int rec_load_movies(struct rec_store *store, const struct rec_catalogue *movies, const struct rec_load_options *options,
                    struct rec_load_report *report, struct rec_err *err)
{
    struct movies m = {.options = options, .report = report, .c = movies};
    double patience;
    int status = -1;

    m.row = rec_malloc(movies->n, sizeof *m.row, "movies", err);
    if (m.row) {
        patience = rec_sql_patience(store->db, REC_LOAD_WAIT);
        status = rec_store_write(store, load_movies, &m, err);
        rec_sql_patience(store->db, patience);
    }
    rec_buf_clear(&m.title);
    rec_buf_clear(&m.genres);
    free(m.row);
    return status;
}
