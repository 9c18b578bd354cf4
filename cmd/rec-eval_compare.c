/* SPDX-License-Identifier: MIT
 *
 * rec-eval --compare: several systems by what each user had of them, every pair with tests of whether the difference is more than chance.
 */
#include "rec-eval.h"

#include <math.h>

enum { SYSTEMS_MAX = 32 };

static const struct tool_column columns[] = {
    {"measure", TOOL_TEXT}, {"a", TOOL_TEXT},   {"b", TOOL_TEXT},           {"mean_a", TOOL_REAL},        {"mean_b", TOOL_REAL},
    {"change", TOOL_REAL},  {"low", TOOL_REAL}, {"high", TOOL_REAL},        {"p_t", TOOL_REAL},           {"p_wilcoxon", TOOL_REAL},
    {"p_permutation", TOOL_REAL}, {"p_holm", TOOL_REAL}, {"significant", TOOL_BOOL},
};

/* One measure of one pair of systems. */
struct pair {
    const char *key;
    size_t a, b;
    double mean_a, mean_b, change, low, high, p_t, p_wilcoxon, p_permutation;
};

struct comparison {
    const struct compare_options *options;
    struct rec_users users[SYSTEMS_MAX];
    size_t n;
    struct pair *pair;
    double *holm;            /* [n_pairs] */
    size_t n_pairs;
};

static double mean_of(const struct rec_users *users, const char *key)
{
    ptrdiff_t c = rec_users_column(users, key);
    double sum = 0;
    size_t n = 0;

    for (size_t u = 0; u < users->n; u++)
        if (!isnan(users->value[u * users->columns + (size_t)c])) {
            sum += users->value[u * users->columns + (size_t)c];
            n++;
        }
    return n ? sum / (double)n : NAN;
}

/* b - a, user by user. */
static int compare_pair(struct comparison *c, const char *key, size_t a, size_t b, struct rec_err *err)
{
    const struct compare_options *o = c->options;
    struct pair *pair;
    struct rec_paired test;
    double *d = NULL;
    size_t n;
    int rc = -1;

    if (rec_realloc(&c->pair, c->n_pairs + 1, sizeof *c->pair, "comparison", err) < 0 ||
        rec_users_pair(&d, &n, &c->users[b], &c->users[a], key, 1, 0, err) != 0)
        return -1;
    pair = &c->pair[c->n_pairs++];
    *pair = (struct pair){.key = key, .a = a, .b = b, .mean_a = mean_of(&c->users[a], key), .mean_b = mean_of(&c->users[b], key)};
    rec_paired_test(&test, d, n);
    pair->change = test.mean;
    pair->p_t = test.either;
    pair->p_permutation = n > 0 ? rec_paired_permutation_either(d, n, o->rounds, o->seed) : NAN;
    if (rec_wilcoxon_test(&pair->p_wilcoxon, d, n, err) == 0)
        rc = rec_bootstrap_limits(&pair->low, &pair->high, d, n, o->level / 2, o->rounds, o->seed, err);
    free(d);
    return rc;
}

static int compare_key(struct comparison *c, const char *key, struct rec_err *err)
{
    for (size_t a = 0; a < c->n; a++)
        for (size_t b = a + 1; b < c->n; b++)
            if (compare_pair(c, key, a, b, err) < 0)
                return -1;
    return 0;
}

/* The columns that were asked for, in that order, or all of the first file. */
static int compare_all(struct comparison *c, struct rec_err *err)
{
    const struct rec_users *first = &c->users[0];
    const char *p = c->options->measures;

    for (size_t k = 0; !p && k < first->columns; k++)
        if (compare_key(c, first->key[k], err) < 0)
            return -1;
    for (; p; p = *p ? p + 1 : NULL) {
        size_t len = strcspn(p, ","), k = 0;
        while (k < first->columns && (strlen(first->key[k]) != len || strncmp(first->key[k], p, len) != 0))
            k++;
        if (k == first->columns)
            return rec_err_set(err, "%s: has no column %.*s", first->name, (int)len, p);
        if (compare_key(c, first->key[k], err) < 0)
            return -1;
        p += len;
    }
    return 0;
}

static int correct(struct comparison *c, struct rec_err *err)
{
    c->holm = rec_malloc(c->n_pairs + 1, sizeof *c->holm, "comparison", err);
    if (!c->holm)
        return -1;
    for (size_t i = 0; i < c->n_pairs; i++) {
        const struct pair *pair = &c->pair[i];
        c->holm[i] = !strcmp(c->options->test, "wilcoxon") ? pair->p_wilcoxon : !strcmp(c->options->test, "permutation") ? pair->p_permutation
                                                                                                                        : pair->p_t;
    }
    return rec_holm_adjust(c->holm, c->n_pairs, err);
}

/* Four digits for people, all of them for programs. */
static void real(struct tool_table *t, double x)
{
    char text[40];

    if (strcmp(t->format, "table") != 0) {
        tool_table_real(t, x);
        return;
    }
    snprintf(text, sizeof text, isnan(x) ? "" : x == 0 || fabs(x) >= 1e-4 ? "%.4f" : "%.1e", x);
    tool_table_text(t, text);
}

static void lay(struct rec_buf *out, const struct comparison *c)
{
    struct tool_table t = {.column = columns, .n = REC_LENGTH(columns), .format = c->options->format};

    for (size_t i = 0; i < c->n_pairs; i++) {
        const struct pair *p = &c->pair[i];
        tool_table_text(&t, p->key);
        tool_table_text(&t, c->users[p->a].name);
        tool_table_text(&t, c->users[p->b].name);
        const double figures[] = {p->mean_a, p->mean_b, p->change, p->low, p->high, p->p_t, p->p_wilcoxon, p->p_permutation, c->holm[i]};
        for (size_t k = 0; k < REC_LENGTH(figures); k++)
            real(&t, figures[k]);
        tool_table_number(&t, c->holm[i] < c->options->level);
    }
    tool_table_lay(out, &t);
}

int compare_systems(struct tool *tool, const struct compare_options *options, struct rec_err *err)
{
    struct comparison c = {.options = options};
    struct rec_buf text = {0};
    int rc = -1;

    for (; c.n < SYSTEMS_MAX && tool_operand(tool, (int)c.n); c.n++)
        if (rec_users_read(&c.users[c.n], tool_operand(tool, (int)c.n), err) < 0)
            goto out;
    if (compare_all(&c, err) < 0 || correct(&c, err) < 0)
        goto out;
    tool->rows = c.users[0].n;
    lay(&text, &c);
    rc = tool_write(&text, options->output, err);
out:
    for (size_t i = 0; i < c.n; i++)
        rec_users_clear(&c.users[i]);
    free(c.pair);
    free(c.holm);
    return rc;
}
