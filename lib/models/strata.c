/* SPDX-License-Identifier: MIT
 *
 * Ratings in a fixed grid of blocks.
 */
#include "strata_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
    AHEAD = 16,             /* items that the kernels look at behind the last one: a batch, or more */
    GROUPS_MAX = 16,       /* threads that can be busy at once */
    BLOCK_LEAST = 4096,    /* entries of a block on average, where there are enough */
    CACHE = 512 * 1024,    /* bytes of items' factors that shall stay near while a block is worked on */
    RUN_LEAST = 8          /* entries of a run on average, where items are cut into more groups for the cache's sake */
};

/* ---- who is in which group ---- */

/* Rows of a side: its numbers dealt to and fro by falling count, so that groups have about as many entries, and shuffled within a group. */
static int deal(struct rec_strata_side *side, const int64_t *count, uint64_t seed, struct rec_err *err)
{
    size_t most = 0, *at = NULL;
    int32_t *order = rec_malloc(side->n, sizeof *order, "blocks", err);
    int rc = -1;

    side->row = rec_malloc(side->n, sizeof *side->row, "blocks", err);
    side->number = rec_malloc(side->n, sizeof *side->number, "blocks", err);
    side->begin = rec_calloc(side->groups + 1, sizeof *side->begin, "blocks", err);
    for (size_t i = 0; i < side->n; i++)
        most = (size_t)count[i] > most ? (size_t)count[i] : most;
    at = rec_calloc(most + 2, sizeof *at, "blocks", err);
    if (!order || !side->row || !side->number || !side->begin || !at)
        goto out;
    for (size_t i = 0; i < side->n; i++)
        at[most - (size_t)count[i] + 1]++;
    for (size_t c = 0; c <= most; c++)
        at[c + 1] += at[c];
    for (size_t i = 0; i < side->n; i++)
        order[at[most - (size_t)count[i]]++] = (int32_t)i;
    for (size_t g = 0; g <= side->groups; g++)
        side->begin[g] = side->n / side->groups * g + (g < side->n % side->groups ? g : side->n % side->groups);
    /* In every round each group gets one, in turn from the first and from the last; those that stay over go to the first groups. */
    for (size_t k = 0; k < side->n; k++) {
        size_t round = k / side->groups, g = k % side->groups;
        if (round % 2 && (round + 1) * side->groups <= side->n)
            g = side->groups - 1 - g;
        side->number[side->begin[g] + round] = order[k];
    }
    for (size_t g = 0; g < side->groups; g++) {
        struct rec_rng rng;
        rec_rng_seed(&rng, seed, g);
        for (size_t i = side->begin[g + 1] - side->begin[g]; i > 1; i--) {
            int32_t *a = side->number + side->begin[g] + i - 1, *b = side->number + side->begin[g] + rec_rng_below(&rng, i), t = *a;
            *a = *b;
            *b = t;
        }
    }
    for (size_t k = 0; k < side->n; k++)
        side->row[side->number[k]] = (int32_t)k;
    rc = 0;
out:
    free(order);
    free(at);
    return rc;
}

static size_t clamp(double x, size_t least, size_t most)
{
    return !(x > (double)least) ? least : x < (double)most ? (size_t)x : most;
}

/* As many groups of users as threads could use; more groups of items where a cache gains by it and runs stay long enough. */
static void choose_grid(struct rec_strata *s, const struct rec_ratings *r, size_t factors)
{
    double squared = (double)r->nnz / BLOCK_LEAST, squares = 0, cache, run;
    size_t groups = 1;

    while (groups < GROUPS_MAX && (double)(groups + 1) * (double)(groups + 1) <= squared)
        groups++;
    for (size_t u = 0; u < r->n_users; u++)
        squares += (double)(r->user_ptr[u + 1] - r->user_ptr[u]) * (double)(r->user_ptr[u + 1] - r->user_ptr[u]);
    cache = (double)r->n_items * (double)factors * sizeof(float) / CACHE + 1;
    run = squares / (double)r->nnz / RUN_LEAST;
    s->user.groups = clamp((double)groups, 1, r->n_users);
    s->item.groups = clamp(cache < run ? cache : run, groups, r->n_items);
    s->user.groups = clamp((double)s->user.groups, 1, s->item.groups);
}

/* ---- entries into their blocks ---- */

struct fill {
    struct rec_strata *s;
    const struct rec_ratings *r;
    const uint8_t *unused;
    uint16_t *group;       /* [n_items]: an item's group */
    double mean, scale;
    bool count;            /* only count, into the next block's begin */
};

/* A group of users: their ratings in the order of rows, each into its block, so that a user's are together there. */
static int fill_group(void *context, size_t from, size_t to, unsigned thread, struct rec_err *err)
{
    const struct fill *fill = context;
    struct rec_strata *s = fill->s;
    const struct rec_ratings *r = fill->r;
    size_t groups = s->item.groups, *at = rec_malloc(4 * groups, sizeof *at, "blocks", err);

    (void)thread;
    if (!at)
        return -1;
    for (size_t g = from; g < to; g++) {
        size_t *run_at = at + groups, *last = run_at + groups, block = g * groups;
        for (size_t i = 0; i < groups; i++) {
            at[i] = fill->count ? 0 : s->begin[block + i];
            run_at[i] = fill->count ? 0 : s->run_begin[block + i];
            last[i] = SIZE_MAX;
        }
        for (size_t row = s->user.begin[g]; row < s->user.begin[g + 1]; row++) {
            int32_t u = s->user.number[row];
            for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
                int32_t item = r->item[p];
                size_t i = fill->group[item];
                if (last[i] != row) {
                    last[i] = row;
                    if (!fill->count)
                        s->run[run_at[i]] = (struct rec_sgd_run){.user = (int32_t)row};
                    run_at[i]++;
                }
                if (!fill->count) {
                    s->item_row[at[i]] = s->item.row[item];
                    if (s->value)
                        s->value[at[i]] = (float)((r->value[p] - fill->mean) * fill->scale);
                    s->run[run_at[i] - 1].n++;
                }
                at[i]++;
            }
        }
        for (size_t i = 0; fill->count && i < groups; i++) {
            s->begin[block + i + 1] = at[i];
            s->run_begin[block + i + 1] = run_at[i];
        }
    }
    free(at);
    return 0;
}

static int fill_blocks(struct rec_strata *s, struct fill *fill, unsigned threads, bool values, struct rec_err *err)
{
    size_t blocks = s->user.groups * s->item.groups;

    s->begin = rec_calloc(blocks + 1, sizeof *s->begin, "blocks", err);
    s->run_begin = rec_calloc(blocks + 1, sizeof *s->run_begin, "blocks", err);
    s->loss = rec_calloc(blocks, sizeof *s->loss, "blocks", err);
    fill->group = rec_malloc(s->item.n, sizeof *fill->group, "blocks", err);
    if (!s->begin || !s->run_begin || !s->loss || !fill->group)
        return -1;
    for (size_t g = 0; g < s->item.groups; g++)
        for (size_t k = s->item.begin[g]; k < s->item.begin[g + 1]; k++)
            fill->group[s->item.number[k]] = (uint16_t)g;
    fill->count = true;
    if (rec_pool_run(threads, s->user.groups, 1, fill_group, fill, err) < 0)
        return -1;
    for (size_t b = 0; b < blocks; b++) {
        s->begin[b + 1] += s->begin[b];
        s->run_begin[b + 1] += s->run_begin[b];
    }
    s->run = rec_malloc(s->run_begin[blocks], sizeof *s->run, "blocks", err);
    /* The kernels look a batch ahead, behind the last run too. */
    s->item_row = rec_calloc(s->begin[blocks] + AHEAD, sizeof *s->item_row, "blocks", err);
    s->value = values ? rec_malloc(s->begin[blocks], sizeof *s->value, "blocks", err) : NULL;
    if (!s->run || !s->item_row || (values && !s->value))
        return -1;
    fill->count = false;
    return rec_pool_run(threads, s->user.groups, 1, fill_group, fill, err);
}

int rec_strata_init(struct rec_strata *s, const struct rec_ratings *r, bool values, double mean, double unit, size_t factors, uint64_t seed,
                    unsigned threads, struct rec_err *err)
{
    struct fill fill = {.s = s, .r = r, .mean = mean, .scale = 1 / unit};
    int64_t *count = NULL;
    int rc = -1;

    memset(s, 0, sizeof *s);
    s->user.n = r->n_users;
    s->item.n = r->n_items;
    choose_grid(s, r, factors);
    count = rec_calloc(r->n_users > r->n_items ? r->n_users : r->n_items, sizeof *count, "blocks", err);
    if (!count)
        goto out;
    for (size_t p = 0; p < r->nnz; p++)
        count[r->item[p]]++;
    if (deal(&s->item, count, seed ^ 0x6974656d, err) < 0)
        goto out;
    for (size_t u = 0; u < r->n_users; u++)
        count[u] = r->user_ptr[u + 1] - r->user_ptr[u];
    if (deal(&s->user, count, seed ^ 0x75736572, err) < 0)
        goto out;
    rc = fill_blocks(s, &fill, threads, values, err);
out:
    free(count);
    free(fill.group);
    if (rc < 0)
        rec_strata_clear(s);
    return rc;
}

static void clear_side(struct rec_strata_side *side)
{
    free(side->row);
    free(side->number);
    free(side->begin);
}

void rec_strata_clear(struct rec_strata *s)
{
    clear_side(&s->user);
    clear_side(&s->item);
    free(s->run_begin);
    free(s->begin);
    free(s->run);
    free(s->item_row);
    free(s->value);
    free(s->loss);
    memset(s, 0, sizeof *s);
}

/* ---- passes ---- */

struct stratum {
    struct rec_strata *s;
    size_t shift;
    rec_strata_fn *fn;
    void *context;
};

static int run_block(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct stratum *stratum = context;
    struct rec_strata *s = stratum->s;

    for (size_t u = begin; u < end; u++) {
        size_t i = (u + stratum->shift) % s->item.groups;
        double *loss = s->loss + rec_strata_block(s, u, i);
        *loss = 0;
        if (stratum->fn(stratum->context, s, u, i, thread, loss, err) < 0)
            return -1;
    }
    return 0;
}

int rec_strata_run(struct rec_strata *s, size_t pass, uint64_t seed, unsigned threads, rec_strata_fn *fn, void *context, double *loss,
                   struct rec_err *err)
{
    size_t strata = s->item.groups, blocks = s->user.groups * strata, *order = rec_malloc(strata, sizeof *order, "blocks", err);
    struct stratum stratum = {.s = s, .fn = fn, .context = context};
    struct rec_rng rng;
    int rc = order ? 0 : -1;

    rec_rng_seed(&rng, seed, pass);
    for (size_t k = 0; order && k < strata; k++) {
        size_t j = rec_rng_below(&rng, k + 1);
        order[k] = order[j];
        order[j] = k;
    }
    for (size_t k = 0; rc == 0 && k < strata; k++) {
        stratum.shift = order[k];
        rc = rec_pool_run(threads, s->user.groups, 1, run_block, &stratum, err);
    }
    *loss = 0;
    for (size_t b = 0; b < blocks; b++)
        *loss += s->loss[b];
    free(order);
    return rc;
}

float *rec_strata_floats(void **memory, size_t rows, size_t ld, const char *object, struct rec_err *err)
{
    size_t cells;

    if (rec_size_add(&rows, rows, 1) < 0 || rec_size_mul(&cells, rows, ld) < 0) {
        rec_err_memory(err, object);
        return NULL;
    }
    *memory = rec_calloc(cells, sizeof(float), object, err);
    return *memory ? (float *)(void *)(((uintptr_t)*memory + 63) / 64 * 64) : NULL;
}

void rec_strata_random(float *x, size_t f, size_t ld, const struct rec_strata_side *side, const float *count, double deviation, uint64_t seed)
{
    for (size_t k = 0; k < side->n; k++) {
        struct rec_rng rng;
        rec_rng_seed(&rng, seed, (uint64_t)side->number[k] + 1);
        for (size_t j = 0; count[side->number[k]] > 0 && j < f; j++)
            x[k * ld + j] = (float)(deviation * rec_rng_normal(&rng));
    }
}

struct copy {
    float *to;
    const float *from, *more;
    const struct rec_strata_side *side;
    size_t f, ld;
    float scale;
};

static int copy_rows(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct copy *c = context;

    for (size_t n = begin; n < end; n++)
        for (size_t j = 0, at = (size_t)c->side->row[n] * c->ld; j < c->f; j++, at++)
            c->to[n * c->f + j] = (c->from[at] + (c->more ? c->more[at] : 0)) * c->scale;
    (void)thread, (void)err;
    return 0;
}

int rec_strata_copy(float *to, size_t f, const float *from, const float *more, size_t ld, const struct rec_strata_side *side, float scale, unsigned threads,
                    struct rec_err *err)
{
    struct copy copy = {.to = to, .from = from, .more = more, .side = side, .f = f, .ld = ld, .scale = scale};

    return rec_pool_run(threads, side->n, 4096, copy_rows, &copy, err);
}
