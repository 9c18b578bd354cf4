/* SPDX-License-Identifier: MIT
 *
 * Bytes in memory as sinks and sources.
 */
#ifndef TEST_STREAMS_H
#define TEST_STREAMS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <rec/backup.h>

#include <sys/wait.h>
#include <unistd.h>

static inline int to_memory(void *context, const void *bytes, size_t len, struct rec_err *err)
{
    (void)err;
    rec_buf_add(context, bytes, len);
    return 0;
}

struct memory {
    const char *data;
    size_t len, at;
};

static inline int from_memory(void *context, void *bytes, size_t len, size_t *got, struct rec_err *err)
{
    struct memory *m = context;

    (void)err;
    *got = len < m->len - m->at ? len : m->len - m->at;
    if (*got)
        memcpy(bytes, m->data + m->at, *got);
    m->at += *got;
    return 0;
}

static inline void write_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static inline struct rec_buf read_file(const char *path)
{
    struct rec_buf b = {0};
    struct rec_in in;
    struct rec_err err = {0};

    if (rec_in_open(&in, path, &err) < 0)
        fail_msg("%s", err.text);
    rec_buf_add(&b, in.data, in.len);
    rec_in_close(&in);
    return b;
}

/* A command of the shell in a directory, its output to shell.log there; 0 when it says yes. */
static inline int shell(const char *dir, const char *command)
{
    struct rec_buf line = {0};
    int status = -1;
    pid_t pid;

    rec_buf_addf(&line, "cd %s && ( %s ) >>%s/shell.log 2>&1", dir, command, dir);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", line.data, (char *)NULL);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        status = -1;
    rec_buf_clear(&line);
    return status;
}

static inline void remove_all(const char *dir)
{
    char command[200];

    snprintf(command, sizeof command, "chmod -R u+w %s; rm -rf %s", dir, dir);
    assert_int_equal(shell(dir, command), 0);
}

#endif
