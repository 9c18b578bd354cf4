/* SPDX-License-Identifier: MIT
 *
 * Sparse rows times a tall dense matrix: each row of the product is a sum of rows of the dense one, in the order of the sparse row, so
 * that the cut into pieces cannot change a bit of it.
 */
#include <rec/linalg.h>

#include <rec/kernels.h>

enum { GRAIN = 64 };

struct product {
    float *out;
    const struct rec_sparse *a;
    const float *x;
    size_t k;
};

static int multiply(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct product *job = context;
    const struct rec_sparse *a = job->a;

    (void)thread;
    (void)err;
    for (size_t r = begin; r < end; r++) {
        float *out = job->out + r * job->k;
        memset(out, 0, job->k * sizeof *out);
        for (int64_t p = a->ptr[r]; p < a->ptr[r + 1]; p++)
            rec_kernels_axpy(out, a->value ? a->value[p] : 1, job->x + (size_t)a->index[p] * job->k, job->k);
    }
    return 0;
}

int rec_sparse_times(float *out, const struct rec_sparse *a, const float *x, size_t k, unsigned threads, struct rec_err *err)
{
    struct product job = {.out = out, .a = a, .x = x, .k = k};

    return rec_pool_run(threads, a->rows, GRAIN, multiply, &job, err);
}
