/* SPDX-License-Identifier: MIT
 *
 * What is known of users and items besides who rated what, in named columns.
 */
#include "tool.h"

#include <rec/data.h>

static int64_t min_df = 2, max_genres = 100;
static double max_df = 0.5;
static bool stop_words = true, no_history;
static const char *catalogue, *output;

static struct rec_opt opts[] = {
    {0, "catalogue", "FILE", REC_OPT_FILE, &catalogue, .help = "titles, years and genres, from rec-ingest --movies"},
    {0, "min-df", "N", REC_OPT_INT, &min_df, .min = 1, .max = 1e9, .flags = REC_OPT_RESULT,
     .help = "leave out words in fewer titles"},
    {0, "max-df", "SHARE", REC_OPT_REAL, &max_df, .max = 1, .flags = REC_OPT_RESULT,
     .help = "leave out words in more of the titles"},
    {0, "stop-words", NULL, REC_OPT_FLAG, &stop_words, .flags = REC_OPT_RESULT,
     .help = "leave out words that say nothing, as \"the\""},
    {0, "max-genres", "N", REC_OPT_INT, &max_genres, .max = 10000, .flags = REC_OPT_RESULT,
     .help = "columns for the most common genres"},
    TOOL_OUTPUT(&output),
    TOOL_HISTORY(&no_history),
    {0},
};

static const struct tool_about about = {
    .name = "rec-features",
    .synopsis = "[options] [RATINGS]",
    .summary = "describe users and items in named columns",
    .opts = opts,
    .max_operands = 1,
};

/* Without a catalogue these have no effect. */
static void forget_titles(struct tool *tool)
{
    static const char *const names[] = {"min-df", "max-df", "stop-words", "max-genres"};

    for (size_t i = 0; i < REC_LENGTH(names); i++)
        rec_opt_find(tool->opts, names[i])->flags &= ~(unsigned)REC_OPT_RESULT;
}

static int describe(struct tool *tool, struct rec_err *err)
{
    const struct rec_features_options o = {
        .titles = {.min_df = (size_t)min_df, .max_df = max_df, .stop_words = stop_words},
        .max_genres = (size_t)max_genres,
    };
    struct rec_ratings r = {0};
    struct rec_catalogue c = {0};
    struct rec_features f = {0};
    struct rec_buf history = {0};
    struct rec_out out = {0};
    int rc = -1;

    if ((catalogue && rec_catalogue_read(&c, catalogue, err) < 0) ||
        rec_ratings_read(&r, tool_operand(tool, 0), err) < 0 ||
        rec_features_build(&f, &r, catalogue ? &c : NULL, &o, err) < 0)
        goto out;
    if (!catalogue)
        forget_titles(tool);
    tool_history(tool, &history, r.history, (uint32_t[]){r.digest, c.digest}, catalogue ? 2 : 1);
    if (rec_out_open(&out, output, true, err) < 0 ||
        rec_features_file_write(&f, no_history ? NULL : history.data, &out, err) < 0 ||
        rec_out_commit(&out, err) < 0)
        goto out;
    tool_note(tool, "%zu items with %zu columns, %zu users with %zu columns, %zu words of titles", f.items.n,
              f.item_columns.n, f.users.n, f.user_columns.n, f.terms.n);
    tool->rows = r.nnz;
    tool->rows_name = "ratings";
    rc = 0;
out:
    rec_out_abort(&out);
    rec_buf_clear(&history);
    rec_features_clear(&f);
    rec_catalogue_clear(&c);
    rec_ratings_clear(&r);
    return rc;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};

    tool_start(&tool, &about, argc, argv);
    if (describe(&tool, &err) < 0)
        return tool_fail(&tool, &err);
    return tool_finish(&tool, TOOL_DONE);
}
