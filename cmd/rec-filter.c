/* SPDX-License-Identifier: MIT
 *
 * rec-filter: ratings, one file or several, -> ratings: joined, and some of them left out.
 */
#include "tool.h"

#include <math.h>
#include <rec/data.h>

static const char *since, *until, *core, *sample_by = "ratings", *output;
static double min_value = NAN, sample = 1;
static int64_t seed = 42, threads;
static bool merge, binarize, drop_times, keep_ids, no_history;

static struct rec_opt opts[] = {
    {0, "merge", NULL, REC_OPT_FLAG, &merge, .help = "take several files; of a pair in more than one the later rating holds"},
    {0, "since", "DATE", REC_OPT_TEXT, &since, .flags = REC_OPT_RESULT, .help = "leave out ratings before that moment"},
    {0, "until", "DATE", REC_OPT_TEXT, &until, .flags = REC_OPT_RESULT, .help = "leave out ratings at that moment and after"},
    {0, "min-value", "X", REC_OPT_REAL, &min_value, .min = -1e30, .max = 1e30, .flags = REC_OPT_RESULT,
     .help = "leave out ratings below X"},
    {0, "sample", "SHARE", REC_OPT_REAL, &sample, .max = 1, .flags = REC_OPT_RESULT, .help = "keep that share, by chance"},
    {0, "sample-by", "UNIT", REC_OPT_CHOICE, &sample_by, .choices = "ratings|users|items", .flags = REC_OPT_RESULT,
     .help = "what chance keeps or leaves out as one"},
    {0, "k-core", "N[,M]", REC_OPT_TEXT, &core, .flags = REC_OPT_RESULT,
     .help = "keep users with N ratings and items with M (or N), in what is kept"},
    {0, "binarize", NULL, REC_OPT_FLAG, &binarize, .flags = REC_OPT_RESULT, .help = "make every value 1"},
    {0, "drop-times", NULL, REC_OPT_FLAG, &drop_times, .flags = REC_OPT_RESULT, .help = "leave times out of the output"},
    {0, "keep-ids", NULL, REC_OPT_FLAG, &keep_ids, .flags = REC_OPT_RESULT, .help = "keep the ids of users and items without ratings"},
    TOOL_SEED(&seed),
    TOOL_THREADS(&threads),
    TOOL_OUTPUT(&output),
    TOOL_HISTORY(&no_history),
    {0},
};

static const struct tool_about about = {
    .name = "rec-filter",
    .synopsis = "[options] [RATINGS]\n--merge [options] RATINGS ...",
    .summary = "merge ratings and leave some out",
    .opts = opts,
    .max_operands = REC_MERGE_MAX,
};

struct work {
    struct tool *tool;
    struct rec_ratings in[REC_MERGE_MAX], out;
    size_t n, given;               /* files; ratings in them */
    struct rec_filter threshold;
    struct rec_merge_options o;
    size_t core_users, core_items; /* 0: none */
};

/* ---- settings ---- */

/* "5" or "5,10". */
static int read_core(struct work *w, struct rec_err *err)
{
    size_t first = strcspn(core, ",");
    int64_t users, items;

    if (rec_num_int64(&users, core, first) < 0 || users < 1)
        return rec_err_set(err, "--k-core %s: a number of ratings, or two (of users, of items), from 1", core);
    items = users;
    if (core[first] && (rec_num_int64(&items, core + first + 1, strlen(core + first + 1)) < 0 || items < 1))
        return rec_err_set(err, "--k-core %s: a number of ratings, or two (of users, of items), from 1", core);
    w->core_users = (size_t)users;
    w->core_items = (size_t)items;
    return 0;
}

static int settings(struct work *w, struct rec_err *err)
{
    struct rec_merge_options *o = &w->o;

    if ((since && rec_date_parse(&o->since, since, "--since", err) < 0) || (until && rec_date_parse(&o->until, until, "--until", err) < 0) ||
        (core && read_core(w, err) < 0))
        return -1;
    o->has_since = since != NULL;
    o->has_until = until != NULL;
    if (since && until && o->since >= o->until)
        return rec_err_set(err, "--since %s: is not before --until %s", since, until);
    w->threshold = (struct rec_filter){.op = REC_FILTER_GE, .bound = min_value};
    o->keep = isnan(min_value) ? NULL : &w->threshold;
    o->sample = sample;
    o->sample_by = *sample_by == 'u' ? REC_MERGE_USERS : *sample_by == 'i' ? REC_MERGE_ITEMS : REC_MERGE_RATINGS;
    o->seed = (uint64_t)seed;
    o->binarize = binarize;
    o->drop_times = drop_times;
    o->threads = tool_threads(threads);
    return 0;
}

/* History names the seed and the unit where chance had a say. */
static void forget_options(struct work *w)
{
    if (sample < 1)
        return;
    rec_opt_find(w->tool->opts, "sample")->flags &= ~(unsigned)REC_OPT_RESULT;
    rec_opt_find(w->tool->opts, "sample-by")->flags &= ~(unsigned)REC_OPT_RESULT;
    rec_opt_find(w->tool->opts, "seed")->flags &= ~(unsigned)REC_OPT_RESULT;
}

/* ---- work ---- */

/* The lines of all files, those that several share once: how each came to be is told in the order of the files. */
static void join_histories(struct rec_buf *out, const struct work *w)
{
    for (size_t k = 0; k < w->n; k++)
        for (const char *line = w->in[k].history; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n')) {
            size_t len = strcspn(line, "\n");
            bool known = false;
            for (const char *at = out->len ? out->data : ""; *at && !known; at += strcspn(at, "\n") + 1)
                known = strcspn(at, "\n") == len && !memcmp(at, line, len);
            if (!known) {
                rec_buf_add(out, line, len);
                rec_buf_addc(out, '\n');
            }
        }
}

static int write_out(struct work *w, struct rec_err *err)
{
    struct rec_buf before = {0}, history = {0};
    uint32_t digest[REC_MERGE_MAX];
    struct rec_out out = {0};
    int rc = -1;

    for (size_t k = 0; k < w->n; k++)
        digest[k] = w->in[k].digest;
    join_histories(&before, w);
    if (!no_history)
        tool_history(w->tool, &history, before.data ? before.data : "", digest, w->n);
    if (before.failed || history.failed)
        rec_err_memory(err, "history");
    else if (rec_out_open(&out, output, true, err) == 0 && rec_ratings_write(&w->out, no_history ? NULL : history.data, &out, err) == 0)
        rc = rec_out_commit(&out, err);
    rec_out_abort(&out);
    rec_buf_clear(&before);
    rec_buf_clear(&history);
    return rc;
}

static void report(const struct work *w)
{
    size_t users = w->out.n_users, items = w->out.n_items;

    tool_note(w->tool, "%zu of %zu ratings%s, %zu users, %zu items%s", w->out.nnz, w->given, w->n > 1 ? " in all files" : "", users, items,
              w->out.nnz ? "" : "; nothing is left");
}

static int work(struct work *w, struct rec_err *err)
{
    const struct rec_ratings *in[REC_MERGE_MAX];
    size_t n = w->tool->n_operands ? (size_t)w->tool->n_operands : 1;

    for (; w->n < n; w->n++) {
        if (rec_ratings_read(&w->in[w->n], tool_operand(w->tool, (int)w->n), err) < 0)
            return -1;
        in[w->n] = &w->in[w->n];
        w->given += in[w->n]->nnz;
    }
    if (rec_merge_ratings(&w->out, in, n, &w->o, err) < 0 ||
        (core && rec_prune_core(&w->out, w->core_users, w->core_items, err) < 0) || (!keep_ids && rec_prune_ids(&w->out, err) < 0))
        return -1;
    report(w);
    forget_options(w);
    return write_out(w, err);
}

/* A second file without --merge is more likely to be the one that was meant for -o. */
static int check_usage(struct work *w)
{
    struct rec_err err = {0};

    if (w->tool->n_operands > 1 && !merge)
        return tool_usage(w->tool, "%s: one operand is enough, unless --merge joins several", tool_operand(w->tool, 1));
    return settings(w, &err) < 0 ? tool_usage(w->tool, "%s", err.text) : TOOL_DONE;
}

int main(int argc, char **argv)
{
    static struct work w;
    struct tool tool;
    struct rec_err err = {0};
    int rc, status;

    w.tool = &tool;
    tool_start(&tool, &about, argc, argv);
    if ((status = check_usage(&w)) != TOOL_DONE)
        return status;
    rc = work(&w, &err);
    tool.rows = w.given;
    tool.rows_name = "ratings";
    rec_ratings_clear(&w.out);
    for (size_t k = 0; k < w.n; k++)
        rec_ratings_clear(&w.in[k]);
    return rc < 0 ? tool_fail(&tool, &err) : tool_finish(&tool, TOOL_DONE);
}
