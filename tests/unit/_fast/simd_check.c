/* Masking, UTF-8 validation and SHA of every level that this processor has, beside loops that do one byte at a time.
 *
 * Python's tests do more (test_mask.py, test_utf8.py), but need an interpreter for the processor. This needs only a
 * compiler and an emulator: test_simd_check.py builds it for this machine and for others that can be had here.
 * Prints the levels it tried; ends with 1 and a line on stderr at the first difference. */

#include <stdio.h>

#include "mask.h"
#include "sha1.h"
#include "sha256.h"
#include "utf8.h"

#define ROOM 600
#define GUARD 64

static const char *const names[] = {"", "portable", "sse2", "ssse3", "avx2", "neon"};
static uint64_t random_state = 20270101;

static uint32_t next_random(uint32_t below) {
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

/* Is this a prefix of valid UTF-8, and how many bytes does its last character still owe? RFC 3629 section 4, literally. */
static int plain_utf8(const uint8_t *p, size_t n, int *owed) {
    static const struct { uint8_t low, high, tails, second_low, second_high; } forms[] = {
        {0x00, 0x7F, 0, 0, 0},          {0xC2, 0xDF, 1, 0x80, 0xBF}, {0xE0, 0xE0, 2, 0xA0, 0xBF},
        {0xE1, 0xEC, 2, 0x80, 0xBF},    {0xED, 0xED, 2, 0x80, 0x9F}, {0xEE, 0xEF, 2, 0x80, 0xBF},
        {0xF0, 0xF0, 3, 0x90, 0xBF},    {0xF1, 0xF3, 3, 0x80, 0xBF}, {0xF4, 0xF4, 3, 0x80, 0x8F},
    };
    for (size_t i = 0; i < n;) {
        size_t k = 0;
        while (k < sizeof forms / sizeof *forms && !(forms[k].low <= p[i] && p[i] <= forms[k].high))
            k++;
        if (k == sizeof forms / sizeof *forms)
            return 0;
        size_t there = 1;
        for (; there <= forms[k].tails && i + there < n; there++) {
            uint8_t low = there == 1 ? forms[k].second_low : 0x80, high = there == 1 ? forms[k].second_high : 0xBF;
            if (p[i + there] < low || p[i + there] > high)
                return 0;
        }
        i += there;
        *owed = forms[k].tails + 1 - (int)there;
    }
    return 1;
}

static int fail(int level, const char *what, size_t n) {
    fprintf(stderr, "%s of %zu bytes: the code of level %s differs\n", what, n, names[level]);
    return 1;
}

static int check_mask(int level) {
    static uint8_t data[GUARD + 64 + ROOM + GUARD], expected[sizeof data];
    for (size_t n = 0; n < ROOM; n++) {
        for (size_t alignment = 0; alignment < 64; alignment += n < 200 ? 1 : 7) {
            uint8_t key[4], turned[4];
            uint32_t word, after;
            for (size_t i = 0; i < sizeof data; i++)
                data[i] = expected[i] = (uint8_t)next_random(256);
            for (int i = 0; i < 4; i++)
                key[i] = (uint8_t)next_random(256);
            uint8_t *begin = data + GUARD + alignment;
            for (size_t i = 0; i < n; i++)
                expected[GUARD + alignment + i] ^= key[i % 4];
            for (size_t i = 0; i < 4; i++)
                turned[i] = key[(n + i) % 4];
            if (level == SIMD_UNKNOWN) { /* as the engine does it */
                ws_mask(begin, n, key);
                memcpy(&after, key, 4);
            } else {
                memcpy(&word, key, 4);
                mask_with(level, begin, n, word);
                after = mask_turned(word, n);
            }
            if (memcmp(data, expected, sizeof data) != 0 || memcmp(&after, turned, 4) != 0)
                return fail(level, "masking", n);
        }
    }
    return 0;
}

static size_t some_text(uint8_t *text) {
    static const char *const pieces[] = {"a", "\xc3\xa9", "\xe5\xbf\x83", "\xf0\x9f\x99\x82", "\xf4\x8f\xbf\xbf",
                                         "\xed\x9f\xbf", "\xe0\xa0\x80", "\xf0\x90\x80\x80", "ascii of 16 bytes"};
    size_t n = 0, want = next_random(ROOM - 20);
    uint32_t kinds = 1 + next_random(9), first = next_random(9);
    while (n < want) {
        const char *piece = pieces[(first + next_random(kinds)) % 9];
        memcpy(text + n, piece, strlen(piece));
        n += strlen(piece);
    }
    for (uint32_t faults = next_random(3); n && faults; faults--)
        text[next_random((uint32_t)n)] = (uint8_t)(next_random(2) ? next_random(256) : 0x80 | next_random(128));
    return n > 2 ? n - next_random(3) : n;
}

static int check_utf8(int level) {
    static uint8_t text[ROOM + 64];
    for (int round = 0; round < 60000; round++) {
        size_t n = some_text(text), cut = next_random((uint32_t)n + 1);
        utf8_state s;
        int owed = 0, possible, expected, non_ascii = 0;
        utf8_start(&s);
        for (int part = 0; part < 2; part++) {
            const uint8_t *from = part ? text + cut : text;
            size_t size = part ? n - cut : cut;
            owed = 0;
            expected = plain_utf8(text, part ? n : cut, &owed);
            possible = level == SIMD_UNKNOWN ? utf8_feed(&s, from, size) : utf8_feed_with(level, &s, from, size);
            if (possible != expected || (possible && s.owed != owed))
                return fail(level, "UTF-8", n);
            if (!possible)
                break;
        }
        for (size_t i = 0; i < n; i++)
            non_ascii |= text[i] > 0x7F;
        if (possible && s.non_ascii != non_ascii)
            return fail(level, "UTF-8 (ASCII or not)", n);
    }
    return 0;
}

/* FIPS 180-4's loop with examples of known digests; the processor's instructions beside that loop. */
static int check_sha(void) {
    static const uint8_t sha1_abc[] = {0xA9, 0x99, 0x3E, 0x36}, sha256_abc[] = {0xBA, 0x78, 0x16, 0xBF};
    uint8_t digest[SHA256_DIGEST], blocks[4 * SHA256_BLOCK] = {0};
    for (int level = SHA_PORTABLE; level <= SHA_NI; level++) {
        if (!sha_has(level))
            continue;
        sha_chosen = level;
        sha1_short((const uint8_t *)"abc", 3, digest);
        if (memcmp(digest, sha1_abc, sizeof sha1_abc) != 0)
            return fail(SIMD_UNKNOWN, "SHA-1", 3);
        sha256((const uint8_t *)"abc", 3, digest);
        if (memcmp(digest, sha256_abc, sizeof sha256_abc) != 0)
            return fail(SIMD_UNKNOWN, "SHA-256", 3);
    }
    for (int round = 0; round < 20000; round++) {
        uint32_t own[8], plain[8];
        for (size_t i = 0; i < sizeof blocks; i++)
            blocks[i] = (uint8_t)next_random(256);
        for (int i = 0; i < 8; i++)
            own[i] = plain[i] = next_random(UINT32_MAX);
        size_t count = 1 + next_random(4);
        sha256_blocks(own, blocks, count);
        sha256_blocks_portable(plain, blocks, count);
        if (memcmp(own, plain, sizeof own) != 0)
            return fail(SIMD_UNKNOWN, "SHA-256", count * SHA256_BLOCK);
        sha1_block(own, blocks);
        sha1_block_portable(plain, blocks);
        if (memcmp(own, plain, 5 * sizeof *own) != 0)
            return fail(SIMD_UNKNOWN, "SHA-1", 64);
    }
    return 0;
}

int main(void) {
    if (check_sha())
        return 1;
    for (int level = SIMD_UNKNOWN; level <= SIMD_NEON; level++) {
        if (level != SIMD_UNKNOWN && !simd_has(level))
            continue;
        if (check_mask(level) || check_utf8(level))
            return 1;
        if (level != SIMD_UNKNOWN)
            puts(names[level]);
    }
    return 0;
}
