/* SPDX-License-Identifier: MIT
 *
 * What a server is started with: the conventions of inetd (a connection, or a listening socket, as standard input) and of systemd
 * (sd_listen_fds(3), sd_notify(3)), without its library.
 */
#include "rec-serve.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

enum { FIRST_PASSED = 3 }; /* SD_LISTEN_FDS_START */

static enum serve_input kind(int fd)
{
    struct stat st;
    int listening = 0;
    socklen_t len = sizeof listening;

    if (fstat(fd, &st) < 0 || S_ISCHR(st.st_mode))
        return SERVE_NOTHING;
    if (S_ISSOCK(st.st_mode) && getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening)
        return SERVE_LISTENING;
    return SERVE_CONNECTION;
}

/* LISTEN_PID says whom the sockets are for: a child of a service that inherits the environment must not take them. */
static int passed(int64_t *n, struct rec_err *err)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    int64_t whose;

    *n = 0;
    if (!pid || !fds || rec_num_int64(&whose, pid, strlen(pid)) < 0 || whose != (int64_t)getpid())
        return 0;
    if (rec_num_int64(n, fds, strlen(fds)) < 0 || *n < 0)
        return rec_err_set(err, "LISTEN_FDS: no number");
    return *n <= 1 ? 0 : rec_err_set(err, "LISTEN_FDS: %lld sockets; a server takes one", (long long)*n);
}

int serve_input(enum serve_input *what, int *in, int *out, struct rec_err *err)
{
    int64_t n;

    if (passed(&n, err) < 0)
        return -1;
    *in = n == 1 ? FIRST_PASSED : STDIN_FILENO;
    *out = n == 1 ? FIRST_PASSED : STDOUT_FILENO;
    *what = kind(*in);
    return 0;
}

/* ---- messages ---- */

static ssize_t to_system_log(void *cookie, const char *text, size_t len)
{
    (void)cookie;
    syslog(LOG_DAEMON | LOG_ERR, "%.*s", (int)len, text);
    return (ssize_t)len;
}

void serve_spare_client(void)
{
    struct stat in, err;
    FILE *stream;

    if (fstat(STDIN_FILENO, &in) < 0 || !S_ISSOCK(in.st_mode) || fstat(STDERR_FILENO, &err) < 0 || in.st_dev != err.st_dev ||
        in.st_ino != err.st_ino)
        return;
    stream = fopencookie(NULL, "w", (cookie_io_functions_t){.write = to_system_log});
    if (!stream || !freopen("/dev/null", "w", stderr))
        exit(TOOL_FAILED);
    setvbuf(stream, NULL, _IOLBF, 0);
    openlog("rec-serve", LOG_PID, LOG_DAEMON);
    stderr = stream;
}

/* ---- the service manager ---- */

void serve_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    int fd;

    if (len < 2 || len >= sizeof to.sun_path || (*path != '/' && *path != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (*path == '@') /* the abstract name space, where there are no files */
        to.sun_path[0] = 0;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}
