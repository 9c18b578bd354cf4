/* SPDX-License-Identifier: MIT
 *
 * The audit log: who did what. Rows are added, and never changed or deleted: triggers refuse it. What came from outside may hold bytes that are
 * no UTF-8, which PostgreSQL does not take: they become '?', for an entry that is not there is worse than one that is not exact.
 */
#include <rec/store.h>

#include <rec/format.h>

/* How many of the next bytes, at most four, are UTF-8. */
static size_t good_bytes(const char *text)
{
    size_t len = strnlen(text, 4);
    while (len > 0 && !rec_json_utf8(text, len))
        len--;
    return len;
}

static const char *cleaned(struct rec_buf *out, const char *text)
{
    if (text == NULL)
        return "";
    if (rec_json_utf8(text, strlen(text)))
        return text;
    for (size_t n; *text != 0; text += n > 0 ? n : 1) {
        n = good_bytes(text);
        rec_buf_add(out, n > 0 ? text : "?", n > 0 ? n : 1);
    }
    return out->data;
}

int rec_audit_add(struct rec_store *store, int64_t now, const char *actor, const char *action, const char *object, const char *detail,
                  const char *request, struct rec_err *err)
{
    const char *text[] = {actor, action, object, detail, request};
    struct rec_buf clean[REC_LENGTH(text)] = {0};
    bool failed = false;
    for (size_t i = 0; i < REC_LENGTH(text); i++) {
        text[i] = cleaned(&clean[i], text[i]);
        failed = failed || clean[i].failed;
    }
    int status = failed ? rec_err_memory(err, "audit log")
        : rec_sql_exec(store->db, NULL, "INSERT INTO audit_log (time, actor, action, object, detail, request) VALUES ($1, $2, $3, $4, $5, $6)",
                       REC_SQL(rec_sql_int(now), rec_sql_text(text[0]), rec_sql_text(text[1]), rec_sql_text(text[2]), rec_sql_text(text[3]),
                               rec_sql_text(text[4])), err);
    for (size_t i = 0; i < REC_LENGTH(text); i++)
        rec_buf_clear(&clean[i]);
    return status;
}

int rec_audit_list(struct rec_store *store, int64_t since, size_t limit,
                   int (*each)(void *context, int64_t time, const char *actor, const char *action, const char *object, const char *detail,
                               const char *request), void *context, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status, stop = 0;
    if (rec_sql_query(&rows, store->db, "SELECT time, actor, action, object, detail, request FROM (SELECT * FROM audit_log "
                      "WHERE time >= $1 ORDER BY time DESC, id DESC LIMIT $2) AS newest ORDER BY time, id", REC_SQL(rec_sql_int(since), rec_sql_int(limit < INT32_MAX ? (int64_t)limit : INT32_MAX)),
                      err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0 && stop == 0) {
        const struct rec_sql_value *v = rows.value;
        stop = each(context, v[0].integer, v[1].text, v[2].text, v[3].text, v[4].text, v[5].text);
    }
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}
