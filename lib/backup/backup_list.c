/* SPDX-License-Identifier: MIT
 *
 * The archives that were made, as the store remembers them.
 */
#include "backup_priv.h"

int rec_backup_list_add(struct rec_store *store, const char *name, int64_t created, int64_t expires, struct rec_err *err)
{
    static const char insert[] = "INSERT INTO backups (name, created, expires) VALUES ($1, $2, $3)";
    struct rec_sql *db = store->db;

    /* An archive that takes the place of another of its name takes its row too. */
    if (rec_sql_begin(db, REC_SQL_WRITE, err) < 0)
        return -1;
    if (rec_backup_list_drop(store, name, err) < 0 ||
        rec_sql_exec(db, NULL, insert, REC_SQL(rec_sql_text(name), rec_sql_int(created), rec_sql_int(expires)), err) < 0) {
        rec_sql_rollback(db);
        return -1;
    }
    return rec_sql_commit(db, err);
}

int rec_backup_list_drop(struct rec_store *store, const char *name, struct rec_err *err)
{
    return rec_sql_exec(store->db, NULL, "DELETE FROM backups WHERE name = $1", REC_SQL(rec_sql_text(name)), err);
}

int rec_backup_list(struct rec_store *store, int (*each)(void *context, const char *name, int64_t created, int64_t expires), void *context,
                    struct rec_err *err)
{
    static const char select[] = "SELECT name, created, expires FROM backups ORDER BY created DESC, id DESC";
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, store->db, select, REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0)
        if (each(context, rows.value[0].text, rows.value[1].integer, rows.value[2].integer) != 0)
            break;
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}
