/* SPDX-License-Identifier: MIT
 *
 * What was tried, as CSV: number,status,METRIC,seconds,passes, a column for each parameter, one for each rung, and which search it was.
 *
 * A line is written at once when its trial has ended, so that a search that is killed loses the trials that ran, and a line at most.
 */
#include <rec/tune.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_PARAM = 5 };
static const char *const statuses[] = {"running", "done", "pruned", "failed"};

const char *rec_trials_status(enum rec_trial_status status)
{
    return statuses[status];
}

/* The number of passes is a column of its own. */
static bool has_column(const struct rec_space *space, size_t d)
{
    return strcmp(space->dim[d].param->name, "passes") != 0;
}

static void write_header(struct rec_buf *out, const struct rec_trials *t, const char *metric)
{
    rec_buf_addf(out, "number,status,%s,seconds,passes", metric);
    for (size_t d = 0; d < t->space->n; d++)
        if (has_column(t->space, d))
            rec_buf_addf(out, ",%s", t->space->dim[d].param->name);
    for (size_t r = 0; r < t->n_rungs; r++)
        rec_buf_addf(out, ",pass%zu", t->rung[r]);
    rec_buf_adds(out, ",search\n");
}

static void add_real(struct rec_buf *out, double x)
{
    char text[REC_NUM_MAX];

    rec_buf_addc(out, ',');
    if (isfinite(x))
        rec_buf_add(out, text, rec_num_print_double(text, x));
}

static void write_line(struct rec_buf *out, const struct rec_trials *t, const struct rec_trial *trial)
{
    rec_buf_addf(out, "%zu,%s", trial->number, statuses[trial->status]);
    add_real(out, trial->metric);
    add_real(out, round(trial->seconds * 1e3) / 1e3);
    rec_buf_addf(out, ",%zu", trial->passes);
    for (size_t d = 0; d < t->space->n; d++)
        if (has_column(t->space, d)) {
            rec_buf_addc(out, ',');
            rec_space_print(out, t->space->dim[d].param, trial->param[d]);
        }
    for (size_t r = 0; r < t->n_rungs; r++)
        add_real(out, trial->rung[r]);
    rec_buf_addf(out, ",%s\n", t->id);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

/* An empty field is NAN. */
static int read_real(double *out, const struct rec_csv_field *f)
{
    *out = NAN;
    return f->len == 0 ? 0 : rec_num_double(out, f->text, f->len);
}

static int read_count(size_t *out, const struct rec_csv_field *f)
{
    int64_t n;

    if (rec_num_int64(&n, f->text, f->len) < 0 || n < 0)
        return -1;
    *out = (size_t)n;
    return 0;
}

static int read_status(enum rec_trial_status *out, const struct rec_csv_field *f)
{
    for (unsigned s = REC_TRIAL_DONE; s <= REC_TRIAL_FAILED; s++)
        if (f->len == strlen(statuses[s]) && !memcmp(f->text, statuses[s], f->len)) {
            *out = (enum rec_trial_status)s;
            return 0;
        }
    return -1;
}

static int read_fields(struct rec_trial *trial, const struct rec_trials *t, const struct rec_csv_field *f)
{
    size_t at = FIRST_PARAM;

    if (read_count(&trial->number, &f[0]) < 0 || trial->number == 0 || read_status(&trial->status, &f[1]) < 0 ||
        read_real(&trial->metric, &f[2]) < 0 || read_real(&trial->seconds, &f[3]) < 0 || read_count(&trial->passes, &f[4]) < 0)
        return -1;
    for (size_t d = 0; d < t->space->n; d++) {
        trial->param[d] = t->space->dim[d].value[0];
        if (has_column(t->space, d)) {
            if (rec_space_read(&trial->param[d], t->space->dim[d].param, f[at].text, f[at].len) < 0)
                return -1;
            at++;
        }
    }
    for (size_t r = 0; r < t->n_rungs; r++)
        if (read_real(&trial->rung[r], &f[at++]) < 0)
            return -1;
    return 0;
}

static int read_lines(struct rec_trials *t, const char *text, size_t len, size_t columns, struct rec_err *err)
{
    struct rec_csv_dialect dialect = {.delimiter = ",", .delimiter_len = 1};
    struct rec_csv csv;
    int status;

    if (rec_csv_text(&csv, t->name, text, len, len, &dialect, err) < 0)
        return -1;
    while ((status = rec_csv_next(&csv, err)) == REC_CSV_RECORD) {
        if (csv.line == 1)
            continue;
        struct rec_trial *trial = rec_trials_begin(t, err);
        if (!trial)
            status = -1;
        else if (csv.n != columns || read_fields(trial, t, csv.field) < 0)
            status = rec_err_set(err, "%s:%llu: not a line of such a search", t->name, (unsigned long long)csv.line);
        else if (csv.field[columns - 1].len != strlen(t->id) || memcmp(csv.field[columns - 1].text, t->id, strlen(t->id)) != 0)
            status = rec_err_set(err, "%s:%llu: of another search (data, space, seed or options differ); remove it, or name another file", t->name,
                                 (unsigned long long)csv.line);
        if (status < 0)
            break;
    }
    if (status == REC_CSV_BAD)
        rec_csv_complain(err, &csv);
    rec_csv_close(&csv);
    return status == REC_CSV_END ? 0 : -1;
}

static int read_file(struct rec_buf *out, struct rec_trials *t, struct rec_err *err)
{
    struct stat st;

    if (fstat(t->fd, &st) < 0)
        return rec_err_errno(err, "%s", t->name);
    if (!S_ISREG(st.st_mode))
        return rec_err_set(err, "%s: no regular file, which trials could be read from again", t->name);
    while (out->len < (size_t)st.st_size) {
        ssize_t n;
        if (rec_buf_reserve(out, (size_t)st.st_size - out->len + 1) < 0)
            return rec_err_memory(err, t->name);
        n = pread(t->fd, out->data + out->len, (size_t)st.st_size - out->len, (off_t)out->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rec_err_errno(err, "%s", t->name);
        if (n == 0)
            break;
        out->len += (size_t)n;
    }
    return 0;
}

static int append(struct rec_trials *t, const struct rec_buf *text, struct rec_err *err)
{
    size_t done = 0;

    if (text->failed)
        return rec_err_memory(err, t->name);
    while (done < text->len) {
        ssize_t n = write(t->fd, text->data + done, text->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rec_err_errno(err, "%s", t->name);
        done += (size_t)n;
    }
    return fsync(t->fd) < 0 ? rec_err_errno(err, "%s", t->name) : 0;
}

/* The lines there are, up to the last whole one; what is behind it goes. */
static int take_file(struct rec_trials *t, const struct rec_buf *header, struct rec_err *err)
{
    struct rec_buf text = {0};
    size_t whole, columns = FIRST_PARAM + t->n_rungs + 1;
    int rc = -1;

    for (size_t d = 0; d < t->space->n; d++)
        columns += has_column(t->space, d);
    if (read_file(&text, t, err) < 0)
        goto out;
    for (whole = text.len; whole > 0 && text.data[whole - 1] != '\n'; whole--)
        ;
    if (whole == 0 && (text.len >= header->len || memcmp(text.data ? text.data : "", header->data, text.len) != 0)) {
        rec_err_set(err, "%s: not the trials of a search; name another file", t->name);
    } else if (whole > 0 && (whole < header->len || memcmp(text.data, header->data, header->len) != 0)) {
        rec_err_set(err, "%s: of another search (its first line is not what it would be here); remove it, or name another file", t->name);
    } else if (whole < text.len && ftruncate(t->fd, (off_t)whole) < 0) {
        rec_err_errno(err, "%s", t->name);
    } else {
        rc = whole == 0 ? append(t, header, err) : read_lines(t, text.data, whole, columns, err);
    }
out:
    rec_buf_clear(&text);
    return rc;
}

int rec_trials_open(struct rec_trials *t, const char *path, const char *metric, const struct rec_space *space, const size_t *rung, size_t n_rungs,
                    const char *identity, struct rec_err *err)
{
    struct rec_buf header = {0};
    int rc = -1;

    *t = (struct rec_trials){.space = space, .rung = rung, .n_rungs = n_rungs, .name = path, .fd = -1};
    snprintf(t->id, sizeof t->id, "%08x", rec_crc32c(0, identity, strlen(identity)));
    if (!path)
        return 0;
    write_header(&header, t, metric);
    t->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (t->fd < 0)
        rec_err_errno(err, "%s", path);
    else if (flock(t->fd, LOCK_EX | LOCK_NB) < 0)
        rec_err_set(err, "%s: another search writes it now", path);
    else
        rc = header.failed ? rec_err_memory(err, path) : take_file(t, &header, err);
    rec_buf_clear(&header);
    if (rc < 0)
        rec_trials_clear(t);
    return rc;
}

struct rec_trial *rec_trials_begin(struct rec_trials *t, struct rec_err *err)
{
    if (t->n == t->cap) {
        size_t cap = t->cap ? 2 * t->cap : 64;
        if (rec_realloc(&t->trial, cap, sizeof *t->trial, "trials", err) < 0)
            return NULL;
        t->cap = cap;
    }
    struct rec_trial *trial = &t->trial[t->n++];
    *trial = (struct rec_trial){.metric = NAN};
    for (size_t r = 0; r < REC_RUNGS_MAX; r++)
        trial->rung[r] = NAN;
    return trial;
}

int rec_trials_end(struct rec_trials *t, const struct rec_trial *trial, struct rec_err *err)
{
    struct rec_buf line = {0};
    int rc;

    if (t->fd < 0)
        return 0;
    write_line(&line, t, trial);
    rc = append(t, &line, err);
    rec_buf_clear(&line);
    return rc;
}

void rec_trials_clear(struct rec_trials *t)
{
    if (t->name && t->fd >= 0)
        close(t->fd);
    free(t->trial);
    *t = (struct rec_trials){.fd = -1};
}
