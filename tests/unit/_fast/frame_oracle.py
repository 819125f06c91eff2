"""RFC 6455 frames in plain Python: what the compiled parser and builder are compared with. Slow and simple."""

from __future__ import annotations

import struct

OPCODES = {0, 1, 2, 8, 9, 10}
KINDS = {9: "ping", 10: "pong"}


def close_code_allowed(code: int) -> bool:
    return code in {1000, 1001, 1002, 1003, *range(1007, 1015)} or 3000 <= code < 5000


def mask(data: bytes, key: bytes) -> bytes:
    return bytes(byte ^ key[i % 4] for i, byte in enumerate(data))


def build(opcode: int, payload: bytes, *, fin: bool = True, key: bytes | None = None) -> bytes:
    masked = 0x80 if key is not None else 0
    first = (0x80 if fin else 0) | opcode
    if len(payload) < 126:
        head = struct.pack("!BB", first, masked | len(payload))
    elif len(payload) < 65536:
        head = struct.pack("!BBH", first, masked | 126, len(payload))
    else:
        head = struct.pack("!BBQ", first, masked | 127, len(payload))
    return head + payload if key is None else head + key + mask(payload, key)


def utf8_possible(data: bytes) -> bool:
    """Can these bytes be the beginning of valid UTF-8?"""
    for cut in range(len(data), max(-1, len(data) - 4), -1):
        try:
            data[:cut].decode()
        except UnicodeDecodeError:
            continue
        rest = data[cut:]
        return not rest or any(_completes(rest, tail) for tail in _TAILS)
    return False


_TAILS = [bytes([a, *b]) for a in (0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF) for b in ((), (0x80,), (0x80, 0x80))]


def _completes(rest: bytes, tail: bytes) -> bool:
    try:
        return len((rest + tail).decode()) == 1
    except UnicodeDecodeError:
        return False


class Oracle:
    """Looks at all that came so far each time it is fed."""

    def __init__(self, max_message_bytes: int, max_fragments: int) -> None:
        self.max_message_bytes = max_message_bytes
        self.max_fragments = max_fragments
        self.data = b""
        self.message: bytes = b""
        self.opcode = 0
        self.fragments = 0
        self.finished = False

    def feed(self, data: bytes) -> list[tuple[object, ...]]:
        self.data += data
        events: list[tuple[object, ...]] = []
        while not self.finished:
            event = self._next()
            if event is None:
                break
            if event != ("more",):
                events.append(event)
            self.finished = event[0] in ("fail", "close")
        return events

    def _fail(self, code: int) -> tuple[object, ...]:
        return ("fail", code)

    def _next(self) -> tuple[object, ...] | None:
        data = self.data
        if not data:
            return None
        fin, opcode = bool(data[0] & 0x80), data[0] & 0x0F
        if data[0] & 0x70 or opcode not in OPCODES:
            return self._fail(1002)
        if opcode >= 8 and not fin:
            return self._fail(1002)
        if opcode == 0 and not self.opcode:
            return self._fail(1002)
        if opcode in (1, 2) and self.opcode:
            return self._fail(1002)
        if len(data) < 2:
            return None
        length = data[1] & 0x7F
        if not data[1] & 0x80 or (opcode >= 8 and length > 125):
            return self._fail(1002)
        at = 2
        if length >= 126:
            size = 2 if length == 126 else 8
            if len(data) < at + size + 4:
                return None
            length = int.from_bytes(data[at : at + size], "big")
            if length < (126 if size == 2 else 65536) or length >= 1 << 63:
                return self._fail(1002)
            at += size
        if len(data) < at + 4:
            return None
        if opcode < 8:
            if len(self.message) + length > self.max_message_bytes:
                return self._fail(1009)
            if self.fragments + 1 > self.max_fragments:
                return self._fail(1009)
        key = data[at : at + 4]
        at += 4
        payload = mask(data[at : at + length], key)
        complete = len(payload) == length
        if opcode < 8:
            kind = opcode or self.opcode
            if kind == 1 and not utf8_possible(self.message + payload):
                return self._fail(1007)
            if not complete:
                return None
            self.data = data[at + length :]
            self.message += payload
            self.opcode = kind
            self.fragments += 1
            if not fin:
                return ("more",)
            message, self.message, self.opcode, self.fragments = self.message, b"", 0, 0
            if kind == 2:
                return ("binary", message)
            try:
                return ("text", message.decode())
            except UnicodeDecodeError:
                return self._fail(1007)
        if not complete:
            return None
        self.data = data[at + length :]
        if opcode in KINDS:
            return (KINDS[opcode], payload)
        if not payload:
            return ("close", 1005, "")
        if len(payload) == 1:
            return self._fail(1002)
        code = int.from_bytes(payload[:2], "big")
        if not close_code_allowed(code):
            return self._fail(1002)
        try:
            return ("close", code, payload[2:].decode())
        except UnicodeDecodeError:
            return self._fail(1007)
