/* SPDX-License-Identifier: MIT
 *
 * rec-train: ratings -> model; and with an earlier model: where training begins (--warm), or whose items stay (--refresh).
 *
 * Its options are those below and, from the table of models, every parameter of every model. One that is given must be one of the
 * chosen model's; one that is not given has the model's own default. History records the parameters of the chosen model alone.
 */
#include "rec-train.h"

#include <rec/kernels.h>
#include <rec/linalg.h>

#include <math.h>

enum { OPTIONS_MAX = 256 };

static bool list, no_history;
static const char *model_name = "ials", *positive, *warm, *refresh, *trace, *output, *weights_of, *features;
static struct rec_opt_list of, weight;
static const char *validation, *metric, *relevant, *checkpoint;
static int64_t seed = 42, threads, patience = 5, every = 1;
static double interval = 30;
static char model_choices[256];

static struct rec_opt opts[OPTIONS_MAX] = {
    {'m', "model", "NAME", REC_OPT_CHOICE, &model_name, .choices = model_choices, .flags = REC_OPT_RESULT, .help = "what to train"},
    {0, "positive", "CONDITION", REC_OPT_TEXT, &positive, .flags = REC_OPT_RESULT,
     .help = "of implicit models: learn from the ratings that meet it, as 'rating>=4', and not from all"},
    {0, "warm", "MODEL", REC_OPT_FILE, &warm, .flags = REC_OPT_NO_CONFIG, .help = "als, ials: begin with the factors of an earlier model"},
    {0, "features", "FILE", REC_OPT_FILE, &features, .help = "recommend items that nobody has rated, too, by their genres, year and title"},
    {0, "refresh", "MODEL", REC_OPT_FILE, &refresh, .flags = REC_OPT_NO_CONFIG,
     .help = "no training: this model's items, and users as the ratings have them"},
    {0, "validation", "FILE", REC_OPT_FILE, &validation, .help = "held-out ratings: measure the model on them after each pass, and write the best one"},
    {0, "metric", "NAME", REC_OPT_TEXT, &metric, .help = "by which; ndcg@10 unless given, rmse where ratings are predicted"},
    {0, "relevant", "CONDITION", REC_OPT_TEXT, &relevant, .help = "what of the held-out ratings counts as relevant, such as 'rating>=4'; all unless given"},
    {0, "patience", "N", REC_OPT_INT, &patience, .max = 1e6, .help = "end training when N measured passes were no better; 0: never"},
    {0, "validate-every", "N", REC_OPT_INT, &every, .min = 1, .max = 1e6, .help = "measure after every Nth pass, and after the last"},
    {0, "checkpoint", "FILE", REC_OPT_FILE, &checkpoint, .flags = REC_OPT_NO_CONFIG,
     .help = "keep what the training can go on from, and go on from it"},
    {0, "checkpoint-interval", "SECONDS", REC_OPT_REAL, &interval, .max = 1e9, .help = "at most so often; 0: after each pass"},
    {0, "trace", "FILE", REC_OPT_FILE, &trace, .help = "write a line for each pass, as CSV: pass,loss,seconds,rate"},
    {0, "of", "MODEL", REC_OPT_LIST, &of, .flags = REC_OPT_NO_CONFIG, .help = "hybrid, blend: a model to be part of the sum; may be repeated"},
    {0, "weight", "X", REC_OPT_LIST, &weight, .flags = REC_OPT_NO_CONFIG | REC_OPT_RESULT,
     .help = "hybrid, blend: the weight of the part in the same place; instead of fitting them"},
    {0, "weights-of", "MODEL", REC_OPT_FILE, &weights_of, .flags = REC_OPT_NO_CONFIG, .help = "hybrid, blend: take the weights of an earlier sum"},
    {0, "list", NULL, REC_OPT_FLAG, &list, .flags = REC_OPT_NO_CONFIG, .help = "print the models and their parameters"},
    TOOL_SEED(&seed),
    TOOL_THREADS(&threads),
    TOOL_OUTPUT(&output),
    TOOL_HISTORY(&no_history),
};

static const struct tool_about about = {
    .name = "rec-train",
    .synopsis = "[options] [RATINGS]\n--refresh MODEL [options] [RATINGS]\n--model hybrid|blend --of MODEL... [options] [VALIDATION]\n--list",
    .summary = "train a model",
    .opts = opts,
    .max_operands = 1,
    .more = "Models and their parameters, with ranges and defaults: rec-train --list.",
};

/* What an option of a model's parameter is kept in. */
static struct slot {
    double number;      /* NAN: not given */
    const char *text;   /* NULL: not given */
    char help[200];
    char choices[200];  /* those of all models that have it */
    char choice[32];    /* the default of the chosen model, for history */
} slots[OPTIONS_MAX];

/* ---- options from the table of models ---- */

static const struct rec_param *find_param(const struct rec_model_type *type, const char *name)
{
    for (const struct rec_param *p = type->params; p->name; p++)
        if (!strcmp(p->name, name))
            return p;
    return NULL;
}

/* "als, ials": the models that have it. */
static void models_with(char *out, size_t size, const char *name)
{
    size_t len = 0;

    out[0] = 0;
    for (size_t m = 0; rec_models[m]; m++)
        if (find_param(rec_models[m], name) && len < size)
            len += (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "", rec_models[m]->name);
}

/* Adds those of "a|b|c" that are not there yet: models may offer different ones under one name. */
static void add_choices(char *out, size_t size, const char *choices)
{
    for (size_t len; *choices; choices += len + (choices[len] == '|')) {
        const char *at = out;
        size_t used = strlen(out), n;
        len = strcspn(choices, "|");
        while ((n = strcspn(at, "|")) > 0 && (n != len || memcmp(at, choices, n) != 0))
            at += n + (at[n] == '|');
        if (n == 0)
            snprintf(out + used, size - used, "%s%.*s", used ? "|" : "", (int)len, choices);
    }
}

static void add_option(struct rec_opt *opt, struct slot *slot, const struct rec_param *p)
{
    char names[64];

    models_with(names, sizeof names, p->name);
    snprintf(slot->help, sizeof slot->help, "%s: %s", names, p->help);
    slot->number = NAN;
    *opt = (struct rec_opt){.name = p->name, .help = slot->help};
    opt->type = p->choices ? REC_OPT_CHOICE : REC_OPT_REAL;
    opt->value = p->choices ? (void *)&slot->text : (void *)&slot->number;
    opt->arg = p->choices ? "NAME" : p->integer ? "N" : "X";
    for (size_t m = 0; p->choices && rec_models[m]; m++) {
        const struct rec_param *own = find_param(rec_models[m], p->name);
        if (own && own->choices)
            add_choices(slot->choices, sizeof slot->choices, own->choices);
    }
    opt->choices = p->choices ? slot->choices : NULL;
}

static void make_options(void)
{
    size_t n = 0;

    for (size_t m = 0; rec_models[m]; m++) {
        size_t len = strlen(model_choices);
        snprintf(model_choices + len, sizeof model_choices - len, "%s%s", m ? "|" : "", rec_models[m]->name);
    }
    while (opts[n].name)
        n++;
    for (size_t m = 0; rec_models[m]; m++)
        for (const struct rec_param *p = rec_models[m]->params; p->name; p++)
            if (!rec_opt_find(opts, p->name) && n + 1 < OPTIONS_MAX) {
                add_option(&opts[n], &slots[n], p);
                n++;
            }
}

/* ---- --list ---- */

/* Choice k of "a|b|c", which has that many, and its length. */
static const char *choice(const char *choices, size_t k, size_t *len)
{
    for (; k > 0; k--)
        choices = strchr(choices, '|') + 1;
    *len = strcspn(choices, "|");
    return choices;
}

static void list_param(const struct rec_param *p)
{
    char name[80], def[REC_NUM_MAX + 1], range[80];
    size_t len;

    snprintf(name, sizeof name, "--%s %s", p->name, p->choices ? "NAME" : p->integer ? "N" : "X");
    if (p->choices) {
        const char *text = choice(p->choices, (size_t)p->def, &len);
        printf("    %-28s %s [%.*s]\n", name, p->choices, (int)len, text);
    } else {
        def[rec_num_print_double(def, p->def)] = 0;
        snprintf(range, sizeof range, "%g to %g", p->min, p->max);
        printf("    %-28s %s [%s]", name, range, def);
        if (p->lo < p->hi)
            printf(", searched %g..%g%s", p->lo, p->hi, p->log ? " log" : "");
        printf("\n");
    }
    printf("        %s\n", p->help);
}

static int print_list(struct tool *tool)
{
    struct rec_err err = {0};

    for (size_t m = 0; rec_models[m]; m++) {
        const struct rec_model_type *type = rec_models[m];
        printf("%s%s: %s\n    %s; learns from %s\n", m ? "\n" : "", type->name, type->summary, type->paper,
               type->implicit ? "which pairs there are" : "the values of ratings");
        for (const struct rec_param *p = type->params; p->name; p++)
            list_param(p);
    }
    if (fflush(stdout) == EOF || fclose(stdout) == EOF) {
        rec_err_errno(&err, "standard output");
        return tool_fail(tool, &err);
    }
    return TOOL_DONE;
}

/* ---- parameters ---- */

/* The place of `text` in the choices, or -1. */
static int find_choice(const char *choices, const char *text)
{
    size_t n = strlen(text);

    for (int k = 0;; k++, choices++) {
        size_t len = strcspn(choices, "|");
        if (len == n && !strncmp(choices, text, n))
            return k;
        choices += len;
        if (!*choices)
            return -1;
    }
}

static int set_choice(double *out, struct tool *tool, struct rec_opt *opt, const struct rec_param *p)
{
    const char **text = opt->value;
    struct slot *slot = &slots[opt - tool->opts];
    size_t len;

    if (!*text) {
        const char *def = choice(p->choices, (size_t)p->def, &len);
        snprintf(slot->choice, sizeof slot->choice, "%.*s", (int)len, def);
        *text = slot->choice;
    }
    *out = find_choice(p->choices, *text);
    return *out < 0 ? tool_usage(tool, "--%s: %s is not one of %s", p->name, *text, p->choices) : 0;
}

/* The value of one parameter: what was given, checked against this model's own range, or its default. */
static int set_param(double *out, struct tool *tool, struct rec_opt *opt, const struct rec_param *p)
{
    if (p->choices)
        return set_choice(out, tool, opt, p);
    double *number = opt->value;
    if (isnan(*number))
        *number = p->def;
    if (*number < p->min || *number > p->max)
        return tool_usage(tool, "--%s: %g is out of range; %g to %g", p->name, *number, p->min, p->max);
    if (p->integer && *number != floor(*number))
        return tool_usage(tool, "--%s: %g is not a whole number", p->name, *number);
    *out = *number;
    return 0;
}

/* Fills param, marks the model's own options for history, and refuses those of other models. */
static int read_params(double *param, struct tool *tool, const struct rec_model_type *type)
{
    char names[64];

    for (size_t m = 0; rec_models[m]; m++)
        for (const struct rec_param *p = rec_models[m]->params; p->name; p++) {
            struct rec_opt *opt = rec_opt_find(tool->opts, p->name);
            models_with(names, sizeof names, p->name);
            if (!find_param(type, p->name) && opt->origin == REC_ORIGIN_FLAG)
                return tool_usage(tool, "--%s: %s has no such parameter; it is one of %s", p->name, type->name, names);
        }
    for (size_t i = 0; type->params[i].name; i++) {
        struct rec_opt *opt = rec_opt_find(tool->opts, type->params[i].name);
        int status = set_param(&param[i], tool, opt, &type->params[i]);
        if (status)
            return status;
        opt->flags |= REC_OPT_RESULT;
    }
    return 0;
}

/* ---- training ---- */

/* What a model is made from: ratings, and perhaps an earlier model. */
struct work {
    struct tool *tool;
    const struct rec_model_type *type;
    const double *param;
    const struct rec_filter *filter;     /* NULL: all ratings count */
    struct rec_ratings ratings, kept;
    struct rec_model earlier, model, cold;   /* cold: the model, with items that nobody has rated */
    struct rec_features features;
    struct watch watch;
};

/* The earlier model's digest is an input too; what it was made of is told by its own history. */
static void add_history(struct rec_buf *out, const struct work *w)
{
    tool_history(w->tool, out, refresh ? w->earlier.history : w->ratings.history, &w->ratings.digest, 1);
    if (features && out->len > 0) {
        out->len--;
        rec_buf_addf(out, " features=crc32c:%08x\n", w->features.digest);
    }
    if ((refresh || warm) && out->len > 0) {
        out->len--; /* the newline */
        rec_buf_addf(out, " %s=crc32c:%08x\n", refresh ? "refresh" : "warm", w->earlier.digest);
    }
    watch_history(out, &w->watch);
}

/* The trace is in place before the model is. */
static int write_model(struct work *w, struct rec_err *err)
{
    struct rec_buf history = {0};
    struct rec_out out = {0}, csv = {0};
    int rc = -1;

    if (rec_out_open(&out, output, true, err) < 0 || (trace && (rec_out_open(&csv, trace, false, err) < 0 || watch_write_trace(&csv, &w->watch, err) < 0)))
        goto done;
    if (!no_history)
        add_history(&history, w);
    if (history.failed) {
        rec_err_memory(err, "history");
        goto done;
    }
    if (rec_model_write(w->cold.n_items ? &w->cold : &w->model, history.data, &out, err) == 0 && (!trace || rec_out_commit(&csv, err) == 0))
        rc = rec_out_commit(&out, err);
done:
    rec_out_abort(&out);
    rec_out_abort(&csv);
    rec_buf_clear(&history);
    return rc;
}

/* What tells this training from others: by which a checkpoint knows its own. */
static void identify(struct work *w)
{
    struct rec_buf text = {0};
    char digest[32], number[REC_NUM_MAX + 1];

    watch_same(&w->watch, "version", tool_version());
    watch_same(&w->watch, "model", w->type->name);
    for (size_t i = 0; w->type->params[i].name; i++) {
        number[rec_num_print_double(number, w->param[i])] = 0;
        rec_buf_addf(&text, "%s%s=%s", i ? " " : "", w->type->params[i].name, number);
    }
    watch_same(&w->watch, "parameters", text.data ? text.data : "");
    rec_buf_clear(&text);
    number[rec_num_print_int64(number, seed)] = 0;
    watch_same(&w->watch, "seed", number);
    snprintf(digest, sizeof digest, "crc32c:%08x", w->ratings.digest);
    watch_same(&w->watch, "ratings", digest);
    snprintf(digest, sizeof digest, "crc32c:%08x", w->features.digest);
    watch_same(&w->watch, "features", features ? digest : "none");
    watch_same(&w->watch, "positive", positive ? positive : "none");
    snprintf(digest, sizeof digest, "crc32c:%08x", w->earlier.digest);
    watch_same(&w->watch, "warm", warm ? digest : "none");
}

/* Trains on what --positive keeps; recommendations still leave out all that the user has rated. */
static int train(struct work *w, struct rec_err *err)
{
    struct rec_train_job job = {.ratings = w->filter ? &w->kept : &w->ratings, .param = w->param, .seed = (uint64_t)seed,
                                .threads = tool_threads(threads), .warm = warm ? &w->earlier : NULL, .features = features ? &w->features : NULL};

    if (rec_ratings_read(&w->ratings, tool_operand(w->tool, 0), err) < 0 || (warm && rec_model_read(&w->earlier, warm, err) < 0) ||
        (features && rec_features_file_read(&w->features, features, err) < 0) || (w->filter && rec_filter_ratings(&w->kept, &w->ratings, w->filter, err) < 0))
        return -1;
    identify(w);
    if (watch_begin(&w->watch, &job, &w->ratings, err) < 0 || w->type->train(&w->model, &job, err) < 0)
        return -1;
    return watch_end(&w->watch, &w->model, err);
}

/* Ratings of items that the model does not know wait for the next training. */
static int renew_users(struct work *w, struct rec_err *err)
{
    struct rec_ratings all = {0}, *r = &w->ratings;
    size_t dropped;
    int rc = -1;

    if (rec_model_read(&w->earlier, refresh, err) < 0 || rec_ratings_read(&all, tool_operand(w->tool, 0), err) < 0 ||
        rec_csr_join(r, &all, &all.users, &w->earlier.items, &dropped, err) < 0)
        goto done;
    /* The joined rows borrow the users' ids of `all`: both live as long as the model. */
    r->file = all.file;
    for (size_t i = 0; i < REC_LENGTH(all.owned); i++)
        free(all.owned[i]);
    free(all.history);
    memset(&all, 0, sizeof all);
    if (w->filter && w->earlier.ratings_scale) {
        rec_err_set(err, "%s: --positive: %s learns from the values of all ratings", refresh, w->earlier.type);
        goto done;
    }
    if (dropped)
        tool_note(w->tool, "%zu ratings of items that %s does not know are left out", dropped, refresh);
    if (w->filter && rec_filter_ratings(&w->kept, r, w->filter, err) < 0)
        goto done;
    w->tool->rows = r->nnz;
    rc = rec_refresh_users(&w->model, &w->earlier, w->filter ? &w->kept : r, tool_threads(threads), err);
done:
    rec_ratings_clear(&all);
    return rc;
}

/* Items that nobody has rated join the model; one that learns from features by itself has them already. */
static int add_cold(struct work *w, struct rec_err *err)
{
    size_t n;

    if (!features || w->type->features)
        return 0;
    if (rec_cold_items(&w->cold, &w->model, w->filter ? &w->kept : &w->ratings, &w->features, &n, err) < 0)
        return -1;
    tool_note(w->tool, "%zu items without ratings are recommended by their features", n);
    return 0;
}

static int work(struct work *w, struct rec_err *err)
{
    int rc = -1;

    if ((refresh ? renew_users(w, err) : train(w, err)) == 0) {
        w->model.seen_ptr = w->ratings.user_ptr;
        w->model.seen_item = w->ratings.item;
        if (w->filter) {
            w->model.liked_ptr = w->kept.user_ptr;
            w->model.liked_item = w->kept.item;
        }
        if (add_cold(w, err) == 0)
            rc = write_model(w, err);
        if (rc == 0)
            watch_done(&w->watch);
    }
    rec_model_clear(&w->cold);
    rec_model_clear(&w->model);
    rec_features_clear(&w->features);
    rec_model_clear(&w->earlier);
    rec_ratings_clear(&w->kept);
    rec_ratings_clear(&w->ratings);
    watch_clear(&w->watch);
    return rc;
}

void tool_version_details(struct rec_buf *out)
{
    rec_buf_addf(out, "kernels: %s\nBLAS: %s\n", rec_kernels_name(), rec_dense_blas());
}

static const char *const of_training[] = {"model", "warm", "features", "validation", "metric", "relevant", "patience", "validate-every",
                                          "checkpoint", "checkpoint-interval", "trace"};

/* The model that is refreshed brings its parameters; those of the training that comes next, in rec.yaml, do no harm. */
static int check_refresh(struct tool *tool)
{
    for (const struct rec_opt *opt = tool->opts; opt->name; opt++) {
        const void *slot = opt->value;
        bool parameter = (const char *)slot >= (const char *)slots && (const char *)slot < (const char *)(slots + OPTIONS_MAX);
        bool own = parameter;
        for (size_t i = 0; i < REC_LENGTH(of_training); i++)
            own = own || !strcmp(opt->name, of_training[i]);
        if (opt->origin == REC_ORIGIN_FLAG && own)
            return tool_usage(tool, "--%s: --refresh trains nothing: the model stays what it is", opt->name);
        if (parameter || opt->value == &model_name || opt->value == &seed)
            rec_opt_find(tool->opts, opt->name)->flags &= ~(unsigned)REC_OPT_RESULT;
    }
    trace = features = NULL;
    return TOOL_DONE;
}

/* By which metric and after how many passes a training ends changes the result where there is something to measure by. */
static int check_watch(struct watch *w, struct tool *tool, const struct rec_model_type *type)
{
    static const char *const of_validation[] = {"metric", "relevant", "patience", "validate-every"};

    *w = (struct watch){.tool = tool, .validation = validation, .metric = metric, .relevant = relevant, .patience = patience, .every = every,
                        .checkpoint = checkpoint, .interval = interval, .threads = tool_threads(threads)};
    for (size_t i = 0; i < REC_LENGTH(of_validation); i++) {
        struct rec_opt *opt = rec_opt_find(tool->opts, of_validation[i]);
        if (validation)
            opt->flags |= REC_OPT_RESULT;
        else if (opt->origin == REC_ORIGIN_FLAG)
            return tool_usage(tool, "--%s: needs --validation", opt->name);
    }
    int status = watch_check(w, type);
    metric = w->metric;
    return status;
}

static int check_train(double *param, struct watch *watch, struct tool *tool, const struct rec_model_type *type)
{
    int status = read_params(param, tool, type);

    if (status)
        return status;
    if (!type->combines && (of.n > 0 || weight.n > 0 || weights_of))
        return tool_usage(tool, "--of, --weight and --weights-of are for sums of models: --model hybrid or blend");
    if (positive && !type->implicit)
        return tool_usage(tool, "--positive: %s learns from the values of all ratings", type->name);
    if (warm && !type->warms)
        return tool_usage(tool, "--warm: %s has nothing that a training could begin with", type->name);
    return check_watch(watch, tool, type);
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};
    struct rec_filter filter;
    double param[REC_PARAM_MAX];
    struct work w = {.tool = &tool, .param = param};
    int status;

    make_options();
    tool_start(&tool, &about, argc, argv);
    if (list)
        return tool_finish(&tool, print_list(&tool));
    w.type = rec_models_find(model_name);
    status = refresh ? check_refresh(&tool) : check_train(param, &w.watch, &tool, w.type);
    if (status) {
        watch_clear(&w.watch);
        return status;
    }
    if (positive && rec_filter_parse(&filter, positive, &err) < 0)
        return tool_usage(&tool, "--positive: %s", err.text);
    w.filter = positive ? &filter : NULL;
    tool.rows_name = refresh ? "ratings" : "ratings in all passes";
    if (!refresh && w.type->combines) {
        struct combine sum = {.type = w.type, .param = param, .of = &of, .weight = &weight, .like = weights_of, .output = output,
                              .threads = tool_threads(threads), .no_history = no_history};
        status = combine_check(&tool, &sum);
        if (status)
            return status;
        return combine_run(&tool, &sum, &err) < 0 ? tool_fail(&tool, &err) : tool_finish(&tool, TOOL_DONE);
    }
    if (work(&w, &err) < 0)
        return tool_fail(&tool, &err);
    return tool_finish(&tool, TOOL_DONE);
}
