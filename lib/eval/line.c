/* SPDX-License-Identifier: MIT
 *
 * One line of a run: TREC's `query Q0 document rank score tag`, or our own CSV, `user,item,...`. */
#include "trec_priv.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Most scores have at most 19 digits and no exponent. Their value is a quotient of two doubles, off by an ulp at most; where that
 * is enough to tell the nearest float it is done, and the strict reader decides the rest. Moves *p behind the score. */
static bool quick_score(float *out, const char **at, const char *end)
{
    static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
                                   1e17, 1e18, 1e19};
    const char *p = *at;
    bool negative = p < end && *p == '-';
    uint64_t digits = 0, bits;
    size_t n = 0, after = 0;
    unsigned digit;

    p += negative;
    for (; p < end && (digit = (unsigned)*p - '0') < 10; p++, n++)
        digits = digits * 10 + digit;
    if (p < end && *p == '.')
        for (p++; p < end && (digit = (unsigned)*p - '0') < 10; p++, n++, after++)
            digits = digits * 10 + digit;
    if (n == 0 || n > 19 || p >= end || (unsigned char)*p > ' ')
        return false;
    double value = (double)digits / power[after];
    memcpy(&bits, &value, sizeof bits);
    uint64_t rest = bits & 0x1fffffff, half = 0x10000000;
    if (digits >= UINT64_C(1) << 53 && rest >= half - 4 && rest <= half + 4)
        return false;
    *out = (float)(negative ? -value : value);
    *at = p;
    return true;
}

static int bad_line(const struct rec_in *in, const char *at, const char *cause, struct rec_err *err)
{
    return rec_err_set(err, "%s: line %zu: %s", in->name, rec_trec_line(in, at), cause);
}

/* A score that is not quickly read. */
static int strict_score(float *out, const struct rec_in *in, const char *start, const char **p, const char *end, struct rec_err *err)
{
    struct rec_trec_text score = rec_trec_field(p, end);
    double value;

    *out = 0;
    if (rec_num_double(&value, score.at, score.len) < 0) {
        // A line with too few fields is told so by the caller.
        const char *rest = *p;
        if (rec_trec_field(&rest, end).len == 0)
            return 0;
        return rec_err_set(err, "%s: line %zu: score '%.*s' is no number", in->name, rec_trec_line(in, start),
                           rec_trec_shown(score.len), score.at);
    }
    *out = (float)value;
    return 0;
}

/* Nearly all lines have at most 64 bytes and one blank between fields. Where the blanks are is then one word, whose bits are taken
 * off in turn, without a guess at each byte that the processor would often get wrong. */
static bool quick_line(struct rec_trec_text *query, struct rec_line_doc *doc, const char **at, const char *end)
{
#ifdef __SSE2__
    const char *p = *at;
    uint64_t blanks = 0, ends = 0, rest;
    unsigned stop[6];

    if (end - p < 64)
        return false;
    for (int i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        __m128i blank = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(' ')), bytes);
        blanks |= (uint64_t)(unsigned)_mm_movemask_epi8(blank) << 16 * i;
        ends |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'))) << 16 * i;
    }
    rest = blanks;
    for (int i = 0; i < 6; i++, rest &= rest - 1) {
        if (rest == 0)
            return false;
        stop[i] = (unsigned)__builtin_ctzll(rest);
    }
    // The sixth blank ends the line, no blank stands beside another, and none begins the line.
    if (ends == 0 || stop[5] != (unsigned)__builtin_ctzll(ends) ||
        ((blanks & (blanks << 1 | 1)) & (UINT64_MAX >> (63 - stop[5]))) != 0)
        return false;
    const char *score = p + stop[3] + 1;
    if (!quick_score(&doc->score, &score, p + stop[5]) || score != p + stop[4])
        return false;
    *query = (struct rec_trec_text){p, stop[0]};
    doc->text = (struct rec_trec_text){p + stop[1] + 1, stop[2] - stop[1] - 1};
    *at = p + stop[5] + 1;
    return true;
#else
    (void)query, (void)doc, (void)at, (void)end;
    return false;
#endif
}

static int trec_line(const struct rec_in *in, struct rec_trec_text *query, struct rec_line_doc *doc, const char **p,
                     const char *end, struct rec_err *err)
{
    const char *start = *p;

    if (quick_line(query, doc, p, end))
        return 0;
    *query = rec_trec_field(p, end);
    rec_trec_field(p, end);
    doc->text = rec_trec_field(p, end);
    struct rec_trec_text rank = rec_trec_field(p, end);
    *p += *p < end && rank.len > 0 && **p != '\n';
    if (!quick_score(&doc->score, p, end) && strict_score(&doc->score, in, start, p, end, err) < 0)
        return -1;
    struct rec_trec_text tag = rec_trec_field(p, end), more = rec_trec_field(p, end);
    *p += *p < end;
    if (query->len > 0 && (tag.len == 0 || more.len > 0))
        return bad_line(in, start, "not the six fields `query Q0 document rank score tag`", err);
    return 0;
}

/* A quoted field; doubled quotes cost a copy, which lives as long as the query. */
static int quoted_field(struct rec_line_copies *copies, struct rec_trec_text *field, const char **p, const char *end, struct rec_err *err)
{
    const char *at = *p + 1, *stop = at;
    bool doubled = false;

    for (; stop < end; stop++) {
        if (*stop != '"')
            continue;
        if (stop + 1 >= end || stop[1] != '"')
            break;
        doubled = true;
        stop++;
    }
    *field = (struct rec_trec_text){at, (size_t)(stop - at)};
    *p = stop < end ? stop + 1 : end;
    if (!doubled)
        return 0;
    char *copy = rec_malloc(field->len, 1, "quoted field", err);
    if (!copy || rec_realloc(&copies->copy, copies->n + 1, sizeof *copies->copy, "quoted field", err) < 0) {
        free(copy);
        return -1;
    }
    copies->copy[copies->n++] = copy;
    field->len = 0;
    for (; at < stop; at += *at == '"' ? 2 : 1)
        copy[field->len++] = *at;
    field->at = copy;
    return 0;
}

static int csv_field(struct rec_line_copies *copies, struct rec_trec_text *field, const char **p, const char *end, struct rec_err *err)
{
    if (*p < end && **p == '"')
        return quoted_field(copies, field, p, end, err);
    const char *at = *p, *stop = at;
    while (stop < end && *stop != ',' && *stop != '\n' && *stop != '\r')
        stop++;
    *field = (struct rec_trec_text){at, (size_t)(stop - at)};
    *p = stop;
    return 0;
}

/* `user,item,...`: what follows the item is not read, the order of lines is the ranking. */
static int csv_line(const struct rec_in *in, struct rec_line_copies *copies, struct rec_trec_text *query, struct rec_line_doc *doc, const char **p,
                    const char *end, struct rec_err *err)
{
    const char *start = *p;

    if (csv_field(copies, query, p, end, err) < 0)
        return -1;
    if (query->len > 0 && (*p >= end || *(*p)++ != ','))
        return bad_line(in, start, "not the fields `user,item,...`", err);
    if (query->len > 0 && csv_field(copies, &doc->text, p, end, err) < 0)
        return -1;
    if (query->len > 0 && doc->text.len == 0)
        return bad_line(in, start, "no item", err);
    doc->score = 0;
    // The rest may hold titles with line breaks in quotes.
    for (bool quoted = false; *p < end && (quoted || **p != '\n'); (*p)++)
        quoted ^= **p == '"';
    *p += *p < end;
    return 0;
}

int rec_line_read(struct rec_trec_text *query, struct rec_line_doc *doc, const char **p, const struct rec_in *in, bool csv,
                  struct rec_line_copies *copies, struct rec_err *err)
{
    const char *end = (const char *)in->data + in->len;

    return csv ? csv_line(in, copies, query, doc, p, end, err) : trec_line(in, query, doc, p, end, err);
}

void rec_line_forget(struct rec_line_copies *copies)
{
    for (size_t i = 0; i < copies->n; i++)
        free(copies->copy[i]);
    copies->n = 0;
}
