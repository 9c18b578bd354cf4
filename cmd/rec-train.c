/* SPDX-License-Identifier: MIT
 *
 * rec-train: ratings -> model.
 *
 * Its options are those below and, from the table of models, every parameter of every model. One that is given must be one of the
 * chosen model's; one that is not given has the model's own default. History records the parameters of the chosen model alone.
 */
#include "tool.h"

#include <rec/kernels.h>
#include <rec/linalg.h>
#include <rec/models.h>

#include <math.h>

enum { OPTIONS_MAX = 96 };

static bool list, no_history;
static const char *model_name = "ials", *positive, *output;
static int64_t seed = 42, threads;
static char model_choices[256];

static struct rec_opt opts[OPTIONS_MAX] = {
    {'m', "model", "NAME", REC_OPT_CHOICE, &model_name, .choices = model_choices, .flags = REC_OPT_RESULT, .help = "what to train"},
    {0, "positive", "CONDITION", REC_OPT_TEXT, &positive, .flags = REC_OPT_RESULT,
     .help = "of implicit models: learn from the ratings that meet it, as 'rating>=4', and not from all"},
    {0, "list", NULL, REC_OPT_FLAG, &list, .flags = REC_OPT_NO_CONFIG, .help = "print the models and their parameters"},
    TOOL_SEED(&seed),
    TOOL_THREADS(&threads),
    TOOL_OUTPUT(&output),
    TOOL_HISTORY(&no_history),
};

static const struct tool_about about = {
    .name = "rec-train",
    .synopsis = "[options] [RATINGS]\n--list",
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
    opt->choices = p->choices;
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
        printf("    %-28s %s [%s]\n", name, range, def);
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

struct watch {
    struct tool *tool;
    double last;
    size_t nnz;
};

static void progress(void *context, const struct rec_progress *p)
{
    struct watch *watch = context;
    double now = tool_now();

    if (isnan(p->loss))
        tool_step(watch->tool, "%s %zu of %zu, %.2f s", p->what, p->step, p->steps, now - watch->last);
    else
        tool_step(watch->tool, "%s %zu of %zu: loss %.6g, %.2f s", p->what, p->step, p->steps, p->loss, now - watch->last);
    tool_progress(watch->tool, p->what, p->step, p->steps);
    watch->last = now;
    watch->tool->rows += watch->nnz;
}

static int write_model(struct tool *tool, struct rec_model *model, const struct rec_ratings *r, struct rec_err *err)
{
    struct rec_buf history = {0};
    struct rec_out out = {0};
    int rc = -1;

    if (rec_out_open(&out, output, true, err) < 0)
        goto done;
    if (!no_history)
        tool_history(tool, &history, r->history, &r->digest, 1);
    if (history.failed) {
        rec_err_memory(err, "history");
        goto done;
    }
    if (rec_model_write(model, history.data, &out, err) == 0)
        rc = rec_out_commit(&out, err);
done:
    rec_out_abort(&out);
    rec_buf_clear(&history);
    return rc;
}

/* Trains on what --positive keeps; recommendations still leave out all that the user has rated. */
static int work(struct tool *tool, const struct rec_model_type *type, const double *param, const struct rec_filter *filter,
                struct rec_err *err)
{
    struct rec_ratings ratings = {0}, kept = {0};
    struct rec_model model = {0};
    struct watch watch = {.tool = tool};
    int rc = -1;

    if (rec_ratings_read(&ratings, tool_operand(tool, 0), err) < 0)
        goto done;
    if (filter && rec_filter_ratings(&kept, &ratings, filter, err) < 0)
        goto done;
    struct rec_train_job job = {.ratings = filter ? &kept : &ratings, .param = param, .seed = (uint64_t)seed,
                                .threads = tool_threads(threads), .progress = progress, .context = &watch};
    watch.nnz = job.ratings->nnz;
    watch.last = tool_now();
    if (type->train(&model, &job, err) < 0)
        goto done;
    model.seen_ptr = ratings.user_ptr;
    model.seen_item = ratings.item;
    rc = write_model(tool, &model, &ratings, err);
done:
    rec_model_clear(&model);
    rec_ratings_clear(&kept);
    rec_ratings_clear(&ratings);
    return rc;
}

void tool_version_details(struct rec_buf *out)
{
    rec_buf_addf(out, "kernels: %s\nBLAS: %s\n", rec_kernels_name(), rec_dense_blas());
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};
    struct rec_filter filter;
    double param[REC_PARAM_MAX];
    int status;

    make_options();
    tool_start(&tool, &about, argc, argv);
    if (list)
        return tool_finish(&tool, print_list(&tool));
    const struct rec_model_type *type = rec_models_find(model_name);
    status = read_params(param, &tool, type);
    if (status)
        return status;
    if (positive && !type->implicit)
        return tool_usage(&tool, "--positive: %s learns from the values of all ratings", type->name);
    if (positive && rec_filter_parse(&filter, positive, &err) < 0)
        return tool_usage(&tool, "--positive: %s", err.text);
    tool.rows_name = "ratings in all passes";
    if (work(&tool, type, param, positive ? &filter : NULL, &err) < 0)
        return tool_fail(&tool, &err);
    return tool_finish(&tool, TOOL_DONE);
}
