/* SPDX-License-Identifier: MIT
 *
 * What to try next: tree-structured Parzen estimators (Bergstra et al. 2011), with kernels over all parameters together (BOHB, Falkner et al. 2018).
 *
 * A kernel is a normal around a trial, cut off at the ends of [0, 1], in each range, and in each list the trial's value with 1 - OTHER of the weight.
 */
#include <rec/tune.h>

#include <math.h>

enum { CANDIDATES = 64, GOOD_MAX = 25 };
static const double GOOD_SHARE = 0.2, OTHER = 0.3, WIDTH = 0.12, WIDTH_MIN = 0.02;

void rec_tpe_random(double *param, const struct rec_space *space, uint64_t seed, uint64_t trial)
{
    struct rec_rng rng;

    rec_rng_seed(&rng, seed, trial);
    for (size_t d = 0; d < space->n; d++) {
        double u = rec_rng_uniform(&rng);
        param[d] = rec_space_value(&space->dim[d], space->dim[d].n > 0 ? u * (double)space->dim[d].n : u);
    }
}

/* A mixture: a kernel for each of n trials, and a uniform one. */
struct mixture {
    const struct rec_space *space;
    const double *at;      /* [n, space->n] places */
    size_t n;
    double width;
};

static struct mixture make(const struct rec_space *space, const double *at, size_t n)
{
    struct mixture m = {.space = space, .at = at, .n = n};

    m.width = n ? WIDTH * pow((double)n, -1.0 / ((double)space->n_free + 4)) : 1;
    m.width = m.width < WIDTH_MIN ? WIDTH_MIN : m.width;
    return m;
}

static double normal_share(double mean, double width)
{
    return 0.5 * (erf((1 - mean) / (width * M_SQRT2)) - erf((0 - mean) / (width * M_SQRT2)));
}

/* The density of one kernel at x. */
static double kernel(const struct mixture *m, const double *centre, const double *x)
{
    double p = 1;

    for (size_t d = 0; d < m->space->n; d++) {
        const struct rec_space_dim *dim = &m->space->dim[d];
        if (!rec_space_free(dim))
            continue;
        if (dim->n > 0) {
            p *= (x[d] == centre[d] ? 1 - OTHER : 0) + OTHER / (double)dim->n;
        } else {
            double z = (x[d] - centre[d]) / m->width;
            p *= exp(-0.5 * z * z) / (m->width * 2.5066282746310002 * normal_share(centre[d], m->width));
        }
    }
    return p;
}

static double density(const struct mixture *m, const double *x)
{
    double p = 1;

    for (size_t d = 0; d < m->space->n; d++)
        p /= m->space->dim[d].n > 0 ? (double)m->space->dim[d].n : 1;
    for (size_t i = 0; i < m->n; i++)
        p += kernel(m, m->at + i * m->space->n, x);
    return p / (double)(m->n + 1);
}

/* A normal number around `mean` that lies within [0, 1]. */
static double draw_normal(struct rec_rng *rng, double mean, double width)
{
    for (int i = 0; i < 1000; i++) {
        double x = mean + width * rec_rng_normal(rng);
        if (x >= 0 && x <= 1)
            return x;
    }
    return mean;
}

/* A draw from the mixture. */
static void draw(double *x, const struct mixture *m, struct rec_rng *rng)
{
    size_t which = (size_t)rec_rng_below(rng, m->n + 1);
    const double *centre = which < m->n ? m->at + which * m->space->n : NULL;

    for (size_t d = 0; d < m->space->n; d++) {
        const struct rec_space_dim *dim = &m->space->dim[d];
        if (!rec_space_free(dim))
            x[d] = 0;
        else if (dim->n > 0)
            x[d] = centre && rec_rng_uniform(rng) >= OTHER ? centre[d] : (double)rec_rng_below(rng, dim->n);
        else
            x[d] = centre ? draw_normal(rng, centre[d], m->width) : rec_rng_uniform(rng);
    }
}

int rec_tpe_propose(double *param, const struct rec_space *space, const double *const *seen, size_t n_done, size_t n, uint64_t seed, uint64_t trial,
                    struct rec_err *err)
{
    size_t cells, good = (size_t)ceil(GOOD_SHARE * (double)n_done);
    double x[REC_PARAM_MAX], best[REC_PARAM_MAX] = {0}, top = -1, *at;
    struct rec_rng rng;

    good = good > GOOD_MAX ? GOOD_MAX : good;
    if (rec_size_mul(&cells, n, space->n) < 0 || !(at = rec_malloc(cells, sizeof *at, "trials", err)))
        return rec_err_memory(err, "trials");
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < space->n; d++)
            at[i * space->n + d] = rec_space_at(&space->dim[d], seen[i][d]);
    struct mixture of_good = make(space, at, good), of_rest = make(space, at + good * space->n, n - good);
    rec_rng_seed(&rng, seed, trial);
    for (int c = 0; c < CANDIDATES; c++) {
        draw(x, &of_good, &rng);
        double ratio = density(&of_good, x) / density(&of_rest, x);
        if (ratio > top) {
            top = ratio;
            memcpy(best, x, sizeof best);
        }
    }
    for (size_t d = 0; d < space->n; d++)
        param[d] = rec_space_value(&space->dim[d], best[d]);
    free(at);
    return 0;
}
