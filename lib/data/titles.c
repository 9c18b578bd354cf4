/* SPDX-License-Identifier: MIT
 *
 * Words of titles and their TF-IDF weights (Salton and Buckley 1988; smoothed and normalized as scikit-learn does).
 *
 * Titles are cut into words once, kept as numbers; then each word's number of titles is known, rare and common ones
 * are dropped, and the rows are made of what is left.
 */
#include <math.h>

#include <rec/data.h>

static const char *const stop_words[] = {
    "a", "an", "and", "at", "by", "das", "de", "del", "der", "des", "die", "du", "el", "for", "from", "i", "il", "in",
    "is", "la", "las", "le", "les", "lo", "los", "no", "of", "on", "or", "part", "the", "to", "und", "vs", "with", "y",
};

struct words {
    struct rec_hashmap map;   /* all words that were met */
    struct rec_buf word;      /* the one being read */
    int64_t *ptr;             /* [items of the catalogue + 1] */
    uint32_t *number;         /* words of all titles, one after another */
    size_t n, cap;
    uint32_t *df;             /* [map.n] */
};

/* ---- characters ---- */

/* The next character of well-formed UTF-8. */
static uint32_t next(const char *text, size_t len, size_t *at)
{
    unsigned char c = (unsigned char)text[(*at)++];
    uint32_t v = c < 0x80 ? c : c < 0xe0 ? c & 0x1f : c < 0xf0 ? c & 0x0f : c & 0x07;

    while (c >= 0x80 && *at < len && ((unsigned char)text[*at] & 0xc0) == 0x80)
        v = v << 6 | ((unsigned char)text[(*at)++] & 0x3f);
    return v;
}

static bool apostrophe(uint32_t c)
{
    return c == '\'' || c == 0x2019 || c == 0x02bc;
}

/* Letters and digits of ASCII; of the rest, all but signs, punctuation and blanks. */
static bool letter(uint32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return c >= 0xc0 && c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c <= 0x2bff) && !(c >= 0x3000 && c <= 0x3004) &&
           !(c >= 0x3008 && c <= 0x3020) && c != 0x30fb && !(c >= 0xfe30 && c <= 0xfe6f) &&
           !(c >= 0xff00 && c <= 0xff0f);
}

/* The small letter: ASCII, Latin-1, Latin Extended-A, Greek, Cyrillic, Armenian. */
static uint32_t small(uint32_t c)
{
    if ((c >= 'A' && c <= 'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
        (c >= 0x410 && c <= 0x42f))
        return c + 0x20;
    if (c >= 0x400 && c <= 0x40f)
        return c + 0x50;
    if (c >= 0x531 && c <= 0x556)
        return c + 0x30;
    if (c == 0x178)
        return 0xff;
    if ((c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14a && c <= 0x177))
        return c | 1;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e))
        return c + (c & 1);
    return c;
}

static void add_utf8(struct rec_buf *out, uint32_t c)
{
    if (c < 0x80) {
        rec_buf_addc(out, (char)c);
        return;
    }
    if (c >= 0x10000)
        rec_buf_addc(out, (char)(0xf0 | c >> 18));
    if (c >= 0x800)
        rec_buf_addc(out, (char)(c >= 0x10000 ? 0x80 | (c >> 12 & 0x3f) : 0xe0 | c >> 12));
    rec_buf_addc(out, (char)(c >= 0x800 ? 0x80 | (c >> 6 & 0x3f) : 0xc0 | c >> 6));
    rec_buf_addc(out, (char)(0x80 | (c & 0x3f)));
}

/* ---- words ---- */

static bool says_nothing(const struct rec_buf *word)
{
    for (size_t i = 0; i < REC_LENGTH(stop_words); i++)
        if (strcmp(stop_words[i], word->data) == 0)
            return true;
    return false;
}

/* Ends the present word: notes it unless it is of one ASCII letter or says nothing. */
static int end_word(struct words *w, const struct rec_titles_options *o, struct rec_err *err)
{
    uint32_t number;

    if (w->word.failed)
        return rec_err_memory(err, "words of titles");
    if (w->word.len < 2 || (o->stop_words && says_nothing(&w->word))) {
        rec_buf_reset(&w->word);
        return 0;
    }
    number = rec_hashmap_intern(&w->map, w->word.data, w->word.len);
    rec_buf_reset(&w->word);
    if (number == REC_HASHMAP_NONE)
        return rec_err_memory(err, "words of titles");
    if (w->n == w->cap) {
        size_t cap = w->cap ? w->cap * 2 : 4096;

        if (rec_realloc(&w->number, cap, sizeof *w->number, "words of titles", err) < 0)
            return -1;
        w->cap = cap;
    }
    w->number[w->n++] = number;
    return 0;
}

/* The length of the title without a year in parentheses at its end. */
static size_t without_year(const char *title, size_t len)
{
    if (len < 6 || title[len - 1] != ')' || title[len - 6] != '(')
        return len;
    for (size_t i = len - 5; i < len - 1; i++)
        if (title[i] < '0' || title[i] > '9')
            return len;
    return len - 6;
}

static int read_title(struct words *w, const char *title, size_t len, const struct rec_titles_options *o,
                      struct rec_err *err)
{
    size_t at = 0;

    len = without_year(title, len);
    while (at < len) {
        uint32_t c = next(title, len, &at);

        if (letter(c))
            add_utf8(&w->word, small(c));
        else if (!apostrophe(c) && end_word(w, o, err) < 0)
            return -1;
    }
    return end_word(w, o, err);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

/* All titles into numbers, sorted within each; then the number of titles that have each word. */
static int read_titles(struct words *w, const struct rec_catalogue *c, const struct rec_titles_options *o,
                       struct rec_err *err)
{
    if (!(w->ptr = rec_calloc(c->n + 1, sizeof *w->ptr, "words of titles", err)))
        return -1;
    for (size_t i = 0; i < c->n; i++) {
        size_t len, from = w->n;
        const char *title = rec_catalogue_title(c, i, &len);

        if (read_title(w, title, len, o, err) < 0)
            return -1;
        w->ptr[i + 1] = (int64_t)w->n;
        if (w->n > from)
            qsort(w->number + from, w->n - from, sizeof *w->number, by_number);
    }
    if (!(w->df = rec_calloc(w->map.n, sizeof *w->df, "words of titles", err)))
        return -1;
    for (size_t i = 0; i < c->n; i++)
        for (int64_t p = w->ptr[i]; p < w->ptr[i + 1]; p++)
            w->df[w->number[p]] += p == w->ptr[i] || w->number[p] != w->number[p - 1];
    return 0;
}

/* ---- terms: the words that are kept ---- */

static const int32_t dropped = -1;

/* term[k] = the number among the terms of word k, or -1. */
static int choose_terms(struct rec_titles *out, int32_t *term, const struct words *w, size_t titles,
                        const struct rec_titles_options *o, struct rec_err *err)
{
    struct rec_hashmap kept = {0};
    uint32_t *rank = rec_malloc(w->map.n, sizeof *rank, "words of titles", err), n = 0;
    int rc = -1;

    if (!rank)
        return -1;
    for (uint32_t k = 0; k < w->map.n; k++) {
        term[k] = dropped;
        if (w->df[k] < o->min_df || (double)w->df[k] > o->max_df * (double)titles)
            continue;
        term[k] = 0;
        if (rec_hashmap_intern(&kept, w->map.bytes + w->map.offset[k],
                               (size_t)(w->map.offset[k + 1] - w->map.offset[k])) ==
            REC_HASHMAP_NONE) {
            rec_err_memory(err, "words of titles");
            goto out;
        }
    }
    if (rec_ids_from_map(&out->terms, &kept, rank, err) < 0 ||
        !(out->idf = rec_malloc(out->terms.n, sizeof *out->idf, "words of titles", err)))
        goto out;
    for (uint32_t k = 0; k < w->map.n; k++) {
        if (term[k] == dropped)
            continue;
        term[k] = (int32_t)rank[n++];
        out->idf[term[k]] = (float)(log((1 + (double)titles) / (1 + (double)w->df[k])) + 1);
    }
    rc = 0;
out:
    rec_hashmap_clear(&kept);
    free(rank);
    return rc;
}

/* The terms of one title, counted, weighted, to row[0 ..]; returns how many. */
static size_t make_row(int32_t *row, float *weight, const struct words *w, size_t title, const int32_t *term,
                       const float *idf)
{
    size_t n = 0;
    double squares = 0;

    for (int64_t p = w->ptr[title]; p < w->ptr[title + 1]; p++) {
        int32_t t = term[w->number[p]];
        size_t k;

        if (t == dropped)
            continue;
        for (k = n; k > 0 && row[k - 1] > t; k--)
            ;
        if (k > 0 && row[k - 1] == t) {
            weight[k - 1] += idf[t];
            continue;
        }
        memmove(row + k + 1, row + k, (n - k) * sizeof *row);
        memmove(weight + k + 1, weight + k, (n - k) * sizeof *weight);
        row[k] = t;
        weight[k] = idf[t];
        n++;
    }
    for (size_t k = 0; k < n; k++)
        squares += (double)weight[k] * weight[k];
    for (size_t k = 0; k < n; k++)
        weight[k] = (float)(weight[k] / sqrt(squares));
    return n;
}

static int make_rows(struct rec_titles *out, const struct words *w, const int32_t *term, const int32_t *place,
                     size_t titles, size_t n, struct rec_err *err)
{
    size_t nnz = 0;
    int32_t *title_at = rec_malloc(n, sizeof *title_at, "words of titles", err);

    out->ptr = rec_calloc(n + 1, sizeof *out->ptr, "words of titles", err);
    out->term = rec_malloc(w->n, sizeof *out->term, "words of titles", err);
    out->weight = rec_malloc(w->n, sizeof *out->weight, "words of titles", err);
    if (!title_at || !out->ptr || !out->term || !out->weight) {
        free(title_at);
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        title_at[i] = -1;
    for (size_t i = 0; i < titles; i++)
        title_at[place[i]] = (int32_t)i;
    for (size_t i = 0; i < n; i++) {
        if (title_at[i] >= 0)
            nnz += make_row(out->term + nnz, out->weight + nnz, w, (size_t)title_at[i], term, out->idf);
        out->ptr[i + 1] = (int64_t)nnz;
    }
    free(title_at);
    return 0;
}

int rec_titles_build(struct rec_titles *out, const struct rec_catalogue *c, const int32_t *place, size_t n,
                     const struct rec_titles_options *o, struct rec_err *err)
{
    struct words w = {.n = 0};
    int32_t *term = NULL;
    int rc = -1;

    *out = (struct rec_titles){.idf = NULL};
    if (read_titles(&w, c, o, err) < 0 || !(term = rec_malloc(w.map.n, sizeof *term, "words of titles", err)) ||
        choose_terms(out, term, &w, c->n, o, err) < 0 || make_rows(out, &w, term, place, c->n, n, err) < 0)
        goto out;
    rc = 0;
out:
    free(term);
    free(w.ptr);
    free(w.number);
    free(w.df);
    rec_buf_clear(&w.word);
    rec_hashmap_clear(&w.map);
    if (rc < 0)
        rec_titles_clear(out);
    return rc;
}

void rec_titles_clear(struct rec_titles *titles)
{
    rec_ids_clear(&titles->terms);
    free(titles->idf);
    free(titles->ptr);
    free(titles->term);
    free(titles->weight);
    *titles = (struct rec_titles){.idf = NULL};
}
