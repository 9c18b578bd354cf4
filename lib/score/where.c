/* SPDX-License-Identifier: MIT
 *
 * Which items of a catalogue meet "genre=Comedy|Drama, year>=1990, genre!=Horror": conditions between commas, all of which must hold.
 */
#include <rec/score.h>

#include <ctype.h>
#include <strings.h>

enum op { EQ, NE, GE, LE, GT, LT };

struct condition {
    const char *value;
    size_t len;
    enum op op;
    bool year;
};

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && isspace((unsigned char)**text)) {
        ++*text;
        --*len;
    }
    while (*len > 0 && isspace((unsigned char)(*text)[*len - 1]))
        --*len;
}

/* "year >= 1990" of len bytes. */
static int read_condition(struct condition *c, const char *text, size_t len, struct rec_err *err)
{
    static const struct {
        const char *sign;
        enum op op;
    } signs[] = {{"!=", NE}, {">=", GE}, {"<=", LE}, {"==", EQ}, {"=", EQ}, {">", GT}, {"<", LT}};
    size_t name = 0, i = 0;

    trim(&text, &len);
    while (name < len && !strchr("!<>=", text[name]))
        name++;
    c->value = text + name;
    c->len = len - name;
    while (i < REC_LENGTH(signs) && strncmp(c->value, signs[i].sign, strlen(signs[i].sign)) != 0)
        i++;
    if (i < REC_LENGTH(signs) && c->len >= strlen(signs[i].sign)) {
        const char *field = text;
        size_t field_len = name;
        c->op = signs[i].op;
        c->value += strlen(signs[i].sign);
        c->len -= strlen(signs[i].sign);
        trim(&c->value, &c->len);
        trim(&field, &field_len);
        c->year = field_len == 4 && strncmp(field, "year", 4) == 0;
        if (c->len > 0 && (c->year || (field_len == 5 && strncmp(field, "genre", 5) == 0 && c->op <= NE)))
            return 0;
    }
    return rec_err_set(err, "'%.*s': not a condition such as genre=Comedy|Drama, genre!=Horror, year>=1990 or year=1990..1999",
                       len < 60 ? (int)len : 60, text);
}

/* wanted &= the entries whose year meets it; where the year is not known it does not. */
static int apply_year(uint8_t *wanted, const struct rec_catalogue *c, const struct condition *w, struct rec_err *err)
{
    char text[32];
    int32_t from, to;

    snprintf(text, sizeof text, "%.*s", w->len < sizeof text ? (int)w->len : (int)sizeof text - 1, w->value);
    if (w->len >= sizeof text || rec_labels_years(&from, &to, text, err) < 0)
        return rec_err_set(err, "year: '%.*s' is not a year such as 1994 or 1990..1999", w->len < 60 ? (int)w->len : 60, w->value);
    for (size_t e = 0; e < c->n; e++) {
        int32_t y = c->year[e];
        bool meets = w->op == EQ   ? y >= from && y <= to
                     : w->op == NE ? y < from || y > to
                     : w->op == GE ? y >= from
                     : w->op == LE ? y <= to
                     : w->op == GT ? y > to
                                   : y < from;
        wanted[e] &= y > 0 && meets;
    }
    return 0;
}

static int apply_genre(uint8_t *wanted, const struct rec_catalogue *c, const struct condition *w, struct rec_err *err)
{
    char *text = rec_malloc(w->len + 1, 1, "genres", err);
    const char *genre[64];
    uint8_t *of = rec_malloc(c->n, 1, "genres", err);
    size_t n = 0;
    int status = -1;

    if (!text || !of)
        goto out;
    memcpy(text, w->value, w->len);
    text[w->len] = 0;
    for (char *at = text, *bar;; at = bar + 1) {
        bar = strchr(at, '|');
        if (bar)
            *bar = 0;
        if (n == REC_LENGTH(genre)) {
            rec_err_set(err, "genre: more than %zu names in one condition", REC_LENGTH(genre));
            goto out;
        }
        size_t len = strlen(at);
        const char *name = at;
        trim(&name, &len);
        at[(size_t)(name - at) + len] = 0;
        genre[n++] = name;
        if (!bar)
            break;
    }
    if (rec_labels_entries(of, c, genre, n, 0, 0, err) < 0)
        goto out;
    for (size_t e = 0; e < c->n; e++)
        wanted[e] &= w->op == EQ ? of[e] : !of[e];
    status = 0;
out:
    free(text);
    free(of);
    return status;
}

int rec_where_check(const char *text, struct rec_err *err)
{
    struct condition w;

    for (size_t len;; text += len + 1) {
        len = strcspn(text, ",");
        if (read_condition(&w, text, len, err) < 0)
            return -1;
        if (!text[len])
            return 0;
    }
}

int rec_where_entries(uint8_t *wanted, const struct rec_catalogue *c, const char *text, struct rec_err *err)
{
    struct condition w;

    memset(wanted, 1, c->n);
    for (size_t len;; text += len + 1) {
        len = strcspn(text, ",");
        if (read_condition(&w, text, len, err) < 0 || (w.year ? apply_year(wanted, c, &w, err) : apply_genre(wanted, c, &w, err)) < 0)
            return -1;
        if (!text[len])
            return 0;
    }
}

int rec_where_allow(uint8_t *allowed, const struct rec_labels *labels, const char *text, struct rec_err *err)
{
    uint8_t *wanted = rec_malloc(labels->catalogue.n, 1, "catalogue", err);
    int status = wanted ? rec_where_entries(wanted, &labels->catalogue, text, err) : -1;

    for (size_t i = 0; status == 0 && i < labels->n_items; i++)
        allowed[i] &= labels->entry[i] >= 0 && wanted[labels->entry[i]];
    free(wanted);
    return status;
}
