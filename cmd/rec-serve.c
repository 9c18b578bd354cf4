/* SPDX-License-Identifier: MIT
 *
 * rec-serve: recommendations over HTTP.
 *
 * This program may be started for each connection, so it is lean: what it does itself is one connection. It gives way to rec-serve-listen,
 * which has the same options, when it is to listen, or needs what would make its own start slow (rec-serve.h).
 */
#include "rec-serve.h"

#include <rec/cache.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef REC_LIBEXECDIR /* the Makefile says where `make install` puts it */
#define REC_LIBEXECDIR "/usr/local/libexec"
#endif

static const struct rec_sql_driver *const drivers[] = {&rec_sqlite_driver, NULL};

/* Beside this program as `make` leaves it, or where `make install` puts programs that are for other programs. Returns when there is none. */
static void become_listener(struct rec_err *err, char **argv)
{
    static const char *const places[] = {"/rec-serve-listen", "/../libexec/rec/rec-serve-listen", NULL};
    char self[4096], path[4200];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    self[n < 0 ? 0 : n] = 0;
    slash = strrchr(self, '/');
    for (const char *const *p = places; slash && *p; p++) {
        *slash = 0;
        snprintf(path, sizeof path, "%s%s", self, *p);
        execv(path, argv);
        if (errno != ENOENT && errno != ENOTDIR) {
            rec_err_errno(err, "%s", path);
            return;
        }
    }
    execv(REC_LIBEXECDIR "/rec/rec-serve-listen", argv);
    rec_err_errno(err, "rec-serve-listen, beside this program or in " REC_LIBEXECDIR "/rec");
}

/* Whether the server of that URL has a name. Names are looked up by what a static program has not: libraries that the system's configuration names. */
static bool has_name(const char *url)
{
    const char *at = url && !strncmp(url, "redis://", 8) ? url + 8 : NULL, *end, *begin;
    struct in6_addr address;
    char host[INET6_ADDRSTRLEN];
    size_t len;

    if (!at)
        return false; /* none, a Unix socket, or no URL at all, which is told when it is opened */
    end = at + strcspn(at, "/?#");
    begin = memrchr(at, '@', (size_t)(end - at));
    begin = begin ? begin + 1 : at;
    len = *begin == '[' ? strcspn(++begin, "]/") : strcspn(begin, ":/?#");
    if (len >= sizeof host)
        return true;
    memcpy(host, begin, len);
    host[len] = 0;
    return inet_pton(AF_INET, host, &address) != 1 && inet_pton(AF_INET6, host, &address) != 1;
}

/* Parsing moves operands to the front; the sibling is given what we were given. */
static char **copy_arguments(int argc, char **argv)
{
    char **copy = calloc((size_t)argc + 1, sizeof *copy);

    if (copy)
        memcpy(copy, argv, (size_t)argc * sizeof *copy);
    return copy;
}

int main(int argc, char **argv)
{
    char **given = copy_arguments(argc, argv);
    struct rec_err err = {0};
    struct tool tool;
    enum serve_input what;
    int in, out;

    serve_spare_client();
    tool_start(&tool, &serve_about, argc, argv);
    if (!given)
        return tool_fail(&tool, &err);
    if (serve_input(&what, &in, &out, &err) < 0)
        return tool_fail(&tool, &err);
    if (serve_options.listen || what == SERVE_LISTENING || serve_store_is_server() || has_name(serve_options.cache) ||
        has_name(serve_options.limits)) {
        become_listener(&err, given);
        return tool_fail(&tool, &err);
    }
    free(given);
    if (what == SERVE_NOTHING)
        return tool_usage(&tool, "standard input is no connection: --listen ADDRESS, or let inetd or systemd start this");
    if (serve_options.tls_cert || serve_options.tls_key || serve_options.user)
        return tool_usage(&tool, "--tls-cert, --tls-key and --user are for a server that listens");
    return serve_connection(&tool, in, out, drivers, &rec_redis);
}
