/* SPDX-License-Identifier: MIT
 *
 * rec-db user: accounts. What is written to the audit log names them by their ids.
 */
#include "rec-db.h"

#include <unistd.h>

static const char *role = "user", *email, *format = "table";
static bool email_stdin, no_email, password_stdin, generate, no_password;

#define PASSWORD \
    {0, "password-stdin", NULL, REC_OPT_FLAG, &password_stdin, .flags = REC_OPT_NO_CONFIG, .help = "the password is a line of standard input"}, \
    {0, "generate-password", NULL, REC_OPT_FLAG, &generate, .flags = REC_OPT_NO_CONFIG, .help = "draw one, and print it: it is shown once"}
#define EMAIL(text) \
    {0, "email", "ADDRESS", REC_OPT_TEXT, &email, .flags = REC_OPT_NO_CONFIG, .help = (text)}, \
    {0, "email-stdin", NULL, REC_OPT_FLAG, &email_stdin, .flags = REC_OPT_NO_CONFIG, .help = "it is a line of standard input"}

struct rec_opt db_user_add_opts[] = {
    {0, "role", "ROLE", REC_OPT_CHOICE, &role, .choices = "user|analyst|service|admin", .help = "what they may do"},
    EMAIL("their e-mail address, which is kept encrypted"),
    PASSWORD,
    {0, "no-password", NULL, REC_OPT_FLAG, &no_password, .flags = REC_OPT_NO_CONFIG, .help = "none: a program with API keys alone"},
    {0},
};
struct rec_opt db_user_list_opts[] = {
    TOOL_FORMAT(&format),
    {0},
};
struct rec_opt db_user_passwd_opts[] = {
    PASSWORD,
    {0},
};
struct rec_opt db_user_email_opts[] = {
    EMAIL("the new address"),
    {0, "no-email", NULL, REC_OPT_FLAG, &no_email, .flags = REC_OPT_NO_CONFIG, .help = "remove the one there is"},
    {0},
};

/* ---- what they share ---- */

static int choose_role(enum rec_role *out, const char *text, struct rec_err *err)
{
    for (int i = 0; rec_accounts_roles[i]; i++)
        if (!strcmp(rec_accounts_roles[i], text)) {
            *out = (enum rec_role)i;
            return 0;
        }
    return rec_err_set(err, "%s: is no role; there are user, analyst, service, admin", text);
}

static int unknown(const char *name, struct rec_err *err)
{
    return rec_err_set(err, "%s: there is no such account; rec-db user list shows them", name);
}

static int find(struct rec_account *out, struct rec_store *store, const char *name, struct rec_err *err)
{
    int found = rec_accounts_by_name(out, store, name, err);

    return found > 0 ? 0 : found < 0 ? -1 : unknown(name, err);
}

/* As asked for: a line of standard input, drawn, none, or typed. TOOL_DONE, TOOL_USAGE, or -1. */
static int get_password(struct db_secret *out, const struct tool *tool, const char *name, bool may_be_none, struct rec_err *err)
{
    if (password_stdin + generate + no_password > 1)
        return tool_usage(tool, "--password-stdin, --generate-password%s: one of them", may_be_none ? ", --no-password" : "");
    if (no_password)
        return TOOL_DONE;
    if (generate)
        db_secret_draw(out);
    else if (!password_stdin && !isatty(STDIN_FILENO))
        return tool_usage(tool, "no terminal to ask for a password at: --password-stdin, --generate-password%s",
                          may_be_none ? " or --no-password" : "");
    else if ((password_stdin ? db_secret_line(out, "password", err) : db_secret_ask(out, tool, "password", err)) < 0)
        return -1;
    return rec_accounts_check_password(out->text, out->len, name, err) < 0 ? -1 : TOOL_DONE;
}

/* A drawn password is all of standard output. */
static int show(const struct tool *tool, const struct db_secret *password, struct rec_err *err)
{
    struct rec_buf text = {0};

    if (!generate)
        return 0;
    tool_note(tool, "the password is shown once");
    rec_buf_add(&text, password->text, password->len);
    rec_buf_addc(&text, '\n');
    return tool_print(&text, err);
}

/* ---- user add ---- */

struct addition {
    struct rec_accounts_new spec;
    struct rec_account account;
};

static int add_account(struct db_change *change, struct rec_store *store, struct rec_err *err)
{
    struct addition *a = change->context;

    return rec_accounts_add(&a->account, store, &a->spec, db_now(), err) < 0 ? -1 : 1;
}

static int add(struct tool *tool, struct rec_store *store, struct db_secret *address, struct db_secret *password, struct rec_err *err)
{
    const char *name = tool_operand(tool, 0);
    struct addition a = {.spec = {.name = name, .email = email}};
    struct db_change change = {.work = add_account, .context = &a, .action = "account.add", .object = a.account.id, .detail = role};
    int status;

    if (choose_role(&a.spec.role, role, err) < 0 || rec_accounts_check_name(name, err) < 0 || db_open(store, DB_KEYS_IF_READABLE, err) < 0)
        return -1;
    if (email_stdin) {
        if (db_secret_line(address, "e-mail", err) < 0)
            return -1;
        a.spec.email = address->text;
    }
    if (a.spec.email && rec_accounts_check_email(a.spec.email, err) < 0)
        return -1;
    if ((status = get_password(password, tool, name, true, err)) != TOOL_DONE)
        return status;
    a.spec.password = password->given ? password->text : NULL;
    a.spec.password_len = password->len;
    if (db_change(&change, store, err) < 0)
        return -1;
    tool_step(tool, "%s: added as %s, with the id %s", a.account.name, role, a.account.id);
    return show(tool, password, err);
}

int db_user_add(struct tool *tool, struct rec_err *err)
{
    struct rec_store store = {0};
    struct db_secret address = {.len = 0}, password = {.len = 0};
    int status;

    if (email && email_stdin)
        return tool_usage(tool, "--email, --email-stdin: one of them");
    status = add(tool, &store, &address, &password, err);
    db_secret_wipe(&address);
    db_secret_wipe(&password);
    rec_store_close(&store);
    return status;
}

/* ---- user list ---- */

struct list {
    struct tool_table table;
    char last[REC_ACCOUNTS_NAME_LONGEST + 1];
    size_t n;
};

static int on_account(void *context, const struct rec_account *a)
{
    struct list *list = context;
    struct tool_table *t = &list->table;

    tool_table_text(t, a->name);
    tool_table_text(t, a->id);
    tool_table_text(t, rec_accounts_roles[a->role]);
    tool_table_number(t, a->disabled);
    tool_table_text(t, a->email);
    tool_table_text(t, a->tied ? a->user : "");
    tool_table_number(t, a->created);
    tool_table_number(t, a->last_login);
    snprintf(list->last, sizeof list->last, "%s", a->name);
    list->n++;
    return 0;
}

int db_user_list(struct tool *tool, struct rec_err *err)
{
    static const struct tool_column columns[] = {{"name", TOOL_TEXT}, {"id", TOOL_TEXT}, {"role", TOOL_TEXT}, {"disabled", TOOL_BOOL},
                                               {"email", TOOL_TEXT}, {"user", TOOL_TEXT}, {"created", TOOL_TIME}, {"last_login", TOOL_TIME}};
    struct list list = {.table = {.column = columns, .n = REC_LENGTH(columns), .format = format}};
    struct rec_store store = {0};
    size_t before;
    int rc;

    (void)tool;
    rc = db_open(&store, DB_KEYS_IF_READABLE, err);
    do {
        before = list.n;
        if (rc == 0)
            rc = rec_accounts_list(&store, list.last, 1000, on_account, &list, err);
    } while (rc >= 0 && list.n - before == 1000);
    rec_store_close(&store);
    if (rc >= 0)
        return tool_table_print(&list.table, err);
    rec_buf_clear(&list.table.text);
    return -1;
}

/* ---- one change of one account ---- */

struct change {
    struct rec_store store;
    struct rec_account account;
    const char *word;            /* the second operand */
    enum rec_role role;
    struct db_secret secret;
    int (*apply)(struct change *c, struct rec_err *err); /* 1, 0: the account is gone, -1 */
    const char *action;          /* "account.role" */
    char detail[64], done[128];  /* for the audit log; for the one who runs it */
};

static int apply(struct db_change *change, struct rec_store *store, struct rec_err *err)
{
    struct change *c = change->context;
    int found = c->apply(c, err);

    (void)store;
    change->action = c->action;
    return found;
}

static int change(struct tool *tool, struct change *c, enum db_need need, struct rec_err *err)
{
    const char *name = tool_operand(tool, 0);
    struct db_change both = {.work = apply, .context = c, .object = c->account.id, .detail = c->detail};
    int status = -1, found;

    c->word = tool_operand(tool, 1);
    if (db_open(&c->store, need, err) < 0 || find(&c->account, &c->store, name, err) < 0 || (found = db_change(&both, &c->store, err)) < 0)
        goto out;
    if (!found) {
        unknown(name, err);
        goto out;
    }
    tool_step(tool, "%s: %s", c->account.name, c->done);
    status = TOOL_DONE;
out:
    rec_store_close(&c->store);
    return status;
}

static int set_role(struct change *c, struct rec_err *err)
{
    c->action = "account.role";
    snprintf(c->detail, sizeof c->detail, "%s to %s", rec_accounts_roles[c->account.role], c->word);
    snprintf(c->done, sizeof c->done, "is %.20s", c->word);
    return rec_accounts_set_role(&c->store, c->account.id, c->role, db_now(), err);
}

int db_user_role(struct tool *tool, struct rec_err *err)
{
    struct change c = {.apply = set_role};

    if (choose_role(&c.role, tool_operand(tool, 1), err) < 0)
        return tool_usage(tool, "%s", err->text);
    return change(tool, &c, DB_NO_KEYS, err);
}

static int disable(struct change *c, struct rec_err *err)
{
    c->action = "account.disable";
    snprintf(c->done, sizeof c->done, "disabled");
    return rec_accounts_set_disabled(&c->store, c->account.id, true, db_now(), err);
}

static int enable(struct change *c, struct rec_err *err)
{
    c->action = "account.enable";
    snprintf(c->done, sizeof c->done, "enabled");
    return rec_accounts_set_disabled(&c->store, c->account.id, false, db_now(), err);
}

int db_user_disable(struct tool *tool, struct rec_err *err)
{
    struct change c = {.apply = disable};

    return change(tool, &c, DB_NO_KEYS, err);
}

int db_user_enable(struct tool *tool, struct rec_err *err)
{
    struct change c = {.apply = enable};

    return change(tool, &c, DB_NO_KEYS, err);
}

static int set_password(struct change *c, struct rec_err *err)
{
    c->action = "account.password";
    snprintf(c->done, sizeof c->done, "has a new password; whoever was logged in is so no more");
    return rec_accounts_set_password(&c->store, c->account.id, c->secret.text, c->secret.len, db_now(), err);
}

int db_user_passwd(struct tool *tool, struct rec_err *err)
{
    struct change c = {.apply = set_password};
    int status = get_password(&c.secret, tool, tool_operand(tool, 0), false, err);

    if (status == TOOL_DONE && (status = change(tool, &c, DB_NO_KEYS, err)) == TOOL_DONE)
        status = show(tool, &c.secret, err);
    db_secret_wipe(&c.secret);
    return status;
}

static int set_email(struct change *c, struct rec_err *err)
{
    c->action = "account.email";
    snprintf(c->detail, sizeof c->detail, "%s", no_email ? "removed" : "");
    snprintf(c->done, sizeof c->done, "%s", no_email ? "has no e-mail address any more" : "has a new e-mail address");
    return rec_accounts_set_email(&c->store, c->account.id, no_email ? NULL : c->secret.text, db_now(), err);
}

int db_user_email(struct tool *tool, struct rec_err *err)
{
    struct change c = {.apply = set_email};
    int status;

    if (!!email + email_stdin + no_email != 1)
        return tool_usage(tool, "--email, --email-stdin, --no-email: one of them");
    if (email_stdin && db_secret_line(&c.secret, "e-mail", err) < 0)
        return -1;
    if (email)
        snprintf(c.secret.text, sizeof c.secret.text, "%s", email);
    status = !no_email && rec_accounts_check_email(c.secret.text, err) < 0 ? -1 : change(tool, &c, DB_KEYS, err);
    db_secret_wipe(&c.secret);
    return status;
}

static int tie(struct change *c, struct rec_err *err)
{
    c->action = c->word ? "account.tie" : "account.untie";
    snprintf(c->done, sizeof c->done, "%s", c->word ? "tied to that user of the data set" : "tied to no user of the data set");
    return rec_accounts_tie(&c->store, c->account.id, c->word, db_now(), err);
}

int db_user_tie(struct tool *tool, struct rec_err *err)
{
    struct change c = {.apply = tie};

    return change(tool, &c, DB_NO_KEYS, err);
}

int db_user_untie(struct tool *tool, struct rec_err *err)
{
    return db_user_tie(tool, err);
}
