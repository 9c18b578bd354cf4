/* SPDX-License-Identifier: MIT
 *
 * Outputs appear complete or not at all; leftovers are taken over; two writers do not mix.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rec/util.h>

static char dir[] = "/tmp/rec-test-io-XXXXXX", path[64], temporary[64];
static struct rec_err err;

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/file", dir);
    snprintf(temporary, sizeof temporary, "%s/.file.rec-tmp", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    unlink(temporary);
    return rmdir(dir);
}

static void put(const char *text)
{
    struct rec_out out;

    assert_int_equal(rec_out_open(&out, path, false, &err), 0);
    assert_int_equal(rec_out_write(&out, text, strlen(text), &err), 0);
    assert_int_equal(rec_out_commit(&out, &err), 0);
}

static void holds(const char *text)
{
    struct rec_in in;

    assert_int_equal(rec_in_open(&in, path, &err), 0);
    assert_int_equal(in.len, strlen(text));
    assert_memory_equal(in.data, text, in.len);
    rec_in_close(&in);
}

static void replaces_and_keeps_mode(void **state)
{
    struct stat st;

    (void)state;
    put("old");
    assert_int_equal(chmod(path, 0640), 0);
    put("new and longer");
    holds("new and longer");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(access(temporary, F_OK), -1);
}

static void abort_keeps_the_old(void **state)
{
    struct rec_out out;

    (void)state;
    put("old");
    assert_int_equal(rec_out_open(&out, path, false, &err), 0);
    assert_int_equal(rec_out_write(&out, "half", 4, &err), 0);
    rec_out_abort(&out);
    rec_out_abort(&out);
    holds("old");
    assert_int_equal(access(temporary, F_OK), -1);
}

static void a_killed_writer_leaves_the_old(void **state)
{
    (void)state;
    put("old");
    pid_t pid = fork();
    if (pid == 0) {
        struct rec_out out;
        if (rec_out_open(&out, path, false, &err) == 0 && rec_out_write(&out, "half", 4, &err) == 0 && rec_out_flush(&out, &err) == 0)
            kill(getpid(), SIGKILL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    holds("old");
    assert_int_equal(access(temporary, F_OK), 0);
    put("next");
    holds("next");
    assert_int_equal(access(temporary, F_OK), -1);
}

static void two_writers_do_not_mix(void **state)
{
    struct rec_out first, second;

    (void)state;
    assert_int_equal(rec_out_open(&first, path, false, &err), 0);
    assert_int_equal(rec_out_open(&second, path, false, &err), -1);
    assert_non_null(strstr(err.text, "is being written by another process"));
    assert_int_equal(rec_out_write(&first, "first", 5, &err), 0);
    assert_int_equal(rec_out_commit(&first, &err), 0);
    holds("first");
}

static void a_full_disk_is_an_error(void **state)
{
    struct rec_out out;

    (void)state;
    assert_int_equal(rec_out_open(&out, "/dev/full", false, &err), 0);
    assert_int_equal(rec_out_write(&out, "x", 1, &err), 0);
    assert_int_equal(rec_out_commit(&out, &err), -1);
    assert_string_equal(err.text, "/dev/full: no space left on device");
}

static void inputs_that_cannot_be_read(void **state)
{
    struct rec_in in;

    (void)state;
    assert_int_equal(rec_in_open(&in, dir, &err), -1);
    assert_non_null(strstr(err.text, ": is a directory"));
    assert_int_equal(rec_in_open(&in, "/nowhere/file", &err), -1);
    assert_string_equal(err.text, "/nowhere/file: no such file or directory");
    assert_int_equal(rec_in_open(&in, "/dev/null", &err), 0);
    assert_int_equal(in.len, 0);
    rec_in_close(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_and_keeps_mode),  cmocka_unit_test(abort_keeps_the_old),
        cmocka_unit_test(a_killed_writer_leaves_the_old), cmocka_unit_test(two_writers_do_not_mix),
        cmocka_unit_test(a_full_disk_is_an_error),  cmocka_unit_test(inputs_that_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
