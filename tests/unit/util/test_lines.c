/* SPDX-License-Identifier: MIT
 *
 * Lines from a pipe: as they come, of any length up to the longest, with any line end.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include <rec/util.h>

/* Standard input becomes a pipe; returns its other end. */
static int open_pipe(void)
{
    int fd[2];

    assert_int_equal(pipe(fd), 0);
    assert_int_equal(dup2(fd[0], STDIN_FILENO), STDIN_FILENO);
    close(fd[0]);
    return fd[1];
}

static void send(int fd, const char *text, size_t len)
{
    assert_int_equal(write(fd, text, len), (ssize_t)len);
}

static void expect(struct rec_lines *lines, const char *want)
{
    struct rec_err err = {0};
    const char *text;
    size_t len;

    assert_int_equal(rec_lines_next(lines, &text, &len, &err), want ? 1 : 0);
    if (want) {
        assert_int_equal(len, strlen(want));
        assert_memory_equal(text, want, len);
    }
}

static void as_they_come(void **state)
{
    struct rec_lines lines;
    struct rec_err err = {0};
    int fd = open_pipe();

    (void)state;
    assert_int_equal(rec_lines_open(&lines, NULL, &err), 0);
    assert_false(rec_lines_ready(&lines));
    send(fd, "one\ntwo\r\n\nthr", 13);
    assert_true(rec_lines_ready(&lines));
    expect(&lines, "one");
    assert_true(rec_lines_ready(&lines));
    expect(&lines, "two");
    expect(&lines, "");
    assert_false(rec_lines_ready(&lines));
    send(fd, "ee\nlast", 7);
    expect(&lines, "three");
    close(fd);
    expect(&lines, "last");
    assert_int_equal(lines.number, 5);
    expect(&lines, NULL);
    expect(&lines, NULL);
    assert_false(rec_lines_ready(&lines));
    rec_lines_close(&lines);
}

static void long_lines(void **state)
{
    static char big[3u << 20];
    char path[] = "/tmp/rec-test-lines-XXXXXX";
    struct rec_lines lines;
    struct rec_err err = {0};
    const char *text;
    size_t len;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    memset(big, 'x', sizeof big);
    big[REC_LINES_LONGEST - 10] = '\n';
    send(fd, big, sizeof big);
    close(fd);
    assert_int_equal(rec_lines_open(&lines, path, &err), 0);
    assert_int_equal(rec_lines_next(&lines, &text, &len, &err), 1);
    assert_int_equal(len, REC_LINES_LONGEST - 10);
    assert_int_equal(rec_lines_next(&lines, &text, &len, &err), -1);
    assert_non_null(strstr(err.text, "line 2: longer than"));
    rec_lines_close(&lines);
    unlink(path);
    assert_int_equal(rec_lines_open(&lines, path, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_they_come),
        cmocka_unit_test(long_lines),
    };
    return cmocka_run_group_tests_name("util: lines", tests, NULL, NULL);
}
