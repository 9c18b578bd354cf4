/* SPDX-License-Identifier: MIT
 *
 * data: ratings, the ids they are known by, and the catalogue of what is rated.
 *
 *     ids         sorted tables of external ids (strings)
 *     ratings     users x items as compressed sparse rows; their file
 *     csr         checking, transposing and joining such rows
 *     export      ratings as text: CSV, MatrixMarket, TREC
 *     catalogue   titles, years and genres of items
 *     split       train and test
 *     leaks       what the parts of a split know of each other
 *     filter      keeping some of the ratings
 *     merge       several files of ratings in one
 *     prune       leaving out who has few ratings, or none
 *     titles      words of titles, weighted
 *     features    what is known of users and items, in named columns
 *     checks      what a data engineer would ask of a set of ratings
 *
 * Users and items are numbered from 0 in the byte order of their ids, so that no result depends on the order of input rows.
 */
#ifndef REC_DATA_H
#define REC_DATA_H

#include <rec/format.h>

/* ---- ids: sorted tables of external ids --------------------------------------------------------- */

/** n strings in strictly ascending byte order: id i is bytes[offset[i] .. offset[i+1]). In a file: NAME.bytes U8, NAME.offsets
 *  I64[n+1] (Arrow's LargeString layout). */
struct rec_ids {
    const char *bytes;
    const int64_t *offset;
    size_t n;
    void *owned[2];   /**< what _clear frees; NULL when borrowed from a file */
};

/** Id i and its length. */
const char *rec_ids_get(const struct rec_ids *ids, size_t i, size_t *len);
/** Its number by binary search, or -1. */
int32_t rec_ids_find(const struct rec_ids *ids, const char *text, size_t len);
/** Sorts the strings of a map. rank (room for map->n) receives, for each number of the map, the number in `ids`. */
int rec_ids_from_map(struct rec_ids *ids, const struct rec_hashmap *map, uint32_t *rank, struct rec_err *err);
/** to[i] (room for from->n) = the number in `into` of id i of `from`, or -1. Linear in both. Returns how many were found. */
size_t rec_ids_join(int32_t *to, const struct rec_ids *from, const struct rec_ids *into);
/** Reads and checks tensors NAME.bytes and NAME.offsets: monotone, within the bytes, strictly ascending, no empty id. */
int rec_ids_load(struct rec_ids *ids, const struct rec_safetensors *file, const char *name, struct rec_err *err);
void rec_ids_put(struct rec_safetensors_out *file, const char *name, const struct rec_ids *ids);
void rec_ids_clear(struct rec_ids *ids);

/* ---- ratings ------------------------------------------------------------------------------------ */

/** Ratings as CSR by user. In the rows of user u, p from user_ptr[u] to user_ptr[u+1]: item[p] ascending without duplicates,
 *  value[p] finite, time[p] seconds since 1970 UTC. Arrays are borrowed from `file` or owned, by how it was made. */
struct rec_ratings {
    size_t n_users, n_items, nnz;
    const int64_t *user_ptr;   /**< [n_users + 1], from 0 to nnz */
    const int32_t *item;       /**< [nnz] */
    const float *value;        /**< [nnz]; all 1 for implicit feedback */
    const int64_t *time;       /**< [nnz], or NULL when there are no times */
    struct rec_ids users, items;
    char *history;             /**< lines of the tools that took part; never NULL once read or built */
    uint32_t digest;           /**< crc32c of the file it was read from */
    struct rec_safetensors file;
    void *owned[4];            /**< user_ptr, item, value, time when they are ours */
};

/** Reads and checks a rec.ratings/1 file; path as for rec_in_open. */
int rec_ratings_read(struct rec_ratings *r, const char *path, struct rec_err *err);
/** As rec_ratings_read, from a file that is already open, which it takes. */
int rec_ratings_load(struct rec_ratings *r, struct rec_safetensors *file, struct rec_err *err);
/** Writes it with this history (NULL: none). */
int rec_ratings_write(const struct rec_ratings *r, const char *history, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
void rec_ratings_clear(struct rec_ratings *r);

/* ---- csr ---------------------------------------------------------------------------------------- */

/** Rows of ascending column numbers. */
struct rec_csr {
    size_t rows, cols, nnz;
    int64_t *ptr;      /**< [rows + 1] */
    int32_t *index;    /**< [nnz] */
    float *value;      /**< [nnz], or NULL */
};
/** The tensors of these names, checked: ptr[0..rows] from 0 to nnz without a fall, index[0..nnz) in [0, cols) and ascending in each
 *  row. Both are borrowed from `file`. */
int rec_csr_load(const struct rec_safetensors *file, const char *ptr_name, const char *index_name, size_t rows, size_t cols,
                 const int64_t **ptr, const int32_t **index, size_t *nnz, struct rec_err *err);
/** Transposes rows x cols CSR (value may be NULL) by counting; rows of `out` are the columns. Memory: 8 bytes an entry. */
int rec_csr_transpose(struct rec_csr *out, size_t rows, size_t cols, const int64_t *ptr, const int32_t *index, const float *value,
                      struct rec_err *err);
void rec_csr_clear(struct rec_csr *csr);

/** The same ratings expressed in other id tables (for instance a model's): entries whose user or item is unknown there are left
 *  out, and counted. `out` borrows `users` and `items`. */
int rec_csr_join(struct rec_ratings *out, const struct rec_ratings *r, const struct rec_ids *users, const struct rec_ids *items,
                 size_t *dropped, struct rec_err *err);

/* ---- export: ratings as text -------------------------------------------------------------------- */

/** `userId,itemId,rating,timestamp` (no timestamp when there are no times), a row for each rating, users and items in byte order. */
int rec_export_csv(const struct rec_ratings *r, char delimiter, bool header, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
/** The same CSV, rows coming one at a time: from wherever ratings are kept that are no struct rec_ratings.
 *  @param item  what the header calls the column of items ("itemId"); NULL: no header.  @param timed  whether there is a timestamp column. */
struct rec_export;
int rec_export_begin(struct rec_export **e, const struct rec_ids *users, const struct rec_ids *items, const char *item, char delimiter,
                     bool timed, struct rec_out *out, struct rec_err *err);
int rec_export_row(struct rec_export *e, size_t user, size_t item, float value, int64_t time, struct rec_err *err);
/** Writes what is left, unless `result` is -1, and frees. Returns `result`, or -1 when that failed: `err` is that of the last row. */
int rec_export_end(struct rec_export *e, int result) REC_RESULT_USED;

/** MatrixMarket, coordinate real general: user and item numbers from 1, rating. */
int rec_export_mtx(const struct rec_ratings *r, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
/** TREC judgements: `user 0 item rating`. Fails at a rating that is no whole number, or an id that holds a blank. */
int rec_export_qrels(const struct rec_ratings *r, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
/** The ids, a line each. */
int rec_export_ids(const struct rec_ids *ids, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;

/* ---- filter: keeping some of the ratings -------------------------------------------------------- */

/** A condition on the value of a rating, as `--positive 'rating>=4'` and `--relevant 'rating>=4'` give it. */
struct rec_filter {
    enum { REC_FILTER_GE = 1, REC_FILTER_GT, REC_FILTER_LE, REC_FILTER_LT, REC_FILTER_EQ, REC_FILTER_NE } op;
    double bound;
};

/** Reads "rating>=4": the word `rating`, one of >= > <= < = == !=, a number; blanks between them do no harm. */
int rec_filter_parse(struct rec_filter *filter, const char *text, struct rec_err *err);
bool rec_filter_keeps(const struct rec_filter *filter, double value);
/** The ratings that it keeps, with the same id tables, which `out` borrows from `r`; rows may become empty. history is NULL. */
int rec_filter_ratings(struct rec_ratings *out, const struct rec_ratings *r, const struct rec_filter *filter, struct rec_err *err);

/* ---- merge: several files of ratings in one ------------------------------------------------------
 *
 *     struct rec_merge_options o = {.sample = 1, .threads = 2};
 *     const struct rec_ratings *in[] = {&old, &fresh};
 *     if (rec_merge_ratings(&all, in, 2, &o, &err) < 0 || rec_prune_core(&all, 5, 5, &err) < 0 || rec_prune_ids(&all, &err) < 0) ...
 */
#define REC_MERGE_MAX 64

struct rec_merge_options {
    bool has_since, has_until;
    int64_t since, until;            /**< since <= time < until: other ratings are as if they had never been given */
    const struct rec_filter *keep;   /**< the rating of a pair, once it is known, has to meet it; NULL: any does */
    double sample;                   /**< the share that stays, by chance; 1: all */
    enum rec_merge_unit { REC_MERGE_RATINGS, REC_MERGE_USERS, REC_MERGE_ITEMS } sample_by; /**< what stays or goes as one */
    uint64_t seed;                   /**< of the sample: who is in it hangs on the seed and on ids, and on nothing else */
    bool binarize;                   /**< all values become 1 */
    bool drop_times;
    unsigned threads;
};

/** The ratings of n files (1 .. REC_MERGE_MAX) with different id tables, joined by id. Of a pair that stands in several the later rating holds; at
 *  the same time, or without times, the greatest. Fails when some files have times and others do not, unless `drop_times`. Linear in the size of
 *  all; memory: the result and both id tables a file. `out` owns its rows, borrows the id tables of a single file, and has history NULL. The
 *  result does not depend on the order of the files or the number of threads. */
int rec_merge_ratings(struct rec_ratings *out, const struct rec_ratings *const *in, size_t n, const struct rec_merge_options *o,
                      struct rec_err *err);

/* ---- prune: leaving out who has few ratings, or none ---------------------------------------------- */

/** Leaves the core: the greatest part of the ratings in which every user has at least `users` of them and every item at least `items`. Changes `r`,
 *  which must own its rows; id tables stay, rows become empty. Linear; memory: 4 bytes a rating. */
int rec_prune_core(struct rec_ratings *r, size_t users, size_t items, struct rec_err *err);
/** Takes ids without ratings out of both tables. Changes `r`, which must own its rows. */
int rec_prune_ids(struct rec_ratings *r, struct rec_err *err);

/* ---- split: train and test ----------------------------------------------------------------------
 *
 *     struct rec_split_options o = {.method = REC_SPLIT_RANDOM, .test = 0.2, .seed = 42, .min_train = 1};
 *     uint8_t *part = rec_malloc(r.nnz, 1, "parts", &err);
 *     if (rec_split_assign(part, NULL, &r, &o, &err) < 0 || rec_split_take(&test, &r, part, REC_SPLIT_TEST, &err) < 0) ...
 */
enum rec_split_method {
    REC_SPLIT_RANDOM = 1,    /**< a share of each user's ratings, by chance; a user's choice depends on their id, their row and the seed */
    REC_SPLIT_GLOBAL_RANDOM, /**< a share of all ratings, by chance */
    REC_SPLIT_LAST,          /**< the `last` latest ratings of each user; of equal times the greater item is the later */
    REC_SPLIT_TIME,          /**< all ratings from a moment on */
    REC_SPLIT_KFOLD,         /**< fold `fold` of `folds` equal parts of all ratings, by chance; every rating is in one fold */
    REC_SPLIT_USER_TIME,     /**< the latest share of each user's ratings; of equal times the greater item is the later */
    REC_SPLIT_USERS,         /**< all ratings of a share of the users, by chance: cold users */
    REC_SPLIT_ITEMS,         /**< all ratings of a share of the items, by chance: cold items */
    REC_SPLIT_PAIRS          /**< those pairs that are in `pairs` */
};

enum { REC_SPLIT_TRAIN, REC_SPLIT_TEST, REC_SPLIT_VALID, REC_SPLIT_NONE };

struct rec_split_options {
    enum rec_split_method method;
    double test, valid;      /**< shares, for RANDOM, GLOBAL_RANDOM, TIME, USER_TIME, USERS and ITEMS; their sum is below 1 */
    bool want_valid;         /**< LAST and KFOLD: the `last` ratings before those, or the next fold, are for validation */
    uint64_t seed;
    size_t last;
    size_t folds, fold;      /**< fold is 1 .. folds */
    bool has_before;         /**< TIME: test is all that is not before `before`; else the latest share */
    int64_t before;
    const struct rec_ratings *pairs;
    bool warm;               /**< what is held out of users and items without any training rating is in no part (REC_SPLIT_NONE) */
    size_t min_train;        /**< a user keeps so many ratings (or all they have) in training, the earliest first */
};

struct rec_split_found {
    int64_t cut;             /**< TIME: the first second of the test part */
    size_t missing;          /**< PAIRS: pairs that are not among the ratings */
};

/** part[p] (room for r->nnz) = which part rating p is in. A choice for validation does not change the test part. `found` may be
 *  NULL. Fails when times are needed and there are none. */
int rec_split_assign(uint8_t *part, struct rec_split_found *found, const struct rec_ratings *r, const struct rec_split_options *o,
                     struct rec_err *err);
/** The ratings of one part, with all users and items: `out` borrows the id tables of `r`; rows may be empty; history is NULL. */
int rec_split_take(struct rec_ratings *out, const struct rec_ratings *r, const uint8_t *part, uint8_t which, struct rec_err *err);

/* ---- leaks: what the parts of a split know of each other --------------------------------------------- */

struct rec_leaks {
    size_t ratings[4];       /**< by part; REC_SPLIT_NONE: left out */
    size_t users[4], items[4]; /**< that have any there */
    size_t cold_users, cold_items; /**< of the test part, without any in training */
    size_t cold;             /**< test ratings of such a user or item */
    bool timed;              /**< the ratings have times; else the two below are 0 */
    size_t ahead;            /**< training ratings that are later than the first of the test part: training knows a world that test has not seen yet */
    size_t behind;           /**< test ratings that are earlier than some training rating of the same user */
};
int rec_leaks_count(struct rec_leaks *out, const struct rec_ratings *r, const uint8_t *part, struct rec_err *err);

/* ---- checks: what a data engineer would ask of a set of ratings ----------------------------------
 *
 *     struct rec_check_result result[REC_CHECKS_MAX];
 *     struct rec_checks_options o;
 *     rec_checks_defaults(&o);
 *     size_t n = rec_checks_run(result, &r, &o, &err);       // 0 when memory is short
 *     for (size_t i = 0; i < n; i++)
 *         if (result[i].verdict == REC_CHECK_FAIL) ...
 *
 * One line of the table in checks.c is one check: a number, measured in one pass, against a threshold.
 */
#define REC_CHECKS_MAX 32

enum rec_check_verdict { REC_CHECK_OK, REC_CHECK_WARN, REC_CHECK_FAIL, REC_CHECK_SKIPPED };

struct rec_check {
    const char *name;          /**< "cold-users"; the table ends at NULL */
    const char *help;          /**< what is measured */
    bool at_least;             /**< the value must be at least the threshold; else at most */
    bool share;                /**< a number from 0 to 1, shown as per cent */
    bool grave;                /**< a value beyond the threshold is a failure, otherwise a warning */
    double threshold;          /**< the default */
};
extern const struct rec_check rec_checks[];

struct rec_checks_options {
    double threshold[REC_CHECKS_MAX]; /**< by place in rec_checks */
    double low, high, step;    /**< what values ought to be; NAN: not known */
    int64_t earliest, now;     /**< times before and after are wrong */
    size_t cold;               /**< a user or an item with fewer ratings is cold */
    size_t per_day;            /**< more ratings by one user within 24 hours are those of a program */
    const struct rec_ids *catalogue; /**< the items there are, or NULL */
};

struct rec_check_result {
    const struct rec_check *check;
    double value, threshold;
    enum rec_check_verdict verdict;
    char text[200];            /**< what was found, in words */
};

/** The thresholds of the table; nothing known of values; times from 1990 to now, which the caller has to set. */
void rec_checks_defaults(struct rec_checks_options *o);
/** Fills result (room for REC_CHECKS_MAX) in the order of the table. Returns how many, 0 when out of memory. */
size_t rec_checks_run(struct rec_check_result *result, const struct rec_ratings *r, const struct rec_checks_options *o,
                      struct rec_err *err);

/* ---- catalogue: titles, years and genres of items ------------------------------------------------ */

/** Items in the byte order of their ids. Arrays are borrowed from `file` or owned, by how it was made. */
struct rec_catalogue {
    size_t n;
    struct rec_ids items;
    const char *title;             /**< all titles, one after another: UTF-8 without control characters */
    const int64_t *title_offset;   /**< [n + 1] */
    const int32_t *year;           /**< [n]; 0: unknown */
    struct rec_ids genres;
    const int64_t *genre_ptr;      /**< [n + 1] */
    const int32_t *genre;          /**< of item i: genre[genre_ptr[i] .. genre_ptr[i+1]), ascending */
    char *history;                 /**< never NULL once read or built */
    uint32_t digest;
    struct rec_safetensors file;
    void *owned[5];
};

/** The title of item i and its length; "" when it has none. */
const char *rec_catalogue_title(const struct rec_catalogue *c, size_t i, size_t *len);
/** Reads and checks a rec.catalogue/1 file; path as for rec_in_open. */
int rec_catalogue_read(struct rec_catalogue *c, const char *path, struct rec_err *err);
/** As rec_catalogue_read, from a file that is already open, which it takes. */
int rec_catalogue_load(struct rec_catalogue *c, struct rec_safetensors *file, struct rec_err *err);
/** Writes it with this history (NULL: none). */
int rec_catalogue_write(const struct rec_catalogue *c, const char *history, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
void rec_catalogue_clear(struct rec_catalogue *c);

/* ---- titles: words of titles, weighted ------------------------------------------------------------
 *
 * A word is a run of letters and digits of any script, in small letters (of Latin, Greek, Cyrillic and Armenian), apostrophes left out; a
 * year in parentheses at the end, words of one letter, and words that say nothing ("the", "of") are left out.
 * The weight of a word is tf * idf, idf = ln((1 + n) / (1 + df)) + 1, and the weights of a title have length 1: what scikit-learn's
 * TfidfVectorizer computes.
 */
struct rec_titles {
    struct rec_ids terms;
    float *idf;              /**< [terms.n] */
    int64_t *ptr;            /**< [n + 1] */
    int32_t *term;           /**< ascending in each row */
    float *weight;
};

struct rec_titles_options {
    size_t min_df;           /**< words in fewer titles are left out */
    double max_df;           /**< words in a greater share of the titles are left out */
    bool stop_words;         /**< leave out words that say nothing */
};

/** Words of the titles of `c`; its item i has row place[i] of n. */
int rec_titles_build(struct rec_titles *out, const struct rec_catalogue *c, const int32_t *place, size_t n,
                     const struct rec_titles_options *o, struct rec_err *err);
void rec_titles_clear(struct rec_titles *titles);

/* ---- features: what is known of users and items, in named columns --------------------------------
 *
 *     struct rec_features f;
 *     int32_t column;
 *     if (rec_features_file_read(&f, "features.rec", &err) < 0) ...
 *     column = rec_ids_find(&f.item_columns, "log_count", 9);             // -1: there is no such column
 *     x = f.item_dense[item * f.item_columns.n + column];
 *
 * rec-features(1) says what each column is. Items are those of the ratings and of the catalogue.
 */
struct rec_features {
    struct rec_ids items, users, item_columns, user_columns;
    const float *item_dense;      /**< [items.n, item_columns.n] */
    const float *user_dense;      /**< [users.n, user_columns.n] */
    struct rec_ids terms;         /**< words of titles; none without a catalogue */
    const float *term_idf;        /**< [terms.n] */
    const int64_t *title_ptr;     /**< [items.n + 1] */
    const int32_t *title_term;
    const float *title_weight;
    char *history;                /**< never NULL once read or built */
    uint32_t digest;
    struct rec_safetensors file;
    void *owned[6];
};

struct rec_features_options {
    struct rec_titles_options titles;
    size_t max_genres;            /**< only the most common ones get columns */
};

/** Features of these ratings; without a catalogue (NULL) there are no genres, years and words. Recency is counted from the newest
 *  rating, never from the present: the same input gives the same features. */
int rec_features_build(struct rec_features *out, const struct rec_ratings *r, const struct rec_catalogue *c,
                       const struct rec_features_options *o, struct rec_err *err);
/** Reads and checks a rec.features/1 file; path as for rec_in_open. */
int rec_features_file_read(struct rec_features *f, const char *path, struct rec_err *err);
/** As rec_features_file_read, from a file that is already open, which it takes. */
int rec_features_file_load(struct rec_features *f, struct rec_safetensors *file, struct rec_err *err);
int rec_features_file_write(const struct rec_features *f, const char *history, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
/** `id`, then the dense columns, a row for each item, or each user. */
int rec_features_file_csv(const struct rec_features *f, bool users, char delimiter, bool header, struct rec_out *out,
                     struct rec_err *err) REC_RESULT_USED;
void rec_features_clear(struct rec_features *f);

#endif
