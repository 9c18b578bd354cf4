/* SPDX-License-Identifier: MIT
 *
 * tune: watching trainings and looking for parameters. It is the one room that knows models and measures both.
 *
 *     validate    how good a model is on held-out ratings
 *     best        the best model of a training, kept while training goes on
 *     checkpoint  what a training that was interrupted goes on from
 *
 *     struct rec_validate v = {.threads = 2};
 *     if (rec_eval_init(&v.eval, "ndcg@10", "10", &err) < 0 || rec_validate_begin(&v, &held_out, &model.users, &model.items, &err) < 0 ||
 *         rec_validate_model(&v, &model, &err) < 0) ...
 *     printf("%s %g\n", v.eval.column[0].key, v.figure[0]);
 *     rec_validate_clear(&v);
 */
#ifndef REC_TUNE_H
#define REC_TUNE_H

#include <rec/eval.h>
#include <rec/models.h>

/* ---- validate: a model on held-out ratings --------------------------------------------------------- */

/** Set `eval` (which is taken) and what else is to be other than zero; then _begin, then _model as often as there are models. A model ranks all items but
 *  those of its training for each user of the held-out ratings; users are taken in blocks, so that memory does not grow with users times items. */
struct rec_validate {
    struct rec_eval eval;
    const struct rec_filter *relevant; /**< what counts as relevant to measures of lists; NULL: all held-out ratings */
    bool graded;                       /**< gains are the ratings, not 1 */
    unsigned threads;
    void (*progress)(void *context, size_t done, size_t users);  /**< NULL: nobody watches */
    void *context;
    /* What _model found: */
    double figure[REC_EVAL_MAX];       /**< [eval.n] means over users; of measures of predictions over all held-out ratings */
    double *values;                    /**< [held_out->n_users, eval.n], of each user; NAN where there is no figure */
    size_t users;                      /**< with held-out ratings */
    size_t without, unknown;           /**< of them without anything relevant; of whom nothing was learnt */
    size_t pairs_seen, pairs_unknown;  /**< held-out ratings that are in training as well, left out; of items that the model does not know */
    /* Private: */
    const struct rec_ratings *held_out;
    int32_t *user_of, *item_of;        /**< their numbers in the model, or -1 */
};
/** @param held_out  borrowed  @param users, items  of the models to come */
int rec_validate_begin(struct rec_validate *v, const struct rec_ratings *held_out, const struct rec_ids *users, const struct rec_ids *items,
                       struct rec_err *err);
/** Measures of predictions are asked of models whose scores are ratings alone. */
int rec_validate_model(struct rec_validate *v, const struct rec_model *model, struct rec_err *err);
void rec_validate_clear(struct rec_validate *v);

/* ---- best: the best model so far ---------------------------------------------------------------------- */

#define REC_BEST_ARRAYS 11

/** A copy of what passes change of a model: its arrays, not its ids, its training pairs or its parameters. Zero to begin. */
struct rec_best {
    size_t pass;               /**< set by the caller: after which it was so; 0: nothing is kept */
    double value;              /**< set by the caller: of the metric */
    double number[6];          /**< mean, low, high, spread, history_exponent, factors */
    void *array[REC_BEST_ARRAYS];
    size_t size[REC_BEST_ARRAYS]; /**< bytes */
};
int rec_best_keep(struct rec_best *best, const struct rec_model *model, struct rec_err *err);
/** Gives the model what was kept; the model borrows it, and must be of the same training. */
void rec_best_use(struct rec_model *model, const struct rec_best *best);
/** Whether what was kept, perhaps in a file, is as long as the arrays of this model. */
bool rec_best_fits(const struct rec_best *best, const struct rec_model *model);
/** As parts of a checkpoint, "best.user_factors" and so on, at most REC_BEST_ARRAYS + 1; and back: parts of other names are skipped. */
size_t rec_best_parts(struct rec_train_part *part, const struct rec_best *best);
int rec_best_restore(struct rec_best *best, const struct rec_train_part *part, size_t n, struct rec_err *err);
void rec_best_clear(struct rec_best *best);

/* ---- checkpoint: a training that goes on ---------------------------------------------------------------
 *
 * A file rec.checkpoint/1 (rec-format(5)). It tells which training it is of by pairs of words, such as model=ials or ratings=crc32c:8f3a01c2.
 * It is replaced as a whole: whenever the program is killed, there is one of some step.
 */
#define REC_CHECKPOINT_PARTS 64

struct rec_checkpoint {
    size_t step;
    const struct rec_meta *same;     /**< [n_same] what must be the same; their keys: lower-case words */
    size_t n_same;
    const struct rec_meta *note;     /**< [n_note] what else is to be known again, under other keys */
    size_t n_note;
    struct rec_train_part part[REC_CHECKPOINT_PARTS]; /**< [n_parts] */
    size_t n_parts;
    struct rec_safetensors file;     /**< after _read: what the parts are borrowed from */
    char *words;                     /**< and their names */
};
int rec_checkpoint_write(const struct rec_checkpoint *c, const char *path, struct rec_err *err);
/** Given `same`. @return 1; 0: there is no such file; -1: it is damaged, or of another training: the message says in what. */
int rec_checkpoint_read(struct rec_checkpoint *c, const char *path, struct rec_err *err);
/** The note of that key after _read, or NULL. */
const char *rec_checkpoint_note(const struct rec_checkpoint *c, const char *key);
void rec_checkpoint_clear(struct rec_checkpoint *c);

#endif
