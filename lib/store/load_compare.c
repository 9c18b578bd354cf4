/* SPDX-License-Identifier: MIT
 *
 * A file of ratings beside those that its users have in the store: they are read once, in whatever order they come, and each is looked up in
 * the file. That costs as much as taking them out; to bring the whole file in beside them, and join the two, cost several times that.
 */
#include "load_priv.h"

/* By row of the database: number in the file + 1; 0: not in it. */
static int32_t *inverse(size_t *rows, const int32_t *row, size_t n, const char *what, struct rec_err *err)
{
    int32_t greatest = 0, *out;

    for (size_t i = 0; i < n; i++)
        greatest = row[i] > greatest ? row[i] : greatest;
    *rows = (size_t)greatest + 1;
    /* Gaps cost no memory: pages of zeros that nobody touches are not there. */
    out = rec_calloc(*rows, sizeof *out, what, err);
    for (size_t i = 0; out && i < n; i++)
        if (row[i] >= 0)
            out[row[i]] = (int32_t)i + 1;
    return out;
}

static int32_t number_of(const int32_t *table, size_t rows, int64_t row)
{
    return row >= 0 && (uint64_t)row < rows ? table[row] - 1 : -1;
}

/* The place of an item in the ratings of a user, or -1. Rows mostly come in the order of the file: the next one is tried first. */
static int64_t place_of(struct load_compare *c, int32_t user, int32_t item)
{
    const struct rec_ratings *r = c->plan->r;
    int64_t low = r->user_ptr[user], high = r->user_ptr[user + 1];

    if (c->next >= low && c->next < high && r->item[c->next] == item)
        return c->next;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (r->item[middle] == item)
            return middle;
        if (r->item[middle] < item)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* A rec_copy_sink: one rating of the store. */
static int look_at(void *context, const struct rec_sql_value *row, struct rec_err *err)
{
    struct load_compare *c = context;
    const struct rec_ratings *r = c->plan->r;
    int32_t user = number_of(c->user, c->user_rows, row[0].integer), item = number_of(c->item, c->item_rows, row[1].integer);
    int64_t p = user < 0 || item < 0 ? -1 : place_of(c, user, item), stored, given;
    enum load_kind kind;

    (void)err;
    if (++c->done % 65536 == 0 && c->options->progress)
        c->options->progress(c->options->context, "compare", c->done, 0);
    if (p < 0)
        return 0;
    c->next = p + 1;
    stored = row[3].type == REC_SQL_INT ? row[3].integer : 0;
    given = r->time ? r->time[p] : 0;
    kind = stored > given ? LOAD_OLDER : stored == given && (float)row[2].real == r->value[p] ? LOAD_SAME : LOAD_CHANGED;
    c->kind[p] = (uint8_t)kind;
    c->count[kind]++;
    return 0;
}

/* A rec_copy_source: the users of the file. */
static int next_user(void *context, struct rec_sql_value *row, struct rec_err *err)
{
    struct load_compare *c = context;

    (void)err;
    if (c->at_user == c->plan->n_order)
        return 0;
    row[0] = rec_sql_int(c->plan->user_row[c->plan->order[c->at_user++]]);
    return 1;
}

static int read_ratings(struct load_compare *c, struct rec_store *store, struct rec_err *err)
{
    static const struct rec_copy_column id[] = {{"id", REC_COPY_INT32}};
    static const struct rec_copy_column columns[] = {
        {"user_id", REC_COPY_INT32}, {"movie_id", REC_COPY_INT32}, {"value", REC_COPY_REAL32}, {"time", REC_COPY_INT64},
    };
    bool sqlite = strcmp(rec_sql_dialect(store->db), "sqlite") == 0;

    /* CROSS JOIN: SQLite keeps to that order, and reads the ratings of one user after another. */
    if (rec_sql_script(store->db, "CREATE TEMPORARY TABLE load_users (id INTEGER PRIMARY KEY)", err) < 0 ||
        rec_copy_in(store->db, "load_users", id, 1, next_user, c, NULL, err) < 0 ||
        (!sqlite && rec_sql_script(store->db, "ANALYZE load_users; SET LOCAL work_mem = '64MB'", err) < 0) ||
        rec_copy_out(store->db, "SELECT r.user_id, r.movie_id, r.value, r.time FROM load_users u CROSS JOIN ratings r WHERE r.user_id = u.id",
                     columns, REC_LENGTH(columns), look_at, c, NULL, err) < 0)
        return -1;
    return rec_sql_script(store->db, "DROP TABLE load_users", err);
}

int rec_load_compare_make(struct load_compare *c, struct rec_store *store, const struct load_plan *plan, const struct rec_load_options *options,
                          struct rec_err *err)
{
    *c = (struct load_compare){.plan = plan, .options = options, .next = -1};
    c->kind = rec_calloc(plan->r->nnz, sizeof *c->kind, "ratings", err);
    if (!c->kind)
        return -1;
    c->user = inverse(&c->user_rows, plan->user_row, plan->r->n_users, "users", err);
    c->item = c->user ? inverse(&c->item_rows, plan->item_row, plan->r->n_items, "movies", err) : NULL;
    return c->item ? read_ratings(c, store, err) : -1;
}

void rec_load_compare_clear(struct load_compare *c)
{
    free(c->kind);
    free(c->user);
    free(c->item);
    *c = (struct load_compare){0};
}
