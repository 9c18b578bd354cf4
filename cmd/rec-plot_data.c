/* SPDX-License-Identifier: MIT
 *
 * Pictures of metrics, side by side, and of how ratings are distributed.
 */
#include "rec-plot.h"

#include <math.h>

/* ---- metrics: a group of bars for each, a bar for each run ---- */

enum { KEYS_MAX = 24 };

struct keys {
    const struct plot *p;
    const char *key[KEYS_MAX];
    size_t n;
    bool error;                /* of predictions, the less the better; else of lists */
};

/* Measures of rec-eval, or what --metric names. */
static int add_key(void *context, const char *key, const struct rec_json_value *value)
{
    struct keys *k = context;
    const struct rec_measure *measure = rec_measures_find(key, strcspn(key, "@"));
    double x;

    if (rec_json_number(&x, value) < 0 || !plot_wants(k->p, key, strlen(key)) || (!measure && !k->p->metric))
        return 0;
    if (k->error != (measure && !measure->greater_is_better) || k->n == KEYS_MAX)
        return 0;
    for (size_t i = 0; i < k->n; i++)
        if (!strcmp(k->key[i], key))
            return 0;
    k->key[k->n++] = key;
    return 0;
}

static void bars(struct plot *p, const struct keys *k, const char *block, const char *const *name, struct rec_json_value *const *json, size_t n)
{
    double x;

    plot_begin(p, block);
    for (size_t i = 0; i < k->n; i++) {
        struct rec_buf label = {0};
        plot_quote(&label, k->key[i], strlen(k->key[i]));
        /* In a block of data a text of several words stands in double quotes; keys of measures have none. */
        for (size_t c = 0; c < label.len; c++)
            label.data[c] = label.data[c] == '\'' || label.data[c] == ' ' || label.data[c] == '"' || label.data[c] == '\\' || label.data[c] == '#' ? '_' : label.data[c];
        if (label.len > 2)
            rec_buf_add(&p->data, label.data + 1, label.len - 2);
        else
            rec_buf_addc(&p->data, '_');
        rec_buf_clear(&label);
        rec_buf_addc(&p->data, ' ');
        for (size_t j = 0; j < n; j++)
            plot_number(&p->data, rec_json_number(&x, rec_json_get(json[j], k->key[i])) < 0 ? NAN : x);
        rec_buf_addc(&p->data, '\n');
    }
    plot_end(p);
    struct rec_buf *out = plot_panel(p, k->error ? "less is better" : "more is better", "", "");
    if (!out)
        return;
    rec_buf_addf(out, "set style data histograms\nset style histogram clustered gap 1\nset boxwidth 0.9 relative\nset yrange [0:*]\nset xtics %s nomirror\n",
                 k->n > 4 ? "rotate by -35" : "norotate");
    rec_buf_adds(out, n > 1 ? "set key outside bottom center horizontal\nplot " : "unset key\nplot ");
    for (size_t j = 0, drawn = 0; j < n; j++) {
        bool any = false;
        for (size_t i = 0; i < k->n; i++)
            any = any || rec_json_number(&x, rec_json_get(json[j], k->key[i])) == 0;
        if (!any)
            continue;
        rec_buf_addf(out, "%s$%s using %zu:xtic(1) lc rgb '%s' title ", drawn++ ? ", " : "", block, j + 2, plot_colour(j));
        plot_name(out, name[j]);
    }
    rec_buf_adds(out, "\nunset boxwidth\nset key noopaque inside vertical\n");
}

int plot_metrics(struct plot *p, const char *const *name, struct rec_json_value *const *json, size_t n, struct rec_err *err)
{
    for (int error = 0; error < 2; error++) {
        struct keys k = {.p = p, .error = error == 1};
        for (size_t j = 0; j < n; j++)
            rec_json_members(json[j], add_key, &k);
        /* Characters cannot be turned: names need room side by side. */
        size_t at_once = p->text ? 5 : k.n, all = k.n;
        for (size_t from = 0; from < all; from += at_once) {
            char block[32];
            struct keys part = k;
            part.n = all - from < at_once ? all - from : at_once;
            memmove(part.key, k.key + from, part.n * sizeof *part.key);
            snprintf(block, sizeof block, "%s_%zu", error ? "errors" : "lists", from);
            bars(p, &part, block, name, json, n);
        }
    }
    snprintf(p->own_title, sizeof p->own_title, "Metrics%s%.200s", n == 1 ? ": " : "", n == 1 ? name[0] : "");
    return p->n_panels ? 0 : rec_err_set(err, "%s: no metrics in it%s", name[0], p->metric ? " of these names" : "");
}

/* ---- ratings ---- */

enum { VALUES_MAX = 40, POINTS = 200 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* A box for each value, or for each of 40 equal parts when there are more. */
static void values_panel(struct plot *p, const struct rec_ratings *r)
{
    double lo = r->value[0], hi = r->value[0], value[VALUES_MAX];
    size_t count[VALUES_MAX] = {0}, n = 0;
    bool many = false;

    for (size_t i = 0; i < r->nnz; i++) {
        double x = rec_num_decimal(r->value[i]);
        lo = x < lo ? x : lo;
        hi = x > hi ? x : hi;
        size_t k = 0;
        while (k < n && value[k] != x)
            k++;
        if (k == n && n < VALUES_MAX)
            value[n++] = x;
        else if (k == n)
            many = true;
    }
    if (many)
        n = VALUES_MAX;
    else
        qsort(value, n, sizeof *value, by_value);
    for (size_t k = 0; many && k < n; k++)
        value[k] = lo + ((double)k + 0.5) * (hi - lo) / VALUES_MAX;
    for (size_t i = 0; i < r->nnz; i++) {
        double x = rec_num_decimal(r->value[i]);
        size_t k = 0;
        if (many)
            k = (size_t)((x - lo) / (hi - lo) * VALUES_MAX);
        else
            while (k < n && value[k] != x)
                k++;
        count[k < n ? k : n - 1]++;
    }
    double step = hi > lo ? hi - lo : 1;
    for (size_t k = 1; k < n; k++)
        step = value[k] - value[k - 1] < step ? value[k] - value[k - 1] : step;
    plot_begin(p, "values");
    for (size_t k = 0; k < n; k++) {
        plot_number(&p->data, value[k]);
        plot_number(&p->data, (double)count[k]);
        rec_buf_addc(&p->data, '\n');
    }
    plot_end(p);
    struct rec_buf *out = plot_panel(p, "values", "rating", "ratings");
    rec_buf_addf(out, "unset key\nset boxwidth %.17g\nset yrange [0:*]\nset ytics format '%%.0s%%c'\nplot $values using 1:2 with boxes lc rgb '%s'\nunset boxwidth\n",
                 0.85 * step, plot_colour(0));
}

static int falling(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x > y ? -1 : x < y;
}

/* Points of a curve over n ranks, close together where the logarithm is. */
static size_t next_rank(size_t i, size_t n)
{
    size_t next = i + 1 + (size_t)((double)i * 5 / POINTS);

    return i + 1 >= n ? n : next < n ? next : n - 1;
}

static void add_ranks(struct plot *p, const char *block, const int64_t *count, size_t n)
{
    plot_begin(p, block);
    for (size_t i = 0; i < n && count[i] > 0; i = next_rank(i, n))
        rec_buf_addf(&p->data, "%zu %lld\n", i + 1, (long long)count[i]);
    plot_end(p);
}

static void ranks_panel(struct plot *p)
{
    struct rec_buf *out = plot_panel(p, "how many ratings", "rank", "ratings");

    rec_buf_addf(out, "set logscale xy\nset key bottom left\nset ytics format '%%.0s%%c'\nset xtics format '%%.0s%%c'\nplot $items using 1:2 with lines lw 2 lc rgb '%s' title 'items', "
                      "$users using 1:2 with lines lw 2 lc rgb '%s' title 'users'\n",
                 plot_colour(0), plot_colour(1));
}

static void add_shares(struct plot *p, const char *block, const int64_t *count, size_t n, size_t nnz)
{
    double sum = 0;

    plot_begin(p, block);
    rec_buf_adds(&p->data, "0 0\n");
    for (size_t i = 0; i < n; i++) {
        sum += (double)count[i];
        if (i % (n / POINTS + 1) == 0 || i + 1 == n) {
            plot_number(&p->data, 100.0 * (double)(i + 1) / (double)n);
            plot_number(&p->data, 100.0 * sum / (double)nnz);
            rec_buf_addc(&p->data, '\n');
        }
    }
    plot_end(p);
}

static void shares_panel(struct plot *p)
{
    struct rec_buf *out = plot_panel(p, "who has the ratings", "% of items or users, those with most first", "% of ratings");

    rec_buf_addf(out, "set key bottom right\nset xrange [0:100]\nset yrange [0:100]\nplot $item_shares using 1:2 with lines lw 2 lc rgb '%s' title 'items', "
                      "$user_shares using 1:2 with lines lw 2 lc rgb '%s' title 'users'\n",
                 plot_colour(0), plot_colour(1));
}

/* Ratings by month, or by day when they are of few months. */
static int times_panel(struct plot *p, const struct rec_ratings *r, struct rec_err *err)
{
    int64_t lo = r->time[0], hi = r->time[0], day = 86400;

    for (size_t i = 0; i < r->nnz; i++) {
        lo = r->time[i] < lo ? r->time[i] : lo;
        hi = r->time[i] > hi ? r->time[i] : hi;
    }
    /* What cannot be a date is not drawn. */
    if (lo < -1000000000000 || hi > 1000000000000)
        return 0;
    /* Parts of whole days, a hundred at most. */
    int64_t part = ((hi - lo) / day / 100 + 1) * day, begin = lo - ((lo % day) + day) % day;
    size_t n = (size_t)((hi - begin) / part) + 1;
    size_t *count = rec_calloc(n, sizeof *count, "times", err);
    if (!count)
        return -1;
    for (size_t i = 0; i < r->nnz; i++)
        count[(size_t)((r->time[i] - begin) / part)]++;
    plot_begin(p, "times");
    for (size_t i = 0; i < n; i++)
        rec_buf_addf(&p->data, "%lld %zu\n", (long long)begin + (long long)i * part + part / 2, count[i]);
    plot_end(p);
    free(count);
    char y[64];
    snprintf(y, sizeof y, part == day ? "ratings a day" : "ratings in %lld days", (long long)(part / day));
    struct rec_buf *out = plot_panel(p, "when", "", y);
    const char *dates = hi - lo > 4 * 365 * day ? "%Y" : hi - lo > 120 * day ? "%Y-%m" : "%m-%d";
    rec_buf_addf(out, "unset key\nset xdata time\nset timefmt '%%s'\nset xtics format '%s' rotate by -35\nset ytics format '%%.0s%%c'\nset yrange [0:*]\n"
                      "plot $times using 1:2 with lines lw 2 lc rgb '%s'\nset xdata\n",
                 dates, plot_colour(2));
    return 0;
}

int plot_ratings(struct plot *p, const struct rec_ratings *r, struct rec_err *err)
{
    int64_t *items = NULL, *users = NULL;
    int rc = -1;

    if (r->nnz == 0)
        return rec_err_set(err, "%s: no ratings in it", r->file.name);
    items = rec_calloc(r->n_items, sizeof *items, "items", err);
    users = rec_calloc(r->n_users, sizeof *users, "users", err);
    if (!items || !users)
        goto out;
    for (size_t i = 0; i < r->nnz; i++)
        items[r->item[i]]++;
    for (size_t u = 0; u < r->n_users; u++)
        users[u] = r->user_ptr[u + 1] - r->user_ptr[u];
    qsort(items, r->n_items, sizeof *items, falling);
    qsort(users, r->n_users, sizeof *users, falling);
    values_panel(p, r);
    add_ranks(p, "items", items, r->n_items);
    add_ranks(p, "users", users, r->n_users);
    ranks_panel(p);
    add_shares(p, "item_shares", items, r->n_items, r->nnz);
    add_shares(p, "user_shares", users, r->n_users, r->nnz);
    shares_panel(p);
    rc = r->time ? times_panel(p, r, err) : 0;
    snprintf(p->own_title, sizeof p->own_title, "%zu ratings of %zu items by %zu users", r->nnz, r->n_items, r->n_users);
out:
    free(items);
    free(users);
    return rc;
}
