"""Incremental UTF-8 validation, by each implementation that this machine can run, beside Python's decoder."""

from __future__ import annotations

import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit._fast.frame_oracle import utf8_possible
from xinyu._fast import frames

# The bytes where the rules change (RFC 3629 section 4).
EDGES = [0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF]
EDGES += [0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xFF]

GOOD = ["é".encode(), "心".encode(), "🙂".encode(), b"\xc2\x80", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xee\x80\x80"]
GOOD += [b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf"]
BAD = [
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf",  # lone tails, two-byte overlongs
    b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf",  # longer overlongs
    b"\xed\xa0\x80", b"\xed\xbf\xbf",  # surrogates
    b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xff",  # above U+10FFFF
    b"\xc2a", b"\xe5\xbfa", b"\xf0\x9f\x99a", b"\xc2\xc2\x80", b"\xe5\xe5\xbf\x83",  # tails missing
    b"\xc2\x80\x80", b"\xe5\xbf\x83\x83", b"\xf0\x9f\x99\x82\x82",  # a tail too many
]  # fmt: skip
TRUNCATED = [good[:cut] for good in GOOD for cut in range(1, len(good))]
# Around these lengths the code goes other ways: 16 and 32 bytes a vector, three bytes to look back at, four vectors of
# ASCII at a time.
FILLINGS = [b"a", "é".encode(), "心".encode(), "🙂".encode(), "a心".encode()]

# None: as the engine does it, which looks at short text itself before it calls the widest of the others.
implementations = pytest.mark.parametrize("implementation", [*frames.UTF8_IMPLEMENTATIONS, None])
pieces = st.one_of(
    st.text(max_size=30).map(str.encode),
    st.sampled_from(FILLINGS).flatmap(lambda filling: st.integers(0, 70).map(lambda n: filling * n)),
    st.sampled_from(GOOD),
)
good_texts = st.lists(pieces, max_size=8).map(b"".join)
any_texts = st.lists(st.one_of(pieces, pieces, st.sampled_from([*BAD, *TRUNCATED])), max_size=8).map(b"".join)


def valid(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def check_whole(implementation: str | None, data: bytes) -> None:
    whole = frames.Utf8Validator(implementation)
    assert whole.feed(data) == utf8_possible(data), data
    assert whole.complete == valid(data), data
    if whole.complete:
        assert whole.ascii == data.isascii(), data


def check(implementation: str | None, data: bytes) -> None:
    """Byte by byte: refused exactly with the first byte that no continuation can mend."""
    validator = frames.Utf8Validator(implementation)
    for i in range(len(data)):
        assert validator.feed(data[i : i + 1]) == utf8_possible(data[: i + 1]), data
    assert validator.complete == valid(data), data
    check_whole(implementation, data)


def test_the_portable_code_and_that_of_the_machine_are_there() -> None:
    assert frames.UTF8_IMPLEMENTATIONS[0] == "portable"
    assert set(frames.UTF8_IMPLEMENTATIONS) <= {"portable", "ssse3", "avx2", "neon"}


def test_an_unknown_implementation_is_refused() -> None:
    with pytest.raises(ValueError, match="no such implementation"):
        frames.Utf8Validator("sse2")


@functools.cache
def edge_cases() -> list[tuple[bytes, bool, bool]]:
    """All of one to three edges, and four behind each long lead: with what Python's decoder says of them."""
    combinations = [bytes(c) for length in (1, 2, 3) for c in itertools.product(EDGES, repeat=length)]
    long_leads = itertools.product([0xF0, 0xF1, 0xF4], [0x80, 0x8F, 0x90, 0xBF], [0x7F, 0x80, 0xBF, 0xC2], EDGES)
    combinations += [bytes(c) for c in long_leads]
    return [(data, utf8_possible(data), valid(data)) for data in combinations]


def test_every_combination_of_edges_byte_by_byte() -> None:
    for data, _, _ in edge_cases():
        check(None, data)


@implementations
@pytest.mark.parametrize("offset", [*range(13, 20), *range(29, 36), *range(61, 66), 96, 127])
def test_every_combination_of_edges_at_the_borders_of_vectors(implementation: str | None, offset: int) -> None:
    """ASCII before it, and both nothing and 40 bytes of ASCII behind it."""
    before, behind = b"a" * offset, b"z" * 40
    for data, possible, good in edge_cases():
        validator = frames.Utf8Validator(implementation)
        assert validator.feed(before + data) == possible, data
        assert validator.complete == good, data
        validator = frames.Utf8Validator(implementation)
        assert validator.feed(before + data + behind) == good, data
        assert validator.complete == good, data


@implementations
@pytest.mark.parametrize("filling", FILLINGS)
def test_bad_text_at_every_place(implementation: str | None, filling: bytes) -> None:
    for fault in [*BAD, *TRUNCATED, *GOOD]:
        for count in range(0, 140, len(filling)):
            before = filling * (count // len(filling))
            check_whole(implementation, before + fault)
            for behind in (b"b" * 5, filling * 12, filling * 50):
                validator = frames.Utf8Validator(implementation)
                data = before + fault + behind
                assert validator.feed(data) == validator.complete == valid(data), (fault, count)


@implementations
@pytest.mark.parametrize("filling", FILLINGS)
def test_every_length(implementation: str | None, filling: bytes) -> None:
    text = filling * 300
    for length in range(300):
        check_whole(implementation, text[:length])


@implementations
@given(data=good_texts)
def test_every_split_of_good_text(implementation: str | None, data: bytes) -> None:
    for cut in range(len(data) + 1):
        validator = frames.Utf8Validator(implementation)
        assert validator.feed(data[:cut])
        assert validator.complete == valid(data[:cut])
        assert validator.feed(data[cut:])
        assert validator.complete
        assert validator.ascii == data.isascii()


@implementations
@given(data=any_texts, cuts=st.lists(st.integers(0, 400), max_size=4))
def test_any_text_in_any_pieces(implementation: str | None, data: bytes, cuts: list[int]) -> None:
    validator = frames.Utf8Validator(implementation)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, stop in itertools.pairwise(places):
        assert validator.feed(data[start:stop]) == utf8_possible(data[:stop])
    assert validator.complete == valid(data)


@implementations
@given(data=st.one_of(st.binary(max_size=100), st.text(max_size=50).map(str.encode)))
def test_any_bytes(implementation: str | None, data: bytes) -> None:
    check(implementation, data)


@implementations
@given(text=st.text(min_size=1, max_size=100), place=st.integers(0, 1000), byte=st.integers(0, 255))
def test_one_damaged_byte(implementation: str | None, text: str, place: int, byte: int) -> None:
    data = bytearray(text.encode())
    data[place % len(data)] = byte
    check_whole(implementation, bytes(data))


@functools.cache
def every_character() -> bytes:
    return "".join(map(chr, itertools.chain(range(0xD800), range(0xE000, 0x110000)))).encode()


@implementations
@pytest.mark.parametrize("shift", range(4))
def test_every_character(implementation: str | None, shift: int) -> None:
    validator = frames.Utf8Validator(implementation)
    assert validator.feed(b"a" * shift + every_character())
    assert validator.complete
    assert not validator.ascii


@implementations
def test_every_character_behind_its_like(implementation: str | None) -> None:
    """Each code point that is none, in text where all others are: surrogates, and the first above U+10FFFF."""
    before = "心".encode() * 7
    for code in range(0xD800, 0xE000, 7):
        surrogate = chr(code).encode("utf-8", "surrogatepass")
        assert not frames.Utf8Validator(implementation).feed(before + surrogate + before)
    for lead, second in itertools.product(range(0xF4, 0x100), range(0x80, 0xC0)):
        data = before + bytes([lead, second, 0x80, 0x80]) + before
        assert frames.Utf8Validator(implementation).feed(data) == valid(data)
