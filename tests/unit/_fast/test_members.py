"""Sets of a large talk's members against plain Python, and the engine's fan-out over them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit._fast.members_oracle import OracleSet, Row, packed
from xinyu._fast import members

AUDIENCES = (members.MEMBERS, members.READERS, members.SEEING, members.OTHERS)
USERS = st.integers(1, 40)
NUMBERS = st.integers(0, 12)
ROWS = st.dictionaries(USERS, st.tuples(NUMBERS, st.one_of(st.just(-1), NUMBERS))).map(
    lambda rows: [(user_id, *window) for user_id, window in rows.items()]
)


@given(st.lists(st.tuples(ROWS, NUMBERS), max_size=5), st.sets(st.integers(1, 60)), NUMBERS)
def test_a_set_that_is_updated_holds_what_the_oracle_holds(
    updates: list[tuple[list[Row], int]], connected: set[int], sequence: int
) -> None:
    held, oracle = members.MemberSet(), OracleSet()
    for rows, kept_from in updates:
        held, oracle = held.updated(packed(rows), kept_from), oracle.updated(rows, kept_from)
    assert len(held) == sum(left < 0 for _, left in oracle.rows.values())
    assert held.leavers == len(oracle.rows) - len(held)
    assert [user_id in held for user_id in range(62)] == [user_id in oracle.rows for user_id in range(62)]
    for audience in AUDIENCES:
        picked = held.among(connected, audience, sequence)
        assert len(picked) == len(set(picked))
        assert set(picked) == oracle.among(connected, audience, sequence)


def test_the_smaller_side_is_walked_and_finds_the_same() -> None:
    seed = random.Random(9)
    rows = [(user_id, seed.randrange(9), -1) for user_id in seed.sample(range(1, 10_000), 2_000)]
    held, oracle = members.MemberSet().updated(packed(rows)), OracleSet().updated(rows, 0)
    for connected in (range(1, 50), range(1, 10_000)):
        for audience in AUDIENCES:
            assert set(held.among(connected, audience, 4)) == oracle.among(connected, audience, 4)


def test_the_old_set_stays_as_it_was() -> None:
    old = members.MemberSet().updated(packed([(1, 1, -1), (2, 1, -1)]))
    new = old.updated(packed([(1, 1, 5), (3, 6, -1)]))
    assert (len(old), 3 in old, old.leavers) == (2, False, 0)
    assert (len(new), 3 in new, new.leavers) == (2, True, 1)


def test_a_hundred_thousand_members_cost_less_than_two_megabytes() -> None:
    held = members.MemberSet().updated(packed((user_id, 1, -1) for user_id in range(1, 100_001)))
    assert len(held) == 100_000 and held.size_bytes < 2_000_000


@pytest.mark.parametrize(
    "rows",
    [b"x", packed([(1, 1, -1)])[:-1], packed([(0, 1, -1)]), packed([(-1, 1, -1)]), packed([(1 << 53, 1, -1)]),
     packed([(2, 1, -1)]) + packed([(1, 1, -1)]), packed([(2, 1, -1)]) * 2],
)  # fmt: skip
def test_what_are_no_rows_is_refused(rows: bytes) -> None:
    with pytest.raises(ValueError, match="rows"):
        members.MemberSet().updated(rows)


def test_there_is_no_other_audience_and_no_other_user() -> None:
    held = members.MemberSet().updated(packed([(1, 1, -1)]))
    for audience in (-1, 4):
        with pytest.raises(ValueError, match="audience"):
            held.among([1], audience)
    assert 0 not in held and -1 not in held and 1 << 63 not in held and 1 << 70 not in held


def test_rows_need_not_be_aligned() -> None:
    shifted = memoryview(b"x" + packed([(1, 1, -1), (2, 3, 4)]))[1:]
    held = members.MemberSet().updated(shifted)
    assert (len(held), held.leavers) == (1, 1)


@given(st.lists(ROWS, min_size=1, max_size=4), st.data())
def test_the_index_counts_sets(sets: list[list[Row]], data: st.DataObject) -> None:
    held = [members.MemberSet().updated(packed(rows)) for rows in sets]
    index = members.MemberIndex()
    for each in held:
        index.add(each)
    dropped = data.draw(st.sets(st.integers(0, len(held) - 1)))
    for number in dropped:
        index.discard(held[number])
    left = [each for number, each in enumerate(held) if number not in dropped]
    assert [user_id in index for user_id in range(45)] == [
        any(user_id in each for each in left) for user_id in range(45)
    ]
    assert len(index) == sum(any(user_id in each for each in left) for user_id in range(45))
