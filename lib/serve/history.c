/* SPDX-License-Identifier: MIT
 *
 * What is known of a user at this moment: what the model learnt, and what the store has heard since. New feedback counts at once: the user is
 * folded in anew from their present history, unless nothing is known but what the model was trained on.
 */
#include "history_priv.h"
#include "known_priv.h"

#include <stdlib.h>
#include <string.h>

/* Events looked at for likes, watched and skipped films: the newest. */
enum { EVENTS = 1000 };

struct reading {
    struct rec_history *h;
    const struct rec_ids *items;
    float like;                    /* what a like is worth beside ratings */
    struct rec_err *err;
    bool failed;
};

static int add(struct rec_history *h, struct rec_history_entry entry, struct rec_err *err)
{
    if (h->n == h->cap) {
        size_t cap = h->cap ? 2 * h->cap : 64;

        if (rec_realloc(&h->entry, cap, sizeof *h->entry, "history", err) < 0)
            return -1;
        h->cap = cap;
    }
    entry.place = h->n;
    h->entry[h->n++] = entry;
    return 0;
}

static int add_rating(void *context, const char *movie, double value, int64_t time)
{
    struct reading *r = context;
    int32_t item = rec_ids_find(r->items, movie, strlen(movie));

    (void)time;
    r->h->from_store = true;
    r->failed = item >= 0 && add(r->h, (struct rec_history_entry){.item = item, .value = (float)value, .liked = true}, r->err) < 0;
    return r->failed;
}

/* Liked and watched films are history without a value; skipped ones are not shown again and say nothing else; of one that was taken back, what
 * had been said before counts no more. */
static int add_event(void *context, const struct rec_event_stored *stored)
{
    struct reading *r = context;
    const char *kind = stored->event.kind;
    int32_t item = rec_ids_find(r->items, stored->event.movie, strlen(stored->event.movie));
    bool removed = strcmp(kind, "remove") == 0;

    if (item < 0 || strcmp(kind, "rating") == 0)
        return 0;
    r->h->from_store = true;
    r->failed = add(r->h, (struct rec_history_entry){.item = item, .value = r->like, .liked = !removed && strcmp(kind, "skip") != 0,
                    .removed = removed}, r->err) < 0;
    return r->failed;
}

static int compare(const void *a, const void *b)
{
    const struct rec_history_entry *x = a, *y = b;

    return x->item != y->item ? (x->item > y->item) - (x->item < y->item) : (x->place > y->place) - (x->place < y->place);
}

/* All that is said of one item, from entry[at]: its last place. The newest value counts; *known is whether anything is left of it. */
static size_t merge(struct rec_history_entry *one, bool *known, const struct rec_history *h, size_t at)
{
    bool ended = h->entry[at].removed;

    *one = h->entry[at];
    *known = !ended;
    while (at + 1 < h->n && h->entry[at + 1].item == one->item) {
        const struct rec_history_entry *next = &h->entry[++at];

        ended |= next->removed;
        if (!ended && next->liked && !one->liked)
            *one = *next;
    }
    return at;
}

/* The history as two arrays, ascending: all of it, which is left out of lists; and what counts in favour. */
static int arrange(struct rec_history *h, struct rec_err *err)
{
    struct rec_history_entry one;
    int32_t *seen, *item;
    float *value;
    bool known;

    h->seen = h->owned[0] = seen = rec_malloc(h->n, sizeof *seen, "history", err);
    h->item = h->owned[1] = item = rec_malloc(h->n, sizeof *item, "history", err);
    h->value = h->owned[2] = value = rec_malloc(h->n, sizeof *value, "history", err);
    if (!seen || !item || !value)
        return -1;
    if (h->n)
        qsort(h->entry, h->n, sizeof *h->entry, compare);
    for (size_t i = 0; i < h->n; i++) {
        i = merge(&one, &known, h, i);
        if (!known)
            continue;
        seen[h->n_seen++] = one.item;
        if (!one.liked)
            continue;
        item[h->n_items] = one.item;
        value[h->n_items++] = one.value;
    }
    return 0;
}

/* Where what was trained on is all there is, the model's own arrays are the history. Of ratings it does not keep the values. */
static void borrow(struct rec_history *h, const struct rec_model *m)
{
    if (h->user < 0)
        return;
    h->seen = m->seen_item + m->seen_ptr[h->user];
    h->n_seen = h->n_trained = (size_t)(m->seen_ptr[h->user + 1] - m->seen_ptr[h->user]);
    h->n_items = rec_links_history(&h->item, m, h->user);
    h->n_items = m->ratings_scale ? 0 : h->n_items;
}

int rec_history_of_user(struct rec_history *h, struct rec_call *c, const char *user, struct rec_err *err)
{
    const struct rec_model *m = &c->current->model;
    struct reading r = {.h = h, .items = &m->items, .like = m->ratings_scale ? (float)m->high : 1, .err = err};
    int heard = 0;

    *h = (struct rec_history){.user = rec_ids_find(&m->users, user, strlen(user))};
    /* Of whom nothing was heard since, the model knows all there is: what they had rated is what it was trained on. */
    if (c->store.db || c->kept) {
        heard = rec_known_heard(c, user, err);
        if (heard < 0 || ((heard || h->user < 0) && rec_call_store(c, err) < 0))
            return -1;
    }
    if ((heard || (c->store.db && h->user < 0)) && (rec_feedback_ratings(&c->store, user, add_rating, &r, err) < 0 ||
                        rec_feedback_events(&c->store, user, 0, EVENTS, add_event, &r, err) < 0))
        return -1;
    if (!h->from_store && !r.failed) {
        borrow(h, m);
        return 0;
    }
    /* Of pairs that only the training data know, the model does not keep the value. */
    for (int64_t p = h->user >= 0 ? m->seen_ptr[h->user] : 0; !r.failed && h->user >= 0 && p < m->seen_ptr[h->user + 1]; p++) {
        bool liked = !m->ratings_scale && (!m->liked_ptr || rec_links_has(m, h->user, m->seen_item[p]));
        h->n_trained++;
        r.failed = add(h, (struct rec_history_entry){.item = m->seen_item[p], .value = 1, .liked = liked}, err) < 0;
    }
    return r.failed ? -1 : arrange(h, err);
}

int rec_history_of_visitor(struct rec_history *h, struct rec_call *c, const struct rec_json_value *items, size_t *unknown, struct rec_err *err)
{
    const struct rec_model *m = &c->current->model;

    *h = (struct rec_history){.user = -1, .from_store = true};
    *unknown = 0;
    for (size_t i = 0; i < rec_json_length(items); i++) {
        const struct rec_json_value *one = rec_json_at(items, i);
        const char *movie = rec_json_string(rec_json_get(one, "movie_id"));
        int32_t item = rec_ids_find(&m->items, movie, strlen(movie));
        double value;

        if (rec_json_number(&value, rec_json_get(one, "rating")) < 0)
            value = m->ratings_scale ? m->high : 1;
        if (item < 0)
            ++*unknown;
        else if (add(h, (struct rec_history_entry){.item = item, .value = (float)value, .liked = true}, err) < 0)
            return -1;
    }
    return arrange(h, err);
}

/* Whether something was learnt of the user in training. */
static bool was_learnt(const struct rec_history *h, const struct rec_model *m)
{
    return h->user >= 0 && rec_rank_known(m, h->user);
}

int rec_history_fold(struct rec_history *h, struct rec_current *current, struct rec_err *err)
{
    const struct rec_model *m = &current->model;
    const struct rec_foldin *foldin = NULL;

    /* Ratings of which most values are not known cannot be solved for. */
    if (h->from_store && h->n_items && (!m->ratings_scale || 2 * h->n_items >= h->n_trained)) {
        foldin = rec_current_foldin(current, err);
        if (!foldin)
            return -1;
    }
    h->visitor = (struct rec_visitor){.item = h->item, .value = h->value, .n = h->n_items};
    if (foldin && foldin->kind != REC_FOLDIN_NONE) {
        if (rec_foldin_user(&h->visitor, foldin, err) < 0)
            return -1;
        if (rec_foldin_known(m, &h->visitor) || foldin->kind == REC_FOLDIN_BIAS) {
            h->how = REC_HISTORY_FOLDED;
            return 0;
        }
    }
    rec_foldin_forget(&h->visitor);
    h->how = was_learnt(h, m) ? REC_HISTORY_TRAINED : REC_HISTORY_POPULAR;
    if (h->how == REC_HISTORY_TRAINED)
        rec_foldin_trained(&h->visitor, m, h->user);
    return 0;
}

void rec_history_clear(struct rec_history *h)
{
    free(h->entry);
    for (size_t i = 0; i < REC_LENGTH(h->owned); i++)
        free(h->owned[i]);
    rec_foldin_forget(&h->visitor);
    *h = (struct rec_history){0};
}
