/* The vectorised validator of utf8.h, written once and included for each instruction set; see there for the method.
 *
 * Expects: UTF8_NAME (the function), UTF8_TARGET (its attributes), V (the vector), V_BYTES, and of V: V_LOAD(p),
 * V_TABLE(p) (16 bytes, in each lane), V_LOOK(table, nibbles), V_HIGH(v) and V_LOW(v) (nibbles), V_FILL(byte), V_OR,
 * V_AND, V_XOR, V_LESS(v, w) (saturating subtraction), V_BACK(v, k) (as a load k bytes earlier, with zeros for what
 * lies before the text), V_ANY(v) (any bit set?) and V_NON_ASCII(v) (any byte above 7F?). The macros are gone again at
 * the end.
 */

/* Faults at each byte of `now`; back1 to back3 are the vectors that begin one to three bytes earlier. */
#define UTF8_FAULTS(now, back1, back2, back3)                                                                  \
    V_XOR(V_AND(V_AND(V_LOOK(by_lead_high, V_HIGH(back1)), V_LOOK(by_lead_low, V_LOW(back1))),                 \
                V_LOOK(by_next_high, V_HIGH(now))),                                                            \
          V_AND(V_OR(V_LESS(back2, V_FILL(0xE0 - 0x80)), V_LESS(back3, V_FILL(0xF0 - 0x80))), V_FILL(UTF8_TWO_TAILS)))

/* As utf8_feed(). Needs owed == 0, and n >= V_BYTES + 3: the last block looks back three bytes, which must be ours. */
UTF8_TARGET static int UTF8_NAME(utf8_state *s, const uint8_t *p, size_t n) {
    const uint8_t *end = p + n;
    const uint8_t *q = p;
    while (end - q >= 4 * V_BYTES) {
        V ab = V_OR(V_LOAD(q), V_LOAD(q + V_BYTES));
        V cd = V_OR(V_LOAD(q + 2 * V_BYTES), V_LOAD(q + 3 * V_BYTES));
        if (V_NON_ASCII(V_OR(ab, cd)))
            break;
        q += 4 * V_BYTES;
    }
    const V by_lead_high = V_TABLE(utf8_by_lead_high);
    const V by_lead_low = V_TABLE(utf8_by_lead_low);
    const V by_next_high = V_TABLE(utf8_by_next_high);
    V error = V_FILL(0);
    V seen = V_FILL(0);
    if (q == p) { /* nothing to look back at */
        seen = V_LOAD(q);
        error = UTF8_FAULTS(seen, V_BACK(seen, 1), V_BACK(seen, 2), V_BACK(seen, 3));
        q += V_BYTES;
    }
    while (q < end) {
        if (end - q < V_BYTES)
            q = end - V_BYTES; /* some bytes are looked at twice */
        V now = V_LOAD(q);
        V back3 = V_LOAD(q - 3);
        if (V_NON_ASCII(V_OR(now, back3))) {
            error = V_OR(error, UTF8_FAULTS(now, V_LOAD(q - 1), V_LOAD(q - 2), back3));
            seen = V_OR(seen, now);
        }
        q += V_BYTES;
    }
    if (V_NON_ASCII(seen))
        s->non_ascii = 1;
    if (V_ANY(error))
        return 0;
    for (size_t back = 1; back <= 3; back++) { /* what does the last character still owe? */
        uint8_t byte = end[-(ptrdiff_t)back];
        if (byte >= 0xC0)
            return back >= (byte < 0xE0 ? 2u : byte < 0xF0 ? 3u : 4u) || utf8_feed_portable(s, end - back, back);
        if (byte < 0x80)
            break;
    }
    return 1;
}

#undef UTF8_FAULTS
#undef UTF8_NAME
#undef UTF8_TARGET
#undef V
#undef V_BYTES
#undef V_LOAD
#undef V_TABLE
#undef V_LOOK
#undef V_HIGH
#undef V_LOW
#undef V_FILL
#undef V_OR
#undef V_AND
#undef V_XOR
#undef V_LESS
#undef V_BACK
#undef V_ANY
#undef V_NON_ASCII
