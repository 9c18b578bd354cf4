/* SPDX-License-Identifier: MIT
 *
 * The parts of rec-eval: rec-eval.c (one system), rec-eval_compare.c (several, by what each user had of them).
 */
#ifndef REC_EVAL_TOOL_H
#define REC_EVAL_TOOL_H

#include "tool.h"

#include <rec/eval.h>

struct compare_options {
    const char *measures;    /**< names of columns between commas, or NULL: all that the first file has */
    const char *test;        /**< "t", "wilcoxon", "permutation": whose p Holm's correction is made of */
    const char *format;      /**< "table", "csv", "json" */
    const char *output;      /**< or NULL */
    double level;            /**< what p is significant, and the limits' share outside */
    size_t rounds;           /**< of permutation and bootstrap */
    uint64_t seed;
};

/** `rec-eval --compare A.csv B.csv ...`. */
int compare_systems(struct tool *tool, const struct compare_options *options, struct rec_err *err);

#endif
