/* SPDX-License-Identifier: MIT
 *
 * Who is asking, and whether they may.
 *
 * A token says who somebody was when it was issued; what they may do now is asked of the store: the account may have been disabled, its
 * role or password changed, or the token taken back since. What the store said before is as good as long as nothing was committed since.
 */
#include "known_priv.h"

#include <string.h>

/* RFC 6750, section 3: what a client is told besides 401. */
static int refuse(struct rec_call *c, const char *error, const char *detail)
{
    char challenge[160];

    if (error)
        snprintf(challenge, sizeof challenge, "Bearer realm=\"rec\", error=\"%s\", error_description=\"%s\"", error, detail);
    else
        snprintf(challenge, sizeof challenge, "Bearer realm=\"rec\"");
    rec_answer_problem(c, 401, "%s", detail);
    rec_response_field(&c->x->response, "WWW-Authenticate", challenge);
    return 1;
}

static int by_api_key(struct rec_call *c, const char *text, size_t len, struct rec_err *err)
{
    int found = rec_api_keys_check(&c->key, &c->account, &c->store, text, len, c->now, err);

    rec_known_was_read(c);
    if (found < 0)
        return -1;
    if (!found)
        return refuse(c, "invalid_token", "the API key is not in force");
    c->authenticated = c->by_key = true;
    return 0;
}

/* The account of c->claims, if both are in force. */
static int find_account(struct rec_call *c, struct rec_err *err)
{
    bool revoked;
    int found = rec_accounts_by_token(&c->account, &revoked, &c->store, c->claims.subject, c->claims.id, c->claims.family, err);

    /* A token may outlive its account. */
    if (found == 0 && (found = rec_tokens_revoked(&c->store, c->claims.id, err)) >= 0) {
        revoked = found;
        found = 0;
    }
    rec_known_was_read(c);
    if (found < 0)
        return -1;
    if (revoked)
        return refuse(c, "invalid_token", "the token was taken back");
    if (!found || c->account.disabled || c->claims.issued < c->account.password_changed)
        return refuse(c, "invalid_token", "the account of the token is not in force");
    return 0;
}

static int by_token(struct rec_call *c, const char *text, size_t len, struct rec_err *err)
{
    unsigned char mark[REC_HASH_BYTES];
    enum rec_known_of_token known = rec_known_token(c, mark, text, len);
    enum rec_token_verdict verdict = REC_TOKEN_VALID;
    int status;

    if (known == REC_KNOWN_NOTHING)
        verdict = rec_token_check(&c->claims, &c->serve->tokens, text, len, REC_TOKEN_ACCESS, c->now);
    if (verdict != REC_TOKEN_VALID)
        return refuse(c, "invalid_token", rec_token_verdicts[verdict]);
    if (known != REC_KNOWN_ALL) {
        status = find_account(c, err);
        if (status)
            return status;
        rec_known_keep_token(c, mark);
    }
    c->authenticated = true;
    return 0;
}

int rec_identity_find(struct rec_call *c, struct rec_err *err)
{
    size_t len, key_len;
    const char *text = rec_message_field(c->x->message, "authorization", &len);
    const char *key = rec_message_field(c->x->message, "x-api-key", &key_len);
    int status;

    if (!text && !key)
        return 0;
    if (rec_message_count(c->x->message, "authorization") + rec_message_count(c->x->message, "x-api-key") != 1)
        return refuse(c, "invalid_request", "more than one way to say who is asking");
    if (text && (len < 8 || strncasecmp(text, "bearer ", 7) != 0))
        return refuse(c, "invalid_request", "the way to say who is asking is Bearer");
    if ((!c->store.db && !c->kept) || !c->serve->has_keys)
        return refuse(c, "invalid_token", "there are no accounts here");
    if (text)
        text += 7, len -= 7;
    if (c->kept)
        status = 0, c->authenticated = true;
    else if (key || (len > 4 && memcmp(text, "rec_", 4) == 0))
        status = by_api_key(c, key ? key : text, key ? key_len : len, err);
    else
        status = by_token(c, text, len, err);
    if (status == 0)
        c->may = rec_routes_may(c->account.role);
    return status;
}

bool rec_identity_has_scope(const char *scopes, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = scopes; *at; at += strcspn(at, " "), at += *at == ' ')
        if (strcspn(at, " ") == len && memcmp(at, word, len) == 0)
            return true;
    return false;
}

static bool is_own(const struct rec_call *c)
{
    return !c->param[0] || !strstr(c->route->path, "{user_id}") || strcmp(c->param[0], "me") == 0 ||
           strcmp(c->param[0], c->account.user) == 0 || strcmp(c->param[0], c->account.id) == 0;
}

unsigned rec_identity_permit(struct rec_call *c)
{
    unsigned needed = is_own(c) ? c->route->own : c->route->others;

    if (needed == REC_MAY_ANYONE || ((c->route->flags & REC_ROUTE_OPEN_METRICS) && c->serve->config.open_metrics)) {
        /* What an open route does more for some (registering, where it is closed) a key does not do without the scope. */
        if (c->by_key && (!c->route->scope || !rec_identity_has_scope(c->key.scopes, c->route->scope)))
            c->may = 0;
        return 0;
    }
    /* A service without a store has no accounts: what concerns nobody's data is open. */
    if (!c->serve->config.store && needed == c->route->others && !(c->route->flags & REC_ROUTE_STORE))
        return 0;
    if (!c->authenticated) {
        refuse(c, NULL, "say who is asking: Authorization: Bearer TOKEN");
        return 401;
    }
    if (!(c->may & needed)) {
        rec_answer_problem(c, 403, "an account of the role %s may not do this", rec_accounts_roles[c->account.role]);
        return 403;
    }
    if (c->by_key && !rec_identity_has_scope(c->key.scopes, c->route->scope)) {
        rec_answer_problem(c, 403, "the API key has not the scope %s", c->route->scope);
        rec_response_field(&c->x->response, "WWW-Authenticate", "Bearer realm=\"rec\", error=\"insufficient_scope\"");
        return 403;
    }
    return 0;
}
