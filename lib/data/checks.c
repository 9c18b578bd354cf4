/* SPDX-License-Identifier: MIT
 *
 * Checks on ratings, as a table: measure() collects facts in a few passes, each check judges one of them.
 *
 * Skew is the Gini coefficient of the items' numbers of ratings: 0 when all are rated alike, near 1 when few have
 * everything.
 */
#include <math.h>

#include <rec/data.h>

enum { VALUES_MAX = 1000 };

struct facts {
    const struct rec_ratings *r;
    const struct rec_checks_options *o;
    size_t *item_count;
    int64_t *times;                 /* of one user, or all numbers of ratings of items */
    double low, high, step;         /* step 0: none */
    size_t values, outside, off_step; /* values: VALUES_MAX + 1 when there are more */
    float value[VALUES_MAX + 1];
    int64_t first, last;
    size_t no_time, early, late;
    size_t cold_users, cold_items, empty_users, empty_items, one_value, several, busy, busiest;
    double gini;
    size_t orphans, unrated;        /* items not in the catalogue, and the other way round */
    int32_t example_user, example_item;
};

/* ---- measuring ---------------------------------------------------------------------------------- */

/* Keeps the distinct values, sorted; gives up beyond VALUES_MAX. */
static void note_value(struct facts *f, float v)
{
    size_t lo = 0, hi = f->values;

    if (f->values > VALUES_MAX)
        return;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (f->value[mid] < v)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < f->values && f->value[lo] == v)
        return;
    if (f->values < VALUES_MAX) {
        memmove(f->value + lo + 1, f->value + lo, (f->values - lo) * sizeof *f->value);
        f->value[lo] = v;
    }
    f->values++;
}

static bool on_grid(double v, double origin, double step)
{
    double k = (v - origin) / step;

    return fabs(k - floor(k + 0.5)) < 1e-3;
}

/* The step that all values are multiples of, counted from the least: their smallest difference, if that will do. */
static double find_step(const struct facts *f)
{
    double step = INFINITY;

    if (f->values < 2 || f->values > VALUES_MAX)
        return 0;
    for (size_t i = 1; i < f->values; i++)
        step = fmin(step, (double)f->value[i] - f->value[i - 1]);
    for (size_t i = 1; i < f->values; i++)
        if (!on_grid(f->value[i], f->value[0], step))
            return 0;
    return step;
}

static void measure_values(struct facts *f)
{
    const struct rec_ratings *r = f->r;
    float before = NAN;

    f->low = r->nnz ? INFINITY : 0;
    f->high = r->nnz ? -INFINITY : 0;
    for (size_t p = 0; p < r->nnz; p++) {
        float v = r->value[p];

        f->outside += v < f->o->low || v > f->o->high; /* false when these are NAN */
        if (!isnan(f->o->step))
            f->off_step += !on_grid(v, 0, f->o->step);
        if (v != before)
            note_value(f, v);
        before = v;
        f->low = v < f->low ? v : f->low;
        f->high = v > f->high ? v : f->high;
    }
    f->step = find_step(f);
}

static void measure_times(struct facts *f)
{
    const struct rec_ratings *r = f->r;

    f->first = INT64_MAX;
    f->last = INT64_MIN;
    for (size_t p = 0; r->time && p < r->nnz; p++) {
        int64_t t = r->time[p];

        f->no_time += t == 0;
        f->early += t != 0 && t < f->o->earliest;
        f->late += t > f->o->now;
        f->first = t < f->first ? t : f->first;
        f->last = t > f->last ? t : f->last;
    }
    if (!r->time)
        f->no_time = r->nnz;
}

static int by_number(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* The most ratings within 24 hours, of n times. */
static size_t most_in_a_day(int64_t *t, size_t n)
{
    size_t most = 0;

    qsort(t, n, sizeof *t, by_number);
    for (size_t from = 0, to = 0; to < n; to++) {
        while ((uint64_t)t[to] - (uint64_t)t[from] >= 86400)
            from++;
        most = to - from + 1 > most ? to - from + 1 : most;
    }
    return most;
}

static void measure_user(struct facts *f, size_t u)
{
    const struct rec_ratings *r = f->r;
    size_t from = (size_t)r->user_ptr[u], n = (size_t)r->user_ptr[u + 1] - from, same = 0;

    f->empty_users += n == 0;
    f->cold_users += n < f->o->cold;
    for (size_t p = from; p < from + n; p++) {
        f->item_count[r->item[p]]++;
        same += r->value[p] == r->value[from];
    }
    f->several += n >= f->o->cold && n > 1;
    f->one_value += n >= f->o->cold && n > 1 && same == n;
    if (r->time && n > f->o->per_day) {
        size_t most;

        memcpy(f->times, r->time + from, n * sizeof *f->times);
        if ((most = most_in_a_day(f->times, n)) > f->o->per_day) {
            f->busy++;
            if (most > f->busiest) {
                f->busiest = most;
                f->example_user = (int32_t)u;
            }
        }
    }
}

static void measure_items(struct facts *f)
{
    const struct rec_ratings *r = f->r;
    double weighted = 0;

    for (size_t i = 0; i < r->n_items; i++) {
        f->empty_items += f->item_count[i] == 0;
        f->cold_items += f->item_count[i] < f->o->cold;
        f->times[i] = (int64_t)f->item_count[i];
    }
    qsort(f->times, r->n_items, sizeof *f->times, by_number);
    for (size_t i = 0; i < r->n_items; i++)
        weighted += (2.0 * (double)i + 1 - (double)r->n_items) * (double)f->times[i];
    f->gini = r->nnz ? weighted / ((double)r->n_items * (double)r->nnz) : 0;
}

static int measure_catalogue(struct facts *f, struct rec_err *err)
{
    const struct rec_ids *known = f->o->catalogue;
    int32_t *to = rec_malloc(f->r->n_items, sizeof *to, "catalogue", err);
    size_t rated = 0;

    if (!to)
        return -1;
    rec_ids_join(to, &f->r->items, known);
    for (size_t i = 0; i < f->r->n_items; i++) {
        if (!f->item_count[i])
            continue;
        rated += to[i] >= 0;
        if (to[i] < 0 && !f->orphans++)
            f->example_item = (int32_t)i;
    }
    f->unrated = known->n - rated;
    free(to);
    return 0;
}

static int measure(struct facts *f, struct rec_err *err)
{
    const struct rec_ratings *r = f->r;
    size_t longest = r->n_items;

    for (size_t u = 0; u < r->n_users; u++)
        if ((size_t)(r->user_ptr[u + 1] - r->user_ptr[u]) > longest)
            longest = (size_t)(r->user_ptr[u + 1] - r->user_ptr[u]);
    f->item_count = rec_calloc(r->n_items, sizeof *f->item_count, "checks", err);
    f->times = rec_malloc(longest, sizeof *f->times, "checks", err);
    if (!f->item_count || !f->times)
        return -1;
    measure_values(f);
    measure_times(f);
    for (size_t u = 0; u < r->n_users; u++)
        measure_user(f, u);
    measure_items(f);
    return f->o->catalogue ? measure_catalogue(f, err) : 0;
}

/* ---- judging ------------------------------------------------------------------------------------ */

static double part(size_t n, size_t of)
{
    return of ? (double)n / (double)of : 0;
}

static void quote(struct rec_buf *text, const struct rec_ids *ids, int32_t i)
{
    size_t len;
    const char *id = rec_ids_get(ids, (size_t)i, &len);

    rec_buf_addc(text, '"');
    for (size_t k = 0; k < len && k < 40; k++)
        rec_buf_addc(text, (unsigned char)id[k] < ' ' || id[k] == 127 ? '?' : id[k]); /* it may go to a terminal */
    rec_buf_addc(text, '"');
}

static void add_day(struct rec_buf *text, int64_t t)
{
    char day[REC_NUM_MAX];

    rec_buf_add(text, day, rec_date_print(day, t));
}

static void add_number(struct rec_buf *text, double v)
{
    char number[REC_NUM_MAX];

    rec_buf_add(text, number, rec_num_print_float(number, (float)v));
}

/* A check's value; NAN: does not apply. `text` says what was found. */
typedef double judge(const struct facts *f, struct rec_buf *text);

static double ratings(const struct facts *f, struct rec_buf *text)
{
    rec_buf_addf(text, "%zu users, %zu items", f->r->n_users, f->r->n_items);
    return (double)f->r->nnz;
}

static double range(const struct facts *f, struct rec_buf *text)
{
    add_number(text, f->low);
    rec_buf_adds(text, " to ");
    add_number(text, f->high);
    if (isnan(f->o->low) && isnan(f->o->high))
        rec_buf_adds(text, "; no --low or --high to hold them to");
    return isnan(f->o->low) && isnan(f->o->high) ? NAN : (double)f->outside;
}

static double step(const struct facts *f, struct rec_buf *text)
{
    if (f->step > 0) {
        rec_buf_adds(text, "steps of ");
        add_number(text, f->step);
    } else {
        rec_buf_adds(text, f->values == 1 ? "one value" : "no even steps");
    }
    if (isnan(f->o->step))
        rec_buf_adds(text, "; no --step to hold them to");
    return isnan(f->o->step) ? NAN : (double)f->off_step;
}

static double values(const struct facts *f, struct rec_buf *text)
{
    if (f->values > VALUES_MAX)
        rec_buf_addf(text, "more than %d", (int)VALUES_MAX);
    for (size_t i = 0; i < f->values && f->values <= 12; i++) {
        rec_buf_adds(text, i ? " " : "");
        add_number(text, f->value[i]);
    }
    return (double)f->values;
}

static double duplicates(const struct facts *f, struct rec_buf *text)
{
    (void)f;
    rec_buf_adds(text, "a file of ratings has none; rec-ingest says how many it met");
    return 0;
}

static double times_missing(const struct facts *f, struct rec_buf *text)
{
    rec_buf_adds(text, f->r->time ? "0 counts as missing" : "there are no times");
    return part(f->no_time, f->r->nnz);
}

static double times_early(const struct facts *f, struct rec_buf *text)
{
    if (!f->r->time || !f->r->nnz)
        return NAN;
    rec_buf_adds(text, "the first is of ");
    add_day(text, f->first);
    return (double)f->early;
}

static double times_late(const struct facts *f, struct rec_buf *text)
{
    if (!f->r->time || !f->r->nnz)
        return NAN;
    rec_buf_adds(text, "the last is of ");
    add_day(text, f->last);
    return (double)f->late;
}

static double density(const struct facts *f, struct rec_buf *text)
{
    rec_buf_addf(text, "%.1f ratings a user, %.1f an item", part(f->r->nnz, f->r->n_users),
                 part(f->r->nnz, f->r->n_items));
    return f->r->n_users && f->r->n_items ? part(f->r->nnz, f->r->n_users) / (double)f->r->n_items : 0;
}

static double cold_users(const struct facts *f, struct rec_buf *text)
{
    rec_buf_addf(text, "%zu have fewer than %zu ratings, %zu none", f->cold_users, f->o->cold, f->empty_users);
    return part(f->cold_users, f->r->n_users);
}

static double cold_items(const struct facts *f, struct rec_buf *text)
{
    rec_buf_addf(text, "%zu have fewer than %zu ratings, %zu none", f->cold_items, f->o->cold, f->empty_items);
    return part(f->cold_items, f->r->n_items);
}

static double one_value(const struct facts *f, struct rec_buf *text)
{
    if (f->values <= 1) {
        rec_buf_adds(text, "all ratings are alike");
        return NAN;
    }
    rec_buf_addf(text, "%zu of %zu users who are not cold", f->one_value, f->several);
    return part(f->one_value, f->several);
}

static double bots(const struct facts *f, struct rec_buf *text)
{
    if (!f->r->time)
        return NAN;
    rec_buf_addf(text, "more than %zu ratings within 24 hours", f->o->per_day);
    if (f->busy) {
        rec_buf_addf(text, ": %zu by ", f->busiest);
        quote(text, &f->r->users, f->example_user);
    }
    return (double)f->busy;
}

static double skew(const struct facts *f, struct rec_buf *text)
{
    rec_buf_adds(text, "Gini coefficient of the items' popularity");
    return f->gini;
}

static double orphans(const struct facts *f, struct rec_buf *text)
{
    if (!f->o->catalogue)
        return NAN;
    rec_buf_addf(text, "%zu rated items are not in the catalogue", f->orphans);
    if (f->orphans) {
        rec_buf_adds(text, ", such as ");
        quote(text, &f->r->items, f->example_item);
    }
    return part(f->orphans, f->r->n_items - f->empty_items);
}

static double unrated(const struct facts *f, struct rec_buf *text)
{
    if (!f->o->catalogue)
        return NAN;
    rec_buf_addf(text, "%zu of %zu items of the catalogue", f->unrated, f->o->catalogue->n);
    return part(f->unrated, f->o->catalogue->n);
}

/* ---- the table ---------------------------------------------------------------------------------- */

const struct rec_check rec_checks[] = {
    {"ratings", "ratings", .at_least = true, .grave = true, .threshold = 1},
    {"range", "values below --low or above --high", .grave = true, .threshold = 0},
    {"step", "values that are no multiple of --step", .grave = true, .threshold = 0},
    {"values", "different values", .threshold = 100},
    {"duplicates", "pairs rated twice", .grave = true, .threshold = 0},
    {"times-missing", "ratings without a time", .share = true, .threshold = 0},
    {"times-early", "ratings before --earliest", .grave = true, .threshold = 0},
    {"times-late", "ratings after --now", .grave = true, .threshold = 0},
    {"density", "pairs that are rated", .at_least = true, .share = true, .threshold = 0.00001},
    {"cold-users", "users with few ratings", .share = true, .threshold = 0.5},
    {"cold-items", "items with few ratings", .share = true, .threshold = 0.8},
    {"one-value", "users who rate everything alike", .share = true, .threshold = 0.05},
    {"bots", "users who rate as programs do", .threshold = 0},
    {"skew", "unevenness of popularity", .threshold = 0.95},
    {"orphans", "rated items the catalogue does not know", .share = true, .grave = true, .threshold = 0},
    {"unrated", "items of the catalogue that nobody rated", .share = true, .threshold = 0.9},
    {0},
};

static judge *const judges[] = {ratings, range, step, values, duplicates, times_missing, times_early, times_late,
                                density, cold_users, cold_items, one_value, bots, skew, orphans, unrated};

_Static_assert(REC_LENGTH(judges) + 1 == REC_LENGTH(rec_checks), "a judge for each check");
_Static_assert(REC_LENGTH(judges) <= REC_CHECKS_MAX, "REC_CHECKS_MAX is too small");

void rec_checks_defaults(struct rec_checks_options *o)
{
    *o = (struct rec_checks_options){.low = NAN, .high = NAN, .step = NAN, .cold = 5, .per_day = 1000};
    o->now = INT64_MAX;
    o->earliest = rec_date_from_civil(1990, 1, 1);
    for (size_t i = 0; i < REC_LENGTH(judges); i++)
        o->threshold[i] = rec_checks[i].threshold;
}

static enum rec_check_verdict verdict(const struct rec_check *check, double value, double threshold)
{
    if (isnan(value))
        return REC_CHECK_SKIPPED;
    if (check->at_least ? value >= threshold : value <= threshold)
        return REC_CHECK_OK;
    return check->grave ? REC_CHECK_FAIL : REC_CHECK_WARN;
}

size_t rec_checks_run(struct rec_check_result *result, const struct rec_ratings *r, const struct rec_checks_options *o,
                      struct rec_err *err)
{
    struct facts *f = rec_calloc(1, sizeof *f, "checks", err);
    struct rec_buf text = {0};
    size_t n = 0;

    if (!f)
        return 0;
    f->r = r;
    f->o = o;
    if (measure(f, err) < 0)
        goto out;
    for (; n < REC_LENGTH(judges); n++) {
        struct rec_check_result *out = &result[n];

        rec_buf_reset(&text);
        *out = (struct rec_check_result){.check = &rec_checks[n], .threshold = o->threshold[n]};
        out->value = judges[n](f, &text);
        out->verdict = verdict(out->check, out->value, out->threshold);
        snprintf(out->text, sizeof out->text, "%s", text.data && text.len ? text.data : "");
    }
out:
    rec_buf_clear(&text);
    free(f->item_count);
    free(f->times);
    free(f);
    return n;
}
