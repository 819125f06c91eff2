"""The Rock frame codec once more, in plain Python and in the most obvious way: what the compiled one is compared with.

The whole stream is given at once; the answer is the frames before the first fault and the fault's reason word
("" = none).
"""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass

from xinyu._fast import rock


class Fault(Exception):
    """Carries the reason word."""


@dataclass
class Fields:
    data: bytes

    def byte(self) -> int:
        if not self.data:
            raise Fault("truncated")
        value, self.data = self.data[0], self.data[1:]
        return value

    def varint(self, bits: int) -> int:
        groups: list[int] = []
        while True:
            byte = self.byte()
            groups.append(byte & 0x7F)
            value = sum(group << 7 * i for i, group in enumerate(groups))
            # A set continuation bit means at least one more group, so the number needs a bit more than it has.
            if value >> bits or (byte & 0x80 and 7 * len(groups) >= bits):
                raise Fault("varint")
            if not byte & 0x80:
                break
        if len(groups) > 1 and groups[-1] == 0:
            raise Fault("varint")
        return value

    def span(self) -> bytes:
        size = self.varint(64)
        if size > len(self.data):
            raise Fault("truncated")
        value, self.data = self.data[:size], self.data[size:]
        return value


def text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Fault("text") from None


def parse_payload(payload: bytes, dialect: str) -> rock.Frame:
    fields = Fields(payload)
    kind = fields.byte()
    if kind not in (1, 2, 3):
        raise Fault("type")
    numbers = [fields.varint(32) for _ in range({1: 2, 2: 3, 3: 1}[kind])]
    result_str = fields.span() if kind == 2 else b""
    trace_id = fields.span() if dialect == "trace" else b""
    body = fields.span()
    if fields.data:
        raise Fault("trailing")
    if kind == 1:
        return rock.Request(*numbers, text(trace_id), body)
    if kind == 2:
        return rock.Response(*numbers, text(result_str), text(trace_id), body)
    return rock.Notify(*numbers, text(trace_id), body)


def inflate(payload: bytes, max_length: int) -> bytes:
    inflater = zlib.decompressobj(31)
    try:
        inflated = inflater.decompress(payload, max_length)
    except zlib.error:
        raise Fault("gzip") from None
    if len(inflated) >= max_length:
        raise Fault("inflated_length")
    if not inflater.eof or inflater.unused_data:
        raise Fault("gzip")
    return inflated


def decode(stream: bytes, dialect: str, max_length: int = 64 * 1024 * 1024) -> tuple[list[rock.Frame], str]:
    frames: list[rock.Frame] = []
    try:
        while len(stream) >= 8:
            magic, version, flags, length = struct.unpack(">2sBBi", stream[:8])
            if magic != b"\xab\xcd":
                raise Fault("magic")
            if version != 1:
                raise Fault("version")
            if flags > 1:
                raise Fault("flags")
            if not 0 < length < max_length:
                raise Fault("length")
            payload, stream = stream[8 : 8 + length], stream[8 + length :]
            if len(payload) < length:
                break
            if flags:
                payload = inflate(payload, max_length)
            frames.append(parse_payload(payload, dialect))
    except Fault as fault:
        return frames, str(fault)
    return frames, ""


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def span(data: bytes) -> bytes:
    return varint(len(data)) + data


def encode(frame: rock.Frame, dialect: str, gzip_min_length: int = 4096) -> bytes:
    trace = span(frame.trace_id.encode()) if dialect == "trace" else b""
    match frame:
        case rock.Request(sn, cmd, _, body):
            payload = b"\x01" + varint(sn) + varint(cmd) + trace + span(body)
        case rock.Response(sn, cmd, result, result_str, _, body):
            numbers = varint(sn) + varint(cmd) + varint(result)
            payload = b"\x02" + numbers + span(result_str.encode()) + trace + span(body)
        case rock.Notify(notify, _, body):
            payload = b"\x03" + varint(notify) + trace + span(body)
    flags = 0
    if len(payload) >= gzip_min_length:
        payload, flags = gzip.compress(payload, 1, mtime=0), 1
    return b"\xab\xcd\x01" + bytes([flags]) + struct.pack(">i", len(payload)) + payload
