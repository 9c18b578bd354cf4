/* SPDX-License-Identifier: MIT
 *
 * Steps of stochastic gradient descent, of each set of kernels, against the formulas of the header in double precision.
 */
#include "reference.h"

#include <stdlib.h>
#include <string.h>

enum { USERS = 5, ITEMS = 12, SPARE = ITEMS, RUNS = 7, ENTRIES = 40 };

struct block {
    struct rec_sgd_block b;
    struct rec_sgd_run run[RUNS];
    int32_t item[ENTRIES], other[ENTRIES];
    float value[ENTRIES];
    size_t entries;
    float *p, *q, *m;
    struct rec_sgd_row user[USERS], row[ITEMS + 1];
};

static float *floats(size_t rows, size_t ld, size_t f)
{
    float *x = aligned_alloc(64, rows * ld * sizeof *x);

    for (size_t i = 0; i < rows * ld; i++)
        x[i] = i % ld < f ? random_float(-0.5F, 0.5F) : 0;
    return x;
}

/* Runs of 1 to RUNS items, so that every kind of tail is there. */
static void make(struct block *s, size_t f, bool history)
{
    size_t ld = (f + 15) / 16 * 16;

    memset(s, 0, sizeof *s);
    s->p = floats(USERS, ld, f);
    s->q = floats(ITEMS + 1, ld, f);
    s->m = floats(USERS, ld, f);
    memset(s->q + SPARE * ld, 0, ld * sizeof *s->q);
    for (size_t r = 0; r < RUNS; r++) {
        s->run[r] = (struct rec_sgd_run){.user = (int32_t)(r % USERS), .n = (int32_t)r + 1};
        for (size_t j = 0; j <= r; j++, s->entries++) {
            s->item[s->entries] = (int32_t)((3 * r + j) % ITEMS);
            s->other[s->entries] = (int32_t)(random_bits() % ITEMS);
            s->value[s->entries] = random_float(-2, 2);
        }
    }
    for (size_t i = 0; i < USERS; i++)
        s->user[i] = (struct rec_sgd_row){.bias = random_float(-1, 1), .squares = random_float(0, 9), .penalty = 0.3F, .penalty_bias = 0.1F};
    for (size_t i = 0; i < ITEMS; i++)
        s->row[i] = (struct rec_sgd_row){.bias = random_float(-1, 1), .squares = random_float(0, 9), .penalty = 0.2F, .penalty_bias = 0.4F};
    s->b = (struct rec_sgd_block){.run = s->run, .n_runs = RUNS, .item = s->item, .value = s->value, .other = s->other, .p = s->p, .q = s->q,
                                  .m = history ? s->m : NULL, .ld = ld, .spare = SPARE, .user_row = s->user, .item_row = s->row, .rate = 0.1F,
                                  .horizon = 0.05F, .most = 1.5F};
    rec_kernels_sgd_refresh(s->row, ITEMS + 1, s->b.rate, s->b.horizon);
}

static void clear(struct block *s)
{
    free(s->p);
    free(s->q);
    free(s->m);
}

/* ---- the same in double precision ---- */

struct exact {
    double p[USERS][160], q[ITEMS][160], user_bias[USERS], item_bias[ITEMS], user_squares[USERS], item_squares[ITEMS], sum;
};

static void start(struct exact *x, const struct block *s)
{
    memset(x, 0, sizeof *x);
    for (size_t k = 0; k < s->b.ld; k++) {
        for (size_t u = 0; u < USERS; u++)
            x->p[u][k] = s->p[u * s->b.ld + k];
        for (size_t i = 0; i < ITEMS; i++)
            x->q[i][k] = s->q[i * s->b.ld + k];
    }
    for (size_t u = 0; u < USERS; u++)
        x->user_bias[u] = s->user[u].bias, x->user_squares[u] = s->user[u].squares;
    for (size_t i = 0; i < ITEMS; i++)
        x->item_bias[i] = s->row[i].bias, x->item_squares[i] = s->row[i].squares;
}

static double product(const double *a, const double *b, const float *more, size_t ld)
{
    double sum = 0;

    for (size_t k = 0; k < ld; k++)
        sum += (a[k] + (more ? (double)more[k] : 0)) * b[k];
    return sum;
}

/* Four of a user's at a time: errors before any of them counts. */
static void exact_batch(struct exact *x, const struct block *s, size_t u, double rate, const int32_t *item, const float *value, size_t n)
{
    size_t ld = s->b.ld;
    const float *m = s->b.m ? s->b.m + u * ld : NULL;
    double error[4], before[160], step[160] = {0}, sum = 0;

    memcpy(before, x->p[u], sizeof before);
    for (size_t t = 0; t < n; t++) {
        error[t] = value[t] - x->user_bias[u] - x->item_bias[item[t]] - product(x->p[u], x->q[item[t]], m, ld);
        error[t] = fmin(fmax(error[t], -(double)s->b.most), (double)s->b.most);
    }
    for (size_t t = 0; t < n; t++) {
        const struct rec_sgd_row *row = s->row + item[t];
        double rate_i = (double)row->rate, *q = x->q[item[t]];
        for (size_t k = 0; k < ld; k++) {
            step[k] += error[t] * q[k];
            q[k] = q[k] / (1 + rate_i * (double)row->penalty) + rate_i * error[t] * (before[k] + (m ? (double)m[k] : 0));
        }
        x->item_bias[item[t]] = x->item_bias[item[t]] / (1 + rate_i * (double)row->penalty_bias) + rate_i * error[t];
        x->item_squares[item[t]] += error[t] * error[t];
        x->user_squares[u] += error[t] * error[t];
        x->sum += error[t] * error[t];
        sum += error[t];
    }
    for (size_t k = 0; k < ld; k++)
        x->p[u][k] = before[k] / (1 + (double)n * rate * (double)s->user[u].penalty) + rate * step[k];
    x->user_bias[u] = (x->user_bias[u] + rate * sum) / (1 + (double)n * rate * (double)s->user[u].penalty_bias);
}

/* ln(1 + e^-x) of pairs; an item may be in several of a batch. */
static void exact_pairs(struct exact *x, const struct block *s, size_t u, double rate, const int32_t *item, const int32_t *other, size_t n)
{
    double gain[4];

    for (size_t t = 0; t < n; t++) {
        double z = product(x->p[u], x->q[item[t]], NULL, s->b.ld) - product(x->p[u], x->q[other[t]], NULL, s->b.ld) + x->item_bias[item[t]] -
                   x->item_bias[other[t]];
        gain[t] = item[t] == other[t] ? 0 : 1 / (1 + exp(z));
        x->sum += log1p(exp(-z));
        x->user_squares[u] += gain[t] * gain[t];
    }
    for (size_t k = 0; k < s->b.ld; k++) {
        double before = x->p[u][k], next = before / (1 + (double)n * rate * (double)s->user[u].penalty);
        for (size_t t = 0; t < n; t++) {
            const struct rec_sgd_row *a = s->row + item[t], *b = s->row + other[t];
            double yes = x->q[item[t]][k], no = x->q[other[t]][k];
            next += rate * gain[t] * (yes - no);
            x->q[item[t]][k] = yes * (double)a->keep + gain[t] * (double)a->rate * before;
            x->q[other[t]][k] = no * (double)b->keep - gain[t] * (double)b->rate * before;
        }
        x->p[u][k] = next;
    }
    for (size_t t = 0; t < n; t++) {
        const struct rec_sgd_row *a = s->row + item[t], *b = s->row + other[t];
        if (item[t] == other[t])
            continue;
        x->item_bias[item[t]] = x->item_bias[item[t]] * (double)a->keep_bias + (double)a->rate * gain[t];
        x->item_bias[other[t]] = x->item_bias[other[t]] * (double)b->keep_bias - (double)b->rate * gain[t];
        x->item_squares[item[t]] += gain[t] * gain[t];
        x->item_squares[other[t]] += gain[t] * gain[t];
    }
}

static void exact_block(struct exact *x, const struct block *s, bool pairs)
{
    size_t at = 0;

    for (size_t r = 0; r < RUNS; at += (size_t)s->run[r++].n) {
        size_t u = (size_t)s->run[r].user, n = (size_t)s->run[r].n;
        double rate = (double)s->b.rate / sqrt(1 + x->user_squares[u] * (double)s->b.horizon);
        for (size_t j = 0; j < n; j += 4) {
            size_t left = n - j < 4 ? n - j : 4;
            if (pairs)
                exact_pairs(x, s, u, rate, s->item + at + j, s->other + at + j, left);
            else
                exact_batch(x, s, u, rate, s->item + at + j, s->value + at + j, left);
        }
    }
}

static void assert_near(float got, double want)
{
    if (!(fabs((double)got - want) <= 2e-5 * (1 + fabs(want))))
        fail_msg("%s: %.9g is not %.9g", rec_kernels_name(), (double)got, want);
}

static void compare(const struct block *s, const struct exact *x, double sum)
{
    size_t ld = s->b.ld;

    assert_near((float)sum, x->sum);
    for (size_t u = 0; u < USERS; u++) {
        assert_near(s->user[u].bias, x->user_bias[u]);
        assert_near(s->user[u].squares, x->user_squares[u]);
        for (size_t k = 0; k < ld; k++)
            assert_near(s->p[u * ld + k], x->p[u][k]);
    }
    for (size_t i = 0; i < ITEMS; i++) {
        assert_near(s->row[i].bias, x->item_bias[i]);
        assert_near(s->row[i].squares, x->item_squares[i]);
        for (size_t k = 0; k < ld; k++)
            assert_near(s->q[i * ld + k], x->q[i][k]);
    }
    for (size_t k = 0; k < ld; k++)
        assert_true(s->q[SPARE * ld + k] == 0);
    assert_true(s->row[SPARE].bias == 0 && s->row[SPARE].squares == 0);
}

static void check(size_t f, bool history, bool pairs)
{
    static struct exact x;
    struct block s;

    make(&s, f, history);
    start(&x, &s);
    exact_block(&x, &s, pairs);
    compare(&s, &x, pairs ? rec_kernels_sgd_pairs(&s.b) : rec_kernels_sgd(&s.b));
    clear(&s);
}

static void steps_follow_their_formulas(void **state)
{
    static const size_t lengths_here[] = {1, 15, 16, 17, 32, 64, 100, 128, 160};
    const char *name;

    (void)state;
    EACH_SET(name)
        for (size_t i = 0; i < sizeof lengths_here / sizeof *lengths_here; i++) {
            check(lengths_here[i], false, false);
            check(lengths_here[i], true, false);
            check(lengths_here[i], false, true);
        }
}

static void rates_fall_as_errors_add_up(void **state)
{
    struct rec_sgd_row row[3] = {{.squares = 0, .penalty = 2, .penalty_bias = 4}, {.squares = 30}, {.squares = 1e30F}};
    const char *name;

    (void)state;
    EACH_SET(name) {
        rec_kernels_sgd_refresh(row, 3, 0.5F, 0.1F);
        assert_near(row[0].rate, 0.5);
        assert_near(row[0].keep, 0.5);
        assert_near(row[0].keep_bias, 1 / 3.0);
        assert_near(row[1].rate, 0.25);
        assert_near(row[1].keep, 1);
        assert_true(row[2].rate >= 0 && row[2].rate < 1e-14F);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_follow_their_formulas),
        cmocka_unit_test(rates_fall_as_errors_add_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
