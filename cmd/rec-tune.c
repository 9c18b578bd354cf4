/* SPDX-License-Identifier: MIT
 *
 * rec-tune: ratings and a search space -> the best parameters, as settings of rec-train; all trials as CSV.
 */
#include "tool.h"

#include <rec/kernels.h>
#include <rec/linalg.h>
#include <rec/tune.h>

#include <math.h>

static char model_choices[512], metric_key[40];
static const char *model_name = "ials", *validation, *metric, *relevant, *positive, *features, *search, *space_file, *csv, *method = "tpe", *format = "yaml", *output;
static int64_t trials = 50, passes, patience = 5, every, first = 2, seed = 42, threads, trial_threads = 1;
static double share = 0.1, eta = 3, limit;

static struct rec_opt opts[] = {
    {'m', "model", "NAME", REC_OPT_CHOICE, &model_name, .choices = model_choices, .flags = REC_OPT_RESULT, .help = "whose parameters are looked for"},
    {'n', "trials", "N", REC_OPT_INT, &trials, .max = 1e6, .help = "so many in all, those that --csv has already among them"},
    {0, "time", "SECONDS", REC_OPT_REAL, &limit, .max = 1e9, .help = "begin no trial later than so; 0: no limit"},
    {0, "search", "SPACE", REC_OPT_TEXT, &search, .help = "'factors=16..256 log,alpha=1|2|4': what differs from the model's own space"},
    {0, "space", "FILE", REC_OPT_FILE, &space_file, .help = "the same as YAML, a line for each parameter"},
    {0, "method", "NAME", REC_OPT_CHOICE, &method, .choices = "tpe|random", .help = "how trials are chosen"},
    {0, "validation", "FILE", REC_OPT_FILE, &validation, .help = "held-out ratings to measure by; unless given, some of RATINGS"},
    {0, "validation-share", "SHARE", REC_OPT_REAL, &share, .min = 0.001, .max = 0.9, .help = "that share of each user's, by chance"},
    {0, "metric", "NAME", REC_OPT_TEXT, &metric, .help = "by which; ndcg@10 unless given, rmse where ratings are predicted"},
    {0, "relevant", "CONDITION", REC_OPT_TEXT, &relevant, .help = "what of them counts as relevant, such as 'rating>=4'; all unless given"},
    {0, "positive", "CONDITION", REC_OPT_TEXT, &positive, .help = "of implicit models: learn from the ratings that meet it, as rec-train does"},
    {0, "features", "FILE", REC_OPT_FILE, &features, .help = "of models that learn from features of users and items"},
    {0, "passes", "N", REC_OPT_INT, &passes, .max = 10000, .help = "at most so many in a trial; 0: twice the model's default"},
    {0, "validate-every", "N", REC_OPT_INT, &every, .max = 10000, .help = "measure after every Nth pass, beside rungs; 0: some 16 times"},
    {0, "patience", "N", REC_OPT_INT, &patience, .max = 10000, .help = "end a trial when N measured passes were no better; 0: never"},
    {0, "eta", "X", REC_OPT_REAL, &eta, .min = 1, .max = 100, .help = "at each rung the best 1 of X trials go on; 1: all do"},
    {0, "first-rung", "N", REC_OPT_INT, &first, .min = 1, .max = 10000, .help = "no rung below so many passes"},
    {0, "csv", "FILE", REC_OPT_FILE, &csv, .help = "every trial, a line each; a search that was interrupted goes on from it"},
    {'f', "format", "FORMAT", REC_OPT_CHOICE, &format, .choices = "yaml|json", .help = "form of the output"},
    {0, "trial-threads", "N", REC_OPT_INT, &trial_threads, .min = 1, .max = 1024, .help = "threads of each trial"},
    TOOL_SEED(&seed),
    TOOL_THREADS(&threads),
    TOOL_OUTPUT(&output),
    {0},
};

static const struct tool_about about = {
    .name = "rec-tune",
    .synopsis = "[options] [RATINGS]",
    .summary = "look for the best parameters of a model",
    .opts = opts,
    .max_operands = 1,
    .more = "The output is settings for rec-train --config. Models, their parameters and ranges: rec-train --list.",
};

struct work {
    struct tool *tool;
    const struct rec_model_type *type;
    struct rec_space space;
    struct rec_filter positive, relevant;
    struct rec_ratings all, train, liked, held_out;  /* `train` and `held_out` may be parts of `all`; `liked` is what is learnt from */
    struct rec_features features;
    struct rec_trials trials;
    size_t rung[REC_RUNGS_MAX], told, had;
    double best;                                     /* NAN: none yet */
    struct rec_search search;
};

void tool_version_details(struct rec_buf *out)
{
    rec_buf_addf(out, "kernels: %s\nBLAS: %s\n", rec_kernels_name(), rec_dense_blas());
}

/* Models that are made of ratings alone. */
static void list_models(void)
{
    size_t len = 0;

    for (size_t m = 0; rec_models[m] && len < sizeof model_choices; m++)
        if (!rec_models[m]->combines)
            len += (size_t)snprintf(model_choices + len, sizeof model_choices - len, "%s%s", len ? "|" : "", rec_models[m]->name);
}

/* ---- the space: the model's own, the file's or that of rec.yaml, and that of --search ---- */

/* Settings PREFIX.NAME or PREFIX.NAME.0, .1, ...: the values of a list are joined. */
static int take_settings(struct rec_space *space, const struct rec_yaml *yaml, const char *prefix, const char *file, struct rec_err *err)
{
    struct rec_buf text = {0};
    size_t skip = strlen(prefix);
    int rc = 0;

    for (size_t i = 0; i < yaml->n && rc == 0; i++) {
        const char *path = yaml->setting[i].path + skip;
        char name[64];
        size_t len = strcspn(yaml->setting[i].path + (strncmp(yaml->setting[i].path, prefix, skip) ? 0 : skip), ".");
        if (strncmp(yaml->setting[i].path, prefix, skip) != 0 || len >= sizeof name)
            continue;
        memcpy(name, path, len);
        name[len] = 0;
        rec_buf_reset(&text);
        rec_buf_adds(&text, yaml->setting[i].value);
        while (path[len] == '.' && i + 1 < yaml->n && !strncmp(yaml->setting[i + 1].path, yaml->setting[i].path, skip + len + 1))
            rec_buf_addf(&text, "|%s", yaml->setting[++i].value);
        rc = text.failed ? rec_err_memory(err, "search space") : rec_space_set(space, name, text.data, err);
        if (rc < 0) {
            char where[300];
            snprintf(where, sizeof where, "%.200s:%d", file, yaml->setting[i].line);
            rec_err_prefix(err, where);
        }
    }
    rec_buf_clear(&text);
    return rc;
}

static int read_space(struct work *w, struct rec_err *err)
{
    struct rec_yaml yaml = {0};
    char number[REC_NUM_MAX + 1];
    int rc;

    rec_space_defaults(&w->space, w->type);
    rc = take_settings(&w->space, &w->tool->yaml, "tune.search.", "rec.yaml", err);
    if (rc == 0 && space_file)
        rc = rec_yaml_read(&yaml, space_file, err) < 0 ? -1 : take_settings(&w->space, &yaml, "", space_file, err);
    rec_yaml_clear(&yaml);
    if (rc == 0 && search && rec_space_parse(&w->space, search, err) < 0)
        rc = rec_err_prefix(err, "--search");
    if (rc < 0)
        return -1;
    for (size_t d = 0; d < w->space.n; d++)
        if (!strcmp(w->space.dim[d].param->name, "passes")) {
            if (w->space.dim[d].value[0] != w->space.dim[d].param->def || w->space.dim[d].n != 1)
                return rec_err_set(err, "passes: not a parameter to search for: each trial finds out; --passes is the most it makes");
            passes = passes ? passes : (int64_t)(2 * w->space.dim[d].param->def);
            number[rec_num_print_int64(number, passes)] = 0;
            w->search.passes = (size_t)passes;
            rc = rec_space_set(&w->space, "passes", number, err);
        }
    if (rc == 0 && w->space.n_free == 0)
        return rec_err_set(err, "%s: nothing to look for; --search 'NAME=LOW..HIGH' says what", w->type->name);
    return rc;
}

/* ---- data ---- */

/* Part of the ratings, where there is no file to validate by. */
static int split(struct work *w, struct rec_err *err)
{
    struct rec_split_options o = {.method = REC_SPLIT_RANDOM, .test = share, .seed = (uint64_t)seed, .min_train = 1};
    uint8_t *part = rec_malloc(w->all.nnz, 1, "parts", err);
    int rc = -1;

    if (part && rec_split_assign(part, NULL, &w->all, &o, err) == 0 && rec_split_take(&w->train, &w->all, part, REC_SPLIT_TRAIN, err) == 0)
        rc = rec_split_take(&w->held_out, &w->all, part, REC_SPLIT_TEST, err);
    free(part);
    return rc;
}

static int read_data(struct work *w, struct rec_err *err)
{
    const char *name = tool_operand(w->tool, 0);
    const struct rec_ratings *train = validation ? &w->all : &w->train;

    if (rec_ratings_read(&w->all, name, err) < 0 || (validation ? rec_ratings_read(&w->held_out, validation, err) : split(w, err)) < 0)
        return -1;
    if (features && rec_features_file_read(&w->features, features, err) < 0)
        return -1;
    w->search.features = features ? &w->features : NULL;
    if (positive && rec_filter_ratings(&w->liked, train, &w->positive, err) < 0)
        return -1;
    w->search.ratings = positive ? &w->liked : train;
    w->search.seen = positive ? train : NULL;
    w->search.held_out = &w->held_out;
    return 0;
}

/* What all figures hang on. */
static void identify(struct rec_buf *out, const struct work *w)
{
    rec_buf_addf(out, "%s %s %s %s ", w->type->name, w->search.metric, positive ? positive : "", relevant ? relevant : "");
    rec_space_describe(out, &w->space);
    rec_buf_addf(out, " %s seed=%lld passes=%zu every=%zu patience=%zu eta=%g first=%zu ratings=%08x validation=", method, (long long)seed,
                 w->search.passes, w->search.every, w->search.patience, eta, w->search.first, w->all.digest);
    if (validation)
        rec_buf_addf(out, "%08x", w->held_out.digest);
    else
        rec_buf_addf(out, "%g", share);
    if (features)
        rec_buf_addf(out, " features=%08x", w->features.digest);
}

/* ---- what is told ---- */

static void print_params(struct rec_buf *out, const struct work *w, const double *param)
{
    for (size_t d = 0; d < w->space.n; d++)
        if (rec_space_free(&w->space.dim[d])) {
            rec_buf_addf(out, " %s=", w->space.dim[d].param->name);
            rec_space_print(out, w->space.dim[d].param, param[d]);
        }
}

static void told(void *context, const struct rec_search *s, const struct rec_trial *t, const char *why)
{
    struct work *w = context;
    struct rec_buf params = {0};
    char passes_text[48] = "", metric_text[64];

    print_params(&params, w, t->param);
    w->told++;
    if (t->passes)
        snprintf(passes_text, sizeof passes_text, ", %s%zu", t->status == REC_TRIAL_PRUNED ? "given up; pass " : "pass ", t->passes);
    bool best = !isnan(t->metric) && rec_search_best(s) && rec_search_best(s)->number == t->number;
    snprintf(metric_text, sizeof metric_text, "%s %.5f%s", s->metric, t->metric, best ? " (best)" : "");
    tool_step(w->tool, "trial %zu of %zu: %s%s, %.1f s:%s", t->number, s->trials, t->status == REC_TRIAL_FAILED ? why : metric_text, passes_text, t->seconds,
              params.data ? params.data : "");
    tool_progress(w->tool, "trials", w->had + w->told, s->trials);
    rec_buf_clear(&params);
}

/* ---- the output ---- */

static void write_yaml(struct rec_buf *out, const struct work *w, const struct rec_trial *best, const double *param)
{
    struct rec_json quoted = {.out = out, .flat = true};

    rec_buf_addf(out, "# rec-tune: %s %.6g on validation, trial %zu of %zu\nseed: %lld\ntrain:\n  model: %s\n", w->search.metric, best->metric, best->number,
                 w->trials.n, (long long)seed, w->type->name);
    if (positive) {
        rec_buf_adds(out, "  positive: ");
        rec_json_text(&quoted, NULL, positive, strlen(positive));
        rec_buf_addc(out, '\n');
    }
    for (size_t d = 0; d < w->space.n; d++) {
        rec_buf_addf(out, "  %s: ", w->space.dim[d].param->name);
        rec_space_print(out, w->space.dim[d].param, param[d]);
        rec_buf_addc(out, '\n');
    }
}

static void write_json(struct rec_buf *out, const struct work *w, const double *param)
{
    struct rec_json json = {.out = out};
    struct rec_buf text = {0};

    rec_json_object(&json, NULL);
    rec_json_int(&json, "seed", seed);
    rec_json_object(&json, "train");
    rec_json_text(&json, "model", w->type->name, strlen(w->type->name));
    if (positive)
        rec_json_text(&json, "positive", positive, strlen(positive));
    for (size_t d = 0; d < w->space.n; d++) {
        const struct rec_param *p = w->space.dim[d].param;
        if (!p->choices) {
            rec_json_real(&json, p->name, param[d]);
            continue;
        }
        rec_buf_reset(&text);
        rec_space_print(&text, p, param[d]);
        rec_json_text(&json, p->name, text.data ? text.data : "", text.len);
    }
    rec_json_end(&json);
    rec_json_end(&json);
    out->failed = out->failed || text.failed;
    rec_buf_clear(&text);
}

/* The parameters of the best trial, with as many passes as were good. */
static int write_best(struct rec_out *out, const struct work *w, struct rec_err *err)
{
    const struct rec_trial *best = rec_search_best(&w->search);
    double param[REC_PARAM_MAX];
    struct rec_buf text = {0};
    int rc;

    if (!best)
        return rec_err_set(err, w->trials.n ? "all trials failed" : "there was no trial");
    memcpy(param, best->param, sizeof param);
    for (size_t d = 0; d < w->space.n; d++)
        if (!strcmp(w->space.dim[d].param->name, "passes") && best->passes)
            param[d] = (double)best->passes;
    if (!strcmp(format, "json"))
        write_json(&text, w, param);
    else
        write_yaml(&text, w, best, param);
    rc = text.failed ? rec_err_memory(err, "output") : rec_out_write(out, text.data, text.len, err);
    rec_buf_clear(&text);
    return rc < 0 ? -1 : rec_out_commit(out, err);
}

/* ---- and all of it ---- */

static int check(struct work *w, struct tool *tool)
{
    const char *ratings = tool_operand(tool, 0);
    struct rec_eval eval = {0};
    struct rec_err err = {0};
    int status = TOOL_DONE;

    if (validation && !strcmp(validation, "-") && (!ratings || !strcmp(ratings, "-")))
        return tool_usage(tool, "the ratings and those of --validation cannot both be standard input");
    if (positive && !w->type->implicit)
        return tool_usage(tool, "--positive: %s learns from the values of all ratings", w->type->name);
    if (features && !w->type->features)
        return tool_usage(tool, "--features: %s learns nothing from them", w->type->name);
    if ((positive && rec_filter_parse(&w->positive, positive, &err) < 0 && rec_err_prefix(&err, "--positive")) ||
        (relevant && rec_filter_parse(&w->relevant, relevant, &err) < 0 && rec_err_prefix(&err, "--relevant")))
        return tool_usage(tool, "%s", err.text);
    if (!metric)
        metric = w->type->implicit ? "ndcg@10" : "rmse";
    if (rec_eval_init(&eval, metric, "10", &err) < 0)
        status = tool_usage(tool, "--metric: %s", err.text);
    else if (eval.n != 1)
        status = tool_usage(tool, "--metric: %s is more than one", metric);
    else if (eval.predictions && w->type->implicit)
        status = tool_usage(tool, "--metric: %s predicts no ratings, and cannot be measured by %s", w->type->name, metric);
    snprintf(metric_key, sizeof metric_key, "%s", eval.column[0].key);
    metric = metric_key;
    rec_eval_clear(&eval);
    return status;
}

static int run(struct work *w, struct rec_err *err)
{
    struct rec_search *s = &w->search;
    struct rec_buf identity = {0};
    struct rec_out out = {0};
    unsigned n = tool_threads(threads), each = (unsigned)trial_threads;
    int rc = -1;

    s->space = &w->space;
    s->relevant = relevant ? &w->relevant : NULL;
    s->metric = metric;
    s->seed = (uint64_t)seed;
    s->trials = (size_t)trials;
    s->seconds = limit;
    s->random = !strcmp(method, "random");
    s->startup = 10;
    s->every = every ? (size_t)every : (s->passes + 15) / 16;
    s->every = s->every ? s->every : 1;
    s->patience = (size_t)patience;
    s->eta = eta;
    s->first = (size_t)first;
    s->workers = n / each ? n / each : 1;
    s->threads = each;
    s->n_rungs = s->passes ? rec_rungs_make(w->rung, s->passes, eta, s->first) : 0;
    s->rung = w->rung;
    s->trials_made = &w->trials;
    s->told = told;
    s->context = w;
    if (rec_out_open(&out, output, false, err) < 0 || read_data(w, err) < 0)
        goto done;
    identify(&identity, w);
    if (identity.failed ||
        rec_trials_open(&w->trials, csv, metric, &w->space, w->rung, s->n_rungs, identity.data, err) < 0)
        goto done;
    w->had = w->trials.n;
    if (w->had)
        tool_note(w->tool, "%s: %zu trials are there already", csv, w->had);
    if (rec_search_run(s, err) == 0)
        rc = write_best(&out, w, err);
    w->tool->rows = w->told;
done:
    rec_out_abort(&out);
    rec_buf_clear(&identity);
    return rc;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};
    struct work w = {.tool = &tool, .trials.fd = -1};
    int status;

    list_models();
    tool_start(&tool, &about, argc, argv);
    tool.rows_name = "trials";
    w.type = rec_models_find(model_name);
    status = check(&w, &tool);
    if (status)
        return status;
    if (read_space(&w, &err) < 0)
        return tool_usage(&tool, "%s", err.text);
    status = run(&w, &err) < 0 ? tool_fail(&tool, &err) : tool_finish(&tool, TOOL_DONE);
    rec_trials_clear(&w.trials);
    rec_features_clear(&w.features);
    rec_ratings_clear(&w.liked);
    rec_ratings_clear(&w.train);
    rec_ratings_clear(&w.held_out);
    rec_ratings_clear(&w.all);
    return status;
}
