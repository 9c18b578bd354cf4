/* SPDX-License-Identifier: MIT
 *
 * What one made-up user rates, when, and how.
 *
 * The next item: a genre they like (or any), an item of it by popularity, taken with a chance that grows with taste,
 * unless it is rated already or not released yet; otherwise again. Someone who has rated most of what there is would
 * try for ever: then the rest of the session is drawn at once, without replacement, by the largest of log weight +
 * Gumbel noise (Efraimidis, Spirakis 2006).
 */
#include "synth_priv.h"

#include <math.h>

enum { TRIES = 512 }; /* before the slow way */

static bool bit(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static void set_bit(uint64_t *bits, size_t i)
{
    bits[i / 64] |= (uint64_t)1 << (i % 64);
}

/* Chance that this user, having come across item i, rates it. */
static float chance(const struct rec_synth_world *w, const struct rec_synth_user *user, int32_t i)
{
    size_t f = w->o.factors;
    float z = w->dot_scale * rec_synth_world_dot(user->taste, w->factors + (size_t)i * f, f);

    return 1 / (1 + expf(0.5f - 1.2f * z));
}

static int by_key(const void *a, const void *b)
{
    const struct rec_synth_keyed *x = a, *y = b;

    return x->key != y->key ? (x->key < y->key) - (x->key > y->key) : (x->item > y->item) - (x->item < y->item);
}

/* The slow way: all items left are weighed at once, and slots from .. to take the best. */
static void fill_session(const struct rec_synth_world *w, struct rec_synth_scratch *s, size_t from, size_t to,
                         int64_t when)
{
    size_t n = 0;

    for (size_t i = 0; i < w->o.n_items; i++) {
        double weight = w->any_share / w->mass;

        if (bit(s->taken, i) || w->release[i] > when)
            continue;
        for (size_t g = 0; g < w->n_genres; g++)
            if (w->genres[i] >> g & 1)
                weight += s->user.genre_share[g] / w->genre_mass[g];
        weight *= w->weight[i] * chance(w, &s->user, (int32_t)i);
        s->keyed[n].key = log(weight) - log(-log(1 - rec_rng_uniform(&s->rng)));
        s->keyed[n++].item = (int32_t)i;
    }
    qsort(s->keyed, n, sizeof *s->keyed, by_key);
    for (size_t k = 0; from + k < to && k < n; k++) {
        s->item[from + k] = s->keyed[k].item;
        set_bit(s->taken, (size_t)s->keyed[k].item);
    }
}

/* An item this user comes across: of a genre they like, or any. */
static int32_t come_across(const struct rec_synth_world *w, struct rec_synth_scratch *s)
{
    float u = (float)rec_rng_uniform(&s->rng);

    for (uint32_t k = 0; k < s->user.n_liked; k++)
        if (u < s->user.liked_upto[k])
            return rec_synth_world_draw(&w->by_genre[s->user.liked[k]], &s->rng);
    return rec_synth_world_draw(&w->any, &s->rng);
}

/* Chooses items for slots from .. to, at the time the session began. */
static void choose(const struct rec_synth_world *w, struct rec_synth_scratch *s, size_t from, size_t to, int64_t when)
{
    for (; from < to; from++) {
        int tries = 0;
        int32_t i;

        do {
            i = come_across(w, s);
            if (!bit(s->taken, (size_t)i) && w->release[i] <= when && rec_rng_uniform(&s->rng) < chance(w, &s->user, i))
                break;
        } while (++tries < TRIES);
        if (tries == TRIES) {
            fill_session(w, s, from, to, when);
            return;
        }
        s->item[from] = i;
        set_bit(s->taken, (size_t)i);
    }
}

/* Half stars from 0.5 to 5. */
static float stars(const struct rec_synth_world *w, struct rec_synth_scratch *s, int32_t i)
{
    size_t f = w->o.factors;
    double fit = rec_synth_world_dot(s->user.taste, w->factors + (size_t)i * f, f);
    double v = w->o.mean + s->user.bias + w->bias[i] + w->taste_scale * fit + w->o.noise * rec_rng_normal(&s->rng);

    v = floor(v * 2 + 0.5) / 2;
    return (float)(v < 0.5 ? 0.5 : v > 5 ? 5 : v);
}

static double exponential(struct rec_rng *rng)
{
    return -log(1 - rec_rng_uniform(rng));
}

/* Sessions of some 15 ratings or more, spread over the time from joining to leaving, about a year; seconds pass
 * between ratings. */
void rec_synth_choose(const struct rec_synth_world *w, struct rec_synth_scratch *s, size_t u)
{
    enum { SESSIONS = 40 };
    size_t n = w->count[u], size = n / SESSIONS < 15 ? 15 : (n + SESSIONS - 1) / SESSIONS;
    double span = (double)(w->o.until - w->o.since), life, starts[SESSIONS + 1], sum = 0, upto = 0;
    size_t sessions = (n + size - 1) / size;
    int64_t joined;

    rec_rng_seed(&s->rng, w->o.seed, SYNTH_STREAM_USERS + u);
    rec_synth_world_user(w, &s->user, &s->rng);
    joined = w->o.since + (int64_t)(rec_rng_uniform(&s->rng) * span * 0.98);
    life = exponential(&s->rng) * 400 * 86400;
    life = life < (double)(w->o.until - joined) ? life : (double)(w->o.until - joined);
    for (size_t k = 0; k <= sessions && k <= SESSIONS; k++)
        sum += starts[k] = exponential(&s->rng);
    for (size_t k = 0; k < sessions; k++) {
        size_t from = k * size, to = from + size < n ? from + size : n;
        int64_t t = joined + (int64_t)(life * upto / sum);

        upto += starts[k];
        choose(w, s, from, to, t);
        for (size_t j = from; j < to; j++) {
            s->value[j] = w->o.implicit ? 1 : stars(w, s, s->item[j]);
            s->time[j] = t < w->o.until ? t : w->o.until;
            t += 5 + (int64_t)(40 * exponential(&s->rng));
        }
    }
}

int rec_synth_choose_make(struct rec_synth_scratch *s, const struct rec_synth_world *w, struct rec_err *err)
{
    const char *what = "made-up ratings";
    size_t n = w->o.n_items, words = (n + 63) / 64;

    if (!(s->user.taste = rec_calloc(w->o.factors, sizeof *s->user.taste, what, err)) ||
        !(s->taken = rec_calloc(words, sizeof *s->taken, what, err)) ||
        !(s->sorted = rec_calloc(words, sizeof *s->sorted, what, err)) ||
        !(s->item = rec_calloc(w->count_max, sizeof *s->item, what, err)) ||
        !(s->slot = rec_calloc(n, sizeof *s->slot, what, err)) ||
        !(s->value = rec_calloc(w->count_max, sizeof *s->value, what, err)) ||
        !(s->time = rec_calloc(w->count_max, sizeof *s->time, what, err)) ||
        !(s->keyed = rec_calloc(n, sizeof *s->keyed, what, err)))
        return -1;
    return 0;
}

void rec_synth_choose_clear(struct rec_synth_scratch *s)
{
    free(s->user.taste);
    free(s->taken);
    free(s->sorted);
    free(s->item);
    free(s->slot);
    free(s->value);
    free(s->time);
    free(s->keyed);
}
