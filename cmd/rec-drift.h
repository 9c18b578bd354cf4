/* SPDX-License-Identifier: MIT
 *
 * The parts of rec-drift: rec-drift.c (options and verdict), rec-drift_data.c (what is compared), rec-drift_report.c (how it is told).
 */
#ifndef REC_DRIFT_H
#define REC_DRIFT_H

#include "tool.h"

#include <rec/eval.h>

/** One thing that is compared. */
struct drift_column {
    char name[128];            /**< "rating", "item.log_count" */
    const char *const *labels; /**< of classes: one a bin; NULL of numbers */
    struct rec_drift drift;
    double mean[2], deviation[2]; /**< of numbers: of reference and current */
    const char *method;        /**< "wasserstein": what decides */
    double statistic, p, threshold; /**< p NAN: the statistic decides, from the threshold on; else p below it */
    bool drifted;
};

/** The ids of users or items that occur: in each sample, in the current one alone, in the reference alone. */
struct drift_ids {
    size_t reference, current, fresh, vanished;
};

/** What is said of either file. */
struct drift_sample {
    const char *name;
    uint32_t digest;
    size_t rows;               /**< ratings; of features 0 */
    int64_t first, last;       /**< times of ratings; 0: none */
    double gini;               /**< of how often each item was rated */
};

struct drift_work {
    struct tool *tool;
    const char *model;         /**< NULL: no scores */
    size_t bins;
    const struct rec_opt_list *only, *ignore;
    struct drift_sample sample[2];
    bool features;
    struct drift_ids users, items;
    double items_js;           /**< of the shares of single items; NAN of features */
    struct drift_column *column;
    size_t n;
    struct rec_buf missing;    /**< columns of features that only one file has, NUL between them */
    size_t n_drifted;
    double share, share_limit;
    bool drift;
    char why[160];
};

/** Reads both files and fills samples, ids and columns, but for what the verdict needs. */
int drift_read(struct drift_work *work, struct rec_err *err);
void drift_clear(struct drift_work *work);

void drift_table(struct rec_buf *out, const struct drift_work *work, bool colours);
void drift_json(struct rec_buf *out, const struct drift_work *work);
void drift_csv(struct rec_buf *out, const struct drift_work *work);
void drift_prometheus(struct rec_buf *out, const struct drift_work *work);

#endif
