/* SPDX-License-Identifier: MIT
 *
 * What the parts of rec-plot share. Each kind of input is a part, which reads it and adds panels; rec-plot.c puts them together and runs gnuplot.
 *
 * Nothing of an input reaches gnuplot but numbers that were read as numbers and texts that plot_quote has made harmless; no name of a file does
 * but as such a text.
 */
#ifndef REC_PLOT_H
#define REC_PLOT_H

#include "tool.h"

#include <rec/data.h>
#include <rec/eval.h>

enum { PLOT_PANELS = 9 };

struct plot {
    struct tool *tool;
    bool text;                 /* panels of characters, one below the other */
    unsigned width, height;    /* pixels, or characters */
    const char *title;         /* NULL: what the part says */
    const char *metric;        /* which columns or keys, between commas; NULL: all there are */
    char own_title[256];       /* what the part says */
    struct rec_buf data;       /* gnuplot's data blocks */
    struct rec_buf panel[PLOT_PANELS];
    size_t n_panels;
};

/* Begins a panel: what is added to it then are gnuplot's commands, `plot` the last of them. NULL: there are as many as there may be. */
struct rec_buf *plot_panel(struct plot *p, const char *title, const char *x, const char *y);
/* Begins a block of data, "$NAME": lines are added to p->data, and plot_end ends it. */
void plot_begin(struct plot *p, const char *name);
void plot_end(struct plot *p);
/* 'text' as gnuplot takes it literally: whatever is in it. */
void plot_quote(struct rec_buf *out, const char *text, size_t len);
/* A number, or NaN, which gnuplot leaves out; a blank behind it. */
void plot_number(struct rec_buf *out, double x);
/* "set logscale x" when numbers from lo to hi ask for it. */
void plot_logscale(struct rec_buf *out, char axis, double lo, double hi, double ratio);
/* The last part of a path, without its ending. */
void plot_name(struct rec_buf *out, const char *path);
/* Whether --metric names it, or nothing. */
bool plot_wants(const struct plot *p, const char *key, size_t len);
/* Colour i, of eight that people with any vision tell apart. */
const char *plot_colour(size_t i);

/* Runs gnuplot on the script. */
int plot_draw(struct rec_buf *picture, const struct rec_buf *script, struct rec_err *err);

/* A CSV in memory: header and rows of fields. */
struct plot_table {
    const char *name;
    size_t columns, rows;
    char **field;              /* [(rows + 1) * columns], the header first */
};
int plot_table_read(struct plot_table *t, const char *name, const char *text, size_t len, struct rec_err *err);
void plot_table_clear(struct plot_table *t);
/* The field as a number; NAN when it is empty, -1 with `err` when it is something else. Row 0 is the first below the header. */
int plot_table_number(double *out, const struct plot_table *t, size_t row, size_t column, struct rec_err *err);

/* The parts: add panels for n inputs of one kind. */
int plot_traces(struct plot *p, const struct plot_table *t, size_t n, struct rec_err *err);
int plot_trials(struct plot *p, const struct plot_table *t, struct rec_err *err);
int plot_users(struct plot *p, const struct plot_table *t, size_t n, struct rec_err *err);
int plot_metrics(struct plot *p, const char *const *name, struct rec_json_value *const *json, size_t n, struct rec_err *err);
int plot_ratings(struct plot *p, const struct rec_ratings *r, struct rec_err *err);

#endif
