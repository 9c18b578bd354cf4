/* SPDX-License-Identifier: MIT
 *
 * gnuplot as a child, which reads its script from a file in memory and writes the picture to a pipe; what it says of mistakes goes to another
 * file in memory.
 */
#include "rec-plot.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int write_memory(const struct rec_buf *script, struct rec_err *err)
{
    int fd = memfd_create("script", MFD_CLOEXEC);
    size_t done = 0;

    if (fd < 0)
        return rec_err_errno(err, "script");
    while (done < script->len) {
        ssize_t n = write(fd, script->data + done, script->len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            rec_err_errno(err, "script");
            close(fd);
            return -1;
        }
        done += (size_t)n;
    }
    if (lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return rec_err_errno(err, "script");
    }
    return fd;
}

static int start(pid_t *pid, int script, int picture, int complaints, struct rec_err *err)
{
    static char program[] = "gnuplot", defaults[] = "--default-settings", from_input[] = "-";
    char *const argv[] = {program, defaults, from_input, NULL};
    posix_spawn_file_actions_t actions;
    extern char **environ;
    int status;

    if (posix_spawn_file_actions_init(&actions) != 0)
        return rec_err_memory(err, "gnuplot");
    posix_spawn_file_actions_adddup2(&actions, script, 0);
    posix_spawn_file_actions_adddup2(&actions, picture, 1);
    posix_spawn_file_actions_adddup2(&actions, complaints, 2);
    status = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    errno = status;
    if (status == ENOENT)
        return rec_err_set(err, "gnuplot: not found; install it (Debian: apt-get install gnuplot-nox)");
    return status ? rec_err_errno(err, "gnuplot") : 0;
}

static int read_all(struct rec_buf *out, int fd, struct rec_err *err)
{
    for (;;) {
        if (rec_buf_reserve(out, 65536) < 0)
            return rec_err_memory(err, "picture");
        ssize_t n = read(fd, out->data + out->len, 65536);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rec_err_errno(err, "gnuplot");
        if (n == 0)
            return 0;
        out->len += (size_t)n;
    }
}

/* The line of what gnuplot wrote that tells what is wrong. */
static int complain(int complaints, struct rec_err *err)
{
    struct rec_buf text = {0};

    if (lseek(complaints, 0, SEEK_SET) == 0 && read_all(&text, complaints, err) == 0)
        rec_buf_addc(&text, '\0');
    const char *at = text.data && !text.failed ? strstr(text.data, " line ") : NULL;
    while (at && memmem(at, strcspn(at, "\n"), "warning:", 8))
        at = strstr(at + 1, " line ");
    rec_err_set(err, "gnuplot: %.*s", at ? (int)strcspn(at + 1, "\n") : 9, at ? at + 1 : "it failed");
    rec_buf_clear(&text);
    return -1;
}

int plot_draw(struct rec_buf *picture, const struct rec_buf *script, struct rec_err *err)
{
    int in = write_memory(script, err), complaints = memfd_create("complaints", MFD_CLOEXEC), pipes[2] = {-1, -1}, status, rc = -1;
    pid_t pid;

    if (in < 0)
        goto out;
    if (complaints < 0 || pipe2(pipes, O_CLOEXEC) < 0) {
        rec_err_errno(err, "gnuplot");
        goto out;
    }
    if (start(&pid, in, pipes[1], complaints, err) < 0)
        goto out;
    close(pipes[1]);
    pipes[1] = -1;
    rc = read_all(picture, pipes[0], err);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || picture->len == 0))
        rc = complain(complaints, err);
out:
    for (size_t i = 0; i < 2; i++)
        if (pipes[i] >= 0)
            close(pipes[i]);
    if (in >= 0)
        close(in);
    if (complaints >= 0)
        close(complaints);
    return rc;
}
