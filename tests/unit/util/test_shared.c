/* SPDX-License-Identifier: MIT
 *
 * Memory that processes share: made once, seen by all, refused when it is another's.
 */
#include <rec/util.h>

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct rec_err err;
static const char head[16] = "rec.test/1\n#dice";

static struct rec_shared what(size_t bytes)
{
    return (struct rec_shared){.bytes = bytes, .head = head, .head_len = sizeof head, .same = 11, .what = "a test"};
}

static void shared_by_all(void **state)
{
    char directory[] = "/tmp/rec-test-shared-XXXXXX", path[64];
    struct rec_shared s = what(4096), other = what(8192);
    unsigned char *map, *again;
    struct stat st;

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/map", directory);
    map = rec_shared_map(&s, path, &err);
    assert_non_null(map);
    assert_memory_equal(map, head, sizeof head);
    assert_int_equal(map[4095], 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(st.st_size, 4096);
    /* While it is mapped here, another process maps it, with another rest of the head, and changes it. */
    if (fork() == 0) {
        struct rec_shared mine = s;
        unsigned char *there;

        mine.head = "rec.test/1\n#DICE";
        there = rec_shared_map(&mine, path, &err);
        if (!there)
            _exit(1);
        there[100] = 7;
        _exit(memcmp(there, head, sizeof head) != 0);
    }
    int status;
    assert_true(wait(&status) > 0);
    assert_int_equal(status, 0);
    assert_int_equal(map[100], 7);
    again = rec_shared_map(&s, path, &err);
    assert_non_null(again);
    assert_int_equal(again[100], 7);
    rec_shared_unmap(again, 4096);
    /* Another size, another make, a link, a directory. */
    assert_null(rec_shared_map(&other, path, &err));
    assert_non_null(strstr(err.text, "not a test of this size"));
    s.head = "rec.tset/1\n#dice";
    assert_null(rec_shared_map(&s, path, &err));
    rec_shared_unmap(map, 4096);
    unlink(path);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_null(rec_shared_map(&s, path, &err));
    unlink(path);
    assert_null(rec_shared_map(&s, directory, &err));
    rmdir(directory);
    assert_null(rec_shared_map(&s, path, &err));
}

static void of_this_process(void **state)
{
    struct rec_shared s = what(4096);
    unsigned char *map = rec_shared_map(&s, NULL, &err);

    (void)state;
    assert_non_null(map);
    assert_memory_equal(map, head, sizeof head);
    rec_shared_unmap(map, 4096);
    rec_shared_unmap(NULL, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(shared_by_all), cmocka_unit_test(of_this_process)};
    return cmocka_run_group_tests_name("shared", tests, NULL, NULL);
}
