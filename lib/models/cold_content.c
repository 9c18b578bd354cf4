/* SPDX-License-Identifier: MIT
 *
 * What items are, as sparse rows: a column for each genre, for each word of titles, and for decades, between which a year is shared by its distance
 * to their middles. Columns that are made of ratings tell nothing of an item without any, and are left out.
 */
#include "cold_priv.h"

#include <math.h>

enum { COLUMNS_MAX = 1024, DECADES = 21, FIRST_DECADE = 1840 };

static bool from_ratings(const char *name, size_t len)
{
    static const char *const names[] = {"count", "log_count", "share", "rank", "mean", "std", "days_since_first", "days_since_last", "days_active",
                                        "year", "year_known", "decade", "age"};

    for (size_t i = 0; i < REC_LENGTH(names); i++)
        if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
            return true;
    return false;
}

/* Which columns of the features go where. */
struct plan {
    const struct rec_features *f;
    int32_t *dense;         /* [item_columns.n] the column, or -1 */
    int32_t *term;          /* [terms.n] the column, or -1 */
    int32_t year, decades;  /* the features' column of years, or -1; the first column of decades */
    size_t columns;
};

static int32_t find_column(const struct rec_features *f, const char *name)
{
    return rec_ids_find(&f->item_columns, name, strlen(name));
}

/* The terms that are in the most titles, as far as there is room; of equally common ones the first. */
static int choose_terms(struct plan *p, struct rec_err *err)
{
    const struct rec_features *f = p->f;
    size_t n = f->terms.n, room = COLUMNS_MAX - p->columns, least = 0, above = 0;
    size_t *df = rec_calloc(n + 1, sizeof *df, "features", err), *of_df = rec_calloc(f->items.n + 2, sizeof *of_df, "features", err);

    if (!df || !of_df) {
        free(df);
        free(of_df);
        return -1;
    }
    for (size_t i = 0; n > 0 && i < (size_t)f->title_ptr[f->items.n]; i++)
        df[f->title_term[i]]++;
    for (size_t t = 0; t < n; t++)
        of_df[df[t]]++;
    for (least = f->items.n + 1; least > 0 && above + of_df[least - 1] <= room; least--)
        above += of_df[least - 1];
    for (size_t t = 0; t < n; t++)
        p->term[t] = df[t] >= least ? (int32_t)p->columns++ : -1;
    free(df);
    free(of_df);
    return 0;
}

static int make_plan(struct plan *p, const struct rec_features *f, struct rec_err *err)
{
    *p = (struct plan){.f = f, .year = find_column(f, "year")};
    p->dense = rec_malloc(f->item_columns.n, sizeof *p->dense, "features", err);
    p->term = rec_malloc(f->terms.n, sizeof *p->term, "features", err);
    if (!p->dense || !p->term)
        return -1;
    for (size_t c = 0; c < f->item_columns.n; c++) {
        size_t len;
        const char *name = rec_ids_get(&f->item_columns, c, &len);
        p->dense[c] = from_ratings(name, len) || p->columns >= COLUMNS_MAX / 2 ? -1 : (int32_t)p->columns++;
    }
    p->decades = (int32_t)p->columns;
    p->columns += p->year < 0 ? 0 : DECADES;
    return choose_terms(p, err);
}

/* A year lies between the middles of two decades, and counts for each by how near it is. */
static size_t add_year(int32_t *index, float *value, const struct plan *p, size_t item)
{
    double year = p->year < 0 ? 0 : p->f->item_dense[item * p->f->item_columns.n + (size_t)p->year], at;
    size_t n = 0;

    if (!(year >= 1))
        return 0;
    at = fmin(fmax((year - FIRST_DECADE) / 10, 0), DECADES - 1.001);
    for (int32_t d = (int32_t)at; d <= (int32_t)at + 1; d++) {
        index[n] = p->decades + d;
        value[n++] = (float)(1 - fabs(at - d));
    }
    return n;
}

/* The entries of one item, columns ascending. */
static size_t fill_row(int32_t *index, float *value, const struct plan *p, size_t item)
{
    const struct rec_features *f = p->f;
    size_t n = 0;

    for (size_t c = 0; c < f->item_columns.n; c++) {
        float x = f->item_dense[item * f->item_columns.n + c];
        if (p->dense[c] >= 0 && x != 0) {
            index[n] = p->dense[c];
            value[n++] = x;
        }
    }
    n += add_year(index + n, value + n, p, item);
    for (int64_t t = f->terms.n ? f->title_ptr[item] : 0; f->terms.n && t < f->title_ptr[item + 1]; t++)
        if (p->term[f->title_term[t]] >= 0) {
            index[n] = p->term[f->title_term[t]];
            value[n++] = f->title_weight[t];
        }
    return n;
}

static size_t most_entries(const struct plan *p)
{
    const struct rec_features *f = p->f;
    size_t n = f->items.n * (f->item_columns.n + 2);

    return n + (f->terms.n ? (size_t)f->title_ptr[f->items.n] : 0);
}

static void to_length_1(float *value, int64_t n)
{
    double sum = 0;

    for (int64_t k = 0; k < n; k++)
        sum += (double)value[k] * value[k];
    for (int64_t k = 0; k < n; k++)
        value[k] = sum > 0 ? (float)(value[k] / sqrt(sum)) : 0;
}

/* How rare columns are. */
static int set_inverse(struct rec_cold_content *out, struct rec_err *err)
{
    const struct rec_csr *rows = &out->rows;
    size_t with = 0;

    out->inverse = rec_calloc(rows->cols, sizeof *out->inverse, "features", err);
    if (!out->inverse)
        return -1;
    for (size_t i = 0; i < rows->rows; i++)
        with += rows->ptr[i + 1] > rows->ptr[i];
    for (size_t k = 0; k < rows->nnz; k++)
        out->inverse[rows->index[k]]++;
    for (size_t c = 0; c < rows->cols; c++)
        out->inverse[c] = out->inverse[c] > 0 ? (float)log(1 + (double)with / out->inverse[c]) : 0;
    return 0;
}

int rec_cold_content_build(struct rec_cold_content *out, const struct rec_features *features, const int32_t *place, size_t n_items, struct rec_err *err)
{
    struct plan p = {.f = features};
    int32_t *item_at = rec_malloc(n_items, sizeof *item_at, "features", err);
    size_t room;
    int rc = -1;

    *out = (struct rec_cold_content){.rows = {.rows = n_items}};
    if (!item_at || make_plan(&p, features, err) < 0)
        goto out;
    room = most_entries(&p);
    out->rows.cols = p.columns;
    out->rows.ptr = rec_calloc(n_items + 1, sizeof *out->rows.ptr, "features", err);
    out->rows.index = rec_malloc(room, sizeof *out->rows.index, "features", err);
    out->rows.value = rec_malloc(room, sizeof *out->rows.value, "features", err);
    if (!out->rows.ptr || !out->rows.index || !out->rows.value)
        goto out;
    for (size_t i = 0; i < n_items; i++)
        item_at[i] = -1;
    for (size_t i = 0; i < features->items.n; i++)
        if (place[i] >= 0)
            item_at[place[i]] = (int32_t)i;
    for (size_t i = 0; i < n_items; i++) {
        int64_t at = out->rows.ptr[i];
        out->rows.ptr[i + 1] = at + (item_at[i] < 0 ? 0 : (int64_t)fill_row(out->rows.index + at, out->rows.value + at, &p, (size_t)item_at[i]));
        to_length_1(out->rows.value + at, out->rows.ptr[i + 1] - at);
    }
    out->rows.nnz = (size_t)out->rows.ptr[n_items];
    rc = set_inverse(out, err);
out:
    free(item_at);
    free(p.dense);
    free(p.term);
    if (rc < 0)
        rec_cold_content_clear(out);
    return rc;
}

void rec_cold_content_clear(struct rec_cold_content *content)
{
    rec_csr_clear(&content->rows);
    free(content->inverse);
    content->inverse = NULL;
}
