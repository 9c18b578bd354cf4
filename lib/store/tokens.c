/* SPDX-License-Identifier: MIT
 *
 * Tokens that were taken back before their time: kept until they would have expired anyway.
 */
#include <rec/store.h>

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

/* What a token that serves once was presented for: 1 in *taken for the first who comes. */
struct taking {
    struct token token;
    int64_t taken;
};

static int take(struct rec_store *store, void *context, struct rec_err *err)
{
    struct taking *t = context;
    return rec_sql_exec(store->db, &t->taken, "INSERT INTO revoked_tokens (jti, account_id, revoked, expires) VALUES ($1, $2, $3, $4) "
                        "ON CONFLICT (jti) DO NOTHING", REC_SQL(rec_sql_text(t->token.jti), rec_sql_text(t->token.account),
                        rec_sql_int(t->token.now), rec_sql_int(t->token.expires)), err);
}

int rec_tokens_take(struct rec_store *store, const char *jti, const char *account, int64_t expires, int64_t now, struct rec_err *err)
{
    struct taking taking = {{jti, account, expires, now}, 0};
    if (!is_name(jti))
        return 0;
    return rec_store_write(store, take, &taking, err) < 0 ? -1 : taking.taken > 0;
}

int rec_tokens_revoked(struct rec_store *store, const char *jti, struct rec_err *err)
{
    int64_t one;
    if (!is_name(jti))
        return 0;
    return rec_sql_get_int(&one, store->db, "SELECT 1 FROM revoked_tokens WHERE jti = $1", REC_SQL(rec_sql_text(jti)), err);
}
