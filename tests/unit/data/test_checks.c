/* SPDX-License-Identifier: MIT
 *
 * Each check on a set of ratings of known faults.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "small.h"

static struct rec_check_result result[REC_CHECKS_MAX];
static size_t n;
static struct rec_err err;

static const struct rec_check_result *find(const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(result[i].check->name, name) == 0)
            return &result[i];
    fail_msg("no check %s", name);
    return NULL;
}

static void is(const char *name, double value, enum rec_check_verdict verdict)
{
    const struct rec_check_result *r = find(name);

    if (!(fabs(r->value - value) < 1e-12 || (isnan(value) && isnan(r->value))) || r->verdict != verdict)
        fail_msg("%s: %g, %d (%s)", name, r->value, (int)r->verdict, r->text);
}

static void small_set(void **state)
{
    static const int64_t offset[] = {0, 1, 2};
    const struct rec_ids known = {"az", offset, 2, {NULL}};
    struct rec_ratings r = small_ratings();
    struct rec_checks_options o;

    (void)state;
    rec_checks_defaults(&o);
    o.low = 1;
    o.high = 4.5;
    o.step = 1;
    o.cold = 2;
    o.per_day = 1;
    o.now = 2000000000;
    o.catalogue = &known;
    assert_true((n = rec_checks_run(result, &r, &o, &err)) > 10);
    is("ratings", 5, REC_CHECK_OK);
    is("range", 2, REC_CHECK_FAIL);
    is("step", 2, REC_CHECK_FAIL);
    is("values", 5, REC_CHECK_OK);
    is("times-missing", 0.2, REC_CHECK_WARN);
    is("times-early", 1, REC_CHECK_FAIL);
    is("times-late", 1, REC_CHECK_FAIL);
    is("density", 5 / 12.0, REC_CHECK_OK);
    is("cold-users", 1 / 3.0, REC_CHECK_OK);
    is("cold-items", 0.5, REC_CHECK_OK);
    is("one-value", 0, REC_CHECK_OK);
    is("bots", 1, REC_CHECK_WARN);                 /* ann's ratings of second -1 and 0 */
    is("skew", (-3 * 0 - 1 * 1 + 1 * 2 + 3 * 2) / 20.0, REC_CHECK_OK);
    is("orphans", 1 / 3.0, REC_CHECK_FAIL);        /* w,"y is one id */
    is("unrated", 0, REC_CHECK_OK);
}

static void nothing_and_little(void **state)
{
    static const int64_t zero[1] = {0};
    struct rec_ratings none = {.user_ptr = zero}, r = small_ratings();
    struct rec_checks_options o;

    (void)state;
    rec_checks_defaults(&o);
    n = rec_checks_run(result, &none, &o, &err);
    is("ratings", 0, REC_CHECK_FAIL);
    is("range", NAN, REC_CHECK_SKIPPED);
    is("orphans", NAN, REC_CHECK_SKIPPED);
    is("density", 0, REC_CHECK_WARN);
    r.time = NULL;
    n = rec_checks_run(result, &r, &o, &err);
    is("times-missing", 1, REC_CHECK_WARN);
    is("times-late", NAN, REC_CHECK_SKIPPED);
    is("bots", NAN, REC_CHECK_SKIPPED);
}

/* Times at both ends of what 64 bits hold, and thousands of values. */
static void extremes(void **state)
{
    enum { N = 3000 };
    static int64_t ptr[2] = {0, N}, time[N];
    static int32_t item[N];
    static float value[N];
    static const int64_t offset[] = {0, 1};
    struct rec_ratings r = {.n_users = 1, .n_items = N, .nnz = N, .user_ptr = ptr, .item = item, .value = value,
                            .time = time, .users = {"\033", offset, 1, {NULL}}};
    struct rec_checks_options o;

    (void)state;
    for (int i = 0; i < N; i++) {
        item[i] = i;
        value[i] = (float)(i * 1e30);
        time[i] = i % 2 ? INT64_MAX : INT64_MIN;
    }
    rec_checks_defaults(&o);
    n = rec_checks_run(result, &r, &o, &err);
    is("values", 1001, REC_CHECK_WARN);
    is("bots", 1, REC_CHECK_WARN);
    assert_null(strchr(find("bots")->text, '\033'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(small_set), cmocka_unit_test(nothing_and_little),
                                       cmocka_unit_test(extremes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
