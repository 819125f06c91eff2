"""The frames of an event of ours, by codec. The protobuf one is made only while a connection speaks it."""

from __future__ import annotations

from xinyu._fast import engine as fast
from xinyu.dialect import protobuf
from xinyu.gateway.ws.envelope import CODEC_JSON, CODEC_PROTOBUF


def in_both(envelope: bytes) -> dict[int, fast.Frame]:
    """Of a JSON envelope."""
    binary = fast.encode_frame(protobuf.from_json(envelope), False)
    return {CODEC_JSON: fast.encode_frame(envelope), CODEC_PROTOBUF: binary}


class OurFrames:
    """Of one gateway, which counts its connections that speak protobuf."""

    __slots__ = ("protobuf_connections",)

    def __init__(self) -> None:
        self.protobuf_connections = 0

    def of(self, envelope: bytes) -> dict[int, fast.Frame]:
        """Of a JSON envelope, in the dialects that somebody speaks."""
        return in_both(envelope) if self.protobuf_connections else {CODEC_JSON: fast.encode_frame(envelope)}
