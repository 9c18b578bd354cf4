/* SPDX-License-Identifier: MIT
 *
 * One connection on two descriptors: what a process of inetd, xinetd, tcpserver or systemd (Accept=yes) does from its start to its end.
 */
#include "rec-serve.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__ /* which looks for what was never freed */
enum { CHECKED = 1 };
#else
enum { CHECKED = 0 };
#endif

static volatile int stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static void tell(void *context, const char *line)
{
    fprintf(stderr, "%s: %s\n", ((struct tool *)context)->about->name, line);
}

/* Who asks is told that it is not their fault; why is told here. */
static void apologise(int out)
{
    static const char body[] = "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,"
                               "\"detail\":\"the service cannot be had at this moment\"}";
    struct rec_response response = {.status = 503, .type = "application/problem+json", .close = true};
    struct rec_buf text = {0};

    rec_buf_adds(&response.body, body);
    rec_response_field(&response, "Retry-After", "5");
    if (!response.body.failed && rec_response_write(&text, &response, NULL, (int64_t)time(NULL), false) == 0)
        (void)!write(out, text.data, text.len);
    rec_response_clear(&response);
    rec_buf_clear(&text);
}

struct one {
    const struct tool *tool;
    int out;
};

/* In the middle of a request: nothing of its answer was sent. */
static void end_at_once(void *context, const char *line)
{
    const struct one *one = context;

    apologise(one->out);
    fprintf(stderr, "%s: %s\n", one->tool->about->name, line);
    _exit(TOOL_FAILED);
}

int serve_connection(struct tool *tool, int in, int out, const struct rec_sql_driver *const *drivers, const struct rec_cache_driver *cache)
{
    struct sigaction action = {.sa_handler = stop}; /* no SA_RESTART: a wait ends */
    struct rec_serve *serve = NULL;
    struct rec_serve_config config;
    struct one one = {tool, out};
    struct rec_err err = {0};
    int status;

    rec_guard_start(end_at_once, &one);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (serve_config(&config, tool, &err) < 0 || serve_state(-1, -1, &err) < 0 || serve_log(&config, "none", &err) < 0)
        goto failed;
    config.drivers = drivers;
    config.cache_driver = cache;
    if (serve_keys(&config, tool, drivers, &err) < 0 || rec_serve_open(&serve, &config, &err) < 0)
        goto failed;
    rec_serve_tell(serve, tell, tool);
    status = rec_inetd_serve(in, out, rec_serve_handler(serve), &rec_message_limits, &rec_inetd_timeouts, &stopped, &err);
    status = status < 0 ? tool_fail(tool, &err) : tool_finish(tool, TOOL_DONE);
    if (!CHECKED)
        _exit(status); /* what is freed here, the kernel frees faster; all that has to last was written */
    rec_serve_close(serve);
    return status;
failed:
    apologise(out);
    return tool_fail(tool, &err);
}
