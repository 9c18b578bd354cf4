/* SPDX-License-Identifier: MIT
 *
 * rec-train --model hybrid|blend: models and validation ratings -> their weighted sum, which is a model.
 */
#include "rec-train.h"

#include <math.h>

struct work {
    struct tool *tool;
    const struct combine *c;
    struct rec_model part[REC_OPT_LIST_MAX], like, sum;
    const struct rec_model *of[REC_OPT_LIST_MAX];
    double weight[REC_OPT_LIST_MAX];
    struct rec_ratings held;
};

int combine_check(struct tool *tool, const struct combine *c)
{
    double value;

    for (const char *const *name = (const char *const[]){"positive", "warm", "features", "validation", "metric", "checkpoint", "trace", NULL}; *name; name++)
        if (rec_opt_find(tool->opts, *name)->origin == REC_ORIGIN_FLAG)
            return tool_usage(tool, "--%s: %s is a sum of models that are there already", *name, c->type->name);
    if (c->of->n == 0)
        return tool_usage(tool, "--model %s: name the models that it is made of, each by --of", c->type->name);
    if (c->weight->n > 0 && c->like)
        return tool_usage(tool, "--weight and --weights-of exclude each other");
    if (c->weight->n > 0 && c->weight->n != c->of->n)
        return tool_usage(tool, "--weight: %zu given, for %zu models", c->weight->n, c->of->n);
    if ((c->weight->n > 0 || c->like) && tool_operand(tool, 0))
        return tool_usage(tool, "%s: weights are given: no ratings are read", tool_operand(tool, 0));
    for (size_t m = 0; m < c->weight->n; m++)
        if (rec_num_double(&value, c->weight->text[m], strlen(c->weight->text[m])) < 0 || !(value >= 0))
            return tool_usage(tool, "--weight: %s is not a number from 0", c->weight->text[m]);
    return TOOL_DONE;
}

static int read_all(struct work *w, struct rec_err *err)
{
    const struct combine *c = w->c;
    size_t n;

    for (size_t m = 0; m < c->of->n; m++) {
        if (rec_model_read(&w->part[m], c->of->text[m], err) < 0)
            return -1;
        w->of[m] = &w->part[m];
        if (c->weight->n > 0 && rec_num_double(&w->weight[m], c->weight->text[m], strlen(c->weight->text[m])) < 0)
            return rec_err_set(err, "--weight: %s is not a number", c->weight->text[m]);
    }
    if (c->like) {
        if (rec_model_read(&w->like, c->like, err) < 0 || rec_models_weights(w->weight, &n, REC_OPT_LIST_MAX, &w->like, err) < 0)
            return -1;
        return n == c->of->n ? 0 : rec_err_set(err, "%s: it has weights of %zu models, not of %zu", c->like, n, c->of->n);
    }
    return c->weight->n > 0 ? 0 : rec_ratings_read(&w->held, tool_operand(w->tool, 0), err);
}

static int progress(void *context, const struct rec_progress *p, struct rec_err *err)
{
    const struct work *w = context;

    (void)err;
    tool_step(w->tool, "%s %zu of %zu: loss %.6g", p->what, p->step, p->steps, p->loss);
    return 0;
}

/* The lines of all parts' histories, each once, then ours. */
static void add_history(struct rec_buf *out, const struct work *w)
{
    struct rec_buf before = {0};
    uint32_t digest[REC_OPT_LIST_MAX + 1];
    size_t n = 0;

    for (size_t m = 0; m < w->c->of->n; m++) {
        digest[n++] = w->part[m].digest;
        for (const char *line = w->part[m].history; *line;) {
            size_t len = strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n');
            if (!before.len || !memmem(before.data, before.len, line, len))
                rec_buf_add(&before, line, len);
            line += len;
        }
    }
    if (w->held.n_users)
        digest[n++] = w->held.digest;
    if (w->c->like)
        digest[n++] = w->like.digest;
    tool_history(w->tool, out, before.failed ? NULL : before.data, digest, n);
    out->failed |= before.failed;
    rec_buf_clear(&before);
}

static int write_sum(struct work *w, struct rec_err *err)
{
    struct rec_buf history = {0};
    struct rec_out out = {0};
    int rc = -1;

    if (!w->c->no_history)
        add_history(&history, w);
    if (history.failed)
        rec_err_memory(err, "history");
    else if (rec_out_open(&out, w->c->output, true, err) == 0 && rec_model_write(&w->sum, history.data, &out, err) == 0)
        rc = rec_out_commit(&out, err);
    rec_out_abort(&out);
    rec_buf_clear(&history);
    return rc;
}

static int tell_weights(const struct work *w, struct rec_err *err)
{
    double weight[REC_OPT_LIST_MAX];
    size_t n;

    if (rec_models_weights(weight, &n, REC_OPT_LIST_MAX, &w->sum, err) < 0)
        return -1;
    for (size_t m = 0; m < n; m++)
        tool_note(w->tool, "weight %.6g: %s (%s)", weight[m], w->c->of->text[m], w->part[m].type);
    return 0;
}

int combine_run(struct tool *tool, const struct combine *c, struct rec_err *err)
{
    struct work *w = rec_calloc(1, sizeof *w, "models", err);
    int rc = -1;

    if (!w)
        return -1;
    w->tool = tool;
    w->c = c;
    struct rec_train_job job = {.ratings = &w->held, .param = c->param, .threads = c->threads, .of = w->of, .n_of = c->of->n,
                                .weight = c->weight->n > 0 || c->like ? w->weight : NULL, .progress = progress, .context = w};
    if (read_all(w, err) == 0 && c->type->train(&w->sum, &job, err) == 0 && tell_weights(w, err) == 0)
        rc = write_sum(w, err);
    rec_model_clear(&w->sum);
    rec_model_clear(&w->like);
    for (size_t m = 0; m < c->of->n; m++)
        rec_model_clear(&w->part[m]);
    rec_ratings_clear(&w->held);
    free(w);
    return rc;
}
