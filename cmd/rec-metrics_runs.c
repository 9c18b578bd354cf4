/* SPDX-License-Identifier: MIT
 *
 * The run log of rec-job(1), step by step: its last attempt, and totals.
 */
#include "rec-metrics.h"

#include <math.h>

struct step {
    double ended, success;     /* seconds since 1970; success 0: never */
    double seconds, cpu, memory, made;
    int64_t status, attempt;
    double total_seconds, total_cpu;
    int64_t succeeded, failed;
};

struct steps {
    struct rec_hashmap names;
    struct step *step;
    size_t cap;
};

/* ---- reading ---- */

/* What a line says, checked. */
struct line {
    const char *name;
    double began, seconds, user, system, memory;
    int64_t status, attempt;
};

/* The fraction, which rec_date_parse drops. */
static double fraction(const char *text)
{
    const char *dot = strchr(text, '.');
    double value;

    return dot && rec_num_double(&value, dot, strspn(dot, ".0123456789")) == 0 ? value : 0;
}

static int read_line(struct line *out, const struct rec_json_value *root, const char *where, struct rec_err *err)
{
    const char *time = rec_json_string(rec_json_get(root, "time"));
    int64_t began;

    out->name = rec_json_string(rec_json_get(root, "name"));
    if (!out->name || !time || rec_json_integer(&out->status, rec_json_get(root, "exit")) < 0 ||
        rec_json_number(&out->seconds, rec_json_get(root, "seconds")) < 0 ||
        rec_json_number(&out->user, rec_json_get(root, "user_seconds")) < 0 ||
        rec_json_number(&out->system, rec_json_get(root, "system_seconds")) < 0 ||
        rec_json_number(&out->memory, rec_json_get(root, "max_rss_bytes")) < 0 ||
        rec_json_integer(&out->attempt, rec_json_get(root, "attempt")) < 0)
        return rec_err_set(err, "%s: not a line of rec-job's run log", where);
    if (rec_date_parse(&began, time, where, err) < 0)
        return -1;
    out->began = (double)began + fraction(time);
    return 0;
}

/* Of a file that is not there, null. */
static double bytes_made(const struct rec_json_value *outputs)
{
    double sum = 0, bytes;

    for (size_t i = 0; i < rec_json_length(outputs); i++)
        if (rec_json_number(&bytes, rec_json_get(rec_json_at(outputs, i), "bytes")) == 0)
            sum += bytes;
    return sum;
}

static struct step *find(struct steps *all, const char *name, struct rec_err *err)
{
    uint32_t n = all->names.n, at = rec_hashmap_intern(&all->names, name, strlen(name));

    if (at == REC_HASHMAP_NONE) {
        rec_err_memory(err, "steps");
        return NULL;
    }
    if (at < n)
        return &all->step[at];
    if (n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 32;

        if (rec_realloc(&all->step, cap, sizeof *all->step, "steps", err) < 0)
            return NULL;
        all->cap = cap;
    }
    all->step[at] = (struct step){0};
    return &all->step[at];
}

static int take(struct steps *all, const struct rec_json_value *root, const char *where, struct rec_err *err)
{
    struct line l;
    struct step *s;

    if (read_line(&l, root, where, err) < 0 || !(s = find(all, l.name, err)))
        return -1;
    l.status == 0 ? s->succeeded++ : s->failed++;
    s->total_seconds += l.seconds;
    s->total_cpu += l.user + l.system;
    // Steps that ran beside each other are in the order of their ends; clocks may have been set.
    s->ended = l.began + l.seconds;
    s->success = l.status == 0 ? s->ended : s->success;
    s->seconds = l.seconds;
    s->cpu = l.user + l.system;
    s->memory = l.memory;
    s->status = l.status;
    s->attempt = l.attempt;
    s->made = bytes_made(rec_json_get(root, "outputs"));
    return 0;
}

/* A line without its end is one that is being written, or whose writer was killed: the next writer cuts it off. */
static int read_log(struct steps *all, const struct rec_in *in, struct rec_err *err)
{
    const char *p = (const char *)in->data, *end = p + in->len, *stop;
    char where[512];

    for (size_t n = 1; p < end && (stop = memchr(p, '\n', (size_t)(end - p))); p = stop + 1, n++) {
        struct rec_json_value *root;
        int status;

        snprintf(where, sizeof where, "%s: line %zu", in->name, n);
        if (!(root = rec_json_read(where, p, (size_t)(stop - p), err)))
            return -1;
        status = take(all, root, where, err);
        rec_json_free(root);
        if (status < 0)
            return -1;
    }
    return 0;
}

/* ---- writing ---- */

enum field { ENDED, SUCCESS, SECONDS, CPU, MEMORY, STATUS, ATTEMPT, MADE, TOTAL_SECONDS, TOTAL_CPU };

static double value(const struct step *s, enum field field)
{
    switch (field) {
    case ENDED:         return s->ended;
    case SUCCESS:       return s->success;
    case SECONDS:       return s->seconds;
    case CPU:           return s->cpu;
    case MEMORY:        return s->memory;
    case STATUS:        return (double)s->status;
    case ATTEMPT:       return (double)s->attempt;
    case MADE:          return s->made;
    case TOTAL_SECONDS: return s->total_seconds;
    case TOTAL_CPU:     return s->total_cpu;
    }
    return NAN;
}

static void step_label(struct rec_buf *label, const struct steps *all, uint32_t i)
{
    const struct rec_hashmap *names = &all->names;
    struct rec_buf name = {0};

    rec_buf_add(&name, names->bytes + names->offset[i], (size_t)(names->offset[i + 1] - names->offset[i]));
    rec_buf_reset(label);
    metrics_label(label, "step", name.len ? name.data : "");
    rec_buf_clear(&name);
}

static void add_steps(struct rec_buf *out, const struct steps *all)
{
    static const struct {
        enum field field;
        const char *name, *type, *help;
    } families[] = {
        {ENDED, "rec_step_last_run_timestamp_seconds", "gauge", "When the last attempt at this step ended."},
        {SUCCESS, "rec_step_last_success_timestamp_seconds", "gauge", "When this step last ended well, or 0."},
        {SECONDS, "rec_step_last_duration_seconds", "gauge", "How long the last attempt took."},
        {CPU, "rec_step_last_cpu_seconds", "gauge", "CPU time of the last attempt."},
        {MEMORY, "rec_step_last_max_resident_memory_bytes", "gauge", "Memory of the last attempt's largest process."},
        {STATUS, "rec_step_last_exit_code", "gauge", "Exit status of the last attempt."},
        {ATTEMPT, "rec_step_last_attempts", "gauge", "The number of the last attempt: 1 unless it was tried again."},
        {MADE, "rec_step_last_output_bytes", "gauge", "Size of what the last attempt made."},
        {TOTAL_SECONDS, "rec_step_duration_seconds_total", "counter", "Time of all attempts in the run log."},
        {TOTAL_CPU, "rec_step_cpu_seconds_total", "counter", "CPU time of all attempts in the run log."},
    };
    struct rec_buf label = {0};

    for (size_t f = 0; f < REC_LENGTH(families); f++) {
        metrics_family(out, families[f].name, families[f].type, families[f].help);
        for (uint32_t i = 0; i < all->names.n; i++) {
            step_label(&label, all, i);
            metrics_sample(out, families[f].name, &label, value(&all->step[i], families[f].field));
        }
    }
    metrics_family(out, "rec_step_attempts_total", "counter", "Attempts in the run log, by how they ended.");
    for (uint32_t i = 0; i < all->names.n; i++)
        for (int ok = 0; ok < 2; ok++) {
            step_label(&label, all, i);
            metrics_label(&label, "result", ok ? "success" : "failure");
            metrics_sample(out, "rec_step_attempts_total", &label, (double)(ok ? all->step[i].succeeded : all->step[i].failed));
        }
    rec_buf_clear(&label);
}

int metrics_runs(struct rec_buf *out, const char *path, struct rec_err *err)
{
    struct steps all = {0};
    struct rec_in in;
    int rc;

    if (rec_in_open(&in, path, err) < 0)
        return -1;
    rc = read_log(&all, &in, err);
    if (rc == 0 && all.names.n)
        add_steps(out, &all);
    rec_hashmap_clear(&all.names);
    free(all.step);
    rec_in_close(&in);
    return rc;
}
