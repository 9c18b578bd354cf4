/* SPDX-License-Identifier: MIT
 *
 * Writes made-up ratings of any size: for benchmarks, tests and the sample.
 */
#include "tool.h"

#include <rec/ingest.h>
#include <rec/synth.h>

static int64_t users = 1000, items = 1000, ratings = 50000, factors = 8, seed = 42, threads;
static double noise = 0.5, structure = 0.9, mean = 2.8;
static bool implicit, no_history;
static const char *format = "csv", *since = "2005-01-01", *until = "2024-12-31", *movies, *out_movies, *output;

static struct rec_opt opts[] = {
    {0, "users", "N", REC_OPT_INT, &users, .min = 1, .max = INT32_MAX, .flags = REC_OPT_RESULT, .help = "users"},
    {0, "items", "N", REC_OPT_INT, &items, .min = 1, .max = INT32_MAX, .flags = REC_OPT_RESULT,
     .help = "items; with --movies, its films"},
    {0, "ratings", "N", REC_OPT_INT, &ratings, .min = 1, .max = 1e12, .flags = REC_OPT_RESULT,
     .help = "ratings, exactly"},
    {0, "movies", "FILE", REC_OPT_FILE, &movies, .help = "rate these films: a catalogue, or CSV for one"},
    {0, "factors", "N", REC_OPT_INT, &factors, .min = 1, .max = 256, .flags = REC_OPT_RESULT,
     .help = "dimensions of taste"},
    {0, "mean", "STARS", REC_OPT_REAL, &mean, .min = -100, .max = 100, .flags = REC_OPT_RESULT,
     .help = "mean of all pairs; of those rated it is higher"},
    {0, "structure", "STARS", REC_OPT_REAL, &structure, .max = 100, .flags = REC_OPT_RESULT,
     .help = "standard deviation that taste explains"},
    {0, "noise", "STARS", REC_OPT_REAL, &noise, .max = 100, .flags = REC_OPT_RESULT,
     .help = "standard deviation that nothing explains"},
    {0, "since", "DATE", REC_OPT_TEXT, &since, .flags = REC_OPT_RESULT, .help = "no rating before"},
    {0, "until", "DATE", REC_OPT_TEXT, &until, .flags = REC_OPT_RESULT, .help = "no rating after"},
    {0, "implicit", NULL, REC_OPT_FLAG, &implicit, .flags = REC_OPT_RESULT,
     .help = "who rated what and when, but not how"},
    {0, "format", "FORMAT", REC_OPT_CHOICE, &format, .choices = "csv|rec",
     .help = "CSV, or ratings for the other tools"},
    {0, "out-movies", "FILE", REC_OPT_FILE, &out_movies, .help = "write the made-up films as CSV too"},
    TOOL_SEED(&seed),
    TOOL_THREADS(&threads),
    TOOL_OUTPUT(&output),
    TOOL_HISTORY(&no_history),
    {0},
};

static const struct tool_about about = {
    .name = "rec-synth",
    .synopsis = "[options]",
    .summary = "make up ratings with a structure to find",
    .opts = opts,
};

static void progress(void *tool, uint64_t done, uint64_t total)
{
    tool_progress(tool, "making up", done, total);
}

static int write_ratings(struct tool *tool, const struct rec_synth_options *o, struct rec_out *out, struct rec_err *err)
{
    struct rec_ratings r = {0};
    struct rec_buf history = {0};
    int rc = -1;

    if (rec_synth_ratings(&r, o, err) < 0)
        goto out;
    tool_history(tool, &history, NULL, NULL, 0);
    rc = rec_ratings_write(&r, no_history ? NULL : history.data, out, err);
out:
    rec_buf_clear(&history);
    rec_ratings_clear(&r);
    return rc;
}

static int write_movies(const struct rec_synth_options *o, struct rec_err *err)
{
    struct rec_out out = {0};
    int rc = -1;

    if (rec_out_open(&out, out_movies, false, err) == 0 && rec_synth_movies(o, &out, err) == 0)
        rc = rec_out_commit(&out, err);
    rec_out_abort(&out);
    return rc;
}

/* A catalogue, or CSV of one: a binary file has `{` behind eight bytes of length, the last of which are 0. */
static int read_movies(struct rec_catalogue *c, struct rec_err *err)
{
    const struct rec_ingest_options plain = {.wish = {.header = -1}, .threads = 1};
    struct rec_ingest_report report = {0};
    struct rec_gzip text = {.fd = -1};

    if (rec_gzip_open(&text, movies, err) < 0)
        return -1;
    if (text.data && text.len > 8 && text.data[7] == 0 && text.data[8] == '{') {
        rec_gzip_close(&text);
        return rec_catalogue_read(c, movies, err);
    }
    return rec_catalogue_csv(c, &text, &plain, "auto", "|", &report, err);
}

static int take_films(struct rec_synth_options *o, struct rec_catalogue *c, struct rec_synth_film **films,
                      struct rec_err *err)
{
    if (read_movies(c, err) < 0 || rec_synth_films(films, c, err) < 0)
        return -1;
    if (c->n == 0)
        return rec_err_set(err, "%s: no films", movies);
    o->films = *films;
    items = (int64_t)c->n;
    o->n_items = c->n;
    return 0;
}

static int synthesize(struct tool *tool, struct rec_err *err)
{
    bool binary = strcmp(format, "rec") == 0;
    struct rec_synth_options o;
    struct rec_catalogue catalogue = {0};
    struct rec_synth_film *films = NULL;
    struct rec_out out = {0};
    int rc = -1;

    rec_synth_defaults(&o);
    o.n_users = (size_t)users;
    o.n_items = (size_t)items;
    o.n_ratings = (size_t)ratings;
    o.factors = (size_t)factors;
    o.mean = mean;
    o.noise = noise;
    o.structure = structure;
    o.implicit = implicit;
    o.seed = (uint64_t)seed;
    o.threads = tool_threads(threads);
    o.progress = progress;
    o.context = tool;
    if (rec_date_parse(&o.since, since, "--since", err) < 0 || rec_date_parse(&o.until, until, "--until", err) < 0)
        goto out;
    if (movies && take_films(&o, &catalogue, &films, err) < 0)
        goto out;
    tool->rows = o.n_ratings;
    tool->rows_name = "ratings";
    if ((out_movies && write_movies(&o, err) < 0) || rec_out_open(&out, output, binary, err) < 0 ||
        (binary ? write_ratings(tool, &o, &out, err) : rec_synth_csv(&o, &out, err)) < 0 ||
        rec_out_commit(&out, err) < 0)
        goto out;
    rc = 0;
out:
    rec_out_abort(&out);
    free(films);
    rec_catalogue_clear(&catalogue);
    return rc;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};

    tool_start(&tool, &about, argc, argv);
    if (movies && out_movies)
        return tool_usage(&tool, "--out-movies: with --movies there are no made-up films");
    if (synthesize(&tool, &err) < 0)
        return tool_fail(&tool, &err);
    return tool_finish(&tool, TOOL_DONE);
}
