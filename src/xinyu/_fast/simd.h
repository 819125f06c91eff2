/* Which vector instructions the code of mask.h and utf8.h may use here.
 *
 * What every machine of the architecture has (SSE2 on x86-64, NEON on aarch64) is compiled in; what only newer ones
 * have (SSSE3, AVX2) is compiled into functions with a target attribute, and the processor is asked once, at the first
 * use. So one wheel runs everywhere. No ifunc and no constructor of our own: musl has no ifunc, and the answer is a
 * plain static of each extension that includes this.
 *
 * Invariant: code of a level runs only where simd_has() said yes. The higher of two levels of one architecture includes
 * the lower.
 */
#ifndef XINYU_SIMD_H
#define XINYU_SIMD_H

#if defined(__x86_64__)
#define SIMD_X86 1
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SIMD_ARM 1
#include <arm_neon.h>
#endif

enum simd_level { SIMD_UNKNOWN = 0, SIMD_PORTABLE, SIMD_SSE2, SIMD_SSSE3, SIMD_AVX2, SIMD_NEON };

static inline int simd_has(int level) {
#if defined(SIMD_X86)
    __builtin_cpu_init();
    if (level == SIMD_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("ssse3");
    if (level == SIMD_SSSE3)
        return __builtin_cpu_supports("ssse3") != 0;
    return level == SIMD_SSE2 || level == SIMD_PORTABLE;
#elif defined(SIMD_ARM)
    return level == SIMD_NEON || level == SIMD_PORTABLE;
#else
    return level == SIMD_PORTABLE;
#endif
}

static int simd_chosen; /* SIMD_UNKNOWN until it is asked for; threads that race write the same value */

static inline int simd_best(void) {
    int level = __atomic_load_n(&simd_chosen, __ATOMIC_RELAXED);
    if (__builtin_expect(level == SIMD_UNKNOWN, 0)) {
        level = SIMD_NEON;
        while (!simd_has(level))
            level--;
        __atomic_store_n(&simd_chosen, level, __ATOMIC_RELAXED);
    }
    return level;
}

#endif
