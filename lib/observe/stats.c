/* SPDX-License-Identifier: MIT
 *
 * Counters in a mapped file: an open-addressed table whose entries are claimed by compare-and-swap and never given up.
 */
#include <rec/observe.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A histogram stands so many places behind other series of its first label. */
enum { NAME_LONGEST = 176, SMALLEST = 64, PROBES = 1024, BEHIND = 6 };
enum { FREE, CLAIMED, NAMED };

static const char make[16] = "rec.stats/1\n";

struct rec_stats_cell {
    _Atomic int64_t value;
    _Atomic uint32_t state;
    uint32_t len;
    char name[NAME_LONGEST];
};
_Static_assert(sizeof(struct rec_stats_cell) == 192, "as the header says");

struct table {
    char make[16];
    uint64_t n;
    _Atomic uint64_t lost;
    unsigned char rest[160];
    struct rec_stats_cell cell[];     /* [n], and one more that nobody reads */
};

struct rec_stats {
    struct table *table;
    size_t bytes;
    struct rec_in in;                 /* of one that is only read */
};

static struct table *map_table(const char *path, size_t bytes, size_t n, struct rec_err *err)
{
    struct table head = {.n = n};

    memcpy(head.make, make, sizeof make);
    return rec_shared_map(&(struct rec_shared){.bytes = bytes, .head = &head, .head_len = sizeof head, .same = offsetof(struct table, lost),
                                               .what = "counters"}, path, err);
}

int rec_stats_open(struct rec_stats **out, const char *path, size_t series, struct rec_err *err)
{
    struct rec_stats *stats;

    *out = NULL;
    if (series < SMALLEST || (series & (series - 1)) || series > 1 << 24)
        return rec_err_set(err, "counters: %zu series: not a power of two from %d to 2^24", series, SMALLEST);
    stats = rec_calloc(1, sizeof *stats, "counters", err);
    if (!stats)
        return -1;
    stats->bytes = sizeof(struct table) + (series + 1) * sizeof(struct rec_stats_cell);
    stats->table = map_table(path, stats->bytes, series, err);
    if (!stats->table) {
        free(stats);
        return -1;
    }
    *out = stats;
    return 0;
}

/* The size of a file says how many series it has. */
static bool is_table(const struct rec_in *in)
{
    const struct table *t = (const void *)in->data;

    return in->mapped && in->len >= sizeof *t && !memcmp(t->make, make, sizeof make) && t->n < (in->len - sizeof *t) / sizeof t->cell[0] &&
           in->len == sizeof *t + (t->n + 1) * sizeof t->cell[0];
}

int rec_stats_read(struct rec_stats **out, const char *path, struct rec_err *err)
{
    struct rec_stats *stats = rec_calloc(1, sizeof *stats, "counters", err);

    *out = NULL;
    if (!stats)
        return -1;
    if (rec_in_open(&stats->in, path, err) < 0) {
        free(stats);
        return -1;
    }
    if (!is_table(&stats->in)) {
        rec_in_close(&stats->in);
        free(stats);
        return rec_err_set(err, "%s: not counters of rec-serve", path);
    }
    stats->table = (struct table *)(uintptr_t)stats->in.data;
    *out = stats;
    return 0;
}

void rec_stats_close(struct rec_stats *stats)
{
    if (!stats)
        return;
    if (stats->in.data)
        rec_in_close(&stats->in);
    else
        rec_shared_unmap(stats->table, stats->bytes);
    free(stats);
}

/* ---- series ---- */

/* Whether the cell is, or has now become, that series'. One that is being claimed by another process is waited for briefly: it will be
 * named in some nanoseconds, or its process is dead and it never will. */
static bool claim(struct rec_stats_cell *cell, const char *name, size_t len)
{
    uint32_t state = atomic_load(&cell->state);

    if (state == FREE && atomic_compare_exchange_strong(&cell->state, &state, CLAIMED)) {
        memcpy(cell->name, name, len);
        cell->len = (uint32_t)len;
        atomic_store(&cell->state, NAMED);
        return true;
    }
    for (int i = 0; i < 10000 && state != NAMED; i++)
        state = atomic_load(&cell->state);
    return state == NAMED && cell->len == len && memcmp(cell->name, name, len) == 0;
}

/* The cell of that name behind `from`, or NULL: cells are never given up, so that the first free one ends the search. */
static struct rec_stats_cell *look(struct table *t, uint64_t from, const char *name, size_t len)
{
    for (uint64_t i = 0; i < PROBES && i < t->n; i++) {
        struct rec_stats_cell *cell = &t->cell[(from + i) & (t->n - 1)];

        if (atomic_load(&cell->state) == FREE)
            return NULL;
        if (claim(cell, name, len))
            return cell;
    }
    return NULL;
}

/* Its place is `from` or behind it; where it was made by a version that looked elsewhere, by its own hash, it stays there. */
static struct rec_stats_cell *find(struct rec_stats *stats, uint64_t from, const char *name, size_t len)
{
    struct table *t = stats->table;
    struct rec_stats_cell *cell = len < NAME_LONGEST ? look(t, from, name, len) : NULL;

    if (!cell && len < NAME_LONGEST)
        cell = look(t, rec_hashmap_hash(name, len), name, len);
    for (uint64_t i = 0; !cell && len < NAME_LONGEST && i < PROBES && i < t->n; i++)
        if (claim(&t->cell[(from + i) & (t->n - 1)], name, len))
            cell = &t->cell[(from + i) & (t->n - 1)];
    if (cell)
        return cell;
    atomic_fetch_add(&t->lost, 1);
    return &t->cell[t->n];
}

/* name + suffix{labels,le="bound"}; its length, or NAME_LONGEST when it is too long. */
static size_t join(char text[NAME_LONGEST], const char *name, const char *suffix, const char *labels, const char *bound)
{
    const char *part[] = {name, suffix, labels[0] || bound ? "{" : "", labels, labels[0] && bound ? "," : "", bound ? "le=\"" : "", bound ? bound : "",
                          bound ? "\"" : "", labels[0] || bound ? "}" : ""};
    size_t at = 0;

    for (size_t i = 0; i < REC_LENGTH(part); i++) {
        size_t len = strlen(part[i]);

        if (len >= NAME_LONGEST - at)
            return NAME_LONGEST;
        memcpy(text + at, part[i], len);
        at += len;
    }
    return at;
}

/* What a process counts for one request lies together, as it is: every page that it touches costs it more than the counting. So the place of a series is
 * that of its first label, and those of a histogram stand beside each other. */
static uint64_t home(const char *name, const char *labels)
{
    return labels[0] ? rec_hashmap_hash(labels, strcspn(labels, ",")) : rec_hashmap_hash(name, strlen(name));
}

struct rec_stats_cell *rec_stats_series(struct rec_stats *stats, const struct rec_prom_metric *metric, const char *labels)
{
    char text[NAME_LONGEST];
    size_t len = join(text, metric->name, "", labels, NULL);

    return find(stats, home(metric->name, labels), text, len);
}

void rec_stats_histogram(struct rec_stats_cell **cells, struct rec_stats *stats, const struct rec_prom_metric *metric, const char *labels)
{
    static const char *const ends[] = {"_bucket", "_sum", "_count"};
    uint64_t from = home(metric->name, labels) + BEHIND;
    char text[NAME_LONGEST], number[REC_NUM_MAX + 1];
    size_t n = metric->n_bounds;

    for (size_t i = 0; i < n; i++) {
        if (!metric->texts)
            number[rec_num_print_double(number, metric->bounds[i])] = 0;
        cells[i] = find(stats, from + i, text, join(text, metric->name, ends[0], labels, metric->texts ? metric->texts[i] : number));
    }
    for (size_t i = 0; i < 3; i++)
        cells[n + i] = find(stats, from + n + i, text, join(text, metric->name, ends[i], labels, i ? NULL : "+Inf"));
}

void rec_stats_add(struct rec_stats_cell *cell, int64_t n)
{
    atomic_fetch_add_explicit(&cell->value, n, memory_order_relaxed);
}

void rec_stats_set(struct rec_stats_cell *cell, int64_t value)
{
    atomic_store_explicit(&cell->value, value, memory_order_relaxed);
}

int64_t rec_stats_get(const struct rec_stats_cell *cell)
{
    return atomic_load_explicit(&cell->value, memory_order_relaxed);
}

/* Buckets hold what is at or below their bound, as Prometheus reads them; the sum is in microseconds. */
void rec_stats_observe(struct rec_stats_cell *const *cells, const struct rec_prom_metric *metric, double seconds)
{
    for (size_t i = metric->n_bounds; i-- > 0 && seconds <= metric->bounds[i];)
        rec_stats_add(cells[i], 1);
    rec_stats_add(cells[metric->n_bounds], 1);
    rec_stats_add(cells[metric->n_bounds + 1], (int64_t)(seconds * 1e6 + 0.5));
    rec_stats_add(cells[metric->n_bounds + 2], 1);
}

uint64_t rec_stats_lost(const struct rec_stats *stats)
{
    return atomic_load(&stats->table->lost);
}

void rec_stats_each(const struct rec_stats *stats, void (*each)(void *context, const char *name, int64_t value), void *context)
{
    char name[NAME_LONGEST + 1];

    for (size_t i = 0; i < stats->table->n; i++) {
        const struct rec_stats_cell *cell = &stats->table->cell[i];

        if (atomic_load(&cell->state) != NAMED || cell->len >= NAME_LONGEST)
            continue;
        memcpy(name, cell->name, cell->len);
        name[cell->len] = 0;
        each(context, name, rec_stats_get(cell));
    }
}
