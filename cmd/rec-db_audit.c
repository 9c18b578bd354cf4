/* SPDX-License-Identifier: MIT
 *
 * rec-db audit, and how the other commands write what it shows: in the transaction of the change itself, so that there is neither without the
 * other.
 */
#include "rec-db.h"

#include <pwd.h>
#include <unistd.h>

static const char *since, *format = "table";
static int64_t limit;

struct rec_opt db_audit_opts[] = {
    {0, "since", "TIME", REC_OPT_TEXT, &since, .flags = REC_OPT_NO_CONFIG, .help = "only what was done at that moment or later"},
    {0, "limit", "N", REC_OPT_INT, &limit, .min = 0, .max = INT32_MAX, .help = "only the last N lines of that; 0 is all"},
    TOOL_FORMAT(&format),
    {0},
};

/* ---- writing ---- */

const char *db_actor(void)
{
    const struct passwd *login = getpwuid(getuid());
    static char actor[128];

    if (login)
        snprintf(actor, sizeof actor, "rec-db:%s", login->pw_name);
    else
        snprintf(actor, sizeof actor, "rec-db:%lu", (unsigned long)getuid());
    return actor;
}

int db_audit(struct rec_store *store, const char *action, const char *object, const char *detail, struct rec_err *err)
{
    return rec_audit_add(store, db_now(), db_actor(), action, object, detail, "", err);
}

struct transaction {
    struct db_change *change;
    int done;
};

static int change_and_tell(struct rec_store *store, void *context, struct rec_err *err)
{
    struct transaction *t = context;
    struct db_change *c = t->change;

    t->done = c->work(c, store, err);
    if (t->done <= 0)
        return t->done;
    return db_audit(store, c->action, c->object, c->detail, err);
}

int db_change(struct db_change *change, struct rec_store *store, struct rec_err *err)
{
    struct transaction t = {.change = change};

    return rec_store_write(store, change_and_tell, &t, err) < 0 ? -1 : t.done;
}

/* ---- reading ---- */

static int on_line(void *context, int64_t time, const char *actor, const char *action, const char *object, const char *detail,
                   const char *request)
{
    struct tool_table *t = context;

    tool_table_number(t, time);
    tool_table_text(t, actor);
    tool_table_text(t, action);
    tool_table_text(t, object);
    tool_table_text(t, detail);
    tool_table_text(t, request);
    return 0;
}

int db_audit_log(struct tool *tool, struct rec_err *err)
{
    static const struct tool_column columns[] = {{"time", TOOL_TIME}, {"actor", TOOL_TEXT}, {"action", TOOL_TEXT},
                                               {"object", TOOL_TEXT}, {"detail", TOOL_TEXT}, {"request", TOOL_TEXT}};
    struct tool_table table = {.column = columns, .n = REC_LENGTH(columns), .format = format};
    struct rec_store store = {0};
    int64_t from = INT64_MIN;
    int rc = since ? rec_date_parse(&from, since, "--since", err) : 0;

    (void)tool;
    if (rc == 0)
        rc = db_open(&store, DB_NO_KEYS, err);
    if (rc == 0)
        rc = rec_audit_list(&store, from, limit ? (size_t)limit : SIZE_MAX, on_line, &table, err);
    rec_store_close(&store);
    if (rc >= 0)
        return tool_table_print(&table, err);
    rec_buf_clear(&table.text);
    return -1;
}
