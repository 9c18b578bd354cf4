/* SPDX-License-Identifier: MIT
 *
 * One line of text for a failed call. Everything that ends up on a terminal passes through `clean`, because ids, fields and
 * file names come from outside.
 */
#include <rec/util.h>

#include <errno.h>

static void clean(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

static void set(struct rec_err *err, const char *fmt, va_list args)
{
    vsnprintf(err->text, sizeof err->text, fmt, args);
    clean(err->text);
}

int rec_err_set(struct rec_err *err, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return -1;
    va_start(args, fmt);
    set(err, fmt, args);
    va_end(args);
    return -1;
}

/* The system's messages begin with a capital; ours do not. */
static void add_cause(struct rec_err *err, int error)
{
    char cause[128];
    const char *words = strerror_r(error, cause, sizeof cause);
    size_t len = strlen(err->text);

    if (len + 4 >= sizeof err->text)
        return;
    snprintf(err->text + len, sizeof err->text - len, ": %s", words);
    char *first = err->text + len + 2;
    if (first[0] >= 'A' && first[0] <= 'Z' && first[1] >= 'a')
        first[0] += 'a' - 'A';
}

int rec_err_errno(struct rec_err *err, const char *fmt, ...)
{
    int error = errno;
    va_list args;

    if (!err)
        return -1;
    va_start(args, fmt);
    set(err, fmt, args);
    va_end(args);
    add_cause(err, error);
    return -1;
}

int rec_err_memory(struct rec_err *err, const char *object)
{
    return rec_err_set(err, "%s: out of memory", object);
}

int rec_err_prefix(struct rec_err *err, const char *prefix)
{
    char old[sizeof err->text];

    if (!err)
        return -1;
    memcpy(old, err->text, sizeof old);
    return rec_err_set(err, "%s: %s", prefix, old);
}
