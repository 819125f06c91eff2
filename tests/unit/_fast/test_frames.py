"""The frame parser and builder beside the plain-Python oracle."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit._fast import frame_oracle as oracle
from xinyu._fast import frames

MAX_MESSAGE = 400
MAX_FRAGMENTS = 5

keys = st.binary(min_size=4, max_size=4)
texts = st.text(max_size=40).map(str.encode)
payloads = st.one_of(texts, st.binary(max_size=140), st.integers(120, 500).map(lambda n: b"x" * n))
opcodes = st.sampled_from([0, 0, 1, 1, 2, 8, 9, 10, 3, 11])
any_frames = st.builds(
    lambda opcode, payload, fin, key: oracle.build(opcode, payload, fin=fin, key=key),
    opcodes, payloads, st.booleans(), keys,
)  # fmt: skip
close_payloads = st.builds(lambda code, reason: code.to_bytes(2, "big") + reason, st.integers(0, 5100), payloads)
closes = st.builds(lambda payload, key: oracle.build(8, payload[:125], key=key), close_payloads, keys)


def fragmented(payload: bytes, cuts: list[int], opcode: int, key: bytes) -> bytes:
    """One message in pieces, with a ping between."""
    places = [0, *sorted(cut % (len(payload) + 1) for cut in cuts), len(payload)]
    pieces = [payload[a:b] for a, b in itertools.pairwise(places)]
    parts = []
    for i, piece in enumerate(pieces):
        parts.append(oracle.build(opcode if i == 0 else 0, piece, fin=i == len(pieces) - 1, key=key))
    return oracle.build(9, b"between", key=key).join(parts)


messages = st.builds(fragmented, texts, st.lists(st.integers(0, 500), max_size=5), st.sampled_from([1, 2]), keys)
streams = st.lists(st.one_of(any_frames, messages, closes), max_size=6).map(b"".join)


def without_reasons(events: list[Any]) -> list[Any]:
    """The oracle names the code of a violation, not the words."""
    return [event[:2] if event[0] == "fail" else event for event in events]


def parser() -> frames.FrameParser:
    return frames.FrameParser(MAX_MESSAGE, MAX_FRAGMENTS)


@given(stream=streams)
@settings(max_examples=300)
def test_the_parser_agrees_with_the_oracle_at_every_byte(stream: bytes) -> None:
    """Fed byte by byte, each event comes with the same byte as in the oracle: violations as early as they show."""
    compiled, plain = parser(), oracle.Oracle(MAX_MESSAGE, MAX_FRAGMENTS)
    for i in range(len(stream)):
        byte = stream[i : i + 1]
        assert without_reasons(list(compiled.feed(byte))) == plain.feed(byte), i


@given(stream=st.lists(st.one_of(messages, any_frames, closes), max_size=3).map(b"".join))
@settings(max_examples=100)
def test_a_split_anywhere_changes_nothing(stream: bytes) -> None:
    whole = parser().feed(stream)
    for cut in range(len(stream) + 1):
        split = parser()
        assert split.feed(stream[:cut]) + split.feed(stream[cut:]) == whole


@given(stream=streams, noise=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(0, 255)), max_size=4))
@settings(max_examples=300)
def test_damaged_streams_agree_too(stream: bytes, noise: list[tuple[int, int]]) -> None:
    damaged = bytearray(stream)
    for place, value in noise:
        if damaged:
            damaged[place % len(damaged)] = value
    plain = oracle.Oracle(MAX_MESSAGE, MAX_FRAGMENTS)
    assert without_reasons(list(parser().feed(bytes(damaged)))) == plain.feed(bytes(damaged))


@given(
    opcode=st.integers(0, 15),
    payload=st.one_of(st.binary(max_size=300), st.sampled_from([125, 126, 127, 65535, 65536]).map(bytes)),
    fin=st.booleans(),
    key=st.none() | keys,
)
def test_the_builder_agrees_with_the_oracle(opcode: int, payload: bytes, fin: bool, key: bytes | None) -> None:
    built = frames.build_frame(opcode, payload, fin=fin, mask=key)
    assert built == oracle.build(opcode, payload, fin=fin, key=key)


@given(data=st.binary(max_size=100), key=keys)
@example(data=b"", key=b"abcd")
@example(data=b"\x00", key=b"abcd")
def test_masking_agrees_with_the_oracle(data: bytes, key: bytes) -> None:
    assert frames.apply_mask(data, key) == oracle.mask(data, key)


def test_every_close_code() -> None:
    assert [c for c in range(65536) if frames.close_code_allowed(c)] == [
        c for c in range(65536) if oracle.close_code_allowed(c)
    ]


@pytest.mark.parametrize("cut", range(30))
def test_a_mask_lives_through_a_split_payload(cut: int) -> None:
    stream = frames.build_frame(frames.OP_BINARY, bytes(range(24)), mask=b"\x01\x02\x03\x04")
    one = frames.FrameParser()
    assert [*one.feed(stream[:cut]), *one.feed(stream[cut:])] == [("binary", bytes(range(24)))]


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, 70000])
def test_lengths_around_the_forms_of_the_header(size: int) -> None:
    stream = frames.build_frame(frames.OP_BINARY, b"z" * size, mask=b"abcd")
    assert frames.FrameParser().feed(stream) == [("binary", b"z" * size)]


def test_memory_follows_what_came_not_what_was_announced() -> None:
    one = frames.FrameParser(max_message_bytes=1 << 30)
    assert one.feed(b"\x82\xff" + (1 << 29).to_bytes(8, "big") + b"mask" + b"x" * 100) == []
    assert 100 <= one.held_bytes <= 1024


def test_nothing_is_held_between_messages() -> None:
    one = frames.FrameParser()
    stream = oracle.build(9, b"half", key=b"abcd") + fragmented(b"a long text" * 50, [5, 200], 1, b"efgh")
    for i in range(len(stream)):
        one.feed(stream[i : i + 1])
    assert one.held_bytes == 0


def test_too_many_fragments_are_refused_however_small() -> None:
    one = frames.FrameParser(max_fragments=3)
    stream = oracle.build(1, b"", fin=False, key=b"abcd") + oracle.build(0, b"", fin=False, key=b"abcd") * 3
    assert one.feed(stream) == [("fail", 1009, "message has too many fragments")]
    assert one.finished
    assert one.feed(stream) == []


def test_the_longest_message_and_one_byte_more() -> None:
    assert frames.FrameParser(10).feed(oracle.build(2, b"0123456789", key=b"abcd")) == [("binary", b"0123456789")]
    assert frames.FrameParser(10).feed(oracle.build(2, b"0123456789a", key=b"abcd")[:6])[0][:2] == ("fail", 1009)


@pytest.mark.parametrize(
    ("limits", "error"), [((0, 1), ValueError), ((1, 0), ValueError), ((1 << 31, 1), ValueError), (("x", 1), TypeError)]
)
def test_impossible_limits_are_refused(limits: tuple[Any, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        frames.FrameParser(*limits)


def test_bad_arguments_of_the_builder() -> None:
    with pytest.raises(ValueError, match="four bytes"):
        frames.apply_mask(b"abc", b"abc")
    with pytest.raises(ValueError, match="four bits"):
        frames.build_frame(16, b"")


def test_the_accept_key_of_the_rfc() -> None:
    """The example of RFC 6455 section 1.3."""
    assert frames.accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@given(key=st.binary(min_size=16, max_size=16))
def test_the_accept_key_agrees_with_hashlib(key: bytes) -> None:
    import base64
    import hashlib

    text = base64.b64encode(key)
    guid = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    expected = base64.b64encode(hashlib.sha1(text + guid, usedforsecurity=False).digest())
    assert frames.accept_key(text) == expected


PINGS = [
    '{"event":"ping"}',
    ' { "event" : "ping" } ',
    '{"event":"ping","payload":null}',
    '{"event":"ping","payload":{}}',
    '{"payload":{ },"event":"ping"}',
    '\n{\t"payload":null ,\r"event":"ping"\n}\n',
]
NOT_PINGS = [
    "",
    "{}",
    "ping",
    '{"event":"pong"}',
    '{"event":"ping"',
    '{"event":"ping"}}',
    '{"event":"ping"}x',
    '{"event":"ping",}',
    '{"event":"ping","event":"ping"}',
    '{"event":"ping","payload":{"a":1}}',
    '{"event":"ping","payload":[]}',
    '{"event":"ping","ackid":"1"}',
    '{"event":"ping","payload":null,"payload":null}',
    '{"payload":{}}',
    '["event","ping"]',
    '{"event":"ping"}' + " " * 100,
]


@pytest.mark.parametrize("text", PINGS)
def test_the_heartbeat_is_known_in_all_its_forms(text: str) -> None:
    assert frames.legacy_ping(text.encode())


@pytest.mark.parametrize("text", NOT_PINGS)
def test_what_is_no_heartbeat_is_left_to_python(text: str) -> None:
    assert not frames.legacy_ping(text.encode())


@pytest.mark.parametrize("text", PINGS)
def test_no_prefix_of_a_heartbeat_is_one(text: str) -> None:
    for cut in range(len(text.rstrip())):
        assert not frames.legacy_ping(text[:cut].encode())
