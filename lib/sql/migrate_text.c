/* SPDX-License-Identifier: MIT
 *
 * The text of a migration as its statements, and what these do to the schema.
 *
 * Enough of the two dialects' words is known to find where statements end, as their shells do it: a semicolon within comments, strings,
 * quoted names, dollar quotes, parentheses, or the body of a function or trigger (BEGIN ... END, with CASE ... END in it) ends none.
 * https://www.postgresql.org/docs/15/sql-syntax-lexical.html and https://www.sqlite.org/lang.html; psql's psqlscan.l counts BEGIN and END in
 * the same way.
 */
#include "migrate_priv.h"

#include <strings.h>

enum kind { END, WORD, QUOTED, STRING, SIGN };

struct token {
    enum kind kind;
    const char *text;
    size_t len;
};

static bool is_word(const struct token *t, const char *word)
{
    return t->kind == WORD && t->len == strlen(word) && strncasecmp(t->text, word, t->len) == 0;
}

/* Whether it is one of the words in `list`, which have blanks between them. */
static bool is_one_of(const struct token *t, const char *list)
{
    for (const char *p = list; *p != 0 && t->kind == WORD; p += strspn(p, " ")) {
        size_t len = strcspn(p, " ");
        if (len == t->len && strncasecmp(p, t->text, len) == 0)
            return true;
        p += len;
    }
    return false;
}

static bool is_sign(const struct token *t, char sign)
{
    return t->kind == SIGN && t->text[0] == sign;
}

/* ---- words --------------------------------------------------------------------------------------- */

static bool begins_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool goes_on(char c, bool postgres)
{
    return begins_word(c) || (c >= '0' && c <= '9') || (c == '$' && postgres);
}

static const char *skip_comment(const char *p, bool nested)
{
    size_t depth = 1;
    for (p += 2; *p != 0 && depth > 0; p++) {
        if (p[0] == '*' && p[1] == '/') {
            depth--;
            p++;
        } else if (nested && p[0] == '/' && p[1] == '*') {
            depth++;
            p++;
        }
    }
    return p;
}

static const char *skip_space(const char *p, bool postgres)
{
    for (;;) {
        p += strspn(p, " \t\r\n\f\v");
        if (p[0] == '-' && p[1] == '-')
            p += strcspn(p, "\n");
        else if (p[0] == '/' && p[1] == '*')
            p = skip_comment(p, postgres);
        else
            return p;
    }
}

/* From the opening quote to behind the closing one, which is doubled where it is meant. */
static const char *skip_quotes(const char *p, char closing, bool backslashes)
{
    for (p++; *p != 0; p++) {
        if (backslashes && p[0] == '\\' && p[1] != 0)
            p++;
        else if (*p == closing && (p[1] != closing || closing == ']'))
            return p + 1;
        else if (*p == closing)
            p++;
    }
    return p;
}

/* $tag$ ... $tag$, or NULL when none begins at p. */
static const char *skip_dollars(const char *p)
{
    const char *tag = p + 1;
    if (begins_word(*tag))
        while (goes_on(*tag, false))
            tag++;
    if (*tag != '$')
        return NULL;
    size_t len = (size_t)(tag + 1 - p);
    for (const char *end = tag + 1; (end = strchr(end, '$')) != NULL; end++)
        if (strncmp(end, p, len) == 0)
            return end + len;
    return p + strlen(p);
}

static struct token take(const char **at, const char *end, enum kind kind)
{
    struct token t = {kind, *at, (size_t)(end - *at)};
    *at = end;
    return t;
}

static struct token next_token(const char **at, bool postgres)
{
    const char *p = *at = skip_space(*at, postgres), *end;
    if (*p == 0)
        return take(at, p, END);
    if (*p == '\'')
        return take(at, skip_quotes(p, '\'', false), STRING);
    if (postgres && (*p == 'e' || *p == 'E') && p[1] == '\'')
        return take(at, skip_quotes(p + 1, '\'', true), STRING);
    if (*p == '"' || (!postgres && *p == '`'))
        return take(at, skip_quotes(p, *p, false), QUOTED);
    if (!postgres && *p == '[')
        return take(at, skip_quotes(p, ']', false), QUOTED);
    if (postgres && *p == '$' && (end = skip_dollars(p)) != NULL)
        return take(at, end, STRING);
    if (!begins_word(*p))
        return take(at, p + 1, SIGN);
    for (end = p + 1; goes_on(*end, postgres); end++)
        ;
    return take(at, end, WORD);
}

/* ---- statements ---------------------------------------------------------------------------------- */

static size_t lines_between(const char *from, const char *to)
{
    size_t n = 0;
    for (; from < to; from++)
        n += *from == '\n';
    return n;
}

int rec_migrate_text_next(struct rec_migrate_statement *out, struct rec_migrate_text *text)
{
    const char *p = text->at;
    bool creates = false, body = false;
    size_t n = 0, depth = 0, parentheses = 0;
    struct token t = next_token(&p, text->postgres);
    while (is_sign(&t, ';'))
        t = next_token(&p, text->postgres);
    text->line += lines_between(text->at, t.text);
    *out = (struct rec_migrate_statement){.text = t.text, .line = text->line};
    for (; t.kind != END && !(is_sign(&t, ';') && depth == 0 && parentheses == 0); t = next_token(&p, text->postgres)) {
        creates = creates || (n == 0 && is_word(&t, "create"));
        /* CREATE OR REPLACE CONSTRAINT TRIGGER: the word comes among the first five. */
        body = body || (creates && n < 5 && is_one_of(&t, "function procedure trigger"));
        n++;
        if (body && (is_word(&t, "begin") || (depth > 0 && is_word(&t, "case"))))
            depth++;
        else if (depth > 0 && is_word(&t, "end"))
            depth--;
        else if (is_sign(&t, '('))
            parentheses++;
        else if (parentheses > 0 && is_sign(&t, ')'))
            parentheses--;
    }
    out->len = (size_t)(t.text - out->text);
    text->line += lines_between(out->text, p);
    text->at = p;
    return n > 0;
}

/* ---- what a statement does ----------------------------------------------------------------------- */

struct check {
    const char *file;
    bool postgres;
    struct rec_buf *effects;
    struct rec_err *err;
};

static int refuse(const struct check *c, const struct rec_migrate_statement *s, const char *what)
{
    return rec_err_set(c->err, "%s, line %zu: %s", c->file, s->line, what);
}

/* A name that means the same with and without quotes, in small letters, in either database. */
static bool is_plain(const struct token *t, const char *behind)
{
    for (size_t i = 0; i < t->len; i++)
        if ((unsigned char)t->text[i] >= 0x80 || (t->text[i] >= 'A' && t->text[i] <= 'Z') || t->text[i] == '$')
            return false;
    return t->kind == WORD && t->len < 64 && *behind != '.';
}

static int add_effect(const struct check *c, const struct rec_migrate_statement *s, char sign, const struct token *what,
                      const struct token *name, const char *behind)
{
    if (!is_plain(name, skip_space(behind, c->postgres)))
        return refuse(c, s, "write names plain: small letters, no quotes, no schema before them");
    rec_buf_addc(c->effects, sign);
    for (size_t i = 0; i < what->len; i++)
        rec_buf_addc(c->effects, (char)(what->text[i] | 0x20));
    rec_buf_addc(c->effects, ' ');
    rec_buf_add(c->effects, name->text, name->len);
    rec_buf_addc(c->effects, '\n');
    return c->effects->failed ? rec_err_memory(c->err, c->file) : 0;
}

static struct token skip_words(const char **at, struct token t, const char *list, bool postgres)
{
    while (is_one_of(&t, list))
        t = next_token(at, postgres);
    return t;
}

static const char things[] = "table view function procedure sequence type domain";

/* CREATE ... TABLE IF NOT EXISTS name; what is temporary goes by itself. */
static int check_create(const struct check *c, const struct rec_migrate_statement *s, const char *p)
{
    struct token t = next_token(&p, c->postgres);
    while (is_one_of(&t, "or replace unlogged virtual recursive"))
        t = next_token(&p, c->postgres);
    if (is_word(&t, "materialized"))
        return refuse(c, s, "a materialized view is more than a migration can take back; make it a table or a view");
    if (!is_one_of(&t, things))
        return 0;
    struct token name = next_token(&p, c->postgres);
    name = skip_words(&p, name, "if not exists", c->postgres);
    return add_effect(c, s, '+', &t, &name, p);
}

/* DROP TABLE IF EXISTS a, b; DROP FUNCTION a(int, text), b. */
static int check_drop(const struct check *c, const struct rec_migrate_statement *s, const char *p)
{
    struct token t = next_token(&p, c->postgres), name;
    size_t depth = 0;
    if (!is_one_of(&t, things))
        return 0;
    name = next_token(&p, c->postgres);
    name = skip_words(&p, name, "if exists", c->postgres);
    for (;;) {
        if (add_effect(c, s, '-', &t, &name, p) < 0)
            return -1;
        do {
            name = next_token(&p, c->postgres);
            depth += is_sign(&name, '(');
            depth -= depth > 0 && is_sign(&name, ')');
        } while (name.kind != END && name.text < s->text + s->len && !(depth == 0 && is_sign(&name, ',')));
        if (!is_sign(&name, ','))
            return 0;
        name = next_token(&p, c->postgres);
    }
}

/* ALTER TABLE IF EXISTS ONLY a RENAME TO b. */
static int check_alter(const struct check *c, const struct rec_migrate_statement *s, const char *p)
{
    struct token t = next_token(&p, c->postgres), name, word;
    const char *behind;
    if (!is_one_of(&t, things))
        return 0;
    name = next_token(&p, c->postgres);
    name = skip_words(&p, name, "if exists only", c->postgres);
    behind = p;
    word = next_token(&p, c->postgres);
    if (is_sign(&word, '(')) {
        while (word.kind != END && !is_sign(&word, ')'))
            word = next_token(&p, c->postgres);
        word = next_token(&p, c->postgres);
    }
    if (is_word(&word, "set") && (word = next_token(&p, c->postgres), is_word(&word, "schema")))
        return refuse(c, s, "a migration stays in its schema");
    if (!is_word(&word, "rename") || (word = next_token(&p, c->postgres), !is_word(&word, "to")))
        return 0;
    word = next_token(&p, c->postgres);
    return add_effect(c, s, '-', &t, &name, behind) < 0 ? -1 : add_effect(c, s, '+', &t, &word, p);
}

static int check_statement(const struct check *c, const struct rec_migrate_statement *s)
{
    const char *p = s->text;
    struct token t = next_token(&p, c->postgres), second;
    const char *behind = p;
    second = next_token(&behind, c->postgres);
    if (is_one_of(&t, "begin start commit end rollback abort savepoint release") ||
        (is_word(&t, "prepare") && is_word(&second, "transaction")))
        return refuse(c, s, "a migration is one transaction, and cannot begin or end one itself");
    if (is_word(&t, "create"))
        return check_create(c, s, p);
    if (is_word(&t, "drop"))
        return check_drop(c, s, p);
    return is_word(&t, "alter") ? check_alter(c, s, p) : 0;
}

int rec_migrate_text_check(struct rec_buf *effects, const char *text, const char *file, bool postgres, struct rec_err *err)
{
    struct rec_migrate_text rest = {.at = text, .line = 1, .postgres = postgres};
    struct check check = {file, postgres, effects, err};
    struct rec_migrate_statement s;
    while (rec_migrate_text_next(&s, &rest) > 0)
        if (check_statement(&check, &s) < 0)
            return -1;
    return 0;
}
