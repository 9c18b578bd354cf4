/* SPDX-License-Identifier: MIT
 *
 * API keys, for administrators: made, listed, taken back.
 */
#include "service_priv.h"

#include <string.h>

static void write_key(struct rec_json *json, const struct rec_api_key *key)
{
    rec_answer_text(json, "id", key->id);
    rec_answer_text(json, "user_id", key->account);
    rec_answer_text(json, "name", key->name);
    rec_answer_text(json, "scopes", key->scopes);
    rec_answer_time(json, "created", key->created);
    rec_answer_time(json, "expires", key->expires);
    rec_answer_time(json, "last_used", key->last_used);
    rec_answer_time(json, "revoked", key->revoked);
}

static int list_one(void *context, const struct rec_api_key *key)
{
    struct rec_json *json = context;

    rec_json_object(json, NULL);
    write_key(json, key);
    rec_json_end(json);
    return 0;
}

static int get_keys(struct rec_call *c, struct rec_err *err)
{
    struct rec_json json = rec_answer_begin(c, 200);

    rec_json_array(&json, "api_keys");
    if (rec_api_keys_list(&c->store, rec_call_text(c, "user_id"), list_one, &json, err) < 0)
        return -1;
    rec_answer_end(&json);
    return 0;
}

/* A key makes no key that may more than itself: one for making keys would else be one for everything. */
static bool is_wider(const struct rec_call *c, const char *scopes)
{
    char word[sizeof c->key.scopes];

    for (const char *at = scopes; c->by_key && *at; at += strcspn(at, " "), at += *at == ' ') {
        snprintf(word, sizeof word, "%.*s", (int)strcspn(at, " "), at);
        if (word[0] && !rec_identity_has_scope(c->key.scopes, word))
            return true;
    }
    return false;
}

static int post_key(struct rec_call *c, struct rec_err *err)
{
    const char *account = rec_json_string(rec_json_get(c->body, "user_id"));
    const char *expires = rec_json_string(rec_json_get(c->body, "expires"));
    char text[REC_API_KEYS_TEXT];
    struct rec_api_key key;
    struct rec_account found;
    struct rec_json json;
    int64_t until = 0;
    int status = rec_accounts_by_id(&found, &c->store, account, err);

    if (status < 0)
        return -1;
    if (!status)
        return rec_answer_problem(c, 404, "there is no such account");
    if (rec_json_integer(&until, rec_json_get(c->body, "expires")) < 0 && expires && rec_date_parse(&until, expires, "", NULL) < 0)
        until = 0;
    if (is_wider(c, rec_json_string(rec_json_get(c->body, "scopes"))))
        return rec_answer_problem(c, 403, "an API key makes no key of scopes that it has not itself");
    if (rec_json_get(c->body, "expires") && until <= c->now) {
        rec_answer_wrong(c, "/expires", "has to be in the future");
        return rec_answer_wrongs(c);
    }
    if (rec_api_keys_add(text, &key, &c->store, account, rec_json_string(rec_json_get(c->body, "name")),
                         rec_json_string(rec_json_get(c->body, "scopes")), c->now, until, err) < 0) {
        if (rec_sql_fault(c->store.db) != REC_SQL_CONSTRAINT)
            return -1;
        rec_answer_wrong(c, "/scopes", "%s", err->text);
        return rec_answer_wrongs(c);
    }
    rec_call_audit(c, "key.create", key.id, key.scopes);
    json = rec_answer_begin(c, 201);
    write_key(&json, &key);
    rec_answer_text(&json, "key", text);
    rec_answer_end(&json);
    rec_secret_wipe(text, sizeof text);
    return 0;
}

static int delete_key(struct rec_call *c, struct rec_err *err)
{
    int found = rec_api_keys_revoke(&c->store, c->param[0], c->now, err);

    if (found < 0)
        return -1;
    if (!found)
        return rec_answer_problem(c, 404, "there is no such key");
    rec_call_audit(c, "key.revoke", c->param[0], "");
    rec_answer_empty(c);
    return 0;
}

static const struct rec_field list_query[] = {
    {.name = "user_id", .type = REC_FIELD_TEXT, .min = 1, .max = REC_ACCOUNTS_ID, .help = "of this account alone"},
    {.name = NULL},
};
static const struct rec_field key_body[] = {
    {.name = "user_id", .type = REC_FIELD_TEXT, .min = 1, .max = REC_ACCOUNTS_ID, .required = true, .help = "the account it acts for"},
    {.name = "name", .type = REC_FIELD_TEXT, .min = 1, .max = 64, .required = true, .help = "what it is for"},
    {.name = "scopes", .type = REC_FIELD_TEXT, .min = 1, .max = 256, .required = true, .help = "words with blanks between them"},
    {.name = "expires", .type = REC_FIELD_TIME},
    {.name = NULL},
};

#define SLOW (REC_ROUTE_STORE | REC_ROUTE_SLOW)
#define MANAGE .own = REC_MAY_MANAGE, .others = REC_MAY_MANAGE, .scope = "keys"

const struct rec_route rec_handle_keys_routes[] = {
    {.method = REC_GET, .path = "/api-keys", MANAGE, .handle = get_keys, .query = list_query, .flags = SLOW},
    {.method = REC_POST, .path = "/api-keys", MANAGE, .handle = post_key, .body = key_body, .flags = SLOW},
    {.method = REC_DELETE, .path = "/api-keys/{id}", MANAGE, .handle = delete_key, .flags = SLOW},
    {.path = NULL},
};
