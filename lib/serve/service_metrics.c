/* SPDX-License-Identifier: MIT
 *
 * What is counted, as Prometheus calls it. Apart from who counts, so that who only reads, rec-metrics(1), is not linked with a service.
 */
#include "service_priv.h"

static const double bounds[REC_SERVICE_BOUNDS] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5};
static const char *const texts[REC_SERVICE_BOUNDS] = {"0.0001", "0.00025", "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                                      "0.5", "1", "2.5"};

const struct rec_prom_metric rec_service_requests = {"rec_http_requests_total", REC_PROM_COUNTER, "Requests answered, by route, method and status.", NULL, 0, NULL};
const struct rec_prom_metric rec_service_seconds = {"rec_http_request_duration_seconds", REC_PROM_HISTOGRAM,
                                                    "Time from the whole request to its answer, by route.", bounds, REC_LENGTH(bounds), texts};
const struct rec_prom_metric rec_service_bytes = {"rec_http_response_bytes_total", REC_PROM_COUNTER, "Bytes of answers, heads included.", NULL, 0, NULL};
const struct rec_prom_metric rec_service_limited = {"rec_http_limited_total", REC_PROM_COUNTER, "Requests refused for being too many.", NULL, 0, NULL};
const struct rec_prom_metric rec_service_events = {"rec_feedback_events_total", REC_PROM_COUNTER, "Events of feedback stored, by kind.", NULL, 0, NULL};
const struct rec_prom_metric rec_service_lists = {"rec_recommendations_total", REC_PROM_COUNTER, "Lists of recommendations made, by how.", NULL, 0, NULL};
const struct rec_prom_metric rec_service_logins = {"rec_logins_total", REC_PROM_COUNTER, "Logins, by outcome.", NULL, 0, NULL};
const struct rec_prom_metric rec_service_reloads = {"rec_model_loads_total", REC_PROM_COUNTER, "Models taken into use or not, by outcome.", NULL, 0, NULL};
const struct rec_prom_metric rec_service_loaded = {"rec_model_loaded_timestamp_seconds", REC_PROM_GAUGE, "When the model in use was taken into use.", NULL, 0, NULL};
const struct rec_prom_metric rec_service_cache = {"rec_cache_requests_total", REC_PROM_COUNTER, "Questions to the cache, by outcome.", NULL, 0, NULL};
const struct rec_prom_metric rec_service_limits = {"rec_limits_requests_total", REC_PROM_COUNTER,
                                                  "Questions to the server of the limits that hosts share, by outcome.", NULL, 0, NULL};
const struct rec_prom_metric rec_service_answers = {"rec_answers_requests_total", REC_PROM_COUNTER, "Looks among the answers that a process made before, by outcome.", NULL, 0, NULL};

const struct rec_prom_metric *const rec_service_metrics[] = {
    &rec_service_requests, &rec_service_seconds, &rec_service_bytes, &rec_service_limited, &rec_service_events, &rec_service_lists,
    &rec_service_logins, &rec_service_reloads, &rec_service_loaded, &rec_service_cache, &rec_service_limits, &rec_service_answers, NULL,
};
