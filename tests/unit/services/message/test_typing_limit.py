"""Typing events are bounded in number and in memory."""

from __future__ import annotations

from tests.integration.services.embedded_platform import SettableClock
from xinyu_services.message.typing_limit import TypingLimit


def test_once_a_second_for_each_pair() -> None:
    clock = SettableClock()
    limit = TypingLimit(clock)
    assert [limit.allows(1, 2), limit.allows(1, 2), limit.allows(1, 3), limit.allows(2, 1)] == [True, False, True, True]
    clock.advance_s(0.999)
    assert not limit.allows(1, 2)
    clock.advance_s(0.001)
    assert limit.allows(1, 2)


def test_past_the_bound_nobody_is_told_until_a_second_has_passed() -> None:
    clock = SettableClock()
    limit = TypingLimit(clock, max_entries=3)
    assert [limit.allows(1, peer) for peer in range(5)] == [True, True, True, False, False]
    clock.advance_s(1)
    assert limit.allows(1, 4)
    assert len(limit._told) == 1
