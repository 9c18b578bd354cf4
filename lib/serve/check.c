/* SPDX-License-Identifier: MIT
 *
 * Parameters and bodies against the tables of the routes, before any work is done. Every place that is wrong is told, by a JSON pointer into
 * the body ("/ratings/3/value"), or "?name" for a parameter.
 */
#include "serve_priv.h"

#include <math.h>
#include <string.h>

enum { DEPTH = 32, ARRAY_MOST = 1000, POINTER = 160 };

/* ---- one value ---- */

/* Ids and texts: no control characters, within their length. */
static void check_text(struct rec_call *c, const struct rec_field *f, const char *text, size_t len, const char *pointer)
{
    size_t least = f->type == REC_FIELD_ID ? 1 : (size_t)f->min, most = f->type == REC_FIELD_ID ? REC_NAMES_LONGEST : (size_t)f->max;

    if (len < least || len > most) {
        rec_answer_wrong(c, pointer, "has to be of %zu to %zu bytes", least, most);
        return;
    }
    for (size_t i = 0; f->type != REC_FIELD_SECRET && i < len; i++)
        if ((unsigned char)text[i] < 32 || text[i] == 127) {
            rec_answer_wrong(c, pointer, "holds a control character");
            return;
        }
}

static void check_choice(struct rec_call *c, const struct rec_field *f, const char *text, size_t len, const char *pointer)
{
    for (const char *at = f->choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strcspn(at, "|") == len && memcmp(at, text, len) == 0)
            return;
    rec_answer_wrong(c, pointer, "has to be one of %s", f->choices);
}

static void check_number(struct rec_call *c, const struct rec_field *f, double value, const char *pointer)
{
    bool whole = f->type == REC_FIELD_INT;

    if (isnan(value) || value < f->min || value > f->max || (whole && value != floor(value)))
        rec_answer_wrong(c, pointer, "has to be a %snumber from %.10g to %.10g", whole ? "whole " : "", f->min, f->max);
}

/* The years 0 to 9999: what RFC 3339 can write. */
static void check_seconds(struct rec_call *c, int64_t seconds, const char *pointer)
{
    if (seconds < -62167219200 || seconds > 253402300799)
        rec_answer_wrong(c, pointer, "has to be a time of the years 0000 to 9999");
}

static void check_time(struct rec_call *c, const char *text, const char *pointer)
{
    int64_t seconds;

    if (rec_date_parse(&seconds, text, "", NULL) < 0)
        rec_answer_wrong(c, pointer, "has to be a time such as 2026-11-23T21:00:00Z");
    else
        check_seconds(c, seconds, pointer);
}

static void check_years(struct rec_call *c, const char *text, const char *pointer)
{
    int32_t from, to;

    if (rec_labels_years(&from, &to, text, NULL) < 0)
        rec_answer_wrong(c, pointer, "has to be a year, or years such as 1990..1999");
}

/* ---- parameters ---- */

static const struct rec_field *find_field(const struct rec_field *fields, const char *name)
{
    for (; fields && fields->name; fields++)
        if (strcmp(fields->name, name) == 0)
            return fields;
    return NULL;
}

static void check_texts(struct rec_call *c, const struct rec_field *f, const char *text, size_t len, const char *pointer)
{
    size_t n = 0;

    for (const char *at = text, *stop; at <= text + len; at = stop + 1) {
        stop = at + strcspn(at, ",");
        if (stop == at || stop - at > 64) {
            rec_answer_wrong(c, pointer, "has to be words with commas between them");
            return;
        }
        n++;
    }
    if (n > f->max)
        rec_answer_wrong(c, pointer, "has to be at most %.0f words", f->max);
}

static void check_parameter(struct rec_call *c, const struct rec_field *f, const char *text, size_t len, const char *pointer)
{
    double number = NAN;
    int64_t whole;

    switch (f->type) {
    case REC_FIELD_INT:
        if (rec_num_int64(&whole, text, len) == 0)
            number = (double)whole;
        check_number(c, f, number, pointer);
        break;
    case REC_FIELD_REAL:
        if (rec_num_double(&number, text, len) < 0)
            number = NAN;
        check_number(c, f, number, pointer);
        break;
    case REC_FIELD_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            rec_answer_wrong(c, pointer, "has to be true or false");
        break;
    case REC_FIELD_CHOICE:
        check_choice(c, f, text, len, pointer);
        break;
    case REC_FIELD_TIME:
        check_time(c, text, pointer);
        break;
    case REC_FIELD_YEARS:
        check_years(c, text, pointer);
        break;
    case REC_FIELD_TEXTS:
        check_texts(c, f, text, len, pointer);
        break;
    default:
        check_text(c, f, text, len, pointer);
    }
}

static void check_parameters(struct rec_call *c, const struct rec_target *t, const struct rec_field *fields, const char *mark)
{
    char pointer[POINTER];
    size_t len;

    for (size_t i = 0; i < t->n_parameters; i++) {
        const struct rec_field *f = find_field(fields, t->name[i].text);

        snprintf(pointer, sizeof pointer, "%s%.64s", mark, t->name[i].text);
        if (f)
            check_parameter(c, f, t->value[i].text, t->value[i].len, pointer);
        else
            rec_answer_wrong(c, pointer, "there is no such parameter");
    }
    for (const struct rec_field *f = fields; f && f->name; f++)
        if (f->required && !rec_target_parameter(t, f->name, &len)) {
            snprintf(pointer, sizeof pointer, "%s%s", mark, f->name);
            rec_answer_wrong(c, pointer, "is missing");
        }
}

void rec_check_query(struct rec_call *c)
{
    check_parameters(c, &c->x->target, c->route->query, "?");
}

/* ---- bodies ---- */

struct place {
    struct rec_call *c;
    const struct rec_field *fields;
    const char *pointer;
};

/* RFC 6901: '~' and '/' of a name are written ~0 and ~1. */
static void add_name(char *out, size_t room, const char *pointer, const char *name)
{
    size_t n = (size_t)snprintf(out, room, "%s/", pointer);

    for (size_t k = 0; name[k] && k < 64 && n + 3 < room; k++) {
        if (name[k] == '~' || name[k] == '/')
            out[n++] = '~';
        out[n++] = name[k] == '~' ? '0' : name[k] == '/' ? '1' : name[k];
    }
    out[n < room ? n : room - 1] = 0;
}

static void check_value(struct rec_call *c, const struct rec_field *f, const struct rec_json_value *value, const char *pointer);

static void check_array(struct rec_call *c, const struct rec_field *f, const struct rec_json_value *value, const char *pointer)
{
    size_t n = rec_json_length(value);
    char at[POINTER];

    if (rec_json_kind(value) != REC_JSON_ARRAY || (double)n < f->min || (double)n > f->max) {
        rec_answer_wrong(c, pointer, "has to be an array of %.0f to %.0f", f->min, f->max);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct rec_json_value *one = rec_json_at(value, i);

        snprintf(at, sizeof at, "%.120s/%zu", pointer, i);
        if (f->type == REC_FIELD_OBJECTS)
            rec_check_object(c, one, f->fields, at);
        else
            check_value(c, &(struct rec_field){.type = REC_FIELD_TEXT, .min = 1, .max = 255}, one, at);
    }
}

static void check_string(struct rec_call *c, const struct rec_field *f, const struct rec_json_value *value, const char *pointer)
{
    const char *text = rec_json_string(value);

    if (!text)
        rec_answer_wrong(c, pointer, "has to be a string");
    else if (f->type == REC_FIELD_CHOICE)
        check_choice(c, f, text, strlen(text), pointer);
    else if (f->type == REC_FIELD_TIME)
        check_time(c, text, pointer);
    else if (f->type == REC_FIELD_YEARS)
        check_years(c, text, pointer);
    else
        check_text(c, f, text, strlen(text), pointer);
}

static void check_value(struct rec_call *c, const struct rec_field *f, const struct rec_json_value *value, const char *pointer)
{
    int64_t whole;
    double number;
    bool yes;

    if (f->nullable && rec_json_kind(value) == REC_JSON_NULL)
        return;
    switch (f->type) {
    case REC_FIELD_INT:
        check_number(c, f, rec_json_integer(&whole, value) == 0 ? (double)whole : NAN, pointer);
        break;
    case REC_FIELD_REAL:
        check_number(c, f, rec_json_number(&number, value) == 0 ? number : NAN, pointer);
        break;
    case REC_FIELD_BOOL:
        if (rec_json_boolean(&yes, value) < 0)
            rec_answer_wrong(c, pointer, "has to be true or false");
        break;
    case REC_FIELD_TEXTS:
    case REC_FIELD_OBJECTS:
        check_array(c, f, value, pointer);
        break;
    case REC_FIELD_TIME:
        if (rec_json_integer(&whole, value) < 0)
            check_string(c, f, value, pointer);
        else
            check_seconds(c, whole, pointer);
        break;
    default:
        check_string(c, f, value, pointer);
    }
}

static int check_member(void *context, const char *key, const struct rec_json_value *value)
{
    const struct place *p = context;
    const struct rec_field *f = find_field(p->fields, key);
    char pointer[POINTER];

    add_name(pointer, sizeof pointer, p->pointer, key);
    if (f)
        check_value(p->c, f, value, pointer);
    else
        rec_answer_wrong(p->c, pointer, "there is no such member");
    return 0;
}

void rec_check_object(struct rec_call *c, const struct rec_json_value *object, const struct rec_field *fields, const char *pointer)
{
    struct place place = {c, fields, pointer};
    char at[POINTER];

    if (rec_json_kind(object) != REC_JSON_OBJECT) {
        rec_answer_wrong(c, pointer, "has to be an object");
        return;
    }
    rec_json_members(object, check_member, &place);
    for (const struct rec_field *f = fields; f->name; f++)
        if (f->required && !rec_json_get(object, f->name)) {
            add_name(at, sizeof at, pointer, f->name);
            rec_answer_wrong(c, at, "is missing");
        }
}

/* Whether Content-Type is that type, with whatever parameters; a charset has to be UTF-8. */
static bool is_type(const struct rec_message *m, const char *type)
{
    size_t len, n = strlen(type);
    const char *text = rec_message_field(m, "content-type", &len);
    const char *charset;

    if (!text || rec_message_count(m, "content-type") != 1 || len < n || strncasecmp(text, type, n) != 0 ||
        (len > n && text[n] != ';' && text[n] != ' '))
        return false;
    charset = strcasestr(text, "charset=");
    return !charset || strncasecmp(charset + 8 + (charset[8] == '"'), "utf-8", 5) == 0;
}

static unsigned refuse(struct rec_call *c, unsigned status, const char *detail)
{
    rec_answer_problem(c, status, "%s", detail);
    return status;
}

static unsigned check_form(struct rec_call *c)
{
    const struct rec_buf *body = &c->x->message->body;
    struct rec_buf target = {0};
    struct rec_err err;
    int status;

    if (!is_type(c->x->message, "application/x-www-form-urlencoded"))
        return refuse(c, 415, "the body has to be application/x-www-form-urlencoded");
    rec_buf_adds(&target, "/?");
    rec_buf_add(&target, body->data, body->len);
    status = target.failed ? rec_err_memory(&err, "form") : rec_target_parse(&c->form, target.data, target.len, &err);
    rec_secret_clear(&target);
    if (status < 0)
        return refuse(c, 400, err.text);
    check_parameters(c, &c->form, c->route->body, "/");
    return 0;
}

static unsigned check_json(struct rec_call *c)
{
    const struct rec_buf *body = &c->x->message->body;
    struct rec_err err;
    bool array;

    if (!is_type(c->x->message, "application/json"))
        return refuse(c, 415, "the body has to be application/json");
    if (rec_json_depth(body->data ? body->data : "", body->len) > DEPTH)
        return refuse(c, 400, "the body is nested too deep");
    c->body = rec_json_read("body", body->data ? body->data : "", body->len, &err);
    if (!c->body)
        return refuse(c, 400, err.text);
    array = (c->route->flags & REC_ROUTE_ARRAY) && rec_json_kind(c->body) == REC_JSON_ARRAY;
    if (array)
        check_array(c, &(struct rec_field){.type = REC_FIELD_OBJECTS, .min = 1, .max = ARRAY_MOST, .fields = c->route->body}, c->body, "");
    else
        rec_check_object(c, c->body, c->route->body, "");
    return 0;
}

unsigned rec_check_body(struct rec_call *c)
{
    const struct rec_message *m = c->x->message;

    if (!c->route->body && !(c->route->flags & REC_ROUTE_LINES))
        return m->body.len ? refuse(c, 400, "this takes no body") : 0;
    if (c->route->flags & REC_ROUTE_LINES)
        return is_type(m, "application/x-ndjson") ? 0 : refuse(c, 415, "the body has to be application/x-ndjson");
    return c->route->flags & REC_ROUTE_FORM ? check_form(c) : check_json(c);
}
