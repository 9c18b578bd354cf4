/* SPDX-License-Identifier: MIT
 *
 * What the parts of rec-job share: what was asked for, and what became of it.
 *
 *     rec-job.c            options; attempts, one after another
 *     rec-job_lock.c       never two at once
 *     rec-job_run.c        one attempt: a process group, its time, the signals it is passed
 *     rec-job_guard.c      ends the process group when rec-job itself is killed
 *     rec-job_output.c     what the command says: passed on, held back, logged
 *     rec-job_log.c        a log that is rotated by size
 *     rec-job_record.c     the line of the run log
 *     rec-job_state.c      what is kept from run to run, and the file for Prometheus
 *     rec-job_notify.c     mail, webhook, command
 */
#ifndef REC_JOB_H
#define REC_JOB_H

#include "tool.h"

#include <sys/types.h>

enum { JOB_TIMEOUT = 124, JOB_ERROR = 125, JOB_NOT_RUN = 126, JOB_NOT_FOUND = 127, JOB_SIGNAL = 128 };
enum { JOB_TEXT = 4096, JOB_TIME = 40 };

/** The options, as they were given. */
struct job_settings {
    const char *name, *lock, *final, *log, *run_log, *textfile, *state, *notify, *mail, *webhook;
    double wait, timeout, kill_after, backoff, backoff_max;
    int64_t conflict, retries, log_size, log_keep;
    bool no_lock, tee, quiet_success;
    struct rec_opt_list inputs, outputs;
};

/** What became of one attempt. */
struct job_result {
    int64_t attempt;           /**< from 1 */
    double began, ended;       /**< seconds since 1970 */
    double seconds;            /**< of a clock that only goes forward */
    double user, system;       /**< seconds of CPU, of the command and all its children it waited for */
    uint64_t max_rss;          /**< bytes, of the largest of them */
    int status;                /**< exit status, or -1 */
    int signal;                /**< that it died of, or 0 */
    bool timed_out;
};
/** As rec-job exits for it. */
int job_exit(const struct job_result *result);
/** "exit 1", "signal 9", "no end after 60 s". */
const char *job_outcome(char out[JOB_TIME], const struct job_result *result);

struct job_output;
struct job {
    const struct tool *tool;
    const struct job_settings *set;
    char *const *command;
    char name[256];            /**< --name, or what the command is called */
    char run[65];              /**< of REC_RUN, or drawn */
    char host[256];
    int lock;                  /**< descriptor, or -1 */
    int signals;               /**< a descriptor that tells of signals, which are blocked */
    unsigned char mask[128];   /**< sigset_t to give back to the command */
    int stopped;               /**< the signal that rec-job was ended by, or 0 */
    bool troubled;             /**< rec-job itself failed in something, which was said */
    struct rec_buf inputs;     /**< JSON: what the input files were before the first attempt */
    struct job_output *output;
};

/** Says it, and has rec-job fail at its end where the command did not. */
void job_trouble(struct job *job, const struct rec_err *err);
/** Seconds since 1970, to the microsecond. */
double job_now(void);
/** "2026-11-24T00:24:51.042Z" */
const char *job_time(char out[JOB_TIME], double when);
/** The name as part of a file name: what is not a letter, a digit or one of ._- is written %XX. */
void job_file_name(struct rec_buf *out, const char *name);
/** The command's words with blanks between them, as a shell would take them; passwords in URLs are not shown. */
void job_command_text(struct rec_buf *out, const struct job *job);
void job_word(struct rec_buf *out, const char *word);

/* ---- lock ---- */

/** DIR/NAME.suffix in --state or where state is kept; the directory is made. */
int job_state_path(struct rec_buf *out, const struct job *job, const char *suffix, struct rec_err *err);
/** 1: it is ours, or none was asked for; 0: another has it. */
int job_lock(struct job *job, struct rec_err *err);

/* ---- run ---- */

/** Signals come by job->signals from here on. */
int job_signals(struct job *job, struct rec_err *err);
/** In a new process: signals as they were before. */
void job_signals_restore(const struct job *job);
/** Runs the command once. -1: it could not be tried at all. */
int job_attempt(struct job_result *out, struct job *job, int64_t attempt, struct rec_err *err);
/** Waits, unless a signal to end comes: then false. */
bool job_pause(struct job *job, double seconds);

/* ---- guard ---- */

struct job_guard {
    pid_t pid;
    int fd;                    /**< the new process writes its number here, as a pid_t, before it becomes the command */
};
int job_guard_start(struct job_guard *guard, const struct job *job, struct rec_err *err);
/** The command has ended by itself. */
void job_guard_end(struct job_guard *guard);

/* ---- output ---- */

int job_output_open(struct job *job, struct rec_err *err);
/** Whether what the command writes comes by us. */
bool job_output_captured(const struct job *job);
/** What came from standard output (0) or standard error (1). false: nobody reads it any more. */
bool job_output_take(struct job *job, int stream, const char *data, size_t len);
/** A line of our own in the log. */
void job_output_note(struct job *job, const char *fmt, ...) REC_PRINTF(2, 3);
/** An attempt is over: lines without an end are ended in the log. */
void job_output_flush(struct job *job);
/** The last lines that came, for messages. */
void job_output_tail(struct rec_buf *out, const struct job *job, size_t most);
/** All attempts are over: what was held back is shown, where they failed. Safe on one that was not opened. */
void job_output_close(struct job *job, bool failed);

/* ---- log ---- */

struct job_log {
    const char *path;
    int fd;
    int64_t size, keep;
};
int job_log_open(struct job_log *log, const char *path, int64_t size, int64_t keep, struct rec_err *err);
int job_log_write(struct job_log *log, const char *text, size_t len, struct rec_err *err);

/* ---- record ---- */

/** Adds the files with bytes, SHA-256 and, of our own, CRC-32C to a JSON array. */
void job_record_files(struct rec_buf *out, const struct rec_opt_list *files);
int job_record(struct job *job, const struct job_result *result, struct rec_err *err);

/* ---- state ---- */

struct job_state {
    int64_t succeeded, failed; /**< runs */
    double last_success;       /**< seconds since 1970; 0: never */
    bool failing;              /**< the last run failed */
};
/** The state before this run into *before, and kept with this run. */
int job_state_update(struct job_state *before, struct job_state *after, const struct job *job, const struct job_result *result, bool success,
                     struct rec_err *err);
int job_textfile(const struct job *job, const struct job_state *state, const struct job_result *result, struct rec_err *err);

/* ---- notify ---- */

void job_notify(struct job *job, const struct job_result *result, bool success);

#endif
