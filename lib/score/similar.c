/* SPDX-License-Identifier: MIT
 *
 * The items nearest to an item. With factors this is ranking, the item itself in the place of a user; with links it is the item's row of them;
 * without either the users of the item are walked, and what else they have is counted. */
#include <rec/score.h>

#include <math.h>

#define TILE 128

struct scratch {
    float *vector;                   /* [TILE, factors] */
    void *kernels;
    struct rec_topk_seen seen[TILE];
    size_t place[TILE], count[TILE];
    float *together;                 /* [n_items] links; or how many users have both, then the cosine */
};

struct job {
    struct rec_topk_hit *hit;
    size_t *count;
    const struct rec_similar *similar;
    const int32_t *items;
    struct scratch *scratch;
};

/* Copies the factors, of length 1 unless `dot`; bars items without a direction by a bias of -infinity. */
static void directions(float *factors, float *bias, const struct rec_model *model, bool dot)
{
    size_t f = model->factors;

    for (size_t i = 0; i < model->n_items; i++) {
        const float *from = model->item_factors + i * f;
        double square = 0;
        for (size_t d = 0; d < f; d++)
            square += (double)from[d] * from[d];
        float scale = dot ? 1 : (float)(1 / sqrt(square));
        bias[i] = square > 0 && isfinite(scale) ? 0 : -INFINITY;
        for (size_t d = 0; d < f; d++)
            factors[i * f + d] = bias[i] < 0 ? 0 : from[d] * scale;
    }
}

static int init_factors(struct rec_similar *similar, bool dot, struct rec_err *err)
{
    const struct rec_model *model = similar->model;
    size_t size = rec_topk_panels_size(model->n_items, model->factors), n;
    float *bias = NULL;

    if ((size == 0 && model->n_items > 0) || rec_size_mul(&n, model->n_items, model->factors) < 0)
        return rec_err_memory(err, "item factors");
    bias = rec_malloc(model->n_items, sizeof *bias, "item factors", err);
    similar->factors = rec_malloc(n, sizeof *similar->factors, "item factors", err);
    similar->panels_memory = rec_malloc(size, 1, "item factors", err);
    if (!bias || !similar->factors || !similar->panels_memory) {
        free(bias);
        return -1;
    }
    directions(similar->factors, bias, model, dot);
    if (model->n_items > 0)
        rec_topk_pack(&similar->panels, similar->panels_memory, similar->factors, model->n_items, model->factors, model->factors,
                      bias);
    free(bias);
    return 0;
}

static bool has_links(const struct rec_model *model)
{
    return model->links || model->link_ptr;
}

int rec_similar_init(struct rec_similar *similar, const struct rec_model *model, size_t k, const uint8_t *allowed, unsigned flags,
                     struct rec_err *err)
{
    int status;

    *similar = (struct rec_similar){.model = model, .k = k < model->n_items ? k : model->n_items, .allowed = allowed};
    if (model->factors > 0 && model->item_factors)
        status = init_factors(similar, flags & REC_SIMILAR_DOT, err);
    else if (flags & REC_SIMILAR_DOT)
        status = rec_err_set(err, "%s: a model without factors has no inner products", model->type);
    else if (has_links(model))
        status = 0;
    else if (!model->seen_ptr)
        status = rec_err_set(err, "%s: the model has neither factors nor the pairs of its training", model->type);
    else
        status = rec_csr_transpose(&similar->audience, model->n_users, model->n_items, model->seen_ptr, model->seen_item, NULL,
                                   err);
    if (status < 0)
        rec_similar_clear(similar);
    return status;
}

static bool has_direction(const struct rec_similar *similar, int32_t item)
{
    size_t f = similar->model->factors;

    if (item < 0)
        return false;
    for (size_t d = 0; d < f; d++)
        if (similar->factors[(size_t)item * f + d] != 0)
            return true;
    return false;
}

static int tile_factors(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct job *job = context;
    const struct rec_similar *similar = job->similar;
    struct scratch *s = &job->scratch[thread];
    struct rec_topk_hit *hit = job->hit + begin * similar->k;
    size_t f = similar->model->factors, k = similar->k, m = 0;

    (void)err;
    for (size_t j = 0; j < end - begin; j++) {
        const int32_t *item = &job->items[begin + j];
        if (!has_direction(similar, *item))
            continue;
        memcpy(s->vector + m * f, similar->factors + (size_t)*item * f, f * sizeof *s->vector);
        s->seen[m] = (struct rec_topk_seen){item, 1};
        s->place[m++] = j;
    }
    if (m > 0)
        rec_topk_tile(hit, s->count, k, &similar->panels, s->vector, f, m, s->seen, similar->allowed, s->kernels);
    // From the last to the first, so that no list is overwritten before it has moved to its place.
    for (size_t j = end - begin; j-- > 0;) {
        bool there = m > 0 && s->place[m - 1] == j;
        m -= there;
        if (there)
            memmove(hit + j * k, hit + m * k, s->count[m] * sizeof *hit);
        job->count[begin + j] = there ? s->count[m] : 0;
    }
    return 0;
}

/* How many users have `item` and each other item, as cosines; -infinity, which is never listed, where there are none. */
static void cosines(float *together, const struct rec_similar *similar, int32_t item)
{
    const struct rec_model *model = similar->model;
    const int64_t *ptr = similar->audience.ptr;
    double own = (double)(ptr[item + 1] - ptr[item]);

    memset(together, 0, model->n_items * sizeof *together);
    for (int64_t p = ptr[item]; p < ptr[item + 1]; p++) {
        int32_t user = similar->audience.index[p];
        for (int64_t q = model->seen_ptr[user]; q < model->seen_ptr[user + 1]; q++)
            together[model->seen_item[q]] += 1;
    }
    for (size_t i = 0; i < model->n_items; i++)
        together[i] = together[i] > 0 ? (float)(together[i] / sqrt(own * (double)(ptr[i + 1] - ptr[i]))) : -INFINITY;
}

/* The links of an item; -infinity where there are none. */
static void links(float *weight, const struct rec_model *model, int32_t item)
{
    if (model->links)
        memcpy(weight, model->links + (size_t)item * model->n_items, model->n_items * sizeof *weight);
    else
        for (size_t i = 0; i < model->n_items; i++)
            weight[i] = -INFINITY;
    for (int64_t p = model->link_ptr ? model->link_ptr[item] : 0; model->link_ptr && p < model->link_ptr[item + 1]; p++) {
        float *to = weight + model->link_item[p];
        *to = model->links ? *to + model->link_weight[p] : model->link_weight[p];
    }
}

static int tile_audience(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct job *job = context;
    const struct rec_similar *similar = job->similar;
    float *together = job->scratch[thread].together;

    (void)err;
    for (size_t j = begin; j < end; j++) {
        job->count[j] = 0;
        if (job->items[j] < 0)
            continue;
        struct rec_topk_seen itself = {&job->items[j], 1};
        if (has_links(similar->model))
            links(together, similar->model, job->items[j]);
        else
            cosines(together, similar, job->items[j]);
        job->count[j] = rec_topk_scan(job->hit + j * similar->k, similar->k, together, similar->model->n_items, &itself,
                                      similar->allowed);
    }
    return 0;
}

static int scratch_init(struct scratch *s, const struct rec_similar *similar, struct rec_err *err)
{
    size_t f = similar->model->factors;

    if (!similar->factors) {
        s->together = rec_malloc(similar->model->n_items, sizeof *s->together, "scoring", err);
        return s->together ? 0 : -1;
    }
    s->vector = rec_malloc(TILE * f, sizeof *s->vector, "scoring", err);
    s->kernels = rec_malloc(rec_topk_tile_scratch(TILE, f), 1, "scoring", err);
    return s->vector && s->kernels ? 0 : -1;
}

int rec_similar_items(struct rec_topk_hit *hit, size_t *count, const struct rec_similar *similar, const int32_t *items, size_t n,
                      unsigned threads, struct rec_err *err)
{
    struct job job = {.hit = hit, .count = count, .similar = similar, .items = items};
    int status = -1;

    if (threads > (n + TILE - 1) / TILE)
        threads = n > 0 ? (unsigned)((n + TILE - 1) / TILE) : 1;
    job.scratch = rec_calloc(threads, sizeof *job.scratch, "scoring", err);
    if (!job.scratch)
        return -1;
    for (unsigned t = 0; t < threads; t++)
        if (scratch_init(&job.scratch[t], similar, err) < 0)
            goto out;
    status = rec_pool_run(threads, n, TILE, similar->factors ? tile_factors : tile_audience, &job, err);
out:
    for (unsigned t = 0; t < threads; t++) {
        free(job.scratch[t].vector);
        free(job.scratch[t].kernels);
        free(job.scratch[t].together);
    }
    free(job.scratch);
    return status;
}

void rec_similar_clear(struct rec_similar *similar)
{
    free(similar->factors);
    free(similar->panels_memory);
    rec_csr_clear(&similar->audience);
    *similar = (struct rec_similar){0};
}
