/* SPDX-License-Identifier: MIT
 *
 * rec-serve-listen: what rec-serve becomes when it is to listen, or when its store is PostgreSQL, or a Redis has a name. The same
 * options, the same name in messages and settings: to its user there is one program.
 *
 * The order of its start: bind and read the TLS key while still root, become --user, make the workers, give up what a server has no use for, and only
 * then open the model and the store, whose threads inherit all that. With one worker there is one process; with more, the first one is their
 * supervisor, which answers nobody and reads nothing.
 */
#include "rec-serve.h"

#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <malloc.h>
#include <pthread.h>
#include <pwd.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct rec_sql_driver *const drivers[] = {&rec_sqlite_driver, &rec_postgres_driver, NULL};

static struct rec_listener *listener;    /* for signal handlers */

struct server {
    struct tool *tool;
    struct rec_serve *serve;
    struct rec_serve_config config;
    struct rec_connection_handler handler;  /* the service's, once it is there */
    size_t workers;
    struct rec_worker worker;               /* of more than one: which this process is */
    bool is_worker;
    struct rec_serve_shared *shared;        /* by more than one */
    struct rec_listen_share *share;
    const struct passwd *user;              /* to become; NULL: nobody else */
    unsigned entered;                       /* what there is of a sandbox */
    pthread_t watcher;
    bool watched;
    sem_t wake;                             /* a reload is asked for, or the end has come */
    _Atomic int asked, ending;
};

/* ---- another model ---- */

static void tell(void *context, const char *line)
{
    fprintf(stderr, "%s: %s\n", ((struct tool *)context)->about->name, line);
}

/* What a path is now: changes with every file that is put there. */
static void look(struct stat *out, const char *path)
{
    memset(out, 0, sizeof *out);
    if (path && stat(path, out) < 0)
        memset(out, 0, sizeof *out);
}

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Files that were refused are not read again, and not complained of again, until they are others, or somebody asks. */
static void reload(struct server *s, struct stat refused[2], bool *broken)
{
    struct stat now[2];
    struct rec_err err = {0};
    bool changed, asked = atomic_exchange(&s->asked, 0);

    look(&now[0], s->config.model);
    look(&now[1], s->config.catalogue);
    if (*broken && !asked && same(&now[0], &refused[0]) && same(&now[1], &refused[1]))
        return;
    *broken = rec_serve_reload(s->serve, &changed, &err) < 0;
    if (*broken) {
        memcpy(refused, now, sizeof now);
        fprintf(stderr, "%s: %s: not taken, %s\n", s->tool->about->name, err.text,
                changed ? "and the model before it was in the same file: there is none" : "the model before it stays");
    } else if (changed && s->worker.which == 0) {
        tool_note(s->tool, "%s: taken", s->config.model);
    }
}

/* Bodies of a megabyte, and a hundred thousand small pieces between them, leave holes in what the C library has for each thread, which it keeps: under
 * a mixed load 6 MB in a hundred seconds. Every so many looks it gives them back. */
enum { TRIM = 10 };

/* In a thread of its own: verifying a large model takes seconds, in which the others go on. */
static void *watch(void *context)
{
    struct server *s = context;
    struct stat refused[2] = {0};
    unsigned looks = 0;
    bool broken = false;

    while (!atomic_load(&s->ending)) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        while (sem_timedwait(&s->wake, &until) < 0 && errno == EINTR)
            ;
        if (!atomic_load(&s->ending))
            reload(s, refused, &broken);
        if (++looks % TRIM == 0)
            malloc_trim(0);
    }
    return NULL;
}

/* Called in the loop's thread, after SIGHUP. */
static void wake(void *context)
{
    struct server *s = context;

    atomic_store(&s->asked, 1);
    sem_post(&s->wake);
}

static int start_watching(struct server *s, struct rec_err *err)
{
    sigset_t all, before;
    int failed;

    sigfillset(&all); /* signals are for the loop */
    pthread_sigmask(SIG_BLOCK, &all, &before);
    failed = pthread_create(&s->watcher, NULL, watch, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->watched = !failed;
    return failed ? rec_err_set(err, "no thread can be had") : 0;
}

static void stop_watching(struct server *s)
{
    atomic_store(&s->ending, 1);
    sem_post(&s->wake);
    if (s->watched)
        pthread_join(s->watcher, NULL);
}

/* ---- privileges ---- */

static int find_user(struct server *s, struct rec_err *err)
{
    if (!serve_options.user)
        return 0;
    errno = 0;
    s->user = getpwnam(serve_options.user);
    if (!s->user)
        return rec_err_set(err, "--user %s: there is no such user", serve_options.user);
    if (geteuid() == 0 && s->user->pw_uid == 0)
        return rec_err_set(err, "--user %s: is root", serve_options.user);
    return geteuid() == 0 || geteuid() == s->user->pw_uid ? 0 : rec_err_set(err, "--user %s: only root can become another user", serve_options.user);
}

/* Groups first, for whom nobody but root may choose; then make sure that there is no way back. */
static int become_user(const struct passwd *user, struct rec_err *err)
{
    if (!user || geteuid() != 0)
        return 0;
    if (setgroups(0, NULL) < 0 || initgroups(user->pw_name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 || setuid(user->pw_uid) < 0)
        return rec_err_errno(err, "--user %s", user->pw_name);
    if (setuid(0) == 0 || geteuid() != user->pw_uid || getegid() != user->pw_gid)
        return rec_err_set(err, "--user %s: root's privileges could not be given up", user->pw_name);
    return 0;
}

/* The directory that a file is replaced in: a new model has another inode. @param room  its storage */
static const char *directory(char room[4096], const char *file)
{
    if (!file)
        return NULL;
    snprintf(room, 4096, "%s", file);
    return dirname(room);
}

/* Where that directory is a link, as a registry's `production` is, another link takes its place: what holds the link holds what it may point at. */
static const char *above_link(char room[4096], const char *directory)
{
    struct stat st;

    if (!directory || lstat(directory, &st) < 0 || !S_ISLNK(st.st_mode))
        return NULL;
    snprintf(room, 4096, "%s", directory);
    return dirname(room);
}

/* What libraries read: libpq and the resolver, where the store is a server; OpenSSL; time zones; who we are. */
#define SYSTEM_FILES {"/etc/hosts", false}, {"/etc/host.conf", false}, {"/etc/resolv.conf", false}, {"/run/systemd/resolve", false}, \
    {"/etc/nsswitch.conf", false}, {"/etc/gai.conf", false}, {"/etc/services", false}, {"/etc/passwd", false}, {"/etc/group", false}, \
    {"/etc/localtime", false}, {"/etc/ld.so.cache", false}, {"/etc/ssl/certs", false}, {"/etc/ssl/openssl.cnf", false}, {"/usr/share/zoneinfo", false}, \
    {"/usr/lib", false}, {"/lib", false}, {"/lib64", false}, {"/usr/share/ca-certificates", false}, {"/dev/null", true}, {"/dev/urandom", false}, \
    {"/sys/devices/system/cpu", false}, {"/proc/self", false}, {"/proc/meminfo", false}, {"/proc/cpuinfo", false}

static int enter_sandbox(struct server *s, struct rec_err *err)
{
    static char room[8][4096];
    const char *home = s->user ? s->user->pw_dir : getenv("HOME"), *database = directory(room[0], serve_store_file());
    const char *model = directory(room[1], s->config.model), *catalogue = directory(room[2], s->config.catalogue);
    char postgres[2][4200];

    if (serve_options.no_sandbox)
        return 0;
    snprintf(postgres[0], sizeof postgres[0], "%s/.pgpass", home ? home : "");
    snprintf(postgres[1], sizeof postgres[1], "%s/.postgresql", home ? home : "");
    const struct rec_sandbox_path paths[] = {
        SYSTEM_FILES,
        {database, true},
        {model, false},
        {catalogue, false},
        {above_link(room[6], model), false},
        {above_link(room[7], catalogue), false},
        {directory(room[3], s->config.keys), false},
        {directory(room[4], serve_options.tls_cert), false},
        {directory(room[5], serve_options.tls_key), false},
        {s->config.state, true},
        {serve_store_is_server() && home ? postgres[0] : NULL, false},
        {serve_store_is_server() && home ? postgres[1] : NULL, false},
    };

    /* What SQLite sorts on disk goes where it may write. */
    if (database && setenv("SQLITE_TMPDIR", database, 0) < 0)
        return rec_err_errno(err, "SQLITE_TMPDIR");
    if (rec_sandbox_enter(&s->entered, paths, REC_LENGTH(paths), err) < 0)
        return rec_err_prefix(err, "the sandbox (--no-sandbox does without)");
    return 0;
}

static void tell_sandbox(const struct server *s)
{
    static const char *const lacks[] = {
        [0] = "no sandbox: neither Landlock nor seccomp is to be had",
        [REC_SANDBOX_FILES] = "the kernel has no seccomp filters: system calls are not fenced in",
        [REC_SANDBOX_CALLS] = "the kernel has no Landlock: files are not fenced in",
        [REC_SANDBOX_FILES | REC_SANDBOX_CALLS] = NULL,
    };

    if (!serve_options.no_sandbox && lacks[s->entered] && s->worker.which == 0 && !s->worker.again)
        tool_note(s->tool, "%s", lacks[s->entered]);
}

/* ---- the listener ---- */

/* Each connection is a descriptor, and the soft limit of 1024 is there for programs that use select(2). What cannot be had is done without: then
 * connections wait to be accepted. */
static void raise_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

static void on_signal(int signal)
{
    if (signal == SIGHUP || signal == SIGUSR1)
        rec_listen_reload(listener);
    else
        rec_listen_stop(listener);
}

/* A worker is told by its supervisor; what is sent to all of the group is for that. */
static void set_signals(bool is_worker)
{
    struct sigaction heed = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, ignore = {.sa_handler = SIG_IGN};

    sigaction(SIGTERM, is_worker ? &ignore : &heed, NULL);
    sigaction(SIGINT, is_worker ? &ignore : &heed, NULL);
    sigaction(SIGHUP, is_worker ? &ignore : &heed, NULL);
    if (is_worker) {
        sigaction(SIGUSR1, &heed, NULL);
        sigaction(SIGUSR2, &heed, NULL);
    }
    sigaction(SIGPIPE, &ignore, NULL);
}

/* Before what the handlers use is gone: a stop that comes now does not wait. */
static void reset_signals(bool is_worker)
{
    signal(is_worker ? SIGUSR1 : SIGHUP, SIG_IGN);
    signal(is_worker ? SIGUSR2 : SIGTERM, SIG_DFL);
    if (!is_worker)
        signal(SIGINT, SIG_DFL);
}

static void tell_listener(void *context, const char *line)
{
    tell(((struct server *)context)->tool, line);
}

static int bind_address(struct server *s, int fd, struct rec_err *err)
{
    struct rec_listen_options options = {
        .address = serve_options.listen, .fd = serve_options.listen ? -1 : fd, .tls_cert = serve_options.tls_cert, .tls_key = serve_options.tls_key,
        .connections = ((size_t)serve_options.connections + s->workers - 1) / s->workers, .per_address = (size_t)serve_options.per_address,
        .drain = serve_options.drain, .reload = wake, .tell = tell_listener, .context = s,
    };

    if (s->workers > 1 && rec_listen_share_new(&s->share, s->workers, options.per_address ? options.connections * s->workers : 0, err) < 0)
        return -1;
    options.share = s->share;

    return rec_listen_open(&listener, &options, &s->handler, err);
}

static int open_service(struct server *s, struct rec_err *err)
{
    s->config.drivers = drivers;
    s->config.cache_driver = &rec_redis;
    s->config.workers = (size_t)serve_options.threads;
    s->config.shared = s->shared;
    s->config.answers = (size_t)serve_options.answers << 20;
    s->config.answered = rec_listen_answered;
    if (rec_serve_open(&s->serve, &s->config, err) < 0)
        return -1;
    rec_serve_tell(s->serve, tell, s->tool);
    s->handler = *rec_serve_handler(s->serve);
    return start_watching(s, err);
}

/* ---- workers ---- */

static void all_are_ready(void *context)
{
    struct server *s = context;

    tool_note(s->tool, "listening on %s", rec_listen_address(listener));
    serve_notify("READY=1");
}

/* The workers take what waits to be accepted, and the last one that closes the socket is one of them. */
static void close_door(void *context)
{
    (void)context;
    serve_notify("STOPPING=1");
    rec_listen_close(listener);
    listener = NULL;
}

static void is_gone(void *context, size_t which)
{
    rec_listen_share_left(((struct server *)context)->share, which);
}

static void tell_supervisor(void *context, const char *line)
{
    tell(((struct server *)context)->tool, line);
}

/* REC_WORKER in each of the workers. */
static int make_workers(struct server *s, struct rec_err *err)
{
    struct rec_supervise_options options = {.workers = s->workers, .patience = serve_options.drain + 10, .begin = all_are_ready, .stop = close_door,
                                            .gone = is_gone, .tell = tell_supervisor, .context = s};
    int role;

    if (rec_serve_shared_open(&s->shared, &s->config, err) < 0)
        return -1;
    role = rec_supervise(&s->worker, &options, err);
    if (role != REC_WORKER)
        return role;
    s->is_worker = true;
    if (rec_listen_forked(listener, s->worker.which, err) < 0)
        return -1;
    if (s->worker.again)
        rec_listen_reload(listener); /* the certificate that the supervisor has may be an older one */
    return REC_WORKER;
}

static void end_with_words(void *context, const char *line)
{
    tell(context, line);
    _exit(TOOL_FAILED);
}

static int answer_requests(struct server *s, struct rec_err *err)
{
    int status;

    rec_guard_start(end_with_words, s->tool);
    if (enter_sandbox(s, err) < 0 || open_service(s, err) < 0)
        return -1;
    set_signals(s->is_worker);
    tell_sandbox(s);
    if (s->is_worker)
        rec_supervise_ready(&s->worker);
    else
        all_are_ready(s);
    status = rec_listen_run(listener, err);
    if (!s->is_worker)
        serve_notify("STOPPING=1");
    return status;
}

static int run(struct server *s, int fd, struct rec_err *err)
{
    int status = -1;

    raise_limit();
    if (serve_config(&s->config, s->tool, err) < 0 || find_user(s, err) < 0 || bind_address(s, fd, err) < 0)
        goto out;
    if (serve_state(s->user ? (int64_t)s->user->pw_uid : -1, s->user ? (int64_t)s->user->pw_gid : -1, err) < 0 ||
        serve_log(&s->config, "-", err) < 0 || become_user(s->user, err) < 0 ||
        serve_keys(&s->config, s->tool, drivers, err) < 0)
        goto out;
    status = s->workers > 1 ? make_workers(s, err) : REC_WORKER;
    if (status == REC_WORKER)
        status = answer_requests(s, err);
out:
    reset_signals(s->is_worker);
    stop_watching(s);
    rec_listen_close(listener);
    rec_serve_close(s->serve);
    rec_serve_shared_close(s->shared);
    rec_listen_share_free(s->share);
    return status;
}

int main(int argc, char **argv)
{
    struct server s = {0};
    struct rec_err err = {0};
    struct tool tool;
    enum serve_input what;
    int in, out, status;

    serve_spare_client();
    tool_start(&tool, &serve_about, argc, argv);
    if (serve_input(&what, &in, &out, &err) < 0)
        return tool_fail(&tool, &err);
    if (!serve_options.listen && what == SERVE_CONNECTION)
        return serve_connection(&tool, in, out, drivers, &rec_redis);
    if (!serve_options.listen && what == SERVE_NOTHING)
        return tool_usage(&tool, "standard input is no connection: --listen ADDRESS, or let inetd or systemd start this");
    if (!serve_options.tls_cert != !serve_options.tls_key)
        return tool_usage(&tool, "--tls-cert and --tls-key go together");
    s.tool = &tool;
    s.workers = serve_options.workers ? (size_t)serve_options.workers : tool_threads(0);
    sem_init(&s.wake, 0, 0);
    status = run(&s, in, &err);
    sem_destroy(&s.wake);
    if (status < 0 && !err.text[0])
        return TOOL_FAILED;
    return status < 0 ? tool_fail(&tool, &err) : tool_finish(&tool, TOOL_DONE);
}
