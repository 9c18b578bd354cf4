/* SPDX-License-Identifier: MIT
 *
 * Another order for the first of a list: unlike each other (maximal marginal relevance; Carbonell and Goldstein, SIGIR 1998), of genres in the
 * proportions of the history (Steck, "Calibrated Recommendations", RecSys 2018), less known (Vargas and Castells, "Rank and Relevance in Novelty and
 * Diversity Metrics", RecSys 2011). All are greedy: each place goes to the item that is worth most after those before it.
 */
#include <rec/score.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double SMOOTH = 0.01; /* of Steck's alpha: a list never lacks a genre altogether */

/* The users of each item, ascending. */
static int set_audience(struct rec_rerank *r, struct rec_err *err)
{
    const struct rec_model *m = r->model;

    if (!m->seen_ptr)
        return rec_err_set(err, "%s: the model does not have the pairs of its training", m->type);
    return rec_csr_transpose(&r->audience, m->n_users, m->n_items, m->seen_ptr, m->seen_item, NULL, err);
}

int rec_rerank_init(struct rec_rerank *rerank, const struct rec_model *model, const struct rec_labels *labels, const struct rec_rerank_options *o,
                    struct rec_err *err)
{
    struct rec_rerank *r = rerank;
    int status = 0;

    *r = (struct rec_rerank){.model = model, .labels = labels, .o = *o};
    if ((o->likeness == REC_RERANK_GENRES || o->calibration > 0) && (!labels || labels->catalogue.genres.n == 0))
        return rec_err_set(err, "genres: there is no catalogue that tells them");
    if (o->diversity > 0 && o->likeness == REC_RERANK_FACTORS && !model->item_factors)
        return rec_err_set(err, "%s: a model without factors: items are alike by audiences or genres", model->type);
    if (o->diversity > 0 && o->likeness == REC_RERANK_AUDIENCES)
        status = set_audience(r, err);
    return status;
}

void rec_rerank_clear(struct rec_rerank *rerank)
{
    rec_csr_clear(&rerank->audience);
    *rerank = (struct rec_rerank){.model = NULL};
}

/* ---- how alike two items are ---- */

static double by_factors(const struct rec_model *m, int32_t a, int32_t b)
{
    const float *x = m->item_factors + (size_t)a * m->factors, *y = m->item_factors + (size_t)b * m->factors;
    double norm = sqrt((double)rec_kernels_dot(x, x, m->factors) * (double)rec_kernels_dot(y, y, m->factors));

    return norm > 0 ? rec_kernels_dot(x, y, m->factors) / norm : 0;
}

/* |A and B| / sqrt(|A| |B|) of two ascending rows. */
static double overlap(const int32_t *a, size_t n_a, const int32_t *b, size_t n_b)
{
    size_t i = 0, j = 0, both = 0;

    while (i < n_a && j < n_b) {
        int32_t x = a[i], y = b[j];
        both += x == y;
        i += x <= y;
        j += y <= x;
    }
    return both ? (double)both / sqrt((double)n_a * (double)n_b) : 0;
}

/* The genres of an item. */
static const int32_t *genres_of(const struct rec_labels *l, const struct rec_ids *items, int32_t item, size_t *n)
{
    const struct rec_catalogue *c = &l->catalogue;
    int32_t e = l->entry ? l->entry[item] : rec_labels_entry(l, items, (size_t)item);

    *n = e < 0 ? 0 : (size_t)(c->genre_ptr[e + 1] - c->genre_ptr[e]);
    return *n ? c->genre + c->genre_ptr[e] : NULL;
}

static double likeness(const struct rec_rerank *r, int32_t a, int32_t b)
{
    const struct rec_csr *audience = &r->audience;
    const int32_t *x, *y;
    size_t n_x, n_y;

    switch (r->o.likeness) {
    case REC_RERANK_FACTORS:
        return by_factors(r->model, a, b);
    case REC_RERANK_AUDIENCES:
        return overlap(audience->index + audience->ptr[a], (size_t)(audience->ptr[a + 1] - audience->ptr[a]),
                       audience->index + audience->ptr[b], (size_t)(audience->ptr[b + 1] - audience->ptr[b]));
    case REC_RERANK_GENRES:
        x = genres_of(r->labels, &r->model->items, a, &n_x);
        y = genres_of(r->labels, &r->model->items, b, &n_y);
        return overlap(x, n_x, y, n_y);
    }
    return 0;
}

/* ---- one list ---- */

struct list {
    struct rec_topk_hit *hit;   /* [n] */
    size_t n;
    double *worth;              /* [n] from 0 to 1: score, and novelty */
    double *alike;              /* [n] to the most alike of those that have a place */
    double *wanted, *got;       /* [genres] shares in the history; sums of shares in the list so far */
    size_t genres;
};

/* To 0..1; all 0 when they are equal. */
static void to_unit(double *x, size_t n)
{
    double low = n ? x[0] : 0, high = low;

    for (size_t i = 1; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    for (size_t i = 0; i < n; i++)
        x[i] = high > low ? (x[i] - low) / (high - low) : 0;
}

/* (1 - v) score + v novelty, novelty being -log of the popularity. */
static void set_worth(const struct rec_rerank *r, struct list *l)
{
    double *novelty = l->alike; /* not in use yet */

    for (size_t i = 0; i < l->n; i++) {
        l->worth[i] = l->hit[i].score;
        novelty[i] = r->model->popularity ? -log(1 + fmax(0, r->model->popularity[l->hit[i].item])) : 0;
    }
    to_unit(l->worth, l->n);
    to_unit(novelty, l->n);
    for (size_t i = 0; i < l->n; i++)
        l->worth[i] = (1 - r->o.novelty) * l->worth[i] + r->o.novelty * novelty[i];
    memset(l->alike, 0, l->n * sizeof *l->alike);
}

/* Each item of weight 1 is divided evenly among its genres. */
static void add_genres(double *share, const struct rec_rerank *r, int32_t item)
{
    size_t n;
    const int32_t *genre = genres_of(r->labels, &r->model->items, item, &n);

    for (size_t g = 0; g < n; g++)
        share[genre[g]] += 1 / (double)n;
}

/* How far the genres of the list, with `item` in it, are from those of the history: sum p log(p / ((1 - a) q + a p)). */
static double miscalibration(const struct rec_rerank *r, const struct list *l, int32_t item)
{
    size_t n;
    const int32_t *genre = genres_of(r->labels, &r->model->items, item, &n);
    double total = n > 0, sum = 0;

    for (size_t g = 0; g < l->genres; g++)
        total += l->got[g];
    for (size_t g = 0, at = 0; g < l->genres; g++) {
        double q = l->got[g];
        if (at < n && genre[at] == (int32_t)g) {
            q += 1 / (double)n;
            at++;
        }
        q = total > 0 ? q / total : 0;
        if (l->wanted[g] > 0)
            sum += l->wanted[g] * log(l->wanted[g] / ((1 - SMOOTH) * q + SMOOTH * l->wanted[g]));
    }
    return sum;
}

static double value_of(const struct rec_rerank *r, const struct list *l, size_t i)
{
    double value = l->worth[i];

    if (r->o.diversity > 0)
        value = (1 - r->o.diversity) * value - r->o.diversity * l->alike[i];
    if (r->o.calibration > 0)
        value = (1 - r->o.calibration) * value - r->o.calibration * miscalibration(r, l, l->hit[i].item);
    return value;
}

/* Puts item i at `place`; those between move on by one and keep their order. */
static void take(const struct rec_rerank *r, struct list *l, size_t place, size_t i)
{
    struct rec_topk_hit chosen = l->hit[i];
    double worth = l->worth[i], alike = l->alike[i];

    memmove(l->hit + place + 1, l->hit + place, (i - place) * sizeof *l->hit);
    memmove(l->worth + place + 1, l->worth + place, (i - place) * sizeof *l->worth);
    memmove(l->alike + place + 1, l->alike + place, (i - place) * sizeof *l->alike);
    l->hit[place] = chosen;
    l->worth[place] = worth;
    l->alike[place] = alike;
    if (r->o.calibration > 0)
        add_genres(l->got, r, chosen.item);
    for (size_t j = place + 1; r->o.diversity > 0 && j < l->n; j++)
        l->alike[j] = fmax(l->alike[j], likeness(r, chosen.item, l->hit[j].item));
}

/* The shares of genres in the history; none known: the list cannot be calibrated, and everything is as good. */
static void set_wanted(const struct rec_rerank *r, struct list *l, const int32_t *item, size_t n)
{
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        add_genres(l->wanted, r, item[j]);
    for (size_t g = 0; g < l->genres; g++)
        sum += l->wanted[g];
    for (size_t g = 0; sum > 0 && g < l->genres; g++)
        l->wanted[g] /= sum;
}

int rec_rerank_list(struct rec_topk_hit *hit, size_t n, size_t k, const struct rec_rerank *rerank, const int32_t *item, size_t n_items,
                    struct rec_err *err)
{
    const struct rec_rerank *r = rerank;
    struct list l = {.hit = hit, .n = n, .genres = r->o.calibration > 0 ? r->labels->catalogue.genres.n : 0};

    l.worth = rec_calloc(2 * n + 2 * l.genres, sizeof *l.worth, "re-ranking", err);
    if (!l.worth)
        return -1;
    l.alike = l.worth + n;
    l.wanted = l.alike + n;
    l.got = l.wanted + l.genres;
    set_worth(r, &l);
    if (l.genres)
        set_wanted(r, &l, item, n_items);
    for (size_t place = 0; place < k && place < n; place++) {
        size_t best = place;
        double most = value_of(r, &l, place);
        for (size_t i = place + 1; i < n; i++) {
            double value = value_of(r, &l, i);
            if (value > most) {
                most = value;
                best = i;
            }
        }
        take(r, &l, place, best);
    }
    free(l.worth);
    return 0;
}
