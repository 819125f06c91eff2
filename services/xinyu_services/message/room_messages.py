"""Messages that the group room writes in the name of a member: a vote, a notice.

The group room has looked at what the member may do. Its message is told like any other; what it is about (a vote's
answers) lives in the group room, and when that changes the message takes a change number of its talk, so that devices
look again: those that are there by talk.changed, others by their sync.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sqlalchemy import Connection

from xinyu.base.clock import Clock
from xinyu.base.errors import UNKNOWN_GROUP, XinYuError
from xinyu.delivery.outbox import Event
from xinyu_services.message.model import Member, SystemMessage, Talk, TalkKey, TalkMode
from xinyu_services.message.store import MessageStore


class Write(Protocol):
    """Runs work in the talk's lane and hands its events on (`MessageService`)."""

    async def __call__(self, key: TalkKey, work: Callable[[Connection, list[Event]], Talk]) -> Talk: ...


class Append(Protocol):
    """A message's row, unless a former try wrote it (`MessageService`)."""

    def __call__(
        self,
        connection: Connection,
        talk: Talk,
        members: dict[int, Member],
        system: SystemMessage,
        now_ms: int,
        events: list[Event],
    ) -> None: ...


class FindTalk(Protocol):
    def __call__(self, connection: Connection, key: TalkKey, *, lock: bool = False) -> Talk | None: ...


class RoomMessages:
    """A part of MessageService, which gives it its own ways to write."""

    def __init__(self, store: MessageStore, clock: Clock, find: FindTalk, append: Append, write: Write) -> None:
        self._store = store
        self._clock = clock
        self._find = find
        self._append = append
        self._write = write

    async def write(self, group_id: int, message: SystemMessage) -> Talk:
        """A repeat writes nothing. Raises UNKNOWN_GROUP."""
        now_ms = self._clock.now_ms()

        def work(connection: Connection, events: list[Event]) -> Talk:
            talk = self._group(connection, group_id)
            pair = (talk.talk_id, message.sender_id)
            sender = self._store.load_members(connection, [pair]).get(pair)
            members = {} if sender is None else {sender.user_id: sender}
            self._append(connection, talk, members, message, now_ms, events)
            if events:
                if sender is not None:
                    self._store.upsert_cursors(connection, [sender], ("sent_sequence",))
                self._store.save_talk(connection, talk)
            return talk

        return await self._write(TalkKey(TalkMode.GROUP, group_id), work)

    async def touch(self, group_id: int, msg_id: str, sender_id: int) -> Talk:
        """Nothing where the message was recalled, or is not there. Raises UNKNOWN_GROUP."""

        def work(connection: Connection, events: list[Event]) -> Talk:
            talk = self._group(connection, group_id)
            found = self._store.find_sent(connection, [(msg_id, talk.talk_id, sender_id)])
            for _, message in found.values():
                if message.recalled_by or message.expired:
                    continue
                talk.last_change += 1
                self._store.save_change(connection, talk.talk_id, message.sequence, talk.last_change, recalled_by=0)
                self._store.save_talk(connection, talk)
                events.append(
                    Event(
                        "c", (talk.talk_id, talk.last_change, message.sequence), (talk.facts, message, talk.last_digest)
                    )
                )
            return talk

        return await self._write(TalkKey(TalkMode.GROUP, group_id), work)

    def _group(self, connection: Connection, group_id: int) -> Talk:
        talk = self._find(connection, TalkKey(TalkMode.GROUP, group_id), lock=True)
        if talk is None:
            raise XinYuError(UNKNOWN_GROUP)
        return talk
