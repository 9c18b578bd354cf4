/* SPDX-License-Identifier: MIT
 *
 * Who is told when a job fails, and when it is well again: by sendmail(8) or mail(1) as cron does, by curl(1) to a webhook, or by a command.
 * One that does not work is said, and changes nothing about the job.
 */
#include "rec-job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const double patience = 60;      /* seconds for each */
enum { MAIL_TAIL = 12 * 1024, HOOK_TAIL = 4 * 1024 };

/* ---- running what tells ---- */

struct teller {
    pid_t pid;
    int to;                    /* its standard input, or -1 */
};

static int begin(struct teller *t, const struct job *job, char *const *argv, struct rec_err *err)
{
    int fds[2];

    *t = (struct teller){.to = -1};
    if (pipe2(fds, O_CLOEXEC) < 0)
        return rec_err_errno(err, "%s", argv[0]);
    if ((t->pid = fork()) == 0) {
        setpgid(0, 0);
        job_signals_restore(job);
        // What it prints is no output of the job.
        if (dup2(fds[0], STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
            _exit(JOB_ERROR);
        execvp(argv[0], argv);
        _exit(errno == ENOENT ? JOB_NOT_FOUND : JOB_NOT_RUN);
    }
    close(fds[0]);
    if (t->pid < 0) {
        close(fds[1]);
        return rec_err_errno(err, "%s", argv[0]);
    }
    t->to = fds[1];
    (void)fcntl(t->to, F_SETFL, O_NONBLOCK);
    return 0;
}

/* Gives it the text; until it has read it, ended, or the time is over. */
static void feed(struct teller *t, const struct rec_buf *text, double until)
{
    size_t done = 0;

    while (done < text->len && tool_now() < until) {
        struct pollfd p = {.fd = t->to, .events = POLLOUT};
        ssize_t n = write(t->to, text->data + done, text->len - done);

        if (n > 0)
            done += (size_t)n;
        else if (errno == EAGAIN)
            (void)poll(&p, 1, 100);
        else if (errno != EINTR)
            break;
    }
    close(t->to);
}

/* Its exit status, or -1 when its time was over. */
static int end(const struct teller *t, double until)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    int status = 0;
    pid_t got;

    while ((got = waitpid(t->pid, &status, WNOHANG)) == 0 && tool_now() < until)
        nanosleep(&pause, NULL);
    if (got == t->pid)
        return WIFEXITED(status) ? WEXITSTATUS(status) : JOB_SIGNAL + WTERMSIG(status);
    kill(-t->pid, SIGKILL);
    (void)waitpid(t->pid, NULL, 0);
    return -1;
}

/* false: it did not work, which was said. */
static bool tell(struct job *job, const char *what, char *const *argv, const struct rec_buf *text)
{
    double until = tool_now() + patience;
    struct rec_err err = {0};
    struct teller t;
    int status;

    if (text->failed)
        rec_err_memory(&err, what);
    else if (begin(&t, job, argv, &err) == 0) {
        feed(&t, text, until);
        if ((status = end(&t, until)) == 0)
            return true;
        if (status < 0)
            rec_err_set(&err, "%s: %s did not end within %.0f s", what, argv[0], patience);
        else if (status == JOB_NOT_FOUND)
            rec_err_set(&err, "%s: %s is not there", what, argv[0]);
        else
            rec_err_set(&err, "%s: %s: exit %d", what, argv[0], status);
    }
    tool_fail(job->tool, &err);
    return false;
}

/* ---- what is told ---- */

static const char *event(bool success)
{
    return success ? "recovered" : "failed";
}

static void headline(struct rec_buf *out, const struct job *job, const struct job_result *r, bool success)
{
    char outcome[JOB_TIME];

    rec_buf_addf(out, "%s %s on %s", job->name, event(success), job->host);
    if (!success)
        rec_buf_addf(out, ": %s", job_outcome(outcome, r));
}

static void report(struct rec_buf *out, const struct job *job, const struct job_result *r, bool success)
{
    char when[JOB_TIME], outcome[JOB_TIME];
    struct rec_buf tail = {0};

    headline(out, job, r, success);
    rec_buf_adds(out, "\n\ncommand:  ");
    job_command_text(out, job);
    rec_buf_addf(out, "\nended:    %s\noutcome:  %s\n", job_time(when, r->ended), job_outcome(outcome, r));
    rec_buf_addf(out, "time:     %.3f s, %.3f s of CPU\nattempts: %lld\nrun:      %s\n", r->seconds, r->user + r->system, (long long)r->attempt, job->run);
    job_output_tail(&tail, job, MAIL_TAIL);
    if (!success && tail.len)
        rec_buf_addf(out, "\nIts last words:\n\n%s%s", tail.data, tail.data[tail.len - 1] == '\n' ? "" : "\n");
    out->failed |= tail.failed;
    rec_buf_clear(&tail);
}

/* ---- command ---- */

static void set_number(const char *name, double value)
{
    char text[REC_NUM_MAX + 1];

    text[rec_num_print_double(text, value)] = '\0';
    (void)setenv(name, text, 1);
}

static void by_command(struct job *job, const struct job_result *r, bool success)
{
    char shell[] = "/bin/sh", option[] = "-c", *argv[] = {shell, option, (char *)(uintptr_t)job->set->notify, NULL};
    struct rec_buf text = {0};

    (void)setenv("JOB_EVENT", event(success), 1);
    (void)setenv("JOB_NAME", job->name, 1);
    (void)setenv("JOB_HOST", job->host, 1);
    (void)setenv("JOB_RUN", job->run, 1);
    set_number("JOB_EXIT", job_exit(r));
    set_number("JOB_SIGNAL", r->signal);
    set_number("JOB_SECONDS", r->seconds);
    set_number("JOB_ATTEMPTS", (double)r->attempt);
    report(&text, job, r, success);
    tell(job, "--notify-command", argv, &text);
    rec_buf_clear(&text);
}

/* ---- mail ---- */

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

/* On PATH, or where it is when PATH is that of a user or of cron. */
static const char *find_program(char out[JOB_TEXT], const char *name)
{
    static const char *const more[] = {"/usr/sbin", "/usr/lib", "/usr/bin", "/bin"};
    const char *path = getenv("PATH");

    for (const char *p = path ? path : ""; *p; p += strcspn(p, ":"), p += *p == ':')
        if (*p != ':' && snprintf(out, JOB_TEXT, "%.*s/%s", (int)strcspn(p, ":"), p, name) < JOB_TEXT && is_program(out))
            return out;
    for (size_t i = 0; i < REC_LENGTH(more); i++)
        if (snprintf(out, JOB_TEXT, "%s/%s", more[i], name) < JOB_TEXT && is_program(out))
            return out;
    return NULL;
}

/* RFC 2047's encoded words, where it is not ASCII; each holds whole characters, as few bytes as always fit a line. */
static void add_header_text(struct rec_buf *out, const struct rec_buf *text)
{
    bool ascii = true;

    for (size_t i = 0; i < text->len; i++)
        ascii = ascii && (unsigned char)text->data[i] >= 32 && (unsigned char)text->data[i] < 127;
    if (ascii)
        rec_buf_add(out, text->data, text->len);
    for (size_t i = 0, n = 0; !ascii && i < text->len; i++) {
        unsigned char c = (unsigned char)text->data[i];

        if (n == 0)
            rec_buf_adds(out, i ? "\n =?utf-8?Q?" : "=?utf-8?Q?");
        rec_buf_addf(out, "=%02X", c);
        n++;
        if (i + 1 == text->len || (n >= 16 && ((unsigned char)text->data[i + 1] & 0xc0) != 0x80)) {
            rec_buf_adds(out, "?=");
            n = 0;
        }
    }
}

static void by_mail(struct job *job, const struct job_result *r, bool success)
{
    char path[JOB_TEXT], t[] = "-t", i[] = "-i", oi[] = "-s", *to = (char *)(uintptr_t)job->set->mail;
    struct rec_buf subject = {0}, text = {0};
    struct rec_err err;

    headline(&subject, job, r, success);
    if (find_program(path, "sendmail")) {
        char *argv[] = {path, t, i, NULL};

        rec_buf_addf(&text, "To: %s\nSubject: ", to);
        add_header_text(&text, &subject);
        rec_buf_adds(&text, "\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
                            "Content-Transfer-Encoding: 8bit\n\n");
        report(&text, job, r, success);
        tell(job, "--mail", argv, &text);
    } else if (find_program(path, "mail") && !subject.failed) {
        char *argv[] = {path, oi, subject.data, to, NULL};

        report(&text, job, r, success);
        tell(job, "--mail", argv, &text);
    } else {
        rec_err_set(&err, "--mail: neither sendmail nor mail is there");
        tool_fail(job->tool, &err);
    }
    rec_buf_clear(&subject);
    rec_buf_clear(&text);
}

/* ---- webhook ---- */

static void hook_json(struct rec_buf *out, const struct job *job, const struct job_result *r, bool success)
{
    struct rec_json json = {.out = out, .flat = true};
    struct rec_buf line = {0}, command = {0}, tail = {0};
    char when[JOB_TIME];

    job_time(when, r->ended);
    headline(&line, job, r, success);
    job_command_text(&command, job);
    job_output_tail(&tail, job, HOOK_TAIL);
    rec_json_object(&json, NULL);
    // Chats take this one (Slack, Mattermost, Teams), and leave the rest.
    rec_json_text(&json, "text", line.len ? line.data : "", line.len);
    rec_json_text(&json, "event", event(success), strlen(event(success)));
    rec_json_text(&json, "name", job->name, strlen(job->name));
    rec_json_text(&json, "host", job->host, strlen(job->host));
    rec_json_text(&json, "run", job->run, strlen(job->run));
    rec_json_text(&json, "time", when, strlen(when));
    rec_json_text(&json, "command", command.len ? command.data : "", command.len);
    rec_json_int(&json, "exit", job_exit(r));
    r->signal ? rec_json_int(&json, "signal", r->signal) : rec_json_null(&json, "signal");
    rec_json_bool(&json, "timed_out", r->timed_out);
    rec_json_int(&json, "attempts", r->attempt);
    rec_json_real(&json, "seconds", r->seconds);
    rec_json_text(&json, "output", tail.len ? tail.data : "", tail.len);
    rec_json_end(&json);
    out->failed |= line.failed || command.failed || tail.failed;
    rec_buf_clear(&line);
    rec_buf_clear(&command);
    rec_buf_clear(&tail);
}

/* One setting of curl's config file: a text in quotes. */
static void add_setting(struct rec_buf *out, const char *name, const char *value, size_t len)
{
    rec_buf_addf(out, "%s = \"", name);
    for (size_t i = 0; i < len; i++) {
        if (value[i] == '"' || value[i] == '\\')
            rec_buf_addc(out, '\\');
        if (value[i] != '\n' && value[i] != '\r')
            rec_buf_addc(out, value[i]);
    }
    rec_buf_adds(out, "\"\n");
}

/* URL and text go to curl by its standard input: a webhook's address is its password, and arguments are for all to see. */
static void by_webhook(struct job *job, const struct job_result *r, bool success)
{
    char curl[] = "curl", no_rc[] = "-q", config[] = "--config", in[] = "-", *argv[] = {curl, no_rc, config, in, NULL};
    struct rec_buf text = {0}, body = {0};

    hook_json(&body, job, r, success);
    add_setting(&text, "url", job->set->webhook, strlen(job->set->webhook));
    add_setting(&text, "header", "Content-Type: application/json", 30);
    if (body.len)
        add_setting(&text, "data-raw", body.data, body.len);
    rec_buf_adds(&text, "silent\nshow-error\nfail\ngloboff\nproto = \"=http,https\"\noutput = \"/dev/null\"\nmax-time = 15\nretry = 2\n");
    text.failed |= body.failed;
    tell(job, "--webhook", argv, &text);
    rec_buf_clear(&body);
    rec_buf_clear(&text);
}

void job_notify(struct job *job, const struct job_result *result, bool success)
{
    if (job->set->notify)
        by_command(job, result, success);
    if (job->set->mail)
        by_mail(job, result, success);
    if (job->set->webhook)
        by_webhook(job, result, success);
}
