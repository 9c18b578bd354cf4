/* SPDX-License-Identifier: MIT
 *
 * Deployments: which model was put to use when, and why.
 */
#include <rec/store.h>

#include <rec/format.h>

static int check(struct rec_store *store, const struct rec_deployment *d, struct rec_err *err)
{
    const char *const text[] = {d->model, d->digest, d->action, d->reason, d->actor};
    static const char *const name[] = {"model", "digest", "action", "reason", "actor"};
    for (size_t i = 0; i < REC_LENGTH(text); i++)
        if (text[i] == NULL || !rec_json_utf8(text[i], strlen(text[i])))
            return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "deployment: its %s is %s", name[i],
                                  text[i] == NULL ? "missing" : "not UTF-8");
    if (strcmp(d->action, "promote") != 0 && strcmp(d->action, "rollback") != 0)
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "deployment: its action is %s, not promote or rollback", d->action);
    return 0;
}

int rec_deployments_add(struct rec_store *store, const struct rec_deployment *d, struct rec_err *err)
{
    if (check(store, d, err) < 0)
        return -1;
    return rec_sql_exec(store->db, NULL, "INSERT INTO deployments (time, model, digest, action, reason, actor) VALUES ($1, $2, $3, $4, $5, $6)",
                        REC_SQL(rec_sql_int(d->time), rec_sql_text(d->model), rec_sql_text(d->digest), rec_sql_text(d->action),
                                rec_sql_text(d->reason), rec_sql_text(d->actor)), err);
}

int rec_deployments_list(struct rec_store *store, size_t limit, int (*each)(void *context, const struct rec_deployment *deployment),
                         void *context, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status, stop = 0;
    if (rec_sql_query(&rows, store->db, "SELECT id, time, model, digest, action, reason, actor FROM deployments ORDER BY id DESC LIMIT $1",
                      REC_SQL(rec_sql_int(limit < INT32_MAX ? (int64_t)limit : INT32_MAX)), err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0 && stop == 0) {
        const struct rec_sql_value *v = rows.value;
        struct rec_deployment d = {v[0].integer, v[1].integer, v[2].text, v[3].text, v[4].text, v[5].text, v[6].text};
        stop = each(context, &d);
    }
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}
