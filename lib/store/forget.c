/* SPDX-License-Identifier: MIT
 *
 * Erasing a person. Everything that is theirs goes in one transaction: ratings and events, the account with its e-mail, password, keys and
 * tokens, and the row that holds their id. A user of the data set and the account that stands for it are the same person, so whichever is named,
 * both go, as does the user that an account had before it was tied.
 *
 * What stays is a keyed hash of each id, under which a file or a queue that still has them is recognized. It can only be made again
 * with the key it was made with: a keyring that is pruned must keep the versions that `forgotten` names.
 *
 * Deleted is not gone: a database keeps old bytes in free pages and in its log. SQLite overwrites what it deletes (the driver turns
 * secure_delete on), but a page that was split long ago may hold a second copy; rec_forget_scrub writes the file anew.
 */
#include "accounts_priv.h"
#include "load_priv.h"

struct person {
    const char *who;
    bool by_account;
    const char *actor;
    int64_t now;
    struct rec_forget_report *report;
    struct rec_account account;      /**< id "": none */
    char user[2][REC_NAMES_LONGEST + 1]; /**< the ids they have in the data set: "" */
};

static bool is_postgres(const struct rec_store *store)
{
    return strcmp(rec_sql_dialect(store->db), "postgresql") == 0;
}

/* ---- who it is ---------------------------------------------------------------------------------------- */

/* The account that is tied to that user, or whose own it is. 1, 0, -1. */
static int find_holder(struct rec_account *out, struct rec_store *store, const char *user, struct rec_err *err)
{
    char id[REC_ACCOUNTS_ID + 1] = "";
    struct rec_sql_rows rows;
    int status;
    if (rec_sql_query(&rows, store->db, "SELECT a.id FROM" REC_ACCOUNTS_TABLES "WHERE u.name = $1 OR a.id = $1", REC_SQL(rec_sql_text(user)),
                      err) < 0)
        return -1;
    if ((status = rec_sql_next(&rows, err)) > 0)
        snprintf(id, sizeof id, "%s", rows.value[0].text);
    rec_sql_done(&rows);
    return status > 0 ? rec_accounts_by_id(out, store, id, err) : status;
}

/* The account, if there is one, and the ids of the data set. */
static int find_person(struct person *p, struct rec_store *store, struct rec_err *err)
{
    int found;
    p->account = (struct rec_account){.id = ""};
    p->user[0][0] = p->user[1][0] = '\0';
    if (!p->by_account)
        found = find_holder(&p->account, store, p->who, err);
    else if (strchr(p->who, '@'))
        found = rec_accounts_by_email(&p->account, store, p->who, err);
    else
        found = rec_accounts_by_name(&p->account, store, p->who, err);
    if (found < 0)
        return -1;
    if (found) {
        snprintf(p->user[0], sizeof p->user[0], "%s", p->account.user);
        if (p->account.tied)
            snprintf(p->user[1], sizeof p->user[1], "%s", p->account.id);
    } else if (!p->by_account) {
        snprintf(p->user[0], sizeof p->user[0], "%s", p->who);
    }
    return found;
}

/* ---- the hash that stays ------------------------------------------------------------------------------ */

static int hash_user(unsigned char out[REC_HASH_BYTES], const struct rec_store *store, uint32_t version, const char *user, struct rec_err *err)
{
    if (rec_store_lookup(out, store, version, "user", user, strlen(user), err) < 0)
        return rec_sql_refuse(store->db, REC_SQL_OTHER, NULL, "keyring");
    return 0;
}

static int remember(struct rec_store *store, const char *user, int64_t now, struct rec_err *err)
{
    unsigned char hash[REC_HASH_BYTES];
    uint32_t version = store->keys->newest;
    if (hash_user(hash, store, version, user, err) < 0)
        return -1;
    return rec_sql_exec(store->db, NULL, "INSERT INTO forgotten (hash, key_version, time) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING",
                        REC_SQL(rec_sql_blob(hash, sizeof hash), rec_sql_int(version), rec_sql_int(now)), err);
}

static int record(struct rec_store *store, const struct person *p, struct rec_err *err)
{
    const struct rec_forget_report *r = p->report;
    unsigned char hash[REC_HASH_BYTES];
    char object[2 * REC_HASH_BYTES + 1], detail[128];
    if (hash_user(hash, store, store->keys->newest, p->user[0], err) < 0)
        return -1;
    rec_secret_hex(object, hash, sizeof hash);
    snprintf(detail, sizeof detail, "ratings=%llu events=%llu accounts=%llu keys=%llu", (unsigned long long)r->ratings,
             (unsigned long long)r->events, (unsigned long long)r->accounts, (unsigned long long)r->api_keys);
    return rec_audit_add(store, p->now, p->actor, "store.forget", object, detail, "", err);
}

/* ---- erasing ------------------------------------------------------------------------------------------ */

/* PostgreSQL: an event on its way for that user waits, and then finds no user. */
static int lock_user(struct rec_store *store, int64_t row, struct rec_err *err)
{
    int64_t id;
    return is_postgres(store) ? rec_sql_get_int(&id, store->db, "SELECT id FROM users WHERE id = $1 FOR UPDATE", REC_SQL(rec_sql_int(row)), err)
                              : 1;
}

static int erase_user(struct rec_store *store, struct person *p, const char *user, struct rec_err *err)
{
    int64_t row, ratings, events;
    int found = rec_names_find(&row, store, REC_NAMES_USERS, user, err);
    if (found <= 0)
        return found;
    if (lock_user(store, row, err) < 0 ||
        rec_sql_exec(store->db, &ratings, "DELETE FROM ratings WHERE user_id = $1", REC_SQL(rec_sql_int(row)), err) < 0 ||
        rec_sql_exec(store->db, &events, "DELETE FROM feedback WHERE user_id = $1", REC_SQL(rec_sql_int(row)), err) < 0 ||
        rec_sql_exec(store->db, NULL, "DELETE FROM users WHERE id = $1", REC_SQL(rec_sql_int(row)), err) < 0)
        return -1;
    p->report->ratings += (uint64_t)ratings;
    p->report->events += (uint64_t)events;
    p->report->known = true;
    return 0;
}

static int erase_account(struct rec_store *store, struct person *p, struct rec_err *err)
{
    const struct rec_sql_value id = rec_sql_text(p->account.id);
    int64_t keys, accounts;
    if (rec_accounts_spare_admin(store, p->account.id, err) < 0 ||
        rec_sql_exec(store->db, &keys, "DELETE FROM api_keys WHERE account_id = $1", REC_SQL(id), err) < 0 ||
        rec_sql_exec(store->db, NULL, "DELETE FROM revoked_tokens WHERE account_id = $1", REC_SQL(id), err) < 0 ||
        rec_sql_exec(store->db, &accounts, "DELETE FROM accounts WHERE id = $1", REC_SQL(id), err) < 0)
        return -1;
    p->report->api_keys += (uint64_t)keys;
    p->report->accounts += (uint64_t)accounts;
    p->report->known = true;
    return 0;
}

static int forget(struct rec_store *store, void *context, struct rec_err *err)
{
    struct person *p = context;
    int found;
    *p->report = (struct rec_forget_report){.known = false};
    /* A load that is on its way has looked already for who was forgotten. */
    if (rec_sql_lock(store->db, REC_LOAD_LOCK, REC_LOAD_WAIT, err) < 0 ||
        rec_sql_lock(store->db, REC_ACCOUNTS_LOCK, REC_ACCOUNTS_WAIT, err) < 0 || (found = find_person(p, store, err)) < 0 ||
        (found && erase_account(store, p, err) < 0))
        return -1;
    for (size_t i = 0; i < REC_LENGTH(p->user); i++)
        if (*p->user[i] && erase_user(store, p, p->user[i], err) < 0)
            return -1;
    if (!p->report->known)
        return 0;
    memcpy(p->report->user, p->user[0], sizeof p->report->user);
    for (size_t i = 0; i < REC_LENGTH(p->user); i++)
        if (*p->user[i] && remember(store, p->user[i], p->now, err) < 0)
            return -1;
    return record(store, p, err);
}

static int empty_log(bool *done, struct rec_store *store, struct rec_err *err);

int rec_forget(struct rec_forget_report *report, struct rec_store *store, const char *who, bool account, const char *actor, int64_t now,
               struct rec_err *err)
{
    struct person person = {.who = who, .by_account = account, .actor = actor, .now = now, .report = report};
    bool emptied;
    int status;
    *report = (struct rec_forget_report){.known = false};
    if (!store->keys || store->keys->n == 0)
        return rec_sql_refuse(store->db, REC_SQL_DENIED, err, "%s: forgetting a person needs the keyring, which was not given",
                              rec_sql_name(store->db));
    status = rec_store_write(store, forget, &person, err);
    rec_secret_wipe(&person, sizeof person);
    if (status == 0 && report->known && !is_postgres(store))
        (void)empty_log(&emptied, store, NULL);
    return status;
}

/* ---- who was ------------------------------------------------------------------------------------------ */

/* The versions of the keyring that hashes were made with. */
static int read_versions(uint32_t version[REC_KEYRING_MAX], size_t *n, struct rec_store *store, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;
    *n = 0;
    if (rec_sql_query(&rows, store->db, "SELECT DISTINCT key_version FROM forgotten", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0 && *n < REC_KEYRING_MAX)
        version[(*n)++] = (uint32_t)rows.value[0].integer;
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}

int rec_forget_was(struct rec_store *store, const char *user, struct rec_err *err)
{
    uint32_t version[REC_KEYRING_MAX];
    size_t n;
    int found = read_versions(version, &n, store, err);
    if (found == 0 && n > 0 && !store->keys)
        return rec_sql_refuse(store->db, REC_SQL_DENIED, err, "%s: telling whether a user was forgotten needs the keyring, which was not given",
                              rec_sql_name(store->db));
    for (size_t i = 0; found == 0 && i < n; i++) {
        unsigned char hash[REC_HASH_BYTES];
        int64_t one;
        if (hash_user(hash, store, version[i], user, err) < 0)
            return -1;
        found = rec_sql_get_int(&one, store->db, "SELECT 1 FROM forgotten WHERE hash = $1", REC_SQL(rec_sql_blob(hash, sizeof hash)), err);
    }
    return found;
}

/* ---- what deleted rows left behind -------------------------------------------------------------------- */

/* SQLite: the log into the file, and the log's file to nothing. Others that read from it prevent that. */
static int empty_log(bool *done, struct rec_store *store, struct rec_err *err)
{
    int64_t busy;
    int status = rec_sql_get_int(&busy, store->db, "PRAGMA wal_checkpoint(TRUNCATE)", REC_SQL_NONE, err);
    *done = status > 0 && busy == 0;
    return status < 0 ? -1 : 0;
}

static int scrub_sqlite(const char **left, struct rec_store *store, struct rec_err *err)
{
    bool done = false;
    if (rec_sql_script(store->db, "VACUUM", err) < 0 || empty_log(&done, store, err) < 0)
        return -1;
    *left = done ? NULL : "the write-ahead log, which another program is reading; it goes when that program has ended";
    return 0;
}

static int scrub_postgres(const char **left, struct rec_store *store, struct rec_err *err)
{
    static const char *const tables[] = {"VACUUM accounts", "VACUUM api_keys", "VACUUM revoked_tokens", "VACUUM users", "VACUUM ratings",
                                         "VACUUM feedback"};
    for (size_t i = 0; i < REC_LENGTH(tables); i++)
        if (rec_sql_script(store->db, tables[i], err) < 0)
            return -1;
    *left = "the server's write-ahead log, and free space in pages that it has not used again";
    return 0;
}

int rec_forget_scrub(const char **left, struct rec_store *store, struct rec_err *err)
{
    *left = "free space in the files of the database";
    if (rec_sql_in_transaction(store->db))
        return rec_sql_refuse(store->db, REC_SQL_OTHER, err, "%s: cannot be scrubbed within a transaction", rec_sql_name(store->db));
    return is_postgres(store) ? scrub_postgres(left, store, err) : scrub_sqlite(left, store, err);
}
