/* SPDX-License-Identifier: MIT
 *
 * Normal equations, Cholesky, the primal and the dual form, conjugate gradients: against the same in double precision.
 */
#include "reference.h"

/* A row's problem with everything it needs; room is how many rows V has. */
struct problem {
    size_t f, n, ld, room;
    float *v, *w, *c, *d, *x;
    int32_t *idx;
    double *a, *b; /* the exact normal equations, full, with d on the diagonal; b becomes the exact solution */
    void *scratch;
    struct rec_ridge_rows rows;
};

static void problem_new(struct problem *p, size_t f, size_t n, float least_weight, float most)
{
    *p = (struct problem){.f = f, .n = n, .ld = f + random_bits() % 4, .room = n / 2 + 3};
    p->v = random_floats((p->room - 1) * p->ld + f, -1, 1);
    p->w = random_floats(n, least_weight, most);
    p->c = random_floats(n, 1, 2);
    p->d = random_floats(f, 0.5f, 30);
    p->x = fenced(f * sizeof(float));
    p->idx = fenced(n * sizeof *p->idx);
    for (size_t j = 0; j < n; j++)
        p->idx[j] = (int32_t)(random_bits() % p->room);
    p->a = calloc(f * f, sizeof(double));
    p->b = calloc(f, sizeof(double));
    p->rows = (struct rec_ridge_rows){.v = p->v, .ld = p->ld, .f = f, .idx = p->idx, .n = n, .w = p->w, .c = p->c};
}

static void problem_free(struct problem *p)
{
    free_floats(p->v, (p->room - 1) * p->ld + p->f);
    free_floats(p->w, p->n);
    free_floats(p->c, p->n);
    free_floats(p->d, p->f);
    free_floats(p->x, p->f);
    unfence(p->idx, p->n * sizeof *p->idx);
    free(p->a);
    free(p->b);
}

static double weight(const struct problem *p, size_t j)
{
    return p->rows.w ? p->rows.w[j] : 1;
}

static void exact_normal(struct problem *p)
{
    size_t f = p->f;

    memset(p->a, 0, f * f * sizeof *p->a);
    memset(p->b, 0, f * sizeof *p->b);
    for (size_t i = 0; i < f; i++)
        p->a[i * f + i] = p->d[i];
    for (size_t j = 0; j < p->n; j++) {
        const float *v = p->v + (size_t)p->idx[j] * p->ld;
        for (size_t i = 0; i < f; i++) {
            p->b[i] += (p->rows.c ? p->rows.c[j] : 0) * (double)v[i];
            for (size_t k = 0; k < f; k++)
                p->a[i * f + k] += weight(p, j) * v[i] * v[k];
        }
    }
}

/* Gaussian elimination in double; b becomes x. */
static void exact_solve(double *a, double *b, size_t f)
{
    for (size_t k = 0; k < f; k++)
        for (size_t i = k + 1; i < f; i++) {
            double m = a[i * f + k] / a[k * f + k];
            for (size_t j = k; j < f; j++)
                a[i * f + j] -= m * a[k * f + j];
            b[i] -= m * b[k];
        }
    for (size_t k = f; k-- > 0;) {
        for (size_t j = k + 1; j < f; j++)
            b[k] -= a[k * f + j] * b[j];
        b[k] /= a[k * f + k];
    }
}

static double difference(const float *x, const double *want, size_t f)
{
    double apart = 0, size = 1e-30;

    for (size_t i = 0; i < f; i++) {
        apart += (x[i] - want[i]) * (x[i] - want[i]);
        size += want[i] * want[i];
    }
    return sqrt(apart / size);
}

static void assert_solution(const struct problem *p, const char *how, double tolerance)
{
    double apart = difference(p->x, p->b, p->f);

    if (!(apart <= tolerance))
        fail_msg("%s %s: f = %zu, n = %zu: off by %g", rec_kernels_name(), how, p->f, p->n, apart);
}

static void check_normal(struct problem *p, int with_base)
{
    size_t f = p->f, ld = rec_ridge_ld(f);
    float *a = fenced(ld * ld * sizeof *a), *base = random_floats(f * (f + 1), -1, 1);
    void *scratch = fenced(rec_ridge_normal_scratch(f));

    memset(a, 0xff, ld * ld * sizeof *a); /* NaN: what is in A does not matter */
    rec_ridge_normal(a, p->x, &p->rows, with_base ? base : NULL, f + 1, with_base == 2 ? NULL : p->d, scratch);
    exact_normal(p);
    for (size_t i = 0; i < f; i++)
        for (size_t k = i; k < f; k++) {
            double want = p->a[i * f + k] + (with_base ? base[i * (f + 1) + k] : 0);
            want -= with_base == 2 && i == k ? p->d[i] : 0;
            assert_sum(a[i * ld + k], want, (double)p->n + 32, p->n + 2);
        }
    for (size_t i = 0; i < f; i++)
        assert_sum(p->x[i], p->b[i], 2 * (double)p->n, p->n);
    rec_ridge_normal(a, NULL, &p->rows, NULL, 0, NULL, scratch);
    free_floats(base, f * (f + 1));
    unfence(a, ld * ld * sizeof *a);
    unfence(scratch, rec_ridge_normal_scratch(f));
}

static void normal_equations(void **state)
{
    static const size_t ns[] = {0, 1, 3, 4, 5, 64, 65, 150};
    struct problem p;
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t i = 0; i < LENGTHS; i++)
            for (size_t n = 0; n < sizeof ns / sizeof *ns; n++) {
                problem_new(&p, lengths[i], ns[n], 0, 1);
                if (n == 3)
                    p.rows.w = NULL;
                check_normal(&p, (int)n % 3);
                problem_free(&p);
            }
}

static void check_spd(size_t f)
{
    size_t ld = rec_ridge_ld(f);
    float *a = fenced(ld * ld * sizeof *a);
    struct problem p;

    problem_new(&p, f, f + 20, 0, 1);
    exact_normal(&p);
    memset(a, 0xff, ld * ld * sizeof *a); /* only the upper triangle is given */
    for (size_t i = 0; i < f; i++) {
        p.x[i] = (float)p.b[i];
        p.b[i] = p.x[i];
        for (size_t k = i; k < f; k++)
            a[i * ld + k] = (float)(p.a[i * f + k]);
        for (size_t k = 0; k < f; k++)
            p.a[i * f + k] = (float)p.a[i * f + k];
    }
    exact_solve(p.a, p.b, f);
    assert_int_equal(rec_ridge_spd(a, p.x, f), 0);
    assert_solution(&p, "cholesky", 3e-5);
    problem_free(&p);
    unfence(a, ld * ld * sizeof *a);
}

static void cholesky_solves(void **state)
{
    const char *name;

    (void)state;
    EACH_SET(name) {
        for (size_t f = 0; f <= 130; f++)
            check_spd(f);
        check_spd(200);
        check_spd(333);
    }
}

/* One bad pivot anywhere, zero, negative or NaN, is found. */
static void cholesky_refuses(void **state)
{
    static const float bad[] = {0, -1, -INFINITY, NAN};
    static float a[64 * 64], b[50];
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t at = 0; at < 50; at++) {
            memset(a, 0, sizeof a);
            for (size_t i = 0; i < 50; i++) {
                a[i * rec_ridge_ld(50) + i] = i == at ? bad[at % 4] : 2;
                b[i] = 1;
            }
            assert_int_equal(rec_ridge_spd(a, b, 50), -1);
        }
}

static void check_solve(struct problem *p, enum rec_ridge_form form, const char *how, double tolerance)
{
    void *scratch = fenced(rec_ridge_solve_scratch(p->f));

    memset(scratch, 0xff, rec_ridge_solve_scratch(p->f));
    assert_int_equal(rec_ridge_solve(p->x, &p->rows, p->d, form, scratch), 0);
    assert_solution(p, how, tolerance);
    unfence(scratch, rec_ridge_solve_scratch(p->f));
}

static void primal_and_dual_agree(void **state)
{
    static const size_t ns[] = {0, 1, 2, 5, 8, 15, 16, 17, 30, 47, 64, 99, 130, 200};
    struct problem p;
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t i = 0; i < LENGTHS; i++)
            for (size_t n = 0; n < sizeof ns / sizeof *ns; n++) {
                problem_new(&p, lengths[i], ns[n], 0, 4);
                if (n == 5)
                    p.rows.w = NULL;
                if (n == 6)
                    p.rows.c = NULL;
                exact_normal(&p);
                exact_solve(p.a, p.b, p.f);
                check_solve(&p, REC_RIDGE_PRIMAL, "primal", 5e-5);
                check_solve(&p, REC_RIDGE_DUAL, "dual", 5e-5);
                check_solve(&p, REC_RIDGE_BEST, "best", 5e-5);
                problem_free(&p);
            }
}

/* Weights over eighteen decades, zeros among them, and diagonals over eight: the dual stays exact. */
static void dual_bears_any_weights(void **state)
{
    struct problem p;
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t n = 1; n <= 60; n += 7) {
            problem_new(&p, 64, n, 0, 1);
            for (size_t j = 0; j < n; j++)
                p.w[j] = j % 5 == 4 ? 0 : powf(10, random_float(-15, 3));
            for (size_t i = 0; i < p.f; i++)
                p.d[i] = powf(10, random_float(-1, 4));
            exact_normal(&p);
            exact_solve(p.a, p.b, p.f);
            check_solve(&p, REC_RIDGE_DUAL, "dual", 1e-3);
            problem_free(&p);
        }
}

static void check_cg(struct problem *p, int steps, int jacobi, double tolerance)
{
    void *scratch = fenced(rec_ridge_cg_scratch(p->f));

    memset(scratch, 0xff, rec_ridge_cg_scratch(p->f));
    for (size_t i = 0; i < p->f; i++)
        p->x[i] = random_float(-1, 1);
    rec_ridge_cg(p->x, &p->rows, p->d, steps, jacobi, scratch);
    assert_solution(p, jacobi ? "jacobi cg" : "cg", tolerance);
    rec_ridge_cg(p->x, &p->rows, p->d, 1, jacobi, scratch); /* at the solution it stays there */
    assert_solution(p, "one more step of cg", tolerance);
    unfence(scratch, rec_ridge_cg_scratch(p->f));
}

static void check_apply(struct problem *p)
{
    float *in = random_floats(p->f, -1, 1);

    rec_ridge_apply(p->x, &p->rows, p->d, in);
    for (size_t i = 0; i < p->f; i++) {
        double want = 0;
        for (size_t k = 0; k < p->f; k++)
            want += p->a[i * p->f + k] * in[k];
        assert_sum(p->x[i], want, 30 + (double)(p->n * p->f), 8);
    }
    free_floats(in, p->f);
}

static void conjugate_gradients(void **state)
{
    static const size_t ns[] = {0, 1, 5, 16, 17, 64, 129};
    struct problem p;
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t i = 0; i < LENGTHS; i++)
            for (size_t n = 0; n < sizeof ns / sizeof *ns; n++) {
                problem_new(&p, lengths[i], ns[n], 0, 1);
                exact_normal(&p);
                check_apply(&p);
                exact_solve(p.a, p.b, p.f);
                check_cg(&p, 60, 0, 1e-3);
                check_cg(&p, 60, 1, 1e-3);
                problem_free(&p);
            }
}

/* More rows than the panel holds. */
static void conjugate_gradients_of_long_rows(void **state)
{
    struct problem p;
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t f = 63; f < 66; f++) {
            problem_new(&p, f, 3001, 0, 1);
            exact_normal(&p);
            exact_solve(p.a, p.b, p.f);
            check_cg(&p, 40, 0, 1e-4);
            check_cg(&p, 40, 1, 1e-4);
            problem_free(&p);
        }
}

/* s steps minimise the quadratic over more and more directions: its value never rises. */
static void each_step_helps(void **state)
{
    struct problem p;
    const char *name;

    (void)state;
    EACH_SET(name) {
        problem_new(&p, 48, 30, 0, 10);
        exact_normal(&p);
        double before = INFINITY, *a = calloc(p.f * p.f, sizeof *a);
        memcpy(a, p.a, p.f * p.f * sizeof *a);
        exact_solve(p.a, p.b, p.f);
        for (int steps = 0; steps < 6; steps++) {
            void *scratch = fenced(rec_ridge_cg_scratch(p.f));
            double energy = 0;
            memset(p.x, 0, p.f * sizeof *p.x);
            rec_ridge_cg(p.x, &p.rows, p.d, steps, 1, scratch);
            for (size_t i = 0; i < p.f; i++)
                for (size_t k = 0; k < p.f; k++)
                    energy += (p.x[i] - p.b[i]) * a[i * p.f + k] * (p.x[k] - p.b[k]);
            assert_true(energy < before);
            before = energy;
            unfence(scratch, rec_ridge_cg_scratch(p.f));
        }
        free(a);
        problem_free(&p);
    }
}

/* Solutions do not depend on where anything lies. */
static void scratch_may_lie_anywhere(void **state)
{
    enum { F = 65 };
    struct problem p;
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t n = 20; n < 120; n += 60) {
            float x[3][F], first[3][F];
            char *scratch = calloc(rec_ridge_solve_scratch(F) + rec_ridge_cg_scratch(F) + 64, 1);
            problem_new(&p, F, n, 0, 1);
            for (size_t shift = 0; shift < 64; shift += 4) {
                memset(x, 0, sizeof x);
                rec_ridge_solve(x[0], &p.rows, p.d, REC_RIDGE_PRIMAL, scratch + shift);
                rec_ridge_solve(x[1], &p.rows, p.d, REC_RIDGE_BEST, scratch + shift);
                rec_ridge_cg(x[2], &p.rows, p.d, 3, 1, scratch + shift);
                if (shift)
                    assert_memory_equal(x, first, sizeof x);
                memcpy(first, x, sizeof x);
            }
            problem_free(&p);
            free(scratch);
        }
}

/* What follows in idx is fetched early, and changes nothing. */
static void rows_ahead_change_nothing(void **state)
{
    enum { F = 40, AHEAD = 30 };
    struct problem p;
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t n = 1; n < 200; n += 33) {
            float x[2][3][F] = {0};
            char *scratch = calloc(rec_ridge_solve_scratch(F) + rec_ridge_cg_scratch(F), 1);
            problem_new(&p, F, n + AHEAD, 0, 1);
            p.rows.n = n;
            for (size_t i = 0; i < 2; i++) {
                p.rows.ahead = i * AHEAD;
                rec_ridge_solve(x[i][0], &p.rows, p.d, REC_RIDGE_PRIMAL, scratch);
                rec_ridge_solve(x[i][1], &p.rows, p.d, REC_RIDGE_DUAL, scratch);
                rec_ridge_cg(x[i][2], &p.rows, p.d, 3, 0, scratch);
            }
            assert_memory_equal(x[0], x[1], sizeof x[0]);
            problem_free(&p);
            free(scratch);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_equations),
        cmocka_unit_test(cholesky_solves),
        cmocka_unit_test(cholesky_refuses),
        cmocka_unit_test(primal_and_dual_agree),
        cmocka_unit_test(dual_bears_any_weights),
        cmocka_unit_test(conjugate_gradients),
        cmocka_unit_test(conjugate_gradients_of_long_rows),
        cmocka_unit_test(each_step_helps),
        cmocka_unit_test(scratch_may_lie_anywhere),
        cmocka_unit_test(rows_ahead_change_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
