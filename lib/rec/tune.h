/* SPDX-License-Identifier: MIT
 *
 * tune: watching trainings and looking for parameters. It is the one room that knows models and measures both.
 *
 *     validate    how good a model is on held-out ratings
 *     best        the best model of a training, kept while training goes on
 *     checkpoint  what a training that was interrupted goes on from
 *     space       which values parameters may take: "factors=16..256 log,alpha=1|2|4"
 *     tpe         what to try next
 *     rungs       which trials are worth going on with
 *     trials      what was tried, as CSV, which is all the state that a search has
 *     search      trials, side by side, until there are enough
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
    const struct rec_catalogue *catalogue; /**< for measures that need genres; NULL: none */
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

/* ---- space: which values ------------------------------------------------------------------------------- */

#define REC_SPACE_VALUES 64

/** What one parameter of a model may be. */
struct rec_space_dim {
    const struct rec_param *param;
    double lo, hi;                     /**< a range, both ends included */
    bool log;
    double value[REC_SPACE_VALUES];    /**< or one of [n] values, one alone being fixed; n = 0: a range */
    size_t n;
};

/** Of each parameter, in the order of the model's table. */
struct rec_space {
    const struct rec_model_type *type;
    struct rec_space_dim dim[REC_PARAM_MAX];
    size_t n, n_free;                  /**< parameters; those that are not fixed */
};
/** The ranges that the model's table gives; other parameters are fixed at their defaults. */
void rec_space_defaults(struct rec_space *space, const struct rec_model_type *type);
/** "16..256", "1e-4..1 log", "1|2|4", "cg|cholesky", or one value. */
int rec_space_set(struct rec_space *space, const char *name, const char *text, struct rec_err *err);
/** NAME=TEXT between commas. */
int rec_space_parse(struct rec_space *space, const char *text, struct rec_err *err);
/** A place on [0, 1] (of a range) or a number of a value to the parameter's value, of at most four digits in a range, and back. */
double rec_space_value(const struct rec_space_dim *dim, double at);
double rec_space_at(const struct rec_space_dim *dim, double value);
/** Whether it is looked for. */
bool rec_space_free(const struct rec_space_dim *dim);
/** The value as a person writes it: the name of a choice, or the shortest number. */
void rec_space_print(struct rec_buf *out, const struct rec_param *param, double value);
/** And back; -1. */
int rec_space_read(double *out, const struct rec_param *param, const char *text, size_t len);
/** All of it in one line. */
void rec_space_describe(struct rec_buf *out, const struct rec_space *space);

/* ---- tpe: what to try next -------------------------------------------------------------------------------
 *
 * Bergstra, Bardenet, Bengio and Kegl, "Algorithms for Hyper-Parameter Optimization", NIPS 2011: of draws from a density of what was good, the one
 * where that density is highest against a density of the rest. Both are mixtures of one kernel for each trial and a uniform one, over all
 * parameters together (Falkner, Klein and Hutter, "BOHB", ICML 2018), so that what goes together is learnt together.
 */

/** Fills param[space->n] by chance. The same seed and trial: the same. */
void rec_tpe_random(double *param, const struct rec_space *space, uint64_t seed, uint64_t trial);
/** @param seen  [n] the parameters of trials, the best first
 *  @param n     of all of them; those from n_done on run still, and count as bad, so that others keep away */
int rec_tpe_propose(double *param, const struct rec_space *space, const double *const *seen, size_t n_done, size_t n, uint64_t seed, uint64_t trial,
                    struct rec_err *err);

/* ---- rungs: asynchronous successive halving ----------------------------------------------------------------
 *
 * Li, Jamieson, Rostamizadeh et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, in the form that ends trials and does not
 * take them up again: at each rung, a number of passes, a trial goes on when it is in the best 1/eta of those that came so far.
 */
#define REC_RUNGS_MAX 16

/** Fills pass[REC_RUNGS_MAX] with rungs, ascending: passes / eta, passes / eta^2, ..., none below `first`. Returns how many. */
size_t rec_rungs_make(size_t *pass, size_t passes, double eta, size_t first);
/** @param score  [n] of those that came to the rung, itself among them; more is better */
bool rec_rungs_keep(double own, const double *score, size_t n, double eta);

/* ---- trials: what was tried ---------------------------------------------------------------------------------- */

struct rec_trial {
    size_t number;                     /**< from 1 */
    enum rec_trial_status { REC_TRIAL_RUNNING, REC_TRIAL_DONE, REC_TRIAL_PRUNED, REC_TRIAL_FAILED } status;
    double metric;                     /**< the best of its passes; NAN: none */
    size_t passes;                     /**< after which it was so; 0 of a model without */
    double seconds;                    /**< all it took, measuring included */
    double param[REC_PARAM_MAX];
    double rung[REC_RUNGS_MAX];        /**< the best metric by then; NAN: it did not come so far */
};

struct rec_trials {
    struct rec_trial *trial;           /**< [n] in the order of the file; those that run stand among them */
    size_t n, cap;
    /* Private: */
    const struct rec_space *space;
    const size_t *rung;
    size_t n_rungs;
    char id[9];
    const char *name;
    int fd;                            /**< -1: there is no file */
};
/** Reads what there is, a last line that was cut off left out, and makes the file when there is none. Refuses one of another search or in use.
 *  @param path  NULL: no file.  @param metric  its column's name.  @param identity  what all results hang on, in words
 *  Trials whose numbers are missing were running when the search was killed. */
int rec_trials_open(struct rec_trials *t, const char *path, const char *metric, const struct rec_space *space, const size_t *rung, size_t n_rungs,
                    const char *identity, struct rec_err *err);
/** Room for one more, running. NULL: out of memory. Pointers to trials are invalid then. */
struct rec_trial *rec_trials_begin(struct rec_trials *t, struct rec_err *err);
/** Writes its line. */
int rec_trials_end(struct rec_trials *t, const struct rec_trial *trial, struct rec_err *err);
void rec_trials_clear(struct rec_trials *t);
const char *rec_trials_status(enum rec_trial_status status);

/* ---- search: trials until there are enough --------------------------------------------------------------------- */

struct rec_search {
    const struct rec_space *space;
    const struct rec_ratings *ratings; /**< to train on */
    const struct rec_ratings *seen;    /**< what is left out of lists: all that users rated, where that is more; or NULL */
    const struct rec_ratings *held_out;
    const struct rec_features *features; /**< of a model that learns from them; or NULL */
    const struct rec_filter *relevant; /**< as of rec_validate */
    const char *metric;                /**< "ndcg@10" */
    uint64_t seed;                     /**< of the search and of each training */
    size_t trials;                     /**< so many in all */
    double seconds;                    /**< none begins later; 0: no limit */
    bool random;                       /**< and not TPE */
    size_t startup;                    /**< so many are random before TPE begins */
    size_t passes;                     /**< at most so many in a trial; 0 of a model without */
    size_t every;                      /**< measured after every so many, and at rungs */
    size_t patience;                   /**< a trial ends when so many measured passes were no better; 0: never */
    double eta;                        /**< below 2: no trial ends at a rung */
    size_t first;                      /**< the least rung */
    unsigned workers, threads;         /**< trials at once; threads of each */
    struct rec_trials *trials_made;
    const size_t *rung;
    size_t n_rungs;
    /** A trial has ended; calls do not overlap. `why` is what a failed one failed of. */
    void (*told)(void *context, const struct rec_search *s, const struct rec_trial *trial, const char *why);
    void *context;
};
/** Runs trials until there are so many. The first has the default parameters. With one worker the same seed makes the same trials, in however
 *  many runs. */
int rec_search_run(struct rec_search *search, struct rec_err *err);
/** The best of those that were done or pruned, or NULL. */
const struct rec_trial *rec_search_best(const struct rec_search *search);

#endif
