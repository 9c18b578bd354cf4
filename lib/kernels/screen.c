/* SPDX-License-Identifier: MIT
 *
 * Which items can be among the k best of a user: a first pass over factors in bytes, a quarter of the memory, with bounds that hold for the scores as
 * rec_kernels_gemv computes them, to the last bit. The idea of a cheap pass with exact bounds before the exact one is that of maximum inner product
 * search (Li, Chan, Yiu and Mamoulis: FEXIPRO, SIGMOD 2017).
 *
 * With y = s q + e, q whole numbers of at most 127, and x = t p + d, p whole numbers of at most 63, x.y = s t p.q + t p.e + d.y, so that s t p.q is
 * off by at most |t p| |e| + |d| |y| (Cauchy and Schwarz). To that comes what rounding may add, here and in the exact pass: no more than f + 64
 * times 2^-22 of |x| |y|. The k-th best bound from below is one that the k-th best score does not fall under; an item whose bound from above is lower
 * is not among the k best, nor as good as the last of them.
 *
 * q + 128 is kept, as a byte without sign: that is what processors multiply by a byte with one. Two such products add to 32130, within 16 bits.
 */
#include "topk_priv.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "set_priv.h"

enum { ITEM_MOST = 127, USER_MOST = 63, LONGEST = 1024 };

/* Sizes are for the largest panel of any set. */
enum { PANEL = 64, ARRAYS = 4 };

static size_t padded(size_t n)
{
    return (n + PANEL - 1) / PANEL * PANEL;
}

static size_t words_of(size_t f)
{
    return (f + 3) / 4;
}

size_t rec_screen_size(size_t n, size_t f)
{
    size_t rows, bytes;

    if (!rec_kernels_set()->screen || f == 0 || f > LONGEST || n == 0 || n > INT32_MAX || __builtin_add_overflow(n, PANEL, &rows) ||
        __builtin_mul_overflow(padded(n), 4 * words_of(f) + ARRAYS * sizeof(float), &bytes))
        return 0;
    return bytes;
}

/* Not less than x. */
static float up(double x)
{
    return nextafterf((float)(x * (1 + 1e-6)), INFINITY);
}

/* One row as whole numbers and what they lack. False: it is out of range. */
static bool quantize(int8_t *q, float *scale, float *error, float *norm, const float *y, size_t f)
{
    double most = 0, lack = 0, sum = 0;

    for (size_t k = 0; k < f; k++) {
        if (!(fabsf(y[k]) < 1e15F))
            return false;
        most = fmax(most, fabs((double)y[k]));
        sum += (double)y[k] * y[k];
    }
    *scale = most > 1e-30 ? (float)(most / ITEM_MOST) : 0;
    for (size_t k = 0; k < f; k++) {
        double whole = *scale > 0 ? rint(y[k] / (double)*scale) : 0, rest;

        whole = whole > ITEM_MOST ? ITEM_MOST : whole < -ITEM_MOST ? -ITEM_MOST : whole;
        q[k] = (int8_t)whole;
        rest = y[k] - *scale * whole;
        lack += rest * rest;
    }
    *error = up(sqrt(lack) * (1 + 1e-3));
    *norm = up(sqrt(sum));
    return true;
}

bool rec_screen_pack(struct rec_screen *s, void *mem, const float *v, size_t n, size_t f, size_t ld, const float *bias)
{
    const struct rec_set *set = rec_kernels_set();
    size_t rows = padded(n), panel = 4 * set->width, words = words_of(f);
    float *scale = mem, *error = scale + rows, *norm = error + rows, *shift = norm + rows, most = 0;
    uint8_t *data = (uint8_t *)(shift + rows);
    int8_t q[LONGEST];

    if (!set->screen)
        return false;
    memset(data, 128, rows * words * 4);
    for (size_t j = 0; j < rows; j++) {
        scale[j] = error[j] = norm[j] = 0;
        shift[j] = j >= n ? -INFINITY : bias ? bias[j] : 0;
        if (j >= n)
            continue;
        if (!(fabsf(shift[j]) < 1e15F) || !quantize(q, &scale[j], &error[j], &norm[j], v + j * ld, f))
            return false;
        most = fmaxf(most, fabsf(shift[j]));
        for (size_t k = 0; k < f; k++)
            data[((j / panel * words + k / 4) * panel + j % panel) * 4 + k % 4] = (uint8_t)(q[k] + 128);
    }
    *s = (struct rec_screen){.set = set, .data = data, .scale = scale, .error = error, .norm = norm, .bias = shift, .most_bias = most, .n = n, .f = f};
    return true;
}

size_t rec_screen_scratch(size_t n, size_t f)
{
    return padded(n) * sizeof(float) + words_of(f) * sizeof(int32_t);
}

/* The user as whole numbers, four in a word. False: out of range. */
static bool ask(struct screen_query *q, int32_t *word, const struct rec_screen *s, const float *x)
{
    double sum = 0, lack = 0, length = 0;
    float most = 0;
    int32_t whole_sum = 0;

    for (size_t k = 0; k < s->f; k++) {
        most = fabsf(x[k]) > most || isnan(x[k]) ? fabsf(x[k]) : most;
        sum += (double)x[k] * x[k];
    }
    if (!(most > 1e-15F && most < 1e15F) || !isfinite(sum))
        return false;
    *q = (struct screen_query){.word = word, .step = most / USER_MOST};
    memset(word, 0, words_of(s->f) * sizeof *word);
    for (size_t k = 0; k < s->f; k++) {
        double whole = rint(x[k] / (double)q->step), rest;

        whole = whole > USER_MOST ? USER_MOST : whole < -USER_MOST ? -USER_MOST : whole;
        ((int8_t *)word)[k] = (int8_t)whole;
        whole_sum += (int32_t)whole;
        rest = x[k] - q->step * whole;
        lack += rest * rest;
        length += q->step * whole * (q->step * whole);
    }
    q->shift = 128 * whole_sum;
    q->length = up(sqrt(length));
    q->rest = up(sqrt(lack) + (double)(s->f + 64) * 0x1p-22 * (sqrt(sum) + sqrt(length)));
    q->more = up(s->most_bias * 0x1p-20 + 1e-35);
    return true;
}

/* Without those that are left out. */
static size_t leave_out(int32_t *candidate, size_t n, const struct rec_topk_seen *seen, const uint8_t *allowed)
{
    const int32_t *at = seen && seen->n ? seen->item : NULL, *end = at ? at + seen->n : NULL;
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        int32_t item = candidate[i];

        while (at < end && *at < item)
            at++;
        if ((at == end || *at != item) && (!allowed || allowed[item]))
            candidate[kept++] = item;
    }
    return kept;
}

ptrdiff_t rec_screen_find(int32_t *candidate, size_t room, struct rec_topk_hit *hit, size_t k, const struct rec_screen *s, const float *x,
                          const struct rec_topk_seen *seen, const uint8_t *allowed, void *scratch)
{
    const struct rec_set *set = s->set;
    struct rec_topk_hit more[MORE];
    struct topk_list list;
    struct screen_query q;
    float *high = scratch;
    size_t n;

    if (k == 0 || k > s->n || !ask(&q, (int32_t *)(high + padded(s->n)), s, x))
        return -1;
    set->screen(high, &list, rec_topk_list_init(&list, hit, more, k, seen, allowed), s, &q);
    if (rec_topk_list_finish(&list) < k)
        return -1;
    n = set->reach(candidate, room, high, s->n, hit[k - 1].score);
    return n <= room ? (ptrdiff_t)leave_out(candidate, n, seen, allowed) : -1;
}
