/* SPDX-License-Identifier: MIT
 *
 * ials: matrix factorization of implicit feedback by alternating least squares.
 *
 * Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, in the form of Rendle, Krichene, Zhang
 * and Koren, "Revisiting the Performance of iALS on Item Recommendation Benchmarks", RecSys 2022:
 *
 *     sum over observed (u,i) of w_ui (1 - x_u y_i)^2  +  a0 sum over all (u,i) of (x_u y_i)^2
 *         + sum_u L s_u^v |x_u|^2  +  sum_i L s_i^v |y_i|^2,      s_u = sum_i w_ui + a0 |items|,  s_i = sum_u w_ui + a0 |users|
 *
 * For fixed items a user's factors solve (a0 YᵀY + L s_u^v I + sum w y yᵀ) x = sum w y. Scores do not change when both sides are rotated,
 * so before each half pass both are turned to the eigenvectors of YᵀY, which thereby becomes diagonal. Then
 *   - a row with fewer entries n than factors f is solved exactly by its n x n dual, at n^2 f + n^3/3 in place of n f^2 + f^3/3;
 *   - a step of conjugate gradients (Takacs, Pilaszy and Tikk 2011) costs 4 n f, without the f^2 of a full base matrix;
 *   - blocks of coordinates (iALS++, Rendle et al. 2021) do not touch each other but through the row's entries.
 */
#include "models_priv.h"
#include "rows_priv.h"
#include "warm_priv.h"

#include <rec/kernels.h>
#include <rec/linalg.h>

#include <math.h>

enum solver { CG, CHOLESKY, SUBSPACE };

static const struct rec_param params[] = {
    {.name = "factors", .def = 64, .min = 1, .max = 2048, .integer = true,
     .help = "numbers that describe a user and an item; more find finer taste, cost time and memory", .lo = 16, .hi = 256, .log = true},
    {.name = "passes", .def = 8, .min = 1, .max = 10000, .integer = true, .help = "alternations of users and items"},
    {.name = "regularization", .def = 0, .min = 0, .max = 1e6,
     .help = "draws factors to zero; more for sparse data and many factors; 0: 3 over the fifth root of the number of pairs, at most 0.3", .lo = 0.01, .hi = 10, .log = true},
    {.name = "exponent", .def = 0.5, .min = 0, .max = 2,
     .help = "regularization grows with this power of how much is known of a row; 0: the same for all", .lo = 0, .hi = 1},
    {.name = "alpha", .def = 1, .min = 1e-6, .max = 1e6, .help = "weight of an observed pair"},
    {.name = "unobserved", .def = 0, .min = 0, .max = 1e6,
     .help = "weight of every pair's pull to zero; 0: 2.5 alpha times the share of users who have what is consumed", .lo = 0.001, .hi = 1,
     .log = true},
    {.name = "weights", .def = 0, .min = 0, .max = 1, .choices = "equal|values",
     .help = "observed pairs weigh alpha each, or alpha times their value"},
    {.name = "solver", .def = CG, .min = 0, .max = 2, .choices = "cg|cholesky|subspace",
     .help = "conjugate gradients, exact, or blocks of coordinates"},
    {.name = "steps", .def = 2, .min = 1, .max = 1000, .integer = true, .help = "steps of conjugate gradients a row and pass"},
    {.name = "block", .def = 32, .min = 1, .max = 2048, .integer = true, .help = "coordinates in a block of the subspace solver"},
    {.name = "deviation", .def = 0.01, .min = 1e-6, .max = 100,
     .help = "standard deviation of a random first score, before training"},
    {.name = NULL},
};

/* One side of the matrix: users, or items. */
struct side {
    size_t rows;
    const int64_t *ptr;
    const int32_t *index;
    const float *weight;   /* NULL: all 1 */
    float *x;              /* [rows, f] */
    float *penalty;        /* [rows]: L s^v */
};

struct ials {
    struct side user, item;
    struct rec_csr by_item;
    size_t f, longest, block;
    int steps;
    enum solver solver;
    double unobserved;     /* a0, in units of alpha */
    double *gram, *lambda; /* [f, f], [f] */
    float *base;           /* [f]: a0 times the eigenvalues of the fixed side's Gramian */
    float *ones;           /* [longest] */
    char *scratch;         /* [threads, scratch_size] */
    size_t scratch_size;
    unsigned threads;
    float *shown[2];       /* copies of users and items, to be shown between passes; NULL: never */
};

/* A half pass: solves for `to` from `from`. */
struct half {
    struct ials *ials;
    const struct side *from, *to;
    bool want_loss;
};

/* What a thread needs for a row, cut from its scratch space. */
struct bench {
    float *d;              /* [f] the diagonal */
    float *p;              /* [longest] predictions */
    float *a, *b;          /* a block's matrix and right side */
    void *kernel;
};

static size_t kernel_scratch(size_t f)
{
    size_t n = rec_ridge_solve_scratch(f), cg = rec_ridge_cg_scratch(f), normal = rec_ridge_normal_scratch(f);

    n = n < cg ? cg : n;
    return n < normal ? normal : n;
}

static size_t scratch_size(const struct ials *s)
{
    size_t n = kernel_scratch(s->f) + (2 * s->f + 2 * s->longest) * sizeof(float);

    if (s->solver == SUBSPACE)
        n += rec_ridge_ld(s->block) * rec_ridge_ld(s->block) * sizeof(float);
    return (n + 127) / 64 * 64;
}

static struct bench lay_out(const struct ials *s, unsigned thread)
{
    struct bench bench;
    float *at = (float *)(void *)(s->scratch + thread * s->scratch_size);

    bench.d = at, at += s->f;
    bench.b = at, at += s->f;
    bench.p = at, at += 2 * s->longest;
    bench.a = at, at += s->solver == SUBSPACE ? rec_ridge_ld(s->block) * rec_ridge_ld(s->block) : 0;
    bench.kernel = at;
    return bench;
}

/* Gauss-Seidel over blocks of coordinates: each is solved exactly for what the others leave over. */
static int solve_blocks(const struct ials *s, const struct rec_ridge_rows *row, float *x, struct bench *bench)
{
    float *rest = bench->p + s->longest;

    rec_kernels_gemv_rows(bench->p, row->v, s->f, row->ld, row->idx, row->n, x, NULL);
    for (size_t k = 0; k < s->f; k += s->block) {
        size_t width = s->f - k < s->block ? s->f - k : s->block;
        struct rec_ridge_rows part = *row;
        for (size_t j = 0; j < row->n; j++)
            rest[j] = (row->w ? row->w[j] : 1) * (1 - bench->p[j]);
        part.v += k;
        part.f = width;
        part.c = rest;
        rec_ridge_normal(bench->a, bench->b, &part, NULL, 0, bench->d + k, bench->kernel);
        for (size_t i = 0; i < width; i++)
            bench->b[i] -= bench->d[k + i] * x[k + i];
        if (rec_ridge_spd(bench->a, bench->b, width) < 0)
            return -1;
        for (size_t i = 0; i < width; i++)
            x[k + i] += bench->b[i];
        rec_kernels_gemv_rows(bench->p, part.v, width, row->ld, row->idx, row->n, bench->b, bench->p);
    }
    return 0;
}

static int solve_row(const struct ials *s, const struct rec_ridge_rows *row, float *x, struct bench *bench)
{
    switch (s->solver) {
    case CG:
        /* In the rotated basis A is nearly diagonal, so dividing by its diagonal is worth a step and more. */
        rec_ridge_cg(x, row, bench->d, s->steps, 1, bench->kernel);
        return 0;
    case CHOLESKY:
        return rec_ridge_solve(x, row, bench->d, REC_RIDGE_BEST, bench->kernel);
    case SUBSPACE:
        return solve_blocks(s, row, x, bench);
    }
    return -1;
}

/* sum w (1 - x y)^2 + x' diag(d) x: the row's part of the loss, in which d holds its share of all pairs and its penalty. */
static double row_loss(const struct ials *s, const struct rec_ridge_rows *row, const float *x, struct bench *bench)
{
    double loss = 0;

    rec_kernels_gemv_rows(bench->p, row->v, s->f, row->ld, row->idx, row->n, x, NULL);
    for (size_t j = 0; j < row->n; j++)
        loss += (row->w ? row->w[j] : 1) * (1 - (double)bench->p[j]) * (1 - (double)bench->p[j]);
    for (size_t k = 0; k < s->f; k++)
        loss += (double)bench->d[k] * x[k] * x[k];
    return loss;
}

static int solve_rows(void *context, size_t begin, size_t end, unsigned thread, double *loss, struct rec_err *err)
{
    const struct half *half = context;
    const struct ials *s = half->ials;
    const struct side *to = half->to;
    struct bench bench = lay_out(s, thread);

    for (size_t r = begin; r < end; r++) {
        float *x = to->x + r * s->f;
        const float *w = to->weight ? to->weight + to->ptr[r] : NULL;
        struct rec_ridge_rows row = {.v = half->from->x, .ld = s->f, .f = s->f, .idx = to->index + to->ptr[r],
                                     .n = (size_t)(to->ptr[r + 1] - to->ptr[r]), .w = w, .c = w ? w : s->ones,
                                     .ahead = r + 1 < end ? (size_t)(to->ptr[r + 2] - to->ptr[r + 1]) : 0};
        if (row.n == 0) {
            memset(x, 0, s->f * sizeof *x);
            continue;
        }
        for (size_t k = 0; k < s->f; k++)
            bench.d[k] = s->base[k] + to->penalty[r];
        if (solve_row(s, &row, x, &bench) < 0)
            return rec_err_set(err, "ials: row %zu cannot be solved in single precision; raise the regularization", r);
        if (half->want_loss)
            *loss += row_loss(s, &row, x, &bench);
    }
    return 0;
}

/* Turns `from` to the eigenvectors of its Gramian, which is then diagonal; and `to` with it, unless it is about to be overwritten. */
static int rotate(struct ials *s, const struct side *from, const struct side *to, struct rec_err *err)
{
    if (rec_dense_gramian(s->gram, from->x, from->rows, s->f, s->threads, err) < 0 ||
        rec_solve_eigen(s->lambda, s->gram, s->f, err) < 0 ||
        rec_dense_rotate(from->x, from->rows, s->f, s->gram, s->threads, err) < 0 ||
        (to && rec_dense_rotate(to->x, to->rows, s->f, s->gram, s->threads, err) < 0))
        return -1;
    /* Rounding can leave a vanishing eigenvalue at or below zero. */
    double least = 1e-7 * s->lambda[0];
    for (size_t k = 0; k < s->f; k++)
        s->base[k] = (float)(s->unobserved * (s->lambda[k] > least ? s->lambda[k] : least));
    return 0;
}

static int half_pass(struct ials *s, const struct side *from, const struct side *to, double *loss, struct rec_err *err)
{
    struct half half = {.ials = s, .from = from, .to = to, .want_loss = loss != NULL};

    if (rotate(s, from, s->solver == CHOLESKY ? NULL : to, err) < 0)
        return -1;
    return rec_rows_run(s->threads, to->ptr, to->rows, solve_rows, &half, loss, err);
}

static double penalty_loss(const struct side *side, size_t f)
{
    double loss = 0;

    for (size_t r = 0; r < side->rows; r++) {
        double norm = 0;
        for (size_t k = 0; k < f; k++)
            norm += (double)side->x[r * f + k] * side->x[r * f + k];
        loss += side->penalty[r] * norm;
    }
    return loss;
}

/* L s^v for each row of a side whose rows meet `others` of the other. */
static int set_penalty(struct side *side, double regularization, double exponent, double unobserved, size_t others, struct rec_err *err)
{
    side->penalty = rec_malloc(side->rows, sizeof *side->penalty, "ials", err);
    if (!side->penalty)
        return -1;
    for (size_t r = 0; r < side->rows; r++) {
        double sum = side->weight ? 0 : (double)(side->ptr[r + 1] - side->ptr[r]);
        for (int64_t p = side->ptr[r]; side->weight && p < side->ptr[r + 1]; p++)
            sum += side->weight[p];
        /* Without regularization the system must still be positive definite. */
        side->penalty[r] = (float)fmax(1e-30, regularization * pow(sum + unobserved * (double)others, exponent));
    }
    return 0;
}

static int check_weights(const struct rec_ratings *r, struct rec_err *err)
{
    for (size_t p = 0; p < r->nnz; p++)
        if (!(r->value[p] >= 0 && r->value[p] <= 1e6F))
            return rec_err_set(err, "ials: value %g cannot be a weight; weights=values takes values from 0 to 1e6", (double)r->value[p]);
    return 0;
}

/* Conjugate gradients begin with what the users were as well. */
static int begin_rows(struct ials *s, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_ratings *r = job->ratings;
    const struct rec_model *warm = job->warm;

    if (!warm) {
        rec_rows_random(s->item.x, r->n_items, s->f, rec_models_param(&rec_ials_type, job, "deviation") / sqrt((double)s->f), job->seed);
        return 0;
    }
    if (rec_warm_check(&rec_ials_type, job, s->f, err) < 0)
        return -1;
    struct rec_warm_side items = {&warm->items, warm->item_factors, NULL, s->f}, users = {&warm->users, warm->user_factors, NULL, s->f};
    if (rec_warm_rows(s->item.x, s->f, NULL, &r->items, &items, 1, err) < 0)
        return -1;
    return rec_warm_rows(s->user.x, s->f, NULL, &r->users, &users, 1, err);
}

static int set_up(struct ials *s, struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_ratings *r = job->ratings;
    const struct rec_model_type *type = &rec_ials_type;
    double alpha = rec_models_param(type, job, "alpha"), exponent = rec_models_param(type, job, "exponent");
    bool values = rec_models_param(type, job, "weights") == 1;

    s->f = (size_t)rec_models_param(type, job, "factors");
    s->solver = (enum solver)rec_models_param(type, job, "solver");
    s->steps = (int)rec_models_param(type, job, "steps");
    s->block = (size_t)rec_models_param(type, job, "block");
    s->block = s->block < s->f ? s->block : s->f;
    s->threads = job->threads ? job->threads : 1;
    /* Dividing the loss by alpha leaves weights of 1 (or the values) and changes nothing else but the unit of s. */
    s->unobserved = rec_models_param(type, job, "unobserved") / alpha;
    double regularization = rec_models_param(type, job, "regularization") * pow(alpha, exponent - 1);
    if (values && check_weights(r, err) < 0)
        return -1;
    if (rec_csr_transpose(&s->by_item, r->n_users, r->n_items, r->user_ptr, r->item, values ? r->value : NULL, err) < 0)
        return -1;
    s->user = (struct side){.rows = r->n_users, .ptr = r->user_ptr, .index = r->item, .weight = values ? r->value : NULL};
    s->item = (struct side){.rows = r->n_items, .ptr = s->by_item.ptr, .index = s->by_item.index, .weight = s->by_item.value};
    if (set_penalty(&s->user, regularization, exponent, s->unobserved, r->n_items, err) < 0 ||
        set_penalty(&s->item, regularization, exponent, s->unobserved, r->n_users, err) < 0)
        return -1;
    s->longest = rec_rows_longest(s->user.ptr, s->user.rows);
    size_t other = rec_rows_longest(s->item.ptr, s->item.rows);
    s->longest = s->longest > other ? s->longest : other;
    s->scratch_size = scratch_size(s);
    size_t n_user, n_item, ff;
    if (rec_size_mul(&n_user, r->n_users, s->f) < 0 || rec_size_mul(&n_item, r->n_items, s->f) < 0 || rec_size_mul(&ff, s->f, s->f) < 0)
        return rec_err_memory(err, "ials");
    s->user.x = rec_models_own(model, n_user, sizeof(float), err);
    s->item.x = rec_models_own(model, n_item, sizeof(float), err);
    s->gram = rec_malloc(ff, sizeof *s->gram, "ials", err);
    s->lambda = rec_malloc(s->f, sizeof *s->lambda, "ials", err);
    s->base = rec_malloc(s->f, sizeof *s->base, "ials", err);
    s->ones = rec_malloc(s->longest, sizeof *s->ones, "ials", err);
    s->scratch = rec_malloc(s->threads, s->scratch_size, "ials", err);
    if (!s->user.x || !s->item.x || !s->gram || !s->lambda || !s->base || !s->ones || !s->scratch)
        return -1;
    for (size_t j = 0; j < s->longest; j++)
        s->ones[j] = 1;
    return begin_rows(s, job, err);
}

/* The model's items lie along the eigenvectors of their own Gramian: folding a user in then needs its diagonal alone. */
static int fill(struct rec_model *model, struct ials *s, const struct side *user, const struct side *item, struct rec_err *err)
{
    if (rotate(s, item, user, err) < 0)
        return -1;
    model->factors = s->f;
    model->user_factors = user->x;
    model->item_factors = item->x;
    return 0;
}

/* Training goes on with its own arrays, unrotated: what is shown is a copy, made when somebody looks. */
static int show(struct rec_model *out, struct ials *s, const struct rec_model *model, struct rec_err *err)
{
    struct side copy[2] = {s->user, s->item};

    for (size_t i = 0; i < 2; i++) {
        if (!s->shown[i] && !(s->shown[i] = rec_malloc(copy[i].rows * s->f, sizeof(float), "model", err)))
            return -1;
        memcpy(s->shown[i], copy[i].x, copy[i].rows * s->f * sizeof(float));
        copy[i].x = s->shown[i];
    }
    *out = *model;
    return fill(out, s, &copy[0], &copy[1], err);
}

static size_t list_parts(struct rec_train_part part[2], const struct ials *s)
{
    part[0] = (struct rec_train_part){"user_rows", s->user.x, s->user.rows * s->f * sizeof(float)};
    part[1] = (struct rec_train_part){"item_rows", s->item.x, s->item.rows * s->f * sizeof(float)};
    return 2;
}

static int tell(struct ials *s, const struct rec_model *model, const struct rec_train_job *job, size_t pass, size_t passes, double loss,
                struct rec_err *err)
{
    struct rec_train_part part[2];
    struct rec_model shown;
    struct rec_progress progress = {.step = pass, .steps = passes, .loss = loss, .what = "pass", .state = part, .n_state = list_parts(part, s)};

    if (rec_models_wanted(job, pass, passes)) {
        if (show(&shown, s, model, err) < 0)
            return -1;
        progress.model = &shown;
    }
    return rec_models_tell(job, &progress, err);
}

/* How large a share of the users have what is consumed: sum n_i^2 / (users sum n_i), n_i users having item i. Where few items are everybody's, an
 * unobserved pair says more. On Gowalla, MovieTweetings and MovieLens this share is .002, .014 and .14, and the best weight 2 to 3 times as much. */
static int set_unobserved(double *unobserved, const struct rec_ratings *r, double alpha, struct rec_err *err)
{
    int64_t *count = rec_calloc(r->n_items, sizeof *count, "ials", err);
    double squares = 0;

    if (!count)
        return -1;
    for (size_t p = 0; p < r->nnz; p++)
        count[r->item[p]]++;
    for (size_t i = 0; i < r->n_items; i++)
        squares += (double)count[i] * (double)count[i];
    free(count);
    *unobserved = r->nnz > 0 ? alpha * fmin(1, 2.5 * squares / (double)r->nnz / (double)r->n_users) : 0;
    return 0;
}

/* The parameters as given, but for those that follow from the data. More pairs need less regularization: for an exponent of 0.5, 0.3 to 0.35 is the
 * best for 80,000 pairs of MovieLens and of MovieTweetings, 0.2 for 720,000 of Gowalla. */
static int resolve(double *param, const struct rec_train_job *job, struct rec_err *err)
{
    int status = 0;

    for (size_t i = 0; params[i].name; i++) {
        param[i] = job->param[i];
        if (!strcmp(params[i].name, "regularization") && param[i] == 0 && job->ratings->nnz > 0)
            param[i] = fmin(0.3, 3 * pow((double)job->ratings->nnz, -0.2));
        if (!strcmp(params[i].name, "unobserved") && param[i] == 0)
            status = set_unobserved(&param[i], job->ratings, rec_models_param(&rec_ials_type, job, "alpha"), err);
    }
    return status;
}

static int train(struct rec_model *model, const struct rec_train_job *given, struct rec_err *err)
{
    double param[REC_PARAM_MAX], loss;
    struct rec_train_job own = *given, *job = &own;
    struct ials s = {0};
    size_t passes = (size_t)rec_models_param(&rec_ials_type, job, "passes");
    struct rec_train_part part[2];
    ptrdiff_t done;
    int rc = -1, stop = 0;

    own.param = param;
    *model = (struct rec_model){.n_users = 0};
    if (resolve(param, given, err) < 0 || rec_models_begin(model, &rec_ials_type, job, err) < 0 || set_up(&s, model, job, err) < 0 ||
        (done = rec_models_resume(job, part, list_parts(part, &s), err)) < 0)
        goto out;
    if (job->warm && done == 0 && half_pass(&s, &s.item, &s.user, NULL, err) < 0)
        goto out;
    for (size_t pass = (size_t)done + 1; !stop && pass <= passes; pass++) {
        /* Users come last: they answer to the items as a visitor folded in would, and their side is the cheaper one to sum the loss over.
           In the first pass the items are random, or warm. */
        if (((pass > 1 || job->warm) && half_pass(&s, &s.user, &s.item, NULL, err) < 0) || half_pass(&s, &s.item, &s.user, &loss, err) < 0)
            goto out;
        stop = tell(&s, model, job, pass, passes, loss + penalty_loss(&s.item, s.f), err);
        if (stop < 0)
            goto out;
    }
    rc = fill(model, &s, &s.user, &s.item, err);
out:
    free(s.shown[0]);
    free(s.shown[1]);
    rec_csr_clear(&s.by_item);
    free(s.user.penalty);
    free(s.item.penalty);
    free(s.gram);
    free(s.lambda);
    free(s.base);
    free(s.ones);
    free(s.scratch);
    if (rc < 0)
        rec_model_clear(model);
    return rc;
}

const struct rec_model_type rec_ials_type = {
    .name = "ials",
    .summary = "factors of users and items from which pairs there are, by alternating least squares",
    .paper = "Hu, Koren, Volinsky 2008 (ICDM); Rendle et al. 2022, Revisiting iALS (RecSys)",
    .implicit = true,
    .warms = true,
    .params = params,
    .train = train,
};
