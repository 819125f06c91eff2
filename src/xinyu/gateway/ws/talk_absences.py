"""Large talks of which this gateway has said that it holds no member's device, so that their pushes go round it.

Such a word must be taken back before the connection of a member opens, so it stands here from the moment it is said
until it is known to be taken back: whoever logs in is looked for in all the sets that were spoken of (one look-up,
however many there are), and `RouteChanges` takes the words back with the very call that makes his route. Words are
numbered, as they may overtake each other on their way; a new life of the gateway begins with higher numbers.

A word counts while the gateway lives in the incarnation that said it, and may be lost with the table that it stands in.
So where another incarnation has begun, or pushes of the talk go on coming for `SAY_AGAIN_S`, it is said again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xinyu._fast import members as fast_members
from xinyu.base.clock import Clock
from xinyu.wire.v1 import presence_pb2

NO_LONGER: Final = -1
SAY_AGAIN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class _Word:
    number: int
    change: int
    members: fast_members.MemberSet
    incarnation: str
    said_at_s: float


class TalkAbsences:
    """Of one gateway. Costs a reference to the set of each talk, and 16 to 32 bytes a member of it."""

    def __init__(self, clock: Clock) -> None:
        self._words: dict[int, _Word] = {}
        self._index = fast_members.MemberIndex()
        self._clock = clock
        self._number = clock.now_ms() * 1000

    def says(self, talk_id: int, change: int, incarnation: str) -> bool:
        """Whether it was said of the members as they were at `change` or later, in this incarnation, just now."""
        word = self._words.get(talk_id)
        return (
            word is not None
            and word.change >= change
            and word.incarnation == incarnation
            and self._clock.monotonic_s() - word.said_at_s < SAY_AGAIN_S
        )

    def __contains__(self, talk_id: int) -> bool:
        return talk_id in self._words

    def say(
        self, talk_id: int, change: int, members: fast_members.MemberSet, incarnation: str
    ) -> presence_pb2.TalkAbsence:
        """None of `members` is here. The answer is what the presence room must be told."""
        self._forget(talk_id)
        self._number += 1
        self._words[talk_id] = _Word(self._number, change, members, incarnation, self._clock.monotonic_s())
        self._index.add(members)
        return presence_pb2.TalkAbsence(talk_id=talk_id, change=change, number=self._number)

    def broken_by(self, user_ids: Iterable[int]) -> list[presence_pb2.TalkAbsence]:
        """What must be told before a device of one of these users may connect."""
        if not self._words:
            return []
        known = [user_id for user_id in user_ids if user_id in self._index]
        if not known:
            return []
        return [
            self.take_back(talk_id)
            for talk_id, word in self._words.items()
            if any(user_id in word.members for user_id in known)
        ]

    def take_back(self, talk_id: int) -> presence_pb2.TalkAbsence:
        """What must be told. The word stands until `taken_back`."""
        self._number += 1
        return presence_pb2.TalkAbsence(talk_id=talk_id, change=NO_LONGER, number=self._number)

    def taken_back(self, absences: Iterable[presence_pb2.TalkAbsence]) -> None:
        """They have been told. One that was said again since then stands."""
        for absence in absences:
            word = self._words.get(absence.talk_id)
            if word is not None and word.number < absence.number:
                self._forget(absence.talk_id)

    def _forget(self, talk_id: int) -> None:
        word = self._words.pop(talk_id, None)
        if word is not None:
            self._index.discard(word.members)
