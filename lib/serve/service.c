/* SPDX-License-Identifier: MIT
 *
 * Counting: requests by route and status, time by route, bytes. What is counted stands in service_metrics.c.
 */
#include "service_priv.h"

#include <stdlib.h>
#include <string.h>

/* ---- requests ----
 *
 * The series of a route, method and status are found by their text once: there are twenty of them, and each would be written, hashed and
 * compared for every request. Entries are put in by compare-and-swap and never changed; what finds no room is found by its text.
 */

enum { SLOTS = 512, NEAR = 8 };

struct series {
    const struct rec_route *route;
    enum rec_message_method method;
    unsigned status;
    struct rec_stats_cell *requests, *bytes, *limited, *seconds[REC_SERVICE_BOUNDS + 3];
};
/* The same of a metric with one label, of few values. */
struct labelled {
    const struct rec_prom_metric *metric;
    char value[24];
    struct rec_stats_cell *cell;
};
enum { LABELLED = 64 };

struct rec_service_series {
    _Atomic(struct series *) slot[SLOTS];
    _Atomic(struct labelled *) labelled[LABELLED];
};

static struct rec_stats_cell *find_labelled(struct rec_serve *serve, const struct rec_prom_metric *metric, const char *name, const char *value)
{
    struct rec_buf labels = {0};
    struct rec_stats_cell *cell = NULL;

    if (name)
        rec_prom_label(&labels, name, value, strlen(value));
    if (!labels.failed)
        cell = rec_stats_series(serve->stats, metric, labels.data ? labels.data : "");
    rec_buf_clear(&labels);
    return cell;
}

static void keep_labelled(struct rec_serve *serve, size_t at, const struct rec_prom_metric *metric, const char *value, struct rec_stats_cell *cell)
{
    struct labelled *none = NULL, *one = cell && strlen(value) < sizeof one->value ? malloc(sizeof *one) : NULL;

    if (!one)
        return;
    *one = (struct labelled){.metric = metric, .cell = cell};
    memcpy(one->value, value, strlen(value) + 1);
    if (!atomic_compare_exchange_strong(&serve->series->labelled[at], &none, one))
        free(one);
}

void rec_service_add(struct rec_serve *serve, const struct rec_prom_metric *metric, const char *name, const char *value)
{
    struct rec_stats_cell *cell;
    const struct labelled *one = NULL;
    size_t at = 0;

    value = name ? value : "";
    for (; serve->series && at < LABELLED && (one = atomic_load_explicit(&serve->series->labelled[at], memory_order_acquire)); at++)
        if (one->metric == metric && strcmp(one->value, value) == 0)
            break;
    cell = one ? one->cell : find_labelled(serve, metric, name, value);
    if (cell)
        rec_stats_add(cell, 1);
    if (!one && serve->series && at < LABELLED)
        keep_labelled(serve, at, metric, value, cell);
}

static void find_cells(struct series *s, struct rec_stats *stats)
{
    const char *path = s->route ? s->route->path : "other", *method = s->method ? rec_message_methods[s->method] : "other";
    char labels[120];

    snprintf(labels, sizeof labels, "route=\"%s\",method=\"%s\",status=\"%u\"", path, method, s->status);
    s->requests = rec_stats_series(stats, &rec_service_requests, labels);
    snprintf(labels, sizeof labels, "route=\"%s\"", path);
    rec_stats_histogram(s->seconds, stats, &rec_service_seconds, labels);
    s->bytes = rec_stats_series(stats, &rec_service_bytes, "");
    s->limited = s->status == 429 ? rec_stats_series(stats, &rec_service_limited, "") : NULL;
}

/* The entry of that route, method and status; `wanted` itself, filled, when there is none to be had. */
static const struct series *find_series(struct rec_serve *serve, struct series *wanted)
{
    size_t at = (size_t)(((uintptr_t)wanted->route / sizeof *wanted->route * 8 + wanted->method) * 31 + wanted->status);
    struct series *one, *made = NULL;

    for (size_t i = 0; serve->series && i < NEAR; i++) {
        _Atomic(struct series *) *slot = &serve->series->slot[(at + i) % SLOTS];

        one = atomic_load_explicit(slot, memory_order_acquire);
        if (!one) {
            if (!made && (made = malloc(sizeof *made))) {
                find_cells(wanted, serve->stats);
                *made = *wanted;
            }
            if (!made || atomic_compare_exchange_strong(slot, &one, made))
                return made ? made : (find_cells(wanted, serve->stats), wanted);
        }
        if (one->route == wanted->route && one->method == wanted->method && one->status == wanted->status) {
            free(made);
            return one;
        }
    }
    free(made);
    find_cells(wanted, serve->stats);
    return wanted;
}

int rec_service_open(struct rec_serve *serve, struct rec_err *err)
{
    serve->series = rec_calloc(1, sizeof *serve->series, "counters", err);
    return serve->series ? 0 : -1;
}

void rec_service_close(struct rec_serve *serve)
{
    for (size_t i = 0; serve->series && i < SLOTS; i++)
        free(atomic_load(&serve->series->slot[i]));
    for (size_t i = 0; serve->series && i < LABELLED; i++)
        free(atomic_load(&serve->series->labelled[i]));
    free(serve->series);
    serve->series = NULL;
}

void rec_service_count(struct rec_serve *serve, const struct rec_exchange *x, const struct rec_route *route, size_t bytes, double seconds)
{
    struct series wanted = {.route = route, .method = x->message->method, .status = x->response.status};
    const struct series *s = find_series(serve, &wanted);

    rec_stats_add(s->requests, 1);
    rec_stats_observe(s->seconds, &rec_service_seconds, seconds);
    rec_stats_add(s->bytes, (int64_t)bytes);
    if (s->limited)
        rec_stats_add(s->limited, 1);
}
