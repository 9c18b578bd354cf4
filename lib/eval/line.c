/* SPDX-License-Identifier: MIT
 *
 * One line of a run: TREC's `query Q0 document rank score tag`, or our own CSV, `user,item,...`. */
#include "trec_priv.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* The number that the last n (0 to 8) of the 8 bytes before `end` spell; *odd becomes non-zero when they are not all digits. Eight
 * digits at once, by three multiplications, as in Lemire's fast_float; no step depends on n being known. */
static inline uint64_t last_digits(const char *end, size_t n, uint64_t *odd)
{
    const uint64_t zeros = UINT64_C(0x3030303030303030), high = UINT64_C(0xf0f0f0f0f0f0f0f0);
    unsigned half = 4 * (8 - (unsigned)n);
    uint64_t others = (UINT64_C(1) << half << half) - 1, w;

    memcpy(&w, end - 8, 8);
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    w = (w & ~others) | (zeros & others);
    *odd |= ((w & high) | ((w + UINT64_C(0x0606060606060606)) & high) >> 4) ^ UINT64_C(0x3333333333333333);
    w -= zeros;
    w = w * 10 + (w >> 8);
    return ((w & UINT64_C(0xff000000ff)) * UINT64_C(0xf424000000064) +
            (w >> 16 & UINT64_C(0xff000000ff)) * UINT64_C(0x271000000001)) >> 32 & UINT64_C(0xffffffff);
}

/* Most scores have at most 19 digits, no more than 16 of them behind the point, and no exponent. Their value is a product of two
 * doubles, off by two ulps at most; where that is enough to tell the nearest float it is done, and the strict reader decides the rest.
 * The 16 bytes before `end` must be readable. */
static inline bool quick_score(float *out, const char *p, const char *end)
{
    static const double tenth[] = {1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14,
                                   1e-15, 1e-16};
    static const uint32_t ten[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    bool negative = *p == '-';
    uint64_t digits = 0, odd = 0, bits;
    unsigned digit;

    p += negative;
    const char *whole = p;
    for (; p < end && (digit = (unsigned)(unsigned char)*p - '0') < 10; p++)
        digits = digits * 10 + digit;
    size_t n = (size_t)(p - whole), after = p < end ? (size_t)(end - p) - 1 : 0;
    if (n == 0 || n > 8 || after > 16 || n + after > 19 || (p < end && *p != '.'))
        return false;
    size_t last = after < 8 ? after : 8;
    digits = digits * ten[after - last] + last_digits(end - 8, after - last, &odd);
    digits = digits * ten[last] + last_digits(end, last, &odd);
    if (odd)
        return false;
    double value = (double)digits * tenth[after];
    memcpy(&bits, &value, sizeof bits);
    uint64_t rest = bits & 0x1fffffff, half = 0x10000000;
    if (rest >= half - 4 && rest <= half + 4)
        return false;
    *out = (float)(negative ? -value : value);
    return true;
}

static int bad_line(const struct rec_in *in, const char *at, const char *cause, struct rec_err *err)
{
    return rec_err_set(err, "%s: line %zu: %s", in->name, rec_trec_line(in, at), cause);
}

/* Nearly all lines have at most 64 bytes and one blank between fields. Where the blanks are is then one word, whose bits are taken
 * off in turn, without a guess at each byte that the processor would often get wrong. */
static bool quick_line(struct rec_trec_text *query, struct rec_line_doc *doc, const char **at, const struct rec_in *in)
{
#ifdef __SSE2__
    const char *p = *at, *begin = (const char *)in->data;
    uint64_t blanks = 0, ends = 0;

    // Scores are read with the 16 bytes before their end, lines by 64 bytes.
    if (p - begin < 16 || begin + in->len - p < 64)
        return false;
    for (int i = 0; i < 4; i++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
        __m128i blank = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(' ')), bytes);
        blanks |= (uint64_t)(unsigned)_mm_movemask_epi8(blank) << 16 * i;
        ends |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\n'))) << 16 * i;
    }
    uint64_t after1 = blanks & (blanks - 1), after2 = after1 & (after1 - 1), after3 = after2 & (after2 - 1);
    uint64_t after4 = after3 & (after3 - 1), after5 = after4 & (after4 - 1);
    // The sixth blank ends the line, no blank stands beside another, and none begins the line.
    if (after5 == 0 || (after5 & -after5) != (ends & -ends) || ((blanks & (blanks << 1 | 1)) & ((ends & -ends) * 2 - 1)) != 0)
        return false;
    const char *second = p + __builtin_ctzll(after1), *third = p + __builtin_ctzll(after2);
    if (!quick_score(&doc->score, p + __builtin_ctzll(after3) + 1, p + __builtin_ctzll(after4)))
        return false;
    *query = (struct rec_trec_text){p, (size_t)__builtin_ctzll(blanks)};
    doc->text = (struct rec_trec_text){second + 1, (size_t)(third - second) - 1};
    *at = p + __builtin_ctzll(after5) + 1;
    return true;
#else
    (void)query, (void)doc, (void)at, (void)in;
    return false;
#endif
}

static int trec_line(const struct rec_in *in, struct rec_trec_text *query, struct rec_line_doc *doc, const char **p,
                     const char *end, struct rec_err *err)
{
    const char *start = *p;
    double value;

    if (quick_line(query, doc, p, in))
        return 0;
    *query = rec_trec_field(p, end);
    rec_trec_field(p, end);
    doc->text = rec_trec_field(p, end);
    rec_trec_field(p, end);
    struct rec_trec_text score = rec_trec_field(p, end), tag = rec_trec_field(p, end), more = rec_trec_field(p, end);
    *p += *p < end;
    if (query->len == 0)
        return 0;
    if (tag.len == 0 || more.len > 0)
        return bad_line(in, start, "not the six fields `query Q0 document rank score tag`", err);
    if (score.at + score.len - (const char *)in->data >= 16 && quick_score(&doc->score, score.at, score.at + score.len))
        return 0;
    if (rec_num_double(&value, score.at, score.len) < 0)
        return rec_err_set(err, "%s: line %zu: score '%.*s' is no number", in->name, rec_trec_line(in, start),
                           rec_trec_shown(score.len), score.at);
    doc->score = (float)value;
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
