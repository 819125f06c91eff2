"""Rules of the conversation list. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

# A sync page: rows a room, talks and records it may hold (data.md, "Catching up").
MEMBER_IN: Final = 1
PAGE_TALKS: Final = 100
PAGE_ROWS: Final = 500
PAGE_RECORDS: Final = 1_000
# How long a tombstone is kept. A device that was away for longer starts from nothing.
TOMBSTONE_KEEP_MS: Final = 180 * 86_400_000
SHOWN_AT_ONCE: Final = -1
MAX_PINNED: Final = 100
YES, NO = 1, 2


class SessionState(IntEnum):
    ALIVE = 1
    DELETED = 2


@dataclass(slots=True)
class Session:
    """One user's row about one talk. `hidden_sequence`: the talk is listed when it has a later message."""

    user_id: int
    talk_id: int
    version: int
    talk_mode: int
    to_from_id: int
    state: int
    revision: int
    pinned_at_ms: int
    is_disturb: int
    hidden_sequence: int
    draft: str
    remark: str
    created_at_ms: int
    changed_at_ms: int
    scheduled_count: int = 0  # messages that are to be sent later
    scheduled_failed: int = 0  # and that could not be
    scheduled_revision: int = 0

    def is_listed(self, last_sequence: int) -> bool:
        """A new message brings a hidden one back without a write."""
        return self.state == SessionState.ALIVE and last_sequence > self.hidden_sequence


@dataclass(frozen=True, slots=True)
class Mark:
    """What a user changes of an entry of his list; None = stays as it is."""

    is_top: bool | None = None
    is_disturb: bool | None = None
    draft: str | None = None

    def change(self, session: Session, now_ms: int) -> bool:
        """Changes the row; whether anything is different now. One that is pinned already keeps its place."""
        before = (session.pinned_at_ms, session.is_disturb, session.draft)
        if self.is_top is not None:
            session.pinned_at_ms = (session.pinned_at_ms or now_ms) if self.is_top else 0
        if self.is_disturb is not None:
            session.is_disturb = YES if self.is_disturb else NO
        if self.draft is not None:
            session.draft = self.draft
        return before != (session.pinned_at_ms, session.is_disturb, session.draft)


@dataclass(frozen=True, slots=True)
class Head:
    """A talk as one user's list needs it. The digest is in the codec that was asked for."""

    talk_id: int
    talk_mode: int
    to_from_id: int
    last_sequence: int
    unread: int
    digest: str
    last_at_ms: int
    member_state: int
    dismissed: bool = False  # a group that has ended

    @property
    def is_over(self) -> bool:
        """A group that ended while one was in it is in no list; who left before keeps what he could read."""
        return self.dismissed and self.member_state == MEMBER_IN


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a device holds of a talk. `named` is False for one that it learns of on this page."""

    talk_id: int
    sequence: int = 0
    change: int = 0
    own: int = 0
    named: bool = True


@dataclass(slots=True)
class RoomVersion:
    """A user's version in a room, and the floor below which tombstones are gone."""

    version: int = 0
    floor: int = 0


def must_reset(
    epoch: str, asked_epoch: str, asked: dict[str, int], floors: dict[str, int], carried: dict[str, int]
) -> bool:
    """Whether a device must forget everything: another epoch, or a version below a room's floor. `carried`: the floors
    that this sync began with, so that no reset starts inside a reset."""
    if asked_epoch != epoch:
        return True
    return any(asked.get(room, 0) < floor != carried.get(room, -1) for room, floor in floors.items())


def seeded(session: Session | None, revision: int, hidden_sequence: int) -> bool:
    """Whether EnsureSessions changes the row: it is missing, or dead and spoken of anew, or it was made silently and
    the two are friends now."""
    if session is None:
        return True
    if session.state != SessionState.ALIVE:
        return revision > session.revision
    return revision > session.revision and hidden_sequence < session.hidden_sequence == 0
