"""The one envelope of both JSON dialects: {"event", "payload", "ackid", "trace_id"} (contract: ws-events).

Payloads stay bytes on their way through the gateway: an inbound one is handed to its event's own decoder, an outbound
one is put between two halves of an envelope by hand, so that nothing is encoded twice.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from xinyu.base.errors import XinYuError
from xinyu.gateway import decoding

CODEC_LEGACY: Final = 0
CODEC_JSON: Final = 1
CODEC_PROTOBUF: Final = 2  # CODEC_JSON in other bytes

EMPTY_OBJECT: Final = msgspec.Raw(b"{}")
MAX_ACKID_CHARACTERS: Final = 128
_PLAIN_ACKID: Final = re.compile(r"[0-9A-Za-z_.:-]*")
_encode: Final = msgspec.json.Encoder().encode


class Envelope(msgspec.Struct, gc=False):
    """What a client sends. Unknown fields are ignored."""

    event: str
    payload: msgspec.Raw = EMPTY_OBJECT
    ackid: str = ""
    trace_id: str = ""


_decode: Final = msgspec.json.Decoder(Envelope).decode


def decode(text: str | bytes) -> Envelope:
    """Raises BAD_JSON for what is no JSON object, INVALID for an envelope with wrong fields."""
    envelope: Envelope = decoding.decode(_decode, text)
    if len(envelope.ackid) > MAX_ACKID_CHARACTERS:
        raise decoding.invalid("ackid")
    return envelope


def routed_codec(codec: int) -> int:
    """The codec by which the rooms know a connection: there are two for them, and the gateway makes the third."""
    return CODEC_JSON if codec == CODEC_PROTOBUF else codec


def _ackid(ackid: str) -> bytes:
    return b'"%b"' % ackid.encode() if _PLAIN_ACKID.fullmatch(ackid) else _encode(ackid)


def encode_payload(value: Any) -> bytes | msgspec.Raw:
    """`None` = `{}`; `msgspec.Raw` goes in as it is."""
    if value is None:
        return EMPTY_OBJECT
    return value if type(value) is msgspec.Raw else _encode(value)


def event(name: str, payload: Any) -> bytes:
    """An event of the server; `name` needs no escaping."""
    return b'{"event":"%b","payload":%b}' % (name.encode(), encode_payload(payload))


def ack(ackid: str, payload: Any) -> bytes:
    """The answer to a request that carried `ackid`."""
    return b'{"event":"ack","ackid":%b,"payload":%b}' % (_ackid(ackid), encode_payload(payload))


def event_error(codec: int, error: XinYuError, ackid: str = "") -> bytes:
    """A refusal. The legacy dialect has two fields, shown as a toast; ours says the reason and which request it was."""
    payload: dict[str, Any] = {"error_code": error.status, "error_message": error.message}
    if codec == CODEC_LEGACY:
        return event("event_error", payload)
    payload["reason"] = error.reason
    if error.retry_after_ms is not None:
        payload["retry_after_ms"] = error.retry_after_ms
    if not ackid:
        return event("event_error", payload)
    return b'{"event":"event_error","ackid":%b,"payload":%b}' % (_ackid(ackid), _encode(payload))
