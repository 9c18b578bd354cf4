/* SPDX-License-Identifier: MIT
 *
 * The OpenAPI document, and a page that shows it and lets one try it. Both are built into the program (documents.h, by the Makefile), so that what
 * is told is what this program does. The page loads nothing from elsewhere, and nothing but its own script and style runs in it: the policy
 * that is sent with it names their digests.
 */
#include "serve_priv.h"

#include "documents.h"

#define POLICY \
    "default-src 'none'; script-src 'sha256-" DOCS_SCRIPT_SHA256 "'; style-src 'sha256-" DOCS_STYLE_SHA256 "'; connect-src 'self'; " \
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const char *rec_serve_openapi(void)
{
    return openapi_json;
}

static int answer(struct rec_call *c, const char *type, const char *text, size_t len, struct rec_err *err)
{
    struct rec_response *r = &c->x->response;

    rec_buf_reset(&r->body);
    rec_buf_add(&r->body, text, len);
    if (r->body.failed)
        return rec_err_memory(err, "document");
    r->status = 200;
    r->type = type;
    rec_response_field(r, "Cache-Control", "no-cache"); /* kept, and asked for anew: a new program has a new one */
    return 0;
}

static int get_openapi(struct rec_call *c, struct rec_err *err)
{
    return answer(c, "application/json", openapi_json, sizeof openapi_json - 1, err);
}

static int get_docs(struct rec_call *c, struct rec_err *err)
{
    rec_response_field(&c->x->response, "Content-Security-Policy", POLICY);
    return answer(c, "text/html; charset=utf-8", docs_html, sizeof docs_html - 1, err);
}

const struct rec_route rec_handle_docs_routes[] = {
    {.method = REC_GET, .path = "/openapi.json", .handle = get_openapi},
    {.method = REC_GET, .path = "/docs", .handle = get_docs},
    {.path = NULL},
};
