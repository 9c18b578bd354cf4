/* SPDX-License-Identifier: MIT
 *
 * How much there is of everything.
 */
#include "both.h"

static int64_t value(const struct rec_stat *stat, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(stat[i].name, name) == 0)
            return stat[i].value;
    fail_msg("no %s", name);
    return -1;
}

static const char rows[] =
    "INSERT INTO users (name) VALUES ('a'), ('b'), ('c');"
    "INSERT INTO movies (name, title) VALUES ('m', 'Metropolis'), ('n', '');"
    "INSERT INTO loads (what, digest, started, finished, rows, added, changed, timed) VALUES ('ratings', 1, 5, 7, 2, 2, 0, 1);"
    "INSERT INTO ratings (user_id, movie_id, value, load_id) SELECT u.id, m.id, 3, 1 FROM users u, movies m WHERE u.name <> 'c';"
    "INSERT INTO feedback (received, time, user_id, movie_id, part, kind, request) SELECT 1700000000999999, 1, u.id, m.id, m.id, 'like', 'r' "
    "FROM users u, movies m;"
    "INSERT INTO accounts (id, name, name_key, role, disabled, created, changed, last_login, password_changed) VALUES "
    "('1', 'A', 'a', 'admin', 0, 1, 1, 9, 1), ('2', 'B', 'b', 'admin', 1, 1, 1, 11, 1);"
    "INSERT INTO backups (name, created) VALUES ('x', 77), ('y', 66);";

static void counts(void **state)
{
    struct both *b = *state;
    struct rec_stat stat[REC_STATS_MAX];
    int n = rec_stats(stat, &b->store, &b->err);
    assert_true(n > 0 && n <= REC_STATS_MAX);
    for (int i = 0; i < n; i++) {
        bool always = strcmp(stat[i].name, "bytes") == 0 || strcmp(stat[i].name, "schema_version") == 0;
        assert_true(always ? stat[i].value > 0 : stat[i].value == 0);
        assert_true(strlen(stat[i].help) > 0);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(stat[i].name, stat[j].name);
    }
    both_ok(b, rec_sql_script(b->store.db, rows, &b->err));
    n = rec_stats(stat, &b->store, &b->err);
    assert_int_equal(value(stat, n, "users"), 3);
    assert_int_equal(value(stat, n, "movies"), 2);
    assert_int_equal(value(stat, n, "movies_untitled"), 1);
    assert_int_equal(value(stat, n, "ratings"), 4);
    assert_int_equal(value(stat, n, "feedback"), 6);
    assert_int_equal(value(stat, n, "feedback_last"), 1700000000);
    assert_int_equal(value(stat, n, "loads"), 1);
    assert_int_equal(value(stat, n, "loads_last"), 7);
    assert_int_equal(value(stat, n, "accounts"), 2);
    assert_int_equal(value(stat, n, "accounts_admin"), 1);
    assert_int_equal(value(stat, n, "accounts_disabled"), 1);
    assert_int_equal(value(stat, n, "accounts_login_last"), 11);
    assert_int_equal(value(stat, n, "backups_last"), 77);
    assert_int_equal(value(stat, n, "deployments_last"), 0);
}

/* What others commit meanwhile is in none of the figures. */
static void are_of_one_snapshot(void **state)
{
    struct both *b = *state;
    struct rec_store other;
    struct rec_stat stat[REC_STATS_MAX];
    both_open(&other, b);
    both_ok(b, rec_sql_begin(b->store.db, REC_SQL_READ, &b->err));
    int n = rec_stats(stat, &b->store, &b->err);
    both_ok(b, rec_sql_script(other.db, rows, &b->err));
    n = rec_stats(stat, &b->store, &b->err);
    assert_int_equal(value(stat, n, "ratings"), 0);
    assert_true(rec_sql_in_transaction(b->store.db));
    rec_sql_rollback(b->store.db);
    n = rec_stats(stat, &b->store, &b->err);
    assert_int_equal(value(stat, n, "ratings"), 4);
    assert_false(rec_sql_in_transaction(b->store.db));
    rec_store_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts), cmocka_unit_test(are_of_one_snapshot)};
    return both_run(tests, REC_LENGTH(tests));
}
