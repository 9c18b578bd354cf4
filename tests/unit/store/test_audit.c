/* SPDX-License-Identifier: MIT
 *
 * The audit log: it grows, and nothing else.
 */
#include "both.h"

static int print(void *context, int64_t time, const char *actor, const char *action, const char *object, const char *detail,
                 const char *request)
{
    rec_buf_addf(context, "%lld %s|%s|%s|%s|%s\n", (long long)time, actor, action, object, detail, request);
    return 0;
}

static int stop_at_once(void *context, int64_t time, const char *actor, const char *action, const char *object, const char *detail,
                        const char *request)
{
    (void)time, (void)actor, (void)action, (void)object, (void)detail, (void)request;
    return ++*(int *)context;
}

static void is_listed_the_oldest_first(void **state)
{
    struct both *b = *state;
    struct rec_buf out = {0};
    int calls = 0;
    both_ok(b, rec_audit_add(&b->store, 20, "a", "account.role", "x", "user -> admin", "r1", &b->err));
    both_ok(b, rec_audit_add(&b->store, 10, NULL, "forget", NULL, NULL, NULL, &b->err));
    both_ok(b, rec_audit_add(&b->store, 20, "b\xff", "key.add", "y", "caf\xc3\xa9", "", &b->err));
    both_ok(b, rec_audit_list(&b->store, 0, 100, print, &out, &b->err));
    rec_buf_adds(&out, "--\n");
    both_ok(b, rec_audit_list(&b->store, 11, 1, print, &out, &b->err)); /* the last one */
    assert_string_equal(out.data, "10 |forget|||\n20 a|account.role|x|user -> admin|r1\n20 b?|key.add|y|caf\xc3\xa9|\n--\n"
                        "20 b?|key.add|y|caf\xc3\xa9|\n");
    rec_buf_clear(&out);
    both_ok(b, rec_audit_list(&b->store, 0, SIZE_MAX, stop_at_once, &calls, &b->err));
    assert_int_equal(calls, 1);
}

static void is_never_changed(void **state)
{
    struct both *b = *state;
    both_ok(b, rec_audit_add(&b->store, 20, "a", "b", "c", "d", "e", &b->err));
    both_fails(b, rec_sql_exec(b->store.db, NULL, "UPDATE audit_log SET actor = 'x'", REC_SQL_NONE, &b->err), REC_SQL_CONSTRAINT, "append-only");
    both_fails(b, rec_sql_exec(b->store.db, NULL, "DELETE FROM audit_log", REC_SQL_NONE, &b->err), REC_SQL_CONSTRAINT, "append-only");
    assert_int_equal(both_int(b, "SELECT count(*) FROM audit_log WHERE actor = 'a'"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_listed_the_oldest_first), cmocka_unit_test(is_never_changed)};
    return both_run(tests, REC_LENGTH(tests));
}
