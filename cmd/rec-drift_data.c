/* SPDX-License-Identifier: MIT
 *
 * What rec-drift compares. Of ratings: their values, how many each user gave, how popular the items are that were rated, and what a model predicts.
 * Of features: every column that both files have.
 */
#include "rec-drift.h"

#include <rec/score.h>

#include <math.h>
#include <stdlib.h>

/* ---- columns ---- */

static bool listed(const struct rec_opt_list *list, const char *name)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->text[i], name) == 0)
            return true;
    return false;
}

static bool wanted(const struct drift_work *w, const char *name)
{
    return (w->only->n == 0 || listed(w->only, name)) && !listed(w->ignore, name);
}

static struct drift_column *add_column(struct drift_work *w, const char *name, struct rec_err *err)
{
    struct drift_column *c;

    if (rec_realloc(&w->column, w->n + 1, sizeof *w->column, "columns", err) < 0)
        return NULL;
    c = &w->column[w->n++];
    *c = (struct drift_column){.mean = {NAN, NAN}, .deviation = {NAN, NAN}};
    snprintf(c->name, sizeof c->name, "%s", name);
    return c;
}

/* Numbers x[0], x[stride], ... of reference and current. */
struct numbers {
    const float *x;
    size_t n, stride;
};

static int compare(struct drift_work *w, const char *name, const struct numbers sample[2], struct rec_err *err)
{
    struct rec_distribution d[2] = {{0}, {0}};
    struct drift_column *c;
    int rc = -1;

    if (!wanted(w, name))
        return 0;
    c = add_column(w, name, err);
    if (!c)
        return -1;
    for (int s = 0; s < 2; s++) {
        if (sample[s].n == 0) {
            rec_err_set(err, "%s: %s: there are no values", w->sample[s].name, name);
            goto out;
        }
        if (rec_distribution_make(&d[s], sample[s].x, sample[s].n, sample[s].stride, err) < 0)
            goto out;
        c->mean[s] = rec_distribution_mean(&d[s]);
        c->deviation[s] = rec_distribution_deviation(&d[s]);
    }
    rc = rec_drift_numbers(&c->drift, &d[0], &d[1], w->bins, err);
out:
    rec_distribution_clear(&d[0]);
    rec_distribution_clear(&d[1]);
    return rc;
}

/* ---- ratings: who and what occurs ---- */

/* How often each item was rated, in the table of its own file. */
static int count_items(uint64_t **out, const struct rec_ratings *r, struct rec_err *err)
{
    uint64_t *count = *out = rec_calloc(r->n_items ? r->n_items : 1, sizeof *count, "items", err);

    for (size_t e = 0; count && e < r->nnz; e++)
        count[r->item[e]]++;
    return count ? 0 : -1;
}

static int count_users(uint64_t **out, const struct rec_ratings *r, struct rec_err *err)
{
    uint64_t *count = *out = rec_calloc(r->n_users ? r->n_users : 1, sizeof *count, "users", err);

    for (size_t u = 0; count && u < r->n_users; u++)
        count[u] = (uint64_t)(r->user_ptr[u + 1] - r->user_ptr[u]);
    return count ? 0 : -1;
}

/* Those that occur, in each file and in one alone; to[i] is the number in the reference of the current id i. */
static int count_ids(struct drift_ids *out, int32_t **to, const struct rec_ids ids[2], uint64_t *const count[2], struct rec_err *err)
{
    size_t both = 0;

    *to = rec_malloc(ids[1].n ? ids[1].n : 1, sizeof **to, "ids", err);
    if (!*to)
        return -1;
    rec_ids_join(*to, &ids[1], &ids[0]);
    for (size_t i = 0; i < ids[0].n; i++)
        out->reference += count[0][i] > 0;
    for (size_t i = 0; i < ids[1].n; i++) {
        out->current += count[1][i] > 0;
        both += count[1][i] > 0 && (*to)[i] >= 0 && count[0][(*to)[i]] > 0;
    }
    out->fresh = out->current - both;
    out->vanished = out->reference - both;
    return 0;
}

/* The counts that are above 0, as numbers of a distribution. */
static int positive(float **out, size_t *n, const uint64_t *count, size_t all, struct rec_err *err)
{
    *n = 0;
    *out = rec_malloc(all ? all : 1, sizeof **out, "counts", err);
    for (size_t i = 0; *out && i < all; i++)
        if (count[i])
            (*out)[(*n)++] = (float)count[i];
    return *out ? 0 : -1;
}

static int activity(struct drift_work *w, uint64_t *const count[2], const size_t n[2], struct rec_err *err)
{
    float *x[2] = {NULL, NULL};
    struct numbers sample[2] = {{.stride = 1}, {.stride = 1}};
    int rc = -1;

    for (int s = 0; s < 2; s++) {
        if (positive(&x[s], &sample[s].n, count[s], n[s], err) < 0)
            goto out;
        sample[s].x = x[s];
    }
    rc = compare(w, "activity", sample, err);
out:
    free(x[0]);
    free(x[1]);
    return rc;
}

static int gini(double *out, const uint64_t *count, size_t n, struct rec_err *err)
{
    struct rec_distribution d;
    float *x;
    size_t some;

    if (positive(&x, &some, count, n, err) < 0)
        return -1;
    int rc = rec_distribution_make(&d, x, some, 1, err);
    if (rc == 0)
        *out = rec_distribution_gini(&d);
    rec_distribution_clear(&d);
    free(x);
    return rc;
}

/* ---- ratings: popularity ---- */

enum { GROUPS = 10 };
static const char *const group_name[GROUPS + 1] = {"1 (head)", "2", "3", "4", "5", "6", "7", "8", "9", "10 (tail)", "new"};

static int popularity(struct drift_work *w, uint64_t *const count[2], const size_t n[2], const int32_t *to, struct rec_err *err)
{
    uint64_t sum[2][GROUPS + 1];
    struct drift_column *c;

    w->items_js = rec_popularity_js(count[0], n[0], count[1], n[1], to);
    if (!wanted(w, "popularity"))
        return 0;
    if (rec_popularity_groups(sum[0], sum[1], GROUPS, count[0], n[0], count[1], n[1], to, err) < 0)
        return -1;
    c = add_column(w, "popularity", err);
    if (!c)
        return -1;
    c->labels = group_name;
    return rec_drift_classes(&c->drift, sum[0], sum[1], GROUPS + 1, err);
}

/* ---- ratings: what a model predicts ---- */

static int predict(float **out, const struct rec_model *model, const struct rec_ratings *r, struct rec_err *err)
{
    int32_t *user = rec_malloc(r->n_users ? r->n_users : 1, sizeof *user, "scores", err),
            *item = rec_malloc(r->n_items ? r->n_items : 1, sizeof *item, "scores", err);

    *out = rec_malloc(r->nnz ? r->nnz : 1, sizeof **out, "scores", err);
    if (user && item && *out) {
        rec_ids_join(user, &r->users, &model->users);
        rec_ids_join(item, &r->items, &model->items);
        for (size_t u = 0; u < r->n_users; u++)
            for (int64_t e = r->user_ptr[u]; e < r->user_ptr[u + 1]; e++)
                (*out)[e] = (float)rec_predict_pair(model, user[u], item[r->item[e]]);
    }
    int rc = user && item && *out ? 0 : -1;
    free(user);
    free(item);
    return rc;
}

static int scores(struct drift_work *w, const struct rec_ratings r[2], struct rec_err *err)
{
    struct rec_model model;
    float *x[2] = {NULL, NULL};
    int rc = -1;

    if (!w->model || !wanted(w, "score"))
        return 0;
    if (rec_model_read(&model, w->model, err) < 0)
        return -1;
    if (predict(&x[0], &model, &r[0], err) == 0 && predict(&x[1], &model, &r[1], err) == 0)
        rc = compare(w, "score", (struct numbers[]){{x[0], r[0].nnz, 1}, {x[1], r[1].nnz, 1}}, err);
    rec_model_clear(&model);
    free(x[0]);
    free(x[1]);
    return rc;
}

/* ---- ratings ---- */

static void describe(struct drift_sample *sample, const struct rec_ratings *r)
{
    sample->digest = r->digest;
    sample->rows = r->nnz;
    for (size_t e = 0; r->time && e < r->nnz; e++) {
        sample->first = e == 0 || r->time[e] < sample->first ? r->time[e] : sample->first;
        sample->last = e == 0 || r->time[e] > sample->last ? r->time[e] : sample->last;
    }
}

static int compare_ratings(struct drift_work *w, const struct rec_ratings r[2], struct rec_err *err)
{
    uint64_t *of_item[2] = {NULL, NULL}, *of_user[2] = {NULL, NULL};
    int32_t *items = NULL, *users = NULL;
    size_t n_users[2] = {r[0].n_users, r[1].n_users}, n_items[2] = {r[0].n_items, r[1].n_items};
    int rc = -1;

    for (int s = 0; s < 2; s++) {
        describe(&w->sample[s], &r[s]);
        if (r[s].nnz == 0) {
            rec_err_set(err, "%s: there are no ratings to compare", w->sample[s].name);
            goto out;
        }
        if (count_items(&of_item[s], &r[s], err) < 0 || count_users(&of_user[s], &r[s], err) < 0 ||
            gini(&w->sample[s].gini, of_item[s], n_items[s], err) < 0)
            goto out;
    }
    if (count_ids(&w->users, &users, (struct rec_ids[]){r[0].users, r[1].users}, of_user, err) == 0 &&
        count_ids(&w->items, &items, (struct rec_ids[]){r[0].items, r[1].items}, of_item, err) == 0 &&
        compare(w, "rating", (struct numbers[]){{r[0].value, r[0].nnz, 1}, {r[1].value, r[1].nnz, 1}}, err) == 0 &&
        activity(w, of_user, n_users, err) == 0 && popularity(w, of_item, n_items, items, err) == 0)
        rc = scores(w, r, err);
out:
    for (int s = 0; s < 2; s++) {
        free(of_item[s]);
        free(of_user[s]);
    }
    free(items);
    free(users);
    return rc;
}

static int read_ratings(struct drift_work *w, struct rec_safetensors file[2], struct rec_err *err)
{
    struct rec_ratings r[2];
    int rc = -1;

    memset(r, 0, sizeof r);
    if (rec_ratings_load(&r[0], &file[0], err) == 0 && rec_ratings_load(&r[1], &file[1], err) == 0)
        rc = compare_ratings(w, r, err);
    rec_ratings_clear(&r[0]);
    rec_ratings_clear(&r[1]);
    return rc;
}

/* ---- features ---- */

static void all_ids(struct drift_ids *out, const struct rec_ids *reference, const struct rec_ids *current, int32_t *room)
{
    size_t both = rec_ids_join(room, current, reference);

    *out = (struct drift_ids){reference->n, current->n, current->n - both, reference->n - both};
}

/* One side of both files: its columns and their rows. */
struct side {
    const char *prefix;
    const struct rec_ids *names[2];
    const float *dense[2];
    size_t rows[2];
};

static int compare_side(struct drift_work *w, const struct side *side, struct rec_err *err)
{
    for (size_t c = 0; c < side->names[0]->n; c++) {
        size_t len;
        const char *id = rec_ids_get(side->names[0], c, &len);
        int32_t there = rec_ids_find(side->names[1], id, len);
        char name[128];
        snprintf(name, sizeof name, "%s.%.*s", side->prefix, (int)len, id);
        if (there < 0) {
            rec_buf_add(&w->missing, name, strlen(name) + 1);
            continue;
        }
        struct numbers sample[2] = {{side->dense[0] + c, side->rows[0], side->names[0]->n},
                                    {side->dense[1] + there, side->rows[1], side->names[1]->n}};
        if (compare(w, name, sample, err) < 0)
            return -1;
    }
    for (size_t c = 0; c < side->names[1]->n; c++) {
        size_t len;
        const char *id = rec_ids_get(side->names[1], c, &len);
        if (rec_ids_find(side->names[0], id, len) < 0) {
            rec_buf_addf(&w->missing, "%s.%.*s", side->prefix, (int)len, id);
            rec_buf_addc(&w->missing, '\0');
        }
    }
    return w->missing.failed ? rec_err_memory(err, "columns") : 0;
}

static int compare_features(struct drift_work *w, const struct rec_features f[2], struct rec_err *err)
{
    struct side items = {"item", {&f[0].item_columns, &f[1].item_columns}, {f[0].item_dense, f[1].item_dense}, {f[0].items.n, f[1].items.n}};
    struct side users = {"user", {&f[0].user_columns, &f[1].user_columns}, {f[0].user_dense, f[1].user_dense}, {f[0].users.n, f[1].users.n}};
    size_t most = f[1].items.n > f[1].users.n ? f[1].items.n : f[1].users.n;
    int32_t *room = rec_malloc(most ? most : 1, sizeof *room, "ids", err);

    if (!room)
        return -1;
    w->features = true;
    for (int s = 0; s < 2; s++)
        w->sample[s].digest = f[s].digest;
    all_ids(&w->items, &f[0].items, &f[1].items, room);
    all_ids(&w->users, &f[0].users, &f[1].users, room);
    free(room);
    return compare_side(w, &items, err) < 0 ? -1 : compare_side(w, &users, err);
}

static int read_features(struct drift_work *w, struct rec_safetensors file[2], struct rec_err *err)
{
    struct rec_features f[2];
    int rc = -1;

    memset(f, 0, sizeof f);
    if (w->model)
        return rec_err_set(err, "--model: is for ratings, and these are features");
    if (rec_features_file_load(&f[0], &file[0], err) == 0 && rec_features_file_load(&f[1], &file[1], err) == 0)
        rc = compare_features(w, f, err);
    rec_features_clear(&f[0]);
    rec_features_clear(&f[1]);
    return rc;
}

/* ---- both ---- */

int drift_read(struct drift_work *work, struct rec_err *err)
{
    struct rec_safetensors file[2] = {{0}, {0}};
    const char *format;
    int rc = -1;

    for (int s = 0; s < 2; s++) {
        work->sample[s].name = tool_operand(work->tool, s);
        if (rec_safetensors_open(&file[s], work->sample[s].name, err) < 0)
            goto out;
    }
    format = rec_safetensors_meta(&file[0], "format");
    rc = format && strncmp(format, "rec.features/", 13) == 0 ? read_features(work, file, err) : read_ratings(work, file, err);
out:
    rec_safetensors_close(&file[0]);
    rec_safetensors_close(&file[1]);
    return rc;
}

void drift_clear(struct drift_work *work)
{
    for (size_t i = 0; i < work->n; i++)
        rec_drift_clear(&work->column[i].drift);
    free(work->column);
    rec_buf_clear(&work->missing);
}
