/* SPDX-License-Identifier: MIT
 *
 * What the processor can do. glibc 2.34 and later tell (sys/platform/x86.h); under another C library the processor is asked once, as the manuals of
 * Intel and AMD have it: CPUID leaves 1, 7 and 80000001h, and XCR0 for what the system saves. Not by the compiler's built-in detection: that asks a
 * dozen times before main() in every program it is linked into.
 */
#include <rec/util.h>

#ifdef __GLIBC_PREREQ /* which is no macro elsewhere */
#if __GLIBC_PREREQ(2, 34)
#define TOLD
#endif
#endif

#if defined(__x86_64__) && defined(TOLD)
#include <sys/platform/x86.h>

/* As x86_cpu_active of glibc, which shifts a signed 1 by 31 places for AVX512VL: nothing that the sanitizer of undefined behaviour lets pass. */
static bool active(unsigned index)
{
    const struct cpuid_feature *leaf = __x86_get_cpuid_feature_leaf(index / 128);

    return leaf->active_array[index % 128 / 32] & 1u << index % 32;
}
#undef CPU_FEATURE_ACTIVE
#define CPU_FEATURE_ACTIVE(name) active(x86_cpu_##name)

unsigned rec_cpu_features(void)
{
    unsigned found = 0;

    if (CPU_FEATURE_ACTIVE(SSE4_2) && CPU_FEATURE_ACTIVE(PCLMULQDQ))
        found |= REC_CPU_CRC32;
    if (!CPU_FEATURE_ACTIVE(AVX2) || !CPU_FEATURE_ACTIVE(FMA) || !CPU_FEATURE_ACTIVE(BMI1) || !CPU_FEATURE_ACTIVE(BMI2) ||
        !CPU_FEATURE_ACTIVE(LZCNT) || !CPU_FEATURE_ACTIVE(POPCNT))
        return found;
    found |= REC_CPU_AVX2;
    if (CPU_FEATURE_ACTIVE(AVX512F) && CPU_FEATURE_ACTIVE(AVX512DQ) && CPU_FEATURE_ACTIVE(AVX512BW) && CPU_FEATURE_ACTIVE(AVX512VL))
        found |= REC_CPU_AVX512;
    return found;
}

#elif defined(__x86_64__)
#include <cpuid.h>
#include <stdatomic.h>

/* What the operating system saves of the vector registers when it switches tasks (XCR0): AVX state is bits 1-2, AVX-512 state also 5-7. */
static unsigned saved_state(void)
{
    unsigned eax, edx;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return eax;
}

static unsigned ask(void)
{
    const unsigned crc32 = 1u << 20 | 1u << 1, wide = 1u << 27 | 1u << 12 | 1u << 23; /* SSE 4.2, PCLMULQDQ; OSXSAVE, FMA, POPCNT */
    const unsigned avx2 = 1u << 5 | 1u << 3 | 1u << 8;                                /* and BMI, BMI2 */
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;                /* F, DQ, BW, VL */
    unsigned a, b, c, d, found, state;

    __cpuid(1, a, b, c, d);
    found = (c & crc32) == crc32 ? REC_CPU_CRC32 : 0;
    if ((c & wide) != wide || ((state = saved_state()) & 0x06) != 0x06)
        return found;
    __cpuid_count(7, 0, a, b, c, d);
    unsigned more = b;
    __cpuid(0x80000001, a, b, c, d);
    if ((more & avx2) != avx2 || !(c & 1u << 5)) /* LZCNT */
        return found;
    return found | REC_CPU_AVX2 | ((state & 0xe6) == 0xe6 && (more & avx512) == avx512 ? REC_CPU_AVX512 : 0);
}

unsigned rec_cpu_features(void)
{
    enum { ASKED = 1 << 30 };
    static _Atomic unsigned known;
    unsigned found = atomic_load_explicit(&known, memory_order_relaxed);

    if (!found) {
        found = ask() | ASKED;
        atomic_store_explicit(&known, found, memory_order_relaxed);
    }
    return found & ~(unsigned)ASKED;
}

#else

unsigned rec_cpu_features(void)
{
    return 0;
}
#endif
