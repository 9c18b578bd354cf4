/* SPDX-License-Identifier: MIT
 *
 * What the command says. Where nothing is asked for it writes to our standard output and error itself. Otherwise it comes by two pipes, and is
 * passed on, held back in a file without a name until it is known how the job ends, written to the log with times; the last of it is kept
 * for messages.
 */
#include "rec-job.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TAIL = 16 * 1024, LINE = 64 * 1024 };

struct job_output {
    bool captured, pass, logging;
    int held;                  /* descriptor, or -1 */
    struct rec_buf line[2];    /* what came since the last line's end */
    struct rec_buf tail;
    struct job_log log;
};

struct piece {                 /* of what is held, before its bytes */
    uint32_t stream, len;
};

bool job_output_captured(const struct job *job)
{
    return job->output->captured;
}

/* Where there is no file to hold it, memory does. */
static int hold(struct rec_err *err)
{
    const char *dir = getenv("TMPDIR");
    int fd = open(dir && *dir ? dir : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0)
        fd = memfd_create("rec-job", MFD_CLOEXEC);
    return fd < 0 ? rec_err_errno(err, "output to be held back") : fd;
}

int job_output_open(struct job *job, struct rec_err *err)
{
    const struct job_settings *set = job->set;
    struct job_output *o = job->output = rec_calloc(1, sizeof *o, "output", err);

    if (!o)
        return -1;
    o->held = -1;
    o->logging = set->log != NULL;
    o->captured = set->log || set->quiet_success || set->mail || set->webhook || set->notify;
    o->pass = !set->quiet_success && (!set->log || set->tee);
    if (set->log && job_log_open(&o->log, set->log, set->log_size, set->log_keep, err) < 0)
        return -1;
    return set->quiet_success && (o->held = hold(err)) < 0 ? -1 : 0;
}

static bool write_all(int fd, const void *data, size_t len)
{
    for (const char *p = data; len;) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && errno != EINTR)
            return false;
        p += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* false: nobody reads it any more, or it cannot be written, which is said. */
static bool pass_on(struct job *job, int stream, const char *data, size_t len)
{
    struct rec_err err;

    if (write_all(stream ? STDERR_FILENO : STDOUT_FILENO, data, len))
        return true;
    if (errno != EPIPE) {
        rec_err_errno(&err, stream ? "standard error" : "standard output");
        job_trouble(job, &err);
    }
    return false;
}

/* ---- the log ---- */

/* What cannot be logged is not lost: from here on it is passed on. */
static void log_text(struct job *job, const char *text, size_t len)
{
    struct job_output *o = job->output;
    struct rec_err err = {0};

    if (!o->logging || job_log_write(&o->log, text, len, &err) == 0)
        return;
    o->logging = false;
    o->pass = o->held < 0;
    job_trouble(job, &err);
}

static void add_line(struct rec_buf *out, const char *what, const char *text, size_t len)
{
    char when[JOB_TIME];

    rec_buf_addf(out, "%s %s ", job_time(when, job_now()), what);
    rec_buf_add(out, text, len);
    rec_buf_addc(out, '\n');
}

static void log_lines(struct job *job, int stream, const char *data, size_t len)
{
    struct rec_buf *line = &job->output->line[stream], out = {0};
    const char *what = stream ? "err" : "out";

    while (len) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - data) : len;

        rec_buf_add(line, data, n);
        if (end || line->len >= LINE) {
            add_line(&out, what, line->len ? line->data : "", line->len);
            rec_buf_reset(line);
        }
        n += end != NULL;
        data += n;
        len -= n;
    }
    if (out.len && !out.failed)
        log_text(job, out.data, out.len);
    rec_buf_clear(&out);
}

void job_output_note(struct job *job, const char *fmt, ...)
{
    struct rec_buf out = {0};
    char text[JOB_TEXT];
    va_list args;

    if (!job->output || !job->output->logging)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 32)
            *p = ' ';
    add_line(&out, "job", text, strlen(text));
    if (!out.failed)
        log_text(job, out.data, out.len);
    rec_buf_clear(&out);
}

void job_output_flush(struct job *job)
{
    for (int i = 0; i < 2; i++)
        if (job->output->line[i].len)
            log_lines(job, i, "\n", 1);
}

/* ---- what comes ---- */

static void keep_tail(struct rec_buf *tail, const char *data, size_t len)
{
    size_t skip = len > TAIL ? len - TAIL : 0;

    rec_buf_add(tail, data + skip, len - skip);
    if (tail->len > 2 * TAIL) {
        memmove(tail->data, tail->data + tail->len - TAIL, TAIL);
        tail->len = TAIL;
        tail->data[TAIL] = '\0';
    }
}

static void show_held(struct job *job)
{
    struct job_output *o = job->output;
    struct piece piece;
    char block[65536];
    ssize_t n;

    if (lseek(o->held, 0, SEEK_SET) == 0)
        while (read(o->held, &piece, sizeof piece) == sizeof piece && piece.len <= sizeof block &&
               (n = read(o->held, block, piece.len)) == (ssize_t)piece.len)
            if (!pass_on(job, (int)piece.stream, block, (size_t)n))
                break;
    close(o->held);
    o->held = -1;
}

/* When there is no room to hold it, it is shown after all. */
static void hold_back(struct job *job, int stream, const char *data, size_t len)
{
    struct job_output *o = job->output;
    struct piece piece = {(uint32_t)stream, (uint32_t)len};
    off_t end = lseek(o->held, 0, SEEK_CUR);

    if (write_all(o->held, &piece, sizeof piece) && write_all(o->held, data, len))
        return;
    if (end >= 0 && ftruncate(o->held, end) == 0)
        show_held(job);
    o->pass = true;
    (void)pass_on(job, stream, data, len);
}

bool job_output_take(struct job *job, int stream, const char *data, size_t len)
{
    struct job_output *o = job->output;
    bool logged = o->logging;

    keep_tail(&o->tail, data, len);
    if (logged)
        log_lines(job, stream, data, len);
    if (o->held >= 0)
        hold_back(job, stream, data, len);
    else if (o->pass)
        return pass_on(job, stream, data, len) || logged;
    return true;
}

void job_output_tail(struct rec_buf *out, const struct job *job, size_t most)
{
    const struct rec_buf *tail = &job->output->tail;
    size_t skip = tail->len > most ? tail->len - most : 0;
    const char *line = skip ? memchr(tail->data + skip, '\n', tail->len - skip) : NULL;

    if (line)
        skip = (size_t)(line + 1 - tail->data);
    if (tail->len > skip)
        rec_buf_add(out, tail->data + skip, tail->len - skip);
}

void job_output_close(struct job *job, bool failed)
{
    struct job_output *o = job->output;

    if (!o)
        return;
    if (o->held >= 0 && failed)
        show_held(job);
    if (o->held >= 0)
        close(o->held);
    if (o->log.path && o->log.fd >= 0)
        close(o->log.fd);
    for (int i = 0; i < 2; i++)
        rec_buf_clear(&o->line[i]);
    rec_buf_clear(&o->tail);
    free(o);
    job->output = NULL;
}
