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
 */
#ifndef REC_TOOL_H
#define REC_TOOL_H

#include <rec/format.h>

enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_NO = 3 };

struct tool_about {
    const char *name;
    const char *synopsis;      /**< after the name; further forms after "\n" */
    const char *summary;       /**< one line, lower case, no full stop */
    struct rec_opt *opts;      /**< the tool's own; the common ones are added */
    size_t min_operands, max_operands;
    const char *more;          /**< further paragraphs for -h, or NULL */
};

struct tool {
    const struct tool_about *about;
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

/* Entries that several tools share, so that they are spelt alike. */
#define TOOL_OUTPUT(var) {'o', "output", "FILE", REC_OPT_FILE, (var), .help = "write FILE, complete or not at all, instead of standard output"}
#define TOOL_SEED(var) {0, "seed", "N", REC_OPT_INT, (var), .min = 0, .max = 9007199254740991.0, \
                        .flags = REC_OPT_RESULT | REC_OPT_COMMON, .help = "seed of everything random"}
#define TOOL_THREADS(var) {0, "threads", "N", REC_OPT_INT, (var), .min = 0, .max = 1024, .flags = REC_OPT_COMMON, \
                           .help = "threads; 0 is one for each processor"}
#define TOOL_HISTORY(var) {0, "no-history", NULL, REC_OPT_FLAG, (var), .help = "leave the history out of the output"}

void tool_start(struct tool *tool, const struct tool_about *about, int argc, char **argv);
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

/** Threads to use for an option value: n, or one for each processor when 0. */
unsigned tool_threads(int64_t n);
/** Seconds of a clock that only goes forward. */
double tool_now(void);
/** This toolchain's version, "0.1.0". */
const char *tool_version(void);
/** A tool that uses BLAS or CPU kernels defines this, to say which under --version; others leave it undefined. */
__attribute__((weak)) void tool_version_details(struct rec_buf *out);

#endif
