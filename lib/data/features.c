/* SPDX-License-Identifier: MIT
 *
 * Features of users and items: counts, means, recency, years, genres; words of titles come from titles.c.
 *
 * Columns are added by name and stored in the byte order of their names, as all tables of ids are. One pass over the
 * ratings fills the sums, a second one the deviations.
 */
#include <math.h>

#include <rec/data.h>

/* Columns that are always there, in the order that `struct columns` numbers them. */
enum {
    COUNT, LOG_COUNT, SHARE, RANK, MEAN, STD, FIRST, LAST, ACTIVE, POPULARITY, YEAR, YEAR_KNOWN, DECADE, AGE,
    COLUMNS
};
enum { BOTH = 1, ITEMS = 2, USERS = 4, TIMES = 8, CATALOGUE = 16 };

static const struct {
    const char *name;
    unsigned when;
} column_table[COLUMNS] = {
    [COUNT] = {"count", BOTH}, [LOG_COUNT] = {"log_count", BOTH}, [SHARE] = {"share", BOTH}, [RANK] = {"rank", ITEMS},
    [MEAN] = {"mean", BOTH}, [STD] = {"std", BOTH}, [FIRST] = {"days_since_first", BOTH | TIMES},
    [LAST] = {"days_since_last", BOTH | TIMES}, [ACTIVE] = {"days_active", BOTH | TIMES},
    [POPULARITY] = {"mean_log_count", USERS},
    [YEAR] = {"year", ITEMS | CATALOGUE}, [YEAR_KNOWN] = {"year_known", ITEMS | CATALOGUE},
    [DECADE] = {"decade", ITEMS | CATALOGUE}, [AGE] = {"age", ITEMS | CATALOGUE | TIMES},
};

/* What ratings say of one user or item. */
struct tally {
    size_t n;
    double sum, squares;       /* of values; of their deviations from the mean */
    int64_t first, last;
};

struct work {
    const struct rec_ratings *r;
    const struct rec_catalogue *c;
    size_t n_items;
    int32_t *rated_at, *known_at;  /* items of the ratings, and of the catalogue: their place here */
    int32_t *in_catalogue;         /* [r->n_items] the other way, or -1 */
    struct tally *item, *user;
    int64_t oldest, newest;
    double mean;
    int32_t *genre_number;         /* [genres of the catalogue] among those kept, or -1 */
    size_t n_genres;
    const char **genre;            /* names of those kept */
    size_t *genre_len;
};

/* A table of numbers under construction. */
struct columns {
    struct rec_hashmap names;
    uint32_t *rank;                /* place by order of adding */
    int fixed[COLUMNS];            /* order of adding of these, or -1 */
    size_t genre[2];               /* where the columns of genres begin */
    size_t n;
    float *cell;
};

static const char object[] = "features";

/* ---- items of both ------------------------------------------------------------------------------ */

static int intern_all(struct rec_hashmap *map, uint32_t *number, const struct rec_ids *ids, struct rec_err *err)
{
    for (size_t i = 0; i < ids->n; i++) {
        size_t len;
        const char *id = rec_ids_get(ids, i, &len);

        if ((number[i] = rec_hashmap_intern(map, id, len)) == REC_HASHMAP_NONE)
            return rec_err_memory(err, object);
    }
    return 0;
}

static int join_items(struct rec_features *f, struct work *w, struct rec_err *err)
{
    const struct rec_ids none = {.n = 0}, *known = w->c ? &w->c->items : &none;
    size_t n = w->r->n_items, m = known->n;
    uint32_t *number = rec_malloc(n + m, sizeof *number, object, err);
    uint32_t *rank = rec_malloc(n + m, sizeof *rank, object, err);
    struct rec_hashmap map = {0};
    int rc = -1;

    w->rated_at = rec_malloc(n, sizeof *w->rated_at, object, err);
    w->known_at = rec_malloc(m, sizeof *w->known_at, object, err);
    w->in_catalogue = rec_malloc(n, sizeof *w->in_catalogue, object, err);
    if (!number || !rank || !w->rated_at || !w->known_at || !w->in_catalogue ||
        intern_all(&map, number, &w->r->items, err) < 0 ||
        intern_all(&map, number + n, known, err) < 0 || rec_ids_from_map(&f->items, &map, rank, err) < 0)
        goto out;
    for (size_t i = 0; i < n; i++)
        w->rated_at[i] = (int32_t)rank[number[i]];
    for (size_t i = 0; i < m; i++)
        w->known_at[i] = (int32_t)rank[number[n + i]];
    if (w->c)
        rec_ids_join(w->in_catalogue, &w->r->items, known);
    w->n_items = f->items.n;
    rc = 0;
out:
    free(number);
    free(rank);
    rec_hashmap_clear(&map);
    return rc;
}

/* ---- counting ----------------------------------------------------------------------------------- */

static void tally_one(struct tally *t, double value, const int64_t *time)
{
    if (time) {
        t->first = t->n == 0 || *time < t->first ? *time : t->first;
        t->last = t->n == 0 || *time > t->last ? *time : t->last;
    }
    t->n++;
    t->sum += value;
}

static int count(struct work *w, struct rec_err *err)
{
    const struct rec_ratings *r = w->r;
    double sum = 0;

    w->item = rec_calloc(w->n_items, sizeof *w->item, object, err);
    w->user = rec_calloc(r->n_users, sizeof *w->user, object, err);
    if (!w->item || !w->user)
        return -1;
    w->oldest = INT64_MAX;
    w->newest = INT64_MIN;
    for (size_t u = 0; u < r->n_users; u++) {
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
            tally_one(&w->user[u], r->value[p], r->time ? r->time + p : NULL);
            tally_one(&w->item[w->rated_at[r->item[p]]], r->value[p], r->time ? r->time + p : NULL);
            sum += r->value[p];
        }
        if (w->user[u].n) {
            w->oldest = w->user[u].first < w->oldest ? w->user[u].first : w->oldest;
            w->newest = w->user[u].last > w->newest ? w->user[u].last : w->newest;
        }
    }
    if (!r->nnz || !r->time)
        w->oldest = w->newest = 0;
    w->mean = r->nnz ? sum / (double)r->nnz : 0;
    for (size_t u = 0; u < r->n_users; u++) {
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
            struct tally *i = &w->item[w->rated_at[r->item[p]]], *t = &w->user[u];
            double a = r->value[p] - t->sum / (double)t->n, b = r->value[p] - i->sum / (double)i->n;

            t->squares += a * a;
            i->squares += b * b;
        }
    }
    return 0;
}

/* ---- genres: the most common ones --------------------------------------------------------------- */

struct popular {
    size_t n, number;
};

static int by_popularity(const void *a, const void *b)
{
    const struct popular *x = a, *y = b;

    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return (x->number > y->number) - (x->number < y->number);
}

static int choose_genres(struct work *w, size_t most, struct rec_err *err)
{
    size_t n = w->c ? w->c->genres.n : 0;
    struct popular *by = rec_calloc(n, sizeof *by, object, err);

    w->genre_number = rec_malloc(n, sizeof *w->genre_number, object, err);
    w->genre = rec_calloc(n, sizeof *w->genre, object, err);
    w->genre_len = rec_calloc(n, sizeof *w->genre_len, object, err);
    if (!by || !w->genre_number || !w->genre || !w->genre_len) {
        free(by);
        return -1;
    }
    for (size_t g = 0; g < n; g++) {
        by[g].number = g;
        w->genre_number[g] = -1;
    }
    for (int64_t p = 0; n && p < w->c->genre_ptr[w->c->n]; p++)
        by[w->c->genre[p]].n++;
    if (n)
        qsort(by, n, sizeof *by, by_popularity);
    w->n_genres = n < most ? n : most;
    for (size_t k = 0; k < w->n_genres; k++) {
        w->genre_number[by[k].number] = (int32_t)k;
        w->genre[k] = rec_ids_get(&w->c->genres, by[k].number, &w->genre_len[k]);
    }
    free(by);
    return 0;
}

/* ---- columns ------------------------------------------------------------------------------------ */

static int add_column(struct columns *t, const char *prefix, const char *name, size_t len, struct rec_err *err)
{
    struct rec_buf text = {0};
    uint32_t number;

    rec_buf_adds(&text, prefix);
    rec_buf_add(&text, name, len);
    number = text.failed ? REC_HASHMAP_NONE : rec_hashmap_intern(&t->names, text.data, text.len);
    rec_buf_clear(&text);
    if (number == REC_HASHMAP_NONE)
        return rec_err_memory(err, object);
    t->n = t->names.n;
    return 0;
}

static int add_genres(struct columns *t, const struct work *w, const char *prefix, size_t *begin, struct rec_err *err)
{
    *begin = t->n;
    for (size_t g = 0; g < w->n_genres; g++)
        if (add_column(t, prefix, w->genre[g], w->genre_len[g], err) < 0)
            return -1;
    return 0;
}

static int make_columns(struct columns *t, struct rec_ids *ids, const struct work *w, bool users, size_t rows,
                        struct rec_err *err)
{
    unsigned missing = (w->r->time ? 0 : TIMES) | (w->c ? 0 : CATALOGUE) | (users ? ITEMS : USERS);
    size_t cells;

    for (int k = 0; k < COLUMNS; k++) {
        t->fixed[k] = column_table[k].when & missing ? -1 : (int)t->n;
        if (t->fixed[k] >= 0 && add_column(t, "", column_table[k].name, strlen(column_table[k].name), err) < 0)
            return -1;
    }
    if (add_genres(t, w, users ? "affinity=" : "genre=", &t->genre[0], err) < 0 ||
        (users && add_genres(t, w, "share=", &t->genre[1], err) < 0))
        return -1;
    if (!(t->rank = rec_malloc(t->n, sizeof *t->rank, object, err)) ||
        rec_ids_from_map(ids, &t->names, t->rank, err) < 0)
        return -1;
    if (rec_size_mul(&cells, rows, t->n) < 0)
        return rec_err_memory(err, object);
    return (t->cell = rec_calloc(cells, sizeof *t->cell, object, err)) ? 0 : -1;
}

static void columns_clear(struct columns *t)
{
    rec_hashmap_clear(&t->names);
    free(t->rank);
}

/* The cell of a column by its order of adding. */
static float *cell(struct columns *t, size_t row, size_t column)
{
    return &t->cell[row * t->n + t->rank[column]];
}

static void put(struct columns *t, size_t row, int column, double value)
{
    if (t->fixed[column] >= 0)
        *cell(t, row, (size_t)t->fixed[column]) = (float)value;
}

/* Whoever has no rating has the mean of all, and was last seen when the first one was made. */
static void put_tally(struct columns *c, size_t row, const struct tally *t, const struct work *w)
{
    double n = (double)t->n;
    int64_t first = t->n ? t->first : w->oldest, last = t->n ? t->last : w->oldest;

    put(c, row, COUNT, n);
    put(c, row, LOG_COUNT, log1p(n));
    put(c, row, SHARE, w->r->nnz ? n / (double)w->r->nnz : 0);
    put(c, row, MEAN, t->n ? t->sum / n : w->mean);
    put(c, row, STD, t->n ? sqrt(t->squares / n) : 0);
    put(c, row, FIRST, ((double)w->newest - (double)first) / 86400);
    put(c, row, LAST, ((double)w->newest - (double)last) / 86400);
    put(c, row, ACTIVE, ((double)last - (double)first) / 86400);
}

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;

    return (x < y) - (x > y);
}

/* 1 for the most popular item; items rated equally often share the better rank. */
static int put_ranks(struct columns *t, const struct work *w, struct rec_err *err)
{
    size_t *counts = rec_malloc(w->n_items, sizeof *counts, object, err);

    if (!counts)
        return -1;
    for (size_t i = 0; i < w->n_items; i++)
        counts[i] = w->item[i].n;
    qsort(counts, w->n_items, sizeof *counts, by_size);
    for (size_t i = 0; i < w->n_items; i++) {
        size_t lo = 0, hi = w->n_items; /* the first place with no more than this many */

        while (lo < hi) {
            size_t mid = (lo + hi) / 2;

            if (counts[mid] > w->item[i].n)
                lo = mid + 1;
            else
                hi = mid;
        }
        put(t, i, RANK, (double)lo + 1);
    }
    free(counts);
    return 0;
}

static int item_columns(struct rec_features *f, struct columns *t, struct work *w, struct rec_err *err)
{
    int64_t year;
    unsigned month, day;

    if (make_columns(t, &f->item_columns, w, false, w->n_items, err) < 0)
        return -1;
    f->owned[0] = t->cell;
    f->item_dense = t->cell;
    for (size_t i = 0; i < w->n_items; i++)
        put_tally(t, i, &w->item[i], w);
    if (put_ranks(t, w, err) < 0)
        return -1;
    rec_date_to_civil(w->newest, &year, &month, &day);
    for (size_t j = 0; w->c && j < w->c->n; j++) {
        size_t i = (size_t)w->known_at[j];
        int32_t y = w->c->year[j];

        put(t, i, YEAR, y);
        put(t, i, YEAR_KNOWN, y != 0);
        put(t, i, DECADE, y - y % 10);
        put(t, i, AGE, y ? (double)(year - y) : 0);
        for (int64_t p = w->c->genre_ptr[j]; p < w->c->genre_ptr[j + 1]; p++)
            if (w->genre_number[w->c->genre[p]] >= 0)
                *cell(t, i, t->genre[0] + (size_t)w->genre_number[w->c->genre[p]]) = 1;
    }
    return 0;
}

/* What user u makes of each genre: its share of their ratings, and how much higher than their others they are. Five
 * ratings at the
 *  user's mean are added to those of a genre, so that one rating does not make a taste. */
static void put_taste(struct columns *t, const struct work *w, size_t u, double *deviation, size_t *n)
{
    const struct rec_ratings *r = w->r;
    double mean = w->user[u].n ? w->user[u].sum / (double)w->user[u].n : 0;

    memset(deviation, 0, w->n_genres * sizeof *deviation);
    memset(n, 0, w->n_genres * sizeof *n);
    for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
        int32_t j = w->in_catalogue[r->item[p]];

        for (int64_t q = j < 0 ? 0 : w->c->genre_ptr[j]; j >= 0 && q < w->c->genre_ptr[j + 1]; q++) {
            int32_t g = w->genre_number[w->c->genre[q]];

            if (g < 0)
                continue;
            deviation[g] += r->value[p] - mean;
            n[g]++;
        }
    }
    for (size_t g = 0; g < w->n_genres; g++) {
        *cell(t, u, t->genre[0] + g) = (float)(deviation[g] / ((double)n[g] + 5));
        *cell(t, u, t->genre[1] + g) = w->user[u].n ? (float)((double)n[g] / (double)w->user[u].n) : 0;
    }
}

static int user_columns(struct rec_features *f, struct columns *t, struct work *w, struct rec_err *err)
{
    const struct rec_ratings *r = w->r;
    double *deviation = rec_malloc(w->n_genres, sizeof *deviation, object, err);
    size_t *n = rec_malloc(w->n_genres, sizeof *n, object, err);
    int rc = -1;

    if (!deviation || !n || make_columns(t, &f->user_columns, w, true, r->n_users, err) < 0)
        goto out;
    f->owned[1] = t->cell;
    f->user_dense = t->cell;
    for (size_t u = 0; u < r->n_users; u++) {
        double sum = 0;

        put_tally(t, u, &w->user[u], w);
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++)
            sum += log1p((double)w->item[w->rated_at[r->item[p]]].n);
        put(t, u, POPULARITY, w->user[u].n ? sum / (double)w->user[u].n : 0);
        if (w->n_genres)
            put_taste(t, w, u, deviation, n);
    }
    rc = 0;
out:
    free(deviation);
    free(n);
    return rc;
}

/* ---- the whole ---------------------------------------------------------------------------------- */

static int take_titles(struct rec_features *f, const struct work *w, const struct rec_titles_options *o,
                       struct rec_err *err)
{
    struct rec_titles titles;

    if (!w->c)
        return 0;
    if (rec_titles_build(&titles, w->c, w->known_at, w->n_items, o, err) < 0)
        return -1;
    f->terms = titles.terms;
    f->owned[2] = titles.idf;
    f->owned[3] = titles.ptr;
    f->owned[4] = titles.term;
    f->owned[5] = titles.weight;
    f->term_idf = titles.idf;
    f->title_ptr = titles.ptr;
    f->title_term = titles.term;
    f->title_weight = titles.weight;
    return 0;
}

int rec_features_build(struct rec_features *out, const struct rec_ratings *r, const struct rec_catalogue *c,
                       const struct rec_features_options *o, struct rec_err *err)
{
    struct work w = {.r = r, .c = c};
    struct columns items = {.n = 0}, users = {.n = 0};
    int rc = -1;

    *out = (struct rec_features){.users = {.bytes = r->users.bytes, .offset = r->users.offset, .n = r->users.n}};
    if (!(out->history = rec_calloc(1, 1, object, err)) || join_items(out, &w, err) < 0 || count(&w, err) < 0 ||
        choose_genres(&w, o->max_genres, err) < 0 || item_columns(out, &items, &w, err) < 0 ||
        user_columns(out, &users, &w, err) < 0 || take_titles(out, &w, &o->titles, err) < 0)
        goto out;
    rc = 0;
out:
    columns_clear(&items);
    columns_clear(&users);
    free(w.rated_at);
    free(w.known_at);
    free(w.in_catalogue);
    free(w.item);
    free(w.user);
    free(w.genre_number);
    free(w.genre);
    free(w.genre_len);
    if (rc < 0)
        rec_features_clear(out);
    return rc;
}

void rec_features_clear(struct rec_features *f)
{
    for (size_t i = 0; i < REC_LENGTH(f->owned); i++)
        free(f->owned[i]);
    rec_ids_clear(&f->items);
    rec_ids_clear(&f->users);
    rec_ids_clear(&f->item_columns);
    rec_ids_clear(&f->user_columns);
    rec_ids_clear(&f->terms);
    free(f->history);
    rec_safetensors_close(&f->file);
    *f = (struct rec_features){.history = NULL};
}
