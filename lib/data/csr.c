/* SPDX-License-Identifier: MIT
 *
 * Compressed sparse rows: checking, transposing, and expressing ratings in other id tables.
 */
#include <rec/data.h>

enum { BLOCK = 256 };

/* ---- checking ------------------------------------------------------------------------------------ */

/* In order: user u begins where user u-1 ends. Every value is known to be within [0, nnz] afterwards. */
static int check_ptr(const struct rec_safetensors *file, const char *name, const int64_t *ptr, size_t rows, int64_t nnz,
                     struct rec_err *err)
{
    if (ptr[0] != 0 || ptr[rows] != nnz)
        return rec_err_set(err, "%s: tensor %s does not go from 0 to %lld", file->name, name, (long long)nnz);
    for (size_t u = 0; u < rows; u++)
        if (ptr[u] > ptr[u + 1])
            return rec_err_set(err, "%s: tensor %s falls at element %zu", file->name, name, u + 1);
    return 0;
}

/* How many indices of a block are out of range or not greater than the one before them, without branches, for the compiler to
 * make vectors of. index[-1] is there. */
static int count_block(const int32_t *index, uint32_t cols, int *outside)
{
    int falls = 0, out = 0;
    for (int i = 0; i < BLOCK; i++) {
        falls += index[i] <= index[i - 1];
        out |= (uint32_t)index[i] >= cols;
    }
    *outside |= out;
    return falls;
}

static size_t count_falls(const int32_t *index, size_t n, uint32_t cols, int *outside)
{
    size_t falls = 0, i = 1;
    *outside |= n > 0 && (uint32_t)index[0] >= cols;
    for (; i + BLOCK <= n; i += BLOCK)
        falls += (size_t)count_block(index + i, cols, outside);
    for (; i < n; i++) {
        falls += index[i] <= index[i - 1];
        *outside |= (uint32_t)index[i] >= cols;
    }
    return falls;
}

/* Falls that are allowed: between the last entry of a row and the first of the next. */
static size_t falls_between_rows(const int64_t *ptr, const int32_t *index, size_t rows)
{
    size_t falls = 0;
    for (size_t u = 0; u < rows; u++)
        if (ptr[u] < ptr[u + 1] && ptr[u] > 0)
            falls += index[ptr[u]] <= index[ptr[u] - 1];
    return falls;
}

/* Something is wrong: say where. */
static int find_bad(const struct rec_safetensors *file, const char *name, const int64_t *ptr, const int32_t *index, size_t rows,
                    size_t cols, struct rec_err *err)
{
    for (size_t u = 0; u < rows; u++)
        for (int64_t p = ptr[u]; p < ptr[u + 1]; p++) {
            if (index[p] < 0 || (size_t)index[p] >= cols)
                return rec_err_set(err, "%s: tensor %s: element %lld is %d, and there are %zu", file->name, name, (long long)p,
                                   (int)index[p], cols);
            if (p > ptr[u] && index[p] <= index[p - 1])
                return rec_err_set(err, "%s: tensor %s: element %lld of row %zu is not greater than the one before", file->name,
                                   name, (long long)p, u);
        }
    return rec_err_set(err, "%s: tensor %s is out of order", file->name, name);
}

int rec_csr_load(const struct rec_safetensors *file, const char *ptr_name, const char *index_name, size_t rows, size_t cols,
                 const int64_t **ptr, const int32_t **index, size_t *nnz, struct rec_err *err)
{
    uint64_t n_ptr, n;
    int outside = 0;
    *ptr = rec_safetensors_get(file, ptr_name, REC_I64, 1, &n_ptr, err);
    *index = *ptr ? rec_safetensors_get(file, index_name, REC_I32, 1, &n, err) : NULL;
    if (*index == NULL)
        return -1;
    if (n_ptr != rows + 1)
        return rec_err_set(err, "%s: tensor %s has %llu elements for %zu rows", file->name, ptr_name, (unsigned long long)n_ptr,
                           rows);
    *nnz = (size_t)n;
    if (file->verified)
        return 0;
    if (check_ptr(file, ptr_name, *ptr, rows, (int64_t)n, err) < 0)
        return -1;
    uint32_t limit = cols > INT32_MAX ? (uint32_t)INT32_MAX + 1 : (uint32_t)cols;
    size_t falls = count_falls(*index, *nnz, limit, &outside);
    if (outside || falls != falls_between_rows(*ptr, *index, rows))
        return find_bad(file, index_name, *ptr, *index, rows, cols, err);
    return 0;
}

/* ---- transposing --------------------------------------------------------------------------------- */

static void fill(struct rec_csr *out, size_t rows, const int64_t *ptr, const int32_t *index, const float *value)
{
    for (size_t r = 0; r < rows; r++)
        for (int64_t p = ptr[r]; p < ptr[r + 1]; p++) {
            int64_t q = out->ptr[index[p]]++;
            out->index[q] = (int32_t)r;
            if (value != NULL)
                out->value[q] = value[p];
        }
}

int rec_csr_transpose(struct rec_csr *out, size_t rows, size_t cols, const int64_t *ptr, const int32_t *index, const float *value,
                      struct rec_err *err)
{
    size_t nnz = (size_t)ptr[rows];
    *out = (struct rec_csr){.rows = cols, .cols = rows, .nnz = nnz};
    out->ptr = rec_calloc(cols + 2, sizeof *out->ptr, "transposing", err);
    out->index = rec_malloc(nnz, sizeof *out->index, "transposing", err);
    out->value = value ? rec_malloc(nnz, sizeof *out->value, "transposing", err) : NULL;
    if (out->ptr == NULL || out->index == NULL || (value != NULL && out->value == NULL)) {
        rec_csr_clear(out);
        return -1;
    }
    /* Counts stand one place on, so that while filling ptr[c] moves from the begin of c to its end, the begin of c + 1. */
    for (size_t p = 0; p < nnz; p++)
        out->ptr[index[p] + 1]++;
    for (size_t c = 0; c < cols; c++)
        out->ptr[c + 1] += out->ptr[c];
    fill(out, rows, ptr, index, value);
    memmove(out->ptr + 1, out->ptr, cols * sizeof *out->ptr);
    out->ptr[0] = 0;
    return 0;
}

void rec_csr_clear(struct rec_csr *csr)
{
    free(csr->ptr);
    free(csr->index);
    free(csr->value);
    *csr = (struct rec_csr){0};
}

/* ---- joining ------------------------------------------------------------------------------------- */

/* from[u]: the row of `r` that becomes row u of `out`, or -1. */
static size_t join_rows(struct rec_ratings *out, const struct rec_ratings *r, const int32_t *from, const int32_t *item_to)
{
    int64_t *ptr = out->owned[0];
    int32_t *item = out->owned[1];
    float *value = out->owned[2];
    int64_t *time = out->owned[3];
    size_t n = 0;
    ptr[0] = 0;
    for (size_t u = 0; u < out->n_users; u++) {
        int64_t begin = from[u] < 0 ? 0 : r->user_ptr[from[u]], end = from[u] < 0 ? 0 : r->user_ptr[from[u] + 1];
        for (int64_t p = begin; p < end; p++) {
            if (item_to[r->item[p]] < 0)
                continue;
            item[n] = item_to[r->item[p]];
            value[n] = r->value[p];
            if (time != NULL)
                time[n] = r->time[p];
            n++;
        }
        ptr[u + 1] = (int64_t)n;
    }
    return n;
}

static int own_arrays(struct rec_ratings *out, const struct rec_ratings *r, struct rec_err *err)
{
    out->user_ptr = out->owned[0] = rec_malloc(out->n_users + 1, sizeof(int64_t), "joining", err);
    out->item = out->owned[1] = rec_malloc(r->nnz, sizeof(int32_t), "joining", err);
    out->value = out->owned[2] = rec_malloc(r->nnz, sizeof(float), "joining", err);
    if (r->time != NULL)
        out->time = out->owned[3] = rec_malloc(r->nnz, sizeof(int64_t), "joining", err);
    out->history = strdup(r->history ? r->history : "");
    if (out->history == NULL)
        return rec_err_memory(err, "joining");
    if (out->user_ptr == NULL || out->item == NULL || out->value == NULL || (r->time != NULL && out->time == NULL))
        return -1;
    return 0;
}

/* Both id tables are in byte order, so that users and items keep theirs: rows stay ascending. */
int rec_csr_join(struct rec_ratings *out, const struct rec_ratings *r, const struct rec_ids *users, const struct rec_ids *items,
                 size_t *dropped, struct rec_err *err)
{
    int32_t *from = rec_malloc(users->n, sizeof *from, "joining", err);
    int32_t *item_to = rec_malloc(r->n_items, sizeof *item_to, "joining", err);
    int result = -1;
    *out = (struct rec_ratings){.n_users = users->n, .n_items = items->n, .digest = r->digest};
    out->users = (struct rec_ids){users->bytes, users->offset, users->n, {NULL}};
    out->items = (struct rec_ids){items->bytes, items->offset, items->n, {NULL}};
    if (from == NULL || item_to == NULL || own_arrays(out, r, err) < 0)
        goto out;
    rec_ids_join(from, users, &r->users);
    rec_ids_join(item_to, &r->items, items);
    out->nnz = join_rows(out, r, from, item_to);
    *dropped = r->nnz - out->nnz;
    result = 0;
out:
    if (result < 0)
        rec_ratings_clear(out);
    free(from);
    free(item_to);
    return result;
}
