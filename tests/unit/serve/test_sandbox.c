/* SPDX-License-Identifier: MIT
 *
 * What a process in the sandbox can do, and what it cannot: each in a child of its own, for there is no way out.
 */
#include <rec/serve.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

static char dir[64], kept[96], written[96], secret[96], inside[128];

static void touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/rec-sandbox-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(kept, sizeof kept, "%s/kept", dir);
    snprintf(written, sizeof written, "%s/written", dir);
    snprintf(secret, sizeof secret, "%s/secret", dir);
    snprintf(inside, sizeof inside, "%s/inside", kept);
    assert_int_equal(mkdir(kept, 0700) | mkdir(written, 0700), 0);
    touch(secret);
    touch(inside);
    return 0;
}

static int tear_down(void **state)
{
    char path[128];

    (void)state;
    unlink(inside);
    unlink(secret);
    snprintf(path, sizeof path, "%s/new", written);
    unlink(path);
    return rmdir(kept) | rmdir(written) | rmdir(dir);
}

/* What a child of that kind ended with: its exit status, or 1000 and the signal. */
static int in_child(int (*work)(void), unsigned need)
{
    struct rec_sandbox_path paths[] = {{kept, false}, {written, true}, {"/nowhere/at/all", true}, {NULL, false}};
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct rec_err err = {0};
        unsigned entered;

        if (rec_sandbox_enter(&entered, paths, REC_LENGTH(paths), &err) < 0)
            _exit(99);
        _exit((entered & need) == need ? work() : 77);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* an old kernel, or a build with a sanitizer */
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- files ---- */

static bool refused(const char *path, int flags)
{
    return open(path, flags | O_CLOEXEC, 0600) < 0 && errno == EACCES;
}

static int open_files(void)
{
    char new[128], wrong[128];
    int fd;

    snprintf(new, sizeof new, "%s/new", written);
    snprintf(wrong, sizeof wrong, "%s/wrong", kept);
    fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) < 0 || close(fd) < 0)
        return 1;
    if (open(inside, O_RDONLY | O_CLOEXEC) < 0)
        return 2;
    if (!refused(inside, O_WRONLY) || !refused(wrong, O_WRONLY | O_CREAT))
        return 3;
    if (!refused(secret, O_RDONLY) || !refused("/etc/shadow", O_RDONLY) || !refused("/etc/passwd", O_RDONLY))
        return 4;
    return unlink(new) < 0 ? 5 : unlink(secret) == 0 ? 6 : 0;
}

static void test_files(void **state)
{
    (void)state;
    assert_int_equal(in_child(open_files, REC_SANDBOX_FILES), 0);
}

/* ---- calls ---- */

static void *nothing(void *argument)
{
    return argument;
}

static int serve_like(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_t thread;
    struct stat st;

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || fstat(fd, &st) < 0)
        return 1;
    if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
        return 2;
    free(malloc(1 << 20));
    return usleep(10) < 0 ? 3 : 0;
}

static int run_program(void)
{
    char *none[] = {NULL};

    execve("/bin/true", none, none);
    return 1;
}

static int make_process(void)
{
    if (fork() == 0)
        _exit(0);
    return 1;
}

static int listen_anew(void)
{
    listen(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), 1);
    return 1;
}

static int signal_others(void)
{
    kill(getppid(), SIGCONT);
    return 1;
}

static int become_somebody(void)
{
    (void)!setuid(getuid());
    return 1;
}

static void test_calls(void **state)
{
    (void)state;
    assert_int_equal(in_child(serve_like, REC_SANDBOX_CALLS), 0);
    assert_int_equal(in_child(run_program, REC_SANDBOX_CALLS), 1000 + SIGSYS);
    assert_int_equal(in_child(make_process, REC_SANDBOX_CALLS), 1000 + SIGSYS);
    assert_int_equal(in_child(listen_anew, REC_SANDBOX_CALLS), 1000 + SIGSYS);
    assert_int_equal(in_child(signal_others, REC_SANDBOX_CALLS), 1000 + SIGSYS);
    assert_int_equal(in_child(become_somebody, REC_SANDBOX_CALLS), 1000 + SIGSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_calls, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
