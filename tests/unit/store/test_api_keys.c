/* SPDX-License-Identifier: MIT
 *
 * API keys: shown once, kept as a hash, in force until they are not.
 */
#include "both.h"

#define NOW 1700000000

static struct rec_account make_account(struct both *b, const char *name)
{
    struct rec_account account;
    both_ok(b, rec_accounts_add(&account, &b->store, &(struct rec_accounts_new){.name = name, .role = REC_ROLE_SERVICE}, NOW, &b->err));
    return account;
}

static int check(struct both *b, struct rec_api_key *key, const char *text, int64_t now)
{
    struct rec_account account;
    int status = rec_api_keys_check(key, &account, &b->store, text, strlen(text), now, &b->err);
    both_ok(b, status);
    assert_int_equal(status == 1, account.id[0] != '\0');
    assert_int_equal(status == 1, key->id[0] != '\0');
    return status;
}

static void made_and_checked(void **state)
{
    struct both *b = *state;
    struct rec_account account = make_account(b, "robot"), found;
    char text[REC_API_KEYS_TEXT], other[REC_API_KEYS_TEXT];
    struct rec_api_key made, key;
    both_ok(b, rec_api_keys_add(text, &made, &b->store, account.id, "nightly export", "recommend feedback", NOW, 0, &b->err));
    assert_int_equal(strlen(text), 4 + 12 + 1 + 32);
    assert_memory_equal(text, "rec_", 4);
    assert_memory_equal(text + 4, made.id, 12);
    assert_int_equal(rec_api_keys_check(&key, &found, &b->store, text, strlen(text), NOW, &b->err), 1);
    assert_string_equal(key.id, made.id);
    assert_string_equal(key.name, "nightly export");
    assert_string_equal(key.scopes, "recommend feedback");
    assert_string_equal(found.name, "robot");
    assert_string_equal(found.id, account.id);
    assert_int_equal(found.role, REC_ROLE_SERVICE);
    /* Every other letter is another key. */
    for (size_t i = 0; i < strlen(text); i++) {
        memcpy(other, text, sizeof other);
        other[i] = other[i] == 'a' ? 'b' : 'a';
        assert_int_equal(check(b, &key, other, NOW), 0);
    }
    assert_int_equal(rec_api_keys_check(&key, &found, &b->store, text, strlen(text) - 1, NOW, &b->err), 0);
    assert_int_equal(check(b, &key, "", NOW), 0);
    assert_int_equal(check(b, &key, "rec_", NOW), 0);
    /* The secret is nowhere in the row. */
    assert_int_equal(both_int(b, "SELECT count(*) FROM api_keys WHERE length(hash) = 32"), 1);
}

static void ends(void **state)
{
    struct both *b = *state;
    struct rec_account account = make_account(b, "robot");
    char text[REC_API_KEYS_TEXT], lasting[REC_API_KEYS_TEXT];
    struct rec_api_key made, key;
    both_ok(b, rec_api_keys_add(text, &made, &b->store, account.id, "short", "", NOW, NOW + 100, &b->err));
    assert_int_equal(check(b, &key, text, NOW + 99), 1);
    assert_int_equal(check(b, &key, text, NOW + 100), 0);
    both_ok(b, rec_api_keys_add(lasting, &made, &b->store, account.id, "lasting", "", NOW, 0, &b->err));
    assert_int_equal(check(b, &key, lasting, NOW + 1000000), 1);
    both_ok(b, rec_accounts_set_disabled(&b->store, account.id, true, NOW, &b->err));
    assert_int_equal(check(b, &key, lasting, NOW + 1), 0);
    both_ok(b, rec_accounts_set_disabled(&b->store, account.id, false, NOW, &b->err));
    assert_int_equal(check(b, &key, lasting, NOW + 1), 1);
    assert_int_equal(rec_api_keys_revoke(&b->store, made.id, NOW + 5, &b->err), 1);
    assert_int_equal(rec_api_keys_revoke(&b->store, made.id, NOW + 9, &b->err), 1);
    assert_int_equal(check(b, &key, lasting, NOW + 6), 0);
    assert_int_equal(both_int(b, "SELECT max(revoked) FROM api_keys"), NOW + 5);
    assert_int_equal(rec_api_keys_revoke(&b->store, "none", NOW, &b->err), 0);
}

static void notes_its_use(void **state)
{
    struct both *b = *state;
    struct rec_account account = make_account(b, "robot");
    struct rec_store other;
    char text[REC_API_KEYS_TEXT];
    struct rec_api_key made, key;
    struct timespec before, after;
    both_ok(b, rec_api_keys_add(text, &made, &b->store, account.id, "", "", NOW, 0, &b->err));
    check(b, &key, text, NOW);
    assert_int_equal(key.last_used, NOW);
    check(b, &key, text, NOW + 59);
    assert_int_equal(both_int(b, "SELECT last_used FROM api_keys"), NOW);
    check(b, &key, text, NOW + 60);
    assert_int_equal(both_int(b, "SELECT last_used FROM api_keys"), NOW + 60);
    /* Somebody else is writing: the key is in force at once. */
    both_open(&other, b);
    both_ok(b, rec_sql_begin(other.db, REC_SQL_WRITE, &b->err));
    both_ok(b, rec_sql_exec(other.db, NULL, "UPDATE api_keys SET name = 'x'", REC_SQL_NONE, &b->err));
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(check(b, &key, text, NOW + 500), 1);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(after.tv_sec - before.tv_sec <= 3);
    rec_store_close(&other);
    assert_int_equal(both_int(b, "SELECT last_used FROM api_keys"), NOW + 60);
}

static void read_only(void **state)
{
    struct both *b = *state;
    struct rec_account account = make_account(b, "robot"), found;
    struct rec_sql_options options = both_options;
    struct rec_store reader;
    char text[REC_API_KEYS_TEXT];
    struct rec_api_key made, key;
    both_ok(b, rec_api_keys_add(text, &made, &b->store, account.id, "", "", NOW, 0, &b->err));
    options.read_only = true;
    options.create = false;
    both_ok(b, rec_store_open(&reader, b->url, NULL, &options, &b->err));
    assert_int_equal(rec_api_keys_check(&key, &found, &reader, text, strlen(text), NOW, &b->err), 1);
    assert_int_equal(key.last_used, 0);
    rec_store_close(&reader);
}

static int count(void *context, const struct rec_api_key *key)
{
    assert_string_not_equal(key->account, "");
    ++*(size_t *)context;
    return 0;
}

static int only_the_first(void *context, const struct rec_api_key *key)
{
    count(context, key);
    assert_string_equal(key->name, "first");
    return 1;
}

static void listed(void **state)
{
    struct both *b = *state;
    struct rec_account one = make_account(b, "one"), two = make_account(b, "two");
    char text[REC_API_KEYS_TEXT];
    struct rec_api_key made;
    size_t n = 0;
    both_ok(b, rec_api_keys_add(text, &made, &b->store, one.id, "second", "", NOW + 1, 0, &b->err));
    both_ok(b, rec_api_keys_add(text, &made, &b->store, one.id, "first", "", NOW, 0, &b->err));
    both_ok(b, rec_api_keys_add(text, &made, &b->store, two.id, "third", "", NOW + 2, 0, &b->err));
    both_ok(b, rec_api_keys_list(&b->store, one.id, count, &n, &b->err));
    assert_int_equal(n, 2);
    both_ok(b, rec_api_keys_list(&b->store, NULL, count, &n, &b->err));
    assert_int_equal(n, 5);
    n = 0;
    both_ok(b, rec_api_keys_list(&b->store, NULL, only_the_first, &n, &b->err));
    assert_int_equal(n, 1);
}

static void refused(void **state)
{
    struct both *b = *state;
    struct rec_account account = make_account(b, "robot");
    char text[REC_API_KEYS_TEXT], longest[66];
    struct rec_api_key made;
    memset(longest, 'x', 65);
    longest[65] = '\0';
    both_fails(b, rec_api_keys_add(text, &made, &b->store, "nobody", "", "", NOW, 0, &b->err), REC_SQL_CONSTRAINT, "no such account");
    assert_string_equal(text, "");
    both_fails(b, rec_api_keys_add(text, &made, &b->store, account.id, longest, "", NOW, 0, &b->err), REC_SQL_CONSTRAINT, "name");
    both_fails(b, rec_api_keys_add(text, &made, &b->store, account.id, "a\nb", "", NOW, 0, &b->err), REC_SQL_CONSTRAINT, "name");
    both_fails(b, rec_api_keys_add(text, &made, &b->store, account.id, "", "a  b", NOW, 0, &b->err), REC_SQL_CONSTRAINT, "scopes");
    both_fails(b, rec_api_keys_add(text, &made, &b->store, account.id, "", "A", NOW, 0, &b->err), REC_SQL_CONSTRAINT, "scopes");
    both_fails(b, rec_api_keys_add(text, &made, &b->store, account.id, "", " a", NOW, 0, &b->err), REC_SQL_CONSTRAINT, "scopes");
    both_fails(b, rec_api_keys_add(text, &made, &b->store, account.id, "", "", NOW, NOW, &b->err), REC_SQL_CONSTRAINT, "expired");
    assert_int_equal(both_int(b, "SELECT count(*) FROM api_keys"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_and_checked), cmocka_unit_test(ends), cmocka_unit_test(notes_its_use),
        cmocka_unit_test(read_only), cmocka_unit_test(listed), cmocka_unit_test(refused),
    };
    return both_run(tests, REC_LENGTH(tests));
}
