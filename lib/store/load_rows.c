/* SPDX-License-Identifier: MIT
 *
 * The ratings of a file in the order of the primary key: users by their rows, and each user's ratings by the rows of the movies. Both
 * orders are those of the file when the rows were made in the order of the ids; where they are not, a user's ratings are sorted as their
 * turn comes.
 *
 * A rating that somebody took back ("remove") after it was given stays away, or a file from before would bring it back every night.
 */
#include "load_priv.h"

enum { STEP = 1 << 16 };   /* rows between two calls of progress */

static int add_removed(struct load_rows *rows, size_t *cap, const struct rec_sql_value *value, struct rec_err *err)
{
    if (rows->n_removed == *cap) {
        *cap = *cap * 2 + 64;
        if (rec_realloc(&rows->removed, *cap, sizeof *rows->removed, "ratings taken back", err) < 0)
            return -1;
    }
    rows->removed[rows->n_removed++] = (struct load_removed){(int32_t)value[0].integer, (int32_t)value[1].integer, value[2].integer};
    return 0;
}

static int read_removed(struct load_rows *rows, struct rec_store *store, struct rec_err *err)
{
    struct rec_sql_rows result;
    size_t cap = rows->n_removed;
    int status;

    rows->n_removed = 0;
    if (rec_sql_query(&result, store->db,
                      "SELECT user_id, movie_id, max(time) FROM feedback WHERE kind = 'remove' "
                      "GROUP BY user_id, movie_id ORDER BY user_id, movie_id", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&result, err)) > 0)
        if ((status = add_removed(rows, &cap, result.value, err)) < 0)
            break;
    rec_sql_done(&result);
    return status;
}

int rec_load_rows_begin(struct load_rows *rows, struct rec_store *store, const struct load_plan *plan,
                        const struct rec_load_options *options, struct rec_err *err)
{
    *rows = (struct load_rows){.plan = plan, .options = options};
    rows->store = store;
    rows->key = rec_malloc(plan->longest, sizeof *rows->key, "ratings", err);
    return rows->key ? 0 : -1;
}

int rec_load_rows_rewind(struct load_rows *rows, int32_t load_id, const uint8_t *kind, unsigned kinds, struct rec_err *err)
{
    rows->load_id = load_id;
    rows->kind = kind;
    rows->kinds = kinds;
    rows->at_removed = rows->n_key = rows->at_key = rows->at_user = 0;
    rows->kept_out = rows->done = 0;
    return read_removed(rows, rows->store, err);
}

void rec_load_rows_clear(struct load_rows *rows)
{
    free(rows->removed);
    free(rows->key);
    *rows = (struct load_rows){0};
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The keys of the next user; false when there is none. */
static bool next_user(struct load_rows *rows)
{
    const struct load_plan *plan = rows->plan;
    size_t u;

    if (rows->at_user == plan->n_order)
        return false;
    u = plan->order[rows->at_user++];
    const int32_t *item = plan->r->item + plan->r->user_ptr[u];
    rows->n_key = (size_t)(plan->r->user_ptr[u + 1] - plan->r->user_ptr[u]);
    rows->at_key = 0;
    for (size_t i = 0; i < rows->n_key; i++)
        rows->key[i] = (uint64_t)(uint32_t)plan->item_row[item[i]] << 32 | i;
    if (!plan->items_ascend)
        qsort(rows->key, rows->n_key, sizeof *rows->key, compare_keys);
    return true;
}

/* Whether this pair was taken back at that time or later. Pairs come ascending, as `removed` is. */
static bool was_removed(struct load_rows *rows, int32_t user, int32_t item, int64_t time)
{
    const struct load_removed *r;

    for (; rows->at_removed < rows->n_removed; rows->at_removed++) {
        r = &rows->removed[rows->at_removed];
        if (r->user > user || (r->user == user && r->item >= item))
            return r->user == user && r->item == item && r->time >= time;
    }
    return false;
}

static double decimal(struct load_rows *rows, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    size_t at = bits * 2654435761u >> 24;
    if (!rows->memo[at].known || rows->memo[at].bits != bits) {
        rows->memo[at].known = true;
        rows->memo[at].bits = bits;
        rows->memo[at].decimal = rec_num_decimal(value);
    }
    return rows->memo[at].decimal;
}

int rec_load_rows_next(void *context, struct rec_sql_value *row, struct rec_err *err)
{
    struct load_rows *rows = context;
    const struct load_plan *plan = rows->plan;
    const struct rec_load_options *o = rows->options;

    (void)err;
    for (;;) {
        if (rows->at_key == rows->n_key && !next_user(rows))
            return 0;
        uint64_t key = rows->key[rows->at_key++];
        size_t u = plan->order[rows->at_user - 1], p = (size_t)plan->r->user_ptr[u] + (uint32_t)key;
        int32_t item = (int32_t)(key >> 32);
        if (rows->done++ % STEP == 0 && o->progress)
            o->progress(o->context, "ratings", rows->done - 1, plan->taken);
        enum load_kind kind = rows->kind ? rows->kind[p] : LOAD_NEW;
        if (!(rows->kinds >> kind & 1))
            continue;
        if (rows->n_removed && kind == LOAD_NEW && was_removed(rows, plan->user_row[u], item, plan->r->time ? plan->r->time[p] : 0)) {
            rows->kept_out++;
            continue;
        }
        row[0] = rec_sql_int(plan->user_row[u]);
        row[1] = rec_sql_int(item);
        row[2] = rec_sql_real(decimal(rows, plan->r->value[p]));
        row[3] = rec_sql_int(rows->load_id);
        row[4] = plan->r->time ? rec_sql_int(plan->r->time[p]) : rec_sql_null();
        return 1;
    }
}
