/* SPDX-License-Identifier: MIT
 *
 * rec-db init, migrate, status, rollback.
 */
#include "rec-db.h"

static bool force_reset, init_yes, dry_run, rollback_yes;
static const char *migrations, *format = "table";
static int64_t migrate_to, rollback_to = -1;

#define MIGRATIONS {0, "migrations", "DIR", REC_OPT_FILE, &migrations, .help = "migrations from there, instead of those built in"}

struct rec_opt db_init_opts[] = {
    {0, "force-reset", NULL, REC_OPT_FLAG, &force_reset, .flags = REC_OPT_NO_CONFIG, .help = "drop everything that is in it"},
    DB_YES(&init_yes, "do not ask, with --force-reset"),
    MIGRATIONS,
    {0},
};
struct rec_opt db_migrate_opts[] = {
    {0, "to", "N", REC_OPT_INT, &migrate_to, .min = 1, .max = 9999, .flags = REC_OPT_NO_CONFIG, .help = "no further than version N"},
    {0, "dry-run", NULL, REC_OPT_FLAG, &dry_run, .flags = REC_OPT_NO_CONFIG, .help = "only say which would be applied"},
    MIGRATIONS,
    {0},
};
struct rec_opt db_status_opts[] = {
    TOOL_FORMAT(&format),
    MIGRATIONS,
    {0},
};
struct rec_opt db_rollback_opts[] = {
    {0, "to", "N", REC_OPT_INT, &rollback_to, .min = 0, .max = 9999, .flags = REC_OPT_NO_CONFIG,
     .help = "back to version N; else one step"},
    DB_YES(&rollback_yes, "do not ask"),
    MIGRATIONS,
    {0},
};

/* ---- what they share ---- */

struct schema {
    struct tool *tool;
    struct rec_sql *db;
    struct rec_migrate_set set;
    struct rec_migrate_status *status;
    size_t n, applied;
    uint32_t version;            /* the newest that is applied, or 0 */
    bool current;                /* all are applied, and are what they were */
};

static int read_status(struct schema *s, struct rec_err *err)
{
    free(s->status);
    s->status = NULL;
    s->applied = s->version = 0;
    s->current = true;
    if (rec_migrate_status(&s->status, &s->n, s->db, &s->set, err) < 0)
        return -1;
    for (size_t i = 0; i < s->n; i++) {
        s->current &= s->status[i].state == REC_MIGRATE_APPLIED;
        if (s->status[i].state != REC_MIGRATE_PENDING) {
            s->applied++;
            s->version = s->status[i].version;
        }
    }
    return 0;
}

static int schema_open(struct schema *s, bool create, struct rec_err *err)
{
    if (db_connect(&s->db, create, err) < 0)
        return -1;
    if ((migrations ? rec_migrate_read(&s->set, migrations, rec_sql_dialect(s->db), err)
                    : rec_migrate_builtin(&s->set, rec_sql_dialect(s->db), err)) < 0)
        return -1;
    return read_status(s, err);
}

static void schema_close(struct schema *s)
{
    free(s->status);
    rec_migrate_clear(&s->set);
    rec_sql_close(s->db);
}

static void tell(void *context, const struct rec_migrate_file *file, bool up, bool done)
{
    struct schema *s = context;

    if (done)
        tool_step(s->tool, "%s: %04u %s %s", db_name(), file->version, file->name, up ? "applied" : "taken back");
}

/* The audit log is in the store itself: where there is none, nothing is written. */
static int audit(struct schema *s, const char *action, uint32_t from, struct rec_err *err)
{
    struct rec_store store;
    char detail[64];

    if (read_status(s, err) < 0)
        return -1;
    if (s->version == 0)
        return 0;
    snprintf(detail, sizeof detail, "version %u to %u", from, s->version);
    rec_store_wrap(&store, s->db, NULL);
    return db_audit(&store, action, "schema", detail, err);
}

/* ---- init ---- */

static int make_keys(struct schema *s, bool existing, struct rec_err *err)
{
    int made = rec_keys_make(db_keys(), existing ? s->db : NULL, db_now(), err);

    if (made > 0)
        tool_step(s->tool, "%s: a new keyring; keep a copy of it elsewhere: e-mail and backups are lost without it", db_keys());
    return made < 0 ? -1 : 0;
}

/* In one transaction: either everything is gone and the schema is new, or nothing has changed. */
static int reset(struct schema *s, struct rec_err *err)
{
    uint32_t newest = s->set.n ? s->set.file[s->set.n - 1].version : 0;

    if (rec_sql_begin(s->db, REC_SQL_WRITE, err) < 0)
        return -1;
    if (rec_migrate_drop(s->db, err) < 0 || rec_migrate_into(s->db, &s->set, newest, err) < 0 || rec_sql_commit(s->db, err) < 0) {
        rec_sql_rollback(s->db);
        return -1;
    }
    return 0;
}

static int init(struct schema *s, struct rec_err *err)
{
    size_t applied = 0;

    if (schema_open(s, true, err) < 0 || make_keys(s, s->applied > 0 && !force_reset, err) < 0)
        return -1;
    if (s->applied > 0 && !force_reset) {
        tool_step(s->tool, "%s: is there, with schema version %u%s", db_name(), s->version,
                  s->current ? "" : "; it is not up to date: rec-db status tells more");
        return s->current ? TOOL_DONE : TOOL_NO;
    }
    if ((force_reset ? reset(s, err) : rec_migrate_up(s->db, &s->set, 0, &applied, NULL, NULL, err)) < 0 ||
        audit(s, force_reset ? "store.reset" : "store.init", 0, err) < 0)
        return -1;
    tool_step(s->tool, "%s: %s, with schema version %u", db_name(), force_reset ? "emptied" : "made", s->version);
    return TOOL_DONE;
}

int db_init(struct tool *tool, struct rec_err *err)
{
    struct schema s = {.tool = tool};
    int status = force_reset ? db_confirm(tool, init_yes, "this drops everything in", db_name()) : TOOL_DONE;

    if (status != TOOL_DONE)
        return status;
    status = init(&s, err);
    schema_close(&s);
    return status;
}

/* ---- migrate ---- */

static int migrate(struct schema *s, struct rec_err *err)
{
    uint32_t from;
    size_t applied = 0;

    if (schema_open(s, false, err) < 0)
        return -1;
    from = s->version;
    if (dry_run) {
        for (size_t i = 0; i < s->n; i++)
            if (s->status[i].state == REC_MIGRATE_PENDING && (!migrate_to || s->status[i].version <= (uint32_t)migrate_to))
                tool_step(s->tool, "%s: %04u %s would be applied", db_name(), s->status[i].version, s->status[i].name);
        return TOOL_DONE;
    }
    if (rec_migrate_up(s->db, &s->set, (uint32_t)migrate_to, &applied, tell, s, err) < 0)
        return -1;
    if (applied && audit(s, "schema.migrate", from, err) < 0)
        return -1;
    if (!applied)
        tool_step(s->tool, "%s: nothing to apply, the schema is version %u", db_name(), s->version);
    return TOOL_DONE;
}

int db_migrate(struct tool *tool, struct rec_err *err)
{
    struct schema s = {.tool = tool};
    int status = migrate(&s, err);

    schema_close(&s);
    return status;
}

/* ---- status ---- */

int db_status(struct tool *tool, struct rec_err *err)
{
    static const char *const names[] = {"applied", "pending", "changed", "unknown"};
    static const struct tool_column columns[] = {{"version", TOOL_NUMBER}, {"name", TOOL_TEXT}, {"state", TOOL_TEXT}, {"applied", TOOL_TIME}};
    struct tool_table table = {.column = columns, .n = REC_LENGTH(columns), .format = format};
    struct schema s = {.tool = tool};
    int status = -1;

    if (schema_open(&s, false, err) < 0)
        goto out;
    for (size_t i = 0; i < s.n; i++) {
        tool_table_number(&table, s.status[i].version);
        tool_table_text(&table, s.status[i].name);
        tool_table_text(&table, names[s.status[i].state]);
        tool_table_number(&table, s.status[i].applied);
    }
    status = tool_table_print(&table, err) < 0 ? -1 : s.current ? TOOL_DONE : TOOL_NO;
out:
    schema_close(&s);
    return status;
}

/* ---- rollback ---- */

static int rollback(struct schema *s, struct rec_err *err)
{
    uint32_t from, to;
    size_t undone = 0;
    int status;

    if (schema_open(s, false, err) < 0)
        return -1;
    from = s->version;
    to = rollback_to >= 0 ? (uint32_t)rollback_to : from ? from - 1 : 0;
    if (from <= to) {
        tool_step(s->tool, "%s: nothing to take back, the schema is version %u", db_name(), from);
        return TOOL_DONE;
    }
    status = db_confirm(s->tool, rollback_yes, "this loses what the migrations taken back had added to", db_name());
    if (status != TOOL_DONE)
        return status;
    if (rec_migrate_down(s->db, &s->set, to, &undone, tell, s, err) < 0 || audit(s, "schema.rollback", from, err) < 0)
        return -1;
    return TOOL_DONE;
}

int db_rollback(struct tool *tool, struct rec_err *err)
{
    struct schema s = {.tool = tool};
    int status = rollback(&s, err);

    schema_close(&s);
    return status;
}
