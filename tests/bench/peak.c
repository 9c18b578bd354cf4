/* SPDX-License-Identifier: MIT
 *
 * build/bench/peak: GFLOP/s of sgemm of 1024 x 1024 x 1024 in the BLAS this is linked with, on one thread by its CPU time: the best of
 * 20 turns. What training is measured against.
 */
#include <cblas.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(void)
{
    enum { N = 1024, TURNS = 20 };
    float *a = calloc(N * N, sizeof *a), *b = calloc(N * N, sizeof *b), *c = calloc(N * N, sizeof *c);
    double best = 0;

    if (!a || !b || !c)
        return 1;
    openblas_set_num_threads(1);
    for (int i = 0; i < N * N; i++)
        a[i] = b[i] = (float)(i % 7);
    for (int turn = 0; turn < TURNS; turn++) {
        double t = now();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, N, N, N, 1, a, N, b, N, 0, c, N);
        t = now() - t;
        best = 2e-9 * N * N * N / t > best ? 2e-9 * N * N * N / t : best;
    }
    printf("%.1f\n", best);
    free(a);
    free(b);
    free(c);
    return 0;
}
