/* SPDX-License-Identifier: MIT
 *
 * Which values parameters may take.
 */
#include <rec/tune.h>

#include <math.h>

static void fix(struct rec_space_dim *dim, double value)
{
    dim->n = 1;
    dim->value[0] = value;
}

static void count_free(struct rec_space *space)
{
    space->n_free = 0;
    for (size_t d = 0; d < space->n; d++)
        space->n_free += rec_space_free(&space->dim[d]);
}

bool rec_space_free(const struct rec_space_dim *dim)
{
    return dim->n == 0 || dim->n > 1;
}

void rec_space_defaults(struct rec_space *space, const struct rec_model_type *type)
{
    *space = (struct rec_space){.type = type};
    for (; type->params[space->n].name; space->n++) {
        const struct rec_param *p = &type->params[space->n];
        struct rec_space_dim *dim = &space->dim[space->n];
        *dim = (struct rec_space_dim){.param = p, .lo = p->lo, .hi = p->hi, .log = p->log};
        if (p->lo == p->hi)
            fix(dim, p->def);
        else if (p->choices)
            for (double k = p->lo; k <= p->hi && dim->n < REC_SPACE_VALUES; k++)
                dim->value[dim->n++] = k;
    }
    count_free(space);
}

/* ---- text ---- */

void rec_space_print(struct rec_buf *out, const struct rec_param *param, double value)
{
    char number[REC_NUM_MAX];
    const char *at = param->choices;

    if (!at) {
        rec_buf_add(out, number, rec_num_print_double(number, value));
        return;
    }
    for (double k = 0; k < value && strchr(at, '|'); k++)
        at = strchr(at, '|') + 1;
    rec_buf_add(out, at, strcspn(at, "|"));
}

int rec_space_read(double *out, const struct rec_param *param, const char *text, size_t len)
{
    const char *at = param->choices;

    if (!at)
        return rec_num_double(out, text, len);
    for (*out = 0;; ++*out, at++) {
        size_t n = strcspn(at, "|");
        if (n == len && !memcmp(at, text, n))
            return 0;
        at += n;
        if (!*at)
            return -1;
    }
}

/* One value within the parameter's own range. */
static int read_value(double *out, const struct rec_param *p, const char *text, size_t len, struct rec_err *err)
{
    while (len > 0 && *text == ' ')
        text++, len--;
    while (len > 0 && text[len - 1] == ' ')
        len--;
    if (rec_space_read(out, p, text, len) < 0)
        return rec_err_set(err, "%s: '%.*s' is %s%s", p->name, (int)(len < 60 ? len : 60), text, p->choices ? "not one of " : "no number", p->choices ? p->choices : "");
    if (*out < p->min || *out > p->max)
        return rec_err_set(err, "%s: %g is out of range; %g to %g", p->name, *out, p->min, p->max);
    if (p->integer && *out != floor(*out))
        return rec_err_set(err, "%s: %g is not a whole number", p->name, *out);
    return 0;
}

static int read_range(struct rec_space_dim *dim, const char *text, const char *dots, struct rec_err *err)
{
    const struct rec_param *p = dim->param;
    size_t len = strlen(dots + 2);

    if (p->choices)
        return rec_err_set(err, "%s: choices have no range; write %s", p->name, p->choices);
    while (len > 0 && dots[2 + len - 1] == ' ')
        len--;
    dim->log = len > 4 && !memcmp(dots + 2 + len - 4, " log", 4);
    if (dim->log)
        len -= 4;
    if (read_value(&dim->lo, p, text, (size_t)(dots - text), err) < 0 || read_value(&dim->hi, p, dots + 2, len, err) < 0)
        return -1;
    if (!(dim->lo < dim->hi))
        return rec_err_set(err, "%s: a range goes up: %g..%g", p->name, dim->lo, dim->hi);
    if (dim->log && dim->lo <= 0)
        return rec_err_set(err, "%s: a range with a logarithm begins above 0", p->name);
    dim->n = 0;
    return 0;
}

static int read_list(struct rec_space_dim *dim, const char *text, struct rec_err *err)
{
    for (dim->n = 0;; text++) {
        size_t len = strcspn(text, "|");
        if (dim->n == REC_SPACE_VALUES)
            return rec_err_set(err, "%s: more than %d values", dim->param->name, REC_SPACE_VALUES);
        if (read_value(&dim->value[dim->n++], dim->param, text, len, err) < 0)
            return -1;
        text += len;
        if (!*text)
            return 0;
    }
}

int rec_space_set(struct rec_space *space, const char *name, const char *text, struct rec_err *err)
{
    const char *names[REC_PARAM_MAX] = {0}, *near;

    for (size_t d = 0; d < space->n; d++) {
        struct rec_space_dim *dim = &space->dim[d], old = *dim;
        const char *dots = strstr(text, "..");
        names[d] = dim->param->name;
        if (strcmp(names[d], name) != 0)
            continue;
        if ((dots ? read_range(dim, text, dots, err) : read_list(dim, text, err)) < 0) {
            *dim = old;
            return -1;
        }
        count_free(space);
        return 0;
    }
    near = rec_opt_nearest(name, names, space->n);
    return rec_err_set(err, "%s: %s has no such parameter%s%s%s", name, space->type->name, near ? " (" : "", near ? near : "", near ? "?)" : "");
}

int rec_space_parse(struct rec_space *space, const char *text, struct rec_err *err)
{
    char *copy = strdup(text), *rest = copy, *word;
    int rc = 0;

    if (!copy)
        return rec_err_memory(err, "search space");
    while (rc == 0 && (word = strsep(&rest, ",")) != NULL) {
        char *sign = strchr(word, '=');
        word += strspn(word, " ");
        if (!sign) {
            rc = rec_err_set(err, "'%.60s' is not of the form NAME=VALUES", word);
            break;
        }
        *sign = 0;
        for (char *end = sign; end > word && end[-1] == ' '; end--)
            end[-1] = 0;
        rc = rec_space_set(space, word, sign + 1 + strspn(sign + 1, " "), err);
    }
    free(copy);
    return rc;
}

static void describe(struct rec_buf *out, const struct rec_space_dim *dim)
{
    rec_buf_addf(out, "%s=", dim->param->name);
    if (dim->n == 0) {
        rec_space_print(out, dim->param, dim->lo);
        rec_buf_adds(out, "..");
        rec_space_print(out, dim->param, dim->hi);
        rec_buf_adds(out, dim->log ? " log" : "");
    }
    for (size_t i = 0; i < dim->n; i++) {
        rec_buf_adds(out, i ? "|" : "");
        rec_space_print(out, dim->param, dim->value[i]);
    }
}

void rec_space_describe(struct rec_buf *out, const struct rec_space *space)
{
    for (size_t d = 0; d < space->n; d++) {
        rec_buf_adds(out, d ? "," : "");
        describe(out, &space->dim[d]);
    }
}

/* ---- places and values ---- */

/* Where the range begins and ends: whole numbers are as likely at its ends as within. */
static void ends(double *lo, double *hi, const struct rec_space_dim *dim)
{
    double half = dim->param->integer ? 0.5 - 1e-9 : 0;

    *lo = dim->log ? log(dim->lo - half) : dim->lo - half;
    *hi = dim->log ? log(dim->hi + half) : dim->hi + half;
}

/* Four digits say what there is to say, and can be read. */
static double round_digits(double x)
{
    char text[40];
    double out;

    snprintf(text, sizeof text, "%.4g", x);
    for (char *p = text; *p; p++)
        if (*p == ',')
            *p = '.'; /* a locale's comma */
    return rec_num_double(&out, text, strlen(text)) == 0 ? out : x;
}

double rec_space_value(const struct rec_space_dim *dim, double at)
{
    double lo, hi, x;

    if (dim->n > 0) {
        size_t i = at > 0 ? (size_t)at : 0;
        return dim->value[i < dim->n ? i : dim->n - 1];
    }
    ends(&lo, &hi, dim);
    x = lo + (hi - lo) * at;
    x = dim->log ? exp(x) : x;
    x = dim->param->integer ? round(x) : round_digits(x);
    return x < dim->lo ? dim->lo : x > dim->hi ? dim->hi : x;
}

double rec_space_at(const struct rec_space_dim *dim, double value)
{
    double lo, hi, at;

    if (dim->n > 0) {
        size_t best = 0;
        for (size_t i = 1; i < dim->n; i++)
            if (fabs(dim->value[i] - value) < fabs(dim->value[best] - value))
                best = i;
        return (double)best;
    }
    ends(&lo, &hi, dim);
    at = ((dim->log ? log(value > dim->lo ? value : dim->lo) : value) - lo) / (hi - lo);
    return at < 0 ? 0 : at > 1 ? 1 : at;
}
