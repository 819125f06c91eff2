"""The timer wheel beside a sorted dictionary."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xinyu._fast.wheel import Wheel

KEYS = 12
TURN = 1024  # slots of the wheel


class Oracle:
    """due tick by key; a key armed for the past is due at the next tick."""

    def __init__(self, now: int) -> None:
        self.now = now
        self.due: dict[int, int] = {}

    def arm(self, key: int, due: int) -> None:
        self.due[key] = max(due, self.now + 1)

    def advance(self, now: int) -> list[tuple[int, int]]:
        fired = sorted((due, key) for key, due in self.due.items() if due <= now)
        for _, key in fired:
            del self.due[key]
        self.now = max(self.now, now)
        return fired


operations = st.lists(
    st.one_of(
        st.tuples(st.just("arm"), st.integers(0, KEYS - 1), st.one_of(st.integers(-3, 40), st.integers(1000, 5000))),
        st.tuples(st.just("cancel"), st.integers(0, KEYS - 1), st.just(0)),
        st.tuples(st.just("advance"), st.one_of(st.integers(0, 30), st.integers(900, 2500)), st.just(0)),
    ),
    max_size=40,
)


@given(start=st.sampled_from([1, 5, 1023, 1024, 1_000_000]), operations=operations)
@settings(max_examples=300)
def test_the_wheel_agrees_with_the_oracle(start: int, operations: list[tuple[str, int, int]]) -> None:
    compiled, plain = Wheel(KEYS, start), Oracle(start)
    for operation, number, offset in operations:
        if operation == "arm":
            due = max(0, plain.now + offset)
            compiled.arm(number, due)
            plain.arm(number, due)
        elif operation == "cancel":
            compiled.cancel(number)
            plain.due.pop(number, None)
        else:
            assert sorted(compiled.advance(plain.now + number)) == plain.advance(plain.now + number)
        assert compiled.armed == len(plain.due)
        assert [compiled.is_armed(key) for key in range(KEYS)] == [key in plain.due for key in range(KEYS)]


def test_a_deadline_many_turns_away_fires_once_at_its_tick() -> None:
    wheel = Wheel(2, 7)
    wheel.arm(0, 7 + 10 * TURN + 3)
    wheel.arm(1, 1_000_000)
    assert wheel.advance(7 + 10 * TURN + 2) == []
    assert wheel.advance(2_000_000) == [(7 + 10 * TURN + 3, 0), (1_000_000, 1)]
    assert wheel.armed == 0


def test_heartbeats_armed_while_the_wheel_turns_fire_once_each_time() -> None:
    wheel = Wheel(3, 1)
    for key in range(3):
        wheel.arm(key, 2 + key)
    fired = wheel.advance(31, rearm_after=10)
    assert fired == [(start + turn, start - 2) for turn in (0, 10, 20) for start in (2, 3, 4)]


def test_a_node_armed_for_now_while_it_fires_waits_for_the_next_tick() -> None:
    """Or draining one tick would never end."""
    wheel = Wheel(1, 1)
    wheel.arm(0, 1)
    assert wheel.advance(1) == []
    assert wheel.advance(2) == [(2, 0)]


def test_an_empty_wheel_jumps() -> None:
    wheel = Wheel(1, 1)
    assert wheel.advance(2_000_000_000) == []
    assert wheel.now == 2_000_000_000


def test_right_across_the_wrap_of_the_tick_counter() -> None:
    wheel = Wheel(2, 2**32 - 5)
    wheel.arm(0, 2**32 - 1)
    wheel.arm(1, 3)
    assert wheel.advance(5) == [(2**32 - 1, 0), (3, 1)]


def test_a_key_outside_is_refused() -> None:
    with pytest.raises(IndexError):
        Wheel(3).arm(3, 1)
