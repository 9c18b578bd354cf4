/* SPDX-License-Identifier: MIT
 *
 * How good a model is on held-out ratings: lists are ranked by lib/score and judged by lib/eval, which knows no model. */
#include <rec/tune.h>

#include <math.h>

#define BLOCK_USERS 4096
#define BLOCK_HITS ((size_t)4 << 20)

/* Users whose lists are made together. */
struct block {
    size_t cap, n;
    size_t *row;                 /* of the held-out ratings */
    int32_t *user;               /* in the model */
    struct rec_topk_hit *hit;
    size_t *count;
    int32_t *list;               /* one list, as item numbers */
    int32_t *relevant;           /* one user's relevant items */
    float *gain;
    struct rec_judge judge;
};

static int block_init(struct block *b, const struct rec_ratings *test, size_t k, struct rec_err *err)
{
    size_t longest = 0;

    for (size_t u = 0; u < test->n_users; u++) {
        size_t n = (size_t)(test->user_ptr[u + 1] - test->user_ptr[u]);
        longest = n > longest ? n : longest;
    }
    b->cap = k > 0 ? BLOCK_HITS / k : BLOCK_USERS;
    b->cap = b->cap < 1 ? 1 : b->cap > BLOCK_USERS ? BLOCK_USERS : b->cap;
    b->row = rec_malloc(b->cap, sizeof *b->row, "lists", err);
    b->user = rec_malloc(b->cap, sizeof *b->user, "lists", err);
    b->hit = rec_malloc(b->cap * k, sizeof *b->hit, "lists", err);
    b->count = rec_malloc(b->cap, sizeof *b->count, "lists", err);
    b->list = rec_malloc(k, sizeof *b->list, "lists", err);
    b->relevant = rec_malloc(longest, sizeof *b->relevant, "lists", err);
    b->gain = rec_malloc(longest, sizeof *b->gain, "lists", err);
    return b->row && b->user && b->hit && b->count && b->list && b->relevant && b->gain ? 0 : -1;
}

static void block_clear(struct block *b)
{
    free(b->row);
    free(b->user);
    free(b->hit);
    free(b->count);
    free(b->list);
    free(b->relevant);
    free(b->gain);
    rec_judge_clear(&b->judge);
}

/* Gathers what is relevant to a user: what they rated well enough, and did not have in training. */
static size_t gather_relevant(struct rec_validate *v, struct block *b, const struct rec_model *model, size_t row, int32_t user, size_t *beyond)
{
    const struct rec_ratings *test = v->held_out;
    const int32_t *seen = NULL, *seen_end = NULL;
    size_t n = 0;

    *beyond = 0;
    if (user >= 0 && model->seen_ptr) {
        seen = model->seen_item + model->seen_ptr[user];
        seen_end = model->seen_item + model->seen_ptr[user + 1];
    }
    for (int64_t p = test->user_ptr[row]; p < test->user_ptr[row + 1]; p++) {
        int32_t item = v->item_of[test->item[p]];
        if (v->relevant && !rec_filter_keeps(v->relevant, test->value[p]))
            continue;
        // Both ascend: joining by id keeps the order.
        while (item >= 0 && seen < seen_end && *seen < item)
            seen++;
        if (item >= 0 && seen < seen_end && *seen == item) {
            v->pairs_seen++;
        } else if (item >= 0) {
            b->relevant[n] = item;
            b->gain[n++] = test->value[p];
        } else {
            ++*beyond;
        }
    }
    v->pairs_unknown += *beyond;
    return n;
}

static size_t n_seen(const struct rec_model *model, int32_t user)
{
    return user >= 0 && model->seen_ptr ? (size_t)(model->seen_ptr[user + 1] - model->seen_ptr[user]) : 0;
}

static int judge_block(struct rec_validate *v, struct block *b, const struct rec_rank *rank, struct rec_err *err)
{
    if (rec_rank_users(b->hit, b->count, rank, b->user, b->n, v->threads ? v->threads : 1, err) < 0)
        return -1;
    for (size_t j = 0; j < b->n; j++) {
        struct rec_hits hits;
        size_t beyond, n = gather_relevant(v, b, rank->model, b->row[j], b->user[j], &beyond);
        for (size_t r = 0; r < b->count[j]; r++)
            b->list[r] = b->hit[j * rank->k + r].item;
        if (rec_judge_list(&hits, &b->judge, b->list, b->count[j], b->relevant, v->graded ? b->gain : NULL, n, beyond, err) < 0)
            return -1;
        hits.list = b->list;
        hits.length = b->count[j];
        hits.user = b->user[j];
        hits.candidates = rank->model->n_items - n_seen(rank->model, b->user[j]);
        rec_eval_list(v->values + b->row[j] * v->eval.n, &v->eval, &hits);
        v->without += hits.relevant == 0;
    }
    b->n = 0;
    return 0;
}

static void tell(const struct rec_validate *v, size_t done)
{
    if (v->progress)
        v->progress(v->context, done, v->held_out->n_users);
}

/* Ranks for every user of the held-out ratings, a block at a time. */
static int judge_lists(struct rec_validate *v, const struct rec_model *model, struct rec_err *err)
{
    const struct rec_ratings *test = v->held_out;
    struct rec_rank rank = {0};
    struct block b = {0};
    int status = -1;

    if (rec_rank_init(&rank, model, v->eval.depth, NULL, 0, err) < 0 || block_init(&b, test, rank.k, err) < 0)
        goto out;
    for (size_t u = 0; u < test->n_users; u++) {
        if (test->user_ptr[u + 1] == test->user_ptr[u])
            continue;
        b.row[b.n] = u;
        b.user[b.n++] = v->user_of[u];
        v->unknown += !rec_rank_known(model, v->user_of[u]);
        v->users++;
        if (b.n == b.cap && judge_block(v, &b, &rank, err) < 0)
            goto out;
        tell(v, u);
    }
    if (b.n > 0 && judge_block(v, &b, &rank, err) < 0)
        goto out;
    tell(v, test->n_users);
    status = 0;
out:
    rec_rank_clear(&rank);
    block_clear(&b);
    return status;
}

/* Predicts every held-out rating, at its time where it has one; total[eval.n] receives the sums over all. */
static int judge_predictions(struct rec_validate *v, const struct rec_model *model, double *total, struct rec_err *err)
{
    const struct rec_ratings *test = v->held_out;
    size_t columns = v->eval.n;

    for (size_t u = 0; u < test->n_users; u++) {
        double *row = v->values + u * columns, sums[REC_EVAL_MAX] = {0};
        int64_t from = test->user_ptr[u], to = test->user_ptr[u + 1];
        for (int64_t p = from; p < to; p++) {
            double score;
            if (rec_predict_at(&score, model, v->user_of[u], v->item_of[test->item[p]], test->time ? &test->time[p] : NULL, err) < 0)
                return -1;
            rec_eval_pair(sums, &v->eval, score, test->value[p]);
        }
        for (size_t c = 0; c < columns; c++) {
            if (!v->eval.column[c].measure->term)
                continue;
            total[c] += sums[c];
            row[c] = to > from ? v->eval.column[c].measure->whole(sums[c], (double)(to - from)) : NAN;
        }
    }
    return 0;
}

static int check_gains(const struct rec_validate *v, struct rec_err *err)
{
    const struct rec_ratings *test = v->held_out;

    for (size_t p = 0; v->graded && p < test->nnz; p++)
        if (!(test->value[p] > 0) && (!v->relevant || rec_filter_keeps(v->relevant, test->value[p])))
            return rec_err_set(err, "%s: a rating of %g cannot be a gain", test->file.name, (double)test->value[p]);
    return 0;
}

int rec_validate_begin(struct rec_validate *v, const struct rec_ratings *held_out, const struct rec_ids *users, const struct rec_ids *items,
                       struct rec_err *err)
{
    size_t cells;

    v->held_out = held_out;
    v->user_of = rec_malloc(held_out->n_users, sizeof *v->user_of, "held-out ratings", err);
    v->item_of = rec_malloc(held_out->n_items, sizeof *v->item_of, "held-out ratings", err);
    if (rec_size_mul(&cells, held_out->n_users, v->eval.n) < 0)
        return rec_err_memory(err, "figures");
    v->values = rec_malloc(cells, sizeof *v->values, "figures", err);
    if (!v->user_of || !v->item_of || !v->values)
        return -1;
    rec_ids_join(v->user_of, &held_out->users, users);
    rec_ids_join(v->item_of, &held_out->items, items);
    return check_gains(v, err);
}

int rec_validate_model(struct rec_validate *v, const struct rec_model *model, struct rec_err *err)
{
    double total[REC_EVAL_MAX] = {0};
    size_t nnz = v->held_out->nnz;
    struct rec_shelf shelf = {0};
    int status = -1;

    v->users = v->without = v->unknown = v->pairs_seen = v->pairs_unknown = 0;
    for (size_t i = 0; i < v->held_out->n_users * v->eval.n; i++)
        v->values[i] = NAN;
    if (v->eval.predictions && !model->ratings_scale)
        return rec_err_set(err, "%s: scores are ranks, not ratings, and cannot be measured by rmse or mae", model->type);
    if (v->eval.needs && (rec_shelf_init(&shelf, &model->users, &model->items, model->seen_ptr, model->seen_item, v->catalogue, err) < 0 ||
                          rec_eval_use(&v->eval, &shelf, err) < 0))
        goto out;
    if (v->eval.depth > 0 && judge_lists(v, model, err) < 0)
        goto out;
    if (v->eval.predictions && judge_predictions(v, model, total, err) < 0)
        goto out;
    rec_eval_mean(v->figure, v->values, v->held_out->n_users, v->eval.n);
    for (size_t c = 0; c < v->eval.n; c++)
        if (v->eval.column[c].measure->whole && nnz)
            v->figure[c] = v->eval.column[c].measure->whole(total[c], (double)nnz);
    if (v->eval.needs)
        rec_eval_spread(v->figure, &v->eval);
    status = 0;
out:
    v->eval.shelf = NULL;
    rec_shelf_clear(&shelf);
    return status;
}

void rec_validate_clear(struct rec_validate *v)
{
    rec_eval_clear(&v->eval);
    free(v->values);
    free(v->user_of);
    free(v->item_of);
    *v = (struct rec_validate){0};
}
