"""RangeSet against a plain set of integers."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from xinyu.client.ranges import RangeSet

edges = st.integers(0, 40)
operations = st.lists(st.tuples(st.sampled_from(["add", "remove", "cut"]), edges, edges), max_size=30)


@given(operations, edges, edges)
def test_range_set_is_a_set_of_integers(steps: list[tuple[str, int, int]], low: int, high: int) -> None:
    ranges, oracle = RangeSet(), set[int]()
    for step, a, b in steps:
        if step == "add":
            ranges.add(a, b)
            oracle |= set(range(a, b + 1))
        elif step == "remove":
            ranges.remove(a, b)
            oracle -= set(range(a, b + 1))
        else:
            ranges.cut_below(a)
            oracle = {n for n in oracle if n >= a}
        assert {n for n in range(45) if n in ranges} == oracle
        assert ranges.count() == len(oracle)
        assert bool(ranges) == bool(oracle)
        parts = list(ranges)
        assert all(a <= b for a, b in parts)
        assert all(first[1] + 1 < second[0] for first, second in itertools.pairwise(parts)), "not compact"
        assert RangeSet(parts) == ranges
    gaps = list(ranges.missing(low, high))
    assert gaps == sorted(gaps, reverse=True)
    assert {n for a, b in gaps for n in range(a, b + 1)} == {n for n in range(low, high + 1) if n not in oracle}
    assert all(a <= b for a, b in gaps)


def test_long_ranges_cost_nothing() -> None:
    ranges = RangeSet()
    ranges.add(1, 10**15)
    ranges.remove(10, 10**12)
    assert list(ranges) == [(1, 9), (10**12 + 1, 10**15)]
    assert list(ranges.missing(5, 10**13)) == [(10, 10**12)]


def test_membership_of_another_type_is_false() -> None:
    assert "1" not in RangeSet([(1, 2)])
