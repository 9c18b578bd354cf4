/* SPDX-License-Identifier: MIT
 *
 * Answers in JSON, and problems (RFC 9457, application/problem+json).
 */
#include "serve_priv.h"

#include <string.h>

static const char json_type[] = "application/json", problem_type[] = "application/problem+json";

/* Beyond so many wrong places the rest is not told. */
enum { WRONGS = 16, WRONG_BYTES = WRONGS * 512 };

struct rec_json rec_answer_begin(struct rec_call *c, unsigned status)
{
    struct rec_json json = {.out = &c->x->response.body, .flat = true};

    rec_buf_reset(&c->x->response.body);
    rec_buf_reset(&c->x->response.packed);
    c->x->response.status = status;
    c->x->response.type = json_type;
    rec_json_object(&json, NULL);
    return json;
}

void rec_answer_end(struct rec_json *json)
{
    while (json->depth)
        rec_json_end(json);
    rec_buf_addc(json->out, '\n');
}

void rec_answer_text(struct rec_json *json, const char *key, const char *text)
{
    if (text)
        rec_json_text(json, key, text, strlen(text));
    else
        rec_json_null(json, key);
}

void rec_answer_time(struct rec_json *json, const char *key, int64_t seconds)
{
    char text[REC_NUM_MAX];

    if (seconds)
        rec_answer_text(json, key, rec_date_print_time(text, seconds));
    else
        rec_json_null(json, key);
}

void rec_answer_empty(struct rec_call *c)
{
    rec_buf_reset(&c->x->response.body);
    c->x->response.status = 204;
    c->x->response.type = NULL;
}

/* What every problem begins with; the object is left open. */
static struct rec_json begin_problem(struct rec_response *response, unsigned status, const char *detail, const char *instance)
{
    struct rec_json json = {.out = &response->body, .flat = true};

    rec_buf_reset(&response->body);
    rec_buf_reset(&response->packed);
    response->status = status;
    response->type = problem_type;
    response->no_etag = true;
    rec_json_object(&json, NULL);
    rec_answer_text(&json, "type", "about:blank");
    rec_answer_text(&json, "title", rec_response_phrase(status));
    rec_json_int(&json, "status", status);
    rec_answer_text(&json, "detail", detail);
    if (instance[0]) {
        char text[48];

        snprintf(text, sizeof text, "urn:rec:request:%s", instance);
        rec_answer_text(&json, "instance", text);
    }
    return json;
}

void rec_answer_bare(struct rec_response *response, unsigned status, const char *detail, const char *instance)
{
    struct rec_json json = begin_problem(response, status, detail, instance);

    rec_answer_end(&json);
}

int rec_answer_problem(struct rec_call *c, unsigned status, const char *fmt, ...)
{
    struct rec_err err; /* cuts what is long, and replaces control characters */
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    rec_err_set(&err, "%s", text);
    rec_answer_bare(&c->x->response, status, err.text, c->x->id);
    return 0;
}

/* Wrong places are kept as pairs of texts, each ended by NUL, until all are found. */
void rec_answer_wrong(struct rec_call *c, const char *pointer, const char *fmt, ...)
{
    char text[256];
    va_list args;

    if (c->scratch.len > WRONG_BYTES)
        return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    rec_buf_add(&c->scratch, pointer, strlen(pointer) + 1);
    rec_buf_add(&c->scratch, text, strlen(text) + 1);
}

bool rec_answer_has_wrong(const struct rec_call *c)
{
    return c->scratch.len > 0;
}

int rec_answer_wrongs(struct rec_call *c)
{
    struct rec_json json = begin_problem(&c->x->response, 422, "the request is not as it has to be: see errors", c->x->id);
    const char *at = c->scratch.data, *end = at + c->scratch.len;

    rec_json_array(&json, "errors");
    for (int n = 0; at < end && n < WRONGS; n++) {
        rec_json_object(&json, NULL);
        rec_answer_text(&json, "pointer", at);
        at += strlen(at) + 1;
        rec_answer_text(&json, "detail", at);
        at += strlen(at) + 1;
        rec_json_end(&json);
    }
    rec_answer_end(&json);
    rec_buf_reset(&c->scratch);
    return 0;
}

/* What the database says is for the log, not for the client. */
int rec_answer_fault(struct rec_call *c, enum rec_sql_fault fault, const struct rec_err *err)
{
    rec_serve_say(c->serve, "%s: %s", c->x->id, err->text);
    if (fault == REC_SQL_ABSENT || fault == REC_SQL_BUSY || fault == REC_SQL_LOST || fault == REC_SQL_FULL || fault == REC_SQL_READONLY) {
        rec_answer_problem(c, 503, "the store cannot do this now");
        rec_response_field(&c->x->response, "Retry-After", "1");
    } else {
        rec_answer_problem(c, 500, "something went wrong here; the log knows more under this request's id");
    }
    return 0;
}
