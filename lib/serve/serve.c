/* SPDX-License-Identifier: MIT
 *
 * A service: opening what it needs, handing each request to the thread that may answer it, the access log, and the end.
 */
#include "serve_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

void rec_serve_tell(struct rec_serve *serve, void (*tell)(void *context, const char *line), void *context)
{
    serve->tell = tell;
    serve->tell_context = context;
}

void rec_serve_say(struct rec_serve *serve, const char *fmt, ...)
{
    struct rec_err line; /* one line, without control characters */
    char text[512];
    va_list args;

    if (!serve->tell)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    rec_err_set(&line, "%s", text);
    serve->tell(serve->tell_context, line.text);
}

/* ---- requests ---- */

static void work(void *context, struct rec_exchange *x)
{
    struct rec_serve *serve = context;

    rec_dispatch_call(serve, x);
    serve->config.answered(x);
}

static bool handle(void *context, struct rec_exchange *x)
{
    struct rec_serve *serve = context;

    if (serve->workers && x->connection && rec_dispatch_is_slow(serve, x)) {
        if (rec_workers_add(serve->workers, x))
            return true;
        rec_answer_bare(&x->response, 503, "too many requests wait here", x->id);
        rec_response_field(&x->response, "Retry-After", "1");
        rec_dispatch_fields(serve, x);
        return false;
    }
    rec_dispatch_call(serve, x);
    return false;
}

static void refused(void *context, struct rec_exchange *x, const char *cause)
{
    struct rec_serve *serve = context;

    x->user = NULL;
    rec_answer_bare(&x->response, x->response.status, cause, x->id);
    rec_dispatch_fields(serve, x);
}

static int64_t microseconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The query may hold what is nobody's business; the path is enough to know what was asked. */
static void log_line(struct rec_serve *serve, const struct rec_exchange *x, size_t bytes, double seconds)
{
    const struct rec_message *m = x->message;
    const struct rec_route *route = x->user;
    struct rec_buf line = {0}, path = {0};
    char peer[64];
    size_t len;
    ssize_t wrote;

    rec_client_name(peer, serve, x);
    if (m->target)
        rec_buf_add(&path, m->target, strcspn(m->target, "?"));
    rec_log_line(&line, &(struct rec_log_entry){.time = x->received, .request = x->id, .peer = peer, .account = x->who,
                 .method = m->method ? rec_message_methods[m->method] : NULL, .target = path.data, .protocol = m->minor ? "HTTP/1.1" : "HTTP/1.0",
                 .route = route ? route->path : NULL, .agent = rec_message_field(m, "user-agent", &len), .status = x->response.status,
                 .bytes = bytes, .seconds = seconds}, serve->config.log_json);
    /* One write a line: lines of several processes do not mix. A full disk must not stop the service. */
    wrote = line.failed ? 0 : write(serve->config.log_fd, line.data, line.len);
    (void)wrote;
    rec_buf_clear(&line);
    rec_buf_clear(&path);
}

static void finished(void *context, struct rec_exchange *x, size_t bytes)
{
    struct rec_serve *serve = context;
    double seconds = (double)(microseconds() - x->received) * 1e-6;

    seconds = seconds < 0 ? 0 : seconds;
    rec_service_count(serve, x, x->user, bytes, seconds);
    if (serve->config.log_fd >= 0)
        log_line(serve, x, bytes, seconds);
}

const struct rec_connection_handler *rec_serve_handler(struct rec_serve *serve)
{
    return &serve->handler;
}

/* ---- opening ---- */

static void set_defaults(struct rec_serve_config *c)
{
    const struct rec_limit_rate address = {20, 100}, account = {50, 200}, login = {0.1, 5};

    c->issuer = c->issuer ? c->issuer : "rec";
    c->audience = c->audience ? c->audience : "rec";
    c->access_life = c->access_life > 0 ? c->access_life : 900;
    c->refresh_life = c->refresh_life > 0 ? c->refresh_life : 1209600;
    c->per_address = c->per_address.burst > 0 ? c->per_address : address;
    c->per_account = c->per_account.burst > 0 ? c->per_account : account;
    c->per_login = c->per_login.burst > 0 ? c->per_login : login;
    c->limit_keys = c->limit_keys ? c->limit_keys : 65536;
    c->logins = c->logins ? c->logins : 2;
    c->version = c->version ? c->version : "";
}

static int open_counters(struct rec_stats **stats, struct rec_limit **limit, const struct rec_serve_config *c, struct rec_err *err)
{
    const char *state = c->state;
    char path[2][4096];

    snprintf(path[0], sizeof path[0], "%s/stats", state ? state : "");
    snprintf(path[1], sizeof path[1], "%s/limits", state ? state : "");
    if (rec_stats_open(stats, state ? path[0] : NULL, 4096, err) < 0)
        return -1;
    return rec_limit_open(limit, state ? path[1] : NULL, c->limit_keys, err);
}

static int open_shared(struct rec_serve *serve, struct rec_err *err)
{
    struct rec_serve_shared *shared = serve->config.shared;

    if (!shared)
        return open_counters(&serve->stats, &serve->limit, &serve->config, err);
    serve->stats = shared->stats;
    serve->limit = shared->limit;
    return 0;
}

int rec_serve_shared_open(struct rec_serve_shared **out, const struct rec_serve_config *config, struct rec_err *err)
{
    struct rec_serve_config c = *config;
    struct rec_serve_shared *shared;
    pthread_mutexattr_t robust;

    *out = NULL;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return rec_err_memory(err, "service");
    set_defaults(&c);
    shared->logins = c.logins < REC_LOGINS_MOST ? c.logins : REC_LOGINS_MOST;
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    for (size_t i = 0; i < shared->logins; i++)
        pthread_mutex_init(&shared->login[i], &robust);
    pthread_mutexattr_destroy(&robust);
    if (open_counters(&shared->stats, &shared->limit, &c, err) < 0) {
        rec_serve_shared_close(shared);
        return -1;
    }
    *out = shared;
    return 0;
}

void rec_serve_shared_close(struct rec_serve_shared *shared)
{
    if (!shared)
        return;
    rec_limit_close(shared->limit);
    rec_stats_close(shared->stats);
    munmap(shared, sizeof *shared);
}

static int open_store(struct rec_serve *serve, struct rec_err *err)
{
    const struct rec_serve_config *c = &serve->config;
    struct rec_sql_options options = {.drivers = c->drivers, .one_shot = !c->workers};

    if (c->keys) {
        if (rec_keyring_read(&serve->ring, c->keys, err) < 0 ||
            rec_token_keys_from(&serve->tokens, &serve->ring, c->alg, c->issuer, c->audience, err) < 0)
            return -1;
        serve->has_keys = true;
    }
    if (!c->store)
        return 0;
    if (rec_sqlpool_new(&serve->pool, c->store, &options, c->workers ? c->workers + 1 : 1, err) < 0)
        return -1;
    serve->remote = strncmp(c->store, "postgres", 8) == 0;
    if (c->workers ? rec_known_open(&serve->known, err) < 0
                   : c->state && serve->has_keys && !serve->remote && rec_kept_open(&serve->kept, serve, err) < 0)
        return -1;
    /* Group commit pays where several threads append to one SQLite file; PostgreSQL has its own. */
    if (c->workers && !serve->remote)
        return rec_appender_new(&serve->appender, c->store, &options, serve->has_keys ? &serve->ring : NULL, err);
    return 0;
}

/* What those with the same keyring keep, the others can read: those that have none keep it in the open. @param file  of the state
 * directory: until when the server is left alone */
static int open_redis(struct rec_cache **out, struct rec_serve *serve, const char *url, const char *what, const char *file,
                      struct rec_err *err)
{
    const struct rec_serve_config *c = &serve->config;
    unsigned char secret[REC_KEY_BYTES];
    char state[4096];
    int status = 0;

    if (!url)
        return 0;
    if (!c->cache_driver)
        return rec_err_set(err, "%s: this program was made without Redis", what);
    if (serve->has_keys)
        status = rec_keyring_derive(secret, &serve->ring, serve->ring.newest, REC_KEY_CACHE, err);
    snprintf(state, sizeof state, "%s/%s", c->state ? c->state : "", file);
    if (status == 0)
        status = rec_cache_open(out, url, c->cache_driver, serve->has_keys ? secret : NULL, c->state ? state : NULL, err);
    rec_secret_wipe(secret, sizeof secret);
    return status == 0 ? 0 : rec_err_prefix(err, what);
}

int rec_serve_open(struct rec_serve **out, const struct rec_serve_config *config, struct rec_err *err)
{
    struct rec_serve *serve = rec_calloc(1, sizeof *serve, "service", err);
    struct timespec t;

    *out = NULL;
    if (!serve)
        return -1;
    clock_gettime(CLOCK_REALTIME, &t);
    serve->started = t.tv_sec;
    serve->config = *config;
    set_defaults(&serve->config);
    serve->handler = (struct rec_connection_handler){handle, finished, refused, serve};
    pthread_mutex_init(&serve->swap, NULL);
    sem_init(&serve->logins, 0, (unsigned)serve->config.logins);
    if (open_shared(serve, err) < 0 || rec_client_open(serve, err) < 0 || rec_service_open(serve, err) < 0 || open_store(serve, err) < 0 ||
        open_redis(&serve->cache, serve, serve->config.cache, "cache", "cache", err) < 0 ||
        open_redis(&serve->limits, serve, serve->config.limits, "limits", "limits.away", err) < 0 ||
        (config->answers && config->workers && rec_answers_open(&serve->answers, config->answers, err) < 0) ||
        (config->model && rec_current_load(serve, NULL, err) < 0) ||
        (config->workers && rec_workers_start(&serve->workers, config->workers, work, serve, err) < 0)) {
        rec_serve_close(serve);
        return -1;
    }
    *out = serve;
    return 0;
}

void rec_serve_close(struct rec_serve *serve)
{
    if (!serve)
        return;
    rec_workers_stop(serve->workers);
    rec_current_drop(serve);
    rec_appender_free(serve->appender);
    if (serve->pool)
        rec_sqlpool_free(serve->pool);
    rec_known_close(serve->known);
    rec_kept_close(serve->kept);
    rec_answers_close(serve->answers);
    rec_cache_close(serve->cache);
    rec_cache_close(serve->limits);
    if (!serve->config.shared)
        rec_limit_close(serve->limit);
    rec_service_close(serve);
    rec_client_close(serve);
    if (!serve->config.shared)
        rec_stats_close(serve->stats);
    rec_token_keys_clear(&serve->tokens);
    rec_keyring_clear(&serve->ring);
    sem_destroy(&serve->logins);
    pthread_mutex_destroy(&serve->swap);
    free(serve);
}

int rec_serve_reload(struct rec_serve *serve, bool *changed, struct rec_err *err)
{
    return rec_current_load(serve, changed, err);
}

size_t rec_serve_pending(struct rec_serve *serve)
{
    return rec_workers_pending(serve->workers);
}
