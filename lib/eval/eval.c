/* SPDX-License-Identifier: MIT
 *
 * Which measures at which cut-offs: one column a figure, one row a user, and the means of the rows. */
#include "eval_priv.h"

#include <math.h>

/* "no measure X; did you mean Y?" */
static int unknown(const char *name, size_t len, struct rec_err *err)
{
    const char *names[32];
    char word[40];
    size_t n = 0;

    for (; rec_measures[n] && n < REC_LENGTH(names); n++)
        names[n] = rec_measures[n]->name;
    snprintf(word, sizeof word, "%.*s", len < sizeof word ? (int)len : (int)sizeof word - 1, name);
    const char *near = rec_opt_nearest(word, names, n);
    if (near)
        return rec_err_set(err, "measure '%s': there is none of that name; did you mean '%s'?", word, near);
    return rec_err_set(err, "measure '%s': there is none of that name; --list shows them", word);
}

/* Adds a column once. */
static int add(struct rec_eval *eval, const struct rec_measure *measure, size_t k, struct rec_err *err)
{
    for (size_t c = 0; c < eval->n; c++)
        if (eval->column[c].measure == measure && eval->column[c].k == k)
            return 0;
    if (eval->n == REC_EVAL_MAX)
        return rec_err_set(err, "measures: more than %d figures", REC_EVAL_MAX);
    struct rec_eval_column *column = &eval->column[eval->n++];
    column->measure = measure;
    column->k = k;
    if (k)
        snprintf(column->key, sizeof column->key, "%s@%zu", measure->name, k);
    else
        snprintf(column->key, sizeof column->key, "%s", measure->name);
    if (k > eval->depth)
        eval->depth = k;
    if (measure->term)
        eval->predictions = true;
    eval->needs |= measure->needs;
    return 0;
}

static int cutoff(size_t *k, const char *text, size_t len, struct rec_err *err)
{
    int64_t value;

    if (rec_num_int64(&value, text, len) < 0 || value < 1 || value > REC_EVAL_DEEPEST)
        return rec_err_set(err, "cut-off '%.*s': not a whole number from 1 to %d", len < 40 ? (int)len : 40, text,
                           REC_EVAL_DEEPEST);
    *k = (size_t)value;
    return 0;
}

/* Adds the measure at every cut-off of a list between commas. */
static int add_at_all(struct rec_eval *eval, const struct rec_measure *measure, const char *cutoffs, struct rec_err *err)
{
    for (const char *p = cutoffs; ; p++) {
        size_t len = strcspn(p, ","), k;
        if (cutoff(&k, p, len, err) < 0 || add(eval, measure, k, err) < 0)
            return -1;
        p += len;
        if (!*p)
            return 0;
    }
}

/* Adds one word of the list of measures: "ndcg" or "ndcg@10". */
static int add_word(struct rec_eval *eval, const char *word, size_t len, const char *cutoffs, struct rec_err *err)
{
    const char *sign = memchr(word, '@', len);
    size_t name_len = sign ? (size_t)(sign - word) : len, k;
    const struct rec_measure *measure = rec_measures_find(word, name_len);

    if (!measure)
        return unknown(word, name_len, err);
    if (measure->term && sign)
        return rec_err_set(err, "measure '%.*s': %s takes no cut-off", (int)len, word, measure->name);
    if (measure->term)
        return add(eval, measure, 0, err);
    if (!sign)
        return add_at_all(eval, measure, cutoffs, err);
    if (cutoff(&k, sign + 1, len - name_len - 1, err) < 0)
        return -1;
    return add(eval, measure, k, err);
}

int rec_eval_init(struct rec_eval *eval, const char *measures, const char *cutoffs, struct rec_err *err)
{
    *eval = (struct rec_eval){0};
    if (!measures) {
        for (size_t m = 0; rec_measures[m]; m++)
            if (add_word(eval, rec_measures[m]->name, strlen(rec_measures[m]->name), cutoffs, err) < 0)
                return -1;
    }
    for (const char *p = measures; p; p = *p ? p + 1 : NULL) {
        size_t len = strcspn(p, ",");
        if (add_word(eval, p, len, cutoffs, err) < 0)
            return -1;
        p += len;
    }
    eval->discount = rec_malloc(eval->depth, sizeof *eval->discount, "discounts", err);
    if (!eval->discount)
        return -1;
    for (size_t r = 0; r < eval->depth; r++)
        eval->discount[r] = 1 / log2((double)r + 2);
    return 0;
}

void rec_eval_clear(struct rec_eval *eval)
{
    free(eval->discount);
    free(eval->shown);
    *eval = (struct rec_eval){0};
}

int rec_eval_use(struct rec_eval *eval, const struct rec_shelf *shelf, struct rec_err *err)
{
    size_t cells;
    bool spread = false;

    for (size_t c = 0; c < eval->n; c++) {
        spread |= eval->column[c].measure->spread != NULL;
        if (eval->column[c].measure->needs & REC_NEEDS_GENRES && !shelf->catalogue)
            return rec_err_set(err, "%s: needs genres: name a catalogue", eval->column[c].key);
    }
    eval->shelf = shelf;
    free(eval->shown);
    eval->shown = NULL;
    if (!spread)
        return 0;
    if (rec_size_mul(&cells, eval->n, shelf->n_items) < 0)
        return rec_err_memory(err, "figures");
    eval->shown = rec_calloc(cells, sizeof *eval->shown, "figures", err);
    return eval->shown ? 0 : -1;
}

void rec_eval_spread(double *figure, const struct rec_eval *eval)
{
    for (size_t c = 0; c < eval->n; c++)
        if (eval->column[c].measure->spread)
            figure[c] = eval->shown ? eval->column[c].measure->spread(eval->shown + c * eval->shelf->n_items, eval->shelf->n_items) : NAN;
}

/* Lists may be judged by several threads at once. */
static void count_shown(const struct rec_eval *eval, size_t c, const struct rec_hits *hits)
{
    uint32_t *shown = eval->shown + c * eval->shelf->n_items;

    for (size_t r = 0; r < hits->length && r < eval->column[c].k; r++)
        if (hits->list[r] >= 0)
            __atomic_fetch_add(&shown[hits->list[r]], 1, __ATOMIC_RELAXED);
}

void rec_eval_list(double *values, const struct rec_eval *eval, struct rec_hits *hits)
{
    hits->discount = eval->discount;
    hits->shelf = eval->shelf;
    for (size_t c = 0; c < eval->n; c++) {
        const struct rec_measure *m = eval->column[c].measure;
        if (!eval->column[c].k)
            continue;
        values[c] = m->list && hits->relevant && (!m->needs || eval->shelf) ? m->list(hits, eval->column[c].k) : NAN;
        if (m->spread && eval->shown && hits->relevant)
            count_shown(eval, c, hits);
    }
}

void rec_eval_pair(double *sums, const struct rec_eval *eval, double prediction, double value)
{
    for (size_t c = 0; c < eval->n; c++)
        if (eval->column[c].measure->term)
            sums[c] += eval->column[c].measure->term(prediction, value);
}

size_t rec_eval_mean(double *mean, const double *values, size_t rows, size_t columns)
{
    size_t n[REC_EVAL_MAX] = {0}, most = 0;

    for (size_t c = 0; c < columns; c++)
        mean[c] = 0;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) {
            double value = values[r * columns + c];
            bool known = !isnan(value);
            mean[c] += known ? value : 0;
            n[c] += known;
        }
    for (size_t c = 0; c < columns; c++) {
        mean[c] = n[c] ? mean[c] / (double)n[c] : NAN;
        most = n[c] > most ? n[c] : most;
    }
    return most;
}

/* One row, unless it has nothing to say. */
static void add_row(struct rec_buf *buf, const struct rec_eval *eval, const char *id, size_t len, const double *row)
{
    char number[REC_NUM_MAX];
    size_t known = 0;

    for (size_t c = 0; c < eval->n; c++)
        known += !isnan(row[c]);
    if (known == 0)
        return;
    rec_csv_add(buf, ',', id, len);
    for (size_t c = 0; c < eval->n; c++)
        rec_csv_add(buf, ',', number, isnan(row[c]) ? 0 : rec_num_print_double(number, row[c]));
    rec_buf_addc(buf, '\n');
}

int rec_eval_write(struct rec_out *out, const struct rec_eval *eval, const struct rec_ids *users, const double *values,
                   struct rec_err *err)
{
    struct rec_buf buf = {0};
    int status = 0;

    rec_buf_adds(&buf, "user");
    for (size_t c = 0; c < eval->n; c++)
        rec_buf_addf(&buf, ",%s", eval->column[c].key);
    rec_buf_addc(&buf, '\n');
    for (size_t u = 0; u <= users->n && status == 0; u++) {
        size_t len;
        const char *id = u < users->n ? rec_ids_get(users, u, &len) : NULL;
        if (id)
            add_row(&buf, eval, id, len, values + u * eval->n);
        if (buf.failed)
            status = rec_err_memory(err, "figures");
        else if (!id || buf.len > 65536) {
            status = rec_out_write(out, buf.data, buf.len, err);
            rec_buf_reset(&buf);
        }
    }
    rec_buf_clear(&buf);
    return status;
}
