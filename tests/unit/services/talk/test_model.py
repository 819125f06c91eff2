"""Rules of the conversation list."""

from __future__ import annotations

import pytest

from xinyu_services.talk.model import Session, SessionState, must_reset, seeded


def session(*, state: int = 1, revision: int = 1, hidden: int = -1) -> Session:
    return Session(1, 1, 1, 1, 2, state, revision, 0, 2, hidden, "", "", 0, 0)


def test_a_talk_is_listed_when_it_has_a_later_message_than_the_hidden_one() -> None:
    assert session().is_listed(0)
    assert not session(hidden=0).is_listed(0)
    assert session(hidden=0).is_listed(1)
    assert not session(hidden=5).is_listed(5) and session(hidden=5).is_listed(6)
    assert not session(state=SessionState.DELETED).is_listed(9)


@pytest.mark.parametrize(
    ("row", "revision", "hidden", "expected"),
    [
        (None, 0, 0, True),
        (session(), 1, -1, False),
        (session(), 9, -1, False),
        (session(revision=0, hidden=0), 1, -1, True),  # made silently, friends now
        (session(revision=0, hidden=0), 0, -1, False),
        (session(revision=3, hidden=7), 4, -1, False),  # hidden by the user: the next message brings it back
        (session(state=2, revision=3), 3, -1, False),  # a late repeat
        (session(state=2, revision=3), 4, -1, True),
    ],
)
def test_when_a_row_is_made_or_revived(row: Session | None, revision: int, hidden: int, expected: bool) -> None:
    assert seeded(row, revision, hidden) is expected


def test_when_a_device_must_start_from_nothing() -> None:
    floors = {"talk": 10, "contact": 0, "user": 0}
    assert must_reset("e", "", {}, floors, {})
    assert must_reset("e", "other", {"talk": 10}, floors, floors)
    assert must_reset("e", "e", {"talk": 9}, floors, {})
    assert not must_reset("e", "e", {"talk": 10}, floors, {})
    assert not must_reset("e", "e", {"talk": 3}, floors, floors)  # inside a reset
    assert must_reset("e", "e", {"talk": 3}, floors | {"talk": 11}, floors)  # purged meanwhile
