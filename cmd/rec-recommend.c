/* SPDX-License-Identifier: MIT
 *
 * rec-recommend: the best items for users, from a model.
 *
 * Users come one a line and are answered a block at a time: a block is what has arrived, so that a program at the other end of
 * the pipe need not close it to get its answers. */
#include "tool.h"

#include <unistd.h>

#include <rec/score.h>

#define BLOCK_USERS 4096
#define BLOCK_HITS ((size_t)4 << 20)

static int64_t k = 10, threads, min_popularity, pool = 100, reasons = 1000000;
static const char *items;
static bool explain;
static const char *output, *format = "csv", *catalogue, *year, *where, *allow, *deny, *alike;
static double diversity, calibration, novelty;
static bool all, include_seen;
static struct rec_opt_list users, genres;

static struct rec_opt opts[] = {
    {'k', "top", "K", REC_OPT_INT, &k, .min = 1, .max = 1000000, .help = "items for each user"},
    {'u', "user", "ID", REC_OPT_LIST, &users, .flags = REC_OPT_NO_CONFIG, .help = "this user instead of those on standard input; may be repeated"},
    {0, "all", NULL, REC_OPT_FLAG, &all, .flags = REC_OPT_NO_CONFIG, .help = "every user of the model"},
    {0, "items", "FILE", REC_OPT_FILE, &items, .flags = REC_OPT_NO_CONFIG, .help = "for a visitor who has these: lines item[,rating]; - is standard input"},
    {0, "explain", NULL, REC_OPT_FLAG, &explain, .help = "say which items of the history each score comes from"},
    {0, "reasons", "N", REC_OPT_INT, &reasons, .min = 1, .max = 1000000, .help = "explain: name the N items that add most; the others are in the rest"},
    {0, "include-seen", NULL, REC_OPT_FLAG, &include_seen, .help = "also items that the user has in training"},
    {'c', "catalogue", "FILE", REC_OPT_FILE, &catalogue, .help = "add titles, years and genres"},
    {0, "genre", "NAME", REC_OPT_LIST, &genres, .help = "only items of this genre; may be repeated: of any of them"},
    {0, "year", "YEAR|FROM..TO", REC_OPT_TEXT, &year, .help = "only items of these years"},
    {0, "where", "EXPR", REC_OPT_TEXT, &where, .help = "only items that meet it: 'genre=Comedy|Drama, year>=1990, genre!=Horror'"},
    {0, "allow", "FILE", REC_OPT_FILE, &allow, .help = "only items whose ids are in it, one a line"},
    {0, "deny", "FILE", REC_OPT_FILE, &deny, .help = "no items whose ids are in it"},
    {0, "min-popularity", "N", REC_OPT_INT, &min_popularity, .max = 9e15, .help = "only items that at least N users have in training"},
    {0, "diversity", "X", REC_OPT_REAL, &diversity, .max = 1, .help = "0: the best; more: unlike each other"},
    {0, "calibration", "X", REC_OPT_REAL, &calibration, .max = 1, .help = "0: the best; more: genres in the proportions of the user's history"},
    {0, "novelty", "X", REC_OPT_REAL, &novelty, .max = 1, .help = "0: the best; more: less known"},
    {0, "pool", "N", REC_OPT_INT, &pool, .min = 1, .max = 1000000, .help = "diversity, calibration, novelty: choose among the best N"},
    {0, "alike", "HOW", REC_OPT_CHOICE, &alike, .choices = "factors|audiences|genres", .help = "diversity: what makes items alike"},
    {'f', "format", "FORMAT", REC_OPT_CHOICE, &format, .choices = "csv|jsonl|trec|table", .help = "form of the output"},
    TOOL_OUTPUT(&output),
    TOOL_THREADS(&threads),
    {0},
};

static const struct tool_about about = {
    .name = "rec-recommend",
    .synopsis = "[options] MODEL [USERS]",
    .summary = "the best items for users",
    .opts = opts,
    .min_operands = 1,
    .max_operands = 2,
    .more = "USERS, or standard input, has one id a line.",
};

struct work {
    struct tool *tool;
    struct rec_model model;
    struct rec_labels labels;
    uint8_t *allowed;
    struct rec_rank rank;
    struct rec_rerank rerank;
    bool reranks;
    struct rec_foldin foldin;     /* of visitors, and where scores are explained */
    float *part;                  /* of one list */
    struct rec_block block;
    struct rec_topk_hit *hit;
    size_t *count;
    struct rec_lists lists;
    size_t unknown;
    char first_unknown[64];
};

/* ---- which items ---- */

/* The catalogue, and which of its items are wanted. */
static int label(struct work *w, struct rec_err *err)
{
    if (rec_labels_open(&w->labels, catalogue, &w->model.items, err) < 0)
        return -1;
    if (w->labels.n_known == 0)
        tool_note(w->tool, "%s: it has none of the model's items", catalogue);
    return rec_labels_choose(&w->labels, genres.text, genres.n, year, err);
}

/* Marks the items of a file of ids. */
static int read_items(uint8_t *marked, struct work *w, const char *path, struct rec_err *err)
{
    struct rec_lines lines;
    const char *text;
    size_t len, unknown = 0, n = 0;
    int status;

    if (rec_lines_open(&lines, path, err) < 0)
        return -1;
    while ((status = rec_lines_next(&lines, &text, &len, err)) > 0) {
        int32_t item = len ? rec_ids_find(&w->model.items, text, len) : -1;
        n += len > 0;
        unknown += len > 0 && item < 0;
        if (item >= 0)
            marked[item] = 1;
    }
    rec_lines_close(&lines);
    if (status == 0 && unknown > 0)
        tool_note(w->tool, "%s: the model does not have %zu of its %zu items", path, unknown, n);
    return status;
}

/* Items of the list stay (keep), or go. */
static int apply_list(struct work *w, const char *path, bool keep, struct rec_err *err)
{
    uint8_t *marked = rec_calloc(w->model.n_items, 1, "items", err);
    int status = marked ? read_items(marked, w, path, err) : -1;

    for (size_t i = 0; status == 0 && i < w->model.n_items; i++)
        w->allowed[i] &= marked[i] == keep;
    free(marked);
    return status;
}

static int apply_popularity(struct work *w, struct rec_err *err)
{
    const struct rec_model *m = &w->model;
    int64_t *count = rec_calloc(m->n_items, sizeof *count, "items", err);

    if (!count)
        return -1;
    for (int64_t p = 0; p < m->seen_ptr[m->n_users]; p++)
        count[m->seen_item[p]]++;
    for (size_t i = 0; i < m->n_items; i++)
        w->allowed[i] &= count[i] >= min_popularity;
    free(count);
    return 0;
}

/* Which items may be listed at all; NULL stays NULL when all may. */
static int choose_items(struct work *w, struct rec_err *err)
{
    if (!w->labels.allowed && !where && !allow && !deny && min_popularity == 0)
        return 0;
    w->allowed = rec_malloc(w->model.n_items, 1, "items", err);
    if (!w->allowed)
        return -1;
    memset(w->allowed, 1, w->model.n_items);
    if (w->labels.allowed)
        memcpy(w->allowed, w->labels.allowed, w->model.n_items);
    if ((where && rec_where_allow(w->allowed, &w->labels, where, err) < 0) || (allow && apply_list(w, allow, true, err) < 0) ||
        (deny && apply_list(w, deny, false, err) < 0) || (min_popularity > 0 && apply_popularity(w, err) < 0))
        return -1;
    return 0;
}

/* ---- another order ---- */

static int begin_rerank(struct work *w, struct rec_err *err)
{
    static const char *const ways[] = {"factors", "audiences", "genres"};
    struct rec_rerank_options o = {.diversity = diversity, .calibration = calibration, .novelty = novelty};

    w->reranks = diversity > 0 || calibration > 0 || novelty > 0;
    if (!w->reranks)
        return 0;
    if (!alike)
        alike = w->model.item_factors ? "factors" : "audiences";
    while (strcmp(alike, ways[o.likeness]) != 0)
        o.likeness++;
    return rec_rerank_init(&w->rerank, &w->model, catalogue ? &w->labels : NULL, &o, err);
}

static int rerank_some(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    struct work *w = context;
    const struct rec_model *m = &w->model;

    (void)thread;
    for (size_t j = begin; j < end; j++) {
        int32_t user = w->block.number[j];
        const int32_t *item = user < 0 ? NULL : m->seen_item + m->seen_ptr[user];
        size_t n = user < 0 ? 0 : (size_t)(m->seen_ptr[user + 1] - m->seen_ptr[user]);
        if (rec_rerank_list(w->hit + j * w->rank.k, w->count[j], (size_t)k, &w->rerank, item, n, err) < 0)
            return -1;
        w->count[j] = w->count[j] < (size_t)k ? w->count[j] : (size_t)k;
    }
    return 0;
}

/* Programs that read a TREC run sort by score: there the score of a list in another order is made of the rank. */
static void score_by_rank(struct work *w)
{
    for (size_t j = 0; j < w->block.n; j++)
        for (size_t i = 0; i < w->count[j]; i++)
            w->hit[j * w->rank.k + i].score = (float)(w->count[j] - i);
}

static int rerank(struct work *w, struct rec_err *err)
{
    if (!w->reranks)
        return 0;
    if (rec_pool_run(tool_threads(threads), w->block.n, 16, rerank_some, w, err) < 0)
        return -1;
    if (w->lists.format == REC_LISTS_TREC)
        score_by_rank(w);
    return 0;
}

/* ---- folding in, and explaining ---- */

static int begin_foldin(struct work *w, struct rec_err *err)
{
    if (!items && !explain)
        return 0;
    if (rec_foldin_init(&w->foldin, &w->model, err) < 0)
        return -1;
    if (explain && !rec_foldin_explains(&w->foldin))
        return rec_err_set(err, "%s: --explain: scores of a model of type %s do not come from a history", tool_operand(w->tool, 0), w->model.type);
    if (explain && !items && w->model.ratings_scale && rec_foldin_by_value(&w->foldin))
        return rec_err_set(err, "%s: --explain: a model of type %s does not keep the ratings of its users; give them by --items", tool_operand(w->tool, 0),
                           w->model.type);
    return 0;
}

/* What each item of the history adds to each score of a list. */
static int take_apart(struct work *w, struct rec_lists_one *list, const struct rec_visitor *v, struct rec_err *err)
{
    size_t cells;

    if (rec_size_mul(&cells, list->n, v->n + 1) < 0)
        return rec_err_memory(err, "explaining");
    if (rec_realloc(&w->part, cells, sizeof *w->part, "explaining", err) < 0)
        return -1;
    list->why = (struct rec_lists_why){.item = v->item, .n = v->n, .part = w->part, .rest = w->part + list->n * v->n, .most = (size_t)reasons};
    return rec_foldin_explain_list(w->part, w->part + list->n * v->n, w->hit, list->n, !w->reranks, &w->foldin, v, err);
}

/* A user of whom nothing is known: their scores are popularity, and come from nobody's history. */
static int answer_popular(struct work *w, struct rec_lists_one *list, struct rec_topk_hit *hit, struct rec_err *err)
{
    if (rec_rank_users(hit, &list->n, &w->rank, &(int32_t){-1}, 1, 1, err) < 0 ||
        rec_realloc(&w->part, list->n, sizeof *w->part, "explaining", err) < 0)
        return -1;
    for (size_t r = 0; r < list->n; r++)
        w->part[r] = hit[r].score;
    list->why = (struct rec_lists_why){.part = w->part, .rest = w->part, .most = (size_t)reasons};
    return 0;
}

/* The list of one who is folded in, its scores explained when asked for. `seen` is left out. */
static int answer_one(struct work *w, struct rec_lists_one *list, const struct rec_visitor *v, const int32_t *seen, size_t n_seen, struct rec_err *err)
{
    bool known = rec_foldin_known(&w->model, v);
    ptrdiff_t n = 0;

    list->hit = w->hit;
    if (!known && answer_popular(w, list, w->hit, err) < 0)
        return -1;
    if (known)
        n = rec_foldin_rank(w->hit, w->rank.k, &w->model, NULL, v, include_seen ? NULL : seen, include_seen ? 0 : n_seen, w->allowed, err);
    if (n < 0)
        return -1;
    list->n = known ? (size_t)n : list->n;
    if (w->reranks && rec_rerank_list(w->hit, list->n, (size_t)k, &w->rerank, v->item, v->n, err) < 0)
        return -1;
    list->n = list->n < (size_t)k ? list->n : (size_t)k;
    if (known && explain && take_apart(w, list, v, err) < 0)
        return -1;
    return rec_lists_add(&w->lists, list, err);
}

/* A visitor known by the items of a file. */
static int answer_visitor(struct work *w, struct rec_err *err)
{
    static const char name[] = "visitor";
    struct rec_lists_one list = {.query = name, .query_len = sizeof name - 1};
    struct rec_visitor_items has;
    struct rec_visitor v;
    int status;

    if (rec_visitor_read(&has, items, &w->model, err) < 0)
        return -1;
    v = (struct rec_visitor){.item = has.item, .value = has.value, .n = has.n};
    status = rec_foldin_user(&v, &w->foldin, err);
    if (status == 0) {
        if (has.unknown > 0)
            tool_note(w->tool, "%zu item%s not in the model (first: '%s'), left out", has.unknown, has.unknown == 1 ? " is" : "s are", has.first_unknown);
        if (!rec_foldin_known(&w->model, &v))
            tool_note(w->tool, "these items say nothing to a model of type %s; offered the most popular items", w->model.type);
        status = answer_one(w, &list, &v, has.item, has.n, err);
        rec_foldin_forget(&v);
    }
    rec_visitor_clear(&has);
    w->tool->rows = 1;
    return status;
}

/* A user of the model, folded in anew from what they have: so that the list is that of what is explained. */
static int explain_user(struct work *w, size_t j, struct rec_err *err)
{
    const struct rec_model *m = &w->model;
    struct rec_lists_one list = {0};
    struct rec_visitor trained, v = {0};
    int32_t user = w->block.number[j];
    int status = 0;

    rec_foldin_trained(&trained, m, user);
    if (w->foldin.kind != REC_FOLDIN_HISTORY) {
        v.item = trained.item;
        v.n = trained.n;
        status = rec_foldin_user(&v, &w->foldin, err);
        v.near_user = trained.near_user;
        v.near_weight = trained.near_weight;
        v.n_near = trained.n_near;
    } else {
        v = trained;
    }
    list.query = rec_block_get(&w->block, j, &list.query_len);
    if (status == 0)
        status = answer_one(w, &list, &v, user < 0 ? NULL : m->seen_item + m->seen_ptr[user],
                            user < 0 ? 0 : (size_t)(m->seen_ptr[user + 1] - m->seen_ptr[user]), err);
    rec_foldin_forget(&v);
    return status;
}

/* ---- answering ---- */

/* The model, and room for a block of lists. */
static int begin(struct work *w, struct rec_out *out, struct rec_err *err)
{
    static const char *const formats[] = {"csv", "jsonl", "trec", "table"};

    if (rec_model_read(&w->model, tool_operand(w->tool, 0), err) < 0 || (catalogue && label(w, err) < 0) ||
        choose_items(w, err) < 0 || begin_rerank(w, err) < 0 || begin_foldin(w, err) < 0)
        return -1;
    if (rec_rank_init(&w->rank, &w->model, (size_t)(w->reranks && pool > k ? pool : k), w->allowed, include_seen ? REC_RANK_INCLUDE_SEEN : 0, err) < 0)
        return -1;
    size_t users_a_block = w->rank.k > 0 ? BLOCK_HITS / w->rank.k : BLOCK_USERS;
    users_a_block = users_a_block < 1 ? 1 : users_a_block > BLOCK_USERS ? BLOCK_USERS : users_a_block;
    if (rec_block_init(&w->block, users_a_block, err) < 0)
        return -1;
    w->hit = rec_malloc(users_a_block * w->rank.k, sizeof *w->hit, "lists", err);
    w->count = rec_malloc(users_a_block, sizeof *w->count, "lists", err);
    if (!w->hit || !w->count)
        return -1;
    w->lists = (struct rec_lists){.out = out, .query = "user", .answer = "item", .tag = w->model.type, .items = &w->model.items,
                                  .labels = catalogue ? &w->labels : NULL, .explains = explain};
    while (strcmp(format, formats[w->lists.format]) != 0)
        w->lists.format++;
    return rec_lists_begin(&w->lists, err);
}

/* Remembers who could not be known, for one note at the end. */
static void count_unknown(struct work *w)
{
    for (size_t j = 0; j < w->block.n; j++) {
        size_t len;
        const char *id = rec_block_get(&w->block, j, &len);
        if (rec_rank_known(&w->model, w->block.number[j]))
            continue;
        if (w->unknown++ == 0)
            snprintf(w->first_unknown, sizeof w->first_unknown, "%.*s", len < 60 ? (int)len : 60, id);
    }
}

/* Answers the users of the block, and sends the answers off. */
static int answer(struct work *w, struct rec_err *err)
{
    if (!explain && (rec_rank_users(w->hit, w->count, &w->rank, w->block.number, w->block.n, tool_threads(threads), err) < 0 ||
                     rerank(w, err) < 0))
        return -1;
    for (size_t j = 0; explain && j < w->block.n; j++)
        if (explain_user(w, j, err) < 0)
            return -1;
    for (size_t j = 0; !explain && j < w->block.n; j++) {
        struct rec_lists_one list = {.hit = w->hit + j * w->rank.k, .n = w->count[j]};
        list.query = rec_block_get(&w->block, j, &list.query_len);
        if (rec_lists_add(&w->lists, &list, err) < 0)
            return -1;
    }
    count_unknown(w);
    w->tool->rows += w->block.n;
    return rec_lists_flush(&w->lists, err);
}

static int answer_all(struct work *w, struct rec_err *err)
{
    for (size_t u = 0; u < w->model.n_users;) {
        rec_block_reset(&w->block);
        for (; u < w->model.n_users && w->block.n < w->block.cap; u++) {
            size_t len;
            const char *id = rec_ids_get(&w->model.users, u, &len);
            if (rec_block_add(&w->block, id, len, (int32_t)u, err) < 0)
                return -1;
        }
        if (answer(w, err) < 0)
            return -1;
        tool_progress(w->tool, "users", u, w->model.n_users);
    }
    return 0;
}

static int answer_listed(struct work *w, struct rec_err *err)
{
    for (size_t j = 0; j < users.n;) {
        rec_block_reset(&w->block);
        for (; j < users.n && w->block.n < w->block.cap; j++) {
            size_t len = strlen(users.text[j]);
            if (rec_block_add(&w->block, users.text[j], len, rec_ids_find(&w->model.users, users.text[j], len), err) < 0)
                return -1;
        }
        if (answer(w, err) < 0)
            return -1;
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
        tool_note(w->tool, "user ids, one a line; the end is Ctrl-D");
    // The header line goes ahead: a program that waits for it before its first question is not kept waiting.
    status = rec_lists_flush(&w->lists, err);
    while (status >= 0 && (status = rec_block_fill(&w->block, &lines, &w->model.users, err)) > 0)
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
    status = items ? answer_visitor(&w, err) : all ? answer_all(&w, err) : users.n > 0 ? answer_listed(&w, err) : answer_lines(&w, tool_operand(tool, 1), err);
    if (status == 0 && (status = rec_lists_flush(&w.lists, err)) == 0)
        status = rec_out_commit(&out, err);
    if (status == 0 && w.unknown > 0)
        tool_note(tool, "of %zu user%s nothing is known (first: '%s'); offered the most popular items", w.unknown,
                  w.unknown == 1 ? "" : "s", w.first_unknown);
done:
    rec_out_abort(&out);
    rec_lists_clear(&w.lists);
    rec_block_clear(&w.block);
    rec_rank_clear(&w.rank);
    rec_rerank_clear(&w.rerank);
    rec_labels_clear(&w.labels);
    rec_model_clear(&w.model);
    rec_foldin_clear(&w.foldin);
    free(w.part);
    free(w.allowed);
    free(w.hit);
    free(w.count);
    return status;
}

int main(int argc, char **argv)
{
    struct tool tool;
    struct rec_err err = {0};

    tool_start(&tool, &about, argc, argv);
    tool.rows_name = "users";
    const char *ids = tool_operand(&tool, 1);
    if (all + (users.n > 0) + (ids != NULL) + (items != NULL) > 1)
        return tool_usage(&tool, "--all, --user, --items and USERS exclude each other");
    if (explain && strcmp(format, "trec") == 0)
        return tool_usage(&tool, "--explain: a TREC run has no room for reasons");
    bool asks = items ? strcmp(items, "-") == 0 : !all && users.n == 0 && (!ids || strcmp(ids, "-") == 0);
    if (strcmp(tool_operand(&tool, 0), "-") == 0 && asks)
        return tool_usage(&tool, "the model and the users cannot both be standard input");
    if ((genres.n > 0 || year || where || calibration > 0 || (alike && strcmp(alike, "genres") == 0)) && !catalogue)
        return tool_usage(&tool, "--genre, --year, --where, --calibration and --alike genres need --catalogue");
    if (where && rec_where_check(where, &err) < 0)
        return tool_usage(&tool, "--where: %s", err.text);
    int32_t from, to;
    if (year && rec_labels_years(&from, &to, year, &err) < 0)
        return tool_usage(&tool, "--year: %s", err.text);
    if (work(&tool, &err) < 0)
        return tool_fail(&tool, &err);
    return tool_finish(&tool, TOOL_DONE);
}
