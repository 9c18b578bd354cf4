/* SPDX-License-Identifier: MIT
 *
 * Sparse links from rows that are made a tile at a time. The bits of a float's magnitude are in the order of magnitudes, so the k-th greatest is
 * found digit by digit (radix selection): three passes over a row, whatever k is.
 */
#include "linkrows_priv.h"

#include <math.h>

enum { DIGIT = 11, BINS = 1 << DIGIT };

static uint32_t magnitude(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits & 0x7fffffffU;
}

uint32_t rec_linkrows_cut(size_t *equals, const float *row, size_t n, size_t keep)
{
    uint32_t known = 0, mask = 0;
    size_t count[BINS];

    for (int shift = 2 * DIGIT; shift >= 0; shift -= DIGIT) {
        uint32_t digit = BINS - 1;
        memset(count, 0, sizeof count);
        for (size_t i = 0; i < n; i++) {
            uint32_t m = magnitude(row[i]);
            count[(m >> shift) & (BINS - 1)] += (m & mask) == known;
        }
        for (; digit > 0 && count[digit] < keep; digit--)
            keep -= count[digit];
        known |= digit << shift;
        mask |= (uint32_t)(BINS - 1) << shift;
    }
    *equals = keep;
    return known;
}

/* Rows of a tile, until all are there. */
struct piece {
    int32_t *item;
    float *weight;
};

struct make {
    rec_linkrows_fn *fn;
    void *context;
    size_t n, keep, tile;
    float *scratch;        /* [threads, tile, n] */
    int64_t *ptr;          /* [n + 1]: lengths of rows, one place on */
    struct piece *piece;   /* [tiles] */
};

static size_t keep_row(int32_t *item, float *weight, const struct make *job, const float *row)
{
    size_t equals = 0, n = 0;
    uint32_t least = job->keep && job->keep < job->n ? rec_linkrows_cut(&equals, row, job->n, job->keep) : 0;

    for (size_t i = 0; i < job->n; i++) {
        uint32_t m = magnitude(row[i]);
        if (m == 0 || m < least || (m == least && least > 0 && equals == 0))
            continue;
        equals -= m == least && least > 0;
        item[n] = (int32_t)i;
        weight[n++] = row[i];
    }
    return n;
}

static size_t count_row(const struct make *job, const float *row)
{
    size_t n = 0;

    for (size_t i = 0; i < job->n; i++)
        n += row[i] != 0;
    return job->keep && job->keep < n ? job->keep : n;
}

static int make_tile(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct make *job = context;
    float *row = job->scratch + (size_t)thread * job->tile * job->n;
    struct piece *piece = job->piece + begin / job->tile;
    size_t total = 0;

    memset(row, 0, (end - begin) * job->n * sizeof *row);
    if (job->fn(job->context, row, begin, end, thread, err) < 0)
        return -1;
    for (size_t r = 0; r < end - begin; r++)
        total += count_row(job, row + r * job->n);
    piece->item = rec_malloc(total, sizeof *piece->item, "links", err);
    piece->weight = rec_malloc(total, sizeof *piece->weight, "links", err);
    if (!piece->item || !piece->weight)
        return -1;
    for (size_t r = total = 0; r < end - begin; r++) {
        size_t n = keep_row(piece->item + total, piece->weight + total, job, row + r * job->n);
        job->ptr[begin + r + 1] = (int64_t)n;
        total += n;
    }
    return 0;
}

/* A run of tiles, as rec_pool_run's own counter begins at 0. */
struct stretch {
    struct make *job;
    size_t first;
};

static int make_stretch(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct stretch *s = context;

    return make_tile(s->job, s->first + begin, s->first + end, thread, err);
}

static int make_all(struct make *job, const struct rec_train_job *train, struct rec_err *err)
{
    size_t tiles = job->n / job->tile + (job->n % job->tile != 0);

    for (size_t step = 0; step < REC_LINKROWS_STEPS; step++) {
        size_t first = step * tiles / REC_LINKROWS_STEPS * job->tile, last = (step + 1) * tiles / REC_LINKROWS_STEPS * job->tile;
        struct stretch s = {job, first};
        struct rec_progress progress = {.step = step + 1, .steps = REC_LINKROWS_STEPS, .loss = NAN, .what = "sixteenth of the items"};
        last = last < job->n ? last : job->n;
        if (last > first && rec_pool_run(train->threads, last - first, job->tile, make_stretch, &s, err) < 0)
            return -1;
        /* There is no model of half the items: a wish to end here is heard at the end. */
        if (rec_models_tell(train, &progress, err) < 0)
            return -1;
    }
    return 0;
}

/* The pieces in one, freed as they are copied. */
static int join(struct rec_model *model, struct make *job, size_t tiles, struct rec_err *err)
{
    for (size_t r = 0; r < job->n; r++)
        job->ptr[r + 1] += job->ptr[r];
    size_t total = (size_t)job->ptr[job->n];
    int32_t *item = rec_models_own(model, total, sizeof *item, err);
    float *weight = rec_models_own(model, total, sizeof *weight, err);
    if (!item || !weight)
        return -1;
    for (size_t t = 0; t < tiles; t++) {
        size_t end = (t + 1) * job->tile < job->n ? (t + 1) * job->tile : job->n;
        size_t from = (size_t)job->ptr[t * job->tile], n = (size_t)job->ptr[end] - from;
        memcpy(item + from, job->piece[t].item, n * sizeof *item);
        memcpy(weight + from, job->piece[t].weight, n * sizeof *weight);
        free(job->piece[t].item);
        free(job->piece[t].weight);
        job->piece[t] = (struct piece){0};
    }
    model->link_ptr = job->ptr;
    model->link_item = item;
    model->link_weight = weight;
    return 0;
}

int rec_linkrows_make(struct rec_model *model, const struct rec_train_job *train, size_t keep, size_t tile, rec_linkrows_fn *fn, void *context,
                      struct rec_err *err)
{
    struct make job = {.fn = fn, .context = context, .n = model->n_items, .keep = keep, .tile = tile};
    size_t tiles = job.n / tile + (job.n % tile != 0), cells;
    int rc = -1;

    if (rec_size_mul(&cells, job.n, tile * (train->threads ? train->threads : 1)) < 0)
        return rec_err_memory(err, "links");
    job.ptr = rec_models_own(model, job.n + 1, sizeof *job.ptr, err);
    job.piece = rec_calloc(tiles, sizeof *job.piece, "links", err);
    job.scratch = rec_malloc(cells, sizeof *job.scratch, "links", err);
    if (job.ptr && job.piece && job.scratch && make_all(&job, train, err) == 0)
        rc = join(model, &job, tiles, err);
    for (size_t t = 0; job.piece && t < tiles; t++) {
        free(job.piece[t].item);
        free(job.piece[t].weight);
    }
    free(job.piece);
    free(job.scratch);
    return rc;
}
