"""Use cases of the talk room. It owns session rows; heads, names and the other rooms' rows come by RPC."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import DISMISSED, INVALID, NOT_MEMBER, UNKNOWN_TALK, XinYuError
from xinyu.delivery.dispatcher import Dispatcher
from xinyu.delivery.outbox import Event
from xinyu.storage.database import Database
from xinyu.storage.transact import query, transact
from xinyu_services.directory import Directory
from xinyu_services.talk.model import (
    MAX_PINNED,
    MEMBER_IN,
    PAGE_RECORDS,
    PAGE_ROWS,
    PAGE_TALKS,
    SHOWN_AT_ONCE,
    TOMBSTONE_KEEP_MS,
    Cursor,
    Head,
    Mark,
    RoomVersion,
    Session,
    SessionState,
    must_reset,
    seeded,
)
from xinyu_services.talk.ports import Messages, Online, Remarks, RowPage, Rows
from xinyu_services.talk.store import TalkStore
from xinyu_services.talk.view import TalkView

T = TypeVar("T")
PURGE_LIMIT: Final = 500
ROOMS: Final = ("talk", "contact", "user")


@dataclass(frozen=True, slots=True)
class Seed:
    """A session row that the message room wants to be there."""

    user_id: int
    to_from_id: int
    revision: int
    hidden_sequence: int


class TalkService:
    """Constructed by the composition root."""

    def __init__(
        self,
        database: Database,
        store: TalkStore,
        view: TalkView,
        dispatcher: Dispatcher,
        directory: Directory,
        messages: Messages,
        contacts: Rows,
        users: Rows,
        remarks: Remarks,
        online: Online,
        epoch: Callable[[Connection], str],
        clock: Clock,
    ) -> None:
        self._database = database
        self._store = store
        self._view = view
        self._dispatcher = dispatcher
        self._directory = directory
        self._messages = messages
        self._contacts = contacts
        self._users = users
        self._remarks = remarks
        self._online = online
        self._epoch = epoch
        self._clock = clock

    # ---------------------------------------------------------------- the list

    async def list_sessions(self, user_id: int, codec: int) -> list[dict[str, Any]]:
        """Sessions that the list shows, pinned first, then newest."""
        sessions = await query(self._database, lambda connection: self._store.load_alive(connection, user_id))
        heads = await self._messages.heads(user_id, [s.talk_id for s in sessions], codec) if sessions else {}
        listed = [
            s
            for s in sessions
            if (head := heads.get(s.talk_id)) and not head.is_over and s.is_listed(head.last_sequence)
        ]
        shown = await self._shown(user_id, listed, heads)
        order = sorted(
            zip(listed, shown, strict=True),
            key=lambda pair: (
                pair[0].pinned_at_ms,
                heads[pair[0].talk_id].last_at_ms or pair[0].created_at_ms,
                pair[0].talk_id,
            ),
            reverse=True,
        )
        return [session for _, session in order]

    async def list_talks(self, user_id: int, limit: int) -> list[int]:
        """Talks that the user has a row of, whether the list shows it or not; the last changed first."""
        return await query(self._database, lambda connection: self._store.list_talks(connection, user_id, limit))

    async def _shown(
        self,
        user_id: int,
        sessions: Sequence[Session],
        heads: Mapping[int, Head],
        *,
        ask_online: bool = False,
    ) -> list[dict[str, Any]]:
        peers = [s.to_from_id for s in sessions if s.talk_mode == 1]
        names = await self._directory.users(peers)
        groups = await self._directory.groups([s.to_from_id for s in sessions if s.talk_mode == 2])
        remarks: dict[int, str] = {}
        online: set[int] = set()
        if peers:
            remarks = await self._remarks.of(user_id, peers)
            if ask_online:
                online = await self._online.among(peers)
        return [
            self._view.session(
                s, heads.get(s.talk_id), names, groups, remarks, online=s.talk_mode == 1 and s.to_from_id in online
            )
            for s in sessions
        ]

    async def robots_among(self, rows: Sequence[Session]) -> set[int]:
        """Of the peers of pairs, those that are bots."""
        peers = {row.to_from_id for row in rows if row.talk_mode == 1}
        names = await self._directory.users(peers) if peers else {}
        return {user_id for user_id, name in names.items() if name.is_robot}

    async def create_session(self, user_id: int, mode: int, to_from_id: int, codec: int) -> tuple[int, dict[str, Any]]:
        """Get or make one's row, and show it. Raises SELF, UNKNOWN_USER, UNKNOWN_GROUP, NOT_MEMBER, DISMISSED."""
        head = await self._messages.open(user_id, mode, to_from_id)
        if mode == 2 and not head.is_member:
            raise XinYuError(NOT_MEMBER)
        if head.dismissed:
            raise XinYuError(DISMISSED)
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> None:
            self._store.lock_users(connection, [user_id])
            row = self._store.load_session(connection, user_id, head.talk_id)
            if row is not None and row.state == SessionState.ALIVE and row.hidden_sequence == SHOWN_AT_ONCE:
                return
            if row is not None and row.state == SessionState.ALIVE and head.last_sequence > row.hidden_sequence:
                return  # it is in the list
            if row is None:
                row = _new_session(user_id, head.talk_id, mode, to_from_id, 0, SHOWN_AT_ONCE, now_ms)
            row.state, row.hidden_sequence = SessionState.ALIVE, SHOWN_AT_ONCE
            self._save(connection, [(row, True)], now_ms, events)

        await self._write(work)
        return await self.load_session(user_id, mode, to_from_id, codec)

    async def load_session(self, user_id: int, mode: int, to_from_id: int, codec: int) -> tuple[int, dict[str, Any]]:
        """One's Session of one talk, whether the list shows it or not."""
        head = await self._messages.head(user_id, mode, to_from_id, codec)
        if head is None:
            raise XinYuError(NOT_MEMBER)
        row = await query(
            self._database, lambda connection: self._store.load_session(connection, user_id, head.talk_id)
        )
        if row is None:
            row = _new_session(user_id, head.talk_id, mode, to_from_id, 0, SHOWN_AT_ONCE, self._clock.now_ms())
        shown = await self._shown(user_id, [row], {head.talk_id: head}, ask_online=True)
        return head.talk_id, shown[0]

    async def delete_session(self, user_id: int, mode: int, to_from_id: int, sequence: int | None) -> None:
        """Hides the entry until a message after `sequence` (None = the last); one's row of a talk that one has left is
        deleted. Repeats change nothing."""
        head = await self._messages.head(user_id, mode, to_from_id, 0)
        if head is None:
            return
        now_ms = self._clock.now_ms()
        hidden = head.last_sequence if sequence is None else min(sequence, head.last_sequence)

        def work(connection: Connection, events: list[Event]) -> None:
            self._store.lock_users(connection, [user_id])
            row = self._store.load_session(connection, user_id, head.talk_id)
            if row is None or row.state != SessionState.ALIVE:
                return
            if head.member_state != MEMBER_IN:
                row.state = SessionState.DELETED
            elif hidden <= row.hidden_sequence:
                return
            row.hidden_sequence = hidden
            self._save(connection, [(row, False)], now_ms, events)

        await self._write(work)

    async def mark_session(self, user_id: int, mode: int, to_from_id: int, mark: Mark) -> None:
        """Changes what is given of one's row. Raises UNKNOWN_TALK (it is not in one's list), INVALID (too many are
        pinned). Repeats change nothing."""
        head = await self._messages.head(user_id, mode, to_from_id, 0)
        if head is None:
            raise XinYuError(UNKNOWN_TALK)
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> None:
            self._store.lock_users(connection, [user_id])
            row = self._store.load_session(connection, user_id, head.talk_id)
            if row is None or row.state != SessionState.ALIVE:
                raise XinYuError(UNKNOWN_TALK)
            is_new_pin = bool(mark.is_top) and not row.pinned_at_ms
            if is_new_pin and self._store.count_pinned(connection, user_id) >= MAX_PINNED:
                raise XinYuError(INVALID, f"At most {MAX_PINNED} conversations can be pinned.")
            if mark.change(row, now_ms):
                self._save(connection, [(row, False)], now_ms, events)

        await self._write(work)

    async def ensure_sessions(self, talk_id: int, mode: int, seeds: Sequence[Seed]) -> None:
        """The message room's command. A row with this or a higher revision is left alone."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> None:
            self._store.lock_users(connection, [seed.user_id for seed in seeds])
            rows = self._store.load_sessions(connection, [(seed.user_id, talk_id) for seed in seeds])
            saved: list[tuple[Session, bool]] = []
            for seed in sorted(seeds, key=lambda seed: seed.user_id):
                row = rows.get((seed.user_id, talk_id))
                if not seeded(row, seed.revision, seed.hidden_sequence):
                    continue
                if row is None:
                    row = _new_session(
                        seed.user_id, talk_id, mode, seed.to_from_id, seed.revision, seed.hidden_sequence, now_ms
                    )
                row.state, row.revision, row.hidden_sequence = (
                    SessionState.ALIVE,
                    seed.revision,
                    seed.hidden_sequence,
                )
                saved.append((row, seed.hidden_sequence == SHOWN_AT_ONCE))
            self._save(connection, saved, now_ms, events)

        await self._write(work)

    async def count_scheduled(self, user_id: int, talk_id: int, waiting: int, failed: int, revision: int) -> None:
        """The message room's command. Every change of what is to be sent later gives the row a new version, whether
        the numbers move or not; a revision that is not higher than the row's is an old one."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> None:
            self._store.lock_users(connection, [user_id])
            row = self._store.load_session(connection, user_id, talk_id)
            if row is None or revision <= row.scheduled_revision:
                return
            row.scheduled_count, row.scheduled_failed, row.scheduled_revision = waiting, failed, revision
            self._save(connection, [(row, False)], now_ms, events)

        await self._write(work)

    def _save(
        self, connection: Connection, rows: Sequence[tuple[Session, bool]], now_ms: int, events: list[Event]
    ) -> None:
        """Rows of different users, ascending, each with whether the reference client is to show it at once."""
        if not rows:
            return
        versions = self._store.next_versions(connection, [row.user_id for row, _ in rows])
        for row, shown in rows:
            row.version = versions[row.user_id]
            row.changed_at_ms = now_ms
            events.append(Event("v", (row.user_id, row.talk_id, row.version, shown), row))
        self._store.save_sessions(connection, [row for row, _ in rows])

    async def purge_tombstones(self) -> int:
        """Deletes rows that have been dead for 180 days, a batch at a time; a device that was away for longer starts
        from nothing."""
        before_ms, purged = self._clock.now_ms() - TOMBSTONE_KEEP_MS, 0
        while True:
            count = await transact(
                self._database, lambda connection: self._store.purge_tombstones(connection, before_ms, PURGE_LIMIT)
            )
            purged += count
            if count < PURGE_LIMIT:
                return purged

    # ---------------------------------------------------------------- catching up

    async def sync(
        self, user_id: int, epoch: str, versions: Mapping[str, int], talks: Sequence[Cursor], next_: str, codec: int
    ) -> dict[str, Any]:
        """One page of what a device has missed (data.md, "Catching up"; contract: ws-events, `sync`)."""
        carried = _decode_next(next_)
        asked = {room: versions.get(room, 0) for room in ROOMS}
        contact, user = await self._other_rows(user_id, asked, codec)
        # The talk rows are read last: a row that they know of is then never newer than what the message room answers.
        current, version, rows = await query(self._database,
            lambda connection: self._talk_rows(connection, user_id, asked["talk"])
        )
        floors = {"talk": version.floor, "contact": contact.floor, "user": user.floor}
        reset = must_reset(current, epoch, asked, floors, carried)
        if reset:
            asked, talks = dict.fromkeys(ROOMS, 0), ()
            contact, user = await self._other_rows(user_id, asked, codec)
            current, version, rows = await query(
                self._database, lambda connection: self._talk_rows(connection, user_id, 0)
            )
        more = contact.more or user.more
        answered = {
            "talk": version.version,
            "contact": contact.last_version if contact.more else contact.version,
            "user": user.last_version if user.more else user.version,
        }
        if len(rows) > PAGE_TALKS:
            more, rows = True, rows[:PAGE_TALKS]
            answered["talk"] = rows[-1].version
        cursors = {c.talk_id: c for c in talks}
        for row in rows:
            if row.state == SessionState.ALIVE and row.talk_id not in cursors:
                cursors[row.talk_id] = Cursor(row.talk_id, named=False)
        talk_answers: list[msgspec.Raw] = []
        if cursors:
            answer = await self._messages.sync(user_id, list(cursors.values()), PAGE_TALKS, PAGE_RECORDS, codec)
            talk_answers = [msgspec.Raw(talk) for talk in answer.talks]
            more = more or answer.more
            if answer.cut_at_talk_id:
                # A row is told only together with its talk: this page ends before it.
                end = next(n for n, row in enumerate(rows) if row.talk_id == answer.cut_at_talk_id)
                rows = rows[:end]
                answered["talk"] = rows[-1].version
        robots = await self.robots_among(rows)
        page: dict[str, Any] = {
            "epoch": current,
            "reset": reset,
            "versions": answered,
            "rows": {
                "talk": [self._view.row(row, robots) for row in rows],
                "contact": [msgspec.Raw(row) for row in contact.rows],
                "user": [msgspec.Raw(row) for row in user.rows],
            },
            "talks": talk_answers,
        }
        if more:
            page["next"] = _encode_next(floors)
        return page

    async def _other_rows(self, user_id: int, asked: Mapping[str, int], codec: int) -> tuple[RowPage, RowPage]:
        return (
            await self._contacts.newer(user_id, asked["contact"], PAGE_ROWS, codec),
            await self._users.newer(user_id, asked["user"], PAGE_ROWS, codec),
        )

    def _talk_rows(self, connection: Connection, user_id: int, version: int) -> tuple[str, RoomVersion, list[Session]]:
        current = self._store.load_version(connection, user_id)
        rows = self._store.load_newer(connection, user_id, version, PAGE_TALKS + 1) if current.version > version else []
        return self._epoch(connection), current, rows

    async def epoch(self) -> str:
        return await query(self._database, self._epoch)

    # ---------------------------------------------------------------- transactions

    async def _write(self, work: Callable[[Connection, list[Event]], T]) -> T:
        batch = self._dispatcher.outbox.open()

        def transaction(connection: Connection) -> T:
            events: list[Event] = []
            result = work(connection, events)
            batch.write(connection, events)
            return result

        result = await transact(self._database, transaction)
        self._dispatcher.committed(batch)
        return result


def _new_session(
    user_id: int, talk_id: int, mode: int, to_from_id: int, revision: int, hidden_sequence: int, now_ms: int
) -> Session:
    return Session(
        user_id,
        talk_id,
        0,
        mode,
        to_from_id,
        SessionState.ALIVE,
        revision,
        0,
        2,
        hidden_sequence,
        "",
        "",
        now_ms,
        now_ms,
    )


def _encode_next(floors: Mapping[str, int]) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode([floors[room] for room in ROOMS])).decode()


def _decode_next(text: str) -> dict[str, int]:
    """The floors that `next` carries; it is opaque to devices, and what is not ours is refused."""
    if not text:
        return {}
    try:
        values = msgspec.json.decode(base64.urlsafe_b64decode(text.encode()), type=tuple[int, int, int])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise XinYuError(INVALID, "next is not one of ours.") from None
    return dict(zip(ROOMS, values, strict=True))
