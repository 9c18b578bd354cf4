/* SPDX-License-Identifier: MIT
 *
 * Many ratings into the store, in one transaction.
 *
 * Into an empty table they are copied in the order of its primary key, without indexes, which are built at the end. Else the file goes to a
 * temporary table beside, which is compared with what is there: what is new or other is written, and nothing else is touched, so
 * that the same file again writes no rating.
 *
 * A rating without a time counts as one of 1970-01-01, the earliest: it does not displace one that has a time, and is displaced.
 */
#include "load_priv.h"

#include <time.h>

#define LOCK_WAIT 600   /* seconds that a loader waits for its turn */

struct load {
    const struct rec_load_options *options;
    struct rec_load_report *report;
    const struct rec_ratings *ratings;
    struct load_plan plan;
    struct load_rows rows;
    int64_t id;
};

static double clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void tell(const struct load *load, const char *what, uint64_t done, uint64_t total)
{
    if (load->options->progress)
        load->options->progress(load->options->context, what, done, total);
}

static bool is_sqlite(const struct rec_store *store)
{
    return strcmp(rec_sql_dialect(store->db), "sqlite") == 0;
}

/* ---- the row of `loads` ---- */

int rec_load_row_begin(int64_t *id, struct rec_store *store, const char *what, const struct rec_load_options *o, bool timed,
                       struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, store->db,
                      "INSERT INTO loads (what, source, digest, started, finished, rows, added, changed, timed) "
                      "VALUES ($1, $2, $3, $4, $4, 0, 0, 0, $5) RETURNING id",
                      REC_SQL(rec_sql_text(what), rec_sql_text(o->source ? o->source : ""), rec_sql_int(o->digest), rec_sql_int(o->now),
                              rec_sql_int(timed)), err) < 0)
        return -1;
    status = rec_sql_next(&rows, err);
    if (status > 0)
        *id = rows.value[0].integer;
    rec_sql_done(&rows);
    return status > 0 ? 0 : status < 0 ? -1 : rec_err_set(err, "%s: table loads: gave no number", rec_sql_name(store->db));
}

int rec_load_row_end(int64_t id, struct rec_store *store, const struct rec_load_report *report, int64_t finished, struct rec_err *err)
{
    return rec_sql_exec(store->db, NULL, "UPDATE loads SET finished = $1, rows = $2, added = $3, changed = $4 WHERE id = $5",
                        REC_SQL(rec_sql_int(finished), rec_sql_int((int64_t)report->rows), rec_sql_int((int64_t)report->added),
                                rec_sql_int((int64_t)report->changed), rec_sql_int(id)), err);
}

/* ---- into an empty table ---- */

static const struct rec_copy_column rating_columns[] = {
    {"user_id", REC_COPY_INT32}, {"movie_id", REC_COPY_INT32}, {"value", REC_COPY_REAL32}, {"load_id", REC_COPY_INT32},
    {"time", REC_COPY_INT64},
};

/* 1, 0, -1 */
static int is_empty(struct rec_store *store, struct rec_err *err)
{
    int64_t one;
    int status = rec_sql_get_int(&one, store->db, "SELECT 1 FROM ratings LIMIT 1", REC_SQL_NONE, err);

    return status < 0 ? -1 : !status;
}

/* 1: done; 0: a rating came in between, so that the table is not empty; -1. */
static int copy_into_empty(struct load *load, struct rec_store *store, struct rec_err *err)
{
    struct rec_copy_bulk bulk;
    uint64_t copied = 0;
    int empty;

    if (rec_copy_bulk_begin(&bulk, store->db, "ratings", err) < 0)
        return -1;
    empty = is_empty(store, err);   /* once more: nobody else can write to it from here on */
    rec_load_rows_rewind(&load->rows, (int32_t)load->id);
    if (empty == 1 && rec_copy_in(store->db, "ratings", rating_columns, REC_LENGTH(rating_columns), rec_load_rows_next, &load->rows,
                                  &copied, err) < 0)
        empty = -1;
    if (empty == 1)
        tell(load, "index", 0, 0);
    if (rec_copy_bulk_end(&bulk, empty < 0 ? NULL : err) < 0)
        return -1;
    load->report->added = copied;
    load->report->older = load->rows.kept_out;
    return empty;
}

/* ---- into a table that has ratings ---- */

static const struct rec_copy_column staged_columns[] = {
    {"user_id", REC_COPY_INT32}, {"movie_id", REC_COPY_INT32}, {"value", REC_COPY_REAL32}, {"time", REC_COPY_INT64},
};

#define STAGING_COLUMNS "(user_id INTEGER NOT NULL, movie_id INTEGER NOT NULL, value REAL NOT NULL, time BIGINT"
#define DELTA_COLUMNS "(kind INTEGER NOT NULL, user_id INTEGER NOT NULL, movie_id INTEGER NOT NULL, value REAL NOT NULL, time BIGINT)"

/* Rows are compared in the order of the key, both ways there is one: what is sorted already is not sorted again. */
static const char stage_sqlite[] =
    "CREATE TEMPORARY TABLE load_staging " STAGING_COLUMNS ", PRIMARY KEY (user_id, movie_id)) WITHOUT ROWID;"
    "CREATE TEMPORARY TABLE load_delta " DELTA_COLUMNS ";";
static const char stage_postgresql[] =
    "CREATE TEMPORARY TABLE load_staging " STAGING_COLUMNS ") ON COMMIT DROP;"
    "CREATE TEMPORARY TABLE load_delta " DELTA_COLUMNS " ON COMMIT DROP;"
    "SET LOCAL work_mem = '256MB';";
static const char unstage[] = "DROP TABLE load_staging; DROP TABLE load_delta;";

/* What differs: 1 new, 2 changed; and 3, left out as the store has a later one. */
static const char compare[] =
    "INSERT INTO load_delta (kind, user_id, movie_id, value, time) "
    "SELECT CASE WHEN r.user_id IS NULL THEN 1 WHEN coalesce(r.time, 0) > coalesce(s.time, 0) THEN 3 ELSE 2 END, "
    "s.user_id, s.movie_id, s.value, s.time "
    "FROM load_staging s LEFT JOIN ratings r ON r.user_id = s.user_id AND r.movie_id = s.movie_id "
    "WHERE r.user_id IS NULL OR r.value <> s.value OR coalesce(r.time, 0) <> coalesce(s.time, 0)";

/* Feedback may have come since they were compared (PostgreSQL): what is later stays. */
static const char merge[] =
    "INSERT INTO ratings (user_id, movie_id, value, load_id, time) "
    "SELECT user_id, movie_id, value, CAST($1 AS INTEGER), time FROM load_delta WHERE kind < 3 ORDER BY user_id, movie_id "
    "ON CONFLICT (user_id, movie_id) DO UPDATE SET value = excluded.value, load_id = excluded.load_id, time = excluded.time "
    "WHERE coalesce(ratings.time, 0) <= coalesce(excluded.time, 0)";

static int count_delta(uint64_t count[4], struct rec_store *store, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, store->db, "SELECT kind, count(*) FROM load_delta GROUP BY kind", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0)
        if (rows.value[0].integer >= 1 && rows.value[0].integer <= 3)
            count[rows.value[0].integer] = (uint64_t)rows.value[1].integer;
    rec_sql_done(&rows);
    return status;
}

static int stage(struct load *load, struct rec_store *store, uint64_t *staged, struct rec_err *err)
{
    if (rec_sql_script(store->db, is_sqlite(store) ? stage_sqlite : stage_postgresql, err) < 0)
        return -1;
    rec_load_rows_rewind(&load->rows, 0);
    if (rec_copy_in(store->db, "load_staging", staged_columns, REC_LENGTH(staged_columns), rec_load_rows_next, &load->rows, staged,
                    err) < 0)
        return -1;
    /* Without figures the planner would take a million rows for a thousand. */
    return is_sqlite(store) ? 0 : rec_sql_script(store->db, "ANALYZE load_staging", err);
}

static int merge_with_table(struct load *load, struct rec_store *store, struct rec_err *err)
{
    struct rec_load_report *report = load->report;
    uint64_t count[4] = {0}, staged = 0;
    int64_t written = 0;

    if (stage(load, store, &staged, err) < 0)
        return -1;
    tell(load, "compare", 0, 0);
    if (rec_sql_exec(store->db, NULL, compare, REC_SQL_NONE, err) < 0 || count_delta(count, store, err) < 0)
        return -1;
    tell(load, "merge", 0, 0);
    if (count[1] + count[2] && rec_sql_exec(store->db, &written, merge, REC_SQL(rec_sql_int(load->id)), err) < 0)
        return -1;
    report->added = count[1];
    report->changed = count[2];
    if ((uint64_t)written < count[1] + count[2]) {   /* the feedback that came since */
        uint64_t late = count[1] + count[2] - (uint64_t)written;
        report->changed -= late < count[2] ? late : count[2];
        report->added = (uint64_t)written - report->changed;
    }
    report->same = staged - count[1] - count[2] - count[3];
    report->older = load->rows.kept_out + staged - report->added - report->changed - report->same;
    return rec_sql_script(store->db, unstage, err);
}

/* ---- all of it ---- */

static int load_ratings(struct rec_store *store, void *context, struct rec_err *err)
{
    struct load *load = context;
    double began = clock_now();
    int status = -1, empty;

    /* Once more from the beginning when the transaction is tried again. */
    *load->report = (struct rec_load_report){.rows = load->ratings->nnz};
    if (rec_sql_lock(store->db, "load", LOCK_WAIT, err) < 0)
        return -1;
    tell(load, "ids", 0, load->ratings->n_users + load->ratings->n_items);
    if (rec_load_plan_make(&load->plan, store, load->ratings, err) < 0 ||
        rec_load_rows_begin(&load->rows, store, &load->plan, load->options, err) < 0 ||
        rec_load_row_begin(&load->id, store, "ratings", load->options, load->ratings->time != NULL, err) < 0)
        goto out;
    load->report->users = load->plan.users_made;
    load->report->movies = load->plan.items_made;
    load->report->forgotten = load->plan.forgotten;
    if ((empty = is_empty(store, err)) == 1)
        empty = copy_into_empty(load, store, err);
    if (empty < 0 || (empty == 0 && merge_with_table(load, store, err) < 0))
        goto out;
    tell(load, "ratings", load->plan.taken, load->plan.taken);
    status = rec_load_row_end(load->id, store, load->report, load->options->now + (int64_t)(clock_now() - began), err);
out:
    rec_load_rows_clear(&load->rows);
    rec_load_plan_clear(&load->plan);
    return status;
}

int rec_load_ratings(struct rec_store *store, const struct rec_ratings *ratings, const struct rec_load_options *options,
                     struct rec_load_report *report, struct rec_err *err)
{
    struct load load = {.options = options, .report = report, .ratings = ratings};
    double patience = rec_sql_patience(store->db, LOCK_WAIT);   /* SQLite: the other loader has the one lock there is */
    int status = rec_store_write(store, load_ratings, &load, err);

    rec_sql_patience(store->db, patience);
    return status;
}
