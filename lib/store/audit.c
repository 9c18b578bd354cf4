/* SPDX-License-Identifier: MIT
 *
 * The audit log: who did what. Rows are added, and never changed or deleted: triggers refuse it.
 */
#include <rec/store.h>

int rec_audit_add(struct rec_store *store, int64_t now, const char *actor, const char *action, const char *object, const char *detail,
                  const char *request, struct rec_err *err)
{
    return rec_sql_exec(store->db, NULL, "INSERT INTO audit_log (time, actor, action, object, detail, request) VALUES ($1, $2, $3, $4, $5, $6)",
                        REC_SQL(rec_sql_int(now), rec_sql_text(actor != NULL ? actor : ""), rec_sql_text(action),
                                rec_sql_text(object != NULL ? object : ""), rec_sql_text(detail != NULL ? detail : ""),
                                rec_sql_text(request != NULL ? request : "")), err);
}

int rec_audit_list(struct rec_store *store, int64_t since, size_t limit,
                   int (*each)(void *context, int64_t time, const char *actor, const char *action, const char *object, const char *detail,
                               const char *request), void *context, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status, stop = 0;
    if (rec_sql_query(&rows, store->db, "SELECT time, actor, action, object, detail, request FROM audit_log WHERE time >= $1 "
                      "ORDER BY time, id LIMIT $2", REC_SQL(rec_sql_int(since), rec_sql_int(limit < INT32_MAX ? (int64_t)limit : INT32_MAX)),
                      err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0 && stop == 0) {
        const struct rec_sql_value *v = rows.value;
        stop = each(context, v[0].integer, v[1].text, v[2].text, v[3].text, v[4].text, v[5].text);
    }
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}
