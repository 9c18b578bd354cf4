/* SPDX-License-Identifier: MIT
 *
 * synth: made-up ratings of any size, for the sample, for tests and for benchmarks.
 *
 *     struct rec_synth_options o;
 *     rec_synth_defaults(&o);
 *     o.n_users = 200000, o.n_items = 20000, o.n_ratings = 20000000, o.threads = 2;
 *     if (rec_synth_csv(&o, &out, &err) < 0) ...
 */
#ifndef REC_SYNTH_H
#define REC_SYNTH_H

#include <rec/data.h>

/* ---- synth: made-up ratings ----------------------------------------------------------------------
 *
 * Ratings with a planted structure that a good model finds. Popularity follows Zipf and Mandelbrot, activity is log-normal; a rating is
 *     mean + user bias + item bias + <user taste, item factors> + noise, rounded to half stars within 0.5 .. 5
 * where the factors of an item follow its genres and a user likes a few genres; users choose what is popular, of genres they
 * like, and near their taste. They come in sessions over some years and rate no film before it is released. Each user is made
 * from the seed and the user's number alone, so that the bytes do not depend on the number of threads.
 */

/** What is known of an item; the ratings then follow its genres and its year. */
struct rec_synth_film {
    const char *id;
    size_t id_len;
    int year;          /**< 0: unknown, never too new */
    uint64_t genres;   /**< one bit a genre */
};

/** The items of a catalogue, [c->n]; ids are borrowed from it. The caller frees *films. */
int rec_synth_films(struct rec_synth_film **films, const struct rec_catalogue *c, struct rec_err *err);

struct rec_synth_options {
    size_t n_users, n_items, n_ratings;   /**< exactly so many */
    size_t factors;                       /**< of the planted structure, 1 .. 256 */
    double noise;                         /**< its standard deviation, in stars */
    double structure;                     /**< standard deviation of <taste, factors>, in stars */
    double mean;                          /**< of all pairs, in stars; of those rated it is higher, as users choose what they like */
    int64_t since, until;                 /**< times lie between, in seconds */
    bool implicit;                        /**< all values are 1 */
    uint64_t seed;
    unsigned threads;
    const struct rec_synth_film *films;   /**< [n_items], or NULL: made up, with ids 1 .. n_items; borrowed,
                                               in the order of printing */
    void (*progress)(void *context, uint64_t done, uint64_t total); /**< or NULL; from the calling thread */
    void *context;
};

/** The defaults: 1000 users, 1000 items, 50,000 ratings. */
void rec_synth_defaults(struct rec_synth_options *o);
/** Writes CSV as MovieLens does, `userId,movieId,rating,timestamp`, sorted by user and item. Memory does not grow with n_ratings. */
int rec_synth_csv(const struct rec_synth_options *o, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
/** The same ratings as rec-ingest would read from that CSV: items without ratings are left out. */
int rec_synth_ratings(struct rec_ratings *out, const struct rec_synth_options *o, struct rec_err *err) REC_RESULT_USED;
/** The items as a catalogue in CSV, `movieId,title,genres`; of made-up items only. */
int rec_synth_movies(const struct rec_synth_options *o, struct rec_out *out, struct rec_err *err) REC_RESULT_USED;

#endif
