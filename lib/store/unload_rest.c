/* SPDX-License-Identifier: MIT
 *
 * Movies and feedback out of the store as CSV: few rows beside the ratings, so that these are put together field by field.
 */
#include "unload_priv.h"

struct text {
    const struct rec_unload_options *options;
    struct rec_out *out;
    struct unload_names users, movies;   /* of feedback */
    struct rec_buf line, title;
    uint64_t done;
};

static void add(struct text *t, const char *text, size_t len)
{
    rec_csv_add(&t->line, rec_unload_delimiter(t->options), text, len);
}

static void add_int(struct text *t, int64_t value)
{
    char text[REC_NUM_MAX];

    add(t, text, rec_num_print_int64(text, value));
}

static int head(struct text *t, const char *const *words, size_t n, struct rec_err *err)
{
    if (t->options->no_header)
        return 0;
    for (size_t i = 0; i < n; i++)
        add(t, words[i], strlen(words[i]));
    rec_buf_addc(&t->line, '\n');
    return t->line.failed ? rec_err_memory(err, t->out->name) : rec_out_write(t->out, t->line.data, t->line.len, err);
}

static int end_row(struct text *t, const char *what, struct rec_err *err)
{
    rec_buf_addc(&t->line, '\n');
    if (t->line.failed)
        return rec_err_memory(err, t->out->name);
    if (++t->done % 4096 == 0 && t->options->progress)
        t->options->progress(t->options->context, what, t->done, 0);
    return rec_out_write(t->out, t->line.data, t->line.len, err);
}

static void clear(struct text *t)
{
    rec_unload_names_clear(&t->users);
    rec_unload_names_clear(&t->movies);
    rec_buf_clear(&t->line);
    rec_buf_clear(&t->title);
}

/* ---- movies ---- */

/* Whether a title ends in "(1995)", or in a stretch of years that begins with it: "(1995-1999)", with any dash. */
static bool has_year(const char *title, size_t len, int64_t year)
{
    char begin[REC_NUM_MAX + 2];
    size_t n = (size_t)snprintf(begin, sizeof begin, "(%lld", (long long)year), at = len;

    if (len == 0 || title[len - 1] != ')')
        return false;
    while (at > 0 && title[at - 1] != '(')
        at--;
    return at > 0 && len - at >= n && memcmp(title + at - 1, begin, n) == 0 && !(title[at - 1 + n] >= '0' && title[at - 1 + n] <= '9');
}

static const struct rec_copy_column movie_columns[] = {
    {"name", REC_COPY_TEXT}, {"title", REC_COPY_TEXT}, {"year", REC_COPY_INT32}, {"genres", REC_COPY_TEXT},
};

static int write_movie(void *context, const struct rec_sql_value *row, struct rec_err *err)
{
    struct text *t = context;
    int64_t year = row[2].integer;

    rec_buf_reset(&t->line);
    rec_buf_reset(&t->title);
    rec_buf_add(&t->title, row[1].text, row[1].len);
    if (year && !has_year(row[1].text, row[1].len, year))
        rec_buf_addf(&t->title, "%s(%04lld)", row[1].len ? " " : "", (long long)year);
    rec_buf_adds(&t->title, "");
    if (t->title.failed)
        return rec_err_memory(err, t->out->name);
    add(t, row[0].text, row[0].len);
    add(t, t->title.data, t->title.len);
    add(t, row[3].len ? row[3].text : "(no genres listed)", row[3].len ? row[3].len : 18);
    return end_row(t, "movies", err);
}

int rec_unload_movies(struct rec_store *store, const struct rec_unload_options *options, struct rec_out *out, uint64_t *rows,
                      struct rec_err *err)
{
    static const char *const words[] = {"movieId", "title", "genres"};
    struct text t = {.options = options, .out = out};
    int status = -1;

    if (options->since_given)
        return rec_err_set(err, "movies: when each of them came is not kept: export all of them, without a beginning");
    if (head(&t, words, REC_LENGTH(words), err) == 0)
        status = rec_copy_out(store->db, "SELECT name, title, year, genres FROM movies ORDER BY name", movie_columns,
                              REC_LENGTH(movie_columns), write_movie, &t, NULL, err);
    if (rows)
        *rows = t.done;
    clear(&t);
    return status;
}

/* ---- feedback ---- */

static const struct rec_copy_column event_columns[] = {
    {"user_id", REC_COPY_INT32}, {"movie_id", REC_COPY_INT32}, {"kind", REC_COPY_TEXT}, {"value", REC_COPY_REAL32},
    {"time", REC_COPY_INT64}, {"request", REC_COPY_TEXT}, {"arm", REC_COPY_TEXT}, {"received", REC_COPY_INT64},
};

static int add_name(struct text *t, const struct unload_names *names, int64_t row, struct rec_err *err)
{
    int32_t place = rec_unload_names_place(names, row);
    size_t len;
    const char *id;

    if (place < 0)
        return rec_err_set(err, "feedback: an event names row %lld, which is not there: the store is damaged", (long long)row);
    id = rec_ids_get(&names->ids, (size_t)place, &len);
    add(t, id, len);
    return 0;
}

static void add_value(struct text *t, const struct rec_sql_value *value)
{
    char text[REC_NUM_MAX];
    double x = value->type == REC_SQL_INT ? (double)value->integer : value->real;

    add(t, text, value->type == REC_SQL_NULL ? 0 : rec_num_print_float(text, (float)x));
}

/* Seconds, with the microseconds that the store has. */
static void add_received(struct text *t, int64_t received)
{
    char text[2 * REC_NUM_MAX];
    int len = snprintf(text, sizeof text, "%lld.%06lld", (long long)(received / 1000000), (long long)(received % 1000000));

    add(t, text, (size_t)len);
}

static int write_event(void *context, const struct rec_sql_value *row, struct rec_err *err)
{
    struct text *t = context;

    rec_buf_reset(&t->line);
    if (add_name(t, &t->users, row[0].integer, err) < 0 || add_name(t, &t->movies, row[1].integer, err) < 0)
        return -1;
    add(t, row[2].text, row[2].len);
    add_value(t, &row[3]);
    add_int(t, row[4].integer);
    add(t, row[5].text, row[5].len);
    add(t, row[6].type == REC_SQL_NULL ? "" : row[6].text, row[6].type == REC_SQL_NULL ? 0 : row[6].len);
    add_received(t, row[7].integer);
    return end_row(t, "feedback", err);
}

static int write_feedback(struct text *t, struct rec_store *store, struct rec_err *err)
{
    static const char *const words[] = {"userId", "movieId", "kind", "value", "timestamp", "requestId", "arm", "received"};
    char query[200];

    snprintf(query, sizeof query,
             "SELECT user_id, movie_id, kind, value, time, request, arm, received FROM feedback WHERE received >= %lld ORDER BY id",
             t->options->since_given ? (long long)rec_unload_since(t->options) * 1000000 : 0LL);
    if (rec_unload_names_read(&t->users, store, REC_NAMES_USERS, err) < 0 ||
        rec_unload_names_read(&t->movies, store, REC_NAMES_MOVIES, err) < 0 || head(t, words, REC_LENGTH(words), err) < 0)
        return -1;
    return rec_copy_out(store->db, query, event_columns, REC_LENGTH(event_columns), write_event, t, NULL, err);
}

int rec_unload_feedback(struct rec_store *store, const struct rec_unload_options *options, struct rec_out *out, uint64_t *rows,
                        int64_t *mark, struct rec_err *err)
{
    struct text t = {.options = options, .out = out};
    int status = -1;

    if (rec_unload_mark(mark, store, err) < 0 || rec_sql_begin(store->db, REC_SQL_READ, err) < 0)
        return -1;
    status = write_feedback(&t, store, err);
    rec_sql_rollback(store->db);
    if (rows)
        *rows = t.done;
    clear(&t);
    return status;
}
