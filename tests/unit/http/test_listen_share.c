/* SPDX-License-Identifier: MIT */
#include "../../../lib/http/listen_priv.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct rec_err err;

static struct sockaddr_storage address(uint32_t number)
{
    struct sockaddr_storage name = {0};

    ((struct sockaddr_in *)&name)->sin_family = AF_INET;
    ((struct sockaddr_in *)&name)->sin_addr.s_addr = number;
    return name;
}

static struct rec_listen_peer *enter(struct rec_listen_share *share, size_t process, uint32_t number, size_t most)
{
    struct sockaddr_storage name = address(number);

    return rec_listen_share_enter(share, process, &name, most);
}

static void next_to_who_has_least(void **state)
{
    struct rec_listen_share *share;

    (void)state;
    assert_int_equal(rec_listen_share_new(&share, 3, 0, &err), 0);
    assert_false(rec_listen_share_is_ahead(share, 0, 100)); /* the others do not run */
    rec_listen_share_say(share, 1, 5);
    assert_false(rec_listen_share_is_ahead(share, 0, 5));
    assert_true(rec_listen_share_is_ahead(share, 0, 6));
    rec_listen_share_say(share, 2, 1000);
    assert_true(rec_listen_share_is_ahead(share, 0, 6));
    rec_listen_share_left(share, 1);
    assert_false(rec_listen_share_is_ahead(share, 0, 1125)); /* an eighth is no matter */
    assert_true(rec_listen_share_is_ahead(share, 0, 1126));
    rec_listen_share_free(share);
    assert_int_equal(rec_listen_share_new(&share, 0, 0, &err), -1);
    assert_int_equal(rec_listen_share_new(&share, REC_LISTEN_PROCESSES + 1, 0, &err), -1);
}

static void addresses_of_all(void **state)
{
    enum { MANY = 20000 };
    struct rec_listen_share *share;
    static struct rec_listen_peer *one[MANY];

    (void)state;
    assert_int_equal(rec_listen_share_new(&share, 2, MANY, &err), 0);
    assert_non_null(enter(share, 0, 7, 2));
    assert_non_null(enter(share, 1, 7, 2));
    assert_null(enter(share, 0, 7, 2));
    assert_null(enter(share, 1, 7, 2));
    rec_listen_share_left(share, 1); /* it died */
    one[0] = enter(share, 0, 7, 2);
    assert_non_null(one[0]);
    assert_null(enter(share, 1, 7, 2));
    rec_listen_share_leave(share, 0, one[0]);
    rec_listen_share_leave(share, 0, one[0]);
    /* All places, twice: none is lost. */
    for (int twice = 0; twice < 2; twice++) {
        for (uint32_t i = 0; i < MANY; i++)
            assert_non_null(one[i] = enter(share, i % 2, i, 1));
        assert_null(enter(share, 0, MANY + 1, 1));
        for (uint32_t i = 0; i < MANY; i++)
            assert_null(enter(share, 0, i, 1));
        for (uint32_t i = 0; i < MANY; i++)
            rec_listen_share_leave(share, i % 2, one[i]);
    }
    rec_listen_share_free(share);
}

/* Killed at any moment, with the lock or without: what the others count stays right. */
static void killed(void **state)
{
    struct rec_listen_share *share;
    struct rec_listen_peer *ours[100];

    (void)state;
    assert_int_equal(rec_listen_share_new(&share, 2, 400, &err), 0);
    for (int round = 0; round < 30; round++) {
        pid_t pid = fork();

        if (pid == 0)
            for (uint32_t i = 0;; i++) {
                struct rec_listen_peer *peer = enter(share, 1, i % 50, 1000);

                if (peer && i % 3)
                    rec_listen_share_leave(share, 1, peer);
            }
        for (uint32_t i = 0; i < REC_LENGTH(ours); i++)
            assert_non_null(ours[i] = enter(share, 0, i, 1000000000));
        usleep(2000 + (useconds_t)round * 100);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        rec_listen_share_left(share, 1);
        for (uint32_t i = 0; i < REC_LENGTH(ours); i++)
            assert_null(enter(share, 1, i, 1));
        for (uint32_t i = 0; i < REC_LENGTH(ours); i++)
            rec_listen_share_leave(share, 0, ours[i]);
        for (uint32_t i = 0; i < 400; i++) {
            struct rec_listen_peer *peer = enter(share, 1, 1000 + i, 1);

            assert_non_null(peer);
            assert_null(enter(share, 1, 1000 + i, 1));
        }
        rec_listen_share_left(share, 1);
    }
    rec_listen_share_free(share);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(next_to_who_has_least), cmocka_unit_test(addresses_of_all), cmocka_unit_test(killed)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
