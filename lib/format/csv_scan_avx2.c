/* SPDX-License-Identifier: MIT
 *
 * csv_scan.c for CPUs with AVX2.
 */
#include "csv_scan_priv.h"

#ifdef __AVX2__

#include <immintrin.h>

static inline struct csv_masks masks(const struct csv_scan *s, const char *p)
{
    const __m256i delimiter = _mm256_set1_epi8(s->delimiter), quote = _mm256_set1_epi8(s->quote), newline = _mm256_set1_epi8('\n');
    const __m256i low = _mm256_set1_epi8(0x1f), blank = _mm256_set1_epi8(' ');
    struct csv_masks m = {0};

    for (unsigned i = 0; i < 64; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
        __m256i d = _mm256_cmpeq_epi8(v, delimiter), n = _mm256_cmpeq_epi8(v, newline);
        __m256i control = _mm256_cmpeq_epi8(_mm256_max_epu8(v, low), low);
        __m256i odd = _mm256_or_si256(_mm256_andnot_si256(_mm256_or_si256(d, n), control), _mm256_cmpeq_epi8(v, quote));
        m.delimiter |= (uint64_t)(unsigned)_mm256_movemask_epi8(d) << i;
        m.newline |= (uint64_t)(unsigned)_mm256_movemask_epi8(n) << i;
        m.space |= (uint64_t)(unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, blank)) << i;
        m.odd |= (uint64_t)(unsigned)_mm256_movemask_epi8(odd) << i;
    }
    return m;
}

#define SCAN rec_csv_scan_avx2
#include "csv_scan_priv.h"

#endif
