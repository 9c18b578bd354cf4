/* SPDX-License-Identifier: MIT
 *
 * What the parts of rec-db share: opening the store, asking before something is lost, secrets that are typed or piped in.
 *
 *     rec-db.c            the commands, and the functions below
 *     rec-db_secret.c     passwords and e-mail: from a terminal, a pipe, or drawn
 *     rec-db_schema.c     init, migrate, status, rollback
 *     rec-db_data.c       load, export, stats
 *     rec-db_backup.c     backup, restore, verify
 *     rec-db_account.c    user
 *     rec-db_key.c        key, rekey
 *     rec-db_forget.c     forget
 *     rec-db_audit.c      audit; changes that leave a line in the log
 */
#ifndef REC_DB_H
#define REC_DB_H

#include "tool.h"

#include <rec/backup.h>

/* ---- the store ---- */

int64_t db_now(void);
/** The store's URL as messages and questions call it: without a password. */
const char *db_name(void);
/** The path of the SQLite file that --store names, or NULL: PostgreSQL. */
const char *db_file(void);
/** --keys, or rec.keys beside an SQLite file, or rec.keys here. */
const char *db_keys(void);
/** The database alone, with whatever schema. */
int db_connect(struct rec_sql **db, bool create, struct rec_err *err);

enum db_need { DB_NO_KEYS, DB_KEYS_IF_READABLE, DB_KEYS };
/** The database at this program's schema, and the keyring as far as the command needs it. */
int db_open(struct rec_store *store, enum db_need need, struct rec_err *err);
/** Who runs this, as the audit log calls them: "rec-db:LOGIN". */
const char *db_actor(void);
/** A line in the audit log, by the one who runs this. */
int db_audit(struct rec_store *store, const char *action, const char *object, const char *detail, struct rec_err *err);
/** A change and its line in the audit log, in one transaction. `work` says what it did, and to what; it returns 1, 0: there was nothing to change,
 *  and no line is written, or -1. */
struct db_change {
    int (*work)(struct db_change *change, struct rec_store *store, struct rec_err *err);
    void *context;
    const char *action, *object, *detail;
};
int db_change(struct db_change *change, struct rec_store *store, struct rec_err *err);

/** Before something is lost: TOOL_DONE when `yes`, or when `word` was typed at the terminal. In a script without --yes: TOOL_USAGE. */
int db_confirm(const struct tool *tool, bool yes, const char *loses, const char *word);
/** Whether an option of the command is on the command line: what rec.yaml says gives way to it, and is no contradiction. */
bool db_is_flag(const struct tool *tool, const char *option);
/** For rec_load_options and its like: context is the tool. */
void db_progress(void *context, const char *what, uint64_t done, uint64_t total);

/** What the store's list of backups calls one that went down a pipe: nobody but its owner knows where to. */
#define DB_STANDARD_OUTPUT "standard output"
#define DB_YES(var, what) {0, "yes", NULL, REC_OPT_FLAG, (var), .flags = REC_OPT_NO_CONFIG, .help = what}

/* ---- secrets ---- */

/** One that is wiped when it is not needed any more. */
struct db_secret {
    char text[REC_PASSWORD_LONGEST + 2];
    size_t len;
    bool given;
};
/** A line of standard input. @param what  "password", for messages. */
int db_secret_line(struct db_secret *out, const char *what, struct rec_err *err);
/** Asked for twice at the terminal, without echo. */
int db_secret_ask(struct db_secret *out, const struct tool *tool, const char *what, struct rec_err *err);
void db_secret_draw(struct db_secret *out);
void db_secret_wipe(struct db_secret *secret);

/* ---- the commands and their options ---- */

#define DB_COMMANDS(X) X(init) X(migrate) X(status) X(rollback) X(load_ratings) X(load_movies) X(export_ratings) X(export_movies) \
    X(export_feedback) X(backup) X(restore) X(verify) X(user_add) X(user_list) X(user_role) X(user_disable) X(user_enable) X(user_passwd) \
    X(user_email) X(user_tie) X(user_untie) X(key_create) X(key_list) X(key_revoke) X(stats) X(audit_log) X(forget) X(rekey)
#define DB_DECLARE(command) int db_##command(struct tool *tool, struct rec_err *err);
DB_COMMANDS(DB_DECLARE)

extern struct rec_opt db_init_opts[], db_migrate_opts[], db_status_opts[], db_rollback_opts[], db_load_ratings_opts[], db_load_movies_opts[],
    db_export_opts[], db_export_movies_opts[], db_backup_opts[], db_restore_opts[], db_user_add_opts[], db_user_list_opts[],
    db_user_passwd_opts[], db_user_email_opts[], db_key_create_opts[], db_key_list_opts[], db_stats_opts[], db_audit_opts[], db_forget_opts[], db_rekey_opts[];

#endif
