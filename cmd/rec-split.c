/* SPDX-License-Identifier: MIT
 *
 * Cuts ratings into training, test and validation parts. The other parts are in place before standard output is
 * closed, so that whoever reads the training part to its end may open them.
 */
#include "tool.h"

#include <math.h>
#include <rec/data.h>

static double test = 0.2, valid = NAN;
static int64_t seed = 42, last = 1, folds = 5, fold = 1, min_train = -1;
static const char *method = "random", *before, *test_pairs, *out_test, *out_valid, *leaks, *output;
static bool no_history, warm;

static struct rec_opt opts[] = {
    {'m', "method", "METHOD", REC_OPT_CHOICE, &method, .choices = "random|global-random|last|time|kfold|user-time|users|items",
     .flags = REC_OPT_RESULT,
     .help = "how to choose the test part"},
    {'t', "test", "SHARE", REC_OPT_REAL, &test, .max = 1, .flags = REC_OPT_RESULT,
     .help = "part held out, of ratings, users or items"},
    {0, "last", "N", REC_OPT_INT, &last, .min = 1, .max = 1e9, .flags = REC_OPT_RESULT,
     .help = "ratings of each user (last)"},
    {0, "before", "DATE", REC_OPT_TEXT, &before, .flags = REC_OPT_RESULT,
     .help = "train on what was before that (time)"},
    {0, "folds", "N", REC_OPT_INT, &folds, .min = 2, .max = 255, .flags = REC_OPT_RESULT,
     .help = "number of folds (kfold)"},
    {0, "fold", "N", REC_OPT_INT, &fold, .min = 1, .max = 255, .flags = REC_OPT_RESULT,
     .help = "which one is the test part (kfold)"},
    {0, "test-pairs", "FILE", REC_OPT_FILE, &test_pairs,
     .help = "instead of a method: hold out the pairs in these ratings"},
    {0, "min-train", "N", REC_OPT_INT, &min_train, .min = -1, .max = 1e9, .flags = REC_OPT_RESULT,
     .help = "ratings each user keeps; -1 is 1 for random, last and user-time, else 0"},
    {0, "warm", NULL, REC_OPT_FLAG, &warm, .flags = REC_OPT_RESULT,
     .help = "hold out nothing of users and items that are not in training"},
    {0, "leaks", "FILE", REC_OPT_FILE, &leaks, .help = "write what the parts know of each other, as JSON"},
    {0, "valid", "SHARE", REC_OPT_REAL, &valid, .max = 1, .flags = REC_OPT_RESULT,
     .help = "part for validation, with --out-valid"},
    {0, "out-test", "FILE", REC_OPT_FILE, &out_test, .help = "write the test part here"},
    {0, "out-valid", "FILE", REC_OPT_FILE, &out_valid, .help = "write a validation part here"},
    TOOL_SEED(&seed),
    TOOL_OUTPUT(&output),
    TOOL_HISTORY(&no_history),
    {0},
};

static const struct tool_about about = {
    .name = "rec-split",
    .synopsis = "[options] [RATINGS]",
    .summary = "cut ratings into train and test",
    .opts = opts,
    .max_operands = 1,
};

struct split {
    struct tool *tool;
    struct rec_ratings ratings, pairs;
    struct rec_split_options options;
    struct rec_split_found found;
    uint8_t *part;
    struct rec_out out[3];  /* by part */
    struct rec_out leaks;
};

static const char *const part_name[] = {"train", "test", "valid"};

/* History names the options that had a say, and no others. */
static void forget_options(struct split *s)
{
    enum rec_split_method m = s->options.method;
    bool share = m != REC_SPLIT_LAST && m != REC_SPLIT_KFOLD && m != REC_SPLIT_PAIRS && (m != REC_SPLIT_TIME || !before);
    bool chance = m != REC_SPLIT_LAST && m != REC_SPLIT_TIME && m != REC_SPLIT_PAIRS;
    const struct {
        const char *name;
        bool matters;
    } options[] = {
        {"method", m != REC_SPLIT_PAIRS}, {"test", share}, {"last", m == REC_SPLIT_LAST},
        {"before", m == REC_SPLIT_TIME}, {"folds", m == REC_SPLIT_KFOLD}, {"fold", m == REC_SPLIT_KFOLD},
        {"seed", chance}, {"min-train", min_train >= 0}, {"warm", warm},
    };

    for (size_t i = 0; i < REC_LENGTH(options); i++)
        if (!options[i].matters)
            rec_opt_find(s->tool->opts, options[i].name)->flags &= ~(unsigned)REC_OPT_RESULT;
}

static int settings(struct split *s, struct rec_err *err)
{
    static const char *const names[] = {"", "random", "global-random", "last", "time", "kfold", "user-time", "users", "items"};
    struct rec_split_options *o = &s->options;

    for (size_t i = 1; i < REC_LENGTH(names); i++)
        if (strcmp(method, names[i]) == 0)
            o->method = (enum rec_split_method)i;
    if (test_pairs) {
        o->method = REC_SPLIT_PAIRS;
        if (rec_ratings_read(&s->pairs, test_pairs, err) < 0)
            return -1;
        o->pairs = &s->pairs;
    }
    if (before && rec_date_parse(&o->before, before, "--before", err) < 0)
        return -1;
    o->has_before = before != NULL;
    o->test = o->has_before || o->method == REC_SPLIT_LAST || o->method == REC_SPLIT_KFOLD || test_pairs ? 0 : test;
    o->valid = isnan(valid) || o->method == REC_SPLIT_LAST || o->method == REC_SPLIT_KFOLD || test_pairs ? 0 : valid;
    o->want_valid = out_valid != NULL;
    o->seed = (uint64_t)seed;
    o->last = (size_t)last;
    o->folds = (size_t)folds;
    o->fold = (size_t)fold;
    o->warm = warm;
    forget_options(s);
    o->min_train = min_train >= 0 ? (size_t)min_train : o->method == REC_SPLIT_RANDOM || o->method == REC_SPLIT_LAST || o->method == REC_SPLIT_USER_TIME;
    return 0;
}

/* This tool's line, with the name of the part at its end: train and test must not look alike. */
static void history(struct split *s, struct rec_buf *text, int part)
{
    uint32_t digests[] = {s->ratings.digest, s->pairs.digest};

    tool_history(s->tool, text, s->ratings.history, digests, test_pairs ? 2 : 1);
    if (text->len > 0 && text->data[text->len - 1] == '\n')
        text->len--;
    rec_buf_addf(text, " part=%s\n", part_name[part]);
}

static int write_part(struct split *s, int part, struct rec_err *err)
{
    struct rec_ratings r = {0};
    struct rec_buf text = {0};
    int rc = -1;

    if (rec_split_take(&r, &s->ratings, s->part, (uint8_t)part, err) < 0)
        goto out;
    history(s, &text, part);
    rc = text.failed ? rec_err_memory(err, "history")
                     : rec_ratings_write(&r, no_history ? NULL : text.data, &s->out[part], err);
out:
    rec_buf_clear(&text);
    rec_ratings_clear(&r);
    return rc;
}

static double share_of(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static void print_leaks(struct rec_buf *text, const struct rec_leaks *l)
{
    static const char *const names[] = {"train", "test", "valid", "left_out"};
    struct rec_json json = {.out = text};
    char key[40];

    rec_json_object(&json, NULL);
    for (int part = 0; part < 4; part++) {
        if (part > REC_SPLIT_TEST && l->ratings[part] == 0)
            continue;
        rec_json_int(&json, names[part], (int64_t)l->ratings[part]);
        snprintf(key, sizeof key, "%s_users", names[part]);
        rec_json_int(&json, key, (int64_t)l->users[part]);
        snprintf(key, sizeof key, "%s_items", names[part]);
        rec_json_int(&json, key, (int64_t)l->items[part]);
    }
    rec_json_int(&json, "cold_users", (int64_t)l->cold_users);
    rec_json_int(&json, "cold_items", (int64_t)l->cold_items);
    rec_json_real(&json, "cold_share", share_of(l->cold, l->ratings[REC_SPLIT_TEST]));
    if (l->timed) {
        rec_json_real(&json, "train_ahead_share", share_of(l->ahead, l->ratings[REC_SPLIT_TRAIN]));
        rec_json_real(&json, "test_behind_share", share_of(l->behind, l->ratings[REC_SPLIT_TEST]));
    }
    rec_json_end(&json);
}

static int write_leaks(const struct split *s, struct rec_out *out, struct rec_err *err)
{
    struct rec_leaks found;
    struct rec_buf text = {0};
    int rc = -1;

    if (rec_leaks_count(&found, &s->ratings, s->part, err) < 0)
        return -1;
    print_leaks(&text, &found);
    if (text.failed)
        rec_err_memory(err, "leaks");
    else
        rc = rec_out_write(out, text.data, text.len, err);
    rec_buf_clear(&text);
    return rc;
}

static void report(struct split *s)
{
    const struct rec_ratings *r = &s->ratings;
    size_t size[4] = {0}, users = 0;
    char date[REC_NUM_MAX];

    for (size_t u = 0; u < r->n_users; u++) {
        size_t before_user = size[REC_SPLIT_TEST];

        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++)
            size[s->part[p]]++;
        users += size[REC_SPLIT_TEST] > before_user;
    }
    if (s->options.method == REC_SPLIT_TIME)
        tool_note(s->tool, "test begins on %.*s", (int)rec_date_print(date, s->found.cut), date);
    if (s->found.missing)
        tool_note(s->tool, "%zu of %zu pairs of %s are not among the ratings", s->found.missing, s->pairs.nnz,
                  test_pairs);
    tool_note(s->tool, "train %zu, test %zu (%.1f %%) of %zu of %zu users%s", size[REC_SPLIT_TRAIN],
              size[REC_SPLIT_TEST], r->nnz ? 100.0 * (double)size[REC_SPLIT_TEST] / (double)r->nnz : 0, users,
              r->n_users, !size[REC_SPLIT_TEST] ? "; nothing to test with"
                          : !out_test ? "; the test part is not written: no --out-test" : "");
    if (size[REC_SPLIT_NONE])
        tool_note(s->tool, "left out %zu: their users or items are not in training", size[REC_SPLIT_NONE]);
    if (out_valid)
        tool_note(s->tool, "validation %zu", size[REC_SPLIT_VALID]);
}

/* Everything is written, then put in place: the others first, standard output last. */
static int split(struct split *s, struct rec_err *err)
{
    const struct rec_ratings *r = &s->ratings;

    if (settings(s, err) < 0 || rec_ratings_read(&s->ratings, tool_operand(s->tool, 0), err) < 0)
        return -1;
    if (!(s->part = rec_malloc(r->nnz, 1, "parts", err)))
        return -1;
    if (rec_split_assign(s->part, &s->found, r, &s->options, err) < 0)
        return rec_err_prefix(err, r->file.name);
    if ((out_test && rec_out_open(&s->out[REC_SPLIT_TEST], out_test, true, err) < 0) ||
        (out_valid && rec_out_open(&s->out[REC_SPLIT_VALID], out_valid, true, err) < 0) ||
        (leaks && rec_out_open(&s->leaks, leaks, false, err) < 0) || rec_out_open(&s->out[REC_SPLIT_TRAIN], output, true, err) < 0)
        return -1;
    if ((out_test && write_part(s, REC_SPLIT_TEST, err) < 0) ||
        (out_valid && write_part(s, REC_SPLIT_VALID, err) < 0) || (leaks && write_leaks(s, &s->leaks, err) < 0) ||
        write_part(s, REC_SPLIT_TRAIN, err) < 0 || rec_out_flush(&s->out[REC_SPLIT_TRAIN], err) < 0)
        return -1;
    report(s);
    if ((out_test && rec_out_commit(&s->out[REC_SPLIT_TEST], err) < 0) ||
        (out_valid && rec_out_commit(&s->out[REC_SPLIT_VALID], err) < 0) || (leaks && rec_out_commit(&s->leaks, err) < 0))
        return -1;
    return rec_out_commit(&s->out[REC_SPLIT_TRAIN], err);
}

static int check_usage(const struct tool *tool)
{
    bool share = !test_pairs && strcmp(method, "last") != 0 && strcmp(method, "kfold") != 0;

    if ((out_test && strcmp(out_test, "-") == 0) || (out_valid && strcmp(out_valid, "-") == 0))
        return tool_usage(tool, "--out-test, --out-valid: standard output is for the training part");
    if (fold > folds)
        return tool_usage(tool, "--fold %lld: there are %lld folds", (long long)fold, (long long)folds);
    if (before && strcmp(method, "time") != 0)
        return tool_usage(tool, "--before: for --method time only");
    if (test_pairs && out_valid)
        return tool_usage(tool, "--out-valid: --test-pairs has no part for it");
    if (share && (out_valid != NULL) != !isnan(valid))
        return tool_usage(tool, "--out-valid FILE and --valid SHARE go together");
    if (share && !((before ? 0 : test) + (isnan(valid) ? 0 : valid) < 1))
        return tool_usage(tool, "--test and --valid: nothing is left to train on");
    return TOOL_DONE;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct split s = {.tool = &tool};
    struct rec_err err = {0};
    int rc, status;

    tool_start(&tool, &about, argc, argv);
    if ((status = check_usage(&tool)) != TOOL_DONE)
        return status;
    rc = split(&s, &err);
    tool.rows = s.ratings.nnz;
    tool.rows_name = "ratings";
    for (int i = 0; i < 3; i++)
        rec_out_abort(&s.out[i]);
    rec_out_abort(&s.leaks);
    free(s.part);
    rec_ratings_clear(&s.pairs);
    rec_ratings_clear(&s.ratings);
    return rc < 0 ? tool_fail(&tool, &err) : tool_finish(&tool, TOOL_DONE);
}
