/* SPDX-License-Identifier: MIT
 *
 * Many ratings into the store, in one transaction.
 *
 * Into an empty table they are copied in the order of its primary key, without indexes, which are built at the end. Else they are compared
 * with what is there, and what is new or other is merged by way of a temporary table; nothing else is touched, so that the same file
 * again writes no rating.
 *
 * A rating without a time counts as one of 1970-01-01, the earliest: it does not displace one that has a time, and is displaced.
 */
#include "load_priv.h"

#include <time.h>

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

/* Those of these kinds into `table`; c NULL: all are new. */
static int copy_kinds(struct load *load, struct rec_store *store, const char *table, const struct load_compare *c, unsigned kinds,
                      uint64_t *copied, struct rec_err *err)
{
    if (rec_load_rows_rewind(&load->rows, (int32_t)load->id, c ? c->kind : NULL, kinds, err) < 0)
        return -1;
    return rec_copy_in(store->db, table, rating_columns, REC_LENGTH(rating_columns), rec_load_rows_next, &load->rows, copied, err);
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
    if (empty == 1 && copy_kinds(load, store, "ratings", NULL, 1 << LOAD_NEW, &copied, err) < 0)
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

static const char stage[] =
    "CREATE TEMPORARY TABLE load_delta (user_id INTEGER NOT NULL, movie_id INTEGER NOT NULL, value REAL NOT NULL, load_id INTEGER NOT NULL, "
    "time BIGINT)";
static const char unstage[] = "DROP TABLE load_delta";

/* Feedback may have come since they were compared: what is later stays. */
static const char merge[] =
    "INSERT INTO ratings (user_id, movie_id, value, load_id, time) SELECT user_id, movie_id, value, load_id, time FROM load_delta WHERE true "
    "ON CONFLICT (user_id, movie_id) DO UPDATE SET value = excluded.value, load_id = excluded.load_id, time = excluded.time "
    "WHERE coalesce(ratings.time, 0) <= coalesce(excluded.time, 0)";
/* What was taken back while this was going on, which could not see the rating that is only now there. */
static const char take_back[] =
    "DELETE FROM ratings r USING feedback f WHERE f.received >= $1 AND f.kind = 'remove' AND r.user_id = f.user_id AND r.movie_id = f.movie_id "
    "AND r.load_id = $2 AND coalesce(r.time, 0) <= f.time";
static const char update[] =
    "UPDATE ratings AS r SET value = d.value, load_id = d.load_id, time = d.time FROM load_delta d "
    "WHERE r.user_id = d.user_id AND r.movie_id = d.movie_id";

/* While others give feedback: all of it by one statement, which costs a look at the index and two at foreign keys for each rating. */
static int merge_beside_others(struct load *load, struct rec_store *store, const struct load_compare *c, struct rec_err *err)
{
    struct rec_load_report *report = load->report;
    uint64_t staged, late;
    int64_t written = 0, removed = 0;

    if (rec_sql_script(store->db, stage, err) < 0 ||
        copy_kinds(load, store, "load_delta", c, 1 << LOAD_NEW | 1 << LOAD_CHANGED, &staged, err) < 0)
        return -1;
    tell(load, "merge", 0, 0);
    if ((staged && rec_sql_exec(store->db, &written, merge, REC_SQL_NONE, err) < 0) ||
        rec_sql_exec(store->db, &removed, take_back, REC_SQL(rec_sql_int((load->options->now - 60) * 1000000), rec_sql_int(load->id)), err) < 0 ||
        rec_sql_script(store->db, unstage, err) < 0)
        return -1;
    written -= removed;
    late = staged - (uint64_t)written;
    report->changed = c->count[LOAD_CHANGED] - (late < c->count[LOAD_CHANGED] ? late : c->count[LOAD_CHANGED]);
    report->added = (uint64_t)written - report->changed;
    report->same = c->count[LOAD_SAME];
    report->older = c->count[LOAD_OLDER] + load->rows.kept_out + late;
    return 0;
}

static int write_alone(struct load *load, struct rec_store *store, const struct load_compare *c, struct rec_err *err)
{
    struct rec_load_report *report = load->report;
    uint64_t staged = 0;

    if (c->count[LOAD_CHANGED] &&
        (rec_sql_script(store->db, stage, err) < 0 || copy_kinds(load, store, "load_delta", c, 1 << LOAD_CHANGED, &staged, err) < 0 ||
         rec_sql_exec(store->db, NULL, update, REC_SQL_NONE, err) < 0 || rec_sql_script(store->db, unstage, err) < 0))
        return -1;
    if (copy_kinds(load, store, "ratings", c, 1 << LOAD_NEW, &report->added, err) < 0)
        return -1;
    report->changed = staged;
    report->same = c->count[LOAD_SAME];
    report->older = c->count[LOAD_OLDER] + load->rows.kept_out;
    tell(load, "index", 0, 0);
    return 0;
}

/* Alone with the table: new ratings are copied into it, without indexes on PostgreSQL. */
static int merge_alone(struct load *load, struct rec_store *store, struct load_compare *c, struct rec_err *err)
{
    struct rec_copy_bulk bulk;
    int status = rec_copy_bulk_begin(&bulk, store->db, "ratings", err);

    if (status < 0)
        return -1;
    /* Once more: what came until the table was ours is in it now. */
    if (!is_sqlite(store)) {
        rec_load_compare_clear(c);
        status = rec_load_compare_make(c, store, &load->plan, load->options, err);
    }
    if (status == 0)
        status = write_alone(load, store, c, err);
    return rec_copy_bulk_end(&bulk, status < 0 ? NULL : err) < 0 ? -1 : status;
}

/* 1, 0, -1: whether to take the table for ourselves. SQLite has one writer anyway. On PostgreSQL others would wait for the whole of it: worth
 * it when the file brings more than there is, as the index of all is then built in less time than so many are put into it. */
static int want_it_alone(struct rec_store *store, const struct load_plan *plan, const struct load_compare *c, struct rec_err *err)
{
    int64_t fresh = (int64_t)(plan->taken - c->count[LOAD_CHANGED] - c->count[LOAD_SAME] - c->count[LOAD_OLDER]), there = 0;

    if (is_sqlite(store))
        return 1;
    if (rec_sql_get_int(&there, store->db, "SELECT count(*) FROM (SELECT 1 FROM ratings LIMIT $1) AS first_ones",
                        REC_SQL(rec_sql_int(fresh)), err) < 0)
        return -1;
    return there < fresh;
}

static int merge_with_table(struct load *load, struct rec_store *store, struct rec_err *err)
{
    struct load_compare compare = {0};
    int status = rec_load_compare_make(&compare, store, &load->plan, load->options, err), alone = -1;

    if (status == 0)
        alone = want_it_alone(store, &load->plan, &compare, err);
    status = alone < 0 ? -1 : alone ? merge_alone(load, store, &compare, err) : merge_beside_others(load, store, &compare, err);
    rec_load_compare_clear(&compare);
    return status;
}

/* ---- all of it ---- */

static int load_ratings(struct rec_store *store, void *context, struct rec_err *err)
{
    struct load *load = context;
    double began = clock_now();
    int status = -1, empty;

    /* Once more from the beginning when the transaction is tried again. */
    *load->report = (struct rec_load_report){.rows = load->ratings->nnz};
    if (rec_sql_lock(store->db, REC_LOAD_LOCK, REC_LOAD_WAIT, err) < 0)
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
    double patience = rec_sql_patience(store->db, REC_LOAD_WAIT);   /* SQLite: the other loader has the one lock there is */
    int status = rec_store_write(store, load_ratings, &load, err);

    rec_sql_patience(store->db, patience);
    return status;
}
