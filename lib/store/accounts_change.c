/* SPDX-License-Identifier: MIT
 *
 * Accounts changed: roles, disabling, e-mail, keys, and the user of the data set that an account stands for.
 *
 * Each is a transaction that takes the lock "accounts" first, so that two administrators who demote each other cannot both succeed, and no
 * sign-up slips between a look-up and what was decided by it.
 */
#include "accounts_priv.h"

/* What a transaction is about. */
struct change {
    const char *id;
    int64_t now;
    enum rec_role role;
    bool disabled;
    const char *email, *user;
    struct rec_accounts_sealed sealed;
    uint64_t done;
    bool found;
};

static int take_turn(struct rec_store *store, struct rec_err *err)
{
    return rec_sql_lock(store->db, REC_ACCOUNTS_LOCK, REC_ACCOUNTS_WAIT, err);
}

static int run(struct rec_store *store, int (*work)(struct rec_store *store, void *context, struct rec_err *err), struct change *change,
               struct rec_err *err)
{
    int status = rec_store_write(store, work, change, err);
    return status < 0 ? -1 : change->found;
}

/* ---- roles -------------------------------------------------------------------------------------------- */

static int is_last_admin(struct rec_store *store, const char *id, struct rec_err *err)
{
    int64_t others;
    int is = rec_sql_get_int(&others, store->db, "SELECT 1 FROM accounts WHERE id = $1 AND role = 'admin' AND disabled = 0",
                             REC_SQL(rec_sql_text(id)), err);
    if (is <= 0)
        return is;
    if (rec_sql_get_int(&others, store->db, "SELECT count(*) FROM accounts WHERE id <> $1 AND role = 'admin' AND disabled = 0",
                        REC_SQL(rec_sql_text(id)), err) < 0)
        return -1;
    return others == 0;
}

int rec_accounts_spare_admin(struct rec_store *store, const char *id, struct rec_err *err)
{
    struct rec_account account;
    int last = is_last_admin(store, id, err);
    if (last <= 0)
        return last;
    if (rec_accounts_by_id(&account, store, id, NULL) > 0)
        rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "account %s: is the last administrator; make another one first", account.name);
    else
        rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "account %s: is the last administrator; make another one first", id);
    rec_secret_wipe(&account, sizeof account);
    return -1;
}

static int change_role(struct rec_store *store, void *context, struct rec_err *err)
{
    struct change *c = context;
    int64_t changed = 0;
    if (take_turn(store, err) < 0 || (c->role != REC_ROLE_ADMIN && rec_accounts_spare_admin(store, c->id, err) < 0) ||
        rec_sql_exec(store->db, &changed, "UPDATE accounts SET role = $1, changed = $2 WHERE id = $3",
                     REC_SQL(rec_sql_text(rec_accounts_roles[c->role]), rec_sql_int(c->now), rec_sql_text(c->id)), err) < 0)
        return -1;
    c->found = changed > 0;
    return 0;
}

int rec_accounts_set_role(struct rec_store *store, const char *id, enum rec_role role, int64_t now, struct rec_err *err)
{
    if ((unsigned)role > REC_ROLE_ADMIN)
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "role %d: there is no such role", (int)role);
    return run(store, change_role, &(struct change){.id = id, .role = role, .now = now}, err);
}

static int change_disabled(struct rec_store *store, void *context, struct rec_err *err)
{
    struct change *c = context;
    int64_t changed = 0;
    if (take_turn(store, err) < 0 || (c->disabled && rec_accounts_spare_admin(store, c->id, err) < 0) ||
        rec_sql_exec(store->db, &changed, "UPDATE accounts SET disabled = $1, changed = $2 WHERE id = $3",
                     REC_SQL(rec_sql_int(c->disabled), rec_sql_int(c->now), rec_sql_text(c->id)), err) < 0)
        return -1;
    c->found = changed > 0;
    return 0;
}

int rec_accounts_set_disabled(struct rec_store *store, const char *id, bool disabled, int64_t now, struct rec_err *err)
{
    return run(store, change_disabled, &(struct change){.id = id, .disabled = disabled, .now = now}, err);
}

/* ---- e-mail ------------------------------------------------------------------------------------------- */

static int write_email(int64_t *changed, struct rec_store *store, const char *id, const struct rec_accounts_sealed *sealed, struct rec_err *err)
{
    return rec_sql_exec(store->db, changed, "UPDATE accounts SET email_sealed = $1, email_lookup = $2, key_version = $3 WHERE id = $4",
                        REC_SQL(rec_sql_blob(sealed->bytes.data, sealed->bytes.len), rec_sql_blob(sealed->lookup, sizeof sealed->lookup),
                                rec_sql_int(sealed->version), rec_sql_text(id)),
                        err);
}

static int change_email(struct rec_store *store, void *context, struct rec_err *err)
{
    struct change *c = context;
    struct rec_account other;
    int64_t changed = 0;
    int taken;
    if (take_turn(store, err) < 0)
        return -1;
    if (c->email) {
        if ((taken = rec_accounts_by_email(&other, store, c->email, err)) < 0)
            return -1;
        if (taken && strcmp(other.id, c->id) != 0)
            return rec_sql_refuse(store->db, REC_SQL_UNIQUE, err, "account %s: the e-mail is taken", c->id);
        if (write_email(NULL, store, c->id, &c->sealed, err) < 0)
            return -1;
    } else if (rec_sql_exec(store->db, NULL, "UPDATE accounts SET email_sealed = NULL, email_lookup = NULL, key_version = NULL WHERE id = $1",
                            REC_SQL(rec_sql_text(c->id)), err) < 0) {
        return -1;
    }
    if (rec_sql_exec(store->db, &changed, "UPDATE accounts SET changed = $1 WHERE id = $2",
                     REC_SQL(rec_sql_int(c->now), rec_sql_text(c->id)), err) < 0)
        return -1;
    c->found = changed > 0;
    return 0;
}

int rec_accounts_set_email(struct rec_store *store, const char *id, const char *email, int64_t now, struct rec_err *err)
{
    struct change change = {.id = id, .email = email, .now = now};
    int status;
    if (email && rec_accounts_check_email(email, err) < 0)
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, NULL, "e-mail");
    if (email && rec_accounts_seal(&change.sealed, store, id, email, err) < 0)
        return -1;
    status = run(store, change_email, &change, err);
    rec_buf_clear(&change.sealed.bytes);
    return status;
}

/* ---- the newest key ----------------------------------------------------------------------------------- */

#define PAGE 256

struct old_email {
    char id[REC_ACCOUNTS_ID + 1];
    char email[REC_ACCOUNTS_EMAIL_LONGEST + 1];
};

/* The next accounts after `after` whose e-mail is of another version, opened. */
static int read_page(struct old_email *page, size_t *n, struct rec_store *store, const char *after, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;
    *n = 0;
    if (rec_sql_query(&rows, store->db,
                      "SELECT id, email_sealed, key_version FROM accounts WHERE id > $1 AND key_version <> $2 ORDER BY id LIMIT $3",
                      REC_SQL(rec_sql_text(after), rec_sql_int(store->keys->newest), rec_sql_int(PAGE)), err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0) {
        struct old_email *old = &page[*n];
        snprintf(old->id, sizeof old->id, "%s", rows.value[0].text);
        if ((status = rec_accounts_unseal(old->email, store, old->id, &rows.value[1], (uint32_t)rows.value[2].integer, err)) < 0)
            break;
        ++*n;
    }
    rec_sql_done(&rows);
    return status;
}

static int renew(struct rec_store *store, const struct old_email *old, struct rec_err *err)
{
    struct rec_accounts_sealed sealed;
    int status;
    if (rec_accounts_seal(&sealed, store, old->id, old->email, err) < 0)
        return -1;
    status = write_email(NULL, store, old->id, &sealed, err);
    rec_buf_clear(&sealed.bytes);
    return status;
}

static int rekey(struct rec_store *store, void *context, struct rec_err *err)
{
    struct change *c = context;
    char after[REC_ACCOUNTS_ID + 1] = "";
    struct old_email *page = rec_calloc(PAGE, sizeof *page, "accounts", err);
    size_t n = PAGE;
    int status = page ? take_turn(store, err) : -1;
    c->done = 0;
    while (status == 0 && n == PAGE) {
        status = read_page(page, &n, store, after, err);
        for (size_t i = 0; status == 0 && i < n; i++, c->done++)
            status = renew(store, &page[i], err);
        if (n > 0)
            memcpy(after, page[n - 1].id, sizeof after);
    }
    if (page)
        rec_secret_wipe(page, PAGE * sizeof *page);
    free(page);
    return status;
}

int rec_accounts_rekey(struct rec_store *store, uint64_t *done, struct rec_err *err)
{
    struct change change = {.id = ""};
    int status;
    if (done)
        *done = 0;
    if (!store->keys || store->keys->n == 0)
        return rec_sql_refuse(store->db, REC_SQL_DENIED, err, "%s: e-mail needs the keyring, which was not given", rec_sql_name(store->db));
    status = rec_store_write(store, rekey, &change, err);
    if (status == 0 && done)
        *done = change.done;
    return status;
}

/* ---- the user of the data set ------------------------------------------------------------------------- */

/* The rows of both users are locked (PostgreSQL), so that an event on its way waits, or is moved along. */
static int lock_users(struct rec_store *store, int64_t a, int64_t b, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;
    if (strcmp(rec_sql_dialect(store->db), "postgresql") != 0)
        return 0;
    if (rec_sql_query(&rows, store->db, "SELECT id FROM users WHERE id IN ($1, $2) ORDER BY id FOR NO KEY UPDATE",
                      REC_SQL(rec_sql_int(a), rec_sql_int(b)), err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0)
        ;
    rec_sql_done(&rows);
    return status;
}

/* Ratings: of a pair that both have the later one stays; of two without times, or with the same, that of the user who is tied. */
static int move_ratings(struct rec_store *store, int64_t from, int64_t to, struct rec_err *err)
{
    if (rec_sql_exec(store->db, NULL,
                     "INSERT INTO ratings (user_id, movie_id, value, load_id, time) "
                     "SELECT CAST($1 AS INTEGER), movie_id, value, load_id, time FROM ratings WHERE user_id = $2 "
                     "ON CONFLICT (user_id, movie_id) DO UPDATE SET value = excluded.value, load_id = excluded.load_id, time = excluded.time "
                     "WHERE excluded.time IS NOT NULL AND (ratings.time IS NULL OR ratings.time < excluded.time)",
                     REC_SQL(rec_sql_int(to), rec_sql_int(from)), err) < 0)
        return -1;
    return rec_sql_exec(store->db, NULL, "DELETE FROM ratings WHERE user_id = $1", REC_SQL(rec_sql_int(from)), err);
}

/* Events are never changed, so they are stored again, as arrived now (what exports by arrival must see them under the new user), and the
 * first ones deleted. Where both users have the same request, its name is made longer, so that neither event is lost. */
static int move_events(struct rec_store *store, int64_t from, int64_t to, int64_t now, struct rec_err *err)
{
    if (rec_sql_exec(store->db, NULL,
                     "INSERT INTO feedback (received, time, user_id, movie_id, part, value, kind, request, arm) "
                     "SELECT CAST($1 AS BIGINT), f.time, CAST($2 AS INTEGER), f.movie_id, f.part, f.value, f.kind, "
                     "CASE WHEN EXISTS (SELECT 1 FROM feedback o WHERE o.user_id = $2 AND o.request = f.request) "
                     "THEN substr(f.request, 1, 100) || '/' || CAST(f.id AS TEXT) ELSE f.request END, f.arm "
                     "FROM feedback f WHERE f.user_id = $3 ORDER BY f.id",
                     REC_SQL(rec_sql_int(now * 1000000), rec_sql_int(to), rec_sql_int(from)), err) < 0)
        return -1;
    return rec_sql_exec(store->db, NULL, "DELETE FROM feedback WHERE user_id = $1", REC_SQL(rec_sql_int(from)), err);
}

/* The row of that user, which nobody else's account may be or be tied to. */
static int find_free_user(int64_t *row, struct rec_store *store, const char *user, const char *id, struct rec_err *err)
{
    int64_t other;
    int status = rec_names_find(row, store, REC_NAMES_USERS, user, err);
    if (status == 0)
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "user %s: there is no such user in the data set", user);
    if (status > 0)
        status = rec_sql_get_int(&other, store->db, "SELECT 1 FROM accounts WHERE (user_id = $1 OR id = $2) AND id <> $3",
                                 REC_SQL(rec_sql_int(*row), rec_sql_text(user), rec_sql_text(id)), err);
    if (status > 0)
        return rec_sql_refuse(store->db, REC_SQL_UNIQUE, err, "user %s: is another account's", user);
    return status;
}

static int tie(struct rec_store *store, void *context, struct rec_err *err)
{
    struct change *c = context;
    bool untie = !c->user || strcmp(c->user, c->id) == 0;
    int64_t changed = 0, to = 0, own = 0;
    int status;
    if (take_turn(store, err) < 0 || (!untie && find_free_user(&to, store, c->user, c->id, err) < 0) ||
        rec_sql_exec(store->db, &changed, "UPDATE accounts SET user_id = $1, changed = $2 WHERE id = $3",
                     REC_SQL(untie ? rec_sql_null() : rec_sql_int(to), rec_sql_int(c->now), rec_sql_text(c->id)), err) < 0)
        return -1;
    c->found = changed > 0;
    if (untie || !c->found || (status = rec_names_find(&own, store, REC_NAMES_USERS, c->id, err)) == 0)
        return 0;
    if (status < 0 || lock_users(store, own, to, err) < 0 || move_ratings(store, own, to, err) < 0)
        return -1;
    return move_events(store, own, to, c->now, err);
}

int rec_accounts_tie(struct rec_store *store, const char *id, const char *user, int64_t now, struct rec_err *err)
{
    return run(store, tie, &(struct change){.id = id, .user = user, .now = now}, err);
}
