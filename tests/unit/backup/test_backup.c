/* SPDX-License-Identifier: MIT
 *
 * Backups of both databases, and back into both: everything comes back, nothing that is damaged or foreign gets in, people who were forgotten stay
 * so, and what is interrupted can be done again.
 */
#include "../store/both.h"
#include "streams.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>

#define NOW 1795000000

/* ---- a store with some of everything ---- */

static void run(struct both *b, const char *sql)
{
    both_ok(b, rec_sql_script(b->store.db, sql, &b->err));
}

static void add_ratings(struct both *b, const char *user, int from, int to)
{
    for (int i = from; i < to; i++) {
        char movie[32], request[64];
        size_t added;
        snprintf(movie, sizeof movie, "m%d", i % 7);
        snprintf(request, sizeof request, "%s-%d", user, i);
        const struct rec_event event = {.user = user, .movie = movie, .kind = i % 5 ? "rating" : "like", .value = i % 5 ? 0.5 + (i % 9) * 0.4 : (double)NAN,
                                        .time = NOW + i, .request = request, .arm = i % 3 ? NULL : "exp/a"};
        both_ok(b, rec_feedback_add(&b->store, &event, 1, NOW + i, &added, &b->err));
    }
}

static void fill(struct both *b)
{
    const struct rec_experiment_arm arms[] = {{"a", "", 0.1}, {"b", "v2", 0.9}};
    const struct rec_deployment deployment = {.time = NOW, .model = "v1", .digest = "abc", .action = "promote", .reason = "ndcg@10 0.34, \"best\"", .actor = "ann"};
    struct rec_account account;
    struct rec_api_key key;
    char text[REC_API_KEYS_TEXT];

    run(b, "INSERT INTO movies (name, title, year, genres) VALUES ('m0', 'Am\xc3\xa9lie, \"Le\" ''fabuleux''', 2001, 'Comedy|Romance'), ('m1', '', 0, ''), "
           "('m2', 'two\nlines', 1999, 'Drama'), ('m3', ' blanks ', 1999, ''), ('m4', 'NULL', 1999, ''), ('m5', '\\N', 1, ''), ('m6', '\"', 1, ',')");
    both_ok(b, rec_accounts_add(&account, &b->store, &(struct rec_accounts_new){.name = "ann", .email = "ann@example.org", .password = "correct horse",
                                .password_len = 13, .role = REC_ROLE_ADMIN}, NOW, &b->err));
    both_ok(b, rec_api_keys_add(text, &key, &b->store, account.id, "loader", "feedback", NOW, 0, &b->err));
    both_ok(b, rec_accounts_add(&account, &b->store, &(struct rec_accounts_new){.name = "bob", .role = REC_ROLE_USER}, NOW, &b->err));
    add_ratings(b, account.id, 0, 5);
    both_ok(b, rec_api_keys_add(text, &key, &b->store, account.id, "phone", "recommend", NOW, NOW + 1, &b->err));
    both_ok(b, rec_tokens_revoke(&b->store, "jti-1", account.id, NOW + 3600, NOW, &b->err));
    both_ok(b, rec_experiments_add(&b->store, "exp", "salt", arms, 2, NOW, &b->err));
    both_ok(b, rec_deployments_add(&b->store, &deployment, &b->err));
    both_ok(b, rec_audit_add(&b->store, NOW, "rec-db:ann", "store.init", "", "a, b", "", &b->err));
    both_ok(b, rec_backup_list_add(&b->store, "/backup/1", NOW - 86400, NOW, &b->err));
    add_ratings(b, "u1", 0, 60);
    add_ratings(b, "u,2", 0, 40);
    add_ratings(b, "\xc3\xa9", 0, 9);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int keep_row(void *context, const struct rec_sql_value *row, struct rec_err *err)
{
    struct rec_buf *lines = ((void **)context)[0];
    const struct rec_copy_table *table = ((void **)context)[1];
    struct rec_buf line = {0};
    char *copy;

    if (rec_table_add(&line, table, row, err) < 0)
        return -1;
    copy = strdup(line.data);
    rec_buf_clear(&line);
    rec_buf_add(lines, &copy, sizeof copy);
    return 0;
}

/* All tables as text, rows sorted; the same for both databases. To be freed. */
static char *dump(struct rec_sql *db)
{
    struct rec_copy_schema schema;
    struct rec_buf out = {0};
    struct rec_err err = {0};

    if (rec_copy_schema(&schema, db, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < schema.n; i++) {
        struct rec_buf query = {0}, lines = {0};
        void *context[] = {&lines, &schema.tables[i]};
        for (size_t j = 0; j < schema.tables[i].n; j++)
            rec_buf_addf(&query, "%s%s", j ? ", " : "SELECT ", schema.tables[i].columns[j].name);
        rec_buf_addf(&query, " FROM %s", schema.tables[i].name);
        if (rec_copy_out(db, query.data, schema.tables[i].columns, schema.tables[i].n, keep_row, context, NULL, &err) < 0)
            fail_msg("%s", err.text);
        if (lines.len)
            qsort(lines.data, lines.len / sizeof(char *), sizeof(char *), by_text);
        rec_buf_addf(&out, "%s\n", schema.tables[i].name);
        for (size_t k = 0; k < lines.len / sizeof(char *); k++) {
            char *line = ((char **)(void *)lines.data)[k];
            /* But for what a restore itself leaves, its mark, and its archive in the list, whose numbers mean nothing. */
            if (strncmp(line, "restore,", 8) != 0 && !strstr(line, REC_BACKUP_SUFFIX))
                rec_buf_adds(&out, strcmp(schema.tables[i].name, "backups") != 0 ? line : strchr(line, ','));
            free(line);
        }
        rec_buf_clear(&query);
        rec_buf_clear(&lines);
    }
    rec_copy_schema_clear(&schema);
    return out.data;
}

/* ---- writing and restoring ---- */

static void write_backup(struct both *b, char path[128], const char *const *paths, struct rec_backup_report *report)
{
    const struct rec_backup_options options = {.paths = paths, .now = NOW, .version = "0.1.0"};
    struct rec_out out;

    snprintf(path, 128, "%s/a" REC_BACKUP_SUFFIX, b->dir);
    both_ok(b, rec_out_open(&out, path, true, &b->err));
    both_ok(b, rec_backup_write(&b->store, &options, &out, NULL, report, &b->err));
    both_ok(b, rec_out_commit(&out, &b->err));
}

/* An empty place of that dialect, and a connection to it. */
static void open_place(struct both *other, const char *dialect, const struct both *b)
{
    *other = (struct both){.dialect = dialect, .keys = b->keys};
    both_place(other);
    both_ok(other, rec_sql_open(&other->store.db, other->url, &both_options, &other->err));
    other->store.owns = true;
    other->store.keys = &other->keys;
    other->store.cost = &both_cost;
}

static void close_place(struct both *other)
{
    rec_store_close(&other->store);
    both_remove(other->dir);
}

static int restore(struct both *other, const char *path, struct rec_restore_options options, struct rec_backup_report *report)
{
    options.now = NOW;
    other->err = (struct rec_err){0};
    return rec_restore(other->store.db, path, &other->keys, &options, report, &other->err);
}

static void comes_back(void **state)
{
    static const char *const dialects[] = {"sqlite", "postgresql"};
    struct rec_backup_report written, verified, restored;
    struct both *b = *state, other;
    char path[128], *before;

    fill(b);
    before = dump(b->store.db);
    write_backup(b, path, NULL, &written);
    assert_int_equal(written.tables, 13 + 2);
    assert_int_equal(written.schema, 1);
    both_ok(b, rec_backup_verify(path, &b->keys, &verified, &b->err));
    assert_memory_equal(&written, &verified, sizeof written);
    for (size_t i = 0; i < 2; i++) {
        char *after;
        open_place(&other, dialects[i], b);
        both_ok(&other, restore(&other, path, (struct rec_restore_options){0}, &restored));
        assert_int_equal(restored.rows, written.rows);
        assert_int_equal(restored.forgotten, 0);
        after = dump(other.store.db);
        assert_string_equal(after, before);
        assert_int_equal(both_int(&other, "SELECT count(*) FROM meta WHERE name = 'restore'"), 0);
        free(after);
        /* Life goes on: new numbers are above the old ones, and people can log in. */
        struct rec_account account;
        add_ratings(&other, "new", 0, 3);
        both_ok(&other, rec_backup_list_add(&other.store, "/backup/2", NOW, 0, &other.err));
        assert_int_equal(rec_accounts_login(&account, &other.store, "ann", "correct horse", 13, NOW, &other.err), 1);
        assert_string_equal(account.email, "ann@example.org");
        close_place(&other);
    }
    free(before);
}

static void is_a_tar_for_everybody(void **state)
{
    struct both *b = *state;
    char path[128], tar[128];
    struct rec_out out;

    fill(b);
    write_backup(b, path, NULL, NULL);
    snprintf(tar, sizeof tar, "%s/a.tar", b->dir);
    both_ok(b, rec_out_open(&out, tar, true, &b->err));
    both_ok(b, rec_backup_print(path, &b->keys, &out, &b->err));
    both_ok(b, rec_out_commit(&out, &b->err));
    /* b2sum and jq know nothing of us; the csv module reads what is in the parts. */
    if (shell(b->dir, "set -e; mkdir t; tar -xf a.tar -C t; cd t; test \"$(tar -tf ../a.tar | tail -n 1)\" = manifest.json; "
                      "jq -r '.members[] | .blake2b + \"  \" + .name' manifest.json | b2sum -l 256 -c --quiet; "
                      "test \"$(jq -r '.members | length' manifest.json)\" = \"$(find . -name '*.csv' | wc -l)\"; "
                      "python3 -c \"import csv, json\n"
                      "for m in json.load(open('manifest.json'))['members']: assert len(list(csv.reader(open(m['name'], newline='')))) == m['rows'] + 1, m\"") != 0)
        fail_msg("%s", read_file((snprintf(tar, sizeof tar, "%s/shell.log", b->dir), tar)).data);
}

/* ---- large tables ---- */

static void large_tables_are_cut_in_parts(void **state)
{
    struct rec_backup_report written, restored;
    struct rec_archive_reader r;
    struct rec_tar_member m;
    struct both *b = *state, other;
    char path[128], *before, *after;
    size_t parts = 0;
    int status;

    run(b, "INSERT INTO users (id, name) VALUES (1, 'u')");
    run(b, !strcmp(b->dialect, "sqlite")
               ? "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO movies (id, name, title) "
                 "SELECT i, 'm' || i, substr(hex(zeroblob(500)), 1, 1000) FROM n"
               : "INSERT INTO movies (id, name, title) SELECT i, 'm' || i, repeat('0', 1000) FROM generate_series(1, 20000) AS n (i)");
    run(b, "INSERT INTO ratings (user_id, movie_id, value, load_id) SELECT 1, id, 3.7, 0 FROM movies");
    before = dump(b->store.db);
    write_backup(b, path, NULL, &written);
    both_ok(b, rec_archive_open(&r, path, &b->keys, &b->err));
    while ((status = rec_archive_next(&r, &m, &b->err)) > 0) {
        assert_true(m.size <= REC_BACKUP_PART);
        parts += !strncmp(m.name, "database/movies.", 16);
    }
    assert_int_equal(status, 0);
    assert_int_equal(parts, (20000 * 1018 + REC_BACKUP_PART - 1) / REC_BACKUP_PART);
    rec_archive_close(&r);
    /* Into the other database, by copy with its indexes made at the end. */
    open_place(&other, !strcmp(b->dialect, "sqlite") ? "postgresql" : "sqlite", b);
    both_ok(&other, restore(&other, path, (struct rec_restore_options){0}, &restored));
    after = dump(other.store.db);
    assert_string_equal(after, before);
    free(before);
    free(after);
    close_place(&other);
}

/* ---- one snapshot ---- */

static void meanwhile(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct both *b = context;
    struct rec_store store;

    (void)done, (void)total;
    if (strcmp(what, "movies") != 0)
        return;
    both_open(&store, b);
    struct rec_event event = {.user = "late", .movie = "m0", .kind = "rating", .value = 1, .time = NOW, .request = "late"};
    size_t added;
    both_ok(b, rec_feedback_add(&store, &event, 1, NOW, &added, &b->err));
    rec_store_close(&store);
}

static void is_of_one_moment(void **state)
{
    struct both *b = *state, other;
    const struct rec_backup_options options = {.now = NOW, .progress = meanwhile, .context = b};
    char path[128], *before, *after;
    struct rec_out out;

    fill(b);
    before = dump(b->store.db);
    snprintf(path, sizeof path, "%s/a" REC_BACKUP_SUFFIX, b->dir);
    both_ok(b, rec_out_open(&out, path, true, &b->err));
    both_ok(b, rec_backup_write(&b->store, &options, &out, NULL, NULL, &b->err));
    both_ok(b, rec_out_commit(&out, &b->err));
    assert_int_equal(both_int(b, "SELECT count(*) FROM users WHERE name = 'late'"), 1);
    open_place(&other, b->dialect, b);
    both_ok(&other, restore(&other, path, (struct rec_restore_options){0}, NULL));
    after = dump(other.store.db);
    assert_string_equal(after, before);
    free(before);
    free(after);
    close_place(&other);
}

/* ---- refusals ---- */

static void touches_nothing_when_damaged(void **state)
{
    struct both *b = *state, other;
    struct rec_restore_options options = {.overwrite = true, .foreign = true};
    char path[128], bad[128], files[128], *before, *after;
    struct rec_buf whole;

    fill(b);
    write_backup(b, path, NULL, NULL);
    whole = read_file(path);
    before = dump(b->store.db);
    open_place(&other, b->dialect, b);
    snprintf(bad, sizeof bad, "%s/bad", b->dir);
    snprintf(files, sizeof files, "%s/files", b->dir);
    options.files = files;
    for (size_t i = 0; i < whole.len; i += 211) {
        whole.data[i] ^= 4;
        write_file(bad, whole.data, whole.len);
        assert_int_equal(restore(&other, bad, options, NULL), -1);
        assert_int_equal(restore(b, bad, options, NULL), -1);
        whole.data[i] ^= 4;
        write_file(bad, whole.data, i);
        assert_int_equal(restore(&other, bad, options, NULL), -1);
    }
    rec_buf_addc(&whole, 'x');
    write_file(bad, whole.data, whole.len);
    assert_int_equal(restore(b, bad, options, NULL), -1);
    other.keys.key[1][3] ^= 1;
    assert_int_equal(restore(&other, path, options, NULL), -1);
    after = dump(b->store.db);
    assert_string_equal(after, before);
    struct rec_copy_schema schema;
    both_ok(b, rec_copy_schema(&schema, other.store.db, &b->err));
    assert_int_equal(schema.n, 0);
    rec_copy_schema_clear(&schema);
    assert_int_equal(access(files, F_OK), -1);
    free(before);
    free(after);
    rec_buf_clear(&whole);
    close_place(&other);
}

static void asks_before_replacing(void **state)
{
    struct both *b = *state, other;
    void *second = (void *)(uintptr_t)b->dialect;
    char path[128], *before, *after;
    struct both *o;

    fill(b);
    write_backup(b, path, NULL, NULL);
    before = dump(b->store.db);
    add_ratings(b, "later", 0, 3);
    assert_int_equal(restore(b, path, (struct rec_restore_options){0}, NULL), -1);
    assert_non_null(strstr(b->err.text, "--overwrite"));
    both_ok(b, restore(b, path, (struct rec_restore_options){.overwrite = true}, NULL));
    after = dump(b->store.db);
    assert_string_equal(after, before);
    free(after);
    /* A store of its own. */
    assert_int_equal(both_setup(&second), 0);
    o = second;
    assert_int_equal(restore(o, path, (struct rec_restore_options){.overwrite = true}, NULL), -1);
    assert_non_null(strstr(o->err.text, "--foreign"));
    assert_int_equal(restore(o, path, (struct rec_restore_options){.foreign = true}, NULL), -1);
    assert_non_null(strstr(o->err.text, "--overwrite"));
    both_ok(o, restore(o, path, (struct rec_restore_options){.foreign = true, .overwrite = true}, NULL));
    after = dump(o->store.db);
    assert_string_equal(after, before);
    free(after);
    both_teardown(&second);
    open_place(&other, b->dialect, b);
    assert_int_equal(restore(&other, "-", (struct rec_restore_options){0}, NULL), -1);
    close_place(&other);
    free(before);
}

static void refuses_newer_schemas(void **state)
{
    struct both *b = *state, other;
    struct rec_archive_head head = {.store = "0123456789abcdef0123456789abcdef", .key = 2, .created = NOW};
    struct rec_archive_writer w;
    struct rec_out out;
    char path[128];

    snprintf(path, sizeof path, "%s/a" REC_BACKUP_SUFFIX, b->dir);
    for (uint32_t schema = 1; schema < 100; schema += 98) {
        both_ok(b, rec_out_open(&out, path, true, &b->err));
        both_ok(b, rec_archive_begin(&w, &out, &head, &b->keys, &b->err));
        w.manifest.schema = schema;
        both_ok(b, rec_archive_end(&w, &b->err));
        rec_archive_abort(&w);
        both_ok(b, rec_out_commit(&out, &b->err));
        open_place(&other, b->dialect, b);
        assert_int_equal(restore(&other, path, (struct rec_restore_options){0}, NULL), -1);
        assert_non_null(strstr(other.err.text, schema == 1 ? "has no table" : "newer rec (its schema is version 99"));
        close_place(&other);
    }
}

static void others_may_share_the_database(void **state)
{
    struct both *b = *state, other;
    char path[128];

    run(b, "CREATE TABLE notes (id integer PRIMARY KEY, text text)");
    run(b, "INSERT INTO notes VALUES (1, 'mine')");
    fill(b);
    write_backup(b, path, NULL, NULL);
    open_place(&other, b->dialect, b);
    run(&other, "CREATE TABLE notes (id integer PRIMARY KEY, text text)");
    run(&other, "INSERT INTO notes VALUES (7, 'theirs')");
    both_ok(&other, restore(&other, path, (struct rec_restore_options){0}, NULL));
    assert_int_equal(both_int(&other, "SELECT sum(id) FROM notes"), 7);
    both_ok(&other, restore(&other, path, (struct rec_restore_options){.overwrite = true}, NULL));
    assert_int_equal(both_int(&other, "SELECT sum(id) FROM notes"), 7);
    close_place(&other);
}

/* ---- people who were forgotten ---- */

static void the_forgotten_stay_forgotten(void **state)
{
    struct both *b = *state;
    struct rec_backup_report report;
    struct rec_forget_report forgot;
    struct rec_account bob;
    char path[128];
    int64_t ratings;

    fill(b);
    assert_int_equal(rec_accounts_by_name(&bob, &b->store, "bob", &b->err), 1);
    write_backup(b, path, NULL, NULL);
    both_ok(b, rec_backup_list_add(&b->store, path, NOW, NOW + 7 * 86400, &b->err));
    both_ok(b, rec_backup_list_drop(&b->store, "/backup/1", &b->err));
    both_ok(b, rec_forget(&forgot, &b->store, "u,2", false, "", NOW + 1, &b->err));
    both_ok(b, rec_forget(&forgot, &b->store, "bob", true, "", NOW + 1, &b->err));
    ratings = both_int(b, "SELECT count(*) FROM ratings");
    both_ok(b, restore(b, path, (struct rec_restore_options){.overwrite = true}, &report));
    assert_int_equal(report.forgotten, 2);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings"), ratings);
    assert_int_equal(both_int(b, "SELECT count(*) FROM users"), 2);
    assert_int_equal(both_int(b, "SELECT count(*) FROM accounts"), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM api_keys"), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM revoked_tokens"), 0);
    assert_true(both_int(b, "SELECT count(*) FROM forgotten") >= 2);
    assert_int_equal(rec_forget_was(&b->store, "u,2", &b->err), 1);
    assert_int_equal(rec_forget_was(&b->store, "u1", &b->err), 0);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback f LEFT JOIN users u ON u.id = f.user_id WHERE u.id IS NULL"), 0);
    /* Known are those that the store knew just before, not one that it had dropped since. */
    assert_int_equal(both_int(b, "SELECT count(*) FROM backups"), 1);
    assert_int_equal(both_int(b, "SELECT expires FROM backups"), NOW + 7 * 86400);
    /* Without the key that the ledger was made with, nobody can tell: refused. */
    struct rec_keyring without = b->keys;
    b->keys.n = 1;
    b->keys.version[0] = b->keys.newest = 1;
    assert_int_equal(restore(b, path, (struct rec_restore_options){.overwrite = true}, NULL), -1);
    b->keys = without;
    assert_int_equal(both_int(b, "SELECT count(*) FROM users"), 2);
}

/* What was done since the archive was made is still known after it was restored, however often; another store's lines are not mixed in. */
static void the_audit_log_goes_on(void **state)
{
    struct both *b = *state;
    char path[128];
    int64_t lines;

    fill(b);
    write_backup(b, path, NULL, NULL);
    lines = both_int(b, "SELECT count(*) FROM audit_log");
    both_ok(b, rec_audit_add(&b->store, NOW + 1, "rec-db:bob", "account.role", "x", "admin", "", &b->err));
    both_ok(b, rec_audit_add(&b->store, NOW + 2, "rec-db:bob", "account.role", "x", "user", "", &b->err));
    for (int i = 0; i < 2; i++) {
        both_ok(b, restore(b, path, (struct rec_restore_options){.overwrite = true}, NULL));
        assert_int_equal(both_int(b, "SELECT count(*) FROM audit_log"), lines + 2);
        assert_int_equal(both_int(b, "SELECT count(*) FROM audit_log WHERE actor = 'rec-db:bob' AND detail IN ('admin', 'user')"), 2);
        assert_int_equal(both_int(b, "SELECT time FROM audit_log ORDER BY id DESC LIMIT 1"), NOW + 2);
    }
    both_ok(b, rec_audit_add(&b->store, NOW + 3, "rec-db:bob", "key.create", "y", "", "", &b->err));
    assert_int_equal(both_int(b, "SELECT time FROM audit_log ORDER BY id DESC LIMIT 1"), NOW + 3);
}

/* Ann stood for u1 by mistake, and was untied before u1 was forgotten: she comes back, and stands for nobody. */
static void who_was_untied_is_another(void **state)
{
    struct both *b = *state;
    struct rec_backup_report report;
    struct rec_forget_report forgot;
    struct rec_account ann;
    char path[128];

    fill(b);
    assert_int_equal(rec_accounts_by_name(&ann, &b->store, "ann", &b->err), 1);
    both_ok(b, rec_accounts_tie(&b->store, ann.id, "u1", NOW, &b->err));
    write_backup(b, path, NULL, NULL);
    both_ok(b, rec_accounts_tie(&b->store, ann.id, NULL, NOW, &b->err));
    both_ok(b, rec_forget(&forgot, &b->store, "u1", false, "", NOW + 1, &b->err));
    both_ok(b, restore(b, path, (struct rec_restore_options){.overwrite = true}, &report));
    assert_int_equal(report.forgotten, 1);
    assert_int_equal(rec_accounts_by_name(&ann, &b->store, "ann", &b->err), 1);
    assert_false(ann.tied);
    assert_int_equal(both_int(b, "SELECT count(*) FROM users WHERE name = 'u1'"), 0);
    /* A store that never knew this archive knows it now. */
    assert_int_equal(both_int(b, "SELECT count(*) FROM backups WHERE name LIKE '%/a.recbackup' AND expires = 0"), 1);
}

/* ---- files ---- */

struct trap {
    const char *command, *dir;
    bool sprung;
};

/* While the last file is staged, something gets in the way of the first. */
static void spring(void *context, const char *what, uint64_t done, uint64_t total)
{
    struct trap *trap = context;

    (void)done, (void)total;
    if (!strstr(what, "/zzz") || trap->sprung)
        return;
    trap->sprung = true;
    assert_int_equal(shell(trap->dir, trap->command), 0);
}

static void files_come_back(void **state)
{
    struct both *b = *state, other;
    struct rec_backup_report written, restored;
    const char *paths[2] = {NULL, NULL};
    char path[128], tree[64], to[64], command[1000];

    fill(b);
    snprintf(tree, sizeof tree, "%s/tree", b->dir);
    paths[0] = tree;
    assert_int_equal(shell(b->dir, "mkdir -p tree/models/v1 tree/models/v2 tree/empty && head -c 300000 /dev/urandom >tree/models/v1/m.rec && "
                                   "truncate -s 40M tree/models/v2/hole && printf end >>tree/models/v2/hole && ln -s v2 tree/models/production && "
                                   "ln -s ../models/v1/m.rec tree/empty/up && printf 'a: 1\n' >tree/rec.yaml && chmod 640 tree/rec.yaml && "
                                   "touch -d @1234567890 tree/rec.yaml && chmod 555 tree/models/v1 && : >tree/zzz && "
                                   "touch \"tree/$(printf 'n%.0s' $(seq 250))\""), 0);
    write_backup(b, path, paths, &written);
    assert_int_equal(written.files, 7);
    open_place(&other, b->dialect, b);
    snprintf(to, sizeof to, "%s/to", b->dir);
    both_ok(&other, restore(&other, path, (struct rec_restore_options){.files = to}, &restored));
    assert_int_equal(restored.files, 7);
    snprintf(command, sizeof command, "set -e; diff -r --no-dereference tree to%s; test \"$(stat -c '%%a %%Y' to%s/rec.yaml)\" = '640 1234567890'; "
             "test \"$(stat -c %%a to%s/models/v1)\" = 555; test \"$(readlink to%s/models/production)\" = v2; test $(du -k to%s/models/v2/hole | cut -f1) -lt 8000; "
             "test -z \"$(find to -name '*.rec-tmp')\"", tree, tree, tree, tree, tree);
    assert_int_equal(shell(b->dir, command), 0);
    close_place(&other);
    assert_int_equal(shell(b->dir, "chmod -R u+w tree to"), 0);
}

static void links_are_not_followed(void **state)
{
    struct both *b = *state, other;
    const char *paths[2] = {NULL, NULL};
    char path[128], tree[64], to[64], command[1000], *after;

    snprintf(tree, sizeof tree, "%s/tree", b->dir);
    paths[0] = tree;
    snprintf(to, sizeof to, "%s/to", b->dir);
    assert_int_equal(shell(b->dir, "mkdir -p tree/a outside && printf 1 >tree/a/f"), 0);
    write_backup(b, path, paths, NULL);
    /* The directory where a/f would go is a link to elsewhere. */
    snprintf(command, sizeof command, "mkdir -p to%s && ln -s ../outside to%s/a", tree, tree);
    assert_int_equal(shell(b->dir, command), 0);
    open_place(&other, b->dialect, b);
    assert_int_equal(restore(&other, path, (struct rec_restore_options){.files = to}, NULL), -1);
    assert_non_null(strstr(other.err.text, "symbolic link"));
    snprintf(command, sizeof command, "test -z \"$(ls outside)\" && rm to%s/a && mkdir -p to%s/a/f", tree, tree);
    assert_int_equal(shell(b->dir, command), 0);
    /* A directory where a file would go. */
    assert_int_equal(restore(&other, path, (struct rec_restore_options){.files = to}, NULL), -1);
    assert_non_null(strstr(other.err.text, "is a directory"));
    after = dump(other.store.db);
    assert_null(after);
    /* A link in the place of the file itself is replaced, not followed. */
    snprintf(command, sizeof command, "rmdir to%s/a/f && printf old >outside/old && ln -s %s/outside/old to%s/a/f", tree, b->dir, tree);
    assert_int_equal(shell(b->dir, command), 0);
    both_ok(&other, restore(&other, path, (struct rec_restore_options){.files = to}, NULL));
    snprintf(command, sizeof command, "test \"$(cat outside/old)\" = old && test ! -L to%s/a/f && test \"$(cat to%s/a/f)\" = 1", tree, tree);
    assert_int_equal(shell(b->dir, command), 0);
    close_place(&other);
}

static void hostile_members_are_refused(void **state)
{
    static const struct rec_tar_member members[] = {
        {.type = REC_TAR_FILE, .name = "files/../../evil"},
        {.type = REC_TAR_LINK, .name = "files/l", .link = "/etc"},
        {.type = REC_TAR_LINK, .name = "files/a/l", .link = "../../x"},
        {.type = REC_TAR_LINK, .name = "files/l", .link = "a/../../x"},
        {.type = REC_TAR_FILE, .name = "elsewhere/x"},
        {.type = REC_TAR_FILE, .name = "database/users.0002.csv"},
        {.type = REC_TAR_FILE, .name = "database/nothing.0001.csv"},
    };
    struct both *b = *state, other;
    char path[128], bad[128], to[64];

    fill(b);
    write_backup(b, path, NULL, NULL);
    snprintf(bad, sizeof bad, "%s/bad", b->dir);
    snprintf(to, sizeof to, "%s/to", b->dir);
    open_place(&other, b->dialect, b);
    for (size_t i = 0; i < REC_LENGTH(members); i++) {
        struct rec_archive_reader r;
        struct rec_archive_writer w;
        struct rec_tar_member m;
        struct rec_out out;
        both_ok(b, rec_out_open(&out, bad, true, &b->err));
        both_ok(b, rec_archive_open(&r, path, &b->keys, &b->err));
        both_ok(b, rec_archive_begin(&w, &out, &r.head, &b->keys, &b->err));
        w.manifest.schema = 1;
        while (rec_archive_next(&r, &m, &b->err) > 0) {
            struct rec_buf text = {0};
            size_t got, place = w.manifest.n;
            assert_int_equal(rec_buf_reserve(&text, (size_t)m.size + 1), 0);
            both_ok(b, rec_archive_read(&r, text.data, (size_t)m.size, &got, &b->err));
            /* Rows are in the manifest, which is not read yet: count them. */
            uint64_t rows = 0;
            bool quoted = false;
            for (size_t k = 0; k < got; k++) {
                quoted ^= text.data[k] == '"';
                rows += text.data[k] == '\n' && !quoted;
            }
            both_ok(b, rec_archive_add(&w, &m, rows - 1, &b->err));
            assert_int_equal(w.manifest.n, place + 1);
            both_ok(b, rec_archive_write(&w, text.data, got, &b->err));
            rec_buf_clear(&text);
        }
        both_ok(b, rec_archive_add(&w, &members[i], 0, &b->err));
        both_ok(b, rec_archive_end(&w, &b->err));
        both_ok(b, rec_out_commit(&out, &b->err));
        rec_archive_abort(&w);
        rec_archive_close(&r);
        assert_int_equal(restore(&other, bad, (struct rec_restore_options){.files = to}, NULL), -1);
        char *after = dump(other.store.db);
        assert_null(after);
    }
    assert_int_equal(shell(b->dir, "test ! -e evil && test -z \"$(find to -type f -o -type l)\""), 0);
    close_place(&other);
}

/* ---- interruptions ---- */

static void what_was_interrupted_is_finished(void **state)
{
    struct both *b = *state, other;
    const char *paths[2] = {NULL, NULL};
    char path[128], tree[64], to[64], command[1000], *before, *after;
    struct trap trap = {.dir = b->dir, .command = command};
    struct rec_restore_options options = {.files = to, .progress = spring, .context = &trap};

    fill(b);
    before = dump(b->store.db);
    snprintf(tree, sizeof tree, "%s/tree", b->dir);
    paths[0] = tree;
    snprintf(to, sizeof to, "%s/to", b->dir);
    assert_int_equal(shell(b->dir, "mkdir tree && printf 1 >tree/aaa && printf 2 >tree/zzz"), 0);
    write_backup(b, path, paths, NULL);
    snprintf(command, sizeof command, "mkdir to%s/aaa", tree);
    open_place(&other, b->dialect, b);
    assert_int_equal(restore(&other, path, options, NULL), -1);
    assert_non_null(strstr(other.err.text, "run the same command again"));
    after = dump(other.store.db);
    assert_string_equal(after, before);
    free(after);
    assert_int_equal(both_int(&other, "SELECT count(*) FROM meta WHERE name = 'restore'"), 1);
    snprintf(command, sizeof command, "rmdir to%s/aaa && test -z \"$(find to -name '*.rec-tmp')\"", tree);
    assert_int_equal(shell(b->dir, command), 0);
    both_ok(&other, restore(&other, path, options, NULL));
    snprintf(command, sizeof command, "diff -r tree to%s", tree);
    assert_int_equal(shell(b->dir, command), 0);
    after = dump(other.store.db);
    assert_string_equal(after, before);
    assert_int_equal(both_int(&other, "SELECT count(*) FROM meta WHERE name = 'restore'"), 0);
    /* And now it is a store like any other. */
    assert_int_equal(restore(&other, path, options, NULL), -1);
    assert_non_null(strstr(other.err.text, "--overwrite"));
    free(before);
    free(after);
    close_place(&other);
}

/* A restore in a process that is killed after so many microseconds. 1 when it was done before. */
static int killed(struct both *other, const char *path, const char *to, unsigned microseconds)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct rec_sql *db;
        struct rec_restore_options options = {.files = to, .now = NOW};
        if (rec_sql_open(&db, other->url, &both_options, NULL) < 0)
            _exit(2);
        _exit(rec_restore(db, path, &other->keys, &options, NULL, NULL) < 0 ? 1 : 0);
    }
    usleep(microseconds);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void kills_leave_the_old_or_what_can_be_finished(void **state)
{
    struct both *b = *state, other;
    const char *paths[2] = {NULL, NULL};
    char path[128], tree[64], to[64], command[1000], *before, *after;
    struct rec_rng rng;
    int done = 0;

    fill(b);
    before = dump(b->store.db);
    snprintf(tree, sizeof tree, "%s/tree", b->dir);
    paths[0] = tree;
    assert_int_equal(shell(b->dir, "mkdir tree && for i in 1 2 3 4 5 6 7 8 9; do printf $i >tree/$i; done"), 0);
    write_backup(b, path, paths, NULL);
    rec_rng_seed(&rng, (uint64_t)getpid(), 0);
    for (int round = 0; round < 6; round++) {
        snprintf(to, sizeof to, "%s/to%d", b->dir, round);
        open_place(&other, b->dialect, b);
        done += killed(&other, path, to, (unsigned)rec_rng_below(&rng, 60000));
        /* The same command, without --overwrite, unless the first had finished. */
        if (restore(&other, path, (struct rec_restore_options){.files = to}, NULL) < 0 && !strstr(other.err.text, "--overwrite"))
            fail_msg("%s", other.err.text);
        after = dump(other.store.db);
        assert_string_equal(after, before);
        snprintf(command, sizeof command, "diff -r tree to%d%s && test -z \"$(find to%d -name '*.rec-tmp')\"", round, tree, round);
        assert_int_equal(shell(b->dir, command), 0);
        free(after);
        close_place(&other);
    }
    free(before);
    (void)done;
}

/* ---- the list of those made ---- */

static int collect(void *context, const char *name, int64_t created, int64_t expires)
{
    rec_buf_addf(context, "%s %lld %lld\n", name, (long long)created, (long long)expires);
    return 0;
}

static void remembers_what_was_made(void **state)
{
    struct both *b = *state;
    struct rec_buf text = {0};

    both_ok(b, rec_backup_list_add(&b->store, "/b/1", 100, 200, &b->err));
    both_ok(b, rec_backup_list_add(&b->store, "/b/2", 300, 0, &b->err));
    both_ok(b, rec_backup_list_add(&b->store, "/b/3", 150, 250, &b->err));
    both_ok(b, rec_backup_list_add(&b->store, "/b/3", 160, 260, &b->err));
    both_ok(b, rec_backup_list_drop(&b->store, "/b/1", &b->err));
    both_ok(b, rec_backup_list(&b->store, collect, &text, &b->err));
    assert_string_equal(text.data, "/b/2 300 0\n/b/3 160 260\n");
    rec_buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back),
        cmocka_unit_test(is_a_tar_for_everybody),
        cmocka_unit_test(large_tables_are_cut_in_parts),
        cmocka_unit_test(is_of_one_moment),
        cmocka_unit_test(touches_nothing_when_damaged),
        cmocka_unit_test(asks_before_replacing),
        cmocka_unit_test(refuses_newer_schemas),
        cmocka_unit_test(others_may_share_the_database),
        cmocka_unit_test(the_forgotten_stay_forgotten),
        cmocka_unit_test(who_was_untied_is_another),
        cmocka_unit_test(the_audit_log_goes_on),
        cmocka_unit_test(files_come_back),
        cmocka_unit_test(links_are_not_followed),
        cmocka_unit_test(hostile_members_are_refused),
        cmocka_unit_test(what_was_interrupted_is_finished),
        cmocka_unit_test(kills_leave_the_old_or_what_can_be_finished),
        cmocka_unit_test(remembers_what_was_made),
    };
    return both_run(tests, REC_LENGTH(tests));
}
