/* SPDX-License-Identifier: MIT
 *
 * Asking a request for its fields: names are in small letters already; lists are cut at their commas, over all lines of that name.
 */
#include <rec/http.h>

#include <string.h>

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same_word(const char *a, size_t len, const char *b)
{
    for (size_t i = 0; i < len; i++)
        if (!b[i] || small(a[i]) != small(b[i]))
            return false;
    return !b[len];
}

static const char *value_of(const struct rec_message *m, const struct rec_message_field *f)
{
    return m->head.data + f->value;
}

static bool is_field(const struct rec_message *m, const struct rec_message_field *f, const char *name)
{
    return strlen(name) == f->name_len && memcmp(m->head.data + f->name, name, f->name_len) == 0;
}

const char *rec_message_field(const struct rec_message *m, const char *name, size_t *len)
{
    for (size_t i = 0; i < m->n_fields; i++)
        if (is_field(m, &m->field[i], name)) {
            *len = m->field[i].value_len;
            return value_of(m, &m->field[i]);
        }
    *len = 0;
    return NULL;
}

size_t rec_message_count(const struct rec_message *m, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_fields; i++)
        n += is_field(m, &m->field[i], name);
    return n;
}

/* Whether one member of a list, `word ; parameters`, is that word, and not refused by q=0. */
static bool is_member(const char *text, size_t len, const char *word)
{
    size_t n = 0;
    const char *q;

    while (n < len && text[n] != ';' && text[n] != ' ' && text[n] != '\t')
        n++;
    if (!same_word(text, n, word))
        return false;
    q = memmem(text + n, len - n, "q=0", 3);
    if (!q)
        return true;
    for (q += 3; q < text + len && (*q == '.' || *q == '0'); q++)
        ;
    return q < text + len && *q >= '1' && *q <= '9';
}

bool rec_message_lists(const struct rec_message *m, const char *name, const char *word)
{
    for (size_t i = 0; i < m->n_fields; i++) {
        const char *text = value_of(m, &m->field[i]), *end = text + m->field[i].value_len;

        if (!is_field(m, &m->field[i], name))
            continue;
        while (text < end) {
            const char *comma = memchr(text, ',', (size_t)(end - text));
            const char *stop = comma ? comma : end;

            while (text < stop && (*text == ' ' || *text == '\t'))
                text++;
            if (is_member(text, (size_t)(stop - text), word))
                return true;
            text = stop + 1;
        }
    }
    return false;
}
