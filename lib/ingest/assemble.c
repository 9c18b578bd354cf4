/* SPDX-License-Identifier: MIT
 *
 * Rows of all pieces to CSR by user, users and items in the order of their ids.
 *
 * 1. The pieces' tables of ids are merged and sorted, which gives each of their numbers a rank.
 * 2. The runs of rows are listed by user (a counting sort); where users alternate all the time, single rows are.
 * 3. Threads take users: gather the rows, sort them by item (radix, on the rank), settle duplicates, write them out.
 * 4. Where rows gave way to duplicates the holes are closed.
 * Nothing depends on how the text was cut: rows of a user stay in the order of the file, and the sort is stable.
 */
#include "ingest_priv.h"

#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20, GRAIN = 512 };

struct span {
    uint32_t start, n;    /* rows, numbered through all pieces */
};

struct work {
    struct piece *piece;
    size_t n_pieces;
    uint32_t *first_row;         /* [n_pieces + 1] */
    uint32_t **user_rank, **item_rank;   /* [n_pieces]: by the piece's numbers */
    struct rec_ids users, items;
    struct row_layout layout;
    unsigned item_bits;
    enum rec_ingest_duplicates duplicates;
    uint32_t *span_ptr;          /* [n_users + 1]: each user's spans, or single rows */
    struct span *span;
    uint32_t *single;
    int64_t *user_ptr;
    uint32_t *kept;              /* [n_users]: rows that are left */
    int32_t *item;
    float *value;
    int64_t *time;
    struct scratch {
        uint64_t *key, *spare;
        char *rows;
        size_t room;
    } *scratch;                  /* one a thread */
    const char *name;
};

/* ---- 1. ids ---- */

static int rank_table(struct work *w, bool users, struct rec_ids *ids, uint32_t **rank, struct rec_err *err)
{
    struct id_table merged = {0}, *first = users ? &w->piece[0].users : &w->piece[0].items;
    uint32_t *order = NULL;
    int status = -1;

    merged = *first;
    *first = (struct id_table){0};
    for (size_t i = 1; i < w->n_pieces; i++) {
        struct id_table *t = users ? &w->piece[i].users : &w->piece[i].items;
        rank[i] = rec_malloc(t->n, sizeof **rank, w->name, err);
        if (!rank[i])
            goto out;
        if (rec_idtable_merge(&merged, t, rank[i]) < 0) {
            rec_err_memory(err, w->name);
            goto out;
        }
    }
    order = rec_malloc(merged.n, sizeof *order, w->name, err);
    if (!order || rec_idtable_sort(ids, &merged, order, err) < 0)
        goto out;
    /* The first piece's numbers are those of the merged table, which begins with them. */
    for (size_t i = 1; i < w->n_pieces; i++) {
        size_t n = users ? w->piece[i].users.n : w->piece[i].items.n;
        for (size_t j = 0; j < n; j++)
            rank[i][j] = order[rank[i][j]];
    }
    rank[0] = order;
    order = NULL;
    status = 0;
out:
    free(order);
    rec_idtable_clear(&merged);
    for (size_t i = 1; i < w->n_pieces; i++)
        rec_idtable_clear(users ? &w->piece[i].users : &w->piece[i].items);
    return status;
}

/* ---- 2. rows by user ---- */

static uint32_t run_length(const struct piece *p, size_t i)
{
    return (i + 1 < p->n_runs ? p->run[i + 1].start : (uint32_t)p->n) - p->run[i].start;
}

/* Lists spans by user, or single rows where spans would take more memory than these. */
static int list_runs(struct work *w, struct rec_err *err)
{
    size_t n_users = w->users.n, n_runs = 0, n_rows = w->first_row[w->n_pieces];
    uint32_t *next;

    for (size_t k = 0; k < w->n_pieces; k++)
        n_runs += w->piece[k].n_runs;
    bool single = n_runs > n_rows / 2;
    w->user_ptr = rec_calloc(n_users + 1, sizeof *w->user_ptr, w->name, err);
    w->span_ptr = rec_calloc(n_users + 2, sizeof *w->span_ptr, w->name, err);
    if (!w->user_ptr || !w->span_ptr)
        return -1;
    for (size_t k = 0; k < w->n_pieces; k++)
        for (size_t i = 0; i < w->piece[k].n_runs; i++) {
            uint32_t user = w->user_rank[k][w->piece[k].run[i].user], n = run_length(&w->piece[k], i);
            w->user_ptr[user + 1] += n;
            w->span_ptr[user + 2] += single ? n : 1;
        }
    for (size_t u = 0; u < n_users; u++) {
        w->user_ptr[u + 1] += w->user_ptr[u];
        w->span_ptr[u + 2] += w->span_ptr[u + 1];
    }
    /* While they are listed, span_ptr[u + 1] is where the next one of u goes; then it is where those of u end. */
    next = w->span_ptr + 1;
    if (single)
        w->single = rec_malloc(n_rows, sizeof *w->single, w->name, err);
    else
        w->span = rec_malloc(n_runs, sizeof *w->span, w->name, err);
    if (!w->single && !w->span)
        return -1;
    for (size_t k = 0; k < w->n_pieces; k++) {
        struct piece *p = &w->piece[k];
        for (size_t i = 0; i < p->n_runs; i++) {
            uint32_t user = w->user_rank[k][p->run[i].user], n = run_length(p, i), start = w->first_row[k] + p->run[i].start;
            if (single)
                for (uint32_t j = 0; j < n; j++)
                    w->single[next[user]++] = start + j;
            else
                w->span[next[user]++] = (struct span){start, n};
        }
        free(p->run);
        p->run = NULL;
    }
    return 0;
}

/* ---- 3. one user ---- */

static size_t piece_of(const struct work *w, uint32_t row)
{
    size_t k = 0;

    while (row >= w->first_row[k + 1])
        k++;
    return k;
}

static int scratch_room(struct work *w, struct scratch *s, size_t n, struct rec_err *err)
{
    if (n <= s->room)
        return 0;
    n += n / 2;
    if (rec_realloc(&s->key, n, sizeof *s->key, w->name, err) < 0 || rec_realloc(&s->spare, n, sizeof *s->spare, w->name, err) < 0 ||
        rec_realloc(&s->rows, n, w->layout.size, w->name, err) < 0)
        return -1;
    s->room = n;
    return 0;
}

static uint32_t item_of(const char *row)
{
    uint32_t item;

    memcpy(&item, row, sizeof item);
    return item;
}

/* The rows of one span: their keys, rank of the item above the place in the file. */
static inline void make_keys(uint64_t *key, const char *row, size_t n, size_t size, const uint32_t *rank, size_t at)
{
    for (size_t i = 0; i < n; i++, row += size)
        key[i] = (uint64_t)rank[item_of(row)] << 32 | (at + i);
}

/* Sends for the rows of user u, who is next: users in the order of their ids lie about in the file. */
static void send_for(const struct work *w, size_t u)
{
    if (u >= w->users.n || !w->span || w->span_ptr[u + 1] == w->span_ptr[u])
        return;
    struct span span = w->span[w->span_ptr[u]];
    if (span.n == 0)
        return;
    size_t k = piece_of(w, span.start), bytes = span.n * (size_t)w->layout.size;
    const char *rows = w->piece[k].rows + (span.start - w->first_row[k]) * (size_t)w->layout.size;
    for (size_t at = 0; at < bytes && at < 2048; at += 64)
        __builtin_prefetch(rows + at);
}

/* Keys and rows of user u. Returns its rows: where they lie, when they are side by side, or a copy. */
static const char *gather(struct work *w, struct scratch *s, size_t u)
{
    const size_t size = w->layout.size;
    size_t at = 0;

    if (w->span && w->span_ptr[u + 1] - w->span_ptr[u] == 1) {
        struct span span = w->span[w->span_ptr[u]];
        size_t k = piece_of(w, span.start);
        const char *rows = w->piece[k].rows + (span.start - w->first_row[k]) * size;
        make_keys(s->key, rows, span.n, size, w->item_rank[k], 0);
        return rows;
    }
    for (uint32_t i = w->span_ptr[u]; i < w->span_ptr[u + 1]; i++) {
        struct span span = w->span ? w->span[i] : (struct span){w->single[i], 1};
        if (span.n == 0)
            continue;
        size_t k = piece_of(w, span.start);
        memcpy(s->rows + at * size, w->piece[k].rows + (span.start - w->first_row[k]) * size, span.n * size);
        make_keys(s->key + at, s->rows + at * size, span.n, size, w->item_rank[k], at);
        at += span.n;
    }
    return s->rows;
}

static float value_of(const struct work *w, const char *row)
{
    float value = 1;

    if (w->layout.value)
        memcpy(&value, row + w->layout.value, sizeof value);
    return value;
}

static int64_t time_of(const struct work *w, const char *row)
{
    uint32_t narrow;
    int64_t time = 0;

    if (w->layout.wide) {
        memcpy(&time, row + w->layout.time, sizeof time);
    } else if (w->layout.time) {
        memcpy(&narrow, row + w->layout.time, sizeof narrow);
        time = narrow;
    }
    return time;
}

static int compare_values(const void *a, const void *b)
{
    float x, y;

    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Added up in order of size, so that the order of the rows does not matter. */
static float mean_of(const struct work *w, const char *rows, const uint64_t *key, size_t n, float *sorted)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sorted[i] = value_of(w, rows + (uint32_t)key[i] * (size_t)w->layout.size);
    qsort(sorted, n, sizeof *sorted, compare_values);
    for (size_t i = 0; i < n; i++)
        sum += (double)sorted[i];
    return (float)(sum / (double)n);
}

/* Of n rows for one item, what counts. */
static int settle(struct work *w, struct scratch *s, const char *rows, const uint64_t *key, size_t n, float *value, int64_t *time)
{
    *value = value_of(w, rows + (uint32_t)key[0] * (size_t)w->layout.size);
    *time = time_of(w, rows + (uint32_t)key[0] * (size_t)w->layout.size);
    if (n == 1 || w->duplicates == REC_INGEST_FIRST)
        return 0;
    if (w->duplicates == REC_INGEST_ERROR)
        return -1;
    for (size_t i = 1; i < n; i++) {
        const char *row = rows + (uint32_t)key[i] * (size_t)w->layout.size;
        float v = value_of(w, row);
        int64_t t = time_of(w, row);
        if (t > *time || (t == *time && v > *value)) {
            *value = v;
            *time = t;
        }
    }
    if (w->duplicates == REC_INGEST_MEAN)
        *value = mean_of(w, rows, key, n, (float *)(void *)(key >= s->key && key < s->key + s->room ? s->spare : s->key));
    return 0;
}

/* Writes row by row where nothing is double, which is nearly always. */
static void write_rows(struct work *w, size_t at, const char *rows, const uint64_t *key, size_t n)
{
    const size_t size = w->layout.size;

    for (size_t i = 0; i < n; i++) {
        const char *row = rows + (uint32_t)key[i] * size;
        w->item[at + i] = (int32_t)(key[i] >> 32);
        w->value[at + i] = value_of(w, row);
        if (w->time)
            w->time[at + i] = time_of(w, row);
    }
}

static int write_settled(struct work *w, struct scratch *s, size_t u, const char *rows, const uint64_t *key, size_t n,
                         struct rec_err *err)
{
    size_t at = (size_t)w->user_ptr[u];
    float value;
    int64_t time;

    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && key[j] >> 32 == key[i] >> 32; j++)
            ;
        if (settle(w, s, rows, key + i, j - i, &value, &time) < 0) {
            size_t user_len, item_len;
            const char *user = rec_ids_get(&w->users, u, &user_len), *item = rec_ids_get(&w->items, key[i] >> 32, &item_len);
            return rec_err_set(err, "%s: user \"%.*s\" has item \"%.*s\" %zu times", w->name, (int)user_len, user, (int)item_len,
                               item, j - i);
        }
        w->item[at] = (int32_t)(key[i] >> 32);
        w->value[at] = value;
        if (w->time)
            w->time[at] = time;
        at++;
    }
    w->kept[u] = (uint32_t)(at - (size_t)w->user_ptr[u]);
    return 0;
}

static int do_users(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct work *w = context;
    struct scratch *s = &w->scratch[thread];

    for (size_t u = begin; u < end; u++) {
        size_t n = (size_t)(w->user_ptr[u + 1] - w->user_ptr[u]);
        bool twice = false;
        if (scratch_room(w, s, n, err) < 0)
            return -1;
        send_for(w, u + 1);
        const char *rows = gather(w, s, u);
        const uint64_t *key = rec_rowsort(s->key, s->spare, n, w->item_bits);
        for (size_t i = 1; i < n; i++)
            twice |= key[i - 1] >> 32 == key[i] >> 32;
        w->kept[u] = (uint32_t)n;
        if (!twice)
            write_rows(w, (size_t)w->user_ptr[u], rows, key, n);
        else if (write_settled(w, s, u, rows, key, n, err) < 0)
            return -1;
    }
    return 0;
}

/* ---- 4. holes ---- */

static uint64_t close_holes(struct work *w)
{
    size_t n_users = w->users.n, to = 0, from = 0;

    for (size_t u = 0; u < n_users; u++) {
        size_t n = w->kept[u], next = (size_t)w->user_ptr[u + 1];
        if (to != from && n) {
            memmove(w->item + to, w->item + from, n * sizeof *w->item);
            memmove(w->value + to, w->value + from, n * sizeof *w->value);
            if (w->time)
                memmove(w->time + to, w->time + from, n * sizeof *w->time);
        }
        w->user_ptr[u] = (int64_t)to;
        to += n;
        from = next;
    }
    w->user_ptr[n_users] = (int64_t)to;
    return from - to;
}

/* ---- all of it ---- */

/* Large arrays on large pages, where the system has them. */
static void *allocate(size_t n, size_t size, const char *name, struct rec_err *err)
{
    size_t bytes, whole;
    void *p;

    if (rec_size_mul(&bytes, n, size) < 0 || rec_size_add(&whole, bytes, HUGE_PAGE - 1) < 0 || bytes < 2 * HUGE_PAGE)
        return rec_malloc(n, size, name, err);
    whole = whole / HUGE_PAGE * HUGE_PAGE;
    p = aligned_alloc(HUGE_PAGE, whole);
    if (!p)
        rec_err_memory(err, name);
    else
        (void)madvise(p, whole, MADV_HUGEPAGE);
    return p;
}

static int number_rows(struct work *w, struct rec_err *err)
{
    size_t n = 0;

    for (size_t k = 0; k < w->n_pieces; k++) {
        w->first_row[k] = (uint32_t)n;
        n += w->piece[k].n;
        if (n >= UINT32_MAX)
            return rec_err_set(err, "%s: more than 4294967294 rows", w->name);
        w->layout = w->piece[k].layout.wide ? w->piece[k].layout : w->layout;
    }
    w->first_row[w->n_pieces] = (uint32_t)n;
    return 0;
}

static int prepare(struct work *w, unsigned threads, struct rec_err *err)
{
    w->first_row = rec_calloc(w->n_pieces + 1, sizeof *w->first_row, w->name, err);
    w->user_rank = rec_calloc(w->n_pieces, sizeof *w->user_rank, w->name, err);
    w->item_rank = rec_calloc(w->n_pieces, sizeof *w->item_rank, w->name, err);
    w->scratch = rec_calloc(threads, sizeof *w->scratch, w->name, err);
    if (!w->first_row || !w->user_rank || !w->item_rank || !w->scratch || number_rows(w, err) < 0 ||
        rank_table(w, true, &w->users, w->user_rank, err) < 0 || rank_table(w, false, &w->items, w->item_rank, err) < 0 ||
        list_runs(w, err) < 0)
        return -1;
    size_t n = w->first_row[w->n_pieces];
    w->kept = rec_calloc(w->users.n, sizeof *w->kept, w->name, err);
    w->item = allocate(n, sizeof *w->item, w->name, err);
    w->value = allocate(n, sizeof *w->value, w->name, err);
    w->time = w->layout.time ? allocate(n, sizeof *w->time, w->name, err) : NULL;
    while (w->item_bits < 31 && w->items.n > (size_t)1 << w->item_bits)
        w->item_bits++;
    return w->kept && w->item && w->value && (w->time || !w->layout.time) ? 0 : -1;
}

static void clear(struct work *w, unsigned threads)
{
    for (size_t k = 0; k < w->n_pieces; k++) {
        if (w->user_rank)
            free(w->user_rank[k]);
        if (w->item_rank)
            free(w->item_rank[k]);
        rec_rowstore_clear(&w->piece[k]);
    }
    for (unsigned i = 0; w->scratch && i < threads; i++) {
        free(w->scratch[i].key);
        free(w->scratch[i].spare);
        free(w->scratch[i].rows);
    }
    free(w->first_row);
    free(w->user_rank);
    free(w->item_rank);
    free(w->scratch);
    free(w->span_ptr);
    free(w->span);
    free(w->single);
    free(w->kept);
}

int rec_assemble(struct rec_ratings *out, struct piece *piece, size_t n_pieces, const struct rec_ingest_options *options,
                 const char *name, uint64_t *duplicates, struct rec_err *err)
{
    unsigned threads = options->threads ? options->threads : 1;
    struct work w = {.piece = piece, .n_pieces = n_pieces, .layout = piece[0].layout, .duplicates = options->duplicates,
                     .name = name};
    int status = prepare(&w, threads, err);

    if (status == 0)
        status = rec_pool_run(threads, w.users.n, GRAIN, do_users, &w, err);
    if (status == 0)
        *duplicates = close_holes(&w);
    *out = (struct rec_ratings){.n_users = w.users.n, .n_items = w.items.n, .user_ptr = w.user_ptr, .item = w.item, .value = w.value,
                                .time = w.time, .users = w.users, .items = w.items, .history = strdup(""),
                                .owned = {w.user_ptr, w.item, w.value, w.time}};
    out->nnz = status == 0 ? (size_t)w.user_ptr[w.users.n] : 0;
    clear(&w, threads);
    if (status == 0 && !out->history)
        status = rec_err_memory(err, name);
    if (status < 0)
        rec_ratings_clear(out);
    return status;
}
