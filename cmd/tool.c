/* SPDX-License-Identifier: MIT
 *
 * The part of every tool that is the same: see tool.h.
 */
#include "tool.h"
#include "version.h"

#include <ctype.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static bool help, version, print_config, quiet, stats;
static const char *config, *completion;

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
    fprintf(stderr, "%s: %s (%s -h tells more)\n", tool->about->name, err.text, tool->about->name);
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

static void print_help(struct tool *tool)
{
    const struct tool_about *about = tool->about;
    struct rec_buf out = {0};

    for (const char *form = about->synopsis; form; form = strchr(form, '\n') ? strchr(form, '\n') + 1 : NULL)
        rec_buf_addf(&out, "%s %s %.*s\n", form == about->synopsis ? "usage:" : "      ", about->name,
                     (int)strcspn(form, "\n"), form);
    rec_buf_addf(&out, "%s: %s\n\n", about->name, about->summary);
    rec_opt_help(&out, tool->opts);
    if (about->more)
        rec_buf_addf(&out, "\n%s\n", about->more);
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

/* ---- settings ---- */

/* "rec-split", "out-test" -> "REC_SPLIT_OUT_TEST"; without the tool for options that all share. */
static void variable_name(struct rec_buf *out, const char *tool, const char *option)
{
    rec_buf_reset(out);
    rec_buf_adds(out, tool ? tool : "rec");
    rec_buf_addc(out, '_');
    rec_buf_adds(out, option);
    for (size_t i = 0; i < out->len; i++)
        out->data[i] = isalnum((unsigned char)out->data[i]) ? (char)toupper((unsigned char)out->data[i]) : '_';
}

static int set_from_variable(struct rec_opt *opt, const char *tool, struct rec_buf *name, struct rec_err *err)
{
    const char *value;

    variable_name(name, tool, opt->name);
    value = name->failed ? NULL : getenv(name->data);
    return value && *value ? rec_opt_set(opt, value, name->data, REC_ORIGIN_ENVIRONMENT, err) : 0;
}

static int settings_from_environment(struct tool *tool, struct rec_err *err)
{
    struct rec_buf name = {0};
    int status = 0;

    for (struct rec_opt *opt = tool->opts; opt->name && status == 0; opt++) {
        if (opt->flags & REC_OPT_NO_CONFIG)
            continue;
        if (opt->flags & REC_OPT_COMMON)
            status = set_from_variable(opt, NULL, &name, err);
        if (status == 0)
            status = set_from_variable(opt, tool->about->name, &name, err);
    }
    rec_buf_clear(&name);
    return status;
}

static int set_from_file(struct rec_opt *opt, const struct rec_setting *setting, const char *file, struct rec_err *err)
{
    char where[256];

    snprintf(where, sizeof where, "%s:%d: %s", file, setting->line, setting->path);
    return rec_opt_set(opt, setting->value, where, REC_ORIGIN_FILE, err);
}

/* A list option takes `name:` or `name: [a, b]`. */
static int set_list_from_file(struct rec_opt *opt, const struct rec_yaml *yaml, const char *path, const char *file, struct rec_err *err)
{
    size_t len = strlen(path);

    for (size_t i = 0; i < yaml->n; i++) {
        const char *at = yaml->setting[i].path;
        if (!strncmp(at, path, len) && at[len] == '.' && isdigit((unsigned char)at[len + 1]) &&
            set_from_file(opt, &yaml->setting[i], file, err) < 0)
            return -1;
    }
    return 0;
}

/* `split: {test: 0.2}` sets rec-split's --test; `seed: 7` every tool's --seed. */
static int settings_from_file(struct tool *tool, const char *file, struct rec_err *err)
{
    const char *dash = strchr(tool->about->name, '-'), *section = dash ? dash + 1 : tool->about->name;
    const struct rec_setting *setting;
    char path[128];

    for (struct rec_opt *opt = tool->opts; opt->name; opt++) {
        if (opt->flags & REC_OPT_NO_CONFIG)
            continue;
        setting = opt->flags & REC_OPT_COMMON ? rec_yaml_find(&tool->yaml, opt->name) : NULL;
        if (setting && set_from_file(opt, setting, file, err) < 0)
            return -1;
        snprintf(path, sizeof path, "%s.%s", section, opt->name);
        setting = rec_yaml_find(&tool->yaml, path);
        if (setting && set_from_file(opt, setting, file, err) < 0)
            return -1;
        if (opt->type == REC_OPT_LIST && set_list_from_file(opt, &tool->yaml, path, file, err) < 0)
            return -1;
    }
    return 0;
}

/* --config is looked for before anything is set, because flags come last and win. */
static const char *config_file(int argc, char **argv)
{
    const char *file = getenv("REC_CONFIG");

    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (!strncmp(argv[i], "--config=", 9))
            file = argv[i] + 9;
        else if (!strcmp(argv[i], "--config") && i + 1 < argc)
            file = argv[i + 1];
    }
    if (file && *file)
        return file;
    return access("rec.yaml", F_OK) == 0 ? "rec.yaml" : NULL;
}

static int read_settings(struct tool *tool, int argc, char **argv, struct rec_err *err)
{
    const char *file = config_file(argc, argv);

    if (file && rec_yaml_read(&held.yaml, file, err) < 0)
        return -1;
    tool->yaml = held.yaml;
    if (file && settings_from_file(tool, file, err) < 0)
        return -1;
    return settings_from_environment(tool, err);
}

/* ---- beginning and end ---- */

static void join_options(struct tool *tool)
{
    const struct rec_opt *own = tool->about->opts;
    size_t n = 0;

    while (own && own[n].name)
        n++;
    tool->opts = calloc(n + REC_LENGTH(common), sizeof *tool->opts);
    if (!tool->opts) {
        fprintf(stderr, "%s: out of memory\n", tool->about->name);
        exit(TOOL_FAILED);
    }
    if (n)
        memcpy(tool->opts, own, n * sizeof *own);
    memcpy(tool->opts + n, common, sizeof common);
    held.opts = tool->opts;
    (void)atexit(release);
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
        if (rec_opt_completion(&out, completion, tool->about->name, tool->opts, &err) < 0)
            exit(tool_usage(tool, "%s", err.text));
        print_out(tool, &out);
    }
}

void tool_start(struct tool *tool, const struct tool_about *about, int argc, char **argv)
{
    struct rec_err err = {0};

    *tool = (struct tool){.about = about, .started = tool_now()};
    keep_standard_streams();
    join_options(tool);
    bool asked = argc == 2 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "--version"));
    if (!asked && read_settings(tool, argc, argv, &err) < 0)
        exit(tool_usage(tool, "%s", err.text));
    tool->n_operands = rec_opt_parse(tool->opts, argc, argv, &err);
    if (tool->n_operands < 0)
        exit(tool_usage(tool, "%s", err.text));
    tool->operands = argv + 1;
    tool->quiet = quiet;
    tool->stats = stats;
    tool->terminal = !quiet && to_terminal() && !getenv("CI");
    answer_requests(tool);
    if ((size_t)tool->n_operands > about->max_operands)
        exit(tool_usage(tool, "%s: one operand too many", argv[1 + about->max_operands]));
    if ((size_t)tool->n_operands < about->min_operands)
        exit(tool_usage(tool, "an operand is missing: %s %.*s", about->name, (int)strcspn(about->synopsis, "\n"), about->synopsis));
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
