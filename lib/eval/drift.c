/* SPDX-License-Identifier: MIT
 *
 * How far two samples are apart. The statistics of numbers that need no bins (Kolmogorov-Smirnov, Wasserstein) come from one walk along both
 * distributions; the others from bins of the reference.
 */
#include <rec/eval.h>

#include <math.h>
#include <stdlib.h>

static const double empty_share = 1e-4, least_deviation = 1e-3;

/* ---- statistics of bins ---- */

static double sum_of(const uint64_t *count, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)count[i];
    return sum;
}

static double half_divergence(double share, double middle)
{
    return share > 0 ? share * log(share / middle) : 0;
}

static void binned(struct rec_drift *d)
{
    double n = sum_of(d->reference, d->n), m = sum_of(d->current, d->n), js = 0;
    size_t used = 0;

    d->n_reference = (uint64_t)n;
    d->n_current = (uint64_t)m;
    for (size_t i = 0; i < d->n; i++) {
        double a = (double)d->reference[i], b = (double)d->current[i], p = a / n, q = b / m, some_p = p > 0 ? p : empty_share,
               some_q = q > 0 ? q : empty_share;
        if (a + b == 0)
            continue;
        used++;
        d->psi += (some_q - some_p) * log(some_q / some_p);
        js += half_divergence(p, (p + q) / 2) + half_divergence(q, (p + q) / 2);
        /* What either row would have of this column if both had the same shares. */
        double expect_a = (a + b) * n / (n + m), expect_b = (a + b) * m / (n + m);
        d->chi2 += (a - expect_a) * (a - expect_a) / expect_a + (b - expect_b) * (b - expect_b) / expect_b;
    }
    d->js = sqrt(fmax(0, js / 2));
    d->chi2_df = used > 0 ? used - 1 : 0;
    d->chi2_p = d->chi2_df > 0 ? rec_tail_chi2(d->chi2, (double)d->chi2_df) : 1;
}

static int room_for(struct rec_drift *d, size_t n, bool numbers, struct rec_err *err)
{
    *d = (struct rec_drift){.ks = NAN, .ks_p = NAN, .wasserstein = NAN};
    d->reference = rec_calloc(n, sizeof *d->reference, "bins", err);
    d->current = rec_calloc(n, sizeof *d->current, "bins", err);
    d->low = numbers ? rec_calloc(n, sizeof *d->low, "bins", err) : NULL;
    d->high = numbers ? rec_calloc(n, sizeof *d->high, "bins", err) : NULL;
    if (d->reference && d->current && (!numbers || (d->low && d->high)))
        return 0;
    rec_drift_clear(d);
    return -1;
}

int rec_drift_classes(struct rec_drift *out, const uint64_t *reference, const uint64_t *current, size_t n, struct rec_err *err)
{
    if (sum_of(reference, n) == 0 || sum_of(current, n) == 0)
        return rec_err_set(err, "drift: one of the samples is empty");
    if (room_for(out, n, false, err) < 0)
        return -1;
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        out->reference[i] = reference[i];
        out->current[i] = current[i];
    }
    binned(out);
    return 0;
}

/* ---- numbers ---- */

/* Along the values of either, ascending. */
struct walk {
    const struct rec_distribution *a, *b;
    size_t i, j;
    double value, in_a, in_b;   /* the value, and how often either has it */
};

static bool step(struct walk *w)
{
    bool some_a = w->i < w->a->n, some_b = w->j < w->b->n;

    if (!some_a && !some_b)
        return false;
    w->value = some_a && (!some_b || w->a->value[w->i] <= w->b->value[w->j]) ? w->a->value[w->i] : w->b->value[w->j];
    w->in_a = some_a && w->a->value[w->i] == w->value ? (double)w->a->count[w->i++] : 0;
    w->in_b = some_b && w->b->value[w->j] == w->value ? (double)w->b->count[w->j++] : 0;
    return true;
}

static void unbinned(struct rec_drift *d, const struct rec_distribution *a, const struct rec_distribution *b)
{
    struct walk w = {.a = a, .b = b};
    double n = (double)a->total, m = (double)b->total, before = 0, p = 0, q = 0, area = 0, most = 0;
    bool first = true;

    while (step(&w)) {
        area += first ? 0 : fabs(p / n - q / m) * (w.value - before);
        p += w.in_a;
        q += w.in_b;
        most = fmax(most, fabs(p / n - q / m));
        before = w.value;
        first = false;
    }
    d->ks = most;
    d->ks_p = rec_tail_kolmogorov(most, fmax(1, round(n * m / (n + m))));
    d->wasserstein = area / fmax(rec_distribution_deviation(a), least_deviation);
}

/* The greatest value of each bin: the quantiles of the reference, each once. */
static size_t edges(double *high, const struct rec_distribution *a, size_t bins)
{
    double so_far = (double)a->count[0];
    size_t i = 0, n = 0;

    for (size_t k = 1; k <= bins; k++) {
        while (i + 1 < a->n && so_far * (double)bins < (double)k * (double)a->total)
            so_far += (double)a->count[++i];
        if (n == 0 || a->value[i] > high[n - 1])
            high[n++] = a->value[i];
    }
    return n;
}

/* Each distinct value of either is a bin; 0 when they are more than `bins`. */
static size_t distinct(double *high, const struct rec_distribution *a, const struct rec_distribution *b, size_t bins)
{
    struct walk w = {.a = a, .b = b};
    size_t n = 0;

    while (step(&w)) {
        if (n == bins)
            return 0;
        high[n++] = w.value;
    }
    return n;
}

static void fill(struct rec_drift *d, const struct rec_distribution *a, const struct rec_distribution *b)
{
    struct walk w = {.a = a, .b = b};
    size_t bin = 0;
    double *low = d->low, *high = d->high;
    bool fresh = true;

    while (step(&w)) {
        while (bin + 1 < d->n && w.value > high[bin])
            bin++, fresh = true;
        if (fresh)
            low[bin] = w.value;
        fresh = false;
        d->reference[bin] += (uint64_t)w.in_a;
        d->current[bin] += (uint64_t)w.in_b;
        if (bin + 1 == d->n)
            high[bin] = w.value;
    }
}

int rec_drift_numbers(struct rec_drift *out, const struct rec_distribution *reference, const struct rec_distribution *current, size_t bins,
                      struct rec_err *err)
{
    if (reference->total == 0 || current->total == 0)
        return rec_err_set(err, "drift: one of the samples is empty");
    if (room_for(out, bins, true, err) < 0)
        return -1;
    out->n = distinct(out->high, reference, current, bins);
    if (out->n == 0)
        out->n = edges(out->high, reference, bins);
    fill(out, reference, current);
    binned(out);
    unbinned(out, reference, current);
    return 0;
}

void rec_drift_clear(struct rec_drift *drift)
{
    free(drift->low);
    free(drift->high);
    free(drift->reference);
    free(drift->current);
    *drift = (struct rec_drift){0};
}
