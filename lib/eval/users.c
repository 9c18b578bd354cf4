/* SPDX-License-Identifier: MIT
 *
 * Figures user by user, as rec_eval_write writes them, read back; and two systems' figures put beside each other.
 */
#include <rec/eval.h>
#include <rec/format.h>

#include <math.h>

static int read_header(struct rec_users *users, const struct rec_csv *csv, struct rec_err *err)
{
    if (csv->n < 2 || csv->field[0].len != 4 || memcmp(csv->field[0].text, "user", 4))
        return rec_err_set(err, "%s: does not begin with user,METRIC,... as rec-eval --per-user writes", users->name);
    users->key = rec_calloc(csv->n - 1, sizeof *users->key, users->name, err);
    if (!users->key)
        return -1;
    for (size_t c = 1; c < csv->n; c++) {
        users->key[c - 1] = strndup(csv->field[c].text, csv->field[c].len);
        if (!users->key[users->columns++])
            return rec_err_memory(err, users->name);
    }
    return 0;
}

static int read_row(struct rec_users *users, size_t *cap, const struct rec_csv *csv, struct rec_err *err)
{
    if (csv->n != users->columns + 1)
        return rec_err_set(err, "%s:%llu: has %zu fields for %zu columns", users->name, (unsigned long long)csv->line, csv->n, users->columns + 1);
    if (users->n == *cap) {
        size_t more = *cap ? 2 * *cap : 1024, cells;
        if (rec_size_mul(&cells, more, users->columns) < 0 || rec_realloc(&users->value, cells, sizeof *users->value, users->name, err) < 0)
            return -1;
        *cap = more;
    }
    if (rec_hashmap_find(&users->ids, csv->field[0].text, csv->field[0].len) != REC_HASHMAP_NONE)
        return rec_err_set(err, "%s:%llu: a user is there twice", users->name, (unsigned long long)csv->line);
    if (rec_hashmap_intern(&users->ids, csv->field[0].text, csv->field[0].len) == REC_HASHMAP_NONE)
        return rec_err_memory(err, users->name);
    for (size_t c = 0; c < users->columns; c++) {
        double *value = &users->value[users->n * users->columns + c];
        *value = NAN;
        if (csv->field[c + 1].len > 0 && rec_num_double(value, csv->field[c + 1].text, csv->field[c + 1].len) < 0)
            return rec_err_set(err, "%s:%llu: column %zu is no number", users->name, (unsigned long long)csv->line, c + 2);
    }
    users->n++;
    return 0;
}

int rec_users_read(struct rec_users *users, const char *path, struct rec_err *err)
{
    struct rec_csv_dialect dialect = {.delimiter = ",", .delimiter_len = 1, .quotes = true};
    struct rec_csv csv;
    size_t cap = 0;
    int status, got;

    *users = (struct rec_users){.name = path};
    if (rec_csv_open(&csv, path, &dialect, err) < 0)
        return -1;
    got = rec_csv_next(&csv, err);
    if (got == REC_CSV_END)
        got = rec_err_set(err, "%s: is empty", path);
    status = got == REC_CSV_RECORD ? read_header(users, &csv, err) : -1;
    while (status == 0 && (got = rec_csv_next(&csv, err)) == REC_CSV_RECORD)
        status = read_row(users, &cap, &csv, err);
    if (got == REC_CSV_BAD)
        rec_csv_complain(err, &csv);
    if (got == REC_CSV_BAD || got < 0)
        status = -1;
    rec_csv_close(&csv);
    if (status < 0)
        rec_users_clear(users);
    return status;
}

void rec_users_clear(struct rec_users *users)
{
    for (size_t c = 0; c < users->columns; c++)
        free(users->key[c]);
    free(users->key);
    free(users->value);
    rec_hashmap_clear(&users->ids);
    *users = (struct rec_users){0};
}

ptrdiff_t rec_users_column(const struct rec_users *users, const char *key)
{
    for (size_t c = 0; c < users->columns; c++)
        if (!strcmp(users->key[c], key))
            return (ptrdiff_t)c;
    return -1;
}

static int differ(const struct rec_users *a, const struct rec_users *b, const char *key, struct rec_err *err)
{
    rec_err_set(err, "%s was not measured of the same users (%zu and %zu): evaluate both on the same held-out ratings", key, a->n, b->n);
    return 1;
}

/* In the order of a's rows; users of whom neither has a figure are left out. */
int rec_users_pair(double **out, size_t *n, const struct rec_users *a, const struct rec_users *b, const char *key, double factor, double offset,
                   struct rec_err *err)
{
    ptrdiff_t ca = rec_users_column(a, key), cb = rec_users_column(b, key);

    *out = NULL;
    *n = 0;
    if (ca < 0 || cb < 0) {
        rec_err_set(err, "%s: has no column %.40s", ca < 0 ? a->name : b->name, key);
        return 1;
    }
    if (a->n != b->n)
        return differ(a, b, key, err);
    *out = rec_malloc(a->n, sizeof **out, "differences", err);
    if (!*out)
        return -1;
    for (size_t u = 0; u < a->n; u++) {
        const char *id = a->ids.bytes + a->ids.offset[u];
        uint32_t other = rec_hashmap_find(&b->ids, id, (size_t)(a->ids.offset[u + 1] - a->ids.offset[u]));
        double x = a->value[u * a->columns + (size_t)ca], y = other == REC_HASHMAP_NONE ? (double)NAN : b->value[other * b->columns + (size_t)cb];

        if (other != REC_HASHMAP_NONE && isnan(x) && isnan(y))
            continue;
        if (isnan(x) || isnan(y)) {
            free(*out);
            *out = NULL;
            *n = 0;
            return differ(a, b, key, err);
        }
        (*out)[(*n)++] = x - factor * y - offset;
    }
    return 0;
}
