/* SPDX-License-Identifier: MIT
 *
 * The k best items. The kernels compare whole vectors of scores with a threshold, the k-th best so far; the few that
 * beat it come here, into a binary heap. A hit is kept as one 64-bit key, score above and item below, both turned so
 * that the greater key is the better hit: one comparison settles score and tie.
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

static uint64_t get(const struct rec_topk_hit *heap, size_t i)
{
    uint64_t key;
    memcpy(&key, heap + i, sizeof key);
    return key;
}

static void put(struct rec_topk_hit *heap, size_t i, uint64_t key)
{
    memcpy(heap + i, &key, sizeof key);
}

static void sift_up(struct rec_topk_hit *heap, size_t i, uint64_t key)
{
    for (; i > 0 && get(heap, (i - 1) / 2) > key; i = (i - 1) / 2)
        put(heap, i, get(heap, (i - 1) / 2));
    put(heap, i, key);
}

/* Puts key in place of the root of a heap of n. */
static void sift_down(struct rec_topk_hit *heap, size_t n, uint64_t key)
{
    size_t i = 0, child;

    for (; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n)
            child += get(heap, child + 1) < get(heap, child);
        if (get(heap, child) >= key)
            break;
        put(heap, i, get(heap, child));
    }
    put(heap, i, key);
}

float rec_topk_list_init(struct topk_list *l, struct rec_topk_hit *out, size_t k, const struct rec_topk_seen *seen,
                         const uint8_t *allowed)
{
    *l = (struct topk_list){.heap = out, .k = k, .allowed = allowed};
    if (seen && seen->n) {
        l->seen = seen->item;
        l->seen_end = seen->item + seen->n;
    }
    return k ? -INFINITY : INFINITY;
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
        uint64_t key = key_of(score[i], first + i);
        if (l->count < l->k)
            sift_up(l->heap, l->count++, key);
        else
            sift_down(l->heap, l->k, key);
        if (l->count == l->k)
            threshold = hit_of(get(l->heap, 0)).score;
    }
    return threshold;
}

size_t rec_topk_list_finish(struct topk_list *l)
{
    for (size_t n = l->count; n > 1; n--) {
        uint64_t worst = get(l->heap, 0), last = get(l->heap, n - 1);
        sift_down(l->heap, n - 1, last);
        put(l->heap, n - 1, worst);
    }
    for (size_t i = 0; i < l->count; i++)
        l->heap[i] = hit_of(get(l->heap, i));
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
    return m * (f + 1) * sizeof(float) + m * sizeof(struct topk_list) + _Alignof(struct topk_list);
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
