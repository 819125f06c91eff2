/* SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, "SipHash: a fast short-input PRF"; the 128-bit form is
 * that of their reference code): a pseudorandom function of short texts under a secret key of 128 bits. */
#ifndef XINYU_SIPHASH_H
#define XINYU_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t siphash_rotate(uint64_t x, int n) {
    return x << n | x >> (64 - n);
}

/* n is at most 8; little-endian, whatever the machine is. */
static inline uint64_t siphash_load(const uint8_t *p, size_t n) {
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++)
        word |= (uint64_t)p[i] << (8 * i);
    return word;
}

/* A whole word: compilers make one instruction of it. */
static inline uint64_t siphash_word(const uint8_t *p) {
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 |
           (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static inline void siphash_rounds(uint64_t v[4], int count) {
    while (count--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = siphash_rotate(v[1], 13) ^ v[0];
        v[3] = siphash_rotate(v[3], 16) ^ v[2];
        v[0] = siphash_rotate(v[0], 32) + v[3];
        v[2] += v[1];
        v[3] = siphash_rotate(v[3], 21) ^ v[0];
        v[1] = siphash_rotate(v[1], 17) ^ v[2];
        v[2] = siphash_rotate(v[2], 32);
    }
}

static inline void siphash_128(const uint8_t key[16], const uint8_t *data, size_t n, uint64_t digest[2]) {
    uint64_t k0 = siphash_word(key), k1 = siphash_word(key + 8);
    uint64_t v[4] = {k0 ^ UINT64_C(0x736F6D6570736575), k1 ^ UINT64_C(0x646F72616E646F6D) ^ 0xEE,
                     k0 ^ UINT64_C(0x6C7967656E657261), k1 ^ UINT64_C(0x7465646279746573)};
    const uint8_t *p = data;
    for (; n - (size_t)(p - data) >= 8; p += 8) {
        uint64_t word = siphash_word(p);
        v[3] ^= word;
        siphash_rounds(v, 2);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)(n & 0xFF) << 56 | siphash_load(p, n - (size_t)(p - data));
    v[3] ^= last;
    siphash_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xEE;
    siphash_rounds(v, 4);
    digest[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
    v[1] ^= 0xDD;
    siphash_rounds(v, 4);
    digest[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
