"""The compiled histogram beside one that keeps every value."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit._fast.histogram_oracle import GREATEST, PlainHistogram
from xinyu._fast.histogram import Histogram

# Borders of buckets and of powers of two are where a wrong shift shows.
borders = st.builds(lambda bits, offset: max(0, 2**bits + offset), st.integers(0, 44), st.integers(-2, 2))
values = st.one_of(borders, st.integers(0, 5000), st.integers(0, 2**43), st.integers(10_000, 10_000_000))
recordings = st.lists(st.tuples(values, st.integers(0, 3)), max_size=60)
PERCENTS = (0.0, 0.1, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0)


def filled(recorded: list[tuple[int, int]]) -> tuple[Histogram, PlainHistogram]:
    compiled, plain = Histogram(), PlainHistogram()
    for value, count in recorded:
        compiled.record(value, count)
        plain.record(value, count)
    return compiled, plain


@given(recorded=recordings)
@settings(max_examples=150)
def test_it_agrees_with_the_oracle(recorded: list[tuple[int, int]]) -> None:
    compiled, plain = filled(recorded)
    assert len(compiled) == len(plain.values)
    assert (compiled.min, compiled.max) == (min(plain.values, default=0), max(plain.values, default=0))
    assert compiled.buckets() == plain.buckets()
    for percent in PERCENTS:
        assert compiled.percentile(percent) == plain.percentile(percent), percent


durations = st.lists(st.integers(0, GREATEST - 2**31), min_size=1, max_size=100)


@given(recorded=durations, percent=st.decimals(0, 100, places=3))
def test_three_digits_of_a_percentile_are_right(recorded: list[int], percent: Decimal) -> None:
    compiled, plain = filled([(value, 1) for value in recorded])
    exact = plain.exact_percentile(float(percent))
    assert exact <= compiled.percentile(float(percent)) <= exact * (1 + 1 / 1024)


@given(first=recordings, second=recordings)
def test_adding_is_recording_both(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    one, other = filled(first)[0], filled(second)[0]
    both = filled(first + second)[0]
    copy = one.copy()
    copy.add(other)
    assert copy.buckets() == both.buckets()
    assert (len(copy), copy.min, copy.max) == (len(both), both.min, both.max)
    assert copy.mean == both.mean
    assert one.buckets() == filled(first)[0].buckets()  # the copy was one


def test_an_empty_one_is_all_zeros_and_can_be_made_again() -> None:
    compiled = Histogram()
    compiled.record(7)
    compiled.reset()
    assert (len(compiled), compiled.min, compiled.max, compiled.mean, compiled.percentile(99)) == (0, 0, 0, 0.0, 0)
    compiled.record(5)
    assert (compiled.min, compiled.max, compiled.mean) == (5, 5, 5.0)


@pytest.mark.parametrize("count", [10, 1000, 10_000])
@pytest.mark.parametrize("percent", [0.1, 50.0, 90.0, 99.0, 99.9, 99.99])
def test_a_rank_is_not_one_too_high_by_rounding(percent: float, count: int) -> None:
    compiled, plain = Histogram(), PlainHistogram()
    for value in range(1, count + 1):
        compiled.record(value)
    plain.values = list(range(1, count + 1))
    assert compiled.percentile(percent) == plain.percentile(percent)


@pytest.mark.parametrize("percent", [-0.1, 100.1, float("nan")])
def test_a_percentile_outside_of_the_scale_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        Histogram().percentile(percent)


@pytest.mark.parametrize("value", [-1, 2**64])
def test_what_is_no_duration_is_refused(value: int) -> None:
    compiled = Histogram()
    with pytest.raises(OverflowError):
        compiled.record(value)
    assert len(compiled) == 0
