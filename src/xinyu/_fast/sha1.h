/* SHA-1 (RFC 3174) of short texts and base64 (RFC 4648): what Sec-WebSocket-Accept is made of. Not for security. */
#ifndef XINYU_SHA1_H
#define XINYU_SHA1_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sha_instructions.h"

static inline uint32_t sha1_rotate(uint32_t x, int n) {
    return x << n | x >> (32 - n);
}

static inline void sha1_block_portable(uint32_t state[5], const uint8_t *block) {
    uint32_t w[80], a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 | (uint32_t)block[4 * t + 2] << 8 |
               block[4 * t + 3];
    for (int t = 16; t < 80; t++)
        w[t] = sha1_rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (int t = 0; t < 80; t++) {
        uint32_t f, k;
        if (t < 20)
            f = (b & c) | (~b & d), k = 0x5A827999;
        else if (t < 40)
            f = b ^ c ^ d, k = 0x6ED9EBA1;
        else if (t < 60)
            f = (b & c) | (b & d) | (c & d), k = 0x8F1BBCDC;
        else
            f = b ^ c ^ d, k = 0xCA62C1D6;
        uint32_t next = sha1_rotate(a, 5) + f + e + w[t] + k;
        e = d;
        d = c;
        c = sha1_rotate(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

#if defined(SHA_X86)
/* a, b, c and d are in one register, e at the top of another. Each step is four rounds on one register of the message;
 * the four of them go round, each made of those before it. What e is after four rounds is a rotated a of before, which
 * the instruction works out itself. */
#define SHA1_ROUNDS(i, f)                                                                                            do {                                                                                                                 if (i >= 4)                                                                                                          w[i % 4] = _mm_sha1msg2_epu32(                                                                                       _mm_xor_si128(_mm_sha1msg1_epu32(w[i % 4], w[(i + 1) % 4]), w[(i + 2) % 4]), w[(i + 3) % 4]);            e = i ? _mm_sha1nexte_epu32(before, w[i % 4]) : _mm_add_epi32(e, w[0]);                                          before = abcd;                                                                                                   abcd = _mm_sha1rnds4_epu32(abcd, e, f);                                                                      } while (0)

SHA_TARGET static inline void sha1_block_ni(uint32_t state[5], const uint8_t *block) {
    const __m128i order = _mm_set_epi64x(0x0001020304050607, 0x08090A0B0C0D0E0F);
    const __m128i abcd_first = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0x1B);
    const __m128i e_first = _mm_set_epi32((int)state[4], 0, 0, 0);
    __m128i abcd = abcd_first, e = e_first, before = abcd_first, w[4];
    for (int i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * i)), order);
    SHA1_ROUNDS(0, 0); SHA1_ROUNDS(1, 0); SHA1_ROUNDS(2, 0); SHA1_ROUNDS(3, 0); SHA1_ROUNDS(4, 0);
    SHA1_ROUNDS(5, 1); SHA1_ROUNDS(6, 1); SHA1_ROUNDS(7, 1); SHA1_ROUNDS(8, 1); SHA1_ROUNDS(9, 1);
    SHA1_ROUNDS(10, 2); SHA1_ROUNDS(11, 2); SHA1_ROUNDS(12, 2); SHA1_ROUNDS(13, 2); SHA1_ROUNDS(14, 2);
    SHA1_ROUNDS(15, 3); SHA1_ROUNDS(16, 3); SHA1_ROUNDS(17, 3); SHA1_ROUNDS(18, 3); SHA1_ROUNDS(19, 3);
    e = _mm_sha1nexte_epu32(before, e_first);
    _mm_storeu_si128((__m128i *)state, _mm_shuffle_epi32(_mm_add_epi32(abcd, abcd_first), 0x1B));
    state[4] = (uint32_t)_mm_extract_epi32(e, 3);
}
#undef SHA1_ROUNDS
#endif

static inline void sha1_block(uint32_t state[5], const uint8_t *block) {
#if defined(SHA_X86)
    if (sha_best() == SHA_NI) {
        sha1_block_ni(state, block);
        return;
    }
#endif
    sha1_block_portable(state, block);
}

/* Digest of at most 119 bytes (two blocks). */
static inline void sha1_short(const uint8_t *data, size_t n, uint8_t digest[20]) {
    uint32_t state[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint8_t padded[128] = {0};
    size_t blocks = n + 9 > 64 ? 2 : 1;
    memcpy(padded, data, n);
    padded[n] = 0x80;
    padded[blocks * 64 - 2] = (uint8_t)(n * 8 >> 8);
    padded[blocks * 64 - 1] = (uint8_t)(n * 8);
    for (size_t i = 0; i < blocks; i++)
        sha1_block(state, padded + 64 * i);
    for (int i = 0; i < 20; i++)
        digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

/* Section 4.2.2 of RFC 6455: base64(SHA-1(key + GUID)); key is 24 characters, out takes 28 (no end mark). */
static inline void websocket_accept_key(const char *key, char *out) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t text[60], digest[21] = {0};
    memcpy(text, key, 24);
    memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    sha1_short(text, sizeof text, digest);
    for (int i = 0; i < 7; i++) {
        uint32_t three = (uint32_t)digest[3 * i] << 16 | (uint32_t)digest[3 * i + 1] << 8 | digest[3 * i + 2];
        for (int j = 0; j < 4; j++)
            out[4 * i + j] = alphabet[three >> (18 - 6 * j) & 63];
    }
    out[27] = '='; /* 20 bytes leave one padding character */
}

#endif
