/* SPDX-License-Identifier: MIT
 *
 * Items as bytes against a user as bytes (screen.c). A panel is WIDE vectors of items; of each item four bytes, then the next item's, so that a
 * vector of panels times four bytes of the user, in every lane, adds to one sum per item.
 */
#ifndef REC_SCREEN_PRIV_H
#define REC_SCREEN_PRIV_H

#include "score_priv.h"
#include "set_priv.h"

enum { WIDE = 4, SCREEN_PANEL = WIDE * VW };

#if defined(__AVX512F__)

typedef __m512i vb;

INLINE vb loadb(const uint8_t *p) { return _mm512_loadu_si512(p); }
INLINE vb set1i(int32_t x) { return _mm512_set1_epi32(x); }
INLINE vf difference(vb a, vb b) { return _mm512_cvtepi32_ps(_mm512_sub_epi32(a, b)); }
INLINE vb madd4(vb items, vb user, vb sum)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(items, user), _mm512_set1_epi16(1)));
}

#elif defined(__AVX2__)

typedef __m256i vb;

INLINE vb loadb(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE vb set1i(int32_t x) { return _mm256_set1_epi32(x); }
INLINE vf difference(vb a, vb b) { return _mm256_cvtepi32_ps(_mm256_sub_epi32(a, b)); }
INLINE vb madd4(vb items, vb user, vb sum)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(items, user), _mm256_set1_epi16(1)));
}

#endif

#if defined(__AVX2__)
#define SCREEN screen
#define REACH reach

/* Bounds of the scores of a panel; those from below that beat the threshold are offered to the list. */
INLINE void screen_bounds(float *high, struct topk_list *list, float *threshold, const vb sum[WIDE], size_t item, const struct rec_screen *s,
                          const struct screen_query *q)
{
    float low[SCREEN_PANEL];
    uint64_t mask = 0;

    UNROLL
    for (int v = 0; v < WIDE; v++) {
        size_t at = item + (size_t)v * VW;
        vf score = madd(mul(set1(q->step), load(s->scale + at)), difference(sum[v], set1i(q->shift)), load(s->bias + at));
        vf off = madd(set1(q->length), load(s->error + at), madd(set1(q->rest), load(s->norm + at), set1(q->more)));
        vf least = sub(score, off);

        store(high + at, add(score, off));
        store(low + v * VW, least);
        mask |= (uint64_t)gt(least, set1(*threshold)) << (v * VW);
    }
    if (__builtin_expect(mask != 0, 0))
        offer(list, threshold, item, mask, low);
}

static void screen(float *high, struct topk_list *list, float threshold, const struct rec_screen *s, const struct screen_query *q)
{
    size_t words = (s->f + 3) / 4;
    const uint8_t *data = s->data;

    for (size_t j = 0; j < s->n; j += SCREEN_PANEL) {
        vb sum[WIDE];

        UNROLL
        for (int v = 0; v < WIDE; v++)
            sum[v] = set1i(0);
        for (size_t g = 0; g < words; g++, data += 4 * SCREEN_PANEL) {
            vb user = set1i(q->word[g]);
            UNROLL
            for (int v = 0; v < WIDE; v++)
                sum[v] = madd4(loadb(data + v * VW * 4), user, sum[v]);
        }
        screen_bounds(high, list, &threshold, sum, j, s, q);
    }
}

/* The items, ascending, whose bound from above is not below `least`; what stands after the last item of n is lower. More than room: there are too many. */
static size_t reach(int32_t *item, size_t room, const float *high, size_t n, float least)
{
    size_t found = 0;

    for (size_t j = 0; j < n; j += SCREEN_PANEL) {
        uint64_t below = 0, mask;

        UNROLL
        for (int v = 0; v < WIDE; v++)
            below |= (uint64_t)gt(set1(least), load(high + j + v * VW)) << (v * VW);
        mask = ~below & (UINT64_MAX >> (64 - SCREEN_PANEL));
        if (found + (size_t)__builtin_popcountll(mask) > room)
            return room + 1;
        for (; mask; mask &= mask - 1)
            item[found++] = (int32_t)j + __builtin_ctzll(mask);
    }
    return found;
}

#else
#define SCREEN NULL
#define REACH NULL
#endif

#endif
