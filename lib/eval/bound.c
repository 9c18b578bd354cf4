/* SPDX-License-Identifier: MIT
 *
 * Conditions on a candidate: ndcg@10 >= production*0.99.
 */
#include <rec/eval.h>

#include <math.h>

static const char *blanks(const char *at)
{
    return at + strspn(at, " \t");
}

static int wrong(const char *text, struct rec_err *err)
{
    return rec_err_set(err, "condition '%.100s': not of the form METRIC>=NUMBER, METRIC>=production, or production times, plus or minus a number", text);
}

/* A number to the end. */
static int read_number(double *out, const char *at)
{
    size_t len;

    at = blanks(at);
    len = strlen(at);
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    return rec_num_double(out, at, len);
}

/* Letters, digits, _, and - before a letter: the one in production-0.01 takes something away. */
static size_t name_length(const char *at)
{
    size_t n = 0;

    if (*at < 'a' || *at > 'z')
        return 0;
    while ((at[n] >= 'a' && at[n] <= 'z') || (at[n] >= '0' && at[n] <= '9') || at[n] == '_' || (at[n] == '-' && at[n + 1] >= 'a' && at[n + 1] <= 'z'))
        n++;
    return n;
}

static int read_right(struct rec_bound *bound, const char *at)
{
    size_t n = name_length(at);
    char sign;

    if (n == 0) {
        bound->factor = 0;
        return read_number(&bound->offset, at);
    }
    if (n >= sizeof bound->baseline)
        return -1;
    memcpy(bound->baseline, at, n);
    at = blanks(at + n);
    sign = *at;
    if (!sign)
        return 0;
    if (sign == '*')
        return read_number(&bound->factor, at + 1) < 0 || bound->factor <= 0 ? -1 : 0;
    if ((sign != '+' && sign != '-') || read_number(&bound->offset, at + 1) < 0 || bound->offset < 0)
        return -1;
    bound->offset = sign == '-' ? -bound->offset : bound->offset;
    return 0;
}

int rec_bound_parse(struct rec_bound *bound, const char *text, struct rec_err *err)
{
    const char *key = blanks(text), *at;
    size_t len = strcspn(key, "<>="), sign = strspn(key + len, "<>=");

    *bound = (struct rec_bound){.factor = 1};
    at = key + len;
    while (len > 0 && (key[len - 1] == ' ' || key[len - 1] == '\t'))
        len--;
    if (len == 0 || len >= sizeof bound->key || strcspn(key, " \t") < len || sign == 0 || sign > 2)
        return wrong(text, err);
    memcpy(bound->key, key, len);
    memcpy(bound->sign, at, sign);
    if (strcmp(bound->sign, ">=") && strcmp(bound->sign, ">") && strcmp(bound->sign, "<=") && strcmp(bound->sign, "<"))
        return wrong(text, err);
    return read_right(bound, blanks(at + sign)) < 0 ? wrong(text, err) : 0;
}

double rec_bound_limit(const struct rec_bound *bound, double baseline)
{
    return bound->factor > 0 ? bound->factor * baseline + bound->offset : bound->offset;
}

bool rec_bound_holds(const struct rec_bound *bound, double value, double limit)
{
    if (isnan(value) || isnan(limit))
        return false;
    if (bound->sign[0] == '>')
        return bound->sign[1] ? value >= limit : value > limit;
    return bound->sign[1] ? value <= limit : value < limit;
}
