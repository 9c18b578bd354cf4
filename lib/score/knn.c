/* SPDX-License-Identifier: MIT
 *
 * How near two rows of a matrix of pairs are: two items by the users they have in common, two users by their items. A common column counts by
 * how few rows have it, the sum is divided by powers of what either row has, and pairs with little in common are shrunk towards 0:
 *
 *     near(a, b) = c / (c + shrinkage) * |a|^-from |b|^-to * sum over what both have of weight,       c = how much both have
 *
 * With both exponents 1/2, weights of 1 and no shrinkage it is the cosine; with from 1 and to below it is the conditional probability of
 * Deshpande and Karypis (2004); the shrinkage is Bell and Koren's (2007). TF-IDF and BM25 are those of Robertson and Zaragoza (2009), a row being a
 * document and a column a term that it has once.
 */
#include <rec/score.h>

#include <math.h>

/* Of BM25, as usual. */
static const double K1 = 1.2, B = 0.75;

static double column_weight(const struct rec_knn_how *how, double n, double rows)
{
    double idf = log((rows + 1) / n);

    if (n <= 0)
        return 0;
    return how->weights == REC_KNN_DAMPED ? pow(n, -how->damping) : idf * idf;
}

float rec_knn_power(const struct rec_knn *knn, size_t n, double exponent)
{
    double length = (double)n, power = pow(length, -exponent);

    if (n == 0)
        return 0;
    if (knn->how.weights == REC_KNN_BM25)
        power *= (K1 + 1) / (K1 * (1 - B + B * length / knn->mean) + 1);
    return (float)power;
}

int rec_knn_init(struct rec_knn *knn, const struct rec_knn_how *how, size_t rows, size_t cols, const int64_t *ptr, const int32_t *index,
                 struct rec_err *err)
{
    *knn = (struct rec_knn){.how = *how, .rows = rows, .cols = cols, .ptr = ptr, .index = index};
    knn->mean = rows ? (double)ptr[rows] / (double)rows : 0;
    knn->weight = rec_calloc(cols, sizeof *knn->weight, "neighbours", err);
    knn->from = rec_malloc(rows, sizeof *knn->from, "neighbours", err);
    knn->to = rec_malloc(rows, sizeof *knn->to, "neighbours", err);
    if (!knn->weight || !knn->from || !knn->to) {
        rec_knn_clear(knn);
        return -1;
    }
    for (int64_t p = 0; p < ptr[rows]; p++)
        knn->weight[index[p]]++;
    for (size_t c = 0; c < cols; c++)
        knn->weight[c] = (float)column_weight(how, knn->weight[c], (double)rows);
    for (size_t r = 0; r < rows; r++) {
        size_t n = (size_t)(ptr[r + 1] - ptr[r]);
        knn->from[r] = rec_knn_power(knn, n, how->from);
        knn->to[r] = rec_knn_power(knn, n, how->to);
    }
    return 0;
}

void rec_knn_clear(struct rec_knn *knn)
{
    free(knn->weight);
    free(knn->from);
    free(knn->to);
    *knn = (struct rec_knn){0};
}

/* What a row has in common with marked columns. */
static float likeness(const struct rec_knn *knn, size_t row, const uint8_t *marked)
{
    float sum = 0;
    uint32_t common = 0;

    for (int64_t p = knn->ptr[row]; p < knn->ptr[row + 1]; p++) {
        int32_t c = knn->index[p];
        sum += marked[c] ? knn->weight[c] : 0;
        common += marked[c];
    }
    return common ? sum * rec_knn_shrunk(knn, common) * knn->to[row] : 0;
}

float rec_knn_shrunk(const struct rec_knn *knn, uint32_t common)
{
    return (float)((double)common / ((double)common + knn->how.shrinkage));
}

static int ascending(const void *a, const void *b)
{
    const struct rec_topk_hit *x = a, *y = b;

    return (x->item > y->item) - (x->item < y->item);
}

ptrdiff_t rec_knn_find(int32_t **near, float **weight, const struct rec_knn *knn, const int32_t *index, size_t n, struct rec_err *err)
{
    size_t k = knn->how.neighbours < knn->rows ? knn->how.neighbours : knn->rows, found = 0;
    float *score = rec_malloc(knn->rows, sizeof *score, "neighbours", err), own = rec_knn_power(knn, n, knn->how.from);
    uint8_t *marked = rec_calloc(knn->cols, 1, "neighbours", err);
    struct rec_topk_hit *hit = rec_malloc(k, sizeof *hit, "neighbours", err);
    ptrdiff_t result = -1;

    *near = rec_malloc(k, sizeof **near, "neighbours", err);
    *weight = rec_malloc(k, sizeof **weight, "neighbours", err);
    if (!score || !marked || !hit || !*near || !*weight)
        goto out;
    for (size_t j = 0; j < n; j++)
        marked[index[j]] = 1;
    for (size_t r = 0; r < knn->rows; r++) {
        float like = likeness(knn, r, marked);
        score[r] = like > 0 ? own * like : -INFINITY;
    }
    found = rec_topk_scan(hit, k, score, knn->rows, NULL, NULL);
    if (found > 0)
        qsort(hit, found, sizeof *hit, ascending);
    for (size_t j = 0; j < found; j++) {
        (*near)[j] = hit[j].item;
        (*weight)[j] = hit[j].score;
    }
    result = (ptrdiff_t)found;
out:
    free(score);
    free(marked);
    free(hit);
    if (result < 0) {
        free(*near);
        free(*weight);
        *near = NULL;
        *weight = NULL;
    }
    return result;
}

void rec_knn_share(float *part, const struct rec_knn *knn, const int32_t *index, size_t n, int32_t near, float weight)
{
    const int32_t *theirs = knn->index + knn->ptr[near], *end = knn->index + knn->ptr[near + 1], *first = theirs;
    double sum = 0;

    for (int pass = 0; pass < 2; pass++) {
        theirs = first;
        for (size_t j = 0; j < n; j++) {
            while (theirs < end && *theirs < index[j])
                theirs++;
            if (theirs == end || *theirs != index[j])
                continue;
            if (pass == 0)
                sum += knn->weight[index[j]];
            else
                part[j] += (float)(weight * knn->weight[index[j]] / sum);
        }
    }
}
