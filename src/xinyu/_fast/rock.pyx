"""The Rock RPC frame codec: bytes in, frames out, and the way back. No socket, no clock, no log.

A frame is an 8-byte header and a payload:

    AB CD | version 01 | flags: bit 0 = gzip | payload length, signed 32-bit big-endian | payload

The payload is a type byte (1 REQUEST, 2 RESPONSE, 3 NOTIFY) and fields: v32 is an unsigned LEB128 of at most 32 bits in
its shortest form, str is a v64 length and so many bytes. The trace dialect has a trace id between the numbers and the
body; which dialect a peer speaks cannot be read off a frame, it is a setting.

    REQUEST  sn, cmd, [trace_id], body        RESPONSE  sn, cmd, result, result_str, [trace_id], body
    NOTIFY   notify, [trace_id], body

What a REQUEST between our own processes carries besides stands at the head of its body, in both dialects
(contract: rock-rpc, "what the trace dialect must carry besides"):

    1 byte   version of the head, 1
    4 bytes  how long the caller waits, milliseconds, unsigned big-endian: a span, so that clocks need not agree
    1 byte   length of the caller's name, then the name in ASCII
    the rest is the request in protobuf

An Encoder writes it, and a Decoder that is told to reads it, at no cost of a second copy of the body.

Decoding. Frames that lie whole in the bytes given to `feed` are parsed where they are; only an unfinished frame is kept,
in one buffer that grows with what has arrived and not with what the header promised. So a decoder owns at most one
frame, and 8 bytes that announce 64 MiB cost 8 bytes. Every length is compared with the bytes left before it is used. The first
fault is final: the stream has no marks to start anew from.

Each parser step returns a `Fault` and takes a cursor that never passes its end; Python objects are made last, when
nothing can fail any more but memory and text.
"""

import zlib as _zlib

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy, memset

cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    object PyMemoryView_FromMemory(char *memory, Py_ssize_t size, int flags)
    const int PyBUF_READ

MAX_LENGTH = 64 * 1024 * 1024  # bytes; the contract's default
GZIP_MIN_LENGTH = 4096  # bytes before compression; the contract's default
GZIP_LEVEL = 1  # on JSON, level 6 is smaller but takes twice as long there and back (bench_rock.py)

cdef enum:
    HEADER_BYTES = 8
    FLAG_GZIP = 1
    # A buffer up to this size stays with its decoder for the next unfinished frame; a larger one is given back.
    KEPT_BUFFER_BYTES = 16384
    GZIP_WINDOW_BITS = 31  # zlib: 15 + 16 = RFC 1952 container
    HEAD_VERSION = 1
    HEAD_BYTES = 6  # and the caller's name

cdef enum Type:
    REQUEST = 1
    RESPONSE = 2
    NOTIFY = 3

# The numbers are written out: Cython 3.3 cannot count under overflowcheck, which the debug build has on.
cdef enum Fault:
    OK = 0
    MAGIC = 1
    VERSION = 2
    FLAGS = 3
    LENGTH = 4
    TYPE = 5
    VARINT = 6
    TRUNCATED = 7
    TRAILING = 8
    TEXT = 9
    GZIP = 10
    INFLATED_LENGTH = 11

# Fault -> (stable word, text). The words are what code may compare.
cdef tuple _FAULTS = (
    ("", ""),
    ("magic", "the frame does not start with AB CD"),
    ("version", "the frame's version is not 1"),
    ("flags", "the frame has unknown flags"),
    ("length", "the payload's length is zero, negative or not below the limit"),
    ("type", "the payload's type is none of REQUEST, RESPONSE, NOTIFY"),
    ("varint", "a number is too large or not in its shortest form"),
    ("truncated", "a field is longer than the rest of the payload"),
    ("trailing", "there are bytes after the last field"),
    ("text", "a trace id or result text is not UTF-8"),
    ("gzip", "the payload is not exactly one gzip member"),
    ("inflated_length", "the inflated payload's length is not below the limit"),
)


class ProtocolError(Exception):
    """The peer broke the framing: close the connection.

    `reason` is one of magic, version, flags, length, type, varint, truncated, trailing, text, gzip, inflated_length.
    `frames` are those that were complete before the broken one in the same call of `feed`.
    """

    def __init__(self, reason, text, frames=()):
        super().__init__(f"{reason}: {text}")
        self.reason = reason
        self.frames = tuple(frames)


@cython.freelist(64)
cdef class Request:
    """A call: `sn` pairs it with its RESPONSE on this connection. trace_id is "" when there is none."""

    cdef readonly uint32_t sn
    cdef readonly uint32_t cmd
    cdef readonly str trace_id
    cdef readonly bytes body

    __match_args__ = ("sn", "cmd", "trace_id", "body")

    def __cinit__(self, uint32_t sn = 0, uint32_t cmd = 0, str trace_id not None = "", bytes body not None = b""):
        self.sn = sn
        self.cmd = cmd
        self.trace_id = trace_id
        self.body = body

    def __eq__(self, other):
        if type(other) is not Request:
            return NotImplemented
        cdef Request that = <Request>other
        return (
            self.sn == that.sn and self.cmd == that.cmd and self.trace_id == that.trace_id and self.body == that.body
        )

    def __hash__(self):
        return hash((1, self.sn, self.cmd, self.trace_id, self.body))

    def __repr__(self):
        return f"Request(sn={self.sn}, cmd={self.cmd}, trace_id={self.trace_id!r}, body={self.body!r})"


@cython.final
cdef class Call(Request):
    """A REQUEST whose body began with a head; `body` is what follows it."""

    cdef readonly double timeout_s
    cdef readonly str caller

    __match_args__ = ("sn", "cmd", "trace_id", "body", "timeout_s", "caller")

    def __eq__(self, other):
        if type(other) is not Call:
            return NotImplemented
        cdef Call that = <Call>other
        return (
            self.sn == that.sn
            and self.cmd == that.cmd
            and self.trace_id == that.trace_id
            and self.body == that.body
            and self.timeout_s == that.timeout_s
            and self.caller == that.caller
        )

    def __hash__(self):
        return hash((4, self.sn, self.cmd, self.trace_id, self.body, self.timeout_s, self.caller))

    def __repr__(self):
        return (
            f"Call(sn={self.sn}, cmd={self.cmd}, trace_id={self.trace_id!r}, body={self.body!r}, "
            f"timeout_s={self.timeout_s}, caller={self.caller!r})"
        )


@cython.final
@cython.freelist(64)
cdef class Response:
    """The answer to the REQUEST of the same sn. result 200 = ok, others follow HTTP's meaning."""

    cdef readonly uint32_t sn
    cdef readonly uint32_t cmd
    cdef readonly uint32_t result
    cdef readonly str result_str
    cdef readonly str trace_id
    cdef readonly bytes body

    __match_args__ = ("sn", "cmd", "result", "result_str", "trace_id", "body")

    def __cinit__(
        self,
        uint32_t sn = 0,
        uint32_t cmd = 0,
        uint32_t result = 0,
        str result_str not None = "",
        str trace_id not None = "",
        bytes body not None = b"",
    ):
        self.sn = sn
        self.cmd = cmd
        self.result = result
        self.result_str = result_str
        self.trace_id = trace_id
        self.body = body

    def __eq__(self, other):
        if not isinstance(other, Response):
            return NotImplemented
        cdef Response that = <Response>other
        return (
            self.sn == that.sn
            and self.cmd == that.cmd
            and self.result == that.result
            and self.result_str == that.result_str
            and self.trace_id == that.trace_id
            and self.body == that.body
        )

    def __hash__(self):
        return hash((2, self.sn, self.cmd, self.result, self.result_str, self.trace_id, self.body))

    def __repr__(self):
        return (
            f"Response(sn={self.sn}, cmd={self.cmd}, result={self.result}, result_str={self.result_str!r}, "
            f"trace_id={self.trace_id!r}, body={self.body!r})"
        )


@cython.final
@cython.freelist(16)
cdef class Notify:
    """A word that is never answered."""

    cdef readonly uint32_t notify
    cdef readonly str trace_id
    cdef readonly bytes body

    __match_args__ = ("notify", "trace_id", "body")

    def __cinit__(self, uint32_t notify = 0, str trace_id not None = "", bytes body not None = b""):
        self.notify = notify
        self.trace_id = trace_id
        self.body = body

    def __eq__(self, other):
        if not isinstance(other, Notify):
            return NotImplemented
        cdef Notify that = <Notify>other
        return self.notify == that.notify and self.trace_id == that.trace_id and self.body == that.body

    def __hash__(self):
        return hash((3, self.notify, self.trace_id, self.body))

    def __repr__(self):
        return f"Notify(notify={self.notify}, trace_id={self.trace_id!r}, body={self.body!r})"


Frame = Request | Response | Notify


cdef bint _is_trace(str dialect) except -1:
    if dialect == "trace":
        return True
    if dialect == "base":
        return False
    raise ValueError(f"dialect is {dialect!r}, must be 'base' or 'trace'")


# ---- readers: p moves on as left goes down to 0 ---------------------------------------------------------------------

ctypedef struct Cursor:
    const uint8_t *p
    Py_ssize_t left


ctypedef struct Span:
    const uint8_t *start
    Py_ssize_t size


cdef inline Fault _read_varint(Cursor *cursor, int max_bits, uint64_t *value) noexcept nogil:
    """Unsigned LEB128 of at most max_bits (32 or 64) in its shortest form."""
    cdef uint64_t result = 0
    cdef int shift = 0
    cdef uint8_t byte
    while True:
        if cursor.left == 0:
            return TRUNCATED
        byte = cursor.p[0]
        cursor.p += 1
        cursor.left -= 1
        # The last group has room for fewer than seven bits, and no group after it: 4 bits of 32, 1 bit of 64.
        if shift + 7 > max_bits and byte >> (max_bits - shift):
            return VARINT
        result |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            if byte == 0 and shift > 0:
                return VARINT
            value[0] = result
            return OK
        shift += 7


cdef inline Fault _read_v32(Cursor *cursor, uint32_t *value) noexcept nogil:
    cdef uint64_t wide = 0
    cdef Fault fault = _read_varint(cursor, 32, &wide)
    value[0] = <uint32_t>wide
    return fault


cdef inline Fault _read_span(Cursor *cursor, Span *span) noexcept nogil:
    cdef uint64_t size = 0
    cdef Fault fault = _read_varint(cursor, 64, &size)
    if fault != OK:
        return fault
    if size > <uint64_t>cursor.left:
        return TRUNCATED
    span.start = cursor.p
    span.size = <Py_ssize_t>size
    cursor.p += span.size
    cursor.left -= span.size
    return OK


ctypedef struct Fields:
    uint8_t type
    uint32_t sn  # NOTIFY: the notify number
    uint32_t cmd
    uint32_t result
    Span result_str
    Span trace_id
    Span body


cdef Fault _read_fields(const uint8_t *payload, Py_ssize_t size, bint trace, Fields *fields) noexcept nogil:
    cdef Cursor cursor
    cdef Fault fault
    if size == 0:
        return TRUNCATED
    fields.type = payload[0]
    cursor.p = payload + 1
    cursor.left = size - 1
    if fields.type < REQUEST or fields.type > NOTIFY:
        return TYPE
    fault = _read_v32(&cursor, &fields.sn)
    if fault != OK:
        return fault
    if fields.type != NOTIFY:
        fault = _read_v32(&cursor, &fields.cmd)
        if fault != OK:
            return fault
    if fields.type == RESPONSE:
        fault = _read_v32(&cursor, &fields.result)
        if fault != OK:
            return fault
        fault = _read_span(&cursor, &fields.result_str)
        if fault != OK:
            return fault
    fields.trace_id.start = payload
    fields.trace_id.size = 0
    if trace:
        fault = _read_span(&cursor, &fields.trace_id)
        if fault != OK:
            return fault
    fault = _read_span(&cursor, &fields.body)
    if fault != OK:
        return fault
    return OK if cursor.left == 0 else TRAILING


cdef bint _read_head(Span *body, uint32_t *timeout_ms, Span *caller) noexcept nogil:
    """Moves `body` behind its head. False, and nothing moved: it begins with none."""
    cdef const uint8_t *p = body.start
    cdef Py_ssize_t i
    if body.size < HEAD_BYTES or p[0] != HEAD_VERSION or body.size < HEAD_BYTES + p[5]:
        return False
    caller.start = p + HEAD_BYTES
    caller.size = p[5]
    for i in range(caller.size):
        if caller.start[i] >= 0x80:
            return False
    timeout_ms[0] = (<uint32_t>p[1] << 24) | (<uint32_t>p[2] << 16) | (<uint32_t>p[3] << 8) | <uint32_t>p[4]
    body.start += HEAD_BYTES + caller.size
    body.size -= HEAD_BYTES + caller.size
    return True


cdef inline str _text(Span span):
    if span.size == 0:
        return ""
    return PyUnicode_DecodeUTF8(<const char *>span.start, span.size, NULL)


cdef Fault _read_header(const uint8_t *header, Py_ssize_t max_length, bint *is_gzip, Py_ssize_t *size) noexcept nogil:
    cdef int32_t length
    if header[0] != 0xAB or header[1] != 0xCD:
        return MAGIC
    if header[2] != 1:
        return VERSION
    if header[3] & ~FLAG_GZIP:
        return FLAGS
    length = <int32_t>(
        (<uint32_t>header[4] << 24) | (<uint32_t>header[5] << 16) | (<uint32_t>header[6] << 8) | <uint32_t>header[7]
    )
    if length <= 0 or length >= max_length:
        return LENGTH
    is_gzip[0] = header[3] & FLAG_GZIP
    size[0] = length
    return OK


@cython.final
cdef class Decoder:
    """Cuts one connection's byte stream into frames. Not for use by two threads at once.

    dialect: "base" or "trace", as the peer is set. max_length: the payload's length must be below it, in bytes, as sent
    and again when inflated. heads: a REQUEST whose body begins with a head of ours comes as a Call.
    """

    cdef readonly str dialect
    cdef readonly Py_ssize_t max_length
    cdef readonly bint heads
    cdef bint trace
    cdef bytes caller_bytes  # the last caller's name and what it came from: those of a connection are nearly always one
    cdef str caller
    cdef bint running  # zlib releases the interpreter's lock in the middle of a feed
    cdef Fault fault  # the stream's first fault, kept for good
    cdef uint8_t *buffer  # the unfinished frame, header included
    cdef Py_ssize_t size
    cdef Py_ssize_t capacity
    cdef bint is_gzip  # of the unfinished frame, once its header is whole
    cdef Py_ssize_t frame_size  # 0 while its header is not whole

    def __cinit__(self, str dialect not None = "trace", Py_ssize_t max_length = MAX_LENGTH, bint heads = False):
        self.trace = _is_trace(dialect)
        self.heads = heads
        self.caller_bytes = b""
        self.caller = ""
        self.dialect = dialect
        if not 1 < max_length <= 0x7FFFFFFF:
            raise ValueError(f"max_length is {max_length}, must be in 2..{0x7FFFFFFF}")
        self.max_length = max_length

    def __dealloc__(self):
        free(self.buffer)

    def __sizeof__(self):
        return object.__sizeof__(self) + self.capacity

    @property
    def buffered_bytes(self):
        """Bytes of the unfinished frame; 0 means that the stream may end here."""
        return self.size

    def feed(self, data not None):
        """Take the next bytes of the stream, return the frames that they complete, in order.

        Raises ProtocolError at the first fault, with the frames before it, and again on every later call.
        """
        if self.running:
            raise RuntimeError("feed() is running in another thread")
        if self.fault != OK:
            raise _error(self.fault, ())
        cdef Py_buffer view
        cdef list frames = []
        cdef Fault fault
        PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
        self.running = True
        try:
            fault = self._feed(<const uint8_t *>view.buf, view.len, frames)
        finally:
            self.running = False
            PyBuffer_Release(&view)
        if fault != OK:
            self.fault = fault
            self._drop()
            raise _error(fault, frames)
        return frames

    cdef Fault _feed(self, const uint8_t *p, Py_ssize_t left, list frames) except *:
        cdef Fault fault
        cdef Py_ssize_t take
        cdef Py_ssize_t payload_size = 0
        cdef bint is_gzip = False
        while left > 0:
            if self.size == 0 and left >= HEADER_BYTES:
                fault = _read_header(p, self.max_length, &is_gzip, &payload_size)
                if fault != OK:
                    return fault
                if left - HEADER_BYTES >= payload_size:
                    fault = self._payload(p + HEADER_BYTES, payload_size, is_gzip, frames)
                    if fault != OK:
                        return fault
                    p += HEADER_BYTES + payload_size
                    left -= HEADER_BYTES + payload_size
                    continue
                self.is_gzip = is_gzip
                self.frame_size = HEADER_BYTES + payload_size
            # An unfinished frame: first the rest of its header, then the rest of it.
            take = min(left, (self.frame_size or HEADER_BYTES) - self.size)
            self._keep(p, take)
            p += take
            left -= take
            if self.frame_size == 0 and self.size == HEADER_BYTES:
                fault = _read_header(self.buffer, self.max_length, &self.is_gzip, &payload_size)
                if fault != OK:
                    return fault
                self.frame_size = HEADER_BYTES + payload_size
            elif self.size == self.frame_size:
                fault = self._payload(
                    self.buffer + HEADER_BYTES, self.frame_size - HEADER_BYTES, self.is_gzip, frames
                )
                if fault != OK:
                    return fault
                self.size = 0
                self.frame_size = 0
                if self.capacity > KEPT_BUFFER_BYTES:
                    self._drop()
        return OK

    cdef int _keep(self, const uint8_t *p, Py_ssize_t count) except -1:
        """Append to the buffer. It doubles as bytes arrive, up to the frame's size once that is known."""
        cdef Py_ssize_t needed = self.size + count
        cdef Py_ssize_t capacity
        cdef uint8_t *grown
        if needed > self.capacity:
            capacity = max(needed, min(2 * self.capacity, self.frame_size), 256)
            grown = <uint8_t *>realloc(self.buffer, capacity)
            if grown == NULL:
                raise MemoryError
            self.buffer = grown
            self.capacity = capacity
        memcpy(self.buffer + self.size, p, count)
        self.size = needed
        return 0

    cdef void _drop(self) noexcept:
        free(self.buffer)
        self.buffer = NULL
        self.size = 0
        self.capacity = 0
        self.frame_size = 0

    cdef Fault _payload(self, const uint8_t *payload, Py_ssize_t size, bint is_gzip, list frames) except *:
        cdef bytes inflated = None
        cdef Fault fault
        if is_gzip:
            inflater = _zlib.decompressobj(GZIP_WINDOW_BITS)
            try:
                inflated = inflater.decompress(
                    PyMemoryView_FromMemory(<char *>payload, size, PyBUF_READ), self.max_length
                )
            except _zlib.error:
                return GZIP
            if len(inflated) >= self.max_length:
                return INFLATED_LENGTH
            if not inflater.eof or inflater.unused_data:
                return GZIP
            payload = <const uint8_t *>PyBytes_AS_STRING(inflated)
            size = PyBytes_GET_SIZE(inflated)
        cdef Fields fields
        memset(&fields, 0, sizeof(fields))
        fault = _read_fields(payload, size, self.trace, &fields)
        if fault != OK:
            return fault
        cdef Span caller
        cdef uint32_t timeout_ms = 0
        cdef bint is_call = self.heads and fields.type == REQUEST and _read_head(&fields.body, &timeout_ms, &caller)
        cdef bytes body = PyBytes_FromStringAndSize(<const char *>fields.body.start, fields.body.size)
        cdef str trace_id
        cdef str result_str
        try:
            trace_id = _text(fields.trace_id)
            if fields.type == RESPONSE:
                result_str = _text(fields.result_str)
        except UnicodeDecodeError:
            return TEXT
        # Filled in here, not by their constructors, which would make Python integers only to read them again.
        cdef Request request
        cdef Call call
        cdef Response response
        cdef Notify notify
        if is_call:
            call = Call.__new__(Call)
            call.sn = fields.sn
            call.cmd = fields.cmd
            call.trace_id = trace_id
            call.body = body
            call.timeout_s = timeout_ms / 1000.0
            call.caller = self._caller_of(caller)
            frames.append(call)
        elif fields.type == REQUEST:
            request = Request.__new__(Request)
            request.sn = fields.sn
            request.cmd = fields.cmd
            request.trace_id = trace_id
            request.body = body
            frames.append(request)
        elif fields.type == RESPONSE:
            response = Response.__new__(Response)
            response.sn = fields.sn
            response.cmd = fields.cmd
            response.result = fields.result
            response.result_str = result_str
            response.trace_id = trace_id
            response.body = body
            frames.append(response)
        else:
            notify = Notify.__new__(Notify)
            notify.notify = fields.sn
            notify.trace_id = trace_id
            notify.body = body
            frames.append(notify)
        return OK


    cdef str _caller_of(self, Span name):
        if name.size != PyBytes_GET_SIZE(self.caller_bytes) or memcmp(
            name.start, PyBytes_AS_STRING(self.caller_bytes), name.size
        ):
            self.caller_bytes = PyBytes_FromStringAndSize(<const char *>name.start, name.size)
            self.caller = self.caller_bytes.decode("ascii")
        return self.caller


cdef object _error(Fault fault, frames):
    reason, text = _FAULTS[<int>fault]
    return ProtocolError(reason, text, frames)


# ---- writers --------------------------------------------------------------------------------------------------------

cdef inline Py_ssize_t _varint_size(uint64_t value) noexcept nogil:
    cdef Py_ssize_t size = 1
    while value >= 0x80:
        value >>= 7
        size += 1
    return size


cdef inline uint8_t *_write_varint(uint8_t *p, uint64_t value) noexcept nogil:
    while value >= 0x80:
        p[0] = <uint8_t>(value & 0x7F) | 0x80
        p += 1
        value >>= 7
    p[0] = <uint8_t>value
    return p + 1


cdef inline uint8_t *_write_span(uint8_t *p, const char *start, Py_ssize_t size) noexcept nogil:
    p = _write_varint(p, <uint64_t>size)
    memcpy(p, start, size)
    return p + size


cdef inline void _write_header(uint8_t *p, uint8_t flags, Py_ssize_t length) noexcept nogil:
    p[0] = 0xAB
    p[1] = 0xCD
    p[2] = 1
    p[3] = flags
    p[4] = <uint8_t>((length >> 24) & 0xFF)
    p[5] = <uint8_t>((length >> 16) & 0xFF)
    p[6] = <uint8_t>((length >> 8) & 0xFF)
    p[7] = <uint8_t>(length & 0xFF)


cdef bytes _frame(
    Type type, bint trace, uint32_t sn, uint32_t cmd, uint32_t result, str result_str, str trace_id,
    const uint8_t *head, Py_ssize_t head_size, bytes body, Py_ssize_t gzip_min_length, int gzip_level, Py_ssize_t max_length,
):
    cdef Py_ssize_t result_size = 0
    cdef Py_ssize_t trace_size = 0
    cdef Py_ssize_t body_size = head_size + PyBytes_GET_SIZE(body)
    cdef const char *result_text = NULL
    cdef const char *trace_text = NULL
    if not 1 < max_length <= 0x7FFFFFFF:
        raise ValueError(f"max_length is {max_length}, must be in 2..{0x7FFFFFFF}")
    cdef Py_ssize_t size = 1 + _varint_size(sn)
    if type != NOTIFY:
        size += _varint_size(cmd)
    if type == RESPONSE:
        result_text = PyUnicode_AsUTF8AndSize(result_str, &result_size)
        size += _varint_size(result) + _varint_size(result_size) + result_size
    if trace:
        trace_text = PyUnicode_AsUTF8AndSize(trace_id, &trace_size)
        size += _varint_size(trace_size) + trace_size
    size += _varint_size(body_size) + body_size
    if size >= max_length:
        raise ProtocolError("length", f"a payload of {size} bytes is not below the limit of {max_length}")

    cdef bytes frame = PyBytes_FromStringAndSize(NULL, HEADER_BYTES + size)
    cdef uint8_t *start = <uint8_t *>PyBytes_AS_STRING(frame)
    cdef uint8_t *p = start + HEADER_BYTES
    p[0] = <uint8_t>type
    p = _write_varint(p + 1, sn)
    if type != NOTIFY:
        p = _write_varint(p, cmd)
    if type == RESPONSE:
        p = _write_varint(p, result)
        p = _write_span(p, result_text, result_size)
    if trace:
        p = _write_span(p, trace_text, trace_size)
    p = _write_varint(p, <uint64_t>body_size)
    if head_size:
        memcpy(p, head, head_size)
    memcpy(p + head_size, PyBytes_AS_STRING(body), body_size - head_size)
    assert p + body_size == start + HEADER_BYTES + size
    _write_header(start, 0, size)
    if size < gzip_min_length:
        return frame

    cdef bytes member = _zlib.compress(memoryview(frame)[HEADER_BYTES:], gzip_level, GZIP_WINDOW_BITS)
    size = PyBytes_GET_SIZE(member)
    if size >= max_length:
        raise ProtocolError("length", f"a compressed payload of {size} bytes is not below the limit of {max_length}")
    frame = PyBytes_FromStringAndSize(NULL, HEADER_BYTES + size)
    start = <uint8_t *>PyBytes_AS_STRING(frame)
    _write_header(start, FLAG_GZIP, size)
    memcpy(start + HEADER_BYTES, PyBytes_AS_STRING(member), size)
    return frame


def encode_request(
    str dialect not None,
    uint32_t sn,
    uint32_t cmd,
    bytes body not None,
    str trace_id not None = "",
    *,
    Py_ssize_t gzip_min_length = GZIP_MIN_LENGTH,
    int gzip_level = GZIP_LEVEL,
    Py_ssize_t max_length = MAX_LENGTH,
):
    """One REQUEST frame. The base dialect has no place for trace_id and drops it.

    A payload of gzip_min_length bytes or more is sent as a gzip member of gzip_level (0 to 9, -1 = zlib's default).
    Raises ProtocolError("length") for one that is not below max_length, OverflowError for a number beyond 32 bits.
    """
    return _frame(
        REQUEST, _is_trace(dialect), sn, cmd, 0, None, trace_id, NULL, 0, body, gzip_min_length, gzip_level, max_length
    )


def encode_response(
    str dialect not None,
    uint32_t sn,
    uint32_t cmd,
    uint32_t result,
    str result_str not None,
    bytes body not None,
    str trace_id not None = "",
    *,
    Py_ssize_t gzip_min_length = GZIP_MIN_LENGTH,
    int gzip_level = GZIP_LEVEL,
    Py_ssize_t max_length = MAX_LENGTH,
):
    """One RESPONSE frame; it repeats the REQUEST's sn, cmd and trace_id. Otherwise as encode_request."""
    return _frame(
        RESPONSE, _is_trace(dialect), sn, cmd, result, result_str, trace_id, NULL, 0, body,
        gzip_min_length, gzip_level, max_length,
    )


def encode_notify(
    str dialect not None,
    uint32_t notify,
    bytes body not None,
    str trace_id not None = "",
    *,
    Py_ssize_t gzip_min_length = GZIP_MIN_LENGTH,
    int gzip_level = GZIP_LEVEL,
    Py_ssize_t max_length = MAX_LENGTH,
):
    """One NOTIFY frame. Otherwise as encode_request."""
    return _frame(
        NOTIFY, _is_trace(dialect), notify, 0, 0, None, trace_id, NULL, 0, body, gzip_min_length, gzip_level, max_length
    )


@cython.final
cdef class Encoder:
    """Writes one end's frames: calls of one caller, and answers. Dialect and limits as for Decoder and encode_request.

    caller: who calls, in ASCII, at most 255 characters.
    """

    cdef readonly str dialect
    cdef readonly Py_ssize_t gzip_min_length
    cdef readonly int gzip_level
    cdef readonly Py_ssize_t max_length
    cdef bint trace
    cdef uint8_t head[HEAD_BYTES + 255]  # of a call; its time is written in for each
    cdef Py_ssize_t head_size

    def __cinit__(
        self,
        str dialect not None = "trace",
        *,
        str caller not None = "",
        Py_ssize_t gzip_min_length = GZIP_MIN_LENGTH,
        int gzip_level = GZIP_LEVEL,
        Py_ssize_t max_length = MAX_LENGTH,
    ):
        self.trace = _is_trace(dialect)
        self.dialect = dialect
        self.gzip_min_length = gzip_min_length
        self.gzip_level = gzip_level
        self.max_length = max_length
        cdef bytes name = caller.encode("ascii")
        if len(name) > 255:
            raise ValueError(f"a caller's name has at most 255 characters, this has {len(name)}")
        self.head[0] = HEAD_VERSION
        self.head[5] = <uint8_t>len(name)
        memcpy(self.head + HEAD_BYTES, PyBytes_AS_STRING(name), len(name))
        self.head_size = HEAD_BYTES + len(name)

    def call(self, uint32_t sn, uint32_t cmd, str trace_id not None, double timeout_s, bytes request not None):
        """One REQUEST frame with a head. `timeout_s` counts in whole milliseconds."""
        cdef uint32_t timeout_ms = <uint32_t>min(timeout_s * 1000.0, <double>0xFFFFFFFF) if timeout_s > 0 else 0
        self.head[1] = <uint8_t>(timeout_ms >> 24)
        self.head[2] = <uint8_t>((timeout_ms >> 16) & 0xFF)
        self.head[3] = <uint8_t>((timeout_ms >> 8) & 0xFF)
        self.head[4] = <uint8_t>(timeout_ms & 0xFF)
        return _frame(
            REQUEST, self.trace, sn, cmd, 0, None, trace_id, self.head, self.head_size, request,
            self.gzip_min_length, self.gzip_level, self.max_length,
        )

    def request(self, uint32_t sn, uint32_t cmd, bytes body not None, str trace_id not None = ""):
        """One REQUEST frame without a head."""
        return _frame(
            REQUEST, self.trace, sn, cmd, 0, None, trace_id, NULL, 0, body,
            self.gzip_min_length, self.gzip_level, self.max_length,
        )

    def answer(self, Request asked not None, uint32_t result, str result_str not None, bytes body not None):
        """The RESPONSE to `asked`, a Request or Call."""
        return _frame(
            RESPONSE, self.trace, asked.sn, asked.cmd, result, result_str, asked.trace_id, NULL, 0, body,
            self.gzip_min_length, self.gzip_level, self.max_length,
        )
