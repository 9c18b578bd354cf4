/* SPDX-License-Identifier: MIT
 *
 * What happens between passes: a line on standard error and one in the trace, the metric on held-out ratings, the end of a training that gets
 * no better, checkpoints.
 */
#include "rec-train.h"

#include <math.h>
#include <unistd.h>

/* ---- before training ---- */

int watch_check(struct watch *w, const struct rec_model_type *type)
{
    const char *ratings = tool_operand(w->tool, 0);
    struct rec_err err;

    if (!w->validation)
        return TOOL_DONE;
    if (!strcmp(w->validation, "-") && (!ratings || !strcmp(ratings, "-")))
        return tool_usage(w->tool, "the ratings and those of --validation cannot both be standard input");
    if (!w->metric)
        w->metric = type->implicit ? "ndcg@10" : "rmse";
    if (rec_eval_init(&w->validate.eval, w->metric, "10", &err) < 0)
        return tool_usage(w->tool, "--metric: %s", err.text);
    if (w->validate.eval.n != 1)
        return tool_usage(w->tool, "--metric: %s is more than one", w->metric);
    if (w->validate.eval.predictions && type->implicit)
        return tool_usage(w->tool, "--metric: %s predicts no ratings, and cannot be measured by %s", type->name, w->metric);
    if (w->relevant && rec_filter_parse(&w->filter, w->relevant, &err) < 0)
        return tool_usage(w->tool, "--relevant: %s", err.text);
    w->validate.relevant = w->relevant ? &w->filter : NULL;
    w->metric = w->validate.eval.column[0].key;
    w->greater = w->validate.eval.column[0].measure->greater_is_better;
    return TOOL_DONE;
}

void watch_same(struct watch *w, const char *key, const char *value)
{
    if (w->n_same < REC_LENGTH(w->same)) {
        w->same[w->n_same++] = (struct rec_meta){key, (const char *)(uintptr_t)w->words.len}; /* an offset, until all are there */
        rec_buf_add(&w->words, value, strlen(value) + 1);
    }
}

static int read_validation(struct watch *w, struct rec_err *err)
{
    char digest[32], how[200];

    if (rec_ratings_read(&w->held_out, w->validation, err) < 0 ||
        rec_validate_begin(&w->validate, &w->held_out, &w->learnt->users, &w->learnt->items, err) < 0)
        return -1;
    w->validate.threads = w->threads;
    snprintf(digest, sizeof digest, "crc32c:%08x", w->held_out.digest);
    watch_same(w, "validation", digest);
    snprintf(how, sizeof how, "%s %.60s every=%lld patience=%lld", w->metric, w->relevant ? w->relevant : "all", (long long)w->every,
             (long long)w->patience);
    watch_same(w, "metric", how);
    return 0;
}

/* The number that a checkpoint has noted under the key. */
static int read_note(double *out, const struct rec_checkpoint *c, const char *key, struct rec_err *err)
{
    const char *text = rec_checkpoint_note(c, key);

    if (text && rec_num_double(out, text, strlen(text)) == 0)
        return 0;
    return rec_err_set(err, "%s: header: metadata %s is missing, or no number", c->file.name, key);
}

/* What the watch had come to: the trace, the best model and how long there was none better. */
static int restore(struct watch *w, struct rec_err *err)
{
    struct rec_checkpoint *c = &w->resumed;
    double pass = 0, waited = 0, evaluated = 0;
    size_t own = c->n_parts;

    while (own > 0 && (!strncmp(c->part[own - 1].name, "best.", 5) || !strcmp(c->part[own - 1].name, "trace")))
        own--;
    for (size_t i = own; i < c->n_parts; i++)
        if (!strcmp(c->part[i].name, "trace"))
            rec_buf_add(&w->trace, c->part[i].data, c->part[i].size);
    if (w->validation && (read_note(&pass, c, "best_pass", err) < 0 || read_note(&w->best.value, c, "best_value", err) < 0 ||
                          read_note(&waited, c, "waited", err) < 0 || read_note(&evaluated, c, "evaluated", err) < 0 ||
                          rec_best_restore(&w->best, c->part + own, c->n_parts - own, err) < 0))
        return -1;
    w->best.pass = (size_t)pass;
    w->waited = (size_t)waited;
    w->evaluated = (size_t)evaluated;
    w->step = c->step;
    w->saved = (struct rec_train_saved){c->step, c->part, own};
    tool_note(w->tool, "%s: goes on after pass %zu", w->checkpoint, c->step);
    return 0;
}

static int read_checkpoint(struct watch *w, struct rec_err *err)
{
    w->resumed = (struct rec_checkpoint){.same = w->same, .n_same = w->n_same};
    int found = rec_checkpoint_read(&w->resumed, w->checkpoint, err);
    return found <= 0 ? found : restore(w, err);
}

static bool wants_model(void *context, size_t step, size_t steps)
{
    const struct watch *w = context;

    return w->validation && (step % (size_t)w->every == 0 || step == steps);
}

static int progress(void *context, const struct rec_progress *p, struct rec_err *err);

int watch_begin(struct watch *w, struct rec_train_job *job, const struct rec_ratings *seen, struct rec_err *err)
{
    w->learnt = job->ratings;
    w->seen = seen;
    if (w->validation && read_validation(w, err) < 0)
        return -1;
    if (w->words.failed)
        return rec_err_memory(err, "checkpoint");
    for (size_t i = 0; i < w->n_same; i++)
        w->same[i].value = w->words.data + (uintptr_t)w->same[i].value;
    if (w->checkpoint && read_checkpoint(w, err) < 0)
        return -1;
    job->saved = w->saved.step ? &w->saved : NULL;
    job->progress = progress;
    job->wants_model = wants_model;
    job->context = w;
    w->last = w->last_checkpoint = tool_now();
    return 0;
}

/* ---- after a pass ---- */

/* Measures the model, and keeps it when it is the best. *figure: NAN when there was nothing to measure. */
static int measure(struct watch *w, double *figure, const struct rec_model *model, size_t step, bool last, struct rec_err *err)
{
    struct rec_model m = *model;

    m.seen_ptr = w->seen->user_ptr;
    m.seen_item = w->seen->item;
    if (rec_validate_model(&w->validate, &m, err) < 0)
        return -1;
    *figure = w->validate.figure[0];
    if (isnan(*figure))
        return rec_err_set(err, "%s: nothing in it that %s could be measured by", w->validation, w->metric);
    w->evaluated++;
    w->waited++;
    if (w->best.pass && !(w->greater ? *figure > w->best.value : *figure < w->best.value))
        return 0;
    w->waited = 0;
    w->best.pass = step;
    w->best.value = *figure;
    return last ? 0 : rec_best_keep(&w->best, model, err);
}

/* "1.25 M ratings/s". */
static void print_rate(char out[40], double rate)
{
    if (rate >= 1e6)
        snprintf(out, 40, "%.2f M ratings/s", rate / 1e6);
    else
        snprintf(out, 40, "%.0f ratings/s", rate);
}

static void print_line(struct watch *w, const struct rec_progress *p, double figure, double seconds)
{
    char loss[64] = "", metric[96] = "", rate[40];

    print_rate(rate, seconds > 0 ? (double)w->learnt->nnz / seconds : 0);
    if (!isnan(p->loss))
        snprintf(loss, sizeof loss, " loss %.6g,", p->loss);
    if (!isnan(figure))
        snprintf(metric, sizeof metric, " %s %.5f%s,", w->metric, figure, w->waited == 0 ? " (best)" : "");
    tool_step(w->tool, "%s %zu of %zu:%s%s %.2f s, %s", p->what, p->step, p->steps, loss, metric, seconds, rate);
    tool_progress(w->tool, p->what, p->step, p->steps);
}

static void add_number(struct rec_buf *out, double x, char end)
{
    char text[REC_NUM_MAX];

    if (isfinite(x))
        rec_buf_add(out, text, rec_num_print_double(text, x));
    rec_buf_addc(out, end);
}

static void add_trace(struct watch *w, size_t step, double loss, double figure, double seconds)
{
    w->row = w->trace.len;
    w->loss = loss;
    w->row_seconds = seconds;
    rec_buf_addf(&w->trace, "%zu,", step);
    add_number(&w->trace, loss, ',');
    if (w->validation)
        add_number(&w->trace, figure, ',');
    add_number(&w->trace, round(seconds * 1e6) / 1e6, ',');
    add_number(&w->trace, round((double)w->learnt->nnz / seconds), '\n');
}

static int write_checkpoint(struct watch *w, const struct rec_progress *p, struct rec_err *err)
{
    struct rec_checkpoint c = {.step = p->step, .same = w->same, .n_same = w->n_same};
    double number[] = {(double)w->best.pass, w->best.value, (double)w->waited, (double)w->evaluated};
    static const char *const key[] = {"best_pass", "best_value", "waited", "evaluated"};
    char text[REC_LENGTH(key)][REC_NUM_MAX + 1];
    struct rec_meta note[REC_LENGTH(key)];

    if (p->n_state + REC_BEST_ARRAYS + 2 > REC_CHECKPOINT_PARTS)
        return rec_err_set(err, "%s: the model has more parts than a checkpoint can hold", w->checkpoint);
    for (size_t i = 0; i < p->n_state; i++)
        c.part[c.n_parts++] = p->state[i];
    if (w->validation) {
        for (size_t i = 0; i < REC_LENGTH(key); i++) {
            text[i][rec_num_print_double(text[i], number[i])] = 0;
            note[i] = (struct rec_meta){key[i], text[i]};
        }
        c.note = note;
        c.n_note = REC_LENGTH(key);
        c.n_parts += rec_best_parts(c.part + c.n_parts, &w->best);
    }
    c.part[c.n_parts++] = (struct rec_train_part){"trace", w->trace.data ? w->trace.data : (char[]){""}, w->trace.len};
    return rec_checkpoint_write(&c, w->checkpoint, err);
}

/* Whether it is time for one. Where training ends there is none: the model is about to be written. */
static int consider_checkpoint(struct watch *w, const struct rec_progress *p, struct rec_err *err)
{
    if (!p->state) {
        if (!w->told_stateless)
            tool_note(w->tool, "--checkpoint: this model cannot be taken up again in the middle of its training; none is written");
        w->told_stateless = true;
        return 0;
    }
    if (p->step == p->steps || tool_now() - w->last_checkpoint < w->interval)
        return 0;
    if (write_checkpoint(w, p, err) < 0)
        return -1;
    w->last_checkpoint = tool_now();
    return 0;
}

static int progress(void *context, const struct rec_progress *p, struct rec_err *err)
{
    struct watch *w = context;
    double seconds = tool_now() - w->last, figure = NAN;

    w->step = p->step;
    if (p->model && wants_model(w, p->step, p->steps) && measure(w, &figure, p->model, p->step, p->step == p->steps, err) < 0)
        return -1;
    print_line(w, p, figure, seconds);
    add_trace(w, p->step, p->loss, figure, seconds);
    w->tool->rows += w->learnt->nnz;
    bool stop = !isnan(figure) && w->patience > 0 && w->waited >= (size_t)w->patience;
    if (stop && p->step < p->steps)
        tool_step(w->tool, "no better %s since %s %zu: training ends", w->metric, p->what, w->best.pass);
    if (!stop && w->checkpoint && consider_checkpoint(w, p, err) < 0)
        return -1;
    w->last = tool_now();
    return stop;
}

/* ---- after training ---- */

int watch_end(struct watch *w, struct rec_model *model, struct rec_err *err)
{
    double figure;

    if (w->trace.failed)
        return rec_err_memory(err, "trace");
    if (!w->validation)
        return 0;
    if (w->evaluated == 0) {
        double seconds = tool_now() - w->last;
        w->step = w->step ? w->step : 1;
        if (measure(w, &figure, model, w->step, true, err) < 0)
            return -1;
        tool_step(w->tool, "%s %.5f", w->metric, figure);
        w->trace.len = w->row;
        add_trace(w, w->step, w->loss, figure, w->row_seconds > 0 ? w->row_seconds : seconds);
        return w->trace.failed ? rec_err_memory(err, "trace") : 0;
    }
    if (w->best.pass == w->step)
        return 0;
    if (!rec_best_fits(&w->best, model))
        return rec_err_set(err, "%s: its best model is not of this training; remove it", w->checkpoint ? w->checkpoint : "training");
    rec_best_use(model, &w->best);
    tool_step(w->tool, "the model of pass %zu is kept: %s %.5f", w->best.pass, w->metric, w->best.value);
    return 0;
}

int watch_write_trace(struct rec_out *out, const struct watch *w, struct rec_err *err)
{
    struct rec_buf header = {0};
    int rc;

    rec_buf_addf(&header, "pass,loss,%s%sseconds,rate\n", w->validation ? w->metric : "", w->validation ? "," : "");
    rc = header.failed ? rec_err_memory(err, "trace") : rec_out_write(out, header.data, header.len, err);
    rec_buf_clear(&header);
    return rc < 0 ? -1 : rec_out_write(out, w->trace.data ? w->trace.data : "", w->trace.len, err);
}

void watch_history(struct rec_buf *out, const struct watch *w)
{
    if (w->validation && out->len > 0) {
        out->len--; /* the newline */
        rec_buf_addf(out, " validation=crc32c:%08x pass=%zu\n", w->held_out.digest, w->best.pass);
    }
}

void watch_done(const struct watch *w)
{
    if (w->checkpoint)
        unlink(w->checkpoint);
}

void watch_clear(struct watch *w)
{
    rec_validate_clear(&w->validate);
    rec_ratings_clear(&w->held_out);
    rec_best_clear(&w->best);
    rec_checkpoint_clear(&w->resumed);
    rec_buf_clear(&w->trace);
    rec_buf_clear(&w->words);
}
