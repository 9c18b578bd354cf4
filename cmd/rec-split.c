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
static const char *method = "random", *before, *test_pairs, *out_test, *out_valid, *output;
static bool no_history;

static struct rec_opt opts[] = {
    {'m', "method", "METHOD", REC_OPT_CHOICE, &method, .choices = "random|global-random|last|time|kfold",
     .flags = REC_OPT_RESULT,
     .help = "how to choose the test part"},
    {'t', "test", "SHARE", REC_OPT_REAL, &test, .max = 1, .flags = REC_OPT_RESULT,
     .help = "part held out (random, global-random, time)"},
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
     .help = "ratings each user keeps; -1 is 1 for random and last, else 0"},
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
};

static const char *const part_name[] = {"train", "test", "valid"};

/* History names the options that had a say, and no others. */
static void forget_options(struct split *s)
{
    enum rec_split_method m = s->options.method;
    bool share = m == REC_SPLIT_RANDOM || m == REC_SPLIT_GLOBAL_RANDOM || (m == REC_SPLIT_TIME && !before);
    bool chance = m == REC_SPLIT_RANDOM || m == REC_SPLIT_GLOBAL_RANDOM || m == REC_SPLIT_KFOLD;
    const struct {
        const char *name;
        bool matters;
    } options[] = {
        {"method", m != REC_SPLIT_PAIRS}, {"test", share}, {"last", m == REC_SPLIT_LAST},
        {"before", m == REC_SPLIT_TIME}, {"folds", m == REC_SPLIT_KFOLD}, {"fold", m == REC_SPLIT_KFOLD},
        {"seed", chance}, {"min-train", min_train >= 0},
    };

    for (size_t i = 0; i < REC_LENGTH(options); i++)
        if (!options[i].matters)
            rec_opt_find(s->tool->opts, options[i].name)->flags &= ~(unsigned)REC_OPT_RESULT;
}

static int settings(struct split *s, struct rec_err *err)
{
    static const char *const names[] = {"", "random", "global-random", "last", "time", "kfold"};
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
    forget_options(s);
    o->min_train = min_train >= 0 ? (size_t)min_train : o->method == REC_SPLIT_RANDOM || o->method == REC_SPLIT_LAST;
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

static void report(struct split *s)
{
    const struct rec_ratings *r = &s->ratings;
    size_t size[3] = {0}, users = 0;
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
        rec_out_open(&s->out[REC_SPLIT_TRAIN], output, true, err) < 0)
        return -1;
    if ((out_test && write_part(s, REC_SPLIT_TEST, err) < 0) ||
        (out_valid && write_part(s, REC_SPLIT_VALID, err) < 0) ||
        write_part(s, REC_SPLIT_TRAIN, err) < 0 || rec_out_flush(&s->out[REC_SPLIT_TRAIN], err) < 0)
        return -1;
    report(s);
    if ((out_test && rec_out_commit(&s->out[REC_SPLIT_TEST], err) < 0) ||
        (out_valid && rec_out_commit(&s->out[REC_SPLIT_VALID], err) < 0))
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
    free(s.part);
    rec_ratings_clear(&s.pairs);
    rec_ratings_clear(&s.ratings);
    return rc < 0 ? tool_fail(&tool, &err) : tool_finish(&tool, TOOL_DONE);
}
