/* SPDX-License-Identifier: MIT
 *
 * Reading JSON (RFC 8259) as a tree, by jansson: strict, no key twice, no NUL in a text, whole numbers within 64 bits.
 */
#include <rec/format.h>

#include <jansson.h>
#include <math.h>

static const json_t *tree(const struct rec_json_value *value)
{
    return (const json_t *)value;
}

struct rec_json_value *rec_json_read(const char *name, const char *text, size_t len, struct rec_err *err)
{
    json_error_t why;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);

    if (!root && json_error_code(&why) == json_error_out_of_memory)
        rec_err_memory(err, name);
    else if (!root)
        rec_err_set(err, "%s: line %d: no JSON (%s)", name, why.line, why.text);
    return (struct rec_json_value *)root;
}

void rec_json_free(struct rec_json_value *root)
{
    json_decref((json_t *)root);
}

const struct rec_json_value *rec_json_get(const struct rec_json_value *object, const char *key)
{
    return (const struct rec_json_value *)json_object_get(tree(object), key);
}

size_t rec_json_length(const struct rec_json_value *array)
{
    return json_array_size(tree(array));
}

size_t rec_json_size(const struct rec_json_value *object)
{
    return json_object_size(tree(object));
}

const struct rec_json_value *rec_json_at(const struct rec_json_value *array, size_t i)
{
    return (const struct rec_json_value *)json_array_get(tree(array), i);
}

const char *rec_json_string(const struct rec_json_value *value)
{
    return json_string_value(tree(value));
}

int rec_json_integer(int64_t *out, const struct rec_json_value *value)
{
    if (!json_is_integer(tree(value)))
        return -1;
    *out = json_integer_value(tree(value));
    return 0;
}

int rec_json_number(double *out, const struct rec_json_value *value)
{
    if (!json_is_number(tree(value)))
        return -1;
    *out = json_number_value(tree(value));
    return isfinite(*out) ? 0 : -1;
}

int rec_json_boolean(bool *out, const struct rec_json_value *value)
{
    if (!json_is_boolean(tree(value)))
        return -1;
    *out = json_is_true(tree(value));
    return 0;
}

enum rec_json_kind rec_json_kind(const struct rec_json_value *value)
{
    if (!value)
        return REC_JSON_MISSING;
    switch (json_typeof(tree(value))) {
    case JSON_OBJECT:
        return REC_JSON_OBJECT;
    case JSON_ARRAY:
        return REC_JSON_ARRAY;
    case JSON_STRING:
        return REC_JSON_TEXT;
    case JSON_INTEGER:
    case JSON_REAL:
        return REC_JSON_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return REC_JSON_BOOL;
    default:
        return REC_JSON_NULL;
    }
}

void rec_json_members(const struct rec_json_value *object, int (*each)(void *context, const char *key, const struct rec_json_value *value),
                      void *context)
{
    json_t *o = (json_t *)(uintptr_t)object;

    for (void *at = json_object_iter(o); at; at = json_object_iter_next(o, at))
        if (each(context, json_object_iter_key(at), (const struct rec_json_value *)json_object_iter_value(at)))
            return;
}

size_t rec_json_depth(const char *text, size_t len)
{
    size_t depth = 0, most = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"') {
            for (i++; i < len && text[i] != '"'; i++)
                i += text[i] == '\\';
        } else if (text[i] == '[' || text[i] == '{') {
            most = ++depth > most ? depth : most;
        } else if ((text[i] == ']' || text[i] == '}') && depth) {
            depth--;
        }
    }
    return most;
}

/* ---- writing what was read ---- */

static void add_number(struct rec_json *json, const char *key, const struct rec_json_value *value)
{
    int64_t whole;
    double number;

    if (rec_json_integer(&whole, value) == 0)
        rec_json_int(json, key, whole);
    else if (rec_json_number(&number, value) == 0)
        rec_json_real(json, key, number);
    else
        rec_json_null(json, key);
}

static int add_member(void *context, const char *key, const struct rec_json_value *value)
{
    rec_json_copy(context, key, value);
    return 0;
}

/* The nesting is bounded by struct rec_json, whose buffer counts as failed beyond. */
void rec_json_copy(struct rec_json *json, const char *key, const struct rec_json_value *value)
{
    const char *text = rec_json_string(value);
    bool truth = false;

    switch (rec_json_kind(value)) {
    case REC_JSON_OBJECT:
        rec_json_object(json, key);
        if (!json->out->failed)
            rec_json_members(value, add_member, json);
        rec_json_end(json);
        break;
    case REC_JSON_ARRAY:
        rec_json_array(json, key);
        for (size_t i = 0; i < rec_json_length(value) && !json->out->failed; i++)
            rec_json_copy(json, NULL, rec_json_at(value, i));
        rec_json_end(json);
        break;
    case REC_JSON_TEXT:
        rec_json_text(json, key, text, strlen(text));
        break;
    case REC_JSON_NUMBER:
        add_number(json, key, value);
        break;
    case REC_JSON_BOOL:
        (void)!rec_json_boolean(&truth, value);
        rec_json_bool(json, key, truth);
        break;
    default:
        rec_json_null(json, key);
    }
}
