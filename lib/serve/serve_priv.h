/* SPDX-License-Identifier: MIT
 *
 * What the files of serve/ share: one request on its way (struct rec_call), the table of routes, and the service behind them.
 */
#ifndef REC_SERVE_PRIV_H
#define REC_SERVE_PRIV_H

#include <rec/score.h>
#include <rec/serve.h>

#include <rec/format.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/stat.h>

/* ---- fields: what parameters and bodies may hold ---- */

enum rec_field_type {
    REC_FIELD_TEXT,       /**< a string of min..max bytes, no control characters */
    REC_FIELD_SECRET,     /**< a string of min..max bytes: any letters; never echoed */
    REC_FIELD_INT,        /**< min..max */
    REC_FIELD_REAL,       /**< min..max */
    REC_FIELD_BOOL,       /**< true, false */
    REC_FIELD_ID,         /**< an id of the data set: 1..255 bytes; in a body a string */
    REC_FIELD_TIME,       /**< RFC 3339, or whole seconds */
    REC_FIELD_CHOICE,     /**< one of `choices`, "a|b" */
    REC_FIELD_YEARS,      /**< "1994", "1990..1999" */
    REC_FIELD_TEXTS,      /**< body: an array of 0..max strings; query: words with ',' between them */
    REC_FIELD_OBJECTS     /**< body: an array of min..max objects of `fields` */
};
struct rec_field {
    const char *name;     /**< the table ends at NULL */
    enum rec_field_type type;
    double min, max;
    bool required, nullable;
    const char *choices;
    const struct rec_field *fields;
    const char *help;
};

/* ---- routes ---- */

/** What a role may do; the table of roles is in routes.c. */
enum rec_permission {
    REC_MAY_ANYONE = 0,            /**< no account is needed */
    REC_MAY_SELF = 1 << 0,         /**< what concerns the own account and its user */
    REC_MAY_READ_OTHERS = 1 << 1,  /**< recommendations, neighbours, feedback of any user */
    REC_MAY_WRITE_OTHERS = 1 << 2, /**< feedback for any user: services */
    REC_MAY_MANAGE = 1 << 3,       /**< accounts and keys */
    REC_MAY_WATCH = 1 << 4         /**< metrics */
};

struct rec_call;
/** Answers by filling c->x->response. 0, or -1: err and the store's fault say why (503 when the store is away or busy, else 500). */
typedef int rec_route_handler(struct rec_call *c, struct rec_err *err);

struct rec_route {
    enum rec_message_method method;
    const char *path;              /**< "/recommendations/{user_id}"; also under /v1 */
    unsigned own;                  /**< permissions of which one is needed when the path's user is the caller's, or no user is in it */
    unsigned others;               /**< ... when it is somebody else's */
    const char *scope;             /**< that an API key needs: "recommend", "feedback", "movies", "users", "keys", "metrics" */
    rec_route_handler *handle;
    const struct rec_field *query; /**< NULL: no parameters */
    const struct rec_field *body;  /**< NULL: no body */
    unsigned flags;
};
enum {
    REC_ROUTE_STORE = 1,           /**< needs the store: 503 without one */
    REC_ROUTE_SLOW = 2,            /**< waits for a disk, a database or argon2: goes to a worker thread */
    REC_ROUTE_FORM = 4,            /**< the body is application/x-www-form-urlencoded */
    REC_ROUTE_ARRAY = 8,           /**< the body may also be an array of such objects, at most 1000 */
    REC_ROUTE_LINES = 16,          /**< the body is application/x-ndjson, read by the handler */
    REC_ROUTE_MODEL = 32,          /**< needs a model: 503 while there is none */
    REC_ROUTE_OPEN_METRICS = 128,  /**< for anybody when the configuration says so */
    REC_ROUTE_CACHED = 256,        /**< may ask the cache */
    REC_ROUTE_LOGIN = 64           /**< the stricter limit of logins; argon2id is run */
};

/** All tables, each ending at a NULL path; the list ends at NULL. A file of handlers has its own. */
extern const struct rec_route *const rec_routes[];
extern const struct rec_route rec_handle_service_routes[], rec_handle_recommendations_routes[], rec_handle_movies_routes[],
    rec_handle_feedback_routes[], rec_handle_users_routes[], rec_handle_tokens_routes[], rec_handle_keys_routes[], rec_handle_docs_routes[];

/** The route of that method and path; the path's parameters (segments) go to param. NULL: *allow is empty when no method has that path, else the
 *  value of Allow. */
const struct rec_route *rec_routes_find(enum rec_message_method method, const struct rec_target *target, const char *param[2], char allow[64]);
unsigned rec_routes_may(enum rec_role role);

/* ---- a call ---- */

struct rec_current;

struct rec_call {
    struct rec_serve *serve;
    struct rec_exchange *x;
    const struct rec_route *route;
    const char *param[2];          /**< "{user_id}" ..., NUL-terminated */
    const char *peer;              /**< the client's address, behind trusted proxies */
    const char *network;           /**< what limits go by: the address, of IPv6 the network of 64 bits */
    int64_t now;                   /**< seconds */
    double begun;                  /**< a steady clock */
    double patience;               /**< seconds that this call may still lose to Redis, limits and cache together */

    bool authenticated, by_key;
    struct rec_account account;
    struct rec_api_key key;
    struct rec_token_claims claims;
    unsigned may;                  /**< rec_permission's */

    struct rec_store store;        /**< a connection for this call; store.db NULL when there is none */
    struct rec_sql_version version;/**< of the store, looked at before anything was read of it */
    bool versioned;                /**< there is one */
    bool kept;                     /**< who asks was found without the store, which is not open: rec_call_store opens it */
    int heard;                     /**< whether anything was heard of the caller's user, in a process that lives for one request; -1: not asked */
    struct rec_sql_glance glance;  /**< of the store, after it was opened and before anything was read of it; for those that come after */
    bool glanced;                  /**< there is one */
    struct rec_current *current;   /**< the model, kept until the call ends; or NULL */
    struct rec_json_value *body;   /**< parsed and checked; NULL when there is none */
    struct rec_target form;        /**< REC_ROUTE_FORM: checked */
    struct rec_buf scratch;
};

/** Opens the store, if it was not for who asks (c->kept); 0, or -1. */
int rec_call_store(struct rec_call *c, struct rec_err *err);
/** The caller's user of the data set. */
const char *rec_call_user(const struct rec_call *c);
/** Values of checked parameters; `otherwise` when they were not given. */
int64_t rec_call_int(const struct rec_call *c, const char *name, int64_t otherwise);
double rec_call_real(const struct rec_call *c, const char *name, double otherwise);
bool rec_call_bool(const struct rec_call *c, const char *name, bool otherwise);
const char *rec_call_text(const struct rec_call *c, const char *name);   /**< NULL when not given */
/** A line in the audit log, of this caller. Failures are told, and change no answer. */
void rec_call_audit(struct rec_call *c, const char *action, const char *object, const char *detail);

/* ---- answers ---- */

/** Begins a JSON answer with that status: then write members of the object, and rec_answer_end. */
struct rec_json rec_answer_begin(struct rec_call *c, unsigned status);
void rec_answer_end(struct rec_json *json);
void rec_answer_text(struct rec_json *json, const char *key, const char *text);      /**< NULL: null */
void rec_answer_time(struct rec_json *json, const char *key, int64_t seconds);       /**< RFC 3339; 0: null */
void rec_answer_empty(struct rec_call *c);                                            /**< 204 */
/** A problem: status, and a detail for people; always returns 0, so that a handler can return it. */
int rec_answer_problem(struct rec_call *c, unsigned status, const char *fmt, ...) REC_PRINTF(3, 4);
/** 503 when the store is away, busy or full, else 500; what went wrong is told to whoever runs the service. Returns 0. */
int rec_answer_fault(struct rec_call *c, enum rec_sql_fault fault, const struct rec_err *err);
/** 422 with the places that are wrong: gathered by rec_answer_wrong, sent by the dispatcher. */
void rec_answer_wrong(struct rec_call *c, const char *pointer, const char *fmt, ...) REC_PRINTF(3, 4);
bool rec_answer_has_wrong(const struct rec_call *c);
int rec_answer_wrongs(struct rec_call *c);
/** Written without a call: what a connection answers by itself. */
void rec_answer_bare(struct rec_response *response, unsigned status, const char *detail, const char *instance);

/* ---- check ---- */

/** Parameters of the query against the route's table. Problems are gathered by rec_answer_wrong. */
void rec_check_query(struct rec_call *c);
/** Content-Type, syntax (strict UTF-8, depth at most 32, no key twice), then the route's table: no unknown members, required ones, types, ranges.
 *  @return 0, or the status of a problem that was answered: 400, 415. */
unsigned rec_check_body(struct rec_call *c);
/** One object against a table; pointer is where it stands. */
void rec_check_object(struct rec_call *c, const struct rec_json_value *object, const struct rec_field *fields, const char *pointer);

/* ---- current: the model in use ---- */

struct rec_current {
    _Atomic unsigned users;        /**< calls that hold it, and one for being current */
    struct rec_model model;
    struct rec_labels labels;
    bool has_labels;
    int32_t *item_of;              /**< [catalogue.n] once joined: the model's number of a film, or -1 */
    _Atomic bool joined;           /**< labels.entry and item_of are there: else single films are looked for by id */
    char version[80];              /**< "ials-1a2b3c4d": type and digest */
    int64_t loaded;
    struct stat stat, catalogue_stat;
    pthread_mutex_t making;        /**< of what is made when it is first needed */
    struct rec_similar similar;
    struct rec_foldin foldin;
    struct rec_films *films;       /**< what answers say of films (film.c); NULL: it is written anew each time */
    char key[400];                 /**< what keys of answers say of it (cached.c) */
    _Atomic int key_ready;
    struct rec_screen screen;      /**< items in bytes, where there is one */
    bool has_screen;
    void *screen_memory;
    _Atomic int similar_ready, foldin_ready;
};
#define REC_CURRENT_SIMILAR 100
/** Room for what answers say of films, where a process lives long and there are not too many. */
int rec_film_open(struct rec_current *current, struct rec_err *err);
void rec_film_close(struct rec_current *current);
/** Neighbours of items, REC_CURRENT_SIMILAR of each; NULL when memory is short. */
const struct rec_similar *rec_current_similar(struct rec_current *current, struct rec_err *err);
/** What folding a user in needs; NULL when memory is short. */
const struct rec_foldin *rec_current_foldin(struct rec_current *current, struct rec_err *err);
/** Joins model and catalogue, if they are not: for whom looks at all films. A server does so when it takes them into use. */
int rec_current_join(struct rec_current *current, struct rec_err *err);
struct rec_current *rec_current_take(struct rec_serve *serve);
void rec_current_give(struct rec_current *current);
/** Opens, verifies (or trusts the state directory's record of having verified) and swaps in. */
int rec_current_load(struct rec_serve *serve, bool *changed, struct rec_err *err);
void rec_current_drop(struct rec_serve *serve);

/* ---- limits ---- */

/** As rec_limit_ask, of this host, and of all hosts where they share their limits. */
void rec_limits_ask(struct rec_limit_answer *answer, struct rec_call *c, const void *key, size_t len, const struct rec_limit_rate *rate, double cost);

/* ---- logins: few at once, and waiting after wrong passwords ---- */

/** Before argon2id is run: false when too many are at it, or `name` (NULL: nobody's) has to wait at the caller's address after wrong passwords; that was
 *  answered then. @param lock  for rec_logins_leave. */
bool rec_logins_admit(struct rec_call *c, const char *name, int *lock);
void rec_logins_leave(struct rec_serve *serve, int lock);
void rec_logins_wrong(struct rec_call *c, const char *name);

/* ---- shared: what processes made by fork(2) have in common ---- */

enum { REC_LOGINS_MOST = 64 };
struct rec_serve_shared {
    struct rec_stats *stats;
    struct rec_limit *limit;
    size_t logins;
    pthread_mutex_t login[REC_LOGINS_MOST]; /* robust: a process may die in the middle of one */
};

/* ---- workers: threads for what takes long ---- */

struct rec_workers;
int rec_workers_start(struct rec_workers **out, size_t n, void (*work)(void *context, struct rec_exchange *x), void *context,
                      struct rec_err *err);
/** False when too many wait already. */
bool rec_workers_add(struct rec_workers *w, struct rec_exchange *x);
size_t rec_workers_pending(struct rec_workers *w);
/** Finishes what waits, and ends. NULL is safe. */
void rec_workers_stop(struct rec_workers *w);

/* ---- known: what was read from the store before (known_priv.h) ---- */

struct rec_known;
int rec_known_open(struct rec_known **out, struct rec_err *err);
/** NULL is safe. */
void rec_known_close(struct rec_known *known);

/* ---- kept: what processes for one request leave each other (kept_priv.h) ---- */

struct rec_kept;
/** *out stays NULL where it cannot be had. Needs a state directory and keys. */
int rec_kept_open(struct rec_kept **out, const struct rec_serve *serve, struct rec_err *err);
/** NULL is safe. */
void rec_kept_close(struct rec_kept *kept);

/* ---- client: whose address it is ---- */

struct rec_client_network {
    struct in6_addr address;       /**< of IPv4 as ::ffff:192.0.2.1 */
    unsigned bits;                 /**< of it that count: 128 is the address alone */
};
/** Reads the configuration's proxies. */
int rec_client_open(struct rec_serve *serve, struct rec_err *err);
void rec_client_close(struct rec_serve *serve);
/** Fills c->peer and c->network, which are written to these. */
void rec_client_find(struct rec_call *c, char peer[64], char network[64]);
/** That address in words, also of a request that was refused before it was a call; "" when there is none. */
void rec_client_name(char out[64], const struct rec_serve *serve, const struct rec_exchange *x);

/* ---- answers: that this process made before ---- */

struct rec_answers;
/** @param bytes  that it may take, keys and all */
int rec_answers_open(struct rec_answers **out, size_t bytes, struct rec_err *err);
/** NULL is safe. */
void rec_answers_close(struct rec_answers *answers);
/** Adds the answer to `body`, and, if that is known, compressed to `packed`; false: there is none. */
bool rec_answers_get(struct rec_buf *body, struct rec_buf *packed, struct rec_answers *answers, const char *key, size_t key_len, int64_t now);
/** Keeps it (`packed` may be empty) until then (seconds), or until there is no room. One of more than a quarter of the room is not kept. */
void rec_answers_put(struct rec_answers *answers, const char *key, size_t key_len, const struct rec_buf *body, const struct rec_buf *packed, int64_t until);

/* ---- identity: who is asking ---- */

/** From Authorization or X-API-Key: fills c->account, c->may ... 0: known, or nobody (c->authenticated says which); 1: a problem was answered (401);
 *  -1: the store failed. */
int rec_identity_find(struct rec_call *c, struct rec_err *err);
/** Whether the route is open to the caller: 0, or the status of the problem that was answered: 401, 403. */
unsigned rec_identity_permit(struct rec_call *c);
/** Whether scopes, words with blanks between them, hold that word. */
bool rec_identity_has_scope(const char *scopes, const char *word);

/* ---- dispatch: what every request goes through ---- */

/** The answer to one exchange, on any thread. */
void rec_dispatch_call(struct rec_serve *serve, struct rec_exchange *x);
/** Whether it may wait: for the store, a disk, argon2. */
bool rec_dispatch_is_slow(const struct rec_serve *serve, const struct rec_exchange *x);
/** Fields that every answer has: security, CORS. */
void rec_dispatch_fields(struct rec_serve *serve, struct rec_exchange *x);

/* ---- service: counters ---- */

/** Where the series of requests are kept once they are found. */
struct rec_service_series;
int rec_service_open(struct rec_serve *serve, struct rec_err *err);
void rec_service_close(struct rec_serve *serve);
/** Counts an answer: route (NULL: none), status, time. */
void rec_service_count(struct rec_serve *serve, const struct rec_exchange *x, const struct rec_route *route, size_t bytes, double seconds);

/* ---- the service ---- */

struct rec_serve {
    struct rec_serve_config config;
    struct rec_connection_handler handler;
    struct rec_stats *stats;
    struct rec_service_series *series;
    struct rec_limit *limit;
    struct rec_keyring ring;
    bool has_keys;
    struct rec_token_keys tokens;
    struct rec_sqlpool *pool;
    bool remote;                   /**< the store is a server */
    struct rec_appender *appender; /**< with workers and SQLite; else NULL */
    struct rec_known *known;       /**< with workers and a store; else NULL */
    struct rec_kept *kept;         /**< without workers, with an SQLite store, keys and a state directory; else NULL */
    struct rec_answers *answers;   /**< NULL: none */
    struct rec_cache *cache, *limits; /**< NULL: none. Limits that hosts share; `limit` is asked first all the same */
    struct rec_current *current;   /**< under `swap` */
    pthread_mutex_t swap;
    struct rec_client_network *proxy; /**< [n_proxies] whose X-Forwarded-For is believed */
    size_t n_proxies;
    bool unix_proxy;               /**< and that of who comes by a socket of the file system */
    sem_t logins;                  /**< passwords that may be checked at once in this process */
    struct rec_workers *workers;   /**< NULL: none */
    void (*tell)(void *context, const char *line);
    void *tell_context;
    int64_t started;
};

/** One line to whoever runs the service. */
void rec_serve_say(struct rec_serve *serve, const char *fmt, ...) REC_PRINTF(2, 3);

#endif
