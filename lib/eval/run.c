/* SPDX-License-Identifier: MIT
 *
 * A run, from file to figures in one walk: `query Q0 document rank score tag`, 3 million lines in a fraction of a second.
 *
 * The mapped file is cut into pieces at line ends, which threads take. A query's lines mostly stand together, so a piece is a row
 * of segments (lines of one query), and each segment is judged as soon as its last line is read. Only what may go on elsewhere,
 * the first and last segment of a piece and queries met again later, is left for a second look at the end.
 *
 * Order and ties follow trec_eval: by score as a float, descending; equal scores by document in descending byte order. */
#include "trec_priv.h"

#include <math.h>
#include <stdatomic.h>

#define PIECE ((size_t)4 << 20)

/* A document known in the query at hand. Slots of older queries have another stamp. */
struct slot {
    uint64_t hash;
    const char *text;
    uint32_t len, stamp;
    float gain;          /* 0: not relevant */
    bool listed;
};

/* What one thread needs to judge a query. */
struct scratch {
    struct rec_line_doc *doc;
    size_t n, cap;
    struct slot *slot;
    size_t slots;
    uint32_t stamp;
    struct rec_judge judge;
    struct rec_line_copies copies;   /* fields of the query at hand */
    int32_t *number;                 /* with a shelf: the documents' numbers there */
    size_t numbers, candidates;
    int32_t user;
};

struct segment {
    const char *begin, *end;
    uint32_t query;
    bool judged;
};

struct piece {
    struct segment *segment;
    size_t n, cap, lines;
};

struct run {
    const struct rec_in *in;
    bool csv;
    const struct rec_qrels *qrels;
    const struct rec_eval *eval;
    double *values;
    struct scratch *scratch;
    struct piece *piece;
    atomic_uchar *taken;         /* [queries] some piece has judged it: a row of values has one writer at a time */
};

/* ---- judging a query ---- */

static int by_score(const void *a, const void *b)
{
    const struct rec_line_doc *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    int order = memcmp(y->text.at, x->text.at, x->text.len < y->text.len ? x->text.len : y->text.len);
    return order ? order : (x->text.len < y->text.len) - (x->text.len > y->text.len);
}

/* Most runs are written in order already. */
static void sort(struct scratch *s)
{
    for (size_t i = 1; i < s->n; i++)
        if (!(s->doc[i - 1].score > s->doc[i].score) && by_score(&s->doc[i - 1], &s->doc[i]) > 0) {
            qsort(s->doc, s->n, sizeof *s->doc, by_score);
            return;
        }
}

/* An empty table with room for n documents. */
static int begin_table(struct scratch *s, size_t n, struct rec_err *err)
{
    if (s->slots < 2 * n || s->stamp == UINT32_MAX) {
        size_t slots = 256;
        while (slots < 2 * n)
            slots *= 2;
        free(s->slot);
        s->slots = 0;
        s->slot = rec_calloc(slots, sizeof *s->slot, "ranked list", err);
        if (!s->slot)
            return -1;
        s->slots = slots;
        s->stamp = 0;
    }
    s->stamp++;
    return 0;
}

/* The slot of a document, new (gain 0) when it was not there. */
static struct slot *find_slot(struct scratch *s, const char *text, size_t len, uint64_t hash, bool *found)
{
    size_t mask = s->slots - 1, i = hash & mask;

    for (; s->slot[i].stamp == s->stamp; i = (i + 1) & mask)
        if (s->slot[i].hash == hash && s->slot[i].len == len && memcmp(s->slot[i].text, text, len) == 0) {
            *found = true;
            return &s->slot[i];
        }
    *found = false;
    s->slot[i] = (struct slot){.hash = hash, .text = text, .len = (uint32_t)len, .stamp = s->stamp};
    return &s->slot[i];
}

static int twice(const char *name, const struct rec_qrels *qrels, size_t query, const char *text, size_t len, struct rec_err *err)
{
    const struct rec_hashmap *map = &qrels->queries;
    size_t query_len = (size_t)(map->offset[query + 1] - map->offset[query]);

    return rec_err_set(err, "%s: query '%.*s': document '%.*s' twice", name, rec_trec_shown(query_len),
                       map->bytes + map->offset[query], rec_trec_shown(len), text);
}

/* Enters what is relevant into the table, and its gains into judge.ideal. */
static int enter_relevant(const struct run *run, struct scratch *s, size_t query, size_t n, struct rec_err *err)
{
    const struct rec_qrel *relevant = run->qrels->doc + run->qrels->ptr[query];
    bool found;

    for (size_t i = 0; i < n; i++) {
        struct slot *slot = find_slot(s, relevant[i].text, relevant[i].len, relevant[i].hash, &found);
        if (found)
            return twice(run->qrels->name, run->qrels, query, relevant[i].text, relevant[i].len, err);
        slot->gain = relevant[i].gain;
        s->judge.ideal[i] = relevant[i].gain;
    }
    return 0;
}

/* What the shelf knows of the documents and of who asks. */
static int name_items(const struct run *run, struct scratch *s, size_t query, struct rec_err *err)
{
    const struct rec_shelf *shelf = run->eval->shelf;
    const struct rec_hashmap *map = &run->qrels->queries;

    if (s->n > s->numbers) {
        if (rec_realloc(&s->number, s->n, sizeof *s->number, "ranked list", err) < 0)
            return -1;
        s->numbers = s->n;
    }
    for (size_t r = 0; r < s->n; r++)
        s->number[r] = rec_ids_find(shelf->items, s->doc[r].text.at, s->doc[r].text.len);
    s->user = rec_ids_find(shelf->users, map->bytes + map->offset[query], (size_t)(map->offset[query + 1] - map->offset[query]));
    s->candidates = shelf->n_items - (s->user < 0 ? 0 : (size_t)(shelf->history_ptr[s->user + 1] - shelf->history_ptr[s->user]));
    return 0;
}

/* Judges the documents gathered in `s`. */
static int judge(const struct run *run, struct scratch *s, size_t query, struct rec_err *err)
{
    size_t relevant = (size_t)(run->qrels->ptr[query + 1] - run->qrels->ptr[query]), found = 0;
    double *row = run->values + query * run->eval->n;
    // A quoted field may live in a copy of its own, which ends with it.
    const char *end = run->csv ? NULL : (const char *)run->in->data + run->in->len;
    bool known;

    if (relevant == 0)
        return 0;
    if (!run->csv)
        sort(s);
    if (begin_table(s, s->n + relevant, err) < 0 || rec_judge_reserve(&s->judge, relevant, relevant, err) < 0 ||
        enter_relevant(run, s, query, relevant, err) < 0)
        return -1;
    for (size_t r = 0; r < s->n; r++) {
        const struct rec_trec_text *text = &s->doc[r].text;
        struct slot *slot = find_slot(s, text->at, text->len, rec_trec_hash(text->at, text->len, end ? end : text->at + text->len), &known);
        if (known && (slot->listed || slot->gain == 0))
            return twice(run->in->name, run->qrels, query, text->at, text->len, err);
        slot->listed = true;
        if (slot->gain > 0) {
            s->judge.rank[found] = (uint32_t)(r + 1);
            s->judge.gain[found++] = slot->gain;
        }
    }
    if (run->qrels->graded)
        qsort(s->judge.ideal, relevant, sizeof *s->judge.ideal, rec_judge_descending);
    if (run->eval->shelf && name_items(run, s, query, err) < 0)
        return -1;
    struct rec_hits hits = {.rank = s->judge.rank, .gain = s->judge.gain, .n = found,
                            .ideal = run->qrels->graded ? s->judge.ideal : NULL,
                            .relevant = relevant, .list = s->number, .length = run->eval->shelf ? s->n : 0, .user = s->user,
                            .candidates = s->candidates};
    rec_eval_list(row, run->eval, &hits);
    return 0;
}

/* ---- walking a piece ---- */

static void forget(struct scratch *s)
{
    s->n = 0;
    rec_line_forget(&s->copies);
}

static inline int gather(struct scratch *s, const struct rec_line_doc *doc, struct rec_err *err)
{
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 1024;
        if (rec_realloc(&s->doc, cap, sizeof *s->doc, "ranked list", err) < 0)
            return -1;
        s->cap = cap;
    }
    s->doc[s->n++] = *doc;
    return 0;
}

/* The number of a query. Runs mostly answer queries in the order of the qrels: the one behind the last is tried first. */
static uint32_t find_query(const struct rec_hashmap *queries, const struct rec_trec_text *query, uint32_t last)
{
    uint32_t next = last == REC_HASHMAP_NONE ? 0 : last + 1;

    if (next < queries->n && (size_t)(queries->offset[next + 1] - queries->offset[next]) == query->len &&
        memcmp(queries->bytes + queries->offset[next], query->at, query->len) == 0)
        return next;
    return rec_hashmap_find(queries, query->at, query->len);
}

/* A new segment in `piece` for the query whose first line begins at `begin`. */
static int open_segment(const struct run *run, struct piece *piece, const struct rec_trec_text *query, const char *begin,
                        struct rec_err *err)
{
    uint32_t last = piece->n > 0 ? piece->segment[piece->n - 1].query : REC_HASHMAP_NONE;

    if (piece->n == piece->cap) {
        size_t cap = piece->cap ? piece->cap * 2 : 256;
        if (rec_realloc(&piece->segment, cap, sizeof *piece->segment, "run", err) < 0)
            return -1;
        piece->cap = cap;
    }
    piece->segment[piece->n++] = (struct segment){.begin = begin, .query = find_query(&run->qrels->queries, query, last)};
    return 0;
}

/* Ends the last segment; judges it unless its query may go on in another piece. */
static int close_segment(const struct run *run, struct piece *piece, struct scratch *s, const char *end, bool inside,
                         struct rec_err *err)
{
    struct segment *segment = piece->n ? &piece->segment[piece->n - 1] : NULL;
    int status = 0;

    if (!segment)
        return 0;
    segment->end = end;
    if (inside && piece->n > 1 && segment->query != REC_HASHMAP_NONE && !atomic_exchange(&run->taken[segment->query], 1)) {
        status = judge(run, s, segment->query, err);
        segment->judged = true;
    }
    forget(s);
    return status;
}

static int walk(void *context, size_t begin, size_t end, unsigned thread, struct rec_err *err)
{
    const struct run *run = context;
    const char *data = (const char *)run->in->data, *p = data + begin, *stop = data + end, *last = data + run->in->len;
    struct piece *piece = &run->piece[begin / PIECE];
    struct scratch *s = &run->scratch[thread];
    struct rec_trec_text query, current = {0};
    struct rec_line_doc doc = {0};

    // A line belongs to the piece it begins in. The header line of a CSV is no line of the run.
    if (begin > 0 ? p[-1] != '\n' : run->csv)
        p = rec_trec_next_line(p, last);
    while (p < stop) {
        const char *start = p;
        if (rec_line_read(&query, &doc, &p, run->in, run->csv, &s->copies, err) < 0)
            return -1;
        if (query.len == 0)
            continue;
        piece->lines++;
        if (query.len != current.len || memcmp(query.at, current.at, query.len) != 0) {
            if (close_segment(run, piece, s, start, true, err) < 0 || open_segment(run, piece, &query, start, err) < 0)
                return -1;
            current = query;
        }
        if (gather(s, &doc, err) < 0)
            return -1;
    }
    return close_segment(run, piece, s, p, false, err);
}

/* ---- the second look ---- */

static int by_query(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;

    if (x->query != y->query)
        return x->query < y->query ? -1 : 1;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Gathers all segments of one query again, and judges them together. */
static int judge_again(const struct run *run, const struct segment *segment, size_t n, struct rec_err *err)
{
    struct scratch *s = &run->scratch[0];
    struct rec_trec_text query;
    struct rec_line_doc doc = {0};
    int status = 0;

    for (size_t i = 0; i < n && status == 0; i++)
        for (const char *p = segment[i].begin; p < segment[i].end && status == 0;) {
            status = rec_line_read(&query, &doc, &p, run->in, run->csv, &s->copies, err);
            if (status == 0 && query.len > 0)
                status = gather(s, &doc, err);
        }
    if (status == 0)
        status = judge(run, s, segment->query, err);
    forget(s);
    return status;
}

static int count_unjudged(struct rec_run_counts *counts, const struct run *run, const struct segment *segment, size_t n,
                          struct rec_err *err)
{
    struct rec_hashmap unknown = {0};
    struct rec_trec_text query;
    struct rec_line_doc doc = {0};
    int status = 0;

    for (size_t i = 0; i < n && status == 0; i++) {
        const char *p = segment[i].begin;
        status = rec_line_read(&query, &doc, &p, run->in, run->csv, &run->scratch[0].copies, err);
        if (status == 0 && rec_hashmap_intern(&unknown, query.at, query.len) == REC_HASHMAP_NONE)
            status = rec_err_memory(err, run->in->name);
    }
    counts->unjudged = unknown.n;
    rec_hashmap_clear(&unknown);
    forget(&run->scratch[0]);
    return status;
}

/* Brings the segments of all pieces together, and judges what was left or stands in several of them. */
static int finish(struct rec_run_counts *counts, const struct run *run, size_t pieces, struct rec_err *err)
{
    struct segment *all = NULL;
    size_t n = 0;
    int status = -1;

    for (size_t i = 0; i < pieces; i++) {
        n += run->piece[i].n;
        counts->lines += run->piece[i].lines;
    }
    all = rec_malloc(n, sizeof *all, "run", err);
    if (!all)
        return -1;
    n = 0;
    for (size_t i = 0; i < pieces; i++) {
        if (run->piece[i].n > 0)
            memcpy(all + n, run->piece[i].segment, run->piece[i].n * sizeof *all);
        n += run->piece[i].n;
    }
    qsort(all, n, sizeof *all, by_query);
    for (size_t begin = 0, end; begin < n; begin = end) {
        for (end = begin + 1; end < n && all[end].query == all[begin].query;)
            end++;
        if (all[begin].query == REC_HASHMAP_NONE) {
            if (count_unjudged(counts, run, all + begin, end - begin, err) < 0)
                goto out;
        } else if ((end - begin > 1 || !all[begin].judged) && judge_again(run, all + begin, end - begin, err) < 0) {
            goto out;
        }
    }
    status = 0;
out:
    free(all);
    return status;
}

/* Before the walk: NAN where nothing is relevant, -1 for "no answer yet". */
static void prepare_values(struct rec_run_counts *counts, const struct run *run)
{
    size_t columns = run->eval->n;

    for (size_t q = 0; q < run->qrels->n; q++) {
        bool relevant = run->qrels->ptr[q + 1] > run->qrels->ptr[q];
        counts->without += !relevant;
        for (size_t c = 0; c < columns; c++)
            run->values[q * columns + c] = relevant && run->eval->column[c].k ? -1 : NAN;
    }
}

/* After it: what the run does not answer is worth 0. */
static void finish_values(struct rec_run_counts *counts, const struct run *run)
{
    size_t columns = run->eval->n;

    for (size_t q = 0; q < run->qrels->n; q++) {
        bool missing = false;
        for (size_t c = 0; c < columns; c++)
            if (run->values[q * columns + c] < 0) {
                run->values[q * columns + c] = 0;
                missing = true;
            }
        counts->missing += missing;
    }
}

static void clear_run(struct run *run, size_t pieces, unsigned threads)
{
    for (size_t i = 0; run->piece && i < pieces; i++)
        free(run->piece[i].segment);
    free(run->piece);
    for (unsigned t = 0; run->scratch && t < threads; t++) {
        forget(&run->scratch[t]);
        free(run->scratch[t].doc);
        free(run->scratch[t].number);
        free(run->scratch[t].slot);
        free(run->scratch[t].copies.copy);
        rec_judge_clear(&run->scratch[t].judge);
    }
    free(run->scratch);
    free(run->taken);
}

int rec_run_measure(double *values, struct rec_run_counts *counts, const char *path, const struct rec_qrels *qrels,
                    const struct rec_eval *eval, unsigned threads, struct rec_err *err)
{
    static const char header[] = "user,item";
    struct rec_in in = {0};
    struct run run = {.in = &in, .qrels = qrels, .eval = eval, .values = values};
    size_t pieces = 0;
    int status = -1;

    *counts = (struct rec_run_counts){0};
    if (rec_in_open(&in, path, err) < 0)
        return -1;
    run.csv = in.len >= sizeof header - 1 && memcmp(in.data, header, sizeof header - 1) == 0;
    // A quoted field may hold a line end, so that pieces of such a file could begin in the middle of a line.
    bool whole = run.csv && memchr(in.data, '"', in.len);
    pieces = in.len / PIECE + 1;
    run.piece = rec_calloc(pieces, sizeof *run.piece, "run", err);
    run.scratch = rec_calloc(threads, sizeof *run.scratch, "run", err);
    run.taken = rec_calloc(qrels->n, sizeof *run.taken, "run", err);
    if (!run.piece || !run.scratch || !run.taken)
        goto out;
    prepare_values(counts, &run);
    if (rec_pool_run(threads, in.len, whole ? in.len : PIECE, walk, &run, err) < 0 || finish(counts, &run, pieces, err) < 0)
        goto out;
    finish_values(counts, &run);
    status = 0;
out:
    clear_run(&run, pieces, threads);
    rec_in_close(&in);
    return status;
}
