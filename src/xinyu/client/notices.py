"""What the application is told: one small immutable object a thing that changed.

A notice says that something changed and carries enough to update a view in place; the state itself is asked of the
replica (`conversations`, `history`, `unread`, ...). Who loses notices loses no state: he reads the views again.
"""

from __future__ import annotations

from typing import Any

import msgspec

from xinyu.client.errors import ClientError
from xinyu.client.shapes import Record, Room


class Notice(msgspec.Struct, frozen=True):
    """The base of all notices."""


class RecordAdded(Notice, frozen=True):
    """A message that this device did not hold: pushed, stored by an own send, or found by a sync."""

    talk_id: int
    record: Record


class RecordChanged(Notice, frozen=True):
    """A held message is different now: edited or recalled (`record.recalled`)."""

    talk_id: int
    record: Record


class RecordRemoved(Notice, frozen=True):
    """A held message is gone from this user's view: hidden, cleared, expired, or forgotten to be fetched again."""

    talk_id: int
    sequence: int


class ReadChanged(Notice, frozen=True):
    """Read up to there, on any of the user's devices; `unread` is what is left."""

    talk_id: int
    read_sequence: int
    unread: int


class PeerRead(Notice, frozen=True):
    """The peer of a pair has read up to there."""

    talk_id: int
    read_sequence: int


class TalkUpdated(Notice, frozen=True):
    """Profile, own membership or visible window of a talk changed; its line in the list may look different."""

    talk_id: int


class RosterChanged(Notice, frozen=True):
    """Members of a group changed; ask `members` again."""

    talk_id: int


class TalkForgotten(Notice, frozen=True):
    """The talk left this device: its row was deleted, or it is not this user's any more."""

    talk_id: int


class RowsChanged(Notice, frozen=True):
    """Rows of one room changed: talk (the conversation list), contact (friends, applications), user (settings)."""

    room: Room


class ResetDone(Notice, frozen=True):
    """Everything that was held was forgotten and is being loaded anew: forget views, read them again."""


class Synced(Notice, frozen=True):
    """This device has caught up: what it holds is what the server held a moment ago."""


class SendStored(Notice, frozen=True):
    """A queued message has been stored (or, with `record.undelivered`, answered as undeliverable)."""

    msg_id: str
    record: Record


class SendRefused(Notice, frozen=True):
    """A queued message was refused for good and is out of the queue."""

    msg_id: str
    error: ClientError


class ConnectionChanged(Notice, frozen=True):
    """state: connecting, ready, waiting (for the next try), closed. `detail` says why, for people and logs."""

    state: str
    detail: str = ""


class Typing(Notice, frozen=True):
    """Somebody types in a single chat."""

    talk_mode: int
    to_from_id: int
    from_id: int


class OtherEvent(Notice, frozen=True):
    """A server event that changes nothing that the replica holds, such as `im.contact.apply`."""

    event: str
    payload: Any


class NoticesDropped(Notice, frozen=True):
    """The application was too slow and `count` notices were dropped: read the views again."""

    count: int
