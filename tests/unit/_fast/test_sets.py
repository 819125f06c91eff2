"""The hash map beside a dict."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinyu._fast.sets import IdMap

# A multiplicative hash: these keys share a home or are neighbours in a small table.
INVERSE = pow(0x9E3779B97F4A7C15, -1, 2**64)
CLASHING = [(home << 32) * INVERSE % 2**64 for home in (0, 1, 62, 63, 64, 128, 192, 256, 63 + 64, 63 + 128) if home]
keys = st.one_of(st.sampled_from(CLASHING), st.integers(1, 40), st.integers(1, 2**64 - 1))
operations = st.lists(st.tuples(st.booleans(), keys), max_size=150)


@given(operations=operations)
@settings(max_examples=300)
def test_the_map_agrees_with_a_dict(operations: list[tuple[bool, int]]) -> None:
    compiled, plain = IdMap(), dict[int, int]()
    for add, key in operations:
        if add:
            plain[key] = plain.get(key, 0) + 1
            assert compiled.add(key) == plain[key]
        else:
            plain.pop(key, None)
            compiled.remove(key)
    assert len(compiled) == len(plain)
    assert sorted(compiled.keys()) == sorted(plain)
    assert all(compiled.get(key) == count for key, count in plain.items())
    assert all(compiled.get(key) == plain.get(key, 0) for _, key in operations)


def test_clashing_keys_in_a_row_survive_each_others_removal() -> None:
    for gone in CLASHING:
        compiled = IdMap()
        for key in CLASHING:
            compiled.add(key)
        compiled.remove(gone)
        assert sorted(compiled.keys()) == sorted(set(CLASHING) - {gone})
        assert [key for key in CLASHING if not compiled.get(key)] == [gone]


def test_it_grows_and_shrinks() -> None:
    compiled = IdMap()
    for key in range(1, 10_001):
        compiled.add(key)
    assert compiled.size == 16384
    for key in range(1, 10_001):
        compiled.remove(key)
    assert len(compiled) == 0
    assert compiled.size == 64


def test_key_zero_is_nobody() -> None:
    compiled = IdMap()
    with pytest.raises(ValueError, match="nobody"):
        compiled.add(0)
    compiled.remove(0)
    assert compiled.get(0) == 0
