/* SPDX-License-Identifier: MIT
 *
 * Redis: RESP2 (the protocol, https://redis.io/docs/reference/protocol-spec), written and read by hiredis, on sockets of our own: hiredis
 * bounds each read, and what has to be bounded is the whole call, also against a server that sends one byte at a time.
 *
 * An answer's first byte is looked at before hiredis sees it: none of ours is an array, so that no server can make it build nested ones.
 */
#include <rec/cache.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

enum { ADDRESSES = 8, FIRST_LINE = 1024 };

struct addresses {
    struct sockaddr_storage at[ADDRESSES];
    socklen_t len[ADDRESSES];
    size_t n;
};

struct server {
    struct rec_cache_address address;
    char name[300];                /* of messages */
    pthread_mutex_t lock;          /* of `known` and `cause` */
    struct addresses known;
    int cause;                     /* why there are none: getaddrinfo's */
    _Atomic unsigned first;        /* the address that is tried first */
    _Atomic bool looking;          /* a thread is looking the host up */
    _Atomic unsigned users;        /* that thread, and the owner */
};

struct connection {
    const struct server *server;   /* outlived by none of its connections */
    int fd;
    redisReader *reader;
    redisReply *reply;             /* the last one: its text is borrowed */
    size_t received;               /* bytes of it */
    bool headed;                   /* its first line has come whole */
};

/* ---- finding the server ---- */

/* Looking a host up may take any time: it is done when the cache is opened, and then, if it does not answer, by a thread that nobody waits for. A host
 * that has no address yet may get one later: containers do. */
static void look_up(struct server *s)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list = NULL;
    int cause = getaddrinfo(s->address.host, s->address.port, &hints, &list);
    struct addresses found = {.n = 0};

    for (struct addrinfo *a = cause ? NULL : list; a && found.n < ADDRESSES; a = a->ai_next) {
        memcpy(&found.at[found.n], a->ai_addr, a->ai_addrlen);
        found.len[found.n++] = a->ai_addrlen;
    }
    if (!cause)
        freeaddrinfo(list);
    pthread_mutex_lock(&s->lock);
    s->cause = cause;
    if (found.n)
        s->known = found;
    pthread_mutex_unlock(&s->lock);
}

static void forget(void *resolved)
{
    struct server *s = resolved;

    if (atomic_fetch_sub(&s->users, 1) > 1)
        return;
    pthread_mutex_destroy(&s->lock);
    rec_secret_wipe(s, sizeof *s);
    free(s);
}

static void *look_again(void *argument)
{
    struct server *s = argument;

    look_up(s);
    atomic_store(&s->looking, false);
    forget(s);
    return NULL;
}

static void start_looking(struct server *s)
{
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_t thread;

    if (!s->address.host[0] || atomic_exchange(&s->looking, true))
        return;
    atomic_fetch_add(&s->users, 1);
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (pthread_create(&thread, &attr, look_again, s) != 0) {
        atomic_fetch_sub(&s->users, 1);
        atomic_store(&s->looking, false);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
}

static void take_path(struct server *s)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    snprintf(un.sun_path, sizeof un.sun_path, "%s", s->address.path);
    memcpy(&s->known.at[0], &un, sizeof un);
    s->known.len[0] = sizeof un;
    s->known.n = 1;
}

static int resolve(void **resolved, const struct rec_cache_address *address, struct rec_err *err)
{
    struct server *s = rec_calloc(1, sizeof *s, "redis", err);

    *resolved = s;
    if (!s)
        return -1;
    s->address = *address;
    pthread_mutex_init(&s->lock, NULL);
    atomic_store(&s->users, 1);
    if (address->host[0]) {
        snprintf(s->name, sizeof s->name, "redis %s:%s", address->host, address->port);
        look_up(s);
    } else {
        snprintf(s->name, sizeof s->name, "redis %s", address->path);
        take_path(s);
    }
    return 0;
}

/* ---- bytes, with an end to every wait ---- */

static double left_until(double deadline)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return deadline - ((double)t.tv_sec + (double)t.tv_nsec * 1e-9);
}

/* False when the time is over. */
static bool wait_for(int fd, short events, double deadline)
{
    struct pollfd p = {.fd = fd, .events = events};
    struct timespec t;
    double left;
    int n;

    do {
        left = left_until(deadline);
        if (left <= 0)
            return false;
        t.tv_sec = (time_t)left;
        t.tv_nsec = (long)((left - (double)t.tv_sec) * 1e9);
        n = ppoll(&p, 1, &t, NULL);
    } while (n < 0 && errno == EINTR);
    return n > 0;
}

static enum rec_cache_outcome late(const struct connection *c, struct rec_err *err)
{
    rec_err_set(err, "%s: no answer in time", c->server->name);
    return REC_CACHE_AWAY;
}

static enum rec_cache_outcome send_all(struct connection *c, const char *bytes, size_t len, double deadline, struct rec_err *err)
{
    while (len) {
        ssize_t n = send(c->fd, bytes, len, MSG_NOSIGNAL);

        if (n > 0) {
            bytes += n;
            len -= (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            rec_err_errno(err, "%s", c->server->name);
            return REC_CACHE_AWAY;
        } else if (!wait_for(c->fd, POLLOUT, deadline)) {
            return late(c, err);
        }
    }
    return REC_CACHE_HIT;
}

static enum rec_cache_outcome nonsense(const struct connection *c, struct rec_err *err)
{
    rec_err_set(err, "%s: its answer is none of Redis", c->server->name);
    return REC_CACHE_WRONG;
}

/* Some more bytes to the reader. */
static enum rec_cache_outcome receive(struct connection *c, char type, double deadline, struct rec_err *err)
{
    char block[16384];
    ssize_t n = recv(c->fd, block, sizeof block, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return wait_for(c->fd, POLLIN, deadline) ? REC_CACHE_HIT : late(c, err);
    /* Also of one that always has more to say. */
    if (n > 0 && left_until(deadline) <= 0)
        return late(c, err);
    if (n < 0)
        rec_err_errno(err, "%s", c->server->name);
    if (n == 0)
        rec_err_set(err, "%s: the connection was closed", c->server->name);
    if (n <= 0)
        return REC_CACHE_AWAY;
    if (!c->received && block[0] != type && block[0] != '-' && block[0] != '$')
        return nonsense(c, err);
    c->received += (size_t)n;
    c->headed = c->headed || memchr(block, '\n', (size_t)n);
    /* hiredis looks for the end of a line from its beginning each time. */
    if ((!c->headed && c->received > FIRST_LINE) || c->received > REC_CACHE_LONGEST + sizeof block ||
        redisReaderFeed(c->reader, block, (size_t)n) != REDIS_OK)
        return nonsense(c, err);
    return REC_CACHE_HIT;
}

/* ---- a command ---- */

/* Of an error the first word is told, "OOM", "READONLY": the rest is whatever the server likes to write in our log. */
static enum rec_cache_outcome refused(const char **word, size_t *len, const struct connection *c, struct rec_err *err)
{
    *word = c->reply->str;
    *len = strspn(c->reply->str, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    if (!*len || *len > 16) {
        *word = "error";
        *len = strlen(*word);
    }
    rec_err_set(err, "%s: refused: %.*s", c->server->name, (int)*len, *word);
    return REC_CACHE_REFUSED;
}

static enum rec_cache_outcome take_reply(const char **text, size_t *len, struct connection *c, char type, struct rec_err *err)
{
    static const int types[] = {['$'] = REDIS_REPLY_STRING, ['+'] = REDIS_REPLY_STATUS, [':'] = REDIS_REPLY_INTEGER};

    /* Bytes behind the answer would be taken for the next one. */
    if (c->reader->len != c->reader->pos)
        return nonsense(c, err);
    if (c->reply->type == REDIS_REPLY_NIL)
        return REC_CACHE_MISS;
    if (c->reply->type == REDIS_REPLY_ERROR)
        return refused(text, len, c, err);
    if (c->reply->type != types[(unsigned char)type])
        return nonsense(c, err);
    *text = type == ':' ? (c->reply->integer ? "1" : "0") : c->reply->str;
    *len = type == ':' ? 1 : (size_t)c->reply->len;
    return REC_CACHE_HIT;
}

static enum rec_cache_outcome ask(const char **text, size_t *len, void *connection, char type, const char *const *word, const size_t *word_len,
                                  int n, double deadline, struct rec_err *err)
{
    struct connection *c = connection;
    char *command = NULL;
    long long command_len = redisFormatCommandArgv(&command, n, (const char **)(uintptr_t)word, word_len);
    enum rec_cache_outcome outcome;
    void *reply = NULL;

    if (command_len < 0) {
        rec_err_memory(err, c->server->name);
        return REC_CACHE_AWAY;
    }
    freeReplyObject(c->reply);
    c->reply = NULL;
    c->received = 0;
    c->headed = false;
    outcome = send_all(c, command, (size_t)command_len, deadline, err);
    redisFreeCommand(command);
    while (outcome == REC_CACHE_HIT && !reply) {
        outcome = receive(c, type, deadline, err);
        if (outcome == REC_CACHE_HIT && c->received && redisReaderGetReply(c->reader, &reply) != REDIS_OK)
            return nonsense(c, err);
    }
    if (outcome != REC_CACHE_HIT)
        return outcome;
    c->reply = reply;
    return take_reply(text, len, c, type, err);
}

/* ---- connections ---- */

static void close_connection(void *connection)
{
    struct connection *c = connection;

    if (c->fd >= 0)
        close(c->fd);
    if (c->reader)
        redisReaderFree(c->reader);
    freeReplyObject(c->reply);
    free(c);
}

static int open_socket(const struct sockaddr_storage *at, socklen_t len, double deadline)
{
    int fd = socket(at->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, error = 0;
    socklen_t error_len = sizeof error;

    if (fd < 0)
        return -1;
    if (at->ss_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (const struct sockaddr *)at, len) == 0)
        return fd;
    error = errno;
    if (error == EINPROGRESS) {
        if (!wait_for(fd, POLLOUT, deadline))
            error = ETIMEDOUT;
        else
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_len);
    }
    if (!error)
        return fd;
    close(fd);
    errno = error;
    return -1;
}

/* Of several addresses the one that answered last is tried first; after a failure the next one. */
static int open_any(struct server *s, double deadline, struct rec_err *err)
{
    struct addresses known;
    int fd = -1, cause;

    pthread_mutex_lock(&s->lock);
    known = s->known;
    cause = s->cause;
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < known.n && fd < 0; i++) {
        unsigned first = atomic_load(&s->first);

        fd = open_socket(&known.at[first % known.n], known.len[first % known.n], deadline);
        if (fd < 0) {
            rec_err_errno(err, "%s", s->name);
            atomic_compare_exchange_strong(&s->first, &first, first + 1);
        }
    }
    if (fd < 0)
        start_looking(s);
    if (!known.n)
        rec_err_set(err, "%s: %s", s->name, cause ? gai_strerror(cause) : "no address");
    return fd;
}

static bool say(struct connection *c, int n, const char *const *word, double deadline, struct rec_err *err)
{
    size_t len[3], got;
    const char *text;

    for (int i = 0; i < n; i++)
        len[i] = strlen(word[i]);
    return ask(&text, &got, c, '+', word, len, n, deadline, err) == REC_CACHE_HIT;
}

/* Users came with Redis 6; before, there is a password alone. */
static bool log_in(struct connection *c, double deadline, struct rec_err *err)
{
    const struct rec_cache_address *a = &c->server->address;
    char database[REC_NUM_MAX];

    database[rec_num_print_int64(database, a->database)] = 0;
    if (a->password[0] && !(a->user[0] ? say(c, 3, (const char *[]){"AUTH", a->user, a->password}, deadline, err)
                                       : say(c, 2, (const char *[]){"AUTH", a->password}, deadline, err)))
        return false;
    return !a->database || say(c, 2, (const char *[]){"SELECT", database}, deadline, err);
}

static void *connect_server(void *resolved, double deadline, struct rec_err *err)
{
    struct server *s = resolved;
    struct connection *c = rec_calloc(1, sizeof *c, s->name, err);

    if (!c)
        return NULL;
    c->server = s;
    c->reader = redisReaderCreate();
    c->fd = open_any(s, deadline, err);
    if (c->fd >= 0 && !c->reader)
        rec_err_memory(err, s->name);
    else if (c->fd >= 0 && log_in(c, deadline, err))
        return c;
    close_connection(c);
    return NULL;
}

const struct rec_cache_driver rec_redis = {resolve, forget, connect_server, close_connection, ask};
