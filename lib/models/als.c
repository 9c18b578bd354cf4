/* SPDX-License-Identifier: MIT
 *
 * als: matrix factorization of ratings by alternating least squares, with biases.
 *
 * Zhou, Wilkinson, Schreiber and Pan, "Large-Scale Parallel Collaborative Filtering for the Netflix Prize", AAIM 2008 (weighted-lambda
 * regularization), with biases solved together with the factors, as one more coordinate. For ratings z in units of their standard
 * deviation, less their mean:
 *
 *     sum (z - b_u - b_i - x_u y_i)^2  +  sum_u n_u^v (L |x_u|^2 + B b_u^2)  +  sum_i n_i^v (L |y_i|^2 + B b_i^2)
 *
 * The unit makes L mean the same for stars from 1 to 5 and for marks from 1 to 10. While one side is solved the other's last
 * coordinate is 1, so that the bias is a coordinate of the solution; a row shorter than the number of coordinates is solved by its dual.
 *
 * With implicit features which pairs there are is factorized along with the ratings (als_implied.c): a row's system has w C'C, made a diagonal, with its
 * penalty, and w sum c_i on its right side. With q = D^-1 w sum c_i that is the same as x = q + what solves for the ratings less q y_i.
 */
#include "als_priv.h"
#include "rows_priv.h"
#include "warm_priv.h"

#include <rec/kernels.h>

#include <math.h>

static const struct rec_param params[] = {
    {.name = "factors", .def = 64, .min = 1, .max = 2047, .integer = true,
     .help = "numbers that describe a user and an item; more find finer taste, cost time and memory", .lo = 8, .hi = 128, .log = true},
    {.name = "passes", .def = 10, .min = 1, .max = 10000, .integer = true, .help = "alternations of users and items"},
    {.name = "regularization", .def = 2.8, .min = 0, .max = 1e6,
     .help = "draws factors to zero; more for sparse data and many factors", .lo = 0.3, .hi = 30, .log = true},
    {.name = "regularization-biases", .def = 1.2, .min = 0, .max = 1e6, .help = "draws biases to zero", .lo = 0.1, .hi = 10,
     .log = true},
    {.name = "exponent", .def = 0.3, .min = 0, .max = 2,
     .help = "regularization grows with this power of the number of ratings in a row; 0: the same for all", .lo = 0, .hi = 1},
    {.name = "implicit-features", .def = 0.4, .min = 0, .max = 1e6, .lo = 0, .hi = 2,
     .help = "weight of which pairs there are, factorized along with the ratings; 0: not at all"},
    {.name = "deviation", .def = 0.1, .min = 1e-6, .max = 100, .help = "standard deviation of a random first score, before training"},
    {.name = NULL},
};

/* One side of the matrix: users, or items. */
struct side {
    size_t rows;
    const int64_t *ptr;
    const int32_t *index;
    const float *value;
    float *x;              /* [rows, ld]: factors, then the bias or, while the side is fixed, 1 */
    float *bias;           /* [rows] */
    float *implied;        /* [rows, f] what it says to whom there are pairs with; NULL: nothing */
};

struct als {
    struct side user, item;
    struct rec_csr by_item;
    double mean, unit;
    size_t f, ld, longest; /* ld = f + 1 */
    double regularization, regularization_bias, exponent, implied;
    float *diagonal;       /* [f] of the fixed side's w C'C */
    double lost_users, lost_items; /* implied_loss of either side */
    char *scratch;         /* [threads, scratch_size] */
    size_t scratch_size;
    unsigned threads;
    float *shown[4];       /* what of the model is shown between passes: factors and biases of users and items; NULL: never */
};

struct half {
    const struct als *als;
    const struct side *from, *to;
};

/* Sum of squares of what is left over, plus the row's penalty. */
static double row_loss(const struct rec_ridge_rows *row, const float *x, const float *d, float *p)
{
    double loss = 0;

    rec_kernels_gemv_rows(p, row->v, row->f, row->ld, row->idx, row->n, x, NULL);
    for (size_t j = 0; j < row->n; j++)
        loss += ((double)row->c[j] - p[j]) * ((double)row->c[j] - p[j]);
    for (size_t k = 0; k < row->f; k++)
        loss += (double)d[k] * x[k] * x[k];
    return loss;
}

/* What the row's pairs ask for by themselves, and the ratings less that. */
static void ask(float *c, float *q, float *p, const struct als *s, const struct side *from, const struct rec_ridge_rows *row, const float *d)
{
    rec_als_implied_start(q, from->implied, s->f, row->idx, row->n, d, s->implied);
    rec_kernels_gemv_rows(p, row->v, s->f, row->ld, row->idx, row->n, q, NULL);
    for (size_t j = 0; j < row->n; j++)
        c[j] -= p[j];
}

static int solve_rows(void *context, size_t begin, size_t end, unsigned thread, double *loss, struct rec_err *err)
{
    const struct half *half = context;
    const struct als *s = half->als;
    const struct side *to = half->to;
    float *d = (float *)(void *)(s->scratch + thread * s->scratch_size), *c = d + s->ld, *p = c + s->longest,
          *q = p + s->longest;
    void *kernel = q + s->ld;

    for (size_t r = begin; r < end; r++) {
        float *x = to->x + r * s->ld;
        const float *value = to->value + to->ptr[r];
        struct rec_ridge_rows row = {.v = half->from->x, .ld = s->ld, .f = s->ld, .idx = to->index + to->ptr[r],
                                     .n = (size_t)(to->ptr[r + 1] - to->ptr[r]), .c = c};
        double weight = pow((double)row.n, s->exponent);
        for (size_t j = 0; j < row.n; j++)
            c[j] = (float)((value[j] - s->mean) / s->unit - half->from->bias[row.idx[j]]);
        for (size_t k = 0; k < s->f; k++)
            d[k] = (float)(s->regularization * weight) + (s->diagonal ? s->diagonal[k] : 0);
        d[s->f] = (float)(s->regularization_bias * weight);
        if (half->from->implied && row.n > 0)
            ask(c, q, p, s, half->from, &row, d);
        if (row.n == 0)
            memset(x, 0, s->ld * sizeof *x);
        else if (rec_ridge_solve(x, &row, d, REC_RIDGE_BEST, kernel) < 0)
            return rec_err_set(err, "als: row %zu cannot be solved in single precision; raise the regularization", r);
        *loss += row_loss(&row, x, d, p);
        for (size_t k = 0; half->from->implied && row.n > 0 && k < s->f; k++) {
            *loss -= (double)d[k] * x[k] * x[k];
            x[k] += q[k];
            *loss += s->regularization * weight * x[k] * x[k];
        }
        to->bias[r] = x[s->f];
        x[s->f] = 1;
    }
    return 0;
}

/* w sum over all pairs of (1 if there is such a pair, else 0, less x c)^2, of rows that were solved for: the others' c and diagonal are theirs still. */
static int implied_rows(void *context, size_t begin, size_t end, unsigned thread, double *loss, struct rec_err *err)
{
    const struct half *half = context;
    const struct als *s = half->als;
    const struct side *to = half->to;

    (void)thread;
    (void)err;
    for (size_t r = begin; r < end; r++) {
        const float *x = to->x + r * s->ld;
        double row = (double)(to->ptr[r + 1] - to->ptr[r]);
        for (int64_t p = to->ptr[r]; p < to->ptr[r + 1]; p++)
            row -= 2 * (double)rec_kernels_dot(x, half->from->implied + (size_t)to->index[p] * s->f, s->f);
        *loss += s->implied * row;
        for (size_t k = 0; k < s->f; k++)
            *loss += (double)s->diagonal[k] * x[k] * x[k];
    }
    return 0;
}

/* That, and the penalty of c, after a half pass. */
static int implied_loss(double *loss, struct als *s, const struct side *from, const struct side *to, struct rec_err *err)
{
    struct half half = {.als = s, .from = from, .to = to};

    if (rec_rows_run(s->threads, to->ptr, to->rows, implied_rows, &half, loss, err) < 0)
        return -1;
    for (size_t r = 0; r < from->rows; r++) {
        double penalty = s->regularization * pow((double)(from->ptr[r + 1] - from->ptr[r]), s->exponent);
        for (size_t k = 0; k < s->f; k++)
            *loss += penalty * from->implied[r * s->f + k] * from->implied[r * s->f + k];
    }
    return 0;
}

static int half_pass(struct als *s, const struct side *from, const struct side *to, double *loss, struct rec_err *err)
{
    struct half half = {.als = s, .from = from, .to = to};
    struct rec_als_implied implied = {.rows = from->rows, .others = to->rows, .f = s->f, .ptr = from->ptr, .index = from->index, .other = to->x,
                                      .x = from->x, .c = from->implied, .diagonal = s->diagonal, .weight = s->implied,
                                      .regularization = s->regularization, .exponent = s->exponent, .threads = s->threads};

    if (from->implied && rec_als_implied_learn(&implied, err) < 0)
        return -1;
    if (rec_rows_run(s->threads, to->ptr, to->rows, solve_rows, &half, loss, err) < 0)
        return -1;
    return from->implied ? implied_loss(to == &s->user ? &s->lost_users : &s->lost_items, s, from, to, err) : 0;
}

static double penalty_loss(const struct als *s, const struct side *side)
{
    double loss = 0;

    for (size_t r = 0; r < side->rows; r++) {
        double norm = 0, weight = pow((double)(side->ptr[r + 1] - side->ptr[r]), s->exponent);
        for (size_t k = 0; k < s->f; k++)
            norm += (double)side->x[r * s->ld + k] * side->x[r * s->ld + k];
        loss += weight * (s->regularization * norm + s->regularization_bias * side->bias[r] * side->bias[r]);
    }
    return loss;
}

/* Mean and standard deviation of the values, in two sweeps. */
static void set_unit(struct als *s, const struct rec_ratings *r)
{
    double sum = 0, squares = 0;

    for (size_t p = 0; p < r->nnz; p++)
        sum += r->value[p];
    s->mean = sum / (double)r->nnz;
    for (size_t p = 0; p < r->nnz; p++)
        squares += (r->value[p] - s->mean) * (r->value[p] - s->mean);
    s->unit = sqrt(squares / (double)r->nnz);
    if (!(s->unit > 1e-9 * fabs(s->mean)) || s->unit == 0)
        s->unit = 1;
}

static int allocate(struct als *s, struct rec_model *model, const struct rec_ratings *r, struct rec_err *err)
{
    size_t n_user, n_item;

    if (rec_size_mul(&n_user, r->n_users, s->ld) < 0 || rec_size_mul(&n_item, r->n_items, s->ld) < 0)
        return rec_err_memory(err, "als");
    s->user.x = rec_models_own(model, n_user, sizeof(float), err);
    s->item.x = rec_models_own(model, n_item, sizeof(float), err);
    s->user.bias = rec_models_own(model, r->n_users, sizeof(float), err);
    s->item.bias = rec_models_own(model, r->n_items, sizeof(float), err);
    s->scratch_size = (rec_ridge_solve_scratch(s->ld) + (2 * s->ld + 2 * s->longest) * sizeof(float) + 127) / 64 * 64;
    s->scratch = rec_malloc(s->threads, s->scratch_size, "als", err);
    if (!s->user.x || !s->item.x || !s->user.bias || !s->item.bias || !s->scratch)
        return -1;
    if (s->implied == 0)
        return 0;
    s->lost_items = s->implied * (double)r->nnz; /* before they are solved for, items say nothing */
    s->diagonal = rec_malloc(s->f, sizeof *s->diagonal, "als", err);
    s->user.implied = rec_malloc(r->n_users, s->f * sizeof(float), "als", err);
    s->item.implied = rec_models_own(model, r->n_items * s->f, sizeof(float), err);
    return s->diagonal && s->user.implied && s->item.implied ? 0 : -1;
}

/* Items suffice: users are solved for first, exactly. */
static int begin_items(struct als *s, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_ratings *r = job->ratings;
    const struct rec_model *warm = job->warm;
    double deviation = rec_models_param(&rec_als_type, job, "deviation");

    if (!warm)
        rec_rows_random(s->item.x, r->n_items, s->ld, deviation / sqrt((double)s->f), job->seed);
    else if (rec_warm_check(&rec_als_type, job, s->f, err) < 0 ||
             rec_warm_rows(s->item.x, s->ld, s->item.bias, &r->items,
                           &(struct rec_warm_side){&warm->items, warm->item_factors, warm->item_bias, s->f}, s->unit, err) < 0)
        return -1;
    for (size_t i = 0; i < r->n_items; i++)
        s->item.x[i * s->ld + s->f] = 1;
    return 0;
}

static int set_up(struct als *s, struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    const struct rec_ratings *r = job->ratings;
    const struct rec_model_type *type = &rec_als_type;
    size_t longest;

    s->f = (size_t)rec_models_param(type, job, "factors");
    s->ld = s->f + 1;
    s->threads = job->threads ? job->threads : 1;
    /* The floor keeps the systems positive definite without regularization. */
    s->regularization = rec_models_param(type, job, "regularization") + 1e-6;
    s->regularization_bias = rec_models_param(type, job, "regularization-biases") + 1e-6;
    s->exponent = rec_models_param(type, job, "exponent");
    s->implied = rec_models_param(type, job, "implicit-features");
    set_unit(s, r);
    if (rec_csr_transpose(&s->by_item, r->n_users, r->n_items, r->user_ptr, r->item, r->value, err) < 0)
        return -1;
    s->user = (struct side){.rows = r->n_users, .ptr = r->user_ptr, .index = r->item, .value = r->value};
    s->item = (struct side){.rows = r->n_items, .ptr = s->by_item.ptr, .index = s->by_item.index, .value = s->by_item.value};
    s->longest = rec_rows_longest(s->user.ptr, s->user.rows);
    longest = rec_rows_longest(s->item.ptr, s->item.rows);
    s->longest = s->longest > longest ? s->longest : longest;
    return allocate(s, model, r, err) < 0 ? -1 : begin_items(s, job, err);
}

/* A side in the unit of the ratings, rows closed up from ld to f: in new places, or where it is. */
static void convert(float *x, float *bias, const struct als *s, const struct side *side)
{
    float root = (float)sqrt(s->unit);

    for (size_t r = 0; r < side->rows; r++) {
        for (size_t k = 0; k < s->f; k++)
            x[r * s->f + k] = side->x[r * s->ld + k] * root;
        bias[r] = rec_models_float(side->bias[r] * s->unit);
    }
}

/* The model, in these arrays. */
static void fill(struct rec_model *model, const struct als *s, float *user, float *item, float *user_bias, float *item_bias)
{
    convert(user, user_bias, s, &s->user);
    convert(item, item_bias, s, &s->item);
    model->factors = s->f;
    model->mean = s->mean;
    model->spread = s->unit;
    model->user_factors = user;
    model->item_factors = item;
    model->user_bias = user_bias;
    model->item_bias = item_bias;
}

/* Training goes on with its own arrays: what is shown is a copy, made when somebody looks. */
static int show(struct rec_model *out, struct als *s, const struct rec_model *model, struct rec_err *err)
{
    size_t n[] = {s->user.rows * s->f, s->item.rows * s->f, s->user.rows, s->item.rows};

    for (size_t i = 0; i < REC_LENGTH(n); i++)
        if (!s->shown[i] && !(s->shown[i] = rec_malloc(n[i], sizeof(float), "model", err)))
            return -1;
    *out = *model;
    fill(out, s, s->shown[0], s->shown[1], s->shown[2], s->shown[3]);
    return 0;
}

/* Items come last in a checkpoint's row of parts; users suffice for the next pass, and items for a training whose last pass it was. */
static size_t list_parts(struct rec_train_part part[5], const struct als *s)
{
    part[0] = (struct rec_train_part){"user_rows", s->user.x, s->user.rows * s->ld * sizeof(float)};
    part[1] = (struct rec_train_part){"user_bias", s->user.bias, s->user.rows * sizeof(float)};
    part[2] = (struct rec_train_part){"item_rows", s->item.x, s->item.rows * s->ld * sizeof(float)};
    part[3] = (struct rec_train_part){"item_bias", s->item.bias, s->item.rows * sizeof(float)};
    part[4] = (struct rec_train_part){"item_implied", s->item.implied, s->item.rows * s->f * sizeof(float)};
    return s->item.implied ? 5 : 4;
}

static int tell(struct als *s, const struct rec_model *model, const struct rec_train_job *job, size_t pass, size_t passes, double loss,
                struct rec_err *err)
{
    struct rec_train_part part[5];
    struct rec_model shown;
    struct rec_progress progress = {.step = pass, .steps = passes, .loss = loss, .what = "pass", .state = part, .n_state = list_parts(part, s)};

    if (rec_models_wanted(job, pass, passes)) {
        if (show(&shown, s, model, err) < 0)
            return -1;
        progress.model = &shown;
    }
    return rec_models_tell(job, &progress, err);
}

static int train(struct rec_model *model, const struct rec_train_job *job, struct rec_err *err)
{
    struct als s = {0};
    size_t passes = (size_t)rec_models_param(&rec_als_type, job, "passes");
    struct rec_train_part part[5];
    ptrdiff_t done;
    double unused, loss;
    int rc = -1, stop = 0;

    if (rec_models_begin(model, &rec_als_type, job, err) < 0 || set_up(&s, model, job, err) < 0 ||
        (done = rec_models_resume(job, part, list_parts(part, &s), err)) < 0)
        goto out;
    if (job->warm && done == 0 && half_pass(&s, &s.item, &s.user, &unused, err) < 0)
        goto out;
    for (size_t pass = (size_t)done + 1; !stop && pass <= passes; pass++) {
        /* Users come last: they answer to the items as a visitor folded in would. In the first pass the items are random, or warm. */
        if (((pass > 1 || job->warm) && half_pass(&s, &s.user, &s.item, &unused, err) < 0) || half_pass(&s, &s.item, &s.user, &loss, err) < 0)
            goto out;
        stop = tell(&s, model, job, pass, passes, loss + penalty_loss(&s, &s.item) + s.lost_users + s.lost_items, err);
        if (stop < 0)
            goto out;
    }
    fill(model, &s, s.user.x, s.item.x, s.user.bias, s.item.bias);
    for (size_t k = 0; s.item.implied && k < s.item.rows * s.f; k++)
        s.item.implied[k] *= (float)sqrt(s.unit);
    model->implicit_factors = s.item.implied;
    rc = 0;
out:
    for (size_t i = 0; i < REC_LENGTH(s.shown); i++)
        free(s.shown[i]);
    rec_csr_clear(&s.by_item);
    free(s.scratch);
    free(s.diagonal);
    free(s.user.implied);
    if (rc < 0)
        rec_model_clear(model);
    return rc;
}

const struct rec_model_type rec_als_type = {
    .name = "als",
    .summary = "factors and biases of users and items from ratings, by alternating least squares",
    .paper = "Zhou, Wilkinson, Schreiber, Pan 2008 (AAIM)",
    .implicit = false,
    .warms = true,
    .params = params,
    .train = train,
};
