/* SPDX-License-Identifier: MIT
 *
 * backup: the database, model artifacts and configuration in one file that is of use to its owner alone.
 *
 *     tar           POSIX ustar members with pax headers, written and read as a stream
 *     table         rows of a table as CSV that tells NULL from the empty text
 *     manifest      what is in an archive, and the digest of each member
 *     archive       a tar, compressed (zstd), encrypted (crypto.h, stream): members with digests, a manifest as the last; archive_read
 *     collect       files and directories into an archive
 *     backup        what goes into one; backup_list: which were made
 *     restore       and back: everything is checked before anything is touched; restore_rows, restore_files, restore_keep: its parts
 *     retention     which of the archives in a directory are kept
 *
 *     struct rec_out out;
 *     const char *const paths[] = {"/srv/rec/models", "/etc/rec/rec.yaml", NULL};
 *     struct rec_backup_options options = {.paths = paths, .now = now, .version = "0.1.0"};
 *     if (rec_out_open(&out, "/backup/2026-11-23" REC_BACKUP_SUFFIX, true, &err) < 0 ||
 *         rec_backup_write(&store, &options, &out, NULL, &report, &err) < 0 || rec_out_commit(&out, &err) < 0 ||
 *         rec_backup_list_add(&store, "/backup/2026-11-23" REC_BACKUP_SUFFIX, report.created, 0, &err) < 0) ...
 *     if (rec_backup_verify("/backup/2026-11-23" REC_BACKUP_SUFFIX, &keys, &report, &err) < 0) ...
 *
 * An archive is a line of text, `rec.backup/1 STORE-ID KEY-VERSION CREATED\n` (CREATED as 2026-11-23T21:00:00Z), which is authenticated
 * with every block behind it, then the encrypted stream of a zstd-compressed tar:
 *
 *     database/TABLE.0001.csv ...   every table, parents before the tables that refer to them, in parts of at most 2 MiB, so that neither
 *                                   side needs a temporary file or memory for a whole table; each part begins with the names of the columns
 *     files/PATH                    artifacts and configuration, under the path that was given, its leading '/' taken off
 *     manifest.json                 format, store, schema, program, when; for each member its size, rows and BLAKE2b-256; what was left out
 *
 * Tables are text, so that an archive of SQLite can be restored into PostgreSQL and the reverse. Keys are never in it.
 * `rec-db backup --print FILE | tar -tv` (rec-db(1)) is how a person looks into one.
 */
#ifndef REC_BACKUP_H
#define REC_BACKUP_H

#include <rec/store.h>

#define REC_BACKUP_SUFFIX ".recbackup"
#define REC_BACKUP_PART (2 << 20)       /**< bytes of a table's part, at most, unless one row is larger */

/** Where bytes go to, and come from (*got < len only at the end); those of the streams of crypto.h and format.h. */
typedef int rec_backup_sink(void *context, const void *bytes, size_t len, struct rec_err *err);
typedef int rec_backup_source(void *context, void *bytes, size_t len, size_t *got, struct rec_err *err);

/* ---- tar: POSIX ustar members with pax headers ----------------------------------------------------
 *
 * IEEE Std 1003.1-2017, pax. Names and links above 100 bytes, sizes from 8 GiB and odd times are in pax headers; nothing else is. The reader
 * takes files, directories and symbolic links alone, and names only that cannot lead elsewhere: relative, without empty
 * components, "." and "..". Owners are not recorded.
 */
enum rec_tar_type { REC_TAR_FILE = '0', REC_TAR_LINK = '2', REC_TAR_DIRECTORY = '5' };
#define REC_TAR_NAME_LONGEST 4095

struct rec_tar_member {
    enum rec_tar_type type;
    const char *name;               /**< "files/a/b"; of a reader: until its next member */
    const char *link;               /**< where a link leads, or "" */
    unsigned mode;                  /**< permissions, 0777 */
    uint64_t size;                  /**< bytes that follow; 0 unless a file */
    int64_t mtime;
};

/** Zero but for sink and context to begin. */
struct rec_tar_writer {
    rec_backup_sink *sink;
    void *context;
    uint64_t written;               /**< bytes of the tar */
    uint64_t left;                  /**< private: of the member */
    unsigned padding;
};
int rec_tar_add(struct rec_tar_writer *w, const struct rec_tar_member *member, struct rec_err *err);
/** Bytes of the member that was added; together exactly its size, or the next call fails. */
int rec_tar_write(struct rec_tar_writer *w, const void *bytes, size_t len, struct rec_err *err) REC_RESULT_USED;
int rec_tar_end(struct rec_tar_writer *w, struct rec_err *err) REC_RESULT_USED;

/** Zero but for source, context and name to begin. */
struct rec_tar_reader {
    rec_backup_source *source;
    void *context;
    const char *name;               /**< for messages; borrowed */
    uint64_t offset;                /**< bytes of the tar that were read */
    uint64_t left;                  /**< private, as below */
    unsigned padding;
    struct rec_buf path, link, pax;
};
/** 1: the next member; 0: the end, behind which there is nothing; -1. Passes over what was not read of the one before. */
int rec_tar_next(struct rec_tar_reader *r, struct rec_tar_member *member, struct rec_err *err);
/** Bytes of the member; *got < len only at its end. */
int rec_tar_read(struct rec_tar_reader *r, void *bytes, size_t len, size_t *got, struct rec_err *err) REC_RESULT_USED;
void rec_tar_close(struct rec_tar_reader *r);

/* ---- table: rows as CSV ---------------------------------------------------------------------------
 *
 * RFC 4180 with LF, and a rule for what it leaves open: NULL is an empty field without quotes, the empty text is "". Numbers are plain, in the
 * shortest form that reads back as the same; bytes are lower-case hexadecimal ("" when there are none). A text is quoted when it is empty
 * or holds a comma, a quote or a line break. The first line names the columns, in any order.
 */
void rec_table_header(struct rec_buf *out, const struct rec_copy_table *table);
/** Adds a row. Fails for a value that is not of its column's type, and a number that is not finite. */
int rec_table_add(struct rec_buf *out, const struct rec_copy_table *table, const struct rec_sql_value *row, struct rec_err *err);

struct rec_table_reader {
    const char *name;               /**< for messages; borrowed, as is the text */
    const struct rec_copy_table *table;
    size_t line;                    /**< of the row that was read last */
    char *at, *end;                 /**< private, as below */
    size_t *column;
    struct rec_sql_value *row;
};
/** @param text  CSV that is overwritten while it is read: fields are unquoted in place. */
int rec_table_open(struct rec_table_reader *r, const char *name, const struct rec_copy_table *table, char *text, size_t len,
                   struct rec_err *err);
/** 1: r->row, [table->n] in the order of the table, until the next call; 0: no more; -1. */
int rec_table_next(struct rec_table_reader *r, struct rec_err *err);
void rec_table_close(struct rec_table_reader *r);

/* ---- manifest: what is in an archive -------------------------------------------------------------- */

struct rec_manifest_member {
    char *name;
    uint64_t bytes, rows;
    unsigned char digest[REC_HASH_BYTES];
};
struct rec_manifest {
    char store[REC_STORE_ID + 1];
    char dialect[16], program[32];
    uint32_t schema;
    int64_t created;
    size_t n, cap;
    struct rec_manifest_member *member;
    struct rec_buf skipped;         /**< of files left out: name NUL why NUL */
};
/** Adds a member with that name, all else zero. NULL when out of memory. */
struct rec_manifest_member *rec_manifest_add(struct rec_manifest *m, const char *name);
void rec_manifest_print(struct rec_buf *out, const struct rec_manifest *m);
/** Its members come without those of `m` before: begin with a zeroed one. @param name  of the archive, for messages. */
int rec_manifest_parse(struct rec_manifest *m, const char *name, const char *text, size_t len, struct rec_err *err);
/** 0 when the members are the same, in order, but for `rows`, which only `said` knows. */
int rec_manifest_compare(const struct rec_manifest *said, const struct rec_manifest *found, const char *name, struct rec_err *err);
void rec_manifest_clear(struct rec_manifest *m);

/* ---- archive: a tar, compressed and encrypted ----------------------------------------------------- */

struct rec_archive_head {
    char store[REC_STORE_ID + 1];
    uint32_t key;
    int64_t created;
    char line[96];                  /**< as it stands, with its line break */
    size_t len;
};
/** Makes `line` of the rest. */
void rec_archive_print(struct rec_archive_head *head);
/** Reads the first line; len may be more than it. Fails with "NAME: no backup of rec" or "NAME: made by a newer rec". */
int rec_archive_parse(struct rec_archive_head *head, const char *name, const char *text, size_t len, struct rec_err *err);

struct rec_archive_writer {
    struct rec_out *out;
    struct rec_archive_head head;
    struct rec_manifest manifest;   /**< filled as members are added; schema, dialect and program by the caller */
    struct rec_stream_writer stream; /**< private, as below */
    struct rec_zstd_writer zstd;
    struct rec_tar_writer tar;
    struct rec_hash hash;
    struct rec_hashmap names;
    bool streaming;
};
/** @param head  store, key version and time.  Writes the first line. The writer must stay where it is until rec_archive_abort. */
int rec_archive_begin(struct rec_archive_writer *w, struct rec_out *out, const struct rec_archive_head *head, const struct rec_keyring *keys,
                      struct rec_err *err);
/** A name that is there already is an error. @param rows  for the manifest. */
int rec_archive_add(struct rec_archive_writer *w, const struct rec_tar_member *member, uint64_t rows, struct rec_err *err);
int rec_archive_write(struct rec_archive_writer *w, const void *bytes, size_t len, struct rec_err *err) REC_RESULT_USED;
/** Records a file that is left out, and why. */
void rec_archive_skip(struct rec_archive_writer *w, const char *name, const char *why);
/** Writes the manifest and the ends of all streams. */
int rec_archive_end(struct rec_archive_writer *w, struct rec_err *err);
/** Frees. Safe after rec_archive_end and on a zeroed one. */
void rec_archive_abort(struct rec_archive_writer *w);

struct rec_archive_reader {
    const char *name;
    int fd;
    struct rec_archive_head head;
    struct rec_manifest manifest;   /**< what it says, once rec_archive_next has returned 0 */
    uint64_t bytes, sealed;         /**< of the tar, of the file, so far */
    struct rec_manifest found;      /**< private, as below */
    struct rec_stream_reader stream;
    struct rec_zstd_reader zstd;
    struct rec_tar_reader tar;
    struct rec_hash hash;
    struct rec_hashmap names;
};
/** @param path  "-" is standard input. The reader must stay where it is until rec_archive_close. */
int rec_archive_open(struct rec_archive_reader *r, const char *path, const struct rec_keyring *keys, struct rec_err *err);
/** 1: the next member; 0: that was all, and digests, sizes and order are those of the manifest; -1. */
int rec_archive_next(struct rec_archive_reader *r, struct rec_tar_member *member, struct rec_err *err);
/** Bytes of the member; *got < len only at its end. They are what was written (each block is authenticated); that they are all of it is known at the end. */
int rec_archive_read(struct rec_archive_reader *r, void *bytes, size_t len, size_t *got, struct rec_err *err) REC_RESULT_USED;
/** Bytes of the tar as it is, instead of members. */
int rec_archive_raw(struct rec_archive_reader *r, void *bytes, size_t len, size_t *got, struct rec_err *err) REC_RESULT_USED;
void rec_archive_close(struct rec_archive_reader *r);

/* ---- collect: files and directories into an archive -----------------------------------------------
 *
 * Directories are walked in the byte order of names; mode and time of change are kept. Left out and recorded: keyrings (told by a line of one in the
 * first MiB), archives of ours, temporary files of ours, the files of the database itself, sockets, fifos and devices, and symbolic links out of the directory that was
 * named. A file that changes while it is read is an error, as is a name that is no UTF-8.
 */
struct rec_collect {
    struct rec_archive_writer *archive;
    const char *database;           /**< path of an SQLite file, or NULL */
    uint64_t files, keyrings;       /**< counted */
};
/** A file, or a directory with all that is in it. A path that is a link itself is followed. */
int rec_collect(struct rec_collect *c, const char *path, struct rec_err *err);

/* ---- backup: what goes into one ------------------------------------------------------------------- */

struct rec_backup_report {
    char store[REC_STORE_ID + 1];
    uint32_t schema, key;
    int64_t created;
    uint64_t tables, rows, files, bytes, sealed;  /**< bytes: plain; sealed: of the archive */
    uint64_t forgotten;             /**< of a restore: people who were left out, as they were forgotten since */
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

/** Archives that were made, so that rec-db forget can say which still hold traces, and until when. The program that made one records it once
 *  the file is in its place. @param name  an absolute path.  @param expires  rec_retention_until, or 0: not known. */
int rec_backup_list_add(struct rec_store *store, const char *name, int64_t created, int64_t expires, struct rec_err *err);
/** It was deleted. */
int rec_backup_list_drop(struct rec_store *store, const char *name, struct rec_err *err);
/** Calls `each` for all of them, the newest first; a non-zero return ends it. */
int rec_backup_list(struct rec_store *store, int (*each)(void *context, const char *name, int64_t created, int64_t expires), void *context,
                    struct rec_err *err);

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
/** rec_backup_verify first; then, in one transaction, the schema the archive had and its rows; then files are renamed into place and later
 *  migrations applied. The archive is read twice, so it must be a regular file, and is checked as strictly the second time.
 *
 *  Refused before anything is touched: an archive that is damaged, of another key, of a newer program or schema; of another store than the one
 *  that is there (unless `foreign`); a store that is there (unless `overwrite`). The store becomes the archive's: its id too. From
 *  the store that was there stay the list of archives, to which this one is added, and who was forgotten: these people's rows are left out
 *  (`report->forgotten`). Of the same store the lines stay that the audit log got since the archive was made.
 *
 *  A crash or failure before the transaction commits leaves the old database and the old files (and `.NAME.rec-tmp`, which the next restore takes
 *  over). After it, the database is the new one and remembers in `meta` that this archive is being restored, until files and migrations are
 *  done: the same call then finishes, also without `overwrite`.
 *  Files are put at DIRECTORY/PATH of the archive's files/PATH: never through a symbolic link, never outside. @param db  may be without any schema. */
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
