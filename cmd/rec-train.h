/* SPDX-License-Identifier: MIT
 *
 * What the parts of rec-train share.
 *
 *     rec-train.c              options; the model, renewing users
 *     rec-train_watch.c        what happens between passes
 *     rec-train_combine.c      sums of models
 */
#ifndef REC_TRAIN_H
#define REC_TRAIN_H

#include "tool.h"

#include <rec/tune.h>

/* Set the first ones, leave the rest zero. */
struct watch {
    struct tool *tool;
    const char *validation, *metric, *relevant; /* NULL: none */
    int64_t patience, every;             /* the metric is computed every so many passes; ends after so many without a better one, 0: never */
    const char *checkpoint;              /* NULL: none */
    double interval;                     /* seconds between two of them */
    unsigned threads;
    /* Private: */
    const struct rec_ratings *learnt;    /* what is trained on */
    const struct rec_ratings *seen;      /* what is left out of lists: all that was rated */
    struct rec_ratings held_out;
    struct rec_validate validate;
    struct rec_filter filter;
    bool greater;                        /* is better */
    struct rec_best best;
    size_t step, waited, evaluated;
    struct rec_meta same[16];
    size_t n_same;
    struct rec_checkpoint resumed;
    struct rec_train_saved saved;
    double last, last_checkpoint;        /* tool_now() when the pass began; when there was a checkpoint */
    bool told_stateless;
    struct rec_buf trace, words;
    size_t row;                          /* where the last line of the trace begins, with its loss and seconds */
    double loss, row_seconds;
};

/* What is checked before anything is read; an exit status. */
int watch_check(struct watch *w, const struct rec_model_type *type);
/* Says what the training is told from others by, before watch_begin. The key is borrowed, the value is copied. */
void watch_same(struct watch *w, const char *key, const char *value);
/* Reads the validation ratings and the checkpoint, and tells `job` of all that. */
int watch_begin(struct watch *w, struct rec_train_job *job, const struct rec_ratings *seen, struct rec_err *err);
/* The model that is trained becomes the best one. */
int watch_end(struct watch *w, struct rec_model *model, struct rec_err *err);
int watch_write_trace(struct rec_out *out, const struct watch *w, struct rec_err *err);
/* For the line of history: which ratings the best was chosen by, and of which pass it is. */
void watch_history(struct rec_buf *out, const struct watch *w);
/* The model is in place: its checkpoint goes. */
void watch_done(const struct watch *w);
void watch_clear(struct watch *w);

/** A sum of models is asked for. */
struct combine {
    const struct rec_model_type *type;
    const double *param;
    const struct rec_opt_list *of, *weight;  /**< files; numbers, or none */
    const char *like;                        /**< a sum whose weights are taken; or NULL */
    const char *output;
    unsigned threads;
    bool no_history;
};

/** Whether the options go together: 0, or what tool_usage returned. */
int combine_check(struct tool *tool, const struct combine *c);
/** Reads the models, fits weights on the ratings of the operand unless they are given, writes the sum, and says what the weights are. */
int combine_run(struct tool *tool, const struct combine *c, struct rec_err *err);

#endif
