/* SPDX-License-Identifier: MIT
 *
 * What the files of eval share. */
#ifndef REC_EVAL_PRIV_H
#define REC_EVAL_PRIV_H

#include <rec/eval.h>

extern const struct rec_measure rec_rmse_measure, rec_mae_measure, rec_precision_measure, rec_recall_measure, rec_ndcg_measure,
    rec_map_measure, rec_mrr_measure, rec_hitrate_measure, rec_f1_measure, rec_recall_cap_measure, rec_map_cap_measure, rec_rbp_measure, rec_auc_measure, rec_novelty_measure,
    rec_arp_measure, rec_ild_measure, rec_calibration_measure, rec_coverage_measure, rec_gini_measure;

/** How many hits stand among the first k. */
size_t rec_judge_within(const struct rec_hits *hits, size_t k);

/** Descending order of gains, for qsort. */
int rec_judge_descending(const void *a, const void *b);

/** Grows judge->rank and ->gain to n hits, ->ideal to m gains. */
int rec_judge_reserve(struct rec_judge *judge, size_t n, size_t m, struct rec_err *err);

#endif
