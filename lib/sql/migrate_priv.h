/* SPDX-License-Identifier: MIT
 *
 * The text of a migration as its statements, and what these do to the schema.
 */
#ifndef REC_MIGRATE_PRIV_H
#define REC_MIGRATE_PRIV_H

#include <rec/sql.h>

struct rec_migrate_text {
    const char *at;               /**< what was not read yet */
    size_t line;                  /**< of `at`, from 1 */
    bool postgres;                /**< nested comments, dollar quotes and E'' are PostgreSQL's; [name] is SQLite's */
};
struct rec_migrate_statement {
    const char *text;
    size_t len;                   /**< up to its semicolon */
    size_t line;                  /**< where it begins */
};

/** The next statement: 1, 0 at the end. */
int rec_migrate_text_next(struct rec_migrate_statement *out, struct rec_migrate_text *text);

/** Refuses what must not stand in a migration, with the file's name and the line: statements that begin or end a transaction, names that
 *  are not plain. Adds to `effects` a line for each thing that is created or dropped: "+table users", "-function rec_append_only". */
int rec_migrate_text_check(struct rec_buf *effects, const char *text, const char *file, bool postgres, struct rec_err *err);

/** rec_migrate_drop, where there is a schema_migrations of ours. */
int rec_migrate_drop_all(struct rec_sql *db, struct rec_err *err);

#endif
