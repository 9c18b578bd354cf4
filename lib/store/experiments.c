/* SPDX-License-Identifier: MIT
 *
 * Experiments: comparisons of models on people, each with its arms. An event of feedback names its arm "experiment/arm", so that neither
 * name holds a '/'.
 */
#include <rec/store.h>

#include <rec/format.h>

#include <math.h>

enum { LONGEST = 64, LONGEST_MODEL = 255, MOST_ARMS = 64 };

/* ---- adding -------------------------------------------------------------------------------------- */

struct experiment {
    const char *name, *salt;
    const struct rec_experiment_arm *arms;
    size_t n;
    int64_t now;
};

static bool is_name(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > LONGEST || strchr(text, '/') != NULL || !rec_json_utf8(text, len))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
            return false;
    return true;
}

static int check(struct rec_store *store, const struct experiment *e, struct rec_err *err)
{
    static const char rule[] = "is 1 to 64 bytes of UTF-8 without blanks and '/'";
    if (!is_name(e->name))
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "experiment \"%.64s\": a name %s", e->name, rule);
    if (e->n < 1 || e->n > MOST_ARMS)
        return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "experiment %s: has %zu arms; 1 to %d are possible", e->name, e->n, MOST_ARMS);
    for (size_t i = 0; i < e->n; i++) {
        const struct rec_experiment_arm *arm = &e->arms[i];
        if (!is_name(arm->name))
            return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "experiment %s, arm \"%.64s\": a name %s", e->name, arm->name, rule);
        if (!(arm->weight > 0) || !isfinite(arm->weight))
            return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "experiment %s, arm %s: its weight is not greater than 0", e->name, arm->name);
        if (arm->model != NULL && (strlen(arm->model) > LONGEST_MODEL || !rec_json_utf8(arm->model, strlen(arm->model))))
            return rec_sql_refuse(store->db, REC_SQL_CONSTRAINT, err, "experiment %s, arm %s: its model is no name", e->name, arm->name);
        for (size_t j = 0; j < i; j++)
            if (strcmp(e->arms[j].name, arm->name) == 0)
                return rec_sql_refuse(store->db, REC_SQL_UNIQUE, err, "experiment %s: has two arms called %s", e->name, arm->name);
    }
    return 0;
}

static int add(struct rec_store *store, void *context, struct rec_err *err)
{
    const struct experiment *e = context;
    int64_t id;
    int status = rec_sql_get_int(&id, store->db, "INSERT INTO experiments (name, salt, begun) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING "
                                 "RETURNING id", REC_SQL(rec_sql_text(e->name), rec_sql_text(e->salt), rec_sql_int(e->now)), err);
    if (status == 0)
        return rec_sql_refuse(store->db, REC_SQL_UNIQUE, err, "experiment %s: there is one of that name", e->name);
    for (size_t i = 0; status > 0 && i < e->n; i++) {
        const struct rec_experiment_arm *arm = &e->arms[i];
        if (rec_sql_exec(store->db, NULL, "INSERT INTO experiment_arms (experiment_id, place, name, model, weight) VALUES ($1, $2, $3, $4, $5)",
                         REC_SQL(rec_sql_int(id), rec_sql_int((int64_t)i), rec_sql_text(arm->name),
                                 rec_sql_text(arm->model != NULL ? arm->model : ""), rec_sql_real(arm->weight)), err) < 0)
            return -1;
    }
    return status < 0 ? -1 : 0;
}

int rec_experiments_add(struct rec_store *store, const char *name, const char *salt, const struct rec_experiment_arm *arms, size_t n, int64_t now,
                        struct rec_err *err)
{
    struct experiment e = {name, salt, arms, n, now};
    return check(store, &e, err) < 0 ? -1 : rec_store_write(store, add, &e, err);
}

int rec_experiments_end(struct rec_store *store, const char *name, int64_t now, struct rec_err *err)
{
    int64_t changed;
    if (!is_name(name))
        return 0;
    if (rec_sql_exec(store->db, &changed, "UPDATE experiments SET ended = $2 WHERE name = $1 AND ended = 0",
                     REC_SQL(rec_sql_text(name), rec_sql_int(now)), err) < 0)
        return -1;
    return changed > 0;
}

/* ---- listing ------------------------------------------------------------------------------------- */

/* One experiment, as its rows come: texts one after another, found by their offsets once all are there. */
struct gathered {
    int64_t id, begun, ended;
    struct rec_buf text;
    size_t salt, name[MOST_ARMS], model[MOST_ARMS];
    double weight[MOST_ARMS];
    size_t n;
};

static size_t keep(struct gathered *g, const struct rec_sql_value *value)
{
    size_t at = g->text.len;
    rec_buf_add(&g->text, value->text, value->len);
    rec_buf_addc(&g->text, 0);
    return at;
}

static void gather(struct gathered *g, const struct rec_sql_value *row)
{
    if (g->id != row[0].integer) {
        g->id = row[0].integer;
        rec_buf_reset(&g->text);
        g->n = 0;
        keep(g, &row[1]);
        g->salt = keep(g, &row[2]);
        g->begun = row[3].integer;
        g->ended = row[4].integer;
    }
    if (g->n == MOST_ARMS)
        return;
    g->name[g->n] = keep(g, &row[5]);
    g->model[g->n] = keep(g, &row[6]);
    g->weight[g->n++] = row[7].real;
}

static int tell(struct gathered *g, int (*each)(void *context, const char *name, const char *salt, int64_t begun, int64_t ended,
                const struct rec_experiment_arm *arms, size_t n), void *context, struct rec_err *err)
{
    struct rec_experiment_arm arms[MOST_ARMS];
    const char *text = g->text.data;
    if (g->id == 0)
        return 0;
    if (g->text.failed)
        return rec_err_memory(err, "experiments");
    for (size_t i = 0; i < g->n; i++)
        arms[i] = (struct rec_experiment_arm){text + g->name[i], text + g->model[i], g->weight[i]};
    return each(context, text, text + g->salt, g->begun, g->ended, arms, g->n) != 0;
}

int rec_experiments_list(struct rec_store *store, int (*each)(void *context, const char *name, const char *salt, int64_t begun, int64_t ended,
                         const struct rec_experiment_arm *arms, size_t n), void *context, struct rec_err *err)
{
    struct gathered g = {0};
    struct rec_sql_rows rows;
    int status, stop = 0;
    if (rec_sql_query(&rows, store->db, "SELECT e.id, e.name, e.salt, e.begun, e.ended, a.name, a.model, a.weight FROM experiments e "
                      "JOIN experiment_arms a ON a.experiment_id = e.id ORDER BY e.id, a.place", REC_SQL_NONE, err) < 0)
        return -1;
    while ((status = rec_sql_next(&rows, err)) > 0 && stop == 0) {
        if (rows.value[0].integer != g.id)
            stop = tell(&g, each, context, err);
        if (stop == 0)
            gather(&g, rows.value);
    }
    rec_sql_done(&rows);
    if (status == 0 && stop == 0)
        stop = tell(&g, each, context, err);
    rec_buf_clear(&g.text);
    return status < 0 || stop < 0 ? -1 : 0;
}
