/* SPDX-License-Identifier: MIT
 *
 * What every request goes through, in this order: route, limit by address, who is asking, limit by account, permission, parameters and body,
 * handler. Nothing is read from the store for a request that is over its limit, and no body is looked at for one that is not permitted.
 */
#include "kept_priv.h"

#include <string.h>
#include <time.h>

static double steady(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- limits ---- */

/* Whole numbers, which are printed in a fraction of the time that doubles take. */
static long long whole(double x)
{
    return (long long)(x < 1e15 ? x : 1e15);
}

/* "kind";A=1;B=2 */
static void add_numbers(struct rec_call *c, const char *field, const char *kind, char a, long long x, char b, long long y)
{
    char text[32 + 2 * REC_NUM_MAX], *at = text;
    size_t len = strlen(kind);

    *at++ = '"';
    memcpy(at, kind, len);
    at += len;
    memcpy(at, (const char[]){'"', ';', a, '='}, 4);
    at += 4;
    at += rec_num_print_int64(at, x);
    memcpy(at, (const char[]){';', b, '='}, 3);
    at += 3;
    at[rec_num_print_int64(at, y)] = 0;
    rec_response_field(&c->x->response, field, text);
}

/* draft-ietf-httpapi-ratelimit-headers: the policy, and what is left of it. True: over the limit, and answered. @param kind  a short word */
static bool is_over(struct rec_call *c, const char *kind, const char *key, const struct rec_limit_rate *rate)
{
    size_t kind_len = strlen(kind), key_len = strlen(key);
    struct rec_limit_answer a;
    char name[128], text[REC_NUM_MAX + 1];
    long long wait;

    if (!c->serve->limit || !rate->burst || !key_len)
        return false;
    key_len = key_len < sizeof name - 1 - kind_len ? key_len : sizeof name - 2 - kind_len;
    memcpy(name, kind, kind_len + 1);
    name[kind_len] = ':';
    memcpy(name + kind_len + 1, key, key_len);
    name[kind_len + 1 + key_len] = 0;
    rec_limits_ask(&a, c, name, kind_len + 1 + key_len, rate, 1);
    wait = whole((a.allowed ? a.reset : a.retry) + 0.999);
    if (!a.allowed)
        rec_answer_problem(c, 429, "too many requests: try again in %lld s", wait);
    add_numbers(c, "RateLimit", kind, 'r', a.allowed ? whole(a.remaining) : 0, 't', wait);
    add_numbers(c, "RateLimit-Policy", kind, 'q', whole(rate->burst), 'w', whole(rate->burst / rate->per_second + 0.999));
    if (!a.allowed) {
        text[rec_num_print_int64(text, wait)] = 0;
        rec_response_field(&c->x->response, "Retry-After", text);
    }
    return !a.allowed;
}

/* ---- the steps ---- */

static bool wants_credentials(const struct rec_message *m)
{
    size_t len;

    return rec_message_field(m, "authorization", &len) || rec_message_field(m, "x-api-key", &len);
}

/* A connection to the store where one is needed; false: there is none, and that was answered. */
static bool take_store(struct rec_call *c)
{
    struct rec_sql *db;
    struct rec_err err;

    if (!(c->route->flags & REC_ROUTE_STORE) && !wants_credentials(c->x->message))
        return true;
    if (!c->serve->pool) {
        if (c->route->flags & REC_ROUTE_STORE)
            rec_answer_problem(c, 503, "this service has no store");
        return !(c->route->flags & REC_ROUTE_STORE);
    }
    if (rec_kept_find(c))
        return true;
    if (rec_sqlpool_take(&db, c->serve->pool, 5, &err) < 0) {
        rec_serve_say(c->serve, "%s", err.text);
        rec_answer_problem(c, 503, "the store is not to be reached");
        rec_response_field(&c->x->response, "Retry-After", "1");
        return false;
    }
    rec_store_wrap(&c->store, db, c->serve->has_keys ? &c->serve->ring : NULL);
    c->versioned = c->serve->known && rec_sql_version(&c->version, db);
    rec_kept_begin(c);
    return true;
}

/* A handler failed: whose fault is it? */
static void failed(struct rec_call *c, const struct rec_err *err)
{
    rec_answer_fault(c, c->store.db ? rec_sql_fault(c->store.db) : c->kept ? rec_sql_open_fault() : REC_SQL_FINE, err);
}

static void no_route(struct rec_call *c, const char *allow)
{
    if (!allow[0]) {
        rec_answer_problem(c, 404, "there is nothing at this path");
        return;
    }
    if (c->x->message->method == REC_OPTIONS) {
        rec_answer_empty(c);
    } else {
        rec_answer_problem(c, 405, "the methods of this path are %s", allow);
    }
    rec_response_field(&c->x->response, "Allow", allow);
}

static void handle(struct rec_call *c)
{
    struct rec_err err = {0};
    int status;

    if (!take_store(c))
        return;
    status = rec_identity_find(c, &err);
    if (status < 0)
        failed(c, &err);
    if (status)
        return;
    if (c->authenticated)
        snprintf(c->x->who, sizeof c->x->who, "%s", c->account.id);
    if (c->authenticated && is_over(c, "account", c->by_key ? c->key.id : c->account.id, &c->serve->config.per_account))
        return;
    if (rec_identity_permit(c))
        return;
    if ((c->route->flags & REC_ROUTE_LOGIN) && is_over(c, "login", c->network, &c->serve->config.per_login))
        return;
    rec_check_query(c);
    if (rec_check_body(c))
        return;
    if (rec_answer_has_wrong(c)) {
        rec_answer_wrongs(c);
        return;
    }
    if (c->route->flags & REC_ROUTE_MODEL) {
        c->current = rec_current_take(c->serve);
        if (!c->current) {
            rec_answer_problem(c, 503, "there is no model yet");
            return;
        }
    }
    if (c->route->handle(c, &err) < 0)
        failed(c, &err);
    else
        rec_kept_leave(c);
}

static void clear(struct rec_call *c)
{
    if (c->current)
        rec_current_give(c->current);
    if (c->store.db)
        rec_sqlpool_give(c->serve->pool, c->store.db);
    rec_json_free(c->body);
    rec_target_clear(&c->form);
    rec_secret_clear(&c->scratch);
    rec_secret_wipe(&c->claims, sizeof c->claims);
}

void rec_dispatch_call(struct rec_serve *serve, struct rec_exchange *x)
{
    struct rec_call c = {.serve = serve, .x = x, .now = x->received / 1000000, .begun = steady(), .patience = REC_CACHE_BUDGET};
    char peer[64], network[64], allow[64];

    rec_client_find(&c, peer, network);
    c.route = rec_routes_find(x->message->method, &x->target, c.param, allow);
    x->user = (void *)(uintptr_t)c.route;
    if (!is_over(&c, "address", c.network, &serve->config.per_address)) {
        if (c.route)
            handle(&c);
        else
            no_route(&c, allow);
    }
    rec_dispatch_fields(serve, x);
    clear(&c);
}

bool rec_dispatch_is_slow(const struct rec_serve *serve, const struct rec_exchange *x)
{
    const char *param[2];
    char allow[64];
    const struct rec_route *route = rec_routes_find(x->message->method, &x->target, param, allow);

    /* A look into a SQLite file takes some microseconds, less than waking a thread; a round trip to a server does not. */
    return serve->limits || (route && ((route->flags & REC_ROUTE_SLOW) || (serve->remote && wants_credentials(x->message)) ||
                     (serve->cache && (route->flags & REC_ROUTE_CACHED))));
}

/* ---- fields of every answer ---- */

static const char *allowed_origin(const struct rec_serve *serve, const struct rec_message *m)
{
    size_t len;
    const char *origin = rec_message_field(m, "origin", &len), *const *o = serve->config.origins;

    for (; origin && o && *o; o++)
        if (strcmp(*o, "*") == 0 || strcmp(*o, origin) == 0)
            return *o;
    return NULL;
}

static void add_cors(struct rec_serve *serve, struct rec_exchange *x)
{
    const char *origin = allowed_origin(serve, x->message);
    size_t len;

    if (serve->config.origins)
        rec_response_field(&x->response, "Vary", "Origin");
    if (!origin)
        return;
    rec_response_field(&x->response, "Access-Control-Allow-Origin", origin);
    rec_response_field(&x->response, "Access-Control-Expose-Headers", "ETag, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id");
    if (x->message->method != REC_OPTIONS || !rec_message_field(x->message, "access-control-request-method", &len))
        return;
    rec_response_field(&x->response, "Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, DELETE");
    rec_response_field(&x->response, "Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-None-Match, X-API-Key");
    rec_response_field(&x->response, "Access-Control-Max-Age", "600");
}

void rec_dispatch_fields(struct rec_serve *serve, struct rec_exchange *x)
{
    static const char always[] = "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\n";
    struct rec_response *r = &x->response;
    bool page = r->type && strncmp(r->type, "text/html", 9) == 0;

    /* What is missing, somebody has to put there: it may take them a while. */
    if (r->status == 503 && !memmem(r->fields.data ? r->fields.data : "", r->fields.len, "Retry-After:", 12))
        rec_response_field(r, "Retry-After", "5");
    rec_buf_add(&r->fields, always, sizeof always - 1);
    if (!page)
        rec_response_field(r, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    if (serve->config.secure || x->tls)
        rec_response_field(r, "Strict-Transport-Security", "max-age=31536000");
    if (!memmem(r->fields.data ? r->fields.data : "", r->fields.len, "Cache-Control:", 14))
        rec_response_field(r, "Cache-Control", "no-store");
    if (x->message)
        add_cors(serve, x);
}
