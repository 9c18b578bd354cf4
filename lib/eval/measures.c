/* SPDX-License-Identifier: MIT
 *
 * The table of measures. Each measure is a file; here is its line. */
#include "eval_priv.h"

const struct rec_measure *const rec_measures[] = {
    &rec_ndcg_measure, &rec_recall_measure, &rec_precision_measure, &rec_map_measure,
    &rec_mrr_measure,  &rec_hitrate_measure, &rec_rmse_measure,     &rec_mae_measure,
    &rec_f1_measure,   &rec_recall_cap_measure, &rec_map_cap_measure, &rec_rbp_measure, &rec_auc_measure,
    &rec_coverage_measure, &rec_gini_measure, &rec_novelty_measure, &rec_arp_measure, &rec_ild_measure, &rec_calibration_measure,
    NULL,
};

const struct rec_measure *rec_measures_find(const char *name, size_t len)
{
    for (size_t m = 0; rec_measures[m]; m++)
        if (strlen(rec_measures[m]->name) == len && memcmp(rec_measures[m]->name, name, len) == 0)
            return rec_measures[m];
    return NULL;
}
