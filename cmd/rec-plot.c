/* SPDX-License-Identifier: MIT
 *
 * rec-plot: traces, trials, metrics and ratings -> pictures, by gnuplot.
 */
#include "rec-plot.h"

#include <math.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { INPUTS_MAX = 16 };

static const char *format, *size, *metric, *title, *output;

static struct rec_opt opts[] = {
    {'f', "format", "FORMAT", REC_OPT_CHOICE, &format, .choices = "png|svg|text", .help = "unless given, what the name of --output ends in, or text"},
    {0, "size", "WxH", REC_OPT_TEXT, &size, .help = "pixels, 800x500 unless given; of text, characters"},
    {'m', "metric", "NAME,...", REC_OPT_TEXT, &metric, .help = "these only"},
    {0, "title", "TEXT", REC_OPT_TEXT, &title, .help = "what stands above it"},
    TOOL_OUTPUT(&output),
    {0},
};

static const struct tool_about about = {
    .name = "rec-plot",
    .synopsis = "[options] [FILE ...]",
    .summary = "draw traces, trials, metrics and ratings",
    .opts = opts,
    .max_operands = INPUTS_MAX,
    .more = "What FILE is, its first line says: a trace of rec-train, trials of rec-tune, metrics of rec-eval (JSON), figures of its\n"
            "users (--per-user), or ratings. Several traces, metrics or figures of users are drawn side by side.",
};

/* ---- gnuplot's language ---- */

void plot_quote(struct rec_buf *out, const char *text, size_t len)
{
    bool utf8 = rec_json_utf8(text, len);

    rec_buf_addc(out, '\'');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        /* Those that mean something to gnuplot become those that look like them. */
        if (c == '\'' || c == '`')
            rec_buf_adds(out, utf8 ? (c == '`' ? "\xe2\x80\x98" : "\xe2\x80\x99") : "?");
        else
            rec_buf_addc(out, c < 32 || c == 127 || (c > 127 && !utf8) ? '?' : (char)c);
    }
    rec_buf_addc(out, '\'');
}

void plot_number(struct rec_buf *out, double x)
{
    char text[REC_NUM_MAX];

    if (isfinite(x))
        rec_buf_add(out, text, rec_num_print_double(text, x));
    else
        rec_buf_adds(out, "NaN");
    rec_buf_addc(out, ' ');
}

void plot_begin(struct plot *p, const char *name)
{
    rec_buf_addf(&p->data, "$%s << EOD\n", name);
}

void plot_end(struct plot *p)
{
    rec_buf_adds(&p->data, "EOD\n");
}

static void set_text(struct rec_buf *out, const char *what, const char *text)
{
    rec_buf_addf(out, "set %s ", what);
    plot_quote(out, text, strlen(text));
    rec_buf_addc(out, '\n');
}

struct rec_buf *plot_panel(struct plot *p, const char *panel_title, const char *x, const char *y)
{
    if (p->n_panels == PLOT_PANELS)
        return NULL;
    struct rec_buf *out = &p->panel[p->n_panels++];
    rec_buf_adds(out, "unset logscale\nset autoscale\nset xtics autofreq nomirror out norotate\nset ytics autofreq nomirror out\nset xtics format '%g'\n"
                      "set ytics format '%g'\nset key top right\nset style fill solid 0.85 noborder\n");
    set_text(out, "title", panel_title);
    set_text(out, "xlabel", x);
    set_text(out, "ylabel", y);
    return out;
}

void plot_logscale(struct rec_buf *out, char axis, double lo, double hi, double ratio)
{
    if (lo > 0 && hi > ratio * lo)
        rec_buf_addf(out, "set logscale %c\n", axis);
}

const char *plot_colour(size_t i)
{
    /* Okabe and Ito, Color Universal Design. */
    static const char *const colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999"};

    return colours[i % REC_LENGTH(colours)];
}

void plot_name(struct rec_buf *out, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');

    plot_quote(out, name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

bool plot_wants(const struct plot *p, const char *key, size_t len)
{
    const char *at = p->metric;

    while (at) {
        size_t n = strcspn(at, ",");
        if (n == len && !memcmp(at, key, n))
            return true;
        at = at[n] ? at + n + 1 : NULL;
    }
    return !p->metric;
}

/* ---- CSV ---- */

int plot_table_read(struct plot_table *t, const char *name, const char *text, size_t len, struct rec_err *err)
{
    struct rec_csv_dialect dialect = {.delimiter = ",", .delimiter_len = 1, .quotes = true};
    struct rec_csv csv;
    size_t cap = 0;
    int status;

    *t = (struct plot_table){.name = name};
    if (rec_csv_text(&csv, name, text, len, len, &dialect, err) < 0)
        return -1;
    for (size_t rows = 0; (status = rec_csv_next(&csv, err)) == REC_CSV_RECORD; rows++) {
        t->columns = rows ? t->columns : csv.n;
        if (csv.n != t->columns) {
            status = rec_err_set(err, "%s:%llu: %zu fields, not %zu", name, (unsigned long long)csv.line, csv.n, t->columns);
            break;
        }
        if ((rows + 1) * t->columns > cap) {
            size_t more = cap ? 2 * cap : 64 * t->columns;
            if (rec_realloc(&t->field, more, sizeof *t->field, name, err) < 0) {
                status = -1;
                break;
            }
            memset(t->field + cap, 0, (more - cap) * sizeof *t->field);
            cap = more;
        }
        t->rows = rows;
        for (size_t c = 0; c < csv.n; c++)
            if (!(t->field[rows * t->columns + c] = strndup(csv.field[c].text, csv.field[c].len)))
                status = rec_err_memory(err, name);
        if (status < 0)
            break;
    }
    if (status == REC_CSV_BAD)
        rec_csv_complain(err, &csv);
    rec_csv_close(&csv);
    return status == REC_CSV_END ? 0 : -1;
}

void plot_table_clear(struct plot_table *t)
{
    for (size_t i = 0; t->field && i < (t->rows + 1) * t->columns; i++)
        free(t->field[i]);
    free(t->field);
    *t = (struct plot_table){0};
}

int plot_table_number(double *out, const struct plot_table *t, size_t row, size_t column, struct rec_err *err)
{
    const char *text = t->field[(row + 1) * t->columns + column];

    *out = NAN;
    if (!*text || rec_num_double(out, text, strlen(text)) == 0)
        return 0;
    return rec_err_set(err, "%s: line %zu: %s: '%.40s' is no number", t->name, row + 2, t->field[column], text);
}

/* ---- the script ---- */

/* As many columns of panels as make them about as wide as high, or somewhat more. */
static void lay_out(size_t *rows, size_t *columns, size_t n)
{
    *columns = n <= 1 ? 1 : n <= 4 ? 2 : 3;
    *rows = (n + *columns - 1) / *columns;
}

static void write_terminal(struct rec_buf *out, const struct plot *p)
{
    int font = p->n_panels > 4 ? 8 : p->n_panels > 1 ? 9 : 11;

    rec_buf_adds(out, "set encoding utf8\n");
    if (p->text)
        rec_buf_addf(out, "set terminal dumb noenhanced size %u,%u\n", p->width, p->height);
    else if (!strcmp(format, "svg"))
        rec_buf_addf(out, "set terminal svg noenhanced size %u,%u font 'sans-serif,%d' background 'white'\n", p->width, p->height, font + 2);
    else
        rec_buf_addf(out, "set terminal pngcairo noenhanced size %u,%u font 'sans,%d' linewidth 1.5 background 'white'\n", p->width, p->height, font);
    rec_buf_adds(out, "set border 3 lc rgb '#555555'\nset key samplen 2 spacing 1.1\n");
    if (!p->text)
        rec_buf_adds(out, "set grid back lc rgb '#c8c8c8' lw 0.6 dt 1\nset tics textcolor rgb '#333333'\n");
}

static void write_script(struct rec_buf *out, const struct plot *p)
{
    const char *above = p->title ? p->title : p->own_title;
    size_t rows, columns;

    lay_out(&rows, &columns, p->n_panels);
    write_terminal(out, p);
    rec_buf_add(out, p->data.data ? p->data.data : "", p->data.len);
    if (!p->text) {
        rec_buf_addf(out, "set multiplot layout %zu,%zu", rows, columns);
        if (above[0]) {
            rec_buf_adds(out, " title ");
            plot_quote(out, above, strlen(above));
        }
        rec_buf_addc(out, '\n');
    }
    for (size_t i = 0; i < p->n_panels; i++)
        rec_buf_add(out, p->panel[i].data ? p->panel[i].data : "", p->panel[i].len);
    rec_buf_adds(out, p->text ? "" : "unset multiplot\n");
    for (size_t i = 0; i < p->n_panels; i++)
        out->failed = out->failed || p->panel[i].failed;
    out->failed = out->failed || p->data.failed;
}

/* ---- what the inputs are ---- */

struct inputs {
    size_t n;
    const char *name[INPUTS_MAX];
    struct rec_in in[INPUTS_MAX];
    struct plot_table table[INPUTS_MAX];
    struct rec_json_value *json[INPUTS_MAX];
    struct rec_ratings ratings;
};

enum kind { UNKNOWN, TRACE, TRIALS, USERS, METRICS, RATINGS };

static bool begins(const struct rec_in *in, const char *with)
{
    return in->len >= strlen(with) && !memcmp(in->data, with, strlen(with));
}

static enum kind recognise(const struct rec_in *in)
{
    size_t blank = 0;

    while (blank < in->len && strchr(" \t\r\n", in->data[blank]))
        blank++;
    if (blank < in->len && in->data[blank] == '{')
        return METRICS;
    if (begins(in, "pass,loss"))
        return TRACE;
    if (begins(in, "number,status,"))
        return TRIALS;
    if (begins(in, "user,"))
        return USERS;
    return in->len > 9 && in->data[8] == '{' ? RATINGS : UNKNOWN;
}

static int read_input(struct inputs *x, size_t i, enum kind kind, struct rec_err *err)
{
    struct rec_in *in = &x->in[i];
    struct rec_safetensors file;

    if (kind == METRICS)
        return (x->json[i] = rec_json_read(in->name, (const char *)in->data, in->len, err)) ? 0 : -1;
    if (kind != RATINGS)
        return plot_table_read(&x->table[i], in->name, (const char *)in->data, in->len, err);
    struct rec_in taken = *in;
    *in = (struct rec_in){0};
    return rec_safetensors_parse(&file, &taken, 0, err) < 0 ? -1 : rec_ratings_load(&x->ratings, &file, err);
}

static int add_panels(struct plot *p, struct inputs *x, enum kind kind, struct rec_err *err)
{
    switch (kind) {
    case TRACE: return plot_traces(p, x->table, x->n, err);
    case TRIALS: return plot_trials(p, x->table, err);
    case USERS: return plot_users(p, x->table, x->n, err);
    case METRICS: return plot_metrics(p, x->name, x->json, x->n, err);
    case RATINGS: return plot_ratings(p, &x->ratings, err);
    case UNKNOWN: break;
    }
    return -1;
}

static int read_inputs(struct plot *p, struct inputs *x, struct rec_err *err)
{
    enum kind kind = UNKNOWN;

    for (size_t i = 0; i < x->n; i++) {
        const char *name = tool_operand(p->tool, (int)i);
        if (rec_in_open(&x->in[i], name, err) < 0)
            return -1;
        x->name[i] = x->in[i].name;
        enum kind own = recognise(&x->in[i]);
        if (own == UNKNOWN)
            return rec_err_set(err, "%s: no trace, trials, metrics, figures of users or ratings", x->in[i].name);
        if (i > 0 && own != kind)
            return rec_err_set(err, "%s: of another kind than %s", x->in[i].name, x->name[0]);
        if (i > 0 && (own == TRIALS || own == RATINGS))
            return rec_err_set(err, "%s: one file of %s at a time", x->in[i].name, own == TRIALS ? "trials" : "ratings");
        kind = own;
        if (read_input(x, i, kind, err) < 0)
            return -1;
    }
    if (add_panels(p, x, kind, err) < 0)
        return -1;
    return p->n_panels ? 0 : rec_err_set(err, "%s: nothing in it to draw", x->name[0]);
}

static void clear_inputs(struct inputs *x)
{
    for (size_t i = 0; i < x->n; i++) {
        plot_table_clear(&x->table[i]);
        rec_json_free(x->json[i]);
        rec_in_close(&x->in[i]);
    }
    rec_ratings_clear(&x->ratings);
}

/* ---- and all of it ---- */

static bool ends_in(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n > m && !strcmp(name + n - m, end);
}

/* Text as wide as the terminal is, or 80 by 24. */
static void find_size(struct plot *p)
{
    struct winsize w;

    p->width = p->text ? 80 : 800;
    p->height = p->text ? 24 : 500;
    if (p->text && !output && ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col >= 40 && w.ws_row >= 12) {
        p->width = w.ws_col;
        p->height = w.ws_row - 1U;
    }
}

static int check(struct plot *p)
{
    int64_t w, h;
    const char *cross = size ? strchr(size, 'x') : NULL;

    if (!format)
        format = output && ends_in(output, ".png") ? "png" : output && ends_in(output, ".svg") ? "svg" : "text";
    p->text = !strcmp(format, "text");
    find_size(p);
    if (!size)
        return TOOL_DONE;
    if (!cross || rec_num_int64(&w, size, (size_t)(cross - size)) < 0 || rec_num_int64(&h, cross + 1, strlen(cross + 1)) < 0)
        return tool_usage(p->tool, "--size: '%s' is not of the form 800x500", size);
    if (w < (p->text ? 20 : 100) || h < (p->text ? 8 : 100) || w > 10000 || h > 10000)
        return tool_usage(p->tool, "--size: %s is out of range; %s to 10000", size, p->text ? "20x8" : "100");
    p->width = (unsigned)w;
    p->height = (unsigned)h;
    return TOOL_DONE;
}

static int work(struct plot *p, struct rec_err *err)
{
    struct inputs x = {.n = p->tool->n_operands > 1 ? (size_t)p->tool->n_operands : 1};
    struct rec_buf script = {0}, picture = {0};
    struct rec_out out = {0};
    int rc = -1;

    if (read_inputs(p, &x, err) < 0)
        goto done;
    write_script(&script, p);
    if (script.failed) {
        rec_err_memory(err, "script");
        goto done;
    }
    if (plot_draw(&picture, &script, err) < 0 || rec_out_open(&out, output, !p->text, err) < 0)
        goto done;
    /* Pages of characters come with form feeds between them. */
    size_t n = 0;
    for (size_t i = 0; p->text && i < picture.len; i++)
        if (picture.data[i] != '\f')
            picture.data[n++] = picture.data[i];
    if (rec_out_write(&out, picture.data, p->text ? n : picture.len, err) == 0)
        rc = rec_out_commit(&out, err);
done:
    rec_out_abort(&out);
    rec_buf_clear(&script);
    rec_buf_clear(&picture);
    clear_inputs(&x);
    return rc;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};
    struct plot p = {.tool = &tool};
    int status;

    tool_start(&tool, &about, argc, argv);
    p.title = title;
    p.metric = metric;
    status = check(&p);
    if (status)
        return status;
    status = work(&p, &err) < 0 ? tool_fail(&tool, &err) : tool_finish(&tool, TOOL_DONE);
    rec_buf_clear(&p.data);
    for (size_t i = 0; i < PLOT_PANELS; i++)
        rec_buf_clear(&p.panel[i]);
    return status;
}
