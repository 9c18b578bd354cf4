/* SPDX-License-Identifier: MIT
 *
 * Plain records by blocks of 64 bytes: comparisons give bit masks of delimiters, line ends and odd bytes, and the set bits are listed
 * (Langdale and Lemire 2019, "Parsing gigabytes of JSON per second"). It stops at the first odd byte, so it never needs to know
 * about quotes. This file holds the version for any CPU and the choice between the versions.
 */
#include "csv_scan_priv.h"

#ifdef __SSE2__

#include <emmintrin.h>

static inline struct csv_masks masks(const struct csv_scan *s, const char *p)
{
    const __m128i delimiter = _mm_set1_epi8(s->delimiter), quote = _mm_set1_epi8(s->quote), newline = _mm_set1_epi8('\n');
    const __m128i low = _mm_set1_epi8(0x1f), blank = _mm_set1_epi8(' ');
    struct csv_masks m = {0};

    for (unsigned i = 0; i < 64; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i d = _mm_cmpeq_epi8(v, delimiter), n = _mm_cmpeq_epi8(v, newline);
        __m128i control = _mm_cmpeq_epi8(_mm_max_epu8(v, low), low);
        __m128i odd = _mm_or_si128(_mm_andnot_si128(_mm_or_si128(d, n), control), _mm_cmpeq_epi8(v, quote));
        m.delimiter |= (uint64_t)(unsigned)_mm_movemask_epi8(d) << i;
        m.newline |= (uint64_t)(unsigned)_mm_movemask_epi8(n) << i;
        m.space |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, blank)) << i;
        m.odd |= (uint64_t)(unsigned)_mm_movemask_epi8(odd) << i;
    }
    return m;
}

#else

static inline struct csv_masks masks(const struct csv_scan *s, const char *p)
{
    struct csv_masks m = {0};

    for (unsigned i = 0; i < 64; i++) {
        m.delimiter |= (uint64_t)(p[i] == s->delimiter) << i;
        m.newline |= (uint64_t)(p[i] == '\n') << i;
        m.space |= (uint64_t)(p[i] == ' ') << i;
        m.odd |= (uint64_t)(p[i] == s->quote || (unsigned char)p[i] < 0x20) << i;
    }
    m.odd &= ~(m.delimiter | m.newline);
    return m;
}

#endif

#define SCAN rec_csv_scan_base
#include "csv_scan_priv.h"

static csv_scan_fn *choose(void)
{
#ifdef __x86_64__
    if (rec_cpu_features() & REC_CPU_AVX2)
        return rec_csv_scan_avx2;
#endif
    return rec_csv_scan_base;
}

size_t rec_csv_scan(struct rec_csv *csv, const char **text, uint32_t *end, size_t n_fields)
{
    const struct rec_csv_dialect *d = &csv->dialect;
    struct csv_scan s = {.text = csv->at, .n_fields = n_fields, .delimiter_len = (unsigned)d->delimiter_len,
                         .delimiter = d->delimiter[0], .quote = '"'};
    size_t ahead = (size_t)(csv->end - csv->at), rows;

    *text = csv->at;
    end[0] = UINT32_MAX;
    if (d->libcsv || csv->skipping || csv->at >= csv->stop || ahead < 96 || n_fields < 2 ||
        !(d->delimiter_len == 1 || (d->delimiter_len == 2 && d->delimiter[0] == d->delimiter[1])))
        return 0;
    if (!d->quotes)
        s.quote = 1; /* a control character, odd as it is */
    s.len = ahead - 32 < (size_t)(csv->stop - csv->at) ? ahead - 32 : (size_t)(csv->stop - csv->at);
    s.len = (s.len < 8192 ? s.len : 8192) & ~(size_t)63;
    rows = choose()(&s, end);
    if (rows) {
        csv->at += end[rows * n_fields] + 1;
        csv->next_line += rows;
    }
    return rows;
}
