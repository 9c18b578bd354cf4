/* SPDX-License-Identifier: MIT
 *
 * hybrid: a weighted sum of models that rank, its weights fitted on ratings that none of them was trained on.
 *
 * The linear combination of scores is the oldest way to fuse ranked lists (Fox and Shaw, "Combination of Multiple Searches", TREC-2 1994;
 * Vogt and Cottrell, "Fusion via a Linear Combination of Scores", 1999). Scores of a part are measured in units of their spread among its own
 * best items, so that weights of two models can be compared, and hold for the same models trained on more ratings.
 *
 * Each user's candidates are the best of every part, and what was held out: all else is far from the top of any sum. NDCG over them is
 * made as great as it gets by coordinate ascent, weights moving by ever smaller factors (it is a step function: there is no gradient).
 */
#include "sum_priv.h"

#include <math.h>

enum { PROBE_USERS = 500, PROBE_ITEMS = 100, GRAIN = 16 };

static const struct rec_param params[] = {
    {.name = "cutoff", .def = 20, .min = 1, .max = 1000, .integer = true, .help = "weights are fitted for NDCG at this length of lists"},
    {.name = "pool", .def = 100, .min = 1, .max = 100000, .integer = true, .help = "items of each part that compete for a user's list while fitting"},
    {.name = "sample", .def = 5000, .min = 0, .max = 1e9, .integer = true, .help = "users to fit on; 0: all"},
    {.name = NULL},
};

struct fit {
    const struct rec_train_job *job;
    struct rec_sum_part *part;
    size_t n;
    const struct rec_sum_places *places;
    struct rec_ratings held;         /* validation, in the tables of the sum */
    int32_t *user;                   /* [n_users] who is fitted on */
    size_t n_users, pool, cutoff;
    int64_t *ptr;                    /* [n_users + 1] of candidates */
    float *score;                    /* [ptr[n_users], n] */
    uint8_t *relevant;               /* [ptr[n_users]] */
    double *value;                   /* [n_users] NDCG, for sums in one order */
    const double *weight;            /* that are being tried */
    size_t tried;
};

/* ---- the spread of a model's scores ---- */

static double deviation(const struct rec_topk_hit *hit, size_t n)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++)
        sum += hit[i].score;
    for (size_t i = 0; i < n; i++)
        squares += (hit[i].score - sum / (double)n) * (hit[i].score - sum / (double)n);
    return n ? sqrt(squares / (double)n) : 0;
}

/* Every so many-th of the users whom the model knows. */
static size_t probe_users(int32_t *user, const struct rec_model *m)
{
    size_t n = 0, step = m->n_users / PROBE_USERS + 1;

    for (size_t u = 0; u < m->n_users && n < PROBE_USERS; u += step)
        if (rec_rank_known(m, (int32_t)u))
            user[n++] = (int32_t)u;
    return n;
}

/* The mean over users of the standard deviation of the scores of their best items. */
static int spread_of(double *spread, const struct rec_model *m, unsigned threads, struct rec_err *err)
{
    int32_t user[PROBE_USERS];
    size_t count[PROBE_USERS], n = probe_users(user, m);
    struct rec_topk_hit *hit = NULL;
    struct rec_rank rank;
    double sum = 0;
    int rc = -1;

    if (rec_rank_init(&rank, m, PROBE_ITEMS, NULL, 0, err) < 0)
        return -1;
    hit = rec_malloc(n * rank.k, sizeof *hit, "hybrid", err);
    if (!hit || rec_rank_users(hit, count, &rank, user, n, threads, err) < 0)
        goto out;
    for (size_t j = 0; j < n; j++)
        sum += deviation(hit + j * rank.k, count[j]);
    *spread = n && sum > 0 && isfinite(sum) ? sum / (double)n : 1;
    rc = 0;
out:
    free(hit);
    rec_rank_clear(&rank);
    return rc;
}

/* ---- candidates ---- */

static int compare_items(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

    return (x > y) - (x < y);
}

static bool seen(const struct rec_model *m, int32_t user, int32_t item)
{
    return bsearch(&item, m->seen_item + m->seen_ptr[user], (size_t)(m->seen_ptr[user + 1] - m->seen_ptr[user]), sizeof item, compare_items) != NULL;
}

/* Users with something to find, at most `sample` of them, evenly spaced. */
static int choose_users(struct fit *f, const struct rec_model *sum, size_t sample, struct rec_err *err)
{
    size_t all = 0, taken = 0;

    f->user = rec_malloc(sum->n_users, sizeof *f->user, "hybrid", err);
    if (!f->user)
        return -1;
    for (size_t u = 0; u < sum->n_users; u++) {
        bool finds = false;
        for (int64_t p = f->held.user_ptr[u]; !finds && p < f->held.user_ptr[u + 1]; p++)
            finds = !seen(sum, (int32_t)u, f->held.item[p]);
        if (finds)
            f->user[all++] = (int32_t)u;
    }
    if (all == 0)
        return rec_err_set(err, "validation: no user of the models has anything in it that is not in their training");
    f->n_users = sample && sample < all ? sample : all;
    for (; taken < f->n_users; taken++)
        f->user[taken] = f->user[taken * all / f->n_users];
    return 0;
}

/* The best items of every part, [n][n_users, k] with their counts. */
struct pools {
    struct rec_topk_hit *hit[REC_SUM_MAX];
    size_t *count[REC_SUM_MAX], k[REC_SUM_MAX];
};

static void clear_pools(struct pools *pools, size_t n)
{
    for (size_t m = 0; m < n; m++) {
        free(pools->hit[m]);
        free(pools->count[m]);
    }
}

static int fill_pools(struct pools *pools, const struct fit *f, struct rec_err *err)
{
    for (size_t m = 0; m < f->n; m++) {
        struct rec_rank rank;
        size_t cells;
        int rc = -1;
        if (rec_rank_init(&rank, f->part[m].model, f->pool, NULL, 0, err) < 0)
            return -1;
        pools->k[m] = rank.k;
        pools->count[m] = rec_malloc(f->n_users, sizeof *pools->count[m], "hybrid", err);
        if (rec_size_mul(&cells, f->n_users, rank.k) < 0)
            rec_err_memory(err, "hybrid");
        else if ((pools->hit[m] = rec_malloc(cells, sizeof *pools->hit[m], "hybrid", err)) && pools->count[m])
            rc = rec_rank_users(pools->hit[m], pools->count[m], &rank, f->user, f->n_users, f->job->threads, err);
        rec_rank_clear(&rank);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* User j's candidates, ascending and each once, into item. Returns how many. */
static size_t gather(int32_t *item, const struct fit *f, const struct pools *pools, const struct rec_model *sum, size_t j)
{
    int32_t u = f->user[j];
    size_t n = 0, kept = 0;

    for (size_t m = 0; m < f->n; m++)
        for (size_t i = 0; i < pools->count[m][j]; i++) {
            int32_t own = pools->hit[m][j * pools->k[m] + i].item;
            item[n++] = f->places->to[m] ? f->places->to[m][own] : own;
        }
    for (int64_t p = f->held.user_ptr[u]; p < f->held.user_ptr[u + 1]; p++)
        if (!seen(sum, u, f->held.item[p]))
            item[n++] = f->held.item[p];
    qsort(item, n, sizeof *item, compare_items);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || item[i] != item[kept - 1])
            item[kept++] = item[i];
    return kept;
}

static size_t most_candidates(const struct fit *f, const struct pools *pools, size_t j)
{
    int32_t u = f->user[j];
    size_t n = (size_t)(f->held.user_ptr[u + 1] - f->held.user_ptr[u]);

    for (size_t m = 0; m < f->n; m++)
        n += pools->count[m][j];
    return n;
}

struct scoring {
    struct fit *fit;
    const int32_t *item;
};

/* What every part says of every candidate; a part that does not know an item leaves it at its least score. */
static int score_users(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct scoring *s = context;
    struct fit *f = s->fit;

    (void)thread;
    (void)err;
    for (size_t m = 0; m < f->n; m++) {
        struct rec_model part = *f->part[m].model;
        part.ratings_scale = false; /* no clamping: the sum is not clamped either */
        for (size_t j = begin; j < end; j++)
            for (int64_t c = f->ptr[j]; c < f->ptr[j + 1]; c++) {
                int32_t own = f->places->from[m] ? f->places->from[m][s->item[c]] : s->item[c];
                f->score[(size_t)c * f->n + m] = own < 0 ? 0 : (float)(rec_predict_pair(&part, f->user[j], own) * f->part[m].scale);
            }
    }
    return 0;
}

static int make_candidates(struct fit *f, const struct rec_model *sum, struct rec_err *err)
{
    struct pools pools = {.hit = {NULL}};
    int32_t *item = NULL;
    size_t room = 0, cells;
    int rc = -1;

    if (fill_pools(&pools, f, err) < 0 || !(f->ptr = rec_calloc(f->n_users + 1, sizeof *f->ptr, "hybrid", err)))
        goto out;
    for (size_t j = 0; j < f->n_users; j++)
        room += most_candidates(f, &pools, j);
    item = rec_malloc(room, sizeof *item, "hybrid", err);
    if (!item)
        goto out;
    for (size_t j = 0; j < f->n_users; j++)
        f->ptr[j + 1] = f->ptr[j] + (int64_t)gather(item + f->ptr[j], f, &pools, sum, j);
    if (rec_size_mul(&cells, (size_t)f->ptr[f->n_users], f->n) < 0) {
        rec_err_memory(err, "hybrid");
        goto out;
    }
    f->score = rec_malloc(cells, sizeof *f->score, "hybrid", err);
    f->relevant = rec_calloc((size_t)f->ptr[f->n_users], 1, "hybrid", err);
    f->value = rec_malloc(f->n_users, sizeof *f->value, "hybrid", err);
    if (!f->score || !f->relevant || !f->value)
        goto out;
    for (size_t j = 0; j < f->n_users; j++) {
        const int32_t *held = f->held.item + f->held.user_ptr[f->user[j]];
        size_t n = (size_t)(f->held.user_ptr[f->user[j] + 1] - f->held.user_ptr[f->user[j]]);
        for (int64_t c = f->ptr[j]; c < f->ptr[j + 1]; c++)
            f->relevant[c] = bsearch(&item[c], held, n, sizeof *held, compare_items) != NULL;
    }
    rc = rec_pool_run(f->job->threads, f->n_users, GRAIN, score_users, &(struct scoring){f, item}, err);
out:
    free(item);
    clear_pools(&pools, f->n);
    return rc;
}

/* ---- how good some weights are ---- */

/* NDCG with binary relevance: a relevant item's rank is how many candidates beat it. */
static double user_ndcg(const struct fit *f, size_t j, float *sum)
{
    size_t n = (size_t)(f->ptr[j + 1] - f->ptr[j]), relevant = 0;
    const uint8_t *wanted = f->relevant + f->ptr[j];
    double gain = 0, ideal = 0;

    for (size_t c = 0; c < n; c++) {
        double s = 0;
        for (size_t m = 0; m < f->n; m++)
            s += f->weight[m] * (double)f->score[((size_t)f->ptr[j] + c) * f->n + m];
        sum[c] = (float)s;
    }
    for (size_t c = 0; c < n; c++) {
        size_t rank = 0;
        if (!wanted[c])
            continue;
        for (size_t other = 0; other < n; other++)
            rank += sum[other] > sum[c] || (sum[other] == sum[c] && other < c);
        if (rank < f->cutoff)
            gain += 1 / log2((double)rank + 2);
        if (relevant++ < f->cutoff)
            ideal += 1 / log2((double)relevant + 1);
    }
    return ideal > 0 ? gain / ideal : 0;
}

static int rate_users(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct fit *f = context;
    size_t longest = 0;
    float *sum;

    (void)thread;
    for (size_t j = begin; j < end; j++)
        longest = (size_t)(f->ptr[j + 1] - f->ptr[j]) > longest ? (size_t)(f->ptr[j + 1] - f->ptr[j]) : longest;
    sum = rec_malloc(longest, sizeof *sum, "hybrid", err);
    if (!sum)
        return -1;
    for (size_t j = begin; j < end; j++)
        f->value[j] = user_ndcg(f, j, sum);
    free(sum);
    return 0;
}

static int rate(double *ndcg, struct fit *f, const double *weight, struct rec_err *err)
{
    *ndcg = 0;
    f->weight = weight;
    f->tried++;
    if (rec_pool_run(f->job->threads, f->n_users, GRAIN, rate_users, f, err) < 0)
        return -1;
    for (size_t j = 0; j < f->n_users; j++)
        *ndcg += f->value[j] / (double)f->n_users;
    return 0;
}

/* ---- the search ---- */

/* Tries weight[m] = value, and keeps it when it is better. */
static int try(bool *better, double *best, struct fit *f, double *weight, size_t m, double value, struct rec_err *err)
{
    double before = weight[m], ndcg, sum = 0;

    weight[m] = value;
    for (size_t i = 0; i < f->n; i++)
        sum += weight[i];
    if (sum > 0 && rate(&ndcg, f, weight, err) < 0)
        return -1;
    if (sum > 0 && ndcg > *best + 1e-12) {
        *best = ndcg;
        *better = true;
    } else {
        weight[m] = before;
    }
    return 0;
}

static double mean(const double *weight, size_t n)
{
    double sum = 0;

    for (size_t m = 0; m < n; m++)
        sum += weight[m] / (double)n;
    return sum;
}

/* From one start: each weight in turn by a factor up, down, or to nothing, until no step of this size helps; then smaller steps. */
static int climb(double *weight, double *best, struct fit *f, struct rec_err *err)
{
    static const double factor[] = {4, 2, 1.41, 1.19, 1.09};

    for (size_t s = 0; s < REC_LENGTH(factor); s++) {
        bool better = true;
        for (int round = 0; better && round < 20; round++) {
            better = false;
            for (size_t m = 0; m < f->n; m++) {
                double at = weight[m] > 0 ? weight[m] : mean(weight, f->n) / 4;
                if (try(&better, best, f, weight, m, at * factor[s], err) < 0 || try(&better, best, f, weight, m, at / factor[s], err) < 0 ||
                    (s == 0 && weight[m] > 0 && try(&better, best, f, weight, m, 0, err) < 0))
                    return -1;
            }
        }
    }
    return 0;
}

/* From equal weights, and from each part alone. The progress is told a start at a time. */
static int search(double *best_weight, struct fit *f, struct rec_err *err)
{
    double best = -1;

    for (size_t start = 0; start <= f->n; start++) {
        double weight[REC_SUM_MAX], ndcg;
        for (size_t m = 0; m < f->n; m++)
            weight[m] = start == 0 || start == m + 1;
        if (rate(&ndcg, f, weight, err) < 0 || climb(weight, &ndcg, f, err) < 0)
            return -1;
        if (ndcg > best) {
            best = ndcg;
            memcpy(best_weight, weight, f->n * sizeof *weight);
        }
        struct rec_progress told = {.step = start + 1, .steps = f->n + 1, .loss = 1 - best, .what = "start"};
        int stop = rec_models_tell(f->job, &told, err);
        if (stop < 0)
            return -1;
        if (stop)
            break;
    }
    double sum = mean(best_weight, f->n) * (double)f->n;
    for (size_t m = 0; m < f->n; m++)
        best_weight[m] /= sum;
    return 0;
}

static int fit_weights(double *weight, const struct rec_model *sum, struct rec_sum_part *part, const struct rec_sum_places *places,
                       const struct rec_train_job *job, struct rec_err *err)
{
    struct fit f = {.job = job, .part = part, .n = job->n_of, .places = places};
    size_t dropped;
    int rc = -1;

    f.cutoff = (size_t)rec_models_param(&rec_hybrid_type, job, "cutoff");
    f.pool = (size_t)rec_models_param(&rec_hybrid_type, job, "pool");
    f.pool = f.pool < f.cutoff ? f.cutoff : f.pool;
    if (rec_csr_join(&f.held, job->ratings, &sum->users, &sum->items, &dropped, err) == 0 &&
        choose_users(&f, sum, (size_t)rec_models_param(&rec_hybrid_type, job, "sample"), err) == 0 && make_candidates(&f, sum, err) == 0)
        rc = search(weight, &f, err);
    rec_ratings_clear(&f.held);
    free(f.user);
    free(f.ptr);
    free(f.score);
    free(f.relevant);
    free(f.value);
    return rc;
}

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    struct rec_sum_part part[REC_SUM_MAX];
    struct rec_sum_places places = {.to = {NULL}};
    double weight[REC_SUM_MAX];
    int rc = -1;

    memset(model, 0, sizeof *model);
    if (rec_sum_begin(model, part, &places, &rec_hybrid_type, job, err) < 0)
        goto out;
    /* While weights are fitted, scores are in units of their spread. */
    for (size_t m = 0; m < job->n_of; m++) {
        double spread;
        if (spread_of(&spread, job->of[m], job->threads ? job->threads : 1, err) < 0)
            goto out;
        part[m].scale = 1 / spread;
    }
    if (!job->weight && fit_weights(weight, model, part, &places, job, err) < 0)
        goto out;
    for (size_t m = 0; m < job->n_of; m++) {
        part[m].weight = job->weight ? job->weight[m] : weight[m];
        part[m].scale *= part[m].weight;
    }
    rc = rec_sum_models(model, &places, part, job->n_of, 0, err);
out:
    rec_sum_places_clear(&places, REC_SUM_MAX);
    if (rc < 0)
        rec_model_clear(model);
    return rc;
}

const struct rec_model_type rec_hybrid_type = {
    .name = "hybrid",
    .summary = "a weighted sum of other models, for ranking; weights are fitted on validation ratings",
    .paper = "Fox, Shaw 1994, Combination of Multiple Searches (TREC-2); Vogt, Cottrell 1999",
    .implicit = true,
    .combines = true,
    .params = params,
    .train = train,
};
