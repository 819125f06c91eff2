/* SHA-1 (RFC 3174) of short texts and base64 (RFC 4648): what Sec-WebSocket-Accept is made of. Not for security. */
#ifndef XINYU_SHA1_H
#define XINYU_SHA1_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t sha1_rotate(uint32_t x, int n) {
    return x << n | x >> (32 - n);
}

static inline void sha1_block(uint32_t state[5], const uint8_t *block) {
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
