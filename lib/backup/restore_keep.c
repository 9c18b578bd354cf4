/* SPDX-License-Identifier: MIT
 *
 * What outlives a store that is replaced by an archive: the ledger of people who were forgotten, so that the archive does not bring them
 * back; the list of archives, which the restored one knows up to its own making only; and the lines of the audit log since then, which nobody
 * may lose by restoring.
 */
#include "backup_priv.h"

/* ---- from the live store ---- */

static int add_version(struct rec_restore_keep *k, int64_t version, struct rec_err *err)
{
    for (size_t i = 0; i < k->n_versions; i++)
        if (k->version[i] == version)
            return 0;
    if (k->n_versions == REC_KEYRING_MAX || version < 1 || version > UINT32_MAX)
        return rec_err_set(err, "forgotten: hashes of more versions of the keyring than there can be");
    k->version[k->n_versions++] = (uint32_t)version;
    return 0;
}

static int add_hash(struct rec_restore_keep *k, const struct rec_sql_value *row, struct rec_err *err)
{
    uint32_t n = k->ledger.n;

    if (row[0].type != REC_SQL_BLOB || row[0].len != REC_HASH_BYTES)
        return rec_err_set(err, "forgotten: a hash is not of %d bytes", REC_HASH_BYTES);
    /* The arrays grow with powers of two. */
    if ((n & (n - 1)) == 0 && (rec_realloc(&k->key_version, n ? 2 * (size_t)n : 1, sizeof *k->key_version, "forgotten", err) < 0 ||
                               rec_realloc(&k->time, n ? 2 * (size_t)n : 1, sizeof *k->time, "forgotten", err) < 0))
        return -1;
    k->key_version[n] = row[1].integer;
    k->time[n] = row[2].integer;
    if (rec_hashmap_intern(&k->ledger, row[0].blob, REC_HASH_BYTES) == REC_HASHMAP_NONE)
        return rec_err_memory(err, "forgotten");
    return add_version(k, row[1].integer, err);
}

static int read_ledger(struct rec_restore_keep *k, struct rec_sql *db, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, db, "SELECT hash, key_version, time FROM forgotten", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0)
        if (add_hash(k, rows.value, err) < 0) {
            status = -1;
            break;
        }
    rec_sql_done(&rows);
    return status;
}

static int read_archives(struct rec_restore_keep *k, struct rec_sql *db, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, db, "SELECT name, created, expires FROM backups ORDER BY id", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0) {
        rec_buf_add(&k->archives, rows.value[0].text, strlen(rows.value[0].text) + 1);
        rec_buf_add(&k->archives, &rows.value[1].integer, sizeof(int64_t));
        rec_buf_add(&k->archives, &rows.value[2].integer, sizeof(int64_t));
    }
    rec_sql_done(&rows);
    return status == 0 && k->archives.failed ? rec_err_memory(err, "backups") : status;
}

/* id and time, then the five texts, each ended by NUL. */
static int read_audit(struct rec_restore_keep *k, struct rec_sql *db, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, db, "SELECT id, time, actor, action, object, detail, request FROM audit_log ORDER BY id", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0) {
        rec_buf_add(&k->audit, &rows.value[0].integer, sizeof(int64_t));
        rec_buf_add(&k->audit, &rows.value[1].integer, sizeof(int64_t));
        for (size_t i = 2; i < 7; i++)
            rec_buf_add(&k->audit, rows.value[i].text, strlen(rows.value[i].text) + 1);
    }
    rec_sql_done(&rows);
    return status == 0 && k->audit.failed ? rec_err_memory(err, "audit log") : status;
}

int rec_restore_keep_read(struct rec_restore_keep *k, struct rec_sql *db, struct rec_err *err)
{
    if (read_ledger(k, db, err) < 0 || read_archives(k, db, err) < 0)
        return -1;
    return read_audit(k, db, err);
}

void rec_restore_keep_clear(struct rec_restore_keep *k)
{
    rec_hashmap_clear(&k->ledger);
    free(k->key_version);
    free(k->time);
    rec_buf_clear(&k->archives);
    rec_buf_clear(&k->audit);
    *k = (struct rec_restore_keep){0};
}

/* ---- into the restored one ---- */

static int write_ledger(const struct rec_restore_keep *k, struct rec_sql *db, struct rec_err *err)
{
    static const char insert[] = "INSERT INTO forgotten (hash, key_version, time) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING";

    for (uint32_t i = 0; i < k->ledger.n; i++)
        if (rec_sql_exec(db, NULL, insert, REC_SQL(rec_sql_blob(k->ledger.bytes + k->ledger.offset[i], REC_HASH_BYTES),
                                                   rec_sql_int(k->key_version[i]), rec_sql_int(k->time[i])), err) < 0)
            return -1;
    return 0;
}

static int write_archive(struct rec_sql *db, const char *name, int64_t created, int64_t expires, struct rec_err *err)
{
    int64_t n;

    if (rec_sql_get_int(&n, db, "SELECT count(*) FROM backups WHERE name = $1 AND created = $2", REC_SQL(rec_sql_text(name), rec_sql_int(created)),
                        err) < 0)
        return -1;
    if (n > 0)
        return 0;
    return rec_sql_exec(db, NULL, "INSERT INTO backups (name, created, expires) VALUES ($1, $2, $3)",
                        REC_SQL(rec_sql_text(name), rec_sql_int(created), rec_sql_int(expires)), err);
}

/* The lines that came after the last one that the archive has. They get new numbers, in the same order. */
static int write_audit(const struct rec_restore_keep *k, struct rec_sql *db, struct rec_err *err)
{
    static const char insert[] = "INSERT INTO audit_log (time, actor, action, object, detail, request) VALUES ($1, $2, $3, $4, $5, $6)";
    int64_t last = 0, id, time;

    if (rec_sql_get_int(&last, db, "SELECT max(id) FROM audit_log", REC_SQL_NONE, err) < 0)
        return -1;
    for (size_t at = 0; at < k->audit.len;) {
        const char *text[5];

        memcpy(&id, k->audit.data + at, sizeof id);
        memcpy(&time, k->audit.data + at + sizeof id, sizeof time);
        at += sizeof id + sizeof time;
        for (size_t i = 0; i < REC_LENGTH(text); i++) {
            text[i] = k->audit.data + at;
            at += strlen(text[i]) + 1;
        }
        if (id > last && rec_sql_exec(db, NULL, insert, REC_SQL(rec_sql_int(time), rec_sql_text(text[0]), rec_sql_text(text[1]),
                                      rec_sql_text(text[2]), rec_sql_text(text[3]), rec_sql_text(text[4])), err) < 0)
            return -1;
    }
    return 0;
}

int rec_restore_keep_archive(struct rec_sql *db, const char *path, int64_t created, struct rec_err *err)
{
    char *whole = realpath(path, NULL);
    int status = whole ? write_archive(db, whole, created, 0, err) : 0;

    free(whole);
    return status;
}

int rec_restore_keep_write(const struct rec_restore_keep *k, struct rec_sql *db, bool same, struct rec_err *err)
{
    if (write_ledger(k, db, err) < 0)
        return -1;
    if (same && (rec_sql_exec(db, NULL, "DELETE FROM backups", REC_SQL_NONE, err) < 0 || write_audit(k, db, err) < 0))
        return -1;
    for (size_t at = 0; at < k->archives.len;) {
        const char *name = k->archives.data + at, *times = name + strlen(name) + 1;
        int64_t created, expires;
        memcpy(&created, times, sizeof created);
        memcpy(&expires, times + sizeof created, sizeof expires);
        at += strlen(name) + 1 + sizeof created + sizeof expires;
        if (write_archive(db, name, created, expires, err) < 0)
            return -1;
    }
    return 0;
}

int rec_restore_keep_was(const struct rec_restore_keep *k, const struct rec_store *store, const char *user, size_t len, struct rec_err *err)
{
    unsigned char hash[REC_HASH_BYTES];

    for (size_t i = 0; i < k->n_versions; i++) {
        if (rec_store_lookup(hash, store, k->version[i], "user", user, len, err) < 0)
            return -1;
        if (rec_hashmap_find(&k->ledger, (const char *)hash, sizeof hash) != REC_HASHMAP_NONE)
            return 1;
    }
    return 0;
}
