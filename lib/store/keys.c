/* SPDX-License-Identifier: MIT
 *
 * The keyring of a store: made when there is none, unless something in the store needs the one that was lost.
 */
#include <rec/store.h>

#include <unistd.h>

/* Whether something in the store can be read, or recognized, with a keyring alone. */
static int needs_keys(struct rec_sql *db, struct rec_err *err)
{
    int64_t n = 0;

    if (rec_sql_get_int(&n, db, "SELECT (SELECT count(*) FROM accounts WHERE key_version IS NOT NULL) + (SELECT count(*) FROM forgotten)",
                        REC_SQL_NONE, err) < 0)
        return -1;
    return n > 0;
}

static int try_to_read(const char *path, struct rec_err *err)
{
    struct rec_keyring ring;
    int status = rec_keyring_read(&ring, path, err);

    rec_keyring_clear(&ring);
    return status;
}

int rec_keys_make(const char *path, struct rec_sql *db, int64_t now, struct rec_err *err)
{
    int needed = 0;

    if (access(path, F_OK) == 0)
        return try_to_read(path, err);
    if (db && (needed = needs_keys(db, err)) < 0)
        return -1;
    if (needed)
        return rec_err_set(err, "%s: is not there, but %s holds what only its keys can read: put it back", path, rec_sql_name(db));
    if (rec_keyring_create(path, now, err) == 0)
        return 1;
    /* Another one that begins may have been quicker. */
    return access(path, F_OK) == 0 ? try_to_read(path, err) : -1;
}
