/* SPDX-License-Identifier: MIT
 *
 * rec-similar: the items nearest to items, from a model. Items are answered a block at a time, as they come. */
#include "tool.h"

#include <unistd.h>

#include <rec/score.h>

#define BLOCK_ITEMS 4096
#define BLOCK_HITS ((size_t)4 << 20)

static int64_t k = 10, threads;
static const char *output, *format = "csv", *by = "cosine", *catalogue, *year;
static bool all;
static struct rec_opt_list items, titles, genres;

static struct rec_opt opts[] = {
    {'k', "top", "K", REC_OPT_INT, &k, .min = 1, .max = 1000000, .help = "neighbours of each item"},
    {'i', "item", "ID", REC_OPT_LIST, &items, .flags = REC_OPT_NO_CONFIG, .help = "this item instead of those on standard input; may be repeated"},
    {0, "title", "WORDS", REC_OPT_LIST, &titles, .flags = REC_OPT_NO_CONFIG, .help = "the items whose title contains WORDS; may be repeated"},
    {0, "all", NULL, REC_OPT_FLAG, &all, .flags = REC_OPT_NO_CONFIG, .help = "every item of the model"},
    {0, "by", "MEASURE", REC_OPT_CHOICE, &by, .choices = "cosine|dot", .help = "what near means, between factors"},
    {'c', "catalogue", "FILE", REC_OPT_FILE, &catalogue, .help = "add titles, years and genres"},
    {0, "genre", "NAME", REC_OPT_LIST, &genres, .help = "only neighbours of this genre; may be repeated: of any of them"},
    {0, "year", "YEAR|FROM..TO", REC_OPT_TEXT, &year, .help = "only neighbours of these years"},
    {'f', "format", "FORMAT", REC_OPT_CHOICE, &format, .choices = "csv|jsonl|trec|table", .help = "form of the output"},
    TOOL_OUTPUT(&output),
    TOOL_THREADS(&threads),
    {0},
};

static const struct tool_about about = {
    .name = "rec-similar",
    .synopsis = "[options] MODEL [ITEMS]",
    .summary = "the items nearest to items",
    .opts = opts,
    .min_operands = 1,
    .max_operands = 2,
    .more = "ITEMS, or standard input, has one id a line.",
};

struct work {
    struct tool *tool;
    struct rec_model model;
    struct rec_labels labels;
    struct rec_similar similar;
    struct rec_block block;
    struct rec_topk_hit *hit;
    size_t *count;
    struct rec_lists lists;
    size_t unknown;
    char first_unknown[64];
};

/* The catalogue, and which of its items are wanted. */
static int label(struct work *w, struct rec_err *err)
{
    if (rec_labels_open(&w->labels, catalogue, &w->model.items, err) < 0)
        return -1;
    if (w->labels.n_known == 0)
        tool_note(w->tool, "%s: it has none of the model's items", catalogue);
    return rec_labels_choose(&w->labels, genres.text, genres.n, year, err);
}

/* The model, and room for a block of lists. */
static int begin(struct work *w, struct rec_out *out, struct rec_err *err)
{
    static const char *const formats[] = {"csv", "jsonl", "trec", "table"};
    unsigned flags = strcmp(by, "dot") == 0 ? REC_SIMILAR_DOT : 0;

    if (rec_model_read(&w->model, tool_operand(w->tool, 0), err) < 0 || (catalogue && label(w, err) < 0) ||
        rec_similar_init(&w->similar, &w->model, (size_t)k, w->labels.allowed, flags, err) < 0)
        return -1;
    size_t cap = w->similar.k > 0 ? BLOCK_HITS / w->similar.k : BLOCK_ITEMS;
    cap = cap < 1 ? 1 : cap > BLOCK_ITEMS ? BLOCK_ITEMS : cap;
    if (rec_block_init(&w->block, cap, err) < 0)
        return -1;
    w->hit = rec_malloc(cap * w->similar.k, sizeof *w->hit, "lists", err);
    w->count = rec_malloc(cap, sizeof *w->count, "lists", err);
    if (!w->hit || !w->count)
        return -1;
    w->lists = (struct rec_lists){.out = out, .query = "item", .answer = "similar", .tag = w->model.type,
                                  .items = &w->model.items, .labels = catalogue ? &w->labels : NULL};
    while (strcmp(format, formats[w->lists.format]) != 0)
        w->lists.format++;
    return rec_lists_begin(&w->lists, err);
}

/* Answers the items of the block, and sends the answers off; remembers those without one for a note at the end. */
static int answer(struct work *w, struct rec_err *err)
{
    if (rec_similar_items(w->hit, w->count, &w->similar, w->block.number, w->block.n, tool_threads(threads), err) < 0)
        return -1;
    for (size_t j = 0; j < w->block.n; j++) {
        struct rec_lists_one list = {.hit = w->hit + j * w->similar.k, .n = w->count[j], .query_item = &w->block.number[j]};
        list.query = rec_block_get(&w->block, j, &list.query_len);
        if (rec_lists_add(&w->lists, &list, err) < 0)
            return -1;
        if (list.n == 0 && w->unknown++ == 0)
            snprintf(w->first_unknown, sizeof w->first_unknown, "%.*s", list.query_len < 60 ? (int)list.query_len : 60, list.query);
    }
    w->tool->rows += w->block.n;
    return rec_lists_flush(&w->lists, err);
}

/* Every item of the model, or those of --item. */
static int answer_given(struct work *w, struct rec_err *err)
{
    size_t n = all ? w->model.n_items : items.n;

    for (size_t i = 0; i < n;) {
        rec_block_reset(&w->block);
        for (; i < n && w->block.n < w->block.cap; i++) {
            size_t len;
            const char *id = all ? rec_ids_get(&w->model.items, i, &len) : items.text[i];
            if (!all)
                len = strlen(id);
            if (rec_block_add(&w->block, id, len, all ? (int32_t)i : rec_ids_find(&w->model.items, id, len), err) < 0)
                return -1;
        }
        if (answer(w, err) < 0)
            return -1;
        tool_progress(w->tool, "items", i, n);
    }
    return 0;
}

/* The items whose titles contain the words asked for. */
static int answer_titles(struct work *w, struct rec_err *err)
{
    for (size_t t = 0; t < titles.n; t++) {
        size_t found = 0;
        rec_block_reset(&w->block);
        for (size_t i = 0; i < w->model.n_items; i++) {
            size_t len;
            const char *id = rec_ids_get(&w->model.items, i, &len);
            if (!rec_labels_titled(&w->labels, i, titles.text[t]))
                continue;
            found++;
            if (w->block.n == w->block.cap) {
                if (answer(w, err) < 0)
                    return -1;
                rec_block_reset(&w->block);
            }
            if (rec_block_add(&w->block, id, len, (int32_t)i, err) < 0)
                return -1;
        }
        if (answer(w, err) < 0)
            return -1;
        if (found == 0)
            tool_note(w->tool, "no item of the model has '%s' in its title", titles.text[t]);
    }
    return 0;
}

static int answer_lines(struct work *w, const char *path, struct rec_err *err)
{
    struct rec_lines lines;
    int status;

    if (rec_lines_open(&lines, path, err) < 0)
        return -1;
    if (isatty(lines.fd))
        tool_note(w->tool, "item ids, one a line; the end is Ctrl-D");
    // The header line goes ahead: a program that waits for it before its first question is not kept waiting.
    status = rec_lists_flush(&w->lists, err);
    while (status >= 0 && (status = rec_block_fill(&w->block, &lines, &w->model.items, err)) > 0)
        status = answer(w, err);
    rec_lines_close(&lines);
    return status;
}

static int work(struct tool *tool, struct rec_err *err)
{
    struct work w = {.tool = tool};
    struct rec_out out = {0};
    int status = -1;

    if (rec_out_open(&out, output, false, err) < 0 || begin(&w, &out, err) < 0)
        goto done;
    status = all || items.n > 0 ? answer_given(&w, err)
             : titles.n > 0     ? answer_titles(&w, err)
                                : answer_lines(&w, tool_operand(tool, 1), err);
    if (status == 0 && (status = rec_lists_flush(&w.lists, err)) == 0)
        status = rec_out_commit(&out, err);
    if (status == 0 && w.unknown > 0)
        tool_note(tool, "of %zu item%s nothing is known (first: '%s'); left out", w.unknown, w.unknown == 1 ? "" : "s",
                  w.first_unknown);
done:
    rec_out_abort(&out);
    rec_lists_clear(&w.lists);
    rec_block_clear(&w.block);
    rec_similar_clear(&w.similar);
    rec_labels_clear(&w.labels);
    rec_model_clear(&w.model);
    free(w.hit);
    free(w.count);
    return status;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};

    tool_start(&tool, &about, argc, argv);
    tool.rows_name = "items";
    const char *ids = tool_operand(&tool, 1);
    if (all + (items.n > 0) + (titles.n > 0) + (ids != NULL) > 1)
        return tool_usage(&tool, "--all, --item, --title and ITEMS exclude each other");
    if (titles.n > 0 && !catalogue)
        return tool_usage(&tool, "--title needs --catalogue");
    if (strcmp(tool_operand(&tool, 0), "-") == 0 && !all && items.n == 0 && titles.n == 0 && (!ids || strcmp(ids, "-") == 0))
        return tool_usage(&tool, "the model and the items cannot both be standard input");
    if ((genres.n > 0 || year) && !catalogue)
        return tool_usage(&tool, "--genre and --year need --catalogue");
    int32_t from, to;
    if (year && rec_labels_years(&from, &to, year, &err) < 0)
        return tool_usage(&tool, "--year: %s", err.text);
    if (work(&tool, &err) < 0)
        return tool_fail(&tool, &err);
    return tool_finish(&tool, TOOL_DONE);
}
