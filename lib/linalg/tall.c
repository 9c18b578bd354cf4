/* SPDX-License-Identifier: MIT
 *
 * Products of tall matrices with each other and with small ones, by BLAS in fixed tiles of rows, as in dense.c: float within a tile, double
 * where tiles are summed, the same bits for any number of threads.
 */
#include <rec/linalg.h>

#include <cblas.h>

enum { TILE = 512, PARTS = 16 };

struct cross {
    double *part;       /* [parts, m, b] */
    float *scratch;     /* [threads, m, b] */
    const float *q, *w;
    size_t ldq, m, ldw, b, rows, tiles, parts;
};

static int cross_part(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct cross *job = context;
    size_t mb = job->m * job->b;
    float *tile = job->scratch + (size_t)thread * mb;

    (void)err;
    for (size_t p = begin; p < end; p++)
        for (size_t t = p * job->tiles / job->parts; t < (p + 1) * job->tiles / job->parts; t++) {
            size_t row = t * TILE, n = job->rows - row < TILE ? job->rows - row : TILE;
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)job->m, (int)job->b, (int)n, 1, job->q + row * job->ldq, (int)job->ldq,
                        job->w + row * job->ldw, (int)job->ldw, 0, tile, (int)job->b);
            for (size_t i = 0; i < mb; i++)
                job->part[p * mb + i] += (double)tile[i];
        }
    return 0;
}

int rec_tall_cross(double *h, const float *q, size_t ldq, size_t m, const float *w, size_t ldw, size_t b, size_t rows, unsigned threads,
                   struct rec_err *err)
{
    struct cross job = {.q = q, .w = w, .ldq = ldq, .m = m, .ldw = ldw, .b = b, .rows = rows, .tiles = rows / TILE + (rows % TILE != 0)};
    size_t mb;
    int rc = -1;

    job.parts = job.tiles < PARTS ? job.tiles : PARTS;
    threads = threads < 1 ? 1 : job.parts && job.parts < threads ? (unsigned)job.parts : threads;
    if (rec_size_mul(&mb, m, b) < 0)
        return rec_err_memory(err, "product");
    job.part = rec_calloc(mb, job.parts * sizeof *job.part, "product", err);
    job.scratch = rec_malloc(mb, threads * sizeof *job.scratch, "product", err);
    if (!job.part || !job.scratch)
        goto out;
    openblas_set_num_threads(1);
    if (mb > 0 && rec_pool_run(threads, job.parts, 1, cross_part, &job, err) < 0)
        goto out;
    memset(h, 0, mb * sizeof *h);
    for (size_t p = 0; p < job.parts; p++)
        for (size_t i = 0; i < mb; i++)
            h[i] += job.part[p * mb + i];
    rc = 0;
out:
    free(job.part);
    free(job.scratch);
    return rc;
}

/* Both functions below: a tile of y from a tile of q. */
struct times {
    float *y, *scratch; /* scratch [threads, TILE, m] where q is y itself; else NULL */
    const float *q, *h;
    size_t ldy, ldq, m, b;
    float alpha, beta;
};

static int times_tile(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct times *job = context;
    const float *q = job->q + begin * job->ldq;
    size_t ldq = job->ldq;

    (void)err;
    if (job->scratch) {
        float *old = job->scratch + (size_t)thread * TILE * job->m;
        for (size_t r = 0; r < end - begin; r++)
            memcpy(old + r * job->m, q + r * ldq, job->m * sizeof *old);
        q = old;
        ldq = job->m;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)(end - begin), (int)job->b, (int)job->m, job->alpha, q, (int)ldq,
                job->h, (int)job->b, job->beta, job->y + begin * job->ldy, (int)job->ldy);
    return 0;
}

static int times(struct times *job, const double *h, size_t rows, bool in_place, unsigned threads, struct rec_err *err)
{
    size_t mb, tile;
    float *single = NULL;
    int rc = -1;

    if (rec_size_mul(&mb, job->m, job->b) < 0 || rec_size_mul(&tile, job->m, TILE) < 0)
        return rec_err_memory(err, "product");
    if (mb == 0)
        return 0;
    single = rec_malloc(mb, sizeof *single, "product", err);
    if (in_place)
        job->scratch = rec_malloc(tile, (threads ? threads : 1) * sizeof *job->scratch, "product", err);
    if (!single || (in_place && !job->scratch))
        goto out;
    for (size_t i = 0; i < mb; i++)
        single[i] = (float)h[i];
    job->h = single;
    openblas_set_num_threads(1);
    rc = rec_pool_run(threads, rows, TILE, times_tile, job, err);
out:
    free(single);
    free(job->scratch);
    return rc;
}

int rec_tall_add(float *y, size_t ldy, double alpha, const float *q, size_t ldq, size_t m, const double *h, size_t b, size_t rows,
                 unsigned threads, struct rec_err *err)
{
    struct times job = {.y = y, .ldy = ldy, .q = q, .ldq = ldq, .m = m, .b = b, .alpha = (float)alpha, .beta = 1};

    return times(&job, h, rows, false, threads, err);
}

int rec_tall_rotate(float *q, size_t ldq, size_t m, const double *h, size_t b, size_t rows, unsigned threads, struct rec_err *err)
{
    struct times job = {.y = q, .ldy = ldq, .q = q, .ldq = ldq, .m = m, .b = b, .alpha = 1, .beta = 0};

    return times(&job, h, rows, true, threads, err);
}
