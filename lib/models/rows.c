/* SPDX-License-Identifier: MIT
 *
 * Passes over rows, in parts of about equal cost.
 */
#include "rows_priv.h"

enum { PARTS = 512, EMPTY = 16 };

size_t rec_rows_begin(const int64_t *ptr, size_t rows, size_t part, size_t parts, size_t empty)
{
    double total = (double)ptr[rows] + (double)empty * (double)rows, target = total / (double)parts * (double)part;
    size_t low = 0, high = rows;

    if (part >= parts)
        return rows;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if ((double)ptr[middle] + (double)empty * (double)middle < target)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct pass {
    const int64_t *ptr;
    size_t rows, parts;
    rec_rows_fn *fn;
    void *context;
    double loss[PARTS];
};

static int run_parts(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct pass *pass = context;

    for (size_t part = begin; part < end; part++) {
        size_t first = rec_rows_begin(pass->ptr, pass->rows, part, pass->parts, EMPTY);
        size_t last = rec_rows_begin(pass->ptr, pass->rows, part + 1, pass->parts, EMPTY);
        if (first < last && pass->fn(pass->context, first, last, thread, &pass->loss[part], err) < 0)
            return -1;
    }
    return 0;
}

int rec_rows_run(unsigned threads, const int64_t *ptr, size_t rows, rec_rows_fn *fn, void *context, double *loss, struct rec_err *err)
{
    struct pass pass = {.ptr = ptr, .rows = rows, .parts = rows < PARTS ? rows : PARTS, .fn = fn, .context = context};
    double sum = 0;

    if (rec_pool_run(threads, pass.parts, 1, run_parts, &pass, err) < 0)
        return -1;
    for (size_t part = 0; part < pass.parts; part++)
        sum += pass.loss[part];
    if (loss)
        *loss = sum;
    return 0;
}

size_t rec_rows_longest(const int64_t *ptr, size_t rows)
{
    int64_t longest = 0;

    for (size_t r = 0; r < rows; r++)
        longest = ptr[r + 1] - ptr[r] > longest ? ptr[r + 1] - ptr[r] : longest;
    return (size_t)longest;
}

void rec_rows_random(float *x, size_t rows, size_t f, double deviation, uint64_t seed)
{
    for (size_t r = 0; r < rows; r++) {
        struct rec_rng rng;
        rec_rng_seed(&rng, seed, r + 1);
        for (size_t k = 0; k < f; k++)
            x[r * f + k] = (float)(deviation * rec_rng_normal(&rng));
    }
}
