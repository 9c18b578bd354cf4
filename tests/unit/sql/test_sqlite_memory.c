/* SPDX-License-Identifier: MIT
 *
 * Each allocation of SQLite's in turn fails.
 */
#include "sweep.h"

static sqlite3_mem_methods real;

static void *failing_malloc(int n)
{
    return fails() ? NULL : real.xMalloc(n);
}

static void *failing_realloc(void *p, int n)
{
    return fails() ? NULL : real.xRealloc(p, n);
}

static int install(void)
{
    sqlite3_mem_methods mine;

    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
        return -1;
    mine = real;
    mine.xMalloc = failing_malloc;
    mine.xRealloc = failing_realloc;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &mine) == SQLITE_OK ? 0 : -1;
}

static void one_allocation_fails(void **state)
{
    (void)state;
    sweep(false);
}

static void all_fail_from_one_on(void **state)
{
    (void)state;
    sweep(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_allocation_fails),
        cmocka_unit_test(all_fail_from_one_on),
    };

    if (install() < 0)
        return 1;
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
