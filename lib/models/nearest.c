/* SPDX-License-Identifier: MIT
 *
 * For a row, every column it has is walked, and each other row that has the column gets its weight added in a dense array; what was touched is
 * scored, the best are found by the selection that lists of items use, and put in order by marking bits. Rows do not depend on each other: threads
 * take parts of about equal work, and the result is the same for any number of them.
 */
#include "nearest_priv.h"

#include "models_priv.h"
#include "rows_priv.h"

#include <math.h>

/* The sum for a row, and of how many columns. */
struct sum {
    float weight;
    uint32_t common;
};

struct bench {
    struct sum *sum;       /* [rows], zeros between two rows */
    int32_t *touched;      /* [rows] */
    float *score;          /* [rows] of those touched */
    float *by_row;         /* [rows] */
    uint64_t *marked;      /* [rows / 64 + 1], zeros between two rows */
    struct rec_topk_hit *hit; /* [neighbours] */
};

struct job {
    const struct rec_knn *knn;
    const struct rec_csr *turned;
    size_t most;           /* neighbours a row can have */
    int64_t *count;        /* [rows] */
    int32_t *index;        /* [rows, most] */
    float *weight;
    struct bench *bench;
};

/* Adds up what other rows have in common with this one. Returns how many were touched. */
static size_t gather(struct bench *b, const struct job *job, size_t row)
{
    const struct rec_knn *knn = job->knn;
    const struct rec_csr *turned = job->turned;
    size_t n = 0;

    for (int64_t p = knn->ptr[row]; p < knn->ptr[row + 1]; p++) {
        int32_t column = knn->index[p];
        float weight = knn->weight[column];
        for (int64_t q = turned->ptr[column]; q < turned->ptr[column + 1]; q++) {
            int32_t other = turned->index[q];
            struct sum *s = &b->sum[other];
            if (s->common++ == 0)
                b->touched[n++] = other;
            s->weight += weight;
        }
    }
    return n;
}

/* Scores them, clears the sums, and leaves those with something to say at the front. */
static size_t score(struct bench *b, const struct job *job, size_t row, size_t n)
{
    const struct rec_knn *knn = job->knn;
    size_t kept = 0;

    for (size_t t = 0; t < n; t++) {
        int32_t other = b->touched[t];
        struct sum *s = &b->sum[other];
        float w = s->weight * knn->from[row] * knn->to[other];
        if (knn->how.shrinkage > 0)
            w *= (float)s->common / ((float)s->common + (float)knn->how.shrinkage);
        b->touched[kept] = other;
        b->score[kept] = w;
        kept += (size_t)other != row && w > 0 && isfinite(w);
        *s = (struct sum){0};
    }
    return kept;
}

/* The best of them, ascending. */
static size_t choose(int32_t *index, float *weight, struct bench *b, const struct job *job, size_t n)
{
    size_t found = rec_topk_scan(b->hit, job->most, b->score, n, NULL, NULL), at = 0;

    for (size_t j = 0; j < found; j++) {
        size_t other = (size_t)b->touched[b->hit[j].item];
        b->marked[other / 64] |= (uint64_t)1 << other % 64;
        b->by_row[other] = b->hit[j].score;
    }
    for (size_t w = 0; at < found; w++) {
        for (uint64_t bits = b->marked[w]; bits; bits &= bits - 1) {
            size_t other = w * 64 + (size_t)__builtin_ctzll(bits);
            index[at] = (int32_t)other;
            weight[at++] = b->by_row[other];
        }
        b->marked[w] = 0;
    }
    return found;
}

static int rows(void *context, size_t begin, size_t end, unsigned thread, double *loss, struct rec_err *err)
{
    struct job *job = context;
    struct bench *b = &job->bench[thread];

    (void)loss;
    (void)err;
    for (size_t r = begin; r < end; r++) {
        size_t n = score(b, job, r, gather(b, job, r));
        job->count[r] = (int64_t)choose(job->index + r * job->most, job->weight + r * job->most, b, job, n);
    }
    return 0;
}

static int bench_init(struct bench *b, const struct job *job, struct rec_err *err)
{
    size_t n = job->knn->rows;

    b->sum = rec_calloc(n, sizeof *b->sum, "neighbours", err);
    b->touched = rec_malloc(n, sizeof *b->touched, "neighbours", err);
    b->score = rec_malloc(n, sizeof *b->score, "neighbours", err);
    b->by_row = rec_malloc(n, sizeof *b->by_row, "neighbours", err);
    b->marked = rec_calloc(n / 64 + 1, sizeof *b->marked, "neighbours", err);
    b->hit = rec_malloc(job->most, sizeof *b->hit, "neighbours", err);
    return b->sum && b->touched && b->score && b->by_row && b->marked && b->hit ? 0 : -1;
}

static void bench_clear(struct bench *b)
{
    free(b->sum);
    free(b->touched);
    free(b->score);
    free(b->by_row);
    free(b->marked);
    free(b->hit);
}

/* work[r + 1] - work[r]: entries that row r has to walk. */
static int64_t *measure(const struct rec_knn *knn, const struct rec_csr *turned, struct rec_err *err)
{
    int64_t *work = rec_malloc(knn->rows + 1, sizeof *work, "neighbours", err);

    if (!work)
        return NULL;
    work[0] = 0;
    for (size_t r = 0; r < knn->rows; r++) {
        work[r + 1] = work[r];
        for (int64_t p = knn->ptr[r]; p < knn->ptr[r + 1]; p++)
            work[r + 1] += turned->ptr[knn->index[p] + 1] - turned->ptr[knn->index[p]];
    }
    return work;
}

/* Rows moved together, and memory beyond them given back. */
static int pack(int64_t *ptr, struct job *job, struct rec_err *err)
{
    size_t n = 0;

    ptr[0] = 0;
    for (size_t r = 0; r < job->knn->rows; r++) {
        size_t count = (size_t)job->count[r];
        memmove(job->index + n, job->index + r * job->most, count * sizeof *job->index);
        memmove(job->weight + n, job->weight + r * job->most, count * sizeof *job->weight);
        n += count;
        ptr[r + 1] = (int64_t)n;
    }
    if (rec_realloc(&job->index, n ? n : 1, sizeof *job->index, "neighbours", err) < 0 ||
        rec_realloc(&job->weight, n ? n : 1, sizeof *job->weight, "neighbours", err) < 0)
        return -1;
    return 0;
}

int rec_nearest_rows(int64_t **ptr, int32_t **index, float **weight, const struct rec_knn *knn, const struct rec_csr *turned, unsigned threads,
                     struct rec_err *err)
{
    size_t others = knn->rows ? knn->rows - 1 : 0, cells;
    struct job job = {.knn = knn, .turned = turned, .most = knn->how.neighbours < others ? knn->how.neighbours : others};
    int64_t *work = NULL;
    int status = -1;

    threads = threads ? threads : 1;
    *ptr = NULL;
    *index = NULL;
    *weight = NULL;
    if (rec_size_mul(&cells, knn->rows, job.most) < 0)
        return rec_err_memory(err, "neighbours");
    *ptr = rec_malloc(knn->rows + 1, sizeof **ptr, "neighbours", err);
    job.count = rec_malloc(knn->rows, sizeof *job.count, "neighbours", err);
    job.index = rec_malloc(cells, sizeof *job.index, "neighbours", err);
    job.weight = rec_malloc(cells, sizeof *job.weight, "neighbours", err);
    job.bench = rec_calloc(threads, sizeof *job.bench, "neighbours", err);
    if (!*ptr || !job.count || !job.index || !job.weight || !job.bench)
        goto out;
    for (unsigned t = 0; t < threads; t++)
        if (bench_init(&job.bench[t], &job, err) < 0)
            goto out;
    work = measure(knn, turned, err);
    if (!work || rec_rows_run(threads, work, knn->rows, rows, &job, NULL, err) < 0 || pack(*ptr, &job, err) < 0)
        goto out;
    *index = job.index;
    *weight = job.weight;
    job.index = NULL;
    job.weight = NULL;
    status = 0;
out:
    for (unsigned t = 0; job.bench && t < threads; t++)
        bench_clear(&job.bench[t]);
    free(job.bench);
    free(job.count);
    free(job.index);
    free(job.weight);
    free(work);
    if (status < 0) {
        free(*ptr);
        *ptr = NULL;
    }
    return status;
}

/* The model frees what it now owns. */
static int give(struct rec_model *model, int64_t *ptr, int32_t *index, float *weight, struct rec_err *err)
{
    void *array[] = {ptr, index, weight};
    size_t n = 0;

    for (size_t i = 0; i < REC_LENGTH(model->owned) && n < REC_LENGTH(array); i++)
        if (!model->owned[i])
            model->owned[i] = array[n++];
    return n == REC_LENGTH(array) ? 0 : rec_err_set(err, "model: more arrays than a model may own");
}

/* Items that nothing speaks for come in the order of their popularity, behind all others: what is added is too little to change any other score. */
static int break_ties(struct rec_model *model, const float *weight, size_t n, struct rec_err *err)
{
    float *bias = rec_models_own(model, model->n_items, sizeof *bias, err), least = INFINITY, most = 0;

    if (!bias)
        return -1;
    for (size_t p = 0; p < n; p++)
        least = weight[p] > 0 && weight[p] < least ? weight[p] : least;
    for (size_t i = 0; i < model->n_items; i++)
        most = model->popularity[i] > most ? model->popularity[i] : most;
    for (size_t i = 0; isfinite(least) && i < model->n_items; i++)
        bias[i] = (float)(1e-9 * least * model->popularity[i] / most);
    model->item_bias = bias;
    return 0;
}

static void normalize(float *weight, const int64_t *ptr, size_t rows, double power)
{
    for (size_t r = 0; power > 0 && r < rows; r++) {
        double sum = 0;
        for (int64_t p = ptr[r]; p < ptr[r + 1]; p++)
            sum += weight[p];
        double by = sum > 0 ? pow(sum, -power) : 0;
        for (int64_t p = ptr[r]; p < ptr[r + 1]; p++)
            weight[p] = (float)(weight[p] * by);
    }
}

/* Rows of the items recommended, turned around. */
static int turn(int64_t **ptr, int32_t **index, float **weight, size_t n, struct rec_err *err)
{
    struct rec_csr turned = {0};
    int status = rec_csr_transpose(&turned, n, n, *ptr, *index, *weight, err);

    free(*ptr);
    free(*index);
    free(*weight);
    *ptr = turned.ptr;
    *index = turned.index;
    *weight = turned.value;
    return turned.ptr && turned.index && turned.value ? status : -1;
}

int rec_nearest_items(struct rec_model *model, const struct rec_nearest_links *links, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_ratings *r = job->ratings;
    struct rec_csr by_item = {0}, by_user = {.ptr = (int64_t *)r->user_ptr, .index = (int32_t *)r->item};
    struct rec_knn_how how = links->how;
    struct rec_knn knn = {0};
    int64_t *ptr;
    int32_t *index;
    float *weight;
    int status = -1;

    if (!links->keep_from) { /* then rows are what is recommended */
        how.from = links->how.to;
        how.to = links->how.from;
    }
    if (rec_csr_transpose(&by_item, r->n_users, r->n_items, r->user_ptr, r->item, NULL, err) < 0 ||
        rec_knn_init(&knn, &how, r->n_items, r->n_users, by_item.ptr, by_item.index, err) < 0 ||
        rec_nearest_rows(&ptr, &index, &weight, &knn, &by_user, job->threads, err) < 0 ||
        (!links->keep_from && turn(&ptr, &index, &weight, r->n_items, err) < 0) || !ptr || !weight)
        goto out;
    normalize(weight, ptr, r->n_items, links->normalization);
    model->link_ptr = ptr;
    model->link_item = index;
    model->link_weight = weight;
    if (give(model, ptr, index, weight, err) == 0 && break_ties(model, weight, (size_t)ptr[r->n_items], err) == 0 &&
        rec_models_step(job, 1, 1, NAN, err) >= 0)
        status = 0;
out:
    rec_knn_clear(&knn);
    rec_csr_clear(&by_item);
    return status;
}

int rec_nearest_users(struct rec_model *model, const struct rec_knn_how *how, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_ratings *r = job->ratings;
    struct rec_csr by_item = {0};
    struct rec_knn knn = {0};
    int64_t *ptr;
    int32_t *index;
    float *weight;
    int status = -1;

    if (rec_csr_transpose(&by_item, r->n_users, r->n_items, r->user_ptr, r->item, NULL, err) < 0 ||
        rec_knn_init(&knn, how, r->n_users, r->n_items, r->user_ptr, r->item, err) < 0 ||
        rec_nearest_rows(&ptr, &index, &weight, &knn, &by_item, job->threads, err) < 0 || !ptr || !weight)
        goto out;
    model->near_ptr = ptr;
    model->near_user = index;
    model->near_weight = weight;
    if (give(model, ptr, index, weight, err) == 0 && break_ties(model, weight, (size_t)ptr[r->n_users], err) == 0 &&
        rec_models_step(job, 1, 1, NAN, err) >= 0)
        status = 0;
out:
    rec_knn_clear(&knn);
    rec_csr_clear(&by_item);
    return status;
}
