/* SPDX-License-Identifier: MIT
 *
 * Ranked lists as text: CSV, JSON lines (one object a row), a TREC run, or a table for people. Rows gather in a buffer, numbers
 * are printed by our own code: formatting must not cost more than scoring. */
#include "lists_priv.h"

#define GATHER ((size_t)256 << 10)

int rec_lists_begin(struct rec_lists *lists, struct rec_err *err)
{
    if (lists->format == REC_LISTS_CSV)
        rec_buf_addf(&lists->buf, "%s,%s,score,rank%s%s\n", lists->query, lists->answer, lists->labels ? ",title,year,genres" : "",
                     lists->explains ? ",because,rest" : "");
    return lists->buf.failed ? rec_err_memory(err, "output") : 0;
}

static void add_score(struct rec_buf *buf, float score)
{
    char text[REC_NUM_MAX];

    rec_buf_add(buf, text, rec_num_print_float(text, score));
}

static void add_int(struct rec_buf *buf, size_t n)
{
    char text[REC_NUM_MAX];

    rec_buf_add(buf, text, rec_num_print_int64(text, (int64_t)n));
}

/* Genres with | between them. */
static void join_genres(struct rec_buf *buf, const struct rec_catalogue *c, int32_t e)
{
    for (int64_t p = c->genre_ptr[e]; p < c->genre_ptr[e + 1]; p++) {
        size_t len;
        const char *genre = rec_ids_get(&c->genres, (size_t)c->genre[p], &len);
        if (p > c->genre_ptr[e])
            rec_buf_addc(buf, '|');
        rec_buf_add(buf, genre, len);
    }
}

/* ,title,year,genres; empty for an item that the catalogue does not have. */
static void csv_labels(struct rec_buf *buf, const struct rec_labels *labels, size_t item)
{
    const struct rec_catalogue *c = &labels->catalogue;
    struct rec_buf genres = {0};
    int32_t e = labels->entry[item];
    size_t len = 0;

    if (e < 0) {
        rec_buf_adds(buf, ",,,");
        return;
    }
    const char *title = rec_catalogue_title(c, (size_t)e, &len);
    rec_csv_add(buf, ',', title, len);
    rec_buf_addc(buf, ',');
    if (c->year[e] != 0)
        add_int(buf, (size_t)c->year[e]);
    join_genres(&genres, c, e);
    rec_csv_add(buf, ',', genres.data ? genres.data : "", genres.len);
    buf->failed |= genres.failed;
    rec_buf_clear(&genres);
}

static void csv_row(struct rec_lists *lists, const struct rec_lists_one *list, size_t r, const char *id, size_t len)
{
    struct rec_buf *buf = &lists->buf;

    rec_csv_add(buf, ',', list->query, list->query_len);
    rec_csv_add(buf, ',', id, len);
    rec_buf_addc(buf, ',');
    add_score(buf, list->hit[r].score);
    rec_buf_addc(buf, ',');
    add_int(buf, r + 1);
    if (lists->labels)
        csv_labels(buf, lists->labels, (size_t)list->hit[r].item);
    if (lists->explains)
        rec_lists_why_csv(lists, &list->why, r);
    rec_buf_addc(buf, '\n');
}

static void json_labels(struct rec_json *json, const struct rec_labels *labels, size_t item)
{
    const struct rec_catalogue *c = &labels->catalogue;
    int32_t e = labels->entry[item];
    size_t len;

    if (e < 0)
        return;
    const char *title = rec_catalogue_title(c, (size_t)e, &len);
    rec_json_text(json, "title", title, len);
    if (c->year[e] != 0)
        rec_json_int(json, "year", c->year[e]);
    else
        rec_json_null(json, "year");
    rec_json_array(json, "genres");
    for (int64_t p = c->genre_ptr[e]; p < c->genre_ptr[e + 1]; p++) {
        const char *genre = rec_ids_get(&c->genres, (size_t)c->genre[p], &len);
        rec_json_text(json, NULL, genre, len);
    }
    rec_json_end(json);
}

static void json_row(struct rec_lists *lists, const struct rec_lists_one *list, size_t r, const char *id, size_t len)
{
    struct rec_json json = {.out = &lists->buf, .flat = true};
    char text[REC_NUM_MAX];
    double score = 0;

    // The double whose text is the float's: 1.02, not 1.0199999809265137. It cannot fail on what we printed.
    if (rec_num_double(&score, text, rec_num_print_float(text, list->hit[r].score)) < 0)
        score = list->hit[r].score;
    rec_json_object(&json, NULL);
    rec_json_text(&json, lists->query, list->query, list->query_len);
    rec_json_text(&json, lists->answer, id, len);
    rec_json_real(&json, "score", score);
    rec_json_int(&json, "rank", (int64_t)r + 1);
    if (lists->labels)
        json_labels(&json, lists->labels, (size_t)list->hit[r].item);
    if (lists->explains)
        rec_lists_why_json(&json, lists, &list->why, r);
    rec_json_end(&json);
    rec_buf_addc(&lists->buf, '\n');
}

static bool has_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r'))
            return true;
    return false;
}

static int trec_row(struct rec_lists *lists, const struct rec_lists_one *list, size_t r, const char *id, size_t len,
                    struct rec_err *err)
{
    struct rec_buf *buf = &lists->buf;
    bool query = has_blank(list->query, list->query_len);

    if (query || has_blank(id, len))
        return rec_err_set(err, "id '%.*s': a TREC run has no room for blanks", query ? (int)list->query_len : (int)len,
                           query ? list->query : id);
    rec_buf_add(buf, list->query, list->query_len);
    rec_buf_add(buf, " Q0 ", 4);
    rec_buf_add(buf, id, len);
    rec_buf_addc(buf, ' ');
    add_int(buf, r + 1);
    rec_buf_addc(buf, ' ');
    add_score(buf, list->hit[r].score);
    rec_buf_addc(buf, ' ');
    rec_buf_adds(buf, lists->tag);
    rec_buf_addc(buf, '\n');
    return 0;
}

/* Title and genres behind what stands there, no blanks at the end. */
static void table_labels(struct rec_buf *buf, const struct rec_labels *labels, int32_t item)
{
    int32_t e = labels && item >= 0 ? labels->entry[item] : -1;

    if (e >= 0) {
        size_t len;
        const char *title = rec_catalogue_title(&labels->catalogue, (size_t)e, &len);
        rec_buf_addf(buf, "  %.*s  ", (int)len, title);
        join_genres(buf, &labels->catalogue, e);
    }
    while (buf->len > 0 && buf->data[buf->len - 1] == ' ')
        buf->data[--buf->len] = 0;
    rec_buf_addc(buf, '\n');
}

/* "item 50  Star Wars (1977)" above, "   1  0.9725  181  Return of the Jedi (1983)  Action|Adventure" below. */
static void table_row(struct rec_lists *lists, const struct rec_lists_one *list, size_t r, const char *id, size_t len)
{
    struct rec_buf *buf = &lists->buf;

    if (r == 0) {
        rec_buf_addf(buf, "%s%s %.*s", lists->lists ? "\n" : "", lists->query, (int)list->query_len, list->query);
        table_labels(buf, lists->labels, list->query_item ? *list->query_item : -1);
    }
    rec_buf_addf(buf, "%4zu  %9.4f  %-6.*s", r + 1, (double)list->hit[r].score, (int)len, id);
    table_labels(buf, lists->labels, list->hit[r].item);
    if (lists->explains)
        rec_lists_why_table(lists, &list->why, r);
}

int rec_lists_add(struct rec_lists *lists, const struct rec_lists_one *list, struct rec_err *err)
{
    for (size_t r = 0; r < list->n; r++) {
        size_t len;
        const char *id = rec_ids_get(lists->items, (size_t)list->hit[r].item, &len);
        if (lists->format == REC_LISTS_CSV)
            csv_row(lists, list, r, id, len);
        else if (lists->format == REC_LISTS_JSONL)
            json_row(lists, list, r, id, len);
        else if (lists->format == REC_LISTS_TABLE)
            table_row(lists, list, r, id, len);
        else if (trec_row(lists, list, r, id, len, err) < 0)
            return -1;
    }
    lists->lists++;
    lists->rows += list->n;
    if (lists->buf.failed)
        return rec_err_memory(err, "output");
    return lists->buf.len >= GATHER ? rec_lists_flush(lists, err) : 0;
}

int rec_lists_flush(struct rec_lists *lists, struct rec_err *err)
{
    if (lists->buf.failed)
        return rec_err_memory(err, "output");
    if (lists->buf.len > 0 && rec_out_write(lists->out, lists->buf.data, lists->buf.len, err) < 0)
        return -1;
    rec_buf_reset(&lists->buf);
    return rec_out_flush(lists->out, err);
}

void rec_lists_clear(struct rec_lists *lists)
{
    rec_buf_clear(&lists->buf);
}
