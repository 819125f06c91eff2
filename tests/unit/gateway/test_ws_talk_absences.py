"""What a gateway has said of large talks, and how it is taken back."""

from __future__ import annotations

from tests.unit._fast.members_oracle import packed
from xinyu._fast.members import MemberSet
from xinyu.base.clock import SystemClock
from xinyu.gateway.ws.talk_absences import NO_LONGER, SAY_AGAIN_S, TalkAbsences


def members(*user_ids: int) -> MemberSet:
    return MemberSet().updated(packed((user_id, 1, -1) for user_id in user_ids))


def test_a_word_is_broken_by_a_member_and_stands_until_that_is_told() -> None:
    absences = TalkAbsences(SystemClock())
    said = absences.say(5, 3, members(1, 2), "first")
    assert (said.talk_id, said.change) == (5, 3)
    assert absences.says(5, 3, "first") and not absences.says(5, 4, "first") and not absences.says(6, 0, "first")
    assert absences.broken_by([3, 4]) == []
    (back,) = absences.broken_by([4, 2, 1])
    assert (back.talk_id, back.change) == (5, NO_LONGER) and back.number > said.number
    assert 5 in absences  # it may not have been heard
    absences.taken_back([back])
    assert 5 not in absences and absences.broken_by([1, 2]) == []


def test_a_word_given_anew_is_not_taken_back_by_what_was_told_before() -> None:
    absences = TalkAbsences(SystemClock())
    absences.say(5, 3, members(1), "first")
    (back,) = absences.broken_by([1])
    absences.say(5, 4, members(1, 2), "first")
    absences.taken_back([back])
    assert absences.says(5, 4, "first")
    assert [each.talk_id for each in absences.broken_by([2])] == [5]


def test_a_member_of_several_talks_breaks_all_their_words() -> None:
    absences = TalkAbsences(SystemClock())
    for talk_id in (5, 6, 7):
        absences.say(talk_id, 1, members(1, talk_id), "first")
    assert sorted(each.talk_id for each in absences.broken_by([1])) == [5, 6, 7]
    assert [each.talk_id for each in absences.broken_by([6])] == [6]
    absences.taken_back(absences.broken_by([6]))
    assert sorted(each.talk_id for each in absences.broken_by([1])) == [5, 7]


class Clock(SystemClock):
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)

    def monotonic_s(self) -> float:
        return self.seconds


def test_a_later_life_begins_with_higher_numbers() -> None:
    clock = Clock()
    earlier = TalkAbsences(clock)
    numbers = [earlier.take_back(1).number for _ in range(10)]
    clock.seconds += 0.001
    assert TalkAbsences(clock).take_back(1).number > max(numbers)


def test_a_word_is_given_anew_in_another_incarnation_and_after_a_while() -> None:
    clock = Clock()
    absences = TalkAbsences(clock)
    absences.say(5, 3, members(1), "first")
    assert absences.says(5, 3, "first") and not absences.says(5, 3, "second")
    clock.seconds += SAY_AGAIN_S - 1
    assert absences.says(5, 3, "first")
    clock.seconds += 1
    assert not absences.says(5, 3, "first")
    assert 5 in absences and absences.broken_by([1])  # who comes breaks it all the same
    again = absences.say(5, 3, members(1), "first")
    assert absences.says(5, 3, "first")
    absences.taken_back([again])
    assert 5 in absences  # a word does not take itself back
