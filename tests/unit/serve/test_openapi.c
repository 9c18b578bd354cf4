/* SPDX-License-Identifier: MIT
 *
 * The OpenAPI document against the tables of routes: each route is in it, and nothing else; parameters and members have the names, types and
 * ranges that are checked.
 */
#include "../../../lib/serve/serve_priv.h"

#include <setjmp.h>
#include <ctype.h>
#include <string.h>

#include <cmocka.h>

#define SAME(what, a, b) do { if ((a) != (b)) fail_msg("%s %s: %s: not as the table has it", method_of(at), at->path, what); } while (0)

static struct rec_json_value *doc;
static const struct rec_route *at;   /* what is looked at, for messages */

static const char *method_of(const struct rec_route *r)
{
    return rec_message_methods[r->method];
}

/* What "#/components/..." names; the value itself when it is no reference. */
static const struct rec_json_value *resolve(const struct rec_json_value *value)
{
    const char *ref = rec_json_string(rec_json_get(value, "$ref"));
    char name[64];

    if (!ref)
        return value;
    assert_memory_equal(ref, "#/", 2);
    value = doc;
    for (ref += 2; *ref; ref += *ref == '/') {
        size_t n = strcspn(ref, "/");

        assert_true(n < sizeof name);
        memcpy(name, ref, n);
        name[n] = 0;
        value = rec_json_get(value, name);
        assert_non_null(value);
        ref += n;
    }
    return resolve(value);
}

static const struct rec_json_value *get(const struct rec_json_value *object, const char *key)
{
    return resolve(rec_json_get(object, key));
}

static const char *text(const struct rec_json_value *object, const char *key)
{
    const char *found = rec_json_string(get(object, key));

    return found ? found : "";
}

static double number(const struct rec_json_value *object, const char *key, double otherwise)
{
    double value;

    return rec_json_number(&value, get(object, key)) == 0 ? value : otherwise;
}

static bool holds(const struct rec_json_value *array, const char *word)
{
    for (size_t i = 0; i < rec_json_length(array); i++)
        if (strcmp(rec_json_string(rec_json_at(array, i)), word) == 0)
            return true;
    return false;
}

static bool is_type(const struct rec_json_value *schema, const char *type)
{
    const struct rec_json_value *types = get(schema, "type");

    return rec_json_kind(types) == REC_JSON_ARRAY ? holds(types, type) : strcmp(text(schema, "type"), type) == 0;
}

/* ---- one field ---- */

static void check_object(const struct rec_field *fields, const struct rec_json_value *schema);

enum { CHOICES = 256 };

/* Adds the words of an enum: "a|b". */
static void add_choices(char out[CHOICES], const struct rec_json_value *schema)
{
    const struct rec_json_value *list = get(schema, "enum");

    for (size_t i = 0; i < rec_json_length(list); i++) {
        size_t len = strlen(out);

        snprintf(out + len, CHOICES - len, "%s%s", len ? "|" : "", rec_json_string(rec_json_at(list, i)));
    }
}

static void check_type(const struct rec_field *f, const struct rec_json_value *schema)
{
    static const char *const types[] = {
        [REC_FIELD_TEXT] = "string", [REC_FIELD_SECRET] = "string", [REC_FIELD_INT] = "integer", [REC_FIELD_REAL] = "number",
        [REC_FIELD_BOOL] = "boolean", [REC_FIELD_ID] = "string", [REC_FIELD_CHOICE] = "string", [REC_FIELD_YEARS] = "string",
        [REC_FIELD_TEXTS] = "array", [REC_FIELD_OBJECTS] = "array",
    };

    if (f->type == REC_FIELD_TIME) {
        SAME(f->name, rec_json_length(get(schema, "anyOf")), 2);
        return;
    }
    SAME(f->name, is_type(schema, types[f->type]), true);
    SAME(f->name, is_type(schema, "null"), f->nullable);
}

static void check_range(const struct rec_field *f, const struct rec_json_value *schema)
{
    switch (f->type) {
    case REC_FIELD_TEXT:
    case REC_FIELD_SECRET:
        SAME(f->name, number(schema, "minLength", 0), f->min);
        SAME(f->name, number(schema, "maxLength", -1), f->max);
        break;
    case REC_FIELD_ID:
        SAME(f->name, number(schema, "minLength", 0), 1);
        SAME(f->name, number(schema, "maxLength", -1), REC_NAMES_LONGEST);
        break;
    case REC_FIELD_INT:
    case REC_FIELD_REAL:
        SAME(f->name, number(schema, "minimum", -1e30), f->min);
        SAME(f->name, number(schema, "maximum", 1e30), f->max);
        break;
    case REC_FIELD_OBJECTS:
        SAME(f->name, number(schema, "minItems", 0), f->min);
        check_object(f->fields, get(schema, "items"));
        /* fall through */
    case REC_FIELD_TEXTS:
        SAME(f->name, number(schema, "maxItems", -1), f->max);
        break;
    default:
        break;
    }
    if (f->type == REC_FIELD_SECRET)
        assert_string_equal(text(schema, "format"), "password");
    if (f->type == REC_FIELD_TEXT || f->type == REC_FIELD_ID || f->type == REC_FIELD_SECRET || f->type == REC_FIELD_YEARS)
        SAME(f->name, *text(schema, "pattern") != 0, true);
}

/* ---- objects: a table is one schema, or several of which one holds ---- */

static size_t variants(const struct rec_json_value *schema, const struct rec_json_value *out[8])
{
    const struct rec_json_value *several = get(schema, "oneOf");
    size_t n = 0;

    if (!several) {
        out[0] = schema;
        return 1;
    }
    for (size_t i = 0; i < rec_json_length(several); i++) {
        const struct rec_json_value *one = resolve(rec_json_at(several, i));

        if (is_type(one, "array"))
            continue;
        assert_true(n < 4);
        n += variants(one, out + n);
    }
    return n;
}

static int is_known(void *context, const char *key, const struct rec_json_value *value)
{
    const struct rec_field *f = context;

    (void)value;
    while (f->name && strcmp(f->name, key) != 0)
        f++;
    SAME(key, f->name != NULL, true);
    return 0;
}

static void check_object(const struct rec_field *fields, const struct rec_json_value *schema)
{
    const struct rec_json_value *variant[8];
    size_t n = variants(schema, variant);
    bool open;

    for (size_t v = 0; v < n; v++) {
        SAME("additionalProperties", rec_json_boolean(&open, get(variant[v], "additionalProperties")) == 0 && !open, true);
        rec_json_members(get(variant[v], "properties"), is_known, (void *)fields);
    }
    for (const struct rec_field *f = fields; f->name; f++) {
        char choices[CHOICES] = "";
        size_t found = 0, required = 0;

        for (size_t v = 0; v < n; v++) {
            const struct rec_json_value *one = get(get(variant[v], "properties"), f->name);

            required += holds(get(variant[v], "required"), f->name);
            if (!one)
                continue;
            found++;
            check_type(f, one);
            check_range(f, one);
            add_choices(choices, one);
        }
        SAME(f->name, found > 0, true);
        SAME(f->name, required == n, f->required);
        if (f->type == REC_FIELD_CHOICE)
            assert_string_equal(choices, f->choices);
    }
}

/* ---- operations ---- */

static const struct rec_json_value *operation(const struct rec_route *r)
{
    char method[16] = "";

    for (size_t i = 0; method_of(r)[i]; i++)
        method[i] = (char)tolower((unsigned char)method_of(r)[i]);
    return get(get(get(doc, "paths"), r->path), method);
}

static const struct rec_json_value *parameter(const struct rec_json_value *op, const char *in, const char *name)
{
    const struct rec_json_value *all = get(op, "parameters");

    for (size_t i = 0; i < rec_json_length(all); i++) {
        const struct rec_json_value *p = resolve(rec_json_at(all, i));

        if (strcmp(text(p, "in"), in) == 0 && strcmp(text(p, "name"), name) == 0)
            return p;
    }
    return NULL;
}

static size_t count(const struct rec_json_value *op, const char *in)
{
    const struct rec_json_value *all = get(op, "parameters");
    size_t n = 0;

    for (size_t i = 0; i < rec_json_length(all); i++)
        n += strcmp(text(resolve(rec_json_at(all, i)), "in"), in) == 0;
    return n;
}

static void check_parameters(const struct rec_json_value *op)
{
    size_t n = 0;

    for (const struct rec_field *f = at->query; f && f->name; f++, n++) {
        const struct rec_json_value *p = parameter(op, "query", f->name), *schema = get(p, "schema");
        char choices[CHOICES] = "";
        bool required = false;

        SAME(f->name, p != NULL, true);
        if (rec_json_boolean(&required, get(p, "required")) < 0)
            required = false;
        SAME(f->name, required, f->required);
        check_type(f, schema);
        check_range(f, schema);
        add_choices(choices, schema);
        if (f->type == REC_FIELD_CHOICE)
            assert_string_equal(choices, f->choices);
    }
    SAME("parameters", count(op, "query"), n);
    n = 0;
    for (const char *p = strchr(at->path, '{'); p; p = strchr(p + 1, '{'), n++) {
        char name[32];

        snprintf(name, sizeof name, "%.*s", (int)strcspn(p + 1, "}"), p + 1);
        SAME(name, parameter(op, "path", name) != NULL, true);
    }
    SAME("parameters", count(op, "path"), n);
}

static void check_body(const struct rec_json_value *op)
{
    const struct rec_json_value *content = get(get(op, "requestBody"), "content"), *schema;
    const char *type = at->flags & REC_ROUTE_LINES ? "application/x-ndjson"
                       : at->flags & REC_ROUTE_FORM ? "application/x-www-form-urlencoded" : "application/json";
    bool array = false;

    SAME("requestBody", content != NULL, at->body || (at->flags & REC_ROUTE_LINES));
    if (!content)
        return;
    assert_int_equal(rec_json_size(content), 1);
    schema = get(get(content, type), "schema");
    SAME(type, schema != NULL, true);
    if (at->body)
        check_object(at->body, schema);
    for (size_t i = 0; i < rec_json_length(get(schema, "oneOf")); i++)
        array |= is_type(resolve(rec_json_at(get(schema, "oneOf"), i)), "array");
    SAME("array", array, (at->flags & REC_ROUTE_ARRAY) != 0);
}

static void check_security(const struct rec_json_value *op)
{
    const struct rec_json_value *security = get(op, "security");
    bool nobody = false;

    for (size_t i = 0; i < rec_json_length(security); i++)
        nobody |= rec_json_size(rec_json_at(security, i)) == 0;
    SAME("security", nobody, at->own == REC_MAY_ANYONE);
    assert_string_equal(text(op, "x-scope"), at->scope ? at->scope : "");
}

static int check_response(void *context, const char *status, const struct rec_json_value *value)
{
    const struct rec_json_value *content = get(resolve(value), "content");

    (void)context;
    if (status[0] >= '4')
        SAME(status, get(content, "application/problem+json") != NULL, true);
    else if (strcmp(status, "204") == 0 || strcmp(status, "304") == 0)
        SAME(status, content == NULL, true);
    else
        SAME(status, content != NULL, true);
    return 0;
}

static void check_statuses(const struct rec_json_value *op)
{
    static const char *const always[] = {"400", "401", "405", "413", "414", "422", "429", "431", "500", "503"};
    const struct rec_json_value *all = get(op, "responses");
    bool body = at->body || (at->flags & REC_ROUTE_LINES);

    for (size_t i = 0; i < REC_LENGTH(always); i++)
        SAME(always[i], get(all, always[i]) != NULL, true);
    SAME("415", get(all, "415") != NULL, body);
    if (at->own != REC_MAY_ANYONE)
        SAME("403", get(all, "403") != NULL, true);
    rec_json_members(all, check_response, NULL);
    assert_non_null(get(get(get(all, "401"), "headers"), "WWW-Authenticate"));
    assert_non_null(get(get(get(all, "405"), "headers"), "Allow"));
    assert_non_null(get(get(get(all, "429"), "headers"), "Retry-After"));
}

static void routes_are_told(void **state)
{
    size_t n = 0;

    (void)state;
    for (size_t t = 0; rec_routes[t]; t++)
        for (at = rec_routes[t]; at->path; at++, n++) {
            const struct rec_json_value *op = operation(at);

            if (!op)
                fail_msg("%s %s: is not in openapi.json", method_of(at), at->path);
            check_parameters(op);
            check_body(op);
            check_security(op);
            check_statuses(op);
        }
    assert_true(n > 30);
}

/* ---- and nothing else is ---- */

static int is_route(void *context, const char *key, const struct rec_json_value *value)
{
    const char *path = context;
    bool found = false;

    (void)value;
    for (size_t t = 0; rec_routes[t]; t++)
        for (const struct rec_route *r = rec_routes[t]; r->path; r++)
            found |= strcmp(r->path, path) == 0 && strcasecmp(method_of(r), key) == 0;
    if (!found)
        fail_msg("%s %s: is in openapi.json alone", key, path);
    return 0;
}

static int each_path(void *context, const char *key, const struct rec_json_value *value)
{
    (void)context;
    rec_json_members(value, is_route, (void *)key);
    return 0;
}

static void told_are_routes(void **state)
{
    (void)state;
    rec_json_members(get(doc, "paths"), each_path, NULL);
}

/* ---- references ---- */

static int follow(void *context, const char *key, const struct rec_json_value *value)
{
    (void)context;
    (void)key;
    if (rec_json_kind(value) == REC_JSON_OBJECT) {
        resolve(value);
        rec_json_members(value, follow, NULL);
    }
    for (size_t i = 0; i < rec_json_length(value); i++)
        follow(NULL, NULL, rec_json_at(value, i));
    return 0;
}

static void references_lead_somewhere(void **state)
{
    (void)state;
    follow(NULL, NULL, doc);
    assert_memory_equal(text(doc, "openapi"), "3.1.", 4);
}

static int setup(void **state)
{
    struct rec_err err;

    (void)state;
    doc = rec_json_read("openapi.json", rec_serve_openapi(), strlen(rec_serve_openapi()), &err);
    return doc ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    rec_json_free(doc);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_are_told),
        cmocka_unit_test(told_are_routes),
        cmocka_unit_test(references_lead_somewhere),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
