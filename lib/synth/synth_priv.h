/* SPDX-License-Identifier: MIT
 *
 * The made-up world that synth.c takes its ratings from: who there is, what there is, and who likes what.
 */
#ifndef REC_DATA_SYNTH_PRIV_H
#define REC_DATA_SYNTH_PRIV_H

#include <rec/synth.h>

enum { SYNTH_GENRES_MAX = 64 };

/** Walker's alias table: one of n outcomes by their weights, in constant time. */
struct rec_synth_alias {
    uint32_t n;
    const int32_t *what; /**< [n] the outcomes; NULL: 0 .. n-1 */
    float *keep;         /**< [n] */
    uint32_t *other;     /**< [n] */
};

struct rec_synth_world {
    struct rec_synth_options o;
    size_t n_genres;
    /* items, in the order their ratings are printed */
    char *id_bytes;              /**< ids, as a CSV shows them when it is for one */
    size_t *id_at;               /**< [n_items + 1] */
    size_t id_longest;
    int64_t *release;            /**< [n_items] seconds */
    uint64_t *genres;            /**< [n_items] one bit a genre; never 0 */
    float *weight;               /**< [n_items] popularity */
    float *bias, *factors;       /**< [n_items], [n_items, f] */
    float *genre_factors;        /**< [n_genres, f] unit vectors */
    double mass, genre_mass[SYNTH_GENRES_MAX];  /**< sums of the weights */
    double any_share;            /**< how often an item is sought among all of them */
    int32_t *genre_items;        /**< items by genre */
    struct rec_synth_alias any, by_genre[SYNTH_GENRES_MAX], genre;
    float taste_scale;           /**< stars for one unit of <p, q> */
    float dot_scale;             /**< makes <p, q> of variance 1 */
    /* users */
    uint32_t *count;             /**< [n_users] ratings of each */
    uint32_t count_max;
};

/** What one user is like; made afresh from the seed and the user's number. */
struct rec_synth_user {
    float bias;
    float *taste;                         /**< [f] */
    float genre_share[SYNTH_GENRES_MAX];  /**< chance that the next item is sought in this genre */
    uint32_t n_liked, liked[4];
    float liked_upto[4];                  /**< cumulated, of favourites only */
};

enum { SYNTH_STREAM_ITEMS = 1, SYNTH_STREAM_GENRES, SYNTH_STREAM_ACTIVITY, SYNTH_STREAM_SCALE, SYNTH_STREAM_USERS = 16 };

int rec_synth_world_make(struct rec_synth_world *w, const struct rec_synth_options *o, bool csv, struct rec_err *err);
void rec_synth_world_clear(struct rec_synth_world *w);
/** Fills `user`, whose taste has room, drawing from rng. */
void rec_synth_world_user(const struct rec_synth_world *w, struct rec_synth_user *user, struct rec_rng *rng);
int32_t rec_synth_world_draw(const struct rec_synth_alias *alias, struct rec_rng *rng);
/** <a, b> in an order that does not depend on the compiler. */
float rec_synth_world_dot(const float *a, const float *b, size_t n);

struct rec_synth_keyed {
    double key;
    int32_t item;
};

/** What a thread needs to make one user. */
struct rec_synth_scratch {
    struct rec_synth_user user;
    uint64_t *taken, *sorted;   /**< bits by item */
    int32_t *item, *slot;       /**< by slot; by item: which slot */
    float *value;
    int64_t *time;
    struct rec_synth_keyed *keyed;        /**< [n_items] */
    struct rec_rng rng;
};

int rec_synth_choose_make(struct rec_synth_scratch *s, const struct rec_synth_world *w, struct rec_err *err);
void rec_synth_choose_clear(struct rec_synth_scratch *s);
/** User u: item, value and time of each slot; the items' bits are set in `taken`, which must have been empty. */
void rec_synth_choose(const struct rec_synth_world *w, struct rec_synth_scratch *s, size_t u);

#endif
