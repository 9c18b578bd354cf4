/* SPDX-License-Identifier: MIT
 *
 * What the files of this room share.
 */
#ifndef REC_BACKUP_PRIV_H
#define REC_BACKUP_PRIV_H

#include <rec/backup.h>

#define BACKUP_DATABASE "database/"
#define BACKUP_FILES "files/"
#define BACKUP_MANIFEST "manifest.json"
enum { BACKUP_BLOCK = 256 * 1024, BACKUP_PART_LONGEST = 64 << 20 };

/** What the manifest says, once it was read; files are counted by the caller. */
void rec_backup_report(struct rec_backup_report *report, const struct rec_archive_reader *r);
/** Whether a link with that target, `depth` directories below the top, leads to somewhere below the top: relative, and up by no more
 *  than its depth, at the beginning only (further on a component might be a link itself). */
bool rec_collect_link_stays(const char *target, size_t depth);

/* ---- restoring ------------------------------------------------------------------------------------ */

/** What the live store knows that must outlive it: who was forgotten, which archives were made, who did what. */
struct rec_restore_keep {
    struct rec_hashmap ledger;      /**< keyed hashes, REC_HASH_BYTES each */
    int64_t *key_version, *time;    /**< [ledger.n] */
    uint32_t version[REC_KEYRING_MAX];
    size_t n_versions;
    struct rec_buf archives;        /**< name NUL created expires, as int64_t */
    struct rec_buf audit;           /**< id time, as int64_t; five texts, NUL after each */
};
/** From a database that has a schema. */
int rec_restore_keep_read(struct rec_restore_keep *k, struct rec_sql *db, struct rec_err *err);
/** Into one whose rows have been restored: the ledger beside theirs, the archives too, or instead of theirs when it is the same store
 *  (`same`), which knows better by now which of them there still are; of the same store the audit log's later lines, too. */
int rec_restore_keep_write(const struct rec_restore_keep *k, struct rec_sql *db, bool same, struct rec_err *err);
/** The archive itself, unless it is in the list: nobody can have recorded it in the store that it holds. */
int rec_restore_keep_archive(struct rec_sql *db, const char *path, int64_t created, struct rec_err *err);
/** Whether a user of that id was forgotten: 1, 0, -1. */
int rec_restore_keep_was(const struct rec_restore_keep *k, const struct rec_store *store, const char *user, size_t len, struct rec_err *err);
void rec_restore_keep_clear(struct rec_restore_keep *k);

/** The tables of an archive, into a schema without rows. Zero but for the first six to begin. */
struct rec_restore_rows {
    struct rec_sql *db;
    const struct rec_keyring *keys;
    struct rec_archive_reader *archive;
    const struct rec_manifest *manifest;      /**< as a first reading found it */
    const struct rec_restore_keep *keep;
    const struct rec_restore_options *options;
    uint64_t left_out;              /**< people who were forgotten since */
    struct rec_tar_member member;   /**< where the archive stands, */
    int more;                       /**< if it is not at its end (0) */
    struct rec_copy_schema schema;  /**< private, as below */
    const struct rec_copy_table *table;
    struct rec_table_reader reader;
    struct rec_buf text;
    unsigned part;
    size_t place;
    uint64_t rows, part_rows;
    ptrdiff_t id, name, user_id, account_id;
    struct rec_hashmap users;       /**< rows of those left out */
    bool open;
};
/** Reads members up to the first that is no table. @param others  the tables that were there before the schema was. */
int rec_restore_rows(struct rec_restore_rows *l, const struct rec_copy_schema *others, struct rec_err *err);
void rec_restore_rows_clear(struct rec_restore_rows *l);

/** Files of an archive, first under temporary names. Zero to begin. */
struct rec_restore_staged;
struct rec_restore_files {
    const char *directory;
    int root;
    size_t n, cap;
    struct rec_restore_staged *item;
    unsigned char *block;
};
int rec_restore_files_open(struct rec_restore_files *f, const char *directory, struct rec_err *err);
int rec_restore_files_add(struct rec_restore_files *f, struct rec_archive_reader *archive, const struct rec_tar_member *member,
                          struct rec_err *err);
/** All of them into their places. */
int rec_restore_files_place(struct rec_restore_files *f, struct rec_err *err);
/** Removes what is not in its place yet, and frees. */
void rec_restore_files_close(struct rec_restore_files *f);

#endif
