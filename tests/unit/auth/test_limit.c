/* SPDX-License-Identifier: MIT
 *
 * Limits: bursts and the long run, keys apart from each other, the file that processes share, and many of them at once.
 */
#include <rec/auth.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct rec_err err;
static const struct rec_limit_rate rate = {.per_second = 2, .burst = 5};

static struct rec_limit_answer ask(struct rec_limit *limit, const char *key, double cost, double now)
{
    struct rec_limit_answer answer;

    rec_limit_ask(&answer, limit, key, strlen(key), &rate, cost, now);
    return answer;
}

static void bursts(void **state)
{
    struct rec_limit *limit;
    struct rec_limit_answer a;

    (void)state;
    assert_int_equal(rec_limit_open(&limit, NULL, 1024, &err), 0);
    for (int i = 0; i < 5; i++) {
        a = ask(limit, "ann", 1, 1000);
        assert_true(a.allowed);
        assert_float_equal(a.remaining, 4 - i, 1e-9);
        assert_float_equal(a.reset, (i + 1) / 2.0, 1e-5);
    }
    a = ask(limit, "ann", 1, 1000);
    assert_false(a.allowed);
    assert_float_equal(a.retry, 0.5, 1e-5);
    assert_float_equal(a.remaining, 0, 0);
    assert_true(ask(limit, "bob", 1, 1000).allowed);
    assert_false(ask(limit, "ann", 1, 1000.49).allowed);
    assert_true(ask(limit, "ann", 1, 1000.5).allowed);
    assert_false(ask(limit, "ann", 1, 1000.5).allowed);
    assert_false(ask(limit, "bob", 5, 1000).allowed);
    assert_true(ask(limit, "bob", 4, 1000).allowed);
    assert_false(ask(limit, "cat", 6, 1000).allowed);
    assert_true(ask(limit, "ann", 5, 2000).allowed);
    rec_limit_close(limit);
}

/* In the long run, exactly the rate, however the requests come. */
static void long_run(void **state)
{
    struct rec_limit *limit;
    struct rec_rng rng;
    double now = 5e8;
    int allowed = 0;

    (void)state;
    assert_int_equal(rec_limit_open(&limit, NULL, 8, &err), 0);
    rec_rng_seed(&rng, 1, 0);
    for (; now < 5e8 + 1000; now += rec_rng_uniform(&rng) * 0.1)
        allowed += ask(limit, "ann", 1, now).allowed;
    assert_in_range(allowed, 2003, 2006);
    rec_limit_close(limit);
}

/* A clock that begins anew (a reboot, while the file stays) locks nobody out for longer than a burst. */
static void clock_anew(void **state)
{
    struct rec_limit *limit;

    (void)state;
    assert_int_equal(rec_limit_open(&limit, NULL, 8, &err), 0);
    assert_true(ask(limit, "ann", 5, 1e9).allowed);
    assert_false(ask(limit, "ann", 1, 10).allowed);
    assert_true(ask(limit, "bob", 1, 1e9).allowed);
    for (int i = 0; i < 5; i++)
        ask(limit, "ann", 1, 11 + i);
    assert_true(ask(limit, "ann", 1, 20).allowed);
    rec_limit_close(limit);
}

/* More keys than the table holds: newcomers are served, and whoever asks again at once is still counted. */
static void crowd(void **state)
{
    struct rec_limit *limit;
    char key[32];

    (void)state;
    assert_int_equal(rec_limit_open(&limit, NULL, 64, &err), 0);
    for (int i = 0; i < 10000; i++) {
        snprintf(key, sizeof key, "address %d", i);
        assert_true(ask(limit, key, 5, 100 + i).allowed);
        assert_false(ask(limit, key, 1, 100 + i).allowed);
    }
    rec_limit_close(limit);
}

/* Eight processes and one file: together they get what one would. */
static void processes(void **state)
{
    char path[] = "/tmp/rec-test-limit-XXXXXX", file[64];
    struct rec_limit *limit;
    struct stat st;
    int passed = 0, status;

    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(file, sizeof file, "%s/limits", path);
    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            struct rec_limit_rate fast = {.per_second = 1e-3, .burst = 100};
            struct rec_limit_answer a;
            int n = 0;

            if (rec_limit_open(&limit, file, 1024, &err) < 0)
                _exit(255);
            for (int k = 0; k < 2000; k++) {
                rec_limit_ask(&a, limit, "all", 3, &fast, 1, 1000);
                n += a.allowed;
            }
            rec_limit_close(limit);
            _exit(n);
        }
    for (int i = 0; i < 8; i++) {
        assert_true(wait(&status) > 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 255);
        passed += WEXITSTATUS(status);
    }
    /* Processes that meet at a new key may each have taken the slot for theirs: one request more, not a burst. */
    assert_in_range(passed, 100, 108);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(rec_limit_open(&limit, file, 2048, &err), -1);
    assert_non_null(strstr(err.text, "not a table of limits of this size"));
    unlink(file);
    assert_int_equal(symlink("/etc/passwd", file), 0);
    assert_int_equal(rec_limit_open(&limit, file, 1024, &err), -1);
    unlink(file);
    rmdir(path);
    assert_int_equal(rec_limit_open(&limit, file, 1024, &err), -1);
    assert_int_equal(rec_limit_open(&limit, NULL, 1000, &err), -1);
}

/* A process that has it mapped keeps nobody from opening it. A lock that stayed would be waited for without end: the alarm ends the test. */
static void at_once(void **state)
{
    char path[] = "/tmp/rec-test-limit-XXXXXX", file[64];
    struct rec_limit *one, *other;

    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(file, sizeof file, "%s/limits", path);
    assert_int_equal(rec_limit_open(&one, file, 1024, &err), 0);
    alarm(20);
    assert_int_equal(rec_limit_open(&other, file, 1024, &err), 0);
    alarm(0);
    rec_limit_close(other);
    rec_limit_close(one);
    unlink(file);
    rmdir(path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(bursts), cmocka_unit_test(long_run), cmocka_unit_test(clock_anew), cmocka_unit_test(crowd), cmocka_unit_test(processes),
        cmocka_unit_test(at_once),
    };
    return cmocka_run_group_tests_name("limit", tests, NULL, NULL);
}
