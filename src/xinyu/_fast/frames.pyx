"""RFC 6455 frames without sockets: the engine's own parser and builder (frames.h, mask.h, utf8.h), fed from Python.

The engine uses the C functions directly. This module is how tests, fuzzers and benchmarks reach the very same code, and
how the load generator builds a client's frames.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from xinyu._fast.connection cimport *

cimport cython

OP_CONTINUATION = WS_OP_CONTINUATION
OP_TEXT = WS_OP_TEXT
OP_BINARY = WS_OP_BINARY
OP_CLOSE = WS_OP_CLOSE
OP_PING = WS_OP_PING
OP_PONG = WS_OP_PONG

_LEVELS = {"portable": SIMD_PORTABLE, "sse2": SIMD_SSE2, "ssse3": SIMD_SSSE3, "avx2": SIMD_AVX2, "neon": SIMD_NEON}
# What this machine can run, the slowest first: names for mask_in_place() and Utf8Validator.
MASK_IMPLEMENTATIONS = tuple([name for name, level in _LEVELS.items() if name != "ssse3" and simd_has(level)])
UTF8_IMPLEMENTATIONS = tuple([name for name, level in _LEVELS.items() if name != "sse2" and simd_has(level)])


@cython.final
cdef class FrameParser:
    """Parses what a client sends. Feed it bytes, split anywhere; it answers with the events that became complete.

    Events are tuples: ("text", str), ("binary", bytes), ("ping", bytes), ("pong", bytes), ("close", code, reason) and
    ("fail", code, why). After "close" or "fail" nothing more is read.
    """

    cdef ws_parser parser
    cdef ws_limits limits
    cdef readonly bint finished  # a close frame or a violation was seen

    def __cinit__(self, max_message_bytes=1 << 20, max_fragments=65536):
        if not 0 < max_message_bytes <= 1 << 30 or not 0 < max_fragments <= 1 << 30:
            raise ValueError("limits must be between 1 and 2**30")
        self.limits.max_message = max_message_bytes
        self.limits.max_fragments = max_fragments
        ws_start(&self.parser)

    def __dealloc__(self):
        ws_free(&self.parser)

    def feed(self, bytes data not None):
        cdef list events = []
        cdef size_t n = len(data)
        cdef uint8_t *copy
        cdef uint8_t *cursor
        cdef ws_event event
        cdef int kind
        if self.finished:
            return events
        copy = <uint8_t *>malloc(n + 1)  # payload is unmasked in place; bytes objects do not change
        if copy == NULL:
            raise MemoryError
        memcpy(copy, PyBytes_AS_STRING(data), n)
        cursor = copy
        try:
            while not self.finished:
                kind = ws_next(&self.parser, &self.limits, &cursor, copy + n, &event)
                if kind == WS_MORE:
                    break
                events.append(self._event(kind, &event))
                ws_done(&self.parser)
        finally:
            free(copy)
        return events

    cdef tuple _event(self, int kind, ws_event *event):
        cdef bytes data
        if kind == WS_FAIL:
            self.finished = True
            return "fail", event.code, event.why.decode()
        data = PyBytes_FromStringAndSize(<char *>event.data, <Py_ssize_t>event.length)
        if kind == WS_MESSAGE:
            return ("text", data.decode()) if event.is_text else ("binary", data)
        if kind == WS_PING:
            return "ping", data
        if kind == WS_PONG:
            return "pong", data
        self.finished = True
        return "close", event.code, data[2:].decode()

    def feed_count(self, bytearray data not None):
        """Parse data, unmasking it in place, and only count the events: what a benchmark wants to time."""
        cdef uint8_t *cursor = <uint8_t *>data
        cdef uint8_t *end = cursor + len(data)
        cdef ws_event event
        cdef Py_ssize_t count = 0
        cdef int kind
        while not self.finished:
            kind = ws_next(&self.parser, &self.limits, &cursor, end, &event)
            if kind == WS_MORE:
                break
            count += 1
            self.finished = kind == WS_FAIL or kind == WS_CLOSE
            ws_done(&self.parser)
        return count

    @property
    def held_bytes(self):
        """Memory that half a message or half a control frame occupies now."""
        return self.parser.capacity + (WS_CONTROL_MAX if self.parser.control != NULL else 0)


def build_frame(int opcode, bytes payload not None, *, bint fin=True, bytes mask=None):
    """One frame: as the server sends it, or as a client does when a mask of 4 bytes is given."""
    cdef uint8_t header[WS_SERVER_HEADER_MAX]
    cdef size_t size
    if not 0 <= opcode <= 15:
        raise ValueError("an opcode has four bits")
    size = ws_header(header, (WS_FIN if fin else 0) | opcode, len(payload))
    if mask is None:
        return header[:size] + payload
    header[1] |= 0x80
    return header[:size] + mask + apply_mask(payload, mask)


def apply_mask(bytes data not None, bytes mask not None):
    """XOR data with a mask of 4 bytes (section 5.3)."""
    cdef uint8_t key[4]
    cdef bytes masked
    if len(mask) != 4:
        raise ValueError("a mask has four bytes")
    memcpy(key, PyBytes_AS_STRING(mask), 4)
    masked = PyBytes_FromStringAndSize(PyBytes_AS_STRING(data), len(data))
    if len(data) > 1:  # CPython shares bytes objects of length 0 and 1
        ws_mask(<uint8_t *>PyBytes_AS_STRING(masked), len(data), key)
        return masked
    return bytes([data[0] ^ key[0]]) if data else b""


def mask_in_place(bytearray data not None, bytes mask not None, Py_ssize_t start=0, stop=None, implementation=None):
    """XOR data[start:stop] with a mask of 4 bytes; returns the mask as it goes on at stop.

    By the code that the engine would take here, or by one of MASK_IMPLEMENTATIONS.
    """
    cdef Py_ssize_t end = len(data) if stop is None else stop
    cdef uint32_t key
    cdef uint8_t turned[4]
    if len(mask) != 4:
        raise ValueError("a mask has four bytes")
    if not 0 <= start <= end <= len(data):
        raise ValueError("start and stop must lie in data, in this order")
    if implementation is not None and implementation not in MASK_IMPLEMENTATIONS:
        raise ValueError(f"no such implementation here: {implementation!r}")
    memcpy(turned, PyBytes_AS_STRING(mask), 4)
    if implementation is None:
        ws_mask(<uint8_t *>data + start, end - start, turned)
    else:
        memcpy(&key, turned, 4)
        mask_with(_LEVELS[implementation], <uint8_t *>data + start, end - start, key)
        key = mask_turned(key, end - start)
        memcpy(turned, &key, 4)
    return PyBytes_FromStringAndSize(<char *>turned, 4)


def close_code_allowed(code):
    """May this code stand in a close frame? (section 7.4)"""
    return 0 <= code < 1 << 16 and ws_close_code_allowed(code) != 0


def accept_key(bytes key not None):
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key of 24 characters (section 4.2.2)."""
    cdef char out[28]
    if len(key) != 24:
        raise ValueError("a key has 24 characters")
    websocket_accept_key(PyBytes_AS_STRING(key), out)
    return out[:28]


def legacy_ping(bytes text not None):
    """Is this text the reference client's heartbeat?"""
    return is_legacy_ping(<const uint8_t *>PyBytes_AS_STRING(text), len(text)) != 0


@cython.final
cdef class Utf8Validator:
    """Incremental UTF-8 validation: feed() says whether the text can still become valid.

    By the code that the engine would take here, or by one of UTF8_IMPLEMENTATIONS.
    """

    cdef utf8_state state
    cdef int level  # SIMD_UNKNOWN: as the engine
    cdef bint failed

    def __cinit__(self, implementation=None):
        if implementation is not None and implementation not in UTF8_IMPLEMENTATIONS:
            raise ValueError(f"no such implementation here: {implementation!r}")
        self.level = SIMD_UNKNOWN if implementation is None else _LEVELS[implementation]
        utf8_start(&self.state)

    def feed(self, bytes data not None):
        cdef const uint8_t *text = <const uint8_t *>PyBytes_AS_STRING(data)
        if self.failed:
            return False
        if self.level == SIMD_UNKNOWN:
            self.failed = not utf8_feed(&self.state, text, len(data))
        else:
            self.failed = not utf8_feed_with(self.level, &self.state, text, len(data))
        return not self.failed

    @property
    def complete(self):
        """Valid, and not in the middle of a character."""
        return not self.failed and self.state.owed == 0

    @property
    def ascii(self):
        """Nothing but ASCII so far (of text that is valid so far)."""
        return not self.state.non_ascii
