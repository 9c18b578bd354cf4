/* SPDX-License-Identifier: MIT
 *
 * What the parts of rec-metrics share: Prometheus' text (https://prometheus.io/docs/instrumenting/exposition_formats/).
 *
 *     rec-metrics.c            which sources; labels for all; the output
 *     rec-metrics_runs.c       the run log
 *     rec-metrics_model.c      metrics.json, the registry
 *     rec-metrics_data.c       the report of data checks, the counters of rec-serve
 */
#ifndef REC_METRICS_H
#define REC_METRICS_H

#include "tool.h"

/** HELP and TYPE; the samples of a family follow it at once. */
void metrics_family(struct rec_buf *out, const char *name, const char *type, const char *help);
/** @param labels  as rec_prom_label makes them; NULL or empty: none */
void metrics_sample(struct rec_buf *out, const char *name, const struct rec_buf *labels, double value);
void metrics_label(struct rec_buf *labels, const char *name, const char *value);

/** Each adds the families of one source. */
int metrics_runs(struct rec_buf *out, const char *path, struct rec_err *err);
int metrics_model(struct rec_buf *out, const char *path, struct rec_err *err);
int metrics_registry(struct rec_buf *out, const char *path, struct rec_err *err);
int metrics_checks(struct rec_buf *out, const char *path, struct rec_err *err);
int metrics_counters(struct rec_buf *out, const char *path, struct rec_err *err);

#endif
