/* SPDX-License-Identifier: MIT
 *
 * Opening a store, and writing to it: what the rest of the room stands on.
 */
#include <rec/store.h>

#include <errno.h>

/* ---- opening ------------------------------------------------------------------------------------- */

static int check_schema(struct rec_sql *db, struct rec_err *err)
{
    struct rec_migrate_set set;
    if (rec_migrate_builtin(&set, rec_sql_dialect(db), err) < 0)
        return -1;
    int status = rec_migrate_check(db, &set, err);
    rec_migrate_clear(&set);
    return status;
}

int rec_store_open(struct rec_store *store, const char *url, const char *keys, const struct rec_sql_options *options, struct rec_err *err)
{
    *store = (struct rec_store){0};
    if (rec_sql_open(&store->db, url, options, err) < 0)
        return -1;
    store->owns = true;
    if (check_schema(store->db, err) < 0)
        goto failed;
    if (keys != NULL && rec_keyring_read(&store->ring, keys, err) < 0)
        goto failed;
    store->keys = keys != NULL ? &store->ring : NULL;
    return 0;
failed:;
    enum rec_sql_fault fault = rec_sql_fault(store->db);
    rec_store_close(store);
    /* For rec_sql_open_fault: the connection that knew is gone. */
    return rec_sql_refuse(NULL, fault != REC_SQL_FINE ? fault : REC_SQL_OTHER, NULL, "%s", "");
}

void rec_store_wrap(struct rec_store *store, struct rec_sql *db, const struct rec_keyring *keys)
{
    *store = (struct rec_store){.db = db, .keys = keys};
}

void rec_store_close(struct rec_store *store)
{
    if (store->owns)
        rec_sql_close(store->db);
    rec_keyring_clear(&store->ring);
    *store = (struct rec_store){0};
}

int rec_store_id(char out[REC_STORE_ID + 1], struct rec_store *store, struct rec_err *err)
{
    struct rec_sql_rows rows;
    out[0] = 0;
    if (rec_sql_query(&rows, store->db, "SELECT value FROM meta WHERE name = 'store_id'", REC_SQL_NONE, err) < 0)
        return -1;
    int status = rec_sql_next(&rows, err);
    if (status > 0 && rows.value[0].type == REC_SQL_TEXT && rows.value[0].len == REC_STORE_ID) {
        memcpy(out, rows.value[0].text, REC_STORE_ID);
        out[REC_STORE_ID] = 0;
    }
    rec_sql_done(&rows);
    if (status >= 0 && out[0] == 0)
        return rec_sql_refuse(store->db, REC_SQL_CORRUPT, err, "%s: the store has lost its id (meta, store_id): restore it from a backup",
                              rec_sql_name(store->db));
    return status < 0 ? -1 : 0;
}

/* ---- writing ------------------------------------------------------------------------------------- */

enum { TRIES = 5 };

/* Two that were in each other's way should not meet again: 1 ms at first, then longer, with a random part. */
static void pause_before(unsigned attempt)
{
    unsigned char random;
    rec_secret_random(&random, 1);
    long nanoseconds = (1000000L << attempt) / 256 * (128 + random);
    struct timespec left = {0, nanoseconds};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

static int attempt(struct rec_store *store, int (*work)(struct rec_store *store, void *context, struct rec_err *err), void *context,
                   bool *begun, struct rec_err *err)
{
    *begun = false;
    if (rec_sql_begin(store->db, REC_SQL_WRITE, err) < 0)
        return -1;
    *begun = true;
    int status = work(store, context, err);
    if (status >= 0 && rec_sql_commit(store->db, err) < 0)
        status = -1;
    if (status < 0)
        rec_sql_rollback(store->db);
    return status;
}

/* Waiting for another's lock has taken busy_timeout already when rec_sql_begin gives up; what is tried again is what began, and was in the
 * way of somebody (PostgreSQL: 40P01, 40001). */
int rec_store_write(struct rec_store *store, int (*work)(struct rec_store *store, void *context, struct rec_err *err), void *context,
                    struct rec_err *err)
{
    bool begun;
    int status = -1;
    if (rec_sql_in_transaction(store->db))
        return work(store, context, err);
    for (unsigned i = 0; i < TRIES; i++) {
        status = attempt(store, work, context, &begun, err);
        if (status >= 0 || !begun || rec_sql_fault(store->db) != REC_SQL_BUSY)
            break;
        if (i + 1 < TRIES)
            pause_before(i);
    }
    return status;
}

/* ---- which keys are in use ------------------------------------------------------------------------ */

int rec_store_key_uses(struct rec_store_key_use out[REC_KEYRING_MAX], struct rec_store *store, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status, n = 0;
    if (rec_sql_query(&rows, store->db,
                      "SELECT key_version, CAST(sum(emails) AS BIGINT), CAST(sum(forgotten) AS BIGINT) FROM ("
                      "SELECT key_version, count(*) AS emails, 0 AS forgotten FROM accounts WHERE key_version IS NOT NULL GROUP BY key_version "
                      "UNION ALL SELECT key_version, 0, count(*) FROM forgotten GROUP BY key_version) AS uses "
                      "GROUP BY key_version ORDER BY key_version", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0 && n < REC_KEYRING_MAX)
        out[n++] = (struct rec_store_key_use){.version = (uint32_t)rows.value[0].integer, .emails = (uint64_t)rows.value[1].integer,
                                              .forgotten = (uint64_t)rows.value[2].integer};
    rec_sql_done(&rows);
    if (status > 0)
        return rec_sql_refuse(store->db, REC_SQL_OTHER, err, "%s: refers to more than %d keys", rec_sql_name(store->db), REC_KEYRING_MAX);
    return status < 0 ? -1 : n;
}

/* ---- keyed hashes -------------------------------------------------------------------------------- */

int rec_store_lookup(unsigned char out[REC_HASH_BYTES], const struct rec_store *store, uint32_t version, const char *what, const char *text,
                     size_t len, struct rec_err *err)
{
    unsigned char key[REC_KEY_BYTES];
    struct rec_hash hash;
    if (store->keys == NULL)
        return rec_err_set(err, "%s: needs the keyring: name its file (--keys)", rec_sql_name(store->db));
    if (rec_keyring_derive(key, store->keys, version, REC_KEY_LOOKUP, err) < 0)
        return -1;
    rec_hash_begin(&hash, key);
    rec_hash_add(&hash, what, strlen(what) + 1);
    rec_hash_add(&hash, text, len);
    rec_hash_end(&hash, out);
    rec_secret_wipe(key, sizeof key);
    rec_secret_wipe(&hash, sizeof hash);
    return 0;
}
