"""The dialect `xinyu.v1.protobuf`: the envelopes of `xinyu.v1.json`, in other bytes (contract: ws-events).

Rooms, routes and pushes know the JSON dialect alone. At the edge an envelope is turned into a message of client.proto
(`from_json`), and back (`to_json`); gateway and SDK share both. An event's payload goes into the message that is made
for it, an answer's into the one whose shape it has; whatever a message has no field for goes into its `more`, and what
has no message at all into `json`: nothing is lost, and an event that is new here reaches a client at once.

Turned back, a field that may be missing is there only if it was; every other field is there, lists included.

Cost: one JSON decode and one pass over the fields an envelope: 20-60 us; a push that many connections hear is turned
once a gateway, and only where such a connection is open.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from xinyu.wire.v1 import client_pb2

SUBPROTOCOL: Final = "xinyu.v1.protobuf"

# The field of Envelope for an event's payload.
_OF_EVENT: Final = {
    "session.open": "session_open",
    "session.ready": "session_ready",
    "im.message": "im_message",
    "im.message.send": "im_message_send",
    "im.message.range": "range",
    "im.talk.read": "im_talk_read",
    "im.talk.members": "members",
    "sync": "sync",
    "talk.changed": "talk_changed",
    "talk.own": "talk_own",
    "row.changed": "row_changed",
    "sync.required": "sync_required",
    "event_error": "event_error",
}
# And for an answer's: the first whose fields it has.
_OF_ANSWER: Final = (
    ("record", frozenset(("msg_id", "sequence", "extra"))),
    ("sync_answer", frozenset(("epoch", "rows", "talks"))),
    ("range_answer", frozenset(("change", "own", "records", "voids"))),
    ("members_answer", frozenset(("change", "members"))),
    ("heartbeat", frozenset(("server_time_ms",))),
)
# Messages that are lists in JSON: their fields in order.
_LISTS: Final = frozenset(("Numbers", "ClientTalkCursor"))
# Texts here that are objects in JSON.
_OBJECTS: Final = frozenset(("ImMessageSend.body",))
_ROOMS: Final = ("talk", "contact", "user")
_INTEGERS: Final = {
    FieldDescriptor.TYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.TYPE_INT32: (-(1 << 31), (1 << 31) - 1),
}

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class _Unfit(Exception):
    """A value that its field cannot hold."""


def from_json(envelope: bytes) -> bytes:
    """The Envelope of a JSON envelope of ours. Raises ValueError for what is none."""
    value = _decode(envelope)
    if not isinstance(value, dict) or not isinstance(value.get("event"), str):
        raise ValueError("not an envelope")
    made = client_pb2.Envelope(event=value["event"], ackid=value.get("ackid", ""), trace_id=value.get("trace_id", ""))
    payload = value.get("payload")
    name = _OF_EVENT.get(made.event, "json")
    if made.event == "ack" and isinstance(payload, dict):
        name = next((field for field, keys in _OF_ANSWER if keys <= payload.keys()), "json")
    if name != "json":
        try:
            _fill(getattr(made, name), payload)
            getattr(made, name).SetInParent()
        except _Unfit:
            made.ClearField(name)  # type: ignore[arg-type]
            name = "json"
    if name == "json" and payload is not None:
        made.json = _encode(payload)
    return made.SerializeToString()


def to_json(data: bytes) -> bytes:
    """The JSON envelope of an Envelope. Raises ValueError for what is none."""
    try:
        envelope = client_pb2.Envelope.FromString(data)
        made: dict[str, Any] = {"event": envelope.event}
        kind = envelope.WhichOneof("payload")
        if kind == "json":
            made["payload"] = _decode(envelope.json)
        elif kind is not None:
            made["payload"] = _read(getattr(envelope, kind))
    except (DecodeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not an envelope: {error}") from None
    if envelope.ackid:
        made["ackid"] = envelope.ackid
    if envelope.trace_id:
        made["trace_id"] = envelope.trace_id
    return _encode(made)


# ---------------------------------------------------------------- one message


def _fill(message: Message, value: Any) -> None:
    """Raises _Unfit where even `more` cannot hold it."""
    kind: Any = message.DESCRIPTOR
    if kind.name in _LISTS:
        if not isinstance(value, list) or len(value) != len(kind.fields):
            raise _Unfit
        value = {field.name: each for field, each in zip(kind.fields, value, strict=True)}
    elif not isinstance(value, dict):
        raise _Unfit
    elif kind.name == "ClientRow":
        value = {"version": value.get("version", 0), "deleted": value.get("deleted", False), "json": value}
    elif kind.name == "ClientSyncAnswer" and isinstance(value.get("rows"), dict) and {*value["rows"]} == {*_ROOMS}:
        rows = {f"{room}_rows": value["rows"][room] for room in _ROOMS}
        value = {**{name: each for name, each in value.items() if name != "rows"}, **rows}
    fields = kind.fields_by_name
    more = {}
    for name, each in value.items():
        field = fields.get(name)
        try:
            if field is None or name == "more":
                raise _Unfit
            _put(message, field, each)
        except _Unfit:
            if field is not None and name != "more":
                message.ClearField(name)
            more[name] = each
    if more:
        if "more" not in fields:
            raise _Unfit
        message.more = _encode(more)  # type: ignore[attr-defined]


def _put(message: Message, field: FieldDescriptor, value: Any) -> None:
    name = field.name
    if field.is_repeated:
        if not isinstance(value, list):
            raise _Unfit
        added = getattr(message, name)
        for each in value:
            _fill(added.add(), each)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        _fill(getattr(message, name), value)
        getattr(message, name).SetInParent()
    elif field.type == FieldDescriptor.TYPE_BYTES:
        setattr(message, name, _encode(value))
    elif f"{message.DESCRIPTOR.name}.{name}" in _OBJECTS:
        if not isinstance(value, dict):
            raise _Unfit
        setattr(message, name, _encode(value).decode())
    elif field.type in _INTEGERS:
        least, most = _INTEGERS[field.type]
        if type(value) is not int or not least <= value <= most:
            raise _Unfit
        setattr(message, name, value)
    elif type(value) is not (bool if field.type == FieldDescriptor.TYPE_BOOL else str):
        raise _Unfit
    else:
        setattr(message, name, value)


def _read(message: Message) -> Any:
    kind: Any = message.DESCRIPTOR
    if kind.name in _LISTS:
        return [getattr(message, field.name) for field in kind.fields]
    if kind.name == "ClientRow":
        return _decode(message.json)  # type: ignore[attr-defined]
    made: dict[str, Any] = {}
    for field in kind.fields:
        name, value = field.name, getattr(message, field.name)
        if name == "more":
            if value:
                made.update(_decode(value))
        elif field.has_presence and not message.HasField(name):
            continue
        elif field.is_repeated:
            made[name] = [_read(each) for each in value]
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            made[name] = _read(value)
        elif field.type == FieldDescriptor.TYPE_BYTES or f"{kind.name}.{name}" in _OBJECTS:
            made[name] = _decode(value) if value else {}
        else:
            made[name] = value
    if kind.name == "ClientSyncAnswer" and "rows" not in made:
        made["rows"] = {room: made.pop(f"{room}_rows") for room in _ROOMS}
    return made
