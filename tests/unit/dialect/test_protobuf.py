"""Envelopes of the JSON dialect, there and back: nothing is lost, whatever it holds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu.dialect.protobuf import from_json, to_json
from xinyu.wire.v1 import client_pb2

RECORD: dict[str, Any] = {
    "talk_id": 7, "msg_id": "m1", "sequence": 3, "msg_type": 1, "from_id": 11, "nickname": "Ann", "avatar": "",
    "is_revoked": 2, "status": 1, "send_time": "2026-11-29 10:00:00", "sent_at_ms": 1_790_000_000_000,
    "extra": '{"content":"你好"}', "quote": "{}",
}  # fmt: skip
TALK: dict[str, Any] = {
    "talk_id": 7, "last_sequence": 3, "last_change": 2, "own": 1, "from": 0, "base": 0, "read_sequence": 2,
    "peer_read_sequence": 3, "records": [RECORD], "voids": [[1, 2]],
    "member": {"state": "in", "role": 3, "muted_until_ms": 0},
    "profile": {"name": "Ann", "avatar": "", "mute_all": False},
}  # fmt: skip
EVENTS: list[tuple[str, str, dict[str, Any]]] = [
    ("session.open", "session_open", {"token": "t", "device_id": "d", "platform": "pc"}),
    (
        "session.ready",
        "session_ready",
        {
            "session_id": "s", "uid": 5, "device_id": "d", "epoch": "e", "heartbeat_ms": 30_000, "server_time_ms": 1,
            "max_message_bytes": 1 << 20,
        },
    ),
    (
        "im.message",
        "im_message",
        {"talk_id": 7, "sequence": 3, "to_from_id": 12, "from_id": 11, "talk_mode": 1, "body": RECORD},
    ),
    (
        "im.message.send",
        "im_message_send",
        {
            "msg_id": "m1", "talk_mode": 1, "to_from_id": 12, "type": "text", "quote_id": "",
            "body": {"content": "hi", "mentions": [1]},
        },
    ),
    ("im.talk.read", "im_talk_read", {"talk_id": 7, "sequence": 3}),
    ("sync", "sync", {"epoch": "e", "versions": {"talk": 1, "contact": 2, "user": 3}, "talks": [[7, 3, 2, 1]]}),
    ("talk.changed", "talk_changed", {"talk_id": 7, "change": 4, "records": [RECORD], "voids": [[5, 6]]}),
    ("talk.own", "talk_own", {"talk_id": 7, "own": 2, "read_sequence": 3, "from": 0, "voids": []}),
    ("row.changed", "row_changed", {"room": "talk", "version": 9, "row": {"talk_id": 7, "is_top": 1, "version": 9}}),
    ("im.message.range", "range", {"talk_id": 7, "from": 1, "to": 200}),
    ("im.talk.members", "members", {"talk_id": 7, "change": 0}),
    ("event_error", "event_error", {"error_code": 429, "error_message": "m", "reason": "r", "retry_after_ms": 5}),
    ("sync.required", "sync_required", {"reason": "behind"}),
    ("ack", "record", RECORD),
    (
        "ack",
        "sync_answer",
        {
            "epoch": "e", "reset": False, "versions": {"talk": 1, "contact": 2, "user": 3},
            "rows": {"talk": [{"version": 1, "deleted": True, "talk_id": 7}], "contact": [], "user": [{"version": 3}]},
            "talks": [TALK], "next": "n",
        },
    ),
    ("ack", "range_answer", {"change": 1, "own": 2, "records": [RECORD], "voids": [[1, 1]]}),
    (
        "ack",
        "members_answer",
        {"change": 1, "members": [{"user_id": 5, "state": "left", "role": 1, "muted_until_ms": 9}]},
    ),
    ("ack", "heartbeat", {"server_time_ms": 5}),
    ("ack", "json", {}),
    ("presence.changed", "json", {"user_id": 5, "online": True, "last_seen_ms": 0}),
]


def holds(found: Any, wanted: Any) -> bool:
    """Whether all of `wanted` is in `found`; objects of `found` may have more."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and holds(found[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(holds, found, wanted))
    return type(found) is type(wanted) and bool(found == wanted)


@pytest.mark.parametrize(("event", "field", "payload"), EVENTS, ids=[f"{event}-{field}" for event, field, _ in EVENTS])
def test_each_event_has_its_message(event: str, field: str, payload: dict[str, Any]) -> None:
    envelope = {"event": event, "payload": payload, "ackid": "5", "trace_id": "trace"}
    data = from_json(json.dumps(envelope).encode())
    assert client_pb2.Envelope.FromString(data).WhichOneof("payload") == field
    assert holds(json.loads(to_json(data)), envelope)


def test_what_may_be_missing_is_there_only_if_it_was() -> None:
    sync = json.loads(to_json(from_json(b'{"event":"sync","payload":{"epoch":"","talks":[]}}')))
    assert sync == {"event": "sync", "payload": {"epoch": "", "talks": []}}
    changed = {key: value for key, value in TALK.items() if key not in ("peer_read_sequence", "profile")}
    payload = {"epoch": "e", "rows": {"talk": [], "contact": [], "user": []}, "talks": [changed]}
    answer = json.loads(to_json(from_json(json.dumps({"event": "ack", "payload": payload}).encode())))["payload"]
    assert "next" not in answer and "peer_read_sequence" not in answer["talks"][0]
    assert "profile" not in answer["talks"][0]


def test_a_field_that_is_new_here_is_kept() -> None:
    record = {**RECORD, "reactions": [{"emoji": "👍", "count": 2}], "edited_at_ms": 1, "more": {"more": 1}}
    payload = {"talk_id": 7, "sequence": 3, "to_from_id": 1, "from_id": 2, "talk_mode": 1, "body": record, "new": [1]}
    data = from_json(json.dumps({"event": "im.message", "payload": payload}).encode())
    assert client_pb2.Envelope.FromString(data).im_message.body.msg_id == "m1"
    assert json.loads(to_json(data))["payload"] == payload


WORDS = st.text(st.characters(codec="utf-8"), max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=12,
)
FIELDS = sorted({field.name for kind in client_pb2.DESCRIPTOR.message_types_by_name.values() for field in kind.fields})
PAYLOADS = st.dictionaries(st.sampled_from(FIELDS) | WORDS, JSON, max_size=8)


@given(st.sampled_from(sorted({event for event, _, _ in EVENTS})), PAYLOADS)
def test_whatever_stands_in_a_payload_comes_back(event: str, payload: dict[str, Any]) -> None:
    back = json.loads(to_json(from_json(json.dumps({"event": event, "payload": payload}).encode())))
    assert back["event"] == event and holds(back["payload"], payload)


@given(st.sampled_from(EVENTS), st.data())
def test_a_field_of_the_wrong_kind_comes_back(case: tuple[str, str, dict[str, Any]], data: st.DataObject) -> None:
    event, _, payload = case
    changed = {name: data.draw(JSON) if data.draw(st.booleans()) else value for name, value in payload.items()}
    back = json.loads(to_json(from_json(json.dumps({"event": event, "payload": changed}).encode())))
    assert holds(back["payload"], changed)


@given(st.binary(max_size=200))
def test_whatever_a_client_sends_is_an_envelope_or_refused(data: bytes) -> None:
    try:
        text = to_json(data)
    except ValueError:
        return
    assert isinstance(json.loads(text)["event"], str)


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"nothing", b"\xff", b"[" * 100_000, b'{"a":' * 100_000], ids=lambda given: given[:5].hex()
)
def test_a_broken_json_payload_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match="not an envelope"):
        to_json(client_pb2.Envelope(event="e", json=payload).SerializeToString())


@pytest.mark.parametrize("envelope", [b"[]", b'{"event":1}', b"{}", b"{"])
def test_what_is_no_envelope_is_refused(envelope: bytes) -> None:
    with pytest.raises(ValueError):
        from_json(envelope)
