/* SPDX-License-Identifier: MIT
 *
 * eval: how good are recommendations and predictions. It knows no models: it reads ranked lists and what was relevant, or
 * predictions and what was true, so that any system can be judged.
 *
 *     measures   the table of measures
 *     eval       the choice of measures, one user's row of figures, and their means
 *     condition  "ndcg@10>=0.33"
 *     bound      "ndcg@10 >= production*0.99"
 *     users      figures user by user, read back; two systems' figures side by side
 *     paired     whether a difference between two systems is more than chance: Student's test, flips of signs
 *     wilcoxon   the same by ranks
 *     bootstrap  limits of a mean by drawing again
 *     holm       p of many tests at once
 *     shelf      what is known of items and of what users had, for measures of what is shown, relevant or not
 *     judge      a ranked list against the relevant items: where the hits are
 *     qrels      what is relevant, as TREC writes it
 *     run        a system's ranked lists, as TREC writes them (or our own CSV), from file to figures
 *     ndcg, ...  one measure each: a const struct, and one line in the table of measures.c
 *     distribution  the distinct values of a sample and how often each is there
 *     drift      how far two samples are apart
 *     popularity what is rated much, then and now
 *     tail       probabilities of the chi-square and the Kolmogorov-Smirnov statistic
 *
 *     struct rec_eval eval;
 *     struct rec_judge judge = {0};
 *     rec_eval_init(&eval, "ndcg,recall", "10,20", &err);                       // ndcg@10, ndcg@20, recall@10, recall@20
 *     for each user u:
 *         rec_judge_list(&hits, &judge, list, n, relevant, NULL, n_relevant, &err);
 *         rec_eval_list(values + u * eval.n, &eval, &hits);                      // a row of NAN when nothing is relevant
 *     rec_eval_mean(mean, values, users, eval.n);
 *
 * Definitions, where r is a rank from 1 and K the cut-off: precision divides by K even when the list is shorter; recall divides
 * by all relevant items (as LightGCN); average precision divides by all relevant items (as trec_eval's map_cut); NDCG discounts
 * by log2(r + 1) and its ideal list has min(K, relevant) items. The other conventions have names of their own: recall_cap, map_cap. Users for
 * whom nothing is relevant are left out of every mean.
 */
#ifndef REC_EVAL_H
#define REC_EVAL_H

#include <rec/data.h>

/* ---- measures ----------------------------------------------------------------------------------- */

/** A ranked list, judged: where in it the relevant items stand. */
struct rec_hits {
    const uint32_t *rank;    /**< [n] ranks of the relevant items in the list, from 1, ascending */
    const float *gain;       /**< [n] what each is worth, above 0; 1 in a binary judgement */
    size_t n;
    const float *ideal;      /**< [relevant] gains of all relevant items, descending; NULL when all are 1 */
    size_t relevant;         /**< how many items are relevant, in the list or not; above 0 */
    size_t candidates;       /**< how many items there were to list; 0: not known (rec_judge_list leaves it to the caller) */
    const double *discount;  /**< [deepest K] 1 / log2(r + 1) for r = 1, 2, ... */
    const struct rec_shelf *shelf; /**< of measures that need it, with all below; else NULL */
    const int32_t *list;     /**< [length] items of the shelf; -1: it does not have it */
    size_t length;
    int32_t user;            /**< of the shelf, or -1 */
};

/** What a measure needs besides hits: rec_eval_use. */
enum { REC_NEEDS_SHELF = 1, REC_NEEDS_GENRES = 2 };

/** A measure is one of a list (`list`), of all lists together (`spread`), or of predictions (`term` and `whole`). */
struct rec_measure {
    const char *name;        /**< "ndcg" */
    const char *formula;     /**< in one line, for --list */
    const char *source;      /**< who defined it so */
    bool greater_is_better;
    unsigned needs;
    double (*list)(const struct rec_hits *hits, size_t k);    /**< one user's value at cut-off k */
    double (*spread)(const uint32_t *count, size_t n_items);   /**< of all users' lists to cut-off k: how often each item is in them */
    double (*term)(double prediction, double value);           /**< what one prediction adds to the sum */
    double (*whole)(double sum, double n);                     /**< the measure from the sum of n terms */
};

/** All of them, in the order of output; ends at NULL. */
extern const struct rec_measure *const rec_measures[];
const struct rec_measure *rec_measures_find(const char *name, size_t len);

/** One figure that is asked for. */
struct rec_eval_column {
    const struct rec_measure *measure;
    size_t k;                /**< 0 for a measure of predictions */
    char key[40];            /**< "ndcg@10", "rmse" */
};

#define REC_EVAL_MAX 256
#define REC_EVAL_DEEPEST 100000
struct rec_eval {
    struct rec_eval_column column[REC_EVAL_MAX];
    size_t n;
    size_t depth;            /**< the deepest cut-off: how long lists must be; 0 when no measure of lists is asked for */
    bool predictions;        /**< some measure of predictions is asked for */
    double *discount;        /**< [depth] */
    unsigned needs;          /**< of all its measures */
    const struct rec_shelf *shelf; /**< set by rec_eval_use */
    uint32_t *shown;         /**< [n, shelf->n_items] of columns of spread: how often each item was listed; changed by rec_eval_list */
};

/** @param measures  names between commas; "ndcg@5" has its own cut-off, "ndcg" takes each of `cutoffs`; NULL is all of them.
 *  @param cutoffs   whole numbers between commas, from 1 to REC_EVAL_DEEPEST. */
int rec_eval_init(struct rec_eval *eval, const char *measures, const char *cutoffs, struct rec_err *err);
void rec_eval_clear(struct rec_eval *eval);
/** Gives it what its measures need (eval->needs), and forgets what was shown before. -1 when it does not have it: a catalogue. */
int rec_eval_use(struct rec_eval *eval, const struct rec_shelf *shelf, struct rec_err *err);
/** Sets the figures of measures of all lists together; leaves the others alone. */
void rec_eval_spread(double *figure, const struct rec_eval *eval);

/** One user's row of values[eval->n]; columns of predictions are left alone. Thread-safe. */
void rec_eval_list(double *values, const struct rec_eval *eval, struct rec_hits *hits);

/** Adds one prediction to the sums of a row; columns of lists are left alone. */
void rec_eval_pair(double *sums, const struct rec_eval *eval, double prediction, double value);

/** Column means over the rows that are not NAN, added in the order of rows; at most REC_EVAL_MAX columns.
 *  @return the most rows that a column has. */
size_t rec_eval_mean(double *mean, const double *values, size_t rows, size_t columns);

/** The rows as CSV, `user,` and the keys; rows that are all NAN are left out, other NANs are empty. */
int rec_eval_write(struct rec_out *out, const struct rec_eval *eval, const struct rec_ids *users, const double *values,
                   struct rec_err *err) REC_RESULT_USED;

/* ---- conditions --------------------------------------------------------------------------------- */

/** "rating>=4", "ndcg@10>=0.33": a key, one of >= > <= < ==, a number. Points into the text it was read from. */
struct rec_condition {
    const char *key;
    size_t key_len;
    const char *sign;
    double bound;
    const char *bound_text;
};
int rec_condition_parse(struct rec_condition *condition, const char *text, struct rec_err *err);
bool rec_condition_is(const struct rec_condition *condition, const char *key);
/** False for NAN. */
bool rec_condition_holds(const struct rec_condition *condition, double value);

/* ---- bounds: conditions on a candidate ----------------------------------------------------------- */

/** METRIC OP EXPR, where EXPR is a number, a name (of what is in use now: production), or a name times (above 0), plus or minus a number;
 *  OP is >= > <= or <. Blanks may stand between the parts. */
struct rec_bound {
    char key[64], sign[3];
    char baseline[65];       /**< the name, or "" */
    double factor, offset;   /**< the limit is factor * baseline + offset; a number alone: factor 0 */
};
int rec_bound_parse(struct rec_bound *bound, const char *text, struct rec_err *err);
double rec_bound_limit(const struct rec_bound *bound, double baseline);
/** False for NAN. */
bool rec_bound_holds(const struct rec_bound *bound, double value, double limit);

/* ---- users: figures user by user ----------------------------------------------------------------- */

/** What rec_eval_write wrote: a row for each user, NAN where there is no figure. */
struct rec_users {
    const char *name;        /**< of the file; borrowed */
    struct rec_hashmap ids;  /**< the number of a user is that of the row */
    size_t n, columns;
    char **key;              /**< [columns] "ndcg@10" */
    double *value;           /**< [n, columns] */
};
int rec_users_read(struct rec_users *users, const char *path, struct rec_err *err);
void rec_users_clear(struct rec_users *users);
/** The column of that name, or -1. */
ptrdiff_t rec_users_column(const struct rec_users *users, const char *key);
/** a - factor * b - offset of each user, *n of them, to be freed.
 *  @return 0; 1: the two cannot be paired, `err` says why: a column is missing, or the users are not the same; -1: out of memory */
int rec_users_pair(double **difference, size_t *n, const struct rec_users *a, const struct rec_users *b, const char *key, double factor,
                   double offset, struct rec_err *err);

/* ---- paired: is it more than chance? --------------------------------------------------------------
 *
 * The paired t test (Student 1908): t = mean / (s / sqrt(n)) of the n differences, s their standard deviation with n - 1, has Student's
 * distribution with n - 1 degrees of freedom when the true mean is 0. p is how often chance alone makes a t so great.
 *
 *     rec_users_pair(&d, &n, &candidate, &production, "ndcg@10", 0.99, 0, &err);     // is it at most 1 % worse?
 *     rec_paired_test(&paired, d, n);
 *     if (paired.greater < 0.05) ...                     // the same as rec_paired_low(&paired, 0.05) > 0
 */
struct rec_paired {
    size_t n;
    double mean;             /**< of the differences */
    double error;            /**< the standard error of that mean */
    double t;                /**< mean / error; infinite where all differences are the same, 0 where all are 0 */
    double greater, less, either; /**< p of a mean above 0, below 0, of either; NAN of fewer than 2 differences */
};
void rec_paired_test(struct rec_paired *out, const double *difference, size_t n);
/** The confidence limits of the mean: the true one is below (above) with probability `tail`; an interval of 95 % has tails of 0.025. */
double rec_paired_low(const struct rec_paired *paired, double tail);
double rec_paired_high(const struct rec_paired *paired, double tail);
/** P(T > t) of Student's distribution, and the t of which that is `tail`. */
double rec_paired_tail(double t, double df);
double rec_paired_quantile(double tail, double df);
/** p of a mean above 0 without any assumption on the distribution but symmetry: the share of random flips of signs (Fisher 1935) whose sum is as
 *  great, the observed one counted among them: (reached + 1) / (rounds + 1). */
double rec_paired_permutation(const double *difference, size_t n, size_t rounds, uint64_t seed);
/** The same of a mean other than 0, on either side. */
double rec_paired_permutation_either(const double *difference, size_t n, size_t rounds, uint64_t seed);

/** Wilcoxon's signed rank test, two-sided: p of differences that are not symmetric about 0. As scipy.stats.wilcoxon. Fails only when out of memory. */
int rec_wilcoxon_test(double *p, const double *difference, size_t n, struct rec_err *err);

/** Limits of the mean of x[n]: percentiles of `rounds` means of samples drawn from it; `tail` is what lies beyond either. Fails only when out of memory. */
int rec_bootstrap_limits(double *low, double *high, const double *x, size_t n, double tail, size_t rounds, uint64_t seed, struct rec_err *err);

/** Replaces p[n] by Holm's p, which hold for all tests at once; NAN is no test. Fails only when out of memory. */
int rec_holm_adjust(double *p, size_t n, struct rec_err *err);

/* ---- distribution: the values of a sample --------------------------------------------------------- */

/** The empirical distribution function: value[i] was there count[i] times. */
struct rec_distribution {
    size_t n;                /**< distinct values */
    uint64_t total;          /**< the sum of counts */
    double *value;           /**< [n] ascending */
    uint64_t *count;         /**< [n] above 0 */
};
/** Of x[0], x[stride], ... x[(n - 1) * stride], all finite. Time: linear in n; memory: 8 bytes a value where they are many, next to nothing
 *  where only a few are distinct. */
int rec_distribution_make(struct rec_distribution *out, const float *x, size_t n, size_t stride, struct rec_err *err);
void rec_distribution_clear(struct rec_distribution *d);
double rec_distribution_mean(const struct rec_distribution *d);
/** The standard deviation, by n. */
double rec_distribution_deviation(const struct rec_distribution *d);
/** The least value v for which at least share q of the sample is <= v. */
double rec_distribution_quantile(const struct rec_distribution *d, double q);
/** Gini's coefficient of values that are not negative: 0 when all are the same, near 1 when one has all there is. */
double rec_distribution_gini(const struct rec_distribution *d);

/* ---- drift: how far two samples are apart ----------------------------------------------------------
 *
 *     rec_distribution_make(&then, ...), rec_distribution_make(&now, ...);
 *     rec_drift_numbers(&drift, &then, &now, 10, &err);
 *     if (drift.psi > 0.25) ...
 *
 * With p and q the shares of a bin in the reference and the current sample, P and Q their distribution functions:
 *     psi          sum (q - p) ln(q / p), an empty bin counting as 0.0001 (population stability index)
 *     js           the root of the Jensen-Shannon divergence, natural logarithm, from 0 to 0.8326: scipy.spatial.distance.jensenshannon
 *     chi2         Pearson's statistic of the table of 2 rows of counts, without Yates' correction: scipy.stats.chi2_contingency
 *     ks           the greatest |P - Q|, two-sided, its p from the distribution of n m / (n + m) observations: scipy.stats.ks_2samp, asymptotic
 *     wasserstein  the integral of |P - Q|, in units of the reference's deviation (of 0.001 where it is less)
 */
struct rec_drift {
    size_t n;                /**< bins */
    double *low, *high;      /**< [n] of numbers: the least and greatest value of each bin, both in it; NULL of classes */
    uint64_t *reference, *current; /**< [n] */
    uint64_t n_reference, n_current;
    double psi, js, chi2, chi2_p;
    size_t chi2_df;
    double ks, ks_p, wasserstein;  /**< NAN of classes */
};
/** Of numbers: bins hold about equal shares of the reference, at most `bins` of them; where it has no more distinct values than that, and so has the
 *  current sample, each value is one. Neither sample may be empty. */
int rec_drift_numbers(struct rec_drift *out, const struct rec_distribution *reference, const struct rec_distribution *current, size_t bins,
                      struct rec_err *err);
/** Of classes: so many of each there. */
int rec_drift_classes(struct rec_drift *out, const uint64_t *reference, const uint64_t *current, size_t n, struct rec_err *err);
void rec_drift_clear(struct rec_drift *drift);

/* ---- popularity: what is rated much, then and now ---------------------------------------------------
 *
 * Items are those of two samples, with tables of their own: reference[i] and current[i] say how often item i was rated; to[i] is the reference's number
 * of the current sample's item i, or -1 (rec_ids_join).
 */
/** The ratings of each sample in groups of items: `groups` of them, which hold about equal shares of the reference's ratings, from the most popular
 *  items down; and behind them the items that the reference does not have. @param then, now  [groups + 1] */
int rec_popularity_groups(uint64_t *then, uint64_t *now, size_t groups, const uint64_t *reference, size_t n_reference, const uint64_t *current,
                          size_t n_current, const int32_t *to, struct rec_err *err);
/** The Jensen-Shannon distance (as js above) between the shares of single items. */
double rec_popularity_js(const uint64_t *reference, size_t n_reference, const uint64_t *current, size_t n_current, const int32_t *to);

/* ---- tail: probabilities ---------------------------------------------------------------------------- */

/** P(X > x) of the chi-square distribution. */
double rec_tail_chi2(double x, double df);
/** P(D >= d) of the two-sided Kolmogorov-Smirnov statistic of n observations (n a whole number). */
double rec_tail_kolmogorov(double d, double n);

/* ---- shelf: items, and what users had of them ------------------------------------------------------ */

/** All but `popularity` and `entry` is borrowed. */
struct rec_shelf {
    size_t n_items, n_users;
    const struct rec_ids *items, *users;  /**< for runs, whose lists are text; or NULL */
    const int64_t *history_ptr;           /**< [n_users + 1] what each user had, as in training; */
    const int32_t *history;
    double active;                        /**< users who had anything */
    uint32_t *popularity;                 /**< [n_items]: how many users had it */
    const struct rec_catalogue *catalogue; /**< genres, or NULL */
    int32_t *entry;                       /**< [n_items]: its number in the catalogue, or -1; NULL: no catalogue */
};
/** @param ptr, index  rows of n_users, as user_ptr and item of ratings  @param catalogue  or NULL */
int rec_shelf_init(struct rec_shelf *shelf, const struct rec_ids *users, const struct rec_ids *items, const int64_t *ptr, const int32_t *index,
                   const struct rec_catalogue *catalogue, struct rec_err *err);
void rec_shelf_clear(struct rec_shelf *shelf);
/** An item's genres and how many; NULL and 0 where none are known. */
const int32_t *rec_shelf_genres(const struct rec_shelf *shelf, int32_t item, size_t *n);

/* ---- judge: a ranked list against what is relevant ---------------------------------------------- */

/** Scratch for judging, one for each thread; zero to begin. */
struct rec_judge {
    uint32_t *rank;
    float *gain, *ideal;
    size_t cap, ideal_cap;
};
void rec_judge_clear(struct rec_judge *judge);

/** Finds the relevant items in a list.
 *  @param hits      points into `judge` until its next use; complete but for `discount`, which rec_eval_list sets
 *  @param list      [n] item numbers, best first, without duplicates; the list ends at the first negative one
 *  @param relevant  [n_relevant] item numbers, ascending
 *  @param gain      [n_relevant] above 0, or NULL when all are worth 1
 *  @param beyond    relevant items that no list can hold (gain 1 each): they count among the relevant */
int rec_judge_list(struct rec_hits *hits, struct rec_judge *judge, const int32_t *list, size_t n, const int32_t *relevant,
                   const float *gain, size_t n_relevant, size_t beyond, struct rec_err *err);

/* ---- trec: runs and qrels ----------------------------------------------------------------------- */

/** One relevant document of a query. */
struct rec_qrel {
    const char *text;
    uint64_t hash;
    uint32_t len;
    float gain;
};

/** The relevant documents of queries: lines of `query iteration document relevance`, or a file of ratings. */
struct rec_qrels {
    const char *name;             /**< of the file; borrowed */
    struct rec_in in;
    struct rec_ratings ratings;   /**< what documents point into when they are ratings */
    struct rec_hashmap queries;   /**< in the order of the file */
    size_t n;
    bool graded;                  /**< gains are not all 1 */
    int64_t *ptr;                 /**< [n + 1] */
    struct rec_qrel *doc;         /**< [ptr[n]], the relevant ones, by query in the order of the file */
};

/** @param relevant  which relevances count as relevant; NULL: from 1 up, as in TREC; of ratings all
 *  @param graded    gains are the relevances, which must be above 0 then; otherwise all are 1 */
int rec_qrels_read(struct rec_qrels *qrels, const char *path, const struct rec_filter *relevant, bool graded, struct rec_err *err);
void rec_qrels_clear(struct rec_qrels *qrels);

/** What rec_run_measure met. */
struct rec_run_counts {
    size_t lines;          /**< of the run */
    size_t missing;        /**< queries with something relevant that the run does not answer: their values are 0 */
    size_t unjudged;       /**< queries of the run that the qrels do not have: left out */
    size_t without;        /**< queries of the qrels for which nothing is relevant: left out */
};

/** Measures a run. A TREC run has lines of `query Q0 document rank score tag`; as in trec_eval the order is that of the score
 *  (as float, descending), equal scores by document (descending), and the rank is not read. A CSV with a header line that
 *  begins `user,item,` is in order as it stands. A document twice in a query is an error.
 *  @param values  [qrels->n, eval->n], rows of NAN where nothing is relevant */
int rec_run_measure(double *values, struct rec_run_counts *counts, const char *path, const struct rec_qrels *qrels,
                    const struct rec_eval *eval, unsigned threads, struct rec_err *err);

#endif
