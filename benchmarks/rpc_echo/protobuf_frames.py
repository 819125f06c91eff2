"""The least that one would write by hand: a length, an sn, and the protobuf message.

No command, no trace id, no result: less than any RPC must say.
"""

from __future__ import annotations

import struct
from functools import partial
from typing import Final

from benchmarks.rpc_echo import frames
from xinyu.wire.v1.probe_pb2 import EchoRequest, EchoResponse

HEAD: Final = struct.Struct(">II")  # bytes of the message, sn


class Framing(frames.Connection):
    _left = b""

    def data_received(self, data: bytes) -> None:
        if self._left:
            data = self._left + data
        at = 0
        while len(data) - at >= HEAD.size:
            size_bytes, sn = HEAD.unpack_from(data, at)
            end = at + HEAD.size + size_bytes
            if end > len(data):
                break
            self.on_body(sn, data[at + HEAD.size : end])
            at = end
        self._left = data[at:]

    def on_body(self, sn: int, body: bytes) -> None:
        raise NotImplementedError

    def encode(self, sn: int, message: EchoRequest | EchoResponse) -> bytes:
        body = message.SerializeToString()
        return HEAD.pack(len(body), sn) + body


class Answering(Framing, frames.Answering):
    def on_body(self, sn: int, body: bytes) -> None:
        self.start(sn, EchoRequest.FromString(body))


class Calling(Framing, frames.Calling):
    def on_body(self, sn: int, body: bytes) -> None:
        self.answered(sn, EchoResponse.FromString(body))


serving = partial(frames.serving, Answering)
calling = partial(frames.calling, Calling)
