/* SPDX-License-Identifier: MIT
 *
 * The run log: one line of JSON for each attempt (https://jsonlines.org), appended under a lock and synced. What a killed writer left half
 * written is cut off by the next.
 */
#include "rec-job.h"

#include <rec/crypto.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ---- */

/* The checksum of our own files, by which the history of others calls them (rec-format(5)). */
static void add_checksum(struct rec_json *json, const char *path)
{
    struct rec_safetensors file;
    struct rec_in in;
    const char *crc;

    if (rec_in_open(&in, path, NULL) < 0)
        return;
    if (rec_safetensors_parse(&file, &in, REC_SAFETENSORS_NO_CRC, NULL) < 0)
        return;
    if ((crc = rec_safetensors_meta(&file, "crc32c")))
        rec_json_text(json, "crc32c", crc, strlen(crc));
    rec_safetensors_close(&file);
}

/* A file that is not there has null for what it would be. */
static void add_file(struct rec_json *json, const char *path)
{
    char digest[2 * REC_SHA256_BYTES + 1];
    struct stat st;
    bool regular = stat(path, &st) == 0 && S_ISREG(st.st_mode);

    rec_json_object(json, NULL);
    rec_json_text(json, "path", path, strlen(path));
    if (regular && rec_sha256_file(digest, path, NULL) == 0) {
        rec_json_int(json, "bytes", st.st_size);
        rec_json_text(json, "sha256", digest, strlen(digest));
        add_checksum(json, path);
    } else {
        rec_json_null(json, "bytes");
        rec_json_null(json, "sha256");
    }
    rec_json_end(json);
}

void job_record_files(struct rec_buf *out, const struct rec_opt_list *files)
{
    struct rec_json json = {.out = out, .flat = true};

    rec_json_array(&json, NULL);
    for (size_t i = 0; i < files->n; i++)
        add_file(&json, files->text[i]);
    rec_json_end(&json);
}

/* ---- the line ---- */

static void add_command(struct rec_json *json, const struct job *job)
{
    rec_json_array(json, "command");
    for (char *const *word = job->command; *word; word++) {
        struct rec_buf text = {0};

        job_word(&text, *word);
        rec_json_text(json, NULL, text.len ? text.data : "", text.len);
        rec_buf_clear(&text);
    }
    rec_json_end(json);
}

/* A member that is JSON already. */
static void add_raw(struct rec_buf *out, const char *key, const struct rec_buf *value)
{
    rec_buf_addf(out, ",\"%s\":", key);
    rec_buf_add(out, value->len ? value->data : "[]", value->len ? value->len : 2);
}

static void add_line(struct rec_buf *out, const struct job *job, const struct job_result *r)
{
    struct rec_json json = {.out = out, .flat = true};
    struct rec_buf outputs = {0};
    char when[JOB_TIME];

    job_record_files(&outputs, &job->set->outputs);
    job_time(when, r->began);
    rec_json_object(&json, NULL);
    rec_json_text(&json, "time", when, strlen(when));
    rec_json_text(&json, "name", job->name, strlen(job->name));
    add_command(&json, job);
    add_raw(out, "inputs", &job->inputs);
    add_raw(out, "outputs", &outputs);
    rec_json_real(&json, "seconds", r->seconds);
    rec_json_real(&json, "user_seconds", r->user);
    rec_json_real(&json, "system_seconds", r->system);
    rec_json_int(&json, "max_rss_bytes", (int64_t)r->max_rss);
    rec_json_int(&json, "exit", job_exit(r));
    r->signal ? rec_json_int(&json, "signal", r->signal) : rec_json_null(&json, "signal");
    rec_json_bool(&json, "timed_out", r->timed_out);
    rec_json_int(&json, "attempt", r->attempt);
    rec_json_text(&json, "host", job->host, strlen(job->host));
    rec_json_text(&json, "run", job->run, strlen(job->run));
    rec_json_end(&json);
    if (out->len && out->data[out->len - 1] != '\n')
        rec_buf_addc(out, '\n');
    rec_buf_clear(&outputs);
}

/* Where the last whole line ends: at the file's end, but for a writer that was killed or ran out of room. */
static int end_of_lines(off_t *end, int fd, struct rec_err *err)
{
    struct stat st;
    char block[4096];

    if (fstat(fd, &st) < 0)
        return rec_err_errno(err, "not recorded");
    *end = S_ISREG(st.st_mode) ? st.st_size : 0;
    while (*end > 0) {
        off_t from = *end > (off_t)sizeof block ? *end - (off_t)sizeof block : 0;
        ssize_t n = pread(fd, block, (size_t)(*end - from), from);

        if (n != *end - from)
            return n < 0 ? rec_err_errno(err, "not recorded") : rec_err_set(err, "not recorded: it is being cut by another");
        for (; n > 0; n--)
            if (block[n - 1] == '\n') {
                *end = from + n;
                return 0;
            }
        *end = from;
    }
    return 0;
}

/* All of it, or nothing. */
static int append(int fd, const struct rec_buf *line, struct rec_err *err)
{
    struct stat st;
    off_t end;
    ssize_t n;

    if (flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
        return rec_err_errno(err, "not recorded");
    if (end_of_lines(&end, fd, err) < 0)
        return -1;
    if (S_ISREG(st.st_mode) && end < st.st_size && ftruncate(fd, end) < 0)
        return rec_err_errno(err, "not recorded");
    n = write(fd, line->data, line->len);
    if (n >= 0 && (size_t)n < line->len)
        errno = ENOSPC;
    if (n < 0 || (size_t)n < line->len || (fsync(fd) < 0 && errno != EINVAL)) {
        rec_err_errno(err, "not recorded");
        if (S_ISREG(st.st_mode) && ftruncate(fd, end) < 0)
            return -1;
        return -1;
    }
    return 0;
}

int job_record(struct job *job, const struct job_result *result, struct rec_err *err)
{
    const char *path = job->set->run_log;
    struct rec_buf line = {0};
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666), rc = -1;

    if (fd < 0)
        return rec_err_errno(err, "%s", path);
    add_line(&line, job, result);
    if (line.failed)
        rec_err_memory(err, path);
    else if ((rc = append(fd, &line, err)) < 0)
        rec_err_prefix(err, path);
    rec_buf_clear(&line);
    close(fd);
    return rc;
}
