/* SPDX-License-Identifier: MIT
 *
 * Scores at a time, and how sure they are.
 *
 * A model may have a vector for each bin of a date, of a position in the user's history and of a pace. What user_factors and user_bias hold is the
 * user at their last rating; for another time the vectors of its bins take the place of those of that:
 *
 *     score(u, i, t) = score(u, i) + <x_u - c + x_i, d - c> + terms(d) - terms(c)
 *
 * with d the sum of the vectors of t's bins, c that of the user's last rating, and terms() their biases and the products among them.
 */
#include <rec/score.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HALF_A_MINUTE = 30 };

size_t rec_context_bin(const int64_t *edge, size_t edges, int64_t value)
{
    size_t low = 0, high = edges;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (edge[middle] <= value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many are before t. */
static size_t before(const int64_t *sorted, size_t n, int64_t t)
{
    return t == INT64_MIN ? 0 : rec_context_bin(sorted, n, t - 1);
}

void rec_context_values(int64_t value[REC_CONTEXTS], const int64_t *sorted, size_t n, int64_t time)
{
    int64_t from = time < INT64_MIN + HALF_A_MINUTE ? INT64_MIN : time - HALF_A_MINUTE,
            to = time > INT64_MAX - HALF_A_MINUTE ? INT64_MAX : time + HALF_A_MINUTE;

    value[REC_CONTEXT_DATE] = time;
    value[REC_CONTEXT_POSITION] = (int64_t)(before(sorted, n, time) + rec_context_bin(sorted, n, time));
    value[REC_CONTEXT_PACE] = (int64_t)(rec_context_bin(sorted, n, to) - before(sorted, n, from));
}

void rec_context_rows(size_t row[REC_CONTEXTS], const struct rec_context *c, const int64_t *sorted, size_t n, const int64_t *time)
{
    int64_t value[REC_CONTEXTS];
    size_t first = 0;

    /* After the last rating: behind all of them. Of nobody: the latest time there is, and no ratings before it. */
    rec_context_values(value, sorted, n, time ? *time : n ? sorted[n - 1] : INT64_MAX);
    if (!time)
        value[REC_CONTEXT_POSITION] = (int64_t)(2 * n);
    for (size_t k = 0; k < REC_CONTEXTS; k++) {
        row[k] = c->bins[k] ? first + rec_context_bin(c->edge[k], c->bins[k] - 1, value[k]) : SIZE_MAX;
        first += c->bins[k];
    }
}

double rec_context_terms(float *sum, const struct rec_context *c, size_t factors, const size_t row[REC_CONTEXTS])
{
    double terms = 0;

    memset(sum, 0, factors * sizeof *sum);
    for (size_t k = 0; k < REC_CONTEXTS; k++) {
        if (row[k] == SIZE_MAX)
            continue;
        const float *x = c->factors + row[k] * factors;
        terms += c->bias[row[k]] + rec_kernels_dot(sum, x, factors);
        rec_kernels_axpy(sum, 1, x, factors);
    }
    return terms;
}

double rec_context_shift(const struct rec_model *m, size_t u, size_t i, int64_t time, float *sum)
{
    const struct rec_context *c = &m->context;
    const int64_t *sorted = c->seen_time + m->seen_ptr[u];
    size_t f = m->factors, n = (size_t)(m->seen_ptr[u + 1] - m->seen_ptr[u]), row[REC_CONTEXTS];
    const float *user = m->user_factors + u * f, *item = m->item_factors + i * f;
    float *last = sum + f;
    double terms;

    rec_context_rows(row, c, sorted, n, NULL);
    terms = -rec_context_terms(last, c, f, row);
    rec_context_rows(row, c, sorted, n, &time);
    terms += rec_context_terms(sum, c, f, row);
    for (size_t k = 0; k < f; k++)
        sum[k] -= last[k];
    return terms + rec_kernels_dot(user, sum, f) - rec_kernels_dot(last, sum, f) + rec_kernels_dot(item, sum, f);
}

/* ---- the file ---- */

static const char *const edges[REC_CONTEXTS] = {"date_edges", "position_edges", "pace_edges"};

static int load_edges(struct rec_context *c, const struct rec_safetensors *file, size_t k, struct rec_err *err)
{
    uint64_t n;

    if (!rec_safetensors_find(file, edges[k]))
        return 0;
    c->edge[k] = rec_safetensors_get(file, edges[k], REC_I64, 1, &n, err);
    if (!c->edge[k])
        return -1;
    for (uint64_t e = 1; e < n; e++)
        if (c->edge[k][e - 1] >= c->edge[k][e])
            return rec_err_set(err, "%s: tensor %s does not ascend", file->name, edges[k]);
    c->bins[k] = (size_t)n + 1;
    return 0;
}

static int load_times(struct rec_context *c, const struct rec_safetensors *file, const int64_t *ptr, size_t users, struct rec_err *err)
{
    uint64_t n;

    c->seen_time = rec_safetensors_get(file, "seen_time", REC_I64, 1, &n, err);
    if (!c->seen_time)
        return -1;
    if (n != (uint64_t)ptr[users])
        return rec_err_set(err, "%s: tensor seen_time has %" PRIu64 " elements for %" PRId64 " pairs", file->name, n, ptr[users]);
    for (size_t u = 0; u < users; u++)
        for (int64_t p = ptr[u] + 1; p < ptr[u + 1]; p++)
            if (c->seen_time[p - 1] > c->seen_time[p])
                return rec_err_set(err, "%s: tensor seen_time falls within a row", file->name);
    return 0;
}

static const float *load_floats(const struct rec_safetensors *file, const char *name, int dimensions, const uint64_t shape[2], struct rec_err *err)
{
    uint64_t got[2] = {0, 1};
    const float *x = rec_safetensors_get(file, name, REC_F32, dimensions, got, err);

    if (!x)
        return NULL;
    if (got[0] != shape[0] || (dimensions == 2 && got[1] != shape[1])) {
        rec_err_set(err, "%s: tensor %s has another shape than the rest asks for", file->name, name);
        return NULL;
    }
    return rec_safetensors_finite(file, name, x, (size_t)(got[0] * got[1]), err) < 0 ? NULL : x;
}

static int load_samples(struct rec_model *m, struct rec_err *err)
{
    uint64_t shape[2] = {0};

    if (!rec_safetensors_find(&m->file, "user_samples"))
        return 0;
    if (!rec_safetensors_get(&m->file, "user_samples", REC_F32, 2, shape, err))
        return -1;
    if (shape[1] < 1 || m->factors % shape[1])
        return rec_err_set(err, "%s: tensor user_samples: %zu factors are no whole number for each of %" PRIu64 " samples", m->file.name, m->factors,
                           shape[1]);
    m->samples = (size_t)shape[1];
    m->user_samples = load_floats(&m->file, "user_samples", 2, (uint64_t[]){m->n_users, shape[1]}, err);
    m->item_samples = m->user_samples ? load_floats(&m->file, "item_samples", 2, (uint64_t[]){m->n_items, shape[1]}, err) : NULL;
    return m->item_samples ? 0 : -1;
}

int rec_context_load(struct rec_model *m, struct rec_err *err)
{
    struct rec_context *c = &m->context;
    size_t n = 0;

    if (m->factors && load_samples(m, err) < 0)
        return -1;
    if (!m->factors || !rec_safetensors_find(&m->file, "context_factors"))
        return 0;
    for (size_t k = 0; k < REC_CONTEXTS; k++) {
        if (load_edges(c, &m->file, k, err) < 0)
            return -1;
        n += c->bins[k];
    }
    c->factors = load_floats(&m->file, "context_factors", 2, (uint64_t[]){n, m->factors}, err);
    c->bias = c->factors ? load_floats(&m->file, "context_bias", 1, (uint64_t[]){n, 1}, err) : NULL;
    return c->bias ? load_times(c, &m->file, m->seen_ptr, m->n_users, err) : -1;
}

void rec_context_put(struct rec_safetensors_out *file, const struct rec_model *m)
{
    const struct rec_context *c = &m->context;
    uint64_t n = 0;

    if (m->samples) {
        rec_safetensors_put(file, "user_samples", REC_F32, 2, (uint64_t[]){m->n_users, m->samples}, m->user_samples);
        rec_safetensors_put(file, "item_samples", REC_F32, 2, (uint64_t[]){m->n_items, m->samples}, m->item_samples);
    }
    if (!c->factors)
        return;
    for (size_t k = 0; k < REC_CONTEXTS; k++) {
        n += c->bins[k];
        if (c->bins[k])
            rec_safetensors_put(file, edges[k], REC_I64, 1, (uint64_t[]){c->bins[k] - 1}, c->edge[k]);
    }
    rec_safetensors_put(file, "context_factors", REC_F32, 2, (uint64_t[]){n, m->factors}, c->factors);
    rec_safetensors_put(file, "context_bias", REC_F32, 1, (uint64_t[]){n}, c->bias);
    rec_safetensors_put(file, "seen_time", REC_I64, 1, (uint64_t[]){(uint64_t)m->seen_ptr[m->n_users]}, c->seen_time);
}
