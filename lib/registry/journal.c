/* SPDX-License-Identifier: MIT
 *
 * journal.jsonl: a line for each thing that was done or decided. A line that a full disk or a power failure cut is ended by the next one, and
 * passed over by readers.
 */
#include "registry_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- appending ---- */

static int add_member(void *context, const char *key, const struct rec_json_value *value)
{
    rec_json_copy(context, key, value);
    return 0;
}

static int make_line(struct rec_buf *line, const char *event, const char *members, int64_t now, struct rec_err *err)
{
    struct rec_json json = {.out = line, .flat = true};
    struct rec_json_value *root = NULL;
    char time[REC_NUM_MAX];

    if (members && !(root = rec_json_read("journal", members, strlen(members), err)))
        return -1;
    rec_date_print_time(time, now);
    rec_json_object(&json, NULL);
    rec_json_text(&json, "time", time, strlen(time));
    rec_json_text(&json, "event", event, strlen(event));
    if (root)
        rec_json_members(root, add_member, &json);
    rec_json_end(&json);
    rec_buf_addc(line, '\n');
    rec_json_free(root);
    return line->failed ? rec_err_memory(err, "journal") : 0;
}

/* Whether the file ends in the middle of a line. */
static bool is_cut(int fd, off_t size)
{
    char last = '\n';

    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

/* All of the line, or none of it. */
static int append(int fd, const char *text, size_t n)
{
    struct stat st;
    size_t done = 0;

    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return -1;
    if (is_cut(fd, st.st_size) && write(fd, "\n", 1) != 1)
        return -1;
    while (done < n) {
        ssize_t now = write(fd, text + done, n - done);
        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0) {
            int why = errno;
            (void)!ftruncate(fd, st.st_size);
            errno = why;
            return -1;
        }
        done += (size_t)now;
    }
    return fsync(fd);
}

int rec_registry_journal(struct rec_registry *registry, const char *event, const char *members, int64_t now, struct rec_err *err)
{
    struct rec_buf line = {0};
    int fd = -1, status = -1;

    if (make_line(&line, event, members, now, err) < 0)
        goto out;
    fd = openat(registry->dir, "journal.jsonl", O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
    if (fd < 0 && errno == ELOOP)
        rec_err_set(err, "%s/journal.jsonl: is a symbolic link, which is not followed in a registry", registry->path);
    else if (fd < 0 || append(fd, line.data, line.len) < 0)
        rec_err_errno(err, "%s/journal.jsonl", registry->path);
    else
        status = 0;
    if (status == 0)
        (void)fsync(registry->dir);
out:
    if (fd >= 0)
        close(fd);
    rec_buf_clear(&line);
    return status;
}

/* ---- reading ---- */

int rec_journal_each(const struct rec_registry *registry, int (*each)(void *context, const struct rec_json_value *line, struct rec_err *err),
                     void *context, struct rec_err *err)
{
    struct rec_lines lines = {.name = "journal.jsonl"};
    const char *text;
    size_t len;
    int status = 0, got;

    lines.fd = openat(registry->dir, "journal.jsonl", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (lines.fd < 0 && errno == ENOENT)
        return 0;
    if (lines.fd < 0)
        return rec_err_errno(err, "%s/journal.jsonl", registry->path);
    while (status == 0 && (got = rec_lines_next(&lines, &text, &len, err)) != 0) {
        struct rec_json_value *line = got > 0 ? rec_json_read("journal", text, len, NULL) : NULL;
        status = got < 0 ? -1 : line ? each(context, line, err) : 0;
        rec_json_free(line);
    }
    rec_lines_close(&lines);
    return status;
}
