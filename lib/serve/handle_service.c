/* SPDX-License-Identifier: MIT
 *
 * What the service says of itself: health, version, metrics.
 */
#include "service_priv.h"

/* The process answers: no more is said. */
static int healthz(struct rec_call *c, struct rec_err *err)
{
    struct rec_json json = rec_answer_begin(c, 200);

    (void)err;
    rec_answer_text(&json, "status", "ok");
    rec_answer_end(&json);
    return 0;
}

/* Whether requests would be answered: a model if one was named, a store if one was. */
static int readyz(struct rec_call *c, struct rec_err *err)
{
    struct rec_current *current = rec_current_take(c->serve);
    struct rec_serve *serve = c->serve;
    struct rec_sql *db = NULL;
    bool model = current || !serve->config.model, store = !serve->pool;
    struct rec_json json;
    int64_t one;

    if (current)
        rec_current_give(current);
    /* Who says who is asking has a connection already, perhaps the only one. */
    if (c->store.db) {
        store = rec_sql_get_int(&one, c->store.db, "SELECT 1", REC_SQL_NONE, err) == 1;
    } else if (serve->pool && rec_sqlpool_take(&db, serve->pool, 1, err) == 0) {
        store = rec_sql_get_int(&one, db, "SELECT 1", REC_SQL_NONE, err) == 1;
        rec_sqlpool_give(serve->pool, db);
    }
    json = rec_answer_begin(c, model && store ? 200 : 503);
    rec_answer_text(&json, "status", model && store ? "ready" : "not ready");
    rec_json_bool(&json, "model", model);
    rec_json_bool(&json, "store", store);
    rec_answer_end(&json);
    c->x->response.no_etag = true;
    return 0;
}

static int version(struct rec_call *c, struct rec_err *err)
{
    struct rec_current *current = rec_current_take(c->serve);
    struct rec_json json = rec_answer_begin(c, 200);

    (void)err;
    rec_answer_text(&json, "name", "rec");
    rec_answer_text(&json, "version", c->serve->config.version);
    rec_answer_text(&json, "api", "v1");
    rec_answer_text(&json, "model", current ? current->version : NULL);
    rec_answer_time(&json, "model_loaded", current ? current->loaded : 0);
    rec_answer_end(&json);
    if (current)
        rec_current_give(current);
    return 0;
}

static int metrics(struct rec_call *c, struct rec_err *err)
{
    size_t n = 0;

    while (rec_service_metrics[n])
        n++;
    if (rec_prom_write(&c->x->response.body, c->serve->stats, rec_service_metrics, n, err) < 0)
        return -1;
    c->x->response.status = 200;
    c->x->response.type = "text/plain; version=0.0.4; charset=utf-8";
    c->x->response.no_etag = true;
    return 0;
}

const struct rec_route rec_handle_service_routes[] = {
    {.method = REC_GET, .path = "/healthz", .handle = healthz},
    {.method = REC_GET, .path = "/readyz", .handle = readyz, .flags = REC_ROUTE_SLOW},
    {.method = REC_GET, .path = "/version", .handle = version},
    {.method = REC_GET, .path = "/metrics", .own = REC_MAY_WATCH, .others = REC_MAY_WATCH, .scope = "metrics", .handle = metrics,
     .flags = REC_ROUTE_OPEN_METRICS},
    {.path = NULL},
};
