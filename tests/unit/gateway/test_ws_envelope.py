from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu.base.errors import CONFLICT, TOO_MANY, XinYuError
from xinyu.gateway.ws import envelope

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json_values, st.text(max_size=128))
def test_acks_are_json_whatever_the_ackid(payload: Any, ackid: str) -> None:
    encoded = envelope.ack(ackid, msgspec.Raw(json.dumps(payload).encode()))
    assert json.loads(encoded) == {"event": "ack", "ackid": ackid, "payload": payload}


@given(json_values, st.text(max_size=128))
def test_what_a_client_wrote_comes_out_as_it_was(payload: Any, ackid: str) -> None:
    request = envelope.decode(json.dumps({"event": "e", "payload": payload, "ackid": ackid, "other": [1]}))
    assert (request.event, request.ackid) == ("e", ackid)
    assert json.loads(bytes(request.payload)) == payload


@given(st.text() | st.binary())
def test_anything_else_is_refused_in_words_of_the_table(text: str | bytes) -> None:
    try:
        outcome = type(envelope.decode(text).event).__name__
    except XinYuError as error:
        outcome = error.reason
    assert outcome in ("bad_json", "invalid", "str")


def test_defaults() -> None:
    request = envelope.decode('{"event":"ping"}')
    assert (bytes(request.payload), request.ackid, request.trace_id) == (b"{}", "", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "{}"), (msgspec.Raw(b"[1]"), "[1]"), ({"a": 1}, '{"a":1}'), ([], "[]"), (0, "0"), ("", '""')],
)
def test_payloads(value: Any, text: str) -> None:
    assert envelope.event("name", value) == f'{{"event":"name","payload":{text}}}'.encode()


def test_errors_of_both_dialects() -> None:
    error = XinYuError(TOO_MANY, retry_after_ms=250)
    assert json.loads(envelope.event_error(0, error, "a")) == {
        "event": "event_error",
        "payload": {"error_code": 429, "error_message": error.message},
    }
    assert json.loads(envelope.event_error(1, error, "a")) == {
        "event": "event_error",
        "ackid": "a",
        "payload": {"error_code": 429, "error_message": error.message, "reason": "too_many", "retry_after_ms": 250},
    }
    without = json.loads(envelope.event_error(1, XinYuError(CONFLICT)))
    assert "ackid" not in without
    assert set(without["payload"]) == {"error_code", "error_message", "reason"}
