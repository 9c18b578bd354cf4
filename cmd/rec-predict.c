/* SPDX-License-Identifier: MIT
 *
 * rec-predict: scores for pairs of user and item. Pairs are CSV, with a header line or without; what is unknown to the model is
 * predicted from what is known. */
#include "tool.h"

#include <math.h>
#include <rec/score.h>

static const char *output;
static bool deviation;

static struct rec_opt opts[] = {
    {0, "deviation", NULL, REC_OPT_FLAG, &deviation, .help = "of bmf: add how sure it is, a standard deviation"},
    TOOL_OUTPUT(&output),
    {0},
};

static const struct tool_about about = {
    .name = "rec-predict",
    .synopsis = "[options] MODEL [PAIRS]",
    .summary = "scores for pairs of user and item",
    .opts = opts,
    .min_operands = 1,
    .max_operands = 2,
    .more = "PAIRS, or standard input, is CSV with the columns user and item (or userId and movieId,\n"
            "and such); a rating column is passed on, times are heeded by bmf. Without a header line the first two columns are taken.",
};

enum { USER, ITEM, RATING, TIME, COLUMNS };
#define NOWHERE SIZE_MAX

struct work {
    struct tool *tool;
    struct rec_model model;
    struct rec_csv csv;
    size_t column[COLUMNS];
    struct rec_out out;
    struct rec_buf buf;
    size_t pairs, unknown_users, unknown_items;
};

/* Whether a header's word means this column, whatever its case and with or without _. */
static bool means(const struct rec_csv_field *field, int column)
{
    static const char *const names[COLUMNS][8] = {
        {"user", "userid", "uid", "customer", "customerid"},
        {"item", "itemid", "iid", "movie", "movieid", "product", "productid"},
        {"rating", "value", "stars"},
        {"timestamp", "time"},
    };
    char word[16];
    size_t n = 0;

    for (size_t i = 0; i < field->len && n < sizeof word - 1; i++)
        if (field->text[i] != '_')
            word[n++] = field->text[i] >= 'A' && field->text[i] <= 'Z' ? (char)(field->text[i] + 'a' - 'A') : field->text[i];
    word[n] = 0;
    for (size_t i = 0; i < REC_LENGTH(names[column]) && names[column][i]; i++)
        if (strcmp(word, names[column][i]) == 0)
            return true;
    return false;
}

/* Takes the first record as a header line when it names user and item. */
static bool read_header(struct work *w)
{
    for (int c = 0; c < COLUMNS; c++) {
        w->column[c] = NOWHERE;
        for (size_t f = 0; f < w->csv.n && w->column[c] == NOWHERE; f++)
            if (means(&w->csv.field[f], c))
                w->column[c] = f;
    }
    if (w->column[USER] != NOWHERE && w->column[ITEM] != NOWHERE)
        return true;
    w->column[USER] = 0;
    w->column[ITEM] = 1;
    w->column[RATING] = w->column[TIME] = NOWHERE;
    return false;
}

/* Of a model that knows times the pair's own, where there is one; else right after the user's last rating. */
static int predict_at(double *out, const struct work *w, int32_t u, int32_t i, struct rec_err *err)
{
    const struct rec_csv_field *field = w->column[TIME] == NOWHERE ? NULL : &w->csv.field[w->column[TIME]];
    int64_t time;

    if (!w->model.context.factors || !field || field->len == 0)
        return rec_predict_at(out, &w->model, u, i, NULL, err);
    if (rec_num_int64(&time, field->text, field->len) < 0)
        return rec_err_set(err, "%s: line %llu: time '%.*s' is no whole number of seconds since 1970", w->csv.name, (unsigned long long)w->csv.line,
                           field->len < 40 ? (int)field->len : 40, field->text);
    return rec_predict_at(out, &w->model, u, i, &time, err);
}

static void add_header(struct work *w, bool rating)
{
    rec_buf_addf(&w->buf, "user,item,%sprediction%s\n", rating ? "rating," : "", deviation ? ",deviation" : "");
}

static int predict(struct work *w, struct rec_err *err)
{
    const struct rec_csv_field *field = w->csv.field;
    char score[REC_NUM_MAX];
    double prediction;

    for (int c = 0; c < COLUMNS; c++)
        if (w->column[c] != NOWHERE && w->column[c] >= w->csv.n)
            return rec_err_set(err, "%s: line %llu: %zu field%s where %zu are needed", w->csv.name, (unsigned long long)w->csv.line,
                               w->csv.n, w->csv.n == 1 ? "" : "s", w->column[c] + 1);
    const struct rec_csv_field *user = &field[w->column[USER]], *item = &field[w->column[ITEM]];
    int32_t u = rec_ids_find(&w->model.users, user->text, user->len), i = rec_ids_find(&w->model.items, item->text, item->len);
    w->pairs++;
    w->unknown_users += u < 0;
    w->unknown_items += i < 0;
    rec_csv_add(&w->buf, ',', user->text, user->len);
    rec_csv_add(&w->buf, ',', item->text, item->len);
    if (w->column[RATING] != NOWHERE)
        rec_csv_add(&w->buf, ',', field[w->column[RATING]].text, field[w->column[RATING]].len);
    if (predict_at(&prediction, w, u, i, err) < 0)
        return -1;
    rec_csv_add(&w->buf, ',', score, rec_num_print_float(score, (float)prediction));
    if (deviation) {
        double sure = rec_predict_deviation(&w->model, u, i);
        rec_csv_add(&w->buf, ',', score, isnan(sure) ? 0 : rec_num_print_float(score, (float)sure));
    }
    rec_buf_addc(&w->buf, '\n');
    return 0;
}

static int send(struct work *w, size_t from, struct rec_err *err)
{
    if (w->buf.failed)
        return rec_err_memory(err, "output");
    if (w->buf.len < from)
        return 0;
    int status = rec_out_write(&w->out, w->buf.data, w->buf.len, err);
    rec_buf_reset(&w->buf);
    return status;
}

static int predict_all(struct work *w, struct rec_err *err)
{
    int status;

    for (bool first = true; (status = rec_csv_next(&w->csv, err)) == REC_CSV_RECORD; first = false) {
        bool header = first && read_header(w);
        if (first)
            add_header(w, w->column[RATING] != NOWHERE);
        if (!header && predict(w, err) < 0)
            return -1;
        if (send(w, 65536, err) < 0)
            return -1;
    }
    if (status == REC_CSV_BAD)
        return rec_csv_complain(err, &w->csv);
    if (status == 0 && w->out.written == 0 && w->buf.len == 0)
        add_header(w, false);
    return status < 0 ? -1 : send(w, 1, err);
}

static int check_deviation(const struct work *w, struct rec_err *err)
{
    if (deviation && w->model.samples == 0)
        return rec_err_set(err, "%s: --deviation: %s does not know how sure it is; bmf does", w->model.file.name, w->model.type);
    return 0;
}

static int work(struct work *w, struct rec_err *err)
{
    static const struct rec_csv_dialect dialect = {.delimiter = ",", .delimiter_len = 1, .quotes = true};

    if (rec_out_open(&w->out, output, false, err) < 0 || rec_model_read(&w->model, tool_operand(w->tool, 0), err) < 0 ||
        check_deviation(w, err) < 0 || rec_csv_open(&w->csv, tool_operand(w->tool, 1), &dialect, err) < 0 || predict_all(w, err) < 0 ||
        rec_out_commit(&w->out, err) < 0)
        return -1;
    if (w->unknown_users + w->unknown_items > 0)
        tool_note(w->tool, "of %zu pairs %zu have an unknown user, %zu an unknown item; predicted from what is known", w->pairs,
                  w->unknown_users, w->unknown_items);
    w->tool->rows = w->pairs;
    return 0;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};
    struct work w = {.tool = &tool};

    tool_start(&tool, &about, argc, argv);
    tool.rows_name = "pairs";
    const char *pairs = tool_operand(&tool, 1);
    if (strcmp(tool_operand(&tool, 0), "-") == 0 && (!pairs || strcmp(pairs, "-") == 0))
        return tool_usage(&tool, "the model and the pairs cannot both be standard input");
    int status = work(&w, &err);
    rec_out_abort(&w.out);
    rec_buf_clear(&w.buf);
    rec_csv_close(&w.csv);
    rec_model_clear(&w.model);
    return status < 0 ? tool_fail(&tool, &err) : tool_finish(&tool, TOOL_DONE);
}
