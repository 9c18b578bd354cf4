/* SPDX-License-Identifier: MIT
 *
 * build/bench/kernels [SET]: the kernels, or those of one set, against sgemm of the BLAS this is linked with, side by side
 * on one thread. `make bench-kernels` makes and runs it.
 * Every figure is the best of several turns, turns of all kernels taken in rotation, because the machine may be busy.
 * GFLOP/s count the operations of the mathematics (the caption says which), not those really done.
 */
#include <cblas.h>
#include <math.h>

#include <rec/kernels.h>

void openblas_set_num_threads(int n);

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *random_floats(size_t n)
{
    static uint64_t s = 88172645463325252u;
    float *p = aligned_alloc(64, (n * sizeof *p + 63) / 64 * 64);

    for (size_t i = 0; p && i < n; i++) {
        s ^= s << 13, s ^= s >> 7, s ^= s << 17;
        p[i] = (float)(s >> 40) / 16777216.0f - 0.5f;
    }
    if (!p)
        abort();
    return p;
}

/* What all measurements work on: items, a tile of users, one row of every length. */
enum { ITEMS = 40981, USERS = 128, LONGEST = 2000, SQUARE = 768 };

struct bench {
    size_t f, n, k;
    float *v, *u, *c, *x, *d, *w, *a, *b, *spd;
    int32_t *idx;
    void *mem, *scratch;
    struct rec_topk_panels panels;
    struct rec_topk_hit *hit;
    size_t *count;
    int steps;
};

static double flop_peak(const struct bench *t) { return 2.0 * SQUARE * SQUARE * SQUARE + 0 * (double)t->f; }
static double flop_gemm(const struct bench *t) { return 2.0 * USERS * ITEMS * (double)t->f; }
static double flop_gemv(const struct bench *t) { return 2.0 * ITEMS * (double)t->f; }
static double flop_scan(const struct bench *t) { return ITEMS + 0 * (double)t->f; } /* one comparison a score */
static double flop_normal(const struct bench *t) { return (double)(t->n * t->f * t->f); }
static double flop_spd(const struct bench *t) { return (double)(t->f * t->f * t->f) / 3; }
static double flop_cg(const struct bench *t) { return 4.0 * (double)(t->n * t->f) * (t->steps + 1); }
static double flop_solve(const struct bench *t)
{
    double n = (double)t->n, f = (double)t->f;
    return n <= f ? n * n * f + n * n * n / 3 : n * f * f + f * f * f / 3;
}

static void run_sgemm(struct bench *t)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, USERS, ITEMS, (int)t->f, 1, t->u, (int)t->f, t->v, (int)t->f, 0, t->c,
                ITEMS);
}

/* What sgemm does best: large, square, out of the second-level cache. */
static void run_peak(struct bench *t)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SQUARE, SQUARE, SQUARE, 1, t->v, SQUARE, t->v + SQUARE * SQUARE, SQUARE, 0,
                t->c, SQUARE);
}

static void run_score(struct bench *t)
{
    rec_topk_score(t->c, ITEMS, &t->panels, 0, ITEMS, t->u, t->f, USERS, t->scratch);
}

static void run_tile(struct bench *t)
{
    rec_topk_tile(t->hit, t->count, t->k, &t->panels, t->u, t->f, USERS, NULL, NULL, t->scratch);
}

static void run_gemv(struct bench *t)
{
    rec_kernels_gemv(t->c, t->v, ITEMS, t->f, t->f, t->u, NULL);
}

static void run_scan(struct bench *t)
{
    rec_topk_scan(t->hit, t->k, t->c, ITEMS, NULL, NULL);
}

static struct rec_ridge_rows rows(const struct bench *t)
{
    return (struct rec_ridge_rows){.v = t->v, .ld = t->f, .f = t->f, .idx = t->idx, .n = t->n, .w = t->w, .c = t->w};
}

static void run_normal(struct bench *t)
{
    struct rec_ridge_rows r = rows(t);
    rec_ridge_normal(t->a, t->b, &r, NULL, 0, t->d, t->scratch);
}

static void run_spd(struct bench *t)
{
    memcpy(t->a, t->spd, t->f * rec_ridge_ld(t->f) * sizeof(float));
    memcpy(t->b, t->u, t->f * sizeof(float));
    if (rec_ridge_spd(t->a, t->b, t->f) < 0)
        abort();
}

static void run_solve_as(struct bench *t, enum rec_ridge_form form)
{
    struct rec_ridge_rows r = rows(t);
    if (rec_ridge_solve(t->b, &r, t->d, form, t->scratch) < 0)
        abort();
}

static void run_primal(struct bench *t) { run_solve_as(t, REC_RIDGE_PRIMAL); }
static void run_dual(struct bench *t) { run_solve_as(t, REC_RIDGE_DUAL); }
static void run_solve(struct bench *t) { run_solve_as(t, REC_RIDGE_BEST); }

static void run_cg(struct bench *t)
{
    struct rec_ridge_rows r = rows(t);
    memset(t->b, 0, t->f * sizeof *t->b);
    rec_ridge_cg(t->b, &r, t->d, t->steps, 0, t->scratch);
}

struct kernel {
    const char *name;
    void (*run)(struct bench *t);
    double (*flop)(const struct bench *t);
    size_t f, n, k;
    const char *set; /* NULL: sgemm of the BLAS, of which the first is the peak */
    double best;
};

static void bench_init(struct bench *t, size_t f)
{
    size_t ld = rec_ridge_ld(f), scratch = rec_ridge_solve_scratch(f) + rec_ridge_cg_scratch(f) + rec_topk_tile_scratch(USERS, f);

    *t = (struct bench){.f = f, .steps = 3};
    t->v = random_floats(ITEMS * f);
    t->u = random_floats(USERS * f);
    t->c = random_floats((size_t)USERS * ITEMS);
    t->d = random_floats(f);
    t->w = random_floats(LONGEST);
    t->a = random_floats(ld * ld);
    t->spd = random_floats(ld * ld);
    t->b = random_floats(f);
    t->mem = random_floats(rec_topk_panels_size(ITEMS, f) / 4);
    t->scratch = random_floats(scratch / 4 + 16);
    t->idx = malloc(LONGEST * sizeof *t->idx);
    t->hit = malloc(USERS * 1000 * sizeof *t->hit);
    t->count = malloc(USERS * sizeof *t->count);
    for (size_t j = 0; j < LONGEST; j++) {
        t->idx[j] = (int32_t)(j * 7919 % ITEMS);
        t->w[j] += 1;
    }
    for (size_t i = 0; i < f; i++) {
        t->d[i] += 5;
        t->spd[i * ld + i] += (float)f;
    }
}

static void bench_clear(struct bench *t)
{
    float *all[] = {t->v, t->u, t->c, t->d, t->w, t->a, t->b, t->spd, t->mem, t->scratch};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    free(t->idx);
    free(t->hit);
    free(t->count);
}

/* Seconds of one run, repeated to fill some milliseconds. */
static double once(struct bench *t, const struct kernel *k)
{
    double spent = 0;
    long repeats = 1;

    t->n = k->n;
    t->k = k->k;
    if (k->set) {
        rec_kernels_use(k->set);
        if (k->run == run_score || k->run == run_tile)
            rec_topk_pack(&t->panels, t->mem, t->v, ITEMS, t->f, t->f, NULL);
    }
    for (;; repeats *= 2) { /* reading the clock costs as much as a small kernel */
        double start = now();
        for (long i = 0; i < repeats; i++)
            k->run(t);
        spent = now() - start;
        if (spent > 0.002)
            return spent / (double)repeats;
    }
}

static void table(size_t f, int turns, const char *only)
{
    static const struct kernel shapes[] = {
        {.name = "top-10, fused", .run = run_tile, .flop = flop_gemm, .k = 10},
        {.name = "top-100, fused", .run = run_tile, .flop = flop_gemm, .k = 100},
        {.name = "top-1000, fused", .run = run_tile, .flop = flop_gemm, .k = 1000},
        {.name = "score block", .run = run_score, .flop = flop_gemm},
        {.name = "gemv, all items", .run = run_gemv, .flop = flop_gemv},
        {.name = "scan, top-10", .run = run_scan, .flop = flop_scan, .k = 10},
        {.name = "normal equations", .run = run_normal, .flop = flop_normal, .n = 50},
        {.name = "normal equations", .run = run_normal, .flop = flop_normal, .n = 100},
        {.name = "normal equations", .run = run_normal, .flop = flop_normal, .n = 1000},
        {.name = "cholesky and solve", .run = run_spd, .flop = flop_spd},
        {.name = "ridge, best form", .run = run_solve, .flop = flop_solve, .n = 4},
        {.name = "ridge, best form", .run = run_solve, .flop = flop_solve, .n = 16},
        {.name = "ridge, best form", .run = run_solve, .flop = flop_solve, .n = 32},
        {.name = "ridge, dual", .run = run_dual, .flop = flop_solve, .n = 60},
        {.name = "ridge, primal", .run = run_primal, .flop = flop_solve, .n = 60},
        {.name = "ridge, best form", .run = run_solve, .flop = flop_solve, .n = 100},
        {.name = "ridge, best form", .run = run_solve, .flop = flop_solve, .n = 1000},
        {.name = "cg, 3 steps", .run = run_cg, .flop = flop_cg, .n = 16},
        {.name = "cg, 3 steps", .run = run_cg, .flop = flop_cg, .n = 100},
        {.name = "cg, 3 steps", .run = run_cg, .flop = flop_cg, .n = 1000},
    };
    enum { SHAPES = sizeof shapes / sizeof *shapes };
    struct kernel all[2 + 3 * SHAPES] = {
        {.name = "sgemm, peak", .run = run_peak, .flop = flop_peak, .best = INFINITY},
        {.name = "sgemm, score block", .run = run_sgemm, .flop = flop_gemm, .best = INFINITY},
    };
    size_t count = 2;
    struct bench t;
    const char *set;

    bench_init(&t, f);
    for (size_t s = 0; (set = rec_kernels_list(s)); s++)
        for (size_t i = 0; i < SHAPES && (!only || !strcmp(only, set)); i++) {
            all[count] = shapes[i];
            all[count].set = set;
            all[count++].best = INFINITY;
        }
    for (int turn = 0; turn < turns; turn++)
        for (size_t i = 0; i < count; i++)
            all[i].best = fmin(all[i].best, once(&t, all + i));
    for (size_t i = 0; i < count; i++) {
        char n[32] = "";
        t.n = all[i].n;
        if (t.n)
            snprintf(n, sizeof n, "n=%zu", t.n);
        double rate = all[i].flop(&t) / all[i].best / 1e9, peak = all[0].flop(&t) / all[0].best / 1e9;
        printf("%-4zu %-7s %-19s %-7s %10.2f us %8.1f GFLOP/s %5.0f %%\n", f, all[i].set ? all[i].set : "blas", all[i].name, n,
               all[i].best * 1e6, rate, 100 * rate / peak);
    }
    bench_clear(&t);
}

int main(int argc, char **argv)
{
    openblas_set_num_threads(1);
    table(64, 8, argc > 1 ? argv[1] : NULL);
    table(128, 8, argc > 1 ? argv[1] : NULL);
    return 0;
}
