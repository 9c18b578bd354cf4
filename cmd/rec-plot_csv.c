/* SPDX-License-Identifier: MIT
 *
 * Pictures of traces, trials and figures of users.
 */
#include "rec-plot.h"

#include <math.h>

/* ---- traces: loss, metric and rate by pass ---- */

static ptrdiff_t find_column(const struct plot_table *t, const char *name)
{
    for (size_t c = 0; c < t->columns; c++)
        if (!strcmp(t->field[c], name))
            return (ptrdiff_t)c;
    return -1;
}

struct range {
    double lo, hi;
    size_t n;
};

static void widen(struct range *r, double x)
{
    if (isnan(x))
        return;
    r->lo = r->n == 0 || x < r->lo ? x : r->lo;
    r->hi = r->n == 0 || x > r->hi ? x : r->hi;
    r->n++;
}

/* A panel of one column of all traces. */
static int trace_panel(struct plot *p, const struct plot_table *t, size_t n, const char *column, const char *y, struct rec_err *err)
{
    struct range range = {0};
    char name[64];
    double pass, x;

    for (size_t i = 0; i < n; i++) {
        ptrdiff_t c = find_column(&t[i], column);
        snprintf(name, sizeof name, "trace_%zu_%zu", p->n_panels, i);
        plot_begin(p, name);
        for (size_t r = 0; c >= 0 && r < t[i].rows; r++) {
            if (plot_table_number(&pass, &t[i], r, 0, err) < 0 || plot_table_number(&x, &t[i], r, (size_t)c, err) < 0)
                return -1;
            if (isnan(x))
                continue;
            widen(&range, x);
            plot_number(&p->data, pass);
            plot_number(&p->data, x);
            rec_buf_addc(&p->data, '\n');
        }
        plot_end(p);
    }
    if (range.n == 0)
        return 0;
    size_t panel = p->n_panels;
    struct rec_buf *out = plot_panel(p, y, "pass", column);
    if (!out)
        return 0;
    plot_logscale(out, 'y', range.lo, range.hi, 20);
    rec_buf_adds(out, n > 1 ? "set key top right\nplot " : "unset key\nplot ");
    for (size_t i = 0; i < n; i++) {
        rec_buf_addf(out, "%s$trace_%zu_%zu using 1:2 with linespoints lw 1.6 pt 7 ps 0.5 lc rgb '%s' title ", i ? ", " : "", panel, i, plot_colour(i));
        plot_name(out, t[i].name);
    }
    rec_buf_addc(out, '\n');
    return 0;
}

int plot_traces(struct plot *p, const struct plot_table *t, size_t n, struct rec_err *err)
{
    if (trace_panel(p, t, n, "loss", "loss", err) < 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 2; c < t[i].columns; c++) {
            const char *column = t[i].field[c];
            bool told = !strcmp(column, "seconds") || !strcmp(column, "rate") || !plot_wants(p, column, strlen(column));
            for (size_t k = 0; k < i && !told; k++)
                told = find_column(&t[k], column) >= 0;
            if (!told && trace_panel(p, t, n, column, "held-out ratings", err) < 0)
                return -1;
        }
    if (p->n_panels < 2 && trace_panel(p, t, n, "rate", "ratings a second", err) < 0)
        return -1;
    snprintf(p->own_title, sizeof p->own_title, "Training: %.200s", n == 1 ? t->name : "several");
    return 0;
}

/* ---- trials: the metric by trial, and against each parameter ---- */

enum { NUMBER, STATUS, METRIC, SECONDS, PASSES, FIRST_PARAM, PARAM_PANELS = 5 };

struct trials {
    const struct plot_table *t;
    double *metric;       /* [rows] NAN: failed */
    bool greater;
    double lo, hi;        /* of the frame */
};

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* From the best to somewhat beyond the worst of the better nine tenths: what is far off stands on the frame. */
static void frame(struct trials *s, double *sorted)
{
    size_t n = 0;

    for (size_t i = 0; i < s->t->rows; i++)
        if (!isnan(s->metric[i]))
            sorted[n++] = s->metric[i];
    if (n == 0)
        return;
    qsort(sorted, n, sizeof *sorted, by_size);
    double best = s->greater ? sorted[n - 1] : sorted[0], middle = sorted[n / 2], worst = s->greater ? sorted[0] : sorted[n - 1];
    double limit = best + 4 * (middle - best);
    worst = s->greater ? fmax(worst, limit) : fmin(worst, limit);
    double margin = 0.06 * fabs(best - worst) + 1e-9 * fabs(best) + 1e-12;
    s->lo = fmin(best, worst) - margin;
    s->hi = fmax(best, worst) + margin;
}

static double within(const struct trials *s, double x)
{
    return x < s->lo ? s->lo : x > s->hi ? s->hi : x;
}

/* Lines "x metric" of the trials of a status. */
static void add_points(struct plot *p, const struct trials *s, const char *block, const char *status, const double *x)
{
    plot_begin(p, block);
    for (size_t i = 0; i < s->t->rows; i++)
        if (!isnan(s->metric[i]) && !isnan(x[i]) && !strcmp(s->t->field[(i + 1) * s->t->columns + STATUS], status)) {
            plot_number(&p->data, x[i]);
            plot_number(&p->data, within(s, s->metric[i]));
            rec_buf_addc(&p->data, '\n');
        }
    plot_end(p);
}

struct point {
    double x, y;
};

static int by_x(const void *a, const void *b)
{
    return by_size(&((const struct point *)a)->x, &((const struct point *)b)->x);
}

/* Trials that ran side by side stand in the order in which they ended. */
static int add_best(struct plot *p, const struct trials *s, const double *x, struct rec_err *err)
{
    struct point *point = rec_malloc(s->t->rows, sizeof *point, s->t->name, err);
    double best = NAN;

    if (!point)
        return -1;
    for (size_t i = 0; i < s->t->rows; i++)
        point[i] = (struct point){x[i], s->metric[i]};
    qsort(point, s->t->rows, sizeof *point, by_x);
    plot_begin(p, "best");
    for (size_t i = 0; i < s->t->rows; i++) {
        if (isnan(point[i].y))
            continue;
        if (isnan(best) || (s->greater ? point[i].y > best : point[i].y < best))
            best = point[i].y;
        plot_number(&p->data, point[i].x);
        plot_number(&p->data, within(s, best));
        rec_buf_addc(&p->data, '\n');
    }
    plot_end(p);
    free(point);
    return 0;
}

static void scatter(struct rec_buf *out, const struct trials *s, const char *done, const char *pruned, bool best)
{
    rec_buf_addf(out, "set yrange [%.17g:%.17g]\nplot $%s using 1:2 with points pt 6 ps 0.7 lc rgb '#999999' title 'given up', "
                      "$%s using 1:2 with points pt 7 ps 0.8 lc rgb '%s' title 'done'",
                 s->lo, s->hi, pruned, done, plot_colour(0));
    if (best)
        rec_buf_addf(out, ", $best using 1:2 with steps lw 1.6 lc rgb '%s' title 'best so far'", plot_colour(1));
    rec_buf_addc(out, '\n');
}

/* The values of a column as numbers; of words, the number of the word, which `words` then lists. *differ: whether there are two. */
static int read_values(double *x, const struct trials *s, size_t column, struct rec_buf *words, bool *differ, struct rec_err *err)
{
    const struct plot_table *t = s->t;
    const char *word[32];
    size_t n = 0, numbers = 0;

    for (size_t i = 0; i < t->rows; i++) {
        const char *text = t->field[(i + 1) * t->columns + column];
        numbers += rec_num_double(&x[i], text, strlen(text)) == 0;
    }
    for (size_t i = 0; i < t->rows && numbers < t->rows; i++) {
        size_t k = 0;
        while (k < n && strcmp(word[k], t->field[(i + 1) * t->columns + column]) != 0)
            k++;
        if (k == n && n == REC_LENGTH(word))
            return rec_err_set(err, "%s: %s: more than %zu words", t->name, t->field[column], REC_LENGTH(word));
        if (k == n)
            word[n++] = t->field[(i + 1) * t->columns + column];
        x[i] = (double)k;
    }
    for (size_t k = 0; k < n; k++) {
        rec_buf_adds(words, k ? ", " : "");
        plot_quote(words, word[k], strlen(word[k]));
        rec_buf_addf(words, " %zu", k);
    }
    *differ = false;
    for (size_t i = 1; i < t->rows; i++)
        *differ = *differ || x[i] != x[0];
    return 0;
}

/* Whether most values stand at the lower end, as those do that were drawn evenly in their logarithm. */
static bool crowded(const double *x, size_t n, const struct range *range)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += isnan(x[i]) ? 0 : (x[i] - range->lo) / (range->hi - range->lo);
    return sum < 0.33 * (double)range->n;
}

/* Between tics, four of them or a few more: 1, 2 or 5 times a power of ten. */
static double spacing(double length)
{
    double power = pow(10, floor(log10(length / 4))), times = length / 4 / power;

    return power * (times < 2 ? 1 : times < 5 ? 2 : 5);
}

static int param_panel(struct plot *p, const struct trials *s, size_t column, double *x, struct rec_err *err)
{
    struct range range = {0};
    struct rec_buf words = {0};
    char done[64], pruned[64];
    bool differ = false;
    int rc = read_values(x, s, column, &words, &differ, err);

    if (rc < 0 || !differ) {
        rec_buf_clear(&words);
        return rc;
    }
    snprintf(done, sizeof done, "done_%zu", column);
    snprintf(pruned, sizeof pruned, "pruned_%zu", column);
    add_points(p, s, done, "done", x);
    add_points(p, s, pruned, "pruned", x);
    for (size_t i = 0; i < s->t->rows; i++)
        widen(&range, x[i]);
    struct rec_buf *out = plot_panel(p, "", s->t->field[column], s->t->field[METRIC]);
    if (words.len > 0)
        rec_buf_addf(out, "set xtics (%s)\nset xrange [%g:%g]\n", words.data, range.lo - 0.5, range.hi + 0.5);
    else if (range.lo > 0 && crowded(x, s->t->rows, &range))
        plot_logscale(out, 'x', range.lo, range.hi, 4);
    else
        rec_buf_addf(out, "set xtics %.17g\n", spacing(range.hi - range.lo));
    rec_buf_adds(out, "unset key\n");
    scatter(out, s, done, pruned, false);
    rec_buf_clear(&words);
    return 0;
}

static int add_trials(struct plot *p, struct trials *s, double *x, struct rec_err *err)
{
    const struct plot_table *t = s->t;
    size_t last = t->columns;

    for (size_t i = 0; i < t->rows; i++)
        if (plot_table_number(&s->metric[i], t, i, METRIC, err) < 0)
            return -1;
    frame(s, x);
    for (size_t i = 0; i < t->rows; i++)
        if (plot_table_number(&x[i], t, i, NUMBER, err) < 0)
            return -1;
    add_points(p, s, "done", "done", x);
    add_points(p, s, "pruned", "pruned", x);
    if (add_best(p, s, x, err) < 0)
        return -1;
    struct rec_buf *out = plot_panel(p, "", "trial", t->field[METRIC]);
    rec_buf_addf(out, "set key %s right\n", s->greater ? "bottom" : "top");
    scatter(out, s, "done", "pruned", true);
    /* Behind the parameters stand the rungs. */
    while (last > FIRST_PARAM && (!strcmp(t->field[last - 1], "search") || !strncmp(t->field[last - 1], "pass", 4)))
        last--;
    for (size_t c = FIRST_PARAM; c < last && p->n_panels < PARAM_PANELS + 1; c++)
        if (param_panel(p, s, c, x, err) < 0)
            return -1;
    return 0;
}

int plot_trials(struct plot *p, const struct plot_table *t, struct rec_err *err)
{
    struct trials s = {.t = t};
    double *x = NULL;
    int rc = -1;

    if (t->columns <= FIRST_PARAM || t->rows == 0)
        return rec_err_set(err, "%s: no trials", t->name);
    const struct rec_measure *measure = rec_measures_find(t->field[METRIC], strcspn(t->field[METRIC], "@"));
    s.greater = !measure || measure->greater_is_better;
    s.metric = rec_malloc(t->rows, sizeof *s.metric, t->name, err);
    x = rec_malloc(t->rows, sizeof *x, t->name, err);
    if (s.metric && x)
        rc = add_trials(p, &s, x, err);
    snprintf(p->own_title, sizeof p->own_title, "%zu trials: %.200s", t->rows, t->name);
    free(s.metric);
    free(x);
    return rc;
}

/* ---- figures of users: how they are distributed ---- */

enum { BINS = 25, USER_PANELS = 4 };

static int user_panel(struct plot *p, const struct plot_table *t, size_t n, size_t column, struct rec_err *err)
{
    const char *key = t->field[column];
    struct range range = {0};
    char name[64];
    double x;

    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < t[i].rows; r++) {
            if (column >= t[i].columns || strcmp(t[i].field[column], key) != 0)
                return rec_err_set(err, "%s: not the columns of %s", t[i].name, t->name);
            if (plot_table_number(&x, &t[i], r, column, err) < 0)
                return -1;
            widen(&range, x);
        }
    if (range.n == 0)
        return 0;
    double width = range.hi > range.lo ? (range.hi - range.lo) / BINS : 1;
    struct rec_buf *out = plot_panel(p, key, key, "share of users");
    rec_buf_adds(out, n > 1 ? "set yrange [0:*]\nplot " : "unset key\nset yrange [0:*]\nplot ");
    for (size_t i = 0; i < n; i++) {
        size_t count[BINS] = {0}, total = 0;
        for (size_t r = 0; r < t[i].rows; r++)
            if (plot_table_number(&x, &t[i], r, column, err) == 0 && !isnan(x)) {
                size_t bin = (size_t)((x - range.lo) / width);
                count[bin < BINS ? bin : BINS - 1]++;
                total++;
            }
        snprintf(name, sizeof name, "users_%zu_%zu", column, i);
        plot_begin(p, name);
        for (size_t b = 0; b < BINS; b++) {
            plot_number(&p->data, range.lo + ((double)b + 0.5) * width);
            plot_number(&p->data, (double)count[b] / (double)(total ? total : 1));
            rec_buf_addc(&p->data, '\n');
        }
        plot_end(p);
        rec_buf_addf(out, "%s$%s using 1:2 with %s lc rgb '%s' title ", i ? ", " : "", name, n > 1 ? "histeps lw 1.6" : "boxes", plot_colour(i));
        plot_name(out, t[i].name);
    }
    rec_buf_addc(out, '\n');
    return 0;
}

int plot_users(struct plot *p, const struct plot_table *t, size_t n, struct rec_err *err)
{
    for (size_t c = 1; c < t->columns && p->n_panels < USER_PANELS; c++)
        if (plot_wants(p, t->field[c], strlen(t->field[c])) && user_panel(p, t, n, c, err) < 0)
            return -1;
    snprintf(p->own_title, sizeof p->own_title, "Users: %.200s", n == 1 ? t->name : "several");
    return 0;
}
