/* SPDX-License-Identifier: MIT
 *
 * Tokens for passwords (OAuth 2.0's password form, RFC 6749 section 4.3), renewing them, taking them back (as RFC 7009 means it).
 */
#include "service_priv.h"

#include <string.h>

/* ---- answers ---- */

/* All that comes of a log in goes by the first refresh token's id. */
static const char *family_of(const struct rec_token_claims *claims)
{
    return claims->family[0] ? claims->family : claims->id;
}

/* Tokens older than the password are void. A change of it counts from the second after, so that those of its own second are so too; what is
 * issued within that second is dated to its end, as other clocks may be as well (REC_TOKEN_SKEW). */
static int add_token(struct rec_buf *out, struct rec_token_claims *claims, struct rec_call *c, const struct rec_account *account, const char *family,
                     struct rec_err *err)
{
    bool access = claims->kind == REC_TOKEN_ACCESS;

    claims->issued = c->now < account->password_changed ? account->password_changed : c->now;
    claims->expires = c->now + (int64_t)(access ? c->serve->config.access_life : c->serve->config.refresh_life);
    snprintf(claims->subject, sizeof claims->subject, "%s", account->id);
    snprintf(claims->family, sizeof claims->family, "%s", family);
    return rec_token_issue(out, &c->serve->tokens, claims, err);
}

/* @param family  "": a new one, as of every log in: whoever asked for it, their own token has nothing to do with it */
static int answer_tokens(struct rec_call *c, const struct rec_account *account, const char *family, struct rec_err *err)
{
    struct rec_token_claims first = {.kind = REC_TOKEN_REFRESH}, second = {.kind = REC_TOKEN_ACCESS};
    struct rec_buf access = {0}, refresh = {0};
    struct rec_json json;
    int status = -1;

    if (add_token(&refresh, &first, c, account, family, err) < 0 ||
        add_token(&access, &second, c, account, family_of(&first), err) < 0)
        goto out;
    json = rec_answer_begin(c, 200);
    rec_answer_text(&json, "access_token", access.data);
    rec_answer_text(&json, "token_type", "bearer");
    rec_json_int(&json, "expires_in", (int64_t)c->serve->config.access_life);
    rec_answer_text(&json, "refresh_token", refresh.data);
    rec_answer_end(&json);
    status = 0;
out:
    rec_secret_clear(&access);
    rec_secret_clear(&refresh);
    return status;
}

static int refuse(struct rec_call *c, const char *detail)
{
    rec_answer_problem(c, 401, "%s", detail);
    rec_response_field(&c->x->response, "WWW-Authenticate", "Bearer realm=\"rec\"");
    return 0;
}

/* ---- passwords ---- */

static int log_in(struct rec_call *c, const char *name, const char *password, struct rec_err *err)
{
    struct rec_account account;
    int lock, found;

    if (!c->serve->has_keys)
        return rec_answer_problem(c, 503, "this service has no keys to sign tokens with");
    if (!rec_logins_admit(c, name, &lock))
        return 0;
    found = rec_accounts_login(&account, &c->store, name, password, strlen(password), c->now, err);
    rec_logins_leave(c->serve, lock);
    if (found < 0)
        return -1;
    rec_service_add(c->serve, &rec_service_logins, "outcome", found ? "accepted" : "refused");
    if (!found) {
        rec_logins_wrong(c, name);
        return refuse(c, "the name or the password is wrong");
    }
    c->account = account;
    rec_call_audit(c, "login", account.id, "");
    return answer_tokens(c, &account, "", err);
}

static int post_token(struct rec_call *c, struct rec_err *err)
{
    return log_in(c, rec_call_text(c, "username"), rec_call_text(c, "password"), err);
}

static int post_login(struct rec_call *c, struct rec_err *err)
{
    return log_in(c, rec_json_string(rec_json_get(c->body, "username")), rec_json_string(rec_json_get(c->body, "password")), err);
}

/* ---- renewing and taking back ---- */

/* When the last token would expire that was given out until now. */
static int64_t last_end(const struct rec_call *c)
{
    const struct rec_serve_config *config = &c->serve->config;

    return c->now + (int64_t)(config->refresh_life > config->access_life ? config->refresh_life : config->access_life) + REC_TOKEN_SKEW;
}

/* Which of the two who came with it is the thief is not known: both have to log in again. */
static int refuse_used(struct rec_call *c)
{
    snprintf(c->account.id, sizeof c->account.id, "%s", c->claims.subject);
    rec_call_audit(c, "token.reuse", c->claims.subject, "");
    return refuse(c, "the token was used before, or taken back: log in again");
}

/* A refresh token serves once: it is taken back in the act, and of two that bring the same one the second is refused, and all that came of it. */
static int post_refresh(struct rec_call *c, struct rec_err *err)
{
    const char *text = rec_json_string(rec_json_get(c->body, "refresh_token"));
    enum rec_token_verdict verdict = rec_token_check(&c->claims, &c->serve->tokens, text, strlen(text), REC_TOKEN_REFRESH, c->now);
    struct rec_account account;
    bool used_before;
    int found;

    if (verdict != REC_TOKEN_VALID)
        return refuse(c, rec_token_verdicts[verdict]);
    found = rec_tokens_take(&used_before, &c->store, c->claims.id, family_of(&c->claims), c->claims.subject, c->claims.expires, last_end(c), c->now, err);
    if (found <= 0)
        return found < 0 ? -1 : used_before ? refuse_used(c) : refuse(c, "the token was taken back: log in again");
    found = rec_accounts_by_id(&account, &c->store, c->claims.subject, err);
    if (found < 0)
        return -1;
    if (!found || account.disabled || c->claims.issued < account.password_changed)
        return refuse(c, "the account of the token is not in force");
    return answer_tokens(c, &account, family_of(&c->claims), err);
}

static int take_back(struct rec_call *c, struct rec_err *err)
{
    const struct rec_token_claims *t = &c->claims;

    /* Of one that was used already, what came of it. */
    if (t->kind == REC_TOKEN_REFRESH && rec_tokens_revoke_family(&c->store, family_of(t), t->subject, last_end(c), c->now, err) < 0)
        return -1;
    return rec_tokens_revoke(&c->store, t->id, t->subject, t->expires, c->now, err);
}

/* As RFC 7009 has it, a token that is none is as good as taken back. */
static int post_revoke(struct rec_call *c, struct rec_err *err)
{
    const char *text = rec_json_string(rec_json_get(c->body, "token"));

    for (int kind = REC_TOKEN_ACCESS; kind <= REC_TOKEN_REFRESH; kind++)
        if (rec_token_check(&c->claims, &c->serve->tokens, text, strlen(text), (enum rec_token_kind)kind, c->now) == REC_TOKEN_VALID &&
            take_back(c, err) < 0)
            return -1;
    rec_answer_empty(c);
    return 0;
}

/* ---- tables ---- */

static const struct rec_field token_form[] = {
    {.name = "grant_type", .type = REC_FIELD_CHOICE, .choices = "password", .help = "password"},
    {.name = "username", .type = REC_FIELD_TEXT, .min = 1, .max = 64, .required = true},
    {.name = "password", .type = REC_FIELD_SECRET, .min = 1, .max = 1024, .required = true},
    {.name = "scope", .type = REC_FIELD_TEXT, .max = 256, .help = "not used"},
    {.name = "client_id", .type = REC_FIELD_TEXT, .max = 256, .help = "not used"},
    {.name = "client_secret", .type = REC_FIELD_SECRET, .max = 256, .help = "not used"},
    {.name = NULL},
};
static const struct rec_field login_body[] = {
    {.name = "username", .type = REC_FIELD_TEXT, .min = 1, .max = 64, .required = true},
    {.name = "password", .type = REC_FIELD_SECRET, .min = 1, .max = 1024, .required = true},
    {.name = NULL},
};
static const struct rec_field refresh_body[] = {
    {.name = "refresh_token", .type = REC_FIELD_SECRET, .min = 1, .max = REC_TOKEN_LONGEST, .required = true},
    {.name = NULL},
};
static const struct rec_field revoke_body[] = {
    {.name = "token", .type = REC_FIELD_SECRET, .min = 1, .max = REC_TOKEN_LONGEST, .required = true},
    {.name = NULL},
};

const struct rec_route rec_handle_tokens_routes[] = {
    {.method = REC_POST, .path = "/token", .handle = post_token, .body = token_form,
     .flags = REC_ROUTE_STORE | REC_ROUTE_SLOW | REC_ROUTE_FORM | REC_ROUTE_LOGIN},
    {.method = REC_POST, .path = "/token/refresh", .handle = post_refresh, .body = refresh_body, .flags = REC_ROUTE_STORE | REC_ROUTE_SLOW},
    {.method = REC_POST, .path = "/token/revoke", .handle = post_revoke, .body = revoke_body, .flags = REC_ROUTE_STORE | REC_ROUTE_SLOW},
    {.method = REC_POST, .path = "/users/login", .handle = post_login, .body = login_body,
     .flags = REC_ROUTE_STORE | REC_ROUTE_SLOW | REC_ROUTE_LOGIN},
    {.path = NULL},
};
