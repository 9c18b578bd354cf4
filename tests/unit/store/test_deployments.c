/* SPDX-License-Identifier: MIT
 *
 * Which model was put to use when.
 */
#include "both.h"

static int print(void *context, const struct rec_deployment *d)
{
    struct rec_buf *out = context;
    rec_buf_addf(out, "%lld %s %s %s %s %s\n", (long long)d->time, d->model, d->digest, d->action, d->reason, d->actor);
    return 0;
}

static int stop_at_once(void *context, const struct rec_deployment *d)
{
    (void)d;
    return ++*(int *)context;
}

static void are_listed_the_newest_first(void **state)
{
    struct both *b = *state;
    struct rec_buf out = {0};
    struct rec_deployment d = {.time = 100, .model = "m1", .digest = "aa", .action = "promote", .reason = "ndcg@10 0.31 > 0.30", .actor = "ann"};
    int calls = 0;
    both_ok(b, rec_deployments_add(&b->store, &d, &b->err));
    d.time = 90;
    d.action = "rollback";
    d.model = "m0";
    both_ok(b, rec_deployments_add(&b->store, &d, &b->err));
    both_ok(b, rec_deployments_list(&b->store, 10, print, &out, &b->err));
    both_ok(b, rec_deployments_list(&b->store, 1, print, &out, &b->err));
    both_ok(b, rec_deployments_list(&b->store, 0, print, &out, &b->err));
    assert_string_equal(out.data, "90 m0 aa rollback ndcg@10 0.31 > 0.30 ann\n100 m1 aa promote ndcg@10 0.31 > 0.30 ann\n"
                        "90 m0 aa rollback ndcg@10 0.31 > 0.30 ann\n");
    rec_buf_clear(&out);
    both_ok(b, rec_deployments_list(&b->store, SIZE_MAX, stop_at_once, &calls, &b->err));
    assert_int_equal(calls, 1);
    d.action = "delete";
    both_fails(b, rec_deployments_add(&b->store, &d, &b->err), REC_SQL_CONSTRAINT, "its action is delete");
    d.action = "promote";
    d.reason = NULL;
    both_fails(b, rec_deployments_add(&b->store, &d, &b->err), REC_SQL_CONSTRAINT, "its reason is missing");
    d.reason = "\xff";
    both_fails(b, rec_deployments_add(&b->store, &d, &b->err), REC_SQL_CONSTRAINT, "its reason is not UTF-8");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(are_listed_the_newest_first)};
    return both_run(tests, REC_LENGTH(tests));
}
