/* SPDX-License-Identifier: MIT
 *
 * The part of every tool that is the same: see tool.h. Its options are set from elsewhere in tool_settings.c; its commands are in tool_commands.c.
 */
#include "tool.h"
#include "version.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static bool help, version, print_config, quiet, stats;
static const char *config, *completion, *group;

static const struct rec_opt common[] = {
    {0, "config", "FILE", REC_OPT_FILE, &config, .flags = REC_OPT_NO_CONFIG, .help = "settings, instead of rec.yaml here"},
    {0, "print-config", NULL, REC_OPT_FLAG, &print_config, .flags = REC_OPT_NO_CONFIG,
     .help = "show each setting and where it comes from"},
    {0, "stats", NULL, REC_OPT_FLAG, &stats, .flags = REC_OPT_COMMON, .help = "report time, rate and peak memory at the end"},
    {'q', "quiet", NULL, REC_OPT_FLAG, &quiet, .flags = REC_OPT_COMMON, .help = "no progress and no notes"},
    {0, "completion", "SHELL", REC_OPT_CHOICE, &completion, .choices = "bash|zsh|fish", .flags = REC_OPT_NO_CONFIG,
     .help = "print a completion script"},
    {0, "version", NULL, REC_OPT_FLAG, &version, .flags = REC_OPT_NO_CONFIG, .help = "print the version"},
    {'h', "help", NULL, REC_OPT_FLAG, &help, .flags = REC_OPT_NO_CONFIG, .help = "print this help"},
    {0},
};

/* What a tool holds to its end, whichever way that comes: tool_finish, tool_fail, or wrong usage. */
static struct {
    struct rec_opt *opts;
    struct rec_yaml yaml;
} held;

static void release(void)
{
    free(held.opts);
    rec_yaml_clear(&held.yaml);
}

double tool_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

const char *tool_version(void)
{
    return REC_VERSION;
}

const char *tool_build(void)
{
    return REC_VERSION " (" REC_COMMIT ")";
}

unsigned tool_threads(int64_t n)
{
    return n > 0 ? (unsigned)n : rec_pool_processors();
}

const char *tool_operand(const struct tool *tool, int i)
{
    return i < tool->n_operands ? tool->operands[i] : NULL;
}

/* ---- messages ---- */

static bool to_terminal(void)
{
    return isatty(STDERR_FILENO);
}

static void clear_bar(void)
{
    if (to_terminal())
        fputs("\r\033[K", stderr);
}

int tool_fail(const struct tool *tool, const struct rec_err *err)
{
    if (tool->terminal)
        clear_bar();
    fprintf(stderr, "%s: %s\n", tool->about->name, err->text[0] ? err->text : "failed");
    return TOOL_FAILED;
}

int tool_usage(const struct tool *tool, const char *fmt, ...)
{
    struct rec_buf text = {0};
    struct rec_err err;
    va_list args;

    va_start(args, fmt);
    if (rec_buf_reserve(&text, sizeof err.text) == 0)
        vsnprintf(text.data, sizeof err.text, fmt, args);
    va_end(args);
    rec_err_set(&err, "%s", text.data ? text.data : "wrong usage");
    fprintf(stderr, "%s: %s (%s -h tells more)\n", tool->about->name, err.text, tool->name);
    rec_buf_clear(&text);
    return TOOL_USAGE;
}

static void say(const struct tool *tool, const char *fmt, va_list args)
{
    char line[1024];
    struct rec_err err;

    if (tool->quiet)
        return;
    vsnprintf(line, sizeof line, fmt, args);
    rec_err_set(&err, "%s", line);
    if (tool->terminal)
        clear_bar();
    fprintf(stderr, "%s: %s\n", tool->about->name, err.text);
}

void tool_note(const struct tool *tool, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(tool, fmt, args);
    va_end(args);
}

void tool_step(struct tool *tool, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    say(tool, fmt, args);
    va_end(args);
    tool->last_progress = 0;
}

/* ---- progress ---- */

/* 12345678 -> "12.3 M" */
static void print_count(char out[16], double n)
{
    if (n >= 1e9)
        snprintf(out, 16, "%.1f G", n / 1e9);
    else if (n >= 1e6)
        snprintf(out, 16, "%.1f M", n / 1e6);
    else if (n >= 1e4)
        snprintf(out, 16, "%.1f k", n / 1e3);
    else
        snprintf(out, 16, "%.0f", n);
}

void tool_progress(struct tool *tool, const char *what, uint64_t done, uint64_t total)
{
    double now = tool_now(), elapsed = now - tool->started, share;
    char count[16], rate[16];
    int width = 24, full;
    bool drawn = tool->last_progress > 0;

    // At the end the line is empty again: what the tool prints may go to the same terminal.
    if (tool->terminal && drawn && total && done >= total) {
        clear_bar();
        tool->last_progress = 0;
        return;
    }
    if (!tool->terminal || now - (drawn ? tool->last_progress : tool->started) < 0.1)
        return;
    tool->last_progress = now;
    print_count(count, (double)done);
    print_count(rate, elapsed > 0 ? (double)done / elapsed : 0);
    if (!total) {
        fprintf(stderr, "\r\033[K%s: %s %s, %s/s", tool->about->name, count, what, rate);
        return;
    }
    share = (double)done / (double)total;
    share = share > 1 ? 1 : share;
    full = (int)(share * width);
    fprintf(stderr, "\r\033[K%s: [%.*s%*s] %3.0f %%, %s %s, %s/s, %.0f s left", tool->about->name, full,
            "########################", width - full, "", share * 100, count, what, rate,
            share > 0 ? elapsed / share - elapsed : 0);
}

/* ---- what is printed on request ---- */

static void print_out(struct tool *tool, const struct rec_buf *buf)
{
    struct rec_err err = {0};

    if (buf->failed)
        rec_err_memory(&err, "help");
    else if (fwrite(buf->data, 1, buf->len, stdout) != buf->len || fflush(stdout) == EOF || fclose(stdout) == EOF)
        rec_err_errno(&err, "standard output");
    exit(err.text[0] ? tool_fail(tool, &err) : TOOL_DONE);
}

/* Of the tool, of one of its commands, or of a group of them. */
static void print_help(struct tool *tool)
{
    const struct tool_about *about = tool->about;
    const struct tool_command *command = tool->command;
    const char *synopsis = command ? command->synopsis : about->synopsis, *more = command ? command->more : about->more;
    bool all = about->commands && !command;
    struct rec_buf out = {0};

    if (all)
        tool_commands_usage(&out, about, group);
    for (const char *form = all ? NULL : synopsis; form; form = strchr(form, '\n') ? strchr(form, '\n') + 1 : NULL)
        rec_buf_addf(&out, "%s %s%s%.*s\n", form == synopsis ? "usage:" : "      ", tool->name, *form ? " " : "",
                     (int)strcspn(form, "\n"), form);
    rec_buf_addf(&out, "%s: %s\n\n", tool->name, command ? command->summary : about->summary);
    if (all)
        tool_commands_list(&out, about, group);
    rec_opt_help(&out, tool->opts);
    if (more)
        rec_buf_addf(&out, "\n%s\n", more);
    print_out(tool, &out);
}

static void print_version(struct tool *tool)
{
    struct rec_buf out = {0};

    rec_buf_addf(&out, "%s %s (%s)\n", tool->about->name, REC_VERSION, REC_COMMIT);
    if (tool_version_details)
        tool_version_details(&out);
    print_out(tool, &out);
}

static void print_settings(struct tool *tool)
{
    static const char *const origins[] = {"default", "file", "environment", "flag"};
    struct rec_buf out = {0};

    for (const struct rec_opt *opt = tool->opts; opt->name; opt++) {
        struct rec_buf value = {0};
        if (opt->flags & REC_OPT_NO_CONFIG)
            continue;
        rec_opt_print(&value, opt);
        rec_buf_addf(&out, "%s: %-20s # %s\n", opt->name, value.len ? value.data : "null", origins[opt->origin]);
        rec_buf_clear(&value);
    }
    print_out(tool, &out);
}

/* ---- beginning and end ---- */

static size_t count(const struct rec_opt *opts)
{
    size_t n = 0;

    while (opts && opts[n].name)
        n++;
    return n;
}

/* The command's, the tool's, and what all tools have. */
static void join_options(struct tool *tool)
{
    const struct rec_opt *own = tool->command ? tool->command->opts : NULL, *shared = tool->about->opts;
    size_t n_own = count(own), n_shared = count(shared);

    free(held.opts);
    held.opts = tool->opts = calloc(n_own + n_shared + REC_LENGTH(common), sizeof *tool->opts);
    if (!tool->opts) {
        fprintf(stderr, "%s: out of memory\n", tool->about->name);
        exit(TOOL_FAILED);
    }
    tool->n_own = n_own;
    if (n_own)
        memcpy(tool->opts, own, n_own * sizeof *own);
    if (n_shared)
        memcpy(tool->opts + n_own, shared, n_shared * sizeof *shared);
    memcpy(tool->opts + n_own + n_shared, common, sizeof common);
}

/* tool->command, where the tool has commands and one is named. */
static void find_command(struct tool *tool, int *argc, char **argv)
{
    struct rec_err err = {0};
    int found = tool_commands_find(&tool->command, &group, tool->about, tool->opts, argc, argv, &err);

    if (found < 0)
        exit(tool_usage(tool, "%s", err.text));
    if (found == 0)
        return;
    snprintf(tool->name, sizeof tool->name, "%s %s", tool->about->name, tool->command->name);
    join_options(tool);
}

/* A tool started without standard streams must not write its messages into a file it opens as descriptor 2. */
static void keep_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        struct stat st;
        if (fstat(fd, &st) < 0 && errno == EBADF && fd != STDOUT_FILENO && !freopen("/dev/null", "r+", fd ? stderr : stdin))
            exit(TOOL_FAILED);
    }
}

static void answer_requests(struct tool *tool)
{
    struct rec_buf out = {0};
    struct rec_err err = {0};

    if (help)
        print_help(tool);
    if (version)
        print_version(tool);
    if (print_config)
        print_settings(tool);
    if (completion) {
        if ((tool->about->commands ? tool_commands_completion(&out, completion, tool->about, tool->opts + tool->n_own, &err)
                                   : rec_opt_completion(&out, completion, tool->about->name, tool->opts, NULL, &err)) < 0)
            exit(tool_usage(tool, "%s", err.text));
        print_out(tool, &out);
    }
}

static void check_operands(const struct tool *tool)
{
    const struct tool_about *about = tool->about;
    const struct tool_command *c = tool->command;
    size_t n = (size_t)tool->n_operands, min = c ? c->min_operands : about->min_operands, max = c ? c->max_operands : about->max_operands;
    const char *synopsis = c ? c->synopsis : about->synopsis;

    if (about->commands && !c && group)
        exit(tool_usage(tool, "%s: a command of two words; the second is missing", group));
    if (about->commands && !c)
        exit(tool_usage(tool, "a command is missing"));
    if (n > max)
        exit(tool_usage(tool, "%s: one operand too many", tool->operands[max]));
    if (n < min)
        exit(tool_usage(tool, "an operand is missing: %s %.*s", tool->name, (int)strcspn(synopsis, "\n"), synopsis));
}

void tool_start(struct tool *tool, const struct tool_about *about, int argc, char **argv)
{
    struct rec_err err = {0};

    *tool = (struct tool){.about = about, .started = tool_now()};
    snprintf(tool->name, sizeof tool->name, "%s", about->name);
    keep_standard_streams();
    join_options(tool);
    (void)atexit(release);
    if (about->commands)
        find_command(tool, &argc, argv);
    int all = argc;
    if (about->runs)
        argc = rec_opt_command(tool->opts, argc, argv);
    bool asked = argc == 2 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "--version"));
    if (!asked && tool_settings(tool, &held.yaml, argc, argv, &err) < 0)
        exit(tool_usage(tool, "%s", err.text));
    tool->n_operands = rec_opt_parse(tool->opts, argc, argv, &err);
    if (tool->n_operands < 0)
        exit(tool_usage(tool, "%s", err.text));
    tool->operands = about->runs ? argv + argc : argv + 1;
    tool->n_operands = about->runs ? all - argc : tool->n_operands;
    tool->quiet = quiet;
    tool->stats = stats;
    tool->terminal = !quiet && to_terminal() && !getenv("CI");
    answer_requests(tool);
    check_operands(tool);
}

int tool_run(struct tool *tool)
{
    struct rec_err err = {0};
    int status = tool->command->run(tool, &err);

    return status < 0 ? tool_fail(tool, &err) : tool_finish(tool, status);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

static void print_stats(const struct tool *tool)
{
    struct rusage usage;
    double wall = tool_now() - tool->started;
    char rate[16];

    getrusage(RUSAGE_SELF, &usage);
    fprintf(stderr, "%s: %.3f s, %.3f s of CPU, peak memory %.1f MB", tool->about->name, wall,
            seconds(usage.ru_utime) + seconds(usage.ru_stime), (double)usage.ru_maxrss / 1024);
    if (tool->rows_name) {
        print_count(rate, wall > 0 ? (double)tool->rows / wall : 0);
        fprintf(stderr, ", %llu %s, %s/s", (unsigned long long)tool->rows, tool->rows_name, rate);
    }
    fputc('\n', stderr);
}

int tool_finish(struct tool *tool, int status)
{
    if (tool->terminal && tool->last_progress > 0)
        clear_bar();
    if (tool->stats)
        print_stats(tool);
    return status;
}

void tool_history(const struct tool *tool, struct rec_buf *out, const char *before, const uint32_t *digests, size_t n)
{
    if (before)
        rec_buf_adds(out, before);
    rec_history_add(out, tool->about->name, REC_VERSION, tool->opts, digests, n);
}
