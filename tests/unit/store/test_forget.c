/* SPDX-License-Identifier: MIT
 *
 * Forgetting: what goes and what stays, and that no byte of it is left in the files of an SQLite database.
 */
#include "both.h"

#include <dirent.h>

#define NOW 1700000000
#define PASSWORD "correct horse battery"

static struct rec_account add(struct both *b, const char *name, const char *email, enum rec_role role)
{
    struct rec_account account;
    both_ok(b, rec_accounts_add(&account, &b->store, &(struct rec_accounts_new){.name = name, .email = email, .password = PASSWORD,
                                .password_len = strlen(PASSWORD), .role = role}, NOW, &b->err));
    return account;
}

static void add_movies(struct both *b)
{
    both_ok(b, rec_sql_exec(b->store.db, NULL, "INSERT INTO movies (name) VALUES ('m'), ('n')", REC_SQL_NONE, &b->err));
}

static void rate(struct both *b, const char *user, const char *request)
{
    const struct rec_event events[] = {{.user = user, .movie = "m", .kind = "rating", .value = 4, .time = 10, .request = request},
                                       {.user = user, .movie = "n", .kind = "rating", .value = 3, .time = 11, .request = request},
                                       {.user = user, .movie = "n", .kind = "like", .time = 11, .request = request}};
    both_ok(b, rec_feedback_add(&b->store, events, 3, NOW, NULL, &b->err));
}

static void a_user(void **state)
{
    struct both *b = *state;
    struct rec_forget_report report;
    const struct rec_event late = {.user = "1", .movie = "m", .kind = "like", .time = 99};
    add_movies(b);
    rate(b, "1", "r");
    rate(b, "2", "r");
    assert_int_equal(rec_forget_was(&b->store, "1", &b->err), 0);
    both_ok(b, rec_forget(&report, &b->store, "1", false, "", NOW, &b->err));
    assert_true(report.known);
    assert_int_equal(report.ratings, 2);
    assert_int_equal(report.events, 3);
    assert_int_equal(report.accounts, 0);
    assert_string_equal(report.user, "1");
    assert_int_equal(rec_forget_was(&b->store, "1", &b->err), 1);
    assert_int_equal(rec_forget_was(&b->store, "2", &b->err), 0);
    assert_int_equal(both_int(b, "SELECT count(*) FROM users"), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM ratings"), 2);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 3);
    assert_int_equal(both_int(b, "SELECT count(*) FROM audit_log WHERE action = 'store.forget' AND length(object) = 64"), 1);
    /* Nothing that is late brings the user back, and a second time there is nobody. */
    both_fails(b, rec_feedback_add(&b->store, &late, 1, NOW, NULL, &b->err), REC_SQL_CONSTRAINT, "user 1: was forgotten");
    both_ok(b, rec_forget(&report, &b->store, "1", false, "", NOW, &b->err));
    assert_false(report.known);
    both_ok(b, rec_forget(&report, &b->store, "none", true, "", NOW, &b->err));
    assert_false(report.known);
    assert_int_equal(both_int(b, "SELECT count(*) FROM forgotten"), 1);
}

static void an_account(void **state)
{
    struct both *b = *state;
    struct rec_forget_report report;
    struct rec_account ann, bob, out;
    struct rec_api_key key;
    char text[REC_API_KEYS_TEXT];
    add_movies(b);
    add(b, "root", NULL, REC_ROLE_ADMIN);
    ann = add(b, "ann", "ann@example.org", REC_ROLE_USER);
    bob = add(b, "bob", "bob@example.org", REC_ROLE_USER);
    rate(b, "1", "r");
    rate(b, ann.id, "r");
    rate(b, bob.id, "r");
    assert_int_equal(rec_accounts_tie(&b->store, ann.id, "1", NOW, &b->err), 1);
    both_ok(b, rec_api_keys_add(text, &key, &b->store, ann.id, "k", "", NOW, 0, &b->err));
    both_ok(b, rec_tokens_revoke(&b->store, "jti", ann.id, NOW + 1000, NOW, &b->err));
    both_ok(b, rec_forget(&report, &b->store, "ANN@example.org", true, "", NOW, &b->err));
    assert_true(report.known);
    assert_string_equal(report.user, "1");
    assert_int_equal(report.accounts, 1);
    assert_int_equal(report.api_keys, 1);
    assert_int_equal(report.ratings, 2);
    assert_int_equal(report.events, 6);
    assert_int_equal(rec_forget_was(&b->store, "1", &b->err), 1);
    assert_int_equal(rec_forget_was(&b->store, ann.id, &b->err), 1);
    assert_int_equal(rec_accounts_by_name(&out, &b->store, "ann", &b->err), 0);
    assert_int_equal(both_int(b, "SELECT count(*) FROM users"), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM revoked_tokens"), 0);
    assert_int_equal(rec_api_keys_check(&key, &out, &b->store, text, strlen(text), NOW, &b->err), 0);
    /* By the id of the data set the account goes too: it is the same person. */
    both_ok(b, rec_forget(&report, &b->store, bob.id, false, "", NOW, &b->err));
    assert_int_equal(report.accounts, 1);
    assert_int_equal(report.events, 3);
    assert_int_equal(both_int(b, "SELECT count(*) FROM accounts"), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM users"), 0);
    /* Who signs up anew is somebody else. */
    bob = add(b, "bob", "bob@example.org", REC_ROLE_USER);
    rate(b, bob.id, "r");
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 3);
}

static void refused(void **state)
{
    struct both *b = *state;
    struct rec_forget_report report;
    add_movies(b);
    struct rec_account ann = add(b, "ann", NULL, REC_ROLE_ADMIN);
    rate(b, ann.id, "r");
    both_fails(b, rec_forget(&report, &b->store, "ann", true, "", NOW, &b->err), REC_SQL_CONSTRAINT, "last administrator");
    both_fails(b, rec_forget(&report, &b->store, ann.id, false, "", NOW, &b->err), REC_SQL_CONSTRAINT, "last administrator");
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 3);
    add(b, "bob", NULL, REC_ROLE_ADMIN);
    b->store.keys = NULL;
    both_fails(b, rec_forget(&report, &b->store, "ann", true, "", NOW, &b->err), REC_SQL_DENIED, "keyring");
    /* Without keys, and nobody forgotten yet, new users are taken; afterwards not, as it cannot be told who they are. */
    rate(b, "new", "r");
    b->store.keys = &b->keys;
    both_ok(b, rec_forget(&report, &b->store, "ann", true, "", NOW, &b->err));
    b->store.keys = NULL;
    rate(b, "new", "s");
    both_fails(b, rec_feedback_add(&b->store, &(struct rec_event){.user = "newer", .movie = "m", .kind = "like"}, 1, NOW, NULL, &b->err),
               REC_SQL_DENIED, "keyring");
}

static void with_another_key(void **state)
{
    struct both *b = *state;
    struct rec_forget_report report;
    struct rec_keyring all = b->keys;
    add_movies(b);
    rate(b, "1", "r");
    rate(b, "2", "r");
    b->keys.n = b->keys.newest = 1;
    both_ok(b, rec_forget(&report, &b->store, "1", false, "", NOW, &b->err));
    b->keys = all;
    both_ok(b, rec_forget(&report, &b->store, "2", false, "", NOW, &b->err));
    assert_int_equal(both_int(b, "SELECT count(DISTINCT key_version) FROM forgotten"), 2);
    assert_int_equal(rec_forget_was(&b->store, "1", &b->err), 1);
    assert_int_equal(rec_forget_was(&b->store, "2", &b->err), 1);
    assert_int_equal(rec_forget_was(&b->store, "3", &b->err), 0);
    /* A keyring that lacks one of them does not say no. */
    b->keys.n = 1;
    b->keys.version[0] = 2;
    memcpy(b->keys.key[0], all.key[1], REC_KEY_BYTES);
    both_fails(b, rec_forget_was(&b->store, "1", &b->err), REC_SQL_OTHER, "key 1 is not in the keyring");
}

/* ---- no byte is left ------------------------------------------------------------------------------- */

/* How often the bytes occur in the files of the test's directory. */
static size_t occurrences(const struct both *b, const void *bytes, size_t len)
{
    DIR *dir = opendir(b->dir);
    struct dirent *entry;
    size_t n = 0;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[320];
        struct rec_in in;
        struct rec_err err;
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", b->dir, entry->d_name);
        assert_int_equal(rec_in_open(&in, path, &err), 0);
        for (const unsigned char *at = in.data; (at = memmem(at, in.len - (size_t)(at - in.data), bytes, len)) != NULL; at++)
            n++;
        rec_in_close(&in);
    }
    closedir(dir);
    return n;
}

struct trace {
    const char *what;
    unsigned char bytes[300];
    size_t len;
};

static void keep(struct trace *t, const char *what, const void *bytes, size_t len)
{
    assert_true(len > 0 && len <= sizeof t->bytes);
    t->what = what;
    memcpy(t->bytes, bytes, len);
    t->len = len;
}

/* Everything of an account that is in the file. */
static size_t traces_of(struct trace *t, struct both *b, const struct rec_account *account, const char *key)
{
    static const char *const what[] = {"name", "name in small letters", "e-mail, sealed", "e-mail, hashed", "password", "hash of the key"};
    struct rec_sql_rows rows;
    size_t n = 0;
    both_ok(b, rec_sql_query(&rows, b->store.db, "SELECT a.name, a.name_key, a.email_sealed, a.email_lookup, a.password, k.hash "
                             "FROM accounts a JOIN api_keys k ON k.account_id = a.id WHERE a.id = $1", REC_SQL(rec_sql_text(account->id)), &b->err));
    assert_int_equal(rec_sql_next(&rows, &b->err), 1);
    for (; n < REC_LENGTH(what); n++)
        keep(&t[n], what[n], rows.value[n].blob, rows.value[n].len);
    rec_sql_done(&rows);
    keep(&t[n++], "id", account->id, strlen(account->id));
    keep(&t[n++], "user", account->user, strlen(account->user));
    keep(&t[n++], "key", key, REC_API_KEYS_ID);
    keep(&t[n++], "request", "request-of-Penelope", strlen("request-of-Penelope"));
    return n;
}

/* Enough of others before, between and after, with changes and deletions, that pages are split, merged and freed. */
static void crowd(struct both *b, int from, int to)
{
    both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
    for (int i = from; i < to; i++) {
        char name[24], email[40], request[40], user[24], text[REC_API_KEYS_TEXT];
        struct rec_account account;
        struct rec_api_key key;
        snprintf(name, sizeof name, "%c-person-%05d", 'a' + i * 7 % 26, i);
        snprintf(user, sizeof user, "%d-data-set-user", i * 7919 % 10000);
        snprintf(email, sizeof email, "person-%d@example.org", i);
        snprintf(request, sizeof request, "request-of-%d", i);
        account = add(b, name, email, REC_ROLE_USER);
        rate(b, user, request);
        if (i % 3 == 0)
            assert_int_equal(rec_accounts_tie(&b->store, account.id, user, NOW, &b->err), 1);
        both_ok(b, rec_api_keys_add(text, &key, &b->store, account.id, "a key", "recommend", NOW, 0, &b->err));
        if (i % 5 == 0)
            both_ok(b, rec_sql_exec(b->store.db, NULL, "DELETE FROM api_keys WHERE id = $1", REC_SQL(rec_sql_text(key.id)), &b->err));
        if (i % 4 == 0)
            assert_int_equal(rec_accounts_set_email(&b->store, account.id, i % 8 ? NULL : "Long.Long.Long.Name.To.Move.Cells@example.org" + i % 7, NOW,
                                                    NULL) >= -1, 1);
    }
    both_ok(b, rec_sql_commit(b->store.db, &b->err));
}

static void no_byte_left(void **state)
{
    struct both *b = *state;
    struct rec_account penelope;
    struct rec_api_key key;
    struct rec_forget_report report;
    struct trace trace[16];
    char text[REC_API_KEYS_TEXT];
    const char *left = "not done";
    size_t n;
    bool sqlite = strcmp(b->dialect, "sqlite") == 0;
    add_movies(b);
    crowd(b, 0, 120);
    penelope = add(b, "Penelope-1", "Penelope@Ithaca.example", REC_ROLE_USER);
    rate(b, "5555-weaver-of-Ithaca", "request-of-Penelope");
    rate(b, penelope.id, "request-of-Penelope");
    assert_int_equal(rec_accounts_tie(&b->store, penelope.id, "5555-weaver-of-Ithaca", NOW, &b->err), 1);
    both_ok(b, rec_api_keys_add(text, &key, &b->store, penelope.id, "loom", "recommend", NOW, 0, &b->err));
    assert_int_equal(rec_accounts_set_email(&b->store, penelope.id, "penelope@ithaca.example", NOW, &b->err), 1);
    assert_int_equal(rec_accounts_by_id(&penelope, &b->store, penelope.id, &b->err), 1);
    crowd(b, 120, 300);
    n = traces_of(trace, b, &penelope, key.id);
    for (size_t i = 0; sqlite && i < n; i++)
        if (occurrences(b, trace[i].bytes, trace[i].len) == 0)
            fail_msg("%s: is not in the file before", trace[i].what);
    both_ok(b, rec_forget(&report, &b->store, "Penelope@ITHACA.example", true, "", NOW, &b->err));
    assert_int_equal(report.events, 6);
    crowd(b, 300, 310);
    both_ok(b, rec_forget_scrub(&left, &b->store, &b->err));
    for (size_t i = 0; sqlite && i < n; i++)
        if (occurrences(b, trace[i].bytes, trace[i].len) != 0)
            fail_msg("%s: is still in the file", trace[i].what);
    if (!sqlite) {
        assert_non_null(strstr(left, "write-ahead log"));
        return;
    }
    assert_null(left);
    /* The others are there. */
    assert_true(occurrences(b, "a-person-00000", 14) > 0);
    assert_true(occurrences(b, "request-of-299", 14) > 0);
    assert_int_equal(both_int(b, "SELECT count(*) FROM accounts"), 310);
}

static void somebody_reads(void **state)
{
    struct both *b = *state;
    struct rec_forget_report report;
    struct rec_store reader;
    const char *left;
    int64_t n;
    add_movies(b);
    rate(b, "1", "r");
    both_open(&reader, b);
    both_ok(b, rec_sql_begin(reader.db, REC_SQL_READ, &b->err));
    both_ok(b, rec_sql_get_int(&n, reader.db, "SELECT count(*) FROM users", REC_SQL_NONE, &b->err));
    rec_sql_patience(b->store.db, 0.2);
    both_ok(b, rec_forget(&report, &b->store, "1", false, "", NOW, &b->err));
    /* An old snapshot is still being read: that something is left is said. */
    both_ok(b, rec_forget_scrub(&left, &b->store, &b->err));
    assert_non_null(left);
    rec_store_close(&reader);
    both_ok(b, rec_forget_scrub(&left, &b->store, &b->err));
    assert_true((left == NULL) == (strcmp(b->dialect, "sqlite") == 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user), cmocka_unit_test(an_account), cmocka_unit_test(refused), cmocka_unit_test(with_another_key),
        cmocka_unit_test(no_byte_left), cmocka_unit_test(somebody_reads),
    };
    return both_run(tests, REC_LENGTH(tests));
}
