/* SPDX-License-Identifier: MIT
 *
 * The options of rec-serve and rec-serve-listen, and the configuration of the service that they make.
 */
#include "rec-serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct serve_options serve_options = {.answers = 4, .workers = 1, .threads = 4, .connections = 10000, .drain = 30};

static const char *catalogue, *store, *keys, *state, *issuer = "rec", *audience = "rec", *alg = "HS256", *log_format = "text";
static const char *rate_address = "100/5", *rate_account = "200/4", *rate_login = "5/50";
static int64_t access_life = 900, refresh_life = 1209600;
static bool closed_registration, open_metrics, secure;
static struct rec_opt_list proxies, origins;

static struct rec_opt opts[] = {
    {'l', "listen", "ADDRESS", REC_OPT_TEXT, &serve_options.listen, .help = "listen on 127.0.0.1:8080, [::1]:8080, :8080 or unix:/run/rec.sock"},
    {'c', "catalogue", "FILE", REC_OPT_FILE, &catalogue, .help = "titles, years and genres"},
    {0, "store", "URL", REC_OPT_FILE, &store, .flags = REC_OPT_COMMON | REC_OPT_URL,
     .help = "accounts and feedback: an SQLite file, or postgresql://user@host/database"},
    {0, "keys", "FILE", REC_OPT_FILE, &keys, .flags = REC_OPT_COMMON, .help = "the keyring; else rec.keys beside an SQLite file"},
    {0, "cache", "URL", REC_OPT_TEXT, &serve_options.cache, .flags = REC_OPT_URL,
     .help = "keep answers there: redis://host:6379/0 or unix:/run/redis.sock"},
    {0, "limits", "URL", REC_OPT_TEXT, &serve_options.limits, .flags = REC_OPT_URL,
     .help = "share limits with other hosts by a Redis there"},
    {0, "answers", "MB", REC_OPT_INT, &serve_options.answers, .min = 0, .max = 65536, .help = "keep answers in so much memory of this process; 0: none"},
    {0, "state", "DIR", REC_OPT_FILE, &state, .help = "what processes share: counters and limits; made when it is not there"},
    {0, "tls-cert", "FILE", REC_OPT_FILE, &serve_options.tls_cert, .help = "certificate and its chain (PEM)"},
    {0, "tls-key", "FILE", REC_OPT_FILE, &serve_options.tls_key, .help = "its private key (PEM)"},
    {0, "secure", NULL, REC_OPT_FLAG, &secure, .help = "TLS is in front of this server: say so to browsers"},
    {0, "workers", "N", REC_OPT_INT, &serve_options.workers, .min = 0, .max = REC_LISTEN_PROCESSES, .help = "processes that answer; 0: one for each processor"},
    {0, "threads", "N", REC_OPT_INT, &serve_options.threads, .min = 0, .max = 256, .help = "threads of each for what waits for disks and databases"},
    {0, "connections", "N", REC_OPT_INT, &serve_options.connections, .min = 1, .max = 1000000, .help = "connections at once"},
    {0, "connections-per-address", "N", REC_OPT_INT, &serve_options.per_address, .min = 0, .max = 1000000,
     .help = "connections at once of one address; 0: no such limit"},
    {0, "drain", "SECONDS", REC_OPT_REAL, &serve_options.drain, .min = 0.001, .max = 3600, .help = "how long a stop waits for requests under way"},
    {0, "user", "NAME", REC_OPT_TEXT, &serve_options.user, .help = "become this user once the address is bound"},
    {0, "no-sandbox", NULL, REC_OPT_FLAG, &serve_options.no_sandbox, .help = "do without seccomp and Landlock"},
    {0, "issuer", "TEXT", REC_OPT_TEXT, &issuer, .help = "of tokens: who issues them"},
    {0, "audience", "TEXT", REC_OPT_TEXT, &audience, .help = "of tokens: whom they are for"},
    {0, "alg", "ALGORITHM", REC_OPT_CHOICE, &alg, .choices = "HS256|EdDSA", .help = "how new tokens are signed"},
    {0, "access-life", "SECONDS", REC_OPT_INT, &access_life, .min = 1, .max = 86400 * 365.0, .help = "life of an access token"},
    {0, "refresh-life", "SECONDS", REC_OPT_INT, &refresh_life, .min = 1, .max = 86400 * 3650.0, .help = "life of a refresh token"},
    {0, "rate-address", "N/SECONDS", REC_OPT_TEXT, &rate_address, .help = "requests of one address, at once and in so many seconds"},
    {0, "rate-account", "N/SECONDS", REC_OPT_TEXT, &rate_account, .help = "requests of one account or key"},
    {0, "rate-login", "N/SECONDS", REC_OPT_TEXT, &rate_login, .help = "logins of one address"},
    {0, "proxy", "ADDRESS", REC_OPT_LIST, &proxies, .help = "believe the X-Forwarded-For of this address or network; may be repeated"},
    {0, "origin", "ORIGIN", REC_OPT_LIST, &origins, .help = "pages that may ask from a browser (CORS), or *; may be repeated"},
    {0, "closed-registration", NULL, REC_OPT_FLAG, &closed_registration, .help = "only administrators make accounts"},
    {0, "open-metrics", NULL, REC_OPT_FLAG, &open_metrics, .help = "/metrics asks nobody who they are"},
    {0, "log", "FILE", REC_OPT_FILE, &serve_options.log, .help = "access log; - is standard error, none is none"},
    {0, "log-format", "FORMAT", REC_OPT_CHOICE, &log_format, .choices = "text|json", .help = "form of its lines"},
    {0},
};

const struct tool_about serve_about = {
    .name = "rec-serve",
    .synopsis = "[options] MODEL",
    .summary = "recommendations over HTTP",
    .opts = opts,
    .min_operands = 1,
    .max_operands = 1,
    .more = "Without --listen, standard input is the connection (inetd, tcpserver, a pipe) or a socket that listens (systemd).",
};

/* ---- the store ---- */

bool serve_store_is_server(void)
{
    return store && (!strncmp(store, "postgresql:", 11) || !strncmp(store, "postgres:", 9));
}

const char *serve_store_file(void)
{
    if (!store || serve_store_is_server())
        return NULL;
    if (!strncmp(store, "sqlite://", 9))
        return store + 9;
    return strncmp(store, "sqlite:", 7) == 0 ? store + 7 : store;
}

/* As rec-db finds it, so that what it made is what is used. */
static const char *find_keys(void)
{
    static char beside[4096];
    const char *file = serve_store_file(), *slash = file ? strrchr(file, '/') : NULL;

    if (keys || !store)
        return keys;
    snprintf(beside, sizeof beside, "%.*srec.keys", slash ? (int)(slash - file) + 1 : 0, file ? file : "");
    return beside;
}

/* ---- the configuration ---- */

/* "100/5": a burst of 100, and 100 in every 5 seconds. */
static int rate(struct rec_limit_rate *out, const char *text, const char *option, struct rec_err *err)
{
    const char *slash = strchr(text, '/');
    double n, seconds;

    if (!slash || rec_num_double(&n, text, (size_t)(slash - text)) < 0 || rec_num_double(&seconds, slash + 1, strlen(slash + 1)) < 0 ||
        !(n >= 1 && n <= 1e9) || !(seconds >= 0.001 && seconds <= 1e9))
        return rec_err_set(err, "--%s: %s: N/SECONDS is wanted, as 100/5", option, text);
    *out = (struct rec_limit_rate){.per_second = n / seconds, .burst = n};
    return 0;
}

/* Ends in NULL; NULL itself when there are none. */
static const char *const *ended(const char *out[REC_OPT_LIST_MAX + 1], const struct rec_opt_list *list)
{
    memcpy(out, list->text, list->n * sizeof *out);
    out[list->n] = NULL;
    return list->n ? out : NULL;
}

int serve_config(struct rec_serve_config *out, const struct tool *tool, struct rec_err *err)
{
    static const char *proxy[REC_OPT_LIST_MAX + 1], *origin[REC_OPT_LIST_MAX + 1];
    *out = (struct rec_serve_config){
        .model = tool_operand(tool, 0), .catalogue = catalogue, .store = store, .keys = find_keys(), .state = state, .cache = serve_options.cache,
        .limits = serve_options.limits,
        .issuer = issuer, .audience = audience, .alg = strcmp(alg, "EdDSA") == 0 ? REC_TOKEN_EDDSA : REC_TOKEN_HS256,
        .access_life = (double)access_life, .refresh_life = (double)refresh_life,
        .proxies = ended(proxy, &proxies), .origins = ended(origin, &origins),
        .registration_closed = closed_registration, .open_metrics = open_metrics, .secure = secure || serve_options.tls_cert,
        .log_fd = -1, .log_json = strcmp(log_format, "json") == 0, .version = tool_version(),
    };
    return rate(&out->per_address, rate_address, "rate-address", err) < 0 || rate(&out->per_account, rate_account, "rate-account", err) < 0 ||
                   rate(&out->per_login, rate_login, "rate-login", err) < 0
               ? -1
               : 0;
}

int serve_keys(const struct rec_serve_config *config, struct tool *tool, const struct rec_sql_driver *const *drivers, struct rec_err *err)
{
    struct rec_store open = {0};
    struct rec_sql_options options = {.drivers = drivers, .one_shot = true};
    int made;

    if (!config->keys || access(config->keys, R_OK) == 0)
        return 0;
    if (errno != ENOENT)
        return rec_err_errno(err, "%s", config->keys);
    if (store && rec_store_open(&open, store, NULL, &options, err) < 0)
        return -1;
    made = rec_keys_make(config->keys, open.db, (int64_t)time(NULL), err);
    rec_store_close(&open);
    if (made < 0)
        return rec_err_prefix(err, "keys");
    if (made)
        tool_note(tool, "%s: a new keyring; keep a copy of it elsewhere: e-mail and backups are lost without it", config->keys);
    return 0;
}

int serve_state(int64_t user, int64_t group, struct rec_err *err)
{
    struct stat st;

    if (!state)
        return 0;
    if (mkdir(state, 0700) == 0)
        return user < 0 || lchown(state, (uid_t)user, (gid_t)group) == 0 ? 0 : rec_err_errno(err, "%s", state);
    if (errno != EEXIST || stat(state, &st) < 0)
        return rec_err_errno(err, "%s", state);
    return S_ISDIR(st.st_mode) ? 0 : rec_err_set(err, "%s: no directory", state);
}

int serve_log(struct rec_serve_config *config, const char *otherwise, struct rec_err *err)
{
    const char *log = serve_options.log ? serve_options.log : otherwise;

    config->log_fd = -1;
    if (!strcmp(log, "none"))
        return 0;
    if (!strcmp(log, "-")) {
        config->log_fd = STDERR_FILENO;
        return 0;
    }
    config->log_fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    return config->log_fd < 0 ? rec_err_errno(err, "%s", log) : 0;
}
