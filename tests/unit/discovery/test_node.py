"""What stands in a node: written as the contract says, read with suspicion."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xinyu.discovery import node
from xinyu.discovery.registry import Instance

FULL = Instance(
    "message", "10.0.0.1:8071", "rock", 50, "0.9.0", "2026-11-28T20:00:00+00:00", "message-1", 9071, "draining"
)
WORD = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)


def test_the_data_is_the_contract_s() -> None:
    assert json.loads(node.encode(FULL)) == {
        "type": "rock",
        "weight": 50,
        "version": "0.9.0",
        "start_time": "2026-11-28T20:00:00+00:00",
        "instance_id": "message-1",
        "grpc_port": 9071,
        "state": "draining",
    }
    assert "grpc_port" not in json.loads(node.encode(Instance("ws", "[::1]:8081", "ws")))
    assert node.providers_path("sylar", "im", "message") == "/sylar/im/message/providers"
    assert node.consumers_path("sylar", "im", "message") == "/sylar/im/message/consumers"


@given(
    st.builds(
        Instance,
        st.just("message"),
        st.just("[2001:db8::1]:8071"),
        st.sampled_from(["rock", "ws", "http"]),
        st.integers(0, 10_000),
        WORD,
        WORD,
        WORD,
        st.none() | st.integers(1, 65535),
        st.sampled_from(["up", "draining"]),
    )
)
def test_what_is_written_is_read(instance: Instance) -> None:
    assert node.decode("message", instance.address, node.encode(instance)) == instance


@pytest.mark.parametrize("word", ["rock", "ws", "http"])
def test_the_old_data_is_the_type_alone(word: Any) -> None:
    read = node.decode("message", "10.0.0.1:8071", word.encode() + b"\n")
    assert read == Instance("message", "10.0.0.1:8071", word, 100, instance_id="10.0.0.1:8071")


def test_fields_that_are_not_known_are_passed_over() -> None:
    data = b'{"type": "rock", "zone": {"rack": [1, 2]}, "weight": 7}'
    assert node.decode("message", "h:1", data) == Instance("message", "h:1", "rock", 7, instance_id="h:1")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"tcp",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"weight": 1}',
        b'{"type": "smtp"}',
        b'{"type": "rock", "weight": -1}',
        b'{"type": "rock", "weight": 1e300}',
        b'{"type": "rock", "weight": 99999999999999999999}',
        b'{"type": "rock", "weight": "7"}',
        b'{"type": "rock", "state": "gone"}',
        b'{"type": "rock", "grpc_port": 0}',
        b'{"type": "rock", "instance_id": "\\u001b[31m"}',
        b'{"type": "rock", "version": "' + b"9" * 200 + b'"}',
        b'{"type": "rock", "pad": "' + b" " * node.MAX_DATA_BYTES + b'"}',
        b"[" * 4000,
    ],
)
def test_other_data_is_refused(data: bytes) -> None:
    with pytest.raises(node.MalformedNode):
        node.decode("message", "10.0.0.1:8071", data)


@given(st.text(max_size=40), st.binary(max_size=200))
def test_nothing_else_is_raised(name: str, data: bytes) -> None:
    try:
        node.decode("message", name, data)
    except node.MalformedNode:
        pass
