/* SPDX-License-Identifier: MIT
 *
 * The world of made-up ratings: items with genres, factors, years and popularity; users with activity and taste.
 *
 * Popularity: Zipf's law with Mandelbrot's shift, weight(rank) = (rank + 10)^-1. Drawing by it: Walker's alias tables
 * (Vose 1991). Factors of an item: the mean direction of its genres turned towards a direction of its own; a user's
 * taste: likewise from the genres they like. All vectors have length 1, and their product is scaled to the wanted
 * variance by sampling pairs.
 */
#include "synth_priv.h"

#include <math.h>

#define MADE_UP_GENRES 18
static const int64_t year_1 = -62135596800, year_9999 = 253402300799;
static const double own_item = 0.65, own_user = 0.6;   /* part of a direction that no genre explains */
static const double liked_share = 0.7;                 /* how often an item is sought among the genres liked */

float rec_synth_world_dot(const float *a, const float *b, size_t n)
{
    float s[4] = {0};
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        for (size_t j = 0; j < 4; j++)
            s[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        s[0] += a[i] * b[i];
    return (s[0] + s[1]) + (s[2] + s[3]);
}

/* ---- drawing by weight -------------------------------------------------------------------------- */

static void alias_clear(struct rec_synth_alias *alias)
{
    free(alias->keep);
    free(alias->other);
}

/* Vose's method: each column holds at most two outcomes; `small` and `large` grow from both ends of one array. */
static int alias_make(struct rec_synth_alias *alias, const double *weight, const int32_t *what, size_t n,
                      struct rec_err *err)
{
    uint32_t *todo = rec_malloc(n, sizeof *todo, "made-up ratings", err);
    double *p = rec_malloc(n, sizeof *p, "made-up ratings", err), sum = 0;
    size_t small = 0, large = n;
    int rc = -1;

    alias->n = (uint32_t)n;
    alias->what = what;
    alias->keep = rec_malloc(n, sizeof *alias->keep, "made-up ratings", err);
    alias->other = rec_calloc(n, sizeof *alias->other, "made-up ratings", err);
    if (!todo || !p || !alias->keep || !alias->other)
        goto out;
    for (size_t i = 0; i < n; i++)
        sum += weight[i];
    for (size_t i = 0; i < n; i++) {
        p[i] = weight[i] / sum * (double)n;
        alias->keep[i] = 1;
        if (p[i] < 1)
            todo[small++] = (uint32_t)i;
        else
            todo[--large] = (uint32_t)i;
    }
    while (small > 0 && large < n) {
        uint32_t lo = todo[--small], hi = todo[large];

        alias->keep[lo] = (float)p[lo];
        alias->other[lo] = hi;
        p[hi] -= 1 - p[lo];
        if (p[hi] < 1) {
            large++;
            todo[small++] = hi;
        }
    }
    rc = 0;
out:
    free(todo);
    free(p);
    return rc;
}

int32_t rec_synth_world_draw(const struct rec_synth_alias *alias, struct rec_rng *rng)
{
    /* one draw gives the column (high half) and the coin (low half) */
    uint64_t r = rec_rng_next(rng);
    uint32_t i = (uint32_t)(((r >> 32) * alias->n) >> 32);
    float coin = (float)((uint32_t)r >> 8) * 0x1p-24f;

    if (coin >= alias->keep[i])
        i = alias->other[i];
    return alias->what ? alias->what[i] : (int32_t)i;
}

/* ---- items -------------------------------------------------------------------------------------- */

static void unit_normal(float *v, size_t n, struct rec_rng *rng)
{
    double s = 0;

    for (size_t i = 0; i < n; i++) {
        v[i] = (float)rec_rng_normal(rng);
        s += (double)v[i] * v[i];
    }
    for (size_t i = 0; i < n; i++)
        v[i] = s > 0 ? (float)(v[i] / sqrt(s)) : 0;
}

/* v = sqrt(1 - own^2) of its present direction + own of a random one, and length 1. */
static void turn(float *v, size_t n, double own, struct rec_rng *rng)
{
    double s = 0, t = 0;
    float other[256];

    unit_normal(other, n, rng);
    for (size_t i = 0; i < n; i++)
        s += (double)v[i] * v[i];
    for (size_t i = 0; i < n; i++) {
        v[i] = (float)((s > 0 ? v[i] / sqrt(s) * sqrt(1 - own * own) : 0) + own * other[i]);
        t += (double)v[i] * v[i];
    }
    for (size_t i = 0; i < n; i++)
        v[i] = t > 0 ? (float)(v[i] / sqrt(t)) : 0;
}

/* One to three genres, the first ones more often; seven films in ten are older than the first rating, some of them
 * much. */
static void invent(struct rec_synth_world *w, size_t i, struct rec_rng *rng)
{
    size_t want = 1 + rec_rng_below(rng, 3);
    bool old = rec_rng_uniform(rng) < 0.7;
    double u = rec_rng_uniform(rng), age = -log(1 - u) * 15 + 1;
    int64_t first, last;
    unsigned month, day;

    for (size_t k = 0; k < want; k++) {
        double v = rec_rng_uniform(rng);

        w->genres[i] |= (uint64_t)1 << (size_t)(v * v * MADE_UP_GENRES);
    }
    rec_date_to_civil(w->o.since, &first, &month, &day);
    rec_date_to_civil(w->o.until, &last, &month, &day);
    first += old ? -(int64_t)(age < 80 ? age : 80) : (int64_t)(u * (double)(last - first + 1));
    w->release[i] = rec_date_from_civil(first, 1, 1);
}

static void take_film(struct rec_synth_world *w, size_t i, const struct rec_synth_film *film)
{
    w->genres[i] = film->genres ? film->genres : (uint64_t)1 << (w->n_genres - 1);
    w->release[i] = film->year ? rec_date_from_civil(film->year, 1, 1) : INT64_MIN / 2;
}

static int make_ids(struct rec_synth_world *w, const struct rec_synth_film *films, bool csv, struct rec_err *err)
{
    struct rec_buf text = {0}, id = {0};
    char number[REC_NUM_MAX];

    for (size_t i = 0; i < w->o.n_items; i++) {
        rec_buf_reset(&id);
        if (!films)
            rec_buf_add(&id, number, rec_num_print_int64(number, (int64_t)i + 1));
        else if (csv)
            rec_csv_add(&id, ',', films[i].id, films[i].id_len);
        else
            rec_buf_add(&id, films[i].id, films[i].id_len);
        w->id_at[i] = text.len;
        w->id_longest = id.len > w->id_longest ? id.len : w->id_longest;
        rec_buf_add(&text, id.data, id.len);
    }
    w->id_at[w->o.n_items] = text.len;
    w->id_bytes = text.data;
    text.failed |= id.failed;
    rec_buf_clear(&id);
    return text.failed ? rec_err_memory(err, "made-up items") : 0;
}

/* Ids, genres and years: given or invented. The release day within the year is always made up. */
static int make_items(struct rec_synth_world *w, bool csv, struct rec_err *err)
{
    const struct rec_synth_film *films = w->o.films;
    struct rec_rng rng;

    w->n_genres = MADE_UP_GENRES;
    if (films) {
        uint64_t all = 0;

        for (size_t i = 0; i < w->o.n_items; i++)
            all |= films[i].genres;
        for (w->n_genres = 0; w->n_genres < 63 && all >> w->n_genres; w->n_genres++)
            ;
        w->n_genres++; /* one more, for films of no genre */
    }
    if (make_ids(w, films, csv, err) < 0)
        return -1;
    rec_rng_seed(&rng, w->o.seed, SYNTH_STREAM_ITEMS);
    for (size_t i = 0; i < w->o.n_items; i++) {
        if (films)
            take_film(w, i, &films[i]);
        else
            invent(w, i, &rng);
        w->release[i] += (int64_t)(rec_rng_uniform(&rng) * 300 * 86400);
    }
    return 0;
}

/* Ranks in random order; popular films are rated a little higher; factors follow genres. */
static void make_appeal(struct rec_synth_world *w, uint32_t *rank)
{
    size_t n = w->o.n_items, f = w->o.factors;
    struct rec_rng rng;

    rec_rng_seed(&rng, w->o.seed, SYNTH_STREAM_GENRES);
    for (size_t g = 0; g < w->n_genres; g++)
        unit_normal(w->genre_factors + g * f, f, &rng);
    for (size_t i = 0; i < n; i++)
        rank[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        size_t j = rec_rng_below(&rng, i);
        uint32_t t = rank[i - 1];

        rank[i - 1] = rank[j];
        rank[j] = t;
    }
    for (size_t i = 0; i < n; i++) {
        float *q = w->factors + i * f;

        w->weight[i] = (float)(1 / (rank[i] + 10.0));
        w->bias[i] = (float)(0.35 * rec_rng_normal(&rng) + 0.3 * (0.5 - (rank[i] + 0.5) / (double)n));
        for (size_t g = 0; g < w->n_genres; g++)
            if (w->genres[i] >> g & 1)
                for (size_t k = 0; k < f; k++)
                    q[k] += w->genre_factors[g * f + k];
        turn(q, f, own_item, &rng);
    }
}

/* The tables to draw items from: all of them, and those of each genre. */
static int make_tables(struct rec_synth_world *w, double *weight, struct rec_err *err)
{
    size_t n = w->o.n_items, at = 0, total = 0;
    double prior[SYNTH_GENRES_MAX];

    for (size_t i = 0; i < n; i++) {
        w->mass += weight[i] = w->weight[i];
        total += (size_t)__builtin_popcountll(w->genres[i]);
    }
    if (alias_make(&w->any, weight, NULL, n, err) < 0 ||
        !(w->genre_items = rec_malloc(total, sizeof *w->genre_items, "made-up items", err)))
        return -1;
    for (size_t g = 0; g < w->n_genres; g++) {
        size_t from = at;

        for (size_t i = 0; i < n; i++) {
            if (!(w->genres[i] >> g & 1))
                continue;
            w->genre_mass[g] += w->weight[i];
            weight[at - from] = w->weight[i];
            w->genre_items[at++] = (int32_t)i;
        }
        if (at > from && alias_make(&w->by_genre[g], weight, w->genre_items + from, at - from, err) < 0)
            return -1;
        prior[g] = sqrt(w->genre_mass[g]);
    }
    return alias_make(&w->genre, prior, NULL, w->n_genres, err);
}

/* ---- users -------------------------------------------------------------------------------------- */

void rec_synth_world_user(const struct rec_synth_world *w, struct rec_synth_user *user, struct rec_rng *rng)
{
    size_t f = w->o.factors, want = 1 + rec_rng_below(rng, 3);
    float share[4], sum = 0, upto = 0;

    user->bias = (float)(0.4 * rec_rng_normal(rng));
    user->n_liked = 0;
    memset(user->taste, 0, f * sizeof *user->taste);
    memset(user->genre_share, 0, sizeof user->genre_share);
    for (size_t k = 0; k < want; k++) {
        uint32_t g = (uint32_t)rec_synth_world_draw(&w->genre, rng);

        if (!w->by_genre[g].n)
            continue;
        share[user->n_liked] = (float)(0.3 + rec_rng_uniform(rng));
        sum += share[user->n_liked];
        user->liked[user->n_liked++] = g;
    }
    for (uint32_t k = 0; k < user->n_liked; k++) {
        uint32_t g = user->liked[k];

        upto += share[k] / sum * (float)liked_share;
        user->liked_upto[k] = upto;
        user->genre_share[g] += share[k] / sum * (float)liked_share;
        for (size_t j = 0; j < f; j++)
            user->taste[j] += share[k] * w->genre_factors[g * f + j];
    }
    turn(user->taste, f, own_user, rng);
}

/* The variance of <taste, factors> over random pairs. */
static int make_scale(struct rec_synth_world *w, struct rec_err *err)
{
    struct rec_synth_user user = {.taste = rec_calloc(w->o.factors, sizeof(float), "made-up users", err)};
    const size_t tries = 4096;
    double sum = 0, squares = 0, sd;
    struct rec_rng rng;

    if (!user.taste)
        return -1;
    rec_rng_seed(&rng, w->o.seed, SYNTH_STREAM_SCALE);
    for (size_t i = 0; i < tries; i++) {
        double dot;

        rec_synth_world_user(w, &user, &rng);
        dot = rec_synth_world_dot(user.taste, w->factors + rec_rng_below(&rng, w->o.n_items) * w->o.factors,
                                  w->o.factors);
        sum += dot;
        squares += dot * dot;
    }
    sd = sqrt(squares / (double)tries - sum / (double)tries * (sum / (double)tries));
    w->dot_scale = sd > 0 ? (float)(1 / sd) : 0;
    w->taste_scale = (float)w->o.structure * w->dot_scale;
    free(user.taste);
    return 0;
}

static uint32_t clamp_count(double want, size_t least, size_t most)
{
    return (uint32_t)(want < (double)least ? least : want > (double)most ? most : (size_t)(want + 0.5));
}

static size_t sum_counts(const double *active, size_t n, double scale, size_t least, size_t most)
{
    size_t sum = 0;

    for (size_t u = 0; u < n; u++)
        sum += clamp_count(active[u] * scale, least, most);
    return sum;
}

/* Log-normal activity, scaled by bisection so that the sum is n_ratings; what rounding leaves over is dealt out one
 * by one. */
static int make_activity(struct rec_synth_world *w, double *active, size_t most, struct rec_err *err)
{
    size_t n = w->o.n_users, total = w->o.n_ratings, sum = 0, least;
    double lo = 0, hi = 1e-9;
    struct rec_rng rng;

    if (total > n * most) /* n and most are below 2^31 */
        return rec_err_set(err,
                           "%zu ratings: too many for %zu users and the %zu of %zu items that are out by the first day",
                           total, n, most, w->o.n_items);
    if (total < n)
        return rec_err_set(err, "%zu ratings: fewer than the %zu users", total, n);
    least = total / n / 5;
    least = least < 1 ? 1 : least > 20 ? 20 : least;
    rec_rng_seed(&rng, w->o.seed, SYNTH_STREAM_ACTIVITY);
    for (size_t u = 0; u < n; u++)
        active[u] = exp(1.1 * rec_rng_normal(&rng));
    while (sum_counts(active, n, hi, least, most) < total)
        hi *= 8;
    for (int step = 0; step < 48; step++) {
        double mid = (lo + hi) / 2;

        if (sum_counts(active, n, mid, least, most) < total)
            lo = mid;
        else
            hi = mid;
    }
    for (size_t u = 0; u < n; u++)
        sum += w->count[u] = clamp_count(active[u] * hi, least, most);
    for (size_t u = 0; sum != total; u = (u + 1) % n) {
        if (sum < total && w->count[u] < most)
            w->count[u]++, sum++;
        else if (sum > total && w->count[u] > least)
            w->count[u]--, sum--;
    }
    for (size_t u = 0; u < n; u++)
        w->count_max = w->count[u] > w->count_max ? w->count[u] : w->count_max;
    return 0;
}

/* ---- the whole ---------------------------------------------------------------------------------- */

void rec_synth_world_clear(struct rec_synth_world *w)
{
    free(w->id_bytes);
    free(w->id_at);
    free(w->release);
    free(w->genres);
    free(w->weight);
    free(w->bias);
    free(w->factors);
    free(w->genre_factors);
    free(w->genre_items);
    free(w->count);
    alias_clear(&w->any);
    alias_clear(&w->genre);
    for (size_t g = 0; g < SYNTH_GENRES_MAX; g++)
        alias_clear(&w->by_genre[g]);
    memset(w, 0, sizeof *w);
}

static int allocate(struct rec_synth_world *w, struct rec_err *err)
{
    size_t n = w->o.n_items, nf;

    if (rec_size_mul(&nf, n, w->o.factors) < 0)
        return rec_err_memory(err, "made-up items");
    w->id_at = rec_calloc(n + 1, sizeof *w->id_at, "made-up items", err);
    w->release = rec_calloc(n, sizeof *w->release, "made-up items", err);
    w->genres = rec_calloc(n, sizeof *w->genres, "made-up items", err);
    w->weight = rec_calloc(n, sizeof *w->weight, "made-up items", err);
    w->bias = rec_calloc(n, sizeof *w->bias, "made-up items", err);
    w->factors = rec_calloc(nf, sizeof *w->factors, "made-up items", err);
    w->genre_factors = rec_calloc(SYNTH_GENRES_MAX * w->o.factors, sizeof *w->genre_factors, "made-up items", err);
    w->count = rec_calloc(w->o.n_users, sizeof *w->count, "made-up users", err);
    return w->id_at && w->release && w->genres && w->weight && w->bias && w->factors && w->genre_factors && w->count
               ? 0 : -1;
}

/* Nobody is given more than what was out before the first day, so that a rating always has an item. */
static size_t most_ratings(const struct rec_synth_world *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->o.n_items; i++)
        n += w->release[i] <= w->o.since;
    return n;
}

int rec_synth_world_make(struct rec_synth_world *w, const struct rec_synth_options *o, bool csv, struct rec_err *err)
{
    size_t widest = o->n_items > o->n_users ? o->n_items : o->n_users;
    double *scratch = NULL;
    int rc = -1;

    memset(w, 0, sizeof *w);
    w->o = *o;
    w->any_share = 1 - liked_share;
    if (o->n_items < 1 || o->n_users < 1 || o->n_items > INT32_MAX || o->n_users > INT32_MAX)
        return rec_err_set(err, "made-up ratings: users and items must be 1 to 2147483647");
    if (o->factors < 1 || o->factors > 256 || o->until <= o->since || o->since < year_1 || o->until > year_9999 ||
        !(o->noise >= 0) || !(o->structure >= 0))
        return rec_err_set(err, "made-up ratings: factors must be 1 to 256, noise and structure at least 0, "
                           "and the last day after the first, in the years 1 to 9999");
    if (!(scratch = rec_malloc(widest, sizeof *scratch, "made-up ratings", err)) || allocate(w, err) < 0 ||
        make_items(w, csv, err) < 0)
        goto out;
    make_appeal(w, (uint32_t *)scratch);
    if (make_tables(w, scratch, err) < 0 || make_scale(w, err) < 0 ||
        make_activity(w, scratch, most_ratings(w), err) < 0)
        goto out;
    rc = 0;
out:
    free(scratch);
    if (rc < 0)
        rec_synth_world_clear(w);
    return rc;
}
