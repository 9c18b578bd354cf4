/* SPDX-License-Identifier: MIT
 *
 * The target of a request, cut into segments and parameters.
 *
 * It is cut first and decoded after, so that an encoded separator is a letter and never cuts. Path tricks have no meaning here that could be
 * mistaken: dot segments and an encoded '/' are refused, and nothing is joined into a file name.
 */
#include <rec/format.h>
#include <rec/http.h>

#include <stdlib.h>
#include <string.h>

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Undoes percent-encoding of from[0 .. len) into `to`, and ends it with NUL. */
static int decode(struct rec_target_text *out, char **to, const char *from, size_t len, bool plus, struct rec_err *err)
{
    char *at = *to;

    out->text = at;
    for (size_t i = 0; i < len; i++) {
        char c = from[i];

        if (c == '%') {
            if (len - i < 3 || digit(from[i + 1]) < 0 || digit(from[i + 2]) < 0)
                return rec_err_set(err, "a '%%' without two hexadecimal digits");
            c = (char)(digit(from[i + 1]) << 4 | digit(from[i + 2]));
            i += 2;
            if (c == '/' && !plus)
                return rec_err_set(err, "an encoded '/' in the path");
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if ((unsigned char)c < 32 || c == 127)
            return rec_err_set(err, "an encoded control character");
        *at++ = c;
    }
    out->len = (size_t)(at - *to);
    *at++ = 0;
    *to = at;
    return rec_json_utf8(out->text, out->len) ? 0 : rec_err_set(err, "encoded bytes that are no UTF-8");
}

static int parse_path(struct rec_target *t, char **to, const char *path, size_t len, struct rec_err *err)
{
    const char *end = path + len;

    if (len && *path == '*')
        return len == 1 ? 0 : rec_err_set(err, "not a path");
    if (!len || *path != '/')
        return rec_err_set(err, "not a path");
    if (len == 1)
        return 0;
    for (const char *stop; path < end; path = stop) {
        struct rec_target_text *segment = &t->segment[t->n_segments];

        stop = memchr(path + 1, '/', (size_t)(end - path - 1));
        stop = stop ? stop : end;
        if (t->n_segments == REC_TARGET_SEGMENTS)
            return rec_err_set(err, "the path has more parts than any here");
        if (decode(segment, to, path + 1, (size_t)(stop - path - 1), false, err) < 0)
            return -1;
        if (strcmp(segment->text, ".") == 0 || strcmp(segment->text, "..") == 0)
            return rec_err_set(err, "'.' and '..' are no parts of a path here");
        t->n_segments++;
    }
    return 0;
}

static int parse_query(struct rec_target *t, char **to, const char *query, size_t len, struct rec_err *err)
{
    const char *end = query + len;

    for (const char *stop; query < end; query = stop + 1) {
        size_t n = t->n_parameters, name_len;
        const char *equals;

        stop = memchr(query, '&', (size_t)(end - query));
        stop = stop ? stop : end;
        equals = memchr(query, '=', (size_t)(stop - query));
        name_len = (size_t)((equals ? equals : stop) - query);
        if (stop == query)
            continue;
        if (n == REC_TARGET_PARAMETERS)
            return rec_err_set(err, "there are too many parameters");
        if (decode(&t->name[n], to, query, name_len, true, err) < 0 ||
            decode(&t->value[n], to, equals ? equals + 1 : stop, equals ? (size_t)(stop - equals - 1) : 0, true, err) < 0)
            return -1;
        if (rec_target_parameter(t, t->name[n].text, &name_len))
            return rec_err_set(err, "%s: given twice", t->name[n].text);
        t->n_parameters++;
    }
    return 0;
}

int rec_target_parse(struct rec_target *t, const char *target, size_t len, struct rec_err *err)
{
    const char *question = memchr(target, '?', len);
    size_t path = question ? (size_t)(question - target) : len;
    char *to;

    *t = (struct rec_target){0};
    /* Every text ends in a NUL: no more of them than separators, and one. */
    to = t->owned = rec_malloc(len + 2 * REC_TARGET_PARAMETERS + REC_TARGET_SEGMENTS + 2, 1, "request", err);
    if (!to || parse_path(t, &to, target, path, err) < 0 || (question && parse_query(t, &to, question + 1, len - path - 1, err) < 0)) {
        rec_target_clear(t);
        return -1;
    }
    return 0;
}

const char *rec_target_parameter(const struct rec_target *t, const char *name, size_t *len)
{
    for (size_t i = 0; i < t->n_parameters; i++)
        if (strcmp(t->name[i].text, name) == 0) {
            *len = t->value[i].len;
            return t->value[i].text;
        }
    return NULL;
}

void rec_target_clear(struct rec_target *t)
{
    free(t->owned);
    *t = (struct rec_target){0};
}
