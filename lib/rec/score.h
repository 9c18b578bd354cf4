/* SPDX-License-Identifier: MIT
 *
 * score: what a trained model says. Predicting, ranking, finding neighbours; no training, no BLAS, so that a process that
 * lives for one request can afford it.
 *
 *     model     the rec.model file: reading, checking, writing
 *     predict   one score for a (user, item) pair, at a time; how sure it is
 *     context   what a time means to a user: its bins, and what they add
 *     links     the parts of a score that come from a history, and from neighbours
 *     knn       how near two users or two items are, by what they have in common
 *     rank      the best items for many users, seen ones left out
 *     visitor   what somebody has, read from text
 *     similar   the items nearest to an item
 *     foldin    a user whom the model has not met, from what they rated; and what a score is made of
 *     labels    what a catalogue says of a model's items: titles, and which are of a genre or year
 *     where     which items meet "genre=Comedy|Drama, year>=1990"
 *     rerank    lists that are more diverse, calibrated or novel
 *     block     ids that are asked for, a block at a time
 *     lists     ranked lists as CSV, JSON lines, a TREC run or a table
 *
 * A model is scored by the tensors it has; what is absent counts as nothing:
 *
 *     score(u, i) = mean + user_bias[u] + item_bias[i] + <user_factors[u], item_factors[i]>
 *                 + |H|^-e sum over j in H of links[j][i] + sum over (v, w) near u, v having seen i, of w
 *
 * H, the history of u, is the row of seen, or of liked where there is one; e is history_exponent. `popular` is an item_bias alone, `ials` factors alone, `ease` and the
 * neighbourhood models links alone. A model may tell as well how factors come from a history: history_factors, from which
 * user_factors[u] = own + |H|^-e sum over j in H of history_factors[j] (own is 0 in the linear filters, learnt in SVD++).
 * A weighted sum of models is again such a model.
 */
#ifndef REC_SCORE_H
#define REC_SCORE_H

#include <rec/data.h>
#include <rec/kernels.h>

/** What scores depend on besides user and item: bins of the date, of the position in the user's history, and of the pace of their ratings. */
enum { REC_CONTEXT_DATE, REC_CONTEXT_POSITION, REC_CONTEXT_PACE, REC_CONTEXTS };

struct rec_context {
    size_t bins[REC_CONTEXTS];           /**< of each; 0: does not count */
    const int64_t *edge[REC_CONTEXTS];   /**< [bins - 1] ascending: bin b holds edge[b - 1] <= value < edge[b] */
    const float *factors;                /**< [sum of bins, factors]; NULL: there is no context */
    const float *bias;                   /**< [sum of bins] */
    const int64_t *seen_time;            /**< [seen] the times of each user's ratings, ascending: not in the order of seen_item */
};

struct rec_model {
    char type[32];               /**< "ials" */
    size_t n_users, n_items, factors;
    double mean;
    bool ratings_scale;          /**< scores are predicted ratings: they may be compared with values and clamped to [low, high] */
    double low, high;            /**< the range of values seen in training */
    double spread;               /**< als: the standard deviation of the values; 0: not known */
    const float *user_factors;   /**< [n_users, factors], or NULL */
    const float *item_factors;   /**< [n_items, factors], or NULL */
    const float *user_bias;      /**< [n_users], or NULL */
    const float *item_bias;      /**< [n_items], or NULL */
    const float *popularity;     /**< [n_items]: what an unknown user is offered; number of ratings, unless the model says better */
    const int64_t *seen_ptr;     /**< [n_users + 1] and */
    const int32_t *seen_item;    /**< [..]: the training pairs, left out of recommendations */
    const int64_t *liked_ptr;    /**< [n_users + 1] and */
    const int32_t *liked_item;   /**< [..]: those of the pairs that are history, where not all of seen are (the model learnt from them alone); or NULL */
    double history_exponent;     /**< e above: 0, 0.5, ... 1; at most 2 */
    const float *history_factors; /**< [n_items, factors], or NULL */
    const float *implicit_factors; /**< [n_items, factors]: of als, what having an item says of a user's own factors; folding in asks for it; or NULL */
    const int64_t *link_ptr;     /**< [n_items + 1]: row j are the items that j in a history speaks for; or NULL */
    const int32_t *link_item;    /**< ascending in a row, none twice */
    const float *link_weight;
    const float *links;          /**< [n_items, n_items]: all of them in place of the three above; or NULL */
    const int64_t *near_ptr;     /**< [n_users + 1]: row u are the users whose items speak for u; or NULL */
    const int32_t *near_user;    /**< ascending in a row, none twice */
    const float *near_weight;
    struct rec_context context;
    size_t samples;              /**< the factors are these many draws of a posterior side by side, factors / samples each; 0: they are not */
    const float *user_samples;   /**< [n_users, samples] and */
    const float *item_samples;   /**< [n_items, samples]: a draw's score is samples * <its factors> + the two; with `samples` */
    struct rec_ids users, items;
    struct rec_buf params;       /**< hyper-parameters as flat JSON text */
    struct rec_buf parts;        /**< of a weighted sum of models: the array of its parts as flat JSON text (rec-format(5)); empty: it is none */
    const float *part_bias;      /**< [parts, n_items]: the item_bias of each part by itself, which folding in asks for; NULL: no part has one */
    char *history;
    uint32_t digest;             /**< of the file it was read from */
    struct rec_safetensors file; /**< what the arrays are borrowed from after _read */
    void *owned[16];             /**< what _clear frees besides, when they were made by training */
};

/** Reads and checks a rec.model file: shapes agree, indices are in range, all numbers are finite. */
int rec_model_read(struct rec_model *model, const char *path, struct rec_err *err);
int rec_model_load(struct rec_model *model, struct rec_safetensors *file, struct rec_err *err); /**< takes `file` */
int rec_model_write(const struct rec_model *model, const char *history, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
void rec_model_clear(struct rec_model *model);

/* ---- predict ------------------------------------------------------------------------------------ */

/** The score of a pair; user or item -1 is unknown and counts by what is left: mean and the other's bias. Within [low, high] when
 *  the model's scores are ratings. */
double rec_predict_pair(const struct rec_model *model, int32_t user, int32_t item);
/** The same at a time (seconds since 1970), where the model has contexts. NULL, as rec_predict_pair: right after the user's last rating. */
int rec_predict_at(double *score, const struct rec_model *model, int32_t user, int32_t item, const int64_t *time, struct rec_err *err);
/** The posterior standard deviation of the score that rec_predict_pair tells, before it is clamped; NAN when the model has no samples, or not of this
 *  user or item. A rating deviates more, by its noise. */
double rec_predict_deviation(const struct rec_model *model, int32_t user, int32_t item);

/* ---- context: what a time means to a user ---------------------------------------------------------
 *
 * Three whole numbers. The position counts in halves: 2 for each rating before, 1 for each of the same second; the pace counts ratings within half a
 * minute. A rating of the training counts itself: its own are one less in both.
 */
/** How many edges are <= value. */
size_t rec_context_bin(const int64_t *edge, size_t edges, int64_t value);
/** @param sorted  [n] the times of the user's ratings, ascending */
void rec_context_values(int64_t value[REC_CONTEXTS], const int64_t *sorted, size_t n, int64_t time);
/** The rows of `factors` that a time means to a user; NULL: right after their last rating. SIZE_MAX where a context does not count. */
void rec_context_rows(size_t row[REC_CONTEXTS], const struct rec_context *c, const int64_t *sorted, size_t n, const int64_t *time);
/** sum[factors] = the sum of those rows; returns their biases and the products of every two. */
double rec_context_terms(float *sum, const struct rec_context *c, size_t factors, const size_t row[REC_CONTEXTS]);
/** What a time adds to the score of a pair. @param room  for 2 * factors numbers */
double rec_context_shift(const struct rec_model *m, size_t u, size_t i, int64_t time, float *room);
/** For model.c: contexts and samples of the model's file, after all else; and to a file. */
int rec_context_load(struct rec_model *m, struct rec_err *err);
void rec_context_put(struct rec_safetensors_out *file, const struct rec_model *m);

/* ---- links: histories and neighbours ------------------------------------------------------------- */

/** Whether the model has links or neighbours: then a user's scores are not their factors and biases alone. */
bool rec_links_any(const struct rec_model *model);
/** What counts as the history of a user of the model, ascending; 0 of user -1. */
size_t rec_links_history(const int32_t **item, const struct rec_model *model, int32_t user);
/** Whether an item is in that of a user of the model. */
bool rec_links_has(const struct rec_model *model, int32_t user, int32_t item);
/** Whether any link begins at these items. */
bool rec_links_from(const struct rec_model *model, const int32_t *item, size_t n);
/** |H|^-e; 0 of none. */
double rec_links_scale(const struct rec_model *model, size_t n);
/** links[from][to], 0 where there is none. */
double rec_links_weight(const struct rec_model *model, int32_t from, int32_t to);
/** score[i] += |H|^-e sum over j of links[item[j]][i], for all items i. */
void rec_links_add(float *score, const struct rec_model *model, const int32_t *item, size_t n);
/** score[i] += the weights of those of these users who have i. */
void rec_links_add_near(float *score, const struct rec_model *model, const int32_t *user, const float *weight, size_t n);
/** What both add to the score of one item for a user of the model. */
double rec_links_pair(const struct rec_model *model, int32_t user, int32_t item);

/* ---- knn: how near two rows are, by what they have in common ---------------------------------------
 *
 *     near(a, b) = c / (c + shrinkage) * |a|^-from |b|^-to * sum of weight over the c columns that both have
 *
 * Rows are items and columns users, or the other way round. The cosine: from = to = 1/2, damped weights with damping 0, no shrinkage.
 */
struct rec_knn_how {
    size_t neighbours;               /**< at most so many of each row */
    enum rec_knn_weights {
        REC_KNN_DAMPED,              /**< a column that n rows have: n^-damping */
        REC_KNN_IDF,                 /**< log((rows + 1) / n)^2 */
        REC_KNN_BM25                 /**< the same, and rows by BM25's term for their length */
    } weights;
    double damping, from, to, shrinkage;
};

struct rec_knn {
    struct rec_knn_how how;
    size_t rows, cols;
    const int64_t *ptr;              /**< borrowed */
    const int32_t *index;
    float *weight;                   /**< [cols] */
    float *from, *to;                /**< [rows] by what the sum is multiplied */
    double mean;                     /**< entries of a row */
};
int rec_knn_init(struct rec_knn *knn, const struct rec_knn_how *how, size_t rows, size_t cols, const int64_t *ptr, const int32_t *index,
                 struct rec_err *err);
void rec_knn_clear(struct rec_knn *knn);
/** n^-exponent, with BM25's term; 0 of an empty row. */
float rec_knn_power(const struct rec_knn *knn, size_t n, double exponent);
/** c / (c + shrinkage). */
float rec_knn_shrunk(const struct rec_knn *knn, uint32_t common);
/** The rows nearest to one that is not there, of these columns (ascending): looked for among all. @return how many, ascending, in arrays that
 *  the caller frees; -1 */
ptrdiff_t rec_knn_find(int32_t **near, float **weight, const struct rec_knn *knn, const int32_t *index, size_t n, struct rec_err *err);
/** part[j] += what index[j] has in the weight of a neighbour. */
void rec_knn_share(float *part, const struct rec_knn *knn, const int32_t *index, size_t n, int32_t near, float weight);

/* ---- rank: the best items for many users --------------------------------------------------------
 *
 *     struct rec_rank rank;
 *     if (rec_rank_init(&rank, &model, 10, NULL, 0, &err) < 0) ...
 *     struct rec_topk_hit *hit = rec_malloc(n * rank.k, sizeof *hit, "lists", &err);
 *     if (rec_rank_users(hit, count, &rank, user, n, threads, &err) < 0) ...
 *     // user[j]: hit[j * rank.k + 0] is the best, hit[j * rank.k + count[j] - 1] the last
 *
 * All items are candidates but those seen in training; the order is by score descending, then by item. A user's list is the same,
 * bit for bit, whatever other users are asked for with it. A user of whom nothing was learnt (-1, zero factors, or no pair in training) is
 * offered the most popular items, with popularity for a score; so is one whose history no link begins at.
 */
struct rec_rank {
    const struct rec_model *model;
    size_t k;                        /**< the length of lists: at most the number of items */
    unsigned flags;
    const uint8_t *allowed;
    struct rec_topk_panels panels;   /**< private, as all below: the item factors as the kernels like them */
    void *panels_memory;
    struct rec_topk_hit *order;      /**< a model without factors: all items, best first */
    size_t n_order;
    struct rec_topk_hit *popular;    /**< the k most popular items */
    size_t n_popular;
    size_t held;                     /**< links or neighbours: of so many users all scores are held at once; else 0 */
};

enum { REC_RANK_INCLUDE_SEEN = 1 };

/** @param allowed  [n_items], 0 leaves an item out for all; or NULL. Borrowed, as the model is. */
int rec_rank_init(struct rec_rank *rank, const struct rec_model *model, size_t k, const uint8_t *allowed, unsigned flags,
                  struct rec_err *err);
/** Whether something was learnt of this user. */
bool rec_rank_known(const struct rec_model *model, int32_t user);
/** @param hit    [n, rank->k] lists
 *  @param count  [n] how long each is
 *  @param users  [n] numbers in the model; -1 is unknown */
int rec_rank_users(struct rec_topk_hit *hit, size_t *count, const struct rec_rank *rank, const int32_t *users, size_t n,
                   unsigned threads, struct rec_err *err);
void rec_rank_clear(struct rec_rank *rank);

/* ---- foldin: a user whom the model has not met ----------------------------------------------------
 *
 *     struct rec_foldin foldin;
 *     struct rec_visitor visitor = {.item = item, .value = value, .n = n};
 *     if (rec_foldin_init(&foldin, &model, &err) < 0 || rec_foldin_user(&visitor, &foldin, &err) < 0) ...
 *     n = rec_foldin_rank(hit, k, &model, NULL, &visitor, item, n, allowed, &err);
 *     rec_foldin_forget(&visitor);
 *
 * Links need the history alone; history_factors make factors of it. What factors are learnt besides are those of the least-squares problem that
 * the trainer solved for each user, solved for one more with the items as they are (Hu, Koren and Volinsky 2008; for als, Zhou et al. 2008): a
 * user of the training data gets the factors that an exact last pass would have given. Neighbours are looked for among all users of the model.
 * Where a model knows nothing to fold in, popular, a history changes nothing.
 */
enum rec_foldin_kind {
    REC_FOLDIN_NONE,
    REC_FOLDIN_BIAS,
    REC_FOLDIN_IMPLICIT,
    REC_FOLDIN_RATINGS,
    REC_FOLDIN_HISTORY,          /**< links, neighbours, history_factors: nothing is solved for */
    REC_FOLDIN_SUM               /**< a weighted sum of models: each of its parts by itself */
};

/** Private: a model, or a part of a sum. */
struct rec_foldin_part {
    enum rec_foldin_kind kind;
    size_t first, factors;           /**< which of the model's factors are its own */
    double scale;                    /**< by which its scores count */
    double mean, spread;
    const float *item_bias;          /**< its own; or NULL */
    bool histories;                  /**< factors come from the history as well */
    double implied;                  /**< weight of implicit_factors; 0: it has none */
    float *diagonal;                 /**< [factors], of the Gramian of items, or of implicit_factors, weighted; or NULL */
    double regularization, regularization_bias, exponent, unobserved;
    bool by_value;
};

struct rec_foldin {
    const struct rec_model *model;
    enum rec_foldin_kind kind;
    struct rec_foldin_part *part;    /**< private, as all below */
    size_t n_parts;
    struct rec_knn *knn;             /**< how near users are, where neighbours are looked for */
    double knn_scale;
};

/** Somebody to be scored: set the first three, or call rec_foldin_trained. */
struct rec_visitor {
    const int32_t *item;             /**< [n] the history: numbers in the model, ascending, none twice; borrowed */
    const float *value;              /**< [n] ratings, or NULL: 1 each; borrowed */
    size_t n;
    const float *x;                  /**< [factors] their factors; zeros where nothing can be said; NULL in a model without */
    float bias;                      /**< 0 where the model has none */
    const int32_t *near_user;        /**< [n_near] neighbours, ascending */
    const float *near_weight;
    size_t n_near;
    void *owned[3];                  /**< private */
};

/** Reads what it needs from the model's parameters. A model of a type it does not know folds nothing in, but for what comes from its history. */
int rec_foldin_init(struct rec_foldin *foldin, const struct rec_model *model, struct rec_err *err);
void rec_foldin_clear(struct rec_foldin *foldin);
/** Whether a history of ratings needs their values. */
bool rec_foldin_by_value(const struct rec_foldin *foldin);
/** Fills the rest of the visitor by what it has. */
int rec_foldin_user(struct rec_visitor *visitor, const struct rec_foldin *foldin, struct rec_err *err);
/** Whether that says anything of them: factors, a bias, a link or a neighbour. Of others the popular items are all there is to offer. */
bool rec_foldin_known(const struct rec_model *model, const struct rec_visitor *visitor);
/** A user of the model as training left them; all borrowed. */
void rec_foldin_trained(struct rec_visitor *visitor, const struct rec_model *model, int32_t user);
/** Frees what _user made. */
void rec_foldin_forget(struct rec_visitor *visitor);
/** @param screen  of the model's items and biases (rec_screen_pack): the same list sooner, where factors are all there is; or NULL
 *
 *  The k best items, `seen` [n_seen] (ascending) and those not `allowed` (NULL: all) left out; scores include mean and
 *  biases. Returns how many, -1 when out of memory. */
ptrdiff_t rec_foldin_rank(struct rec_topk_hit *hit, size_t k, const struct rec_model *model, const struct rec_screen *screen,
                          const struct rec_visitor *visitor, const int32_t *seen, size_t n_seen, const uint8_t *allowed, struct rec_err *err);
/** What they would say of one item. */
double rec_foldin_score(const struct rec_model *model, const struct rec_visitor *visitor, int32_t target);
/** Whether this model's scores come from a history, and can be taken apart. */
bool rec_foldin_explains(const struct rec_foldin *foldin);
/** part[j] = what item[j] of the history adds to the score of `target`; with the rest (mean and biases) they sum to it within rounding.
 *  @param visitor  that rec_foldin_user has filled
 *  @return 0, 1: this model's scores do not come from a history, -1 */
int rec_foldin_explain(float *part, float *rest, const struct rec_foldin *foldin, const struct rec_visitor *visitor, int32_t target,
                       struct rec_err *err);
/** The same of a list: part[r * visitor->n + j] and rest[r] of hit[r]. The scores become those that double precision gives, to which the parts sum;
 *  @param ranked  the list is in the order of its scores, and is put in that order again */
int rec_foldin_explain_list(float *part, float *rest, struct rec_topk_hit *hit, size_t n, bool ranked, const struct rec_foldin *foldin,
                            const struct rec_visitor *visitor, struct rec_err *err);

/* ---- visitor: what somebody has, as text ----------------------------------------------------------- */

struct rec_visitor_items {
    int32_t *item;                   /**< [n] ascending, as rec_foldin_user wants them */
    float *value;                    /**< [n] */
    size_t n;
    size_t unknown;                  /**< lines with items that the model does not have */
    char first_unknown[64];
};
/** Reads CSV lines `item` or `item,rating`, under a header line or not; what is said last of an item counts. Without a rating an item counts as 1, in
 *  a model of ratings as the greatest there is. */
int rec_visitor_read(struct rec_visitor_items *out, const char *path, const struct rec_model *model, struct rec_err *err);
void rec_visitor_clear(struct rec_visitor_items *items);

/* ---- similar: the items nearest to an item ------------------------------------------------------
 *
 * By the cosine (or inner product) of their factors. In a model without factors by its links: what a visitor who has this item alone
 * would be offered. Without links too, by the cosine of the sets of users who have both, |A and B| / sqrt(|A| |B|). Items without any direction
 * (zero factors, no links, no users) are near to nothing, and have empty lists.
 */
struct rec_similar {
    const struct rec_model *model;
    size_t k;                        /**< at most the number of items */
    const uint8_t *allowed;
    float *factors;                  /**< private, as all below: [n_items, factors], of length 1 for the cosine */
    struct rec_topk_panels panels;
    void *panels_memory;
    struct rec_csr audience;         /**< a model without factors and links: the users of each item */
};

enum { REC_SIMILAR_DOT = 1 };

int rec_similar_init(struct rec_similar *similar, const struct rec_model *model, size_t k, const uint8_t *allowed, unsigned flags,
                     struct rec_err *err);
/** As rec_rank_users; items[j] in [0, n_items), or -1 for an empty list. The item itself is never listed. */
int rec_similar_items(struct rec_topk_hit *hit, size_t *count, const struct rec_similar *similar, const int32_t *items, size_t n,
                      unsigned threads, struct rec_err *err);
void rec_similar_clear(struct rec_similar *similar);

/* ---- labels: what a catalogue says of a model's items -------------------------------------------- */

struct rec_labels {
    struct rec_catalogue catalogue;
    int32_t *entry;          /**< [n_items] of the model: the item's number in the catalogue, or -1; NULL: not joined */
    size_t n_items, n_known;
    uint8_t *allowed;        /**< [n_items] once _allow was called, else NULL */
};
int rec_labels_open(struct rec_labels *labels, const char *path, const struct rec_ids *items, struct rec_err *err);
/** The two halves of it, for whom asks for a few items alone: takes a file that is open, and joins nothing; and joins. Before it is joined, no more
 *  than rec_labels_entry and the catalogue itself may be used. */
int rec_labels_load(struct rec_labels *labels, struct rec_safetensors *file, const struct rec_ids *items, struct rec_err *err);
int rec_labels_join(struct rec_labels *labels, const struct rec_ids *items, struct rec_err *err);
/** An item's number in the catalogue, or -1: looked for by its id. */
int32_t rec_labels_entry(const struct rec_labels *labels, const struct rec_ids *items, size_t item);
/** "1994", "1990..1999", "1990..", "..1999", both ends included. */
int rec_labels_years(int32_t *from, int32_t *to, const char *text, struct rec_err *err);
/** rec_labels_allow with the years as text, as rec_labels_years reads them; NULL: all. Without genres and years it does nothing. */
int rec_labels_choose(struct rec_labels *labels, const char *const *genre, size_t n_genres, const char *years, struct rec_err *err);
/** Makes `allowed`: items of any of these genres (whatever the case of ASCII letters; none: all), of the years from..to (from 0: all).
 *  Items that the catalogue does not have, or whose year it does not know when years are asked for, are not allowed. */
int rec_labels_allow(struct rec_labels *labels, const char *const *genre, size_t n_genres, int32_t from, int32_t to,
                     struct rec_err *err);
/** The same of the films of a catalogue: wanted[c->n]. */
int rec_labels_entries(uint8_t *wanted, const struct rec_catalogue *c, const char *const *genre, size_t n_genres, int32_t from, int32_t to,
                       struct rec_err *err);
/** As rec_labels_allow, into the caller's allowed[n_items]: for many threads with one set of labels. */
int rec_labels_mark(uint8_t *allowed, const struct rec_labels *labels, const char *const *genre, size_t n_genres, int32_t from, int32_t to,
                    struct rec_err *err);
/** Whether the item's title contains these words, whatever the case of ASCII letters. */
bool rec_labels_titled(const struct rec_labels *labels, size_t item, const char *words);
void rec_labels_clear(struct rec_labels *labels);

/* ---- where: items by an expression ----------------------------------------------------------------
 *
 *     genre=Comedy|Drama, year>=1990, genre!=Horror
 *
 * Conditions between commas, all of which must hold: genre with = (of any of these, whatever the case of ASCII letters) or != (of none of them);
 * year with = != >= <= > < and a year or a range, FROM..TO. Whose year is not known meets no condition on it.
 */
/** Whether it can be read at all; names of genres are not looked at. */
int rec_where_check(const char *text, struct rec_err *err);
/** wanted[c->n]: 1 for the films that meet it, 0 for the others. */
int rec_where_entries(uint8_t *wanted, const struct rec_catalogue *c, const char *text, struct rec_err *err);
/** allowed[n_items] &= the item meets it; one that the catalogue does not have does not. `labels` are joined. */
int rec_where_allow(uint8_t *allowed, const struct rec_labels *labels, const char *text, struct rec_err *err);

/* ---- rerank: another order for the first of a list -------------------------------------------------
 *
 *     struct rec_rerank_options o = {.diversity = 0.3};
 *     struct rec_rerank rerank;
 *     if (rec_rerank_init(&rerank, &model, NULL, &o, &err) < 0) ...
 *     n = ... the 100 best items into hit ...
 *     if (rec_rerank_list(hit, n, 10, &rerank, history, n_history, &err) < 0) ...
 *     // hit[0 .. 10): of the 100 the ten that are good, and unlike each other
 *
 * Greedy: each place goes to the item worth most after those before it. With scores s from 0 to 1 over the list:
 *     novelty v          worth = (1 - v) s + v n, n: -log of popularity from 0 to 1 over the list (Vargas and Castells 2011)
 *     diversity d        (1 - d) worth - d (likeness to the most alike before it): maximal marginal relevance (Carbonell and Goldstein 1998)
 *     calibration c      (1 - c) of that - c KL(genres of the history || genres of the list with it) (Steck 2018)
 */
enum rec_rerank_likeness {
    REC_RERANK_FACTORS,          /**< cosine of factors */
    REC_RERANK_AUDIENCES,        /**< cosine of the sets of users; slow for items that very many have */
    REC_RERANK_GENRES            /**< cosine of the sets of genres */
};
struct rec_rerank_options {
    double diversity, calibration, novelty;  /**< each from 0, as it was, to 1 */
    enum rec_rerank_likeness likeness;
};
struct rec_rerank {
    const struct rec_model *model;   /**< private, as all below */
    const struct rec_labels *labels;
    struct rec_rerank_options o;
    struct rec_csr audience;
};

/** @param labels  what tells genres; or NULL. Both are borrowed. Fails when something is asked for that nothing tells. */
int rec_rerank_init(struct rec_rerank *rerank, const struct rec_model *model, const struct rec_labels *labels, const struct rec_rerank_options *o,
                    struct rec_err *err);
/** Brings the best k of hit[n], which is in the order of scores, to its front in their new order; scores stay with their items.
 *  @param item  [n_items] the history, for calibration. Thread-safe. */
int rec_rerank_list(struct rec_topk_hit *hit, size_t n, size_t k, const struct rec_rerank *rerank, const int32_t *item, size_t n_items,
                    struct rec_err *err);
void rec_rerank_clear(struct rec_rerank *rerank);

/* ---- block: ids that are asked for --------------------------------------------------------------- */

struct rec_block {
    size_t n, cap;
    int32_t *number;         /**< [n] in a table of ids; -1 is unknown */
    struct rec_buf text;     /**< private, as all below */
    size_t *offset;
};
int rec_block_init(struct rec_block *block, size_t cap, struct rec_err *err);
void rec_block_reset(struct rec_block *block);
/** Adds an id; there must be room. */
int rec_block_add(struct rec_block *block, const char *text, size_t len, int32_t number, struct rec_err *err);
/** Id i as it was asked for. */
const char *rec_block_get(const struct rec_block *block, size_t i, size_t *len);
/** Begins anew with the next lines, one id a line, blank ones skipped: until the block is full, or no line waits. @return 1, 0 at
 *  the end, -1. */
int rec_block_fill(struct rec_block *block, struct rec_lines *lines, const struct rec_ids *ids, struct rec_err *err);
void rec_block_clear(struct rec_block *block);

/* ---- lists: ranked lists as text ----------------------------------------------------------------
 *
 *     CSV    user,item,score,rank       with a header line
 *     JSONL  {"user":"42","item":"50","score":4.5,"rank":1}, one a row
 *     TREC   42 Q0 50 1 4.5 ials        what trec_eval and `rec-eval --run` read
 *     TABLE  for people
 *
 * With labels CSV has the columns title,year,genres (genres with | between them), JSONL the same keys (genres an array).
 * When it explains, CSV has because,rest: items of the history with what each adds, and what else the score is made of,
 * "50:0.31|172:0.12",0.04; JSONL has "because":[{"item":"50","contribution":0.31},...],"rest":0.04; a table a line for each; a run has no room for it.
 */
enum rec_lists_format { REC_LISTS_CSV, REC_LISTS_JSONL, REC_LISTS_TREC, REC_LISTS_TABLE };

/** Set the first ones, leave the rest zero. */
struct rec_lists {
    struct rec_out *out;
    enum rec_lists_format format;
    const char *query, *answer;      /**< names of the first columns: "user", "item" */
    const char *tag;                 /**< the last column of a TREC run */
    const struct rec_ids *items;     /**< ids of the answers */
    const struct rec_labels *labels; /**< adds title, year and genres; or NULL */
    bool explains;                   /**< every list says why */
    size_t lists, rows;              /**< written so far */
    struct rec_buf buf;              /**< private */
};

/** What the scores of a list are made of: score r is rest[r] and the sum of part[r * n .. r * n + n). */
struct rec_lists_why {
    const int32_t *item;             /**< [n] the history */
    size_t n;
    const float *part, *rest;
    size_t most;                     /**< so many items are named, those that add most (whatever the sign); the others count as rest */
};

struct rec_lists_one {
    const char *query;
    size_t query_len;
    const int32_t *query_item;       /**< its number, when what is asked for is an item; or NULL */
    const struct rec_topk_hit *hit;  /**< [n] */
    size_t n;
    struct rec_lists_why why;        /**< when it explains */
};

int rec_lists_begin(struct rec_lists *lists, struct rec_err *err);                                   /**< the header line */
int rec_lists_add(struct rec_lists *lists, const struct rec_lists_one *list, struct rec_err *err);
int rec_lists_flush(struct rec_lists *lists, struct rec_err *err);                                   /**< sends off what has gathered */
void rec_lists_clear(struct rec_lists *lists);

#endif
