/* SPDX-License-Identifier: MIT
 *
 * SIGBUS: which file it was, and then the end. The kernel's list of what is mapped (proc(5), maps) knows the file's name by the address, whoever
 * mapped it. Nothing is mended: what was being computed from the file has no meaning any more.
 */
#include <rec/serve.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*end)(void *context, const char *line);
static void *end_context;

/* "7f01-7f02 r--p 00000000 08:01 123    /path": the path, when the address lies there. */
static const char *path_of(const char *line, uintptr_t address)
{
    char *rest;
    uintptr_t from = strtoul(line, &rest, 16), to = *rest == '-' ? strtoul(rest + 1, NULL, 16) : 0;

    return address >= from && address < to ? strchr(line, '/') : NULL;
}

/* A line longer than the room is cut: its path is a part of it. */
static void find_path(char *out, size_t room, uintptr_t address)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    char line[4400], byte[1024];
    const char *path;
    size_t len = 0;
    ssize_t n;

    snprintf(out, room, "a file");
    while (fd >= 0 && (n = read(fd, byte, sizeof byte)) > 0)
        for (ssize_t i = 0; i < n; i++) {
            if (byte[i] != '\n') {
                line[len] = byte[i];
                len += len < sizeof line - 1;
                continue;
            }
            line[len] = 0;
            len = 0;
            if ((path = path_of(line, address)))
                snprintf(out, room, "%s", path);
        }
    if (fd >= 0)
        close(fd);
}

static void on_fault(int number, siginfo_t *info, void *machine)
{
    char path[4200];
    struct rec_err line;

    (void)machine;
    /* Once: what comes next, in this thread or another one, ends the process as it would without us. */
    signal(number, SIG_DFL);
    if (info->si_code != BUS_ADRERR)
        return;
    find_path(path, sizeof path, (uintptr_t)info->si_addr);
    rec_err_set(&line, "%.400s: was made shorter while it was in use; put a whole file in its place by renaming it", path);
    end(end_context, line.text);
}

void rec_guard_start(void (*ends)(void *context, const char *line), void *context)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

    end = ends;
    end_context = context;
    sigaction(SIGBUS, &action, NULL);
}
