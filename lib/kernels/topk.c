/* SPDX-License-Identifier: MIT
 *
 * The k best items. The kernels compare whole vectors of scores with a threshold; the few that beat it come here. A hit
 * is kept as one 64-bit key, score above and item below, both turned so that the greater key is the better hit: one
 * comparison settles score and tie, and no two keys are equal.
 */
#include "topk_priv.h"

#include <math.h>
#include <string.h>

#include "set_priv.h"

static uint64_t key_of(float score, int32_t item)
{
    uint32_t bits;

    score += 0.0f; /* -0 becomes 0: they are equal */
    memcpy(&bits, &score, sizeof bits);
    bits ^= bits >> 31 ? 0xffffffffu : 0x80000000u;
    return (uint64_t)bits << 32 | ~(uint32_t)item;
}

static struct rec_topk_hit hit_of(uint64_t key)
{
    uint32_t bits = (uint32_t)(key >> 32);
    struct rec_topk_hit h = {.item = (int32_t)~(uint32_t)key};

    bits ^= bits >> 31 ? 0x80000000u : 0xffffffffu;
    memcpy(&h.score, &bits, sizeof bits);
    return h;
}

/* The caller's array holds keys until the end; memcpy, because it is aligned for hits. */
_Static_assert(sizeof(struct rec_topk_hit) == sizeof(uint64_t), "a hit is as large as its key");

static uint64_t get(const struct rec_topk_hit *at)
{
    uint64_t key;
    memcpy(&key, at, sizeof key);
    return key;
}

static void put(struct rec_topk_hit *at, uint64_t key)
{
    memcpy(at, &key, sizeof key);
}

static void swap(struct rec_topk_hit *a, struct rec_topk_hit *b)
{
    struct rec_topk_hit t = *a;
    *a = *b;
    *b = t;
}

/* The i-th of the hits, which lie in two places. */
static struct rec_topk_hit *slot(const struct topk_list *l, size_t i)
{
    return i < l->k ? l->best + i : l->more + (i - l->k);
}

/* Moves the median of first, middle and last of lo..hi to the last place; returns it. */
static uint64_t choose_pivot(const struct topk_list *l, size_t lo, size_t hi)
{
    struct rec_topk_hit *a = slot(l, lo), *b = slot(l, lo + (hi - lo) / 2), *c = slot(l, hi - 1);

    if (get(a) > get(b))
        swap(a, b);
    if (get(c) < get(a))
        swap(a, c);
    else if (get(c) > get(b))
        swap(b, c);
    return get(c);
}

/* Better hits of lo..hi before a pivot, worse ones after; returns its place. Lomuto's scheme, which needs no branch. */
static size_t partition(const struct topk_list *l, size_t lo, size_t hi)
{
    uint64_t pivot = choose_pivot(l, lo, hi);
    size_t to = lo;

    for (size_t i = lo; i < hi - 1; i++) {
        struct rec_topk_hit *from = slot(l, i), *place = slot(l, to);
        uint64_t key = get(from);
        put(from, get(place));
        put(place, key);
        to += key > pivot;
    }
    swap(slot(l, to), slot(l, hi - 1));
    return to;
}

/* Puts the best k first (Hoare's quickselect). */
static void keep_best(struct topk_list *l)
{
    for (size_t lo = 0, hi = l->count; hi - lo > 1;) {
        size_t at = partition(l, lo, hi);
        if (at < l->k)
            lo = at + 1;
        else
            hi = at;
    }
    l->count = l->k;
}

/* Quicksort; short stretches by insertion, the longer part by the loop so that the recursion stays shallow. */
static void sort(const struct topk_list *l, size_t lo, size_t hi)
{
    while (hi - lo > 12) {
        size_t at = partition(l, lo, hi);
        if (at - lo < hi - at) {
            sort(l, lo, at);
            lo = at + 1;
        } else {
            sort(l, at + 1, hi);
            hi = at;
        }
    }
    for (size_t i = lo + 1; i < hi; i++)
        for (size_t j = i; j > lo && get(slot(l, j)) > get(slot(l, j - 1)); j--)
            swap(slot(l, j), slot(l, j - 1));
}

size_t rec_topk_list_more(size_t k)
{
    return k < 12 ? 24 : k < MORE / 2 ? 2 * k : MORE;
}

float rec_topk_list_init(struct topk_list *l, struct rec_topk_hit *out, struct rec_topk_hit *more, size_t k,
                         const struct rec_topk_seen *seen, const uint8_t *allowed)
{
    *l = (struct topk_list){.best = out, .more = more, .k = k, .full = k + rec_topk_list_more(k), .allowed = allowed};
    if (seen && seen->n) {
        l->seen = seen->item;
        l->seen_end = seen->item + seen->n;
    }
    return k ? -INFINITY : INFINITY;
}

/* The worst of the best k, from which scores must stand out. */
static float raise_threshold(struct topk_list *l)
{
    uint64_t least = UINT64_MAX;

    keep_best(l);
    for (size_t i = 0; i < l->k; i++)
        least = get(l->best + i) < least ? get(l->best + i) : least;
    return hit_of(least).score;
}

static int excluded(struct topk_list *l, int32_t item)
{
    while (l->seen < l->seen_end && *l->seen < item)
        l->seen++;
    return (l->seen < l->seen_end && *l->seen == item) || (l->allowed && !l->allowed[item]);
}

float rec_topk_list_offer(struct topk_list *l, float threshold, int32_t first, uint64_t mask, const float *score)
{
    for (; mask; mask &= mask - 1) {
        int i = __builtin_ctzll(mask);
        if (!(score[i] > threshold) || excluded(l, first + i))
            continue;
        put(slot(l, l->count++), key_of(score[i], first + i));
        if (l->count == l->full)
            threshold = raise_threshold(l);
    }
    return threshold;
}

size_t rec_topk_list_finish(struct topk_list *l)
{
    if (l->count > l->k)
        keep_best(l);
    sort(l, 0, l->count);
    for (size_t i = 0; i < l->count; i++)
        l->best[i] = hit_of(get(l->best + i));
    return l->count;
}

size_t rec_topk_scan(struct rec_topk_hit *out, size_t k, const float *score, size_t n,
                     const struct rec_topk_seen *seen, const uint8_t *allowed)
{
    return rec_kernels_set()->scan(out, k, score, n, seen, allowed);
}

/* Sizes are for the largest panel of any set, so that they do not depend on the set. */
enum { PANEL = 48, USERS = 8 };

size_t rec_topk_panels_size(size_t n, size_t f)
{
    size_t rows, bytes;

    if (__builtin_add_overflow(n, PANEL, &rows) || __builtin_mul_overflow(rows, sizeof(float), &bytes) ||
        __builtin_mul_overflow(bytes, f + 1, &bytes) || f == SIZE_MAX)
        return 0;
    return bytes;
}

void rec_topk_pack(struct rec_topk_panels *p, void *mem, const float *v, size_t n, size_t f, size_t ld,
                   const float *bias)
{
    const struct rec_set *set = rec_kernels_set();

    *p = (struct rec_topk_panels){.set = set, .data = mem, .n = n, .f = f};
    set->pack(mem, v, n, f, ld, bias);
}

size_t rec_topk_tile_scratch(size_t m, size_t f)
{
    m += USERS;
    return m * (f + 1) * sizeof(float) + m * (sizeof(struct topk_list) + MORE * sizeof(struct rec_topk_hit)) +
           _Alignof(struct topk_list);
}

void rec_topk_score(float *c, size_t ldc, const struct rec_topk_panels *p, size_t from, size_t to,
                    const float *u, size_t ldu, size_t m, void *scratch)
{
    const struct rec_set *set = p->set;
    set->score(c, ldc, p, from, to, u, ldu, m, scratch);
}

void rec_topk_tile(struct rec_topk_hit *out, size_t *count, size_t k, const struct rec_topk_panels *p,
                   const float *u, size_t ldu, size_t m, const struct rec_topk_seen *seen, const uint8_t *allowed,
                   void *scratch)
{
    const struct rec_set *set = p->set;
    set->tile(out, count, k, p, u, ldu, m, seen, allowed, scratch);
}
