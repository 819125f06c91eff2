"""The cache of verified tokens beside a plain list, and its digest beside a plain SipHash."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit._fast.token_oracle import PlainTokens, siphash_128
from xinyu._fast.tokens import MAX_LOOKS, VerifiedTokens, siphash

KEY = bytes(range(16))
TOKENS = [f"head.{number}.signature" for number in range(12)]


@pytest.mark.parametrize(
    ("size", "digest"),
    # The first lines of `vectors_sip128` in the authors' reference code.
    [
        (0, "a3817f04ba25a8e66df67214c7550293"),
        (1, "da87c1d86b99af44347659119b22fc45"),
        (2, "8177228da4a45dc7fca38bdef60affe4"),
    ],
)
def test_siphash_of_the_reference(size: int, digest: str) -> None:
    assert siphash(KEY, bytes(range(size))).hex() == digest
    assert siphash_128(KEY, bytes(range(size))).hex() == digest


@given(key=st.binary(min_size=16, max_size=16), data=st.binary(max_size=600))
def test_siphash_agrees_with_the_plain_one(key: bytes, data: bytes) -> None:
    assert siphash(key, data) == siphash_128(key, data)


def test_siphash_needs_its_key() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        siphash(b"short", b"")


calls = st.lists(
    st.tuples(st.sampled_from(("get", "get", "put", "put", "discard")), st.sampled_from(TOKENS), st.integers(1, 9)),
    max_size=60,
)


@settings(deadline=None)
@given(max_entries=st.integers(1, 8), calls=calls)
def test_it_agrees_with_a_plain_list(max_entries: int, calls: list[tuple[str, str, int]]) -> None:
    fast, plain = VerifiedTokens(max_entries), PlainTokens(max_entries, MAX_LOOKS)
    for call, token, number in calls:
        if call == "get":
            assert fast.get(token) == plain.get(token)
        elif call == "discard":
            assert fast.discard(token) == plain.discard(token)
        else:
            value = (number, "t" * (number * 3 % 25), "web", number * 1000)
            assert fast.put(token, *value)
            plain.put(token, *value)
        assert len(fast) == len(plain.entries)
    assert [fast.get(token) for token in TOKENS] == [plain.get(token) for token in TOKENS]


def test_many_tokens_come_and_go() -> None:
    """Tables of every size on the way up, long chains, and a hand that is stopped after MAX_LOOKS."""
    choose = random.Random(7)
    fast, plain = VerifiedTokens(500), PlainTokens(500, MAX_LOOKS)
    texts = [f"token {number}" for number in range(800)]
    for number in range(6_000):
        token = texts[min(int(choose.expovariate(1 / 200)), 799)]
        if choose.random() < 0.3:
            assert fast.get(token) == plain.get(token)
        elif choose.random() < 0.1:
            assert fast.discard(token) == plain.discard(token)
        else:
            fast.put(token, number + 1, "", "", 0)
            plain.put(token, number + 1, "", "", 0)
    assert len(fast) == len(plain.entries)
    assert [fast.get(token) for token in texts] == [plain.get(token) for token in texts]


def test_one_that_is_used_stays_while_others_pass_by() -> None:
    cache = VerifiedTokens(100)
    cache.put("kept", 7, "id", "web", 1)
    for number in range(1_000):
        assert cache.get("kept") == (7, "id", "web", 1)
        cache.put(f"passing {number}", 1, "", "", 0)
    assert len(cache) == 100


def test_all_used_still_gives_way() -> None:
    cache = VerifiedTokens(1_000)
    for number in range(1_000):
        cache.put(f"token {number}", 1, "", "", 0)
        cache.get(f"token {number}")
    cache.put("one more", 2, "", "", 0)
    assert cache.get("one more") is not None
    assert len(cache) == 1_000


@pytest.mark.parametrize(
    "value",
    [
        (1, "x" * 25, "web", 0),
        (1, "é", "web", 0),
        (1, "a\0b", "web", 0),
        (1, "", "x" * 8, 0),
        (1, "", "é", 0),
    ],
)
def test_what_has_no_room_is_not_kept(value: tuple[int, str, str, int]) -> None:
    cache = VerifiedTokens(10)
    assert not cache.put("token", *value)
    assert cache.get("token") is None
    assert len(cache) == 0


def test_odd_tokens() -> None:
    cache = VerifiedTokens(10)
    for token in ("é", "\ud800", "\U0001f600"):
        assert not cache.put(token, 1, "", "", 0)
        assert cache.get(token) is None
        assert not cache.discard(token)
    for number, token in enumerate(("", "\0", "\0\0", "x" * 100_000), 1):
        assert cache.put(token, number, "x" * 24, "x" * 7, -(2**63))
    assert [cache.get(token) for token in ("", "\0", "\0\0")] == [(n, "x" * 24, "x" * 7, -(2**63)) for n in (1, 2, 3)]
    with pytest.raises(OverflowError):
        cache.put("token", 2**63, "", "", 0)
    for wrong in (None, b"token"):
        with pytest.raises(TypeError):
            cache.get(wrong)  # type: ignore[arg-type]


def test_bounds_are_checked() -> None:
    for wrong in (0, -1, 2**24 + 1):
        with pytest.raises(ValueError, match="max_entries"):
            VerifiedTokens(wrong)


def test_memory_grows_with_the_tokens() -> None:
    cache = VerifiedTokens(65_536)
    assert cache.size_bytes < 1024
    for number in range(65_536):
        cache.put(f"token {number}", number + 1, "x" * 24, "web", 0)
    full = cache.size_bytes
    assert full <= 72 * 65_536
    cache.put("one more", 1, "", "", 0)
    assert (len(cache), cache.size_bytes) == (65_536, full)
