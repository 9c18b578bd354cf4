/* SPDX-License-Identifier: MIT
 *
 * Conditions such as rating>=4 and ndcg@10>=0.33: a key, a comparison, a number. */
#include "eval_priv.h"

int rec_condition_parse(struct rec_condition *condition, const char *text, struct rec_err *err)
{
    static const char *const signs[] = {">=", "<=", "==", ">", "<"};
    size_t len = strcspn(text, "<>=");
    const char *sign = NULL;

    for (size_t s = 0; s < REC_LENGTH(signs) && !sign; s++)
        if (strncmp(text + len, signs[s], strlen(signs[s])) == 0)
            sign = signs[s];
    if (len == 0 || !sign)
        return rec_err_set(err, "condition '%s': not of the form KEY>=NUMBER", text);
    *condition = (struct rec_condition){.key = text, .key_len = len, .sign = sign, .bound_text = text + len + strlen(sign)};
    if (rec_num_double(&condition->bound, condition->bound_text, strlen(condition->bound_text)) < 0)
        return rec_err_set(err, "condition '%s': '%s' is no number", text, condition->bound_text);
    return 0;
}

bool rec_condition_is(const struct rec_condition *condition, const char *key)
{
    return strlen(key) == condition->key_len && memcmp(key, condition->key, condition->key_len) == 0;
}

bool rec_condition_holds(const struct rec_condition *condition, double value)
{
    switch (condition->sign[0]) {
    case '>':
        return condition->sign[1] ? value >= condition->bound : value > condition->bound;
    case '<':
        return condition->sign[1] ? value <= condition->bound : value < condition->bound;
    default:
        return value == condition->bound;
    }
}
