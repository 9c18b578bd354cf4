/* SPDX-License-Identifier: MIT
 *
 * Products with tall matrices, by BLAS in fixed tiles of rows.
 *
 * A threaded BLAS cuts a product by the number of its threads, so the last bits of a sum depend on that number. Here the cut depends
 * on the shape alone: the Gramian of at most PARTS runs of whole tiles, each summed in double in the order of its tiles, then the parts
 * in order. One float tile is short enough (512 terms a sum) that its rounding stays near 1e-6 of the greatest entry.
 */
#include <rec/linalg.h>

#include <cblas.h>

enum { TILE = 512, PARTS = 16 };

struct gramian {
    double *part;       /* [parts, f, f] */
    float *scratch;     /* [threads, f, f] */
    const float *y;
    size_t rows, f, tiles, parts;
};

/* The upper triangle of part `begin`: the tiles from begin/parts to (begin+1)/parts of all. */
static int gramian_part(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct gramian *job = context;
    size_t f = job->f;
    float *tile = job->scratch + (size_t)thread * f * f;

    (void)err;
    for (size_t p = begin; p < end; p++) {
        double *sum = job->part + p * f * f;
        for (size_t t = p * job->tiles / job->parts; t < (p + 1) * job->tiles / job->parts; t++) {
            size_t row = t * TILE, n = job->rows - row < TILE ? job->rows - row : TILE;
            cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)f, (int)n, 1, job->y + row * f, (int)f, 0, tile, (int)f);
            for (size_t i = 0; i < f; i++)
                for (size_t j = i; j < f; j++)
                    sum[i * f + j] += (double)tile[i * f + j];
        }
    }
    return 0;
}

int rec_dense_gramian(double *g, const float *y, size_t rows, size_t f, unsigned threads, struct rec_err *err)
{
    struct gramian job = {.y = y, .rows = rows, .f = f, .tiles = rows / TILE + (rows % TILE != 0)};
    size_t ff;
    int rc = -1;

    job.parts = job.tiles < PARTS ? job.tiles : PARTS;
    if (rec_size_mul(&ff, f, f) < 0)
        return rec_err_set(err, "gramian: %zu factors are too many", f);
    if (job.parts < threads)
        threads = job.parts ? (unsigned)job.parts : 1;
    memset(g, 0, ff * sizeof *g);
    job.part = rec_calloc(ff, job.parts * sizeof *job.part, "gramian", err);
    job.scratch = rec_malloc(ff, threads * sizeof *job.scratch, "gramian", err);
    if (!job.part || !job.scratch)
        goto out;
    openblas_set_num_threads(1);
    if (rec_pool_run(threads, job.parts, 1, gramian_part, &job, err) < 0)
        goto out;
    for (size_t p = 0; p < job.parts; p++)
        for (size_t i = 0; i < ff; i++)
            g[i] += job.part[p * ff + i];
    for (size_t i = 0; i < f; i++)
        for (size_t j = 0; j < i; j++)
            g[i * f + j] = g[j * f + i];
    rc = 0;
out:
    free(job.part);
    free(job.scratch);
    return rc;
}

struct rotate {
    float *y, *scratch; /* scratch [threads, TILE, f] */
    const float *q;
    size_t rows, f;
};

static int rotate_tile(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct rotate *job = context;
    size_t f = job->f;
    float *old = job->scratch + (size_t)thread * TILE * f;
    float *y = job->y + begin * f;

    (void)err;
    memcpy(old, y, (end - begin) * f * sizeof *y);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)(end - begin), (int)f, (int)f, 1, old, (int)f, job->q, (int)f, 0, y, (int)f);
    return 0;
}

int rec_dense_rotate(float *y, size_t rows, size_t f, const double *q, unsigned threads, struct rec_err *err)
{
    struct rotate job = {.y = y, .rows = rows, .f = f};
    float *single = NULL;
    size_t ff, tile;
    int rc = -1;

    if (rec_size_mul(&ff, f, f) < 0 || rec_size_mul(&tile, f, TILE) < 0)
        return rec_err_set(err, "rotation: %zu factors are too many", f);
    single = rec_malloc(ff, sizeof *single, "rotation", err);
    job.scratch = rec_malloc(tile, (threads ? threads : 1) * sizeof *job.scratch, "rotation", err);
    if (!single || !job.scratch)
        goto out;
    for (size_t i = 0; i < ff; i++)
        single[i] = (float)q[i];
    job.q = single;
    openblas_set_num_threads(1);
    rc = rec_pool_run(threads, rows, TILE, rotate_tile, &job, err);
out:
    free(single);
    free(job.scratch);
    return rc;
}

const char *rec_dense_blas(void)
{
    return openblas_get_config();
}
