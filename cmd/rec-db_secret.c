/* SPDX-License-Identifier: MIT
 *
 * Passwords, and what else must not be on a command line, where everybody on the machine sees it: a line of standard input, typed twice
 * without echo, or drawn. They are wiped after use, and are in no message.
 */
#include "rec-db.h"

#include <errno.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

/* Byte by byte: what is behind the line is for the next reader of the same pipe. */
static int read_line(struct db_secret *out, const char *what, struct rec_err *err)
{
    char c = 0;
    ssize_t n;

    out->len = 0;
    while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n') {
        if (out->len == sizeof out->text - 1)
            return rec_err_set(err, "%s: longer than %d bytes", what, REC_PASSWORD_LONGEST);
        out->text[out->len++] = c;
    }
    if (n < 0)
        return rec_err_errno(err, "%s", what);
    if (n == 0 && out->len == 0)
        return rec_err_set(err, "%s: standard input ends before it", what);
    if (out->len && out->text[out->len - 1] == '\r')
        out->len--;
    out->text[out->len] = 0;
    out->given = true;
    if (strlen(out->text) != out->len)
        return rec_err_set(err, "%s: holds a NUL byte", what);
    return 0;
}

int db_secret_line(struct db_secret *out, const char *what, struct rec_err *err)
{
    return read_line(out, what, err);
}

/* ---- at the terminal ---- */

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

/* Without echo; a signal ends the reading, so that the terminal is left as it was found. It asks when the echo is off: what was typed
 * before is dropped. */
static int read_silently(struct db_secret *out, const struct tool *tool, const char *what, const char *more, struct rec_err *err)
{
    struct sigaction old[REC_LENGTH(signals)], act = {.sa_handler = on_signal};
    struct termios before, silent;
    int rc;

    if (tcgetattr(STDIN_FILENO, &before) < 0)
        return rec_err_errno(err, "%s", what);
    caught = 0;
    for (size_t i = 0; i < REC_LENGTH(signals); i++)
        sigaction(signals[i], &act, &old[i]);
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    fprintf(stderr, "%s: %s%s: ", tool->about->name, what, more);
    rc = read_line(out, what, err);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    for (size_t i = 0; i < REC_LENGTH(signals); i++)
        sigaction(signals[i], &old[i], NULL);
    fputc('\n', stderr);
    if (caught) {
        db_secret_wipe(out);
        raise(caught);
        return rec_err_set(err, "%s: interrupted", what);
    }
    return rc;
}

int db_secret_ask(struct db_secret *out, const struct tool *tool, const char *what, struct rec_err *err)
{
    struct db_secret again = {.len = 0};
    int rc = -1;

    if (read_silently(out, tool, what, "", err) < 0 || read_silently(&again, tool, what, " again", err) < 0)
        goto out;
    rc = out->len == again.len && rec_secret_equal(out->text, again.text, out->len)
             ? 0 : rec_err_set(err, "%s: not the same twice, nothing was changed", what);
out:
    db_secret_wipe(&again);
    return rc;
}

/* 25 letters of 5 bits, in fives. */
void db_secret_draw(struct db_secret *out)
{
    enum { GROUPS = 5, LETTERS = 5 };

    out->len = 0;
    for (int i = 0; i < GROUPS; i++) {
        if (i)
            out->text[out->len++] = '-';
        rec_secret_name(out->text + out->len, LETTERS);
        out->len += LETTERS;
    }
    out->given = true;
}

void db_secret_wipe(struct db_secret *secret)
{
    rec_secret_wipe(secret, sizeof *secret);
}
