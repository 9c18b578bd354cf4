/* SPDX-License-Identifier: MIT
 *
 * Whether people rate the same items as before: single items, which tells much of small samples' noise, and groups of about equal weight, which does
 * not.
 */
#include <rec/eval.h>

#include <math.h>
#include <stdlib.h>

struct ranked {
    uint64_t count;
    size_t item;
};

static int by_count(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    return x->count != y->count ? (x->count < y->count ? 1 : -1) : x->item < y->item ? -1 : x->item > y->item;
}

static double sum_of(const uint64_t *count, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)count[i];
    return sum;
}

/* An item belongs to the group in which the ratings of more popular items end. */
static void make_groups(uint32_t *group, uint64_t *then, size_t groups, const struct ranked *order, size_t n, double total)
{
    double before = 0;

    for (size_t k = 0; k < n; k++) {
        size_t g = order[k].count ? (size_t)((double)groups * before / total) : groups;
        before += (double)order[k].count;
        group[order[k].item] = (uint32_t)g;
        then[g] += order[k].count;
    }
}

int rec_popularity_groups(uint64_t *then, uint64_t *now, size_t groups, const uint64_t *reference, size_t n_reference, const uint64_t *current,
                          size_t n_current, const int32_t *to, struct rec_err *err)
{
    struct ranked *order = rec_malloc(n_reference + 1, sizeof *order, "items", err);
    uint32_t *group = rec_malloc(n_reference + 1, sizeof *group, "items", err);
    int rc = -1;

    if (!order || !group)
        goto out;
    for (size_t g = 0; g <= groups; g++)
        then[g] = now[g] = 0;
    for (size_t i = 0; i < n_reference; i++)
        order[i] = (struct ranked){reference[i], i};
    qsort(order, n_reference, sizeof *order, by_count);
    make_groups(group, then, groups, order, n_reference, sum_of(reference, n_reference));
    for (size_t i = 0; i < n_current; i++)
        now[to[i] >= 0 ? group[to[i]] : groups] += current[i];
    rc = 0;
out:
    free(order);
    free(group);
    return rc;
}

double rec_popularity_js(const uint64_t *reference, size_t n_reference, const uint64_t *current, size_t n_current, const int32_t *to)
{
    double n = sum_of(reference, n_reference), m = sum_of(current, n_current), sum = 0, matched = 0;

    for (size_t i = 0; i < n_current; i++) {
        double q = (double)current[i] / m, p = to[i] >= 0 ? (double)reference[to[i]] / n : 0, middle = (p + q) / 2;
        if (q == 0)
            continue;
        sum += q * log(q / middle) + (p > 0 ? p * log(p / middle) : 0);
        matched += p;
    }
    /* Of items that occur in the reference alone each adds p ln 2. */
    return sqrt(fmax(0, (sum + (1 - matched) * M_LN2) / 2));
}
