/* Incremental UTF-8 validation (RFC 3629), as RFC 6455 section 8.1 asks of text messages.
 *
 * The state is what the next byte may be: how many continuation bytes are still owed and the range of the first of
 * them (it is narrower than 80..BF after E0, ED, F0 and F4). So a sequence that cannot become valid is refused at its
 * first impossible byte, wherever the input was split. Eight bytes of ASCII are passed at a time.
 */
#ifndef XINYU_UTF8_H
#define XINYU_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* 1: everything so far can be the beginning of valid text; 0: it cannot. At the end of the text also ask owed == 0. */
static inline int utf8_feed(utf8_state *s, const uint8_t *p, size_t n) {
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

#endif
