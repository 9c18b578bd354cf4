/* SPDX-License-Identifier: MIT
 *
 * Lines of a stream as they come: a block is read when no whole line is left, so that a program at the other end of a pipe gets
 * its answers before it closes it. */
#include <rec/util.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define BLOCK ((size_t)64 << 10)

int rec_lines_open(struct rec_lines *lines, const char *path, struct rec_err *err)
{
    *lines = (struct rec_lines){.name = "standard input", .fd = STDIN_FILENO};
    if (path && strcmp(path, "-") != 0) {
        lines->name = path;
        lines->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (lines->fd < 0)
            return rec_err_errno(err, "%s", path);
    }
    return 0;
}

/* Reads a block behind what is there. */
static int fill(struct rec_lines *lines, struct rec_err *err)
{
    size_t left = lines->end - lines->begin;

    if (left > REC_LINES_LONGEST)
        return rec_err_set(err, "%s: line %zu: longer than %zu bytes", lines->name, lines->number + 1, REC_LINES_LONGEST);
    if (lines->begin > 0)
        memmove(lines->data, lines->data + lines->begin, left);
    lines->begin = 0;
    lines->end = left;
    if (lines->cap - left < BLOCK) {
        size_t cap = left + 2 * BLOCK;
        if (rec_realloc(&lines->data, cap, 1, lines->name, err) < 0)
            return -1;
        lines->cap = cap;
    }
    ssize_t n;
    do
        n = read(lines->fd, lines->data + left, BLOCK);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return rec_err_errno(err, "%s", lines->name);
    lines->end += (size_t)n;
    lines->ended = n == 0;
    return 0;
}

int rec_lines_next(struct rec_lines *lines, const char **text, size_t *len, struct rec_err *err)
{
    size_t looked = 0, n;
    const char *stop = NULL;

    for (;;) {
        n = lines->end - lines->begin;
        if (n > looked)
            stop = memchr(lines->data + lines->begin + looked, '\n', n - looked);
        if (stop || lines->ended)
            break;
        looked = n;
        if (fill(lines, err) < 0)
            return -1;
    }
    if (n == 0)
        return 0;
    *text = lines->data + lines->begin;
    *len = stop ? (size_t)(stop - *text) : n;
    lines->begin += stop ? *len + 1 : n;
    lines->number++;
    if (*len > 0 && (*text)[*len - 1] == '\r')
        --*len;
    return 1;
}

bool rec_lines_ready(const struct rec_lines *lines)
{
    struct pollfd poll_in = {.fd = lines->fd, .events = POLLIN};

    if (lines->end > lines->begin && memchr(lines->data + lines->begin, '\n', lines->end - lines->begin))
        return true;
    return !lines->ended && poll(&poll_in, 1, 0) > 0;
}

void rec_lines_close(struct rec_lines *lines)
{
    if (lines->fd > STDERR_FILENO)
        close(lines->fd);
    free(lines->data);
    *lines = (struct rec_lines){0};
}
