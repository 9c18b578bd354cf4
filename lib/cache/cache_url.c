/* SPDX-License-Identifier: MIT
 *
 * URLs of caches: redis://[[user]:password@]host[:port][/database] and unix:[//[[user]:password@]]/path[?db=database] (as redis-py and hiredis' users
 * write them). Messages never repeat the URL: a password is in it.
 */
#include "cache_priv.h"

#include <string.h>

/* A piece of the URL with its percent-encoding undone; "" is a piece. */
static int take(char *out, size_t room, const char *text, size_t len, const char *what, struct rec_err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == '%') {
            if (len - i < 3 || rec_secret_unhex(&c, 1, text + i + 1, 2) < 0)
                return rec_err_set(err, "Redis URL: %s: wrong percent-encoding", what);
            i += 2;
        }
        if (!c || n + 1 >= room)
            return rec_err_set(err, "Redis URL: %s: %s", what, c ? "too long" : "holds a NUL");
        out[n++] = c;
    }
    out[n] = 0;
    return 0;
}

static int take_number(int64_t *out, const char *text, size_t len, int64_t most, const char *what, struct rec_err *err)
{
    if (rec_num_int64(out, text, len) < 0 || *out < 0 || *out > most)
        return rec_err_set(err, "Redis URL: %s: not a number of 0 to %lld", what, (long long)most);
    return 0;
}

/* "user:password@" before `end`; *rest is what follows. A password alone has its colon too. */
static int take_credentials(struct rec_cache_address *out, const char **rest, const char *text, const char *end, struct rec_err *err)
{
    const char *at = memrchr(text, '@', (size_t)(end - text)), *colon;

    *rest = text;
    if (!at)
        return 0;
    *rest = at + 1;
    colon = memchr(text, ':', (size_t)(at - text));
    if (!colon)
        return rec_err_set(err, "Redis URL: a user without a password: write ':password@'");
    if (take(out->user, sizeof out->user, text, (size_t)(colon - text), "user", err) < 0)
        return -1;
    return take(out->password, sizeof out->password, colon + 1, (size_t)(at - colon - 1), "password", err);
}

static int take_host(struct rec_cache_address *out, const char *text, const char *end, struct rec_err *err)
{
    const char *host = text, *host_end = end, *colon;
    int64_t port = 6379;

    if (text < end && *text == '[') {
        host = text + 1;
        host_end = memchr(text, ']', (size_t)(end - text));
        if (!host_end || (host_end + 1 < end && host_end[1] != ':'))
            return rec_err_set(err, "Redis URL: host: no ']' at the end of its address");
        colon = host_end + 1 < end ? host_end + 1 : NULL;
    } else {
        colon = memchr(text, ':', (size_t)(end - text));
        host_end = colon ? colon : end;
    }
    if (colon && (take_number(&port, colon + 1, (size_t)(end - colon - 1), 65535, "port", err) < 0 || !port))
        return port ? -1 : rec_err_set(err, "Redis URL: port: not a number of 1 to 65535");
    if (take(out->host, sizeof out->host, host, (size_t)(host_end - host), "host", err) < 0)
        return -1;
    if (!out->host[0])
        return rec_err_set(err, "Redis URL: there is no host in it: write redis://host:6379/0");
    snprintf(out->port, sizeof out->port, "%d", (int)port);
    return 0;
}

static int read_redis(struct rec_cache_address *out, const char *text, struct rec_err *err)
{
    const char *end = text + strcspn(text, "/?#"), *rest;

    if (*end == '?' || *end == '#' || strpbrk(end, "?#"))
        return rec_err_set(err, "Redis URL: knows no parameters: the database stands behind the host, /0");
    if (take_credentials(out, &rest, text, end, err) < 0 || take_host(out, rest, end, err) < 0)
        return -1;
    return *end && end[1] ? take_number(&out->database, end + 1, strlen(end + 1), 1000000, "database", err) : 0;
}

static int read_unix(struct rec_cache_address *out, const char *text, struct rec_err *err)
{
    const char *path = text, *end = text + strcspn(text, "?");

    if (strncmp(text, "//", 2) == 0) {
        const char *slash = strchr(text + 2, '/');

        if (!slash || take_credentials(out, &path, text + 2, slash, err) < 0)
            return slash ? -1 : rec_err_set(err, "Redis URL: there is no path in it: write unix:/run/redis/redis.sock");
        if (path != slash)
            return rec_err_set(err, "Redis URL: a Unix socket has no host: write unix:/run/redis/redis.sock");
        path = slash;
    }
    if (*path != '/')
        return rec_err_set(err, "Redis URL: the path of a socket has to begin with '/'");
    if (take(out->path, sizeof out->path, path, (size_t)(end - path), "path", err) < 0)
        return -1;
    if (!*end)
        return 0;
    if (strncmp(end, "?db=", 4) != 0)
        return rec_err_set(err, "Redis URL: of parameters there is ?db=NUMBER alone");
    return take_number(&out->database, end + 4, strlen(end + 4), 1000000, "database", err);
}

int rec_cache_url_read(struct rec_cache_address *out, const char *url, struct rec_err *err)
{
    *out = (struct rec_cache_address){.database = 0};
    if (strncmp(url, "redis://", 8) == 0)
        return read_redis(out, url + 8, err);
    if (strncmp(url, "unix:", 5) == 0)
        return read_unix(out, url + 5, err);
    if (strncmp(url, "rediss://", 9) == 0)
        return rec_err_set(err, "Redis URL: there is no TLS to it: use a Unix socket, or a tunnel (stunnel)");
    return rec_err_set(err, "Redis URL: neither redis://host:port/database nor unix:/path");
}
