/* SPDX-License-Identifier: MIT
 *
 * What rec-serve and rec-serve-listen share. The first is lean, because it may be started for every request; the second carries the
 * listening loop, TLS and PostgreSQL, and takes the place of the first (exec, same arguments) when one of these is asked for.
 *
 *     rec-serve.c              one connection, or the exec
 *     rec-serve-listen.c       many connections
 *     rec-serve_options.c      the one table of options, and the configuration made of it
 *     rec-serve_connection.c   one connection: what inetd starts a process for
 *     rec-serve_socket.c       what standard input is, and what systemd passed on
 */
#ifndef REC_SERVE_TOOL_H
#define REC_SERVE_TOOL_H

#include "tool.h"

#include <rec/serve.h>

/* ---- options ---- */

extern const struct tool_about serve_about;

struct serve_options {
    const char *listen, *tls_cert, *tls_key, *user, *log, *cache, *limits;
    int64_t workers, threads, connections, per_address, answers;
    double drain;
    bool no_sandbox;
};
extern struct serve_options serve_options;

/** Everything but drivers (also the cache's), workers, answered and the log, from the options. Texts are the options' own. */
int serve_config(struct rec_serve_config *out, const struct tool *tool, struct rec_err *err);
/** Makes the keyring that the configuration names where there is none, unless the store needs one that was lost. To be called as the user that the service runs as,
 *  whose file it becomes. */
int serve_keys(const struct rec_serve_config *config, struct tool *tool, const struct rec_sql_driver *const *drivers, struct rec_err *err);
/** The file of an SQLite store; NULL: no store, or PostgreSQL. */
const char *serve_store_file(void);
/** Whether the store is a server, which the lean program does not link the client of. */
bool serve_store_is_server(void);
/** The state directory, made (0700) when it is not there. @param user, group  whose it becomes when it is made; -1: ours */
int serve_state(int64_t user, int64_t group, struct rec_err *err);
/** The access log. @param otherwise  what --log is when it is not given: "-" or "none" */
int serve_log(struct rec_serve_config *config, const char *otherwise, struct rec_err *err);

/* ---- one connection ---- */

/** Serves the connection on `in` and `out`; an exit status. A service that cannot be opened is a 503 to the client, and an error here. */
int serve_connection(struct tool *tool, int in, int out, const struct rec_sql_driver *const *drivers, const struct rec_cache_driver *cache);

/* ---- sockets ---- */

enum serve_input {
    SERVE_NOTHING,            /**< a terminal, /dev/null: nobody to talk to */
    SERVE_CONNECTION,         /**< a connected socket, a pipe, a file */
    SERVE_LISTENING           /**< a socket that listens */
};
/** What there is to serve on: what systemd passed on (sd_listen_fds(3)), else standard input. @param out  where to write to */
int serve_input(enum serve_input *what, int *in, int *out, struct rec_err *err);
/** A client that is also standard error must not read our messages: then they go to the system's log. To be called first. */
void serve_spare_client(void);
/** Tells the service manager (sd_notify(3)), if there is one: "READY=1". */
void serve_notify(const char *state);

#endif
