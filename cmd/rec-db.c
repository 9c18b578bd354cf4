/* SPDX-License-Identifier: MIT
 *
 * The store at the prompt: its commands, and what they share (rec-db.h).
 */
#include "rec-db.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

static const char *store = "rec.db", *keys;
static double patience = NAN; /* not given: each call waits as long as suits it */

static struct rec_opt opts[] = {
    {0, "store", "URL", REC_OPT_FILE, &store, .flags = REC_OPT_COMMON | REC_OPT_URL,
     .help = "an SQLite file, or postgresql://user@host/database"},
    {0, "keys", "FILE", REC_OPT_FILE, &keys, .flags = REC_OPT_COMMON, .help = "the keyring; else rec.keys beside an SQLite file, or here"},
    {0, "wait", "SECONDS", REC_OPT_REAL, &patience, .min = 0.001, .max = 3600,
     .help = "how long to wait for another writer; else 5, or 600 for another load"},
    {0},
};

static const struct tool_command commands[] = {
    {"init", "[options]", "make a store and its keyring, or empty one", db_init_opts, 0, 0, NULL, db_init},
    {"migrate", "[options]", "bring the schema up to date", db_migrate_opts, 0, 0, NULL, db_migrate},
    {"status", "[options]", "which migrations are applied; exit 3 when one is pending", db_status_opts, 0, 0, NULL, db_status},
    {"rollback", "[options]", "take the last migration back", db_rollback_opts, 0, 0, NULL, db_rollback},
    {"load ratings", "[options] [FILE]", "CSV, or a ratings file, into the store", db_load_ratings_opts, 0, 1, NULL, db_load_ratings},
    {"load movies", "[options] [FILE]", "CSV, or a catalogue, into the store", db_load_movies_opts, 0, 1, NULL, db_load_movies},
    {"export ratings", "[options]", "the present ratings as CSV", db_export_opts, 0, 0, NULL, db_export_ratings},
    {"export movies", "[options]", "the movies as CSV", db_export_movies_opts, 0, 0, NULL, db_export_movies},
    {"export feedback", "[options]", "the events as CSV", db_export_opts, 0, 0, NULL, db_export_feedback},
    {"backup", "[options]", "all of it in one encrypted file", db_backup_opts, 0, 0, NULL, db_backup},
    {"restore", "[options] FILE", "a store from such a file", db_restore_opts, 1, 1, NULL, db_restore},
    {"verify", "FILE", "whether such a file is whole", NULL, 1, 1, NULL, db_verify},
    {"user add", "[options] NAME", "a new account", db_user_add_opts, 1, 1, NULL, db_user_add},
    {"user list", "[options]", "all accounts", db_user_list_opts, 0, 0, NULL, db_user_list},
    {"user role", "NAME ROLE", "what an account may do: user, analyst, service, admin", NULL, 2, 2, NULL, db_user_role},
    {"user disable", "NAME", "nobody can log in to it from now on", NULL, 1, 1, NULL, db_user_disable},
    {"user enable", "NAME", "they can again", NULL, 1, 1, NULL, db_user_enable},
    {"user passwd", "[options] NAME", "a new password", db_user_passwd_opts, 1, 1, NULL, db_user_passwd},
    {"user email", "[options] NAME", "a new e-mail address", db_user_email_opts, 1, 1, NULL, db_user_email},
    {"user tie", "NAME USER", "make an account that of a user of the data set", NULL, 2, 2, NULL, db_user_tie},
    {"user untie", "NAME", "undo that", NULL, 1, 1, NULL, db_user_untie},
    {"key create", "[options] NAME", "a new API key of an account", db_key_create_opts, 1, 1, NULL, db_key_create},
    {"key list", "[options]", "the API keys there are", db_key_list_opts, 0, 0, NULL, db_key_list},
    {"key revoke", "ID", "take an API key back", NULL, 1, 1, NULL, db_key_revoke},
    {"stats", "[options]", "how much there is of everything", db_stats_opts, 0, 0, NULL, db_stats},
    {"audit", "[options]", "who changed what, and when", db_audit_opts, 0, 0, NULL, db_audit_log},
    {"forget", "[options] [USER]", "erase a person", db_forget_opts, 0, 1, NULL, db_forget},
    {"rekey", "[options]", "a new key, and e-mail encrypted with it", db_rekey_opts, 0, 0, NULL, db_rekey},
    {0},
};

static const struct tool_about about = {
    .name = "rec-db",
    .summary = "keep ratings, movies, feedback and accounts in a database",
    .opts = opts,
    .commands = commands,
};

/* ---- the store ---- */

int64_t db_now(void)
{
    return (int64_t)time(NULL);
}

const char *db_name(void)
{
    static char name[512];
    struct rec_buf shown = {0};

    rec_opt_print(&shown, rec_opt_find(opts, "store"));
    snprintf(name, sizeof name, "%s", shown.data ? shown.data : "");
    rec_buf_clear(&shown);
    return name;
}

const char *db_file(void)
{
    if (!strncmp(store, "postgresql:", 11) || !strncmp(store, "postgres:", 9))
        return NULL;
    if (!strncmp(store, "sqlite://", 9))
        return store + 9;
    return strncmp(store, "sqlite:", 7) == 0 ? store + 7 : store;
}

const char *db_keys(void)
{
    static char beside[4096];
    const char *file = db_file(), *slash = file ? strrchr(file, '/') : NULL;

    if (keys)
        return keys;
    snprintf(beside, sizeof beside, "%.*srec.keys", slash ? (int)(slash - file) + 1 : 0, file ? file : "");
    return beside;
}

static const struct rec_sql_driver *const drivers[] = {&rec_sqlite_driver, &rec_postgres_driver, NULL};

int db_connect(struct rec_sql **db, bool create, struct rec_err *err)
{
    struct rec_sql_options options = {.drivers = drivers, .busy_timeout = patience, .longest_wait = patience, .create = create};

    return rec_sql_open(db, store, &options, err);
}

int db_open(struct rec_store *out, enum db_need need, struct rec_err *err)
{
    bool wanted = need == DB_KEYS || (need == DB_KEYS_IF_READABLE && access(db_keys(), R_OK) == 0);
    struct rec_sql_options options = {.drivers = drivers, .busy_timeout = patience, .longest_wait = patience};

    return rec_store_open(out, store, wanted ? db_keys() : NULL, &options, err);
}

/* ---- talking ---- */

static bool at_terminal(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

int db_confirm(const struct tool *tool, bool yes, const char *loses, const char *word)
{
    char line[1024] = "";

    if (yes)
        return TOOL_DONE;
    if (!at_terminal())
        return tool_usage(tool, "%s %s: a script has to say --yes", loses, word);
    fprintf(stderr, "%s: %s %s\nType %s to go on: ", tool->about->name, loses, word, word);
    if (fgets(line, sizeof line, stdin))
        line[strcspn(line, "\n")] = 0;
    if (!strcmp(line, word))
        return TOOL_DONE;
    fprintf(stderr, "%s: not confirmed, nothing was changed\n", tool->about->name);
    return TOOL_FAILED;
}

bool db_is_flag(const struct tool *tool, const char *option)
{
    return rec_opt_find(tool->opts, option)->origin == REC_ORIGIN_FLAG;
}

void db_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    tool_progress(context, what, done, total);
}

int main(int argc, char **argv)
{
    struct tool tool;

    tool_start(&tool, &about, argc, argv);
    if (!*store)
        return tool_usage(&tool, "--store: names no database");
    return tool_run(&tool);
}
