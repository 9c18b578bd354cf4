/* SPDX-License-Identifier: MIT
 *
 * rec-eval: how good a model is on held-out ratings, or any system's run on judgements.
 *
 * A model's lists are made and judged by lib/tune/validate.c, a run's by lib/eval/run.c; systems are compared by rec-eval_compare.c. */
#include "rec-eval.h"

#include <math.h>

#include <rec/tune.h>

#define FIGURES_MAX (REC_EVAL_MAX + 16)

static int64_t threads, rounds = 10000, seed = 42;
static double level = 0.05, drop_share;
static const char *cutoffs = "10", *measures, *relevant, *run, *qrels, *format, *per_user, *baseline, *train, *catalogue, *max_drop = "0", *which_test = "t", *output;
static bool graded, list, compare;
static struct rec_opt_list asserts;

static struct rec_opt opts[] = {
    {'k', "cutoffs", "K,...", REC_OPT_TEXT, &cutoffs, .help = "cut-offs of the measures of lists"},
    {'m', "measures", "NAME,...", REC_OPT_TEXT, &measures, .help = "these only; ndcg@5 has its own cut-off"},
    {0, "relevant", "CONDITION", REC_OPT_TEXT, &relevant, .help = "what counts as relevant, such as 'rating>=4'; default all (in qrels: from 1 up)"},
    {0, "graded", NULL, REC_OPT_FLAG, &graded, .help = "gains are the ratings, not 1 (it matters to ndcg)"},
    {0, "run", "FILE", REC_OPT_FILE, &run, .help = "judge this TREC run, or CSV user,item,..., instead of a model"},
    {0, "qrels", "FILE", REC_OPT_FILE, &qrels, .help = "by these TREC judgements, or ratings"},
    {0, "train", "FILE", REC_OPT_FILE, &train, .help = "of a run: the ratings its system learnt from; novelty and such need it"},
    {'c', "catalogue", "FILE", REC_OPT_FILE, &catalogue, .help = "genres, for ild and calibration"},
    {0, "assert", "CONDITION", REC_OPT_LIST, &asserts, .help = "exit 3 unless 'ndcg@10>=0.33' or such; may be repeated"},
    {0, "baseline", "FILE", REC_OPT_FILE, &baseline, .help = "exit 3 when a figure is worse than in this JSON of another evaluation"},
    {0, "max-drop", "SHARE", REC_OPT_TEXT, &max_drop, .help = "with --baseline: so much worse is well, as 2% or 0.02"},
    {0, "per-user", "FILE", REC_OPT_FILE, &per_user, .help = "write each user's figures, as CSV"},
    {0, "compare", NULL, REC_OPT_FLAG, &compare, .flags = REC_OPT_NO_CONFIG, .help = "compare systems by their files of --per-user"},
    {0, "test", "NAME", REC_OPT_CHOICE, &which_test, .choices = "t|wilcoxon|permutation", .help = "with --compare: the test that Holm's p is made of"},
    {0, "level", "P", REC_OPT_REAL, &level, .min = 1e-6, .max = 0.5, .help = "with --compare: what p is significant"},
    {0, "rounds", "N", REC_OPT_INT, &rounds, .min = 100, .max = 1e7, .help = "with --compare: of permutation and bootstrap"},
    TOOL_SEED(&seed),
    {'f', "format", "FORMAT", REC_OPT_CHOICE, &format, .choices = "json|csv|table",
     .help = "form of the output: json, with --compare a table, by default"},
    {0, "list", NULL, REC_OPT_FLAG, &list, .flags = REC_OPT_NO_CONFIG, .help = "list the measures with their formulas"},
    TOOL_OUTPUT(&output),
    TOOL_THREADS(&threads),
    {0},
};

static const struct tool_about about = {
    .name = "rec-eval",
    .synopsis = "[options] MODEL [TEST]\n[options] --run RUN --qrels QRELS\n[options] --compare FILE FILE ...\n--list",
    .summary = "how good a model, or any ranking, is",
    .opts = opts,
    .max_operands = 32,
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
    struct rec_filter filter;
    struct figures figures;
    /* Evaluating a model. */
    struct rec_model model;
    struct rec_ratings test;
    struct rec_validate validate;
    /* Evaluating a run. */
    struct rec_eval eval;
    struct rec_qrels qrels;
    double *values;              /* [qrels.n, eval.n] */
    struct rec_ratings train;
    struct rec_shelf shelf;
    struct rec_catalogue catalogue;
};

static void add_figure(struct work *w, const char *key, double value, bool whole)
{
    struct figures *f = &w->figures;

    f->key[f->n] = key;
    f->value[f->n] = value;
    f->whole[f->n++] = whole;
}

/* ---- a model ---- */

/* Which measures: those asked for, or all that the model can be judged by. */
static int choose(struct rec_eval *eval, bool ratings, const char *type, struct rec_err *err)
{
    static const char of_lists[] = "ndcg,recall,precision,map,mrr,hitrate";
    static const char of_both[] = "ndcg,recall,precision,map,mrr,hitrate,rmse,mae";

    if (!measures)
        return rec_eval_init(eval, ratings ? of_both : of_lists, cutoffs, err);
    if (rec_eval_init(eval, measures, cutoffs, err) < 0)
        return -1;
    if (eval->predictions && !ratings)
        return rec_err_set(err, "%s: scores are ranks, not ratings, and cannot be measured by rmse or mae", type);
    return 0;
}

static void show_progress(void *context, size_t done, size_t users)
{
    tool_progress(context, "users", done, users);
}

static int evaluate_model(struct work *w, struct rec_err *err)
{
    struct rec_validate *v = &w->validate;

    if (rec_model_read(&w->model, tool_operand(w->tool, 0), err) < 0 ||
        choose(&v->eval, w->model.ratings_scale, w->model.type, err) < 0 || rec_ratings_read(&w->test, tool_operand(w->tool, 1), err) < 0)
        return -1;
    v->relevant = relevant ? &w->filter : NULL;
    v->graded = graded;
    if (catalogue && rec_catalogue_read(&w->catalogue, catalogue, err) < 0)
        return -1;
    v->catalogue = catalogue ? &w->catalogue : NULL;
    v->threads = tool_threads(threads);
    v->progress = show_progress;
    v->context = w->tool;
    if (rec_validate_begin(v, &w->test, &w->model.users, &w->model.items, err) < 0 || rec_validate_model(v, &w->model, err) < 0)
        return -1;
    w->tool->rows = v->users;
    for (size_t c = 0; c < v->eval.n; c++)
        add_figure(w, v->eval.column[c].key, v->figure[c], false);
    if (v->eval.depth > 0) {
        add_figure(w, "users", (double)(v->users - v->without), true);
        add_figure(w, "users_without_relevant", (double)v->without, true);
        add_figure(w, "users_unknown", (double)v->unknown, true);
        add_figure(w, "pairs_seen", (double)v->pairs_seen, true);
        add_figure(w, "pairs_unknown_item", (double)v->pairs_unknown, true);
    }
    add_figure(w, "pairs", (double)w->test.nnz, true);
    if (v->pairs_seen > 0)
        tool_note(w->tool, "%zu held-out ratings are of items that their users have in training; left out", v->pairs_seen);
    return 0;
}

/* ---- a run ---- */

/* What is known of items and users besides the run and its judgements. */
static int read_shelf(struct work *w, struct rec_err *err)
{
    if (!train && w->eval.needs)
        return rec_err_set(err, "coverage, gini, novelty, arp, ild and calibration of a run: name what its system learnt from by --train");
    if (!train)
        return 0;
    if (rec_ratings_read(&w->train, train, err) < 0 || (catalogue && rec_catalogue_read(&w->catalogue, catalogue, err) < 0) ||
        rec_shelf_init(&w->shelf, &w->train.users, &w->train.items, w->train.user_ptr, w->train.item, catalogue ? &w->catalogue : NULL, err) < 0)
        return -1;
    return rec_eval_use(&w->eval, &w->shelf, err);
}

static int evaluate_run(struct work *w, struct rec_err *err)
{
    struct rec_run_counts counts;
    double mean[REC_EVAL_MAX];
    size_t cells;

    if (choose(&w->eval, false, "a run", err) < 0 || read_shelf(w, err) < 0 || rec_qrels_read(&w->qrels, qrels, relevant ? &w->filter : NULL, graded, err) < 0)
        return -1;
    if (rec_size_mul(&cells, w->qrels.n, w->eval.n) < 0)
        return rec_err_memory(err, "figures");
    w->values = rec_malloc(cells, sizeof *w->values, "figures", err);
    if (!w->values || rec_run_measure(w->values, &counts, run, &w->qrels, &w->eval, tool_threads(threads), err) < 0)
        return -1;
    w->tool->rows = counts.lines;
    w->tool->rows_name = "lines";
    rec_eval_mean(mean, w->values, w->qrels.n, w->eval.n);
    if (w->eval.shelf)
        rec_eval_spread(mean, &w->eval);
    for (size_t c = 0; c < w->eval.n; c++)
        add_figure(w, w->eval.column[c].key, mean[c], false);
    add_figure(w, "users", (double)(w->qrels.n - counts.without), true);
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
        status = run ? rec_eval_write(&out, &w->eval, ids, w->values, err)
                     : rec_eval_write(&out, &w->validate.eval, ids, w->validate.values, err);
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

static int write_figures(const struct figures *figures, struct rec_err *err)
{
    struct rec_buf buf = {0};

    if (format && strcmp(format, "csv") == 0)
        print_csv(&buf, figures);
    else
        print_json(&buf, figures);
    return tool_write(&buf, output, err);
}

static int write_list(struct rec_err *err)
{
    struct rec_buf buf = {0};

    for (size_t m = 0; rec_measures[m]; m++)
        rec_buf_addf(&buf, "%-10s %s\n%-10s %s is better; %s\n", rec_measures[m]->name, rec_measures[m]->formula, "",
                     rec_measures[m]->greater_is_better ? "more" : "less", rec_measures[m]->source);
    return tool_write(&buf, output, err);
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

/* "0.02" or "2%". */
static int read_share(double *out, const char *text)
{
    size_t n = strlen(text);
    bool percent = n > 0 && text[n - 1] == '%';

    if (rec_num_double(out, text, n - percent) < 0)
        return -1;
    *out /= percent ? 100 : 1;
    return *out >= 0 && *out <= 1 ? 0 : -1;
}

/* What can be found wrong with the options before anything is read. */
static int check_options(struct tool *tool, struct work *w)
{
    const char *model = tool_operand(tool, 0), *test = tool_operand(tool, 1);
    struct rec_condition condition;
    struct rec_err err;

    if (tool->n_operands > 2)
        return tool_usage(tool, "too many operands: a model and its test ratings, or --compare and several files");
    if (format && strcmp(format, "table") == 0)
        return tool_usage(tool, "--format table: figures of one system are json or csv");
    if (!run != !qrels)
        return tool_usage(tool, "--run and --qrels go together");
    if (train && !run)
        return tool_usage(tool, "--train: a model knows itself what it learnt from");
    if (run && model)
        return tool_usage(tool, "--run and a model exclude each other");
    if (!run && !model)
        return tool_usage(tool, "MODEL is missing");
    if (run && strcmp(run, "-") == 0 && strcmp(qrels, "-") == 0)
        return tool_usage(tool, "the run and the qrels cannot both be standard input");
    if (!run && strcmp(model, "-") == 0 && (!test || strcmp(test, "-") == 0))
        return tool_usage(tool, "the model and the test ratings cannot both be standard input");
    if (read_share(&drop_share, max_drop) < 0)
        return tool_usage(tool, "--max-drop: %s is no share, such as 2%% or 0.02", max_drop);
    if (relevant && rec_filter_parse(&w->filter, relevant, &err) < 0)
        return tool_usage(tool, "--relevant: %s", err.text);
    for (size_t a = 0; a < asserts.n; a++)
        if (rec_condition_parse(&condition, asserts.text[a], &err) < 0)
            return tool_usage(tool, "--assert: %s", err.text);
    int status = rec_eval_init(&w->eval, measures, cutoffs, &err);
    rec_eval_clear(&w->eval);
    return status < 0 ? tool_usage(tool, "%s", err.text) : 0;
}

/* ---- against an earlier evaluation ---- */

/* The measure of a figure, or NULL for counts. */
static const struct rec_measure *measure_of(const char *key)
{
    return rec_measures_find(key, strcspn(key, "@"));
}

/* TOOL_NO when a figure that both have is worse by more than --max-drop of the earlier one. */
static int check_baseline(const struct figures *f, struct rec_err *err)
{
    struct rec_json_value *root;
    struct rec_in in;
    size_t both = 0;
    int status = TOOL_DONE;

    if (rec_in_open(&in, baseline, err) < 0)
        return -1;
    root = rec_json_read(baseline, (const char *)in.data, in.len, err);
    rec_in_close(&in);
    if (!root)
        return -1;
    for (size_t i = 0; i < f->n; i++) {
        const struct rec_measure *m = measure_of(f->key[i]);
        double before, drop;
        if (!m || rec_json_number(&before, rec_json_get(root, f->key[i])) < 0)
            continue;
        both++;
        drop = m->greater_is_better ? before - f->value[i] : f->value[i] - before;
        if (drop <= drop_share * fabs(before))
            continue;
        fprintf(stderr, "%s: %s was %.4f and is %.4f: worse by %.1f %%, more than %.1f %%\n", about.name, f->key[i], before, f->value[i],
                100 * drop / fabs(before), 100 * drop_share);
        status = TOOL_NO;
    }
    rec_json_free(root);
    return both > 0 ? status : rec_err_set(err, "%s: has none of these figures", baseline);
}

static void clear(struct work *w)
{
    rec_eval_clear(&w->eval);
    rec_model_clear(&w->model);
    rec_ratings_clear(&w->test);
    rec_qrels_clear(&w->qrels);
    rec_shelf_clear(&w->shelf);
    rec_catalogue_clear(&w->catalogue);
    rec_ratings_clear(&w->train);
    rec_validate_clear(&w->validate);
    free(w->values);
}

static int run_compare(struct tool *tool)
{
    struct compare_options o = {measures, which_test, format ? format : "table", output, level, (size_t)rounds, (uint64_t)seed};
    struct rec_err err = {0};

    if (run || qrels || per_user || baseline || relevant || asserts.n > 0)
        return tool_usage(tool, "--compare takes files of --per-user and nothing else to judge by");
    if (tool->n_operands < 2)
        return tool_usage(tool, "--compare: two files or more are to be compared");
    if (compare_systems(tool, &o, &err) < 0)
        return tool_fail(tool, &err);
    return tool_finish(tool, TOOL_DONE);
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
    if (compare)
        return run_compare(&tool);
    int status = check_options(&tool, &w);
    if (status)
        return status;
    status = run ? evaluate_run(&w, &err) : evaluate_model(&w, &err);
    if (status == 0 && per_user)
        status = write_per_user(&w, &err);
    if (status == 0)
        status = write_figures(&w.figures, &err);
    int worse = status == 0 && baseline ? check_baseline(&w.figures, &err) : TOOL_DONE;
    int answer = status < 0 || worse < 0 ? tool_fail(&tool, &err) : check_asserts(&tool, &w.figures);
    answer = answer == TOOL_DONE ? worse : answer;
    clear(&w);
    return tool_finish(&tool, answer);
}
