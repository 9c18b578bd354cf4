/* SPDX-License-Identifier: MIT
 *
 * A name for what the store knows of a user at this moment, so that an answer made from it can be kept and found again, by any process, without
 * anybody being told of changes.
 *
 * Ratings change by events, which are only ever added, and by loads, which are counted. A transaction that adds an event makes the number of the
 * user's events greater, in whatever order numbers are drawn and committed. The newest number and time of arrival tell a store that was
 * brought back from a backup, and went on from there, from the one before.
 */
#include <rec/store.h>

#include <rec/format.h>

int rec_feedback_state(struct rec_buf *out, struct rec_store *store, const char *user, struct rec_err *err)
{
    struct rec_sql_rows rows;
    int status;

    if (rec_sql_query(&rows, store->db,
                      "SELECT (SELECT value FROM meta WHERE name = 'store_id'), coalesce((SELECT max(id) FROM loads), 0), "
                      "coalesce((SELECT max(finished) FROM loads), 0), h.person, h.events, coalesce(h.newest, 0), "
                      "coalesce((SELECT received FROM feedback WHERE id = h.newest), 0) "
                      "FROM (SELECT u.id AS person, count(f.id) AS events, max(f.id) AS newest FROM users u LEFT JOIN feedback f ON f.user_id = u.id "
                      "WHERE u.name = $1 GROUP BY u.id) h",
                      REC_SQL(rec_sql_text(user)), err) < 0)
        return -1;
    status = rec_sql_next(&rows, err);
    if (status > 0) {
        const struct rec_sql_value *v = rows.value;

        rec_buf_adds(out, v[0].type == REC_SQL_TEXT ? v[0].text : "");
        for (size_t i = 1; i < 7; i++)
            rec_buf_addf(out, " %lld", (long long)v[i].integer);
    } else if (status == 0) {
        rec_buf_adds(out, "unknown"); /* and so without history */
    }
    rec_sql_done(&rows);
    return status < 0 ? -1 : 0;
}
