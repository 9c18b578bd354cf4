/* SPDX-License-Identifier: MIT
 *
 * util: what every other room stands on. C and POSIX only.
 *
 *     err      why a call failed, in one line
 *     buf      a growing byte string; checked sizes
 *     num      strict numbers to and from text, whatever the locale
 *     date     seconds since 1970, and days
 *     opt      one table of options: parsing, help, completion
 *     io       whole inputs mapped or read; outputs that appear complete or not at all
 *     lines    a stream of lines, as they come
 *     hashmap  byte strings to dense numbers
 *     rng      seeded random numbers, the same on every machine
 *     pool     threads over a range of work
 *     shared   memory that processes share
 *     cpu      what the processor can do
 *
 * Functions that may fail return 0, or -1 with the reason in `err`. Nothing here prints or exits.
 */
#ifndef REC_UTIL_H
#define REC_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REC_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define REC_RESULT_USED __attribute__((warn_unused_result))
#define REC_LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* ---- err: why a call failed ---------------------------------------------------------------------
 *
 * A failing function leaves one line in the caller's `struct rec_err`, shaped `object: cause`, lower
 * case, no newline: "ratings.rec: truncated at byte 4096". A tool prints its own name before it.
 *
 *     struct rec_err err = {0};
 *     if (rec_in_open(&in, path, &err) < 0)
 *         fprintf(stderr, "rec-x: %s\n", err.text);
 */
struct rec_err {
    char text[512];
};

/** Sets the text, and returns -1 so that `return rec_err_set(err, ...)` reads well. `err` may be NULL.
 *  Control characters are replaced, so that a hostile file name cannot drive the terminal. */
int rec_err_set(struct rec_err *err, const char *fmt, ...) REC_PRINTF(2, 3);

/** As rec_err_set, with ": " and the system's words for `errno` added. */
int rec_err_errno(struct rec_err *err, const char *fmt, ...) REC_PRINTF(2, 3);

/** "object: out of memory". Returns -1. */
int rec_err_memory(struct rec_err *err, const char *object);

/** Puts "prefix: " before the text there is. Returns -1. */
int rec_err_prefix(struct rec_err *err, const char *prefix);

/* ---- buf: a growing byte string; checked sizes -------------------------------------------------- */

/** Empty when zeroed. `data` is NUL-terminated whenever it is not NULL; `len` does not count the NUL. */
struct rec_buf {
    char *data;
    size_t len;
    size_t cap;
    bool failed; /**< an allocation failed: all later additions do nothing; check once, at the end */
};

void rec_buf_clear(struct rec_buf *buf);          /**< frees, and is empty again */
void rec_buf_reset(struct rec_buf *buf);          /**< len 0, storage kept */
int rec_buf_reserve(struct rec_buf *buf, size_t more); /**< room for `more` bytes beyond len; -1 when out of memory */
void rec_buf_add(struct rec_buf *buf, const void *bytes, size_t len);
void rec_buf_adds(struct rec_buf *buf, const char *text);
void rec_buf_addc(struct rec_buf *buf, char c);
void rec_buf_addf(struct rec_buf *buf, const char *fmt, ...) REC_PRINTF(2, 3);

/** a * b, or a + b, into *out; -1 when it does not fit a size_t. */
int rec_size_mul(size_t *out, size_t a, size_t b) REC_RESULT_USED;
int rec_size_add(size_t *out, size_t a, size_t b) REC_RESULT_USED;

/** Zeroed or plain memory for n elements of `size` bytes, overflow checked; NULL with err set. Free with free().
 *  n = 0 gives a valid pointer. `object` names what it is for in the message. */
void *rec_calloc(size_t n, size_t size, const char *object, struct rec_err *err);
void *rec_malloc(size_t n, size_t size, const char *object, struct rec_err *err);

/** Resizes *ptr (a pointer to a pointer) to n elements; on failure *ptr is untouched. Large blocks move by remapping pages. */
int rec_realloc(void *ptr, size_t n, size_t size, const char *object, struct rec_err *err);

/* ---- num: strict numbers ------------------------------------------------------------------------
 *
 * A number is a number: an optional sign, decimal digits with at most one '.', an optional exponent. No spaces, hex, "nan",
 * "inf", trailing letters or locale commas; nothing that overflows. The text need not be NUL-terminated.
 */
int rec_num_double(double *out, const char *text, size_t len) REC_RESULT_USED;
int rec_num_int64(int64_t *out, const char *text, size_t len) REC_RESULT_USED;

/** The shortest decimal text that reads back as the same float (or double): "4", "3.5", "0.1", "1e+20". No NUL in the count.
 *  @param out room for REC_NUM_MAX bytes.  @return bytes written. */
#define REC_NUM_MAX 32
size_t rec_num_print_float(char *out, float value);
size_t rec_num_print_double(char *out, double value);
size_t rec_num_print_int64(char *out, int64_t value);
/** The double nearest to that shortest decimal: 3.7 of 3.7f, where a cast gives 3.7000000476837158. As a float it is `value` again. */
double rec_num_decimal(float value);

/* ---- date: seconds since 1970, and days ---------------------------------------------------------- */

/** Midnight UTC of that day (month 1..12, day 1..31), in seconds since 1970; any Gregorian year. */
int64_t rec_date_from_civil(int64_t year, unsigned month, unsigned day);
/** The day in UTC that the second belongs to. */
void rec_date_to_civil(int64_t seconds, int64_t *year, unsigned *month, unsigned *day);
/** Reads 2024 (its first second), 2024-12-31 (midnight), 2024-12-31T23:59:59Z or as RFC 3339 has it (a fraction is dropped; an offset from UTC; a
 *  blank for T; without a zone it is UTC), or seconds of more or less than four digits; `where` begins the message. */
int rec_date_parse(int64_t *seconds, const char *text, const char *where, struct rec_err *err);
/** "2024-12-31". @param out room for REC_NUM_MAX bytes.  @return bytes written. */
size_t rec_date_print(char *out, int64_t seconds);
/** "2024-12-31T23:59:59Z" (RFC 3339), NUL-terminated. Returns `out`. */
const char *rec_date_print_time(char out[REC_NUM_MAX], int64_t seconds);

/* ---- opt: one table of options ------------------------------------------------------------------
 *
 *     double share = 0.2;  bool quiet = false;  const char *out = NULL;
 *     struct rec_opt opts[] = {
 *         {'t', "test", "SHARE", REC_OPT_REAL, &share, .min = 0, .max = 1, .flags = REC_OPT_RESULT, .help = "part held out"},
 *         {'o', "output", "FILE", REC_OPT_FILE, &out, .help = "write FILE instead of standard output"},
 *         {'q', "quiet", NULL, REC_OPT_FLAG, &quiet, .help = "no progress, no notes"},
 *         {0}
 *     };
 *
 * What *value holds before parsing is the default, and help shows it. The same table gives the usage text, the completion of
 * three shells and, with REC_OPT_RESULT, what the history line of an output file records.
 */
enum rec_opt_type {
    REC_OPT_FLAG = 1, /**< bool; --name, and --no-name undoes it */
    REC_OPT_INT,      /**< int64_t within [min, max]; no range when both are 0 */
    REC_OPT_REAL,     /**< double within [min, max]; NAN before parsing means "not given" */
    REC_OPT_TEXT,     /**< const char *, borrowed from argv */
    REC_OPT_FILE,     /**< as TEXT; completed with file names */
    REC_OPT_CHOICE,   /**< as TEXT, one of `choices`, "a|b|c" */
    REC_OPT_LIST      /**< struct rec_opt_list: may be repeated; each use adds a text */
};

enum {
    REC_OPT_RESULT = 1,    /**< changes the output's bytes: recorded in history */
    REC_OPT_NO_CONFIG = 2, /**< from the command line only: --help, --version, --config */
    REC_OPT_COMMON = 4,    /**< the same in every tool: REC_SEED and a top-level `seed:` set it */
    REC_OPT_URL = 8        /**< a URL: where it is shown, the password in it is not */
};

enum rec_opt_origin { REC_ORIGIN_DEFAULT, REC_ORIGIN_FILE, REC_ORIGIN_ENVIRONMENT, REC_ORIGIN_FLAG };

#define REC_OPT_LIST_MAX 64
struct rec_opt_list {
    const char *text[REC_OPT_LIST_MAX];
    size_t n;
};

struct rec_opt {
    char letter;            /**< 0: no short form */
    const char *name;       /**< long form without dashes; the table ends at the first entry with a NULL name */
    const char *arg;        /**< what the argument is called in help: "FILE", "K"; NULL for a flag */
    enum rec_opt_type type;
    void *value;
    double min, max;
    const char *choices;
    unsigned flags;
    const char *help;       /**< one line, no full stop */
    enum rec_opt_origin origin; /**< set by parsing */
};

/** Sets one option from text, checking type and range. `where` begins the message: "--test", "REC_TEST", "rec.yaml: split.test". */
int rec_opt_set(struct rec_opt *opt, const char *text, const char *where, enum rec_opt_origin origin, struct rec_err *err);

/** Parses argv[1..]: --name value, --name=value, -n value, -nvalue, -abc for flags, `--` ends the options; options and operands
 *  may be mixed; a lone `-` is an operand. No abbreviations: a script must not break when an option is added.
 *  Operands are moved to the front of argv[1..].
 *  @return the number of operands, or -1: unknown option (the nearest name is offered), missing or bad argument. */
int rec_opt_parse(struct rec_opt *opts, int argc, char **argv, struct rec_err *err);

/** For a tool that runs a command, as env(1) does: how many of argv are the tool's own, its name and `--` included. What follows is the
 *  command, whose options are not looked at. Sets nothing; rec_opt_parse of that many does. */
int rec_opt_command(const struct rec_opt *opts, int argc, char **argv);

/** The entry of that long name, or NULL. */
struct rec_opt *rec_opt_find(struct rec_opt *opts, const char *name);

/** The present value as text ("" when unset), as --print-config and history show it. */
void rec_opt_print(struct rec_buf *out, const struct rec_opt *opt);

/** The option list of the help text, in columns of at most 80 characters. */
void rec_opt_help(struct rec_buf *out, const struct rec_opt *opts);

/** A command of a tool that has several, for completion: its name of one or two words, and its own options. */
struct rec_opt_command {
    const char *name, *summary;
    const struct rec_opt *opts;
};
/** A completion script for `shell`: "bash", "zsh" or "fish". -1 for another name.
 *  @param opts  of the tool, or those that all its commands have  @param commands  NULL, or up to an entry with a NULL name */
int rec_opt_completion(struct rec_buf *out, const char *shell, const char *tool, const struct rec_opt *opts,
                       const struct rec_opt_command *commands, struct rec_err *err);

/** The nearest of n names to `word` by edit distance, or NULL when none is near. */
const char *rec_opt_nearest(const char *word, const char *const *names, size_t n);

/* ---- io: whole inputs, all-or-nothing outputs --------------------------------------------------- */

/** A whole input in memory: mapped read-only when it is a regular file (named, or standard input by `<`), else read to its end. */
struct rec_in {
    const char *name; /**< for messages: the path as given, or "standard input"; borrowed */
    const unsigned char *data;
    size_t len;
    bool mapped;
    size_t cap;       /**< private */
};

/** @param path  "-" or NULL is standard input.  @return -1 when it cannot be opened or read, or is a terminal's or a directory. */
int rec_in_open(struct rec_in *in, const char *path, struct rec_err *err);
/** One that was opened already, and stays the caller's: from where it stands. @param name  for messages; borrowed */
int rec_in_descriptor(struct rec_in *in, int fd, const char *name, struct rec_err *err);
void rec_in_close(struct rec_in *in);

/** An output. To standard output it is written as it comes. To a file it goes to one fixed temporary name beside it
 *  (`.NAME.rec-tmp`, locked while in use, so a leftover of a killed run is taken over by the next), and rec_out_commit renames
 *  it into place after fsync: a reader sees the old file or the new one. A target that exists and is no regular file
 *  (/dev/null, a fifo) is written in place. */
struct rec_out {
    const char *name; /**< for messages; borrowed */
    int fd;
    uint64_t written; /**< bytes so far */
    char *temporary;  /**< NULL when written in place */
    char *target;
    unsigned char *block; /**< private: gathers small writes */
    size_t fill;
};

/** @param path  "-" or NULL is standard output.  @param binary  refuse a terminal. */
int rec_out_open(struct rec_out *out, const char *path, bool binary, struct rec_err *err);
int rec_out_write(struct rec_out *out, const void *data, size_t len, struct rec_err *err) REC_RESULT_USED;
int rec_out_flush(struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
/** Flushes, and closes standard output too, so that a full disk or a closed pipe is noticed; a file is renamed into place. */
int rec_out_commit(struct rec_out *out, struct rec_err *err) REC_RESULT_USED;
/** Drops it: the temporary file goes, the old file stays. Safe on a zeroed, committed or aborted one. */
void rec_out_abort(struct rec_out *out);

/* ---- lines: a stream of lines, as they come ------------------------------------------------------ */

#define REC_LINES_LONGEST ((size_t)1 << 20)

struct rec_lines {
    const char *name; /**< for messages; borrowed */
    size_t number;    /**< of the last line returned, from 1 */
    int fd;           /**< private, as all below */
    char *data;
    size_t begin, end, cap;
    bool ended;
};

/** @param path  "-" or NULL is standard input. */
int rec_lines_open(struct rec_lines *lines, const char *path, struct rec_err *err);
/** The next line without its \n or \r\n, valid until the next call. @return 1, 0 at the end, -1 when it cannot be read or is longer
 *  than REC_LINES_LONGEST. */
int rec_lines_next(struct rec_lines *lines, const char **text, size_t *len, struct rec_err *err);
/** Whether the next call can answer without waiting long: time to send off what has been answered when not. */
bool rec_lines_ready(const struct rec_lines *lines);
void rec_lines_close(struct rec_lines *lines);

/* ---- hashmap: byte strings to dense numbers -----------------------------------------------------
 *
 * The n-th new string gets the number n. Strings are copied into one arena. Seeded hashing is not needed: ids are bounded by the
 * caller, and the probe sequence is bounded by the load factor.
 */
struct rec_hashmap {
    char *bytes;       /**< all strings, one after another */
    size_t bytes_len, bytes_cap;
    int64_t *offset;   /**< [n + 1]: string i is bytes[offset[i] .. offset[i+1]) */
    uint32_t n, cap;
    uint64_t *slot;    /**< private: high half of the hash | number + 1 */
    uint32_t mask;
};

#define REC_HASHMAP_NONE UINT32_MAX

/** The number of the string, given anew when it was not there; REC_HASHMAP_NONE when out of memory or beyond 2^31-1 strings. */
uint32_t rec_hashmap_intern(struct rec_hashmap *map, const char *text, size_t len);
/** The number of the string, or REC_HASHMAP_NONE. */
uint32_t rec_hashmap_find(const struct rec_hashmap *map, const char *text, size_t len);
void rec_hashmap_clear(struct rec_hashmap *map);
/** 64 bits of hash of a byte string (our own mixing of 8-byte words; not for secrets). */
uint64_t rec_hashmap_hash(const char *text, size_t len);

/* ---- rng: seeded random numbers -----------------------------------------------------------------
 *
 * xoshiro256++ (Blackman and Vigna 2021) seeded by SplitMix64. `stream` gives independent generators from one seed, one for a
 * user or a tile of work, so that results do not depend on the number of threads.
 */
struct rec_rng {
    uint64_t s[4];
};
void rec_rng_seed(struct rec_rng *rng, uint64_t seed, uint64_t stream);
uint64_t rec_rng_next(struct rec_rng *rng);
uint64_t rec_rng_below(struct rec_rng *rng, uint64_t n); /**< uniform on [0, n), unbiased (Lemire 2019); n > 0 */
double rec_rng_uniform(struct rec_rng *rng);             /**< [0, 1), 53 bits */
double rec_rng_normal(struct rec_rng *rng);              /**< mean 0, variance 1; polar method */

/* ---- pool: threads over a range of work --------------------------------------------------------- */

/** Work on [begin, end); `thread` is 0 .. threads-1 and names a scratch space. Non-zero stops the whole run. */
typedef int rec_pool_fn(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err);

/** Cuts [0, n) into pieces of `grain` and hands them to `threads` threads (the caller is one of them) as each becomes free.
 *  Pieces are the same for any number of threads. Returns 0, or -1 with the error of the lowest piece that failed. */
int rec_pool_run(unsigned threads, size_t n, size_t grain, rec_pool_fn *fn, void *context, struct rec_err *err);

/** Processors this process may run on; at least 1. */
unsigned rec_pool_processors(void);

/* ---- shared: memory that processes share --------------------------------------------------------- */

/** What is to be mapped: zeros behind a head, whose first `same` bytes (at most 64) tell one make and size from another. */
struct rec_shared {
    size_t bytes;             /**< of all of it */
    const void *head;
    size_t head_len, same;
    const char *what;         /**< for messages: "a table of limits" */
};
/** Maps the file for reading and writing by all who map it: made (0600) when it is not there or empty, refused when it is another, a link or no
 *  regular file. @param path  NULL: memory of this process and those it forks.  @return NULL with err set. */
void *rec_shared_map(const struct rec_shared *shared, const char *path, struct rec_err *err);
/** NULL is safe. */
void rec_shared_unmap(void *map, size_t bytes);

/* ---- cpu: what the processor can do --------------------------------------------------------------- */

enum {
    REC_CPU_CRC32 = 1,        /**< SSE 4.2 and PCLMULQDQ */
    REC_CPU_AVX2 = 2,         /**< AVX2, FMA, BMI, BMI2, LZCNT and POPCNT */
    REC_CPU_AVX512 = 4        /**< and F, DQ, BW and VL of AVX-512 */
};
/** These bits, where the system saves the registers they need; 0 on other processors. Of the C library where it knows: it has asked before main(),
 *  and on a virtual machine each CPUID instruction is a trap that costs several microseconds. */
unsigned rec_cpu_features(void);

#endif
