"""What a device holds, and how it catches up. No I/O, no clock, no event loop.

In go server events and answers to requests, out come requests to make and notices for the application. Everything is
a plain method call that either changes the held state completely or raises before it changed anything, so a
`snapshot` taken between two calls is always a consistent state to restart from.

How it catches up
-----------------
A talk has three counters that grow by one: `sequence` (messages), `change` (changes of what is stored, for all
members) and `own` (changes that only this user sees). The device keeps one cursor for each, and one `version` for
each room with rows of its own (conversation list, contacts, user). Then:

- A push applies only at cursor + 1, and only if it speaks of no message number above the device's `sequence`; one
  about this user's own membership never applies, since his window may have moved. One at or below the cursor is old.
  Nor does one of a talk that no sync has answered yet: a talk is first learned of as a whole, its profile included.
- What does not apply starts a sync and waits in a buffer. What arrives during a sync waits for its end. What has
  waited for a whole sync and still does not fit is not for this device, and is dropped. One sync at a time.
- A sync names the cursors and gets what differs. Above the answer's `base` every number is a record or a void; between
  the device's sequence and base lies a gap that is fetched when looked at (`history` says what to ask, `apply_range`
  takes the answer).
- A change never adds a record, and what was recalled stays recalled: neither a late push nor an answer that was made
  before the recall can bring a text back. A range or roster answer that is older than the cursors is asked again.
- A record that disappears goes when its time has come by the caller's clock (`expire`), and for good by a void.
- A record in a push does not know its reader: which reactions are his own stays as it is held, but for the one that
  the push names as set or taken back by him. Answers to questions of his own know it.
- `stale` forgets the records of one talk, `reset` everything, both in the same step as the answer is applied.
- Another epoch (a server restored from a backup, whose numbers may be given out twice) empties the buffer.

Unread is not stored: last_sequence - max(read_sequence, from - 1), never below 0.

Invariants: `records` holds only numbers that are in `held`; `held` lies within [from_sequence, sequence]; no cursor
goes down while the epoch stays, except by a reset. Memory: at most `max_records` messages a talk stay (the older half
is forgotten, to be fetched again), and at most `BUFFER_LIMIT` waiting pushes (above it the buffer is emptied and one
more sync is made: a lost push is a gap like any other).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from heapq import heappop, heappush
from typing import Any, Final, Literal

import msgspec

from xinyu.client import notices
from xinyu.client.errors import ProtocolError, UnknownTalk
from xinyu.client.ranges import RangeSet
from xinyu.client.shapes import (
    ROOMS,
    YES,
    ImMessage,
    Member,
    MembersAnswer,
    MembersRequest,
    OwnMembership,
    Profile,
    Push,
    Range,
    RangeAnswer,
    RangeRequest,
    Reaction,
    Record,
    Room,
    RowChanged,
    SyncAnswer,
    SyncRequest,
    TalkAnswer,
    TalkChanged,
    TalkOwn,
    TalkRow,
    Versions,
    contact_key,
    read,
)

BUFFER_LIMIT: Final = 10_000  # pushes that wait for a sync
RANGE_LIMIT: Final = 200  # numbers that one message/range may ask for (contract: ws-events)
SNAPSHOT_FORMAT: Final = 1

Applied = Literal["ok", "old", "gap"]


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the conversation list, or one talk by itself.

    `name` is the user's own remark where there is one, else the talk's; `last_record` the newest record that this
    device holds, None when it holds none; `is_listed` False when the user has hidden the talk and nothing came since,
    or its group was dismissed; `mentions_all`: an unread message mentions everybody (the newest that does counts).
    """

    talk_id: int
    talk_mode: int
    to_from_id: int
    name: str
    avatar: str
    remark: str
    draft: str
    is_pinned: bool
    is_disturb: bool
    is_robot: bool
    is_listed: bool
    mute_all: bool
    dismissed: bool
    slow_mode_s: int
    mention_all: int
    mentions_all: bool
    unread: int
    last_sequence: int
    read_sequence: int
    peer_read_sequence: int
    from_sequence: int
    member: OwnMembership | None
    last_record: Record | None
    scheduled_num: int = 0
    scheduled_failed_num: int = 0
    expire_after_s: int = 0


class RangeLook:
    """A range to ask the server for; hand it back with the answer."""

    __slots__ = ("_connection", "_talk", "request")

    def __init__(self, request: RangeRequest, talk: _Talk, connection: int) -> None:
        self.request = request
        self._talk = talk
        self._connection = connection


class MembersLook:
    """A roster question to ask the server; hand it back with the answer."""

    __slots__ = ("_connection", "_talk", "request")

    def __init__(self, request: MembersRequest, talk: _Talk, connection: int) -> None:
        self.request = request
        self._talk = talk
        self._connection = connection


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a talk's messages, newest first.

    `records` are without a hole from the asked place downwards. When `missing` is set the page ends at numbers that
    the device does not hold: ask for them, hand the answer in, and read the page again. `at_start`: nothing older.
    """

    records: list[Record]
    missing: RangeLook | None
    at_start: bool


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """The members of a group, by user id. When `missing` is set it is not known or not fresh: ask."""

    members: list[Member]
    missing: MembersLook | None


class _Talk:
    """What is held of one talk."""

    __slots__ = (
        "change",
        "from_sequence",
        "held",
        "is_told",
        "member",
        "mention_all_sequence",
        "order",
        "own",
        "peer_read_sequence",
        "profile",
        "read_sequence",
        "records",
        "roster",
        "roster_change",
        "sequence",
    )

    def __init__(self) -> None:
        self.sequence = self.change = self.own = 0
        self.from_sequence = 1
        self.read_sequence = self.peer_read_sequence = 0
        self.mention_all_sequence = 0  # the newest message that mentions everybody
        self.held = RangeSet()
        self.records: dict[int, Record] = {}
        self.order: list[int] = []  # keys of records, ascending
        self.profile: Profile | None = None
        self.member: OwnMembership | None = None
        self.roster: dict[int, Member] | None = None
        self.roster_change = 0
        self.is_told = False  # a sync has answered it: cursors, window, profile

    @property
    def unread(self) -> int:
        return max(0, self.sequence - max(self.read_sequence, self.from_sequence - 1))

    def put(self, record: Record) -> bool:
        """Hold the record in place of what was held; False when a recalled one would come back to life."""
        held = self.records.get(record.sequence)
        if held is None:
            insort(self.order, record.sequence)
        elif held.recalled and not record.recalled:
            return False
        self.records[record.sequence] = record
        return True

    def drop(self, low: int, high: int) -> list[int]:
        """Take the records from low to high out; the numbers stay held (they are void now). Returns the sequences."""
        first, after = bisect_left(self.order, low), bisect_left(self.order, high + 1)
        gone = self.order[first:after]
        del self.order[first:after]
        for sequence in gone:
            del self.records[sequence]
        return gone

    def cut(self, from_sequence: int) -> list[int]:
        """Move the lowest visible number up. Returns the sequences of the records that went."""
        self.from_sequence = max(self.from_sequence, from_sequence)
        self.held.cut_below(self.from_sequence)
        return self.drop(0, self.from_sequence - 1)

    def forget(self) -> list[int]:
        """Forget the records (not the cursors): every number is missing again."""
        gone, self.order = self.order, []
        self.records.clear()
        self.held.clear()
        return gone

    @property
    def newest(self) -> Record | None:
        return self.records[self.order[-1]] if self.order else None


class _Waiting:
    """A push that waits. `through`: it was here when the running sync asked its first page."""

    __slots__ = ("push", "through")

    def __init__(self, push: Push) -> None:
        self.push = push
        self.through = False


class _StoredTalk(msgspec.Struct, array_like=True):
    talk_id: int
    sequence: int
    change: int
    own: int
    from_sequence: int
    read_sequence: int
    peer_read_sequence: int
    held: list[Range]
    records: list[Record]
    profile: Profile | None
    member: OwnMembership | None
    roster: list[Member] | None
    roster_change: int
    is_told: bool
    mention_all_sequence: int = 0


class _Stored(msgspec.Struct):
    format: int
    user_id: int
    epoch: str
    versions: Versions
    talk_rows: list[TalkRow]
    contact_rows: list[dict[str, Any]]
    user_row: dict[str, Any] | None
    talks: list[_StoredTalk]


class Replica:
    """One user's view on one device.

    The caller reports `connected` and `disconnected`, feeds `receive` with pushes and `stored` with the answers to
    its own sends, asks `take_sync` after every call and carries out what it returns (`apply_sync` or `sync_failed`
    when done), and hands on `take_notices`.
    """

    def __init__(self, user_id: int = 0, *, max_records: int = 10_000) -> None:
        self.user_id = user_id
        self._max_records = max_records
        self._notices: list[notices.Notice] = []
        self._connection = 0  # counts connections; 0 = none
        self._connections = 0
        self._wipe()
        self._boot()

    def _wipe(self) -> None:
        """Forget what is stored."""
        self.epoch = ""
        self._versions: dict[Room, int] = dict.fromkeys(ROOMS, 0)
        self._talk_rows: dict[int, TalkRow] = {}
        self._contact_rows: dict[tuple[str, int], dict[str, Any]] = {}
        self._user_row: dict[str, Any] | None = None
        self._talks: dict[int, _Talk] = {}
        self._expiring: list[tuple[int, int, int]] = []  # (expires_at_ms, talk_id, sequence), a heap

    def _boot(self) -> None:
        """Forget what lives with one connection."""
        self._buffer: list[_Waiting] = []
        self._syncing = False
        self._sync_again = False
        self._outstanding: SyncRequest | None = None
        self._next: str | None = None
        self._connection_epoch = ""

    # ------------------------------------------------------------------ connection

    def connected(self, user_id: int, epoch: str) -> None:
        """A connection is ready (`session.ready`): a sync begins. What another user held is forgotten."""
        if self.user_id not in (0, user_id):
            self._wipe()
            self._notices.append(notices.ResetDone())
        self.user_id = user_id
        self._boot()
        self._connections += 1
        self._connection = self._connections
        self._connection_epoch = epoch
        self.sync()

    def disconnected(self) -> None:
        """The connection is gone, and with it what waited and every answer that was still to come."""
        self._connection = 0
        self._boot()

    @property
    def is_connected(self) -> bool:
        return self._connection != 0

    @property
    def is_synced(self) -> bool:
        """Connected, and no sync under way."""
        return self._connection != 0 and not self._syncing

    # ------------------------------------------------------------------ sync

    def sync(self) -> None:
        """Catch up: on `sync.required`, on a timer, on a gap. During a sync: one more after it."""
        if not self._connection:
            return
        if self._syncing:
            self._sync_again = True
            return
        self._syncing, self._sync_again, self._next = True, False, None

    def take_sync(self) -> SyncRequest | None:
        """The sync request to make now, or None. Each request is returned once."""
        if not self._syncing or self._outstanding is not None:
            return None
        if self._next is None:
            for waiting in self._buffer:
                waiting.through = True
        cursors = {talk_id: (talk.sequence, talk.change, talk.own) for talk_id, talk in self._talks.items()}
        for talk_id in self._talk_rows:
            cursors.setdefault(talk_id, (0, 0, 0))
        self._outstanding = SyncRequest(
            epoch=self.epoch,
            versions=Versions(**self._versions),
            talks=[(talk_id, *cursors[talk_id]) for talk_id in sorted(cursors)],
            next=self._next,
        )
        return self._outstanding

    def sync_failed(self, request: SyncRequest) -> None:
        """The request or its answer was lost or refused: `take_sync` gives it anew, from the first page."""
        if request is self._outstanding:
            self._outstanding = self._next = None

    def apply_sync(self, request: SyncRequest, answer: SyncAnswer) -> None:
        """The answer to `request`. One that belongs to an earlier connection is ignored.

        Raises ProtocolError, with nothing changed, when the answer makes no sense.
        """
        if request is not self._outstanding:
            return
        contact_rows = [(contact_key(row), row) for row in answer.rows.contact]
        if (
            answer.next is not None
            and answer.next == request.next
            and not answer.talks
            and not any((answer.rows.talk, answer.rows.contact, answer.rows.user))
        ):
            raise ProtocolError("a sync page that brings nothing and wants the same page again")
        self._outstanding = None
        if answer.reset:
            self._wipe()
            self._notices.append(notices.ResetDone())
        if answer.epoch != self._connection_epoch:  # what waits was numbered in another epoch
            self._buffer.clear()
            self._sync_again = True
            self._connection_epoch = answer.epoch
        self.epoch = answer.epoch
        for row in answer.rows.talk:
            self._put_talk_row(row)
        for key, contact_row in contact_rows:
            self._put_contact_row(key, contact_row)
        for user_row in answer.rows.user:
            self._user_row = user_row
        for room in ROOMS:
            self._versions[room] = answer.versions.of(room)
            if getattr(answer.rows, room):
                self._notices.append(notices.RowsChanged(room))
        for talk_answer in answer.talks:
            self._apply_talk_answer(talk_answer, answer.reset)
        self._next = answer.next
        if answer.next is None:
            self._end_sync()

    def _end_sync(self) -> None:
        self._syncing = False
        moved = True
        while moved:  # a push may wait for another one that stands behind it
            moved, left = False, []
            for waiting in self._buffer:
                applied = self._apply(waiting.push)
                if applied == "gap":
                    left.append(waiting)
                moved |= applied == "ok"
            self._buffer = left
        self._buffer = [waiting for waiting in self._buffer if not waiting.through]
        if (self._buffer or self._sync_again) and not self._syncing:
            self.sync()
        if not self._syncing:
            self._notices.append(notices.Synced())

    def _apply_talk_answer(self, answer: TalkAnswer, reset: bool) -> None:
        talk_id = answer.talk_id
        if talk_id not in self._talk_rows:  # not in this user's list (yet): a later session row asks for it
            self._forget_talk(talk_id)
            return
        talk = self._talks.get(talk_id)
        if talk is None:
            talk = self._talks[talk_id] = _Talk()
        if answer.last_sequence < talk.sequence or answer.last_change < talk.change or answer.own < talk.own:
            # No server that keeps its word answers this. What is held cannot be trusted: ask for the talk from zero.
            self._forget_talk(talk_id)
            self._sync_again = True
            return
        if answer.stale:
            self._removed(talk_id, talk.forget())
        for record in answer.records:
            if record.sequence <= answer.base:
                self._replace(talk_id, talk, record)
            elif record.sequence <= answer.last_sequence:
                talk.held.add(record.sequence, record.sequence)
                self._show(talk_id, talk, record)
        for low, high in answer.voids:
            self._removed(talk_id, talk.drop(low, high))
            talk.held.add(max(low, answer.base + 1), min(high, answer.last_sequence))
        self._removed(talk_id, talk.cut(answer.from_sequence))
        before = (talk.read_sequence, talk.unread)
        looks = (talk.profile, talk.member)
        talk.sequence, talk.change, talk.own = answer.last_sequence, answer.last_change, answer.own
        talk.read_sequence = max(talk.read_sequence, answer.read_sequence)
        if before != (talk.read_sequence, talk.unread):
            self._notices.append(notices.ReadChanged(talk_id, talk.read_sequence, talk.unread))
        self._peer_read(talk_id, talk, answer.peer_read_sequence)
        talk.mention_all_sequence = max(talk.mention_all_sequence, answer.mention_all_sequence)
        talk.member = answer.member
        talk.is_told = True
        if answer.profile is not None:
            talk.profile = answer.profile
        if looks != (talk.profile, talk.member):
            self._notices.append(notices.TalkUpdated(talk_id))
        if talk.roster is not None and talk.roster_change < talk.change and answer.member.state == "in":
            self._notices.append(notices.RosterChanged(talk_id))
        self._trim(talk_id, talk)

    # ------------------------------------------------------------------ pushes

    def receive(self, push: Push) -> None:
        """A push. Applied, buffered or ignored; see the module's text.

        Raises ProtocolError, with nothing changed, when it makes no sense.
        """
        _check(push)
        if not self._connection:
            return
        if not self._syncing:
            applied = self._apply(push)
            if applied != "gap":
                return
            self._wait(push)
            self.sync()
            return
        self._wait(push)

    def stored(self, record: Record) -> None:
        """The answer to one's own send: a push of that message. An undelivered text is no record of the talk."""
        if not record.undelivered:
            self.receive(ImMessage(talk_id=record.talk_id, sequence=record.sequence, body=record))

    def read_answered(self, talk_id: int, read_sequence: int) -> None:
        """The answer to one's own read. The cursor only grows, so it can move at once; the number `own` cannot: it
        may be that of another change, whose push is still on its way."""
        talk = self._talks.get(talk_id)
        if talk is not None:
            self._read(talk_id, talk, min(read_sequence, talk.sequence))

    def _wait(self, push: Push) -> None:
        if len(self._buffer) >= BUFFER_LIMIT:
            self._buffer.clear()
            self._sync_again = True
        self._buffer.append(_Waiting(push))

    def _apply(self, push: Push) -> Applied:
        if isinstance(push, RowChanged):
            return self._apply_row(push)
        talk = self._talks.get(push.talk_id)
        if talk is None or not talk.is_told:
            return "gap"  # held from here on, it would be named without zeros, and its profile never be answered
        if isinstance(push, ImMessage):
            return self._apply_message(push, talk)
        if isinstance(push, TalkChanged):
            return self._apply_change(push, talk)
        return self._apply_own(push, talk)

    def _apply_message(self, push: ImMessage, talk: _Talk) -> Applied:
        if push.sequence != talk.sequence + 1:
            return "old" if push.sequence <= talk.sequence else "gap"
        talk.sequence = push.sequence
        if push.sequence >= talk.from_sequence:
            talk.held.add(push.sequence, push.sequence)
            self._show(push.talk_id, talk, push.body)
            if 0 in push.body.mentions:
                talk.mention_all_sequence = push.sequence
        if push.body.from_id == self.user_id:  # sending counts as having read
            self._read(push.talk_id, talk, push.sequence)
        self._trim(push.talk_id, talk)
        return "ok"

    def _apply_change(self, push: TalkChanged, talk: _Talk) -> Applied:
        if push.change != talk.change + 1:
            return "old" if push.change <= talk.change else "gap"
        numbers = [record.sequence for record in push.records] + [high for _, high in push.voids]
        if push.from_sequence is not None:
            numbers.append(push.from_sequence - 1)
        if max(numbers, default=0) > talk.sequence:
            return "gap"  # it has overtaken a message that it speaks of
        if any(member.user_id == self.user_id for member in push.members):
            return "gap"  # the window may have moved: only a sync can say
        talk_id = push.talk_id
        talk.change = push.change
        for record in push.records:
            self._replace(talk_id, talk, self._as_mine(record, talk.records.get(record.sequence), push.reaction))
        for low, high in push.voids:
            self._removed(talk_id, talk.drop(low, high))
        if push.from_sequence is not None:
            self._move_from(talk_id, talk, push.from_sequence)
        self._peer_read(talk_id, talk, push.peer_read_sequence)
        if push.profile is not None and push.profile != talk.profile:
            talk.profile = push.profile
            self._notices.append(notices.TalkUpdated(talk_id))
        if talk.roster is not None:
            if push.members and push.change > talk.roster_change:
                _merge_roster(talk.roster, push.members)
                self._notices.append(notices.RosterChanged(talk_id))
            if talk.roster_change == push.change - 1 and _says_something(push):
                talk.roster_change = push.change
        elif push.members:
            self._notices.append(notices.RosterChanged(talk_id))
        return "ok"

    def _apply_own(self, push: TalkOwn, talk: _Talk) -> Applied:
        if push.own != talk.own + 1:
            return "old" if push.own <= talk.own else "gap"
        highest = max([push.read_sequence, push.from_sequence - 1, *(high for _, high in push.voids)])
        if highest > talk.sequence:
            return "gap"
        talk.own = push.own
        self._move_from(push.talk_id, talk, push.from_sequence)
        self._read(push.talk_id, talk, push.read_sequence)
        for low, high in push.voids:
            self._removed(push.talk_id, talk.drop(low, high))
        return "ok"

    def _apply_row(self, push: RowChanged) -> Applied:
        held = self._versions[push.room]
        if push.version != held + 1:
            return "old" if push.version <= held else "gap"
        if push.room == "talk":
            row = _talk_row(push)
            made_known = row.talk_id not in self._talk_rows and not row.deleted
            self._put_talk_row(row)
            if made_known:
                self.sync()
        elif push.room == "contact":
            self._put_contact_row(contact_key(push.row), push.row)
        else:
            self._user_row = push.row
        self._versions[push.room] = push.version
        self._notices.append(notices.RowsChanged(push.room))
        return "ok"

    # ------------------------------------------------------------------ changes of what is held

    def _put_talk_row(self, row: TalkRow) -> None:
        if row.deleted:
            self._talk_rows.pop(row.talk_id, None)
            self._forget_talk(row.talk_id)
        else:
            self._talk_rows[row.talk_id] = row

    def _put_contact_row(self, key: tuple[str, int], row: dict[str, Any]) -> None:
        if row.get("deleted"):
            self._contact_rows.pop(key, None)
        else:
            self._contact_rows[key] = row

    def _forget_talk(self, talk_id: int) -> None:
        if self._talks.pop(talk_id, None) is not None:
            self._notices.append(notices.TalkForgotten(talk_id))

    def _show(self, talk_id: int, talk: _Talk, record: Record) -> None:
        before = talk.records.get(record.sequence)
        if not talk.put(record):
            return
        if before is None:
            self._note_expiry(talk_id, record)
            self._notices.append(notices.RecordAdded(talk_id, record))
        elif before != record:
            self._notices.append(notices.RecordChanged(talk_id, record))

    def _note_expiry(self, talk_id: int, record: Record) -> None:
        if record.expires_at_ms:
            heappush(self._expiring, (record.expires_at_ms, talk_id, record.sequence))

    def expire(self, now_ms: int) -> None:
        """Drops the records whose time has come by the caller's clock (Unix time), without waiting for the server to
        say so; their numbers are void."""
        while self._expiring and self._expiring[0][0] <= now_ms:
            at_ms, talk_id, sequence = heappop(self._expiring)
            talk = self._talks.get(talk_id)
            record = None if talk is None else talk.records.get(sequence)
            if talk is not None and record is not None and record.expires_at_ms == at_ms:
                self._removed(talk_id, talk.drop(sequence, sequence))

    def _as_mine(self, record: Record, held: Record | None, reaction: Reaction | None) -> Record:
        """A pushed record with the reactions marked that are this user's own."""
        mine = {each.emoji for each in held.reactions if each.is_mine} if held is not None else set()
        if reaction is not None and (reaction.user_id, reaction.sequence) == (self.user_id, record.sequence):
            mine.discard(reaction.emoji)
            if reaction.action == YES:
                mine.add(reaction.emoji)
        if not mine:
            return record
        marked = [msgspec.structs.replace(each, is_mine=each.emoji in mine) for each in record.reactions]
        return msgspec.structs.replace(record, reactions=marked)

    def _replace(self, talk_id: int, talk: _Talk, record: Record) -> None:
        """A change: it replaces a held record and never adds one."""
        if record.sequence in talk.records:
            self._show(talk_id, talk, record)

    def _removed(self, talk_id: int, sequences: Iterable[int]) -> None:
        self._notices.extend(notices.RecordRemoved(talk_id, sequence) for sequence in sequences)

    def _move_from(self, talk_id: int, talk: _Talk, from_sequence: int) -> None:
        if from_sequence > talk.from_sequence:
            unread = talk.unread
            self._removed(talk_id, talk.cut(from_sequence))
            self._notices.append(notices.TalkUpdated(talk_id))
            if talk.unread != unread:
                self._notices.append(notices.ReadChanged(talk_id, talk.read_sequence, talk.unread))

    def _read(self, talk_id: int, talk: _Talk, read_sequence: int) -> None:
        if read_sequence > talk.read_sequence:
            talk.read_sequence = read_sequence
            self._notices.append(notices.ReadChanged(talk_id, read_sequence, talk.unread))

    def _peer_read(self, talk_id: int, talk: _Talk, read_sequence: int | None) -> None:
        if read_sequence is not None and read_sequence > talk.peer_read_sequence:
            talk.peer_read_sequence = read_sequence
            self._notices.append(notices.PeerRead(talk_id, read_sequence))

    def _trim(self, talk_id: int, talk: _Talk) -> None:
        """Keep memory bounded: forget the older half of too many records; they are fetched again when looked at."""
        if len(talk.order) > self._max_records:
            lowest = talk.order[len(talk.order) // 2]
            talk.held.cut_below(lowest)
            self._removed(talk_id, talk.drop(0, lowest - 1))

    # ------------------------------------------------------------------ history and roster

    def history(self, talk_id: int, before: int | None = None, limit: int = 30) -> HistoryPage:
        """At most `limit` records of the talk with sequence < `before` (None = from the newest), newest first.

        Raises UnknownTalk when neither a session row nor a message of that talk is held.
        """
        talk = self._held_talk(talk_id)
        top = talk.sequence if before is None else min(before - 1, talk.sequence)
        low = talk.from_sequence
        gap = next(talk.held.missing(low, top), None) if top >= low else None
        floor = low if gap is None else gap[1] + 1
        first, after = bisect_left(talk.order, floor), bisect_left(talk.order, top + 1)
        first = max(first, after - limit)
        records = [talk.records[sequence] for sequence in reversed(talk.order[first:after])]
        if len(records) >= limit:
            return HistoryPage(records=records, missing=None, at_start=False)
        if gap is None:
            return HistoryPage(records=records, missing=None, at_start=True)
        wanted = min(max(limit - len(records), 20), RANGE_LIMIT)
        request = RangeRequest(talk_id=talk_id, from_sequence=max(gap[0], gap[1] - wanted + 1), to_sequence=gap[1])
        return HistoryPage(records=records, missing=RangeLook(request, talk, self._connection), at_start=False)

    def apply_range(self, look: RangeLook, answer: RangeAnswer) -> bool:
        """The answer to a `RangeLook`. False = it is older than what is held (or the talk was made anew meanwhile):
        read the history again, and ask what it says."""
        request = look.request
        talk = self._talks.get(request.talk_id)
        if talk is not look._talk or look._connection != self._connection:
            return False
        if answer.change < talk.change or answer.own < talk.own:
            return False
        low = max(request.from_sequence, talk.from_sequence)
        for record in answer.records:
            if low <= record.sequence <= request.to_sequence and record.sequence not in talk.held:
                talk.held.add(record.sequence, record.sequence)
                talk.put(record)
                self._note_expiry(request.talk_id, record)
        for void_low, void_high in answer.voids:
            # A number that is held as a record meanwhile is newer than this answer's void only by a push; the next
            # change or sync says so. Marking it held does not take it away.
            talk.held.add(max(void_low, low), min(void_high, request.to_sequence))
        return True

    def roster(self, talk_id: int) -> Roster:
        """The members of a talk as far as they are known."""
        talk = self._held_talk(talk_id)
        members = sorted((talk.roster or {}).values(), key=lambda member: member.user_id)
        if talk.roster is not None and talk.roster_change == talk.change:
            return Roster(members=members, missing=None)
        request = MembersRequest(talk_id=talk_id, change=talk.roster_change if talk.roster is not None else 0)
        return Roster(members=members, missing=MembersLook(request, talk, self._connection))

    def apply_members(self, look: MembersLook, answer: MembersAnswer) -> bool:
        """The answer to a `MembersLook`. False = it does not reach as far as what is held: ask for the rest again."""
        talk = self._talks.get(look.request.talk_id)
        if talk is not look._talk or look._connection != self._connection:
            return False
        if talk.roster is None or answer.change > talk.roster_change:
            talk.roster = talk.roster or {}
            _merge_roster(talk.roster, answer.members)
            talk.roster_change = answer.change
        return answer.change >= talk.change

    # ------------------------------------------------------------------ views

    def _held_talk(self, talk_id: int) -> _Talk:
        talk = self._talks.get(talk_id)
        if talk is None:
            if talk_id not in self._talk_rows:
                raise UnknownTalk(f"this device holds no talk {talk_id}")
            talk = self._talks[talk_id] = _Talk()
        return talk

    def conversation_list(self) -> list[Conversation]:
        """The list as shown: pinned ones first, then by the time of the newest record, newest first."""
        listed = [view for view in map(self._view, self._talk_rows.values()) if view.is_listed]
        listed.sort(
            key=lambda view: (
                view.is_pinned,
                view.last_record.sent_at_ms if view.last_record else 0,
                view.talk_id,
            ),
            reverse=True,
        )
        return listed

    def conversation(self, talk_id: int) -> Conversation | None:
        """One talk, listed or hidden; None when there is no session row for it."""
        row = self._talk_rows.get(talk_id)
        return None if row is None else self._view(row)

    def find(self, talk_mode: int, to_from_id: int) -> Conversation | None:
        """The talk with that peer or group; None when there is no session row for it."""
        for row in self._talk_rows.values():
            if (row.talk_mode, row.to_from_id) == (talk_mode, to_from_id):
                return self._view(row)
        return None

    def unread(self, talk_id: int) -> int:
        """How many messages of the talk are unread; 0 for an unknown one."""
        talk = self._talks.get(talk_id)
        return 0 if talk is None else talk.unread

    def contact_rows(self, kind: Literal["contact", "apply", "group"]) -> list[dict[str, Any]]:
        """The contact room's living rows of that kind, by id."""
        return [row for key, row in sorted(self._contact_rows.items(), key=lambda item: item[0]) if key[0] == kind]

    @property
    def user_row(self) -> dict[str, Any] | None:
        """user_info and setting, as `user/setting` answers; None before the first sync."""
        return self._user_row

    def records(self, talk_id: int) -> list[Record]:
        """Every record that is held of a talk, ascending; for tests and exports."""
        talk = self._talks.get(talk_id)
        return [] if talk is None else [talk.records[sequence] for sequence in talk.order]

    def cursors(self, talk_id: int) -> tuple[int, int, int]:
        """(sequence, change, own); zeros for an unknown talk."""
        talk = self._talks.get(talk_id)
        return (0, 0, 0) if talk is None else (talk.sequence, talk.change, talk.own)

    def _view(self, row: TalkRow) -> Conversation:
        talk = self._talks.get(row.talk_id) or _Talk()
        profile = talk.profile or Profile()
        return Conversation(
            talk_id=row.talk_id,
            talk_mode=row.talk_mode,
            to_from_id=row.to_from_id,
            name=row.remark or profile.name,
            avatar=profile.avatar,
            remark=row.remark,
            draft=row.draft,
            is_pinned=row.is_top == YES,
            is_disturb=row.is_disturb == YES,
            is_robot=row.is_robot == YES,
            is_listed=talk.sequence > row.hidden_sequence and not profile.dismissed,
            mute_all=profile.mute_all,
            dismissed=profile.dismissed,
            slow_mode_s=profile.slow_mode_s,
            mention_all=profile.mention_all,
            mentions_all=talk.mention_all_sequence > max(talk.read_sequence, talk.from_sequence - 1),
            unread=talk.unread,
            last_sequence=talk.sequence,
            read_sequence=talk.read_sequence,
            peer_read_sequence=talk.peer_read_sequence,
            from_sequence=talk.from_sequence,
            member=talk.member,
            last_record=talk.newest,
            scheduled_num=row.scheduled_num,
            scheduled_failed_num=row.scheduled_failed_num,
            expire_after_s=profile.expire_after_s,
        )

    def take_notices(self) -> list[notices.Notice]:
        """What changed since the last call, in order."""
        taken, self._notices = self._notices, []
        return taken

    # ------------------------------------------------------------------ storing

    def snapshot(self) -> bytes:
        """All that must outlive the process, as one value: store it whole, in place of the one before."""
        return msgspec.msgpack.encode(
            _Stored(
                format=SNAPSHOT_FORMAT,
                user_id=self.user_id,
                epoch=self.epoch,
                versions=Versions(**self._versions),
                talk_rows=list(self._talk_rows.values()),
                contact_rows=list(self._contact_rows.values()),
                user_row=self._user_row,
                talks=[
                    _StoredTalk(
                        talk_id=talk_id,
                        sequence=talk.sequence,
                        change=talk.change,
                        own=talk.own,
                        from_sequence=talk.from_sequence,
                        read_sequence=talk.read_sequence,
                        peer_read_sequence=talk.peer_read_sequence,
                        held=list(talk.held),
                        records=[talk.records[sequence] for sequence in talk.order],
                        profile=talk.profile,
                        member=talk.member,
                        roster=None if talk.roster is None else list(talk.roster.values()),
                        roster_change=talk.roster_change,
                        is_told=talk.is_told,
                        mention_all_sequence=talk.mention_all_sequence,
                    )
                    for talk_id, talk in self._talks.items()
                ],
            )
        )

    @classmethod
    def restore(cls, snapshot: bytes, *, max_records: int = 10_000) -> Replica:
        """The replica that `snapshot` was taken from, not connected. ValueError when it is not one (of this format):
        start with an empty one then, and everything is loaded anew."""
        try:
            stored = msgspec.msgpack.decode(snapshot, type=_Stored)
        except msgspec.MsgspecError as error:
            raise ValueError(f"not a replica's snapshot: {error}") from None
        if stored.format != SNAPSHOT_FORMAT:
            raise ValueError(f"a snapshot of format {stored.format}, this version reads {SNAPSHOT_FORMAT}")
        replica = cls(stored.user_id, max_records=max_records)
        replica.epoch = stored.epoch
        replica._versions = {room: stored.versions.of(room) for room in ROOMS}
        replica._talk_rows = {row.talk_id: row for row in stored.talk_rows}
        replica._contact_rows = {contact_key(row): row for row in stored.contact_rows}
        replica._user_row = stored.user_row
        for kept in stored.talks:
            talk = replica._talks[kept.talk_id] = _Talk()
            talk.sequence, talk.change, talk.own = kept.sequence, kept.change, kept.own
            talk.from_sequence = kept.from_sequence
            talk.read_sequence, talk.peer_read_sequence = kept.read_sequence, kept.peer_read_sequence
            talk.held = RangeSet(kept.held)
            talk.records = {record.sequence: record for record in kept.records}
            talk.order = sorted(talk.records)
            for record in kept.records:
                replica._note_expiry(kept.talk_id, record)
            talk.profile, talk.member = kept.profile, kept.member
            talk.roster = None if kept.roster is None else {member.user_id: member for member in kept.roster}
            talk.roster_change, talk.is_told = kept.roster_change, kept.is_told
            talk.mention_all_sequence = kept.mention_all_sequence
        return replica


def _talk_row(push: RowChanged) -> TalkRow:
    return read(TalkRow, {**push.row, "version": push.version})


def _check(push: Push) -> None:
    """Everything about a push that does not depend on what is held."""
    if isinstance(push, ImMessage):
        if not push.sequence or push.sequence != push.body.sequence:
            raise ProtocolError(f"im.message {push.sequence} with the record {push.body.sequence}")
    elif isinstance(push, RowChanged):
        if push.room == "talk":
            _talk_row(push)
        elif push.room == "contact":
            contact_key(push.row)


def _says_something(push: TalkChanged) -> bool:
    """A number alone may stand for more members than a push would list: then the roster is asked for."""
    return bool(
        push.records
        or push.voids
        or push.members
        or push.profile is not None
        or push.from_sequence is not None
        or push.peer_read_sequence is not None
    )


def _merge_roster(roster: dict[int, Member], members: Iterable[Member]) -> None:
    for member in members:
        if member.state == "in":
            roster[member.user_id] = member
        else:
            roster.pop(member.user_id, None)
