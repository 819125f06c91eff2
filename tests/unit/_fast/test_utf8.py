"""Incremental UTF-8 validation beside Python's decoder."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from tests.unit._fast.frame_oracle import utf8_possible
from xinyu._fast import frames

# The bytes where the rules change (RFC 3629 section 4).
EDGES = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF]
EDGES += [0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]


def valid(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def check(data: bytes) -> None:
    """Byte by byte: refused exactly with the first byte that no continuation can mend."""
    validator = frames.Utf8Validator()
    for i in range(len(data)):
        assert validator.feed(data[i : i + 1]) == utf8_possible(data[: i + 1]), data
    assert validator.complete == valid(data), data
    whole = frames.Utf8Validator()
    assert whole.feed(data) == utf8_possible(data)
    assert whole.complete == valid(data)


def test_every_pair_and_triple_of_edges() -> None:
    for length in (1, 2, 3):
        for combination in itertools.product(EDGES, repeat=length):
            check(bytes(combination))


def test_four_bytes_behind_each_long_lead() -> None:
    for combination in itertools.product([0xF0, 0xF1, 0xF4], [0x80, 0x8F, 0x90, 0xBF], [0x7F, 0x80, 0xBF, 0xC2], EDGES):
        check(bytes(combination))


@given(data=st.one_of(st.binary(max_size=60), st.text(max_size=30).map(str.encode)))
def test_any_bytes(data: bytes) -> None:
    check(data)


@given(text=st.text(min_size=1, max_size=60), place=st.integers(0, 1000), byte=st.integers(0, 255))
def test_one_damaged_byte(text: str, place: int, byte: int) -> None:
    data = bytearray(text.encode())
    data[place % len(data)] = byte
    check(bytes(data))


def test_every_character() -> None:
    text = "".join(map(chr, itertools.chain(range(0xD800), range(0xE000, 0x110000))))
    validator = frames.Utf8Validator()
    assert validator.feed(text.encode())
    assert validator.complete
