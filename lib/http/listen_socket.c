/* SPDX-License-Identifier: MIT
 *
 * The socket that is listened on: an address of the internet, a file, or one that was handed over.
 */
#include "listen_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the address in words ---- */

static void print_address(struct rec_listen_socket *s, const char *or_else)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    const struct sockaddr_in6 *six = (const void *)&name;
    const struct sockaddr_in *four = (const void *)&name;
    const struct sockaddr_un *local = (const void *)&name;
    char text[INET6_ADDRSTRLEN] = "";

    snprintf(s->address, sizeof s->address, "%s", or_else);
    if (getsockname(s->fd, (struct sockaddr *)&name, &len) < 0)
        return;
    if (name.ss_family == AF_INET6 && inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof text))
        snprintf(s->address, sizeof s->address, "[%s]:%u", text, (unsigned)ntohs(six->sin6_port));
    else if (name.ss_family == AF_INET && inet_ntop(AF_INET, &four->sin_addr, text, sizeof text))
        snprintf(s->address, sizeof s->address, "%s:%u", text, (unsigned)ntohs(four->sin_port));
    else if (name.ss_family == AF_UNIX && local->sun_path[0])
        snprintf(s->address, sizeof s->address, "unix:%.*s", (int)sizeof local->sun_path, local->sun_path);
}

/* ---- of the internet ---- */

/* "host:port", "[::1]:port", ":port" into its parts. */
static int cut_address(char *host, size_t room, const char **port, const char *address, struct rec_err *err)
{
    const char *colon = strrchr(address, ':'), *from = address;
    size_t len = colon ? (size_t)(colon - address) : 0;
    int64_t number;

    *port = colon ? colon + 1 : "";
    if (!colon)
        return rec_err_set(err, "%s: write host:port, [address]:port, :port or unix:/path", address);
    if ((*port)[strspn(*port, "0123456789")] || rec_num_int64(&number, *port, strlen(*port)) < 0 || number > 65535)
        return rec_err_set(err, "%s: the port is a number from 0 to 65535", address);
    if (len >= 2 && from[0] == '[' && from[len - 1] == ']') {
        from++;
        len -= 2;
    } else if (memchr(from, ':', len) || memchr(from, '[', len)) {
        return rec_err_set(err, "%s: write an IPv6 address in brackets, [::1]:8080", address);
    }
    if (len >= room)
        return rec_err_set(err, "%s: the name of the host is too long", address);
    memcpy(host, from, len);
    host[len] = 0;
    return 0;
}

static int bind_one(const struct addrinfo *a, bool all)
{
    int yes = 1, both = !all, fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    /* ":8080" takes IPv4 too, whatever the system's default says; "[::]:8080" does not. */
    if (a->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &both, sizeof both);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int open_internet(struct rec_listen_socket *s, const char *address, struct rec_err *err)
{
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found = NULL;
    const char *port = NULL;
    char host[256];
    int status;

    if (cut_address(host, sizeof host, &port, address, err) < 0)
        return -1;
    status = getaddrinfo(host[0] ? host : NULL, port, &hints, &found);
    if (status)
        return status == EAI_SYSTEM ? rec_err_errno(err, "%s", address) : rec_err_set(err, "%s: no address of that name (%s)", address, gai_strerror(status));
    /* Of all addresses, the IPv6 one that takes IPv4 too comes first. */
    for (int pass = host[0] ? 1 : 0; pass < 2 && s->fd < 0; pass++)
        for (const struct addrinfo *a = found; a && s->fd < 0; a = a->ai_next)
            if (pass || a->ai_family == AF_INET6)
                s->fd = bind_one(a, !host[0]);
    if (s->fd < 0)
        rec_err_errno(err, "%s: cannot listen there", address);
    freeaddrinfo(found);
    return s->fd < 0 ? -1 : 0;
}

/* ---- a file ---- */

/* Two that start at the same moment must not both find the same stale file. Best effort: waits a second at most. */
static int lock_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char directory[sizeof ((struct sockaddr_un *)0)->sun_path];
    int fd;

    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
    fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < 20 && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
        usleep(50000);
    return fd;
}

/* Unlinks a socket file that nobody listens on. */
static int remove_stale(const struct sockaddr_un *name, struct rec_err *err)
{
    struct stat st;
    int fd, status, error;

    if (lstat(name->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : rec_err_errno(err, "%s", name->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return rec_err_set(err, "%s: there is a file of that name, which is no socket", name->sun_path);
    /* One that does not wait: a full queue is somebody who listens. */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return rec_err_errno(err, "%s", name->sun_path);
    status = connect(fd, (const struct sockaddr *)name, sizeof *name);
    error = errno;
    close(fd);
    if (status == 0 || error == EAGAIN)
        return rec_err_set(err, "%s: somebody listens there already", name->sun_path);
    errno = error;
    if (error != ECONNREFUSED || (unlink(name->sun_path) < 0 && errno != ENOENT))
        return rec_err_errno(err, "%s", name->sun_path);
    return 0;
}

static int open_file(struct rec_listen_socket *s, const char *path, struct rec_err *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct stat st;
    int directory;

    if (!path[0] || strlen(path) >= sizeof name.sun_path)
        return rec_err_set(err, "unix:%s: the path of a socket has 1 to %zu bytes", path, sizeof name.sun_path - 1);
    memcpy(name.sun_path, path, strlen(path) + 1);
    directory = lock_directory(path);
    if (remove_stale(&name, err) < 0)
        goto failed;
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* The mode of the socket becomes that of the file, less the umask: at no moment may others connect. */
    if (s->fd < 0 || fchmod(s->fd, 0660) < 0 || bind(s->fd, (const struct sockaddr *)&name, sizeof name) < 0) {
        rec_err_errno(err, "unix:%s: cannot listen there", path);
        goto failed;
    }
    memcpy(s->path, name.sun_path, sizeof s->path);
    if (lstat(path, &st) < 0 || chmod(path, 0660) < 0 || listen(s->fd, SOMAXCONN) < 0) {
        rec_err_errno(err, "unix:%s: cannot listen there", path);
        unlink(path);
        s->path[0] = 0;
        goto failed;
    }
    s->device = st.st_dev;
    s->inode = st.st_ino;
    if (directory >= 0)
        close(directory);
    return 0;
failed:
    if (directory >= 0)
        close(directory);
    return -1;
}

/* ---- handed over ---- */

static int take_inherited(struct rec_listen_socket *s, int fd, struct rec_err *err)
{
    int listens = 0, type = 0, flags = fcntl(fd, F_GETFL);
    socklen_t len = sizeof listens;

    if (flags < 0)
        return rec_err_errno(err, "descriptor %d", fd);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0 || !listens ||
        (len = sizeof type, getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len)) < 0 || type != SOCK_STREAM)
        return rec_err_set(err, "descriptor %d: not a socket that listens", fd);
    /* Others may accept from it too: whoever comes second must not wait. */
    if (fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return rec_err_errno(err, "descriptor %d", fd);
    s->fd = fd;
    s->inherited = true;
    return 0;
}

int rec_listen_socket_open(struct rec_listen_socket *s, const struct rec_listen_options *options, struct rec_err *err)
{
    const char *address = options->address;
    int status;

    *s = (struct rec_listen_socket){.fd = -1};
    if (!address)
        status = take_inherited(s, options->fd, err);
    else if (strncmp(address, "unix:", 5) == 0)
        status = open_file(s, address + 5, err);
    else
        status = open_internet(s, address, err);
    if (status < 0) {
        rec_listen_socket_close(s);
        return -1;
    }
    print_address(s, address ? address : "inherited");
    return 0;
}

void rec_listen_socket_hide(struct rec_listen_socket *s)
{
    struct stat st;

    /* Not the file that another one has put in its place since. */
    if (s->path[0] && lstat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode)
        unlink(s->path);
    s->path[0] = 0;
}

void rec_listen_socket_close(struct rec_listen_socket *s)
{
    rec_listen_socket_hide(s);
    if (s->fd >= 0 && !s->inherited)
        close(s->fd);
    s->fd = -1;
}
