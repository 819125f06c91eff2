"""Masking in place: each implementation that this machine can run, beside the plain-Python oracle."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit._fast import frame_oracle as oracle
from xinyu._fast import frames

ALIGNMENTS = 64
GUARD = b"\xa5" * 64

keys = st.binary(min_size=4, max_size=4)
implementations = pytest.mark.parametrize("implementation", [*frames.MASK_IMPLEMENTATIONS, None])


def masked(implementation: str | None, data: bytes, key: bytes, alignment: int) -> tuple[bytes, bytes]:
    """Mask data that begins `alignment` bytes behind a boundary, between guards that must stay as they are."""
    room = bytearray(GUARD + bytes(alignment) + data + GUARD)
    start = len(GUARD) + alignment
    stop = start + len(data)
    turned = frames.mask_in_place(room, key, start, stop, implementation)
    assert room[:start] == GUARD + bytes(alignment)
    assert room[stop:] == GUARD
    return bytes(room[start:stop]), turned


def test_the_portable_code_and_that_of_the_machine_are_there() -> None:
    assert frames.MASK_IMPLEMENTATIONS[0] == "portable"
    assert set(frames.MASK_IMPLEMENTATIONS) <= {"portable", "sse2", "avx2", "neon"}


@implementations
def test_every_length_at_every_alignment(implementation: str | None) -> None:
    """One oracle answer a length; the key's turn at the end is the key at the byte behind."""
    key = b"\x01\x23\x45\x67"
    source = bytes(i * 7 & 0xFF for i in range(400))
    for length in [*range(201), 255, 256, 257, 320, 399]:
        expected = oracle.mask(source[:length], key), oracle.mask(bytes(length + 4), key)[length:]
        for alignment in range(ALIGNMENTS):
            assert masked(implementation, source[:length], key, alignment) == expected, (length, alignment)


@implementations
@given(data=st.binary(max_size=200), key=keys, alignment=st.integers(0, ALIGNMENTS - 1))
def test_any_bytes(implementation: str | None, data: bytes, key: bytes, alignment: int) -> None:
    assert masked(implementation, data, key, alignment)[0] == oracle.mask(data, key)


@implementations
@given(data=st.binary(max_size=300), key=keys, cuts=st.lists(st.integers(0, 300), max_size=4))
def test_pieces_go_on_with_the_turned_mask(
    implementation: str | None, data: bytes, key: bytes, cuts: list[int]
) -> None:
    room = bytearray(data)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    turned = key
    for start, stop in itertools.pairwise(places):
        turned = frames.mask_in_place(room, turned, start, stop, implementation)
    assert room == oracle.mask(data, key)


@implementations
@pytest.mark.parametrize("size", [4096, 65535, 65536, 1_000_003])
def test_large(implementation: str | None, size: int) -> None:
    key = b"\xff\x00\x80\x7f"
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    expected = oracle.mask(data, key)
    for alignment in (0, 1, 17):
        assert masked(implementation, data, key, alignment)[0] == expected


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (2, 1), (0, 9), (9, None)])
def test_a_range_outside_of_the_data_is_refused(start: int, stop: int | None) -> None:
    data = bytearray(8)
    with pytest.raises(ValueError, match="start and stop"):
        frames.mask_in_place(data, b"abcd", start, stop)
    assert data == bytes(8)


def test_other_bad_arguments() -> None:
    with pytest.raises(ValueError, match="four bytes"):
        frames.mask_in_place(bytearray(8), b"abcde")
    with pytest.raises(ValueError, match="no such implementation"):
        frames.mask_in_place(bytearray(8), b"abcd", implementation="mmx")
