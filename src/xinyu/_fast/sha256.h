/* SHA-256 (FIPS 180-4) and HMAC (RFC 2104) with it: what signs an access token.
 *
 * A token is some 200 bytes. The library that Python brings needs longer to prepare for them than to hash them; here
 * the two states into which a key turns are made once, and a signature is as many blocks as the text has, and one.
 *
 * Blocks go through the processor's own instructions where it has them (sha_instructions.h), elsewhere through the loop
 * of the standard. Neither branches on data nor looks data up, so that their time says nothing of a key.
 */
#ifndef XINYU_SHA256_H
#define XINYU_SHA256_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sha_instructions.h"

#define SHA256_BLOCK 64
#define SHA256_DIGEST 32

static const uint32_t sha256_start[8] = {0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A,
                                         0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19};

static const uint32_t sha256_constants[64] __attribute__((aligned(16))) = {
    0x428A2F98, 0x71374491, 0xB5C0FBCF, 0xE9B5DBA5, 0x3956C25B, 0x59F111F1, 0x923F82A4, 0xAB1C5ED5,
    0xD807AA98, 0x12835B01, 0x243185BE, 0x550C7DC3, 0x72BE5D74, 0x80DEB1FE, 0x9BDC06A7, 0xC19BF174,
    0xE49B69C1, 0xEFBE4786, 0x0FC19DC6, 0x240CA1CC, 0x2DE92C6F, 0x4A7484AA, 0x5CB0A9DC, 0x76F988DA,
    0x983E5152, 0xA831C66D, 0xB00327C8, 0xBF597FC7, 0xC6E00BF3, 0xD5A79147, 0x06CA6351, 0x14292967,
    0x27B70A85, 0x2E1B2138, 0x4D2C6DFC, 0x53380D13, 0x650A7354, 0x766A0ABB, 0x81C2C92E, 0x92722C85,
    0xA2BFE8A1, 0xA81A664B, 0xC24B8B70, 0xC76C51A3, 0xD192E819, 0xD6990624, 0xF40E3585, 0x106AA070,
    0x19A4C116, 0x1E376C08, 0x2748774C, 0x34B0BCB5, 0x391C0CB3, 0x4ED8AA4A, 0x5B9CCA4F, 0x682E6FF3,
    0x748F82EE, 0x78A5636F, 0x84C87814, 0x8CC70208, 0x90BEFFFA, 0xA4506CEB, 0xBEF9A3F7, 0xC67178F2};

static inline uint32_t sha256_rotate(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

/* Section 6.2.2. */
static inline void sha256_blocks_portable(uint32_t state[8], const uint8_t *data, size_t blocks) {
    for (; blocks; blocks--, data += SHA256_BLOCK) {
        uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 16; t++)
            w[t] = (uint32_t)data[4 * t] << 24 | (uint32_t)data[4 * t + 1] << 16 | (uint32_t)data[4 * t + 2] << 8 |
                   data[4 * t + 3];
        for (int t = 16; t < 64; t++) {
            uint32_t x = w[t - 15], y = w[t - 2];
            w[t] = w[t - 16] + (sha256_rotate(x, 7) ^ sha256_rotate(x, 18) ^ x >> 3) + w[t - 7] +
                   (sha256_rotate(y, 17) ^ sha256_rotate(y, 19) ^ y >> 10);
        }
        for (int t = 0; t < 64; t++) {
            uint32_t t1 = h + (sha256_rotate(e, 6) ^ sha256_rotate(e, 11) ^ sha256_rotate(e, 25)) +
                          ((e & f) ^ (~e & g)) + sha256_constants[t] + w[t];
            uint32_t t2 = (sha256_rotate(a, 2) ^ sha256_rotate(a, 13) ^ sha256_rotate(a, 22)) +
                          ((a & b) ^ (a & c) ^ (b & c));
            h = g, g = f, f = e, e = d + t1;
            d = c, c = b, b = a, a = t1 + t2;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

#if defined(SHA_X86)
/* The instructions keep a, b, e, f in one register and c, d, g, h in another, and do two rounds at once. Four rounds
 * take one register of the message; the four registers of it go round, each made of the four before it. */
SHA_TARGET static inline void sha256_blocks_ni(uint32_t state[8], const uint8_t *data, size_t blocks) {
    const __m128i order = _mm_set_epi64x(0x0C0D0E0F08090A0B, 0x0405060700010203);
    __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);          /* c d a b */
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);    /* e f g h */
    __m128i abef = _mm_alignr_epi8(abcd, efgh, 8), cdgh = _mm_blend_epi16(efgh, abcd, 0xF0);
    for (; blocks; blocks--, data += SHA256_BLOCK) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), order);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            if (i >= 4) {
                __m128i mixed = _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]),
                                              _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
                w[i % 4] = _mm_sha256msg2_epu32(mixed, w[(i + 3) % 4]);
            }
            __m128i sum = _mm_add_epi32(w[i % 4], _mm_load_si128((const __m128i *)(sha256_constants + 4 * i)));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0E));
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    abcd = _mm_shuffle_epi32(abef, 0x1B); /* a b e f */
    efgh = _mm_shuffle_epi32(cdgh, 0xB1); /* g h c d */
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(abcd, efgh, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(efgh, abcd, 8));
}
#endif

static inline void sha256_blocks(uint32_t state[8], const uint8_t *data, size_t blocks) {
#if defined(SHA_X86)
    if (sha_best() == SHA_NI) {
        sha256_blocks_ni(state, data, blocks);
        return;
    }
#endif
    sha256_blocks_portable(state, data, blocks);
}

/* The rest of a text of which `before` bytes, whole blocks, are in the state already; the state becomes the digest. */
static inline void sha256_finish(uint32_t state[8], uint64_t before, const uint8_t *data, size_t n, uint8_t *digest) {
    uint8_t end[2 * SHA256_BLOCK] = {0};
    size_t whole = n / SHA256_BLOCK, left = n % SHA256_BLOCK;
    size_t end_size = left + 9 > SHA256_BLOCK ? 2 * SHA256_BLOCK : SHA256_BLOCK;
    uint64_t bits = (before + n) * 8;
    sha256_blocks(state, data, whole);
    memcpy(end, data + whole * SHA256_BLOCK, left);
    end[left] = 0x80;
    for (int i = 0; i < 8; i++)
        end[end_size - 1 - (size_t)i] = (uint8_t)(bits >> (8 * i));
    sha256_blocks(state, end, end_size / SHA256_BLOCK);
    for (int i = 0; i < SHA256_DIGEST; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

static inline void sha256(const uint8_t *data, size_t n, uint8_t *digest) {
    uint32_t state[8];
    memcpy(state, sha256_start, sizeof state);
    sha256_finish(state, 0, data, n, digest);
}

/* A key, and what is left to do with it: the states behind its two blocks. */
typedef struct hmac_sha256_key {
    uint32_t inner[8], outer[8];
} hmac_sha256_key;

static inline void hmac_sha256_set(hmac_sha256_key *key, const uint8_t *secret, size_t n) {
    uint8_t block[SHA256_BLOCK] = {0};
    if (n > SHA256_BLOCK)
        sha256(secret, n, block);
    else
        memcpy(block, secret, n);
    for (int i = 0; i < SHA256_BLOCK; i++)
        block[i] ^= 0x36;
    memcpy(key->inner, sha256_start, sizeof sha256_start);
    sha256_blocks(key->inner, block, 1);
    for (int i = 0; i < SHA256_BLOCK; i++)
        block[i] ^= 0x36 ^ 0x5C;
    memcpy(key->outer, sha256_start, sizeof sha256_start);
    sha256_blocks(key->outer, block, 1);
}

static inline void hmac_sha256(const hmac_sha256_key *key, const uint8_t *data, size_t n, uint8_t *digest) {
    uint8_t inner[SHA256_DIGEST];
    uint32_t state[8];
    memcpy(state, key->inner, sizeof state);
    sha256_finish(state, SHA256_BLOCK, data, n, inner);
    memcpy(state, key->outer, sizeof state);
    sha256_finish(state, SHA256_BLOCK, inner, sizeof inner, digest);
}

#endif
