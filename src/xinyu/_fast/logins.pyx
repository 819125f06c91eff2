"""Logins that the engine takes by itself: tokens looked up in the request's own bytes, users handed on in batches, and
the first event of each connection written from a text with gaps.

A login costs no Python object. What the engine knows of one until it is admitted stands in a batch (`Logins`): 32 bytes;
what the client said of its device stays in the request. A batch ends with the engine's slice, or when it is full.

Session numbers and the ids of devices without one are SipHash of a counter under a random key: unique, and nobody can
tell the next one, without a system call for each.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

from xinyu._fast.connection cimport upgrade_head_length, upgrade_parse, upgrade_request
from xinyu._fast.linux cimport CLOCK_REALTIME, clock_gettime, timespec
from xinyu._fast.tokens cimport VerifiedTokens, siphash_128

cimport cython

import os
import re

cdef enum:
    SESSION_BITS = 48
    SESSION_CODEC_BITS = 2
    DEVICE_HEX = 24  # 96 bits
    DECIMAL_MOST = 20  # of 64 bits

MAX_LOGINS = LOGINS_MOST
_FIELDS = {
    "session_id": (FIELD_SESSION, 16),
    "user_id": (FIELD_USER, DECIMAL_MOST),
    "device_id": (FIELD_DEVICE, LOGIN_MOST_DEVICE),
    "platform": (FIELD_PLATFORM, 3),
    "now_ms": (FIELD_NOW, DECIMAL_MOST),
}


def read_login(bytes head not None):
    """What login.h makes of a complete and correct request head: (codec, token, device_id, platform), or None. For tests."""
    cdef upgrade_request request
    cdef login_request found
    if (upgrade_head_length(PyBytes_AS_STRING(head), len(head), 0) != <size_t>len(head)
            or upgrade_parse(PyBytes_AS_STRING(head), len(head), &request) != 0):
        raise ValueError("not the head of an upgrade")
    if not login_read(&request, &found):
        return None
    return (
        found.codec,
        found.token.text[:found.token.length].decode("latin-1"),
        found.device_id.text[:found.device_id.length].decode("latin-1"),
        found.platform.text[:found.platform.length].decode("latin-1"),
    )


@cython.final
cdef class Logins:
    """See logins.pyi."""

    def __cinit__(self, int codec):
        self.codec = codec

    def __len__(self):
        return self.count

    @property
    def ids(self):
        return [self.items[i].id for i in range(self.count)]

    @property
    def user_ids(self):
        return [self.items[i].user_id for i in range(self.count)]


@cython.final
cdef class LoginDoor:
    """See logins.pyi."""

    def __cinit__(self, VerifiedTokens tokens not None, *, uint32_t connections_per_user, first_events,
                  dict ended=None):
        cdef bytes key = os.urandom(16)
        memcpy(self.key, PyBytes_AS_STRING(key), 16)
        self.tokens = tokens
        self.ended = {} if ended is None else ended
        self.connections_per_user = connections_per_user
        self.texts = []
        for codec, event in first_events.items():
            if codec not in range(LOGIN_CODECS):
                raise ValueError(f"no codec of a login: {codec}")
            self._cut(codec, event)

    cdef bint has_ended(self, int64_t user_id, int64_t expires_at_ms) except -1:
        """Whether the token is void, by `ended`."""
        return len(self.ended) != 0 and expires_at_ms <= self.ended.get(user_id, 0)

    cdef int _cut(self, int codec, str event) except -1:
        """Takes the text of an event apart at its gaps."""
        cdef first_event_piece *piece
        cdef bytes text
        cdef int count = 0
        parts = re.split(r"\$([a-z_]+)", event)
        size = 0
        for literal, name in zip(parts[::2], [*parts[1::2], ""]):
            if count == FIRST_EVENT_PIECES or (name and name not in _FIELDS):
                raise ValueError(f"not the text of a first event: {event}")
            text = literal.encode("ascii")
            self.texts.append(text)
            piece = &self.pieces[codec][count]
            piece.text = PyBytes_AS_STRING(text)
            piece.length = <size_t>PyBytes_GET_SIZE(text)
            field, most = _FIELDS[name] if name else (FIELD_NONE, 0)
            piece.field = field
            size += len(text) + most
            count += 1
        if size > FIRST_EVENT_MOST:
            raise ValueError(f"a first event has at most {FIRST_EVENT_MOST} bytes: {event}")
        self.piece_counts[codec] = count
        return 0

    def new_session(self, int codec):
        return self.draw_session(codec)

    def first_event(self, int codec, uint64_t session_id, uint64_t user_id, str device_id not None,
                    str platform not None):
        cdef char out[FIRST_EVENT_MOST]
        cdef bytes device = device_id.encode("ascii")
        cdef bytes plain_platform = platform.encode("ascii")
        cdef size_t size
        if len(device) > LOGIN_MOST_DEVICE or len(plain_platform) > 3:
            raise ValueError("a device has an id of at most 64 characters and a platform of at most 3")
        if codec not in range(LOGIN_CODECS) or self.piece_counts[codec] == 0:
            raise ValueError(f"no first event for codec {codec}")
        size = self.write_first_event(out, codec, session_id, user_id, PyBytes_AS_STRING(device), len(device),
                                      PyBytes_AS_STRING(plain_platform), len(plain_platform))
        return PyUnicode_DecodeASCII(out, <Py_ssize_t>size, NULL)

    cdef uint64_t draw_session(self, int codec) noexcept:
        cdef uint64_t digest[2]
        cdef uint64_t number
        self._draw(digest)
        number = digest[0] >> (64 - SESSION_BITS) << SESSION_CODEC_BITS | <uint64_t>codec
        return number if number else <uint64_t>1 << SESSION_CODEC_BITS

    cdef void _draw(self, uint64_t *digest) noexcept:
        self.drawn += 1
        siphash_128(self.key, <const uint8_t *>&self.drawn, sizeof(self.drawn), digest)

    cdef size_t write_first_event(self, char *out, int codec, uint64_t session_id, uint64_t user_id,
                                  const char *device_id, size_t device_length, const char *platform,
                                  size_t platform_length) noexcept:
        """Bytes written, at most FIRST_EVENT_MOST."""
        cdef first_event_piece *piece
        cdef timespec now
        cdef char *at = out
        cdef int i
        for i in range(self.piece_counts[codec]):
            piece = &self.pieces[codec][i]
            memcpy(at, piece.text, piece.length)
            at += piece.length
            if piece.field == FIELD_SESSION:
                at = _write_hex(at, session_id)
            elif piece.field == FIELD_USER:
                at = _write_decimal(at, user_id)
            elif piece.field == FIELD_DEVICE and device_length == 0:
                at = self._write_new_device(at)
            elif piece.field == FIELD_DEVICE:
                memcpy(at, device_id, device_length)
                at += device_length
            elif piece.field == FIELD_PLATFORM:
                memcpy(at, platform, platform_length)
                at += platform_length
            elif piece.field == FIELD_NOW:
                clock_gettime(CLOCK_REALTIME, &now)
                at = _write_decimal(at, <uint64_t>now.tv_sec * 1000 + <uint64_t>now.tv_nsec // 1000000)
        return <size_t>at - <size_t>out

    cdef char *_write_new_device(self, char *at) noexcept:
        cdef uint64_t digest[2]
        cdef int i
        self._draw(digest)
        for i in range(DEVICE_HEX):
            at[i] = _hex_digit(digest[i // 16] >> (4 * (i % 16)))
        return at + DEVICE_HEX


cdef char _hex_digit(uint64_t value) noexcept:
    cdef int digit = <int>(value & 15)
    return <char>(c'0' + digit if digit < 10 else c'a' + digit - 10)


cdef char *_write_hex(char *at, uint64_t value) noexcept:
    cdef int shift = 60
    while shift and not value >> shift:
        shift -= 4
    while shift >= 0:
        at[0] = _hex_digit(value >> shift)
        at += 1
        shift -= 4
    return at


cdef char *_write_decimal(char *at, uint64_t value) noexcept:
    cdef char digits[DECIMAL_MOST]
    cdef int count = 0
    while True:
        digits[count] = <char>(c'0' + <int>(value % 10))
        count += 1
        value //= 10
        if value == 0:
            break
    while count:
        count -= 1
        at[0] = digits[count]
        at += 1
    return at
