/* SPDX-License-Identifier: MIT
 *
 * The distinct values of a sample and their counts. Ratings have few distinct values: they are counted in a small table as they are read. When that
 * is full the sample is sorted, by radix, as keys whose order is that of the numbers.
 */
#include <rec/eval.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The table: open addressing, at most half full. */
enum { SLOTS = 4096, FEW = SLOTS / 2 };

struct table {
    uint32_t key[SLOTS];
    uint64_t count[SLOTS];   /* 0: free */
    size_t used;
};

/* Greater numbers have greater keys; 0 and -0 the same. */
static uint32_t key_of(float x)
{
    uint32_t bits;

    x += 0.0F;
    memcpy(&bits, &x, sizeof bits);
    return bits ^ (bits >> 31 ? 0xffffffffU : 0x80000000U);
}

static double value_of(uint32_t key)
{
    float x;

    key ^= key >> 31 ? 0x80000000U : 0xffffffffU;
    memcpy(&x, &key, sizeof x);
    return x;
}

/* False when there is no room for another value. */
static bool count_key(struct table *t, uint32_t key)
{
    size_t i = (key * 2654435761U) >> 20;

    for (; t->count[i]; i = (i + 1) % SLOTS)
        if (t->key[i] == key) {
            t->count[i]++;
            return true;
        }
    if (t->used == FEW)
        return false;
    t->used++;
    t->key[i] = key;
    t->count[i] = 1;
    return true;
}

static int room_for(struct rec_distribution *d, size_t n, struct rec_err *err)
{
    d->value = rec_malloc(n ? n : 1, sizeof *d->value, "distribution", err);
    d->count = rec_malloc(n ? n : 1, sizeof *d->count, "distribution", err);
    return d->value && d->count ? 0 : -1;
}

static int by_key(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static uint64_t count_of(const struct table *t, uint32_t key)
{
    size_t i = (key * 2654435761U) >> 20;

    while (t->key[i] != key || !t->count[i])
        i = (i + 1) % SLOTS;
    return t->count[i];
}

static int from_table(struct rec_distribution *d, const struct table *t, struct rec_err *err)
{
    uint32_t keys[FEW];

    for (size_t i = 0; i < SLOTS; i++)
        if (t->count[i])
            keys[d->n++] = t->key[i];
    if (room_for(d, d->n, err) < 0)
        return -1;
    qsort(keys, d->n, sizeof *keys, by_key);
    for (size_t i = 0; i < d->n; i++) {
        d->value[i] = value_of(keys[i]);
        d->count[i] = count_of(t, keys[i]);
    }
    return 0;
}

/* Three passes of 11 bits; the result is in `room`. */
static void sort_keys(uint32_t *room, uint32_t *key, size_t n)
{
    static const int shift[] = {0, 11, 22};
    uint32_t *from = key, *to = room;

    for (int pass = 0; pass < 3; pass++) {
        size_t at[2048] = {0}, sum = 0;
        for (size_t i = 0; i < n; i++)
            at[from[i] >> shift[pass] & 2047]++;
        for (size_t b = 0; b < 2048; b++) {
            size_t here = at[b];
            at[b] = sum;
            sum += here;
        }
        for (size_t i = 0; i < n; i++)
            to[at[from[i] >> shift[pass] & 2047]++] = from[i];
        uint32_t *other = from;
        from = to;
        to = other;
    }
}

static int from_sorted(struct rec_distribution *d, const uint32_t *key, size_t n, struct rec_err *err)
{
    size_t distinct = 0;

    for (size_t i = 0; i < n; i++)
        distinct += i == 0 || key[i] != key[i - 1];
    if (room_for(d, distinct, err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || key[i] != key[i - 1]) {
            d->value[d->n] = value_of(key[i]);
            d->count[d->n++] = 0;
        }
        d->count[d->n - 1]++;
    }
    return 0;
}

static int by_sorting(struct rec_distribution *d, const float *x, size_t n, size_t stride, struct rec_err *err)
{
    uint32_t *key = rec_malloc(n, sizeof *key, "distribution", err), *room = rec_malloc(n, sizeof *room, "distribution", err);
    int rc = -1;

    if (key && room) {
        for (size_t i = 0; i < n; i++)
            key[i] = key_of(x[i * stride]);
        sort_keys(room, key, n);
        rc = from_sorted(d, room, n, err);
    }
    free(key);
    free(room);
    return rc;
}

int rec_distribution_make(struct rec_distribution *out, const float *x, size_t n, size_t stride, struct rec_err *err)
{
    struct table *table = rec_calloc(1, sizeof *table, "distribution", err);
    size_t i = 0;
    int rc = -1;

    *out = (struct rec_distribution){.total = n};
    if (!table)
        return -1;
    while (i < n && count_key(table, key_of(x[i * stride])))
        i++;
    rc = i == n ? from_table(out, table, err) : by_sorting(out, x, n, stride, err);
    free(table);
    if (rc < 0)
        rec_distribution_clear(out);
    return rc;
}

void rec_distribution_clear(struct rec_distribution *d)
{
    free(d->value);
    free(d->count);
    *d = (struct rec_distribution){0};
}

double rec_distribution_mean(const struct rec_distribution *d)
{
    double sum = 0;

    for (size_t i = 0; i < d->n; i++)
        sum += d->value[i] * (double)d->count[i];
    return d->total ? sum / (double)d->total : NAN;
}

double rec_distribution_deviation(const struct rec_distribution *d)
{
    double mean = rec_distribution_mean(d), sum = 0;

    for (size_t i = 0; i < d->n; i++)
        sum += (d->value[i] - mean) * (d->value[i] - mean) * (double)d->count[i];
    return d->total ? sqrt(sum / (double)d->total) : NAN;
}

double rec_distribution_quantile(const struct rec_distribution *d, double q)
{
    double so_far = 0;

    for (size_t i = 0; i < d->n; i++) {
        so_far += (double)d->count[i];
        if (so_far >= q * (double)d->total)
            return d->value[i];
    }
    return d->n ? d->value[d->n - 1] : NAN;
}

/* By the sum of ranks times values, ranks from 1 in ascending order; those of equal values are consecutive. */
double rec_distribution_gini(const struct rec_distribution *d)
{
    double n = (double)d->total, sum = 0, weighted = 0, rank = 0;

    for (size_t i = 0; i < d->n; i++) {
        double c = (double)d->count[i];
        sum += d->value[i] * c;
        weighted += d->value[i] * (c * rank + c * (c + 1) / 2);
        rank += c;
    }
    return sum > 0 ? 2 * weighted / (n * sum) - (n + 1) / n : 0;
}
