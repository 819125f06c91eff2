/* Incremental UTF-8 validation (RFC 3629), as RFC 6455 section 8.1 asks of text messages.
 *
 * The state is what the next byte may be: how many continuation bytes are still owed and the range of the first of
 * them (it is narrower than 80..BF after E0, ED, F0 and F4). So a sequence that cannot become valid is refused at its
 * first impossible byte, wherever the input was split.
 *
 * The portable form walks that state byte by byte, eight bytes of ASCII at a time. The vector forms follow J. Keiser
 * and D. Lemire, "Validating UTF-8 in less than one instruction per byte" (2021): all that can be wrong with two bytes
 * side by side depends on three nibbles of them, so each nibble looks up in a table of 16 which faults it allows, and a
 * fault is what all three allow. That a continuation byte behind another is a fault, or is owed, depends on the bytes
 * two and three places back: there stands a lead of three or four bytes, or not.
 *
 * Each block takes the bytes one, two and three places back from memory, by loads that begin there. So blocks keep
 * nothing from one to the next: the last one may overlap the one before, and a block of ASCII behind three bytes of
 * ASCII is passed without looking closer. What the text before still owed goes the portable way, as does, at the end, a
 * character that is not complete: that leaves the state for the next call.
 *
 * Reads p[0..n) only, at any alignment.
 */
#ifndef XINYU_UTF8_H
#define XINYU_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "simd.h"

typedef struct utf8_state {
    uint8_t owed;      /* continuation bytes still to come, 0..3 */
    uint8_t low, high; /* range of the next one */
    uint8_t non_ascii; /* a byte above 7F was seen since utf8_start */
} utf8_state;

static inline void utf8_start(utf8_state *s) {
    s->owed = 0;
    s->low = 0x80;
    s->high = 0xBF;
    s->non_ascii = 0;
}

/* The whole method in plain C: the fallback, and what the vector forms are proved against. As utf8_feed(). */
static inline int utf8_feed_portable(utf8_state *s, const uint8_t *p, size_t n) {
    const uint8_t *end = p + n;
    uint8_t owed = s->owed, low = s->low, high = s->high;
    while (p < end) {
        if (owed == 0) {
            while (end - p >= 8) {
                uint64_t word;
                memcpy(&word, p, 8);
                if (word & UINT64_C(0x8080808080808080))
                    break;
                p += 8;
            }
            while (p < end && *p < 0x80)
                p++;
            if (p == end)
                break;
            s->non_ascii = 1;
            uint8_t lead = *p++;
            low = 0x80;
            high = 0xBF;
            if (lead < 0xC2) /* a continuation byte, or an overlong two-byte form */
                return 0;
            if (lead < 0xE0) {
                owed = 1;
            } else if (lead < 0xF0) {
                owed = 2;
                if (lead == 0xE0) /* overlong */
                    low = 0xA0;
                else if (lead == 0xED) /* surrogates */
                    high = 0x9F;
            } else if (lead < 0xF5) {
                owed = 3;
                if (lead == 0xF0) /* overlong */
                    low = 0x90;
                else if (lead == 0xF4) /* above U+10FFFF */
                    high = 0x8F;
            } else {
                return 0;
            }
        } else {
            if (*p < low || *p > high)
                return 0;
            p++;
            owed--;
            low = 0x80;
            high = 0xBF;
        }
    }
    s->owed = owed;
    s->low = low;
    s->high = high;
    return 1;
}

#if defined(SIMD_X86) || defined(SIMD_ARM)

/* Faults of two bytes side by side. "Lead" is the first of the two, whatever it is; "tail" a continuation byte. */
enum utf8_fault {
    UTF8_NO_TAIL = 1 << 0,    /* C0..FF, then no tail */
    UTF8_NO_LEAD = 1 << 1,    /* ASCII, then a tail */
    UTF8_OVERLONG_2 = 1 << 2, /* C0 or C1 */
    UTF8_OVERLONG_3 = 1 << 3, /* E0, then 80..9F */
    UTF8_SURROGATE = 1 << 4,  /* ED, then A0..BF */
    UTF8_OVERLONG_4 = 1 << 5, /* F0, then 80..8F; also F5..FF, then 80..8F, which is too large */
    UTF8_TOO_LARGE = 1 << 6,  /* F4..FF, then 90..BF */
    UTF8_TWO_TAILS = 1 << 7,  /* a fault unless a tail is owed here; and then its absence is one */
};
#define UTF8_ANY_LOW (UTF8_NO_TAIL | UTF8_NO_LEAD | UTF8_TWO_TAILS) /* the lead's low nibble does not matter */
#define UTF8_BIG_LOW (UTF8_ANY_LOW | UTF8_TOO_LARGE | UTF8_OVERLONG_4)
#define UTF8_ANY_TAIL (UTF8_NO_LEAD | UTF8_TWO_TAILS | UTF8_OVERLONG_2)

static const uint8_t utf8_by_lead_high[16] = {
    UTF8_NO_LEAD, UTF8_NO_LEAD, UTF8_NO_LEAD, UTF8_NO_LEAD, UTF8_NO_LEAD, UTF8_NO_LEAD, UTF8_NO_LEAD, UTF8_NO_LEAD,
    UTF8_TWO_TAILS, UTF8_TWO_TAILS, UTF8_TWO_TAILS, UTF8_TWO_TAILS,
    UTF8_NO_TAIL | UTF8_OVERLONG_2,
    UTF8_NO_TAIL,
    UTF8_NO_TAIL | UTF8_OVERLONG_3 | UTF8_SURROGATE,
    UTF8_NO_TAIL | UTF8_OVERLONG_4 | UTF8_TOO_LARGE,
};
static const uint8_t utf8_by_lead_low[16] = {
    UTF8_ANY_LOW | UTF8_OVERLONG_2 | UTF8_OVERLONG_3 | UTF8_OVERLONG_4,
    UTF8_ANY_LOW | UTF8_OVERLONG_2,
    UTF8_ANY_LOW, UTF8_ANY_LOW,
    UTF8_ANY_LOW | UTF8_TOO_LARGE,
    UTF8_BIG_LOW, UTF8_BIG_LOW, UTF8_BIG_LOW, UTF8_BIG_LOW, UTF8_BIG_LOW, UTF8_BIG_LOW, UTF8_BIG_LOW, UTF8_BIG_LOW,
    UTF8_BIG_LOW | UTF8_SURROGATE,
    UTF8_BIG_LOW, UTF8_BIG_LOW,
};
static const uint8_t utf8_by_next_high[16] = {
    UTF8_NO_TAIL, UTF8_NO_TAIL, UTF8_NO_TAIL, UTF8_NO_TAIL, UTF8_NO_TAIL, UTF8_NO_TAIL, UTF8_NO_TAIL, UTF8_NO_TAIL,
    UTF8_ANY_TAIL | UTF8_OVERLONG_3 | UTF8_OVERLONG_4,
    UTF8_ANY_TAIL | UTF8_OVERLONG_3 | UTF8_TOO_LARGE,
    UTF8_ANY_TAIL | UTF8_SURROGATE | UTF8_TOO_LARGE,
    UTF8_ANY_TAIL | UTF8_SURROGATE | UTF8_TOO_LARGE,
    UTF8_NO_TAIL, UTF8_NO_TAIL, UTF8_NO_TAIL, UTF8_NO_TAIL,
};

#endif

#if defined(SIMD_X86)

#define UTF8_NAME utf8_feed_ssse3
#define UTF8_TARGET __attribute__((target("ssse3"), noinline))
#define V __m128i
#define V_BYTES 16
#define V_LOAD(p) _mm_loadu_si128((const __m128i *)(p))
#define V_TABLE(p) _mm_loadu_si128((const __m128i *)(p))
#define V_LOOK(table, nibbles) _mm_shuffle_epi8(table, nibbles)
#define V_HIGH(v) _mm_and_si128(_mm_srli_epi16(v, 4), _mm_set1_epi8(0x0F))
#define V_LOW(v) _mm_and_si128(v, _mm_set1_epi8(0x0F))
#define V_FILL(byte) _mm_set1_epi8((char)(byte))
#define V_OR(v, w) _mm_or_si128(v, w)
#define V_AND(v, w) _mm_and_si128(v, w)
#define V_XOR(v, w) _mm_xor_si128(v, w)
#define V_LESS(v, w) _mm_subs_epu8(v, w)
#define V_BACK(v, k) _mm_slli_si128(v, k)
#define V_ANY(v) (_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_setzero_si128())) != 0xFFFF)
#define V_NON_ASCII(v) (_mm_movemask_epi8(v) != 0)
#include "utf8_vector.h"

#define UTF8_NAME utf8_feed_avx2
#define UTF8_TARGET __attribute__((target("avx2"), noinline))
#define V __m256i
#define V_BYTES 32
#define V_LOAD(p) _mm256_loadu_si256((const __m256i *)(p))
#define V_TABLE(p) _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(p)))
#define V_LOOK(table, nibbles) _mm256_shuffle_epi8(table, nibbles)
#define V_HIGH(v) _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(0x0F))
#define V_LOW(v) _mm256_and_si256(v, _mm256_set1_epi8(0x0F))
#define V_FILL(byte) _mm256_set1_epi8((char)(byte))
#define V_OR(v, w) _mm256_or_si256(v, w)
#define V_AND(v, w) _mm256_and_si256(v, w)
#define V_XOR(v, w) _mm256_xor_si256(v, w)
#define V_LESS(v, w) _mm256_subs_epu8(v, w)
#define V_BACK(v, k) _mm256_alignr_epi8(v, _mm256_permute2x128_si256(v, v, 0x08), 16 - (k))
#define V_ANY(v) (!_mm256_testz_si256(v, v))
#define V_NON_ASCII(v) (_mm256_movemask_epi8(v) != 0)
#include "utf8_vector.h"

#elif defined(SIMD_ARM)

#define UTF8_NAME utf8_feed_neon
#define UTF8_TARGET __attribute__((noinline))
#define V uint8x16_t
#define V_BYTES 16
#define V_LOAD(p) vld1q_u8(p)
#define V_TABLE(p) vld1q_u8(p)
#define V_LOOK(table, nibbles) vqtbl1q_u8(table, nibbles)
#define V_HIGH(v) vshrq_n_u8(v, 4)
#define V_LOW(v) vandq_u8(v, vdupq_n_u8(0x0F))
#define V_FILL(byte) vdupq_n_u8(byte)
#define V_OR(v, w) vorrq_u8(v, w)
#define V_AND(v, w) vandq_u8(v, w)
#define V_XOR(v, w) veorq_u8(v, w)
#define V_LESS(v, w) vqsubq_u8(v, w)
#define V_BACK(v, k) vextq_u8(vdupq_n_u8(0), v, 16 - (k))
#define V_ANY(v) (vmaxvq_u8(v) != 0)
#define V_NON_ASCII(v) (vmaxvq_u8(v) > 0x7F)
#include "utf8_vector.h"

#endif

/* By the code of one level, which this machine must have: how the tests reach each of them. */
static inline int utf8_feed_with(int level, utf8_state *s, const uint8_t *p, size_t n) {
#if defined(SIMD_X86) || defined(SIMD_ARM)
    if (s->owed && n >= 16 + 3) {
        size_t owed = s->owed;
        if (!utf8_feed_portable(s, p, owed))
            return 0;
        p += owed;
        n -= owed;
    }
#endif
#if defined(SIMD_X86)
    if (level == SIMD_AVX2 && n >= 32 + 3)
        return utf8_feed_avx2(s, p, n);
    if (level >= SIMD_SSSE3 && n >= 16 + 3)
        return utf8_feed_ssse3(s, p, n);
#elif defined(SIMD_ARM)
    if (level == SIMD_NEON && n >= 16 + 3)
        return utf8_feed_neon(s, p, n);
#endif
    (void)level;
    return utf8_feed_portable(s, p, n);
}

#define UTF8_SHORT 128 /* bytes: up to here a look for ASCII pays before a call is made */

/* By words, the last of which may overlap the one before. */
static inline int utf8_short_is_ascii(const uint8_t *p, size_t n) {
    uint64_t word, all = 0;
    if (n < 8) {
        for (size_t i = 0; i < n; i++)
            all |= p[i];
        return all < 0x80;
    }
    for (size_t i = 0; i + 8 < n; i += 8) {
        memcpy(&word, p + i, 8);
        all |= word;
    }
    memcpy(&word, p + n - 8, 8);
    return ((all | word) & UINT64_C(0x8080808080808080)) == 0;
}

/* 1: everything so far can be the beginning of valid text; 0: it cannot. At the end of the text also ask owed == 0. */
static inline int utf8_feed(utf8_state *s, const uint8_t *p, size_t n) {
    if (s->owed == 0 && n <= UTF8_SHORT && utf8_short_is_ascii(p, n))
        return 1;
    return utf8_feed_with(simd_best(), s, p, n);
}

#endif
