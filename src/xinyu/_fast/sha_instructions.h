/* Whether the processor has instructions for SHA-1 and SHA-256: SHA-NI, on x86-64 since 2016 or so. Asked once, as in
 * simd.h; what is compiled for them runs nowhere else. */
#ifndef XINYU_SHA_INSTRUCTIONS_H
#define XINYU_SHA_INSTRUCTIONS_H

#if defined(__x86_64__)
#define SHA_X86 1
#include <cpuid.h>
#include <immintrin.h>
#define SHA_TARGET __attribute__((target("sha,sse4.1,ssse3")))
#endif

enum sha_level { SHA_UNKNOWN = 0, SHA_PORTABLE, SHA_NI };

static inline int sha_has(int level) {
#if defined(SHA_X86)
    if (level == SHA_NI) {
        unsigned a, b, c, d, of_leaf_7;
        if (!__get_cpuid_count(7, 0, &a, &of_leaf_7, &c, &d) || !__get_cpuid(1, &a, &b, &c, &d))
            return 0;
        return (of_leaf_7 & bit_SHA) && (c & bit_SSE4_1) && (c & bit_SSSE3);
    }
#endif
    return level == SHA_PORTABLE;
}

static int sha_chosen; /* SHA_UNKNOWN until it is asked for; threads that race write the same value */

static inline int sha_best(void) {
    int level = __atomic_load_n(&sha_chosen, __ATOMIC_RELAXED);
    if (__builtin_expect(level == SHA_UNKNOWN, 0)) {
        level = sha_has(SHA_NI) ? SHA_NI : SHA_PORTABLE;
        __atomic_store_n(&sha_chosen, level, __ATOMIC_RELAXED);
    }
    return level;
}

#endif
