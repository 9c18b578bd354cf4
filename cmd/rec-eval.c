/* SPDX-License-Identifier: MIT
 *
 * rec-eval: how good a model is on held-out ratings, or any system's run on judgements.
 *
 * A model ranks all items but those of its training for each user of the test ratings; lib/eval judges the lists and knows no
 * model. Users are taken in blocks, so that memory does not grow with users times items. */
#include "tool.h"

#include <math.h>

#include <rec/eval.h>
#include <rec/score.h>

#define BLOCK_USERS 4096
#define BLOCK_HITS ((size_t)4 << 20)
#define FIGURES_MAX (REC_EVAL_MAX + 16)

static int64_t threads;
static const char *cutoffs = "10", *measures, *relevant, *run, *qrels, *format = "json", *per_user, *output;
static bool graded, list;
static struct rec_opt_list asserts;

static struct rec_opt opts[] = {
    {'k', "cutoffs", "K,...", REC_OPT_TEXT, &cutoffs, .help = "cut-offs of the measures of lists"},
    {'m', "measures", "NAME,...", REC_OPT_TEXT, &measures, .help = "these only; ndcg@5 has its own cut-off"},
    {0, "relevant", "CONDITION", REC_OPT_TEXT, &relevant, .help = "what counts as relevant, such as 'rating>=4'; default all (in qrels: from 1 up)"},
    {0, "graded", NULL, REC_OPT_FLAG, &graded, .help = "gains are the ratings, not 1 (it matters to ndcg)"},
    {0, "run", "FILE", REC_OPT_FILE, &run, .help = "judge this TREC run, or CSV user,item,..., instead of a model"},
    {0, "qrels", "FILE", REC_OPT_FILE, &qrels, .help = "by these TREC judgements, or ratings"},
    {0, "assert", "CONDITION", REC_OPT_LIST, &asserts, .help = "exit 3 unless 'ndcg@10>=0.33' or such; may be repeated"},
    {0, "per-user", "FILE", REC_OPT_FILE, &per_user, .help = "write each user's figures, as CSV"},
    {'f', "format", "FORMAT", REC_OPT_CHOICE, &format, .choices = "json|csv", .help = "form of the output"},
    {0, "list", NULL, REC_OPT_FLAG, &list, .flags = REC_OPT_NO_CONFIG, .help = "list the measures with their formulas"},
    TOOL_OUTPUT(&output),
    TOOL_THREADS(&threads),
    {0},
};

static const struct tool_about about = {
    .name = "rec-eval",
    .synopsis = "[options] MODEL [TEST]\n[options] --run RUN --qrels QRELS\n--list",
    .summary = "how good a model, or any ranking, is",
    .opts = opts,
    .max_operands = 2,
    .more = "TEST, or standard input, holds ratings that the model was not trained on. MODEL may be - when\n"
            "TEST is named; TEST is opened when standard input has ended.",
};

/* What is printed: the mean of each column, then counts. */
struct figures {
    const char *key[FIGURES_MAX];
    double value[FIGURES_MAX];
    bool whole[FIGURES_MAX];
    size_t n;
};

struct work {
    struct tool *tool;
    struct rec_eval eval;
    struct rec_filter filter;
    struct figures figures;
    double *values;              /* [rows, eval.n] */
    size_t rows;
    /* Evaluating a model. */
    struct rec_model model;
    struct rec_ratings test;
    int32_t *user_of, *item_of;  /* numbers of the test's users and items in the model, or -1 */
    size_t pairs, pairs_seen, pairs_unknown, unknown_users, without;
    /* Evaluating a run. */
    struct rec_qrels qrels;
};

static void add_figure(struct work *w, const char *key, double value, bool whole)
{
    struct figures *f = &w->figures;

    f->key[f->n] = key;
    f->value[f->n] = value;
    f->whole[f->n++] = whole;
}

/* ---- a model ---- */

struct block {
    size_t cap, n;
    size_t *row;                 /* of the test ratings */
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

/* Gathers what is relevant to a user: what they rated in the test well enough, and did not have in training. */
static size_t gather_relevant(struct work *w, struct block *b, size_t row, int32_t user, size_t *beyond)
{
    const struct rec_ratings *test = &w->test;
    const int32_t *seen = NULL, *seen_end = NULL;
    size_t n = 0;

    *beyond = 0;
    if (user >= 0 && w->model.seen_ptr) {
        seen = w->model.seen_item + w->model.seen_ptr[user];
        seen_end = w->model.seen_item + w->model.seen_ptr[user + 1];
    }
    for (int64_t p = test->user_ptr[row]; p < test->user_ptr[row + 1]; p++) {
        int32_t item = w->item_of[test->item[p]];
        if (relevant && !rec_filter_keeps(&w->filter, test->value[p]))
            continue;
        // Both ascend: joining by id keeps the order.
        while (item >= 0 && seen < seen_end && *seen < item)
            seen++;
        if (item >= 0 && seen < seen_end && *seen == item) {
            w->pairs_seen++;
        } else if (item >= 0) {
            b->relevant[n] = item;
            b->gain[n++] = test->value[p];
        } else {
            ++*beyond;
        }
    }
    w->pairs_unknown += *beyond;
    return n;
}

static int judge_block(struct work *w, struct block *b, const struct rec_rank *rank, struct rec_err *err)
{
    if (rec_rank_users(b->hit, b->count, rank, b->user, b->n, tool_threads(threads), err) < 0)
        return -1;
    for (size_t j = 0; j < b->n; j++) {
        struct rec_hits hits;
        size_t beyond, n = gather_relevant(w, b, b->row[j], b->user[j], &beyond);
        for (size_t r = 0; r < b->count[j]; r++)
            b->list[r] = b->hit[j * rank->k + r].item;
        if (rec_judge_list(&hits, &b->judge, b->list, b->count[j], b->relevant, graded ? b->gain : NULL, n, beyond, err) < 0)
            return -1;
        rec_eval_list(w->values + b->row[j] * w->eval.n, &w->eval, &hits);
        w->without += hits.relevant == 0;
    }
    b->n = 0;
    return 0;
}

/* Ranks for every user of the test, a block at a time. */
static int judge_lists(struct work *w, struct rec_err *err)
{
    struct rec_rank rank = {0};
    struct block b = {0};
    int status = -1;

    if (rec_rank_init(&rank, &w->model, w->eval.depth, NULL, 0, err) < 0 || block_init(&b, &w->test, rank.k, err) < 0)
        goto out;
    for (size_t u = 0; u < w->test.n_users; u++) {
        if (w->test.user_ptr[u + 1] == w->test.user_ptr[u])
            continue;
        b.row[b.n] = u;
        b.user[b.n++] = w->user_of[u];
        w->unknown_users += !rec_rank_known(&w->model, w->user_of[u]);
        w->tool->rows++;
        if (b.n == b.cap && judge_block(w, &b, &rank, err) < 0)
            goto out;
        tool_progress(w->tool, "users", u, w->test.n_users);
    }
    if (b.n > 0 && judge_block(w, &b, &rank, err) < 0)
        goto out;
    tool_progress(w->tool, "users", w->test.n_users, w->test.n_users);
    status = 0;
out:
    rec_rank_clear(&rank);
    block_clear(&b);
    return status;
}

/* Predicts every rating of the test; total[eval.n] receives the sums over all. */
static void judge_predictions(struct work *w, double *total)
{
    size_t columns = w->eval.n;

    for (size_t u = 0; u < w->test.n_users; u++) {
        double *row = w->values + u * columns, sums[REC_EVAL_MAX] = {0};
        int64_t from = w->test.user_ptr[u], to = w->test.user_ptr[u + 1];
        for (int64_t p = from; p < to; p++)
            rec_eval_pair(sums, &w->eval, rec_predict_pair(&w->model, w->user_of[u], w->item_of[w->test.item[p]]),
                          w->test.value[p]);
        for (size_t c = 0; c < columns; c++) {
            if (!w->eval.column[c].measure->term)
                continue;
            total[c] += sums[c];
            row[c] = to > from ? w->eval.column[c].measure->whole(sums[c], (double)(to - from)) : NAN;
        }
    }
}

/* Which measures: those asked for, or all that the model can be judged by. */
static int choose(struct work *w, bool ratings, struct rec_err *err)
{
    static const char of_lists[] = "ndcg,recall,precision,map,mrr,hitrate";
    static const char of_both[] = "ndcg,recall,precision,map,mrr,hitrate,rmse,mae";

    if (!measures)
        return rec_eval_init(&w->eval, ratings ? of_both : of_lists, cutoffs, err);
    if (rec_eval_init(&w->eval, measures, cutoffs, err) < 0)
        return -1;
    if (w->eval.predictions && !ratings)
        return rec_err_set(err, "%s: scores are ranks, not ratings, and cannot be measured by rmse or mae",
                           w->model.type[0] ? w->model.type : "a run");
    return 0;
}

static int read_model_and_test(struct work *w, struct rec_err *err)
{
    if (rec_model_read(&w->model, tool_operand(w->tool, 0), err) < 0 || choose(w, w->model.ratings_scale, err) < 0 ||
        rec_ratings_read(&w->test, tool_operand(w->tool, 1), err) < 0)
        return -1;
    w->rows = w->test.n_users;
    w->user_of = rec_malloc(w->test.n_users, sizeof *w->user_of, "test ratings", err);
    w->item_of = rec_malloc(w->test.n_items, sizeof *w->item_of, "test ratings", err);
    size_t cells;
    if (rec_size_mul(&cells, w->rows, w->eval.n) < 0)
        return rec_err_memory(err, "figures");
    w->values = rec_malloc(cells, sizeof *w->values, "figures", err);
    if (!w->user_of || !w->item_of || !w->values)
        return -1;
    for (size_t i = 0; i < cells; i++)
        w->values[i] = NAN;
    rec_ids_join(w->user_of, &w->test.users, &w->model.users);
    rec_ids_join(w->item_of, &w->test.items, &w->model.items);
    for (size_t p = 0; graded && p < w->test.nnz; p++)
        if (!(w->test.value[p] > 0) && (!relevant || rec_filter_keeps(&w->filter, w->test.value[p])))
            return rec_err_set(err, "%s: a rating of %g cannot be a gain", w->test.file.name, (double)w->test.value[p]);
    return 0;
}

static int evaluate_model(struct work *w, struct rec_err *err)
{
    double mean[REC_EVAL_MAX], total[REC_EVAL_MAX] = {0};

    if (read_model_and_test(w, err) < 0 || (w->eval.depth > 0 && judge_lists(w, err) < 0))
        return -1;
    if (w->eval.predictions)
        judge_predictions(w, total);
    rec_eval_mean(mean, w->values, w->rows, w->eval.n);
    for (size_t c = 0; c < w->eval.n; c++) {
        const struct rec_measure *measure = w->eval.column[c].measure;
        add_figure(w, w->eval.column[c].key, measure->whole && w->test.nnz ? measure->whole(total[c], (double)w->test.nnz) : mean[c],
                   false);
    }
    if (w->eval.depth > 0) {
        add_figure(w, "users", (double)(w->tool->rows - w->without), true);
        add_figure(w, "users_without_relevant", (double)w->without, true);
        add_figure(w, "users_unknown", (double)w->unknown_users, true);
        add_figure(w, "pairs_seen", (double)w->pairs_seen, true);
        add_figure(w, "pairs_unknown_item", (double)w->pairs_unknown, true);
    }
    add_figure(w, "pairs", (double)w->test.nnz, true);
    if (w->pairs_seen > 0)
        tool_note(w->tool, "%zu held-out ratings are of items that their users have in training; left out", w->pairs_seen);
    return 0;
}

/* ---- a run ---- */

static int evaluate_run(struct work *w, struct rec_err *err)
{
    struct rec_run_counts counts;
    double mean[REC_EVAL_MAX];
    size_t cells;

    if (choose(w, false, err) < 0 || rec_qrels_read(&w->qrels, qrels, relevant ? &w->filter : NULL, graded, err) < 0)
        return -1;
    w->rows = w->qrels.n;
    if (rec_size_mul(&cells, w->rows, w->eval.n) < 0)
        return rec_err_memory(err, "figures");
    w->values = rec_malloc(cells, sizeof *w->values, "figures", err);
    if (!w->values || rec_run_measure(w->values, &counts, run, &w->qrels, &w->eval, tool_threads(threads), err) < 0)
        return -1;
    w->tool->rows = counts.lines;
    w->tool->rows_name = "lines";
    rec_eval_mean(mean, w->values, w->rows, w->eval.n);
    for (size_t c = 0; c < w->eval.n; c++)
        add_figure(w, w->eval.column[c].key, mean[c], false);
    add_figure(w, "users", (double)(w->rows - counts.without), true);
    add_figure(w, "users_without_relevant", (double)counts.without, true);
    add_figure(w, "users_without_list", (double)counts.missing, true);
    add_figure(w, "users_unjudged", (double)counts.unjudged, true);
    add_figure(w, "lines", (double)counts.lines, true);
    return 0;
}

/* ---- output ---- */

static int write_per_user(const struct work *w, struct rec_err *err)
{
    struct rec_ids of_qrels = {.bytes = w->qrels.queries.bytes, .offset = w->qrels.queries.offset, .n = w->qrels.queries.n};
    const struct rec_ids *ids = run ? &of_qrels : &w->test.users;
    struct rec_out out = {0};
    int status = rec_out_open(&out, per_user, false, err);

    if (status == 0)
        status = rec_eval_write(&out, &w->eval, ids, w->values, err);
    if (status == 0)
        status = rec_out_commit(&out, err);
    rec_out_abort(&out);
    return status;
}

static void print_csv(struct rec_buf *buf, const struct figures *f)
{
    char number[REC_NUM_MAX];

    rec_buf_adds(buf, "measure,value\n");
    for (size_t i = 0; i < f->n; i++) {
        rec_buf_addf(buf, "%s,", f->key[i]);
        if (!isnan(f->value[i]))
            rec_buf_add(buf, number, rec_num_print_double(number, f->value[i]));
        rec_buf_addc(buf, '\n');
    }
}

static void print_json(struct rec_buf *buf, const struct figures *f)
{
    struct rec_json json = {.out = buf};

    rec_json_object(&json, NULL);
    for (size_t i = 0; i < f->n; i++) {
        if (f->whole[i])
            rec_json_int(&json, f->key[i], (int64_t)f->value[i]);
        else
            rec_json_real(&json, f->key[i], f->value[i]);
    }
    rec_json_end(&json);
}

static int write_text(const struct rec_buf *buf, struct rec_err *err)
{
    struct rec_out out = {0};
    int status = buf->failed ? rec_err_memory(err, "output") : rec_out_open(&out, output, false, err);

    if (status == 0)
        status = rec_out_write(&out, buf->data, buf->len, err);
    if (status == 0)
        status = rec_out_commit(&out, err);
    rec_out_abort(&out);
    return status;
}

static int write_figures(const struct figures *figures, struct rec_err *err)
{
    struct rec_buf buf = {0};

    if (strcmp(format, "csv") == 0)
        print_csv(&buf, figures);
    else
        print_json(&buf, figures);
    int status = write_text(&buf, err);
    rec_buf_clear(&buf);
    return status;
}

static int write_list(struct rec_err *err)
{
    struct rec_buf buf = {0};

    for (size_t m = 0; rec_measures[m]; m++)
        rec_buf_addf(&buf, "%-10s %s\n%-10s %s is better; %s\n", rec_measures[m]->name, rec_measures[m]->formula, "",
                     rec_measures[m]->greater_is_better ? "more" : "less", rec_measures[m]->source);
    int status = write_text(&buf, err);
    rec_buf_clear(&buf);
    return status;
}

/* ---- assertions ---- */

/* Looks at --assert: each must be a condition on a figure that there is. TOOL_NO when one does not hold. */
static int check_asserts(const struct tool *tool, const struct figures *f)
{
    int status = TOOL_DONE;

    for (size_t a = 0; a < asserts.n; a++) {
        struct rec_condition condition;
        char got[REC_NUM_MAX + 1] = "unknown";
        size_t i = 0;
        if (rec_condition_parse(&condition, asserts.text[a], NULL) < 0)
            continue;
        while (i < f->n && !rec_condition_is(&condition, f->key[i]))
            i++;
        if (i == f->n) {
            status = tool_usage(tool, "--assert: there is no figure '%.*s' here", (int)condition.key_len, condition.key);
            break;
        }
        if (rec_condition_holds(&condition, f->value[i]))
            continue;
        if (!isnan(f->value[i]))
            got[rec_num_print_double(got, f->value[i])] = 0;
        fprintf(stderr, "%s: %s is %s, not %s %s\n", about.name, f->key[i], got, condition.sign, condition.bound_text);
        status = TOOL_NO;
    }
    return status;
}

/* What can be found wrong with the options before anything is read. */
static int check_options(struct tool *tool, struct work *w)
{
    const char *model = tool_operand(tool, 0), *test = tool_operand(tool, 1);
    struct rec_condition condition;
    struct rec_err err;

    if (!run != !qrels)
        return tool_usage(tool, "--run and --qrels go together");
    if (run && model)
        return tool_usage(tool, "--run and a model exclude each other");
    if (!run && !model)
        return tool_usage(tool, "MODEL is missing");
    if (run && strcmp(run, "-") == 0 && strcmp(qrels, "-") == 0)
        return tool_usage(tool, "the run and the qrels cannot both be standard input");
    if (!run && strcmp(model, "-") == 0 && (!test || strcmp(test, "-") == 0))
        return tool_usage(tool, "the model and the test ratings cannot both be standard input");
    if (relevant && rec_filter_parse(&w->filter, relevant, &err) < 0)
        return tool_usage(tool, "--relevant: %s", err.text);
    for (size_t a = 0; a < asserts.n; a++)
        if (rec_condition_parse(&condition, asserts.text[a], &err) < 0)
            return tool_usage(tool, "--assert: %s", err.text);
    int status = rec_eval_init(&w->eval, measures, cutoffs, &err);
    rec_eval_clear(&w->eval);
    return status < 0 ? tool_usage(tool, "%s", err.text) : 0;
}

static void clear(struct work *w)
{
    rec_eval_clear(&w->eval);
    rec_model_clear(&w->model);
    rec_ratings_clear(&w->test);
    rec_qrels_clear(&w->qrels);
    free(w->values);
    free(w->user_of);
    free(w->item_of);
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};
    struct work w = {.tool = &tool};

    tool_start(&tool, &about, argc, argv);
    tool.rows_name = "users";
    if (list)
        return write_list(&err) < 0 ? tool_fail(&tool, &err) : tool_finish(&tool, TOOL_DONE);
    int status = check_options(&tool, &w);
    if (status)
        return status;
    status = run ? evaluate_run(&w, &err) : evaluate_model(&w, &err);
    if (status == 0 && per_user)
        status = write_per_user(&w, &err);
    if (status == 0)
        status = write_figures(&w.figures, &err);
    int answer = status < 0 ? tool_fail(&tool, &err) : check_asserts(&tool, &w.figures);
    clear(&w);
    return tool_finish(&tool, answer);
}
