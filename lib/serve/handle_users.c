/* SPDX-License-Identifier: MIT
 *
 * Accounts: registering, the own one, and all of them for administrators.
 *
 * A body says which members there are; what an account becomes is decided member by member here, so that nothing else can be set with it.
 */
#include "service_priv.h"

#include <string.h>

static void write_account(struct rec_json *json, const struct rec_account *a, bool with_email)
{
    rec_answer_text(json, "user_id", a->id);
    rec_answer_text(json, "username", a->name);
    if (with_email)
        rec_answer_text(json, "email", a->email[0] ? a->email : NULL);
    rec_answer_text(json, "role", rec_accounts_roles[a->role]);
    rec_json_bool(json, "disabled", a->disabled);
    rec_answer_text(json, "data_user_id", a->tied ? a->user : NULL);
    rec_answer_time(json, "created", a->created);
    rec_answer_time(json, "last_login", a->last_login);
}

static int answer_account(struct rec_call *c, unsigned status, const struct rec_account *a)
{
    struct rec_json json = rec_answer_begin(c, status);

    write_account(&json, a, true);
    rec_answer_end(&json);
    return 0;
}

static const char *member(const struct rec_call *c, const char *name)
{
    return rec_json_string(rec_json_get(c->body, name));
}

/* The rules of the store, told at their places. */
static void check(struct rec_call *c, const char *name, const char *email, const char *password)
{
    struct rec_err err;

    if (name && rec_accounts_check_name(name, &err) < 0)
        rec_answer_wrong(c, "/username", "%s", err.text);
    if (email && rec_accounts_check_email(email, &err) < 0)
        rec_answer_wrong(c, "/email", "%s", err.text);
    if (password && rec_accounts_check_password(password, strlen(password), name ? name : c->account.name, &err) < 0)
        rec_answer_wrong(c, "/password", "%s", err.text);
}

/* The store looks at a password beside the e-mail, which is known there alone. */
static int password_refused(struct rec_call *c, const char *pointer, const struct rec_err *err)
{
    if (rec_sql_fault(c->store.db) != REC_SQL_CONSTRAINT)
        return -1;
    rec_answer_wrong(c, pointer, "%s", err->text);
    return rec_answer_wrongs(c);
}

/* ---- registering ---- */

static int post_register(struct rec_call *c, struct rec_err *err)
{
    struct rec_accounts_new spec = {.name = member(c, "username"), .email = member(c, "email"), .password = member(c, "password")};
    struct rec_account account;
    int lock, status;

    if (c->serve->config.registration_closed && !(c->may & REC_MAY_MANAGE))
        return rec_answer_problem(c, 403, "accounts are made by administrators here");
    if (!c->serve->has_keys)
        return rec_answer_problem(c, 503, "this service has no keys to encrypt e-mail with");
    check(c, spec.name, spec.email, spec.password);
    if (rec_answer_has_wrong(c))
        return rec_answer_wrongs(c);
    spec.password_len = strlen(spec.password);
    if (!rec_logins_admit(c, NULL, &lock))
        return 0;
    status = rec_accounts_add(&account, &c->store, &spec, c->now, err);
    rec_logins_leave(c->serve, lock);
    if (status < 0 && rec_sql_fault(c->store.db) == REC_SQL_UNIQUE)
        return rec_answer_problem(c, 409, "the name or the e-mail is taken");
    if (status < 0)
        return password_refused(c, "/password", err);
    rec_call_audit(c, "account.register", account.id, "");
    return answer_account(c, 201, &account);
}

/* ---- the own account ---- */

/* Who is asking is known but for the e-mail, which few requests need. */
static int get_me(struct rec_call *c, struct rec_err *err)
{
    struct rec_account account;
    int found = rec_accounts_by_id(&account, &c->store, c->account.id, err);

    if (found < 0)
        return -1;
    return found ? answer_account(c, 200, &account) : rec_answer_problem(c, 404, "there is no such account");
}

static int patch_me(struct rec_call *c, struct rec_err *err)
{
    const char *email = member(c, "email");

    check(c, NULL, email, NULL);
    if (rec_answer_has_wrong(c))
        return rec_answer_wrongs(c);
    if (email && rec_accounts_set_email(&c->store, c->account.id, email, c->now, err) < 0)
        return rec_sql_fault(c->store.db) == REC_SQL_UNIQUE ? rec_answer_problem(c, 409, "the e-mail is taken") : -1;
    if (email)
        rec_call_audit(c, "account.email", c->account.id, "");
    return get_me(c, err);
}

/* Erases the person: the account, and what its user had rated. A key, which lies with programs, does not end whom it acts for: who logs in does. */
static int delete_me(struct rec_call *c, struct rec_err *err)
{
    struct rec_forget_report report;

    if (c->by_key)
        return rec_answer_problem(c, 403, "an API key does not delete the account that it acts for: log in");
    if (rec_forget(&report, &c->store, c->account.name, true, c->account.id, c->now, err) < 0)
        return rec_sql_fault(c->store.db) == REC_SQL_CONSTRAINT ? rec_answer_problem(c, 409, "the last administrator stays") : -1;
    rec_answer_empty(c);
    return 0;
}

static int post_password(struct rec_call *c, struct rec_err *err)
{
    const char *old = member(c, "old_password"), *new = member(c, "new_password");
    struct rec_account account;
    struct rec_err why;
    int lock, found;

    if (rec_accounts_check_password(new, strlen(new), c->account.name, &why) < 0) {
        rec_answer_wrong(c, "/new_password", "%s", why.text);
        return rec_answer_wrongs(c);
    }
    if (!rec_logins_admit(c, c->account.name, &lock))
        return 0;
    found = rec_accounts_login(&account, &c->store, c->account.name, old, strlen(old), c->now, err);
    /* From the next second on: tokens of this one are void as well. */
    if (found > 0)
        found = rec_accounts_set_password(&c->store, c->account.id, new, strlen(new), c->now + 1, err) < 0 ? -1 : 1;
    rec_logins_leave(c->serve, lock);
    if (found < 0)
        return password_refused(c, "/new_password", err);
    if (!found) {
        rec_logins_wrong(c, c->account.name);
        return rec_answer_problem(c, 403, "the old password is wrong");
    }
    rec_call_audit(c, "account.password", c->account.id, "");
    rec_answer_empty(c);
    return 0;
}

/* ---- all accounts ---- */

struct listing {
    struct rec_json *json;
    int64_t limit, n;
    char last[REC_ACCOUNTS_NAME_LONGEST + 1];
};

/* One more than is shown is asked for: whether there is a next page. */
static int list_one(void *context, const struct rec_account *account)
{
    struct listing *l = context;

    if (l->n++ == l->limit)
        return 1;
    snprintf(l->last, sizeof l->last, "%s", account->name);
    rec_json_object(l->json, NULL);
    write_account(l->json, account, true);
    rec_json_end(l->json);
    return 0;
}

static int get_users(struct rec_call *c, struct rec_err *err)
{
    const char *after = rec_call_text(c, "cursor");
    struct rec_json json = rec_answer_begin(c, 200);
    struct listing listing = {.json = &json, .limit = rec_call_int(c, "limit", 50)};

    rec_json_array(&json, "users");
    if (rec_accounts_list(&c->store, after ? after : "", (size_t)listing.limit + 1, list_one, &listing, err) < 0)
        return -1;
    rec_json_end(&json);
    rec_answer_text(&json, "next_cursor", listing.n > listing.limit ? listing.last : NULL);
    rec_answer_end(&json);
    return 0;
}

static int change(struct rec_call *c, const char *id, struct rec_err *err)
{
    const struct rec_json_value *tie = rec_json_get(c->body, "data_user_id");
    const char *role = member(c, "role");
    bool disabled;
    int status = 1;

    for (int r = 0; role && status > 0 && rec_accounts_roles[r]; r++)
        if (strcmp(role, rec_accounts_roles[r]) == 0) {
            status = rec_accounts_set_role(&c->store, id, (enum rec_role)r, c->now, err);
            if (status > 0)
                rec_call_audit(c, "account.role", id, role);
        }
    if (status > 0 && rec_json_boolean(&disabled, rec_json_get(c->body, "disabled")) == 0) {
        status = rec_accounts_set_disabled(&c->store, id, disabled, c->now, err);
        if (status > 0)
            rec_call_audit(c, disabled ? "account.disable" : "account.enable", id, "");
    }
    if (status > 0 && tie) {
        status = rec_accounts_tie(&c->store, id, rec_json_string(tie), c->now, err);
        if (status > 0)
            rec_call_audit(c, "account.tie", id, "");
    }
    return status;
}

/* All that is asked for, or nothing. */
static int change_all(struct rec_store *store, void *context, struct rec_err *err)
{
    struct rec_call *c = context;

    (void)store;
    return change(c, c->param[0], err);
}

static int patch_user(struct rec_call *c, struct rec_err *err)
{
    struct rec_account account;
    int found = rec_accounts_by_id(&account, &c->store, c->param[0], err);

    if (found > 0)
        found = rec_store_write(&c->store, change_all, c, err);
    if (found < 0 && rec_sql_fault(c->store.db) == REC_SQL_CONSTRAINT)
        return rec_answer_problem(c, 409, "%s", err->text);
    if (found < 0 && rec_sql_fault(c->store.db) == REC_SQL_UNIQUE)
        return rec_answer_problem(c, 409, "that user of the data set is another account's");
    if (found > 0)
        found = rec_accounts_by_id(&account, &c->store, c->param[0], err);
    if (found < 0)
        return -1;
    return found ? answer_account(c, 200, &account) : rec_answer_problem(c, 404, "there is no such account");
}

/* ---- tables ---- */

static const struct rec_field register_body[] = {
    {.name = "username", .type = REC_FIELD_TEXT, .min = 3, .max = 64, .required = true},
    {.name = "email", .type = REC_FIELD_TEXT, .min = 3, .max = 254, .required = true},
    {.name = "password", .type = REC_FIELD_SECRET, .min = 10, .max = 1024, .required = true},
    {.name = NULL},
};
static const struct rec_field me_body[] = {
    {.name = "email", .type = REC_FIELD_TEXT, .min = 3, .max = 254},
    {.name = NULL},
};
static const struct rec_field password_body[] = {
    {.name = "old_password", .type = REC_FIELD_SECRET, .min = 1, .max = 1024, .required = true},
    {.name = "new_password", .type = REC_FIELD_SECRET, .min = 10, .max = 1024, .required = true},
    {.name = NULL},
};
static const struct rec_field user_body[] = {
    {.name = "role", .type = REC_FIELD_CHOICE, .choices = "user|analyst|service|admin"},
    {.name = "disabled", .type = REC_FIELD_BOOL},
    {.name = "data_user_id", .type = REC_FIELD_ID, .nullable = true, .help = "the user of the data set that the account is tied to"},
    {.name = NULL},
};
static const struct rec_field list_query[] = {
    {.name = "limit", .type = REC_FIELD_INT, .min = 1, .max = 500},
    {.name = "cursor", .type = REC_FIELD_TEXT, .min = 1, .max = 64},
    {.name = NULL},
};

#define SLOW (REC_ROUTE_STORE | REC_ROUTE_SLOW)

const struct rec_route rec_handle_users_routes[] = {
    {.method = REC_POST, .path = "/users/register", .scope = "users", .handle = post_register, .body = register_body, .flags = SLOW | REC_ROUTE_LOGIN},
    {.method = REC_GET, .path = "/users/me", .own = REC_MAY_SELF, .others = REC_MAY_SELF, .scope = "users", .handle = get_me,
     .flags = REC_ROUTE_STORE},
    {.method = REC_PATCH, .path = "/users/me", .own = REC_MAY_SELF, .others = REC_MAY_SELF, .scope = "users", .handle = patch_me, .body = me_body,
     .flags = SLOW},
    {.method = REC_DELETE, .path = "/users/me", .own = REC_MAY_SELF, .others = REC_MAY_SELF, .scope = "users", .handle = delete_me, .flags = SLOW},
    {.method = REC_POST, .path = "/users/me/password", .own = REC_MAY_SELF, .others = REC_MAY_SELF, .scope = "users", .handle = post_password,
     .body = password_body, .flags = SLOW | REC_ROUTE_LOGIN},
    {.method = REC_GET, .path = "/users", .own = REC_MAY_MANAGE, .others = REC_MAY_MANAGE, .scope = "users", .handle = get_users,
     .query = list_query, .flags = SLOW},
    {.method = REC_PATCH, .path = "/users/{id}", .own = REC_MAY_MANAGE, .others = REC_MAY_MANAGE, .scope = "users", .handle = patch_user,
     .body = user_body, .flags = SLOW},
    {.path = NULL},
};
