/* SPDX-License-Identifier: MIT
 *
 * A command as a job: never two at once, not for ever, tried again when it fails, and with a record of what became of it. For cron, timers and
 * the steps of a pipeline. Its parts are listed in rec-job.h.
 */
#include "rec-job.h"

#include <rec/crypto.h>

#include <errno.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

static struct job_settings set = {
    .final = "2,3", .kill_after = 10, .backoff = 10, .backoff_max = 600, .log_size = 10 << 20, .log_keep = 5,
};

static struct rec_opt opts[] = {
    {'n', "name", "NAME", REC_OPT_TEXT, &set.name, .help = "what the job is called; jobs of one name never run at once"},
    {0, "lock", "FILE", REC_OPT_FILE, &set.lock, .help = "the file whose lock the job holds, instead of one by its name"},
    {0, "no-lock", NULL, REC_OPT_FLAG, &set.no_lock, .help = "several may run at once"},
    {0, "wait", "SECONDS", REC_OPT_REAL, &set.wait, .max = 1e8, .help = "how long to wait for one that runs"},
    {'E', "conflict-exit-code", "N", REC_OPT_INT, &set.conflict, .max = 255, .help = "exit status when another one runs"},
    {0, "timeout", "SECONDS", REC_OPT_REAL, &set.timeout, .max = 1e8, .help = "end an attempt after this time; 0 is never"},
    {0, "kill-after", "SECONDS", REC_OPT_REAL, &set.kill_after, .max = 1e8, .help = "from SIGTERM at the timeout to SIGKILL"},
    {0, "retries", "N", REC_OPT_INT, &set.retries, .max = 1000, .help = "how often to try again after a failure"},
    {0, "backoff", "SECONDS", REC_OPT_REAL, &set.backoff, .max = 1e6, .help = "before trying again; doubles each time"},
    {0, "backoff-max", "SECONDS", REC_OPT_REAL, &set.backoff_max, .max = 1e6, .help = "and is never more than this"},
    {0, "final", "STATUSES", REC_OPT_TEXT, &set.final, .help = "exit statuses after which it is not tried again"},
    {0, "log", "FILE", REC_OPT_FILE, &set.log, .help = "append the command's output here, each line with its time"},
    {0, "log-size", "BYTES", REC_OPT_INT, &set.log_size, .min = 1024, .max = 1e15, .help = "a log of this size is put aside as FILE.1"},
    {0, "log-keep", "N", REC_OPT_INT, &set.log_keep, .max = 1000, .help = "how many are put aside"},
    {0, "tee", NULL, REC_OPT_FLAG, &set.tee, .help = "with --log: pass the output on as well"},
    {0, "quiet-success", NULL, REC_OPT_FLAG, &set.quiet_success, .help = "pass the output on only if the command fails"},
    {0, "run-log", "FILE", REC_OPT_FILE, &set.run_log, .flags = REC_OPT_COMMON, .help = "append a line of JSON about each attempt here"},
    {0, "input", "FILE", REC_OPT_LIST, &set.inputs, .help = "a file the command reads, for the run log"},
    {0, "output", "FILE", REC_OPT_LIST, &set.outputs, .help = "a file the command makes, for the run log"},
    {0, "textfile", "DIR|FILE", REC_OPT_FILE, &set.textfile, .help = "where Prometheus' node_exporter reads *.prom"},
    {0, "state", "DIR", REC_OPT_FILE, &set.state, .help = "where locks and totals are"},
    {0, "notify-command", "COMMAND", REC_OPT_TEXT, &set.notify, .help = "what the shell runs on failure and on recovery"},
    {0, "mail", "ADDRESS", REC_OPT_TEXT, &set.mail, .help = "who is written to on failure and on recovery"},
    {0, "webhook", "URL", REC_OPT_TEXT, &set.webhook, .flags = REC_OPT_URL, .help = "what is sent JSON on failure and on recovery"},
    {0},
};

static const struct tool_about about = {
    .name = "rec-job",
    .synopsis = "[options] [--] COMMAND [argument ...]",
    .summary = "run a command as a job: locked, timed, tried again, recorded",
    .opts = opts,
    .min_operands = 1,
    .max_operands = SIZE_MAX,
    .runs = true,
};

/* ---- what all parts need ---- */

double job_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + floor((double)t.tv_nsec / 1000) / 1e6;
}

const char *job_time(char out[JOB_TIME], double when)
{
    char second[REC_NUM_MAX];
    int64_t whole = (int64_t)floor(when);
    int ms = (int)((when - (double)whole) * 1000);

    rec_date_print_time(second, whole);
    snprintf(out, JOB_TIME, "%.19s.%03dZ", second, ms < 0 ? 0 : ms > 999 ? 999 : ms);
    return out;
}

int job_exit(const struct job_result *r)
{
    return r->timed_out ? JOB_TIMEOUT : r->signal ? JOB_SIGNAL + r->signal : r->status;
}

const char *job_outcome(char out[JOB_TIME], const struct job_result *r)
{
    if (r->timed_out)
        snprintf(out, JOB_TIME, "no end after %.0f s", r->seconds);
    else
        snprintf(out, JOB_TIME, r->signal ? "signal %d" : "exit %d", r->signal ? r->signal : r->status);
    return out;
}

void job_trouble(struct job *job, const struct rec_err *err)
{
    tool_fail(job->tool, err);
    job->troubled = true;
}

void job_file_name(struct rec_buf *out, const char *name)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";

    for (const char *p = name; *p; p++)
        if (strchr(plain, *p) && !(p == name && *p == '.'))
            rec_buf_addc(out, *p);
        else
            rec_buf_addf(out, "%%%02X", (unsigned char)*p);
}

void job_word(struct rec_buf *out, const char *word)
{
    struct rec_opt url = {.type = REC_OPT_TEXT, .value = &word, .flags = REC_OPT_URL};

    rec_opt_print(out, &url);
}

void job_command_text(struct rec_buf *out, const struct job *job)
{
    for (char *const *word = job->command; *word; word++) {
        struct rec_buf text = {0};
        bool plain;

        job_word(&text, *word);
        plain = text.len && !text.data[strcspn(text.data, " \t\n\"'\\$`&|;<>()*?[]#~!{}")];
        rec_buf_adds(out, word == job->command ? "" : " ");
        rec_buf_adds(out, plain ? "" : "'");
        for (size_t i = 0; i < text.len; i++)
            if (text.data[i] == '\'')
                rec_buf_adds(out, "'\\''");
            else
                rec_buf_addc(out, text.data[i]);
        rec_buf_adds(out, plain ? "" : "'");
        rec_buf_clear(&text);
    }
}

/* ---- attempts ---- */

/* Whether trying again would end the same way. */
static bool is_final(const struct job_result *r)
{
    char word[16];
    int len = snprintf(word, sizeof word, "%d", r->status);

    if (r->timed_out || r->signal)
        return false;
    for (const char *p = set.final; *p; p += strcspn(p, ","), p += *p == ',')
        if (strcspn(p, ",") == (size_t)len && !strncmp(p, word, (size_t)len))
            return true;
    return false;
}

/* base, 2 base, 4 base ... up to the greatest; of that, between half and all, so that many that failed at once do not come back at once. */
static double backoff(int64_t attempt)
{
    double delay = set.backoff * pow(2, (double)(attempt - 1));
    struct rec_rng rng;
    uint64_t seed;

    rec_secret_random(&seed, sizeof seed);
    rec_rng_seed(&rng, seed, 0);
    return fmin(delay, set.backoff_max) * (0.5 + 0.5 * rec_rng_uniform(&rng));
}

/* One attempt, in the log and in the run log. */
static int attempt(struct job_result *r, struct job *job, int64_t n, struct rec_err *err)
{
    struct rec_err trouble = {0};
    char outcome[JOB_TIME];

    if (job_attempt(r, job, n, err) < 0)
        return -1;
    job_output_flush(job);
    job_output_note(job, "%s after %.3f s", job_outcome(outcome, r), r->seconds);
    if (set.run_log && job_record(job, r, &trouble) < 0)
        job_trouble(job, &trouble);
    return 0;
}

static int attempts(struct job_result *r, struct job *job, struct rec_err *err)
{
    for (int64_t n = 1;; n++) {
        char outcome[JOB_TIME];
        double delay;

        if (attempt(r, job, n, err) < 0)
            return -1;
        if (job_exit(r) == 0 || job->stopped || n > set.retries || is_final(r))
            return 0;
        delay = backoff(n);
        tool_note(job->tool, "%s: %s; again in %.1f s, %lld of %lld", job->name, job_outcome(outcome, r), delay, (long long)n, (long long)set.retries);
        job_output_note(job, "again in %.1f s", delay);
        if (!job_pause(job, delay))
            return 0;
    }
}

/* ---- beginning and end ---- */

/* Steps of one run have one name of it: what rec-job runs finds it in REC_RUN. */
static int identify(struct job *job, struct rec_err *err)
{
    const char *run = getenv("REC_RUN"), *slash = strrchr(job->command[0], '/');

    snprintf(job->name, sizeof job->name, "%s", set.name ? set.name : slash ? slash + 1 : job->command[0]);
    if (gethostname(job->host, sizeof job->host) < 0)
        snprintf(job->host, sizeof job->host, "localhost");
    job->host[sizeof job->host - 1] = '\0';
    if (run && *run && strlen(run) < sizeof job->run && !run[strspn(run, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:+-")])
        snprintf(job->run, sizeof job->run, "%s", run);
    else
        rec_secret_name(job->run, 16);
    return setenv("REC_RUN", job->run, 1) < 0 ? rec_err_memory(err, "REC_RUN") : 0;
}

/* REC_JOB_TIMEOUT and its like are of this job, and not of those that its command may start; a webhook's address is nobody else's business. */
static void keep_settings(void)
{
    static const char prefix[] = "REC_JOB_";

    for (char **p = environ; *p;) {
        char name[256];

        snprintf(name, sizeof name, "%.*s", (int)strcspn(*p, "="), *p);
        if (strncmp(name, prefix, sizeof prefix - 1) != 0 || unsetenv(name) < 0)
            p++;
    }
}

static void account(struct job *job, const struct job_result *r)
{
    struct job_state before, after;
    struct rec_err err = {0};
    bool success = job_exit(r) == 0;

    if (!set.textfile && !set.mail && !set.webhook && !set.notify)
        return;
    if (job_state_update(&before, &after, job, r, success, &err) < 0) {
        job_trouble(job, &err);
        before = (struct job_state){0};
    } else if (set.textfile && job_textfile(job, &after, r, &err) < 0) {
        job_trouble(job, &err);
    }
    if (!success || before.failing)
        job_notify(job, r, success);
}

static int run(struct job *job, struct rec_err *err)
{
    struct job_result r = {0};
    int locked;

    if (identify(job, err) < 0 || (locked = job_lock(job, err)) < 0)
        return -1;
    if (!locked) {
        tool_note(job->tool, "%s: is running already", job->name);
        return (int)set.conflict;
    }
    if (set.run_log)
        job_record_files(&job->inputs, &set.inputs);
    if (job_output_open(job, err) < 0 || job_signals(job, err) < 0 || attempts(&r, job, err) < 0) {
        job_output_close(job, true);
        return -1;
    }
    account(job, &r);
    job_output_close(job, job_exit(&r) != 0);
    if (job_exit(&r) == 0 && job->stopped)
        return JOB_SIGNAL + job->stopped;
    return job_exit(&r) == 0 && job->troubled ? JOB_ERROR : job_exit(&r);
}

/* node_exporter reads *.prom and nothing else. */
static bool is_textfile(const char *path)
{
    size_t len = strlen(path);
    struct stat st;

    return (len > 5 && !strcmp(path + len - 5, ".prom")) || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

static int check_usage(const struct tool *tool)
{

    if (set.name && (!*set.name || strlen(set.name) > 80 || set.name[strcspn(set.name, "\t\n\r\033\177")]))
        return tool_usage(tool, "--name: 1 to 80 bytes, all of them printable");
    if ((set.textfile || set.mail || set.webhook || set.notify) && !set.name)
        return tool_usage(tool, "--name is missing: a job that is told of needs one");
    if (set.lock && set.no_lock)
        return tool_usage(tool, "--lock and --no-lock contradict each other");
    if (set.final[strspn(set.final, "0123456789,")])
        return tool_usage(tool, "--final: numbers with commas between them");
    if (set.mail && set.mail[strcspn(set.mail, "\r\n")])
        return tool_usage(tool, "--mail: an address is one line");
    if (set.tee && !set.log)
        return tool_usage(tool, "--tee: for --log only");
    if (set.tee && set.quiet_success)
        return tool_usage(tool, "--tee and --quiet-success contradict each other");
    if (set.textfile && !is_textfile(set.textfile))
        return tool_usage(tool, "--textfile: a directory, or a name that ends in .prom");
    return TOOL_DONE;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct job job = {.tool = &tool, .set = &set, .lock = -1, .signals = -1};
    struct rec_err err = {0};
    int status;

    tool_start(&tool, &about, argc, argv);
    if ((status = check_usage(&tool)) != TOOL_DONE)
        return status;
    job.command = tool.operands;
    keep_settings();
    status = run(&job, &err);
    if (status < 0) {
        tool_fail(&tool, &err);
        status = JOB_ERROR;
    }
    rec_buf_clear(&job.inputs);
    return tool_finish(&tool, status);
}
