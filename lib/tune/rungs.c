/* SPDX-License-Identifier: MIT
 *
 * Which trials are worth going on with: asynchronous successive halving (Li et al., MLSys 2020).
 */
#include <rec/tune.h>

#include <math.h>

size_t rec_rungs_make(size_t *pass, size_t passes, double eta, size_t first)
{
    size_t n = 0, down[REC_RUNGS_MAX];

    if (!(eta >= 2))
        return 0;
    for (double at = (double)passes / eta; n < REC_RUNGS_MAX && ceil(at) >= (double)first && at > 0.5; at /= eta)
        if (ceil(at) < (double)(n ? down[n - 1] : passes))
            down[n++] = (size_t)ceil(at);
    for (size_t i = 0; i < n; i++)
        pass[i] = down[n - 1 - i];
    return n;
}

bool rec_rungs_keep(double own, const double *score, size_t n, double eta)
{
    size_t better = 0, room = (size_t)floor((double)n / eta);

    for (size_t i = 0; i < n; i++)
        better += score[i] > own;
    return better < (room > 1 ? room : 1);
}
