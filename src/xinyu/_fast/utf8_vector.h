/* The vectorised validator of utf8.h, written once and included for each instruction set; see there for the method.
 *
 * Expects: UTF8_NAME (the function), UTF8_TARGET (its attributes), V (the vector), V_BYTES, and of V: V_LOAD(p),
 * V_TABLE(p) (16 bytes, in each lane), V_LOOK(table, nibbles), V_HIGH(v) and V_LOW(v) (nibbles), V_FILL(byte), V_OR,
 * V_AND, V_XOR, V_LESS(v, w) (saturating subtraction), V_ANY(v) (any bit set?) and V_NON_ASCII(v) (any byte above 7F?).
 * It takes the macros away again.
 */

/* Needs owed == 0 and n >= V_BYTES + 3. As utf8_feed(). */
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
    if (q == p) { /* no bytes to look back at */
        if (!utf8_feed_portable(s, p, 3))
            return 0;
        q = p + 3;
    }
    const V by_lead_high = V_TABLE(utf8_by_lead_high);
    const V by_lead_low = V_TABLE(utf8_by_lead_low);
    const V by_next_high = V_TABLE(utf8_by_next_high);
    V error = V_FILL(0);
    V seen = V_FILL(0);
    while (q < end) {
        if (end - q < V_BYTES)
            q = end - V_BYTES; /* some bytes are looked at twice */
        V now = V_LOAD(q);
        V back3 = V_LOAD(q - 3);
        if (V_NON_ASCII(V_OR(now, back3))) {
            V back1 = V_LOAD(q - 1);
            V back2 = V_LOAD(q - 2);
            V pair = V_AND(V_AND(V_LOOK(by_lead_high, V_HIGH(back1)), V_LOOK(by_lead_low, V_LOW(back1))),
                           V_LOOK(by_next_high, V_HIGH(now)));
            V owed = V_OR(V_LESS(back2, V_FILL(0xE0 - 0x80)), V_LESS(back3, V_FILL(0xF0 - 0x80)));
            error = V_OR(error, V_XOR(pair, V_AND(owed, V_FILL(UTF8_TWO_TAILS))));
            seen = V_OR(seen, now);
        }
        q += V_BYTES;
    }
    if (V_NON_ASCII(seen))
        s->non_ascii = 1;
    if (V_ANY(error))
        return 0;
    s->owed = 0;
    for (size_t back = 1; back <= 3 && end[-(ptrdiff_t)back] >= 0x80; back++)
        if (end[-(ptrdiff_t)back] >= 0xC0) /* what the last character still owes */
            return utf8_feed_portable(s, end - back, back);
    return 1;
}

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
#undef V_ANY
#undef V_NON_ASCII
