/* SPDX-License-Identifier: MIT
 *
 * serve: the HTTP API: recommendations, feedback, movies, accounts, over a model file and a store.
 *
 *     serve      opening a service, handing requests to threads, the access log
 *     routes     the tables of routes: method, path, who may, what parameters and body; roles
 *     check      parameters and bodies against those tables
 *     dispatch   the steps of every request
 *     call       what handlers ask of it: the caller's user, parameters
 *     film, history   films in answers; what is known of a user at this moment
 *     identity   who is asking, and whether they may
 *     answer     JSON answers and problems (RFC 9457)
 *     workers    threads for what takes long
 *     client     whose address it is, behind proxies
 *     limits     the limits of a request: this host's, and those that hosts share
 *     logins     few passwords checked at once, and waiting after wrong ones
 *     current    the model in use: verified, swapped without a failed request
 *     service    counters
 *     known      what was read from the store before, as long as nothing was committed since
 *     cached     answers that were made before, by this process (answers) or by one that shares a cache
 *     guard      words when a mapped file is made shorter
 *     supervise  a process that has others do the work, and starts them anew
 *     sandbox    giving up files and system calls that a server has no use for
 *     handle_*   the handlers, each file with its routes: recommendations, movies, feedback, users, tokens, keys, docs, service
 *
 *     struct rec_serve *serve;
 *     struct rec_serve_config config = {.model = "model.rec", .catalogue = "movies.rec", .store = "rec.db", .state = "/run/rec"};
 *     if (rec_serve_open(&serve, &config, &err) < 0) ...
 *     rec_inetd_serve(0, 1, rec_serve_handler(serve), &rec_message_limits, &rec_inetd_timeouts, &stop, &err);
 *
 * One service serves all threads of a process. Everything that processes share lies in the state directory: counters, rate limits, the record
 * of the model that was verified.
 */
#ifndef REC_SERVE_H
#define REC_SERVE_H

#include <rec/auth.h>
#include <rec/cache.h>
#include <rec/http.h>
#include <rec/observe.h>
#include <rec/store.h>

struct rec_serve;

/** Texts are borrowed for the life of the service. Zero, or NULL, is a default that works. */
struct rec_serve_config {
    const char *model;               /**< a rec.model file */
    const char *catalogue;           /**< a rec.catalogue/1 file, or NULL: no titles */
    const char *store;               /**< URL; NULL: no accounts, no feedback: everybody may ask for recommendations */
    const char *keys;                /**< the keyring; NULL: tokens, accounts' e-mail and API keys' check work without what needs it */
    const struct rec_sql_driver *const *drivers;
    const char *state;               /**< a directory of ours; NULL: counters and limits of this process alone, or of those that have `shared` */
    struct rec_serve_shared *shared; /**< of processes made by fork(2): opened before; NULL: this one is alone */
    const char *cache;               /**< "redis://host:6379/0", "unix:/run/redis.sock" (rec_cache_open); NULL: none */
    const char *limits;              /**< a server as of `cache` that keeps the limits of several hosts; NULL: each host has its own */
    size_t answers;                  /**< bytes for answers that this process made before, with workers; 0: none are kept */
    const struct rec_cache_driver *cache_driver; /**< with either: &rec_redis; named here so that a program without one links no client of Redis */
    const char *issuer, *audience;   /**< of tokens: "rec" and "rec" */
    enum rec_token_alg alg;          /**< that new tokens are signed with */
    double access_life, refresh_life;/**< seconds: 900 and 1,209,600 */
    struct rec_limit_rate per_address, per_account, per_login; /**< burst 0: 20/s 100, 50/s 200, 0.1/s 5 */
    size_t limit_keys;               /**< 65536 */
    size_t logins;                   /**< argon2id hashes at once, in all processes; 0: 2 */
    const char *const *proxies;      /**< addresses, or networks ("10.0.0.0/8"), whose X-Forwarded-For is believed, "unix": sockets of the file system;
                                          ends in NULL; or NULL */
    const char *const *origins;      /**< of CORS, "https://app.example.org" or "*"; ends in NULL; or NULL: no CORS */
    bool registration_closed;        /**< POST /users/register is for administrators */
    bool open_metrics;               /**< /metrics asks nobody who they are */
    bool secure;                     /**< TLS here or in front: Strict-Transport-Security is sent */
    size_t workers;                  /**< threads for what takes long; 0: everything on the thread that asks (a process for one request) */
    void (*answered)(struct rec_exchange *x); /**< with workers: rec_listen_answered; named here so that a program without them links no listener */
    int log_fd;                      /**< access log; -1: none */
    bool log_json;
    const char *version;             /**< of the program */
};

/** Counters, limits and the number of logins at once, for the processes that fork(2) makes after it, from the configuration's state, limit_keys and
 *  logins. Closed by the parent, after its children have gone. */
struct rec_serve_shared;
int rec_serve_shared_open(struct rec_serve_shared **out, const struct rec_serve_config *config, struct rec_err *err);
void rec_serve_shared_close(struct rec_serve_shared *shared);

int rec_serve_open(struct rec_serve **out, const struct rec_serve_config *config, struct rec_err *err);
/** Waits for what is under way. NULL is safe. */
void rec_serve_close(struct rec_serve *serve);
/** What rec_inetd_serve and rec_listen_open are given. */
const struct rec_connection_handler *rec_serve_handler(struct rec_serve *serve);
/** Looks whether the model (or catalogue) file is another one than before; takes it when it is whole. A broken file is not taken: -1, and the
 *  old one stays, unless it was in the same file, which was changed in place: then there is none. Safe while requests run, which keep the one that they began with. @param changed  whether the one in use is another one now, or there is
 *  none any more; may be NULL. */
int rec_serve_reload(struct rec_serve *serve, bool *changed, struct rec_err *err);
/** How many answers are being made by worker threads. */
size_t rec_serve_pending(struct rec_serve *serve);
/** Where what is wrong and no client's fault is told: one line; NULL: nowhere. Set before the first request. */
void rec_serve_tell(struct rec_serve *serve, void (*tell)(void *context, const char *line), void *context);
/** The OpenAPI document that is served, NUL-terminated. */
const char *rec_serve_openapi(void);

/** What is counted in STATE/stats; ends in NULL. rec-metrics(1) reads it by the same table. */
extern const struct rec_prom_metric *const rec_service_metrics[];

/* ---- guard ----------------------------------------------------------------------------------------
 *
 * A file that is mapped (a model, a catalogue, counters) and made shorter by somebody is memory that is not there any more: the kernel sends SIGBUS to
 * who reads it, in the middle of a request.
 */
/** From now on that ends this process with a line that names the file, of which `end` is told: it may end the process in its own way, which else SIGBUS
 *  does. It runs in the place of what read the file, on its thread, and may use what that did not hold. */
void rec_guard_start(void (*end)(void *context, const char *line), void *context);

/* ---- supervise ------------------------------------------------------------------------------------
 *
 *     struct rec_worker worker;
 *     int role = rec_supervise(&worker, &(struct rec_supervise_options){.workers = 2, .patience = 40, .tell = tell}, &err);
 *     if (role != REC_WORKER) ...       // the supervisor, after all: 0, or -1
 *     ...                               // a worker: handlers of SIGUSR1 (what SIGHUP is else) and SIGUSR2 (SIGTERM), all that it needs, and then:
 *     rec_supervise_ready(&worker);
 *
 * Called in a process of one thread. The first worker is started, and the others when it is ready; when one of them ends before all were
 * ready, so do the others, and the supervisor: -1, with no words in err where the worker has said why. After that one that ends is started anew: at once when it had
 * lived for five seconds, else after 0.1 s, and twice that each time, up to 5 s; SIGHUP starts it at once.
 *
 * Workers are told of SIGTERM and SIGINT, and of the end of the supervisor, by SIGUSR2; of SIGHUP by SIGUSR1. The same signals sent to them are blocked
 * until rec_supervise_ready, and to be ignored then: they may have been sent to the whole group.
 */
struct rec_worker {
    size_t which;                    /**< from 0 on */
    bool again;                      /**< there was another one before it */
    int ready;                       /**< where it says so */
};
struct rec_supervise_options {
    size_t workers;                  /**< 1 to 256 */
    double patience;                 /**< seconds after which those that do not stop are killed */
    void (*begin)(void *context);                   /**< all are ready; or NULL, as the next two */
    void (*stop)(void *context);                    /**< the end has come; the workers are not yet told */
    void (*gone)(void *context, size_t which);      /**< that worker is no more */
    void (*tell)(void *context, const char *line);
    void *context;
};
enum { REC_WORKER = 1 };
int rec_supervise(struct rec_worker *out, const struct rec_supervise_options *options, struct rec_err *err);
void rec_supervise_ready(struct rec_worker *worker);

/* ---- sandbox --------------------------------------------------------------------------------------
 *
 *     struct rec_sandbox_path paths[] = {{"models", false}, {"/var/lib/rec", true}};
 *     unsigned entered;
 *     if (rec_sandbox_enter(&entered, paths, 2, &err) < 0) ...      // before rec_serve_open: threads begin with what their maker may do
 */
struct rec_sandbox_path {
    const char *path;                /**< a directory with all below it, or a file; one that is not there grants nothing; NULL is skipped */
    bool write;                      /**< also written, made and removed */
};
enum {
    REC_SANDBOX_FILES = 1,           /**< Landlock: only `paths` can be opened, and nothing executed */
    REC_SANDBOX_CALLS = 2            /**< seccomp: a system call that no server makes ends the process */
};
/** For the rest of this process. Open descriptors stay as they are. @param entered  what the kernel has of it, and is now in force.
 *  @return 0, or -1: what the kernel has cannot be used. */
int rec_sandbox_enter(unsigned *entered, const struct rec_sandbox_path *paths, size_t n, struct rec_err *err);

#endif
