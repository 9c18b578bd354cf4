/* SPDX-License-Identifier: MIT
 *
 * Dropping what is ours and nothing else.
 *
 * The effects that the migrations recorded, played again in their order, leave the list of what there should be now. It is dropped without
 * CASCADE: views first, then all tables in one statement (their foreign keys may point in any direction), then what tables were made of.
 */
#include "migrate_priv.h"
#include "sql_priv.h"

struct thing {
    char kind[16];                /* "table" */
    char name[64];
};
struct things {
    struct thing *thing;
    size_t n;
};

static bool is_postgres(const struct rec_sql *db)
{
    return strcmp(rec_sql_dialect(db), "postgresql") == 0;
}

/* ---- the list ------------------------------------------------------------------------------------ */

/* "+table users": what was written into the database is not trusted to be a name. */
static bool parse(struct thing *out, const char *line, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
    const char *blank = memchr(line, ' ', len);
    size_t kind = blank != NULL ? (size_t)(blank - line) : 0, name = len - kind;
    *out = (struct thing){0};
    if (kind < 2 || kind > sizeof out->kind || name < 2 || name > sizeof out->name || (line[0] != '+' && line[0] != '-'))
        return false;
    memcpy(out->kind, line + 1, kind - 1);
    memcpy(out->name, blank + 1, name - 1);
    return strspn(out->kind, letters) == kind - 1 && strspn(out->name, letters) == name - 1;
}

static void forget(struct things *all, const struct thing *gone)
{
    size_t kept = 0;
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->thing[i].kind, gone->kind) != 0 || strcmp(all->thing[i].name, gone->name) != 0)
            all->thing[kept++] = all->thing[i];
    all->n = kept;
}

static int play(struct things *all, const char *effects, struct rec_err *err)
{
    struct thing thing;
    size_t len;
    for (; *effects != 0; effects += len + (effects[len] == '\n')) {
        len = strcspn(effects, "\n");
        if (!parse(&thing, effects, len))
            return rec_err_set(err, "schema_migrations: not an effect: \"%.*s\"", (int)(len < 64 ? len : 64), effects);
        forget(all, &thing);
        if (effects[0] == '-')
            continue;
        if (rec_realloc(&all->thing, all->n + 1, sizeof *all->thing, "schema_migrations", err) < 0)
            return -1;
        all->thing[all->n++] = thing;
    }
    return 0;
}

static int read_things(struct things *all, struct rec_sql *db, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;
    if (rec_sql_query(&rows, db, "SELECT effects FROM schema_migrations ORDER BY version", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0)
        if (rows.value[0].type == REC_SQL_TEXT && play(all, rows.value[0].text, err) < 0) {
            status = -1;
            break;
        }
    rec_sql_done(&rows);
    return status;
}

/* ---- the statements ------------------------------------------------------------------------------ */

/* The schema that ours are in, as it stands before a name: a table of that name elsewhere on the search path is not ours. */
static int read_schema(struct rec_buf *out, struct rec_sql *db, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;
    if (!is_postgres(db)) {
        rec_buf_adds(out, "main.");
        return 0;
    }
    if (rec_sql_query(&rows, db, "SELECT pg_catalog.quote_ident(current_schema()) || '.'", REC_SQL_NONE, err) < 0)
        return -1;
    status = rec_sql_next(&rows, err);
    if (status > 0)
        rec_buf_add(out, rows.value[0].text, rows.value[0].len);
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}

/* The newest first. PostgreSQL: one statement for all of a kind. */
static void add_drops(struct rec_buf *script, const struct things *all, const char *kind, const char *schema, bool together)
{
    bool first = true;
    for (size_t i = all->n; i-- > 0;) {
        if (strcmp(all->thing[i].kind, kind) != 0)
            continue;
        if (first || !together)
            rec_buf_addf(script, "%sDROP %s IF EXISTS ", first ? "" : "; ", kind);
        else
            rec_buf_adds(script, ", ");
        rec_buf_addf(script, "%s\"%s\"", schema, all->thing[i].name);
        first = false;
    }
    if (!first)
        rec_buf_adds(script, ";\n");
}

int rec_migrate_drop_all(struct rec_sql *db, struct rec_err *err)
{
    static const char *const kinds[] = {"view", "table", "procedure", "function", "sequence", "domain", "type"};
    struct things all = {0};
    struct rec_buf script = {0}, schema = {0};
    int status = -1;
    if (read_things(&all, db, err) < 0 || read_schema(&schema, db, err) < 0)
        goto out;
    rec_buf_adds(&script, is_postgres(db) ? "SET LOCAL client_min_messages = warning;\n" : "PRAGMA defer_foreign_keys = ON;\n");
    for (size_t i = 0; i < REC_LENGTH(kinds) && !schema.failed; i++)
        add_drops(&script, &all, kinds[i], schema.data, is_postgres(db));
    rec_buf_addf(&script, "DROP TABLE %sschema_migrations;\n", schema.data);
    status = script.failed || schema.failed ? rec_err_memory(err, "schema_migrations") : rec_sql_script(db, script.data, err);
out:
    rec_buf_clear(&schema);
    rec_buf_clear(&script);
    free(all.thing);
    return status;
}
