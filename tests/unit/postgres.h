/* SPDX-License-Identifier: MIT
 *
 * A PostgreSQL server of its own for a test program, by tests/postgres, which ends with it however it ends.
 *
 *     static struct server server;
 *     static int set_up(void **state)    { (void)state; server_start(&server, "deadlock_timeout=100ms", NULL); return 0; }
 *     static int tear_down(void **state) { (void)state; server_stop(&server); return 0; }
 *     rec_sql_open(&db, server.url, ...)
 */
#ifndef REC_TEST_POSTGRES_H
#define REC_TEST_POSTGRES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct server {
    char dir[64];
    char url[256];
    int life;      /* as long as this is open somewhere, the server runs */
    pid_t keeper;
};

/* Runs a program; its first line of output into `out`, unless that is NULL. Returns its exit status. */
static inline int server_command(const char *const *words, char *out, size_t size)
{
    posix_spawn_file_actions_t actions;
    int ends[2], status;
    size_t fill = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    assert_int_equal(posix_spawnp(&pid, words[0], &actions, NULL, (char **)(uintptr_t)words, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    while (out && fill + 1 < size && (n = read(ends[0], out + fill, size - 1 - fill)) > 0)
        fill += (size_t)n;
    if (out) {
        out[fill] = '\0';
        out[strcspn(out, "\n")] = '\0';
    }
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The keeper waits for the end of its input, which comes when this program ends, by whatever cause. */
static inline void server_keep(struct server *s)
{
    static const char script[] = "read -r _; for s in pgbouncer postgres redis; do tests/$s stop \"$1\" >/dev/null 2>&1; done; rm -rf \"$1\"";
    const char *words[] = {"/bin/sh", "-c", script, "keeper", s->dir, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int ends[2];

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
    assert_int_equal(posix_spawn(&s->keeper, words[0], &actions, &attr, (char **)(uintptr_t)words, environ), 0);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[0]);
    s->life = ends[1];
}

/* Starts it, with settings "name=value" up to a NULL. Tests run in the repository's root. */
static inline void server_start(struct server *s, ...)
{
    const char *words[16] = {"tests/postgres", "start", s->dir};
    va_list settings;

    *s = (struct server){.dir = "/tmp/rec-test-pg.XXXXXX"};
    assert_non_null(mkdtemp(s->dir));
    server_keep(s);
    va_start(settings, s);
    for (size_t i = 3; i < 15 && (words[i] = va_arg(settings, const char *)) != NULL; i++)
        ;
    va_end(settings);
    assert_int_equal(server_command(words, s->url, sizeof s->url), 0);
}

static inline void server_stop(struct server *s)
{
    close(s->life);
    waitpid(s->keeper, NULL, 0);
}

/* Ends it as a crash would, and brings it back. */
static inline void server_kill(const struct server *s)
{
    assert_int_equal(server_command((const char *[]){"tests/postgres", "kill", s->dir, NULL}, NULL, 0), 0);
}
static inline void server_again(const struct server *s)
{
    char url[256];
    assert_int_equal(server_command((const char *[]){"tests/postgres", "start", s->dir, NULL}, url, sizeof url), 0);
}

/* pgbouncer before it, pooling by transaction; `url` is what to open instead. It ends with the server. */
static inline void server_bouncer(const struct server *s, char *url, size_t size)
{
    assert_int_equal(server_command((const char *[]){"tests/pgbouncer", "start", s->dir, s->url, NULL}, url, size), 0);
}

#endif
