/* Masking (RFC 6455 section 5.3): XOR with four bytes over and over, in place.
 *
 * No loop ends in single bytes. The last vector (or word) of the data is loaded before anything is written, and written
 * last, over what the loop did: it may overlap the loop's last block, and holds the same bytes there. Its key is the
 * mask turned to the place where it begins. Payload of 16 bytes and more goes by vectors of 16; from MASK_DISPATCH
 * bytes on, one call goes to the widest code of this machine.
 *
 * Reads and writes data[0..n) only, at any alignment. Cost: of a copy in place.
 */
#ifndef XINYU_MASK_H
#define XINYU_MASK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd.h"

#define MASK_DISPATCH 128 /* bytes: below, the call would cost more than wider vectors save */

/* The key as it begins n bytes further on. */
static inline uint32_t mask_turned(uint32_t key, size_t n) {
    unsigned bits = (unsigned)(n & 3) * 8;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return key << bits | key >> (-bits & 31);
#else
    return key >> bits | key << (-bits & 31);
#endif
}

static inline void mask_below_16(uint8_t *data, size_t n, uint32_t key) {
    if (n >= 8) {
        uint32_t end_key = mask_turned(key, n);
        uint64_t first, last;
        memcpy(&first, data, 8);
        memcpy(&last, data + n - 8, 8);
        first ^= (uint64_t)key << 32 | key;
        last ^= (uint64_t)end_key << 32 | end_key;
        memcpy(data, &first, 8);
        memcpy(data + n - 8, &last, 8);
    } else if (n >= 4) {
        uint32_t first, last;
        memcpy(&first, data, 4);
        memcpy(&last, data + n - 4, 4);
        first ^= key;
        last ^= mask_turned(key, n);
        memcpy(data, &first, 4);
        memcpy(data + n - 4, &last, 4);
    } else {
        uint8_t bytes[4];
        memcpy(bytes, &key, 4);
        for (size_t i = 0; i < n; i++)
            data[i] ^= bytes[i];
    }
}

static inline void mask_portable(uint8_t *data, size_t n, uint32_t key) {
    uint64_t wide = (uint64_t)key << 32 | key;
    size_t i = 0;
    for (; n - i >= 16; i += 8) {
        uint64_t word;
        memcpy(&word, data + i, 8);
        word ^= wide;
        memcpy(data + i, &word, 8);
    }
    mask_below_16(data + i, n - i, key);
}

/* The vector forms need n >= 16 (SSE2, NEON) or n >= 32 (AVX2). */
#if defined(SIMD_X86)

static inline void mask_sse2(uint8_t *data, size_t n, uint32_t key) {
    uint8_t *last = data + n - 16;
    __m128i wide = _mm_set1_epi32((int)key);
    __m128i end = _mm_xor_si128(_mm_loadu_si128((const __m128i *)last), _mm_set1_epi32((int)mask_turned(key, n)));
    for (; last - data > 16; data += 32) {
        __m128i a = _mm_xor_si128(_mm_loadu_si128((const __m128i *)data), wide);
        __m128i b = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(data + 16)), wide);
        _mm_storeu_si128((__m128i *)data, a);
        _mm_storeu_si128((__m128i *)(data + 16), b);
    }
    if (data < last)
        _mm_storeu_si128((__m128i *)data, _mm_xor_si128(_mm_loadu_si128((const __m128i *)data), wide));
    _mm_storeu_si128((__m128i *)last, end);
}

/* Two vectors a turn, stored at aligned addresses: a store across two cache lines costs two. */
__attribute__((target("avx2"), noinline)) static void mask_avx2(uint8_t *data, size_t n, uint32_t key) {
    uint8_t *last = data + n - 32;
    uint8_t *block = (uint8_t *)(((uintptr_t)data + 32) & ~(uintptr_t)31);
    __m256i begin = _mm256_loadu_si256((const __m256i *)data);
    __m256i end = _mm256_loadu_si256((const __m256i *)last);
    __m256i wide = _mm256_set1_epi32((int)mask_turned(key, (size_t)(block - data)));
    for (; last - block > 32; block += 64) {
        __m256i a = _mm256_xor_si256(_mm256_load_si256((const __m256i *)block), wide);
        __m256i b = _mm256_xor_si256(_mm256_load_si256((const __m256i *)(block + 32)), wide);
        _mm256_store_si256((__m256i *)block, a);
        _mm256_store_si256((__m256i *)(block + 32), b);
    }
    if (block < last)
        _mm256_store_si256((__m256i *)block, _mm256_xor_si256(_mm256_load_si256((const __m256i *)block), wide));
    _mm256_storeu_si256((__m256i *)data, _mm256_xor_si256(begin, _mm256_set1_epi32((int)key)));
    _mm256_storeu_si256((__m256i *)last, _mm256_xor_si256(end, _mm256_set1_epi32((int)mask_turned(key, n))));
}

#elif defined(SIMD_ARM)

static inline void mask_neon(uint8_t *data, size_t n, uint32_t key) {
    uint8_t *last = data + n - 16;
    uint8x16_t wide = vreinterpretq_u8_u32(vdupq_n_u32(key));
    uint8x16_t end = veorq_u8(vld1q_u8(last), vreinterpretq_u8_u32(vdupq_n_u32(mask_turned(key, n))));
    for (; last - data > 16; data += 32) {
        uint8x16_t a = veorq_u8(vld1q_u8(data), wide);
        uint8x16_t b = veorq_u8(vld1q_u8(data + 16), wide);
        vst1q_u8(data, a);
        vst1q_u8(data + 16, b);
    }
    if (data < last)
        vst1q_u8(data, veorq_u8(vld1q_u8(data), wide));
    vst1q_u8(last, end);
}

#endif

/* By the code of one level, which this machine must have: how the tests reach each of them. */
static inline void mask_with(int level, uint8_t *data, size_t n, uint32_t key) {
#if defined(SIMD_X86)
    if (level == SIMD_AVX2 && n >= 32) {
        mask_avx2(data, n, key);
        return;
    }
    if (level >= SIMD_SSE2 && n >= 16) {
        mask_sse2(data, n, key);
        return;
    }
#elif defined(SIMD_ARM)
    if (level == SIMD_NEON && n >= 16) {
        mask_neon(data, n, key);
        return;
    }
#endif
    (void)level;
    mask_portable(data, n, key);
}

/* Mask data; the mask is turned to belong to the byte behind. */
static inline void ws_mask(uint8_t *data, size_t n, uint8_t mask[4]) {
    uint32_t key;
    memcpy(&key, mask, 4);
    if (n < 16)
        mask_below_16(data, n, key);
    else if (n >= MASK_DISPATCH)
        mask_with(simd_best(), data, n, key);
    else
#if defined(SIMD_X86)
        mask_sse2(data, n, key);
#elif defined(SIMD_ARM)
        mask_neon(data, n, key);
#else
        mask_portable(data, n, key);
#endif
    key = mask_turned(key, n);
    memcpy(mask, &key, 4);
}

#endif
