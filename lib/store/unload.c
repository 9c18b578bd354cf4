/* SPDX-License-Identifier: MIT
 *
 * Ratings out of the store as CSV, from one snapshot. Rows leave the database as numbers; the ids are put in here, where each was written
 * out once.
 *
 * A rating without a time, where others have one, is written with the time 0 (1970-01-01): rec-ingest takes no empty field for a
 * value, and the earliest time says that any other rating of the pair is later. Loaded again it is the same rating.
 */
#include "unload_priv.h"

#include <time.h>

#define MARGIN 60                 /* seconds: clocks of different machines, and the way from a clock to a row */
#define LATEST INT64_C(9000000000000)

enum { STEP = 1 << 16 };          /* rows between two calls of progress */

struct ratings {
    const struct rec_unload_options *options;
    struct rec_export *export;
    struct unload_names users, movies;
    const char *name;
    uint64_t done, total;
    uint32_t user;                /* the row of the database that the last rating was of, and its place */
    int32_t user_place;
};

/* ---- names ---- */

int rec_unload_names_read(struct unload_names *names, struct rec_store *store, enum rec_names_of of, struct rec_err *err)
{
    int32_t *row = NULL, greatest = 0;
    int status = -1;

    *names = (struct unload_names){0};
    if (rec_names_all(&names->ids, &row, store, of, err) < 0)
        return -1;
    for (size_t i = 0; i < names->ids.n; i++)
        greatest = row[i] > greatest ? row[i] : greatest;
    names->n = (size_t)greatest + 1;
    /* Gaps cost no memory: pages of zeros that nobody touches are not there. */
    names->place = rec_calloc(names->n, sizeof *names->place, "ids", err);
    if (!names->place)
        goto out;
    for (size_t i = 0; i < names->ids.n; i++)
        if (row[i] >= 0)
            names->place[row[i]] = (int32_t)i + 1;
    status = 0;
out:
    free(row);
    return status;
}

void rec_unload_names_clear(struct unload_names *names)
{
    rec_ids_clear(&names->ids);
    free(names->place);
    *names = (struct unload_names){0};
}

int32_t rec_unload_names_place(const struct unload_names *names, int64_t row)
{
    return row >= 0 && (uint64_t)row < names->n ? names->place[row] - 1 : -1;
}

/* ---- since, and the mark ---- */

int64_t rec_unload_since(const struct rec_unload_options *o)
{
    return o->since > LATEST ? LATEST : o->since < 0 ? 0 : o->since;
}

/* What is written now gets a time of arrival before it is committed, at most as long before as the oldest transaction is old. */
int rec_unload_mark(int64_t *mark, struct rec_store *store, struct rec_err *err)
{
    static const char oldest[] =
        "SELECT CAST(floor(extract(epoch FROM min(xact_start))) AS bigint) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    int64_t now = (int64_t)time(NULL), begun;
    int found = 0;

    if (!mark)
        return 0;
    if (strcmp(rec_sql_dialect(store->db), "postgresql") == 0 &&
        (found = rec_sql_get_int(&begun, store->db, oldest, REC_SQL_NONE, err)) < 0)
        return -1;
    *mark = (found && begun < now ? begun : now) - MARGIN;
    return 0;
}

char rec_unload_delimiter(const struct rec_unload_options *o)
{
    return o->delimiter ? o->delimiter : ',';
}

/* ---- ratings ---- */

static const struct rec_copy_column columns[] = {
    {"user_id", REC_COPY_INT32}, {"movie_id", REC_COPY_INT32}, {"value", REC_COPY_REAL32}, {"time", REC_COPY_INT64},
};

static const char all[] = "SELECT user_id, movie_id, value, time FROM ratings";

/* Those of loads that were finished since, and those whose pair got feedback since, as they are now. */
static void since_query(char *out, size_t size, int64_t since)
{
    snprintf(out, size,
             "SELECT user_id, movie_id, value, time FROM ratings WHERE load_id IN (SELECT id FROM loads WHERE finished >= %lld) "
             "UNION ALL "
             "SELECT r.user_id, r.movie_id, r.value, r.time "
             "FROM (SELECT DISTINCT user_id, movie_id FROM feedback WHERE received >= %lld) f "
             "JOIN ratings r ON r.user_id = f.user_id AND r.movie_id = f.movie_id "
             "WHERE r.load_id NOT IN (SELECT id FROM loads WHERE finished >= %lld)",
             (long long)since, (long long)since * 1000000, (long long)since);
}

/* 1, 0, -1: whether a rating can have a time. */
static int is_timed(struct rec_store *store, struct rec_err *err)
{
    int64_t one;
    int status = rec_sql_get_int(&one, store->db, "SELECT 1 FROM loads WHERE what = 'ratings' AND timed = 1 LIMIT 1", REC_SQL_NONE, err);

    return status ? status : rec_sql_get_int(&one, store->db, "SELECT 1 FROM feedback LIMIT 1", REC_SQL_NONE, err);
}

static int unknown(const struct ratings *r, const char *what, int64_t row, struct rec_err *err)
{
    return rec_err_set(err, "%s: a rating names %s %lld, which is not there: the store is damaged", r->name, what, (long long)row);
}

/* A rec_copy_sink. */
static int write_rating(void *context, const struct rec_sql_value *row, struct rec_err *err)
{
    struct ratings *r = context;
    int64_t user = row[0].integer;
    int32_t movie = rec_unload_names_place(&r->movies, row[1].integer);

    if (r->user != (uint64_t)user || r->done == 0) {
        r->user = (uint32_t)user;
        r->user_place = rec_unload_names_place(&r->users, user);
    }
    if (r->user_place < 0)
        return unknown(r, "user", user, err);
    if (movie < 0)
        return unknown(r, "movie", row[1].integer, err);
    if (++r->done % STEP == 0 && r->options->progress)
        r->options->progress(r->options->context, "ratings", r->done, r->done < r->total ? r->total : 0);
    return rec_export_row(r->export, (size_t)r->user_place, (size_t)movie,
                          (float)(row[2].type == REC_SQL_INT ? (double)row[2].integer : row[2].real),
                          row[3].type == REC_SQL_INT ? row[3].integer : 0, err);
}

/* About how many there are, for the bar: what loads added, less what was taken back, which nobody counts. */
static int estimate(uint64_t *total, struct rec_store *store, struct rec_err *err)
{
    int64_t added = 0;

    if (rec_sql_get_int(&added, store->db, "SELECT CAST(sum(added) AS BIGINT) FROM loads WHERE what = 'ratings'", REC_SQL_NONE, err) < 0)
        return -1;
    *total = (uint64_t)added;
    return 0;
}

static int write_ratings(struct ratings *r, struct rec_store *store, struct rec_out *out, struct rec_err *err)
{
    const struct rec_unload_options *o = r->options;
    char query[700];
    int timed = is_timed(store, err), status;

    if (timed < 0 || (o->progress && !o->since_given && estimate(&r->total, store, err) < 0) ||
        rec_unload_names_read(&r->users, store, REC_NAMES_USERS, err) < 0 ||
        rec_unload_names_read(&r->movies, store, REC_NAMES_MOVIES, err) < 0)
        return -1;
    if (rec_export_begin(&r->export, &r->users.ids, &r->movies.ids, o->no_header ? NULL : "movieId", rec_unload_delimiter(o), timed, out,
                         err) < 0)
        return -1;
    snprintf(query, sizeof query, "%s", all);
    if (o->since_given)
        since_query(query, sizeof query, rec_unload_since(o));
    status = rec_copy_out(store->db, query, columns, REC_LENGTH(columns), write_rating, r, NULL, err);
    return rec_export_end(r->export, status);
}

int rec_unload_ratings(struct rec_store *store, const struct rec_unload_options *options, struct rec_out *out, uint64_t *rows,
                       int64_t *mark, struct rec_err *err)
{
    struct ratings r = {.options = options, .name = rec_sql_name(store->db)};
    int status = -1;

    if (rec_unload_mark(mark, store, err) < 0 || rec_sql_begin(store->db, REC_SQL_READ, err) < 0)
        goto out;
    status = write_ratings(&r, store, out, err);
    rec_sql_rollback(store->db);   /* a snapshot has nothing to commit */
    if (rows)
        *rows = r.done;
out:
    rec_unload_names_clear(&r.users);
    rec_unload_names_clear(&r.movies);
    return status;
}
