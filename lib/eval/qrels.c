/* SPDX-License-Identifier: MIT
 *
 * What is relevant to each query, in TREC's form: `query iteration document relevance`, one a line, in any order. Or held-out
 * ratings in our own: users are the queries, items the documents, values the relevances. */
#include "trec_priv.h"

/* Relevant documents in the order of the file, and whose they are. */
struct lines {
    struct rec_qrel *doc;
    uint32_t *query;
    size_t n, cap;
    bool scattered;      /* some query's lines do not stand together */
};

/* Reads the line at *p and moves behind it; a blank line leaves query->len 0. */
static int read_line(struct rec_trec_text *query, struct rec_trec_text *doc, double *relevance, const char **p, const char *end,
                     const struct rec_in *in, struct rec_err *err)
{
    const char *start = *p;

    *query = rec_trec_field(p, end);
    rec_trec_field(p, end);
    *doc = rec_trec_field(p, end);
    struct rec_trec_text number = rec_trec_field(p, end), more = rec_trec_field(p, end);
    *p = rec_trec_next_line(*p, end);
    if (query->len == 0)
        return 0;
    if (number.len == 0 || more.len > 0)
        return rec_err_set(err, "%s: line %zu: not the four fields `query iteration document relevance`", in->name,
                           rec_trec_line(in, start));
    if (rec_num_double(relevance, number.at, number.len) < 0)
        return rec_err_set(err, "%s: line %zu: relevance '%.*s' is no number", in->name, rec_trec_line(in, start),
                           rec_trec_shown(number.len), number.at);
    if (doc->len > UINT32_MAX)
        return rec_err_set(err, "%s: line %zu: document of %zu bytes", in->name, rec_trec_line(in, start), doc->len);
    return 0;
}

static int keep(struct lines *lines, uint32_t query, const struct rec_qrel *doc, struct rec_err *err)
{
    if (lines->n == lines->cap) {
        size_t cap = lines->cap ? lines->cap * 2 : 4096;
        if (rec_realloc(&lines->doc, cap, sizeof *lines->doc, "qrels", err) < 0 ||
            rec_realloc(&lines->query, cap, sizeof *lines->query, "qrels", err) < 0)
            return -1;
        lines->cap = cap;
    }
    // Queries are numbered as they come, so that a lesser number is one that came before.
    lines->scattered |= lines->n > 0 && query < lines->query[lines->n - 1];
    lines->doc[lines->n] = *doc;
    lines->query[lines->n++] = query;
    return 0;
}

/* Adds what is relevant of the judgements. */
static int judge(struct lines *lines, const struct rec_qrels *qrels, uint32_t query, struct rec_qrel *doc, double relevance,
                 const struct rec_filter *relevant, bool graded, struct rec_err *err)
{
    if (relevant && !rec_filter_keeps(relevant, relevance))
        return 0;
    if (graded && !(relevance > 0))
        return rec_err_set(err, "%s: document '%.*s': relevance %g cannot be a gain", qrels->name, rec_trec_shown(doc->len), doc->text,
                           relevance);
    doc->gain = graded ? (float)relevance : 1;
    return keep(lines, query, doc, err);
}

static int read_ratings(struct lines *lines, struct rec_qrels *qrels, const struct rec_filter *relevant, bool graded,
                        struct rec_err *err)
{
    const struct rec_ratings *r = &qrels->ratings;
    struct rec_safetensors file;

    if (rec_safetensors_parse(&file, &qrels->in, 0, err) < 0 || rec_ratings_load(&qrels->ratings, &file, err) < 0)
        return -1;
    for (size_t u = 0; u < r->n_users; u++) {
        size_t len;
        const char *id = rec_ids_get(&r->users, u, &len);
        if (r->user_ptr[u + 1] == r->user_ptr[u])
            continue;
        uint32_t query = rec_hashmap_intern(&qrels->queries, id, len);
        if (query == REC_HASHMAP_NONE)
            return rec_err_memory(err, qrels->name);
        for (int64_t p = r->user_ptr[u]; p < r->user_ptr[u + 1]; p++) {
            id = rec_ids_get(&r->items, (size_t)r->item[p], &len);
            struct rec_qrel doc = {.text = id, .hash = rec_trec_hash(id, len, id + len), .len = (uint32_t)len};
            if (judge(lines, qrels, query, &doc, r->value[p], relevant, graded, err) < 0)
                return -1;
        }
    }
    return 0;
}

static int read_lines(struct lines *lines, struct rec_qrels *qrels, const struct rec_filter *relevant, bool graded,
                      struct rec_err *err)
{
    const char *p = (const char *)qrels->in.data, *end = p + qrels->in.len;
    struct rec_trec_text query, doc, last = {0};
    uint32_t number = REC_HASHMAP_NONE;
    double relevance = 0;

    while (p < end) {
        if (read_line(&query, &doc, &relevance, &p, end, &qrels->in, err) < 0)
            return -1;
        if (query.len == 0)
            continue;
        // A query's lines mostly stand together: its number is looked up once.
        if (query.len != last.len || memcmp(query.at, last.at, query.len) != 0) {
            number = rec_hashmap_intern(&qrels->queries, query.at, query.len);
            if (number == REC_HASHMAP_NONE)
                return rec_err_memory(err, qrels->in.name);
            last = query;
        }
        struct rec_qrel qrel = {.text = doc.at, .hash = rec_trec_hash(doc.at, doc.len, end), .len = (uint32_t)doc.len};
        if (judge(lines, qrels, number, &qrel, relevance, relevant, graded, err) < 0)
            return -1;
    }
    return 0;
}

/* Groups documents by query, by counting; mostly they are grouped already and are taken as they are. */
static int group(struct rec_qrels *qrels, struct lines *lines, struct rec_err *err)
{
    qrels->n = qrels->queries.n;
    qrels->ptr = rec_calloc(qrels->n + 1, sizeof *qrels->ptr, "qrels", err);
    qrels->doc = lines->scattered ? rec_malloc(lines->n, sizeof *qrels->doc, "qrels", err) : lines->doc;
    if (!lines->scattered)
        lines->doc = NULL;
    if (!qrels->ptr || (!qrels->doc && lines->n > 0))
        return -1;
    for (size_t i = 0; i < lines->n; i++)
        qrels->ptr[lines->query[i] + 1]++;
    for (size_t q = 0; q < qrels->n; q++)
        qrels->ptr[q + 1] += qrels->ptr[q];
    if (!lines->scattered)
        return 0;
    // ptr[q] serves as the place of the next document of q, so that it ends up one query ahead.
    for (size_t i = 0; i < lines->n; i++)
        qrels->doc[qrels->ptr[lines->query[i]]++] = lines->doc[i];
    for (size_t q = qrels->n; q > 0; q--)
        qrels->ptr[q] = qrels->ptr[q - 1];
    qrels->ptr[0] = 0;
    return 0;
}

int rec_qrels_read(struct rec_qrels *qrels, const char *path, const struct rec_filter *relevant, bool graded, struct rec_err *err)
{
    static const struct rec_filter from_one = {REC_FILTER_GE, 1};
    struct lines lines = {0};
    int status = -1;

    *qrels = (struct rec_qrels){0};
    if (rec_in_open(&qrels->in, path, err) < 0)
        return -1;
    qrels->name = qrels->in.name;
    qrels->graded = graded;
    // The first byte of a safetensors header: no line of TREC has '{' there with zeros before it.
    bool ratings = qrels->in.len > 8 && qrels->in.data[8] == '{' && memchr(qrels->in.data, 0, 8);
    status = ratings ? read_ratings(&lines, qrels, relevant, graded, err)
                     : read_lines(&lines, qrels, relevant ? relevant : &from_one, graded, err);
    if (status == 0)
        status = group(qrels, &lines, err);
    free(lines.doc);
    free(lines.query);
    if (status < 0)
        rec_qrels_clear(qrels);
    return status;
}

void rec_qrels_clear(struct rec_qrels *qrels)
{
    rec_in_close(&qrels->in);
    rec_ratings_clear(&qrels->ratings);
    rec_hashmap_clear(&qrels->queries);
    free(qrels->ptr);
    free(qrels->doc);
    *qrels = (struct rec_qrels){0};
}
