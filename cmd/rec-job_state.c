/* SPDX-License-Identifier: MIT
 *
 * What is kept from run to run, as JSON beside the lock; and the same for the textfile collector of Prometheus' node_exporter
 * (https://github.com/prometheus/node_exporter#textfile-collector).
 */
#include "rec-job.h"

#include <rec/observe.h>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- state ---- */

/* One that is not there or damaged counts as new: counters begin again, which Prometheus knows how to take. */
static void read_state(struct job_state *out, const char *path)
{
    struct rec_json_value *root = NULL;
    struct rec_in in;

    *out = (struct job_state){0};
    if (rec_in_open(&in, path, NULL) < 0)
        return;
    root = rec_json_read(path, (const char *)in.data, in.len, NULL);
    if (rec_json_integer(&out->succeeded, rec_json_get(root, "succeeded")) < 0 || rec_json_integer(&out->failed, rec_json_get(root, "failed")) < 0 ||
        rec_json_number(&out->last_success, rec_json_get(root, "last_success")) < 0 ||
        rec_json_boolean(&out->failing, rec_json_get(root, "failing")) < 0 || out->succeeded < 0 || out->failed < 0)
        *out = (struct job_state){0};
    rec_json_free(root);
    rec_in_close(&in);
}

static void state_text(struct rec_buf *out, const struct job *job, const struct job_state *state)
{
    struct rec_json json = {.out = out};

    rec_json_object(&json, NULL);
    rec_json_text(&json, "name", job->name, strlen(job->name));
    rec_json_int(&json, "succeeded", state->succeeded);
    rec_json_int(&json, "failed", state->failed);
    rec_json_real(&json, "last_success", state->last_success);
    rec_json_bool(&json, "failing", state->failing);
    rec_json_end(&json);
}

static int write_file(const char *path, struct rec_buf *text, mode_t mode, struct rec_err *err)
{
    struct rec_out out = {.fd = -1};
    int rc = -1;

    if (text->failed)
        return rec_err_memory(err, path);
    if (rec_out_open(&out, path, false, err) < 0)
        return -1;
    // Whatever the umask of cron: who reads it is another user.
    if (mode && out.temporary && fchmod(out.fd, mode) < 0)
        rec_err_errno(err, "%s", path);
    else if (rec_out_write(&out, text->data, text->len, err) == 0)
        rc = rec_out_commit(&out, err);
    rec_out_abort(&out);
    return rc;
}

/* Jobs of one name that are not locked against each other take turns here. */
static int lock_state(const char *path, struct rec_err *err)
{
    struct rec_buf lock = {0};
    int fd = -1;

    rec_buf_addf(&lock, "%s.lock", path);
    if (lock.failed)
        rec_err_memory(err, path);
    else if ((fd = open(lock.data, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0 || flock(fd, LOCK_EX) < 0)
        rec_err_errno(err, "%s", lock.data);
    rec_buf_clear(&lock);
    return fd;
}

int job_state_update(struct job_state *before, struct job_state *after, const struct job *job, const struct job_result *result, bool success,
                     struct rec_err *err)
{
    struct rec_buf path = {0}, text = {0};
    int lock = -1, rc = -1;

    if (job_state_path(&path, job, ".json", err) < 0 || (lock = lock_state(path.data, err)) < 0)
        goto out;
    read_state(before, path.data);
    *after = *before;
    after->succeeded += success;
    after->failed += !success;
    after->failing = !success;
    after->last_success = success ? result->ended : before->last_success;
    state_text(&text, job, after);
    rc = write_file(path.data, &text, 0, err);
out:
    if (lock >= 0)
        close(lock);
    rec_buf_clear(&text);
    rec_buf_clear(&path);
    return rc;
}

/* ---- textfile ---- */

static void add_metric(struct rec_buf *out, const char *name, const char *type, const char *help, const char *labels, double value)
{
    char number[REC_NUM_MAX];

    rec_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s{%s} ", name, help, name, type, name, labels);
    rec_buf_add(out, number, rec_num_print_double(number, value));
    rec_buf_addc(out, '\n');
}

static void metrics_text(struct rec_buf *out, const struct job *job, const struct job_state *state, const struct job_result *r)
{
    struct rec_buf label = {0};
    const char *l;

    rec_prom_label(&label, "job_name", job->name, strlen(job->name));
    l = label.failed ? "" : label.data;
    add_metric(out, "rec_job_last_success_timestamp_seconds", "gauge", "When the job last ended well, or 0.", l, state->last_success);
    add_metric(out, "rec_job_last_run_timestamp_seconds", "gauge", "When the job last ended.", l, r->ended);
    add_metric(out, "rec_job_last_duration_seconds", "gauge", "How long the last attempt took.", l, r->seconds);
    add_metric(out, "rec_job_last_cpu_seconds", "gauge", "CPU time of the last attempt.", l, r->user + r->system);
    add_metric(out, "rec_job_last_max_resident_memory_bytes", "gauge", "Memory of the last attempt's largest process.", l, (double)r->max_rss);
    add_metric(out, "rec_job_last_exit_code", "gauge", "Exit status of the last attempt; 124 after a timeout, 128 and a signal's number.", l,
               job_exit(r));
    add_metric(out, "rec_job_last_attempts", "gauge", "How many attempts the last run took.", l, (double)r->attempt);
    rec_buf_adds(out, "# HELP rec_job_runs_total Runs of the job, by how they ended.\n# TYPE rec_job_runs_total counter\n");
    rec_buf_addf(out, "rec_job_runs_total{%s,result=\"failure\"} %lld\n", l, (long long)state->failed);
    rec_buf_addf(out, "rec_job_runs_total{%s,result=\"success\"} %lld\n", l, (long long)state->succeeded);
    out->failed |= label.failed;
    rec_buf_clear(&label);
}

int job_textfile(const struct job *job, const struct job_state *state, const struct job_result *result, struct rec_err *err)
{
    const char *given = job->set->textfile;
    struct rec_buf path = {0}, text = {0};
    struct stat st;
    int rc = -1;

    rec_buf_adds(&path, given);
    if (stat(given, &st) == 0 && S_ISDIR(st.st_mode)) {
        rec_buf_adds(&path, "/rec_job_");
        job_file_name(&path, job->name);
        rec_buf_adds(&path, ".prom");
    }
    metrics_text(&text, job, state, result);
    if (path.failed)
        rec_err_memory(err, given);
    else
        rc = write_file(path.data, &text, 0644, err);
    rec_buf_clear(&text);
    rec_buf_clear(&path);
    return rc;
}
