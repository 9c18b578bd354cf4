/* SPDX-License-Identifier: MIT
 *
 * What is counted: requests by route and status, time by route, bytes. The names are Prometheus's: rec-metrics(1) reads the same file.
 */
#include "service_priv.h"

#include <stdlib.h>
#include <string.h>

static const double bounds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};

const struct rec_prom_metric rec_service_requests = {"rec_http_requests_total", REC_PROM_COUNTER, "Requests answered, by route, method and status.", NULL, 0};
const struct rec_prom_metric rec_service_seconds = {"rec_http_request_duration_seconds", REC_PROM_HISTOGRAM,
                                                    "Time from the whole request to its answer, by route.", bounds, REC_LENGTH(bounds)};
const struct rec_prom_metric rec_service_bytes = {"rec_http_response_bytes_total", REC_PROM_COUNTER, "Bytes of answers, heads included.", NULL, 0};
const struct rec_prom_metric rec_service_limited = {"rec_http_limited_total", REC_PROM_COUNTER, "Requests refused for being too many.", NULL, 0};
const struct rec_prom_metric rec_service_events = {"rec_feedback_events_total", REC_PROM_COUNTER, "Events of feedback stored, by kind.", NULL, 0};
const struct rec_prom_metric rec_service_lists = {"rec_recommendations_total", REC_PROM_COUNTER, "Lists of recommendations made, by how.", NULL, 0};
const struct rec_prom_metric rec_service_logins = {"rec_logins_total", REC_PROM_COUNTER, "Logins, by outcome.", NULL, 0};
const struct rec_prom_metric rec_service_reloads = {"rec_model_loads_total", REC_PROM_COUNTER, "Models taken into use or not, by outcome.", NULL, 0};
const struct rec_prom_metric rec_service_loaded = {"rec_model_loaded_timestamp_seconds", REC_PROM_GAUGE, "When the model in use was taken into use.", NULL, 0};
const struct rec_prom_metric rec_service_cache = {"rec_cache_requests_total", REC_PROM_COUNTER, "Questions to the cache, by outcome.", NULL, 0};
const struct rec_prom_metric rec_service_limits = {"rec_limits_requests_total", REC_PROM_COUNTER,
                                                  "Questions to the server of the limits that hosts share, by outcome.", NULL, 0};

const struct rec_prom_metric rec_service_answers = {"rec_answers_requests_total", REC_PROM_COUNTER, "Looks among the answers that a process made before, by outcome.", NULL, 0};

const struct rec_prom_metric *const rec_service_metrics[] = {
    &rec_service_requests, &rec_service_seconds, &rec_service_bytes, &rec_service_limited, &rec_service_events, &rec_service_lists,
    &rec_service_logins, &rec_service_reloads, &rec_service_loaded, &rec_service_cache, &rec_service_limits, &rec_service_answers, NULL,
};

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
    struct rec_stats_cell *requests, *bytes, *limited, *seconds[REC_LENGTH(bounds) + 3];
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
