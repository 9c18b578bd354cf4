/* SPDX-License-Identifier: MIT
 *
 * Tokens that were taken back before their time: kept until they would have expired anyway. A family of them stands among them as the name of its
 * first one, with a word before it that no jti has.
 */
#include "tokens_priv.h"

#include <rec/format.h>

enum { LONGEST = 255 };

struct token {
    const char *jti, *account;
    int64_t expires, now;
};

static bool is_name(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= LONGEST && rec_json_utf8(text, len);
}

static int revoke(struct rec_store *store, void *context, struct rec_err *err)
{
    const struct token *t = context;
    if (rec_sql_exec(store->db, NULL, "DELETE FROM revoked_tokens WHERE expires < $1", REC_SQL(rec_sql_int(t->now)), err) < 0)
        return -1;
    /* Taken back twice: until the later of the two. */
    return rec_sql_exec(store->db, NULL, "INSERT INTO revoked_tokens (jti, account_id, revoked, expires) VALUES ($1, $2, $3, $4) "
                        "ON CONFLICT (jti) DO UPDATE SET expires = excluded.expires WHERE revoked_tokens.expires < excluded.expires",
                        REC_SQL(rec_sql_text(t->jti), rec_sql_text(t->account), rec_sql_int(t->now), rec_sql_int(t->expires)), err);
}

int rec_tokens_revoke(struct rec_store *store, const char *jti, const char *account, int64_t expires, int64_t now, struct rec_err *err)
{
    struct token token = {jti, account, expires, now};
    if (!is_name(jti))
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "token: its jti is empty, longer than %d bytes or not UTF-8", LONGEST);
    return rec_store_write(store, revoke, &token, err) < 0 ? -1 : 0;
}

static void name_family(char out[LONGEST + 1], const char *family)
{
    snprintf(out, LONGEST + 1, REC_TOKENS_FAMILY "%s", family);
}

int rec_tokens_revoke_family(struct rec_store *store, const char *family, const char *account, int64_t until, int64_t now, struct rec_err *err)
{
    char name[LONGEST + 1];

    name_family(name, family);
    return rec_tokens_revoke(store, name, account, until, now, err);
}

/* ---- tokens that serve once ---- */

struct taking {
    struct token token, family;
    int64_t taken;                 /* 1 for the first who comes with it */
    bool used_before;
};

static int take(struct rec_store *store, void *context, struct rec_err *err)
{
    struct taking *t = context;
    int found;

    if (rec_sql_exec(store->db, &t->taken, "INSERT INTO revoked_tokens (jti, account_id, revoked, expires) VALUES ($1, $2, $3, $4) "
                     "ON CONFLICT (jti) DO NOTHING", REC_SQL(rec_sql_text(t->token.jti), rec_sql_text(t->token.account),
                     rec_sql_int(t->token.now), rec_sql_int(t->token.expires)), err) < 0)
        return -1;
    found = rec_tokens_revoked(store, t->family.jti, err);
    if (found < 0)
        return -1;
    t->used_before = !found && !t->taken;
    t->taken = !found && t->taken;
    return t->used_before ? revoke(store, &t->family, err) : 0;
}

int rec_tokens_take(bool *used_before, struct rec_store *store, const char *jti, const char *family, const char *account, int64_t expires,
                    int64_t until, int64_t now, struct rec_err *err)
{
    char name[LONGEST + 1];
    struct taking t = {.token = {jti, account, expires, now}, .family = {name, account, until, now}};

    *used_before = false;
    name_family(name, family);
    if (!is_name(jti) || !is_name(name))
        return 0;
    if (rec_store_write(store, take, &t, err) < 0)
        return -1;
    *used_before = t.used_before;
    return t.taken > 0;
}

int rec_tokens_revoked(struct rec_store *store, const char *jti, struct rec_err *err)
{
    int64_t one;
    if (!is_name(jti))
        return 0;
    return rec_sql_get_int(&one, store->db, "SELECT 1 FROM revoked_tokens WHERE jti = $1", REC_SQL(rec_sql_text(jti)), err);
}
