/* SPDX-License-Identifier: MIT
 *
 * backup: the database, model artifacts and configuration in one file that is of use to its owner alone.
 *
 *     tar         POSIX ustar members with pax headers, written and read as a stream
 *     archive     a tar, compressed (zstd), encrypted (crypto.h, stream): members with digests, a manifest as the last
 *     backup      what goes into one
 *     restore     and back: everything is checked before anything is touched
 *     retention   which of the archives in a directory are kept
 *
 * An archive is a line of text, `rec.backup/1 STORE-ID KEY-VERSION CREATED\n`, which is authenticated with every block behind it, then the
 * encrypted stream of a zstd-compressed tar: `database/TABLE.csv` for every table, `files/...` for artifacts and configuration,
 * and `manifest.json`: format, store id, schema version, tool version, when, and for each member its size, rows and
 * BLAKE2b-256. Tables are text, so that an archive of SQLite can be restored into PostgreSQL and the reverse. Keys are never in it.
 * `rec-db backup --print FILE | tar -tv` (rec-db(1)) is how a person looks into one.
 */
#ifndef REC_BACKUP_H
#define REC_BACKUP_H

#include <rec/store.h>

#define REC_BACKUP_SUFFIX ".recbackup"

struct rec_backup_report {
    char store[REC_STORE_ID + 1];
    uint32_t schema, key;
    int64_t created;
    uint64_t tables, rows, files, bytes, sealed;  /**< bytes: plain; sealed: of the archive */
};

struct rec_backup_options {
    const char *const *paths;       /**< files and directories to put in, NULL at the end; symbolic links as links within them only */
    int64_t now;
    const char *version;            /**< of the program */
    void (*progress)(void *context, const char *what, uint64_t done, uint64_t total);
    void *context;
};

/** One snapshot of the database, while others go on using it, and the files, to `out`. A file that changes while it is read is an error; a
 *  keyring is never put in: a file that holds one is left out, and counted in `skipped` (may be NULL). */
int rec_backup_write(struct rec_store *store, const struct rec_backup_options *options, struct rec_out *out, size_t *skipped,
                     struct rec_backup_report *report, struct rec_err *err);

/** Reads it all: every block, every digest, the manifest. Says "NAME: damaged at byte 12345", "NAME: sealed with key 2, which is not in the
 *  keyring", "NAME: no backup of rec". */
int rec_backup_verify(const char *path, const struct rec_keyring *keys, struct rec_backup_report *report, struct rec_err *err);

/** The tar inside, as it is, for tar(1). */
int rec_backup_print(const char *path, const struct rec_keyring *keys, struct rec_out *out, struct rec_err *err);

struct rec_restore_options {
    const char *files;              /**< the directory that artifacts and configuration are put under, each complete or not at all; NULL: none */
    bool overwrite;                 /**< the store has a schema or rows: replace them */
    bool foreign;                   /**< take an archive of another store */
    int64_t now;
    void (*progress)(void *context, const char *what, uint64_t done, uint64_t total);
    void *context;
};
/** rec_backup_verify first; then, in one transaction, the schema the archive had, its rows, the migrations since. People who were forgotten
 *  in the store since stay forgotten. @param db  may be without any schema. */
int rec_restore(struct rec_sql *db, const char *path, const struct rec_keyring *keys, const struct rec_restore_options *options,
                struct rec_backup_report *report, struct rec_err *err);

/** "daily=7,weekly=4,monthly=12,yearly=2,last=3": of each day, ISO week, month, year (UTC) that has one, the newest is kept, for so many of
 *  them; at least one archive is kept. */
struct rec_retention {
    unsigned last, daily, weekly, monthly, yearly;
};
int rec_retention_parse(struct rec_retention *out, const char *text, struct rec_err *err);
/** keep[i] for archives made at created[i], in any order. */
void rec_retention_choose(bool *keep, const int64_t *created, size_t n, const struct rec_retention *retention);
/** When an archive made at `created` goes at the latest, if backups are made daily from now on. */
int64_t rec_retention_until(int64_t created, const struct rec_retention *retention);
/** Deletes those in `directory` of this store that are not kept; calls `each` for every archive of it, newest first. */
int rec_retention_apply(const char *directory, const char *store_id, const struct rec_retention *retention, bool dry,
                        void (*each)(void *context, const char *name, int64_t created, bool kept), void *context, struct rec_err *err);

#endif
