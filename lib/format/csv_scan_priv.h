/* SPDX-License-Identifier: MIT
 *
 * The scanner of plain records, once for each instruction set: the file that includes this defines `masks`, which compares the 64
 * bytes at p, and SCAN, the function's name.
 */
#ifndef REC_CSV_SCAN_PRIV_H
#define REC_CSV_SCAN_PRIV_H

#include <rec/format.h>

/** What to look for in text[0 .. len); len is a multiple of 64, and 32 bytes behind it may be read. */
struct csv_scan {
    const char *text;
    size_t len, n_fields;
    unsigned delimiter_len; /* 1, or 2 of the same byte */
    char delimiter, quote;
};

/** One bit for each of 64 bytes. */
struct csv_masks {
    uint64_t delimiter, newline, space;
    uint64_t odd; /* quotes and control characters, but for delimiters and newlines */
};

typedef size_t csv_scan_fn(const struct csv_scan *s, uint32_t *end);
csv_scan_fn rec_csv_scan_base, rec_csv_scan_avx2;

#endif

#ifdef SCAN

/* Of a run of two delimiter bytes the first; `odd` when there are three. Looks two bytes ahead. */
static inline uint64_t pairs(const struct csv_scan *s, const char *p, uint64_t d, uint64_t *odd)
{
    uint64_t second = d >> 1 | (uint64_t)(p[64] == s->delimiter) << 63;
    uint64_t third = d >> 2 | (uint64_t)(p[64] == s->delimiter) << 62 |
                     (uint64_t)(p[64] == s->delimiter && p[65] == s->delimiter) << 63;

    *odd |= d & second & third;
    return d & second;
}

/* A CR is odd unless a newline follows. */
static inline uint64_t line_ending_crs(const char *p, uint64_t odd, uint64_t newline)
{
    uint64_t crs = 0;

    for (; odd; odd &= odd - 1) {
        unsigned at = (unsigned)__builtin_ctzll(odd);
        if (p[at] != '\r')
            break;
        crs |= UINT64_C(1) << at;
    }
    return crs & (newline >> 1 | (uint64_t)(p[64] == '\n') << 63);
}

/* Appends the places of the bits. Twelve at a time without asking: a guess at every bit would cost more than the work. */
static inline uint32_t *list_bits(uint32_t *out, uint64_t bits, uint32_t base)
{
    uint32_t *next = out + __builtin_popcountll(bits);

    for (; bits; out += 12)
        for (unsigned i = 0; i < 12; i++) {
            out[i] = base + (bits ? (uint32_t)__builtin_ctzll(bits) : 0);
            bits &= bits - 1;
        }
    return next;
}

/* How many of the records listed have n_fields fields. */
static size_t count_good(const struct csv_scan *s, const uint32_t *end, size_t n, size_t newlines)
{
    size_t rows = n / s->n_fields, good = 0;
    bool fine = newlines == rows;

    for (size_t i = 0; i < rows; i++)
        fine &= s->text[end[(i + 1) * s->n_fields]] == '\n';
    if (fine)
        return rows;
    for (const uint32_t *e = end + 1; good < rows; good++, e += s->n_fields) {
        for (size_t j = 0; j < s->n_fields; j++)
            if ((s->text[e[j]] == '\n') != (j + 1 == s->n_fields))
                return good;
    }
    return good;
}

size_t SCAN(const struct csv_scan *s, uint32_t *end)
{
    const unsigned two = s->delimiter_len;
    uint64_t lead = 1, space = 0, stop = 0; /* places where a record or field begins; the byte before the block is a blank */
    size_t newlines = 0;
    uint32_t *out = end + 1;

    for (size_t at = 0; at < s->len && !stop; at += 64) {
        const char *p = s->text + at;
        struct csv_masks m = masks(s, p);
        uint64_t crs = 0;
        if (two == 2)
            m.delimiter = pairs(s, p, m.delimiter, &m.odd);
        if (m.odd)
            m.odd &= ~(crs = line_ending_crs(p, m.odd, m.newline));
        uint64_t separators = m.delimiter | m.newline, edges = separators | crs;
        lead |= m.delimiter << two | m.newline << 1;
        stop = m.odd | (m.space & (lead | edges >> 1)) | (space & edges);
        lead = m.delimiter >> (64 - two) | m.newline >> 63;
        space = m.space >> 63;
        /* Nothing from the first odd byte on. */
        separators &= (stop & -stop) - 1;
        newlines += (size_t)__builtin_popcountll(separators & m.newline);
        out = list_bits(out, separators, (uint32_t)at);
    }
    return count_good(s, end, (size_t)(out - (end + 1)), newlines);
}

#endif
