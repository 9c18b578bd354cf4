/* SPDX-License-Identifier: MIT
 *
 * API keys: `rec_` ID `_` SECRET. The id finds the row, so that the secret is never searched for; of the whole text a BLAKE2b-256 is kept,
 * without salt or cost, which 160 random bits do not need, and compared in constant time.
 *
 * The beginning `rec_` is what scanners of published code look for.
 */
#include "accounts_priv.h"

#include <rec/format.h>

#define PREFIX "rec_"
enum { PREFIX_LEN = 4, SECRET = 32, TEXT = PREFIX_LEN + REC_API_KEYS_ID + 1 + SECRET, MINUTE = 60 };

_Static_assert(TEXT < REC_API_KEYS_TEXT, "room for the text");

#define COLUMNS "k.id, k.account_id, k.name, k.scopes, k.created, k.expires, k.last_used, k.revoked"
enum { WIDTH = 8 };

static void read_key(struct rec_api_key *out, const struct rec_sql_value *v)
{
    *out = (struct rec_api_key){.created = v[4].integer, .expires = v[5].integer, .last_used = v[6].integer, .revoked = v[7].integer};
    snprintf(out->id, sizeof out->id, "%s", v[0].text);
    snprintf(out->account, sizeof out->account, "%s", v[1].text);
    snprintf(out->name, sizeof out->name, "%s", v[2].text);
    snprintf(out->scopes, sizeof out->scopes, "%s", v[3].text);
}

/* ---- a new one ---------------------------------------------------------------------------------------- */

static bool is_line(const char *text, size_t cap)
{
    size_t len = strnlen(text, cap);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return false;
    return len < cap && rec_json_utf8(text, len);
}

/* Words of small letters, digits and . : _ - with one blank between them; none is fine. */
static bool are_scopes(const char *text, size_t cap)
{
    size_t len = strnlen(text, cap);
    if (len == cap || text[0] == ' ' || (len > 0 && text[len - 1] == ' '))
        return false;
    for (size_t i = 0; i < len; i++) {
        bool letter = (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9') || strchr(".:_-", text[i]);
        if (!letter && (text[i] != ' ' || text[i + 1] == ' '))
            return false;
    }
    return true;
}

struct addition {
    struct rec_api_key *key;
    unsigned char hash[REC_HASH_BYTES];
};

static int add(struct rec_store *store, void *context, struct rec_err *err)
{
    const struct addition *a = context;
    const struct rec_api_key *k = a->key;
    int64_t account;
    int found;
    /* The lock: that the account is not erased between the look and the row that refers to it. */
    if (rec_sql_lock(store->db, REC_ACCOUNTS_LOCK, REC_ACCOUNTS_WAIT, err) < 0 ||
        (found = rec_sql_get_int(&account, store->db, "SELECT 1 FROM accounts WHERE id = $1", REC_SQL(rec_sql_text(k->account)), err)) < 0)
        return -1;
    if (!found)
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "account %s: there is no such account", k->account);
    return rec_sql_exec(store->db, NULL,
                        "INSERT INTO api_keys (id, account_id, name, hash, scopes, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7)",
                        REC_SQL(rec_sql_text(k->id), rec_sql_text(k->account), rec_sql_text(k->name), rec_sql_blob(a->hash, sizeof a->hash),
                                rec_sql_text(k->scopes), rec_sql_int(k->created), rec_sql_int(k->expires)),
                        err);
}

int rec_api_keys_add(char text[REC_API_KEYS_TEXT], struct rec_api_key *out, struct rec_store *store, const char *account, const char *name,
                     const char *scopes, int64_t now, int64_t expires, struct rec_err *err)
{
    struct addition a = {.key = out};
    char secret[SECRET + 1];
    *out = (struct rec_api_key){.created = now, .expires = expires};
    text[0] = '\0';
    if (!is_line(name, sizeof out->name))
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "key: its name is longer than %zu bytes, or no line of text", sizeof out->name - 1);
    if (!are_scopes(scopes, sizeof out->scopes))
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "key: scopes are words of a-z 0-9 . : _ - with one blank between them");
    if (expires < 0 || (expires > 0 && expires <= now))
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "key: would have expired already");
    snprintf(out->account, sizeof out->account, "%s", account);
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->scopes, sizeof out->scopes, "%s", scopes);
    rec_secret_name(out->id, REC_API_KEYS_ID);
    rec_secret_name(secret, SECRET);
    snprintf(text, REC_API_KEYS_TEXT, PREFIX "%s_%s", out->id, secret);
    rec_secret_wipe(secret, sizeof secret);
    rec_hash(a.hash, text, TEXT, NULL);
    if (rec_store_write(store, add, &a, err) == 0)
        return 0;
    rec_secret_wipe(text, REC_API_KEYS_TEXT);
    return -1;
}

/* ---- checking one ------------------------------------------------------------------------------------- */

static bool are_letters(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '2' && text[i] <= '7')))
            return false;
    return true;
}

static bool is_key(const char *text, size_t len)
{
    return len == TEXT && memcmp(text, PREFIX, PREFIX_LEN) == 0 && are_letters(text + PREFIX_LEN, REC_API_KEYS_ID) &&
           text[PREFIX_LEN + REC_API_KEYS_ID] == '_' && are_letters(text + TEXT - SECRET, SECRET);
}

/* When it was last used, to the minute. It is a note: a database that is busy or read-only does not hold up or refuse a key in force. */
static void note_use(struct rec_api_key *key, struct rec_store *store, int64_t now)
{
    double patience;
    if (now - key->last_used < MINUTE || rec_sql_in_transaction(store->db))
        return;
    patience = rec_sql_patience(store->db, 0);
    if (rec_sql_exec(store->db, NULL, "UPDATE api_keys SET last_used = $1 WHERE id = $2 AND last_used < $1",
                     REC_SQL(rec_sql_int(now), rec_sql_text(key->id)), NULL) == 0)
        key->last_used = now;
    rec_sql_patience(store->db, patience);
}

/* 1: it is in force; 0: another secret, or its time is over. */
static int judge(struct rec_api_key *key, struct rec_account *account, const struct rec_store *store, const struct rec_sql_value *v,
                 const unsigned char *hash, int64_t now, struct rec_err *err)
{
    const struct rec_sql_value *kept = &v[REC_ACCOUNTS_WIDTH + WIDTH];
    if (kept->type != REC_SQL_BLOB || kept->len != REC_HASH_BYTES || !rec_secret_equal(kept->blob, hash, REC_HASH_BYTES))
        return 0;
    read_key(key, v + REC_ACCOUNTS_WIDTH);
    if (key->revoked != 0 || (key->expires != 0 && now >= key->expires))
        return 0;
    if (rec_accounts_read(account, store, v, err) < 0)
        return -1;
    return !account->disabled;
}

int rec_api_keys_check(struct rec_api_key *key, struct rec_account *account, struct rec_store *store, const char *text, size_t len,
                       int64_t now, struct rec_err *err)
{
    unsigned char hash[REC_HASH_BYTES];
    struct rec_sql_rows rows;
    int status;
    *key = (struct rec_api_key){.id = ""};
    *account = (struct rec_account){.id = ""};
    if (!is_key(text, len))
        return 0;
    rec_hash(hash, text, len, NULL);
    if (rec_sql_query(&rows, store->db,
                      "SELECT " REC_ACCOUNTS_COLUMNS ", " COLUMNS ", k.hash FROM" REC_ACCOUNTS_TABLES
                      "JOIN api_keys k ON k.account_id = a.id WHERE k.id = $1",
                      REC_SQL(rec_sql_bytes(text + PREFIX_LEN, REC_API_KEYS_ID)), err) < 0)
        return -1;
    if ((status = rec_sql_next(&rows, err)) > 0)
        status = judge(key, account, store, rows.value, hash, now, err);
    rec_sql_done(&rows);
    if (status > 0) {
        note_use(key, store, now);
        return 1;
    }
    *key = (struct rec_api_key){.id = ""};
    *account = (struct rec_account){.id = ""};
    return status;
}

/* ---- listing, revoking -------------------------------------------------------------------------------- */

int rec_api_keys_list(struct rec_store *store, const char *account, int (*each)(void *context, const struct rec_api_key *key),
                      void *context, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status = account ? rec_sql_query(&rows, store->db, "SELECT " COLUMNS " FROM api_keys k WHERE k.account_id = $1 ORDER BY k.created, k.id",
                                         REC_SQL(rec_sql_text(account)), err)
                         : rec_sql_query(&rows, store->db, "SELECT " COLUMNS " FROM api_keys k ORDER BY k.created, k.id", REC_SQL_NONE, err);
    if (status < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0) {
        struct rec_api_key key;
        read_key(&key, rows.value);
        if (each(context, &key) != 0)
            break;
    }
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}

int rec_api_keys_revoke(struct rec_store *store, const char *id, int64_t now, struct rec_err *err)
{
    int64_t there;
    /* The first time is the one that counts. */
    if (rec_sql_exec(store->db, NULL, "UPDATE api_keys SET revoked = $1 WHERE id = $2 AND revoked = 0",
                     REC_SQL(rec_sql_int(now), rec_sql_text(id)), err) < 0)
        return -1;
    return rec_sql_get_int(&there, store->db, "SELECT 1 FROM api_keys WHERE id = $1", REC_SQL(rec_sql_text(id)), err);
}
