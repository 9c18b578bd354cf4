/* SPDX-License-Identifier: MIT
 *
 * ials against its definition: the normal equations in double, built in full and solved by LAPACK, without rotation, dual form,
 * tiles or kernels, from the same first factors.
 */
#include <rec/linalg.h>
#include <rec/models.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { USERS = 60, ITEMS = 45, F = 12, PASSES = 3 };

struct setting {
    double regularization, exponent, alpha, unobserved;
    bool values;
};

/* One row: (a0 YᵀY + L s^v I + sum w y yᵀ) x = sum w y, where column `stride` apart holds the row's weights (0: unobserved). */
static void solve(double *x, const double *y, size_t n, const double *weight, size_t stride, const struct setting *s)
{
    double a[F * F] = {0}, b[F] = {0}, known = s->unobserved * (double)n;
    struct rec_err err = {0};

    for (size_t j = 0; j < n; j++) {
        double w = weight[j * stride];
        known += w;
        for (size_t p = 0; p < F; p++) {
            b[p] += w * y[j * F + p];
            for (size_t q = 0; q < F; q++)
                a[p * F + q] += (s->unobserved + w) * y[j * F + p] * y[j * F + q];
        }
    }
    for (size_t p = 0; p < F; p++)
        a[p * F + p] += s->regularization * pow(known, s->exponent);
    assert_int_equal(rec_solve_positive(a, b, F, &err), 0);
    memcpy(x, b, sizeof b);
}

/* Trains by the definition; x [USERS, F] and y [ITEMS, F]. Returns the loss. */
static double reference(double *x, double *y, const double *weight, const struct setting *s, uint64_t seed)
{
    double loss = 0;

    for (size_t i = 0; i < ITEMS; i++) {
        struct rec_rng rng;
        rec_rng_seed(&rng, seed, i + 1);
        for (size_t k = 0; k < F; k++)
            y[i * F + k] = (float)(0.1 / sqrt(F) * rec_rng_normal(&rng));
    }
    for (int pass = 0; pass < PASSES; pass++) {
        for (size_t i = 0; pass > 0 && i < ITEMS; i++)
            solve(y + i * F, x, USERS, weight + i, ITEMS, s);
        for (size_t u = 0; u < USERS; u++)
            solve(x + u * F, y, ITEMS, weight + u * ITEMS, 1, s);
    }
    for (size_t u = 0; u < USERS; u++)
        for (size_t i = 0; i < ITEMS; i++) {
            double score = 0, w = weight[u * ITEMS + i];
            for (size_t k = 0; k < F; k++)
                score += x[u * F + k] * y[i * F + k];
            loss += w * (1 - score) * (1 - score) + s->unobserved * score * score;
        }
    for (size_t u = 0; u < USERS; u++) {
        double known = s->unobserved * ITEMS, norm = 0;
        for (size_t i = 0; i < ITEMS; i++)
            known += weight[u * ITEMS + i];
        for (size_t k = 0; k < F; k++)
            norm += x[u * F + k] * x[u * F + k];
        loss += s->regularization * pow(known, s->exponent) * norm;
    }
    for (size_t i = 0; i < ITEMS; i++) {
        double known = s->unobserved * USERS, norm = 0;
        for (size_t u = 0; u < USERS; u++)
            known += weight[u * ITEMS + i];
        for (size_t k = 0; k < F; k++)
            norm += y[i * F + k] * y[i * F + k];
        loss += s->regularization * pow(known, s->exponent) * norm;
    }
    return loss;
}

static int keep_loss(void *context, const struct rec_progress *progress, struct rec_err *err)
{
    *(double *)context = progress->loss;
    (void)err;
    return 0;
}

static void check(const struct setting *s, const char *solver, double solver_value, const char *extra, double extra_value, double tolerance)
{
    static double weight[USERS * ITEMS], x[USERS * F], y[ITEMS * F];
    static int64_t ptr[USERS + 1];
    static int32_t item[USERS * ITEMS];
    static float value[USERS * ITEMS];
    struct rec_ratings r = {.n_users = USERS, .n_items = ITEMS, .user_ptr = ptr, .item = item, .value = value};
    const struct rec_model_type *type = rec_models_find("ials");
    const struct { const char *name; double value; } given[] = {
        {"factors", F}, {"passes", PASSES}, {"regularization", s->regularization}, {"exponent", s->exponent}, {"alpha", s->alpha},
        {"unobserved", s->unobserved}, {"weights", s->values}, {"deviation", 0.1}, {solver, solver_value}, {extra, extra_value},
    };
    double param[REC_PARAM_MAX], loss = 0, expected;
    struct rec_train_job job = {.ratings = &r, .param = param, .seed = 9, .threads = 2, .progress = keep_loss, .context = &loss};
    struct rec_model m = {0};
    struct rec_err err = {0};
    struct rec_rng rng;

    memset(weight, 0, sizeof weight);
    rec_rng_seed(&rng, 4, 0);
    for (size_t u = 0; u < USERS; u++) {
        for (size_t i = 0; i < ITEMS; i++)
            if (u != 5 && i != 7 && rec_rng_uniform(&rng) < (double)(u % 10) / 10) {
                item[r.nnz] = (int32_t)i;
                value[r.nnz] = (float)(1 + (u * i) % 4);
                weight[u * ITEMS + i] = s->alpha * (s->values ? value[r.nnz] : 1);
                r.nnz++;
            }
        ptr[u + 1] = (int64_t)r.nnz;
    }
    rec_models_defaults(type, param);
    for (size_t g = 0; g < REC_LENGTH(given); g++)
        for (size_t i = 0; type->params[i].name; i++)
            if (given[g].name && !strcmp(type->params[i].name, given[g].name))
                param[i] = given[g].value;
    expected = reference(x, y, weight, s, job.seed);
    if (type->train(&m, &job, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(fabs(loss * s->alpha - expected) < tolerance * expected);
    for (size_t u = 0; u < USERS; u++)
        for (size_t i = 0; i < ITEMS; i++) {
            double a = 0, b = 0;
            for (size_t k = 0; k < F; k++) {
                a += x[u * F + k] * y[i * F + k];
                b += (double)m.user_factors[u * F + k] * m.item_factors[i * F + k];
            }
            assert_true(fabs(a - b) < tolerance);
        }
    rec_model_clear(&m);
}

static const struct setting settings[] = {
    {.regularization = 0.01, .exponent = 1, .alpha = 1, .unobserved = 0.1},
    {.regularization = 0.1, .exponent = 0.5, .alpha = 4, .unobserved = 1, .values = true},
    {.regularization = 2, .exponent = 0, .alpha = 10, .unobserved = 0.5},
    {.regularization = 1e-4, .exponent = 1, .alpha = 1, .unobserved = 0.01},
};

static void test_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(settings); i++)
        check(&settings[i], "solver", 1, NULL, 0, 1e-3);
}

/* As many steps as coordinates, and one block of all coordinates, are exact too. */
static void test_other_solvers(void **state)
{
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(settings); i++) {
        check(&settings[i], "solver", 0, "steps", 4 * F, 5e-3);
        check(&settings[i], "solver", 2, "block", F, 1e-3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_other_solvers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
