/* SPDX-License-Identifier: MIT
 *
 * Experiments and their arms.
 */
#include "both.h"

#include <math.h>

static const struct rec_experiment_arm two[] = {{"new", "als-2", 1}, {"control", "", 3.5}};

/* All there are, a line each. */
static int print(void *context, const char *name, const char *salt, int64_t begun, int64_t ended, const struct rec_experiment_arm *arms, size_t n)
{
    struct rec_buf *out = context;
    rec_buf_addf(out, "%s %s %lld %lld", name, salt, (long long)begun, (long long)ended);
    for (size_t i = 0; i < n; i++)
        rec_buf_addf(out, " %s=%s:%g", arms[i].name, arms[i].model, arms[i].weight);
    rec_buf_addc(out, '\n');
    return 0;
}

static void is_list(struct both *b, const char *wanted)
{
    struct rec_buf out = {0};
    rec_buf_adds(&out, "");
    both_ok(b, rec_experiments_list(&b->store, print, &out, &b->err));
    assert_string_equal(out.data, wanted);
    rec_buf_clear(&out);
}

static int stop_at_once(void *context, const char *name, const char *salt, int64_t begun, int64_t ended, const struct rec_experiment_arm *arms,
                        size_t n)
{
    (void)name, (void)salt, (void)begun, (void)ended, (void)arms, (void)n;
    return ++*(int *)context;
}

static void are_added_ended_listed(void **state)
{
    struct both *b = *state;
    int calls = 0;
    is_list(b, "");
    both_ok(b, rec_experiments_add(&b->store, "e2", "salt", two, 2, 100, &b->err));
    both_ok(b, rec_experiments_add(&b->store, "e1", "pepper", two, 1, 101, &b->err));
    is_list(b, "e2 salt 100 0 new=als-2:1 control=:3.5\ne1 pepper 101 0 new=als-2:1\n");
    assert_int_equal(rec_experiments_end(&b->store, "e2", 200, &b->err), 1);
    assert_int_equal(rec_experiments_end(&b->store, "e2", 300, &b->err), 0);
    assert_int_equal(rec_experiments_end(&b->store, "e3", 300, &b->err), 0);
    assert_int_equal(rec_experiments_end(&b->store, "\xff", 300, &b->err), 0);
    is_list(b, "e2 salt 100 200 new=als-2:1 control=:3.5\ne1 pepper 101 0 new=als-2:1\n");
    both_ok(b, rec_experiments_list(&b->store, stop_at_once, &calls, &b->err));
    assert_int_equal(calls, 1);
}

static void what_is_wrong_adds_nothing(void **state)
{
    struct both *b = *state;
    struct rec_experiment_arm arms[65];
    for (size_t i = 0; i < 65; i++)
        arms[i] = (struct rec_experiment_arm){"a", NULL, 1};
    both_ok(b, rec_experiments_add(&b->store, "e", "salt", two, 2, 100, &b->err));
    both_fails(b, rec_experiments_add(&b->store, "e", "salt", two, 2, 100, &b->err), REC_SQL_UNIQUE, "experiment e: there is one of that name");
    both_fails(b, rec_experiments_add(&b->store, "f/g", "salt", two, 2, 100, &b->err), REC_SQL_CONSTRAINT, "a name is 1 to 64 bytes");
    both_fails(b, rec_experiments_add(&b->store, "", "salt", two, 2, 100, &b->err), REC_SQL_CONSTRAINT, "a name is");
    both_fails(b, rec_experiments_add(&b->store, "a\nb", "salt", two, 2, 100, &b->err), REC_SQL_CONSTRAINT, "a name is");
    both_fails(b, rec_experiments_add(&b->store, "f", "salt", two, 0, 100, &b->err), REC_SQL_CONSTRAINT, "has 0 arms");
    both_fails(b, rec_experiments_add(&b->store, "f", "salt", arms, 65, 100, &b->err), REC_SQL_CONSTRAINT, "has 65 arms");
    both_fails(b, rec_experiments_add(&b->store, "f", "salt", arms, 2, 100, &b->err), REC_SQL_UNIQUE, "two arms called a");
    for (size_t i = 0; i < 4; i++) {
        arms[0].weight = (double[]){0, -1, NAN, INFINITY}[i];
        both_fails(b, rec_experiments_add(&b->store, "f", "salt", arms, 1, 100, &b->err), REC_SQL_CONSTRAINT, "experiment f, arm a: its weight");
    }
    arms[0] = (struct rec_experiment_arm){"x/y", NULL, 1};
    both_fails(b, rec_experiments_add(&b->store, "f", "salt", arms, 1, 100, &b->err), REC_SQL_CONSTRAINT, "arm \"x/y\"");
    is_list(b, "e salt 100 0 new=als-2:1 control=:3.5\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_added_ended_listed),
        cmocka_unit_test(what_is_wrong_adds_nothing),
    };
    return both_run(tests, REC_LENGTH(tests));
}
