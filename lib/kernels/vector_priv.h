/* SPDX-License-Identifier: MIT
 *
 * The vocabulary of vectors that the kernels are written in. Each set_*.c compiles the same kernels with its own
 * meaning of these words:
 *
 *      vf       VW floats                         load, store       any alignment
 *      loadn    n < VW floats, then zeros         storen            the first n lanes
 *      madd     a * b + c     nmadd c - a * b     lane(v, i)        lane i in every lane
 *      above    the lanes after i, else 0         join(a, b, i)     lanes before i of a, the rest of b
 *      gt       one bit per lane                  max               b where either is NaN
 *      sum      of all lanes                      sums              lane i is the sum of v[i]
 *      transpose: VW x VW floats, memory to memory
 *
 * A register tile (tile_priv.h) is MR rows of NV vectors: as many accumulators as leave room for their operands.
 * Where HW is less than VW, a triangle's edge is made with half vectors, hf, and the words end in h.
 */
#ifndef REC_VECTOR_PRIV_H
#define REC_VECTOR_PRIV_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline, unused))

/* Loops over registers must be unrolled, or the registers become memory. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(__AVX512F__)

#include <immintrin.h>

enum { VW = 16, HW = 8, MR = 8, NV = 3 };
typedef __m512 vf;

INLINE vf load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void store(float *p, vf v) { _mm512_storeu_ps(p, v); }
INLINE __mmask16 first(size_t n) { return (__mmask16)((1u << n) - 1); }
INLINE vf loadn(const float *p, size_t n) { return _mm512_maskz_loadu_ps(first(n), p); }
INLINE void storen(float *p, vf v, size_t n) { _mm512_mask_storeu_ps(p, first(n), v); }
INLINE vf set1(float x) { return _mm512_set1_ps(x); }
INLINE vf add(vf a, vf b) { return _mm512_add_ps(a, b); }
INLINE vf sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
INLINE vf mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
INLINE vf quot(vf a, vf b) { return _mm512_div_ps(a, b); }
INLINE vf max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf root(vf a) { return _mm512_sqrt_ps(a); }
INLINE vf madd(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
INLINE vf nmadd(vf a, vf b, vf c) { return _mm512_fnmadd_ps(a, b, c); }
INLINE vf lane(vf v, int i) { return _mm512_permutexvar_ps(_mm512_set1_epi32(i), v); }
INLINE vf above(vf v, int i) { return _mm512_maskz_mov_ps((__mmask16)(0xfffeu << i), v); }
INLINE vf join(vf a, vf b, int i) { return _mm512_mask_mov_ps(b, first((size_t)i), a); }
INLINE unsigned gt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }

typedef __m256 hf;

INLINE hf loadh(const float *p) { return _mm256_loadu_ps(p); }
INLINE void storeh(float *p, hf v) { _mm256_storeu_ps(p, v); }
INLINE hf set1h(float x) { return _mm256_set1_ps(x); }
INLINE hf maddh(hf a, hf b, hf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE hf nmaddh(hf a, hf b, hf c) { return _mm256_fnmadd_ps(a, b, c); }

/* Of four vectors, one: in each quarter, the four sums of that quarter. */
INLINE vf sums4(const vf v[4])
{
    vf a = add(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
    vf b = add(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
    return add(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
}

INLINE vf halves(vf a, vf b)
{
    return add(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

INLINE vf sums(const vf v[16])
{
    return halves(halves(sums4(v), sums4(v + 4)), halves(sums4(v + 8), sums4(v + 12)));
}

INLINE float sum(vf v)
{
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* Four columns' worth of rows i, i + 4, i + 8, i + 12, one in each quarter. */
INLINE vf quarters(const float *p, size_t ld)
{
    vf v = _mm512_castps128_ps512(_mm_loadu_ps(p));
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 4 * ld), 1);
    v = _mm512_insertf32x4(v, _mm_loadu_ps(p + 8 * ld), 2);
    return _mm512_insertf32x4(v, _mm_loadu_ps(p + 12 * ld), 3);
}

INLINE void transpose(float *dst, size_t ldd, const float *src, size_t lds)
{
    UNROLL
    for (int i = 0; i < 16; i += 4) {
        vf r0 = quarters(src + i, lds), r1 = quarters(src + lds + i, lds);
        vf r2 = quarters(src + 2 * lds + i, lds), r3 = quarters(src + 3 * lds + i, lds);
        vf a = _mm512_unpacklo_ps(r0, r1), b = _mm512_unpackhi_ps(r0, r1);
        vf c = _mm512_unpacklo_ps(r2, r3), d = _mm512_unpackhi_ps(r2, r3);
        store(dst + (size_t)i * ldd, _mm512_shuffle_ps(a, c, 0x44));
        store(dst + (size_t)(i + 1) * ldd, _mm512_shuffle_ps(a, c, 0xee));
        store(dst + (size_t)(i + 2) * ldd, _mm512_shuffle_ps(b, d, 0x44));
        store(dst + (size_t)(i + 3) * ldd, _mm512_shuffle_ps(b, d, 0xee));
    }
}

#elif defined(__AVX2__)

#include <immintrin.h>

enum { VW = 8, HW = VW, MR = 4, NV = 3 };
typedef __m256 vf;

/* Eight set words, then eight clear: read from 8 - n for the first n lanes. */
static const int32_t ones_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

INLINE __m256i first(size_t n) { return _mm256_loadu_si256((const __m256i *)(ones_zeros + 8 - n)); }
INLINE vf load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void store(float *p, vf v) { _mm256_storeu_ps(p, v); }
INLINE vf loadn(const float *p, size_t n) { return _mm256_maskload_ps(p, first(n)); }
INLINE void storen(float *p, vf v, size_t n) { _mm256_maskstore_ps(p, first(n), v); }
INLINE vf set1(float x) { return _mm256_set1_ps(x); }
INLINE vf add(vf a, vf b) { return _mm256_add_ps(a, b); }
INLINE vf sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
INLINE vf mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
INLINE vf quot(vf a, vf b) { return _mm256_div_ps(a, b); }
INLINE vf max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf root(vf a) { return _mm256_sqrt_ps(a); }
INLINE vf madd(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf nmadd(vf a, vf b, vf c) { return _mm256_fnmadd_ps(a, b, c); }
INLINE vf lane(vf v, int i) { return _mm256_permutevar8x32_ps(v, _mm256_set1_epi32(i)); }
INLINE vf above(vf v, int i) { return _mm256_andnot_ps(_mm256_castsi256_ps(first((size_t)i + 1)), v); }
INLINE vf join(vf a, vf b, int i)
{
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(first((size_t)i)));
}

INLINE unsigned gt(vf a, vf b) { return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)); }

/* Of four vectors, one: in each half, the four sums of that half. */
INLINE vf sums4(const vf v[4])
{
    vf a = add(_mm256_unpacklo_ps(v[0], v[1]), _mm256_unpackhi_ps(v[0], v[1]));
    vf b = add(_mm256_unpacklo_ps(v[2], v[3]), _mm256_unpackhi_ps(v[2], v[3]));
    return add(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
}

INLINE vf sums(const vf v[8])
{
    vf a = sums4(v), b = sums4(v + 4);
    return add(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
}

INLINE float sum(vf v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* Four columns' worth of rows i and i + 4, one in each half. */
INLINE vf halves(const float *p, size_t ld)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * ld), 1);
}

INLINE void transpose(float *dst, size_t ldd, const float *src, size_t lds)
{
    UNROLL
    for (int i = 0; i < 8; i += 4) {
        vf r0 = halves(src + i, lds), r1 = halves(src + lds + i, lds);
        vf r2 = halves(src + 2 * lds + i, lds), r3 = halves(src + 3 * lds + i, lds);
        vf a = _mm256_unpacklo_ps(r0, r1), b = _mm256_unpackhi_ps(r0, r1);
        vf c = _mm256_unpacklo_ps(r2, r3), d = _mm256_unpackhi_ps(r2, r3);
        store(dst + (size_t)i * ldd, _mm256_shuffle_ps(a, c, 0x44));
        store(dst + (size_t)(i + 1) * ldd, _mm256_shuffle_ps(a, c, 0xee));
        store(dst + (size_t)(i + 2) * ldd, _mm256_shuffle_ps(b, d, 0x44));
        store(dst + (size_t)(i + 3) * ldd, _mm256_shuffle_ps(b, d, 0xee));
    }
}

#else

/* Four lanes by the compiler's vector extension: what SSE2, NEON and their kind have; elsewhere scalars. */
enum { VW = 4, HW = VW, MR = 4, NV = 2 };
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));

INLINE vf load(const float *p)
{
    vf v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vf v) { memcpy(p, &v, sizeof v); }
INLINE vf loadn(const float *p, size_t n)
{
    return (vf){n > 0 ? p[0] : 0, n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, n > 3 ? p[3] : 0};
}

INLINE void storen(float *p, vf v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = v[i];
}

INLINE vf set1(float x) { return (vf){x, x, x, x}; }
INLINE vf add(vf a, vf b) { return a + b; }
INLINE vf sub(vf a, vf b) { return a - b; }
INLINE vf mul(vf a, vf b) { return a * b; }
INLINE vf quot(vf a, vf b) { return a / b; }
INLINE float max1(float a, float b) { return a > b ? a : b; }
INLINE vf max(vf a, vf b)
{
    return (vf){max1(a[0], b[0]), max1(a[1], b[1]), max1(a[2], b[2]), max1(a[3], b[3])};
}

INLINE vf root(vf a) { return (vf){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])}; }
INLINE vf madd(vf a, vf b, vf c) { return a * b + c; }
INLINE vf nmadd(vf a, vf b, vf c) { return c - a * b; }
INLINE vf lane(vf v, int i) { return set1(v[i]); }
INLINE vf above(vf v, int i) { return (vf){0, i < 1 ? v[1] : 0, i < 2 ? v[2] : 0, i < 3 ? v[3] : 0}; }
INLINE vf join(vf a, vf b, int i)
{
    return (vf){i > 0 ? a[0] : b[0], i > 1 ? a[1] : b[1], i > 2 ? a[2] : b[2], i > 3 ? a[3] : b[3]};
}

INLINE unsigned gt(vf a, vf b)
{
    vi m = a > b;
    return (unsigned)((m[0] & 1) | (m[1] & 2) | (m[2] & 4) | (m[3] & 8));
}

INLINE float sum(vf v) { return (v[0] + v[2]) + (v[1] + v[3]); }
INLINE vf sums(const vf v[4])
{
    return (vf){sum(v[0]), sum(v[1]), sum(v[2]), sum(v[3])};
}

INLINE void transpose(float *dst, size_t ldd, const float *src, size_t lds)
{
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++)
            dst[i * ldd + k] = src[k * lds + i];
}

#endif

#ifndef __AVX512F__
typedef vf hf;
#define loadh load
#define storeh store
#define set1h set1
#define maddh madd
#define nmaddh nmadd
#endif

INLINE vf zero(void) { return set1(0); }

/* VW lanes, or the first n where fewer are left. */
INLINE vf load_some(const float *p, size_t n) { return n >= VW ? load(p) : loadn(p, n); }
INLINE void store_some(float *p, vf v, size_t n)
{
    if (n >= VW)
        store(p, v);
    else
        storen(p, v, n);
}


/* Rows taken together in products with a vector: as many pointers as an x86 has registers for. */
enum { GROUP = VW < 8 ? VW : 8 };

INLINE size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

/* A row that will be needed soon; hardware does not foresee gathered rows. */
INLINE void prefetch(const float *row, size_t f)
{
    for (size_t k = 0; k < f; k += 16)
        __builtin_prefetch(row + k);
}

#endif
