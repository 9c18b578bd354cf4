/* SPDX-License-Identifier: MIT
 *
 * Tokens that were taken back.
 */
#include "both.h"

static void are_taken_back_until_they_expire(void **state)
{
    struct both *b = *state;
    assert_int_equal(rec_tokens_revoked(&b->store, "a", &b->err), 0);
    both_ok(b, rec_tokens_revoke(&b->store, "a", "ann", 100, 10, &b->err));
    both_ok(b, rec_tokens_revoke(&b->store, "b", "ann", 50, 10, &b->err));
    assert_int_equal(rec_tokens_revoked(&b->store, "a", &b->err), 1);
    assert_int_equal(rec_tokens_revoked(&b->store, "b", &b->err), 1);
    assert_int_equal(rec_tokens_revoked(&b->store, "c", &b->err), 0);
    /* One that would have expired goes when the next one comes, and not a second before. */
    both_ok(b, rec_tokens_revoke(&b->store, "c", "ben", 200, 50, &b->err));
    assert_int_equal(rec_tokens_revoked(&b->store, "b", &b->err), 1);
    both_ok(b, rec_tokens_revoke(&b->store, "c", "ben", 200, 51, &b->err));
    assert_int_equal(rec_tokens_revoked(&b->store, "b", &b->err), 0);
    assert_int_equal(rec_tokens_revoked(&b->store, "a", &b->err), 1);
}

static void taken_back_twice_keeps_the_later_end(void **state)
{
    struct both *b = *state;
    both_ok(b, rec_tokens_revoke(&b->store, "a", "ann", 100, 10, &b->err));
    both_ok(b, rec_tokens_revoke(&b->store, "a", "ann", 70, 20, &b->err));
    assert_int_equal(both_int(b, "SELECT expires * 1000 + revoked FROM revoked_tokens"), 100010);
    both_ok(b, rec_tokens_revoke(&b->store, "a", "ann", 170, 30, &b->err));
    assert_int_equal(both_int(b, "SELECT expires FROM revoked_tokens"), 170);
    assert_int_equal(both_int(b, "SELECT count(*) FROM revoked_tokens"), 1);
}

static void names_are_checked(void **state)
{
    struct both *b = *state;
    char name[257];
    memset(name, 'j', 256);
    name[256] = 0;
    both_fails(b, rec_tokens_revoke(&b->store, "", "ann", 100, 10, &b->err), REC_SQL_CONSTRAINT, "jti");
    both_fails(b, rec_tokens_revoke(&b->store, name, "ann", 100, 10, &b->err), REC_SQL_CONSTRAINT, "jti");
    both_fails(b, rec_tokens_revoke(&b->store, "\xff", "ann", 100, 10, &b->err), REC_SQL_CONSTRAINT, "jti");
    assert_int_equal(rec_tokens_revoked(&b->store, "\xff", &b->err), 0);
    assert_int_equal(rec_tokens_revoked(&b->store, name, &b->err), 0);
    name[255] = 0;
    both_ok(b, rec_tokens_revoke(&b->store, name, "ann", 100, 10, &b->err));
    assert_int_equal(rec_tokens_revoked(&b->store, name, &b->err), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM revoked_tokens"), 1);
}

static int take(struct both *b, const char *jti, const char *family, int64_t now, bool *used)
{
    return rec_tokens_take(used, &b->store, jti, family, "ann", now + 100, now + 200, now, &b->err);
}

/* One serves once; a second time it takes its family back, which is known until the last of it has expired. */
static void serve_once(void **state)
{
    struct both *b = *state;
    bool used;
    assert_int_equal(take(b, "a", "a", 10, &used), 1);
    assert_false(used);
    assert_int_equal(take(b, "b", "a", 11, &used), 1);
    assert_int_equal(take(b, "x", "x", 11, &used), 1);
    assert_int_equal(take(b, "a", "a", 12, &used), 0);
    assert_true(used);
    assert_int_equal(take(b, "c", "a", 13, &used), 0);
    assert_false(used);
    assert_int_equal(take(b, "c", "a", 13, &used), 0);
    assert_int_equal(take(b, "a", "a", 13, &used), 0);
    assert_false(used);
    assert_int_equal(take(b, "y", "x", 13, &used), 1);
    both_ok(b, rec_tokens_revoke(&b->store, "later", "ann", 1000, 212, &b->err));
    assert_int_equal(take(b, "d", "a", 212, &used), 0);
    both_ok(b, rec_tokens_revoke(&b->store, "later", "ann", 1000, 213, &b->err));
    assert_int_equal(take(b, "e", "a", 213, &used), 1);
    /* by itself */
    both_ok(b, rec_tokens_revoke_family(&b->store, "x", "ann", 500, 214, &b->err));
    assert_int_equal(take(b, "z", "x", 214, &used), 0);
    assert_false(used);
    assert_int_equal(take(b, "", "x", 214, &used), 0);
    assert_int_equal(take(b, "\xff", "x", 214, &used), 0);
    assert_int_equal(take(b, "q", "\xff", 214, &used), 0);
    assert_int_equal(rec_tokens_revoked(&b->store, "q", &b->err), 0);
    /* A token is not taken back by the name of a family, nor the other way. */
    assert_int_equal(rec_tokens_revoked(&b->store, "later", &b->err), 1);
    assert_int_equal(take(b, "r", "later", 214, &used), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_taken_back_until_they_expire),
        cmocka_unit_test(taken_back_twice_keeps_the_later_end),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(serve_once),
    };
    return both_run(tests, REC_LENGTH(tests));
}
