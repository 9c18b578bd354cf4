/* SPDX-License-Identifier: MIT
 *
 * argon2id: texts of the reference implementation's own tests (RFC 9106's vector has a second secret and four lanes, which libsodium does
 * not have); what no password may do.
 */
#include "bytes.h"

static struct rec_err err;

static const struct rec_password_cost cheap = {.passes = 1, .memory = 8192};

static void texts_of_the_reference_implementation(void **state)
{
    static const char *const same[] = {
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2id$v=19$m=65536,t=1,p=1$c29tZXNhbHQ$9qWtwbpyPd3vm1rB1GThgPzZ3/ydHL92zKL+15XZypg"};
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(same); i++) {
        assert_true(rec_password_verify(same[i], "password", 8));
        assert_false(rec_password_verify(same[i], "passwore", 8));
    }
    assert_true(rec_password_verify("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$C4TWUs9rDEvq7w3+J4umqA32aWKB1+DSiRuBfYxFj94",
                                    "differentpassword", 17));
}

static void hashes(void **state)
{
    char a[REC_PASSWORD_TEXT], b[REC_PASSWORD_TEXT];
    (void)state;
    assert_int_equal(rec_password_hash(a, "correct horse", 13, &cheap, &err), 0);
    assert_int_equal(rec_password_hash(b, "correct horse", 13, &cheap, &err), 0);
    assert_memory_equal(a, "$argon2id$v=19$m=8,t=1,p=1$", 27);
    assert_string_not_equal(a, b);
    assert_true(memchr(a, 0, sizeof a) != NULL);
    for (size_t i = strlen(a); i < sizeof a; i++)
        assert_int_equal(a[i], 0);
    assert_true(rec_password_verify(a, "correct horse", 13));
    assert_true(rec_password_verify(b, "correct horse", 13));
    assert_false(rec_password_verify(a, "correct horsf", 13));
    assert_false(rec_password_verify(a, "correct horse", 12));
    assert_false(rec_password_verify(a, "correct horse\0", 14));
    assert_false(rec_password_verify(a, "", 0));
}

static void any_bytes(void **state)
{
    char text[REC_PASSWORD_TEXT], password[REC_PASSWORD_LONGEST + 1];
    (void)state;
    rec_secret_random(password, sizeof password);
    assert_int_equal(rec_password_hash(text, password, REC_PASSWORD_LONGEST, &cheap, &err), 0);
    assert_true(rec_password_verify(text, password, REC_PASSWORD_LONGEST));
    assert_int_equal(rec_password_hash(text, password, sizeof password, &cheap, &err), -1);
    is_message(&err);
    assert_false(rec_password_verify(text, password, sizeof password));
    assert_int_equal(rec_password_hash(text, "a\0b", 3, &cheap, &err), 0);
    assert_false(rec_password_verify(text, "a", 1));
    assert_false(rec_password_verify(text, "a\0c", 3));
    assert_true(rec_password_verify(text, "a\0b", 3));
}

static void texts_that_are_none(void **state)
{
    static const char *const wrong[] = {"", "password", "$", "$argon2id$", "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                                        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/5",
                                        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$", "$argon2id$v=19$m=99999999999,t=2,p=1$c29tZXNhbHQ$AAAA",
                                        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4x"};
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(wrong); i++) {
        assert_false(rec_password_verify(wrong[i], "password", 8));
        assert_true(rec_password_stale(wrong[i], &cheap));
    }
}

static void costs(void **state)
{
    static const struct rec_password_cost dearer = {.passes = 2, .memory = 8192}, larger = {.passes = 1, .memory = 65536};
    char text[REC_PASSWORD_TEXT];
    (void)state;
    assert_int_equal(rec_password_hash(text, "correct horse", 13, &cheap, &err), 0);
    assert_false(rec_password_stale(text, &cheap));
    assert_true(rec_password_stale(text, &dearer));
    assert_true(rec_password_stale(text, &larger));
    assert_int_equal(rec_password_hash(text, "x", 1, &(struct rec_password_cost){.passes = 0, .memory = 8192}, &err), -1);
    is_message(&err);
    assert_int_equal(rec_password_hash(text, "x", 1, &(struct rec_password_cost){.passes = 1, .memory = 100}, &err), -1);
    is_message(&err);
    assert_int_equal(rec_password_interactive.passes, 3);
    assert_int_equal(rec_password_interactive.memory, 65536 * 1024);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Somebody who is not there takes as long as somebody who is; processor time, and the least of several, for the sake of a busy machine. */
static void nobody_takes_as_long(void **state)
{
    char text[REC_PASSWORD_TEXT];
    double somebody = 1e9, nobody = 1e9;
    (void)state;
    assert_int_equal(rec_password_hash(text, "correct horse", 13, &rec_password_interactive, &err), 0);
    for (int i = 0; i < 4; i++) {
        double t = seconds();
        assert_false(rec_password_verify(text, "another horse", 13));
        somebody = seconds() - t < somebody ? seconds() - t : somebody;
        t = seconds();
        assert_false(rec_password_verify(NULL, "another horse", 13));
        nobody = seconds() - t < nobody ? seconds() - t : nobody;
    }
    assert_true(nobody > 0.5 * somebody && nobody < 2 * somebody);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_the_reference_implementation),
        cmocka_unit_test(hashes),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(texts_that_are_none),
        cmocka_unit_test(costs),
        cmocka_unit_test(nobody_takes_as_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
