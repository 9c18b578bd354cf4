/* SPDX-License-Identifier: MIT
 *
 * rec-db key: the API keys of programs; and rekey: the keys of the store itself.
 */
#include "rec-db.h"

static const char *purpose, *scopes, *expires, *account, *format = "table";
static bool prune, no_add, rekey_yes;

struct rec_opt db_key_create_opts[] = {
    {0, "for", "WHAT", REC_OPT_TEXT, &purpose, .flags = REC_OPT_NO_CONFIG, .help = "what it is for: a name by which people know it"},
    {0, "scopes", "WORDS", REC_OPT_TEXT, &scopes, .help = "what it may do: words with a blank between them"},
    {0, "expires", "WHEN", REC_OPT_TEXT, &expires, .help = "a date, or 12h, 90d, 4w from now; else never"},
    {0},
};
struct rec_opt db_key_list_opts[] = {
    {0, "account", "NAME", REC_OPT_TEXT, &account, .flags = REC_OPT_NO_CONFIG, .help = "those of that account alone"},
    TOOL_FORMAT(&format),
    {0},
};
struct rec_opt db_rekey_opts[] = {
    {0, "prune", NULL, REC_OPT_FLAG, &prune, .flags = REC_OPT_NO_CONFIG,
     .help = "then drop the older keys: backups made with them cannot be read any more"},
    {0, "without-new", NULL, REC_OPT_FLAG, &no_add, .flags = REC_OPT_NO_CONFIG, .help = "add no key: the newest there is encrypts what is under older ones"},
    DB_YES(&rekey_yes, "do not ask, with --prune"),
    {0},
};

/* ---- key create ---- */

/* "90d" from now, or a date. */
static int parse_expiry(int64_t *out, int64_t now, struct rec_err *err)
{
    static const char units[] = "hdw";
    static const int64_t seconds[] = {3600, 86400, 7 * 86400};
    size_t len = expires ? strlen(expires) : 0;
    const char *unit = len > 1 ? strchr(units, expires[len - 1]) : NULL;
    int64_t n;

    *out = 0;
    if (!expires)
        return 0;
    if (unit && rec_num_int64(&n, expires, len - 1) == 0) {
        if (n < 1 || n > 1000000)
            return rec_err_set(err, "--expires: %.40s is out of range, 1 to 1000000", expires);
        *out = now + n * seconds[unit - units];
        return 0;
    }
    if (rec_date_parse(out, expires, "--expires", NULL) < 0)
        return rec_err_set(err, "--expires: \"%.40s\" is neither a date such as 2027-12-31 nor so many hours, days or weeks: 12h, 90d, 4w", expires);
    return *out > now ? 0 : rec_err_set(err, "--expires: %.40s is past", expires);
}

static int find(struct rec_account *out, struct rec_store *store, const char *name, struct rec_err *err)
{
    int found = rec_accounts_by_name(out, store, name, err);

    return found != 0 ? found : rec_err_set(err, "%s: there is no such account; rec-db user list shows them", name);
}

struct creation {
    struct rec_account owner;
    struct rec_api_key key;
    char text[REC_API_KEYS_TEXT];
    int64_t now, until;
};

static int add_key(struct db_change *change, struct rec_store *store, struct rec_err *err)
{
    struct creation *c = change->context;

    return rec_api_keys_add(c->text, &c->key, store, c->owner.id, purpose, scopes, c->now, c->until, err) < 0 ? -1 : 1;
}

static int create(struct tool *tool, struct rec_store *store, struct rec_err *err)
{
    struct creation c = {.now = db_now()};
    struct db_change change = {.work = add_key, .context = &c, .action = "key.create", .object = c.key.id, .detail = scopes};
    struct rec_buf out = {0};
    int status = -1;

    if (parse_expiry(&c.until, c.now, err) == 0 && db_open(store, DB_NO_KEYS, err) == 0 &&
        find(&c.owner, store, tool_operand(tool, 0), err) > 0 && db_change(&change, store, err) > 0) {
        rec_buf_addf(&out, "%s\n", c.text);
        tool_note(tool, "%s: key %s of %s; it is shown once", purpose, c.key.id, c.owner.name);
        status = tool_print(&out, err);
    }
    rec_secret_wipe(&c, sizeof c);
    return status;
}

int db_key_create(struct tool *tool, struct rec_err *err)
{
    struct rec_store store = {0};
    int status;

    if (!purpose || !*purpose)
        return tool_usage(tool, "--for: say what the key is for");
    if (!scopes)
        return tool_usage(tool, "--scopes: say what the key may do");
    status = create(tool, &store, err);
    rec_store_close(&store);
    return status;
}

/* ---- key list ---- */

struct list {
    struct rec_store store;
    struct tool_table table;
    struct rec_buf names;        /* ids and names of accounts, each ended by NUL */
};

static int on_account(void *context, const struct rec_account *a)
{
    struct list *list = context;

    rec_buf_add(&list->names, a->id, strlen(a->id) + 1);
    rec_buf_add(&list->names, a->name, strlen(a->name) + 1);
    return 0;
}

static const char *name_of(const struct list *list, const char *id)
{
    for (const char *p = list->names.data, *end = p + list->names.len; p < end; p += strlen(p) + 1) {
        const char *name = p + strlen(p) + 1;
        if (!strcmp(p, id))
            return name;
        p = name;
    }
    return id;
}

static int on_key(void *context, const struct rec_api_key *key)
{
    struct list *list = context;
    struct tool_table *t = &list->table;

    tool_table_text(t, key->id);
    tool_table_text(t, name_of(list, key->account));
    tool_table_text(t, key->name);
    tool_table_text(t, key->scopes);
    tool_table_number(t, key->created);
    tool_table_number(t, key->expires);
    tool_table_number(t, key->last_used);
    tool_table_number(t, key->revoked);
    return 0;
}

/* All accounts are read before the first key: their names are wanted while rows of keys come. */
static int list_keys(struct list *list, struct rec_err *err)
{
    struct rec_account owner;

    if (db_open(&list->store, DB_NO_KEYS, err) < 0 || (account && find(&owner, &list->store, account, err) < 0) ||
        rec_accounts_list(&list->store, "", SIZE_MAX / 2, on_account, list, err) < 0)
        return -1;
    return rec_api_keys_list(&list->store, account ? owner.id : NULL, on_key, list, err);
}

int db_key_list(struct tool *tool, struct rec_err *err)
{
    static const struct tool_column columns[] = {{"id", TOOL_TEXT}, {"account", TOOL_TEXT}, {"for", TOOL_TEXT}, {"scopes", TOOL_TEXT},
                                               {"created", TOOL_TIME}, {"expires", TOOL_TIME}, {"last_used", TOOL_TIME}, {"revoked", TOOL_TIME}};
    struct list list = {.table = {.column = columns, .n = REC_LENGTH(columns), .format = format}};
    int rc;

    (void)tool;
    rc = list_keys(&list, err);
    rec_store_close(&list.store);
    rec_buf_clear(&list.names);
    if (rc >= 0)
        return tool_table_print(&list.table, err);
    rec_buf_clear(&list.table.text);
    return -1;
}

/* ---- key revoke ---- */

static int revoke(struct db_change *change, struct rec_store *store, struct rec_err *err)
{
    return rec_api_keys_revoke(store, change->object, db_now(), err);
}

int db_key_revoke(struct tool *tool, struct rec_err *err)
{
    const char *id = tool_operand(tool, 0);
    struct db_change change = {.work = revoke, .action = "key.revoke", .object = id, .detail = ""};
    struct rec_store store = {0};
    int found, status = -1;

    if (db_open(&store, DB_NO_KEYS, err) < 0 || (found = db_change(&change, &store, err)) < 0)
        goto out;
    if (!found) {
        rec_err_set(err, "%s: there is no such key; rec-db key list shows them", id);
        goto out;
    }
    tool_step(tool, "%s: revoked", id);
    status = TOOL_DONE;
out:
    rec_store_close(&store);
    return status;
}

/* ---- rekey ---- */

static int renew_emails(struct db_change *change, struct rec_store *store, struct rec_err *err)
{
    return rec_accounts_rekey(store, change->context, err) < 0 ? -1 : 1;
}

/* What is still needed stays: hashes of people who were forgotten cannot be made anew, and without their key a file that still has them would
 * bring them back. E-mail under an older key is there only when a program with the old keyring added it since. */
static void tell_why(struct tool *tool, const struct rec_store_key_use *use, uint32_t newest)
{
    if (use->version == newest)
        return;
    if (use->forgotten)
        tool_step(tool, "%s: key %u stays: %llu %s forgotten %s known by it alone", db_keys(), use->version, (unsigned long long)use->forgotten,
                  use->forgotten == 1 ? "person who was" : "people who were", use->forgotten == 1 ? "is" : "are");
    if (use->emails)
        tool_step(tool, "%s: key %u stays: a program that has the old keyring encrypted %llu e-mail address%s with it; start it anew, and "
                  "rekey again", db_keys(), use->version, (unsigned long long)use->emails, use->emails == 1 ? "" : "es");
}

static int drop_older(struct tool *tool, struct rec_store *store, struct rec_err *err)
{
    struct rec_store_key_use use[REC_KEYRING_MAX];
    uint32_t needed[REC_KEYRING_MAX];
    size_t dropped = store->ring.n;
    int n = rec_store_key_uses(use, store, err);

    if (n < 0)
        return -1;
    for (int i = 0; i < n; i++)
        needed[i] = use[i].version;
    if (rec_keyring_prune(&store->ring, db_keys(), needed, (size_t)n, err) < 0)
        return -1;
    dropped -= store->ring.n;
    tool_step(tool, "%s: %zu older key%s dropped", db_keys(), dropped, dropped == 1 ? "" : "s");
    for (int i = 0; i < n; i++)
        tell_why(tool, &use[i], store->ring.newest);
    return 0;
}

static int rekey(struct tool *tool, struct rec_store *store, struct rec_err *err)
{
    uint64_t done = 0;
    char detail[64];
    struct db_change change = {.work = renew_emails, .context = &done, .action = "store.rekey", .object = "keyring", .detail = detail};

    if (db_open(store, DB_KEYS, err) < 0)
        return -1;
    if (!no_add && prune && store->ring.n == REC_KEYRING_MAX && drop_older(tool, store, err) < 0)
        return -1;
    if (!no_add && rec_keyring_add(&store->ring, db_keys(), db_now(), err) < 0)
        return -1;
    snprintf(detail, sizeof detail, "key %u%s", store->ring.newest, prune ? ", older ones dropped" : "");
    if (db_change(&change, store, err) < 0)
        return -1;
    tool_step(tool, "%s: key %u is the newest; %llu e-mail address%s encrypted with it", db_keys(), store->ring.newest, (unsigned long long)done,
              done == 1 ? "" : "es");
    if (!no_add)
        tool_note(tool, "keep a copy of %s elsewhere: backups from now on need the new key%s", db_keys(), prune ? "" : ", older ones the older keys");
    return prune ? drop_older(tool, store, err) : TOOL_DONE;
}

int db_rekey(struct tool *tool, struct rec_err *err)
{
    struct rec_store store = {0};
    int status = prune ? db_confirm(tool, rekey_yes, "this makes unreadable every backup made before it; the keys dropped are those of", db_keys())
                       : TOOL_DONE;

    if (status != TOOL_DONE)
        return status;
    status = rekey(tool, &store, err);
    rec_store_close(&store);
    return status;
}
