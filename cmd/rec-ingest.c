/* SPDX-License-Identifier: MIT
 *
 * Text files of ratings to a ratings file, or of items to a catalogue.
 */
#include "tool.h"

#include <rec/ingest.h>

static const char *columns, *delimiter, *layout = "auto", *duplicates = "last", *rejects, *parser = "auto", *output;
static const char *encoding = "auto", *genre_separator = "|";
static bool movies, header, no_history;
static int64_t max_errors, threads;

static struct rec_opt opts[] = {
    {0, "movies", NULL, REC_OPT_FLAG, &movies, .flags = REC_OPT_RESULT, .help = "read items with titles, years and genres: a catalogue"},
    {0, "columns", "MAP", REC_OPT_TEXT, &columns, .flags = REC_OPT_RESULT,
     .help = "user=A,item=B,rating=C,time=D (of items: item, title, genres, year): columns by name or number"},
    {'d', "delimiter", "TEXT", REC_OPT_TEXT, &delimiter, .flags = REC_OPT_RESULT,
     .help = "what separates fields: one to seven bytes, or tab, comma, blank"},
    {0, "header", NULL, REC_OPT_FLAG, &header, .flags = REC_OPT_RESULT, .help = "the first line names the columns; without either it is found out"},
    {0, "layout", "LAYOUT", REC_OPT_CHOICE, &layout, .choices = "auto|table|lists", .flags = REC_OPT_RESULT,
     .help = "a rating a line, or lines `user item item ...`"},
    {0, "duplicates", "RULE", REC_OPT_CHOICE, &duplicates, .choices = "last|first|mean|error", .flags = REC_OPT_RESULT,
     .help = "which rating counts when a user has several for an item"},
    {0, "max-errors", "N", REC_OPT_INT, &max_errors, .min = 0, .max = 1e15, .flags = REC_OPT_RESULT,
     .help = "leave out up to N bad rows"},
    {0, "rejects", "FILE", REC_OPT_FILE, &rejects, .help = "write the bad rows there, each with its cause, as CSV"},
    {0, "parser", "PARSER", REC_OPT_CHOICE, &parser, .choices = "auto|libcsv", .help = "libcsv reads every row: slow, the same result"},
    {0, "encoding", "NAME", REC_OPT_CHOICE, &encoding, .choices = "auto|utf-8|latin-1", .flags = REC_OPT_RESULT,
     .help = "of --movies; auto is UTF-8, but for u.item"},
    {0, "genre-separator", "TEXT", REC_OPT_TEXT, &genre_separator, .flags = REC_OPT_RESULT, .help = "what stands between genres"},
    TOOL_THREADS(&threads),
    TOOL_OUTPUT(&output),
    TOOL_HISTORY(&no_history),
    {0},
};

static const struct tool_about about = {
    .name = "rec-ingest",
    .synopsis = "[options] [FILE]",
    .summary = "read ratings from CSV and its relatives, plain or compressed",
    .opts = opts,
    .max_operands = 1,
};

struct job {
    struct tool *tool;
    const char *name;
    struct rec_out rejected;
    bool rejecting;
};

static void on_detected(void *context, const struct rec_detect *detect)
{
    struct job *job = context;

    tool_note(job->tool, "%s: %s", job->name, detect->text);
}

static void on_progress(void *context, uint64_t bytes, uint64_t total)
{
    struct job *job = context;

    tool_progress(job->tool, "bytes", bytes, total);
}

static int on_reject(void *context, uint64_t line, size_t column, const char *cause, const char *record, size_t len, struct rec_err *err)
{
    struct job *job = context;
    struct rec_buf row = {0};
    char number[REC_NUM_MAX];
    int status;

    rec_csv_add(&row, ',', number, rec_num_print_int64(number, (int64_t)line));
    rec_csv_add(&row, ',', number, rec_num_print_int64(number, (int64_t)column));
    rec_csv_add(&row, ',', cause, strlen(cause));
    rec_csv_add(&row, ',', record, len);
    rec_buf_addc(&row, '\n');
    status = row.failed ? rec_err_memory(err, job->rejected.name) : rec_out_write(&job->rejected, row.data, row.len, err);
    rec_buf_clear(&row);
    return status;
}

static int open_rejects(struct job *job, struct rec_err *err)
{
    static const char head[] = "line,column,cause,record\n";

    if (!rejects)
        return 0;
    job->rejecting = true;
    if (rec_out_open(&job->rejected, rejects, false, err) < 0)
        return -1;
    return rec_out_write(&job->rejected, head, sizeof head - 1, err);
}

/* rec_opt_parse has checked that the text is one of the choices. */
static int choice(const char *choices, const char *text)
{
    int n = 0;

    for (const char *p = choices; strncmp(p, text, strlen(text)); p = strchr(p, '|') + 1)
        n++;
    return n;
}

static void tell_rows(struct job *job, const struct rec_ingest_report *report)
{
    if (report->bad)
        tool_note(job->tool, "%s: %llu bad row%s left out", job->name, (unsigned long long)report->bad, report->bad == 1 ? "" : "s");
    if (report->duplicates)
        tool_note(job->tool, "%s: %llu row%s gave way to another of the same user and item (--duplicates=%s)", job->name,
                  (unsigned long long)report->duplicates, report->duplicates == 1 ? "" : "s", duplicates);
    job->tool->rows = report->rows;
    job->tool->rows_name = "rows";
}

static int write_ratings(struct job *job, struct rec_gzip *in, const struct rec_ingest_options *o, struct rec_out *out, struct rec_err *err)
{
    struct rec_ingest_report report = {0};
    struct rec_ratings r = {0};
    struct rec_buf history = {0};
    int rc = -1;

    if (rec_ingest(&r, in, o, &report, err) < 0)
        goto out;
    tell_rows(job, &report);
    tool_step(job->tool, "%zu ratings of %zu users for %zu items%s", r.nnz, r.n_users, r.n_items, r.time ? "" : ", without times");
    tool_history(job->tool, &history, NULL, &report.crc32c, 1);
    rc = rec_ratings_write(&r, no_history ? NULL : history.data, out, err);
out:
    rec_buf_clear(&history);
    rec_ratings_clear(&r);
    return rc;
}

static int write_catalogue(struct job *job, struct rec_gzip *in, const struct rec_ingest_options *o, struct rec_out *out, struct rec_err *err)
{
    struct rec_ingest_report report = {0};
    struct rec_catalogue c = {0};
    struct rec_buf history = {0};
    size_t dated = 0;
    int rc = -1;

    if (rec_catalogue_csv(&c, in, o, encoding, genre_separator, &report, err) < 0)
        goto out;
    tell_rows(job, &report);
    for (size_t i = 0; i < c.n; i++)
        dated += c.year[i] != 0;
    tool_step(job->tool, "%zu items, %zu with a year, of %zu genres", c.n, dated, c.genres.n);
    tool_history(job->tool, &history, NULL, &report.crc32c, 1);
    rc = rec_catalogue_write(&c, no_history ? NULL : history.data, out, err);
out:
    rec_buf_clear(&history);
    rec_catalogue_clear(&c);
    return rc;
}

/* What has no effect on this output. */
static void not_in_history(struct tool *tool, const char *option)
{
    rec_opt_find(tool->opts, option)->flags &= ~(unsigned)REC_OPT_RESULT;
}

static int ingest(struct tool *tool, const char *path, struct rec_err *err)
{
    static const char *const of_ratings[] = {"duplicates", "layout"}, *const of_movies[] = {"encoding", "genre-separator"};
    struct job job = {.tool = tool};
    struct rec_ingest_options o = {
        .wish = {.columns = columns, .delimiter = delimiter, .header = header, .layout = choice("auto|table|lists", layout),
                 .libcsv = !strcmp(parser, "libcsv")},
        .duplicates = choice("last|first|mean|error", duplicates), .threads = tool_threads(threads), .max_errors = (uint64_t)max_errors,
        .reject = rejects ? on_reject : NULL, .detected = on_detected, .progress = on_progress, .context = &job,
    };
    struct rec_gzip in = {.fd = -1};
    struct rec_out out = {0};
    int rc = -1;

    if (rec_opt_find(tool->opts, "header")->origin == REC_ORIGIN_DEFAULT) {
        o.wish.header = -1;
        not_in_history(tool, "header");
    }
    if (!movies)
        not_in_history(tool, "movies");
    for (size_t i = 0; i < 2; i++)
        not_in_history(tool, movies ? of_ratings[i] : of_movies[i]);
    if (rec_gzip_open(&in, path, err) < 0)
        goto out;
    job.name = in.name;
    /* Outputs are opened before the reading, not after: what cannot be written is known at once. */
    if (rec_out_open(&out, output, true, err) < 0 || open_rejects(&job, err) < 0 ||
        (movies ? write_catalogue : write_ratings)(&job, &in, &o, &out, err) < 0 ||
        (job.rejecting && rec_out_commit(&job.rejected, err) < 0) || rec_out_commit(&out, err) < 0)
        goto out;
    rc = 0;
out:
    rec_gzip_close(&in);
    if (job.rejecting)
        rec_out_abort(&job.rejected);
    rec_out_abort(&out);
    return rc;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};

    tool_start(&tool, &about, argc, argv);
    if (movies && strcmp(layout, "auto"))
        return tool_usage(&tool, "--layout is about ratings; with --movies it has no meaning");
    if (!*genre_separator)
        return tool_usage(&tool, "--genre-separator: nothing separates nothing");
    if (ingest(&tool, tool_operand(&tool, 0), &err) < 0)
        return tool_fail(&tool, &err);
    return tool_finish(&tool, TOOL_DONE);
}
