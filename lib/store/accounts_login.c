/* SPDX-License-Identifier: MIT
 *
 * Passwords: which are taken, and logging in by one.
 *
 * A login computes one hash, whatever it meets: of the account's own text, or, for a name that does not exist and an account without a password,
 * a new one at the cost in force. So neither the answer nor its time tells which names there are. The rules for passwords are those of
 * NIST SP 800-63B, 5.1.1.2: a least length, and a list of what is guessed first; no rules of composition.
 */
#include "accounts_priv.h"

#include <rec/format.h>

#define SHORTEST 10

/* What is guessed first among those that are long enough, in small letters: rows of keys, counting, the best known words twice or with a
 * number behind them. */
static const char *const commonest[] = {
    "0123456789",   "1234567890",   "12345678910",  "123456789a",    "1234567899",    "123123123123", "1231231234",   "12341234123",
    "1122334455",   "1212121212",   "0987654321",   "9876543210",    "1q2w3e4r5t",    "1q2w3e4r5t6y", "q1w2e3r4t5",   "1qaz2wsx3edc",
    "1qazxsw23edc", "zaq12wsxcde3", "qwertyuiop",   "qwertyuiop1",   "qwerty12345",   "qwerty123456", "qwerty1234",   "qwertyqwerty",
    "asdfghjkl1",   "asdfghjkl;",   "asdfasdfasdf", "zxcvbnm123",    "azertyuiop",    "qwertzuiop",   "abcdefghij",   "abcdefghijk",
    "abc1234567",   "abcd123456",   "abcd1234567",  "a123456789",    "aa12345678",    "aa123456789",  "password12",   "password123",
    "password1234", "password12345", "passwordpassword", "password01", "passw0rd123", "p@ssw0rd123",  "p@ssword123",  "mypassword",
    "mypassword1",  "password!1",   "password1!",   "thepassword",   "letmein123",    "letmein1234",  "letmeinnow",   "welcome123",
    "welcome1234",  "welcome2024",  "welcome2025",  "welcome2026",   "changeme123",   "changeme1234", "changemenow",  "changeit123",
    "administrator", "admin12345",  "admin123456",  "adminadmin",    "administrator1", "rootroot123", "superadmin",   "superuser1",
    "iloveyou12",   "iloveyou123",  "iloveyou1234", "iloveyouforever", "ihateyou123", "football123",  "football12",   "baseball123",
    "basketball",   "basketball1",  "liverpool1",   "manchester",    "superman123",   "batman12345",  "spiderman1",   "spiderman123",
    "starwars123",  "pokemon1234",  "dragon12345",  "monkey12345",   "princess123",   "sunshine123",  "sunshine12",   "butterfly1",
    "chocolate1",   "strawberry",   "blink182182",  "summer2024",    "summer2025",    "summer2026",   "winter2024",   "winter2025",
    "winter2026",   "spring2026",   "autumn2026",   "michael123",    "jennifer123",   "charlie123",   "alexander1",   "christopher",
    "trustno1trustno1", "trustno123", "computer123", "internet123",  "samsung123",    "qazwsxedcrfv", "qazwsx1234",   "unknown123",
    "test123456",   "testtest12",   "testtest123",  "testpassword",  "temporary1",    "temppassword", "default123",   "guestguest",
    "movielens123", "recommender",  "recommender1",
};

/* ---- which passwords are taken ----------------------------------------------------------------------- */

/* Without regard to case; not in constant time, as the password is not a secret of ours yet. */
static bool same(const char *folded, size_t len, const char *text)
{
    char other[REC_ACCOUNTS_EMAIL_LONGEST + 1];
    rec_accounts_fold(other, sizeof other, text);
    return strlen(other) == len && memcmp(folded, other, len) == 0;
}

/* On the list, or one character over and over. */
static bool is_common(const char *folded, size_t len)
{
    size_t i = 1;
    while (i < len && folded[i] == folded[0])
        i++;
    if (i == len)
        return true;
    for (i = 0; i < REC_LENGTH(commonest); i++)
        if (same(folded, len, commonest[i]))
            return true;
    return false;
}

int rec_accounts_check_secret(const char *password, size_t len, const char *name, const char *email, struct rec_err *err)
{
    char folded[REC_PASSWORD_LONGEST + 1] = {0};
    int status = -1;
    if (len < SHORTEST)
        return rec_err_set(err, "password: is shorter than %d characters", SHORTEST);
    if (len > REC_PASSWORD_LONGEST)
        return rec_err_set(err, "password: is longer than %d bytes", REC_PASSWORD_LONGEST);
    if (!rec_json_utf8(password, len) || memchr(password, '\0', len))
        return rec_err_set(err, "password: is not UTF-8");
    memcpy(folded, password, len);
    rec_accounts_fold(folded, sizeof folded, folded);
    if (name && same(folded, len, name))
        rec_err_set(err, "password: is the name of the account; choose another");
    else if (email && *email && same(folded, len, email))
        rec_err_set(err, "password: is the e-mail of the account; choose another");
    else if (is_common(folded, len))
        rec_err_set(err, "password: is one of the first that are guessed; choose another");
    else
        status = 0;
    rec_secret_wipe(folded, sizeof folded);
    return status;
}

int rec_accounts_check_password(const char *password, size_t len, const char *name, struct rec_err *err)
{
    return rec_accounts_check_secret(password, len, name, "", err);
}

const struct rec_password_cost *rec_accounts_cost(const struct rec_store *store)
{
    return store->cost ? store->cost : &rec_password_interactive;
}

/* ---- logging in --------------------------------------------------------------------------------------- */

/* 1: `out` and its hash ("": none); 0: there is no such account. */
static int find(struct rec_account *out, char hash[REC_PASSWORD_TEXT], struct rec_store *store, const char *name, struct rec_err *err)
{
    char key[REC_ACCOUNTS_NAME_LONGEST + 1];
    struct rec_sql_rows rows;
    int status;
    *out = (struct rec_account){.id = ""};
    hash[0] = '\0';
    if (rec_accounts_check_name(name, NULL) < 0)
        return 0;
    rec_accounts_fold(key, sizeof key, name);
    if (rec_sql_query(&rows, store->db,
                      "SELECT " REC_ACCOUNTS_COLUMNS ", a.password FROM" REC_ACCOUNTS_TABLES "WHERE a.name_key = $1",
                      REC_SQL(rec_sql_text(key)), err) < 0)
        return -1;
    if ((status = rec_sql_next(&rows, err)) > 0) {
        const struct rec_sql_value *password = &rows.value[REC_ACCOUNTS_WIDTH];
        if (password->type != REC_SQL_NULL)
            snprintf(hash, REC_PASSWORD_TEXT, "%s", password->text);
        if (rec_accounts_read(out, store, rows.value, err) < 0)
            status = -1;
    }
    rec_sql_done(&rows);
    return status;
}

/* Whether it is the password; in any case in the time of one hash. */
static bool matches(const char *hash, const struct rec_store *store, const char *password, size_t len)
{
    char unused[REC_PASSWORD_TEXT];
    if (*hash)
        return rec_password_verify(hash, password, len);
    if (len <= REC_PASSWORD_LONGEST && rec_password_hash(unused, password, len, rec_accounts_cost(store), NULL) == 0)
        rec_secret_wipe(unused, sizeof unused);
    return false;
}

/* last_login, and the hash at the cost in force; not over a password that was changed meanwhile. */
static int record(struct rec_account *account, struct rec_store *store, const char *hash, const char *password, size_t len, int64_t now,
                  struct rec_err *err)
{
    char renewed[REC_PASSWORD_TEXT];
    bool stale = rec_password_stale(hash, rec_accounts_cost(store));
    double patience = rec_sql_patience(store->db, 0.5);
    int status = -1;
    if (!stale || rec_password_hash(renewed, password, len, rec_accounts_cost(store), err) == 0)
        status = rec_sql_exec(store->db, NULL, "UPDATE accounts SET last_login = $1, password = $2 WHERE id = $3 AND password = $4",
                              REC_SQL(rec_sql_int(now), rec_sql_text(stale ? renewed : hash), rec_sql_text(account->id), rec_sql_text(hash)),
                              err);
    rec_sql_patience(store->db, patience);
    rec_secret_wipe(renewed, sizeof renewed);
    if (status == 0)
        account->last_login = now;
    return status;
}

int rec_accounts_login(struct rec_account *out, struct rec_store *store, const char *name, const char *password, size_t len, int64_t now,
                       struct rec_err *err)
{
    char hash[REC_PASSWORD_TEXT];
    int found = find(out, hash, store, name, err);
    bool welcome;
    if (found < 0)
        return -1;
    welcome = matches(hash, store, password, len) && found && !out->disabled;
    if (welcome && record(out, store, hash, password, len, now, err) < 0) {
        /* That it was them is true also where nothing can be written. */
        enum rec_sql_fault fault = rec_sql_fault(store->db);
        if (fault != REC_SQL_BUSY && fault != REC_SQL_READONLY && fault != REC_SQL_FULL)
            found = -1;
    }
    rec_secret_wipe(hash, sizeof hash);
    if (!welcome || found < 0)
        *out = (struct rec_account){.id = ""};
    return found < 0 ? -1 : welcome;
}

/* ---- another password --------------------------------------------------------------------------------- */

int rec_accounts_set_password(struct rec_store *store, const char *id, const char *password, size_t len, int64_t now, struct rec_err *err)
{
    struct rec_account account;
    char hash[REC_PASSWORD_TEXT] = "";
    int64_t changed = 0;
    int status = rec_accounts_by_id(&account, store, id, err);
    if (status <= 0)
        return status;
    if (password && rec_accounts_check_secret(password, len, account.name, account.email, err) < 0) {
        rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, NULL, "password");
        status = -1;
    } else if (password && rec_password_hash(hash, password, len, rec_accounts_cost(store), err) < 0) {
        rec_sql_refuse(store->db, REC_SQL_OTHER, NULL, "password");
        status = -1;
    } else {
        status = rec_sql_exec(store->db, &changed, "UPDATE accounts SET password = $1, password_changed = $2, changed = $2 WHERE id = $3",
                              REC_SQL(password ? rec_sql_text(hash) : rec_sql_null(), rec_sql_int(now), rec_sql_text(id)), err);
    }
    rec_secret_wipe(hash, sizeof hash);
    rec_secret_wipe(&account, sizeof account);
    return status < 0 ? -1 : changed > 0;
}
