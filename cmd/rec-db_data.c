/* SPDX-License-Identifier: MIT
 *
 * rec-db load, export, stats.
 *
 * What is loaded is CSV, as rec-ingest reads it, or one of our files: those begin with the length of a header, then '{'.
 */
#include "rec-db.h"

#include <rec/ingest.h>

#include <unistd.h>

static const char *columns, *delimiter, *layout = "auto", *duplicates = "last", *encoding = "auto", *genre_separator = "|";
static bool header;
static int64_t max_errors, threads;
static const char *since, *mark, *out_delimiter = ",", *output, *format = "table";
static bool no_header;

#define COLUMNS(names) {0, "columns", "MAP", REC_OPT_TEXT, &columns, .help = names ": columns by name or number"}
#define DELIMITER {'d', "delimiter", "TEXT", REC_OPT_TEXT, &delimiter, .help = "what separates fields: one to seven bytes, or tab, comma, blank"}
#define HEADER {0, "header", NULL, REC_OPT_FLAG, &header, .help = "the first line names the columns; without either it is found out"}
#define MAX_ERRORS {0, "max-errors", "N", REC_OPT_INT, &max_errors, .min = 0, .max = 1e15, .help = "leave out up to N bad rows"}

struct rec_opt db_load_ratings_opts[] = {
    COLUMNS("user=A,item=B,rating=C,time=D"),
    DELIMITER,
    HEADER,
    {0, "layout", "LAYOUT", REC_OPT_CHOICE, &layout, .choices = "auto|table|lists", .help = "a rating a line, or lines `user item item ...`"},
    {0, "duplicates", "RULE", REC_OPT_CHOICE, &duplicates, .choices = "last|first|mean|error",
     .help = "which rating counts when a user has several for an item"},
    MAX_ERRORS,
    TOOL_THREADS(&threads),
    {0},
};
struct rec_opt db_load_movies_opts[] = {
    COLUMNS("item=A,title=B,genres=C,year=D"),
    DELIMITER,
    HEADER,
    {0, "encoding", "NAME", REC_OPT_CHOICE, &encoding, .choices = "auto|utf-8|latin-1", .help = "auto is UTF-8, but for u.item"},
    {0, "genre-separator", "TEXT", REC_OPT_TEXT, &genre_separator, .help = "what stands between genres"},
    MAX_ERRORS,
    {0},
};
#define OUTPUT {'d', "delimiter", "C", REC_OPT_TEXT, &out_delimiter, .help = "what parts the fields; \\t is a tab"}, \
    {0, "no-header", NULL, REC_OPT_FLAG, &no_header, .help = "leave out the line of column names"}, TOOL_OUTPUT(&output)
struct rec_opt db_export_opts[] = {
    {0, "since", "TIME", REC_OPT_TEXT, &since, .flags = REC_OPT_NO_CONFIG, .help = "only what arrived at that moment or later"},
    {0, "mark", "FILE", REC_OPT_FILE, &mark, .help = "only what arrived since the export that wrote FILE; write it anew"},
    OUTPUT,
    {0},
};
struct rec_opt db_export_movies_opts[] = {
    OUTPUT,
    {0},
};
struct rec_opt db_stats_opts[] = {
    TOOL_FORMAT(&format),
    {0},
};

/* ---- load ---- */

struct load {
    struct tool *tool;
    struct rec_store store;
    struct rec_gzip in;
    const char *name;
    struct rec_ingest_options ingest;
    struct rec_load_options options;
    struct rec_load_report report;
};

static void on_detected(void *context, const struct rec_detect *detect)
{
    struct load *load = context;

    tool_note(load->tool, "%s: %s", load->name, detect->text);
}

static void on_progress(void *context, uint64_t bytes, uint64_t total)
{
    struct load *load = context;

    tool_progress(load->tool, "bytes", bytes, total);
}

/* rec_opt_parse has checked that the text is one of the choices. */
static int choice(const char *choices, const char *text)
{
    int n = 0;

    for (const char *p = choices; strncmp(p, text, strlen(text)) != 0; p = strchr(p, '|') + 1)
        n++;
    return n;
}

/* The store is opened first: that it cannot be is known before a long file is read. */
static int load_open(struct load *load, struct rec_err *err)
{
    struct tool *tool = load->tool;
    bool given = rec_opt_find(tool->opts, "header")->origin != REC_ORIGIN_DEFAULT;

    load->ingest = (struct rec_ingest_options){
        .wish = {.columns = columns, .delimiter = delimiter, .header = given ? header : -1, .layout = choice("auto|table|lists", layout)},
        .duplicates = choice("last|first|mean|error", duplicates), .threads = tool_threads(threads), .max_errors = (uint64_t)max_errors,
        .detected = on_detected, .progress = on_progress, .context = load,
    };
    if (db_open(&load->store, DB_KEYS_IF_READABLE, err) < 0 || rec_gzip_open(&load->in, tool_operand(tool, 0), err) < 0)
        return -1;
    load->name = load->in.name;
    load->options = (struct rec_load_options){.source = load->name, .now = db_now(), .progress = db_progress, .context = tool};
    return 0;
}

/* The file as one of ours: 1, and `file` is open; 0 when it is something else; -1. */
static int open_ours(struct rec_safetensors *file, struct load *load, struct rec_err *err)
{
    const unsigned char *start;
    struct rec_in whole;
    size_t len;

    if (rec_gzip_peek(&load->in, &start, &len, 9, err) < 0)
        return -1;
    if (len < 9 || start[8] != '{' || start[4] || start[5] || start[6] || start[7])
        return 0;
    if (rec_gzip_whole(&whole, &load->in, err) < 0)
        return -1;
    return rec_safetensors_parse(file, &whole, 0, err) < 0 ? -1 : 1;
}

static int finish(struct load *load, const char *what, struct rec_err *err)
{
    const struct rec_load_report *r = &load->report;
    struct rec_buf more = {0};

    if (r->older)
        rec_buf_addf(&more, ", %llu left out for a later one", (unsigned long long)r->older);
    if (r->forgotten)
        rec_buf_addf(&more, ", %llu left out of people who were forgotten", (unsigned long long)r->forgotten);
    if (r->users)
        rec_buf_addf(&more, "; %llu new users", (unsigned long long)r->users);
    if (r->movies && strcmp(what, "movies") != 0)
        rec_buf_addf(&more, "%s %llu new movies", r->users ? "," : ";", (unsigned long long)r->movies);
    tool_step(load->tool, "%s: %llu %s: %llu added, %llu changed, %llu the same%s", load->name, (unsigned long long)r->rows, what,
              (unsigned long long)r->added, (unsigned long long)r->changed, (unsigned long long)r->same, more.data ? more.data : "");
    rec_buf_clear(&more);
    load->tool->rows = r->rows;
    load->tool->rows_name = what;
    (void)err;
    return TOOL_DONE;
}

static void tell_left_out(struct load *load, const struct rec_ingest_report *report)
{
    if (report->bad)
        tool_note(load->tool, "%s: %llu bad row%s left out", load->name, (unsigned long long)report->bad, report->bad == 1 ? "" : "s");
}

static int load_ratings(struct load *load, struct rec_err *err)
{
    struct rec_safetensors file = {0};
    struct rec_ingest_report report = {0};
    struct rec_ratings r = {0};
    int ours, rc = -1;

    if (load_open(load, err) < 0 || (ours = open_ours(&file, load, err)) < 0)
        return -1;
    if ((ours ? rec_ratings_load(&r, &file, err) : rec_ingest(&r, &load->in, &load->ingest, &report, err)) < 0)
        goto out;
    load->options.digest = ours ? r.digest : report.crc32c;
    tell_left_out(load, &report);
    if (rec_load_ratings(&load->store, &r, &load->options, &load->report, err) == 0)
        rc = finish(load, "ratings", err);
out:
    rec_ratings_clear(&r);
    return rc;
}

static int load_movies(struct load *load, struct rec_err *err)
{
    struct rec_safetensors file = {0};
    struct rec_ingest_report report = {0};
    struct rec_catalogue c = {0};
    int ours, rc = -1;

    if (load_open(load, err) < 0 || (ours = open_ours(&file, load, err)) < 0)
        return -1;
    if ((ours ? rec_catalogue_load(&c, &file, err)
              : rec_catalogue_csv(&c, &load->in, &load->ingest, encoding, genre_separator, &report, err)) < 0)
        goto out;
    load->options.digest = ours ? c.digest : report.crc32c;
    tell_left_out(load, &report);
    if (rec_load_movies(&load->store, &c, &load->options, &load->report, err) == 0)
        rc = finish(load, "movies", err);
out:
    rec_catalogue_clear(&c);
    return rc;
}

static int run_load(struct tool *tool, int (*work)(struct load *, struct rec_err *), struct rec_err *err)
{
    struct load load = {.tool = tool, .in = {.fd = -1}};
    int status = work(&load, err);

    rec_gzip_close(&load.in);
    rec_store_close(&load.store);
    return status;
}

int db_load_ratings(struct tool *tool, struct rec_err *err)
{
    return run_load(tool, load_ratings, err);
}

int db_load_movies(struct tool *tool, struct rec_err *err)
{
    if (!*genre_separator)
        return tool_usage(tool, "--genre-separator: nothing separates nothing");
    return run_load(tool, load_movies, err);
}

/* ---- export ---- */

struct export {
    struct tool *tool;
    struct rec_store store;
    struct rec_out out, mark_out;
    struct rec_unload_options options;
    uint64_t rows;
    int64_t mark;
};

/* The moment that an earlier export wrote; none yet is no error. */
static int read_mark(struct export *e, struct rec_err *err)
{
    struct rec_in in;
    size_t len;
    int rc;

    if (access(mark, F_OK) != 0)
        return 0;
    if (rec_in_open(&in, mark, err) < 0)
        return -1;
    len = in.len && in.data[in.len - 1] == '\n' ? in.len - 1 : in.len;
    rc = rec_num_int64(&e->options.since, (const char *)in.data, len);
    e->options.since_given = true;
    rec_in_close(&in);
    return rc < 0 ? rec_err_set(err, "%s: not a mark of rec-db export; remove it to export everything", mark) : 0;
}

static int write_mark(struct export *e, struct rec_err *err)
{
    char text[REC_NUM_MAX + 1];
    size_t len = rec_num_print_int64(text, e->mark);

    text[len++] = '\n';
    return rec_out_write(&e->mark_out, text, len, err) < 0 ? -1 : rec_out_commit(&e->mark_out, err);
}

static int export_open(struct export *e, struct rec_err *err)
{
    e->options = (struct rec_unload_options){.delimiter = !strcmp(out_delimiter, "\\t") ? '\t' : out_delimiter[0], .no_header = no_header,
                                             .progress = db_progress, .context = e->tool};
    if (since && rec_date_parse(&e->options.since, since, "--since", err) < 0)
        return -1;
    e->options.since_given = since != NULL;
    if (mark && read_mark(e, err) < 0)
        return -1;
    if (db_open(&e->store, DB_NO_KEYS, err) < 0 || (mark && rec_out_open(&e->mark_out, mark, false, err) < 0))
        return -1;
    return rec_out_open(&e->out, output, false, err);
}

enum what { RATINGS, MOVIES, FEEDBACK };
static const char *const what_names[] = {"ratings", "movies", "events"};

/* The mark is put down when all before it is out. */
static int export(struct export *e, enum what what, struct rec_err *err)
{
    int rc;

    if (export_open(e, err) < 0)
        return -1;
    switch (what) {
    case RATINGS:  rc = rec_unload_ratings(&e->store, &e->options, &e->out, &e->rows, &e->mark, err); break;
    case MOVIES:   rc = rec_unload_movies(&e->store, &e->options, &e->out, &e->rows, err); break;
    case FEEDBACK: rc = rec_unload_feedback(&e->store, &e->options, &e->out, &e->rows, &e->mark, err); break;
    default:       return -1;
    }
    if (rc < 0 || rec_out_commit(&e->out, err) < 0 || (mark && write_mark(e, err) < 0))
        return -1;
    tool_step(e->tool, "%llu %s", (unsigned long long)e->rows, what_names[what]);
    e->tool->rows = e->rows;
    e->tool->rows_name = what_names[what];
    return TOOL_DONE;
}

static int run_export(struct tool *tool, enum what what, struct rec_err *err)
{
    struct export e = {.tool = tool};
    int status;

    mark = since && !db_is_flag(tool, "mark") ? NULL : mark;
    if (since && mark)
        return tool_usage(tool, "--since, --mark: one of them");
    if (mark && !strcmp(mark, "-"))
        return tool_usage(tool, "--mark: standard output is for the CSV");
    if (strcmp(out_delimiter, "\\t") != 0 && strlen(out_delimiter) != 1)
        return tool_usage(tool, "--delimiter: one byte, or \\t");
    status = export(&e, what, err);
    rec_out_abort(&e.out);
    rec_out_abort(&e.mark_out);
    rec_store_close(&e.store);
    return status;
}

int db_export_ratings(struct tool *tool, struct rec_err *err)
{
    return run_export(tool, RATINGS, err);
}

int db_export_movies(struct tool *tool, struct rec_err *err)
{
    return run_export(tool, MOVIES, err);
}

int db_export_feedback(struct tool *tool, struct rec_err *err)
{
    return run_export(tool, FEEDBACK, err);
}

/* ---- stats ---- */

static int stats_as_json(const struct rec_stat *stat, int n, struct rec_err *err)
{
    struct rec_buf out = {0};
    struct rec_json json = {.out = &out};

    rec_json_object(&json, NULL);
    for (int i = 0; i < n; i++)
        if (stat[i].is_time && stat[i].value == 0)
            rec_json_null(&json, stat[i].name);
        else
            rec_json_int(&json, stat[i].name, stat[i].value);
    rec_json_end(&json);
    return tool_print(&out, err);
}

static int print_stats(const struct rec_stat *stat, int n, struct rec_err *err)
{
    static const struct tool_column columns_of_stats[] = {{"name", TOOL_TEXT}, {"value", TOOL_TEXT}, {"what", TOOL_TEXT}};
    struct tool_table table = {.column = columns_of_stats, .n = REC_LENGTH(columns_of_stats), .format = format};
    char time[REC_NUM_MAX];

    for (int i = 0; i < n; i++) {
        tool_table_text(&table, stat[i].name);
        if (stat[i].is_time)
            tool_table_text(&table, stat[i].value ? rec_date_print_time(time, stat[i].value) : "");
        else
            tool_table_number(&table, stat[i].value);
        tool_table_text(&table, stat[i].help);
    }
    return tool_table_print(&table, err);
}

int db_stats(struct tool *tool, struct rec_err *err)
{
    struct rec_stat stat[REC_STATS_MAX];
    struct rec_store store = {0};
    int n, status = -1;

    (void)tool;
    if (db_open(&store, DB_NO_KEYS, err) == 0 && (n = rec_stats(stat, &store, err)) >= 0)
        status = (!strcmp(format, "json") ? stats_as_json : print_stats)(stat, n, err);
    rec_store_close(&store);
    return status;
}
