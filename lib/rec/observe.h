/* SPDX-License-Identifier: MIT
 *
 * observe: what a service says of itself: counters that all its processes share, and lines of a log.
 *
 *     stats     counters, gauges and histograms in a mapped file
 *     prom      the same as text for Prometheus (exposition format 0.0.4)
 *     log       one line for each request, as text or JSON
 *
 *     struct rec_stats *stats;
 *     if (rec_stats_open(&stats, "/run/rec/stats", 4096, &err) < 0) ...
 *     static const struct rec_prom_metric requests = {"rec_http_requests_total", REC_PROM_COUNTER, "Requests answered."};
 *     rec_stats_add(rec_stats_series(stats, &requests, "route=\"/movies\",status=\"200\""), 1);
 *     rec_prom_write(&out, stats, metrics, n);
 */
#ifndef REC_OBSERVE_H
#define REC_OBSERVE_H

#include <rec/util.h>

/* ---- prom: what a metric is ----------------------------------------------------------------------- */

enum rec_prom_type { REC_PROM_COUNTER, REC_PROM_GAUGE, REC_PROM_HISTOGRAM };

struct rec_prom_metric {
    const char *name;             /**< counters end in _total; seconds, bytes and ratios are named so */
    enum rec_prom_type type;
    const char *help;
    const double *bounds;         /**< histogram: upper bounds, ascending, without +Inf; values are in seconds */
    size_t n_bounds;
    const char *const *texts;     /**< the bounds as rec_num_print_double prints them; NULL: they are printed when they are needed */
};

/* ---- stats: counters in a mapped file -------------------------------------------------------------
 *
 * A series is a metric with labels. It has a slot of the file, found by its text and made by the first process that asks for it, and never
 * moves: whoever counts often keeps the pointer. Counting is one atomic addition; a process that is killed leaves nothing half done. When
 * the file is full, new series share a slot that nobody reads: counting goes on, and rec_stats_lost says how often that happened.
 */
struct rec_stats;
struct rec_stats_cell;                /**< of a series; a histogram's are its buckets, sum and count */

/** Maps the file, made (0600) when it is not there or empty; refused when it is another. @param path  NULL: of this process alone.
 *  @param series  room for so many, a power of two; 192 bytes each. */
int rec_stats_open(struct rec_stats **out, const char *path, size_t series, struct rec_err *err);
/** One that others count in, for reading alone: rec_stats_get, rec_stats_each, rec_stats_lost and rec_prom_write. It is not made, nor written. */
int rec_stats_read(struct rec_stats **out, const char *path, struct rec_err *err);
void rec_stats_close(struct rec_stats *stats);

/** The series of a counter or gauge with these labels: `name="value",...` as Prometheus writes them, or "". Never NULL. */
struct rec_stats_cell *rec_stats_series(struct rec_stats *stats, const struct rec_prom_metric *metric, const char *labels);
void rec_stats_add(struct rec_stats_cell *cell, int64_t n);
void rec_stats_set(struct rec_stats_cell *cell, int64_t value);
int64_t rec_stats_get(const struct rec_stats_cell *cell);

/** A histogram with these labels: room for metric->n_bounds + 3 cells. */
void rec_stats_histogram(struct rec_stats_cell **cells, struct rec_stats *stats, const struct rec_prom_metric *metric, const char *labels);
void rec_stats_observe(struct rec_stats_cell *const *cells, const struct rec_prom_metric *metric, double seconds);

/** How many series found no room. */
uint64_t rec_stats_lost(const struct rec_stats *stats);
/** Calls `each` for every series there is, in no order: its whole name "rec_x_total{a="b"}" and value. */
void rec_stats_each(const struct rec_stats *stats, void (*each)(void *context, const char *name, int64_t value), void *context);

/** Adds a label to `out`: name="value", with a comma before it when `out` is not empty; the value escaped. */
void rec_prom_label(struct rec_buf *out, const char *name, const char *value, size_t len);
/** All series of these metrics, each family with HELP and TYPE, its series sorted. Sums of histograms are in seconds. */
int rec_prom_write(struct rec_buf *out, const struct rec_stats *stats, const struct rec_prom_metric *const *metrics, size_t n,
                   struct rec_err *err);

/* ---- log: one line for each request --------------------------------------------------------------- */

struct rec_log_entry {
    int64_t time;                 /**< microseconds since 1970 */
    const char *request, *peer, *account, *method, *target, *protocol, *route, *agent; /**< NULL: "-"; target without what is secret */
    unsigned status;
    size_t bytes;
    double seconds;
};
/** Adds a line. Text is Apache's "combined" with the request's id and the time taken behind it; JSON has a key for each. What comes from outside
 *  is escaped: nobody can add lines or columns. */
void rec_log_line(struct rec_buf *out, const struct rec_log_entry *entry, bool json);

#endif
