/* SPDX-License-Identifier: MIT
 *
 * What is counted: requests by route and status, time by route, bytes. The names are Prometheus's: rec-metrics(1) reads the same file.
 */
#include "service_priv.h"

#include <stdlib.h>

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

const struct rec_prom_metric *const rec_service_metrics[] = {
    &rec_service_requests, &rec_service_seconds, &rec_service_bytes, &rec_service_limited, &rec_service_events, &rec_service_lists,
    &rec_service_logins, &rec_service_reloads, &rec_service_loaded, &rec_service_cache, NULL,
};

void rec_service_add(struct rec_serve *serve, const struct rec_prom_metric *metric, const char *name, const char *value)
{
    struct rec_buf labels = {0};

    if (name)
        rec_prom_label(&labels, name, value, __builtin_strlen(value));
    if (!labels.failed)
        rec_stats_add(rec_stats_series(serve->stats, metric, labels.data ? labels.data : ""), 1);
    rec_buf_clear(&labels);
}

void rec_service_count(struct rec_serve *serve, const struct rec_exchange *x, const struct rec_route *route, size_t bytes, double seconds)
{
    const char *path = route ? route->path : "other", *method = x->message->method ? rec_message_methods[x->message->method] : "other";
    struct rec_stats_cell *cells[REC_LENGTH(bounds) + 3];
    char labels[120];

    snprintf(labels, sizeof labels, "route=\"%s\",method=\"%s\",status=\"%u\"", path, method, x->response.status);
    rec_stats_add(rec_stats_series(serve->stats, &rec_service_requests, labels), 1);
    snprintf(labels, sizeof labels, "route=\"%s\"", path);
    rec_stats_histogram(cells, serve->stats, &rec_service_seconds, labels);
    rec_stats_observe(cells, &rec_service_seconds, seconds);
    rec_stats_add(rec_stats_series(serve->stats, &rec_service_bytes, ""), (int64_t)bytes);
    if (x->response.status == 429)
        rec_stats_add(rec_stats_series(serve->stats, &rec_service_limited, ""), 1);
}
