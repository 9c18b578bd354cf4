/* SPDX-License-Identifier: MIT
 *
 * Options from one table: setting, parsing, and describing them as help.
 */
#include <rec/util.h>

#include <math.h>

struct rec_opt *rec_opt_find(struct rec_opt *opts, const char *name)
{
    for (; opts->name; opts++)
        if (!strcmp(opts->name, name))
            return opts;
    return NULL;
}

/* ---- setting one ---- */

static bool in_range(const struct rec_opt *opt, double value)
{
    return (opt->min == 0 && opt->max == 0) || (value >= opt->min && value <= opt->max);
}

static int bad_range(const struct rec_opt *opt, const char *text, const char *where, struct rec_err *err)
{
    char low[REC_NUM_MAX + 1], high[REC_NUM_MAX + 1];

    low[rec_num_print_double(low, opt->min)] = 0;
    high[rec_num_print_double(high, opt->max)] = 0;
    return rec_err_set(err, "%s: %.80s is out of range; %s to %s", where, text, low, high);
}

static int set_flag(struct rec_opt *opt, const char *text, const char *where, struct rec_err *err)
{
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};

    for (size_t i = 0; i < REC_LENGTH(yes); i++)
        if (!strcmp(text, yes[i]) || !strcmp(text, no[i])) {
            *(bool *)opt->value = !strcmp(text, yes[i]);
            return 0;
        }
    return rec_err_set(err, "%s: %.80s is not true or false", where, text);
}

static int set_int(struct rec_opt *opt, const char *text, const char *where, struct rec_err *err)
{
    int64_t value;

    if (rec_num_int64(&value, text, strlen(text)) < 0)
        return rec_err_set(err, "%s: %.80s is not a whole number", where, text);
    if (!in_range(opt, (double)value))
        return bad_range(opt, text, where, err);
    *(int64_t *)opt->value = value;
    return 0;
}

static int set_real(struct rec_opt *opt, const char *text, const char *where, struct rec_err *err)
{
    double value;

    if (rec_num_double(&value, text, strlen(text)) < 0)
        return rec_err_set(err, "%s: %.80s is not a number", where, text);
    if (!in_range(opt, value))
        return bad_range(opt, text, where, err);
    *(double *)opt->value = value;
    return 0;
}

static int set_choice(struct rec_opt *opt, const char *text, const char *where, struct rec_err *err)
{
    size_t len = strlen(text);

    for (const char *p = opt->choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (len && strcspn(p, "|") == len && !strncmp(p, text, len)) {
            *(const char **)opt->value = text;
            return 0;
        }
    return rec_err_set(err, "%s: %.80s is not one of %s", where, text, opt->choices);
}

static int add_text(struct rec_opt *opt, const char *text, const char *where, enum rec_opt_origin origin, struct rec_err *err)
{
    struct rec_opt_list *list = opt->value;

    /* A stronger origin replaces what a weaker one gave. */
    if (origin != opt->origin)
        list->n = 0;
    if (list->n == REC_OPT_LIST_MAX)
        return rec_err_set(err, "%s: given more than %d times", where, REC_OPT_LIST_MAX);
    list->text[list->n++] = text;
    return 0;
}

int rec_opt_set(struct rec_opt *opt, const char *text, const char *where, enum rec_opt_origin origin, struct rec_err *err)
{
    int status = 0;

    switch (opt->type) {
    case REC_OPT_FLAG:   status = set_flag(opt, text, where, err); break;
    case REC_OPT_INT:    status = set_int(opt, text, where, err); break;
    case REC_OPT_REAL:   status = set_real(opt, text, where, err); break;
    case REC_OPT_CHOICE: status = set_choice(opt, text, where, err); break;
    case REC_OPT_LIST:   status = add_text(opt, text, where, origin, err); break;
    case REC_OPT_TEXT:
    case REC_OPT_FILE:   *(const char **)opt->value = text; break;
    }
    if (status == 0)
        opt->origin = origin;
    return status;
}

/* ---- parsing argv ---- */

static int unknown(struct rec_opt *opts, const char *name, size_t len, struct rec_err *err)
{
    const char *names[256], *nearest;
    char word[64];
    size_t n = 0;

    snprintf(word, sizeof word, "%.*s", (int)len, name);
    for (; opts->name && n < REC_LENGTH(names); opts++)
        names[n++] = opts->name;
    nearest = rec_opt_nearest(word, names, n);
    if (nearest)
        return rec_err_set(err, "unknown option --%s; did you mean --%s?", word, nearest);
    return rec_err_set(err, "unknown option --%s", word);
}

static bool same_name(const struct rec_opt *opt, const char *name, size_t len)
{
    return !strncmp(opt->name, name, len) && opt->name[len] == 0;
}

/* --name, --name=value, --name value, --no-name. */
static int parse_long(struct rec_opt *opts, const char *arg, char **next, int *used, struct rec_err *err)
{
    const char *equals = strchr(arg, '='), *value = equals ? equals + 1 : NULL;
    size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
    char where[80];

    snprintf(where, sizeof where, "--%.*s", (int)len, arg);
    for (struct rec_opt *opt = opts; opt->name; opt++) {
        if (opt->type == REC_OPT_FLAG && !value && len > 3 && !strncmp(arg, "no-", 3) && same_name(opt, arg + 3, len - 3))
            return rec_opt_set(opt, "false", where, REC_ORIGIN_FLAG, err);
        if (!same_name(opt, arg, len))
            continue;
        if (opt->type == REC_OPT_FLAG)
            return rec_opt_set(opt, value ? value : "true", where, REC_ORIGIN_FLAG, err);
        if (!value && !*next)
            return rec_err_set(err, "%s: needs an argument, %s", where, opt->arg);
        if (!value)
            ++*used;
        return rec_opt_set(opt, value ? value : *next, where, REC_ORIGIN_FLAG, err);
    }
    return unknown(opts, arg, len, err);
}

/* -n value, -nvalue, -abc. */
static int parse_short(struct rec_opt *opts, const char *arg, char **next, int *used, struct rec_err *err)
{
    for (; *arg; arg++) {
        struct rec_opt *opt = opts;
        char where[3] = {'-', *arg, 0};
        while (opt->name && opt->letter != *arg)
            opt++;
        if (!opt->name)
            return rec_err_set(err, "unknown option -%c", *arg);
        if (opt->type != REC_OPT_FLAG) {
            if (arg[1])
                return rec_opt_set(opt, arg + 1, where, REC_ORIGIN_FLAG, err);
            if (!*next)
                return rec_err_set(err, "%s: needs an argument, %s", where, opt->arg);
            ++*used;
            return rec_opt_set(opt, *next, where, REC_ORIGIN_FLAG, err);
        }
        if (rec_opt_set(opt, "true", where, REC_ORIGIN_FLAG, err) < 0)
            return -1;
    }
    return 0;
}

int rec_opt_parse(struct rec_opt *opts, int argc, char **argv, struct rec_err *err)
{
    int operands = 0;
    bool only_operands = false;

    for (int i = 1; i < argc; i++) {
        char *arg = argv[i];
        int used = 0, status = 0;
        if (only_operands || arg[0] != '-' || arg[1] == 0)
            argv[1 + operands++] = arg;
        else if (!strcmp(arg, "--"))
            only_operands = true;
        else if (arg[1] == '-')
            status = parse_long(opts, arg + 2, &argv[i + 1], &used, err);
        else
            status = parse_short(opts, arg + 1, &argv[i + 1], &used, err);
        if (status < 0)
            return -1;
        i += used;
    }
    return operands;
}

/* Whether the argument of this option is the next word: --name value, -n value, -abn value. */
static bool takes_next(const struct rec_opt *opts, const char *arg)
{
    bool is_long = arg[1] == '-';

    if (is_long && strchr(arg, '='))
        return false;
    for (arg += 1 + is_long; *arg; arg++) {
        const struct rec_opt *opt = opts;
        while (opt->name && (is_long ? strcmp(opt->name, arg) != 0 : opt->letter != *arg))
            opt++;
        if (is_long)
            return opt->name && opt->type != REC_OPT_FLAG;
        if (!opt->name || opt->type != REC_OPT_FLAG)
            return opt->name && !arg[1];
    }
    return false;
}

int rec_opt_command(const struct rec_opt *opts, int argc, char **argv)
{
    int i = 1;

    while (i < argc && argv[i][0] == '-' && argv[i][1]) {
        if (!strcmp(argv[i], "--"))
            return i + 1;
        i += 1 + takes_next(opts, argv[i]);
    }
    return i < argc ? i : argc;
}

/* ---- describing ---- */

static void print_list(struct rec_buf *out, const struct rec_opt_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        rec_buf_addf(out, "%s%s", i ? " " : "", list->text[i]);
}

/* scheme://user:PASSWORD@host/name?password=PASSWORD, without the passwords: rather too much is hidden than a raw '/' or '?' in one shows it. */
static void print_url(struct rec_buf *out, const char *text)
{
    const char *user = strstr(text, "://"), *at = user ? strrchr(text, '@') : NULL, *query;
    const char *colon = at ? memchr(user + 3, ':', at > user + 3 ? (size_t)(at - user - 3) : 0) : NULL;

    if (colon) {
        rec_buf_add(out, text, (size_t)(colon - text));
        rec_buf_adds(out, ":***");
        text = at;
    }
    query = text + strcspn(text, "?");
    rec_buf_add(out, text, (size_t)(query - text));
    while (*query) {
        size_t len = 1 + strcspn(query + 1, "&");
        bool secret = !strncmp(query + 1, "password=", 9) || !strncmp(query + 1, "sslpassword=", 12);
        rec_buf_add(out, query, secret ? strcspn(query, "=") + 1 : len);
        rec_buf_adds(out, secret ? "***" : "");
        query += len;
    }
}

void rec_opt_print(struct rec_buf *out, const struct rec_opt *opt)
{
    char number[REC_NUM_MAX];
    const char *text;

    switch (opt->type) {
    case REC_OPT_FLAG:
        rec_buf_adds(out, *(const bool *)opt->value ? "true" : "false");
        break;
    case REC_OPT_INT:
        rec_buf_add(out, number, rec_num_print_int64(number, *(const int64_t *)opt->value));
        break;
    case REC_OPT_REAL:
        if (!isnan(*(const double *)opt->value))
            rec_buf_add(out, number, rec_num_print_double(number, *(const double *)opt->value));
        break;
    case REC_OPT_LIST:
        print_list(out, opt->value);
        break;
    case REC_OPT_TEXT:
    case REC_OPT_FILE:
    case REC_OPT_CHOICE:
        text = *(const char *const *)opt->value;
        if (text && (opt->flags & REC_OPT_URL))
            print_url(out, text);
        else if (text)
            rec_buf_adds(out, text);
        break;
    }
}

/* Levenshtein's distance, given up beyond what counts as near. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);

    if (n >= REC_LENGTH(row))
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; a[i]; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            size_t best = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j + 1] + 1 < best)
                best = row[j + 1] + 1;
            row[j + 1] = best;
        }
    }
    return row[n];
}

const char *rec_opt_nearest(const char *word, const char *const *names, size_t n)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 3 + 2;

    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, names[i]);
        if (d < best || (strlen(word) > 2 && !strncmp(names[i], word, strlen(word)) && !nearest)) {
            best = d < best ? d : best;
            nearest = names[i];
        }
    }
    return nearest;
}

/* ---- help ---- */

enum { HELP_COLUMN = 26, HELP_WIDTH = 80 };

static void print_default(struct rec_buf *out, const struct rec_opt *opt)
{
    struct rec_buf value = {0};

    if (opt->type == REC_OPT_FLAG)
        return;
    rec_opt_print(&value, opt);
    if (value.len)
        rec_buf_addf(out, " [%s]", value.data);
    rec_buf_clear(&value);
}

/* Words from `text` into lines that begin at HELP_COLUMN; the first line is already there. */
static void wrap(struct rec_buf *out, const char *text)
{
    size_t column = HELP_COLUMN;

    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > HELP_COLUMN && column + 1 + word > HELP_WIDTH) {
            rec_buf_addf(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            rec_buf_addc(out, ' ');
            column++;
        }
        rec_buf_add(out, text, word);
        column += word;
        text += word + (text[word] == ' ');
    }
}

void rec_opt_help(struct rec_buf *out, const struct rec_opt *opts)
{
    for (; opts->name; opts++) {
        struct rec_buf help = {0};
        size_t start = out->len;
        if (opts->letter)
            rec_buf_addf(out, "  -%c, --%s", opts->letter, opts->name);
        else
            rec_buf_addf(out, "      --%s", opts->name);
        if (opts->arg)
            rec_buf_addf(out, " %s", opts->arg);
        size_t used = out->len - start;
        if (used + 2 > HELP_COLUMN) {
            rec_buf_addc(out, '\n');
            used = 0;
        }
        rec_buf_addf(out, "%*s", (int)(HELP_COLUMN - used), "");
        rec_buf_adds(&help, opts->help);
        if (opts->type == REC_OPT_CHOICE)
            rec_buf_addf(&help, ": %s", opts->choices);
        print_default(&help, opts);
        if (!help.failed)
            wrap(out, help.data);
        out->failed |= help.failed;
        rec_buf_clear(&help);
        rec_buf_addc(out, '\n');
    }
}
