/* SPDX-License-Identifier: MIT
 *
 * Accounts: names and addresses, e-mail under several keys, logging in, roles, and the user an account stands for.
 */
#include "both.h"

#include <pthread.h>

#define NOW 1700000000
#define PASSWORD "correct horse battery"

static const struct rec_keyring *versions(struct both *b, struct rec_keyring *keys, size_t from, size_t to)
{
    *keys = (struct rec_keyring){.n = 0};
    for (size_t i = from - 1; i < to; i++) {
        keys->version[keys->n] = keys->newest = b->keys.version[i];
        memcpy(keys->key[keys->n++], b->keys.key[i], REC_KEY_BYTES);
    }
    return keys;
}

static struct rec_account add(struct both *b, const char *name, const char *email, enum rec_role role)
{
    struct rec_account account;
    both_ok(b, rec_accounts_add(&account, &b->store, &(struct rec_accounts_new){.name = name, .email = email, .password = PASSWORD,
                                .password_len = strlen(PASSWORD), .role = role}, NOW, &b->err));
    return account;
}

static int login(struct both *b, const char *name, const char *password)
{
    struct rec_account account;
    int status = rec_accounts_login(&account, &b->store, name, password, strlen(password), NOW + 7, &b->err);
    both_ok(b, status);
    assert_int_equal(status == 1, account.id[0] != '\0');
    return status;
}

/* ---- rules ---------------------------------------------------------------------------------------- */

static void names_and_addresses(void **state)
{
    static const char *const good_names[] = {"ann", "Ann", "0.a", "a-b_c.d", "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl"};
    static const char *const bad_names[] = {"", "a", "ab", ".ab", "-ab", "a b", "a\nb", "ann@b", "\xc3\xa4nn",
                                            "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklm"};
    static const char *const good_mails[] = {"a@b", "Ann.O'Hara+x@example.org", "\xc3\xa4@\xc3\xa4.de"};
    static const char *const bad_mails[] = {"", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\n", "a@b\x7f", "a@.b", "a@b.", "\xff@b", "a@b\xc2\x85", "ab"};
    struct rec_err err;
    char longest[REC_ACCOUNTS_EMAIL_LONGEST + 2];
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(good_names); i++)
        assert_int_equal(rec_accounts_check_name(good_names[i], &err), 0);
    for (size_t i = 0; i < REC_LENGTH(bad_names); i++)
        assert_int_equal(rec_accounts_check_name(bad_names[i], &err), -1);
    for (size_t i = 0; i < REC_LENGTH(good_mails); i++)
        assert_int_equal(rec_accounts_check_email(good_mails[i], &err), 0);
    for (size_t i = 0; i < REC_LENGTH(bad_mails); i++)
        assert_int_equal(rec_accounts_check_email(bad_mails[i], &err), -1);
    memset(longest, 'x', sizeof longest - 1);
    longest[1] = '@';
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(rec_accounts_check_email(longest, &err), -1);
    longest[sizeof longest - 2] = '\0';
    assert_int_equal(rec_accounts_check_email(longest, &err), 0);
}

static void passwords(void **state)
{
    static const char *const bad[] = {"", "short", "ninechars", "1234567890", "QwertyUiop", "Password123", "aaaaaaaaaaaa", "Ann-The-First",
                                      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe"};
    char text[REC_PASSWORD_LONGEST + 1];
    struct rec_err err;
    (void)state;
    for (size_t i = 0; i < REC_LENGTH(bad); i++) {
        err.text[0] = '\0';
        assert_int_equal(rec_accounts_check_password(bad[i], strlen(bad[i]), "ann-the-first", &err), -1);
        assert_memory_equal(err.text, "password: ", 10);
    }
    assert_int_equal(rec_accounts_check_password("abcdefghi\0k", 11, "x", &err), -1);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 26);
    assert_int_equal(rec_accounts_check_password(text, sizeof text, "x", &err), -1);
    assert_int_equal(rec_accounts_check_password(text, sizeof text - 1, "x", &err), 0);
    assert_int_equal(rec_accounts_check_password(PASSWORD, strlen(PASSWORD), NULL, &err), 0);
    assert_int_equal(rec_accounts_check_password("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa4", 10, "x", &err), 0);
}

/* ---- made, found, listed -------------------------------------------------------------------------- */

static void made_and_found(void **state)
{
    struct both *b = *state;
    struct rec_account ann = add(b, "Ann", "Ann@Example.org", REC_ROLE_ANALYST), found;
    assert_int_equal(strlen(ann.id), REC_ACCOUNTS_ID);
    assert_int_equal(rec_accounts_by_name(&found, &b->store, "aNN", &b->err), 1);
    assert_memory_equal(&found, &ann, sizeof found);
    assert_int_equal(rec_accounts_by_email(&found, &b->store, "ann@EXAMPLE.org", &b->err), 1);
    assert_string_equal(found.id, ann.id);
    assert_string_equal(found.email, "Ann@Example.org");
    assert_int_equal(rec_accounts_by_id(&found, &b->store, ann.id, &b->err), 1);
    assert_string_equal(found.name, "Ann");
    assert_string_equal(found.user, ann.id);
    assert_false(found.tied || found.disabled);
    assert_int_equal(found.role, REC_ROLE_ANALYST);
    assert_int_equal(found.created, NOW);
    assert_int_equal(found.last_login, 0);
    assert_int_equal(rec_accounts_by_name(&found, &b->store, "bob", &b->err), 0);
    assert_string_equal(found.id, "");
    assert_int_equal(rec_accounts_by_name(&found, &b->store, "no name' --", &b->err), 0);
    assert_int_equal(rec_accounts_by_email(&found, &b->store, "bob@example.org", &b->err), 0);
    assert_int_equal(rec_accounts_by_email(&found, &b->store, "Ann", &b->err), 0);
    assert_int_equal(rec_accounts_by_id(&found, &b->store, "x", &b->err), 0);
    /* Neither the address nor the password is in the row as it was given. */
    assert_int_equal(both_int(b, "SELECT count(*) FROM accounts WHERE password LIKE '$argon2id$%' AND length(email_sealed) = 15 + 40"), 1);
}

static void taken(void **state)
{
    struct both *b = *state;
    struct rec_account ann = add(b, "ann", "ann@example.org", REC_ROLE_USER), out;
    struct rec_accounts_new again = {.name = "ANN", .password = PASSWORD, .password_len = strlen(PASSWORD)};
    both_fails(b, rec_accounts_add(&out, &b->store, &again, NOW, &b->err), REC_SQL_UNIQUE, "name is taken");
    again = (struct rec_accounts_new){.name = "bob", .email = "ANN@example.ORG"};
    both_fails(b, rec_accounts_add(&out, &b->store, &again, NOW, &b->err), REC_SQL_UNIQUE, "e-mail is taken");
    again = (struct rec_accounts_new){.name = "a b"};
    both_fails(b, rec_accounts_add(&out, &b->store, &again, NOW, &b->err), REC_SQL_CONSTRAINT, "name a b");
    again = (struct rec_accounts_new){.name = "bob", .email = "x"};
    both_fails(b, rec_accounts_add(&out, &b->store, &again, NOW, &b->err), REC_SQL_CONSTRAINT, "e-mail: ");
    again = (struct rec_accounts_new){.name = "bob", .password = "x", .password_len = 1};
    both_fails(b, rec_accounts_add(&out, &b->store, &again, NOW, &b->err), REC_SQL_CONSTRAINT, "password: ");
    again = (struct rec_accounts_new){.name = "bob", .email = "robert@example.org", .password = "Robert@Example.org", .password_len = 18};
    both_fails(b, rec_accounts_add(&out, &b->store, &again, NOW, &b->err), REC_SQL_CONSTRAINT, "password: is the e-mail");
    b->store.keys = NULL;
    again = (struct rec_accounts_new){.name = "bob", .email = "bob@example.org"};
    both_fails(b, rec_accounts_add(&out, &b->store, &again, NOW, &b->err), REC_SQL_DENIED, "keyring");
    assert_int_equal(both_int(b, "SELECT count(*) FROM accounts"), 1);
    /* Without keys all but the e-mail is to be had. */
    assert_int_equal(rec_accounts_by_id(&out, &b->store, ann.id, &b->err), 1);
    assert_string_equal(out.email, "");
}

struct names {
    size_t n, stop;
    char name[8][REC_ACCOUNTS_NAME_LONGEST + 1];
};

static int take_name(void *context, const struct rec_account *account)
{
    struct names *names = context;
    snprintf(names->name[names->n++], sizeof names->name[0], "%s", account->name);
    assert_string_equal(account->email, account->name[0] == 'B' ? "bob@example.org" : "");
    return names->stop && names->n == names->stop;
}

static void listed(void **state)
{
    struct both *b = *state;
    struct names names = {0};
    add(b, "carl", NULL, REC_ROLE_USER);
    add(b, "Bob", "bob@example.org", REC_ROLE_USER);
    add(b, "ann", NULL, REC_ROLE_USER);
    add(b, "Dave", NULL, REC_ROLE_USER);
    both_ok(b, rec_accounts_list(&b->store, "", 3, take_name, &names, &b->err));
    assert_int_equal(names.n, 3);
    assert_string_equal(names.name[0], "ann");
    assert_string_equal(names.name[1], "Bob");
    both_ok(b, rec_accounts_list(&b->store, "CARL", SIZE_MAX, take_name, &names, &b->err));
    assert_int_equal(names.n, 4);
    assert_string_equal(names.name[3], "Dave");
    names = (struct names){.stop = 2};
    both_ok(b, rec_accounts_list(&b->store, "", 100, take_name, &names, &b->err));
    assert_int_equal(names.n, 2);
}

/* ---- e-mail under several keys -------------------------------------------------------------------- */

static void sealed_to_its_place(void **state)
{
    struct both *b = *state;
    struct rec_account ann = add(b, "ann", "ann@example.org", REC_ROLE_USER), bob = add(b, "bob", "bob@example.org", REC_ROLE_USER), out;
    both_ok(b, rec_sql_exec(b->store.db, NULL, "UPDATE accounts SET email_sealed = (SELECT email_sealed FROM accounts WHERE id = $1) WHERE id = $2",
                            REC_SQL(rec_sql_text(bob.id), rec_sql_text(ann.id)), &b->err));
    both_fails(b, rec_accounts_by_id(&out, &b->store, ann.id, &b->err), REC_SQL_OTHER, "e-mail");
    assert_int_equal(rec_accounts_by_id(&out, &b->store, bob.id, &b->err), 1);
}

static void renewed_keys(void **state)
{
    enum { N = 600 };
    struct both *b = *state;
    struct rec_keyring first, both, second;
    struct rec_account out;
    uint64_t done;
    char name[16], email[40];
    b->store.keys = versions(b, &first, 1, 1);
    versions(b, &both, 1, 2);
    versions(b, &second, 2, 2);
    both_ok(b, rec_sql_begin(b->store.db, REC_SQL_WRITE, &b->err));
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "name-%d", i);
        snprintf(email, sizeof email, "Mail-%d@example.org", i);
        if (i == N / 2)
            b->store.keys = &both;
        both_ok(b, rec_accounts_add(&out, &b->store, &(struct rec_accounts_new){.name = name, .email = i % 3 ? email : NULL}, NOW, &b->err));
    }
    both_ok(b, rec_sql_commit(b->store.db, &b->err));
    /* Rows of both versions: found, taken, read. */
    for (int i = 1; i < N; i += 100) {
        snprintf(email, sizeof email, "mail-%d@example.org", i);
        assert_int_equal(rec_accounts_by_email(&out, &b->store, email, &b->err), i % 3 ? 1 : 0);
    }
    both_fails(b, rec_accounts_add(&out, &b->store, &(struct rec_accounts_new){.name = "new", .email = "mail-1@example.org"}, NOW, &b->err),
               REC_SQL_UNIQUE, "taken");
    both_ok(b, rec_accounts_rekey(&b->store, &done, &b->err));
    assert_int_equal(done, 200);
    assert_int_equal(both_int(b, "SELECT count(*) FROM accounts WHERE key_version = 1"), 0);
    both_ok(b, rec_accounts_rekey(&b->store, &done, &b->err));
    assert_int_equal(done, 0);
    /* The first key is needed no more. */
    b->store.keys = &second;
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "name-%d", i);
        snprintf(email, sizeof email, "Mail-%d@example.org", i);
        assert_int_equal(rec_accounts_by_name(&out, &b->store, name, &b->err), 1);
        assert_string_equal(out.email, i % 3 ? email : "");
        assert_int_equal(i % 3 ? rec_accounts_by_email(&out, &b->store, email, &b->err) : 1, 1);
    }
    /* Without the key a row was sealed with there is an error, which leaves all as it was. */
    b->store.keys = &first;
    both_fails(b, rec_accounts_by_name(&out, &b->store, "name-1", &b->err), REC_SQL_OTHER, "key");
    both_fails(b, rec_accounts_rekey(&b->store, &done, &b->err), REC_SQL_OTHER, "key");
    assert_int_equal(both_int(b, "SELECT count(*) FROM accounts WHERE key_version = 2"), 400);
}

static void another_email(void **state)
{
    struct both *b = *state;
    struct rec_account ann = add(b, "ann", "ann@example.org", REC_ROLE_USER), out;
    add(b, "bob", "bob@example.org", REC_ROLE_USER);
    both_fails(b, rec_accounts_set_email(&b->store, ann.id, "BOB@example.org", NOW, &b->err), REC_SQL_UNIQUE, "taken");
    both_fails(b, rec_accounts_set_email(&b->store, ann.id, "x", NOW, &b->err), REC_SQL_CONSTRAINT, "e-mail");
    assert_int_equal(rec_accounts_set_email(&b->store, ann.id, "ANN@example.org", NOW + 1, &b->err), 1);
    assert_int_equal(rec_accounts_set_email(&b->store, ann.id, "new@example.org", NOW + 2, &b->err), 1);
    assert_int_equal(rec_accounts_by_email(&out, &b->store, "ann@example.org", &b->err), 0);
    assert_int_equal(rec_accounts_by_email(&out, &b->store, "New@example.org", &b->err), 1);
    assert_int_equal(out.changed, NOW + 2);
    assert_int_equal(rec_accounts_set_email(&b->store, ann.id, NULL, NOW + 3, &b->err), 1);
    assert_int_equal(rec_accounts_by_id(&out, &b->store, ann.id, &b->err), 1);
    assert_string_equal(out.email, "");
    assert_int_equal(rec_accounts_set_email(&b->store, "nobody", "x@y", NOW, &b->err), 0);
}

struct signup {
    struct both *b;
    int number, made;
    struct rec_keyring keys;
    struct rec_err err;
};

/* Each name and each address is wanted by two threads, under different keys. */
static void *sign_up(void *context)
{
    struct signup *s = context;
    struct rec_store store;
    struct rec_account out;
    if (rec_store_open(&store, s->b->url, NULL, &both_options, &s->err) < 0)
        return NULL;
    store.keys = &s->keys;
    for (int i = 0; i < 40; i++) {
        char name[16], email[40];
        snprintf(name, sizeof name, "%s-%d", s->number & 1 ? "one" : "two", i);
        snprintf(email, sizeof email, "mail-%d-%d@example.org", i, s->number >> 1);
        if (rec_accounts_add(&out, &store, &(struct rec_accounts_new){.name = name, .email = email}, NOW, &s->err) == 0)
            s->made++;
        else if (rec_sql_fault(store.db) != REC_SQL_UNIQUE)
            s->made = -1000;
        if (i == 20 && s->number == 3 && rec_accounts_rekey(&store, NULL, &s->err) < 0)
            s->made = -1000;
    }
    rec_store_close(&store);
    return NULL;
}

static void sign_ups_at_once(void **state)
{
    struct both *b = *state;
    struct signup s[4];
    pthread_t thread[4];
    struct rec_account out;
    int made = 0, found = 0;
    for (int i = 0; i < 4; i++) {
        s[i] = (struct signup){.b = b, .number = i};
        /* All have both, or the first could not find what the second has sealed; three have not noticed yet that it is the newest. */
        versions(b, &s[i].keys, 1, 2);
        if (i != 3)
            s[i].keys.newest = 1;
        assert_int_equal(pthread_create(&thread[i], NULL, sign_up, &s[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
        if (s[i].made < 0)
            fail_msg("%s", s[i].err.text);
        made += s[i].made;
    }
    assert_int_equal(both_int(b, "SELECT count(*) FROM accounts"), made);
    for (int i = 0; i < 40; i++)
        for (int j = 0; j < 2; j++) {
            char email[40];
            snprintf(email, sizeof email, "mail-%d-%d@example.org", i, j);
            int one = rec_accounts_by_email(&out, &b->store, email, &b->err);
            both_ok(b, one);
            found += one;
        }
    /* Every account that was made has an address of its own, which finds it. */
    assert_int_equal(found, made);
}

/* ---- logging in ----------------------------------------------------------------------------------- */

static void logs_in(void **state)
{
    struct both *b = *state;
    struct rec_account ann = add(b, "ann", "ann@example.org", REC_ROLE_USER), out;
    add(b, "closed", NULL, REC_ROLE_USER);
    both_ok(b, rec_accounts_add(&out, &b->store, &(struct rec_accounts_new){.name = "robot"}, NOW, &b->err));
    assert_int_equal(rec_accounts_login(&out, &b->store, "ANN", PASSWORD, strlen(PASSWORD), NOW + 7, &b->err), 1);
    assert_string_equal(out.id, ann.id);
    assert_int_equal(out.last_login, NOW + 7);
    assert_int_equal(rec_accounts_by_id(&out, &b->store, ann.id, &b->err), 1);
    assert_int_equal(out.last_login, NOW + 7);
    assert_int_equal(login(b, "ann", PASSWORD "x"), 0);
    assert_int_equal(login(b, "ann", ""), 0);
    assert_int_equal(login(b, "bob", PASSWORD), 0);
    assert_int_equal(login(b, "robot", PASSWORD), 0);
    assert_int_equal(login(b, "robot", ""), 0);
    assert_int_equal(login(b, "no such ' name", PASSWORD), 0);
    assert_int_equal(login(b, "closed", PASSWORD), 1);
    both_ok(b, rec_accounts_by_name(&out, &b->store, "closed", &b->err));
    assert_int_equal(rec_accounts_set_disabled(&b->store, out.id, true, NOW, &b->err), 1);
    assert_int_equal(login(b, "closed", PASSWORD), 0);
}

static void stale_hash_renewed(void **state)
{
    static const struct rec_password_cost dearer = {2, 16384};
    struct both *b = *state;
    add(b, "ann", NULL, REC_ROLE_USER);
    assert_int_equal(both_int(b, "SELECT count(*) FROM accounts WHERE password LIKE '%m=8,t=1,%'"), 1);
    b->store.cost = &dearer;
    assert_int_equal(login(b, "ann", "wrong password"), 0);
    assert_int_equal(both_int(b, "SELECT count(*) FROM accounts WHERE password LIKE '%m=8,t=1,%'"), 1);
    assert_int_equal(login(b, "ann", PASSWORD), 1);
    assert_int_equal(both_int(b, "SELECT count(*) FROM accounts WHERE password LIKE '%m=16,t=2,%'"), 1);
    assert_int_equal(login(b, "ann", PASSWORD), 1);
}

static void another_password(void **state)
{
    struct both *b = *state;
    struct rec_account ann = add(b, "ann", "ann.smith@example.org", REC_ROLE_USER), out;
    both_fails(b, rec_accounts_set_password(&b->store, ann.id, "short", 5, NOW, &b->err), REC_SQL_CONSTRAINT, "password");
    both_fails(b, rec_accounts_set_password(&b->store, ann.id, "Ann.Smith@example.org", 21, NOW, &b->err), REC_SQL_CONSTRAINT, "e-mail");
    assert_int_equal(rec_accounts_set_password(&b->store, ann.id, "another password", 16, NOW + 3, &b->err), 1);
    assert_int_equal(login(b, "ann", PASSWORD), 0);
    assert_int_equal(login(b, "ann", "another password"), 1);
    assert_int_equal(rec_accounts_by_id(&out, &b->store, ann.id, &b->err), 1);
    assert_int_equal(out.password_changed, NOW + 3);
    assert_int_equal(rec_accounts_set_password(&b->store, ann.id, NULL, 0, NOW + 4, &b->err), 1);
    assert_int_equal(login(b, "ann", "another password"), 0);
    assert_int_equal(rec_accounts_set_password(&b->store, "nobody", PASSWORD, strlen(PASSWORD), NOW, &b->err), 0);
}

/* The least processor time of several attempts: what else the machine does is not counted. */
static double cost_of(struct both *b, const char *name, const char *password)
{
    double least = 1e9;
    for (int i = 0; i < 12; i++) {
        struct timespec from, to;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        assert_int_equal(login(b, name, password), 0);
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        double took = (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
        least = took < least ? took : least;
    }
    return least;
}

static void same_time_whatever_it_meets(void **state)
{
    static const struct rec_password_cost milliseconds = {2, 4 << 20};
    struct both *b = *state;
    struct rec_account out;
    double wrong, other;
    b->store.cost = &milliseconds;
    add(b, "ann", "ann@example.org", REC_ROLE_USER);
    out = add(b, "closed", "closed@example.org", REC_ROLE_USER);
    both_ok(b, rec_accounts_set_disabled(&b->store, out.id, true, NOW, &b->err));
    both_ok(b, rec_accounts_add(&out, &b->store, &(struct rec_accounts_new){.name = "robot"}, NOW, &b->err));
    wrong = cost_of(b, "ann", "wrong password");
    const struct {
        const char *name, *password;
    } attempts[] = {{"nobody", PASSWORD}, {"!", PASSWORD}, {"closed", PASSWORD}, {"closed", "wrong password"}, {"robot", PASSWORD}};
    for (size_t i = 0; i < REC_LENGTH(attempts); i++) {
        other = cost_of(b, attempts[i].name, attempts[i].password);
        if (other < 0.6 * wrong || other > 1.7 * wrong)
            fail_msg("%s: %.2f ms, a wrong password: %.2f ms", attempts[i].name, other * 1e3, wrong * 1e3);
    }
}

/* ---- roles ---------------------------------------------------------------------------------------- */

static void last_administrator(void **state)
{
    struct both *b = *state;
    struct rec_account ann = add(b, "ann", NULL, REC_ROLE_ADMIN), bob = add(b, "bob", NULL, REC_ROLE_USER), out;
    both_fails(b, rec_accounts_set_role(&b->store, ann.id, REC_ROLE_USER, NOW, &b->err), REC_SQL_CONSTRAINT, "last administrator");
    both_fails(b, rec_accounts_set_disabled(&b->store, ann.id, true, NOW, &b->err), REC_SQL_CONSTRAINT, "last administrator");
    assert_int_equal(rec_accounts_set_role(&b->store, ann.id, REC_ROLE_ADMIN, NOW, &b->err), 1);
    assert_int_equal(rec_accounts_set_role(&b->store, bob.id, REC_ROLE_ADMIN, NOW + 1, &b->err), 1);
    assert_int_equal(rec_accounts_set_disabled(&b->store, bob.id, true, NOW, &b->err), 1);
    /* One who is disabled does not count. */
    both_fails(b, rec_accounts_set_role(&b->store, ann.id, REC_ROLE_USER, NOW, &b->err), REC_SQL_CONSTRAINT, "last administrator");
    assert_int_equal(rec_accounts_set_disabled(&b->store, bob.id, false, NOW, &b->err), 1);
    assert_int_equal(rec_accounts_set_role(&b->store, ann.id, REC_ROLE_SERVICE, NOW + 2, &b->err), 1);
    assert_int_equal(rec_accounts_by_id(&out, &b->store, ann.id, &b->err), 1);
    assert_int_equal(out.role, REC_ROLE_SERVICE);
    assert_int_equal(out.changed, NOW + 2);
    both_fails(b, rec_accounts_set_disabled(&b->store, bob.id, true, NOW, &b->err), REC_SQL_CONSTRAINT, "last administrator");
    assert_int_equal(rec_accounts_set_role(&b->store, "nobody", REC_ROLE_USER, NOW, &b->err), 0);
    assert_int_equal(rec_accounts_set_disabled(&b->store, "nobody", true, NOW, &b->err), 0);
    both_fails(b, rec_accounts_set_role(&b->store, bob.id, (enum rec_role)7, NOW, &b->err), REC_SQL_CONSTRAINT, "role 7");
}

struct demotion {
    struct both *b;
    const char *id;
    int status;
    struct rec_err err;
};

static void *demote(void *context)
{
    struct demotion *d = context;
    struct rec_store store;
    if (rec_store_open(&store, d->b->url, NULL, &both_options, &d->err) < 0)
        return NULL;
    d->status = rec_accounts_set_role(&store, d->id, REC_ROLE_USER, NOW, &d->err);
    rec_store_close(&store);
    return NULL;
}

static void two_demote_each_other(void **state)
{
    struct both *b = *state;
    struct rec_account ann = add(b, "ann", NULL, REC_ROLE_ADMIN), bob = add(b, "bob", NULL, REC_ROLE_ADMIN);
    for (int i = 0; i < 10; i++) {
        struct demotion d[2] = {{.b = b, .id = ann.id}, {.b = b, .id = bob.id}};
        pthread_t thread[2];
        for (int j = 0; j < 2; j++)
            assert_int_equal(pthread_create(&thread[j], NULL, demote, &d[j]), 0);
        for (int j = 0; j < 2; j++)
            pthread_join(thread[j], NULL);
        assert_int_equal(d[0].status + d[1].status, 0);
        assert_int_equal(both_int(b, "SELECT count(*) FROM accounts WHERE role = 'admin'"), 1);
        both_ok(b, rec_accounts_set_role(&b->store, ann.id, REC_ROLE_ADMIN, NOW, &b->err));
        both_ok(b, rec_accounts_set_role(&b->store, bob.id, REC_ROLE_ADMIN, NOW, &b->err));
    }
}

/* ---- the user of the data set --------------------------------------------------------------------- */

static void rate(struct both *b, const char *user, const char *movie, double value, int64_t time, const char *request)
{
    both_ok(b, rec_feedback_add(&b->store, &(struct rec_event){.user = user, .movie = movie, .kind = "rating", .value = value, .time = time,
                                .request = request}, 1, NOW, NULL, &b->err));
}

static int sum(void *context, const char *movie, double value, int64_t time)
{
    *(double *)context += value * (movie[0] == 'm' ? 1 : 10);
    (void)time;
    return 0;
}

static double ratings_of(struct both *b, const char *user)
{
    double total = 0;
    both_ok(b, rec_feedback_ratings(&b->store, user, sum, &total, &b->err));
    return total;
}

static void tied(void **state)
{
    struct both *b = *state;
    struct rec_account ann = add(b, "ann", NULL, REC_ROLE_USER), bob = add(b, "bob", NULL, REC_ROLE_USER), out;
    both_ok(b, rec_sql_exec(b->store.db, NULL, "INSERT INTO movies (name) VALUES ('m'), ('n'), ('o')", REC_SQL_NONE, &b->err));
    rate(b, "1", "m", 1, 10, "r");
    rate(b, "1", "n", 1, 30, "s");
    rate(b, ann.id, "m", 2, 20, "r");
    rate(b, ann.id, "n", 2, 20, "t");
    rate(b, bob.id, "m", 5, 20, "r");
    both_fails(b, rec_accounts_tie(&b->store, ann.id, "2", NOW, &b->err), REC_SQL_CONSTRAINT, "no such user");
    both_fails(b, rec_accounts_tie(&b->store, ann.id, bob.id, NOW, &b->err), REC_SQL_UNIQUE, "another account");
    assert_int_equal(rec_accounts_tie(&b->store, "nobody", "1", NOW, &b->err), 0);
    assert_int_equal(rec_accounts_tie(&b->store, ann.id, "1", NOW + 100, &b->err), 1);
    assert_int_equal(rec_accounts_by_id(&out, &b->store, ann.id, &b->err), 1);
    assert_string_equal(out.user, "1");
    assert_true(out.tied);
    /* m: the account's is later; n: the user's is. */
    assert_true(ratings_of(b, "1") == 2 + 10 * 1);
    assert_true(ratings_of(b, ann.id) == 0);
    assert_true(ratings_of(b, bob.id) == 5);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 5);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback f JOIN users u ON u.id = f.user_id WHERE u.name = '1'"), 4);
    assert_int_equal(both_int(b, "SELECT count(DISTINCT request) FROM feedback f JOIN users u ON u.id = f.user_id WHERE u.name = '1'"), 4);
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback WHERE received = 1700000100000000"), 2);
    /* A request that is sent again after the tie is still the same. */
    rate(b, "1", "n", 2, 20, "t");
    assert_int_equal(both_int(b, "SELECT count(*) FROM feedback"), 5);
    both_fails(b, rec_accounts_tie(&b->store, bob.id, "1", NOW, &b->err), REC_SQL_UNIQUE, "another account");
    both_fails(b, rec_accounts_tie(&b->store, bob.id, ann.id, NOW, &b->err), REC_SQL_UNIQUE, "another account");
    /* Untied: what was rated stays; anew: nothing to move. */
    assert_int_equal(rec_accounts_tie(&b->store, ann.id, NULL, NOW, &b->err), 1);
    assert_true(ratings_of(b, "1") == 12);
    assert_int_equal(rec_accounts_by_id(&out, &b->store, ann.id, &b->err), 1);
    assert_string_equal(out.user, ann.id);
    rate(b, ann.id, "m", 3, 40, "r");
    assert_int_equal(rec_accounts_tie(&b->store, ann.id, "1", NOW, &b->err), 1);
    assert_true(ratings_of(b, "1") == 3 + 10 * 1);
    assert_int_equal(rec_accounts_tie(&b->store, ann.id, ann.id, NOW, &b->err), 1);
    assert_int_equal(rec_accounts_tie(&b->store, bob.id, "1", NOW, &b->err), 1);
    assert_true(ratings_of(b, "1") == 3 + 10 * 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_addresses), cmocka_unit_test(passwords), cmocka_unit_test(made_and_found), cmocka_unit_test(taken),
        cmocka_unit_test(listed), cmocka_unit_test(sealed_to_its_place), cmocka_unit_test(renewed_keys), cmocka_unit_test(another_email),
        cmocka_unit_test(sign_ups_at_once), cmocka_unit_test(logs_in), cmocka_unit_test(stale_hash_renewed),
        cmocka_unit_test(another_password), cmocka_unit_test(same_time_whatever_it_meets), cmocka_unit_test(last_administrator),
        cmocka_unit_test(two_demote_each_other), cmocka_unit_test(tied),
    };
    return both_run(tests, REC_LENGTH(tests));
}
