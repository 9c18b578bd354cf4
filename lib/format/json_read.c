/* SPDX-License-Identifier: MIT
 *
 * Reading JSON (RFC 8259) as a tree, by jansson: strict, no key twice, no NUL in a text, whole numbers within 64 bits.
 */
#include <rec/format.h>

#include <jansson.h>

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
    return json_is_object(tree(array)) ? json_object_size(tree(array)) : json_array_size(tree(array));
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
