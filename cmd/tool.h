/* SPDX-License-Identifier: MIT
 *
 * What every tool does alike: options from flags, environment and rec.yaml; -h, --version, --completion, --print-config;
 * messages, progress and --stats on standard error; exit statuses.
 *
 *     static const char *output;
 *     static double share = 0.2;
 *     static struct rec_opt opts[] = {
 *         {'t', "test", "SHARE", REC_OPT_REAL, &share, .max = 1, .flags = REC_OPT_RESULT, .help = "part held out"},
 *         TOOL_OUTPUT(&output),
 *         {0}
 *     };
 *     static const struct tool_about about = {
 *         .name = "rec-split", .synopsis = "[options] [RATINGS]", .summary = "cut ratings into train and test", .opts = opts,
 *         .max_operands = 1,
 *     };
 *
 *     int main(int argc, char **argv)
 *     {
 *         struct tool tool;
 *         struct rec_err err = {0};
 *         tool_start(&tool, &about, argc, argv);          // does not return on -h, --version or wrong usage
 *         if (work(&tool, tool_operand(&tool, 0), &err) < 0)
 *             return tool_fail(&tool, &err);              // "rec-split: ratings.rec: truncated at byte 4096", exit 1
 *         return tool_finish(&tool, TOOL_DONE);           // --stats; exit 0
 *     }
 *
 * Settings: flag > environment > file > default. Option `test` of rec-split is set by REC_SPLIT_TEST, and by `test:` under
 * `split:` in rec.yaml (the working directory's, or --config FILE); options marked REC_OPT_COMMON by REC_SEED and `seed:` too.
 *
 * A tool that does several things to one object has commands, of one or two words, each with options and operands of its own:
 *
 *     static const struct tool_command commands[] = {
 *         {"user add", "[options] NAME", "add an account", user_add_opts, 1, 1, NULL, user_add},
 *         {0}
 *     };
 *     static const struct tool_about about = {.name = "rec-db", .summary = "...", .opts = opts_of_all, .commands = commands};
 *
 *     tool_start(&tool, &about, argc, argv);
 *     return tool_run(&tool);                             // user_add(&tool, &err), then tool_fail or tool_finish
 *
 * `rec-db -h` lists them, `rec-db user add -h` tells of one. Its option `role` is set by REC_DB_USER_ADD_ROLE and by `role:` under `db:`,
 * `user:`, `add:`; those of all commands by REC_DB_STORE and under `db:`.
 */
#ifndef REC_TOOL_H
#define REC_TOOL_H

#include <rec/format.h>

enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_NO = 3 };

struct tool;

struct tool_command {
    const char *name;          /**< "init", "user add" */
    const char *synopsis;      /**< after the name */
    const char *summary;       /**< one line, lower case, no full stop */
    struct rec_opt *opts;      /**< its own, or NULL */
    size_t min_operands, max_operands;
    const char *more;          /**< further paragraphs for -h, or NULL */
    int (*run)(struct tool *tool, struct rec_err *err); /**< an exit status, or -1 with the reason */
};

struct tool_about {
    const char *name;
    const char *synopsis;      /**< after the name; further forms after "\n"; of a tool with commands: NULL */
    const char *summary;       /**< one line, lower case, no full stop */
    struct rec_opt *opts;      /**< the tool's own; the common ones are added */
    size_t min_operands, max_operands;
    const char *more;          /**< further paragraphs for -h, or NULL */
    bool runs;                 /**< its operands are a command to run: what begins with a dash behind the first of them is not its option */
    const struct tool_command *commands; /**< up to an entry without a name, or NULL; `opts` are those of all of them */
};

struct tool {
    const struct tool_about *about;
    const struct tool_command *command;  /**< the one that was asked for */
    char name[64];             /**< "rec-split", "rec-db user add": for usage and for settings */
    size_t n_own;              /**< so many of `opts` are the command's own */
    struct rec_opt *opts;      /**< all of them, in the order of the help */
    struct rec_yaml yaml;      /**< the whole of rec.yaml, for settings that are no options */
    int n_operands;
    char **operands;
    bool quiet, stats;
    bool terminal;             /**< progress is a bar: standard error is a terminal and neither -q nor CI is set */
    double started;            /**< tool_now() at the start */
    uint64_t rows;             /**< what --stats divides by the time; set by the tool */
    const char *rows_name;     /**< "ratings" */
    double last_progress;      /**< private */
};

/* ---- commands (tool_commands.c) ---- */

/** Finds the command that argv begins with, behind options of `shared`, and takes its words out of argv. 1; 0: none is named; -1: unknown.
 *  @param group  receives the first word where it needs a second one, as `user`, that is missing; or NULL */
int tool_commands_find(const struct tool_command **out, const char **group, const struct tool_about *about, const struct rec_opt *shared,
                       int *argc, char **argv, struct rec_err *err);
/** usage lines, of all commands or of those of a group. */
void tool_commands_usage(struct rec_buf *out, const struct tool_about *about, const char *group);
/** The list of them, with what each does. */
void tool_commands_list(struct rec_buf *out, const struct tool_about *about, const char *group);
/** As rec_opt_completion. */
int tool_commands_completion(struct rec_buf *out, const char *shell, const struct tool_about *about, const struct rec_opt *shared,
                             struct rec_err *err);

/** tool->opts from rec.yaml and the environment (tool_settings.c). `yaml` receives the file, and is to be cleared. */
int tool_settings(struct tool *tool, struct rec_yaml *yaml, int argc, char **argv, struct rec_err *err);

/* ---- what every tool calls (tool.c) ---- */

/* Entries that several tools share, so that they are spelt alike. */
#define TOOL_OUTPUT(var) {'o', "output", "FILE", REC_OPT_FILE, (var), .help = "write FILE, complete or not at all, instead of standard output"}
#define TOOL_SEED(var) {0, "seed", "N", REC_OPT_INT, (var), .min = 0, .max = 9007199254740991.0, \
                        .flags = REC_OPT_RESULT | REC_OPT_COMMON, .help = "seed of everything random"}
#define TOOL_THREADS(var) {0, "threads", "N", REC_OPT_INT, (var), .min = 0, .max = 1024, .flags = REC_OPT_COMMON, \
                           .help = "threads; 0 is one for each processor"}
#define TOOL_HISTORY(var) {0, "no-history", NULL, REC_OPT_FLAG, (var), .help = "leave the history out of the output"}

void tool_start(struct tool *tool, const struct tool_about *about, int argc, char **argv);
/** Runs the command that was asked for, and says what went wrong. */
int tool_run(struct tool *tool);
/** Operand i, or NULL when it was not given. */
const char *tool_operand(const struct tool *tool, int i);
/** Prints "NAME: text" and returns TOOL_FAILED. */
int tool_fail(const struct tool *tool, const struct rec_err *err);
/** Prints "NAME: text" and a hint at -h, and returns TOOL_USAGE. */
int tool_usage(const struct tool *tool, const char *fmt, ...) REC_PRINTF(2, 3);
/** A remark on standard error, unless -q. */
void tool_note(const struct tool *tool, const char *fmt, ...) REC_PRINTF(2, 3);
/** Prints --stats when asked for, and returns `status`. */
int tool_finish(struct tool *tool, int status);

/** Progress of `what`: done of total (0: unknown). A bar with rate and time left, redrawn at most ten times a second, on a terminal;
 *  otherwise nothing until tool_step. */
void tool_progress(struct tool *tool, const char *what, uint64_t done, uint64_t total);
/** One finished step: clears the bar and prints one line, unless -q. */
void tool_step(struct tool *tool, const char *fmt, ...) REC_PRINTF(2, 3);

/** Adds this tool's line to the history of its inputs: `before` (may be NULL) and the digests. The result is to be cleared. */
void tool_history(const struct tool *tool, struct rec_buf *out, const char *before, const uint32_t *digests, size_t n);

/* ---- tables (tool_table.c) ---- */

enum tool_kind { TOOL_TEXT, TOOL_NUMBER, TOOL_REAL /**< NAN: none */, TOOL_BOOL, TOOL_TIME /**< seconds; 0: never */ };
struct tool_column {
    const char *name;
    enum tool_kind kind;
};
/** Rows of n cells (32 at most), each added in its turn. Zero but for columns, n and format to begin. */
struct tool_table {
    const struct tool_column *column;
    size_t n;
    const char *format;        /**< "table", "csv", "json" */
    struct rec_buf text;       /**< cells, each ended by NUL */
};
void tool_table_text(struct tool_table *t, const char *text);
void tool_table_number(struct tool_table *t, int64_t value); /**< also of TOOL_BOOL and TOOL_TIME */
void tool_table_real(struct tool_table *t, double value);
/** Adds it to `out` as text, and frees. */
void tool_table_lay(struct rec_buf *out, struct tool_table *t);
/** Prints it, closes standard output and frees. */
int tool_table_print(struct tool_table *t, struct rec_err *err);
#define TOOL_FORMAT(var) {0, "format", "FORMAT", REC_OPT_CHOICE, (var), .choices = "table|csv|json", .help = "how it is printed"}
/** Writes a file as a whole; path as for rec_out_open. Frees `text`. */
int tool_write(struct rec_buf *text, const char *path, struct rec_err *err);
/** Prints to standard output, and closes it. Frees `text`. */
int tool_print(struct rec_buf *text, struct rec_err *err);

/* ---- and the rest (tool.c) ---- */

/** Threads to use for an option value: n, or one for each processor when 0. */
unsigned tool_threads(int64_t n);
/** Seconds of a clock that only goes forward. */
double tool_now(void);
/** This toolchain's version, "0.1.0". */
const char *tool_version(void);
/** "0.1.0 (a6b1c2d)": and its commit. */
const char *tool_build(void);
/** A tool that uses BLAS or CPU kernels defines this, to say which under --version; others leave it undefined. */
__attribute__((weak)) void tool_version_details(struct rec_buf *out);

#endif
