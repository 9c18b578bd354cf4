/* SPDX-License-Identifier: MIT
 *
 * Many tests at once (Holm, Scandinavian Journal of Statistics 6(2), 1979): the k-th smallest of m p is multiplied by m - k + 1, and is no less than the one
 * before it. Whoever calls those below 0.05 significant is wrong about any of them with a probability of at most 0.05.
 */
#include <rec/eval.h>

#include <math.h>
#include <stdlib.h>

struct place {
    double p;
    size_t at;
};

static int ascending(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return x->p < y->p ? -1 : x->p > y->p ? 1 : x->at < y->at ? -1 : x->at > y->at;
}

int rec_holm_adjust(double *p, size_t n, struct rec_err *err)
{
    struct place *order = rec_malloc(n ? n : 1, sizeof *order, "tests", err);
    size_t known = 0;
    double last = 0;

    if (!order)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (!isnan(p[i]))
            order[known++] = (struct place){p[i], i};
    qsort(order, known, sizeof *order, ascending);
    for (size_t k = 0; k < known; k++) {
        last = fmax(last, fmin(1, order[k].p * (double)(known - k)));
        p[order[k].at] = last;
    }
    free(order);
    return 0;
}
