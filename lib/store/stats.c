/* SPDX-License-Identifier: MIT
 *
 * How much there is of everything, from one snapshot.
 *
 * All figures are exact. To count the ratings is to look at each page of them: 20 million take half a second on SQLite and 0.5 to 1.5 s on
 * PostgreSQL. PostgreSQL's own estimate (reltuples) costs nothing and may be off by any amount after a load; a counter that each
 * transaction changes would make all who send feedback wait for one another.
 */
#include <rec/store.h>

static const struct query {
    const char *name, *help, *sql;
    bool is_time;
} queries[] = {
    {"users", "users of the data set", "SELECT count(*) FROM users", false},
    {"movies", "movies", "SELECT count(*) FROM movies", false},
    {"movies_untitled", "movies that were rated and have no title", "SELECT count(*) FROM movies WHERE title = ''", false},
    {"ratings", "pairs of user and movie with a rating", "SELECT count(*) FROM ratings", false},
    {"feedback", "events of feedback", "SELECT count(*) FROM feedback", false},
    {"feedback_last", "when the last event was received", "SELECT max(received) / 1000000 FROM feedback", true},
    {"loads", "files of ratings or movies that were loaded", "SELECT count(*) FROM loads", false},
    {"loads_last", "when the last load became visible", "SELECT max(finished) FROM loads", true},
    {"accounts", "accounts", "SELECT count(*) FROM accounts", false},
    {"accounts_disabled", "accounts that are disabled", "SELECT count(*) FROM accounts WHERE disabled = 1", false},
    {"accounts_admin", "administrators who are not disabled", "SELECT count(*) FROM accounts WHERE disabled = 0 AND role = 'admin'", false},
    {"accounts_tied", "accounts tied to a user of the data set", "SELECT count(*) FROM accounts WHERE user_id IS NOT NULL", false},
    {"accounts_login_last", "when somebody last logged in", "SELECT max(last_login) FROM accounts", true},
    {"api_keys", "API keys that were not revoked", "SELECT count(*) FROM api_keys WHERE revoked = 0", false},
    {"api_keys_revoked", "API keys that were", "SELECT count(*) FROM api_keys WHERE revoked <> 0", false},
    {"tokens_revoked", "tokens taken back before their time", "SELECT count(*) FROM revoked_tokens", false},
    {"experiments", "experiments that go on", "SELECT count(*) FROM experiments WHERE ended = 0", false},
    {"experiments_ended", "experiments that have ended", "SELECT count(*) FROM experiments WHERE ended <> 0", false},
    {"deployments", "models put to use, and rollbacks", "SELECT count(*) FROM deployments", false},
    {"deployments_last", "when the last was", "SELECT max(time) FROM deployments", true},
    {"backups", "archives that were made", "SELECT count(*) FROM backups", false},
    {"backups_last", "when the last was", "SELECT max(created) FROM backups", true},
    {"forgotten", "people who were forgotten", "SELECT count(*) FROM forgotten", false},
    {"audit_log", "entries of the audit log", "SELECT count(*) FROM audit_log", false},
    {"schema_version", "version of the schema", "SELECT max(version) FROM schema_migrations", false},
};
_Static_assert(REC_LENGTH(queries) + 1 <= REC_STATS_MAX, "room for all");

static int measure_bytes(int64_t *out, struct rec_sql *db, struct rec_err *err)
{
    if (strcmp(rec_sql_dialect(db), "sqlite") == 0)
        return rec_sql_get_int(out, db, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size", REC_SQL_NONE, err);
    return rec_sql_get_int(out, db, "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_catalog.pg_class c "
                           "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind = 'r'",
                           REC_SQL_NONE, err);
}

static int measure(struct rec_stat *out, struct rec_sql *db, struct rec_err *err)
{
    size_t n = 0;
    for (; n < REC_LENGTH(queries); n++) {
        const struct query *q = &queries[n];
        out[n] = (struct rec_stat){.name = q->name, .help = q->help, .is_time = q->is_time};
        /* max() of nothing is NULL: never, 0. */
        if (rec_sql_get_int(&out[n].value, db, q->sql, REC_SQL_NONE, err) < 0)
            return -1;
    }
    out[n] = (struct rec_stat){.name = "bytes", .help = "size of the database file, or of the tables and indexes of the schema"};
    return measure_bytes(&out[n].value, db, err) < 0 ? -1 : (int)n + 1;
}

int rec_stats(struct rec_stat out[REC_STATS_MAX], struct rec_store *store, struct rec_err *err)
{
    bool ours = !rec_sql_in_transaction(store->db);
    if (ours && rec_sql_begin(store->db, REC_SQL_READ, err) < 0)
        return -1;
    int n = measure(out, store->db, err);
    if (ours)
        rec_sql_rollback(store->db);
    return n;
}
