/* RFC 6455 frames as the server sees them: parse what clients send, build what is sent to them. Bytes in, events out.
 *
 * ws_next() reads from a cursor and returns at the first event (a complete message, a control frame, a violation) or
 * when the input is used up. Payload is unmasked where it lies. A message that lies whole in the input is handed on
 * without a copy; otherwise its bytes are gathered in memory of the parser's own, which exists only while half a
 * message does. Memory grows with the bytes that came, never with the length that a header announces.
 *
 * Violations are reported at the first byte that shows them: reserved bits and opcodes at a frame's first byte, a
 * missing mask at its second, too great a length at the end of its header, bad UTF-8 at the byte.
 *
 * Invariants: between calls stage is WS_HEADER with header_length < 14, or WS_PAYLOAD with left > 0. message_opcode is
 * non-zero exactly while a data message is unfinished. The mask is rotated as payload is consumed, so that its first
 * byte always belongs to the next payload byte. After WS_FAIL the parser must not be fed again, but may be freed.
 * An idle parser (ws_is_idle) holds no memory and nothing that the next frame depends on, so one serves all connections
 * that are not in the middle of a message.
 */
#ifndef XINYU_FRAMES_H
#define XINYU_FRAMES_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mask.h"
#include "utf8.h"

enum ws_opcode { WS_OP_CONTINUATION = 0, WS_OP_TEXT = 1, WS_OP_BINARY = 2, WS_OP_CLOSE = 8, WS_OP_PING = 9, WS_OP_PONG = 10 };
enum ws_kind { WS_MORE = 0, WS_MESSAGE, WS_PING, WS_PONG, WS_CLOSE, WS_FAIL };
enum ws_stage { WS_HEADER = 0, WS_PAYLOAD = 1 };

#define WS_FIN 0x80
#define WS_CONTROL_MAX 125       /* bytes of a control frame's payload (section 5.5) */
#define WS_CLIENT_HEADER_MAX 14  /* 2 + 8 of length + 4 of mask */
#define WS_SERVER_HEADER_MAX 10
#define WS_FIRST_ALLOCATION 512  /* bytes: the smallest memory for half a message */

typedef struct ws_limits {
    uint32_t max_message; /* bytes */
    uint32_t max_fragments;
} ws_limits;

typedef struct ws_parser {
    uint64_t left;     /* payload bytes of the current frame still to come */
    uint8_t *message;  /* owned: the first bytes of an unfinished message */
    uint8_t *control;  /* owned: the first bytes of an unfinished control frame's payload */
    uint32_t length;   /* bytes in message */
    uint32_t capacity; /* bytes allocated for message */
    uint32_t fragments;
    utf8_state utf8;
    uint8_t mask[4];
    uint8_t header[WS_CLIENT_HEADER_MAX];
    uint8_t header_length;
    uint8_t control_length;
    uint8_t stage;
    uint8_t first;          /* first byte of the current frame: FIN and opcode */
    uint8_t message_opcode; /* WS_OP_TEXT, WS_OP_BINARY or 0 */
} ws_parser;

typedef struct ws_event {
    uint8_t *data; /* borrowed from the input or the parser: gone at the next ws_next() or ws_done() */
    size_t length;
    const char *why; /* of WS_FAIL: short text for the close frame */
    uint16_t code;   /* close code of WS_CLOSE (1005: none was given) or WS_FAIL */
    uint8_t is_text, is_ascii;
} ws_event;

static inline void ws_start(ws_parser *p) {
    memset(p, 0, sizeof *p);
    utf8_start(&p->utf8);
}

/* Free what belongs to a message that was handed on. Call it when done with the event's data. */
static inline void ws_done(ws_parser *p) {
    if (p->message != NULL && p->message_opcode == 0) {
        free(p->message);
        p->message = NULL;
        p->length = p->capacity = 0;
    }
    if (p->control != NULL && p->control_length == 0) {
        free(p->control);
        p->control = NULL;
    }
}

/* Between two messages, with nothing of the next one read: any other parser would do as well. Ask after ws_done(). */
static inline int ws_is_idle(const ws_parser *p) {
    return p->stage == WS_HEADER && p->header_length == 0 && p->message_opcode == 0;
}

static inline void ws_free(ws_parser *p) {
    free(p->message);
    free(p->control);
    ws_start(p);
}

/* Codes that may stand in a close frame (section 7.4 and the IANA registry). */
static inline int ws_close_code_allowed(uint32_t code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

/* A server frame's header: 2, 4 or 10 bytes into out. */
static inline size_t ws_header(uint8_t *out, uint8_t first, uint64_t length) {
    out[0] = first;
    if (length < 126) {
        out[1] = (uint8_t)length;
        return 2;
    }
    if (length < 65536) {
        out[1] = 126;
        out[2] = (uint8_t)(length >> 8);
        out[3] = (uint8_t)length;
        return 4;
    }
    out[1] = 127;
    for (int i = 0; i < 8; i++)
        out[2 + i] = (uint8_t)(length >> (56 - 8 * i));
    return 10;
}

static inline int ws_fail(ws_event *event, uint16_t code, const char *why) {
    event->code = code;
    event->why = why;
    return WS_FAIL;
}

/* The first byte: section 5.2 (reserved bits, opcodes), 5.4 (fragmentation), 5.5 (control frames). */
static inline const char *ws_check_first(const ws_parser *p, uint8_t first) {
    uint8_t opcode = first & 0x0F;
    if (first & 0x70)
        return "reserved bits";
    if (opcode >= WS_OP_CLOSE) {
        if (opcode > WS_OP_PONG)
            return "unknown opcode";
        if (!(first & WS_FIN))
            return "fragmented control frame";
    } else if (opcode > WS_OP_BINARY) {
        return "unknown opcode";
    } else if (opcode == WS_OP_CONTINUATION) {
        if (p->message_opcode == 0)
            return "continuation of nothing";
    } else if (p->message_opcode != 0) {
        return "new message inside a message";
    }
    return NULL;
}

/* How long the header is that begins with these two bytes. */
static inline int ws_header_size(uint8_t second) {
    int length = second & 0x7F;
    return 2 + (length == 127 ? 8 : length == 126 ? 2 : 0) + 4;
}

/* The second byte: the mask's bit, and the length of a control frame (section 5.5). */
static inline const char *ws_check_second(uint8_t first, uint8_t second) {
    if (!(second & 0x80)) /* section 5.1: a client must mask */
        return "frame is not masked";
    if ((first & 0x08) && (second & 0x7F) > WS_CONTROL_MAX)
        return "control frame is too long";
    return NULL;
}

/* Read a header from the cursor. WS_MORE with stage still WS_HEADER: the input ended first. */
static inline int ws_read_header(ws_parser *p, const ws_limits *limits, uint8_t **cursor, uint8_t *end, ws_event *event) {
    const uint8_t *h = *cursor;
    const char *why;
    int size;
    if (p->header_length == 0 && end - h >= 2 && end - h >= ws_header_size(h[1])) { /* nearly always: where it lies */
        if ((why = ws_check_first(p, h[0])) != NULL || (why = ws_check_second(h[0], h[1])) != NULL)
            return ws_fail(event, 1002, why);
        size = ws_header_size(h[1]);
        *cursor += size;
    } else {
        h = p->header;
        size = p->header_length >= 2 ? ws_header_size(h[1]) : 2;
        while (p->header_length < size) {
            if (*cursor == end)
                return WS_MORE;
            p->header[p->header_length++] = *(*cursor)++;
            why = NULL;
            if (p->header_length == 1) {
                why = ws_check_first(p, h[0]);
            } else if (p->header_length == 2) {
                why = ws_check_second(h[0], h[1]);
                size = ws_header_size(h[1]);
            }
            if (why != NULL)
                return ws_fail(event, 1002, why);
        }
    }
    uint64_t length = h[1] & 0x7F;
    if (length == 126) {
        length = (uint64_t)h[2] << 8 | h[3];
        if (length < 126) /* section 5.2: the shortest form must be used */
            return ws_fail(event, 1002, "length is not in its shortest form");
    } else if (length == 127) {
        length = 0;
        for (int i = 2; i < 10; i++)
            length = length << 8 | h[i];
        if (length < 65536 || length >> 63)
            return ws_fail(event, 1002, "length is not in its shortest form");
    }
    memcpy(p->mask, h + size - 4, 4);
    p->first = h[0];
    p->header_length = 0;
    if (!(p->first & 0x08)) {
        if (length > limits->max_message || length > limits->max_message - p->length)
            return ws_fail(event, 1009, "message is too long");
        if (p->message_opcode == 0) {
            p->message_opcode = p->first & 0x0F;
            p->fragments = 0;
            utf8_start(&p->utf8);
        }
        if (++p->fragments > limits->max_fragments)
            return ws_fail(event, 1009, "message has too many fragments");
    }
    p->left = length;
    p->stage = WS_PAYLOAD;
    return WS_MORE;
}

/* Keep n more bytes of the unfinished message. 0: out of memory. */
static inline int ws_keep(ws_parser *p, const uint8_t *data, size_t n) {
    size_t needed = p->length + n;
    if (needed > p->capacity) {
        size_t capacity = p->capacity ? p->capacity : WS_FIRST_ALLOCATION;
        size_t announced = p->length + p->left;
        while (capacity < needed)
            capacity *= 2;
        if ((p->first & WS_FIN) && capacity > announced) /* no more than the last frame will fill */
            capacity = announced > needed ? announced : needed;
        uint8_t *grown = realloc(p->message, capacity);
        if (grown == NULL)
            return 0;
        p->message = grown;
        p->capacity = (uint32_t)capacity;
    }
    if (n)
        memcpy(p->message + p->length, data, n);
    p->length += (uint32_t)n;
    return 1;
}

static inline int ws_finish_close(ws_event *event) {
    const uint8_t *data = event->data;
    utf8_state reason;
    if (event->length == 0) {
        event->code = 1005;
        return WS_CLOSE;
    }
    if (event->length == 1)
        return ws_fail(event, 1002, "close payload of one byte");
    event->code = (uint16_t)(data[0] << 8 | data[1]);
    if (!ws_close_code_allowed(event->code))
        return ws_fail(event, 1002, "close code is not allowed");
    utf8_start(&reason);
    if (!utf8_feed(&reason, data + 2, event->length - 2) || reason.owed)
        return ws_fail(event, 1007, "close reason is not UTF-8");
    return WS_CLOSE;
}

static inline int ws_read_control(ws_parser *p, uint8_t **cursor, uint8_t *end, ws_event *event) {
    size_t n = (size_t)(end - *cursor);
    if (n > p->left)
        n = (size_t)p->left;
    ws_mask(*cursor, n, p->mask);
    if (n < p->left || p->control_length) {
        if (p->control == NULL && (p->control = malloc(WS_CONTROL_MAX)) == NULL)
            return ws_fail(event, 1011, "out of memory");
        memcpy(p->control + p->control_length, *cursor, n);
        p->control_length += (uint8_t)n;
        event->data = p->control;
        event->length = p->control_length;
    } else {
        event->data = *cursor;
        event->length = n;
    }
    *cursor += n;
    p->left -= n;
    if (p->left)
        return WS_MORE;
    p->stage = WS_HEADER;
    p->control_length = 0;
    switch (p->first & 0x0F) {
    case WS_OP_PING:
        return WS_PING;
    case WS_OP_PONG:
        return WS_PONG;
    default:
        return ws_finish_close(event);
    }
}

static inline int ws_read_data(ws_parser *p, uint8_t **cursor, uint8_t *end, ws_event *event) {
    size_t n = (size_t)(end - *cursor);
    uint8_t *chunk = *cursor;
    if (n > p->left)
        n = (size_t)p->left;
    ws_mask(chunk, n, p->mask);
    if (p->message_opcode == WS_OP_TEXT && !utf8_feed(&p->utf8, chunk, n))
        return ws_fail(event, 1007, "text is not UTF-8");
    int last = (p->first & WS_FIN) && n == p->left;
    if (last && p->length == 0) {
        event->data = chunk;
        event->length = n;
    } else {
        if (!ws_keep(p, chunk, n))
            return ws_fail(event, 1011, "out of memory");
        event->data = p->message;
        event->length = p->length;
    }
    *cursor += n;
    p->left -= n;
    if (p->left)
        return WS_MORE;
    p->stage = WS_HEADER;
    if (!last)
        return WS_MORE;
    event->is_text = p->message_opcode == WS_OP_TEXT;
    event->is_ascii = event->is_text && !p->utf8.non_ascii;
    if (event->is_text && p->utf8.owed)
        return ws_fail(event, 1007, "text is not UTF-8");
    p->message_opcode = 0;
    p->length = 0; /* ws_done() frees the bytes; the next message counts from 0 */
    return WS_MESSAGE;
}

/* The next event from *cursor..end; bytes before the new *cursor are consumed (and unmasked). */
static inline int ws_next(ws_parser *p, const ws_limits *limits, uint8_t **cursor, uint8_t *end, ws_event *event) {
    for (;;) {
        int kind;
        if (p->stage == WS_HEADER) {
            kind = ws_read_header(p, limits, cursor, end, event);
            if (kind != WS_MORE || p->stage == WS_HEADER)
                return kind;
        }
        if (*cursor == end && p->left)
            return WS_MORE;
        if (p->first & 0x08)
            kind = ws_read_control(p, cursor, end, event);
        else
            kind = ws_read_data(p, cursor, end, event);
        if (kind != WS_MORE || p->stage == WS_PAYLOAD)
            return kind;
    }
}

#endif
