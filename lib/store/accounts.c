/* SPDX-License-Identifier: MIT
 *
 * Accounts: their names, how they are read and found, and how a new one is made.
 *
 * An e-mail is kept twice: sealed with the newest key, bound to the account (nobody can move it to another row), and as a keyed hash to look it
 * up by. The hash is of the whole address in small letters: no mail system in use tells Ann@example.org from ann@example.org,
 * and a second account by capitals would be somebody's mistake or trick. Rows may be of several versions of the keyring while it is being
 * renewed, so a look-up tries each version there is.
 */
#include "accounts_priv.h"
#include "tokens_priv.h"

#include <rec/format.h>

const char *const rec_accounts_roles[] = {"user", "analyst", "service", "admin", NULL};

/* ---- names and addresses, checked ------------------------------------------------------------------ */

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void rec_accounts_fold(char *out, size_t cap, const char *text)
{
    size_t i = 0;
    for (; i + 1 < cap && text[i]; i++)
        out[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] - 'A' + 'a') : text[i];
    out[i] = '\0';
}

int rec_accounts_check_name(const char *name, struct rec_err *err)
{
    size_t len = strnlen(name, REC_ACCOUNTS_NAME_LONGEST + 1);
    bool fine = len >= 3 && len <= REC_ACCOUNTS_NAME_LONGEST && is_alnum(name[0]);
    for (size_t i = 0; fine && i < len; i++)
        fine = is_alnum(name[i]) || name[i] == '.' || name[i] == '_' || name[i] == '-';
    if (!fine)
        return rec_err_set(err, "name %.70s: takes 3 to %d of A-Z a-z 0-9 . _ -, the first a letter or digit", name,
                           REC_ACCOUNTS_NAME_LONGEST);
    return 0;
}

/* No blanks, no control characters (those above 127 are two bytes of UTF-8: c2 80 to c2 9f). */
static bool is_visible(const char *text, size_t len)
{
    const unsigned char *c = (const unsigned char *)text;
    for (size_t i = 0; i < len; i++)
        if (c[i] <= ' ' || c[i] == 0x7f || (c[i] == 0xc2 && i + 1 < len && c[i + 1] <= 0xa0))
            return false;
    return true;
}

int rec_accounts_check_email(const char *email, struct rec_err *err)
{
    size_t len = strnlen(email, REC_ACCOUNTS_EMAIL_LONGEST + 1);
    const char *at = memchr(email, '@', len);
    if (len > REC_ACCOUNTS_EMAIL_LONGEST)
        return rec_err_set(err, "e-mail: is longer than %d bytes", REC_ACCOUNTS_EMAIL_LONGEST);
    if (!rec_json_utf8(email, len) || !is_visible(email, len))
        return rec_err_set(err, "e-mail: holds blanks, control characters or bytes that are not UTF-8");
    if (!at || at == email || at[1] == '\0' || strchr(at + 1, '@') || at[1] == '.' || email[len - 1] == '.')
        return rec_err_set(err, "e-mail: is not of the form name@example.org");
    return 0;
}

/* ---- the e-mail as it is kept ------------------------------------------------------------------------ */

static const struct rec_keyring *need_keys(const struct rec_store *store, struct rec_err *err)
{
    if (!store->keys || store->keys->n == 0) {
        rec_sql_refuse(store->db, REC_SQL_DENIED, err, "%s: e-mail needs the keyring, which was not given", rec_sql_name(store->db));
        return NULL;
    }
    return store->keys;
}

static size_t place_of(char *out, size_t cap, const char *id)
{
    int n = snprintf(out, cap, "accounts.email:%s", id);
    return n < 0 ? 0 : (size_t)n < cap ? (size_t)n : cap - 1;
}

int rec_accounts_hash_email(unsigned char out[REC_HASH_BYTES], const struct rec_store *store, uint32_t version, const char *email,
                            struct rec_err *err)
{
    char folded[REC_ACCOUNTS_EMAIL_LONGEST + 1];
    int status;
    rec_accounts_fold(folded, sizeof folded, email);
    status = rec_store_lookup(out, store, version, "email", folded, strlen(folded), err);
    rec_secret_wipe(folded, sizeof folded);
    if (status < 0)
        rec_sql_refuse(store->db, REC_SQL_OTHER, NULL, "e-mail");
    return status;
}

int rec_accounts_seal(struct rec_accounts_sealed *out, const struct rec_store *store, const char *id, const char *email, struct rec_err *err)
{
    const struct rec_keyring *keys = need_keys(store, err);
    unsigned char key[REC_KEY_BYTES];
    char place[64];
    int status;
    *out = (struct rec_accounts_sealed){.version = keys ? keys->newest : 0};
    if (!keys)
        return -1;
    if (rec_keyring_derive(key, keys, keys->newest, REC_KEY_FIELD, err) < 0)
        return rec_sql_refuse(store->db, REC_SQL_OTHER, NULL, "e-mail");
    status = rec_seal(&out->bytes, email, strlen(email), place, place_of(place, sizeof place, id), key, err);
    rec_secret_wipe(key, sizeof key);
    if (status == 0)
        status = rec_accounts_hash_email(out->lookup, store, keys->newest, email, err);
    if (status < 0) {
        rec_buf_clear(&out->bytes);
        rec_sql_refuse(store->db, REC_SQL_OTHER, NULL, "e-mail");
    }
    return status;
}

int rec_accounts_unseal(char *out, const struct rec_store *store, const char *id, const struct rec_sql_value *sealed, uint32_t version,
                        struct rec_err *err)
{
    struct rec_buf plain = {0};
    unsigned char key[REC_KEY_BYTES];
    char place[64];
    int status = -1;
    if (rec_keyring_derive(key, store->keys, version, REC_KEY_FIELD, err) < 0 ||
        rec_seal_open(&plain, sealed->blob, sealed->len, place, place_of(place, sizeof place, id), key, err) < 0) {
        rec_err_prefix(err, "e-mail");
        rec_sql_refuse(store->db, REC_SQL_OTHER, NULL, "e-mail");
    } else if (plain.len > REC_ACCOUNTS_EMAIL_LONGEST) {
        rec_sql_refuse(store->db, REC_SQL_CORRUPT, err, "account %s: its e-mail is longer than it can be", id);
    } else {
        snprintf(out, REC_ACCOUNTS_EMAIL_LONGEST + 1, "%.*s", (int)plain.len, plain.data ? plain.data : "");
        status = 0;
    }
    rec_secret_wipe(key, sizeof key);
    rec_secret_clear(&plain);
    return status;
}

/* ---- reading ----------------------------------------------------------------------------------------- */

static void copy_text(char *out, size_t cap, const struct rec_sql_value *v)
{
    snprintf(out, cap, "%s", v->type == REC_SQL_NULL ? "" : v->text);
}

static int read_role(enum rec_role *out, const struct rec_store *store, const char *word, struct rec_err *err)
{
    for (size_t i = 0; rec_accounts_roles[i]; i++)
        if (strcmp(word, rec_accounts_roles[i]) == 0) {
            *out = (enum rec_role)i;
            return 0;
        }
    return rec_sql_refuse(store->db, REC_SQL_CORRUPT, err, "role %.20s: there is no such role", word);
}

int rec_accounts_read(struct rec_account *out, const struct rec_store *store, const struct rec_sql_value *v, struct rec_err *err)
{
    *out = (struct rec_account){.disabled = v[5].integer != 0,
                                .tied = v[6].type != REC_SQL_NULL,
                                .created = v[7].integer,
                                .changed = v[8].integer,
                                .last_login = v[9].integer,
                                .password_changed = v[10].integer};
    copy_text(out->id, sizeof out->id, &v[0]);
    copy_text(out->name, sizeof out->name, &v[1]);
    copy_text(out->user, sizeof out->user, out->tied ? &v[6] : &v[0]);
    if (read_role(&out->role, store, v[4].text, err) < 0)
        return -1;
    if (v[2].type == REC_SQL_NULL || !store->keys)
        return 0;
    return rec_accounts_unseal(out->email, store, out->id, &v[2], (uint32_t)v[3].integer, err);
}

static int read_one(struct rec_account *out, struct rec_store *store, const char *sql, const struct rec_sql_value *params, size_t n,
                    struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;
    status = rec_sql_query(&rows, store->db, sql, params, n, err);
    *out = (struct rec_account){.id = ""}; /* not before: what is asked for may be in it */
    if (status < 0)
        return -1;
    status = rec_sql_next(&rows, err);
    if (status > 0 && rec_accounts_read(out, store, rows.value, err) < 0)
        status = -1;
    rec_sql_done(&rows);
    return status;
}

int rec_accounts_by_id(struct rec_account *out, struct rec_store *store, const char *id, struct rec_err *err)
{
    return read_one(out, store, "SELECT " REC_ACCOUNTS_COLUMNS " FROM" REC_ACCOUNTS_TABLES "WHERE a.id = $1", REC_SQL(rec_sql_text(id)), err);
}

int rec_accounts_by_token(struct rec_account *out, bool *revoked, struct rec_store *store, const char *id, const char *jti, const char *family,
                          struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;
    *out = (struct rec_account){.id = ""};
    *revoked = false;
    if (rec_sql_query(&rows, store->db,
                      "SELECT a.id, a.name, NULL, NULL, a.role, a.disabled, u.name, a.created, a.changed, a.last_login, a.password_changed, "
                      "CASE WHEN EXISTS (SELECT 1 FROM revoked_tokens WHERE jti IN ($2, '" REC_TOKENS_FAMILY "' || $3)) THEN 1 ELSE 0 END "
                      "FROM" REC_ACCOUNTS_TABLES "WHERE a.id = $1", REC_SQL(rec_sql_text(id), rec_sql_text(jti), rec_sql_text(family)), err) < 0)
        return -1;
    status = rec_sql_next(&rows, err);
    if (status > 0)
        *revoked = rows.value[REC_ACCOUNTS_WIDTH].integer != 0;
    if (status > 0 && rec_accounts_read(out, store, rows.value, err) < 0)
        status = -1;
    rec_sql_done(&rows);
    return status;
}

int rec_accounts_by_name(struct rec_account *out, struct rec_store *store, const char *name, struct rec_err *err)
{
    char key[REC_ACCOUNTS_NAME_LONGEST + 1];
    if (rec_accounts_check_name(name, NULL) < 0) {
        *out = (struct rec_account){.id = ""};
        return 0;
    }
    rec_accounts_fold(key, sizeof key, name);
    return read_one(out, store, "SELECT " REC_ACCOUNTS_COLUMNS " FROM" REC_ACCOUNTS_TABLES "WHERE a.name_key = $1",
                    REC_SQL(rec_sql_text(key)), err);
}

int rec_accounts_by_email(struct rec_account *out, struct rec_store *store, const char *email, struct rec_err *err)
{
    const struct rec_keyring *keys = need_keys(store, err);
    int found = 0;
    *out = (struct rec_account){.id = ""};
    if (!keys)
        return -1;
    if (rec_accounts_check_email(email, NULL) < 0)
        return 0;
    for (size_t i = keys->n; found == 0 && i > 0; i--) {
        unsigned char hash[REC_HASH_BYTES];
        if (rec_accounts_hash_email(hash, store, keys->version[i - 1], email, err) < 0)
            return -1;
        found = read_one(out, store,
                         "SELECT " REC_ACCOUNTS_COLUMNS " FROM" REC_ACCOUNTS_TABLES "WHERE a.email_lookup = $1 AND a.key_version = $2",
                         REC_SQL(rec_sql_blob(hash, sizeof hash), rec_sql_int(keys->version[i - 1])), err);
    }
    return found;
}

int rec_accounts_list(struct rec_store *store, const char *after, size_t limit, int (*each)(void *context, const struct rec_account *account),
                      void *context, struct rec_err *err)
{
    char key[REC_ACCOUNTS_NAME_LONGEST + 1];
    struct rec_sql_rows rows;
    int status;
    rec_accounts_fold(key, sizeof key, after ? after : "");
    if (rec_sql_query(&rows, store->db,
                      "SELECT " REC_ACCOUNTS_COLUMNS " FROM" REC_ACCOUNTS_TABLES "WHERE a.name_key > $1 ORDER BY a.name_key LIMIT $2",
                      REC_SQL(rec_sql_text(key), rec_sql_int(limit > INT32_MAX ? INT32_MAX : (int64_t)limit)), err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0) {
        struct rec_account account;
        if ((status = rec_accounts_read(&account, store, rows.value, err)) < 0 || each(context, &account) != 0)
            break;
    }
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}

/* ---- a new one --------------------------------------------------------------------------------------- */

struct addition {
    const struct rec_accounts_new *spec;
    struct rec_account *out;
    int64_t now;
    char key[REC_ACCOUNTS_NAME_LONGEST + 1];
    char password[REC_PASSWORD_TEXT];
    struct rec_accounts_sealed email;
};

static int check_new(const struct rec_accounts_new *spec, struct rec_err *err)
{
    if (rec_accounts_check_name(spec->name, err) < 0 || (spec->email && rec_accounts_check_email(spec->email, err) < 0))
        return -1;
    if ((unsigned)spec->role > REC_ROLE_ADMIN)
        return rec_err_set(err, "role %d: there is no such role", (int)spec->role);
    return spec->password ? rec_accounts_check_secret(spec->password, spec->password_len, spec->name, spec->email ? spec->email : "", err) : 0;
}

static int insert_account(struct rec_store *store, const struct addition *a, struct rec_err *err)
{
    const struct rec_sql_value none = rec_sql_null();
    bool mail = a->spec->email != NULL;
    return rec_sql_exec(store->db, NULL,
                        "INSERT INTO accounts (id, name, name_key, email_sealed, email_lookup, key_version, password, role, created, changed, "
                        "password_changed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9)",
                        REC_SQL(rec_sql_text(a->out->id), rec_sql_text(a->spec->name), rec_sql_text(a->key),
                                mail ? rec_sql_blob(a->email.bytes.data, a->email.bytes.len) : none,
                                mail ? rec_sql_blob(a->email.lookup, sizeof a->email.lookup) : none,
                                mail ? rec_sql_int(a->email.version) : none, a->spec->password ? rec_sql_text(a->password) : none,
                                rec_sql_text(rec_accounts_roles[a->spec->role]), rec_sql_int(a->now)),
                        err);
}

static int add(struct rec_store *store, void *context, struct rec_err *err)
{
    struct addition *a = context;
    struct rec_account other;
    int found;
    if (rec_sql_lock(store->db, REC_ACCOUNTS_LOCK, REC_ACCOUNTS_WAIT, err) < 0 ||
        (found = rec_accounts_by_name(&other, store, a->spec->name, err)) < 0)
        return -1;
    if (found)
        return rec_sql_refuse(store->db, REC_SQL_UNIQUE, err, "account %s: the name is taken", a->spec->name);
    if (a->spec->email && (found = rec_accounts_by_email(&other, store, a->spec->email, err)) < 0)
        return -1;
    if (found)
        return rec_sql_refuse(store->db, REC_SQL_UNIQUE, err, "account %s: the e-mail is taken", a->spec->name);
    if (insert_account(store, a, err) < 0)
        return -1;
    return rec_accounts_by_id(a->out, store, a->out->id, err) < 0 ? -1 : 0;
}

int rec_accounts_add(struct rec_account *out, struct rec_store *store, const struct rec_accounts_new *spec, int64_t now, struct rec_err *err)
{
    struct addition a = {.spec = spec, .out = out, .now = now};
    int status = -1;
    *out = (struct rec_account){.id = ""};
    if (check_new(spec, err) < 0) {
        rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, NULL, "account");
        return -1;
    }
    rec_secret_name(out->id, REC_ACCOUNTS_ID);
    rec_accounts_fold(a.key, sizeof a.key, spec->name);
    if (spec->password && rec_password_hash(a.password, spec->password, spec->password_len, rec_accounts_cost(store), err) < 0)
        rec_sql_refuse(store->db, REC_SQL_OTHER, NULL, "password");
    else if (!spec->email || rec_accounts_seal(&a.email, store, out->id, spec->email, err) == 0)
        status = rec_store_write(store, add, &a, err);
    rec_secret_wipe(a.password, sizeof a.password);
    rec_buf_clear(&a.email.bytes);
    return status;
}
